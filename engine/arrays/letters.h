/* What texts are made of: which kinds of bytes they have, and how short the shortest is. */
#ifndef POPSTRAT_LETTERS_H
#define POPSTRAT_LETTERS_H

#include <string.h>

#include "isa.h"

enum { BYTES_DIGIT = 1, BYTES_CAPITAL = 2, BYTES_SMALL = 4, BYTES_JOINING = 8, BYTES_OTHER = 16 };

#define POPSTRAT_TEXT "arrays/letters_kernels.h"
#include "each_isa.h"

static uint8_t popstrat_kinds_of(const uint8_t *x, int64_t n) {
    return POPSTRAT_FOR(popstrat_best_level(), kinds_of)(x, n);
}

static int64_t popstrat_shortest_i32(const int32_t *x, int64_t n, int64_t size) {
    return POPSTRAT_FOR(popstrat_best_level(), shortest_i32)(x, n, size);
}

static int64_t popstrat_shortest_i64(const int64_t *x, int64_t n, int64_t size) {
    return POPSTRAT_FOR(popstrat_best_level(), shortest_i64)(x, n, size);
}

static int64_t popstrat_changes_i32(const int32_t *x, int64_t n, const uint8_t *text, int64_t size, int64_t *found, int64_t most) {
    return POPSTRAT_FOR(popstrat_best_level(), changes_i32)(x, n, text, size, found, most);
}

static int64_t popstrat_changes_i64(const int64_t *x, int64_t n, const uint8_t *text, int64_t size, int64_t *found, int64_t most) {
    return POPSTRAT_FOR(popstrat_best_level(), changes_i64)(x, n, text, size, found, most);
}

/* The kinds of a few bytes. */
static inline uint8_t popstrat_kinds_of_few(const uint8_t *x, int64_t n) {
    static const uint8_t kinds[256] = {
        [0 ... 255] = BYTES_OTHER, ['0' ... '9'] = BYTES_DIGIT, ['A' ... 'Z'] = BYTES_CAPITAL,
        ['a' ... 'z'] = BYTES_SMALL, ['-'] = BYTES_JOINING, ['_'] = BYTES_JOINING,
    };
    uint8_t found = 0;
    for (int64_t i = 0; i < n; i++) found |= kinds[x[i]];
    return found;
}

#endif
