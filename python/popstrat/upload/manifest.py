"""The manifest of an upload: every file with its hash, who was written and left out, who moved, in counts that add up.

Made from the plan (`plan.describe`, its first part) and an entry for each practice, and read back by `verify`.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from popstrat.core.small_files import MOST_RECORD_BYTES, parse_json, read_small
from popstrat.errors import InputError, RunError
from popstrat.upload.movers import tally
from popstrat.upload.templates.dialect import DELIMITERS, ENCODINGS, EXCEL, LINE_ENDS
from popstrat.upload.templates.layout import Layout

MANIFEST = "manifest.json"
RESULTS = ("warnings", "totals", "practices")
"""What a manifest has besides the plan of its upload."""
KINDS = ("patients", "ended", "exceptions", "read_me")
"""What a file holds, in the order of the manifest."""
_NOT_ASKED = "practice not asked for"


@dataclass(frozen=True)
class FileEntry:
    """A file as it was written."""

    name: str
    kind: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class PracticeEntry:
    """What became of the people of one practice.

    ``index`` is its index among `Practices`; ``excluded`` and ``not_selected`` count the people left out, by reason;
    ``groups`` those written, by index of their label and *no group* last; ``moves`` is as `movers.moves_of` has it,
    None if there is no last month.
    """

    index: int
    code: str
    scored: int
    excluded: Mapping[str, int]
    not_selected: Mapping[str, int]
    groups: Sequence[int]
    moves: NDArray[np.int64] | None
    files: tuple[FileEntry, ...]

    def rows(self, kind: str) -> int:
        """How many rows its files of a kind have."""
        return sum(f.rows for f in self.files if f.kind == kind)


# -- made --------------------------------------------------------------------------------------------------------------


def list_practices(
    entries: Iterable[PracticeEntry], left: NDArray[np.int64] | None, layout: Layout
) -> list[dict[str, Any]]:
    """The part for the practices, in the order of their codes; ``left`` as in `JoinedRows`, None if there is no last
    month. Raises `RunError` if somebody is unaccounted for."""
    listed = []
    for entry in sorted(entries, key=lambda e: e.code):
        written = entry.rows("patients")
        short = entry.scored - written - sum(entry.excluded.values()) - sum(entry.not_selected.values())
        if short:
            raise RunError(f"internal error: {short:,} rows of {entry.code} are unaccounted for")
        found: dict[str, Any] = {
            "practice": entry.code,
            "scored": entry.scored,
            "written": written,
            "excluded": entry.excluded,
            "not_selected": entry.not_selected,
        }
        if layout.group is not None:
            found["groups"] = dict(zip([*layout.labels, ""], entry.groups, strict=True))
        if left is not None:
            assert entry.moves is not None
            found["ended"] = entry.rows("ended")
            found["movers"] = tally(entry.moves, left[entry.index], layout)
        files = sorted(entry.files, key=lambda f: (KINDS.index(f.kind), f.name))
        found["files"] = [
            {"name": f.name, "kind": f.kind, "rows": f.rows, "bytes": f.bytes, "sha256": f.sha256} for f in files
        ]
        listed.append(found)
    return listed


def add_up(listed: Sequence[Mapping[str, Any]], people: int, outside: NDArray[np.int64]) -> dict[str, Any]:
    """Sums over the practices; ``outside`` are the people of each practice that was not asked for.

    Raises `RunError` unless they come to the ``people`` who were scored.
    """

    def summed(name: str) -> dict[str, int]:
        found: dict[str, int] = {}
        for entry in listed:
            for reason, count in entry[name].items():
                found[reason] = found.get(reason, 0) + count
        return found

    not_selected = summed("not_selected")
    if len(outside):
        not_selected[_NOT_ASKED] = int(outside.sum())
    scored = sum(entry["scored"] for entry in listed) + int(outside.sum())
    if scored != people:
        raise RunError(f"internal error: {people:,} rows were scored, and {scored:,} are accounted for")
    totals: dict[str, Any] = {
        "practices": len(listed),
        "files": sum(len(entry["files"]) for entry in listed),
        "scored": scored,
        "written": sum(entry["written"] for entry in listed),
        "excluded": summed("excluded"),
        "not_selected": not_selected,
    }
    if listed and "groups" in listed[0]:
        totals["groups"] = summed("groups")
    if listed and "ended" in listed[0]:
        totals["ended"] = sum(entry["ended"] for entry in listed)
    return totals


def total_movers(
    entries: Iterable[PracticeEntry], left: NDArray[np.int64], layout: Layout, *, everywhere: bool
) -> dict[str, Any]:
    """Movers over the practices; with ``everywhere`` also who left a practice of which nobody is scored."""
    some = list(entries)
    moves = np.zeros((len(layout.labels) + 2, len(layout.labels) + 1), np.int64)
    for entry in some:
        if entry.moves is not None:
            moves += entry.moves
    gone = left if everywhere else left[[entry.index for entry in some]]
    return tally(moves, gone.sum(axis=0), layout)


def encode(manifest: Mapping[str, Any]) -> bytes:
    """The manifest as it is written."""
    return (json.dumps(manifest, indent=1, ensure_ascii=False) + "\n").encode()


# -- read --------------------------------------------------------------------------------------------------------------


def read_manifest(folder: Path) -> tuple[dict[str, Any], str]:
    """The manifest of an upload, and its hash. Raises `InputError` if there is none."""
    path = folder / MANIFEST
    if not folder.is_dir():
        raise InputError("there is no such folder", file=str(folder))
    try:
        raw = read_small(path, MOST_RECORD_BYTES)
        found = parse_json(raw)
        good = (
            found["command"] == "upload"
            and found["layout"]["encoding"] in ENCODINGS.values()
            and found["layout"]["line_end"] in LINE_ENDS.values()
            and found["layout"]["delimiter"] in DELIMITERS
            and found["layout"]["excel_text"] in EXCEL
            and dt.date.fromisoformat(found["as_of"]) is not None
            and isinstance(found["totals"], dict)
            and all(isinstance(found["totals"][name], int) for name in ("scored", "written", "files", "practices"))
            and all(isinstance(p["practice"], str) for p in found["practices"])
            and all(isinstance(f["name"], str) and f["kind"] in KINDS for p in found["practices"] for f in p["files"])
        )
        if not good:
            raise ValueError
    except FileNotFoundError:
        raise InputError("has no manifest.json: it is not an upload, or not a complete one", file=str(folder)) from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=str(path)) from None
    except InputError:
        raise
    except (ValueError, LookupError, TypeError):
        raise InputError("is not the manifest of an upload, or is damaged", file=str(path)) from None
    return found, hashlib.sha256(raw).hexdigest()
