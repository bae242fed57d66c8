/* Hits of people in no order, put by in a file: parted by range of rows, so that one part after another can be folded.
 *
 * Each thread has a buffer for each part, and writes a full one where the file ends. The file has no name (folding.py);
 * what is read back is checked as anything else from a disk.
 */
#ifndef POPSTRAT_EVENTS_SPILL_H
#define POPSTRAT_EVENTS_SPILL_H

#include <errno.h>
#include <unistd.h>

#include "events/fold.h"

typedef struct {
    int64_t at; /* in the file, bytes */
    int64_t hits;
    int64_t before; /* the block of the same part written before, or -1 */
} events_written;

typedef struct {
    uint8_t *buffers;
    int64_t *buffered; /* hits, by part */
    int64_t *newest;   /* block, by part */
    int64_t *total;    /* hits, by part */
    events_written *written;
    int64_t blocks, room;
} events_spiller;

typedef struct {
    events_spiller *spiller; /* by thread */
    int64_t threads, parts, stride, buffer; /* hits that a buffer holds */
    int64_t chunk, part;                    /* rows; a part never reaches over the end of a chunk */
    int64_t parts_of_chunk;
    int64_t end; /* of the file */
    int fd;
} events_spill;

static void events_spill_free(events_spill *s) {
    for (int64_t t = 0; s->spiller != NULL && t < s->threads; t++) {
        free(s->spiller[t].buffers);
        free(s->spiller[t].buffered);
        free(s->spiller[t].newest);
        free(s->spiller[t].total);
        free(s->spiller[t].written);
    }
    free(s->spiller);
    s->spiller = NULL;
}

static int events_spill_make(events_spill *s) {
    s->spiller = calloc((size_t)s->threads, sizeof *s->spiller);
    if (s->spiller == NULL) return EVENTS_NO_MEMORY;
    for (int64_t t = 0; t < s->threads; t++) {
        events_spiller *one = s->spiller + t;
        one->buffers = malloc((size_t)(s->parts * s->buffer * s->stride));
        one->buffered = calloc((size_t)s->parts, 8);
        one->newest = malloc((size_t)s->parts * 8);
        one->total = calloc((size_t)s->parts, 8);
        if (one->buffers == NULL || one->buffered == NULL || one->newest == NULL || one->total == NULL) {
            events_spill_free(s);
            return EVENTS_NO_MEMORY;
        }
        memset(one->newest, 0xff, (size_t)s->parts * 8);
    }
    return EVENTS_FINE;
}

static int events_write_all(int fd, const uint8_t *bytes, int64_t n, int64_t at) {
    while (n > 0) {
        const ssize_t done = pwrite(fd, bytes, (size_t)n, (off_t)at);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return EVENTS_SYSTEM;
        bytes += done, n -= done, at += done;
    }
    return EVENTS_FINE;
}

static int events_read_all(int fd, uint8_t *bytes, int64_t n, int64_t at) {
    while (n > 0) {
        const ssize_t done = pread(fd, bytes, (size_t)n, (off_t)at);
        if (done < 0 && errno == EINTR) continue;
        if (done == 0) errno = EIO;
        if (done <= 0) return EVENTS_SYSTEM;
        bytes += done, n -= done, at += done;
    }
    return EVENTS_FINE;
}

static int events_spill_write(events_spill *s, events_spiller *one, int64_t part) {
    if (one->blocks == one->room) {
        const int64_t room = one->room ? 2 * one->room : 64;
        events_written *grown = realloc(one->written, (size_t)room * sizeof *grown);
        if (grown == NULL) return EVENTS_NO_MEMORY;
        one->written = grown, one->room = room;
    }
    const int64_t bytes = one->buffered[part] * s->stride;
    const int64_t at = __atomic_fetch_add(&s->end, bytes, __ATOMIC_RELAXED);
    const int failed = events_write_all(s->fd, one->buffers + part * s->buffer * s->stride, bytes, at);
    if (failed) return failed;
    one->written[one->blocks] = (events_written){at, one->buffered[part], one->newest[part]};
    one->newest[part] = one->blocks++;
    one->buffered[part] = 0;
    return EVENTS_FINE;
}

static int events_spill_add(events_spill *s, int64_t thread, const uint8_t *hits, int64_t n) {
    events_spiller *one = s->spiller + thread;
    for (int64_t i = 0; i < n; i++, hits += s->stride) {
        const int64_t row = ((const events_hit *)hits)->row;
        const int64_t part = row / s->chunk * s->parts_of_chunk + row % s->chunk / s->part;
        memcpy(one->buffers + (part * s->buffer + one->buffered[part]) * s->stride, hits, (size_t)s->stride);
        one->total[part]++;
        if (++one->buffered[part] == s->buffer) {
            const int failed = events_spill_write(s, one, part);
            if (failed) return failed;
        }
    }
    return EVENTS_FINE;
}

static int64_t events_spill_size(const events_spill *s, int64_t part) {
    int64_t hits = 0;
    for (int64_t t = 0; t < s->threads; t++) hits += s->spiller[t].total[part];
    return hits;
}

/* All hits of a part, sorted by row. `loose` and `sorted` have room for them, `starts` for the rows of a part and two. */
static int events_spill_read(const events_spill *s, int64_t part, int64_t slots, uint8_t *loose, uint8_t *sorted,
                             int64_t *starts) {
    const int64_t first = part / s->parts_of_chunk * s->chunk + part % s->parts_of_chunk * s->part;
    int64_t n = 0;
    for (int64_t t = 0; t < s->threads; t++) {
        const events_spiller *one = s->spiller + t;
        memcpy(loose + n * s->stride, one->buffers + part * s->buffer * s->stride,
               (size_t)(one->buffered[part] * s->stride));
        n += one->buffered[part];
        for (int64_t b = one->newest[part]; b >= 0; b = one->written[b].before) {
            const int failed =
                events_read_all(s->fd, loose + n * s->stride, one->written[b].hits * s->stride, one->written[b].at);
            if (failed) return failed;
            n += one->written[b].hits;
        }
    }
    memset(starts, 0, (size_t)(s->part + 2) * 8);
    for (int64_t i = 0; i < n; i++) {
        const events_hit *hit = (const events_hit *)(loose + i * s->stride);
        const int64_t row = hit->row - first;
        if (row < 0 || row >= s->part || (uint64_t)(int64_t)hit->slot >= (uint64_t)slots) return EVENTS_ASTRAY;
        starts[row + 2]++;
    }
    for (int64_t row = 2; row <= s->part + 1; row++) starts[row] += starts[row - 1];
    for (int64_t i = 0; i < n; i++) {
        const uint8_t *hit = loose + i * s->stride;
        const int64_t row = ((const events_hit *)hit)->row - first;
        memcpy(sorted + starts[row + 1]++ * s->stride, hit, (size_t)s->stride);
    }
    return EVENTS_FINE;
}

#endif
