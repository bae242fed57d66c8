"""CSV: read in blocks that end at a line's end, several blocks at a time, each block checked line against row.

A cell may not hold a line break, so that a stray quote can never swallow the rows after it: the lines of a block and
the rows that Arrow finds in it must agree, and quotes must stand where RFC 4180 puts them. A block that fails is looked
at again line by line for the row at fault. Cells are never quoted in a message.

Ids and practice codes are read as text, always: a column of digits in one file and of letters in the next is
then still one column, and leading zeros stay. Whole numbers are read as float64, because "120.0" is what many
programs write for a column with gaps. A date may be followed by a time of day, which is dropped.
"""

from __future__ import annotations

import codecs
import csv
import datetime as dt
import gzip
import io
import itertools
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa

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
_MOMENT = pa.timestamp("us")
_EXPECTED = {
    "bool": "true, false, 1 or 0",
    "int": "a number",
    "float": "a number",
    "date": "a date as YYYY-MM-DD",
}


def _any_case(word: str) -> list[str]:
    return ["".join(letters) for letters in itertools.product(*zip(word.lower(), word.upper(), strict=True))]


TRUE, FALSE = ["1", *_any_case("true")], ["0", *_any_case("false")]

_CELL = rb'(?:"(?:[^"]|"")*"|[^",]*)'
_LINE = re.compile(rb"%s(?:,%s)*" % (_CELL, _CELL))
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)?")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?(?:nan|inf|infinity)", re.IGNORECASE)


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
        self._kinds = {n: k or "text" for n, k in zip(self._names, known, strict=True)}
        self.schema = pa.schema([(n, _TYPES[self._kinds[n]]) for n in self._names])
        self._check_names()

    def batches(
        self, columns: Sequence[str], *, batch_rows: int = BATCH_ROWS, block_bytes: int = BLOCK_BYTES
    ) -> Iterator[pa.RecordBatch]:
        first_row = 0
        with reading(self.name, "CSV"), self._open() as file:
            file.read(self._body)
            parsed = self._in_order(self._blocks(file, block_bytes), lambda block: self._parse(block, list(columns)))
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
        if len(names) == 1 and (other := next((c for c in ";\t|" if c in names[0]), None)):
            raise InputError(f"is separated by {other!r}, not by commas", file=self.name)
        return names, skip + (end.end() if end else len(line))

    def _blocks(self, file: IO[bytes], size: int) -> Iterator[bytes]:
        """The rest of the file in blocks of whole lines."""
        rest: list[bytes] = []
        held = 0
        while chunk := file.read(size):
            cut = chunk.rfind(b"\n") + 1
            if not cut:
                rest.append(chunk)
                held += len(chunk)
                if held > _LONGEST_LINE:
                    raise InputError("has a line of more than 64 MB; is it a CSV file?", file=self.name)
                continue
            yield b"".join([*rest, chunk[:cut]])
            rest, held = [chunk[cut:]], len(chunk) - cut
        if held:
            yield b"".join(rest)

    def _in_order(self, blocks: Iterator[bytes], parse: Callable[[bytes], pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Parse blocks, a few at a time, and give the results in order."""
        if self._threads == 1:
            yield from map(parse, blocks)
            return
        pool = ThreadPoolExecutor(self._threads, thread_name_prefix="popstrat-csv")
        waiting: deque[Future[pa.RecordBatch]] = deque()
        try:
            for block in blocks:
                waiting.append(pool.submit(parse, block))
                if len(waiting) > self._threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    # -- cells --------------------------------------------------------------------------------------------------

    def _parse(self, block: bytes, columns: list[str]) -> pa.RecordBatch:
        """One block of whole lines; raises `InputError` with rows counted from the block's first."""
        import pyarrow.csv as pa_csv

        block = self._as_utf8(block)
        if b'"' in block and not _well_quoted(block):
            self._find_fault(block)
        read = pa_csv.ReadOptions(use_threads=False, block_size=len(block) + 1, column_names=self._names)
        convert = pa_csv.ConvertOptions(
            # A date may come with a time of day, as databases export it.
            column_types={c: _MOMENT if self._kinds[c] == "date" else self.schema.field(c).type for c in columns},
            include_columns=columns,
            null_values=[""],
            true_values=TRUE,
            false_values=FALSE,
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
        )
        if not block.strip(b"\r\n"):
            return self._no_rows(columns)
        try:
            table = pa_csv.read_csv(pa.py_buffer(block), read, pa_csv.ParseOptions(newlines_in_values=False), convert)
        except pa.ArrowInvalid as error:
            self._find_fault(block)
            self._find_cell(block, str(error))
            raise InputError("a row cannot be read") from None
        lines = block.count(b"\n") + (not block.endswith(b"\n"))
        if table.num_rows != lines and table.num_rows != self._find_fault(block):
            raise InputError("the lines and the rows do not agree; is there a stray quote?")
        batches = table.combine_chunks().to_batches()
        if not batches:
            return self._no_rows(columns)
        schema = pa.schema([self.schema.field(c) for c in columns])
        found = [
            a.cast(f.type, safe=False) if a.type == _MOMENT else a for a, f in zip(batches[0], schema, strict=True)
        ]
        return pa.RecordBatch.from_arrays(found, schema=schema)

    def _no_rows(self, columns: list[str]) -> pa.RecordBatch:
        schema = pa.schema([self.schema.field(c) for c in columns])
        return pa.RecordBatch.from_arrays([pa.array([], f.type) for f in schema], schema=schema)

    def _as_utf8(self, block: bytes) -> bytes:
        """The block in UTF-8, all of it valid."""
        try:
            if self._encoding != "utf-8":
                return block.decode(self._encoding).encode()
            if not block.isascii():
                block.decode()
        except UnicodeDecodeError as error:
            row = block.count(b"\n", 0, error.start)
            raise InputError(f"is not in {self._encoding}; see --encoding", rows=[row]) from None
        return block

    def _find_fault(self, block: bytes) -> int:
        """Go through a block line by line: raise `InputError` for the first malformed row, or count the rows."""
        row = 0
        for line in block.splitlines():
            if not line:
                continue
            if b'"' not in line:
                cells = line.count(b",") + 1
            elif _LINE.fullmatch(line):
                cells = len(next(csv.reader([line.decode(errors="replace")])))
            else:
                raise InputError(
                    "a stray quote, or a quote that is not closed on its line (cells may not hold line breaks)",
                    rows=[row],
                )
            if cells != len(self._names):
                raise InputError(f"{cells} cells where the first line names {len(self._names)} columns", rows=[row])
            row += 1
        return row

    def _find_cell(self, block: bytes, message: str) -> None:
        """Raise `InputError` for the column that Arrow could not convert, with the first rows at fault."""
        place = re.search(r"In CSV column #(\d+)", message)
        if place is None:
            return
        column = self._names[int(place.group(1))]
        kind = self._kinds[column]
        if kind not in _EXPECTED:
            return
        rows: list[int] = []
        lines = (line for line in io.StringIO(block.decode(), newline=None) if line.strip("\n"))
        for row, cells in enumerate(csv.reader(lines)):
            if not _converts(cells[int(place.group(1))], kind):
                rows.append(row)
                if len(rows) == _ROWS_NAMED:
                    break
        raise InputError(f"a cell is not {_EXPECTED[kind]} (empty means no record)", column=column, rows=rows)


def _codec(encoding: str) -> str:
    try:
        name = codecs.lookup(encoding).name
    except LookupError:
        raise InputError(f"encoding {encoding!r} is not known; use utf-8, utf-8-sig or cp1252") from None
    name = "utf-8" if name in ("utf-8-sig", "ascii") else name
    # Blocks are cut at the byte of a line end, which is safe for UTF-8 and single-byte encodings only.
    if name != "utf-8" and (len('\n,"'.encode(name)) != 3 or '\n,"'.encode(name) != b'\n,"' or _is_wide(name)):
        raise InputError(f"encoding {encoding!r} is not supported; use utf-8, utf-8-sig or cp1252")
    return name


def _is_wide(name: str) -> bool:
    """Whether an encoding has characters of more than one byte."""
    return not (name.startswith(("cp125", "iso8859", "latin", "koi8", "mac-")) or name in ("cp437", "cp850", "cp858"))


def _converts(cell: str, kind: Kind) -> bool:
    """Whether a cell can be read as its kind, in the way Arrow reads it."""
    cell = cell.strip(" \t") if kind != "date" else cell
    if not cell:
        return True
    if kind == "bool":
        return cell in TRUE or cell in FALSE
    if kind == "date":
        try:
            return bool(_DATE.fullmatch(cell)) and bool(dt.datetime.fromisoformat(cell))
        except ValueError:
            return False
    return _NUMBER.fullmatch(cell) is not None


def _well_quoted(block: bytes) -> bool:
    """Whether every quote opens a cell, closes one, or is doubled inside one. Errs on the side of False."""
    raw = np.frombuffer(block, np.uint8)
    quotes = np.flatnonzero(raw == ord('"'))
    if len(quotes) % 2:
        return False
    opening, closing = quotes[::2], quotes[1::2]
    around = np.zeros(256, bool)
    around[list(b',\n\r"')] = True
    before = around[raw[np.maximum(opening - 1, 0)]] | (opening == 0)
    after = around[raw[np.minimum(closing + 1, len(raw) - 1)]] | (closing == len(raw) - 1)
    return bool(before.all() and after.all())
