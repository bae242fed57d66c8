"""Parquet in, by the engine: columns decoded batch by batch; what it does not read is left to pyarrow.

A column that is nested or of an unusual type is read by pyarrow from the start. Where the engine finds a column chunk
written in a way it does not read, pyarrow takes over that chunk from the batch at hand. What the engine finds damaged
is refused, even if pyarrow would make something of it.
"""

from __future__ import annotations

import itertools
import json
import os
import threading
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from popstrat.engine.formats.parquet_read import ChunkError, Column, Memory, chunks, footer_parts, largest_page, reads
from popstrat.errors import InputError
from popstrat.formats.parquet.reader import ByArrow, ColumnReader, ParquetSource

_DEEPEST = 64  # words of a column's path that may be its name
_MOST_PARTS = 1 << 19
"""Columns, row groups and column chunks of a file: a kilobyte each of pyarrow, and maybe three bytes of the footer."""
_UNFOLLOWED = 1 << 21  # bytes of a footer that only pyarrow can follow: all of it may be such parts
_UNITS = {"milliseconds": "ms", "microseconds": "us", "nanoseconds": "ns"}


class NativeParquetSource(ParquetSource):
    """A `ParquetSource` whose columns the engine decodes, as far as it can.

    Memory depends on the number of columns and on the size of a batch and of the file's pages, not on that of its row
    groups. Of pages, labels and a batch's text all columns together hold `parquet_read.MEMORY` bytes at most; a file
    that asks for more is refused. Of columns left to pyarrow the largest pages count, by their own headers.
    """

    def _has_room_for(self, footer: bytes) -> bool:
        parts = footer_parts(footer)
        return len(footer) <= _UNFOLLOWED if parts is None else parts <= _MOST_PARTS

    def _opened(self) -> None:
        schema = self._metadata.schema
        self._leaves = _flat_columns(schema)
        self._parts = _parts(schema)
        self._chunks = _chunks(self._footer(), self._metadata)

    def _readers(self, columns: Sequence[str], batch_rows: int, stack: ExitStack) -> Sequence[ColumnReader]:
        file = stack.enter_context(_File(self.path))
        memory = Memory()
        return [stack.enter_context(self._reader(name, file, batch_rows, memory)) for name in columns]

    def _reader(self, name: str, file: _File, batch_rows: int, memory: Memory) -> ColumnReader:
        arrow = self._by_arrow(name, batch_rows)
        if self._chunks is not None:
            arrow.before = _Room(name, self._chunks[:, self._parts[name]], file, memory)
        leaf, kind = self._leaves.get(name), self.schema.field(name).type
        if name in self._coded and (kind == pa.int64() or (pa.types.is_dictionary(kind) and not kind.ordered)):
            kind = pa.dictionary(pa.int32(), kind.value_type if pa.types.is_dictionary(kind) else kind)
        if self._chunks is None or leaf is None or not reads(kind, leaf.physical) or not leaf.counts_in_units_of(kind):
            return arrow
        column = Column(file.read_into, kind, leaf.physical, leaf.optional, memory)
        return ByEngine(column, self._row_groups, self._chunks[:, leaf.index], arrow)


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


def _flat_columns(schema: Any) -> dict[str, _Leaf]:
    columns = [schema.column(i) for i in range(len(schema))]
    paths = Counter(c.path for c in columns)  # "a.b" may be a column's name, and that of b in a
    return {
        c.path: _Leaf(i, c)
        for i, c in enumerate(columns)
        if paths[c.path] == 1 and c.max_repetition_level == 0 and c.max_definition_level <= 1
    }


def _parts(schema: Any) -> defaultdict[str, list[int]]:
    """The positions of the columns that a column of the table is made of: several where it is nested."""
    found: defaultdict[str, list[int]] = defaultdict(list)
    for i in range(len(schema)):
        words = schema.column(i).path.split(".")
        for name in itertools.accumulate(words[:_DEEPEST], "{}.{}".format):  # a name may have dots
            found[name].append(i)
    return found


def _chunks(footer: bytes, metadata: Any) -> NDArray[np.int64] | None:
    """What the footer says of the column chunks, or None if it is left to pyarrow."""
    try:
        return chunks(footer, metadata.num_row_groups, metadata.num_columns)
    except ChunkError:
        return None


class ByEngine(ColumnReader):
    """A column read by the engine, as far as it can."""

    def __init__(self, column: Column, row_groups: Sequence[int], chunks: NDArray[np.int64], arrow: ByArrow) -> None:
        self._column, self._row_groups, self._chunks, self._arrow = column, row_groups, chunks, arrow
        self._group = self._done = 0
        self._left_to_arrow = False

    def begin(self, group: int) -> None:
        self.close()
        self._group, self._done, self._left_to_arrow = group, 0, False
        try:
            self._column.open(self._row_groups[group], self._chunks[group].tolist())
        except ChunkError as error:
            self._leave_to_arrow(error)

    def read(self, rows: int) -> pa.Array:
        if not self._left_to_arrow:
            try:
                array = self._column.read(rows)
                self._done += rows
                return array
            except (ChunkError, pa.ArrowInvalid, OSError) as error:  # of Arrow: the codec's
                self._leave_to_arrow(error)
        return self._arrow.read(rows)

    def _leave_to_arrow(self, error: Exception) -> None:
        if isinstance(error, ChunkError) and error.final:
            raise InputError(str(error), column=self._arrow.name) from error
        self._left_to_arrow = True
        self._arrow.begin(self._group, skip=self._done)

    def close(self) -> None:
        self._arrow.close()


class _Room:
    """Refuses a row group of which pyarrow would have to hold more at a time than there is room for."""

    def __init__(self, name: str, chunks: NDArray[np.int64], file: _File, memory: Memory) -> None:
        self._name, self._chunks, self._file, self._memory = name, chunks, file, memory
        self._held = 0

    def __call__(self, group: int) -> None:
        held = 0
        for _, _, _, size, start, elsewhere, *_ in self._chunks[group].tolist():
            try:
                held += 0 if elsewhere else largest_page(self._file.read_into, start, size)
            except ChunkError as error:
                raise InputError(str(error), column=self._name) from error
        if not self._memory.take(held - self._held):
            raise InputError(
                f"asks for {held >> 20:,} MB of pages at a time, and all columns together may hold "
                f"{self._memory.most >> 20:,} MB; write the file with smaller pages", column=self._name,
            )  # fmt: skip
        self._held = held


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
