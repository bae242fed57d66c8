"""A pack's own SELECT in DuckDB, beside the statement that somebody wrote by hand for it.

pytest benchmarks/test_sql.py --patients 2.5M
"""

from __future__ import annotations

import datetime as dt

import compare
import duckdb
import peer_duckdb
import pyarrow as pa
from measuring import CORES, Versus

import popstrat


def test_by_hand(table: pa.Table, database: duckdb.DuckDBPyConnection, as_of: dt.date, versus: Versus) -> None:
    """Both to an Arrow table, on the same columns, plausibility checks and every column of the scored table with it."""
    text = popstrat.sql("london-2026", as_of, dialect="duckdb", columns=table.schema)

    def ours() -> pa.Table:
        return database.sql(text).to_arrow_table()

    assert compare.differences(popstrat.score(table, as_of=as_of), ours()) == {}
    versus(
        "a pack's SELECT in DuckDB",
        ours,
        patients=len(table),
        threads=CORES,
        peer=("by hand", lambda: peer_duckdb.score(database, as_of)),
        cost="sql-by-hand",
    )
