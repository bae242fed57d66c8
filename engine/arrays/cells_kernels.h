/* Blocks of rows counted by cell (cells.h), for one instruction set. */

/* Whether n numbers of `width` bytes are all the same: of a list in order most blocks are of one whole. */
#define ALL_SAME(kind)                                                                                                \
    do {                                                                                                              \
        const kind *const x = (const kind *)indices + from, first = x[0];                                             \
        kind other = 0;                                                                                               \
        for (int64_t i = 0; i < n; i++) other |= (kind)(x[i] ^ first);                                                \
        return other == 0;                                                                                            \
    } while (0)
static inline int FN(all_same)(const uint8_t *indices, int width, int64_t from, int64_t n) {
    switch (width) {
    case 1: ALL_SAME(uint8_t);
    case 2: ALL_SAME(uint16_t);
    case 4: ALL_SAME(uint32_t);
    default: ALL_SAME(uint64_t);
    }
}
#undef ALL_SAME

/* The wholes of a block, and that each is in one thing of each kind. `alone`: whether it is one whole. */
static int64_t FN(cells_wholes)(const cells_rows *rows, int64_t from, int64_t n, int32_t *const *held, int32_t *whole,
                                int *alone) {
    const cells_coded *of = &rows->whole;
    *alone = of->valid == NULL && FN(all_same)(of->indices, of->width, of->offset + from, n);
    const int64_t outside = cells_numbered(of, from, *alone ? 1 : n, whole);
    if (outside >= 0) return outside;
    if (*alone)
        for (int64_t i = 1; i < n; i++) whole[i] = whole[0];
    uint32_t bad = 0;
    for (int64_t i = 0; i < n; i++) bad |= (uint32_t)whole[i] >= (uint32_t)rows->wholes;
    if (bad) return CELLS_NOWHERE;
    for (int w = 0; w < rows->count_within; w++) {
        const cells_coded *in = rows->within + w;
        const int same = *alone && in->valid == NULL && FN(all_same)(in->indices, in->width, in->offset + from, n);
        if (cells_within(in, whole, from, same ? 1 : n, held[w], rows->wholes) != -1) return CELLS_IN_TWO;
    }
    return CELLS_FINE;
}

/* The cells of a block's rows, of one table after the other. */
static void FN(cells_of)(const cells_rows *rows, int64_t from, int64_t n, const int32_t *whole,
                         uint32_t cells[][CELLS_BLOCK]) {
    for (int t = 0; t < rows->tables; t++) {
        const uint32_t first = rows->first[t], times = rows->width;
        for (int64_t i = 0; i < n; i++) cells[t][i] = (uint32_t)whole[i] * times + first;
    }
    for (int g = 0; g < rows->count_groups; g++) {
        const cells_group *group = rows->groups + g;
        const uint32_t last = group->size - 1, stride = group->stride;
        const uint8_t *codes = group->codes + group->offset + from;
        uint32_t *out = cells[group->table];
        if (group->valid == NULL)
            for (int64_t i = 0; i < n; i++) out[i] += (codes[i] > last ? last : codes[i]) * stride;
        else
            for (int64_t i = 0; i < n; i++) {
                const uint32_t code = codes[i];
                out[i] += (code > last || !cells_bit(group->valid, group->offset + from + i) ? last : code) * stride;
            }
    }
}

/* The bytes of up to 64 bitmaps, turned: of each eight rows those of all bitmaps one after the other. What lies beyond the
   last row, and the last bitmap, is 0. */
static void FN(cells_turned)(const uint8_t *const *bits, int64_t many, int64_t from, int64_t n,
                             uint8_t out[CELLS_BLOCK / 8][CELLS_LANES]) {
    /* a line of each, copied at once: bitmaps that begin in as many pages at one place would drive each other out of the
     * first-level cache, if they were read a word at a time */
    uint8_t line[CELLS_LANES][CELLS_BLOCK / 8];
    const int64_t bytes = (n + 7) / 8;
    for (int64_t i = 0; i < many; i++) {
        const uint8_t *at = bits[i] + from / 8;
        if (bytes == CELLS_BLOCK / 8) memcpy(line[i], at, CELLS_BLOCK / 8);
        else {
            memset(line[i], 0, CELLS_BLOCK / 8);
            memcpy(line[i], at, (size_t)bytes);
        }
    }
    for (int64_t i = many; i < CELLS_LANES; i++) memset(line[i], 0, CELLS_BLOCK / 8);
#ifdef POPSTRAT_X86
    for (int64_t word = 0; word * 8 < bytes; word++)
        for (int64_t first = 0; first < many; first += 16) {
            __m128i a[8], b[8];
            POPSTRAT_UNROLL
            for (int i = 0; i < 8; i++)
                a[i] = _mm_unpacklo_epi8(_mm_loadl_epi64((const __m128i *)(line[first + i] + 8 * word)),
                                         _mm_loadl_epi64((const __m128i *)(line[first + i + 8] + 8 * word)));
            /* byte 0 of bitmaps i and i + 8, byte 1 of both, ...; then of four, of eight, of all sixteen */
            POPSTRAT_UNROLL
            for (int i = 0; i < 4; i++) {
                b[2 * i] = _mm_unpacklo_epi8(a[i], a[i + 4]);
                b[2 * i + 1] = _mm_unpackhi_epi8(a[i], a[i + 4]);
            }
            POPSTRAT_UNROLL
            for (int i = 0; i < 4; i++) {
                a[2 * i] = _mm_unpacklo_epi8(b[i], b[i + 4]);
                a[2 * i + 1] = _mm_unpackhi_epi8(b[i], b[i + 4]);
            }
            POPSTRAT_UNROLL
            for (int i = 0; i < 4; i++) {
                b[2 * i] = _mm_unpacklo_epi8(a[i], a[i + 4]);
                b[2 * i + 1] = _mm_unpackhi_epi8(a[i], a[i + 4]);
            }
            POPSTRAT_UNROLL
            for (int i = 0; i < 8; i++) _mm_storeu_si128((__m128i *)(out[8 * word + i] + first), b[i]);
        }
    /* sixteen at a time: of those that none is among, nothing has been written */
    const int64_t written = (many + 15) / 16 * 16;
    if (written < CELLS_LANES)
        for (int64_t i = 0; i < (bytes + 7) / 8 * 8; i++) memset(out[i] + written, 0, (size_t)(CELLS_LANES - written));
#else
    for (int64_t byte = 0; byte < bytes; byte++)
        for (int i = 0; i < CELLS_LANES; i++) out[byte][i] = line[i][byte];
#endif
}

/* The lines of a block that lies ahead. They are fetched a few at a time while rows are counted: there are too many streams
 * for the processor to see where each goes on, and too many lines to ask for at once. */
static inline void FN(cells_lines)(cells_ahead *ahead, const uint8_t *at, int64_t bytes) {
    for (int64_t i = 0; i < bytes && ahead->lines < CELLS_AHEAD; i += 64) ahead->at[ahead->lines++] = at + i;
}

static void FN(cells_see_ahead)(const cells_rows *rows, int64_t from, int64_t stop, cells_ahead *ahead) {
    const int64_t n = stop - from < CELLS_BLOCK ? stop - from : CELLS_BLOCK;
    ahead->lines = 0;
    if (n <= 0) return;
    for (int w = 0; w < 1 + rows->count_within; w++) {
        const cells_coded *of = w ? rows->within + w - 1 : &rows->whole;
        FN(cells_lines)(ahead, of->indices + (of->offset + from) * of->width, n * of->width);
    }
    for (int64_t i = 0; i < rows->planes; i++) FN(cells_lines)(ahead, rows->bits[i] + from / 8, 1);
    for (int64_t i = 0; i < rows->count_numbers; i++)
        FN(cells_lines)(ahead, rows->numbers[i].values + from * rows->numbers[i].width, n * rows->numbers[i].width);
    for (int g = 0; g < rows->count_groups; g++)
        FN(cells_lines)(ahead, rows->groups[g].codes + rows->groups[g].offset + from, n);
}

/* Adds the bits of every row of a block to its cells, eight rows at a time: only after these it is seen whether a cell may
 * not hold another eight, since a call within the loop costs all that it keeps in registers. */
typedef uint64_t FN(cells_lanes) __attribute__((vector_size(CELLS_LANES), aligned(CELLS_LANES), may_alias));
static inline __attribute__((always_inline)) void FN(cells_add_of)(const cells_tally *to, int64_t n, int tables, int64_t units,
                                                                   uint32_t cells[][CELLS_BLOCK], const cells_ahead *ahead) {
    const int each = (ahead->lines + CELLS_BLOCK / 8 - 1) / (CELLS_BLOCK / 8);
    int line = 0;
    uint8_t *const all = to->few, *const since = to->since; /* which nothing that is stored can be */
    for (int64_t first = 0; first < n; first += 8) {
        const FN(cells_lanes) *const eight = (const FN(cells_lanes) *)(to->turned + first / 8 * CELLS_LANES);
        const int some = n - first < 8 ? (int)(n - first) : 8;
        uint32_t full = 0;
        for (const int last = line + each < ahead->lines ? line + each : ahead->lines; line < last; line++)
            __builtin_prefetch(ahead->at[line]);
#define BITS(u) (eight[(u) * (CELLS_BLOCK / 8)] >> i & UINT64_C(0x0101010101010101))
#define ROW                                                                                                            \
    do {                                                                                                               \
        FN(cells_lanes) bits[CELLS_FEW]; /* worked out before anything is stored, which might be where they are */      \
        for (int64_t u = 0; u < units && u < CELLS_FEW; u++) bits[u] = BITS(u);                                        \
        for (int t = 0; t < tables; t++) {                                                                             \
            const size_t cell = cells[t][first + i];                                                                   \
            const uint32_t rows = since[cell] + UINT32_C(1);                                                           \
            FN(cells_lanes) *const few = (FN(cells_lanes) *)(all + cell * (size_t)units * CELLS_LANES);                \
            for (int64_t u = 0; u < units; u++)                                                                        \
                if (u < CELLS_FEW) few[u] += bits[u];                                                                  \
                else few[u] += BITS(u);                                                                                \
            since[cell] = (uint8_t)rows;                                                                               \
            full |= rows + (256 - CELLS_MANY);                                                                         \
        }                                                                                                              \
    } while (0)
        if (some == 8 && units <= CELLS_FEW) {
            POPSTRAT_UNROLL
            for (int i = 0; i < 8; i++) ROW;
        } else
            for (int i = 0; i < some; i++) ROW;
#undef ROW
#undef BITS
        if (__builtin_expect(full >= 256, 0))
            for (int t = 0; t < tables; t++)
                for (int i = 0; i < some; i++)
                    if (since[cells[t][first + i]] >= CELLS_MANY) cells_hand_over(to, cells[t][first + i]);
    }
}

/* The usual numbers of tables and of units each by itself, so that the loops over them are none. */
#define ADD(name, tables, units)                                                                                       \
    static POPSTRAT_NOINLINE void FN(name)(const cells_tally *to, int64_t n, uint32_t cells[][CELLS_BLOCK],            \
                                           const cells_ahead *ahead) {                                                 \
        FN(cells_add_of)(to, n, tables, units, cells, ahead);                                                          \
    }
ADD(cells_add_one, 2, 1)
ADD(cells_add_two, 2, 2)
ADD(cells_add_three, 2, 3)
#undef ADD
static POPSTRAT_NOINLINE void FN(cells_add)(const cells_tally *to, int64_t n, int tables, uint32_t cells[][CELLS_BLOCK],
                                            const cells_ahead *ahead) {
    if (tables == 2 && to->units == 1) FN(cells_add_one)(to, n, cells, ahead);
    else if (tables == 2 && to->units == 2) FN(cells_add_two)(to, n, cells, ahead);
    else if (tables == 2 && to->units == 3) FN(cells_add_three)(to, n, cells, ahead);
    else FN(cells_add_of)(to, n, tables, to->units, cells, ahead);
}

/* Which of 64 numbers of two bytes are not 0. */
static inline uint64_t FN(cells_some)(const int16_t *x) {
    uint64_t some = 0;
#ifdef POPSTRAT_X86
    const __m128i none = _mm_setzero_si128();
    POPSTRAT_UNROLL
    for (int i = 0; i < 4; i++) {
        const __m128i a = _mm_cmpeq_epi16(_mm_loadu_si128((const __m128i *)(x + 16 * i)), none);
        const __m128i b = _mm_cmpeq_epi16(_mm_loadu_si128((const __m128i *)(x + 16 * i + 8)), none);
        some |= (uint64_t)(uint16_t)~_mm_movemask_epi8(_mm_packs_epi16(a, b)) << (16 * i);
    }
#else
    for (int i = 0; i < 64; i++) some |= (uint64_t)(x[i] != 0) << i;
#endif
    return some;
}

/* The sum of whole numbers, and of their squares, of the rows of a block that have one. */
static inline __attribute__((always_inline)) void FN(cells_sum)(const cells_rows *rows, const cells_tally *to, int64_t number,
                                                                int is_short, int64_t from, int64_t n, int tables,
                                                                uint32_t cells[][CELLS_BLOCK]) {
    const cells_number *of = rows->numbers + number;
    const size_t step = (size_t)rows->count_numbers * 2;
    int64_t *const all = to->sums + number * 2;
    for (int64_t word = from / 64; word * 64 < from + n; word++) {
        uint64_t some = cells_word(of->valid, word, rows->rows);
        if (is_short && some && word * 64 + 64 <= rows->rows) /* most people have none */
            some &= FN(cells_some)((const int16_t *)of->values + word * 64);
        for (; some; some &= some - 1) {
            const int64_t row = word * 64 + __builtin_ctzll(some);
            const int64_t value = is_short ? ((const int16_t *)of->values)[row] : (int64_t)((const double *)of->values)[row];
            for (int t = 0; t < tables; t++) {
                int64_t *const sums = all + cells[t][row - from] * step;
                sums[0] += value;
                sums[1] += value * value;
            }
        }
    }
}

static POPSTRAT_NOINLINE void FN(cells_sums)(const cells_rows *rows, const cells_tally *to, int64_t from, int64_t n,
                                             uint32_t cells[][CELLS_BLOCK]) {
    for (int64_t number = 0; number < rows->count_numbers; number++) {
        const int is_short = rows->numbers[number].width == 2;
        if (is_short && rows->tables == 2) FN(cells_sum)(rows, to, number, 1, from, n, 2, cells);
        else FN(cells_sum)(rows, to, number, is_short, from, n, rows->tables, cells);
    }
}

static int64_t FN(cells_count)(const cells_rows *rows, int64_t start, int64_t stop, int32_t *const *held,
                               const cells_tally *to) {
    uint8_t(*const turned)[CELLS_BLOCK / 8][CELLS_LANES] = (uint8_t(*)[CELLS_BLOCK / 8][CELLS_LANES])to->turned;
    uint32_t cells[CELLS_TABLES][CELLS_BLOCK];
    int32_t whole[CELLS_BLOCK];
    cells_ahead ahead;
    for (int64_t from = start; from < stop; from += CELLS_BLOCK) {
        const int64_t n = stop - from < CELLS_BLOCK ? stop - from : CELLS_BLOCK;
        int alone;
        FN(cells_see_ahead)(rows, from + CELLS_BLOCK, stop, &ahead);
        const int64_t found = FN(cells_wholes)(rows, from, n, held, whole, &alone);
        if (found != CELLS_FINE) return found;
        FN(cells_of)(rows, from, n, whole, cells);
        for (int64_t u = 0; u < to->units; u++) {
            const int64_t left = rows->planes - u * CELLS_LANES;
            FN(cells_turned)(rows->bits + u * CELLS_LANES, left < CELLS_LANES ? left : CELLS_LANES, from, n,
                             turned[u]);
        }
        FN(cells_add)(to, n, rows->tables, cells, &ahead);
        FN(cells_sums)(rows, to, from, n, cells);
    }
    return CELLS_FINE;
}
