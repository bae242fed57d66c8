/* Which row the id of an event has among the sorted ids of all people.
 *
 * Files are mostly sorted by person, so the search goes on from where it stands, in growing steps. Where they are known
 * not to be, a hash table has the rows. Ids are numbers, texts, or indices into a dictionary whose rows are known.
 */
#ifndef POPSTRAT_EVENTS_ROWS_H
#define POPSTRAT_EVENTS_ROWS_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS_BLOCK 1024 /* events that are looked at together: their intermediate results stay in the nearest cache */

enum { EVENTS_NUMBERS, EVENTS_TEXTS, EVENTS_LOOKUP };
enum { EVENTS_FINE = 0, EVENTS_NO_MEMORY = -1, EVENTS_ASTRAY = -2, EVENTS_SYSTEM = -3 };

static const uint8_t events_nothing[8] = {0}; /* where a buffer has no bytes */

/* A column as it lies in memory: row i of it is value offset + i. */
typedef struct {
    const uint8_t *valid; /* or NULL: none is null */
    const void *data;     /* the values, or the offsets of texts, or indices (32 bits) into `lookup` */
    const char *text;
    int64_t offset;
    int64_t text_size;
    int64_t lookup_size;
    const int32_t *lookup; /* of a dictionary: what each of its values stands for, -1 for nothing */
    int32_t wide;          /* the offsets of texts have 64 bits */
    int32_t kind;
} events_column;

typedef struct {
    const int64_t *number; /* ascending; or NULL, and texts: */
    const int64_t *start;
    const char *text;
    int64_t count;
    uint32_t *table; /* rows + 1 by hash, 0 for a free place; or NULL */
    int32_t bits;
} events_keys;

static inline int events_is_valid(const uint8_t *valid, int64_t i) {
    return valid == NULL || (valid[i >> 3] >> (i & 7) & 1);
}

static inline uint64_t events_mix(uint64_t x) {
    x ^= x >> 32;
    x *= UINT64_C(0xd6e8feb86659fd93);
    x ^= x >> 32;
    x *= UINT64_C(0xd6e8feb86659fd93);
    return x ^ x >> 32;
}

static inline uint64_t events_mix_text(const char *x, int64_t n) {
    uint64_t hash = (uint64_t)n, word;
    for (; n >= 8; n -= 8, x += 8) {
        memcpy(&word, x, 8);
        hash = events_mix(hash ^ word) + UINT64_C(0x9e3779b97f4a7c15);
    }
    if (n > 0) {
        word = 0;
        memcpy(&word, x, (size_t)n);
        hash = events_mix(hash ^ word);
    }
    return events_mix(hash);
}

typedef struct {
    const char *at;
    int64_t size;
} events_text;

static inline int events_compare(events_text a, events_text b) {
    const int c = memcmp(a.at, b.at, (size_t)(a.size < b.size ? a.size : b.size));
    return c ? c : (a.size > b.size) - (a.size < b.size);
}

static inline events_text events_key_text(const events_keys *k, int64_t row) {
    return (events_text){k->text + k->start[row], k->start[row + 1] - k->start[row]};
}

/* The text of a row of a column; 0 if its offsets lead out of the text. */
static inline int events_text_of(const events_column *c, int64_t i, events_text *found) {
    int64_t start, stop;
    if (c->wide) {
        start = ((const int64_t *)c->data)[i], stop = ((const int64_t *)c->data)[i + 1];
    } else {
        start = ((const int32_t *)c->data)[i], stop = ((const int32_t *)c->data)[i + 1];
    }
    if (start < 0 || stop < start || stop > c->text_size) return 0;
    *found = (events_text){c->text + start, stop - start};
    return 1;
}

/* Whether the keys ascend, none twice. */
static int events_keys_ascend(const events_keys *k) {
    for (int64_t i = 1; i < k->count; i++)
        if (k->number != NULL ? k->number[i - 1] >= k->number[i]
                              : events_compare(events_key_text(k, i - 1), events_key_text(k, i)) >= 0)
            return 0;
    return 1;
}

static inline uint64_t events_key_hash(const events_keys *k, int64_t row) {
    if (k->number != NULL) return events_mix((uint64_t)k->number[row]);
    const events_text text = events_key_text(k, row);
    return events_mix_text(text.at, text.size);
}

static int events_keys_hash(events_keys *k) {
    if (k->table != NULL) return EVENTS_FINE;
    int bits = 4;
    while ((int64_t)1 << bits < 2 * k->count) bits++;
    uint32_t *table = calloc((size_t)1 << bits, sizeof *table);
    if (table == NULL) return EVENTS_NO_MEMORY;
    const uint64_t mask = ((uint64_t)1 << bits) - 1;
    for (int64_t row = 0; row < k->count; row++) {
        uint64_t at = events_key_hash(k, row) >> (64 - bits);
        while (table[at] != 0) at = (at + 1) & mask;
        table[at] = (uint32_t)row + 1;
    }
    k->bits = bits;
    __atomic_store_n(&k->table, table, __ATOMIC_RELEASE); /* others may be searching meanwhile */
    return EVENTS_FINE;
}

/* The first row from `from` on, below `to`, whose key is not less; `to` if there is none. */
#define EVENTS_SEARCH(name, type, less)                                                                                \
    static inline int64_t name##_between(const events_keys *k, int64_t from, int64_t to, type x) {                     \
        while (from < to) {                                                                                            \
            const int64_t middle = from + (to - from) / 2;                                                             \
            if (less(k, middle, x))                                                                                    \
                from = middle + 1;                                                                                     \
            else                                                                                                       \
                to = middle;                                                                                           \
        }                                                                                                              \
        return from;                                                                                                   \
    }                                                                                                                  \
    static inline int64_t name(const events_keys *k, int64_t at, type x) {                                             \
        if (at > 0 && !less(k, at - 1, x)) return name##_between(k, 0, at, x); /* it goes back */                      \
        int64_t step = 1, far = at;                                                                                    \
        while (far < k->count && less(k, far, x)) at = far + 1, far += step, step *= 2;                                \
        return name##_between(k, at, far < k->count ? far : k->count, x);                                              \
    }
#define EVENTS_LESS_NUMBER(k, row, x) ((k)->number[row] < (x))
#define EVENTS_LESS_TEXT(k, row, x) (events_compare(events_key_text(k, row), x) < 0)
EVENTS_SEARCH(events_find_number, int64_t, EVENTS_LESS_NUMBER)
EVENTS_SEARCH(events_find_text, events_text, EVENTS_LESS_TEXT)

/* Where the run of equal numbers that begins at j ends. */
static inline int64_t events_run(const int64_t *number, int64_t j, int64_t n) {
    const int64_t x = number[j++];
    for (; j + 8 <= n; j += 8) {
        int64_t other = 0;
        for (int k = 0; k < 8; k++) other |= number[j + k] ^ x;
        if (other) break;
    }
    while (j < n && number[j] == x) j++;
    return j;
}

/* The rows of n events (at most a block) from the column's value i on: -1 for null and for an id that is no key. `at` is
 * where the search stands. With the hash table it is not needed, and three short loops let the memory be fetched for all
 * before the first is waited for. */
static int events_rows(const events_keys *k, const events_column *c, int64_t i, int64_t n, int64_t *at, int32_t *rows) {
    if (c->kind == EVENTS_LOOKUP) {
        const int32_t *index = (const int32_t *)c->data + i;
        for (int64_t j = 0; j < n; j++) {
            if (!events_is_valid(c->valid, i + j)) {
                rows[j] = -1;
                continue;
            }
            if ((uint64_t)(int64_t)index[j] >= (uint64_t)c->lookup_size) return EVENTS_ASTRAY;
            rows[j] = c->lookup[index[j]];
            if (rows[j] >= k->count) return EVENTS_ASTRAY;
        }
        return EVENTS_FINE;
    }
    const int64_t *number = (const int64_t *)c->data + i;
    const int texts = c->kind == EVENTS_TEXTS;
    const uint32_t *table = __atomic_load_n(&k->table, __ATOMIC_ACQUIRE);
    if (table != NULL) {
        const uint64_t mask = ((uint64_t)1 << k->bits) - 1;
        uint64_t place[EVENTS_BLOCK];
        events_text text[EVENTS_BLOCK];
        for (int64_t j = 0; j < n; j++) {
            if (texts) {
                text[j] = (events_text){"", 0};
                if (events_is_valid(c->valid, i + j) && !events_text_of(c, i + j, text + j)) return EVENTS_ASTRAY;
                place[j] = events_mix_text(text[j].at, text[j].size) >> (64 - k->bits);
            } else {
                place[j] = events_mix((uint64_t)number[j]) >> (64 - k->bits);
            }
            __builtin_prefetch(table + place[j]);
        }
        for (int64_t j = 0; j < n; j++) {
            const uint32_t row = table[place[j]];
            if (row != 0) __builtin_prefetch(texts ? (const void *)(k->start + row - 1) : k->number + row - 1);
        }
        for (int64_t j = 0; j < n; j++) {
            uint64_t p = place[j];
            uint32_t row;
            rows[j] = -1;
            if (!events_is_valid(c->valid, i + j)) continue;
            while ((row = table[p]) != 0) {
                if (texts ? events_compare(events_key_text(k, row - 1), text[j]) == 0 : k->number[row - 1] == number[j]) {
                    rows[j] = (int32_t)(row - 1);
                    break;
                }
                p = (p + 1) & mask;
            }
        }
        return EVENTS_FINE;
    }
    int32_t row = -1;
    int had = 0;
    if (!texts && c->valid == NULL) {
        for (int64_t j = 0; j < n;) {
            const int64_t end = events_run(number, j, n);
            *at = events_find_number(k, *at, number[j]);
            row = *at < k->count && k->number[*at] == number[j] ? (int32_t)*at : -1;
            while (j < end) rows[j++] = row;
        }
        return EVENTS_FINE;
    }
    if (!texts) {
        int64_t last = 0;
        for (int64_t j = 0; j < n; j++) {
            if (!events_is_valid(c->valid, i + j)) {
                rows[j] = -1;
                continue;
            }
            if (!had || number[j] != last) {
                had = 1, last = number[j];
                *at = events_find_number(k, *at, last);
                row = *at < k->count && k->number[*at] == last ? (int32_t)*at : -1;
            }
            rows[j] = row;
        }
        return EVENTS_FINE;
    }
    events_text last = {"", 0}, text;
    for (int64_t j = 0; j < n; j++) {
        if (!events_is_valid(c->valid, i + j)) {
            rows[j] = -1;
            continue;
        }
        if (!events_text_of(c, i + j, &text)) return EVENTS_ASTRAY;
        if (!had || events_compare(text, last) != 0) {
            had = 1, last = text;
            *at = events_find_text(k, *at, last);
            row = *at < k->count && events_compare(events_key_text(k, *at), last) == 0 ? (int32_t)*at : -1;
        }
        rows[j] = row;
    }
    return EVENTS_FINE;
}

#endif
