"""What a table must have is one rule: a file that is scored, checked or explained, and a table in memory."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from spec_tables import local_pack

import popstrat
from popstrat.errors import InputError
from popstrat.reasons.trace import trace
from popstrat.runs.check import run_check
from popstrat.runs.find import find_patient
from popstrat.runs.score import run_score
from popstrat.runs.through import run_through
from popstrat.scoring.scorer import Scorer

AS_OF = dt.date(2026, 6, 30)
KEYS = {"patient_id": [1, 2], "practice_code": ["Y00001"] * 2}
ONE_OF_THESE: dict[str, list[Any]] = {
    "sex": ["female", "male"],
    "date_of_birth": [dt.date(1950, 1, 1), None],
    "age": [76, 40],
    "onset_date": [dt.date(2020, 1, 1), None],
    "onset_years": [6, 3],
    "seen": [dt.date(2026, 1, 1), None],
    "ratio": [4.5, None],
    "total": [6.0, 5.0],
    "hdl": [1.2, 1.25],
}
INPUTS = """
[[input]]
name = "seen"
type = "date"
[[input]]
name = "ratio"
type = "float"
[[input]]
name = "total"
type = "float"
[[input]]
name = "hdl"
type = "float"
"""
OWN_PAIR = """
[[input]]
name = "onset_date"
type = "date"
[[input]]
name = "onset_years"
type = "int"
min = 0
max = 120
completed_years_since = "onset_date"
"""
PACKS = {  # rules that read neither of a pair, one, the other or both
    "neither": INPUTS + "[definition.out]\nvalue = 'coalesce(ratio, total / hdl)'",
    "a date": INPUTS + "[definition.out]\nvalue = 'as_of - seen'",
    "an age": INPUTS + "[definition.out]\nvalue = 'age + coalesce(total, hdl)'",
    "an own pair": INPUTS + OWN_PAIR + "[definition.out]\nvalue = 'onset_years - age'",
    "a date, beside an own pair": INPUTS + OWN_PAIR + "[definition.out]\nvalue = 'as_of - seen'",
}
REST = '\nkind = "expression"\ntitle = "t"\nversion = "1"\nsource = "t"\noutput = true\n'


def by_score(scorer: Scorer, table: pa.Table, path: Path) -> list[Any]:
    target = path.with_suffix(".out.parquet")
    run_score([path], target, scorer, threads=1)
    return list(pq.read_table(target)["out"].to_pylist())


def by_library(scorer: Scorer, table: pa.Table, path: Path) -> list[Any]:
    return list(popstrat.score(table, AS_OF, pack=scorer.pack, threads=1)["out"].to_pylist())


def by_batch(scorer: Scorer, table: pa.Table, path: Path) -> list[Any]:
    (batch,) = table.to_batches()
    return list(scorer.score_batch(batch).column("out").to_pylist())


def by_fitting(scorer: Scorer, table: pa.Table, path: Path) -> list[Any]:
    batches: list[pa.RecordBatch] = []
    run_through([path], scorer, batches.append, threads=1)
    return list(pa.Table.from_batches(batches)["out"].to_pylist())


def by_explaining(scorer: Scorer, table: pa.Table, path: Path) -> list[Any]:
    return [trace(scorer, find_patient([path], ident, scorer)).scored["out"] for ident in ("1", "2")]


def by_check(scorer: Scorer, table: pa.Table, path: Path) -> int:
    return int(run_check([path], scorer, threads=1)["rows"]["in"])


SCORED = (by_score, by_library, by_batch, by_fitting, by_explaining)


def outcome(way: Callable[[Scorer, pa.Table, Path], Any], *given: Any) -> Any:
    """What it gives, or what it says is missing."""
    try:
        return way(*given)
    except InputError as error:
        first = getattr(error, "faults", [error])[0]  # check tells of all
        return first.problem, first.column


@pytest.mark.parametrize("rules", PACKS)
def test_every_subset_of_columns(rules: str, tmp_path: Path) -> None:
    """Of whatever columns a table has: each command and each call takes it, with the same results, or says the same."""
    scorer = Scorer(local_pack(PACKS[rules] + REST, extends=""), AS_OF)
    own = OWN_PAIR in PACKS[rules]
    pairs = [("date_of_birth", "age"), *([("onset_date", "onset_years")] if own else [])]
    names = ["sex", *(name for pair in pairs for name in pair), "seen", "values"]
    completes = 0
    for number, there in enumerate(itertools.product((True, False), repeat=len(names))):
        columns = [name for name, has in zip(names, there, strict=True) if has]
        if "values" in columns:
            columns.remove("values")
            columns += [("ratio",), ("total", "hdl"), ("ratio", "total")][number % 3]
        table = pa.table({**KEYS, **{name: pa.array(ONE_OF_THESE[name]) for name in columns}})
        path = tmp_path / f"{number}.parquet"
        pq.write_table(table, path)
        found = [outcome(way, scorer, table, path) for way in SCORED]
        assert found == found[:1] * len(found), columns
        complete = "sex" in columns and all(set(pair) & set(columns) for pair in pairs)
        assert isinstance(found[0], list) == complete, columns
        assert outcome(by_check, scorer, table, path) == (2 if complete else found[0]), columns
        completes += complete
    assert completes == 2 ** len(names) * 3 ** len(pairs) // (2 * 4 ** len(pairs))


def test_an_explanation_knows_the_age(tmp_path: Path) -> None:
    """Though no rule reads it, and though rules read dates."""
    scorer = Scorer(local_pack(PACKS["a date"] + REST, extends=""), AS_OF)
    path = tmp_path / "list.parquet"
    pq.write_table(pa.table({**KEYS, **{c: ONE_OF_THESE[c] for c in ("age", "sex", "seen")}}), path)
    found = trace(scorer, find_patient([path], "1", scorer))
    assert (found.age, found.sex) == (76, "female")
