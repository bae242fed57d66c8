"""The CSV sink: rows are formatted a piece at a time by compiled code, pieces on several threads, written in order."""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.types as pt

from popstrat.engine import _csv_write as cells
from popstrat.errors import InputError
from popstrat.io.sinks import Sink, plain_text
from popstrat.schema import is_text

PIECE_ROWS = 1 << 14

_WHOLE = {
    pa.int8(): "i8", pa.int16(): "i16", pa.int32(): "i32", pa.int64(): "i64",
    pa.uint8(): "u8", pa.uint16(): "u16", pa.uint32(): "u32", pa.uint64(): "u64",
}  # fmt: skip
_CODES = {pa.int8(): "label8", pa.int16(): "label16", pa.int32(): "label32"}

_Column = tuple[str, Any, Any, int, Any, Any, bool]
_Piece = tuple[cells.Columns, int, int]


class CsvSink(Sink):
    """Ids and labels as quoted text, dates ISO, ``true``/``false``, nothing for null; lines end with a line feed.

    Numbers are written with the fewest digits that mean the same number. ``threads`` is how many pieces of rows are
    formatted at a time; the bytes do not depend on it.
    """

    def __init__(self, path: Path, schema: pa.Schema, encoding: str, threads: int = 1) -> None:
        fields = [f.with_type(pa.string()) if is_text(f.type) or f.name == "patient_id" else f for f in schema]
        super().__init__(pa.schema(fields))
        try:
            name = codecs.lookup(encoding).name
        except LookupError:
            raise InputError(f"encoding {encoding!r} is not known; use utf-8, utf-8-sig or cp1252") from None
        self._encoding = None if name in ("utf-8", "utf-8-sig") else name
        self._spare: list[cells.Lines] = []
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="popstrat-csv") if threads > 1 else None
        self._threads = threads
        self._file: IO[bytes] = path.open("wb")
        if name == "utf-8-sig":
            self._file.write(codecs.BOM_UTF8)
        header = ",".join('"' + f.name.replace('"', '""') + '"' for f in fields) + "\n"
        self._put(header.encode())

    def write(self, batch: pa.RecordBatch) -> None:
        self.rows += batch.num_rows
        if not batch.num_rows:
            return
        for lines in self._formatted(self._pieces(batch)):
            self._put(lines)
            self._spare.append(lines)

    def close(self) -> None:
        self._file.close()
        self._release()

    def abort(self) -> None:
        try:
            self._file.close()
        except OSError:
            return
        finally:
            self._release()

    def _release(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def _pieces(self, batch: pa.RecordBatch) -> Iterator[_Piece]:
        columns = cells.Columns(
            [_column(c, f) for c, f in zip(batch.columns, self.schema, strict=True)], batch.num_rows
        )
        for start in range(0, batch.num_rows, PIECE_ROWS):
            yield columns, start, min(start + PIECE_ROWS, batch.num_rows)

    def _formatted(self, pieces: Iterator[_Piece]) -> Iterator[cells.Lines]:
        """The text of the pieces, in order."""
        if self._pool is None:
            for piece in pieces:
                yield self._format(*piece)
            return
        waiting: deque[Future[cells.Lines]] = deque()
        for piece in pieces:
            waiting.append(self._pool.submit(self._format, *piece))
            if len(waiting) > self._threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def _format(self, columns: cells.Columns, start: int, stop: int) -> cells.Lines:
        try:
            lines = self._spare.pop()
        except IndexError:
            lines = cells.Lines()
        lines.fill(columns, start, stop)
        return lines

    def _put(self, lines: cells.Lines | bytes) -> None:
        if self._encoding is None:
            self._file.write(lines)
            return
        try:
            self._file.write(str(lines, "utf-8").encode(self._encoding))
        except UnicodeEncodeError:
            raise InputError(f"the output holds a character that {self._encoding} lacks; use utf-8") from None


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
        if cells.decimals(values, valid, column.offset, len(column)):
            return "decimal", values, valid, column.offset, None, None, False
    if pt.is_dictionary(kind):
        labels = _few_labels(column)
        if labels is not None:
            valid, codes = column.indices.buffers()
            _, ends, characters = labels.buffers()
            return _CODES[kind.index_type], codes, valid, column.indices.offset, characters, ends, True
        column = plain_text(column).dictionary_decode()
    text = plain_text(column)
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
