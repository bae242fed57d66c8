"""Rows for each kind of feature: those that mean what the table says, and those round them that a right derivation
passes over: out of time, of a resolved condition, older, on the wrong side of a tie, in another unit, implausible.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from popstrat.deriving.canonical import KINDS
from popstrat.deriving.features import Features
from popstrat.deriving.folds import ANY_CODE, NO_DAY, Fold, LastLabel, LastValue, Pair, Table
from popstrat.deriving.kinds.kind import Feature
from popstrat.deriving.kinds.recorded import Recorded
from popstrat.deriving.kinds.register import Register
from popstrat.synthetic import _record as rec
from popstrat.synthetic._codes import unlisted
from popstrat.synthetic._meaning import UNKNOWN_UNIT, spellings, tables
from popstrat.synthetic._pairs import Pairs
from popstrat.synthetic._record import Bools, Recorder
from popstrat.synthetic._rows import F64, I32, I64, NO_UNIT, Rows

UNDATED = "a value without its date: an undated row is not used"
_UNLISTED_MEDICINES = 400


def draw_rows(record: Recorder, features: Features) -> None:
    """All rows of a slice of people."""
    _Drawing(record, features).draw_all()


class _Drawing:
    def __init__(self, record: Recorder, features: Features) -> None:
        self.r, self.features = record, features
        self.rows: dict[Table, Rows] = {
            "events": record.events, "medications": record.medications, "activity": record.activity,
        }  # fmt: skip
        self.columns = {f.folds[0].codes: column for f in features.features if f.folds and (column := _column(f))}
        self.latest: dict[str, I32] = {}  # of registers: the day of the diagnosis that decides
        self.first: dict[str, I32] = {}  # of code lists: the first day on which there may be one
        self.spared: dict[str, Bools] = {}  # of code lists: who must have none that counts

    def draw_all(self) -> None:
        draw: Mapping[str, Callable[[Any], None]] = {
            "register": self._register, "recorded": self._recorded, "latest_value": self._latest_value,
            "latest_together": self._latest_together, "pair": self._pair, "latest_category": self._category,
            "date": self._date, "count": self._count,
        }  # fmt: skip
        self._first_days()
        self._suspected()
        for feature in self.features.features:
            if isinstance(feature, Register) and _column(feature):
                self._diagnosed(feature)
        for feature in self.features.features:
            if feature.name in draw and any(part.output for part in feature.parts):
                draw[feature.name](feature)
        self._ages_at_first()
        self._medicines()
        self.r.fill()
        for column, why in self.features.not_derived.items():
            if column in self.r.values:
                self.r.adjust(column, f"not derived: {why}", self.r.everybody)

    # -- registers ----------------------------------------------------------------------------------------------------

    def _first_days(self) -> None:
        """Where the table has the age at the first code of something, there is none before and one at that age."""
        r = self.r
        for feature in self.features.features:
            column = _column(feature)
            if feature.name == "age_at_first" and column:
                age = np.where(r.there[column], r.values[column], 0)
                low, high = r.birthday(age), np.minimum(r.birthday(age + 1) - 1, r.today)
                first = np.where(r.there[column], r.between(low, np.maximum(high, low), r.people), NO_DAY)
                self.first.update(dict.fromkeys(feature.folds[0].codes, first.astype(np.int32)))

    def _diagnosed(self, feature: Register) -> None:
        r, fold = self.r, feature.folds[0]
        low = r.since(fold.since)
        for name in fold.codes:
            if name in self.first:
                low = np.maximum(low, self.first[name])
        on = r.values[_column(feature)]
        self.latest[feature.id] = np.where(on, r.between(low, r.today, r.people), NO_DAY).astype(np.int32)

    def _register(self, feature: Register) -> None:
        r, rows, fold = self.r, self.rows["events"], feature.folds[0]
        codes, birth = r.codes(fold.codes), r.birth
        on: Bools = r.values[_column(feature)]
        latest = self.latest[feature.id]
        first = birth
        for name in fold.codes:
            if name in self.first:
                known = on & (self.first[name] != NO_DAY)
                who = np.flatnonzero(known)
                rows.add(who, self.first[name][who], r.pick(codes, len(who)))
                first = np.where(known, self.first[name], np.where(on, latest, first)).astype(np.int32)
        has = np.flatnonzero(on)
        day, code = latest[has], r.pick(codes, len(has))
        rows.add(has, day, code)
        r.again(rows, has, day, code)
        r.astray(rows, codes, ~on)
        earlier = r.some(has, rec.EARLIER)
        r.before(rows, earlier, codes, first[earlier], latest[earlier])
        free = ~on & ~self._any(self.spared, fold.codes)  # who may have codes of it, as long as they do not count
        if fold.since is not None:
            old = r.some(free & (birth < fold.since), rec.OLD)
            r.before(rows, old, codes, birth[old], fold.since - 1)
        if feature.minimum_age is not None:
            young = r.some(free & (r.age() < feature.minimum_age), rec.RESOLVED)
            r.before(rows, young, codes, birth[young], r.today)
        if len(feature.folds) > 1 and feature.folds[1].table == "events":
            self._resolved(fold.codes, feature.folds[1], on, free)

    def _resolved(self, diagnosed: tuple[str, ...], fold: Fold, on: Bools, free: Bools) -> None:
        r, rows, birth = self.r, self.rows["events"], self.r.birth
        codes, resolved = r.codes(diagnosed), r.codes(fold.codes)
        # What ends this ends others that share the list: where one of them is true, it has to be before that.
        bar = np.full(r.people, r.today + 1)
        for other in self.features.features:
            if other.id in self.latest and any(set(f.codes) & set(fold.codes) for f in other.folds[1:]):
                bar = np.where(self.latest[other.id] != NO_DAY, np.minimum(bar, self.latest[other.id]), bar)
        back = r.some(on & (bar > birth), rec.RETURNED)
        r.before(rows, back, resolved, birth[back], bar[back] - 1)
        r.astray(rows, resolved, on)
        # Where the table has the age at the first code, that is one too, and changes a cell: few of them.
        share = rec.RESOLVED / 10 if any(name in self.first for name in diagnosed) else rec.RESOLVED
        had = r.some(free & (bar > r.today), share)
        n = len(had)
        day = r.between(birth[had], r.today, n)
        rows.add(had, day, r.pick(codes, n))
        same = r.rng.random(n) < 0.3
        rows.add(had, np.where(same, day, r.between(day, r.today, n)), r.pick(resolved, n))

    def _any(self, masks: Mapping[str, Bools], names: tuple[str, ...]) -> Bools:
        found = np.zeros(self.r.people, np.bool_)
        for name in names:
            if name in masks:
                found |= masks[name]
        return found

    def _ages_at_first(self) -> None:
        """The ages that the rows now have: people of whom the table has no age have a first code too."""
        r = self.r
        for feature in self.features.features:
            column = _column(feature)
            if feature.name != "age_at_first" or not column:
                continue
            first = np.full(r.people, r.today + 1, np.int64)
            codes = r.codes(feature.folds[0].codes)
            for person, day, code in self.rows["events"].pieces():
                if code[0] in codes:
                    counts = (day >= r.birth[person]) & (day <= r.today)
                    np.minimum.at(first, person[counts], day[counts])
            some = first <= r.today
            age = r.age(np.where(some, first, r.birth))
            r.adjust(column, "the record has a first code of it, whether or not the list has its age", some, age)

    def _suspected(self) -> None:
        """Suspected of atrial fibrillation: by their pulse or a medicine, and no code of it at any time."""
        r, by_id = self.r, self.features.by_id
        suspected: Bools = r.values["af_suspected"]
        for name in (*by_id["af_code"].folds[0].codes, *by_id["venous_thromboembolism"].folds[0].codes):
            self.spared[name] = suspected
        pulse, medicine = by_id["irregular_pulse"].folds[0], by_id["af_medicine"].folds[0]
        assert medicine.since is not None
        # The medicine is one of those counted.
        others = [c for f in self.features.features if f.id != "af_medicine" and (c := _column(f))
                  and isinstance(f, Recorded) and f.folds[0].table == "medications"]  # fmt: skip
        room = r.values["medicines_count"] > sum(r.values[c].astype(np.int64) for c in others)
        known = r.values["atrial_fibrillation"] | r.values["venous_thromboembolism"]
        treated = suspected & room & (r.rng.random(r.people) < 0.5)
        felt = np.flatnonzero(suspected & (~treated | (r.rng.random(r.people) < 0.2)))
        codes, drugs = r.codes(pulse.codes), r.codes(medicine.codes)
        r.before(r.events, felt, codes, r.birth[felt], r.today)
        r.before(r.events, known_felt := r.some(known, 0.1), codes, r.birth[known_felt], r.today)
        r.astray(r.events, codes)
        since = r.since(medicine.since)
        who = np.union1d(np.flatnonzero(treated), r.some(known & room, 0.3))
        r.before(r.medications, who, drugs, since[who], r.today)
        r.astray(r.medications, drugs)
        old = r.some(r.birth < medicine.since, rec.OLD)
        r.before(r.medications, old, drugs, r.birth[old], medicine.since - 1)

    # -- values -------------------------------------------------------------------------------------------------------

    def _latest_value(self, feature: Feature) -> None:
        (fold,), (raw,) = feature.folds, tables(feature)
        assert isinstance(fold, LastValue)
        value, date, *earlier = (part.output for part in feature.parts)
        self._value(fold, raw, value, date, tuple(earlier), (value,))

    def _latest_together(self, feature: Feature) -> None:
        *values, date = (part.output for part in feature.parts)
        for fold, raw, value in zip(feature.folds, tables(feature), values, strict=True):
            assert isinstance(fold, LastValue)
            self._value(fold, raw, value, date, (), tuple(values))

    def _value(
        self, fold: LastValue, raw: Mapping[str, Any], column: str | None, date: str | None,
        earlier: tuple[str | None, ...], together: tuple[str | None, ...],
    ) -> None:  # fmt: skip
        assert column is not None
        r, rows, codes, spelt = self.r, self.rows["events"], self.r.codes(fold.codes), spellings(raw)
        has, value = r.there[column].copy(), r.number(column)
        since = r.since(fold.since)
        if date is None:
            day = r.between(since, r.today, r.people)
        else:
            day = r.values[date].astype(np.int32)
            undated = has & ~r.there[date]
            r.adjust(column, UNDATED, undated)
            has &= ~undated
            who = np.flatnonzero(undated)
            rows.add(who, NO_DAY, r.pick(codes, len(who)), *r.written(column, value[who], fold.values, spelt))
        who = np.flatnonzero(has)
        self._usable(fold, column, spelt, codes, who, day[who], value[who])
        may = has  # have older ones, before `until`
        until = day
        if len(together) > 1:  # also those who have another value of that day
            may = np.any([r.there[c] & r.there[date or c] for c in together if c], axis=0)
        if fold.gap is not None:
            before, before_date = earlier
            assert before is not None
            assert before_date is not None
            self._earlier(fold, spelt, codes, column, has, day, before, before_date)
            may = r.there[before]
            until = np.where(may, r.values[before_date], day).astype(np.int32)
        if not r.plain:
            who = np.flatnonzero(may & (until > r.birth))
            who = np.repeat(who, r.often(len(who)))
            past = r.between(np.maximum(r.birth[who], until[who] - 3650), until[who] - 1, len(who))
            old = r.usual(column, len(who))
            rows.add(who, past, r.pick(codes, len(who)), *r.written(column, old, fold.values, spelt))
        r.astray(rows, codes, None, column)
        self._odd(fold, column, spelt, codes, np.where(may if len(together) > 1 else has, day, r.birth))

    def _usable(
        self, fold: LastValue, column: str, spelt: tuple[str, ...], codes: I64, who: I64, day: I32, value: F64
    ) -> None:
        """Rows that are the value of their day; some twice, some with a rival of that day."""
        r, rows, read = self.r, self.rows["events"], fold.values
        code = r.pick(codes, len(who))
        number, unit = r.written(column, value, read, spelt)
        rows.add(who, day, code, number, unit)
        r.again(rows, who, day, code, number, unit)
        losing = r.some(np.arange(len(who)), rec.LOSING)
        share = r.rng.random(len(losing)) * 0.3
        if fold.tie == "lowest":
            worse = np.ceil(value[losing] + share * (read.maximum - value[losing]))
        else:
            worse = np.floor((value[losing] - share * (value[losing] - read.minimum)) * 10) / 10
        worse = np.clip(worse, read.minimum, read.maximum)
        if r.values[column].dtype != np.float32:
            worse = np.floor(worse)
        rows.add(who[losing], day[losing], r.pick(codes, len(losing)), worse, self._own(spelt))

    def _own(self, spelt: tuple[str, ...]) -> Any:
        return self.r.units[spelt[0]] if spelt else NO_UNIT

    def _odd(self, fold: LastValue, column: str, spelt: tuple[str, ...], codes: I64, low: I32) -> None:
        """On the day of the latest or later, or where there is none: what is no value."""
        r = self.r
        who = r.some(r.everybody, rec.ODD)
        n = len(who)
        way = r.rng.integers(0, 4, n)
        value = np.where(way == 0, fold.values.maximum * 10 + 9, r.usual(column, n))
        value = np.where(way == 1, -fold.values.maximum - 1, np.where(way == 2, np.nan, value))
        unit = np.where(way == 3, r.units[UNKNOWN_UNIT], self._own(spelt))
        self.rows["events"].add(who, r.between(low[who], r.today, n), r.pick(codes, n), value, unit)

    def _earlier(
        self, fold: LastValue, spelt: tuple[str, ...], codes: I64, column: str, has: Bools, day: I32, earlier: str,
        date: str,
    ) -> None:  # fmt: skip
        r, rows, gap = self.r, self.rows["events"], fold.gap or 0
        value, when = r.number(earlier), r.values[date].astype(np.int32)
        there, dated = r.there[earlier].copy(), r.there[date].copy()
        r.adjust(earlier, UNDATED, there & ~dated)
        lone = there & dated & ~has
        near = there & dated & has & (day - when < gap)
        for name in (earlier, date):
            r.adjust(name, f"less than {gap} days before the latest: no earlier value", near)
            r.adjust(name, "the latest has no date: nothing is earlier than it", lone)
        for who, at in ((there & ~dated, np.full(r.people, NO_DAY)), (near & (when < day), when)):
            one = np.flatnonzero(who)
            rows.add(one, at[one], r.pick(codes, len(one)), *r.written(earlier, value[one], fold.values, spelt))
        who = np.flatnonzero(there & dated & has & ~near)
        self._usable(fold, earlier, spelt, codes, who, when[who], value[who])
        since = r.some(has & (day - gap + 1 >= r.birth), rec.LOSING)
        n = len(since)
        rows.add(
            since,
            r.between(day[since] - gap + 1, day[since] - 1, n),
            r.pick(codes, n),
            r.usual(column, n),
            self._own(spelt),
        )

    def _pair(self, feature: Feature) -> None:
        r, fold, raw = self.r, feature.folds[0], feature.told.raw
        assert isinstance(fold, Pair)
        first, second, date, label = (part.output for part in feature.parts)
        assert first is not None
        assert second is not None
        assert date is not None
        assert label is not None
        pairs = Pairs(r, fold, spellings(raw))
        has, day = r.there[first].copy(), r.values[date].astype(np.int32)
        upper, lower = r.number(first), r.number(second)
        undated = has & ~r.there[date]
        for column in (first, second, label):
            r.adjust(column, UNDATED, undated)
        who = np.flatnonzero(undated)
        pairs.add(who, np.full(len(who), NO_DAY), upper[who], lower[who])
        has &= ~undated
        who = np.flatnonzero(has)
        n = len(who)
        setting = np.where(r.there[label], r.values[label], -1)[who]
        code = r.pick(pairs.upper, n)
        for text, names in fold.labels:
            code = np.where(setting == r.labels[label].index(text), r.pick(r.codes(names), n), code)
        one, other, when = upper[who], lower[who], day[who]
        # With a group, as two rows of none, or as one row of two values, which has no setting.
        way = np.zeros(n) if r.plain else r.rng.random(n)
        in_one = (way > 0.9) & (setting < 0) & bool(fold.both)
        apart = (way > 0.6) & (way <= 0.9)
        grouped, loose, single = np.flatnonzero(~in_one & ~apart), np.flatnonzero(apart), np.flatnonzero(in_one)
        pairs.add(who[grouped], when[grouped], one[grouped], other[grouped], code[grouped])
        pairs.add(who[loose], when[loose], one[loose], other[loose], code[loose], grouped=False)
        pairs.single(who[single], when[single], one[single], other[single])
        # On the day: a pair that is higher (of two loose ones each value stands for itself); where there are groups, a
        # lower value of no group.
        for among, together in ((grouped, True), (loose, False)):
            more = r.some(among, rec.LOSING)
            higher = one[more] + r.rng.integers(1, 20, len(more))
            pairs.add(who[more], when[more], higher, other[more] + 3, grouped=together)
        lone = r.some(grouped, rec.LOSING)
        pairs.lone(who[lone], when[lone], one[lone] - 1)
        # Later: one of the two alone; a pair that cannot be.
        late = r.some(np.flatnonzero(when < r.today), rec.ODD)
        pairs.lone(who[late], r.between(when[late] + 1, r.today, len(late)), r.usual(first, len(late)))
        odd = r.some(r.everybody, rec.ODD)
        low = np.where(has, day, r.birth)[odd]
        n = len(odd)
        far = 3 * np.array([fold.first_values.maximum, fold.second_values.maximum])
        pairs.add(odd, r.between(low, r.today, n), np.full(n, far[0]), np.full(n, far[1]))
        if not r.plain:
            old = np.repeat(np.arange(len(who)), r.often(len(who)))
            old = old[when[old] > r.birth[who[old]]]
            past = r.between(np.maximum(r.birth[who[old]], when[old] - 3650), when[old] - 1, len(old))
            n = len(old)
            pairs.add(who[old], past, r.usual(first, n), r.usual(second, n), r.pick(r.codes(fold.first), n))
        r.astray(self.rows["events"], r.codes(fold.first), None, first)
        r.astray(self.rows["events"], r.codes(fold.second), None, second)

    # -- labels, days -------------------------------------------------------------------------------------------------

    def _category(self, feature: Feature) -> None:
        r, rows, fold = self.r, self.rows["events"], feature.folds[0]
        assert isinstance(fold, LastLabel)
        column, date = (part.output for part in feature.parts)
        assert column is not None
        has, held = r.there[column].copy(), r.values[column].astype(np.int64)
        names = r.labels.get(column)
        place = np.full(r.people, -1)  # of the label among the fold's
        for i, (text, _) in enumerate(fold.labels):
            place[held == (int(text) if names is None else names.index(text))] = i
        day = r.between(r.since(fold.since), r.today, r.people) if date is None else r.values[date].astype(np.int32)
        undated = np.zeros(r.people, np.bool_) if date is None else has & ~r.there[date]
        r.adjust(column, UNDATED, undated)
        has &= ~undated
        share = 1 / len(fold.labels)
        for i, (_, lists) in enumerate(fold.labels):
            codes = r.codes(lists)
            who = np.flatnonzero(undated & (place == i))
            rows.add(who, NO_DAY, r.pick(codes, len(who)))
            who = np.flatnonzero(has & (place == i))
            code = r.pick(codes, len(who))
            rows.add(who, day[who], code)
            r.again(rows, who, day[who], code)
            r.astray(rows, codes)
            old = r.some(has & (day > r.birth), rec.EARLIER * share)  # of whatever label
            r.before(rows, old, codes, r.birth[old], day[old] - 1)
            less = r.some(has & (place > i), rec.LOSING * share)  # on the day, and listed before
            rows.add(less, day[less], r.pick(codes, len(less)))

    def _date(self, feature: Feature) -> None:
        r, fold, column = self.r, feature.folds[0], _column(feature)
        if fold.table == "activity":
            return  # with what is counted of it
        rows, codes = self.rows[fold.table], r.codes(fold.codes)
        has, day = r.there[column], r.values[column].astype(np.int32)
        who = np.flatnonzero(has)
        code = r.pick(codes, len(who))
        rows.add(who, day[who], code)
        r.again(rows, who, day[who], code)
        r.astray(rows, codes)
        old = r.some(has & (day > r.birth), rec.EARLIER)
        r.before(rows, old, codes, r.birth[old], day[old] - 1)

    # -- how often ----------------------------------------------------------------------------------------------------

    def _recorded(self, feature: Recorded) -> None:
        r, fold = self.r, feature.folds[0]
        rows, codes = self.rows[fold.table], r.codes(fold.codes, own=True)
        on: Bools = r.values[_column(feature)]
        who = np.flatnonzero(on & ~r.covered(fold.codes, self.columns))
        code = r.pick(codes, len(who))
        often = feature.at_least + r.rng.integers(0, 5, len(who)) * (fold.table == "medications")
        since = r.since(fold.since)
        times = np.repeat(np.arange(len(who)), often)
        rows.add(who[times], self._different_days(since[who], r.today, often), code[times])
        r.astray(rows, codes)
        if fold.since is not None:
            old = r.some(r.birth < fold.since, rec.OLD)
            times = np.repeat(old, r.rng.integers(1, 6, len(old)))
            r.before(rows, times, codes, r.birth[times], fold.since - 1)

    def _different_days(self, low: Any, high: Any, often: I64) -> I32:
        """So many days for each, as far apart as there are days: the span in as many parts, a day of each."""
        low, high = (np.broadcast_to(np.asarray(x, np.int64), len(often)) for x in (low, high))
        of = np.repeat(np.arange(len(often)), often)
        rank = np.arange(len(of)) - np.repeat(np.cumsum(often) - often, often)
        wide, parts = np.maximum(high - low + 1, 1)[of], often[of]
        start, end = rank * wide // parts, (rank + 1) * wide // parts - 1
        day: I32 = (low[of] + self.r.between(start, np.maximum(start, end), len(of))).astype(np.int32)
        return day

    def _count(self, feature: Feature) -> None:
        """Of activity, on different days: the same kind twice on a day is one."""
        r, fold, column = self.r, feature.folds[0], _column(feature)
        if fold.codes == (ANY_CODE,):
            return  # medicines: when all others are there
        assert fold.table == "activity"
        assert fold.since is not None
        rows, kind = self.rows["activity"], KINDS.index(fold.codes[0])
        since, number = r.since(fold.since), r.values[column].astype(np.int64)
        last = next((_column(f) for f in self.features.features if f.name == "date" and f.folds[0].table == "activity"
                     and f.folds[0].codes == fold.codes), "")  # fmt: skip
        end, own = np.full(r.people, r.today, np.int32), np.zeros(r.people, np.int64)
        if last:  # that day, and the others before it
            has = r.there[last]
            day = np.where(has, r.values[last], r.birth - 1).astype(np.int32)
            who = np.flatnonzero(has)
            rows.add(who, day[who], kind)
            own = (has & (day >= fold.since)).astype(np.int64)
            end = day - 1
        most = np.maximum(end - since + 1, 0) + own
        r.adjust(column, "more than there are days: one a day is counted", number > most, most)
        often = np.maximum(np.minimum(number, most) - own, 0)
        rows.add(np.repeat(np.arange(r.people), often), self._different_days(since, end, often), kind)
        r.astray(rows, np.array([kind]))
        latest = np.minimum(end, fold.since - 1)
        old = r.some(latest >= r.birth, rec.OLD * 10)
        rows.add(old, r.between(r.birth[old], latest[old], len(old)), kind)

    def _medicines(self) -> None:
        """As many medicines as the table counts: those of the other columns, the rest in no list."""
        feature = next(f for f in self.features.features if f.folds and f.folds[0].codes == (ANY_CODE,))
        r, fold, column = self.r, feature.folds[0], _column(feature)
        assert fold.since is not None
        rows, since = self.rows[fold.table], r.since(fold.since)
        person, day, code = (np.concatenate(parts) for parts in zip(*rows.pieces(), strict=True))
        within = (day >= since[person]) & (day <= r.today)
        order = np.lexsort((code[within], person[within]))
        by, what = person[within][order], code[within][order]
        new = np.ones(len(by), np.bool_)
        new[1:] = (by[1:] != by[:-1]) | (what[1:] != what[:-1])
        have = np.bincount(by[new], minlength=r.people)
        number = r.values[column].astype(np.int64)
        r.adjust(column, "fewer than the medicines of the other columns", number < have, have)
        rest = np.maximum(number - have, 0)
        who = np.repeat(np.arange(r.people), rest)
        rank = np.arange(len(who)) - np.repeat(np.cumsum(rest) - rest, rest)
        pool = unlisted(3_000 + _UNLISTED_MEDICINES)[3_000:]
        code = pool[(r.rng.integers(0, len(pool), r.people)[who] + rank) % len(pool)]
        times = np.repeat(np.arange(len(who)), 1 + r.rng.integers(0, 4, len(who)))
        r.medications.add(who[times], r.between(since[who[times]], r.today, len(times)), code[times])


def _column(feature: Feature) -> str:
    """The column of a feature that gives one thing; "" if it is not written."""
    return feature.parts[0].output or ""
