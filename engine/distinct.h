/* Whether 64-bit integers are all different. Needs interpreter.h, for memory that costs nothing to get again. */
#ifndef POPSTRAT_DISTINCT_H
#define POPSTRAT_DISTINCT_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "interpreter.h"

typedef struct {
    const int64_t *start;
    int64_t count;
} popstrat_values;

#define DISTINCT_PARTS 256

static inline uint64_t popstrat_spread(uint64_t x) {
    x ^= x >> 32;
    x *= UINT64_C(0xd6e8feb86659fd93);
    return x ^ x >> 32;
}

/* Values that lie close together: one bit for each that there could be. */
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

/* Any others: parted by a hash, so that the table of one part stays in the cache. */
static int popstrat_distinct_far(const popstrat_values *lists, int64_t many, int64_t total) {
    int64_t start[DISTINCT_PARTS + 1] = {0}, at[DISTINCT_PARTS], largest = 0;
    const int64_t room = popstrat_round_up(total * 8 + POPSTRAT_LARGE, 4096);
    int64_t *parted = (int64_t *)popstrat_take(room);
    if (parted == NULL) return -1;
    for (int64_t i = 0; i < many; i++)
        for (int64_t j = 0; j < lists[i].count; j++) start[(popstrat_spread((uint64_t)lists[i].start[j]) >> 56) + 1]++;
    for (int p = 0; p < DISTINCT_PARTS; p++) {
        largest = start[p + 1] > largest ? start[p + 1] : largest;
        start[p + 1] += start[p];
        at[p] = start[p];
    }
    for (int64_t i = 0; i < many; i++)
        for (int64_t j = 0; j < lists[i].count; j++) {
            const int64_t x = lists[i].start[j];
            parted[at[popstrat_spread((uint64_t)x) >> 56]++] = x;
        }
    int bits = 4;
    while ((int64_t)1 << bits < 2 * largest) bits++;
    int64_t *table = malloc((size_t)8 << bits);
    uint64_t *taken = malloc(((size_t)1 << bits) / 8 + 8);
    int different = table != NULL && taken != NULL ? 1 : -1;
    for (int p = 0; p < DISTINCT_PARTS && different == 1; p++) {
        memset(taken, 0, ((size_t)1 << bits) / 8 + 8);
        for (int64_t j = start[p]; j < start[p + 1] && different == 1; j++) {
            const int64_t x = parted[j];
            uint64_t slot = popstrat_spread((uint64_t)x) >> 16 & (((uint64_t)1 << bits) - 1);
            while (taken[slot >> 6] >> (slot & 63) & 1) {
                if (table[slot] == x) {
                    different = 0;
                    break;
                }
                slot = (slot + 1) & (((uint64_t)1 << bits) - 1);
            }
            taken[slot >> 6] |= UINT64_C(1) << (slot & 63);
            table[slot] = x;
        }
    }
    popstrat_give_back((uint8_t *)parted, room);
    free(table);
    free(taken);
    return different;
}

/* 1 or 0; -1 for lack of memory. */
static int popstrat_distinct(const popstrat_values *lists, int64_t many) {
    int64_t total = 0, least = INT64_MAX, most = INT64_MIN;
    for (int64_t i = 0; i < many; i++) {
        total += lists[i].count;
        for (int64_t j = 0; j < lists[i].count; j++) {
            const int64_t x = lists[i].start[j];
            least = x < least ? x : least;
            most = x > most ? x : most;
        }
    }
    if (total < 2) return 1;
    const uint64_t span = (uint64_t)most - (uint64_t)least;
    return span / 64 <= (uint64_t)total ? popstrat_distinct_near(lists, many, least, span)
                                        : popstrat_distinct_far(lists, many, total);
}

#endif
