"""What it costs that a list is in a frame of Polars, pandas or DuckDB, in one process, in turn, beside a pyarrow table.

    python benchmarks/frames.py [ROWS]

Results are checked first; times are medians of rounds in which every kind has a turn, and ratios are of medians to that
of the pyarrow table.
"""

from __future__ import annotations

import datetime as dt
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa

import popstrat
from popstrat import synthetic

AS_OF = dt.date(2026, 6, 30)
ROUNDS = 11


def kinds(table: pa.Table) -> dict[str, Callable[[], Any]]:
    """Each kind of thing, scored."""
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    text = frame.with_columns(pl.col(pl.Categorical).cast(pl.String))
    of_arrow, usual = table.to_pandas(types_mapper=pd.ArrowDtype), table.to_pandas()
    plain = usual.astype({n: object for n in usual.columns if isinstance(usual[n].dtype, pd.CategoricalDtype)})
    connection = duckdb.connect()
    connection.register("given", table)
    connection.execute("create table people as select * from given")
    relation = connection.table("people")

    def score(given: Any) -> Callable[[], Any]:
        return lambda: popstrat.score(given, AS_OF)

    return {
        "pyarrow table": score(table),
        "Polars, categories": score(frame),
        "Polars, text": score(text),
        "Polars, categories, a frame back": lambda: popstrat.polars.score(frame, AS_OF),
        "pandas, Arrow types": score(of_arrow),
        "pandas, usual types": score(usual),
        "pandas, objects": score(plain),
        "DuckDB relation": score(relation),
    }


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 300_000
    table = synthetic.table(rows, seed=3, as_of=AS_OF).combine_chunks()
    made = kinds(table)
    expected = popstrat.score(table, AS_OF)
    for name, run in made.items():
        found = run()
        found = found.to_arrow() if isinstance(found, pl.DataFrame) else found
        for column in ("patient_id", "admission_risk", "expected_cost_2014", "quality_flags"):
            assert found[column].cast(expected[column].type).equals(expected[column]), (name, column)
        assert found["need_rag"].to_pylist() == expected["need_rag"].to_pylist(), name
    times: dict[str, list[float]] = {name: [] for name in made}
    for _ in range(ROUNDS):
        for name, run in made.items():
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
    base = statistics.median(times["pyarrow table"])
    print(f"{rows:,} rows, {table.num_columns} columns, {ROUNDS} rounds")
    for name, some in times.items():
        median = statistics.median(some)
        print(f"{name:34} {1000 * median:8.1f} ms {median / base:6.2f} x")


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main()
