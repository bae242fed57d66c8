"""Figures by area are what the readable evaluator counts, a person at a time, whatever the batches and threads."""

from __future__ import annotations

import random
from functools import cache, partial
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from generated import Table, table_of
from metrics_reference import COLUMNS, counted
from nightly import seeds

from popstrat.metrics.counting import Counter, besides, plan
from popstrat.metrics.figures import Figures
from popstrat.metrics.gather import figures, wanted
from popstrat.metrics.rows import LEVELS
from popstrat.scoring.scorer import Scorer

AS_OF = "2026-06-30"
USUAL = ("sex", "age_band", "ethnicity", "imd_quintile")
OTHERS = (USUAL, ("sex+age_band",), ("core20", "imd_quintile+ethnicity"), ("frailty_category+sex", "age_band"), ())


@cache
def scorer(groupings: tuple[str, ...]) -> Scorer:
    return Scorer("neighbourhood-2026", AS_OF, besides=partial(besides, groupings=groupings))


def in_areas(table: Table, rng: np.random.Generator) -> Table:
    """The people of a table in practices that are each in one PCN, neighbourhood and place, or in none."""
    practices = [f"Y{90001 + i}" for i in range(int(rng.integers(1, 9)))]
    of = {
        column: {p: None if rng.random() < 0.1 else f"{column} {rng.integers(0, 3)}" for p in practices}
        for column in COLUMNS.values()
        if column != "practice_code" and rng.random() < 0.8
    }
    given = [practices[i] for i in rng.integers(0, len(practices), len(table.rows))]
    columns: dict[str, list[Any]] = {"practice_code": given}
    columns |= {column: [known[p] for p in given] for column, known in of.items()}
    batch = table.batch
    for name in (c for c in COLUMNS.values() if c in batch.schema.names):
        batch = batch.drop_columns([name])
    rows = [{k: v for k, v in row.items() if k not in COLUMNS.values()} for row in table.rows]
    for name, values in columns.items():
        kind = rng.choice(["string", "large_string", "dictionary", "odd index"])
        array = pa.array(values, pa.large_string() if kind == "large_string" else pa.string())
        if kind in ("dictionary", "odd index"):
            array = array.dictionary_encode()
        if kind == "odd index":
            array = array.cast(pa.dictionary(pa.uint8(), pa.string()))
        batch = batch.append_column(name, array)
        for row, value in zip(rows, values, strict=True):
            row[name] = value
    return Table(batch, rows, table.singles, table.types)


def by_engine(
    of: Scorer, batch: pa.RecordBatch, groupings: tuple[str, ...], rng: random.Random, threads: int
) -> Figures:
    """Counted in batches of any sizes."""
    planned = plan(of.resolved, groupings)
    counter = Counter(planned, threads)
    bound = of.bind(batch.schema)
    at = 0
    while at < batch.num_rows:
        size = rng.choice([1, 7, 64, 65, batch.num_rows])
        counter.add(bound.score(batch.slice(at, size))[0])
        at += size
    return figures(planned, counter.finish(), wanted(None, groupings))


def told(made: Figures) -> dict[Any, tuple[int, int, int]]:
    keys = zip(
        made.metric_ids(), map(str, made.levels()), made.area_names(), made.group_bys(), made.groups(), strict=True
    )
    numbers = zip(made.numerator.tolist(), made.denominator.tolist(), made.squares.tolist(), strict=True)
    return dict(zip(keys, numbers, strict=True))


@pytest.mark.parametrize("seed", seeds(5, 10))
def test_counted_as_the_evaluator_counts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    groupings = OTHERS[seed % len(OTHERS)]
    of = scorer(groupings)
    size = int(rng.choice([1, 64, 90, 150]))
    table = in_areas(table_of(rng, of.resolved, size, 0.9, float(rng.choice([0.0, 0.3])), 0.1), rng)
    made = told(by_engine(of, table.batch, groupings, random.Random(seed), 1 + seed % 3))
    computable = {metric for metric, *_ in counted(of.resolved, table.rows[:1], table.singles, ())}
    plain = counted(of.resolved, table.rows, table.singles, groupings)
    assert {key: made.get(key, (0, 0, 0)) for key in plain} == plain
    without = {(key[3], key[4]) for key in plain if key not in made}  # of ages that the metric says it does not count
    assert all("age_band" in group_by for group_by, _ in without)
    nobody = {key for key in made if key not in plain and key[0] in computable}
    assert all(made[key] == (0, 0, 0) for key in nobody)


def test_everybody_is_counted_once_at_every_level() -> None:
    rng = np.random.default_rng(3)
    of = scorer(USUAL)
    table = in_areas(table_of(rng, of.resolved, 120, 1.0, 0.1, 0.1), rng)
    made = by_engine(of, table.batch, USUAL, random.Random(3), 2)
    whole = made.where(made.metric == [m.id for m in made.metrics].index("ltc_0"))
    for level in range(len(LEVELS)):
        for grouping in range(len(made.groupings)):
            some = whole.where((whole.level == level) & (whole.grouping == grouping))
            inside = sum(row.get(COLUMNS.get(LEVELS[level], "practice_code")) is not None for row in table.rows)
            if len(some):
                assert some.registered.sum() == inside == some.denominator.sum()
