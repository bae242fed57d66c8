# cython: language_level=3, boundscheck=False, initializedcheck=False, freethreading_compatible=True
"""Columns of a Parquet file without nesting, decoded a few rows at a time straight into Arrow arrays.

`Column` reads one column, a column chunk after another. It holds a window of the chunk's bytes and the pages it has
unpacked, never the whole chunk, and does its work without the GIL. What it does not read, and what is damaged, is a
`ChunkError`; every length and offset in the file is checked before it is used, and whatever the file says twice has to
agree: counts of values and nulls, where levels, values and pages end, checksums.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport INT32_MAX, int64_t, uint8_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memmove, memset

import threading
import zlib

import numpy as np
import pyarrow as pa

from popstrat.engine._engine import LARGE as _LARGE
from popstrat.engine._engine import Memory as Reused
from popstrat.errors import ChunkError

cdef extern from "parquet_read.h" nogil:
    enum: PQ_OK, PQ_DAMAGED, PQ_OTHER, PQ_MEMORY, PQ_LARGE
    enum: PQ_PLAIN, PQ_PLAIN_CODES, PQ_RUNS, PQ_CODES
    enum: PQ_DATA, PQ_DICTIONARY, PQ_DATA2
    enum: PQ_PAD

    ctypedef struct pq_header:
        int64_t type, unpacked, packed, values, encoding, level_encoding
        int64_t level_bytes, repetition_bytes, compressed, nulls, checked, crc, size

    ctypedef struct pq_runs:
        pass

    ctypedef struct pq_page:
        int64_t rows, nulls, nulls_said
        int encoding
        int optional
        pq_runs levels

    ctypedef struct pq_dictionary:
        int64_t size
        const uint8_t *values
        const uint8_t *offsets
        const uint8_t *characters

    ctypedef struct pq_workspace:
        pass

    ctypedef struct pq_text:
        uint8_t *characters
        int64_t used, capacity, most

    enum: PQ_CHUNK
    int pq_read_footer(const uint8_t *start, int64_t size, int64_t groups, int64_t columns, int64_t *out)
    int64_t pq_footer_parts(const uint8_t *start, int64_t size)
    int pq_read_header(const uint8_t *start, int64_t size, pq_header *h)
    int pq_is_ascii(const uint8_t *p, int64_t n)
    int64_t pq_zstd_size(const uint8_t *p, int64_t n)
    int64_t pq_snappy_size(const uint8_t *p, int64_t n)
    int64_t pq_gzip_size(const uint8_t *p, int64_t n)
    int64_t pq_lz4_size(const uint8_t *p, int64_t n)
    void pq_open_runs(pq_runs *r, const uint8_t *p, const uint8_t *end, int bits)
    int pq_open_values(pq_page *g, pq_workspace *work, int encoding, int physical_bytes, int is_bits, const uint8_t *p,
                       const uint8_t *end)
    int pq_read_bits(pq_page *g, pq_workspace *work, uint8_t *out, uint8_t *valid, int64_t at, int64_t n,
                     int64_t *nulls)
    int pq_read_fixed(pq_page *g, const pq_dictionary *d, pq_workspace *work, int physical_bytes, int width, uint8_t *out,
                      uint8_t *valid, int64_t at, int64_t n, int64_t *nulls)
    int pq_read_codes(pq_page *g, const pq_dictionary *d, pq_workspace *work, int width, uint8_t *out, uint8_t *valid,
                      int64_t at, int64_t n, int64_t *nulls)
    int pq_read_texts(pq_page *g, const pq_dictionary *d, pq_workspace *work, int width, uint8_t *offsets,
                      pq_text *text, uint8_t *valid, int64_t at, int64_t n, int64_t *nulls)

WINDOW = 1 << 19  # bytes of a column chunk that are held at a time; a larger page makes the window as large as itself
MEMORY = 1 << 29  # bytes that all columns of a file hold at most
cdef int64_t _WINDOW = WINDOW
cdef int64_t _MOST_HEADER = 1 << 24  # bytes of a page header, statistics and all
cdef int64_t _TOGETHER = 1 << 18  # pages are unpacked together up to so many bytes, to stay in the cache
cdef int64_t _LENGTH = 4  # bytes of the length before the levels of a page of version 1

cdef enum:
    MOST_PAGES = 64  # unpacked together

cdef enum:
    BITS, FIXED, LABELS, TEXT

cdef enum:
    PLAIN, SNAPPY, GZIP, ZSTD, LZ4

# By their numbers in the format: ours, and pyarrow's names. Brotli is left out, because it cannot be seen whether a page
# of it unpacks to as much as it should.
_CODECS = {0: (PLAIN, None), 1: (SNAPPY, "snappy"), 2: (GZIP, "gzip"), 6: (ZSTD, "zstd"), 7: (LZ4, "lz4_raw")}
# What a physical type holds: its number, bytes a value (none for bits and texts), the Arrow types that are read from it.
_PHYSICAL = {
    "BOOLEAN": (0, 0, {pa.bool_()}),
    "INT32": (1, 4, {pa.int8(), pa.int16(), pa.int32(), pa.uint8(), pa.uint16(), pa.uint32(), pa.date32()}),
    "INT64": (2, 8, {pa.int64(), pa.uint64()}),
    "FLOAT": (4, 4, {pa.float32()}),
    "DOUBLE": (5, 8, {pa.float64()}),
    "BYTE_ARRAY": (6, 0, {pa.string(), pa.large_string()}),
}


def reads(object type, str physical) -> bool:
    """Whether arrays of an Arrow type are made from values of a Parquet physical type (as pyarrow spells it)."""
    if physical not in _PHYSICAL:
        return False
    if pa.types.is_dictionary(type):
        return (physical, type.value_type) in (("BYTE_ARRAY", pa.string()), ("INT64", pa.int64()))
    if pa.types.is_timestamp(type):
        return physical == "INT64"
    return type in _PHYSICAL[physical][2]


def footer_parts(const uint8_t[::1] footer):
    """How many columns, row groups and column chunks a footer describes; None where it cannot be followed.

    Each of them may take three bytes of the footer, and takes a kilobyte once it is read."""
    cdef int64_t parts = pq_footer_parts(&footer[0] if len(footer) else NULL, len(footer))
    return None if parts < 0 else parts


def chunks(const uint8_t[::1] footer, int64_t groups, int64_t columns):
    """Where a file's column chunks are: an int64 array of shape (row groups, columns, 9).

    The nine are the physical type and the codec by their numbers in the format, the values, the bytes, the first byte,
    whether the data are elsewhere or encrypted, the nulls, and of how many levels of repetition and definition there are
    counts; -1 for what is not said. Raises `ChunkError` if the footer is damaged
    or has not so many. (pyarrow ends the process on some footers when it is asked for this.)
    """
    found = np.empty((groups, columns, PQ_CHUNK), np.int64)
    cdef int64_t[:, :, ::1] out = found
    cdef int64_t *start = &out[0, 0, 0] if found.size else NULL
    _check(pq_read_footer(&footer[0] if len(footer) else NULL, len(footer), groups, columns, start))
    return found


cdef int _check(int64_t status) except -1:
    if status == PQ_MEMORY:
        raise MemoryError
    if status == PQ_DAMAGED:
        raise _damaged("a page does not hold what it says")
    if status < 0:
        raise ChunkError("a page is of a kind that is not read here")
    return 0


cdef object _damaged(str problem):
    return ChunkError(f"is damaged: {problem}", final=True)


def largest_page(read_into, int64_t start, int64_t size):
    """How many bytes a page of a column chunk asks for at most, packed and unpacked together, by the pages' own headers.

    The chunk is ``size`` bytes from ``start``; ``read_into`` as for `Column`. Raises `ChunkError` if it is damaged.
    """
    cdef int64_t room = 1 << 16, at = 0, passed, there, most = 0
    cdef int status
    cdef pq_header h
    cdef _Bytes window
    if start < 0 or size < 0:
        raise _damaged("a column chunk has no place")
    while at < size:
        there, passed, status = min(room, size - at), 0, 1
        window = _Bytes.new(there)
        read_into(memoryview(window.buffer).cast("B")[:there], start + at)
        while passed < there:
            status = pq_read_header(window.start + passed, there - passed, &h)
            if status != 1:
                break
            most = max(most, h.packed + h.unpacked)
            passed += h.size + h.packed
        if status != 1 and passed == 0:
            if there == size - at or room > _MOST_HEADER:
                _check(status)
                raise _damaged("a column chunk is cut short")
            room *= 2
        at += passed
    return most


class Memory:
    """How many bytes the columns of a file may hold together: of pages, packed and unpacked, of dictionaries and of a
    batch's text. Safe to use from several threads."""

    def __init__(self, most: int = MEMORY) -> None:
        self.most, self.left = most, most
        self._lock = threading.Lock()

    def take(self, more: int) -> bool:
        """Hold so many bytes more, or fewer if it is negative; False, and nothing taken, if there are not so many."""
        with self._lock:
            if more > self.left:
                return False
            self.left -= more
            return True


cdef class _Bytes:
    """An Arrow buffer and where it is."""

    cdef object buffer
    cdef uint8_t *start
    cdef int64_t size

    @staticmethod
    cdef _Bytes of(object buffer, bint writable):
        cdef _Bytes self = _Bytes.__new__(_Bytes)
        cdef Py_buffer view
        PyObject_GetBuffer(buffer, &view, PyBUF_WRITABLE if writable else PyBUF_SIMPLE)
        self.buffer, self.start, self.size = buffer, <uint8_t *>view.buf, view.len
        PyBuffer_Release(&view)  # an Arrow buffer stays where it is as long as it lives
        return self

    @staticmethod
    cdef _Bytes new(int64_t size):
        if size < _LARGE:
            return _Bytes.of(pa.allocate_buffer(size), True)
        return _Bytes.of(pa.py_buffer(Reused(size)), True)  # batch after batch takes the same

    @staticmethod
    cdef _Bytes bits(int64_t rows):
        """A bitmap of zeros."""
        cdef _Bytes self = _Bytes.new((rows + 7) // 8 + PQ_PAD)
        memset(self.start, 0, self.size)
        return self


cdef class Column:
    """One column: `open` names a column chunk, `read` gives its next rows.

    ``read_into(buffer, offset)`` fills a writable buffer with the file's bytes from an offset on, or raises. ``type``
    is the arrays' type and ``physical`` the file's (see `reads`), ``optional`` says whether the column may have nulls.
    ``memory`` is shared with the file's other columns; without it the column has as much for itself.
    A column is for one thread at a time.
    """

    cdef object _read_into, _type, _value_type, _codec, _labels, _memory
    cdef int64_t _held, _unpacked_size, _dictionary_size  # bytes: in all, of pages, of the dictionary
    cdef int _kind, _width, _physical_bytes, _offset_width
    cdef int _codec_id, _physical
    cdef bint _optional, _begun
    cdef pq_page _page
    cdef pq_workspace *_workspace
    cdef pq_text _text
    cdef pq_dictionary _dictionary
    # The chunk: bytes not yet in the window, and rows not yet in a page.
    cdef int64_t _next, _left, _rows
    cdef int64_t _nulls, _nulls_said  # those read; those there are, or -1
    # The window: the bytes of it that are still to be looked at.
    cdef _Bytes _window
    cdef int64_t _at, _end
    # Pages that have been unpacked: their headers, where each one's values (and levels, for version 2) start.
    cdef pq_header _headers[MOST_PAGES]
    cdef const uint8_t *_values[MOST_PAGES]
    cdef int64_t _sizes[MOST_PAGES]
    cdef const uint8_t *_levels
    cdef int _pages, _current
    cdef object _unpacked

    def __cinit__(self, read_into, type, str physical, bint optional, memory=None):
        self._workspace = <pq_workspace *>malloc(sizeof(pq_workspace))
        if self._workspace == NULL:
            raise MemoryError

    def __init__(self, read_into, type, str physical, bint optional, memory=None) -> None:
        if not reads(type, physical):
            raise ValueError(f"{type} is not read from {physical}")
        self._read_into, self._type, self._value_type = read_into, type, type
        self._memory = Memory() if memory is None else memory
        self._optional = optional
        self._physical, self._physical_bytes, _ = _PHYSICAL[physical]
        if physical == "BOOLEAN":
            self._kind = BITS
        elif pa.types.is_dictionary(type) and physical != "BYTE_ARRAY":
            self._kind, self._value_type = LABELS, type.value_type
            self._width = type.index_type.bit_width // 8
        elif physical != "BYTE_ARRAY":
            self._kind, self._width = FIXED, type.bit_width // 8
        else:
            self._kind = TEXT
            self._offset_width = 8 if type == pa.large_string() else 4
            if pa.types.is_dictionary(type):
                self._kind, self._value_type = LABELS, type.value_type
                self._width = type.index_type.bit_width // 8
        self._window = _Bytes.new(0)

    def __dealloc__(self):
        free(self._workspace)
        free(self._text.characters)

    def open(self, int64_t rows, chunk) -> None:
        """Go to a column chunk of so many rows, one of `chunks`.

        Whatever was left of the chunk before is forgotten. Raises `ChunkError` if it is not one that is read here.
        """
        cdef int64_t physical, codec, values, size, start, elsewhere, nulls, repetition, definition
        physical, codec, values, size, start, elsewhere, nulls, repetition, definition = chunk
        if values != rows or start < 0 or size < 0 or rows < 0:
            raise _damaged("a column chunk has not the rows of its row group")
        if repetition > 1 or definition > 0 and definition != 1 + self._optional:
            raise _damaged("a column chunk has counts of levels that there are not")
        if elsewhere or physical != self._physical or codec not in _CODECS:
            raise ChunkError("a column chunk is of a kind that is not read here")
        self._next, self._left, self._rows = start, size, rows
        self._nulls, self._nulls_said = 0, nulls
        self._codec_id, name = _CODECS[codec]
        self._codec = None if name is None else pa.Codec(name)
        self._at = self._end = 0
        self._pages = self._current = 0
        self._page.rows = 0
        self._unpacked = self._labels = None
        self._begun = False
        self._dictionary.size = -1  # none yet
        self._unpacked_size = self._dictionary_size = 0
        self._hold(self._window.size)

    cdef int _hold(self, int64_t window) except -1:
        """Make sure that there is room for what the column is to hold."""
        cdef int64_t held = window + self._unpacked_size + self._dictionary_size + self._text.capacity
        if not self._memory.take(held - self._held):
            raise self._too_large(held)
        self._held = held
        return 0

    cdef object _too_large(self, int64_t held):
        most = self._memory.most >> 20
        return ChunkError(
            f"asks for {held >> 20:,} MB of pages, labels or text at a time, and all columns together may hold {most:,} MB; "
            "write the file with smaller pages", final=True
        )

    def read(self, int64_t rows):
        """The next rows as one array; there must be so many left.

        Values under nulls are zero, an array without nulls has no bitmap. Of numbers in a dictionary, rows that the file
        has otherwise come as the numbers themselves. Raises `ChunkError`; the chunk must then be opened anew.
        """
        cdef int64_t done = 0
        if rows < 0:
            raise ValueError("rows must not be negative")
        parts = []
        while done < rows or not parts:
            part = self._read_part(rows - done)
            done += len(part)
            parts.append(part)
        if self._rows == 0 and self._page.rows == 0:
            self._end_chunk()
        if len(parts) == 1 and (parts[0].type == self._type or self._physical_bytes):
            return parts[0]
        if self._physical_bytes:
            return pa.concat_arrays([p.cast(self._value_type) for p in parts])
        # Labels, some of them written out: where a writer's dictionary grew too large, or there was none.
        whole = pa.concat_arrays([p.cast(self._value_type) for p in parts]).dictionary_encode()
        return pa.DictionaryArray.from_arrays(
            whole.indices.cast(self._type.index_type), whole.dictionary, ordered=self._type.ordered
        )

    cdef object _read_part(self, int64_t rows):
        """Up to so many rows, ending early where pages of labels turn from codes to written out or back."""
        cdef _Bytes valid = None, values
        cdef int64_t done = 0, nulls = 0, n
        cdef int status = PQ_OK, kind, width = self._width
        if rows > 0:
            self._go_to_rows()
        kind = self._kind
        if kind == LABELS and rows > 0 and self._page.encoding != PQ_CODES:
            kind = FIXED if self._physical_bytes else TEXT
            width = self._physical_bytes
        if kind == BITS:
            values = _Bytes.bits(rows)
        elif kind == TEXT:
            values = _Bytes.new((rows + 1) * self._offset_width)
            memset(values.start, 0, self._offset_width)
            self._text.used = 0
            self._text.most = self._text.capacity + <int64_t>self._memory.left
        else:
            values = _Bytes.new(rows * width + PQ_PAD)
        if self._optional:
            valid = _Bytes.bits(rows)
        cdef uint8_t *bits = valid.start if valid is not None else NULL
        while done < rows:
            self._go_to_rows()
            if self._kind == LABELS and (self._page.encoding == PQ_CODES) != (kind == LABELS):
                break
            n = min(rows - done, self._page.rows)
            with nogil:
                if kind == BITS:
                    status = pq_read_bits(&self._page, self._workspace, values.start, bits, done, n, &nulls)
                elif kind == FIXED:
                    status = pq_read_fixed(&self._page, &self._dictionary, self._workspace, self._physical_bytes,
                                           width, values.start, bits, done, n, &nulls)
                elif kind == LABELS:
                    status = pq_read_codes(&self._page, &self._dictionary, self._workspace, width, values.start, bits,
                                           done, n, &nulls)
                else:
                    status = pq_read_texts(&self._page, &self._dictionary, self._workspace, self._offset_width,
                                           values.start, &self._text, bits, done, n, &nulls)
            self._check_text(status)
            done += n
        self._nulls += nulls
        validity = valid.buffer if nulls else None
        if kind == LABELS:
            if self._labels is None:
                self._labels = pa.array([], self._value_type)
            return pa.DictionaryArray.from_buffers(self._type, done, [validity, values.buffer], self._labels, nulls)
        if kind == TEXT:
            self._hold(self._window.size)
            return self._text_of(done, validity, values, self._characters(), nulls)
        return pa.Array.from_buffers(self._value_type, done, [validity, values.buffer], nulls)

    cdef int _check_text(self, int status) except -1:
        if status == PQ_LARGE:
            raise self._too_large(self._held + self._text.used)
        _check(status)
        return 0

    cdef object _text_of(self, int64_t rows, validity, _Bytes offsets, _Bytes characters, int64_t nulls):
        """Text as an array; it must be UTF-8."""
        array = pa.Array.from_buffers(self._value_type, rows, [validity, offsets.buffer, characters.buffer], nulls)
        if not pq_is_ascii(characters.start, self._text.used):
            try:
                array.validate(full=True)
            except pa.ArrowInvalid:
                raise _damaged("text that is not UTF-8") from None
        return array

    cdef _Bytes _characters(self):
        """What `pq_read_texts` has gathered, in a buffer of its own."""
        cdef _Bytes characters = _Bytes.new(self._text.used)
        if self._text.used:
            memcpy(characters.start, self._text.characters, self._text.used)
        return characters

    # -- pages

    cdef int _go_to_rows(self) except -1:
        """Make sure that the page has rows to read."""
        while self._page.rows == 0:
            if self._rows == 0:
                raise _damaged("a column chunk has fewer rows than its file says")
            if self._current == self._pages:
                self._unpack_pages()
            self._open_page(self._current)
            self._current += 1
        return 0

    cdef int _end_chunk(self) except -1:
        """What follows the last row of a chunk: nothing that holds a row, and as many nulls came as there are."""
        cdef pq_header h
        cdef int i
        for i in range(self._current, self._pages):
            if self._headers[i].values:
                raise _damaged("a column chunk has more rows than its file says")
        self._pages = self._current = 0
        while self._at < self._end or self._left:
            self._next_header(&h, True)
            if h.type == PQ_DICTIONARY or h.type == PQ_DATA and h.values or h.type == PQ_DATA2 and h.values:
                raise _damaged("a column chunk has more rows than its file says")
            self._at += h.size + h.packed
        if self._nulls_said >= 0 and self._nulls != self._nulls_said:
            raise _damaged("a column chunk has not the nulls that its file says")
        return 0

    cdef int _open_page(self, int i) except -1:
        """Begin to read a page that has been unpacked."""
        cdef pq_header *h = &self._headers[i]
        cdef const uint8_t *p = self._values[i]
        cdef const uint8_t *end = p + self._sizes[i]
        cdef const uint8_t *levels = NULL
        cdef int64_t size = 0
        cdef uint32_t length
        if h.values > self._rows:
            raise _damaged("a column chunk has more rows than its file says")
        if h.type == PQ_DATA2:
            levels, size = self._levels, h.level_bytes
            if h.repetition_bytes or (size and not self._optional):
                raise ChunkError("a page has levels of nesting")
        elif self._optional:
            if h.level_encoding != PQ_RUNS:
                raise ChunkError("a page's levels are of a kind that is not read here")
            if end - p < _LENGTH:
                raise _damaged("a page does not hold what it says")
            memcpy(&length, p, _LENGTH)
            if length > end - p - _LENGTH:
                raise _damaged("a page does not hold what it says")
            levels, size = p + _LENGTH, length
            p += _LENGTH + length
        pq_open_runs(&self._page.levels, levels, levels + size, 1)
        self._page.optional = self._optional
        self._page.nulls, self._page.nulls_said = 0, h.nulls
        if h.encoding in (PQ_PLAIN_CODES, PQ_CODES) and self._dictionary.size < 0:
            raise _damaged("a dictionary is missing")
        _check(pq_open_values(&self._page, self._workspace, <int>min(h.encoding, INT32_MAX), self._physical_bytes,
                              self._kind == BITS, p, end))
        self._page.rows = h.values
        self._rows -= h.values
        return 0

    cdef int _unpack_pages(self) except -1:
        """The next page, or several small ones, out of the window."""
        cdef pq_header h
        cdef int64_t packed = 0, unpacked = 0, first = 0, levels
        cdef const uint8_t *body
        cdef uint8_t *start
        cdef int i
        self._pages = self._current = 0
        self._unpacked = None
        while self._pages < MOST_PAGES:
            if not self._next_header(&h, self._pages == 0):
                break
            if h.type != PQ_DATA and h.type != PQ_DATA2:
                if self._pages:
                    break
                if h.type == PQ_DICTIONARY:
                    self._read_dictionary(&h)
                self._at += h.size + h.packed
                continue
            # Zstandard takes longer to begin than to unpack a small page. Frames that follow one another may be
            # unpacked as one, so pages are joined, if each says how much comes out of it.
            levels = h.level_bytes + h.repetition_bytes if h.type == PQ_DATA2 else 0
            body = self._window.start + self._at + h.size + levels
            joins = (self._codec_id == ZSTD and h.type == PQ_DATA and pq_zstd_size(body, h.packed) == h.unpacked
                     and (self._pages == 0 or unpacked + h.unpacked <= _TOGETHER))
            if self._pages and not joins:
                break
            if self._pages == 0:
                first = body - self._window.start
            else:
                memmove(self._window.start + first + packed, body, h.packed)
            self._at += h.size + h.packed
            packed += h.packed - levels
            unpacked += h.unpacked - levels
            self._headers[self._pages] = h
            self._sizes[self._pages] = h.unpacked - levels
            self._levels = body - levels
            self._pages += 1
            if not joins:
                break
        self._begun = True
        h = self._headers[0]
        start = self._unpack(first, packed, unpacked, h.type == PQ_DATA or h.compressed)
        for i in range(self._pages):
            self._values[i] = start
            start += self._sizes[i]
        return 0

    cdef uint8_t *_unpack(self, int64_t first, int64_t packed, int64_t unpacked, bint compressed) except NULL:
        """A part of the window, unpacked; it lives until the next call."""
        cdef const uint8_t *p = self._window.start + first
        if self._codec_id == PLAIN or not compressed or unpacked == 0:
            if packed != unpacked and unpacked:
                raise _damaged("a page has not the bytes that it says")
            return <uint8_t *>p
        if self._codec_id == GZIP and pq_gzip_size(p, packed) != unpacked:
            raise ChunkError("a page is packed in a way that is not read here")
        if (self._codec_id == SNAPPY and pq_snappy_size(p, packed) != unpacked
                or self._codec_id == LZ4 and pq_lz4_size(p, packed) != unpacked):
            raise _damaged("a page does not unpack to the bytes that it says")
        self._unpacked = None
        self._unpacked_size = unpacked
        self._hold(self._window.size)
        # Arrow's own pool would give the memory back to the system, and get it anew, page after page.
        self._unpacked = self._codec.decompress(self._window.buffer.slice(first, packed), unpacked,
                                                memory_pool=pa.system_memory_pool())
        return _Bytes.of(self._unpacked, False).start

    cdef int _read_dictionary(self, pq_header *h) except -1:
        """Take in the dictionary page at the window's start."""
        cdef _Bytes values
        cdef pq_page page
        cdef int64_t nulls = 0, n = h.values
        cdef int width = self._physical_bytes if self._kind == LABELS else self._width
        cdef uint8_t *start
        if self._kind == BITS or self._begun or self._dictionary.size >= 0 or h.encoding not in (PQ_PLAIN, PQ_PLAIN_CODES):
            raise ChunkError("a dictionary is not one that is read here")
        if n * (self._physical_bytes or _LENGTH) > h.unpacked:
            raise _damaged("a dictionary has not the values that it says")
        start = self._unpack(self._at + h.size, h.packed, h.unpacked, True)
        memset(&page, 0, sizeof(page))
        page.rows, page.nulls_said = n, -1
        _check(pq_open_values(&page, self._workspace, PQ_PLAIN, self._physical_bytes, False, start,
                              start + h.unpacked))
        if self._kind == LABELS and not self._codes_fit(n):
            raise ChunkError("a dictionary has more values than its index type")
        if self._physical_bytes:
            self._dictionary_size = n * width + PQ_PAD
            self._hold(self._window.size)
            values = _Bytes.new(self._dictionary_size)
            _check(pq_read_fixed(&page, NULL, self._workspace, self._physical_bytes, width, values.start, NULL, 0, n,
                                 &nulls))
            self._labels = values
            if self._kind == LABELS:
                self._labels = pa.Array.from_buffers(self._value_type, n, [None, values.buffer], 0)
            self._dictionary.values = values.start
        else:
            self._dictionary_size = (n + 1) * self._offset_width + h.unpacked
            self._hold(self._window.size)
            values = _Bytes.new((n + 1) * self._offset_width)
            memset(values.start, 0, self._offset_width)
            self._text.used = 0
            self._text.most = self._text.capacity + <int64_t>self._memory.left
            self._check_text(pq_read_texts(&page, NULL, self._workspace, self._offset_width, values.start, &self._text,
                                           NULL, 0, n, &nulls))
            self._hold(self._window.size)
            characters = self._characters()
            self._labels = self._text_of(n, None, values, characters, 0)
            self._dictionary.offsets = values.start
            self._dictionary.characters = characters.start
        self._dictionary.size = n
        return 0

    cdef bint _codes_fit(self, int64_t n):
        bits = self._type.index_type.bit_width - pa.types.is_signed_integer(self._type.index_type)
        return n <= 1 << bits

    # -- the window

    cdef bint _next_header(self, pq_header *h, bint may_move) except -1:
        """The header of the next page, with the whole page in the window behind it.

        False where that needs the window to move and it may not, or where the chunk ends and it need not go on.
        """
        cdef int64_t needed = 64
        cdef int status
        while True:
            if not self._have(needed, may_move) and not may_move:
                return False
            status = pq_read_header(self._window.start + self._at, self._end - self._at, h)
            if status == 1:
                break
            if not may_move:
                return False
            _check(status)
            if self._left == 0 or needed > _MOST_HEADER:
                raise _damaged("a column chunk is cut short")
            needed = max(2 * needed, self._end - self._at + 1)
        if not self._have(h.size + h.packed, may_move):
            if may_move:
                raise _damaged("a column chunk is cut short")
            return False
        if h.checked and zlib.crc32(memoryview(self._window.buffer)[self._at + h.size:self._at + h.size + h.packed]) != h.crc:
            raise _damaged("a page has another checksum than it says")
        return True

    cdef bint _have(self, int64_t needed, bint may_move) except -1:
        """Whether so many bytes are in the window, after reading more if that helps and is allowed."""
        cdef int64_t have = self._end - self._at, size, room
        cdef _Bytes larger
        if have >= needed:
            return True
        if not may_move or self._left == 0:
            return False
        if have + self._left < needed:
            needed = have + self._left  # as much as there is
        room = max(needed, min(_WINDOW, have + self._left))
        if self._window.size < room:
            self._hold(self._window.size + room)  # both, while the one is copied into the other
            larger = _Bytes.new(room)
            memcpy(larger.start, self._window.start + self._at, have)
            self._window = larger
            self._hold(room)
        else:
            memmove(self._window.start, self._window.start + self._at, have)
        size = min(room - have, self._left)
        self._at, self._end = 0, have
        self._read_into(memoryview(self._window.buffer).cast("B")[have:have + size], self._next)
        self._end += size
        self._next += size
        self._left -= size
        return self._end >= needed
