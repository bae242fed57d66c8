"""Types of columns: Arrow's as Spark has them, and Spark's as its executors hand them over."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.types as pt

_WIDER = {pa.uint8(): pa.int16(), pa.uint16(): pa.int32(), pa.uint32(): pa.int64(), pa.uint64(): pa.int64()}
_SIMPLE = {
    "boolean": pa.bool_(), "tinyint": pa.int8(), "smallint": pa.int16(), "int": pa.int32(), "bigint": pa.int64(),
    "float": pa.float32(), "double": pa.float64(), "string": pa.string(), "binary": pa.binary(), "date": pa.date32(),
    "timestamp": pa.timestamp("us", "UTC"), "timestamp_ntz": pa.timestamp("us"), "void": pa.null(),
}  # fmt: skip
_NAMES = {
    pa.bool_(): "boolean", pa.int8(): "tinyint", pa.int16(): "smallint", pa.int32(): "int", pa.int64(): "bigint",
    pa.float32(): "float", pa.float64(): "double", pa.string(): "string", pa.date32(): "date", pa.binary(): "binary",
}  # fmt: skip


def of_spark(told: str) -> pa.DataType | None:
    """The Arrow type of a column of this Spark type (as its ``simpleString`` says it); None for one that no column of
    a list can be of."""
    if told in _SIMPLE:
        return _SIMPLE[told]
    if found := re.fullmatch(r"decimal\((\d+),(-?\d+)\)", told):
        return pa.decimal128(int(found[1]), int(found[2]))
    return pa.string() if re.match(r"(var)?char\(|string\b", told) else None


def for_spark(kind: pa.DataType) -> pa.DataType:
    """The type that a scored column has in Spark: labels are text, numbers without a sign wider."""
    if pt.is_dictionary(kind) or pt.is_large_string(kind) or pt.is_string_view(kind):
        return pa.string()
    if pt.is_list(kind):
        return pa.list_(for_spark(kind.value_type))
    if pt.is_struct(kind):
        return pa.struct([(kind.field(i).name, for_spark(kind.field(i).type)) for i in range(kind.num_fields)])
    return _WIDER.get(kind, kind)


def to_spark(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """A scored batch with those types. The highest bit of `quality_flags` becomes the sign."""
    columns = [
        column if column.type == kind else column.cast(kind, safe=False)
        for column, kind in zip(batch.columns, schema.types, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def ddl(names: Sequence[str], kinds: Sequence[pa.DataType]) -> str:
    """The columns as Spark's DDL has them."""
    return ", ".join(f"{quoted(name)} {_ddl(kind)}" for name, kind in zip(names, kinds, strict=True))


def quoted(name: str) -> str:
    """The name of a column in Spark's quotes."""
    return "`" + name.replace("`", "``") + "`"


def _ddl(kind: pa.DataType) -> str:
    if pt.is_list(kind):
        return f"array<{_ddl(kind.value_type)}>"
    if pt.is_struct(kind):
        fields = (kind.field(i) for i in range(kind.num_fields))
        return f"struct<{', '.join(f'{quoted(f.name)}: {_ddl(f.type)}' for f in fields)}>"
    found: Any = _NAMES[kind]
    return str(found)
