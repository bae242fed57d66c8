/* Whether a column's indices, offsets or views stay within what they point into.
 *
 * Whoever made a table may have got them wrong, and what follows them then reads memory of somebody else. A row is at fault
 * where its index has no entry, its text ends before it begins, or lies outside the text of the column. An index or a view
 * under a null may be anything; offsets may not, since the rows beside them share them.
 */
#ifndef POPSTRAT_ASTRAY_H
#define POPSTRAT_ASTRAY_H

#include <stdint.h>
#include <string.h>

#include "arrays/scan.h"

enum { POINTS_INDICES, POINTS_OFFSETS, POINTS_VIEWS, POINTS_VALID };

typedef struct {
    int what, width;        /* of POINTS_…; bytes of an index or an offset */
    const uint8_t *values;  /* from the first row on: indices, rows + 1 offsets, or views of 16 bytes */
    const uint8_t *valid;   /* bitmap, or NULL: nothing is null */
    int64_t valid_from;     /* the first row's bit */
    int64_t rows;
    uint64_t entries;       /* of a dictionary; of offsets: bytes of text */
    const int64_t *sizes;   /* views: of each buffer of text */
    int64_t buffers;
} popstrat_pointing;

static int popstrat_is_valid(const popstrat_pointing *c, int64_t row) {
    return popstrat_bit(c->valid, c->valid_from + row);
}

static int popstrat_astray(const popstrat_pointing *c, int64_t row) {
    if (c->what == POINTS_VALID) return !popstrat_is_valid(c, row);
    if (c->what == POINTS_OFFSETS) {
        int64_t from, to;
        if (c->width == 4) {
            from = ((const int32_t *)c->values)[row];
            to = ((const int32_t *)c->values)[row + 1];
        } else {
            from = ((const int64_t *)c->values)[row];
            to = ((const int64_t *)c->values)[row + 1];
        }
        return from < 0 || to < from || (uint64_t)to > c->entries;
    }
    if (!popstrat_is_valid(c, row)) return 0;
    if (c->what == POINTS_VIEWS) {
        int32_t view[4]; /* length; if over 12: its beginning, the buffer, where it starts there */
        memcpy(view, c->values + 16 * row, 16);
        if (view[0] <= 12) return view[0] < 0;
        return view[2] < 0 || view[2] >= c->buffers || view[3] < 0 || (int64_t)view[3] + view[0] > c->sizes[view[2]];
    }
    switch (c->width) {
    case 1: return c->values[row] >= c->entries;
    case 2: return ((const uint16_t *)c->values)[row] >= c->entries;
    case 4: return ((const uint32_t *)c->values)[row] >= c->entries;
    default: return ((const uint64_t *)c->values)[row] >= c->entries;
    }
}

static int popstrat_all_valid(const popstrat_pointing *c, int64_t from, int64_t rows) {
    const int64_t stop = from + rows;
    while (from < stop && (c->valid_from + from) & 7)
        if (!popstrat_is_valid(c, from++)) return 0;
    for (; from + 64 <= stop; from += 64) {
        uint64_t word;
        memcpy(&word, c->valid + ((c->valid_from + from) >> 3), 8);
        if (word != UINT64_MAX) return 0;
    }
    while (from < stop)
        if (!popstrat_is_valid(c, from++)) return 0;
    return 1;
}

static int popstrat_none_astray(const popstrat_pointing *c, int64_t from, int64_t rows) {
    switch (c->what) {
    case POINTS_INDICES: return popstrat_largest(c->values + from * c->width, rows, c->width) < c->entries;
    case POINTS_OFFSETS: {
        const uint8_t *x = c->values + from * c->width;
        const int64_t first = c->width == 4 ? *(const int32_t *)x : *(const int64_t *)x;
        const int64_t last = c->width == 4 ? ((const int32_t *)x)[rows] : ((const int64_t *)x)[rows];
        return first >= 0 && last >= 0 && (uint64_t)last <= c->entries && popstrat_rising(x, rows + 1, c->width);
    }
    case POINTS_VALID: return c->valid == NULL || popstrat_all_valid(c, from, rows);
    default:
        for (int64_t i = from; i < from + rows; i++)
            if (popstrat_astray(c, i)) return 0;
        return 1;
    }
}

/* How many rows are at fault; the first `most` of them are written to `found`. */
static int64_t popstrat_count_astray(const popstrat_pointing *c, int64_t *found, int64_t most) {
    int64_t many = 0;
    for (int64_t from = 0; from < c->rows; from += SCANNED) {
        const int64_t rows = c->rows - from < SCANNED ? c->rows - from : SCANNED;
        if (popstrat_none_astray(c, from, rows)) continue;
        for (int64_t i = from; i < from + rows; i++)
            if (popstrat_astray(c, i)) {
                if (many < most) found[many] = i;
                many++;
            }
    }
    return many;
}

#endif
