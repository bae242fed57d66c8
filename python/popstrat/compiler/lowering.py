"""What the lowering of a pack shares, and the tables that say what becomes of each type of expression.

A condition becomes the plane of rows where it is true and, only where something negates it, the plane where it is
false; a number or a date a `Number`; a category a `Category`. Each table holds a function for every type of node, or
says that such a node is never asked for: a type that is forgotten is an error when the package is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

from popstrat.compiler.columns import Columns
from popstrat.compiler.emitter import FALSE, Emitter, Plane
from popstrat.compiler.held import Category, Number
from popstrat.compiler.options import Options
from popstrat.compiler.plausibility import Plausibility
from popstrat.lang import nodes as n
from popstrat.lang.values import Singles
from popstrat.packs.resolved import Resolved

Made = TypeVar("Made")

NODE_TYPES = frozenset(
    kind for kind in vars(n).values() if isinstance(kind, type) and issubclass(kind, n.Node) and kind is not n.Node
)


class Table(Generic[Made]):
    """Node type → the function that lowers it. Nodes of the types in ``never`` are not what the table makes.

    Raises TypeError where a type of node is in neither, or in both.
    """

    def __init__(
        self,
        makes: str,
        functions: Mapping[type[n.Node], Callable[[Lowering, Any], Made]],
        never: Iterable[type[n.Node]],
    ) -> None:
        self.makes, self.functions, self.never = makes, dict(functions), frozenset(never)
        said = [*self.functions, *self.never]
        if wrong := {kind.__name__ for kind in NODE_TYPES if said.count(kind) != 1}:
            raise TypeError(f"{makes}: nothing, or two things, are said of {', '.join(sorted(wrong))}")

    def __call__(self, lowering: Lowering, node: n.Node) -> Made:
        """What becomes of the node. Raises TypeError for one that is never asked for."""
        function = self.functions.get(type(node))
        if function is None:
            raise TypeError(f"not {self.makes}: {node}")
        return function(lowering, node)


class Tables(NamedTuple):
    """One for whatever an expression may become."""

    true: Table[Plane]
    false: Table[Plane]
    number: Table[Number]
    category: Table[Category]


class Lowering:
    """One pack for one arrangement of columns: what has been emitted, and what has been lowered already."""

    def __init__(self, tables: Tables, resolved: Resolved, kinds: Mapping[str, str], options: Options) -> None:
        self.tables, self.resolved, self.schema = tables, resolved, resolved.pack.schema
        self.e = Emitter(options)
        self.columns = Columns(self.e, kinds, self.schema)
        self.plausible = Plausibility(self.e, self.columns, self.schema, resolved.as_of)
        self.singles = Singles({name for name in kinds if self.columns.single(name)}, resolved.definitions)
        self.nulls: dict[int, int] = {}  # counter of rows that are not null → the first output that is null elsewhere
        # by identity; the node is kept so that it stays the one
        self._true: dict[int, tuple[Plane, n.Node]] = {}
        self._false: dict[int, tuple[Plane, n.Node]] = {}
        self._numbers: dict[int, tuple[Number, n.Node]] = {}
        self._categories: dict[int, tuple[Category, n.Node]] = {}

    def true(self, node: n.Node) -> Plane:
        """The rows where a condition is true."""
        return self._once(self._true, self.tables.true, node)

    def false(self, node: n.Node) -> Plane:
        """The rows where a condition is false (known, and not true)."""
        return self._once(self._false, self.tables.false, node)

    def number(self, node: n.Node) -> Number:
        """A number, or a date as days, however it is best held."""
        return self._once(self._numbers, self.tables.number, node)

    def category(self, node: n.Node) -> Category:
        """A category."""
        return self._once(self._categories, self.tables.category, node)

    def known(self, node: n.Node) -> Plane:
        """The rows where a value of any kind is not null."""
        match node.type.kind:
            case "bool":
                return self.e.either(self.true(node), self.false(node))
            case "category":
                return self.category(node).ok
            case "null":
                return FALSE
            case "number" | "date":
                return self.number(node).ok

    def definition(self, node: n.Named) -> n.Node:
        """What a definition that is used by name stands for."""
        return self.resolved.definitions[node.id].node

    def _once(self, made: dict[int, tuple[Made, n.Node]], table: Table[Made], node: n.Node) -> Made:
        if id(node) not in made:
            made[id(node)] = table(self, node), node
        return made[id(node)][0]
