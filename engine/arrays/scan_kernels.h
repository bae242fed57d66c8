/* Loops over whole columns, compiled for each instruction set (each_isa.h). */

/* Whether each value is above the one before it. */
static int FN(increasing_i64)(const int64_t *x, int64_t n) {
    int64_t i = 1;
    for (; i + 512 <= n; i += 512) {
        int64_t bad = 0;
        for (int64_t j = i; j < i + 512; j++) bad |= x[j] <= x[j - 1];
        if (bad) return 0;
    }
    for (; i < n; i++)
        if (x[i] <= x[i - 1]) return 0;
    return 1;
}

/* The largest of some indices, as unsigned numbers; and whether offsets never fall. */
#define POPSTRAT_LARGEST(suffix, T)                                                                                    \
    static uint64_t FN(largest_##suffix)(const T *x, int64_t n) {                                                     \
        T most = 0;                                                                                                   \
        for (int64_t j = 0; j < n; j++) most = x[j] > most ? x[j] : most;                                             \
        return most;                                                                                                  \
    }
POPSTRAT_LARGEST(u8, uint8_t)
POPSTRAT_LARGEST(u16, uint16_t)
POPSTRAT_LARGEST(u32, uint32_t)
POPSTRAT_LARGEST(u64, uint64_t)
#undef POPSTRAT_LARGEST
#define POPSTRAT_RISING(suffix, T)                                                                                     \
    static int FN(rising_##suffix)(const T *x, int64_t n) {                                                           \
        T descends = 0;                                                                                                  \
        for (int64_t j = 1; j < n; j++) descends |= (T)(x[j] < x[j - 1]);                                                \
        return descends == 0;                                                                                            \
    }
POPSTRAT_RISING(i32, int32_t)
POPSTRAT_RISING(i64, int64_t)
#undef POPSTRAT_RISING
