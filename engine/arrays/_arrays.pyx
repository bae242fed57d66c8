# cython: language_level=3, boundscheck=False, initializedcheck=False, freethreading_compatible=True
"""Loops over whole columns: ascending, all different, astray; how many at each place."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
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

cdef extern from "arrays/views.h" nogil:
    enum:
        VIEW_ENTRIES
        VIEW_SLOT_BITS

    ctypedef struct popstrat_views:
        const uint8_t *values
        const uint8_t *valid
        int64_t valid_from, rows
        const uint8_t **texts
        const int64_t *sizes
        int64_t buffers

    int64_t popstrat_views_size(const popstrat_views *c)
    void popstrat_views_written(const popstrat_views *c, int64_t *ends, uint8_t *out)
    int64_t popstrat_views_coded(const popstrat_views *c, int32_t *slots, uint64_t *entries, int32_t *out)

cdef extern from "arrays/used.h" nogil:
    int64_t popstrat_used(const uint32_t *indices, const uint8_t *valid, int64_t valid_from, int64_t rows,
                          int32_t *places, int64_t entries, int32_t *used, int32_t *out)

cdef extern from "arrays/distinct.h" nogil:
    ctypedef struct popstrat_values:
        const int64_t *start
        int64_t count

    enum:
        DISTINCT_PARTS
        DISTINCT_FEW

    uint64_t popstrat_distinct_about(const popstrat_values *lists, int64_t many, int64_t *middle, int64_t *total)
    int64_t popstrat_distinct_room(int64_t total)
    int popstrat_distinct_window(const popstrat_values *lists, int64_t many, int64_t total, int64_t middle, uint32_t *parted)
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
    cdef int found = -2
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
        span = popstrat_distinct_about(values, many, &least, &total)
        if total < 2:
            return True
        if total >= DISTINCT_FEW and not popstrat_distinct_is_near(span, total):
            PyObject_GetBuffer(Memory(4 * DISTINCT_PARTS * popstrat_distinct_room(total)), &parted, PyBUF_WRITABLE)
            with nogil:
                found = popstrat_distinct_window(values, many, total, least, <uint32_t *>parted.buf)
            PyBuffer_Release(&parted)
        if found == -2:
            with nogil:
                span = popstrat_distinct_span(values, many, &least, &total)
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


cdef const uint8_t[::1] _at_least(given, int64_t needed):
    """The bytes of a buffer, which has so many at least."""
    cdef const uint8_t[::1] read = memoryview(given).cast("B")
    if len(read) < needed:
        raise ValueError(f"a buffer of {len(read)} bytes, where {needed} are needed")
    return read


def text_of_views(values, valid, int64_t offset, int64_t rows, texts, int64_t skip, allocate):
    """Rows of text views, from row `offset`, as text that lies in a row: its 64-bit offsets, `skip` rows of no text
    first, and its bytes. None where a view leads outside its buffer, or its text is not UTF-8: nobody has followed it.
    Nulls, by the bitmap `valid` or None, hold no text. `texts`: the buffers. `allocate(bytes)` gives a buffer to write in,
    and may be asked for a few bytes more than hold text. Releases the GIL. Raises ValueError for a buffer that is too short."""
    cdef popstrat_views column
    cdef const uint8_t *places[64]
    cdef int64_t sizes[64]
    cdef const uint8_t[::1] read
    cdef int64_t[::1] ends
    cdef uint8_t[::1] out
    cdef int64_t size
    cdef list held = []
    if not (0 <= offset <= _MOST_ROWS and 0 <= rows <= _MOST_ROWS and 0 <= skip < 64):
        raise ValueError("rows out of range")
    if len(texts) > 64:
        return None
    memset(&column, 0, sizeof(column))
    column.rows, column.valid_from, column.buffers = rows, offset, len(texts)
    column.texts, column.sizes = places, sizes
    for i, text in enumerate(texts):
        read = _at_least(text, 0)
        held.append(read)
        sizes[i] = len(read)
        places[i] = &read[0] if len(read) else NULL
    cdef const uint8_t[::1] views = _at_least(b"" if values is None else values, (offset + rows) * 16)
    cdef const uint8_t[::1] bits = _at_least(b"" if valid is None else valid, 0 if valid is None else (offset + rows + 7) // 8)
    if rows:
        column.values = &views[offset * 16]
    if valid is not None and rows:
        column.valid = &bits[0]
    with nogil:
        size = popstrat_views_size(&column)
    if size < 0:
        return None
    lines, text = allocate((skip + rows + 1) * 8), allocate(size + 16)
    ends = np.frombuffer(lines, np.int64)
    out = np.frombuffer(text, np.uint8)
    if len(ends) < skip + rows + 1 or len(out) < size + 16:
        raise ValueError("a buffer that is too short")
    ends[:skip] = 0
    with nogil:
        popstrat_views_written(&column, &ends[skip], &out[0])
    return lines, text, size


def used(indices, valid, int64_t offset, int64_t rows, int64_t entries, int32_t[::1] out):
    """Indices of 32 bits, from row `offset`, numbered anew in the order in which entries first come: `out[row]`, 0 where it
    is null. Gives the entries that are used, in that order; None where an index has no entry. Releases the GIL."""
    cdef const uint8_t[::1] read = _at_least(indices, (offset + rows) * 4)
    cdef const uint8_t[::1] bits = _at_least(b"" if valid is None else valid, 0 if valid is None else (offset + rows + 7) // 8)
    cdef const uint8_t *known = NULL
    cdef int64_t many
    if not (0 <= offset <= _MOST_ROWS and 0 <= rows <= len(out) and 0 <= entries < 1 << 31):
        raise ValueError("rows out of range")
    cdef int32_t[::1] places = np.full(entries + 1, -1, np.int32)
    cdef int32_t[::1] found = np.empty(entries + 1, np.int32)
    if not rows:
        return np.asarray(found)[:0]
    if valid is not None:
        known = &bits[0]
    with nogil:
        many = popstrat_used(<const uint32_t *>&read[0] + offset, known, offset, rows, &places[0], entries, &found[0], &out[0])
    return None if many < 0 else np.asarray(found)[:many]


def views_coded(values, valid, int64_t offset, int64_t rows, out):
    """Rows of text views, from row `offset`, as indices of 32 bits into the texts that there are, no text being one where
    a row is null by the bitmap `valid`, or None. Gives those texts, in the order in which they come; None where they are
    many, one is too long to lie within its view, or is not UTF-8. Releases the GIL. Raises ValueError for a buffer that is
    too short."""
    cdef popstrat_views column
    cdef int64_t many
    cdef uint8_t[::1] made = memoryview(out).cast("B")
    if not (0 <= offset <= _MOST_ROWS and 0 <= rows <= _MOST_ROWS) or len(made) < rows * 4:
        raise ValueError("rows out of range")
    cdef const uint8_t[::1] views = _at_least(b"" if values is None else values, (offset + rows) * 16)
    cdef const uint8_t[::1] bits = _at_least(b"" if valid is None else valid, 0 if valid is None else (offset + rows + 7) // 8)
    if not rows:
        return []
    memset(&column, 0, sizeof(column))
    column.rows, column.valid_from, column.values = rows, offset, &views[offset * 16]
    if valid is not None:
        column.valid = &bits[0]
    cdef int32_t[::1] slots = np.full(1 << VIEW_SLOT_BITS, -1, np.int32)
    entries = np.empty((VIEW_ENTRIES, 2), np.uint64)
    cdef uint64_t[:, ::1] into = entries
    with nogil:
        many = popstrat_views_coded(&column, &slots[0], &into[0, 0], <int32_t *>&made[0])
    if many < 0:
        return None
    found = [entry.tobytes() for entry in entries[:many]]
    return [text[4 : 4 + text[0]].decode() for text in found]
