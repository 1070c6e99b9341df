/* Two copies of the library in one process: neither takes the other's handles for its own, and a forked child can use both. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

static int (*other_open)(const char *directory, const char *options, imgcache_cache **cache);
static int (*other_is_cached)(imgcache_cache *cache, const char *id);
static int (*other_open_cached)(imgcache_cache *cache, const char *id, imgcache_reader **reader);
static ssize_t (*other_read)(imgcache_reader *reader, void *buffer, size_t length);
static int (*other_reader_close)(imgcache_reader **reader);
static int (*other_close)(imgcache_cache **cache);
static const char *(*other_message)(void);

static void load(const char *library) {
    void *copy = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (!copy) {
        fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    *(void **)&other_open = dlsym(copy, "imgcache_open");
    *(void **)&other_is_cached = dlsym(copy, "imgcache_is_cached");
    *(void **)&other_open_cached = dlsym(copy, "imgcache_open_cached");
    *(void **)&other_read = dlsym(copy, "imgcache_read");
    *(void **)&other_reader_close = dlsym(copy, "imgcache_reader_close");
    *(void **)&other_close = dlsym(copy, "imgcache_close");
    *(void **)&other_message = dlsym(copy, "imgcache_message");
    CHECK(other_open && other_is_cached && other_open_cached && other_read && other_reader_close);
    CHECK(other_close && other_message && other_open != imgcache_open);
}

int main(int argc, char **argv) {
    const int bad = IMGCACHE_ERROR_INVALID_ARGUMENT;
    imgcache_cache *own = NULL, *others = NULL;
    imgcache_reader *own_reader = NULL, *others_reader = NULL;
    struct memory memory;
    char bytes[10];
    int status = -1;
    CHECK(argc == 3);
    load(argv[2]);
    CHECK(imgcache_open(argv[1], NULL, &own) == 0 && other_open(argv[1], NULL, &others) == 0);
    CHECK(imgcache_add(own, "a", -1, NULL, memory_source(&memory, "hello")) == IMGCACHE_OUTCOME_CACHED);
    CHECK(imgcache_open_cached(own, "a", &own_reader) == 0 && other_open_cached(others, "a", &others_reader) == 0);
    FAILS(imgcache_is_cached(others, "a"), bad, "is no cache: pass a handle that this library wrote");
    FAILS(imgcache_close(&others), bad, "is no cache");
    FAILS(imgcache_read(others_reader, bytes, 10), bad, "is no reader");
    FAILS(imgcache_reader_close(&others_reader), bad, "is no reader");
    CHECK(other_is_cached(own, "a") == bad && strstr(other_message(), "is no cache"));
    CHECK(other_reader_close(&own_reader) == bad && strstr(other_message(), "is no reader"));
    CHECK(read_all(own_reader, bytes, 6) == 5 && other_read(others_reader, bytes, 10) == 5);

    pid_t child = fork();
    if (child == 0) {
        FAILS(imgcache_read(own_reader, bytes, 10), IMGCACHE_ERROR_FORKED, "before this process was forked");
        CHECK(other_read(others_reader, bytes, 10) == IMGCACHE_ERROR_FORKED);
        CHECK(imgcache_is_cached(own, "a") == 1 && other_is_cached(others, "a") == 1);
        CHECK(imgcache_close(&own) == 0 && other_close(&others) == 0);
        _exit(0);
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(imgcache_reader_close(&own_reader) == 0 && other_reader_close(&others_reader) == 0);
    CHECK(imgcache_is_cached(own, "a") == 1 && other_is_cached(others, "a") == 1);
    CHECK(imgcache_close(&own) == 0 && other_close(&others) == 0);
    return 0;
}
