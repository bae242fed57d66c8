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
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, ClassVar, NamedTuple

import pyarrow as pa

from popstrat.errors import InputError
from popstrat.formats.source import BATCH_ROWS, FileSource, Kind, Kinds, reading, sliced
from popstrat.formats.workers import Workers

BLOCK_BYTES = 8 << 20
_LONGEST_LINE = 64 << 20
_HEADER_BYTES = 1 << 20
ROWS_NAMED = 5

LABELS = pa.dictionary(pa.int32(), pa.string())
TYPES: dict[Kind, pa.DataType] = {
    "id": pa.string(),
    "string": LABELS,
    "category": LABELS,
    "text": LABELS,
    "bool": pa.bool_(),
    "int": pa.float64(),
    "float": pa.float32(),
    "date": pa.date32(),
}
_EXPECTED = {
    "bool": "true, false, 1 or 0",
    "int": "a number",
    "float": "a number",
    "date": "a date as YYYY-MM-DD",
}

_ZERO = "is not a CSV file: it holds zero bytes"
_MARK = "a byte-order mark (U+FEFF) inside the file; were two files joined?"

_QUOTED = rb'"(?:[^"]|"")*"'
_CELL = rb'(?:%s|[^",]*)' % _QUOTED
_LINE = re.compile(rb"%s(?:,%s)*" % (_CELL, _CELL))
_INSIDE = re.compile(_QUOTED)


class Block(NamedTuple):
    """Whole lines: the first ``length`` bytes of a buffer, with spare bytes beyond them."""

    buffer: bytearray
    length: int


class CsvSource(FileSource):
    """A CSV file with a header line, comma-separated, in UTF-8 (with or without a byte-order mark) or ``encoding``.

    Who parses the cells is a subclass's matter; where blocks end, what a header and a line must be, and what is said of
    a fault is the same for all. ``padding`` is how many spare bytes the parser wants after a block.
    """

    format = "csv"
    padding: ClassVar[int]

    def __init__(self, path: Path, kinds: Kinds, encoding: str = "utf-8", *, threads: int = 1) -> None:
        super().__init__(path)
        self._encoding = _codec(encoding)
        self._threads = max(1, threads)
        self._packed = path.suffix.lower() == ".gz"
        self._names, self._body = self._header()
        known = [kinds(n) for n in self._names]
        self._positions = {n: i for i, n in enumerate(self._names)}
        self._width = len(self._names)
        self._kinds = {n: k or "text" for n, k in zip(self._names, known, strict=True)}
        self.schema = pa.schema([(n, TYPES[self._kinds[n]]) for n in self._names])
        self._check_names()

    def batches(
        self, columns: Sequence[str], *, batch_rows: int = BATCH_ROWS, block_bytes: int = BLOCK_BYTES
    ) -> Iterator[pa.RecordBatch]:
        first_row = 0
        with reading(self.name, "CSV"), self._open() as file:
            file.read(self._body)
            spare: list[bytearray] = []
            fields = [self.schema.field(c) for c in columns]
            blocks = self._blocks(file, block_bytes, spare)
            with Workers(self._threads, "popstrat-csv") as workers:
                parsed = workers.in_order(lambda block: (self._parse(self._recoded(block), fields), block), blocks)
                while True:
                    try:
                        found = next(parsed, None)
                    except InputError as error:
                        raise error.located(self.name, first_row) from None
                    if found is None:
                        return
                    batch, block = found
                    spare.append(block.buffer)
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
        skip = len(codecs.BOM_UTF8) if start.startswith(codecs.BOM_UTF8) else 0
        end = re.search(rb"\r\n|\n|\r", start[skip:])
        if (zero := start.find(0)) >= 0:
            body = skip + end.end() if end else len(start)
            rows = [_row_of(start[body:], zero - body)] if zero >= body else []
            raise InputError(_ZERO, file=self.name, rows=rows)
        if end is None and len(start) == _HEADER_BYTES:
            raise InputError("has no line end in its first megabyte", file=self.name)
        line = start[skip : skip + end.start()] if end else start[skip:]
        if not line.strip():
            raise InputError("begins with an empty line; the first line must name the columns", file=self.name)
        if not _LINE.fullmatch(line):
            raise InputError("has a stray quote in its first line", file=self.name)
        if codecs.BOM_UTF8 in line:
            raise InputError(f"{_MARK} (first line)", file=self.name)
        try:
            names = [n.strip() for n in next(csv.reader([line.decode(self._encoding)]))]
        except UnicodeDecodeError:
            raise InputError(f"is not in {self._encoding} (first line); see --encoding", file=self.name) from None
        except csv.Error:
            raise InputError("has a column name that is too long", file=self.name) from None
        if len(names) == 1 and (other := next((c for c in ";\t|" if c in names[0]), None)):
            raise InputError(f"is separated by {other!r}, not by commas", file=self.name)
        return names, skip + (end.end() if end else len(line))

    def _blocks(self, file: IO[bytes], size: int, spare: list[bytearray]) -> Iterator[Block]:
        """The rest of the file in blocks of whole lines, ``size`` bytes at a time; in ``spare`` buffers if it can."""
        rest = b""
        while True:
            buffer = spare.pop() if spare else bytearray()
            start, end = len(rest), len(rest) + size
            if len(buffer) < end + self.padding:
                buffer.extend(bytes(end + self.padding - len(buffer)))
            buffer[:start] = rest
            with memoryview(buffer) as whole, whole[start:end] as room:
                end = start + file.readinto(room)  # type: ignore[attr-defined]
            if end == start:
                if start:
                    yield Block(buffer, start)
                return
            cut = buffer.rfind(b"\n", start, end) + 1
            rest = bytes(memoryview(buffer)[cut:end])
            if cut:
                yield Block(buffer, cut)
                continue
            spare.append(buffer)
            if len(rest) > _LONGEST_LINE:
                raise InputError("has a line of more than 64 MB; is it a CSV file?", file=self.name)

    # -- cells --------------------------------------------------------------------------------------------------

    def _recoded(self, block: Block) -> Block:
        """The block in UTF-8. Raises `InputError` for zero bytes, which would become part of a text."""
        if (zero := block.buffer.find(0, 0, block.length)) >= 0:
            raise InputError(_ZERO, rows=[_row_of(memoryview(block.buffer)[: block.length], zero)])
        if self._encoding == "utf-8" or not (text := decoded(block, self._encoding)):
            return block
        encoded = text.encode()
        return Block(bytearray(encoded + bytes(self.padding)), len(encoded))

    @abstractmethod
    def _parse(self, block: Block, fields: Sequence[pa.Field]) -> pa.RecordBatch:
        """One block of whole lines, now in UTF-8; raises `InputError` with rows counted from the block's first.

        Bytes that are not UTF-8 come before lines at fault, and those before cells at fault.
        """

    def _bad_cells(self, column: str, rows: Sequence[int]) -> InputError:
        """The error for cells that are not what their column holds, the first `ROWS_NAMED` of them."""
        expected = _EXPECTED[self._kinds[column]]
        return InputError(f"a cell is not {expected} (empty means no record)", column=column, rows=rows)

    def _refuse_lines(self, text: bytes) -> None:
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
            if found != self._width:
                raise InputError(f"{found} cells where the first line names {self._width} columns", rows=[row])
            row += 1


def decoded(block: Block, encoding: str) -> str:
    """The text of a block, or nothing if it is all ASCII. Raises `InputError` if it is not in its encoding, or has a
    byte-order mark, which belongs at the beginning of a file and nowhere else."""
    text = bytes(memoryview(block.buffer)[: block.length])
    if text.isascii():
        return ""
    mark = text.find(codecs.BOM_UTF8)
    try:
        found = text.decode(encoding)
    except UnicodeDecodeError as error:
        if mark < 0 or error.start < mark:
            raise InputError(f"is not in {encoding}; see --encoding", rows=[_row_of(text, error.start)]) from None
    if mark >= 0:
        raise InputError(_MARK, rows=[_row_of(text, mark)])
    return found


def _row_of(text: bytes | memoryview, at: int) -> int:
    """How many rows stand before the one that byte ``at`` is in: lines ended in any way, the empty ones left out."""
    before = bytes(text[:at])
    start = max(before.rfind(b"\n"), before.rfind(b"\r")) + 1
    return sum(1 for line in before[:start].splitlines() if line)


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
