"""What the conditions of a pack can be at all, as the plausible ranges and the labels of its columns tell.

A condition that can never hold, or always holds, is a slip more often than it is meant: a threshold in another unit, a
rule below one that takes everybody. It means what it says all the same, so that it is told and not refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from popstrat.lang import nodes as n
from popstrat.packs import shapes
from popstrat.packs.definition import Definition
from popstrat.packs.reach import About, reach
from popstrat.packs.resolved import Resolved

_MOST_BEFORE = 500  # conditions of a list that each later one is held against


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
    slope = shapes.items(d.raw.get("recalibration")).get("slope", 1)
    if any(one < 0 for one in (slope.values() if isinstance(slope, dict) else [slope])):
        tell("a `recalibration` with a slope under 0 turns the order of the results round", "slope")
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
        if possible.always(node):
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
    """What conditions can be, with the definitions that they use."""

    def __init__(self, resolved: Resolved) -> None:
        self.schema = resolved.pack.schema
        self._about = About(self.schema, {d.id: d.node for d in resolved.definitions.values()}, resolved.as_of)

    def truths(self, node: n.Node) -> frozenset[bool]:
        """Whether it can be true, and whether false, where it is not unknown."""
        return reach(node, self._about).truths

    def always(self, node: n.Node) -> bool:
        """Whether it is true for everybody."""
        found = reach(node, self._about)
        return not found.null and found.truths == {True}

    def range_of(self, node: n.Node) -> str:
        """The range of a column in words."""
        assert isinstance(node, n.Column)
        column = self.schema[node.name]
        unit = f" {column.unit}" if column.unit else ""
        if column.type == "date":
            return f"{node.name} lies between {self.schema.earliest_date} and the as-of date"
        return f"{node.name} lies between {column.minimum} and {column.maximum}{unit}"
