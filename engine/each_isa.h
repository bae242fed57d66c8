/* A text compiled once for each instruction set, as often as this is included:
 *
 *     #define POPSTRAT_TEXT "kernels/block.h"
 *     #include "each_isa.h"
 */
#include "isa.h"

#define LEVEL 0
#define ISA baseline
#include POPSTRAT_TEXT
#undef LEVEL
#undef ISA

#ifdef POPSTRAT_X86
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,fma,bmi,bmi2,popcnt,lzcnt"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,bmi,bmi2,popcnt,lzcnt")
#endif
#define LEVEL 2
#define ISA avx2
#include POPSTRAT_TEXT
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
#include POPSTRAT_TEXT
#undef LEVEL
#undef ISA
#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
#undef POPSTRAT_TEXT
