/* Callbacks that call the library again: an error that names what is wrong, never a hang. */
#include "check.h"

enum action { READ_ITSELF, ADD_ITSELF, WRITE_ITSELF, READ_ITS_READER, READ_OTHER, CLOSE_READER, CLOSE_CACHE };

struct source {
    enum action action;
    imgcache_cache **cache;
    imgcache_reader **reader;
    int reads, closes;
};

static ssize_t reads_again(void *context, void *buffer, size_t length) {
    struct source *source = context;
    struct memory memory;
    imgcache_reader *reader = NULL;
    char inner[10];
    if (source->reads++ > 0) return 0;
    switch (source->action) {
    case READ_ITSELF:
        FAILS(imgcache_get_or_fetch(*source->cache, "outer", -1, NULL, memory_source(&memory, "x"), &reader),
              IMGCACHE_ERROR_DEADLOCK, "outer: its source must not fetch the same image");
        CHECK(memory.closes == 1 && !reader);
        /* A reader without a source waits for the fetch, that is, for this function. */
        CHECK(imgcache_follow(*source->cache, "outer", &reader) == 0);
        FAILS(imgcache_read(reader, inner, 10), IMGCACHE_ERROR_DEADLOCK, "outer: its fetch waits for this read");
        imgcache_reader_close(&reader);
        break;
    case ADD_ITSELF:
        FAILS(imgcache_add(*source->cache, "outer", -1, NULL, memory_source(&memory, "x")),
              IMGCACHE_ERROR_DEADLOCK, "outer");
        break;
    case WRITE_ITSELF: {
        imgcache_writer *writer = NULL;
        FAILS(imgcache_begin(*source->cache, "outer", -1, NULL, &writer), IMGCACHE_ERROR_DEADLOCK, "outer");
        CHECK(imgcache_begin(*source->cache, "inner", -1, NULL, &writer) == 0 && imgcache_write(writer, "inner", 5) == 0);
        CHECK(imgcache_finish(&writer) == IMGCACHE_OUTCOME_CACHED);
        break;
    }
    case READ_ITS_READER:
        FAILS(imgcache_read(*source->reader, inner, 10), IMGCACHE_ERROR_BUSY, "must not read from the reader");
        CHECK(imgcache_error_is_retryable());
        FAILS(imgcache_size(*source->reader), IMGCACHE_ERROR_BUSY, "another call uses this reader");
        break;
    case READ_OTHER:
        CHECK(imgcache_get_or_fetch(*source->cache, "inner", -1, NULL, memory_source(&memory, "inner"), &reader) == 0);
        CHECK(read_all(reader, inner, 10) == 5 && imgcache_outcome_of(reader) == IMGCACHE_OUTCOME_CACHED);
        imgcache_reader_close(&reader);
        break;
    case CLOSE_READER:
        CHECK(imgcache_reader_close(source->reader) == 0 && !*source->reader);
        break;
    case CLOSE_CACHE:
        CHECK(imgcache_close(source->cache) == 0 && !*source->cache);
        break;
    }
    CHECK(length >= 5);
    memcpy(buffer, "outer", 5);
    return 5;
}

static void closes_and_calls(void *context) {
    struct source *source = context;
    source->closes++;
    if (*source->cache) CHECK(imgcache_is_cached(*source->cache, "inner") >= 0);
}

static void read_through(const char *directory, enum action action) {
    imgcache_cache *cache = NULL;
    imgcache_reader *reader = NULL;
    char buffer[64];
    CHECK(imgcache_open(directory, NULL, &cache) == 0);
    struct source context = {action, &cache, &reader, 0, 0};
    imgcache_source source = {&context, NULL, reads_again, closes_and_calls};
    CHECK(imgcache_delete_all(cache) >= 0);
    CHECK(imgcache_get_or_fetch(cache, "outer", -1, NULL, source, &reader) == 0);
    imgcache_reader *copy = reader;
    ssize_t count = imgcache_read(copy, buffer, sizeof buffer);
    if (action == CLOSE_READER) {
        /* The call that ran when its reader was closed ends well; the copy of the handle is closed. */
        CHECK(count > 0 && !reader);
        FAILS(imgcache_read(copy, buffer, sizeof buffer), IMGCACHE_ERROR_INVALID_ARGUMENT, "the reader is closed already");
    } else {
        CHECK(count >= 0 && read_all(reader, buffer + count, sizeof buffer - (size_t)count) + count == 5);
        CHECK(memcmp(buffer, "outer", 5) == 0 && imgcache_outcome_of(reader) == IMGCACHE_OUTCOME_CACHED);
        imgcache_reader_close(&reader);
    }
    CHECK(context.closes == 1);
    imgcache_close(&cache);
}

static void add(const char *directory, enum action action) {
    imgcache_cache *cache = NULL;
    imgcache_reader *reader = NULL;
    CHECK(imgcache_open(directory, NULL, &cache) == 0 && imgcache_delete_all(cache) >= 0);
    struct source context = {action, &cache, &reader, 0, 0};
    imgcache_source source = {&context, NULL, reads_again, closes_and_calls};
    CHECK(imgcache_add(cache, "outer", 5, NULL, source) == IMGCACHE_OUTCOME_CACHED && context.closes == 1);
    CHECK((action == CLOSE_CACHE) == !cache);
    imgcache_close(&cache);
}

static int deletes(void *context, const imgcache_image *image) {
    CHECK(imgcache_delete(*(imgcache_cache **)context, image->id) == 1);
    return 0;
}

static int closes_cache(void *context, const imgcache_image *image) {
    CHECK(imgcache_close(context) == 0 && strlen(image->id) == 5);
    return 1;
}

static int messages;

static void log_message(void *context, int level, const char *message) {
    imgcache_cache *cache = NULL;
    if (level > IMGCACHE_LOG_LEVEL_WARN || !strstr(message, "no-such-driver")) return;
    FAILS(imgcache_open(context, NULL, &cache), IMGCACHE_ERROR_DEADLOCK, "the log function must not call");
    FAILS(imgcache_set_log(0, NULL, NULL), IMGCACHE_ERROR_DEADLOCK, "the log function must not call");
    messages++;
}

static void logs(char *directory) {
    imgcache_cache *cache = NULL;
    const char *options = "image_cache_driver = 'no-such-driver'";
    FAILS(imgcache_set_log(5, log_message, directory), IMGCACHE_ERROR_INVALID_ARGUMENT, "level is 5");
    CHECK(imgcache_set_log(IMGCACHE_LOG_LEVEL_WARN, log_message, directory) == 0);
    CHECK(imgcache_open(directory, options, &cache) == 0 && imgcache_close(&cache) == 0 && messages > 0);
    CHECK(imgcache_set_log(IMGCACHE_LOG_LEVEL_OFF, NULL, NULL) == 0);
    messages = 0;
    CHECK(imgcache_open(directory, options, &cache) == 0 && imgcache_close(&cache) == 0 && messages == 0);
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    logs(argv[1]);
    for (enum action action = READ_ITSELF; action <= CLOSE_CACHE; action++) read_through(argv[1], action);
    add(argv[1], ADD_ITSELF);
    add(argv[1], READ_OTHER);
    add(argv[1], CLOSE_CACHE);

    imgcache_cache *cache = NULL;
    struct memory memory;
    CHECK(imgcache_open(argv[1], NULL, &cache) == 0);
    CHECK(imgcache_add(cache, "inner", -1, NULL, memory_source(&memory, "inner")) > 0);
    CHECK(imgcache_list(cache, deletes, &cache) == 2 && imgcache_list(cache, deletes, &cache) == 0);
    CHECK(imgcache_add(cache, "inner", -1, NULL, memory_source(&memory, "inner")) == IMGCACHE_OUTCOME_CACHED);
    CHECK(imgcache_list(cache, closes_cache, &cache) == 1 && !cache);
    return 0;
}
