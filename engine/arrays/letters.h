/* What texts are made of: which kinds of bytes they have. */
#ifndef POPSTRAT_LETTERS_H
#define POPSTRAT_LETTERS_H

#include <stdint.h>

enum { BYTES_DIGIT = 1, BYTES_CAPITAL = 2, BYTES_SMALL = 4, BYTES_JOINING = 8, BYTES_OTHER = 16 };

/* The kinds of all of n bytes together; written so that compilers do many bytes at a time. */
static uint8_t popstrat_kinds_of(const uint8_t *x, int64_t n) {
    uint8_t kinds = 0;
    for (int64_t j = 0; j < n; j++) {
        const uint8_t c = x[j];
        const uint8_t digit = (uint8_t)(c - '0') < 10 ? BYTES_DIGIT : 0;
        const uint8_t capital = (uint8_t)(c - 'A') < 26 ? BYTES_CAPITAL : 0;
        const uint8_t small = (uint8_t)(c - 'a') < 26 ? BYTES_SMALL : 0;
        const uint8_t joining = c == '-' || c == '_' ? BYTES_JOINING : 0;
        const uint8_t known = digit | capital | small | joining;
        kinds |= known | (known == 0 ? BYTES_OTHER : 0);
    }
    return kinds;
}

/* How many bytes the shortest of n texts has, by their n + 1 offsets; -1 where an offset is below the one before, the first
 * is negative or the last beyond `size`. A block at a time, so that compilers do several at once. */
#define POPSTRAT_SHORTEST(suffix, T)                                                                                   \
    static int64_t popstrat_shortest_##suffix(const T *x, int64_t n, int64_t size) {                                  \
        T shortest = x[1] - x[0];                                                                                     \
        if (x[0] < 0) return -1;                                                                                      \
        for (int64_t from = 0; from < n; from += 1024) {                                                              \
            const int64_t to = from + 1024 < n ? from + 1024 : n;                                                     \
            T falls = 0;                                                                                              \
            for (int64_t i = from; i < to; i++) {                                                                     \
                const T length = x[i + 1] - x[i];                                                                     \
                falls |= (T)(x[i + 1] < x[i]);                                                                        \
                shortest = length < shortest ? length : shortest;                                                     \
            }                                                                                                         \
            if (falls) return -1;                                                                                     \
        }                                                                                                             \
        return x[n] > size ? -1 : shortest;                                                                           \
    }
POPSTRAT_SHORTEST(i32, int32_t)
POPSTRAT_SHORTEST(i64, int64_t)
#undef POPSTRAT_SHORTEST

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
