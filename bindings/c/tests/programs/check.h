/* Checks, and a source in memory that counts the calls of its functions. */
#ifndef CHECK_H
#define CHECK_H

#include <errno.h>
#include <image_cache.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                         \
    do {                                                                                         \
        if (!(condition)) {                                                                      \
            fprintf(stderr, "%s:%d: %s\nthe last text: %s\n", __FILE__, __LINE__, #condition,    \
                    imgcache_message());                                                         \
            exit(1);                                                                             \
        }                                                                                        \
    } while (0)

/* The call failed with this code, and its text contains the words. */
#define FAILS(call, code, words)                                                                 \
    do {                                                                                         \
        long long result_ = (long long)(call);                                                   \
        if (result_ != (code) || !strstr(imgcache_message(), words)) {                           \
            fprintf(stderr, "%s:%d: %s is %lld (%s), not %s with \"%s\"\nthe text: %s\n",        \
                    __FILE__, __LINE__, #call, result_, imgcache_error_name(result_), #code,     \
                    words, imgcache_message());                                                  \
            exit(1);                                                                             \
        }                                                                                        \
    } while (0)

struct memory {
    const char *bytes;
    size_t size, offset;
    int opens, reads, closes;
};

static inline int memory_open(void *context) {
    ((struct memory *)context)->opens++;
    return 0;
}

static inline ssize_t memory_read(void *context, void *buffer, size_t length) {
    struct memory *memory = context;
    size_t left = memory->size - memory->offset;
    size_t count = left < length ? left : length;
    memory->reads++;
    memcpy(buffer, memory->bytes + memory->offset, count);
    memory->offset += count;
    return (ssize_t)count;
}

static inline void memory_close(void *context) { ((struct memory *)context)->closes++; }

static inline imgcache_source memory_source(struct memory *memory, const char *text) {
    *memory = (struct memory){text, strlen(text), 0, 0, 0, 0};
    return (imgcache_source){memory, memory_open, memory_read, memory_close};
}

/* Reads to the end: the number of bytes, or the code of the failure. */
static inline ssize_t read_all(imgcache_reader *reader, char *buffer, size_t length) {
    size_t total = 0;
    for (;;) {
        ssize_t count = imgcache_read(reader, buffer + total, length - total);
        if (count < 0) return count;
        total += (size_t)count;
        if (count == 0 || total == length) return (ssize_t)total;
    }
}

#endif
