"""CSV cells parsed by pyarrow, for when the engine's own reader is not wanted: the same rows, the same refusals.

pyarrow would take a quote that is not closed for the start of a cell over many lines. So each line is looked at here
first, in Python.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.csv as pa_csv

from popstrat.errors import InputError
from popstrat.formats.csv.reader import LABELS, Block, CsvSource, decoded
from popstrat.packs.spellings import days

_TRUE, _FALSE = (
    [digit, *("".join(word) for word in itertools.product(*zip(lower, lower.upper(), strict=True)))]
    for digit, lower in (("1", "true"), ("0", "false"))
)
_MOMENT = pa.timestamp("us")  # a date may be followed by a time of day, which pyarrow reads as such only


class ArrowCsvSource(CsvSource):
    """A `CsvSource` whose cells pyarrow parses."""

    padding = 0

    def _parse(self, block: Block, fields: Sequence[pa.Field]) -> pa.RecordBatch:
        text = bytes(memoryview(block.buffer)[: block.length])
        decoded(block, "utf-8")
        text = self._mended(text) or text
        self._refuse_lines(text)
        lines = [line for line in text.splitlines() if line]
        try:
            batch = self._converted(lines, fields)
        except pa.ArrowInvalid:
            batch = pa.RecordBatch.from_arrays([self._column(lines, f) for f in fields], schema=pa.schema(fields))
        if batch.num_rows != len(lines):
            raise InputError("a row cannot be read")
        return batch

    def _column(self, lines: Sequence[bytes], field: pa.Field) -> pa.Array:
        """One column, as text first where pyarrow refuses a cell of it."""
        try:
            return self._converted(lines, [field]).column(0)
        except pa.ArrowInvalid:
            return self._respelt(field, self._converted(lines, [field.with_type(LABELS)]).column(0))

    def _converted(self, lines: Sequence[bytes], fields: Sequence[pa.Field]) -> pa.RecordBatch:
        """Columns of the lines; raises ``pa.ArrowInvalid`` if a cell is not what its column holds."""
        schema = pa.schema(fields)
        if not lines:
            return pa.RecordBatch.from_arrays([pa.array([], f.type) for f in fields], schema=schema)
        text = b"\n".join(lines)
        table = pa_csv.read_csv(
            pa.py_buffer(text),
            pa_csv.ReadOptions(use_threads=False, block_size=len(text) + 1, column_names=self._names),
            pa_csv.ParseOptions(delimiter=self._between.decode()),
            pa_csv.ConvertOptions(
                column_types={f.name: _MOMENT if pa.types.is_date(f.type) else f.type for f in fields},
                include_columns=schema.names,
                null_values=[""],
                true_values=_TRUE,
                false_values=_FALSE,
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        )
        columns = [
            days(column.combine_chunks(), field.name) if column.type == _MOMENT else column
            for column, field in zip(table.columns, fields, strict=True)
        ]
        (batch,) = pa.Table.from_arrays(columns, schema=schema).combine_chunks().to_batches()
        return batch
