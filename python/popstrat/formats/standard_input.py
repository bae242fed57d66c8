"""A table on standard input, ``-``: kept in a file of its own while the process lives, since readers go back in it."""

from __future__ import annotations

import atexit
import shutil
import sys
import tempfile
from pathlib import Path

from popstrat.errors import InputError

_BLOCK = 1 << 20
_kept: list[Path] = []


def spooled() -> Path:
    """The file, with the ending of what its first bytes look like: Parquet, Arrow, or else CSV, packed or not.

    Nobody else may read it, and it is gone when the process ends. Raises `InputError` if there is nothing to read, or
    it was read before.
    """
    if _kept:
        raise InputError("standard input is given twice")
    if sys.stdin is None or sys.stdin.isatty():
        raise InputError("- is a table on standard input, and there is none: give a file, or pipe one in")
    folder = Path(tempfile.mkdtemp(prefix="popstrat-"))  # 0700
    _kept.append(folder)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    first = sys.stdin.buffer.read(_BLOCK)
    if not first:
        raise InputError("standard input holds nothing")
    if first.startswith(b"PAR1"):
        suffix = ".parquet"
    elif first.startswith((b"ARROW1", b"\xff\xff\xff\xff")):
        suffix = ".arrow"
    else:
        suffix = ".csv.gz" if first.startswith(b"\x1f\x8b") else ".csv"
    path = folder / f"standard-input{suffix}"
    with path.open("wb") as file:
        file.write(first)
        shutil.copyfileobj(sys.stdin.buffer, file, _BLOCK)
    return path
