"""What happened to the patients: an outcome file read, checked and put beside the rows of a list.

Nobody is passed over in silence: an outcome of somebody who is not on the list, or a patient without one, stops the run
unless that is allowed by name, and is then counted. A missing outcome never counts as no event.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.types as pt
from numpy.typing import NDArray

from popstrat.core.arrow import is_text
from popstrat.core.hashing import hash_file
from popstrat.errors import InputError
from popstrat.packs.keys import notes
from popstrat.packs.patient_table import ID

_LONGEST = 36_525

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
    ids: str | None = None  # the column of ids, where it is not called patient_id

    def __post_init__(self) -> None:
        if (self.time is None) != (self.event is None):
            raise InputError("--time-column and --event-column go together: give both or neither")
        if self.column is None and self.time is None:
            raise InputError("needs --column, or --time-column and --event-column: what is the outcome?")


@dataclass(frozen=True)
class Outcomes:
    """An outcome file: ids, and for each what happened. NaN where it is not known."""

    name: str
    columns: Columns
    ids: pa.Array
    outcome: F64 | None  # 1 or 0
    days: F64 | None
    event: F64 | None
    hash: str
    notes: Sequence[str] = ()
    """What is to be said of its ids."""

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


def read_outcomes(path: str | Path, columns: Columns, *, horizon: int = 365, encoding: str = "utf-8") -> Outcomes:
    """Read and check an outcome file (Parquet, Arrow or CSV) by the rules of `popstrat validate`: a column may hold
    counts, over 0 being the event; a time may be 0; where a column and times are given, they must agree by the
    ``horizon``. Times become whole days: an event's is rounded up, the end of a follow-up down, so that nobody counts
    as followed for longer than they were. Raises `InputError` naming file, column and rows.
    """
    from popstrat.validation.files import lost_early, open_one
    from popstrat.validation.files import read_outcomes as read_table
    from popstrat.validation.outcomes import happened
    from popstrat.validation.spec import Spec
    from popstrat.validation.tables import Table

    spec = Spec(
        column=columns.column, time_column=columns.time, event_column=columns.event, horizon=horizon,
        outcome_id=columns.ids or ID,
    )  # fmt: skip
    file = open_one(path, lambda name: "id" if name == spec.outcome_id else "text", encoding)
    data = read_table(file, spec)
    if not data.num_rows:
        raise InputError("has no rows", file=file.name)
    ends = Table(data, file.name)
    file.check_unchanged()
    found = happened(ends, spec)
    told = [*(f"{file.name}: {note}" for note in notes(ends.respelt)), *lost_early(file, spec)]
    days, event = found.get("time"), found.get("event")
    if days is not None and event is not None and columns.time is not None:
        if (days > _LONGEST).any():
            raise ends.fault(f"a time may not be over {_LONGEST:,} days (100 years)", columns.time, days > _LONGEST)
        days = np.where(event == 1, np.ceil(days), np.floor(days))
    return Outcomes(file.name, columns, ends.ids, found.get("outcome"), days, event, hash_file(file.path), told)


def constant(outcomes: Outcomes, everybody: bool, within: str, horizon: int | None) -> InputError:
    """The error of an outcome that is the same for all, in the words of `popstrat validate`."""
    who = "everybody" if everybody else "nobody"
    if not outcomes.timed:
        told = f"{who}{within} has the outcome"
    else:
        told = f"{who}{within} has the event{'' if horizon is None else f' by day {horizon:,}'}"
    column = outcomes.columns.event if outcomes.timed else outcomes.columns.column
    return InputError(f"is constant: {told}", column=column, file=outcomes.name)


def followed_to(
    days: NDArray[np.int64], event: F64, horizon: int, within: str, file: str, bands: NDArray[np.int64] | None = None
) -> tuple[F64, F64]:
    """The outcome by a horizon, and inverse probability of censoring weights (`popstrat.validation.measures`)."""
    from popstrat.validation.measures import horizon_weights

    try:
        outcome, weight = horizon_weights(days, event == 1, horizon, strata=bands)
    except ValueError:
        raise InputError(f"too few people{within} are followed for {horizon:,} days", file=file) from None
    return outcome.astype(np.float64), weight


def follow(outcomes: Outcomes, ids: pa.ChunkedArray, *, allow_unknown: bool) -> tuple[Followed, int]:
    """The outcomes of a whole list, by its ids, and how many outcomes are of people who are not on it."""
    from popstrat.validation.tables import rows_among

    there = outcomes.ids
    found = rows_among(_whole(ids), there)
    unknown = len(there) - int(np.sum(found >= 0))
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


def _whole(ids: pa.ChunkedArray) -> pa.Array:
    """A column of ids in one piece, without a dictionary."""
    if pt.is_dictionary(ids.type):
        ids = ids.cast(ids.type.value_type)
    if is_text(ids.type):
        ids = ids.cast(pa.large_string())
    return ids.combine_chunks()
