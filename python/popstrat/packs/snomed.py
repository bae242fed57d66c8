"""SNOMED CT identifiers: 6 to 18 digits, the last of which is a Verhoeff check digit (SNOMED CT File Specification)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def _times(a: int, b: int) -> int:
    """The product of two elements of the dihedral group of order 10: 0 to 4 are rotations, 5 to 9 reflections."""
    turn = (a + b) % 5 if a < 5 else (a - b) % 5
    return turn if (a < 5) == (b < 5) else 5 + turn


_TIMES = [[_times(a, b) for b in range(10)] for a in range(10)]
_SHIFT = [list(range(10)), [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]]
for _ in range(6):
    _SHIFT.append([_SHIFT[-1][_SHIFT[1][d]] for d in range(10)])


def verhoeff(digits: str) -> int:
    """0 if the last digit is the right check digit of those before it."""
    check = 0
    for place, digit in enumerate(reversed(digits)):
        check = _TIMES[check][_SHIFT[place % 8][int(digit)]]
    return check


def problem(code: str) -> str:
    """Why a text is not a SNOMED CT identifier; "" if it is one."""
    if not (code.isascii() and code.isdigit()):
        return "is not digits only"
    if not 6 <= len(code) <= 18:
        return f"has {len(code)} digits, not 6 to 18"
    if code.startswith("0"):
        return "begins with 0"
    return "has a wrong check digit" if verhoeff(code) else ""


_TIMES_OF, _SHIFT_OF = np.array(_TIMES, np.int8), np.array(_SHIFT, np.int8)


def wrong_digit(codes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of many numbers, none of them negative, have a last digit that is not the check digit of those before."""
    check = np.zeros(len(codes), np.int8)
    left = codes.copy()
    for place in range(19):
        digit = left % 10
        left //= 10
        more = (left > 0) | (digit > 0)  # leading zeros would count
        check = np.where(more, _TIMES_OF[check, _SHIFT_OF[place % 8][digit]], check)
    wrong: NDArray[np.bool_] = check != 0
    return wrong
