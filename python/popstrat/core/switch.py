"""Several files get their names in one step, so that whoever looks, at any moment, sees all the old or all the new.

A system renames one name at a time. But where each name is a link that leads through one and the same link,

    scored.parquet           -> .scored.parquet.switch/now/0
    scored.parquet.run.json  -> .scored.parquet.switch/now/1
    .scored.parquet.switch/now -> old

that one renamed to ``now -> new`` changes them all. ``old/0`` leads to a second name of the file that was there (or to
nothing, where none was), ``new/0`` to the finished partial. So: links are put in the place of the names, which changes
nothing that a reader sees; ``now`` is renamed, which changes everything; and each partial takes the place of its link,
which changes nothing again. A process that dies on the way leaves a folder from which the next run that writes one of
the names finishes what was begun, or undoes it (`recover`). Nobody has to know of this in order to read.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from popstrat.core.claims import claim_folder, hidden, remove_stale, sync
from popstrat.errors import BusyError, InputError, NoLinksError

_NOW, _OLD, _NEW, _TO = "now", "old", "new", "to"
_ENDING = ".switch"
_WITHOUT = (errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.EXDEV, errno.EINVAL)


@dataclass(frozen=True)
class Change:
    """``partial`` is to be called ``target``, with the permissions ``mode``."""

    partial: Path
    target: Path
    mode: int


def real_target(target: Path) -> Path:
    """The file that a name stands for: links are followed, except those of a `change` that is not finished."""
    for _ in range(40):
        target = target.parent.resolve() / target.name
        if not target.is_symlink() or _leads_into(target) is not None:
            return target
        target = target.parent / target.readlink()
    raise InputError("cannot be written: it is a link that leads nowhere", file=str(target))


def is_unfinished(target: Path) -> bool:
    """Whether the name is still a link of a `change`."""
    return _leads_into(target) is not None


def recover(target: Path) -> None:
    """Finish or undo what a dead run began with this name. Raises `BusyError` while a run is at work on it."""
    into = _leads_into(target)
    for folder in dict.fromkeys((_folder(target), *([] if into is None else [into]))):
        if not os.path.lexists(folder):
            if folder == into:  # whoever moved or removed the folder took what the name stood for
                raise InputError(f"leads to {folder}, which is gone; remove it", file=str(target))
            continue
        lock = claim_folder(folder)
        try:
            _settle(folder)
        finally:
            os.close(lock)


def change(changes: Sequence[Change]) -> None:
    """Give each partial its name, all in one step. The caller holds the partials' locks, and has them on the disk.

    Raises `NoLinksError` where that cannot be, ``OSError`` if it failed; everything is then as before. Once the step is
    made the rest is done as well, whatever comes.
    """
    if sys.platform == "win32":  # links are a privilege there
        raise NoLinksError
    folder = _folder(changes[0].target)
    try:
        folder.mkdir(0o755)
    except FileExistsError:
        raise BusyError from None
    lock = claim_folder(folder)
    try:
        try:
            _prepare(folder, changes)
            (folder / "then").symlink_to(_NEW)
            (folder / "then").replace(folder / _NOW)
            sync(folder)
        except BaseException as error:
            made = _is_new(folder)
            _settle(folder)
            if not made and isinstance(error, OSError) and error.errno in _WITHOUT:
                raise NoLinksError from error
            if not made or isinstance(error, Exception):
                raise
            return  # a stop that comes too late
        try:
            _settle(folder)
        except BaseException as error:
            _settle(folder)
            if isinstance(error, Exception):
                raise
    finally:
        os.close(lock)


def _prepare(folder: Path, changes: Sequence[Change]) -> None:
    """Everything but the step: links in the place of all names, and all of it on the disk."""
    for part in (_OLD, _NEW, _TO):
        (folder / part).mkdir(0o755)
    (folder / _NOW).symlink_to(_OLD)
    for i, one in enumerate(changes):
        (folder / _TO / f"{i}-{one.mode:o}").symlink_to(_relative(one.target, folder / _TO))
        (folder / _OLD / str(i)).symlink_to(_relative(_previous(one.target), folder / _OLD))
        (folder / _NEW / str(i)).symlink_to(_relative(one.partial, folder / _NEW))
    for part in (_OLD, _NEW, _TO, ""):
        sync(folder / part)
    for one in changes:
        if one.target.exists():
            _previous(one.target).unlink(missing_ok=True)
            _previous(one.target).hardlink_to(one.target)
    for i, one in enumerate(changes):
        link = _link(one.target)
        link.unlink(missing_ok=True)
        link.symlink_to(_relative(folder / _NOW / str(i), one.target.parent))
        link.replace(one.target)
    for parent in {one.target.parent for one in changes}:
        sync(parent)


def _settle(folder: Path) -> None:
    """Put a file in the place of each link: the new ones if the step was made, else those that were there before.

    May be called again after it was interrupted anywhere.
    """
    new = _is_new(folder)
    parents = set()
    for entry in sorted((folder / _TO).iterdir()) if (folder / _TO).is_dir() else ():
        number, _, mode = entry.name.partition("-")
        target = _absolute(entry)
        if not target.parent.is_dir():
            continue
        parents.add(target.parent)
        if _leads_into(target) == folder:
            partial = _absolute(folder / _NEW / number)
            if new:
                partial.chmod(int(mode, 8))
                partial.replace(target)
            elif _previous(target).exists():
                _previous(target).replace(target)
            else:
                target.unlink()
        for left in (_previous(target), _link(target)):
            left.unlink(missing_ok=True)
    for parent in parents:
        sync(parent)
    for entry in (folder / _NEW).iterdir() if (folder / _NEW).is_dir() else ():
        with contextlib.suppress(BusyError, InputError):  # of a run that is at work, perhaps the one that called
            remove_stale(_absolute(entry))
    shutil.rmtree(folder)


def _is_new(folder: Path) -> bool:
    return (folder / _NOW).is_symlink() and str((folder / _NOW).readlink()) == _NEW


def _folder(target: Path) -> Path:
    return hidden(target, _ENDING[1:])


def _previous(target: Path) -> Path:
    """The second name of the file that was there."""
    return hidden(target, "previous")


def _link(target: Path) -> Path:
    """The link before it takes the place of the name."""
    return hidden(target, "link")


def _leads_into(target: Path) -> Path | None:
    """The folder of the change whose link ``target`` is; None if it is no such link."""
    if not target.is_symlink():
        return None
    place = _absolute(target)
    folder = place.parent.parent
    ours = place.parent.name == _NOW and folder.name.startswith(".") and folder.name.endswith(_ENDING)
    return folder if ours else None


def _relative(path: Path, folder: Path) -> str:
    return os.path.relpath(path, folder)


def _absolute(link: Path) -> Path:
    """Where a link leads, as its text says: no other link on the way is followed."""
    return Path(os.path.normpath(link.parent / link.readlink()))
