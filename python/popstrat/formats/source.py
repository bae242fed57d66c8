"""What every reader is: one file of a patient table, streamed as record batches, only the columns wanted.

Every fault of a file (missing, truncated, not what its name says, a repeated column name) is an `InputError` that
names the file. What Arrow says about a broken CSV is never passed on, because it quotes the row.
"""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import pyarrow as pa

from popstrat.core.hashing import hash_file
from popstrat.errors import InputError, shown_name

Kind = str
"""What the cells of a column hold (`Column.cells` of the patient table: "id", "bool", "category", …), or "text" to read
them as they stand. Of "coded" ones few are different: whole numbers may come in a dictionary, too, batch by batch."""
Kinds = Callable[[str], Kind | None]

BATCH_ROWS = 1 << 17


class FilePart(NamedTuple):
    """Rows of a file from ``first_row`` on, which can be read by themselves."""

    first_row: int
    batches: Callable[[], Iterator[pa.RecordBatch]]


class FileSource(ABC):
    """One input file.

    ``name`` is the file as the user gave it; ``schema`` has every column as it would be read; ``rows`` is None
    where only reading tells (CSV, Arrow streams). ``format`` is the format's name in the registry.
    """

    format: ClassVar[str]

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = str(path)
        self.schema: pa.Schema = pa.schema([])
        self.notes: list[str] = []  # what is to be said of it, known once it was read
        self.rows: int | None = None
        state = path.stat()
        self.bytes, self._modified = state.st_size, state.st_mtime_ns

    @abstractmethod
    def batches(self, columns: Sequence[str], *, batch_rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        """The rows in order, in batches of at most ``batch_rows``, with the named columns in that order.

        Raises `InputError` naming the file, and for CSV the rows, if it turns out to be damaged.
        """

    def parts(self, columns: Sequence[str], *, batch_rows: int = BATCH_ROWS) -> Sequence[FilePart] | None:
        """The same rows in parts, in order, that may be read at the same time; None where there is only one order."""
        return None

    def content_hash(self, stopped: Callable[[], bool]) -> str:
        """The hash of what the file holds, for records; given up once ``stopped``. Raises ``OSError``."""
        return hash_file(self.path, stopped)

    def described(self) -> dict[str, Any]:
        """What a record says of it, once it has been read, besides its name, rows and hash: nothing of a mere file."""
        return {}

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
            what = f"column {shown_name(repeated[0])}" if repeated[0] else "a column without a name"
            raise InputError(f"{what} appears {names.count(repeated[0])} times", file=self.name)


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


def sliced(batch: pa.RecordBatch, rows: int) -> Iterator[pa.RecordBatch]:
    """The batch in pieces of at most ``rows``, without copying; nothing for an empty one."""
    for start in range(0, batch.num_rows, rows):
        yield batch.slice(start, rows)


@contextmanager
def reading(name: str, what: str, column: str | None = None) -> Iterator[None]:
    """Turn whatever goes wrong while a file is read into an `InputError` that names it, and the column at hand."""
    try:
        yield
    except InputError:
        raise
    except PermissionError:
        raise InputError("may not be read (permission denied)", file=name, column=column) from None
    except (pa.ArrowException, OSError, EOFError, UnicodeError, zlib.error) as error:
        if isinstance(error, pa.ArrowCancelled):
            raise
        if isinstance(error, pa.ArrowMemoryError):  # a length that was damaged, more often than not
            raise InputError(
                "asks for more memory than there is: it is damaged or too large", file=name, column=column
            ) from error
        raise InputError(
            f"cannot be read as {what}: it is damaged, cut short or something else", file=name, column=column
        ) from error
