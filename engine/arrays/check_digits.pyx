# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True, freethreading_compatible=True
"""Weighted modulus-11 check digits of whole numbers and of text, column by column.

A number of `digits` digits d1 … dn passes if dn is 11 - (w1 d1 + … + w(n-1) d(n-1)) mod 11, where the weights fall from
n to 2, 11 counts as 0, and a result of 10 never passes. It knows digits, and nothing of what they number.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t

PASSED = 0
MISSING = 1
NOT_DIGITS = 2
FAILED = 3

_MOST_ROWS = 1 << 50


cdef inline uint8_t _judge(const uint8_t *digit, int count) noexcept nogil:
    cdef int i, total = 0, check
    for i in range(count - 1):
        total += (count - i) * digit[i]
    check = 11 - total % 11
    if check == 11:
        check = 0
    return 0 if check == digit[count - 1] else 3


cdef uint8_t _number(int64_t value, int64_t least, int count, int64_t *number) noexcept nogil:
    cdef uint8_t digit[18]
    cdef int i
    cdef uint32_t part
    number[0] = 0
    if value < least or value >= 10 * least:
        return 2
    number[0] = value
    # Nine digits at a time, which 32 bits hold: dividing those is cheaper.
    part = <uint32_t>(value % 1000000000)
    for i in range(count - 1, -1, -1):
        if i == count - 10:
            part = <uint32_t>(value // 1000000000)
        digit[i] = <uint8_t>(part % 10)
        part //= 10
    return _judge(digit, count)


cdef uint8_t _text(const uint8_t *at, int64_t length, int count, int64_t *number) noexcept nogil:
    cdef uint8_t digit[18]
    cdef int64_t i, value = 0
    cdef int found = 0
    cdef uint8_t letter
    number[0] = 0
    for i in range(length):
        letter = at[i]
        if letter == 32:
            continue
        if letter < 48 or letter > 57 or found == count:
            return 2
        digit[found] = letter - 48
        value = 10 * value + digit[found]
        found += 1
    if found != count:
        return 2
    number[0] = value
    return _judge(digit, count)


def weighted_mod11(values, text, valid, int64_t offset, int64_t rows, int width, int digits, numbers, states):
    """Fill `numbers` (int64) and `states` (bytes: PASSED, MISSING, NOT_DIGITS, FAILED) for `rows` values from `offset`.

    Without `text` the values are 64-bit integers, which must have exactly `digits` digits and so no leading zero. With
    it they are its offsets, `width` (4 or 8) bytes each, and each text must be exactly `digits` digits; spaces are
    passed over. `valid` is the bitmap of what is not null, or None. The number is 0 unless it has the right number of
    digits. Releases the GIL. Raises ValueError for a buffer that is too short.
    """
    cdef Py_buffer a, t, v, n, s
    cdef int held = 0, wide = width == 8
    cdef int64_t i, start, stop, least = 1, size = 0
    cdef const uint8_t *bits = NULL
    cdef const uint8_t *letters = NULL
    cdef int64_t *out
    cdef uint8_t *state
    cdef bint is_text = text is not None
    cdef int good = 1
    if not (2 <= digits <= 18 and width in (4, 8) and 0 <= offset <= _MOST_ROWS and 0 <= rows <= _MOST_ROWS):
        raise ValueError("digits, width or rows out of range")
    for i in range(digits - 1):
        least *= 10
    PyObject_GetBuffer(values, &a, PyBUF_SIMPLE)
    held = 1
    try:
        PyObject_GetBuffer(numbers, &n, PyBUF_WRITABLE)
        held = 2
        PyObject_GetBuffer(states, &s, PyBUF_WRITABLE)
        held = 3
        if valid is not None:
            PyObject_GetBuffer(valid, &v, PyBUF_SIMPLE)
            held += 4
            bits = <const uint8_t *>v.buf
            if v.len < (offset + rows + 7) // 8:
                raise ValueError("the bitmap is too short")
        if is_text:
            PyObject_GetBuffer(text, &t, PyBUF_SIMPLE)
            held += 8
            letters = <const uint8_t *>t.buf
            size = t.len
        if a.len < (offset + rows + is_text) * (width if is_text else 8) or n.len < rows * 8 or s.len < rows:
            raise ValueError("a buffer is too short")
        out = <int64_t *>n.buf
        state = <uint8_t *>s.buf
        with nogil:
            for i in range(rows):
                if bits != NULL and not (bits[(offset + i) >> 3] >> ((offset + i) & 7)) & 1:
                    out[i] = 0
                    state[i] = 1
                elif not is_text:
                    state[i] = _number((<const int64_t *>a.buf)[offset + i], least, digits, out + i)
                else:
                    if wide:
                        start = (<const int64_t *>a.buf)[offset + i]
                        stop = (<const int64_t *>a.buf)[offset + i + 1]
                    else:
                        start = (<const int32_t *>a.buf)[offset + i]
                        stop = (<const int32_t *>a.buf)[offset + i + 1]
                    if start < 0 or stop < start or stop > size:
                        good = 0
                        break
                    state[i] = _text(letters + start, stop - start, digits, out + i)
        if not good:
            raise ValueError("the offsets lead out of the text")
    finally:
        if held & 8:
            PyBuffer_Release(&t)
        if held & 4:
            PyBuffer_Release(&v)
        if held & 3 > 2:
            PyBuffer_Release(&s)
        if held & 3 > 1:
            PyBuffer_Release(&n)
        PyBuffer_Release(&a)
