/* Reading CSV text into columns: rows are found 64 bytes at a time, then each wanted column of some rows is parsed.
 *
 * A row ends at CR or LF, quoted or not: a cell may not hold a line break. Empty lines are no rows. A cell either has no
 * quote in it or is quoted whole, with quotes inside doubled. Anything else is a fault of the text, and nothing more is
 * said about it here. The text must be followed by CSV_PAD line feeds, which also end a last row that has no line end. */
#ifndef POPSTRAT_CSV_READ_H
#define POPSTRAT_CSV_READ_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define CSV_PAD 64
#define CSV_ROWS_NAMED 5
#define CSV_MOST_ROWS_AT_ONCE 128 /* a multiple of 64: their text and where their cells end stay in the caches */
#define CSV_MARKS_AT_ONCE (1 << 18)

enum { CSV_BOOL, CSV_F64, CSV_F32, CSV_DATE, CSV_TEXT, CSV_LABEL };
enum { CSV_DONE, CSV_FAULT, CSV_NO_MEMORY };

/* Bytes that grow; 16 spare ones follow `used`, so that short pieces may be copied as 16 bytes. */
typedef struct {
    uint8_t *at;
    int64_t used, capacity;
} csv_bytes;

typedef struct {
    uint64_t hash;
    int64_t start, length;
} csv_entry;

/* A wanted column. `values` and `valid` belong to the caller and hold all rows, in whole words of 64 rows. */
typedef struct {
    int kind;
    int64_t position;
    uint8_t *values;     /* bits, doubles, floats, days, offsets of text, codes of labels */
    uint8_t *valid;      /* bits */
    int64_t nulls, bad;  /* bad: cells that are not of this kind */
    int64_t bad_rows[CSV_ROWS_NAMED];
    csv_bytes text;      /* of the rows, or of the entries */
    csv_entry *entries;  /* labels in the order in which they occur */
    int64_t count, capacity;
    uint32_t *slots;     /* 0 or entry + 1; open addressing */
    int64_t mask;
} csv_column;

/* A number that the quick ways cannot be trusted with, or no number at all: for the caller to look at. */
typedef struct {
    int32_t column, row;
    uint32_t start, length;
} csv_odd;

typedef struct {
    csv_odd *at;
    int64_t used, capacity;
} csv_odds;

typedef struct {
    uint64_t separator, line, quote, high;
} csv_masks;

typedef struct {
    const uint8_t *text;
    csv_column *columns;
    int64_t wanted;
    uint32_t *marks;     /* of each row: one before its start, then the end of each cell */
    int64_t width;       /* cells in a row */
    int64_t rows, held;  /* rows parsed; rows found since */
    uint64_t seed;
    uint8_t between;     /* what stands between cells */
    int doubled;         /* there may be doubled quotes in the rows held */
    csv_odds odds;
    csv_bytes scratch;
} csv_state;

static inline uint64_t csv_load8(const uint8_t *p) {
    uint64_t x;
    memcpy(&x, p, 8);
    return x;
}

/* ---- 64 bytes ----------------------------------------------------------------------------------------------- */

/* The bytes of a word that are `c`, as bits; exact for every byte. */
static inline uint64_t csv_equal8(uint64_t x, uint8_t c) {
    const uint64_t low = 0x7f7f7f7f7f7f7f7fULL;
    x ^= c * 0x0101010101010101ULL;
    x = ~(((x & low) + low) | x | low); /* the top bit of each byte that is zero */
    return (x * 0x0002040810204081ULL) >> 56;
}

static inline csv_masks csv_look_plain(const uint8_t *p, uint8_t between) {
    csv_masks m = {0, 0, 0, 0};
    for (int i = 0; i < 64; i += 8) {
        uint64_t x = csv_load8(p + i);
        uint64_t line = csv_equal8(x, '\n') | csv_equal8(x, '\r');
        m.line |= line << i;
        m.separator |= (line | csv_equal8(x, between)) << i;
        m.quote |= csv_equal8(x, '"') << i;
        m.high |= x & 0x8080808080808080ULL;
    }
    return m;
}

#if defined(__SSE2__)
static inline csv_masks csv_look_fast(const uint8_t *p, uint8_t between) {
    csv_masks m = {0, 0, 0, 0};
    for (int i = 0; i < 64; i += 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(p + i));
        __m128i line = _mm_or_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8('\n')), _mm_cmpeq_epi8(x, _mm_set1_epi8('\r')));
        __m128i comma = _mm_cmpeq_epi8(x, _mm_set1_epi8((char)between));
        m.line |= (uint64_t)(uint32_t)_mm_movemask_epi8(line) << i;
        m.separator |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_or_si128(line, comma)) << i;
        m.quote |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(x, _mm_set1_epi8('"'))) << i;
        m.high |= (uint64_t)(uint32_t)_mm_movemask_epi8(x);
    }
    return m;
}
#else
#define csv_look_fast csv_look_plain
#endif

/* Each bit the exclusive or of itself and all below: set from an opening quote up to before the closing one. */
static inline uint64_t csv_between(uint64_t quotes) {
    for (int step = 1; step < 64; step <<= 1) quotes ^= quotes << step;
    return quotes;
}

/* ---- growing ------------------------------------------------------------------------------------------------ */

static int csv_reserve(csv_bytes *b, int64_t more) {
    if (b->used + more + 16 <= b->capacity) return 1;
    int64_t capacity = 2 * b->capacity + more + 1024;
    uint8_t *at = realloc(b->at, (size_t)capacity);
    if (!at) return 0;
    b->at = at;
    b->capacity = capacity;
    return 1;
}

static inline int csv_append(csv_bytes *b, const uint8_t *p, int64_t n) {
    if (b->used + n + 16 > b->capacity && !csv_reserve(b, n)) return 0;
    if (n <= 16)
        memcpy(b->at + b->used, p, 16);
    else
        memcpy(b->at + b->used, p, (size_t)n);
    b->used += n;
    return 1;
}

static int csv_note_odd(csv_odds *odds, int64_t column, int64_t row, uint32_t start, uint32_t length) {
    if (odds->used == odds->capacity) {
        int64_t capacity = 2 * odds->capacity + 64;
        csv_odd *at = realloc(odds->at, (size_t)capacity * sizeof *at);
        if (!at) return 0;
        odds->at = at;
        odds->capacity = capacity;
    }
    odds->at[odds->used++] = (csv_odd){(int32_t)column, (int32_t)row, start, length};
    return 1;
}

static void csv_note_bad(csv_column *c, int64_t row) {
    if (c->bad < CSV_ROWS_NAMED) c->bad_rows[c->bad] = row;
    c->bad++;
}

/* ---- cells -------------------------------------------------------------------------------------------------- */

/* true and false of any case, by their length; what has another length is never equal. */
static const uint64_t csv_word_mask[8] = {0, 0, 0, 0, 0xffffffffULL, 0xffffffffffULL, 0, 0};
static const uint64_t csv_word[8] = {0, 1, 1, 1, 0x65757274ULL, 0x65736c6166ULL, 1, 1};

static inline int csv_is_word(const uint8_t *p, uint32_t n) {
    uint64_t lower = csv_load8(p) | 0x2020202020202020ULL; /* of a letter; nothing else becomes a letter by it */
    n = n < 7 ? n : 7;
    return (lower & csv_word_mask[n]) == csv_word[n];
}

static inline int csv_two(const uint8_t *p) { /* two digits, or -1 */
    unsigned a = p[0] - '0', b = p[1] - '0';
    return a > 9 || b > 9 ? -1 : (int)(10 * a + b);
}

/* YYYY-MM-DD, perhaps with [ T]hh[:mm[:ss[.f…]]], to days since 1970; 0 if it is no such date, or at 23:00: that may be
   the next day's midnight, an hour behind, and is not for this function to decide. */
static inline int csv_date(const uint8_t *p, int64_t n, int32_t *days) {
    static const uint8_t length[13] = {0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (n < 10) return 0;
    int century = csv_two(p), of_century = csv_two(p + 2), month = csv_two(p + 5), day = csv_two(p + 8);
    if ((century | of_century | month | day) < 0 || p[4] != '-' || p[7] != '-') return 0;
    int year = 100 * century + of_century;
    int leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (month < 1 || month > 12 || day < 1 || day > length[month] + (leap & (month == 2))) return 0;
    if (n > 10) {
        if ((p[10] != ' ' && p[10] != 'T') || (n != 13 && n != 16 && n != 19 && (n < 21 || n > 26))) return 0;
        if ((unsigned)csv_two(p + 11) > 23 || (csv_two(p + 11) == 23 && (n == 13 || csv_two(p + 14) == 0))) return 0;
        if (n > 13 && (p[13] != ':' || (unsigned)csv_two(p + 14) > 59)) return 0;
        if (n > 16 && (p[16] != ':' || (unsigned)csv_two(p + 17) > 59)) return 0;
        if (n > 19 && p[19] != '.') return 0;
        for (int64_t i = 20; i < n; i++)
            if ((unsigned)p[i] - '0' > 9) return 0;
    }
    int m = (month + 9) % 12, y = year + 400 - (month < 3); /* years that begin in March */
    int whole = 365 * y + y / 4 - y / 100 + y / 400;
    *days = whole + (153 * m + 2) / 5 + day - 1 - (719468 + 146097);
    return 1;
}

static const double csv_tens[23] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
static const float csv_tens32[11] = {1e0f, 1e1f, 1e2f, 1e3f, 1e4f, 1e5f, 1e6f, 1e7f, 1e8f, 1e9f, 1e10f};

/* [+-]digits[.digits][e[+-]digits] as whole × 10^power; 0 if it is anything else, or has more than 19 digits. */
static inline int csv_decimal(const uint8_t *p, const uint8_t *end, int *minus, uint64_t *whole, int *power) {
    uint64_t m = 0;
    unsigned d;
    int e = 0;
    *minus = *p == '-';
    p += *minus | (*p == '+');
    const uint8_t *start = p;
    while ((d = (unsigned)*p - '0') <= 9) {
        m = 10 * m + d;
        p++;
    }
    int64_t digits = p - start;
    if (*p == '.') {
        const uint8_t *point = ++p;
        while ((d = (unsigned)*p - '0') <= 9) {
            m = 10 * m + d;
            p++;
        }
        digits += p - point;
        e = -(int)(p - point < 20 ? p - point : 20);
    }
    if (digits < 1 || digits > 19) return 0;
    if (p < end && (*p | 0x20) == 'e') {
        int down = *++p == '-', written = 0;
        p += down | (*p == '+');
        const uint8_t *first = p;
        while ((d = (unsigned)*p - '0') <= 9 && p - first < 4) {
            written = 10 * written + (int)d;
            p++;
        }
        if (p == first) return 0;
        e += down ? -written : written;
    }
    *whole = m;
    *power = e;
    return p == end;
}

/* Both factors are exact and there is one rounding (Clinger 1990); 0 where that does not hold. */
static inline int csv_double(uint64_t whole, int power, double *x) {
    if (whole >> 53 || power < -22 || power > 22) {
        *x = 0;
        return whole == 0;
    }
    *x = power < 0 ? (double)whole / csv_tens[-power] : (double)whole * csv_tens[power];
    return 1;
}

/* As above in 32 bits; else through a double, whose error of at most two units in its last place matters only beside
 * the middle between two floats. */
static inline int csv_float(uint64_t whole, int power, float *x) {
    if (!(whole >> 24) && power >= -10 && power <= 10) {
        *x = power < 0 ? (float)whole / csv_tens32[-power] : (float)whole * csv_tens32[power];
        return 1;
    }
    *x = 0;
    if (whole == 0) return 1;
    if (power < -22 || power > 22) return 0;
    double wide = power < 0 ? (double)whole / csv_tens[-power] : (double)whole * csv_tens[power];
    if (!(wide > 1e-37 && wide < 1e38)) return 0;
    uint64_t bits;
    memcpy(&bits, &wide, 8);
    int64_t beside = (int64_t)(bits & ((1U << 29) - 1)) - (1 << 28);
    if (beside >= -4 && beside <= 4) return 0;
    *x = (float)wide;
    return 1;
}

static inline int csv_is_nan(const uint8_t *p, int64_t n) {
    return n == 3 && ((csv_load8(p) | 0x202020) & 0xffffff) == 0x6e616e;
}

/* ---- labels ------------------------------------------------------------------------------------------------- */

static inline uint64_t csv_mix(uint64_t a, uint64_t b) {
    a = (a ^ (a >> 32)) * (b | 1);
    return a ^ (a >> 29);
}

static inline uint64_t csv_hash(const uint8_t *p, int64_t n, uint64_t seed) {
    uint64_t h = seed + (uint64_t)n * 0x9e3779b97f4a7c15ULL;
    for (; n > 8; p += 8, n -= 8) h = csv_mix(h ^ csv_load8(p), seed ^ 0xbf58476d1ce4e5b9ULL) + seed;
    uint64_t last = csv_load8(p) & (n ? ~0ULL >> (8 * (8 - n)) : 0);
    return csv_mix(csv_mix(h ^ last, 0x94d049bb133111ebULL), seed ^ 0xbf58476d1ce4e5b9ULL);
}

static int csv_more_slots(csv_column *c) {
    int64_t slots = c->mask ? 4 * (c->mask + 1) : 64;
    uint32_t *at = calloc((size_t)slots, sizeof *at);
    if (!at) return 0;
    free(c->slots);
    c->slots = at;
    c->mask = slots - 1;
    for (int64_t i = 0; i < c->count; i++) {
        int64_t s = (int64_t)(c->entries[i].hash & (uint64_t)c->mask);
        while (at[s]) s = (s + 1) & c->mask;
        at[s] = (uint32_t)i + 1;
    }
    return 1;
}

/* The code of a label, a new one if it is new; -1 if memory runs out. */
static inline int64_t csv_code(csv_column *c, const uint8_t *p, int64_t n, uint64_t seed) {
    uint64_t hash = csv_hash(p, n, seed);
    int64_t s = (int64_t)(hash & (uint64_t)c->mask);
    for (uint32_t found; (found = c->slots[s]); s = (s + 1) & c->mask) {
        csv_entry *e = &c->entries[found - 1];
        if (e->hash == hash && e->length == n && !memcmp(c->text.at + e->start, p, (size_t)n)) return found - 1;
    }
    if (c->count == c->capacity) {
        int64_t capacity = 2 * c->capacity + 32;
        csv_entry *entries = realloc(c->entries, (size_t)capacity * sizeof *entries);
        if (!entries) return -1;
        c->entries = entries;
        c->capacity = capacity;
    }
    c->entries[c->count] = (csv_entry){hash, c->text.used, n};
    if (!csv_append(&c->text, p, n)) return -1;
    c->slots[s] = (uint32_t)++c->count;
    if (2 * c->count > c->mask && !csv_more_slots(c)) return -1;
    return c->count - 1;
}

/* ---- columns of the rows held ------------------------------------------------------------------------------- */

/* What a quoted cell stands for, where quotes may be doubled in it. */
static const uint8_t *csv_unquoted(csv_state *st, const uint8_t *p, int64_t *n) {
    if (!memchr(p, '"', (size_t)*n)) return p;
    st->scratch.used = 0;
    if (!csv_reserve(&st->scratch, *n)) return NULL;
    uint8_t *to = st->scratch.at;
    for (int64_t i = 0; i < *n; i++) {
        *to++ = p[i];
        i += p[i] == '"';
    }
    *n = to - st->scratch.at;
    return st->scratch.at;
}

/* BODY for each row held, with the cell as `p` and `n`; it sets bits of `valid` (and of `bits`). */
#define CSV_EACH_ROW(...)                                                                                              \
    for (int64_t first = 0; first < held; first += 64) {                                                               \
        const int64_t many = held - first < 64 ? held - first : 64;                                                    \
        uint64_t valid = 0;                                                                                            \
        for (int64_t i = 0; i < many; i++, mark += stride) {                                                           \
            const int64_t row = rows + first + i;                                                                      \
            const uint8_t *p = text + (uint32_t)(mark[0] + 1);                                                         \
            const uint32_t quoted = *p == '"';                                                                         \
            uint32_t n = mark[1] - mark[0] - 1 - 2 * quoted;                                                           \
            p += quoted;                                                                                               \
            __VA_ARGS__                                                                                                \
        }                                                                                                              \
        nulls += many - __builtin_popcountll(valid);                                                                   \
        memcpy(c->valid + (rows + first) / 8, &valid, 8);                                                              \
    }

/* Numbers of a type; those that cannot be rounded here are noted, to be worked out exactly afterwards. */
#define CSV_REAL(T, ROUNDED)                                                                                           \
    CSV_EACH_ROW({                                                                                                     \
        T x = 0;                                                                                                       \
        if (n) {                                                                                                       \
            int minus = 0;                                                                                             \
            int power;                                                                                                 \
            uint64_t whole;                                                                                            \
            int good = csv_decimal(p, p + n, &minus, &whole, &power) && ROUNDED(whole, power, &x);                     \
            valid |= 1ULL << i;                                                                                        \
            if (minus) x = -x;                                                                                         \
            if (__builtin_expect(!good, 0)) {                                                                          \
                if (csv_is_nan(p, n))                                                                                  \
                    x = NAN;                                                                                           \
                else if (!csv_note_odd(&st->odds, which, row, (uint32_t)(p - text), n))                                \
                    return 0;                                                                                          \
            }                                                                                                          \
        }                                                                                                              \
        memcpy(values + (int64_t)sizeof(T) * row, &x, sizeof(T));                                                      \
    })                                                                                                                 \
    break;

static int csv_parse_column(csv_state *st, int64_t which) {
    csv_column *const c = &st->columns[which];
    const uint8_t *const text = st->text;
    uint8_t *const values = c->values;
    const int64_t stride = st->width + 1, rows = st->rows, held = st->held;
    const uint32_t *mark = st->marks + c->position;
    const int doubled = st->doubled;
    int64_t nulls = 0;
    switch (c->kind) {
    case CSV_BOOL: {
        uint64_t bits = 0;
        CSV_EACH_ROW({
            uint64_t yes = n == 4;
            valid |= (uint64_t)(n != 0) << i;
            if (__builtin_expect(!csv_is_word(p, n), 0)) {
                yes = *p == '1';
                if (n != 1 || (*p != '0' && *p != '1')) csv_note_bad(c, row);
            }
            bits |= yes << i;
            if (i == many - 1) {
                memcpy(values + (rows + first) / 8, &bits, 8);
                bits = 0;
            }
        })
        break;
    }
    case CSV_DATE:
        CSV_EACH_ROW({
            int32_t days = 0;
            if (n) {
                valid |= 1ULL << i;
                if (__builtin_expect(!csv_date(p, n, &days), 0)) csv_note_bad(c, row);
            }
            memcpy(values + 4 * row, &days, 4);
        })
        break;
    case CSV_F64: CSV_REAL(double, csv_double)
    case CSV_F32: CSV_REAL(float, csv_float)
    case CSV_TEXT:
        CSV_EACH_ROW({
            int64_t size = n;
            valid |= (uint64_t)(n != 0) << i;
            if (doubled && n && !(p = csv_unquoted(st, p, &size))) return 0;
            if (!csv_append(&c->text, p, size)) return 0;
            int32_t offset = (int32_t)c->text.used;
            memcpy(values + 4 * (row + 1), &offset, 4);
        })
        break;
    default:
        CSV_EACH_ROW({
            int32_t code = 0;
            if (n) {
                int64_t size = n;
                valid |= 1ULL << i;
                if (doubled && !(p = csv_unquoted(st, p, &size))) return 0;
                code = (int32_t)csv_code(c, p, size, st->seed);
                if (code < 0) return 0;
            }
            memcpy(values + 4 * row, &code, 4);
        })
    }
    c->nulls += nulls;
    return 1;
}

static int csv_parse_held(csv_state *st) {
    for (int64_t i = 0; i < st->wanted; i++)
        if (!csv_parse_column(st, i)) return 0;
    st->rows += st->held;
    st->held = 0;
    return 1;
}

/* ---- rows --------------------------------------------------------------------------------------------------- */

/* The positions of the bits of a word, `many` of them; up to seven more words are written beyond. */
static inline void csv_write_positions(uint32_t *to, uint32_t base, uint64_t bits, int64_t many) {
    for (int64_t i = 0; i < many; i += 8)
        for (int64_t j = 0; j < 8; j++) {
            to[i + j] = base + (uint32_t)__builtin_ctzll(bits | 1ULL << 63);
            bits &= bits - 1;
        }
}

static inline __attribute__((always_inline)) int csv_rows(csv_state *st, int64_t length, int64_t most, int64_t at_once,
                                                          int fast, uint64_t *high) {
    const int64_t width = st->width;
    uint32_t *row = st->marks;
    uint64_t inside = 0;          /* all ones while a quote is open */
    uint64_t may_open = 1;        /* a quote may open at the first byte of this word */
    uint64_t closed = 0;          /* the byte before this word is a closing quote */
    int64_t cells = 0, start = 0; /* of the row at hand: separators seen, first byte */
    row[0] = (uint32_t)-1;
    for (int64_t base = 0; base <= length; base += 64) {
        csv_masks m = fast ? csv_look_fast(st->text + base, st->between) : csv_look_plain(st->text + base, st->between);
        uint64_t separator = m.separator;
        *high |= m.high;
        if (m.quote | inside | closed) {
            uint64_t in = csv_between(m.quote) ^ inside;
            uint64_t open = m.quote & in, close = m.quote & ~in, follows = close << 1 | closed;
            separator &= ~in;
            if (m.line & in) return CSV_FAULT;
            if (open & ~(separator << 1 | follows | may_open)) return CSV_FAULT;
            if (follows & ~(separator | m.quote)) return CSV_FAULT;
            st->doubled |= (follows & m.quote) != 0;
            inside = (uint64_t)((int64_t)in >> 63);
            closed = close >> 63;
        }
        may_open = separator >> 63;
        for (;;) {
            uint64_t lines = separator & m.line;
            int end = lines ? __builtin_ctzll(lines) : 64;
            uint64_t commas = lines ? separator & ((1ULL << end) - 1) : separator;
            int64_t many = __builtin_popcountll(commas);
            if (many && cells + many >= width) return CSV_FAULT;
            csv_write_positions(row + 1 + cells, (uint32_t)base, commas, many);
            cells += many;
            if (!lines) break;
            int64_t at = base + end;
            if (cells || at != start) { /* else it is an empty line */
                if (cells != width - 1 || st->rows + st->held == most) return CSV_FAULT;
                row[width] = (uint32_t)at;
                row += width + 1;
                cells = 0;
                if (++st->held == at_once) {
                    if (!csv_parse_held(st)) return CSV_NO_MEMORY;
                    st->doubled = (m.quote & m.quote << 1) != 0;
                    row = st->marks;
                }
            }
            row[0] = (uint32_t)at;
            start = at + 1;
            separator &= end == 63 ? 0 : ~0ULL << (end + 1);
        }
    }
    return csv_parse_held(st) ? CSV_DONE : CSV_NO_MEMORY;
}

/* Parse `length` bytes, at most `most` rows. `high` gets bits set if the text is not all ASCII. */
static int csv_read(csv_state *st, int64_t length, int64_t most, int fast, uint64_t *high) {
    const int64_t at_once = st->width < CSV_MARKS_AT_ONCE / CSV_MOST_ROWS_AT_ONCE ? CSV_MOST_ROWS_AT_ONCE : 64;
    int found = CSV_NO_MEMORY;
    st->marks = malloc((size_t)((at_once + 1) * (st->width + 1) + 16) * sizeof *st->marks);
    if (!st->marks) return found;
    for (int64_t i = 0; i < st->wanted; i++) {
        csv_column *c = &st->columns[i];
        if (!csv_reserve(&c->text, 0) || (c->kind == CSV_LABEL && !csv_more_slots(c))) goto end;
        if (c->kind == CSV_TEXT) memset(c->values, 0, 4);
    }
    found = fast ? csv_rows(st, length, most, at_once, 1, high) : csv_rows(st, length, most, at_once, 0, high);
end:
    free(st->marks);
    free(st->scratch.at);
    return found;
}

#endif
