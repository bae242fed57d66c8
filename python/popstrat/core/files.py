"""Output files that appear whole, together, or not at all. Nothing here knows what a file holds."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Self

from popstrat.errors import InputError


class Outputs:
    """Files that appear whole, together, or not at all.

    Each is written under a hidden name beside its target and renamed by `commit`, in the order they were added.
    Leaving the ``with`` block without `commit` removes whatever was written.
    """

    def __init__(self) -> None:
        self._pending: list[tuple[Path, Path]] = []

    def add(self, target: str | Path) -> Path:
        """Create and return the hidden file for ``target``. Raises `InputError` if the folder cannot take it."""
        target = Path(target)
        real = target.resolve()  # through a link: the link stays, its target is replaced
        partial = real.with_name(f".{real.name[:200]}.{secrets.token_hex(4)}.partial")
        if real.exists() and not real.is_file():
            raise InputError("cannot be written: something that is not a file has that name", file=str(target))
        self._pending.append((partial, real))  # first: an interrupt must not leave an unknown file behind
        try:
            partial.touch(exist_ok=False)
        except FileNotFoundError:
            raise InputError("cannot be written: there is no such folder", file=str(target)) from None
        except PermissionError:
            raise InputError("cannot be written: the folder may not be written to", file=str(target)) from None
        except OSError as error:
            raise InputError(f"cannot be written: {error.strerror}", file=str(target)) from None
        return partial

    def commit(self, *, fsync: bool = False) -> None:
        """Give every file its name; if one cannot have it, none of them stays."""
        try:
            for partial, _ in self._pending if fsync else ():
                with partial.open("rb") as file:
                    os.fsync(file.fileno())
            for partial, target in self._pending:
                partial.replace(target)
        except BaseException:
            for partial, target in self._pending:
                if not partial.exists():  # it has its name already, but may not stay alone
                    target.unlink(missing_ok=True)
            self.abort()
            raise
        self._pending.clear()

    def abort(self) -> None:
        """Remove what was written; safe to call at any time."""
        while self._pending:
            with contextlib.suppress(OSError):
                self._pending[-1][0].unlink(missing_ok=True)
            self._pending.pop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.abort()


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
