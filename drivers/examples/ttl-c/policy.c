#include "policy.h"

#include "records.h"
#include "text.h"

#include <stdlib.h>

policy_t policy = {UINT64_MAX, UINT64_MAX, true};

static const unit_t times[] = {
    {"s", 1000000ull}, {"m", 60000000ull}, {"h", 3600000000ull}, {"d", 86400000000ull}, {0},
};

static const unit_t sizes[] = {
    {"", 1}, {"B", 1}, {"KiB", 1ull << 10}, {"MiB", 1ull << 20}, {"GiB", 1ull << 30}, {"TiB", 1ull << 40}, {0},
};

static bool read_one(const driver_string_t *name, const driver_string_t *value, policy_t *chosen, const char **accepted) {
    if (text_is(name, "max-age")) {
        *accepted = "a time such as 30d, 12h, 90m or 45s, more than 0";
        return text_to_quantity(value, times, &chosen->max_age) && chosen->max_age > 0;
    }
    if (text_is(name, "max-image-size")) {
        *accepted = "a size such as 20 GiB, 500MiB or 4096, more than 0";
        return text_to_quantity(value, sizes, &chosen->max_size) && chosen->max_size > 0;
    }
    if (text_is(name, "unknown-size")) {
        *accepted = "admit or refuse";
        chosen->unknown_sizes = text_is(value, "admit");
        return chosen->unknown_sizes || text_is(value, "refuse");
    }
    return false;
}

bool policy_read(const driver_list_tuple2_string_string_t *options, exports_driver_configuration_error_t *err) {
    policy_t chosen = {UINT64_MAX, UINT64_MAX, true};
    for (size_t n = 0; n < options->len; n++) {
        const driver_string_t *name = &options->ptr[n].f0, *value = &options->ptr[n].f1;
        const char *accepted = NULL;
        if (read_one(name, value, &chosen, &accepted)) continue;
        driver_string_t wrong[] = {
            text_of("option "), *name, text_of(": '"), *value, text_of("' is not "), text_of(accepted ? accepted : ""), {0},
        };
        driver_string_t unknown[] = {
            text_of("unknown option "), *name, text_of("; this driver takes max-age, max-image-size, unknown-size"), {0},
        };
        err->tag = EXPORTS_DRIVER_CONFIGURATION_ERROR_INVALID_OPTION;
        err->val.invalid_option = text_join(accepted ? wrong : unknown);
        return false;
    }
    policy = chosen;
    return true;
}

bool policy_admits(const uint64_t *size) {
    return size ? *size <= policy.max_size : policy.unknown_sizes;
}

// A candidate for eviction.
typedef struct {
    exports_driver_victim_t victim;
    bool young;     // not above the age limit
    uint64_t when;  // if young: when it was last accessed; otherwise when it was written
} candidate_t;

// The maximum number of victims in one result; the host asks for more.
#define MOST 10000

// The first victims among the files seen so far, and others that are still to be dropped.
typedef struct {
    const exports_driver_eviction_t *request;
    candidate_t *list;
    size_t len, limit;
    bool full;  // whether the list has enough victims
} selection_t;

static int compare(const void *left, const void *right) {
    const candidate_t *a = left, *b = right;
    if (a->young != b->young) return a->young ? 1 : -1;
    if (a->when != b->when) return a->when < b->when ? -1 : 1;
    return text_compare(&a->victim.image_id, &b->victim.image_id);
}

static int compare_ids(const void *a, const void *b) {
    return text_compare(a, b);
}

// Sorts the list, and drops victims that are not needed.
static void cut(selection_t *chosen) {
    qsort(chosen->list, chosen->len, sizeof *chosen->list, compare);
    uint64_t bytes = 0, needed = chosen->request->bytes_needed;
    size_t keep = 0;
    while (keep < chosen->len && keep < chosen->limit) {
        const candidate_t *next = &chosen->list[keep];
        // If no bytes are needed, images above the age limit are evicted nevertheless.
        if (bytes >= needed && (needed > 0 || next->young)) break;
        if (__builtin_add_overflow(bytes, next->victim.size, &bytes)) bytes = UINT64_MAX;
        keep++;
    }
    chosen->full = keep == chosen->limit || (needed > 0 && bytes >= needed);
    while (chosen->len > keep) driver_string_free(&chosen->list[--chosen->len].victim.image_id);
}

static bool is_excluded(const selection_t *chosen, const driver_string_t *id) {
    const exports_driver_list_image_id_t *exclude = &chosen->request->exclude;
    return exclude->len > 0 && bsearch(id, exclude->ptr, exclude->len, sizeof *exclude->ptr, compare_ids);
}

static bool offer(files_file_t *file, void *context, types_error_t *err) {
    (void)err;
    selection_t *chosen = context;
    uint64_t now = chosen->request->now;
    bool young = file->modified >= now || now - file->modified < policy.max_age;
    candidate_t candidate = {{file->image_id, file->size}, young, young ? file->accessed : file->modified};
    if (young && chosen->request->bytes_needed == 0) return true;
    if (chosen->full && chosen->len > 0 && compare(&chosen->list[chosen->len - 1], &candidate) < 0) return true;
    if (is_excluded(chosen, &file->image_id)) return true;
    chosen->list[chosen->len++] = candidate;
    file->image_id = (driver_string_t){0};
    if (chosen->len == 2 * chosen->limit) cut(chosen);
    return true;
}

bool policy_victims(const exports_driver_eviction_t *request, exports_driver_list_victim_t *victims, types_error_t *err) {
    *victims = (exports_driver_list_victim_t){0};
    if (request->limit == 0) return true;
    size_t limit = request->limit < MOST ? request->limit : MOST;
    selection_t chosen = {.request = request, .limit = limit};
    chosen.list = calloc(2 * limit, sizeof *chosen.list);
    if (!chosen.list) abort();
    const exports_driver_list_image_id_t *exclude = &request->exclude;
    if (exclude->len > 0) qsort(exclude->ptr, exclude->len, sizeof *exclude->ptr, compare_ids);
    bool seen = records_each_file(offer, &chosen, err);
    if (seen) cut(&chosen);
    if (seen && chosen.len > 0) {
        *victims = (exports_driver_list_victim_t){calloc(chosen.len, sizeof *victims->ptr), chosen.len};
        if (!victims->ptr) abort();
    }
    for (size_t n = 0; n < chosen.len; n++) {
        if (seen) victims->ptr[n] = chosen.list[n].victim;
        else driver_string_free(&chosen.list[n].victim.image_id);
    }
    free(chosen.list);
    return seen;
}
