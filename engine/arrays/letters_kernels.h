/* What texts are made of, compiled for each instruction set (each_isa.h). */

/* The kinds of all of n bytes together; written so that compilers do many bytes at a time. Digits alone, which is what most
 * keys are, are told a block at a time, in a fourth of the time. */
static uint8_t FN(kinds_of)(const uint8_t *x, int64_t n) {
    uint8_t digits = 0, capitals = 0, smalls = 0, joinings = 0, others = 0;
    for (int64_t from = 0; from < n; from += 4096) {
        const int64_t to = from + 4096 < n ? from + 4096 : n;
        uint8_t beside = 0;
        for (int64_t j = from; j < to; j++) beside |= (uint8_t)((uint8_t)(x[j] - '0') > 9);
        if (!beside) {
            digits = 1;
            continue;
        }
        for (int64_t j = from; j < to; j++) {
            const uint8_t c = x[j];
            const uint8_t digit = (uint8_t)-((uint8_t)(c - '0') < 10), capital = (uint8_t)-((uint8_t)(c - 'A') < 26);
            const uint8_t small = (uint8_t)-((uint8_t)(c - 'a') < 26), joining = (uint8_t)-((c == '-') | (c == '_'));
            digits |= digit, capitals |= capital, smalls |= small, joinings |= joining;
            others |= (uint8_t)~(digit | capital | small | joining);
        }
    }
    return (digits ? BYTES_DIGIT : 0) | (capitals ? BYTES_CAPITAL : 0) | (smalls ? BYTES_SMALL : 0) |
           (joinings ? BYTES_JOINING : 0) | (others ? BYTES_OTHER : 0);
}

/* How many bytes the shortest of n texts has, by their n + 1 offsets; -1 where an offset is below the one before, the first
 * is negative or the last beyond `size`. A block at a time, so that compilers do several at once. */
#define POPSTRAT_SHORTEST(suffix, T)                                                                                   \
    static int64_t FN(shortest_##suffix)(const T *x, int64_t n, int64_t size) {                                       \
        T shortest = x[1] - x[0];                                                                                     \
        if (x[0] < 0) return -1;                                                                                      \
        for (int64_t from = 0; from < n; from += 1024) {                                                              \
            const int64_t to = from + 1024 < n ? from + 1024 : n;                                                     \
            T drops = 0;                                                                                              \
            for (int64_t i = from; i < to; i++) {                                                                     \
                const T length = x[i + 1] - x[i];                                                                     \
                drops |= (T)(x[i + 1] < x[i]);                                                                        \
                shortest = length < shortest ? length : shortest;                                                     \
            }                                                                                                         \
            if (drops) return -1;                                                                                     \
        }                                                                                                             \
        return x[n] > size ? -1 : shortest;                                                                           \
    }
POPSTRAT_SHORTEST(i32, int32_t)
POPSTRAT_SHORTEST(i64, int64_t)
#undef POPSTRAT_SHORTEST

/* The rows whose text is another one than that of the row before, the first one of them; how many, and no more than one over
 * `most`, where it ends. -1 where a text ends before it begins, or lies outside the `size` bytes that there are. Few rows
 * differ in a list that is sorted: where those of a block have the length of the row before it, they are all that text if the
 * bytes of the block are the ones that lie a text further up, which is one comparison. */
#define CHANGES_BLOCK 256
#define POPSTRAT_CHANGES(suffix, T)                                                                                    \
    static int64_t FN(changes_##suffix)(const T *x, int64_t n, const uint8_t *text, int64_t size, int64_t *found,     \
                                        int64_t most) {                                                               \
        int64_t many = 0, last = -1, before = 0; /* length and place of the text before */                            \
        for (int64_t from = 0; from < n; from += CHANGES_BLOCK) {                                                     \
            const int64_t to = from + CHANGES_BLOCK < n ? from + CHANGES_BLOCK : n, first = (int64_t)x[from];         \
            T uneven = 0;                                                                                             \
            for (int64_t i = from; i < to; i++) uneven |= (T)((T)(x[i + 1] - x[i]) ^ (T)last);                        \
            if (!uneven && last >= 0 && first >= 0 && first <= size && last * (to - from) <= size - first &&          \
                (int64_t)x[to] - first == last * (to - from) && /* else some differ by more than their type holds */  \
                memcmp(text + first, text + before, (size_t)(last * (to - from))) == 0) {                             \
                before = (int64_t)x[to] - last;                                                                       \
                continue;                                                                                             \
            }                                                                                                         \
            for (int64_t i = from; i < to; i++) {                                                                     \
                if (many > most) return many;                                                                         \
                const int64_t start = (int64_t)x[i], end = (int64_t)x[i + 1];                                         \
                if (start < 0 || end < start || end > size) return -1;                                                \
                if (end - start != last || memcmp(text + start, text + before, (size_t)last) != 0) {                  \
                    found[many++] = i;                                                                                \
                    last = end - start;                                                                               \
                }                                                                                                     \
                before = start;                                                                                       \
            }                                                                                                         \
        }                                                                                                             \
        return many;                                                                                                  \
    }
POPSTRAT_CHANGES(i32, int32_t)
POPSTRAT_CHANGES(i64, int64_t)
#undef POPSTRAT_CHANGES
#undef CHANGES_BLOCK
