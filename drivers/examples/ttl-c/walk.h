// All cached files' ids in order, page by page, out of a directory that has none.
#ifndef WALK_H
#define WALK_H

#include "driver.h"

// Begins a page behind an id, or at the front where `after` is null.
void walk_start(const driver_string_t *after);

// The next id, `*id` null at the end. It lies in memory until the next call. False, with `err` set, if the directory cannot be
// read.
bool walk_next(driver_string_t **id, types_error_t *err);

// Ends a page whose last id this was.
void walk_end(const driver_string_t *last);

#endif
