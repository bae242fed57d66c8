# cython: language_level=3, boundscheck=False, initializedcheck=False, freethreading_compatible=True
"""Loops over whole columns: ascending, all different, astray; how many at each place."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

import numpy as np

from popstrat.engine._engine import Memory

cdef extern from "arrays/astray.h" nogil:
    enum:
        POINTS_INDICES
        POINTS_OFFSETS
        POINTS_VIEWS
        POINTS_VALID

    ctypedef struct popstrat_pointing:
        int what, width
        const uint8_t *values
        const uint8_t *valid
        int64_t valid_from, rows
        uint64_t entries
        const int64_t *sizes
        int64_t buffers

    int popstrat_increasing(const int64_t *x, int64_t n)
    int64_t popstrat_count_astray(const popstrat_pointing *c, int64_t *found, int64_t most)

cdef extern from "arrays/distinct.h" nogil:
    ctypedef struct popstrat_values:
        const int64_t *start
        int64_t count

    uint64_t popstrat_distinct_span(const popstrat_values *lists, int64_t many, int64_t *least, int64_t *total)
    int popstrat_distinct_is_near(uint64_t span, int64_t total)
    int popstrat_distinct_near(const popstrat_values *lists, int64_t many, int64_t least, uint64_t span)
    int popstrat_distinct_far(const popstrat_values *lists, int64_t many, int64_t total, uint64_t *parted)

cdef int64_t _MOST_ROWS = 1 << 50  # so that no address overflows


def increasing(values, int64_t offset, int64_t rows):
    """Whether `rows` 64-bit integers of a buffer, from row `offset`, go strictly upwards. Releases the GIL."""
    cdef Py_buffer view
    cdef int found
    if rows < 2:
        return True
    if not (0 <= offset <= _MOST_ROWS and rows <= _MOST_ROWS):
        raise ValueError("rows out of range")
    PyObject_GetBuffer(values, &view, PyBUF_SIMPLE)
    try:
        if view.len < (offset + rows) * 8:
            raise ValueError(f"a buffer of {view.len} bytes, where {(offset + rows) * 8} are needed")
        with nogil:
            found = popstrat_increasing(<const int64_t *>view.buf + offset, rows)
    finally:
        PyBuffer_Release(&view)
    return bool(found)


def count_at(const uint8_t[::1] there, const int32_t[::1] places, int64_t[::1] counts, int64_t last=-1):
    """Add to `counts` how many rows that are `there` (1, else 0) have each place; with `last`, rows whose place counts
    back from that, and those beyond the counts are not counted. Releases the GIL.

    Raises ValueError if places and flags are not as many, or, without `last`, a place is not among the counts."""
    cdef int64_t rows = places.shape[0], most = counts.shape[0], i, place
    cdef bint back = last >= 0, astray = False
    if there.shape[0] != rows:
        raise ValueError("there are other flags than places")
    with nogil:
        for i in range(rows):
            place = last - places[i] if back else places[i]
            if 0 <= place < most:
                counts[place] += there[i] & 1
            else:
                astray = True
    if astray and not back:
        raise ValueError("a place is not among the counts")


def distinct(lists):
    """Whether 64-bit integers are all different, over any number of (buffer, offset, rows). Releases the GIL.

    Raises ValueError for a buffer that is too short, MemoryError."""
    cdef int64_t i, offset, rows, many = len(lists)
    cdef int found
    cdef int64_t held = 0, least = 0, total = 0
    cdef uint64_t span
    cdef bint near
    cdef Py_buffer parted
    cdef Py_buffer *views = <Py_buffer *>calloc(many + 1, sizeof(Py_buffer))
    cdef popstrat_values *values = <popstrat_values *>calloc(many + 1, sizeof(popstrat_values))
    try:
        if views == NULL or values == NULL:
            raise MemoryError
        for i, (buffer, offset, rows) in enumerate(lists):
            if not (0 <= offset <= _MOST_ROWS and 0 <= rows <= _MOST_ROWS):
                raise ValueError("rows out of range")
            PyObject_GetBuffer(buffer, &views[i], PyBUF_SIMPLE)
            held += 1
            if views[i].len < (offset + rows) * 8:
                raise ValueError(f"a buffer of {views[i].len} bytes, where {(offset + rows) * 8} are needed")
            values[i].start = <const int64_t *>views[i].buf + offset
            values[i].count = rows
        with nogil:
            span = popstrat_distinct_span(values, many, &least, &total)
        if total < 2:
            return True
        near = popstrat_distinct_is_near(span, total)
        if near:
            with nogil:
                found = popstrat_distinct_near(values, many, least, span)
        else:
            PyObject_GetBuffer(Memory(8 * total), &parted, PyBUF_WRITABLE)
            with nogil:
                found = popstrat_distinct_far(values, many, total, <uint64_t *>parted.buf)
            PyBuffer_Release(&parted)
    finally:
        for i in range(held):
            PyBuffer_Release(&views[i])
        free(views)
        free(values)
    if found < 0:
        raise MemoryError
    return bool(found)


_POINTING = {"indices": (POINTS_INDICES, (1, 2, 4, 8)), "offsets": (POINTS_OFFSETS, (4, 8)), "views": (POINTS_VIEWS, (16,)),
             "valid": (POINTS_VALID, (0,))}


def astray(str what, int width, values, valid, int64_t offset, int64_t rows, entries=0, int64_t most=6):
    """How many of `rows` rows of a column, from row `offset`, point outside what they point into, and the first `most`
    of them, counted from `offset`. Releases the GIL.

    what: "indices", of `width` bytes, into a dictionary of so many `entries` (negative ones are outside); "offsets", of
    4 or 8 bytes, into so many bytes of text; "views" of 16 bytes, `entries` being the sizes of their buffers; "valid":
    the rows that are null. `valid` is a bitmap, or None where nothing is null; only offsets must hold under a null too.
    Raises ValueError for a buffer that is too short.
    """
    cdef popstrat_pointing column
    cdef Py_buffer views[2]
    cdef int64_t found[64]
    cdef int64_t many, needed, held = 0
    cdef const int64_t[::1] sizes
    memset(&column, 0, sizeof(column))
    if what not in _POINTING or width not in _POINTING[what][1]:
        raise ValueError(f"{what} of {width} bytes")
    column.what = _POINTING[what][0]
    if not (0 <= offset <= _MOST_ROWS and 0 <= rows <= _MOST_ROWS and 0 <= most <= 64):
        raise ValueError("rows out of range")
    if rows == 0:
        return 0, []
    if what == "views":
        sizes = np.array([*entries, 0], dtype=np.int64)
        column.sizes, column.buffers = &sizes[0], len(sizes) - 1
    else:
        column.entries = entries
    column.width, column.rows, column.valid_from = width, rows, offset
    try:
        if what != "valid":
            PyObject_GetBuffer(values, &views[held], PyBUF_SIMPLE)
            held += 1
            needed = (offset + rows + (what == "offsets")) * width
            if views[held - 1].len < needed:
                raise ValueError(f"a buffer of {views[held - 1].len} bytes, where {needed} are needed")
            column.values = <const uint8_t *>views[held - 1].buf + offset * width
        if valid is not None:
            PyObject_GetBuffer(valid, &views[held], PyBUF_SIMPLE)
            held += 1
            needed = (offset + rows + 7) // 8
            if views[held - 1].len < needed:
                raise ValueError(f"a bitmap of {views[held - 1].len} bytes, where {needed} are needed")
            column.valid = <const uint8_t *>views[held - 1].buf
        with nogil:
            many = popstrat_count_astray(&column, found, most)
        return many, [found[i] for i in range(min(many, most))]
    finally:
        while held:
            held -= 1
            PyBuffer_Release(&views[held])
