# Programs and labels: plain data, checked once.

cdef extern from "program/labels.h" nogil:
    ctypedef struct popstrat_labels:
        int64_t count
        uint8_t length[256]
        uint8_t code[256]
        uint8_t text[256][32]

    void popstrat_labels_slots(popstrat_labels *labels)


def _kept(values, dtype):
    """A copy that nobody can change: what has been checked stays as it was."""
    copy = np.array(values, dtype=dtype, order="C")
    copy.setflags(write=False)
    return copy


cdef class Program:
    """A flat list of operations over typed registers: plain data, checked once, picklable, shared between threads.

    code: a row of INSTRUCTION_WIDTH integers for each operation, its number and its operands (ops.h); arguments, integers,
    doubles: what lists and constants are indices of; column_kinds, output_kinds: what the columns and outputs are; then how
    many registers of each class, and counters. Raises ValueError for whatever would lead outside.
    """

    cdef readonly object code, arguments, integers, doubles, spans
    cdef readonly tuple column_kinds, output_kinds
    cdef readonly int planes, bytes, shorts, numbers, counters
    cdef readonly tuple newest, sums  # counters of which the largest counts, and those that are doubles
    cdef tuple nullable  # outputs that need memory for nulls
    cdef const int32_t[::1] _kinds  # of the columns, by number; and whether one needs a table, or labels
    cdef const uint8_t[::1] _labelled
    cdef const int32_t[::1] _shares  # of a block's prefetching
    cdef const int32_t[:, ::1] _code
    cdef const int32_t[:, ::1] _spans
    cdef const int32_t[::1] _arguments
    cdef const int64_t[::1] _integers
    cdef const double[::1] _doubles

    def __init__(self, code, arguments, integers, doubles, column_kinds, output_kinds, planes, bytes, shorts, numbers,
                 counters):
        self.code = _kept(code, np.int32).reshape(-1, INSTRUCTION_WIDTH)
        self.arguments = _kept(list(arguments) or [0], np.int32)
        self.integers = _kept(list(integers) or [0], np.int64)
        self.doubles = _kept(list(doubles) or [0.0], np.float64)
        self.column_kinds, self.output_kinds = tuple(column_kinds), tuple(output_kinds)
        self.planes, self.bytes, self.shorts, self.numbers, self.counters = planes, bytes, shorts, numbers, counters
        verify(self)
        self._code, self._arguments = self.code, self.arguments
        self.spans = spans(self.code[:, 0].tolist())
        self._spans = self.spans
        self._integers, self._doubles = self.integers, self.doubles
        self._shares = shares(self)
        rows = self.code[:, :3].tolist()
        kinds = list(COLUMN_BITS)
        labelled = {row[2] for row in rows if BY_CODE[row[0]].name.startswith("CODES_")}
        self._kinds = np.array([*(kinds.index(kind) for kind in self.column_kinds), 0], dtype=np.int32)
        self._labelled = np.array([*(i in labelled for i in range(len(self.column_kinds))), 0], dtype=np.uint8)
        self.nullable, self.newest, self.sums = (
            tuple(row[1] for row in rows if row[0] == OPERATIONS[name].code) for name in ("OUT_VALID", "NEWEST", "SUM")
        )

    def __reduce__(self):
        return Program, (self.code, self.arguments, self.integers, self.doubles, self.column_kinds, self.output_kinds,
                         self.planes, self.bytes, self.shorts, self.numbers, self.counters)

    def listing(self):
        """The program as text, one operation a line."""
        return listing(self)


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
