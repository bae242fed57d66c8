"""An upload verified: is its folder what its manifest says, and the manifest the one that the audit log released?

Needs nothing but the folder. That every row is also the right patient's is for `trace`, before a folder gets its name.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from popstrat.errors import InputError
from popstrat.upload.audit_lines import events_of
from popstrat.upload.manifest import MANIFEST, read_manifest
from popstrat.upload.partition import column, partitions_for
from popstrat.upload.practices import Practices
from popstrat.upload.read_back import ReadBack, read_back, refuse_twice

_DAMAGED = "is damaged: something in it is missing, or not what the manifest of an upload has there"


@dataclass(frozen=True)
class Verified:
    """A folder that is what its manifest says. ``sha256`` is of the manifest."""

    manifest: Mapping[str, Any]
    sha256: str


def verify(folder: Path, *, audit: Path | None = None) -> Verified:
    """Read everything in the folder of an upload again. With ``audit``, the log must have released this manifest.

    Raises `InputError` naming the file and what differs: a file that is missing, changed or was not there; a row too
    many or too few; two practices in a file; an id that is there twice or is none; counts that do not add up.
    """
    manifest, sha256 = read_manifest(folder)
    try:
        _verify(folder, manifest)
    except InputError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError):  # LookupError: also an unknown encoding
        raise InputError(_DAMAGED, file=str(folder / MANIFEST)) from None
    if audit is not None and "upload-released" not in events_of(audit, sha256):
        raise InputError(f"this manifest was not released by any line of {audit.name}", file=str(folder / MANIFEST))
    return Verified(manifest, sha256)


def _verify(folder: Path, manifest: Mapping[str, Any]) -> None:
    numbers = any(role == "nhs_number" for _, role, _ in manifest["layout"]["columns"])
    practices = Practices(tuple(dict.fromkeys(p["practice"] for p in manifest["practices"])))
    with tempfile.TemporaryDirectory(prefix=".popstrat-verify-") as scratch:
        partitions = partitions_for(int(manifest["totals"]["written"]))
        seen = ReadBack(Path(scratch), partitions, practices, text_ids=not numbers)
        try:
            read_back(folder, manifest, seen, name=str(folder), values_too=False)
            for kind, rows in seen.rows.items():
                for table in rows:
                    refuse_twice(column(table, "id"), f"{folder}: {kind} files")
        finally:
            seen.close()
