"""What each operation does to single values: the arithmetic of the language, in plain Python.

Used to fold constants and by the reference evaluator, so that there is one statement of what an operation means.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Container, Mapping, Sequence
from typing import Any

from popstrat.lang import nodes as n

# What columns of whole numbers hold: a number goes there towards zero, and is null where it does not fit.
WHOLE = {"uint8": (0, 2**8 - 1), "int16": (-(2**15), 2**15 - 1), "int32": (-(2**31), 2**31 - 1)}

# What a linear predictor is added up in: every contribution is a whole multiple of 2^-44 (6e-14), so that sums under
# 256 are exact, whatever their order, and contributions add up to the predictor to the last bit.
GRID = 2.0**-44
_ROUNDER = 1.5 * 2.0**52 * GRID


def on_grid(x: float) -> float:
    """`x` as the nearest multiple of `GRID` (of a coarser power of two beyond 128)."""
    return (x + _ROUNDER) - _ROUNDER


def compare(sign: str, a: n.Value, b: n.Value) -> bool | None:
    """`a sign b`, None (unknown) if either is null."""
    if a is None or b is None:
        return None
    match sign:
        case "<":
            return a < b  # type: ignore[operator]
        case "<=":
            return a <= b  # type: ignore[operator]
        case ">":
            return a > b  # type: ignore[operator]
        case ">=":
            return a >= b  # type: ignore[operator]
        case "==":
            return a == b
        case _:
            return a != b


class Singles:
    """Which numbers come as they are from 32-bit float columns: comparisons with them are made in 32 bits, so that an
    index of 0.36 is at a cut of 0.36 and not over it. They may have gone through a definition, a default, a choice or a
    bound.

    Made of the names of those columns and the definitions (anything with a `node`) by name.
    """

    def __init__(self, columns: Container[str], definitions: Mapping[str, Any]) -> None:
        self.columns, self.definitions = columns, definitions
        self._known: dict[int, tuple[bool, n.Node]] = {}  # by identity; the node is kept so that it stays the one

    def __contains__(self, node: n.Node) -> bool:
        if id(node) not in self._known:
            self._known[id(node)] = self._find(node), node
        return self._known[id(node)][0]

    def _find(self, node: n.Node) -> bool:
        match node:
            case n.Column():
                return node.name in self.columns
            case n.Named():
                return self.definitions[node.id].node in self
            case n.Coalesce() | n.Only():
                return node.item in self
            case n.Cases() | n.Call(function="min" | "max"):
                found = [*(v for _, v in node.items), node.otherwise] if isinstance(node, n.Cases) else node.arguments
                varying = [v for v in found if not isinstance(v, n.Const)]
                return bool(varying) and all(v in self for v in varying)
        return False


def finite(x: float) -> float | None:
    """Null for what is not a finite number."""
    return x if math.isfinite(x) else None


def whole(value: n.Value, dtype: str) -> int | None:
    """A number as a column of whole numbers holds it."""
    least, most = WHOLE[dtype]
    return int(value) if isinstance(value, int | float) and least <= int(value) <= most else None


def round_half_even(x: float, places: int) -> float:
    """To `places` decimals: the nearest multiple after scaling, ties to even; what is too large stays as it is."""
    scale = 10.0**places
    scaled = x * scale
    if not math.isfinite(scaled):
        return x
    return (float(round(scaled)) if abs(scaled) < 2.0**51 else scaled) / scale


def calculate(node: n.Arithmetic | n.Call, values: Sequence[n.Value]) -> float | int | None:
    """The value of one arithmetic operation or function; null if an argument is null or the result is not finite."""
    if any(v is None for v in values):
        return None
    if isinstance(node, n.Arithmetic) and isinstance(values[0], dt.date) and isinstance(values[1], dt.date):
        return (values[0] - values[1]).days
    x = [v for v in values if isinstance(v, int | float)]
    try:
        if isinstance(node, n.Arithmetic):
            return _arithmetic(node.op, x[0], x[1])
        return _function(node.function, x)
    except (ZeroDivisionError, OverflowError, ValueError):
        return None


def _arithmetic(op: str, a: float, b: float) -> float | None:
    match op:
        case "+":
            return finite(a + b)
        case "-":
            return finite(a - b)
        case "*":
            return finite(a * b)
        case "/":
            return finite(a / b)
        case _:
            result = float(a) ** float(b)
            return finite(result) if isinstance(result, float) else None  # a negative base to a fraction is complex


def _function(name: str, x: Sequence[float]) -> float | None:
    match name:
        case "abs":
            return abs(x[0])
        case "exp":
            return finite(math.exp(x[0])) if x[0] >= -708.0 else 0.0
        case "floor":
            return math.floor(x[0])
        case "ln":
            return math.log(x[0])
        case "sqrt":
            return math.sqrt(x[0])
        case "round":
            return finite(round_half_even(x[0], int(x[1]) if len(x) > 1 else 0))
        case "min":
            return min(x)
        case _:
            return max(x)
