# Memory for outputs.

cdef extern from "program/memory.h" nogil:
    int64_t POPSTRAT_LARGE
    void popstrat_memory_init()
    uint8_t *popstrat_allocate(int64_t size)
    void popstrat_free(uint8_t *start, int64_t size)

popstrat_memory_init()
LARGE = POPSTRAT_LARGE
cdef int64_t _MOST = 1 << 50


@cython.no_gc_clear
cdef class Memory:
    """Writable bytes for outputs (the buffer protocol), undefined at first, save the last eight, which no row may reach:
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
        if not 0 <= size <= _MOST:
            raise ValueError(f"{size} bytes: out of range")
        self.size, self.taken = size, max(LARGE, (size + 4095) // 4096 * 4096)
        self.start = popstrat_allocate(self.taken)
        if self.start == NULL:
            raise MemoryError
        self.clear_end()

    cdef void clear_end(self) noexcept:
        cdef int64_t last = min(8, self.size)
        memset(self.start + self.size - last, 0, last)

    @staticmethod
    def several(sizes, int64_t in_one):
        """One for each size, parts of a single one where all are `in_one` bytes at most: a table may come in many
        batches, and each piece of memory would be a call to the system."""
        cdef int64_t size, at = 0
        cdef Memory whole
        for size in sizes:
            at += (size + 63) // 64 * 64
        if at > in_one:
            return [Memory(size) for size in sizes]
        whole, at, found = Memory(at), 0, []
        for size in sizes:
            found.append(Memory(size, whole, at))
            at += (size + 63) // 64 * 64
        return found

    def __dealloc__(self):
        if self.start != NULL and self.taken:  # a part has taken nothing
            popstrat_free(self.start, self.taken)

    def __getbuffer__(self, Py_buffer *view, int flags):
        PyBuffer_FillInfo(view, self, self.start, self.size, 0, flags)
