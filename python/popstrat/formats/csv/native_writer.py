"""CSV rows formatted by the engine, a piece at a time, pieces on several threads, and written in order."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.types as pt

from popstrat.core.arrow import is_text, plain
from popstrat.engine.formats import csv_write
from popstrat.errors import InputError
from popstrat.formats.csv.writer import CsvSink
from popstrat.formats.workers import Workers

PIECE_ROWS = 1 << 14

_WHOLE = {
    pa.int8(): "i8", pa.int16(): "i16", pa.int32(): "i32", pa.int64(): "i64",
    pa.uint8(): "u8", pa.uint16(): "u16", pa.uint32(): "u32", pa.uint64(): "u64",
}  # fmt: skip
_CODES = {pa.int8(): "label8", pa.int16(): "label16", pa.int32(): "label32"}

_Column = tuple[str, Any, Any, int, Any, Any, bool]
_Piece = tuple[csv_write.Columns, int, int]


class NativeCsvSink(CsvSink):
    """A `CsvSink` whose cells the engine formats.

    ``threads`` is how many pieces of rows are formatted at a time; the bytes do not depend on it.
    """

    def __init__(
        self,
        path: Path,
        schema: pa.Schema,
        encoding: str,
        threads: int = 1,
        ids: Collection[str] = (),
        *,
        packed: bool = False,
    ) -> None:
        super().__init__(path, schema, encoding, ids, packed=packed)
        self._spare: list[csv_write.Lines] = []
        self._workers = Workers(threads, "popstrat-csv")

    def _write(self, batch: pa.RecordBatch) -> None:
        made = [_column(c, f) for c, f in zip(batch.columns, self.schema, strict=True)]
        with _refusing():
            columns = csv_write.Columns(made, batch.num_rows)
        pieces = ((columns, at, min(at + PIECE_ROWS, batch.num_rows)) for at in range(0, batch.num_rows, PIECE_ROWS))
        for lines in self._workers.in_order(self._format, pieces):
            self._put(lines)
            self._spare.append(lines)

    def _format(self, piece: _Piece) -> csv_write.Lines:
        try:
            lines = self._spare.pop()
        except IndexError:
            lines = csv_write.Lines()
        with _refusing():
            lines.fill(*piece)
        return lines

    def close(self) -> None:
        super().close()
        self._workers.close()

    def abort(self) -> None:
        super().abort()
        self._workers.close()


def _column(column: pa.Array, field: pa.Field) -> _Column:
    """How a column is written: in place if it can be, else by way of the text that Arrow makes of it."""
    quoted = pt.is_string(field.type)
    kind = column.type
    if kind in _WHOLE:
        valid, values = column.buffers()
        return _WHOLE[kind], values, valid, column.offset, None, None, quoted
    if pt.is_boolean(kind):
        valid, values = column.buffers()
        return "bool", values, valid, column.offset, None, None, False
    if pt.is_float64(kind):
        valid, values = column.buffers()
        if csv_write.decimals(values, valid, column.offset, len(column)):
            return "decimal", values, valid, column.offset, None, None, False
    if pt.is_dictionary(kind):
        labels = _few_labels(column)
        if labels is not None:
            valid, codes = column.indices.buffers()
            _, ends, characters = labels.buffers()
            return _CODES[kind.index_type], codes, valid, column.indices.offset, characters, ends, True
    text = plain(column)
    if not (pt.is_string(text.type) or pt.is_large_string(text.type)):
        text = text.cast(pa.string())
    valid, offsets, characters = text.buffers()
    return (
        "text64" if pt.is_large_string(text.type) else "text32",
        offsets,
        valid,
        text.offset,
        characters,
        None,
        quoted,
    )


def _few_labels(column: pa.DictionaryArray) -> pa.Array | None:
    """The labels of a dictionary column as text from its own beginning; None if each is better written as it comes."""
    labels = column.dictionary
    if not is_text(labels.type) or column.type.index_type not in _CODES:
        return None
    if labels.null_count or not 0 < len(labels) <= max(len(column), 256):
        return None
    if not pt.is_string(labels.type):
        labels = labels.cast(pa.string())
    return labels if labels.offset == 0 else pa.concat_arrays([labels])


@contextmanager
def _refusing() -> Iterator[None]:
    """Turn what the engine finds wrong with a column's buffers into an `InputError`."""
    try:
        yield
    except ValueError as error:
        raise InputError(f"cannot be written: {error}") from None
