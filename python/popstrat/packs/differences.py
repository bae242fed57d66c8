"""What differs in what two packs say, in words.

Packs are compared as they stand after `extends`, so a change in an inherited part shows. Order counts only where it
means something: the rules of a first match, not the members of a set, the terms of a sum or the sides of an `and`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from popstrat.core.blocks import code
from popstrat.pack import Pack
from popstrat.packs import compared
from popstrat.packs.compared import Kind, Said
from popstrat.packs.uses import used_words, versions


@dataclass(frozen=True)
class Change:
    """One thing that differs. `reaches` names the output columns that depend on it."""

    kind: Kind
    part: str  # parameter, set, window, input column, definition, pack
    name: str
    text: str  # inline Markdown
    reaches: tuple[str, ...] = ()


def changes(a: Pack, b: Pack) -> list[Change]:
    """Everything that differs, and which output columns each difference reaches."""
    reach = _Reach(a, b)
    return [dataclasses.replace(c, reaches=reach.outputs(c)) for c in _changes(a, b)]


# -- a pack's parts ----------------------------------------------------------------------------------------------------


def _changes(a: Pack, b: Pack) -> Iterator[Change]:
    for key in ("id", "version", "title"):
        if getattr(a, key) != getattr(b, key):
            kind: Kind = "wording" if key == "title" else "changed"
            yield Change(kind, "pack", key, f"{code(getattr(a, key))} → {code(getattr(b, key))}")
    yield from _tables_of("parameters", "parameter", a, b, _parameter)
    yield from _tables_of("windows", "window", a, b, _window)
    yield from _tables_of("sets", "set", a, b, _set)
    yield from _inputs(a, b)
    yield from _tables_of("definition", "definition", a, b, _definition)


def _tables_of(
    section: str, part: str, a: Pack, b: Pack, compare: Callable[[Mapping[str, Any], Mapping[str, Any]], Said]
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
        case _:
            output = body.get("output", False)
            column = f", column {code(output if isinstance(output, str) else 'of the same name')}" if output else ""
            return f"{title} ({body.get('kind')}{column})"


def _parameter(before: Mapping[str, Any], after: Mapping[str, Any]) -> Said:
    yield from compared.value("", before.get("value"), after.get("value"), after.get("unit", ""))
    yield from compared.wording(before, after)


def _window(before: Mapping[str, Any], after: Mapping[str, Any]) -> Said:
    yield from compared.value("", before.get("months"), after.get("months"), "months")
    yield from compared.wording(before, after)


def _set(before: Mapping[str, Any], after: Mapping[str, Any]) -> Said:
    yield from compared.members("members", before.get("members", ()), after.get("members", ()))
    yield from compared.wording(before, after)


def _inputs(a: Pack, b: Pack) -> Iterator[Change]:
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
        told = next((f": {code(y[k])}" for k in _RULES if k in y), "")
        yield "added", f"version {y.get('version')}, {_dates(y)}{told}"


def _dates(version: Mapping[str, Any]) -> str:
    start, end = version.get("effective_from"), version.get("effective_to")
    told = [f"{word} {date}" for word, date in (("from", start), ("to", end)) if date is not None]
    return f"in force {' '.join(told)}" if told else "in force at any date"


def _one_version(x: Mapping[str, Any], y: Mapping[str, Any], which: str) -> Said:
    if _dates(x) != _dates(y):
        yield "changed", f"{which}{_dates(x)} → {_dates(y)}"
    for kind, text in _parts(x, y):
        yield kind, f"{which}{text}"
    for kind, text in compared.wording(x, y):
        yield kind, f"{which}{text}"


def _parts(x: Mapping[str, Any], y: Mapping[str, Any]) -> Said:
    if x.get("version") != y.get("version"):
        yield "wording", f"called version {x.get('version')}, now {y.get('version')}"
    for key in _RULES:
        if isinstance(x.get(key, ""), str) and isinstance(y.get(key, ""), str):
            yield from compared.rule("rule" if key == "value" else key, x.get(key), y.get(key))
        else:
            yield from compared.value(key, x.get(key), y.get(key))
    for key in _VALUES:
        yield from compared.value(key, x.get(key), y.get(key))
    yield from compared.value("output", x.get("output", False), y.get("output", False))
    for compare in (_count, _first_match, _tree, _model):
        yield from compare(x, y)


# -- by kind of definition ---------------------------------------------------------------------------------------------

_RULES_OF = {"expression": ("value",), "status": ("diagnosed", "optimised", "undiagnosed")}
_RULES = (*_RULES_OF["expression"], "eligible", *_RULES_OF["status"])
_VALUES_OF = {
    "first_match": ("otherwise",),
    "model": (
        "link", "intercept", "baseline_survival", "horizons", "recalibration", "decimals", "missing_output",
        "reason_output", "draft",
    ),
}  # fmt: skip
_VALUES = (*_VALUES_OF["first_match"], *_VALUES_OF["model"], "type")


def _count(x: Mapping[str, Any], y: Mapping[str, Any]) -> Said:
    if "of" in x or "of" in y:
        yield from compared.members("counts", _listed(x.get("of")), _listed(y.get("of")))


def _first_match(x: Mapping[str, Any], y: Mapping[str, Any]) -> Said:
    if "rules" in x or "rules" in y:
        yield from _ordered_rules(x.get("rules", ()), y.get("rules", ()))
    if x.get("labels") != y.get("labels"):
        yield "changed", f"order of labels {_listing(x.get('labels'))} → {_listing(y.get('labels'))}"


def _tree(x: Mapping[str, Any], y: Mapping[str, Any]) -> Said:
    yield from compared.keyed("node", x.get("nodes", ()), y.get("nodes", ()))


def _model(x: Mapping[str, Any], y: Mapping[str, Any]) -> Said:
    yield from compared.keyed("term", x.get("terms", ()), y.get("terms", ()))
    for what, key, single in (
        ("stratum", "strata", "when"),
        ("input", "inputs", "default"),
        ("derived", "derived", "value"),
    ):
        tables = [
            [{"id": k, **(spec if isinstance(spec, dict) else {single: spec})} for k, spec in v.get(key, {}).items()]
            for v in (x, y)
        ]
        yield from compared.keyed(what, *tables)


def _listed(of: Any) -> list[str]:
    return [of] if isinstance(of, str) else list(of or ())


def _listing(labels: Sequence[str] | None) -> str:
    return "as in the rules" if labels is None else ", ".join(map(code, labels))


def _ordered_rules(x: Sequence[Mapping[str, Any]], y: Sequence[Mapping[str, Any]]) -> Said:
    old, new = _numbered(x), _numbered(y)
    for key, rule in old.items():
        if key not in new:
            yield "removed", f"rule for {code(key[0])}: {code(rule['when'])}"
    for number, (key, rule) in enumerate(new.items(), 1):
        if key not in old:
            yield "added", f"rule {number}, for {code(key[0])}: {code(rule['when'])}"
            continue
        yield from compared.rule(f"rule for {code(key[0])}", old[key]["when"], rule["when"])
        yield from compared.wording(old[key], rule, f" of the rule for {code(key[0])}")
    before, after = [k for k in old if k in new], [k for k in new if k in old]
    if before != after:
        yield "changed", f"order of rules {_listing([k[0] for k in before])} → {_listing([k[0] for k in after])}"


def _numbered(rules: Iterable[Mapping[str, Any]]) -> dict[tuple[str, int], Mapping[str, Any]]:
    """Rules by label, and where a label has several, by which of them."""
    found: dict[tuple[str, int], Mapping[str, Any]] = {}
    for rule in rules:
        number = sum(label == rule["label"] for label, _ in found)
        found[rule["label"], number] = rule
    return found


# -- what a change reaches ---------------------------------------------------------------------------------------------


class _Reach:
    """Which output columns depend on a part of either pack."""

    def __init__(self, *packs: Pack) -> None:
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
                    if version.get("missing_output"):
                        written.append(version["missing_output"])
                    self.columns.setdefault(ident, set()).update(written)

    def outputs(self, change: Change) -> tuple[str, ...]:
        if change.kind == "wording" or change.part == "pack":
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
