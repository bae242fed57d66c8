/* The folds: hits of one person after another, in any order within one.
 *
 * What each code feeds is one of few programs. Hits are first dealt out by program, some thousands at a time, so that what
 * is to be done with them is one short loop for each fold: which code comes next cannot be foretold, and a branch on it
 * for every hit would cost more than the folding.
 *
 * Most folds keep what they have so far in the person's cells of the result columns. What needs more is queued in the
 * order of the hits: what must be kept until the person is through (the pair of a day, the value a while earlier), and
 * what must count once (days, codes, repeated rows), by a small set that is emptied by giving the next person another
 * stamp.
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
    const int32_t *program; /* of each slot */
    const int32_t *start;   /* of program p, among the entries: at 2p what is done at once, at 2p + 1 what is queued */
    const events_entry *entry;
    const events_fold *fold;
    const events_bounds *bounds;
    const events_conversion *conversion; /* a row of `units` for each table of values */
    int64_t folds, slots, units, programs;
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
    uint64_t key; /* a day, a code, or the place of a hit */
    uint32_t fold;
    uint32_t stamp;
} events_member;

/* What the person at hand has already, for one kind of fold. */
typedef struct {
    events_member *member;
    int64_t members; /* with this person's stamp */
    int64_t at;      /* this person */
    int32_t bits;
    uint32_t stamp;
} events_set;

/* One thing to be done: a hit for a fold. */
typedef struct {
    int64_t hit;
    int32_t at, day, fold, more;
} events_task;
#define EVENTS_QUEUED 1024

/* A hit dealt out. */
typedef struct {
    int32_t at, day, hit;
} events_dealt;
#define EVENTS_DEALT 16384

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
    events_dealt *dealt; /* by program */
    int32_t *program;    /* of each hit */
    int32_t *later;      /* hits that something is queued of */
    int32_t *ends;       /* of each program, among those dealt out */
    uint8_t *queues;     /* whether a program queues something */
    events_task *queue[FOLD_KINDS];
    int64_t queued[FOLD_KINDS];
    events_set set[FOLD_KINDS]; /* of rows, days and codes */
    events_history *history; /* by fold */
    int64_t at[FOLD_KINDS];  /* the person whose history it is */
    int32_t *touched[FOLD_KINDS]; /* the folds of a kind that have a history */
    int32_t many_touched[FOLD_KINDS];
    int64_t *counts; /* COUNTS for each fold */
    int64_t *mix;    /* EVENTS_UNITS for each fold that reads values, by table of values */
} events_worker;

static void events_worker_free(events_worker *w, int64_t folds) {
    for (int k = 0; k < FOLD_KINDS; k++) {
        free(w->queue[k]);
        free(w->set[k].member);
        free(w->touched[k]);
    }
    for (int64_t f = 0; w->history != NULL && f < folds; f++) free(w->history[f].past);
    free(w->dealt);
    free(w->program);
    free(w->later);
    free(w->ends);
    free(w->queues);
    free(w->history);
    free(w->counts);
    free(w->mix);
    memset(w, 0, sizeof *w);
}

static int events_worker_make(events_worker *w, const events_rules *r) {
    int good = 1;
    int64_t most = 0; /* that one hit feeds */
    for (int64_t p = 0; p < r->programs; p++)
        if (r->start[2 * p + 2] - r->start[2 * p + 1] > most) most = r->start[2 * p + 2] - r->start[2 * p + 1];
    memset(w, 0, sizeof *w);
    w->dealt = malloc(EVENTS_DEALT * sizeof *w->dealt);
    w->program = malloc(EVENTS_DEALT * sizeof *w->program);
    w->later = malloc(EVENTS_DEALT * sizeof *w->later);
    w->ends = malloc(((size_t)r->programs + 2) * sizeof *w->ends);
    w->queues = malloc((size_t)r->programs + 1);
    good = w->dealt != NULL && w->program != NULL && w->later != NULL && w->ends != NULL && w->queues != NULL;
    for (int64_t p = 0; good && p < r->programs; p++) w->queues[p] = r->start[2 * p + 1] < r->start[2 * p + 2];
    for (int k = 0; k < FOLD_KINDS; k++) {
        w->set[k].bits = 8;
        w->queue[k] = malloc((size_t)(EVENTS_QUEUED + most + 1) * sizeof(events_task));
        w->set[k].member = calloc((size_t)1 << w->set[k].bits, sizeof(events_member));
        w->touched[k] = calloc((size_t)r->folds + 1, sizeof(int32_t));
        good = good && w->queue[k] != NULL && w->set[k].member != NULL && w->touched[k] != NULL;
    }
    w->history = calloc((size_t)r->folds + 1, sizeof *w->history);
    w->counts = calloc((size_t)r->folds + 1, COUNTS * sizeof *w->counts);
    w->mix = calloc((size_t)r->folds + 1, EVENTS_UNITS * sizeof *w->mix); /* pages that nobody touches take no memory */
    if (!good || w->history == NULL || w->counts == NULL || w->mix == NULL) {
        events_worker_free(w, r->folds);
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
                          EVENTS_HASH((uint64_t)events_integer(hit, r->code_at) + 1);
    return events_mix(EVENTS_HASH(day_slot) ^ rest ^ (uint64_t)((const events_hit *)hit)->unit << 40);
}

static inline uint64_t events_member_hash(const events_rules *r, const uint8_t *hits, int kind, uint64_t key,
                                          uint32_t fold) {
    return kind == FOLD_ROWS ? events_hit_hash(r, hits + key * (uint64_t)r->stride)
                             : events_mix(key ^ (uint64_t)fold << 52);
}

static int events_grow(const events_rules *r, events_set *set, int kind, const uint8_t *hits) {
    const int32_t bits = set->bits + 1;
    events_member *grown = calloc((size_t)1 << bits, sizeof *grown);
    if (grown == NULL) return EVENTS_NO_MEMORY;
    const uint64_t mask = ((uint64_t)1 << bits) - 1;
    for (int64_t i = 0; i < (int64_t)1 << set->bits; i++) {
        const events_member *m = set->member + i;
        if (m->stamp != set->stamp) continue;
        uint64_t at = events_member_hash(r, hits, kind, m->key, m->fold) & mask;
        while (grown[at].stamp == set->stamp) at = (at + 1) & mask;
        grown[at] = *m;
    }
    free(set->member);
    set->member = grown, set->bits = bits;
    return EVENTS_FINE;
}

/* 1 if the person did not have it yet, 0 if so; below 0 without memory. Of rows the key is the place of the hit. */
static inline int events_new(const events_rules *r, events_set *set, int kind, const uint8_t *hits, int64_t person,
                             uint64_t key, uint32_t fold) {
    if (person != set->at || set->stamp == 0) {
        set->at = person, set->members = 0;
        if (++set->stamp == 0) {
            memset(set->member, 0, sizeof *set->member << set->bits);
            set->stamp = 1;
        }
    }
    if (2 * set->members >= (int64_t)1 << set->bits && events_grow(r, set, kind, hits)) return EVENTS_NO_MEMORY;
    const uint64_t mask = ((uint64_t)1 << set->bits) - 1;
    uint64_t at = events_member_hash(r, hits, kind, key, fold) & mask;
    for (; set->member[at].stamp == set->stamp; at = (at + 1) & mask) {
        const events_member *m = set->member + at;
        if (m->fold == fold && (kind == FOLD_ROWS ? events_same(r, hits + m->key * (uint64_t)r->stride,
                                                                hits + key * (uint64_t)r->stride)
                                                  : m->key == key))
            return 0;
    }
    set->member[at] = (events_member){key, fold, set->stamp};
    set->members++;
    return 1;
}

/* A number that stands just beyond a decimal one, as a comparator put it there (the next 32-bit float): that number, and
   on which side. Any other number is itself. */
static inline double events_plain(double value, int *side) {
    const float near = (float)value;
    *side = 0;
    if ((double)near != value) return value;
    const double plain = rint(value * 1e4) / 1e4;
    if (plain == value) return value;
    if (nextafterf((float)plain, -INFINITY) == near) *side = -1;
    if (nextafterf((float)plain, INFINITY) == near) *side = 1;
    return *side ? plain : value;
}

/* Read a value: COUNT_USED, or why it is not usable. */
static inline int events_read(const events_rules *r, int32_t values, int32_t unit, double value, double *found) {
    if (value != value) return COUNT_NO_VALUE;
    if (unit >= r->units) return COUNT_UNKNOWN_UNIT;
    const events_conversion *c = r->conversion + (int64_t)values * r->units + unit;
    if (!c->known) return COUNT_UNKNOWN_UNIT;
    int side = 0;
    if (c->scale != 0) value = events_plain(value, &side);
    double x = value * c->factor;
    x = x + c->offset;
    if (c->scale != 0) x = rint(x * c->scale) / c->scale;
    if (side) x += (c->factor < 0 ? -side : side) / c->scale;
    x += 0.0; /* one zero */
    if (!(x >= r->bounds[values].minimum && x <= r->bounds[values].maximum)) return COUNT_IMPLAUSIBLE;
    *found = x;
    return COUNT_USED;
}

static int events_keep(events_worker *w, int kind, int32_t fold, events_past past) {
    events_history *h = w->history + fold;
    if (h->count == h->room) {
        const int64_t room = h->room ? 2 * h->room : 16;
        events_past *grown = realloc(h->past, (size_t)room * sizeof *grown);
        if (grown == NULL) return EVENTS_NO_MEMORY;
        h->past = grown, h->room = room;
    }
    if (h->count == 0) w->touched[kind][w->many_touched[kind]++] = fold;
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

/* All hits of a person have been seen that a kind of fold has kept something of. */
static void events_finish(const events_rules *r, events_worker *w, const events_cells *cells, int kind) {
    const int64_t at = w->at[kind];
    for (int32_t t = 0; t < w->many_touched[kind]; t++) {
        const int32_t fold = w->touched[kind][t];
        events_history *h = w->history + fold;
        if (kind == FOLD_PAIR)
            events_finish_pair(cells + fold, at, h);
        else
            events_finish_gap(r->fold + fold, cells + fold, at, h);
        h->count = 0;
    }
    w->many_touched[kind] = 0;
}

/* Keep for the end of the person's hits; those of the one before are through. */
static inline int events_later(const events_rules *r, events_worker *w, const events_cells *cells, int kind,
                               const events_task *t, events_past past) {
    if (t->at != w->at[kind]) {
        events_finish(r, w, cells, kind);
        w->at[kind] = t->at;
    }
    return events_keep(w, kind, t->fold, past);
}

/* The value of a hit, by a fold's first table of values; what became of it is counted. */
static inline int events_value_of(const events_rules *r, events_worker *w, int32_t fold, const uint8_t *hit,
                                  double *value) {
    const int32_t unit = ((const events_hit *)hit)->unit & (EVENTS_UNITS - 1);
    const int outcome = events_read(r, r->fold[fold].values, unit, events_double(hit, r->value_at), value);
    w->mix[(int64_t)fold * EVENTS_UNITS + unit] += outcome != COUNT_NO_VALUE;
    w->counts[COUNTS * (int64_t)fold + outcome]++;
    return outcome == COUNT_USED;
}

/* Do what one entry of a program asks with the n hits that were dealt to it. */
static void events_at_once(const events_rules *r, events_worker *w, const events_cells *cells, const uint8_t *hits,
                           const events_entry *e, const events_dealt *d, int64_t n) {
    const events_fold *f = r->fold + e->fold;
    const int32_t since = f->since, until = f->until;
    int32_t *days = cells[e->fold].day;
    double *values = cells[e->fold].value, value = 0;
    int16_t *labels = cells[e->fold].label;
    int64_t used = 0;
    switch ((events_kind)f->kind) {
    case FOLD_LAST_DAY:
        for (const events_dealt *end = d + n; d < end; d++) {
            const int wanted = (d->day >= since) & (d->day <= until);
            const int32_t kept = days[d->at];
            days[d->at] = wanted & (d->day > kept) ? d->day : kept;
            used += wanted;
        }
        break;
    case FOLD_FIRST_DAY:
        for (const events_dealt *end = d + n; d < end; d++) { /* no day is taken for the most there is */
            const int wanted = (d->day >= since) & (d->day <= until);
            const int32_t kept = days[d->at];
            days[d->at] = wanted & ((uint32_t)d->day + INT32_MAX < (uint32_t)kept + INT32_MAX) ? d->day : kept;
            used += wanted;
        }
        break;
    case FOLD_LAST_LABEL:
        for (const events_dealt *end = d + n; d < end; d++) {
            if (d->day < since || d->day > until) continue;
            used++;
            if (d->day > days[d->at] || (d->day == days[d->at] && e->more > labels[d->at]))
                days[d->at] = d->day, labels[d->at] = (int16_t)e->more;
        }
        break;
    case FOLD_LAST_VALUE:
        for (const events_dealt *end = d + n; d < end; d++) {
            if (d->day < since || d->day > until) continue;
            if (!events_value_of(r, w, e->fold, hits + (int64_t)d->hit * r->stride, &value)) continue;
            const int32_t day = days[d->at];
            const double kept = values[d->at], better = events_better(kept, value, f->lowest);
            values[d->at] = d->day > day ? value : d->day == day ? better : kept;
            days[d->at] = d->day > day ? d->day : day;
        }
        break;
    case FOLD_EXTREME:
        for (const events_dealt *end = d + n; d < end; d++) {
            if (d->day < since || d->day > until) continue;
            if (!events_value_of(r, w, e->fold, hits + (int64_t)d->hit * r->stride, &value)) continue;
            if (days[d->at] == EVENTS_NO_DAY || (f->lowest ? value < values[d->at] : value > values[d->at]))
                days[d->at] = d->day, values[d->at] = value;
            else if (value == values[d->at] && d->day > days[d->at])
                days[d->at] = d->day;
        }
        break;
    default: /* is queued */
        break;
    }
    w->counts[COUNTS * (int64_t)e->fold + COUNT_USED] += used;
}

static inline int events_pair_of(const events_rules *r, events_worker *w, const events_cells *cells,
                                 const events_task *t, const uint8_t *hits) {
    const uint8_t *hit = hits + t->hit * r->stride;
    const events_fold *f = r->fold + t->fold;
    const int32_t unit = ((const events_hit *)hit)->unit;
    const double given = events_double(hit, r->value_at);
    const int part = t->more & 3;
    events_past past = {0, 0, events_integer(hit, r->group_at), t->day, 0};
    int outcome = COUNT_USED;
    if (part & PART_FIRST) outcome = events_read(r, f->values, unit & (EVENTS_UNITS - 1), given, &past.value);
    if (part & PART_SECOND) {
        const double other = part == PART_BOTH ? events_double(hit, r->second_at) : given;
        const int also = events_read(r, f->second_values, unit & (EVENTS_UNITS - 1), other, &past.second);
        if (outcome == COUNT_USED || (also != COUNT_USED && also < outcome)) outcome = also;
    }
    w->mix[(int64_t)t->fold * EVENTS_UNITS + (unit & (EVENTS_UNITS - 1))] += outcome != COUNT_NO_VALUE;
    w->counts[COUNTS * (int64_t)t->fold + outcome]++;
    if (outcome != COUNT_USED) return EVENTS_FINE;
    past.more = part | (unit & EVENTS_GROUPED ? PART_GROUPED : 0) | (t->more >> 2) << 3;
    return events_later(r, w, cells, FOLD_PAIR, t, past);
}

/* Work off the queue of one kind. */
static int events_work(const events_rules *r, events_worker *w, const events_cells *cells, const uint8_t *hits,
                       events_kind kind) {
    const events_task *t = w->queue[kind], *end = t + w->queued[kind];
    int is_new, failed;
    double value;
    w->queued[kind] = 0;
    if (kind != FOLD_LAST_GAP && kind != FOLD_PAIR)
        for (const events_task *u = t; u < end; u++) w->counts[COUNTS * (int64_t)u->fold + COUNT_USED]++;
    switch (kind) {
    case FOLD_ROWS:
        for (; t < end; t++) {
            is_new = events_new(r, w->set + kind, kind, hits, t->at, (uint64_t)t->hit, (uint32_t)t->fold);
            if (is_new < 0) return is_new;
            w->counts[COUNTS * (int64_t)t->fold + COUNT_REPEATS] += !is_new;
            cells[t->fold].count[t->at] += is_new || r->fold[t->fold].repeats;
        }
        break;
    case FOLD_DAYS:
        for (; t < end; t++) {
            is_new = events_new(r, w->set + kind, kind, hits, t->at, (uint64_t)(uint32_t)t->day, (uint32_t)t->fold);
            if (is_new < 0) return is_new;
            cells[t->fold].count[t->at] += is_new;
        }
        break;
    case FOLD_CODES:
        for (; t < end; t++) {
            const uint8_t *hit = hits + t->hit * r->stride;
            uint64_t key = (uint64_t)(uint32_t)((const events_hit *)hit)->slot;
            uint32_t fold = (uint32_t)t->fold;
            if (r->code_at && (int64_t)key == r->slots - 1) continue; /* no code */
            if (r->code_at && (int64_t)key == r->slots - 2) /* one that is not listed is kept itself, not its slot */
                key = (uint64_t)events_integer(hit, r->code_at), fold += (uint32_t)r->folds;
            is_new = events_new(r, w->set + kind, kind, hits, t->at, key, fold);
            if (is_new < 0) return is_new;
            cells[t->fold].count[t->at] += is_new;
        }
        break;
    case FOLD_LAST_GAP:
        for (; t < end; t++) {
            if (!events_value_of(r, w, t->fold, hits + t->hit * r->stride, &value)) continue;
            failed = events_later(r, w, cells, kind, t, (events_past){value, 0, 0, t->day, 0});
            if (failed) return failed;
        }
        break;
    case FOLD_PAIR:
        for (; t < end; t++) {
            failed = events_pair_of(r, w, cells, t, hits);
            if (failed) return failed;
        }
        break;
    default: /* is done at once */
        break;
    }
    return EVENTS_FINE;
}

static int events_work_all(const events_rules *r, events_worker *w, const events_cells *cells, const uint8_t *hits) {
    for (int k = 0; k < FOLD_KINDS; k++) {
        const int failed = w->queued[k] ? events_work(r, w, cells, hits, (events_kind)k) : EVENTS_FINE;
        if (failed) return failed;
    }
    return EVENTS_FINE;
}

/* Queue what is to be done later with n of the hits. */
static int events_queue(const events_rules *r, events_worker *w, const events_cells *cells, const uint8_t *hits,
                        int64_t base, int64_t n, int64_t first) {
    int64_t many = 0;
    for (int64_t m = 0; m < n; m++) {
        const int64_t i = base + w->later[m];
        const int32_t *start = r->start + 2 * w->program[w->later[m]];
        const events_hit *hit = (const events_hit *)(hits + i * r->stride);
        for (const events_entry *e = r->entry + start[1]; e < r->entry + start[2]; e++) {
            const events_fold *f = r->fold + e->fold;
            if (hit->day < f->since || hit->day > f->until) continue;
            w->queue[f->kind][w->queued[f->kind]++] =
                (events_task){i, (int32_t)(hit->row - first), hit->day, e->fold, e->more};
            many++;
        }
        if (many >= EVENTS_QUEUED) {
            const int failed = events_work_all(r, w, cells, hits);
            if (failed) return failed;
            many = 0;
        }
    }
    return events_work_all(r, w, cells, hits);
}

/* Fold the hits [from, to), all hits of each person next to each other, into cells whose first row is `first`. */
static int events_fold_hits(const events_rules *r, events_worker *w, const events_cells *cells, const uint8_t *hits,
                            int64_t from, int64_t to, int64_t first) {
    for (int k = 0; k < FOLD_KINDS; k++) {
        w->set[k].at = w->at[k] = -1;
        w->queued[k] = 0;
        for (; w->many_touched[k] > 0; w->many_touched[k]--) /* of a call that failed */
            w->history[w->touched[k][w->many_touched[k] - 1]].count = 0;
    }
    int32_t *ends = w->ends;
    for (int64_t base = from; base < to; base += EVENTS_DEALT) {
        const int64_t n = to - base < EVENTS_DEALT ? to - base : EVENTS_DEALT;
        const int64_t stride = r->stride;
        const uint8_t *block = hits + base * stride;
        int64_t later = 0;
        memset(ends, 0, ((size_t)r->programs + 2) * sizeof *ends);
        for (int64_t i = 0; i < n; i++) {
            const int32_t program = r->program[((const events_hit *)(block + i * stride))->slot];
            w->program[i] = program;
            ends[program + 2]++;
            w->later[later] = (int32_t)i;
            later += w->queues[program];
        }
        for (int64_t p = 2; p < r->programs + 2; p++) ends[p] += ends[p - 1];
        for (int64_t i = 0; i < n; i++) {
            const events_hit *hit = (const events_hit *)(block + i * stride);
            w->dealt[ends[w->program[i] + 1]++] = (events_dealt){(int32_t)(hit->row - first), hit->day, (int32_t)i};
        }
        for (int64_t p = 0; p < r->programs; p++) {
            const int64_t many = ends[p + 1] - ends[p];
            for (int32_t e = r->start[2 * p]; many && e < r->start[2 * p + 1]; e++)
                events_at_once(r, w, cells, block, r->entry + e, w->dealt + ends[p], many);
        }
        const int failed = events_queue(r, w, cells, hits, base, later, first);
        if (failed) return failed;
    }
    for (int k = 0; k < FOLD_KINDS; k++) events_finish(r, w, cells, k);
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
