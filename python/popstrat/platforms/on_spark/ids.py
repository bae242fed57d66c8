"""Keys of all partitions compared, without bringing them together.

Each partition gives a 64-bit hash of each id, in buckets by its highest bits, a few rows for all. A bucket of all
partitions is sorted in one place. Equal hashes only suggest equal ids: where there are any, the ids that have them are
compared by Spark itself. Ids stay on the executors, and in no message.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from popstrat.core.plain_types import plain
from popstrat.core.soundness import refuse_nulls
from popstrat.packs.column_map import MapPlan
from popstrat.packs.keys import as_read
from popstrat.packs.patient_table import ID

BUCKET, HASHES = "popstrat bucket", "popstrat hashes"
_BITS = 4
_MOST = 1 << 20  # hashes of a row
_LOCATED = 100  # of the repeated hashes of a bucket, so many are looked for again

REPEATED = pa.schema([("many", pa.int64()), ("hashes", pa.list_(pa.int64()))])
PLACES = pa.schema([("hash", pa.int64()), ("id", pa.string()), ("partition", pa.int32()), ("row", pa.int64())])


@dataclass(frozen=True)
class IdReader:
    """Reads the ids of a batch, and what else it has under our ``names``; by a ``plan`` where those are not its own."""

    names: tuple[str, ...]
    plan: MapPlan | None

    def ours(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch under our names. Raises `InputError`."""
        return batch if self.plan is None else self.plan.apply(batch, list(self.names))

    def ids(self, batch: pa.RecordBatch) -> pa.Array:
        """Its ids as they are compared. Raises `InputError`."""
        found = self.ours(batch)
        column = found.column(found.schema.get_field_index(ID))
        made = plain(column.type, whole=True)
        return as_read(column if made is None else made.convert(column, ID), "key", ID).column


class Collected:
    """The hashes of the ids of one partition."""

    def __init__(self, key: int) -> None:
        self._key = np.uint64(key)
        self._hashes: list[NDArray[np.uint64]] = []

    def add(self, ids: pa.Array) -> None:
        """The ids of the next batch, as they are compared. Raises `InputError` for null ones."""
        from popstrat.scoring.unique_ids import comparable, hash_ids  # here: slow to import

        refuse_nulls(ids, ID)
        self._hashes.append(hash_ids(comparable(ids), self._key))

    def buckets(self) -> Iterator[tuple[int, bytes]]:
        """Bucket → hashes, as bytes; several of a bucket where there are many."""
        if not self._hashes:
            return
        hashes = np.sort(np.concatenate(self._hashes))
        firsts = np.arange(1, 1 << _BITS, dtype=np.uint64) << np.uint64(64 - _BITS)
        edges = [0, *np.searchsorted(hashes, firsts), len(hashes)]
        for bucket, (start, stop) in enumerate(itertools.pairwise(edges)):
            for at in range(int(start), int(stop), _MOST):
                yield bucket, hashes[at : min(at + _MOST, int(stop))].tobytes()


def repeated(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Of rows of whole buckets how many hashes occur more than once, and the first of them; runs on executors."""
    parts: dict[int, list[NDArray[np.uint64]]] = {}
    for batch in batches:
        for bucket, held in zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True):
            parts.setdefault(bucket, []).append(np.frombuffer(held, np.uint64))
    for some in parts.values():
        hashes = np.sort(np.concatenate(some))
        again = np.unique(hashes[1:][hashes[1:] == hashes[:-1]])
        if len(again):
            some_of = pa.array([again[:_LOCATED].view(np.int64).tolist()], pa.list_(pa.int64()))
            yield pa.RecordBatch.from_arrays([pa.array([len(again)]), some_of], schema=REPEATED)


@dataclass(frozen=True)
class WhereIds:
    """Gives the ids that have one of these hashes, each with its partition and row; runs on executors."""

    reader: IdReader
    key: int
    hashes: tuple[int, ...]

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        from popstrat.platforms.on_spark.partitions import partition  # that imports this
        from popstrat.scoring.unique_ids import comparable, hash_ids

        number, first = partition(), 0
        wanted = np.sort(np.array(self.hashes, np.int64).view(np.uint64))
        for batch in batches:
            ids = comparable(self.reader.ids(batch))
            own = hash_ids(ids, np.uint64(self.key))
            at = np.searchsorted(wanted, own)
            at[at == len(wanted)] = 0
            rows = np.flatnonzero(wanted[at] == own)
            if len(rows):
                found = [pa.array(own[rows].view(np.int64)), ids.take(pa.array(rows)).cast(pa.string())]
                found += [pa.array(np.full(len(rows), number, np.int32)), pa.array(rows + first)]
                yield pa.RecordBatch.from_arrays(found, schema=PLACES)
            first += batch.num_rows
