/* Decoders for the pages of one Parquet column without nesting.

Everything read here may be damaged: each length is checked before it is used, loads are through memcpy, and what does
not add up gives PQ_DAMAGED. Little-endian, no instruction beyond the baseline.

Bitmaps that are written must be zero from the position on, and have PQ_PAD spare bytes behind them. */
#ifndef POPSTRAT_PARQUET_READ_H
#define POPSTRAT_PARQUET_READ_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { PQ_OK = 0, PQ_DAMAGED = -1, PQ_OTHER = -2, PQ_MEMORY = -3, PQ_LARGE = -4 };
enum { /* encodings, as the format numbers them */
    PQ_PLAIN = 0, PQ_PLAIN_CODES = 2, PQ_RUNS = 3, PQ_DELTA = 5, PQ_DELTA_LENGTHS = 6, PQ_CODES = 8, PQ_SPLIT = 9
};
enum { PQ_DATA = 0, PQ_DICTIONARY = 2, PQ_DATA2 = 3 };
enum { PQ_PAD = 64, PQ_BLOCK = 4096, PQ_FIELDS = 17, PQ_DEEPEST = 16 };

static inline uint64_t pq_load64(const uint8_t *p) {
    uint64_t x;
    memcpy(&x, p, 8);
    return x;
}

static inline uint32_t pq_load32(const uint8_t *p) {
    uint32_t x;
    memcpy(&x, p, 4);
    return x;
}

static inline int64_t pq_least(int64_t a, int64_t b) { return a < b ? a : b; }

/* ---- Page headers: Thrift's compact protocol ---------------------------------------------------------------- */

typedef struct {
    const uint8_t *p, *end;
} pq_bytes;

/* The functions of this section give 1, 0 where the bytes end too early, or PQ_DAMAGED. */
static int pq_varint(pq_bytes *b, uint64_t *value) {
    uint64_t x = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        if (b->p == b->end) return 0;
        uint8_t byte = *b->p++;
        x |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) {
            *value = x;
            return 1;
        }
    }
    return PQ_DAMAGED;
}

static inline int64_t pq_unzigzag(uint64_t x) { return (int64_t)((x >> 1) ^ (0 - (x & 1))); }

static int pq_pass_over(pq_bytes *b, uint64_t bytes) {
    if ((uint64_t)(b->end - b->p) < bytes) return 0;
    b->p += bytes;
    return 1;
}

static int pq_struct(pq_bytes *b, int64_t *fields, int64_t (*inner)[PQ_FIELDS], int64_t (*within)[PQ_FIELDS], int depth);

/* The head of a struct's next field; type 0 ends the struct. */
static int pq_field(pq_bytes *b, int64_t *id, int *type) {
    uint64_t x;
    int status;
    if (b->p == b->end) return 0;
    uint8_t head = *b->p++;
    *type = head & 15;
    if (head >> 4) {
        *id += head >> 4;
    } else if (head) {
        if ((status = pq_varint(b, &x)) != 1) return status;
        *id = pq_unzigzag(x);
    }
    return *id < -32768 || *id > 32767 ? PQ_DAMAGED : 1;
}

static int pq_list(pq_bytes *b, int *kind, uint64_t *n) {
    if (b->p == b->end) return 0;
    *kind = *b->p & 15;
    *n = *b->p++ >> 4;
    return *n == 15 ? pq_varint(b, n) : 1;
}

static int pq_skip(pq_bytes *b, int type, int depth, int in_list) {
    uint64_t n = 0, pairs = 1;
    int status, kind, other = 0;
    if (depth > PQ_DEEPEST) return PQ_DAMAGED;
    switch (type) {
    case 1: case 2: return in_list ? pq_pass_over(b, 1) : 1;
    case 3: return pq_pass_over(b, 1);
    case 4: case 5: case 6: return pq_varint(b, &n);
    case 7: return pq_pass_over(b, 8);
    case 8: return (status = pq_varint(b, &n)) == 1 ? pq_pass_over(b, n) : status;
    case 9: case 10:
        if ((status = pq_list(b, &kind, &n)) != 1) return status;
        break;
    case 11:
        if ((status = pq_varint(b, &n)) != 1) return status;
        if (n == 0) return 1;
        if (b->p == b->end) return 0;
        kind = *b->p >> 4;
        other = *b->p++ & 15;
        pairs = 2;
        break;
    case 12: return pq_struct(b, NULL, NULL, NULL, depth + 1);
    default: return PQ_DAMAGED;
    }
    for (; n > 0; n--) /* an element takes at least a byte, so the data's end stops this */
        for (uint64_t i = 0; i < pairs; i++)
            if ((status = pq_skip(b, i ? other : kind, depth + 1, 1)) != 1) return status;
    return 1;
}

/* Whole numbers and truth values of a struct, and how long its lists are, by field number; a struct within it goes to `inner`, one within that to
`within`, anything else is noted as 1 and passed over. A field that is absent keeps what it was, and so does one that is
a number of fewer than 32 bits, which there is none of here. Field 0, which there is none of either, gets a bit for each
number of 32 bits, and 32 higher one for each of 64: a number of another width is not the field that the format means. */
static int pq_struct(pq_bytes *b, int64_t *fields, int64_t (*inner)[PQ_FIELDS], int64_t (*within)[PQ_FIELDS], int depth) {
    int64_t id = 0, unused;
    uint64_t x;
    int status, type;
    if (depth > PQ_DEEPEST) return PQ_DAMAGED;
    if (fields != NULL) fields[0] = 0;
    for (;;) {
        if ((status = pq_field(b, &id, &type)) != 1) return status;
        if (type == 0) return 1;
        int ours = fields != NULL && id > 0 && id < PQ_FIELDS;
        int64_t *field = ours ? fields + id : &unused;
        if (type != 3 && type != 4) {
            *field = type != 2; /* 1 and 2 are true and false */
            if (ours) fields[0] &= ~((uint64_t)0x100000001 << id);
        }
        if (ours && (type == 5 || type == 6)) {
            if ((status = pq_varint(b, &x)) != 1) return status;
            *field = pq_unzigzag(x);
            fields[0] |= (uint64_t)1 << (type == 5 ? id : id + 32);
        } else if (ours && type == 12 && inner != NULL) {
            if ((status = pq_struct(b, inner[id], within, NULL, depth + 1)) != 1) return status;
        } else if (ours && type == 9) {
            pq_bytes ahead = *b;
            int kind;
            if ((status = pq_list(&ahead, &kind, &x)) != 1 || (status = pq_skip(b, type, depth, 0)) != 1) return status;
            *field = (int64_t)(x & INT64_MAX);
        } else if ((status = pq_skip(b, type, depth, 0)) != 1) {
            return status;
        }
    }
}

/* Of each column of each row group: physical type, codec, values, bytes, start in the file, whether its data are
elsewhere or encrypted, nulls, and how many levels of repetition and of definition its statistics count. Gives PQ_OK only
if the footer has that many of each. */
enum { PQ_CHUNK = 9 };

/* How many things a footer describes that take much more memory than their bytes: columns, and column chunks.
 * PQ_DAMAGED where it cannot be followed. */
static int64_t pq_footer_parts(const uint8_t *start, int64_t size) {
    pq_bytes b = {start, start + size};
    int64_t id = 0, parts = 0;
    int type, kind;
    uint64_t n, m;
    for (;;) {
        if (pq_field(&b, &id, &type) != 1) return PQ_DAMAGED;
        if (type == 0) return parts;
        if ((id != 2 && id != 4) || type != 9) {
            if (pq_skip(&b, type, 0, 0) != 1) return PQ_DAMAGED;
            continue;
        }
        if (pq_list(&b, &kind, &n) != 1) return PQ_DAMAGED;
        for (; n > 0; n--) { /* an element takes at least a byte, so the data's end stops this, and those below */
            parts++;
            if (id == 2 || kind != 12) {
                if (pq_skip(&b, kind, 1, 1) != 1) return PQ_DAMAGED;
                continue;
            }
            for (int64_t inside = 0;;) {
                if (pq_field(&b, &inside, &type) != 1) return PQ_DAMAGED;
                if (type == 0) break;
                if (inside != 1 || type != 9) {
                    if (pq_skip(&b, type, 1, 0) != 1) return PQ_DAMAGED;
                    continue;
                }
                if (pq_list(&b, &kind, &m) != 1) return PQ_DAMAGED;
                for (; m > 0; m--, parts++)
                    if (pq_skip(&b, kind, 2, 1) != 1) return PQ_DAMAGED;
                kind = 12;
            }
        }
    }
}

/* A field that the format has as a number of 32 or of 64 bits, or as neither; -1 if it is absent or something else. */
static inline int64_t pq_narrow(const int64_t *f, int id) { return (uint64_t)f[0] >> id & 1 ? f[id] : -1; }
static inline int64_t pq_wide(const int64_t *f, int id) { return (uint64_t)f[0] >> (id + 32) & 1 ? f[id] : -1; }
static inline int64_t pq_other(const int64_t *f, int id) {
    return ((uint64_t)f[0] >> id | (uint64_t)f[0] >> (id + 32)) & 1 ? -1 : f[id];
}

static int pq_read_footer(const uint8_t *start, int64_t size, int64_t groups, int64_t columns, int64_t *out) {
    pq_bytes b = {start, start + size};
    int64_t id = 0, filled = 0, most = groups * columns;
    int type, kind;
    uint64_t n, m;
    for (;;) {
        if (pq_field(&b, &id, &type) != 1) return PQ_DAMAGED;
        if (type == 0) return filled == most ? PQ_OK : PQ_DAMAGED;
        if (id != 4 || type != 9) {
            if (pq_skip(&b, type, 0, 0) != 1) return PQ_DAMAGED;
            continue;
        }
        if (pq_list(&b, &kind, &n) != 1 || n != (uint64_t)groups || (n && kind != 12)) return PQ_DAMAGED;
        for (; n > 0; n--) {
            for (int64_t inside = 0;;) {
                if (pq_field(&b, &inside, &type) != 1) return PQ_DAMAGED;
                if (type == 0) break;
                if (inside != 1 || type != 9) {
                    if (pq_skip(&b, type, 1, 0) != 1) return PQ_DAMAGED;
                    continue;
                }
                if (pq_list(&b, &kind, &m) != 1 || m != (uint64_t)columns || (m && kind != 12)) return PQ_DAMAGED;
                if (filled + columns > most) return PQ_DAMAGED;
                for (; m > 0; m--, filled++, out += PQ_CHUNK) {
                    int64_t top[PQ_FIELDS], inner[PQ_FIELDS][PQ_FIELDS], within[PQ_FIELDS][PQ_FIELDS], *own = inner[3];
                    memset(top, 255, sizeof top); /* -1: absent */
                    memset(inner, 255, sizeof inner);
                    memset(within, 255, sizeof within);
                    if (pq_struct(&b, top, inner, within, 2) != 1) return PQ_DAMAGED;
                    int64_t dictionary = pq_wide(own, 11), data = pq_wide(own, 9);
                    out[0] = pq_narrow(own, 1), out[1] = pq_narrow(own, 4);
                    out[2] = pq_wide(own, 5), out[3] = pq_wide(own, 7);
                    out[4] = dictionary > 0 && dictionary < data ? dictionary : data;
                    out[5] = top[1] >= 0 || top[8] >= 0 || top[9] >= 0;
                    out[6] = pq_wide(within[12], 3), out[7] = pq_other(within[16], 2), out[8] = pq_other(within[16], 3);
                }
            }
        }
    }
}

typedef struct {
    int64_t type, unpacked, packed; /* bytes of the page after and before decompression */
    int64_t values, encoding, level_encoding;
    int64_t level_bytes, repetition_bytes, compressed; /* of a page of version 2 */
    int64_t nulls, checked, crc;                        /* nulls: -1 where it is not said; checked: there is a CRC */
    int64_t size;                                       /* bytes of the header itself */
} pq_header;

/* Whether a struct has all of these fields, as numbers of 32 bits. */
static inline int pq_has(const int64_t *fields, int64_t which) { return (fields[0] & which) == which; }

static int pq_read_header(const uint8_t *start, int64_t size, pq_header *h) {
    /* Which fields the three kinds of pages must have: by the number of the struct that holds them. */
    static const uint8_t kinds[3] = {5, 7, 8}, must_have[3] = {0x1e, 0x06, 0x7e};
    int64_t top[PQ_FIELDS], inner[PQ_FIELDS][PQ_FIELDS], within[PQ_FIELDS][PQ_FIELDS];
    pq_bytes b = {start, start + size};
    memset(top, 255, sizeof top); /* -1: absent */
    memset(inner, 255, sizeof inner);
    memset(within, 255, sizeof within);
    int status = pq_struct(&b, top, inner, within, 0);
    if (status != 1) return status;
    if (!pq_has(top, 0x0e)) return PQ_DAMAGED;
    for (int i = 0; i < 3; i++)
        if (!pq_has(inner[kinds[i]], must_have[i])) return PQ_DAMAGED; /* of one that is absent, all bits are set */
    h->checked = pq_has(top, 0x10);
    h->crc = h->checked ? top[4] & 0xffffffff : 0;
    h->size = b.p - start;
    h->type = top[1];
    h->unpacked = top[2];
    h->packed = top[3];
    if (h->type < 0 || h->unpacked < 0 || h->unpacked > INT32_MAX || h->packed < 0 || h->packed > INT32_MAX)
        return PQ_DAMAGED;
    int64_t *own = inner[h->type == PQ_DATA ? 5 : h->type == PQ_DICTIONARY ? 7 : 8];
    h->values = own[1];
    h->encoding = own[h->type == PQ_DATA2 ? 4 : 2];
    h->level_encoding = own[3];
    h->level_bytes = own[5];
    h->repetition_bytes = own[6];
    h->compressed = pq_other(own, 7) != 0; /* true where it is not said */
    h->nulls = h->type == PQ_DATA ? pq_wide(within[5], 3) : h->type == PQ_DATA2 ? own[2] : -1;
    if (h->type != PQ_DATA && h->type != PQ_DICTIONARY && h->type != PQ_DATA2) return 1; /* to be passed over */
    if (h->values < 0 || h->values > INT32_MAX || h->encoding < 0) return PQ_DAMAGED;
    if (h->type == PQ_DATA2 && (own[3] != h->values || h->nulls < 0 || (pq_wide(within[8], 3) >= 0 && within[8][3] != h->nulls) || h->level_bytes < 0 || h->repetition_bytes < 0 || h->level_bytes > h->packed ||
                                h->repetition_bytes > h->packed - h->level_bytes ||
                                h->level_bytes + h->repetition_bytes > h->unpacked))
        return PQ_DAMAGED;
    return 1;
}

/* How many bytes packed data says it unpacks to, or -1 where it does not say or is not what it should be. Unpacking into
a buffer of another size would leave a part of it as it was. */

static int64_t pq_zstd_size(const uint8_t *p, int64_t n) { /* of the first frame */
    static const int8_t id_bytes[4] = {0, 1, 2, 4}, size_bytes[4] = {0, 2, 4, 8};
    if (n < 18 || pq_load32(p) != 0xFD2FB528u) return -1; /* shorter ones are not worth a thought */
    int head = p[4], single = head >> 5 & 1, bytes = head >> 6 ? size_bytes[head >> 6] : single;
    uint64_t x = pq_load64(p + 5 + !single + id_bytes[head & 3]);
    if (bytes == 0) return -1;
    if (bytes < 8) x &= ((uint64_t)1 << 8 * bytes) - 1;
    if (bytes == 2) x += 256;
    return x > INT32_MAX ? -1 : (int64_t)x;
}

static int64_t pq_snappy_size(const uint8_t *p, int64_t n) {
    pq_bytes b = {p, p + n};
    uint64_t x;
    return pq_varint(&b, &x) == 1 && x <= INT32_MAX ? (int64_t)x : -1;
}

static int64_t pq_gzip_size(const uint8_t *p, int64_t n) { /* of one member; of several, that of the last */
    return n >= 18 && p[0] == 0x1f && p[1] == 0x8b ? (int64_t)pq_load32(p + n - 4) : -1;
}

static int pq_lz4_length(pq_bytes *b, int64_t *length) {
    uint8_t more = 255;
    if (*length < 15) return 1;
    while (more == 255) {
        if (b->p == b->end) return 0;
        *length += more = *b->p++;
    }
    return 1;
}

static int64_t pq_lz4_size(const uint8_t *p, int64_t n) { /* one block: it has to be walked through */
    pq_bytes b = {p, p + n};
    int64_t size = 0;
    while (b.p < b.end) {
        int64_t literals = *b.p >> 4, match = *b.p & 15;
        b.p++;
        if (!pq_lz4_length(&b, &literals) || !pq_pass_over(&b, (uint64_t)literals)) return -1;
        size += literals;
        if (b.p == b.end) return size; /* the last sequence has no match */
        if (!pq_pass_over(&b, 2) || !pq_lz4_length(&b, &match)) return -1;
        size += match + 4;
    }
    return -1;
}

/* ---- Bits --------------------------------------------------------------------------------------------------- */

/* At least 57 bits from bit `at` on, zeros after the end. */
static inline uint64_t pq_peek(const uint8_t *p, const uint8_t *end, int64_t at) {
    const uint8_t *q = p + (at >> 3);
    uint64_t x = 0;
    if (end - q >= 8) {
        x = pq_load64(q);
    } else {
        for (int i = 0; i < end - q; i++) x |= (uint64_t)q[i] << 8 * i;
    }
    return x >> (at & 7);
}

static inline uint64_t pq_ones(int64_t n) { return n >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << n) - 1; }

/* `n` up to 64 bits from bit `at` on. */
static inline uint64_t pq_get(const uint8_t *p, const uint8_t *end, int64_t at, int64_t n) {
    uint64_t x = pq_peek(p, end, at);
    int shift = at & 7;
    if (shift && n > 64 - shift) {
        const uint8_t *q = p + (at >> 3) + 8;
        if (q < end) x |= (uint64_t)*q << (64 - shift);
    }
    return x & pq_ones(n);
}

static inline void pq_put(uint8_t *p, int64_t at, uint64_t bits) {
    uint8_t *q = p + (at >> 3);
    int shift = at & 7;
    uint64_t x = pq_load64(q) | bits << shift;
    memcpy(q, &x, 8);
    if (shift) q[8] |= (uint8_t)(bits >> (64 - shift));
}

static inline int pq_count(uint64_t x) {
    x -= x >> 1 & 0x5555555555555555u;
    x = (x & 0x3333333333333333u) + (x >> 2 & 0x3333333333333333u);
    return (int)(((x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fu) * 0x0101010101010101u >> 56);
}

static void pq_fill_bits(uint8_t *p, int64_t at, int64_t n) {
    for (; n > 0 && (at & 7); n--, at++) p[at >> 3] |= (uint8_t)(1 << (at & 7));
    memset(p + (at >> 3), 255, n >> 3);
    if (n & 7) p[(at + n) >> 3] |= (uint8_t)pq_ones(n & 7);
}

static void pq_copy_bits(uint8_t *to, int64_t at, const uint8_t *p, const uint8_t *end, int64_t from, int64_t n) {
    if (!((at | from) & 7)) {
        int64_t bytes = n >> 3;
        memcpy(to + (at >> 3), p + (from >> 3), bytes);
        at += bytes << 3, from += bytes << 3, n &= 7;
    }
    for (int64_t i = 0; i < n; i += 64) pq_put(to, at + i, pq_get(p, end, from + i, pq_least(64, n - i)));
}

/* Lay the lowest bits of `bits` out over the set bits of `where`, in order. */
static inline uint64_t pq_deposit(uint64_t bits, uint64_t where) {
    uint64_t x = 0;
    for (; bits; bits >>= 1, where &= where - 1) x |= (where & (0 - where)) & (0 - (bits & 1));
    return x;
}

/* ---- Runs of repeated and of packed values ------------------------------------------------------------------ */

typedef struct {
    const uint8_t *p, *end; /* of the next run; of all */
    const uint8_t *run;
    int64_t left, at; /* values of this run still to take, and taken */
    int bits, packed;
    uint32_t value;
} pq_runs;

static void pq_open_runs(pq_runs *r, const uint8_t *p, const uint8_t *end, int bits) {
    memset(r, 0, sizeof *r);
    r->p = p, r->end = end, r->bits = bits;
}

static int pq_next_run(pq_runs *r) {
    pq_bytes b = {r->p, r->end};
    uint64_t head;
    if (pq_varint(&b, &head) != 1 || head >> 1 == 0 || head >> 33) return PQ_DAMAGED;
    int64_t have = b.end - b.p, bytes;
    r->packed = head & 1;
    r->at = 0;
    r->left = (int64_t)(head >> 1);
    if (r->packed) {
        bytes = pq_least(r->left * r->bits, have);
        if (r->bits && bytes <= (r->left - 1) * r->bits) return PQ_DAMAGED; /* not even a part of the last group */
        r->left *= 8;
        if (r->bits) r->left = pq_least(r->left, bytes * 8 / r->bits); /* its padding may be left out */
    } else {
        bytes = (r->bits + 7) / 8;
        if (have < bytes) return PQ_DAMAGED;
        r->value = 0;
        for (int i = 0; i < bytes; i++) r->value |= (uint32_t)b.p[i] << 8 * i;
    }
    r->run = b.p;
    r->p = b.p + bytes;
    return PQ_OK;
}

/* Whether all that the runs hold has been taken, but for what fills up the last group of eight, or in DuckDB's files
the last run of 256. */
static int pq_runs_ended(const pq_runs *r) {
    return r->p == r->end && r->left < (r->packed ? r->at + r->left == 256 ? 256 : 8 : 1);
}

/* As many whole groups of eight values as may be read with loads of eight bytes; gives the values done. */
#if defined(__GNUC__)
__attribute__((always_inline))
#endif
static inline int64_t pq_unpack(const uint8_t *p, const uint8_t *end, int bits, uint32_t *out, int64_t n) {
    const uint64_t mask = pq_ones(bits);
    int64_t i = 0;
    for (; i + 8 <= n && end - p >= bits + 8; i += 8, p += bits) {
        if (bits <= 8) {
            uint64_t x = pq_load64(p);
            for (int k = 0; k < 8; k++) out[i + k] = (uint32_t)(x >> k * bits & mask);
        } else {
            for (int k = 0; k < 8; k++)
                out[i + k] = (uint32_t)(pq_load64(p + (k * bits >> 3)) >> (k * bits & 7) & mask);
        }
    }
    return i;
}

static int64_t pq_unpack_groups(const uint8_t *p, const uint8_t *end, int bits, uint32_t *out, int64_t n) {
#define PQ_CASE(B) case B: return pq_unpack(p, end, B, out, n);
    switch (bits) { /* known widths make known shifts */
        PQ_CASE(1) PQ_CASE(2) PQ_CASE(3) PQ_CASE(4) PQ_CASE(5) PQ_CASE(6) PQ_CASE(7) PQ_CASE(8)
        PQ_CASE(9) PQ_CASE(10) PQ_CASE(11) PQ_CASE(12) PQ_CASE(13) PQ_CASE(14) PQ_CASE(15) PQ_CASE(16)
    default: return pq_unpack(p, end, bits, out, n);
    }
#undef PQ_CASE
}

/* `n` values of `bits` each from value `at` on; the caller has seen that they are there. */
static void pq_unpack_at(const uint8_t *p, const uint8_t *end, int bits, int64_t at, uint32_t *out, int64_t n) {
    const uint64_t mask = pq_ones(bits);
    int64_t i = 0;
    if (bits == 0) {
        memset(out, 0, 4 * n);
        return;
    }
    for (; i < n && (at + i) % 8; i++) out[i] = (uint32_t)(pq_peek(p, end, (at + i) * bits) & mask);
    if (i < n) i += pq_unpack_groups(p + (at + i) / 8 * bits, end, bits, out + i, n - i);
    for (; i < n; i++) out[i] = (uint32_t)(pq_peek(p, end, (at + i) * bits) & mask);
}

static int pq_codes(pq_runs *r, uint32_t *out, int64_t n) {
    while (n > 0) {
        if (r->left == 0 && pq_next_run(r)) return PQ_DAMAGED;
        int64_t k = pq_least(n, r->left);
        if (r->packed) {
            pq_unpack_at(r->run, r->end, r->bits, r->at, out, k);
        } else {
            for (int64_t i = 0; i < k; i++) out[i] = r->value;
        }
        r->left -= k, r->at += k, out += k, n -= k;
    }
    return PQ_OK;
}

/* Runs of single bits into a bitmap. */
static int pq_bit_runs(pq_runs *r, uint8_t *to, int64_t at, int64_t n) {
    while (n > 0) {
        if (r->left == 0 && (pq_next_run(r) || (!r->packed && r->value > 1))) return PQ_DAMAGED;
        int64_t k = pq_least(n, r->left);
        if (r->packed) {
            pq_copy_bits(to, at, r->run, r->end, r->at, k);
        } else if (r->value) {
            pq_fill_bits(to, at, k);
        }
        r->left -= k, r->at += k, at += k, n -= k;
    }
    return PQ_OK;
}

/* ---- Packed differences ------------------------------------------------------------------------------------- */

typedef struct {
    const uint8_t *p, *end;
    const uint8_t *widths; /* of the current block's parts */
    const uint8_t *part;   /* the current part's packed values */
    int64_t parts, part_values, next_part;
    int64_t left, part_left, part_at; /* values still to give in all, and of the part */
    uint64_t last, least;
    int bits, started;
} pq_delta;

static int pq_open_delta(pq_delta *d, const uint8_t *p, const uint8_t *end) {
    pq_bytes b = {p, end};
    uint64_t block, parts, total, first;
    memset(d, 0, sizeof *d);
    if (p == end) return PQ_OK; /* nothing in it: an error only if something is asked of it */
    if (pq_varint(&b, &block) != 1 || pq_varint(&b, &parts) != 1 || pq_varint(&b, &total) != 1 ||
        pq_varint(&b, &first) != 1)
        return PQ_DAMAGED;
    if (block == 0 || block > 1 << 24 || parts == 0 || block % parts || block / parts % 32 || total > INT32_MAX)
        return PQ_DAMAGED;
    d->p = b.p, d->end = end;
    d->parts = d->next_part = (int64_t)parts;
    d->part_values = (int64_t)(block / parts);
    d->left = (int64_t)total;
    d->last = (uint64_t)pq_unzigzag(first);
    return PQ_OK;
}

static int pq_next_part(pq_delta *d) {
    if (d->next_part == d->parts) {
        pq_bytes b = {d->p, d->end};
        uint64_t least;
        if (pq_varint(&b, &least) != 1 || b.end - b.p < d->parts) return PQ_DAMAGED;
        d->least = (uint64_t)pq_unzigzag(least);
        d->widths = b.p;
        d->p = b.p + d->parts;
        d->next_part = 0;
    }
    d->bits = d->widths[d->next_part++];
    d->part_left = pq_least(d->part_values, d->left);
    d->part_at = 0;
    d->part = d->p;
    /* DuckDB writes differences of 32-bit numbers with 33 bits. The last part is as long as the others, too. */
    int64_t size = d->part_values * d->bits / 8;
    if (d->bits > 64 || d->end - d->p < size) return PQ_DAMAGED;
    d->p += size;
    return PQ_OK;
}

/* The next `n` values, up to PQ_BLOCK, in 64 bits. */
static int pq_differences(pq_delta *d, uint64_t *out, uint32_t *work, int64_t n) {
    if (n > d->left) return PQ_DAMAGED;
    if (n > 0 && !d->started) {
        d->started = 1;
        *out++ = d->last;
        n--, d->left--;
    }
    while (n > 0) {
        if (d->part_left == 0 && pq_next_part(d)) return PQ_DAMAGED;
        int64_t k = pq_least(n, d->part_left);
        uint64_t last = d->last, least = d->least;
        if (d->bits <= 32) {
            pq_unpack_at(d->part, d->end, d->bits, d->part_at, work, k);
            for (int64_t i = 0; i < k; i++) out[i] = last += least + work[i];
        } else {
            for (int64_t i = 0; i < k; i++)
                out[i] = last += least + pq_get(d->part, d->end, (d->part_at + i) * d->bits, d->bits);
        }
        d->last = last;
        d->part_left -= k, d->part_at += k, d->left -= k, out += k, n -= k;
    }
    return PQ_OK;
}

/* ---- Pages -------------------------------------------------------------------------------------------------- */

typedef struct {
    int64_t rows; /* not read yet */
    int64_t nulls, nulls_said; /* those read; those there are, or -1 */
    int encoding, optional, physical_bytes, is_bits;
    pq_runs levels, runs;
    pq_delta delta;
    const uint8_t *p, *end; /* of plain values */
    int64_t at;             /* bits, or values of split bytes, already read */
} pq_page;

/* What a page's codes stand for. `values` are as wide as the output; a text's are its offsets. */
typedef struct {
    int64_t size;
    const uint8_t *values;
    const uint8_t *offsets; /* 4 or 8 bytes each, of texts only */
    const uint8_t *characters;
} pq_dictionary;

typedef struct {
    uint32_t codes[PQ_BLOCK + 8];
    uint64_t numbers[PQ_BLOCK + 8];
    const uint8_t *starts[PQ_BLOCK + 8];
    uint8_t bits[PQ_BLOCK / 8 + PQ_PAD];
} pq_workspace;

typedef struct {
    uint8_t *characters;
    int64_t used, capacity, most; /* `most`: bytes that there may be */
} pq_text;

static int pq_is_ascii(const uint8_t *p, int64_t n) {
    uint64_t high = 0;
    for (; n >= 8; p += 8, n -= 8) high |= pq_load64(p);
    for (; n > 0; p++, n--) high |= *p;
    return !(high & 0x8080808080808080u);
}

/* `physical_bytes`: 0 for bits and for texts. */
static int pq_open_values(pq_page *g, pq_workspace *work, int encoding, int physical_bytes, int is_bits,
                          const uint8_t *p, const uint8_t *end) {
    pq_delta lengths;
    g->encoding = encoding;
    g->physical_bytes = physical_bytes, g->is_bits = is_bits;
    g->p = p, g->end = end, g->at = 0;
    switch (encoding) {
    case PQ_PLAIN: return PQ_OK;
    case PQ_PLAIN_CODES: case PQ_CODES:
        g->encoding = PQ_CODES;
        if (is_bits) return PQ_OTHER;
        if (p < end && *p > 32) return PQ_DAMAGED;
        pq_open_runs(&g->runs, p < end ? p + 1 : p, end, p < end ? *p : 0); /* empty where all are null */
        return PQ_OK;
    case PQ_RUNS:
        if (!is_bits) return PQ_OTHER;
        if (p < end && (end - p < 4 || pq_load32(p) != (uint64_t)(end - p - 4))) return PQ_DAMAGED;
        pq_open_runs(&g->runs, p < end ? p + 4 : p, p < end ? p + 4 + pq_load32(p) : end, 1);
        return PQ_OK;
    case PQ_DELTA: return physical_bytes ? pq_open_delta(&g->delta, p, end) : PQ_OTHER;
    case PQ_SPLIT: return physical_bytes ? PQ_OK : PQ_OTHER;
    case PQ_DELTA_LENGTHS: /* the texts begin where the lengths end */
        if (physical_bytes || is_bits) return PQ_OTHER;
        if (pq_open_delta(&g->delta, p, end)) return PQ_DAMAGED;
        lengths = g->delta;
        while (lengths.left)
            if (pq_differences(&lengths, work->numbers, work->codes, pq_least(lengths.left, PQ_BLOCK)))
                return PQ_DAMAGED;
        if (p < end) g->p = lengths.p;
        return PQ_OK;
    default: return PQ_OTHER;
    }
}

/* A page whose rows have all been read must have held just those: no more levels, values or bytes, and as many nulls as
it says. What a page holds beyond its rows belongs to others, and those that were read may be too. */
static int pq_end_page(const pq_page *g) {
    int ended;
    if (g->rows) return PQ_OK;
    if ((g->nulls_said >= 0 && g->nulls != g->nulls_said) || (g->optional && !pq_runs_ended(&g->levels)))
        return PQ_DAMAGED;
    switch (g->encoding) {
    case PQ_CODES: case PQ_RUNS: ended = pq_runs_ended(&g->runs); break;
    case PQ_DELTA: ended = g->delta.left == 0 && g->delta.p == g->delta.end; break;
    case PQ_DELTA_LENGTHS: ended = g->delta.left == 0 && g->p == g->end; break;
    case PQ_SPLIT: ended = g->end - g->p == g->at * g->physical_bytes; break;
    default: ended = g->is_bits ? (g->end - g->p) * 8 - g->at < 8 : g->p == g->end;
    }
    return ended ? PQ_OK : PQ_DAMAGED;
}

/* The validity of the next `n` rows, up to PQ_BLOCK, into the bitmap; gives how many are not null, or a fault. */
static int64_t pq_validity(pq_page *g, uint8_t *valid, int64_t at, int64_t n) {
    int64_t some = 0;
    if (!g->optional) return n;
    if (g->levels.left >= n && !g->levels.packed && g->levels.value == 1) {
        g->levels.left -= n;
        pq_fill_bits(valid, at, n);
        return n;
    }
    if (pq_bit_runs(&g->levels, valid, at, n)) return PQ_DAMAGED;
    for (int64_t i = 0; i < n; i += 64) some += pq_count(pq_get(valid, valid + (at + n + 7) / 8, at + i, pq_least(64, n - i)));
    return some;
}

/* `k` rows from `m` values that follow one another, zero where a row is null. LOAD(j) is value j; it may be asked for
value m where SPARE. */
#define PQ_SPREAD(T, LOAD, SPARE)                                                                                      \
    do {                                                                                                               \
        T *to = (T *)out;                                                                                              \
        if (m == k) {                                                                                                  \
            for (int64_t j = 0; j < k; j++) to[j] = (T)LOAD(j);                                                        \
            break;                                                                                                     \
        }                                                                                                              \
        for (int64_t i = 0, j = 0; i < k; i += 64) {                                                                   \
            int64_t rows = pq_least(64, k - i);                                                                        \
            uint64_t set = pq_get(valid, valid + (at + k + 7) / 8, at + i, rows);                                      \
            if (set == 0) {                                                                                            \
                memset(to + i, 0, rows * sizeof(T));                                                                   \
            } else if (set == pq_ones(rows)) {                                                                         \
                for (int64_t b = 0; b < rows; b++) to[i + b] = (T)LOAD(j + b);                                         \
                j += rows;                                                                                             \
            } else if (SPARE || j + 64 < m) {                                                                          \
                for (int64_t b = 0; b < rows; b++, set >>= 1) {                                                        \
                    to[i + b] = (T)(LOAD(j) & (0 - (set & 1)));                                                        \
                    j += set & 1;                                                                                      \
                }                                                                                                      \
            } else {                                                                                                   \
                for (int64_t b = 0; b < rows; b++, set >>= 1) {                                                        \
                    to[i + b] = (T)(set & 1 ? LOAD(j) : 0);                                                            \
                    j += set & 1;                                                                                      \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    } while (0)

#define PQ_WIDTHS(LOAD1, LOAD2, LOAD4, LOAD8, SPARE)                                                                   \
    switch (width) {                                                                                                   \
    case 1: PQ_SPREAD(uint8_t, LOAD1, SPARE); break;                                                                   \
    case 2: PQ_SPREAD(uint16_t, LOAD2, SPARE); break;                                                                  \
    case 4: PQ_SPREAD(uint32_t, LOAD4, SPARE); break;                                                                  \
    default: PQ_SPREAD(uint64_t, LOAD8, SPARE); break;                                                                 \
    }

static void pq_spread_plain(uint8_t *out, int width, const uint8_t *p, const uint8_t *valid, int64_t at, int64_t k,
                            int64_t m) {
#define PQ_P4(j) pq_load32(p + 4 * (j))
#define PQ_P8(j) pq_load64(p + 8 * (j))
    PQ_WIDTHS(PQ_P4, PQ_P4, PQ_P4, PQ_P8, 0)
}

static void pq_spread_numbers(uint8_t *out, int width, const uint64_t *p, const uint8_t *valid, int64_t at, int64_t k,
                              int64_t m) {
#define PQ_N(j) p[j]
    PQ_WIDTHS(PQ_N, PQ_N, PQ_N, PQ_N, 1)
}

static void pq_spread_codes(uint8_t *out, int width, const uint32_t *codes, const uint8_t *valid, int64_t at, int64_t k,
                            int64_t m) {
#define PQ_C(j) ((uint64_t)codes[j])
    PQ_WIDTHS(PQ_C, PQ_C, PQ_C, PQ_C, 1)
}

static void pq_spread_meant(uint8_t *out, int width, const uint32_t *codes, const uint8_t *values,
                            const uint8_t *valid, int64_t at, int64_t k, int64_t m) {
#define PQ_M1(j) values[codes[j]]
#define PQ_M2(j) ((const uint16_t *)values)[codes[j]]
#define PQ_M4(j) ((const uint32_t *)values)[codes[j]]
#define PQ_M8(j) ((const uint64_t *)values)[codes[j]]
    PQ_WIDTHS(PQ_M1, PQ_M2, PQ_M4, PQ_M8, 1)
}

/* `m` codes of the page's dictionary, and a zero after them. */
static int pq_known_codes(pq_page *g, const pq_dictionary *d, uint32_t *codes, int64_t m) {
    uint32_t bad = 0, size = (uint32_t)d->size;
    codes[m] = 0;
    if (pq_codes(&g->runs, codes, m)) return PQ_DAMAGED;
    for (int64_t i = 0; i < m; i++) bad |= codes[i] >= size;
    return bad ? PQ_DAMAGED : PQ_OK;
}

/* Each of these reads `n` rows of a page, at most those it has left, into row `at` on of the output, and counts nulls.
Of a page without nulls `valid` is not looked at. */

static int pq_read_bits(pq_page *g, pq_workspace *work, uint8_t *out, uint8_t *valid, int64_t at, int64_t n,
                        int64_t *nulls) {
    for (int64_t k; n > 0; n -= k, at += k) {
        k = pq_least(n, PQ_BLOCK);
        int64_t m = pq_validity(g, valid, at, k);
        if (m < 0) return PQ_DAMAGED;
        const uint8_t *p = g->p, *end = g->end;
        int64_t bit = g->at;
        if (g->encoding == PQ_RUNS) {
            memset(work->bits, 0, sizeof work->bits);
            if (pq_bit_runs(&g->runs, work->bits, 0, m)) return PQ_DAMAGED;
            p = work->bits, end = p + sizeof work->bits, bit = 0;
        } else {
            if ((end - p) * 8 - bit < m) return PQ_DAMAGED;
            g->at += m;
        }
        if (m == k) {
            pq_copy_bits(out, at, p, end, bit, k);
        } else {
            for (int64_t i = 0; i < k; i += 64) {
                uint64_t set = pq_get(valid, valid + (at + k + 7) / 8, at + i, pq_least(64, k - i));
                int some = pq_count(set);
                pq_put(out, at + i, pq_deposit(pq_get(p, end, bit, some), set));
                bit += some;
            }
        }
        *nulls += k - m, g->nulls += k - m;
        g->rows -= k;
    }
    return pq_end_page(g);
}

static int pq_read_fixed(pq_page *g, const pq_dictionary *d, pq_workspace *work, int physical_bytes, int width,
                         uint8_t *out, uint8_t *valid, int64_t at, int64_t n, int64_t *nulls) {
    out += at * width;
    for (int64_t k; n > 0; n -= k, at += k, out += k * width) {
        k = pq_least(n, PQ_BLOCK);
        int64_t m = pq_validity(g, valid, at, k);
        if (m < 0) return PQ_DAMAGED;
        if (g->encoding == PQ_CODES) {
            if (pq_known_codes(g, d, work->codes, m)) return PQ_DAMAGED;
            pq_spread_meant(out, width, work->codes, d->values, valid, at, k, m);
        } else if (g->encoding == PQ_DELTA) {
            work->numbers[m] = 0;
            if (pq_differences(&g->delta, work->numbers, work->codes, m)) return PQ_DAMAGED;
            pq_spread_numbers(out, width, work->numbers, valid, at, k, m);
        } else if (g->encoding == PQ_SPLIT) {
            int64_t apart = (g->end - g->p) / physical_bytes; /* first bytes of all values, then second bytes, … */
            if (apart - g->at < m) return PQ_DAMAGED;
            memset(work->numbers, 0, 8 * (m + 1));
            for (int b = 0; b < physical_bytes; b++) {
                const uint8_t *bytes = g->p + b * apart + g->at;
                for (int64_t j = 0; j < m; j++) work->numbers[j] |= (uint64_t)bytes[j] << 8 * b;
            }
            g->at += m;
            pq_spread_numbers(out, width, work->numbers, valid, at, k, m);
        } else {
            if (g->end - g->p < m * physical_bytes) return PQ_DAMAGED;
            pq_spread_plain(out, width, g->p, valid, at, k, m);
            g->p += m * physical_bytes;
        }
        *nulls += k - m, g->nulls += k - m;
        g->rows -= k;
    }
    return pq_end_page(g);
}

static int pq_read_codes(pq_page *g, const pq_dictionary *d, pq_workspace *work, int width, uint8_t *out,
                         uint8_t *valid, int64_t at, int64_t n, int64_t *nulls) {
    out += at * width;
    for (int64_t k; n > 0; n -= k, at += k, out += k * width) {
        k = pq_least(n, PQ_BLOCK);
        int64_t m = pq_validity(g, valid, at, k);
        if (m < 0 || pq_known_codes(g, d, work->codes, m)) return PQ_DAMAGED;
        pq_spread_codes(out, width, work->codes, valid, at, k, m);
        *nulls += k - m, g->nulls += k - m;
        g->rows -= k;
    }
    return pq_end_page(g);
}

static inline int64_t pq_offset(const uint8_t *offsets, int width, int64_t i) {
    return width == 4 ? (int64_t)pq_load32(offsets + 4 * i) : (int64_t)pq_load64(offsets + 8 * i);
}

/* Texts: ends as offsets of 4 or 8 bytes (row `at` ends at offset at + 1), the characters appended. */
static int pq_read_texts(pq_page *g, const pq_dictionary *d, pq_workspace *work, int width, uint8_t *offsets,
                         pq_text *text, uint8_t *valid, int64_t at, int64_t n, int64_t *nulls) {
    for (int64_t k; n > 0; n -= k, at += k) {
        k = pq_least(n, PQ_BLOCK);
        int64_t m = pq_validity(g, valid, at, k), total = 0;
        const uint8_t *stop = g->end; /* of what may be read behind a text */
        uint32_t *lengths = work->codes;
        if (m < 0) return PQ_DAMAGED;
        if (g->encoding == PQ_CODES) {
            if (pq_known_codes(g, d, work->codes, m)) return PQ_DAMAGED;
            for (int64_t j = 0; j < m; j++) {
                int64_t start = pq_offset(d->offsets, width, lengths[j]);
                int64_t end = pq_offset(d->offsets, width, (int64_t)lengths[j] + 1);
                work->starts[j] = d->characters + start;
                lengths[j] = (uint32_t)(end - start); /* a dictionary page holds less than 2 GB */
                total += end - start;
            }
            stop = d->characters + pq_offset(d->offsets, width, d->size);
        } else {
            int apart = g->encoding == PQ_DELTA_LENGTHS;
            if (apart && pq_differences(&g->delta, work->numbers, work->codes, m)) return PQ_DAMAGED;
            for (int64_t j = 0; j < m; j++) {
                if (!apart && g->end - g->p < 4) return PQ_DAMAGED;
                lengths[j] = apart ? (uint32_t)work->numbers[j] : pq_load32(g->p);
                work->starts[j] = apart ? g->p : g->p + 4;
                if ((int64_t)lengths[j] > g->end - work->starts[j]) return PQ_DAMAGED;
                g->p = work->starts[j] + lengths[j];
                total += lengths[j];
            }
        }
        if (width == 4 && total > INT32_MAX - text->used) return PQ_OTHER;
        if (text->used + total + PQ_PAD > text->capacity) {
            int64_t more = pq_least(2 * (text->used + total) + PQ_PAD, text->most);
            if (more < text->used + total + PQ_PAD) return PQ_LARGE;
            uint8_t *moved = (uint8_t *)realloc(text->characters, more);
            if (moved == NULL) return PQ_MEMORY;
            text->characters = moved, text->capacity = more;
        }
        uint8_t *to = text->characters + text->used;
        for (int64_t i = 0, j = 0; i < k; i++) {
            if (m == k || (valid[(at + i) >> 3] >> ((at + i) & 7) & 1)) {
                const uint8_t *from = work->starts[j];
                uint32_t length = lengths[j++];
                if (length <= 16 && stop - from >= 16) memcpy(to, from, 16); /* one move, and then some */
                else memcpy(to, from, length);
                to += length;
            }
            int64_t end = to - text->characters;
            memcpy(offsets + (at + i + 1) * width, &end, width);
        }
        text->used += total;
        *nulls += k - m, g->nulls += k - m;
        g->rows -= k;
    }
    return pq_end_page(g);
}

#endif
