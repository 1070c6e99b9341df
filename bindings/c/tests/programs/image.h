/* An image of some megabytes, and a source of it that gives it in small parts. */
#ifndef IMAGE_H
#define IMAGE_H

#include "check.h"

enum { SIZE = 3 * 1000 * 1000, PART = 60 * 1000 };

struct store {
    size_t offset;
    int closes;
};

static inline char byte_of_image(size_t offset) { return (char)(offset * 2654435761u >> 13); }

static inline ssize_t read_store(void *context, void *buffer, size_t length) {
    struct store *store = context;
    size_t left = SIZE - store->offset, count = length < PART ? length : PART;
    count = left < count ? left : count;
    for (size_t n = 0; n < count; n++) ((char *)buffer)[n] = byte_of_image(store->offset + n);
    store->offset += count;
    return (ssize_t)count;
}

static inline void close_store(void *context) { ((struct store *)context)->closes++; }

static inline imgcache_source store_source(struct store *store) {
    *store = (struct store){0, 0};
    return (imgcache_source){store, NULL, read_store, close_store};
}

/* Reads the rest of the image after this offset. */
static inline void check_rest(imgcache_reader *reader, size_t offset) {
    static char buffer[PART];
    for (;;) {
        ssize_t count = imgcache_read(reader, buffer, sizeof buffer);
        CHECK(count >= 0);
        if (count == 0) break;
        for (ssize_t n = 0; n < count; n++) CHECK(buffer[n] == byte_of_image(offset + (size_t)n));
        offset += (size_t)count;
    }
    CHECK(offset == SIZE);
}

/* The image is cached, and its bytes are right. */
static inline void check_cached(imgcache_cache *cache, const char *id) {
    imgcache_reader *reader = NULL;
    CHECK(imgcache_open_cached(cache, id, &reader) == 0);
    check_rest(reader, 0);
    CHECK(imgcache_reader_close(&reader) == 0);
}

/* Reads the image through the cache, which then has it. */
static inline void check_fetch(imgcache_cache *cache, const char *id) {
    imgcache_reader *reader = NULL;
    struct store store;
    CHECK(imgcache_get_or_fetch(cache, id, SIZE, NULL, store_source(&store), &reader) == 0);
    check_rest(reader, 0);
    CHECK(imgcache_outcome_of(reader) == IMGCACHE_OUTCOME_CACHED && imgcache_reader_close(&reader) == 0);
    CHECK(store.closes == 1);
    check_cached(cache, id);
}

#endif
