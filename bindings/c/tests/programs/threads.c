/* Many threads: one fetch for all readers; sources that need each other's images; one reader in two threads. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include <pthread.h>
#include <stdatomic.h>

enum { READERS = 16, SIZE = 3 * 1000 * 1000 };

static imgcache_cache *cache;
static char *image;
static atomic_int opened, closed;
static pthread_barrier_t together;

struct cursor {
    size_t offset;
};

static int open_store(void *context) {
    (void)context;
    atomic_fetch_add(&opened, 1);
    return 0;
}

static ssize_t read_store(void *context, void *buffer, size_t length) {
    struct cursor *cursor = context;
    size_t left = SIZE - cursor->offset, count = length < 70000 ? length : 70000;
    count = left < count ? left : count;
    memcpy(buffer, image + cursor->offset, count);
    cursor->offset += count;
    return (ssize_t)count;
}

static void close_store(void *context) {
    atomic_fetch_add(&closed, 1);
    free(context);
}

static void *read_image(void *unused) {
    imgcache_reader *reader = NULL;
    char *copy = malloc(SIZE + 1);
    struct cursor *cursor = calloc(1, sizeof *cursor);
    imgcache_source source = {cursor, open_store, read_store, close_store};
    (void)unused;
    pthread_barrier_wait(&together);
    CHECK(imgcache_get_or_fetch(cache, "shared", SIZE, NULL, source, &reader) == 0);
    CHECK(read_all(reader, copy, SIZE + 1) == SIZE && memcmp(copy, image, SIZE) == 0);
    CHECK(imgcache_reader_close(&reader) == 0);
    free(copy);
    /* Texts belong to their thread. */
    FAILS(imgcache_is_cached(cache, ""), IMGCACHE_ERROR_INVALID_ARGUMENT, "empty");
    return NULL;
}

struct pair {
    const char *id, *needs;
    int code;
};

static ssize_t needs_other(void *context, void *buffer, size_t length) {
    struct pair *pair = context;
    imgcache_reader *reader = NULL;
    struct memory memory;
    (void)length;
    pthread_barrier_wait(&together);
    CHECK(imgcache_get_or_fetch(cache, pair->needs, -1, NULL, memory_source(&memory, "x"), &reader) == 0);
    ssize_t count = imgcache_read(reader, buffer, 1);
    pair->code = (int)count;
    imgcache_set_source_error(count < 0 ? imgcache_message() : NULL);
    imgcache_reader_close(&reader);
    return -1;
}

static void *read_pair(void *context) {
    struct pair *pair = context;
    imgcache_reader *reader = NULL;
    char buffer[10];
    imgcache_source source = {pair, NULL, needs_other, NULL};
    CHECK(imgcache_get_or_fetch(cache, pair->id, -1, NULL, source, &reader) == 0);
    FAILS(imgcache_read(reader, buffer, 10), IMGCACHE_ERROR_SOURCE, "its fetch waits for this read");
    imgcache_reader_close(&reader);
    return NULL;
}

static imgcache_reader *both;

static ssize_t reads_in_other_thread(void *context, void *buffer, size_t length) {
    (void)context, (void)length;
    pthread_barrier_wait(&together);
    pthread_barrier_wait(&together);
    memcpy(buffer, "x", 1);
    return 0;
}

static void *read_both(void *unused) {
    char byte;
    (void)unused;
    CHECK(imgcache_read(both, &byte, 1) == 0);
    return NULL;
}

int main(int argc, char **argv) {
    pthread_t threads[READERS];
    CHECK(argc == 2 && imgcache_open(argv[1], NULL, &cache) == 0);
    image = malloc(SIZE);
    for (size_t n = 0; n < SIZE; n++) image[n] = (char)(n * 2654435761u >> 13);

    CHECK(pthread_barrier_init(&together, NULL, READERS) == 0);
    for (int n = 0; n < READERS; n++) CHECK(pthread_create(&threads[n], NULL, read_image, NULL) == 0);
    for (int n = 0; n < READERS; n++) pthread_join(threads[n], NULL);
    CHECK(atomic_load(&opened) == 1 && atomic_load(&closed) == READERS);
    CHECK(imgcache_is_cached(cache, "shared") == 1);
    pthread_barrier_destroy(&together);

    struct pair pairs[2] = {{"a", "b", 0}, {"b", "a", 0}};
    CHECK(pthread_barrier_init(&together, NULL, 2) == 0);
    for (int n = 0; n < 2; n++) CHECK(pthread_create(&threads[n], NULL, read_pair, &pairs[n]) == 0);
    for (int n = 0; n < 2; n++) pthread_join(threads[n], NULL);
    CHECK(pairs[0].code == IMGCACHE_ERROR_DEADLOCK || pairs[1].code == IMGCACHE_ERROR_DEADLOCK);

    imgcache_source source = {NULL, NULL, reads_in_other_thread, NULL};
    char byte;
    CHECK(imgcache_get_or_fetch(cache, "both", -1, NULL, source, &both) == 0);
    CHECK(pthread_create(&threads[0], NULL, read_both, NULL) == 0);
    pthread_barrier_wait(&together);
    FAILS(imgcache_read(both, &byte, 1), IMGCACHE_ERROR_BUSY, "a thread needs its own reader");
    pthread_barrier_wait(&together);
    pthread_join(threads[0], NULL);
    CHECK(imgcache_reader_close(&both) == 0);
    pthread_barrier_destroy(&together);
    imgcache_close(&cache);
    free(image);
    return 0;
}
