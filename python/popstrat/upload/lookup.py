"""The lookup: pseudonymous key → NHS number, practice, registration, date of birth; and why somebody is left out.

A lookup holds identities, so a fault of it is told by column and row number, never by value. Faults of single people
(no number, a wrong one, one that two keys share) do not stop a run: they leave that person out, for a reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from popstrat import nhsnumber
from popstrat.core.arrow import is_text, without_views
from popstrat.core.hashing import hash_file
from popstrat.core.text import suggest
from popstrat.errors import InputError
from popstrat.formats import FileSource, open_source
from popstrat.schema import fold_label
from popstrat.upload.scored import Practices, batches, keys_of, refuse_not_canonical, refuse_null
from popstrat.upload.spill import Parts, Repeats, column, spread_keys
from popstrat.upload.template import STATUSES, Settings

KEY, NUMBER, PRACTICE = "patient_id", "nhs_number", "practice_code"
STATUS, BIRTH = "registration_status", "date_of_birth"

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
)
(
    _MISSING, _TWICE, _NO_NUMBER, _INVALID, _SHARED, _DECEASED, _DEDUCTED, _NO_STATUS, _ELSEWHERE, _AGE, _NO_BIRTH,
) = range(1, len(REASONS) + 1)  # fmt: skip


@dataclass(frozen=True)
class LookupFile:
    """A lookup that has the columns it needs. ``columns`` is ours → the file's."""

    source: FileSource
    columns: Mapping[str, str]
    status: Mapping[str, str]
    sha256: str

    @property
    def has_births(self) -> bool:
        return BIRTH in self.columns

    def described(self) -> dict[str, Any]:
        """For the manifest."""
        return {"name": self.source.path.name, "sha256": self.sha256}


def open_lookup(path: Path, settings: Settings) -> LookupFile:
    """Open a lookup. Raises `InputError` for a column that is missing or of a type that may lose digits."""
    kinds = {KEY: "id", BIRTH: "date"}
    ours_of = {theirs: ours for ours, theirs in settings.lookup_columns.items()}
    source = open_source([path], kinds=lambda n: kinds.get(ours_of.get(n, n), "string"), threads=2).files[0]
    names = source.schema.names
    columns: dict[str, str] = {}
    for ours in (KEY, NUMBER, PRACTICE, STATUS, BIRTH):
        theirs = settings.lookup_columns.get(ours, ours)
        if theirs in names:
            columns[ours] = theirs
        elif ours != BIRTH or ours in settings.lookup_columns:
            raise InputError(
                f"is missing from the lookup{suggest(theirs, names)}; [lookup.columns] of --settings can rename one",
                column=theirs,
                file=str(path),
            )
    for ours in (KEY, NUMBER):
        kind = source.schema.field(columns[ours]).type
        if not (is_text(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind)):
            raise InputError(f"is {kind}; text or whole numbers keep every digit", column=columns[ours], file=str(path))
    kind = source.schema.field(columns[BIRTH]).type if BIRTH in columns else pa.date32()
    if not (pa.types.is_date(kind) or pa.types.is_timestamp(kind) or pa.types.is_null(kind)):
        raise InputError(f"is {kind}, not a date", column=columns[BIRTH], file=str(path))
    status = {fold_label(label): label for label in STATUSES}
    status.update({fold_label(theirs): ours for theirs, ours in settings.lookup_status.items()})
    return LookupFile(source, columns, status, hash_file(path))


def lookup_schema(text_keys: bool) -> pa.Schema:
    return pa.schema(
        [
            ("key", pa.string() if text_keys else pa.int64()),
            ("number", pa.int64()),
            ("state", pa.uint8()),
            ("practice", pa.int32()),
            ("status", pa.int8()),
            ("birth", pa.int32()),
        ]
    )


def read_lookup(
    lookup: LookupFile,
    practices: Practices,
    *,
    text_keys: bool,
    mixed_keys: str | None = None,
    folder: Path,
    parts: int,
) -> tuple[Parts, NDArray[np.int64], int]:
    """The lookup dealt out by key; the NHS numbers that more than one row has, ascending; how many are test numbers.

    ``mixed_keys`` is what to say of a text key that is not a whole number's own text, if the files' keys are of both
    kinds; None if they are all of one.
    """
    schema = lookup_schema(text_keys)
    dealt = Parts(folder, "lookup", schema, parts)
    repeats = Repeats(folder, "numbers", parts)
    tests = 0
    wanted = list(lookup.columns.values())
    for first, batch in batches(lookup.source, wanted):
        data = {ours: batch.column(batch.schema.get_field_index(theirs)) for ours, theirs in lookup.columns.items()}
        try:
            refuse_null(data[KEY], KEY)
            refuse_null(data[PRACTICE], PRACTICE)
            if mixed_keys is not None:
                refuse_not_canonical(data[KEY], mixed_keys, lookup.columns[KEY])
            try:
                keys = keys_of(data[KEY], text_keys)
            except pa.ArrowInvalid:
                raise InputError(
                    "has keys that are not whole numbers, and the scored table's are", column=KEY
                ) from None
            numbers, states = nhsnumber.check(data[NUMBER])
            status = _statuses(data[STATUS], lookup.status)
        except InputError as error:
            raise error.located(lookup.source.name, first) from None
        good = numbers[states == nhsnumber.PASSED]
        tests += int(((good >= nhsnumber.TEST_FIRST) & (good <= nhsnumber.TEST_LAST)).sum())
        repeats.add(good)
        births = (
            data[BIRTH].cast(pa.date32(), safe=False).cast(pa.int32())
            if BIRTH in data
            else pa.nulls(len(keys), pa.int32())
        )
        columns = [
            keys, pa.array(numbers), pa.array(states), pa.array(practices.places(data[PRACTICE])), status, births,
        ]  # fmt: skip
        dealt.add(pa.RecordBatch.from_arrays(columns, schema=schema), spread_keys(keys, parts))
    dealt.finish()
    return dealt, repeats.finish(), tests


def _statuses(values: pa.Array, known: Mapping[str, str]) -> pa.Array:
    """The place of each status among `STATUSES`, null for none. Raises `InputError` with rows for any other."""
    values = without_views(values)
    coded = values if pa.types.is_dictionary(values.type) else values.cast(pa.string()).dictionary_encode()
    table: list[int | None] = []
    for value in coded.dictionary.to_pylist():
        text = "" if value is None else str(value).strip()
        found = known.get(fold_label(text))
        table.append(None if not text else -1 if found is None else STATUSES.index(found))
    places = pa.array(table, pa.int8()).take(coded.indices)
    if -1 in table:
        rows = np.flatnonzero(np.asarray(pc.fill_null(pc.equal(places, -1), False)))
        if len(rows):
            raise InputError(
                f"has a status that is not one of {', '.join(STATUSES)}; [lookup.status] of --settings can name it",
                column=STATUS,
                rows=rows[:5].tolist(),
                more=max(0, len(rows) - 5),
            )
    return places


@dataclass(frozen=True)
class Identities:
    """Who each row of a part is: NHS number, date of birth, and the reason (from 1) to leave the row out, or 0."""

    numbers: NDArray[np.int64]
    births: pa.Array
    reasons: NDArray[np.uint8]


def identify(
    keys: pa.Array,
    practice: NDArray[np.int32],
    ages: NDArray[np.int64] | None,
    lookup: pa.Table,
    shared: NDArray[np.int64],
    as_of: Any,
    *,
    needs_birth: bool,
    births_known_to: str = "day",
) -> Identities:
    """Look up the rows of a part. ``ages`` are completed years as scored (−1 for none), None not to compare them.

    ``births_known_to`` is "day", or "month" or "year" where the ages were scored from dates of birth of which only that
    was left, as the first of the month or of January.
    """
    theirs = column(lookup, "key")
    at = pc.index_in(keys, value_set=theirs)
    found = np.asarray(at.is_valid())
    place = np.asarray(pc.fill_null(at, 0))
    if not len(theirs):
        rows = len(keys)
        reasons = np.full(rows, _MISSING, np.uint8)
        return Identities(np.zeros(rows, np.int64), pa.nulls(rows, pa.int32()), reasons)
    # Every row of the lookup points at the first of its key; two rows that do so make the key one that is not sure.
    first = np.asarray(pc.index_in(theirs, value_set=theirs))
    twice = (np.bincount(first, minlength=len(theirs)) > 1)[first]

    def taken(name: str, null: int) -> NDArray[Any]:
        values: NDArray[Any] = np.asarray(pc.fill_null(column(lookup, name), null))[place]
        return values

    numbers = taken("number", 0)
    state, status, their_practice = taken("state", 0), taken("status", -1), taken("practice", -1)
    births = column(lookup, "birth").take(pa.array(place))
    no_birth = np.asarray(births.is_null())
    reasons = np.zeros(len(keys), np.uint8)
    checks: Sequence[tuple[int, NDArray[np.bool_]]] = [
        (_MISSING, ~found),
        (_TWICE, twice[place]),
        (_NO_NUMBER, state == nhsnumber.MISSING),
        (_INVALID, state != nhsnumber.PASSED),
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
    numbers = np.where(reasons == 0, numbers, 0)  # nobody who is left out goes any further
    births = pc.if_else(pa.array(reasons == 0), births, pa.scalar(None, pa.int32()))
    return Identities(numbers, births, reasons)


def _among(values: NDArray[np.int64], sorted_values: NDArray[np.int64]) -> NDArray[np.bool_]:
    if not len(sorted_values):
        return np.zeros(len(values), bool)
    at = np.minimum(np.searchsorted(sorted_values, values), len(sorted_values) - 1)
    found: NDArray[np.bool_] = sorted_values[at] == values
    return found


def completed_years(days: NDArray[np.int32], as_of: Any) -> NDArray[np.int64]:
    """`popstrat.core.dates.completed_years` for dates of birth as days since 1970."""
    births = days.astype("datetime64[D]")
    months = births.astype("datetime64[M]")
    year = months.astype("datetime64[Y]").astype(np.int64) + 1970
    month = months.astype(np.int64) % 12 + 1
    day = (births - months).astype(np.int64) + 1
    later = (month > as_of.month) | ((month == as_of.month) & (day > as_of.day))
    found: NDArray[np.int64] = as_of.year - year - later
    return found
