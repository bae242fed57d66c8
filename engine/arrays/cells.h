/* Rows counted by cell: how many rows of each of many bitmaps, and what sums, fall into each cell of several tables.

   A row lies in one cell of each table. Blocks of rows are counted one after the other, all bitmaps at once: 64 bits of
   a row become 64 bytes of 0 or 1, which are added to 64 bytes of its cell. A byte holds 255 at most, so each cell is
   handed over to counts of 32 bits before it may hold more. What each thread adds to is its own and small (one whole's
   cells stay in the first-level cache); the counts of 32 bits are shared, since they are written once in some 250 rows. */
#ifndef POPSTRAT_CELLS_H
#define POPSTRAT_CELLS_H

#include <sched.h>
#include <stdint.h>
#include <string.h>

#include "isa.h"

#define CELLS_BLOCK 512 /* rows: one line of the cache of each bitmap */
#define CELLS_LANES 64  /* bitmaps whose bits are added at once */
#define CELLS_FEW 3     /* times that many, as there usually are: loops over them are none */
#define CELLS_TABLES 8
#define CELLS_LOCKS 256
#define CELLS_MANY 248 /* rows from which on a cell is handed over: with fewer its bytes have room for eight more */

/* A dictionary's indices of `width` bytes, and a number of each entry, -1 for none. */
typedef struct {
    const uint8_t *indices;
    const uint8_t *valid; /* NULL where none is null */
    int64_t offset;       /* of both */
    const int32_t *table;
    int64_t entries;
    int width;
} cells_coded;

typedef struct {
    const uint8_t *codes;
    const uint8_t *valid; /* NULL where none is null */
    int64_t offset;       /* of both */
    uint32_t size;        /* codes from here on, and nulls, are the last one, size - 1 */
    uint32_t stride;
    int table;
} cells_group;

/* Whole numbers, of 2 bytes or as doubles. */
typedef struct {
    const uint8_t *values;
    const uint8_t *valid; /* NULL where none is null */
    int width;
} cells_number;

typedef struct {
    cells_coded whole;
    const cells_coded *within; /* which things each whole may be in one of */
    const cells_group *groups;
    const uint8_t *const *bits;
    const cells_number *numbers;
    int64_t rows, wholes, planes, count_numbers;
    uint32_t width, first[CELLS_TABLES]; /* cells of a whole; of each table the first of them */
    int tables, count_groups, count_within;
} cells_rows;

/* What one thread adds to, and what all share. A cell has `units` times CELLS_LANES bytes and counts;
   `few` and `turned` begin at a multiple of CELLS_LANES. */
typedef struct {
    uint8_t *few;      /* of each cell the rows of each bitmap since it was handed over, ... */
    uint8_t *since;    /* ... and all its rows */
    int64_t *sums;     /* of each cell and number the sum, and the sum of squares */
    uint8_t *turned;   /* room for `units` times CELLS_BLOCK / 8 times CELLS_LANES bytes */
    uint32_t *counts;  /* shared, with the two below */
    uint32_t *everybody;
    uint8_t *locks;
    int64_t units;
} cells_tally;

#define CELLS_AHEAD 512
typedef struct {
    const uint8_t *at[CELLS_AHEAD];
    int lines;
} cells_ahead;

/* Why a range of rows is not counted; a row from 0 on is one whose index lies outside the dictionary. */
#define CELLS_FINE (-1)
#define CELLS_NOWHERE (-2) /* a row without a whole */
#define CELLS_IN_TWO (-3)  /* a whole in two things of one kind, or an index outside the dictionary of these */

static inline int cells_bit(const uint8_t *bits, int64_t at) { return bits[at >> 3] >> (at & 7) & 1; }

static inline int64_t cells_index(const uint8_t *indices, int width, int64_t at) {
    switch (width) {
    case 1: return ((const int8_t *)indices)[at];
    case 2: return ((const int16_t *)indices)[at];
    case 4: return ((const int32_t *)indices)[at];
    default: return ((const int64_t *)indices)[at];
    }
}

/* `out[row] = table[index]` for `rows` rows of a dictionary's indices from row `from` on, -1 for null. The first row whose
   index lies outside the table, or -1. */
static inline int64_t cells_numbered(const cells_coded *of, int64_t from, int64_t rows, int32_t *out) {
    for (int64_t row = 0; row < rows; row++) {
        const int64_t at = of->offset + from + row;
        if (of->valid != NULL && !cells_bit(of->valid, at)) {
            out[row] = -1;
            continue;
        }
        const int64_t index = cells_index(of->indices, of->width, at);
        if (index < 0 || index >= of->entries) return from + row;
        out[row] = of->table[index];
    }
    return -1;
}

/* Which one thing each whole is in, by the rows of a dictionary's indices from row `from` on: `held[whole]` is set by the
   first row that says, and -1 before; rows of null, and entries of -1, say nothing. -1 if no row says another; else that
   row, or -2 - row for one whose index lies outside the table, or whose whole is not among `wholes`. Neighbours mostly say
   the same, and are passed over. */
static inline __attribute__((always_inline)) int64_t cells_within_of(const cells_coded *of, int width, const uint8_t *valid,
                                                                     const int32_t *whole, int64_t from, int64_t rows,
                                                                     int32_t *held, int64_t wholes) {
    int64_t last = -1;
    int32_t before = -1;
    for (int64_t row = 0; row < rows; row++) {
        const int64_t at = of->offset + from + row;
        if (valid != NULL && !cells_bit(valid, at)) continue;
        const int64_t index = cells_index(of->indices, width, at);
        if (index == last && whole[row] == before) continue;
        if (index < 0 || index >= of->entries || whole[row] >= wholes) return -2 - from - row;
        last = index;
        before = whole[row];
        if (before < 0 || of->table[index] < 0) continue;
        if (held[before] < 0) held[before] = of->table[index];
        else if (held[before] != of->table[index]) return from + row;
    }
    return -1;
}

static int64_t cells_within(const cells_coded *of, const int32_t *whole, int64_t from, int64_t rows, int32_t *held,
                            int64_t wholes) {
    if (of->valid == NULL && of->width == 1) return cells_within_of(of, 1, NULL, whole, from, rows, held, wholes);
    if (of->valid == NULL && of->width == 4) return cells_within_of(of, 4, NULL, whole, from, rows, held, wholes);
    return cells_within_of(of, of->width, of->valid, whole, from, rows, held, wholes);
}

/* Adds what a thread has counted in a cell to the counts of all, and begins again. */
static void cells_hand_over(const cells_tally *to, size_t cell) {
    const size_t lanes = (size_t)to->units * CELLS_LANES;
    uint8_t *const few = to->few + cell * lanes, *const lock = to->locks + cell % CELLS_LOCKS;
    uint32_t *const counts = to->counts + cell * lanes;
    while (__atomic_test_and_set(lock, __ATOMIC_ACQUIRE)) sched_yield();
    for (size_t i = 0; i < lanes; i++) counts[i] += few[i];
    to->everybody[cell] += to->since[cell];
    __atomic_clear(lock, __ATOMIC_RELEASE);
    memset(few, 0, lanes);
    to->since[cell] = 0;
}

static void cells_hand_over_all(const cells_tally *to, int64_t cells) {
    for (int64_t cell = 0; cell < cells; cell++)
        if (to->since[cell]) cells_hand_over(to, (size_t)cell);
}

static inline uint64_t cells_word(const uint8_t *bits, int64_t word, int64_t rows) {
    const int64_t left = rows - word * 64;
    uint64_t out = ~UINT64_C(0);
    if (bits != NULL) {
        const int64_t bytes = (left + 7) / 8;
        out = 0;
        memcpy(&out, bits + word * 8, bytes >= 8 ? 8 : (size_t)bytes);
    }
    return left >= 64 ? out : out & ((UINT64_C(1) << left) - 1);
}

#define POPSTRAT_TEXT "arrays/cells_kernels.h"
#include "each_isa.h"

/* Counts rows [start, stop), `start` a multiple of CELLS_BLOCK; of each thing in `within` `held` has which one each whole is
   in, as for `cells_within`. CELLS_FINE, or why not all are counted. */
static int64_t cells_count(int level, const cells_rows *rows, int64_t start, int64_t stop, int32_t *const *held,
                           const cells_tally *to) {
    return POPSTRAT_FOR(level, cells_count)(rows, start, stop, held, to);
}

#endif
