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

from popstrat.core.arrow import numbers, valid
from popstrat.core.lazy import compute as pc
from popstrat.derive.canonical import KEY, PATIENTS, REGISTRATIONS
from popstrat.derive.folds import NO_DAY
from popstrat.derive.layout import Layout, load_layout
from popstrat.derive.rows import Piece, RowFiles, open_rows
from popstrat.engine import increasing
from popstrat.errors import InputError

_EPOCH = dt.date(1970, 1, 1)
_NEVER = np.int32(2**31 - 1)  # the day of an end that there is not
_ROWS_NAMED = 5

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
    patients: Sequence[str | Path],
    registrations: Sequence[str | Path],
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
    spells, _ = _whole(theirs)
    counts: dict[str, dict[str, int]] = {
        "patients": {**own.counts, "repeated": repeated},
        "registrations": dict(theirs.counts),
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
    columns = PATIENTS if files.table == "patients" else REGISTRATIONS
    types = {n: files.ids if c.type is None else c.type for n, c in columns.items()}
    schema = pa.schema([(n, types[n]) for n in files.columns])
    batches: list[pa.RecordBatch] = []
    origins = []
    for piece in files.pieces():
        batches.append(_as(piece.batch, schema))
        origins.append(piece._replace(batch=piece.batch.slice(0, 0)))
    table = pa.Table.from_batches(batches, schema=schema)
    ends = [len(b) for b in batches]
    del batches
    made = {}
    for name, kind in types.items():
        if name not in files.columns:
            made[name] = pa.nulls(len(table), kind)
            continue
        column = table.column(name)
        if pt.is_dictionary(kind):
            column = column.unify_dictionaries()
        made[name] = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
        if isinstance(made[name], pa.ChunkedArray):  # of no rows
            made[name] = pa.array([], kind)
    return pa.table(made), [Origin(piece, rows) for piece, rows in zip(origins, ends, strict=True)]


def _as(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    return batch if batch.schema.equals(schema) else batch.cast(schema)


def _patients(files: RowFiles) -> tuple[pa.Table, int]:
    """The patients, ascending by id, each once; and how many rows repeated another."""
    table, origins = _whole(files)
    keys = table.column(KEY).chunk(0)
    order = _order(keys)
    if order is not None:
        table = table.take(pa.array(order))
        table = pa.table({n: _piece(table.column(n)) for n in table.schema.names})
        keys = table.column(KEY).chunk(0)
    if len(keys) < 2:
        return table, 0
    again = np.asarray(pc.equal(keys.slice(1), keys.slice(0, len(keys) - 1)))
    if not again.any():
        return table, 0
    at = np.flatnonzero(again)
    differ = np.zeros(len(at), np.bool_)
    for name in table.schema.names[1:]:
        one, other = (_comparable(table.column(name).chunk(0).take(pa.array(at + d))) for d in (0, 1))
        same = pc.or_(pc.fill_null(pc.equal(one, other), False), pc.and_(one.is_null(), other.is_null()))
        differ |= ~np.asarray(same)
    if differ.any():
        rows = at[differ] if order is None else np.maximum(order[at[differ]], order[at[differ] + 1])
        _refuse(origins, np.sort(rows))
    keep = np.ones(len(keys), np.bool_)
    keep[at + 1] = False
    table = table.filter(pa.array(keep))
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
    return np.asarray(pc.sort_indices(keys)).astype(np.intp)


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


# -- who is registered --------------------------------------------------------------------------------------------


def _people(patients: pa.Table, spells: pa.Table, as_of: int, counts: dict[str, dict[str, int]]) -> pa.Table:
    own = counts["registrations"]
    keys = patients.column(KEY).chunk(0)
    person = _place(keys, spells.column(KEY).chunk(0))
    starts = _days(spells.column("start_date").chunk(0), NO_DAY)
    ends = _days(spells.column("end_date").chunk(0), _NEVER)
    deaths = _days(patients.column("date_of_death").chunk(0), _NEVER)
    practice = spells.column("practice_code").chunk(0)

    unknown = person < 0
    own["unknown_patient"] = int(unknown.sum())
    left = ~unknown
    for reason, bad in (
        ("without_start", starts == NO_DAY),
        ("without_practice", ~valid(practice)),
        ("ends_before_start", ends < starts),
    ):
        own[reason] = own.get(reason, 0) + int((left & bad).sum())
        left &= ~bad
    rows = np.flatnonzero(left)
    again = _repeated(spells, person, starts, ends, rows)
    own["repeated"] = len(again)
    if len(again):
        left[again] = False
        rows = np.flatnonzero(left)
    own["overlapping"] = _overlapping(person[rows], starts[rows], ends[rows])
    own["death_before_registration"] = int((deaths[person[rows]] < starts[rows]).sum())

    now = rows[(starts[rows] <= as_of) & (as_of < ends[rows])]
    chosen, several = _last(spells, person, starts, ends, now, len(keys))
    own["several_at_as_of"] = several
    registered = chosen >= 0
    alive = deaths > as_of
    there = np.flatnonzero(registered & alive)
    counts["people"] = {
        "rows": len(there),
        "not_registered": int((~registered & alive).sum()),
        "dead": int((~alive).sum()),
    }
    of, at = pa.array(there), pa.array(chosen[there])
    made = {n: patients.column(n).chunk(0).take(of) for n in PATIENTS}
    made |= {n: spells.column(n).chunk(0).take(at) for n in REGISTRATIONS if n != KEY}
    return pa.table(made)


def _place(keys: pa.Array, ids: pa.Array) -> Places:
    """Where each id stands among the keys; -1 where it does not."""
    if not len(keys):
        return np.full(len(ids), -1, np.intp)
    if pt.is_integer(keys.type):
        known, own = numbers(keys), numbers(ids)
        if len(known) == len(own) and bool((known == own).all()):
            return np.arange(len(own), dtype=np.intp)
        found = np.searchsorted(known, own)
        found[found == len(known)] = 0
        return np.where(known[found] == own, found, -1)
    if keys.equals(ids):
        return np.arange(len(ids), dtype=np.intp)
    places = pc.index_in(ids, value_set=keys)
    return np.where(valid(places), numbers(places), -1).astype(np.intp)


def _by_person(person: Places, rows: Places) -> Places:
    """Of these rows, those of people who have more than one."""
    if not len(rows):
        return rows
    many = np.bincount(person[rows]) > 1
    return rows[many[person[rows]]]


def _ranks(column: pa.Array) -> NDArray[np.int64]:
    """The entries of a dictionary column in their order as text; what is null comes first."""
    entries = column.dictionary
    order = np.asarray(pc.sort_indices(entries))
    rank = np.empty(len(entries) + 1, np.int64)
    rank[order] = np.arange(len(entries))
    rank[-1] = -1
    codes = np.where(valid(column.indices), numbers(column.indices), len(entries))
    return rank[codes]


_TEXTS = ("practice_code", "pcn_code", "neighbourhood", "place")


def _sorted(spells: pa.Table, person: Places, starts: Days, ends: Days, rows: Places) -> tuple[Places, list[Any]]:
    """Rows by person, start, end (the latest first within these last two), practice code and places; with the keys."""
    texts = [_ranks(spells.column(n).chunk(0).take(pa.array(rows))) for n in _TEXTS]
    keys = [*reversed(texts), -ends[rows].astype(np.int64), -starts[rows].astype(np.int64), person[rows]]
    order = np.lexsort(keys)
    return rows[order], [k[order] for k in keys]


def _repeated(spells: pa.Table, person: Places, starts: Days, ends: Days, rows: Places) -> Places:
    """Rows that say the same as another one that is kept."""
    own = _by_person(person, rows)
    if not len(own):
        return own
    order, keys = _sorted(spells, person, starts, ends, own)
    same = np.all([k[1:] == k[:-1] for k in keys], axis=0)
    return order[1:][same]


def _overlapping(person: Places, starts: Days, ends: Days) -> int:
    """How many registrations start before an earlier one of the same person has ended."""
    rows = _by_person(person, np.arange(len(person), dtype=np.intp))
    if not len(rows):
        return 0
    order = rows[np.lexsort((ends[rows], starts[rows], person[rows]))]
    who, start = person[order].astype(np.int64), starts[order].astype(np.int64)
    shifted = (who << 33) + ends[order].astype(np.int64)
    latest = np.maximum.accumulate(shifted)[:-1] - (who[1:] << 33)  # of an earlier person: far below any day
    return int((start[1:] < latest).sum())


def _last(spells: pa.Table, person: Places, starts: Days, ends: Days, now: Places, people: int) -> tuple[Places, int]:
    """The registration of each person that wins, -1 for none; and how many people have several to choose from."""
    chosen = np.full(people, -1, np.intp)
    chosen[person[now]] = now
    several = _by_person(person, now)
    if not len(several):
        return chosen, 0
    order, keys = _sorted(spells, person, starts, ends, several)
    who = keys[-1]
    first = np.concatenate([[True], who[1:] != who[:-1]])
    chosen[who[first]] = order[first]
    return chosen, int(first.sum())
