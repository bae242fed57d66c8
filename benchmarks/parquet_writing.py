"""Writing a scored table as Parquet: our sink, pyarrow's writer and Polars', turn by turn; then column by column.

    python benchmarks/parquet_writing.py LIST.parquet [--as-of DATE] [--turns N]

LIST is a patient table (`popstrat synth` writes one). Times are the least of all turns, on one thread but for Polars:
seconds of processor time, user and system, and of the clock.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Collection
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

import popstrat
from popstrat.formats.parquet.metadata import ROW_GROUP_ROWS
from popstrat.formats.parquet.native_writer import NativeParquetSink
from popstrat.runs.score import KEYS


def ours(table: pa.Table, path: Path) -> None:
    sink = NativeParquetSink(path, table.schema, KEYS)
    for batch in table.to_batches():
        sink.write(batch)
    sink.close()


def pyarrow(table: pa.Table, path: Path, plain: Collection[str] = ("patient_id", "admission_risk")) -> None:
    """With dictionaries but for the ``plain`` columns, ids as deltas and statistics of keys only."""
    coded = [f.name for f in table.schema if f.name not in plain and f.type != pa.bool_()]
    keys = [name for name in KEYS if name in table.column_names]
    pq.write_table(
        table,
        path,
        row_group_size=ROW_GROUP_ROWS,
        compression="zstd",
        use_dictionary=coded or False,
        write_statistics=keys or False,
        column_encoding={"patient_id": "DELTA_BINARY_PACKED"} if "patient_id" in keys else None,
    )


def as_it_comes(table: pa.Table, path: Path) -> None:
    pq.write_table(table, path, row_group_size=ROW_GROUP_ROWS, compression="zstd")


def polars(frame: pl.DataFrame, path: Path) -> None:
    frame.write_parquet(path, compression="zstd", compression_level=1, statistics=False)


def as_polars(table: pa.Table) -> pl.DataFrame:
    """Text as `Enum`: nothing is turned into strings."""
    frame = pl.from_arrow(table.unify_dictionaries())
    assert isinstance(frame, pl.DataFrame)
    texts = [f.name for f in table.schema if pa.types.is_dictionary(f.type)]
    return frame.with_columns(
        pl.col(name).cast(pl.Enum(frame[name].cast(pl.String).drop_nulls().unique().sort())) for name in texts
    )


def least(turns: int, *writers: Callable[[Path], None]) -> list[tuple[float, float, int]]:
    """For each writer the least (processor seconds, seconds, bytes) of so many turns."""
    found = [(1e9, 1e9, 0)] * len(writers)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "out.parquet"
        for _ in range(turns):
            for i, write in enumerate(writers):
                cpu, wall = time.process_time(), time.perf_counter()
                write(path)
                cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
                found[i] = min(found[i][0], cpu), min(found[i][1], wall), path.stat().st_size
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("list", type=Path)
    parser.add_argument("--as-of", default="2026-06-30")
    parser.add_argument("--turns", type=int, default=7)
    options = parser.parse_args()
    table = popstrat.score(pq.read_table(options.list), options.as_of)
    frame = as_polars(table)

    writers: dict[str, Callable[[Path], None]] = {
        "popstrat": lambda p: ours(table, p),
        "pyarrow": lambda p: pyarrow(table, p),
        "pyarrow, the risk as a dictionary": lambda p: pyarrow(table, p, ["patient_id"]),
        "pyarrow as it comes": lambda p: as_it_comes(table, p),
        "Polars": lambda p: polars(frame, p),
    }
    print(f"{table.num_rows:,} rows, {table.num_columns} columns; pyarrow {pa.__version__}, Polars {pl.__version__}")
    for what, (cpu, wall, size) in zip(writers, least(options.turns, *writers.values()), strict=True):
        print(f"{what:36} {cpu:6.3f} s processor {wall:6.3f} s clock {size / 1e6:6.1f} MB")
    print(f"\n{'processor ms (KB)':28}{'popstrat':>20}{'pyarrow':>20}{'Polars':>20}")
    for name in table.column_names:
        part, theirs = table.select([name]), frame.select(name)
        found = least(
            options.turns,
            lambda p, part=part: ours(part, p),
            lambda p, part=part: pyarrow(part, p),
            lambda p, theirs=theirs: polars(theirs, p),
        )
        print(f"{name:28}" + "".join(f"{cpu * 1e3:10.1f} ({size / 1e3:6.0f})" for cpu, _, size in found))


if __name__ == "__main__":
    main()
