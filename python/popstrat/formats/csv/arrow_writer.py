"""CSV rows formatted by pyarrow, for when the engine's own writer is not wanted; the text is the same."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.csv as pa_csv

from popstrat.core.arrow import without_views
from popstrat.errors import InputError
from popstrat.formats.csv.writer import CsvSink

PIECE_ROWS = 1 << 16


class ArrowCsvSink(CsvSink):
    """A `CsvSink` whose cells pyarrow formats, on the caller's thread."""

    def _write(self, batch: pa.RecordBatch) -> None:
        columns = [_readable(c, f) for c, f in zip(batch.columns, self.schema, strict=True)]
        flat = pa.RecordBatch.from_arrays(columns, names=self.schema.names)
        for start in range(0, flat.num_rows, PIECE_ROWS):
            out = pa.BufferOutputStream()
            pa_csv.write_csv(flat.slice(start, PIECE_ROWS), out, pa_csv.WriteOptions(include_header=False))
            self._put(out.getvalue())


def _readable(column: pa.Array, field: pa.Field) -> pa.Array:
    """The column as text where the sink says text; raises `InputError` if its buffers do not hold what they should."""
    try:
        column.validate(full=True)
        column = without_views(column)
        return column.cast(field.type) if pa.types.is_string(field.type) else column
    except pa.ArrowException:  # its message might quote a value
        raise InputError("cannot be written: Arrow finds it damaged", column=field.name) from None
