"""From a pack as written to its definitions at an as-of date, typed.

`resolve` picks the version of each definition that is in force, looks at parameters, windows and sets, and has each
kind build its definitions, in the order in which they use one another.
"""

from __future__ import annotations

import datetime as dt
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from popstrat.core.small_files import parse_toml
from popstrat.core.text import suggest
from popstrat.errors import ExpressionError, PackError
from popstrat.lang import nodes as n
from popstrat.lang.lookup import Lookup
from popstrat.lang.names import name_fault
from popstrat.lang.parser import DEEPEST, FUNCTIONS, SHALLOWER, Scope, conjunction, parse, parse_condition
from popstrat.lang.source_map import Entry
from popstrat.lang.toml_places import Path
from popstrat.packs import shapes
from popstrat.packs.alike import LIKE
from popstrat.packs.builder import Raw
from popstrat.packs.definition import NOT_HELD, Definition, beyond, definition_of
from popstrat.packs.in_force import in_force
from popstrat.packs.key_shapes import check_keys
from popstrat.packs.kinds.registry import KINDS
from popstrat.packs.model.parts import Model
from popstrat.packs.patient_table import Schema
from popstrat.packs.rank import DEFAULT_RANK, RANK
from popstrat.packs.read import builtin_packs, read_file
from popstrat.packs.resolved import Resolved
from popstrat.packs.seal import seal_is_gone
from popstrat.packs.shapes import is_number, only
from popstrat.packs.tables import PackTables
from popstrat.packs.typed import choices, column_node, type_of
from popstrat.packs.unused import OFFERED, SECTIONS
from popstrat.packs.uses import WORD, used_words

_TEXT_KEYS = {"title", "means", "source", "assumption", "caveat", "version", "licence", "unit"}
_COMMON_KEYS = _TEXT_KEYS | {
    "kind", LIKE, "eligible", "output", OFFERED, "type", "effective_from", "effective_to", "versions",
    "reference_patients", "sentences", RANK, DEFAULT_RANK,
}  # fmt: skip
_PARAMETER_KEYS = {"value", "one_of", "title", "unit", "source", "means", "assumption", OFFERED}
_WINDOW_KEYS = {"months", "title", "means", "source", OFFERED}
_LOOKUP_KEYS = {"values", "otherwise", "null_is", "title", "unit", "source", "means", "assumption", OFFERED}
_SET_KEYS = {"members", "title", "source", "means", "assumption", OFFERED}
_LONGEST_WINDOW = 1800  # months
_RULE_KEYS = ("value", "terms", "rules", "nodes", "of", "diagnosed")  # at which a definition is pointed at
_FEW = 4  # definitions named in a notice
_STEP = 10  # of a chain of definitions, one in so many is built before its turn
_MOST_BUILDING = 2 * _STEP  # definitions that wait for one another: more do only if they go round in a circle
_TYPES = {"number": "a number", "bool": "true or false", "date": "a date", "category": "text"}
MOST_PARTS = 200_000
"""Of all rules of a pack together: words, values and operations; what several terms share counts in each."""


def resolve(pack: PackTables, as_of: dt.date) -> Resolved:
    """Every definition of a pack, typed, as it stands at `as_of`; reference patients are not looked at. Raises
    `PackError` pointing at file, line and word."""
    check_keys(pack.raw, pack.error)
    resolver = Resolver(pack, as_of)
    resolver.check_names()
    for ident in resolver.in_order():
        resolver.define(ident)
    not_in_force = tuple(resolver.not_in_force())
    notices = (*_unused(pack), *_seals(pack), *not_in_force)
    resolved = Resolved(
        pack, as_of, resolver.definitions, resolver.parameters, resolver.models, resolver.tallies, notices, not_in_force
    )
    _check_outputs(resolved)
    return resolved


def expression(resolved: Resolved, text: str) -> n.Node:
    """What a rule says in the words of a pack, though it stands in none. Raises `ExpressionError`."""
    resolver = Resolver(resolved.pack, resolved.as_of)
    resolver.definitions |= resolved.definitions
    return parse(text, resolver)


class Resolver:
    """The scope in which the words of a pack are looked up, and the definitions built so far (a `builder.Builder`)."""

    def __init__(self, pack: PackTables, as_of: dt.date) -> None:
        self.pack, self._as_of = pack, as_of
        self.definitions: dict[str, Definition] = {}
        self.models: dict[str, Model] = {}
        self.tallies: dict[tuple[str, str, str], n.Node] = {}
        self._building: list[str] = []
        self._depths: dict[str, int] = {}  # definition → how deep it nests, with those that it uses
        self._parts = 0  # of all definitions so far
        self._nearest: list[str] = []
        self.bodies = {k: self._in_force(k, v) for k, v in pack.raw.get("definition", {}).items()}

    # -- the scope --

    @property
    def as_of(self) -> dt.date:
        return self._as_of

    @property
    def schema(self) -> Schema:
        return self.pack.schema

    @cached_property
    def windows(self) -> Mapping[str, int]:
        out = {}
        for name, table in self.pack.raw.get("windows", {}).items():
            only(table, _WINDOW_KEYS, f"windows.{name}", self.pack.error)
            months = table.get("months")
            if isinstance(months, bool) or not isinstance(months, int) or not 0 <= months <= _LONGEST_WINDOW:
                told = f"needs `months`, a whole number from 0 to {_LONGEST_WINDOW:,}"
                raise self.pack.error(f"windows.{name}", told, "months", 0, len("months"))
            out[name] = months
        return out

    @cached_property
    def lookups(self) -> Mapping[str, Lookup]:
        return {name: self._lookup(name, table) for name, table in self.pack.raw.get("lookups", {}).items()}

    def _lookup(self, name: str, table: Raw) -> Lookup:
        def fail(message: str, text: str) -> PackError:
            return self.pack.error(f"lookups.{name}", message, text, 0, len(text))

        only(table, _LOOKUP_KEYS, f"lookups.{name}", self.pack.error)
        values = shapes.items(table.get("values"))
        if not values:
            told = "needs `values`, a table of numbers by label or by whole number"
            raise fail(told, "values" if "values" in table else "")
        numbers = [*values.items(), *((key, table[key]) for key in ("otherwise", "null_is") if key in table)]
        for label, number in numbers:
            if not is_number(number):
                told = "`values` are a table of numbers by label; `otherwise` and `null_is` are numbers"
                raise fail(told, label)
        return Lookup(values, table.get("otherwise"), table.get("null_is"))

    @cached_property
    def dated(self) -> frozenset[str]:
        return frozenset(c.name for c in self.schema if c.dates)

    @cached_property
    def parameters(self) -> dict[str, n.Const]:
        out = {}
        for name, table in self.pack.raw.get("parameters", {}).items():
            only(table, _PARAMETER_KEYS, f"parameters.{name}", self.pack.error)
            value = table.get("value")
            kind = type_of(value)
            if kind is None:
                told = f"needs a `value`: a number, true or false, a date or a label{shapes.beyond(value)}"
                raise self.pack.error(f"parameters.{name}", told, "value", 0, 5)
            if "one_of" in table:
                kind = self._one_of(name, table, kind)
            out[name] = n.Const(kind, name, value, name)
        return out

    def _one_of(self, name: str, table: Raw, kind: n.Type) -> n.Type:
        """The type of a parameter that has one of several values, all of them in a category's type."""

        def fail(message: str, text: str = "one_of") -> PackError:
            return self.pack.error(f"parameters.{name}", message, text, 0, len(text))

        given = table["one_of"]
        if not isinstance(given, list) or not all(isinstance(item, dict) for item in given) or len(given) < 2:
            raise fail("`one_of` is a list of at least two tables, each with a `value` and what it `means`")
        for item in given:
            only(item, ("value", "means"), f"parameters.{name}", self.pack.error)
            other = type_of(item.get("value"))
            if other is None or other.kind != kind.kind or kind.kind == "bool":
                raise fail("each `value` of `one_of` is a number, a date or a label, as the parameter's is")
            if not isinstance(item.get("means"), str) or not item["means"]:
                raise fail("each value of `one_of` says what it `means`")
        known, value = list(choices(table)), table["value"]
        if len(known) < len(given):
            raise fail("a value stands in `one_of` twice")
        if value not in known:
            near = suggest(value, known) if isinstance(value, str) else ""
            raise fail(f"{value!r} is not one of {', '.join(map(str, known))}{near}", str(value))
        return n.Type("category", tuple(known)) if kind.kind == "category" else kind

    def members(self, set_name: str) -> Sequence[str] | None:
        found = self.pack.raw.get("sets", {}).get(set_name)
        return None if found is None else list(found.get("members", ()))

    def lookup(self, name: str) -> n.Node | None:
        if name in self.parameters:
            return self.parameters[name]
        if (name in self.bodies or name in self.definitions) and name not in self.schema:
            definition = self.definitions.get(name) or self.define(name)
            return n.Named(definition.node.type, name, name)
        if name in self.schema:
            if self.schema[name].type in ("id", "string"):
                raise ExpressionError(f"{name!r} holds names or codes, which rules do not read")
            return column_node(self.schema[name])
        return None

    def words(self) -> Iterable[str]:
        return [
            *self.parameters,
            *self.bodies,
            *(c.name for c in self.schema if c.type not in ("id", "string")),
            *self.pack.raw.get("sets", {}),
        ]

    # -- what a definition is built with --

    def definition(self, ident: str) -> Definition:
        return self.definitions[ident]

    def parse(
        self, ident: str, key: str, text: Any, condition: bool = False, scope: Scope | None = None, entry: Entry = "",
        at: Path = (),
    ) -> n.Node:  # fmt: skip
        if isinstance(text, bool | int | float) and not condition:
            text = repr(text).lower()
        if isinstance(text, bool):
            return n.Const(n.BOOL, str(text).lower(), text)
        if not isinstance(text, str) or not text.strip():
            if key.isidentifier():
                raise self.fault(ident, f"needs `{key}`, an expression in quotes", key, entry, at)
            raise self.fault(ident, f"{key}: needs an expression in quotes", "", entry, at)
        try:
            return (parse_condition if condition else parse)(text, scope or self)
        except ExpressionError as error:
            self._blame_parameters(text)
            told = f"{key}: {error.message}{self._elsewhere(error.unknown)}"
            raise self.pack.error(f"definition.{ident}", told, text, error.start, error.end, entry, at) from None

    def _blame_parameters(self, text: str) -> None:
        """Where a rule is at fault and a parameter in it is of another type than in a file that this extends, or is
        a number or a date in quotes, the parameter is what is wrong. Raises `PackError`."""
        for name in (word for word in dict.fromkeys(WORD.findall(text)) if word in self.parameters):
            kind = self.parameters[name].type.kind
            for source in self.pack.sources[1:]:
                before = type_of(shapes.items(parse_toml(source.text).get("parameters", {}).get(name)).get("value"))
                if before is not None and before.kind != kind:
                    told = f"its `value` is {_TYPES[kind]}, and in {source.name} it is {_TYPES[before.kind]}"
                    raise self.pack.error(f"parameters.{name}", told, "value", 0, len("value"))
            value = self.parameters[name].value
            bare = type_of(_unquoted(value)) if isinstance(value, str) else None
            if bare is not None and bare.kind != kind:
                told = f"its `value` is text: without the quotes it is {_TYPES[bare.kind]}"
                raise self.pack.error(f"parameters.{name}", told, str(value), 0, len(str(value)))

    def _elsewhere(self, name: str) -> str:
        """Which packs that come with popstrat have a window of this name, for the end of a message."""
        found = [pack for pack in builtin_packs() if name and name in read_file(pack).raw.get("windows", {})]
        return f" ({name} is a window of {' and '.join(found)}: extend it, or add [windows.{name}])" if found else ""

    def make(self, ident: str, node: n.Node, raw: Raw, parent: str) -> Definition:
        kind = self.bodies[parent]["kind"]
        return definition_of(
            ident, kind, node, raw, self.schema, lambda told, text: self.fault(ident, told, text), parent
        )

    def only(self, ident: str, table: Raw, known: Iterable[str]) -> None:
        only(table, known, f"definition.{ident}", self.pack.error)

    def fault(
        self, ident: str, message: str, text: str = "", entry: Entry = "", at: Path = (), value: bool = False
    ) -> PackError:
        return self.pack.error(f"definition.{ident}", message, text, 0, len(text), entry, at, value)

    # -- definitions --

    def in_order(self) -> list[str]:
        """The definitions as they stand, but before them, where many lead to one another, some of those that others
        lead to: so that however long the chain, few wait for one another while they are built."""
        sets = self.pack.raw.get("sets", {})

        def uses(ident: str) -> Iterator[str]:
            for word in used_words(self.bodies[ident]):
                members = () if word in self.bodies else shapes.texts(shapes.items(sets.get(word)).get("members", []))
                yield from (name for name in (word, *members) if name in self.bodies)

        first: list[str] = []
        heights: dict[str, int] = {}  # how many definitions lead to one another below each; 0 while that is looked at
        for start in self.bodies:
            ahead = [] if start in heights else [(start, uses(start))]
            while ahead:
                ident, words = ahead[-1]
                heights.setdefault(ident, 0)
                other = next((word for word in words if word not in heights), None)
                if other is not None:
                    ahead.append((other, uses(other)))
                    continue
                ahead.pop()
                heights[ident] = 1 + max((heights[word] for word in uses(ident)), default=0)
                if heights[ident] % _STEP == 0:
                    first.append(ident)
        return [*first, *self.bodies]

    def define(self, ident: str) -> Definition:
        """A definition, built if it is not yet, and those that it uses before it."""
        if ident in self.definitions:
            return self.definitions[ident]
        if ident in self._building or len(self._building) > _MOST_BUILDING:
            chain = [*self._building, ident]
            chain = chain if len(chain) <= _MOST_BUILDING else [*chain[:_FEW], "…", ident]
            raise self.fault(ident, f"refers to itself, through {' → '.join(chain)}")
        self._building.append(ident)
        try:
            return self._define(ident, self.bodies[ident])
        finally:
            self._building.pop()

    def _within_bounds(self, ident: str, definitions: Iterable[Definition]) -> None:
        """Refuse what nests deeper, or is more, than what reads it is made for."""
        for d in definitions:
            depth, parts = n.extent(d.node, self._depths)
            self._depths[d.id] = depth
            self._parts += parts
            if depth > DEEPEST:
                told = (
                    f"nests {depth:,} deep, with the definitions that it uses, and the most is {DEEPEST}: {SHALLOWER}"
                )
                raise self.fault(ident, told, at=next(((k,) for k in _RULE_KEYS if k in self.bodies[ident]), ()))
            if self._parts > MOST_PARTS:
                told = (
                    f"with this definition the rules of the pack have more than the {MOST_PARTS:,} parts that they may"
                )
                raise self.fault(ident, told)

    def _define(self, ident: str, raw: dict[str, Any]) -> Definition:
        if not isinstance(raw.get("kind"), str) or raw["kind"] not in KINDS:
            raise self._without_kind(ident, raw)
        kind = KINDS[raw["kind"]]
        self.only(ident, raw, _COMMON_KEYS | kind.keys)
        for key in _TEXT_KEYS & set(raw):
            if not isinstance(raw[key], str):
                raise self.fault(ident, f"`{key}` is text", key)
        for key in ("title", "version"):
            if key not in raw:
                raise self.fault(ident, f"needs a `{key}`")
        if "source" not in raw and "assumption" not in raw:
            raise self.fault(ident, "needs a `source`, or an `assumption` with its reason")
        built = kind.build(self, ident, raw)
        self._within_bounds(ident, built.besides)
        self.definitions.update({d.id: d for d in built.besides})
        self.tallies.update(built.tallies)
        if built.model is not None:
            self.models[ident] = built.model
        eligible = kind.eligible(self, ident, raw)
        node = _for_eligible(built.node, eligible)
        if node.type.kind == "null":
            raise self.fault(ident, "is always null")
        definition = definition_of(
            ident,
            kind.name,
            node,
            raw,
            self.schema,
            lambda told, text: self.fault(ident, told, text),
            None,
            eligible,
            built.rules,
        )
        self._within_bounds(ident, [definition])
        self.definitions[ident] = definition
        if isinstance(definition.node, n.Whole):
            self.tallies[ident, NOT_HELD, definition.dtype] = beyond(definition.node)
        return definition

    def _without_kind(self, ident: str, raw: Raw) -> PackError:
        known = ", ".join(KINDS)
        if "kind" not in raw and len(self.pack.sources) > 1:
            near = suggest(ident, [other for other in self.bodies if other != ident])
            told = f"there is no definition {ident!r} to change{near}; a new one needs a `kind`: {known}"
            return self.fault(ident, told, ident)
        shown = str(raw.get("kind") or "")
        return self.fault(ident, f"needs a `kind`: one of {known}{suggest(shown, KINDS)}", shown)

    # -- versions --

    def _in_force(self, ident: str, body: Raw) -> dict[str, Any]:
        """The definition's table with the version in force (or the nearest) folded in."""

        def check(table: Raw) -> None:
            if isinstance(table.get("kind"), str) and table["kind"] in KINDS:
                self.only(ident, table, _COMMON_KEYS | KINDS[table["kind"]].keys)

        table, holds = in_force(body, self.as_of, lambda told, text: self.fault(ident, told, text), check)
        if not holds:
            self._nearest.append(ident)
        return table

    def not_in_force(self) -> Iterator[str]:
        """What to tell of definitions none of whose versions holds at the date."""
        if self._nearest:
            more = len(self._nearest) - _FEW
            shown = ", ".join(self._nearest[:_FEW]) + (f" and {more} more" if more > 0 else "")
            count = f"{len(self._nearest)} definition{'s have' if len(self._nearest) > 1 else ' has'}"
            yield f"{count} no version in force at {self.as_of}; the nearest was used: {shown}"

    # -- names --

    def check_names(self) -> None:
        """Raise `PackError` for what is wrong with the names of a pack's things, or with its parameters, windows and
        sets, though nothing uses them."""
        schema, raw = self.schema, self.pack.raw
        _ = self.windows, self.lookups, self.parameters
        for section in ("parameters", "sets", "windows", "lookups", "definition"):
            for name, table in raw.get(section, {}).items():
                fault = name_fault(name)
                if not fault and section in ("windows", "lookups") and name in FUNCTIONS:
                    fault = "is a function of the rule language: choose another name"
                if not fault and section == "lookups" and name in self.windows:
                    fault = "is a window already: choose another name"
                if fault:
                    raise self.pack.error(f"{section}.{name}", f"the name {name!r} {fault}", name, 0, len(name))
                if not isinstance(table.get(OFFERED, False), bool):
                    told = f"`{OFFERED}` is true or false"
                    raise self.pack.error(f"{section}.{name}", told, OFFERED, 0, len(OFFERED))
                # a definition may republish the column that it is named after, such as age
                if name in schema and not (section == "definition" and self.bodies[name].get("value") == name):
                    told = f"the patient table has a column {name!r}: choose another name"
                    raise self.pack.error(f"{section}.{name}", told)
        for name, table in raw.get("sets", {}).items():
            self._check_set(name, table)

    def _check_set(self, name: str, table: Raw) -> None:
        def fail(message: str, text: str = "") -> PackError:
            return self.pack.error(f"sets.{name}", message, text, 0, len(text))

        only(table, _SET_KEYS, f"sets.{name}", self.pack.error)
        members = table.get("members")
        if not isinstance(members, list) or not members or not all(isinstance(m, str) for m in members):
            raise fail("needs `members`, a list of names")
        if len(set(members)) < len(members):
            twice = next(m for m, times in Counter(members).items() if times > 1)
            raise fail(f"{twice!r} stands in it twice", twice)
        for member in members:
            if member in self.bodies:
                continue
            if member not in self.schema:
                raise fail(f"unknown word {member!r}{suggest(member, self.words())}", member)
            if self.schema[member].type != "bool":
                raise fail(f"{member!r} is not a condition", member)


def _unquoted(text: str) -> Any:
    """What a text is in TOML without its quotes; None if it is nothing."""
    try:
        return parse_toml(f"x = {text}").get("x")
    except tomllib.TOMLDecodeError:
        return None


def _for_eligible(node: n.Node, eligible: Sequence[n.Node]) -> n.Node:
    """A result for whoever is eligible: null for everybody else, or false where it is a condition."""
    if not eligible:
        return node
    condition = eligible[0] if len(eligible) == 1 else conjunction(eligible, "eligible")
    if node.type == n.BOOL:
        return conjunction([condition, node], node.text)
    return n.Only(node.type, node.text, condition, node)


# -- what is told of all of it -----------------------------------------------------------------------------------------


def _unused(pack: PackTables) -> Iterator[str]:
    """What the pack at hand adds and nothing uses is refused, as a change that is misspelt would else change nothing;
    of a pack that it extends, whose makers may offer more than is used here, it is told."""
    for found in pack.unused:
        near = suggest(found.name, found.near)
        if not found.fault:
            yield f"{found.file}: {found.told}{near}"
            continue
        if found.section == "pack":
            raise pack.error("pack", f"{found.told}{near}", found.name, 0, len(found.name))
        told = f"{found.told}, and no pack that this one extends has a {SECTIONS[found.section]} of that name{near}"
        section = "input" if found.section == "input" else f"{found.section}.{found.name}"
        raise pack.error(section, told, found.name, 0, len(found.name))


def _seals(pack: PackTables) -> Iterator[str]:
    for source in pack.sources:
        if seal_is_gone(source.text):
            yield f"{source.name} says how it was fitted, but its seal has been removed"


def _check_outputs(resolved: Resolved) -> None:
    """Raise `PackError` if two definitions write one column."""
    outputs: dict[str, str] = {}
    for d in resolved.definitions.values():
        if d.output is not None:
            if d.output in outputs:
                told = f"writes the output column {d.output!r}, as {outputs[d.output]!r} does"
                raise resolved.pack.error(f"definition.{d.id}", told)
            outputs[d.output] = d.id
