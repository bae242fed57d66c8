"""Hidden files and folders on the way to a name: claimed by one run at a time, and taken away when that run is dead.

A claim is a lock (flock) on what is claimed. The system lets go of it when the process ends, however it ends, so that
what nobody has a lock on is what a dead run left. Nothing of another user's is ever taken over: in a folder where
others may write, a hidden name proves nothing.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

from popstrat.errors import BusyError, InputError

_LONGEST = 200
_TRIES = 10


def hidden(target: Path, ending: str) -> Path:
    """The hidden name beside ``target`` that ends in ``ending``, the same in every run; for names of any length."""
    name = target.name
    if len(os.fsencode(name)) > _LONGEST:
        name = hashlib.sha256(os.fsencode(name)).hexdigest()
    return target.with_name(f".{name}.{ending}")


def sync(path: Path) -> None:
    """Bring a file, or the names in a folder, to the disk."""
    if sys.platform == "win32" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL or not path.is_dir():  # a file system that cannot do this for folders
            raise
    finally:
        os.close(descriptor)


def claim_file(path: Path, held: list[int], needed: Callable[[], bool] = lambda: False) -> None:
    """Make an empty file that nobody else may read, and lock it; the descriptor that holds the lock goes to ``held``.

    What a dead run left there is removed, unless it is still ``needed``. Raises `BusyError` if another run has it,
    `InputError` if it is not ours.
    """
    for _ in range(_TRIES):
        try:
            # Made and noted within one call, so that a run that is stopped here knows of the file: between two calls
            # of Python's a signal's handler may raise.
            held.extend(map(os.open, (path,), (os.O_RDWR | os.O_CREAT | os.O_EXCL,), (0o600,)))
        except FileExistsError:
            remove_stale(path, needed)
            continue
        if _locked(held[-1]) and _is_still(path, held[-1]):
            return
        os.close(held.pop())  # another run took it for what a dead one had left
    raise BusyError


def claim_folder(path: Path) -> int:
    """Lock a folder: the descriptor that holds the lock.

    Raises `BusyError` if another run has it or has just renamed or removed it, `InputError` if it is not a folder, or
    not ours.
    """
    descriptor = _open_ours(path, os.O_DIRECTORY if sys.platform != "win32" else 0)
    if _locked(descriptor) and _is_still(path, descriptor):
        return descriptor
    os.close(descriptor)
    raise BusyError


def remove_stale(path: Path, needed: Callable[[], bool] = lambda: False) -> None:
    """Remove the hidden file of a dead run, if there is one; raises as `claim_file` does."""
    try:
        if sys.platform == "win32":
            path.unlink(missing_ok=True)
            return
        descriptor = _open_ours(path, 0)
    except FileNotFoundError:
        return
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise InputError("is in the way; remove it", file=str(path))
        if not _locked(descriptor) or needed():
            raise BusyError
        if _is_still(path, descriptor):
            path.unlink()
    finally:
        os.close(descriptor)


def _open_ours(path: Path, more: int) -> int:
    flags = os.O_RDONLY | more | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ELOOP, errno.EACCES, errno.ENXIO):
            raise InputError("is in the way; remove it", file=str(path)) from None
        raise
    if sys.platform != "win32" and os.fstat(descriptor).st_uid != os.geteuid():
        os.close(descriptor)
        raise InputError("is in the way and belongs to another user; have it removed", file=str(path))
    return descriptor


def _locked(descriptor: int) -> bool:
    """Whether we have the lock now. Where a file system has no locks, everybody has."""
    if sys.platform != "win32":
        import fcntl

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return error.errno not in (errno.EWOULDBLOCK, errno.EACCES)
    return True


def _is_still(path: Path, descriptor: int) -> bool:
    """Whether the path is still that of the open file."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.lstat(path), os.fstat(descriptor))
    return False
