/* Rows counted by cell: how many rows of a bitmap, and what sums, fall into each cell of several tables.

   A row lies in one cell of each table. Only set bits are looked at, or, where most are, only the others. */
#ifndef POPSTRAT_CELLS_H
#define POPSTRAT_CELLS_H

#include <stdint.h>
#include <string.h>

#define CELLS_BLOCK 65536 /* rows: their cells stay in the second-level cache while one bitmap after the other is counted */
#define CELLS_TABLES 8

typedef struct {
    const uint8_t *codes;
    const uint8_t *valid; /* NULL where none is null */
    int64_t offset;       /* of both */
    uint32_t size;        /* codes from here on, and nulls, are the last one, size - 1 */
    uint32_t stride;
    int table;
} cells_group;

static inline int cells_bit(const uint8_t *bits, int64_t at) { return bits[at >> 3] >> (at & 7) & 1; }

static inline int64_t cells_index(const uint8_t *indices, int width, int64_t at) {
    switch (width) {
    case 1: return ((const int8_t *)indices)[at];
    case 2: return ((const int16_t *)indices)[at];
    case 4: return ((const int32_t *)indices)[at];
    default: return ((const int64_t *)indices)[at];
    }
}

/* `out[row] = table[index]` for the rows of a dictionary's indices, -1 for null. The first row whose index lies outside
   the table, or -1. */
static int64_t cells_numbered(const uint8_t *indices, int width, const uint8_t *valid, int64_t offset, int64_t rows,
                              const int32_t *table, int64_t entries, int32_t *out) {
    for (int64_t row = 0; row < rows; row++) {
        if (valid != NULL && !cells_bit(valid, offset + row)) {
            out[row] = -1;
            continue;
        }
        const int64_t index = cells_index(indices, width, offset + row);
        if (index < 0 || index >= entries) return row;
        out[row] = table[index];
    }
    return -1;
}

/* Which one thing each whole is in, by the rows of a dictionary's indices: `held[whole]` is set by the first row that says,
   and -1 before; rows of null, and entries of -1, say nothing. -1 if no row says another; else that row, or -2 - row for
   one whose index lies outside the table, or whose whole is not among `wholes`. Neighbours mostly say the same, and are passed over. */
static inline __attribute__((always_inline)) int64_t cells_within_of(
    const int32_t *whole, const uint8_t *indices, int width, const uint8_t *valid, int64_t offset, int64_t rows,
    const int32_t *table, int64_t entries, int32_t *held, int64_t wholes) {
    int64_t last = -1;
    int32_t of = -1;
    for (int64_t row = 0; row < rows; row++) {
        if (valid != NULL && !cells_bit(valid, offset + row)) continue;
        const int64_t index = cells_index(indices, width, offset + row);
        if (index == last && whole[row] == of) continue;
        if (index < 0 || index >= entries || whole[row] >= wholes) return -2 - row;
        last = index;
        of = whole[row];
        if (of < 0 || table[index] < 0) continue;
        if (held[of] < 0) held[of] = table[index];
        else if (held[of] != table[index]) return row;
    }
    return -1;
}

static int64_t cells_within(const int32_t *whole, const uint8_t *indices, int width, const uint8_t *valid, int64_t offset,
                            int64_t rows, const int32_t *table, int64_t entries, int32_t *held, int64_t wholes) {
    if (valid == NULL && width == 1)
        return cells_within_of(whole, indices, 1, NULL, offset, rows, table, entries, held, wholes);
    if (valid == NULL && width == 4)
        return cells_within_of(whole, indices, 4, NULL, offset, rows, table, entries, held, wholes);
    return cells_within_of(whole, indices, width, valid, offset, rows, table, entries, held, wholes);
}

/* The cells of rows [start, stop), those of each table `rows` after those of the one before it: `whole` × `width`, and in
   each table the groups' codes times their strides from its `first` cell on. The first row without a whole below `most`,
   or -1. Passes of one kind, so that each is done in wide registers. */
static int64_t cells_of(const int32_t *whole, int64_t most, int64_t width, const cells_group *groups, int count,
                        const uint32_t *first, int tables, int64_t rows, int64_t start, int64_t stop, uint32_t *cells) {
    uint32_t bad = 0;
    for (int64_t row = start; row < stop; row++) bad |= (uint32_t)whole[row] >= (uint32_t)most;
    if (bad)
        for (int64_t row = start; row < stop; row++)
            if ((uint32_t)whole[row] >= (uint32_t)most) return row;
    for (int t = 0; t < tables; t++) {
        uint32_t *out = cells + t * rows;
        const uint32_t from = first[t], times = (uint32_t)width;
        for (int64_t row = start; row < stop; row++) out[row] = (uint32_t)whole[row] * times + from;
    }
    for (int g = 0; g < count; g++) {
        const cells_group *group = groups + g;
        const uint32_t last = group->size - 1, stride = group->stride;
        const uint8_t *codes = group->codes + group->offset;
        uint32_t *out = cells + group->table * rows;
        if (group->valid == NULL)
            for (int64_t row = start; row < stop; row++) out[row] += (codes[row] > last ? last : codes[row]) * stride;
        else
            for (int64_t row = start; row < stop; row++) {
                const uint32_t code = codes[row];
                out[row] += (code > last || !cells_bit(group->valid, group->offset + row) ? last : code) * stride;
            }
    }
    return -1;
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

static inline __attribute__((always_inline)) void cells_block(const uint8_t *bits, uint64_t flip, int64_t rows,
                                                              int64_t from, int64_t to, const uint32_t *cells, int tables,
                                                              uint32_t *counts) {
    const uint32_t step = flip ? UINT32_MAX : 1; /* less one, in a ring */
    for (int64_t word = from / 64; word * 64 < to; word++) {
        const int64_t left = rows - word * 64;
        uint64_t set = cells_word(bits, word, rows) ^ flip;
        if (left < 64) set &= (UINT64_C(1) << left) - 1;
        for (; set; set &= set - 1) {
            const uint32_t *at = cells + word * 64 + __builtin_ctzll(set);
            for (int t = 0; t < tables; t++) counts[at[t * rows]] += step;
        }
    }
}

/* How many set bits of each bitmap (all rows where it is NULL) fall into each cell, added to its counts. `everybody` has
   how many rows there are in each of the `width` cells, if it is known: of a bitmap that is mostly set, those that are not
   are taken away from them. `dense` has room for a byte a bitmap. */
static void cells_count(const uint8_t *const *bits, int64_t many, int64_t rows, const uint32_t *cells, int tables,
                        const uint32_t *everybody, int64_t width, uint8_t *dense, uint32_t *const *counts) {
    for (int64_t i = 0; i < many; i++) {
        int64_t set = 0;
        for (int64_t word = 0; everybody != NULL && word * 64 < rows; word++)
            set += __builtin_popcountll(cells_word(bits[i], word, rows));
        dense[i] = set * 2 > rows;
        if (dense[i])
            for (int64_t c = 0; c < width; c++) counts[i][c] += everybody[c];
    }
    for (int64_t from = 0; from < rows; from += CELLS_BLOCK) {
        const int64_t to = rows - from < CELLS_BLOCK ? rows : from + CELLS_BLOCK;
        for (int64_t i = 0; i < many; i++) {
            const uint64_t flip = dense[i] ? ~UINT64_C(0) : 0;
            switch (tables) { /* so that the loop over tables is none */
            case 1: cells_block(bits[i], flip, rows, from, to, cells, 1, counts[i]); break;
            case 2: cells_block(bits[i], flip, rows, from, to, cells, 2, counts[i]); break;
            case 3: cells_block(bits[i], flip, rows, from, to, cells, 3, counts[i]); break;
            default: cells_block(bits[i], flip, rows, from, to, cells, tables, counts[i]);
            }
        }
    }
}

/* The sum of whole numbers, and of their squares, of the rows that have one. */
static inline __attribute__((always_inline)) void cells_sum_of(const uint8_t *values, int is_short, const uint8_t *valid,
                                                               int64_t rows, const uint32_t *cells, int tables,
                                                               int64_t *sums, int64_t *squares) {
    for (int64_t word = 0; word * 64 < rows; word++) {
        uint64_t some = cells_word(valid, word, rows);
        if (is_short && some && word * 64 + 64 <= rows) { /* most people have none: those are passed over by words */
            uint64_t nothing = 0;
            const int16_t *from = (const int16_t *)values + word * 64;
            for (int i = 0; i < 64; i++) nothing |= (uint64_t)(from[i] == 0) << i;
            some &= ~nothing;
        }
        for (uint64_t set = some; set; set &= set - 1) {
            const int64_t row = word * 64 + __builtin_ctzll(set);
            const int64_t value = is_short ? ((const int16_t *)values)[row] : (int64_t)((const double *)values)[row];
            if (value == 0) continue;
            for (int t = 0; t < tables; t++) {
                sums[cells[t * rows + row]] += value;
                squares[cells[t * rows + row]] += value * value;
            }
        }
    }
}

static void cells_sum(const uint8_t *values, int is_short, const uint8_t *valid, int64_t rows, const uint32_t *cells,
                      int tables, int64_t *sums, int64_t *squares) {
    if (is_short) cells_sum_of(values, 1, valid, rows, cells, tables, sums, squares);
    else cells_sum_of(values, 0, valid, rows, cells, tables, sums, squares);
}

#endif
