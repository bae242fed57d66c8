"""CSV cells parsed by the engine, a block of lines at a time, straight into the buffers of Arrow columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from popstrat.engine.formats import csv_read
from popstrat.errors import InputError
from popstrat.formats.csv.reader import LABELS, ROWS_NAMED, Block, CsvSource, decoded
from popstrat.packs.spellings import value

CELL_KINDS: dict[pa.DataType, csv_read.Kind] = {
    pa.string(): "text",
    LABELS: "label",
    pa.bool_(): "bool",
    pa.float64(): "f64",
    pa.float32(): "f32",
    pa.date32(): "date",
}


class NativeCsvSource(CsvSource):
    """A `CsvSource` whose cells the engine parses."""

    padding = csv_read.PAD

    def _parse(self, block: Block, fields: Sequence[pa.Field]) -> pa.RecordBatch:
        wanted = [(self._positions[f.name], CELL_KINDS[f.type]) for f in fields]
        most = csv_read.most_rows(block.length, self._width)
        layout, size = csv_read.layout([kind for _, kind in wanted], most)
        out = pa.allocate_buffer(size)
        found = csv_read.read(block.buffer, block.length, self._width, wanted, out, most, between=self._between)
        rows, ascii_only, parsed, odd = found or (0, False, [], [])
        if not ascii_only and self._encoding == "utf-8":
            decoded(block, "utf-8")
        if found is None:
            text = bytes(memoryview(block.buffer)[: block.length])
            if (mended := self._mended(text)) is not None:
                return self._parse(Block(bytearray(mended + bytes(self.padding)), len(mended)), fields)
            self._refuse_lines(text)
            raise InputError("a row cannot be read")
        bad = [list(column.bad_rows) for column in parsed]
        if odd:
            _work_out(odd, out, [at for at, _, _ in layout], fields, bad)
        arrays = [
            _array(field.type, rows, column, out, place) if not rows_at_fault else None
            for field, place, column, rows_at_fault in zip(fields, layout, parsed, bad, strict=True)
        ]
        if any(bad):  # cells that are spelt otherwise than most programs do: their columns are read as text
            again = [i for i, rows_at_fault in enumerate(bad) if rows_at_fault]
            texts = self._parse(block, [fields[i].with_type(LABELS) for i in again])
            for i, text in zip(again, texts.columns, strict=True):
                arrays[i] = self._respelt(fields[i], text)
        return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))


def _array(
    kind: pa.DataType, rows: int, column: csv_read.Found, out: pa.Buffer, lies: tuple[int, int, int]
) -> pa.Array:
    """A column as an array over the buffer that it was parsed into, where its values and validity bits lie."""
    start, length, valid = lies
    stored = pa.int32() if kind == LABELS else kind
    buffers = [out.slice(valid) if column.nulls else None, out.slice(start, length)]
    if stored == pa.string():
        buffers.append(pa.py_buffer(column.text))
    array = pa.Array.from_buffers(stored, rows, buffers, column.nulls)
    if kind != LABELS:
        return array
    labels = [None, pa.py_buffer(column.offsets), pa.py_buffer(column.text)]
    entries = pa.Array.from_buffers(pa.string(), len(column.offsets or b"") // 4 - 1, labels, 0)
    return pa.DictionaryArray.from_arrays(array, entries, safe=False)


def _work_out(
    odd: Sequence[tuple[int, int, bytes]],
    out: pa.Buffer,
    starts: Sequence[int],
    fields: Sequence[pa.Field],
    bad: Sequence[list[int]],
) -> None:
    """Put the numbers of ``odd`` cells where they belong in ``out``; add rows whose cell is no number to ``bad``."""
    for column, row, cell in odd:
        narrow = fields[column].type == pa.float32()
        found = value(cell.decode("utf-8", "replace"), "float32" if narrow else "float")
        if not isinstance(found, float):
            if len(bad[column]) < ROWS_NAMED:
                bad[column].append(row)
            continue
        kind = np.float32 if narrow else np.float64
        np.frombuffer(out, kind, 1, starts[column] + row * np.dtype(kind).itemsize)[0] = found
