# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, freethreading_compatible=True
"""Rows counted by cell. See cells.h. Everything runs without the GIL and raises ValueError if sizes do not fit."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uintptr_t
from libc.string cimport memset

import numpy as np

cdef extern from "arrays/cells.h" nogil:
    int CELLS_TABLES, CELLS_LANES, CELLS_BLOCK, CELLS_LOCKS
    int64_t CELLS_FINE, CELLS_NOWHERE, CELLS_IN_TWO

    ctypedef struct cells_coded:
        const uint8_t *indices
        const uint8_t *valid
        int64_t offset
        const int32_t *table
        int64_t entries
        int width

    ctypedef struct cells_group:
        const uint8_t *codes
        const uint8_t *valid
        int64_t offset
        uint32_t size, stride
        int table

    ctypedef struct cells_number:
        const uint8_t *values
        const uint8_t *valid
        int width

    ctypedef struct cells_rows:
        cells_coded whole
        const cells_coded *within
        const cells_group *groups
        const uint8_t **bits
        const cells_number *numbers
        int64_t rows, wholes, planes, count_numbers
        uint32_t width
        uint32_t first[8]
        int tables, count_groups, count_within

    ctypedef struct cells_tally:
        uint8_t *few
        uint8_t *since
        int64_t *sums
        uint8_t *turned
        uint32_t *counts
        uint32_t *everybody
        uint8_t *locks
        int64_t units

    int64_t cells_numbered(const cells_coded *of, int64_t first, int64_t rows, int32_t *out)
    int64_t cells_within(const cells_coded *of, const int32_t *whole, int64_t first, int64_t rows, int32_t *held,
                         int64_t wholes)
    int popstrat_best_level()
    int64_t cells_count(int level, const cells_rows *rows, int64_t start, int64_t stop, int32_t **held, const cells_tally *to)
    void cells_hand_over_all(const cells_tally *to, int64_t cells)

MOST_TABLES = CELLS_TABLES
BLOCK = CELLS_BLOCK
FINE, NOWHERE, IN_TWO = CELLS_FINE, CELLS_NOWHERE, CELLS_IN_TWO
cdef int64_t _MOST_CELLS = (1 << 32) - 1
cdef int _GROUPS = 32
cdef int _WITHIN = 8
cdef int _NUMBERS = 4096


cdef class Coded:
    """Indices of a dictionary, of so many bytes each from row `offset` on, and an int32 for each of its entries, -1 for
    none. `valid` is a bitmap from the same row, or None; null is none too. Raises ValueError if a buffer is shorter than
    its rows."""

    cdef readonly int64_t rows
    cdef cells_coded of
    cdef tuple held

    def __init__(self, indices, int width, valid, int64_t offset, int64_t rows, const int32_t[::1] table):
        if width not in (1, 2, 4, 8) or not 0 <= offset <= 1 << 50 or not 0 <= rows <= 1 << 50:
            raise ValueError("rows out of range")
        cdef const uint8_t[::1] read = _bytes(indices, (offset + rows) * width)
        cdef const uint8_t[::1] bits = _bytes(b"\0" if valid is None else valid, 0 if valid is None else (offset + rows + 7) // 8)
        self.rows, self.held = rows, (read, bits, table)
        self.of.indices, self.of.width, self.of.offset, self.of.entries = &read[0], width, offset, len(table)
        self.of.valid, self.of.table = NULL, NULL
        if valid is not None:
            self.of.valid = &bits[0]
        if len(table):
            self.of.table = &table[0]

    def numbers(self, int32_t[::1] out):
        """`out[row]` is the number of each row. Gives the first row whose index lies outside the dictionary, or -1."""
        cdef int64_t found
        if len(out) < self.rows:
            raise ValueError("rows out of range")
        if self.rows == 0:
            return -1
        with nogil:
            found = cells_numbered(&self.of, 0, self.rows, &out[0])
        return found

    def within(self, const int32_t[::1] whole, int32_t[::1] held):
        """Keep in `held` which one of these things each whole is in (-1: not said yet), of rows that belong to `whole`. The
        first row that says another than those before it, or -1. Null, and -1, say nothing. Raises ValueError for an index
        outside the dictionary."""
        cdef int64_t found, wholes = len(held)
        if len(whole) < self.rows:
            raise ValueError("rows out of range")
        if self.rows == 0:
            return -1
        if wholes == 0:
            raise ValueError("there is no whole")
        with nogil:
            found = cells_within(&self.of, &whole[0], 0, self.rows, &held[0], wholes)
        if found < -1:
            raise ValueError("an index outside the table, or a whole beyond those that there are")
        return found


cdef class Cells:
    """A batch of rows to count: the cells that each lies in, one of each table, and what is counted.

    `whole`: which whole each row belongs to, below `most`. `tables`: of each its groups, (codes, valid, offset, size): a
    byte a row from row `offset` on, `valid` a bitmap from the same row, or None; nulls and codes beyond the size count as
    its last. A whole has `width` cells: those of the first table with the first group's code moving slowest, then those of
    the next. `planes`: bitmaps from the first row on. `numbers`: whole numbers of the rows, (values, bytes, valid), int16
    (2 bytes) or float64 (8), `valid` a bitmap from the first row on, or None; nulls count as 0. `within`: of each kind of
    thing that wholes are in, which one each row says. Raises ValueError for a buffer that is shorter than its rows.
    """

    cdef readonly int64_t rows, width
    cdef cells_rows of
    cdef cells_group group[32]
    cdef cells_coded inside[8]
    cdef list held

    def __init__(self, Coded whole, int64_t most, tables, planes=(), numbers=(), within=()):
        cdef const uint8_t[::1] view
        cdef int64_t stride, bitmap = (whole.rows + 7) // 8
        cdef Coded thing
        cdef cells_number *number
        cdef uintptr_t[::1] pointers = np.zeros(len(planes) + 1, np.uintp)
        cdef uint8_t[::1] many = np.zeros((len(numbers) + 1) * sizeof(cells_number), np.uint8)
        memset(&self.of, 0, sizeof(self.of))
        memset(self.group, 0, sizeof(self.group))
        self.rows, self.width, self.held = whole.rows, 0, [whole, pointers, many, *within]
        if not 1 <= len(tables) <= CELLS_TABLES or sum(map(len, tables)) > _GROUPS:
            raise ValueError("too many tables or groups")
        if len(within) > _WITHIN or len(numbers) > _NUMBERS or not 0 <= most < 1 << 31:
            raise ValueError("too many wholes, numbers or things that they are in")
        for t, groups in enumerate(tables):
            self.of.first[t] = self.width
            stride = 1
            for codes, valid, offset, size in reversed(groups):
                if not (1 <= size <= 256 and 0 <= offset <= 1 << 50):
                    raise ValueError("a group has 1 to 256 codes")
                view = _bytes(codes, offset + self.rows)
                self.held.append(view)
                self.group[self.of.count_groups].codes = &view[0]
                if valid is not None:
                    view = _bytes(valid, (offset + self.rows + 7) // 8)
                    self.held.append(view)
                    self.group[self.of.count_groups].valid = &view[0]
                self.group[self.of.count_groups].offset = offset
                self.group[self.of.count_groups].size = size
                self.group[self.of.count_groups].stride = stride
                self.group[self.of.count_groups].table = t
                self.of.count_groups += 1
                stride *= size
                if stride > _MOST_CELLS:
                    raise ValueError("more cells than can be numbered")
            self.width += stride
        if self.width * most > _MOST_CELLS:
            raise ValueError("more cells than can be numbered")
        for i, plane in enumerate(planes):
            view = _bytes(plane, bitmap)
            self.held.append(view)
            pointers[<int64_t> i] = <uintptr_t> &view[0]
        for i, (values, size, valid) in enumerate(numbers):
            if size not in (2, 8):
                raise ValueError("numbers of 2 or 8 bytes")
            number = <cells_number *> &many[0] + <int64_t> i
            view = _bytes(values, self.rows * size)
            self.held.append(view)
            number.values, number.width = &view[0], size
            if valid is not None:
                view = _bytes(valid, bitmap)
                self.held.append(view)
                number.valid = &view[0]
        for i, thing in enumerate(within):
            if thing.rows != self.rows:
                raise ValueError("as many rows as there are")
            self.inside[<int> i] = thing.of
        self.of.whole, self.of.rows, self.of.wholes, self.of.width = whole.of, self.rows, most, self.width
        self.of.tables, self.of.count_within = len(tables), len(within)
        self.of.within, self.of.groups = self.inside, self.group
        self.of.bits, self.of.planes = <const uint8_t **> &pointers[0], len(planes)
        self.of.numbers, self.of.count_numbers = <cells_number *> &many[0], len(numbers)


cdef class Tally:
    """What is counted of many batches, by so many threads, each of which adds to what is its own.

    Of each cell, `width` of them a whole: how many rows there are, how many of each of `planes` bitmaps, and of each of
    `numbers` the sum, and the sum of squares. Nothing is counted before there is room (`grow`). A cell counts up to 2**32 - 1
    rows. Raises ValueError for a size that is negative or too large."""

    cdef readonly int64_t width, planes, numbers, most, threads
    cdef int64_t units
    cdef object counts, everybody
    cdef list few, since, sums, turned
    cdef uint8_t[::1] locks

    def __init__(self, int64_t width, int64_t planes, int64_t numbers, int64_t threads=1):
        if not (1 <= width <= _MOST_CELLS and 0 <= planes <= 1 << 20 and 0 <= numbers <= _NUMBERS and 1 <= threads <= 4096):
            raise ValueError("out of range")
        self.width, self.planes, self.numbers, self.threads, self.most = width, planes, numbers, threads, 0
        self.units = max(1, -(-planes // CELLS_LANES))
        self.locks = np.zeros(CELLS_LOCKS, np.uint8)
        self.counts, self.everybody = np.zeros(0, np.uint32), np.zeros(0, np.uint32)
        self.few, self.since = ([_aligned(0) for _ in range(threads)] for _ in range(2))
        self.sums = [np.zeros(0, np.int64) for _ in range(threads)]
        self.turned = [_aligned(self.units * (CELLS_BLOCK // 8) * CELLS_LANES) for _ in range(threads)]

    def grow(self, int64_t most):
        """Make room for so many wholes. No thread may be counting. Raises ValueError for more cells than can be
        numbered."""
        cdef int64_t cells = self.width * most, lanes = self.units * CELLS_LANES
        if not self.most <= most < 1 << 31 or self.width * most > _MOST_CELLS:
            raise ValueError("more cells than can be numbered")
        counts, everybody = _longer(self.counts, cells * lanes), _longer(self.everybody, cells)
        few, since, sums = [], [], []
        for thread in range(self.threads):
            wider = _aligned(cells * lanes)
            wider[: len(self.few[thread])] = self.few[thread]
            few.append(wider)
            since.append(_longer(self.since[thread], cells))
            sums.append(_longer(self.sums[thread], cells * self.numbers * 2))
        self.counts, self.everybody, self.few, self.since, self.sums = counts, everybody, few, since, sums
        self.most = most

    def add(self, Cells rows, int64_t start, int64_t stop, int64_t thread=0, held=(), level=None):
        """Count the rows from `start`, a multiple of `BLOCK`, to `stop`. Of each kind of thing that wholes are in `held` has
        which one each is in, as `Coded.within` keeps it. Only one caller at a time may count for a thread. ``level`` is the
        instruction set, one of the values of `popstrat.engine.LEVELS`, or None for the best.

        `FINE`, or why it ends before all are counted: the row whose index of a whole lies outside its dictionary, `NOWHERE`
        for a row without a whole, `IN_TWO` if `Coded.within` would find something wrong. Raises ValueError for rows, a thread
        or a level that there is not, and if the batch has not as many cells, bitmaps, numbers and things as are counted."""
        cdef cells_tally to
        cdef int32_t *kept[8]
        cdef int32_t[::1] one
        cdef int64_t found
        cdef int best = popstrat_best_level(), isa = best if level is None else level
        if isa not in (0, 2, 4) or isa > best:
            raise ValueError("this processor has no such instruction set")
        if not (0 <= start <= stop <= rows.rows and start % CELLS_BLOCK == 0 and 0 <= thread < self.threads):
            raise ValueError("rows out of range")
        if rows.width != self.width or rows.of.wholes > self.most:
            raise ValueError("fewer cells than there are")
        if rows.of.planes != self.planes or rows.of.count_numbers != self.numbers or len(held) != rows.of.count_within:
            raise ValueError("as many bitmaps, numbers and things as are counted")
        if start == stop:
            return CELLS_FINE
        if rows.of.wholes == 0:
            return CELLS_NOWHERE
        for i, one in enumerate(held):
            if len(one) < rows.of.wholes:
                raise ValueError("fewer things than wholes")
            kept[<int> i] = &one[0]
        self._to(&to, thread)
        with nogil:
            found = cells_count(isa, &rows.of, start, stop, kept, &to)
        return found

    def finish(self):
        """What was counted, by the number of the whole: of everybody uint32 (whole, cell), of the bitmaps uint32 (whole,
        cell, bitmap), and of the numbers int64 (whole, cell, number, 2: sum and sum of squares). No thread may be
        counting; more may be counted afterwards."""
        cdef cells_tally to
        cdef int64_t thread, cells = self.most * self.width
        for thread in range(self.threads if cells else 0):
            self._to(&to, thread)
            with nogil:
                cells_hand_over_all(&to, cells)
        counts = self.counts.reshape(self.most, self.width, self.units * CELLS_LANES)[:, :, : self.planes]
        sums = np.zeros(cells * self.numbers * 2, np.int64)
        for one in self.sums if self.most else ():
            sums += one
        return self.everybody.reshape(self.most, self.width), counts, sums.reshape(self.most, self.width, self.numbers, 2)

    cdef int _to(self, cells_tally *to, int64_t thread) except -1:
        cdef uint8_t[::1] few = self.few[thread], since = self.since[thread], turned = self.turned[thread]
        cdef int64_t[::1] sums = self.sums[thread]
        cdef uint32_t[::1] counts = self.counts, everybody = self.everybody
        to.few, to.since, to.turned, to.counts, to.everybody = &few[0], &since[0], &turned[0], &counts[0], &everybody[0]
        to.sums = NULL
        if len(sums):
            to.sums = &sums[0]
        to.locks, to.units = &self.locks[0], self.units
        return 0


def _longer(array, int64_t length):
    out = np.zeros(length, array.dtype)
    out[: len(array)] = array
    return out


def _aligned(int64_t length):
    """Bytes of 0 from a multiple of CELLS_LANES on, so that what is added at once lies in one line of the cache."""
    whole = np.zeros(length + CELLS_LANES, np.uint8)
    cdef uint8_t[::1] view = whole
    cdef int64_t start = -<uintptr_t> &view[0] % CELLS_LANES
    return whole[start : start + length]


def _bytes(buffer, int64_t least):
    view = np.frombuffer(buffer, np.uint8) if memoryview(buffer).nbytes else np.zeros(1, np.uint8)
    if len(view) < least:
        raise ValueError("a buffer is shorter than its rows")
    return view
