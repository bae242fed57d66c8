/* The interpreter of one instruction set: a block of rows, operation by operation. Its text is compiled for each (each_isa.h).
 *
 * Every variant gives the same bits: the same operations in the same order, fused multiply-add only where the code says
 * fma(), and no reassociation. Loops run over whole 64-row words; the rows of the last word beyond the batch are undefined,
 * no output and no counter takes them up, and no input is read past its end.
 */

#include "kernels/bits.h"
#include "kernels/output.h"
#include "kernels/ranges.h"
#include "kernels/labels.h"
#include "kernels/years.h"
#include "kernels/math.h"
#include "kernels/sums.h"
#include "kernels/planes.h"
#include "kernels/chain.h"
#include "kernels/counters.h"

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

/* Operations [begin, end) over `rows` rows of the input from `start`, which stand `first` rows into the block's registers. */
static void FN(run_span)(const popstrat_run *run, popstrat_prefetching *ahead, int64_t begin, int64_t end, int64_t start,
                         int64_t first, int64_t rows) {
    const int64_t words = (rows + 63) / 64, padded = words * 64;
    uint64_t *const planes = run->planes + first / 64;
    const int32_t *at = run->code + begin * INSTRUCTION_WIDTH;
    for (int64_t i = begin; i < end; i++, at += INSTRUCTION_WIDTH) {
        if (at[0] != OP_CHAIN && at[0] != OP_CHAIN_OUT && at[0] != OP_WEIGH) popstrat_prefetch(run, ahead, run->share[i]); /* those do it as they go */
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
        case OP_CHECK_DATE:
            FN(check_date)(PLANE(at[1]), PLANE(at[2]), PLANE(at[3]), VALUES(int32_t, at[4]), COLUMN(at[4]), start, rows,
                           (int32_t)run->integers[at[5]], (int32_t)run->integers[at[6]], run->counters + at[7],
                           run->counters + at[8]);
            break;
        case OP_BITS: FN(load_bits)(PLANE(at[1]), COLUMN(at[2])->values, COLUMN(at[2])->offset + start, rows); break;
        case OP_RANGE_I8: RANGE_COLUMN(i8, int8_t)
        case OP_RANGE_U8: RANGE_COLUMN(u8, uint8_t)
        case OP_RANGE_I16: RANGE_COLUMN(i16, int16_t)
        case OP_RANGE_I32: RANGE_COLUMN(i32, int32_t)
        case OP_RANGE_I64: RANGE_COLUMN(i64, int64_t)
        case OP_RANGE_F32: RANGE_FLOATS(f32, float)
        case OP_RANGE_F64: RANGE_FLOATS(f64, double)
        case OP_LESS_I16: FN(less_i16)(PLANE(at[1]), VALUES(int16_t, at[2]), VALUES(int16_t, at[3]), rows); break;
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
        case OP_YEARS:
            FN(years)(SHORTS(at[1]), VALUES(int32_t, at[2]), rows, (uint32_t)run->integers[at[3]],
                      (uint32_t)run->integers[at[4]], (uint32_t)run->integers[at[5]], (int)run->integers[at[6]]);
            break;
        case OP_YEARS_TABLE:
            FN(years_table)(SHORTS(at[1]), VALUES(int32_t, at[2]), rows, run->integers[at[3]], run->arguments + at[4], at[5]);
            break;
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
        case OP_SELECT_SHORT: FN(select_i16)(SHORTS(at[1]), PLANE(at[2]), SHORTS(at[3]), SHORTS(at[4]), padded); break;
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
        case OP_OUT_CODES: FN(out_codes)(run, at[1], planes, run->arguments + at[2], at[3], start, rows); break;
        case OP_OUT_NUM: {
            const popstrat_target to = FN(target)(run, at[1], PLANE(at[3]), start, rows);
            for (int64_t j = 0; j < rows; j += 64) FN(write64)(&to, j, NUMBERS(at[2]) + j);
            break;
        }
        case OP_OUT_SHORT: FN(out_short)(run, at[1], SHORTS(at[2]), PLANE(at[3]), start, rows); break;
        case OP_OUT_FLAGS: FN(out_flags)(run, at[1], planes, run->arguments + at[2], at[3], start, rows); break;
        case OP_COUNT: run->counters[at[1]] += FN(bits_of_rows)(PLANE(at[2]), rows); break;
        case OP_NEWEST: FN(newest)(run->counters + at[1], VALUES(int32_t, at[2]), PLANE(at[3]), rows); break;
        case OP_SUM: FN(sum)(run->counters + at[1], NUMBERS(at[2]), PLANE(at[3]), rows); break;
        case OP_END: break;
        }
    }
}

/* One block: spans of number work go over it in parts small enough for the first-level cache, all else at one go. */
static void FN(run_block)(const popstrat_run *run, int64_t start, int64_t rows) {
    popstrat_prefetching ahead = {0, 0, 0, start + BLOCK, 0};
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
