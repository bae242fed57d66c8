/* Writing columns as CSV text: row by row into bytes that grow. */
#ifndef POPSTRAT_CSV_WRITE_H
#define POPSTRAT_CSV_WRITE_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { CSV_OUT_BOOL, CSV_OUT_WHOLE, CSV_OUT_DECIMAL, CSV_OUT_TEXT, CSV_OUT_LABEL };
enum { CSV_OUT_DONE, CSV_OUT_FAULT, CSV_OUT_NO_MEMORY };
#define CSV_OUT_WIDEST 32 /* bytes: a number or flag with quotes and comma; also what is copied at once */

/* A column where it lies in memory, from row `offset` on. */
typedef struct {
    int kind;
    int bytes;                 /* of a whole number, a text offset or a code */
    int is_signed;
    int quoted;                /* whole numbers and text; labels always are */
    const uint8_t *values;     /* bits, numbers, offsets or codes */
    const uint8_t *valid;      /* NULL: nothing is null */
    int64_t offset;
    const uint8_t *characters; /* of text, or of the labels */
    int64_t size;              /* of those */
    const uint8_t *ends;       /* of the labels: 32-bit offsets, one more than there are labels */
    int64_t entries;
    uint8_t *cells;            /* labels as they are written, quoted and with the comma, at places of CSV_OUT_WIDEST */
    int64_t *cell_at;          /* … where each begins; one more than there are labels */
} csv_out_column;

typedef struct {
    uint8_t *at;
    int64_t used, capacity;
} csv_out;

static int csv_out_reserve(csv_out *out, int64_t more) {
    if (out->used + more <= out->capacity) return 1;
    int64_t capacity = out->capacity + out->capacity / 2 + more + 4096;
    uint8_t *at = realloc(out->at, (size_t)capacity);
    if (!at) return 0;
    out->at = at;
    out->capacity = capacity;
    return 1;
}

static inline int csv_out_bit(const uint8_t *bits, int64_t i) { return bits[i >> 3] >> (i & 7) & 1; }

static inline int64_t csv_out_signed(const uint8_t *p, int bytes) {
    int16_t two;
    int32_t four;
    int64_t eight;
    switch (bytes) {
    case 1: return (int8_t)*p;
    case 2: memcpy(&two, p, 2); return two;
    case 4: memcpy(&four, p, 4); return four;
    default: memcpy(&eight, p, 8); return eight;
    }
}

static inline uint64_t csv_out_unsigned(const uint8_t *p, int bytes) {
    uint16_t two;
    uint32_t four;
    uint64_t eight;
    switch (bytes) {
    case 1: return *p;
    case 2: memcpy(&two, p, 2); return two;
    case 4: memcpy(&four, p, 4); return four;
    default: memcpy(&eight, p, 8); return eight;
    }
}

static inline uint8_t *csv_out_digits(uint8_t *to, uint64_t x) {
    uint8_t reversed[20];
    int n = 0;
    do reversed[n++] = (uint8_t)('0' + x % 10);
    while ((x /= 10));
    while (n) *to++ = reversed[--n];
    return to;
}

/* ---- numbers with at most six decimals ------------------------------------------------------------------------ */

/* x as whole millionths. Only where it is the double nearest to them, and they have at most 15 digits: two decimal
 * numbers of 15 digits are never the same double, so those digits without their last zeros are the shortest that
 * mean x. 0 where it does not hold, and for minus zero. */
static inline int csv_out_millionths(double x, int64_t *found) {
    if (!(x > -1e9 && x < 1e9)) return 0;
    int64_t m = (int64_t)(x * 1e6 + (x < 0 ? -0.5 : 0.5));
    *found = m;
    return (double)m / 1e6 == x && (m || !signbit(x)) && m > -1000000000000000 && m < 1000000000000000;
}

static int csv_out_all_decimal(const uint8_t *values, const uint8_t *valid, int64_t offset, int64_t rows) {
    for (int64_t i = offset; i < offset + rows; i++) {
        double x;
        int64_t m;
        if (valid && !csv_out_bit(valid, i)) continue;
        memcpy(&x, values + 8 * i, 8);
        if (!csv_out_millionths(x, &m)) return 0;
    }
    return 1;
}

static inline uint8_t *csv_out_decimal(uint8_t *to, int64_t millionths) {
    uint64_t m = (uint64_t)millionths;
    if (millionths < 0) {
        *to++ = '-';
        m = 0 - m;
    }
    to = csv_out_digits(to, m / 1000000);
    uint32_t part = (uint32_t)(m % 1000000);
    if (!part) return to;
    *to = '.';
    for (int i = 6; i; i--, part /= 10) to[i] = (uint8_t)('0' + part % 10);
    to += 6;
    while (*to == '0') to--;
    return to + 1;
}

/* ---- text ----------------------------------------------------------------------------------------------------- */

static inline uint8_t *csv_out_text(uint8_t *to, const uint8_t *p, int64_t n, int quoted) {
    if (!quoted || !n || !memchr(p, '"', (size_t)n)) {
        *to = '"';
        to += quoted;
        if (n) memcpy(to, p, (size_t)n);
        to += n;
    } else {
        *to++ = '"';
        for (int64_t i = 0; i < n; i++) {
            if (p[i] == '"') *to++ = '"';
            *to++ = p[i];
        }
    }
    *to = '"';
    return to + quoted;
}

/* The labels of a column as they are written. */
static int csv_out_render(csv_out_column *c) {
    csv_out out = {NULL, 0, 0};
    c->cell_at = malloc((size_t)(c->entries + 1) * sizeof *c->cell_at);
    if (!c->cell_at) return CSV_OUT_NO_MEMORY;
    for (int64_t i = 0; i <= c->entries; i++) {
        c->cell_at[i] = out.used;
        if (i == c->entries) break;
        int64_t start = csv_out_signed(c->ends + 4 * i, 4), end = csv_out_signed(c->ends + 4 * (i + 1), 4);
        if (start < 0 || end < start || end > c->size) {
            free(out.at);
            return CSV_OUT_FAULT;
        }
        if (!csv_out_reserve(&out, 2 * (end - start) + 3 + CSV_OUT_WIDEST)) {
            free(out.at);
            return CSV_OUT_NO_MEMORY;
        }
        uint8_t *to = csv_out_text(out.at + out.used, c->characters + start, end - start, 1);
        *to++ = ',';
        out.used = to - out.at;
    }
    c->cells = out.at;
    return CSV_OUT_DONE;
}

/* ---- rows ----------------------------------------------------------------------------------------------------- */

static int csv_out_rows(const csv_out_column *columns, int64_t count, int64_t start, int64_t stop, csv_out *out) {
    const int64_t fixed = count * CSV_OUT_WIDEST + CSV_OUT_WIDEST;
    out->used = 0;
    for (int64_t row = start; row < stop; row++) {
        if (!csv_out_reserve(out, fixed)) return CSV_OUT_NO_MEMORY;
        uint8_t *to = out->at + out->used;
        for (int64_t j = 0; j < count; j++) {
            const csv_out_column *c = &columns[j];
            const int64_t i = c->offset + row;
            if (c->valid && !csv_out_bit(c->valid, i)) {
                *to++ = ',';
                continue;
            }
            switch (c->kind) {
            case CSV_OUT_BOOL: {
                int yes = csv_out_bit(c->values, i);
                memcpy(to, yes ? "true,\0\0" : "false,\0", 8);
                to += 6 - yes;
                continue;
            }
            case CSV_OUT_WHOLE: {
                const uint8_t *p = c->values + i * c->bytes;
                uint64_t x = csv_out_unsigned(p, c->bytes);
                *to = '"';
                to += c->quoted;
                if (c->is_signed && csv_out_signed(p, c->bytes) < 0) {
                    *to++ = '-';
                    x = 0 - (uint64_t)csv_out_signed(p, c->bytes);
                }
                to = csv_out_digits(to, x);
                *to = '"';
                to += c->quoted;
                break;
            }
            case CSV_OUT_DECIMAL: {
                double x;
                int64_t m = 0;
                memcpy(&x, c->values + 8 * i, 8);
                if (!csv_out_millionths(x, &m)) return CSV_OUT_FAULT;
                to = csv_out_decimal(to, m);
                break;
            }
            case CSV_OUT_TEXT: {
                int64_t first = csv_out_signed(c->values + i * c->bytes, c->bytes);
                int64_t n = csv_out_signed(c->values + (i + 1) * c->bytes, c->bytes) - first;
                if (first < 0 || n < 0 || n > c->size - first) return CSV_OUT_FAULT;
                out->used = to - out->at;
                if (!csv_out_reserve(out, 2 * n + fixed)) return CSV_OUT_NO_MEMORY;
                to = csv_out_text(out->at + out->used, c->characters + first, n, c->quoted);
                break;
            }
            default: {
                int64_t code = csv_out_signed(c->values + i * c->bytes, c->bytes);
                if (code < 0 || code >= c->entries) return CSV_OUT_FAULT;
                const uint8_t *cell = c->cells + c->cell_at[code];
                int64_t n = c->cell_at[code + 1] - c->cell_at[code];
                if (n <= CSV_OUT_WIDEST) {
                    memcpy(to, cell, CSV_OUT_WIDEST);
                } else {
                    out->used = to - out->at;
                    if (!csv_out_reserve(out, n + fixed)) return CSV_OUT_NO_MEMORY;
                    to = out->at + out->used;
                    memcpy(to, cell, (size_t)n);
                }
                to += n;
                continue;
            }
            }
            *to++ = ',';
        }
        to[-1] = '\n';
        out->used = to - out->at;
    }
    return CSV_OUT_DONE;
}

#endif
