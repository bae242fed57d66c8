"""The files of a table, of any layout, as batches of the canonical columns: streamed, and as often as asked for.

A column that is canonical already (in name and type) is handed on as it lies; what costs time is text. What was set
aside or read otherwise than it stands is counted by its reason.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa

from popstrat.core.hashing import HASH, hash_file
from popstrat.core.text import suggest
from popstrat.deriving.canonical import KEY
from popstrat.deriving.columns import Tally
from popstrat.deriving.layout import TABLES, AnyTable, Layout, Shape, load_layout, squeeze
from popstrat.deriving.lookups import Lookups
from popstrat.deriving.shaped import Later, Names, Piece, ShapedFile
from popstrat.errors import InputError
from popstrat.formats import BATCH_ROWS, FileSource, Kind, expand, open_source


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

    def kinds(name: str) -> Kind:
        return "id" if squeeze(name) in whose else "string"

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
        self.counts: Mapping[str, int] = {}
        """What the latest pass over the rows found: ``rows``, and how many there are of each reason."""
        self._rows = [0] * len(self._files)
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

    def pieces(self) -> Iterator[Piece]:
        """The same, each batch with where it is from."""
        stop = threading.Event()
        if not self._hashes:
            pool = ThreadPoolExecutor(1, thread_name_prefix="popstrat-hash")
            self._hashes = [pool.submit(hash_file, f.source.path, stop.is_set) for f in self._files]
            pool.shutdown(wait=False)
        total = Tally()
        whole = False
        try:
            changes = len(self._files) > 1 and all(f.shape.row_id for f in self._files)
            if changes and self._later is None:
                self._later = Later(self._files, self._batch_rows)
            for i, file in enumerate(self._files):
                tally = Tally()
                yield from file.pieces(self.columns, self._batch_rows, tally, self._later, i)
                self._rows[i] = tally["rows"]
                total.update(tally)
            whole = True
        finally:
            if not whole:
                stop.set()
                self._hashes = []
        self.counts = {"rows": total.pop("rows", 0), **dict(sorted(total.items()))}

    def record(self) -> list[dict[str, Any]]:
        """What a run record says of the files, once they have been read; waits for their hashes."""
        hashes = [h.result() for h in self._hashes] or [hash_file(f.source.path) for f in self._files]
        found = [self._of(f.source, rows, h) for f, rows, h in zip(self._files, self._rows, hashes, strict=True)]
        looked_up = [one for t in self._lookups.read.values() for one in zip(t.files, t.rows, strict=True)]
        return [*found, *(self._of(f, rows, hash_file(f.path)) for f, rows in looked_up)]

    @staticmethod
    def _of(file: FileSource, rows: int, content: str) -> dict[str, Any]:
        return {"name": file.path.name, "format": file.format, "rows": rows, "bytes": file.bytes, HASH: content}
