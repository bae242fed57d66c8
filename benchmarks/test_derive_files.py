"""Coded events folded from a Parquet file, whole processes: beside Polars, beside Polars reading alone, out of order.

pytest benchmarks/test_derive_files.py --events 40M
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from measuring import CORES, HERE, Spent, Versus, process

SCRIPT = HERE / "derive_process.py"
Run = Callable[[str, str], Spent]


@pytest.fixture(scope="module")
def folder(events: int, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("events")
    process([sys.executable, str(SCRIPT), "make", str(made), str(events)])
    return made


@pytest.fixture
def run(folder: Path) -> Run:
    def once(what: str, file: str) -> Spent:
        return process(
            [sys.executable, str(SCRIPT), what, str(folder), str(folder / file), str(folder / f"{what}.out")]
        )

    return once


def _cells(file: Path) -> dict[str, np.ndarray]:
    """All cells as numbers, NaN for none, under the names that the peers give them."""
    frame = pl.read_parquet(file)
    found = {}
    for name in frame.columns:
        if name != "patient_id":
            values = frame[name].cast(pl.Float64).fill_null(np.nan).to_numpy().copy()
            values[(values == -(2**31)) | ((values == -1) & name.endswith("label"))] = np.nan
            found[name] = values
    return found


def test_polars(run: Run, folder: Path, events: int, versus: Versus) -> None:
    run("ours", "sorted.parquet")
    run("polars", "sorted.parquet")
    ours, theirs = _cells(folder / "ours.out"), _cells(folder / "polars.out")
    single = {name.rpartition(".")[0]: cells for name, cells in ours.items()}  # folds with one result go by its name
    compared = [name for name in theirs if name != "row"]
    for name in compared:
        assert np.array_equal(ours[name] if name in ours else single[name], theirs[name], equal_nan=True), name
    assert len(compared) > 80
    versus(
        "coded events, Parquet to Parquet",
        lambda: run("ours", "sorted.parquet"),
        patients=events // 160,
        threads=CORES,
        peer=("Polars", lambda: run("polars", "sorted.parquet")),
        faster="derive-files-polars",
    )


def test_bare_scan(run: Run, events: int, versus: Versus) -> None:
    versus(
        "coded events, Parquet to Parquet",
        lambda: run("ours", "sorted.parquet"),
        patients=events // 160,
        threads=CORES,
        peer=("Polars, reading the columns alone", lambda: run("scan", "sorted.parquet")),
        cost="derive-files-scan",
    )


def test_unsorted(run: Run, folder: Path, events: int, versus: Versus) -> None:
    run("ours", "sorted.parquet")
    usual = (folder / "ours.out").read_bytes()
    run("ours", "unsorted.parquet")
    assert (folder / "ours.out").read_bytes() == usual
    versus(
        "coded events in no order, Parquet to Parquet",
        lambda: run("ours", "unsorted.parquet"),
        patients=events // 160,
        threads=CORES,
        peer=("the same, sorted", lambda: run("ours", "sorted.parquet")),
        cost="derive-unsorted",
    )
