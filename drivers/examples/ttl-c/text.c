#include "text.h"

#include <stdlib.h>
#include <string.h>

driver_string_t text_of(const char *constant) {
    return (driver_string_t){(uint8_t *)constant, strlen(constant)};
}

int text_compare(const driver_string_t *a, const driver_string_t *b) {
    size_t shorter = a->len < b->len ? a->len : b->len;
    int order = shorter == 0 ? 0 : memcmp(a->ptr, b->ptr, shorter);
    return order != 0 ? order : (a->len > b->len) - (a->len < b->len);
}

bool text_is(const driver_string_t *text, const char *constant) {
    driver_string_t other = text_of(constant);
    return text_compare(text, &other) == 0;
}

driver_string_t text_join(const driver_string_t *parts) {
    size_t len = 0;
    for (const driver_string_t *part = parts; part->ptr; part++) len += part->len;
    uint8_t *all = malloc(len + 1), *end = all;
    if (!all) abort();
    for (const driver_string_t *part = parts; part->ptr; part++) {
        memcpy(end, part->ptr, part->len);
        end += part->len;
    }
    return (driver_string_t){all, len};
}

driver_string_t text_number(uint64_t number, uint8_t room[DIGITS]) {
    uint8_t *start = room + DIGITS;
    do {
        *--start = '0' + number % 10;
        number /= 10;
    } while (number > 0);
    return (driver_string_t){start, (size_t)(room + DIGITS - start)};
}

// The number of digits at the start of the text, and their value; false if the value is too large.
static bool leading_number(const driver_string_t *text, size_t *digits, uint64_t *number) {
    *number = 0;
    for (*digits = 0; *digits < text->len; (*digits)++) {
        unsigned digit = text->ptr[*digits] - '0';
        if (digit > 9) break;
        if (__builtin_mul_overflow(*number, 10, number)) return false;
        if (__builtin_add_overflow(*number, digit, number)) return false;
    }
    return *digits > 0;
}

bool text_to_number(const driver_string_t *text, uint64_t *number) {
    size_t digits;
    return leading_number(text, &digits, number) && digits == text->len;
}

bool text_to_quantity(const driver_string_t *text, const unit_t *units, uint64_t *quantity) {
    size_t at;
    if (!leading_number(text, &at, quantity)) return false;
    while (at < text->len && text->ptr[at] == ' ') at++;
    driver_string_t name = {text->ptr + at, text->len - at};
    for (; units->name; units++) {
        if (text_is(&name, units->name)) {
            return !__builtin_mul_overflow(*quantity, units->factor, quantity);
        }
    }
    return false;
}

bool text_word(driver_string_t *rest, driver_string_t *word) {
    while (rest->len > 0 && *rest->ptr == ' ') rest->ptr++, rest->len--;
    *word = (driver_string_t){rest->ptr, 0};
    while (rest->len > 0 && *rest->ptr != ' ') rest->ptr++, rest->len--, word->len++;
    return word->len > 0;
}
