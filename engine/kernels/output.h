/* Outputs: registers to memory, past the caches (non-temporal stores) where they are far larger than these. */

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
static inline __m256d FN(masked4)(uint64_t bits, const double *x) {
    const __m256i bit = _mm256_setr_epi64x(1, 2, 4, 8);
    const __m256i on = _mm256_cmpeq_epi64(_mm256_and_si256(_mm256_set1_epi64x((long long)bits), bit), bit);
    return _mm256_and_pd(_mm256_loadu_pd(x), _mm256_castsi256_pd(on));
}
#endif

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

/* Write 64 numbers from row j on, or as many as there are rows; plus zero, so that there is only one zero. */
static inline void FN(write64)(const popstrat_target *to, int64_t j, const double *x) {
    const uint64_t mask = to->mask[j >> 6];
    const int64_t many = to->rows - j < 64 ? to->rows - j : 64;
    double *const out = to->values + j;
    int64_t k = 0;
    for (; k + 8 <= many; k += 8) {
        const uint8_t on = (uint8_t)(mask >> k);
#if LEVEL >= 4
        const __m512d kept = _mm512_add_pd(_mm512_maskz_loadu_pd((__mmask8)on, x + k), _mm512_setzero_pd());
        if (to->stream)
            _mm512_stream_pd(out + k, kept);
        else
            _mm512_storeu_pd(out + k, kept);
#else
        double t[8];
#if LEVEL >= 2
        _mm256_storeu_pd(t, _mm256_add_pd(FN(masked4)(on, x + k), _mm256_setzero_pd()));
        _mm256_storeu_pd(t + 4, _mm256_add_pd(FN(masked4)(on >> 4, x + k + 4), _mm256_setzero_pd()));
#else
        for (int v = 0; v < 8; v++) t[v] = on >> v & 1 ? x[k + v] + 0.0 : 0.0;
#endif
        if (to->stream)
            FN(stream64)(out + k, t);
        else
            memcpy(out + k, t, 64);
#endif
    }
    for (; k < many; k++) out[k] = mask >> k & 1 ? x[k] + 0.0 : 0.0;
}

static inline popstrat_target FN(target)(const popstrat_run *run, int64_t output, const uint64_t *mask, int64_t start,
                                         int64_t rows) {
    double *values = (double *)run->outputs[output].values + start;
    return (popstrat_target){values, mask, rows, run->stream && ((uintptr_t)values & 63) == 0};
}

/* Codes, or small numbers, from the planes that spell them. */
static void FN(out_codes)(const popstrat_run *run, int64_t output, const uint64_t *planes, const int32_t *registers, int64_t n,
                          int64_t start, int64_t rows) {
    uint8_t *out = run->outputs[output].values + start;
    const int64_t whole = rows / 64;
    const int stream = run->stream && ((uintptr_t)out & 63) == 0;
    int64_t w = 0;
#if LEVEL >= 4
    if (stream)
        for (; w < whole; w++)
            _mm512_stream_si512((__m512i *)(out + 64 * w), FN(expanded)(planes, registers, n, w));
#endif
    for (; w < whole; w++) {
        uint8_t t[64];
        FN(expand64)(t, planes, registers, n, w);
        if (stream)
            FN(stream64)(out + 64 * w, t);
        else
            memcpy(out + 64 * w, t, 64);
    }
    if (rows % 64) {
        uint8_t t[64];
        FN(expand64)(t, planes, registers, n, whole);
        memcpy(out + 64 * whole, t, (size_t)(rows % 64));
    }
}

static void FN(out_short)(const popstrat_run *run, int64_t output, const int16_t *x, const uint64_t *mask, int64_t start,
                          int64_t rows) {
    int16_t *out = (int16_t *)run->outputs[output].values + start;
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
}

/* Bits of 64 in one word a row: pairs of a plane and the number of its bit. Hardly a row has any. */
static void FN(out_flags)(const popstrat_run *run, int64_t output, const uint64_t *planes, const int32_t *pairs, int64_t n,
                          int64_t start, int64_t rows) {
    const int64_t words = (rows + 63) / 64;
    uint64_t *out = (uint64_t *)run->outputs[output].values + start;
    const int stream = run->stream && ((uintptr_t)out & 63) == 0;
    uint64_t any[WORDS] = {0};
    for (int64_t t = 0; t < n; t++) {
        const uint64_t *x = (planes + (int64_t)pairs[2 * t] * PLANE_STEP);
        for (int64_t w = 0; w < words; w++) any[w] |= x[w];
    }
    static const uint64_t none[64];
    for (int64_t w = 0; w < words; w++) {
        uint64_t some[64];
        const uint64_t *flags = any[w] ? some : none;
        if (any[w]) memset(some, 0, sizeof some);
        for (int64_t t = 0; any[w] && t < n; t++) {
            const uint64_t flag = UINT64_C(1) << pairs[2 * t + 1];
            for (uint64_t m = (planes + (int64_t)pairs[2 * t] * PLANE_STEP)[w]; m; m &= m - 1)
                some[__builtin_ctzll(m)] |= flag;
        }
        if (stream && 64 * w + 64 <= rows)
            for (int v = 0; v < 8; v++) FN(stream64)(out + 64 * w + 8 * v, flags + 8 * v);
        else
            memcpy(out + 64 * w, flags, (size_t)(rows - 64 * w < 64 ? rows - 64 * w : 64) * 8);
    }
}
