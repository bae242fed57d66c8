/* The table of operations: a line for each, and what each letter of its operands stands for. The kernels' switch, the
 * verifier, the listing, the pacing of prefetches, the assembler, tests and benchmarks read it; nothing else says what an
 * operation takes. To add one: a line here, a case in kernels/block.h, and what it does to single values in
 * program/scalar.py. The compiler, the import of program/scalar.py and tests/unit/test_operations.py miss what is missing.
 */
#ifndef POPSTRAT_OPS_H
#define POPSTRAT_OPS_H

/* Operands by letter: X(letter, kind, bits, items, least, meaning). A register is written where its letter is a capital.
 *
 * kind   "register", of `bits` a row; "column", "output", "counter"; "integer" and "double", constants by their number;
 *        "list": two operands, where it begins in the argument list and how many items it has, `least` at least; each item
 *        is as many integers as `items` has letters
 * items  b h k as below; # the number of a bit; @ any whole number; + an operation on one register of doubles (signature
 *        Ff or Ffk); & one on bit planes (AND, OR, XOR, ANDNOT, or NOT for: not the first, and the second)
 */
#define POPSTRAT_OPERANDS(X)                                                                                          \
    X("b", "register", 1, "", 0, "bit plane")                                                                         \
    X("u", "register", 8, "", 0, "bytes: codes of labels")                                                            \
    X("h", "register", 16, "", 0, "16-bit integers")                                                                  \
    X("f", "register", 64, "", 0, "doubles")                                                                          \
    X("c", "column", 0, "", 0, "input column")                                                                        \
    X("o", "output", 0, "", 0, "output")                                                                              \
    X("n", "counter", 0, "", 0, "counter")                                                                            \
    X("i", "integer", 0, "", 0, "integer constant")                                                                   \
    X("k", "double", 0, "", 0, "double constant")                                                                     \
    X("l", "list", 0, "b", 0, "bit planes")                                                                           \
    X("p", "list", 0, "b#", 0, "bit planes, each with the number of its bit")                                         \
    X("m", "list", 0, "bk", 0, "bit planes, each with a constant")                                                    \
    X("d", "list", 0, "hk", 0, "16-bit integers, each with a constant")                                               \
    X("t", "list", 0, "@", 1, "table of whole numbers")                                                               \
    X("q", "list", 0, "k", 1, "table of doubles")                                                                     \
    X("s", "list", 0, "+k", 0, "steps of a chain: operations on one register, each with a constant")                  \
    X("v", "list", 0, "&b", 1, "steps of a fold: operations on planes, each with a plane")

/* X(name, operands, reads, writes, cost, item, most)
 *
 * operands  a letter each, in order
 * reads     kind of its columns, "" for any
 * writes    kind of its output, "" for any
 * cost      about what it works out a row, besides the bits that it reads and writes
 * item      the same of each item of a list
 * most      items of a list of bit planes at most, or 0; EXACT: any number, whose constants are whole multiples of
 *           GRID_STEP and together less than GRID_BOUND, so that their sums are exact
 *
 * Counters hold a whole number that adds up (COUNT, CHECK), the largest value (NEWEST) or the bits of a double that adds
 * up (SUM). A list is gone through in its order, save by WEIGH: constants on the grid add up exactly in any. ADD_SCALED
 * and SCALED put each product on the grid.
 */
enum { EXACT = -1 };
#define POPSTRAT_OPS(X)                                                                                                                   \
    /* bit planes */                                                                                                                      \
    X(ZERO, "B", "", "", 0, 1, 0)                               /* no row */                                                              \
    X(ONES, "B", "", "", 0, 1, 0)                               /* every row */                                                           \
    X(NOT, "Bb", "", "", 0, 1, 0)                                                                                                         \
    X(AND, "Bbb", "", "", 0, 1, 0)                                                                                                        \
    X(OR, "Bbb", "", "", 0, 1, 0)                                                                                                         \
    X(ANDNOT, "Bbb", "", "", 0, 1, 0)                                                                                                     \
    X(XOR, "Bbb", "", "", 0, 1, 0)                                                                                                        \
    X(FULLADD, "BBbbb", "", "", 0, 1, 0)                        /* sum and carry of three bits */                                         \
    X(HALFADD, "BBbb", "", "", 0, 1, 0)                         /* of two */                                                              \
    X(ANY, "Bl", "", "", 0, 1, 0)                               /* or of them all */                                                      \
    X(FOLD, "Bv", "", "", 0, 1, 0)                              /* one after the other, from the first, whose operation does not count */ \
    /* input columns to planes and registers */                                                                                           \
    X(VALID, "Bc", "", "", 0, 1, 0)                             /* not null */                                                            \
    X(BITS, "Bc", "bits", "", 0, 1, 0)                          /* the bits themselves */                                                 \
    X(FLAG, "Bc", "bits", "", 0, 1, 0)                          /* set and not null */                                                    \
    X(RANGE_I8, "Bcii", "i8", "", 0, 1, 0)                      /* lo <= x <= hi */                                                       \
    X(RANGE_U8, "Bcii", "u8", "", 0, 1, 0)                                                                                                \
    X(RANGE_I16, "Bcii", "i16", "", 0, 1, 0)                                                                                              \
    X(RANGE_I32, "Bcii", "i32", "", 0, 1, 0)                                                                                              \
    X(RANGE_I64, "Bcii", "i64", "", 0, 1, 0)                                                                                              \
    X(RANGE_F32, "Bckk", "f32", "", 0, 1, 0)                                                                                              \
    X(RANGE_F64, "Bckk", "f64", "", 0, 1, 0)                                                                                              \
    X(LESS_I16, "Bcc", "i16", "", 0, 1, 0)                      /* x < y */                                                               \
    X(LESS_I32, "Bcc", "i32", "", 0, 1, 0)                      /* x < y */                                                               \
    X(APART_I32, "Bccii", "i32", "", 0, 1, 0)                   /* lo <= x - y <= hi */                                                   \
    X(CHECK_I8, "BBciin", "i8", "", 0, 1, 0)                    /* valid and inside; valid and not, counted */                            \
    X(CHECK_U8, "BBciin", "u8", "", 0, 1, 0)                                                                                              \
    X(CHECK_I16, "BBciin", "i16", "", 20, 1, 0)                                                                                           \
    X(CHECK_I32, "BBciin", "i32", "", 0, 1, 0)                                                                                            \
    X(CHECK_I64, "BBciin", "i64", "", 0, 1, 0)                                                                                            \
    X(CHECK_F32, "BBckkn", "f32", "", 30, 1, 0)                                                                                           \
    X(CHECK_F64, "BBckkn", "f64", "", 0, 1, 0)                                                                                            \
    X(CHECK_DATE, "BBBciinn", "i32", "", 40, 1, 0)              /* plausible; too low; too high, each counted */                          \
    X(F64_I8, "Fc", "i8", "", 0, 1, 0)                          /* as doubles */                                                          \
    X(F64_U8, "Fc", "u8", "", 0, 1, 0)                                                                                                    \
    X(F64_I16, "Fc", "i16", "", 0, 1, 0)                                                                                                  \
    X(F64_I32, "Fc", "i32", "", 0, 1, 0)                                                                                                  \
    X(F64_I64, "Fc", "i64", "", 0, 1, 0)                                                                                                  \
    X(F64_F32, "Fc", "f32", "", 0, 1, 0)                                                                                                  \
    X(F64_F64, "Fc", "f64", "", 0, 1, 0)                                                                                                  \
    X(CODES_I8, "Uc", "dict8", "", 0, 1, 0)                     /* codes of a dictionary's entries */                                     \
    X(CODES_I16, "Uc", "dict16", "", 0, 1, 0)                                                                                             \
    X(CODES_I32, "Uc", "dict32", "", 0, 1, 0)                                                                                             \
    X(CODES_STR32, "Uc", "str32", "", 0, 1, 0)                  /* of text */                                                             \
    X(CODES_STR64, "Uc", "str64", "", 0, 1, 0)                                                                                            \
    X(YEARS, "Hciiii", "i32", "", 60, 1, 0)                     /* completed years: (days lived * k + k) >> k */                          \
    X(YEARS_TABLE, "Hcit", "i32", "", 0, 1, 0)                  /* by the birthdays */                                                    \
    /* registers to planes */                                                                                                             \
    X(RANGE_CODE, "Buii", "", "", 0, 1, 0)                      /* lo <= x <= hi */                                                       \
    X(RANGE_SHORT, "Bhii", "", "", 0, 1, 0)                     /* lo <= x <= hi */                                                       \
    X(RANGE_NUM, "Bfkk", "", "", 0, 1, 0)                       /* lo <= x <= hi */                                                       \
    X(LESS_NUM, "Bff", "", "", 0, 1, 0)                                                                                                   \
    X(EQUAL_NUM, "Bff", "", "", 0, 1, 0)                                                                                                  \
    X(FINITE, "Bf", "", "", 0, 1, 0)                            /* neither infinite nor NaN */                                            \
    /* 16-bit integers */                                                                                                                 \
    X(SHORT_NUM, "Hf", "", "", 0, 1, 0)                         /* towards zero */                                                        \
    X(SELECT_SHORT, "Hbhh", "", "", 0, 1, 0)                    /* y where the bit is set, else z */                                      \
    X(SHORT_I8, "Hc", "i8", "", 0, 1, 0)                        /* of a column */                                                         \
    X(SHORT_U8, "Hc", "u8", "", 0, 1, 0)                                                                                                  \
    X(SHORT_I16, "Hc", "i16", "", 0, 1, 0)                                                                                                \
    X(FILL_SHORT, "Hi", "", "", 0, 1, 0)                        /* k for every row */                                                     \
    X(ADD_SHORTK, "Hhi", "", "", 0, 1, 0)                       /* x + k */                                                               \
    X(RSUB_SHORTK, "Hhi", "", "", 0, 1, 0)                      /* k - x */                                                               \
    X(MIN_SHORTK, "Hhi", "", "", 0, 1, 0)                                                                                                 \
    X(MAX_SHORTK, "Hhi", "", "", 0, 1, 0)                                                                                                 \
    /* doubles */                                                                                                                         \
    X(NUM_SHORT, "Fh", "", "", 0, 1, 0)                         /* as a double */                                                         \
    X(NUM_PLANES, "Fl", "", "", 0, 1, 8)                        /* the number that the planes spell */                                    \
    X(FILL, "Fk", "", "", 0, 1, 0)                              /* k for every row */                                                     \
    X(SELECT, "Fbff", "", "", 0, 1, 0)                          /* y where the bit is set, else z */                                      \
    X(MASKED_ADD, "Ffm", "", "", 0, 60, 0)                      /* plus each constant whose bit is set, in order */                       \
    X(WEIGH, "Ffm", "", "", 0, 40, EXACT)                           /* the same in any order, since the sum is exact */                       \
    X(LOOKUP, "Flq", "", "", 200, 1, 8)                         /* the table's entry for the number that the planes spell */              \
    X(ADD, "Fff", "", "", 0, 1, 0)                                                                                                        \
    X(SUB, "Fff", "", "", 0, 1, 0)                                                                                                        \
    X(MUL, "Fff", "", "", 0, 1, 0)                                                                                                        \
    X(DIV, "Fff", "", "", 60, 1, 0)                                                                                                       \
    X(MIN, "Fff", "", "", 0, 1, 0)                                                                                                        \
    X(MAX, "Fff", "", "", 0, 1, 0)                                                                                                        \
    X(POW, "Fff", "", "", 2400, 1, 0)                                                                                                     \
    X(ADDK, "Ffk", "", "", 0, 1, 0)                                                                                                       \
    X(MULK, "Ffk", "", "", 0, 1, 0)                                                                                                       \
    X(DIVK, "Ffk", "", "", 60, 1, 0)                                                                                                      \
    X(MINK, "Ffk", "", "", 0, 1, 0)                                                                                                       \
    X(MAXK, "Ffk", "", "", 0, 1, 0)                                                                                                       \
    X(RSUBK, "Ffk", "", "", 0, 1, 0)                            /* k - x */                                                               \
    X(RDIVK, "Ffk", "", "", 60, 1, 0)                           /* k / x */                                                               \
    X(ADD_SCALED, "Fffk", "", "", 0, 1, 0)                      /* x + (y * k on the grid) */                                             \
    X(ADD_SCALED_SHORTS, "Ffd", "", "", 0, 60, 0)               /* x + (each * k on the grid), in order */                                \
    X(SCALED, "Ffkk", "", "", 0, 1, 0)                          /* k + (x * k on the grid) */                                             \
    X(SCALED_SHORTS, "Fkd", "", "", 0, 60, 0)                   /* k + (each * k on the grid), in order */                                \
    X(POWK, "Ffk", "", "", 2400, 1, 0)                                                                                                    \
    X(ROUND, "Ffk", "", "", 40, 1, 0)                           /* nearest(x * k) / k */                                                  \
    X(SINGLE, "Ff", "", "", 0, 1, 0)                            /* rounded to 32 bits */                                                  \
    X(NEG, "Ff", "", "", 0, 1, 0)                                                                                                         \
    X(ABS, "Ff", "", "", 0, 1, 0)                                                                                                         \
    X(SQRT, "Ff", "", "", 60, 1, 0)                                                                                                       \
    X(FLOOR, "Ff", "", "", 0, 1, 0)                                                                                                       \
    X(EXP, "Ff", "", "", 1200, 1, 0)                                                                                                      \
    X(EXP_NEAR, "Ff", "", "", 1200, 1, 0)                       /* of what is sure to lie between -708 and 709 */                         \
    X(LN, "Ff", "", "", 1200, 1, 0)                                                                                                       \
    X(CHAIN, "Ffs", "", "", 0, 1, 0)                            /* one after the other */                                                 \
    X(CHAIN_OUT, "Ffsob", "", "number", 0, 1, 0)                /* and written */                                                         \
    X(LOOKUP_OUT, "lqob", "", "number", 200, 1, 8)              /* and written */                                                         \
    /* outputs and counters */                                                                                                            \
    X(OUT_BITS, "ob", "", "bits", 0, 1, 0)                                                                                                \
    X(OUT_VALID, "ob", "", "", 0, 1, 0)                         /* which rows are not null */                                             \
    X(OUT_CODES, "ol", "", "codes", 40, 1, 8)                   /* the number that the planes spell */                                    \
    X(OUT_NUM, "ofb", "", "number", 0, 1, 0)                    /* 0 where the bit is clear */                                            \
    X(OUT_SHORT, "ohb", "", "short", 0, 1, 0)                   /* 0 where the bit is clear */                                            \
    X(OUT_FLAGS, "op", "", "flags", 0, 1, 0)                    /* a bit of 64 for each plane */                                          \
    X(COUNT, "nb", "", "", 0, 1, 0)                             /* bits */                                                                \
    X(NEWEST, "ncb", "i32", "", 0, 1, 0)                        /* the largest value where the bit is set, plus NEWEST_SHIFT */           \
    X(SUM, "nfb", "", "", 0, 1, 0)                              /* of doubles, as its bits */

/* Kinds of columns: X(kind, bits a row, of the Arrow C data interface's formats the one or two that it reads, what its values
 * lead to). Of dictionaries the indices, of text the offsets. */
#define POPSTRAT_COLUMN_KINDS(X)                                                                                      \
    X("bits", 1, "b", "b", NOWHERE)                                                                                   \
    X("i8", 8, "c", "c", NOWHERE)                                                                                     \
    X("u8", 8, "C", "C", NOWHERE)                                                                                     \
    X("i16", 16, "s", "s", NOWHERE)                                                                                   \
    X("i32", 32, "i", "tdD", NOWHERE)                                                                                 \
    X("i64", 64, "l", "l", NOWHERE)                                                                                   \
    X("f32", 32, "f", "f", NOWHERE)                                                                                   \
    X("f64", 64, "g", "g", NOWHERE)                                                                                   \
    X("dict8", 8, "c", "C", TO_ENTRIES)                                                                               \
    X("dict16", 16, "s", "S", TO_ENTRIES)                                                                             \
    X("dict32", 32, "i", "I", TO_ENTRIES)                                                                             \
    X("str32", 32, "u", "u", TO_TEXT)                                                                                 \
    X("str64", 64, "U", "U", TO_TEXT)

/* Kinds of outputs: X(kind, bits a row) */
#define POPSTRAT_OUTPUT_KINDS(X) X("bits", 1) X("codes", 8) X("short", 16) X("number", 64) X("flags", 64)

enum popstrat_op {
#define X(name, ...) OP_##name,
    POPSTRAT_OPS(X)
#undef X
        OP_END
};

typedef struct {
    const char *name, *operands, *reads, *writes;
    int cost, item, most;
} popstrat_operation;

static const popstrat_operation popstrat_operations[] = {
#define X(name, operands, reads, writes, cost, item, most) {#name, operands, reads, writes, cost, item, most},
    POPSTRAT_OPS(X)
#undef X
};

typedef struct {
    const char *letter, *kind;
    int bits;
    const char *items;
    int least;
    const char *meaning;
} popstrat_operand;

static const popstrat_operand popstrat_operands[] = {
#define X(letter, kind, bits, items, least, meaning) {letter, kind, bits, items, least, meaning},
    POPSTRAT_OPERANDS(X)
#undef X
};

enum { NOWHERE, TO_ENTRIES, TO_TEXT };
typedef struct {
    const char *name;
    int bits;
    const char *formats[2];
    int leads;
} popstrat_kind;

static const popstrat_kind popstrat_column_kinds[] = {
#define X(name, bits, one, other, leads) {name, bits, {one, other}, leads},
    POPSTRAT_COLUMN_KINDS(X)
#undef X
};
static const popstrat_kind popstrat_output_kinds[] = {
#define X(name, bits) {name, bits, {"", ""}, NOWHERE},
    POPSTRAT_OUTPUT_KINDS(X)
#undef X
};

#define POPSTRAT_COUNT(table) ((int)(sizeof(table) / sizeof(table)[0]))
enum {
    OPERAND_LETTERS = POPSTRAT_COUNT(popstrat_operands),
    COLUMN_KINDS = POPSTRAT_COUNT(popstrat_column_kinds),
    OUTPUT_KINDS = POPSTRAT_COUNT(popstrat_output_kinds)
};

#endif
