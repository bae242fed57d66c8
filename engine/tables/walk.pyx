# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True, freethreading_compatible=True
"""Walking tables from where they truly are to where few counts can be told apart any more.

Each table is somewhere (``at``, how far each count is from the truth); all of them together are somewhere that is
possible. One table moves at a time, by the simplex method (simplex.h), within what the others leave it: so each place
that any of them comes to is a witness for all. Where a count goes no further because another table holds it or a count
that it depends on (a part cannot be more than its whole), that one is asked to move first, and those that hold it before;
and if it cannot, since the first holds it too, both are tied together and make the same move. Of parts that are all of
their whole together none can move alone: one of the others is tied to it from the start, and goes down where it goes up.
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

    ctypedef struct simplex_bounds:
        double *low
        double *high
        int64_t *known
        int64_t now
        void (*find)(void *of, int64_t cell) noexcept nogil
        void *of

    ctypedef struct simplex_path:
        int64_t *cells
        double *before
        uint8_t *among
        int64_t many

    int64_t simplex_words(int64_t bits)
    int64_t simplex_next(const uint64_t *bits, int64_t after, int64_t count)
    uint64_t *simplex_of_row(const simplex_sums *s, int64_t row)
    bint simplex_has(const uint64_t *bits, int64_t bit)
    void simplex_set(uint64_t *bits, int64_t bit)
    void simplex_look(const simplex_sums *s)
    void simplex_solve(const simplex_sums *s, const int64_t *order, uint8_t *used, int64_t *there)
    int64_t simplex_push(const simplex_sums *s, const simplex_bounds *bounds, double *at, int64_t cell, double sign,
                         double goal, simplex_path *path, int64_t *there)
    bint simplex_within(const simplex_bounds *bounds, const double *at, const simplex_path *path)
    bint simplex_adds_up(const int64_t *cells_of, const double *signs, int64_t start, int64_t end, const double *at)

cdef enum:
    # what may be done for a count
    ALONE = 0        # its table moves
    ASKING = 1       # others make way
    WITHHOLDING = 2  # and more is withheld
    LAST = 3         # and more moves may be made

    DEPTH = 3        # tables that ask each other, one after the other
    TIED = 8         # tables that move with one, at most
    PARTNERS = 12    # of parts that are all of their whole: so many others are tried, one after the other
    FEWER = 3        # before the last
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
    cdef const int64_t[::1] whole, part_starts, parts, bond_starts, bonds, above_starts, above, order
    cdef const int64_t[::1] few_starts, few_bond, few_cell
    cdef uint8_t[:, ::1] few
    cdef uint8_t[::1] fixed
    # the tables that have a bond with each
    cdef const int64_t[::1] other_starts, others
    # where the tables are
    cdef double[:, ::1] at
    # how far those that move may go, lowest and highest, found cell by cell; which table that is, at which depth
    cdef double[:, ::1] box
    cdef int64_t[::1] known
    cdef simplex_bounds bounds
    cdef int64_t mover
    cdef int mover_depth
    # the bonds that do not stay as they are when these move, and how fast each goes; others that are not where they
    # truly are
    cdef int64_t[::1] strained, astray
    cdef double[::1] strain, strain_of
    cdef uint8_t[::1] touched
    cdef int64_t strains, strays
    # how far each count may go by itself, and while all other tables are where they truly are; what the parts of a bond
    # leave of the whole, at least and at most
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
    # what moves with the table that asks at a depth, the same way (1) or the other way (-1); which partner is tried
    cdef int64_t[:, ::1] tied
    cdef double[:, ::1] tied_sign
    cdef int64_t partner
    # of how many bonds each table is that are always nought; in which share of its cells it has room to move
    cdef const int64_t[::1] bound_to
    cdef double[::1] ease
    cdef int64_t[::1] ties, leader
    cdef int asked_from
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
        self.whole, self.part_starts, self.parts = held["kin.whole"], held["kin.part_starts"], held["kin.parts"]
        self.bond_starts, self.bonds = held["kin.bond_starts"], held["kin.bonds"]
        self.above_starts, self.above, self.order = held["kin.above_starts"], held["kin.above"], held["kin.order"]
        self.few_starts, self.few_bond, self.few_cell = held["kin.few_starts"], held["kin.few_bond"], held["kin.few_cell"]
        self.few = np.zeros((len(kin.whole), self.n), np.uint8)
        np.asarray(self.few)[kin.few_bond, kin.few_cell] = True
        self.rest_shown, self.rest_top, self.rest_bottom = held["kin.shown"], held["kin.top"], held["kin.bottom"]
        self.at, self.box, self.known = np.zeros((self.count, self.n)), np.zeros((2, self.n)), np.zeros(self.n, np.int64)
        self.bounds.known, self.bounds.now = &self.known[0], 0
        self.other_starts, self.others = _others(self.count, kin)
        self.strained, self.strain_of = np.zeros(len(kin.whole), np.int64), np.zeros(len(kin.whole))
        self.strain, self.touched = np.zeros(len(kin.whole)), np.zeros(len(kin.whole), np.uint8)
        self.astray, self.partner = np.zeros(self.count, np.int64), 0
        self.before, self.came_by = np.zeros(self.n), np.zeros(self.n, np.int64)
        self.among = np.zeros(self.n, np.uint8)
        self.tied, self.ties = np.zeros((DEPTH + 1, TIED), np.int64), np.zeros(DEPTH + 1, np.int64)
        self.tied_sign, self.leader, self.asked_from = np.ones((DEPTH + 1, TIED)), np.full(DEPTH + 1, -1), 0
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
        self.rest, self.least, self.most = (np.empty((len(kin.whole), self.n)) for _ in range(3))
        self.fixed = _fixed(tables.x, kin)
        self.bound_to = np.bincount(
            np.repeat(np.arange(self.count), np.diff(kin.bond_starts))[np.asarray(self.fixed)[kin.bonds] != 0],
            minlength=self.count,
        )
        for t in range(self.count):
            for c in range(self.n):
                self.limit(t, c)
        self.ease = np.zeros(self.count)
        for t in range(self.count):
            for c in range(self.n):
                self.limit_among_others(t, c)
                if self.low[t, c] <= -self.blur and self.high[t, c] >= self.blur:
                    self.ease[t] += 1.0 / self.n
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
        """Make ready to find how far a table may go in each cell, and what is tied to it with it (`bound_in`)."""
        cdef bint found
        self.gather(t, depth)
        self.mover, self.mover_depth = t, depth
        # As while all others are where they truly are, unless one is not.
        found = not self.ties[depth] and not self.strays and self.still_table != t
        self.bounds.low = &self.lowest[t, 0] if found else &self.box[0, 0]
        self.bounds.high = &self.highest[t, 0] if found else &self.box[1, 0]
        self.bounds.find, self.bounds.of = NULL, <void *>self
        if not found:
            self.bounds.find = _bound_in
        self.bounds.now += 1

    cdef void gather(self, int64_t t, int depth) noexcept nogil:
        """Find the bonds that do not stay as they are when a table moves, and what is tied to it with it."""
        cdef int64_t i, k, p, m, many = 0
        cdef double sign
        for i in range(-1, self.ties[depth]):
            m, sign = (t, 1.0) if i < 0 else (self.tied[depth, i], self.tied_sign[depth, i])
            for k in range(self.bond_starts[m], self.bond_starts[m + 1]):
                p = self.bonds[k]
                if not self.touched[p]:
                    self.touched[p] = True
                    self.strained[many], many = p, many + 1
                self.strain[p] += self.sign_in(p, m) * sign
        self.strains = self.strays = 0
        for k in range(many):
            p = self.strained[k]
            if self.strain[p] != 0.0:
                self.strained[self.strains], self.strain_of[self.strains] = p, self.strain[p]
                self.strains += 1
            self.strain[p], self.touched[p] = 0.0, False
        for k in range(self.other_starts[t], self.other_starts[t + 1]):
            if self.moved[self.others[k]]:
                self.astray[self.strays], self.strays = self.others[k], self.strays + 1

    cdef double sign_in(self, int64_t p, int64_t t) noexcept nogil:
        """What the rest of a bond does when a table goes up: it goes up with the whole, and down with a part."""
        return 1.0 if self.whole[p] == t else -1.0

    cdef double left(self, int64_t p, int64_t c) noexcept nogil:
        """What the parts leave of the whole, where they are."""
        cdef int64_t k
        cdef double found = self.rest[p, c] + self.at[self.whole[p], c]
        for k in range(self.part_starts[p], self.part_starts[p + 1]):
            found -= self.at[self.parts[k], c]
        return found

    cdef void bound_in(self, int64_t c) noexcept nogil:
        """How far those that move may go in a cell: the least that each of them leaves, and each bond."""
        cdef int64_t t = self.mover, k, m, p
        cdef int depth = self.mover_depth
        cdef double now = self.at[t, c], low = self.low[t, c], high = self.high[t, c], l, h, left, by
        cdef bint alone = not self.ties[depth]
        if alone:
            for k in range(self.strays):
                if simplex_has(&self.off_truth[self.astray[k], 0], c):
                    alone = False
                    break
            if alone:
                low, high = self.lowest[t, c], self.highest[t, c]
        if not alone:
            for k in range(self.ties[depth]):
                m = self.tied[depth, k]
                l, h = self.low[m, c] - self.at[m, c], self.high[m, c] - self.at[m, c]
                if self.still_table == m and self.still_cell == c:
                    l = h = 0.0
                if self.tied_sign[depth, k] < 0.0:
                    l, h = -h, -l
                low, high = max(low, now + l), min(high, now + h)
            for k in range(self.strains):
                p, by = self.strained[k], self.strain_of[k]
                left = self.left(p, c)
                l, h = (self.least[p, c] - left) / by, (self.most[p, c] - left) / by
                if by < 0.0:
                    l, h = h, l
                low, high = max(low, now + l), min(high, now + h)
        if self.still_table == t and self.still_cell == c:
            low = high = now
        self.box[0, c], self.box[1, c] = low, high

    cdef void limit_among_others(self, int64_t t, int64_t c) noexcept nogil:
        """Note how far a count may go while all other tables are where they truly are."""
        cdef int64_t k, p
        cdef double low = self.low[t, c], high = self.high[t, c], l, h
        for k in range(self.bond_starts[t], self.bond_starts[t + 1]):
            p = self.bonds[k]
            l, h = self.least[p, c] - self.rest[p, c], self.most[p, c] - self.rest[p, c]
            if self.sign_in(p, t) < 0.0:
                l, h = -h, -l
            low, high = max(low, l), min(high, h)
        self.lowest[t, c], self.highest[t, c] = low, high

    cdef bint moves_with(self, int64_t o, int64_t leader, int depth) noexcept nogil:
        cdef int64_t i
        for i in range(self.ties[depth]):
            if self.tied[depth, i] == o:
                return True
        return o == leader

    cdef void limit(self, int64_t t, int64_t c) noexcept nogil:
        """Note how far a count may go by itself, and what is known of the rests that it is in. Of what several parts leave
        nothing is known but that it is not under nought, or that it is always nought."""
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
        for k in range(self.bond_starts[t], self.bond_starts[t + 1]):
            p = self.bonds[k]
            i, o = self.parts[self.part_starts[p]], self.whole[p]
            if not self.is_pair(p):
                x = self.x[o, c]
                for i in range(self.part_starts[p], self.part_starts[p + 1]):
                    x -= self.x[self.parts[i], c]
                self.rest[p, c], self.least[p, c], self.most[p, c] = x, 0.0, 0.0 if self.fixed[p] else ANY
                continue
            x = self.x[o, c] - self.x[i, c]
            out = not self.off[i, c] and not self.off[o, c]
            self.rest[p, c], self.least[p, c], self.most[p, c] = x, 0.0, ANY
            if x == 0.0:
                self.most[p, c] = 0.0 if out else ANY
            elif x < self.smallest:
                self.most[p, c] = ANY if self.small[i, c] else self.smallest - 1.0
            elif out:
                self.least[p, c] = self.smallest

    cdef bint is_pair(self, int64_t p) noexcept nogil:
        return self.part_starts[p + 1] - self.part_starts[p] == 1

    cdef bint holds_at(self, int64_t p, int64_t c, bint up) noexcept nogil:
        """Whether the rest of a bond cannot go up (or down)."""
        cdef double now = self.left(p, c)
        return now >= self.most[p, c] - SIMPLEX_SAME if up else now <= self.least[p, c] + SIMPLEX_SAME

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
        path.cells, path.before, path.among, path.many = &self.came_by[0], &self.before[0], &self.among[0], 0
        took = simplex_push(
            &sums, &self.bounds, &self.at[t, 0], c, 1.0 if goal > self.at[t, c] else -1.0, goal, &path, &self.there[0],
        )
        self.moves -= 1
        self.steps[s] += took if took > 0 else -took
        sound = simplex_within(&self.bounds, &self.at[t, 0], &path)
        sound = self.moved_by(t, &path) and sound
        for i in range(self.ties[depth]):
            o = self.tied[depth, i]
            for k in range(path.many):
                j = path.cells[k]
                self.at[o, j] += self.tied_sign[depth, i] * (self.at[t, j] - path.before[k])
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
            simplex_set(&self.off_truth[t, 0], path.cells[k])
        for k in range(path.many):
            c = path.cells[k]
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
        cdef int64_t t, c
        for t in range(self.count):
            if self.moved[t]:
                self.moved[t] = False
                c = simplex_next(&self.off_truth[t, 0], 0, self.n)
                while c < self.n:
                    self.at[t, c] = 0.0
                    c = simplex_next(&self.off_truth[t, 0], c + 1, self.n)
                memset(&self.off_truth[t, 0], 0, simplex_words(self.n) * sizeof(uint64_t))

    cdef void note(self, int64_t t, const simplex_path *path) noexcept nogil:
        """A table has come to somewhere possible, by these cells."""
        cdef int64_t c, k, p, b
        cdef double by
        for k in range(path.many):
            c = path.cells[k]
            for b in range(self.bond_starts[t], self.bond_starts[t + 1]):
                p = self.bonds[b]
                if not self.few[p, c] or self.rest_shown[p, c]:
                    continue
                by = self.left(p, c) - self.rest[p, c]
                self.rest_top[p, c] = fmax(self.rest_top[p, c], by)
                self.rest_bottom[p, c] = fmin(self.rest_bottom[p, c], by)
                if self.rest_top[p, c] - self.rest_bottom[p, c] >= self.width - TINY:
                    self.rest_shown[p, c] = True
            by = self.at[t, c]
            if by > self.top[t, c]:
                self.top[t, c] = by
            elif by < self.bottom[t, c]:
                self.bottom[t, c] = by
            else:
                continue
            if self.top[t, c] - self.bottom[t, c] >= self.width - TINY:
                self.shown[t, c] = True

    # ---- others make way ---------------------------------------------------------------------------------------------

    cdef int reach(self, int64_t t, int64_t c, double goal, int depth) noexcept nogil:
        """Move a count of a table to ``goal``, or as far as it goes while those that hold it are asked to go out of its
        way, and those that hold these (``depth`` of them after each other); who cannot is tied to it. As `move`."""
        cdef bint up = goal > self.at[t, c], j_up = False, o_up = False
        cdef int there
        cdef int64_t idle = 0, j, o = -1, p = -1
        cdef uint8_t *tried = &self.tried[depth, 0]
        cdef double by = 0.0, before, further, left, nearest
        self.ties[depth], self.leader[depth] = 0, t
        memset(tried, 0, self.n)
        if not self.bind(t, c, up, depth):
            return 0
        there = self.move(t, c, goal, depth)
        nearest = fabs(goal - self.at[t, c])
        while there == 0 and depth > 0 and self.moves > 0 and idle <= IDLE:
            if self.solution_of(t) >= 0:
                j = self.holds(t, c, up, depth, tried, &p, &o, &by, &j_up, &o_up)
                if j < 0:
                    break
                if o >= 0:
                    if not self.fixed[p]:  # else it cannot go out of the way without this one
                        before, left = self.at[o, j], fmax(fabs(goal - self.at[t, c]) / by, 1.0)
                        further = before + left if o_up else fmax(before - left, -self.x[o, j])
                        if fabs(further - before) > SIMPLEX_SAME and self.reach(o, j, further, depth - 1) < 0:
                            return -1
                        if fabs(self.at[o, j] - before) > LITTLE:
                            continue
                    if not self.tie(o, 1.0 if o_up == j_up else -1.0, depth) or not self.bind(t, j, j_up, depth):
                        tried[j] = True
                        continue
                else:
                    tried[j] = True
            before = self.at[t, c]
            there = self.move(t, c, goal, depth)
            idle += 1
            if fabs(goal - self.at[t, c]) < nearest - LITTLE if self.bound_to[t] else fabs(self.at[t, c] - before) > LITTLE:
                idle, nearest = 0, fabs(goal - self.at[t, c])
                memset(tried, 0, self.n)
        return there

    cdef int reach_with_any(self, int64_t t, int64_t c, double goal, int depth) noexcept nogil:
        """As `reach`; of parts that are all of their whole with one partner after the other, each from where the last left
        it."""
        cdef int there
        cdef int64_t nth = 0
        cdef double before
        self.asked_from = depth
        there = self.reach(t, c, goal, depth)
        while there == 0 and self.bound_to[t] and nth < (PARTNERS if self.effort == LAST else FEWER) and self.moves > 0:
            before, self.partner = self.at[t, c], nth
            there = self.reach(t, c, goal, depth)
            nth = 0 if fabs(goal - self.at[t, c]) < fabs(goal - before) - LITTLE else nth + 1
        self.partner = 0
        return there

    cdef bint tie(self, int64_t o, double sign, int depth) noexcept nogil:
        if self.ties[depth] == TIED or o == self.still_table:
            return False
        self.tied[depth, self.ties[depth]], self.tied_sign[depth, self.ties[depth]] = o, sign
        self.ties[depth] += 1
        return True

    cdef bint bind(self, int64_t t, int64_t c, bint up, int depth) noexcept nogil:
        """Tie to a table, which is to go up (or down) in a cell, what has to go with it, since parts are all of their
        whole; whether that can be. If not, what was tied for it is not any more."""
        cdef int64_t k, p, o, before = self.ties[depth], nth = self.partner
        cdef bint rest_up
        self.partner = 0
        while True:
            self.gather(t, depth)
            p = -1
            for k in range(self.strains):
                if self.fixed[self.strained[k]]:
                    p, rest_up = self.strained[k], up == (self.strain_of[k] > 0.0)
                    break
            if p < 0:
                return True
            o = self.answer(p, t, c, rest_up, depth, nth, True) if fabs(self.strain_of[k]) == 1.0 else -1
            nth = 0
            if o < 0 or not self.tie(o, 1.0 if self.goes_up(p, o, rest_up) == up else -1.0, depth):
                self.ties[depth] = before
                return False

    cdef bint goes_up(self, int64_t p, int64_t o, bint rest_up) noexcept nogil:
        """Whether a table of a bond goes up, so that the rest stays, which others raise (or lower)."""
        return (self.sign_in(p, o) > 0.0) != rest_up

    cdef bint asks(self, int64_t o, int depth) noexcept nogil:
        """Whether a table, or what is tied to it, asks those at this depth to go out of its way: these do not take it
        along."""
        cdef int d
        for d in range(depth + 1, self.asked_from + 1):
            if self.moves_with(o, self.leader[d], d):
                return True
        return False

    cdef int64_t answer(
        self, int64_t p, int64_t t, int64_t c, bint rest_up, int depth, int64_t nth, bint tying
    ) noexcept nogil:
        """Of the tables of a bond that do not move with one, and may be tied to it (``tying``), the ``nth`` best to keep
        the rest as it is, which is to go up (or down) in a cell: who has most room, there and everywhere, and parts rather
        than the whole. -1 for none."""
        cdef int64_t k, o, best = -1, taken
        cdef double most, room, last = INFINITY
        cdef int64_t last_one = -1
        for taken in range(nth + 1):
            best, most = -1, -1.0
            for k in range(self.part_starts[p] - 1, self.part_starts[p + 1]):
                o = self.whole[p] if k < self.part_starts[p] else self.parts[k]
                if self.moves_with(o, t, depth) or (tying and (o == self.still_table or self.asks(o, depth))):
                    continue
                room = self.high[o, c] - self.at[o, c] if self.goes_up(p, o, rest_up) else self.at[o, c] - self.low[o, c]
                room = (fmin(room, self.width) / self.width + self.ease[o]) * (0.5 if o == self.whole[p] else 1.0)
                if room > most and (room < last or (room == last and o > last_one)):
                    best, most = o, room
            if best < 0:
                return -1
            last, last_one = most, best
        return best

    cdef int64_t holds(
        self, int64_t t, int64_t c, bint up, int depth, const uint8_t *tried, int64_t *by_bond, int64_t *by_whom,
        double *follows, bint *goes_up, bint *whom_up,
    ) noexcept nogil:
        """Where a count that goes no further is held by another table: the cell (-1 for none), the bond and that table (-1
        where nothing holds it any more), by how much the count follows it, whether it is to go up, and that table."""
        cdef int64_t s = self.solution_of(t), row = self.row_of[s, c], j = -1, i
        cdef simplex_sums sums = self.sums_of(s)
        cdef double by
        cdef bint j_up, itself
        self.gather(t, depth)
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
                itself = itself or self.held_by_itself(self.tied[depth, i], j, j_up == (self.tied_sign[depth, i] > 0.0))
            if itself:
                continue
            follows[0], goes_up[0] = fabs(by), j_up
            by_whom[0] = self.holder(t, j, j_up, depth, by_bond, whom_up)
            if by_whom[0] >= 0 or j != c or row < 0:
                return j
        return -1

    cdef int64_t holder(
        self, int64_t t, int64_t j, bint up, int depth, int64_t *by_bond, bint *goes_up
    ) noexcept nogil:
        """The table that holds a count of those that move together, by which bond, and whether it would go up to make way;
        -1 for none. These must be those last gathered."""
        cdef int64_t k, p, o
        cdef bint rest_up
        for k in range(self.strains):
            p, rest_up = self.strained[k], up == (self.strain_of[k] > 0.0)
            if fabs(self.strain_of[k]) == 1.0 and self.holds_at(p, j, rest_up):
                o = self.answer(p, t, j, rest_up, depth, 0, self.fixed[p])
                if o >= 0:
                    by_bond[0], goes_up[0] = p, self.goes_up(p, o, rest_up)
                    return o
        return -1

    # ---- more is withheld --------------------------------------------------------------------------------------------

    cdef void go(self, int64_t t, int64_t c, double goal) noexcept nogil:
        """Move a count towards ``goal``. Where it stops before and more may be withheld, what to withhold is kept, if it
        costs less than what is kept already."""
        cdef int64_t k, o, p = -1, turn
        cdef int there, depth = DEPTH if self.effort > ALONE else 0
        cdef bint up = goal > self.at[t, c], o_up = False
        cdef double aim = self.x[t, c] + goal
        if self.effort > ALONE:
            self.back()
            up = goal > 0.0
        self.moves = MOVES[self.effort]
        self.ties[depth] = 0
        if self.effort > ALONE and up:
            for k in range(self.above_starts[t], self.above_starts[t + 1]):
                o = self.above[k]
                if aim - self.x[o, c] <= 0.0 or (self.still_table == o and self.still_cell == c):
                    continue
                self.ties[depth] = 0
                there = (
                    self.reach_with_any(o, c, aim - self.x[o, c], depth)
                    if self.bound_to[o] else self.move(o, c, aim - self.x[o, c], depth)
                )
                if there < 0:
                    return
        there = self.reach_with_any(t, c, goal, depth)
        for turn in range(DEPTH + 1):
            if there or self.effort < WITHHOLDING or self.stands_in_the_way(t, c, goal, up, depth):
                return
            self.gather(t, depth)
            o = self.holder(t, c, up, depth, &p, &o_up)
            if o < 0:
                return
            # What holds it, and what is in the way of that: as far as it is to go itself, or as much as is missing.
            if self.is_pair(p):
                goal = aim - self.x[o, c]
                if o_up != (goal > self.at[o, c]):
                    return
            else:
                goal = fabs(aim - self.x[t, c] - self.at[t, c])
                goal = self.at[o, c] + (goal if o_up else -goal)
                aim = self.x[o, c] + goal
            t, up = o, o_up
            self.moves = MOVES[self.effort]
            there = self.reach_with_any(t, c, goal, depth)

    cdef bint stands_in_the_way(self, int64_t t, int64_t c, double goal, bint up, int depth) noexcept nogil:
        """Whether there is something `in_the_way` of a count that goes no further, or it goes after all; of parts that are
        all of their whole, with any partner."""
        cdef int64_t nth
        cdef bint found = False
        if not self.bound_to[t]:
            return self.move(t, c, goal, depth) or self.in_the_way(t, c, up, depth)
        for nth in range(PARTNERS if self.effort == LAST else FEWER):
            self.partner, self.ties[depth] = nth, 0
            if not self.bind(t, c, up, depth):
                break
            if self.move(t, c, goal, depth):
                return True
            found = self.in_the_way(t, c, up, depth) or found
        return found

    cdef bint in_the_way(self, int64_t t, int64_t c, bint up, int depth) noexcept nogil:
        """Whether there is a count of a table, or of one tied to it, that can be withheld so that another goes further from
        here; or else one of a table that holds one of these. The cheapest is kept, if it costs less than what is kept."""
        cdef int64_t s = self.solution_of(t), row, j, i, k, m, o, p
        cdef double by
        cdef bint found = False, j_up, rest_up
        for i in range(self.ties[depth] if self.bound_to[t] else 0):
            if self.would_help(self.tied[depth, i], c, up == (self.tied_sign[depth, i] > 0.0), 1.0, 1.0):
                found = True
        if s < 0 or self.row_of[s, c] < 0:
            return found
        row = self.row_of[s, c]
        for i in range(-1, self.ties[depth]):
            o = t if i < 0 else self.tied[depth, i]
            j = self.next_followed(s, row, -1)
            while j < self.n:
                by = self.solutions[s, row, j]
                j_up = ((by < 0) == up) == (i < 0 or self.tied_sign[depth, i] > 0.0)
                if self.would_help(o, j, j_up, by, 1.0):
                    found = True
                j = self.next_followed(s, row, j)
        if found:
            return True
        self.gather(t, depth)
        j = self.next_followed(s, row, -1)
        while j < self.n:
            by = self.solutions[s, row, j]
            for k in range(self.strains):
                p = self.strained[k]
                rest_up = ((by < 0) == up) == (self.strain_of[k] > 0.0)
                if not self.holds_at(p, j, rest_up):
                    continue
                for m in range(self.part_starts[p] - 1, self.part_starts[p + 1]):
                    o = self.whole[p] if m < self.part_starts[p] else self.parts[m]
                    if not self.moves_with(o, t, depth):
                        if self.would_help(o, j, self.goes_up(p, o, rest_up), by, INDIRECT):
                            found = True
            j = self.next_followed(s, row, j)
        return found

    cdef int64_t next_followed(self, int64_t s, int64_t row, int64_t j) noexcept nogil:
        """The next free cell that the count of a row follows noticeably; as many as there are cells for none."""
        cdef simplex_sums sums = self.sums_of(s)
        while True:
            j = simplex_next(simplex_of_row(&sums, row), j + 1, self.n)
            if j == self.n or (self.row_of[s, j] < 0 and fabs(self.solutions[s, row, j]) >= SIMPLEX_FOLLOWS):
                return j

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
        cdef int64_t k, p, o
        if self.off[t, c] or self.never[t, c]:
            return False
        self.off[t, c] = True
        self.withheld += 1
        self.limit(t, c)
        self.limit_among_others(t, c)
        for k in range(self.bond_starts[t], self.bond_starts[t + 1]):
            p = self.bonds[k]
            if self.is_pair(p):  # what is known of its rest is less now
                self.limit_among_others(self.whole[p] if self.whole[p] != t else self.parts[self.part_starts[p]], c)
        for k in range(self.bond_starts[t], self.bond_starts[t + 1]):
            p = self.bonds[k]
            o = self.parts[self.part_starts[p]]
            if self.is_pair(p) and self.whole[p] == t and self.x[o, c] == self.x[t, c]:
                self.hide(o, c)
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
                first, second = self.whole[p], self.parts[self.part_starts[p]]
                if way < 2:
                    goal, first, second = -goal, second, first
                self.still_table, self.still_cell = second, c
                self.go(first, c, fmax(goal, -self.x[first, c]))
                self.still_table = first
                left = goal - self.at[first, c]
                if not self.rest_shown[p, c] and fabs(left) > SIMPLEX_SAME:
                    self.moves = MOVES[self.effort]
                    self.reach_with_any(second, c, fmax(-left, -self.x[second, c]), DEPTH)
                self.still_table = -1
            if self.shown[t, c] if p < 0 else self.rest_shown[p, c]:
                return True
            if self.effort < WITHHOLDING or self.next_cell < 0:
                return False
            self.hide(self.next_table, self.next_cell)
        return False

    cdef bint loosen(self, int64_t t, int64_t c, int64_t rings) noexcept nogil:
        """Withhold all that a count adds up with, and so on, of its table and of those that hold it closely, and of the
        largest of the others that are all of a whole with it; whether anything was withheld."""
        cdef int64_t ring, r, k, j, of, p
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
            more = self.hide_near(of) or more
            for r in range(self.bond_starts[of], self.bond_starts[of + 1]):
                if self.fixed[self.bonds[r]]:
                    more = self.hide_largest(self.bonds[r], of) or more
        return more

    cdef bint hide_largest(self, int64_t p, int64_t t) noexcept nogil:
        """Withhold what is near of the largest part of a bond but a table: what that cannot do without another part."""
        cdef int64_t k, j, best = -1
        cdef double most = -1.0, total
        for k in range(self.part_starts[p], self.part_starts[p + 1]):
            total = 0.0
            for j in range(self.n):
                total += self.x[self.parts[k], j] if self.near[j] else 0.0
            if self.parts[k] != t and total > most:
                best, most = self.parts[k], total
        return self.hide_near(best)

    cdef bint hide_near(self, int64_t t) noexcept nogil:
        cdef int64_t j
        cdef bint more = False
        for j in range(self.n):
            if self.near[j] and self.hide(t, j):
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
                    p, c = self.few_bond[k], self.few_cell[k]
                    if self.whole[p] != t and self.asked[c] and self.ranks[c] >= rank and not self.rest_shown[p, c]:
                        self.strive(t, c, p, most, rings)
            if self.withheld == before:
                break
        self.back()

    cdef bint waits(self, int64_t t, int64_t c, int64_t rank) noexcept nogil:
        return self.asked[c] and self.ranks[c] >= rank and self.off[t, c] and not self.shown[t, c]


def _fits(cells, tables, kin):
    count, n = tables.x.shape
    bonds, few = len(kin.whole), len(kin.few_bond)
    sizes = [
        (cells.solution, (len(cells.solved_for), n)), (cells.asked, (n,)), (cells.ranks, (n,)),
        (cells.signs, (len(cells.counts),)), *((one, (count, n)) for one in tables), (kin.part_starts, (bonds + 1,)),
        *((one, (count + 1,)) for one in (kin.bond_starts, kin.above_starts, kin.few_starts)), (kin.order, (count,)),
        (kin.few_cell, (few,)), *((one, (bonds, n)) for one in (kin.shown, kin.top, kin.bottom)),
    ]
    ranges = [
        (cells.solved_for, n), (cells.counts, n), (kin.parts, count), (kin.whole, count), (kin.bonds, bonds),
        (kin.above, count), (kin.order, count), (kin.few_bond, bonds), (kin.few_cell, n),
    ]
    starts = [(cells.starts, cells.counts), (kin.part_starts, kin.parts), (kin.bond_starts, kin.bonds),
              (kin.above_starts, kin.above), (kin.few_starts, kin.few_bond)]
    if (
        not count or not n or any(one.shape != size for one, size in sizes)
        or any(len(one) and not 0 <= one.min() <= one.max() < most for one, most in ranges)
        or any(not len(one) or one[0] != 0 or one[len(one) - 1] != len(of) or (np.diff(one) < 0).any() for one, of in starts)
    ):
        raise ValueError("sizes do not fit each other, or an index is out of range")
    if (np.diff(kin.part_starts) < 1).any():
        raise ValueError("a bond has no part")
    for p in range(bonds):
        members = [kin.whole[p], *kin.parts[kin.part_starts[p] : kin.part_starts[p + 1]]]
        if len(set(members)) < len(members):
            raise ValueError("a table is in a bond twice")


cdef void _bound_in(void *walk, int64_t c) noexcept nogil:
    (<Walk>walk).bound_in(c)


def _fixed(x, kin):
    """Which bonds have a rest of nought in every cell, of several parts: of one part that is chance, and not known."""
    several = np.diff(kin.part_starts) > 1
    rest = [
        several[p] and (x[kin.whole[p]] == x[kin.parts[kin.part_starts[p] : kin.part_starts[p + 1]]].sum(axis=0)).all()
        for p in range(len(kin.whole))
    ]
    return np.array(rest, np.uint8)


def _others(count, kin):
    """The tables that have a bond with each table."""
    found = [set() for _ in range(count)]
    for p in range(len(kin.whole)):
        members = {int(kin.whole[p]), *kin.parts[kin.part_starts[p] : kin.part_starts[p + 1]].tolist()}
        for t in members:
            found[t] |= members - {t}
    starts = np.cumsum([0, *map(len, found)]).astype(np.int64)
    return starts, np.array([o for some in found for o in sorted(some)], np.int64)
