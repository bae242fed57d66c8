"""One file of a table, read as its shape says: rows set aside, columns looked up and read, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.types as pt
from numpy.typing import NDArray

from popstrat.core.arrow import from_numpy, is_text, plain, true, valid
from popstrat.core.lazy import compute as pc
from popstrat.deriving import cells
from popstrat.deriving.canonical import KEY
from popstrat.deriving.columns import Tally, entry_of, texts_of, whole
from popstrat.deriving.dates import Dates, from_parts, to_period
from popstrat.deriving.layout import TABLES, SetAside, Shape, Taken, matches, squeeze
from popstrat.deriving.lookups import Lookups, as_keys
from popstrat.deriving.values import values
from popstrat.errors import InputError
from popstrat.formats import FilePart, FileSource
from popstrat.scoring.unique_ids import hash_ids

MERGED = "merged_patient"
"""The reason of rows whose id another one has taken the place of: of patients they are set aside, of other tables they
are the other's."""

_KEY = np.uint64(0x9E3779B97F4A7C15)
_LOOKED_UP = ("code", "practice_code", "pcn_code")  # columns in which what is not found is missed


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


Part = Callable[[Tally], Iterator[Piece]]
"""Rows of a file that can be read by themselves, counted in a tally."""


class Names:
    """The columns of a file, by their names as these are compared."""

    def __init__(self, source: FileSource) -> None:
        self._names: dict[str, str] = {}
        for name in source.schema.names:
            self._names.setdefault(squeeze(name), name)
        self._names.update((name, name) for name in source.schema.names)

    def find(self, *theirs: str) -> str | None:
        """The file's name of the first of these columns that it has."""
        return next((f for t in theirs if t and (f := self._names.get(t) or self._names.get(squeeze(t)))), None)

    def gives(self, taken: Taken) -> bool:
        """Whether the file has what a column of ours is taken from."""
        here = taken.const is not None or self.find(*taken.names) is not None or self.find(*taken.parts[:1]) is not None
        return here or (taken.otherwise is not None and self.gives(taken.otherwise))


class Later:
    """The row ids of files that change earlier ones: by their hashes, and of each the last file that has it."""

    def __init__(self, files: Sequence[ShapedFile], batch_rows: int) -> None:
        hashes = [np.zeros(0, np.uint64)]
        places = [np.zeros(0, np.int32)]
        for i, file in enumerate(files[1:], 1):
            for found, known in file.row_ids(batch_rows):
                hashes.append(found[known])
                places.append(np.full(len(hashes[-1]), i, np.int32))
        whole, at = np.concatenate(hashes), np.concatenate(places)
        order = np.lexsort((at, whole))
        last = np.append(whole[order][1:] != whole[order][:-1], True)[: len(order)]
        self._hashes, self._places = whole[order][last], at[order][last]

    def superseded(self, hashes: NDArray[np.uint64], known: NDArray[np.bool_], file: int) -> NDArray[np.bool_]:
        """Which rows of a file a later one has again."""
        if not len(self._hashes):
            return np.zeros(len(hashes), np.bool_)
        found = np.searchsorted(self._hashes, hashes)
        found[found == len(self._hashes)] = 0
        again: NDArray[np.bool_] = known & (self._hashes[found] == hashes) & (self._places[found] > file)
        return again


@dataclass(frozen=True)
class ShapedFile:
    """A file with its shape. ``ids`` is the type of the ids that its are compared with, int64 or string."""

    source: FileSource
    shape: Shape
    names: Names
    lookups: Lookups
    ids: pa.DataType

    @property
    def columns(self) -> list[str]:
        """The canonical columns that the file gives."""
        given = {ours for ours, taken in self.shape.columns.items() if self.names.gives(taken)}
        if "value" in given and (value := self.names.find(*self.shape.columns["value"].names)):
            given |= {"second_value"} if is_text(self.source.schema.field(value).type) else set()
        return [name for name in TABLES[self.shape.table] if name in given]

    @property
    def looked_up(self) -> set[str]:
        """The lookups that its columns need."""
        return {name for taken in self.shape.columns.values() if self.names.gives(taken) for name in taken.all_lookups}

    @property
    def id_type(self) -> pa.DataType:
        """What the file's own ids are read as."""
        name = self.names.find(*self.shape.columns[KEY].names)
        kind = self.source.schema.field(name).type
        kind = kind.value_type if pt.is_dictionary(kind) else kind
        return pa.int64() if pt.is_integer(kind) or pt.is_decimal(kind) else pa.string()

    def compared_with(self, ids: pa.DataType) -> ShapedFile:
        """The same file, its ids of that type."""
        return replace(self, ids=ids)

    def row_ids(self, batch_rows: int) -> Iterator[tuple[NDArray[np.uint64], NDArray[np.bool_]]]:
        """Hashes of the row ids, batch by batch, and which rows have one. Raises `InputError` if there is no such
        column."""
        name = self._row_id()
        for batch in self.source.batches([name], batch_rows=batch_rows):
            yield _row_ids(batch.column(0), name)

    def _row_id(self) -> str:
        if (name := self.names.find(self.shape.row_id)) is None:
            raise InputError(
                "is absent, and the layout says that it identifies rows",
                column=self.shape.row_id,
                file=self.source.name,
            )
        return name

    def pieces(
        self, columns: Sequence[str], batch_rows: int, tally: Tally, later: Later | None = None, place: int = 0
    ) -> Iterator[Piece]:
        """Batches of these columns, null where the file has none, without rows that a ``later`` file has again (this
        one being at ``place``). Errors name the file and its rows."""
        batches = self.source.batches(self._read_columns(later), batch_rows=batch_rows)
        yield from self._pieces(batches, 0, columns, tally, later, place)
        if self.source.rows not in (None, tally["rows"]):
            raise InputError("does not have as many rows as it says", file=self.source.name)
        self.source.check_unchanged()

    def parts(
        self, columns: Sequence[str], batch_rows: int, later: Later | None = None, place: int = 0
    ) -> Sequence[Part] | None:
        """The same in parts that may be read at the same time; None where the rows have to be read in order, as text
        dates, which are in one form from the first to the last."""
        days = [t for o, t in self.shape.columns.items() if TABLES[self.shape.table][o].type == pa.date32()]
        if not all(self._is_typed(taken) for taken in days):
            return None
        found = self.source.parts(self._read_columns(later), batch_rows=batch_rows)
        return None if found is None else [partial(self._part, part, columns, later, place) for part in found]

    def _part(
        self, part: FilePart, columns: Sequence[str], later: Later | None, place: int, tally: Tally
    ) -> Iterator[Piece]:
        yield from self._pieces(part.batches(), part.first_row, columns, tally, later, place)
        self.source.check_unchanged()

    def _is_typed(self, taken: Taken) -> bool:
        """Whether a column of dates is not text in the file, if it is there."""
        name = self.names.find(*taken.names)
        if taken.const is not None or taken.otherwise is not None or (name is None and self.names.gives(taken)):
            return False
        kind = pa.null() if name is None else self.source.schema.field(name).type
        return bool(pt.is_null(kind) or pt.is_date(kind) or pt.is_timestamp(kind))

    def _read_columns(self, later: Later | None) -> list[str]:
        return list(dict.fromkeys([*self._wanted(), *([] if later is None else [self._row_id()])]))

    def _pieces(
        self, batches: Iterator[pa.RecordBatch], row: int, columns: Sequence[str], tally: Tally, later: Later | None,
        place: int,
    ) -> Iterator[Piece]:  # fmt: skip
        kinds = TABLES[self.shape.table]
        dates = {o: Dates(t.spelling) for o, t in self.shape.columns.items() if kinds[o].type == pa.date32()}
        for batch in batches:
            try:
                again = None
                if later is not None:
                    again = later.superseded(*_row_ids(batch.column(self._row_id()), self._row_id()), place)
                piece = self._read(batch, row, again, columns, dates, tally)
            except InputError as error:
                raise error.located(self.source.name, row) from None
            tally.note("rows", batch.num_rows)
            if piece.batch.num_rows:
                yield piece
            row += batch.num_rows

    def _wanted(self) -> list[str]:
        """The columns of the file that are read."""
        found: dict[str, None] = {}

        def take(taken: Taken) -> None:
            if (name := self.names.find(*taken.names)) is not None:
                found[name] = None
            beside = [self.names.find(n) for n in (taken.precision, taken.comparator, *taken.parts)]
            found.update((n, None) for n in beside if n is not None)
            if taken.otherwise is not None:
                take(taken.otherwise)

        for taken in self.shape.columns.values():
            take(taken)
        for aside in self.shape.set_aside:
            found.update((n, None) for c in aside.where if (n := self.names.find(c)) is not None)
        return list(found)

    def _read(
        self, batch: pa.RecordBatch, row: int, again: NDArray[np.bool_] | None, columns: Sequence[str],
        dates: Mapping[str, Dates], tally: Tally,
    ) -> Piece:  # fmt: skip
        """The canonical columns of the rows that are left of a batch; those that stand there ``again`` are not."""
        places: NDArray[np.intp] | None = None
        if again is not None:
            tally.note("superseded", int(again.sum()))
            batch, places = _less(batch, again, places)
        for aside in self.shape.set_aside:
            gone = self._set_aside(batch, aside)
            if gone is not None:
                tally.note(aside.reason, int(gone.sum()))
                batch, places = _less(batch, gone, places)
        try:
            keys, gone = self._ids(batch, tally)
            if gone is not None:
                keys = keys.filter(from_numpy(~gone))
                batch, places = _less(batch, gone, places)
            made: dict[str, pa.Array] = {KEY: keys}
            for ours in columns:
                if ours not in made and ours in self.shape.columns:
                    self._column(ours, batch, made, dates, tally)
        except InputError as error:
            raise (error.among(places.tolist()) if places is not None else error) from None
        kinds = TABLES[self.shape.table]
        arrays = [made[c] if c in made else pa.nulls(len(keys), kinds[c].type or self.ids) for c in columns]
        return Piece(self.source.name, row, places, pa.RecordBatch.from_arrays(arrays, names=list(columns)))

    def _set_aside(self, batch: pa.RecordBatch, aside: SetAside) -> NDArray[np.bool_] | None:
        """Which rows are set aside; None where the file has none of the columns that say so."""
        found: NDArray[np.bool_] | None = None
        for column, texts in aside.where.items():
            if (name := self.names.find(column)) is not None:
                here = among(batch.column(name), texts, name)
                found = here if found is None else found | here
        return ~found if found is not None and aside.unless else found

    # -- columns ------------------------------------------------------------------------------------------------

    def _ids(self, batch: pa.RecordBatch, tally: Tally) -> tuple[pa.Array, NDArray[np.bool_] | None]:
        """The ids as they are compared, and which rows are nobody's, if any are."""
        taken = self.shape.columns[KEY]
        name = self.names.find(*taken.names) or KEY
        found = cells.ids(batch.column(name), name)
        tally.note("no_patient_id", found.null_count)
        gone = ~valid(found) if found.null_count else None
        if taken.through:
            found, merged = self._merged(found, taken)
            tally.note(MERGED, int(merged.sum()))
            if self.shape.table == "patients" and merged.any():
                gone = merged if gone is None else gone | merged
        if found.type != self.ids:
            found = cells.of_type(found, self.ids)
            if found.null_count:
                nobodys = ~valid(found)
                tally.note("unknown_patient", int((nobodys if gone is None else nobodys & ~gone).sum()))
                gone = nobodys if gone is None else gone | nobodys
        return found, gone

    def _merged(self, found: pa.Array, taken: Taken) -> tuple[pa.Array, NDArray[np.bool_]]:
        """Ids by those that took their places, and which are others now."""
        coded = found.cast(pa.string()).dictionary_encode()
        before = coded.dictionary.cast(pa.large_string())
        after = before
        for one in taken.through:
            after = self.lookups[one].follow(after)
        changed = true(pc.not_equal(after, before))
        rows = np.append(changed, False)[entry_of(coded)]
        return after.take(coded.indices).cast(pa.string()).cast(found.type), rows

    def _column(
        self, ours: str, batch: pa.RecordBatch, made: dict[str, pa.Array], dates: Mapping[str, Dates],
        tally: Tally,
    ) -> None:  # fmt: skip
        """Put a column of ours (and a value's second one) into ``made``."""
        taken = self.shape.columns[ours]
        if not self.names.gives(taken):
            return
        theirs = self.names.find(*taken.names) or ours
        try:
            given, lost = self._given(batch, taken)
            if lost is not None and ours in _LOOKED_UP:
                tally.note("not_in_lookup", int(lost.sum()))
            if ours in dates:
                found = dates[ours].read(given, ours, tally)
                if (said := self.names.find(taken.precision)) is not None:
                    found = to_period(found, batch.column(said), ours, taken, tally)
            elif ours == "value":
                sign = self.names.find(taken.comparator)
                found, second = values(given, ours, taken, None if sign is None else batch.column(sign), tally)
                own = self.shape.columns.get("second_value")
                if second is not None and not (own and self.names.gives(own)):
                    made["second_value"] = second
            else:
                found = self._read_one(ours, given, taken, 0 if lost is None else int(lost.sum()), tally)
        except InputError as error:
            if error.column == ours and theirs != ours:
                told = f"{error.problem} (it is {ours})"
                error = InputError(told, column=theirs, rows=error.rows, more=error.more, file=error.file)
            raise error from None
        made[ours] = found

    def _given(self, batch: pa.RecordBatch, taken: Taken) -> tuple[pa.Array, NDArray[np.bool_] | None]:
        """What the file says of a column of ours, looked up, and which rows had something that is in no lookup."""
        name = self.names.find(*taken.names)
        lost: NDArray[np.bool_] | None = None
        given: pa.Array | None = None
        if taken.const is not None:
            given = pa.repeat(taken.const, batch.num_rows)
        elif name is not None:
            given = batch.column(name)
        elif (first := self.names.find(*taken.parts[:1])) is not None:
            rest = [n for p in taken.parts[1:] if (n := self.names.find(p)) is not None]
            given = from_parts([batch.column(n) for n in (first, *rest)])
        if given is not None and taken.through:
            coded = texts_of(given, name or "").dictionary_encode()
            before = as_keys(coded.dictionary)
            after = before
            for one in taken.through:
                after = self.lookups[one].look_up(after, taken.keep)
            said = valid(before) & ~valid(after)
            lost = np.append(said, False)[entry_of(coded)]
            given = pa.DictionaryArray.from_arrays(coded.indices, after)
        if taken.otherwise is None or not self.names.gives(taken.otherwise):
            return pa.nulls(batch.num_rows) if given is None else given, lost
        other, also = self._given(batch, taken.otherwise)
        if given is None:
            return other, also
        found, missing = _or_else(given, other)
        if lost is not None or also is not None:
            lost = missing & ((lost if lost is not None else False) | (also if also is not None else False))
        return found, lost

    def _read_one(self, ours: str, given: pa.Array, taken: Taken, lost: int, tally: Tally) -> pa.Array:
        kind = TABLES[self.shape.table][ours].type
        if ours == "code":
            if self.shape.table == "activity":
                return cells.kinds(given, ours, taken, tally)
            return cells.codes(given, ours, taken, tally, lost)
        if ours == "second_value":
            return values(given, ours, taken, None, tally)[0]
        if ours == "group_id":
            return cells.groups(given, ours, taken)
        if ours in _LOOKED_UP:
            return cells.practice_codes(given, ours, taken)
        if kind == pa.bool_():
            return cells.flags(given, ours, taken)
        if kind is not None and pt.is_integer(kind):
            return cells.whole_numbers(given, ours, taken, kind)
        return cells.labels(given, ours, taken)


def _or_else(one: pa.Array, other: pa.Array) -> tuple[pa.Array, NDArray[np.bool_]]:
    """The one, and where it says nothing (null, or blanks alone) the other; and where neither does."""
    if is_text(one.type) or one.type != other.type:
        one, other = plain(texts_of(one, "")), plain(texts_of(other, ""))
        one, other = one.cast(pa.large_string()), other.cast(pa.large_string())
        one = pc.if_else(pc.equal(pc.utf8_trim_whitespace(one), ""), pa.scalar(None, one.type), one)
    found = pc.coalesce(whole(one), whole(other))
    return found, ~valid(found)


def among(column: pa.Array, texts: frozenset[str], name: str) -> NDArray[np.bool_]:
    """Where a column of any plain type holds one of these texts, as `deriving.layout.matches` compares them."""
    if not pt.is_dictionary(column.type) or not is_text(column.type):
        column = texts_of(column, name).dictionary_encode()
    entries = column.dictionary.cast(pa.large_string()).to_pylist()
    chosen = np.array([*(matches(t or "", texts) for t in entries), matches("", texts)], np.bool_)
    found: NDArray[np.bool_] = chosen[entry_of(column)]
    return found


def _row_ids(column: pa.Array, name: str) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    texts = as_keys(plain(texts_of(column, name)))
    return hash_ids(texts.fill_null(""), _KEY), valid(texts)


def _less(
    batch: pa.RecordBatch, gone: NDArray[np.bool_], places: NDArray[np.intp] | None
) -> tuple[pa.RecordBatch, NDArray[np.intp] | None]:
    """The batch without these rows, and which rows of the file's batch are left."""
    if not gone.any():
        return batch, places
    left = np.flatnonzero(~gone)
    return batch.filter(from_numpy(~gone)), left if places is None else places[left]
