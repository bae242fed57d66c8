"""The plausibility checks: where a column holds a value that may be used, and where it holds one that may not."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Mapping

import numpy as np

from popstrat.compiler.columns import Columns, bounds
from popstrat.compiler.emitter import FALSE, Emitter, Plane, invert
from popstrat.compiler.ranges import INTEGER_RANGE
from popstrat.compiler.years import years_lived
from popstrat.core.dates import days, latest_birth_for
from popstrat.packs import plausibility
from popstrat.packs.patient_table import COLUMN_TYPES, Column, Schema

Reason = tuple[str, str]
"""A column, and why its value is implausible."""


class Plausibility:
    """Checks each column once, when it is first asked for."""

    def __init__(self, e: Emitter, columns: Columns, schema: Schema, as_of: dt.date) -> None:
        self.e, self.columns, self.schema, self.as_of = e, columns, schema, as_of
        self.bad: dict[Reason, Plane] = {}
        """The rows whose value is implausible."""
        self.counted: dict[Reason, int] = {}
        """The counter of each reason, where checking counts as it goes."""
        self.dates: dict[str, Plane] = {}
        """The rows with a plausible date, of every date column but that of birth."""
        self._ok: dict[str, Plane] = {}
        self._birth = next((c.completed_years_since for c in schema if c.completed_years_since), None)

    def ok(self, name: str) -> Plane:
        """Where the column holds a plausible value."""
        if name not in self._ok:
            present = self.columns.present(name)
            self._ok[name] = _CHECKS[self.schema[name].type](self, self.schema[name]) if present else FALSE
        return self._ok[name]

    def flag(self, column: Column) -> Plane:
        """True or false: bits always are, numbers where they are 0 or 1. Other numbers are counted whether or not
        anything else is, since the caller refuses them; NaN is no record."""
        e, name, reason = self.e, column.name, plausibility.FLAG_REASON
        index, kind = self.columns.held(name)
        if kind == "bits":
            return e.plane("VALID", index)
        if kind in INTEGER_RANGE:
            return self._range(name, reason, 0, 1)
        known = e.both(e.plane("VALID", index), self.columns.in_range(name, -math.inf, math.inf))
        zero_or_one = e.either(self.columns.in_range(name, 0, 0), self.columns.in_range(name, 1, 1))
        ok = self._note(name, reason, known, zero_or_one)
        self.counted[name, reason] = e.rows(self.bad[name, reason])
        return ok

    def label(self, column: Column) -> Plane:
        """One of the column's labels."""
        e = self.e
        valid = e.plane("VALID", self.columns.index(column.name))
        codes = self.columns.codes(column.name)
        missing = e.plane("RANGE_CODE", codes, 254, 254)
        known = e.plane("RANGE_CODE", codes, 0, len(column.labels) - 1)
        return self._note(column.name, plausibility.LABEL_REASON, e.both(valid, invert(missing)), known)

    def number(self, column: Column) -> Plane:
        """Finite, within the plausible range, and whole where only that is plausible."""
        low, high = bounds(column)
        single = self.columns.single(column.name)
        if single:
            with np.errstate(over="ignore"):
                low, high = float(np.float32(low)), float(np.float32(high))
        largest = float(np.finfo(np.float32 if single else np.float64).max)
        low, high = max(low, -largest), min(high, largest)
        ok = self._range(column.name, plausibility.range_reason(column), low, high)
        if column.strict and self.columns.kinds[column.name] in ("f32", "f64"):
            x = self.columns.doubles(column.name)
            whole = self.e.plane("EQUAL_NUM", x, self.e.value("FLOOR", x))
            ok = self._note(column.name, plausibility.WHOLE_REASON, ok, whole)
        birth = column.completed_years_since
        if birth and self.columns.present(birth):
            ok = self._note(column.name, plausibility.AGE_REASON, ok, invert(self._apart(column, birth)))
        return ok

    def _apart(self, column: Column, birth: str) -> Plane:
        """Where there is a date of birth that gives another age than the column, by more than a year."""
        e = self.e
        lived = years_lived(e, self.columns.index(birth), int(column.maximum or 120), self.as_of)
        given = e.value("SHORT_NUM", self.columns.doubles(column.name))
        difference = e.value("SUB", e.value("NUM_SHORT", given), e.value("NUM_SHORT", lived))
        return e.both(self.ok(birth), invert(e.plane("RANGE_NUM", difference, -1.0, 1.0)))

    def date(self, column: Column) -> Plane:
        """Not too long ago, not after the as-of date, and not before birth."""
        e, name = self.e, column.name
        index = self.columns.index(name)
        ages = [c for c in self.schema if c.completed_years_since == name]
        earliest = self.schema.earliest_date
        if ages:
            oldest = max(c.maximum or 0 for c in ages)
            earliest = max(earliest, latest_birth_for(int(oldest) + 1, self.as_of) + dt.timedelta(days=1))
        reasons = (plausibility.early_reason(column, self.schema), plausibility.FUTURE_REASON)
        if earliest > self.as_of:  # an as-of date so early that no date is plausible
            past = e.plane("RANGE_I32", index, -(2**31), days(self.as_of))
            ok = self._note(name, reasons[1], e.plane("VALID", index), past)
            return self._note(name, reasons[0], ok, FALSE)
        counters = tuple(e.counter() for _ in reasons)
        found, *outside = e.emit("CHECK_DATE", index, days(earliest), days(self.as_of), *counters)
        for reason, value, counter in zip(reasons, outside, counters, strict=True):
            self.bad[name, reason] = (value, False)
            self.counted[name, reason] = counter
        ok = (found, False)
        if ages:
            return ok
        if self._birth and self.columns.present(self._birth):
            before = e.both(e.plane("LESS_I32", index, self.columns.index(self._birth)), self.ok(self._birth))
            ok = self._note(name, plausibility.BIRTH_REASON, ok, invert(before))
        if column.not_after and self.columns.present(column.not_after):
            other = column.not_after
            later = e.both(e.plane("LESS_I32", self.columns.index(other), index), self.ok(other))
            ok = self._note(name, plausibility.order_reason(column), ok, invert(later))
        self.dates[name] = ok
        return ok

    def _range(self, name: str, reason: str, low: float, high: float) -> Plane:
        """Rows that are valid and within the range; those valid and not are counted under the reason."""
        e, (index, kind) = self.e, self.columns.held(name)
        limits = self.columns.limits(name, low, high)
        if limits is None:  # the type holds no plausible value
            return self._note(name, reason, e.plane("VALID", index), FALSE)
        if limits == INTEGER_RANGE.get(kind):
            return e.plane("VALID", index)
        counter = e.counter()
        ok, bad = e.emit(f"CHECK_{kind.upper()}", index, *limits, counter)
        self.bad[name, reason], self.counted[name, reason] = (bad, False), counter
        return (ok, False)

    def _note(self, name: str, reason: str, valid: Plane, inside: Plane) -> Plane:
        """Rows that are valid and inside; those valid and not are noted under the reason."""
        bad = self.e.both(valid, invert(inside))
        if bad != FALSE:
            self.bad[name, reason] = bad
        return self.e.both(valid, inside)


_CHECKS: Mapping[str, Callable[[Plausibility, Column], Plane]] = {
    "bool": Plausibility.flag,
    "category": Plausibility.label,
    "date": Plausibility.date,
    "int": Plausibility.number,
    "float": Plausibility.number,
}
_UNCHECKED = {"id", "string"}  # names and codes, which rules do not read

if missing := set(COLUMN_TYPES) - {*_CHECKS, *_UNCHECKED}:
    raise ImportError(f"columns whose plausibility the compiler cannot check: {', '.join(sorted(missing))}")
