# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, freethreading_compatible=True
"""CSV text to the buffers of Arrow columns. It knows kinds of cells, and nothing of what they mean."""

from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

import os
from typing import NamedTuple

cdef extern from "csv_read.h" nogil:
    int CSV_PAD, CSV_ROWS_NAMED
    int CSV_BOOL, CSV_F64, CSV_F32, CSV_DATE, CSV_TEXT, CSV_LABEL
    int CSV_DONE, CSV_NO_MEMORY

    ctypedef struct csv_bytes:
        uint8_t *at
        int64_t used

    ctypedef struct csv_entry:
        int64_t start, length

    ctypedef struct csv_column:
        int kind
        int64_t position
        uint8_t *values
        uint8_t *valid
        int64_t nulls, bad
        int64_t bad_rows[5]
        csv_bytes text
        csv_entry *entries
        int64_t count
        uint32_t *slots

    ctypedef struct csv_odd:
        int32_t column, row
        uint32_t start, length

    ctypedef struct csv_odds:
        csv_odd *at
        int64_t used

    ctypedef struct csv_state:
        const uint8_t *text
        csv_column *columns
        int64_t wanted
        int64_t width
        int64_t rows
        uint64_t seed
        uint8_t between
        csv_odds odds

    int csv_read(csv_state *st, int64_t length, int64_t most, int fast, uint64_t *high)

PAD = CSV_PAD
_KINDS = {"bool": CSV_BOOL, "f64": CSV_F64, "f32": CSV_F32, "date": CSV_DATE, "text": CSV_TEXT, "label": CSV_LABEL}
_BITS = {"bool": 1, "f64": 64, "f32": 32, "date": 32, "text": 32, "label": 32}
cdef int64_t _LONGEST = (1 << 31) - 128
cdef uint64_t _SEED = int.from_bytes(os.urandom(8), "little")  # nobody can choose labels that collide


class Found(NamedTuple):
    """One column: how many of its rows are null, the first rows whose cell is not of its kind, its text."""

    nulls: int
    bad_rows: tuple
    text: object
    offsets: object


def most_rows(length, width):
    """The most rows that a text of so many bytes can have, with so many cells in a row."""
    return (length + 1) // width + 1


def layout(kinds, rows):
    """Where the columns lie in the buffer that `read` fills: a list of (start, bytes, start of the validity bits) for
    each, and the bytes in all. A row more than `rows` has room, for the offsets of text."""
    cdef list found = []
    words = rows // 64 + 1
    at = 0
    for kind in kinds:
        size = words * 8 * _BITS[kind]
        found.append((at, size, at + size))
        at += size + words * 8
    return found, at


def read(text, int64_t length, int64_t width, wanted, out, int64_t rows, *, between=b",", bint plain=False):
    """Parse whole lines of `width` cells into columns; releases the GIL.

    ``text`` is a writable buffer with room for `PAD` bytes after the first ``length``; they are overwritten.
    ``wanted`` gives (position, kind) of each column; ``out`` is a buffer laid out by `layout` for ``rows`` rows.
    ``between`` is the one byte that stands between cells; ``plain`` keeps to instructions that every machine has. Returns None if the lines are not rows of a CSV file, or more
    than ``rows``; otherwise (rows, whether all is ASCII, a `Found` for each column, odd cells). Odd cells are
    numbers yet to be worked out, as (column, row, bytes), the column being an index into ``wanted``.
    """
    cdef Py_buffer source, target
    cdef csv_state st
    cdef uint64_t high = 0
    cdef csv_column *c
    cdef int found
    cdef Py_ssize_t i, n = len(wanted)
    memset(&st, 0, sizeof(st))
    kinds = [kind for _, kind in wanted]
    at, size = layout(kinds, rows)
    cdef int comma = ord(between)
    if not 0 <= length <= _LONGEST or not 0 < width <= _LONGEST or rows < 0:
        raise ValueError("length, width or rows out of range")
    if comma > 127 or comma in b'\r\n"':
        raise ValueError("cells cannot stand apart by this")
    PyObject_GetBuffer(text, &source, PyBUF_WRITABLE)
    try:
        PyObject_GetBuffer(out, &target, PyBUF_WRITABLE)
        try:
            if source.len < length + CSV_PAD or target.len < size:
                raise ValueError("a buffer is too short")
            st.columns = <csv_column *>calloc(n + 1, sizeof(csv_column))
            if st.columns == NULL:
                raise MemoryError
            for i in range(n):
                c = &st.columns[i]
                c.position = wanted[i][0]
                c.kind = _KINDS[wanted[i][1]]
                if not 0 <= c.position < width:
                    raise ValueError("there is no such cell in a row")
                c.values = <uint8_t *>target.buf + <int64_t>at[i][0]
                c.valid = <uint8_t *>target.buf + <int64_t>at[i][2]
            memset(<uint8_t *>source.buf + length, 10, CSV_PAD)
            st.text = <const uint8_t *>source.buf
            st.wanted = n
            st.width = width
            st.seed = _SEED
            st.between = comma
            with nogil:
                found = csv_read(&st, length, rows, not plain, &high)
            if found == CSV_NO_MEMORY:
                raise MemoryError
            if found != CSV_DONE:
                return None
            columns = [_found(&st.columns[i]) for i in range(n)]
            odd = [
                (st.odds.at[i].column, st.odds.at[i].row,
                 (<const char *>st.text + st.odds.at[i].start)[:st.odds.at[i].length])
                for i in range(st.odds.used)
            ]
            return st.rows, high == 0, columns, odd
        finally:
            PyBuffer_Release(&target)
            if st.columns != NULL:
                for i in range(n):
                    free(st.columns[i].text.at)
                    free(st.columns[i].entries)
                    free(st.columns[i].slots)
            free(st.columns)
            free(st.odds.at)
    finally:
        PyBuffer_Release(&source)


cdef object _found(csv_column *c):
    cdef int64_t i
    cdef int32_t offset
    bad = tuple([c.bad_rows[i] for i in range(min(c.bad, CSV_ROWS_NAMED))])
    text = offsets = None
    if c.kind == CSV_TEXT or c.kind == CSV_LABEL:
        text = (<const char *>c.text.at)[:c.text.used]
    if c.kind == CSV_LABEL:
        ends = bytearray(4 * (c.count + 1))
        for i in range(c.count):
            offset = <int32_t>(c.entries[i].start + c.entries[i].length)
            memcpy(<uint8_t *>ends + 4 * (i + 1), &offset, 4)
        offsets = bytes(ends)
    return Found(c.nulls, bad, text, offsets)
