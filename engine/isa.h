/* Instruction sets: what there is of each function, and which one this processor runs.
 *
 * A text that is compiled for each of them (each_isa.h) calls its functions FN(name), and tells by LEVEL what it may use:
 * 0 baseline, 2 AVX2, 4 AVX-512. The compiler is told not to fuse multiplications and
 * additions by itself (-ffp-contract=off, setup.py), which would round differently from the baseline; where the code says
 * fma(), every set rounds once, the baseline by way of the C library.
 */
#ifndef POPSTRAT_ISA_H
#define POPSTRAT_ISA_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if !defined(__GNUC__) && !defined(__clang__)
#error "popstrat's engine needs gcc or clang: its kernels use their builtins and vector extensions"
#endif

#define POPSTRAT_JOIN2(a, b) a##_##b
#define POPSTRAT_JOIN(a, b) POPSTRAT_JOIN2(a, b)
#define FN(name) POPSTRAT_JOIN(name, ISA)
/* accumulators must stay in registers, whatever the function around them looks like */
#define POPSTRAT_NOINLINE __attribute__((noinline))
#define POPSTRAT_UNROLL _Pragma("GCC unroll 16")

#if defined(__x86_64__)
#define POPSTRAT_X86 1
#include <immintrin.h>
#endif

/* 0 baseline, 2 AVX2, 4 AVX-512: the best this processor runs. */
static int popstrat_best_level(void) {
#ifdef POPSTRAT_X86
    __builtin_cpu_init();
    const int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("fma");
    if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
        return 4;
    if (avx2) return 2;
#endif
    return 0;
}
/* The function of that name for a level. */
#ifdef POPSTRAT_X86
#define POPSTRAT_FOR(level, name) ((level) >= 4 ? name##_avx512 : (level) >= 2 ? name##_avx2 : name##_baseline)
#else
#define POPSTRAT_FOR(level, name) ((void)(level), name##_baseline)
#endif

#endif
