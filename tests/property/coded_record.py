"""Coded records of a few people, made up for tests: rows that matter to a specification, and rows that do not."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from popstrat.core.dates import days, latest_birth_for
from popstrat.derive.canonical import KINDS
from popstrat.derive.features import Features
from popstrat.derive.folds import NO_DAY, NO_LABEL, Fold, Folded, LastLabel, LastValue, Pair, Values
from popstrat.derive.kinds.kind import One
from popstrat.derive.reference import Row, fold_one

ODD_UNITS = (None, "", "furlongs", "MMOL/MOL", " mm hg ", "%", "g/dL", "mg/dL")


def codes_of(features: Features, rng: random.Random) -> dict[str, list[int]]:
    """Made-up codes: one to three a list, none of which is in two lists."""
    found: dict[str, list[int]] = {}
    for number, name in enumerate(features.lists):
        found[name] = [1_000_000 + number * 10 + i for i in range(rng.randint(1, 3))]
    return found | {kind: [index] for index, kind in enumerate(KINDS)}


def people(rng: random.Random, count: int, as_of: dt.date) -> pa.RecordBatch:
    """People with what patients' and registrations' files say of them."""
    births = [
        None if rng.random() < 0.1 else as_of - dt.timedelta(days=rng.choice([0, 1, 100, *range(365, 40000, 97)]))
        for _ in range(count)
    ]
    ages = rng.choices((6, 16, 17, 18, 50), k=count)
    edge = [latest_birth_for(a, as_of) + dt.timedelta(rng.choice([0, 1])) if rng.random() < 0.2 else None for a in ages]
    births = [e or b for e, b in zip(edge, births, strict=True)]
    some = rng.choices
    return pa.record_batch({
        "patient_id": pa.array(range(100, 100 + count), pa.int64()),
        "practice_code": pa.array(some(["A00001", "B00002"], k=count)).dictionary_encode(),
        "date_of_birth": pa.array(births, pa.date32()),
        "sex": pa.array(some(["female", "male", "unknown", "M"], k=count)).dictionary_encode(),
        "ethnicity": pa.array(some(["A", "99", " z ", "X9", "", None], k=count), pa.string()).dictionary_encode(),
        "imd_decile": pa.array(some([1, 10, None], k=count), pa.int8()),
        "type1_opt_out": pa.array(some([True, False, None], k=count), pa.bool_()),
        "place": pa.array(some(["Here", None], k=count), pa.string()).dictionary_encode(),
    })  # fmt: skip


def rows(rng: random.Random, features: Features, codes: Mapping[str, Sequence[int]], count: int) -> list[Row]:
    """One person's rows: of the codes of a few folds, so that they meet, with days near the edges of windows."""
    folds = rng.sample(features.folds, k=min(len(features.folds), rng.randint(1, 6)))
    near = [fold.since for fold in features.folds if fold.since is not None]
    until = days(features.as_of)
    made = []
    last: Row | None = None
    for number in range(count):
        if last is not None and rng.random() < 0.1:
            made.append(last)  # the same row twice
            continue
        fold = rng.choice(folds)
        lists = [name for name in (*fold.codes, *fold.without) if name in codes]
        code: int | None = rng.choice(codes[rng.choice(lists)]) if lists else rng.randint(1, 9)
        if rng.random() < 0.05:
            code = rng.choice([None, 5])
        day = until - rng.choice([0, 1, 89, 90, 91, rng.randint(0, 12), rng.randint(0, 800), rng.randint(0, 9000), -1])
        if near and rng.random() < 0.2:
            day = rng.choice(near) + rng.choice([-1, 0, 1])
        if made and rng.random() < 0.4:
            day = days(made[-1].date) if made[-1].date is not None else day
        date = None if rng.random() < 0.03 else dt.date(1970, 1, 1) + dt.timedelta(days=day)
        values = _values(fold)
        value = second = unit = None
        if values is not None and fold.table == "events":
            value, second = _value(rng, values), _value(rng, _values(fold, second=True) or values)
            unit = rng.choice([*values.units, *values.units, None, *ODD_UNITS])
        group = rng.choice([None, 1, 2, 2])
        last = Row(fold.table, date, code, value, second, unit, None if fold.table != "events" else group, number)
        made.append(last)
    rng.shuffle(made)
    return made


def _values(fold: Fold, second: bool = False) -> Values | None:
    if isinstance(fold, Pair):
        return fold.second_values if second else fold.first_values
    return getattr(fold, "values", None)


def _value(rng: random.Random, values: Values) -> float | None:
    low, high = values.minimum, values.maximum
    middle = round(rng.uniform(low, min(high, low + 100)), rng.choice([0, 1, 2]))
    return rng.choice([None, low, high, low - 0.01, high + 0.01, middle, middle, middle, float(round(middle)), 7.55])


def folded(
    features: Features,
    births: Sequence[dt.date | None],
    records: Sequence[Sequence[Row]],
    codes: Mapping[str, Sequence[int]],
) -> dict[str, Folded]:
    """The folds of some people, worked out plainly."""
    known = {name: frozenset(some) for name, some in codes.items()}
    return {
        fold.name: _arrays(fold, [fold_one(fold, r, known, b).one for b, r in zip(births, records, strict=True)])
        for fold in features.folds
    }


def _arrays(fold: Fold, ones: Sequence[One]) -> Folded:
    labels = [label for label, _ in fold.labels] if isinstance(fold, LastLabel | Pair) else []

    def dates(values: list[dt.date | None]) -> Any:
        return np.array([int(NO_DAY) if v is None else days(v) for v in values], np.int32)

    def numbers(values: list[float | None]) -> Any:
        return np.array([np.nan if v is None else v for v in values], np.float64)

    gap = isinstance(fold, LastValue) and fold.gap is not None
    return Folded(
        day=dates([o.day for o in ones]),
        value=numbers([o.value for o in ones]),
        second=numbers([o.second for o in ones]),
        earlier=numbers([o.earlier for o in ones]) if gap else None,
        earlier_day=dates([o.earlier_day for o in ones]) if gap else None,
        label=np.array([int(NO_LABEL) if o.label is None else labels.index(o.label) for o in ones], np.int16),
        count=np.array([o.count or 0 for o in ones], np.int32),
    )
