// An image is in the records if its file has the attribute `hits`, the count in decimal. Size and times are those of the file.
// The checksum has the size and the modification time of its file: `HEX SIZE MODIFIED`. If the file was changed since then, the
// checksum is invalid.

#include "records.h"
#include "text.h"

#include <stdlib.h>

#define FILES_AT_ONCE 1000

static driver_string_t hits_name = {(uint8_t *)"hits", 4};
static driver_string_t checksum_name = {(uint8_t *)"checksum", 8};

static bool is_not_found(const types_error_t *err) {
    return err->tag == TYPES_ERROR_NOT_FOUND;
}

// An attribute, or none, also if the file no longer exists. If an attribute is too large, this driver did not write it: it
// exists, but its value is ignored.
static bool read_attribute(driver_string_t *id, driver_string_t *name, driver_option_list_u8_t *value, types_error_t *err) {
    if (attributes_get(id, name, value, err)) return true;
    *value = (driver_option_list_u8_t){.is_some = err->tag == TYPES_ERROR_TOO_LARGE};
    return value->is_some || is_not_found(err);
}

static bool remove_attribute(driver_string_t *id, driver_string_t *name, types_error_t *err) {
    return attributes_remove(id, name, err) || is_not_found(err);
}

static bool write_attribute(driver_string_t *id, driver_string_t *name, driver_string_t value, types_error_t *err) {
    driver_list_u8_t bytes = {value.ptr, value.len};
    return attributes_set(id, name, &bytes, err);
}

static bool write_checksum(driver_string_t *id, const types_checksum_t *checksum, const files_file_t *file, types_error_t *err) {
    uint8_t size[DIGITS], modified[DIGITS];
    driver_string_t space = text_of(" ");
    driver_string_t parts[] = {
        checksum->value, space, text_number(file->size, size), space, text_number(file->modified, modified), {0},
    };
    driver_string_t value = text_join(parts);
    bool written = write_attribute(id, &checksum_name, value, err);
    driver_string_free(&value);
    return written;
}

// `hits`, which marks a record, is written last: if the call is interrupted, there is no partial record.
bool records_write(const types_cached_image_t *image, types_error_t *err) {
    driver_string_t id = image->image_id;
    files_option_file_t file;
    if (!files_stat(&id, &file, err)) return false;
    if (!file.is_some) {
        err->tag = TYPES_ERROR_NOT_FOUND;
        return false;
    }
    bool done = image->checksum.is_some ? write_checksum(&id, &image->checksum.val, &file.val, err)
                                        : remove_attribute(&id, &checksum_name, err);
    files_option_file_free(&file);
    uint8_t hits[DIGITS];
    return done && files_set_accessed(&id, image->last_accessed, err) &&
           write_attribute(&id, &hits_name, text_number(image->hits, hits), err);
}

// Moves the access time forward, never back.
static bool touch(driver_string_t *id, uint64_t at, types_error_t *err) {
    files_option_file_t file;
    if (!files_stat(id, &file, err)) return false;
    bool later = file.is_some && file.val.accessed < at;
    files_option_file_free(&file);
    return !later || files_set_accessed(id, at, err) || is_not_found(err);
}

// `attributes.add` would create the counter if it does not exist, and so add a file without a record to the records.
bool records_count(driver_string_t *id, uint64_t at, bool *counted, types_error_t *err) {
    bool have;
    int64_t sum;
    if (!records_have(id, &have, err)) return false;
    if (!have) return true;
    // The time is set first: repeating this step does no harm, but repeating the count would count the hit twice.
    if (!touch(id, at, err)) return false;
    if (!attributes_add(id, &hits_name, 1, &sum, err)) return is_not_found(err);
    *counted = true;
    return true;
}

bool records_erase(driver_string_t *id, types_error_t *err) {
    return remove_attribute(id, &hits_name, err) && remove_attribute(id, &checksum_name, err);
}

bool records_have(driver_string_t *id, bool *have, types_error_t *err) {
    driver_option_list_u8_t hits;
    if (!read_attribute(id, &hits_name, &hits, err)) return false;
    *have = hits.is_some;
    driver_option_list_u8_free(&hits);
    return true;
}

// The checksum in the text of an attribute, if it belongs to this file.
static bool checksum_of(driver_string_t text, const files_file_t *file, types_checksum_t *checksum) {
    driver_string_t hex, word;
    uint64_t size, modified;
    if (!text_word(&text, &hex)) return false;
    if (!text_word(&text, &word) || !text_to_number(&word, &size) || size != file->size) return false;
    if (!text_word(&text, &word) || !text_to_number(&word, &modified) || modified != file->modified) return false;
    switch (hex.len) {
        case 32: checksum->algorithm = TYPES_CHECKSUM_ALGORITHM_MD5; break;
        case 64: checksum->algorithm = TYPES_CHECKSUM_ALGORITHM_SHA256; break;
        case 128: checksum->algorithm = TYPES_CHECKSUM_ALGORITHM_SHA512; break;
        default: return false;
    }
    driver_string_dup_n(&checksum->value, (const char *)hex.ptr, hex.len);
    return true;
}

// Creates a record from a file, whose id it takes over, and from its attributes.
static void fill(types_cached_image_t *record, files_file_t *file, const driver_list_u8_t *hits, const driver_option_list_u8_t *checksum) {
    driver_string_t count = {hits->ptr, hits->len};
    *record = (types_cached_image_t){
        .image_id = file->image_id, .size = file->size, .last_accessed = file->accessed, .last_modified = file->modified,
    };
    // If it is not a number or too large, this driver did not write it: it counts as 0.
    if (!text_to_number(&count, &record->hits)) record->hits = 0;
    if (checksum->is_some) {
        driver_string_t text = {checksum->val.ptr, checksum->val.len};
        record->checksum.is_some = checksum_of(text, file, &record->checksum.val);
    }
    file->image_id = (driver_string_t){0};
}

// `hits` is read first: if the file is not in the records, the other attributes are not needed.
bool records_read(driver_string_t *id, exports_driver_option_cached_image_t *record, types_error_t *err) {
    files_option_file_t file = {.is_some = false};
    driver_option_list_u8_t hits, checksum = {.is_some = false};
    record->is_some = false;
    if (!read_attribute(id, &hits_name, &hits, err)) return false;
    bool done = !hits.is_some || (files_stat(id, &file, err) && read_attribute(id, &checksum_name, &checksum, err));
    if (done && file.is_some) {
        record->is_some = true;
        fill(&record->val, &file.val, &hits.val, &checksum);
    }
    files_option_file_free(&file);
    driver_option_list_u8_free(&hits);
    driver_option_list_u8_free(&checksum);
    return done;
}

bool records_each_file(bool (*visit)(files_file_t *file, void *context, types_error_t *err), void *context, types_error_t *err) {
    files_own_listing_t listing;
    if (!files_list_cached(&listing, err)) return false;
    bool good = true, more = true;
    while (good && more) {
        files_list_file_t some;
        if (!files_method_listing_next(files_borrow_listing(listing), FILES_AT_ONCE, &some, err)) {
            good = false;
            break;
        }
        more = some.len > 0;
        for (size_t n = 0; good && n < some.len; n++) good = visit(&some.ptr[n], context, err);
        files_list_file_free(&some);
    }
    files_listing_drop_own(listing);
    return good;
}
