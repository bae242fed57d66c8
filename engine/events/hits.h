/* Events that some fold wants, packed: the row of the person, the day, the slot of the code, and what else is needed.
 *
 * A slot stands for one code that some fold lists; where a fold takes every code there are two more, for a code that
 * none lists (and is then kept itself) and for no code. Events that count for no fold, because they have no day, lie
 * after the last day or before birth, are only counted, by slot.
 */
#ifndef POPSTRAT_EVENTS_HITS_H
#define POPSTRAT_EVENTS_HITS_H

#include <math.h>

#include "events/rows.h"

#define EVENTS_NO_DAY INT32_MIN

enum { EVENTS_HAS_VALUES = 1, EVENTS_HAS_SECONDS = 2, EVENTS_HAS_GROUPS = 4, EVENTS_HAS_CODES = 8 };
/* of `unit`: the lower 16 bits are the unit (0 for none), and these */
enum { EVENTS_GROUPED = 1 << 16 };
#define EVENTS_UNITS 65536

typedef struct {
    int32_t row;
    int32_t day;
    int32_t slot;
    int32_t unit;
    /* then, 8 bytes each, what the folds need of: value, second value, group, code */
} events_hit;

/* Codes to slots, by an open table; a small bitmap of hashes first, which most codes that nobody lists do not pass. */
typedef struct {
    int64_t *code;
    int32_t *slot;
    uint64_t *filter;
    int64_t codes, slots;
    int32_t bits;
    int32_t filter_bits;
    int32_t missing; /* what a code that is not there has: -1, or the slot of such codes */
    int32_t none;    /* what no code has */
} events_codes;

static void events_codes_free(events_codes *t) {
    free(t->code);
    free(t->slot);
    free(t->filter);
    t->code = NULL, t->slot = NULL, t->filter = NULL;
}

#define EVENTS_HASH(x) ((uint64_t)(x) * UINT64_C(0x9e3779b97f4a7c15))

#define EVENTS_FREE INT32_MIN

/* The slots are the places of the codes, which are all different; a code that feeds nothing (`start`, of each slot among
 * the entries) has none. */
static int events_codes_make(events_codes *t, const int64_t *codes, const int32_t *start, int64_t n) {
    t->codes = n, t->bits = 4;
    while ((int64_t)1 << t->bits < 3 * n) t->bits++;
    t->filter_bits = t->bits + 3;
    const uint64_t mask = ((uint64_t)1 << t->bits) - 1;
    t->code = calloc((size_t)1 << t->bits, 8);
    t->slot = malloc((size_t)4 << t->bits);
    t->filter = calloc((size_t)1 << (t->filter_bits - 6), 8);
    if (t->code == NULL || t->slot == NULL || t->filter == NULL) {
        events_codes_free(t);
        return EVENTS_NO_MEMORY;
    }
    for (int64_t i = 0; i < (int64_t)1 << t->bits; i++) t->slot[i] = EVENTS_FREE;
    for (int64_t i = 0; i < n; i++) {
        const uint64_t hash = EVENTS_HASH(codes[i]);
        uint64_t at = hash >> (64 - t->bits);
        while (t->slot[at] != EVENTS_FREE) at = (at + 1) & mask;
        t->code[at] = codes[i], t->slot[at] = start[i] < start[i + 1] ? (int32_t)i : -1;
        const uint64_t bit = hash >> (64 - t->filter_bits);
        t->filter[bit >> 6] |= UINT64_C(1) << (bit & 63);
    }
    return EVENTS_FINE;
}

static inline int32_t events_slot_of(const events_codes *t, int64_t code) {
    const uint64_t mask = ((uint64_t)1 << t->bits) - 1;
    uint64_t at = EVENTS_HASH(code) >> (64 - t->bits);
    while (t->slot[at] != EVENTS_FREE) {
        if (t->code[at] == code) return t->slot[at];
        at = (at + 1) & mask;
    }
    return t->missing;
}

/* The slots of n codes (at most a block) from the column's value i on; of a dictionary they are known. */
static int events_slots(const events_codes *t, const events_column *c, int64_t i, int64_t n, int32_t *slots) {
    if (c->kind == EVENTS_LOOKUP) {
        const int32_t *index = (const int32_t *)c->data + i;
        uint64_t astray = 0;
        for (int64_t j = 0; c->valid == NULL && j < n; j++)
            astray |= (uint64_t)(int64_t)index[j] >= (uint64_t)c->lookup_size;
        if (astray) return EVENTS_ASTRAY;
        for (int64_t j = 0; j < n; j++) {
            slots[j] = t->none;
            if (!events_is_valid(c->valid, i + j)) continue;
            if ((uint64_t)(int64_t)index[j] >= (uint64_t)c->lookup_size) return EVENTS_ASTRAY;
            slots[j] = c->lookup[index[j]];
        }
        for (int64_t j = 0; j < n; j++) astray |= slots[j] >= t->slots;
        return astray ? EVENTS_ASTRAY : EVENTS_FINE;
    }
    const int64_t *code = (const int64_t *)c->data + i;
    int32_t passed[EVENTS_BLOCK];
    int64_t many = 0;
    for (int64_t j = 0; j < n; j++) {
        const uint64_t bit = EVENTS_HASH(code[j]) >> (64 - t->filter_bits);
        slots[j] = t->missing;
        passed[many] = (int32_t)j;
        many += t->filter[bit >> 6] >> (bit & 63) & 1;
    }
    for (int64_t m = 0; m < many; m++) slots[passed[m]] = events_slot_of(t, code[passed[m]]);
    if (c->valid != NULL)
        for (int64_t j = 0; j < n; j++)
            if (!events_is_valid(c->valid, i + j)) slots[j] = t->none;
    return EVENTS_FINE;
}

/* One batch of a table. A column that it lacks has no data. */
typedef struct {
    events_column key, day, code, value, second, unit, group;
    const int64_t *code_values; /* of a dictionary, where codes are kept */
    int64_t rows;
} events_batch;

enum { EVENTS_UNDATED, EVENTS_AFTER, EVENTS_BEFORE_BIRTH, EVENTS_REASONS };

typedef struct {
    int64_t rows, unknown, unlisted;
    int64_t *aside[EVENTS_REASONS]; /* by slot */
} events_tally;

/* Pack the events [start, stop) of a batch that some fold wants into `hits`, which has room for all. */
static int events_pack(const events_keys *keys, const int32_t *births, const events_codes *codes, const events_batch *b,
                       int64_t start, int64_t stop, int32_t last_day, int fields, events_tally *tally, uint8_t *hits,
                       int64_t *packed) {
    int32_t rows[EVENTS_BLOCK], slots[EVENTS_BLOCK], wanted[EVENTS_BLOCK];
    const int32_t *day = b->day.data;
    uint8_t *out = hits;
    int64_t at = 0, unknown = 0;
    const size_t stride = sizeof(events_hit) + 8 * (size_t)__builtin_popcount((unsigned)fields);
    *packed = 0;
    for (int64_t first = start; first < stop; first += EVENTS_BLOCK) {
        const int64_t n = stop - first < EVENTS_BLOCK ? stop - first : EVENTS_BLOCK;
        int failed = events_rows(keys, &b->key, b->key.offset + first, n, &at, rows);
        if (failed) return failed;
        failed = events_slots(codes, &b->code, b->code.offset + first, n, slots);
        if (failed) return failed;
        int64_t many = 0, strangers = 0;
        for (int64_t j = 0; j < n; j++) {
            wanted[many] = (int32_t)j;
            many += (rows[j] | slots[j]) >= 0;
            strangers += rows[j] < 0;
        }
        unknown += strangers;
        tally->rows += n;
        tally->unlisted -= many;
        for (int64_t m = 0; m < many; m++) {
            const int64_t j = wanted[m], i = first + j;
            const int32_t when = day[b->day.offset + i];
            events_hit *hit = (events_hit *)out;
            int reason = -1;
            if (!events_is_valid(b->day.valid, b->day.offset + i) || when == EVENTS_NO_DAY)
                reason = EVENTS_UNDATED;
            else if (when > last_day)
                reason = EVENTS_AFTER;
            else if (when < births[rows[j]])
                reason = EVENTS_BEFORE_BIRTH; /* an unknown birth lies before every day */
            if (reason >= 0) {
                tally->aside[reason][slots[j]]++;
                continue;
            }
            hit->row = rows[j], hit->day = when, hit->slot = slots[j], hit->unit = 0;
            if (b->unit.data != NULL) {
                const int64_t u = b->unit.offset + i;
                if (events_is_valid(b->unit.valid, u)) {
                    const int32_t index = ((const int32_t *)b->unit.data)[u];
                    if ((uint64_t)(int64_t)index >= (uint64_t)b->unit.lookup_size) return EVENTS_ASTRAY;
                    hit->unit = b->unit.lookup[index];
                    if ((uint32_t)hit->unit >= EVENTS_UNITS) return EVENTS_ASTRAY;
                }
            }
            uint8_t *more = out + sizeof *hit;
            if (fields & EVENTS_HAS_VALUES) {
                double value = NAN;
                if (b->value.data != NULL && events_is_valid(b->value.valid, b->value.offset + i))
                    value = ((const double *)b->value.data)[b->value.offset + i];
                value = value == value ? value + 0.0 : NAN; /* one NaN, and one zero */
                memcpy(more, &value, 8), more += 8;
            }
            if (fields & EVENTS_HAS_SECONDS) {
                double value = NAN;
                if (b->second.data != NULL && events_is_valid(b->second.valid, b->second.offset + i))
                    value = ((const double *)b->second.data)[b->second.offset + i];
                value = value == value ? value + 0.0 : NAN;
                memcpy(more, &value, 8), more += 8;
            }
            if (fields & EVENTS_HAS_GROUPS) {
                int64_t group = 0;
                if (b->group.data != NULL && events_is_valid(b->group.valid, b->group.offset + i)) {
                    group = ((const int64_t *)b->group.data)[b->group.offset + i];
                    hit->unit |= EVENTS_GROUPED;
                }
                memcpy(more, &group, 8), more += 8;
            }
            if (fields & EVENTS_HAS_CODES) {
                int64_t code = 0;
                if (slots[j] == codes->missing)
                    code = b->code.kind == EVENTS_LOOKUP
                               ? b->code_values[((const int32_t *)b->code.data)[b->code.offset + i]]
                               : ((const int64_t *)b->code.data)[b->code.offset + i];
                memcpy(more, &code, 8);
            }
            out += stride;
        }
        tally->unlisted += n - strangers;
    }
    tally->unknown += unknown;
    *packed = (out - hits) / (int64_t)stride;
    return EVENTS_FINE;
}

#endif
