"""Sinks: a scored table written as Parquet, Arrow IPC or CSV, and outputs that appear together or not at all.

The bytes of a file depend on the rows alone: batches are cut and joined to a fixed number of rows, and a text column
that came in as a dictionary is coded again in the order in which its values occur.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import pyarrow as pa

from popstrat.errors import InputError
from popstrat.schema import is_text

ARROW_BATCH_ROWS = 1 << 17

_SUFFIXES: dict[str, Literal["parquet", "arrow", "csv"]] = {".parquet": "parquet", ".arrow": "arrow", ".csv": "csv"}


class Outputs:
    """Files that appear whole, together, or not at all.

    Each is written under a hidden name beside its target and renamed by `commit`, in the order they were added.
    Leaving the ``with`` block without `commit` removes whatever was written.
    """

    def __init__(self) -> None:
        self._pending: list[tuple[Path, Path]] = []

    def add(self, target: str | Path) -> Path:
        """Create and return the hidden file for ``target``. Raises `InputError` if the folder cannot take it."""
        target = Path(target)
        real = target.resolve()  # through a link: the link stays, its target is replaced
        partial = real.with_name(f".{real.name[:200]}.{secrets.token_hex(4)}.partial")
        if real.exists() and not real.is_file():
            raise InputError("cannot be written: something that is not a file has that name", file=str(target))
        self._pending.append((partial, real))  # first: an interrupt must not leave an unknown file behind
        try:
            partial.touch(exist_ok=False)
        except FileNotFoundError:
            raise InputError("cannot be written: there is no such folder", file=str(target)) from None
        except PermissionError:
            raise InputError("cannot be written: the folder may not be written to", file=str(target)) from None
        except OSError as error:
            raise InputError(f"cannot be written: {error.strerror}", file=str(target)) from None
        return partial

    def commit(self, *, fsync: bool = False) -> None:
        """Give every file its name; if one cannot have it, none of them stays."""
        try:
            for partial, _ in self._pending if fsync else ():
                with partial.open("rb") as file:
                    os.fsync(file.fileno())
            for partial, target in self._pending:
                partial.replace(target)
        except BaseException:
            for partial, target in self._pending:
                if not partial.exists():  # it has its name already, but may not stay alone
                    target.unlink(missing_ok=True)
            self.abort()
            raise
        self._pending.clear()

    def abort(self) -> None:
        """Remove what was written; safe to call at any time."""
        while self._pending:
            with contextlib.suppress(OSError):
                self._pending[-1][0].unlink(missing_ok=True)
            self._pending.pop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.abort()


def check_target(target: str | Path, inputs: Collection[Path] = ()) -> None:
    """Raise `InputError` if ``target`` has no known extension or is one of the input files."""
    target = Path(target)
    if target.suffix.lower() not in _SUFFIXES:
        raise InputError("the output should end in .parquet, .arrow or .csv", file=str(target))
    for path in inputs:
        if target.exists() and path.exists() and target.samefile(path):
            raise InputError("is an input; choose another name for the output", file=str(target))


@contextlib.contextmanager
def writing(target: str | Path) -> Iterator[None]:
    """Name the file in an ``OSError`` that does not, as Arrow's do not."""
    try:
        yield
    except OSError as error:
        if error.filename is not None:
            raise
        number = error.errno or errno.EIO
        raise OSError(number, os.strerror(number), str(target)) from error


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


def open_sink(
    path: Path,
    schema: pa.Schema,
    *,
    form: str,
    keys: Collection[str] = (),
    encoding: str = "utf-8",
    rows: int | None = None,
    threads: int = 1,
) -> Sink:
    """Open ``path`` (usually from `Outputs.add`) to be written in the format of the extension ``form``.

    ``keys`` are the columns passed through from the input: text of any kind, with statistics kept in Parquet. ``rows``
    overrides the rows to a row group or batch. ``encoding`` is for CSV, ``threads`` for Parquet and CSV.
    """
    kind = _SUFFIXES[form.lower()]
    if any(pa.types.is_nested(field.type) for field in schema) and kind != "arrow":
        from popstrat.attribution import as_text
        from popstrat.io.nested import NESTED_ROW_GROUP_ROWS, ArrowParquetSink, ListsAsText

        if kind == "parquet":
            return ArrowParquetSink(path, schema, keys, rows or NESTED_ROW_GROUP_ROWS)
        return ListsAsText(
            schema,
            as_text,
            lambda flat: open_sink(path, flat, form=form, keys=keys, encoding=encoding, threads=threads),
        )
    if kind == "parquet":
        from popstrat.io.parquetsink import ROW_GROUP_ROWS, ParquetSink

        return ParquetSink(path, schema, keys, rows or ROW_GROUP_ROWS, threads=max(1, threads // 2))
    if kind == "arrow":
        return ArrowSink(path, schema, keys, rows or ARROW_BATCH_ROWS)
    from popstrat.io.csvsink import CsvSink

    return CsvSink(path, schema, encoding, threads)


class ArrowSink(BatchSink):
    """An uncompressed Arrow IPC file, which others can map into memory as it is."""

    def __init__(self, path: Path, schema: pa.Schema, keys: Collection[str], rows: int) -> None:
        super().__init__(pa.schema([stored(f, f.name in keys, False) for f in schema]), rows)
        self._writer = pa.ipc.new_file(str(path), self.schema)

    def _write(self, batch: pa.RecordBatch) -> None:
        # IPC writes buffers as they are, spare bytes and what lies under nulls included; a gather leaves neither.
        every = pa.py_buffer(np.arange(batch.num_rows, dtype=np.int32))
        self._writer.write_batch(batch.take(pa.Array.from_buffers(pa.int32(), batch.num_rows, [None, every])))

    def _close(self) -> None:
        self._writer.close()

    def abort(self) -> None:
        quietly(self._writer)


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
        column if column.type == field.type else plain_text(column).cast(field.type)
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


def plain_text(column: pa.Array) -> pa.Array:
    """The column with text views, in a dictionary or not, as plain text: Arrow cannot gather or encode views."""
    if pa.types.is_dictionary(column.type):
        if not pa.types.is_string_view(column.dictionary.type):
            return column
        return pa.DictionaryArray.from_arrays(column.indices, column.dictionary.cast(pa.string()))
    return column.cast(pa.large_string()) if pa.types.is_string_view(column.type) else column


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)


def quietly(file: Any) -> None:
    """Close a file that is going to be removed; what goes wrong no longer matters."""
    if file is not None:
        try:
            file.close()
        except Exception:
            return
