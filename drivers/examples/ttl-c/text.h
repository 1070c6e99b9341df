// Text as the interface has it: bytes with a length, no NUL at the end. Without stdio: that would import WASI.
#ifndef TEXT_H
#define TEXT_H

#include "driver.h"

// A constant, not to be freed.
driver_string_t text_of(const char *constant);

// Orders by bytes, as the interface orders ids.
int text_compare(const driver_string_t *a, const driver_string_t *b);

bool text_is(const driver_string_t *text, const char *constant);

// A copy of the parts behind one another, up to the one without `ptr`; the caller frees it.
driver_string_t text_join(const driver_string_t *parts);

// Room for any 64-bit number in decimal.
#define DIGITS 20

// Writes a number in decimal, and answers its text in `room`.
driver_string_t text_number(uint64_t number, uint8_t room[DIGITS]);

// Reads a decimal number that is all of the text; false if it is none, or too large.
bool text_to_number(const driver_string_t *text, uint64_t *number);

// A unit and what it stands for; the list ends with one without a name.
typedef struct {
    const char *name;
    uint64_t factor;
} unit_t;

// Reads a whole number with a unit behind it, spaces between them allowed; false if it is none, or too large.
bool text_to_quantity(const driver_string_t *text, const unit_t *units, uint64_t *quantity);

// The first word of a text that is left, which then begins behind it; false if there is none.
bool text_word(driver_string_t *rest, driver_string_t *word);

#endif
