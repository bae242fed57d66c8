"""The folds of one table as the engine takes them: codes to slots, slots to folds, units to conversions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from popstrat.deriving.folds import (
    ANY_CODE,
    NO_DAY,
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
)
from popstrat.engine.events import (
    FOLD,
    HAS_CODES,
    HAS_GROUPS,
    HAS_SECONDS,
    HAS_VALUES,
    KINDS,
    UNITS_MOST,
    VALUES,
    Rules,
)

Codes = NDArray[np.int64]
CodeLists = Mapping[str, Codes]
Labels = Sequence[tuple[str, tuple[str, ...]]]
_FIRST, _SECOND, _BOTH = 1, 2, 3  # parts of a pair, as the engine numbers them
_MOST_LABELS = 2**15 - 1
_MOST_DECIMALS = 22  # powers of ten that a double holds exactly


@dataclass(frozen=True)
class TableRules:
    """The compiled folds of one table. ``units`` are the spellings that some fold knows, with their numbers from 1 on;
    entry ``i`` says that the rows of slot ``entry_slot[i]`` belong to fold ``entry_fold[i]``."""

    folds: tuple[Fold, ...]
    rules: Rules
    units: Mapping[str, int]
    entry_slot: NDArray[np.int64]
    entry_fold: NDArray[np.int64]


def compile_rules(folds: Sequence[Fold], lists: CodeLists, as_of: int) -> TableRules:
    """Raises ValueError for what cannot be folded: a list that there is not, a code under two labels or in two parts
    of a pair, a gap below 0, bounds that are no numbers."""
    wanted = [_codes_of(fold, lists) for fold in folds]
    takes_any = any(codes is None for codes, _ in wanted)
    but = [_joined(fold.without, lists, fold.name) for fold in folds]
    listed = [codes for codes, _ in wanted if codes is not None]
    excluded = [without for (codes, _), without in zip(wanted, but, strict=True) if codes is None]
    all_codes = np.unique(np.concatenate([np.zeros(0, np.int64), *listed, *excluded]))
    slots = len(all_codes) + 2 * takes_any
    entries: list[NDArray[np.int64]] = [np.zeros((0, 3), np.int64)]
    for number, ((codes, more), without) in enumerate(zip(wanted, but, strict=True)):
        if codes is None:
            places = np.setdiff1d(np.arange(slots), np.searchsorted(all_codes, without))
            more = np.zeros(len(places), np.int64)
        else:
            kept = ~np.isin(codes, without)
            places, more = np.searchsorted(all_codes, codes[kept]), more[kept]
        entries.append(np.stack([places, np.full(len(places), number), more], axis=1))
    table = np.concatenate(entries)
    table = table[np.argsort(table[:, 0], kind="stable")]
    start = np.concatenate([[0], np.cumsum(np.bincount(table[:, 0], minlength=slots))])
    read = [values for fold in folds for values in _values_of(fold)]
    units = {spelling: i for i, spelling in enumerate(sorted({u for v in read for u in v.units}), start=1)}
    if "" in units or len(units) >= UNITS_MOST // 2:
        raise ValueError("units without a spelling, or too many of them")
    rules = Rules(
        all_codes,
        start.astype(np.int32),
        table[:, 1:].astype(np.int32),
        np.array(_packed(folds, as_of), FOLD),
        np.array([_bounds(values) for values in read], np.float64).reshape(-1, 2),
        _conversions(read, units),
        _fields(folds) | (HAS_CODES if takes_any else 0),
    )
    return TableRules(tuple(folds), rules, units, table[:, 0], table[:, 1])


def _joined(names: Sequence[str], lists: CodeLists, fold: str) -> Codes:
    """Each code of these lists once, ascending."""
    if missing := [name for name in names if name not in lists]:
        raise ValueError(f"fold {fold!r}: there is no code list {missing[0]!r}")
    return np.unique(np.concatenate([np.zeros(0, np.int64), *(np.asarray(lists[n], np.int64) for n in names)]))


def _codes_of(fold: Fold, lists: CodeLists) -> tuple[Codes | None, NDArray[np.int64]]:
    """The codes of a fold, each once, with what the engine is told of each; None for all codes that there are."""
    if isinstance(fold, LastLabel):
        return _labelled(fold.labels, lists, fold.name)
    if isinstance(fold, Pair):
        parts = [_joined(names, lists, fold.name) for names in (fold.first, fold.second, fold.both)]
        codes = np.concatenate(parts)
        part = np.repeat([_FIRST, _SECOND, _BOTH], [len(p) for p in parts])
        if len(np.unique(codes)) != len(codes):
            raise ValueError(f"fold {fold.name!r}: a code is in two parts of the pair")
        own = dict(zip(*(a.tolist() for a in _labelled(fold.labels, lists, fold.name)), strict=True))
        label = np.array([own.get(code, -1) for code in codes.tolist()], np.int64)
        return codes, part + 4 * (label + 1)
    if ANY_CODE in fold.codes:
        return None, np.zeros(0, np.int64)
    codes = _joined(fold.codes, lists, fold.name)
    return codes, np.zeros(len(codes), np.int64)


def _labelled(labels: Labels, lists: CodeLists, fold: str) -> tuple[Codes, NDArray[np.int64]]:
    """The codes of all labels, and the label of each."""
    each = [_joined(names, lists, fold) for _, names in labels]
    codes = np.concatenate([np.zeros(0, np.int64), *each])
    if len(np.unique(codes)) != len(codes):
        raise ValueError(f"fold {fold!r}: a code is under two labels")
    if len(labels) > _MOST_LABELS:
        raise ValueError(f"fold {fold!r}: more than {_MOST_LABELS:,} labels")
    return codes, np.repeat(np.arange(len(each)), [len(e) for e in each])


def _values_of(fold: Fold) -> tuple[Values, ...]:
    if isinstance(fold, LastValue | Extreme):
        return (fold.values,)
    return (fold.first_values, fold.second_values) if isinstance(fold, Pair) else ()


def _packed(folds: Sequence[Fold], as_of: int) -> list[tuple[int, ...]]:
    rows: list[tuple[int, ...]] = []
    place = 0
    for fold in folds:
        many = len(_values_of(fold))
        values, second = (place if many else -1), (place + 1 if many == 2 else -1)
        place += many
        gap = fold.gap if isinstance(fold, LastValue) and fold.gap is not None else 0
        if gap < 0:
            raise ValueError(f"fold {fold.name!r}: the gap is below 0")
        lowest = (isinstance(fold, LastValue) and fold.tie == "lowest") or (
            isinstance(fold, Extreme) and fold.which == "lowest"
        )
        repeats = isinstance(fold, Count) and fold.repeats
        days = (_day(int(NO_DAY) if fold.since is None else fold.since), _day(min(fold.until, as_of)))
        rows.append((KINDS[_kind(fold)], *days, int(lowest), int(repeats), values, second, 0, gap))
    return rows


def _kind(fold: Fold) -> str:
    match fold:
        case LastDay():
            return "last_day"
        case FirstDay():
            return "first_day"
        case Count():
            return fold.of
        case LastValue():
            return "last_value" if fold.gap is None else "last_gap"
        case Extreme():
            return "extreme"
        case LastLabel():
            return "last_label"
        case Pair():
            return "pair"
    raise TypeError(f"no such fold: {type(fold).__name__}")


def _day(day: int) -> int:
    return max(min(int(day), 2**31 - 1), -(2**31) + 1)


def _fields(folds: Sequence[Fold]) -> int:
    """What of an event the folds read beside day and code."""
    pair = any(isinstance(fold, Pair) for fold in folds)
    rows = any(isinstance(fold, Count) and fold.of == "rows" for fold in folds)
    found = HAS_SECONDS if any(isinstance(fold, Pair) and fold.both for fold in folds) else 0
    found |= HAS_GROUPS if pair or rows else 0
    return found | (HAS_VALUES if rows or any(_values_of(fold) for fold in folds) else 0)


def _bounds(values: Values) -> tuple[float, float]:
    if math.isnan(values.minimum) or math.isnan(values.maximum):
        raise ValueError("the bounds of a value are no numbers")
    return values.minimum, values.maximum


def _conversions(read: Sequence[Values], units: Mapping[str, int]) -> NDArray[Any]:
    found = np.zeros((len(read), len(units) + 1), VALUES)
    for row, values in zip(found, read, strict=True):
        known = {0: values.without_unit} | {units[spelling]: c for spelling, c in values.units.items()}
        for unit, conversion in known.items():
            if conversion is not None:
                row[unit] = (conversion.factor, conversion.offset, _scale(conversion), 1)
    return found


def _scale(conversion: Conversion) -> float:
    if conversion.decimals is None:
        return 0.0
    if not 0 <= conversion.decimals <= _MOST_DECIMALS:
        raise ValueError(f"{conversion.decimals} decimals: between 0 and {_MOST_DECIMALS}")
    return float(10**conversion.decimals)
