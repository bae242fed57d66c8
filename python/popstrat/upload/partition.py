"""Rows dealt out to partitions, each small enough for memory: on disk where there is more than one.

A partition's rows keep the order in which they were added. The folder is private and goes away with whatever holds it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from popstrat.scoring.unique_ids import hash_ids

PARTITION_ROWS = 1 << 19
"""Rows that a partition should have, about."""
MOST_PARTITIONS = 128
_WRITE_ROWS = 1 << 14


def partitions_for(rows: int | None, partition_rows: int = PARTITION_ROWS) -> int:
    """How many partitions so many rows need; as many as there may be where nobody knows."""
    return MOST_PARTITIONS if rows is None else max(1, min(MOST_PARTITIONS, -(-rows // partition_rows)))


class Partitions:
    """Rows of one schema in a fixed number (``count``) of partitions."""

    def __init__(self, folder: Path, name: str, schema: pa.Schema, count: int) -> None:
        self.schema, self.count = schema, count
        self.rows = 0
        self._paths = [folder / f"{name}-{i}" for i in range(count)]
        self._held: list[list[pa.RecordBatch]] = [[] for _ in range(count)]
        self._held_rows = [0] * count
        self._writers: list[Any] = [None] * count

    def add(self, batch: pa.RecordBatch, partition: NDArray[np.integer[Any]] | None) -> None:
        """Deal out the rows of a batch; ``partition`` says where each goes (None if there is one only)."""
        self.rows += batch.num_rows
        if self.count == 1 or partition is None:
            self._hold(0, batch)
            return
        counts = np.bincount(partition, minlength=self.count)
        most = int(np.argmax(counts))
        if counts[most] == batch.num_rows:
            self._hold(most, batch)
            return
        order = np.argsort(partition.astype(np.uint8), kind="stable")
        dealt = batch.take(pa.array(order))
        at = 0
        for i in np.flatnonzero(counts).tolist():
            self._hold(i, dealt.slice(at, int(counts[i])))
            at += int(counts[i])

    def _hold(self, i: int, batch: pa.RecordBatch) -> None:
        self._held[i].append(batch)
        self._held_rows[i] += batch.num_rows
        if self.count > 1 and self._held_rows[i] >= _WRITE_ROWS:
            self._flush(i)

    def _flush(self, i: int) -> None:
        held = self._held[i]
        if not held:
            return
        if self._writers[i] is None:
            self._writers[i] = pa.ipc.new_stream(str(self._paths[i]), self.schema)
        self._writers[i].write_table(pa.Table.from_batches(held, self.schema).combine_chunks())
        self._held[i], self._held_rows[i] = [], 0

    def finish(self) -> None:
        """No more rows; what is held goes to disk."""
        if self.count > 1:
            for i in range(self.count):
                self._flush(i)
                if self._writers[i] is not None:
                    self._writers[i].close()

    def pop(self, i: int) -> pa.Table:
        """The rows of a partition, in one piece a column; the partition is gone then."""
        if self.count == 1:
            held, self._held[0] = self._held[0], []
            return pa.Table.from_batches(held, self.schema).combine_chunks()
        if self._writers[i] is None:
            return self.schema.empty_table()
        with pa.OSFile(str(self._paths[i])) as file, pa.ipc.open_stream(file) as stream:
            found = stream.read_all().combine_chunks()
        self._paths[i].unlink()
        return found

    def __iter__(self) -> Iterator[pa.Table]:
        for i in range(self.count):
            yield self.pop(i)

    def close(self) -> None:
        """Close and remove the files."""
        for i, writer in enumerate(self._writers):
            if writer is not None:
                writer.close()
                self._paths[i].unlink(missing_ok=True)


class Repeats:
    """Which of many 64-bit numbers occur more than once, exactly, in bounded memory."""

    def __init__(self, folder: Path, name: str, partitions: int) -> None:
        self._rows = Partitions(folder, name, pa.schema([("value", pa.int64())]), partitions)

    def add(self, values: NDArray[np.int64]) -> None:
        batch = pa.record_batch([pa.array(values)], schema=self._rows.schema)
        self._rows.add(batch, partition_of_numbers(values, self._rows.count))

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


def partition_of_numbers(values: NDArray[np.int64], count: int) -> NDArray[np.uint8] | None:
    """A partition for each number, the same for equal numbers; None where there is one partition."""
    if count == 1:
        return None
    mixed = (values.view(np.uint64) * _MIX) >> np.uint64(32)
    return (mixed % np.uint64(count)).astype(np.uint8)


def partition_of_keys(keys: pa.Array, count: int) -> NDArray[np.uint8] | None:
    """A partition for each key, whole numbers or text."""
    if count == 1:
        return None
    if pa.types.is_integer(keys.type):
        return partition_of_numbers(keys.to_numpy(zero_copy_only=False), count)
    return (hash_ids(keys, np.uint64(0)) % np.uint64(count)).astype(np.uint8)


def partition_of_practices(practice: NDArray[np.int32], count: int) -> NDArray[np.uint8]:
    """A partition for each practice (by its index), so that no practice is in two."""
    return (practice % count).astype(np.uint8)


def column(table: pa.Table, name: str) -> pa.Array:
    """A column of a table that is in one piece (or empty)."""
    found = table.column(name)
    if found.num_chunks == 1:
        return found.chunk(0)
    return found.combine_chunks() if found.num_chunks else pa.array([], found.type)
