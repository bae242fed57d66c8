/* A dictionary's indices numbered anew, so that only the entries that rows have are left, in the order in which they come. */
#ifndef POPSTRAT_USED_H
#define POPSTRAT_USED_H

#include <stdint.h>

#include "arrays/scan.h"

/* `out[row]`: the row's entry among those used, 0 where it is null. `places`: of each entry, -1 before the first row.
 * Gives how many entries are used, and which in `used`; -1 for an index outside. */
static int64_t popstrat_used(const uint32_t *indices, const uint8_t *valid, int64_t valid_from, int64_t rows,
                             int32_t *places, int64_t entries, int32_t *used, int32_t *out) {
    int32_t many = 0;
    for (int64_t row = 0; row < rows; row++) {
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
    return many;
}

#endif
