// The ids of all cached files in order, page by page, from the unordered directory.
#ifndef WALK_H
#define WALK_H

#include "driver.h"

// Begins a page after an id, or at the beginning if `after` is null.
void walk_start(const driver_string_t *after);

// The next id; `*id` is null at the end. It is valid until the next call. Returns false and sets `err` if the directory cannot be
// read.
bool walk_next(driver_string_t **id, types_error_t *err);

// Ends a page; this is its last id.
void walk_end(const driver_string_t *last);

#endif
