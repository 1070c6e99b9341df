#include "walk.h"

#include "records.h"
#include "text.h"

#include <stdlib.h>

// The number of ids in memory, a few MiB: a larger cache needs one pass over the directory for each such number of ids.
#define MOST 32768

// The state of an instance between two pages. It can be restored from the directory at any time, so the host can discard the
// instance between pages.
static struct {
    driver_string_t *ids;  // ascending
    size_t len, next;
    bool more;                // whether the directory had more ids than fit
    driver_string_t after;    // the last id that was taken, or the id after which the page begins
    driver_string_t page_end;  // where the last page ended
} walk;

static int compare(const void *a, const void *b) {
    return text_compare(a, b);
}

static void set(driver_string_t *kept, const driver_string_t *text) {
    driver_string_t copy = {0};
    if (text) driver_string_dup_n(&copy, (const char *)text->ptr, text->len);
    driver_string_free(kept);
    *kept = copy;
}

// Keeps only the smallest ids.
static void cut(void) {
    qsort(walk.ids, walk.len, sizeof *walk.ids, compare);
    while (walk.len > MOST) {
        driver_string_free(&walk.ids[--walk.len]);
        walk.more = true;
    }
}

static void empty(void) {
    while (walk.len > 0) driver_string_free(&walk.ids[--walk.len]);
    walk.next = 0;
    walk.more = false;
}

static bool offer(files_file_t *file, void *context, types_error_t *err) {
    (void)context, (void)err;
    if (text_compare(&file->image_id, &walk.after) <= 0) return true;
    walk.ids[walk.len++] = file->image_id;
    file->image_id = (driver_string_t){0};
    if (walk.len == 2 * MOST) cut();
    return true;
}

// One pass over the directory, for the ids after `after`.
static bool look(types_error_t *err) {
    if (!walk.ids) walk.ids = calloc(2 * MOST, sizeof *walk.ids);
    if (!walk.ids) abort();
    empty();
    if (!records_each_file(offer, NULL, err)) {
        empty();
        walk.more = true;
        return false;
    }
    cut();
    return true;
}

void walk_start(const driver_string_t *after) {
    bool follows = after && walk.page_end.len > 0 && text_compare(after, &walk.page_end) == 0;
    if (follows) return;
    empty();
    walk.more = true;
    set(&walk.after, after);
}

bool walk_next(driver_string_t **id, types_error_t *err) {
    *id = NULL;
    if (walk.next == walk.len && walk.more && !look(err)) return false;
    if (walk.next == walk.len) return true;
    *id = &walk.ids[walk.next++];
    set(&walk.after, *id);
    return true;
}

void walk_end(const driver_string_t *last) {
    set(&walk.page_end, last);
}
