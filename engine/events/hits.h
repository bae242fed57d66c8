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

/* A number as a hit has it, NaN for null. There is one NaN, and one zero. Without a branch: nulls come as they like. */
static inline uint64_t events_number(const events_column *c, int64_t i) {
    const double none = NAN, value = ((const double *)c->data)[i] + 0.0;
    const int there = events_is_valid(c->valid, i) & (value == value);
    uint64_t bits, nothing;
    memcpy(&bits, &value, 8);
    memcpy(&nothing, &none, 8);
    return there ? bits : nothing;
}

typedef struct {
    uint8_t *out;
    int64_t descents;
    int32_t before;  /* the row of the last hit */
    uint32_t astray; /* an index leads out of its dictionary, or a unit is out of range */
} events_packing;

/* Write the events `wanted`, places from the batch's event `first` on, that have a day on which they count. `fields` is
 * known where this is called: what a hit lacks takes no time. */
static inline __attribute__((always_inline)) void events_put(const events_batch *b, int64_t first, const int32_t *wanted,
                                                             int64_t many, const int32_t *rows, const int32_t *slots,
                                                             const int32_t *births, int32_t last_day, int32_t missing,
                                                             events_tally *tally, const int fields, events_packing *p) {
    const int32_t *day = (const int32_t *)b->day.data + b->day.offset + first, none = 0;
    const int32_t *index = (const int32_t *)b->unit.data, *units = b->unit.lookup_size ? b->unit.lookup : &none;
    const uint64_t spellings = (uint64_t)b->unit.lookup_size;
    const double nan = NAN;
    uint64_t nothing;
    memcpy(&nothing, &nan, 8);
    uint8_t *out = p->out;
    int64_t descents = p->descents;
    int32_t before = p->before;
    uint32_t astray = 0;
    for (int64_t m = 0; m < many; m++) {
        const int64_t j = wanted[m];
        const int32_t row = rows[j], slot = slots[j], when = day[j];
        const int dated = events_is_valid(b->day.valid, b->day.offset + first + j) & (when != EVENTS_NO_DAY);
        /* an unknown birth lies before every day */
        if (!(dated & (when <= last_day) & (when >= births[row]))) {
            tally->aside[!dated ? EVENTS_UNDATED : when > last_day ? EVENTS_AFTER : EVENTS_BEFORE_BIRTH][slot]++;
            continue;
        }
        descents += row < before;
        before = row;
        uint64_t unit = 0, word = (uint64_t)(uint32_t)row | (uint64_t)(uint32_t)when << 32;
        uint8_t *more = out + sizeof(events_hit);
        memcpy(out, &word, 8);
        if (index != NULL) {
            const int64_t i = b->unit.offset + first + j;
            const int valid = events_is_valid(b->unit.valid, i);
            const uint32_t at = valid ? (uint32_t)index[i] : 0;
            const int within = at < spellings;
            const uint32_t found = (uint32_t)units[within ? at : 0];
            astray |= (uint32_t)(valid & !within) | (found >= EVENTS_UNITS);
            unit = valid ? found : 0;
        }
        if (fields & EVENTS_HAS_VALUES) {
            word = b->value.data != NULL ? events_number(&b->value, b->value.offset + first + j) : nothing;
            memcpy(more, &word, 8), more += 8;
        }
        if (fields & EVENTS_HAS_SECONDS) {
            word = b->second.data != NULL ? events_number(&b->second, b->second.offset + first + j) : nothing;
            memcpy(more, &word, 8), more += 8;
        }
        if (fields & EVENTS_HAS_GROUPS) {
            const int64_t i = b->group.offset + first + j;
            const int valid = b->group.data != NULL && events_is_valid(b->group.valid, i);
            word = valid ? ((const uint64_t *)b->group.data)[i] : 0;
            unit |= valid ? EVENTS_GROUPED : 0;
            memcpy(more, &word, 8), more += 8;
        }
        if (fields & EVENTS_HAS_CODES) {
            const int64_t i = b->code.offset + first + j;
            word = 0;
            if (slot == missing) /* one that no fold lists */
                word = (uint64_t)(b->code.kind == EVENTS_LOOKUP ? b->code_values[((const int32_t *)b->code.data)[i]]
                                                                : ((const int64_t *)b->code.data)[i]);
            memcpy(more, &word, 8), more += 8;
        }
        word = (uint64_t)(uint32_t)slot | unit << 32;
        memcpy(out + 8, &word, 8);
        out = more;
    }
    p->out = out, p->descents = descents, p->before = before, p->astray |= astray;
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
    events_packing p = {hits, 0, 0, 0};
    int64_t at = 0, unknown = 0;
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
#define EVENTS_PUT(FIELDS)                                                                                             \
    case FIELDS:                                                                                                       \
        events_put(b, first, wanted, many, rows, slots, births, last_day, codes->missing, tally, FIELDS, &p);          \
        break;
        switch (fields) {
            EVENTS_PUT(0)
            EVENTS_PUT(1)
            EVENTS_PUT(2)
            EVENTS_PUT(3)
            EVENTS_PUT(4)
            EVENTS_PUT(5)
            EVENTS_PUT(6)
            EVENTS_PUT(7)
        default: /* with codes */
            events_put(b, first, wanted, many, rows, slots, births, last_day, codes->missing, tally, fields, &p);
        }
        if (p.astray) return EVENTS_ASTRAY;
    }
    tally->unknown += unknown;
    const int64_t n = (p.out - hits) / stride;
    int64_t head = 0, tail = n;
#define EVENTS_ROW_OF(i) (((const events_hit *)(hits + (i) * stride))->row)
    while (head < n && EVENTS_ROW_OF(head) == EVENTS_ROW_OF(0)) head++;
    while (tail > head && EVENTS_ROW_OF(tail - 1) == EVENTS_ROW_OF(n - 1)) tail--;
    *packed = (events_packed){n, head, tail, p.descents == 0};
    return EVENTS_FINE;
}

#endif
