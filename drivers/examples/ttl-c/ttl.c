// A driver that evicts images above an age limit and does not admit images above a size limit; otherwise it evicts the least
// recently accessed images first.
//
// The functions of the interface. Two files implement them: records.c keeps the records, as attributes of the cached files, and
// policy.c selects the images to evict. A function owns its arguments and frees them; the generated code frees its result.

#include "records.h"
#include "policy.h"
#include "text.h"
#include "walk.h"

#include <stdlib.h>

// Records in one page.
#define PAGE 1000

// The generated code frees the result, so the result is always a copy.
void exports_driver_describe(exports_driver_description_t *ret) {
    driver_string_dup(&ret->name, "ttl");
    driver_string_dup(&ret->version, "1.0.0");
}

bool exports_driver_configure(driver_list_tuple2_string_string_t *options, exports_driver_configuration_error_t *err) {
    bool good = policy_read(options, err);
    driver_list_tuple2_string_string_free(options);
    if (!good) return false;
    if (attributes_is_supported()) return true;
    err->tag = EXPORTS_DRIVER_CONFIGURATION_ERROR_UNSUPPORTED;
    driver_string_dup(&err->val.unsupported,
                      "the file system of the cache directory has no user attributes (user.*), where this driver keeps its records; "
                      "use ext4, xfs, btrfs or a tmpfs that has them, or another driver");
    return false;
}

bool exports_driver_is_cacheable(exports_driver_image_id_t *image_id, uint64_t *size, uint64_t now, bool *ret, exports_driver_error_t *err) {
    (void)now, (void)err;
    *ret = policy_admits(size);
    driver_string_free(image_id);
    return true;
}

bool exports_driver_record_cached(exports_driver_cached_image_t *image, exports_driver_error_t *err) {
    bool written = records_write(image, err);
    exports_driver_cached_image_free(image);
    return written;
}

static void warn(const driver_string_t *id) {
    driver_string_t parts[] = {text_of("a hit of "), *id, text_of(" was not counted: its attributes cannot be changed"), {0}};
    driver_string_t words = text_join(parts);
    log_log(LOG_LEVEL_WARN, &words);
    driver_string_free(&words);
}

// Attributes have no transactions. An error promises that nothing was counted, and the host then sends all hits again. So after
// one hit was counted, the driver only logs those that fail. If a file must not be changed, its hits are never counted, but the
// hits of other files are.
bool exports_driver_record_hits(exports_driver_list_hit_t *hits, exports_driver_error_t *err) {
    bool counted = false, good = true;
    for (size_t n = 0; good && n < hits->len; n++) {
        exports_driver_hit_t *hit = &hits->ptr[n];
        if (records_count(&hit->image_id, hit->at, &counted, err)) continue;
        good = counted || err->tag == TYPES_ERROR_DENIED;
        if (good) {
            types_error_free(err);
            warn(&hit->image_id);
        }
    }
    exports_driver_list_hit_free(hits);
    return good;
}

bool exports_driver_forget(exports_driver_list_image_id_t *ids, exports_driver_error_t *err) {
    bool good = true;
    for (size_t n = 0; good && n < ids->len; n++) good = records_erase(&ids->ptr[n], err);
    exports_driver_list_image_id_free(ids);
    return good;
}

bool exports_driver_get_cached_image(exports_driver_image_id_t *image_id, exports_driver_option_cached_image_t *ret, exports_driver_error_t *err) {
    bool read = records_read(image_id, ret, err);
    driver_string_free(image_id);
    return read;
}

bool exports_driver_get_cached_images(exports_driver_image_id_t *after, uint32_t limit, exports_driver_list_cached_image_t *ret, exports_driver_error_t *err) {
    if (limit > PAGE) limit = PAGE;
    *ret = (exports_driver_list_cached_image_t){calloc(limit + 1, sizeof *ret->ptr), 0};
    if (!ret->ptr) abort();
    walk_start(after);
    bool good = true;
    driver_string_t *id;
    while (ret->len < limit && (good = walk_next(&id, err)) && id) {
        exports_driver_option_cached_image_t record;
        if (!(good = records_read(id, &record, err))) break;
        if (record.is_some) ret->ptr[ret->len++] = record.val;
    }
    walk_end(good && ret->len > 0 ? &ret->ptr[ret->len - 1].image_id : NULL);
    if (ret->len == 0) free(ret->ptr);
    else if (!good) exports_driver_list_cached_image_free(ret);
    if (after) driver_string_free(after);
    return good;
}

static bool add_up(files_file_t *file, void *context, exports_driver_error_t *err) {
    exports_driver_cache_size_t *size = context;
    bool have;
    if (!records_have(&file->image_id, &have, err)) return false;
    if (!have) return true;
    size->images++;
    if (__builtin_add_overflow(size->bytes, file->size, &size->bytes)) size->bytes = UINT64_MAX;
    return true;
}

bool exports_driver_get_cache_size(exports_driver_cache_size_t *ret, exports_driver_error_t *err) {
    *ret = (exports_driver_cache_size_t){0};
    return records_each_file(add_up, ret, err);
}

bool exports_driver_select_victims(exports_driver_eviction_t *request, exports_driver_list_victim_t *ret, exports_driver_error_t *err) {
    bool good = policy_victims(request, ret, err);
    exports_driver_eviction_free(request);
    return good;
}

// All invalid leftovers, and the incomplete ones that have stalled.
bool exports_driver_select_leftovers(exports_driver_list_leftover_t *leftovers, uint64_t stalled_before, uint64_t now, exports_driver_list_leftover_t *ret, exports_driver_error_t *err) {
    (void)now, (void)err;
    size_t kept = 0;
    for (size_t n = 0; n < leftovers->len; n++) {
        exports_driver_leftover_t *leftover = &leftovers->ptr[n];
        bool goes = leftover->state == EXPORTS_DRIVER_LEFTOVER_STATE_INVALID || leftover->modified <= stalled_before;
        if (goes) leftovers->ptr[kept++] = *leftover;
        else driver_string_free(&leftover->image_id);
    }
    if (kept == 0 && leftovers->len > 0) free(leftovers->ptr);
    *ret = (exports_driver_list_leftover_t){leftovers->ptr, kept};
    return true;
}
