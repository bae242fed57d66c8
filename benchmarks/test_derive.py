"""Coded events folded into eighty features: ours, in memory, beside Polars, one DuckDB statement, and a loop in numba.

    pytest benchmarks/test_derive.py --events 40M

Each peer's result is compared with ours, cell by cell, before anything is timed.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import derive_events as d
import numpy as np
import peer_derive as peer
import pytest
from measuring import CORES, Versus, process

from popstrat.deriving.folding import fold_chunks
from popstrat.deriving.folds import Fold

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def record(events: int) -> d.Record:
    return d.record(events)


def folded(record: d.Record, folds: list[Fold], folder: Path, threads: int = CORES) -> list[Any]:
    batches = record.events.to_batches()
    return list(
        fold_chunks(
            record.keys, record.births, {"events": batches}, folds, record.lists, as_of=d.AS_OF, threads=threads,
            spill_dir=folder,
        )
    )  # fmt: skip


def columns(chunks: list[Any]) -> dict[str, Any]:
    """All cells by name, as the peers name them: days and values as numbers, NaN for none."""
    found: dict[str, list[Any]] = {}
    for chunk in chunks:
        for name, result in chunk.folded.items():
            cells = {c: a for c, a in vars(result).items() if a is not None}
            for cell, array in cells.items():
                if name == "pair" and cell == "label":
                    continue
                values = array.astype(np.float64)
                values[(array == d.NO_DAY) if cell.endswith("day") else (array == -1) & (cell == "label")] = np.nan
                found.setdefault(name if len(cells) == 1 else f"{name}.{cell}", []).append(values)
    return {name: np.concatenate(parts) for name, parts in found.items()}


def test_polars(record: d.Record, versus: Versus, tmp_path: Path) -> None:
    folds, query = d.folds(), peer.Polars(record)
    theirs = query()
    ours = columns(folded(record, folds, tmp_path))
    assert peer.differences(ours, {n: theirs[n].cast(float).fill_null(np.nan).to_numpy() for n in ours}) == {}
    versus(
        f"coded events, {len(folds)} folds",
        lambda: folded(record, folds, tmp_path),
        patients=len(record.keys),
        threads=CORES,
        peer=("Polars", query),
        faster="derive-polars",
    )


def test_duckdb(record: d.Record, versus: Versus, tmp_path: Path) -> None:
    import duckdb

    folds = d.folds()
    with duckdb.connect(config={"threads": versus.peer_threads}) as connection:
        statement = peer.DuckDB(record, connection)
        theirs = statement().sort_by("patient_id")
        ours = columns(folded(record, folds, tmp_path))
        others = {n: theirs[n].cast("float64").fill_null(np.nan).to_numpy() for n in ours}
        assert peer.differences(ours, others) == {}
        versus(
            f"coded events, {len(folds)} folds",
            lambda: folded(record, folds, tmp_path),
            patients=len(record.keys),
            threads=CORES,
            peer=("DuckDB", statement),
            faster="derive-duckdb",
        )


@pytest.mark.parametrize("threads", sorted({1, CORES}))
def test_numba(record: d.Record, versus: Versus, threads: int, tmp_path: Path) -> None:
    """Of the folds that a plain loop has without much ado: no pairs, gaps or distinct counts."""
    loop = peer.Numba(record, threads)
    folds = [f for f in d.folds() if f.name in loop.names]
    days, values = loop()
    ours = columns(folded(record, folds, tmp_path, threads))
    theirs = {}
    for number, name in enumerate(loop.names):
        day = np.where(days[number] == d.NO_DAY, np.nan, days[number])
        theirs |= {name: day, f"{name}.day": day, f"{name}.value": values[number], f"{name}.label": values[number]}
    assert peer.differences(ours, theirs) == {}
    versus(
        f"coded events, {len(folds)} plain folds",
        lambda: folded(record, folds, tmp_path, threads),
        patients=len(record.keys),
        threads=threads,
        peer=("numba", loop),
        peer_threads=threads,
    )


def test_start(versus: Versus, tmp_path: Path) -> None:
    """What the first result of a few events costs in a process of its own, imports and compiling included."""
    script = "import sys; sys.path.insert(0, {!r}); import derive_start; derive_start.{}()"
    commands = {n: [sys.executable, "-c", script.format(str(HERE), n)] for n in ("ours", "with_numba")}
    for command in commands.values():
        subprocess.run(command, check=True)
    versus(
        "first result of a process",
        lambda: process(commands["ours"]),
        patients=25,
        threads=1,
        peer=("numba", lambda: process(commands["with_numba"])),
        peer_threads=1,
    )
