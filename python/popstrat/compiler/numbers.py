"""Numbers and dates: for each type of node how its value is held."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import replace

from popstrat.compiler.arithmetic import arithmetic
from popstrat.compiler.cases import branches, join, restrict, split
from popstrat.compiler.columns import bounds
from popstrat.compiler.dates import years
from popstrat.compiler.emitter import TRUE, invert
from popstrat.compiler.held import Number, constant, null
from popstrat.compiler.loading import doubles, towards_zero
from popstrat.compiler.lowering import Lowering, Table
from popstrat.compiler.ranges import INTEGER_RANGE
from popstrat.compiler.sums import weighted_sum
from popstrat.core.dates import days
from popstrat.lang import nodes as n
from popstrat.lang.intervals import Interval
from popstrat.lang.values import WHOLE


def _const(c: Lowering, node: n.Const) -> Number:
    if node.value is None:
        return null()
    value = days(node.value) if isinstance(node.value, dt.date) else node.value
    assert isinstance(value, int | float)
    return constant(value)


def _column(c: Lowering, node: n.Column) -> Number:
    column = c.schema[node.name]
    if column.completed_years_since:
        return years(c, column)
    if not c.columns.present(node.name):
        return null()
    ok, held = c.plausible.ok(node.name), c.columns.held(node.name)
    if column.type == "date":
        return Number(ok, Interval(days(c.schema.earliest_date), days(c.resolved.as_of)), column=held)
    low, high = bounds(column)
    if held[1] in INTEGER_RANGE:
        least, most = INTEGER_RANGE[held[1]]
        low, high = max(low, least), min(high, most)
    if c.columns.as_declared(node.name, low, high):
        return Number(ok, Interval(low, high), column=held)
    interval = Interval(column.held(low), column.held(high))
    return Number(ok, interval, register=c.columns.doubles(node.name), rounded=held)


def _named(c: Lowering, node: n.Named) -> Number:
    return c.number(c.definition(node))


def _count(c: Lowering, node: n.CountTrue) -> Number:
    planes = c.e.count([c.true(i) for i in node.items])
    return Number(TRUE, Interval(0, len(node.items)), planes=planes)


def _only(c: Lowering, node: n.Only) -> Number:
    return restrict(c.e, c.number(node.item), c.true(node.condition))


def _cases(c: Lowering, node: n.Cases) -> Number:
    pieces = [(m, part) for mask, value in branches(c, node) for m, part in split(c.e, c.number(value), mask)]
    return join(c.e, pieces)


def _coalesce(c: Lowering, node: n.Coalesce) -> Number:
    item, otherwise = c.number(node.item), c.number(node.otherwise)
    return join(c.e, [*split(c.e, item), *split(c.e, otherwise, invert(item.ok))])


def _whole(c: Lowering, node: n.Whole) -> Number:
    """Towards zero, and null beyond what the type holds."""
    e, value = c.e, c.number(node.item)
    ok, (least, most) = value.ok, WHOLE[node.dtype]
    interval = value.interval
    if not (least - 1 < interval.low and interval.high < most + 1):
        inside = math.nextafter(least - 1, math.inf), math.nextafter(most + 1, -math.inf)
        ok = e.both(ok, e.plane("RANGE_NUM", doubles(e, value), *inside))
        interval = Interval(max(interval.low, least), min(interval.high, most))
    if value.short is None and value.planes is None:
        value = towards_zero(e, value)
    return replace(value, ok=ok, interval=interval)


NUMBER: Table[Number] = Table(
    "a number",
    {
        n.Const: _const,
        n.Column: _column,
        n.Named: _named,
        n.CountTrue: _count,
        n.Only: _only,
        n.Cases: _cases,
        n.Coalesce: _coalesce,
        n.Arithmetic: arithmetic,
        n.Call: arithmetic,
        n.WeightedSum: weighted_sum,
        n.Whole: _whole,
    },
    never=(n.Not, n.And, n.Or, n.Compare, n.IsIn, n.IsNull, n.Within),
)
