"""CSV: read in blocks that end at a line's end, several blocks at a time, each parsed straight into Arrow columns.

A cell may not hold a line break, so that a stray quote can never swallow the rows after it, and quotes must stand where
RFC 4180 puts them. A block with a fault is looked at again line by line for the row. Cells are never quoted in a
message.

Ids and practice codes are read as text, always: a column of digits in one file and of letters in the next is
then still one column, and leading zeros stay. Numbers are read as float64, whole ones too, because "120.0" is what
many programs write for a column with gaps; as float32 where their column is declared so, which holds for every format.
How values are spelt is a matter of `popstrat.packs.spellings`: a parser reads what most programs write, and where a
column of a block holds anything else it is read as text first.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any, ClassVar, NamedTuple

import pyarrow as pa

from popstrat.errors import InputError
from popstrat.formats.source import BATCH_ROWS, FileSource, Kind, Kinds, reading, sliced
from popstrat.formats.workers import Workers
from popstrat.packs.spellings import from_text

BLOCK_BYTES = 8 << 20
_TITLE_BYTES, _TITLE_LINES = 1 << 14, 20
"""How far the names of the columns are looked for below a title."""
_LONGEST_LINE = 64 << 20
_HEADER_BYTES = 1 << 20
ROWS_NAMED = 5

LABELS = pa.dictionary(pa.int32(), pa.string())
TYPES: dict[Kind, pa.DataType] = {
    "id": pa.string(),
    "string": LABELS,
    "category": LABELS,
    "coded": LABELS,
    "text": LABELS,
    "bool": pa.bool_(),
    "int": pa.float64(),
    "float": pa.float64(),
    "float32": pa.float32(),
    "percent": pa.float64(),
    "percent32": pa.float32(),
    "date": pa.date32(),
}

_MARKS = ((codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"),
          (codecs.BOM_UTF16_BE, "utf-16"))  # fmt: skip
_WIDE = {name: name for name in ("utf-16-le", "utf-16-be")}
_END = re.compile(rb"\r\n|\n|\r")
_UNENDED = "does not end with a line end: is its last row whole?"
_ZERO = "is not a CSV file: it holds zero bytes"
_MARK = "a byte-order mark (U+FEFF) inside the file; were two files joined?"

_QUOTED = rb'"(?:[^"]|"")*"'
_INSIDE = re.compile(_QUOTED)
_BETWEEN = (b",", b";", b"\t", b"|")
"""What may stand between cells: of these, what the first line has most of."""
_SEP = re.compile(rb'"?sep=([,;|\t])"?,*', re.IGNORECASE)
"""A first line that some spreadsheets write and read, which says what stands between cells."""


class Block(NamedTuple):
    """Whole lines: the first ``length`` bytes of a buffer, with spare bytes beyond them."""

    buffer: bytearray
    length: int


class CsvSource(FileSource):
    """A CSV file with a header line, in UTF-8 (with or without a byte-order mark), UTF-16 with one, or ``encoding``.

    Between cells there are commas, semicolons, tabs or bars, whichever the header has most of.

    Who parses the cells is a subclass's matter; where blocks end, what a header and a line must be, and what is said of
    a fault is the same for all. ``padding`` is how many spare bytes the parser wants after a block.
    """

    format = "csv"
    padding: ClassVar[int]

    def __init__(self, path: Path, kinds: Kinds, encoding: str = "utf-8", *, threads: int = 1) -> None:
        super().__init__(path)
        self._wide = _WIDE.get(encoding.lower().replace("_", "-"))  # of a file without a mark
        self._encoding = "utf-8" if self._wide else _codec(encoding)
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
        file: Any = gzip.open(self.path) if self._packed else self.path.open("rb")  # noqa: SIM115
        start = file.read(4)
        file.seek(0)
        wide = next((name for mark, name in _MARKS if start.startswith(mark)), self._wide)
        if wide is None:
            return file  # type: ignore[no-any-return]
        self._encoding = "utf-8"
        return io.BufferedReader(_Recoded(file, wide), 1 << 20)

    def _header(self) -> tuple[list[str], int]:
        """The column names and the number of bytes before the first row."""
        with reading(self.name, "CSV"), self._open() as file:
            start = file.read(_HEADER_BYTES)
        skip = len(codecs.BOM_UTF8) if start.startswith(codecs.BOM_UTF8) else 0
        end = _END.search(start[skip:])
        said = _SEP.fullmatch(start[skip : skip + end.start()]) if end else None
        if said and end:
            skip += end.end()
            end = _END.search(start[skip:])
        if (zero := start.find(0)) >= 0:
            body = skip + end.end() if end else len(start)
            rows = [_row_of(start[body:], zero - body)] if zero >= body else []
            raise InputError(_ZERO, file=self.name, rows=rows)
        if end is None and len(start) == _HEADER_BYTES:
            raise InputError("has no line end in its first megabyte", file=self.name)
        line = start[skip : skip + end.start()] if end else start[skip:]
        if not line.strip():
            raise InputError("begins with an empty line; the first line must name the columns", file=self.name)
        self._between = said.group(1) if said else _most(line)
        if not said and (names_in := _names_below(start[skip:])):
            told = f"its first line looks like a title, and line {names_in} names the columns: take out what is above"
            raise InputError(told, file=self.name)
        self._line = _line(self._between)
        if not self._line.fullmatch(line):
            raise InputError("has a stray quote in its first line", file=self.name)
        if codecs.BOM_UTF8 in line:
            raise InputError(f"{_MARK} (first line)", file=self.name)
        try:
            text = line.decode(self._encoding)
            names = [n.strip() for n in next(csv.reader([text], delimiter=self._between.decode()))]
        except UnicodeDecodeError:
            raise InputError(f"is not in {self._encoding} (first line); see --encoding", file=self.name) from None
        except csv.Error:
            raise InputError("has a column name that is too long", file=self.name) from None
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
                    if bytes(buffer[start - 1 : start]) != b"\r":
                        self.notes.append(_UNENDED)
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

    def _respelt(self, field: pa.Field, text: pa.Array) -> pa.Array:
        """A column that was read as text, as what it holds. Raises `InputError` for cells that are not that."""
        return from_text(text, self._kinds[field.name], field.name)

    def _mended(self, text: bytes) -> bytes | None:
        """The lines of a block with cells ``="…"`` as the text in them, ``"…"``; None if there are none.

        Programs write so for spreadsheets, and it is no CSV: only lines that are none otherwise, and are then, change.
        """
        if b'="' not in text:
            return None
        lines = text.splitlines(keepends=True)
        mended = [self._mended_line(line) if b'="' in line else line for line in lines]
        return b"".join(mended) if mended != lines else None

    def _mended_line(self, line: bytes) -> bytes:
        bare = line.rstrip(b"\r\n")
        if self._line.fullmatch(bare):
            return line
        mended = _as_text(self._between).sub(self._bare_text if self._has_ids else rb"\1", bare)
        return mended + line[len(bare) :] if self._line.fullmatch(mended) else line

    @property
    def _has_ids(self) -> bool:
        return "id" in self._kinds.values()

    def _bare_text(self, found: re.Match[bytes]) -> bytes:
        """A cell without the signs of a spreadsheet; of an id they stay, since it is told how many ids have any."""
        place = _INSIDE.sub(b"", found.string[: found.start()]).count(self._between)
        quoted = found.group(1)
        is_id = place < self._width and self._kinds[self._names[place]] == "id"
        return b'"=""' + quoted[1:-1] + b'"""' if is_id else quoted

    def _refuse_lines(self, text: bytes) -> None:
        """Go through a block line by line and raise `InputError` for the first malformed row."""
        row = 0
        for line in text.splitlines():
            if not line:
                continue
            if b'"' in line and not self._line.fullmatch(line):
                raise InputError(
                    "a stray quote, or a quote that is not closed on its line (cells may not hold line breaks)",
                    rows=[row],
                )
            found = _INSIDE.sub(b"", line).count(self._between) + 1
            if found != self._width:
                title = "; is it a title? The first line must name the columns" if self._width == 1 else ""
                names = f"the first line names {self._width} column{'s' * (self._width > 1)}"
                raise InputError(f"{found} cells where {names}{title}", rows=[row])
            row += 1


def _most(header: bytes) -> bytes:
    """What stands between the cells of a header; a comma if nothing does."""
    outside = _INSIDE.sub(b"", header)
    return max(_BETWEEN, key=outside.count)


def _names_below(text: bytes) -> int:
    """The number of the line that names the columns, where the first one is a title; 0 where it is none.

    A title has one cell, or some without a name; names are more than it has, none of them empty or a number.
    """
    lines = re.split(rb"\r\n|\n|\r", text[:_TITLE_BYTES])[: _TITLE_LINES + 1]
    cells, between = _cells(lines[0]), _most(lines[0])
    filled = sum(map(bool, cells))
    for number, line in enumerate(lines[1:-1], 2):
        names = _cells(line)
        row = len(cells) == len(_cells(line, between))
        if row and filled == len(cells) > 1:  # of which there are none above the names
            return 0
        if len(names) > max(1, filled) and all(names) and not any(map(_is_value, names)):
            return number
        if filled > 1 and all(names):
            return 0
    return 0


def _cells(line: bytes, between: bytes = b"") -> list[bytes]:
    """The cells of a line, roughly: without quotes and what stands between cells in them."""
    plain = _INSIDE.sub(lambda found: re.sub(rb'[,;\t|"]', b" ", found[0]), line)
    return [cell.strip(b" \t\xef\xbb\xbf") for cell in plain.split(between or _most(line))]


def _is_value(cell: bytes) -> bool:
    """Whether a cell is no name of a column but a number, a date or a code."""
    return cell.lower() in (b"true", b"false", b"y", b"n", b"m", b"f") or re.search(rb"[0-9]", cell[:1]) is not None


@cache
def _line(between: bytes) -> re.Pattern[bytes]:
    """A line of cells, each without a quote in it or quoted whole."""
    apart = re.escape(between)
    cell = rb'(?:%s|[^"%s]*)' % (_QUOTED, apart)
    return re.compile(rb"%s(?:%s%s)*" % (cell, apart, cell))


@cache
def _as_text(between: bytes) -> re.Pattern[bytes]:
    """A cell of a text as spreadsheets are given it, unquoted."""
    apart = re.escape(between)
    return re.compile(rb"(?<![^%s])=(%s)(?![^%s])" % (apart, _QUOTED, apart))


class _Recoded(io.RawIOBase):
    """A file in UTF-16 or UTF-32, read as UTF-8. Raises ``UnicodeError`` for bytes that are not."""

    def __init__(self, file: IO[bytes], encoding: str) -> None:
        self._file, self._decoder = file, codecs.getincrementaldecoder(encoding)()
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, room: Any) -> int:
        while not self._rest:
            found = self._file.read(1 << 20)
            self._rest = self._decoder.decode(found, final=not found).encode()
            if not found and not self._rest:
                return 0
        many = min(len(room), len(self._rest))
        room[:many], self._rest = self._rest[:many], self._rest[many:]
        return many

    def close(self) -> None:
        self._file.close()
        super().close()


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
