/* Text views, as text that lies in a row: sizes first, then offsets and bytes. Or, where they hold few short texts, as
 * indices into those.
 *
 * A view has 16 bytes: a length, and the text itself if that is 12 bytes or fewer; else its beginning, a buffer, and where
 * it starts there. Nothing is followed before it is seen to lie within its buffer, and nothing taken for text but UTF-8.
 * What lies under a null may be anything, and is not looked at.
 */
#ifndef POPSTRAT_VIEWS_H
#define POPSTRAT_VIEWS_H

#include <stdint.h>
#include <string.h>

#include "arrays/scan.h"

enum { VIEW = 16, VIEW_WITHIN = 12 };
#define VIEWS_BEYOND_ASCII 0x8080808080808080u

typedef struct {
    const uint8_t *values;  /* from the first row on */
    const uint8_t *valid;   /* bitmap, or NULL: nothing is null */
    int64_t valid_from;     /* the first row's bit */
    int64_t rows;
    const uint8_t *const *texts;
    const int64_t *sizes;   /* of each buffer of text */
    int64_t buffers;
} popstrat_views;

static int popstrat_is_utf8(const uint8_t *s, int64_t bytes) {
    int64_t i = 0;
    while (i < bytes) {
        uint64_t word;
        if (i + 8 <= bytes && (memcpy(&word, s + i, 8), !(word & VIEWS_BEYOND_ASCII))) {
            i += 8;
            continue;
        }
        const uint8_t first = s[i++];
        if (first < 0x80) continue;
        const int more = first >= 0xC2 && first <= 0xDF ? 1 : first >= 0xE0 && first <= 0xEF ? 2 : first >= 0xF0 && first <= 0xF4 ? 3 : 0;
        if (!more || i + more > bytes) return 0;
        /* of the second byte: no longer form of a shorter one, no half of a pair, nothing beyond U+10FFFF */
        const uint8_t least = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
        const uint8_t most = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
        if (s[i] < least || s[i] > most) return 0;
        for (int k = 1; k < more; k++)
            if ((s[i + k] & 0xC0) != 0x80) return 0;
        i += more;
    }
    return 1;
}

/* Where a row's text lies, and how long it is; NULL if it leads astray. */
static const uint8_t *popstrat_view(const popstrat_views *c, int64_t row, int64_t *length) {
    int32_t view[4];
    memcpy(view, c->values + VIEW * row, VIEW);
    *length = view[0];
    if (view[0] < 0) return NULL;
    if (view[0] <= VIEW_WITHIN) return c->values + VIEW * row + 4;
    if (view[2] < 0 || view[2] >= c->buffers || view[3] < 0) return NULL;
    if ((int64_t)view[3] + view[0] > c->sizes[view[2]]) return NULL;
    return c->texts[view[2]] + view[3];
}

/* The bytes of all rows' text; -1 if a row leads astray, or is not UTF-8. */
static int64_t popstrat_views_size(const popstrat_views *c) {
    int64_t total = 0;
    for (int64_t row = 0; row < c->rows; row++) {
        if (!popstrat_bit(c->valid, c->valid_from + row)) continue;
        uint64_t half[2];
        memcpy(half, c->values + VIEW * row, VIEW);
        const uint32_t within = (uint32_t)half[0];
        if (within <= VIEW_WITHIN && !(((half[0] & ~(uint64_t)UINT32_MAX) | half[1]) & VIEWS_BEYOND_ASCII)) {
            total += within;
            continue;
        }
        int64_t length;
        const uint8_t *text = popstrat_view(c, row, &length);
        if (text == NULL || !popstrat_is_utf8(text, length)) return -1;
        total += length;
    }
    return total;
}

/* Sound rows, `popstrat_views_size` bytes of text: `ends` has one more than the rows, `out` 16 bytes to spare. */
static void popstrat_views_written(const popstrat_views *c, int64_t *ends, uint8_t *out) {
    int64_t at = 0;
    ends[0] = 0;
    for (int64_t row = 0; row < c->rows; row++) {
        if (popstrat_bit(c->valid, c->valid_from + row)) {
            int64_t length;
            const uint8_t *text = popstrat_view(c, row, &length);
            if (length <= VIEW_WITHIN)
                memcpy(out + at, text, VIEW_WITHIN); /* whole, which is less than to ask how much; the next row is over it */
            else
                memcpy(out + at, text, (size_t)length);
            at += length;
        }
        ends[row + 1] = at;
    }
}

enum { VIEW_ENTRIES = 1024, VIEW_SLOT_BITS = 12 };

/* Each row's entry among the texts that there are, in the order in which they come; null has no text, which is one too. Gives
 * how many there are, at most VIEW_ENTRIES, and a view of each; -1 for more, for longer ones than lie within a view, and for
 * text that is not UTF-8. `slots`: 1 << VIEW_SLOT_BITS, all -1. Bytes after a text count as its own: that is one entry too
 * many. Labels come in no order: nothing is asked about a row but what is nearly always so. */
static int64_t popstrat_views_coded(const popstrat_views *c, int32_t *slots, uint64_t *entries, int32_t *out) {
    int32_t many = 0;
    for (int64_t row = 0; row < c->rows; row++) {
        const uint64_t there = -(uint64_t)popstrat_bit(c->valid, c->valid_from + row);
        uint64_t half[2];
        memcpy(half, c->values + VIEW * row, VIEW);
        half[0] &= there;
        half[1] &= there;
        uint64_t slot = ((half[0] ^ half[1] * 0x9E3779B97F4A7C15u) * 0xD6E8FEB86659FD93u) >> (64 - VIEW_SLOT_BITS);
        int32_t entry;
        while ((entry = slots[slot]) >= 0 && ((entries[2 * entry] ^ half[0]) | (entries[2 * entry + 1] ^ half[1])))
            slot = (slot + 1) & ((1 << VIEW_SLOT_BITS) - 1);
        if (entry < 0) {
            if ((uint32_t)half[0] > VIEW_WITHIN || many == VIEW_ENTRIES) return -1;
            if (!popstrat_is_utf8((const uint8_t *)half + 4, (int64_t)(uint32_t)half[0])) return -1;
            memcpy(entries + 2 * many, half, VIEW);
            slots[slot] = entry = many++;
        }
        out[row] = entry;
    }
    return many;
}

#endif
