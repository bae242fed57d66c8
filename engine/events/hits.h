/* Events that some fold wants, packed: the row of the person, the day, the slot of the code, and what else is needed.
 *
 * A slot stands for one code that some fold lists; where a fold takes every code there are two more, for a code that
 * none lists (and is then kept itself) and for no code. Events that count for no fold, because they have no day, lie
 * after the last day or before birth, are only counted, by slot.
 */
#ifndef POPSTRAT_EVENTS_HITS_H
#define POPSTRAT_EVENTS_HITS_H

#include <math.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

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

/* Codes to slots, by an open table of 32-bit places; a small bitmap of hashes first, which most codes that nobody lists do
 * not pass. Together they stay in the cache that is next to the nearest. */
typedef struct {
    const int64_t *code; /* by place */
    const int32_t *start; /* of each slot, among the entries: a code that feeds nothing has no slot */
    int32_t *place;      /* + 1, by hash; 0 for a free one */
    uint64_t *filter;
    int64_t slots;
    int32_t idle; /* some code feeds nothing */
    int32_t bits;
    int32_t filter_bits;
    int32_t missing; /* what a code that is not there has: -1, or the slot of such codes */
    int32_t none;    /* what no code has */
} events_codes;

static void events_codes_free(events_codes *t) {
    free(t->place);
    free(t->filter);
    t->place = NULL, t->filter = NULL;
}

#define EVENTS_HASH(x) ((uint64_t)(x) * UINT64_C(0x9e3779b97f4a7c15))

/* Of n codes, all different; the slots are their places. */
static int events_codes_make(events_codes *t, const int64_t *codes, const int32_t *start, int64_t n) {
    t->code = codes, t->start = start, t->bits = 4, t->idle = 0;
    while ((int64_t)1 << t->bits < 3 * n) t->bits++;
    t->filter_bits = t->bits + 2;
    const uint64_t mask = ((uint64_t)1 << t->bits) - 1;
    t->place = calloc((size_t)1 << t->bits, 4);
    t->filter = calloc((size_t)1 << (t->filter_bits - 6), 8);
    if (t->place == NULL || t->filter == NULL) {
        events_codes_free(t);
        return EVENTS_NO_MEMORY;
    }
    for (int64_t i = 0; i < n; i++) {
        const uint64_t hash = EVENTS_HASH(codes[i]);
        uint64_t at = hash >> (64 - t->bits);
        while (t->place[at] != 0) at = (at + 1) & mask;
        t->place[at] = (int32_t)i + 1;
        t->idle |= start[i] == start[i + 1];
        const uint64_t bit = hash >> (64 - t->filter_bits);
        t->filter[bit >> 6] |= UINT64_C(1) << (bit & 63);
    }
    return EVENTS_FINE;
}

static inline int32_t events_slot_from(const events_codes *t, int64_t code, uint64_t at) {
    const uint64_t mask = ((uint64_t)1 << t->bits) - 1;
    int32_t place;
    for (; (place = t->place[at] - 1) >= 0; at = (at + 1) & mask)
        if (t->code[place] == code) return t->start[place] < t->start[place + 1] ? place : -1;
    return t->missing;
}

static inline int32_t events_slot_of(const events_codes *t, int64_t code) {
    return events_slot_from(t, code, EVENTS_HASH(code) >> (64 - t->bits));
}

/* Of n codes from the column's value i on, those that are null have this slot. */
static void events_no_codes(const uint8_t *valid, int64_t i, int64_t n, int32_t none, int32_t *slots) {
    for (int64_t j = 0; valid != NULL && j < n; j++) {
        if (((i + j) & 7) == 0 && j + 8 <= n && valid[(i + j) >> 3] == 255)
            j += 7;
        else if (!events_is_valid(valid, i + j))
            slots[j] = none;
    }
}

/* The slots of n codes (at most a block) from the column's value i on; of a dictionary they are known. */
static int events_slots(const events_codes *t, const events_column *c, int64_t i, int64_t n, int32_t *slots) {
    if (c->kind == EVENTS_LOOKUP) {
        const int32_t *index = (const int32_t *)c->data + i, *lookup = c->lookup;
        const uint32_t size = c->lookup_size < UINT32_MAX ? (uint32_t)c->lookup_size : UINT32_MAX;
        int astray = 0;
        for (int64_t j = 0; j < n; j++) astray |= (uint32_t)index[j] >= size;
        for (int64_t j = 0; !astray && j < n; j++) slots[j] = lookup[index[j]];
        for (int64_t j = 0; astray && j < n; j++) { /* what lies under a null may be anything */
            const int within = (uint32_t)index[j] < size;
            if (!within && events_is_valid(c->valid, i + j)) return EVENTS_ASTRAY;
            slots[j] = within ? lookup[index[j]] : t->none;
        }
        astray = 0;
        for (int64_t j = 0; j < n; j++) astray |= slots[j] >= t->slots;
        events_no_codes(c->valid, i, n, t->none, slots);
        return astray ? EVENTS_ASTRAY : EVENTS_FINE;
    }
    const int64_t *code = (const int64_t *)c->data + i;
    int32_t passed[EVENTS_BLOCK], place[EVENTS_BLOCK];
    int64_t many = 0;
    const int shift = 64 - t->filter_bits;
    const uint64_t *filter = t->filter;
    for (int64_t j = 0; j < n; j++) {
        const uint64_t bit = EVENTS_HASH(code[j]) >> shift;
        slots[j] = t->missing;
        passed[many] = (int32_t)j;
        many += filter[bit >> 6] >> (bit & 63) & 1;
    }
    for (int64_t m = 0; m < many; m++) place[m] = t->place[EVENTS_HASH(code[passed[m]]) >> (64 - t->bits)] - 1;
    for (int64_t m = 0; m < many; m++) {
        const int64_t x = code[passed[m]];
        if (place[m] >= 0 && t->code[place[m]] == x)
            slots[passed[m]] = t->idle && t->start[place[m]] == t->start[place[m] + 1] ? -1 : place[m];
        else
            slots[passed[m]] = events_slot_of(t, x);
    }
    events_no_codes(c->valid, i, n, t->none, slots);
    return EVENTS_FINE;
}

/* The places, among n, where neither row nor slot is below 0, in order; gives how many. */
static int64_t events_both(const int32_t *rows, const int32_t *slots, int64_t n, int32_t *places) {
    int64_t many = 0, j = 0;
#ifdef __SSE2__
    for (; j + 64 <= n; j += 64) {
        uint64_t below = 0;
        for (int k = 0; k < 64; k += 4) {
            const __m128i row = _mm_loadu_si128((const __m128i *)(rows + j + k));
            const __m128i slot = _mm_loadu_si128((const __m128i *)(slots + j + k));
            below |= (uint64_t)(unsigned)_mm_movemask_ps(_mm_castsi128_ps(_mm_or_si128(row, slot))) << k;
        }
        for (uint64_t both = ~below; both; both &= both - 1) places[many++] = (int32_t)j + __builtin_ctzll(both);
    }
#endif
    for (; j < n; j++) {
        places[many] = (int32_t)j;
        many += (rows[j] | slots[j]) >= 0;
    }
    return many;
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

/* One field of n packed hits, column by column: the events `kept`, from the batch's event `first` on. */

/* Numbers, NaN for null; without a branch, since nulls come as they like. There is one NaN, and one zero. */
static void events_put_numbers(const events_column *c, int64_t first, const int32_t *kept, int64_t n, uint8_t *out,
                               int64_t stride) {
    const int64_t from = c->offset + first;
    const double *values = (const double *)c->data, nan = NAN;
    const uint8_t all = 255, *valid = c->valid != NULL ? c->valid : &all;
    const int64_t mask = c->valid != NULL ? -1 : 0;
    uint64_t none, bits;
    memcpy(&none, &nan, 8);
    for (int64_t m = 0; values == NULL && m < n; m++, out += stride) memcpy(out, &none, 8);
    for (int64_t m = 0; values != NULL && m < n; m++, out += stride) {
        const int64_t at = from + kept[m];
        const double value = values[at] + 0.0;
        const uint64_t there = 0 - (uint64_t)((valid[(at & mask) >> 3] >> (at & 7) & 1) & (value == value));
        memcpy(&bits, &value, 8);
        bits = (bits & there) | (none & ~there);
        memcpy(out, &bits, 8);
    }
}

/* Groups, and in the unit that there is one. */
static void events_put_groups(const events_column *c, int64_t first, const int32_t *kept, int64_t n, uint8_t *out,
                              int64_t stride, int32_t *unit) {
    const int64_t from = c->offset + first;
    const int64_t *groups = (const int64_t *)c->data;
    for (int64_t m = 0; m < n; m++, out += stride, unit += stride / 4) {
        const int valid = groups != NULL && events_is_valid(c->valid, from + kept[m]);
        const int64_t group = valid ? groups[from + kept[m]] : 0;
        *unit |= valid ? EVENTS_GROUPED : 0;
        memcpy(out, &group, 8);
    }
}

/* 0 if an index leads out of the dictionary, or a unit is out of range. */
static int events_put_units(const events_column *c, int64_t first, const int32_t *kept, int64_t n, int32_t *out,
                            int64_t stride) {
    const int64_t from = c->offset + first;
    const int32_t *index = (const int32_t *)c->data;
    const int32_t none = 0, *units = c->lookup_size ? c->lookup : &none;
    uint32_t astray = 0;
    for (int64_t m = 0; index != NULL && m < n; m++, out += stride / 4) {
        const int valid = events_is_valid(c->valid, from + kept[m]);
        const uint32_t at = valid ? (uint32_t)index[from + kept[m]] : 0;
        const int within = at < (uint64_t)c->lookup_size;
        const uint32_t unit = (uint32_t)units[within ? at : 0];
        astray |= (uint32_t)(valid & !within) | (unit >= EVENTS_UNITS);
        *out = valid ? (int32_t)unit : 0;
    }
    return !astray;
}

/* Codes that no fold lists. */
static void events_put_codes(const events_column *c, const int64_t *values, int64_t first, const int32_t *kept, int64_t n,
                             uint8_t *out, int64_t stride, const int32_t *slots, int32_t missing) {
    const int64_t from = c->offset + first;
    for (int64_t m = 0; m < n; m++, out += stride) {
        int64_t code = 0;
        if (slots[kept[m]] == missing)
            code = c->kind == EVENTS_LOOKUP ? values[((const int32_t *)c->data)[from + kept[m]]]
                                            : ((const int64_t *)c->data)[from + kept[m]];
        memcpy(out, &code, 8);
    }
}

typedef struct {
    int64_t hits;
    int64_t head, tail; /* hits of the first row; where those of the last begin */
    int32_t ascending;
} events_packed;

/* Pack the events [start, stop) of a batch that some fold wants into `hits`, which has room for all. */
static int events_pack(const events_keys *keys, const int32_t *births, const events_codes *codes,
                       const events_batch *batch, int64_t start, int64_t stop, int32_t last_day, int fields,
                       events_tally *tally, uint8_t *hits, events_packed *packed) {
    const events_batch own = *batch, *b = &own; /* which nothing that is written here can change */
    int32_t rows[EVENTS_BLOCK], slots[EVENTS_BLOCK], wanted[EVENTS_BLOCK];
    const int32_t *day = (const int32_t *)b->day.data + b->day.offset;
    uint8_t *out = hits;
    int64_t at = 0, unknown = 0;
    int32_t before = 0, descents = 0;
    const int64_t stride = (int64_t)sizeof(events_hit) + 8 * __builtin_popcount((unsigned)fields);
    memset(packed, 0, sizeof *packed);
    for (int64_t first = start; first < stop; first += EVENTS_BLOCK) {
        const int64_t n = stop - first < EVENTS_BLOCK ? stop - first : EVENTS_BLOCK;
        int failed = events_rows(keys, &b->key, b->key.offset + first, n, &at, rows);
        if (failed) return failed;
        failed = events_slots(codes, &b->code, b->code.offset + first, n, slots);
        if (failed) return failed;
        int32_t strangers = 0;
        for (int64_t j = 0; j < n; j++) strangers += rows[j] < 0;
        const int64_t many = events_both(rows, slots, n, wanted);
        unknown += strangers;
        tally->rows += n;
        tally->unlisted += n - strangers - many;
        int64_t n_kept = 0;
        for (int64_t m = 0; m < many; m++) {
            const int32_t j = wanted[m], when = day[first + j];
            const int dated = events_is_valid(b->day.valid, b->day.offset + first + j) & (when != EVENTS_NO_DAY);
            /* an unknown birth lies before every day */
            if (dated & (when <= last_day) & (when >= births[rows[j]])) {
                wanted[n_kept++] = j;
                continue;
            }
            tally->aside[!dated ? EVENTS_UNDATED : when > last_day ? EVENTS_AFTER : EVENTS_BEFORE_BIRTH][slots[j]]++;
        }
        for (int64_t m = 0; m < n_kept; m++) {
            const int32_t j = wanted[m];
            *(events_hit *)(out + m * stride) = (events_hit){rows[j], day[first + j], slots[j], 0};
            descents += rows[j] < before;
            before = rows[j];
        }
        int32_t *unit = &((events_hit *)out)->unit;
        uint8_t *more = out + sizeof(events_hit);
        if (!events_put_units(&b->unit, first, wanted, n_kept, unit, stride)) return EVENTS_ASTRAY;
        if (fields & EVENTS_HAS_VALUES) events_put_numbers(&b->value, first, wanted, n_kept, more, stride), more += 8;
        if (fields & EVENTS_HAS_SECONDS) events_put_numbers(&b->second, first, wanted, n_kept, more, stride), more += 8;
        if (fields & EVENTS_HAS_GROUPS) events_put_groups(&b->group, first, wanted, n_kept, more, stride, unit), more += 8;
        if (fields & EVENTS_HAS_CODES)
            events_put_codes(&b->code, b->code_values, first, wanted, n_kept, more, stride, slots, codes->missing);
        out += n_kept * stride;
    }
    tally->unknown += unknown;
    const int64_t n = (out - hits) / stride;
    int64_t head = 0, tail = n;
#define EVENTS_ROW_OF(i) (((const events_hit *)(hits + (i) * stride))->row)
    while (head < n && EVENTS_ROW_OF(head) == EVENTS_ROW_OF(0)) head++;
    while (tail > head && EVENTS_ROW_OF(tail - 1) == EVENTS_ROW_OF(n - 1)) tail--;
    *packed = (events_packed){n, head, tail, descents == 0};
    return EVENTS_FINE;
}

#endif
