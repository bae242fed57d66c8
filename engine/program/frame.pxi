# A program bound to the columns and outputs of one batch, and the interpreter that runs it.

cdef extern from "program/run.h" nogil:
    ctypedef struct popstrat_kind:
        const char *name
        int bits, leads
        const char *formats[2]

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
        int64_t prefetches
        int stream
        int64_t *counters

    ctypedef struct popstrat_registers:
        int64_t planes, bytes, shorts, numbers

    ctypedef struct popstrat_workspace:
        uint8_t *memory

    ctypedef struct popstrat_job:
        popstrat_run run
        popstrat_registers need
        int level
        int64_t rows, counters, done


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
        int64_t length, offset, n_buffers, n_children
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

cdef extern from "program/execute.h" nogil:
    int BLOCK_ROWS "BLOCK"
    int FETCHED_BYTES "FETCHED"
    int CODE_UNKNOWN_VALUE "CODE_UNKNOWN"
    int NOWHERE, TO_ENTRIES, TO_TEXT

    const popstrat_kind *popstrat_column_kinds
    const popstrat_kind *popstrat_output_kinds
    int OUTPUT_KINDS
    int popstrat_best_level()
    int popstrat_lay_out(popstrat_run *run, popstrat_workspace *space, const popstrat_registers *need, int level)
    void popstrat_execute(const popstrat_run *run, int level, int64_t start, int64_t stop)

# From so many rows on, outputs are far larger than any cache, and written by non-temporal stores.
STREAM_ROWS = 1 << 20
cdef int64_t _MOST_ROWS = 1 << 50  # of a batch, so that no address overflows
cdef dict _OUTPUT_BITS = {popstrat_output_kinds[i].name.decode(): popstrat_output_kinds[i].bits for i in range(OUTPUT_KINDS)}


cdef int lay_out(popstrat_job *job, popstrat_workspace *space) noexcept nogil:
    """Give the job registers in a thread's memory; not 0 if there is none."""
    return popstrat_lay_out(&job.run, space, &job.need, job.level)


cdef void execute(const popstrat_job *job, int64_t start, int64_t stop) noexcept nogil:
    """Run rows [start, stop); start a multiple of 64, so that no two calls share an output word."""
    popstrat_execute(&job.run, job.level, start, stop)


@cython.no_gc_clear  # threads may be reading what it keeps
cdef class Frame:
    """The columns and outputs of one batch, bound to a program: addresses, held alive by what is kept here.

    columns: for each of the program's columns (values, valid, offset, characters, table, labels), buffers or None; or
    (position, table, labels), a column of `batch`: the capsules of a struct array and its schema, as the Arrow C data
    interface has them (`__arrow_c_array__`). A column's format is compared with the kind that the program reads; how long
    its buffers are nobody can tell: see to it beforehand that they are as long as its rows say;
    outputs: for each of the program's outputs (values, valid), writable buffers, valid None where nothing is null;
    sizes: how many entries a dictionary's table has, by column (without: 256); an index beyond them is an unknown label.
    Small tables take a faster path. A table has room for 256, or for more where indices have more than eight bits.

    Offsets, indices and whatever lies under a null may be anything: a text that its offsets put outside the column's, or
    an index without an entry, is an unknown label. Raises ValueError, MemoryError.
    """

    cdef readonly Program program
    cdef readonly int64_t rows
    cdef list kept
    cdef popstrat_column *columns
    cdef popstrat_output *outputs
    cdef popstrat_read *reads
    cdef int64_t reading, prefetches
    cdef Py_buffer *held
    cdef uint8_t *tables  # of every column, 256 codes; larger ones lie elsewhere
    cdef int64_t holding

    def __cinit__(self):
        self.columns = NULL
        self.outputs = NULL
        self.reads = NULL
        self.reading = self.prefetches = 0
        self.held = NULL
        self.tables = NULL
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

    cdef void prefetch(self, const uint8_t *buffer, int64_t bits, int64_t offset) noexcept:
        """Note a buffer whose next block is to be prefetched while the block before it is worked on."""
        if buffer != NULL:
            self.reads[self.reading].start = buffer + (offset * bits >> 3)
            self.reads[self.reading].bits = bits
            self.reading += 1
            self.prefetches += bits * BLOCK_ROWS // (8 * FETCHED_BYTES)

    cdef from_batch(self, int64_t i, const popstrat_kind *kind, ArrowArray *column, ArrowSchema *schema):
        """Column i from the Arrow C data interface."""
        cdef popstrat_column *found = &self.columns[i]
        cdef int64_t last
        cdef bint coded = kind.leads == TO_ENTRIES
        if (
            schema.format == NULL or (schema.dictionary != NULL) != coded
            or (strcmp(schema.format, kind.formats[0]) and strcmp(schema.format, kind.formats[1]))
        ):
            form = "nothing" if schema.format == NULL else schema.format.decode("utf-8", "replace")
            raise ValueError(
                f"column {i} is of format {form!r}{' with a dictionary' if schema.dictionary != NULL else ''}, "
                f"and is read as {kind.name.decode()!r}"
            )
        if (column.dictionary != NULL) != coded:
            raise ValueError(f"column {i} is not what its schema says")
        if column.length < self.rows or column.offset < 0 or column.offset > _MOST_ROWS:
            raise ValueError(f"column {i} is too short")
        if column.n_buffers != (3 if kind.leads == TO_TEXT else 2) or column.buffers == NULL:
            raise ValueError(f"column {i} has {column.n_buffers} buffers")
        found.offset = column.offset
        found.values = <const uint8_t *>column.buffers[1]
        found.valid = <const uint8_t *>column.buffers[0]  # whatever its count of nulls claims
        if coded and 97 <= schema.format[0] <= 122:  # in small letters, signed: a negative index is no large one
            found.table_size = (<int64_t>1) << (kind.bits - 1)
        if self.rows and found.values == NULL:
            raise ValueError(f"column {i} has no values")
        if kind.leads == TO_TEXT and self.rows:
            last = column.offset + self.rows
            found.characters = <const uint8_t *>column.buffers[2]
            if kind.bits == 32:
                found.characters_size = (<const int32_t *>found.values)[last]
            else:
                found.characters_size = (<const int64_t *>found.values)[last]
            if found.characters_size < 0 or (found.characters == NULL and found.characters_size):
                raise ValueError(f"column {i} has no text, or an end before its beginning")

    cdef from_buffers(self, int64_t i, const popstrat_kind *kind, values, valid, int64_t offset, characters):
        """Column i from what the caller says of it."""
        cdef popstrat_column *found = &self.columns[i]
        cdef int64_t end = offset + self.rows
        if not 0 <= offset <= _MOST_ROWS:
            raise ValueError(f"an offset of {offset}")
        if values is None and self.rows:
            raise ValueError(f"column {i} has no values")
        found.offset = offset
        found.values = self.address(values, ((end + (kind.leads == TO_TEXT)) * kind.bits + 7) // 8 if self.rows else 0)
        found.valid = self.address(valid, (end + 7) // 8 if self.rows else 0)
        found.characters = self.address(characters, 0)
        if type(characters) is Memory:
            found.characters_size = (<Memory>characters).size
        elif characters is not None:
            found.characters_size = self.held[self.holding - 1].len

    cdef give_table(self, int64_t i, table, int64_t size, int bits):
        """The codes of a dictionary's entries; what no entry has is unknown."""
        cdef popstrat_column *found = &self.columns[i]
        cdef const uint8_t[::1] codes
        if table is None or len(table) < 256 or not 0 <= size <= len(table) or (len(table) > 256 and bits == 8):
            raise ValueError(f"column {i} has no code table of 256 entries or more, or {size} are in use")
        if found.table_size == 0 or size < found.table_size:
            found.table_size = size
        if found.table_size > 256:  # read where it lies
            found.table = self.address(table, found.table_size)
            return
        found.table = self.tables + 256 * i
        codes = table
        memset(self.tables + 256 * i, CODE_UNKNOWN_VALUE, 256)
        memcpy(self.tables + 256 * i, &codes[0], found.table_size)

    def __init__(self, Program program, list columns not None, list outputs not None, int64_t rows, batch=None, dict sizes=None):
        cdef int64_t i, position, many = len(columns), bits
        cdef const popstrat_kind *kind
        cdef Labels names
        cdef ArrowArray *arrow = NULL
        cdef ArrowSchema *schema = NULL
        cdef tuple column
        if self.held != NULL:
            raise ValueError("a frame is made once")
        if many != len(program.column_kinds) or len(outputs) != len(program.output_kinds):
            raise ValueError("columns or outputs do not fit the program")
        if not 0 <= rows <= _MOST_ROWS:
            raise ValueError(f"{rows} rows")
        self.program, self.rows, self.kept = program, rows, [batch]
        if batch is not None:
            of_schema, of_array = batch
            arrow = <ArrowArray *>PyCapsule_GetPointer(of_array, "arrow_array")
            schema = <ArrowSchema *>PyCapsule_GetPointer(of_schema, "arrow_schema")
            if (
                arrow.release == NULL or schema.release == NULL or schema.format == NULL or strcmp(schema.format, "+s")
                or arrow.offset or arrow.length != rows or arrow.n_children != schema.n_children
            ):
                raise ValueError("not a batch of these rows")
        self.columns = <popstrat_column *>calloc(many + 1, sizeof(popstrat_column))
        self.outputs = <popstrat_output *>calloc(len(outputs) + 1, sizeof(popstrat_output))
        self.held = <Py_buffer *>calloc(5 * many + 2 * len(outputs) + 1, sizeof(Py_buffer))
        self.reads = <popstrat_read *>calloc(2 * many + 1, sizeof(popstrat_read))
        self.tables = <uint8_t *>calloc(many + 1, 256)
        if self.columns == NULL or self.outputs == NULL or self.held == NULL or self.reads == NULL or self.tables == NULL:
            raise MemoryError
        for i in range(many):
            column = columns[i]
            kind = &popstrat_column_kinds[program._kinds[i]]
            table, labels = column[len(column) - 2], column[len(column) - 1]
            if len(column) == 3:
                position = column[0]
                if arrow == NULL or not 0 <= position < arrow.n_children:
                    raise ValueError(f"the batch has no column {position}")
                self.from_batch(i, kind, arrow.children[position], schema.children[position])
            else:
                values, valid, offset, characters, _, _ = column
                self.from_buffers(i, kind, values, valid, offset, characters)
            self.prefetch(self.columns[i].values, kind.bits, self.columns[i].offset)
            self.prefetch(self.columns[i].valid, 1, self.columns[i].offset)
            if kind.leads == TO_ENTRIES:
                self.give_table(i, table, 256 if sizes is None else sizes.get(i, 256), kind.bits)
            elif sizes is not None and i in sizes:
                raise ValueError(f"column {i} has no table")
            if labels is not None:
                names = labels
                self.kept.append(names)
                self.columns[i].labels = &names.table
            elif kind.leads == TO_TEXT and program._labelled[i]:
                raise ValueError(f"column {i} has no labels")
        for i in sizes or ():
            if not 0 <= i < many:
                raise ValueError(f"there is no column {i}")
        i = 0
        for values, valid in outputs:
            bits = _OUTPUT_BITS[program.output_kinds[i]]
            if values is None and rows:
                raise ValueError(f"output {i} has no values")
            self.outputs[i].values = self.address(values, (rows * bits + 7) // 8, True)
            if valid is not None:
                self.outputs[i].valid = self.address(valid, (rows + 7) // 8, True)
            i += 1
        for i in program.nullable if rows else ():
            if self.outputs[i].valid == NULL:
                raise ValueError(f"output {i} has no memory for nulls")

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
        GIL; calls on disjoint rows may run at once. `level` names an instruction set, `stream` says whether to write by
        non-temporal stores; without them the best and what suits the number of rows."""
        cdef popstrat_job job
        cdef popstrat_workspace space
        cdef int failed
        if start % 64 or start < 0 or stop > self.rows:
            raise ValueError("rows out of range")
        self.fill(&job, level, stream)
        counters = np.zeros(self.program.counters + 1, dtype=np.int64)
        cdef int64_t[::1] counted = counters
        if stop > start and job.run.instructions:
            job.run.counters = &counted[0]
            memset(&space, 0, sizeof(space))
            with nogil:
                failed = lay_out(&job, &space)
                if not failed:
                    execute(&job, start, stop)
                free(space.memory)
            if failed:
                raise MemoryError
        return counters[: self.program.counters]

    cdef fill(self, popstrat_job *job, level, stream):
        """What running this frame takes, save a workspace and counters. Raises ValueError for the instruction set."""
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
        run.read, run.reads, run.prefetches = self.reads, self.reading, self.prefetches
        run.share = &program._shares[0]
        run.stream = self.rows >= <int64_t>STREAM_ROWS if stream is None else bool(stream)
