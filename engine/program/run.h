/* What running a program takes: its code, the columns and outputs of a batch, registers, counters. */
#ifndef POPSTRAT_RUN_H
#define POPSTRAT_RUN_H

#include <stdint.h>
#include <string.h>

#include "isa.h"
#include "ops.h"

/* Rows a block: small enough that a block's registers stay in the second-level cache, large enough that
 * dispatch costs nothing (measured: 4,096 is the flat part of the curve). A multiple of 512. */
#define BLOCK 4096
#define WORDS (BLOCK / 64)
/* Registers of a kind are staggered by a cache line to avoid cache-set aliasing: a power of two apart, the same rows of many
 * would share a few sets of the first-level cache. The steps are in elements. */
#define STAGGER 64 /* bytes */
#define PLANE_STEP (WORDS + STAGGER / 8)
#define BYTE_STEP (BLOCK + STAGGER)
#define SHORT_STEP (BLOCK + STAGGER / 2)
#define NUMBER_STEP (BLOCK + STAGGER / 8)
#define PART 512 /* rows that spans of number work take at a time: a few registers of 4 KB each fit the first-level cache */
#define INSTRUCTION_WIDTH 10
/* Sums of whole multiples of the step that stay under the bound are exact, whatever their order. */
#define GRID_STEP 0x1p-44
#define GRID_BOUND 256.0
#define GRID_ROUNDER 384.0 /* 1.5 * 2^8: adding and taking it away again rounds to the grid */

/* An input column where it lies in memory. `values` and `valid` may be NULL: no such buffer. */
typedef struct {
    const uint8_t *values;
    const uint8_t *valid;       /* Arrow validity bitmap, NULL: nothing is null */
    const uint8_t *characters;  /* string columns: the bytes; `values` are the offsets */
    int64_t characters_size;
    const uint8_t *table;       /* dictionary columns: a code for each index, 256 or more */
    int64_t table_size;         /* any index from here on is an unknown label */
    int64_t offset;             /* rows to skip in values and valid */
    const struct popstrat_labels *labels;
} popstrat_column;

/* Labels of a category, folded to lower case, for matching strings: `count` entries of at most 32 bytes. Those of at most
 * eight bytes, as words, each have a slot of their own, (word * multiplier) >> 59, or >> 60 where there are `few`: which are
 * quicker to look up; `about` holds length << 8 | code. The multiplier is 0 where none was found that keeps them apart. */
#define LABEL_SLOTS 32
#define LABEL_FEW 16
#define LABEL_TRIES 50000 /* enough for 22 labels more often than not; a millisecond where there are too many */
typedef struct popstrat_labels {
    int64_t count;
    uint8_t length[256];
    uint8_t code[256];
    uint8_t text[256][32];
    uint64_t multiplier;
    int few;
    uint64_t word[LABEL_SLOTS];
    uint16_t about[LABEL_SLOTS];
} popstrat_labels;

#define CODE_UNKNOWN 255 /* a label that is not in the list */
#define CODE_NULL 254    /* a dictionary entry that is itself null */
#define NEWEST_SHIFT 1048576 /* added to a NEWEST counter, so that 0 means that no row counted */

typedef struct {
    uint8_t *values;
    uint8_t *valid;
} popstrat_output;

/* Where numbers go: those of `rows` rows, 0 where the mask is clear. */
typedef struct {
    double *values;
    const uint64_t *mask;
    int64_t rows;
    int stream;
} popstrat_target;

/* A buffer that blocks read: its first row, and the bits that a row takes. */
typedef struct {
    const uint8_t *start;
    int64_t bits;
} popstrat_read;

/* How far the fetching of the next block has come. Each operation prefetches as much as it takes of a block's time, so that
 * memory is neither idle while some long sum is worked out nor asked for more than it can give: two threads share it. */
#define SHARE_BITS 24
#define FETCHED 256 /* bytes at a time: all that a block reads of a column is a multiple */
typedef struct {
    uintptr_t at, end; /* addresses: they may lie beyond a buffer, where a pointer must not */
    int64_t next; /* of the reads */
    int64_t row;
    int64_t due; /* how much should have been fetched by now, in 2^-SHARE_BITS of FETCHED */
} popstrat_prefetching;

typedef struct {
    const int32_t *code;
    int64_t instructions;
    const int32_t *span; /* (begin, end, in parts) */
    int64_t spans;
    const int32_t *arguments;
    const int64_t *integers;
    const double *doubles;
    const popstrat_column *columns;
    const popstrat_output *outputs;
    const popstrat_read *read;
    int64_t reads;
    const int32_t *share; /* of each instruction, a call: of what a block prefetches, in 2^-SHARE_BITS */
    int64_t prefetches; /* how often a block prefetches FETCHED bytes */
    int stream; /* outputs far larger than the caches: non-temporal stores */
    void *const *tables; /* of each instruction: what was worked out once for all blocks, or NULL */
    /* register files, owned by the call */
    uint64_t *planes;
    uint8_t *bytes;
    int16_t *shorts;
    double *numbers;
    int64_t *counters;
} popstrat_run;

/* What a thread works in: the registers of one program at a time, and its tables. All zero at first. */
typedef struct {
    uint8_t *memory;
    int64_t size;
    const int32_t *code; /* whose tables there are, and for which instruction set */
    int level;
} popstrat_workspace;

typedef struct {
    int64_t planes, bytes, shorts, numbers; /* how many of each class */
} popstrat_registers;

/* A batch to be run: its counters are `counters` for each of its pieces; of its rows so many have been run. */
typedef struct {
    popstrat_run run;
    popstrat_registers need;
    int level;
    int64_t rows, counters, done;
} popstrat_job;

/* Prefetch a share of the next block. A line beyond the end of a buffer does no harm; its address is worked out as a number,
 * since a pointer must not leave its buffer. */
static inline void popstrat_prefetch(const popstrat_run *run, popstrat_prefetching *ahead, int64_t share) {
    ahead->due += share * run->prefetches;
    for (; ahead->due >= (int64_t)1 << SHARE_BITS; ahead->due -= (int64_t)1 << SHARE_BITS) {
        if (ahead->at >= ahead->end) {
            if (ahead->next >= run->reads) return;
            const popstrat_read *read = run->read + ahead->next++;
            ahead->at = (uintptr_t)read->start + (uintptr_t)(ahead->row * read->bits >> 3);
            ahead->end = ahead->at + (uintptr_t)(BLOCK * read->bits >> 3);
        }
        for (int line = 0; line < FETCHED; line += 64) __builtin_prefetch((const void *)(ahead->at + line), 0, 2);
        ahead->at += FETCHED;
    }
}

#endif
