"""What every writer is: a sink for record batches whose bytes depend on the rows alone.

Batches are cut and joined to a fixed number of rows, and a text column that came in as a dictionary is coded again in
the order in which its values occur.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

from popstrat.core.arrow import is_text, without_views
from popstrat.core.version import STAMP


class Sink(ABC):
    """Takes record batches of one schema; `close` completes the file, `abort` lets go of it.

    ``rows`` counts what was written. ``schema`` is what the file holds: large and view text becomes plain text;
    dictionaries of data (the ``keys``) become plain text where the format holds one dictionary only.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = schema
        self.rows = 0

    @abstractmethod
    def write(self, batch: pa.RecordBatch) -> None:
        """Add rows, cast to the sink's schema where their types differ; raises `InputError` if they cannot be."""

    @abstractmethod
    def close(self) -> None:
        """Write what is left and complete the file."""

    @abstractmethod
    def abort(self) -> None:
        """Release the file without completing it; never raises."""


def written_schema(fields: Iterable[pa.Field], given: pa.Schema) -> pa.Schema:
    """A schema as it is stored: of the metadata that was given only what popstrat says itself. The rest is about how
    another program held the table, and may hold anything."""
    stamp = (given.metadata or {}).get(STAMP)
    return pa.schema(fields, metadata=None if stamp is None else {STAMP: stamp})


class BatchSink(Sink):
    """A sink whose bytes depend on where batches end: they are joined and cut to a fixed number of rows first."""

    def __init__(self, schema: pa.Schema, rows: int) -> None:
        super().__init__(schema)
        self._batches = Rechunker(rows)

    def write(self, batch: pa.RecordBatch) -> None:
        self.rows += batch.num_rows
        for full in self._batches.add(_conform(batch, self.schema)):
            self._write(full)

    def close(self) -> None:
        last = self._batches.rest()
        if last is not None:
            self._write(last)
        self._close()

    @abstractmethod
    def _write(self, batch: pa.RecordBatch) -> None: ...

    @abstractmethod
    def _close(self) -> None: ...


class Rechunker:
    """Joins and cuts batches to exactly ``rows`` rows each; every batch given out is contiguous."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._held: list[pa.RecordBatch] = []
        self._count = 0

    def add(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """Take a batch; give the full ones that are now complete."""
        at = 0
        while at < batch.num_rows:
            part = batch.slice(at, self._rows - self._count)
            self._held.append(part)
            self._count += part.num_rows
            at += part.num_rows
            if self._count == self._rows:
                yield self._joined()

    def rest(self) -> pa.RecordBatch | None:
        """What is left, shorter than the others; None if nothing is."""
        return self._joined() if self._count else None

    def _joined(self) -> pa.RecordBatch:
        held, self._held, self._count = self._held, [], 0
        if len(held) == 1:
            return held[0]
        table = pa.Table.from_batches(held).combine_chunks()
        return pa.RecordBatch.from_arrays([_one_chunk(c) for c in table.columns], schema=table.schema)


def _conform(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    if batch.schema.equals(schema):
        return batch
    columns = [
        column if column.type == field.type else without_views(column).cast(field.type)
        for column, field in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def stored(field: pa.Field, key: bool, dictionaries: bool) -> pa.Field:
    """The type a column is stored as; ids of any width are one type, so that files of one run agree."""
    kind = field.type
    if key and pa.types.is_integer(kind) and kind != pa.uint64():
        return field.with_type(pa.int64())
    if not is_text(kind) or (pa.types.is_dictionary(kind) and not key):
        return field
    coded = key and dictionaries and pa.types.is_dictionary(kind)
    return field.with_type(pa.dictionary(pa.int32(), pa.string()) if coded else pa.string())


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)


def quietly(file: Any) -> None:
    """Close a file that is going to be removed; what goes wrong no longer matters."""
    if file is not None:
        try:
            file.close()
        except Exception:
            return
