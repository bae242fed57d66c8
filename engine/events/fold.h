/* The folds: hits of one person after another, in any order within one, each looked at once.
 *
 * Most folds keep what they have so far in the person's cells of the result columns. What needs more (the pair of a day,
 * the value a while earlier) is kept aside until the person is through. What must count once (days, codes, repeated
 * rows) goes through one small set, emptied by giving the next person another stamp.
 */
#ifndef POPSTRAT_EVENTS_FOLD_H
#define POPSTRAT_EVENTS_FOLD_H

#include "events/hits.h"

typedef enum {
    FOLD_LAST_DAY,
    FOLD_FIRST_DAY,
    FOLD_ROWS,
    FOLD_DAYS,
    FOLD_CODES,
    FOLD_LAST_VALUE,
    FOLD_LAST_GAP,
    FOLD_EXTREME,
    FOLD_LAST_LABEL,
    FOLD_PAIR,
    FOLD_KINDS
} events_kind;

enum { PART_FIRST = 1, PART_SECOND = 2, PART_BOTH = 3, PART_GROUPED = 4 };

/* As numpy writes them (folding.py): no gaps. */
typedef struct {
    int32_t kind;
    int32_t since, until; /* both included */
    int32_t lowest;       /* of equals the lowest, not the highest */
    int32_t repeats;      /* rows that repeat others count too */
    int32_t values, second_values; /* of the tables of values, or -1 */
    int32_t unused;
    int64_t gap;
} events_fold;

typedef struct {
    double minimum, maximum;
} events_bounds;

typedef struct {
    double factor, offset;
    double scale; /* 10 to the number of decimals, 0 for no rounding */
    int64_t known;
} events_conversion;

/* What a slot feeds: a fold, and there a label (from 0; -1 none) or 4 * (label + 1) + part. */
typedef struct {
    int32_t fold, more;
} events_entry;

typedef struct {
    const int32_t *start; /* of each slot, among the entries */
    const events_entry *entry;
    const events_fold *fold;
    const events_bounds *bounds;
    const events_conversion *conversion; /* a row of `units` for each table of values */
    int64_t folds, slots, units;
    int32_t fields, stride;
    int32_t value_at, second_at, group_at, code_at; /* bytes into a hit, 0 for what it lacks */
} events_rules;

/* The cells of one fold, row by row; NULL for what its kind does not have. */
typedef struct {
    int32_t *day;
    double *value, *second, *earlier;
    int32_t *earlier_day;
    int16_t *label;
    int32_t *count;
} events_cells;

enum { COUNT_USED, COUNT_NO_VALUE, COUNT_UNKNOWN_UNIT, COUNT_IMPLAUSIBLE, COUNT_REPEATS, COUNTS };

typedef struct {
    uint64_t key;
    uint32_t fold; /* or EVENTS_ROW: the key is the place of a hit */
    uint32_t stamp;
} events_member;
#define EVENTS_ROW UINT32_MAX

typedef struct {
    double value, second;
    int64_t group;
    int32_t day;
    int32_t more; /* part | PART_GROUPED, label + 1 from bit 3 on */
} events_past;

typedef struct {
    events_past *past;
    int64_t count, room;
} events_history;

typedef struct {
    events_member *member;
    int64_t members; /* with this person's stamp */
    int32_t bits;
    uint32_t stamp;
    events_history *history; /* by fold */
    int32_t *touched;
    int32_t many_touched;
    int64_t *counts; /* COUNTS for each fold */
    int64_t *mix;    /* EVENTS_UNITS for each fold that reads values, by table of values */
} events_worker;

static void events_worker_free(events_worker *w, int64_t folds) {
    free(w->member);
    for (int64_t f = 0; w->history != NULL && f < folds; f++) free(w->history[f].past);
    free(w->history);
    free(w->touched);
    free(w->counts);
    free(w->mix);
    memset(w, 0, sizeof *w);
}

static int events_worker_make(events_worker *w, int64_t folds) {
    memset(w, 0, sizeof *w);
    w->bits = 8;
    w->member = calloc((size_t)1 << w->bits, sizeof *w->member);
    w->history = calloc((size_t)folds + 1, sizeof *w->history);
    w->touched = calloc((size_t)folds + 1, sizeof *w->touched);
    w->counts = calloc((size_t)folds + 1, COUNTS * sizeof *w->counts);
    w->mix = calloc((size_t)folds + 1, EVENTS_UNITS * sizeof *w->mix); /* pages that nobody touches take no memory */
    if (w->member == NULL || w->history == NULL || w->touched == NULL || w->counts == NULL || w->mix == NULL) {
        events_worker_free(w, folds);
        return EVENTS_NO_MEMORY;
    }
    return EVENTS_FINE;
}

static inline double events_double(const uint8_t *hit, int32_t at) {
    double found;
    memcpy(&found, hit + at, 8);
    return found;
}

static inline int64_t events_integer(const uint8_t *hit, int32_t at) {
    int64_t found = 0;
    if (at) memcpy(&found, hit + at, 8);
    return found;
}

/* Whether two hits of a person agree in day, code, value, unit and group. The bytes tell: there is one NaN and one zero.
 * The second value is not looked at. */
static inline int events_same(const events_rules *r, const uint8_t *a, const uint8_t *b) {
    return memcmp(a, b, sizeof(events_hit)) == 0 &&
           events_integer(a, r->value_at) == events_integer(b, r->value_at) &&
           events_integer(a, r->group_at) == events_integer(b, r->group_at) &&
           events_integer(a, r->code_at) == events_integer(b, r->code_at);
}

static inline uint64_t events_hit_hash(const events_rules *r, const uint8_t *hit) {
    uint64_t day_slot;
    memcpy(&day_slot, hit + 4, 8);
    const uint64_t rest = EVENTS_HASH(events_integer(hit, r->value_at)) ^ (uint64_t)events_integer(hit, r->group_at) ^
                          EVENTS_HASH(events_integer(hit, r->code_at) + 1);
    return events_mix(EVENTS_HASH(day_slot) ^ rest ^ (uint64_t)((const events_hit *)hit)->unit << 40);
}

static inline uint64_t events_member_hash(const events_rules *r, const uint8_t *hits, uint64_t key, uint32_t fold) {
    return fold == EVENTS_ROW ? events_hit_hash(r, hits + key * (uint64_t)r->stride)
                              : events_mix(key ^ (uint64_t)fold << 52);
}

static int events_grow(const events_rules *r, events_worker *w, const uint8_t *hits) {
    const int32_t bits = w->bits + 1;
    events_member *grown = calloc((size_t)1 << bits, sizeof *grown);
    if (grown == NULL) return EVENTS_NO_MEMORY;
    const uint64_t mask = ((uint64_t)1 << bits) - 1;
    for (int64_t i = 0; i < (int64_t)1 << w->bits; i++) {
        const events_member *m = w->member + i;
        if (m->stamp != w->stamp) continue;
        uint64_t at = events_member_hash(r, hits, m->key, m->fold) & mask;
        while (grown[at].stamp == w->stamp) at = (at + 1) & mask;
        grown[at] = *m;
    }
    free(w->member);
    w->member = grown, w->bits = bits;
    return EVENTS_FINE;
}

/* 1 if this person did not have it yet, 0 if so; below 0 without memory. */
static inline int events_new(const events_rules *r, events_worker *w, const uint8_t *hits, uint64_t key, uint32_t fold) {
    if (2 * w->members >= (int64_t)1 << w->bits && events_grow(r, w, hits)) return EVENTS_NO_MEMORY;
    const uint64_t mask = ((uint64_t)1 << w->bits) - 1;
    uint64_t at = events_member_hash(r, hits, key, fold) & mask;
    for (; w->member[at].stamp == w->stamp; at = (at + 1) & mask) {
        const events_member *m = w->member + at;
        if (m->fold == fold && (fold == EVENTS_ROW ? events_same(r, hits + m->key * (uint64_t)r->stride,
                                                                 hits + key * (uint64_t)r->stride)
                                                   : m->key == key))
            return 0;
    }
    w->member[at] = (events_member){key, fold, w->stamp};
    w->members++;
    return 1;
}

/* Read a value: COUNT_USED, or why it is not usable. */
static inline int events_read(const events_rules *r, int32_t values, int32_t unit, double value, double *found) {
    if (value != value) return COUNT_NO_VALUE;
    if (unit >= r->units) return COUNT_UNKNOWN_UNIT;
    const events_conversion *c = r->conversion + (int64_t)values * r->units + unit;
    if (!c->known) return COUNT_UNKNOWN_UNIT;
    double x = value * c->factor;
    x = x + c->offset;
    if (c->scale != 0) x = rint(x * c->scale) / c->scale;
    x += 0.0; /* one zero */
    if (!(x >= r->bounds[values].minimum && x <= r->bounds[values].maximum)) return COUNT_IMPLAUSIBLE;
    *found = x;
    return COUNT_USED;
}

static int events_keep(events_worker *w, int32_t fold, events_past past) {
    events_history *h = w->history + fold;
    if (h->count == h->room) {
        const int64_t room = h->room ? 2 * h->room : 16;
        events_past *grown = realloc(h->past, (size_t)room * sizeof *grown);
        if (grown == NULL) return EVENTS_NO_MEMORY;
        h->past = grown, h->room = room;
    }
    if (h->count == 0) w->touched[w->many_touched++] = fold;
    h->past[h->count++] = past;
    return EVENTS_FINE;
}

static inline double events_better(double a, double b, int lowest) { return lowest ? (a < b ? a : b) : (a > b ? a : b); }

static void events_finish_gap(const events_fold *f, const events_cells *cells, int64_t at, const events_history *h) {
    int64_t limit = INT64_MAX;
    for (int turn = 0; turn < 2; turn++) {
        int64_t day = INT64_MIN;
        double value = NAN;
        for (int64_t i = 0; i < h->count; i++) {
            const events_past *p = h->past + i;
            if (p->day > limit) continue;
            if (p->day > day)
                day = p->day, value = p->value;
            else if (p->day == day)
                value = events_better(value, p->value, f->lowest);
        }
        if (day == INT64_MIN) return;
        if (turn == 0)
            cells->day[at] = (int32_t)day, cells->value[at] = value;
        else
            cells->earlier_day[at] = (int32_t)day, cells->earlier[at] = value;
        limit = day - f->gap;
    }
}

static int events_by_day(const void *a, const void *b) {
    const int32_t x = ((const events_past *)a)->day, y = ((const events_past *)b)->day;
    return (x < y) - (x > y); /* the latest first */
}

/* Those with a group first, by group; the first of the two before the second. */
static int events_by_group(const void *a, const void *b) {
    const events_past *x = a, *y = b;
    if ((x->more & PART_GROUPED) != (y->more & PART_GROUPED)) return x->more & PART_GROUPED ? -1 : 1;
    return (x->group > y->group) - (x->group < y->group);
}

static void events_sort(events_past *past, int64_t n, int (*compare)(const void *, const void *)) {
    if (n > 24) {
        qsort(past, (size_t)n, sizeof *past, compare);
        return;
    }
    for (int64_t i = 1; i < n; i++) {
        const events_past moved = past[i];
        int64_t j = i;
        for (; j > 0 && compare(past + j - 1, &moved) > 0; j--) past[j] = past[j - 1];
        past[j] = moved;
    }
}

typedef struct {
    double first, second;
    int32_t label;
    int found;
} events_pair;

static inline void events_take(events_pair *best, double first, double second, int32_t label) {
    if (!best->found || first < best->first || (first == best->first && second < best->second)) {
        *best = (events_pair){first, second, label, 1};
    } else if (first == best->first && second == best->second && label > best->label) {
        best->label = label;
    }
}

/* The lowest first with its label, and the lowest second, of some rows; whether there are both. */
static int events_lowest(const events_past *past, int64_t n, double *first, double *second, int32_t *label) {
    int has = 0;
    *label = -1;
    for (int64_t i = 0; i < n; i++) {
        const int part = past[i].more & 3;
        const int32_t own = (past[i].more >> 3) - 1;
        if (part == PART_FIRST) {
            if (!(has & 1) || past[i].value < *first)
                *first = past[i].value, *label = own;
            else if (past[i].value == *first && own > *label)
                *label = own;
            has |= 1;
        } else if (part == PART_SECOND) {
            if (!(has & 2) || past[i].second < *second) *second = past[i].second;
            has |= 2;
        }
    }
    return has == 3;
}

static void events_finish_pair(const events_cells *cells, int64_t at, events_history *h) {
    events_past *past = h->past;
    int64_t n = h->count, from = 0, many = 0;
    int32_t day = 0;
    int64_t limit = INT64_MAX;
    int turn = 0;
    /* Mostly the latest day has both. Where it is not soon found, sorting keeps it from taking long. */
    for (;; turn++) {
        int64_t a = INT64_MIN, b = INT64_MIN;
        for (int64_t i = 0; i < n; i++) {
            const int part = past[i].more & 3;
            if (past[i].day > limit) continue;
            if (part & PART_FIRST && past[i].day > a) a = past[i].day;
            if (part & PART_SECOND && past[i].day > b) b = past[i].day;
        }
        if (a == INT64_MIN || b == INT64_MIN) return;
        if (a == b) {
            day = (int32_t)a;
            break;
        }
        limit = a < b ? a : b;
        if (turn == 4) {
            events_sort(past, n, events_by_day);
            int parts = 0;
            for (int64_t i = 0; i < n && parts != 3; i++) {
                if (i > 0 && past[i].day != past[i - 1].day) parts = 0;
                parts |= past[i].more & 3;
                day = past[i].day;
            }
            if (parts != 3) return;
            break;
        }
    }
    for (int64_t i = 0; i < n; i++)
        if (past[i].day == day) {
            const events_past moved = past[many];
            past[many++] = past[i];
            past[i] = moved;
        }
    events_pair best = {0, 0, -1, 0};
    for (int64_t i = 0; i < many; i++)
        if ((past[i].more & 3) == PART_BOTH) events_take(&best, past[i].value, past[i].second, (past[i].more >> 3) - 1);
    events_sort(past, many, events_by_group);
    double first = 0, second = 0;
    int32_t label;
    while (from < many && past[from].more & PART_GROUPED) {
        int64_t to = from + 1;
        while (to < many && past[to].more & PART_GROUPED && past[to].group == past[from].group) to++;
        if (events_lowest(past + from, to - from, &first, &second, &label)) events_take(&best, first, second, label);
        from = to;
    }
    if (!best.found && events_lowest(past, many, &first, &second, &label)) events_take(&best, first, second, label);
    if (!best.found) return;
    cells->day[at] = day, cells->value[at] = best.first, cells->second[at] = best.second;
    cells->label[at] = (int16_t)best.label;
}

static void events_finish(const events_rules *r, events_worker *w, const events_cells *cells, int64_t at) {
    for (int32_t t = 0; t < w->many_touched; t++) {
        const int32_t fold = w->touched[t];
        events_history *h = w->history + fold;
        if (r->fold[fold].kind == FOLD_PAIR)
            events_finish_pair(cells + fold, at, h);
        else
            events_finish_gap(r->fold + fold, cells + fold, at, h);
        h->count = 0;
    }
    w->many_touched = 0;
}

/* Fold the hits [from, to), all hits of each person next to each other, into cells whose first row is `first`. */
static int events_fold_hits(const events_rules *r, events_worker *w, const events_cells *cells, const uint8_t *hits,
                            int64_t from, int64_t to, int64_t first) {
    int64_t at = -1;
    for (int64_t i = from; i < to; i++) {
        const uint8_t *bytes = hits + i * r->stride;
        const events_hit *hit = (const events_hit *)bytes;
        if (hit->row - first != at) {
            if (w->many_touched) events_finish(r, w, cells, at);
            at = hit->row - first;
            w->members = 0;
            if (++w->stamp == 0) {
                memset(w->member, 0, sizeof *w->member << w->bits);
                w->stamp = 1;
            }
        }
        int repeated = -1;
        const events_entry *last = r->entry + r->start[hit->slot + 1];
        for (const events_entry *e = r->entry + r->start[hit->slot]; e < last; e++) {
            const events_fold *f = r->fold + e->fold;
            const events_cells *c = cells + e->fold;
            const int32_t day = hit->day;
            if (day < f->since || day > f->until) continue;
            int64_t *counts = w->counts + COUNTS * (int64_t)e->fold;
            double value = 0, second = 0;
            int outcome = COUNT_USED, is_new;
            if (f->values >= 0) {
                const int32_t unit = hit->unit & (EVENTS_UNITS - 1);
                const double given = events_double(bytes, r->value_at);
                if (f->kind != FOLD_PAIR) {
                    outcome = events_read(r, f->values, unit, given, &value);
                } else {
                    const int part = e->more & 3;
                    if (part & PART_FIRST) outcome = events_read(r, f->values, unit, given, &value);
                    if (part & PART_SECOND) {
                        const double other = part == PART_BOTH ? events_double(bytes, r->second_at) : given;
                        const int also = events_read(r, f->second_values, unit, other, &second);
                        if (outcome == COUNT_USED || (also != COUNT_USED && also < outcome)) outcome = also;
                    }
                }
                if (outcome != COUNT_NO_VALUE) w->mix[(int64_t)e->fold * EVENTS_UNITS + unit]++;
            }
            counts[outcome]++;
            if (outcome != COUNT_USED) continue;
            switch ((events_kind)f->kind) {
            case FOLD_LAST_DAY:
                if (day > c->day[at]) c->day[at] = day;
                break;
            case FOLD_FIRST_DAY:
                if (c->day[at] == EVENTS_NO_DAY || day < c->day[at]) c->day[at] = day;
                break;
            case FOLD_ROWS:
                if (repeated < 0) {
                    is_new = events_new(r, w, hits, (uint64_t)i, EVENTS_ROW);
                    if (is_new < 0) return is_new;
                    repeated = !is_new;
                }
                counts[COUNT_REPEATS] += repeated;
                c->count[at] += !repeated || f->repeats;
                break;
            case FOLD_DAYS:
                is_new = events_new(r, w, hits, (uint64_t)(uint32_t)day, (uint32_t)e->fold);
                if (is_new < 0) return is_new;
                c->count[at] += is_new;
                break;
            case FOLD_CODES:
                if (hit->slot == r->slots - 1 && r->code_at) break; /* no code */
                /* a slot is less than 2 to the 31; a code that is not listed is kept itself, under another fold */
                if (r->code_at && hit->slot == r->slots - 2)
                    is_new = events_new(r, w, hits, (uint64_t)events_integer(bytes, r->code_at),
                                        (uint32_t)(e->fold + r->folds));
                else
                    is_new = events_new(r, w, hits, (uint64_t)(uint32_t)hit->slot, (uint32_t)e->fold);
                if (is_new < 0) return is_new;
                c->count[at] += is_new;
                break;
            case FOLD_LAST_VALUE:
                if (day > c->day[at])
                    c->day[at] = day, c->value[at] = value;
                else if (day == c->day[at])
                    c->value[at] = events_better(c->value[at], value, f->lowest);
                break;
            case FOLD_EXTREME:
                if (c->day[at] == EVENTS_NO_DAY || (f->lowest ? value < c->value[at] : value > c->value[at]))
                    c->day[at] = day, c->value[at] = value;
                else if (value == c->value[at] && day > c->day[at])
                    c->day[at] = day;
                break;
            case FOLD_LAST_LABEL:
                if (day > c->day[at])
                    c->day[at] = day, c->label[at] = (int16_t)e->more;
                else if (day == c->day[at] && e->more > c->label[at])
                    c->label[at] = (int16_t)e->more;
                break;
            case FOLD_LAST_GAP:
                if (events_keep(w, e->fold, (events_past){value, 0, 0, day, 0})) return EVENTS_NO_MEMORY;
                break;
            case FOLD_PAIR: {
                const int grouped = hit->unit & EVENTS_GROUPED ? PART_GROUPED : 0;
                events_past past = {value, second, events_integer(bytes, r->group_at), day, 0};
                past.more = (e->more & 3) | grouped | (e->more >> 2) << 3;
                if (events_keep(w, e->fold, past)) return EVENTS_NO_MEMORY;
                break;
            }
            case FOLD_KINDS:
                break;
            }
        }
    }
    if (w->many_touched) events_finish(r, w, cells, at);
    return EVENTS_FINE;
}

/* For nobody's events: rows [from, to) of the cells. */
static void events_clear(const events_cells *c, int64_t from, int64_t to) {
    for (int64_t i = from; c->day != NULL && i < to; i++) c->day[i] = EVENTS_NO_DAY;
    for (int64_t i = from; c->value != NULL && i < to; i++) c->value[i] = NAN;
    for (int64_t i = from; c->second != NULL && i < to; i++) c->second[i] = NAN;
    for (int64_t i = from; c->earlier != NULL && i < to; i++) c->earlier[i] = NAN;
    for (int64_t i = from; c->earlier_day != NULL && i < to; i++) c->earlier_day[i] = EVENTS_NO_DAY;
    for (int64_t i = from; c->label != NULL && i < to; i++) c->label[i] = -1;
    for (int64_t i = from; c->count != NULL && i < to; i++) c->count[i] = 0;
}

#endif
