"""The record of a run: beside a file ``<file>.run.json``, in a folder ``manifest.json``; no patient is in it.

It is a run record like that of ``score``, with ``worklist`` (what was asked for, every list in numbers), ``outputs``
(every file with its area, rows, bytes and hash) and the read-me. A folder's has no times, and is the same for the same
run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from popstrat.core.rerun import record_path
from popstrat.core.small_files import MOST_RECORD_BYTES, parse_json, read_small
from popstrat.errors import InputError
from popstrat.runs.record import Record, to_json

COMMAND = "worklist"
MANIFEST = "manifest.json"
READ_ME = "read-me.txt"
_OF_THE_RUN = ("started", "finished", "seconds", "rows_per_second", "threads", "peak_memory_bytes", "host", "options")
"""What differs between two runs of the same."""
_KINDS = ("list", "gone", "read-me")


@dataclass(frozen=True)
class FileMade:
    """A file as it was written; ``kind`` is list, gone or read-me, ``area`` what the list is of."""

    name: str
    kind: str
    format: str
    area: str
    rows: int
    bytes: int
    sha256: str

    def described(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "kind": self.kind,
            "format": self.format,
            "area": self.area,
            "rows": self.rows,
            "bytes": self.bytes,
            "sha256": self.sha256,
        }


def made(name: str, kind: str, form: str, area: str, rows: int, content: Sequence[bytes | memoryview]) -> FileMade:
    """A file of this content."""
    digest, size = hashlib.sha256(), 0
    for part in content:
        digest.update(part)
        size += len(part)
    return FileMade(name, kind, form, area, rows, size, digest.hexdigest())


def encoded(record: Record) -> bytes:
    """A record as it is written."""
    return to_json(record).encode()


def lasting(record: Record) -> Record:
    """A record without what differs between two runs of the same."""
    return {key: value for key, value in record.items() if key not in _OF_THE_RUN}


def read_record_of(path: Path) -> tuple[dict[str, Any], str]:
    """The record of a work list (of its file, or of its folder), and its hash. Raises `InputError` if there is none."""
    place = path / MANIFEST if path.is_dir() else record_path(path)
    try:
        raw = read_small(place, MOST_RECORD_BYTES)
        found = parse_json(raw)
        good = found["command"] == COMMAND and isinstance(found["as_of"], str) and isinstance(found["worklist"], dict)
        for file in found["outputs"]:
            good = (
                good
                and file["kind"] in _KINDS
                and all(isinstance(file[k], str) for k in ("name", "area", "sha256", "format"))
            )
            good = good and all(isinstance(file[k], int) for k in ("rows", "bytes"))
        if not good:
            raise ValueError
    except FileNotFoundError:
        raise InputError(f"has no {place.name}: it is not a work list, or not a complete one", file=str(path)) from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=str(place)) from None
    except InputError:
        raise
    except (ValueError, LookupError, TypeError):
        raise InputError("is not the record of a work list, or is damaged", file=str(place)) from None
    return found, hashlib.sha256(raw).hexdigest()


def is_worklist(path: Path) -> bool:
    """Whether the record of a file or folder says that it is a work list."""
    try:
        read_record_of(path)
    except InputError:
        return False
    return True


def listed(record: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The files of a record."""
    files: Sequence[Mapping[str, Any]] = record["outputs"]
    return files
