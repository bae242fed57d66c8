# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True, freethreading_compatible=True
"""Walking tables from where they truly are to where few counts can be told apart any more.

Each table is somewhere (``at``, how far each count is from the truth); all of them together are somewhere that is
possible. One table moves at a time, by the simplex method (simplex.h), within what the others leave it: so each place
that any of them comes to is a witness for all. Where a count goes no further because another table holds it or a count
that it depends on (a part cannot be more than its whole), that one is asked to move first, and those that hold it before;
and if it cannot, since the first holds it too, both are tied together and make the same move.
"""

from libc.math cimport INFINITY, fabs, floor, fmax, fmin
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy, memset

import numpy as np

cdef extern from "tables/simplex.h" nogil:
    double SIMPLEX_SAME
    double SIMPLEX_FOLLOWS
    int64_t SIMPLEX_STEPS

    ctypedef struct simplex_sums:
        double *rows
        uint64_t *in_row
        uint64_t *in_cell
        int64_t *basis
        int64_t *row_of
        int64_t size
        int64_t cells

    ctypedef struct simplex_path:
        int64_t *cells
        uint8_t *among
        int64_t many

    int64_t simplex_words(int64_t bits)
    int64_t simplex_next(const uint64_t *bits, int64_t after, int64_t count)
    uint64_t *simplex_of_row(const simplex_sums *s, int64_t row)
    void simplex_set(uint64_t *bits, int64_t bit)
    void simplex_look(const simplex_sums *s)
    void simplex_solve(const simplex_sums *s, const int64_t *order, uint8_t *used, int64_t *there)
    int64_t simplex_push(const simplex_sums *s, const double *low, const double *high, double *at, int64_t cell,
                         double sign, double goal, simplex_path *path, int64_t *there)
    void simplex_narrow(double *low, double *high, const double *at, const double *rest, const double *least,
                        const double *most, double sign, int64_t cells)
    bint simplex_within(const double *low, const double *high, const double *at, const simplex_path *path)
    bint simplex_adds_up(const int64_t *cells_of, const double *signs, int64_t start, int64_t end, const double *at)

cdef enum:
    # what may be done for a count
    ALONE = 0        # its table moves
    ASKING = 1       # others make way
    WITHHOLDING = 2  # and more is withheld
    LAST = 3         # and more moves may be made

    DEPTH = 3        # tables that ask each other, one after the other
    TIED = 4         # tables that move with one, at most
    SOLUTIONS = 8    # kept at once: of a table and those that it moves out of its way
    FEWEST = 2       # where they are large
    ROOM = 200000000 # bytes of all that are kept, unless they are the fewest
    FRESH = 5000     # steps, after which a solution is made anew, for rounding
    IDLE = 6         # moves that lead nowhere
    MANY = 60        # counts withheld for one
    ROUNDS = 6

cdef double ANY = 1e12    # without a limit
cdef double LITTLE = 0.05
cdef double TINY = 1e-7
cdef double INDIRECT = 1e6  # how much dearer it is to withhold what only holds what holds a count

cdef int64_t[4] MOVES
MOVES[:] = [10, 4, 60, 300]  # at most for one count, by what may be done for it


def solved(matrix, order):
    """Sums (rows) over cells, solved for a cell each: the rows that follow from no others, and the cell of each. Cells
    that come first in ``order`` are solved for first. Raises ValueError if ``order`` does not have each cell once."""
    rows = np.array(matrix, np.float64, order="C", ndmin=2)
    cdef int64_t size = rows.shape[0], cells = rows.shape[1]
    cdef const int64_t[::1] first = np.ascontiguousarray(order, np.int64)
    if not np.array_equal(np.sort(order), np.arange(cells)):
        raise ValueError("each cell has one place in the order")
    cdef double[:, ::1] table = rows
    row_of = np.full(cells, -1, np.int64)
    cdef int64_t[::1] to = row_of, there = np.empty(cells, np.int64)
    cdef uint8_t[::1] used = np.zeros(size, np.uint8)
    cdef uint64_t[:, ::1] in_row = np.zeros((size, simplex_words(cells)), np.uint64)
    cdef uint64_t[:, ::1] in_cell = np.zeros((cells, simplex_words(size)), np.uint64)
    cdef simplex_sums sums
    if size and cells:
        sums.rows, sums.in_row, sums.in_cell = &table[0, 0], &in_row[0, 0], &in_cell[0, 0]
        sums.basis, sums.row_of, sums.size, sums.cells = NULL, &to[0], size, cells
        with nogil:
            simplex_look(&sums)
            simplex_solve(&sums, &first[0], &used[0], &there[0])
    basis = np.flatnonzero(row_of >= 0)
    return np.ascontiguousarray(rows[row_of[basis]]), basis


cdef class Walk:
    """Tables over cells, and where they are. ``off``, ``shown``, ``top`` and ``bottom`` of what is handed in change.

    ``cells``, ``tables``, ``kin`` and ``limits`` are those of `popstrat.engine.tables`. Raises ValueError if sizes do
    not fit each other, an index is out of range, or what changes has gaps (is not in C order).
    """

    cdef int64_t n, count, kept
    cdef double smallest, step, width, blur
    cdef const double[:, ::1] solution
    cdef const int64_t[::1] solved_for, starts, counts, ranks
    cdef const double[::1] signs
    cdef const uint8_t[::1] asked
    cdef const double[:, ::1] x, costs
    cdef const uint8_t[:, ::1] small, nobody, never
    cdef uint8_t[:, ::1] off, shown, rest_shown
    cdef double[:, ::1] top, bottom, rest_top, rest_bottom
    cdef const int64_t[::1] part, whole, pair_starts, pairs, above_starts, above, order, few_starts, few_pair, few_cell
    # where the tables are; how far those that move may go, lowest and highest, and each of them
    cdef double[:, ::1] at, box, own
    cdef double *lows
    cdef double *highs
    # how far each count may go by itself, and while all other tables are where they truly are; what each part leaves of
    # its whole, at least and at most
    cdef double[:, ::1] low, high, lowest, highest, rest, least, most
    # what the last move came by, where it was before; which tables may not be where they truly are, and in which cells
    cdef int64_t[::1] came_by
    cdef uint8_t[::1] among, moved
    cdef uint64_t[:, ::1] off_truth
    cdef double[::1] before
    # the sums that each cell is in, and which of them were looked at for which move
    cdef const int64_t[::1] sum_starts, sums_of_cell
    cdef int64_t[::1] looked_at
    cdef int64_t look
    # what moves with the table that asks at a depth
    cdef int64_t[:, ::1] tied
    cdef int64_t[::1] ties
    # solutions, the table that each is of, its steps, when it was last used
    cdef double[:, :, ::1] solutions
    cdef uint64_t[:, :, ::1] in_row, in_cell
    cdef uint64_t[:, ::1] first_in_row, first_in_cell
    cdef int64_t[:, ::1] basis, row_of
    cdef int64_t[::1] of, steps, last, there
    cdef uint8_t[:, ::1] tried
    cdef uint8_t[::1] near
    cdef int64_t[:, ::1] failed
    # what may be done, moves left for it, a count that stays where it is meanwhile
    cdef int64_t effort, moves, still_table, still_cell
    # how many counts were withheld, and what to withhold next: a count of a table, for its price
    cdef int64_t withheld, next_table, next_cell
    cdef double next_price

    def __init__(self, cells, tables, kin, limits):
        cdef int64_t t, c
        self.smallest, self.step, self.width = limits
        self.blur = self.step // 2
        self.count, self.n = tables.x.shape
        flags, written = {"small", "nobody", "off", "never", "shown", "asked"}, {"off", "shown", "top", "bottom"}
        held = {}
        for of, some in (("cells", cells), ("tables", tables), ("kin", kin)):
            for name, values in some._asdict().items():
                values = values if name in written else np.ascontiguousarray(values)
                held[f"{of}.{name}"] = values.view(np.uint8) if name in flags else values
        cdef int64_t size = len(cells.solved_for)
        _fits(cells, tables, kin)
        self.solution, self.solved_for = held["cells.solution"], held["cells.solved_for"]
        self.starts, self.counts, self.signs = held["cells.starts"], held["cells.counts"], held["cells.signs"]
        self.asked, self.ranks = held["cells.asked"], held["cells.ranks"]
        self.x, self.costs = held["tables.x"], held["tables.costs"]
        self.small, self.nobody, self.never = held["tables.small"], held["tables.nobody"], held["tables.never"]
        self.off, self.shown = held["tables.off"], held["tables.shown"]
        self.top, self.bottom = held["tables.top"], held["tables.bottom"]
        self.part, self.whole = held["kin.part"], held["kin.whole"]
        self.pair_starts, self.pairs = held["kin.pair_starts"], held["kin.pairs"]
        self.above_starts, self.above, self.order = held["kin.above_starts"], held["kin.above"], held["kin.order"]
        self.few_starts, self.few_pair, self.few_cell = held["kin.few_starts"], held["kin.few_pair"], held["kin.few_cell"]
        self.rest_shown, self.rest_top, self.rest_bottom = held["kin.shown"], held["kin.top"], held["kin.bottom"]
        self.at, self.box, self.own = np.zeros((self.count, self.n)), np.zeros((2, self.n)), np.zeros((2, self.n))
        self.before, self.came_by = np.zeros(self.n), np.zeros(self.n, np.int64)
        self.among = np.zeros(self.n, np.uint8)
        self.tied, self.ties = np.zeros((DEPTH + 1, TIED), np.int64), np.zeros(DEPTH + 1, np.int64)
        self.moved = np.zeros(self.count, np.uint8)
        self.off_truth = np.zeros((self.count, simplex_words(self.n)), np.uint64)
        held_sums = np.repeat(np.arange(len(cells.starts) - 1), np.diff(cells.starts))
        in_sums = np.bincount(cells.counts, minlength=self.n)
        self.sum_starts = np.concatenate([[0], np.cumsum(in_sums)]).astype(np.int64)
        self.sums_of_cell = held_sums[np.argsort(cells.counts, kind="stable")]
        self.looked_at, self.look = np.zeros(len(cells.starts) - 1, np.int64), 0
        self.kept = min(max(ROOM // max(8 * size * self.n, 1), FEWEST), SOLUTIONS)
        self.solutions = np.empty((self.kept, size, self.n))
        self.in_row = np.zeros((self.kept, size, simplex_words(self.n)), np.uint64)
        self.in_cell = np.zeros((self.kept, self.n, simplex_words(size)), np.uint64)
        self.first_in_row = np.zeros((size, simplex_words(self.n)), np.uint64)
        self.first_in_cell = np.zeros((self.n, simplex_words(size)), np.uint64)
        self.basis, self.row_of = np.zeros((self.kept, size), np.int64), np.zeros((self.kept, self.n), np.int64)
        self.of = np.full(self.kept, -1)
        self.steps, self.last = np.zeros(self.kept, np.int64), np.zeros(self.kept, np.int64)
        self.there = np.empty(self.n, np.int64)
        self.tried, self.near = np.zeros((DEPTH + 1, self.n), np.uint8), np.zeros(self.n, np.uint8)
        self.failed = np.full((self.count, self.n), -1)
        self.still_table = self.still_cell = -1
        self.low, self.high, self.lowest, self.highest = (np.empty((self.count, self.n)) for _ in range(4))
        self.rest, self.least, self.most = (np.empty((len(kin.part), self.n)) for _ in range(3))
        for t in range(self.count):
            for c in range(self.n):
                self.limit(t, c)
        for t in range(self.count):
            for c in range(self.n):
                self.limit_among_others(t, c)
        cdef simplex_sums sums
        if size:
            memcpy(&self.solutions[0, 0, 0], &self.solution[0, 0], size * self.n * sizeof(double))
            sums = self.sums_of(0)
            simplex_look(&sums)
            memcpy(&self.first_in_row[0, 0], sums.in_row, self.first_in_row.nbytes)
            memcpy(&self.first_in_cell[0, 0], sums.in_cell, self.first_in_cell.nbytes)

    def show(self):
        """Show what can be shown while nothing more is withheld. Runs without the GIL."""
        with nogil:
            self.everything(ASKING, 0, 0)

    def withhold(self, int64_t rings=0):
        """Show what can be shown, and withhold what it takes: from the highest rank to the lowest, since what is withheld
        for larger areas helps all within them. With ``rings``, where that is not enough, also all that a count adds up
        with, all that these add up with, and so on. Runs without the GIL."""
        for rank in np.unique(np.asarray(self.ranks)[np.asarray(self.asked) != 0])[::-1].tolist():
            self.from_rank(rank, rings)

    cdef void from_rank(self, int64_t rank, int64_t rings):
        with nogil:
            self.everything(LAST, rank, rings)

    # ---- where a table may go ----------------------------------------------------------------------------------------

    cdef void bound(self, int64_t t, int depth) noexcept nogil:
        """How far a table may go in each cell, and what is tied to it with it: the least that any of them leaves."""
        cdef int64_t c, i, k, o
        self.lows, self.highs = &self.lowest[t, 0], &self.highest[t, 0]
        if self.ties[depth]:
            self.lows, self.highs = &self.box[0, 0], &self.box[1, 0]
            self.bound_alone(t, t, depth, &self.box[0, 0], &self.box[1, 0])
            for i in range(self.ties[depth]):
                o = self.tied[depth, i]
                self.bound_alone(o, t, depth, &self.own[0, 0], &self.own[1, 0])
                for c in range(self.n):
                    self.box[0, c] = max(self.box[0, c], self.own[0, c])
                    self.box[1, c] = min(self.box[1, c], self.own[1, c])
            return
        # as while all others are where they truly are, but for where one is not
        for k in range(self.pair_starts[t], self.pair_starts[t + 1]):
            o = self.other(self.pairs[k], t)
            if self.moved[o]:
                self.to_narrow(t)
                c = simplex_next(&self.off_truth[o, 0], 0, self.n)
                while c < self.n:
                    self.narrow(t, c, &self.box[0, c], &self.box[1, c], False)
                    c = simplex_next(&self.off_truth[o, 0], c + 1, self.n)
        if self.still_table == t:
            self.to_narrow(t)
            c = self.still_cell
            self.box[0, c] = self.box[1, c] = self.at[t, c]

    cdef void to_narrow(self, int64_t t) noexcept nogil:
        """How far a table may go while all others are where they truly are, to be narrowed."""
        if self.lows == &self.box[0, 0]:
            return
        self.lows, self.highs = &self.box[0, 0], &self.box[1, 0]
        memcpy(self.lows, &self.lowest[t, 0], self.n * sizeof(double))
        memcpy(self.highs, &self.highest[t, 0], self.n * sizeof(double))

    cdef void bound_alone(self, int64_t t, int64_t leader, int depth, double *low, double *high) noexcept nogil:
        """How far one of those that move together leaves their leader."""
        cdef int64_t c, k, p, o
        cdef double by
        memcpy(low, &self.low[t, 0], self.n * sizeof(double))
        memcpy(high, &self.high[t, 0], self.n * sizeof(double))
        for k in range(self.pair_starts[t], self.pair_starts[t + 1]):
            p = self.pairs[k]
            o = self.other(p, t)
            if not self.moves_with(o, leader, depth):
                simplex_narrow(
                    low, high, &self.at[o, 0], &self.rest[p, 0], &self.least[p, 0], &self.most[p, 0],
                    1.0 if t == self.whole[p] else -1.0, self.n,
                )
        if self.still_table == t:
            c = self.still_cell
            low[c] = high[c] = self.at[t, c]
        if t != leader:
            for c in range(self.n):
                by = self.at[leader, c] - self.at[t, c]
                low[c] += by
                high[c] += by

    cdef void narrow(self, int64_t t, int64_t c, double *low, double *high, bint truly) noexcept nogil:
        """How far a count may go: by itself, and by what is left between its table and others where they are, or where
        they truly are."""
        cdef int64_t k, p, o
        cdef double nowhere = 0.0
        low[0], high[0] = self.low[t, c], self.high[t, c]
        for k in range(self.pair_starts[t], self.pair_starts[t + 1]):
            p = self.pairs[k]
            o = self.other(p, t)
            simplex_narrow(
                low, high, &nowhere if truly else &self.at[o, c], &self.rest[p, c], &self.least[p, c], &self.most[p, c],
                1.0 if t == self.whole[p] else -1.0, 1,
            )

    cdef void limit_among_others(self, int64_t t, int64_t c) noexcept nogil:
        """Note how far a count may go while all other tables are where they truly are."""
        self.narrow(t, c, &self.lowest[t, c], &self.highest[t, c], True)

    cdef bint moves_with(self, int64_t o, int64_t leader, int depth) noexcept nogil:
        cdef int64_t i
        for i in range(self.ties[depth]):
            if self.tied[depth, i] == o:
                return True
        return o == leader

    cdef void limit(self, int64_t t, int64_t c) noexcept nogil:
        """Note how far a count may go by itself, and what is known of the rests that it is in."""
        cdef int64_t k, p, i, o
        cdef double x = self.x[t, c], near
        cdef bint out
        if self.nobody[t, c]:
            self.low[t, c] = self.high[t, c] = 0.0
        elif self.off[t, c]:
            self.low[t, c] = -x
            self.high[t, c] = self.smallest - 1.0 - x if self.small[t, c] else ANY
        else:
            near = floor((x + self.blur) / self.step) * self.step
            self.low[t, c], self.high[t, c] = near - self.blur - x, near + self.blur - x
        for k in range(self.pair_starts[t], self.pair_starts[t + 1]):
            p = self.pairs[k]
            i, o = self.part[p], self.whole[p]
            x = self.x[o, c] - self.x[i, c]
            out = not self.off[i, c] and not self.off[o, c]
            self.rest[p, c], self.least[p, c], self.most[p, c] = x, 0.0, ANY
            if x == 0.0:
                self.most[p, c] = 0.0 if out else ANY
            elif x < self.smallest:
                self.most[p, c] = ANY if self.small[i, c] else self.smallest - 1.0
            elif out:
                self.least[p, c] = self.smallest

    cdef bint held_by(self, int64_t p, int64_t t, int64_t c, bint up) noexcept nogil:
        """Whether a count cannot go up (or down) because of what one of a pair of tables leaves of the other."""
        cdef double now = self.rest[p, c] + self.at[self.whole[p], c] - self.at[self.part[p], c]
        if up == (t == self.part[p]):  # the rest would go down
            return now <= self.least[p, c] + SIMPLEX_SAME
        return now >= self.most[p, c] - SIMPLEX_SAME

    cdef bint held_by_itself(self, int64_t t, int64_t c, bint up) noexcept nogil:
        """Whether a count cannot go up (or down) whatever other tables do."""
        if self.still_table == t and self.still_cell == c:
            return True
        return self.at[t, c] >= self.high[t, c] - SIMPLEX_SAME if up else self.at[t, c] <= self.low[t, c] + SIMPLEX_SAME

    # ---- one table moves ---------------------------------------------------------------------------------------------

    cdef int64_t solution_of(self, int64_t t) noexcept nogil:
        """The solution that a table went on from; -1 where others have used it since."""
        cdef int64_t s
        for s in range(self.kept):
            if self.of[s] == t:
                return s
        return -1

    cdef int64_t ready(self, int64_t t) noexcept nogil:
        """The solution that a table goes on from, or that which another used longest ago: it is as good. Made anew from
        time to time, for rounding."""
        cdef int64_t s = self.solution_of(t), k, size = self.solution.shape[0], latest = 0
        for k in range(self.kept):
            latest = max(latest, self.last[k])
        if s < 0:
            s = 0
            for k in range(self.kept):
                if self.last[k] < self.last[s]:
                    s = k
            if self.of[s] < 0:
                self.steps[s] = FRESH + 1
            self.of[s] = t
        self.last[s] = latest + 1
        if self.steps[s] > FRESH:
            self.of[s], self.steps[s] = t, 0
            for k in range(self.n):
                self.row_of[s, k] = -1
            for k in range(size):
                self.basis[s, k] = self.solved_for[k]
                self.row_of[s, self.solved_for[k]] = k
            if size:
                memcpy(&self.solutions[s, 0, 0], &self.solution[0, 0], size * self.n * sizeof(double))
                self.in_row[s] = self.first_in_row
                self.in_cell[s] = self.first_in_cell
        return s

    cdef simplex_sums sums_of(self, int64_t s) noexcept nogil:
        """A solution, as the simplex method takes it."""
        cdef simplex_sums sums
        sums.size, sums.cells = self.solution.shape[0], self.n
        sums.rows = &self.solutions[s, 0, 0] if sums.size else NULL
        sums.in_row = &self.in_row[s, 0, 0] if sums.size else NULL
        sums.in_cell = &self.in_cell[s, 0, 0] if sums.size else NULL
        sums.basis = &self.basis[s, 0] if sums.size else NULL
        sums.row_of = &self.row_of[s, 0]
        return sums

    cdef int move(self, int64_t t, int64_t c, double goal, int depth) noexcept nogil:
        """Move a count of a table, and what is tied to it, to ``goal`` or as far as it goes: 1 where it got there, 0 where
        not, -1 where rounding was in the way, and all are back."""
        cdef simplex_sums sums
        cdef simplex_path path
        cdef int64_t s, took, i, j, k, o
        cdef bint sound
        self.bound(t, depth)
        s = self.ready(t)
        sums = self.sums_of(s)
        path.cells, path.among, path.many = &self.came_by[0], &self.among[0], 0
        if self.ties[depth]:
            memcpy(&self.before[0], &self.at[t, 0], self.n * sizeof(double))
        took = simplex_push(
            &sums, self.lows, self.highs, &self.at[t, 0], c, 1.0 if goal > self.at[t, c] else -1.0, goal,
            &path, &self.there[0],
        )
        self.moves -= 1
        self.steps[s] += took if took > 0 else -took
        sound = simplex_within(self.lows, self.highs, &self.at[t, 0], &path)
        sound = self.moved_by(t, &path) and sound
        for i in range(self.ties[depth]):
            o = self.tied[depth, i]
            for k in range(path.many):
                j = path.cells[k]
                self.at[o, j] += self.at[t, j] - self.before[j]
            sound = self.moved_by(o, &path) and sound
        if sound:
            self.note(t, &path)
            for i in range(self.ties[depth]):
                self.note(self.tied[depth, i], &path)
        for k in range(path.many):
            path.among[path.cells[k]] = False
        if not sound:
            self.steps[s] = FRESH + 1
            self.back()
            return -1
        if took == -SIMPLEX_STEPS:
            self.steps[s] = FRESH + 1
        return took > 0

    cdef bint moved_by(self, int64_t t, const simplex_path *path) noexcept nogil:
        """Note where a table moved, and whether all sums of these cells hold."""
        cdef int64_t c, i, k, r
        self.moved[t] = True
        self.look += 1
        for k in range(path.many):
            c = path.cells[k]
            simplex_set(&self.off_truth[t, 0], c)
            for i in range(self.sum_starts[c], self.sum_starts[c + 1]):
                r = self.sums_of_cell[i]
                if self.looked_at[r] == self.look:
                    continue
                self.looked_at[r] = self.look
                if not simplex_adds_up(
                    &self.counts[0], &self.signs[0], self.starts[r], self.starts[r + 1], &self.at[t, 0]
                ):
                    return False
        return True

    cdef void back(self) noexcept nogil:
        """All tables are where they truly are."""
        cdef int64_t t
        for t in range(self.count):
            if self.moved[t]:
                self.moved[t] = False
                memset(&self.off_truth[t, 0], 0, simplex_words(self.n) * sizeof(uint64_t))
                memset(&self.at[t, 0], 0, self.n * sizeof(double))

    cdef void note(self, int64_t t, const simplex_path *path) noexcept nogil:
        """A table has come to somewhere possible, by these cells."""
        cdef int64_t c, k, p
        cdef double by
        for k in range(path.many):
            c = path.cells[k]
            by = self.at[t, c]
            if by > self.top[t, c]:
                self.top[t, c] = by
            elif by < self.bottom[t, c]:
                self.bottom[t, c] = by
            else:
                continue
            if self.top[t, c] - self.bottom[t, c] >= self.width - TINY:
                self.shown[t, c] = True
        for k in range(self.few_starts[t], self.few_starts[t + 1]):
            p, c = self.few_pair[k], self.few_cell[k]
            if not path.among[c] or self.rest_shown[p, c]:
                continue
            by = self.at[self.whole[p], c] - self.at[self.part[p], c]
            self.rest_top[p, c], self.rest_bottom[p, c] = fmax(self.rest_top[p, c], by), fmin(self.rest_bottom[p, c], by)
            if self.rest_top[p, c] - self.rest_bottom[p, c] >= self.width - TINY:
                self.rest_shown[p, c] = True

    # ---- others make way ---------------------------------------------------------------------------------------------

    cdef int reach(self, int64_t t, int64_t c, double goal, int depth) noexcept nogil:
        """Move a count of a table to ``goal``, or as far as it goes while those that hold it are asked to go out of its
        way, and those that hold these (``depth`` of them after each other); who cannot is tied to it. As `move`."""
        cdef bint up = goal > self.at[t, c], j_up = False
        cdef int there
        cdef int64_t idle = 0, j, o = -1
        cdef uint8_t *tried = &self.tried[depth, 0]
        cdef double by = 0.0, before, further, left
        self.ties[depth] = 0
        memset(tried, 0, self.n)
        there = self.move(t, c, goal, depth)
        while there == 0 and depth > 0 and self.moves > 0 and idle <= IDLE:
            if self.solution_of(t) >= 0:
                j = self.holds(t, c, up, depth, tried, &o, &by, &j_up)
                if j < 0:
                    break
                if o >= 0:
                    before, left = self.at[o, j], fmax(fabs(goal - self.at[t, c]) / by, 1.0)
                    further = before + left if j_up else fmax(before - left, -self.x[o, j])
                    if fabs(further - before) > SIMPLEX_SAME and self.reach(o, j, further, depth - 1) < 0:
                        return -1
                    if fabs(self.at[o, j] - before) > LITTLE:
                        continue
                    if not self.tie(o, depth):
                        tried[j] = True
                        continue
                else:
                    tried[j] = True
            before = self.at[t, c]
            there = self.move(t, c, goal, depth)
            idle += 1
            if fabs(self.at[t, c] - before) > LITTLE:
                idle = 0
                memset(tried, 0, self.n)
        return there

    cdef bint tie(self, int64_t o, int depth) noexcept nogil:
        if self.ties[depth] == TIED or o == self.still_table:
            return False
        self.tied[depth, self.ties[depth]] = o
        self.ties[depth] += 1
        return True

    cdef int64_t holds(
        self, int64_t t, int64_t c, bint up, int depth, const uint8_t *tried, int64_t *by_whom, double *follows,
        bint *goes_up,
    ) noexcept nogil:
        """Where a count that goes no further is held by another table: the cell (-1 for none), that table (-1 where
        nothing holds it any more), by how much the count follows it, and whether it is to go up."""
        cdef int64_t s = self.solution_of(t), row = self.row_of[s, c], j = -1, i
        cdef simplex_sums sums = self.sums_of(s)
        cdef double by
        cdef bint j_up, itself
        while True:
            j = simplex_next(simplex_of_row(&sums, row), j + 1, self.n) if row >= 0 else c if j < 0 else self.n
            if j == self.n:
                break
            by = -1.0 if j == c else self.solutions[s, row, j]
            if fabs(by) < SIMPLEX_FOLLOWS or tried[j] or (j != c and self.row_of[s, j] >= 0):
                continue
            j_up = up if by < 0 else not up
            itself = self.held_by_itself(t, j, j_up)
            for i in range(self.ties[depth]):
                itself = itself or self.held_by_itself(self.tied[depth, i], j, j_up)
            if itself:
                continue
            follows[0], goes_up[0] = fabs(by), j_up
            by_whom[0] = self.holder(t, t, j, j_up, depth)
            for i in range(self.ties[depth]):
                if by_whom[0] < 0:
                    by_whom[0] = self.holder(self.tied[depth, i], t, j, j_up, depth)
            if by_whom[0] >= 0 or j != c or row < 0:
                return j
        return -1

    cdef int64_t holder(self, int64_t t, int64_t leader, int64_t j, bint up, int depth) noexcept nogil:
        """The table that holds a count, of those that do not move with it; -1 for none."""
        cdef int64_t k, p, o
        for k in range(self.pair_starts[t], self.pair_starts[t + 1]):
            p = self.pairs[k]
            o = self.other(p, t)
            if not self.moves_with(o, leader, depth) and self.held_by(p, t, j, up):
                return o
        return -1

    cdef int64_t other(self, int64_t p, int64_t t) noexcept nogil:
        return self.whole[p] if self.part[p] == t else self.part[p]

    # ---- more is withheld --------------------------------------------------------------------------------------------

    cdef void go(self, int64_t t, int64_t c, double goal) noexcept nogil:
        """Move a count towards ``goal``. Where it stops before and more may be withheld, what to withhold is kept, if it
        costs less than what is kept already."""
        cdef int64_t k, o, turn
        cdef int there, depth = DEPTH if self.effort > ALONE else 0
        cdef bint up = goal > self.at[t, c]
        cdef double aim = self.x[t, c] + goal
        if self.effort > ALONE:
            self.back()
            up = goal > 0.0
        self.moves = MOVES[self.effort]
        self.ties[depth] = 0
        if self.effort > ALONE and up:
            for k in range(self.above_starts[t], self.above_starts[t + 1]):
                o = self.above[k]
                if aim - self.x[o, c] > 0.0 and not (self.still_table == o and self.still_cell == c):
                    if self.move(o, c, aim - self.x[o, c], depth) < 0:
                        return
        there = self.reach(t, c, goal, depth)
        for turn in range(DEPTH + 1):
            if there or self.effort < WITHHOLDING or self.move(t, c, goal, depth) or self.in_the_way(t, c, up, depth):
                return
            o = self.holder(t, t, c, up, depth)
            if o < 0:
                return
            t, goal = o, aim - self.x[o, c]  # what holds it, and what is in the way of that
            if up != (goal > self.at[t, c]):
                return
            self.moves = MOVES[self.effort]
            there = self.reach(t, c, goal, depth)

    cdef bint in_the_way(self, int64_t t, int64_t c, bint up, int depth) noexcept nogil:
        """Whether there is a count of a table, or of one tied to it, that can be withheld so that another goes further from
        here; or else one of a table that holds one of these. The cheapest is kept, if it costs less than what is kept."""
        cdef int64_t s = self.solution_of(t), row, j, i, k, o, by_whom
        cdef simplex_sums sums
        cdef uint64_t *of_row
        cdef double by
        cdef bint found = False, j_up
        if s < 0 or self.row_of[s, c] < 0:
            return False
        row, sums = self.row_of[s, c], self.sums_of(s)
        of_row = simplex_of_row(&sums, row)
        for i in range(-1, self.ties[depth]):
            o = t if i < 0 else self.tied[depth, i]
            j = -1
            while True:
                j = simplex_next(of_row, j + 1, self.n)
                if j == self.n:
                    break
                by = self.solutions[s, row, j]
                if self.row_of[s, j] < 0 and fabs(by) >= SIMPLEX_FOLLOWS and self.would_help(o, j, (by < 0) == up, by, 1.0):
                    found = True
        if found:
            return True
        for i in range(-1, self.ties[depth]):
            o = t if i < 0 else self.tied[depth, i]
            j = -1
            while True:
                j = simplex_next(of_row, j + 1, self.n)
                if j == self.n:
                    break
                by = self.solutions[s, row, j]
                if self.row_of[s, j] >= 0 or fabs(by) < SIMPLEX_FOLLOWS:
                    continue
                j_up = (by < 0) == up
                for k in range(self.pair_starts[o], self.pair_starts[o + 1]):
                    by_whom = self.other(self.pairs[k], o)
                    if not self.moves_with(by_whom, t, depth) and self.held_by(self.pairs[k], o, j, j_up):
                        if self.would_help(by_whom, j, j_up, by, INDIRECT):
                            found = True
        return found

    cdef bint would_help(self, int64_t o, int64_t j, bint up, double follows, double dearer) noexcept nogil:
        """Whether a count is held by nothing but that it is published: then it is kept, if it is the cheapest."""
        cdef double price
        if self.off[o, j] or self.never[o, j] or not self.held_by_itself(o, j, up):
            return False
        price = dearer * self.costs[o, j] / fmin(fabs(follows), 1.0)
        if price < self.next_price:
            self.next_table, self.next_cell, self.next_price = o, j, price
        return True

    cdef bint hide(self, int64_t t, int64_t c) noexcept nogil:
        """Withhold a count, and the parts that are all of it: as long as these are shown, so is that it is no less."""
        cdef int64_t k, p
        if self.off[t, c] or self.never[t, c]:
            return False
        self.off[t, c] = True
        self.withheld += 1
        self.limit(t, c)
        self.limit_among_others(t, c)
        for k in range(self.pair_starts[t], self.pair_starts[t + 1]):
            self.limit_among_others(self.other(self.pairs[k], t), c)
        for k in range(self.pair_starts[t], self.pair_starts[t + 1]):
            p = self.pairs[k]
            if self.whole[p] == t and self.x[self.part[p], c] == self.x[t, c]:
                self.hide(self.part[p], c)
        return True

    cdef bint widen(self, int64_t t, int64_t c, int64_t p) noexcept nogil:
        """Show that a withheld count (with ``p`` -1) or what a part ``t`` leaves of its whole (pair ``p``) is wide enough,
        with what may be done for it; whether it is shown. Of a rest the one moves, then the other as well, and the other
        way round."""
        cdef int64_t turn, way, first, second
        cdef double top, bottom, goal, left
        cdef bint up
        for turn in range(MANY):
            self.next_cell, self.next_price = -1, INFINITY
            for way in range(2 if p < 0 else 4):
                if self.shown[t, c] if p < 0 else self.rest_shown[p, c]:
                    return True
                up = way % 2 == 0
                top = self.top[t, c] if p < 0 else self.rest_top[p, c]
                bottom = self.bottom[t, c] if p < 0 else self.rest_bottom[p, c]
                goal = bottom + self.width if up else top - self.width
                if p < 0:
                    if self.small[t, c]:
                        goal = fmin(goal, self.smallest - 1.0 - self.x[t, c])
                    goal = fmax(goal, -self.x[t, c])
                if goal <= top + SIMPLEX_SAME if up else goal >= bottom - SIMPLEX_SAME:
                    continue
                if p < 0:
                    self.go(t, c, goal)
                    continue
                first, second = self.whole[p], self.part[p]
                if way < 2:
                    goal, first, second = -goal, self.part[p], self.whole[p]
                self.still_table, self.still_cell = second, c
                self.go(first, c, fmax(goal, -self.x[first, c]))
                self.still_table = first
                left = goal - self.at[first, c]
                if not self.rest_shown[p, c] and fabs(left) > SIMPLEX_SAME:
                    self.moves = MOVES[self.effort]
                    self.reach(second, c, fmax(-left, -self.x[second, c]), DEPTH)
                self.still_table = -1
            if self.shown[t, c] if p < 0 else self.rest_shown[p, c]:
                return True
            if self.effort < WITHHOLDING or self.next_cell < 0:
                return False
            self.hide(self.next_table, self.next_cell)
        return False

    cdef bint loosen(self, int64_t t, int64_t c, int64_t rings) noexcept nogil:
        """Withhold all that a count adds up with, and so on, of its table and of those that hold it closely; whether
        anything was withheld."""
        cdef int64_t ring, r, k, j, of
        cdef bint touches, more = False
        memset(&self.near[0], 0, self.n)
        self.near[c] = 1
        for ring in range(rings):
            for r in range(len(self.starts) - 1):
                touches = False
                for k in range(self.starts[r], self.starts[r + 1]):
                    touches = touches or self.near[self.counts[k]] == 1
                if touches:
                    for k in range(self.starts[r], self.starts[r + 1]):
                        if not self.near[self.counts[k]]:
                            self.near[self.counts[k]] = 2  # of the next ring
            for j in range(self.n):
                self.near[j] = self.near[j] != 0
        for k in range(self.above_starts[t] - 1, self.above_starts[t + 1]):
            of = t if k < self.above_starts[t] else self.above[k]
            if of != t and self.x[of, c] - self.x[t, c] >= self.width:
                continue
            for j in range(self.n):
                if self.near[j] and self.hide(of, j):
                    more = True
        return more

    cdef bint strive(self, int64_t t, int64_t c, int64_t p, int64_t most, int64_t rings) noexcept nogil:
        """All that may be done for a count or a rest, less before more."""
        cdef int64_t effort
        for effort in range(ASKING if most == ASKING else WITHHOLDING, most + 1):
            self.effort = effort
            if self.widen(t, c, p):
                return True
        return rings > 0 and self.loosen(t, c, rings) and self.widen(t, c, p)

    cdef void everything(self, int64_t most, int64_t rank, int64_t rings) noexcept nogil:
        """Widen the counts and rests of all tables, those of a rank and of higher ones, as often as it leads to more."""
        cdef int64_t turn, i, t, c, k, p, before
        for turn in range(ROUNDS):
            before = self.withheld
            for i in range(self.count):
                t = self.order[i]
                self.back()
                self.effort = ALONE
                for c in range(self.n):
                    if most == ASKING and self.waits(t, c, rank):
                        self.widen(t, c, -1)
                for c in range(self.n):
                    if self.waits(t, c, rank) and self.failed[t, c] != self.withheld:
                        if not self.strive(t, c, -1, most, rings):
                            self.failed[t, c] = self.withheld
                for k in range(self.few_starts[t], self.few_starts[t + 1]):
                    p, c = self.few_pair[k], self.few_cell[k]
                    if self.part[p] == t and self.asked[c] and self.ranks[c] >= rank and not self.rest_shown[p, c]:
                        self.strive(t, c, p, most, rings)
            if self.withheld == before:
                break
        self.back()

    cdef bint waits(self, int64_t t, int64_t c, int64_t rank) noexcept nogil:
        return self.asked[c] and self.ranks[c] >= rank and self.off[t, c] and not self.shown[t, c]


def _fits(cells, tables, kin):
    count, n = tables.x.shape
    pairs, few = len(kin.part), len(kin.few_pair)
    sizes = [
        (cells.solution, (len(cells.solved_for), n)), (cells.asked, (n,)), (cells.ranks, (n,)),
        (cells.signs, (len(cells.counts),)), *((one, (count, n)) for one in tables), (kin.whole, (pairs,)),
        *((one, (count + 1,)) for one in (kin.pair_starts, kin.above_starts, kin.few_starts)), (kin.order, (count,)),
        (kin.few_cell, (few,)), *((one, (pairs, n)) for one in (kin.shown, kin.top, kin.bottom)),
    ]
    ranges = [
        (cells.solved_for, n), (cells.counts, n), (kin.part, count), (kin.whole, count), (kin.pairs, pairs),
        (kin.above, count), (kin.order, count), (kin.few_pair, pairs), (kin.few_cell, n),
    ]
    starts = [(cells.starts, cells.counts), (kin.pair_starts, kin.pairs), (kin.above_starts, kin.above),
              (kin.few_starts, kin.few_pair)]
    if (
        not count or not n or any(one.shape != size for one, size in sizes)
        or any(len(one) and not 0 <= one.min() <= one.max() < most for one, most in ranges)
        or any(not len(one) or one[0] != 0 or one[len(one) - 1] != len(of) or (np.diff(one) < 0).any() for one, of in starts)
    ):
        raise ValueError("sizes do not fit each other, or an index is out of range")
