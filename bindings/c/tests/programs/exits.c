/* A process ends while an image is being filled: with its own status, and without a half image in the cache. */
#define _POSIX_C_SOURCE 200809L
#include "image.h"
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* A process that does not end is killed after this time. */
enum { SECONDS = 300 };

enum way { READER, SOURCE_EXITS, STUCK_SOURCE, WITHOUT_READER, WRITER, WAYS };

static imgcache_cache *cache;
static enum way way;
static atomic_bool is_half;

static void pause_for(long milliseconds) {
    struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    nanosleep(&time, NULL);
}

static ssize_t read_slowly(void *context, void *buffer, size_t length) {
    struct store *store = context;
    if (store->offset > SIZE / 2) {
        if (way == SOURCE_EXITS) exit(0);
        atomic_store(&is_half, true);
        if (way == STUCK_SOURCE) pause_for(SECONDS * 1000);
        pause_for(20);
        /* It has no end: the process always ends first. */
        if (store->offset + PART >= SIZE) store->offset -= PART;
    }
    return read_store(context, buffer, length);
}

static void *fill(void *unused) {
    static struct store store;
    static char buffer[PART];
    imgcache_reader *reader = NULL;
    imgcache_source source = store_source(&store);
    (void)unused;
    source.read = read_slowly;
    CHECK(imgcache_get_or_fetch(cache, "half", -1, NULL, source, &reader) == 0);
    if (way == WITHOUT_READER) {
        CHECK(imgcache_read(reader, buffer, sizeof buffer) > 0 && imgcache_reader_close(&reader) == 0);
    } else {
        while (imgcache_read(reader, buffer, sizeof buffer) > 0) {}
    }
    return NULL;
}

/* The process that ends. */
static void run(const char *directory) {
    pthread_t thread;
    alarm(SECONDS);
    CHECK(imgcache_open(directory, "image_cache_fetch_to_end = true", &cache) == 0);
    if (way == WRITER) {
        imgcache_writer *writer = NULL;
        char byte = 0;
        CHECK(imgcache_begin(cache, "half", -1, NULL, &writer) == 0 && imgcache_write(writer, &byte, 1) == 0);
        exit(0);
    }
    CHECK(pthread_create(&thread, NULL, fill, NULL) == 0);
    while (!atomic_load(&is_half)) pause_for(5);
    exit(0);
}

int main(int argc, char **argv) {
    imgcache_reader *reader = NULL;
    int status = -1;
    CHECK(argc == 2);
    for (way = READER; way < WAYS; way++) {
        pid_t child = fork();
        if (child == 0) run(argv[1]);
        CHECK(child > 0 && waitpid(child, &status, 0) == child);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            fprintf(stderr, "way %d: the process ended with %#x\n", way, (unsigned)status);
            return 1;
        }
        imgcache_cache *next = NULL;
        CHECK(imgcache_open(argv[1], NULL, &next) == 0);
        CHECK(imgcache_is_cached(next, "half") == 0 && imgcache_is_being_cached(next, "half") == 0);
        FAILS(imgcache_open_cached(next, "half", &reader), IMGCACHE_ERROR_NOT_CACHED, "half is not cached");
        FAILS(imgcache_follow(next, "half", &reader), IMGCACHE_ERROR_NOT_CACHED, "half is not cached");
        check_fetch(next, "half");
        CHECK(imgcache_delete(next, "half") == 1 && imgcache_close(&next) == 0);
    }
    return 0;
}
