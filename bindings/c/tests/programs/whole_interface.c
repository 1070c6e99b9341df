/* Each function once, as a program would use it. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include <fcntl.h>
#include <unistd.h>

struct seen {
    int count;
    char ids[64];
};

static int see(void *context, const imgcache_image *image) {
    struct seen *seen = context;
    CHECK(image->size == 5 && image->last_accessed > 1500000000000000 && image->last_modified > 0);
    CHECK(image->digest && strncmp(image->digest, "md5:", 4) == 0 && strlen(image->digest) == 36);
    strcat(strcat(seen->ids, image->id), " ");
    return ++seen->count == 2;
}

static int see_id(void *context, const char *id) {
    strcat(strcat(((struct seen *)context)->ids, id), " ");
    return 0;
}

static ssize_t fails(void *context, void *buffer, size_t length) {
    (void)context, (void)buffer, (void)length;
    return -1;
}

#define MD5 "md5:5d41402abc4b2a76b9719d911017c592"
#define SHA256 "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
#define SHA512                                                                                   \
    "sha512:9b71d224bd62f3785d96d46ad3ea3d73319bfbc2890caadae2dff72519673ca72323c3d99ba5c11d7c7" \
    "acc6e14b8c5da0c4663475c2e5c3adef46f73bcdec043"
#define WRONG_MD5 "md5:5d41402abc4b2a76b9719d911017c593"
#define WRONG_SHA256 "sha256:3cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

/* Several expected digests: each must be right. */
static void digests(imgcache_cache *cache) {
    const char *right[] = {MD5 "," SHA512, SHA512 "," MD5 "," SHA256, SHA256 ", " SHA512, MD5 "," MD5};
    const char *wrong[] = {WRONG_MD5 "," SHA512, SHA512 "," WRONG_MD5, MD5 "," WRONG_SHA256, MD5 "," WRONG_SHA256 "," SHA512};
    const char *words[] = {"128 hexadecimal digits", "32 hexadecimal digits", "no algorithm", "two different digests of md5"};
    const char *bad[] = {MD5 ",sha512:1234", MD5 "0," SHA512, MD5 "," SHA256 ",md5", MD5 "," WRONG_MD5};
    imgcache_reader *reader = NULL;
    imgcache_writer *writer = NULL;
    struct memory memory;
    char text[10];
    for (int n = 0; n < 4; n++) {
        imgcache_source source = memory_source(&memory, "hello");
        CHECK(imgcache_get_or_fetch(cache, "digests", -1, right[n], source, &reader) == 0);
        CHECK(read_all(reader, text, 6) == 5 && imgcache_outcome_of(reader) == IMGCACHE_OUTCOME_CACHED);
        CHECK(imgcache_reader_close(&reader) == 0 && imgcache_delete(cache, "digests") == 1);

        source = memory_source(&memory, "hello");
        CHECK(imgcache_get_or_fetch(cache, "digests", -1, wrong[n], source, &reader) == 0);
        FAILS(read_all(reader, text, 6), IMGCACHE_ERROR_DIGEST_MISMATCH, "digests");
        CHECK(imgcache_reader_close(&reader) == 0);
        source = memory_source(&memory, "hello");
        FAILS(imgcache_add(cache, "digests", 5, wrong[n], source), IMGCACHE_ERROR_DIGEST_MISMATCH, "digests");
        CHECK(imgcache_begin(cache, "digests", 5, wrong[n], &writer) == 0 && imgcache_write(writer, "hell", 4) == 0);
        int written = imgcache_write(writer, "o", 1), finished = imgcache_finish(&writer);
        CHECK(written == 0 || written == IMGCACHE_ERROR_DIGEST_MISMATCH);
        CHECK(finished == IMGCACHE_ERROR_DIGEST_MISMATCH && imgcache_is_cached(cache, "digests") == 0);

        source = memory_source(&memory, "hello");
        FAILS(imgcache_add(cache, "digests", 5, bad[n], source), IMGCACHE_ERROR_INVALID_ARGUMENT, words[n]);
        CHECK(memory.opens == 0 && memory.reads == 0 && memory.closes == 1);
    }
    CHECK(imgcache_clean(cache, 0, NULL) == 0);
}

int main(int argc, char **argv) {
    imgcache_cache *cache = NULL, *tenant = NULL;
    imgcache_reader *reader = NULL;
    struct memory memory;
    struct seen seen = {0, ""};
    imgcache_status status;
    char text[200];
    CHECK(argc == 2 && imgcache_open(argv[1], "image_cache_max_size = 10", &cache) == 0);
    CHECK(imgcache_driver(cache, text, sizeof text) == (int64_t)strlen(text));
    CHECK(strncmp(text, "sqlite ", 7) == 0 && !strstr(text, "instead"));
    CHECK(imgcache_for_tenant(cache, "project-7", &tenant) == 0);

    CHECK(imgcache_add(cache, "a", 5, NULL, memory_source(&memory, "hello")) == IMGCACHE_OUTCOME_CACHED);
    CHECK(imgcache_add(tenant, "b", -1, NULL, memory_source(&memory, "world")) == IMGCACHE_OUTCOME_CACHED);
    char path[4096];
    snprintf(path, sizeof path, "%s.file", argv[1]);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    CHECK(fd >= 0 && write(fd, "--bytes", 7) == 7 && lseek(fd, 2, SEEK_SET) == 2);
    CHECK(imgcache_add_fd(cache, "c", -1, NULL, fd) == IMGCACHE_OUTCOME_CACHED);
    CHECK(lseek(fd, 0, SEEK_CUR) == 7 && close(fd) == 0 && unlink(path) == 0);

    CHECK(imgcache_open_cached(cache, "c", &reader) == 0 && read_all(reader, text, 6) == 5);
    CHECK(memcmp(text, "bytes", 5) == 0 && imgcache_reader_close(&reader) == 0);
    CHECK(imgcache_hit_count(cache, "c") == 1 && imgcache_hit_count(cache, "a") == 0);
    CHECK(imgcache_is_cached(cache, "c") == 1 && imgcache_image_size(cache, "c") == 5);
    CHECK(imgcache_is_being_cached(cache, "c") == 0 && imgcache_verify(cache, "c") == 0);

    CHECK(imgcache_list(cache, see, &seen) == 2 && strcmp(seen.ids, "a b ") == 0);
    seen.ids[0] = 0;
    CHECK(imgcache_queue(cache, "later") == 1 && imgcache_queue(cache, "later") == 0);
    CHECK(imgcache_queue(cache, "a") == 0 && imgcache_queue(cache, "last") == 1);
    CHECK(imgcache_list_queue(cache, see_id, &seen) == 2 && strcmp(seen.ids, "later last ") == 0);
    CHECK(imgcache_dequeue(cache, "later") == 1 && imgcache_is_queued(cache, "later") == 0);
    CHECK(imgcache_is_queued(cache, "last") == 1);

    imgcache_pruned pruned;
    CHECK(imgcache_pin(cache, "a", "rescue", -1) == 0 && imgcache_pin(cache, "a", "for an hour", 3600) == 0);
    CHECK(imgcache_prune(cache, &pruned) == 0 && pruned.images == 1 && pruned.bytes == 5 && pruned.kept == 0);
    CHECK(imgcache_is_cached(cache, "a") == 1 && imgcache_is_cached(cache, "b") == 0);
    CHECK(imgcache_unpin(cache, "a", "rescue") == 1 && imgcache_unpin(cache, "a", NULL) == 1);

    CHECK(imgcache_add(cache, "wrong", 9, NULL, memory_source(&memory, "hello")) == IMGCACHE_ERROR_SIZE_MISMATCH);
    CHECK(imgcache_get_status(cache, &status) == 0 && status.images == 2 && status.bytes == 10);
    CHECK(status.max_size == 10 && status.queued == 1 && status.invalid == 1 && status.incomplete == 0);
    CHECK(status.hits == 1 && status.misses == 4 && status.evictions == 1 && !status.is_fallback);
    imgcache_cleaned cleaned;
    CHECK(imgcache_clean(cache, -1, &cleaned) == 0 && cleaned.invalid == 1 && cleaned.bytes == 5);

    /* A range of an image that is not cached: the whole image is fetched while both readers are open. */
    imgcache_reader *whole = NULL;
    imgcache_source source = memory_source(&memory, "a whole image");
    CHECK(imgcache_get_or_fetch(cache, "r", 13, NULL, source, &whole) == 0);
    imgcache_source not_needed = {NULL, NULL, fails, NULL};
    CHECK(imgcache_get_or_fetch_range(cache, "r", 2, 5, -1, NULL, not_needed, &reader) == 0);
    CHECK(imgcache_size(reader) == 5 && read_all(reader, text, 6) == 5 && memcmp(text, "whole", 5) == 0);
    CHECK(imgcache_reader_close(&reader) == 0 && read_all(whole, text, 14) == 13);
    CHECK(imgcache_reader_close(&whole) == 0 && memory.opens == 1 && memory.closes == 1);
    CHECK(imgcache_get_or_fetch_range(cache, "r", 8, UINT64_MAX, -1, NULL, not_needed, &reader) == 0);
    CHECK(imgcache_size(reader) == 5 && read_all(reader, text, 6) == 5 && memcmp(text, "image", 5) == 0);
    CHECK(imgcache_reader_close(&reader) == 0);
    /* It is not the expected image: only its reader could decide that the store is right. */
    source = memory_source(&memory, "other");
    FAILS(imgcache_get_or_fetch_range(cache, "r", 0, 1, 5, NULL, source, &reader), IMGCACHE_ERROR_NOT_CACHED,
          "read the range from the store itself");
    CHECK(memory.opens == 0 && memory.closes == 1 && imgcache_delete(cache, "r") == 1);

    CHECK(imgcache_flush(cache) == 0 && imgcache_reconcile(cache) == 0);
    CHECK(imgcache_reconfigure(cache, "image_cache_max_size = 5\nimage_cache_driver = 'xattr'") == 0);
    CHECK(imgcache_get_status(tenant, &status) == 0 && status.max_size == 5 && status.images == 2);
    CHECK(imgcache_driver(cache, text, sizeof text) > 0 && strncmp(text, "xattr ", 6) == 0);
    CHECK(imgcache_reconfigure(cache, "image_cache_max_size = 10") == 0);
    CHECK(imgcache_driver(cache, text, sizeof text) > 0 && strncmp(text, "sqlite ", 7) == 0);
    CHECK(imgcache_delete(cache, "a") == 1 && imgcache_delete(cache, "a") == 0);
    CHECK(imgcache_delete_all(cache) == 1);
    digests(cache);

    snprintf(path, sizeof path, "%s.toml", argv[1]);
    FILE *file = fopen(path, "w");
    CHECK(file && fprintf(file, "image_cache_dir = '%s'\nimage_cache_driver = 'no-such-driver'\n", argv[1]) > 0);
    CHECK(fclose(file) == 0 && imgcache_close(&tenant) == 0 && imgcache_close(&cache) == 0);
    CHECK(imgcache_open_file(path, &cache) == 0 && unlink(path) == 0);
    CHECK(imgcache_driver(cache, text, sizeof text) > 10 && strstr(text, "instead of no-such-driver: "));
    CHECK(imgcache_get_status(cache, &status) == 0 && status.is_fallback);
    imgcache_close(&cache);
    return 0;
}
