# cython: language_level=3, boundscheck=False, initializedcheck=False, freethreading_compatible=True
"""The compiled core: programs over columns. It knows bit planes, numbers and codes, and nothing of what they mean."""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint64_t
from cpython.pycapsule cimport PyCapsule_GetPointer
from cpython.pythread cimport (
    PyThread_acquire_lock, PyThread_allocate_lock, PyThread_release_lock, PyThread_type_lock, WAIT_LOCK,
)
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy, memset

import numpy as np

cdef extern from "interpreter.h" nogil:
    const char *const *popstrat_op_names
    const char *const *popstrat_op_signatures
    int OP_END
    int BLOCK_ROWS "BLOCK"
    int PART_ROWS "PART"
    int WIDTH "INSTRUCTION_WIDTH"
    int CODE_UNKNOWN_VALUE "CODE_UNKNOWN"
    int CODE_NULL_VALUE "CODE_NULL"
    int NEWEST_SHIFT_VALUE "NEWEST_SHIFT"
    double GRID_STEP_VALUE "GRID_STEP"
    double GRID_BOUND_VALUE "GRID_BOUND"
    int SHARE_BITS
    int FETCHED_BYTES "FETCHED"

    ctypedef struct popstrat_labels:
        int64_t count
        uint8_t length[256]
        uint8_t code[256]
        uint8_t text[256][32]

    void popstrat_labels_slots(popstrat_labels *labels)

    ctypedef struct popstrat_column:
        const uint8_t *values
        const uint8_t *valid
        const uint8_t *characters
        int64_t characters_size
        const uint8_t *table
        int64_t table_size
        int64_t offset
        const popstrat_labels *labels

    ctypedef struct popstrat_output:
        uint8_t *values
        uint8_t *valid

    ctypedef struct popstrat_read:
        const uint8_t *start
        int64_t bits

    ctypedef struct popstrat_run:
        const int32_t *code
        int64_t instructions
        const int32_t *span
        int64_t spans
        const int32_t *arguments
        const int64_t *integers
        const double *doubles
        const popstrat_column *columns
        const popstrat_output *outputs
        const popstrat_read *read
        int64_t reads
        const int32_t *share
        int64_t fetches
        int stream
        int64_t *counters

    int64_t POPSTRAT_LARGE
    uint8_t *popstrat_take(int64_t size)
    void popstrat_give_back(uint8_t *start, int64_t size)
    int popstrat_best_level()
    int popstrat_increasing(const int64_t *x, int64_t n)

    ctypedef struct popstrat_room:
        uint8_t *memory

    ctypedef struct popstrat_registers:
        int64_t planes, bytes, shorts, numbers

    long popstrat_more(long *holders)
    long popstrat_fewer(long *holders)
    int popstrat_settle(popstrat_run *run, popstrat_room *room, const popstrat_registers *need, int level)
    void popstrat_execute(const popstrat_run *run, int level, int64_t start, int64_t stop)

cdef extern from "Python.h" nogil:
    void PyThread_free_lock(PyThread_type_lock lock)
    unsigned long PyThread_start_new_thread(void (*function)(void *) noexcept nogil, void *argument)

cdef extern from *:
    """
    /* the Arrow C data interface */
    #ifndef ARROW_C_DATA_INTERFACE
    #define ARROW_C_DATA_INTERFACE
    struct ArrowArray {
        int64_t length, null_count, offset, n_buffers, n_children;
        const void **buffers;
        struct ArrowArray **children;
        struct ArrowArray *dictionary;
        void (*release)(struct ArrowArray *);
        void *private_data;
    };
    struct ArrowSchema {
        const char *format, *name, *metadata;
        int64_t flags, n_children;
        struct ArrowSchema **children;
        struct ArrowSchema *dictionary;
        void (*release)(struct ArrowSchema *);
        void *private_data;
    };
    #endif
    """
    cdef struct ArrowArray:
        int64_t length, null_count, offset, n_buffers, n_children
        const void **buffers
        ArrowArray **children
        ArrowArray *dictionary
        void (*release)(ArrowArray *)

    cdef struct ArrowSchema:
        const char *format
        int64_t n_children
        ArrowSchema **children
        ArrowSchema *dictionary
        void (*release)(ArrowSchema *)

cdef extern from "sound.h" nogil:
    enum:
        SOUND_INDICES
        SOUND_OFFSETS
        SOUND_VIEWS
        SOUND_VALID

    ctypedef struct popstrat_pointing:
        int what, width
        const uint8_t *values
        const uint8_t *valid
        int64_t valid_from, rows
        uint64_t entries
        const int64_t *sizes
        int64_t buffers

    int64_t popstrat_sound(const popstrat_pointing *c, int64_t *found, int64_t most)

cdef extern from "distinct.h" nogil:
    ctypedef struct popstrat_values:
        const int64_t *start
        int64_t count

    int popstrat_distinct(const popstrat_values *lists, int64_t many)

# From so many rows on, outputs are far larger than any cache, and are written past it.
STREAM_ROWS = 1 << 20
cdef enum:
    PIECE = 16384  # rows that are counted together, whole blocks: counters of doubles are added up by piece
    SHARES = 2  # a thread takes its share of what is left, divided by this
BLOCK = BLOCK_ROWS
INSTRUCTION_WIDTH = WIDTH
CODE_UNKNOWN = CODE_UNKNOWN_VALUE
CODE_NULL = CODE_NULL_VALUE
NEWEST_SHIFT = NEWEST_SHIFT_VALUE
LARGE = POPSTRAT_LARGE
GRID_STEP = GRID_STEP_VALUE
GRID_BOUND = GRID_BOUND_VALUE
LEVELS = {"baseline": 0, "avx2": 2, "avx512": 4}

_MOST_ROWS = 1 << 50  # of a batch, so that no address overflows
_MOST = 1 << 16  # registers of a class, columns, constants
# Bits a row of each kind of column and output; strings are their offsets.
_COLUMN_BITS = {
    "bits": 1, "i8": 8, "u8": 8, "i16": 16, "i32": 32, "i64": 64, "f32": 32, "f64": 64,
    "dict8": 8, "dict16": 16, "dict32": 32, "str32": 32, "str64": 64,
}
# The formats, as the Arrow C data interface writes them, of the columns that may be read as a kind; of a dictionary's
# its indices'.
_FORMATS = {
    "bits": (b"b",), "i8": (b"c",), "u8": (b"C",), "i16": (b"s",), "i32": (b"i", b"tdD"), "i64": (b"l",), "f32": (b"f",),
    "f64": (b"g",), "dict8": (b"c", b"C"), "dict16": (b"s", b"S"), "dict32": (b"i", b"I"), "str32": (b"u",),
    "str64": (b"U",),
}
_OUTPUT_BITS = {"bits": 1, "codes": 8, "short": 16, "number": 64, "flags": 64}
# The kind of column an instruction reads, where it reads values and not only validity.
_COLUMN_KIND = {
    "BITS": "bits", "FLAG": "bits", "CHECK_DATE": "i32", "LESS_I32": "i32", "APART_I32": "i32", "YEARS": "i32", "YEARS_TABLE": "i32", "NEWEST": "i32",
    "CODES_I8": "dict8", "CODES_I16": "dict16", "CODES_I32": "dict32", "CODES_STR32": "str32", "CODES_STR64": "str64",
    **{f"{name}_{kind.upper()}": kind
       for name in ("RANGE", "CHECK", "F64", "SHORT") for kind in ("i8", "u8", "i16", "i32", "i64", "f32", "f64")},
}
_OUTPUT_KIND = {"OUT_BITS": "bits", "OUT_CODES": "codes", "OUT_NUM": "number", "CHAIN_OUT": "number",
                "LOOKUP_OUT": "number", "OUT_SHORT": "short", "OUT_FLAGS": "flags"}
OPERATIONS = {
    popstrat_op_names[i].decode(): (i, popstrat_op_signatures[i].decode()) for i in range(OP_END)
}
_BY_CODE = {code: (name, signature) for name, (code, signature) in OPERATIONS.items()}


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


def distinct(lists):
    """Whether 64-bit integers are all different, over any number of (buffer, offset, rows). Releases the GIL.

    Raises ValueError for a buffer that is too short, MemoryError."""
    cdef int64_t i, offset, rows, many = len(lists)
    cdef int found
    cdef int64_t held = 0
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
            found = popstrat_distinct(values, many)
    finally:
        for i in range(held):
            PyBuffer_Release(&views[i])
        free(views)
        free(values)
    if found < 0:
        raise MemoryError
    return bool(found)


_POINTING = {"indices": (SOUND_INDICES, (1, 2, 4, 8)), "offsets": (SOUND_OFFSETS, (4, 8)), "views": (SOUND_VIEWS, (16,)),
             "valid": (SOUND_VALID, (0,))}


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
            many = popstrat_sound(&column, found, most)
        return many, [found[i] for i in range(min(many, most))]
    finally:
        while held:
            held -= 1
            PyBuffer_Release(&views[held])


@cython.no_gc_clear
cdef class Memory:
    """Writable bytes for outputs (the buffer protocol), rubbish at first, save the last eight, which no row may reach:
    those are clear. Large ones are used again once nobody holds them. Raises MemoryError."""

    cdef uint8_t *start
    cdef int64_t size, taken
    cdef Memory whole  # whose part this is

    def __cinit__(self, int64_t size, Memory whole=None, int64_t at=0):
        if whole is not None:
            if not (0 <= at <= whole.size and 0 <= size <= whole.size - at):
                raise ValueError(f"{size} bytes: out of range")
            self.whole, self.start, self.size = whole, whole.start + at, size
            self.clear_end()
            return
        if not 0 <= size <= _MOST_ROWS:
            raise ValueError(f"{size} bytes: out of range")
        self.size, self.taken = size, max(LARGE, (size + 4095) // 4096 * 4096)
        self.start = popstrat_take(self.taken)
        if self.start == NULL:
            raise MemoryError
        self.clear_end()

    cdef void clear_end(self) noexcept:
        cdef int64_t last = min(8, self.size)
        memset(self.start + self.size - last, 0, last)

    @staticmethod
    def several(sizes, int64_t together):
        """One for each size, parts of a single one where all are `together` bytes at most: a table may come in many
        batches, and each piece of memory would be a call to the system."""
        cdef int64_t size, at = 0
        cdef Memory whole
        for size in sizes:
            at += (size + 63) // 64 * 64
        if at > together:
            return [Memory(size) for size in sizes]
        whole, at, found = Memory(at), 0, []
        for size in sizes:
            found.append(Memory(size, whole, at))
            at += (size + 63) // 64 * 64
        return found

    def __dealloc__(self):
        if self.start != NULL and self.taken:  # a part has taken nothing
            popstrat_give_back(self.start, self.taken)

    def __getbuffer__(self, Py_buffer *view, int flags):
        PyBuffer_FillInfo(view, self, self.start, self.size, 0, flags)


def levels():
    """Names of the instruction-set variants this processor can run, plainest first."""
    best = popstrat_best_level()
    return [name for name, level in LEVELS.items() if level <= best]


# Work on doubles, and from 16-bit integers to others, goes over a block in parts, so that its registers stay in the
# first-level cache.
IN_PARTS = frozenset(
    name for name, (_, signature) in OPERATIONS.items() if set(signature) & set("Ff") or set(signature) <= set("Hhbi") and "H" in signature
)
# Operations that CHAIN can do one after the other: from one register of doubles to another, with a constant at most.
STEPS = frozenset(name for name, (_, signature) in OPERATIONS.items() if signature in ("Ff", "Ffk"))
_STEP_CODES = frozenset(OPERATIONS[name][0] for name in STEPS)
FOLDS = ("AND", "OR", "XOR", "ANDNOT", "NOT")
_FOLD_CODES = frozenset(OPERATIONS[name][0] for name in FOLDS)
_LISTS = {"l": 1, "t": 1, "q": 1, "m": 2, "p": 2, "s": 2, "v": 2, "d": 2}  # integers an item takes in the argument list
# About what an operation costs a row: as much as the bits that it reads and writes, and what it works out besides.
_REGISTER_BITS = {"b": 1, "u": 8, "h": 16, "f": 64}
_DEAR = {"EXP": 1200, "EXP_NEAR": 1200, "LN": 1200, "POW": 2400, "POWK": 2400, "LOOKUP": 200, "LOOKUP_OUT": 200, "OUT_CODES": 40, "DIV": 60, "DIVK": 60,
         "RDIVK": 60, "SQRT": 60, "ROUND": 40, "CHECK_DATE": 40, "CHECK_F32": 30, "CHECK_I16": 20, "YEARS": 60}
_LISTED = {"WEIGH": 40, "MASKED_ADD": 60, "SCALED_SHORTS": 60, "ADD_SCALED_SHORTS": 60}  # of each item of a list
_CALL = 8  # of calling it at all
_PART_CODES = frozenset(OPERATIONS[name][0] for name in IN_PARTS)


def _spans(codes):
    """Neighbouring operations of one kind together: (begin, end, whether in parts) of each run."""
    spans = []
    for i, code in enumerate(codes):
        parts = code in _PART_CODES
        if spans and spans[-1][2] == parts:
            spans[-1][1] = i + 1
        else:
            spans.append([i, i + 1, parts])
    return np.array(spans or [[0, 0, 0]], dtype=np.int32)


def _kept(values, dtype):
    """A copy that nobody can change: what has been checked stays as it was."""
    copy = np.array(values, dtype=dtype, order="C")
    copy.setflags(write=False)
    return copy


cdef class Program:
    """A flat list of operations over typed registers: plain data, checked once, picklable, shared between threads."""

    cdef readonly object code, arguments, integers, doubles, spans
    cdef readonly tuple column_kinds, output_kinds
    cdef readonly int planes, bytes, shorts, numbers, counters
    cdef const int32_t[::1] _shares  # of a block's fetching
    cdef readonly tuple newest, sums  # counters of which the largest counts, and those that are doubles
    cdef tuple nullable  # outputs that need room for nulls
    cdef const int32_t[:, ::1] _code
    cdef const int32_t[:, ::1] _spans
    cdef const int32_t[::1] _arguments
    cdef const int64_t[::1] _integers
    cdef const double[::1] _doubles

    def __init__(self, code, arguments, integers, doubles, column_kinds, output_kinds, planes, bytes, shorts, numbers,
                 counters):
        self.code = _kept(code, np.int32).reshape(-1, WIDTH)
        self.arguments = _kept(list(arguments) or [0], np.int32)
        self.integers = _kept(list(integers) or [0], np.int64)
        self.doubles = _kept(list(doubles) or [0.0], np.float64)
        self.column_kinds, self.output_kinds = tuple(column_kinds), tuple(output_kinds)
        self.planes, self.bytes, self.shorts, self.numbers, self.counters = planes, bytes, shorts, numbers, counters
        self._check()
        self._code, self._arguments = self.code, self.arguments
        self.spans = _spans(self.code[:, 0].tolist())
        self._spans = self.spans
        self._integers, self._doubles = self.integers, self.doubles
        self._shares = self._paced()
        self.nullable, self.newest, self.sums = (
            tuple(row[1] for row in self.code[:, :2].tolist() if row[0] == OPERATIONS[name][0])
            for name in ("OUT_VALID", "NEWEST", "SUM")
        )

    def _paced(self):
        """How much of a block's fetching goes with each operation, a call, in 2^-SHARE_BITS: what it takes of the time."""
        costs = []
        for row in self.code.tolist():
            name, signature = _BY_CODE[row[0]]
            cost, at = _DEAR.get(name, 0), 1
            for letter in signature:
                if letter == "s":
                    cost += sum(_DEAR.get(_BY_CODE[step][0], 20) for step in self.arguments[row[at]:row[at] + 2 * row[at + 1]:2].tolist())
                elif letter == "c":
                    cost += _COLUMN_BITS[self.column_kinds[row[at]]]
                elif letter == "o":
                    cost += 1 if name == "OUT_VALID" else _OUTPUT_BITS[self.output_kinds[row[at]]]
                elif letter in _LISTS:
                    cost += row[at + 1] * _LISTED.get(name, 1)
                else:
                    cost += _REGISTER_BITS.get(letter.lower(), 0)
                at += 2 if letter in _LISTS else 1
            costs.append(cost + _CALL)
        whole = sum(costs) * 0.95 / (1 << SHARE_BITS)  # done a little before the block is
        return np.array([
            cost / whole // (BLOCK_ROWS // PART_ROWS if row[0] in _PART_CODES else 1) for row, cost in zip(self.code.tolist(), costs)
        ] or [0], dtype=np.int32)

    def __reduce__(self):
        return Program, (self.code, self.arguments, self.integers, self.doubles, self.column_kinds, self.output_kinds,
                         self.planes, self.bytes, self.shorts, self.numbers, self.counters)

    def _check(self):
        """Every operand in range and of the right kind, so that running cannot leave its memory."""
        sizes = {"b": self.planes, "u": self.bytes, "h": self.shorts, "f": self.numbers, "c": len(self.column_kinds),
                 "o": len(self.output_kinds), "n": self.counters, "i": len(self.integers), "k": len(self.doubles)}
        for letter, size in sizes.items():
            if not 0 <= size <= _MOST:
                raise ValueError(f"{size} of what {letter!r} stands for: out of range")
        for kind in self.column_kinds:
            if kind not in _COLUMN_BITS:
                raise ValueError(f"unknown column kind {kind!r}")
        for kind in self.output_kinds:
            if kind not in _OUTPUT_BITS:
                raise ValueError(f"unknown output kind {kind!r}")
        arguments = self.arguments
        for row in self.code.tolist():
            if row[0] not in _BY_CODE:
                raise ValueError(f"unknown operation {row[0]}")
            name, signature = _BY_CODE[row[0]]
            at = 1
            for letter in signature:
                value = row[at]
                if letter in _LISTS:
                    count = row[at + 1]
                    width = _LISTS[letter]
                    if value < 0 or count < 0 or value + width * count > len(arguments):
                        raise ValueError(f"{name}: argument list out of range")
                    listed = arguments[value:value + width * count]
                    if letter in "lmp" and count and not (0 <= listed[::width].min() and listed[::width].max() < self.planes):
                        raise ValueError(f"{name}: bit plane out of range")
                    if letter == "m" and count and not (0 <= listed[1::2].min() and listed[1::2].max() < len(self.doubles)):
                        raise ValueError(f"{name}: constant out of range")
                    if name == "WEIGH" and count:
                        weights = self.doubles[listed[1::2]]
                        if not np.abs(weights).sum() < GRID_BOUND or (np.mod(weights, GRID_STEP) != 0).any():
                            raise ValueError(f"{name}: constants that do not add up exactly")
                    if letter == "d" and count and not (
                        0 <= listed[::2].min() and listed[::2].max() < self.shorts
                        and 0 <= listed[1::2].min() and listed[1::2].max() < len(self.doubles)
                    ):
                        raise ValueError(f"{name}: register or constant out of range")
                    if letter == "p" and count and not (0 <= listed[1::2].min() and listed[1::2].max() < 64):
                        raise ValueError(f"{name}: bit number out of range")
                    if letter == "s" and count and not (
                        0 <= listed[1::2].min() and listed[1::2].max() < len(self.doubles)
                        and _STEP_CODES.issuperset(listed[::2].tolist())
                    ):
                        raise ValueError(f"{name}: not an operation on one register, or a constant out of range")
                    if letter == "v" and not (
                        count and 0 <= listed[1::2].min() and listed[1::2].max() < self.planes
                        and _FOLD_CODES.issuperset(listed[::2].tolist())
                    ):
                        raise ValueError(f"{name}: not an operation on planes, or a bit plane out of range")
                    if letter == "q" and not (count and 0 <= listed.min() and listed.max() < len(self.doubles)):
                        raise ValueError(f"{name}: constant out of range")
                    if letter == "q" and count > 256 or letter == "t" and count < 1:
                        raise ValueError(f"{name}: a table of {count} entries")
                    if letter == "l" and name in ("OUT_CODES", "NUM_PLANES", "LOOKUP", "LOOKUP_OUT") and count > 8:
                        raise ValueError(f"{name}: more than 8 bit planes")
                    at += 2
                    continue
                if not 0 <= value < sizes[letter.lower()]:
                    raise ValueError(f"{name}: operand {at} out of range")
                if letter == "c" and name in _COLUMN_KIND and self.column_kinds[value] != _COLUMN_KIND[name]:
                    raise ValueError(f"{name}: reads a column of kind {self.column_kinds[value]!r}")
                if letter == "o" and name in _OUTPUT_KIND and self.output_kinds[value] != _OUTPUT_KIND[name]:
                    raise ValueError(f"{name}: writes an output of kind {self.output_kinds[value]!r}")
                at += 1
            if any(row[at:]):
                raise ValueError(f"{name}: more operands than it takes")

    def listing(self):
        """The program as text, one operation a line."""
        lines = []
        for row in self.code.tolist():
            name, signature = _BY_CODE[row[0]]
            operands, at = [], 1
            for letter in signature:
                if letter == "s":
                    listed = self.arguments[row[at]:row[at] + 2 * row[at + 1]].tolist()
                    steps = []
                    for step, constant in zip(listed[::2], listed[1::2]):
                        step, shape = _BY_CODE[step]
                        steps.append(f"{step} {float(self.doubles[constant])!r}" if "k" in shape else step)
                    operands.append(f"[{', '.join(steps)}]")
                    at += 2
                elif letter == "v":
                    listed = self.arguments[row[at]:row[at] + 2 * row[at + 1]].tolist()
                    steps = [f"{_BY_CODE[step][0]} b{plane}" for step, plane in zip(listed[::2], listed[1::2])]
                    operands.append(f"[{', '.join([f'b{listed[1]}', *steps[1:]])}]")
                    at += 2
                elif letter == "d":
                    listed = self.arguments[row[at]:row[at] + 2 * row[at + 1]].tolist()
                    steps = [f"h{register} {float(self.doubles[constant])!r}" for register, constant in zip(listed[::2], listed[1::2])]
                    operands.append(f"[{', '.join(steps)}]")
                    at += 2
                elif letter in _LISTS:
                    width = _LISTS[letter]
                    operands.append(str(self.arguments[row[at]:row[at] + width * row[at + 1]].tolist()))
                    at += 2
                elif letter == "i":
                    operands.append(str(self.integers[row[at]]))
                    at += 1
                elif letter == "k":
                    operands.append(repr(float(self.doubles[row[at]])))
                    at += 1
                else:
                    operands.append(f"{letter}{row[at]}")
                    at += 1
            lines.append(f"{name} {' '.join(operands)}")
        return "\n".join(lines)


cdef class Labels:
    """Spellings of a category's labels (ASCII lower case, at most 32 bytes) and the code of each."""

    cdef popstrat_labels table

    def __init__(self, codes):
        if len(codes) > 256:
            raise ValueError("more than 256 spellings")
        memset(&self.table, 0, sizeof(popstrat_labels))
        self.table.count = len(codes)
        for i, (spelling, code) in enumerate(codes.items()):
            text = spelling.encode()
            if len(text) > 32:
                raise ValueError(f"label {spelling!r} is longer than 32 bytes")
            self.table.length[i] = len(text)
            self.table.code[i] = code
            for j, byte in enumerate(text):
                self.table.text[i][j] = byte
        popstrat_labels_slots(&self.table)


cdef struct popstrat_job:
    popstrat_run run
    popstrat_registers need
    int level
    int64_t rows, counters


cdef struct popstrat_work:
    PyThread_type_lock lock  # of all that follows
    PyThread_type_lock busy  # held while there are helpers
    popstrat_job *jobs
    int64_t many, room  # jobs there are, and that there is memory for
    int64_t at, next, left  # the next piece: its job, and its first row; and pieces that nobody has taken
    int64_t helping, helpers
    bint failed, stopped
    long holders


@cython.no_gc_clear  # threads may be reading what it keeps
cdef class Frame:
    """The columns and outputs of one batch, bound to a program: addresses, held alive by what is kept here.

    columns: for each of the program's columns (values, valid, offset, characters, table, labels), buffers or None; or
    (position, table, labels), a column of `batch`: the capsules of a struct array and its schema, as the Arrow C data
    interface has them (`__arrow_c_array__`). A column's format is compared with the kind that the program reads; how long
    its buffers are nobody can tell: see to it beforehand that they are as long as its rows say;
    outputs: for each of the program's outputs (values, valid), writable buffers, valid None where nothing is null;
    sizes: how many entries a dictionary's table has, by column (without: 256); what an index finds beyond them is an
    unknown label. Small tables take a faster path.

    Offsets, indices and whatever lies under a null may be anything: a text that its offsets put outside the column's, or
    an index without an entry, is an unknown label.
    """

    cdef readonly Program program
    cdef readonly int64_t rows
    cdef list kept
    cdef popstrat_column *columns
    cdef popstrat_output *outputs
    cdef popstrat_read *reads
    cdef int64_t reading, fetches
    cdef Py_buffer *held
    cdef uint8_t *tables  # of every column, 256 codes
    cdef int64_t holding

    def __cinit__(self):
        self.tables = NULL
        self.columns = NULL
        self.outputs = NULL
        self.reads = NULL
        self.reading = self.fetches = 0
        self.held = NULL
        self.holding = 0

    cdef uint8_t *address(self, object buffer, int64_t needed, bint writable=False) except? NULL:
        """Where a buffer's bytes are, NULL for none; the buffer is held until this object goes."""
        if buffer is None:
            return NULL
        cdef Memory memory
        if type(buffer) is Memory:
            memory = buffer
            if memory.size < needed:
                raise ValueError(f"a buffer of {memory.size} bytes, where {needed} are needed")
            self.kept.append(memory)
            return memory.start
        cdef Py_buffer *view = &self.held[self.holding]
        PyObject_GetBuffer(buffer, view, PyBUF_WRITABLE if writable else PyBUF_SIMPLE)
        self.holding += 1
        if view.len < needed:
            raise ValueError(f"a buffer of {view.len} bytes, where {needed} are needed")
        return <uint8_t *>view.buf

    cdef void fetch(self, const uint8_t *buffer, int64_t bits, int64_t offset) noexcept:
        """Note a buffer whose next block is to be fetched while the block before it is worked on."""
        if buffer != NULL:
            self.reads[self.reading].start = buffer + (offset * bits >> 3)
            self.reads[self.reading].bits = bits
            self.reading += 1
            self.fetches += bits * BLOCK_ROWS // (8 * FETCHED_BYTES)

    cdef take(self, int64_t i, str kind, ArrowArray *column, ArrowSchema *schema):
        """Column i from the Arrow C data interface."""
        cdef popstrat_column *found = &self.columns[i]
        cdef int64_t last
        if schema.format == NULL or schema.format not in _FORMATS[kind] or (schema.dictionary != NULL) != kind.startswith("dict"):
            form = "nothing" if schema.format == NULL else schema.format.decode("utf-8", "replace")
            coded = " with a dictionary" if schema.dictionary != NULL else ""
            raise ValueError(f"column {i} is of format {form!r}{coded}, and is read as {kind!r}")
        if (column.dictionary != NULL) != (schema.dictionary != NULL):
            raise ValueError(f"column {i} is not what its schema says")
        if column.length < self.rows or column.offset < 0 or column.offset > _MOST_ROWS:
            raise ValueError(f"column {i} is too short")
        if column.n_buffers != (3 if kind.startswith("str") else 2) or column.buffers == NULL:
            raise ValueError(f"column {i} has {column.n_buffers} buffers")
        found.offset = column.offset
        found.values = <const uint8_t *>column.buffers[1]
        found.valid = <const uint8_t *>column.buffers[0]  # whatever its count of nulls claims
        if kind == "dict8" and schema.format == b"c":
            found.table_size = 128  # a negative index is no large one
        if self.rows and found.values == NULL:
            raise ValueError(f"column {i} has no values")
        if kind.startswith("str") and self.rows:
            last = column.offset + self.rows
            found.characters = <const uint8_t *>column.buffers[2]
            found.characters_size = (<const int32_t *>found.values)[last] if kind == "str32" else (<const int64_t *>found.values)[last]
            if found.characters_size < 0 or found.characters == NULL and found.characters_size:
                raise ValueError(f"column {i} has no text, or an end before its beginning")

    def __init__(self, Program program, columns, outputs, int64_t rows, batch=None, sizes=None):
        cdef int64_t i
        cdef int64_t size
        cdef Labels names
        cdef ArrowArray *arrow = NULL
        cdef ArrowSchema *schema = NULL
        cdef const uint8_t[::1] codes
        if self.held != NULL:
            raise ValueError("a frame is made once")
        if len(columns) != len(program.column_kinds) or len(outputs) != len(program.output_kinds):
            raise ValueError("columns or outputs do not fit the program")
        if not 0 <= rows <= _MOST_ROWS:
            raise ValueError(f"{rows} rows")
        self.program, self.rows, self.kept = program, rows, [batch]
        if batch is not None:
            of_schema, of_array = batch
            arrow = <ArrowArray *>PyCapsule_GetPointer(of_array, "arrow_array")
            schema = <ArrowSchema *>PyCapsule_GetPointer(of_schema, "arrow_schema")
            if (
                arrow.release == NULL or schema.release == NULL or schema.format == NULL or schema.format != b"+s"
                or arrow.offset or arrow.length != rows or arrow.n_children != schema.n_children
            ):
                raise ValueError("not a batch of these rows")
        self.columns = <popstrat_column *>calloc(len(columns) + 1, sizeof(popstrat_column))
        self.outputs = <popstrat_output *>calloc(len(outputs) + 1, sizeof(popstrat_output))
        self.held = <Py_buffer *>calloc(4 * len(columns) + 2 * len(outputs) + 1, sizeof(Py_buffer))
        self.reads = <popstrat_read *>calloc(2 * len(columns) + 1, sizeof(popstrat_read))
        self.tables = <uint8_t *>calloc(len(columns) + 1, 256)
        if self.columns == NULL or self.outputs == NULL or self.held == NULL or self.reads == NULL or self.tables == NULL:
            raise MemoryError
        for i, column in enumerate(columns):
            kind = program.column_kinds[i]
            if len(column) == 3:
                position, table, labels = column
                if arrow == NULL or not 0 <= position < arrow.n_children:
                    raise ValueError(f"the batch has no column {position}")
                self.take(i, kind, arrow.children[<int64_t>position], schema.children[<int64_t>position])
            else:
                values, valid, offset, characters, table, labels = column
                if not 0 <= offset <= _MOST_ROWS:
                    raise ValueError(f"an offset of {offset}")
                end = offset + rows
                length = end + 1 if kind.startswith("str") else end
                if values is None and rows:
                    raise ValueError(f"column {i} has no values")
                self.columns[i].offset = offset
                self.columns[i].values = self.address(values, (length * _COLUMN_BITS[kind] + 7) // 8 if rows else 0)
                self.columns[i].valid = self.address(valid, (end + 7) // 8 if rows else 0)
                self.columns[i].characters = self.address(characters, 0)
                if type(characters) is Memory:
                    self.columns[i].characters_size = (<Memory>characters).size
                elif characters is not None:
                    self.columns[i].characters_size = self.held[self.holding - 1].len
            self.fetch(self.columns[i].values, _COLUMN_BITS[kind], self.columns[i].offset)
            self.fetch(self.columns[i].valid, 1, self.columns[i].offset)
            if kind.startswith("dict"):
                if table is None or len(table) != 256:
                    raise ValueError("a code table has 256 entries")
                size = 256 if sizes is None else sizes.get(i, 256)
                if not 0 <= size <= 256:
                    raise ValueError(f"column {i} has no table of {size} entries")
                codes = table
                self.columns[i].table_size = min(size, self.columns[i].table_size or 256)
                self.columns[i].table = self.tables + 256 * i
                memset(self.tables + 256 * i, CODE_UNKNOWN_VALUE, 256)
                if size:
                    memcpy(self.tables + 256 * i, &codes[0], self.columns[i].table_size)
            if kind.startswith("str"):
                if labels is None:
                    raise ValueError(f"column {i} has no labels")
                names = labels
                self.kept.append(names)
                self.columns[i].labels = &names.table
        for i, (values, valid) in enumerate(outputs):
            kind = program.output_kinds[i]
            if values is None and rows:
                raise ValueError(f"output {i} has no values")
            self.outputs[i].values = self.address(values, (rows * _OUTPUT_BITS[kind] + 7) // 8, True)
            if valid is not None:
                self.outputs[i].valid = self.address(valid, (rows + 7) // 8, True)
        for i in program.nullable if rows else ():
            if self.outputs[i].valid == NULL:
                raise ValueError(f"output {i} has no room for nulls")
        for i in sizes or ():
            if not (0 <= i < len(columns) and self.columns[i].table != NULL):
                raise ValueError(f"column {i} has no table")

    def __dealloc__(self):
        cdef int64_t i
        for i in range(self.holding):
            PyBuffer_Release(&self.held[i])
        free(self.held)
        free(self.reads)
        free(self.tables)
        free(self.columns)
        free(self.outputs)

    def run(self, int64_t start, int64_t stop, level=None, stream=None):
        """Run rows [start, stop); start a multiple of 64. Returns the counters (int64), which add up over calls,
        save those of NEWEST, of which the largest counts, and those of SUM, which are the bits of doubles. Releases the
        GIL; calls on disjoint rows may run at once. `level` names an instruction set, `stream` says whether to write
        past the caches; without them the best and what suits the number of rows."""
        cdef popstrat_job job
        cdef popstrat_room room
        cdef int failed
        if start % 64 or start < 0 or stop > self.rows:
            raise ValueError("rows out of range")
        self.fill(&job, level, stream)
        counters = np.zeros(self.program.counters + 1, dtype=np.int64)
        cdef int64_t[::1] counted = counters
        if stop > start and job.run.instructions:
            job.run.counters = &counted[0]
            memset(&room, 0, sizeof(room))
            with nogil:
                failed = popstrat_settle(&job.run, &room, &job.need, job.level)
                if not failed:
                    popstrat_execute(&job.run, job.level, start, stop)
                free(room.memory)
            if failed:
                raise MemoryError
        return counters[: self.program.counters]

    cdef fill(self, popstrat_job *job, level, stream):
        """What running this frame takes, save room to work in and counters. Raises ValueError for the instruction set."""
        cdef Program program = self.program
        cdef popstrat_run *run = &job.run
        memset(job, 0, sizeof(popstrat_job))
        job.level = popstrat_best_level()
        if level is not None:
            if level not in LEVELS or LEVELS[level] > job.level:
                raise ValueError(f"this processor has no {level}")
            job.level = LEVELS[level]
        job.rows, job.counters = self.rows, program.counters + 1
        job.need.planes, job.need.bytes, job.need.shorts = program.planes, program.bytes, program.shorts
        job.need.numbers = program.numbers
        run.instructions, run.spans = program._code.shape[0], program._spans.shape[0]
        if run.instructions:
            run.code = &program._code[0, 0]
        run.span = &program._spans[0, 0]
        run.arguments = &program._arguments[0]
        run.integers = &program._integers[0]
        run.doubles = &program._doubles[0]
        run.columns, run.outputs = self.columns, self.outputs
        run.read, run.reads, run.fetches = self.reads, self.reading, self.fetches
        run.share = &program._shares[0]
        run.stream = self.rows >= <int64_t>STREAM_ROWS if stream is None else bool(stream)


cdef void _helper(void *work) noexcept nogil:
    _work(<popstrat_work *>work, True)
    _let_go(<popstrat_work *>work)


cdef void _let_go(popstrat_work *work) noexcept nogil:
    """Whoever is last frees it: a thread may still be about to leave a lock that another has just been given."""
    if popstrat_fewer(&work.holders) == 0:
        PyThread_free_lock(work.lock)
        PyThread_free_lock(work.busy)
        free(work.jobs)
        free(work)


@cython.cdivision(True)  # what holds a lock must not raise
cdef void _work(popstrat_work *work, bint helping) noexcept nogil:
    """Take pieces and run them until there are none left: many at a time at first, since what a thread fetches ahead at
    the end of what it took is for whoever comes next, fewer towards the end, so that all threads end together."""
    cdef popstrat_room room
    cdef popstrat_job job
    cdef int64_t start, stop, end
    cdef int64_t *counters
    cdef bint failed = False
    memset(&room, 0, sizeof(room))
    while True:
        PyThread_acquire_lock(work.lock, WAIT_LOCK)
        work.failed = work.failed or failed
        while work.at < work.many and work.next >= work.jobs[work.at].rows:
            work.at += 1
            work.next = 0
        if work.failed or work.at == work.many:
            break
        job = work.jobs[work.at]
        start = work.next
        end = min(start + max(1, work.left // (SHARES * (work.helpers + 1))) * PIECE, job.rows)
        work.next = end
        work.left -= (end - start + PIECE - 1) // PIECE
        PyThread_release_lock(work.lock)
        failed = popstrat_settle(&job.run, &room, &job.need, job.level) != 0
        counters = job.run.counters
        while start < end and not failed and not work.stopped:
            stop = min(start + PIECE, end)
            job.run.counters = counters + start // PIECE * job.counters
            popstrat_execute(&job.run, job.level, start, stop)
            start = stop
    free(room.memory)
    work.helping -= helping
    if helping and work.helping == 0:
        PyThread_release_lock(work.busy)
    PyThread_release_lock(work.lock)


@cython.no_gc_clear  # its threads may be at work
cdef class Work:
    """Frames run by several threads, some pieces at a time: threads of this object's own, which never need the interpreter's
    lock, begin with the first frame that is added, and whoever calls `run` works too.

    `helpers` is how many threads of its own to have at most; `stream` and `level` as for `Frame.run`."""

    cdef popstrat_work *work
    cdef list frames, counted
    cdef object stream, level

    def __cinit__(self):
        self.work = <popstrat_work *>calloc(1, sizeof(popstrat_work))
        if self.work == NULL:
            raise MemoryError
        self.work.holders = 1
        self.work.lock = PyThread_allocate_lock()
        self.work.busy = PyThread_allocate_lock()
        if self.work.lock == NULL or self.work.busy == NULL:
            raise MemoryError

    def __init__(self, int64_t helpers=0, stream=None, level=None):
        if self.frames is not None:
            raise ValueError("work is made once")
        self.work.helpers, self.stream, self.level = max(0, helpers), stream, level
        self.frames, self.counted = [], []

    def __dealloc__(self):
        if self.work == NULL or self.work.lock == NULL or self.work.busy == NULL:
            free(self.work)
            return
        self.stop()
        self.wait()
        _let_go(self.work)

    def add(self, Frame frame not None):
        """Have a frame run; threads of its own may begin at once. Raises MemoryError."""
        cdef popstrat_job job
        cdef popstrat_job *more
        frame.fill(&job, self.level, self.stream)
        pieces = (frame.rows + PIECE - 1) // PIECE
        counted = np.zeros((pieces, job.counters), dtype=np.int64)
        cdef int64_t[:, ::1] counters = counted
        if not pieces or not job.run.instructions:
            job.rows = 0
        else:
            job.run.counters = &counters[0, 0]
        self.frames.append(frame)
        self.counted.append(counted)
        PyThread_acquire_lock(self.work.lock, WAIT_LOCK)
        try:
            if self.work.many == self.work.room:
                more = <popstrat_job *>realloc(self.work.jobs, (2 * self.work.room + 8) * sizeof(popstrat_job))
                if more == NULL:
                    raise MemoryError
                self.work.jobs, self.work.room = more, 2 * self.work.room + 8
            self.work.stopped = False
            self.work.jobs[self.work.many] = job
            self.work.many += 1
            self.work.left += (job.rows + PIECE - 1) // PIECE
            while self.work.helping < self.work.helpers and self.work.helping + 1 < self.work.left:  # one is for `run`
                if self.work.helping == 0:
                    PyThread_acquire_lock(self.work.busy, WAIT_LOCK)
                self.work.helping += 1
                popstrat_more(&self.work.holders)
                if PyThread_start_new_thread(_helper, self.work) == <unsigned long>-1:  # then there are fewer
                    self.work.helping -= 1
                    popstrat_fewer(&self.work.holders)
                    if self.work.helping == 0:
                        PyThread_release_lock(self.work.busy)
                    break
        finally:
            PyThread_release_lock(self.work.lock)

    def run(self):
        """Work until all frames added so far have been run. Raises MemoryError."""
        with nogil:
            _work(self.work, False)
        self.wait()
        if self.work.failed:
            raise MemoryError

    cdef void wait(self) noexcept:
        """Until no thread of its own is at work."""
        with nogil:
            PyThread_acquire_lock(self.work.busy, WAIT_LOCK)
            PyThread_release_lock(self.work.busy)

    cpdef void stop(self) noexcept:
        """Have nothing more begun."""
        PyThread_acquire_lock(self.work.lock, WAIT_LOCK)
        self.work.at, self.work.next, self.work.left = self.work.many, 0, 0
        self.work.stopped = True
        PyThread_release_lock(self.work.lock)

    def counters(self, int64_t frame):
        """Counters of the pieces of the frame that was added so many frames after the first, each as `Frame.run` returns
        them."""
        return self.counted[frame][:, :-1]
