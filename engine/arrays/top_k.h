/* The few largest of many columns, row by row: which column, and how much.

   A column is either a bitmap with one amount wherever a bit is set, or a double a row (with a bitmap of where it
   counts). Bitmaps come first, the largest amount first, so that a row that has enough is passed over by words. */
#ifndef POPSTRAT_TOP_K_H
#define POPSTRAT_TOP_K_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define TOP_MOST 64 /* of a row */

typedef struct {
    int16_t code;
    int is_bits;
    double amount;         /* of a bitmap */
    const uint8_t *values; /* bits or doubles */
    const uint8_t *valid;  /* of doubles; NULL where all count */
} top_column;

static inline uint64_t top_word(const uint8_t *bits, int64_t word, int64_t bytes) {
    uint64_t out = 0;
    const int64_t at = word * 8, left = bytes - at;
    memcpy(&out, bits + at, left >= 8 ? 8 : (size_t)left);
    return out;
}

/* Rows [start, stop), start a multiple of 64. `offsets` has stop - start + 1 places, of which the first is written as
   0; `codes` and `amounts` have room for k a row. `present` has a bit for each row that has a list at all (or is NULL).
   By size, largest first, whatever the sign; of equal ones the lower code first; zeroes are left out. */
static int64_t top_rows(const top_column *columns, int64_t count, const uint8_t *present, int64_t rows,
                            int64_t start, int64_t stop, int k, int32_t *offsets, int16_t *codes, double *amounts) {
    const int64_t bytes = (rows + 7) / 8;
    int64_t used = 0;
    double held[64][TOP_MOST];
    int16_t which[64][TOP_MOST];
    int n[64];
    offsets[0] = 0;
    for (int64_t row = start; row < stop; row += 64) {
        const int64_t word = row / 64;
        const int here = stop - row < 64 ? (int)(stop - row) : 64;
        uint64_t open = here == 64 ? ~0ull : (1ull << here) - 1;
        if (present != NULL) open &= top_word(present, word, bytes);
        const uint64_t listed = open;
        memset(n, 0, sizeof n);
        for (int64_t c = 0; c < count; c++) {
            const top_column *column = columns + c;
            if (column->is_bits) {
                for (uint64_t set = top_word(column->values, word, bytes) & open; set; set &= set - 1) {
                    const int i = __builtin_ctzll(set);
                    held[i][n[i]] = column->amount;
                    which[i][n[i]] = column->code;
                    if (++n[i] == k) open &= ~(1ull << i);
                }
                continue;
            }
            uint64_t set = listed;
            if (column->valid != NULL) set &= top_word(column->valid, word, bytes);
            for (; set; set &= set - 1) {
                const int i = __builtin_ctzll(set);
                double amount;
                memcpy(&amount, column->values + (row + i) * 8, 8);
                const double size = fabs(amount);
                if (size == 0) continue;
                int at = n[i];
                while (at > 0 && (fabs(held[i][at - 1]) < size ||
                                  (fabs(held[i][at - 1]) == size && which[i][at - 1] > column->code)))
                    at--;
                if (at == k) continue;
                const int last = n[i] < k ? n[i]++ : k - 1;
                for (int j = last; j > at; j--) {
                    held[i][j] = held[i][j - 1];
                    which[i][j] = which[i][j - 1];
                }
                held[i][at] = amount;
                which[i][at] = column->code;
            }
        }
        for (int i = 0; i < here; i++) {
            memcpy(amounts + used, held[i], (size_t)n[i] * 8);
            memcpy(codes + used, which[i], (size_t)n[i] * 2);
            used += n[i];
            offsets[row - start + i + 1] = (int32_t)used;
        }
    }
    return used;
}

#endif
