"""Models' sums: numbers times their weights, and conditions that add theirs."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from popstrat.compiler.emitter import FALSE, TRUE, Emitter, Plane
from popstrat.compiler.held import Number
from popstrat.compiler.loading import doubles, shorts
from popstrat.compiler.lowering import Lowering
from popstrat.engine import GRID_BOUND
from popstrat.lang import nodes as n
from popstrat.lang.intervals import Interval, after
from popstrat.lang.values import on_grid

Term = tuple[Plane | Number, float]
"""What is added: the weight on a plane, or a number times the weight."""


def weighted_sum(c: Lowering, node: n.WeightedSum) -> Number:
    """Numbers first and then all conditions in one pass, where the sum is exact; else in the order written."""
    e, ok = c.e, TRUE
    start = low = high = on_grid(node.start)
    most = abs(start)
    terms: list[Term] = []
    for term, weight in node.terms:
        if term.type.kind == "bool":
            plane, step = c.true(term), on_grid(weight)
            reach = Interval(min(0.0, step), max(0.0, step))
            if plane != FALSE:
                terms.append((plane, step))
        else:
            number = c.number(term)
            ok = e.both(ok, number.ok)
            reach = after("*", number.interval, Interval(weight, weight)) if e.options.intervals else Interval()
            terms.append((number, weight))
        low, high, most = low + reach.low, high + reach.high, most + max(abs(reach.low), abs(reach.high))
    exact = most < GRID_BOUND
    if exact:
        terms.sort(key=lambda term: not isinstance(term[0], Number))
    total = _added(e, start, terms, exact)
    interval = Interval(low, high)
    if not interval.safe:
        ok = e.both(ok, e.plane("FINITE", total))
    return Number(ok, interval, register=total)


def _added(e: Emitter, start: float, terms: Sequence[Term], exact: bool) -> int:
    """The register with the sum; neighbours of one kind are added by one operation."""
    total: int | None = None
    for numeric, group in itertools.groupby(terms, key=lambda term: isinstance(term[0], Number)):
        if numeric:
            numbers = [(part, weight) for part, weight in group if isinstance(part, Number)]
            total = _add_numbers(e, total, start, numbers)
        else:
            masks = tuple((e.register(part), weight) for part, weight in group if not isinstance(part, Number))
            total = e.value("FILL", start) if total is None else total
            total = e.value("WEIGH" if exact else "MASKED_ADD", total, masks)
    return e.value("FILL", start) if total is None else total


def _add_numbers(e: Emitter, total: int | None, start: float, numbers: Sequence[tuple[Number, float]]) -> int | None:
    """The sum so far (none: `start`) and numbers times their weights, those held in 16 bits several at a time."""
    for small, group in itertools.groupby(numbers, key=lambda term: shorts(e, term[0]) is not None):
        if small:
            scaled = tuple((shorts(e, number), weight) for number, weight in group)
            if total is None:
                total = e.value("SCALED_SHORTS", start, scaled)
            else:
                total = e.value("ADD_SCALED_SHORTS", total, scaled)
            continue
        for number, weight in group:
            value = doubles(e, number)
            if total is None:
                total = e.value("SCALED", value, start, weight)
            else:
                total = e.value("ADD_SCALED", total, value, weight)
    return total
