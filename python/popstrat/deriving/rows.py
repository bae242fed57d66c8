"""The files of a table, of any layout, as batches of the canonical columns: streamed, and as often as asked for.

A column that is canonical already (in name and type) is handed on as it lies; what costs time is text. What was set
aside or read otherwise than it stands is counted by its reason.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from popstrat.core.hashing import HASH, hash_file
from popstrat.core.text import suggest
from popstrat.deriving.canonical import KEY
from popstrat.deriving.columns import Tally
from popstrat.deriving.layout import TABLES, AnyTable, Layout, Shape, load_layout, squeeze
from popstrat.deriving.lookups import Lookups
from popstrat.deriving.shaped import Later, Names, Part, Piece, ShapedFile
from popstrat.errors import InputError
from popstrat.formats import BATCH_ROWS, FileSource, Kind, expand, open_source

_LOOK = 0.05  # seconds between looks at whether hashes are still wanted


def open_rows(
    table: AnyTable,
    files: str | Path | Sequence[str | Path],
    layout: Layout | str | Path = "canonical",
    *,
    ids: pa.DataType | None = None,
    encoding: str | None = None,
    threads: int = 1,
    batch_rows: int = BATCH_ROWS,
) -> RowFiles:
    """Open the files of a table: names, patterns and folders.

    ``ids`` is the type of the ids that the table's are compared with (None: as the files have them, int64 or string),
    ``encoding`` that of CSV if it is not the layout's. Of a folder, the files that the layout's names match are read,
    or all if it has none. Raises `InputError` for a file that is missing, unreadable, or lacks a column.
    """
    layout = layout if isinstance(layout, Layout) else load_layout(layout)
    given = [files] if isinstance(files, str | Path) else list(files)
    if not layout.shapes[table]:
        raise InputError(f"the layout {layout.name} does not say how {table} are read")
    encoding = encoding or layout.encoding
    whose = {squeeze(n) for s in layout.shapes[table] for o in (KEY, "group_id") if o in s.columns
             for n in s.columns[o].names}  # fmt: skip

    codes = {squeeze(n) for s in layout.shapes[table] for o in ("code", "unit") if o in s.columns
             for n in s.columns[o].names}  # fmt: skip

    def kinds(name: str) -> Kind:
        return "id" if squeeze(name) in whose else "coded" if squeeze(name) in codes else "string"

    paths = _files(table, given, layout)
    folders = [Path(one) for one in given if Path(one).is_dir()]
    lookups = Lookups(layout, folders, dict.fromkeys(path.parent for path in paths), encoding)
    opened = []
    for path in paths:
        (source,) = open_source([path], kinds=kinds, encoding=encoding, threads=threads).files
        names = Names(source)
        shape = _shape(source, names, table, layout)
        opened.append(ShapedFile(source, shape, names, lookups, ids or pa.string()))
    for name in sorted({name for file in opened for name in file.looked_up}):
        lookups.files(name)  # or refused before a row is read
    if ids is None:
        types = {f.id_type for f in opened}
        ids = types.pop() if len(types) == 1 else pa.string()
        opened = [f.compared_with(ids) for f in opened]
    return RowFiles(table, opened, layout, lookups, batch_rows)


def _files(table: AnyTable, given: Sequence[str | Path], layout: Layout) -> list[Path]:
    """The files to read: those of a folder by the layout's names for the table's, or all if none is called so."""
    shapes = layout.shapes[table]
    found: list[str | Path] = []
    for one in given:
        if not Path(one).is_dir() or not all(s.files for s in shapes):
            found.append(one)
            continue
        within = sorted(p for p in Path(one).rglob("*") if p.is_file() and not p.name.startswith((".", "_")))
        own = [p for p in within if any(s.is_called(p.name) for s in shapes if not s.fallback)]
        own = own or [p for p in within if any(s.is_called(p.name) for s in shapes)]
        found.extend(own or [one])
    return expand(found)


def _shape(source: FileSource, names: Names, table: AnyTable, layout: Layout) -> Shape:
    """The shape that a file has: the one that its name says, or else the first whose columns it has."""
    shapes = layout.shapes[table]
    lacking = {
        s.name: [o for o, cell in TABLES[table].items() if cell.required and not names.gives(s.columns[o])]
        for s in shapes
    }
    named = [s for s in shapes if s.is_called(source.path.name)] or shapes
    shape = min(named, key=lambda s: len(lacking[s.name]))
    if not lacking[shape.name]:
        return shape
    ours = lacking[shape.name][0]
    theirs = shape.columns[ours].names or shape.columns[ours].parts
    what = f", which is the {ours} of the {table} in the layout {layout.name}" if theirs[:1] != (ours,) else ""
    or_else = f" (or {' or '.join(theirs[1:])})" if theirs[1:] else ""
    raise InputError(
        f"is absent{or_else}{what}; a file of {table} needs it{suggest(theirs[0], source.schema.names)}",
        column=theirs[0], file=source.name,
    )  # fmt: skip


class RowFiles:
    """The files of a table. ``columns`` are the canonical ones that any of them gives, ``ids`` is the type of the ids.
    A batch has all these columns, the code as int64 or as a dictionary of int64, as its file has it."""

    def __init__(
        self, table: AnyTable, files: Sequence[ShapedFile], layout: Layout, lookups: Lookups, batch_rows: int
    ) -> None:
        self.table, self.layout = table, layout
        self._files, self._lookups, self._batch_rows = tuple(files), lookups, batch_rows
        self._hashes: list[Future[str]] = []
        given = {c for f in files for c in f.columns}
        self.ids: pa.DataType = files[0].ids if files else pa.string()
        self.columns: tuple[str, ...] = tuple(c for c in TABLES[table] if c in given)
        self._tallies: list[Tally] = []  # of the latest pass, a file each
        self._lock = threading.Lock()
        self._later: Later | None = None

    @property
    def rows(self) -> int | None:
        """How many rows there are, where every file tells it before it is read."""
        known = [f.source.rows for f in self._files]
        return None if None in known else sum(r for r in known if r is not None)

    @property
    def bytes(self) -> int:
        return sum(f.source.bytes for f in self._files)

    @property
    def paths(self) -> list[Path]:
        """The files that are read, those of lookups with them."""
        looked_up = [f.path for t in self._lookups.read.values() for f in t.files]
        return [*(f.source.path for f in self._files), *looked_up]

    def check_unchanged(self) -> None:
        """Raise `InputError` if a file is no longer the one that was opened."""
        for file in self._files:
            file.source.check_unchanged()

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows of all files in order, less those set aside; `counts` holds once they are all read."""
        return (piece.batch for piece in self.pieces())

    __iter__ = batches

    def pieces(self) -> Iterator[Piece]:
        """The same, each batch with where it is from."""
        with self._pass() as tallies:
            for i, file in enumerate(self._files):
                yield from file.pieces(self.columns, self._batch_rows, tallies[i], self._later, i)

    def parts(self) -> Generator[Part]:
        """The same in parts that may be read at the same time, each by another thread. `counts` holds once all that
        were given out are read. Of files whose rows have to be read in order, a part is a batch."""
        with self._pass() as tallies:
            for i, file in enumerate(self._files):
                parts = file.parts(self.columns, self._batch_rows, self._later, i)
                if parts is None:
                    for piece in file.pieces(self.columns, self._batch_rows, tallies[i], self._later, i):
                        yield partial(_read, [piece])
                    continue
                for part in parts:
                    yield partial(self._part, part, tallies[i])

    def _part(self, part: Part, whole: Tally) -> Iterator[pa.RecordBatch]:
        tally = Tally()
        yield from _read(part(tally))
        with self._lock:
            whole.update(tally)

    @contextlib.contextmanager
    def _pass(self) -> Iterator[list[Tally]]:
        """A pass over all files, with a tally for each; they are hashed beside it."""
        self.hashing()
        changes = len(self._files) > 1 and all(f.shape.row_id for f in self._files)
        if changes and self._later is None:
            self._later = Later(self._files, self._batch_rows)
        self._tallies = [Tally() for _ in self._files]
        whole = False
        try:
            yield self._tallies
            whole = True
        finally:
            if not whole:
                self._stop_hashing()

    @property
    def counts(self) -> Mapping[str, int]:
        """What the latest pass over the rows found: ``rows``, and how many there are of each reason."""
        total = Tally()
        for tally in self._tallies:
            total.update(tally)
        return {"rows": total.pop("rows", 0), **dict(sorted(total.items()))} if self._tallies else {}

    def hashing(self) -> Sequence[Future[str]]:
        """The hash of each file that is read, worked out once, in a thread of its own that is begun here."""
        with self._lock:
            if not self._hashes:
                self._stop = threading.Event()
                self._hashes = [Future() for _ in self._files]
                todo = [(f.source.path, future) for f, future in zip(self._files, self._hashes, strict=True)]
                threading.Thread(target=_hash, args=(todo, self._stop), name="popstrat-hash", daemon=True).start()
            return self._hashes

    def take_hashes(self, other: RowFiles) -> None:
        """Go on with the hashes of the same files, opened otherwise."""
        with self._lock:
            self._hashes, self._stop = list(other.hashing()), other._stop

    def hashes(self, stopped: Callable[[], bool]) -> list[str]:
        """The hashes of `paths`, once they are known, or of fewer once it is ``stopped``. Raises ``OSError``."""
        found: list[str] = []
        for future in self.hashing():
            while not future.done() and not stopped():
                wait([future], timeout=_LOOK)
            if stopped():
                return found
            found.append(future.result())
        return [*found, *(hash_file(path, stopped) for path in self.paths[len(found) :])]

    def _stop_hashing(self) -> None:
        with self._lock:
            self._stop.set()
            self._hashes = []

    def record(self) -> list[dict[str, Any]]:
        """What a run record says of the files, once they have been read; waits for their hashes."""
        hashes = [h.result() for h in self.hashing()]
        rows = [t["rows"] for t in self._tallies] or [0] * len(self._files)
        found = [self._of(f.source, many, h) for f, many, h in zip(self._files, rows, hashes, strict=True)]
        looked_up = [one for t in self._lookups.read.values() for one in zip(t.files, t.rows, strict=True)]
        return [*found, *(self._of(f, rows, hash_file(f.path)) for f, rows in looked_up)]

    @staticmethod
    def _of(file: FileSource, rows: int, content: str) -> dict[str, Any]:
        return {"name": file.path.name, "format": file.format, "rows": rows, "bytes": file.bytes, HASH: content}


def _hash(todo: Sequence[tuple[Path, Future[str]]], stop: threading.Event) -> None:
    for path, future in todo:
        try:
            future.set_result(hash_file(path, stop.is_set))
        except BaseException as error:  # raised to whoever asks for the hash
            future.set_exception(error)


def _read(pieces: Iterable[Piece]) -> Iterator[pa.RecordBatch]:
    return (piece.batch for piece in pieces)
