"""Who is on the list at the as-of date: patients and their registrations made into one row for each person.

A person is registered if a registration has started by the as-of date and has not ended by it (the day of its end is
no longer one of it), and alive if there is no date of death, or one after the as-of date. The registration that started
last wins; of equal starts the one that ends last (one without an end is the last), then the lower practice code.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.types as pt
from numpy.typing import NDArray

from popstrat.core.arrow import from_numpy, numbers, true, valid
from popstrat.core.lazy import compute as pc
from popstrat.deriving.canonical import KEY, PATIENTS, REGISTRATIONS
from popstrat.deriving.columns import entry_of
from popstrat.deriving.folds import NO_DAY
from popstrat.deriving.layout import Layout, load_layout
from popstrat.deriving.rows import RowFiles, open_rows
from popstrat.deriving.shaped import Piece
from popstrat.engine import increasing
from popstrat.errors import InputError
from popstrat.scoring.unique_ids import hash_ids

_EPOCH = dt.date(1970, 1, 1)
_NEVER = np.int32(2**31 - 1)  # the day of an end that there is not
_ROWS_NAMED = 5
_KEY = np.uint64(0x9E3779B97F4A7C15)

Days = NDArray[np.int32]
Mask = NDArray[np.bool_]
Places = NDArray[np.intp]


@dataclass(frozen=True)
class People:
    """``table``: a row for each person, ascending by id (numbers as numbers, text by its bytes), with the columns of
    the patients and of the registration that won, each column in one piece. ``births`` are days since 1970-01-01,
    `NO_DAY` where there is none.

    ``counts``, by table: what was read, what was set aside and for which reason, and who is not among the people.
    ``inputs`` are the files, as run records have them.
    """

    table: pa.Table
    births: Days
    counts: Mapping[str, Mapping[str, int]]
    inputs: Sequence[Mapping[str, Any]]
    paths: Sequence[Path]

    @property
    def keys(self) -> pa.Array:
        """The ids, int64 or string."""
        return self.table.column(KEY).chunk(0)


def read_people(
    patients: str | Path | Sequence[str | Path],
    registrations: str | Path | Sequence[str | Path],
    layout: Layout | str | Path = "canonical",
    *,
    as_of: dt.date,
    encoding: str | None = None,
    threads: int = 1,
) -> People:
    """The people registered and alive at the as-of date.

    A patient whose row stands there again is one; null ids, registrations of unknown patients, without a start or a
    practice are set aside and counted. Raises `InputError` for a file that cannot be read, and for two rows of one
    patient that differ.
    """
    layout = layout if isinstance(layout, Layout) else load_layout(layout)
    own = open_rows("patients", patients, layout, encoding=encoding, threads=threads)
    theirs = open_rows("registrations", registrations, layout, encoding=encoding, threads=threads)
    if own.ids != theirs.ids:  # digits as text in one of them
        own = open_rows("patients", patients, layout, ids=pa.string(), encoding=encoding, threads=threads)
        theirs = open_rows("registrations", registrations, layout, ids=pa.string(), encoding=encoding, threads=threads)
    known, repeated = _patients(own)
    spells = _registrations(theirs, Keys(known.column(KEY).chunk(0)))
    counts: dict[str, dict[str, int]] = {
        "patients": {**own.counts, "repeated": repeated},
        "registrations": {**theirs.counts, **spells.counts},
    }
    table = _people(known, spells, (as_of - _EPOCH).days, counts)
    births = _days(table.column("date_of_birth").chunk(0), NO_DAY)
    counts["people"]["without_birth_date"] = int((births == NO_DAY).sum())
    counts = {t: {k: v for k, v in of.items() if v or k == "rows"} for t, of in counts.items()}
    return People(table, births, counts, [*own.record(), *theirs.record()], [*own.paths, *theirs.paths])


# -- reading ------------------------------------------------------------------------------------------------------


class Origin(NamedTuple):
    """So many rows and where they are from."""

    piece: Piece
    rows: int


def _whole(files: RowFiles) -> tuple[pa.Table, list[Origin]]:
    """All rows in memory, each column in one piece, with every canonical column; and where they are from."""
    types = {n: files.ids if c.type is None else c.type for n, c in PATIENTS.items()}
    parts: dict[str, list[pa.Array]] = {n: [] for n in files.columns}
    origins = []
    for piece in files.pieces():
        for name, column in zip(files.columns, piece.batch.columns, strict=True):
            parts[name].append(column if column.type == types[name] else column.cast(types[name]))
        origins.append(Origin(piece._replace(batch=piece.batch.slice(0, 0)), piece.batch.num_rows))
    rows = sum(o.rows for o in origins)
    made = {n: _joined(parts.pop(n), k) if n in parts else pa.nulls(rows, k) for n, k in types.items()}
    return pa.table(made), origins


def _joined(parts: list[pa.Array], kind: pa.DataType) -> pa.Array:
    """Parts of a column in one piece."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return pa.array([], kind)
    column = pa.chunked_array(parts, kind)
    parts.clear()
    return pa.concat_arrays((column.unify_dictionaries() if pt.is_dictionary(kind) else column).chunks)


def _patients(files: RowFiles) -> tuple[pa.Table, int]:
    """The patients, ascending by id, each once; and how many rows repeated another."""
    table, origins = _whole(files)
    keys = table.column(KEY).chunk(0)
    order = _order(keys)
    if order is not None:
        table = table.take(from_numpy(order))
        table = pa.table({n: _piece(table.column(n)) for n in table.schema.names})
        keys = table.column(KEY).chunk(0)
    if len(keys) < 2:
        return table, 0
    again = true(pc.equal(keys.slice(1), keys.slice(0, len(keys) - 1)))
    if not again.any():
        return table, 0
    at = np.flatnonzero(again)
    differ = np.zeros(len(at), np.bool_)
    for name in table.schema.names[1:]:
        one, other = (_comparable(table.column(name).chunk(0).take(from_numpy(at + d))) for d in (0, 1))
        same = pc.or_(pc.fill_null(pc.equal(one, other), False), pc.and_(one.is_null(), other.is_null()))
        differ |= ~true(same)
    if differ.any():
        rows = at[differ] if order is None else np.maximum(order[at[differ]], order[at[differ] + 1])
        _refuse(origins, np.sort(rows))
    keep = np.ones(len(keys), np.bool_)
    keep[at + 1] = False
    table = table.filter(from_numpy(keep))
    return pa.table({n: _piece(table.column(n)) for n in table.schema.names}), len(at)


def _refuse(origins: Sequence[Origin], rows: Places) -> None:
    found: list[tuple[str, int]] = []
    for row in rows[:_ROWS_NAMED].tolist():
        for piece, many in origins:
            if row < many:
                found.append((piece.file, piece.row(row)))
                break
            row -= many
    name = found[0][0]
    own = [row for file, row in found if file == name]
    raise InputError(
        "another row has the same patient with other values", column=KEY, rows=own, more=len(rows) - len(own),
        file=name,
    )  # fmt: skip


def _order(keys: pa.Array) -> Places | None:
    """The order in which ids ascend; None where they do."""
    if len(keys) < 2:
        return None
    if pt.is_integer(keys.type):
        if increasing(keys.buffers()[1], keys.offset, len(keys)):
            return None
        return np.argsort(numbers(keys), kind="stable")
    if bool(pc.all(pc.less(keys.slice(0, len(keys) - 1), keys.slice(1))).as_py()):
        return None
    return numbers(pc.sort_indices(keys)).astype(np.intp)


def _piece(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks) if column.num_chunks else (
        pa.array([], column.type)
    )  # fmt: skip


def _comparable(column: pa.Array) -> pa.Array:
    return column.cast(pa.string()) if pt.is_dictionary(column.type) else column


def _days(column: pa.Array, missing: np.int32) -> Days:
    """Days as numbers, with one that stands for none."""
    found: Days = numbers(column.view(pa.int32()))
    return found if not column.null_count else np.where(valid(column), found, missing)


# -- registrations ------------------------------------------------------------------------------------------------

_TEXTS = ("practice_code", "pcn_code", "neighbourhood", "place")


class Keys:
    """Ascending ids, and where others stand among them."""

    def __init__(self, keys: pa.Array) -> None:
        self.keys = keys
        if not pt.is_integer(keys.type):
            hashes = hash_ids(keys, _KEY)
            self._order = np.argsort(hashes)
            self._hashes = hashes[self._order]

    def __len__(self) -> int:
        return len(self.keys)

    def places(self, ids: pa.Array) -> Days:
        """Where each id stands; -1 where it does not."""
        if not len(self.keys):
            return np.full(len(ids), -1, np.int32)
        if pt.is_integer(ids.type):
            known, own = numbers(self.keys), numbers(ids)
            found = np.searchsorted(known, own)
            found[found == len(known)] = 0
            return np.where(known[found] == own, found, -1).astype(np.int32)
        own = hash_ids(ids, _KEY)
        found = np.empty(len(own), np.intp)
        ascending = np.argsort(own)  # so that the search goes through memory once
        found[ascending] = np.searchsorted(self._hashes, own[ascending])
        found[found == len(self._hashes)] = 0
        at = self._order[found]
        same = (self._hashes[found] == own) & true(pc.equal(self.keys.take(from_numpy(at)), ids))
        return np.where(same, at, -1).astype(np.int32)


@dataclass
class Spells:
    """Registrations of known patients: whose (the place among the keys), from when until when (`_NEVER`: open), where:
    of each of `_TEXTS` the codes into its entries, -1 for null."""

    person: Days
    starts: Days
    ends: Days
    where: dict[str, Days]
    entries: dict[str, list[str]]
    counts: dict[str, int]

    def take(self, name: str, rows: Days) -> pa.Array:
        """One of `_TEXTS` of these rows, as a dictionary; it is not kept any longer, as nothing needs it then."""
        codes = self.where.pop(name)[rows]
        indices = from_numpy(codes, codes < 0)
        return pa.DictionaryArray.from_arrays(indices, pa.array(self.entries[name], pa.string()))


def _registrations(files: RowFiles, keys: Keys) -> Spells:
    """The registrations that can be somebody's. Ids go as soon as their place among the keys is known."""
    numbers_of: dict[str, dict[str, int]] = {n: {} for n in _TEXTS}
    parts = {n: _Numbers(files.rows or 0) for n in ("person", "starts", "ends", *_TEXTS)}
    counts = dict.fromkeys(("unknown_patient", "without_start", "without_practice", "ends_before_start"), 0)
    for batch in files.batches():
        columns = dict(zip(files.columns, batch.columns, strict=True))
        person = keys.places(columns[KEY])
        starts = _days(columns["start_date"], NO_DAY)
        ends = _days(columns["end_date"], _NEVER) if "end_date" in columns else np.full(len(person), _NEVER)
        made = {n: _numbered(columns.get(n), len(person), numbers_of[n]) for n in _TEXTS}
        left = np.ones(len(person), np.bool_)
        for reason, bad in (
            ("unknown_patient", person < 0),
            ("without_start", starts == NO_DAY),
            ("without_practice", made["practice_code"] < 0),
            ("ends_before_start", ends < starts),
        ):
            counts[reason] += int((left & bad).sum())
            left &= ~bad
        made |= {"person": person, "starts": starts, "ends": ends}
        for name, part in made.items():
            parts[name].add(part if left.all() else part[left])
    whole = {n: part.whole() for n, part in parts.items()}
    where: dict[str, Days] = {}
    entries: dict[str, list[str]] = {}
    for name in _TEXTS:  # in their order, so that the lower code is the lower number
        entries[name] = sorted(numbers_of[name], key=str.encode)
        rank = np.array([*map({t: i for i, t in enumerate(entries[name])}.__getitem__, numbers_of[name]), -1], np.int32)
        where[name] = rank[whole.pop(name)]
    return Spells(whole["person"], whole["starts"], whole["ends"], where, entries, counts)


class _Numbers:
    """Numbers that come in parts, in one piece of memory, as much as there will be if that is known."""

    def __init__(self, rows: int) -> None:
        self._held, self._filled = np.empty(max(rows, 1 << 10), np.int32), 0

    def add(self, part: Days) -> None:
        end = self._filled + len(part)
        if end > len(self._held):
            self._held.resize(max(end, 2 * len(self._held)), refcheck=False)
        self._held[self._filled : end] = part
        self._filled = end

    def whole(self) -> Days:
        return self._held[: self._filled]


def _numbered(column: pa.Array | None, rows: int, known: dict[str, int]) -> Days:
    """A dictionary column by the numbers that its entries have in all files; -1 for null."""
    if column is None:
        return np.full(rows, -1, np.int32)
    own = [-1 if t is None else known.setdefault(t, len(known)) for t in column.dictionary.to_pylist()]
    found: Days = np.array([*own, -1], np.int32)[entry_of(column)]
    return found


# -- who is registered --------------------------------------------------------------------------------------------


def _people(patients: pa.Table, spells: Spells, as_of: int, counts: dict[str, dict[str, int]]) -> pa.Table:
    own = counts["registrations"]
    deaths = _days(patients.column("date_of_death").chunk(0), _NEVER)
    order, repeated = _ordered(spells)
    own["repeated"] = repeated
    own["overlapping"] = _overlapping(spells, order)
    own["death_before_registration"] = int((deaths[spells.person[order]] < spells.starts[order]).sum())
    order = order[(spells.starts[order] <= as_of) & (as_of < spells.ends[order])]
    chosen = np.full(len(deaths), -1, np.int32)
    chosen[spells.person[order]] = order  # the last of each person's stays
    own["several_at_as_of"] = int((np.bincount(spells.person[order]) > 1).sum()) if len(order) else 0
    registered, alive = chosen >= 0, deaths > as_of
    there = np.flatnonzero(registered & alive)
    counts["people"] = {
        "rows": len(there),
        "not_registered": int((~registered & alive).sum()),
        "dead": int((~alive).sum()),
    }
    chosen = chosen[there]
    del order, deaths, registered, alive
    made = {n: spells.take(n, chosen) for n in _TEXTS}
    of = from_numpy(there)
    made |= {n: patients.column(n).chunk(0).take(of) for n in PATIENTS}
    made["start_date"] = from_numpy(spells.starts[chosen], kind=pa.date32())
    ends = spells.ends[chosen]
    made["end_date"] = from_numpy(ends, ends == _NEVER, pa.date32())
    return pa.table({n: made[n] for n in (*PATIENTS, *(n for n in REGISTRATIONS if n != KEY))})


def _ordered(spells: Spells) -> tuple[Days, int]:
    """Registrations by person and start, the one that wins of equal starts last, each once; and how many repeat one.

    Where people's registrations stand together already, sorting costs next to nothing; the rest of the order is needed
    for equal starts alone.
    """
    keys = spells.person.astype(np.int64)
    keys <<= 32
    keys += spells.starts
    order = np.arange(len(keys), dtype=np.int32)
    if (keys[1:] < keys[:-1]).any():
        order = np.argsort(keys, kind="stable").astype(np.int32)
        keys = keys[order]
    same = keys[1:] == keys[:-1]
    del keys
    if not same.any():
        return order, 0
    tied = np.zeros(len(order), np.bool_)
    tied[1:] = same
    tied[:-1] |= same
    rows = order[tied]
    by = [*(-spells.where[n][rows] for n in reversed(_TEXTS)), spells.ends[rows], spells.starts[rows],
          spells.person[rows]]  # fmt: skip
    again = np.lexsort(by)
    order[tied] = rows[again]
    alike = np.all([k[again][1:] == k[again][:-1] for k in by], axis=0)
    keep = np.ones(len(order), np.bool_)
    keep[np.flatnonzero(tied)[1:][alike]] = False
    return order[keep], int(alike.sum())


def _overlapping(spells: Spells, order: Days) -> int:
    """How many registrations start before an earlier one of the same person has ended."""
    if len(order) < 2:
        return 0
    who = spells.person[order].astype(np.int64)
    who <<= 33
    latest = who + spells.ends[order]
    np.maximum.accumulate(latest, out=latest)
    latest[:-1] -= who[1:]  # of another person: far below any day
    return int((spells.starts[order[1:]] < latest[:-1]).sum())
