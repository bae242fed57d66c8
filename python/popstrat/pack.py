"""Packs: clinical definitions as data.

A pack is a TOML file. `load_pack` reads it (and what it extends); `Pack.at` resolves effective dates at an as-of date
and turns every definition into one typed expression (`popstrat.lang.nodes`), which is all that the compiler and the
reference evaluator see. Each kind of definition is a way of writing such an expression:

* ``expression``: ``value``
* ``count``: how many members ``of`` a set are true
* ``first_match``: ``rules`` in order, each a ``label`` and a ``when``; ``otherwise``
* ``status``: ``diagnosed``, ``optimised``, ``undiagnosed`` → none, optimised, unoptimised, undiagnosed
* ``tree``: ``nodes`` that split on a condition or hold a value
* ``model``: ``inputs`` with declared defaults, weighted ``terms``, a ``link``
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeGuard

from popstrat import reference_patients
from popstrat.core.text import suggest
from popstrat.errors import PackError
from popstrat.lang import nodes as n
from popstrat.lang.parser import ExpressionError, cases, coalesce, conjunction, negation, parse, parse_condition
from popstrat.lang.source_map import Entry, at_line, line_of, locate, locate_in
from popstrat.model import MODEL_KEYS, Model, ModelBuilder
from popstrat.packs.files import PackFile, Source
from popstrat.packs.merge import Conflict, Written, merged
from popstrat.packs.patient_table import KEY_COLUMNS, PLACE_COLUMNS, Column, Schema, column_from_toml, patient_schema
from popstrat.packs.uses import OFFERED, SECTIONS, Unused, unused

KINDS = ("expression", "count", "first_match", "status", "tree", "model")
STATUS_LABELS = ("none", "optimised", "unoptimised", "undiagnosed")
NUMBER_TYPES = ("float64", "int16", "uint8", "int32")

_TEXT_KEYS = {"title", "means", "source", "assumption", "version", "licence", "unit"}
_COMMON_KEYS = _TEXT_KEYS | {
    "kind", "eligible", "output", OFFERED, "type", "effective_from", "effective_to", "versions", "reference_patients",
}  # fmt: skip
_KIND_KEYS = {
    "expression": {"value"},
    "count": {"of"},
    "first_match": {"rules", "otherwise", "labels"},
    "status": {"diagnosed", "optimised", "undiagnosed"},
    "tree": {"nodes"},
    "model": MODEL_KEYS,
}
_TOP_KEYS = {"pack", "parameters", "sets", "windows", "definition", "input", "fit"}  # fit: see popstrat.fitting.spec
_PACK_TEXTS = {"id", "version", "title", "description", "licence", "source", "seal"}
_PACK_KEYS = _PACK_TEXTS | {"extends", "columns"}
_HEAD = re.compile(r"^\[pack\][^\n]*\n(?:(?!\[)[^\n]*(?:\n|$))*", re.M)
_PROVENANCE = re.compile(r"^\[definition\.\w+\.provenance\]", re.M)
_SEAL = re.compile(r"""^[ \t]*seal[ \t]*=[ \t]*["'][^"'\n]*["'][ \t]*(?:\n|$)""", re.M)
_DEEPEST = 64  # packs that extend one another in a row
_LONGEST = 50  # of a value in a message
_LARGEST = 1e15  # as in the rule language; beyond it whole numbers are not exact


@dataclass(frozen=True)
class Definition:
    """One definition as it stands at an as-of date: its expression and what a reader should know of it."""

    id: str
    kind: str
    node: n.Node
    title: str
    means: str
    source: str
    version: str
    output: str | None
    dtype: str  # bool, dictionary, uint8, int16, int32, float64 — of the output column
    raw: Mapping[str, Any]  # the TOML table, effective version folded in
    parent: str | None = None  # the model that this one belongs to


@dataclass(frozen=True)
class Pack:
    """A pack as written, with what it extends merged in. Immutable; pickles with its text, so it travels to workers."""

    id: str
    version: str
    title: str
    raw: Mapping[str, Any]
    sources: tuple[Source, ...]  # each file once: the pack's own first, and each before what it extends
    schema: Schema
    unused: tuple[Unused, ...] = ()  # what its files add and nothing uses, faults and mere notices

    @cached_property
    def sha256(self) -> str:
        """Hash over the texts of the pack and of all that it extends."""
        return hashlib.sha256("\0".join(s.sha256 for s in self.sources).encode()).hexdigest()

    @property
    def record(self) -> dict[str, Any]:
        """What the run record says of the pack."""
        return {
            "id": self.id,
            "version": self.version,
            "title": self.title,
            "sha256": self.sha256,
            "files": [{"name": s.name, "sha256": s.sha256} for s in self.sources],
        }

    def at(self, as_of: dt.date) -> Resolved:
        """Every definition, typed, as it stands at `as_of`. Raises `PackError` pointing at file, line and word."""
        return Resolved(self, as_of)

    def error(
        self, section: str, message: str, text: str = "", start: int = 0, end: int = 0, entry: Entry = ""
    ) -> PackError:
        """A `PackError` that points into the file that wrote `section` (a dotted path), at `text` if it is there; in an
        `entry` of a list below it, if one is given."""
        for s in self.sources if entry else ():
            if (inside := locate_in(s.text, section, entry, text, start)) is not None:
                place, width = inside
                return PackError(f"{s.name}:{place.line}: {section}: {message}{place.pointer(width or end - start)}")
        found = [(s.name, at) for s in self.sources if (at := locate(s.text, section, text, start)) is not None]
        found.sort(key=lambda item: not item[1].exact)  # a file that holds the text, before one with the section only
        for name, at in found[:1]:
            return PackError(f"{name}:{at.line}: {section}: {message}{at.pointer(end - start) if at.exact else ''}")
        return PackError(f"{self.sources[0].name}: {section}: {message}")


# -- loading -------------------------------------------------------------------------------------------------------


@cache
def builtin_packs() -> list[str]:
    """Names of the packs that ship with popstrat."""
    folder = resources.files("popstrat.packs")
    names = (f.name for f in folder.iterdir() if f.name.endswith(".toml") and f.name != "patient_table.toml")
    return sorted(name.removesuffix(".toml") for name in names)


def load_pack(name_or_path: str | Path | Pack) -> Pack:
    """A pack by built-in name or by the path of a TOML file. Raises `PackError`."""
    if isinstance(name_or_path, Pack):
        return name_or_path
    if str(name_or_path) in builtin_packs():
        return _load_builtin(str(name_or_path))
    return _load(str(name_or_path))


@cache
def _load_builtin(name: str) -> Pack:
    return _load(name)


def _load(name: str) -> Pack:
    """A pack with all that it extends: the files as they are read, what they say together, what nothing uses."""
    given = _file(name, None, (), {})
    try:
        tables = merged(given)
    except Conflict as conflict:
        raise _conflict(given, conflict) from None
    _look_for_clashes(given)
    files, head = given.bases_last, given.raw["pack"]
    schema = patient_schema().extended(_column(item, given) for item in tables.get("input", ()))
    pack = Pack(
        head["id"], head["version"], str(head.get("title", head["id"])), tables, tuple(f.source for f in files), schema,
        unused(given, (c.name for c in patient_schema() if c.type != "id")),
    )  # fmt: skip
    for item in tables.get("input", ()):
        column = schema[item["name"]]
        for other in (*column.dates, *([column.completed_years_since] if column.completed_years_since else [])):
            if other not in schema:
                told = f"the input column {column.name!r} belongs to {other!r}, and there is no such column"
                raise pack.error("input", f"{told}{suggest(other, schema.columns)}", other, 0, len(other))
    return pack


def _read(name: str, beside: Path | None, by: str) -> tuple[Source, Path | None]:
    if name in builtin_packs():
        file = resources.files("popstrat.packs").joinpath(f"{name}.toml")
        return Source(f"{name}.toml", file.read_text(encoding="utf-8"), f"popstrat.packs/{name}.toml"), None
    path = Path(name)
    if beside is not None and not path.is_absolute() and not path.exists():
        path = beside / path
    if path.suffix != ".toml" and not path.exists():
        known = builtin_packs()
        raise PackError(
            f"{by}there is no pack {name!r}{suggest(name, known)}; built in: {', '.join(known)}; or give a .toml file"
        )
    try:
        return Source(path.name, path.read_text(encoding="utf-8-sig"), str(path)), path.parent
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise PackError(f"{by}cannot read the pack {path}: {reason}") from None


@cache
def _builtin(name: str) -> PackFile:
    return _opened(name, None, (), {})


def _file(name: str, beside: Path | None, by: tuple[tuple[str, str], ...], read: dict[str, PackFile]) -> PackFile:
    """One file, and those that it extends. ``by``: the files, each with its name, that lead to it by extending one
    another; ``read``: those read so far, so that each is read once."""
    return _builtin(name) if name in builtin_packs() else _opened(name, beside, by, read)


def _opened(name: str, beside: Path | None, by: tuple[tuple[str, str], ...], read: dict[str, PackFile]) -> PackFile:
    source, folder = _read(name, beside, f"{by[-1][1]}: extends: " if by else "")
    key = source.location if folder is None else str(Path(source.location).resolve())
    if key in dict(by):
        chain = [*(name for _, name in by), source.name]
        raise PackError(f"{chain[-2]}: extends itself, through {' → '.join(chain)}")
    if key in read:
        return read[key]
    if len(by) >= _DEEPEST:
        raise PackError(f"{by[-1][1]}: extends: more than {_DEEPEST} packs extend one another in a row")
    raw = _parsed(source)
    names = raw["pack"].get("extends", [])
    names = [names] if isinstance(names, str) else names
    file = PackFile(source, raw, tuple(_file(n, folder, (*by, (key, source.name)), read) for n in names))
    taken = {*patient_schema().columns, *(c["name"] for base in file.bases for c in base.raw.get("input", ()))}
    for item in raw.get("input", ()):
        column = _column(item, file)
        if column.name in taken or column.type == "id":
            told = f"the patient table has a column {column.name!r} already"
            raise _problem(source, raw)("input", told, column.name, 0, len(column.name))
        taken.add(column.name)
    numbers = {c.name for c in patient_schema() if c.type in ("int", "float")}
    numbers |= {i["name"] for f in (file, *file.bases) for i in f.raw.get("input", ()) if i["type"] in ("int", "float")}
    for item in raw.get("input", ()):
        if item.get("below") is not None and item["below"] not in numbers:
            told = f"column {item['name']!r} is `below` {item['below']!r}, which is no column of numbers"
            raise _problem(source, raw)("input", told, item["name"], 0, len(item["name"]))
    read[key] = file
    return file


def _column(item: Mapping[str, Any], file: PackFile) -> Column:
    try:
        if not isinstance(item.get(OFFERED, False), bool):
            raise ValueError(f"column {item.get('name')!r}: `{OFFERED}` is true or false")
        return column_from_toml({k: v for k, v in item.items() if k != OFFERED})
    except (ValueError, AttributeError) as error:
        shown = str(item.get("name", ""))
        raise _problem(file.source, file.raw)("input", str(error), shown, 0, len(shown)) from None


def _problem(source: Source, raw: Mapping[str, Any]) -> Callable[..., PackError]:
    return Pack("", "", "", raw, (source,), patient_schema()).error


def _parsed(source: Source) -> dict[str, Any]:
    """The tables of one file, their outlines seen to."""
    try:
        raw = tomllib.loads(source.text)
    except tomllib.TOMLDecodeError as error:
        raise _not_toml(source, str(error)) from None
    except RecursionError:
        raise PackError(f"{source.name}: not valid TOML: too deeply nested") from None
    problem = _problem(source, raw)
    head = raw.get("pack")
    if isinstance(head, dict):
        _only(head, _PACK_KEYS, "pack", problem)
    if not isinstance(head, dict) or not all(isinstance(head.get(k), str) for k in ("id", "version")):
        raise PackError(f"{source.name}: needs a [pack] table with id and version, as text")
    _only(raw, _TOP_KEYS, "", problem)
    for key in _PACK_TEXTS & set(head):
        if not isinstance(head[key], str):
            raise problem("pack", f"`{key}` is text", key, 0, len(key))
    for key in {"extends", "columns"} & set(head):
        if not _texts(head[key]) or (key == "columns" and isinstance(head[key], str)):
            raise problem("pack", f"`{key}` is a list of names", key, 0, len(key))
    if "seal" in head and head["seal"] != seal_of(source.text):
        raise problem(
            "pack",
            f"the text is not what was sealed: it has been changed since (its seal is {head['seal']}, and "
            f"that of the text as it is {seal_of(source.text)}); make a new version instead of editing this one",
            "seal", 0, len("seal"),
        )  # fmt: skip
    for table in ("parameters", "sets", "windows", "definition"):
        if not isinstance(raw.get(table, {}), dict) or not all(
            isinstance(v, dict) for v in raw.get(table, {}).values()
        ):
            raise problem(table, "every entry is a table", table, 0, len(table))
    items = raw.get("input", [])
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise problem("input", "input columns are tables headed [[input]], in double brackets")
    return raw


def _look_for_clashes(given: PackFile) -> None:
    """Raise `PackError` for a name that stands for two things, in one file or in two: it would hide one of them."""
    stands: dict[str, str] = {}
    for file in given.bases_first:
        for section in ("parameters", "sets", "definition"):
            for name in file.raw.get(section, {}):
                if stands.setdefault(name, section) != section:
                    told = f"there is a {SECTIONS[stands[name]]} {name!r} already: choose another name"
                    raise _problem(file.source, file.raw)(f"{section}.{name}", told, name, 0, len(name))


def _conflict(given: PackFile, found: Conflict) -> PackError:
    """Two files at odds, as an error of the pack that brings them together, or of the one that comes too late."""
    one, other = found.one, found.other
    section, (key, late) = ".".join(found.path[:2]), (found.path[-1], found.other_path[-1])
    if other.file in one.file.bases:
        return _problem(one.file.source, one.file.raw)(
            section,
            f"{key!r} is set by each dated version that this extends: restate `{late}` (an empty list for none)",
        )
    joined = next(f for f in given.bases_first if {one.file, other.file} <= f.bases)
    sides = [_side(one, found.path), _side(other, found.other_path)]
    same = found.path == found.other_path
    thing, what = ".".join(found.path), "" if same else f", one as such and one in `{late}`"
    return _problem(joined.source, joined.raw)(
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


def _texts(value: Any) -> bool:
    return isinstance(value, str) or (
        isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)
    )


def seal_of(text: str) -> str:
    """The seal of a pack's text: a hash over all of it but the line of its ``[pack]`` table that holds the seal."""
    return f"sha256:{hashlib.sha256(_unsealed(text).encode()).hexdigest()}"


def _unsealed(text: str) -> str:
    return _HEAD.sub(lambda head: _SEAL.sub("", head.group(), count=1), text, count=1)


def sealed(text: str) -> str:
    """The text of a pack with its seal put in, right below ``[pack]``; an earlier one is replaced."""
    bare = _unsealed(text)
    head, found, rest = bare.partition("[pack]\n")
    if not found:
        raise ValueError("the text has no [pack] table")
    return f'{head}{found}seal = "{seal_of(bare)}"\n{rest}'


def _only(table: Mapping[str, Any], known: Iterable[str], section: str, problem: Any) -> None:
    known = set(known)
    for key in table:
        if key not in known:
            raise problem(section or key, f"unknown key {key!r}{suggest(key, known)}", key, 0, len(key))


def _not_toml(source: Source, reason: str) -> PackError:
    """The TOML parser's complaint, at its line."""
    where = re.search(r" \(at line (\d+), column (\d+)\)$", reason)
    if where is None:
        return PackError(f"{source.name}: not valid TOML: {reason}")
    at = at_line(source.text, int(where.group(1)), int(where.group(2)))
    return PackError(f"{source.name}:{at.line}: not valid TOML: {reason[: where.start()]}{at.pointer(1)}")


def _is_number(value: Any) -> TypeGuard[int | float]:
    """A number that rules can count with."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LARGEST


# -- resolving -----------------------------------------------------------------------------------------------------


@dataclass
class Resolved:
    """A pack's definitions at an as-of date; also the scope in which their words are looked up."""

    pack: Pack
    as_of: dt.date
    definitions: dict[str, Definition] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    models: dict[str, Model] = field(default_factory=dict)
    tallies: dict[tuple[str, str, str], n.Node] = field(default_factory=dict)
    """What a run counts besides its groups: (model, missing | clipped | not_scored, input or reason) → condition."""

    def __post_init__(self) -> None:
        self._building: list[str] = []
        self._nearest: list[str] = []
        self._raw = {k: self._effective(k, v) for k, v in self.pack.raw.get("definition", {}).items()}
        self._check_names()
        for ident in self._raw:
            self._define(ident)
        self._check_use()
        reference_patients.check(self)
        for source in self.pack.sources:
            if _PROVENANCE.search(source.text) and not _SEAL.search(source.text):
                self.notices.append(f"{source.name} says how it was fitted, but its seal has been taken out")
        outputs: dict[str, str] = {}
        for d in self.definitions.values():
            if d.output is not None:
                if d.output in outputs:
                    raise self.error(d.id, f"writes the output column {d.output!r}, as {outputs[d.output]!r} does")
                outputs[d.output] = d.id
        if self._nearest:
            shown = ", ".join(self._nearest[:4]) + (
                f" and {len(self._nearest) - 4} more" if len(self._nearest) > 4 else ""
            )
            count = f"{len(self._nearest)} definition{'s have' if len(self._nearest) > 1 else ' has'}"
            self.notices.append(f"{count} no version in force at {self.as_of}; the nearest was used: {shown}")

    def _check_use(self) -> None:
        """What the pack at hand adds and nothing uses is refused, as a change that is misspelt would else change
        nothing; of a pack that it extends, whose makers may offer more than is used here, it is told."""
        for found in self.pack.unused:
            near = suggest(found.name, found.near)
            if not found.fault:
                self.notices.append(f"{found.file}: {found.told}{near}")
                continue
            if found.section == "pack":
                raise self.pack.error("pack", f"{found.told}{near}", found.name, 0, len(found.name))
            told = f"{found.told}, and no pack that this one extends has a {SECTIONS[found.section]} of that name{near}"
            section = "input" if found.section == "input" else f"{found.section}.{found.name}"
            raise self.pack.error(section, told, found.name, 0, len(found.name))

    # -- the scope --

    @cached_property
    def windows(self) -> dict[str, int]:
        out = {}
        for name, table in self.pack.raw.get("windows", {}).items():
            _only(table, {"months", "title", "means", "source", OFFERED}, f"windows.{name}", self.pack.error)
            months = table.get("months")
            if isinstance(months, bool) or not isinstance(months, int) or not 0 <= months <= 1800:
                raise self.pack.error(
                    f"windows.{name}", "needs `months`, a whole number from 0 to 1,800", "months", 0, len("months")
                )
            out[name] = months
        return out

    @cached_property
    def dated(self) -> frozenset[str]:
        return frozenset(c.name for c in self.pack.schema if c.dates)

    @cached_property
    def parameters(self) -> dict[str, n.Const]:
        out = {}
        for name, table in self.pack.raw.get("parameters", {}).items():
            _only(
                table,
                {"value", "title", "unit", "source", "means", "assumption", OFFERED},
                f"parameters.{name}",
                self.pack.error,
            )
            value = table.get("value")
            kind = _type_of(value)
            if kind is None:
                raise self.pack.error(
                    f"parameters.{name}", "needs a `value`: a number, true or false, a date or a label", "value", 0, 5
                )
            out[name] = n.Const(kind, name, value, name)
        return out

    def members(self, set_name: str) -> Sequence[str] | None:
        found = self.pack.raw.get("sets", {}).get(set_name)
        return None if found is None else list(found.get("members", ()))

    def lookup(self, name: str) -> n.Node | None:
        if name in self.parameters:
            return self.parameters[name]
        if (name in self._raw or name in self.definitions) and name not in self.pack.schema:
            definition = self.definitions.get(name) or self._define(name)
            return n.Named(definition.node.type, name, name)
        if name in self.pack.schema:
            if self.pack.schema[name].type in ("id", "string"):
                raise ExpressionError(f"{name!r} holds names or codes, which rules do not read")
            return column_node(self.pack.schema[name])
        return None

    def words(self) -> Iterable[str]:
        return [
            *self.parameters,
            *self._raw,
            *(c.name for c in self.pack.schema if c.type not in ("id", "string")),
            *self.pack.raw.get("sets", {}),
        ]

    # -- definitions --

    @property
    def outputs(self) -> list[Definition]:
        """The definitions that write a column: those that the pack puts in order (`columns`), then the others in the
        order in which they stand; what a model adds beside its result comes last."""
        order = list(dict.fromkeys(self.pack.raw["pack"].get("columns", ())))
        places = {ident: i for i, ident in enumerate(self._raw)}

        def place(d: Definition) -> tuple[int, bool, int]:
            first = order.index(d.output) if d.output in order else len(order)
            return first, d.parent is not None, places[d.parent or d.id]

        return sorted((d for d in self.definitions.values() if d.output is not None), key=place)

    def error(
        self, ident: str, message: str, key: str = "", text: str = "", start: int = 0, end: int = 0, entry: Entry = ""
    ) -> PackError:
        message = f"{key}: {message}" if key else message
        return self.pack.error(f"definition.{ident}", message, text, start, end, entry)

    def _check_names(self) -> None:
        schema, raw = self.pack.schema, self.pack.raw
        _ = self.windows, self.parameters  # looked at even if nothing uses them
        taken = {"true", "false", "null", "as_of"}
        for kind, names in (("parameters", raw.get("parameters", {})), ("sets", raw.get("sets", {})),
                            ("windows", raw.get("windows", {})), ("definition", self._raw)):  # fmt: skip
            for name in names:
                if not name.isidentifier() or name in taken:
                    raise self.pack.error(f"{kind}.{name}", "this name is taken, or is not one word")
                if not isinstance(raw.get(kind, {})[name].get(OFFERED, False), bool):
                    told = f"`{OFFERED}` is true or false"
                    raise self.pack.error(f"{kind}.{name}", told, OFFERED, 0, len(OFFERED))
                # a definition may republish the column that it is named after, such as age
                if name in schema and not (kind == "definition" and self._raw[name].get("value") == name):
                    raise self.pack.error(
                        f"{kind}.{name}", f"the patient table has a column {name!r}: choose another name"
                    )
                taken.add(name)
        for name, table in raw.get("sets", {}).items():
            _only(
                table, {"members", "title", "source", "means", "assumption", OFFERED}, f"sets.{name}", self.pack.error
            )
            members = table.get("members")
            if not isinstance(members, list) or not members or not all(isinstance(m, str) for m in members):
                raise self.pack.error(f"sets.{name}", "needs `members`, a list of names")
            if len(set(members)) < len(members):
                twice = next(m for m in members if members.count(m) > 1)
                raise self.pack.error(f"sets.{name}", f"{twice!r} stands in it twice", twice, 0, len(twice))
            for member in members:
                if member not in schema and member not in self._raw:
                    raise self.pack.error(
                        f"sets.{name}",
                        f"unknown word {member!r}{suggest(member, self.words())}",
                        member,
                        0,
                        len(member),
                    )
                if member in schema and member not in self._raw and schema[member].type != "bool":
                    raise self.pack.error(f"sets.{name}", f"{member!r} is not a condition", member, 0, len(member))

    def _effective(self, ident: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The definition's table with the version in force (or the nearest) folded in."""
        versions = body.get("versions") or [{}]
        if not isinstance(versions, list) or not all(isinstance(v, dict) for v in versions):
            raise self.error(ident, "`versions` is a list of tables", text="versions", end=len("versions"))
        candidates = []
        for version in versions:
            table = {k: v for k, v in body.items() if k != "versions"} | dict(version)
            start, end = table.get("effective_from", dt.date.min), table.get("effective_to", dt.date.max)
            if type(start) is not dt.date or type(end) is not dt.date or start > end:
                key = "effective_from" if "effective_from" in table else "effective_to"
                raise self.error(
                    ident, "effective_from and effective_to are dates, in that order", text=key, end=len(key)
                )
            if (kind := table.get("kind")) in KINDS:
                _only(table, _COMMON_KEYS | _KIND_KEYS[kind], f"definition.{ident}", self.pack.error)
            candidates.append((start, end, table))
        candidates.sort(key=lambda c: c[0])
        for (_, end, _), (start, _, _) in pairwise(candidates):
            if end >= start:
                at = f"effective_from = {start}"
                raise self.error(ident, f"two versions are in force on {start}", text=at, end=len(at))
        for start, end, table in candidates:
            if start <= self.as_of <= end:
                return table
        self._nearest.append(ident)
        return min(candidates, key=lambda c: min(abs((c[0] - self.as_of).days), abs((c[1] - self.as_of).days)))[2]

    def _define(self, ident: str) -> Definition:
        if ident in self._building:
            raise self.error(ident, f"refers to itself, through {' → '.join([*self._building, ident])}")
        self._building.append(ident)
        try:
            return self._build(ident, self._raw[ident])
        except RecursionError:
            raise self.error(ident, "too deeply nested") from None
        finally:
            self._building.pop()

    def _build(self, ident: str, raw: dict[str, Any]) -> Definition:
        kind = raw.get("kind")
        if kind is None and len(self.pack.sources) > 1:
            near = suggest(ident, [other for other in self._raw if other != ident])
            problem = f"there is no definition {ident!r} to change{near}; a new one needs a `kind`: {', '.join(KINDS)}"
            raise self.error(ident, problem, text=ident, end=len(ident))
        if kind not in KINDS:
            shown = str(kind or "")
            problem = f"needs a `kind`: one of {', '.join(KINDS)}{suggest(shown, KINDS)}"
            raise self.error(ident, problem, text=shown, end=len(shown))
        for key in _TEXT_KEYS & set(raw):
            if not isinstance(raw[key], str):
                raise self.error(ident, f"`{key}` is text", text=key, end=len(key))
        for key in ("title", "version"):
            if key not in raw:
                raise self.error(ident, f"needs a `{key}`")
        if "source" not in raw and "assumption" not in raw:
            raise self.error(ident, "needs a `source`, or an `assumption` with its reason")
        build: Callable[[str, dict[str, Any]], n.Node] = getattr(self, f"_{kind}")
        node = build(ident, raw)
        node = self._only_eligible(ident, raw, node)
        if node.type.kind == "null":
            raise self.error(ident, "is always null")
        definition = self.finish(ident, kind, node, raw)
        self.definitions[ident] = definition
        return definition

    def finish(self, ident: str, kind: str, node: n.Node, raw: dict[str, Any], parent: str | None = None) -> Definition:
        output = raw.get("output", False)
        if output is True:
            output = ident
        if output is not False and not (isinstance(output, str) and output.isidentifier()):
            shown = str(output)
            raise self.error(ident, "`output` is true, false or the name of a column", text=shown, end=len(shown))
        if output in (*KEY_COLUMNS, *PLACE_COLUMNS, "quality_flags"):
            raise self.error(ident, f"the scored table has a column {output!r} already", text=output, end=len(output))
        declared = raw.get("type")
        if declared is not None and (node.type.kind != "number" or declared not in NUMBER_TYPES):
            shown = str(declared)
            near = "" if declared in NUMBER_TYPES else suggest(shown, NUMBER_TYPES)
            problem = f"`type` is for numbers: one of {', '.join(NUMBER_TYPES)}{near}"
            raise self.error(ident, problem, text=shown, end=len(shown))
        match node.type.kind:
            case "bool":
                dtype = "bool"
            case "category":
                dtype = "dictionary"
                if len(node.type.labels) > 120:
                    raise self.error(ident, "more than 120 labels")
            case "date":
                if output is not False:
                    raise self.error(ident, "a date cannot be an output column")
                dtype = "date32"
            case _:
                dtype = declared or ("uint8" if isinstance(_under(node), n.CountTrue) else "float64")
        return Definition(
            ident, kind, node, raw["title"], raw.get("means", ""), raw.get("source", raw.get("assumption", "")),
            raw["version"], output or None, dtype, raw, parent,
        )  # fmt: skip

    def parse(
        self, ident: str, key: str, text: Any, condition: bool = False, scope: Any = None, entry: Entry = ""
    ) -> n.Node:
        """An expression of a definition, errors pointing at its place in the file (`entry` as for `Pack.error`)."""
        if isinstance(text, bool | int | float) and not condition:
            text = repr(text).lower()
        if isinstance(text, bool):
            return n.Const(n.BOOL, str(text).lower(), text)
        if not isinstance(text, str) or not text.strip():
            if key.isidentifier():
                raise self.error(ident, f"needs `{key}`, an expression in quotes", text=key, end=len(key))
            raise self.error(ident, f"{key}: needs an expression in quotes")
        try:
            return (parse_condition if condition else parse)(text, scope or self)
        except ExpressionError as error:
            raise self.error(ident, error.message, key, text, error.start, error.end, entry) from None

    def _only_eligible(self, ident: str, raw: Mapping[str, Any], node: n.Node) -> n.Node:
        if "eligible" not in raw:
            return node
        if ident in self.models:
            condition = self.models[ident].eligible
            assert condition is not None
            return n.Only(node.type, node.text, condition, node)
        condition = self.parse(ident, "eligible", raw["eligible"], condition=True)
        if node.type == n.BOOL:
            return conjunction([condition, node], node.text)
        return n.Only(node.type, node.text, condition, node)

    # -- kinds --

    def _expression(self, ident: str, raw: Mapping[str, Any]) -> n.Node:
        return self.parse(ident, "value", raw.get("value"))

    def _count(self, ident: str, raw: Mapping[str, Any]) -> n.Node:
        of = raw.get("of")
        names = [of] if isinstance(of, str) else of
        if not isinstance(names, list) or not names or not all(isinstance(x, str) for x in names):
            raise self.error(ident, "needs `of`: the name of a set, or a list of conditions")
        for name in names:
            if self.members(name) is None:
                self.parse(ident, "of", name, condition=True)  # so that a fault is shown where it is written
        return self.parse(ident, "of", f"count({', '.join(names)})")

    def _first_match(self, ident: str, raw: Mapping[str, Any]) -> n.Node:
        rules = raw.get("rules")
        if not isinstance(rules, list) or not rules:
            raise self.error(ident, "needs `rules`, a list of { label, when }")
        items, found = [], []
        for number, rule in enumerate(rules, 1):
            if not isinstance(rule, dict):
                raise self.error(ident, f"rule {number} is not a table")
            _only(rule, {"label", "when", "means", "source", "assumption"}, f"definition.{ident}", self.pack.error)
            label = rule.get("label")
            if not isinstance(label, str) or not label:
                raise self.error(ident, f"rule {number} needs a `label`")
            found.append(label)
            items.append((self.parse(ident, f"rule {number}, {label}", rule.get("when"), condition=True), label))
        last = raw.get("otherwise")
        if last is not None and not isinstance(last, str):
            raise self.error(ident, "`otherwise` is a label", text="otherwise", end=len("otherwise"))
        used = list(dict.fromkeys([*found, *([last] if last else [])]))
        labels = raw.get("labels", used)
        if not isinstance(labels, list) or set(labels) != set(used) or len(set(labels)) < len(labels):
            raise self.error(
                ident, "`labels`, where given, lists each label of the rules once", text="labels", end=len("labels")
            )
        return label_cases(items, last, tuple(labels))

    def _status(self, ident: str, raw: Mapping[str, Any]) -> n.Node:
        parts = {k: self.parse(ident, k, raw.get(k), condition=True) for k in ("diagnosed", "optimised", "undiagnosed")}
        diagnosed = parts["diagnosed"]
        items = [
            (conjunction([diagnosed, parts["optimised"]], f"{diagnosed.text}, optimised"), "optimised"),
            (diagnosed, "unoptimised"),
            (parts["undiagnosed"], "undiagnosed"),
        ]
        return label_cases(items, "none", STATUS_LABELS)

    def _tree(self, ident: str, raw: Mapping[str, Any]) -> n.Node:
        table = raw.get("nodes")
        if not isinstance(table, list) or not table:
            raise self.error(ident, "needs `nodes`, a list of splits and leaves")
        by_id: dict[Any, dict[str, Any]] = {}

        def fail(message: str, at: str) -> PackError:
            return self.error(ident, message, text=at, end=len(at))

        for node in table:
            if not isinstance(node, dict) or "id" not in node:
                raise self.error(ident, "every node has an `id`")
            _only(
                node, {"id", "split", "yes", "no", "value", "n", "mean", "note"}, f"definition.{ident}", self.pack.error
            )
            if node["id"] in by_id:
                raise fail(f"node {node['id']} stands twice", f"id = {node['id']}")
            by_id[node["id"]] = node
        used: list[Any] = []
        items: list[tuple[n.Node, n.Node]] = []

        def descend(key: Any, path: list[n.Node], at: str) -> None:
            if key in used:
                raise fail(f"node {key} is reached twice", at)
            if key not in by_id:
                raise fail(f"there is no node {key}", at)
            used.append(key)
            node, here = by_id[key], f"id = {key}"
            if "value" in node:
                if "split" in node or not _is_number(node["value"]):
                    raise fail(f"node {key}: a leaf has a number as its `value` and no split", here)
                items.append((conjunction(path, f"leaf {key}"), n.Const(n.NUMBER, str(node["value"]), node["value"])))
                return
            if not {"split", "yes", "no"} <= set(node):
                raise fail(f"node {key}: needs a `value`, or a `split` with `yes` and `no`", here)
            split = self.parse(ident, f"node {key}", node["split"], condition=True)
            descend(node["yes"], [*path, split], f"yes = {node['yes']}")
            descend(node["no"], [*path, negation(split, f"not ({split.text})")], f"no = {node['no']}")

        descend(table[0]["id"], [], "")
        if len(used) < len(by_id):
            lost = next(k for k in by_id if k not in used)
            raise fail(f"node {lost} is never reached", f"id = {lost}")
        return cases(items, n.Const(n.NULL, "null", None), n.NUMBER, ident)

    def _model(self, ident: str, raw: dict[str, Any]) -> n.Node:
        return ModelBuilder(self, ident, raw).build()


def _type_of(value: Any) -> n.Type | None:
    """The type of a parameter's value; None for what cannot be one."""
    if isinstance(value, bool):
        return n.BOOL
    if isinstance(value, int | float):
        return n.NUMBER if _is_number(value) else None
    if type(value) is dt.date:
        return n.DATE
    return n.Type("category", (value,)) if isinstance(value, str) else None


def column_node(column: Column) -> n.Node | None:
    """A column as a word of the language; a category with a declared reading of null has it put in here."""
    match column.type:
        case "bool":
            return n.Column(n.BOOL, column.name, column.name)
        case "int" | "float":
            return n.Column(n.NUMBER, column.name, column.name)
        case "date":
            return n.Column(n.DATE, column.name, column.name)
        case "category":
            kind = n.Type("category", column.labels)
            node = n.Column(kind, column.name, column.name)
            if column.null_is is None:
                return node
            return coalesce(node, n.Const(n.Type("category", (column.null_is,)), "", column.null_is), column.name)
        case _:
            return None


def label_cases(items: Sequence[tuple[n.Node, str]], otherwise: str | None, labels: tuple[str, ...]) -> n.Node:
    """First match over labels, as a category whose codes follow `labels`."""
    kind = n.Type("category", labels)
    last = n.Const(n.NULL, "null", None) if otherwise is None else n.Const(kind, otherwise, otherwise)
    node = cases([(when, n.Const(kind, label, label)) for when, label in items], last, kind, "")
    return n.Cases(kind, "", (), node) if isinstance(node, n.Const) else node


def _under(node: n.Node) -> n.Node:
    return _under(node.item) if isinstance(node, n.Only) else node
