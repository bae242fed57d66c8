"""Arithmetic and functions of numbers: on few constants worked out here, else in registers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from popstrat.compiler.cases import MOST, join
from popstrat.compiler.emitter import FALSE, TRUE, Emitter, Plane
from popstrat.compiler.held import Constant, Difference, Number, constant, constant_of, null
from popstrat.compiler.loading import doubles, shorts
from popstrat.compiler.lowering import Lowering
from popstrat.lang import nodes as n
from popstrat.lang.intervals import Interval, after
from popstrat.lang.values import calculate

_EXP_NEAR = 700.0  # between minus this and this, `exp` needs to look for neither end of what a double holds
_OF_ONE = {"abs": "ABS", "exp": "EXP", "floor": "FLOOR", "ln": "LN", "sqrt": "SQRT"}
_OF_TWO = {"+": "ADD", "-": "SUB", "*": "MUL", "/": "DIV", "min": "MIN", "max": "MAX"}
_CONSTANT_RIGHT = {"+": "ADDK", "-": "ADDK", "*": "MULK", "/": "DIVK", "min": "MINK", "max": "MAXK"}
_CONSTANT_LEFT = {"+": "ADDK", "-": "RSUBK", "*": "MULK", "/": "RDIVK", "min": "MINK", "max": "MAXK"}
_SHORT_RIGHT = {"+": "ADD_SHORTK", "-": "ADD_SHORTK", "min": "MIN_SHORTK", "max": "MAX_SHORTK"}
_SHORT_LEFT = {**_SHORT_RIGHT, "-": "RSUB_SHORTK"}
_MOST_SQUARINGS = 64  # beyond this exponent, a whole power is worked out like any other


def arithmetic(c: Lowering, node: n.Arithmetic | n.Call) -> Number:
    """The result of an operation or a function; null where an argument is, or where it is not finite."""
    numbers = [c.number(p) for p in node.children()]
    ok = c.e.all(x.ok for x in numbers)
    if ok == FALSE:
        return null()
    few = _of_constants(c.e, node, numbers)
    if few is not None:
        return few
    if isinstance(node, n.Call) and len(numbers) > 2:  # min and max of many, two at a time
        out = numbers[0]
        for item in numbers[1:]:
            out = _apply(c.e, node.function, [out, item], c.e.both(out.ok, item.ok))
        return out
    return _apply(c.e, node.op if isinstance(node, n.Arithmetic) else node.function, numbers, ok)


def _of_constants(e: Emitter, node: n.Arithmetic | n.Call, numbers: Sequence[Number]) -> Number | None:
    """Arithmetic on few constants gives few constants: row by row nothing remains to be done. None for others."""
    if not all(x.cases is not None for x in numbers):
        return None
    if math.prod(max(1, len(x.cases or ())) for x in numbers) > MOST or any(p.type == n.DATE for p in node.children()):
        return None
    combined: list[tuple[Plane, tuple[Constant, ...]]] = [(TRUE, ())]
    for x in numbers:
        combined = [
            (mask, (*values, value))
            for known, values in combined
            for case, value in x.cases or ()
            if (mask := e.both(known, case)) != FALSE
        ]
    found = [(mask, calculate(node, values)) for mask, values in combined]
    return join(e, [(mask, constant(v)) for mask, v in found if v is not None])


def _apply(e: Emitter, name: str, numbers: Sequence[Number], ok: Plane) -> Number:
    """One operation in registers; a result that may not be finite is checked, and null where it is not."""
    a, b = numbers[0], numbers[1] if len(numbers) > 1 else None
    interval = after(name, a.interval, b.interval if b else None) if e.options.intervals else Interval()
    if b is not None and (small := _in_shorts(e, name, a, b, interval)) is not None:
        return Number(ok, interval, short=small)
    if b is not None and (same := _bounded(e, name, a, b)) is not None:
        return replace(same, ok=ok)
    if (difference := _difference(e, name, a, b, interval)) is not None:
        return Number(ok, interval, difference=difference)
    out = _of_one(e, name, a) if b is None else _of_two(e, name, a, b)
    if name == "round" and not interval.safe:  # what is too large to have decimals stays
        out = e.value("SELECT", e.register(e.plane("FINITE", out)), out, doubles(e, a))
    if not interval.safe:
        ok = e.both(ok, e.plane("FINITE", out))
    return Number(ok, interval, register=out)


def _bounded(e: Emitter, name: str, a: Number, b: Number) -> Number | None:
    """The side of `min` or `max` that the other, a constant, never changes; None for all else."""
    if not e.options.intervals:
        return None
    for number, limit in ((a, constant_of(b)), (b, constant_of(a))):
        within = number.interval
        if limit is not None and ((name == "min" and within.high <= limit) or (name == "max" and within.low >= limit)):
            return number
    return None


def _of_one(e: Emitter, name: str, a: Number) -> int:
    if name == "round":
        return e.value("ROUND", doubles(e, a), 1.0)
    near = a.interval.low >= -_EXP_NEAR and a.interval.high <= _EXP_NEAR
    return e.value("EXP_NEAR" if name == "exp" and near else _OF_ONE[name], doubles(e, a))


def _of_two(e: Emitter, name: str, a: Number, b: Number) -> int:
    left, right = constant_of(a), constant_of(b)
    if name == "round":
        assert right is not None
        return e.value("ROUND", doubles(e, a), 10.0**right)
    if name == "**":
        return _power(e, a, b, right)
    if right is not None:
        return e.value(_CONSTANT_RIGHT[name], doubles(e, a), float(-right if name == "-" else right))
    if left is not None:
        if name == "-" and left == 0:
            return e.value("NEG", doubles(e, b))
        return e.value(_CONSTANT_LEFT[name], doubles(e, b), float(left))
    return e.value(_OF_TWO[name], doubles(e, a), doubles(e, b))


def _power(e: Emitter, a: Number, b: Number, exponent: Constant | None) -> int:
    x = doubles(e, a)
    if exponent is None:
        return e.value("POW", x, doubles(e, b))
    if exponent == 0.5:
        return e.value("SQRT", x)
    if float(exponent).is_integer() and 1 <= abs(exponent) <= _MOST_SQUARINGS:
        out = x
        for bit in f"{int(abs(exponent)):b}"[1:]:  # square, and multiply where the bit is set
            out = e.value("MUL", out, out)
            out = e.value("MUL", out, x) if bit == "1" else out
        return out if exponent > 0 else e.value("RDIVK", out, 1.0)
    return e.value("POWK", x, float(exponent))


def _in_shorts(e: Emitter, name: str, a: Number, b: Number, interval: Interval) -> int | None:
    """An operation on a small whole number and a constant, in 16 bits (a quarter of the cost); None for others."""
    left, right = constant_of(a), constant_of(b)
    k = left if right is None else right
    if not e.options.shorts or k is None or not float(k).is_integer():
        return None
    if not (Interval(-abs(k), abs(k)).short and interval.short):
        return None
    operation = (_SHORT_LEFT if right is None else _SHORT_RIGHT).get(name)
    short = None if operation is None else shorts(e, b if right is None else a)
    if operation is None or short is None:
        return None
    return e.value(operation, short, int(-k if operation == "ADD_SHORTK" and name == "-" else k))


def _difference(e: Emitter, name: str, a: Number, b: Number | None, interval: Interval) -> Difference | None:
    """What one date or 32-bit column is over another, or how far apart they are: it may not need a register."""
    if name == "abs" and a.difference is not None:
        return Difference(a.difference.left, a.difference.right, unsigned=True)
    if name != "-" or b is None or not (a.column and b.column and a.column[1] == b.column[1] == "i32"):
        return None
    return Difference(a, b) if e.options.differences and interval.of_days else None
