/* One register of doubles to another, one operation or several in a row. */

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
#define STEP(expression)                                                                                               \
    POPSTRAT_UNROLL                                                                                                    \
    for (int i = 0; i < 8; i++) {                                                                                     \
        const __m512d x = v[i];                                                                                       \
        v[i] = (expression);                                                                                          \
    }                                                                                                                 \
    break;
/* Several, 64 rows at a time, in registers. `share`: to be fetched meanwhile; `to`: where it is written too, or NULL. */
static POPSTRAT_NOINLINE void FN(chain)(const popstrat_run *run, popstrat_prefetching *ahead, int32_t share, double *out,
                                        const double *in, const int32_t *steps, int64_t n, int64_t padded,
                                        const popstrat_target *to) {
    const double *const constants = run->doubles;
    for (int64_t j = 0; j < padded; j += 64) {
        popstrat_prefetch(run, ahead, share / (PART / 64));
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
                for (int i = 0; i < 8; i += INTERLEAVED) FN(exps)(v + i);
                break;
            case OP_EXP_NEAR:
                POPSTRAT_UNROLL
                for (int i = 0; i < 8; i += INTERLEAVED) FN(near_exps)(v + i);
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
static void FN(chain)(const popstrat_run *run, popstrat_prefetching *ahead, int32_t share, double *out, const double *in,
                      const int32_t *steps, int64_t n, int64_t padded, const popstrat_target *to) {
    const double *const constants = run->doubles;
    popstrat_prefetch(run, ahead, share);
    if (n == 0 && out != in) memcpy(out, in, (size_t)padded * 8);
    for (int64_t s = 0; s < n; s++)
        FN(step)(out, s ? out : in, (enum popstrat_op)steps[2 * s], constants[steps[2 * s + 1]], padded);
    for (int64_t j = 0; to != NULL && j < to->rows; j += 64) FN(write64)(to, j, out + j);
}
#endif
