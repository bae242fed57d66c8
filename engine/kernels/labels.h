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

#define POPSTRAT_CODES(suffix, T)                                                                                      \
    static void FN(codes_##suffix)(uint8_t *restrict out, const T *x, int64_t rows, const popstrat_column *c) {       \
        const uint8_t *const table = c->table;                                                                        \
        const int64_t size = c->table_size;                                                                           \
        for (int64_t j = 0; j < rows; j++) out[j] = x[j] < size ? table[x[j]] : CODE_UNKNOWN;                         \
    }
POPSTRAT_CODES(i16, uint16_t)
POPSTRAT_CODES(i32, uint32_t)
#undef POPSTRAT_CODES

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
/* The codes of eight labels of at most eight bytes, folded and looked up in a table that registers hold. Returns 0, and
 * writes nothing, where one of them is not found. */
static inline int FN(codes8)(uint8_t *out, __m512i length, __m512i word, const popstrat_labels *labels) {
    const __m512i unwanted = _mm512_sub_epi64(_mm512_set1_epi64(64), _mm512_slli_epi64(length, 3)); /* bits; 64 leaves 0 */
    word = _mm512_and_si512(word, _mm512_srlv_epi64(_mm512_set1_epi64(-1), unwanted));
    const __mmask64 capital = _mm512_cmple_epu8_mask(_mm512_sub_epi8(word, _mm512_set1_epi8('A')), _mm512_set1_epi8(25));
    word = _mm512_mask_add_epi8(word, capital, word, _mm512_set1_epi8(32));
    const __m512i slot = _mm512_srli_epi64(_mm512_mullo_epi64(word, _mm512_set1_epi64((int64_t)labels->multiplier)), 59);
    const __m512i *known = (const __m512i *)labels->word;
    const __m512i lower = _mm512_permutex2var_epi64(_mm512_loadu_si512(known), slot, _mm512_loadu_si512(known + 1));
    const __m512i upper = _mm512_permutex2var_epi64(_mm512_loadu_si512(known + 2), slot, _mm512_loadu_si512(known + 3));
    const __m512i held = _mm512_mask_blend_epi64(_mm512_test_epi64_mask(slot, _mm512_set1_epi64(16)), lower, upper);
    const __m512i about = _mm512_permutexvar_epi16(slot, _mm512_loadu_si512((const void *)labels->about));
    const __mmask8 same = _mm512_cmpeq_epi64_mask(word, held);
    const __m512i held_length = _mm512_and_si512(about, _mm512_set1_epi64(0xff00));
    if (_mm512_mask_cmpeq_epi64_mask(same, held_length, _mm512_slli_epi64(length, 8)) != 255) return 0;
    _mm_storel_epi64((__m128i *)out, _mm512_cvtepi64_epi8(about));
    return 1;
}
static inline int FN(short8)(__m512i from, __m512i length, int64_t size) { /* and none begins beyond `size` */
    const __mmask8 inside = _mm512_cmple_epu64_mask(from, _mm512_set1_epi64(size));
    return _mm512_mask_cmple_epu64_mask(inside, length, _mm512_set1_epi64(8)) == 255;
}
#define POPSTRAT_WIDE_str32(p) _mm512_cvtepi32_epi64(_mm256_loadu_si256((const __m256i *)(p)))
#define POPSTRAT_WIDE_str64(p) _mm512_loadu_si512((const void *)(p))
#define POPSTRAT_TWO(k)                                                                                                \
    _mm_castps_si128(_mm_loadh_pi(_mm_castsi128_ps(_mm_loadl_epi64((const __m128i *)(text + offsets[j + (k)]))),      \
                                  (const __m64 *)(text + offsets[j + (k) + 1])))
#define POPSTRAT_FOUR(k) _mm256_inserti128_si256(_mm256_castsi128_si256(POPSTRAT_TWO(k)), POPSTRAT_TWO((k) + 2), 1)
/* Eights that are not all found are gone through one by one; where there are many such, all the rest are. */
#define POPSTRAT_PATIENCE                                                                                              \
    const uintptr_t ahead = (uintptr_t)offsets[rows] - (uintptr_t)offsets[0]; /* about where the next block begins */ \
    int64_t next = 0;                                                                                                 \
    int patience = text != NULL && size >= 0 && column->labels->multiplier ? 64 : 0;
#define POPSTRAT_CODES8(suffix) /* loads and shuffles: a gather is several times slower on some processors */          \
    if (j >= next) {                                                                                                  \
        __builtin_prefetch((const void *)((uintptr_t)text + (uintptr_t)offsets[j] + ahead), 0, 2);                    \
        if (patience && j + 8 <= rows) {                                                                              \
            const __m512i begin = POPSTRAT_WIDE_##suffix(offsets + j);                                                \
            const __m512i length = _mm512_sub_epi64(POPSTRAT_WIDE_##suffix(offsets + j + 1), begin);                  \
            if (FN(short8)(begin, length, size) &&                                                                    \
                FN(codes8)(out + j, length,                                                                           \
                           _mm512_inserti64x4(_mm512_castsi256_si512(POPSTRAT_FOUR(0)), POPSTRAT_FOUR(4), 1),         \
                           column->labels)) {                                                                         \
                j += 7;                                                                                               \
                continue;                                                                                             \
            }                                                                                                         \
            patience--;                                                                                               \
        }                                                                                                             \
        next = j + 8;                                                                                                 \
    }
#else
#define POPSTRAT_PATIENCE
#define POPSTRAT_CODES8(suffix)
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
            POPSTRAT_CODES8(suffix)                                                                                   \
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
#undef POPSTRAT_CODES8
#undef POPSTRAT_FOUR
#undef POPSTRAT_TWO
#undef POPSTRAT_WIDE_str64
#undef POPSTRAT_WIDE_str32
