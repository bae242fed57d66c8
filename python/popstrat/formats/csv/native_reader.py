"""CSV cells parsed by the engine, a block of lines at a time, straight into the buffers of Arrow columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import pyarrow as pa

from popstrat.engine.formats import csv_read
from popstrat.errors import InputError
from popstrat.formats.csv.reader import LABELS, ROWS_NAMED, Block, CsvSource, decoded

CELL_KINDS: dict[pa.DataType, csv_read.Kind] = {
    pa.string(): "text",
    LABELS: "label",
    pa.bool_(): "bool",
    pa.float64(): "f64",
    pa.float32(): "f32",
    pa.date32(): "date",
}
_BEYOND = 2.0**128  # what infinity stands for when 32-bit floats are rounded
_NUMBER = re.compile(rb"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf|infinity|nan(?:\(\w*\))?)", re.IGNORECASE)


class NativeCsvSource(CsvSource):
    """A `CsvSource` whose cells the engine parses."""

    padding = csv_read.PAD

    def _parse(self, block: Block, fields: Sequence[pa.Field]) -> pa.RecordBatch:
        wanted = [(self._positions[f.name], CELL_KINDS[f.type]) for f in fields]
        most = csv_read.most_rows(block.length, self._width)
        layout, size = csv_read.layout([kind for _, kind in wanted], most)
        out = pa.allocate_buffer(size)
        found = csv_read.read(block.buffer, block.length, self._width, wanted, out, most)
        rows, ascii_only, parsed, odd = found or (0, False, [], [])
        if not ascii_only and self._encoding == "utf-8":
            decoded(block, "utf-8")
        if found is None:
            self._refuse_lines(bytes(memoryview(block.buffer)[: block.length]))
            raise InputError("a row cannot be read")
        bad = [list(column.bad_rows) for column in parsed]
        if odd:
            _work_out(odd, out, [at for at, _, _ in layout], fields, bad)
        for field, rows_at_fault in zip(fields, bad, strict=True):
            if rows_at_fault:
                raise self._bad_cells(field.name, rows_at_fault)
        arrays = []
        for field, (start, length, valid), column in zip(fields, layout, parsed, strict=True):
            kind = pa.int32() if field.type == LABELS else field.type
            buffers = [out.slice(valid) if column.nulls else None, out.slice(start, length)]
            if kind == pa.string():
                buffers.append(pa.py_buffer(column.text))
            array = pa.Array.from_buffers(kind, rows, buffers, column.nulls)
            if field.type == LABELS:
                labels = [None, pa.py_buffer(column.offsets), pa.py_buffer(column.text)]
                entries = pa.Array.from_buffers(pa.string(), len(column.offsets or b"") // 4 - 1, labels, 0)
                array = pa.DictionaryArray.from_arrays(array, entries, safe=False)
            arrays.append(array)
        return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))


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
        value = _number(cell, narrow)
        if value is None:
            if len(bad[column]) < ROWS_NAMED:
                bad[column].append(row)
            continue
        kind = np.float32 if narrow else np.float64
        np.frombuffer(out, kind, 1, starts[column] + row * np.dtype(kind).itemsize)[0] = value


def _number(cell: bytes, narrow: bool) -> float | None:
    """The double, or if ``narrow`` the 32-bit float, nearest to what a cell says; None if that is not a number."""
    text = cell.strip(b" \t")
    if not _NUMBER.fullmatch(text):
        return None
    if text.endswith(b")"):  # nan(...)
        return np.nan
    value = float(text)
    if not narrow:
        return value
    with np.errstate(over="ignore", under="ignore"):
        below, above = np.nextafter(value, -np.inf), np.nextafter(value, np.inf)
        low, high = max(float(np.float32(below)), -_BEYOND), min(float(np.float32(above)), _BEYOND)
        # Rounded twice: ending in the middle between two floats the first time must not hide which side it came from.
        if value == (low + high) / 2 and 1e-46 < abs(value) < 1e39:
            exact, reached = Decimal(text.decode()), Decimal(value)
            value = float(below if exact < reached else above if exact > reached else value)
        return float(np.float32(value))
