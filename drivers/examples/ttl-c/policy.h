// The policy: which images are admitted, how long they live, and which go first.
#ifndef POLICY_H
#define POLICY_H

#include "driver.h"

// What the operator chose; the largest number stands for "no limit".
typedef struct {
    uint64_t max_age;    // microseconds since the image was written
    uint64_t max_size;   // bytes of one image
    bool unknown_sizes;  // whether an image is admitted whose size nobody knows
} policy_t;

extern policy_t policy;

// Reads the options; false, with `err` set, if one is unknown or out of range.
bool policy_read(const driver_list_tuple2_string_string_t *options, exports_driver_configuration_error_t *err);

// Whether an image of this size (null if it is not known) may be cached.
bool policy_admits(const uint64_t *size);

// The images to evict, first to go first: those that are too old, the oldest of them first; then the least recently accessed.
bool policy_victims(const exports_driver_eviction_t *request, exports_driver_list_victim_t *victims, types_error_t *err);

#endif
