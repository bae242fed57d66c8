"""The coded record of a few thousand people, made so that it means what their rows of the patient table say.

For each column the rows that carry its meaning, and round them rows that a right derivation passes over: undated or
out of time, of a resolved condition, older, on the wrong side of a tie, in another unit, implausible, without a number.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from popstrat.core.dates import days, months_before
from popstrat.derive.canonical import KINDS
from popstrat.derive.folds import NO_DAY, Conversion
from popstrat.synthetic._codes import Lists, unlisted
from popstrat.synthetic._meaning import Day, Label, Medicine, Plan, Pressure, Register, Use, Value
from popstrat.synthetic._rows import F64, I32, I64, NO_GROUP, NO_UNIT, Rows

Bools = NDArray[np.bool_]

# Of the people of whom it could be, the share that has a row of this kind.
ASTRAY = 0.03  # undated, after the as-of date, or before birth
REPEATED = 0.04  # a row twice
LOSING = 0.10  # on the same day, on the wrong side of the tie
ODD = 0.05  # later than the latest, and implausible, without a number or in an unknown unit
RETURNED = 0.06  # resolved before the latest diagnosis
RESOLVED = 0.02  # a diagnosis, and resolved on that day or later
OTHER_UNIT = 0.15
OLD = 0.05  # before the window
_UNDATED = "no date in the table: an undated row is not used"


class Recorder:
    """Makes the rows of one slice. ``values`` and ``there`` are the columns of the table and where they have a value;
    ``listed`` says whose rows the table is to hold (the others have records too, and are not to be found in it)."""

    def __init__(
        self,
        values: dict[str, Any],
        there: dict[str, Bools],
        listed: Bools,
        as_of: dt.date,
        lists: Lists,
        units: Sequence[str],
        rng: np.random.Generator,
        plain: bool,
        events_per_patient: float,
    ) -> None:
        self.values, self.there, self.listed = values, there, listed
        self.today, self._as_of = days(as_of), as_of
        self.birth: I32 = values["date_of_birth"].astype(np.int32)
        self.people = len(self.birth)
        self.rng, self.plain, self._lists, self._units = rng, plain, lists, units
        self.events, self.medications, self.activity = Rows(), Rows(), Rows()
        self.adjusted: Counter[tuple[str, str]] = Counter()
        self._groups = 0
        self._depth = max(1.0, events_per_patient / 60)

    # -- helpers ------------------------------------------------------------------------------------------------------

    def since(self, months: int | None) -> I32:
        """The first day that counts for each person: birth, or the first of the window if that is later."""
        return self.birth if months is None else np.maximum(self.birth, self._first(months))

    def _first(self, months: int) -> int:
        return days(months_before(self._as_of, months))

    def between(self, low: Any, high: Any, rows: int) -> I32:
        """A day for each of so many rows, both ends included."""
        low = np.broadcast_to(np.asarray(low, np.int64), rows)
        width = np.asarray(high, np.int64) - low + 1
        day: I32 = (low + np.floor(self.rng.random(rows) * width).astype(np.int64)).astype(np.int32)
        return day

    def some(self, who: Bools | I64, share: float) -> I64:
        """A share of these people; nobody in a plain record."""
        found: I64 = np.flatnonzero(who) if who.dtype == bool else who  # type: ignore[assignment]
        if self.plain:
            return found[:0]
        return found[self.rng.random(len(found), dtype=np.float32) < share]

    def pick(self, codes: I64, rows: int) -> I64:
        return codes[self.rng.integers(0, len(codes), rows)]

    def new_groups(self, rows: int) -> I64:
        groups: I64 = self._groups + 1 + np.arange(rows, dtype=np.int64)
        self._groups += rows
        return groups

    def adjust(self, column: str, why: str, rows: Bools, values: Any = None) -> None:
        """What the record cannot say: in ``rows`` the column is null instead, or what ``values`` has."""
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

    def astray(
        self, rows: Rows, codes: I64, who: Bools | None = None, values: tuple[float, float] | None = None
    ) -> None:
        """Rows that count for nobody: undated, after the as-of date, before birth."""
        people = self.some(np.ones(self.people, np.bool_) if who is None else who, ASTRAY)
        n = len(people)
        way = self.rng.integers(0, 3, n)
        far = self.rng.integers(1, 300, n)
        day = np.where(way == 0, NO_DAY, np.where(way == 1, self.today + far, self.birth[people] - far))
        value = np.nan if values is None else np.round(self.rng.uniform(*values, n), 1)
        rows.add(people, day, self.pick(codes, n), value)

    # -- kinds of column ----------------------------------------------------------------------------------------------

    def draw(self, column: str, plan: Plan) -> None:
        match plan:
            case Register():
                self._register(column, plan)
            case Value():
                self._value(column, plan)
            case Pressure():
                self._pressure(plan)
            case Label():
                self._label(column, plan)
            case Day():
                self._day(column, plan)
            case Medicine():
                self._medicine(column, plan)
            case Use():
                self._use(column, plan)

    def _register(self, column: str, plan: Register) -> None:
        rows, codes, birth = self.events, self._lists.codes[plan.codes], self.birth
        on: Bools = self.values[column]
        since = self.since(plan.months)
        has = np.flatnonzero(on)
        n = len(has)
        day = self.between(since[has], self.today, n)
        code = self.pick(codes, n)
        rows.add(has, day, code)
        self.astray(rows, codes, ~on)
        again = self.some(np.ones(n, np.bool_), REPEATED)
        rows.add(has[again], day[again], code[again])
        earlier = self.some(np.ones(n, np.bool_), 0.3)
        rows.add(
            has[earlier], self.between(birth[has[earlier]], day[earlier], len(earlier)), self.pick(codes, len(earlier))
        )
        if plan.months is not None:
            first = self._first(plan.months)
            old = self.some(~on & (birth < first), OLD)
            rows.add(old, self.between(birth[old], first - 1, len(old)), self.pick(codes, len(old)))
        if plan.minimum_age is not None:
            young = self.some(~on & (self._age() < plan.minimum_age), RESOLVED)
            rows.add(young, self.between(birth[young], self.today, len(young)), self.pick(codes, len(young)))
        if plan.resolved is not None:
            resolved = self._lists.codes[plan.resolved]
            back = self.some(day > birth[has], RETURNED)
            rows.add(
                has[back], self.between(birth[has[back]], day[back] - 1, len(back)), self.pick(resolved, len(back))
            )
            self.astray(rows, resolved, on)
            had = self.some(~on, RESOLVED)
            n = len(had)
            day = self.between(birth[had], self.today, n)
            rows.add(had, day, self.pick(codes, n))
            same = self.rng.random(n) < 0.3
            rows.add(had, np.where(same, day, self.between(day, self.today, n)), self.pick(resolved, n))

    def _age(self) -> I64:
        """Completed years; a birthday of 29 February is on 1 March in other years."""
        born = self.birth.astype("datetime64[D]")
        month = born.astype("datetime64[M]")
        years = self._as_of.year - (month.astype(np.int64) // 12 + 1970)
        place = (month.astype(np.int64) % 12 + 1) * 100 + (born - month).astype(np.int64) + 1
        age: I64 = years - (place > self._as_of.month * 100 + self._as_of.day)
        return age

    def _value(self, column: str, plan: Value) -> None:
        rows, codes = self.events, self._lists.codes[plan.codes]
        has = self.there[column].copy()
        value = self.values[column].astype(np.float64)
        if plan.decimals is not None:
            value = np.round(value, plan.decimals)
        since = self.since(plan.months)
        undated = np.zeros(self.people, np.bool_)
        if plan.date is None:
            day = self.between(since, self.today, self.people)
        else:
            day = self.values[plan.date].astype(np.int32)
            undated = has & ~self._dated(plan.date)
            self.adjust(column, _UNDATED, undated)
            has &= ~undated
            who = np.flatnonzero(undated)
            rows.add(who, NO_DAY, self.pick(codes, len(who)), value[who], self._unit(plan, 0))
        who = np.flatnonzero(has)
        self._values(plan, codes, who, day[who], value[who])
        may = has  # have older values
        if plan.gap is not None:
            self._earlier(plan, codes, has, day)
            earlier, date, _ = plan.gap
            may, day = self.there[earlier], np.where(self.there[earlier], self.values[date], day).astype(np.int32)
        self._history(plan, codes, np.flatnonzero(may & (day > self.birth)), day)
        self.astray(rows, codes, ~self.there[column], plan.usual)
        if plan.months is not None:
            first = self._first(plan.months)
            old = self.some(~self.there[column] & (self.birth < first), OLD)
            rows.add(old, self.between(self.birth[old], first - 1, len(old)), self.pick(codes, len(old)),
                     self._usual(plan, len(old)), self._unit(plan, 0))  # fmt: skip
        # Later than the latest, or where there is none at all: what is no value.
        odd = self.some(np.ones(self.people, np.bool_), ODD)
        n = len(odd)
        way = self.rng.integers(0, 4, n)
        low = np.where(has[odd], day[odd], self.birth[odd])
        strange = np.where(way == 0, plan.maximum * 10 + 9, np.where(way == 1, -plan.maximum - 1, self._usual(plan, n)))
        strange = np.where(way == 2, np.nan, strange)
        unit = np.where(way == 3, self._units.index("furlong"), self._unit(plan, 0))
        rows.add(odd, self.between(low, self.today, n), self.pick(codes, n), strange, unit)

    def _dated(self, date: str) -> Bools:
        return self.there[date]

    def _unit(self, plan: Value, which: int) -> int:
        return self._units.index(list(plan.units)[which])

    def _usual(self, plan: Value, n: int) -> F64:
        drawn = self.rng.uniform(*plan.usual, n)
        return drawn if plan.decimals is None else np.round(drawn, plan.decimals)

    def _values(self, plan: Value, codes: I64, who: I64, day: I32, value: F64) -> None:
        """Rows that are the value of their day: some in another unit, some with a rival of that day, some twice."""
        n = len(who)
        unit = np.full(n, self._unit(plan, 0))
        written = value.copy()
        if plan.unitless:
            unit[self.rng.random(n) < 0.2] = NO_UNIT
        for which, conversion in enumerate(list(plan.units.values())[1:], 1):
            if self.plain:
                break
            other = np.flatnonzero(self.rng.random(n) < OTHER_UNIT)
            there, exact = _back(value[other], conversion, plan.decimals)
            other = other[exact]
            written[other], unit[other] = there[exact], self._unit(plan, which)
        code = self.pick(codes, n)
        self.events.add(who, day, code, written, unit)
        again = self.some(np.arange(n), REPEATED)
        self.events.add(who[again], day[again], code[again], written[again], unit[again])
        step = 1.0 if plan.decimals in (0, None) else 0.1
        less = value + step if plan.lowest else value - step
        if plan.decimals is None:
            less = value / 2
        possible = (less >= plan.minimum) & (less <= plan.maximum)
        losing = self.some(possible, LOSING)
        self.events.add(who[losing], day[losing], self.pick(codes, len(losing)), less[losing], self._unit(plan, 0))

    def _history(self, plan: Value, codes: I64, who: I64, before: I32) -> None:
        """Older values of people who have had later ones."""
        if self.plain:
            return
        times = self._often(len(who))
        who = np.repeat(who, times)
        day = self.between(np.maximum(self.birth[who], before[who] - 3650), before[who] - 1, len(who))
        self.events.add(who, day, self.pick(codes, len(who)), self._usual(plan, len(who)), self._unit(plan, 0))

    def _often(self, people: int) -> I64:
        """How many older readings each has: in a fuller record more."""
        times: I64 = np.minimum(self.rng.geometric(1 / (1 + self._depth), people) - 1, int(6 * self._depth))
        return times

    def _earlier(self, plan: Value, codes: I64, has: Bools, day: I32) -> None:
        assert plan.gap is not None
        column, date, gap = plan.gap
        value, when = self.values[column].astype(np.float64), self.values[date].astype(np.int32)
        there, dated = self.there[column].copy(), self.there[date]
        self.adjust(column, _UNDATED, there & ~dated)
        lone = there & dated & ~has
        near = there & dated & has & (day - when < gap)
        for name in (column, date):
            self.adjust(name, f"less than {gap} days before the latest: no earlier value", near)
            self.adjust(name, "the latest has no date in the table: nothing is earlier than it", lone)
        who = np.flatnonzero(there & ~dated)
        self.events.add(who, NO_DAY, self.pick(codes, len(who)), value[who], self._unit(plan, 0))
        who = np.flatnonzero(near & (when < day))
        self.events.add(who, when[who], self.pick(codes, len(who)), value[who], self._unit(plan, 0))
        who = np.flatnonzero(there & dated & has & ~near)
        self._values(plan, codes, who, when[who], value[who])
        between = self.some(has & (day - gap + 1 >= self.birth), 0.1)
        n = len(between)
        self.events.add(between, self.between(day[between] - gap + 1, day[between] - 1, n), self.pick(codes, n),
                        self._usual(plan, n), self._unit(plan, 0))  # fmt: skip

    def _pressure(self, plan: Pressure) -> None:
        rows, rng, birth = self.events, self.rng, self.birth
        upper, lower = self._lists.own(plan.systolic), self._lists.codes[plan.diastolic]
        has, dated = self.there["systolic_bp"].copy(), self.there["bp_date"]
        day = self.values["bp_date"].astype(np.int32)
        unit = self._units.index("mmHg")
        systolic, diastolic = self.values["systolic_bp"], self.values["diastolic_bp"]
        undated = has & ~dated
        for column in ("systolic_bp", "diastolic_bp", "bp_setting"):
            self.adjust(column, _UNDATED, undated)
        who = np.flatnonzero(undated)
        self._pair(
            who, np.full(len(who), NO_DAY), systolic[who], diastolic[who], self.pick(upper, len(who)), lower, True
        )
        who = np.flatnonzero(has & dated)
        n = len(who)
        setting = np.where(self.there["bp_setting"], self.values["bp_setting"], -1)[who]
        code = self.pick(upper, n)
        for label, name in enumerate(plan.settings.values()):
            code = np.where(setting == label, self.pick(self._lists.codes[name], n), code)
        alone = (
            np.zeros(n, np.bool_) if self.plain else rng.random(n) < 0.3
        )  # with no group to tell what belongs together
        first, second, when = systolic[who].astype(float), diastolic[who].astype(float), day[who]
        one = np.flatnonzero(alone)
        self._pair(who[one], when[one], first[one], second[one], code[one], lower, False)
        two = np.flatnonzero(~alone)
        self._pair(who[two], when[two], first[two], second[two], code[two], lower, True)
        # On the same day: without groups, higher values of either; with groups, another pair that is higher, and a
        # value of no group that is lower.
        for among, grouped in ((one, False), (two, True)):
            more = self.some(among, LOSING)
            self._pair(who[more], when[more], first[more] + rng.integers(1, 20, len(more)), second[more] + 3,
                       self.pick(upper, len(more)), lower, grouped)  # fmt: skip
        loose = self.some(two, LOSING)
        rows.add(who[loose], when[loose], self.pick(upper, len(loose)), first[loose] - 1, unit)
        # Later: one of the two only; a pair that cannot be.
        late = self.some(np.arange(n), ODD)
        later = late[when[late] < self.today]
        rows.add(who[later], self.between(when[later] + 1, self.today, len(later)), self.pick(upper, len(later)),
                 rng.integers(90, 180, len(later)), unit)  # fmt: skip
        odd = self.some(np.ones(self.people, np.bool_), ODD)
        low = np.where((has & dated)[odd], day[odd], birth[odd])
        self._pair(odd, self.between(low, self.today, len(odd)), np.full(len(odd), 900), np.full(len(odd), 80),
                   self.pick(upper, len(odd)), lower, True)  # fmt: skip
        # Older ones.
        if not self.plain:
            older = np.repeat(np.arange(n), self._often(n))
            older = older[when[older] > birth[who[older]]]
            before = self.between(np.maximum(birth[who[older]], when[older] - 3650), when[older] - 1, len(older))
            self._pair(who[older], before, rng.integers(95, 180, len(older)), rng.integers(50, 95, len(older)),
                       self.pick(upper, len(older)), lower, True)  # fmt: skip
        self.astray(rows, upper, None, (90, 180))
        self.astray(rows, lower, None, (50, 100))

    def _pair(self, who: I64, day: Any, first: Any, second: Any, code: I64, lower: I64, grouped: bool) -> None:
        group = self.new_groups(len(who)) if grouped else NO_GROUP
        unit = self._units.index("mmHg")
        self.events.add(who, day, code, first, unit, group)
        self.events.add(who, day, self.pick(lower, len(who)), second, unit, group)

    def _label(self, column: str, plan: Label) -> None:
        rows = self.events
        lists = [self._lists.codes[name] for name in plan.lists.values()]
        # cfs is a number from 1, the others are labels counted from 0
        label = self.values[column].astype(np.int64) - (column == "cfs")
        has = self.there[column].copy()
        if plan.date is None:
            day = self.between(self.birth, self.today, self.people)
        else:
            day = self.values[plan.date].astype(np.int32)
            undated = has & ~self.there[plan.date]
            self.adjust(column, _UNDATED, undated)
            for which, codes in enumerate(lists):
                who = np.flatnonzero(undated & (label == which))
                rows.add(who, NO_DAY, self.pick(codes, len(who)))
            has &= ~undated
        for which, codes in enumerate(lists):
            who = np.flatnonzero(has & (label == which))
            code = self.pick(codes, len(who))
            rows.add(who, day[who], code)
            again = self.some(np.arange(len(who)), REPEATED)
            rows.add(who[again], day[again], code[again])
            self.astray(rows, codes)
            # An earlier one of any label; on the same day, one that is listed before.
            old = self.some(has & (day > self.birth), 0.3 / len(lists))
            rows.add(old, self.between(self.birth[old], day[old] - 1, len(old)), self.pick(codes, len(old)))
            less = self.some(has & (label > which), LOSING / len(lists))
            rows.add(less, day[less], self.pick(codes, len(less)))

    def _day(self, column: str, plan: Day) -> None:
        rows, codes = self.events, self._lists.codes[plan.codes]
        has, day = self.there[column], self.values[column].astype(np.int32)
        who = np.flatnonzero(has)
        code = self.pick(codes, len(who))
        rows.add(who, day[who], code)
        again = self.some(np.arange(len(who)), REPEATED)
        rows.add(who[again], day[who[again]], code[again])
        self.astray(rows, codes)
        old = self.some(has & (day > self.birth), 0.3)
        rows.add(old, self.between(self.birth[old], day[old] - 1, len(old)), self.pick(codes, len(old)))

    def _medicine(self, column: str, plan: Medicine) -> None:
        rows, codes = self.medications, self._lists.own(plan.codes)
        on: Bools = self.values[column]
        first = self._first(plan.months)
        who = np.flatnonzero(on if plan.part is None else on & ~self.values[plan.part])
        code = self.pick(codes, len(who))
        times = np.repeat(np.arange(len(who)), plan.least + self.rng.integers(0, 5, len(who)))
        rows.add(who[times], self.between(self.since(plan.months)[who[times]], self.today, len(times)), code[times])
        self.astray(rows, codes)
        old = self.some(self.birth < first, OLD)
        times = np.repeat(np.arange(len(old)), self.rng.integers(1, 6, len(old)))
        rows.add(old[times], self.between(self.birth[old[times]], first - 1, len(times)), self.pick(codes, len(times)))

    def _use(self, column: str, plan: Use) -> None:
        rows, kind = self.activity, KINDS.index(plan.kind)
        since, first = self.since(plan.months), self._first(plan.months)
        number = self.values[column].astype(np.int64)
        has_last = np.zeros(self.people, np.bool_)
        end = np.full(self.people, self.today, np.int32)
        if plan.last is not None:
            has_last = self.there[plan.last]
            end = np.where(has_last, self.values[plan.last], self.birth - 1).astype(np.int32)
            who = np.flatnonzero(has_last)
            rows.add(who, end[who], kind)
            number = number - (has_last & (end >= first))
        # On different days, as far as there are so many: equal rows would be one.
        room = end - since + (0 if plan.last is not None else 1)
        self._on_days(rows, kind, since, room, number)
        codes = np.array([kind])
        self.astray(rows, codes)
        latest = np.minimum(end, first) - 1
        old = self.some(latest >= self.birth, 0.5)
        rows.add(old, self.between(self.birth[old], latest[old], len(old)), kind)

    def _on_days(self, rows: Rows, kind: int, since: I32, room: Any, number: I64) -> None:
        who = np.flatnonzero(number > 0)
        spread = np.repeat(who, number[who])
        rank = np.arange(len(spread)) - np.repeat(np.cumsum(number[who]) - number[who], number[who])
        # The window in as many parts as there are days to choose, one day from each.
        parts, wide = number[spread], np.maximum(room, 1)[spread].astype(np.int64)
        low, high = rank * wide // parts, (rank + 1) * wide // parts - 1
        rows.add(spread, since[spread] + self.between(low, np.maximum(high, low), len(spread)), kind)

    # -- what belongs to no column ------------------------------------------------------------------------------------

    def medicines(self, months: int, pool: I64) -> None:
        """As many medicines as the table counts: those of the other columns, the rest in no list."""
        column = "medicines_count"
        since = self.since(months)
        person = np.concatenate([piece[0] for piece in self.medications.pieces()])
        day = np.concatenate([piece[1] for piece in self.medications.pieces()])
        code = np.concatenate([piece[2] for piece in self.medications.pieces()])
        within = (day >= since[person]) & (day <= self.today)
        order = np.lexsort((code[within], person[within]))
        by, what = person[within][order], code[within][order]
        new = np.ones(len(by), np.bool_)
        new[1:] = (by[1:] != by[:-1]) | (what[1:] != what[:-1])
        have = np.bincount(by[new], minlength=self.people)
        number = self.values[column].astype(np.int64)
        self.adjust(column, "fewer than the medicines of the other columns", number < have, np.maximum(number, have))
        rest = np.maximum(number - have, 0)
        who = np.repeat(np.arange(self.people), rest)
        rank = np.arange(len(who)) - np.repeat(np.cumsum(rest) - rest, rest)
        start = self.rng.integers(0, len(pool), self.people)
        code = pool[(start[who] + rank) % len(pool)]
        times = np.repeat(np.arange(len(who)), 1 + self.rng.integers(0, 4, len(who)))
        self.medications.add(who[times], self.between(since[who[times]], self.today, len(times)), code[times])

    def fill(self, per_patient: float) -> None:
        """Events with codes in no list, until there are about so many a patient; more the older."""
        lack = per_patient * int(self.listed.sum()) - self.events.count
        if lack <= 0:
            return
        weight = 0.2 + self._age() / 40
        who = np.repeat(np.arange(self.people), self.rng.poisson(weight * (lack / weight.sum())))
        missing = len(who)
        pool = unlisted(3_000)
        rare = self.rng.random(missing) ** 2
        value = np.where(self.rng.random(missing) < 0.3, np.round(self.rng.gamma(2.0, 20.0, missing), 1), np.nan)
        self.events.add(
            who, self.between(self.birth[who], self.today, missing), pool[(rare * len(pool)).astype(np.int64)], value
        )


def _back(value: F64, conversion: Conversion, decimals: int | None) -> tuple[F64, Bools]:
    """What stands for these values in another unit, with few decimals, and where it is exactly them once converted."""
    best, exact = np.zeros_like(value), np.zeros(len(value), np.bool_)
    for places in (1, 2, 3):
        there = np.round((value - conversion.offset) / conversion.factor, places)
        back = there * conversion.factor + conversion.offset
        if conversion.decimals is not None:
            back = np.round(back, conversion.decimals)
        fits = ~exact & (back == value)
        best[fits] = there[fits]
        exact |= fits
    return best, exact
