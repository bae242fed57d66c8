"""NHS numbers: ten digits with a modulus-11 check digit (NHS Data Model and Dictionary).

The digits d1 … d9 weigh 10 … 2; the tenth is 11 less the sum modulo 11, where 11 counts as 0 and 10 is never issued.
999 000 0000 to 999 999 9999 is never issued to anybody, and is what tests and synthetic lists use.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from popstrat.core.arrow import is_text, plain
from popstrat.engine.arrays.check_digits import FAILED, MISSING, NOT_DIGITS, PASSED, weighted_mod11
from popstrat.errors import InputError

PLACEHOLDER = 4
"""State of a number whose check digit is right and which is ten times the same digit: a stand-in for "not known"."""
TEST_FIRST, TEST_LAST = 9_990_000_000, 9_999_999_999
REPEATED = 1_111_111_111
DIGITS = 10

__all__ = [
    "FAILED",
    "MISSING",
    "NOT_DIGITS",
    "PASSED",
    "PLACEHOLDER",
    "check",
    "is_stand_in",
    "passes",
    "to_text",
]


def passes(text: str) -> bool:
    """Whether a text is an NHS number: the plain statement of the rule, which `check` is tested against."""
    if len(text) != DIGITS or not (text.isascii() and text.isdigit()) or is_stand_in(text):
        return False
    total = sum(weight * int(digit) for weight, digit in zip(range(10, 1, -1), text, strict=False))
    return (11 - total % 11) % 11 == int(text[9])


def is_stand_in(text: str) -> bool:
    """Whether a text is ten times the same digit, which passes the check and is what people type for "not known"."""
    return len(text) == DIGITS and text.isascii() and text.isdigit() and len(set(text)) == 1


def check(column: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """The numbers of a column as int64 (0 where there are not ten digits) and a state for each row.

    Text may have spaces in it. Whole numbers of any width are taken, and need ten digits: one that has lost a leading
    zero does not pass. Raises `InputError` for any other type: a float may have lost digits.
    """
    column = plain(column)
    kind = column.type
    rows = len(column)
    numbers, states = np.empty(rows, np.int64), np.empty(rows, np.uint8)
    if pa.types.is_integer(kind):
        column = column.cast(pa.int64(), safe=False) if kind == pa.uint64() else column.cast(pa.int64())
        valid, values = column.buffers()
        if column.null_count == 0:
            valid = None
        weighted_mod11(values or b"", None, valid, column.offset, rows, 8, DIGITS, numbers, states)
    elif is_text(kind):
        valid, offsets, text = column.buffers()
        if column.null_count == 0:
            valid = None
        width = 8 if pa.types.is_large_string(column.type) else 4
        weighted_mod11(offsets or bytes(width), text or b"", valid, column.offset, rows, width, DIGITS, numbers, states)
    elif pa.types.is_null(kind):
        numbers[:], states[:] = 0, MISSING
    else:
        raise InputError(f"NHS numbers are text or whole numbers; this column is {kind}, and digits may be lost in it")
    # All ten digits the same: 1111111111 and its multiples pass the check, and are what people type for "unknown".
    states[(states == PASSED) & (numbers % REPEATED == 0)] = PLACEHOLDER
    return numbers, states


def to_text(numbers: NDArray[np.int64]) -> pa.Array:
    """Ten digits of text for each number; leading zeros are kept."""
    digits = np.empty((len(numbers), DIGITS), np.uint8)
    left = np.array(numbers, np.int64)
    for place in range(DIGITS - 1, -1, -1):
        left, digit = np.divmod(left, 10)
        digits[:, place] = digit + ord("0")
    offsets = np.arange(0, (len(numbers) + 1) * DIGITS, DIGITS, dtype=np.int32)
    return pa.Array.from_buffers(pa.string(), len(numbers), [None, pa.py_buffer(offsets), pa.py_buffer(digits)])
