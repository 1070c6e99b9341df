// The policy: which images are admitted, their maximum age, and which are evicted first.
#ifndef POLICY_H
#define POLICY_H

#include "driver.h"

// The operator's options; the largest number means "no limit".
typedef struct {
    uint64_t max_age;    // microseconds since the image was written
    uint64_t max_size;   // bytes of one image
    bool unknown_sizes;  // whether an image of unknown size is admitted
} policy_t;

extern policy_t policy;

// Reads the options. Returns false and sets `err` if an option is unknown or out of range.
bool policy_read(const driver_list_tuple2_string_string_t *options, exports_driver_configuration_error_t *err);

// Whether an image of this size (null if it is unknown) may be cached.
bool policy_admits(const uint64_t *size);

// The images to evict, in order: images above the age limit, the oldest first; then the least recently accessed ones.
bool policy_victims(const exports_driver_eviction_t *request, exports_driver_list_victim_t *victims, types_error_t *err);

#endif
