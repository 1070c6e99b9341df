/* Handles that are not open, or of another kind, and pointers that are no handles: an error that names them, never a crash. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include <pthread.h>
#include <stdatomic.h>

enum { ROUNDS = 300 };

static const int bad = IMGCACHE_ERROR_INVALID_ARGUMENT;
static imgcache_cache *cache;

static void copies_of_caches(void) {
    imgcache_cache *tenant = NULL, *copy, *other = NULL;
    imgcache_reader *reader = NULL;
    imgcache_writer *writer = NULL;
    imgcache_status status;
    struct memory memory;
    CHECK(imgcache_for_tenant(cache, "tenant", &tenant) == 0 && imgcache_is_cached(tenant, "a") == 1);
    copy = tenant;
    CHECK(imgcache_close(&tenant) == 0 && !tenant);
    FAILS(imgcache_is_cached(copy, "a"), bad, "the cache is closed already");
    FAILS(imgcache_image_size(copy, "a"), bad, "the cache is closed already");
    FAILS(imgcache_delete_all(copy), bad, "the cache is closed already");
    FAILS(imgcache_list(copy, NULL, NULL), bad, "the cache is closed already");
    FAILS(imgcache_prune(copy, NULL), bad, "the cache is closed already");
    FAILS(imgcache_get_status(copy, &status), bad, "the cache is closed already");
    FAILS(imgcache_reconfigure(copy, ""), bad, "the cache is closed already");
    FAILS(imgcache_for_tenant(copy, "tenant", &other), bad, "the cache is closed already");
    FAILS(imgcache_open_cached(copy, "a", &reader), bad, "the cache is closed already");
    FAILS(imgcache_begin(copy, "new", -1, NULL, &writer), bad, "the cache is closed already");
    FAILS(imgcache_get_or_fetch(copy, "new", -1, NULL, memory_source(&memory, "x"), &reader), bad, "is closed already");
    CHECK(memory.opens == 0 && memory.closes == 1 && !other && !reader && !writer);
    FAILS(imgcache_close(&copy), bad, "the cache is closed already");
    /* No later handle is the same. */
    for (int n = 0; n < ROUNDS; n++) {
        CHECK(imgcache_for_tenant(cache, "tenant", &tenant) == 0 && tenant != copy);
        FAILS(imgcache_is_cached(copy, "a"), bad, "the cache is closed already");
        CHECK(imgcache_is_cached(tenant, "a") == 1 && imgcache_close(&tenant) == 0);
    }
}

static void copies_of_readers_and_writers(void) {
    imgcache_reader *reader = NULL, *old_reader;
    imgcache_writer *writer = NULL, *old_writer;
    char byte;
    CHECK(imgcache_open_cached(cache, "a", &reader) == 0);
    old_reader = reader;
    CHECK(imgcache_reader_close(&reader) == 0 && !reader);
    CHECK(imgcache_open_cached(cache, "a", &reader) == 0 && reader != old_reader);
    FAILS(imgcache_read(old_reader, &byte, 1), bad, "the reader is closed already");
    FAILS(imgcache_seek(old_reader, 0, SEEK_SET), bad, "the reader is closed already");
    FAILS(imgcache_size(old_reader), bad, "the reader is closed already");
    FAILS(imgcache_outcome_of(old_reader), bad, "the reader is closed already");
    FAILS(imgcache_reader_close(&old_reader), bad, "the reader is closed already");
    CHECK(imgcache_read(reader, &byte, 1) == 1 && byte == 'h' && imgcache_reader_close(&reader) == 0);

    CHECK(imgcache_begin(cache, "finished", -1, NULL, &writer) == 0 && imgcache_write(writer, "x", 1) == 0);
    old_writer = writer;
    CHECK(imgcache_finish(&writer) == IMGCACHE_OUTCOME_CACHED && !writer);
    FAILS(imgcache_write(old_writer, "x", 1), bad, "the writer is closed already");
    FAILS(imgcache_finish(&old_writer), bad, "the writer is closed already");
    FAILS(imgcache_abort(&old_writer), bad, "the writer is closed already");
    CHECK(imgcache_is_cached(cache, "finished") == 1);
    CHECK(imgcache_begin(cache, "undone", -1, NULL, &writer) == 0);
    old_writer = writer;
    CHECK(imgcache_abort(&writer) == 0);
    FAILS(imgcache_write(old_writer, "x", 1), bad, "the writer is closed already");
    FAILS(imgcache_finish(&old_writer), bad, "the writer is closed already");
    CHECK(imgcache_is_cached(cache, "undone") == 0 && imgcache_is_being_cached(cache, "undone") == 0);
}

static void other_kinds(void) {
    imgcache_reader *reader = NULL;
    imgcache_writer *writer = NULL;
    char byte;
    CHECK(imgcache_open_cached(cache, "a", &reader) == 0 && imgcache_begin(cache, "b", -1, NULL, &writer) == 0);
    imgcache_cache *reader_as_cache = (imgcache_cache *)reader;
    imgcache_reader *cache_as_reader = (imgcache_reader *)cache, *writer_as_reader = (imgcache_reader *)writer;
    imgcache_writer *reader_as_writer = (imgcache_writer *)reader;
    FAILS(imgcache_is_cached(reader_as_cache, "a"), bad, "the handle is that of a reader, not of a cache");
    FAILS(imgcache_close(&reader_as_cache), bad, "the handle is that of a reader, not of a cache");
    FAILS(imgcache_read(cache_as_reader, &byte, 1), bad, "the handle is that of a cache, not of a reader");
    FAILS(imgcache_reader_close(&cache_as_reader), bad, "the handle is that of a cache, not of a reader");
    FAILS(imgcache_size(writer_as_reader), bad, "the handle is that of a writer, not of a reader");
    FAILS(imgcache_write(reader_as_writer, "x", 1), bad, "the handle is that of a reader, not of a writer");
    FAILS(imgcache_finish(&reader_as_writer), bad, "the handle is that of a reader, not of a writer");
    CHECK(reader_as_cache && cache_as_reader && reader_as_writer);
    CHECK(imgcache_is_cached(cache, "a") == 1 && imgcache_write(writer, "x", 1) == 0);
    CHECK(imgcache_read(reader, &byte, 1) == 1 && imgcache_reader_close(&reader) == 0);
    FAILS(imgcache_is_cached(reader_as_cache, "a"), bad, "the handle is that of a reader, not of a cache");
    CHECK(imgcache_finish(&writer) == IMGCACHE_OUTCOME_CACHED);
}

static void other_pointers(void) {
    char *memory = malloc(64), byte = 0;
    CHECK(memory);
    void *pointers[] = {&byte, memory, &cache, (void *)1, (void *)8, (void *)UINTPTR_MAX, (void *)(UINTPTR_MAX / 3)};
    for (size_t n = 0; n < sizeof pointers / sizeof *pointers; n++) {
        void *pointer = pointers[n];
        imgcache_cache *as_cache = pointer;
        imgcache_reader *as_reader = pointer;
        imgcache_writer *as_writer = pointer;
        FAILS(imgcache_is_cached(pointer, "a"), bad, "is no cache: pass a handle that this library wrote");
        FAILS(imgcache_read(pointer, &byte, 1), bad, "is no reader");
        FAILS(imgcache_write(pointer, &byte, 1), bad, "is no writer");
        FAILS(imgcache_close(&as_cache), bad, "is no cache");
        FAILS(imgcache_reader_close(&as_reader), bad, "is no reader");
        FAILS(imgcache_finish(&as_writer), bad, "is no writer");
        FAILS(imgcache_abort(&as_writer), bad, "is no writer");
    }
    free(memory);
}

static _Atomic(imgcache_reader *) shared;
static atomic_bool is_over;

static void *use_shared(void *unused) {
    char byte;
    (void)unused;
    while (!atomic_load(&is_over)) {
        ssize_t count = imgcache_read(atomic_load(&shared), &byte, 1);
        CHECK(count >= 0 || count == IMGCACHE_ERROR_BUSY || count == bad);
        CHECK(count != 1 || strchr("hello", byte));
    }
    return NULL;
}

/* Threads use a handle while another one closes it. */
static void closed_meanwhile(void) {
    pthread_t threads[3];
    for (int n = 0; n < 3; n++) CHECK(pthread_create(&threads[n], NULL, use_shared, NULL) == 0);
    for (int n = 0; n < ROUNDS; n++) {
        imgcache_reader *reader = NULL;
        CHECK(imgcache_open_cached(cache, "a", &reader) == 0);
        atomic_store(&shared, reader);
        CHECK(imgcache_is_cached(cache, "a") == 1 && imgcache_reader_close(&reader) == 0);
    }
    atomic_store(&is_over, true);
    for (int n = 0; n < 3; n++) pthread_join(threads[n], NULL);
}

int main(int argc, char **argv) {
    struct memory memory;
    CHECK(argc == 2);
    other_pointers();
    CHECK(imgcache_open(argv[1], NULL, &cache) == 0);
    CHECK(imgcache_add(cache, "a", -1, NULL, memory_source(&memory, "hello")) == IMGCACHE_OUTCOME_CACHED);
    other_pointers();
    copies_of_caches();
    copies_of_readers_and_writers();
    other_kinds();
    closed_meanwhile();
    imgcache_cache *copy = cache;
    CHECK(imgcache_close(&cache) == 0);
    FAILS(imgcache_is_cached(copy, "a"), bad, "the cache is closed already");
    return 0;
}
