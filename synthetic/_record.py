"""The coded record of a few thousand people on its way: what their rows of the patient table say, the rows made so far,
and what every kind of row is made with.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from popstrat.core.dates import days
from popstrat.deriving.folds import ANY_CODE, NO_DAY, Conversion, Values, unit_key
from popstrat.synthetic._codes import Lists, unlisted
from popstrat.synthetic._meaning import PARTS
from popstrat.synthetic._rows import F64, I32, I64, NO_UNIT, Rows

Bools = NDArray[np.bool_]

# Of the people of whom it could be, the share that has a row of this kind.
ASTRAY = 0.03  # undated, after the as-of date, or before birth
REPEATED = 0.04  # a row twice
LOSING = 0.10  # on the same day, on the wrong side of the tie
ODD = 0.05  # later than the latest, and implausible, without a number or in an unknown unit
RETURNED = 0.06  # resolved before the latest diagnosis
RESOLVED = 0.02  # a diagnosis, and resolved on that day or later
OTHER_UNIT = 0.15
NO_UNIT_GIVEN = 0.15
OLD = 0.05  # before the window
EARLIER = 0.30  # the same, longer ago
_FULL = 60  # events a patient: with more, there are more older readings too


class Recorder:
    """One slice of people. ``values`` and ``there`` are the columns of the table (labels by number, days as numbers)
    and where they have a value, ``labels`` the labels; ``listed`` says whose rows the table is to hold (the others have
    records too, and are not to be found in it)."""

    def __init__(
        self,
        values: dict[str, Any],
        there: dict[str, Bools],
        labels: Mapping[str, Sequence[str]],
        listed: Bools,
        *,
        as_of: dt.date,
        lists: Lists,
        units: Sequence[str],
        rng: np.random.Generator,
        plain: bool,
        events_per_patient: float,
    ) -> None:
        self.values, self.there, self.labels, self.listed = values, there, labels, listed
        self.as_of, self.today = as_of, days(as_of)
        self.birth: I32 = values["date_of_birth"].astype(np.int32)
        self.people = len(self.birth)
        self.everybody: Bools = np.ones(self.people, np.bool_)
        self.lists, self.units, self.rng, self.plain = lists, {u: i for i, u in enumerate(units)}, rng, plain
        self.events, self.medications, self.activity = Rows(), Rows(), Rows()
        self.adjusted: Counter[tuple[str, str]] = Counter()
        self._groups = 0
        self._events_per_patient = events_per_patient

    # -- days, people, codes ------------------------------------------------------------------------------------------

    def since(self, first: int | None) -> I32:
        """The first day that counts for each person: birth, or the first of a window if that is later."""
        return self.birth if first is None else np.maximum(self.birth, np.int32(first))

    def between(self, low: Any, high: Any, rows: int) -> I32:
        """A day for each of so many rows, both ends included."""
        low = np.broadcast_to(np.asarray(low, np.int64), rows)
        width = np.asarray(high, np.int64) - low + 1
        day: I32 = (low + np.floor(self.rng.random(rows) * width).astype(np.int64)).astype(np.int32)
        return day

    def some(self, who: Bools | I64, share: float) -> I64:
        """A share of these people, given by number or by a mask; nobody in a plain record."""
        found: I64 = np.flatnonzero(who) if who.dtype == bool else who  # type: ignore[assignment]
        if self.plain:
            return found[:0]
        return found[self.rng.random(len(found), dtype=np.float32) < share]

    def codes(self, names: Iterable[str], *, own: bool = False) -> I64:
        """The codes of these lists; with ``own`` without those of lists that are part of them."""
        found = [self.lists.own(n) if own else self.lists.codes[n] for n in names if n != ANY_CODE]
        return found[0] if len(found) == 1 else np.unique(np.concatenate(found))

    def pick(self, codes: I64, rows: int) -> I64:
        return codes[self.rng.integers(0, len(codes), rows)]

    def new_groups(self, rows: int) -> I64:
        groups: I64 = self._groups + 1 + np.arange(rows, dtype=np.int64)
        self._groups += rows
        return groups

    def often(self, people: int) -> I64:
        """How many older readings each has: in a fuller record more."""
        depth = max(1.0, self._events_per_patient / _FULL)
        times: I64 = np.minimum(self.rng.geometric(1 / (1 + depth), people) - 1, int(6 * depth))
        return times

    def covered(self, names: Sequence[str], columns: Mapping[tuple[str, ...], str]) -> Bools:
        """Who has a row of a list that is part of one of these, by another column (``columns``, by their lists)."""
        found = np.zeros(self.people, np.bool_)
        for part, whole in PARTS.items():
            if whole in names and (part,) in columns:
                found |= self.values[columns[part,]]
        return found

    # -- values -------------------------------------------------------------------------------------------------------

    def number(self, column: str) -> F64:
        """The values of a column as somebody would write them down: 6.3 for the float32 that is nearest to it."""
        held = self.values[column]
        value: F64 = held.astype(np.float64)
        if held.dtype != np.float32:
            return value
        short = np.round(value, 1)
        return np.where(short.astype(np.float32) == held, short, value)

    def usual(self, column: str, rows: int) -> F64:
        """Values such as other people of the slice have."""
        pool = self.number(column)[self.there[column]]
        return self.pick(pool, rows) if len(pool) else np.ones(rows)  # type: ignore[arg-type, return-value]

    def written(self, column: str, value: F64, read: Values, spelt: Sequence[str]) -> tuple[F64, NDArray[np.int8]]:
        """Each value in one of the units in which it may stand, and that unit. It is in another than the column's own
        where it comes out the same."""
        rows = len(value)
        found, unit = value.copy(), np.full(rows, NO_UNIT)
        if not spelt:
            return found, unit
        unit[:] = self.units[spelt[0]]
        if self.plain:
            return found, unit
        draw = self.rng.random(rows)
        if read.without_unit is not None and read.without_unit.factor == 1:
            unit[draw < NO_UNIT_GIVEN] = NO_UNIT
        other = np.flatnonzero(draw > 1 - OTHER_UNIT)
        which = self.rng.integers(0, len(spelt), len(other))
        for place, name in enumerate(spelt):
            mine = other[which == place]
            there, exact = back(value[mine], read.units[unit_key(name)], self.values[column].dtype)
            mine = mine[exact]
            found[mine], unit[mine] = there[exact], self.units[name]
        return found, unit

    # -- rows that mean nothing ---------------------------------------------------------------------------------------

    def astray(self, rows: Rows, codes: I64, who: Bools | None = None, column: str | None = None) -> None:
        """Rows that count for nobody: undated, after the as-of date, before birth."""
        people = self.some(self.everybody if who is None else who, ASTRAY)
        n = len(people)
        way = self.rng.integers(0, 3, n)
        far = self.rng.integers(1, 300, n)
        day = np.where(way == 0, NO_DAY, np.where(way == 1, self.today + far, self.birth[people] - far))
        rows.add(people, day, self.pick(codes, n), np.nan if column is None else self.usual(column, n))

    def again(self, rows: Rows, who: I64, day: I32, code: I64, value: Any = np.nan, unit: Any = NO_UNIT) -> None:
        """Some of these rows once more."""
        some = self.some(np.arange(len(who)), REPEATED)
        value, unit = (np.broadcast_to(given, len(who))[some] for given in (value, unit))
        rows.add(who[some], day[some], code[some], value, unit)

    def before(self, rows: Rows, who: I64, codes: I64, first: Any, last: Any) -> None:
        """A row for each of these people, some day between two."""
        rows.add(who, self.between(first, last, len(who)), self.pick(codes, len(who)))

    # -- what the record cannot say -----------------------------------------------------------------------------------

    def adjust(self, column: str, why: str, rows: Bools, values: Any = None) -> None:
        """In ``rows`` the column is null instead of what it is, or what ``values`` has; what differs is counted."""
        there = self.there[column]
        if values is None:
            changed = rows & there
            self.there[column] = there & ~rows
        else:
            changed = rows & ~(there & (self.values[column] == values))
            self.values[column] = np.where(rows, values, self.values[column]).astype(self.values[column].dtype)
            self.there[column] = there | rows
        count = int((changed & self.listed).sum())
        if count:
            self.adjusted[column, why] += count

    # -- ages ---------------------------------------------------------------------------------------------------------

    def birthday(self, years: Any) -> I32:
        """The day on which each person completes so many years: born on 29 February, on 1 March of other years."""
        born = self.birth.astype("datetime64[D]")
        month = born.astype("datetime64[M]")
        rest = (born - month.astype("datetime64[D]")).astype(np.int64)
        first = (month.astype(np.int64) + 12 * np.asarray(years, np.int64)).astype("datetime64[M]")
        day: I32 = (first.astype("datetime64[D]").astype(np.int64) + rest).astype(np.int32)
        return day

    def age(self, day: Any = None) -> I64:
        """Completed years on the as-of date, or on a day of each."""
        day = np.full(self.people, self.today) if day is None else day
        year = np.asarray(day, np.int64).astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64)
        years = year - self.birth.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64)
        age: I64 = years - (self.birthday(years) > day)
        return age

    # -- what is in no list -------------------------------------------------------------------------------------------

    def fill(self) -> None:
        """Events with codes in no list, until there are about so many a patient; more the older."""
        lack = self._events_per_patient * int(self.listed.sum()) - self.events.count
        if lack <= 0 or self.plain:
            return
        weight = 0.2 + self.age() / 40
        who = np.repeat(np.arange(self.people), self.rng.poisson(weight * (lack / weight.sum())))
        rows = len(who)
        pool = unlisted(3_000)
        code = pool[(self.rng.random(rows) ** 2 * len(pool)).astype(np.int64)]
        value = np.where(self.rng.random(rows) < 0.3, np.round(self.rng.gamma(2.0, 20.0, rows), 1), np.nan)
        self.events.add(who, self.between(self.birth[who], self.today, rows), code, value)


def back(value: F64, conversion: Conversion, held: Any) -> tuple[F64, Bools]:
    """What stands for values in another unit, with few decimals, and where it is exactly them once converted, as a
    column of the type ``held`` holds them."""
    best, exact = np.zeros_like(value), np.zeros(len(value), np.bool_)
    for places in (1, 2, 3):
        there = np.round((value - conversion.offset) / conversion.factor, places)
        again = there * conversion.factor + conversion.offset
        if conversion.decimals is not None:
            again = np.round(again, conversion.decimals)
        fits = ~exact & (again.astype(held) == value.astype(held))
        best[fits] = there[fits]
        exact |= fits
    return best, exact
