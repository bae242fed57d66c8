"""``--map FILE``: another extract's column names and values, so that it needs no rewriting.

A TOML file of up to three tables, always with popstrat's own column on the left and the file's on the right::

    [columns]                      # our name = "the file's name"
    patient_id = "PatientKey"
    systolic_bp = "BP Systolic"

    [values.sex]                   # the file's value = ours; one table for each column, under our name
    "Woman" = "female"
    "Not recorded" = ""            # "" is no record

    [values.hypertension]
    "Y" = true
    "N" = false

    [const]                        # a column that the file lacks and that is the same in every row
    practice_code = "E85001"

Values are compared as text, exactly. A value that no line mentions stays as it is. A column of the file that already
has our name gives way to one that is mapped onto that name.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from popstrat.core.arrow import without_views
from popstrat.core.text import suggest
from popstrat.errors import InputError
from popstrat.formats import Kind
from popstrat.packs.flags import FALSE, TRUE
from popstrat.schema import Column, fold_label

Value = str | bool | int | float | dt.date

_TABLES = ("columns", "values", "const")
_ROWS_NAMED = 5
_PARSED: dict[Kind, pa.DataType] = {"bool": pa.bool_(), "int": pa.float64(), "float": pa.float64(), "date": pa.date32()}


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
                    f"[columns] {ours} = {theirs!r}: the input has no such column{suggest(theirs, names)}",
                    file=self.name,
                )
        for ours in self.const:
            if ours in names and ours not in self.columns.values():
                raise InputError(f"[const] {ours}: the input has that column already", file=self.name)
        taken = set(self.columns.values())
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
        return _PARSED.get(self._kind(ours), pa.dictionary(pa.int32(), pa.string()))

    def _mapped(self, ours: str, column: pa.Array) -> pa.Array:
        column = without_views(column)
        coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        table = self.map.values[ours]
        texts = [table.get(text, text) if text is not None else None for text in _texts(coded.dictionary)]
        kind = self._kind(ours)
        if kind not in _PARSED:
            return _with_values(coded, pa.array(texts, pa.string()))
        values = [_parse(text, kind) for text in texts]
        bad = [i for i, value in enumerate(values) if value is _BAD]
        if bad:
            rows = np.flatnonzero(np.isin(np.asarray(coded.indices.fill_null(-1)), bad))
            raise InputError(
                f"holds a value that [values.{ours}] does not map and that is not a {_SPOKEN[kind]}",
                column=ours,
                rows=[int(r) for r in rows[:_ROWS_NAMED]],
                more=max(0, len(rows) - _ROWS_NAMED),
            )
        return pa.array(values, _PARSED[kind]).take(coded.indices)

    def _const(self, ours: str) -> pa.Scalar:
        kind = self._kind(ours)
        return pa.scalar(_parse(self.map.const[ours], kind), _PARSED.get(kind, pa.string()))


def load_map(path: str | Path, known: Mapping[str, Column]) -> ColumnMap:
    """Read a mapping file. Raises `InputError` that names the file and the key at fault."""
    path = Path(path)
    name = str(path)
    try:
        raw = path.read_bytes()
        content = tomllib.loads(raw.decode("utf-8-sig"))
    except FileNotFoundError:
        raise InputError("there is no such mapping file", file=name) from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=name) from None
    except UnicodeDecodeError:
        raise InputError("is not in UTF-8", file=name) from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"is not valid TOML: {error}", file=name) from None
    return parse_map(content, known, name=name, sha256=hashlib.sha256(raw).hexdigest())


def parse_map(
    content: Mapping[str, Any], known: Mapping[str, Column], *, name: str = "map", sha256: str = ""
) -> ColumnMap:
    """A mapping from TOML's tables; raises `InputError` for an unknown table, column or label."""
    for table in content:
        if table not in _TABLES:
            raise InputError(f"[{table}]: unknown table{suggest(table, _TABLES)}", file=name)
        if not isinstance(content[table], Mapping):
            raise InputError(f"{table}: must be a table, written [{table}]", file=name)
    columns = content.get("columns", {})
    for ours, theirs in columns.items():
        _check_column("columns", ours, known, name, swapped=isinstance(theirs, str) and theirs in known)
        if not isinstance(theirs, str):
            raise InputError(f"[columns] {ours}: needs the name of one column, in quotes", file=name)
    twice = sorted({t for t in columns.values() if list(columns.values()).count(t) > 1})
    if twice:
        both = " and ".join(o for o, t in columns.items() if t == twice[0])
        raise InputError(f"[columns] {both}: both are mapped onto the one column {twice[0]!r}", file=name)
    values: dict[str, dict[str, str | None]] = {}
    for ours, table in content.get("values", {}).items():
        _check_column("values", ours, known, name)
        if not isinstance(table, Mapping):
            raise InputError(f"[values.{ours}]: must be a table of the file's values", file=name)
        if known[ours].type == "id":
            raise InputError(f"[values.{ours}]: ids cannot be mapped", file=name)
        values[ours] = {
            str(theirs): _our_value(f"[values.{ours}] {theirs!r}", value, known[ours], name)
            for theirs, value in table.items()
        }
    const: dict[str, str] = {}
    for ours, value in content.get("const", {}).items():
        _check_column("const", ours, known, name)
        if ours in columns:
            raise InputError(f"[const] {ours}: is mapped in [columns] too", file=name)
        text = _our_value(f"[const] {ours}", value, known[ours], name)
        if text is None or known[ours].type == "id":
            raise InputError(f"[const] {ours}: cannot be the same in every row", file=name)
        const[ours] = text
    return ColumnMap(dict(columns), values, const, name, sha256, dict(content))


def _check_column(table: str, ours: str, known: Mapping[str, Column], name: str, *, swapped: bool = False) -> None:
    if ours not in known:
        written = '; it is written our_name = "their name"' if swapped else ""
        advice = suggest(ours, known) or written
        raise InputError(f"[{table}] {ours}: popstrat has no such column{advice}", file=name)


def _our_value(where: str, value: object, column: Column, name: str) -> str | None:
    """A value of ours as text, checked against the column; None for ""."""
    if isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, dt.datetime) or not isinstance(value, str | int | float | dt.date):
        raise InputError(f"{where}: needs text, a number, true, false or a date", file=name)
    else:
        text = str(value)
    if text == "":
        return None
    if column.type == "category" and fold_label(text) not in column.label_codes():
        labels = ", ".join(column.labels)
        raise InputError(
            f"{where}: {text!r} is not a label of {column.name}{suggest(text, column.labels)}: it has {labels}",
            file=name,
        )
    if column.type in _PARSED and _parse(text, column.type) is _BAD:
        raise InputError(f"{where}: {text!r} is not a {_SPOKEN[column.type]}", file=name)
    return text


_BAD = object()
_SPOKEN: dict[Kind, str] = {
    "bool": "boolean (true, false, 1 or 0)",
    "int": "number",
    "float": "number",
    "date": "date (YYYY-MM-DD)",
}


def _parse(text: str | None, kind: Kind) -> Any:
    """Text as a value of a kind; None for none, `_BAD` where it is not one."""
    if text is None or (kind in _PARSED and not text.strip()):
        return None
    try:
        if kind == "bool":
            lowered = text.strip().casefold()
            return True if lowered in TRUE else False if lowered in FALSE else _BAD
        if kind in ("int", "float"):
            return _BAD if "_" in text else float(text)
        if kind == "date":
            return dt.date.fromisoformat(text) if len(text) == 10 else _BAD
    except ValueError:
        return _BAD
    return text


def _texts(values: pa.Array) -> list[str | None]:
    """Distinct values as the text that a mapping file would use for them; a NaN is no record."""
    if pa.types.is_floating(values.type) or pa.types.is_decimal(values.type):
        return [
            None if v is None or v != v else str(int(v)) if float(v).is_integer() else str(v)
            for v in values.to_pylist()
        ]
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
