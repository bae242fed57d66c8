"""Sources: files of one patient table, streamed as record batches, only the columns wanted.

Every fault of a file (missing, truncated, not what its name says, a repeated column name) is an `InputError` that
names the file. What Arrow says about a broken CSV is never passed on, because it quotes the row.
"""

from __future__ import annotations

import glob
import os
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pyarrow as pa

from popstrat.core.soundness import cleared, refuse_misfits, refuse_unsound
from popstrat.errors import InputError

Format = Literal["parquet", "arrow", "csv"]
Kind = str
"""A column type of the patient table ("id", "bool", "category", …), or "text" to read a cell as it stands."""
Kinds = Callable[[str], Kind | None]

BATCH_ROWS = 1 << 17

_BY_SUFFIX: dict[str, Format] = {
    ".parquet": "parquet", ".parq": "parquet", ".pq": "parquet",
    ".arrow": "arrow", ".arrows": "arrow", ".feather": "arrow", ".ipc": "arrow",
    ".csv": "csv",
}  # fmt: skip
_STREAM_END = b"\xff\xff\xff\xff\0\0\0\0"
_KNOWN = ".parquet, .arrow, .feather, .ipc, .csv or .csv.gz"


class FileSource(ABC):
    """One input file.

    ``name`` is the file as the user gave it; ``schema`` has every column as it would be read; ``rows`` is None
    where only reading tells (CSV, Arrow streams).
    """

    format: Format

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = str(path)
        self.schema: pa.Schema = pa.schema([])
        self.rows: int | None = None
        state = path.stat()
        self.bytes, self._modified = state.st_size, state.st_mtime_ns

    @abstractmethod
    def batches(self, columns: Sequence[str], *, batch_rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        """The rows in order, in batches of at most ``batch_rows``, with the named columns in that order.

        Raises `InputError` naming the file, and for CSV the rows, if it turns out to be damaged.
        """

    def check_unchanged(self) -> None:
        """Raise `InputError` if the file is no longer the one that was opened."""
        try:
            state = self.path.stat()
            same = (state.st_size, state.st_mtime_ns) == (self.bytes, self._modified)
        except OSError:
            same = False
        if not same:
            raise InputError("was changed while it was read", file=self.name)

    def _check_names(self) -> None:
        names = self.schema.names
        repeated = sorted({n for n in names if names.count(n) > 1})
        if repeated:
            what = f"column {repeated[0]!r}" if repeated[0] else "a column without a name"
            raise InputError(f"{what} appears {names.count(repeated[0])} times", file=self.name)


class ArrowSource(FileSource):
    """An Arrow IPC file or stream (Feather version 2 is the former).

    It is read, and never mapped into memory: a mapped file that another process cuts short ends this one. Whoever wrote
    it may have got offsets, indices or text wrong, so every column that is read is wholly validated before it is given
    out.
    """

    format = "arrow"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with reading(self.name, "Arrow IPC"), pa.OSFile(str(path)) as file:
            start = file.read(6)
            file.seek(0)
            if start[:4] == b"FEA1":
                raise InputError("is a Feather file of the old version 1; write it again as version 2", file=self.name)
            self._stream = start != b"ARROW1"
            if self._stream:
                with pa.ipc.open_stream(file) as stream:
                    self.schema = stream.schema
                file.seek(max(0, self.bytes - len(_STREAM_END)))
                # A stream cut off between two batches reads without an error, so insist on its end mark.
                if file.read() != _STREAM_END:
                    raise InputError("is cut short: an Arrow stream without its end mark", file=self.name)
            else:
                with pa.ipc.open_file(file) as whole:
                    self.schema = whole.schema
                if len(self.schema):
                    self.rows = self._count(file)
        with reading(self.name, "Arrow IPC"):  # names that are no text
            self._check_names()

    def _count(self, file: pa.NativeFile) -> int:
        """The rows of a file, for which one column has to be read: the narrowest."""
        narrowest = min(range(len(self.schema)), key=lambda i: _width(self.schema.field(i).type))
        options = pa.ipc.IpcReadOptions(included_fields=[narrowest])
        file.seek(0)
        with pa.ipc.open_file(file, options=options) as whole:
            return sum(whole.get_batch(i).num_rows for i in range(whole.num_record_batches))

    def batches(self, columns: Sequence[str], *, batch_rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        columns = list(columns)
        fields = [self.schema.get_field_index(c) for c in columns]
        options = pa.ipc.IpcReadOptions(included_fields=sorted(fields))
        row = 0
        with reading(self.name, "Arrow IPC"), pa.OSFile(str(self.path)) as file:
            for batch in self._read(file, options):
                found = batch.select(columns)
                try:
                    refuse_misfits(found, range(len(columns)))
                    for name, array in zip(columns, found.columns, strict=True):
                        refuse_unsound(array, name)
                except InputError as error:
                    raise error.located(self.name, row) from None
                found = pa.RecordBatch.from_arrays([cleared(a) for a in found.columns], schema=found.schema)
                yield from sliced(found, batch_rows)
                row += found.num_rows

    def _read(self, file: pa.NativeFile, options: pa.ipc.IpcReadOptions) -> Iterator[pa.RecordBatch]:
        if self._stream:
            with pa.ipc.open_stream(file, options=options) as stream:
                yield from stream
                if file.tell() != self.bytes:  # a stream that was cut short between two batches reads without an error
                    raise InputError("does not end where its last batch does", file=self.name)
        else:
            with pa.ipc.open_file(file, options=options) as whole:
                for i in range(whole.num_record_batches):
                    yield whole.get_batch(i)


def _width(kind: pa.DataType) -> int:
    """Bits a row of a column takes in a file, at least."""
    try:
        return int(kind.bit_width)
    except ValueError:  # text and the like
        return 1 << 10


class Source:
    """The files of one patient table, in order. ``rows`` is the total where every file tells it."""

    def __init__(self, files: Sequence[FileSource]) -> None:
        self.files = tuple(files)

    @property
    def rows(self) -> int | None:
        known = [f.rows for f in self.files if f.rows is not None]
        return sum(known) if len(known) == len(self.files) else None

    @property
    def bytes(self) -> int:
        return sum(f.bytes for f in self.files)


def open_source(
    paths: Sequence[str | Path], *, kinds: Kinds = lambda name: None, encoding: str = "utf-8", threads: int = 1
) -> Source:
    """Open files and globs as one table; their schemas are read, their rows are not.

    ``kinds`` says what a column of the file holds (by the file's own name for it): CSV cells are read accordingly, and
    a column of no known kind as text. ``encoding`` is for CSV, ``threads`` for CSV and Parquet. Raises
    `InputError` for a file that is missing, repeated, unreadable or has two columns of one name.
    """
    return Source([_open_file(path, kinds, encoding, threads) for path in expand(paths)])


def expand(paths: Sequence[str | Path]) -> list[Path]:
    """File names from names and globs, those of a glob sorted. Raises `InputError` for what is not there."""
    if not paths:
        raise InputError("no input file is given")
    found: list[Path] = []
    for given in paths:
        path = Path(given)
        if path.is_dir():
            advice = f"'{path}{os.sep}*.parquet'"
            raise InputError(f"is a folder; name its files, or quote a pattern such as {advice}", file=str(path))
        if path.exists() or not glob.has_magic(str(given)):
            found.append(path)
            continue
        matches = sorted(p for p in map(Path, glob.glob(str(given), recursive=True)) if not p.is_dir())  # noqa: PTH207
        if not matches:
            raise InputError("no file matches this pattern", file=str(given))
        found.extend(matches)
    seen: set[Path] = set()
    for path in found:
        if not path.exists():
            near = near_miss(path.name, _siblings(path))
            raise InputError(f"there is no such file{near}", file=str(path))
        if not path.is_file():
            raise InputError("is not a regular file", file=str(path))
        if path.resolve() in seen:
            raise InputError("is given twice", file=str(path))
        seen.add(path.resolve())
    return found


def near_miss(word: str, known: Collection[str]) -> str:
    """ "; did you mean 'x'?" if something known is close to ``word``, else nothing."""
    import difflib

    def plain(text: str) -> str:
        return text.casefold().replace(" ", "_").replace("-", "_")

    spellings = {plain(k): k for k in known}
    close = difflib.get_close_matches(plain(word), spellings, 1, 0.7)
    return f"; did you mean {spellings[close[0]]!r}?" if close else ""


def sliced(batch: pa.RecordBatch, rows: int) -> Iterator[pa.RecordBatch]:
    """The batch in pieces of at most ``rows``, without copying; nothing for an empty one."""
    for start in range(0, batch.num_rows, rows):
        yield batch.slice(start, rows)


@contextmanager
def reading(name: str, what: str) -> Iterator[None]:
    """Turn whatever goes wrong while a file is read into an `InputError` that names it."""
    try:
        yield
    except InputError:
        raise
    except PermissionError:
        raise InputError("may not be read (permission denied)", file=name) from None
    except (pa.ArrowException, OSError, EOFError, UnicodeError, zlib.error) as error:
        if isinstance(error, pa.ArrowCancelled):
            raise
        if isinstance(error, pa.ArrowMemoryError):  # a length that was damaged, more often than not
            raise InputError("asks for more memory than there is: it is damaged or too large", file=name) from error
        raise InputError(f"cannot be read as {what}: it is damaged, cut short or something else", file=name) from error


def _open_file(path: Path, kinds: Kinds, encoding: str, threads: int) -> FileSource:
    name = str(path)
    packed = path.suffix.lower() == ".gz"
    suffix = Path(path.stem).suffix.lower() if packed else path.suffix.lower()
    form = _BY_SUFFIX.get(suffix)
    if form is None or (packed and form != "csv"):
        raise InputError(f"cannot tell the format from the name; it should end in {_KNOWN}", file=name)
    with reading(name, form), path.open("rb") as file:
        start = file.read(8)
    if not start:
        raise InputError("is empty (0 bytes)", file=name)
    looks = _looks_like(start)
    if form != "csv" and looks != form:
        hint = f"; it looks like {looks.upper() if looks == 'csv' else looks.title()}" if looks else ""
        raise InputError(f"is not a{'n Arrow IPC' if form == 'arrow' else ' Parquet'} file{hint}", file=name)
    if form == "csv" and not packed and looks != "csv":
        raise InputError(f"is not a CSV file{f'; it looks like {looks.title()}' if looks else ''}", file=name)
    if form == "parquet":
        from popstrat.io.parquetsource import ParquetSource

        return ParquetSource(path, kinds, threads=max(1, threads // 2))  # the writer needs the others
    if form == "arrow":
        return ArrowSource(path)
    from popstrat.io.csvfile import CsvSource

    return CsvSource(path, kinds, encoding, threads=threads)


def _looks_like(start: bytes) -> Format | None:
    """A guess from a file's first bytes; None if it is none of ours."""
    if start[:4] in (b"PAR1", b"PARE"):
        return "parquet"
    if start[:6] == b"ARROW1" or start[:4] in (b"\xff\xff\xff\xff", b"FEA1"):
        return "arrow"
    return None if b"\0" in start or start[:2] == b"\x1f\x8b" or start[:4] == b"PK\3\4" else "csv"


def _siblings(path: Path) -> list[str]:
    try:
        return [p.name for p in path.parent.iterdir()]
    except OSError:
        return []
