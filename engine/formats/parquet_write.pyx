# cython: language_level=3, boundscheck=False, initializedcheck=False, freethreading_compatible=True
"""Pages of Parquet columns from Arrow buffers: levels, codes, plain values and deltas, uncompressed.

Every page starts with its definition levels where the column is optional. All of it runs without the GIL.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

import numpy as np

cdef extern from "parquet_write.h" nogil:
    int SLACK "POPSTRAT_SLACK"
    int MOST "POPSTRAT_MOST_CODES"
    ctypedef struct popstrat_distinct:
        const uint64_t *values
        int64_t entries

    void popstrat_prepare()
    int64_t popstrat_count_ones(const uint8_t *bits, int64_t offset, int64_t rows)
    int64_t popstrat_copy_bits(uint8_t *out, const uint8_t *bits, int64_t offset, int64_t rows)
    int64_t popstrat_dense_bits(uint8_t *out, const uint8_t *bits, const uint8_t *valid, int64_t offset, int64_t rows)
    int64_t popstrat_dense(void *to, const void *values, int width, const uint8_t *valid, int64_t offset, int64_t rows)
    int64_t popstrat_levels(uint8_t *out, const uint8_t *valid, int64_t offset, int64_t rows, int64_t present)
    int64_t popstrat_plain(uint8_t *out, const uint8_t *values, int kind, int64_t n)
    int popstrat_range(const uint8_t *values, int kind, int64_t n, int any, uint8_t *lo, uint8_t *hi)
    int64_t popstrat_text32(uint8_t *out, const uint8_t *ends, const uint8_t *characters, int64_t limit,
                            const uint8_t *valid, int64_t offset, int64_t rows)
    int64_t popstrat_text64(uint8_t *out, const uint8_t *ends, const uint8_t *characters, int64_t limit,
                            const uint8_t *valid, int64_t offset, int64_t rows)
    int popstrat_code_width(int64_t entries)
    int64_t popstrat_codes(uint8_t *out, const void *codes, int bytes, int64_t n, int width)
    uint8_t popstrat_most(const uint8_t *values, int64_t n)
    int popstrat_grow(popstrat_distinct *d, int64_t capacity)
    void popstrat_clear(popstrat_distinct *d)
    void popstrat_forget(popstrat_distinct *d)
    int64_t popstrat_distinct_codes(popstrat_distinct *d, uint16_t *codes, const uint8_t *values, int width, int64_t n)
    void popstrat_entries(const popstrat_distinct *d, uint8_t *out, int width)
    void popstrat_recode(uint16_t *codes, int64_t n, const uint16_t *table)
    int64_t popstrat_delta_bound(int64_t n)
    int64_t popstrat_delta(uint8_t *out, const uint8_t *values, int64_t n)

popstrat_prepare()
KINDS = ("i8", "u8", "i16", "u16", "i32", "u32", "f32", "i64", "u64", "f64")  # as the header numbers them
MOST_CODES = MOST
PLAIN, DELTA, CODED = 0, 5, 8  # Parquet's numbers for the encodings
cdef int[10] _WIDTH = [1, 1, 2, 2, 4, 4, 4, 8, 8, 8]
cdef int64_t _MOST_ROWS = 1 << 40
cdef int64_t _MOST_PAGE = 1 << 24
# A column is not coded if of its first so many values in a row group more than 3 in 4 were new.
cdef int64_t _PROBE = 1 << 13


cdef class _Rows:
    """Rows [offset, offset + rows) of a column's buffers, held while a page is made of them."""

    cdef Py_buffer _values, _valid, _characters
    cdef const uint8_t *values
    cdef const uint8_t *valid  # NULL: no row is null
    cdef const uint8_t *characters
    cdef int64_t offset, rows, present, limit
    cdef bint optional

    def __cinit__(self, values, valid, int64_t offset, int64_t rows, bint optional, int64_t bits, int64_t more=0,
                  characters=None):
        self.values = self.valid = self.characters = NULL
        self.limit = 0
        if not (0 <= offset <= _MOST_ROWS and 0 < rows <= _MOST_PAGE):
            raise ValueError("rows out of range")
        self.offset, self.rows, self.optional = offset, rows, optional
        if valid is not None:
            PyObject_GetBuffer(valid, &self._valid, PyBUF_SIMPLE)
            self.valid = <const uint8_t *>self._valid.buf
            if self._valid.len < (offset + rows + 7) // 8:
                raise ValueError("a buffer is shorter than its rows")
        self.present = rows if self.valid == NULL else popstrat_count_ones(self.valid, offset, rows)
        if self.present == rows:
            self.valid = NULL
        elif not optional:
            raise ValueError("a null where every row needs a value")
        if values is not None:
            PyObject_GetBuffer(values, &self._values, PyBUF_SIMPLE)
            self.values = <const uint8_t *>self._values.buf
        if self.present and self._values.len < ((offset + rows + more) * bits + 7) // 8:
            raise ValueError("a buffer is shorter than its rows")
        if characters is not None:
            PyObject_GetBuffer(characters, &self._characters, PyBUF_SIMPLE)
            self.characters = <const uint8_t *>self._characters.buf
            self.limit = self._characters.len

    def __dealloc__(self):
        PyBuffer_Release(&self._values)
        PyBuffer_Release(&self._valid)
        PyBuffer_Release(&self._characters)

    cdef int64_t levels(self, uint8_t *out) noexcept nogil:
        return popstrat_levels(out, self.valid, self.offset, self.rows, self.present) if self.optional else 0

    cdef int64_t room(self) noexcept nogil:
        """For the levels and a bitmap."""
        return 2 * (self.rows // 8 + 64)

    cdef const uint8_t *dense(self, uint8_t *scratch, int width) noexcept nogil:
        """The valid values side by side, gathered in scratch where rows are null."""
        if self.valid == NULL:
            return self.values + self.offset * width
        if self.present:
            popstrat_dense(scratch, self.values, width, self.valid, self.offset, self.rows)
        return scratch


cdef class _Memory:
    """Bytes that go when this object does."""

    cdef uint8_t *at

    def __cinit__(self, int64_t size):
        self.at = <uint8_t *>malloc(<size_t>size + SLACK)
        if self.at == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.at)

    cdef bytes taken(self, int64_t size):
        return PyBytes_FromStringAndSize(<const char *>self.at, size)


def bits_page(values, valid, int64_t offset, int64_t rows, bint optional):
    """A page of an Arrow bool column: (body, nulls, rows that are true)."""
    cdef _Rows column = _Rows(values, valid, offset, rows, optional, 1)
    cdef _Memory out = _Memory(column.room())
    cdef int64_t size, ones
    cdef uint8_t *at
    with nogil:
        size = column.levels(out.at)
        at = out.at + size
        if column.valid == NULL:
            popstrat_copy_bits(at, column.values, offset, rows)
        elif column.present:
            popstrat_dense_bits(at, column.values, column.valid, offset, rows)
        size += (column.present + 7) // 8
        ones = popstrat_count_ones(at, 0, column.present)
    return out.taken(size), rows - column.present, ones


def text_page(ends, characters, valid, int64_t offset, int64_t rows, bint optional, bint large):
    """A page of an Arrow string (``large``: large_string) column, PLAIN: (body, nulls).

    Raises ValueError for offsets that leave the characters.
    """
    cdef _Rows column = _Rows(ends, valid, offset, rows, optional, 64 if large else 32, 1, characters)
    cdef int64_t size = 0, text = 0
    cdef _Memory out
    if column.present:
        with nogil:
            text = (popstrat_text64 if large else popstrat_text32)(
                NULL, column.values, column.characters, column.limit, column.valid, offset, rows)
        if text < 0:
            raise ValueError("text outside its buffer")
    out = _Memory(column.room() + text)
    with nogil:
        size = column.levels(out.at)
        if column.present:
            (popstrat_text64 if large else popstrat_text32)(
                out.at + size, column.values, column.characters, column.limit, column.valid, offset, rows)
    return out.taken(size + text), rows - column.present


def code_page(indices, valid, int64_t offset, int64_t rows, bint optional, int64_t entries):
    """A page of one-byte codes as they are, into a dictionary of ``entries`` (1 to 256): (body, nulls).

    Raises ValueError for a code out of range.
    """
    if not 1 <= entries <= 256:
        raise ValueError("no such dictionary")
    cdef _Rows column = _Rows(indices, valid, offset, rows, optional, 8)
    cdef int64_t n = column.present, size = 0
    cdef _Memory out = _Memory(column.room() + n + 64)
    cdef _Memory scratch = _Memory(0 if column.valid == NULL else rows + 8)
    cdef const uint8_t *dense
    cdef bint fits
    with nogil:
        dense = column.dense(scratch.at, 1)
        fits = n == 0 or popstrat_most(dense, n) < entries
        if fits:
            size = column.levels(out.at)
            size += popstrat_codes(out.at + size, dense, 1, n, popstrat_code_width(entries))
    if not fits:
        raise ValueError("an index outside its dictionary")
    return out.taken(size), rows - n


cdef class Codes:
    """A page of indices (of ``width`` bytes) into a dictionary of ``size`` entries, to be coded anew.

    ``used``: the entries that rows use, in the order of first use; None if there are too many of them. ``nulls``: rows
    that are null. Raises ValueError for an index out of range.
    """

    cdef readonly object used
    cdef readonly int64_t nulls
    cdef _Rows column
    cdef _Memory codes

    def __init__(self, indices, int width, valid, int64_t offset, int64_t rows, bint optional, int64_t size):
        if width not in (1, 2, 4, 8) or not 0 <= size <= _MOST_ROWS:
            raise ValueError("no such dictionary")
        self.column = _Rows(indices, valid, offset, rows, optional, 8 * width)
        cdef int64_t n = self.column.present, i, done = 0
        if n and not size:
            raise ValueError("an index outside its dictionary")
        self.codes = _Memory(2 * n)
        self.nulls = rows - n
        cdef _Memory scratch = _Memory(0 if self.column.valid == NULL else (rows + 8) * width)
        cdef popstrat_distinct distinct
        memset(&distinct, 0, sizeof(popstrat_distinct))
        with nogil:
            if not popstrat_grow(&distinct, max(size, 1)):
                done = -1
            else:
                done = popstrat_distinct_codes(&distinct, <uint16_t *>self.codes.at,
                                               self.column.dense(scratch.at, width), width, n)
        try:
            if done == -1:
                raise MemoryError
            if done < 0:
                raise ValueError("an index outside its dictionary")
            self.used = [distinct.values[i] for i in range(distinct.entries)] if done == n else None
        finally:
            popstrat_forget(&distinct)

    def body(self, table, int64_t entries):
        """The page's body, to be called once; ``table`` holds the code of each entry used, below ``entries``."""
        cdef const uint16_t[::1] codes = np.array(table or [0], np.uint16)
        cdef int64_t n = self.column.present, size
        if self.used is None or len(table) != len(self.used) or not 0 <= entries <= MOST:
            raise ValueError("a table that does not fit")
        if max(table, default=-1) >= entries:
            raise ValueError("a code outside its dictionary")
        cdef bint same = list(table) == list(range(len(table)))
        cdef _Memory out = _Memory(self.column.room() + 2 * n + 64)
        with nogil:
            if not same:
                popstrat_recode(<uint16_t *>self.codes.at, n, &codes[0])
            size = self.column.levels(out.at)
            size += popstrat_codes(out.at + size, self.codes.at, 2, n, popstrat_code_width(entries))
        return out.taken(size)


cdef class Numbers:
    """A column of numbers, a row group at a time: a dictionary while that is worth it, else plain values or deltas."""

    cdef popstrat_distinct distinct
    cdef int kind, width, plain_width
    cdef bint optional, deltas, coding
    cdef int64_t seen
    cdef int bounded
    cdef uint8_t least[8]
    cdef uint8_t most[8]

    def __cinit__(self, kind, bint optional, bint deltas):
        memset(&self.distinct, 0, sizeof(popstrat_distinct))
        self.kind = KINDS.index(kind)
        self.width = _WIDTH[self.kind]
        self.plain_width = 8 if self.width == 8 else 4
        self.optional, self.deltas = optional, deltas
        if deltas and kind != "i64":
            raise ValueError("only 64-bit integers are stored as deltas")
        self._begin()

    def __dealloc__(self):
        popstrat_forget(&self.distinct)

    cdef void _begin(self) noexcept:
        popstrat_clear(&self.distinct)
        self.coding, self.seen, self.bounded = True, 0, 0
        memset(self.least, 0, 8)
        memset(self.most, 0, 8)

    cdef int64_t _codes(self, uint16_t *codes, const uint8_t *dense, int64_t n) noexcept nogil:
        """Codes of a page: 1 done, 0 not worth it (and the dictionary as it was), -1 out of memory."""
        cdef int64_t before = self.distinct.entries, first = 0, done
        if self.seen < _PROBE:
            first = min(n, _PROBE - self.seen)
            done = popstrat_distinct_codes(&self.distinct, codes, dense, self.width, first)
            if done < 0:
                return -1
            self.seen += first
            if self.width > 2 and self.distinct.entries > self.seen // 4 * 3:
                self.distinct.entries = before
                return 0
        done = popstrat_distinct_codes(&self.distinct, codes + first, dense + first * self.width, self.width, n - first)
        if done < 0:
            return -1
        if done < n - first:
            self.distinct.entries = before
            return 0
        self.seen += n - first
        return 1

    def page(self, values, valid, int64_t offset, int64_t rows):
        """The next page of the row group: (body, encoding, nulls)."""
        cdef _Rows column = _Rows(values, valid, offset, rows, self.optional, 8 * self.width)
        cdef int64_t n = column.present, size, worth = 0
        cdef _Memory scratch = _Memory(0 if column.valid == NULL else (rows + 8) * self.width)
        cdef _Memory codes = _Memory(2 * n if self.coding else 0)
        cdef _Memory out
        cdef const uint8_t *dense
        with nogil:
            dense = column.dense(scratch.at, self.width)
            if self.coding:
                worth = self._codes(<uint16_t *>codes.at, dense, n)
        if worth < 0:
            raise MemoryError
        if worth:
            out = _Memory(column.room() + 2 * n + 64)
            with nogil:
                size = column.levels(out.at)
                size += popstrat_codes(out.at + size, codes.at, 2, n, popstrat_code_width(self.distinct.entries))
            return out.taken(size), CODED, rows - n
        self.coding = False
        out = _Memory(column.room() + (popstrat_delta_bound(n) if self.deltas else n * self.plain_width))
        with nogil:
            size = column.levels(out.at)
            if self.deltas:
                self.bounded = popstrat_range(dense, self.kind, n, self.bounded, self.least, self.most)
                size += popstrat_delta(out.at + size, dense, n)
            else:
                popstrat_plain(out.at + size, dense, self.kind, n)
                self.bounded = popstrat_range(out.at + size, self.kind, n, self.bounded, self.least, self.most)
                size += n * self.plain_width
        return out.taken(size), DELTA if self.deltas else PLAIN, rows - n

    def finish(self):
        """End the row group: (the dictionary as plain values, its entries, the least and the greatest value or None).

        Values are as PLAIN stores them. There is no bound where every value is null or not a number.
        """
        cdef int64_t n = self.distinct.entries
        cdef _Memory narrow = _Memory(n * self.width)
        cdef _Memory out = _Memory(n * self.plain_width)
        popstrat_entries(&self.distinct, narrow.at, self.width)
        popstrat_plain(out.at, narrow.at, self.kind, n)
        self.bounded = popstrat_range(out.at, self.kind, n, self.bounded, self.least, self.most)
        bounds = (self.least[:self.plain_width], self.most[:self.plain_width]) if self.bounded else None
        self._begin()
        return out.taken(n * self.plain_width), n, bounds
