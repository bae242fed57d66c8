"""Scoring file to file within one process, against Polars scanning the file, scoring lazily and writing as it goes.

popstrat also hashes the input, checks the ids, counts, and writes the run record; both compress alike.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import compare
import peer_polars
import polars as pl
import polars_script
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from measuring import CORES, Versus

import popstrat
from popstrat.formats import open_sink, open_source
from popstrat.packs.patient_table import patient_schema
from popstrat.runs.score import run_score

MakeList = Callable[[int, str], Path]


CSV_TYPES: dict[str, Any] = {
    **dict.fromkeys(peer_polars.KEYS, pl.String),
    **dict.fromkeys(peer_polars.DATES, pl.Date),
    **dict.fromkeys(peer_polars.FLAGS, pl.Boolean),
    **peer_polars.NUMBERS,
    **peer_polars.CATEGORIES,
}


def _polars_csv(source: Path, target: Path, as_of: dt.date) -> None:
    """Every type is given, which is quicker than finding out; a label that is not listed would stop it."""
    peer_polars.lazy(pl.scan_csv(source, schema_overrides=CSV_TYPES), as_of).sink_csv(target)


@pytest.mark.parametrize("threads", sorted({1, CORES}))
def test_parquet(
    make_list: MakeList, patients: int, as_of: dt.date, threads: int, versus: Versus, tmp_path: Path
) -> None:
    source, ours, theirs = make_list(patients, ".parquet"), tmp_path / "ours.parquet", tmp_path / "theirs.parquet"
    scorer = popstrat.Scorer(as_of=as_of)
    run_score([source], ours, scorer, threads=threads)
    polars_script.score(str(source), str(theirs), as_of)
    assert compare.differences(pq.read_table(ours), pl.read_parquet(theirs)) == {}
    versus(
        "Parquet to Parquet",
        lambda: run_score([source], ours, popstrat.Scorer(as_of=as_of), threads=threads),
        patients=patients,
        threads=threads,
        peer=("Polars", lambda: polars_script.score(str(source), str(theirs), as_of)),
    )


CSV_AT_MOST = 500_000  # more takes longer and says no more


def test_csv(make_list: MakeList, patients: int, as_of: dt.date, versus: Versus, tmp_path: Path) -> None:
    patients = min(patients, CSV_AT_MOST)
    source, ours, theirs = make_list(patients, ".csv"), tmp_path / "ours.csv", tmp_path / "theirs.csv"
    run_score([source], ours, popstrat.Scorer(as_of=as_of))
    _polars_csv(source, theirs, as_of)
    a, b = _read_csv(ours), _read_csv(theirs)
    assert a.columns == b.columns
    assert a.equals(b)
    versus(
        "CSV to CSV",
        lambda: run_score([source], ours, popstrat.Scorer(as_of=as_of)),
        patients=patients,
        threads=CORES,
        peer=("Polars", lambda: _polars_csv(source, theirs, as_of)),
        faster="csv-polars",
    )


def _rows(source: Path, columns: list[str], threads: int) -> pa.Table:
    known = patient_schema().columns
    file = open_source([source], kinds=lambda name: known[name].cells, threads=threads).files[0]
    return pa.Table.from_batches(file.batches(columns))


def test_read_csv(make_list: MakeList, patients: int, versus: Versus) -> None:
    """The columns that the peer's rules need, and no scoring."""
    source, columns = make_list(patients, ".csv"), list(CSV_TYPES)
    ours = pl.from_arrow(_rows(source, columns, 1))
    theirs = pl.read_csv(source, columns=columns, schema_overrides=CSV_TYPES).select(columns)
    assert isinstance(ours, pl.DataFrame)
    assert ours.select(pl.col(c).cast(t) for c, t in CSV_TYPES.items()).equals(theirs)
    versus(
        "CSV to memory",
        lambda: _rows(source, columns, CORES),
        patients=patients,
        threads=CORES,
        peer=("Polars", lambda: pl.read_csv(source, columns=columns, schema_overrides=CSV_TYPES)),
    )


def test_write_csv(table: pa.Table, patients: int, as_of: dt.date, versus: Versus, tmp_path: Path) -> None:
    """The scored table."""
    scored = popstrat.score(table, as_of=as_of)
    frame = pl.from_arrow(scored)
    assert isinstance(frame, pl.DataFrame)
    ours, theirs = tmp_path / "ours.csv", tmp_path / "theirs.csv"

    def write() -> None:
        sink = open_sink(ours, scored.schema, form=".csv", threads=CORES)
        for batch in scored.to_batches(max_chunksize=1 << 17):
            sink.write(batch)
        sink.close()

    write()
    frame.write_csv(theirs)
    assert _read_csv(ours).equals(_read_csv(theirs))
    versus(
        "memory to CSV",
        write,
        patients=patients,
        threads=CORES,
        peer=("Polars", lambda: frame.write_csv(theirs)),
    )


def _read_csv(path: Path) -> pl.DataFrame:
    """As text, but for the two columns that may be spelt in several ways."""
    return pl.read_csv(path, infer_schema=False).with_columns(
        pl.col("admission_risk", "expected_cost_2014").cast(pl.Float64)
    )
