/* Comparisons with limits: values to bit planes, and checks that tell plausible from implausible. */

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

/* A predicate of one or two doubles (registers, so whole words) or columns of whole numbers. */
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
#if LEVEL >= 4 /* as the limits above: masks go to memory as they are */
#define POPSTRAT_LESS(suffix, T, LANES, MASK, bits)                                                                    \
    static inline MASK FN(lanes_less_##suffix)(const T *x, const T *y) {                                              \
        return _mm512_cmplt_epi##bits##_mask(_mm512_loadu_si512((const void *)x), _mm512_loadu_si512((const void *)y)); \
    }                                                                                                                 \
    static POPSTRAT_NOINLINE void FN(less_##suffix)(uint64_t *out, const T *x, const T *y, int64_t rows) {            \
        uint8_t *to = (uint8_t *)out;                                                                                 \
        const int64_t whole = rows / LANES;                                                                           \
        int64_t i = 0;                                                                                                \
        for (; i + 8 <= whole; i += 8) {                                                                              \
            POPSTRAT_UNROLL                                                                                           \
            for (int k = 0; k < 8; k++) {                                                                             \
                const MASK m = FN(lanes_less_##suffix)(x + LANES * (i + k), y + LANES * (i + k));                     \
                memcpy(to + (i + k) * (LANES / 8), &m, LANES / 8);                                                    \
            }                                                                                                         \
        }                                                                                                             \
        for (; i < whole; i++) {                                                                                      \
            const MASK m = FN(lanes_less_##suffix)(x + LANES * i, y + LANES * i);                                     \
            memcpy(to + i * (LANES / 8), &m, LANES / 8);                                                              \
        }                                                                                                             \
        if (rows % LANES) {                                                                                           \
            T a[LANES] = {0}, b[LANES] = {0};                                                                         \
            memcpy(a, x + LANES * whole, (size_t)(rows % LANES) * sizeof(T));                                         \
            memcpy(b, y + LANES * whole, (size_t)(rows % LANES) * sizeof(T));                                         \
            const MASK m = FN(lanes_less_##suffix)(a, b);                                                             \
            memcpy(to + whole * (LANES / 8), &m, LANES / 8);                                                          \
        }                                                                                                             \
    }
POPSTRAT_LESS(i16, int16_t, 32, __mmask32, 16)
POPSTRAT_LESS(i32, int32_t, 16, __mmask16, 32)
#undef POPSTRAT_LESS
#else
POPSTRAT_TEST(less_i16, int16_t, a < b)
POPSTRAT_TEST(less_i32, int32_t, a < b)
#endif
POPSTRAT_TEST(less_f64, double, a < b)
POPSTRAT_TEST(equal_f64, double, a == b)
POPSTRAT_TEST(finite_f64, double, (a - b) == 0.0) /* inf - inf and NaN - NaN are NaN */
#undef POPSTRAT_TEST

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

/* Dates: where valid and from `first` to `last`; where valid and too low, counted; where too high, counted. */
static void FN(check_date)(uint64_t *restrict ok, uint64_t *low, uint64_t *high, const int32_t *x, const popstrat_column *c,
                           int64_t start, int64_t rows, int32_t first, int32_t last, int64_t *lows, int64_t *highs) {
    const int64_t words = (rows + 63) / 64;
    uint64_t inside[WORDS];
    FN(range_i32)(inside, x, rows, first, last);
    FN(load_valid)(ok, c, start, rows);
    const int64_t outside = FN(split)(ok, low, inside, rows);
    if (outside == 0) {
        memset(high, 0, (size_t)words * 8);
        return;
    }
    FN(range_i32)(inside, x, rows, INT32_MIN, last);
    memcpy(high, low, (size_t)words * 8);
    memcpy(low, ok, (size_t)words * 8); /* kept while the two kinds of outside are told apart */
    memcpy(ok, high, (size_t)words * 8);
    const int64_t late = FN(split)(ok, high, inside, rows); /* ok: too low; high: too high */
    for (int64_t w = 0; w < words; w++) {
        const uint64_t plausible = low[w];
        low[w] = ok[w];
        ok[w] = plausible;
    }
    *lows += outside - late;
    *highs += late;
}
