/* Forked children use the cache handles of their parent, but not its readers and writers. */
#define _POSIX_C_SOURCE 200809L
#include "image.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

/* A process that is left over ends by itself. */
enum { SECONDS = 300, CHILDREN = 5 };

static imgcache_cache *cache;

static void wait_for(pid_t child) {
    int status = 0;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static char part[SIZE / 2];

static void begin_image(const char *id, imgcache_writer **writer) {
    for (size_t n = 0; n < sizeof part; n++) part[n] = byte_of_image(n);
    CHECK(imgcache_begin(cache, id, SIZE, NULL, writer) == 0 && imgcache_write(*writer, part, sizeof part) == 0);
}

static void end_image(imgcache_writer **writer) {
    for (size_t n = 0; n < sizeof part; n++) part[n] = byte_of_image(sizeof part + n);
    CHECK(imgcache_write(*writer, part, sizeof part) == 0 && imgcache_finish(writer) == IMGCACHE_OUTCOME_CACHED);
}

struct opened {
    imgcache_reader *cached, *fetch;
    imgcache_writer *writer, *other;
    struct store store;
};

/* The child of a process with open readers and writers. */
static void use_in_child(struct opened opened) {
    const int forked = IMGCACHE_ERROR_FORKED;
    imgcache_cache *tenant = NULL, *copy = cache;
    imgcache_reader *reader = opened.cached;
    char byte;
    FAILS(imgcache_read(opened.cached, &byte, 1), forked, "the reader was opened before this process was forked");
    FAILS(imgcache_size(opened.fetch), forked, "by its parent: open one in this process");
    FAILS(imgcache_read(opened.fetch, &byte, 1), forked, "the reader was opened before this process was forked");
    FAILS(imgcache_write(opened.writer, &byte, 1), forked, "the writer was opened before this process was forked");
    FAILS(imgcache_finish(&opened.writer), forked, "the writer was opened before this process was forked");
    CHECK(!opened.writer && imgcache_abort(&opened.other) == 0 && !opened.other);
    CHECK(imgcache_reader_close(&opened.cached) == 0 && imgcache_reader_close(&opened.fetch) == 0 && !opened.fetch);
    FAILS(imgcache_read(reader, &byte, 1), IMGCACHE_ERROR_INVALID_ARGUMENT, "the reader is closed already");
    CHECK(strcmp(imgcache_error_name(forked), "forked") == 0);

    CHECK(imgcache_is_being_cached(cache, "written") == 1 && imgcache_is_being_cached(cache, "other") == 1);
    check_cached(cache, "a");
    check_fetch(cache, "child");
    CHECK(imgcache_for_tenant(cache, "tenant", &tenant) == 0 && imgcache_is_cached(tenant, "child") == 1);
    CHECK(imgcache_close(&tenant) == 0 && imgcache_close(&cache) == 0);
    FAILS(imgcache_is_cached(copy, "a"), IMGCACHE_ERROR_INVALID_ARGUMENT, "the cache is closed already");
}

static void with_readers(const char *directory) {
    struct opened opened = {NULL, NULL, NULL, NULL, {0, 0}};
    char first[100];
    CHECK(imgcache_open(directory, "image_cache_hit_delay = 600", &cache) == 0);
    check_fetch(cache, "a");
    CHECK(imgcache_open_cached(cache, "a", &opened.cached) == 0 && imgcache_read(opened.cached, first, 100) == 100);
    imgcache_source source = store_source(&opened.store);
    CHECK(imgcache_get_or_fetch(cache, "fetched", -1, NULL, source, &opened.fetch) == 0);
    CHECK(imgcache_read(opened.fetch, first, 100) == 100 && opened.store.closes == 0);
    begin_image("written", &opened.writer);
    begin_image("other", &opened.other);
    pid_t child = fork();
    if (child == 0) {
        alarm(SECONDS);
        use_in_child(opened);
        CHECK(opened.store.closes == 0);
        _exit(0);
    }
    wait_for(child);
    check_cached(cache, "child");
    check_rest(opened.cached, 100);
    check_rest(opened.fetch, 100);
    CHECK(imgcache_outcome_of(opened.fetch) == IMGCACHE_OUTCOME_CACHED && opened.store.closes == 1);
    CHECK(imgcache_reader_close(&opened.cached) == 0 && imgcache_reader_close(&opened.fetch) == 0);
    end_image(&opened.writer);
    end_image(&opened.other);
    check_cached(cache, "written");
    /* Two of the parent and one of the child: none is lost, and none is written twice. */
    CHECK(imgcache_flush(cache) == 0 && imgcache_hit_count(cache, "a") == 3);
    CHECK(imgcache_close(&cache) == 0);
}

/* A process forks while it writes an image, and is killed. Its child goes on to sleep, and this process takes the image over. */
static void killed_parent(const char *directory) {
    imgcache_writer *writer = NULL;
    int ready[2];
    pid_t child = 0;
    CHECK(pipe(ready) == 0);
    pid_t parent = fork();
    if (parent == 0) {
        alarm(SECONDS);
        CHECK(imgcache_open(directory, NULL, &cache) == 0);
        begin_image("killed", &writer);
        child = fork();
        if (child == 0) {
            alarm(SECONDS);
            pause();
            _exit(1);
        }
        CHECK(write(ready[1], &child, sizeof child) == sizeof child);
        pause();
        _exit(1);
    }
    CHECK(read(ready[0], &child, sizeof child) == sizeof child && child > 0);
    CHECK(imgcache_open(directory, NULL, &cache) == 0);
    CHECK(imgcache_is_being_cached(cache, "killed") == 1);
    CHECK(kill(parent, SIGKILL) == 0 && waitpid(parent, NULL, 0) == parent && kill(child, 0) == 0);
    CHECK(imgcache_is_being_cached(cache, "killed") == 0);
    check_fetch(cache, "killed");
    CHECK(kill(child, SIGKILL) == 0 && close(ready[0]) == 0 && close(ready[1]) == 0);
    CHECK(imgcache_close(&cache) == 0);
}

static atomic_bool is_over;

static void *open_and_close(void *unused) {
    char bytes[10];
    (void)unused;
    while (!atomic_load(&is_over)) {
        imgcache_reader *reader = NULL;
        CHECK(imgcache_open_cached(cache, "a", &reader) == 0 && imgcache_read(reader, bytes, 10) == 10);
        CHECK(bytes[9] == byte_of_image(9) && imgcache_reader_close(&reader) == 0);
    }
    return NULL;
}

/* A process forks again and again while its threads open and close handles. */
static void busy_parent(const char *directory) {
    pthread_t threads[2];
    CHECK(imgcache_open(directory, NULL, &cache) == 0);
    for (int n = 0; n < 2; n++) CHECK(pthread_create(&threads[n], NULL, open_and_close, NULL) == 0);
    for (int n = 0; n < CHILDREN; n++) {
        pid_t child = fork();
        if (child == 0) {
            char id[20];
            alarm(SECONDS);
            snprintf(id, sizeof id, "busy-%d", n);
            check_cached(cache, "a");
            check_fetch(cache, id);
            CHECK(imgcache_close(&cache) == 0);
            _exit(0);
        }
        wait_for(child);
    }
    atomic_store(&is_over, true);
    for (int n = 0; n < 2; n++) pthread_join(threads[n], NULL);
    CHECK(imgcache_close(&cache) == 0);
}

static pid_t logger;
static atomic_bool is_logging;
static int messages;

static void log_slowly(void *context, int level, const char *message) {
    (void)context, (void)level;
    if (!strstr(message, "no-such-driver")) return;
    if (getpid() != logger) {
        messages++;
        return;
    }
    atomic_store(&is_logging, true);
    while (!atomic_load(&is_over)) sched_yield();
}

static void *open_and_log(void *directory) {
    CHECK(imgcache_open(directory, "image_cache_driver = 'no-such-driver'", &cache) == 0);
    CHECK(imgcache_close(&cache) == 0);
    return NULL;
}

/* A process forks while a thread is in its log function. The child has the function, and sets another one. */
static void logging_parent(char *directory) {
    pthread_t thread;
    logger = getpid();
    atomic_store(&is_over, false);
    CHECK(imgcache_set_log(IMGCACHE_LOG_LEVEL_WARN, log_slowly, NULL) == 0);
    CHECK(pthread_create(&thread, NULL, open_and_log, directory) == 0);
    while (!atomic_load(&is_logging)) sched_yield();
    pid_t child = fork();
    if (child == 0) {
        alarm(SECONDS);
        open_and_log(directory);
        CHECK(messages > 0 && imgcache_set_log(IMGCACHE_LOG_LEVEL_OFF, NULL, NULL) == 0);
        messages = 0;
        open_and_log(directory);
        CHECK(messages == 0);
        _exit(0);
    }
    wait_for(child);
    atomic_store(&is_over, true);
    pthread_join(thread, NULL);
    CHECK(imgcache_set_log(IMGCACHE_LOG_LEVEL_OFF, NULL, NULL) == 0);
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    killed_parent(argv[1]);
    with_readers(argv[1]);
    busy_parent(argv[1]);
    logging_parent(argv[1]);
    return 0;
}
