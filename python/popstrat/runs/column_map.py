"""The column map applied: a file's columns under our names, with our values."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from popstrat.core.arrow import without_views
from popstrat.core.text import suggest
from popstrat.errors import InputError, shown_name
from popstrat.formats import Kind
from popstrat.packs.flags import FALSE, TRUE
from popstrat.packs.patient_table import Column, refuse_spellings

_ROWS_NAMED = 5
ARROW_TYPES: dict[Kind, pa.DataType] = {
    "bool": pa.bool_(),
    "int": pa.float64(),
    "float": pa.float64(),
    "date": pa.date32(),
}


@dataclass(frozen=True)
class ColumnMap:
    """A mapping, checked against the columns that popstrat knows.

    ``columns`` is our name → the file's; ``values`` our name → {the file's value as text: ours, as text, or None for no
    record}; ``const`` our name → value as text.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)
    const: Mapping[str, str] = field(default_factory=dict)
    name: str = ""
    sha256: str = ""
    content: Mapping[str, Any] = field(default_factory=dict)

    def kind(self, theirs: str, known: Mapping[str, Column]) -> Kind | None:
        """What a column of the file holds, for reading CSV: cells whose values are mapped are read as text."""
        ours = next((o for o, t in self.columns.items() if t == theirs), theirs)
        if ours in self.values:
            return "text"
        return known[ours].type if ours in known else None

    def plan(self, names: Sequence[str], known: Mapping[str, Column]) -> MapPlan:
        """How to read a file with these column names. Raises `InputError` if it lacks a column that is mapped."""
        for ours, theirs in self.columns.items():
            if theirs not in names:
                raise InputError(
                    f"[columns] {ours} = {shown_name(theirs)}: the input has no such column{suggest(theirs, names)}",
                    file=self.name,
                )
        for ours in self.const:
            if ours in names and ours not in self.columns.values():
                raise InputError(f"[const] {ours}: the input has that column already", file=self.name)
        taken = set(self.columns.values())
        refuse_spellings((name for name in names if name not in taken), known)
        renamed = {theirs: ours for ours, theirs in self.columns.items()}
        sources = {ours: theirs for theirs, ours in renamed.items()}
        hidden: list[str] = []
        for name in names:
            if name in taken:
                continue
            if name in sources:
                hidden.append(name)
            else:
                sources[name] = name
        for ours in self.values:
            if ours not in sources:
                raise InputError(f"[values.{ours}]: the input has no column {ours!r}", file=self.name)
        return MapPlan(self, {ours: sources[ours] for ours in _in_file_order(sources, names)}, tuple(hidden), known)


@dataclass(frozen=True)
class MapPlan:
    """A mapping applied to one file: ``sources`` is our name → the file's column, in the file's order; ``hidden`` the
    columns of the file that a mapped one takes the name of."""

    map: ColumnMap
    sources: Mapping[str, str]
    hidden: tuple[str, ...]
    known: Mapping[str, Column]

    def schema(self, schema: pa.Schema) -> pa.Schema:
        """The file's schema after renaming, mapping values and adding constants."""
        fields = []
        for ours, theirs in self.sources.items():
            kind = schema.field(theirs).type
            fields.append(pa.field(ours, self._mapped_type(ours) if ours in self.map.values else kind))
        constant = [pa.field(ours, _repeated(self._const(ours), 0).type) for ours in self.map.const]
        return pa.schema(fields + constant)

    def wanted(self, ours: Sequence[str]) -> list[str]:
        """The file's names of those of our columns that it has."""
        return [self.sources[o] for o in ours if o in self.sources]

    def apply(self, batch: pa.RecordBatch, ours: Sequence[str]) -> pa.RecordBatch:
        """A batch of the columns `wanted`, under our names and with our values; constants are added if asked for.

        Raises `InputError` with the column and rows of the batch for a value that cannot be what it is mapped to be.
        """
        names, columns = [], []
        for name in ours:
            if name in self.sources:
                column = batch.column(batch.schema.get_field_index(self.sources[name]))
                names.append(name)
                columns.append(self._mapped(name, column) if name in self.map.values else column)
            elif name in self.map.const:
                names.append(name)
                columns.append(_repeated(self._const(name), batch.num_rows))
        return pa.RecordBatch.from_arrays(columns, names=names)

    def _kind(self, ours: str) -> Kind:
        return self.known[ours].type if ours in self.known else "text"

    def _mapped_type(self, ours: str) -> pa.DataType:
        return ARROW_TYPES.get(self._kind(ours), pa.dictionary(pa.int32(), pa.string()))

    def _mapped(self, ours: str, column: pa.Array) -> pa.Array:
        column = without_views(column)
        coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        table = self.map.values[ours]
        texts = [table.get(text, text) if text is not None else None for text in _texts(coded.dictionary)]
        kind = self._kind(ours)
        if kind not in ARROW_TYPES:
            return _with_values(coded, pa.array(texts, pa.string()))
        values = [parse_value(text, kind) for text in texts]
        bad = [i for i, value in enumerate(values) if value is UNREADABLE]
        if bad:
            rows = np.flatnonzero(np.isin(np.asarray(coded.indices.fill_null(-1)), bad))
            raise InputError(
                f"holds a value that [values.{ours}] does not map and that is not a {IN_WORDS[kind]}",
                column=ours,
                rows=[int(r) for r in rows[:_ROWS_NAMED]],
                more=max(0, len(rows) - _ROWS_NAMED),
            )
        return pa.array(values, ARROW_TYPES[kind]).take(coded.indices)

    def _const(self, ours: str) -> pa.Scalar:
        kind = self._kind(ours)
        return pa.scalar(parse_value(self.map.const[ours], kind), ARROW_TYPES.get(kind, pa.string()))


UNREADABLE = object()
IN_WORDS: dict[Kind, str] = {
    "bool": "boolean (true, false, 1 or 0)",
    "int": "number",
    "float": "number",
    "date": "date (YYYY-MM-DD)",
}


def parse_value(text: str | None, kind: Kind) -> Any:
    """Text as a value of a kind; None for none, `UNREADABLE` where it is not one."""
    if text is None or (kind in ARROW_TYPES and not text.strip()):
        return None
    try:
        if kind == "bool":
            lowered = text.strip().casefold()
            return True if lowered in TRUE else False if lowered in FALSE else UNREADABLE
        if kind in ("int", "float"):
            return UNREADABLE if "_" in text else float(text)
        if kind == "date":
            return dt.date.fromisoformat(text) if len(text) == 10 else UNREADABLE
    except ValueError:
        return UNREADABLE
    return text


def _texts(values: pa.Array) -> list[str | None]:
    """Distinct values as the text that a mapping file would use for them; a NaN is no record."""
    if pa.types.is_floating(values.type) or pa.types.is_decimal(values.type):
        found = (None if v is None or v != v else v for v in values.to_pylist())
        return [None if v is None else str(int(v)) if math.isfinite(v) and v == int(v) else str(v) for v in found]
    if pa.types.is_boolean(values.type):
        return [None if v is None else str(v).lower() for v in values.to_pylist()]
    return [None if v is None else str(v) for v in values.to_pylist()]


def _with_values(coded: pa.Array, values: pa.Array) -> pa.Array:
    """A dictionary column with other values; where two became one, or none, the codes follow."""
    distinct = values.dictionary_encode()
    return pa.DictionaryArray.from_arrays(distinct.indices.take(coded.indices), distinct.dictionary)


def _repeated(value: pa.Scalar, rows: int) -> pa.Array:
    if pa.types.is_string(value.type):
        return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([value.as_py()]))
    return pa.repeat(value, rows)


def _in_file_order(sources: Mapping[str, str], names: Sequence[str]) -> list[str]:
    place = {name: i for i, name in enumerate(names)}
    return sorted(sources, key=lambda ours: place[sources[ours]])


NO_MAP = ColumnMap()
