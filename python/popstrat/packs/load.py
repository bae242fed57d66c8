"""Packs by name or path: the files read and brought together, and what definitions take from one another."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TypeVar

from popstrat.core.text import suggest
from popstrat.errors import ConflictError, PackError
from popstrat.lang.source_map import line_of, locate
from popstrat.lang.toml_places import Path as Keys
from popstrat.packs.alike import Taken, alike
from popstrat.packs.files import PackFile
from popstrat.packs.kinds.registry import KINDS
from popstrat.packs.merge import Written, merged
from popstrat.packs.pack import Pack
from popstrat.packs.patient_table import patient_schema
from popstrat.packs.read import builtin_name, faults, input_column, input_fault, read_file
from popstrat.packs.tables import PackTables
from popstrat.packs.unused import SECTIONS, unused
from popstrat.packs.uses import every_version

_LONGEST = 50  # of a value in a message

Tables = TypeVar("Tables", bound=PackTables)


def load_pack(name_or_path: str | Path | Pack) -> Pack:
    """Load a pack: a built-in one by its name, such as ``london-2026`` or (an earlier version) ``london-2026@1.0.0``,
    or one of your own by the path of its TOML file. Raises `PackError`.

    >>> import popstrat
    >>> pack = popstrat.load_pack("london-2026")
    >>> pack
    <popstrat.Pack london-2026@2.0.0: 73 definitions>
    >>> popstrat.Scorer(pack, "2026-06-30").as_of
    datetime.date(2026, 6, 30)
    """
    if isinstance(name_or_path, Pack):
        return name_or_path
    known = builtin_name(str(name_or_path))
    return _pack(str(name_or_path)) if known is None else _builtin(known)


@cache
def _builtin(name: str) -> Pack:
    return _pack(name)


def _pack(name: str) -> Pack:
    given = read_file(name)
    for file in given.bases_last:
        if "feature" in file.raw or "not_derived" in file.raw:
            raise PackError.at(
                file.name,
                None,
                "is a feature specification (`popstrat derive --spec`), which says how the patient table is derived: "
                "it cannot score one",
            )
    return put_together(given, Pack)


def put_together(given: PackFile, kind: type[Tables]) -> Tables:
    """A file with all that it extends, as tables of a ``kind``: what they say together, what nothing uses. Raises
    `PackError`."""
    try:
        tables = merged(given)
    except ConflictError as conflict:
        raise _conflict(given, conflict) from None
    _refuse_clashes(given)
    _refuse_twice(given)
    files, head = given.bases_last, given.raw["pack"]
    schema = patient_schema().extended(input_column(item, given) for item in tables.get("input", ()))
    sources = tuple(f.source for f in files)
    taken: Mapping[str, Taken] = {}
    if "definition" in tables:
        definitions, taken = alike(tables["definition"], PackTables("", "", "", tables, sources, schema).error)
        tables = {**tables, "definition": definitions}
    pack = kind(
        head["id"], head["version"], str(head.get("title", head["id"])), tables, sources, schema,
        unused(given, tables, (c.name for c in patient_schema() if c.type != "id")), taken,
    )  # fmt: skip
    for item in tables.get("input", ()):
        column = schema[item["name"]]
        for other in (*column.dates, *([column.completed_years_since] if column.completed_years_since else [])):
            if other not in schema:
                told = f"the input column {column.name!r} belongs to {other!r}, and there is no such column"
                raise input_fault(item, given, f"{told}{suggest(other, schema.columns)}", other)
    return pack


def _refuse_clashes(given: PackFile) -> None:
    """Raise `PackError` for a name that stands for two things, in one file or in two: it would hide one of them."""
    stands: dict[str, str] = {}
    for file in given.bases_first:
        for section in ("parameters", "sets", "lookups", "definition", "feature"):
            for name in file.raw.get(section, {}):
                if stands.setdefault(name, section) != section:
                    told = f"there is a {SECTIONS[stands[name]]} {name!r} already: choose another name"
                    raise faults(file.source, file.raw)(f"{section}.{name}", told, name, 0, len(name))


def _refuse_twice(given: PackFile) -> None:
    """Raise `PackError` for one thing that a file says in two places: which of them holds, nobody could tell. Across
    `extends` the one is a change of the other."""
    for file in given.bases_first:
        for ident, body in file.raw.get("definition", {}).items():
            for number, table in enumerate(every_version(body), -1):
                within: Keys = ("versions", number) if number >= 0 else ()
                for kind in KINDS.values():
                    for at, told in kind.twice(table):
                        raise faults(file.source, file.raw)(f"definition.{ident}", told, at=(*within, *at))


def _conflict(given: PackFile, found: ConflictError) -> PackError:
    """Two files at odds, as an error of the pack that brings them together, or of the one that comes too late."""
    one, other = found.one, found.other
    section, (key, late) = ".".join(found.path[:2]), (found.path[-1], found.other_path[-1])
    if other.file in one.file.bases:
        return faults(one.file.source, one.file.raw)(
            section,
            f"{key!r} is set by each dated version that this extends: restate `{late}` (an empty list for none)",
        )
    joined = next(f for f in given.bases_first if {one.file, other.file} <= f.bases)
    sides = [_side(one, found.path), _side(other, found.other_path)]
    same = found.path == found.other_path
    thing, what = ".".join(found.path), "" if same else f", one as such and one in `{late}`"
    return faults(joined.source, joined.raw)(
        "pack",
        f"{sides[0]} and {sides[1]} both set {thing}{what}, and neither extends the other: say here which holds, by "
        f"setting {thing if same else '.'.join(found.other_path)}",
        "extends", 0, len("extends"),
    )  # fmt: skip


def _side(written: Written, path: tuple[str, ...]) -> str:
    """A file of a conflict, with the line and, if it is short, the value."""
    text = written.file.source.text
    at = locate(text, path[0], path[1], 0) if path[0] == "input" else None
    line = at.line if at else line_of(text, path)
    value = written.value
    shown = f" ({str(value).lower() if isinstance(value, bool) else value})"
    brief = isinstance(value, bool | int | float | str | dt.date) and len(shown) <= _LONGEST
    return f"{written.file.name}{f':{line}' if line else ''}{shown if brief else ''}"
