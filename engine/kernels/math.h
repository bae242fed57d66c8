/* Functions of doubles: rounding, exp, ln, powers; the same bits on every instruction set. */

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
#define INTERLEAVED 4
#define EACH_ONE POPSTRAT_UNROLL for (int i = 0; i < INTERLEAVED; i++)
static inline void FN(near_exps)(__m512d *v) {
    const __m512d rounder = _mm512_set1_pd(POPSTRAT_ROUNDER), scale = _mm512_set1_pd(23.083120654223414);
    const __m512d low = _mm512_loadu_pd(popstrat_power), high = _mm512_loadu_pd(popstrat_power + 8);
    const __m512d low_tail = _mm512_loadu_pd(popstrat_power_tail), high_tail = _mm512_loadu_pd(popstrat_power_tail + 8);
    static const double k[] = {0.041666666664959766, 0.16666666665301144, 0.5};
    __m512d n[INTERLEAVED], r[INTERLEAVED], q[INTERLEAVED], p[INTERLEAVED], power[INTERLEAVED];
    __m512i bits[INTERLEAVED];
    EACH_ONE n[i] = _mm512_fmadd_pd(v[i], scale, rounder);
    EACH_ONE bits[i] = _mm512_castpd_si512(n[i]);
    EACH_ONE n[i] = _mm512_sub_pd(n[i], rounder);
    EACH_ONE r[i] = _mm512_fmadd_pd(n[i], _mm512_set1_pd(-0.04332169877307024), v[i]);
    EACH_ONE r[i] = _mm512_fmadd_pd(n[i], _mm512_set1_pd(-1.1926343307941173e-11), r[i]);
    EACH_ONE q[i] = _mm512_fmadd_pd(_mm512_set1_pd(0.0013889034377693012), r[i], _mm512_set1_pd(0.008333449724528355));
    POPSTRAT_UNROLL
    for (int c = 0; c < 3; c++) {
        const __m512d constant = _mm512_set1_pd(k[c]);
        EACH_ONE q[i] = _mm512_fmadd_pd(q[i], r[i], constant);
    }
    EACH_ONE p[i] = _mm512_add_pd(r[i], _mm512_permutex2var_pd(low_tail, bits[i], high_tail));
    EACH_ONE p[i] = _mm512_fmadd_pd(q[i], _mm512_mul_pd(r[i], r[i]), p[i]);
    EACH_ONE power[i] = _mm512_permutex2var_pd(low, bits[i], high); /* a lookup sees the lowest four bits */
    EACH_ONE bits[i] = _mm512_slli_epi64(_mm512_srli_epi64(bits[i], 4), 52);
    EACH_ONE p[i] = _mm512_fmadd_pd(power[i], p[i], power[i]);
    EACH_ONE v[i] = _mm512_castsi512_pd(_mm512_add_epi64(_mm512_castpd_si512(p[i]), bits[i]));
}
static inline void FN(exps)(__m512d *v) { /* what lies outside is worked out like the rest, and put right at the end */
    __mmask8 kept[INTERLEAVED], over[INTERLEAVED];
    const __m512d most = _mm512_set1_pd(EXP_MOST);
    EACH_ONE kept[i] = _mm512_cmp_pd_mask(v[i], _mm512_set1_pd(EXP_LEAST), _CMP_NLT_UQ);
    EACH_ONE over[i] = _mm512_cmp_pd_mask(v[i], most, _CMP_NLE_UQ); /* NaN too, which adding leaves as it is */
    __m512d beyond[INTERLEAVED];
    EACH_ONE beyond[i] = _mm512_add_pd(v[i], _mm512_set1_pd(INFINITY));
    FN(near_exps)(v);
    EACH_ONE v[i] = _mm512_mask_mov_pd(_mm512_maskz_mov_pd(kept[i], v[i]), over[i], beyond[i]);
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
#endif
