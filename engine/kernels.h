/* The kernels and the block loop, included once for each instruction set (LEVEL 0 baseline, 2 AVX2, 4 AVX-512).
 *
 * Every variant gives the same bits: the same operations in the same order, no fused multiply-add, no
 * reassociation. Loops run over whole 64-row words; the rows of the last word beyond the batch hold rubbish that
 * no output and no counter takes up, and no input is read past its end.
 */

/* ---- 64 bytes of 0/1 <-> one word ------------------------------------------------------------------------------ */

static inline uint64_t FN(pack64)(const uint8_t *t) {
#if LEVEL >= 4
    __m512i v = _mm512_loadu_si512((const void *)t);
    return _mm512_test_epi8_mask(v, v);
#elif LEVEL >= 2
    __m256i a = _mm256_slli_epi16(_mm256_loadu_si256((const __m256i *)t), 7);
    __m256i b = _mm256_slli_epi16(_mm256_loadu_si256((const __m256i *)(t + 32)), 7);
    return (uint64_t)(uint32_t)_mm256_movemask_epi8(a) | (uint64_t)(uint32_t)_mm256_movemask_epi8(b) << 32;
#elif defined(POPSTRAT_X86)
    uint64_t w = 0;
    for (int i = 0; i < 4; i++) {
        __m128i v = _mm_slli_epi16(_mm_loadu_si128((const __m128i *)(t + 16 * i)), 7);
        w |= (uint64_t)(uint32_t)_mm_movemask_epi8(v) << (16 * i);
    }
    return w;
#else
    uint64_t w = 0;
    for (int i = 0; i < 8; i++) {
        uint64_t b;
        memcpy(&b, t + 8 * i, 8);
        w |= ((b * UINT64_C(0x0102040810204080)) >> 56) << (8 * i);
    }
    return w;
#endif
}

/* out[j] = sum over p of 2^p * bit j of planes[p]: codes or small counts from their bit planes. */
#if LEVEL >= 4
static inline __m512i FN(set_bit)(__m512i bytes, const uint64_t *mask, char bit) {
    __mmask64 on; /* straight from memory: by way of a general register it costs half as much again */
    __asm__("kmovq %1, %0" : "=k"(on) : "m"(*mask));
    return _mm512_mask_add_epi8(bytes, on, bytes, _mm512_set1_epi8(bit));
}
static inline __m512i FN(expanded)(const uint64_t *planes, const int32_t *registers, int64_t n, int64_t word) {
    __m512i sum = _mm512_setzero_si512();
    for (int64_t p = 0; p < n; p++) sum = FN(set_bit)(sum, planes + (int64_t)registers[p] * PLANE_STEP + word, (char)(1u << p));
    return sum;
}
#endif
static inline void FN(expand64)(uint8_t *out, const uint64_t *planes, const int32_t *registers, int64_t n, int64_t word) {
#if LEVEL >= 4
    _mm512_storeu_si512((void *)out, FN(expanded)(planes, registers, n, word));
#elif LEVEL >= 2
    const __m256i spread = _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3,
                                            3, 3, 3, 3, 3, 3);
    const __m256i bit = _mm256_set1_epi64x((long long)0x8040201008040201ULL);
    __m256i sum[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
    for (int64_t p = 0; p < n; p++) {
        uint64_t w = planes[registers[p] * PLANE_STEP + word];
        __m256i add = _mm256_set1_epi8((char)(1u << p));
        for (int h = 0; h < 2; h++) {
            __m256i v = _mm256_shuffle_epi8(_mm256_set1_epi32((int)(uint32_t)(w >> (32 * h))), spread);
            v = _mm256_cmpeq_epi8(_mm256_and_si256(v, bit), bit);
            sum[h] = _mm256_or_si256(sum[h], _mm256_and_si256(v, add));
        }
    }
    _mm256_storeu_si256((__m256i *)out, sum[0]);
    _mm256_storeu_si256((__m256i *)(out + 32), sum[1]);
#else
    uint64_t sum[8] = {0};
    for (int64_t p = 0; p < n; p++) {
        uint64_t w = planes[registers[p] * PLANE_STEP + word];
        for (int i = 0; i < 8; i++) {
            uint64_t b = ((w >> (8 * i)) & 255) * UINT64_C(0x0101010101010101) & UINT64_C(0x8040201008040201);
            sum[i] += (((b + UINT64_C(0x7f7f7f7f7f7f7f7f)) >> 7) & UINT64_C(0x0101010101010101)) << p;
        }
    }
    memcpy(out, sum, 64);
#endif
}

/* 64 bytes past the caches, to an address that is a multiple of 64. */
static inline void FN(stream64)(void *to, const void *from) {
#if LEVEL >= 4
    _mm512_stream_si512((__m512i *)to, _mm512_loadu_si512(from));
#elif LEVEL >= 2
    _mm256_stream_si256((__m256i *)to, _mm256_loadu_si256((const __m256i *)from));
    _mm256_stream_si256((__m256i *)to + 1, _mm256_loadu_si256((const __m256i *)from + 1));
#else
    memcpy(to, from, 64);
#endif
}

#if LEVEL >= 2 && LEVEL < 4
/* Four doubles, zero where their bit (of the lowest four) is clear. */
static inline __m256d FN(where4)(uint64_t bits, const double *x) {
    const __m256i bit = _mm256_setr_epi64x(1, 2, 4, 8);
    const __m256i on = _mm256_cmpeq_epi64(_mm256_and_si256(_mm256_set1_epi64x((long long)bits), bit), bit);
    return _mm256_and_pd(_mm256_loadu_pd(x), _mm256_castsi256_pd(on));
}
#endif

/* ---- lo <= x <= hi as a plane ------------------------------------------------------------------------------------ */

#if LEVEL >= 4
/* The masks of the comparisons go to memory as they are, without a detour through general registers. Whole numbers take
 * one comparison: x - lo <= hi - lo, unsigned. Bounds that no float passes are not looked at. */
#define POPSTRAT_MASKS(suffix, T, LANES, MASK, PREPARE, TEST)                                                          \
    static POPSTRAT_NOINLINE void FN(range_##suffix)(uint64_t *out, const T *x, int64_t rows, T lo, T hi) {           \
        uint8_t *to = (uint8_t *)out;                                                                                 \
        const int64_t whole = rows / LANES;                                                                           \
        int64_t i = 0;                                                                                                \
        PREPARE                                                                                                       \
        for (; i + 8 <= whole; i += 8) {                                                                              \
            POPSTRAT_UNROLL                                                                                           \
            for (int k = 0; k < 8; k++) {                                                                             \
                const MASK m = TEST(x + LANES * (i + k));                                                             \
                memcpy(to + (i + k) * (LANES / 8), &m, LANES / 8);                                                    \
            }                                                                                                         \
        }                                                                                                             \
        for (; i < whole; i++) {                                                                                      \
            const MASK m = TEST(x + LANES * i);                                                                       \
            memcpy(to + i * (LANES / 8), &m, LANES / 8);                                                              \
        }                                                                                                             \
        if (rows % LANES) {                                                                                           \
            T last[LANES] = {0};                                                                                      \
            memcpy(last, x + LANES * whole, (size_t)(rows % LANES) * sizeof(T));                                      \
            const MASK m = TEST(last);                                                                                \
            memcpy(to + whole * (LANES / 8), &m, LANES / 8);                                                          \
        }                                                                                                             \
    }
#define POPSTRAT_SPREAD(bits)                                                                                          \
    const __m512i low = _mm512_set1_epi##bits(lo);                                                                    \
    const __m512i width = _mm512_set1_epi##bits((int##bits##_t)((uint##bits##_t)hi - (uint##bits##_t)lo));
#define POPSTRAT_SPREAD64                                                                                              \
    const __m512i low = _mm512_set1_epi64(lo), width = _mm512_set1_epi64((int64_t)((uint64_t)hi - (uint64_t)lo));
#define POPSTRAT_INSIDE(bits, p)                                                                                       \
    _mm512_cmple_epu##bits##_mask(_mm512_sub_epi##bits(_mm512_loadu_si512((const void *)(p)), low), width)
#define POPSTRAT_INSIDE8(p) POPSTRAT_INSIDE(8, p)
#define POPSTRAT_INSIDE16(p) POPSTRAT_INSIDE(16, p)
#define POPSTRAT_INSIDE32(p) POPSTRAT_INSIDE(32, p)
#define POPSTRAT_INSIDE64(p) POPSTRAT_INSIDE(64, p)
POPSTRAT_MASKS(i8, int8_t, 64, __mmask64, POPSTRAT_SPREAD(8), POPSTRAT_INSIDE8)
POPSTRAT_MASKS(u8, uint8_t, 64, __mmask64, POPSTRAT_SPREAD(8), POPSTRAT_INSIDE8)
POPSTRAT_MASKS(i16, int16_t, 32, __mmask32, POPSTRAT_SPREAD(16), POPSTRAT_INSIDE16)
POPSTRAT_MASKS(i32, int32_t, 16, __mmask16, POPSTRAT_SPREAD(32), POPSTRAT_INSIDE32)
POPSTRAT_MASKS(i64, int64_t, 8, __mmask8, POPSTRAT_SPREAD64, POPSTRAT_INSIDE64)
#define POPSTRAT_ABOVE(p, x) _mm512_cmp_p##p##_mask(_mm512_loadu_p##p(x), low, _CMP_GE_OQ)
#define POPSTRAT_BELOW(p, x) _mm512_cmp_p##p##_mask(_mm512_loadu_p##p(x), high, _CMP_LE_OQ)
#define POPSTRAT_SINGLES const __m512 low = _mm512_set1_ps(lo), high = _mm512_set1_ps(hi); (void)low, (void)high;
#define POPSTRAT_DOUBLES const __m512d low = _mm512_set1_pd(lo), high = _mm512_set1_pd(hi); (void)low, (void)high;
#define POPSTRAT_ABOVE_F(x) POPSTRAT_ABOVE(s, x)
#define POPSTRAT_BELOW_F(x) POPSTRAT_BELOW(s, x)
#define POPSTRAT_WITHIN_F(x) _mm512_mask_cmp_ps_mask(POPSTRAT_ABOVE_F(x), _mm512_loadu_ps(x), high, _CMP_LE_OQ)
#define POPSTRAT_ABOVE_D(x) POPSTRAT_ABOVE(d, x)
#define POPSTRAT_BELOW_D(x) POPSTRAT_BELOW(d, x)
#define POPSTRAT_WITHIN_D(x) _mm512_mask_cmp_pd_mask(POPSTRAT_ABOVE_D(x), _mm512_loadu_pd(x), high, _CMP_LE_OQ)
POPSTRAT_MASKS(above_f32, float, 16, __mmask16, POPSTRAT_SINGLES, POPSTRAT_ABOVE_F)
POPSTRAT_MASKS(below_f32, float, 16, __mmask16, POPSTRAT_SINGLES, POPSTRAT_BELOW_F)
POPSTRAT_MASKS(within_f32, float, 16, __mmask16, POPSTRAT_SINGLES, POPSTRAT_WITHIN_F)
POPSTRAT_MASKS(above_f64, double, 8, __mmask8, POPSTRAT_DOUBLES, POPSTRAT_ABOVE_D)
POPSTRAT_MASKS(below_f64, double, 8, __mmask8, POPSTRAT_DOUBLES, POPSTRAT_BELOW_D)
POPSTRAT_MASKS(within_f64, double, 8, __mmask8, POPSTRAT_DOUBLES, POPSTRAT_WITHIN_D)
#define POPSTRAT_RANGE(suffix, T, bits, BITS)                                                                          \
    static inline void FN(range_##suffix)(uint64_t *out, const T *x, int64_t rows, T lo, T hi) {                      \
        if (lo == -INFINITY)                                                                                          \
            FN(range_below_##suffix)(out, x, rows, lo, hi);                                                           \
        else if (hi == INFINITY)                                                                                      \
            FN(range_above_##suffix)(out, x, rows, lo, hi);                                                           \
        else if (lo > 0 && lo <= hi) { /* these are in the order of their bits, negative ones and NaN outside */        \
            BITS low, high;                                                                                           \
            memcpy(&low, &lo, sizeof lo);                                                                             \
            memcpy(&high, &hi, sizeof hi);                                                                            \
            FN(range_##bits)(out, (const BITS *)x, rows, low, high);                                                  \
        } else                                                                                                        \
            FN(range_within_##suffix)(out, x, rows, lo, hi);                                                          \
    }
POPSTRAT_RANGE(f32, float, i32, int32_t)
POPSTRAT_RANGE(f64, double, i64, int64_t)
#undef POPSTRAT_RANGE
#undef POPSTRAT_MASKS
#undef POPSTRAT_SPREAD
#undef POPSTRAT_SPREAD64
#undef POPSTRAT_INSIDE
#undef POPSTRAT_INSIDE8
#undef POPSTRAT_INSIDE16
#undef POPSTRAT_INSIDE32
#undef POPSTRAT_INSIDE64
#undef POPSTRAT_ABOVE
#undef POPSTRAT_BELOW
#undef POPSTRAT_SINGLES
#undef POPSTRAT_DOUBLES
#undef POPSTRAT_ABOVE_F
#undef POPSTRAT_BELOW_F
#undef POPSTRAT_WITHIN_F
#undef POPSTRAT_ABOVE_D
#undef POPSTRAT_BELOW_D
#undef POPSTRAT_WITHIN_D
#else
#define POPSTRAT_RANGE(suffix, T)                                                                                      \
    static inline uint64_t FN(in64_##suffix)(const T *x, T lo, T hi) {                                                \
        uint8_t t[64];                                                                                                \
        for (int j = 0; j < 64; j++) t[j] = (uint8_t)((x[j] >= lo) & (x[j] <= hi));                                   \
        return FN(pack64)(t);                                                                                         \
    }                                                                                                                 \
    static POPSTRAT_NOINLINE void FN(range_##suffix)(uint64_t *out, const T *x, int64_t rows, T lo, T hi) {           \
        const int64_t whole = rows / 64;                                                                              \
        for (int64_t w = 0; w < whole; w++) out[w] = FN(in64_##suffix)(x + 64 * w, lo, hi);                           \
        if (rows % 64) {                                                                                              \
            T last[64] = {0};                                                                                         \
            memcpy(last, x + 64 * whole, (size_t)(rows % 64) * sizeof(T));                                            \
            out[whole] = FN(in64_##suffix)(last, lo, hi);                                                             \
        }                                                                                                             \
    }
POPSTRAT_RANGE(i8, int8_t)
POPSTRAT_RANGE(u8, uint8_t)
POPSTRAT_RANGE(i16, int16_t)
POPSTRAT_RANGE(i32, int32_t)
POPSTRAT_RANGE(i64, int64_t)
POPSTRAT_RANGE(f32, float)
POPSTRAT_RANGE(f64, double)
#undef POPSTRAT_RANGE
#endif

static inline int64_t FN(set_bits)(const uint64_t *x, int64_t words) {
    int64_t n = 0, w = 0;
#if LEVEL >= 4
    /* eight words at a time: a table of the bits in half a byte, summed by byte, then by word */
    const __m512i table = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
    const __m512i half = _mm512_set1_epi8(15);
    __m512i sum = _mm512_setzero_si512();
    for (; w + 8 <= words; w += 8) {
        const __m512i v = _mm512_loadu_si512((const void *)(x + w));
        const __m512i low = _mm512_shuffle_epi8(table, _mm512_and_si512(v, half));
        const __m512i high = _mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_srli_epi16(v, 4), half));
        sum = _mm512_add_epi64(sum, _mm512_sad_epu8(_mm512_add_epi8(low, high), _mm512_setzero_si512()));
    }
    n = _mm512_reduce_add_epi64(sum);
#endif
    for (; w < words; w++) n += __builtin_popcountll(x[w]);
    return n;
}

/* The bits of `rows` rows; those of the last word beyond them do not count. */
static inline int64_t FN(bits_of_rows)(const uint64_t *x, int64_t rows) {
    const int64_t n = FN(set_bits)(x, rows / 64);
    return rows % 64 ? n + __builtin_popcountll(x[rows / 64] & ((UINT64_C(1) << (rows % 64)) - 1)) : n;
}

/* Where valid, and inside or not; returns how many are valid and not inside. The last word counts its rows only. */
static inline int64_t FN(split)(uint64_t *restrict ok, uint64_t *restrict bad, const uint64_t *restrict inside,
                                int64_t rows) {
    const int64_t words = (rows + 63) / 64;
    uint64_t any = 0;
    if (rows % 64) ok[words - 1] &= (UINT64_C(1) << (rows % 64)) - 1;
    for (int64_t w = 0; w < words; w++) {
        const uint64_t v = ok[w], in = inside[w];
        ok[w] = v & in;
        bad[w] = v & ~in;
        any |= v & ~in;
    }
    int64_t n = 0;
    if (any) /* implausible values are rare */
        n = FN(set_bits)(bad, words);
    return n;
}

/* A predicate of one or two doubles (registers, so whole words) or int32 columns. */
#define POPSTRAT_TEST(name, T, predicate)                                                                              \
    static void FN(name)(uint64_t *out, const T *x, const T *y, int64_t rows) {                                       \
        for (int64_t w = 0; w < (rows + 63) / 64; w++) {                                                              \
            uint8_t t[64] = {0};                                                                                      \
            int64_t n = rows - 64 * w < 64 ? rows - 64 * w : 64;                                                      \
            if (n == 64)                                                                                              \
                for (int64_t j = 0; j < 64; j++) {                                                                    \
                    const T a = x[64 * w + j], b = y[64 * w + j];                                                     \
                    t[j] = (uint8_t)(predicate);                                                                      \
                }                                                                                                     \
            else                                                                                                      \
                for (int64_t j = 0; j < n; j++) {                                                                     \
                    const T a = x[64 * w + j], b = y[64 * w + j];                                                     \
                    t[j] = (uint8_t)(predicate);                                                                      \
                }                                                                                                     \
            out[w] = FN(pack64)(t);                                                                                   \
        }                                                                                                             \
    }
#if LEVEL >= 4
static POPSTRAT_NOINLINE void FN(less_i32)(uint64_t *out, const int32_t *x, const int32_t *y, int64_t rows) {
    uint8_t *to = (uint8_t *)out;
    const int64_t whole = rows / 16;
    int64_t i = 0;
#define POPSTRAT_LESS(x, y) _mm512_cmplt_epi32_mask(_mm512_loadu_si512((const void *)(x)), _mm512_loadu_si512((const void *)(y)))
    for (; i + 8 <= whole; i += 8) {
        POPSTRAT_UNROLL
        for (int k = 0; k < 8; k++) {
            const __mmask16 m = POPSTRAT_LESS(x + 16 * (i + k), y + 16 * (i + k));
            memcpy(to + 2 * (i + k), &m, 2);
        }
    }
    for (; i < whole; i++) {
        const __mmask16 m = POPSTRAT_LESS(x + 16 * i, y + 16 * i);
        memcpy(to + 2 * i, &m, 2);
    }
    if (rows % 16) {
        int32_t a[16] = {0}, b[16] = {0};
        memcpy(a, x + 16 * whole, (size_t)(rows % 16) * 4);
        memcpy(b, y + 16 * whole, (size_t)(rows % 16) * 4);
        const __mmask16 m = POPSTRAT_LESS(a, b);
        memcpy(to + 2 * whole, &m, 2);
    }
#undef POPSTRAT_LESS
}
#else
POPSTRAT_TEST(less_i32, int32_t, a < b)
#endif
POPSTRAT_TEST(less_f64, double, a < b)
POPSTRAT_TEST(equal_f64, double, a == b)
POPSTRAT_TEST(finite_f64, double, (a - b) == 0.0) /* inf - inf and NaN - NaN are NaN */
#undef POPSTRAT_TEST

/* ---- bitmaps with an offset -------------------------------------------------------------------------------------- */

static void FN(load_bits)(uint64_t *out, const uint8_t *bitmap, int64_t first, int64_t rows) {
    const uint8_t *p = bitmap + (first >> 3);
    const int shift = (int)(first & 7);
    int64_t whole = rows / 64;
    if (shift == 0) {
        if (whole == WORDS) /* nearly always; a known size needs no call */
            memcpy(out, p, WORDS * 8);
        else
            memcpy(out, p, (size_t)whole * 8);
    } else if (whole) {
        uint64_t low, high;
        for (int64_t w = 0; w < whole - 1; w++) { /* the word after it is there too, which is read faster than a byte */
            memcpy(&low, p + 8 * w, 8);
            memcpy(&high, p + 8 * w + 8, 8);
            out[w] = low >> shift | high << (64 - shift);
        }
        memcpy(&low, p + 8 * whole - 8, 8);
        out[whole - 1] = low >> shift | (uint64_t)p[8 * whole] << (64 - shift);
    }
    if (rows % 64) { /* only the bytes that hold the last rows */
        uint64_t word = 0;
        for (int64_t j = 0; j < rows % 64; j++) {
            int64_t bit = first + 64 * whole + j;
            word |= (uint64_t)(bitmap[bit >> 3] >> (bit & 7) & 1) << j;
        }
        out[whole] = word;
    }
}

static void FN(load_valid)(uint64_t *out, const popstrat_column *c, int64_t start, int64_t rows) {
    if (c->valid == NULL)
        memset(out, 255, (size_t)(rows + 63) / 64 * 8);
    else
        FN(load_bits)(out, c->valid, c->offset + start, rows);
}

/* The last word keeps the bits beyond `rows` clear, so that output buffers hold nothing but answers. */
static void FN(store_bits)(uint8_t *bitmap, const uint64_t *x, int64_t start, int64_t rows, int stream) {
    uint8_t *p = bitmap + (start >> 3);
    int64_t whole = rows / 64;
    if (stream && whole == WORDS && ((uintptr_t)p & 63) == 0)
        for (int w = 0; w < WORDS; w += 8) FN(stream64)(p + 8 * w, x + w);
    else
        memcpy(p, x, (size_t)whole * 8);
    if (rows % 64) {
        uint64_t word = x[whole] & ((UINT64_C(1) << (rows % 64)) - 1);
        memcpy(p + 8 * whole, &word, (size_t)((rows % 64 + 7) / 8));
    }
}

/* ---- categories -------------------------------------------------------------------------------------------------- */

/* The code of a dictionary's entry. An index that no entry has, a negative one (as unsigned the largest of all) among them,
 * is an unknown label, whatever the table holds there: shuffles see only some of an index's bits. */
static void FN(codes_i8)(uint8_t *out, const uint8_t *x, int64_t rows, const popstrat_column *c) {
    int64_t j = 0;
#if LEVEL >= 4
    if (c->table_size <= 32) {
        const __m512i low = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)c->table));
        const __m512i high = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(c->table + 16)));
        const __m512i size = _mm512_set1_epi8((char)c->table_size), unknown = _mm512_set1_epi8((char)CODE_UNKNOWN);
        const int more = c->table_size > 16;
        for (; j + 64 <= rows; j += 64) {
            const __m512i v = _mm512_loadu_si512((const void *)(x + j));
            const __mmask64 there = _mm512_cmplt_epu8_mask(v, size);
            __m512i found = _mm512_mask_shuffle_epi8(unknown, there, low, v);
            if (more) found = _mm512_mask_shuffle_epi8(found, _mm512_mask_test_epi8_mask(there, v, _mm512_set1_epi8(16)), high, v);
            _mm512_storeu_si512((void *)(out + j), found);
        }
    }
#elif LEVEL >= 2
    if (c->table_size <= 16) {
        const __m256i table = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)c->table));
        const __m256i size = _mm256_set1_epi8((char)c->table_size);
        for (; j + 32 <= rows; j += 32) {
            const __m256i v = _mm256_loadu_si256((const __m256i *)(x + j));
            const __m256i beyond = _mm256_cmpeq_epi8(_mm256_max_epu8(v, size), v); /* all ones, which is CODE_UNKNOWN */
            _mm256_storeu_si256((__m256i *)(out + j), _mm256_or_si256(_mm256_shuffle_epi8(table, v), beyond));
        }
    }
#endif
    for (; j < rows; j++) out[j] = x[j] < c->table_size ? c->table[x[j]] : CODE_UNKNOWN;
}

#define POPSTRAT_CODES(suffix, T)                                                                                      \
    static void FN(codes_##suffix)(uint8_t *restrict out, const T *x, int64_t rows, const popstrat_column *c) {       \
        const uint8_t *const table = c->table;                                                                        \
        const int64_t size = c->table_size;                                                                           \
        for (int64_t j = 0; j < rows; j++) out[j] = x[j] < size ? table[x[j]] : CODE_UNKNOWN;                         \
    }
POPSTRAT_CODES(i16, uint16_t)
POPSTRAT_CODES(i32, uint32_t)
#undef POPSTRAT_CODES

static uint8_t FN(match_label)(const popstrat_labels *labels, const uint8_t *text, int64_t length) {
    uint8_t folded[32];
    while (length > 0 && text[0] == ' ') text++, length--;
    while (length > 0 && text[length - 1] == ' ') length--;
    if (length > 32 || length == 0) return length == 0 ? CODE_NULL : CODE_UNKNOWN;
    for (int64_t i = 0; i < length; i++)
        folded[i] = text[i] >= 'A' && text[i] <= 'Z' ? (uint8_t)(text[i] + 32) : text[i];
    for (int64_t k = 0; k < labels->count; k++)
        if (labels->length[k] == length && memcmp(folded, labels->text[k], (size_t)length) == 0) return labels->code[k];
    return CODE_UNKNOWN;
}

#if LEVEL >= 4
/* The codes of eight labels of at most eight bytes, folded and looked up in a table that registers hold. Returns 0, and
 * writes nothing, where one of them is not found. */
static inline int FN(codes8)(uint8_t *out, __m512i length, __m512i word, const popstrat_labels *labels) {
    const __m512i unwanted = _mm512_sub_epi64(_mm512_set1_epi64(64), _mm512_slli_epi64(length, 3)); /* bits; 64 leaves 0 */
    word = _mm512_and_si512(word, _mm512_srlv_epi64(_mm512_set1_epi64(-1), unwanted));
    const __mmask64 capital = _mm512_cmple_epu8_mask(_mm512_sub_epi8(word, _mm512_set1_epi8('A')), _mm512_set1_epi8(25));
    word = _mm512_mask_add_epi8(word, capital, word, _mm512_set1_epi8(32));
    const __m512i slot = _mm512_srli_epi64(_mm512_mullo_epi64(word, _mm512_set1_epi64((int64_t)labels->multiplier)), 59);
    const __m512i *known = (const __m512i *)labels->word;
    const __m512i lower = _mm512_permutex2var_epi64(_mm512_loadu_si512(known), slot, _mm512_loadu_si512(known + 1));
    const __m512i upper = _mm512_permutex2var_epi64(_mm512_loadu_si512(known + 2), slot, _mm512_loadu_si512(known + 3));
    const __m512i held = _mm512_mask_blend_epi64(_mm512_test_epi64_mask(slot, _mm512_set1_epi64(16)), lower, upper);
    const __m512i about = _mm512_permutexvar_epi16(slot, _mm512_loadu_si512((const void *)labels->about));
    const __mmask8 same = _mm512_cmpeq_epi64_mask(word, held);
    const __m512i held_length = _mm512_and_si512(about, _mm512_set1_epi64(0xff00));
    if (_mm512_mask_cmpeq_epi64_mask(same, held_length, _mm512_slli_epi64(length, 8)) != 255) return 0;
    _mm_storel_epi64((__m128i *)out, _mm512_cvtepi64_epi8(about));
    return 1;
}
static inline int FN(short8)(__m512i from, __m512i length, int64_t size) { /* and none begins beyond `size` */
    const __mmask8 inside = _mm512_cmple_epu64_mask(from, _mm512_set1_epi64(size));
    return _mm512_mask_cmple_epu64_mask(inside, length, _mm512_set1_epi64(8)) == 255;
}
#define POPSTRAT_WIDE_str32(p) _mm512_cvtepi32_epi64(_mm256_loadu_si256((const __m256i *)(p)))
#define POPSTRAT_WIDE_str64(p) _mm512_loadu_si512((const void *)(p))
#define POPSTRAT_TWO(k)                                                                                                \
    _mm_castps_si128(_mm_loadh_pi(_mm_castsi128_ps(_mm_loadl_epi64((const __m128i *)(text + offsets[j + (k)]))),      \
                                  (const __m64 *)(text + offsets[j + (k) + 1])))
#define POPSTRAT_FOUR(k) _mm256_inserti128_si256(_mm256_castsi128_si256(POPSTRAT_TWO(k)), POPSTRAT_TWO((k) + 2), 1)
/* Eights that are not all found are gone through one by one; where there are many such, all the rest are. */
#define POPSTRAT_PATIENCE                                                                                              \
    const uintptr_t ahead = (uintptr_t)offsets[rows] - (uintptr_t)offsets[0]; /* about where the next block begins */ \
    int64_t next = 0;                                                                                                 \
    int patience = text != NULL && size >= 0 && column->labels->multiplier ? 64 : 0;
#define POPSTRAT_CODES8(suffix) /* loads and shuffles: a gather is several times slower on some processors */          \
    if (j >= next) {                                                                                                  \
        __builtin_prefetch((const void *)((uintptr_t)text + (uintptr_t)offsets[j] + ahead), 0, 2);                    \
        if (patience && j + 8 <= rows) {                                                                              \
            const __m512i begin = POPSTRAT_WIDE_##suffix(offsets + j);                                                \
            const __m512i length = _mm512_sub_epi64(POPSTRAT_WIDE_##suffix(offsets + j + 1), begin);                  \
            if (FN(short8)(begin, length, size) &&                                                                    \
                FN(codes8)(out + j, length,                                                                           \
                           _mm512_inserti64x4(_mm512_castsi256_si512(POPSTRAT_FOUR(0)), POPSTRAT_FOUR(4), 1),         \
                           column->labels)) {                                                                         \
                j += 7;                                                                                               \
                continue;                                                                                             \
            }                                                                                                         \
            patience--;                                                                                               \
        }                                                                                                             \
        next = j + 8;                                                                                                 \
    }
#else
#define POPSTRAT_PATIENCE
#define POPSTRAT_CODES8(suffix)
#endif

/* A list has few labels, and most are of at most eight bytes: those are looked up as one word among the spellings met so
 * far in this block, by a hash. Longer ones are compared with the last of their length. Eight bytes are read at once only
 * where the buffer has them; a text that its offsets put outside the buffer, or that ends before it begins, is not looked
 * at: an unknown label. */
#define POPSTRAT_STRINGS(suffix, T)                                                                                    \
    static POPSTRAT_NOINLINE void FN(codes_##suffix)(uint8_t *out, const T *offsets, int64_t rows,                    \
                                                     const popstrat_column *column) {                                 \
        const uint8_t *const text = column->characters, *seen[33] = {0};                                              \
        const int64_t whole = column->characters_size, size = whole - 8;                                              \
        const uint64_t eights = size < 0 ? 0 : (uint64_t)size + 1; /* texts that begin before it have eight bytes */   \
        uint8_t code[33] = {0};                                                                                       \
        uint64_t masks[9] = {0};                                                                                      \
        for (int k = 1; k < 9; k++) masks[k] = UINT64_MAX >> (64 - 8 * k);                                            \
        struct {                                                                                                      \
            uint64_t word;                                                                                            \
            uint8_t length, code;                                                                                     \
        } known[256];                                                                                                 \
        for (int k = 0; k < 256; k++) known[k].length = 255;                                                          \
        POPSTRAT_PATIENCE                                                                                             \
        for (int64_t j = 0; j < rows; j++) {                                                                          \
            POPSTRAT_CODES8(suffix)                                                                                   \
            const int64_t from = (int64_t)offsets[j], to = (int64_t)offsets[j + 1];                                   \
            const uint64_t length = (uint64_t)to - (uint64_t)from; /* negative ones are the longest of all */         \
            if (length <= 8 && (uint64_t)from < eights) { /* none at all too: a branch on it would often go wrong */  \
                const uint8_t *at = text + from;                                                                      \
                uint64_t word;                                                                                        \
                memcpy(&word, at, 8);                                                                                 \
                word &= masks[length];                                                                                \
                const uint64_t slot = (word * UINT64_C(0x9e3779b97f4a7c15)) >> 56;                                    \
                if (known[slot].word != word || known[slot].length != length) {                                       \
                    known[slot].word = word;                                                                          \
                    known[slot].length = (uint8_t)length;                                                             \
                    known[slot].code = FN(match_label)(column->labels, at, (int64_t)length);                          \
                }                                                                                                     \
                out[j] = known[slot].code;                                                                            \
                continue;                                                                                             \
            }                                                                                                         \
            if (from < 0 || to < from || to > whole) {                                                                \
                out[j] = CODE_UNKNOWN;                                                                                \
                continue;                                                                                             \
            }                                                                                                         \
            const uint8_t *at = text + from;                                                                          \
            const int place = length < 33 ? (int)length : 32;                                                         \
            if (place == 32 || seen[place] == NULL || memcmp(seen[place], at, (size_t)length) != 0) {                 \
                code[place] = FN(match_label)(column->labels, at, (int64_t)length);                                   \
                seen[place] = at;                                                                                     \
            }                                                                                                         \
            out[j] = code[place];                                                                                     \
        }                                                                                                             \
    }
POPSTRAT_STRINGS(str32, int32_t)
POPSTRAT_STRINGS(str64, int64_t)
#undef POPSTRAT_STRINGS
#undef POPSTRAT_PATIENCE
#undef POPSTRAT_CODES8
#undef POPSTRAT_FOUR
#undef POPSTRAT_TWO
#undef POPSTRAT_WIDE_str64
#undef POPSTRAT_WIDE_str32

/* Whether each value is above the one before it. */
static int FN(increasing_i64)(const int64_t *x, int64_t n) {
    int64_t i = 1;
    for (; i + 512 <= n; i += 512) {
        int64_t bad = 0;
        for (int64_t j = i; j < i + 512; j++) bad |= x[j] <= x[j - 1];
        if (bad) return 0;
    }
    for (; i < n; i++)
        if (x[i] <= x[i - 1]) return 0;
    return 1;
}

/* The largest of some indices, as unsigned numbers; and whether offsets never fall. */
#define POPSTRAT_LARGEST(suffix, T)                                                                                    \
    static uint64_t FN(largest_##suffix)(const T *x, int64_t n) {                                                     \
        T most = 0;                                                                                                   \
        for (int64_t j = 0; j < n; j++) most = x[j] > most ? x[j] : most;                                             \
        return most;                                                                                                  \
    }
POPSTRAT_LARGEST(u8, uint8_t)
POPSTRAT_LARGEST(u16, uint16_t)
POPSTRAT_LARGEST(u32, uint32_t)
POPSTRAT_LARGEST(u64, uint64_t)
#undef POPSTRAT_LARGEST
#define POPSTRAT_RISING(suffix, T)                                                                                     \
    static int FN(rising_##suffix)(const T *x, int64_t n) {                                                           \
        T falls = 0;                                                                                                  \
        for (int64_t j = 1; j < n; j++) falls |= (T)(x[j] < x[j - 1]);                                                \
        return falls == 0;                                                                                            \
    }
POPSTRAT_RISING(i32, int32_t)
POPSTRAT_RISING(i64, int64_t)
#undef POPSTRAT_RISING

/* ---- doubles ----------------------------------------------------------------------------------------------------- */

#define POPSTRAT_ROUNDER 6755399441055744.0 /* 1.5 * 2^52: adding it rounds to the nearest integer, ties to even */
#define POPSTRAT_EXACT 2251799813685248.0   /* 2^51: beyond it a double has no fraction worth rounding */

static inline double FN(nearest)(double x) {
    double r = (x + POPSTRAT_ROUNDER) - POPSTRAT_ROUNDER;
    return fabs(x) < POPSTRAT_EXACT ? r : x;
}

static inline double FN(bits_as_number)(uint64_t b) {
    double x;
    memcpy(&x, &b, 8);
    return x;
}

static inline uint64_t FN(number_as_bits)(double x) {
    uint64_t b;
    memcpy(&b, &x, 8);
    return b;
}

/* exp: x = n ln(2)/16 + r with |r| <= ln(2)/32, exp x = 2^(n/16) (1 + p), p = r + r^2 q(r) with q of degree 4 fitted to a
 * relative error of 2.8e-17; the power from a table of sixteen and, for what is whole of n/16, added to the exponent. The
 * error is tested against exact values: under 1 unit in the last place; below -708 it is 0, above 709.78 infinite, NaN for
 * NaN. `near`: for what is sure to lie between -708 and 709. */
#define EXP_LEAST -708.0
#define EXP_MOST 709.782712893384
static inline double FN(near_exp1)(double x) {
    double t = fma(x, 23.083120654223414, POPSTRAT_ROUNDER);
    double n = t - POPSTRAT_ROUNDER;
    double r = fma(n, -1.1926343307941173e-11, fma(n, -0.04332169877307024, x));
    double q = 0.0013889034377693012;
    q = fma(q, r, 0.008333449724528355);
    q = fma(q, r, 0.041666666664959766);
    q = fma(q, r, 0.16666666665301144);
    q = fma(q, r, 0.5);
    uint64_t bits = FN(number_as_bits)(t); /* the lowest are those of n */
    double power = popstrat_power[bits & 15];
    double p = fma(q, r * r, r + popstrat_power_tail[bits & 15]);
    return FN(bits_as_number)(FN(number_as_bits)(fma(power, p, power)) + (bits >> 4 << 52));
}

static inline double FN(exp1)(double x) {
    double c = x < EXP_LEAST ? EXP_LEAST : x;
    c = c > EXP_MOST ? EXP_MOST : c;
    double y = FN(near_exp1)(c);
    y = x < EXP_LEAST ? 0.0 : y;
    return x <= EXP_MOST ? y : x + INFINITY;
}

#if LEVEL >= 4
/* The same for several vectors, to the last bit, step by step together, since each step waits for the one before it. */
#define TOGETHER 4
#define EACH_TOGETHER POPSTRAT_UNROLL for (int i = 0; i < TOGETHER; i++)
static inline void FN(near_exps)(__m512d *v) {
    const __m512d rounder = _mm512_set1_pd(POPSTRAT_ROUNDER), scale = _mm512_set1_pd(23.083120654223414);
    const __m512d low = _mm512_loadu_pd(popstrat_power), high = _mm512_loadu_pd(popstrat_power + 8);
    const __m512d low_tail = _mm512_loadu_pd(popstrat_power_tail), high_tail = _mm512_loadu_pd(popstrat_power_tail + 8);
    static const double k[] = {0.041666666664959766, 0.16666666665301144, 0.5};
    __m512d n[TOGETHER], r[TOGETHER], q[TOGETHER], p[TOGETHER], power[TOGETHER];
    __m512i bits[TOGETHER];
    EACH_TOGETHER n[i] = _mm512_fmadd_pd(v[i], scale, rounder);
    EACH_TOGETHER bits[i] = _mm512_castpd_si512(n[i]);
    EACH_TOGETHER n[i] = _mm512_sub_pd(n[i], rounder);
    EACH_TOGETHER r[i] = _mm512_fmadd_pd(n[i], _mm512_set1_pd(-0.04332169877307024), v[i]);
    EACH_TOGETHER r[i] = _mm512_fmadd_pd(n[i], _mm512_set1_pd(-1.1926343307941173e-11), r[i]);
    EACH_TOGETHER q[i] = _mm512_fmadd_pd(_mm512_set1_pd(0.0013889034377693012), r[i], _mm512_set1_pd(0.008333449724528355));
    POPSTRAT_UNROLL
    for (int c = 0; c < 3; c++) {
        const __m512d constant = _mm512_set1_pd(k[c]);
        EACH_TOGETHER q[i] = _mm512_fmadd_pd(q[i], r[i], constant);
    }
    EACH_TOGETHER p[i] = _mm512_add_pd(r[i], _mm512_permutex2var_pd(low_tail, bits[i], high_tail));
    EACH_TOGETHER p[i] = _mm512_fmadd_pd(q[i], _mm512_mul_pd(r[i], r[i]), p[i]);
    EACH_TOGETHER power[i] = _mm512_permutex2var_pd(low, bits[i], high); /* a lookup sees the lowest four bits */
    EACH_TOGETHER bits[i] = _mm512_slli_epi64(_mm512_srli_epi64(bits[i], 4), 52);
    EACH_TOGETHER p[i] = _mm512_fmadd_pd(power[i], p[i], power[i]);
    EACH_TOGETHER v[i] = _mm512_castsi512_pd(_mm512_add_epi64(_mm512_castpd_si512(p[i]), bits[i]));
}
static inline void FN(exps)(__m512d *v) { /* what lies outside is worked out like the rest, and put right at the end */
    __mmask8 kept[TOGETHER], over[TOGETHER];
    const __m512d most = _mm512_set1_pd(EXP_MOST);
    EACH_TOGETHER kept[i] = _mm512_cmp_pd_mask(v[i], _mm512_set1_pd(EXP_LEAST), _CMP_NLT_UQ);
    EACH_TOGETHER over[i] = _mm512_cmp_pd_mask(v[i], most, _CMP_NLE_UQ); /* NaN too, which adding leaves as it is */
    __m512d beyond[TOGETHER];
    EACH_TOGETHER beyond[i] = _mm512_add_pd(v[i], _mm512_set1_pd(INFINITY));
    FN(near_exps)(v);
    EACH_TOGETHER v[i] = _mm512_mask_mov_pd(_mm512_maskz_mov_pd(kept[i], v[i]), over[i], beyond[i]);
}
#endif

/* ln: x = 2^e m with sqrt(1/2) <= m < sqrt(2), ln m = 2 artanh((m-1)/(m+1)) as a series to s^23 (remainder under
 * 1e-19). NaN for x <= 0. */
static inline double FN(ln1)(double x) {
    int small = x < 2.2250738585072014e-308;
    double y = small ? x * 18014398509481984.0 : x;
    uint64_t b = FN(number_as_bits)(y);
    double e = FN(bits_as_number)(b >> 52 | UINT64_C(0x4330000000000000)) - 4503599627370496.0 - 1023.0;
    double m = FN(bits_as_number)((b & UINT64_C(0x000fffffffffffff)) | UINT64_C(0x3ff0000000000000));
    int high = m > 1.4142135623730951;
    m = high ? m * 0.5 : m;
    e = high ? e + 1.0 : e;
    e = small ? e - 54.0 : e;
    double f = m - 1.0;
    double s = f / (m + 1.0);
    double z = s * s;
    double p = 1.0 / 23.0;
    p = p * z + 1.0 / 21.0;
    p = p * z + 1.0 / 19.0;
    p = p * z + 1.0 / 17.0;
    p = p * z + 1.0 / 15.0;
    p = p * z + 1.0 / 13.0;
    p = p * z + 1.0 / 11.0;
    p = p * z + 1.0 / 9.0;
    p = p * z + 1.0 / 7.0;
    p = p * z + 1.0 / 5.0;
    p = p * z + 1.0 / 3.0;
    /* 2s + 2s z p, with 2s written as f - s f so that its rounding error stays small */
    double tail = e * 1.90821492927058770002e-10 + (2.0 * s * (z * p) - s * f);
    double r = e * 0.693147180369123816490 + (f + tail);
    r = x > 0.0 ? r : NAN;
    return x == INFINITY ? x : r;
}

/* x^p = exp(p ln |x|): NaN for 0 to a power under 0 and for a negative to one that is not whole. */
static inline double FN(pow1)(double x, double p) {
    double r = FN(exp1)(p * FN(ln1)(fabs(x)));
    double signed_r = FN(nearest)(p * 0.5) * 2.0 == p ? r : -r;
    signed_r = FN(nearest)(p) == p ? signed_r : NAN;
    r = x < 0.0 ? signed_r : r;
    r = x == 0.0 && p > 0.0 ? 0.0 : r;
    return p == 0.0 || x == 1.0 ? 1.0 : r;
}

/* Adds to each row the constants whose bit is set, in the order of the list: x + 0.0 is x, so adding nothing where a
 * bit is clear gives the same double as not adding. */
static POPSTRAT_NOINLINE void FN(masked_add)(double *out, const double *in, const uint64_t *planes, const double *constants,
                           const int32_t *pairs, int64_t n, int64_t words) {
    for (int64_t w = 0; w < words; w++) {
#if LEVEL >= 4
        __m512d a[8];
        POPSTRAT_UNROLL
        for (int v = 0; v < 8; v++) a[v] = _mm512_loadu_pd(in + 64 * w + 8 * v);
        for (int64_t t = 0; t < n; t++) {
            const uint8_t *m = (const uint8_t *)(planes + pairs[2 * t] * PLANE_STEP + w);
            const __m512d k = _mm512_set1_pd(constants[pairs[2 * t + 1]]);
            POPSTRAT_UNROLL
            for (int v = 0; v < 8; v++) {
                __mmask8 on; /* straight from memory: by way of a general register it costs half as much again */
                __asm__("kmovb %1, %0" : "=k"(on) : "m"(m[v]));
                a[v] = _mm512_mask_add_pd(a[v], on, a[v], k);
            }
        }
        POPSTRAT_UNROLL
        for (int v = 0; v < 8; v++) _mm512_storeu_pd(out + 64 * w + 8 * v, a[v]);
#elif LEVEL >= 2
        for (int h = 0; h < 2; h++) {
            __m256d a[8];
            for (int v = 0; v < 8; v++) a[v] = _mm256_loadu_pd(in + 64 * w + 32 * h + 4 * v);
            const __m256i bit = _mm256_setr_epi64x(1, 2, 4, 8);
            for (int64_t t = 0; t < n; t++) {
                uint64_t m = planes[pairs[2 * t] * PLANE_STEP + w] >> (32 * h);
                const __m256d k = _mm256_set1_pd(constants[pairs[2 * t + 1]]);
                for (int v = 0; v < 8; v++) {
                    __m256i on = _mm256_and_si256(_mm256_set1_epi64x((long long)(m >> (4 * v))), bit);
                    on = _mm256_cmpeq_epi64(on, bit);
                    a[v] = _mm256_add_pd(a[v], _mm256_and_pd(k, _mm256_castsi256_pd(on)));
                }
            }
            for (int v = 0; v < 8; v++) _mm256_storeu_pd(out + 64 * w + 32 * h + 4 * v, a[v]);
        }
#else
        double a[64];
        memcpy(a, in + 64 * w, sizeof a);
        for (int64_t t = 0; t < n; t++) {
            uint64_t m = planes[pairs[2 * t] * PLANE_STEP + w];
            const double k[2] = {0.0, constants[pairs[2 * t + 1]]};
            for (int j = 0; j < 64; j++) a[j] += k[m >> j & 1];
        }
        memcpy(out + 64 * w, a, sizeof a);
#endif
    }
}

/* Write 64 numbers from row j on, or as many as there are rows. */
static inline void FN(write64)(const popstrat_target *to, int64_t j, const double *x) {
    const uint64_t mask = to->mask[j >> 6];
    const int64_t many = to->rows - j < 64 ? to->rows - j : 64;
    double *const out = to->values + j;
    int64_t k = 0;
    for (; k + 8 <= many; k += 8) {
        const uint8_t on = (uint8_t)(mask >> k);
#if LEVEL >= 4
        const __m512d kept = _mm512_maskz_loadu_pd((__mmask8)on, x + k);
        if (to->stream)
            _mm512_stream_pd(out + k, kept);
        else
            _mm512_storeu_pd(out + k, kept);
#else
        double t[8];
#if LEVEL >= 2
        _mm256_storeu_pd(t, FN(where4)(on, x + k));
        _mm256_storeu_pd(t + 4, FN(where4)(on >> 4, x + k + 4));
#else
        for (int v = 0; v < 8; v++) t[v] = on >> v & 1 ? x[k + v] : 0.0;
#endif
        if (to->stream)
            FN(stream64)(out + k, t);
        else
            memcpy(out + k, t, 64);
#endif
    }
    for (; k < many; k++) out[k] = mask >> k & 1 ? x[k] : 0.0;
}

static inline popstrat_target FN(target)(const popstrat_run *run, int64_t output, const uint64_t *mask, int64_t start,
                                         int64_t rows) {
    double *values = (double *)run->outputs[output].values + start;
    return (popstrat_target){values, mask, rows, run->stream && ((uintptr_t)values & 63) == 0};
}

/* Fetch a share of the next block. A line beyond the end of a buffer does no harm; its address is worked out as a number,
 * since a pointer must not leave its buffer. */
static inline void FN(fetch)(const popstrat_run *run, popstrat_ahead *ahead, int64_t share) {
    ahead->due += share * run->fetches;
    for (; ahead->due >= (int64_t)1 << SHARE_BITS; ahead->due -= (int64_t)1 << SHARE_BITS) {
        if (ahead->at >= ahead->end) {
            if (ahead->next >= run->reads) return;
            const popstrat_read *read = run->read + ahead->next++;
            ahead->at = (uintptr_t)read->start + (uintptr_t)(ahead->row * read->bits >> 3);
            ahead->end = ahead->at + (uintptr_t)(BLOCK * read->bits >> 3);
        }
        for (int line = 0; line < FETCHED; line += 64) __builtin_prefetch((const void *)(ahead->at + line), 0, 2);
        ahead->at += FETCHED;
    }
}

/* Adds to each row the constants whose bit is set, from tables of their sums; all sums are exact. */
#if LEVEL >= 4
/* First the indices of eight words, then the lookups: either is a short way from load to result for every word, and many
 * words go on at once. Each 32 bits of an index hold those of four rows, 16 apart: of each, a lookup sees five bits. */
static POPSTRAT_NOINLINE void FN(weigh_indices)(uint8_t index[8][64], const uint64_t *planes, const int32_t *pairs,
                                                int64_t many, int64_t words) {
    const __m512i gathered = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m512i across = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
    const uint64_t *plane[5];
    for (int b = 0; b < 5; b++) plane[b] = planes + (int64_t)pairs[b < many ? 2 * b : 0] * PLANE_STEP;
    for (int64_t w = 0; w < words; w++) {
        __m512i bits = FN(set_bit)(_mm512_setzero_si512(), plane[0] + w, 1);
        if (many >= 5) {
            bits = FN(set_bit)(FN(set_bit)(bits, plane[1] + w, 2), plane[2] + w, 4);
            bits = FN(set_bit)(FN(set_bit)(bits, plane[3] + w, 8), plane[4] + w, 16);
        } else {
            if (many > 1) bits = FN(set_bit)(bits, plane[1] + w, 2);
            if (many > 2) bits = FN(set_bit)(bits, plane[2] + w, 4);
            if (many > 3) bits = FN(set_bit)(bits, plane[3] + w, 8);
        }
        _mm512_storeu_si512(index[w], _mm512_shuffle_epi8(_mm512_permutexvar_epi32(gathered, bits), across));
    }
}
/* A sum that stays where it is: left to itself, the compiler copies each one round the loop. */
#define POPSTRAT_PLUS(sum, x) __asm__("vpaddd %1, %0, %0" : "+v"(sum) : "v"(x))
static inline void FN(weigh_words)(double *out, const double *in, const uint8_t *index, const popstrat_parts *parts,
                                   int64_t groups, const int words) {
    const __m512d unit = _mm512_set1_pd(GRID_STEP * (1 << WEIGH_LOW)), step = _mm512_set1_pd(GRID_STEP);
    __m512i high[8], low[8];
    POPSTRAT_UNROLL
    for (int q = 0; q < 4 * words; q++) high[q] = low[q] = _mm512_setzero_si512();
    for (int64_t g = 0; g < groups; g++, index += 512) {
        const __m512i h0 = _mm512_loadu_si512(parts[g].high), h1 = _mm512_loadu_si512(parts[g].high + 16);
        const __m512i l0 = _mm512_loadu_si512(parts[g].low), l1 = _mm512_loadu_si512(parts[g].low + 16);
        POPSTRAT_UNROLL
        for (int q = 0; q < 4 * words; q++) {
            const __m512i k = _mm512_srli_epi32(_mm512_loadu_si512(index + q / 4 * 64), 8 * (q % 4));
            POPSTRAT_PLUS(high[q], _mm512_permutex2var_epi32(h0, k, h1));
            POPSTRAT_PLUS(low[q], _mm512_permutex2var_epi32(l0, k, l1));
        }
    }
    POPSTRAT_UNROLL
    for (int v = 0; v < 8 * words; v++) {
        const __m256i h = v & 1 ? _mm512_extracti64x4_epi64(high[v / 2], 1) : _mm512_castsi512_si256(high[v / 2]);
        const __m256i l = v & 1 ? _mm512_extracti64x4_epi64(low[v / 2], 1) : _mm512_castsi512_si256(low[v / 2]);
        const __m512d x = _mm512_mul_pd(_mm512_cvtepi32_pd(h), unit), y = _mm512_mul_pd(_mm512_cvtepi32_pd(l), step);
        _mm512_storeu_pd(out + 8 * v, _mm512_add_pd(_mm512_loadu_pd(in + 8 * v), _mm512_add_pd(x, y)));
    }
}
#undef POPSTRAT_PLUS
static POPSTRAT_NOINLINE void FN(weigh)(const popstrat_run *run, popstrat_ahead *ahead, int32_t share, double *out,
                                        const double *in, const uint64_t *planes, const void *tables,
                                        const int32_t *pairs, int64_t n, int64_t words) {
    uint8_t index[WEIGH_MOST][8][64];
    if (n == 0 && out != in) memcpy(out, in, (size_t)words * 64 * sizeof(double));
    for (int64_t t = 0; t < n; t += 5 * WEIGH_MOST) {
        const int64_t groups = (n - t + 4) / 5 < WEIGH_MOST ? (n - t + 4) / 5 : WEIGH_MOST;
        const popstrat_parts *const parts = (const popstrat_parts *)tables + t / 5;
        const double *from = t == 0 ? in : out;
        for (int64_t first = 0; first < words; first += 8) {
            const int64_t some = words - first < 8 ? words - first : 8;
            for (int64_t g = 0; g < groups; g++)
                FN(weigh_indices)(index[g], planes + first, pairs + 2 * (t + 5 * g), n - t - 5 * g, some);
            int64_t w = 0;
            for (; w + 2 <= some; w += 2) {
                if (t == 0) FN(fetch)(run, ahead, share / (PART / 128));
                FN(weigh_words)(out + 64 * (first + w), from + 64 * (first + w), index[0][w], parts, groups, 2);
            }
            if (w < some) FN(weigh_words)(out + 64 * (first + w), from + 64 * (first + w), index[0][w], parts, groups, 1);
        }
    }
}
#else
static POPSTRAT_NOINLINE void FN(weigh)(const popstrat_run *run, popstrat_ahead *ahead, int32_t share, double *out,
                                        const double *in, const uint64_t *planes, const void *tables,
                                        const int32_t *pairs, int64_t n, int64_t words) {
    FN(fetch)(run, ahead, share);
    for (int64_t w = 0; w < words; w++) {
        uint8_t index[WEIGH_MOST][64];
        const double *sums = tables;
        double a[64];
        memcpy(a, in + 64 * w, sizeof a);
        for (int64_t t = 0; t < n;) {
            int groups = 0;
            for (; groups < WEIGH_MOST && t < n; groups++) {
                int32_t group[8];
                int64_t many = 0;
                for (; many < 8 && t < n; t++) group[many++] = pairs[2 * t];
                FN(expand64)(index[groups], planes, group, many, w);
            }
            for (int j = 0; j < 64; j += 2) {
#ifdef POPSTRAT_X86
                __m128d sum = _mm_loadu_pd(a + j); /* two at a time, and no gather, which is slower on many processors */
                for (int g = 0; g < groups; g++)
                    sum = _mm_add_pd(sum, _mm_loadh_pd(_mm_load_sd(sums + 256 * g + index[g][j]), sums + 256 * g + index[g][j + 1]));
                _mm_storeu_pd(a + j, sum);
#else
                for (int g = 0; g < groups; g++) {
                    a[j] += sums[256 * g + index[g][j]];
                    a[j + 1] += sums[256 * g + index[g][j + 1]];
                }
#endif
            }
            sums += 256 * groups;
        }
        memcpy(out + 64 * w, a, sizeof a);
    }
}
#endif

/* The table's entry for the number that the planes spell, to a register or (NULL) to a target. */
static void FN(lookup)(double *restrict out, const popstrat_target *to, const uint64_t *planes, const double *constants,
                       const int32_t *code, int64_t n, const int32_t *entries, int64_t count, int64_t words) {
    double table[256] = {0}, room[64];
    for (int64_t k = 0; k < count; k++) table[k] = constants[entries[k]];
    for (int64_t w = 0; w < words; w++) {
        double *const found = out == NULL ? room : out + 64 * w;
        uint8_t bytes[64];
        FN(expand64)(bytes, planes, code, n, w);
#if LEVEL >= 4
        if (count <= 32) {
            const __m512d a = _mm512_loadu_pd(table), b = _mm512_loadu_pd(table + 8);
            const __m512d c = _mm512_loadu_pd(table + 16), d = _mm512_loadu_pd(table + 24);
            for (int v = 0; v < 8; v++) {
                const __m512i at = _mm512_cvtepu8_epi64(_mm_loadl_epi64((const __m128i *)(bytes + 8 * v)));
                const __mmask8 upper = _mm512_test_epi64_mask(at, _mm512_set1_epi64(16));
                _mm512_storeu_pd(found + 8 * v, _mm512_mask_blend_pd(upper, _mm512_permutex2var_pd(a, at, b),
                                                                     _mm512_permutex2var_pd(c, at, d)));
            }
        } else
#endif
            for (int j = 0; j < 64; j++) found[j] = table[bytes[j]];
        if (out == NULL) FN(write64)(to, 64 * w, room);
    }
}

static void FN(select_f64)(double *out, const uint64_t *mask, const double *a, const double *b, int64_t words) {
    for (int64_t w = 0; w < words; w++) {
#if LEVEL >= 4
        const uint8_t *m = (const uint8_t *)(mask + w);
        for (int v = 0; v < 8; v++) {
            int64_t j = 64 * w + 8 * v;
            _mm512_storeu_pd(out + j, _mm512_mask_blend_pd(_load_mask8((__mmask8 *)(m + v)), _mm512_loadu_pd(b + j),
                                                           _mm512_loadu_pd(a + j)));
        }
#else
        uint64_t m = mask[w];
        for (int j = 0; j < 64; j++) out[64 * w + j] = m >> j & 1 ? a[64 * w + j] : b[64 * w + j];
#endif
    }
}

/* lo <= x - y <= hi, in 32 bits that wrap */
static POPSTRAT_NOINLINE void FN(apart_i32)(uint64_t *out, const int32_t *x, const int32_t *y, int64_t rows, int32_t lo,
                                            int32_t hi) {
    int32_t apart[64];
    for (int64_t j = 0; j < rows; j += 64) {
        const int64_t many = rows - j < 64 ? rows - j : 64;
        if (many == 64)
            for (int k = 0; k < 64; k++) apart[k] = (int32_t)((uint32_t)x[j + k] - (uint32_t)y[j + k]);
        else
            for (int64_t k = 0; k < 64; k++) apart[k] = k < many ? (int32_t)((uint32_t)x[j + k] - (uint32_t)y[j + k]) : 0;
        FN(range_i32)(out + j / 64, apart, 64, lo, hi);
    }
}

/* or of many planes; some words at a time stay in registers */
static POPSTRAT_NOINLINE void FN(any)(uint64_t *out, const uint64_t *planes, const int32_t *registers, int64_t n,
                                      int64_t words) {
    int64_t w = 0;
#if LEVEL >= 4
    for (; w + 32 <= words; w += 32) {
        __m512i any[4];
        POPSTRAT_UNROLL
        for (int v = 0; v < 4; v++) any[v] = _mm512_setzero_si512();
        for (int64_t t = 0; t < n; t++) {
            const uint64_t *x = planes + (int64_t)registers[t] * PLANE_STEP + w;
            POPSTRAT_UNROLL
            for (int v = 0; v < 4; v++) any[v] = _mm512_or_si512(any[v], _mm512_loadu_si512((const void *)(x + 8 * v)));
        }
        POPSTRAT_UNROLL
        for (int v = 0; v < 4; v++) _mm512_storeu_si512((void *)(out + w + 8 * v), any[v]);
    }
#elif LEVEL >= 2
    for (; w + 32 <= words; w += 32) {
        __m256i any[8];
        POPSTRAT_UNROLL
        for (int v = 0; v < 8; v++) any[v] = _mm256_setzero_si256();
        for (int64_t t = 0; t < n; t++) {
            const uint64_t *x = planes + (int64_t)registers[t] * PLANE_STEP + w;
            POPSTRAT_UNROLL
            for (int v = 0; v < 8; v++) any[v] = _mm256_or_si256(any[v], _mm256_loadu_si256((const __m256i *)(x + 4 * v)));
        }
        POPSTRAT_UNROLL
        for (int v = 0; v < 8; v++) _mm256_storeu_si256((__m256i *)(out + w + 4 * v), any[v]);
    }
#else
    uint64_t any[WORDS] = {0}; /* whole planes: a loop of known length */
    for (int64_t t = 0; t < n; t++) {
        const uint64_t *x = planes + (int64_t)registers[t] * PLANE_STEP;
        for (int64_t v = 0; v < WORDS; v++) any[v] |= x[v];
    }
    memcpy(out, any, sizeof any);
    w = words;
#endif
    for (; w < words; w++) {
        uint64_t any = 0;
        for (int64_t t = 0; t < n; t++) any |= planes[(int64_t)registers[t] * PLANE_STEP + w];
        out[w] = any;
    }
}

/* Planes combined one after the other, starting with the first: what lies between them stays in registers, since each
 * plane that is stored costs as much as two that are loaded. Whole planes, whatever lies beyond the last row. */
#if LEVEL >= 2
#if LEVEL >= 4
#define VECTOR __m512i
#define LOADED(p) _mm512_loadu_si512((const void *)(p))
#define STORED(p, x) _mm512_storeu_si512((void *)(p), x)
#define LOGIC(name, x, y) _mm512_##name##_si512(x, y)
#else
#define VECTOR __m256i
#define LOADED(p) _mm256_loadu_si256((const __m256i *)(p))
#define STORED(p, x) _mm256_storeu_si256((__m256i *)(p), x)
#define LOGIC(name, x, y) _mm256_##name##_si256(x, y)
#endif
#define LANES ((int)(sizeof(VECTOR) / 8))
#define STEP(expression)                                                                                               \
    POPSTRAT_UNROLL                                                                                                    \
    for (int i = 0; i < 8; i++) {                                                                                     \
        const VECTOR a = v[i], x = LOADED(plane + LANES * i);                                                         \
        v[i] = (expression);                                                                                          \
    }                                                                                                                 \
    break;
static POPSTRAT_NOINLINE void FN(fold)(uint64_t *out, const uint64_t *planes, const int32_t *steps, int64_t n) {
    for (int w = 0; w < WORDS; w += 8 * LANES) {
        VECTOR v[8];
        const uint64_t *plane = planes + (int64_t)steps[1] * PLANE_STEP + w;
        POPSTRAT_UNROLL
        for (int i = 0; i < 8; i++) v[i] = LOADED(plane + LANES * i);
        for (int64_t s = 1; s < n; s++) {
            plane = planes + (int64_t)steps[2 * s + 1] * PLANE_STEP + w;
            switch ((enum popstrat_op)steps[2 * s]) {
            case OP_AND: STEP(LOGIC(and, a, x))
            case OP_OR: STEP(LOGIC(or, a, x))
            case OP_XOR: STEP(LOGIC(xor, a, x))
            case OP_ANDNOT: STEP(LOGIC(andnot, x, a))
            default: STEP(LOGIC(andnot, a, x))
            }
        }
        POPSTRAT_UNROLL
        for (int i = 0; i < 8; i++) STORED(out + w + LANES * i, v[i]);
    }
}
#undef STEP
#undef LANES
#undef LOGIC
#undef STORED
#undef LOADED
#undef VECTOR
#else
static void FN(fold)(uint64_t *out, const uint64_t *planes, const int32_t *steps, int64_t n) {
    uint64_t v[WORDS];
    memcpy(v, planes + (int64_t)steps[1] * PLANE_STEP, sizeof v);
    for (int64_t s = 1; s < n; s++) {
        const uint64_t *x = planes + (int64_t)steps[2 * s + 1] * PLANE_STEP;
        switch ((enum popstrat_op)steps[2 * s]) {
        case OP_AND: for (int w = 0; w < WORDS; w++) v[w] &= x[w]; break;
        case OP_OR: for (int w = 0; w < WORDS; w++) v[w] |= x[w]; break;
        case OP_XOR: for (int w = 0; w < WORDS; w++) v[w] ^= x[w]; break;
        case OP_ANDNOT: for (int w = 0; w < WORDS; w++) v[w] &= ~x[w]; break;
        default: for (int w = 0; w < WORDS; w++) v[w] = ~v[w] & x[w]; break;
        }
    }
    memcpy(out, v, sizeof v);
}
#endif

/* ---- one register of doubles to another --------------------------------------------------------------------------- */

#define STEP(expression)                                                                                               \
    for (int64_t j = 0; j < padded; j++) {                                                                            \
        const double x = xs[j];                                                                                       \
        out[j] = (expression);                                                                                        \
    }                                                                                                                 \
    break;
/* One operation; `out` may be `xs`. */
static void FN(step)(double *out, const double *xs, enum popstrat_op operation, double k, int64_t padded) {
    switch (operation) {
    case OP_ADDK: STEP(x + k)
    case OP_MULK: STEP(x * k)
    case OP_DIVK: STEP(x / k)
    case OP_MINK: STEP(x < k ? x : k)
    case OP_MAXK: STEP(x > k ? x : k)
    case OP_RSUBK: STEP(k - x)
    case OP_RDIVK: STEP(k / x)
    case OP_POWK: STEP(FN(pow1)(x, k))
    case OP_ROUND: STEP(FN(nearest)(x * k) / k)
    case OP_SINGLE: STEP((double)(float)x)
    case OP_NEG: STEP(-x)
    case OP_ABS: STEP(fabs(x))
    case OP_SQRT: STEP(sqrt(x))
    case OP_FLOOR: STEP(FN(nearest)(x) > x ? FN(nearest)(x) - 1.0 : FN(nearest)(x))
    case OP_EXP: STEP(FN(exp1)(x))
    case OP_EXP_NEAR: STEP(FN(near_exp1)(x))
    case OP_LN: STEP(FN(ln1)(x))
    default: break;
    }
}
#undef STEP

#if LEVEL >= 4
static inline __m512d FN(nearest8)(__m512d x) {
    const __m512d rounder = _mm512_set1_pd(POPSTRAT_ROUNDER);
    const __mmask8 small = _mm512_cmp_pd_mask(_mm512_abs_pd(x), _mm512_set1_pd(POPSTRAT_EXACT), _CMP_LT_OQ);
    return _mm512_mask_sub_pd(x, small, _mm512_add_pd(x, rounder), rounder);
}

/* nearest(x * k) / k for a whole k of at most 2^30, without a division: the quotient by way of the inverse is at most two
 * units out in the last place, what remains is then exact, and correcting by it gives the quotient as rounded, since no
 * quotient by such a k lies nearer than 2^-31 units to the middle between two doubles. Large numbers are divided. */
static inline __m512d FN(round8)(__m512d x, __m512d k, __m512d inverse) {
    const __m512d rounder = _mm512_set1_pd(POPSTRAT_ROUNDER), y = _mm512_mul_pd(x, k);
    const __mmask8 small = _mm512_cmp_pd_mask(_mm512_abs_pd(y), _mm512_set1_pd(POPSTRAT_EXACT), _CMP_LT_OQ);
    if (__builtin_expect(small != 255, 0)) return _mm512_div_pd(FN(nearest8)(y), k);
    const __m512d n = _mm512_sub_pd(_mm512_add_pd(y, rounder), rounder), quotient = _mm512_mul_pd(n, inverse);
    return _mm512_fmadd_pd(_mm512_fnmadd_pd(quotient, k, n), inverse, quotient);
}

#define STEP(expression)                                                                                               \
    POPSTRAT_UNROLL                                                                                                    \
    for (int i = 0; i < 8; i++) {                                                                                     \
        const __m512d x = v[i];                                                                                       \
        v[i] = (expression);                                                                                          \
    }                                                                                                                 \
    break;
/* Several, 64 rows at a time, in registers. `share`: to be fetched meanwhile; `to`: where it is written too, or NULL. */
static POPSTRAT_NOINLINE void FN(chain)(const popstrat_run *run, popstrat_ahead *ahead, int32_t share, double *out,
                                        const double *in, const int32_t *steps, int64_t n, int64_t padded,
                                        const popstrat_target *to) {
    const double *const constants = run->doubles;
    for (int64_t j = 0; j < padded; j += 64) {
        FN(fetch)(run, ahead, share / (PART / 64));
        __m512d v[8];
        POPSTRAT_UNROLL
        for (int i = 0; i < 8; i++) v[i] = _mm512_loadu_pd(in + j + 8 * i);
        for (int64_t s = 0; s < n; s++) {
            const double constant = constants[steps[2 * s + 1]];
            const __m512d k = _mm512_set1_pd(constant);
            switch ((enum popstrat_op)steps[2 * s]) {
            case OP_ADDK: STEP(_mm512_add_pd(x, k))
            case OP_MULK: STEP(_mm512_mul_pd(x, k))
            case OP_DIVK: STEP(_mm512_div_pd(x, k))
            case OP_MINK: STEP(_mm512_min_pd(x, k))
            case OP_MAXK: STEP(_mm512_max_pd(x, k))
            case OP_RSUBK: STEP(_mm512_sub_pd(k, x))
            case OP_RDIVK: STEP(_mm512_div_pd(k, x))
            case OP_ROUND:
                if (constant >= 1.0 && constant <= 0x1p30 && constant == (double)(int64_t)constant) {
                    const __m512d inverse = _mm512_set1_pd(1.0 / constant);
                    POPSTRAT_UNROLL
                    for (int i = 0; i < 8; i++) v[i] = FN(round8)(v[i], k, inverse);
                    break;
                }
                STEP(_mm512_div_pd(FN(nearest8)(_mm512_mul_pd(x, k)), k))
            case OP_NEG: STEP(_mm512_xor_pd(x, _mm512_set1_pd(-0.0)))
            case OP_ABS: STEP(_mm512_abs_pd(x))
            case OP_SQRT: STEP(_mm512_sqrt_pd(x))
            case OP_SINGLE: STEP(_mm512_cvtps_pd(_mm512_cvtpd_ps(x)))
            case OP_EXP:
                POPSTRAT_UNROLL
                for (int i = 0; i < 8; i += TOGETHER) FN(exps)(v + i);
                break;
            case OP_EXP_NEAR:
                POPSTRAT_UNROLL
                for (int i = 0; i < 8; i += TOGETHER) FN(near_exps)(v + i);
                break;
            default:
                POPSTRAT_UNROLL
                for (int i = 0; i < 8; i++) _mm512_storeu_pd(out + j + 8 * i, v[i]);
                FN(step)(out + j, out + j, (enum popstrat_op)steps[2 * s], constants[steps[2 * s + 1]], 64);
                POPSTRAT_UNROLL
                for (int i = 0; i < 8; i++) v[i] = _mm512_loadu_pd(out + j + 8 * i);
            }
        }
        POPSTRAT_UNROLL
        for (int i = 0; i < 8; i++) _mm512_storeu_pd(out + j + 8 * i, v[i]);
        if (to != NULL) FN(write64)(to, j, out + j);
    }
}
#undef STEP
#else
static void FN(chain)(const popstrat_run *run, popstrat_ahead *ahead, int32_t share, double *out, const double *in,
                      const int32_t *steps, int64_t n, int64_t padded, const popstrat_target *to) {
    const double *const constants = run->doubles;
    FN(fetch)(run, ahead, share);
    if (n == 0 && out != in) memcpy(out, in, (size_t)padded * 8);
    for (int64_t s = 0; s < n; s++)
        FN(step)(out, s ? out : in, (enum popstrat_op)steps[2 * s], constants[steps[2 * s + 1]], padded);
    for (int64_t j = 0; to != NULL && j < to->rows; j += 64) FN(write64)(to, j, out + j);
}
#endif

/* ---- the block ---------------------------------------------------------------------------------------------------- */

#define PLANE(r) (planes + (int64_t)(r) * PLANE_STEP)
#define BYTES(r) (run->bytes + first + (int64_t)(r) * (BLOCK + STAGGER))
#define SHORTS(r) (run->shorts + first + (int64_t)(r) * (BLOCK + STAGGER / 2))
#define NUMBERS(r) (run->numbers + first + (int64_t)(r) * (BLOCK + STAGGER / 8))
#define COLUMN(r) (run->columns + (r))
#define VALUES(T, r) ((const T *)COLUMN(r)->values + COLUMN(r)->offset + start)

#define EACH_WORD(expression)                                                                                          \
    {                                                                                                                 \
        uint64_t *restrict out = PLANE(at[1]);                                                                        \
        const uint64_t *restrict x = PLANE(at[2]), *restrict y = PLANE(at[3]);                                                          \
        (void)x, (void)y;                                                                                             \
        if (words == WORDS) /* nearly always; a known number of words needs no loop */                                 \
            for (int64_t w = 0; w < WORDS; w++) out[w] = (expression);                                                \
        else                                                                                                          \
            for (int64_t w = 0; w < words; w++) out[w] = (expression);                                                \
        break;                                                                                                        \
    }

#define EACH_SHORT(expression)                                                                                         \
    {                                                                                                                 \
        int16_t *restrict out = SHORTS(at[1]);                                                                        \
        const int16_t *restrict xs = SHORTS(at[2]);                                                                   \
        const int16_t k = (int16_t)run->integers[at[3]];                                                              \
        for (int64_t j = 0; j < padded; j++) {                                                                        \
            const int16_t x = xs[j];                                                                                  \
            out[j] = (int16_t)(expression);                                                                           \
        }                                                                                                             \
        break;                                                                                                        \
    }

#define TO_SHORTS(T)                                                                                                   \
    {                                                                                                                 \
        int16_t *restrict out = SHORTS(at[1]);                                                                        \
        const T *restrict x = VALUES(T, at[2]);                                                                       \
        for (int64_t j = 0; j < rows; j++) out[j] = (int16_t)x[j];                                                    \
        break;                                                                                                        \
    }

#define EACH_NUMBER(expression)                                                                                        \
    {                                                                                                                 \
        double *restrict out = NUMBERS(at[1]);                                                                        \
        const double *restrict xs = NUMBERS(at[2]);                                                                            \
        for (int64_t j = 0; j < padded; j++) {                                                                        \
            const double x = xs[j];                                                                                   \
            out[j] = (expression);                                                                                    \
        }                                                                                                             \
        break;                                                                                                        \
    }

#define EACH_PAIR(expression)                                                                                          \
    {                                                                                                                 \
        double *restrict out = NUMBERS(at[1]);                                                                        \
        const double *restrict xs = NUMBERS(at[2]), *restrict ys = NUMBERS(at[3]);                                                      \
        for (int64_t j = 0; j < padded; j++) {                                                                        \
            const double x = xs[j], y = ys[j];                                                                        \
            out[j] = (expression);                                                                                    \
        }                                                                                                             \
        break;                                                                                                        \
    }

#define RANGE_COLUMN(suffix, T)                                                                                        \
    FN(range_##suffix)(PLANE(at[1]), VALUES(T, at[2]), rows, (T)run->integers[at[3]], (T)run->integers[at[4]]);        \
    break;
#define RANGE_FLOATS(suffix, T)                                                                                        \
    FN(range_##suffix)(PLANE(at[1]), VALUES(T, at[2]), rows, (T)run->doubles[at[3]], (T)run->doubles[at[4]]);          \
    break;
#define CHECK_COLUMN(suffix, T, constants)                                                                             \
    {                                                                                                                 \
        uint64_t inside[WORDS];                                                                                       \
        FN(range_##suffix)(inside, VALUES(T, at[3]), rows, (T)run->constants[at[4]], (T)run->constants[at[5]]);        \
        FN(load_valid)(PLANE(at[1]), COLUMN(at[3]), start, rows);                                                     \
        run->counters[at[6]] += FN(split)(PLANE(at[1]), PLANE(at[2]), inside, rows);                                  \
        break;                                                                                                        \
    }
#define TO_NUMBERS(T)                                                                                                  \
    {                                                                                                                 \
        double *out = NUMBERS(at[1]);                                                                                 \
        const T *x = VALUES(T, at[2]);                                                                                \
        for (int64_t j = 0; j < rows; j++) out[j] = (double)x[j];                                                     \
        break;                                                                                                        \
    }

/* Adds to each row, or to a start, 16-bit integers times their constants, each product on the grid; eight vectors of sums
 * stay in registers. */
#if LEVEL >= 4
#define NUMBERS_AT_ONCE __m512d
#define LANES 8
#define OF(operation) _mm512_##operation
#define WIDENED(x) _mm512_cvtepi32_pd(_mm256_cvtepi16_epi32(_mm_loadu_si128((const __m128i *)(x))))
#elif LEVEL >= 2
#define NUMBERS_AT_ONCE __m256d
#define LANES 4
#define OF(operation) _mm256_##operation
#define WIDENED(x) _mm256_cvtepi32_pd(_mm_cvtepi16_epi32(_mm_loadl_epi64((const __m128i *)(x))))
#endif
static void FN(scaled_shorts)(const popstrat_run *run, double *out, const double *in, double start, const int32_t *pairs,
                              int64_t n, int64_t first, int64_t padded) {
#ifdef LANES
    const NUMBERS_AT_ONCE rounder = OF(set1_pd)(GRID_ROUNDER);
    for (int64_t j = 0; j < padded; j += 8 * LANES) {
        NUMBERS_AT_ONCE sum[8];
        POPSTRAT_UNROLL
        for (int i = 0; i < 8; i++) sum[i] = in == NULL ? OF(set1_pd)(start) : OF(loadu_pd)(in + j + LANES * i);
        for (int64_t t = 0; t < n; t++) {
            const int16_t *x = SHORTS(pairs[2 * t]) + j;
            const NUMBERS_AT_ONCE k = OF(set1_pd)(run->doubles[pairs[2 * t + 1]]);
            POPSTRAT_UNROLL
            for (int i = 0; i < 8; i++) {
                const NUMBERS_AT_ONCE product = OF(mul_pd)(WIDENED(x + LANES * i), k);
                sum[i] = OF(add_pd)(sum[i], OF(sub_pd)(OF(add_pd)(product, rounder), rounder));
            }
        }
        POPSTRAT_UNROLL
        for (int i = 0; i < 8; i++) OF(storeu_pd)(out + j + LANES * i, sum[i]);
    }
#else
    for (int64_t j = 0; j < padded; j += 64) {
        double sum[64];
        for (int i = 0; i < 64; i++) sum[i] = in == NULL ? start : in[j + i];
        for (int64_t t = 0; t < n; t++) {
            const int16_t *x = SHORTS(pairs[2 * t]) + j;
            const double k = run->doubles[pairs[2 * t + 1]];
            for (int i = 0; i < 64; i++) sum[i] += ((double)x[i] * k + GRID_ROUNDER) - GRID_ROUNDER;
        }
        memcpy(out + j, sum, sizeof sum);
    }
#endif
}
#undef NUMBERS_AT_ONCE
#undef LANES
#undef OF
#undef WIDENED

/* Operations [begin, end) over `rows` rows of the input from `start`, which stand `first` rows into the block's registers. */
static void FN(run_span)(const popstrat_run *run, popstrat_ahead *ahead, int64_t begin, int64_t end, int64_t start,
                         int64_t first, int64_t rows) {
    const int64_t words = (rows + 63) / 64, padded = words * 64;
    uint64_t *const planes = run->planes + first / 64;
    const int32_t *at = run->code + begin * INSTRUCTION_WIDTH;
    for (int64_t i = begin; i < end; i++, at += INSTRUCTION_WIDTH) {
        if (at[0] != OP_CHAIN && at[0] != OP_CHAIN_OUT && at[0] != OP_WEIGH) FN(fetch)(run, ahead, run->share[i]); /* those do it as they go */
#ifdef POPSTRAT_SLOWED /* an operation, or none: an engine that is to be found slower (benchmarks/gate_is_real.py) */
        if (POPSTRAT_SLOWED(at[0])) for (volatile int wasted = 0; wasted < 100; wasted++) {}
#endif
        switch ((enum popstrat_op)at[0]) {
        case OP_ZERO: memset(PLANE(at[1]), 0, (size_t)words * 8); break;
        case OP_ONES: memset(PLANE(at[1]), 255, (size_t)words * 8); break;
        case OP_NOT: {
            uint64_t *restrict out = PLANE(at[1]);
            const uint64_t *restrict x = PLANE(at[2]);
            for (int64_t w = 0; w < words; w++) out[w] = ~x[w];
            break;
        }
        case OP_AND: EACH_WORD(x[w] & y[w])
        case OP_OR: EACH_WORD(x[w] | y[w])
        case OP_ANDNOT: EACH_WORD(x[w] & ~y[w])
        case OP_XOR: EACH_WORD(x[w] ^ y[w])
        case OP_FULLADD: {
            uint64_t *restrict sum = PLANE(at[1]), *restrict carry = PLANE(at[2]);
            const uint64_t *restrict x = PLANE(at[3]), *restrict y = PLANE(at[4]), *restrict z = PLANE(at[5]);
            for (int64_t w = 0; w < words; w++) {
                uint64_t a = x[w], b = y[w], c = z[w], h = a ^ b;
                sum[w] = h ^ c;
                carry[w] = (a & b) | (h & c);
            }
            break;
        }
        case OP_HALFADD: {
            uint64_t *restrict sum = PLANE(at[1]), *restrict carry = PLANE(at[2]);
            const uint64_t *restrict x = PLANE(at[3]), *restrict y = PLANE(at[4]);
            for (int64_t w = 0; w < words; w++) {
                uint64_t a = x[w], b = y[w];
                sum[w] = a ^ b;
                carry[w] = a & b;
            }
            break;
        }
        case OP_ANY: {
            FN(any)(PLANE(at[1]), planes, run->arguments + at[2], at[3], words);
            break;
        }
        case OP_FOLD: FN(fold)(PLANE(at[1]), planes, run->arguments + at[2], at[3]); break;
        case OP_VALID: FN(load_valid)(PLANE(at[1]), COLUMN(at[2]), start, rows); break;
        case OP_FLAG: {
            uint64_t *restrict out = PLANE(at[1]), valid[WORDS];
            FN(load_bits)(out, COLUMN(at[2])->values, COLUMN(at[2])->offset + start, rows);
            if (COLUMN(at[2])->valid != NULL) {
                FN(load_valid)(valid, COLUMN(at[2]), start, rows);
                for (int64_t w = 0; w < words; w++) out[w] &= valid[w];
            }
            break;
        }
        case OP_CHECK_I8: CHECK_COLUMN(i8, int8_t, integers)
        case OP_CHECK_U8: CHECK_COLUMN(u8, uint8_t, integers)
        case OP_CHECK_I16: CHECK_COLUMN(i16, int16_t, integers)
        case OP_CHECK_I32: CHECK_COLUMN(i32, int32_t, integers)
        case OP_CHECK_I64: CHECK_COLUMN(i64, int64_t, integers)
        case OP_CHECK_F32: CHECK_COLUMN(f32, float, doubles)
        case OP_CHECK_F64: CHECK_COLUMN(f64, double, doubles)
        case OP_CHECK_DATE: {
            uint64_t inside[WORDS], *low = PLANE(at[2]), *high = PLANE(at[3]);
            const int32_t *x = VALUES(int32_t, at[4]), last = (int32_t)run->integers[at[6]];
            FN(range_i32)(inside, x, rows, (int32_t)run->integers[at[5]], last);
            FN(load_valid)(PLANE(at[1]), COLUMN(at[4]), start, rows);
            const int64_t outside = FN(split)(PLANE(at[1]), low, inside, rows);
            if (outside == 0) {
                memset(high, 0, (size_t)words * 8);
                break;
            }
            FN(range_i32)(inside, x, rows, INT32_MIN, last);
            memcpy(high, low, (size_t)words * 8);
            memcpy(low, PLANE(at[1]), (size_t)words * 8); /* kept while the two kinds of outside are told apart */
            uint64_t *restrict ok = PLANE(at[1]);
            memcpy(ok, high, (size_t)words * 8);
            const int64_t late = FN(split)(ok, high, inside, rows); /* ok: too low; high: too high */
            for (int64_t w = 0; w < words; w++) {
                const uint64_t plausible = low[w];
                low[w] = ok[w];
                ok[w] = plausible;
            }
            run->counters[at[7]] += outside - late;
            run->counters[at[8]] += late;
            break;
        }
        case OP_BITS: FN(load_bits)(PLANE(at[1]), COLUMN(at[2])->values, COLUMN(at[2])->offset + start, rows); break;
        case OP_RANGE_I8: RANGE_COLUMN(i8, int8_t)
        case OP_RANGE_U8: RANGE_COLUMN(u8, uint8_t)
        case OP_RANGE_I16: RANGE_COLUMN(i16, int16_t)
        case OP_RANGE_I32: RANGE_COLUMN(i32, int32_t)
        case OP_RANGE_I64: RANGE_COLUMN(i64, int64_t)
        case OP_RANGE_F32: RANGE_FLOATS(f32, float)
        case OP_RANGE_F64: RANGE_FLOATS(f64, double)
        case OP_LESS_I32: FN(less_i32)(PLANE(at[1]), VALUES(int32_t, at[2]), VALUES(int32_t, at[3]), rows); break;
        case OP_APART_I32:
            FN(apart_i32)(PLANE(at[1]), VALUES(int32_t, at[2]), VALUES(int32_t, at[3]), rows, (int32_t)run->integers[at[4]],
                          (int32_t)run->integers[at[5]]);
            break;
        case OP_F64_I8: TO_NUMBERS(int8_t)
        case OP_F64_U8: TO_NUMBERS(uint8_t)
        case OP_F64_I16: TO_NUMBERS(int16_t)
        case OP_F64_I32: TO_NUMBERS(int32_t)
        case OP_F64_I64: TO_NUMBERS(int64_t)
        case OP_F64_F32: TO_NUMBERS(float)
        case OP_F64_F64: TO_NUMBERS(double)
        case OP_CODES_I8: FN(codes_i8)(BYTES(at[1]), VALUES(uint8_t, at[2]), rows, COLUMN(at[2])); break;
        case OP_CODES_I16: FN(codes_i16)(BYTES(at[1]), VALUES(uint16_t, at[2]), rows, COLUMN(at[2])); break;
        case OP_CODES_I32: FN(codes_i32)(BYTES(at[1]), VALUES(uint32_t, at[2]), rows, COLUMN(at[2])); break;
        case OP_CODES_STR32:
            FN(codes_str32)(BYTES(at[1]), VALUES(int32_t, at[2]), rows, COLUMN(at[2]));
            break;
        case OP_CODES_STR64:
            FN(codes_str64)(BYTES(at[1]), VALUES(int64_t, at[2]), rows, COLUMN(at[2]));
            break;
        case OP_YEARS: {
            /* completed years = (days lived * multiplier + addend) >> shift, exact for every plausible date: the
             * compiler has checked each birthday (rows with an implausible date hold rubbish, masked by validity) */
            int16_t *out = SHORTS(at[1]);
            const int32_t *x = VALUES(int32_t, at[2]);
            const uint32_t today = (uint32_t)run->integers[at[3]], by = (uint32_t)run->integers[at[4]];
            const uint32_t add = (uint32_t)run->integers[at[5]];
            const int shift = (int)run->integers[at[6]];
            for (int64_t j = 0; j < rows; j++) out[j] = (int16_t)(((today - (uint32_t)x[j]) * by + add) >> shift);
            break;
        }
        case OP_YEARS_TABLE: {
            /* the same where no such multiplier exists: a guess, corrected by the table of birthdays, newest first */
            int16_t *out = SHORTS(at[1]);
            const int32_t *x = VALUES(int32_t, at[2]), *birthdays = run->arguments + at[4];
            const int32_t last = at[5] - 1;
            const int64_t today = run->integers[at[3]];
            for (int64_t j = 0; j < rows; j++) {
                int64_t guess = (today - x[j]) * 400 / 146097;
                int32_t k = guess < 0 ? 0 : guess > last ? last : (int32_t)guess;
                while (k < last && x[j] <= birthdays[k + 1]) k++;
                while (k > 0 && x[j] > birthdays[k]) k--;
                out[j] = (int16_t)k;
            }
            break;
        }
        case OP_RANGE_CODE:
            FN(range_u8)(PLANE(at[1]), BYTES(at[2]), padded, (uint8_t)run->integers[at[3]], (uint8_t)run->integers[at[4]]);
            break;
        case OP_RANGE_SHORT:
            FN(range_i16)(PLANE(at[1]), SHORTS(at[2]), padded, (int16_t)run->integers[at[3]], (int16_t)run->integers[at[4]]);
            break;
        case OP_RANGE_NUM:
            FN(range_f64)(PLANE(at[1]), NUMBERS(at[2]), padded, run->doubles[at[3]], run->doubles[at[4]]);
            break;
        case OP_LESS_NUM: FN(less_f64)(PLANE(at[1]), NUMBERS(at[2]), NUMBERS(at[3]), padded); break;
        case OP_EQUAL_NUM: FN(equal_f64)(PLANE(at[1]), NUMBERS(at[2]), NUMBERS(at[3]), padded); break;
        case OP_FINITE: FN(finite_f64)(PLANE(at[1]), NUMBERS(at[2]), NUMBERS(at[2]), padded); break;
        case OP_SHORT_NUM: {
            int16_t *out = SHORTS(at[1]);
            const double *x = NUMBERS(at[2]);
            for (int64_t j = 0; j < padded; j++) {
                double v = x[j] > -32768.0 ? x[j] : -32768.0; /* NaN lands here too: masked by validity */
                out[j] = (int16_t)(v < 32767.0 ? v : 32767.0);
            }
            break;
        }
        case OP_SELECT_SHORT: {
            int16_t *out = SHORTS(at[1]);
            const uint64_t *mask = PLANE(at[2]);
            const int16_t *a = SHORTS(at[3]), *b = SHORTS(at[4]);
#if LEVEL >= 4
            for (int64_t j = 0; j < padded; j += 32)
                _mm512_storeu_si512((void *)(out + j), _mm512_mask_blend_epi16((__mmask32)(mask[j >> 6] >> (j & 63)),
                                                                               _mm512_loadu_si512((const void *)(b + j)),
                                                                               _mm512_loadu_si512((const void *)(a + j))));
#elif LEVEL >= 2
            const __m256i bit = _mm256_setr_epi16(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, -32768);
            for (int64_t j = 0; j < padded; j += 16) {
                const __m256i on = _mm256_and_si256(_mm256_set1_epi16((short)(mask[j >> 6] >> (j & 63))), bit);
                _mm256_storeu_si256((__m256i *)(out + j),
                                    _mm256_blendv_epi8(_mm256_loadu_si256((const __m256i *)(b + j)),
                                                       _mm256_loadu_si256((const __m256i *)(a + j)), _mm256_cmpeq_epi16(on, bit)));
            }
#else
            for (int64_t j = 0; j < padded; j++) out[j] = mask[j >> 6] >> (j & 63) & 1 ? a[j] : b[j];
#endif
            break;
        }
        case OP_SHORT_I8: TO_SHORTS(int8_t)
        case OP_SHORT_U8: TO_SHORTS(uint8_t)
        case OP_SHORT_I16: TO_SHORTS(int16_t)
        case OP_FILL_SHORT: {
            int16_t *out = SHORTS(at[1]);
            const int16_t k = (int16_t)run->integers[at[2]];
            for (int64_t j = 0; j < padded; j++) out[j] = k;
            break;
        }
        case OP_ADD_SHORTK: EACH_SHORT((uint16_t)x + (uint16_t)k)
        case OP_RSUB_SHORTK: EACH_SHORT((uint16_t)k - (uint16_t)x)
        case OP_MIN_SHORTK: EACH_SHORT(x < k ? x : k)
        case OP_MAX_SHORTK: EACH_SHORT(x > k ? x : k)
        case OP_NUM_SHORT: {
            double *out = NUMBERS(at[1]);
            const int16_t *x = SHORTS(at[2]);
            for (int64_t j = 0; j < padded; j++) out[j] = (double)x[j];
            break;
        }
        case OP_NUM_PLANES: {
            double *out = NUMBERS(at[1]);
            for (int64_t w = 0; w < words; w++) {
                uint8_t t[64];
                FN(expand64)(t, planes, run->arguments + at[2], at[3], w);
                for (int j = 0; j < 64; j++) out[64 * w + j] = (double)t[j];
            }
            break;
        }
        case OP_FILL: {
            double *out = NUMBERS(at[1]), k = run->doubles[at[2]];
            for (int64_t j = 0; j < padded; j++) out[j] = k;
            break;
        }
        case OP_SELECT: FN(select_f64)(NUMBERS(at[1]), PLANE(at[2]), NUMBERS(at[3]), NUMBERS(at[4]), words); break;
        case OP_MASKED_ADD:
            FN(masked_add)(NUMBERS(at[1]), NUMBERS(at[2]), planes, run->doubles, run->arguments + at[3], at[4], words);
            break;
        case OP_WEIGH:
            FN(weigh)(run, ahead, run->share[i], NUMBERS(at[1]), NUMBERS(at[2]), planes, run->tables[i],
                      run->arguments + at[3], at[4], words);
            break;
        case OP_ADD: EACH_PAIR(x + y)
        case OP_SUB: EACH_PAIR(x - y)
        case OP_MUL: EACH_PAIR(x * y)
        case OP_DIV: EACH_PAIR(x / y)
        case OP_MIN: EACH_PAIR(x < y ? x : y)
        case OP_MAX: EACH_PAIR(x > y ? x : y)
        case OP_POW: EACH_PAIR(FN(pow1)(x, y))
        case OP_LOOKUP:
            FN(lookup)(NUMBERS(at[1]), NULL, planes, run->doubles, run->arguments + at[2], at[3], run->arguments + at[4],
                       at[5], words);
            break;
        case OP_LOOKUP_OUT: {
            const popstrat_target to = FN(target)(run, at[5], PLANE(at[6]), start, rows);
            FN(lookup)(NULL, &to, planes, run->doubles, run->arguments + at[1], at[2], run->arguments + at[3], at[4], words);
            break;
        }
        case OP_ADD_SCALED: { const double k = run->doubles[at[4]]; EACH_PAIR(x + ((y * k + GRID_ROUNDER) - GRID_ROUNDER)) }
        case OP_ADD_SCALED_SHORTS:
            FN(scaled_shorts)(run, NUMBERS(at[1]), NUMBERS(at[2]), 0.0, run->arguments + at[3], at[4], first, padded);
            break;
        case OP_SCALED: {
            const double start = run->doubles[at[3]], k = run->doubles[at[4]];
            EACH_NUMBER(start + ((x * k + GRID_ROUNDER) - GRID_ROUNDER))
        }
        case OP_SCALED_SHORTS:
            FN(scaled_shorts)(run, NUMBERS(at[1]), NULL, run->doubles[at[2]], run->arguments + at[3], at[4], first, padded);
            break;
        case OP_ADDK: case OP_MULK: case OP_DIVK: case OP_MINK: case OP_MAXK: case OP_RSUBK: case OP_RDIVK: case OP_POWK:
        case OP_ROUND: case OP_SINGLE: case OP_NEG: case OP_ABS: case OP_SQRT: case OP_FLOOR: case OP_EXP:
        case OP_EXP_NEAR: case OP_LN: {
            const int32_t one[2] = {at[0], at[3]};
            FN(chain)(run, ahead, 0, NUMBERS(at[1]), NUMBERS(at[2]), one, 1, padded, NULL);
            break;
        }
        case OP_CHAIN:
            FN(chain)(run, ahead, run->share[i], NUMBERS(at[1]), NUMBERS(at[2]), run->arguments + at[3], at[4], padded, NULL);
            break;
        case OP_CHAIN_OUT: {
            const popstrat_target to = FN(target)(run, at[5], PLANE(at[6]), start, rows);
            FN(chain)(run, ahead, run->share[i], NUMBERS(at[1]), NUMBERS(at[2]), run->arguments + at[3], at[4], padded, &to);
            break;
        }
        case OP_OUT_BITS: FN(store_bits)(run->outputs[at[1]].values, PLANE(at[2]), start, rows, run->stream); break;
        case OP_OUT_VALID: FN(store_bits)(run->outputs[at[1]].valid, PLANE(at[2]), start, rows, run->stream); break;
        case OP_OUT_CODES: {
            uint8_t *out = run->outputs[at[1]].values + start;
            const int64_t whole = rows / 64;
            const int stream = run->stream && ((uintptr_t)out & 63) == 0;
            int64_t w = 0;
#if LEVEL >= 4
            if (stream)
                for (; w < whole; w++)
                    _mm512_stream_si512((__m512i *)(out + 64 * w), FN(expanded)(planes, run->arguments + at[2], at[3], w));
#endif
            for (; w < whole; w++) {
                uint8_t t[64];
                FN(expand64)(t, planes, run->arguments + at[2], at[3], w);
                if (stream)
                    FN(stream64)(out + 64 * w, t);
                else
                    memcpy(out + 64 * w, t, 64);
            }
            if (rows % 64) {
                uint8_t t[64];
                FN(expand64)(t, planes, run->arguments + at[2], at[3], whole);
                memcpy(out + 64 * whole, t, (size_t)(rows % 64));
            }
            break;
        }
        case OP_OUT_NUM: {
            const popstrat_target to = FN(target)(run, at[1], PLANE(at[3]), start, rows);
            for (int64_t j = 0; j < rows; j += 64) FN(write64)(&to, j, NUMBERS(at[2]) + j);
            break;
        }
        case OP_OUT_SHORT: {
            int16_t *out = (int16_t *)run->outputs[at[1]].values + start;
            const int16_t *x = SHORTS(at[2]);
            const uint64_t *mask = PLANE(at[3]);
            const int stream = run->stream && ((uintptr_t)out & 63) == 0;
            int64_t j = 0;
#if LEVEL >= 4
            if (stream)
                for (; j + 32 <= rows; j += 32)
                    _mm512_stream_si512((__m512i *)(out + j),
                                        _mm512_maskz_loadu_epi16(_load_mask32((__mmask32 *)mask + j / 32), x + j));
#endif
            for (; j + 32 <= rows; j += 32) {
                int16_t t[32];
                const uint32_t on = (uint32_t)(mask[j >> 6] >> (j & 63));
#if LEVEL >= 4
                _mm512_storeu_si512((void *)t, _mm512_maskz_loadu_epi16((__mmask32)on, x + j));
#else
                for (int k = 0; k < 32; k++) t[k] = (int16_t)(x[j + k] & -(int16_t)(on >> k & 1));
#endif
                if (stream)
                    FN(stream64)(out + j, t);
                else
                    memcpy(out + j, t, 64);
            }
            for (; j < rows; j++) out[j] = mask[j >> 6] >> (j & 63) & 1 ? x[j] : 0;
            break;
        }
        case OP_OUT_FLAGS: {
            uint64_t *out = (uint64_t *)run->outputs[at[1]].values + start;
            const int stream = run->stream && ((uintptr_t)out & 63) == 0;
            uint64_t any[WORDS] = {0};
            for (int64_t t = 0; t < at[3]; t++) {
                const uint64_t *x = PLANE(run->arguments[at[2] + 2 * t]);
                for (int64_t w = 0; w < words; w++) any[w] |= x[w];
            }
            static const uint64_t none[64];
            for (int64_t w = 0; w < words; w++) {
                uint64_t some[64];
                const uint64_t *flags = any[w] ? some : none;
                if (any[w]) memset(some, 0, sizeof some);
                for (int64_t t = 0; any[w] && t < at[3]; t++) {
                    const uint64_t flag = UINT64_C(1) << run->arguments[at[2] + 2 * t + 1];
                    for (uint64_t m = PLANE(run->arguments[at[2] + 2 * t])[w]; m; m &= m - 1)
                        some[__builtin_ctzll(m)] |= flag;
                }
                if (stream && 64 * w + 64 <= rows)
                    for (int v = 0; v < 8; v++) FN(stream64)(out + 64 * w + 8 * v, flags + 8 * v);
                else
                    memcpy(out + 64 * w, flags, (size_t)(rows - 64 * w < 64 ? rows - 64 * w : 64) * 8);
            }
            break;
        }
        case OP_COUNT: run->counters[at[1]] += FN(bits_of_rows)(PLANE(at[2]), rows); break;
        case OP_NEWEST: {
            /* rows newer than the newest so far are rare once the first blocks have gone by: look for any, 64 at a time */
            const int32_t *x = VALUES(int32_t, at[2]);
            const uint64_t *mask = PLANE(at[3]);
            const int64_t before = run->counters[at[1]] - (int64_t)NEWEST_SHIFT;
            int32_t newest = before < INT32_MIN ? INT32_MIN : (int32_t)before;
            uint64_t newer[WORDS];
            if (newest == INT32_MAX) break;
            FN(range_i32)(newer, x, rows, newest + 1, INT32_MAX);
            for (int64_t w = 0; w < rows / 64; w++)
                if (newer[w] & mask[w])
                    for (uint64_t m = mask[w]; m; m &= m - 1) {
                        const int32_t v = x[64 * w + __builtin_ctzll(m)];
                        newest = v > newest ? v : newest;
                    }
            for (int64_t j = rows / 64 * 64; j < rows; j++)
                if ((mask[j >> 6] >> (j & 63) & 1) && x[j] > newest) newest = x[j];
            if (newest > before) run->counters[at[1]] = newest + (int64_t)NEWEST_SHIFT;
            break;
        }
        case OP_SUM: {
            /* eight running sums, so that every instruction set adds in the same order */
            const double *x = NUMBERS(at[2]);
            const uint64_t *mask = PLANE(at[3]);
            double lane[8] = {0}, total;
            for (int64_t w = 0; w < words; w++) {
                const uint64_t m = w == rows / 64 ? mask[w] & ((UINT64_C(1) << (rows % 64)) - 1) : mask[w];
#if LEVEL >= 4
                __m512d sum = _mm512_loadu_pd(lane);
                for (int v = 0; v < 8; v++) {
                    const __mmask8 on = (__mmask8)(m >> (8 * v));
                    sum = _mm512_add_pd(sum, _mm512_maskz_loadu_pd(on, x + 64 * w + 8 * v));
                }
                _mm512_storeu_pd(lane, sum);
#elif LEVEL >= 2
                __m256d low = _mm256_loadu_pd(lane), high = _mm256_loadu_pd(lane + 4);
                for (int v = 0; v < 8; v++) {
                    low = _mm256_add_pd(low, FN(where4)(m >> (8 * v), x + 64 * w + 8 * v));
                    high = _mm256_add_pd(high, FN(where4)(m >> (8 * v + 4), x + 64 * w + 8 * v + 4));
                }
                _mm256_storeu_pd(lane, low);
                _mm256_storeu_pd(lane + 4, high);
#else
                for (int j = 0; j < 64; j++) lane[j & 7] += m >> j & 1 ? x[64 * w + j] : 0.0;
#endif
            }
            memcpy(&total, run->counters + at[1], 8);
            total += ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
            memcpy(run->counters + at[1], &total, 8);
            break;
        }
        case OP_END: break;
        }
    }
}

/* One block: spans of number work go over it in parts small enough for the first-level cache, all else at one go. */
static void FN(run_block)(const popstrat_run *run, int64_t start, int64_t rows) {
    popstrat_ahead ahead = {0, 0, 0, start + BLOCK, 0};
    for (int64_t s = 0; s < run->spans; s++) {
        const int32_t *span = run->span + 3 * s;
        if (!span[2]) {
            FN(run_span)(run, &ahead, span[0], span[1], start, 0, rows);
            continue;
        }
        for (int64_t first = 0; first < rows; first += PART) {
            const int64_t part = rows - first < PART ? rows - first : PART;
            FN(run_span)(run, &ahead, span[0], span[1], start + first, first, part);
        }
    }
}

#undef EXP_LEAST
#undef EXP_MOST
#undef PLANE
#undef BYTES
#undef SHORTS
#undef NUMBERS
#undef COLUMN
#undef VALUES
#undef EACH_WORD
#undef EACH_SHORT
#undef TO_SHORTS
#undef EACH_NUMBER
#undef EACH_PAIR
#undef RANGE_COLUMN
#undef RANGE_FLOATS
#undef CHECK_COLUMN
#undef TO_NUMBERS
