"""Scoring in memory: the whole built-in pack, against the same rules written by hand for Polars and for DuckDB.

The peers do less than popstrat does: they check no plausibility, set no quality flags, count nothing and trust the ids.
They start from a frame or a table that is already in their own shape, labels encoded.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable

import compare
import duckdb
import peer_duckdb
import peer_polars
import polars as pl
import pyarrow as pa
import pytest
from measuring import Versus

import popstrat

Peer = tuple[str, Callable[[], object]]
CORES = os.cpu_count() or 1
THREADS = sorted({1, CORES})


@pytest.fixture(scope="module")
def expected(table: pa.Table, as_of: dt.date) -> pa.Table:
    return popstrat.score(table, as_of=as_of)


@pytest.fixture(scope="module")
def polars_peer(frame: pl.DataFrame, expected: pa.Table, as_of: dt.date) -> Peer:
    assert compare.differences(expected, peer_polars.score_frame(frame, as_of)) == {}
    return "Polars", lambda: peer_polars.score_frame(frame, as_of)


@pytest.fixture(scope="module")
def duckdb_peer(database: duckdb.DuckDBPyConnection, expected: pa.Table, as_of: dt.date) -> Peer:
    assert compare.differences(expected, peer_duckdb.score(database, as_of)) == {}
    return "DuckDB", lambda: peer_duckdb.score(database, as_of)


@pytest.fixture(params=["polars_peer", "duckdb_peer"], ids=["polars", "duckdb"])
def peer(request: pytest.FixtureRequest) -> Peer:
    found: Peer = request.getfixturevalue(request.param)
    return found


@pytest.mark.parametrize("threads", THREADS)
def test_score(table: pa.Table, as_of: dt.date, threads: int, peer: Peer, versus: Versus) -> None:
    """The library call as it is: with the pack read and compiled, and the ids checked for uniqueness."""
    versus(
        "score a table",
        lambda: popstrat.score(table, as_of=as_of, threads=threads),
        patients=len(table),
        threads=threads,
        peer=peer,
    )


def test_score_batch(table: pa.Table, expected: pa.Table, as_of: dt.date, peer: Peer, versus: Versus) -> None:
    """One batch on one thread, the pack compiled beforehand, as a worker of a larger system would call it."""
    scorer = popstrat.Scorer(as_of=as_of)
    batch = table.to_batches()[0]
    assert pa.Table.from_batches([scorer.score_batch(batch)]).equals(expected)
    versus("score a batch", lambda: scorer.score_batch(batch), patients=len(table), threads=1, peer=peer)
