"""One patient derived in plain Python, with the rows behind each result: what `explain` shows down to the event.

It is written to be read. With the fast way it shares what a fold means (`deriving.folds`), the specification and the
typed expressions, and nothing else: the folds here are loops over one patient's rows, what the kinds make of them is
`plain`, and the definitions are worked out by `packs.evaluator`. The property tests compare the two, cell by cell.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from popstrat.core.arrow import numpy_type
from popstrat.core.dates import from_days
from popstrat.deriving.codelists import CodeLists
from popstrat.deriving.features import Features
from popstrat.deriving.folds import (
    ANY_CODE,
    SET_ASIDE,
    Conversion,
    Count,
    Extreme,
    FirstDay,
    Fold,
    LastDay,
    LastLabel,
    LastValue,
    Pair,
    Table,
    Tie,
    Values,
    unit_key,
    written,
)
from popstrat.deriving.kinds.kind import Line, One, Person
from popstrat.lang.nodes import Value
from popstrat.packs.evaluator import Reference
from popstrat.packs.patient_table import Column, fold_label, patient_schema

OLD = "before_the_window"
NOT_DECIDING = "others_decide"
"""Why rows that belong to a fold had no part in its result, besides `folds.SET_ASIDE`."""


@dataclass(frozen=True)
class Row:
    """One row of a patient's record, as a layout gives it (`canonical.ROWS`); ``number`` is the caller's, to know it
    by."""

    table: Table
    date: dt.date | None
    code: int | None
    value: float | None = None
    second_value: float | None = None
    unit: str | None = None
    group_id: int | None = None
    number: int = 0


@dataclass(frozen=True)
class Aside:
    """A row that had no part in the result of a fold, and why: one of `folds.SET_ASIDE`, `OLD` or `NOT_DECIDING`."""

    row: Row
    reason: str
    fold: str = ""


@dataclass(frozen=True)
class Why:
    """How a feature came to its result: in words, the rows that it is of, and those set aside."""

    lines: tuple[Line, ...]
    used: tuple[Row, ...]
    aside: tuple[Aside, ...]


@dataclass(frozen=True)
class Derived:
    """One patient's row of the patient table. ``values``: its columns; ``words``: what every feature gives, written or
    not; ``features``: how each came to it."""

    values: Mapping[str, Value]
    words: Mapping[str, Value]
    features: Mapping[str, Why]


@dataclass
class Found:
    """The result of one fold for one patient, the rows that it is of, and the others that belong to it."""

    one: One
    used: list[Row] = field(default_factory=list)
    aside: list[Aside] = field(default_factory=list)


def derive_one(
    features: Features,
    person: Mapping[str, Any],
    rows: Sequence[Row],
    codelists: CodeLists | Mapping[str, Iterable[int]],
) -> Derived:
    """The patient table's row of one person.

    ``person``: the row of the people table; ``rows``: all of the person's, in any order; ``codelists``: what
    `CodeLists.read` gives, or codes by list (and by kind of activity).
    """
    given = codelists.codes_for(features) if isinstance(codelists, CodeLists) else codelists
    codes = {name: frozenset(int(code) for code in some) for name, some in given.items()}
    who = Person(person, features.as_of)
    words: dict[str, Value] = {}
    why: dict[str, Why] = {}
    for f in features.features:
        if f.id in features.lacking or getattr(f, "column", None) not in (None, *person):
            continue
        found = {fold.name: fold_one(fold, rows, codes, who.birth) for fold in f.folds}
        ones = {name: one.one for name, one in found.items()}
        words |= {part.word: value for part, value in zip(f.parts, f.plain(ones, who), strict=True)}
        why[f.id] = Why(
            tuple(f.trace(ones, who)),
            tuple(row for one in found.values() for row in one.used),
            tuple(aside for one in found.values() for aside in one.aside),
        )
    second = _second(features, person, words)
    values: dict[str, Value] = {}
    for name in features.outputs:
        if features.is_null(name):
            values[name] = None
        elif name in second or name in words:
            values[name] = _held(name, second[name] if name in second else words[name])
    return Derived(values, words, why)


def _second(features: Features, person: Mapping[str, Any], words: Mapping[str, Value]) -> dict[str, Value]:
    """What the definitions give, by column."""
    row = {**words, "date_of_birth": person.get("date_of_birth"), "sex": person.get("sex")}
    reference = Reference(features.resolved, row.keys())
    patient = reference.patient(row)
    return {str(d.output): reference.output(d, patient) for d in features.resolved.outputs}


def _held(name: str, value: Value) -> Value:
    """A value as the table's column holds it."""
    column: Column | None = patient_schema().columns.get(name)
    if column is None or value is None:
        return value
    if column.type == "category":
        code = column.label_codes().get(fold_label(str(value).strip(" ")))
        return None if code is None else column.labels[code]
    if pa.types.is_integer(column.dtype) and isinstance(value, int | float):
        held = np.iinfo(numpy_type(column.dtype))
        return int(min(max(value, int(held.min)), int(held.max)))
    return column.held(value) if column.single and isinstance(value, int | float) else value


# -- folds ------------------------------------------------------------------------------------------------------------


def fold_one(fold: Fold, rows: Sequence[Row], codes: Mapping[str, frozenset[int]], birth: dt.date | None) -> Found:
    """One fold over one patient's rows, plainly. ``codes``: list, or kind of activity → its codes."""
    wanted, unwanted = _union(fold.codes, codes), _union(fold.without, codes)
    since, until = None if fold.since is None else from_days(fold.since), from_days(fold.until)
    counting: list[Row] = []
    aside: list[Aside] = []
    for row in rows:
        if row.table != fold.table or row.code in unwanted:
            continue
        if fold.codes != (ANY_CODE,) and row.code not in wanted:
            continue
        reason = _out_of_time(row, since, until, birth)
        if reason:
            aside.append(Aside(row, reason))
        else:
            counting.append(row)
    found = _FOLDS[type(fold)](fold, counting, codes)
    taken = {id(row) for row in [*found.used, *(a.row for a in found.aside)]}
    rest = (Aside(row, NOT_DECIDING) for row in counting if id(row) not in taken)
    found.aside = [replace(one, fold=fold.name) for one in (*aside, *found.aside, *rest)]
    return found


def _union(names: Iterable[str], codes: Mapping[str, frozenset[int]]) -> frozenset[int]:
    return frozenset().union(*(codes.get(name, frozenset()) for name in names if name != ANY_CODE))


def _out_of_time(row: Row, since: dt.date | None, until: dt.date, birth: dt.date | None) -> str:
    if row.date is None:
        return "undated"
    if row.date > until:
        return "after_as_of"
    if birth is not None and row.date < birth:
        return "before_birth"
    return OLD if since is not None and row.date < since else ""


def _day(row: Row) -> dt.date:
    assert row.date is not None  # it counts
    return row.date


def _last_day(fold: LastDay, rows: list[Row], codes: Mapping[str, frozenset[int]]) -> Found:
    return _on_day(rows, max)


def _first_day(fold: FirstDay, rows: list[Row], codes: Mapping[str, frozenset[int]]) -> Found:
    return _on_day(rows, min)


def _on_day(rows: list[Row], which: Callable[[Iterable[dt.date]], dt.date]) -> Found:
    if not rows:
        return Found(One())
    day = which([_day(row) for row in rows])
    return Found(One(day=day), [row for row in rows if row.date == day])


def _count(fold: Count, rows: list[Row], codes: Mapping[str, frozenset[int]]) -> Found:
    if fold.of == "days":
        return Found(One(count=len({row.date for row in rows})), rows)
    if fold.of == "codes":
        return Found(One(count=len({row.code for row in rows} - {None})), rows)
    if fold.repeats:
        return Found(One(count=len(rows)), rows)
    different = {(row.date, row.code, *_as_read(row), row.group_id): row for row in rows}
    return Found(One(count=len(different)), list(different.values()))


def _as_read(row: Row) -> tuple[float | None, str]:
    """A row's value and unit as they are compared with another's: NaN is no value, and units are as they are spelt
    by `unit_key`."""
    value = None if row.value is None or math.isnan(row.value) else row.value
    return value, "" if row.unit is None else unit_key(row.unit)


def _usable(row: Row, value: float | None, values: Values) -> tuple[float | None, str]:
    """A value in the fold's unit, or why it cannot be used."""
    if value is None or math.isnan(value):
        return None, "no_value"
    key = unit_key(row.unit) if row.unit is not None else ""
    conversion = values.units.get(key) if key else values.without_unit
    if conversion is None:
        return None, "unknown_unit"
    converted = _converted(value, conversion)
    return (converted, "") if values.minimum <= converted <= values.maximum else (None, "implausible")


def _converted(value: float, conversion: Conversion) -> float:
    if conversion.decimals is None:
        return value * conversion.factor + conversion.offset
    plain, side = written(value)
    found, scale = plain * conversion.factor + conversion.offset, 10.0**conversion.decimals
    if math.isfinite(found * scale):
        found = float(round(found * scale)) / scale
    return found + math.copysign(side, side * conversion.factor) / scale if side else found


def _with_values(rows: list[Row], values: Values) -> tuple[list[tuple[Row, float]], list[Aside]]:
    usable, aside = [], []
    for row in rows:
        value, reason = _usable(row, row.value, values)
        if value is None:
            aside.append(Aside(row, reason))
        else:
            usable.append((row, value))
    return usable, aside


def _best(tie: Tie) -> Callable[[Iterable[float]], float]:
    return max if tie == "highest" else min


def _last_value(fold: LastValue, rows: list[Row], codes: Mapping[str, frozenset[int]]) -> Found:
    usable, aside = _with_values(rows, fold.values)
    day, value, used = _latest(usable, fold.tie)
    if day is None or fold.gap is None:
        return Found(One(day=day, value=value), used, aside)
    before = [(row, v) for row, v in usable if (day - _day(row)).days >= fold.gap]
    earlier_day, earlier, others = _latest(before, fold.tie)
    return Found(One(day=day, value=value, earlier=earlier, earlier_day=earlier_day), [*used, *others], aside)


def _latest(usable: list[tuple[Row, float]], tie: Tie) -> tuple[dt.date | None, float | None, list[Row]]:
    """The latest day with a value, that day's highest or lowest, and the rows that have it."""
    if not usable:
        return None, None, []
    day = max(_day(row) for row, _ in usable)
    value = _best(tie)([v for row, v in usable if row.date == day])
    return day, value, [row for row, v in usable if row.date == day and v == value]


def _extreme(fold: Extreme, rows: list[Row], codes: Mapping[str, frozenset[int]]) -> Found:
    usable, aside = _with_values(rows, fold.values)
    if not usable:
        return Found(One(), [], aside)
    value = _best(fold.which)([v for _, v in usable])
    day = max(_day(row) for row, v in usable if v == value)
    return Found(One(day=day, value=value), [row for row, v in usable if v == value and row.date == day], aside)


Labels = Sequence[tuple[str, tuple[str, ...]]]


def _label(row: Row, labels: Labels, codes: Mapping[str, frozenset[int]]) -> int:
    """The place of a code's label; -1 where no label has it."""
    places = (place for place, (_, names) in enumerate(labels) if row.code in _union(names, codes))
    return next(places, -1)


def _last_label(fold: LastLabel, rows: list[Row], codes: Mapping[str, frozenset[int]]) -> Found:
    if not rows:
        return Found(One())
    day = max(_day(row) for row in rows)
    of_the_day = [(_label(row, fold.labels, codes), row) for row in rows if row.date == day]
    place = max(place for place, _ in of_the_day)
    return Found(One(day=day, label=fold.labels[place][0]), [row for at, row in of_the_day if at == place])


@dataclass(frozen=True)
class _PairFound:
    first: float
    second: float
    label: int
    rows: tuple[Row, ...]


def _pair(fold: Pair, rows: list[Row], codes: Mapping[str, frozenset[int]]) -> Found:
    firsts: list[tuple[Row, float]] = []
    seconds: list[tuple[Row, float]] = []
    whole: list[_PairFound] = []
    aside: list[Aside] = []
    in_first, in_second = _union(fold.first, codes), _union(fold.second, codes)
    for row in rows:
        label = _label(row, fold.labels, codes)
        value, reason = _usable(row, row.value, fold.second_values if row.code in in_second else fold.first_values)
        if row.code in in_first or row.code in in_second:
            if value is None:
                aside.append(Aside(row, reason))
            else:
                (firsts if row.code in in_first else seconds).append((row, value))
            continue
        second, other = _usable(row, row.second_value, fold.second_values)
        if value is None or second is None:
            aside.append(Aside(row, min(filter(None, (reason, other)), key=SET_ASIDE.index)))
        else:
            whole.append(_PairFound(value, second, label, (row,)))
    days = {_day(row) for row, _ in firsts} & {_day(row) for row, _ in seconds}
    days |= {_day(pair.rows[0]) for pair in whole}
    if not days:
        return Found(One(), [], aside)
    day = max(days)
    firsts, seconds = [f for f in firsts if f[0].date == day], [s for s in seconds if s[0].date == day]
    pairs = [pair for pair in whole if pair.rows[0].date == day]
    pairs += [
        _PairFound(f, s, _label(one, fold.labels, codes), (one, other))
        for one, f in firsts
        for other, s in seconds
        if one.group_id is not None and one.group_id == other.group_id
    ]
    if not pairs:
        low, low_second = min(f for _, f in firsts), min(s for _, s in seconds)
        lowest, with_it = [row for row, f in firsts if f == low], [row for row, s in seconds if s == low_second]
        pairs = [_PairFound(low, low_second, _label(row, fold.labels, codes), (row, *with_it)) for row in lowest]
    best = min(pairs, key=lambda pair: (pair.first, pair.second, -pair.label))
    name = fold.labels[best.label][0] if best.label >= 0 else None
    return Found(One(day=day, value=best.first, second=best.second, label=name), list(best.rows), aside)


_FOLDS: Mapping[type[Fold], Callable[[Any, list[Row], Mapping[str, frozenset[int]]], Found]] = {
    LastDay: _last_day, FirstDay: _first_day, Count: _count, LastValue: _last_value, Extreme: _extreme,
    LastLabel: _last_label, Pair: _pair,
}  # fmt: skip
