"""Rows dealt out to parts, each small enough for memory: on disk where there is more than one part.

A part's rows keep the order in which they were added. The folder is private and goes away with whatever holds it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

PART_ROWS = 1 << 19
"""Rows that a part should have, about."""
MOST_PARTS = 128
_WRITE_ROWS = 1 << 14


def parts_for(rows: int | None, part_rows: int = PART_ROWS) -> int:
    """How many parts so many rows need; as many as there may be where nobody knows."""
    return MOST_PARTS if rows is None else max(1, min(MOST_PARTS, -(-rows // part_rows)))


class Parts:
    """Rows of one schema in a fixed number of parts."""

    def __init__(self, folder: Path, name: str, schema: pa.Schema, parts: int) -> None:
        self.schema, self.parts = schema, parts
        self.rows = 0
        self._paths = [folder / f"{name}-{i}" for i in range(parts)]
        self._held: list[list[pa.RecordBatch]] = [[] for _ in range(parts)]
        self._counts = [0] * parts
        self._writers: list[Any] = [None] * parts

    def add(self, batch: pa.RecordBatch, part: NDArray[np.integer[Any]] | None) -> None:
        """Deal out the rows of a batch; ``part`` says where each goes (None if there is one part only)."""
        self.rows += batch.num_rows
        if self.parts == 1 or part is None:
            self._put(0, batch)
            return
        counts = np.bincount(part, minlength=self.parts)
        if (only := int(np.argmax(counts))) is not None and counts[only] == batch.num_rows:
            self._put(only, batch)
            return
        order = np.argsort(part.astype(np.uint8), kind="stable")
        dealt = batch.take(pa.array(order))
        at = 0
        for i in np.flatnonzero(counts).tolist():
            self._put(i, dealt.slice(at, int(counts[i])))
            at += int(counts[i])

    def _put(self, part: int, batch: pa.RecordBatch) -> None:
        self._held[part].append(batch)
        self._counts[part] += batch.num_rows
        if self.parts > 1 and self._counts[part] >= _WRITE_ROWS:
            self._flush(part)

    def _flush(self, part: int) -> None:
        held = self._held[part]
        if not held:
            return
        if self._writers[part] is None:
            self._writers[part] = pa.ipc.new_stream(str(self._paths[part]), self.schema)
        self._writers[part].write_table(pa.Table.from_batches(held, self.schema).combine_chunks())
        self._held[part], self._counts[part] = [], 0

    def finish(self) -> None:
        """No more rows; what is held goes to disk."""
        if self.parts > 1:
            for i in range(self.parts):
                self._flush(i)
                if self._writers[i] is not None:
                    self._writers[i].close()

    def take(self, part: int) -> pa.Table:
        """The rows of a part, in one piece a column; the part is gone then."""
        if self.parts == 1:
            held, self._held[0] = self._held[0], []
            return pa.Table.from_batches(held, self.schema).combine_chunks()
        if self._writers[part] is None:
            return self.schema.empty_table()
        with pa.OSFile(str(self._paths[part])) as file, pa.ipc.open_stream(file) as stream:
            found = stream.read_all().combine_chunks()
        self._paths[part].unlink()
        return found

    def __iter__(self) -> Iterator[pa.Table]:
        for i in range(self.parts):
            yield self.take(i)

    def close(self) -> None:
        """Let go of the files."""
        for i, writer in enumerate(self._writers):
            if writer is not None:
                writer.close()
                self._paths[i].unlink(missing_ok=True)


class Repeats:
    """Which of many 64-bit numbers occur more than once, exactly, in bounded memory."""

    def __init__(self, folder: Path, name: str, parts: int) -> None:
        self._rows = Parts(folder, name, pa.schema([("value", pa.int64())]), parts)

    def add(self, values: NDArray[np.int64]) -> None:
        batch = pa.record_batch([pa.array(values)], schema=self._rows.schema)
        self._rows.add(batch, spread(values, self._rows.parts))

    def finish(self) -> NDArray[np.int64]:
        """Those values, ascending."""
        self._rows.finish()
        found = []
        for table in self._rows:
            values = np.sort(column(table, "value").to_numpy(zero_copy_only=False))
            found.append(np.unique(values[1:][values[1:] == values[:-1]]))
        return np.sort(np.concatenate(found))

    def close(self) -> None:
        self._rows.close()


_MIX = np.uint64(0x9E3779B97F4A7C15)


def spread(values: NDArray[np.int64], parts: int) -> NDArray[np.uint8] | None:
    """A part for each number, the same for equal numbers; None where there is one part."""
    if parts == 1:
        return None
    mixed = (values.view(np.uint64) * _MIX) >> np.uint64(32)
    return (mixed % np.uint64(parts)).astype(np.uint8)


def spread_keys(keys: pa.Array, parts: int) -> NDArray[np.uint8] | None:
    """A part for each key, whole numbers or text."""
    if parts == 1:
        return None
    if pa.types.is_integer(keys.type):
        return spread(keys.to_numpy(zero_copy_only=False), parts)
    from popstrat.ids import hash_ids

    return (hash_ids(keys, np.uint64(0)) % np.uint64(parts)).astype(np.uint8)


def column(table: pa.Table, name: str) -> pa.Array:
    """A column of a table that is in one piece (or empty)."""
    found = table.column(name)
    if found.num_chunks == 1:
        return found.chunk(0)
    return found.combine_chunks() if found.num_chunks else pa.array([], found.type)
