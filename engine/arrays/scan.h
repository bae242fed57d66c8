/* Loops over whole columns, for the best instruction set of this processor. To be included by one module alone. */
#ifndef POPSTRAT_SCAN_H
#define POPSTRAT_SCAN_H

#include "isa.h"

#define SCANNED 4096 /* rows at a time */

#define POPSTRAT_TEXT "arrays/scan_kernels.h"
#include "each_isa.h"

/* Whether each value is above the one before it. */
static int popstrat_increasing(const int64_t *x, int64_t n) {
    return POPSTRAT_FOR(popstrat_best_level(), increasing_i64)(x, n);
}

/* The largest of n indices of `width` bytes, as unsigned numbers. */
static uint64_t popstrat_largest(const void *x, int64_t n, int width) {
    const int level = popstrat_best_level();
    switch (width) {
    case 1: return POPSTRAT_FOR(level, largest_u8)(x, n);
    case 2: return POPSTRAT_FOR(level, largest_u16)(x, n);
    case 4: return POPSTRAT_FOR(level, largest_u32)(x, n);
    default: return POPSTRAT_FOR(level, largest_u64)(x, n);
    }
}

/* Whether n offsets of `width` bytes never fall. */
static int popstrat_rising(const void *x, int64_t n, int width) {
    const int level = popstrat_best_level();
    return width == 4 ? POPSTRAT_FOR(level, rising_i32)(x, n) : POPSTRAT_FOR(level, rising_i64)(x, n);
}

/* A bit of a bitmap; without one all are set. */
static inline int popstrat_bit(const uint8_t *bitmap, int64_t bit) {
    return bitmap == NULL || (bitmap[bit >> 3] >> (bit & 7) & 1);
}

#endif
