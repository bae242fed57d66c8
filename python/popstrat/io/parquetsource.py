"""Parquet in: columns decoded by the engine, batch by batch; what it does not read is left to pyarrow.

A column that is nested or of an unusual type is read by pyarrow from the start. Where the engine finds a column chunk
damaged, or written in a way it does not read, pyarrow takes over that chunk from the batch at hand, and its word on
whether the file is sound is final.
"""

from __future__ import annotations

import json
import os
import threading
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from operator import methodcaller
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from popstrat.engine._parquet_read import ChunkError, Column, chunks, reads
from popstrat.io.sources import BATCH_ROWS, FileSource, Kinds, reading

T = TypeVar("T")
R = TypeVar("R")
_UNITS = {"milliseconds": "ms", "microseconds": "us", "nanoseconds": "ns"}


class ParquetSource(FileSource):
    """A Parquet file. Text columns of the ``dictionary`` kinds are read as dictionaries, which costs less.

    With more than one of ``threads`` the columns of a batch are decoded side by side. Memory depends on the number
    of columns and on the size of a batch and of the file's pages, not on that of its row groups.
    """

    format = "parquet"

    def __init__(self, path: Path, kinds: Kinds, *, threads: int = 1) -> None:
        super().__init__(path)
        self._threads = threads
        with reading(self.name, "Parquet"), pq.ParquetFile(path) as file:
            schema, self._metadata = file.schema_arrow, file.metadata
            self._leaves = _flat_columns(file.schema)
            self._row_groups = [self._metadata.row_group(i).num_rows for i in range(self._metadata.num_row_groups)]
            self._chunks = _chunks(path, self._metadata)
        self.rows = self._metadata.num_rows
        self._as_dictionary = {f.name for f in schema if _is_text(f.type) and kinds(f.name) in ("string", "category")}
        fields = [
            f.with_type(pa.dictionary(pa.int32(), f.type)) if f.name in self._as_dictionary else f for f in schema
        ]
        self.schema = pa.schema(fields)
        self._check_names()

    def batches(self, columns: Sequence[str], *, batch_rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        columns = list(columns)
        with reading(self.name, "Parquet"), ExitStack() as stack:
            file = stack.enter_context(_File(self.path))
            readers = [stack.enter_context(self._reader(name, file, batch_rows)) for name in columns]
            each = stack.enter_context(_Workers(min(self._threads, len(readers))))
            for group, rows in enumerate(self._row_groups):
                for reader in readers:
                    reader.begin(group)
                for start in range(0, rows, batch_rows):
                    arrays = each(methodcaller("read", min(batch_rows, rows - start)), readers)
                    fields = [self.schema.field(n).with_type(a.type) for n, a in zip(columns, arrays, strict=True)]
                    yield pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))

    def _reader(self, name: str, file: _File, batch_rows: int) -> _Reader:
        arrow = _ByArrow(self.path, self._metadata, name, name in self._as_dictionary, batch_rows)
        leaf, kind = self._leaves.get(name), self.schema.field(name).type
        if self._chunks is None or leaf is None or not reads(kind, leaf.physical) or not leaf.counts_in_units_of(kind):
            return arrow
        column = Column(file.read_into, kind, leaf.physical, leaf.optional)
        return _ByEngine(column, self._row_groups, self._chunks[:, leaf.index].tolist(), arrow)


class _Leaf:
    """A column of the file that is not nested: its position, and what it holds."""

    def __init__(self, index: int, column: Any) -> None:
        self.index = index
        self.physical: str = column.physical_type
        self.optional = column.max_definition_level == 1
        self._unit: str | None = json.loads(column.logical_type.to_json()).get("timeUnit")

    def counts_in_units_of(self, kind: pa.DataType) -> bool:
        """Whether the file's numbers are the array's; pyarrow converts times where they are not."""
        return not pa.types.is_timestamp(kind) or _UNITS.get(self._unit or "") == kind.unit


def _flat_columns(schema: pq.ParquetSchema) -> dict[str, _Leaf]:
    columns = [schema.column(i) for i in range(len(schema))]
    paths = Counter(c.path for c in columns)  # "a.b" may be a column's name, and that of b in a
    return {
        c.path: _Leaf(i, c)
        for i, c in enumerate(columns)
        if paths[c.path] == 1 and c.max_repetition_level == 0 and c.max_definition_level <= 1
    }


def _chunks(path: Path, metadata: pq.FileMetaData) -> NDArray[np.int64] | None:
    """What the footer says of the column chunks, or None if it is left to pyarrow."""
    with path.open("rb") as file:
        file.seek(-8, os.SEEK_END)
        size = int.from_bytes(file.read(4), "little")
        file.seek(-8 - size, os.SEEK_END)
        footer = file.read(size)
    try:
        return chunks(footer, metadata.num_row_groups, metadata.num_columns)
    except ChunkError:
        return None


class _Reader(ABC):
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


class _ByEngine(_Reader):
    """A column read by the engine, as far as it can."""

    def __init__(
        self, column: Column, row_groups: Sequence[int], chunks: Sequence[Sequence[int]], arrow: _ByArrow
    ) -> None:
        self._column, self._row_groups, self._chunks, self._arrow = column, row_groups, chunks, arrow
        self._group = self._done = 0
        self._left_to_arrow = False

    def begin(self, group: int) -> None:
        self.close()
        self._group, self._done, self._left_to_arrow = group, 0, False
        try:
            self._column.open(self._row_groups[group], self._chunks[group])
        except ChunkError:
            self._leave_to_arrow()

    def read(self, rows: int) -> pa.Array:
        if not self._left_to_arrow:
            try:
                array = self._column.read(rows)
                self._done += rows
                return array
            except (ChunkError, pa.ArrowInvalid, OSError):  # of Arrow: the codec's
                self._leave_to_arrow()
        return self._arrow.read(rows)

    def _leave_to_arrow(self) -> None:
        self._left_to_arrow = True
        self._arrow.begin(self._group, skip=self._done)

    def close(self) -> None:
        self._arrow.close()


class _ByArrow(_Reader):
    """A column read by pyarrow."""

    def __init__(self, path: Path, metadata: pq.FileMetaData, name: str, as_dictionary: bool, batch_rows: int) -> None:
        self._path, self._metadata, self._name, self._batch_rows = path, metadata, name, batch_rows
        self._as_dictionary = as_dictionary
        self._file: pq.ParquetFile | None = None
        self._parts: Iterator[pa.RecordBatch] = iter(())
        self._rest: pa.Array | None = None

    def begin(self, group: int, *, skip: int = 0) -> None:
        self.close()
        self._file = pq.ParquetFile(self._path, metadata=self._metadata)
        self._parts = self._file.iter_batches(
            self._batch_rows, row_groups=[group], columns=[self._name], use_threads=False
        )
        for start in range(0, skip, self._batch_rows):
            self.read(min(self._batch_rows, skip - start))

    def read(self, rows: int) -> pa.Array:
        found: list[pa.Array] = []
        while rows > 0:
            if self._rest is None or not len(self._rest):
                part = next(self._parts, None)
                if part is None:
                    raise EOFError("a row group has fewer rows than its file says")
                self._rest = part.column(self._name)
            found.append(self._rest[:rows])
            self._rest = self._rest[rows:]
            rows -= len(found[-1])
        whole = found[0] if len(found) == 1 else pa.concat_arrays(found)
        # pyarrow would make dictionaries itself, but not of every encoding.
        return whole.dictionary_encode() if self._as_dictionary else whole

    def close(self) -> None:
        self._parts, self._rest = iter(()), None
        if self._file is not None:
            self._file.close()
            self._file = None


class _File:
    """The bytes of a file, for several threads. Not mapped: a file that is cut short while it is read must not kill."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb", buffering=0)
        self._lock = threading.Lock()

    def read_into(self, buffer: memoryview, offset: int) -> None:
        """Fill the buffer with what stands at an offset. Raises ``EOFError`` where the file ends before."""
        while len(buffer):
            if hasattr(os, "preadv"):
                done = os.preadv(self._file.fileno(), [buffer], offset)
            else:
                with self._lock:
                    self._file.seek(offset)
                    done = self._file.readinto(buffer) or 0
            if not done:
                raise EOFError("the file has become shorter")
            buffer, offset = buffer[done:], offset + done

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._file.close()


class _Workers:
    """Do something for each of several items, on so many threads, the caller's being one of them."""

    def __init__(self, threads: int) -> None:
        self._others = max(threads - 1, 0)
        self._pool = ThreadPoolExecutor(self._others, thread_name_prefix="popstrat-read") if self._others else None

    def __call__(self, work: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """The results, in order. Raises what the work raised, after all of it has stopped."""
        if self._pool is None:
            return [work(item) for item in items]
        results: dict[int, R] = {}
        todo, lock = iter(range(len(items))), threading.Lock()

        def take() -> int | None:
            with lock:
                return next(todo, None)

        def run() -> None:
            while (i := take()) is not None:
                results[i] = work(items[i])

        helpers = [self._pool.submit(run) for _ in range(self._others)]
        try:
            run()
        finally:
            wait(helpers)
        for helper in helpers:
            helper.result()
        return [results[i] for i in range(len(items))]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._pool is not None:
            self._pool.shutdown()


def _is_text(kind: pa.DataType) -> bool:
    # Arrow reads Parquet text as a dictionary only where the file does not ask for large or view text.
    return bool(pa.types.is_string(kind))
