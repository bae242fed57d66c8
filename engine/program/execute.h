/* The interpreter: its kernels for every instruction set, the memory a thread works in, and a range of rows run block by
 * block. To be included by one module alone. */
#ifndef POPSTRAT_EXECUTE_H
#define POPSTRAT_EXECUTE_H

#include "program/run.h"

typedef void (*popstrat_block_function)(const popstrat_run *run, int64_t start, int64_t rows);

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

#define POPSTRAT_TEXT "kernels/block.h"
#include "each_isa.h"

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

/* Point `run` at its registers and tables. Returns 0, or -1 when memory ran out. */
static int popstrat_lay_out(popstrat_run *run, popstrat_workspace *space, const popstrat_registers *need, int level) {
    const int64_t tables = popstrat_tables_size(run, level), planes = need->planes * PLANE_STEP * 8;
    const int64_t numbers = need->numbers * NUMBER_STEP * 8, shorts = need->shorts * SHORT_STEP * 2;
    const int64_t size = tables + planes + numbers + shorts + need->bytes * BYTE_STEP + 4096;
    if (space->size < size) {
        free(space->memory);
        space->memory = malloc((size_t)size + 64);
        space->size = space->memory == NULL ? 0 : size;
        space->code = NULL;
        if (space->memory == NULL) return -1;
        memset(space->memory, 0, (size_t)size + 64);
    }
    uint8_t *at = (uint8_t *)(((uintptr_t)space->memory + 63) & ~(uintptr_t)63);
    run->tables = (void *const *)at;
    if (space->code != run->code || space->level != level) popstrat_tables(run, level, at);
    space->code = run->code;
    space->level = level;
    run->planes = (uint64_t *)(at += tables);
    run->numbers = (double *)(at += planes);
    run->shorts = (int16_t *)(at += numbers);
    run->bytes = at + shorts;
    return 0;
}

/* Run the program over rows [start, stop). `start` is a multiple of 64, so that no two calls share an output word. */
static void popstrat_execute(const popstrat_run *run, int level, int64_t start, int64_t stop) {
    const popstrat_block_function block = POPSTRAT_FOR(level, run_block);
    for (int64_t row = start; row < stop; row += BLOCK) block(run, row, stop - row < BLOCK ? stop - row : BLOCK);
#ifdef POPSTRAT_X86
    if (run->stream) _mm_sfence(); /* before another thread reads */
#endif
}

#endif
