#include <image_cache.h>
#include <stdio.h>

static ssize_t read_file(void *file, void *buffer, size_t length) {
    size_t count = fread(buffer, 1, length, file);
    return count == 0 && ferror(file) ? -1 : (ssize_t)count;
}

static void close_file(void *file) { fclose(file); }

int main(int argc, char **argv) {
    imgcache_cache *cache = NULL;
    imgcache_reader *reader = NULL;
    char buffer[65536];
    FILE *file = argc == 3 ? fopen(argv[2], "rb") : NULL;
    if (!file) return fprintf(stderr, "usage: %s DIRECTORY FILE > COPY\n", argv[0]), 2;
    imgcache_source source = {file, NULL, read_file, close_file};
    ssize_t result = imgcache_open(argv[1], "image_cache_max_size = '50 GiB'", &cache);
    if (result == 0) result = imgcache_get_or_fetch(cache, "disk", -1, NULL, source, &reader);
    while (result >= 0 && (result = imgcache_read(reader, buffer, sizeof buffer)) > 0)
        fwrite(buffer, 1, (size_t)result, stdout);
    if (result < 0) fprintf(stderr, "%s: %s\n", argv[0], imgcache_message());
    imgcache_reader_close(&reader);
    imgcache_close(&cache);
    return result < 0 || fflush(stdout) != 0 || ferror(stdout);
}
