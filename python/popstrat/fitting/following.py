"""What happened to the patients: an outcome file read, checked and put beside the rows of a list.

Nobody is passed over in silence: an outcome of somebody who is not on the list, or a patient without one, stops the run
unless that is allowed by name, and is then counted. A missing outcome never counts as no event.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from numpy.typing import NDArray

from popstrat.errors import InputError
from popstrat.io import open_source
from popstrat.io.sources import near_miss
from popstrat.record import HASH, hash_file
from popstrat.schema import is_text

ID = "patient_id"
_TRUE, _FALSE = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")

F64 = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Columns:
    """Which columns of the outcome file say what happened: a yes or no, or days and whether they ended in the event.

    Both may be given: days and event are then used, and the column, where it is known, must not contradict them.
    """

    column: str | None = None
    time: str | None = None
    event: str | None = None

    def __post_init__(self) -> None:
        if (self.time is None) != (self.event is None):
            raise InputError("--time-column and --event-column go together: give both or neither")
        if self.column is None and self.time is None:
            raise InputError("needs --column, or --time-column and --event-column: what is the outcome?")


@dataclass(frozen=True)
class Outcomes:
    """An outcome file: ids, and for each what happened. NaN where it is not known."""

    name: str
    ids: pa.Array
    outcome: F64 | None  # 1 or 0
    days: F64 | None
    event: F64 | None
    hash: str

    @property
    def timed(self) -> bool:
        return self.days is not None


@dataclass(frozen=True)
class Followed:
    """What is known of some rows of a list: which of them have an outcome, and what it is (of those only)."""

    known: Bools
    outcome: F64 | None
    days: NDArray[np.int64] | None
    event: Bools | None


def read_outcomes(path: str | Path, columns: Columns, *, encoding: str = "utf-8") -> Outcomes:
    """Read and check an outcome file (Parquet, Arrow or CSV). Raises `InputError` naming file, column and rows."""
    source = open_source([path], kinds=lambda name: "id" if name == ID else "text", encoding=encoding)
    file = source.files[0]
    wanted = [ID, *(c for c in (columns.column, columns.time, columns.event) if c is not None)]
    for name in wanted:
        if name not in file.schema.names:
            raise InputError(
                f"there is no such column{near_miss(name, file.schema.names)}", column=name, file=file.name
            )
    batches = list(file.batches(list(dict.fromkeys(wanted))))
    if not batches:
        raise InputError("has no rows", file=file.name)
    table = pa.Table.from_batches(batches)
    file.check_unchanged()
    ids = _ids(table[ID], file.name)
    outcome = None if columns.column is None else _flags(table[columns.column], columns.column, file.name)
    days = event = None
    if columns.time is not None and columns.event is not None:
        days = _days(table[columns.time], columns.time, file.name)
        event = _flags(table[columns.event], columns.event, file.name)
    if outcome is not None and event is not None:
        differ = ~np.isnan(outcome) & ~np.isnan(event) & (outcome != event)
        if differ.any():
            raise _fault(f"says otherwise than {columns.event!r}", str(columns.column), file.name, differ)
    return Outcomes(file.name, ids, outcome, days, event, hash_file(file.path, lambda: False))


def follow(outcomes: Outcomes, ids: pa.ChunkedArray, *, allow_unknown: bool) -> tuple[Followed, int]:
    """The outcomes of a whole list, by its ids, and how many outcomes are of people who are not on it."""
    here, there = _alike(ids, outcomes.ids)
    places = pc.index_in(here, value_set=there)
    found = pc.fill_null(places, -1).to_numpy().astype(np.int64)
    unknown = len(there) - len(np.unique(found[found >= 0]))
    if unknown == len(there):
        raise InputError("no patient of it is on the list: is it the right file?", column=ID, file=outcomes.name)
    if unknown and not allow_unknown:
        raise InputError(
            f"{unknown:,} of {len(there):,} patients are not on the list; if that is as it should be (for example "
            "after opt-outs), say --allow-unknown",
            column=ID,
            file=outcomes.name,
        )

    def taken(values: F64 | None) -> F64 | None:
        return None if values is None else np.where(found >= 0, values[found], np.nan)

    days, event = taken(outcomes.days), taken(outcomes.event)
    if days is not None and event is not None:
        known = ~np.isnan(days) & ~np.isnan(event)
        return Followed(known, None, np.where(known, days, 0).astype(np.int64), event == 1), unknown
    outcome = taken(outcomes.outcome)
    assert outcome is not None
    return Followed(~np.isnan(outcome), outcome, None, None), unknown


def _ids(column: pa.ChunkedArray, name: str) -> pa.Array:
    ids = _plain(column)
    if not (pt.is_integer(ids.type) or is_text(ids.type)):
        raise InputError(f"ids are whole numbers or text, not {ids.type}", column=ID, file=name)
    if ids.null_count:
        raise _fault("is null", ID, name, ids.is_null().to_numpy(zero_copy_only=False))
    codes = ids.dictionary_encode()
    if len(codes.dictionary) < len(ids):
        order = np.asarray(codes.indices)
        first = np.zeros(len(ids), bool)
        first[np.unique(order, return_index=True)[1]] = True
        raise _fault("a patient has more than one row", ID, name, ~first)
    return ids


def _plain(column: pa.ChunkedArray) -> pa.Array:
    array = column.combine_chunks()
    return array.cast(array.type.value_type) if pt.is_dictionary(array.type) else array


def _alike(a: pa.ChunkedArray, b: pa.Array) -> tuple[pa.ChunkedArray, pa.Array]:
    """Two columns of ids as one type; numbers are compared as text where only one of them is text."""
    if pt.is_dictionary(a.type):
        a = a.cast(a.type.value_type)
    kind = pa.int64() if pt.is_integer(a.type) and pt.is_integer(b.type) else pa.large_string()
    return a.cast(kind), b.cast(kind)


def _flags(column: pa.ChunkedArray, name: str, file: str) -> F64:
    """0, 1 or NaN of a column of truth values, of 0 and 1, or of words for them."""
    array = _plain(column)
    if is_text(array.type):
        words = pc.utf8_lower(pc.utf8_trim_whitespace(array.cast(pa.large_string())))
        empty = pc.or_kleene(pc.is_null(words), pc.equal(words, "")).to_numpy(zero_copy_only=False)
        yes = pc.is_in(words, value_set=pa.array(_TRUE, pa.large_string())).to_numpy(zero_copy_only=False)
        no = pc.is_in(words, value_set=pa.array(_FALSE, pa.large_string())).to_numpy(zero_copy_only=False)
        bad = ~(yes | no | empty)
        values = np.where(yes, 1.0, np.where(no, 0.0, np.nan))
    elif pt.is_boolean(array.type) or pt.is_integer(array.type) or pt.is_floating(array.type):
        values = array.cast(pa.float64()).to_numpy(zero_copy_only=False)
        bad = ~np.isnan(values) & (values != 0) & (values != 1)
    elif pt.is_null(array.type):
        values, bad = np.full(len(array), np.nan), np.zeros(len(array), bool)
    else:
        raise InputError(f"0 and 1 or true and false are needed, not {array.type}", column=name, file=file)
    if bad.any():
        raise _fault("0 or 1, true or false is needed", name, file, bad)
    return values


def _days(column: pa.ChunkedArray, name: str, file: str) -> F64:
    array = _plain(column)
    if is_text(array.type):
        words = pc.utf8_trim_whitespace(array.cast(pa.large_string()))
        try:
            array = pc.if_else(pc.equal(words, ""), pa.scalar(None, pa.large_string()), words).cast(pa.float64())
        except pa.ArrowInvalid:
            raise InputError("numbers of days are needed", column=name, file=file) from None
    if not (pt.is_integer(array.type) or pt.is_floating(array.type)):
        raise InputError(f"numbers of days are needed, not {array.type}", column=name, file=file)
    values: F64 = array.cast(pa.float64()).to_numpy(zero_copy_only=False)
    known = ~np.isnan(values)
    bad = known & ~((values > 0) & (values <= 36_525))
    if bad.any():
        raise _fault("a number of days over 0 (and under 100 years) is needed", name, file, bad)
    return np.where(known, np.ceil(values), np.nan)


def _fault(problem: str, column: str, file: str, bad: Bools) -> InputError:
    rows = np.flatnonzero(bad)
    return InputError(problem, column=column, rows=rows[:5].tolist(), more=max(0, len(rows) - 5), file=file)


__all__ = ["HASH", "ID", "Columns", "Followed", "Outcomes", "follow", "read_outcomes"]
