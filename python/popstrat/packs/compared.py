"""Two values, rules, lists or tables compared, and what differs in a sentence."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from popstrat.core.blocks import code
from popstrat.lang.compose import syntax
from popstrat.packs.phrases import rule_code

Kind = Literal["added", "removed", "changed", "wording"]
Said = Iterator[tuple[Kind, str]]
"""Differences, in inline Markdown."""

WORDING = ("title", "means", "source", "assumption", "licence", "unit", "intended_use", "disclaimer", "horizon", "why",
           "evidence", "note", "caveat")  # fmt: skip
"""What people read and no rule does."""

_MOST_REWORDED = 3  # terms, nodes or inputs, each in a line of its own


def value(name: str, before: Any, after: Any, unit: str = "") -> Said:
    """A value that was changed, set or unset; true and 1 differ."""
    if before != after or isinstance(before, bool) != isinstance(after, bool):
        old = "not set" if before is None else shown(before)
        new = "not set" if after is None else shown(after)
        yield "changed", f"{name} {old} → {new}{f' {unit}' if unit else ''}".strip()


def rule(name: str, before: Any, after: Any) -> Said:
    """A rule that means something else, or may do; spelling and order that mean nothing aside."""
    if before is None and after is None:
        return
    if before is None or after is None or canonical(before) != canonical(after):
        old = "none" if before is None else rule_code(before)
        new = "none" if after is None else rule_code(after)
        yield "changed", f"{name}: {old} → {new}"


def members(name: str, before: Iterable[str], after: Iterable[str]) -> Said:
    """What a list whose order means nothing lost and gained."""
    old, new = Counter(map(canonical, before)), Counter(map(canonical, after))
    gone, come = list((old - new).elements()), list((new - old).elements())
    if gone:
        yield "changed", f"{name} no longer: {', '.join(map(rule_code, gone))}"
    if come:
        yield "changed", f"{name} now also: {', '.join(map(rule_code, come))}"


def keyed(what: str, x: Iterable[Mapping[str, Any]], y: Iterable[Mapping[str, Any]]) -> Said:
    """Nodes of a tree, terms and inputs of a model: by their id."""
    old, new = {i["id"]: i for i in x}, {i["id"]: i for i in y}
    reworded: dict[tuple[str, ...], list[Any]] = {}
    for key, item in old.items():
        if key not in new:
            yield "removed", f"{what} {code(key)}{_weight(item)}"
    for key, item in new.items():
        if key not in old:
            yield "added", f"{what} {code(key)}{_weight(item)}"
            continue
        for part in dict.fromkeys([*old[key], *item]):
            if part in WORDING or part == "id":
                continue
            before, after = old[key].get(part), item.get(part)
            if isinstance(before, str) and isinstance(after, str):
                yield from rule(f"{what} {code(key)}, {part}", before, after)
            else:
                yield from value(f"{what} {code(key)}, {part}", before, after)
        changed = tuple(k for k in WORDING if old[key].get(k) != item.get(k))
        if changed:
            reworded.setdefault(changed, []).append(key)
    for changed, keys in reworded.items():
        if len(keys) > _MOST_REWORDED:  # as when a whole model was fitted again
            several = {"stratum": "strata", "derived": "derived values"}.get(what, f"{what}s")
            yield "wording", f"{_and(changed)} of {len(keys)} {several} reworded"
            continue
        for key in keys:
            yield from wording(old[key], new[key], f" of {what} {code(key)}")


def _weight(item: Mapping[str, Any]) -> str:
    said = next(
        (f": {rule_code(item[k])}" for k in ("when", "value", "split", "from") if isinstance(item.get(k), str)), ""
    )
    return f"{said}, coefficient {shown(item['coefficient'])}" if "coefficient" in item else said


def wording(before: Mapping[str, Any], after: Mapping[str, Any], of: str = "") -> Said:
    """Differences of text that no rule reads, all in one sentence."""
    keys = [k for k in WORDING if before.get(k) != after.get(k)]
    if keys:
        told = f"{_and(keys)}{of} reworded" if len(keys) > 1 else f"{keys[0]}{of}: {_words(before, after, keys[0])}"
        yield "wording", told


def _and(words: Sequence[str]) -> str:
    return ", ".join(words[:-1]) + (" and " if len(words) > 1 else "") + words[-1]


def _words(before: Mapping[str, Any], after: Mapping[str, Any], key: str) -> str:
    old, new = before.get(key), after.get(key)
    if old is None or new is None:
        return f"added, “{new}”" if old is None else f"removed, was “{old}”"
    return f"“{old}” → “{new}”"


def shown(value: Any) -> str:
    """A value of a pack, short."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {shown(item)}" for key, item in value.items())
    if isinstance(value, list):
        return "; ".join(map(shown, value))
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def canonical(text: Any) -> str:
    """A rule in one way of writing it: spaces, brackets and the order of `and`, `or` and `{…}` aside."""
    plain = " ".join(str(text).split())
    try:
        tree = syntax(f"({text}\n)")
    except (SyntaxError, ValueError, RecursionError):
        return plain
    for node in ast.walk(tree):
        if isinstance(node, ast.BoolOp):
            node.values.sort(key=ast.dump)
        elif isinstance(node, ast.Set):
            node.elts.sort(key=ast.dump)
    return ast.unparse(tree)
