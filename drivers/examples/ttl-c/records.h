// The records: the data of an image are the times of its file and attributes of the file in this driver's namespace.
#ifndef BOOKS_H
#define BOOKS_H

#include "driver.h"

// These functions return true, or false with `err` set, like the functions of the interface.

// Writes a record on the file of its image.
bool records_write(const types_cached_image_t *image, types_error_t *err);

// Counts a hit, and then sets `counted`. If the image is not in the records, this does nothing.
bool records_count(driver_string_t *id, uint64_t at, bool *counted, types_error_t *err);

// Removes a record.
bool records_erase(driver_string_t *id, types_error_t *err);

// Whether the image is in the records.
bool records_have(driver_string_t *id, bool *have, types_error_t *err);

// The record of an image, if it has one; the caller frees it.
bool records_read(driver_string_t *id, exports_driver_option_cached_image_t *record, types_error_t *err);

// Passes every cached file to `visit`, in no particular order. If `visit` returns true, the pass continues; if it returns false,
// the pass ends with the `err` that `visit` set. To keep `file->image_id`, `visit` takes it over and sets the pointer to null and
// the length to 0.
bool records_each_file(bool (*visit)(files_file_t *file, void *context, types_error_t *err), void *context, types_error_t *err);

#endif
