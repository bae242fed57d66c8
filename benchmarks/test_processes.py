"""Whole processes, from the start of the interpreter to the exit: what somebody waits for who types the command.

Scoring file to file against a Polars script, against a bare copy, against imports alone; the most memory held; how the
time grows with the number of patients, up to all of England.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Callable
from pathlib import Path

import compare
import polars as pl
import pyarrow.parquet as pq
import pytest
from measuring import CORES, HERE, PRACTICE, Spent, Versus, line, popstrat, process

MakeList = Callable[[int, str], Path]
Score = Callable[[Path, Path], Spent]
IMPORTS = [sys.executable, "-c", "import polars, pyarrow, typer"]
SCRIPT = HERE / "polars_script.py"
ENGLAND = 63_000_000
COMPARED = 10_000_000  # the largest results that are compared row by row: both in memory at once


@pytest.fixture(params=[0, pytest.param(10_000_000, marks=pytest.mark.full)], ids=["usual", "10M"])
def size(request: pytest.FixtureRequest, patients: int, smoke: bool) -> int:
    if smoke and request.param:
        pytest.skip("the same once more, in a smoke test")
    return int(request.param or patients)


@pytest.fixture
def score(as_of: dt.date) -> Score:
    return lambda source, target: process(
        [*popstrat(), "score", str(source), "-o", str(target), "--as-of", str(as_of), "--quiet"]
    )


def _script(what: str, source: Path, target: Path, last: object) -> Spent:
    return process([sys.executable, str(SCRIPT), what, str(source), str(target), str(last)])


def test_polars(
    make_list: MakeList,
    size: int,
    as_of: dt.date,
    score: Score,
    versus: Versus,
    tmp_path: Path,
) -> None:
    """popstrat also hashes the input, checks the ids, counts, and writes the run record; both use zstd, level 1."""
    source, ours, theirs = make_list(size, ".parquet"), tmp_path / "ours.parquet", tmp_path / "theirs.parquet"
    score(source, ours)
    _script("score", source, theirs, as_of)
    if size <= COMPARED:
        assert compare.differences(pq.read_table(ours), pl.read_parquet(theirs)) == {}
    versus(
        "popstrat score, Parquet to Parquet",
        lambda: score(source, ours),
        patients=size,
        threads=CORES,
        peer=("Polars", lambda: _script("score", source, theirs, as_of)),
        faster="process-polars",
    )


def test_bare_copy(
    make_list: MakeList,
    size: int,
    as_of: dt.date,
    score: Score,
    versus: Versus,
    tmp_path: Path,
) -> None:
    """Against Polars reading the same columns and writing the same output, without computing anything."""
    source, ours, theirs = make_list(size, ".parquet"), tmp_path / "ours.parquet", tmp_path / "theirs.parquet"
    scored = tmp_path / "scored.parquet"
    _script("score", source, scored, as_of)  # written by Polars, so with the types that Polars writes fastest
    score(source, ours)

    def copy() -> Spent:
        spent = _script("copy", source, theirs, scored)
        return spent.without(*map(float, spent.printed.split()))

    copy()
    assert pq.read_metadata(theirs).num_rows == pq.read_metadata(ours).num_rows == size
    assert pq.read_schema(theirs).names == pq.read_schema(ours).names
    versus(
        "popstrat score, Parquet to Parquet",
        lambda: score(source, ours),
        patients=size,
        threads=CORES,
        peer=("Polars, bare copy", copy),
        cost="process-copy",
    )


def test_practice(make_list: MakeList, score: Score, versus: Versus, tmp_path: Path) -> None:
    """A practice, against a Python that imports its usual tools and does nothing."""
    source, target = make_list(PRACTICE, ".parquet"), tmp_path / "scored.parquet"
    score(source, target)
    assert pq.read_metadata(target).num_rows == PRACTICE
    versus(
        "popstrat score, Parquet to Parquet",
        lambda: score(source, target),
        patients=PRACTICE,
        threads=CORES,
        peer=("importing Polars, pyarrow and typer", lambda: process(IMPORTS)),
        peer_threads=1,
        cost="practice-imports",
    )


@pytest.mark.full
def test_memory(
    make_list: MakeList,
    patients: int,
    smoke: bool,
    score: Score,
    versus: Versus,
    tmp_path: Path,
) -> None:
    """The most that the process holds, with four times as many patients."""
    small, large = (patients, 4 * patients) if smoke else (5_000_000, 20_000_000)
    target = tmp_path / "scored.parquet"

    def measure() -> None:
        held = {}
        for size in (small, large):
            source = make_list(size, ".parquet")
            held[size] = max(score(source, target).memory for _ in range(1 if smoke else 3))
        versus.note("memory-growth", held[large] / held[small], large)
        versus.note("memory-peak", held[large] / 1e6, large)

    versus.once(measure)


GROWTH = (10_000, 100_000, 1_000_000)


def test_growth(
    make_list: MakeList,
    patients: int,
    smoke: bool,
    score: Score,
    versus: Versus,
    tmp_path: Path,
) -> None:
    """How far the times for more and more patients lie from one line."""
    sizes = [patients, 2 * patients] if smoke else [*(n for n in GROWTH if n < patients), patients]

    def measure() -> None:
        _, worst = _grow(sizes, make_list, score, versus, tmp_path)
        versus.note("growth-deviation", worst, sizes[-1])

    versus.once(measure)


@pytest.mark.full
def test_england(
    make_list: MakeList,
    patients: int,
    smoke: bool,
    score: Score,
    versus: Versus,
    tmp_path: Path,
) -> None:
    """Everybody registered in England, with one command; and whether that takes as long as the smaller lists say."""
    sizes = [patients, 2 * patients] if smoke else [*GROWTH, 10_000_000, ENGLAND]

    def measure() -> None:
        largest, worst = _grow(sizes, make_list, score, versus, tmp_path)
        record = json.loads((tmp_path / "scored.parquet.run.json").read_text(encoding="utf-8"))
        assert record["rows"]["in"] == record["rows"]["out"] == sizes[-1]
        assert record["ids"]["checked"] == sizes[-1]
        versus.note("england-deviation", worst, sizes[-1])
        versus.note("england-seconds", largest.seconds, sizes[-1])
        versus.note("england-peak", largest.memory / 1e6, sizes[-1])

    versus.once(measure)


def _grow(sizes: list[int], make_list: MakeList, score: Score, versus: Versus, folder: Path) -> tuple[Spent, float]:
    """Notes the times and the line through them; what the largest list took, and by what share the time farthest off
    the line differs from it. Small lists are scored several times, and the quickest counts."""
    taken: list[Spent] = []
    for size in sizes:
        source, target = make_list(size, ".parquet"), folder / "scored.parquet"
        turns = 1 if versus.smoke else 7 if size <= 100_000 else 3 if size <= 2_500_000 else 2
        taken.append(min((score(source, target) for _ in range(turns)), key=lambda spent: spent.seconds))
        versus.note("growth-time", taken[-1].seconds, size)
    start, each, worst = line(sizes, [spent.seconds for spent in taken])
    versus.note("growth-start", start, sizes[-1])
    versus.note("growth-per-million", each * 1e6, sizes[-1])
    return taken[-1], worst
