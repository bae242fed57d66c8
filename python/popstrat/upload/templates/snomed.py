"""SNOMED CT identifiers: 6 to 18 digits, the last of which is a Verhoeff check digit (SNOMED CT File Specification)."""

from __future__ import annotations


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
