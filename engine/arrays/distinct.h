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

/* Whether values are different that lie, all of them, in a window of 40 bits around `middle`: 1 or 0; -1 for lack of memory;
 * -2 where they do not, or their hashes are not spread evenly. `parted` has room for so many in each part.
 *
 * A hash of 40 bits in 40 bits gives different values different hashes. Its first byte is the part that a value goes to, so
 * that the rest of four bytes stands for it: half of what is to be written and read again. Parts have room for a few more
 * than their share, which saves to count them first. */
#define DISTINCT_WINDOW 40 /* bits: those of four bytes, and of the number of a part */
#define DISTINCT_AT_ONCE 1024
#define DISTINCT_FEW 65536 /* fewer values are quickly looked at as any others */

static int64_t popstrat_distinct_room(int64_t total) {
    const int64_t share = total / DISTINCT_PARTS;
    return share + share / 16 + 512 + DISTINCT_AT_ONCE;
}

static int popstrat_distinct_words(const uint32_t *words, int64_t n, uint64_t *seen, int bits, uint32_t *shared, uint32_t *table) {
    const int beyond = 32 - bits;
    int64_t many = 0;
    memset(seen, 0, ((size_t)1 << bits) / 8);
    for (int64_t j = 0; j < n; j++) {
        const uint32_t bit = words[j] >> beyond;
        const uint64_t word = seen[bit >> 6];
        shared[many] = bit;
        many += word >> (bit & 63) & 1;
        seen[bit >> 6] = word | UINT64_C(1) << (bit & 63);
    }
    if (many == 0) return 1;
    memset(seen, 0, ((size_t)1 << bits) / 8);
    for (int64_t k = 0; k < many; k++) seen[shared[k] >> 6] |= UINT64_C(1) << (shared[k] & 63);
    many = 0;
    for (int64_t j = 0; j < n; j++) { /* what is written beyond the last is written over, or not read */
        const uint32_t bit = words[j] >> beyond;
        shared[many] = words[j];
        many += seen[bit >> 6] >> (bit & 63) & 1;
    }
    int64_t zeros = 0;
    int slots = 1;
    while ((int64_t)1 << slots < 2 * many) slots++;
    const uint32_t mask = ((uint32_t)1 << slots) - 1;
    memset(table, 0, (size_t)4 << slots);
    for (int64_t k = 0; k < many; k++) {
        const uint32_t x = shared[k];
        uint32_t slot = x * UINT32_C(0x9e3779b9) >> (32 - slots);
        zeros += x == 0;
        while (table[slot] != 0 && table[slot] != x) slot = (slot + 1) & mask;
        if (x != 0 && table[slot] == x) return 0;
        table[slot] = x;
    }
    return zeros < 2;
}

static int popstrat_distinct_window(const popstrat_values *lists, int64_t many, int64_t total, int64_t middle, uint32_t *parted) {
    const int64_t room = popstrat_distinct_room(total);
    const uint64_t all = (UINT64_C(1) << DISTINCT_WINDOW) - 1, least = (uint64_t)middle - (all >> 1);
    int64_t at[DISTINCT_PARTS], largest = 0;
    for (int p = 0; p < DISTINCT_PARTS; p++) at[p] = p * room;
    for (int64_t i = 0; i < many; i++)
        for (int64_t from = 0; from < lists[i].count; from += DISTINCT_AT_ONCE) {
            const int64_t to = from + DISTINCT_AT_ONCE < lists[i].count ? from + DISTINCT_AT_ONCE : lists[i].count;
            uint64_t outside = 0;
            for (int64_t j = from; j < to; j++) {
                uint64_t x = (uint64_t)lists[i].start[j] - least;
                outside |= x >> DISTINCT_WINDOW;
                x = (x & all) ^ (x & all) >> (DISTINCT_WINDOW / 2);
                x = x * UINT64_C(0x9e3779b97f4a7c15) & all;
                parted[at[x >> 32]++] = (uint32_t)x;
            }
            for (int p = 0; p < DISTINCT_PARTS; p++) outside |= at[p] > (p + 1) * room - DISTINCT_AT_ONCE;
            if (outside) return -2;
        }
    for (int p = 0; p < DISTINCT_PARTS; p++) largest = at[p] - p * room > largest ? at[p] - p * room : largest;
    int bits = 6;
    while ((int64_t)1 << bits < 16 * largest && bits < 32) bits++;
    uint64_t *seen = malloc(((size_t)1 << bits) / 8);
    uint32_t *shared = malloc((size_t)largest * 4 + 4), *table = malloc((size_t)largest * 16 + 16);
    int different = seen != NULL && shared != NULL && table != NULL ? 1 : -1;
    for (int p = 0; p < DISTINCT_PARTS && different == 1; p++)
        different = popstrat_distinct_words(parted + p * room, at[p] - p * room, seen, bits, shared, table);
    free(seen);
    free(shared);
    free(table);
    return different;
}

/* How far at least they lie apart, by a few of them, and around what; and how many there are. */
static uint64_t popstrat_distinct_about(const popstrat_values *lists, int64_t many, int64_t *middle, int64_t *total) {
    int64_t least = INT64_MAX, most = INT64_MIN;
    *total = 0;
    for (int64_t i = 0; i < many; i++) {
        const int64_t step = lists[i].count / 64 + 1;
        *total += lists[i].count;
        for (int64_t j = 0; j < lists[i].count; j += step) {
            const int64_t x = lists[i].start[j];
            least = x < least ? x : least;
            most = x > most ? x : most;
        }
    }
    if (*total == 0) return 0;
    const uint64_t span = (uint64_t)most - (uint64_t)least;
    *middle = (int64_t)((uint64_t)least + span / 2);
    return span;
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
