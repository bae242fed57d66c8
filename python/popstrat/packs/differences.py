"""What differs in what two packs say, in words.

Packs are compared as they stand after `extends`, so a change in an inherited part shows. Order counts only where it
means something: the rules of a first match, not the members of a set, the terms of a sum or the sides of an `and`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from popstrat.core.blocks import code
from popstrat.packs import compared
from popstrat.packs.alike import LIKE
from popstrat.packs.compared import Kind, Said
from popstrat.packs.kinds.registry import KINDS
from popstrat.packs.rank import DEFAULT_RANK, RANK
from popstrat.packs.tables import PackTables
from popstrat.packs.typed import choices
from popstrat.packs.uses import SENTENCES, used_words, versions


@dataclass(frozen=True)
class Change:
    """One thing that differs. `reaches` names the output columns that depend on it."""

    kind: Kind
    part: str  # parameter, set, window, lookup, input column, reading, definition, pack
    name: str
    text: str  # inline Markdown
    reaches: tuple[str, ...] = ()


def changes(a: PackTables, b: PackTables) -> list[Change]:
    """Everything that differs, and which output columns each difference reaches."""
    reach = _Reach(a, b)
    return [dataclasses.replace(c, reaches=reach.outputs(c)) for c in _changes(a, b)]


# -- a pack's parts ----------------------------------------------------------------------------------------------------


def _changes(a: PackTables, b: PackTables) -> Iterator[Change]:
    for key in ("id", "version", "title"):
        if getattr(a, key) != getattr(b, key):
            kind: Kind = "wording" if key == "title" else "changed"
            yield Change(kind, "pack", key, f"{code(getattr(a, key))} → {code(getattr(b, key))}")
    yield from _tables_of("parameters", "parameter", a, b, _parameter)
    yield from _tables_of("windows", "window", a, b, _window)
    yield from _tables_of("sets", "set", a, b, _set)
    yield from _tables_of("lookups", "lookup", a, b, _lookup)
    yield from _inputs(a, b)
    yield from _tables_of("readings", "reading", a, b, _reading)
    yield from _tables_of("definition", "definition", a, b, _definition)


def _tables_of(
    section: str,
    part: str,
    a: PackTables,
    b: PackTables,
    compare: Callable[[Mapping[str, Any], Mapping[str, Any]], Said],
) -> Iterator[Change]:
    before, after = a.raw.get(section, {}), b.raw.get(section, {})
    for name in before:
        if name not in after:
            yield Change("removed", part, name, _summary(part, before[name]))
    for name in after:
        if name not in before:
            yield Change("added", part, name, _summary(part, after[name]))
        else:
            for kind, text in compare(before[name], after[name]):
                yield Change(kind, part, name, text)


def _summary(part: str, body: Mapping[str, Any]) -> str:
    title = body.get("title", "")
    match part:
        case "parameter":
            return f"{title} = {compared.shown(body.get('value'))} {body.get('unit', '')}".strip()
        case "window":
            return f"{body.get('months')} months"
        case "set":
            return f"{title}, {len(body.get('members', ()))} members"
        case "lookup":
            return f"{title}, {len(body.get('values', ()))} labels"
        case _:
            output = body.get("output", False)
            column = f", column {code(output if isinstance(output, str) else 'of the same name')}" if output else ""
            return f"{title} ({body.get('kind')}{column})"


def _parameter(before: Mapping[str, Any], after: Mapping[str, Any]) -> Said:
    yield from compared.value("", before.get("value"), after.get("value"), after.get("unit", ""))
    yield from compared.members("may be", map(str, choices(before)), map(str, choices(after)))
    yield from compared.wording(before, after)


def _window(before: Mapping[str, Any], after: Mapping[str, Any]) -> Said:
    yield from compared.value("", before.get("months"), after.get("months"), "months")
    yield from compared.wording(before, after)


def _lookup(before: Mapping[str, Any], after: Mapping[str, Any]) -> Said:
    old, new = before.get("values", {}), after.get("values", {})
    for label in dict.fromkeys([*old, *new]):
        yield from compared.value(code(label), old.get(label), new.get(label), after.get("unit", ""))
    for key in ("otherwise", "null_is"):
        yield from compared.value(key, before.get(key), after.get(key), after.get("unit", ""))
    yield from compared.wording(before, after)


def _set(before: Mapping[str, Any], after: Mapping[str, Any]) -> Said:
    yield from compared.members("members", before.get("members", ()), after.get("members", ()))
    yield from compared.wording(before, after)


def _reading(before: Mapping[str, Any], after: Mapping[str, Any]) -> Said:
    for key in ("of", "parameters"):
        yield from compared.members(key, before.get(key, ()), after.get(key, ()))
    yield from compared.wording(before, after)


def _inputs(a: PackTables, b: PackTables) -> Iterator[Change]:
    before = {c["name"]: c for c in a.raw.get("input", ())}
    after = {c["name"]: c for c in b.raw.get("input", ())}
    for name in dict.fromkeys([*before, *after]):
        if name not in after:
            yield Change("removed", "input column", name, before[name].get("title", ""))
        elif name not in before:
            yield Change("added", "input column", name, after[name].get("title", ""))
        else:
            for key in sorted(before[name].keys() | after[name].keys()):
                for _, text in compared.value(key, before[name].get(key), after[name].get(key)):
                    yield Change("wording" if key in compared.WORDING else "changed", "input column", name, text)


def _definition(before: Mapping[str, Any], after: Mapping[str, Any]) -> Said:
    if before.get("kind") != after.get("kind"):
        yield "changed", f"kind {before.get('kind')} → {after.get('kind')}: another rule altogether"
    old, new = versions(before), versions(after)
    if len(old) == len(new) == 1:
        yield from _one_version(old[0], new[0], "")
        return
    # versions of one name belong together; what is left over pairs by its place
    pairs = []
    for y in list(new):
        x = next((x for x in old if x.get("version") == y.get("version")), None)
        if x is not None:
            pairs.append((x, y))
            old.remove(x)
            new.remove(y)
    pairs += zip(old, new, strict=False)
    for x, y in pairs:
        yield from _one_version(x, y, f"version {y.get('version')}, ")
    for x in old[len(new) :]:
        yield "removed", f"version {x.get('version')}, {_dates(x)}"
    for y in new[len(old) :]:
        told = next((f": {code(y[k])}" for k in KINDS[y["kind"]].rules if k in y), "")
        yield "added", f"version {y.get('version')}, {_dates(y)}{told}"


def _dates(version: Mapping[str, Any]) -> str:
    start, end = version.get("effective_from"), version.get("effective_to")
    told = [f"{word} {date}" for word, date in (("from", start), ("to", end)) if date is not None]
    return f"in force {' '.join(told)}" if told else "in force at any date"


def _one_version(x: Mapping[str, Any], y: Mapping[str, Any], which: str) -> Said:
    if x.get(LIKE) != y.get(LIKE):
        yield "wording", f"{which}like {x.get(LIKE, 'none')}, now like {y.get(LIKE, 'none')}"
    if _dates(x) != _dates(y):
        yield "changed", f"{which}{_dates(x)} → {_dates(y)}"
    for kind, text in _parts(x, y):
        yield kind, f"{which}{text}"
    for kind, text in compared.wording(x, y):
        yield kind, f"{which}{text}"


def _parts(x: Mapping[str, Any], y: Mapping[str, Any]) -> Said:
    """What differs in the rules themselves: of one kind of definition, or of two."""
    if str(x.get("version")) != str(y.get("version")):
        yield "wording", f"its version is called {y.get('version')}, and was called {x.get('version')}"
    kinds = [kind for name, kind in KINDS.items() if name in (x.get("kind"), y.get("kind"))]
    for key in dict.fromkeys(key for kind in kinds for key in kind.rules):
        if isinstance(x.get(key, ""), str) and isinstance(y.get(key, ""), str):
            yield from compared.rule("rule" if key == "value" else key, x.get(key), y.get(key))
        else:
            yield from compared.value(key, x.get(key), y.get(key))
    for key in (*dict.fromkeys(key for kind in kinds for key in kind.values), "type", RANK, DEFAULT_RANK):
        yield from compared.value(key, x.get(key), y.get(key))
    yield from compared.value("output", x.get("output", False), y.get("output", False))
    for kind in kinds:
        yield from kind.differences(x, y)
    if x.get(SENTENCES) != y.get(SENTENCES):
        yield "wording", "its sentences"


# -- what a change reaches ---------------------------------------------------------------------------------------------


class _Reach:
    """Which output columns depend on a part of either pack."""

    def __init__(self, *packs: PackTables) -> None:
        self.users: dict[str, set[str]] = {}
        self.columns: dict[str, set[str]] = {}
        for pack in packs:
            for name, body in pack.raw.get("sets", {}).items():
                for member in body.get("members", ()):
                    self.users.setdefault(member, set()).add(name)
            for ident, body in pack.raw.get("definition", {}).items():
                for word in used_words(body):
                    if word != ident:
                        self.users.setdefault(word, set()).add(ident)
                for version in versions(body):
                    output = version.get("output", False)
                    written = [ident] if output is True else [output] if output else []
                    written += KINDS[version["kind"]].columns(ident, version)
                    self.columns.setdefault(ident, set()).update(written)

    def outputs(self, change: Change) -> tuple[str, ...]:
        if change.kind == "wording" or change.part in ("pack", "reading"):
            return ()
        found: set[str] = set()
        waiting, done = [change.name], set()
        while waiting:
            name = waiting.pop()
            if name in done:
                continue
            done.add(name)
            found |= self.columns.get(name, set())
            waiting += self.users.get(name, ())
        return tuple(sorted(found))
