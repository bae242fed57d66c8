/* How far a count of a table can move while all its sums hold: the simplex method with bounds, for many counts in turn.

   The sums are solved once, for as many cells as there are sums; what differs from table to table is how far each cell
   may go. From where one count got to, the next goes on: on its way many others reach their ends too. */
#ifndef POPSTRAT_SIMPLEX_H
#define POPSTRAT_SIMPLEX_H

#include <math.h>
#include <stdint.h>

#define SIMPLEX_PIVOT 1e-7  /* what is smaller is not divided by */
#define SIMPLEX_TIGHT 1e-9  /* room that is none */
#define SIMPLEX_NOUGHT 1e-12
#define SIMPLEX_ROOMY 60.0  /* room beyond this is worth no more */
#define SIMPLEX_STEPS 400   /* at most for one move */
#define SIMPLEX_IDLE 20     /* steps that lead nowhere, before the first count that would do is taken */
#define SIMPLEX_SAME 1e-7   /* two places that differ by less are one */
#define SIMPLEX_FOLLOWS 0.05

/* Sums solved for a cell each: `size` rows of `cells` numbers. */
typedef struct {
    double *rows;
    int64_t *basis;  /* the cell that each row is solved for */
    int64_t *row_of; /* the row of each cell, -1 of those that are free */
    int64_t size, cells;
} simplex_sums;

/* Solve a row for a cell, and put that into all others; `there` is room for a number a cell. */
static void simplex_pivot(double *rows, int64_t size, int64_t cells, int64_t row, int64_t cell, int64_t *there) {
    double *own = rows + row * cells;
    const double by_itself = own[cell];
    int64_t filled = 0;
    for (int64_t j = 0; j < cells; j++) {
        if (own[j] == 0.0) continue;
        const double by = own[j] / by_itself;
        own[j] = fabs(by) < SIMPLEX_NOUGHT ? 0.0 : by;
        if (own[j] != 0.0) there[filled++] = j;
    }
    for (int64_t r = 0; r < size; r++) {
        double *other = rows + r * cells;
        const double by = other[cell];
        if (r == row || by == 0.0) continue;
        for (int64_t k = 0; k < filled; k++) other[there[k]] -= by * own[there[k]];
        other[cell] = 0.0;
    }
    own[cell] = 1.0;
}

/* Solve sums for a cell each, cells that come first in `order` before others; `used` has a 0 for each row. `row_of` is
   written: -1 of cells that no row is solved for. Rows that follow from others are solved for none. */
static void simplex_solve(double *rows, int64_t size, int64_t cells, const int64_t *order, uint8_t *used,
                          int64_t *row_of, int64_t *there) {
    for (int64_t k = 0; k < cells; k++) {
        const int64_t j = order[k];
        int64_t best = -1;
        row_of[j] = -1;
        for (int64_t r = 0; r < size; r++) {
            const double by = fabs(rows[r * cells + j]);
            if (!used[r] && by > SIMPLEX_PIVOT && (best < 0 || by > fabs(rows[best * cells + j]))) best = r;
        }
        if (best < 0) continue;
        used[best] = 1;
        row_of[j] = best;
        simplex_pivot(rows, size, cells, best, j, there);
    }
}

/* What it is worth to move a count that another follows at this rate, by the room that it has; 0 for nothing. */
static inline double simplex_worth(double rate, double at, double low, double high) {
    const double room = rate > 0 ? high - at : at - low;
    if (fabs(rate) <= SIMPLEX_PIVOT || room <= SIMPLEX_TIGHT) return 0.0;
    return fabs(rate) * (1.0 + (room < SIMPLEX_ROOMY ? room : SIMPLEX_ROOMY) / SIMPLEX_ROOMY);
}

/* Raise (`sign` 1) or lower (-1) `at` of a cell to `goal`, or as far as it goes; how many steps that took, negative
   where it did not get there. -SIMPLEX_STEPS says that it was given up. */
static int64_t simplex_push(const simplex_sums *s, const double *low, const double *high, double *at, int64_t cell,
                            double sign, double goal, int64_t *there) {
    const int64_t cells = s->cells;
    int64_t idle = 0;
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
            for (int64_t j = 0; j < cells; j++) {
                if (own[j] == 0.0 || s->row_of[j] >= 0) continue;
                const double rate = -sign * own[j], worth = simplex_worth(rate, at[j], low[j], high[j]);
                if (worth <= best) continue;
                best = worth;
                enter = j;
                way = rate > 0 ? 1.0 : -1.0;
                pace = fabs(rate);
                if (first) break;
            }
        }
        if (enter < 0) return -taken;
        double step = way > 0 ? high[enter] - at[enter] : at[enter] - low[enter], size = 0.0;
        int64_t leave = -1;
        for (int64_t r = 0; r < s->size; r++) {
            const double alpha = s->rows[r * cells + enter] * way;
            if (fabs(alpha) <= SIMPLEX_PIVOT) continue;
            const int64_t b = s->basis[r];
            const double room = alpha > 0 ? at[b] - low[b] : high[b] - at[b];
            const double limit = (room > 0.0 ? room : 0.0) / fabs(alpha);
            if (limit < step - SIMPLEX_TIGHT ||
                (limit <= step + SIMPLEX_TIGHT && (first && leave >= 0 ? b < s->basis[leave] : fabs(alpha) > size))) {
                step = limit < step ? limit : step;
                leave = r;
                size = fabs(alpha);
            }
        }
        const double wanted = sign * (goal - at[cell]) / pace;
        const int arrives = wanted <= step;
        if (arrives) step = wanted;
        if (step > 0.0) {
            at[enter] += way * step;
            for (int64_t r = 0; r < s->size; r++) {
                const double alpha = s->rows[r * cells + enter];
                if (alpha != 0.0) at[s->basis[r]] -= alpha * way * step;
            }
        }
        if (arrives) return taken;
        idle = step > SIMPLEX_TIGHT ? 0 : idle + 1;
        if (leave < 0) {
            at[enter] = way > 0 ? high[enter] : low[enter];
            continue;
        }
        const int64_t gone = s->basis[leave];
        at[gone] = s->rows[leave * cells + enter] * way > 0 ? low[gone] : high[gone];
        simplex_pivot(s->rows, s->size, cells, leave, enter, there);
        s->basis[leave] = enter;
        s->row_of[enter] = leave;
        s->row_of[gone] = -1;
    }
    return -SIMPLEX_STEPS;
}

/* Narrow the bounds of moves by what another table leaves: where that is (`at`), and what is known of the rest between
   them (`least` and `most`). */
static inline void simplex_narrow(double *restrict low, double *restrict high, const double *restrict at,
                                  const double *restrict rest, const double *restrict least,
                                  const double *restrict most, double sign, int64_t cells) {
    if (sign > 0) { /* a whole, held by its part */
        for (int64_t j = 0; j < cells; j++) {
            const double by = at[j] - rest[j], l = by + least[j], h = by + most[j];
            low[j] = l > low[j] ? l : low[j];
            high[j] = h < high[j] ? h : high[j];
        }
    } else { /* a part, held by its whole */
        for (int64_t j = 0; j < cells; j++) {
            const double by = at[j] + rest[j], l = by - most[j], h = by - least[j];
            low[j] = l > low[j] ? l : low[j];
            high[j] = h < high[j] ? h : high[j];
        }
    }
}

/* Whether all cells are within their bounds. */
static int simplex_within(const double *low, const double *high, const double *at, int64_t cells) {
    for (int64_t j = 0; j < cells; j++) {
        if (!(low[j] - SIMPLEX_SAME <= at[j] && at[j] <= high[j] + SIMPLEX_SAME)) return 0;
    }
    return 1;
}

/* Whether every sum (its cells and signs from `starts`) is nought. */
static int simplex_adds_up(const int64_t *starts, int64_t sums, const int64_t *cells_of, const double *signs,
                           const double *at) {
    for (int64_t r = 0; r < sums; r++) {
        double total = 0.0;
        for (int64_t k = starts[r]; k < starts[r + 1]; k++) total += signs[k] * at[cells_of[k]];
        if (!(fabs(total) <= SIMPLEX_SAME)) return 0;
    }
    return 1;
}

#endif
