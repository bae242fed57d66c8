/* The block interpreter: types shared by every instruction-set variant, and the choice between them. */
#ifndef POPSTRAT_INTERPRETER_H
#define POPSTRAT_INTERPRETER_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ops.h"

/* Rows a block: small enough that a block's registers stay in the second-level cache, large enough that
 * dispatch costs nothing (measured: 4,096 is the flat part of the curve). A multiple of 512. */
#define BLOCK 4096
#define WORDS (BLOCK / 64)
/* Registers of a kind do not lie a power of two apart: the same rows of many would share a few sets of the first-level
 * cache, and push each other out. */
#define STAGGER 64 /* bytes, a cache line */
#define PLANE_STEP (WORDS + STAGGER / 8)
#define PART 512 /* rows that spans of number work take at a time: a few registers of 4 KB each fit the first-level cache */
#define INSTRUCTION_WIDTH 10
/* Sums of whole multiples of the step that stay under the bound are exact, whatever their order. */
#define GRID_STEP 0x1p-44
#define GRID_BOUND 256.0
#define GRID_ROUNDER 384.0 /* 1.5 * 2^8: adding and taking it away again rounds to the grid */

/* An input column where it lies in memory. `values` and `valid` may be NULL: no such buffer. */
typedef struct {
    const uint8_t *values;
    const uint8_t *valid;       /* Arrow validity bitmap, NULL: nothing is null */
    const uint8_t *characters;  /* string columns: the bytes; `values` are the offsets */
    int64_t characters_size;
    const uint8_t *table;       /* dictionary columns: 256 codes, one for each index */
    int64_t table_size;         /* any index from here on is an unknown label */
    int64_t offset;             /* rows to skip in values and valid */
    const struct popstrat_labels *labels;
} popstrat_column;

/* Labels of a category, folded to lower case, for matching strings: `count` entries of at most 32 bytes. Those of at most
 * eight bytes, as words, each have a slot of their own, (word * multiplier) >> 59; `about` holds length << 8 | code. The
 * multiplier is 0 where none was found that keeps them apart. */
#define LABEL_SLOTS 32
#define LABEL_TRIES 50000 /* enough for 22 labels more often than not; a millisecond where there are too many */
typedef struct popstrat_labels {
    int64_t count;
    uint8_t length[256];
    uint8_t code[256];
    uint8_t text[256][32];
    uint64_t multiplier;
    uint64_t word[LABEL_SLOTS];
    uint16_t about[LABEL_SLOTS];
} popstrat_labels;

#define CODE_UNKNOWN 255 /* a label that is not in the list */
#define CODE_NULL 254    /* a dictionary entry that is itself null */
#define NEWEST_SHIFT 1048576 /* added to a NEWEST counter, so that 0 means that no row counted */

typedef struct {
    uint8_t *values;
    uint8_t *valid;
} popstrat_output;

/* Where numbers go: those of `rows` rows, 0 where the mask is clear. */
typedef struct {
    double *values;
    const uint64_t *mask;
    int64_t rows;
    int stream;
} popstrat_target;

/* A buffer that blocks read: its first row, and the bits that a row takes. */
typedef struct {
    const uint8_t *start;
    int64_t bits;
} popstrat_read;

/* How far the fetching of the next block has come. Each operation fetches as much as it takes of a block's time, so that
 * memory is neither idle while some long sum is worked out nor asked for more than it can give: two threads share it. */
#define SHARE_BITS 24
#define FETCHED 256 /* bytes at a time: all that a block reads of a column is a multiple */
typedef struct {
    uintptr_t at, end; /* addresses: they may lie beyond a buffer, where a pointer must not */
    int64_t next; /* of the reads */
    int64_t row;
    int64_t due; /* how much should have been fetched by now, in 2^-SHARE_BITS of FETCHED */
} popstrat_ahead;

typedef struct {
    const int32_t *code;
    int64_t instructions;
    const int32_t *span; /* (begin, end, in parts) */
    int64_t spans;
    const int32_t *arguments;
    const int64_t *integers;
    const double *doubles;
    const popstrat_column *columns;
    const popstrat_output *outputs;
    const popstrat_read *read;
    int64_t reads;
    const int32_t *share; /* of each instruction, a call: of what a block fetches, in 2^-SHARE_BITS */
    int64_t fetches; /* how often a block fetches FETCHED bytes */
    int stream; /* outputs far larger than the caches: write past them */
    void *const *tables; /* of each instruction: what was worked out once for all blocks, or NULL */
    /* register files, owned by the call */
    uint64_t *planes;
    uint8_t *bytes;
    int16_t *shorts;
    double *numbers;
    int64_t *counters;
} popstrat_run;

/* A bit of a bitmap; without one all are set. */
static inline int popstrat_bit(const uint8_t *bitmap, int64_t bit) {
    return bitmap == NULL || (bitmap[bit >> 3] >> (bit & 7) & 1);
}

typedef void (*popstrat_block_function)(const popstrat_run *run, int64_t start, int64_t rows);

/* Find slots for the short labels, and for no text at all. */
static void popstrat_labels_slots(popstrat_labels *labels) {
    uint64_t word[LABEL_SLOTS] = {0}, random = UINT64_C(0x9e3779b97f4a7c15);
    uint16_t about[LABEL_SLOTS] = {CODE_NULL};
    int many = 1;
    labels->multiplier = 0;
    for (int64_t k = 0; k < labels->count; k++) {
        const uint8_t *text = labels->text[k];
        if (labels->length[k] == 0 || labels->length[k] > 8) continue;
        if (text[0] == ' ' || text[labels->length[k] - 1] == ' ') continue; /* text is matched without the spaces around it */
        if (many == LABEL_SLOTS) return;
        memcpy(&word[many], text, labels->length[k]);
        about[many++] = (uint16_t)(labels->length[k] << 8 | labels->code[k]);
    }
    for (int tries = 0; tries < LABEL_TRIES; tries++) {
        uint32_t taken = 0;
        int placed = 0;
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        const uint64_t multiplier = random | 1;
        for (; placed < many; placed++) {
            const uint32_t slot = UINT32_C(1) << (word[placed] * multiplier >> 59);
            if (taken & slot) break;
            taken |= slot;
        }
        if (placed < many) continue;
        for (int k = 0; k < LABEL_SLOTS; k++) labels->word[k] = UINT64_MAX, labels->about[k] = 0xff00; /* no length */
        for (int k = 0; k < many; k++) {
            labels->word[word[k] * multiplier >> 59] = word[k];
            labels->about[word[k] * multiplier >> 59] = about[k];
        }
        labels->multiplier = multiplier;
        return;
    }
}

/* 2^(k/16) for k = 0 to 15, and what each lacks of the exact value, as a share of it. */
static const double popstrat_power[16] = {
    1.0, 1.0442737824274138, 1.0905077326652577, 1.1387886347566916, 1.189207115002721, 1.241857812073484,
    1.2968395546510096, 1.3542555469368927, 1.4142135623730951, 1.4768261459394993, 1.5422108254079407,
    1.6104903319492543, 1.681792830507429, 1.7562521603732995, 1.8340080864093424, 1.9152065613971474,
};
static const double popstrat_power_tail[16] = {
    0.0, 8.189317638195514e-17, -2.7939114859515733e-17, 7.826573258636075e-17, 3.3484623336251524e-17,
    3.7508542013031266e-17, 1.9572585293112036e-17, 5.68648095791174e-17, -6.835808657661923e-17,
    -2.3591094770850053e-17, 5.1548301170786783e-17, 1.5341410053603723e-17, 4.875160526227061e-17,
    1.685487290628973e-17, 1.790126907604513e-17, -5.5450656186394274e-17,
};

#define POPSTRAT_JOIN2(a, b) a##_##b
#define POPSTRAT_JOIN(a, b) POPSTRAT_JOIN2(a, b)
/* accumulators must stay in registers, whatever the function around them looks like */
#ifdef __GNUC__
#define POPSTRAT_NOINLINE __attribute__((noinline))
#define POPSTRAT_UNROLL _Pragma("GCC unroll 16")
#else
#define POPSTRAT_NOINLINE
#define POPSTRAT_UNROLL
#endif

#define FN(name) POPSTRAT_JOIN(name, ISA)

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define POPSTRAT_X86 1
#include <immintrin.h>
#endif

/* WEIGH looks sums up instead of adding term by term: a byte of a row's bits is the index of the sum of up to eight
 * constants, or where two registers hold a table of 32 whole numbers, five bits are. There each sum is a whole number of
 * grid steps in two parts, so that parts add up in 32 bits: `high` in units of 2^-17, `low` in steps (0 to 2^27 - 1). */
#define WEIGH_BITS(level) ((level) >= 4 ? 5 : 8)
#define WEIGH_LOW 27
#define WEIGH_MOST 15 /* sums of `low` that 32 bits hold */

typedef struct {
    int32_t high[32], low[32];
} popstrat_parts;

static int64_t popstrat_weigh_size(int64_t n, int level) {
    const int64_t groups = (n + WEIGH_BITS(level) - 1) / WEIGH_BITS(level);
    return groups * (level >= 4 ? (int64_t)sizeof(popstrat_parts) : 256 * (int64_t)sizeof(double));
}

static void popstrat_weigh_tables(void *memory, const double *constants, const int32_t *pairs, int64_t n, int level) {
    const int bits = WEIGH_BITS(level);
    double sums[256];
    for (int64_t g = 0; g * bits < n; g++) {
        const int64_t many = n - g * bits < bits ? n - g * bits : bits;
        for (int k = 0; k < 1 << bits; k++) {
            double sum = 0.0;
            for (int64_t b = 0; b < many; b++)
                if (k >> b & 1) sum += constants[pairs[2 * (g * bits + b) + 1]];
            sums[k] = sum;
        }
        if (level < 4) {
            memcpy((double *)memory + 256 * g, sums, sizeof sums);
            continue;
        }
        popstrat_parts *parts = (popstrat_parts *)memory + g;
        for (int k = 0; k < 32; k++) {
            const int64_t steps = (int64_t)(sums[k] / GRID_STEP), low = steps & ((1 << WEIGH_LOW) - 1);
            parts->high[k] = (int32_t)((steps - low) / (1 << WEIGH_LOW));
            parts->low[k] = (int32_t)low;
        }
    }
}

#define LEVEL 0
#define ISA baseline
#include "kernels.h"
#undef LEVEL
#undef ISA

#ifdef POPSTRAT_X86
/* One copy per instruction set, chosen when the module is loaded. The compiler is told not to
 * fuse multiplications and additions by itself, which would round differently from the baseline; where the code says
 * fma(), every set rounds once, the baseline by way of the C library. */
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,fma,bmi,bmi2,popcnt,lzcnt"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,bmi,bmi2,popcnt,lzcnt")
#endif
#define LEVEL 2
#define ISA avx2
#include "kernels.h"
#undef LEVEL
#undef ISA
#ifdef __clang__
#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("avx2,fma,bmi,bmi2,popcnt,lzcnt,avx512f,avx512bw,avx512vl,avx512dq,avx512cd"))), apply_to = function)
#else
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx2,fma,bmi,bmi2,popcnt,lzcnt,avx512f,avx512bw,avx512vl,avx512dq,avx512cd,prefer-vector-width=512")
#endif
#define LEVEL 4
#define ISA avx512
#include "kernels.h"
#undef LEVEL
#undef ISA
#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif

/* 0 baseline, 2 AVX2, 4 AVX-512: the best this processor runs. */
static int popstrat_best_level(void) {
#ifdef POPSTRAT_X86
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("fma"))
        return 4;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("fma"))
        return 2;
#endif
    return 0;
}

static popstrat_block_function popstrat_block_for(int level) {
#ifdef POPSTRAT_X86
    if (level >= 4) return run_block_avx512;
    if (level >= 2) return run_block_avx2;
#endif
    (void)level;
    return run_block_baseline;
}

static int popstrat_increasing(const int64_t *x, int64_t n) {
#ifdef POPSTRAT_X86
    const int level = popstrat_best_level();
    if (level >= 4) return increasing_i64_avx512(x, n);
    if (level >= 2) return increasing_i64_avx2(x, n);
#endif
    return increasing_i64_baseline(x, n);
}

/* The largest of n indices of so many bytes each; whether n + 1 offsets of so many never fall. */
static uint64_t popstrat_largest(const void *x, int64_t n, int width) {
#define POPSTRAT_LARGEST(isa)                                                                                          \
    switch (width) {                                                                                                  \
    case 1: return largest_u8_##isa(x, n);                                                                            \
    case 2: return largest_u16_##isa(x, n);                                                                           \
    case 4: return largest_u32_##isa(x, n);                                                                           \
    default: return largest_u64_##isa(x, n);                                                                          \
    }
#ifdef POPSTRAT_X86
    const int level = popstrat_best_level();
    if (level >= 4) POPSTRAT_LARGEST(avx512)
    if (level >= 2) POPSTRAT_LARGEST(avx2)
#endif
    POPSTRAT_LARGEST(baseline)
#undef POPSTRAT_LARGEST
}

static int popstrat_rising(const void *x, int64_t n, int width) {
#ifdef POPSTRAT_X86
    const int level = popstrat_best_level();
    if (level >= 4) return width == 4 ? rising_i32_avx512(x, n) : rising_i64_avx512(x, n);
    if (level >= 2) return width == 4 ? rising_i32_avx2(x, n) : rising_i64_avx2(x, n);
#endif
    return width == 4 ? rising_i32_baseline(x, n) : rising_i64_baseline(x, n);
}

/* ---- memory for outputs ------------------------------------------------------------------------------------------ */

/* The pages of a large output are expensive to get (the kernel clears each one), so a few buffers that nobody holds any
 * more are kept for the next call, 256 MB at most. */
#define POPSTRAT_KEPT 2048
#define POPSTRAT_KEPT_BYTES ((int64_t)256 << 20)
#define POPSTRAT_LARGE ((int64_t)64 << 10) /* smaller ones the allocator gives out again as fast */

#if defined(__linux__)
#include <sys/mman.h>

static struct {
    uint8_t *start;
    int64_t size;
} popstrat_kept[POPSTRAT_KEPT];
static int popstrat_keeping;
static int64_t popstrat_kept_bytes;
static char popstrat_lock;

static void popstrat_hold(void) {
    while (__atomic_test_and_set(&popstrat_lock, __ATOMIC_ACQUIRE)) {
    }
}

static void popstrat_let_go(void) { __atomic_clear(&popstrat_lock, __ATOMIC_RELEASE); }

/* From here on buffers are mapped by themselves, in large pages if there are any; a process can have only so many maps. */
#define POPSTRAT_MAPPED ((int64_t)1 << 20)

/* `size` bytes (a multiple of 4,096, at least POPSTRAT_LARGE) at a multiple of 64, or NULL. What they hold is rubbish. */
static uint8_t *popstrat_take(int64_t size) {
    uint8_t *found = NULL;
    popstrat_hold();
    for (int i = popstrat_keeping - 1; i >= 0; i--)
        if (popstrat_kept[i].size == size) {
            found = popstrat_kept[i].start;
            popstrat_kept_bytes -= size;
            memmove(popstrat_kept + i, popstrat_kept + i + 1, (size_t)(--popstrat_keeping - i) * sizeof popstrat_kept[0]);
            break;
        }
    popstrat_let_go();
    if (found) return found;
    if (size < POPSTRAT_MAPPED) return aligned_alloc(64, (size_t)size);
    found = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (found == MAP_FAILED) return NULL;
#ifdef MADV_HUGEPAGE
    madvise(found, (size_t)size, MADV_HUGEPAGE);
#endif
    return found;
}

static void popstrat_give_to_system(uint8_t *start, int64_t size) {
    if (size < POPSTRAT_MAPPED)
        free(start);
    else
        munmap(start, (size_t)size);
}

/* Kept for the next call; those kept longest make room, since sizes that nobody asks for any more would fill it for good. */
static void popstrat_give_back(uint8_t *start, int64_t size) {
    while (size <= POPSTRAT_KEPT_BYTES) {
        uint8_t *oldest = NULL;
        int64_t its_size = 0;
        popstrat_hold();
        if (popstrat_keeping < POPSTRAT_KEPT && popstrat_kept_bytes + size <= POPSTRAT_KEPT_BYTES) {
            popstrat_kept[popstrat_keeping].start = start;
            popstrat_kept[popstrat_keeping++].size = size;
            popstrat_kept_bytes += size;
            start = NULL;
        } else {
            oldest = popstrat_kept[0].start;
            its_size = popstrat_kept[0].size;
            popstrat_kept_bytes -= its_size;
            memmove(popstrat_kept, popstrat_kept + 1, (size_t)--popstrat_keeping * sizeof popstrat_kept[0]);
        }
        popstrat_let_go();
        if (start == NULL) return;
        popstrat_give_to_system(oldest, its_size);
    }
    popstrat_give_to_system(start, size);
}
#else
static uint8_t *popstrat_take(int64_t size) { return malloc((size_t)size); }
static void popstrat_give_back(uint8_t *start, int64_t size) {
    (void)size;
    free(start);
}
#endif

static int64_t popstrat_round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

/* What the tables of every WEIGH take, with a pointer to them for each instruction. */
static int64_t popstrat_tables_size(const popstrat_run *run, int level) {
    int64_t size = popstrat_round_up(run->instructions * (int64_t)sizeof(void *), 64);
    const int32_t *at = run->code;
    for (int64_t i = 0; i < run->instructions; i++, at += INSTRUCTION_WIDTH)
        if (at[0] == OP_WEIGH) size += popstrat_weigh_size(at[4], level);
    return size;
}

static void popstrat_tables(popstrat_run *run, int level, uint8_t *memory) {
    void **tables = (void **)memory;
    memory += popstrat_round_up(run->instructions * (int64_t)sizeof(void *), 64);
    const int32_t *at = run->code;
    for (int64_t i = 0; i < run->instructions; i++, at += INSTRUCTION_WIDTH) {
        tables[i] = NULL;
        if (at[0] != OP_WEIGH) continue;
        tables[i] = memory;
        popstrat_weigh_tables(memory, run->doubles, run->arguments + at[3], at[4], level);
        memory += popstrat_weigh_size(at[4], level);
    }
    run->tables = tables;
}

/* One holder more or fewer; how many there are then. */
#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
static long popstrat_more(long *holders) { return _InterlockedIncrement(holders); }
static long popstrat_fewer(long *holders) { return _InterlockedDecrement(holders); }
#else
static long popstrat_more(long *holders) { return __atomic_add_fetch(holders, 1, __ATOMIC_ACQ_REL); }
static long popstrat_fewer(long *holders) { return __atomic_sub_fetch(holders, 1, __ATOMIC_ACQ_REL); }
#endif

/* What a thread works in: the registers of one program at a time, and its tables. All zero at first. */
typedef struct {
    uint8_t *memory;
    int64_t size;
    const int32_t *code; /* whose tables there are, and for which instruction set */
    int level;
} popstrat_room;

typedef struct {
    int64_t planes, bytes, shorts, numbers;
} popstrat_registers;

/* Point `run` at its registers and tables. Returns 0, or -1 when memory ran out. */
static int popstrat_settle(popstrat_run *run, popstrat_room *room, const popstrat_registers *need, int level) {
    const int64_t tables = popstrat_tables_size(run, level), planes = need->planes * PLANE_STEP * 8;
    const int64_t numbers = need->numbers * (BLOCK * 8 + STAGGER), shorts = need->shorts * (BLOCK * 2 + STAGGER);
    const int64_t size = tables + planes + numbers + shorts + need->bytes * (BLOCK + STAGGER) + 4096;
    if (room->size < size) {
        free(room->memory);
        room->memory = malloc((size_t)size + 64);
        room->size = room->memory == NULL ? 0 : size;
        room->code = NULL;
        if (room->memory == NULL) return -1;
        memset(room->memory, 0, (size_t)size + 64);
    }
    uint8_t *at = (uint8_t *)(((uintptr_t)room->memory + 63) & ~(uintptr_t)63);
    run->tables = (void *const *)at;
    if (room->code != run->code || room->level != level) popstrat_tables(run, level, at);
    room->code = run->code;
    room->level = level;
    run->planes = (uint64_t *)(at += tables);
    run->numbers = (double *)(at += planes);
    run->shorts = (int16_t *)(at += numbers);
    run->bytes = at + shorts;
    return 0;
}

/* Run the program over rows [start, stop). `start` is a multiple of 64, so that no two calls share an output word. */
static void popstrat_execute(const popstrat_run *run, int level, int64_t start, int64_t stop) {
    const popstrat_block_function block = popstrat_block_for(level);
    for (int64_t row = start; row < stop; row += BLOCK) block(run, row, stop - row < BLOCK ? stop - row : BLOCK);
#ifdef POPSTRAT_X86
    if (run->stream) _mm_sfence(); /* before any other thread looks */
#endif
}

#endif
