"""Typed expressions: what the parser makes, and what the compiler and the reference evaluator both start from.

Three-valued logic, as in SQL: a comparison with a null is unknown, `and`/`or`/`not` follow Kleene, a condition holds
only when it is true. Flags (bool columns) and named rules are two-valued: a null flag is false, and a rule that is not
true is false. Arithmetic whose result is not a finite number (division by zero, the logarithm of zero) is null.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Literal

Kind = Literal["bool", "number", "date", "category", "null"]
Value = bool | int | float | str | dt.date | None


@dataclass(frozen=True, slots=True)
class Type:
    """What an expression yields. `labels` lists what a category may hold, in the order of their codes."""

    kind: Kind
    labels: tuple[str, ...] = ()

    def __str__(self) -> str:
        return {
            "bool": "a condition",
            "number": "a number",
            "date": "a date",
            "category": "a category",
            "null": "null",
        }[self.kind]


BOOL, NUMBER, DATE, NULL = Type("bool"), Type("number"), Type("date"), Type("null")


_FIELDS: dict[type, tuple[str, ...]] = {}  # type of node → its fields


def _field_names(kind: type[Node]) -> tuple[str, ...]:
    if kind not in _FIELDS:
        _FIELDS[kind] = tuple(f.name for f in fields(kind))
    return _FIELDS[kind]


@dataclass(frozen=True, slots=True)
class Node:
    """Base of all expressions. `text` is the source it was written as, for messages and explanations only."""

    type: Type
    text: str = field(compare=False)

    def children(self) -> Iterator[Node]:
        """The nodes directly below, in reading order."""
        for name in _field_names(type(self)):
            value = getattr(self, name)
            if isinstance(value, Node):
                yield value
            elif isinstance(value, tuple):
                for item in value:
                    if isinstance(item, Node):
                        yield item
                    elif isinstance(item, tuple):
                        yield from (part for part in item if isinstance(part, Node))

    def walk(self) -> Iterator[Node]:
        """This node and all below it, in reading order (not through named definitions)."""
        left: list[Node] = [self]
        while left:
            node = left.pop()
            yield node
            left += reversed([*node.children()])


@dataclass(frozen=True, slots=True)
class Const(Node):
    """A literal, a parameter, or a date worked out from the as-of date. `name` is the parameter's, for explanations."""

    value: Value
    name: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Column(Node):
    """A column of the patient table, plausible values only."""

    name: str


@dataclass(frozen=True, slots=True)
class Named(Node):
    """A definition of the pack, used by name; a condition used by name is true or false, never unknown."""

    id: str


@dataclass(frozen=True, slots=True)
class Not(Node):
    item: Node


@dataclass(frozen=True, slots=True)
class And(Node):
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or(Node):
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Compare(Node):
    """`left op right`; numbers with numbers, dates with dates, a category with one of its labels (== and != only)."""

    op: Literal["<", "<=", ">", ">=", "==", "!="]
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class IsIn(Node):
    """`item in {a, b}`: labels of a category, or numbers; unknown where the item is null."""

    item: Node
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class IsNull(Node):
    item: Node


@dataclass(frozen=True, slots=True)
class Within(Node):
    """The date lies in the window of `months` calendar months up to the as-of date, both ends included.

    `start` is that window's first day. Where the table has no such column at all, a column that dates values is taken
    as within (`absent_is`), so the values count as current.
    """

    item: Column
    months: int
    start: dt.date
    end: dt.date
    absent_is: bool


@dataclass(frozen=True, slots=True)
class Arithmetic(Node):
    """`left op right` on numbers, or the days between two dates for `-`."""

    op: Literal["+", "-", "*", "/", "**"]
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Call(Node):
    """A function of numbers: abs, exp, floor, ln, max, min, round, sqrt; null if any argument is null."""

    function: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Coalesce(Node):
    """The first argument, or where that is null the second."""

    item: Node
    otherwise: Node


@dataclass(frozen=True, slots=True)
class CountTrue(Node):
    """How many of the conditions are true; never null."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Cases(Node):
    """The value of the first condition that is true, `otherwise` where none is (which may be null).

    The one form behind `a if c else b`, first-match segments, statuses and decision trees.
    """

    items: tuple[tuple[Node, Node], ...]  # (condition, value)
    otherwise: Node


@dataclass(frozen=True, slots=True)
class Only(Node):
    """`item` where the condition is true, null elsewhere: eligibility."""

    condition: Node
    item: Node


@dataclass(frozen=True, slots=True)
class Whole(Node):
    """A number as a column of whole numbers holds it: towards zero, and null where `dtype` does not reach so far."""

    item: Node
    dtype: str


@dataclass(frozen=True, slots=True)
class WeightedSum(Node):
    """`start` plus each term: a condition adds its weight where true, a number weight × value.

    Each contribution is rounded to the grid (`lang.values.on_grid`), so the sum is exact in any order while it stays
    under 256; beyond that terms count in the order written. Null where a number is null.
    """

    start: float
    terms: tuple[tuple[Node, float], ...]

    def children(self) -> Iterator[Node]:
        for node, _ in self.terms:
            yield node


def bare(node: Node) -> Node:
    """The expression itself, without for whom it is and how it is held."""
    while isinstance(node, Only | Whole):
        node = node.item
    return node


def extent(node: Node, named: Mapping[str, int]) -> tuple[int, int]:
    """How deep an expression nests, and of how many parts it is; one that stands in several places counts in each.

    ``named``: how deep the definitions nest that it may use by name, which count towards its own depth.
    """
    known: dict[int, tuple[int, int]] = {}
    left: list[tuple[Node, list[Node] | None]] = [(node, None)]
    while left:  # not by recursion, which would not go down as far as what this is to find
        at, below = left.pop()
        if id(at) in known:
            continue
        if below is None:
            below = list(at.children())
            if below:  # once more when those are known
                left.append((at, below))
                left += [(part, None) for part in below]
                continue
        deepest, parts = named.get(at.id, 0) if isinstance(at, Named) else 0, 1
        for part in below:
            depth, count = known[id(part)]
            deepest = max(deepest, depth)
            parts += count
        known[id(at)] = 1 + deepest, parts
    return known[id(node)]
