/* Bad input at the boundary is an error that names it. */
#include "check.h"
#include <fcntl.h>
#include <unistd.h>

static const char *const ROOM = "room";
static imgcache_cache *cache;

static void null_handles(void) {
    imgcache_cache *none = NULL;
    imgcache_reader *reader = NULL, **no_place = NULL;
    struct memory memory;
    const int bad = IMGCACHE_ERROR_INVALID_ARGUMENT;
    FAILS(imgcache_open_cached(none, "a", &reader), bad, "the cache is NULL");
    FAILS(imgcache_open_range(none, "a", 0, 1, &reader), bad, "the cache is NULL");
    FAILS(imgcache_follow(none, "a", &reader), bad, "the cache is NULL");
    imgcache_source source = memory_source(&memory, "bytes");
    FAILS(imgcache_get_or_fetch(none, "a", -1, NULL, source, &reader), bad, "the cache is NULL");
    CHECK(memory.opens == 0 && memory.reads == 0 && memory.closes == 1);
    source = memory_source(&memory, "bytes");
    FAILS(imgcache_get_or_fetch(cache, "a", -1, NULL, source, no_place), bad, "place for the new reader");
    CHECK(memory.closes == 1);
    source = memory_source(&memory, "bytes");
    FAILS(imgcache_get_or_fetch_range(none, "a", 0, 1, -1, NULL, source, &reader), bad, "the cache is NULL");
    CHECK(memory.opens == 0 && memory.closes == 1);
    source = memory_source(&memory, "bytes");
    FAILS(imgcache_get_or_fetch_range(cache, "a", 0, 1, -1, "md5:1", source, &reader), bad, "32 hexadecimal digits");
    CHECK(memory.opens == 0 && memory.closes == 1 && !reader);
    FAILS(imgcache_reconfigure(none, ""), bad, "the cache is NULL");
    FAILS(imgcache_reconfigure(cache, NULL), bad, "options is NULL");
    source = memory_source(&memory, "bytes");
    FAILS(imgcache_add(none, "a", -1, NULL, source), bad, "the cache is NULL");
    CHECK(memory.closes == 1);
    FAILS(imgcache_add_fd(none, "a", -1, NULL, 0), bad, "the cache is NULL");
    FAILS(imgcache_is_cached(none, "a"), bad, "the cache is NULL");
    FAILS(imgcache_is_being_cached(none, "a"), bad, "the cache is NULL");
    FAILS(imgcache_image_size(none, "a"), bad, "the cache is NULL");
    FAILS(imgcache_hit_count(none, "a"), bad, "the cache is NULL");
    FAILS(imgcache_delete(none, "a"), bad, "the cache is NULL");
    FAILS(imgcache_delete_all(none), bad, "the cache is NULL");
    FAILS(imgcache_list(none, NULL, NULL), bad, "the cache is NULL");
    FAILS(imgcache_list(cache, NULL, NULL), bad, "visit is NULL");
    FAILS(imgcache_list_queue(none, NULL, NULL), bad, "the cache is NULL");
    FAILS(imgcache_list_queue(cache, NULL, NULL), bad, "visit is NULL");
    FAILS(imgcache_pin(none, "a", "pin", -1), bad, "the cache is NULL");
    FAILS(imgcache_pin(cache, "a", NULL, -1), bad, "name is NULL");
    FAILS(imgcache_unpin(none, "a", NULL), bad, "the cache is NULL");
    FAILS(imgcache_queue(none, "a"), bad, "the cache is NULL");
    FAILS(imgcache_dequeue(none, "a"), bad, "the cache is NULL");
    FAILS(imgcache_is_queued(none, "a"), bad, "the cache is NULL");
    FAILS(imgcache_prune(none, NULL), bad, "the cache is NULL");
    FAILS(imgcache_clean(none, -1, NULL), bad, "the cache is NULL");
    FAILS(imgcache_verify(none, "a"), bad, "the cache is NULL");
    FAILS(imgcache_flush(none), bad, "the cache is NULL");
    FAILS(imgcache_reconcile(none), bad, "the cache is NULL");
    FAILS(imgcache_get_status(cache, NULL), bad, "status is NULL");
    FAILS(imgcache_driver(none, NULL, 0), bad, "the cache is NULL");
    FAILS(imgcache_driver(cache, NULL, 3), bad, "buffer is NULL, but length is 3");
    FAILS(imgcache_for_tenant(cache, NULL, &none), bad, "tenant is NULL");
    FAILS(imgcache_for_tenant(cache, "", &none), bad, "1 to 128 bytes");
    FAILS(imgcache_read(NULL, &memory, 1), bad, "the reader is NULL");
    FAILS(imgcache_seek(NULL, 0, SEEK_SET), bad, "the reader is NULL");
    FAILS(imgcache_size(NULL), bad, "the reader is NULL");
    FAILS(imgcache_outcome_of(NULL), bad, "the reader is NULL");
    CHECK(imgcache_close(NULL) == 0 && imgcache_close(&none) == 0);
    CHECK(imgcache_reader_close(NULL) == 0 && imgcache_reader_close(&reader) == 0);
    imgcache_set_source_error(NULL);
}

static void options(const char *directory) {
    imgcache_cache *none = (imgcache_cache *)&cache;
    FAILS(imgcache_open(directory, NULL, NULL), IMGCACHE_ERROR_INVALID_ARGUMENT, "place for the new cache");
    FAILS(imgcache_open(NULL, NULL, &none), IMGCACHE_ERROR_CONFIG, "image_cache_dir");
    CHECK(none == NULL);
    FAILS(imgcache_open("", NULL, &none), IMGCACHE_ERROR_CONFIG, "the argument directory");
    FAILS(imgcache_open(directory, "image_cache_max_siz = 1\nimage_cache_driver = 7", &none),
          IMGCACHE_ERROR_CONFIG, "options:1: image_cache_max_siz");
    CHECK(strstr(imgcache_message(), "options:2: image_cache_driver"));
    FAILS(imgcache_open(directory, "\xff", &none), IMGCACHE_ERROR_INVALID_ARGUMENT, "options");
    FAILS(imgcache_open("/dev/null/cache", NULL, &none), IMGCACHE_ERROR_IO, "/dev/null/cache");
    CHECK(imgcache_error_errno() == ENOTDIR && !imgcache_error_is_retryable());
    FAILS(imgcache_open_file(NULL, &none), IMGCACHE_ERROR_INVALID_ARGUMENT, "path is NULL");
    FAILS(imgcache_open_file("/no/such/file", &none), IMGCACHE_ERROR_CONFIG, "/no/such/file");
}

static void other_options(void) {
    imgcache_status before, after;
    CHECK(imgcache_get_status(cache, &before) == 0);
    FAILS(imgcache_reconfigure(cache, "image_cache_max_size = 1\nimage_cache_min_free = -1"),
          IMGCACHE_ERROR_CONFIG, "options:2: image_cache_min_free");
    FAILS(imgcache_reconfigure(cache, "image_cache_max_size = 1\nimage_cache_dir = '/elsewhere'"),
          IMGCACHE_ERROR_CONFIG, "image_cache_dir");
    FAILS(imgcache_reconfigure(cache, "image_cache_max_size = 1\nimage_cache_driver = 'no-such-driver'"),
          IMGCACHE_ERROR_DRIVER, "no-such-driver");
    CHECK(imgcache_get_status(cache, &after) == 0 && after.max_size == before.max_size && !after.is_fallback);
}

static void ids_and_digests(void) {
    imgcache_reader *reader = NULL;
    struct memory memory;
    char long_id[300];
    memset(long_id, 'x', 299);
    long_id[299] = 0;
    const int bad = IMGCACHE_ERROR_INVALID_ARGUMENT;
    FAILS(imgcache_is_cached(cache, NULL), bad, "id is NULL");
    FAILS(imgcache_is_cached(cache, ""), bad, "it is empty");
    FAILS(imgcache_is_cached(cache, "a/b"), bad, "'/'");
    FAILS(imgcache_is_cached(cache, "../x"), bad, "starts with a dot");
    FAILS(imgcache_is_cached(cache, "a\nb"), bad, "control character");
    FAILS(imgcache_is_cached(cache, "a\xff"), bad, "not UTF-8 after 1 bytes");
    FAILS(imgcache_is_cached(cache, long_id), bad, "299 bytes");
    const char *digests[] = {"md5:1234", "d41d8cd98f00b204e9800998ecf8427e", "crc32:12345678", "md5:"};
    const char *words[] = {"32 hexadecimal digits", "no algorithm", "crc32", "no digits"};
    for (int n = 0; n < 4; n++) {
        imgcache_source source = memory_source(&memory, "bytes");
        FAILS(imgcache_get_or_fetch(cache, "a", -1, digests[n], source, &reader), bad, words[n]);
        CHECK(!reader && memory.closes == 1 && memory.reads == 0);
    }
    FAILS(imgcache_add_fd(cache, "a", -1, NULL, -1), bad, "fd -1");
    FAILS(imgcache_add_fd(cache, "a", -1, NULL, 999999), bad, "fd 999999");
    CHECK(imgcache_error_errno() == EBADF);
    int directory = open(".", O_RDONLY);
    FAILS(imgcache_add_fd(cache, "a", -1, NULL, directory), bad, "it is a directory");
    CHECK(directory >= 0 && close(directory) == 0);
    FAILS(imgcache_open_cached(cache, "a", &reader), IMGCACHE_ERROR_NOT_CACHED, "a is not cached");
    FAILS(imgcache_image_size(cache, "a"), IMGCACHE_ERROR_NOT_CACHED, "a is not cached");
    FAILS(imgcache_verify(cache, "a"), IMGCACHE_ERROR_NOT_CACHED, "a is not cached");
}

static void buffers_and_offsets(void) {
    imgcache_reader *reader = NULL;
    struct memory memory;
    char buffer[100];
    imgcache_source source = memory_source(&memory, "an image");
    CHECK(imgcache_get_or_fetch(cache, ROOM, -1, NULL, source, &reader) == 0);
    FAILS(imgcache_read(reader, NULL, 8), IMGCACHE_ERROR_INVALID_ARGUMENT, "buffer is NULL, but length is 8");
    CHECK(imgcache_read(reader, NULL, 0) == 0 && imgcache_read(reader, buffer, 0) == 0);
    FAILS(imgcache_size(reader), IMGCACHE_ERROR_SIZE_UNKNOWN, "room");
    FAILS(imgcache_seek(reader, 0, SEEK_SET), IMGCACHE_ERROR_INVALID_ARGUMENT, "can seek");
    CHECK(imgcache_outcome_of(reader) == IMGCACHE_OUTCOME_PENDING);
    CHECK(read_all(reader, buffer, sizeof buffer) == 8 && memcmp(buffer, "an image", 8) == 0);
    CHECK(imgcache_outcome_of(reader) == IMGCACHE_OUTCOME_CACHED);
    CHECK(imgcache_reader_close(&reader) == 0 && !reader && imgcache_reader_close(&reader) == 0);
    CHECK(memory.opens == 1 && memory.closes == 1);

    CHECK(imgcache_open_cached(cache, ROOM, &reader) == 0 && imgcache_size(reader) == 8);
    FAILS(imgcache_seek(reader, -1, SEEK_SET), IMGCACHE_ERROR_INVALID_ARGUMENT, "-1");
    FAILS(imgcache_seek(reader, -9, SEEK_END), IMGCACHE_ERROR_INVALID_ARGUMENT, "before the start");
    FAILS(imgcache_seek(reader, 0, 7), IMGCACHE_ERROR_INVALID_ARGUMENT, "whence is 7");
    CHECK(imgcache_seek(reader, -5, SEEK_END) == 3 && imgcache_read(reader, buffer, 100) == 5);
    CHECK(memcmp(buffer, "image", 5) == 0);
    imgcache_reader_close(&reader);
    CHECK(imgcache_open_range(cache, ROOM, 3, UINT64_MAX, &reader) == 0 && imgcache_size(reader) == 5);
    imgcache_reader_close(&reader);
    CHECK(imgcache_driver(cache, NULL, 0) > 6 && imgcache_driver(cache, buffer, 7) > 6);
    CHECK(strcmp(buffer, "sqlite") == 0);
}

static void writers(void) {
    imgcache_writer *writer = NULL;
    imgcache_reader *reader = NULL;
    const int bad = IMGCACHE_ERROR_INVALID_ARGUMENT;
    char buffer[100];
    FAILS(imgcache_begin(NULL, "pushed", -1, NULL, &writer), bad, "the cache is NULL");
    FAILS(imgcache_begin(cache, "pushed", -1, NULL, NULL), bad, "place for the new writer");
    FAILS(imgcache_begin(cache, "pushed", -1, "md5:12", &writer), bad, "32 hexadecimal digits");
    FAILS(imgcache_write(NULL, "a", 1), bad, "the writer is NULL");
    FAILS(imgcache_finish(NULL), bad, "the writer is NULL");
    FAILS(imgcache_finish(&writer), bad, "the writer is NULL");
    CHECK(imgcache_abort(NULL) == 0 && imgcache_abort(&writer) == 0);

    CHECK(imgcache_begin(cache, "pushed", 5, NULL, &writer) == 0 && imgcache_write(writer, NULL, 0) == 0);
    FAILS(imgcache_write(writer, NULL, 3), bad, "buffer is NULL, but length is 3");
    FAILS(imgcache_write(writer, buffer, SIZE_MAX), bad, "more than memory");
    CHECK(imgcache_write(writer, "hel", 3) == 0 && imgcache_write(writer, "lo", 2) == 0);
    CHECK(imgcache_is_cached(cache, "pushed") == 0 && imgcache_is_being_cached(cache, "pushed") == 1);
    CHECK(imgcache_finish(&writer) == IMGCACHE_OUTCOME_CACHED && !writer);
    FAILS(imgcache_finish(&writer), bad, "the writer is NULL: it was not opened, or is closed already");
    CHECK(imgcache_open_cached(cache, "pushed", &reader) == 0 && read_all(reader, buffer, 100) == 5);
    CHECK(memcmp(buffer, "hello", 5) == 0 && imgcache_reader_close(&reader) == 0);

    CHECK(imgcache_begin(cache, "undone", -1, NULL, &writer) == 0 && imgcache_write(writer, "x", 1) == 0);
    CHECK(imgcache_abort(&writer) == 0 && !writer && imgcache_abort(&writer) == 0);
    CHECK(imgcache_begin(cache, "undone", 3, NULL, &writer) == 0);
    FAILS(imgcache_write(writer, "long", 4), IMGCACHE_ERROR_SIZE_MISMATCH, "3 bytes were expected");
    FAILS(imgcache_write(writer, "x", 1), IMGCACHE_ERROR_SIZE_MISMATCH, "the writer has already failed");
    FAILS(imgcache_finish(&writer), IMGCACHE_ERROR_SIZE_MISMATCH, "the writer has already failed");
    CHECK(!writer && imgcache_begin(cache, "undone", 3, NULL, &writer) == 0);
    FAILS(imgcache_finish(&writer), IMGCACHE_ERROR_SIZE_MISMATCH, "3 bytes were expected");
    CHECK(!writer && imgcache_is_cached(cache, "undone") == 0);
    CHECK(imgcache_begin(cache, "pushed", -1, NULL, &writer) == 0 && imgcache_write(writer, "x", 1) == 0);
    CHECK(imgcache_finish(&writer) == IMGCACHE_OUTCOME_ALREADY_CACHED);
}

static int open_fails(void *context) {
    (void)context;
    errno = EACCES;
    return -1;
}

static int open_is_odd(void *context) {
    (void)context;
    return 7;
}

static ssize_t read_fails(void *context, void *buffer, size_t length) {
    (void)context, (void)buffer, (void)length;
    errno = ECONNRESET;
    return -1;
}

static ssize_t read_fails_with_text(void *context, void *buffer, size_t length) {
    (void)context, (void)buffer, (void)length;
    imgcache_set_source_error("404 Not Found");
    return -1;
}

static ssize_t read_fails_silently(void *context, void *buffer, size_t length) {
    (void)context, (void)buffer, (void)length;
    return -1;
}

static ssize_t read_claims_too_much(void *context, void *buffer, size_t length) {
    (void)context, (void)buffer;
    return (ssize_t)length + 1;
}

static ssize_t read_again(void *context, void *buffer, size_t length) {
    struct memory *memory = context;
    if (memory->reads++ == 0) return errno = EAGAIN, -1;
    return memory_read(context, buffer, length);
}

static void failing_source(imgcache_source source, const char *words, int number) {
    imgcache_reader *reader = NULL;
    struct memory *memory = source.context;
    char buffer[10];
    CHECK(imgcache_get_or_fetch(cache, "fails", -1, NULL, source, &reader) == 0);
    FAILS(imgcache_read(reader, buffer, 10), IMGCACHE_ERROR_SOURCE, words);
    CHECK(strstr(imgcache_message(), "image fails: the source failed") && imgcache_error_errno() == number);
    FAILS(imgcache_read(reader, buffer, 10), IMGCACHE_ERROR_SOURCE, "has already failed");
    imgcache_reader_close(&reader);
    CHECK(memory->closes == 1 && imgcache_is_cached(cache, "fails") == 0);
    memory->closes = 0;
    FAILS(imgcache_add(cache, "fails", -1, NULL, source), IMGCACHE_ERROR_SOURCE, words);
    CHECK(memory->closes == 1 && imgcache_error_errno() == number);
}

static void sources(void) {
    struct memory memory = {"", 0, 0, 0, 0, 0};
    imgcache_reader *reader = NULL;
    char buffer[100];
    imgcache_source source = {&memory, NULL, NULL, memory_close};
    FAILS(imgcache_add(cache, "a", -1, NULL, source), IMGCACHE_ERROR_INVALID_ARGUMENT, "read is NULL");
    CHECK(memory.closes == 1);
    memory.closes = 0;
    failing_source((imgcache_source){&memory, open_fails, read_fails, memory_close}, "Permission denied", EACCES);
    memory.closes = 0;
    failing_source((imgcache_source){&memory, open_is_odd, read_fails, memory_close}, "open returned 7", 0);
    memory.closes = 0;
    failing_source((imgcache_source){&memory, NULL, read_fails, memory_close}, "Connection reset", ECONNRESET);
    CHECK(imgcache_error_is_retryable());
    memory.closes = 0;
    failing_source((imgcache_source){&memory, NULL, read_fails_with_text, memory_close}, "404 Not Found", 0);
    memory.closes = 0;
    failing_source((imgcache_source){&memory, NULL, read_fails_silently, memory_close}, "without a reason", 0);
    memory.closes = 0;
    failing_source((imgcache_source){&memory, NULL, read_claims_too_much, memory_close}, "for a buffer of", 0);

    source = memory_source(&memory, "later");
    source.read = read_again;
    CHECK(imgcache_get_or_fetch(cache, "later", -1, NULL, source, &reader) == 0);
    FAILS(imgcache_read(reader, buffer, 100), IMGCACHE_ERROR_AGAIN, "read again");
    CHECK(imgcache_error_is_retryable() && read_all(reader, buffer, 100) == 5);
    imgcache_reader_close(&reader);
}

static void wrong_bytes(void) {
    imgcache_reader *reader = NULL;
    struct memory memory;
    char buffer[100];
    imgcache_source source = memory_source(&memory, "hello");
    const char *digest = "md5:d41d8cd98f00b204e9800998ecf8427e";
    CHECK(imgcache_get_or_fetch(cache, "wrong", 5, digest, source, &reader) == 0);
    CHECK(imgcache_size(reader) == 5 && imgcache_read(reader, buffer, 100) == 4);
    FAILS(imgcache_read(reader, buffer, 100), IMGCACHE_ERROR_DIGEST_MISMATCH, "5d41402abc4b2a76b9719d911017c592");
    FAILS(imgcache_read(reader, buffer, 100), IMGCACHE_ERROR_DIGEST_MISMATCH, "already failed");
    imgcache_reader_close(&reader);
    source = memory_source(&memory, "hello");
    FAILS(imgcache_add(cache, "wrong", 6, NULL, source), IMGCACHE_ERROR_SIZE_MISMATCH, "6 bytes were expected");
    source = memory_source(&memory, "hello");
    digest = "md5:5d41402abc4b2a76b9719d911017c592";
    CHECK(imgcache_add(cache, "right", 5, digest, source) == IMGCACHE_OUTCOME_CACHED);
    source = memory_source(&memory, "hello");
    CHECK(imgcache_add(cache, "right", 5, digest, source) == IMGCACHE_OUTCOME_ALREADY_CACHED);
    CHECK(strcmp(imgcache_message(), "it was already cached") == 0 && memory.reads == 0 && memory.closes == 1);
}

int main(int argc, char **argv) {
    CHECK(argc == 2 && strcmp(imgcache_message(), "") == 0 && imgcache_error_errno() == 0);
    CHECK(strcmp(imgcache_version(), IMGCACHE_VERSION) == 0 && imgcache_interface() == IMGCACHE_INTERFACE);
    CHECK(strcmp(imgcache_error_name(IMGCACHE_ERROR_NOT_CACHED), "not-cached") == 0);
    CHECK(strcmp(imgcache_error_name(5), "ok") == 0 && strcmp(imgcache_error_name(-999), "unknown") == 0);
    options(argv[1]);
    CHECK(imgcache_open(argv[1], NULL, &cache) == 0 && cache);
    null_handles();
    other_options();
    ids_and_digests();
    buffers_and_offsets();
    sources();
    wrong_bytes();
    writers();
    CHECK(imgcache_close(&cache) == 0 && !cache && imgcache_close(&cache) == 0);
    return 0;
}
