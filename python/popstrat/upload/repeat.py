"""An upload that is there already: whether it is this one, and what the audit log knows of it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from popstrat.core.rerun import Making, pack_named, refuse_other
from popstrat.core.small_files import MOST_RECORD_BYTES, read_small
from popstrat.errors import InputError
from popstrat.upload.audit_lines import events_of
from popstrat.upload.manifest import MANIFEST, RESULTS, read_manifest
from popstrat.upload.verify import verify


class There(Enum):
    """What a folder holds that there is: this very upload, or one that is to be replaced."""

    THIS = 1
    ANOTHER = 2


def find_there(target: Path, described: Mapping[str, Any], force: bool) -> There | None:
    """Which upload the folder holds, if this one goes by this plan (`plan.describe`); None if there is room for one.

    Raises `InputError` for one that may not be replaced: of another date or pack, or changed since, without ``force``;
    and, whatever is forced, for a folder that holds anything besides an upload.
    """
    if not target.is_dir() or not any(target.iterdir()):
        return None
    try:
        found, _ = read_manifest(target)
    except InputError:
        raise InputError("is not empty and has no upload; choose a new folder", file=str(target)) from None
    if not force and {key: value for key, value in found.items() if key not in RESULTS} == described:
        return There.THIS
    try:
        named = {MANIFEST, *(file["name"] for practice in found["practices"] for file in practice["files"])}
        run = found["scored"]["run"]
        record = {"command": found["command"], "as_of": found["as_of"], "pack": run["pack"]}
    except (LookupError, TypeError):
        raise InputError("holds no upload that could be replaced; choose a new folder", file=str(target)) from None
    if not {path.name for path in target.iterdir()} <= named:
        raise InputError("has other files than its upload; choose a new folder", file=str(target))
    pack = described["scored"]["run"]["pack"]
    refuse_other([target], Making("upload", described["as_of"], pack_named(pack)), record, force, own=[target])
    if not force:
        try:
            verify(target)
        except InputError as error:
            raise InputError(f"{error.problem}; give --force to replace it", file=error.file) from None
    return There.ANOTHER


def check_same(target: Path, raw: bytes) -> None:
    """Raise `InputError` unless ``target`` holds the upload of this manifest, just made anew, and no other."""
    manifest = target / MANIFEST
    if manifest.is_symlink() or read_small(manifest, MOST_RECORD_BYTES) != raw:
        raise InputError(
            "is not the manifest that these tables give: it was changed since; choose a new folder, or give --force",
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
