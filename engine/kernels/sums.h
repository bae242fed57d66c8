/* Sums of constants and products by row: in order, or from tables where they are exact. */

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
static POPSTRAT_NOINLINE void FN(weigh)(const popstrat_run *run, popstrat_prefetching *ahead, int32_t share, double *out,
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
                if (t == 0) popstrat_prefetch(run, ahead, share / (PART / 128));
                FN(weigh_words)(out + 64 * (first + w), from + 64 * (first + w), index[0][w], parts, groups, 2);
            }
            if (w < some) FN(weigh_words)(out + 64 * (first + w), from + 64 * (first + w), index[0][w], parts, groups, 1);
        }
    }
}
#else
static POPSTRAT_NOINLINE void FN(weigh)(const popstrat_run *run, popstrat_prefetching *ahead, int32_t share, double *out,
                                        const double *in, const uint64_t *planes, const void *tables,
                                        const int32_t *pairs, int64_t n, int64_t words) {
    popstrat_prefetch(run, ahead, share);
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
    const int16_t *const shorts = run->shorts + first;
#ifdef LANES
    const NUMBERS_AT_ONCE rounder = OF(set1_pd)(GRID_ROUNDER);
    for (int64_t j = 0; j < padded; j += 8 * LANES) {
        NUMBERS_AT_ONCE sum[8];
        POPSTRAT_UNROLL
        for (int i = 0; i < 8; i++) sum[i] = in == NULL ? OF(set1_pd)(start) : OF(loadu_pd)(in + j + LANES * i);
        for (int64_t t = 0; t < n; t++) {
            const int16_t *x = shorts + (int64_t)pairs[2 * t] * SHORT_STEP + j;
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
            const int16_t *x = shorts + (int64_t)pairs[2 * t] * SHORT_STEP + j;
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
