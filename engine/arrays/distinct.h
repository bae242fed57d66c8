/* Whether 64-bit integers are all different. */
#ifndef POPSTRAT_DISTINCT_H
#define POPSTRAT_DISTINCT_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const int64_t *start;
    int64_t count;
} popstrat_values;

#define DISTINCT_PARTS 256 /* by the highest byte of the hash */

static inline uint64_t popstrat_mix(uint64_t x) {
    x ^= x >> 32;
    x *= UINT64_C(0xd6e8feb86659fd93);
    return x ^ x >> 32;
}

/* 1 or 0; -1 for lack of memory. Values that lie close together: one bit for each that there could be. */
static int popstrat_distinct_near(const popstrat_values *lists, int64_t many, int64_t least, uint64_t span) {
    uint64_t *seen = calloc((size_t)(span / 64 + 1), 8);
    if (seen == NULL) return -1;
    uint64_t again = 0;
    for (int64_t i = 0; i < many && !again; i++)
        for (int64_t j = 0; j < lists[i].count; j++) {
            const uint64_t at = (uint64_t)lists[i].start[j] - (uint64_t)least;
            uint64_t *word = seen + (at >> 6);
            again |= *word >> (at & 63) & 1;
            *word |= UINT64_C(1) << (at & 63);
        }
    free(seen);
    return !again;
}

/* Whether hashes are all different, by a table of at least twice as many places; 0 means that a place is free. */
static int popstrat_distinct_hashes(const uint64_t *hashes, int64_t n, uint64_t *table) {
    int64_t zeros = 0;
    int bits = 1;
    while ((int64_t)1 << bits < 2 * n) bits++;
    const uint64_t mask = ((uint64_t)1 << bits) - 1;
    memset(table, 0, (size_t)8 << bits);
    for (int64_t j = 0; j < n; j++) {
        const uint64_t x = hashes[j];
        uint64_t slot = x >> 16 & mask;
        zeros += x == 0;
        while (table[slot] != 0 && table[slot] != x) slot = (slot + 1) & mask;
        if (x != 0 && table[slot] == x) return 0;
        table[slot] = x;
    }
    return zeros < 2;
}

/* Any others: parted by a hash; a part has at least 32 bits for each of its values, few enough to stay in the cache. `parted` has room for all. Only
 * values that share their bit, about one in fifty, are compared. The hash of 64 bits gives different values different
 * hashes, so these stand for the values. */
static int popstrat_distinct_far(const popstrat_values *lists, int64_t many, int64_t total, uint64_t *parted) {
    int64_t start[DISTINCT_PARTS + 1] = {0}, at[DISTINCT_PARTS], largest = 0;
    for (int64_t i = 0; i < many; i++)
        for (int64_t j = 0; j < lists[i].count; j++) start[(popstrat_mix((uint64_t)lists[i].start[j]) >> 56) + 1]++;
    for (int p = 0; p < DISTINCT_PARTS; p++) {
        largest = start[p + 1] > largest ? start[p + 1] : largest;
        start[p + 1] += start[p];
        at[p] = start[p];
    }
    int bits = 6;
    while ((int64_t)1 << bits < 32 * largest) bits++;
    const uint64_t mask = ((uint64_t)1 << bits) - 1;
    uint64_t *seen = malloc(((size_t)1 << bits) / 8);
    uint64_t *shared = malloc((size_t)largest * 8), *table = malloc((size_t)largest * 32 + 16);
    int different = seen != NULL && shared != NULL && table != NULL ? 1 : -1;
    for (int64_t i = 0; i < many && different == 1; i++)
        for (int64_t j = 0; j < lists[i].count; j++) {
            const uint64_t x = popstrat_mix((uint64_t)lists[i].start[j]);
            parted[at[x >> 56]++] = x;
        }
    for (int p = 0; p < DISTINCT_PARTS && different == 1; p++) {
        int64_t n = 0;
        memset(seen, 0, ((size_t)1 << bits) / 8);
        for (int64_t j = start[p]; j < start[p + 1]; j++) {
            const uint64_t bit = parted[j] & mask, word = seen[bit >> 6];
            if (word >> (bit & 63) & 1) shared[n++] = bit;
            seen[bit >> 6] = word | UINT64_C(1) << (bit & 63);
        }
        if (n == 0) continue;
        memset(seen, 0, ((size_t)1 << bits) / 8);
        for (int64_t k = 0; k < n; k++) seen[shared[k] >> 6] |= UINT64_C(1) << (shared[k] & 63);
        n = 0;
        for (int64_t j = start[p]; j < start[p + 1]; j++) {
            const uint64_t bit = parted[j] & mask;
            if (seen[bit >> 6] >> (bit & 63) & 1) shared[n++] = parted[j];
        }
        different = popstrat_distinct_hashes(shared, n, table);
    }
    free(seen);
    free(shared);
    free(table);
    return different;
}

/* How far they lie apart, and how many there are. */
static uint64_t popstrat_distinct_span(const popstrat_values *lists, int64_t many, int64_t *least, int64_t *total) {
    int64_t most = INT64_MIN;
    *least = INT64_MAX, *total = 0;
    for (int64_t i = 0; i < many; i++) {
        *total += lists[i].count;
        for (int64_t j = 0; j < lists[i].count; j++) {
            const int64_t x = lists[i].start[j];
            *least = x < *least ? x : *least;
            most = x > most ? x : most;
        }
    }
    return *total ? (uint64_t)most - (uint64_t)*least : 0;
}

/* Whether a bit for each that there could be is cheap. */
static int popstrat_distinct_is_near(uint64_t span, int64_t total) { return span / 64 <= (uint64_t)total; }

#endif
