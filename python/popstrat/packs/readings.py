"""Readings: what a pack counts of its conditions as other values of its parameters would have them.

Where a source leaves its own rule open, a parameter says how it is read, and a run counts the people under every
reading beside those under the one at hand. A pack names the conditions and the parameters:

    [readings.cohort]
    title = "The cohort, as its two sentences can be read"
    of = ["in_cohort"]
    parameters = ["cohort_reading"]

Nothing of it is a column. The definitions that depend on these parameters are built once more for each other reading,
by the same rules; a run that counts nothing leaves them out (`Resolved` has none until `with_readings` adds them).
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from popstrat.core.text import suggest
from popstrat.errors import PackError
from popstrat.lang import nodes as n
from popstrat.packs import shapes
from popstrat.packs.resolve import Resolver
from popstrat.packs.resolved import Reading, Resolved
from popstrat.packs.tables import PackTables
from popstrat.packs.typed import choices
from popstrat.packs.uses import used_words

TALLIED = "reading"
"""The kind of what is counted of a reading: (column, this, reading)."""
_KEYS = {"title", "means", "of", "parameters"}
_MOST = 64  # readings of one condition


def with_readings(resolved: Resolved) -> Resolved:
    """The same pack with what it counts of its readings: `readings`, and their definitions and tallies. Raises
    `PackError` for a table `[readings]` at fault."""
    found: dict[tuple[str, str], Reading] = {}
    definitions = dict(resolved.definitions)
    made: dict[str, tuple[set[str], Resolver]] = {}
    users = _direct_users(resolved.pack) if resolved.pack.raw.get("readings") else {}
    for name, table in resolved.pack.raw.get("readings", {}).items():
        parameters, columns = _checked(resolved, name, table)
        for column in columns:
            for reading in _readings(resolved, name, column, parameters, users):
                found[column, reading.label] = reading
                if not reading.used and reading.ident not in definitions:
                    definitions |= _variants(resolved, reading, made, users)
    tallies = {
        (column, TALLIED, label): n.Named(n.BOOL, reading.label, reading.ident)
        for (column, label), reading in found.items()
    }
    return dataclasses.replace(
        resolved,
        definitions=definitions,
        tallies={**resolved.tallies, **tallies},
        readings=tuple(found.values()),
    )


def _checked(resolved: Resolved, name: str, table: Mapping[str, Any]) -> tuple[dict[str, list[Any]], list[str]]:
    """The parameters of a table `[readings.name]` with the values that they may have, and its conditions."""
    pack = resolved.pack

    def fail(message: str, text: str = "") -> PackError:
        return pack.error(f"readings.{name}", message, text, 0, len(text))

    if not isinstance(table, Mapping):
        raise fail("is a table")
    shapes.only(table, _KEYS, f"readings.{name}", pack.error)
    for key in ("title", "means"):
        if not isinstance(table.get(key, ""), str):
            raise fail(f"`{key}` is text", key)
    for key in ("of", "parameters"):
        if not isinstance(table.get(key), list) or not shapes.is_names(table[key]):
            raise fail(f"needs `{key}`, a list of names", key)
    varied = {}
    for parameter in table["parameters"]:
        if parameter not in resolved.parameters:
            raise fail(f"there is no parameter {parameter!r}{suggest(parameter, resolved.parameters)}", parameter)
        const = resolved.parameters[parameter]
        values = [True, False] if const.type == n.BOOL else list(choices(pack.raw["parameters"][parameter]))
        if not values:
            raise fail(f"the parameter {parameter} does not say what it is `one_of`", parameter)
        varied[parameter] = values
    for column in table["of"]:
        definition = resolved.definitions.get(column)
        if definition is None:
            raise fail(f"there is no definition {column!r}{suggest(column, resolved.definitions)}", column)
        if definition.node.type != n.BOOL:
            raise fail(f"{column} is {definition.node.type}, not a condition", column)
    return varied, table["of"]


def _readings(
    resolved: Resolved, name: str, column: str, parameters: Mapping[str, list[Any]], users: Mapping[str, set[str]]
) -> Iterator[Reading]:
    """Every reading of one condition, by the parameters that it depends on."""
    own = {p: values for p, values in parameters.items() if column in _users(resolved.pack, users, [p])}
    count = 1
    for values in own.values():
        count *= len(values)
    if not own or count > _MOST:
        told = f"none of these parameters changes {column}" if not own else f"{column} has more than {_MOST} readings"
        raise resolved.pack.error(f"readings.{name}", told, column, 0, len(column))
    for some in itertools.product(*own.values()):
        chosen = dict(zip(own, some, strict=True))
        label = "; ".join(f"{p} = {str(v).lower() if isinstance(v, bool) else v}" for p, v in chosen.items())
        used = all(resolved.parameters[p].value == v for p, v in chosen.items())
        yield Reading(column, label, chosen, used, column if used else f"{column} [{label}]")


def _variants(
    resolved: Resolved, reading: Reading, made: dict[str, tuple[set[str], Resolver]], users: Mapping[str, set[str]]
) -> dict[str, Any]:
    """A condition, and the definitions between it and the parameters, as they are under another reading."""
    suffix = reading.ident.removeprefix(reading.column)
    if suffix not in made:
        affected = _users(resolved.pack, users, reading.values)
        made[suffix] = affected, _resolver(resolved, reading.values, affected)
    affected, resolver = made[suffix]
    before = set(resolver.definitions)
    if reading.column not in before:
        resolver.define(reading.column)
    renamed = {ident: f"{ident}{suffix}" for ident, d in resolver.definitions.items() if {ident, d.parent} & affected}
    return {
        renamed[ident]: dataclasses.replace(d, id=renamed[ident], node=_renamed(d.node, renamed), output=None)
        for ident, d in resolver.definitions.items()
        if ident in renamed and ident not in before
    }


def _resolver(resolved: Resolved, values: Mapping[str, Any], affected: set[str]) -> Resolver:
    """One in which parameters have other values, and whatever does not depend on them is built already."""
    resolver = Resolver(resolved.pack, resolved.as_of)
    changed = {p: dataclasses.replace(resolved.parameters[p], value=v) for p, v in values.items()}
    resolver.__dict__["parameters"] = {**resolved.parameters, **changed}  # in place of the cached property
    resolver.definitions |= {k: d for k, d in resolved.definitions.items() if not {k, d.parent} & affected}
    return resolver


def _direct_users(pack: PackTables) -> dict[str, set[str]]:
    """By each word of the rules, the definitions and sets that use it, at any date."""
    users: dict[str, set[str]] = {}
    for ident, body in pack.raw.get("definition", {}).items():
        for word in used_words(body):
            users.setdefault(word, set()).add(ident)
    for ident, body in pack.raw.get("sets", {}).items():
        for word in body["members"]:
            users.setdefault(word, set()).add(ident)
    return users


def _users(pack: PackTables, users: Mapping[str, set[str]], names: Iterable[str]) -> set[str]:
    """The definitions that depend on any of these names, at any date; ``users`` are those that do so themselves."""
    found: set[str] = set()
    waiting = [*names]
    while waiting:
        fresh = users.get(waiting.pop(), set()) - found
        found |= fresh
        waiting += fresh
    return found & set(pack.raw.get("definition", {}))


def _renamed(part: Any, names: Mapping[str, str]) -> Any:
    """An expression with other definitions in the place of some."""
    if isinstance(part, tuple):
        return tuple(_renamed(item, names) for item in part)
    if not isinstance(part, n.Node):
        return part
    if isinstance(part, n.Named) and part.id in names:
        return dataclasses.replace(part, id=names[part.id])
    return dataclasses.replace(
        part, **{f.name: _renamed(getattr(part, f.name), names) for f in dataclasses.fields(part)}
    )
