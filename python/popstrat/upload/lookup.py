"""The lookup: pseudonymous key → NHS number, practice, registration, date of birth.

A lookup holds identities, so a fault of it is told by column and row number, never by value. Faults of single people
(no number, a wrong one, one that two keys share) do not stop a run: they leave that person out, for a reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from popstrat.core.arrow import is_text, without_views
from popstrat.core.hashing import hash_file
from popstrat.core.text import suggest
from popstrat.errors import InputError
from popstrat.formats import FileSource, open_source
from popstrat.packs.keys import Kind, as_read
from popstrat.packs.patient_table import ID, PRACTICE, fold_label
from popstrat.privacy import nhs_numbers
from popstrat.upload.batches import batches, refuse_null, values
from popstrat.upload.partition import Partitions, Repeats, partition_of_keys
from popstrat.upload.patient_keys import KeyRule
from popstrat.upload.practices import Numbering, Practices
from popstrat.upload.templates.settings import STATUSES, Settings

NUMBER, STATUS, BIRTH = "nhs_number", "registration_status", "date_of_birth"


@dataclass(frozen=True)
class LookupFile:
    """A lookup that has the columns it needs. ``columns`` is ours → the file's."""

    source: FileSource
    columns: Mapping[str, str]
    status: Mapping[str, str]
    sha256: str

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def format(self) -> str:
        return self.source.format

    @property
    def text_keys(self) -> bool:
        return not pa.types.is_integer(self.source.schema.field(self.columns[ID]).type)

    @property
    def has_births(self) -> bool:
        return BIRTH in self.columns

    def described(self) -> dict[str, Any]:
        """For the manifest."""
        return {"name": self.source.path.name, "sha256": self.sha256}


def open_lookup(path: Path, settings: Settings) -> LookupFile:
    """Open a lookup. Raises `InputError` for a column that is missing or of a type that may lose digits."""
    kinds = {ID: "id", BIRTH: "date"}
    ours_of = {theirs: ours for ours, theirs in settings.lookup_columns.items()}
    source = open_source([path], kinds=lambda n: kinds.get(ours_of.get(n, n), "string"), threads=2).files[0]
    names = source.schema.names
    columns: dict[str, str] = {}
    for ours in (ID, NUMBER, PRACTICE, STATUS, BIRTH):
        theirs = settings.lookup_columns.get(ours, ours)
        if theirs in names:
            columns[ours] = theirs
        elif ours != BIRTH or ours in settings.lookup_columns:
            raise InputError(
                f"is missing from the lookup{suggest(theirs, names)}; [lookup.columns] of --settings can rename one",
                column=theirs,
                file=str(path),
            )
    for ours in (ID, NUMBER):
        kind = source.schema.field(columns[ours]).type
        if not (is_text(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind)):
            raise InputError(f"is {kind}; text or whole numbers keep every digit", column=columns[ours], file=str(path))
    kind = source.schema.field(columns[BIRTH]).type if BIRTH in columns else pa.date32()
    if not (pa.types.is_date(kind) or pa.types.is_timestamp(kind) or pa.types.is_null(kind)):
        raise InputError(f"is {kind}, not a date", column=columns[BIRTH], file=str(path))
    status = {fold_label(label): label for label in STATUSES}
    status.update({fold_label(theirs): ours for theirs, ours in settings.lookup_status.items()})
    return LookupFile(source, columns, status, hash_file(path))


@dataclass(frozen=True)
class LookupRows:
    """A lookup dealt out by key: ``key``, ``number`` and ``state`` (as `nhs_numbers.check` has them), ``practice``,
    ``status`` (its index among `STATUSES`) and ``birth`` (days since 1970).

    ``shared`` are the NHS numbers that more than one row has, ascending; ``test_numbers`` is how many begin with 999;
    ``respelt`` is how many rows write a key or a practice otherwise than it is read, by column.
    """

    partitions: Partitions
    shared: NDArray[np.int64]
    test_numbers: int
    respelt: Mapping[str, int]


_KEYS: Mapping[str, Kind] = {ID: "key", NUMBER: "key", PRACTICE: "code"}


def lookup_columns(
    lookup: LookupFile, wanted: Sequence[str], respelt: Counter[str] | None = None
) -> Iterator[tuple[int, dict[str, pa.Array]]]:
    """Batches of a lookup: their first row, and the ``wanted`` of our columns, keys, NHS numbers and practices as they
    are compared; ``respelt`` counts the rows that write them otherwise.

    Raises `InputError`, naming file and rows, for a key or practice that is null, and for any that was made a number.
    """
    for first, batch in batches(lookup.source, [lookup.columns[ours] for ours in wanted]):
        data = {ours: values(batch, lookup.columns[ours]) for ours in wanted}
        try:
            for ours in (c for c in _KEYS if c in data):
                read = as_read(data[ours], _KEYS[ours], lookup.columns[ours])
                data[ours] = read.column
                if respelt is not None:
                    respelt[ours] += read.respelt
                if ours != NUMBER:
                    refuse_null(read.column, ours)
        except InputError as error:
            raise error.located(lookup.name, first) from None
        yield first, data


def read_lookup(
    lookup: LookupFile,
    practices: Practices | Numbering,
    keys: KeyRule,
    folder: Path,
    partitions: int,
    *,
    called: str = "lookup",
) -> LookupRows:
    """Read a lookup and deal it out by key into files in ``folder``, whose names begin with what it is ``called``.

    Raises `InputError`, naming file and rows, for a key or practice that is null, a key that is not one of its kind,
    and a registration status that is unknown.
    """
    schema = pa.schema(
        [
            ("key", keys.type),
            ("number", pa.int64()),
            ("state", pa.uint8()),
            ("practice", pa.int32()),
            ("status", pa.int8()),
            ("birth", pa.int32()),
        ]
    )
    dealt = Partitions(folder, called, schema, partitions)
    repeats = Repeats(folder, f"{called}-numbers", partitions)
    tests = 0
    respelt: Counter[str] = Counter()
    for first, data in lookup_columns(lookup, list(lookup.columns), respelt):
        try:
            try:
                key = keys.read(data[ID], lookup.columns[ID])
            except pa.ArrowInvalid:
                raise InputError("has keys that are not whole numbers, and the scored table's are", column=ID) from None
            numbers, states = nhs_numbers.check(data[NUMBER])
            status = _statuses(data[STATUS], lookup.status)
        except InputError as error:
            raise error.located(lookup.name, first) from None
        good = numbers[states == nhs_numbers.PASSED]
        tests += int(((good >= nhs_numbers.TEST_FIRST) & (good <= nhs_numbers.TEST_LAST)).sum())
        repeats.add(good)
        births = (
            data[BIRTH].cast(pa.date32(), safe=False).cast(pa.int32())
            if BIRTH in data
            else pa.nulls(len(key), pa.int32())
        )
        practice = pa.array(practices.indices(data[PRACTICE]))
        columns = [key, pa.array(numbers), pa.array(states), practice, status, births]
        dealt.add(pa.RecordBatch.from_arrays(columns, schema=schema), partition_of_keys(key, partitions))
    dealt.finish()
    del respelt[NUMBER]  # numbers come in groups as a matter of course, and are written as digits
    return LookupRows(dealt, repeats.finish(), tests, respelt)


def _statuses(column: pa.Array, known: Mapping[str, str]) -> pa.Array:
    """The index of each status among `STATUSES`, null for none. Raises `InputError` with rows for any other."""
    column = without_views(column)
    coded = column if pa.types.is_dictionary(column.type) else column.cast(pa.string()).dictionary_encode()
    table: list[int | None] = []
    for value in coded.dictionary.to_pylist():
        text = "" if value is None else str(value).strip()
        found = known.get(fold_label(text))
        table.append(None if not text else -1 if found is None else STATUSES.index(found))
    indices = pa.array(table, pa.int8()).take(coded.indices)
    if -1 in table:
        rows = np.flatnonzero(np.asarray(pc.fill_null(pc.equal(indices, -1), False)))
        if len(rows):
            raise InputError(
                f"has a status that is not one of {', '.join(STATUSES)}; [lookup.status] of --settings can name it",
                column=STATUS,
                rows=rows[:5].tolist(),
                more=max(0, len(rows) - 5),
            )
    return indices
