"""Where in a pack's TOML file a piece of it stands, so that a message can point there.

The TOML parser gives values without positions; here the file is searched for them again. A string is found by what it
says, whatever its quotes and escapes, so a fault inside a rule of several lines is shown at its own line and column.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from popstrat.lang.toml_places import Path, longest

_TOKENS = re.compile(
    r"#[^\n]*"
    r'|"""(?:\\.|[^\\])*?"""'
    r"|'''.*?'''"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|[ \t]*\n\s*|.)", re.DOTALL)
_HEADER = re.compile(r"^[ \t]*\[\[?\s*([^\]\n]+?)\s*\]\]?", re.MULTILINE)
_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "e": "\x1b"}
_WIDEST = 150
_DEEPEST = 32  # words of a table's name by which it is found


@dataclass(frozen=True)
class Place:
    """A position in a file. `exact`: the text was found there; otherwise only the section that it belongs to."""

    line: int  # from 1
    column: int
    shown: str  # the line's text
    exact: bool

    def pointer(self, width: int) -> str:
        """The line with carets below the place; of a very long line only what is near."""
        shown, column = self.shown, self.column
        if len(shown) > _WIDEST:
            first = max(0, column - 60)
            shown, column = shown[first : first + 120], column - first
        width = max(1, min(width, len(shown) - column))
        return f"\n    {shown}\n    {' ' * column}{'^' * width}"


@dataclass(frozen=True)
class _String:
    """A string of the file (or a comment, which says nothing): what it says, and where each character of that is."""

    begin: int
    end: int
    says: str
    places: tuple[int, ...]


def locate(file: str, section: str, text: str, start: int) -> Place | None:
    """Where position `start` of `text` within a section (a dotted path) is, else where the section begins."""
    strings = _strings(file)
    parts = section.split(".")
    while parts:
        spans = _spans(file, ".".join(parts))
        for begin, end in spans:
            at = _find(file, text, start, begin, end, strings)
            if at is not None:
                return _place(file, at, True)
        if spans:
            return _place(file, spans[0][0], False)
        parts.pop()
    at = _find(file, text, start, 0, len(file), strings)
    return None if at is None else _place(file, at, True)


def locate_at(file: str, path: Path, text: str, start: int, value: bool) -> tuple[int, Place, int] | None:
    """How many keys of a path a file writes; where position `start` of `text` is below the last of them, and 0; if it
    does not stand there, the place of that key (of its ``value``, if that is wanted), and how many characters to point
    at. None if it writes none."""
    depth, spot = longest(file, path)
    if spot is None:
        return None
    strings = _strings(file)
    for begin, end in spot.values if text and depth == len(path) else ():
        at = _find(file, text, start, begin, end, strings)
        if at is not None:
            return depth, _place(file, at, True), 0
    begin, end = spot.begin, spot.end
    if value and depth == len(path):
        begin, end = spot.values[0]
        quoted = file[begin] in "\"'"
        begin, end = begin + quoted, min(end - quoted, file.find("\n", begin) % (len(file) + 1))
    return depth, _place(file, begin, True), end - begin


Entry = str | tuple[str, int]
"""An entry of a list below a section: the one with this `id`, or the list's name and the entry's number, from 1. A list
at the top of a file is its own section."""


def locate_in(file: str, section: str, entry: Entry, text: str, start: int) -> tuple[Place, int] | None:
    """Where position `start` of `text` is in an entry of a list below `section`, and 0; if it does not stand there, the
    place of the entry, and how many characters to point at. None if there is no such entry."""
    strings = _strings(file)
    if isinstance(entry, tuple):
        path = entry[0] if entry[0] == section else f"{section}.{entry[0]}"
        header = re.compile(rf"[ \t]*\[\[\s*{re.escape(path)}\s*\]\]")
        spans = [span for span in _spans(file, section) if header.match(file, span[0])]
        if not spans and (inline := _inline(file, section, *entry, strings)) is not None:
            begin, end = inline
            at = _find(file, text, start, begin, end, strings)
            return (_place(file, begin, True), end - begin) if at is None else (_place(file, at, True), 0)
        if len(spans) < entry[1]:
            return None
        begin, end = spans[entry[1] - 1]
        at = _find(file, text, start, begin, end, strings)
        return (
            (_place(file, file.index(entry[0], begin + len(path) - len(entry[0])), True), len(entry[0]))
            if at is None
            else (_place(file, at, True), 0)
        )
    owner = entry
    for begin, end in _spans(file, section):
        named = next((s for s in strings if begin <= s.begin < end and s.says == owner and _is_id(file, s.begin)), None)
        if named is None:
            continue
        if not file.startswith("[[", begin):  # one of several entries in braces
            following = next((s.begin for s in strings if named.end <= s.begin < end and _is_id(file, s.begin)), end)
            brace = file.rfind("{", begin, named.begin)
            begin, end = max(begin, brace), max(named.end, file.rfind("{", named.end, following))
            end = following if end == named.end else end
        at = _find(file, text, start, begin, end, strings)
        return (_place(file, named.places[0], True), len(owner)) if at is None else (_place(file, at, True), 0)
    return None


def _inline(file: str, section: str, name: str, number: int, strings: Sequence[_String]) -> tuple[int, int] | None:
    """From where to where the entry of this number stands, from 1, in a list of tables in braces below a section."""
    key = re.compile(rf"^[ \t]*{re.escape(name)}[ \t]*=[ \t]*\[", re.MULTILINE)
    for begin, end in _spans(file, section):
        for written in key.finditer(file, begin, end):
            if any(s.begin < written.end() <= s.end for s in strings):
                continue
            later = iter([s for s in strings if s.end > written.end()])
            string, depth, count, first = next(later, None), 0, 0, 0
            for bracket in re.compile(r"[\[\]{}]").finditer(file, written.end(), end):
                at = bracket.start()
                while string is not None and string.end <= at:
                    string = next(later, None)
                if string is not None and string.begin < at:
                    continue
                if bracket.group() in "[{":
                    if depth == 0:
                        count, first = count + 1, at
                    depth += 1
                elif depth == 0:
                    break  # the end of the list
                else:
                    depth -= 1
                    if depth == 0 and count == number:
                        return first, bracket.end()
    return None


def line_of(file: str, path: Sequence[str]) -> int:
    """The line, from 1, on which a file writes the key at a path from its top; of an inline table where that begins.
    0 if it does not."""
    strings = _strings(file)
    for depth in range(len(path) - 1, -1, -1):
        key = re.compile(rf"""(?<![\w.-])["']?{re.escape(path[depth])}["']?(?=\s*[=.])""")
        for begin, end in _spans(file, ".".join(path[:depth])) if depth else [(0, len(file))]:
            for match in key.finditer(file, begin, end):
                if not any(s.begin < match.start() < s.end for s in strings):
                    return file.count("\n", 0, match.start()) + 1
    return 0


def _is_id(file: str, at: int) -> bool:
    """Whether the string at this position is the value of a key `id`."""
    return re.search(r"(?<![\w.-])id[ \t]*=[ \t]*$", file[max(0, at - 40) : at]) is not None


def at_line(file: str, line: int, column: int) -> Place:
    """The place at a line and a column, both from 1."""
    lines = file.split("\n")
    shown = lines[min(line, len(lines)) - 1]
    return Place(line, max(0, min(column - 1, len(shown))), shown, True)


def _place(file: str, at: int, exact: bool) -> Place:
    line = file.count("\n", 0, at)
    return Place(line + 1, at - (file.rfind("\n", 0, at) + 1), file.split("\n")[line], exact)


@lru_cache(maxsize=8)
def _strings(file: str) -> tuple[_String, ...]:
    found = []
    for token in _TOKENS.finditer(file):
        raw, begin, end = token.group(), token.start(), token.end()
        if raw.startswith("#"):
            found.append(_String(begin, end, "", ()))
            continue
        quotes = 3 if raw[:3] in ('"""', "'''") else 1
        at, stop = begin + quotes, end - quotes
        if quotes == 3 and file.startswith("\n", at):
            at += 1  # TOML drops the first line break
        says: list[str] = []
        places: list[int] = []
        while at < stop:
            escape = _ESCAPE.match(file, at, stop) if raw[0] == '"' else None
            part = escape.group() if escape else file[at]
            letter = _unescaped(part)
            if letter:
                says.append(letter)
                places.append(at)
            at += len(part)
        found.append(_String(begin, end, "".join(says), (*places, stop)))
    return tuple(found)


def _unescaped(part: str) -> str:
    """What one character or escape of a TOML string stands for."""
    if len(part) == 1:
        return part
    if part[1] in "uU":
        return chr(min(int(part[2:], 16), 0x10FFFF))
    if part[1:].isspace():
        return ""  # the line goes on
    return _LETTERS.get(part[1], part[1])


def _find(file: str, text: str, start: int, begin: int, end: int, strings: Sequence[_String]) -> int | None:
    """Position of character `start` of `text` between two positions: as a string, as a key, or as it stands."""
    if not text:
        return None
    inside = [s for s in strings if begin <= s.begin < end]
    for string in inside:
        if string.says == text:
            return string.places[min(start, len(string.places) - 1)]
    words = r"\s*".join(map(re.escape, re.findall(r"\w+|[^\w\s]", text)))
    for pattern in (rf"(?<![\w.-]){words}(?=\s*[=.])", rf"(?<!\w){words}(?!\w)"):
        for match in re.compile(pattern).finditer(file, begin, end):
            if words and not any(s.begin <= match.start() < s.end for s in inside):
                return match.start() + start
    return None


def _spans(file: str, section: str) -> Sequence[tuple[int, int]]:
    """Character ranges of the tables at or below a dotted path."""
    return _sections(file).get(section, ())


@lru_cache(maxsize=8)
def _sections(file: str) -> dict[str, list[tuple[int, int]]]:
    """The same for each dotted path there is, `_DEEPEST` words deep: looked for once, however many are asked for."""
    inside = iter(_strings(file))
    string = next(inside, None)
    headers = []
    for header in _HEADER.finditer(file):
        while string is not None and string.end <= header.start():
            string = next(inside, None)
        if string is None or not string.begin < header.start() < string.end:
            headers.append(header)
    found: dict[str, list[tuple[int, int]]] = {}
    for header, following in zip(headers, [*headers, None][1:], strict=True):
        span = header.start(), following.start() if following else len(file)
        words = header.group(1).replace('"', "").split(".")
        for path in itertools.accumulate(words[:_DEEPEST], "{}.{}".format):
            found.setdefault(path, []).append(span)
    return found
