"""A work list verified: are its files what its record says, and was it released by the audit log?"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from popstrat.core.rerun import record_path
from popstrat.errors import InputError
from popstrat.privacy import audit_log as audits
from popstrat.privacy import nhs_numbers
from popstrat.upload.read_back import refuse_twice
from popstrat.worklists.read_ids import read_ids
from popstrat.worklists.record import MANIFEST, listed, read_record_of
from popstrat.worklists.sheet import NHS_NUMBER

_DAMAGED = "is damaged: something in it is missing, or not what the record of a work list has there"


@dataclass(frozen=True)
class Verified:
    """A work list that is what its record says. ``sha256`` is of the record."""

    record: Mapping[str, Any]
    sha256: str
    people: int
    files: int


def verify(path: Path, *, audit: Path | None = None) -> Verified:
    """Read every file of a work list (a file, or the folder of a split) again. With ``audit``, that log must have
    released it.

    Raises `InputError` naming the file and what differs: one that is missing, changed or was not there; a row too many
    or too few; an id that is there twice or is none; somebody who is on the lists of two areas.
    """
    record, sha256 = read_record_of(path)
    folder = path if path.is_dir() else path.parent
    shown = str(path / MANIFEST) if path.is_dir() else str(record_path(path))
    try:
        people = _verify(folder, record, path.is_dir())
    except InputError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError):
        raise InputError(_DAMAGED, file=shown) from None
    if audit is not None and not _released(audit, sha256):
        raise InputError(f"this work list was not released by any line of {audit.name}", file=shown)
    return Verified(record, sha256, people, len(listed(record)))


def _verify(folder: Path, record: Mapping[str, Any], whole: bool) -> int:
    files = listed(record)
    names = [file["name"] for file in files]
    if len({name.casefold() for name in names}) != len(names):
        raise InputError("names a file twice", file=str(folder))
    if whole:
        there = {found.name for found in folder.iterdir()} - {MANIFEST}
        missing, extra = sorted(set(names) - there), sorted(there - set(names))
        if missing:
            raise InputError("is missing", file=f"{folder}/{missing[0]}")
        if extra:
            raise InputError("is not in the manifest", file=f"{folder}/{extra[0]}")
    by_area: dict[str, pa.Array] = {}
    for file in files:
        raw = _content(folder, file)
        if file["kind"] != "list":
            continue
        shown = f"{folder}/{file['name']}"
        found = read_ids(raw, file["format"], shown)
        if found.kind != record["worklist"]["id"]:
            raise InputError(
                f"names people by {found.kind}, and the record says {record['worklist']['id']}", file=shown
            )
        if len(found.ids) != file["rows"]:
            raise InputError(f"has {len(found.ids):,} rows, and the record says {file['rows']:,}", file=shown)
        refuse_twice(found.ids, shown)
        if found.kind == NHS_NUMBER:
            states = nhs_numbers.check(found.ids)[1]
            if (states != nhs_numbers.PASSED).any():
                raise InputError("has something that is not an NHS number where one should be", file=shown)
        elif pc.any(pc.equal(found.ids, "")).as_py():
            raise InputError("has a row without an id", file=shown)
        if file["area"] in by_area and not by_area[file["area"]].equals(found.ids):
            raise InputError("has other people than the same list in another format", file=shown)
        by_area[file["area"]] = found.ids
    people = pa.concat_arrays(list(by_area.values())) if by_area else pa.array([], pa.string())
    refuse_twice(people, str(folder))
    if len(people) != sum(int(one["rows"]) for one in record["worklist"]["lists"]):
        raise InputError("its counts do not add up", file=str(folder))
    return len(people)


def _content(folder: Path, file: Mapping[str, Any]) -> bytes:
    """The bytes of a file, which are those that the record tells of."""
    shown, path = f"{folder}/{file['name']}", folder / file["name"]
    if Path(file["name"]).name != file["name"] or path.is_symlink() or not path.is_file():
        raise InputError("is missing, or not a file of this folder", file=shown)
    raw: bytes = path.read_bytes()
    if len(raw) != file["bytes"]:
        raise InputError(f"has {len(raw):,} bytes, and the record says {file['bytes']:,}", file=shown)
    if hashlib.sha256(raw).hexdigest() != file["sha256"]:
        raise InputError("is not what was written: its content differs from the record", file=shown)
    return raw


def _released(audit: Path, sha256: str) -> bool:
    """Whether a log released the work list of this record. The log is checked first."""
    audits.verify(audit)
    with audit.open(encoding="utf-8") as lines:
        found = [json.loads(line) for line in lines if sha256 in line]
    return any(line["event"] == "worklist-released" and line.get("record_sha256") == sha256 for line in found)
