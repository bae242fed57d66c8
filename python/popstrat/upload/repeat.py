"""An upload that is there already: whether it is this one, and what the audit log knows of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from popstrat.core.small_files import MOST_RECORD_BYTES, read_small
from popstrat.errors import InputError
from popstrat.upload.audit_lines import events_of
from popstrat.upload.manifest import MANIFEST, read_manifest
from popstrat.upload.verify import verify


def is_there(target: Path, described: Mapping[str, Any]) -> bool:
    """Whether the folder holds an upload by this plan (`plan.describe`); False if there is room for one.

    Raises `InputError` for a folder that holds anything else.
    """
    if not target.is_dir() or not any(target.iterdir()):
        return False
    try:
        found, _ = read_manifest(target)
    except InputError:
        raise InputError("is not empty and holds no upload; choose a new folder", file=str(target)) from None
    for key, value in described.items():
        there = found.get(key)
        if there != value:
            if key == "as_of":
                raise InputError(
                    f"holds the upload of {there}, and this is of {value}; choose a new folder", file=str(target)
                )
            what = {
                "program": "version of popstrat",
                "scored": "scored table",
                "practices_asked_for": "choice of practices",
            }
            raise InputError(
                f"holds an upload made with another {what.get(key, key.replace('_', ' '))}; choose a new folder",
                file=str(target),
            )
    return True


def check_same(target: Path, raw: bytes) -> None:
    """Raise `InputError` unless ``target`` holds the upload of this manifest, just made anew, and no other."""
    manifest = target / MANIFEST
    if manifest.is_symlink() or read_small(manifest, MOST_RECORD_BYTES) != raw:
        raise InputError(
            "is not the manifest of what these tables make: it was changed since; choose a new folder",
            file=str(manifest),
        )
    verify(target)


def was_released(audit: Path, sha256: str, target: Path) -> bool:
    """Whether the log released this manifest; False if the run that made it died before it could.

    Raises `InputError` if the log does not know the manifest.
    """
    events = events_of(audit, sha256)
    if not events & {"upload-made", "upload-released"}:
        raise InputError(
            f"this manifest was not made or released by any line of {audit.name}; choose a new folder",
            file=str(target / MANIFEST),
        )
    return "upload-released" in events
