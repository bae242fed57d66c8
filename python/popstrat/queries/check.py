"""A pack's SELECT run beside the engine: every cell that differs, by the definition that it comes from."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from popstrat.errors import InputError
from popstrat.packs import DEFAULT_PACK
from popstrat.packs.kinds.registry import KINDS
from popstrat.packs.pack import Pack
from popstrat.packs.patient_table import ID, KEY_COLUMNS, PLACE_COLUMNS
from popstrat.queries.call import sql
from popstrat.scoring import unique_ids
from popstrat.scoring.scorer import Scorer

NEAR = 1e-12
"""How far unrounded numbers may lie apart, of one: `exp` is each engine's own."""
SAMPLE = 100_000
"""Rows that are compared."""
_ROWS_SHOWN = 5


@dataclass(frozen=True)
class Differing:
    """The cells of one column that differ: how many, the first rows (from 1), and the definition."""

    column: str
    definition: str
    title: str
    cells: int
    rows: tuple[int, ...]


@dataclass(frozen=True)
class Checked:
    """What came of the comparison."""

    rows: int
    columns: int
    differing: tuple[Differing, ...]

    @property
    def cells(self) -> int:
        return self.rows * self.columns


def sampled(tables: Iterable[pa.Table], rows: int = SAMPLE) -> tuple[pa.Table, int]:
    """At most so many rows of a list that comes in parts, evenly spread; and of how many rows each is one."""
    whole = pa.concat_tables(list(tables), promote_options="permissive")
    step = max(1, -(-whole.num_rows // rows))
    return (whole if step == 1 else whole.take(pa.array(np.arange(0, whole.num_rows, step)))), step


def check(
    table: pa.Table, pack: str | Path | Pack = DEFAULT_PACK, as_of: str | dt.date | None = None, *,
    profile: str = "direct-care",
) -> Checked:  # fmt: skip
    """Score a table with the engine, and with the pack's SELECT in DuckDB, and compare them cell by cell.

    Numbers that are written rounded may differ by one unit in the last place; others by `NEAR`. Raises `InputError`
    for the table, ids that occur twice among it, and where DuckDB is not installed.
    """
    try:
        import duckdb
    except ImportError:
        raise InputError("--check needs DuckDB: pip install 'popstrat[sql]'") from None
    scorer = Scorer(pack, as_of, profile=profile)
    text = sql(scorer.pack, scorer.as_of, dialect="duckdb", table="patients", columns=table.schema, profile=profile)
    ours = pa.Table.from_batches(
        list(scorer.score_batches(table.to_batches())), scorer.bind(table.schema).output_schema
    )
    with duckdb.connect() as connection:
        connection.register("patients", table)
        theirs = connection.sql(text).to_arrow_table()
    return compared(scorer, ours, theirs.take(_places(ours, theirs)))


def _places(ours: pa.Table, theirs: pa.Table) -> pa.Array:
    """In which row of theirs each of our people stands: DuckDB keeps no order."""
    unique_ids.check_unique(ours[ID])
    return pc.index_in(ours[ID].combine_chunks(), theirs[ID].combine_chunks())


def compared(scorer: Scorer, ours: pa.Table, theirs: pa.Table) -> Checked:
    """The columns of two scored tables whose rows are in the same order."""
    if ours.num_rows != theirs.num_rows or ours.column_names != theirs.column_names:
        raise InputError(
            f"the engine gives {ours.num_rows:,} rows of {ours.num_columns} columns, the SELECT {theirs.num_rows:,} of "
            f"{theirs.num_columns}"
        )
    by_output = {d.output: d for d in scorer.resolved.outputs}
    found = []
    for name in ours.column_names:
        definition = by_output.get(name)
        decimals = None if definition is None else KINDS[definition.kind].places(definition.raw)
        apart = differing(ours[name], theirs[name], decimals)
        if len(apart):
            rows = tuple(int(i) + 1 for i in apart[:_ROWS_SHOWN])
            told = ("", "") if definition is None else (definition.id, definition.title)
            found.append(Differing(name, *told, len(apart), rows))
    compared_columns = [n for n in ours.column_names if n not in (*KEY_COLUMNS, *PLACE_COLUMNS)]
    return Checked(ours.num_rows, len(compared_columns), tuple(found))


def differing(a: pa.ChunkedArray, b: pa.ChunkedArray, decimals: int | None = None) -> np.ndarray[Any, Any]:
    """The rows whose cells differ."""
    a, b = _plain(a), _plain(b)
    null_a, null_b = (pc.is_null(x).to_numpy(zero_copy_only=False) for x in (a, b))
    apart = null_a != null_b
    both = ~null_a & ~null_b
    if pa.types.is_floating(a.type):
        x, y = (pc.fill_null(v, 0.0).to_numpy() for v in (a, pc.cast(b, pa.float64())))
        allowed = NEAR * np.maximum(1.0, np.abs(x)) + (0.0 if decimals is None else 10.0**-decimals)
        apart |= both & ~(np.abs(x - y) <= allowed)
    else:
        if a.type != b.type:
            b = pc.cast(b, a.type)
        equal = pc.fill_null(pc.equal(a, b), True).to_numpy(zero_copy_only=False)
        apart |= both & ~equal
    return np.flatnonzero(apart)


def _plain(column: pa.ChunkedArray) -> pa.Array:
    array = column.combine_chunks()
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_string_view(array.type) or pa.types.is_large_string(array.type):
        array = array.cast(pa.string())
    return array
