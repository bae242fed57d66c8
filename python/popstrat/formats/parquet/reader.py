"""Parquet in, by pyarrow: a column at a time, batch by batch.

It is what `native_reader` falls back on for columns and chunks that the engine does not read, and with the backend
``arrow`` all there is.
"""

from __future__ import annotations

import itertools
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from operator import methodcaller
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from popstrat.core.lazy import parquet as pq
from popstrat.core.soundness import refuse_unsound
from popstrat.errors import InputError
from popstrat.formats.source import BATCH_ROWS, FilePart, FileSource, Kinds, reading
from popstrat.formats.workers import Workers

INT96 = "us"
"""What old timestamps are read as: nanoseconds reach from 1677 to 2262 only, and wrap around silently beyond."""
MOST_FOOTER = 1 << 25
"""Bytes of a footer that is read; a column chunk takes some 150 of them."""
TOO_MANY_PARTS = "describes too many row groups and columns to be held in memory; write the file with larger row groups"
MOST_PART = 1 << 22
"""Rows of a row group up to which the row groups are read apart from each other; of larger ones too many are held."""
_BUFFER = 1 << 20  # bytes of a column chunk that pyarrow holds at a time, which else are all of it


def _described(path: Path) -> tuple[pa.Schema, Any]:
    """A file's schema and metadata: by the part of pyarrow that `pyarrow.parquet` has them from, which is imported in a
    twentieth of the time; by that itself where another version of pyarrow wants to be asked otherwise."""
    try:
        from pyarrow._parquet import ParquetReader

        reader = ParquetReader()
        with pa.OSFile(os.fsencode(path)) as file:
            reader.open(file, coerce_int96_timestamp_unit=INT96, arrow_extensions_enabled=True)
            return reader.schema_arrow, reader.metadata
    except (ImportError, AttributeError, TypeError):
        with pq.ParquetFile(path, coerce_int96_timestamp_unit=INT96) as whole:
            return whole.schema_arrow, whole.metadata


class ParquetSource(FileSource):
    """A Parquet file. Text columns of the ``dictionary`` kinds are read as dictionaries, which costs less.

    With more than one of ``threads`` the columns of a batch are decoded side by side.
    """

    format = "parquet"

    def __init__(self, path: Path, kinds: Kinds, *, threads: int = 1) -> None:
        super().__init__(path)
        self._threads = threads
        footer = self._footer()
        if len(footer) > MOST_FOOTER or not self._has_room_for(footer):
            raise InputError(TOO_MANY_PARTS, file=self.name)
        with reading(self.name, "Parquet"):
            schema, self._metadata = _described(path)
            self._row_groups = [self._metadata.row_group(i).num_rows for i in range(self._metadata.num_row_groups)]
            self._opened()
        self.rows = self._metadata.num_rows
        if self.rows != sum(self._row_groups):
            raise InputError("is damaged: its row groups do not have the rows that it says", file=self.name)
        known = {f.name: kinds(f.name) for f in schema}
        labels = ("string", "category", "coded")
        self._as_dictionary = {f.name for f in schema if _is_text(f.type) and known[f.name] in labels}
        self._coded = {f.name for f in schema if known[f.name] == "coded"}
        fields = [
            f.with_type(pa.dictionary(pa.int32(), f.type)) if f.name in self._as_dictionary else f for f in schema
        ]
        self.schema = pa.schema(fields)
        self._check_names()

    def _footer(self) -> bytes:
        """The file's own description of itself, as long as it may be and a byte; nothing where there is none."""
        if self.bytes < 12:
            return b""
        with reading(self.name, "Parquet"), self.path.open("rb") as file:
            file.seek(-8, os.SEEK_END)
            size = int.from_bytes(file.read(4), "little")
            if size > self.bytes - 12:
                return b""
            file.seek(-8 - size, os.SEEK_END)
            return file.read(min(size, MOST_FOOTER + 1))

    def _has_room_for(self, footer: bytes) -> bool:
        """Whether there is room for what pyarrow makes of a footer."""
        return True

    def _opened(self) -> None:
        """A look at what the file says of itself."""

    def batches(self, columns: Sequence[str], *, batch_rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        yield from self._read(columns, range(len(self._row_groups)), batch_rows, self._threads)

    def parts(self, columns: Sequence[str], *, batch_rows: int = BATCH_ROWS) -> Sequence[FilePart] | None:
        if max(self._row_groups, default=0) > MOST_PART:
            return None
        firsts = itertools.accumulate(self._row_groups, initial=0)
        return [
            FilePart(first, partial(self._read, columns, [group], batch_rows, 1))
            for group, first in zip(range(len(self._row_groups)), firsts, strict=False)
        ]

    def _read(
        self, columns: Sequence[str], groups: Sequence[int], batch_rows: int, threads: int
    ) -> Iterator[pa.RecordBatch]:
        """The rows of some row groups, which follow one another."""
        columns = list(columns)
        with reading(self.name, "Parquet"), ExitStack() as stack:
            readers = self._readers(columns, batch_rows, stack)
            workers = stack.enter_context(Workers(min(threads, len(readers)), "popstrat-read"))
            kinds: list[pa.DataType] = []
            schema = pa.schema([])
            first_row = sum(self._row_groups[: groups[0]]) if groups else 0
            for group in groups:
                rows = self._row_groups[group]
                with _located(self.name, first_row):
                    for reader in readers:
                        reader.begin(group)
                for start in range(0, rows, batch_rows):
                    with _located(self.name, first_row + start):
                        arrays = workers.each(methodcaller("read", min(batch_rows, rows - start)), readers)
                    if kinds != (found := [array.type for array in arrays]) or not found:
                        kinds = found
                        schema = pa.schema(
                            [self.schema.field(n).with_type(k) for n, k in zip(columns, found, strict=True)]
                        )
                    yield pa.RecordBatch.from_arrays(arrays, schema=schema)
                first_row += rows

    def _readers(self, columns: Sequence[str], batch_rows: int, stack: ExitStack) -> Sequence[ColumnReader]:
        """A reader of each column, to be closed with the stack."""
        return [stack.enter_context(self._by_arrow(name, batch_rows)) for name in columns]

    def _by_arrow(self, name: str, batch_rows: int) -> ByArrow:
        return ByArrow(self.path, self._metadata, name, name in self._as_dictionary, batch_rows)


@contextmanager
def _located(name: str, row: int) -> Iterator[None]:
    """Say of what is wrong with a column which file it is in, and which row its rows are counted from."""
    try:
        yield
    except InputError as error:
        raise error.located(name, row) from error.__cause__


class ColumnReader(ABC):
    """A column, read a row group at a time."""

    @abstractmethod
    def begin(self, group: int) -> None:
        """Go to a row group."""

    @abstractmethod
    def read(self, rows: int) -> pa.Array:
        """The next rows of the row group."""

    @abstractmethod
    def close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class ByArrow(ColumnReader):
    """A column read by pyarrow."""

    def __init__(self, path: Path, metadata: Any, name: str, as_dictionary: bool, batch_rows: int) -> None:
        self._path, self._metadata, self.name, self._batch_rows = path, metadata, name, batch_rows
        self._as_dictionary = as_dictionary
        self._file: Any = None
        self._parts: Iterator[pa.RecordBatch] = iter(())
        self._rest: pa.Array | None = None
        self.before: Callable[[int], None] | None = None
        """What is to be asked before a row group is read; it may refuse."""

    def begin(self, group: int, *, skip: int = 0) -> None:
        self.close()
        if self.before is not None:
            self.before(group)
        with self._reading():
            self._file = pq.ParquetFile(
                self._path,
                metadata=self._metadata,
                page_checksum_verification=True,
                buffer_size=_BUFFER,
                coerce_int96_timestamp_unit=INT96,
            )
            self._parts = self._file.iter_batches(
                self._batch_rows, row_groups=[group], columns=[self.name], use_threads=False
            )
        for start in range(0, skip, self._batch_rows):
            self.read(min(self._batch_rows, skip - start))

    def read(self, rows: int) -> pa.Array:
        found: list[pa.Array] = []
        while rows > 0:
            if self._rest is None or not len(self._rest):
                with self._reading():
                    part = next(self._parts, None)
                    if part is None:
                        raise EOFError("a row group has fewer rows than its file says")
                self._rest = part.column(self.name)
            found.append(self._rest[:rows])
            self._rest = self._rest[rows:]
            rows -= len(found[-1])
        whole = found[0] if len(found) == 1 else pa.concat_arrays(found)
        refuse_unsound(whole, self.name)
        # pyarrow would make dictionaries itself, but not of every encoding.
        return whole.dictionary_encode() if self._as_dictionary else whole

    def _reading(self) -> AbstractContextManager[None]:
        return reading(str(self._path), "Parquet", self.name)

    def close(self) -> None:
        self._parts, self._rest = iter(()), None
        if self._file is not None:
            self._file.close()
            self._file = None


def _is_text(kind: pa.DataType) -> bool:
    # Arrow reads Parquet text as a dictionary only where the file does not ask for large or view text.
    return bool(pa.types.is_string(kind))
