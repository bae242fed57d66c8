"""Coded records of a few people, made up for tests: rows that matter to a specification, and rows that do not."""

from __future__ import annotations

import datetime as dt
import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import gettempdir

import numpy as np
import pyarrow as pa

from popstrat.core.dates import days, latest_birth_for
from popstrat.deriving.canonical import KINDS
from popstrat.deriving.features import Features
from popstrat.deriving.folding import TABLES, Counts, fold_chunks
from popstrat.deriving.folds import NO_DAY, SET_ASIDE, Fold, Folded, Pair, Table, Values
from popstrat.deriving.reference import Row, derive_one

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
    odd = [None, math.nan, math.inf, -math.inf, 1e308, -0.0, 7.55]
    return rng.choice([*odd, *[low, high, low - 0.01, high + 0.01], *[middle, float(round(middle))] * 5])


def batches(records: Sequence[Sequence[Row]], keys: Sequence[int]) -> dict[Table, list[pa.RecordBatch]]:
    """The rows of people, by table, as a layout gives them: sorted by person, a batch or two each."""
    found: dict[Table, list[pa.RecordBatch]] = {}
    for table in TABLES:
        some = [(key, row) for key, record in zip(keys, records, strict=True) for row in record if row.table == table]
        columns: dict[str, pa.Array] = {
            "patient_id": pa.array([key for key, _ in some], pa.int64()),
            "date": pa.array([row.date for _, row in some], pa.date32()),
            "code": pa.array([row.code for _, row in some], pa.int64()),
        }
        if table == "events":
            columns |= {
                "value": pa.array([row.value for _, row in some], pa.float64()),
                "second_value": pa.array([row.second_value for _, row in some], pa.float64()),
                "unit": pa.array([row.unit for _, row in some], pa.string()).dictionary_encode(),
                "group_id": pa.array([row.group_id for _, row in some], pa.int64()),
            }
        whole = pa.record_batch(columns)
        cut = len(some) // 3
        found[table] = [whole.slice(0, cut), whole.slice(cut)]
    return found


def folded(
    features: Features,
    batch: pa.RecordBatch,
    records: Sequence[Sequence[Row]],
    codes: Mapping[str, Sequence[int]],
    spill: Path,
) -> tuple[dict[str, Folded], Counts]:
    """The folds of some people, and what was counted of their rows."""
    births = np.asarray(batch.column("date_of_birth").cast(pa.int32()).fill_null(int(NO_DAY)))
    folding = fold_chunks(
        batch.column("patient_id"), births, batches(records, batch.column("patient_id").to_pylist()), features.folds,
        {name: np.array(sorted(some), np.int64) for name, some in codes.items()},
        as_of=days(features.as_of), threads=1, spill_dir=spill,
    )  # fmt: skip
    (chunk,) = folding
    return dict(chunk.folded), folding.counts


def compare(features: Features, rng: random.Random, count: int, most: int, tolerance: float = 0.0) -> None:
    """Whether the engine makes of so many people, with up to so many rows each, what plain Python makes of each.

    ``tolerance``: relative, of numbers; powers are not rounded alike."""
    codes = codes_of(features, rng)
    batch = people(rng, count, features.as_of)
    persons = batch.to_pylist()
    records = [rows(rng, features, codes, rng.randint(0, most)) for _ in persons]
    found, counts = folded(features, batch, records, codes, Path(gettempdir()))
    table = features.finalise(batch, found)
    assert table.schema.equals(features.table_schema(batch.schema))
    aside: Counter[tuple[str, str]] = Counter()
    assert table.column("patient_id").equals(batch.column("patient_id"))
    for i, (person, record) in enumerate(zip(persons, records, strict=True)):
        derived = derive_one(features, person, record, codes)
        row = {name: table.column(name)[i].as_py() for name in table.schema.names[2:]}
        for name, value in row.items():
            want = derived.values[name]
            near = isinstance(value, float) and isinstance(want, float) and math.isclose(value, want, rel_tol=tolerance)
            assert value == want or near, name
        assert set(derived.values) == set(row)
        for why in derived.features.values():
            aside.update((one.fold, one.reason) for one in why.aside if one.reason in SET_ASIDE)
    told = {(fold, r): n for fold, one in counts.folds.items() for r, n in one.set_aside.items() if n}
    assert told == dict(aside)
