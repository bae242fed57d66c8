"""Pack files read: found by name or path, parsed, and each by itself seen to."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from popstrat.core.small_files import parse_toml, read_small
from popstrat.core.text import suggest
from popstrat.errors import ColumnError, InputError, PackError
from popstrat.lang.source_map import at_line
from popstrat.packs.files import PackFile, Source
from popstrat.packs.patient_table import Column, column_from_toml, patient_schema
from popstrat.packs.seal import seal_of
from popstrat.packs.shapes import Fail, is_names, only
from popstrat.packs.tables import PackTables
from popstrat.packs.unused import OFFERED

_TABLES = ("parameters", "sets", "windows", "lookups", "definition", "feature", "not_derived")
_TOP_KEYS = {"pack", *_TABLES, "input", "readings", "fit"}
# readings: see packs.readings; fit: see fitting.spec; feature, not_derived: see deriving.spec
_PACK_TEXTS = {"id", "version", "title", "description", "licence", "source", "seal"}
_PACK_KEYS = _PACK_TEXTS | {"extends", "columns"}
MOST_FILES = 64
"""How many files a pack may consist of: itself and all that it extends."""
_MOST_TEXT = 4 << 20  # characters of all of them together
MOST_ENTRIES = 2000
"""How many parameters, sets, windows, lookups, definitions and input columns a file may have in all."""


@dataclass(frozen=True)
class Shelf:
    """Where the files that ship with popstrat are found by name: the folder ``builtin`` of a package, and in it
    ``earlier`` for versions that are kept. ``called``: what such a file is, in messages."""

    package: str
    called: str

    @property
    def folder(self) -> Any:
        return resources.files(self.package).joinpath("builtin")

    @property
    def earlier(self) -> Any:
        return self.folder.joinpath("earlier")

    def source(self, name: str) -> Source:
        """The text of one of its files, which is there."""
        text = (self.earlier if "@" in name else self.folder).joinpath(f"{name}.toml").read_text(encoding="utf-8")
        return Source(f"{name}.toml", text, f"{self.package}/{name}.toml")


PACKS = Shelf("popstrat.packs", "pack")
SPECS = Shelf("popstrat.deriving", "feature specification")


@cache
def builtin_packs(shelf: Shelf = PACKS) -> list[str]:
    """Names of the packs that ship with popstrat."""
    return sorted(f.name.removesuffix(".toml") for f in shelf.folder.iterdir() if f.name.endswith(".toml"))


@cache
def builtin_versions(name: str, shelf: Shelf = PACKS) -> list[str]:
    """The versions of a pack that ships with popstrat, the current one last: `name@version` is each."""
    kept = shelf.earlier.iterdir() if shelf.earlier.is_dir() else ()
    earlier = (f.name.removesuffix(".toml").partition("@") for f in kept if "@" in f.name)
    found = sorted((version for pack, _, version in earlier if pack == name), key=_by_number)
    return [*found, str(_parsed(shelf.source(name), ours=True)["pack"]["version"])]


def builtin_name(name: str, by: str = "", shelf: Shelf = PACKS) -> str | None:
    """The built-in pack, or earlier version of one, that `name` or `name@version` stands for; None for anything else.

    The current version may be named with or without its number. Raises `PackError`, its message after ``by``, for a
    version that there is not.
    """
    pack, at, version = name.partition("@")
    if pack not in builtin_packs(shelf) or name.endswith(".toml"):
        return None
    versions = builtin_versions(pack, shelf) if at else []
    if at and version not in versions:
        told = f"{by}there is no version {version!r} of the {shelf.called} {pack}{suggest(version, versions)}"
        raise PackError(f"{told}; there are {', '.join(f'{pack}@{v}' for v in versions)}")
    return name if at and version != versions[-1] else pack


def _by_number(version: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in version.split(".")]


@cache
def _pins(shelf: Shelf) -> Mapping[str, Mapping[str, str]]:
    """What the names in `extends` of each earlier version mean."""
    file = shelf.earlier.joinpath("extends.toml")
    found: dict[str, dict[str, str]] = tomllib.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return found


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that no file can have
        return False


def _read(name: str, beside: Path | None, by: str, shelf: Shelf) -> tuple[Source, Path | None]:
    if (pack := builtin_name(name, shelf=shelf)) is not None:
        return shelf.source(pack), None
    path = Path(name)
    if beside is not None and not path.is_absolute() and not _is_there(path):
        path = beside / path
    if path.suffix != ".toml" and not _is_there(path):
        known = builtin_packs(shelf)
        if other := next((s.called for s in (PACKS, SPECS) if name.partition("@")[0] in builtin_packs(s)), ""):
            raise PackError(f"{by}{name} is a {other}, and a {shelf.called} is needed here")
        raise PackError(
            f"{by}there is no {shelf.called} {name!r}{suggest(name, known)}; built in: {', '.join(known)}; or give a "
            ".toml file"
        )
    try:
        text = read_small(path).decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
        return Source(path.name, text, str(path)), path.parent
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise PackError(f"{by}cannot read the {shelf.called} {path}: {reason}", file=str(path)) from None
    except ValueError as error:  # a name that holds a NUL, or what is no small file
        reason = f"it {error.problem}" if isinstance(error, InputError) else "no file has such a name"
        raise PackError(f"{by}cannot read the {shelf.called} {path}: {reason}", file=str(path)) from None


@cache
def _builtin(name: str, shelf: Shelf) -> PackFile:
    return _file(name, None, (), {}, shelf)


def read_file(
    name: str,
    beside: Path | None = None,
    by: tuple[tuple[str, str], ...] = (),
    read: dict[str, PackFile] | None = None,
    shelf: Shelf = PACKS,
) -> PackFile:
    """One file, by built-in name (with or without a version) or path, and those that it extends.

    ``beside``: the folder of the file that names it; ``by``: the files, each with its name, that lead to it by
    extending one another; ``read``: those read so far, so that each is read once. Raises `PackError`.
    """
    known = builtin_name(name, f"{by[-1][1]}: extends: " if by else "", shelf)
    return _file(name, beside, by, {} if read is None else read, shelf) if known is None else _builtin(known, shelf)


def _file(
    name: str, beside: Path | None, by: tuple[tuple[str, str], ...], read: dict[str, PackFile], shelf: Shelf
) -> PackFile:
    source, folder = _read(name, beside, f"{by[-1][1]}: extends: " if by else "", shelf)
    key = source.location if folder is None else str(Path(source.location).resolve())
    if key in dict(by):
        chain = [*(name for _, name in by), source.name]
        raise PackError.at(chain[-2], None, f"extends itself, through {' → '.join(chain)}")
    if key in read:
        return read[key]
    if len(by) >= MOST_FILES:
        raise PackError.at(by[-1][1], None, f"extends: more than {MOST_FILES} packs extend one another in a row")
    if len(by) + len(read) >= MOST_FILES:
        raise PackError.at(by[-1][1], None, f"extends: a pack may not consist of more than {MOST_FILES} files")
    if len(source.text) + sum(len(file.source.text) for file in read.values()) > _MOST_TEXT:
        raise PackError.at(
            source.name, None, f"with all that is extended, the pack is larger than {_MOST_TEXT >> 20} MB"
        )
    raw = _parsed(source, ours=not by and Path(source.location).suffix == ".toml")
    names = raw["pack"].get("extends", [])
    names = [names] if isinstance(names, str) else names
    names = [_pins(shelf).get(name, {}).get(n, n) for n in names] if folder is None else names
    if len(names) >= MOST_FILES:
        raise faults(source, raw)("pack", f"more than {MOST_FILES} files", "extends", 0, len("extends"))
    file = PackFile(source, raw, tuple(read_file(n, folder, (*by, (key, source.name)), read, shelf) for n in names))
    taken = {*patient_schema().columns, *(c["name"] for base in file.bases for c in base.raw.get("input", ()))}
    for item in raw.get("input", ()):
        column = input_column(item, file)
        if column.name in taken or column.type == "id":
            told = f"the patient table has a column {column.name!r} already"
            raise input_fault(item, file, told, column.name)
        taken.add(column.name)
    numbers = {c.name for c in patient_schema() if c.type in ("int", "float")}
    numbers |= {i["name"] for f in (file, *file.bases) for i in f.raw.get("input", ()) if i["type"] in ("int", "float")}
    for item in raw.get("input", ()):
        if item.get("below") is not None and item["below"] not in numbers:
            told = f"column {item['name']!r} is `below` {item['below']!r}, which is no column of numbers"
            raise input_fault(item, file, told, item["below"])
    dates = {c.name for c in patient_schema() if c.type == "date"}
    dates |= {i["name"] for f in file.bases for i in f.raw.get("input", ()) if i["type"] == "date"}
    for item in raw.get("input", ()):
        if item.get("not_after") is not None and item["not_after"] not in dates:
            told = (
                f"column {item['name']!r} is `not_after` {item['not_after']!r}, which is no column of dates before it"
            )
            raise input_fault(item, file, told, item["not_after"])
        dates |= {item["name"]} if item["type"] == "date" else set()
    read[key] = file
    return file


def input_column(item: Mapping[str, Any], file: PackFile) -> Column:
    """A column that a pack adds to the patient table. Raises `PackError`."""
    try:
        if not isinstance(item.get(OFFERED, False), bool):
            raise ColumnError(f"column {item.get('name')!r}: `{OFFERED}` is true or false", OFFERED)
        return column_from_toml({k: v for k, v in item.items() if k != OFFERED})
    except ColumnError as error:
        raise input_fault(item, file, str(error), error.text) from None


def input_fault(item: Mapping[str, Any], file: PackFile, told: str, text: str) -> PackError:
    """An error that points at `text` in the table of a column that a file, or one that it extends, adds."""
    for written in file.bases_last:
        for number, other in enumerate(written.raw.get("input", ()), 1):
            if other is item:
                return faults(written.source, written.raw)("input", told, text, 0, len(text), ("input", number))
    return faults(file.source, file.raw)("input", told, text, 0, len(text))


def faults(source: Source, raw: Mapping[str, Any]) -> Fail:
    """Errors that point into one file."""
    return PackTables("", "", "", raw, (source,), patient_schema()).error


def _parsed(source: Source, ours: bool) -> dict[str, Any]:
    """The tables of one file, their outlines seen to. Nothing is quoted of a file until it is known to be a pack,
    unless it is ``ours``: one that the caller named, and that is named like a pack. What a pack extends is chosen by
    whoever wrote it."""
    try:
        raw = parse_toml(source.text)
    except tomllib.TOMLDecodeError as error:
        raise _not_toml(source, str(error), quoted=ours) from None
    problem = faults(source, raw)
    head = raw.get("pack")
    if isinstance(head, dict) and ours:
        only(head, _PACK_KEYS, "pack", problem)
    if not isinstance(head, dict) or not all(isinstance(head.get(k), str) for k in ("id", "version")):
        raise PackError.at(source.name, None, "needs a [pack] table with id and version, as text")
    only(head, _PACK_KEYS, "pack", problem)
    only(raw, _TOP_KEYS, "", problem)
    for key in _PACK_TEXTS & set(head):
        if not isinstance(head[key], str):
            raise problem("pack", f"`{key}` is text", key, 0, len(key))
    for key in {"extends", "columns"} & set(head):
        if not is_names(head[key]) or (key == "columns" and isinstance(head[key], str)):
            raise problem("pack", f"`{key}` is a list of names", key, 0, len(key))
    if "seal" in head and head["seal"] != seal_of(source.text):
        raise problem(
            "pack",
            f"the text is not what was sealed: it has been changed since (its seal is {head['seal']}, and "
            f"that of the text as it is {seal_of(source.text)}); make a new version instead of editing this one",
            "seal", 0, len("seal"),
        )  # fmt: skip
    for table in (*_TABLES, "readings"):
        if not isinstance(raw.get(table, {}), dict) or not all(
            isinstance(v, dict) for v in raw.get(table, {}).values()
        ):
            raise problem(table, "every entry is a table", table, 0, len(table))
    items = raw.get("input", [])
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise problem("input", "input columns are tables headed [[input]], in double brackets", "input", 0, 5)
    entries = sum(len(raw.get(table, ())) for table in (*_TABLES, "input"))
    if entries > MOST_ENTRIES:
        raise PackError.at(source.name, None, f"has {entries:,} entries, and a pack may have {MOST_ENTRIES:,}")
    return raw


def _not_toml(source: Source, reason: str, quoted: bool) -> PackError:
    """The TOML parser's complaint, at its line; not ``quoted``, no more than where it is."""
    where = re.search(r" \(at line (\d+), column (\d+)\)$", reason)
    if not quoted:
        place, line = "", None
        if where:
            place, line = f", at line {where.group(1)}, column {where.group(2)}", int(where.group(1))
        return PackError(f"{source.name}: not valid TOML{place}", file=source.name, line=line)
    if where is None:
        return PackError.at(source.name, None, f"not valid TOML: {reason}")
    at = at_line(source.text, int(where.group(1)), int(where.group(2)))
    return PackError.at(source.name, at.line, f"not valid TOML: {reason[: where.start()]}{at.pointer(1)}")
