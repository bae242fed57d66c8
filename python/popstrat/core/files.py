"""Output files that appear whole, together, or not at all. Nothing here knows what a file holds."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Self

from popstrat.core import stopping
from popstrat.core.claims import claim_file, hidden, sync
from popstrat.core.switch import Change, change, is_unfinished, real_target, recover
from popstrat.errors import BusyError, InputError, NoLinksError


class Outputs:
    """Files that appear whole, together, or not at all.

    Each is written under a hidden name beside its target, which nobody else may read and no other run may write, and
    all of them get their names in one step by `commit`. Leaving the ``with`` block without `commit` removes what was
    written. What a process that was killed leaves behind is removed, or finished, by the next run with that target.
    """

    def __init__(self) -> None:
        self._pending: list[Change] = []
        self._locks: list[int] = []

    def add(self, target: str | Path, *, secret: bool = False) -> Path:
        """Create and return the hidden file for ``target``, which keeps its mode of 0600 if it is ``secret``.

        Raises `InputError` if the folder cannot take it, or another run is writing the same file.
        """
        name = str(target)
        try:
            real = real_target(Path(target))  # through a link: the link stays, its target is replaced
            recover(real)
            if real.exists() and not real.is_file():
                raise InputError("cannot be written: something that is not a file has that name", file=name)
            partial = hidden(real, "partial")
            self._pending.append(Change(partial, real, 0o600 if secret else _usual_mode()))
            try:
                claim_file(partial, self._locks, lambda: is_unfinished(real))
            except BaseException:
                if len(self._locks) < len(self._pending):
                    self._pending.pop()  # it is another run's
                raise
        except BusyError:
            raise InputError("another run is writing this file; wait until it has ended", file=name) from None
        except FileNotFoundError:
            raise InputError("cannot be written: there is no such folder", file=name) from None
        except PermissionError:
            raise InputError("cannot be written: the folder may not be written to", file=name) from None
        except OSError as error:
            raise InputError(f"cannot be written: {error.strerror}", file=name) from None
        return partial

    def commit(self) -> None:
        """Bring every file to the disk and give all of them their names; if one cannot have it, none of them stays."""
        for one in self._pending:
            sync(one.partial)
        with stopping.naming():
            self._give_names()

    def _give_names(self) -> None:
        try:
            if len(self._pending) < 2:
                self._one_by_one()
            else:
                try:
                    change(self._pending)
                except NoLinksError:
                    self._one_by_one()
                except BusyError:
                    name = str(self._pending[0].target)
                    raise InputError("another run is writing this file; wait until it has ended", file=name) from None
        except BaseException:
            self.abort()
            raise
        self._pending.clear()
        self.abort()

    def _one_by_one(self) -> None:
        """For one file, and where a file system has no links."""
        try:
            for one in self._pending:
                one.partial.replace(one.target)
            for one in self._pending:
                one.target.chmod(one.mode)  # not before: a partial is for nobody else to read
            for parent in {one.target.parent for one in self._pending}:
                sync(parent)
        except BaseException:
            for one in self._pending:
                if not one.partial.exists():  # it has its name already, but may not stay alone
                    one.target.unlink(missing_ok=True)
            raise

    def abort(self) -> None:
        """Remove what was written; safe to call at any time."""
        while self._pending:
            with contextlib.suppress(OSError):
                if not is_unfinished(self._pending[-1].target):  # else it may be what the name stands for
                    self._pending[-1].partial.unlink(missing_ok=True)
            self._pending.pop()
        while self._locks:
            os.close(self._locks.pop())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.abort()


def _usual_mode() -> int:
    """The mode of a new file: there is no way to ask for the process's mask without setting it."""
    mask = os.umask(0o077)  # what another thread makes meanwhile is for nobody else to read
    os.umask(mask)
    return 0o666 & ~mask


def refuse_input_as_output(target: str | Path, inputs: Collection[Path]) -> None:
    """Raise `InputError` if ``target`` is one of the input files, under whatever name."""
    target = Path(target)
    for path in inputs:
        if target.exists() and path.exists() and target.samefile(path):
            raise InputError("is an input; choose another name for the output", file=str(target))


@contextlib.contextmanager
def writing(target: str | Path) -> Iterator[None]:
    """Name the file in an ``OSError`` that does not, as Arrow's do not."""
    try:
        yield
    except OSError as error:
        if error.filename is not None:
            raise
        number = error.errno or errno.EIO
        raise OSError(number, os.strerror(number), str(target)) from error
