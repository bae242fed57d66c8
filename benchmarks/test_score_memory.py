"""Scoring in memory: the whole built-in pack, against the same rules written by hand for Polars and for DuckDB, against
the streaming floor, against itself on one thread and on tidier input.

The peers start from a frame or a table that is already in their own shape, labels encoded, and give the same columns;
a second row shows each without the plausibility checks, which is less than popstrat does. Neither counts groups nor
looks whether an id is repeated.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import compare
import duckdb
import numpy as np
import peer_duckdb
import peer_polars
import polars as pl
import pyarrow as pa
import pytest
from measuring import CORES, Versus

import popstrat
from popstrat.bench import measure as bench

Peer = tuple[str, Callable[[], object]]
THREADS = sorted({1, CORES})


@pytest.fixture(scope="module")
def expected(table: pa.Table, as_of: dt.date) -> pa.Table:
    return popstrat.score(table, as_of=as_of)


@pytest.fixture(scope="module")
def polars_peer(frame: pl.DataFrame, expected: pa.Table, as_of: dt.date) -> Peer:
    assert compare.differences(expected, peer_polars.score_frame(frame, as_of)) == {}
    return "Polars", lambda: peer_polars.score_frame(frame, as_of)


@pytest.mark.parametrize("threads", THREADS)
def test_polars(table: pa.Table, as_of: dt.date, threads: int, polars_peer: Peer, versus: Versus) -> None:
    """The library call as it is: with the pack read, and the ids checked for uniqueness."""
    versus(
        "score a table",
        lambda: popstrat.score(table, as_of=as_of, threads=threads),
        patients=len(table),
        threads=threads,
        peer=polars_peer,
        faster="memory-polars" if threads == CORES else "",
    )


def test_polars_in_memory_engine(table: pa.Table, frame: pl.DataFrame, as_of: dt.date, versus: Versus) -> None:
    """Polars' other engine; the streaming one is the faster for this query."""
    versus(
        "score a table",
        lambda: popstrat.score(table, as_of=as_of),
        patients=len(table),
        threads=CORES,
        peer=("Polars, in-memory engine", lambda: peer_polars.score_frame(frame, as_of, engine="in-memory")),
    )


def test_polars_without_checks(
    table: pa.Table, frame: pl.DataFrame, expected: pa.Table, as_of: dt.date, versus: Versus
) -> None:
    theirs = peer_polars.score_frame(frame, as_of, checks=False)
    assert compare.differences(expected, theirs, flags=False) == {}
    versus(
        "score a table",
        lambda: popstrat.score(table, as_of=as_of),
        patients=len(table),
        threads=CORES,
        peer=("Polars, no checks", lambda: peer_polars.score_frame(frame, as_of, checks=False)),
        faster="memory-polars-unchecked",
    )


def test_polars_columns_of_version_1(table: pa.Table, frame: pl.DataFrame, as_of: dt.date, versus: Versus) -> None:
    """Version 1.0.0 of the pack against its columns in Polars, so that figures can be compared over time. Three of them
    follow newer rules there, which take no less work."""
    newer = {"mltc_int_segment", "mltc_int_priority", "expected_cost_2014"}
    theirs = peer_polars.score_frame(frame, as_of, since_2=False)
    assert compare.differences(popstrat.score(table, as_of=as_of, pack="london-2026@1.0.0"), theirs).keys() <= newer
    versus(
        "score a table, columns of 1.0.0",
        lambda: popstrat.score(table, as_of=as_of, pack="london-2026@1.0.0"),
        patients=len(table),
        threads=CORES,
        peer=("Polars", lambda: peer_polars.score_frame(frame, as_of, since_2=False)),
        faster="memory-polars-1.0",
    )


@pytest.mark.parametrize("checks", [True, False], ids=["checks", "without"])
def test_duckdb(
    table: pa.Table,
    database: duckdb.DuckDBPyConnection,
    expected: pa.Table,
    as_of: dt.date,
    checks: bool,
    versus: Versus,
) -> None:
    """To an Arrow table, as a caller would take it."""
    theirs = peer_duckdb.score(database, as_of, checks=checks)
    assert compare.differences(expected, theirs, flags=checks) == {}
    versus(
        "score a table",
        lambda: popstrat.score(table, as_of=as_of),
        patients=len(table),
        threads=CORES,
        peer=("DuckDB" if checks else "DuckDB, no checks", lambda: peer_duckdb.score(database, as_of, checks=checks)),
        faster="memory-duckdb" if checks else "",
    )


def test_batch(table: pa.Table, expected: pa.Table, as_of: dt.date, polars_peer: Peer, versus: Versus) -> None:
    """One batch on one thread, the pack compiled beforehand, as a worker of a larger system would call it."""
    scorer = popstrat.Scorer(as_of=as_of)
    batch = table.to_batches()[0]
    assert pa.Table.from_batches([scorer.score_batch(batch)]).equals(expected)
    versus("score a batch", lambda: scorer.score_batch(batch), patients=len(table), threads=1, peer=polars_peer)


@pytest.mark.parametrize("threads", THREADS)
def test_floor(table: pa.Table, expected: pa.Table, as_of: dt.date, threads: int, versus: Versus) -> None:
    """Against reading the bytes that scoring reads and writing those that it writes, once, and computing nothing."""
    read, written = bench.traffic(table, expected)
    floor = bench.streaming_floor(read, written, threads)
    versus(
        "score a table",
        lambda: popstrat.score(table, as_of=as_of, threads=threads),
        patients=len(table),
        threads=threads,
        peer=(f"the floor ({(read + written) / len(table):.0f} bytes a patient)", floor),
        peer_threads=threads,
        cost="memory-floor" if threads == CORES else "",
    )


@pytest.mark.parametrize("threads", sorted({2, CORES} | {2**i for i in range(2, CORES.bit_length())}))
def test_threads(table: pa.Table, as_of: dt.date, threads: int, versus: Versus) -> None:
    """Against itself on one thread."""
    one, several = (popstrat.score(table, as_of=as_of, threads=n) for n in (1, threads))
    assert one.equals(several)
    versus(
        "score a table",
        lambda: popstrat.score(table, as_of=as_of, threads=threads),
        patients=len(table),
        threads=threads,
        peer=("popstrat", lambda: popstrat.score(table, as_of=as_of, threads=1)),
        peer_threads=1,
        faster="threads-2" if threads == 2 else "",
    )


def _chunks(table: pa.Table) -> pa.Table:
    """In 20 chunks whose bitmaps begin within a byte."""
    step = -(-len(table) // 20) | 1
    return pa.concat_tables([table.slice(start, step) for start in range(0, len(table), step)])


def _text(table: pa.Table) -> pa.Table:
    """Labels, codes and names as plain strings."""
    text = {f.name for f in table.schema if pa.types.is_dictionary(f.type)}
    return pa.table({c: table[c].cast(pa.string()) if c in text else table[c] for c in table.column_names})


def _shuffled(table: pa.Table) -> pa.Table:
    """Ids in no order."""
    mixed = table["patient_id"].take(pa.array(np.random.default_rng(1).permutation(len(table))))
    return table.set_column(0, "patient_id", mixed.combine_chunks())


UNTIDY: dict[str, tuple[str, Callable[[pa.Table], pa.Table]]] = {
    "untidy-chunks": ("20 chunks", _chunks),
    "untidy-text": ("labels as text", _text),
    "untidy-ids": ("shuffled ids", _shuffled),
    "untidy-all": ("20 chunks, text, shuffled ids", lambda table: _chunks(_text(_shuffled(table)))),
}


@pytest.mark.parametrize("figure", UNTIDY)
def test_input(table: pa.Table, expected: pa.Table, as_of: dt.date, figure: str, versus: Versus) -> None:
    """Against the tidy list: one chunk, labels encoded, ids ascending."""
    what, make = UNTIDY[figure]
    untidy = make(table)
    scored = popstrat.score(untidy, as_of=as_of).drop(list(peer_polars.KEYS))
    assert scored.combine_chunks().equals(expected.drop(list(peer_polars.KEYS)).combine_chunks())
    versus(
        f"score a table, {what}",
        lambda: popstrat.score(untidy, as_of=as_of),
        patients=len(table),
        threads=CORES,
        peer=("popstrat, tidy", lambda: popstrat.score(table, as_of=as_of)),
        cost=figure,
    )
