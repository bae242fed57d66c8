"""The peer as a program of its own, file to file, with nothing imported that it does not need.

    polars_script.py score LIST OUTPUT DATE     # scan, the whole pack as expressions, sink
    polars_script.py copy LIST OUTPUT SCORED    # the bare copy: read what scoring reads, write what it writes

The copy computes nothing: it reads the columns of the list that scoring needs and lets them go, then writes a scored
table. That table has to come from somewhere: it is loaded first, and how long that took is printed, on the clock and in
processor time, to be taken off. Reading and writing at once is quicker here than a streaming scan and sink.
"""

from __future__ import annotations

import datetime as dt
import sys
import time
from typing import Any

import peer_polars
import polars as pl

# popstrat's codec; statistics cost time
ZSTD: dict[str, Any] = {"compression": "zstd", "compression_level": 1, "statistics": False}


def score(source: str, target: str, as_of: dt.date, *, checks: bool = True) -> None:
    peer_polars.lazy(pl.scan_parquet(source), as_of, checks=checks).sink_parquet(target, **ZSTD)


def copy(source: str, target: str, scored: str) -> tuple[float, float]:
    """Seconds and processor seconds spent on loading the scored table."""
    start, used = time.perf_counter(), time.process_time()
    table = pl.read_parquet(scored)
    seconds, cpu = time.perf_counter() - start, time.process_time() - used
    names = (*peer_polars.KEYS, *peer_polars.DATES, *peer_polars.CATEGORIES, *peer_polars.NUMBERS, *peer_polars.FLAGS)
    pl.read_parquet(source, columns=list(names))
    table.write_parquet(target, **ZSTD)
    return seconds, cpu


if __name__ == "__main__":
    what, source, target, last = sys.argv[1:]
    if what == "score":
        score(source, target, dt.date.fromisoformat(last))
    else:
        print(*copy(source, target, last))
