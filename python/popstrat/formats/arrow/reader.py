"""Arrow IPC in: files (Feather version 2 is one) and streams."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from popstrat.core.arrow import has_class
from popstrat.core.soundness import cleared, refuse_misfits, refuse_unsound
from popstrat.errors import InputError
from popstrat.formats.source import BATCH_ROWS, FileSource, reading, sliced

_STREAM_END = b"\xff\xff\xff\xff\0\0\0\0"


class ArrowSource(FileSource):
    """An Arrow IPC file or stream (Feather version 2 is the former).

    It is read, and never mapped into memory: a mapped file that another process cuts short ends this one. Whoever wrote
    it may have got offsets, indices or text wrong, so every column that is read is wholly validated before it is given
    out.
    """

    format = "arrow"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with reading(self.name, "Arrow IPC"), pa.OSFile(str(path)) as file:
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
                with pa.ipc.open_file(file) as whole:
                    self.schema = whole.schema
                if len(self.schema):
                    self.rows = self._count(file)
        with reading(self.name, "Arrow IPC"):  # names that are no text
            self._check_names()

    def _count(self, file: pa.NativeFile) -> int:
        """The rows of a file, for which one column has to be read: the narrowest."""
        narrowest = min(range(len(self.schema)), key=lambda i: _width(self.schema.field(i).type))
        options = pa.ipc.IpcReadOptions(included_fields=[narrowest])
        file.seek(0)
        with pa.ipc.open_file(file, options=options) as whole:
            return sum(whole.get_batch(i).num_rows for i in range(whole.num_record_batches))

    def batches(self, columns: Sequence[str], *, batch_rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        columns = list(columns)
        for name in columns:
            if not has_class(kind := self.schema.field(name).type):
                raise InputError(f"is of type {kind}, which cannot be read", column=name, file=self.name)
        fields = [self.schema.get_field_index(c) for c in columns]
        options = pa.ipc.IpcReadOptions(included_fields=sorted(fields))
        row = 0
        with reading(self.name, "Arrow IPC"), pa.OSFile(str(self.path)) as file:
            for batch in self._read(file, options):
                found = batch.select(columns)
                try:
                    refuse_misfits(found, range(len(columns)))
                    for name, array in zip(columns, found.columns, strict=True):
                        refuse_unsound(array, name)
                except InputError as error:
                    raise error.located(self.name, row) from None
                found = pa.RecordBatch.from_arrays([cleared(a) for a in found.columns], schema=found.schema)
                yield from sliced(found, batch_rows)
                row += found.num_rows

    def _read(self, file: pa.NativeFile, options: pa.ipc.IpcReadOptions) -> Iterator[pa.RecordBatch]:
        if self._stream:
            with pa.ipc.open_stream(file, options=options) as stream:
                yield from stream
                if file.tell() != self.bytes:  # a stream that was cut short between two batches reads without an error
                    raise InputError("does not end where its last batch does", file=self.name)
        else:
            with pa.ipc.open_file(file, options=options) as whole:
                for i in range(whole.num_record_batches):
                    yield whole.get_batch(i)


def _width(kind: pa.DataType) -> int:
    """Bits a row of a column takes in a file, at least."""
    try:
        return int(kind.bit_width)
    except ValueError:  # text and the like
        return 1 << 10
