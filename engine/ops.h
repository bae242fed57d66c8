/* The instruction set: one line per operation, read by the interpreter, the validator and Python alike.
 *
 * The signature names each operand in order:
 *   b u h f   register: bit plane, bytes, 16-bit integers, doubles (written where the letter is a capital)
 *   c         input column            o   output            n   counter
 *   i         index of an integer constant                  k   index of a double constant
 *   l m       (start, count) in the argument list: bit planes / pairs of (bit plane, double constant)
 *   p         (start, count): pairs of (bit plane, bit number)
 *   t q       (start, count) in the argument list: a table of int32 / of indices of double constants
 *   s         (start, count): pairs of (an operation on one register of doubles, double constant)
 *   d         (start, count): pairs of (register of 16-bit integers, double constant)
 *   v         (start, count), one at least: pairs of (AND, OR, XOR, ANDNOT, or NOT for the second ANDNOT the first; bit plane)
 *
 * Names: RANGE lo <= x <= hi; CHECK the same where valid, as two planes (plausible; valid but not), the second counted;
 * CHECK_DATE with one plane each for too low and too high; FLAG set and valid. A counter holds a whole number that adds up
 * (COUNT), the largest value (NEWEST) or the bits of a double that adds up (SUM).
 * MASKED_ADD adds in the order of its list. WEIGH adds what may be added in any order, because the sum is exact: its
 * constants, and what it adds to, are whole multiples of GRID_STEP, and together less than GRID_BOUND. ADD_SCALED puts the
 * product that it adds on that grid; SCALED adds it to a constant; the same with SHORTS does it for several, in order. APART lo <= x - y <= hi of two columns. CHAIN does
 * operations on one register one after the other, and FOLD on planes, from the first (whose operation does not count) on: what lies between them staying in the processor's registers. EXP_NEAR is
 * EXP of what is sure to lie between -708 and 709. With _OUT, what comes out is written at once, as by OUT_NUM.
 */
#ifndef POPSTRAT_OPS_H
#define POPSTRAT_OPS_H

#define POPSTRAT_OPS(X)                                                                                               \
    /* bit planes */                                                                                                  \
    X(ZERO, "B") X(ONES, "B") X(NOT, "Bb") X(AND, "Bbb") X(OR, "Bbb") X(ANDNOT, "Bbb") X(XOR, "Bbb")                  \
    X(FULLADD, "BBbbb") X(HALFADD, "BBbb") X(ANY, "Bl") X(FOLD, "Bv")                                                               \
    /* input columns to planes and registers */                                                                       \
    X(VALID, "Bc") X(BITS, "Bc") X(FLAG, "Bc")                                                                                      \
    X(RANGE_I8, "Bcii") X(RANGE_U8, "Bcii") X(RANGE_I16, "Bcii") X(RANGE_I32, "Bcii") X(RANGE_I64, "Bcii")            \
    X(RANGE_F32, "Bckk") X(RANGE_F64, "Bckk") X(LESS_I32, "Bcc") X(APART_I32, "Bccii")                                                      \
    X(CHECK_I8, "BBciin") X(CHECK_U8, "BBciin") X(CHECK_I16, "BBciin") X(CHECK_I32, "BBciin") X(CHECK_I64, "BBciin")  \
    X(CHECK_F32, "BBckkn") X(CHECK_F64, "BBckkn") X(CHECK_DATE, "BBBciinn")                                                      \
    X(F64_I8, "Fc") X(F64_U8, "Fc") X(F64_I16, "Fc") X(F64_I32, "Fc") X(F64_I64, "Fc") X(F64_F32, "Fc")               \
    X(F64_F64, "Fc")                                                                                                  \
    X(CODES_I8, "Uc") X(CODES_I16, "Uc") X(CODES_I32, "Uc") X(CODES_STR32, "Uc") X(CODES_STR64, "Uc")                 \
    X(YEARS, "Hciiii") X(YEARS_TABLE, "Hcit")                                                                      \
    /* registers to planes */                                                                                         \
    X(RANGE_CODE, "Buii") X(RANGE_SHORT, "Bhii") X(RANGE_NUM, "Bfkk") X(LESS_NUM, "Bff") X(EQUAL_NUM, "Bff")          \
    X(FINITE, "Bf")                                                                                                   \
    /* 16-bit integers */                                                                                             \
    X(SHORT_NUM, "Hf") X(SELECT_SHORT, "Hbhh") X(SHORT_I8, "Hc") X(SHORT_U8, "Hc") X(SHORT_I16, "Hc") X(FILL_SHORT, "Hi") \
    X(ADD_SHORTK, "Hhi") X(RSUB_SHORTK, "Hhi") X(MIN_SHORTK, "Hhi") X(MAX_SHORTK, "Hhi")                                                                        \
    /* doubles */                                                                                                     \
    X(NUM_SHORT, "Fh") X(NUM_PLANES, "Fl") X(FILL, "Fk") X(SELECT, "Fbff") X(MASKED_ADD, "Ffm") X(WEIGH, "Ffm") X(LOOKUP, "Flq")                       \
    X(ADD, "Fff") X(SUB, "Fff") X(MUL, "Fff") X(DIV, "Fff") X(MIN, "Fff") X(MAX, "Fff") X(POW, "Fff")                 \
    X(ADDK, "Ffk") X(MULK, "Ffk") X(DIVK, "Ffk") X(MINK, "Ffk") X(MAXK, "Ffk") X(RSUBK, "Ffk") X(RDIVK, "Ffk") X(ADD_SCALED, "Fffk") X(ADD_SCALED_SHORTS, "Ffd") \
    X(SCALED, "Ffkk") X(SCALED_SHORTS, "Fkd")        \
    X(POWK, "Ffk") X(ROUND, "Ffk")                                                                                    \
    X(SINGLE, "Ff") X(NEG, "Ff") X(ABS, "Ff") X(SQRT, "Ff") X(FLOOR, "Ff") X(EXP, "Ff") X(EXP_NEAR, "Ff") X(LN, "Ff") X(CHAIN, "Ffs") \
    X(CHAIN_OUT, "Ffsob") X(LOOKUP_OUT, "lqob") \
    /* outputs and counters */                                                                                        \
    X(OUT_BITS, "ob") X(OUT_VALID, "ob") X(OUT_CODES, "ol") X(OUT_NUM, "ofb") X(OUT_SHORT, "ohb") X(OUT_FLAGS, "op")  \
    X(COUNT, "nb") X(NEWEST, "ncb") X(SUM, "nfb")

enum popstrat_op {
#define X(name, signature) OP_##name,
    POPSTRAT_OPS(X)
#undef X
        OP_END
};

static const char *const popstrat_op_names[] = {
#define X(name, signature) #name,
    POPSTRAT_OPS(X)
#undef X
};

static const char *const popstrat_op_signatures[] = {
#define X(name, signature) signature,
    POPSTRAT_OPS(X)
#undef X
};

#endif
