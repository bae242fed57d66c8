/* Values as Parquet stores them in a page: levels, bit-packed codes, plain values, deltas, and small dictionaries.
 *
 * Every function reads rows [offset, offset + rows) of an Arrow column and nothing beyond them. `valid` is an Arrow
 * validity bitmap, NULL where no row is null. Values under nulls are never looked at. Little-endian machines only.
 * Where something is packed, `out` needs POPSTRAT_SLACK bytes more than the bytes that are returned.
 */
#ifndef POPSTRAT_PARQUET_WRITE_H
#define POPSTRAT_PARQUET_WRITE_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define POPSTRAT_X86 1
#include <immintrin.h>
#endif

#define POPSTRAT_SLACK 16
#define POPSTRAT_MOST_CODES 65535 /* of a dictionary, so that a code and "none yet" fit 16 bits */

#ifdef __GNUC__
#define POPSTRAT_ONES(w) __builtin_popcountll(w)
#define POPSTRAT_BITS(w) ((w) ? 64 - __builtin_clzll(w) : 0)
#else
static inline int popstrat_ones(uint64_t w) {
    int n = 0;
    for (; w; w &= w - 1) n++;
    return n;
}
static inline int popstrat_bits(uint64_t w) {
    int n = 0;
    for (; w; w >>= 1) n++;
    return n;
}
#define POPSTRAT_ONES(w) popstrat_ones(w)
#define POPSTRAT_BITS(w) popstrat_bits(w)
#endif

/* ---- bitmaps -------------------------------------------------------------------------------------------------- */

/* The n <= 64 bits from bit `at` on; bytes beyond them are not touched. */
static inline uint64_t popstrat_word(const uint8_t *bits, int64_t at, int64_t n) {
    int shift = (int)(at & 7);
    int64_t bytes = (shift + n + 7) >> 3;
    uint64_t w = 0;
    bits += at >> 3;
    if (bytes >= 8) {
        memcpy(&w, bits, 8);
        w >>= shift;
        if (bytes > 8) w |= (uint64_t)bits[8] << (64 - shift);
    } else {
        memcpy(&w, bits, (size_t)bytes);
        w >>= shift;
    }
    return n < 64 ? w & ((UINT64_C(1) << n) - 1) : w;
}

static int64_t popstrat_count_ones(const uint8_t *bits, int64_t offset, int64_t rows) {
    int64_t n = 0, i = 0;
    for (; i + 64 <= rows; i += 64) n += POPSTRAT_ONES(popstrat_word(bits, offset + i, 64));
    return i < rows ? n + POPSTRAT_ONES(popstrat_word(bits, offset + i, rows - i)) : n;
}

/* Copies bits to the start of `out`, the last byte filled up with zeros; returns the bytes. */
static int64_t popstrat_copy_bits(uint8_t *out, const uint8_t *bits, int64_t offset, int64_t rows) {
    int64_t i = 0;
    for (; i + 64 <= rows; i += 64) {
        uint64_t w = popstrat_word(bits, offset + i, 64);
        memcpy(out + (i >> 3), &w, 8);
    }
    if (i < rows) {
        uint64_t w = popstrat_word(bits, offset + i, rows - i);
        memcpy(out + (i >> 3), &w, (size_t)((rows - i + 7) >> 3));
    }
    return (rows + 7) >> 3;
}

/* The bits of valid rows only; returns how many there are. */
static int64_t popstrat_dense_bits(uint8_t *out, const uint8_t *bits, const uint8_t *valid, int64_t offset,
                                   int64_t rows) {
    uint64_t held = 0;
    int64_t n = 0;
    for (int64_t i = 0; i < rows; i += 64) {
        int64_t here = rows - i < 64 ? rows - i : 64;
        uint64_t mask = popstrat_word(valid, offset + i, here), w = popstrat_word(bits, offset + i, here);
        for (; mask; mask >>= 1, w >>= 1) {
            held |= (w & mask & 1) << (n & 63);
            n += (int64_t)(mask & 1);
            if ((mask & 1) && (n & 63) == 0) {
                memcpy(out + (n >> 3) - 8, &held, 8);
                held = 0;
            }
        }
    }
    memcpy(out + (n >> 6 << 3), &held, (size_t)(((n & 63) + 7) >> 3));
    return n;
}

/* ---- runs ----------------------------------------------------------------------------------------------------- */

static inline uint8_t *popstrat_varint(uint8_t *out, uint64_t v) {
    for (; v >= 128; v >>= 7) *out++ = (uint8_t)(v | 128);
    *out++ = (uint8_t)v;
    return out;
}

static inline uint8_t *popstrat_zigzag(uint8_t *out, int64_t v) {
    return popstrat_varint(out, (uint64_t)v << 1 ^ (v < 0 ? ~UINT64_C(0) : 0));
}

/* Definition levels of an optional column, `present` of whose rows are valid, with their length before them: a
 * bitmap as it is, or one run. At most 16 bytes more than the bitmap; returns the bytes. */
static int64_t popstrat_levels(uint8_t *out, const uint8_t *valid, int64_t offset, int64_t rows, int64_t present) {
    uint8_t *at = out + 4;
    uint32_t length;
    if (present == rows || present == 0) {
        if (rows) {
            at = popstrat_varint(at, (uint64_t)rows << 1);
            *at++ = present != 0;
        }
    } else {
        at = popstrat_varint(at, (uint64_t)(((rows + 7) >> 3) << 1 | 1));
        at += popstrat_copy_bits(at, valid, offset, rows);
    }
    length = (uint32_t)(at - out - 4);
    memcpy(out, &length, 4);
    return at - out;
}

/* ---- valid rows only ------------------------------------------------------------------------------------------ */

#define POPSTRAT_DENSE(name, type)                                                                                     \
    static int64_t name(void *to, const void *from, const uint8_t *valid, int64_t offset, int64_t rows) {              \
        uint8_t *out = (uint8_t *)to;                                                                                  \
        const uint8_t *in = (const uint8_t *)from + offset * (int64_t)sizeof(type);                                    \
        for (int64_t i = 0; i < rows; i += 64, in += 64 * sizeof(type)) {                                              \
            int64_t here = rows - i < 64 ? rows - i : 64;                                                              \
            uint64_t mask = popstrat_word(valid, offset + i, here);                                                    \
            if (mask == ~UINT64_C(0)) {                                                                                \
                memcpy(out, in, 64 * sizeof(type));                                                                    \
                out += 64 * sizeof(type);                                                                              \
                continue;                                                                                              \
            }                                                                                                          \
            if (mask == 0) continue;                                                                                   \
            for (int64_t j = 0; j < here; j++, mask >>= 1) { /* always stored, kept if valid: nothing to predict */    \
                memcpy(out, in + j * (int64_t)sizeof(type), sizeof(type));                                             \
                out += (mask & 1) * sizeof(type);                                                                      \
            }                                                                                                          \
        }                                                                                                              \
        return (out - (uint8_t *)to) / (int64_t)sizeof(type);                                                          \
    }
POPSTRAT_DENSE(popstrat_dense1, uint8_t)
POPSTRAT_DENSE(popstrat_dense2, uint16_t)
POPSTRAT_DENSE(popstrat_dense4, uint32_t)
POPSTRAT_DENSE(popstrat_dense8, uint64_t)

#ifdef POPSTRAT_X86
/* The same for bytes, eight at a time: for every byte of a bitmap, where the bytes of its valid rows are. */
static uint64_t popstrat_shuffles[256];

static void popstrat_prepare(void) {
    for (int mask = 0; mask < 256; mask++) {
        uint64_t places = 0;
        int n = 0;
        for (uint64_t j = 0; j < 8; j++) {
            if (mask >> j & 1) places |= j << (8 * n++);
        }
        popstrat_shuffles[mask] = places;
    }
}

__attribute__((target("ssse3,popcnt"))) static int64_t popstrat_dense1_ssse3(void *to, const void *from, const uint8_t *valid,
                                                                     int64_t offset, int64_t rows) {
    uint8_t *out = (uint8_t *)to;
    const uint8_t *in = (const uint8_t *)from + offset;
    int64_t i = 0;
    for (; i + 64 <= rows; i += 64, in += 64) {
        uint64_t mask = popstrat_word(valid, offset + i, 64);
        for (int j = 0; j < 64; j += 8, mask >>= 8) {
            const uint8_t here = (uint8_t)mask;
            const __m128i bytes = _mm_loadl_epi64((const __m128i *)(in + j));
            const __m128i places = _mm_loadl_epi64((const __m128i *)&popstrat_shuffles[here]);
            _mm_storel_epi64((__m128i *)out, _mm_shuffle_epi8(bytes, places));
            out += POPSTRAT_ONES(here);
        }
    }
    return out - (uint8_t *)to + popstrat_dense1(out, from, valid, offset + i, rows - i);
}
#else
static void popstrat_prepare(void) {}
#endif

/* Valid values side by side; `to` holds at least rows + 8 values of `width` bytes. Returns how many there are. */
static int64_t popstrat_dense(void *to, const void *from, int width, const uint8_t *valid, int64_t offset,
                              int64_t rows) {
#ifdef POPSTRAT_X86
    if (width == 1 && __builtin_cpu_supports("ssse3") && __builtin_cpu_supports("popcnt")) {
        return popstrat_dense1_ssse3(to, from, valid, offset, rows);
    }
#endif
    switch (width) {
    case 1: return popstrat_dense1(to, from, valid, offset, rows);
    case 2: return popstrat_dense2(to, from, valid, offset, rows);
    case 4: return popstrat_dense4(to, from, valid, offset, rows);
    default: return popstrat_dense8(to, from, valid, offset, rows);
    }
}

/* ---- plain values --------------------------------------------------------------------------------------------- */

enum { POPSTRAT_I8, POPSTRAT_U8, POPSTRAT_I16, POPSTRAT_U16, POPSTRAT_I32, POPSTRAT_U32, POPSTRAT_F32, POPSTRAT_I64,
       POPSTRAT_U64, POPSTRAT_F64 };

#define POPSTRAT_WIDEN(type)                                                                                           \
    for (int64_t i = 0; i < n; i++) {                                                                                  \
        type v;                                                                                                        \
        int32_t wide;                                                                                                  \
        memcpy(&v, in + i * (int64_t)sizeof v, sizeof v);                                                              \
        wide = v;                                                                                                      \
        memcpy(out + 4 * i, &wide, 4);                                                                                 \
    }                                                                                                                  \
    return 4 * n;

/* n values side by side as PLAIN stores them, narrow integers as 32 bits; returns the bytes. */
static int64_t popstrat_plain(uint8_t *out, const uint8_t *in, int kind, int64_t n) {
    int64_t bytes = n * (kind >= POPSTRAT_I64 ? 8 : 4);
    switch (kind) {
    case POPSTRAT_I8: POPSTRAT_WIDEN(int8_t)
    case POPSTRAT_U8: POPSTRAT_WIDEN(uint8_t)
    case POPSTRAT_I16: POPSTRAT_WIDEN(int16_t)
    case POPSTRAT_U16: POPSTRAT_WIDEN(uint16_t)
    }
    memcpy(out, in, (size_t)bytes);
    return bytes;
}

/* The least and the greatest of plain values, put into lo and hi, which hold those of earlier values if `any`.
 * NaN is passed over, and a zero bound of floats takes the sign that makes it include both zeros, as Parquet asks.
 * Returns whether there is a bound. */
#define POPSTRAT_ALWAYS(v) 1
#define POPSTRAT_RANGE(type, number, zero_low, zero_high)                                                              \
    {                                                                                                                  \
        type least, most, v;                                                                                           \
        int64_t i = 0;                                                                                                 \
        memcpy(&least, lo, sizeof v);                                                                                  \
        memcpy(&most, hi, sizeof v);                                                                                   \
        for (; !any && i < n; i++) {                                                                                   \
            memcpy(&v, in + i * (int64_t)sizeof v, sizeof v);                                                          \
            any = number(v);                                                                                           \
            least = most = v;                                                                                          \
        }                                                                                                              \
        for (; i < n; i++) {                                                                                           \
            memcpy(&v, in + i * (int64_t)sizeof v, sizeof v);                                                          \
            least = v < least ? v : least;                                                                             \
            most = v > most ? v : most;                                                                                \
        }                                                                                                              \
        if (least == 0) least = zero_low;                                                                              \
        if (most == 0) most = zero_high;                                                                               \
        memcpy(lo, &least, sizeof v);                                                                                  \
        memcpy(hi, &most, sizeof v);                                                                                   \
        return any;                                                                                                    \
    }

static int popstrat_range(const uint8_t *in, int kind, int64_t n, int any, uint8_t *lo, uint8_t *hi) {
    switch (kind) {
    case POPSTRAT_U8:
    case POPSTRAT_U16:
    case POPSTRAT_U32: POPSTRAT_RANGE(uint32_t, POPSTRAT_ALWAYS, 0, 0)
    case POPSTRAT_I64: POPSTRAT_RANGE(int64_t, POPSTRAT_ALWAYS, 0, 0)
    case POPSTRAT_U64: POPSTRAT_RANGE(uint64_t, POPSTRAT_ALWAYS, 0, 0)
    case POPSTRAT_F32: POPSTRAT_RANGE(float, !isnan, -0.0f, 0.0f)
    case POPSTRAT_F64: POPSTRAT_RANGE(double, !isnan, -0.0, 0.0)
    default: POPSTRAT_RANGE(int32_t, POPSTRAT_ALWAYS, 0, 0)
    }
}

/* Valid strings with their lengths before them. Returns the bytes, -1 if offsets go backwards or past `limit`. With
 * `out` NULL nothing is written. */
#define POPSTRAT_TEXT(name, type)                                                                                      \
    static int64_t name(uint8_t *out, const uint8_t *ends, const uint8_t *characters, int64_t limit,                   \
                        const uint8_t *valid, int64_t offset, int64_t rows) {                                          \
        int64_t total = 0;                                                                                             \
        ends += offset * (int64_t)sizeof(type);                                                                        \
        for (int64_t i = 0; i < rows; i++) {                                                                           \
            type from, to;                                                                                             \
            uint32_t length;                                                                                           \
            if (valid != NULL && !(valid[(offset + i) >> 3] >> ((offset + i) & 7) & 1)) continue;                      \
            memcpy(&from, ends + i * (int64_t)sizeof(type), sizeof(type));                                             \
            memcpy(&to, ends + (i + 1) * (int64_t)sizeof(type), sizeof(type));                                         \
            if (from < 0 || to < from || to > limit || (int64_t)to - (int64_t)from > INT32_MAX) return -1;             \
            length = (uint32_t)(to - from);                                                                            \
            if (out != NULL) {                                                                                         \
                memcpy(out + total, &length, 4);                                                                       \
                if (length) memcpy(out + total + 4, characters + from, length);                                        \
            }                                                                                                          \
            total += 4 + (int64_t)length;                                                                              \
        }                                                                                                              \
        return total;                                                                                                  \
    }
POPSTRAT_TEXT(popstrat_text32, int32_t)
POPSTRAT_TEXT(popstrat_text64, int64_t)

/* ---- codes ---------------------------------------------------------------------------------------------------- */

/* Eight codes below 2^width take `width` bytes. */
static int64_t popstrat_pack8(uint8_t *out, const uint8_t *codes, int64_t n, int width) {
    uint8_t *start = out;
    for (int64_t i = 0; i < n; i += 8, out += width) {
        uint64_t x = 0;
        memcpy(&x, codes + i, n - i < 8 ? (size_t)(n - i) : 8);
        x = (x & UINT64_C(0x00FF00FF00FF00FF)) | (x & UINT64_C(0xFF00FF00FF00FF00)) >> (8 - width);
        x = (x & UINT64_C(0x0000FFFF0000FFFF)) | (x & UINT64_C(0xFFFF0000FFFF0000)) >> (16 - 2 * width);
        x = (x & UINT64_C(0x00000000FFFFFFFF)) | (x & UINT64_C(0xFFFFFFFF00000000)) >> (32 - 4 * width);
        memcpy(out, &x, 8);
    }
    return out - start;
}

static inline uint64_t popstrat_squeeze16(uint64_t x, int width) {
    x = (x & UINT64_C(0x0000FFFF0000FFFF)) | (x & UINT64_C(0xFFFF0000FFFF0000)) >> (16 - width);
    return (x & UINT64_C(0x00000000FFFFFFFF)) | (x & UINT64_C(0xFFFFFFFF00000000)) >> (32 - 2 * width);
}

static int64_t popstrat_pack16(uint8_t *out, const uint16_t *codes, int64_t n, int width) {
    uint8_t *start = out;
    for (int64_t i = 0; i < n; i += 8, out += width) {
        uint64_t x[2] = {0, 0}, low, high;
        memcpy(x, codes + i, n - i < 8 ? (size_t)(n - i) * 2 : 16);
        low = popstrat_squeeze16(x[0], width);
        high = popstrat_squeeze16(x[1], width);
        if (width < 16) {
            low |= high << (4 * width);
            high >>= 64 - 4 * width;
        }
        memcpy(out, &low, 8);
        memcpy(out + 8, &high, 8);
    }
    return out - start;
}

/* Bits a code takes in a dictionary of so many entries. Codes that do not straddle bytes compress better, by more
 * than a bit, so that 3, 7 and 15 bits are rounded up. */
static int popstrat_code_width(int64_t entries) {
    int width = entries > 1 ? POPSTRAT_BITS((uint64_t)entries - 1) : 1;
    return width == 3 || width == 7 || width == 15 ? width + 1 : width;
}

/* The data of a dictionary-coded page: the width, then one run, repeated or bit-packed. Codes have 1 or 2 bytes. */
static int64_t popstrat_codes(uint8_t *out, const void *codes, int bytes, int64_t n, int width) {
    uint8_t *at = out;
    *at++ = (uint8_t)width;
    if (n == 0) return 1;
    if (memcmp(codes, (const uint8_t *)codes + bytes, (size_t)(n - 1) * (size_t)bytes) == 0) {
        at = popstrat_varint(at, (uint64_t)n << 1);
        memcpy(at, codes, (size_t)bytes);
        return at + (width + 7) / 8 - out;
    }
    at = popstrat_varint(at, (uint64_t)(((n + 7) >> 3) << 1 | 1));
    at += bytes == 1 ? popstrat_pack8(at, (const uint8_t *)codes, n, width)
                     : popstrat_pack16(at, (const uint16_t *)codes, n, width);
    return at - out;
}

/* The greatest of n bytes: whether codes of one byte are all within a dictionary. */
static uint8_t popstrat_most(const uint8_t *in, int64_t n) {
    uint8_t most = 0;
    for (int64_t i = 0; i < n; i++) most = in[i] > most ? in[i] : most;
    return most;
}

/* ---- distinct values ------------------------------------------------------------------------------------------ */

/* A dictionary in the making: values of up to 64 bits, zero-extended, in the order in which they came. With `hashed`
 * they are found by hashing and linear probing, else by a table of all values below `capacity`. */
typedef struct {
    uint64_t *values;
    uint16_t *slots; /* code + 1; 0: free */
    int64_t entries;
    int64_t capacity; /* slots; hashed: a power of two, at least four times the entries */
    int hashed;
} popstrat_distinct;

static void popstrat_forget(popstrat_distinct *d) {
    free(d->values);
    free(d->slots);
    memset(d, 0, sizeof *d);
}

/* Forgets the values, keeps the slots. */
static void popstrat_clear(popstrat_distinct *d) {
    if (d->slots != NULL) memset(d->slots, 0, (size_t)d->capacity * sizeof *d->slots);
    d->entries = 0;
}

static inline uint64_t popstrat_slot(uint64_t value, int64_t capacity) {
    return (((value ^ value >> 32) * UINT64_C(0x9E3779B97F4A7C15)) >> 40) & (uint64_t)(capacity - 1);
}

/* Gives `capacity` slots; returns 0 if memory runs out, and then all is as before. */
static int popstrat_grow(popstrat_distinct *d, int64_t capacity) {
    int64_t most = d->hashed ? capacity / 4 : capacity < POPSTRAT_MOST_CODES ? capacity : POPSTRAT_MOST_CODES;
    uint16_t *slots = (uint16_t *)calloc((size_t)capacity + 1, sizeof *slots);
    uint64_t *values = (uint64_t *)realloc(d->values, (size_t)(most + 1) * sizeof *values);
    if (values != NULL) d->values = values;
    if (slots == NULL || values == NULL) {
        free(slots);
        return 0;
    }
    free(d->slots);
    d->slots = slots;
    d->capacity = capacity;
    for (int64_t i = 0; i < d->entries; i++) { /* only hashed ones grow */
        uint64_t at = popstrat_slot(values[i], capacity);
        while (slots[at]) at = (at + 1) & (uint64_t)(capacity - 1);
        slots[at] = (uint16_t)(i + 1);
    }
    return 1;
}

/* Goes over n values in blocks; a block that goes on with the value before it needs no looking up. `known` may code a
 * whole block and go on to the next; what it leaves is done by `find`, a value at a time. */
#define POPSTRAT_EACH(type, known, find)                                                                               \
    slots = d->slots;                                                                                                  \
    values = d->values;                                                                                                \
    capacity = d->capacity;                                                                                            \
    for (int64_t i = 0; i < n;) {                                                                                      \
        const int64_t size = sizeof(type), stop = n - i < 64 ? n : i + 64;                                             \
        if (i && memcmp(in + (i - 1) * size, in + i * size, (size_t)((stop - i) * size)) == 0) {                       \
            uint16_t code = codes[i - 1];                                                                              \
            for (; i < stop; i++) codes[i] = code;                                                                     \
            continue;                                                                                                  \
        }                                                                                                              \
        known(type);                                                                                                   \
        for (; i < stop; i++) {                                                                                        \
            type v;                                                                                                    \
            memcpy(&v, in + i * size, sizeof v);                                                                       \
            find                                                                                                       \
        }                                                                                                              \
    }                                                                                                                  \
    return n;

/* No branch in it but the last: most blocks hold nothing new. */
#define POPSTRAT_ALL_IN_TABLE(type)                                                                                    \
    uint16_t least = UINT16_MAX;                                                                                       \
    for (int64_t j = i; j < stop; j++) {                                                                               \
        type v;                                                                                                        \
        uint16_t code;                                                                                                 \
        memcpy(&v, in + j * size, sizeof v);                                                                           \
        code = (uint64_t)v < (uint64_t)capacity ? slots[v] : 0;                                                        \
        least = code < least ? code : least;                                                                           \
        codes[j] = (uint16_t)(code - 1);                                                                               \
    }                                                                                                                  \
    if (least) {                                                                                                       \
        i = stop;                                                                                                      \
        continue;                                                                                                      \
    }

#define POPSTRAT_NOT_AT_ONCE(type)

#define POPSTRAT_FROM_TABLE                                                                                            \
    uint16_t code;                                                                                                     \
    if ((uint64_t)v >= (uint64_t)capacity) return -2;                                                                  \
    code = slots[v];                                                                                                   \
    if (!code) {                                                                                                       \
        if (d->entries == POPSTRAT_MOST_CODES) return i;                                                               \
        values[d->entries++] = v;                                                                                      \
        slots[v] = code = (uint16_t)d->entries;                                                                        \
    }                                                                                                                  \
    codes[i] = (uint16_t)(code - 1);

#define POPSTRAT_BY_HASH                                                                                               \
    uint64_t at = popstrat_slot(v, capacity);                                                                          \
    uint16_t code;                                                                                                     \
    while ((code = slots[at]) && values[code - 1] != v) at = (at + 1) & (uint64_t)(capacity - 1);                      \
    if (!code) {                                                                                                       \
        if (d->entries == POPSTRAT_MOST_CODES) return i;                                                               \
        values[d->entries++] = v;                                                                                      \
        slots[at] = code = (uint16_t)d->entries;                                                                       \
        if (d->entries * 4 >= capacity) {                                                                              \
            if (!popstrat_grow(d, 4 * capacity)) return -1;                                                            \
            slots = d->slots;                                                                                          \
            values = d->values;                                                                                        \
            capacity = d->capacity;                                                                                    \
        }                                                                                                              \
    }                                                                                                                  \
    codes[i] = (uint16_t)(code - 1);

/* Codes of n values of `width` bytes, side by side; a dictionary without slots is given some. Returns how many were
 * coded before the dictionary was full, -1 if memory ran out, -2 for a value that the table does not hold. */
static int64_t popstrat_distinct_codes(popstrat_distinct *d, uint16_t *restrict codes, const uint8_t *restrict in,
                                       int width, int64_t n) {
    uint16_t *restrict slots;
    uint64_t *restrict values;
    int64_t capacity;
    if (d->capacity == 0) {
        d->hashed = width > 2;
        if (!popstrat_grow(d, width == 1 ? 256 : width == 2 ? 65536 : 4096)) return -1;
    }
    if (d->hashed) {
        if (width == 4) {
            POPSTRAT_EACH(uint32_t, POPSTRAT_NOT_AT_ONCE, POPSTRAT_BY_HASH)
        }
        POPSTRAT_EACH(uint64_t, POPSTRAT_NOT_AT_ONCE, POPSTRAT_BY_HASH)
    }
    switch (width) {
    case 1: POPSTRAT_EACH(uint8_t, POPSTRAT_ALL_IN_TABLE, POPSTRAT_FROM_TABLE)
    case 2: POPSTRAT_EACH(uint16_t, POPSTRAT_ALL_IN_TABLE, POPSTRAT_FROM_TABLE)
    case 4: POPSTRAT_EACH(uint32_t, POPSTRAT_ALL_IN_TABLE, POPSTRAT_FROM_TABLE)
    default: POPSTRAT_EACH(uint64_t, POPSTRAT_ALL_IN_TABLE, POPSTRAT_FROM_TABLE)
    }
}

/* The values of a dictionary, side by side in `width` bytes each. */
static void popstrat_entries(const popstrat_distinct *d, uint8_t *out, int width) {
    for (int64_t i = 0; i < d->entries; i++) memcpy(out + i * width, &d->values[i], (size_t)width);
}

/* Codes of one dictionary turned into those of another, in place. */
static void popstrat_recode(uint16_t *codes, int64_t n, const uint16_t *table) {
    for (int64_t i = 0; i < n; i++) codes[i] = table[codes[i]];
}

/* ---- deltas --------------------------------------------------------------------------------------------------- */

#define POPSTRAT_DELTA_BLOCK 128
#define POPSTRAT_DELTA_PART 32

/* Room for n values: a block's values are at worst stored in full. */
static inline int64_t popstrat_delta_bound(int64_t n) {
    return 40 + (n + POPSTRAT_DELTA_BLOCK - 1) / POPSTRAT_DELTA_BLOCK * (POPSTRAT_DELTA_BLOCK * 8 + 16);
}

/* DELTA_BINARY_PACKED of n 64-bit integers side by side, in blocks of 128 with 4 widths; differences wrap around. */
static int64_t popstrat_delta(uint8_t *out, const uint8_t *in, int64_t n) {
    uint8_t *start = out;
    int64_t first = 0;
    uint64_t last;
    if (n) memcpy(&first, in, 8);
    out = popstrat_varint(out, POPSTRAT_DELTA_BLOCK);
    out = popstrat_varint(out, POPSTRAT_DELTA_BLOCK / POPSTRAT_DELTA_PART);
    out = popstrat_varint(out, (uint64_t)n);
    out = popstrat_zigzag(out, first);
    last = (uint64_t)first;
    for (int64_t i = 1; i < n; i += POPSTRAT_DELTA_BLOCK) {
        int64_t here = n - i < POPSTRAT_DELTA_BLOCK ? n - i : POPSTRAT_DELTA_BLOCK;
        uint64_t deltas[POPSTRAT_DELTA_BLOCK];
        int64_t least = INT64_MAX;
        uint8_t *widths;
        for (int64_t j = 0; j < here; j++) {
            uint64_t v;
            memcpy(&v, in + 8 * (i + j), 8);
            deltas[j] = v - last;
            last = v;
            least = (int64_t)deltas[j] < least ? (int64_t)deltas[j] : least;
        }
        for (int64_t j = 0; j < POPSTRAT_DELTA_BLOCK; j++) deltas[j] = j < here ? deltas[j] - (uint64_t)least : 0;
        out = popstrat_zigzag(out, least);
        widths = out;
        out += POPSTRAT_DELTA_BLOCK / POPSTRAT_DELTA_PART;
        for (int64_t part = 0; part < POPSTRAT_DELTA_BLOCK; part += POPSTRAT_DELTA_PART) {
            uint64_t any = 0, held = 0;
            int width, used = 0, paired;
            for (int64_t j = 0; j < POPSTRAT_DELTA_PART; j++) any |= deltas[part + j];
            *widths++ = (uint8_t)(width = POPSTRAT_BITS(any));
            paired = width <= 32;
            if (paired) { /* two at a time */
                for (int64_t j = 0; j < POPSTRAT_DELTA_PART / 2; j++) {
                    deltas[part + j] = deltas[part + 2 * j] | deltas[part + 2 * j + 1] << width;
                }
                width *= 2;
            }
            for (int64_t j = 0; width && j < (paired ? POPSTRAT_DELTA_PART / 2 : POPSTRAT_DELTA_PART); j++) {
                uint64_t v = deltas[part + j];
                held |= v << used;
                used += width;
                if (used >= 64) {
                    memcpy(out, &held, 8);
                    out += 8;
                    used -= 64;
                    held = used ? v >> (width - used) : 0;
                }
            }
            memcpy(out, &held, (size_t)(used / 8)); /* 32 values of any width fill whole bytes */
            out += used / 8;
        }
    }
    return out - start;
}

#endif
