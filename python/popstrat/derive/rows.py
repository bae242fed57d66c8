"""The files of a table, of any layout, as batches of the canonical columns: streamed, and as often as asked for.

A column that is canonical already (in name and type) is handed on as it lies; what costs time is text. What was set
aside or read otherwise than it stands is counted by its reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.types as pt
from numpy.typing import NDArray

from popstrat.core.arrow import from_numpy, is_text, true
from popstrat.core.hashing import HASH, hash_file
from popstrat.core.lazy import compute as pc
from popstrat.core.text import suggest
from popstrat.derive import cells
from popstrat.derive.canonical import KEY, Cell
from popstrat.derive.layout import TABLES, AnyTable, Layout, Shape, Taken, load_layout, squeeze
from popstrat.derive.lookups import Table, load
from popstrat.errors import InputError
from popstrat.formats import BATCH_ROWS, FileSource, Kind, expand, open_source
from popstrat.packs.spellings import folded

MERGED = "merged_patient"
"""The reason of rows of the patients whose id another one has taken the place of; of other tables, rows that have it
now."""


def open_rows(
    table: AnyTable,
    files: Sequence[str | Path],
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
    if not layout.shapes[table]:
        raise InputError(f"the layout {layout.name} has no {table}", file=None)
    paths = _files(table, files, layout)
    known = {squeeze(n) for s in layout.shapes[table] for o in (KEY, "group_id") if o in s.columns
             for n in s.columns[o].names}  # fmt: skip

    def kinds(name: str) -> Kind:
        return "id" if squeeze(name) in known else "string"

    lookups = _Lookups(layout, [Path(f) for f in files], encoding or layout.encoding)
    opened = []
    for path in paths:
        (source,) = open_source([path], kinds=kinds, encoding=encoding or layout.encoding, threads=threads).files
        opened.append(_File.of(source, _shape(source, table, layout), lookups, ids))
    if ids is None and opened:
        types = {_id_type(f.source.schema.field(f.sources[KEY]).type) for f in opened}
        ids = types.pop() if len(types) == 1 else pa.string()
        opened = [replace(f, ids=ids) for f in opened]
    return RowFiles(table, opened, layout, lookups, batch_rows)


def _files(table: AnyTable, given: Sequence[str | Path], layout: Layout) -> list[Path]:
    """The files to read: those of a folder by the layout's names for the table's."""
    shapes = layout.shapes[table]
    found: list[str | Path] = []
    for one in given:
        if not Path(one).is_dir() or not all(s.files for s in shapes):
            found.append(one)
            continue
        within = sorted(p for p in Path(one).rglob("*") if p.is_file() and not p.name.startswith((".", "_")))
        for fallback in (False, True):
            own = [p for p in within if any(s.is_called(p.name) for s in shapes if s.fallback == fallback)]
            if own:
                break
        if not own:
            names = " or ".join(f for s in shapes for f in s.files)
            raise InputError(f"has no file of the {table} in the layout {layout.name}: {names}", file=str(one))
        found.extend(own)
    return expand(found)


def _shape(source: FileSource, table: AnyTable, layout: Layout) -> Shape:
    """The shape that a file has: the one that its name says, or else the first whose columns it has."""
    shapes = layout.shapes[table]
    named = [s for s in shapes if s.is_called(source.path.name)]
    lacking = [(_lacking(source, s), s) for s in named or shapes]
    for missing, shape in lacking:
        if not missing:
            return shape
    missing, shape = min(lacking, key=lambda one: len(one[0]))
    ours = missing[0]
    theirs = shape.columns[ours].names
    other = "" if theirs == (ours,) else f", which is {ours} in the layout {layout.name}"
    raise InputError(
        f"is absent{other}; the {table} need it{suggest(theirs[0], source.schema.names)}",
        column=theirs[0], file=source.name,
    )  # fmt: skip


def _lacking(source: FileSource, shape: Shape) -> list[str]:
    names = {squeeze(n) for n in source.schema.names}
    return [
        ours
        for ours, cell in TABLES[shape.table].items()
        if cell.required and (taken := shape.columns[ours]).const is None
        and not any(squeeze(n) in names for n in taken.names)
    ]  # fmt: skip


class _Lookups:
    """The lookups of a layout, each read when it is first needed, from beside the files given."""

    def __init__(self, layout: Layout, beside: Sequence[Path], encoding: str) -> None:
        self._layout, self._beside, self._encoding = layout, beside, encoding
        self.read: dict[str, Table] = {}

    def __getitem__(self, name: str) -> Table:
        if name not in self.read:
            spec = self._layout.lookups[name]
            folders = dict.fromkeys(p if p.is_dir() else p.parent for p in self._beside)
            forms = [f.casefold() for f in spec.files]
            files = [
                p
                for folder in folders
                for p in sorted(folder.rglob("*") if folder in self._beside else folder.iterdir())
                if p.is_file() and any(_called(p.name, f) for f in forms)
            ]
            if not files:
                raise InputError(
                    f"the layout {self._layout.name} looks up {name} in {' or '.join(spec.files)}, and there is no "
                    "such file beside it", file=str(self._beside[0]),
                )  # fmt: skip
            self.read[name] = load(spec, dict.fromkeys(files), self._encoding)
        return self.read[name]


def _called(name: str, form: str) -> bool:
    return Shape("", "events", {}, (form,)).is_called(name)


@dataclass(frozen=True)
class _File:
    """One file of a table, with what becomes of its columns: ``sources`` our column → the file's."""

    source: FileSource
    shape: Shape
    sources: Mapping[str, str]
    aside: tuple[tuple[str, tuple[tuple[str, frozenset[str]], ...], bool], ...]
    wanted: tuple[str, ...]
    extra: Mapping[str, str]
    lookups: _Lookups
    ids: pa.DataType | None

    @classmethod
    def of(cls, source: FileSource, shape: Shape, lookups: _Lookups, ids: pa.DataType | None) -> _File:
        names: dict[str, str] = {}
        for name in source.schema.names:
            names.setdefault(squeeze(name), name)
        names.update({name: name for name in source.schema.names})

        def find(theirs: str) -> str | None:
            return names.get(theirs) or names.get(squeeze(theirs))

        sources: dict[str, str] = {}
        extra: dict[str, str] = {}
        for ours, taken in shape.columns.items():
            theirs = next((f for n in taken.names if (f := find(n))), None)
            if theirs is not None:
                sources[ours] = theirs
                for beside in (taken.precision, taken.comparator):
                    if beside and (found := find(beside)):
                        extra[beside] = found
        aside = []
        for one in shape.set_aside:
            columns = tuple((f, texts) for c, texts in one.where.items() if (f := find(c)))
            if columns:
                aside.append((one.reason, columns, one.unless))
        wanted = dict.fromkeys([*sources.values(), *extra.values(), *(c for _, cs, _ in aside for c, _ in cs)])
        return cls(source, shape, sources, tuple(aside), tuple(wanted), extra, lookups, ids)

    @property
    def columns(self) -> list[str]:
        """The canonical columns that the file gives."""
        found = {o for o, t in self.shape.columns.items() if o in self.sources or t.const is not None}
        if "value" in self.sources and is_text(self.source.schema.field(self.sources["value"]).type):
            found.add("second_value")
        return [name for name in TABLES[self.shape.table] if name in found]

    def pieces(self, columns: Sequence[str], batch_rows: int, tally: cells.Tally) -> Iterator[Piece]:
        """Batches of these columns, null where the file has none. Errors name the file and its rows."""
        row = 0
        dates = {
            ours: cells.Dates(taken.spelling)
            for ours, taken in self.shape.columns.items()
            if TABLES[self.shape.table][ours].type == pa.date32()
        }
        for batch in self.source.batches(self.wanted, batch_rows=batch_rows):
            try:
                made, places = self._read(batch, columns, dates, tally)
            except InputError as error:
                raise error.located(self.source.name, row) from None
            tally.note("rows", batch.num_rows)
            if made.num_rows:
                yield Piece(self.source.name, row, places, made)
            row += batch.num_rows
        if self.source.rows not in (None, row):
            raise InputError("does not hold as many rows as it says", file=self.source.name)
        self.source.check_unchanged()

    def _read(
        self, batch: pa.RecordBatch, columns: Sequence[str], dates: Mapping[str, cells.Dates], tally: cells.Tally
    ) -> tuple[pa.RecordBatch, NDArray[np.intp] | None]:
        """The canonical columns of the rows that are left of a batch, and which rows of it they are (None: all)."""
        places: NDArray[np.intp] | None = None
        for reason, where, unless in self.aside:
            found = np.zeros(batch.num_rows, np.bool_)
            for column, texts in where:
                found |= among(batch.column(column), texts, column)
            batch, places = _less(batch, found ^ unless, places, reason, tally)
        try:
            keys, merged = self._ids(batch, tally)
            known = keys.is_valid() if keys.null_count else None
            if merged is not None:
                gone = true(merged)
                if self.shape.table == "patients" and gone.any():
                    known = from_numpy(~gone) if known is None else pc.and_(known, from_numpy(~gone))
                tally.note(MERGED, int(gone.sum()))
            if known is not None:
                tally.note("no_patient_id", keys.null_count)
                batch, places = _less(batch, ~true(known), places, "", tally)
                keys = keys.filter(known)
            made: dict[str, pa.Array] = {KEY: keys}
            for ours in columns:
                if ours not in made:
                    self._column(ours, batch, made, dates, tally)
        except InputError as error:
            raise (error.among(places.tolist()) if places is not None else error) from None
        kinds = TABLES[self.shape.table]
        arrays = [made[c] if c in made else pa.nulls(len(keys), _type(c, kinds[c])) for c in columns]
        return pa.RecordBatch.from_arrays(arrays, names=list(columns)), places

    def _ids(self, batch: pa.RecordBatch, tally: cells.Tally) -> tuple[pa.Array, pa.Array | None]:
        """The ids as they are compared, and which were others before."""
        name, taken = self.sources[KEY], self.shape.columns[KEY]
        if not taken.through:
            return cells.ids(batch.column(name), name, self.ids, tally), None
        before = cells.ids(batch.column(name), name, pa.string(), tally)
        coded = before.dictionary_encode()
        texts = coded.dictionary
        for one in taken.through:
            texts = _followed(self.lookups[one], texts, taken.keep)
        changed = pc.fill_null(pc.not_equal(texts, coded.dictionary.cast(texts.type)), True)
        after = texts.take(coded.indices)
        kind = self.ids or _id_type(self.source.schema.field(name).type)
        return cells.ids(after, name, kind, tally), changed.take(coded.indices) if taken.keep else None

    def _column(
        self, ours: str, batch: pa.RecordBatch, made: dict[str, pa.Array], dates: Mapping[str, cells.Dates],
        tally: cells.Tally,
    ) -> None:  # fmt: skip
        taken = self.shape.columns.get(ours)
        if taken is None or (ours not in self.sources and taken.const is None):
            return
        theirs = self.sources.get(ours, ours)
        given = pa.repeat(taken.const, batch.num_rows) if taken.const is not None else batch.column(theirs)
        try:
            given = self._looked_up(given, theirs, taken, tally)
            if ours in dates:
                found = dates[ours].read(given, ours, tally)
                if taken.precision in self.extra:
                    said = batch.column(self.extra[taken.precision])
                    found = cells.to_period(found, said, ours, taken, tally)
            elif ours == "value":
                said = batch.column(self.extra[taken.comparator]) if taken.comparator in self.extra else None
                found, second = cells.values(given, ours, taken, said, tally)
                if second is not None and "second_value" not in self.sources:
                    made["second_value"] = second
            else:
                found = self._read_one(ours, given, taken, tally)
        except InputError as error:
            if error.column is not None and theirs != ours:
                error = InputError(
                    f"{error.problem} (it is {ours})", column=theirs, rows=error.rows, more=error.more, file=error.file
                )
            raise error from None
        made[ours] = found

    def _looked_up(self, given: pa.Array, name: str, taken: Taken, tally: cells.Tally) -> pa.Array:
        if not taken.through:
            return given
        coded = cells.texts_of(given, name).dictionary_encode()
        texts = coded.dictionary
        for one in taken.through:
            texts = _trimmed(texts)
            texts = self.lookups[one].look_up(texts, taken.keep)
        lost = pc.and_(texts.is_null(), coded.dictionary.is_valid()).take(coded.indices)
        tally.note("not_looked_up", int(pc.sum(lost).as_py() or 0))
        return pa.DictionaryArray.from_arrays(coded.indices, texts)

    def _read_one(self, ours: str, given: pa.Array, taken: Taken, tally: cells.Tally) -> pa.Array:
        kind = TABLES[self.shape.table][ours].type
        if ours == "code":
            return cells.kinds(given, ours, taken, tally) if self.shape.table == "activity" else cells.codes(
                given, ours, tally
            )  # fmt: skip
        if ours == "second_value":
            return cells.values(given, ours, taken, None, tally)[0]
        if ours == "group_id":
            return cells.groups(given, ours)
        if ours in ("practice_code", "pcn_code"):
            return cells.practice_codes(given, ours, taken)
        if kind == pa.bool_():
            return cells.flags(given, ours, taken)
        if kind is not None and pt.is_integer(kind):
            return cells.whole_numbers(given, ours, taken, kind)
        return cells.labels(given, ours, taken)


class Piece(NamedTuple):
    """A canonical batch with the file that it is from and its rows there: the first one's, from 0, and, where some of
    the file's batch were set aside, which of that they are."""

    file: str
    first_row: int
    places: NDArray[np.intp] | None
    batch: pa.RecordBatch

    def row(self, at: int) -> int:
        """The row in the file, from 0, of a row of the batch."""
        return self.first_row + (at if self.places is None else int(self.places[at]))


class RowFiles:
    """The files of a table. ``schema`` has the canonical columns that any of them gives; a batch has them all, the code
    as int64 or as a dictionary of int64, as its file has it."""

    def __init__(
        self, table: AnyTable, files: Sequence[_File], layout: Layout, lookups: _Lookups, batch_rows: int
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

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows of all files in order, less those set aside; `counts` holds once they are all read."""
        return (piece.batch for piece in self.pieces())

    def pieces(self) -> Iterator[Piece]:
        """The same, each batch with where it is from."""
        if not self._hashes:
            pool = ThreadPoolExecutor(1, thread_name_prefix="popstrat-hash")
            self._hashes = [pool.submit(hash_file, f.source.path) for f in self._files]
            pool.shutdown(wait=False)
        total = cells.Tally()
        for i, file in enumerate(self._files):
            tally = cells.Tally()
            yield from file.pieces(self.columns, self._batch_rows, tally)
            self._rows[i] = tally["rows"]
            total.update(tally)
        self.counts = {"rows": total.pop("rows", 0), **dict(sorted(total.items()))}

    def record(self) -> list[dict[str, Any]]:
        """What a run record says of the files, once they have been read; waits for their hashes."""
        found = [
            self._of(f.source, rows, h.result())
            for f, rows, h in zip(self._files, self._rows, self._hashes, strict=True)
        ]
        looked_up = [f for t in self._lookups.read.values() for f in t.files]
        return [*found, *(self._of(f, f.rows, hash_file(f.path)) for f in looked_up)]

    @staticmethod
    def _of(file: FileSource, rows: int | None, content: str) -> dict[str, Any]:
        return {"name": file.path.name, "format": file.format, "rows": rows, "bytes": file.bytes, HASH: content}


def among(column: pa.Array, texts: frozenset[str], name: str) -> NDArray[np.bool_]:
    """Where a column of any plain type holds one of these texts, as `folded`."""
    if pt.is_boolean(column.type) or not pt.is_dictionary(column.type):
        column = cells.texts_of(column, name).dictionary_encode()
    fits = [t is not None and folded(t) in texts for t in column.dictionary.cast(pa.string()).to_pylist()]
    chosen = np.array([*fits, "" in texts], np.bool_)
    found: NDArray[np.bool_] = chosen[cells.entry_of(column)]
    return found


def _less(
    batch: pa.RecordBatch, gone: NDArray[np.bool_], places: NDArray[np.intp] | None, reason: str, tally: cells.Tally
) -> tuple[pa.RecordBatch, NDArray[np.intp] | None]:
    """The batch without these rows, and which rows of the file's batch are left."""
    if not gone.any():
        return batch, places
    if reason:
        tally.note(reason, int(gone.sum()))
    left = np.flatnonzero(~gone)
    return batch.filter(from_numpy(~gone)), left if places is None else places[left]


def _followed(table: Table, texts: pa.Array, keep: bool) -> pa.Array:
    """Ids by the ones that took their places, which may have been replaced themselves."""
    texts = texts.cast(pa.large_string())
    for _ in range(32 if keep else 1):
        found = table.look_up(texts, keep)
        if not keep or found.equals(texts):
            return found
        texts = found
    raise InputError(f"[lookup.{table.spec.name}] leads in a circle", file=table.files[0].name)


def _trimmed(texts: pa.Array) -> pa.Array:
    return pc.utf8_trim_whitespace(texts.cast(pa.large_string()))


def _type(name: str, cell: Cell) -> pa.DataType:
    return cell.type or pa.string()


def _id_type(kind: pa.DataType) -> pa.DataType:
    return pa.int64() if pt.is_integer(kind) or pt.is_decimal(kind) else pa.string()
