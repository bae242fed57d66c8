"""Arrow IPC in: files (Feather version 2 is one) and streams."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from popstrat.errors import InputError
from popstrat.formats.source import BATCH_ROWS, FileSource, reading, sliced

_STREAM_END = b"\xff\xff\xff\xff\0\0\0\0"


class ArrowSource(FileSource):
    """An Arrow IPC file or stream (Feather version 2 is the former), mapped into memory."""

    format = "arrow"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with reading(self.name, "Arrow IPC"), pa.memory_map(str(path)) as file:
            start = file.read(6)
            file.seek(0)
            if start[:4] == b"FEA1":
                raise InputError("is a Feather file of the old version 1; write it again as version 2", file=self.name)
            self._stream = start != b"ARROW1"
            if self._stream:
                with pa.ipc.open_stream(file) as stream:
                    self.schema = stream.schema
                file.seek(max(0, self.bytes - len(_STREAM_END)))
                # A stream cut off between two batches reads without an error, so insist on its end mark.
                if file.read() != _STREAM_END:
                    raise InputError("is cut short: an Arrow stream without its end mark", file=self.name)
            else:
                options = pa.ipc.IpcReadOptions(included_fields=[0])
                with pa.ipc.open_file(file, options=options) as whole:
                    self.rows = sum(whole.get_batch(i).num_rows for i in range(whole.num_record_batches))
                file.seek(0)
                with pa.ipc.open_file(file) as whole:
                    self.schema = whole.schema
        self._check_names()

    def batches(self, columns: Sequence[str], *, batch_rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        columns = list(columns)
        fields = [self.schema.get_field_index(c) for c in columns]
        options = pa.ipc.IpcReadOptions(included_fields=sorted(fields))
        with reading(self.name, "Arrow IPC"), pa.memory_map(str(self.path)) as file:
            if self._stream:
                with pa.ipc.open_stream(file, options=options) as stream:
                    for batch in stream:
                        yield from sliced(self._checked(batch, columns), batch_rows)
            else:
                with pa.ipc.open_file(file, options=options) as whole:
                    for i in range(whole.num_record_batches):
                        yield from sliced(self._checked(whole.get_batch(i), columns), batch_rows)

    @staticmethod
    def _checked(batch: pa.RecordBatch, columns: list[str]) -> pa.RecordBatch:
        batch = batch.select(columns)
        batch.validate()
        return batch
