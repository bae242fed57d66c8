/* Counters that are more than bits: the newest date, the sum of doubles. */

/* The largest value where the mask is set, plus NEWEST_SHIFT. */
static void FN(newest)(int64_t *counter, const int32_t *x, const uint64_t *mask, int64_t rows) {
    /* rows newer than the newest so far are rare once the first blocks have gone by: look for any, 64 at a time */
    const int64_t before = *counter - (int64_t)NEWEST_SHIFT;
    int32_t newest = before < INT32_MIN ? INT32_MIN : (int32_t)before;
    uint64_t newer[WORDS];
    if (newest == INT32_MAX) return;
    FN(range_i32)(newer, x, rows, newest + 1, INT32_MAX);
    for (int64_t w = 0; w < rows / 64; w++)
        if (newer[w] & mask[w])
            for (uint64_t m = mask[w]; m; m &= m - 1) {
                const int32_t v = x[64 * w + __builtin_ctzll(m)];
                newest = v > newest ? v : newest;
            }
    for (int64_t j = rows / 64 * 64; j < rows; j++)
        if ((mask[j >> 6] >> (j & 63) & 1) && x[j] > newest) newest = x[j];
    if (newest > before) *counter = newest + (int64_t)NEWEST_SHIFT;
}

/* The bits of a double that adds up. */
static void FN(sum)(int64_t *counter, const double *x, const uint64_t *mask, int64_t rows) {
    const int64_t words = (rows + 63) / 64;
    /* eight running sums, so that every instruction set adds in the same order */
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
            low = _mm256_add_pd(low, FN(masked4)(m >> (8 * v), x + 64 * w + 8 * v));
            high = _mm256_add_pd(high, FN(masked4)(m >> (8 * v + 4), x + 64 * w + 8 * v + 4));
        }
        _mm256_storeu_pd(lane, low);
        _mm256_storeu_pd(lane + 4, high);
#else
        for (int j = 0; j < 64; j++) lane[j & 7] += m >> j & 1 ? x[64 * w + j] : 0.0;
#endif
    }
    memcpy(&total, counter, 8);
    total += ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
    memcpy(counter, &total, 8);
}
