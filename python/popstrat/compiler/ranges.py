"""Comparisons with a constant as ranges, both ends included, of each type that a column or a register holds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


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
