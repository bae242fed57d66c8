"""Files of words and settings (packs, maps, manifests, records), read whole by rules that hold for a stranger's too.

Only a regular file is read, and not more of it than its kind may have, so that no device, pipe or endless file can hold
up or fill a program. What is in it nests no deeper and counts no further than anything that makes sense.
"""

from __future__ import annotations

import errno
import json
import os
import re
import stat
import tomllib
from pathlib import Path
from typing import Any

from popstrat.errors import InputError

MOST_BYTES = 4 << 20
"""Of a file that people write: a pack, a map, settings, a template."""
MOST_RECORD_BYTES = 64 << 20
"""Of a file that popstrat writes: a run record, a manifest."""
DEEPEST = 32
"""How many tables, lists or objects may stand in one another."""

_MOST_BITS = 8192  # of a whole number: about 2,500 digits, which Python still writes
_PART = r"(?:[A-Za-z0-9_-]+|\"[^\"\n]*\"|'[^'\n]*')"
_LONG_KEY = re.compile(rf"(?<![A-Za-z0-9_.-]){_PART}(?:[ \t]*\.[ \t]*{_PART}){{{DEEPEST}}}")


def read_small(path: str | Path, most: int = MOST_BYTES) -> bytes:
    """The content of a regular file of at most ``most`` bytes, through links.

    Raises ``OSError`` as opening and reading do (a folder: ``IsADirectoryError``), and `InputError` naming the file if
    it is a device, a pipe or a socket, which is never read from, or if it is too large.
    """
    # a pipe is opened without waiting for who writes to it, and a terminal without becoming this program's
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
    kind = os.stat(path).st_mode  # noqa: PTH116  # before opening, which some devices take for a command
    if stat.S_ISDIR(kind):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if stat.S_ISREG(kind):
        with os.fdopen(os.open(path, flags), "rb") as file:
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode):  # still
                content = file.read(most + 1)
                if len(content) > most:
                    raise InputError(f"is larger than the {most >> 20} MB that such a file may have", file=str(path))
                return content
    raise InputError("is not a file but a device, a pipe or a socket, and is not read", file=str(path))


def parse_toml(text: str) -> dict[str, Any]:
    """TOML as `tomllib` reads it. Raises ``tomllib.TOMLDecodeError`` for what is none, for tables and lists nested more
    than `DEEPEST` deep and for whole numbers of some thousand digits, whatever Python's own limits are."""
    found = _LONG_KEY.search(text)  # which tomllib would take a time for that grows with its square
    if found is not None:
        line = text.count("\n", 0, found.start()) + 1
        column = found.start() - (text.rfind("\n", 0, found.start()) + 1) + 1
        raise tomllib.TOMLDecodeError(f"Too deeply nested (at line {line}, column {column})")
    try:
        content = tomllib.loads(text)
    except RecursionError:
        raise tomllib.TOMLDecodeError("Too deeply nested") from None
    except tomllib.TOMLDecodeError:
        raise
    except ValueError:  # digits beyond what Python reads
        raise tomllib.TOMLDecodeError("A number is too large") from None
    problem = _beyond(content)
    if problem:
        raise tomllib.TOMLDecodeError(problem)
    return content


def parse_json(text: str | bytes) -> Any:
    """JSON as `json` reads it. Raises ``ValueError`` for what is none, and for what nests more than `DEEPEST` deep."""
    try:
        content = json.loads(text)
    except RecursionError:
        raise ValueError("too deeply nested") from None
    problem = _beyond(content)
    if problem:
        raise ValueError(problem)
    return content


def _beyond(content: Any) -> str:
    """What is beyond the bounds in tables and lists, without going down them by recursion; nothing if nothing is."""
    level = [content]
    for _ in range(DEEPEST + 1):
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below += item.values()
            elif isinstance(item, list):
                below += item
            elif isinstance(item, int) and item.bit_length() > _MOST_BITS:
                return "A number is too large"
        level = below
        if not level:
            return ""
    return "Too deeply nested"
