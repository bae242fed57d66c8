"""Comparisons: of numbers and dates with each other or a constant, of a category with labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from popstrat.compiler.emitter import FALSE, TRUE, Emitter, Plane, invert
from popstrat.compiler.held import Difference, Number
from popstrat.compiler.intervals import INTEGER_RANGE
from popstrat.compiler.loading import doubles
from popstrat.compiler.lowering import Lowering
from popstrat.compiler.ranges import integers, reals
from popstrat.lang import nodes as n
from popstrat.lang.values import compare as compare_values

_LESS = {"i16": "LESS_I16", "i32": "LESS_I32"}  # of two columns of a kind, read in place
_EXCHANGED: dict[str, Any] = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}


def compare(c: Lowering, node: n.Compare) -> tuple[Plane, Plane]:
    """(true, known) of a comparison of numbers or dates."""
    e, single = c.e, node.left in c.singles or node.right in c.singles
    a, b, sign = c.number(node.left), c.number(node.right), node.op
    ok = e.both(a.ok, b.ok)
    if b.cases is None and a.cases is not None:
        a, b, sign = b, a, _EXCHANGED[sign]
    if b.cases is not None:
        hits = [e.both(mask, _against(c, a, sign, constant, single)) for mask, constant in b.cases]
        return e.both(ok, e.any(hits)), ok
    if sign in ("==", "!="):
        equal = e.plane("EQUAL_NUM", doubles(e, a, single), doubles(e, b, single))
        return e.both(ok, equal if sign == "==" else invert(equal)), ok
    if sign in (">", "<="):  # as < and >= with the sides exchanged
        a, b = b, a
    less = _less(e, a, b, single)
    return e.both(ok, less if sign in ("<", ">") else invert(less)), ok


def not_below(c: Lowering, name: str, other: str) -> tuple[Plane, Plane]:
    """The rows that hold both of two columns of numbers, and those of them where the first does not lie below."""
    lower, upper = (c.number(n.Column(n.NUMBER, column, column)) for column in (name, other))
    both = c.e.both(lower.ok, upper.ok)
    return both, c.e.both(both, invert(_less(c.e, lower, upper, False)))


def is_in(c: Lowering, node: n.IsIn) -> Plane:
    """Where a category holds one of the labels."""
    category = c.category(node.item)
    return c.e.any([category.label(str(v)) for v in node.values])


def _less(e: Emitter, a: Number, b: Number, single: bool) -> Plane:
    if a.column and b.column and a.column[1] == b.column[1] and a.column[1] in _LESS:
        return e.plane(_LESS[a.column[1]], a.column[0], b.column[0])
    return e.plane("LESS_NUM", doubles(e, a, single), doubles(e, b, single))


def _against(c: Lowering, a: Number, sign: str, constant: float, single: bool) -> Plane:
    """`a sign constant`; undefined where `a` is null."""
    e = c.e
    if a.pieces is not None:
        return e.any([e.both(m, _against(c, part, sign, constant, single)) for m, part in a.pieces])
    if single:
        with np.errstate(over="ignore"):
            constant = float(np.float32(constant))
    if a.cases is not None:
        return e.any([m for m, v in a.cases if compare_values(sign, float(np.float32(v)) if single else v, constant)])
    if sign == "!=":
        return invert(_against(c, a, "==", constant, single))
    if a.planes is not None:
        least, most = integers(sign, constant, 0, (1 << len(a.planes)) - 1)
        return e.both(e.at_least(a.planes, least), invert(e.at_least(a.planes, most + 1)))
    if a.short is not None:
        least, most = integers(sign, constant, *INTEGER_RANGE["short"])
        return FALSE if least > most else e.plane("RANGE_SHORT", a.short, least, most)
    if a.column is not None and not (single and a.column[1] in ("i32", "i64", "f64")):
        name, kind = c.columns.used[a.column[0]], a.column[1]
        if kind in INTEGER_RANGE:
            least, most = integers(sign, constant, *INTEGER_RANGE[kind])
            return FALSE if least > most else c.columns.in_range(name, least, most)
        return c.columns.in_range(name, *reals(sign, constant, np.float32 if kind == "f32" else np.float64))
    if a.difference is not None and not single:
        return _difference_in_range(e, a.difference, *integers(sign, constant, *INTEGER_RANGE["i32"]))
    low, high = reals(sign, constant, np.float32 if single else np.float64)
    return e.plane("RANGE_NUM", doubles(e, a, single), low, high)


def _difference_in_range(e: Emitter, difference: Difference, low: int, high: int) -> Plane:
    """low <= difference of two columns <= high"""
    assert difference.left.column
    assert difference.right.column
    left, right = difference.left.column[0], difference.right.column[0]
    if difference.unsigned:
        low = max(low, 0)
    if low > high:
        return FALSE
    if not difference.unsigned:
        return e.plane("APART_I32", left, right, low, high)
    within = TRUE
    if high < INTEGER_RANGE["i32"][1]:
        within = e.plane("APART_I32", left, right, -high, high)
    if low == 0:
        return within
    return e.both(within, invert(e.plane("APART_I32", left, right, 1 - low, low - 1)))
