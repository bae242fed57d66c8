"""Who each row is, by the lookup; and for what reason somebody is left out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from popstrat.privacy import nhs_numbers
from popstrat.upload.partition import column
from popstrat.upload.templates.settings import STATUSES

# In this order: each row that is left out counts under the first that applies.
REASONS = (
    "not in the lookup",
    "more than once in the lookup",
    "no NHS number",
    "NHS number not valid",
    "NHS number shared with another key",
    "deceased",
    "deducted",
    "registration status not known",
    "registered at another practice",
    "date of birth does not fit the age scored",
    "no date of birth",
    "NHS number is not that of last month's lookup",
)
(
    _MISSING, _TWICE, _NO_NUMBER, _INVALID, _SHARED, _DECEASED, _DEDUCTED, _NO_STATUS, _ELSEWHERE, _AGE, _NO_BIRTH,
    _CHANGED,
) = range(1, len(REASONS) + 1)  # fmt: skip


@dataclass(frozen=True)
class Identities:
    """Who each row of a partition is: NHS number, date of birth, and the reason (from 1) to leave the row out, or 0."""

    numbers: NDArray[np.int64]
    births: pa.Array
    reasons: NDArray[np.uint8]


def identify(
    keys: pa.Array,
    practice: NDArray[np.int32],
    ages: NDArray[np.int64] | None,
    lookup: pa.Table,
    shared: NDArray[np.int64],
    as_of: dt.date,
    *,
    needs_birth: bool,
    births_known_to: str = "day",
    earlier: pa.Table | None = None,
) -> Identities:
    """Look up the rows of a partition in the one of the lookup with the same keys.

    ``ages`` are completed years as scored (−1 for none), None not to compare them.
    ``births_known_to`` is "day", or "month" or "year" where the ages were scored from dates of birth of which only that
    was left, as the first of the month or of January. ``earlier`` is the partition of last month's lookup: whose number
    there is another one is left out.
    """
    theirs = column(lookup, "key")
    at = pc.index_in(keys, value_set=theirs)
    found = np.asarray(at.is_valid())
    at = np.asarray(pc.fill_null(at, 0))
    if not len(theirs):
        rows = len(keys)
        reasons = np.full(rows, _MISSING, np.uint8)
        return Identities(np.zeros(rows, np.int64), pa.nulls(rows, pa.int32()), reasons)
    # Every row of the lookup points at the first of its key; two rows that do so make the key one that is not sure.
    first = np.asarray(pc.index_in(theirs, value_set=theirs))
    twice = (np.bincount(first, minlength=len(theirs)) > 1)[first]

    def looked_up(name: str, null: int) -> NDArray[Any]:
        values: NDArray[Any] = np.asarray(pc.fill_null(column(lookup, name), null))[at]
        return values

    numbers = looked_up("number", 0)
    state, status, their_practice = looked_up("state", 0), looked_up("status", -1), looked_up("practice", -1)
    births = column(lookup, "birth").take(pa.array(at))
    no_birth = np.asarray(births.is_null())
    reasons = np.zeros(len(keys), np.uint8)
    checks: Sequence[tuple[int, NDArray[np.bool_]]] = [
        (_MISSING, ~found),
        (_TWICE, twice[at]),
        (_NO_NUMBER, state == nhs_numbers.MISSING),
        (_INVALID, state != nhs_numbers.PASSED),
        (_SHARED, _among(numbers, shared)),
        (_DECEASED, status == STATUSES.index("deceased")),
        (_DEDUCTED, status == STATUSES.index("deducted")),
        (_NO_STATUS, status != STATUSES.index("registered")),
        (_ELSEWHERE, their_practice != practice),
    ]
    for reason, wrong in checks:
        reasons[(reasons == 0) & wrong] = reason
    if ages is not None:
        coarse = np.asarray(pc.fill_null(births, 0)).astype("datetime64[D]")
        coarse = coarse.astype(
            {"day": "datetime64[D]", "month": "datetime64[M]", "year": "datetime64[Y]"}[births_known_to]
        )
        years = completed_years(coarse.astype("datetime64[D]").astype(np.int32), as_of)
        reasons[(reasons == 0) & (ages >= 0) & ~no_birth & (years != ages)] = _AGE
    if needs_birth:
        reasons[(reasons == 0) & no_birth] = _NO_BIRTH
    if earlier is not None:
        reasons[(reasons == 0) & _renumbered(keys, numbers, earlier)] = _CHANGED
    numbers = np.where(reasons == 0, numbers, 0)  # nobody who is left out goes any further
    births = pc.if_else(pa.array(reasons == 0), births, pa.scalar(None, pa.int32()))
    return Identities(numbers, births, reasons)


def _renumbered(keys: pa.Array, numbers: NDArray[np.int64], earlier: pa.Table) -> NDArray[np.bool_]:
    """Whose key had another number, or several, in an earlier lookup. A key that is new or had none is not compared."""
    good = np.asarray(column(earlier, "state")) == nhs_numbers.PASSED
    theirs = column(earlier, "key").filter(pa.array(good))
    if not len(theirs):
        return np.zeros(len(keys), bool)
    at = np.asarray(pc.fill_null(pc.index_in(theirs, value_set=keys), -1))
    differs = np.zeros(len(keys), bool)
    there = np.asarray(column(earlier, "number"))[good]
    rows = at >= 0
    np.logical_or.at(differs, at[rows], there[rows] != numbers[at[rows]])
    return differs


def _among(values: NDArray[np.int64], sorted_values: NDArray[np.int64]) -> NDArray[np.bool_]:
    if not len(sorted_values):
        return np.zeros(len(values), bool)
    at = np.minimum(np.searchsorted(sorted_values, values), len(sorted_values) - 1)
    found: NDArray[np.bool_] = sorted_values[at] == values
    return found


def completed_years(days: NDArray[np.int32], as_of: dt.date) -> NDArray[np.int64]:
    """`popstrat.core.dates.completed_years` for dates of birth as days since 1970."""
    births = days.astype("datetime64[D]")
    months = births.astype("datetime64[M]")
    year = months.astype("datetime64[Y]").astype(np.int64) + 1970
    month = months.astype(np.int64) % 12 + 1
    day = (births - months).astype(np.int64) + 1
    later = (month > as_of.month) | ((month == as_of.month) & (day > as_of.day))
    found: NDArray[np.int64] = as_of.year - year - later
    return found
