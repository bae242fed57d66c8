"""Files that name people: who is left out (``--exclude``), who was on the last list, on whose caseload somebody is.

A file holds ``patient_id``; with ``start`` or ``end`` a row is a spell, and counts while it is open: it has started by
the as-of date and has not ended by then. A row without a start has started, one without an end is open.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from popstrat.core.arrow import is_text, plain
from popstrat.core.dates import days
from popstrat.core.hashing import hash_file
from popstrat.core.text import suggest
from popstrat.errors import InputError
from popstrat.formats import FileSource, open_source
from popstrat.packs.keys import as_read
from popstrat.packs.patient_table import ID
from popstrat.upload.batches import batches, refuse_null, values
from popstrat.upload.patient_keys import KeyRule

START, END = "start", "end"
_DATES = (START, END)


@dataclass(frozen=True)
class PeopleFile:
    """A file of people, opened; ``id`` is its column of keys."""

    source: FileSource
    sha256: str
    id: str = ID

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def format(self) -> str:
        return self.source.format

    @property
    def text_keys(self) -> bool:
        return not pa.types.is_integer(self.source.schema.field(self.id).type)

    def has(self, column: str) -> bool:
        return column in self.source.schema.names

    def described(self) -> dict[str, Any]:
        """For records."""
        return {"name": self.source.path.name, "sha256": self.sha256}


def open_people(path: Path, option: str) -> PeopleFile:
    """Open a file of people that ``option`` names. Raises `InputError` if it has no column of keys, or one of a type
    that may lose digits."""
    kinds = {ID: "id", **dict.fromkeys(_DATES, "date")}
    source = open_source([path], kinds=lambda n: kinds.get(n, "string"), threads=1).files[0]
    names = source.schema.names
    if ID not in names:
        raise InputError(f"is missing from the file of {option}{suggest(ID, names)}", column=ID, file=str(path))
    kind = source.schema.field(ID).type
    if not (is_text(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind)):
        raise InputError(f"is {kind}; text or whole numbers keep every digit", column=ID, file=str(path))
    for name in _DATES:
        kind = source.schema.field(name).type if name in names else pa.date32()
        if not (pa.types.is_date(kind) or pa.types.is_timestamp(kind) or pa.types.is_null(kind)):
            raise InputError(f"is {kind}, not a date", column=name, file=str(path))
    return PeopleFile(source, hash_file(path))


@dataclass(frozen=True)
class People:
    """Those of a file whose rows count: their keys as they are compared, and columns of text beside them."""

    keys: pa.Array
    texts: Mapping[str, pa.Array] = field(default_factory=dict)
    rows: int = 0
    """All rows of the file, those of closed spells too."""


def read_people(file: PeopleFile, keys: KeyRule, as_of: dt.date, texts: Sequence[str] = ()) -> People:
    """Read a file of people. Raises `InputError`, naming file and rows, for a key that is null or was made a number."""
    dates = [name for name in _DATES if file.has(name)]
    wanted = [name for name in texts if file.has(name)]
    found: list[pa.Array] = []
    beside: dict[str, list[pa.Array]] = {name: [] for name in wanted}
    rows = 0
    for first, batch in batches(file.source, [ID, *dates, *wanted]):
        rows += batch.num_rows
        try:
            read = as_read(values(batch, ID), "key", ID).column
            refuse_null(read, ID)
            key = keys.read(read)
        except pa.ArrowInvalid:
            told = "has keys that are not whole numbers, and those of the list are"
            raise InputError(told, column=ID, file=file.name) from None
        except InputError as error:
            raise error.located(file.name, first) from None
        open_now = np.ones(batch.num_rows, bool)
        day = pa.scalar(days(as_of), pa.int32())
        for name in dates:
            at = values(batch, name).cast(pa.date32(), safe=False).cast(pa.int32())
            fits = pc.less_equal(at, day) if name == START else pc.greater(at, day)
            open_now &= np.asarray(pc.fill_null(fits, True))
        mask = pa.array(open_now)
        found.append(key.filter(mask))
        for name in wanted:
            beside[name].append(values(batch, name).cast(pa.string()).filter(mask))
    return People(
        _joined(found, keys.type), {name: _joined(parts, pa.string()) for name, parts in beside.items()}, rows
    )


def _joined(parts: Sequence[pa.Array], kind: pa.DataType) -> pa.Array:
    return pa.concat_arrays(parts) if parts else pa.array([], kind)


def read_all_people(file: PeopleFile) -> pa.Array:
    """The ids of every row, as they stand."""
    parts = [values(batch, ID) for _, batch in batches(file.source, [ID])]
    kind = file.source.schema.field(ID).type
    found = [plain(part) for part in parts]
    return (
        pa.concat_arrays(found)
        if found
        else plain(pa.array([], kind if not pa.types.is_dictionary(kind) else pa.string()))
    )
