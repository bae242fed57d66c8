/* Categories: the codes of dictionaries' indices and of text. */

/* The code of a dictionary's entry. An index that no entry has, a negative one (as unsigned the largest of all) among them,
 * is an unknown label, whatever the table holds there: shuffles see only some of an index's bits. */
static void FN(codes_i8)(uint8_t *out, const uint8_t *x, int64_t rows, const popstrat_column *c) {
    int64_t j = 0;
#if LEVEL >= 4
    if (c->table_size <= 32) {
        const __m512i low = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)c->table));
        const __m512i high = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(c->table + 16)));
        const __m512i size = _mm512_set1_epi8((char)c->table_size), unknown = _mm512_set1_epi8((char)CODE_UNKNOWN);
        const int more = c->table_size > 16;
        for (; j + 64 <= rows; j += 64) {
            const __m512i v = _mm512_loadu_si512((const void *)(x + j));
            const __mmask64 there = _mm512_cmplt_epu8_mask(v, size);
            __m512i found = _mm512_mask_shuffle_epi8(unknown, there, low, v);
            if (more) found = _mm512_mask_shuffle_epi8(found, _mm512_mask_test_epi8_mask(there, v, _mm512_set1_epi8(16)), high, v);
            _mm512_storeu_si512((void *)(out + j), found);
        }
    }
#elif LEVEL >= 2
    if (c->table_size <= 16) {
        const __m256i table = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)c->table));
        const __m256i size = _mm256_set1_epi8((char)c->table_size);
        for (; j + 32 <= rows; j += 32) {
            const __m256i v = _mm256_loadu_si256((const __m256i *)(x + j));
            const __m256i beyond = _mm256_cmpeq_epi8(_mm256_max_epu8(v, size), v); /* all ones, which is CODE_UNKNOWN */
            _mm256_storeu_si256((__m256i *)(out + j), _mm256_or_si256(_mm256_shuffle_epi8(table, v), beyond));
        }
    }
#endif
    for (; j < rows; j++) out[j] = x[j] < c->table_size ? c->table[x[j]] : CODE_UNKNOWN;
}

#if LEVEL >= 4
/* The entries of a dictionary that are labels: of one that columns share, few that lie close together. In sixteens from the
 * first of them, of which those with no label are left out. */
#define POPSTRAT_GROUPS 4
#define POPSTRAT_WINDOW 240 /* entries, so that what is beyond has a byte of its own */
#define POPSTRAT_ENTRIES 4096 /* that are looked through for each block of rows */
typedef struct {
    int64_t first;
    int many;
    __m512i number[POPSTRAT_GROUPS], codes[POPSTRAT_GROUPS];
} FN(label_groups);

/* Whether there are so few. */
static inline int FN(label_groups_of)(FN(label_groups) *of, const popstrat_column *c) {
    const uint8_t *const table = c->table;
    uint8_t codes[POPSTRAT_WINDOW];
    int64_t first = 0, last = c->table_size - 1;
    if (last >= POPSTRAT_ENTRIES) return 0;
    while (first <= last && table[first] == CODE_UNKNOWN) first++;
    while (last > first && table[last] == CODE_UNKNOWN) last--;
    if (last - first >= POPSTRAT_WINDOW) return 0;
    memset(codes, CODE_UNKNOWN, sizeof codes);
    if (first <= last) memcpy(codes, table + first, (size_t)(last - first + 1));
    of->first = first, of->many = 0;
    for (int group = 0; group < POPSTRAT_WINDOW / 16; group++) {
        const __m128i found = _mm_loadu_si128((const __m128i *)(codes + 16 * group));
        if (_mm_movemask_epi8(_mm_cmpeq_epi8(found, _mm_set1_epi8((char)CODE_UNKNOWN))) == 0xffff) continue;
        if (of->many == POPSTRAT_GROUPS) return 0;
        of->number[of->many] = _mm512_set1_epi8((char)group);
        of->codes[of->many++] = _mm512_broadcast_i32x4(found);
    }
    return 1;
}

/* The codes of rows by indices of four bytes, sixty-four at a time; of how many. */
static inline __m128i FN(near4)(const uint32_t *x, __m512i first) {
    return _mm512_cvtusepi32_epi8(_mm512_sub_epi32(_mm512_loadu_si512((const void *)x), first));
}
static int64_t FN(grouped_i32)(uint8_t *out, const uint32_t *x, int64_t rows, const popstrat_column *c) {
    FN(label_groups) of;
    int64_t j = 0;
    if (!FN(label_groups_of)(&of, c)) return 0;
    const __m512i first = _mm512_set1_epi32((int)of.first), low = _mm512_set1_epi8(15);
    for (; j + 64 <= rows; j += 64) {
        const __m256i a = _mm256_set_m128i(FN(near4)(x + j + 16, first), FN(near4)(x + j, first));
        const __m256i b = _mm256_set_m128i(FN(near4)(x + j + 48, first), FN(near4)(x + j + 32, first));
        const __m512i v = _mm512_inserti64x4(_mm512_castsi256_si512(a), b, 1);
        const __m512i group = _mm512_and_si512(_mm512_srli_epi16(v, 4), low), at = _mm512_and_si512(v, low);
        __m512i found = _mm512_set1_epi8((char)CODE_UNKNOWN);
        for (int k = 0; k < of.many; k++)
            found = _mm512_mask_shuffle_epi8(found, _mm512_cmpeq_epi8_mask(group, of.number[k]), of.codes[k], at);
        _mm512_storeu_si512((void *)(out + j), found);
    }
    return j;
}
#undef POPSTRAT_GROUPS
#undef POPSTRAT_WINDOW
#undef POPSTRAT_ENTRIES
#define POPSTRAT_GROUPED_i32 FN(grouped_i32)(out, x, rows, c)
#else
#define POPSTRAT_GROUPED_i32 0
#endif
#define POPSTRAT_GROUPED_i16 0

#define POPSTRAT_CODES(suffix, T)                                                                                      \
    static void FN(codes_##suffix)(uint8_t *restrict out, const T *x, int64_t rows, const popstrat_column *c) {       \
        const uint8_t *const table = c->table;                                                                        \
        const int64_t size = c->table_size;                                                                           \
        for (int64_t j = POPSTRAT_GROUPED_##suffix; j < rows; j++) out[j] = x[j] < size ? table[x[j]] : CODE_UNKNOWN; \
    }
POPSTRAT_CODES(i16, uint16_t)
POPSTRAT_CODES(i32, uint32_t)
#undef POPSTRAT_CODES
#undef POPSTRAT_GROUPED_i16
#undef POPSTRAT_GROUPED_i32

static uint8_t FN(match_label)(const popstrat_labels *labels, const uint8_t *text, int64_t length) {
    uint8_t folded[32];
    while (length > 0 && text[0] == ' ') text++, length--;
    while (length > 0 && text[length - 1] == ' ') length--;
    if (length > 32 || length == 0) return length == 0 ? CODE_NULL : CODE_UNKNOWN;
    for (int64_t i = 0; i < length; i++)
        folded[i] = text[i] >= 'A' && text[i] <= 'Z' ? (uint8_t)(text[i] + 32) : text[i];
    for (int64_t k = 0; k < labels->count; k++)
        if (labels->length[k] == length && memcmp(folded, labels->text[k], (size_t)length) == 0) return labels->code[k];
    return CODE_UNKNOWN;
}

#if LEVEL >= 4
/* What `codes8` looks labels up in, which the loop around it keeps in registers. */
typedef struct {
    __m512i known[4], about, multiplier;
} FN(short_labels);

static inline FN(short_labels) FN(short_labels_of)(const popstrat_labels *labels) {
    FN(short_labels) of;
    for (int k = 0; k < 4; k++) of.known[k] = _mm512_loadu_si512((const void *)(labels->word + 8 * k));
    of.about = _mm512_loadu_si512((const void *)labels->about);
    of.multiplier = _mm512_set1_epi64((int64_t)labels->multiplier);
    return of;
}

/* The codes of eight labels of at most eight bytes, folded and looked up in a table of `LABEL_FEW` or `LABEL_SLOTS`; and
 * where some are not found. Each lane of 16 bytes has two that follow each other, so that the first one's length says where
 * the second begins: half as many loads as for one at a time. Where no byte of a text is 0, which no label has, the words
 * are the same only if the lengths are. */
static inline __mmask64 FN(codes8)(uint8_t *out, __m512i length, __m512i pairs, const FN(short_labels) *of, const int few) {
    const __m512i each = _mm512_set1_epi64(0x0706050403020100), first = _mm512_set4_epi32(0x08080808, 0x08080808, 0, 0);
    const __m512i lengths = _mm512_shuffle_epi8(length, first); /* in every byte of a word */
    const __m512i at = _mm512_add_epi8(_mm512_bslli_epi128(lengths, 8), each);
    const __mmask64 there = _mm512_cmplt_epu8_mask(each, lengths);
    __m512i word = _mm512_maskz_shuffle_epi8(there, pairs, at);
    const __mmask64 zero = _mm512_mask_testn_epi8_mask(there, word, word);
    const __mmask64 capital = _mm512_cmple_epu8_mask(_mm512_sub_epi8(word, _mm512_set1_epi8('A')), _mm512_set1_epi8(25));
    word = _mm512_mask_add_epi8(word, capital, word, _mm512_set1_epi8(32));
    const __m512i mixed = _mm512_mullo_epi64(word, of->multiplier), slot = _mm512_srli_epi64(mixed, few ? 60 : 59);
    __m512i held = _mm512_permutex2var_epi64(of->known[0], slot, of->known[1]);
    if (!few)
        held = _mm512_mask_mov_epi64(held, _mm512_movepi64_mask(mixed), _mm512_permutex2var_epi64(of->known[2], slot, of->known[3]));
    _mm_storel_epi64((__m128i *)out, _mm512_cvtepi64_epi8(_mm512_permutexvar_epi16(slot, of->about)));
    return zero | _mm512_cmpneq_epi64_mask(word, held);
}

/* The code of one such label, -1 where it is not found. */
static inline int FN(code1)(const uint8_t *text, uint64_t length, const popstrat_labels *labels) {
    uint64_t word;
    memcpy(&word, text, 8);
    word &= UINT64_MAX >> (64 - 8 * length); /* none is empty */
    const uint64_t ones = UINT64_C(0x0101010101010101), low = word & 127 * ones; /* the eighth bit: at least A, beyond Z */
    word += ((low + (128 - 'A') * ones) & ~(low + (127 - 'Z') * ones) & ~word & 128 * ones) >> 2;
    const uint64_t slot = word * labels->multiplier >> (labels->few ? 60 : 59);
    return labels->word[slot] == word && labels->about[slot] >> 8 == length ? labels->about[slot] & 255 : -1;
}
#define POPSTRAT_PAIR(k) _mm_loadu_si128((const __m128i *)(text + offsets[j + (k)]))
#define POPSTRAT_PAIRS(k)                                                                                              \
    _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_set_m128i(POPSTRAT_PAIR((k) + 2), POPSTRAT_PAIR(k))),             \
                       _mm256_set_m128i(POPSTRAT_PAIR((k) + 6), POPSTRAT_PAIR((k) + 4)), 1)

/* Sixteens of texts as long as all are found; how many texts that were. Where all of sixteen are short, each begins where the
 * one before it ends, so that the first and the last say that they lie in the text; that the last is not before the first, that
 * no difference was that of numbers too far apart for their type. Of sixty-four that are nearly all empty, the others are
 * looked up one by one. */
#define POPSTRAT_SPARSE 6
#define POPSTRAT_SIXTEENS(suffix, T, THERE, LENGTHS)                                                                   \
    static inline __attribute__((always_inline)) int64_t FN(found_##suffix)(                                          \
        uint8_t *out, const T *offsets, int64_t rows, const popstrat_column *column, uintptr_t ahead, const int few) { \
        const uint8_t *const text = column->characters;                                                               \
        const int64_t size = column->characters_size - 16; /* the last one's pair is read too */                      \
        const FN(short_labels) of = FN(short_labels_of)(column->labels);                                              \
        const uint8_t empty = (uint8_t)column->labels->about[0];                                                      \
        int64_t j = 0;                                                                                                \
        while (j + 16 <= rows) {                                                                                      \
            __m512i low, high;                                                                                        \
            if (offsets[j] < 0 || offsets[j + 16] < offsets[j] || offsets[j + 16] > size) return j;                   \
            if ((j & 63) == 0 && j + 64 <= rows && offsets[j + 64] <= size) {                                         \
                uint64_t there;                                                                                       \
                THERE                                                                                                 \
                if (__builtin_popcountll(there) <= POPSTRAT_SPARSE) {                                                 \
                    int missing = 0;                                                                                  \
                    _mm512_storeu_si512((void *)(out + j), _mm512_set1_epi8((char)empty));                            \
                    for (; there; there &= there - 1) {                                                               \
                        const int64_t i = j + __builtin_ctzll(there), from = (int64_t)offsets[i];                     \
                        const uint64_t length = (uint64_t)offsets[i + 1] - (uint64_t)from;                            \
                        const int code = length <= 8 && from >= 0 && from <= size                                     \
                                             ? FN(code1)(text + from, length, column->labels) : -1;                   \
                        out[i] = (uint8_t)code;                                                                       \
                        missing |= code;                                                                              \
                    }                                                                                                 \
                    if (missing < 0) return j;                                                                        \
                    j += 64;                                                                                          \
                    continue;                                                                                         \
                }                                                                                                     \
            }                                                                                                         \
            LENGTHS                                                                                                   \
            const uintptr_t next = (uintptr_t)text + (uintptr_t)offsets[j] + ahead;                                   \
            __builtin_prefetch((const void *)next, 0, 2);                                                             \
            __builtin_prefetch((const void *)(next + 64), 0, 2);                                                      \
            const __mmask64 missing = FN(codes8)(out + j, low, POPSTRAT_PAIRS(0), &of, few);                          \
            if (missing | FN(codes8)(out + j + 8, high, POPSTRAT_PAIRS(8), &of, few)) return j;                       \
            j += 16;                                                                                                  \
        }                                                                                                             \
        return j;                                                                                                     \
    }                                                                                                                 \
    static POPSTRAT_NOINLINE int64_t FN(sixteens_##suffix)(uint8_t *out, const T *offsets, int64_t rows,              \
                                                           const popstrat_column *column, uintptr_t ahead) {          \
        return column->labels->few ? FN(found_##suffix)(out, offsets, rows, column, ahead, 1)                         \
                                   : FN(found_##suffix)(out, offsets, rows, column, ahead, 0);                        \
    }
#define POPSTRAT_THERE(k, offsets)                                                                                     \
    (uint64_t)_mm512_cmpneq_epi32_mask(_mm512_loadu_si512(offsets + j + (k) + 1), _mm512_loadu_si512(offsets + j + (k))) << (k)
POPSTRAT_SIXTEENS(str32, int32_t, {
    there = POPSTRAT_THERE(0, offsets) | POPSTRAT_THERE(16, offsets) | POPSTRAT_THERE(32, offsets) | POPSTRAT_THERE(48, offsets);
}, {
    const __m512i length = _mm512_sub_epi32(_mm512_loadu_si512(offsets + j + 1), _mm512_loadu_si512(offsets + j));
    if (_mm512_cmpgt_epu32_mask(length, _mm512_set1_epi32(8))) return j;
    low = _mm512_cvtepu32_epi64(_mm512_castsi512_si256(length));
    high = _mm512_cvtepu32_epi64(_mm512_extracti64x4_epi64(length, 1));
})
#undef POPSTRAT_THERE
POPSTRAT_SIXTEENS(str64, int64_t, {
    there = 0;
    for (int k = 0; k < 64; k += 8)
        there |= (uint64_t)_mm512_cmpneq_epi64_mask(_mm512_loadu_si512(offsets + j + k + 1), _mm512_loadu_si512(offsets + j + k)) << k;
}, {
    low = _mm512_sub_epi64(_mm512_loadu_si512(offsets + j + 1), _mm512_loadu_si512(offsets + j));
    high = _mm512_sub_epi64(_mm512_loadu_si512(offsets + j + 9), _mm512_loadu_si512(offsets + j + 8));
    if (_mm512_cmpgt_epu64_mask(_mm512_max_epu64(low, high), _mm512_set1_epi64(8))) return j;
})
#undef POPSTRAT_SIXTEENS
#undef POPSTRAT_SPARSE
#undef POPSTRAT_PAIRS
#undef POPSTRAT_PAIR
/* Sixteens that are not all found are gone through one by one; where there are many such, all the rest are. */
#define POPSTRAT_PATIENCE                                                                                              \
    const uintptr_t ahead = (uintptr_t)offsets[rows] - (uintptr_t)offsets[0]; /* about where the next block begins */ \
    int64_t next = 0;                                                                                                 \
    int patience = text != NULL && size >= 8 && column->labels->multiplier ? 32 : 0;
#define POPSTRAT_SHORT(suffix)                                                                                         \
    if (patience && j == next) {                                                                                      \
        patience--;                                                                                                   \
        j += FN(sixteens_##suffix)(out + j, offsets + j, rows - j, column, ahead);                                    \
        next = j + 16;                                                                                                \
        if (j == rows) break;                                                                                         \
    }
#else
#define POPSTRAT_PATIENCE
#define POPSTRAT_SHORT(suffix)
#endif

/* A list has few labels, and most are of at most eight bytes: those are looked up as one word among the spellings met so
 * far in this block, by a hash. Longer ones are compared with the last of their length. Eight bytes are read at once only
 * where the buffer has them; a text that its offsets put outside the buffer, or that ends before it begins, is not looked
 * at: an unknown label. */
#define POPSTRAT_STRINGS(suffix, T)                                                                                    \
    static POPSTRAT_NOINLINE void FN(codes_##suffix)(uint8_t *out, const T *offsets, int64_t rows,                    \
                                                     const popstrat_column *column) {                                 \
        const uint8_t *const text = column->characters, *seen[33] = {0};                                              \
        const int64_t whole = column->characters_size, size = whole - 8;                                              \
        const uint64_t eights = size < 0 ? 0 : (uint64_t)size + 1; /* texts that begin before it have eight bytes */   \
        uint8_t code[33] = {0};                                                                                       \
        uint64_t masks[9] = {0};                                                                                      \
        for (int k = 1; k < 9; k++) masks[k] = UINT64_MAX >> (64 - 8 * k);                                            \
        struct {                                                                                                      \
            uint64_t word;                                                                                            \
            uint8_t length, code;                                                                                     \
        } known[256];                                                                                                 \
        for (int k = 0; k < 256; k++) known[k].length = 255;                                                          \
        POPSTRAT_PATIENCE                                                                                             \
        for (int64_t j = 0; j < rows; j++) {                                                                          \
            POPSTRAT_SHORT(suffix)                                                                                    \
            const int64_t from = (int64_t)offsets[j], to = (int64_t)offsets[j + 1];                                   \
            const uint64_t length = (uint64_t)to - (uint64_t)from; /* negative ones are the longest of all */         \
            if (length <= 8 && (uint64_t)from < eights) { /* none at all too: a branch on it would often go wrong */  \
                const uint8_t *at = text + from;                                                                      \
                uint64_t word;                                                                                        \
                memcpy(&word, at, 8);                                                                                 \
                word &= masks[length];                                                                                \
                const uint64_t slot = (word * UINT64_C(0x9e3779b97f4a7c15)) >> 56;                                    \
                if (known[slot].word != word || known[slot].length != length) {                                       \
                    known[slot].word = word;                                                                          \
                    known[slot].length = (uint8_t)length;                                                             \
                    known[slot].code = FN(match_label)(column->labels, at, (int64_t)length);                          \
                }                                                                                                     \
                out[j] = known[slot].code;                                                                            \
                continue;                                                                                             \
            }                                                                                                         \
            if (from < 0 || to < from || to > whole) {                                                                \
                out[j] = CODE_UNKNOWN;                                                                                \
                continue;                                                                                             \
            }                                                                                                         \
            const uint8_t *at = text + from;                                                                          \
            const int place = length < 33 ? (int)length : 32;                                                         \
            if (place == 32 || seen[place] == NULL || memcmp(seen[place], at, (size_t)length) != 0) {                 \
                code[place] = FN(match_label)(column->labels, at, (int64_t)length);                                   \
                seen[place] = at;                                                                                     \
            }                                                                                                         \
            out[j] = code[place];                                                                                     \
        }                                                                                                             \
    }
POPSTRAT_STRINGS(str32, int32_t)
POPSTRAT_STRINGS(str64, int64_t)
#undef POPSTRAT_STRINGS
#undef POPSTRAT_PATIENCE
#undef POPSTRAT_SHORT
