# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, freethreading_compatible=True
"""What the texts of a column are made of: which kinds of bytes. It knows bytes, and nothing of what they spell."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int32_t, int64_t, uint8_t

cdef extern from "arrays/letters.h" nogil:
    enum:
        BYTES_DIGIT
        BYTES_CAPITAL
        BYTES_SMALL
        BYTES_JOINING
        BYTES_OTHER

    uint8_t popstrat_kinds_of(const uint8_t *x, int64_t n)
    uint8_t popstrat_kinds_of_few(const uint8_t *x, int64_t n)
    int64_t popstrat_shortest_i32(const int32_t *x, int64_t n, int64_t size)
    int64_t popstrat_shortest_i64(const int64_t *x, int64_t n, int64_t size)
    int64_t popstrat_changes_i32(const int32_t *x, int64_t n, const uint8_t *text, int64_t size, int64_t *found, int64_t most)
    int64_t popstrat_changes_i64(const int64_t *x, int64_t n, const uint8_t *text, int64_t size, int64_t *found, int64_t most)

DIGIT = BYTES_DIGIT
CAPITAL = BYTES_CAPITAL
SMALL = BYTES_SMALL
JOINING = BYTES_JOINING
OTHER = BYTES_OTHER

_MOST_ROWS = 1 << 50


def made_of(values, text, int64_t offset, int64_t rows, int width, each=None):
    """Which kinds of bytes the texts of `rows` rows, from row `offset`, are made of, together: DIGIT, CAPITAL and SMALL
    letters, JOINING (- and _), OTHER; and how many bytes the shortest has (0 where there is no row). Releases the GIL.

    `values` are offsets of `width` (4 or 8) bytes into `text`. With `each` (a byte a row, to be written) those of each
    row are put there. What lies under a null counts as well.
    Raises ValueError for a buffer that is too short, and for offsets that fall or lead out of the text.
    """
    cdef Py_buffer a, t, e
    cdef int held = 0, kinds = 0
    cdef bint wide = width == 8
    cdef int64_t i, start, stop, first, shortest
    cdef const int32_t *ends = NULL
    cdef const int64_t *long_ends = NULL
    cdef const uint8_t *letters
    cdef uint8_t *out = NULL
    if not (width in (4, 8) and 0 <= offset <= _MOST_ROWS and 0 <= rows <= _MOST_ROWS):
        raise ValueError("width or rows out of range")
    if rows == 0:
        return 0, 0
    PyObject_GetBuffer(values, &a, PyBUF_SIMPLE)
    held = 1
    try:
        PyObject_GetBuffer(b"" if text is None else text, &t, PyBUF_SIMPLE)
        held = 2
        if each is not None:
            PyObject_GetBuffer(each, &e, PyBUF_WRITABLE)
            held = 3
            out = <uint8_t *>e.buf
        if a.len < (offset + rows + 1) * width or (out != NULL and e.len < rows):
            raise ValueError("a buffer is too short")
        letters = <const uint8_t *>t.buf
        with nogil:
            if wide:
                long_ends = <const int64_t *>a.buf + offset
                shortest = popstrat_shortest_i64(long_ends, rows, t.len)
            else:
                ends = <const int32_t *>a.buf + offset
                shortest = popstrat_shortest_i32(ends, rows, t.len)
            if shortest >= 0:
                first = long_ends[0] if wide else ends[0]
                stop = long_ends[rows] if wide else ends[rows]
                kinds = popstrat_kinds_of(letters + first, stop - first)
                if out != NULL:
                    stop = first
                    for i in range(1, rows + 1):
                        start = stop
                        stop = long_ends[i] if wide else ends[i]
                        out[i - 1] = popstrat_kinds_of_few(letters + start, stop - start)
        if shortest < 0:
            raise ValueError("the offsets lead out of the text")
    finally:
        if held > 2:
            PyBuffer_Release(&e)
        if held > 1:
            PyBuffer_Release(&t)
        PyBuffer_Release(&a)
    return kinds, shortest


def changes(values, text, int64_t offset, int64_t rows, int width, out, most=None):
    """The rows whose text is another one than that of the row before; the first row is one. They are put into `out`
    (eight bytes a row), and their number is returned. What lies under a null is a text too. Releases the GIL. Once more than
    `most` rows are found, if that is given, the rest is not looked at; `out` then has room for one row more than that.

    Of `values`, `text`, `offset`, `rows` and `width`, and of what is raised, see `made_of`.
    """
    cdef Py_buffer a, t, e
    cdef int held = 0
    cdef bint wide = width == 8
    cdef int64_t n = 0, limit = rows if most is None else min(rows, max(0, most))
    cdef const uint8_t *letters
    cdef int64_t *found
    if not (width in (4, 8) and 0 <= offset <= _MOST_ROWS and 0 <= rows <= _MOST_ROWS):
        raise ValueError("width or rows out of range")
    if rows == 0:
        return 0
    PyObject_GetBuffer(values, &a, PyBUF_SIMPLE)
    held = 1
    try:
        PyObject_GetBuffer(b"" if text is None else text, &t, PyBUF_SIMPLE)
        held = 2
        PyObject_GetBuffer(out, &e, PyBUF_WRITABLE)
        held = 3
        if a.len < (offset + rows + 1) * width or e.len < 8 * min(rows, limit + 1):
            raise ValueError("a buffer is too short")
        letters, found = <const uint8_t *>t.buf, <int64_t *>e.buf
        with nogil:
            if wide:
                n = popstrat_changes_i64(<const int64_t *>a.buf + offset, rows, letters, t.len, found, limit)
            else:
                n = popstrat_changes_i32(<const int32_t *>a.buf + offset, rows, letters, t.len, found, limit)
        if n < 0:
            raise ValueError("the offsets lead out of the text")
    finally:
        if held > 2:
            PyBuffer_Release(&e)
        if held > 1:
            PyBuffer_Release(&t)
        PyBuffer_Release(&a)
    return n
