"""`popstrat derive` over whole coded records, beside Polars reading the columns of their events alone.

    popstrat synth --patients 2500000 --seed 11 --as-of 2026-06-30 --events big --events-per-patient 160
    popstrat synth --patients 625000 --seed 11 --as-of 2026-06-30 --events small --events-per-patient 160
    python benchmarks/derive_record.py small big

Whole processes, by turns, the median of so many of each; and how far the time is from growing with the events.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as pq
from measuring import Spent, popstrat, process

TABLES = ("patients", "registrations", "events", "medications", "activity")
SCAN = """
import sys, polars as pl
columns = ["patient_id", "date", "code", "value", "unit", "group_id", "second_value"]
frame = pl.scan_parquet(sys.argv[1])
there = [c for c in columns if c in frame.collect_schema().names()]
frame.select(there).select(pl.all().null_count()).collect(engine="streaming")
"""


def derive(record: Path, as_of: str, out: Path) -> Spent:
    options = [word for table in TABLES for word in (f"--{table}", str(record / f"{table}.parquet"))]
    command = ["derive", *options, "--codelists", str(record / "codelists"), "--as-of", as_of, "-o", str(out)]
    return process([*popstrat(), *command, "--force", "--quiet"])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("records", nargs="+", type=Path)
    parser.add_argument("--as-of", default="2026-06-30")
    parser.add_argument("--times", type=int, default=3)
    given = parser.parse_args(arguments)
    each = []
    with tempfile.TemporaryDirectory() as folder:
        for record in given.records:
            events = pq.ParquetFile(record / "events.parquet").metadata.num_rows
            ours, theirs = [], []
            for _ in range(given.times):
                ours.append(derive(record, given.as_of, Path(folder) / "list.parquet"))
                theirs.append(process([sys.executable, "-c", SCAN, str(record / "events.parquet")]))
            people = pq.ParquetFile(Path(folder) / "list.parquet").metadata.num_rows
            seconds, scan = (statistics.median(s.seconds for s in all_) for all_ in (ours, theirs))
            memory = max(s.memory for s in ours) / 2**20
            each.append((events, seconds))
            told = f"{events:,} events of {people:,} people: {seconds:.1f} s, {memory:,.0f} MB at most; "
            told += f"Polars reading the columns of the events alone {scan:.1f} s: {seconds / scan:.2f} x"
            print(told, flush=True)
    for (few, short), (many, long) in pairwise(each):
        times, longer = many / few, long / short
        print(f"{times:.2f} x the events take {longer:.2f} x the time: {longer / times - 1:+.1%}")


if __name__ == "__main__":
    main()
