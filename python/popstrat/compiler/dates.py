"""Dates: completed years, and windows up to the as-of date."""

from __future__ import annotations

import datetime as dt
from functools import cache

import numpy as np

from popstrat.compiler.columns import bounds
from popstrat.compiler.emitter import FALSE, TRUE, Plane, invert
from popstrat.compiler.held import Number, null
from popstrat.compiler.loading import doubles
from popstrat.compiler.lowering import Lowering
from popstrat.core.dates import days, latest_birth_for
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
    multiplier = years_multiplier(as_of, highest)
    if multiplier is not None:
        lived = e.value("YEARS", index, days(as_of), *multiplier)
    else:
        birthdays = tuple(days(latest_birth_for(k, as_of)) for k in range(highest + 2))
        lived = e.value("YEARS_TABLE", index, days(as_of), birthdays)
    if given is None:
        return Number(ok, interval, short=lived)
    assert given.short is not None
    either = e.value("SELECT_SHORT", e.register(ok), lived, given.short)
    return Number(e.either(ok, given.ok), interval, short=either)


@cache
def years_multiplier(as_of: dt.date, highest: int) -> tuple[int, int, int] | None:
    """(multiplier, addend, shift) with (days lived × multiplier + addend) >> shift the completed years, for every date
    of birth up to `highest` + 1 years before, in 32 bits; None where no such numbers exist (as-of dates whose century
    includes 1900-02-28 or 2100-02-28)."""
    shift = 25
    years = np.arange(1, highest + 2, dtype=np.int64) << shift
    lived = np.array([(as_of - latest_birth_for(k, as_of)).days for k in range(1, highest + 2)], dtype=np.int64)
    for multiplier in range(int(2**shift / 365.2425) - 16, int(2**shift / 365.2425) + 17):
        least = max(0, int((years - lived * multiplier).max()))
        most = int((years - (lived - 1) * multiplier).min()) - 1
        if least <= most and int(lived[-1]) * multiplier + least < 2**32:
            return multiplier, least, shift
    return None
