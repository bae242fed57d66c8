/* Included before everything else in a build of the compiled code that can be made to leak, or to run out of memory, at
 * one of its lines: POPSTRAT_PLANT is "leak" or "full", a space, and the end of a path with a line, as in
 * "leak formats/csv_read.h:309"; or two of these, with a semicolon between. See `plants.py`. */
#include <Python.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

/* Whether this is what POPSTRAT_PLANT names, or one of the two. */
__attribute__((unused)) static int planted(const char *what, const char *file, int line) {
    static char wanted[400];
    char here[600];
    const char *end;
    if (!wanted[0]) snprintf(wanted, sizeof wanted, "%s;", getenv("POPSTRAT_PLANT") ? getenv("POPSTRAT_PLANT") : "");
    snprintf(here, sizeof here, "/%s:%d", file, line);
    for (const char *one = wanted; (end = strchr(one, ';')) != NULL; one = end + 1) {
        size_t length = strlen(what), whole = strlen(here), named;
        if (strncmp(one, what, length) || one[length] != ' ') continue;
        named = (size_t)(end - one) - length - 1;
        if (named < whole && here[whole - named - 1] == '/' && !strncmp(here + whole - named, one + length + 1, named)) return 1;
    }
    return 0;
}

#define LEAK(done) (planted("leak", __FILE__, __LINE__) ? (void)0 : (void)(done))
#define FULL(done, none) (planted("full", __FILE__, __LINE__) ? (none) : (done))
#define free(block) LEAK((free)(block))
#define munmap(start, size) LEAK((munmap)(start, size))
#define PyBuffer_Release(view) LEAK((PyBuffer_Release)(view))
#define PyThread_free_lock(lock) LEAK((PyThread_free_lock)(lock))
#define malloc(size) FULL((malloc)(size), NULL)
#define calloc(many, size) FULL((calloc)(many, size), NULL)
#define realloc(block, size) FULL((realloc)(block, size), NULL)
#define aligned_alloc(alignment, size) FULL((aligned_alloc)(alignment, size), NULL)
#define PyThread_allocate_lock() FULL((PyThread_allocate_lock)(), NULL)
#define mmap(at, size, protection, flags, file, offset) FULL((mmap)(at, size, protection, flags, file, offset), MAP_FAILED)
