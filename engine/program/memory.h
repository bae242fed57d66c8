/* Memory for outputs. To be included by one module alone. */
#ifndef POPSTRAT_MEMORY_H
#define POPSTRAT_MEMORY_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The pages of a large output are expensive to get (the kernel clears each one), so a few buffers that are freed
 * are kept for the next call, 256 MB at most. */
#define POPSTRAT_KEPT 2048
#define POPSTRAT_KEPT_BYTES ((int64_t)256 << 20)
#define POPSTRAT_LARGE ((int64_t)64 << 10) /* below it malloc is as fast */

#if defined(__linux__)
#include <pthread.h>
#include <sys/mman.h>

static struct {
    uint8_t *start;
    int64_t size;
} popstrat_kept[POPSTRAT_KEPT];
static int popstrat_keeping;
static int64_t popstrat_kept_bytes;
static pthread_mutex_t popstrat_kept_mutex = PTHREAD_MUTEX_INITIALIZER;

static void popstrat_kept_lock(void) { pthread_mutex_lock(&popstrat_kept_mutex); }
static void popstrat_kept_unlock(void) { pthread_mutex_unlock(&popstrat_kept_mutex); }

/* Once, when the module is loaded: a fork while another thread holds the mutex would leave the child without it for good. */
static void popstrat_memory_init(void) { pthread_atfork(popstrat_kept_lock, popstrat_kept_unlock, popstrat_kept_unlock); }

/* From here on buffers are mapped by themselves, in large pages if there are any; a process can have only so many maps. */
#define POPSTRAT_MAPPED ((int64_t)1 << 20)

/* `size` bytes (a multiple of 4,096, at least POPSTRAT_LARGE) at a multiple of 64, or NULL. Undefined at first. */
static uint8_t *popstrat_allocate(int64_t size) {
    uint8_t *found = NULL;
    popstrat_kept_lock();
    for (int i = popstrat_keeping - 1; i >= 0; i--)
        if (popstrat_kept[i].size == size) {
            found = popstrat_kept[i].start;
            popstrat_kept_bytes -= size;
            memmove(popstrat_kept + i, popstrat_kept + i + 1, (size_t)(--popstrat_keeping - i) * sizeof popstrat_kept[0]);
            break;
        }
    popstrat_kept_unlock();
    if (found) return found;
    if (size < POPSTRAT_MAPPED) return aligned_alloc(64, (size_t)size);
    found = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (found == MAP_FAILED) return NULL;
#ifdef MADV_HUGEPAGE
    madvise(found, (size_t)size, MADV_HUGEPAGE);
#endif
    return found;
}

static void popstrat_unmap(uint8_t *start, int64_t size) {
    if (size < POPSTRAT_MAPPED)
        free(start);
    else
        munmap(start, (size_t)size);
}

/* Kept for the next call; the oldest are unmapped first, since sizes that nobody asks for any more would fill it for good. */
static void popstrat_free(uint8_t *start, int64_t size) {
    while (size <= POPSTRAT_KEPT_BYTES) {
        uint8_t *oldest = NULL;
        int64_t its_size = 0;
        popstrat_kept_lock();
        if (popstrat_keeping < POPSTRAT_KEPT && popstrat_kept_bytes + size <= POPSTRAT_KEPT_BYTES) {
            popstrat_kept[popstrat_keeping].start = start;
            popstrat_kept[popstrat_keeping++].size = size;
            popstrat_kept_bytes += size;
            start = NULL;
        } else {
            oldest = popstrat_kept[0].start;
            its_size = popstrat_kept[0].size;
            popstrat_kept_bytes -= its_size;
            memmove(popstrat_kept, popstrat_kept + 1, (size_t)--popstrat_keeping * sizeof popstrat_kept[0]);
        }
        popstrat_kept_unlock();
        if (start == NULL) return;
        popstrat_unmap(oldest, its_size);
    }
    popstrat_unmap(start, size);
}
#else
static void popstrat_memory_init(void) {}
static uint8_t *popstrat_allocate(int64_t size) { return malloc((size_t)size); }
static void popstrat_free(uint8_t *start, int64_t size) {
    (void)size;
    free(start);
}
#endif

#endif
