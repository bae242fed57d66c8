"""Ids of batches that come once and do not come again: compared as exactly as those of a file.

What `unique_ids` may have to read twice is kept aside as it passes: in memory while it is little, then in a file
without a name.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import Any, Self

import pyarrow as pa

from popstrat.errors import InputError

_IN_MEMORY = 64 << 20  # bytes


class PassingIds:
    """Takes the ids of batch after batch with `add`; `finish` raises `InputError` for one that occurs twice."""

    def __init__(self, column: str = "patient_id") -> None:
        self._column = column
        self._ids: Any = None
        self._kind: pa.DataType | None = None
        self._file: Any = None
        self._writer: Any = None

    def add(self, ids: pa.Array) -> None:
        """The ids of the next batch as they are compared. Raises `InputError` for one that is null, with rows counted
        within the batch."""
        from popstrat.scoring.unique_ids import IdBatch, UniqueIds, comparable  # here: slow to import

        if self._ids is None:
            self._ids = UniqueIds(column=self._column)
        self._ids.add(IdBatch(ids))
        self._keep(comparable(ids))

    def finish(self) -> None:
        """Raises `InputError`, with rows counted from the first of all batches."""
        if self._ids is None or self._ids.in_passing:
            return
        self._writer.close()
        self._ids.finish(self._again)

    def _keep(self, ids: pa.Array) -> None:
        if self._writer is None:
            self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY, prefix=".popstrat-ids-")  # noqa: SIM115
            self._kind = ids.type
            self._writer = pa.ipc.new_stream(self._file, pa.schema([("id", ids.type)]))
        if pa.types.is_integer(ids.type) != pa.types.is_integer(self._kind):
            raise InputError(f"is of type {ids.type}, and of {self._kind} in the batches before", column=self._column)
        held = ids if ids.type == self._kind else ids.cast(self._kind)
        self._writer.write_batch(pa.RecordBatch.from_arrays([held], names=["id"]))

    def _again(self) -> Iterator[Any]:
        from popstrat.scoring.unique_ids import IdBatch  # as above

        self._file.seek(0)
        row = 0
        for batch in pa.ipc.open_stream(self._file):
            yield IdBatch(batch.column(0), 0, row)
            row += batch.num_rows

    def close(self) -> None:
        """Let go of what was kept."""
        if self._ids is not None:
            self._ids.close()
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
