"""Comparisons with a constant as ranges, both ends included, of each type that a column or a register holds."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

INTEGER_RANGE = {
    "i8": (-(2**7), 2**7 - 1), "u8": (0, 2**8 - 1), "i16": (-(2**15), 2**15 - 1),
    "i32": (-(2**31), 2**31 - 1), "i64": (-(2**63), 2**63 - 1), "short": (-(2**15), 2**15 - 1),
}  # fmt: skip
"""The least and the largest number of each kind of column or register that holds whole ones."""


def integers(sign: str, constant: float, least: int, most: int) -> tuple[int, int]:
    """The whole numbers x with `x sign constant`, as a range within [least, most] (empty: low above high)."""
    if constant == math.inf or constant == -math.inf:
        constant = math.copysign(1e300, constant)
    low, high = least, most
    match sign:
        case "<":
            high = min(most, math.ceil(constant) - 1)
        case "<=":
            high = min(most, math.floor(constant))
        case ">":
            low = max(least, math.floor(constant) + 1)
        case ">=":
            low = max(least, math.ceil(constant))
        case _:
            if constant != math.floor(constant):
                return 1, 0
            low, high = max(least, int(constant)), min(most, int(constant))
    return low, high


def reals(sign: str, constant: float, kind: type[np.floating[Any]]) -> tuple[float, float]:
    """The range of x with `x sign constant`, in 32 or 64 bits."""
    with np.errstate(over="ignore"):
        k = kind(constant)
    match sign:
        case "<":
            return -math.inf, float(np.nextafter(k, kind(-math.inf)))
        case "<=":
            return -math.inf, float(k)
        case ">":
            return float(np.nextafter(k, kind(math.inf))), math.inf
        case ">=":
            return float(k), math.inf
        case _:
            return float(k), float(k)


def singles_within(low: float, high: float) -> tuple[float, float] | None:
    """The least and the largest 32-bit float between two bounds, both included; None if there is none."""
    least, most = _at_least(low, np.float32), _at_most(high, np.float32)
    return (least, most) if least <= most else None


def rounding_within(low: float, high: float, kind: type[np.floating[Any]], whole: bool) -> tuple[float, float]:
    """The least and the largest number, whole if ``whole`` and else a double, that rounded to 32 or 64 bits lies
    between two bounds, both included (none: low above high)."""
    if low > -math.inf:
        edge, belongs = _edge(low, kind)
        low = _up(edge, belongs, whole)
    if high < math.inf:
        edge, belongs = _edge(-high, kind)  # rounding does not know the sign
        high = -_up(edge, belongs, whole)
    return low, high


def _edge(low: float, kind: type[np.floating[Any]]) -> tuple[Fraction, bool]:
    """Where the numbers begin that round to ``low`` or more, and whether that number is one of them."""
    with np.errstate(over="ignore"):
        least = kind(_at_least(low, kind))
        below = np.nextafter(least, kind(-math.inf))
        edge = (_exact(least) + _exact(below)) / 2
        return edge, bool(kind(float(edge)) >= least)


def _exact(x: np.floating[Any]) -> Fraction:
    """A number, and for infinity what it stands for when numbers are rounded."""
    if np.isinf(x):
        return Fraction(2) ** (np.finfo(x).maxexp) * (1 if x > 0 else -1)
    return Fraction(float(x))


def _up(edge: Fraction, belongs: bool, whole: bool) -> float:
    """The least number, whole or a double, that lies at the edge (if it belongs) or above it."""
    if whole:
        return math.ceil(edge) if belongs else math.floor(edge) + 1
    return float(edge) if belongs else math.nextafter(float(edge), math.inf)


def _at_least(x: float, kind: type[np.floating[Any]]) -> float:
    with np.errstate(over="ignore"):
        near = kind(x)
        return float(near if float(near) >= x else np.nextafter(near, kind(math.inf)))


def _at_most(x: float, kind: type[np.floating[Any]]) -> float:
    return -_at_least(-x, kind)
