"""A number, however it is held, into a register: of doubles, or of 16-bit integers where it is small and whole."""

from __future__ import annotations

import math
from collections.abc import Sequence

from popstrat.compiler.emitter import Emitter, Plane
from popstrat.compiler.held import Constant, Number, constant_of
from popstrat.compiler.ranges import INTEGER_RANGE

_ADDED = 3  # constants that are added to zero under their masks, rather than looked up
_MOST_ENTRIES = 255  # of a look-up, besides zero for rows in none


def doubles(e: Emitter, number: Number, single: bool = False) -> int:
    """The number in a register of doubles, rounded to 32 bits if ``single``; undefined where it is null."""
    if number.register is not None:
        out = number.register
    elif number.column is not None:
        out = e.value(f"F64_{number.column[1].upper()}", number.column[0])
    elif number.short is not None:
        out = e.value("NUM_SHORT", number.short)
    elif number.planes is not None:
        planes = [e.register(p) for p in number.planes]
        out = e.value("NUM_PLANES", tuple(planes[:8]))
        if len(planes) > 8:  # a count of more than 255
            out = e.value("ADD", out, e.value("MULK", e.value("NUM_PLANES", tuple(planes[8:])), 256.0))
    elif number.difference is not None:
        out = e.value("SUB", doubles(e, number.difference.left), doubles(e, number.difference.right))
        out = e.value("ABS", out) if number.difference.unsigned else out
    elif number.pieces is not None:
        parts = list(number.pieces)
        out = doubles(e, parts.pop()[1])
        for mask, part in reversed(parts):
            out = e.value("SELECT", e.register(mask), doubles(e, part), out)
    else:
        out = _constants(e, number.cases or [])
    if single and not (number.column is not None and number.column[1] == "f32"):
        out = e.value("SINGLE", out)
    return out


def _constants(e: Emitter, cases: Sequence[tuple[Plane, Constant]]) -> int:
    """A register that holds, on each exclusive plane, its constant."""
    if len(cases) <= 1:
        return e.value("FILL", float(cases[0][1]) if cases else 0.0)
    if not e.options.lookups or len(cases) <= _ADDED or len(cases) > _MOST_ENTRIES:
        # zero plus the one constant that applies is that constant
        return e.value("MASKED_ADD", e.value("FILL", 0.0), tuple((e.register(m), float(v)) for m, v in cases))
    code = e.binary([m for m, _ in cases], first=1)
    return e.value("LOOKUP", tuple(e.register(p) for p in code), (0.0, *(float(v) for _, v in cases)))


def shorts(e: Emitter, number: Number) -> int | None:
    """The number in a register of 16-bit integers, where it is a whole number that is sure to fit; else None."""
    if number.short is not None:
        return number.short
    if not number.interval.short or not e.options.shorts:
        return None
    if number.column is not None and number.column[1] in ("i8", "u8", "i16"):
        return e.value(f"SHORT_{number.column[1].upper()}", number.column[0])
    constant = constant_of(number)
    if constant is not None and float(constant).is_integer():
        return e.value("FILL_SHORT", int(constant))
    if number.pieces is None:
        return None
    parts = [(mask, shorts(e, part)) for mask, part in number.pieces]
    out = parts.pop()[1]
    for mask, short in reversed(parts):
        out = None if out is None or short is None else e.value("SELECT_SHORT", e.register(mask), short, out)
    return out


def towards_zero(e: Emitter, number: Number) -> Number:
    """The whole part of a number."""
    if number.column is not None and number.column[1] in INTEGER_RANGE:
        return number
    x = doubles(e, number)
    under = e.value("NEG", e.value("FLOOR", e.value("NEG", x)))
    negative = e.register(e.plane("RANGE_NUM", x, -math.inf, 0.0))
    return Number(number.ok, number.interval, register=e.value("SELECT", negative, under, e.value("FLOOR", x)))
