# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True, freethreading_compatible=True
"""Coded events folded into one result for each person. See rows.h, hits.h, fold.h and spill.h, each under its name."""

from libc.errno cimport errno
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy, memset

import os

import numpy as np

from popstrat.engine._engine import Memory

cdef extern from "events/spill.h" nogil:
    int EVENTS_NUMBERS, EVENTS_TEXTS, EVENTS_LOOKUP
    int EVENTS_NO_MEMORY, EVENTS_ASTRAY, EVENTS_SYSTEM
    int EVENTS_HAS_VALUES, EVENTS_HAS_SECONDS, EVENTS_HAS_GROUPS, EVENTS_HAS_CODES
    int EVENTS_UNITS, EVENTS_BLOCK, EVENTS_REASONS, COUNTS
    int FOLD_LAST_DAY, FOLD_FIRST_DAY, FOLD_ROWS, FOLD_DAYS, FOLD_CODES, FOLD_LAST_VALUE, FOLD_LAST_GAP, FOLD_EXTREME
    int FOLD_LAST_LABEL, FOLD_PAIR, FOLD_KINDS

    ctypedef struct events_column:
        const uint8_t *valid
        const void *data
        const char *text
        int64_t offset
        int64_t text_size
        int64_t lookup_size
        const int32_t *lookup
        int32_t wide
        int32_t kind

    ctypedef struct events_keys:
        const int64_t *number
        const int64_t *start
        const char *text
        int64_t count
        uint32_t *table
        int32_t bits

    ctypedef struct events_codes:
        int64_t slots
        int32_t missing
        int32_t none

    ctypedef struct events_batch:
        events_column key, day, code, value, second, unit, group
        const int64_t *code_values
        int64_t rows

    ctypedef struct events_packed:
        int64_t hits, head, tail
        int32_t ascending

    ctypedef struct events_tally:
        int64_t rows, unknown, unlisted
        int64_t *aside[3]

    ctypedef struct events_hit:
        int32_t row
        int32_t day
        int32_t slot
        int32_t unit

    ctypedef struct events_fold:
        int32_t kind
        int32_t values
        int32_t second_values

    ctypedef struct events_bounds:
        pass

    ctypedef struct events_conversion:
        pass

    ctypedef struct events_entry:
        int32_t fold
        int32_t more

    ctypedef struct events_rules:
        const int32_t *program
        const int32_t *start
        const events_entry *entry
        const events_fold *fold
        const events_bounds *bounds
        const events_conversion *conversion
        int64_t folds, slots, units, programs
        int32_t fields, stride
        int32_t value_at, second_at, group_at, code_at

    ctypedef struct events_cells:
        int32_t *day
        double *value
        double *second
        double *earlier
        int32_t *earlier_day
        int16_t *label
        int32_t *count

    ctypedef struct events_worker:
        int64_t *counts
        int64_t *mix

    ctypedef struct events_spill:
        int64_t threads, parts, stride, buffer, chunk, part, parts_of_chunk
        int fd

    const uint8_t *events_nothing
    int events_keys_ascend(const events_keys *k)
    int events_keys_hash(events_keys *k)
    int events_rows(const events_keys *k, const events_column *c, int64_t i, int64_t n, int64_t *at, int32_t *rows)
    int events_codes_make(events_codes *t, const int64_t *codes, const int32_t *start, int64_t n)
    void events_codes_free(events_codes *t)
    int32_t events_slot_of(const events_codes *t, int64_t code)
    int events_pack(const events_keys *keys, const int32_t *births, const events_codes *codes, const events_batch *b,
                    int64_t start, int64_t stop, int32_t last_day, int fields, events_tally *tally, uint8_t *hits,
                    events_packed *packed)
    int events_worker_make(events_worker *w, const events_rules *r)
    void events_worker_free(events_worker *w, int64_t folds)
    int events_fold_hits(const events_rules *r, events_worker *w, const events_cells *cells, const uint8_t *hits,
                         int64_t first_hit, int64_t to, int64_t first)
    void events_clear(const events_cells *c, int64_t start, int64_t stop)
    int events_spill_make(events_spill *s)
    void events_spill_free(events_spill *s)
    int events_spill_add(events_spill *s, int64_t thread, const uint8_t *hits, int64_t n)
    int64_t events_spill_size(const events_spill *s, int64_t part)
    int events_spill_read(const events_spill *s, int64_t part, int64_t slots, uint8_t *loose, uint8_t *in_order,
                          int64_t *starts)

KINDS = {
    "last_day": FOLD_LAST_DAY,
    "first_day": FOLD_FIRST_DAY,
    "rows": FOLD_ROWS,
    "days": FOLD_DAYS,
    "codes": FOLD_CODES,
    "last_value": FOLD_LAST_VALUE,
    "last_gap": FOLD_LAST_GAP,
    "extreme": FOLD_EXTREME,
    "last_label": FOLD_LAST_LABEL,
    "pair": FOLD_PAIR,
}
FOLD = np.dtype(
    [(name, np.int32) for name in ("kind", "since", "until", "lowest", "repeats", "values", "second_values", "unused")]
    + [("gap", np.int64)]
)
VALUES = np.dtype([(name, np.float64) for name in ("factor", "offset", "scale")] + [("known", np.int64)])
HAS_VALUES = EVENTS_HAS_VALUES
HAS_SECONDS = EVENTS_HAS_SECONDS
HAS_GROUPS = EVENTS_HAS_GROUPS
HAS_CODES = EVENTS_HAS_CODES
UNITS_MOST = EVENTS_UNITS

_CELLS = {
    FOLD_LAST_DAY: ("day",),
    FOLD_FIRST_DAY: ("day",),
    FOLD_ROWS: ("count",),
    FOLD_DAYS: ("count",),
    FOLD_CODES: ("count",),
    FOLD_LAST_VALUE: ("day", "value"),
    FOLD_LAST_GAP: ("day", "value", "earlier", "earlier_day"),
    FOLD_EXTREME: ("day", "value"),
    FOLD_LAST_LABEL: ("day", "label"),
    FOLD_PAIR: ("day", "value", "second", "label"),
}
_QUEUED = (FOLD_ROWS, FOLD_DAYS, FOLD_CODES, FOLD_LAST_GAP, FOLD_PAIR)
_TYPES = {"day": np.int32, "earlier_day": np.int32, "label": np.int16, "count": np.int32}
_MOST_ROWS = 2**31 - 2


def _failed(int status, int number=0):
    if status == EVENTS_NO_MEMORY:
        raise MemoryError
    if status == EVENTS_SYSTEM:
        raise OSError(number, os.strerror(number))
    raise ValueError("an index or an offset leads out of its column")


cdef int _column(events_column *c, given, int64_t rows, int width, list held) except -1:
    """Fill a column from (valid or None, data, offset), (…, lookup) or (…, text, width): buffers that hold `rows`."""
    cdef const uint8_t[::1] valid, data, text
    cdef const int32_t[::1] lookup
    cdef int64_t offset = given[2]
    cdef int64_t more = 0
    if not 0 <= offset <= 1 << 50:
        raise ValueError("the offset is out of range")
    c.kind = EVENTS_NUMBERS
    if len(given) == 4:
        c.kind = EVENTS_LOOKUP
        width = 4
        lookup = np.ascontiguousarray(given[3], np.int32)
        held.append(lookup)
        c.lookup_size = lookup.shape[0]
        c.lookup = &lookup[0] if c.lookup_size else NULL
    elif len(given) == 5:
        c.kind = EVENTS_TEXTS
        width = given[4]
        if width not in (4, 8):
            raise ValueError("the offsets of texts have 4 or 8 bytes")
        c.wide = width == 8
        text = _bytes(given[3], 0)
        held.append(text)
        c.text_size = text.shape[0]
        c.text = <const char *>(&text[0] if c.text_size else events_nothing)
        more = 1
    data = _bytes(given[1], (offset + rows + more) * width if rows else 0)
    held.append(data)
    c.data = <const void *>(&data[0] if data.shape[0] else events_nothing)
    c.offset = offset
    c.valid = NULL
    if given[0] is not None and rows:
        valid = _bytes(given[0], (offset + rows + 7) // 8)
        held.append(valid)
        c.valid = &valid[0]
    return 0


def _bytes(buffer, least):
    empty = buffer is None or memoryview(buffer).nbytes == 0
    view = np.zeros(0, np.uint8) if empty else np.frombuffer(buffer, np.uint8)
    if len(view) < least:
        raise ValueError("a buffer is shorter than its rows")
    return view


cdef class Keys:
    """The ids of all people, ascending, with the day of birth of each (the least there is where it is not known).

    `keys` is an array of int64, or offsets (int64, one more than there are keys) and the bytes they lead into.
    Raises ValueError if the ids do not ascend.
    """

    cdef events_keys _keys
    cdef const int32_t[::1] _births
    cdef list _held

    def __init__(self, keys, births):
        cdef const int64_t[::1] values
        cdef const uint8_t[::1] text
        cdef int64_t i
        cdef bint good = True
        self._held = []
        if self._keys.table != NULL:
            raise ValueError("made already")
        texts = isinstance(keys, tuple)
        values = np.ascontiguousarray(keys[0] if texts else keys, np.int64)
        self._held.append(values)
        self._births = np.ascontiguousarray(births, np.int32)
        self._keys.count = self._births.shape[0]
        if self._keys.count > _MOST_ROWS or values.shape[0] != self._keys.count + texts:
            raise ValueError("the keys have another length than the births, or are too many")
        if texts:
            text = _bytes(keys[1], 0)
            self._held.append(text)
            good = values[0] >= 0 and values[self._keys.count] <= text.shape[0]
            for i in range(self._keys.count):
                good = good and values[i] <= values[i + 1]
            if not good:
                raise ValueError("the offsets lead out of the text")
            self._keys.start = &values[0]
            self._keys.text = <const char *>(&text[0] if text.shape[0] else events_nothing)
        elif self._keys.count:
            self._keys.number = &values[0]
        with nogil:
            good = events_keys_ascend(&self._keys)
        if not good:
            raise ValueError("the keys do not ascend, or one is there twice")

    def __dealloc__(self):
        free(self._keys.table)

    def __len__(self):
        return self._keys.count

    @property
    def texts(self):
        return self._keys.start != NULL

    def hash(self):
        """From now on look ids up in a hash table, which does not mind their order. Not by two threads at once."""
        cdef int status
        with nogil:
            status = events_keys_hash(&self._keys)
        if status:
            _failed(status)

    def rows(self, column, int64_t count):
        """The row of each of `count` ids, -1 for none: of what a dictionary holds. `column` is as in `Rows`."""
        cdef events_column c
        cdef list held = []
        cdef int64_t at = 0, i, n
        cdef int status = 0
        memset(&c, 0, sizeof(c))
        if count < 0:
            raise ValueError("rows out of range")
        _column(&c, column, count, 8, held)
        if (c.kind == EVENTS_TEXTS) != (self._keys.start != NULL) and self._keys.count:
            raise ValueError("ids are texts on one side and numbers on the other")
        found = np.full(count, -1, np.int32)
        cdef int32_t[::1] out = found
        if count and self._keys.count:
            with nogil:
                i = 0
                while i < count and not status:
                    n = min(count - i, <int64_t>EVENTS_BLOCK)
                    status = events_rows(&self._keys, &c, c.offset + i, n, &at, &out[i])
                    i += n
            if status:
                _failed(status)
        return found


cdef class Rules:
    """The folds of one table, compiled.

    `codes` (int64, all different) are the codes that some fold lists; the slot of a code is its place. With HAS_CODES
    among the `fields` there are two more slots: for any other code, and for none. `start` and `entries` (fold, more)
    say what each slot feeds, `folds` (FOLD) and `bounds` (minimum, maximum) what is to be done, and `conversions`
    (VALUES, a row for each of `bounds`) what a value in each unit is, the first of which is no unit. `fields` are what
    the folds read of an event. Raises ValueError if these do not fit each other.
    """

    cdef events_rules _rules
    cdef events_codes _codes
    cdef list _held

    def __init__(self, codes, start, entries, folds, bounds, conversions, int fields):
        cdef const int64_t[::1] code = np.ascontiguousarray(codes, np.int64)
        cdef const int32_t[::1] starts = np.ascontiguousarray(start, np.int32)
        cdef const int32_t[:, ::1] entry = np.ascontiguousarray(entries, np.int32).reshape(-1, 2)
        found = np.ascontiguousarray(folds, FOLD)
        tables = np.ascontiguousarray(bounds, np.float64).reshape(-1, 2)
        units = np.ascontiguousarray(conversions, VALUES)
        cdef int i, at = 16
        cdef bint any_code = fields & EVENTS_HAS_CODES != 0
        if self._held is not None:
            raise ValueError("made already")
        slots = code.shape[0] + 2 * any_code
        if len(np.unique(codes)) != code.shape[0] or code.shape[0] > 1 << 28:
            raise ValueError("a code is there twice")
        if starts.shape[0] != slots + 1 or starts[0] != 0 or starts[slots] != entry.shape[0] or (np.diff(start) < 0).any():
            raise ValueError("the entries do not fit the codes")
        if entry.shape[0] and not (0 <= np.min(np.asarray(entry)[:, 0]) and np.max(np.asarray(entry)[:, 0]) < len(found)):
            raise ValueError("an entry has no fold")
        if units.ndim != 2 or len(units) != len(tables) or not 1 <= units.shape[1] <= EVENTS_UNITS:
            raise ValueError("the conversions do not fit the bounds")
        for name in ("values", "second_values"):
            if ((found[name] < -1) | (found[name] >= len(tables))).any():
                raise ValueError("a fold reads values that there are not")
        kind = found["kind"]
        pairs = kind == FOLD_PAIR
        reads = np.isin(kind, (FOLD_LAST_VALUE, FOLD_LAST_GAP, FOLD_EXTREME, FOLD_PAIR))
        if ((kind < 0) | (kind >= FOLD_KINDS) | (reads != (found["values"] >= 0)) | (pairs & (found["second_values"] < 0))
                | (found["gap"] < 0)).any():
            raise ValueError("a fold is not complete")
        if (reads.any() and not fields & EVENTS_HAS_VALUES) or not 0 <= fields < 16 or (
            (pairs[np.asarray(entry)[:, 0]] & (np.asarray(entry)[:, 1] & 3 == 3)).any() and not fields & EVENTS_HAS_SECONDS
        ):
            raise ValueError("a fold reads more than is kept")
        if (pairs[np.asarray(entry)[:, 0]] & ((np.asarray(entry)[:, 1] & 3) == 0)).any():
            raise ValueError("a row of a pair has no part")
        programs, program_start, program_entries = _programs(np.asarray(starts), np.asarray(entry), np.isin(kind, _QUEUED))
        cdef const int32_t[::1] program = programs
        cdef const int32_t[::1] program_starts = program_start
        entry = program_entries
        self._held = [code, starts, program, program_starts, entry, found, tables, units]
        cdef const uint8_t[::1] fold_bytes = found.view(np.uint8) if len(found) else np.zeros(1, np.uint8)
        cdef const uint8_t[::1] table_bytes = tables.view(np.uint8).reshape(-1) if len(tables) else np.zeros(1, np.uint8)
        cdef const uint8_t[::1] unit_bytes = units.reshape(-1).view(np.uint8) if units.size else np.zeros(1, np.uint8)
        self._held += [fold_bytes, table_bytes, unit_bytes]
        self._rules.program = &program[0]
        self._rules.start = &program_starts[0]
        self._rules.programs = program_starts.shape[0] // 2
        self._rules.entry = <const events_entry *>&entry[0, 0] if entry.shape[0] else NULL
        self._rules.fold = <const events_fold *>&fold_bytes[0]
        self._rules.bounds = <const events_bounds *>&table_bytes[0]
        self._rules.conversion = <const events_conversion *>&unit_bytes[0]
        self._rules.folds = len(found)
        self._rules.slots = slots
        self._rules.units = units.shape[1]
        self._rules.fields = fields
        if fields & EVENTS_HAS_VALUES:
            self._rules.value_at = at
            at += 8
        if fields & EVENTS_HAS_SECONDS:
            self._rules.second_at = at
            at += 8
        if fields & EVENTS_HAS_GROUPS:
            self._rules.group_at = at
            at += 8
        if fields & EVENTS_HAS_CODES:
            self._rules.code_at = at
            at += 8
        self._rules.stride = at
        i = events_codes_make(&self._codes, &code[0] if code.shape[0] else NULL, &starts[0], code.shape[0])
        if i:
            _failed(i)
        self._codes.slots = slots
        self._codes.missing = code.shape[0] if any_code else -1
        self._codes.none = code.shape[0] + 1 if any_code else -1

    def __dealloc__(self):
        events_codes_free(&self._codes)

    def slots(self, codes, valid=None):
        """The slot of each of some codes: of what a dictionary holds. `valid` says which are none at all (False)."""
        cdef const int64_t[::1] code = np.ascontiguousarray(codes, np.int64)
        found = np.empty(code.shape[0], np.int32)
        cdef int32_t[::1] out = found
        cdef int64_t i
        with nogil:
            for i in range(code.shape[0]):
                out[i] = events_slot_of(&self._codes, code[i])
        if valid is not None:
            found[~np.asarray(valid, bool)] = self._codes.none
        return found


def _programs(start, entries, queued):
    """What each slot feeds, as one of few programs: the program of each slot, where each starts among the entries (what
    is done at once, then what is queued), and the entries."""
    known = {}
    parts = []
    starts = [0]
    at = 0
    program = np.zeros(len(start), np.int32)
    for slot in range(len(start) - 1):
        own = entries[start[slot]:start[slot + 1]]
        key = own.tobytes()
        if key not in known:
            known[key] = len(known)
            later = queued[own[:, 0]]
            parts += [own[~later], own[later]]
            starts += [at + int((~later).sum()), at + len(own)]
            at += len(own)
        program[slot] = known[key]
    return program, np.array(starts, np.int32), np.concatenate([np.zeros((0, 2), np.int32), *parts])


cdef class Rows:
    """The columns of a batch of `rows` events, as they lie in memory; the buffers are held.

    Each is (valid or None, data, offset): Arrow's bitmap of what is not null, the values (int64 for key, code and
    group, int32 for day, float64 for value and second). A column in a dictionary is (valid, indices of 32 bits, offset,
    lookup), where `lookup` (int32) is what each value of the dictionary stands for: a row, a slot, a unit. Texts are
    (valid, offsets, offset, text, 4 or 8). Columns that a table may lack are None then. Raises ValueError for buffers
    that are too short.
    """

    cdef events_batch _batch
    cdef list _held
    cdef readonly bint texts, looked_up

    def __init__(self, int64_t rows, key, day, code, value=None, second=None, unit=None, group=None, code_values=None):
        cdef const int64_t[::1] codes
        self._held = []
        memset(&self._batch, 0, sizeof(self._batch))
        if rows < 0:
            raise ValueError("rows out of range")
        self._batch.rows = rows
        _column(&self._batch.key, key, rows, 8, self._held)
        _column(&self._batch.day, day, rows, 4, self._held)
        _column(&self._batch.code, code, rows, 8, self._held)
        self.texts = self._batch.key.kind == EVENTS_TEXTS
        self.looked_up = self._batch.key.kind == EVENTS_LOOKUP
        if value is not None:
            _column(&self._batch.value, value, rows, 8, self._held)
        if second is not None:
            _column(&self._batch.second, second, rows, 8, self._held)
        if unit is not None:
            _column(&self._batch.unit, unit, rows, 4, self._held)
        if group is not None:
            _column(&self._batch.group, group, rows, 8, self._held)
        for column, kind in (
            (self._batch.day.kind, EVENTS_NUMBERS),
            (self._batch.value.kind, EVENTS_NUMBERS),
            (self._batch.second.kind, EVENTS_NUMBERS),
            (self._batch.group.kind, EVENTS_NUMBERS),
            (self._batch.unit.kind, EVENTS_LOOKUP if unit is not None else EVENTS_NUMBERS),
        ):
            if column != kind:
                raise ValueError("a column lies in memory as it may not")
        if self._batch.code.kind == EVENTS_TEXTS:
            raise ValueError("codes are numbers")
        if self._batch.code.kind == EVENTS_LOOKUP:
            codes = np.ascontiguousarray([] if code_values is None else code_values, np.int64)
            self._held.append(codes)
            if code_values is not None and codes.shape[0] != self._batch.code.lookup_size:
                raise ValueError("the codes of a dictionary are not as many as its slots")
            self._batch.code_values = &codes[0] if codes.shape[0] else NULL

    def __len__(self):
        return self._batch.rows


cdef class Hits:
    """Events that some fold wants, packed. `first` and `last` are the rows of the first and the last (-1 for none);
    `head` hits belong to the first row, those from `tail` on to the last one; `ascending`: no row is followed by a
    lower one."""

    cdef uint8_t *_hits
    cdef int64_t _room  # bytes
    cdef readonly int64_t count, first, last, head, tail
    cdef readonly bint ascending
    cdef int32_t _stride

    def __cinit__(self):
        self.first = self.last = -1
        self.ascending = True

    def __dealloc__(self):
        free(self._hits)

    cdef int _reserve(self, int64_t bytes) except -1:
        cdef uint8_t *grown
        if bytes > self._room:
            grown = <uint8_t *>realloc(self._hits, max(bytes, 2 * self._room))
            if grown == NULL:
                raise MemoryError
            self._room = max(bytes, 2 * self._room)
            self._hits = grown
        return 0

    def clear(self):
        self.count = self.head = self.tail = 0
        self.first = self.last = -1
        self.ascending = True

    def append(self, Hits other, int64_t start, int64_t stop):
        """The hits [start, stop) of another, all of one row, which is that of any already here."""
        if not 0 <= start <= stop <= other.count or (self.count and self._stride != other._stride):
            raise ValueError("hits out of range")
        if start == stop:
            return
        self._stride = other._stride
        self._reserve((self.count + stop - start) * self._stride)
        memcpy(self._hits + self.count * self._stride, other._hits + start * self._stride,
               (stop - start) * self._stride)
        self.count += stop - start
        self.first = self.last = self._row(0)
        self.head = self.count
        self.tail = self.count

    cdef int64_t _row(self, int64_t i) noexcept nogil:
        return (<events_hit *>(self._hits + i * self._stride)).row

    def row(self, int64_t i):
        if not 0 <= i < self.count:
            raise ValueError("hits out of range")
        return self._row(i)

    def before(self, int64_t row):
        """How many lie before a row, if they ascend."""
        cdef int64_t low = 0, high = self.count, middle
        while low < high:
            middle = (low + high) // 2
            if self._row(middle) < row:
                low = middle + 1
            else:
                high = middle
        return low


cdef class Columns:
    """The results of some rules for `rows` people from row `first` on: for each fold, its cells by name."""

    cdef events_cells *_cells
    cdef Rules _rules
    cdef readonly int64_t first, rows
    cdef readonly list arrays

    def __init__(self, Rules rules not None, int64_t first, int64_t rows):
        cdef int32_t[::1] whole
        cdef int16_t[::1] short
        cdef double[::1] number
        cdef Py_ssize_t i
        if self._cells != NULL or not (0 <= first <= _MOST_ROWS and 1 <= rows <= _MOST_ROWS):
            raise ValueError("rows out of range")
        self.first, self.rows, self._rules = first, rows, rules
        self._cells = <events_cells *>calloc(rules._rules.folds + 1, sizeof(events_cells))
        if self._cells == NULL:
            raise MemoryError
        self.arrays = []
        for i in range(rules._rules.folds):
            names = _CELLS[rules._rules.fold[i].kind]
            kinds = {name: np.dtype(_TYPES.get(name, np.float64)) for name in names}
            found = {name: np.frombuffer(Memory(rows * kind.itemsize), kind) for name, kind in kinds.items()}
            self.arrays.append(found)
            for name, array in found.items():
                if name == "label":
                    short = array
                    self._cells[i].label = &short[0]
                elif array.dtype == np.int32:
                    whole = array
                    if name == "day":
                        self._cells[i].day = &whole[0]
                    elif name == "earlier_day":
                        self._cells[i].earlier_day = &whole[0]
                    else:
                        self._cells[i].count = &whole[0]
                else:
                    number = array
                    if name == "value":
                        self._cells[i].value = &number[0]
                    elif name == "second":
                        self._cells[i].second = &number[0]
                    else:
                        self._cells[i].earlier = &number[0]

    def __dealloc__(self):
        free(self._cells)

    def clear(self, int64_t start, int64_t stop):
        """Make the rows [start, stop), counted from the first, those of people without events."""
        cdef int64_t f
        if not 0 <= start <= stop <= self.rows:
            raise ValueError("rows out of range")
        with nogil:
            for f in range(self._rules._rules.folds):
                events_clear(self._cells + f, start, stop)


cdef class Worker:
    """What one thread needs: it packs events and folds hits, and counts. Not for two threads at once."""

    cdef events_worker _worker
    cdef events_tally _tally
    cdef Rules _rules
    cdef Keys _keys
    cdef object _aside

    def __init__(self, Rules rules not None, Keys keys not None):
        cdef int64_t[:, ::1] aside
        cdef int i
        if self._rules is not None:
            raise ValueError("made already")
        self._rules, self._keys = rules, keys
        self._aside = np.zeros((EVENTS_REASONS, rules._rules.slots + 1), np.int64)
        aside = self._aside
        for i in range(EVENTS_REASONS):
            self._tally.aside[i] = &aside[i, 0]
        i = events_worker_make(&self._worker, &rules._rules)
        if i:
            _failed(i)

    def __dealloc__(self):
        if self._rules is not None:
            events_worker_free(&self._worker, self._rules._rules.folds)

    def pack(self, Rows rows not None, int64_t start, int64_t stop, int32_t last_day, Hits hits not None):
        """Pack the events [start, stop) of a batch that some fold wants and that have a day up to `last_day`, not before
        birth, in place of what `hits` holds. Runs without the GIL. Raises ValueError if an index of the batch leads out
        of its dictionary, an offset out of its text."""
        cdef events_packed packed
        cdef int status = 0
        cdef const events_rules *r = &self._rules._rules
        cdef const int32_t *births = &self._keys._births[0] if self._keys._keys.count else NULL
        if not 0 <= start <= stop <= rows._batch.rows:
            raise ValueError("rows out of range")
        if not rows.looked_up and rows.texts != (self._keys._keys.start != NULL):
            raise ValueError("ids are texts on one side and numbers on the other")
        if r.fields & EVENTS_HAS_CODES and rows._batch.code.kind == EVENTS_LOOKUP and (
            rows._batch.code_values == NULL and rows._batch.code.lookup_size
        ):
            raise ValueError("the codes of a dictionary are wanted")
        hits.clear()
        hits._stride = r.stride
        hits._reserve((stop - start) * r.stride + r.stride)
        with nogil:
            status = events_pack(&self._keys._keys, births, &self._rules._codes, &rows._batch, start, stop, last_day,
                                 r.fields, &self._tally, hits._hits, &packed)
        if status:
            _failed(status)
        hits.count, hits.head, hits.tail, hits.ascending = packed.hits, packed.head, packed.tail, packed.ascending
        if packed.hits:
            hits.first, hits.last = hits._row(0), hits._row(packed.hits - 1)

    def fold(self, Hits hits not None, int64_t start, int64_t stop, Columns columns not None):
        """Fold the hits [start, stop), whole people, all within the columns. Runs without the GIL."""
        cdef int status = 0
        cdef int64_t i, row
        cdef bint within = True
        if not 0 <= start <= stop <= hits.count or (hits.count and hits._stride != self._rules._rules.stride):
            raise ValueError("hits out of range")
        if columns._rules is not self._rules:
            raise ValueError("the columns are of other rules")
        if start < stop and hits.ascending:
            within = columns.first <= hits._row(start) and hits._row(stop - 1) < columns.first + columns.rows
        with nogil:
            for i in range(start, stop if not hits.ascending else start):
                row = hits._row(i) - columns.first
                within = within and 0 <= row < columns.rows
            if within:
                status = events_fold_hits(&self._rules._rules, &self._worker, columns._cells, hits._hits, start, stop,
                                          columns.first)
        if not within:
            raise ValueError("rows out of range")
        if status:
            _failed(status)

    def counts(self):
        """Rows, those of unknown people, those that no fold lists; what was set aside by reason and slot; COUNTS by fold
        (used, no value, unknown unit, implausible, repeats)."""
        cdef int64_t folds = self._rules._rules.folds
        by_fold = np.empty((folds, COUNTS), np.int64)
        cdef int64_t[:, ::1] out = by_fold
        if folds:
            memcpy(&out[0, 0], self._worker.counts, folds * COUNTS * 8)
        tally = (self._tally.rows, self._tally.unknown, self._tally.unlisted)
        return tally, self._aside[:, :self._rules._rules.slots].copy(), by_fold

    def mix(self, int64_t fold, int64_t units):
        """How many values a fold met in each of the first `units` units."""
        if not (0 <= fold < self._rules._rules.folds and 0 <= units <= EVENTS_UNITS):
            raise ValueError("out of range")
        found = np.zeros(units, np.int64)
        cdef int64_t[::1] out = found
        if units:
            memcpy(&out[0], self._worker.mix + fold * EVENTS_UNITS, units * 8)
        return found


cdef class Spill:
    """Hits in no order, in a file that is open for reading and writing at `fd`: parted by range of rows, `part` rows
    each, so that no part reaches over a multiple of `chunk`; for `rows` people and so many threads.

    A part's hits are read back in the order of their rows. Raises OSError where the file cannot be written or read."""

    cdef events_spill _spill
    cdef Rules _rules
    cdef int64_t _size

    def __init__(self, Rules rules not None, int fd, int64_t rows, int64_t chunk, int64_t part, int threads,
                 int64_t buffer):
        cdef int status
        if self._rules is not None:
            raise ValueError("made already")
        if not (1 <= part <= chunk <= _MOST_ROWS and 0 <= rows <= _MOST_ROWS and 1 <= threads <= 4096 and 1 <= buffer):
            raise ValueError("out of range")
        self._spill.parts_of_chunk = (chunk + part - 1) // part
        self._spill.parts = ((rows + chunk - 1) // chunk) * self._spill.parts_of_chunk
        if self._spill.parts > 1 << 20 or buffer > 1 << 24:
            raise ValueError("too many parts")
        self._spill.chunk, self._spill.part = chunk, part
        self._spill.threads, self._spill.buffer, self._spill.fd = threads, buffer, fd
        self._spill.stride = rules._rules.stride
        self._size = rows
        status = events_spill_make(&self._spill)
        if status:
            _failed(status)
        self._rules = rules

    def __dealloc__(self):
        events_spill_free(&self._spill)

    @property
    def parts_of_chunk(self):
        return self._spill.parts_of_chunk

    def add(self, int64_t thread, Hits hits not None):
        """Put hits by. Each thread gives its own number."""
        cdef int status = 0, number
        cdef int64_t i
        if not 0 <= thread < self._spill.threads or (hits.count and hits._stride != self._spill.stride):
            raise ValueError("out of range")
        with nogil:
            for i in range(hits.count):
                if not 0 <= hits._row(i) < self._size:
                    status = EVENTS_ASTRAY
            if not status:
                status = events_spill_add(&self._spill, thread, hits._hits, hits.count)
            number = errno
        if status:
            _failed(status, number)

    def read(self, int64_t part, Hits hits not None, Hits other not None):
        """The hits of a part, by row, in place of what `hits` holds; `other` is room to sort them."""
        cdef int status, number
        cdef int64_t n
        cdef int64_t *starts
        if not 0 <= part < self._spill.parts:
            raise ValueError("out of range")
        n = events_spill_size(&self._spill, part)
        hits.clear()
        other.clear()
        hits._stride = other._stride = self._spill.stride
        hits._reserve((n + 1) * self._spill.stride)
        other._reserve((n + 1) * self._spill.stride)
        starts = <int64_t *>malloc((self._spill.part + 2) * 8)
        if starts == NULL:
            raise MemoryError
        with nogil:
            status = events_spill_read(&self._spill, part, self._rules._rules.slots, other._hits, hits._hits, starts)
            number = errno
        free(starts)
        if status:
            _failed(status, number)
        hits.count = n
        if n:
            hits.first, hits.last = hits._row(0), hits._row(n - 1)
