# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, freethreading_compatible=True
"""Rows counted by cell. See cells.h. Everything runs without the GIL and raises ValueError if sizes do not fit."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

import numpy as np

cdef extern from "arrays/cells.h" nogil:
    int CELLS_TABLES

    ctypedef struct cells_group:
        const uint8_t *codes
        const uint8_t *valid
        int64_t offset
        uint32_t size, stride
        int table

    int64_t cells_numbered(const uint8_t *indices, int width, const uint8_t *valid, int64_t offset, int64_t rows,
                           const int32_t *table, int64_t entries, int32_t *out)
    int64_t cells_within(const int32_t *whole, const uint8_t *indices, int width, const uint8_t *valid, int64_t offset,
                         int64_t rows, const int32_t *table, int64_t entries, int32_t *held, int64_t wholes)
    int64_t cells_of(const int32_t *whole, int64_t most, int64_t width, const cells_group *groups, int count,
                     const uint32_t *first, int tables, int64_t rows, int64_t start, int64_t stop, uint32_t *cells)
    void cells_count(const uint8_t *const *bits, int64_t many, int64_t rows, const uint32_t *cells, int tables,
                     const uint32_t *everybody, int64_t width, uint8_t *dense, uint32_t *const *counts)
    void cells_sum(const uint8_t *values, int is_short, const uint8_t *valid, int64_t rows, const uint32_t *cells,
                   int tables, int64_t *sums, int64_t *squares)

MOST_TABLES = CELLS_TABLES
cdef int64_t _MOST_CELLS = (1 << 32) - 1
cdef int _GROUPS = 32


def numbered(indices, int width, valid, int64_t offset, int64_t rows, const int32_t[::1] table, int32_t[::1] out):
    """`out[row] = table[index]` for a dictionary's indices of so many bytes, -1 for null. Gives the first row whose index
    lies outside the table, or -1."""
    if width not in (1, 2, 4, 8) or not 0 <= offset <= 1 << 50 or not 0 <= rows <= len(out):
        raise ValueError("rows out of range")
    cdef const uint8_t[::1] read = _bytes(indices, (offset + rows) * width)
    cdef const uint8_t[::1] bits = _bytes(b"\0" if valid is None else valid, 0 if valid is None else (offset + rows + 7) // 8)
    cdef const uint8_t *known = NULL
    if valid is not None:
        known = &bits[0]
    cdef const int32_t *entries = NULL
    if len(table):
        entries = &table[0]
    cdef int64_t many = len(table), found
    if rows == 0:
        return -1
    with nogil:
        found = cells_numbered(&read[0], width, known, offset, rows, entries, many, &out[0])
    return found


def within(const int32_t[::1] whole, indices, int width, valid, int64_t offset, const int32_t[::1] table, int32_t[::1] held):
    """Keep in `held` which one of the things of a dictionary, by their numbers in `table`, each whole is in (-1: not said
    yet), from its indices of so many bytes. The first row that says another than those before it, or -1. Null, and -1, say
    nothing. Raises ValueError for an index outside the table."""
    cdef int64_t rows = len(whole), found, many = len(table)
    if width not in (1, 2, 4, 8) or not 0 <= offset <= 1 << 50:
        raise ValueError("rows out of range")
    if rows == 0:
        return -1
    cdef const uint8_t[::1] read = _bytes(indices, (offset + rows) * width)
    cdef const uint8_t[::1] bits = _bytes(b"\0" if valid is None else valid, 0 if valid is None else (offset + rows + 7) // 8)
    cdef const uint8_t *known = NULL
    if valid is not None:
        known = &bits[0]
    cdef const int32_t *entries = NULL
    if many:
        entries = &table[0]
    cdef int64_t wholes = len(held)
    if wholes == 0:
        raise ValueError("there is no whole")
    with nogil:
        found = cells_within(&whole[0], &read[0], width, known, offset, rows, entries, many, &held[0], wholes)
    if found < -1:
        raise ValueError("an index outside the table, or a whole beyond those that there are")
    return found


cdef class Cells:
    """The cells that each of many rows lies in, one of each table.

    `whole`: int32, which whole each row belongs to, below `most`. `tables`: of each its groups, (codes, valid, offset,
    size): a byte a row from row `offset` on, `valid` a bitmap from the same row, or None; nulls and codes beyond the size
    count as its last. A whole has `width` cells: those of the first table with the first group's code moving slowest,
    then those of the next. A row lies in the first cells of the first whole before `fill` has been there.
    """

    cdef readonly int64_t rows, width
    cdef int64_t most
    cdef int tables, groups
    cdef cells_group group[32]
    cdef uint32_t first[8]
    cdef const int32_t[::1] whole
    cdef uint32_t[::1] cells
    cdef list held

    def __init__(self, const int32_t[::1] whole, int64_t most, tables):
        cdef const uint8_t[::1] view
        cdef int64_t stride
        memset(self.group, 0, sizeof(self.group))
        self.rows, self.most, self.whole, self.held = len(whole), most, whole, []
        self.tables, self.groups, self.width = len(tables), 0, 0
        if not 1 <= len(tables) <= CELLS_TABLES or sum(map(len, tables)) > _GROUPS:
            raise ValueError("too many tables or groups")
        for t, groups in enumerate(tables):
            self.first[t] = self.width
            stride = 1
            for codes, valid, offset, size in reversed(groups):
                if not (1 <= size <= 256 and 0 <= offset <= 1 << 50):
                    raise ValueError("a group has 1 to 256 codes")
                view = _bytes(codes, offset + self.rows)
                self.held.append(view)
                self.group[self.groups].codes = &view[0] if self.rows else NULL
                if valid is not None:
                    view = _bytes(valid, (offset + self.rows + 7) // 8)
                    self.held.append(view)
                    self.group[self.groups].valid = &view[0] if self.rows else NULL
                self.group[self.groups].offset = offset
                self.group[self.groups].size = size
                self.group[self.groups].stride = stride
                self.group[self.groups].table = t
                self.groups += 1
                stride *= size
                if stride > _MOST_CELLS:
                    raise ValueError("more cells than can be numbered")
            self.width += stride
        if self.width * most > _MOST_CELLS:
            raise ValueError("more cells than can be numbered")
        self.cells = np.zeros(max(1, self.rows * self.tables), np.uint32)

    def fill(self, int64_t start, int64_t stop):
        """Work out the cells of some rows, each once; several threads may do so for others. The first row that is in no
        whole, or -1."""
        cdef int64_t found
        if not 0 <= start <= stop <= self.rows:
            raise ValueError("rows out of range")
        if start == stop:
            return -1
        with nogil:
            found = cells_of(&self.whole[0], self.most, self.width, self.group, self.groups, self.first, self.tables,
                             self.rows, start, stop, &self.cells[0])
        return found

    def count(self, planes, counts, everybody=None):
        """Add to each of the counts (uint32, a cell each) how many rows of its bitmap, or of all where it is None, lie in
        each cell. ``everybody`` is how many rows lie in each, if that is known already: then bitmaps that are mostly set
        take less time."""
        cdef Py_ssize_t many = len(planes), i
        cdef int64_t bitmap = (self.rows + 7) // 8
        cdef const uint8_t[::1] view
        cdef uint32_t[::1] into
        cdef const uint32_t[::1] all_of
        cdef const uint32_t *whole = NULL
        cdef const uint8_t[::1] dense = np.zeros(many + 1, np.uint8)
        if everybody is not None:
            all_of = everybody
            if len(all_of) < max(1, self.width * self.most):
                raise ValueError("fewer counts than cells")
            whole = &all_of[0]
        if len(counts) != many:
            raise ValueError("as many counts as bitmaps")
        held = []
        cdef uint8_t **bits = <uint8_t **> calloc(many + 1, sizeof(void *))
        cdef uint32_t **tables = <uint32_t **> calloc(many + 1, sizeof(void *))
        try:
            if bits == NULL or tables == NULL:
                raise MemoryError
            for i in range(many):
                into = counts[i]
                if len(into) < max(1, self.width * self.most):
                    raise ValueError("fewer counts than cells")
                held.append(into)
                tables[i] = &into[0]
                if planes[i] is not None:
                    view = _bytes(planes[i], bitmap)
                    held.append(view)
                    bits[i] = <uint8_t *> &view[0]
            if self.rows:
                with nogil:
                    cells_count(<const uint8_t *const *> bits, many, self.rows, &self.cells[0], self.tables,
                                whole, self.width * self.most, <uint8_t *> &dense[0], tables)
        finally:
            free(bits)
            free(tables)

    def sum(self, values, int width, valid, int64_t[::1] sums, int64_t[::1] squares):
        """Add to sums and squares, a cell each, the whole numbers of the rows that are valid, and their squares: int16 (of
        a ``width`` of 2 bytes) or float64 (8)."""
        if width not in (2, 8):
            raise ValueError("numbers of 2 or 8 bytes")
        cdef const uint8_t[::1] numbers = _bytes(values, self.rows * width)
        cdef const uint8_t[::1] bits = _bytes(b"\0" if valid is None else valid, 0 if valid is None else (self.rows + 7) // 8)
        cdef const uint8_t *known = NULL
        if valid is not None:
            known = &bits[0]
        if min(len(sums), len(squares)) < max(1, self.width * self.most):
            raise ValueError("fewer sums than cells")
        if self.rows:
            with nogil:
                cells_sum(&numbers[0], width == 2, known, self.rows, &self.cells[0], self.tables, &sums[0], &squares[0])


def _bytes(buffer, int64_t least):
    view = np.frombuffer(buffer, np.uint8) if memoryview(buffer).nbytes else np.zeros(1, np.uint8)
    if len(view) < least:
        raise ValueError("a buffer is shorter than its rows")
    return view
