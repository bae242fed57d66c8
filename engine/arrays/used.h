/* A dictionary's indices numbered anew, so that only the entries that rows have are left, in the order in which they come. */
#ifndef POPSTRAT_USED_H
#define POPSTRAT_USED_H

#include <stdint.h>

#include "arrays/scan.h"

/* `out[row]`: the row's entry among those used, 0 where it is null. `places`: of each entry, -1 before the first row.
 * Gives how many entries are used, and which in `used`; -1 for an index outside. In a list that is sorted, one entry comes
 * many times: rows of a block that are all of the first one's take one look. */
#define USED_BLOCK 256
static int64_t popstrat_used(const uint32_t *indices, const uint8_t *valid, int64_t valid_from, int64_t rows,
                             int32_t *places, int64_t entries, int32_t *used, int32_t *out) {
    int32_t many = 0;
    for (int64_t from = 0; from < rows; from += USED_BLOCK) {
        const int64_t to = from + USED_BLOCK < rows ? from + USED_BLOCK : rows;
        const uint32_t first = indices[from];
        if (valid == NULL && first < (uint64_t)entries && places[first] >= 0) {
            const int32_t place = places[first];
            uint32_t others = 0;
            for (int64_t row = from; row < to; row++) others |= indices[row] ^ first;
            if (!others) {
                for (int64_t row = from; row < to; row++) out[row] = place;
                continue;
            }
        }
        for (int64_t row = from; row < to; row++) {
            out[row] = 0;
            if (!popstrat_bit(valid, valid_from + row)) continue;
            const uint32_t index = indices[row];
            if (index >= (uint64_t)entries) return -1;
            if (places[index] < 0) {
                places[index] = many;
                used[many++] = (int32_t)index;
            }
            out[row] = places[index];
        }
    }
    return many;
}

#endif
