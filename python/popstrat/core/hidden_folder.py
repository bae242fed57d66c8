"""A folder that appears whole or not at all: made hidden beside its place, and given its name in one step.

So a reader never sees half of it, and a process that dies leaves nothing but the hidden folder, which the next run
removes. While a run is at work nobody else can make the same folder. A folder that is replaced gives way in that same
step; where the system cannot exchange two names it is gone for a moment, and comes back if the process dies then.
Folders are 0700 and files 0600: they may say who has what.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from popstrat.core.exchange import exchange
from popstrat.errors import InputError, NoLinksError

_SYNC_AT_ONCE = 8


class HiddenFolder:
    """``with HiddenFolder(target, "upload") as folder``: write into ``folder.path``, then `release`; else all goes.

    ``holds`` is what the folder is of, one word: it is part of the hidden name and of the messages. ``scratch`` is a
    folder within for what is needed on the way, which `drop_scratch` removes. ``replaces`` says that there is a folder
    of that name, which gives way when this one is released.

    Entering raises `InputError` if there is no place for the folder, something else has its name, or another run is at
    work on it; ``OSError`` if it cannot be made.
    """

    def __init__(self, target: Path, holds: str, *, replaces: bool = False) -> None:
        self.target, self._replaces = target, replaces
        self._one = f"{'an' if holds[0] in 'aeiou' else 'a'} {holds}"
        self._another = f"another {holds} into this folder is at work"
        self._real = target.resolve()
        self.path = self._real.with_name(f".{self._real.name[:200]}.{holds}-partial")
        self.scratch = self.path / ".scratch"
        self._before = self.path.with_name(f".{self._real.name[:200]}.{holds}-before")  # what is being replaced
        self._old: Path | None = None  # where that then is
        self._locks: list[int] = []
        self._ours = self._released = False

    def __enter__(self) -> Self:
        name = str(self.target)
        if not self._real.parent.is_dir():
            raise InputError("cannot be written: there is no such folder to put it in", file=name)
        if self._real.exists() and not self._real.is_dir():
            raise InputError("cannot be written: something that is not a folder has that name", file=name)
        try:
            self._claim()
            self._put_back()
            for left in self.path.iterdir():  # of a run that was killed
                _remove(left)
            self.scratch.mkdir(0o700)
        except BaseException as error:
            self.__exit__()
            if isinstance(error, PermissionError):
                raise InputError("cannot be written: the folder may not be written to", file=name) from None
            raise
        return self

    def _claim(self) -> None:
        """Make the hidden folder, or take over what a dead run left; refuse it while another run has it."""
        for _ in range(10):
            with contextlib.suppress(FileExistsError):
                self.path.mkdir(0o700)
                self._ours = True
            if sys.platform == "win32":
                self._ours = True
                return
            import fcntl

            try:
                lock = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            except FileNotFoundError:
                continue
            except OSError as error:
                if error.errno in (errno.ENOTDIR, errno.ELOOP):
                    raise InputError(f"is in the way of {self._one}; remove it", file=str(self.path)) from None
                raise
            if os.fstat(lock).st_uid != os.geteuid():  # root could, and what is written there is their folder's
                os.close(lock)
                self._ours = False
                raise InputError("is in the way and belongs to another user; have it removed", file=str(self.path))
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(lock)
                self._ours = False
                raise InputError(self._another, file=str(self.target)) from None
            with contextlib.suppress(FileNotFoundError):
                if os.stat(self.path).st_ino == os.fstat(lock).st_ino:  # noqa: PTH116 - of the open folder
                    self._locks.append(lock)
                    self._ours = True
                    self.path.chmod(0o700)
                    return
            os.close(lock)  # the other run has just given it its name
            self._ours = False
        raise InputError(self._another, file=str(self.target))

    def create(self, name: str, *parts: bytes | memoryview) -> None:
        """A file with this content. It must not be there yet."""
        descriptor = os.open(self.path / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        try:
            for part in parts:
                left = memoryview(part)
                while left:
                    left = left[os.write(descriptor, left) :]
        finally:
            os.close(descriptor)

    def drop_scratch(self) -> None:
        """Remove what was needed on the way."""
        shutil.rmtree(self.scratch)

    def release(self, names: Iterable[str]) -> None:
        """Bring every file to the disk and give the folder its name. Raises `InputError` if that name was taken."""
        with ThreadPoolExecutor(_SYNC_AT_ONCE) as pool:
            for done in pool.map(_sync, [self.path / name for name in names]):
                assert done is None
        _sync(self.path)
        if self._replaces:
            self._replace()
            return
        try:
            os.rename(self.path, self._real)  # noqa: PTH104 - an empty folder of that name gives way, no other does
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise InputError("is no longer empty; nothing was written", file=str(self.target)) from None
            raise
        self._released = True
        self._keep()

    def _replace(self) -> None:
        """Give the folder the name that another has."""
        if sys.platform != "win32":
            import fcntl

            lock = os.open(self._real, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            self._locks.append(lock)  # it gets our hidden name, which nobody may take over meanwhile
            if os.fstat(lock).st_uid != os.geteuid():
                raise InputError("belongs to another user; choose a new folder", file=str(self.target))
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise InputError(self._another, file=str(self.target)) from None
        try:
            exchange(self.path, self._real)
            self._old = self.path
        except NoLinksError:
            os.rename(self._real, self._before)  # noqa: PTH104
            os.rename(self.path, self._real)  # noqa: PTH104
            self._old = self._before
        self._released = True
        self._keep()

    def _put_back(self) -> None:
        """What a run that died was replacing: it has its name again if that is free, and is gone if it was replaced."""
        if os.path.lexists(self._before):
            if not os.path.lexists(self._real):
                os.rename(self._before, self._real)  # noqa: PTH104
            else:
                _remove(self._before)

    def _keep(self) -> None:
        with contextlib.suppress(OSError):  # the folder is whole and has its name; only a power cut could take it back
            _sync(self._real.parent)

    def withdraw(self) -> None:
        """Take the name away again: what cannot be logged has not happened."""
        if self._old == self.path:
            exchange(self.path, self._real)
        else:
            os.rename(self._real, self.path)  # noqa: PTH104
            if self._old is not None:
                os.rename(self._old, self._real)  # noqa: PTH104
        self._old = None
        self._released = False

    def _unlock(self) -> None:
        while self._locks:
            os.close(self._locks.pop())

    def __exit__(self, *exc: object) -> None:
        gone = self._old if self._released else self.path
        if self._ours and gone is not None:
            _remove(gone)
        self._unlock()


def _sync(path: Path) -> None:
    if sys.platform == "win32" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()
