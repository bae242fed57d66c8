"""Arrow IPC out."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pyarrow as pa

from popstrat.formats.sink import BatchSink, quietly, stored, written_schema

BATCH_ROWS = 1 << 17


class ArrowSink(BatchSink):
    """An uncompressed Arrow IPC file, which others can map into memory as it is."""

    def __init__(self, path: Path, schema: pa.Schema, keys: Collection[str], rows: int | None = None) -> None:
        super().__init__(written_schema((stored(f, f.name in keys, False) for f in schema), schema), rows or BATCH_ROWS)
        self._writer = pa.ipc.new_file(str(path), self.schema)

    def _write(self, batch: pa.RecordBatch) -> None:
        # IPC writes buffers as they are, spare bytes and what lies under nulls included; a gather leaves neither.
        every = pa.py_buffer(np.arange(batch.num_rows, dtype=np.int32))
        self._writer.write_batch(batch.take(pa.Array.from_buffers(pa.int32(), batch.num_rows, [None, every])))

    def _close(self) -> None:
        self._writer.close()

    def abort(self) -> None:
        quietly(self._writer)
