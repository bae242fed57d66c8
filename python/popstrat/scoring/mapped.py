"""Tables in memory under our names and with our values, by a column map or by names that differ in capitals only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from popstrat.errors import InputError
from popstrat.packs.patient_table import Column, Schema
from popstrat.packs.spellings import with_remedy

if TYPE_CHECKING:
    from popstrat.packs.column_map import ColumnMap, MapPlan

GivenMap = str | Path | Mapping[str, Any]
"""A column map: the path of a TOML file, or its content."""


def map_given(mapping: GivenMap | None, known: Mapping[str, Column]) -> ColumnMap | None:
    """A map as a caller gave it. Raises `InputError` for one that cannot be read."""
    if mapping is None:
        return None
    from popstrat.packs.map_file import load_map, parse_map  # here, because most calls have no map

    return parse_map(mapping, known) if isinstance(mapping, Mapping) else load_map(mapping, known)


def needs_plan(names: Iterable[str], column_map: ColumnMap | None, known: Mapping[str, Column]) -> bool:
    """Whether a table's columns are not simply those of ours that it names."""
    return column_map is not None or any(n not in known and n.strip().lower() in known for n in names)


def plan_of(names: Sequence[str], column_map: ColumnMap | None, schema: Schema) -> MapPlan:
    """How to read a table with these column names. Raises `InputError` if it is not what the map says."""
    from popstrat.packs.column_map import NO_MAP  # as above

    if twice := next((n for n in names if names.count(n) > 1), None):
        raise InputError("two columns have this name", column=twice)
    return (column_map or NO_MAP).plan(names, schema.columns)


def kept_columns(plan: MapPlan, table: pa.Schema, schema: Schema, read: Sequence[str]) -> tuple[pa.Schema, list[str]]:
    """The schema of a table under our names, and those of its columns that are kept: what is ``read``, and what we do
    not know. As in files, values of other columns are not looked at."""
    whole = plan.schema(table)
    wanted = schema.kept(whole.names, read)
    return whole, [n for n in whole.names if n in wanted or n not in schema]


def mapped(table: pa.Table, plan: MapPlan, schema: Schema, read: Sequence[str]) -> tuple[pa.Table, list[str]]:
    """The table under our names and with our values, and the names of its columns. Raises `InputError`."""
    whole, kept = kept_columns(plan, table.schema, schema, read)
    batches, first = [], 0
    for batch in table.to_batches():
        batches.append(mapped_batch(batch, plan, kept, first))
        first += batch.num_rows
    return pa.Table.from_batches(batches, pa.schema([whole.field(n) for n in kept])), kept


def mapped_batch(batch: pa.RecordBatch, plan: MapPlan, kept: Sequence[str], first: int = 0) -> pa.RecordBatch:
    """The same of a batch whose first row is that one of a table."""
    try:
        return plan.apply(batch, kept)
    except InputError as error:
        raise with_remedy(error).located(None, first) from None
