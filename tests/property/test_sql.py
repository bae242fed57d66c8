"""Packs as SQL: DuckDB's cells are the engine's, for the packs that popstrat has and for generated ones."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pyarrow as pa
import pytest
from generated import tables
from hypothesis import given, settings
from hypothesis import strategies as st
from test_packs import READ, scorer_of_a_pack

from popstrat.queries.check import check

duckdb = pytest.importorskip("duckdb")
AS_OF_DAY = dt.date(2026, 6, 30)


@settings(max_examples=3 * settings.default.max_examples)
@given(st.data())
def test_duckdb_gives_the_cells_of_the_engine(data: Any) -> None:
    """Definitions of all kinds, over tables whose columns come in any of the types that are accepted."""
    scorer = scorer_of_a_pack(data)
    table = tables(data.draw, scorer.resolved, READ, least=1, most=70, canonical=True)
    found = check(pa.Table.from_batches([table.batch]), scorer.pack, scorer.as_of)
    assert not found.differing
