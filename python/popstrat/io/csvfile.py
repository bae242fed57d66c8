"""CSV: read in blocks that end at a line's end, several blocks at a time, each parsed straight into Arrow columns.

A cell may not hold a line break, so that a stray quote can never swallow the rows after it, and quotes must stand where
RFC 4180 puts them. A block with a fault is looked at again line by line for the row. Cells are never quoted in a
message.

Ids and practice codes are read as text, always: a column of digits in one file and of letters in the next is
then still one column, and leading zeros stay. Whole numbers are read as float64, because "120.0" is what many
programs write for a column with gaps. A date may be followed by a time of day, which is dropped.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import pyarrow as pa

from popstrat.engine import _csv_read as cells
from popstrat.errors import InputError
from popstrat.io.sources import BATCH_ROWS, FileSource, Kind, Kinds, reading, sliced

BLOCK_BYTES = 8 << 20
_LONGEST_LINE = 64 << 20
_HEADER_BYTES = 1 << 20
_ROWS_NAMED = 5

_TEXT = pa.dictionary(pa.int32(), pa.string())
_TYPES: dict[Kind, pa.DataType] = {
    "id": pa.string(),
    "string": _TEXT,
    "category": _TEXT,
    "text": _TEXT,
    "bool": pa.bool_(),
    "int": pa.float64(),
    "float": pa.float32(),
    "date": pa.date32(),
}
_CELLS: dict[pa.DataType, cells.Kind] = {
    pa.string(): "text",
    _TEXT: "label",
    pa.bool_(): "bool",
    pa.float64(): "f64",
    pa.float32(): "f32",
    pa.date32(): "date",
}
_EXPECTED = {
    "bool": "true, false, 1 or 0",
    "int": "a number",
    "float": "a number",
    "date": "a date as YYYY-MM-DD",
}

_BEYOND = 2.0**128  # what infinity stands for when 32-bit floats are rounded

_QUOTED = rb'"(?:[^"]|"")*"'
_CELL = rb'(?:%s|[^",]*)' % _QUOTED
_LINE = re.compile(rb"%s(?:,%s)*" % (_CELL, _CELL))
_INSIDE = re.compile(_QUOTED)
_NUMBER = re.compile(rb"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf|infinity|nan(?:\(\w*\))?)", re.IGNORECASE)


class _Block(NamedTuple):
    """Whole lines: the first ``length`` bytes of a buffer with room beyond them."""

    buffer: bytearray
    length: int


class CsvSource(FileSource):
    """A CSV file with a header line, comma-separated, in UTF-8 (with or without a byte-order mark) or ``encoding``."""

    format = "csv"

    def __init__(self, path: Path, kinds: Kinds, encoding: str = "utf-8", *, threads: int = 1) -> None:
        super().__init__(path)
        self._encoding = _codec(encoding)
        self._threads = max(1, threads)
        self._packed = path.suffix.lower() == ".gz"
        self._names, self._body = self._header()
        known = [kinds(n) for n in self._names]
        self._places = {n: i for i, n in enumerate(self._names)}
        self._kinds = {n: k or "text" for n, k in zip(self._names, known, strict=True)}
        self.schema = pa.schema([(n, _TYPES[self._kinds[n]]) for n in self._names])
        self._check_names()

    def batches(
        self, columns: Sequence[str], *, batch_rows: int = BATCH_ROWS, block_bytes: int = BLOCK_BYTES
    ) -> Iterator[pa.RecordBatch]:
        first_row = 0
        with reading(self.name, "CSV"), self._open() as file:
            file.read(self._body)
            spare: list[bytearray] = []
            blocks = self._blocks(file, block_bytes, spare)
            parsed = self._in_order(blocks, lambda block: self._parse(block, list(columns)), spare)
            while True:
                try:
                    batch = next(parsed, None)
                except InputError as error:
                    raise error.located(self.name, first_row) from None
                if batch is None:
                    return
                yield from sliced(batch, batch_rows)
                first_row += batch.num_rows

    # -- bytes --------------------------------------------------------------------------------------------------

    def _open(self) -> IO[bytes]:
        return gzip.open(self.path) if self._packed else self.path.open("rb")  # type: ignore[return-value]

    def _header(self) -> tuple[list[str], int]:
        """The column names and the number of bytes before the first row."""
        with reading(self.name, "CSV"), self._open() as file:
            start = file.read(_HEADER_BYTES)
        if start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            raise InputError("is in UTF-16; save it as UTF-8", file=self.name)
        if b"\0" in start:
            raise InputError("is not a CSV file: it holds zero bytes", file=self.name)
        skip = len(codecs.BOM_UTF8) if start.startswith(codecs.BOM_UTF8) else 0
        end = re.search(rb"\r\n|\n|\r", start[skip:])
        if end is None and len(start) == _HEADER_BYTES:
            raise InputError("has no line end in its first megabyte", file=self.name)
        line = start[skip : skip + end.start()] if end else start[skip:]
        if not line.strip():
            raise InputError("begins with an empty line; the first line must name the columns", file=self.name)
        if not _LINE.fullmatch(line):
            raise InputError("has a stray quote in its first line", file=self.name)
        try:
            names = [n.strip() for n in next(csv.reader([line.decode(self._encoding)]))]
        except UnicodeDecodeError:
            raise InputError(f"is not in {self._encoding} (first line); see --encoding", file=self.name) from None
        except csv.Error:
            raise InputError("has a column name that is too long", file=self.name) from None
        if len(names) == 1 and (other := next((c for c in ";\t|" if c in names[0]), None)):
            raise InputError(f"is separated by {other!r}, not by commas", file=self.name)
        return names, skip + (end.end() if end else len(line))

    def _blocks(self, file: IO[bytes], size: int, spare: list[bytearray]) -> Iterator[_Block]:
        """The rest of the file in blocks of whole lines, ``size`` bytes at a time; in ``spare`` buffers if it can."""
        rest = b""
        while True:
            buffer = spare.pop() if spare else bytearray()
            start, end = len(rest), len(rest) + size
            if len(buffer) < end + cells.PAD:
                buffer.extend(bytes(end + cells.PAD - len(buffer)))
            buffer[:start] = rest
            with memoryview(buffer) as whole, whole[start:end] as room:
                end = start + file.readinto(room)  # type: ignore[attr-defined]
            if end == start:
                if start:
                    yield _Block(buffer, start)
                return
            cut = buffer.rfind(b"\n", start, end) + 1
            rest = bytes(memoryview(buffer)[cut:end])
            if cut:
                yield _Block(buffer, cut)
                continue
            spare.append(buffer)
            if len(rest) > _LONGEST_LINE:
                raise InputError("has a line of more than 64 MB; is it a CSV file?", file=self.name)

    def _in_order(
        self, blocks: Iterator[_Block], parse: Callable[[_Block], pa.RecordBatch], spare: list[bytearray]
    ) -> Iterator[pa.RecordBatch]:
        """Parse blocks, a few at a time, and give the results in order; buffers that are done with become ``spare``."""
        if self._threads == 1:
            for block in blocks:
                yield parse(block)
                spare.append(block.buffer)
            return
        pool = ThreadPoolExecutor(self._threads, thread_name_prefix="popstrat-csv")
        waiting: deque[tuple[Future[pa.RecordBatch], bytearray]] = deque()

        def first() -> pa.RecordBatch:
            future, buffer = waiting.popleft()
            batch = future.result()
            spare.append(buffer)
            return batch

        try:
            for block in blocks:
                waiting.append((pool.submit(parse, block), block.buffer))
                if len(waiting) > self._threads:
                    yield first()
            while waiting:
                yield first()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    # -- cells --------------------------------------------------------------------------------------------------

    def _parse(self, block: _Block, columns: list[str]) -> pa.RecordBatch:
        """One block of whole lines; raises `InputError` with rows counted from the block's first."""
        if self._encoding != "utf-8" and (text := _decoded(block, self._encoding)):
            encoded = text.encode()
            block = _Block(bytearray(encoded + bytes(cells.PAD)), len(encoded))
        fields = [self.schema.field(c) for c in columns]
        wanted = [(self._places[f.name], _CELLS[f.type]) for f in fields]
        width = len(self._names)
        room = cells.most_rows(block.length, width)
        layout, size = cells.places([kind for _, kind in wanted], room)
        out = pa.allocate_buffer(size)
        found = cells.read(block.buffer, block.length, width, wanted, out, room)
        rows, ascii_only, parsed, odd = found or (0, False, [], [])
        if not ascii_only and self._encoding == "utf-8":
            _decoded(block, "utf-8")
        if found is None:
            self._find_fault(bytes(memoryview(block.buffer)[: block.length]))
            raise InputError("a row cannot be read")
        bad = [list(column.bad_rows) for column in parsed]
        if odd:
            _work_out(odd, out, [at for at, _, _ in layout], fields, bad)
        for field, rows_at_fault in zip(fields, bad, strict=True):
            if rows_at_fault:
                expected = _EXPECTED[self._kinds[field.name]]
                raise InputError(
                    f"a cell is not {expected} (empty means no record)", column=field.name, rows=rows_at_fault
                )
        arrays = []
        for field, (start, length, valid), column in zip(fields, layout, parsed, strict=True):
            kind = pa.int32() if field.type == _TEXT else field.type
            buffers = [out.slice(valid) if column.nulls else None, out.slice(start, length)]
            if kind == pa.string():
                buffers.append(pa.py_buffer(column.text))
            array = pa.Array.from_buffers(kind, rows, buffers, column.nulls)
            if field.type == _TEXT:
                labels = [None, pa.py_buffer(column.offsets), pa.py_buffer(column.text)]
                entries = pa.Array.from_buffers(pa.string(), len(column.offsets or b"") // 4 - 1, labels, 0)
                array = pa.DictionaryArray.from_arrays(array, entries, safe=False)
            arrays.append(array)
        return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))

    def _find_fault(self, text: bytes) -> None:
        """Go through a block line by line and raise `InputError` for the first malformed row."""
        row = 0
        for line in text.splitlines():
            if not line:
                continue
            if b'"' in line and not _LINE.fullmatch(line):
                raise InputError(
                    "a stray quote, or a quote that is not closed on its line (cells may not hold line breaks)",
                    rows=[row],
                )
            found = _INSIDE.sub(b"", line).count(b",") + 1
            if found != len(self._names):
                raise InputError(f"{found} cells where the first line names {len(self._names)} columns", rows=[row])
            row += 1


def _decoded(block: _Block, encoding: str) -> str:
    """The text of a block, or nothing if it is all ASCII. Raises `InputError` if it is not in its encoding."""
    text = bytes(memoryview(block.buffer)[: block.length])
    try:
        return "" if text.isascii() else text.decode(encoding)
    except UnicodeDecodeError as error:
        row = text.count(b"\n", 0, error.start)
        raise InputError(f"is not in {encoding}; see --encoding", rows=[row]) from None


def _work_out(
    odd: list[tuple[int, int, bytes]], out: pa.Buffer, starts: list[int], fields: list[pa.Field], bad: list[list[int]]
) -> None:
    """Put the numbers of ``odd`` cells in their places in ``out``; add rows whose cell is no number to ``bad``."""
    for place, row, cell in odd:
        narrow = fields[place].type == pa.float32()
        value = _number(cell, narrow)
        if value is None:
            if len(bad[place]) < _ROWS_NAMED:
                bad[place].append(row)
            continue
        kind = np.float32 if narrow else np.float64
        np.frombuffer(out, kind, 1, starts[place] + row * np.dtype(kind).itemsize)[0] = value


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


def _codec(encoding: str) -> str:
    try:
        name = codecs.lookup(encoding).name
    except LookupError:
        raise InputError(f"encoding {encoding!r} is not known; use utf-8, utf-8-sig or cp1252") from None
    name = "utf-8" if name in ("utf-8-sig", "ascii") else name
    # Blocks are cut at the byte of a line end, which is safe for UTF-8 and single-byte encodings that hold ASCII only.
    if name != "utf-8" and (_is_wide(name) or bytes(range(128)).decode(name) != bytes(range(128)).decode()):
        raise InputError(f"encoding {encoding!r} is not supported; use utf-8, utf-8-sig or cp1252")
    return name


def _is_wide(name: str) -> bool:
    """Whether an encoding has characters of more than one byte."""
    return not (name.startswith(("cp125", "iso8859", "latin", "koi8", "mac-")) or name in ("cp437", "cp850", "cp858"))
