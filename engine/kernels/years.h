/* Completed years from days: (days lived * multiplier + addend) >> shift, exact for every plausible date, since the compiler
 * has checked each birthday; or by the table of birthdays. Rows with an implausible date are undefined, masked by validity. */

static void FN(years)(int16_t *out, const int32_t *x, int64_t rows, uint32_t today, uint32_t by, uint32_t add, int shift) {
    for (int64_t j = 0; j < rows; j++) out[j] = (int16_t)(((today - (uint32_t)x[j]) * by + add) >> shift);
}

/* Where no such multiplier exists: a guess, corrected by the table, newest birthday first. */
static void FN(years_table)(int16_t *out, const int32_t *x, int64_t rows, int64_t today, const int32_t *birthdays,
                            int32_t count) {
    const int32_t last = count - 1;
    for (int64_t j = 0; j < rows; j++) {
        int64_t guess = (today - x[j]) * 400 / 146097;
        int32_t k = guess < 0 ? 0 : guess > last ? last : (int32_t)guess;
        while (k < last && x[j] <= birthdays[k + 1]) k++;
        while (k > 0 && x[j] > birthdays[k]) k--;
        out[j] = (int16_t)k;
    }
}
