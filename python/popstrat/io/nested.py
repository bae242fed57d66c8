"""Columns that hold a list for each row: Parquet by way of pyarrow, and text where a format has no lists."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.types as pt

from popstrat.io.sinks import BatchSink, Sink, quietly, stored

NESTED_ROW_GROUP_ROWS = 1 << 18


class ArrowParquetSink(BatchSink):
    """Parquet as pyarrow writes it: slower than the engine's own writer, which has no lists. zstd, fixed row groups."""

    def __init__(self, path: Path, schema: pa.Schema, keys: Collection[str], rows: int) -> None:
        import pyarrow.parquet as pq

        super().__init__(pa.schema([stored(f, f.name in keys, True) for f in schema]), rows)
        statistics = [f.name for f in self.schema if f.name in keys]
        self._writer: Any = pq.ParquetWriter(
            str(path), self.schema, compression="zstd", compression_level=1, write_statistics=statistics
        )

    def _write(self, batch: pa.RecordBatch) -> None:
        self._writer.write_batch(batch, row_group_size=batch.num_rows)

    def _close(self) -> None:
        self._writer.close()

    def abort(self) -> None:
        quietly(self._writer)


class ListsAsText(Sink):
    """Hands batches on to another sink with every nested column made into text."""

    def __init__(
        self, schema: pa.Schema, as_text: Callable[[pa.Array], pa.Array], open_it: Callable[[pa.Schema], Sink]
    ) -> None:
        fields = [f.with_type(pa.string()) if pt.is_nested(f.type) else f for f in schema]
        self._flat, self._as_text = pa.schema(fields), as_text
        self._sink = open_it(self._flat)
        super().__init__(self._sink.schema)

    def write(self, batch: pa.RecordBatch) -> None:
        columns = [self._as_text(c) if pt.is_nested(c.type) else c for c in batch.columns]
        self._sink.write(pa.RecordBatch.from_arrays(columns, schema=self._flat))
        self.rows = self._sink.rows

    def close(self) -> None:
        self._sink.close()

    def abort(self) -> None:
        self._sink.abort()
