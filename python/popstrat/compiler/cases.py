"""First matches, and numbers that are one thing in some rows and another in others: exclusive planes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from popstrat.compiler.emitter import FALSE, TRUE, Emitter, Plane, invert
from popstrat.compiler.held import Constant, Number, constant, constant_of
from popstrat.compiler.loading import doubles
from popstrat.compiler.lowering import Lowering
from popstrat.lang import nodes as n
from popstrat.lang.intervals import hull

MOST = 24  # beyond this many constants, a number that takes few values is put into a register


def branches(c: Lowering, node: n.Cases) -> list[tuple[Plane, n.Node]]:
    """Each value of a first match with the rows that take it; exclusive, and together all rows."""
    out = []
    left = TRUE
    for condition, value in node.items:
        truth = c.true(condition)
        out.append((c.e.both(left, truth), value))
        left = c.e.both(left, invert(truth))
    return [*out, (left, node.otherwise)]


def known(e: Emitter, parts: Sequence[tuple[Plane, Plane]]) -> Plane:
    """Where a first match is not null: everywhere, if no value is ever null, since its branches cover all rows."""
    if all(ok == TRUE for _, ok in parts):
        return TRUE
    return e.any([e.both(mask, ok) for mask, ok in parts])


def restrict(e: Emitter, number: Number, rows: Plane) -> Number:
    """The same number, null outside the rows."""
    ok = e.both(number.ok, rows)
    if number.cases is not None:
        return replace(number, ok=ok, cases=[(m, v) for mask, v in number.cases if (m := e.both(mask, rows)) != FALSE])
    if number.pieces is not None:
        return replace(number, ok=ok, pieces=[(e.both(mask, rows), part) for mask, part in number.pieces])
    return replace(number, ok=ok)


def split(e: Emitter, number: Number, rows: Plane = TRUE) -> list[tuple[Plane, Number]]:
    """A number as exclusive pieces that are not null, within the rows."""
    if number.cases is not None:
        pieces = [(m, constant(v)) for m, v in number.cases]
    else:
        pieces = number.pieces if number.pieces is not None else [(number.ok, number)]
    return [(mask, part) for m, part in pieces if (mask := e.both(rows, m)) != FALSE]


def join(e: Emitter, pieces: Sequence[tuple[Plane, Number]]) -> Number:
    """One number of exclusive pieces: constants stay constants, others are joined only where they must be."""
    ok = e.any([m for m, _ in pieces])
    interval = hull(part.interval for _, part in pieces)
    constants: dict[tuple[type, Constant], list[Plane]] = {}
    others = []
    for mask, part in pieces:
        value = constant_of(part)
        if value is None:
            others.append((mask, part))
        else:
            constants.setdefault((type(value), value), []).append(mask)
    cases = [(e.any(masks), value) for (_, value), masks in constants.items()]
    if not others:
        return Number(ok, interval, cases=cases)
    joined = Number(ok, interval, pieces=[*others, *((m, constant(v)) for m, v in cases)])
    return joined if len(others) <= MOST else Number(ok, interval, register=doubles(e, joined))
