# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, freethreading_compatible=True
"""The few largest of many columns, row by row. See top_k.h."""

from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t
from libc.stdlib cimport calloc, free

import numpy as np

cdef extern from "arrays/top_k.h" nogil:
    int TOP_MOST

    ctypedef struct top_column:
        int16_t code
        int is_bits
        double amount
        const uint8_t *values
        const uint8_t *valid

    int64_t top_rows(const top_column *columns, int64_t count, const uint8_t *present, int64_t rows,
                         int64_t start, int64_t stop, int k, int32_t *offsets, int16_t *codes, double *amounts)

MOST = TOP_MOST


def top_k(columns, present, int64_t rows, int64_t start, int64_t stop, int k):
    """The ``k`` largest of the columns for each row of [start, stop): offsets, codes and amounts.

    ``columns`` lists (code, amount or None, values, valid or None): with an amount, ``values`` is a bitmap of the rows
    that have it; without, doubles, and ``valid`` a bitmap of those that count. ``present`` is a bitmap of the rows
    that have a list, or None for all. By size, whatever the sign, the largest first; of equal ones the lower code first;
    zeroes are left out. Runs without the GIL. Raises ValueError if sizes do not fit.
    """
    if not 1 <= k <= MOST:
        raise ValueError(f"between 1 and {MOST} a row, not {k}")
    if not 0 <= start <= stop <= rows or start % 64 or (stop - start) > (2**31 - 1) // k:
        raise ValueError("rows out of range")
    cdef int64_t bitmap = (rows + 7) // 8, used
    cdef Py_ssize_t count = len(columns), i
    order = sorted(columns, key=lambda c: (c[1] is None, -abs(c[1] or 0.0), c[0]))
    cdef const uint8_t[::1] view
    held = []
    cdef top_column *found = <top_column *> calloc(count + 1, sizeof(top_column))
    if found == NULL:
        raise MemoryError
    offsets = np.empty(stop - start + 1, np.int32)
    codes = np.empty((stop - start) * k, np.int16)
    amounts = np.empty((stop - start) * k, np.float64)
    cdef int32_t[::1] to_offsets = offsets
    cdef int16_t[::1] to_codes = codes
    cdef double[::1] to_amounts = amounts
    cdef const uint8_t *listed = NULL
    cdef int16_t *codes_at = NULL
    cdef double *amounts_at = NULL
    try:
        i = 0
        for code, amount, values, valid in order:
            if amount is not None and amount == 0:
                continue
            view = _bytes(values, bitmap if amount is not None else rows * 8)
            held.append(view)
            found[i].code = code
            found[i].is_bits = amount is not None
            found[i].amount = amount or 0.0
            found[i].values = &view[0] if rows else NULL
            if valid is not None:
                view = _bytes(valid, bitmap)
                held.append(view)
                found[i].valid = &view[0] if rows else NULL
            i += 1
        if present is not None:
            view = _bytes(present, bitmap)
            held.append(view)
            listed = &view[0] if rows else NULL
        count = i
        if stop > start:
            codes_at, amounts_at = &to_codes[0], &to_amounts[0]
        with nogil:
            used = top_rows(found, count, listed, rows, start, stop, k, &to_offsets[0], codes_at, amounts_at)
        return offsets, codes[:used], amounts[:used]
    finally:
        free(found)


def _bytes(buffer, int64_t least):
    view = np.frombuffer(buffer, np.uint8) if memoryview(buffer).nbytes else np.zeros(0, np.uint8)
    if len(view) < least:
        raise ValueError("a buffer is shorter than its rows")
    return view
