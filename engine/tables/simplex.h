/* How far a count of a table can move while all its sums hold: the simplex method with bounds, for many counts in turn.

   The sums are solved once, for as many cells as there are sums; what differs from table to table is how far each cell
   may go. From where one count got to, the next goes on: on its way many others reach their ends too. */
#ifndef POPSTRAT_SIMPLEX_H
#define POPSTRAT_SIMPLEX_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define SIMPLEX_PIVOT 1e-7  /* what is smaller is not divided by */
#define SIMPLEX_TIGHT 1e-9  /* room that is none */
#define SIMPLEX_NOUGHT 1e-12
#define SIMPLEX_ROOMY 60.0  /* room beyond this is worth no more */
#define SIMPLEX_STEPS 400   /* at most for one move */
#define SIMPLEX_IDLE 20     /* steps that lead nowhere, before the first count that would do is taken */
#define SIMPLEX_SAME 1e-7   /* two places that differ by less are one */
#define SIMPLEX_FOLLOWS 0.05

/* Sums solved for a cell each: `size` rows of `cells` numbers, most of them nought. */
typedef struct {
    double *rows;
    uint64_t *in_row;  /* for each row a bit for each cell that may not be nought in it */
    uint64_t *in_cell; /* for each cell a bit for each row in which it may not be nought */
    int64_t *basis;    /* the cell that each row is solved for */
    int64_t *row_of;   /* the row of each cell, -1 of those that are free */
    int64_t size, cells;
} simplex_sums;

/* How far each cell may go. Of those that are not known yet (`known` is another number than `now`), `find` writes it;
   without `find` all are known. */
typedef struct {
    const double *low, *high;
    int64_t *known;
    int64_t now;
    void (*find)(void *of, int64_t cell);
    void *of;
} simplex_bounds;

/* The cells that a move leads by, each once, and where each was before: `among` has a 1 for each of them. */
typedef struct {
    int64_t *cells;
    double *before;
    uint8_t *among;
    int64_t many;
} simplex_path;

/* How many words hold so many bits. */
static inline int64_t simplex_words(int64_t bits) { return (bits + 63) / 64; }

/* The bits of a row, and those of a cell. */
static inline uint64_t *simplex_of_row(const simplex_sums *s, int64_t row) {
    return s->in_row + row * simplex_words(s->cells);
}
static inline uint64_t *simplex_of_cell(const simplex_sums *s, int64_t cell) {
    return s->in_cell + cell * simplex_words(s->size);
}

/* The first bit that is set at `from` or after; `count` where there is none. */
static inline int64_t simplex_next(const uint64_t *bits, int64_t from, int64_t count) {
    if (from >= count) return count;
    int64_t word = from / 64;
    uint64_t left = bits[word] >> (from % 64) << (from % 64);
    while (!left) {
        if (++word >= simplex_words(count)) return count;
        left = bits[word];
    }
    return 64 * word + __builtin_ctzll(left);
}

static inline int simplex_has(const uint64_t *bits, int64_t bit) { return bits[bit / 64] >> (bit % 64) & 1; }
static inline void simplex_clear(uint64_t *bits, int64_t bit) { bits[bit / 64] &= ~((uint64_t)1 << (bit % 64)); }
static inline void simplex_set(uint64_t *bits, int64_t bit) { bits[bit / 64] |= (uint64_t)1 << (bit % 64); }
static inline void simplex_join(uint64_t *restrict bits, const uint64_t *restrict more, int64_t words) {
    for (int64_t w = 0; w < words; w++) bits[w] |= more[w];
}

/* Note which numbers are not nought; the bits are all 0. */
static void simplex_look(const simplex_sums *s) {
    for (int64_t r = 0; r < s->size; r++) {
        for (int64_t j = 0; j < s->cells; j++) {
            if (s->rows[r * s->cells + j] == 0.0) continue;
            simplex_set(simplex_of_row(s, r), j);
            simplex_set(simplex_of_cell(s, j), r);
        }
    }
}

/* Solve a row for a cell, and put that into all others; `there` is room for a number a cell. */
static void simplex_pivot(const simplex_sums *s, int64_t row, int64_t cell, int64_t *there) {
    const int64_t cells = s->cells, size = s->size;
    uint64_t *of_row = simplex_of_row(s, row), *of_cell = simplex_of_cell(s, cell);
    double *own = s->rows + row * cells;
    const double by_itself = own[cell];
    int64_t filled = 0;
    for (int64_t j = simplex_next(of_row, 0, cells); j < cells; j = simplex_next(of_row, j + 1, cells)) {
        const double by = own[j] / by_itself;
        own[j] = fabs(by) < SIMPLEX_NOUGHT ? 0.0 : by;
        if (own[j] != 0.0) there[filled++] = j;
        else simplex_clear(of_row, j);
    }
    for (int64_t r = simplex_next(of_cell, 0, size); r < size; r = simplex_next(of_cell, r + 1, size)) {
        double *other = s->rows + r * cells;
        const double by = other[cell];
        if (r == row || by == 0.0) continue;
        for (int64_t k = 0; k < filled; k++) other[there[k]] -= by * own[there[k]];
        other[cell] = 0.0;
        simplex_join(simplex_of_row(s, r), of_row, simplex_words(cells));
        simplex_clear(simplex_of_row(s, r), cell);
    }
    for (int64_t k = 0; k < filled; k++) {
        if (there[k] != cell) simplex_join(simplex_of_cell(s, there[k]), of_cell, simplex_words(size));
    }
    memset(of_cell, 0, (size_t)simplex_words(size) * sizeof(uint64_t));
    simplex_set(of_cell, row);
    own[cell] = 1.0;
}

/* Solve sums for a cell each, cells that come first in `order` before others; `used` has a 0 for each row. The row of
   each cell is written: -1 of cells that no row is solved for. Rows that follow from others are solved for none. */
static void simplex_solve(const simplex_sums *s, const int64_t *order, uint8_t *used, int64_t *there) {
    const int64_t size = s->size;
    for (int64_t k = 0; k < s->cells; k++) {
        const int64_t j = order[k];
        const uint64_t *of_cell = simplex_of_cell(s, j);
        double most = SIMPLEX_PIVOT;
        int64_t best = -1;
        s->row_of[j] = -1;
        for (int64_t r = simplex_next(of_cell, 0, size); r < size; r = simplex_next(of_cell, r + 1, size)) {
            const double by = fabs(s->rows[r * s->cells + j]);
            if (used[r] || by <= most) continue;
            most = by;
            best = r;
        }
        if (best < 0) continue;
        used[best] = 1;
        s->row_of[j] = best;
        simplex_pivot(s, best, j, there);
    }
}

/* Note that a cell is about to move. */
static inline void simplex_by(simplex_path *path, int64_t cell, const double *at) {
    if (path->among[cell]) return;
    path->among[cell] = 1;
    path->before[path->many] = at[cell];
    path->cells[path->many++] = cell;
}

static inline void simplex_know(const simplex_bounds *bounds, int64_t cell) {
    if (!bounds->find || bounds->known[cell] == bounds->now) return;
    bounds->known[cell] = bounds->now;
    bounds->find(bounds->of, cell);
}

/* What it is worth to move a count that another follows at this rate, by the room that it has; 0 for nothing. */
static inline double simplex_worth(double rate, double at, double low, double high) {
    const double room = rate > 0 ? high - at : at - low;
    if (room <= SIMPLEX_TIGHT) return 0.0;
    return fabs(rate) * (1.0 + (room < SIMPLEX_ROOMY ? room : SIMPLEX_ROOMY) / SIMPLEX_ROOMY);
}

/* Raise (`sign` 1) or lower (-1) `at` of a cell to `goal`, or as far as it goes; how many steps that took, negative
   where it did not get there. -SIMPLEX_STEPS says that it was given up. The cells whose place changes are
   added to `path`. */
static int64_t simplex_push(const simplex_sums *s, const simplex_bounds *bounds, double *at, int64_t cell, double sign,
                            double goal, simplex_path *path, int64_t *there) {
    const int64_t cells = s->cells, size = s->size;
    const double *low = bounds->low, *high = bounds->high;
    int64_t idle = 0;
    simplex_know(bounds, cell);
    for (int64_t taken = 1; taken < SIMPLEX_STEPS; taken++) {
        if (sign * (goal - at[cell]) <= SIMPLEX_TIGHT) return taken;
        const int64_t row = s->row_of[cell];
        const int first = idle > SIMPLEX_IDLE; /* Bland's rule: so that it cannot go round in circles */
        int64_t enter = -1;
        double way = 1.0, pace = 1.0, best = 0.0;
        if (row < 0) {
            const double room = sign > 0 ? high[cell] - at[cell] : at[cell] - low[cell];
            if (room > SIMPLEX_TIGHT) {
                enter = cell;
                way = sign;
            }
        } else {
            const double *own = s->rows + row * cells;
            const uint64_t *of_row = simplex_of_row(s, row);
            for (int64_t j = simplex_next(of_row, 0, cells); j < cells; j = simplex_next(of_row, j + 1, cells)) {
                if (j == cell) continue; /* no other that rows are solved for is in one */
                const double rate = -sign * own[j];
                if (fabs(rate) <= SIMPLEX_PIVOT) continue;
                simplex_know(bounds, j);
                const double worth = simplex_worth(rate, at[j], low[j], high[j]);
                if (worth <= best) continue;
                best = worth;
                enter = j;
                way = rate > 0 ? 1.0 : -1.0;
                pace = fabs(rate);
                if (first) break;
            }
        }
        if (enter < 0) return -taken;
        uint64_t *of_cell = simplex_of_cell(s, enter);
        double step = way > 0 ? high[enter] - at[enter] : at[enter] - low[enter], most = 0.0;
        int64_t leave = -1;
        for (int64_t r = simplex_next(of_cell, 0, size); r < size; r = simplex_next(of_cell, r + 1, size)) {
            const double alpha = s->rows[r * cells + enter] * way;
            if (alpha == 0.0) simplex_clear(of_cell, r);
            if (fabs(alpha) <= SIMPLEX_PIVOT) continue;
            const int64_t b = s->basis[r];
            simplex_know(bounds, b);
            const double room = alpha > 0 ? at[b] - low[b] : high[b] - at[b];
            const double limit = (room > 0.0 ? room : 0.0) / fabs(alpha);
            if (limit < step - SIMPLEX_TIGHT ||
                (limit <= step + SIMPLEX_TIGHT && (first && leave >= 0 ? b < s->basis[leave] : fabs(alpha) > most))) {
                step = limit < step ? limit : step;
                leave = r;
                most = fabs(alpha);
            }
        }
        const double wanted = sign * (goal - at[cell]) / pace;
        const int arrives = wanted <= step;
        if (arrives) step = wanted;
        if (step > 0.0) {
            simplex_by(path, enter, at);
            at[enter] += way * step;
            for (int64_t r = simplex_next(of_cell, 0, size); r < size; r = simplex_next(of_cell, r + 1, size)) {
                simplex_know(bounds, s->basis[r]);
                simplex_by(path, s->basis[r], at);
                at[s->basis[r]] -= s->rows[r * cells + enter] * way * step;
            }
        }
        if (arrives) return taken;
        idle = step > SIMPLEX_TIGHT ? 0 : idle + 1;
        if (leave < 0) {
            simplex_by(path, enter, at);
            at[enter] = way > 0 ? high[enter] : low[enter];
            continue;
        }
        const int64_t gone = s->basis[leave];
        simplex_by(path, gone, at);
        at[gone] = s->rows[leave * cells + enter] * way > 0 ? low[gone] : high[gone];
        simplex_pivot(s, leave, enter, there);
        s->basis[leave] = enter;
        s->row_of[enter] = leave;
        s->row_of[gone] = -1;
    }
    return -SIMPLEX_STEPS;
}

/* Whether the cells of a path are within their bounds. */
static int simplex_within(const simplex_bounds *bounds, const double *at, const simplex_path *path) {
    for (int64_t k = 0; k < path->many; k++) {
        const int64_t j = path->cells[k];
        simplex_know(bounds, j);
        if (!(bounds->low[j] - SIMPLEX_SAME <= at[j] && at[j] <= bounds->high[j] + SIMPLEX_SAME)) return 0;
    }
    return 1;
}

/* Whether a sum (its cells and their signs from `start` to `end`) is nought. */
static int simplex_adds_up(const int64_t *cells_of, const double *signs, int64_t start, int64_t end, const double *at) {
    double total = 0.0;
    for (int64_t k = start; k < end; k++) total += signs[k] * at[cells_of[k]];
    return fabs(total) <= SIMPLEX_SAME;
}

#endif
