"""CSV cells parsed by pyarrow, for when the engine's own reader is not wanted: the same rows, the same refusals.

pyarrow says nothing of the row whose cell it refuses, and would take a quote that is not closed for the start of a cell
over many lines. So each line is looked at here first, in Python, and refused cells are found by halving.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.csv as pa_csv

from popstrat.errors import InputError
from popstrat.formats.csv.reader import ROWS_NAMED, Block, CsvSource, decoded

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
        self._refuse_lines(text)
        lines = [line for line in text.splitlines() if line]
        try:
            batch = self._converted(lines, fields)
        except pa.ArrowInvalid:
            for field in fields:
                if rows := self._refused(lines, field):
                    raise self._bad_cells(field.name, rows) from None
            raise InputError("a row cannot be read") from None
        if batch.num_rows != len(lines):
            raise InputError("a row cannot be read")
        return batch

    def _refused(self, lines: Sequence[bytes], field: pa.Field, first: int = 0) -> list[int]:
        """The first rows whose cell pyarrow refuses, counted from ``first``."""
        try:
            self._converted(lines, [field])
        except pa.ArrowInvalid:
            if len(lines) == 1:
                return [first]
        else:
            return []
        half = len(lines) // 2
        found = self._refused(lines[:half], field, first)
        if len(found) < ROWS_NAMED:
            found += self._refused(lines[half:], field, first + half)
        return found[:ROWS_NAMED]

    def _converted(self, lines: Sequence[bytes], fields: Sequence[pa.Field]) -> pa.RecordBatch:
        """Columns of the lines; raises ``pa.ArrowInvalid`` if a cell is not what its column holds."""
        schema = pa.schema(fields)
        if not lines:
            return pa.RecordBatch.from_arrays([pa.array([], f.type) for f in fields], schema=schema)
        text = b"\n".join(lines)
        table = pa_csv.read_csv(
            pa.py_buffer(text),
            pa_csv.ReadOptions(use_threads=False, block_size=len(text) + 1, column_names=self._names),
            pa_csv.ParseOptions(),
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
            column.cast(field.type, safe=False) if column.type == _MOMENT else column
            for column, field in zip(table.columns, fields, strict=True)
        ]
        (batch,) = pa.Table.from_arrays(columns, schema=schema).combine_chunks().to_batches()
        return batch
