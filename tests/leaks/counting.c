/* Counts what a process holds: preloaded (LD_PRELOAD), and asked by `growth.py`. Blocks are counted, not bytes: malloc
 * gives a little more than it is asked for, now and then, so that bytes go up and down by themselves. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/types.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t many, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *block);

static atomic_long blocks, maps;

long counted_blocks(void) { return blocks; }
long counted_maps(void) { return maps; }

static void *counted(void *block) {
    if (block) blocks++;
    return block;
}

void *malloc(size_t size) { return counted(__libc_malloc(size)); }
void *calloc(size_t many, size_t size) { return counted(__libc_calloc(many, size)); }
void *memalign(size_t alignment, size_t size) { return counted(__libc_memalign(alignment, size)); }
void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

int posix_memalign(void **block, size_t alignment, size_t size) {
    *block = memalign(alignment, size);
    return *block ? 0 : 12; /* ENOMEM */
}

void free(void *block) {
    if (block) blocks--;
    __libc_free(block);
}

void *realloc(void *block, size_t size) {
    void *moved = __libc_realloc(block, size);
    if (!block && moved) blocks++;
    if (block && !size && !moved) blocks--; /* glibc frees it */
    return moved;
}

static void *mapped(const char *name, void *at, size_t size, int protection, int flags, int file, off64_t offset) {
    void *(*real)(void *, size_t, int, int, int, off64_t) = dlsym(RTLD_NEXT, name);
    void *found = real(at, size, protection, flags, file, offset);
    if (found != MAP_FAILED) maps++;
    return found;
}

void *mmap(void *at, size_t size, int protection, int flags, int file, off_t offset) {
    return mapped("mmap", at, size, protection, flags, file, offset);
}

void *mmap64(void *at, size_t size, int protection, int flags, int file, off64_t offset) {
    return mapped("mmap64", at, size, protection, flags, file, offset);
}

int munmap(void *start, size_t size) {
    int (*real)(void *, size_t) = dlsym(RTLD_NEXT, "munmap");
    int failed = real(start, size);
    if (!failed) maps--;
    return failed;
}
