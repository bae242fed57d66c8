"""The folds of `popstrat.deriving.folds` once more, word for word: dictionaries and sorted(), one patient at a time.

It shares nothing with the engine nor with `deriving.folding` but the definitions of the folds.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from popstrat.deriving.folds import (
    ANY_CODE,
    NO_DAY,
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
    Values,
    unit_key,
)

Codes = Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class Row:
    """One row of a table; None for null."""

    key: Any
    day: int | None
    code: int | None
    value: float | None = None
    second: float | None = None
    unit: str | None = None
    group: int | None = None


class Told:
    """What is counted beside the results: of each table, and of each fold."""

    def __init__(self) -> None:
        self.tables: dict[str, Counter[str]] = {}
        self.folds: dict[str, Counter[str]] = {}
        self.units: dict[str, Counter[str]] = {}


def fold_all(
    keys: Sequence[Any],
    births: Sequence[int],
    tables: Mapping[str, Sequence[Row]],
    folds: Sequence[Fold],
    codes: Codes,
    as_of: int,
) -> tuple[dict[str, list[dict[str, Any]]], Told]:
    """For each fold the results of every patient, in the order of the keys, with what they were counted under."""
    told = Told()
    birth = {key: None if b == NO_DAY else int(b) for key, b in zip(keys, births, strict=True)}
    results: dict[str, list[dict[str, Any]]] = {}
    for table in ("events", "medications", "activity"):
        of_table = [f for f in folds if f.table == table]
        counts = told.tables[table] = Counter()
        own: dict[Any, list[Row]] = {key: [] for key in keys}
        for row in tables.get(table, ()) if of_table else ():
            counts["rows"] += 1
            if row.key is None or row.key not in birth:
                counts["unknown_patient"] += 1
                continue
            if not any(belongs(row, fold, codes) for fold in of_table):
                counts["not_in_any_list"] += 1
                continue
            reason = why_not(row, as_of, birth[row.key])
            if reason:
                counts[reason] += 1
            own[row.key].append(row)
        for fold in of_table:
            told.folds[fold.name] = Counter(dict.fromkeys((*SET_ASIDE, "used", "repeats"), 0))
            told.units[fold.name] = Counter()
            results[fold.name] = [one(fold, own[key], codes, as_of, birth[key], told) for key in keys]
    return results, told


def belongs(row: Row, fold: Fold, codes: Codes) -> bool:
    if row.code is not None and any(row.code in codes[name] for name in fold.without):
        return False
    names: list[str] = list(fold.codes)
    if isinstance(fold, LastLabel):
        names = [name for _, lists in fold.labels for name in lists]
    if isinstance(fold, Pair):
        names = [*fold.first, *fold.second, *fold.both]
    if ANY_CODE in names:
        return True
    return row.code is not None and any(row.code in codes[name] for name in names)


def why_not(row: Row, as_of: int, birth: int | None) -> str | None:
    if row.day is None or row.day == NO_DAY:
        return "undated"
    if row.day > as_of:
        return "after_as_of"
    return "before_birth" if birth is not None and row.day < birth else None


def read(values: Values, value: float | None, unit: str | None) -> tuple[str | None, float]:
    """Why a value is not usable, or None and what it is."""
    if value is None or math.isnan(value):
        return "no_value", math.nan
    spelling = unit_key(unit) if unit is not None else ""
    conversion = values.units.get(spelling) if spelling else values.without_unit
    if conversion is None:
        return "unknown_unit", math.nan
    found = converted(conversion, value)
    return (None, found) if values.minimum <= found <= values.maximum else ("implausible", math.nan)


def converted(conversion: Conversion, value: float) -> float:
    if conversion.decimals is None:
        return value * conversion.factor + conversion.offset + 0.0
    for places in range(5):  # "<48" is the 32-bit float before 48, and counts as the step before 48
        near = np.float32(round(value, places)) if abs(value) < 1e30 else np.float32(0)
        for to, step in ((-np.inf, -1), (np.inf, 1)):
            if float(np.nextafter(near, np.float32(to))) == value != round(value, 4):
                told = converted(conversion, round(value, places))
                return told + step * (1 if conversion.factor > 0 else -1) / 10**conversion.decimals
    found = value * conversion.factor + conversion.offset
    power = 10**conversion.decimals
    scaled = found * power
    found = (float(round(scaled)) if math.isfinite(scaled) else scaled) / power
    return found + 0.0


def one(fold: Fold, rows: Sequence[Row], codes: Codes, as_of: int, birth: int | None, told: Told) -> dict[str, Any]:
    """The result of one fold for one patient, with rows in any order."""
    counts = told.folds[fold.name]
    used: list[tuple[Row, float, float]] = []
    for row in rows:
        if not belongs(row, fold, codes):
            continue
        reason = why_not(row, as_of, birth)
        if reason:
            counts[reason] += 1
            continue
        assert row.day is not None
        if row.day > fold.until or (fold.since is not None and row.day < fold.since):
            continue
        first = second = math.nan
        if isinstance(fold, LastValue | Extreme):
            reason, first = read(fold.values, row.value, row.unit)
        if isinstance(fold, Pair):
            reasons: list[str | None] = []
            part = part_of(row, fold, codes)
            if part in ("first", "both"):
                why, first = read(fold.first_values, row.value, row.unit)
                reasons.append(why)
            if part in ("second", "both"):
                why, second = read(fold.second_values, row.second if part == "both" else row.value, row.unit)
                reasons.append(why)
            reason = min((r for r in reasons if r), key=SET_ASIDE.index, default=None)
        if isinstance(fold, LastValue | Extreme | Pair) and reason != "no_value":
            told.units[fold.name][unit_key(row.unit) if row.unit is not None else ""] += 1
        if reason:
            counts[reason] += 1
            continue
        counts["used"] += 1
        used.append((row, first, second))
    if isinstance(fold, Count) and fold.of == "rows":
        counts["repeats"] += len(used) - len({alike(row) for row, _, _ in used})
    return result(fold, used, codes)


def alike(row: Row) -> tuple[Any, ...]:
    value = None if row.value is None or math.isnan(row.value) else row.value
    return row.day, row.code, value, unit_key(row.unit) if row.unit is not None else "", row.group


def part_of(row: Row, fold: Pair, codes: Codes) -> str:
    (found,) = [
        part
        for part, names in (("first", fold.first), ("second", fold.second), ("both", fold.both))
        if any(row.code in codes[name] for name in names)
    ]
    return found


def label_of(row: Row, labels: Sequence[tuple[str, tuple[str, ...]]], codes: Codes) -> int:
    found = [i for i, (_, names) in enumerate(labels) if any(row.code in codes[name] for name in names)]
    return found[0] if found else -1


def best(tie: str, values: Sequence[float]) -> float:
    return max(values) if tie == "highest" else min(values)


def result(fold: Fold, used: Sequence[tuple[Row, float, float]], codes: Codes) -> dict[str, Any]:
    days = [row.day for row, _, _ in used if row.day is not None]
    if isinstance(fold, Count):
        if fold.of == "rows":
            return {"count": len(used) if fold.repeats else len({alike(row) for row, _, _ in used})}
        if fold.of == "days":
            return {"count": len(set(days))}
        return {"count": len({row.code for row, _, _ in used} - {None})}
    if isinstance(fold, Pair):
        return pair(fold, used, codes)
    if not used:
        names = {LastValue: ("value", "day"), Extreme: ("value", "day"), LastLabel: ("label", "day")}
        empty = dict.fromkeys(names.get(type(fold), ("day",)))
        return empty | ({"earlier": None, "earlier_day": None} if getattr(fold, "gap", None) is not None else {})
    last = max(days)
    if isinstance(fold, LastDay):
        return {"day": last}
    if isinstance(fold, FirstDay):
        return {"day": min(days)}
    if isinstance(fold, LastLabel):
        return {"day": last, "label": max(label_of(row, fold.labels, codes) for row, _, _ in used if row.day == last)}
    if isinstance(fold, Extreme):
        value = best(fold.which, [v for _, v, _ in used])
        return {"value": value, "day": max(row.day for row, v, _ in used if v == value and row.day is not None)}
    assert isinstance(fold, LastValue)
    found: dict[str, Any] = {"day": last, "value": best(fold.tie, [v for row, v, _ in used if row.day == last])}
    if fold.gap is not None:
        before = [d for d in days if d <= last - fold.gap]
        found |= {"earlier_day": max(before) if before else None, "earlier": None}
        if before:
            found["earlier"] = best(fold.tie, [v for row, v, _ in used if row.day == max(before)])
    return found


def pair(fold: Pair, used: Sequence[tuple[Row, float, float]], codes: Codes) -> dict[str, Any]:
    by_day: dict[int, list[tuple[str, Row, float, float]]] = {}
    for row, first, second in used:
        assert row.day is not None
        by_day.setdefault(row.day, []).append((part_of(row, fold, codes), row, first, second))
    for day in sorted(by_day, reverse=True):
        rows = by_day[day]
        firsts = [(row, v) for part, row, v, _ in rows if part == "first"]
        seconds = [(row, v) for part, row, _, v in rows if part == "second"]
        pairs = [(v, w, -label_of(row, fold.labels, codes)) for part, row, v, w in rows if part == "both"]
        pairs += [
            (v, w, -label_of(row, fold.labels, codes))
            for row, v in firsts
            for other, w in seconds
            if row.group is not None and row.group == other.group
        ]
        if not pairs:
            pairs = [(v, w, -label_of(row, fold.labels, codes)) for row, v in firsts for _, w in seconds]
        if pairs:
            value, other_value, label = min(pairs)
            return {"value": value, "second": other_value, "day": day, "label": -label}
    return {"value": None, "second": None, "day": None, "label": -1}
