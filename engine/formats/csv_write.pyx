# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, freethreading_compatible=True
"""The buffers of Arrow columns to CSV text. It knows kinds of cells, and nothing of what they mean."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport calloc, free

cdef extern from "csv_write.h" nogil:
    int CSV_OUT_BOOL, CSV_OUT_WHOLE, CSV_OUT_DECIMAL, CSV_OUT_TEXT, CSV_OUT_LABEL
    int CSV_OUT_DONE, CSV_OUT_NO_MEMORY

    ctypedef struct csv_out_column:
        int kind, bytes, is_signed, quoted
        const uint8_t *values
        const uint8_t *valid
        int64_t offset
        const uint8_t *characters
        int64_t size
        const uint8_t *ends
        int64_t entries
        uint8_t *cells
        int64_t *cell_at

    ctypedef struct csv_out:
        uint8_t *at
        int64_t used

    int csv_out_all_decimal(const uint8_t *values, const uint8_t *valid, int64_t offset, int64_t rows)
    int csv_out_render(csv_out_column *column)
    int csv_out_rows(const csv_out_column *columns, int64_t count, int64_t start, int64_t stop, csv_out *out)

# kind: (what it is, bytes a row, whether signed)
_KINDS = {
    "bool": (CSV_OUT_BOOL, 0, 0), "decimal": (CSV_OUT_DECIMAL, 8, 1),
    "i8": (CSV_OUT_WHOLE, 1, 1), "i16": (CSV_OUT_WHOLE, 2, 1), "i32": (CSV_OUT_WHOLE, 4, 1), "i64": (CSV_OUT_WHOLE, 8, 1),
    "u8": (CSV_OUT_WHOLE, 1, 0), "u16": (CSV_OUT_WHOLE, 2, 0), "u32": (CSV_OUT_WHOLE, 4, 0), "u64": (CSV_OUT_WHOLE, 8, 0),
    "text32": (CSV_OUT_TEXT, 4, 1), "text64": (CSV_OUT_TEXT, 8, 1),
    "label8": (CSV_OUT_LABEL, 1, 1), "label16": (CSV_OUT_LABEL, 2, 1), "label32": (CSV_OUT_LABEL, 4, 1),
}
cdef int64_t _MOST_ROWS = 1 << 50


cdef class Columns:
    """Columns to be written, held where they lie: (kind, values, valid, offset, characters, ends, quoted) of each.

    ``valid`` is None where nothing is null. Text has its ``characters`` (or None) and offsets as values; labels have
    codes as values, and the characters and 32-bit offsets (``ends``) of an array of text that begins at its offset 0.
    """

    cdef csv_out_column *_columns
    cdef Py_ssize_t _count
    cdef Py_buffer *_views
    cdef Py_ssize_t _acquired
    cdef readonly int64_t rows

    def __init__(self, columns, int64_t rows):
        cdef csv_out_column *c
        cdef Py_ssize_t i
        cdef int64_t needed
        cdef int done
        if self._columns != NULL or not 0 <= rows <= _MOST_ROWS:
            raise ValueError("rows out of range, or columns made already")
        self.rows = rows
        self._columns = <csv_out_column *>calloc(len(columns) + 1, sizeof(csv_out_column))
        self._views = <Py_buffer *>calloc(4 * len(columns) + 1, sizeof(Py_buffer))
        if self._columns == NULL or self._views == NULL:
            raise MemoryError
        for kind, values, valid, offset, characters, ends, quoted in columns:
            i = self._count
            self._count += 1
            c = &self._columns[i]
            c.kind, c.bytes, c.is_signed = _KINDS[kind]
            c.quoted = bool(quoted)
            c.offset = offset
            if not 0 <= c.offset <= _MOST_ROWS:
                raise ValueError("offset out of range")
            needed = c.offset + rows
            if c.kind == CSV_OUT_BOOL:
                c.values = self._acquire(values, (needed + 7) // 8)
            else:
                c.values = self._acquire(values, (needed + (c.kind == CSV_OUT_TEXT and rows > 0)) * c.bytes)
            if valid is not None:
                c.valid = self._acquire(valid, (needed + 7) // 8)
            if characters is not None:
                c.characters = self._acquire(characters, 0)
                c.size = self._views[self._acquired - 1].len
            if c.kind == CSV_OUT_LABEL:
                c.ends = self._acquire(ends, 4)
                c.entries = self._views[self._acquired - 1].len // 4 - 1
                with nogil:
                    done = csv_out_render(c)
                _check(done)

    cdef const uint8_t *_acquire(self, buffer, int64_t needed) except NULL:
        """The address of a buffer, which stays where it is as long as this object lives."""
        cdef Py_buffer *view = &self._views[self._acquired]
        PyObject_GetBuffer(buffer, view, PyBUF_SIMPLE)
        self._acquired += 1
        if view.len < needed:
            raise ValueError(f"a buffer of {view.len} bytes, where {needed} are needed")
        return <const uint8_t *>view.buf if view.buf != NULL else <const uint8_t *>b""

    def __dealloc__(self):
        cdef Py_ssize_t i
        for i in range(self._acquired):
            PyBuffer_Release(&self._views[i])
        if self._columns != NULL:
            for i in range(self._count):
                free(self._columns[i].cells)
                free(self._columns[i].cell_at)
        free(self._columns)
        free(self._views)


cdef class Lines:
    """Rows as text: a buffer that `fill` fills anew, and that may not be filled while something looks at it."""

    cdef csv_out _out
    cdef int64_t _looks
    cdef bint _filling

    def fill(self, Columns columns, int64_t start, int64_t stop):
        """Write rows from ``start`` to before ``stop``, each with its line feed; releases the GIL.

        Numbers of the kind "decimal" must be such that `decimals` is true of them.
        """
        cdef int done
        if self._looks or self._filling:
            raise BufferError("the lines are in use")
        if not 0 <= start <= stop <= columns.rows or not columns._count:
            raise ValueError("rows out of range")
        self._filling = True
        with nogil:
            done = csv_out_rows(columns._columns, columns._count, start, stop, &self._out)
        self._filling = False
        _check(done)

    def __len__(self):
        return self._out.used

    def __getbuffer__(self, Py_buffer *view, int flags):
        if self._filling:
            raise BufferError("the lines are being filled")
        PyBuffer_FillInfo(view, self, self._out.at if self._out.at != NULL else <void *>b"", self._out.used, 1, flags)
        self._looks += 1

    def __releasebuffer__(self, Py_buffer *view):
        self._looks -= 1

    def __dealloc__(self):
        free(self._out.at)


def decimals(values, valid, int64_t offset, int64_t rows):
    """Whether every double that is not null has at most six decimals and 15 digits, and so can be written as such."""
    cdef Py_buffer numbers, bits
    cdef const uint8_t *known = NULL
    cdef int found
    if not 0 <= offset <= _MOST_ROWS or not 0 <= rows <= _MOST_ROWS:
        raise ValueError("rows out of range")
    PyObject_GetBuffer(values, &numbers, PyBUF_SIMPLE)
    try:
        if valid is not None:
            PyObject_GetBuffer(valid, &bits, PyBUF_SIMPLE)
        try:
            if numbers.len < 8 * (offset + rows) or (valid is not None and bits.len < (offset + rows + 7) // 8):
                raise ValueError("a buffer is too short")
            if valid is not None:
                known = <const uint8_t *>bits.buf
            with nogil:
                found = csv_out_all_decimal(<const uint8_t *>numbers.buf, known, offset, rows)
        finally:
            if valid is not None:
                PyBuffer_Release(&bits)
    finally:
        PyBuffer_Release(&numbers)
    return bool(found)


cdef int _check(int done) except -1:
    if done == CSV_OUT_NO_MEMORY:
        raise MemoryError
    if done != CSV_OUT_DONE:
        raise ValueError("a code or an offset points outside its column")
    return 0
