# cython: language_level=3, boundscheck=False, initializedcheck=False, freethreading_compatible=True
"""The compiled core: programs over columns. One unit, so that its classes see each other's fields; a file for each in program/."""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer
from cpython.pycapsule cimport PyCapsule_GetPointer
from cpython.pythread cimport (
    PyThread_acquire_lock, PyThread_allocate_lock, PyThread_release_lock, PyThread_type_lock, WAIT_LOCK,
)
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy, memset, strcmp

import numpy as np

from popstrat.engine._table import INSTRUCTION_WIDTH, LEVELS
from popstrat.engine.operations import BY_CODE, COLUMN_BITS, OPERATIONS
from popstrat.engine.program.listing import listing
from popstrat.engine.program.pacing import shares, spans
from popstrat.engine.program.verify import verify

include "program/memory.pxi"
include "program/program.pxi"
include "program/frame.pxi"
include "program/pool.pxi"
