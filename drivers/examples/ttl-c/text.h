// Text of the interface: bytes with a length, without a NUL at the end. Without stdio, because stdio would import WASI.
#ifndef TEXT_H
#define TEXT_H

#include "driver.h"

// A constant, which must not be freed.
driver_string_t text_of(const char *constant);

// Compares by bytes, like the order of ids in the interface.
int text_compare(const driver_string_t *a, const driver_string_t *b);

bool text_is(const driver_string_t *text, const char *constant);

// The concatenation of the parts, up to the part without `ptr`; the caller frees it.
driver_string_t text_join(const driver_string_t *parts);

// Room for any 64-bit number in decimal.
#define DIGITS 20

// Writes a number in decimal to `room`, and returns the text in it.
driver_string_t text_number(uint64_t number, uint8_t room[DIGITS]);

// Reads a decimal number; false if the whole text is not a number, or if it is too large.
bool text_to_number(const driver_string_t *text, uint64_t *number);

// A unit and its factor; the list ends with an entry without a name.
typedef struct {
    const char *name;
    uint64_t factor;
} unit_t;

// Reads a whole number followed by a unit, with optional spaces between them; false if the text is not valid, or if the number is
// too large.
bool text_to_quantity(const driver_string_t *text, const unit_t *units, uint64_t *quantity);

// Takes the first word from the remaining text; false if there is none.
bool text_word(driver_string_t *rest, driver_string_t *word);

#endif
