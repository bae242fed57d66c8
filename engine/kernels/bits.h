/* Bit planes: 64 rows a word, from bytes and to bytes, counted, and from bitmaps at any offset. */

static inline uint64_t FN(pack64)(const uint8_t *t) {
#if LEVEL >= 4
    __m512i v = _mm512_loadu_si512((const void *)t);
    return _mm512_test_epi8_mask(v, v);
#elif LEVEL >= 2
    __m256i a = _mm256_slli_epi16(_mm256_loadu_si256((const __m256i *)t), 7);
    __m256i b = _mm256_slli_epi16(_mm256_loadu_si256((const __m256i *)(t + 32)), 7);
    return (uint64_t)(uint32_t)_mm256_movemask_epi8(a) | (uint64_t)(uint32_t)_mm256_movemask_epi8(b) << 32;
#elif defined(POPSTRAT_X86)
    uint64_t w = 0;
    for (int i = 0; i < 4; i++) {
        __m128i v = _mm_slli_epi16(_mm_loadu_si128((const __m128i *)(t + 16 * i)), 7);
        w |= (uint64_t)(uint32_t)_mm_movemask_epi8(v) << (16 * i);
    }
    return w;
#else
    uint64_t w = 0;
    for (int i = 0; i < 8; i++) {
        uint64_t b;
        memcpy(&b, t + 8 * i, 8);
        w |= ((b * UINT64_C(0x0102040810204080)) >> 56) << (8 * i);
    }
    return w;
#endif
}

/* out[j] = sum over p of 2^p * bit j of planes[p]: codes or small counts from their bit planes. */
#if LEVEL >= 4
static inline __m512i FN(set_bit)(__m512i bytes, const uint64_t *mask, char bit) {
    __mmask64 on; /* straight from memory: by way of a general register it costs half as much again */
    __asm__("kmovq %1, %0" : "=k"(on) : "m"(*mask));
    return _mm512_mask_add_epi8(bytes, on, bytes, _mm512_set1_epi8(bit));
}
static inline __m512i FN(expanded)(const uint64_t *planes, const int32_t *registers, int64_t n, int64_t word) {
    __m512i sum = _mm512_setzero_si512();
    for (int64_t p = 0; p < n; p++) sum = FN(set_bit)(sum, planes + (int64_t)registers[p] * PLANE_STEP + word, (char)(1u << p));
    return sum;
}
#endif
static inline void FN(expand64)(uint8_t *out, const uint64_t *planes, const int32_t *registers, int64_t n, int64_t word) {
#if LEVEL >= 4
    _mm512_storeu_si512((void *)out, FN(expanded)(planes, registers, n, word));
#elif LEVEL >= 2
    const __m256i spread = _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3,
                                            3, 3, 3, 3, 3, 3);
    const __m256i bit = _mm256_set1_epi64x((long long)0x8040201008040201ULL);
    __m256i sum[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
    for (int64_t p = 0; p < n; p++) {
        uint64_t w = planes[registers[p] * PLANE_STEP + word];
        __m256i add = _mm256_set1_epi8((char)(1u << p));
        for (int h = 0; h < 2; h++) {
            __m256i v = _mm256_shuffle_epi8(_mm256_set1_epi32((int)(uint32_t)(w >> (32 * h))), spread);
            v = _mm256_cmpeq_epi8(_mm256_and_si256(v, bit), bit);
            sum[h] = _mm256_or_si256(sum[h], _mm256_and_si256(v, add));
        }
    }
    _mm256_storeu_si256((__m256i *)out, sum[0]);
    _mm256_storeu_si256((__m256i *)(out + 32), sum[1]);
#else
    uint64_t sum[8] = {0};
    for (int64_t p = 0; p < n; p++) {
        uint64_t w = planes[registers[p] * PLANE_STEP + word];
        for (int i = 0; i < 8; i++) {
            uint64_t b = ((w >> (8 * i)) & 255) * UINT64_C(0x0101010101010101) & UINT64_C(0x8040201008040201);
            sum[i] += (((b + UINT64_C(0x7f7f7f7f7f7f7f7f)) >> 7) & UINT64_C(0x0101010101010101)) << p;
        }
    }
    memcpy(out, sum, 64);
#endif
}

static inline int64_t FN(set_bits)(const uint64_t *x, int64_t words) {
    int64_t n = 0, w = 0;
#if LEVEL >= 4
    /* eight words at a time: a table of the bits in half a byte, summed by byte, then by word */
    const __m512i table = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
    const __m512i half = _mm512_set1_epi8(15);
    __m512i sum = _mm512_setzero_si512();
    for (; w + 8 <= words; w += 8) {
        const __m512i v = _mm512_loadu_si512((const void *)(x + w));
        const __m512i low = _mm512_shuffle_epi8(table, _mm512_and_si512(v, half));
        const __m512i high = _mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_srli_epi16(v, 4), half));
        sum = _mm512_add_epi64(sum, _mm512_sad_epu8(_mm512_add_epi8(low, high), _mm512_setzero_si512()));
    }
    n = _mm512_reduce_add_epi64(sum);
#endif
    for (; w < words; w++) n += __builtin_popcountll(x[w]);
    return n;
}

/* The bits of `rows` rows; those of the last word beyond them do not count. */
static inline int64_t FN(bits_of_rows)(const uint64_t *x, int64_t rows) {
    const int64_t n = FN(set_bits)(x, rows / 64);
    return rows % 64 ? n + __builtin_popcountll(x[rows / 64] & ((UINT64_C(1) << (rows % 64)) - 1)) : n;
}

static void FN(load_bits)(uint64_t *out, const uint8_t *bitmap, int64_t first, int64_t rows) {
    const uint8_t *p = bitmap + (first >> 3);
    const int shift = (int)(first & 7);
    int64_t whole = rows / 64;
    if (shift == 0) {
        if (whole == WORDS) /* nearly always; a known size needs no call */
            memcpy(out, p, WORDS * 8);
        else
            memcpy(out, p, (size_t)whole * 8);
    } else if (whole) {
        uint64_t low, high;
        for (int64_t w = 0; w < whole - 1; w++) { /* the word after it is there too, which is read faster than a byte */
            memcpy(&low, p + 8 * w, 8);
            memcpy(&high, p + 8 * w + 8, 8);
            out[w] = low >> shift | high << (64 - shift);
        }
        memcpy(&low, p + 8 * whole - 8, 8);
        out[whole - 1] = low >> shift | (uint64_t)p[8 * whole] << (64 - shift);
    }
    if (rows % 64) { /* only the bytes that hold the last rows */
        uint64_t word = 0;
        for (int64_t j = 0; j < rows % 64; j++) {
            int64_t bit = first + 64 * whole + j;
            word |= (uint64_t)(bitmap[bit >> 3] >> (bit & 7) & 1) << j;
        }
        out[whole] = word;
    }
}

static void FN(load_valid)(uint64_t *out, const popstrat_column *c, int64_t start, int64_t rows) {
    if (c->valid == NULL)
        memset(out, 255, (size_t)(rows + 63) / 64 * 8);
    else
        FN(load_bits)(out, c->valid, c->offset + start, rows);
}
