/* Planes combined, and what they choose: or of many, folds, look-ups, one register or the other. */

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

/* The table's entry for the number that the planes spell, to a register or (NULL) to a target. */
static void FN(lookup)(double *restrict out, const popstrat_target *to, const uint64_t *planes, const double *constants,
                       const int32_t *code, int64_t n, const int32_t *entries, int64_t count, int64_t words) {
    double table[256] = {0}, scratch[64];
    for (int64_t k = 0; k < count; k++) table[k] = constants[entries[k]];
    for (int64_t w = 0; w < words; w++) {
        double *const found = out == NULL ? scratch : out + 64 * w;
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
        if (out == NULL) FN(write64)(to, 64 * w, scratch);
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

static void FN(select_i16)(int16_t *out, const uint64_t *mask, const int16_t *a, const int16_t *b, int64_t padded) {
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
}
