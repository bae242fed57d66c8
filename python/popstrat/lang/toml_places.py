"""Where in a TOML file each key stands, and its value: what the TOML parser does not tell.

Read of a file that the parser has accepted, so that nothing here looks for what is wrong with it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from popstrat.core.small_files import parse_toml

Path = tuple[str | int, ...]
"""Keys from the top of a file down, and numbers of entries of lists, from 0."""

_SKIPPED = re.compile(r"(?:[ \t\n]+|#[^\n]*)*")
_BLANK = re.compile(r"[ \t]*")
_STRING = re.compile(
    r"""\"{3}(?:\\.|[^\\])*?\"{3}(?:"{0,2}(?!"))|'{3}.*?'{3}(?:'{0,2}(?!'))|"(?:\\.|[^"\\\n])*"|'[^'\n]*'""", re.DOTALL
)
_WORD = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}#\n]+")


@dataclass
class Spot:
    """Where a key stands (of an entry of a list, its beginning), and all that is written below it: character ranges,
    of which a table that is written in pieces has several."""

    begin: int
    end: int
    values: list[tuple[int, int]] = field(default_factory=list)


@lru_cache(maxsize=8)
def spots(file: str) -> dict[Path, Spot]:
    """Every key of a file and every entry of a list, by its path."""
    return _Reader(file).read()


class _Reader:
    def __init__(self, file: str) -> None:
        self.file, self.at = file, 0
        self.found: dict[Path, Spot] = {}
        self.lists: dict[Path, int] = {}  # lists of tables with a header each → the number of the last

    def read(self) -> dict[Path, Spot]:
        table: Path = ()
        began = opened = 0
        self._skip()
        while self.at < len(self.file):
            if self.file[self.at] == "[":
                self._close(table, began, opened)
                began = self.at
                table = self._header()
                opened = self.at
            else:
                self._pair(table)
            self._skip()
        self._close(table, began, opened)
        return self.found

    def _close(self, table: Path, began: int, opened: int) -> None:
        """A table with a header ends here; it is a part of every table above it."""
        for depth in range(1, len(table) + 1):
            self.found[table[:depth]].values.append((began if depth < len(table) else opened, self.at))

    def _header(self) -> Path:
        double = self.file.startswith("[[", self.at)
        self.at += 2 if double else 1
        path: Path = ()
        keys = self._keys()
        for i, (name, begin, end) in enumerate(keys):
            path = (*path, name)
            self.found.setdefault(path, Spot(begin, end))
            if double and i == len(keys) - 1:
                self.lists[path] = self.lists.get(path, -1) + 1
            if path in self.lists:
                path = (*path, self.lists[path])
                self.found.setdefault(path, Spot(begin, end))
        self.at = self.file.index("]", self.at) + (2 if double else 1)
        return path

    def _keys(self) -> list[tuple[str, int, int]]:
        """A key of one word or of several with dots between them, each with where it stands."""
        found = []
        while True:
            self.at = _match(_BLANK, self.file, self.at)
            begin = self.at
            quoted = self.file[begin] in "\"'"
            self.at = _match(_STRING if quoted else _WORD, self.file, begin)
            text = self.file[begin : self.at]
            name = str(parse_toml(f"x = {text}")["x"]) if quoted else text
            found.append((name, begin + quoted, self.at - quoted))
            self.at = _match(_BLANK, self.file, self.at)
            if not self.file.startswith(".", self.at):
                return found
            self.at += 1

    def _pair(self, table: Path) -> None:
        path, above = table, []
        for name, begin, end in self._keys():
            path = (*path, name)
            above.append(self.found.setdefault(path, Spot(begin, end)))
        self.at = _match(_BLANK, self.file, self.at + 1)  # beyond the =
        begin = self.at
        self._value(path)
        for spot in above:
            spot.values.append((begin if spot is above[-1] else spot.begin, self.at))

    def _value(self, path: Path) -> None:
        match self.file[self.at]:
            case "[":
                self.at += 1
                self._skip()
                number = 0
                while self.file[self.at] != "]":
                    begin, below = self.at, (*path, number)
                    spot = self.found[below] = Spot(begin, begin + 1)
                    self._value(below)
                    spot.values.append((begin, self.at))
                    if self.file[begin] not in "[{":
                        spot.end = self.at
                    number += 1
                    self._comma()
                self.at += 1
            case "{":
                self.at += 1
                self._skip()
                while self.file[self.at] != "}":
                    self._pair(path)
                    self._comma()
                self.at += 1
            case '"' | "'":
                self.at = _match(_STRING, self.file, self.at)
            case _:
                self.at = _match(_SCALAR, self.file, self.at)
                while self.file[self.at - 1] in " \t":
                    self.at -= 1

    def _comma(self) -> None:
        self._skip()
        if self.file[self.at] == ",":
            self.at += 1
            self._skip()

    def _skip(self) -> None:
        self.at = _match(_SKIPPED, self.file, self.at)


def _match(pattern: re.Pattern[str], file: str, at: int) -> int:
    found = pattern.match(file, at)
    return at if found is None else found.end()


def longest(file: str, path: Sequence[str | int]) -> tuple[int, Spot | None]:
    """How many keys of a path a file writes from the top, and where the last of them stands."""
    found = spots(file)
    for depth in range(len(path), 0, -1):
        if (spot := found.get(tuple(path[:depth]))) is not None:
            return depth, spot
    return 0, None
