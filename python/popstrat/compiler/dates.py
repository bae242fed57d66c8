"""Dates: completed years, and windows up to the as-of date."""

from __future__ import annotations

from popstrat.compiler.columns import bounds
from popstrat.compiler.emitter import FALSE, TRUE, Plane, invert
from popstrat.compiler.held import Number, null
from popstrat.compiler.loading import doubles
from popstrat.compiler.lowering import Lowering
from popstrat.compiler.years import years_lived
from popstrat.core.dates import days
from popstrat.lang import nodes as n
from popstrat.lang.intervals import Interval
from popstrat.packs.patient_table import Column


def within(c: Lowering, node: n.Within) -> Plane:
    """Where a date lies in the window; a column that is absent altogether is as the node says."""
    name = node.item.name
    if name not in c.columns:
        return TRUE if node.absent_is else FALSE
    if not c.columns.present(name):
        return FALSE
    return c.e.both(c.columns.in_range(name, days(node.start), days(node.end)), c.plausible.ok(name))


def not_within(c: Lowering, node: n.Within) -> Plane:
    """Where there is a date, and it lies outside the window."""
    if node.item.name not in c.columns:
        return invert(c.true(node))
    return c.e.both(c.plausible.ok(node.item.name), invert(c.true(node)))


def years(c: Lowering, column: Column) -> Number:
    """Completed years: from the date where there is one, else the column as given."""
    e, birth, as_of = c.e, column.completed_years_since, c.resolved.as_of
    assert birth is not None
    interval = Interval(*bounds(column))
    given: Number | None = None
    if c.columns.present(column.name):
        plain = Number(c.plausible.ok(column.name), interval, column=c.columns.held(column.name))
        given = Number(plain.ok, interval, short=e.value("SHORT_NUM", doubles(e, plain)))
    if not c.columns.present(birth):
        return given or null()
    ok, index, highest = c.plausible.ok(birth), c.columns.index(birth), int(column.maximum or 120)
    lived = years_lived(e, index, highest, as_of)
    if given is None:
        return Number(ok, interval, short=lived)
    assert given.short is not None
    either = e.value("SELECT_SHORT", e.register(ok), lived, given.short)
    return Number(e.either(ok, given.ok), interval, short=either)
