// The records: what is known of an image lies on its own file, as times and as attributes in this driver's namespace.
#ifndef BOOKS_H
#define BOOKS_H

#include "driver.h"

// These answer true, or false with `err` set, as the functions of the interface do.

// Writes a record on the file of its image.
bool records_write(const types_cached_image_t *image, types_error_t *err);

// Counts a hit, and then sets `counted`. An image that is not in the records is passed over.
bool records_count(driver_string_t *id, uint64_t at, bool *counted, types_error_t *err);

// Removes a record.
bool records_erase(driver_string_t *id, types_error_t *err);

// Whether the image is in the records.
bool records_have(driver_string_t *id, bool *have, types_error_t *err);

// The record of an image, if it has one; the caller frees it.
bool records_read(driver_string_t *id, exports_driver_option_cached_image_t *record, types_error_t *err);

// Hands every cached file to `visit`, in no order; true goes on, false ends with the `err` that it set. What `visit` wants to keep
// of `file->image_id` it takes, and leaves the pointer null and the length 0.
bool records_each_file(bool (*visit)(files_file_t *file, void *context, types_error_t *err), void *context, types_error_t *err);

#endif
