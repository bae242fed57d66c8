# Frames run by several threads.

cdef extern from "Python.h" nogil:
    void PyThread_free_lock(PyThread_type_lock lock)
    unsigned long PyThread_start_new_thread(void (*function)(void *) noexcept nogil, void *argument)

cdef extern from *:
    """
    static long popstrat_incref(long *references) { return __atomic_add_fetch(references, 1, __ATOMIC_ACQ_REL); }
    static long popstrat_decref(long *references) { return __atomic_sub_fetch(references, 1, __ATOMIC_ACQ_REL); }
    """
    long popstrat_incref(long *references) nogil
    long popstrat_decref(long *references) nogil

cdef enum:
    PIECE = 16384  # rows that are counted together, whole blocks: counters of doubles are added up by piece
    SHARES = 2  # a thread takes its share of what is left, divided by this


cdef struct popstrat_work:
    PyThread_type_lock lock  # of all that follows
    PyThread_type_lock busy  # held while there are helpers
    popstrat_job *jobs
    int64_t many, allocated  # jobs there are, and that there is memory for
    int64_t at, next, left  # the next piece: its job, and its first row; and pieces that no thread has taken
    int64_t helping, helpers
    bint failed, stopped
    popstrat_workspace own  # of whoever calls `run_until`, kept from call to call
    long references


cdef void _helper(void *work) noexcept nogil:
    _work(<popstrat_work *>work, True, -1)
    _decref(<popstrat_work *>work)


cdef void _decref(popstrat_work *work) noexcept nogil:
    """The last reference frees it: a thread may still be about to leave a lock that another has just been given."""
    if popstrat_decref(&work.references) == 0:
        PyThread_free_lock(work.lock)
        PyThread_free_lock(work.busy)
        free(work.jobs)
        free(work.own.memory)
        free(work)


@cython.cdivision(True)  # what holds a lock must not raise
cdef void _work(popstrat_work *work, bint helping, int64_t until) noexcept nogil:
    """Run pieces until there are none left, or all of the job `until` have been run (-1: of none), by guided self-scheduling:
    many at a time at first, since what a thread prefetches at the end of them is for whoever comes next, fewer towards the
    end, so that all threads end together."""
    cdef popstrat_workspace space
    cdef popstrat_job job
    cdef int64_t start, stop, end, at = 0, ran = 0
    cdef int64_t *counters
    cdef bint failed = False
    memset(&space, 0, sizeof(space))
    if not helping:
        PyThread_acquire_lock(work.lock, WAIT_LOCK)
        space = work.own
        memset(&work.own, 0, sizeof(space))
        PyThread_release_lock(work.lock)
    while True:
        PyThread_acquire_lock(work.lock, WAIT_LOCK)
        work.failed = work.failed or failed
        if ran:
            work.jobs[at].done += ran
        if until >= 0 and work.jobs[until].done >= work.jobs[until].rows:
            break
        while work.at < work.many and work.next >= work.jobs[work.at].rows:
            work.at += 1
            work.next = 0
        if work.failed or work.at == work.many:
            break
        at = work.at
        job = work.jobs[at]
        start = work.next
        end = min(start + max(1, work.left // (SHARES * (work.helpers + 1))) * PIECE, job.rows)
        work.next = end
        work.left -= (end - start + PIECE - 1) // PIECE
        PyThread_release_lock(work.lock)
        failed = lay_out(&job, &space) != 0
        counters = job.run.counters
        ran = end - start
        while start < end and not failed and not work.stopped:
            stop = min(start + PIECE, end)
            job.run.counters = counters + start // PIECE * job.counters
            execute(&job, start, stop)
            start = stop
    if until >= 0 and work.own.memory == NULL:
        work.own = space
    else:
        free(space.memory)
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
        self.work.references = 1
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
        if self.work == NULL:
            return
        if self.work.lock == NULL or self.work.busy == NULL:
            if self.work.lock != NULL:
                PyThread_free_lock(self.work.lock)
            if self.work.busy != NULL:
                PyThread_free_lock(self.work.busy)
            free(self.work)  # nobody has worked yet
            return
        self.stop()
        self.wait()
        _decref(self.work)

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
            if self.work.many == self.work.allocated:
                more = <popstrat_job *>realloc(self.work.jobs, (2 * self.work.allocated + 8) * sizeof(popstrat_job))
                if more == NULL:
                    raise MemoryError
                self.work.jobs, self.work.allocated = more, 2 * self.work.allocated + 8
            self.work.stopped = False
            self.work.jobs[self.work.many] = job
            self.work.many += 1
            self.work.left += (job.rows + PIECE - 1) // PIECE
            while self.work.helping < self.work.helpers and self.work.helping + 1 < self.work.left:  # one is for `run`
                if self.work.helping == 0:
                    PyThread_acquire_lock(self.work.busy, WAIT_LOCK)
                self.work.helping += 1
                popstrat_incref(&self.work.references)
                if PyThread_start_new_thread(_helper, self.work) == <unsigned long>-1:  # then there are fewer
                    self.work.helping -= 1
                    popstrat_decref(&self.work.references)
                    if self.work.helping == 0:
                        PyThread_release_lock(self.work.busy)
                    break
        finally:
            PyThread_release_lock(self.work.lock)

    def run(self):
        """Work until all frames added so far have been run. Raises MemoryError."""
        with nogil:
            _work(self.work, False, -1)
        self.wait()
        if self.work.failed:
            raise MemoryError

    def run_until(self, int64_t frame):
        """Work until the frame that was added so many frames after the first has been run; False if nothing is left to begin,
        and others may still be at it. Only `run` raises what there is to raise."""
        cdef bint done
        if not 0 <= frame < self.work.many:
            raise ValueError("there is no such frame")
        with nogil:
            _work(self.work, False, frame)
        PyThread_acquire_lock(self.work.lock, WAIT_LOCK)
        done = not self.work.failed and self.work.jobs[frame].done >= self.work.jobs[frame].rows
        PyThread_release_lock(self.work.lock)
        return done

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
