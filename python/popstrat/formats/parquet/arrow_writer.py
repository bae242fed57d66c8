"""Parquet as pyarrow writes it: for lists and other types that the engine does not write, and for when its writer is
not wanted."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as pt

from popstrat.core.arrow import has_class
from popstrat.errors import InputError
from popstrat.formats.parquet.metadata import NESTED_ROW_GROUP_ROWS, ROW_GROUP_ROWS
from popstrat.formats.sink import BatchSink, quietly, stored, written_schema


class ArrowParquetSink(BatchSink):
    """zstd; row groups of ``rows``, held until they are complete. It writes types that the engine's does not.

    Dictionaries of ``keys`` are made anew in the order in which rows use them, so that the file does not depend on how
    rows came; of labels each row group holds all, in the order in which they came. Statistics are kept of keys, and of
    every column but labels if none is nested: pyarrow would count labels that no row uses.
    """

    def __init__(self, path: Path, schema: pa.Schema, keys: Collection[str], rows: int | None = None) -> None:
        nested = any(pt.is_nested(f.type) for f in schema)
        rows = rows or (NESTED_ROW_GROUP_ROWS if nested else ROW_GROUP_ROWS)
        super().__init__(written_schema((_stored(f, f.name in keys) for f in schema), schema), rows)
        for field in self.schema:
            _check_type(field)
        self._keys = keys
        others = () if nested else [f.name for f in self.schema if not pt.is_dictionary(f.type)]
        self._writer: Any = pq.ParquetWriter(
            str(path),
            self.schema,
            compression="zstd",
            compression_level=1,
            write_statistics=[f.name for f in self.schema if f.name in keys or f.name in others],
        )

    def _write(self, batch: pa.RecordBatch) -> None:
        columns = [self._sound(column, field) for column, field in zip(batch.columns, self.schema, strict=True)]
        whole = pa.RecordBatch.from_arrays(columns, schema=self.schema)
        self._writer.write_batch(whole, row_group_size=whole.num_rows)

    def _sound(self, column: pa.Array, field: pa.Field) -> pa.Array:
        """The column as it is written. Raises `InputError` naming it if it cannot be."""
        if column.null_count and not field.nullable:
            raise InputError("cannot be written: a null where every row needs a value", column=field.name)
        try:
            column.validate(full=True)
            if pt.is_dictionary(column.type) and (field.name in self._keys or column.dictionary.null_count):
                return column.dictionary_decode().dictionary_encode().cast(field.type)
        except pa.ArrowException:  # its message might quote a value
            fault = "an index outside its dictionary" if _index_outside(column) else "Arrow finds it damaged"
            raise InputError(f"cannot be written: {fault}", column=field.name) from None
        return column

    def _close(self) -> None:
        self._writer.close()

    def abort(self) -> None:
        quietly(self._writer)


def _stored(field: pa.Field, key: bool) -> pa.Field:
    """The type a column is stored as; pyarrow writes no dictionary of nothing."""
    field = stored(field, key, True)
    nothing = pt.is_dictionary(field.type) and pt.is_null(field.type.value_type)
    return field.with_type(pa.null()) if nothing else field


def _check_type(field: pa.Field) -> None:
    """Raises `InputError` for a type that Parquet has no place for."""
    try:
        if has_class(field.type):
            pq.ParquetWriter(pa.BufferOutputStream(), pa.schema([field])).close()
            return
    except pa.ArrowException:
        pass
    raise InputError(f"a column of type {field.type} cannot be written", column=field.name)


def _index_outside(column: pa.Array) -> bool:
    """Whether a valid row of a dictionary column points outside its dictionary."""
    if not pt.is_dictionary(column.type):
        return False
    size = len(column.dictionary)
    return any(index is not None and not 0 <= index < size for index in column.indices.to_pylist())
