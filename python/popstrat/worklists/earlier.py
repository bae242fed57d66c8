"""The last list (``--previous``): a file of this command, its folder, or any file that names people by key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from popstrat.core.hashing import hash_file
from popstrat.errors import InputError
from popstrat.packs.keys import as_read
from popstrat.packs.patient_table import ID
from popstrat.privacy import nhs_numbers
from popstrat.upload.batches import refuse_null
from popstrat.upload.patient_keys import Keyed, KeyRule
from popstrat.worklists.files_of_people import open_people, read_all_people
from popstrat.worklists.identities import Identities
from popstrat.worklists.read_ids import Ids, read_ids
from popstrat.worklists.record import listed, read_record_of
from popstrat.worklists.sheet import NHS_NUMBER

_READABLE = ("csv", "xlsx", "html")
_WITHOUT_TYPES = "csv"
"""How keys are read that were written as text, whatever they are."""


@dataclass(frozen=True)
class _Part:
    """The ids of one file of the last list: as text, or as keys of whatever type; and the area that it was of."""

    name: str
    format: str
    area: str
    kind: str
    ids: pa.Array

    @property
    def text_keys(self) -> bool:
        return not pa.types.is_integer(self.ids.type)


@dataclass(frozen=True)
class EarlierList:
    """The last list, read."""

    path: Path
    sha256: str
    parts: Sequence[_Part]

    @property
    def keyed(self) -> list[Keyed]:
        """Its files that name people by key. Those of a folder that are no tables have text for everything."""
        return [part for part in self.parts if part.kind == ID]

    def described(self) -> dict[str, Any]:
        """For records."""
        return {"name": self.path.name, "sha256": self.sha256}

    def people(self, keys: KeyRule, identities: Identities | None) -> EarlierPeople:
        """Who was on it. Raises `InputError` for keys that are none."""
        found, areas, written = [], [], []
        for part in self.parts:
            try:
                if part.kind == NHS_NUMBER:
                    assert identities is not None
                    numbers, states = nhs_numbers.check(part.ids)
                    if (states != nhs_numbers.PASSED).any():
                        raise InputError("has something that is not an NHS number where one should be")
                    key = identities.keys_of(pa.array(numbers))
                else:
                    read = as_read(part.ids, "key", ID).column
                    refuse_null(read, ID)
                    key = keys.read(read)
            except pa.ArrowInvalid:
                raise InputError(
                    "has keys that are not whole numbers, and LIST's are", column=ID, file=part.name
                ) from None
            except InputError as error:
                raise error.located(part.name) from None
            found.append(key)
            areas += [part.area] * len(key)
            written.append(part.ids.cast(pa.string()))
        return EarlierPeople(
            pa.concat_arrays(found) if found else pa.array([], keys.type),
            areas,
            pa.concat_arrays(written) if written else pa.array([], pa.string()),
        )


@dataclass(frozen=True)
class EarlierPeople:
    """Who was on the last list: their key now (null where the lookup has none for their NHS number), the area that the
    list was of, and the id as it was written."""

    keys: pa.Array
    areas: Sequence[str]
    written: pa.Array

    @property
    def known(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The rows that have a key."""
        return np.flatnonzero(np.asarray(self.keys.is_valid()))


def open_earlier(path: Path, looked_up: bool) -> EarlierList:
    """Read the last list. Raises `InputError` if it is none, or names people by NHS number and there is no lookup."""
    if path.is_dir():
        record, sha256 = read_record_of(path)
        parts = _of_folder(path, record)
    else:
        if not path.is_file():
            raise InputError("there is no such file", file=str(path))
        sha256 = hash_file(path)
        parts = [_of_file(path, "")]
    for part in parts:
        if part.kind == NHS_NUMBER and not looked_up:
            raise InputError("names people by NHS number: give --lookup, which ties those to keys", file=part.name)
    return EarlierList(path, sha256, parts)


def _of_folder(path: Path, record: dict[str, Any]) -> list[_Part]:
    by_area: dict[str, dict[str, str]] = {}
    for file in listed(record):
        if file["kind"] == "list":
            by_area.setdefault(file["area"], {})[file["format"]] = file["name"]
    return [_of_file(path / next(files[f] for f in _READABLE if f in files), area) for area, files in by_area.items()]


def _of_file(path: Path, area: str) -> _Part:
    form = path.suffix.lower().removeprefix(".")
    if form in ("xlsx", "html"):
        found = read_ids(path.read_bytes(), form, str(path))
        return _Part(str(path), _WITHOUT_TYPES, area, found.kind, found.ids)
    if form == "csv":
        with path.open("rb") as file:
            head = file.readline(1 << 16)
        if f'"{NHS_NUMBER}"'.encode() in head:
            numbers: Ids = read_ids(path.read_bytes(), form, str(path))
            return _Part(str(path), form, area, numbers.kind, numbers.ids)
    people = open_people(path, "--previous")
    return _Part(str(path), people.format, area, ID, read_all_people(people))
