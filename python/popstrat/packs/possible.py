"""What the conditions of a pack can be at all, as the plausible ranges and the labels of its columns tell.

A condition that can never hold, or always holds, is a slip more often than it is meant: a threshold in another unit, a
rule below one that takes everybody. It means what it says all the same, so that it is told and not refused.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from popstrat.lang import nodes as n
from popstrat.packs.definition import Definition
from popstrat.packs.resolved import Resolved

_MOST_BEFORE = 500  # conditions of a list that each later one is held against
_COMPLETE = frozenset({True, False, None})


@dataclass(frozen=True)
class Remark:
    """What is told of a definition, and the text of it that is meant."""

    definition: str
    told: str
    text: str


def remarks(resolved: Resolved) -> Iterator[Remark]:
    """What is odd about the conditions of a pack: each once, with the definition that has it."""
    possible = _Possible(resolved)
    for definition in resolved.definitions.values():
        if definition.parent is None:
            yield from _of(definition, possible, resolved)


def _of(d: Definition, possible: _Possible, resolved: Resolved) -> Iterator[Remark]:
    found: dict[str, Remark] = {}

    def tell(told: str, text: str) -> None:
        found.setdefault(text, Remark(d.id, told, text))

    for node in d.eligible:
        if True not in possible.truths(node):
            tell("is for nobody: `eligible` never holds", node.text)
    rules = d.rules if d.kind == "first_match" else {}
    _reached([(f"rule {i}", node) for i, node in enumerate(rules.values(), 1)], possible, tell)
    model = resolved.models.get(d.id)
    strata = [(f"the stratum {s.name}", s.when) for s in model.strata if s.when is not None] if model else []
    _reached(strata, possible, tell)
    for node in (*d.eligible, *d.rules.values(), *(when for _, when in strata), d.node):
        for part in node.walk():
            if isinstance(part, n.Compare) and any(isinstance(side, n.Column) for side in (part.left, part.right)):
                truths = possible.truths(part)
                if True not in truths or False not in truths:
                    column = part.left if isinstance(part.left, n.Column) else part.right
                    how = "never holds" if True not in truths else "always holds where there is a value"
                    tell(f"`{part.text}` {how}: {possible.range_of(column)}", part.text)
    yield from found.values()


def _reached(rules: Sequence[tuple[str, n.Node]], possible: _Possible, tell: Callable[[str, str], None]) -> None:
    """Tell of what nobody reaches in a list of which the first that holds counts."""
    before: list[tuple[n.Node, str]] = []  # what takes everybody for whom it holds
    everybody = ""
    for name, node in rules:
        truths = possible.truths(node)
        parts = (node, *_joined(node))
        earlier = next((other for held, other in before for part in parts if _implies(part, held)), "")
        if everybody or earlier:
            tell(f"nobody reaches {name}: {everybody or earlier} above it holds for all of them", node.text)
        elif True not in truths:
            tell(f"nobody reaches {name}: it never holds", node.text)
        if truths == {True}:
            everybody = everybody or name
        if len(before) < _MOST_BEFORE:
            before += ((part, name) for part in (node, *_either(node)))


def _implies(a: n.Node, b: n.Node) -> bool:
    """Whether wherever the one holds so does the other; false if that is not plain to see."""
    if isinstance(a, n.IsIn) and isinstance(b, n.IsIn):
        return a.item == b.item and set(a.values) <= set(b.values)
    if not (isinstance(a, n.Compare) and isinstance(b, n.Compare) and a.left == b.left):
        return a == b
    x, y = (side.right.value if isinstance(side.right, n.Const) else None for side in (a, b))
    if x is None or y is None or isinstance(x, str) or isinstance(y, str):
        return a == b
    match a.op, b.op:
        case (">" | ">=" | "==") as first, (">" | ">=") as second:
            return bool(x > y or (x == y and (first == ">" or second == ">=")))  # type: ignore[operator]
        case ("<" | "<=" | "==") as first, ("<" | "<=") as second:
            return bool(x < y or (x == y and (first == "<" or second == "<=")))  # type: ignore[operator]
    return a == b


def _joined(node: n.Node) -> tuple[n.Node, ...]:
    """Conditions that hold wherever this one does."""
    return node.items if isinstance(node, n.And) else ()


def _either(node: n.Node) -> tuple[n.Node, ...]:
    """Conditions where which this one holds."""
    return node.items if isinstance(node, n.Or) else ()


class _Possible:
    """The truth values that conditions can have, and the ranges of numbers and dates."""

    def __init__(self, resolved: Resolved) -> None:
        self.resolved, self.schema = resolved, resolved.pack.schema
        self._truths: dict[str, frozenset[bool | None]] = {}
        self._ranges: dict[str, tuple[float, float]] = {}

    def truths(self, node: n.Node) -> frozenset[bool | None]:
        """What a condition can be: true, false or unknown. Parts are looked at one by one, so it may be fewer."""
        match node:
            case n.Const():
                return frozenset({node.value if isinstance(node.value, bool) else None})
            case n.Column():
                return frozenset({True, False})
            case n.Named():
                if node.id not in self._truths:
                    found = self.truths(self.resolved.definitions[node.id].node)
                    self._truths[node.id] = frozenset(value is True for value in found)
                return self._truths[node.id]
            case n.Not():
                return frozenset(None if value is None else not value for value in self.truths(node.item))
            case n.And() | n.Or():
                return self._junction([self.truths(item) for item in node.items], isinstance(node, n.Or))
            case n.Compare():
                return self._comparison(node)
            case n.IsNull():
                return frozenset({True, False})
        return _COMPLETE

    def _junction(self, parts: Sequence[frozenset[bool | None]], absorbing: bool) -> frozenset[bool | None]:
        found: set[bool | None] = set()
        if any(absorbing in part for part in parts):
            found.add(absorbing)
        open_ = [part - {absorbing} for part in parts]
        if all(open_):
            if any(None in part for part in open_):
                found.add(None)
            if all((not absorbing) in part for part in open_):
                found.add(not absorbing)
        return frozenset(found)

    def _comparison(self, node: n.Compare) -> frozenset[bool | None]:
        if "number" not in (node.left.type.kind, node.right.type.kind) and node.left.type.kind != "date":
            return _COMPLETE
        (a, b), (c, d) = self.range(node.left), self.range(node.right)
        match node.op:
            case "<":
                true, false = a < d, b >= c
            case "<=":
                true, false = a <= d, b > c
            case ">":
                true, false = b > c, a <= d
            case ">=":
                true, false = b >= c, a < d
            case _:
                equal, other = a <= d and c <= b, not a == b == c == d
                true, false = (equal, other) if node.op == "==" else (other, equal)
        return frozenset({None} | ({True} if true else set()) | ({False} if false else set()))

    def range(self, node: n.Node) -> tuple[float, float]:
        """Between which numbers (for dates: days) it lies where it is not null."""
        match node:
            case n.Const(value=dt.date() as value):
                return value.toordinal(), value.toordinal()
            case n.Const(value=int() | float() as value):
                return value, value
            case n.Column():
                column = self.schema[node.name]
                if column.type == "date":
                    return self.schema.earliest_date.toordinal(), self.resolved.as_of.toordinal()
                low, high = column.minimum, column.maximum
                return -math.inf if low is None else low, math.inf if high is None else high
            case n.Named():
                if node.id not in self._ranges:
                    self._ranges[node.id] = self.range(self.resolved.definitions[node.id].node)
                return self._ranges[node.id]
            case n.CountTrue():
                return 0, len(node.items)
            case n.Only():
                return self.range(node.item)
            case n.Coalesce():
                return self._hull([node.item, node.otherwise])
            case n.Cases():
                return self._hull([*(value for _, value in node.items), node.otherwise])
        return -math.inf, math.inf

    def _hull(self, nodes: Sequence[n.Node]) -> tuple[float, float]:
        ranges = [self.range(node) for node in nodes if node.type.kind != "null"]
        return min((low for low, _ in ranges), default=-math.inf), max((high for _, high in ranges), default=math.inf)

    def range_of(self, node: n.Node) -> str:
        """The range of a column in words."""
        assert isinstance(node, n.Column)
        column = self.schema[node.name]
        unit = f" {column.unit}" if column.unit else ""
        if column.type == "date":
            return f"{node.name} lies between {self.schema.earliest_date} and the as-of date"
        return f"{node.name} lies between {column.minimum} and {column.maximum}{unit}"
