"""The words of a model's terms: its inputs, with defaults and bounds, and derived values, before the pack's words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from popstrat.core.text import suggest
from popstrat.errors import ExpressionError, PackError
from popstrat.lang import nodes as n
from popstrat.lang.lookup import Lookup
from popstrat.lang.names import name_fault
from popstrat.lang.nulls import always_null, may_be_null
from popstrat.lang.parser import arithmetic, coalesce
from popstrat.packs.builder import Builder
from popstrat.packs.model.parts import Input
from popstrat.packs.reach import About, reach
from popstrat.packs.shapes import is_number

_INPUT_KEYS = ("from", "default", "required", "clip", "why", "source")


def required(spec: Any) -> bool:
    """Whether a model gives no result without a record of this input."""
    return isinstance(spec, Mapping) and spec.get("required") is True


def recorded(source: n.Node) -> n.Node:
    """What the record gives: of a category that reads no record as a label, null."""
    return source.item if isinstance(source, n.Coalesce) and source.text == source.item.text else source


@dataclass
class ModelScope:
    """The scope of a model's terms: inputs, with defaults and bounds, and derived values, before the pack's words."""

    outer: Builder
    ident: str
    inputs: dict[str, n.Node] = field(default_factory=dict)
    declared: list[Input] = field(default_factory=list)
    derived: dict[str, n.Node] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    missing: dict[str, n.Node] = field(default_factory=dict)  # input → there was no record
    clipped: dict[str, n.Node] = field(default_factory=dict)  # input → it lay beyond its bounds
    shadowed: dict[str, str] = field(default_factory=dict)  # derived value → whose name it has

    @property
    def as_of(self) -> dt.date:
        return self.outer.as_of

    @property
    def windows(self) -> Mapping[str, int]:
        return self.outer.windows

    @property
    def lookups(self) -> Mapping[str, Lookup]:
        return self.outer.lookups

    @property
    def dated(self) -> frozenset[str]:
        return self.outer.dated

    def members(self, set_name: str) -> Sequence[str] | None:
        return self.outer.members(set_name)

    def words(self) -> Iterable[str]:
        return [*self.inputs, *self.derived, *self.outer.words()]

    def own(self, name: str) -> n.Node | None:
        """An input or a derived value, or a condition of the pack."""
        found = self.inputs.get(name) or self.derived.get(name)
        if found is not None:
            self.used.add(name)
            return found
        node = self.outer.lookup(name)
        return node if node is not None and node.type.kind == "bool" else None

    def lookup(self, name: str) -> n.Node | None:
        if name in self.inputs or name in self.derived:
            return self.own(name)
        node = self.outer.lookup(name)
        if node is not None and node.type.kind not in ("bool", "null") and not isinstance(node, n.Const):
            column = node.name if isinstance(node, n.Column) else ""
            age = column in self.outer.schema and self.outer.schema[column].completed_years_since
            if not age and may_be_null(node, lambda ident: self.outer.definition(ident).node):
                raise ExpressionError(f"{name!r} may be null: declare it under `inputs`, with its default")
        return node

    def word(self, name: str) -> n.Node | None:
        """What a name means where no term and no derived value has it; None for nothing that a term could use."""
        try:
            return self.inputs.get(name) or self.outer.lookup(name)
        except ExpressionError:
            return None

    def fail(self, message: str, *at: str) -> PackError:
        """An error at the keys below the model's table."""
        return self.outer.fault(self.ident, message, at=at)

    def derive(self, name: str, spec: Any) -> None:
        """Declare a value made of inputs and conditions."""
        if isinstance(spec, str):
            spec = {"value": spec}
        if not isinstance(spec, dict) or not isinstance(spec.get("value"), str):
            raise self.fail(
                f"derived value {name!r} is an expression in quotes, or a table with a `value`", "derived", name
            )
        for key in spec:
            if key not in ("value", "center", "title", "why", "source"):
                raise self.fail(f"derived value {name!r}: unknown key {key!r}", "derived", name, key)
        if name in self.inputs:
            raise self.fail(f"derived value {name!r}: this name is taken", "derived", name)
        if fault := name_fault(name):
            raise self.fail(f"the name of the derived value {name!r} {fault}", "derived", name)
        node = self.outer.parse(self.ident, f"derived {name}", spec["value"], scope=self, at=("derived", name))
        other = self.word(name)
        if other is not None and other != node:
            self.shadowed[name] = f"derived value {name!r} has the name of {_called(other)}, which terms no longer see"
        if "center" in spec:
            if not is_number(spec["center"]) or node.type.kind != "number":
                raise self.fail(
                    f"derived value {name!r}: `center` is a number, and goes with a number", "derived", name, "center"
                )
            center = float(spec["center"])
            node = arithmetic("-", node, n.Const(n.NUMBER, repr(center), center), name)
        self.derived[name] = node

    def declare(self, name: str, spec: Any) -> None:
        """Declare an input: what stands in where there is no record, and its bounds."""
        if fault := name_fault(name):
            raise self.fail(f"the name of the input {name!r} {fault}", "inputs", name)
        if not isinstance(spec, dict):
            raise self.fail(f"input {name!r} is a table like {{ default = 0 }}", "inputs", name)
        for key in spec:
            if key not in _INPUT_KEYS:
                raise self.fail(f"unknown key {key!r}{suggest(key, _INPUT_KEYS)}", "inputs", name, key)
        if not isinstance(spec.get("required", False), bool):
            raise self.fail(f"input {name!r}: `required` is true or false", "inputs", name, "required")
        source = self.outer.parse(self.ident, f"input {name}", spec.get("from", name), at=("inputs", name))
        if required(spec) == ("default" in spec) or source.type.kind not in ("number", "category"):
            told = "a number or a category, with its `default`, or `required = true` in its place"
            raise self.fail(f"input {name!r}: {told}", "inputs", name)
        bare = recorded(source)
        other = None if required(spec) else self._default(name, source, spec["default"])
        if other is not None and always_null(other, bare):
            told = f"input {name!r}: its default rests on {name}, which has no record where it would stand in"
            raise self.fail(told, "inputs", name)
        node = bare if other is None else coalesce(bare, other, name)
        if "clip" in spec:
            low, high = spec["clip"] if isinstance(spec["clip"], list) and len(spec["clip"]) == 2 else (1, 0)
            if source.type.kind != "number" or not (is_number(low) and is_number(high) and low < high):
                raise self.fail(f"input {name!r}: `clip` is [lowest, highest], for a number", "inputs", name, "clip")
            self._refuse_apart(name, bare, low, high)
            one = _One(self, name, node)
            node = self.outer.parse(self.ident, name, f"clip({name}, {low!r}, {high!r})", scope=one)
            record = _One(self, name, bare)
            beyond = self.outer.parse(
                self.ident, name, f"{name} < {low!r} or {name} > {high!r}", condition=True, scope=record
            )
            self.clipped[name] = beyond
        self.inputs[name] = node
        self.declared.append(Input(name, bare, other, spec))
        if other is not None:
            self.missing[name] = n.IsNull(n.BOOL, f"{name} is null", bare)

    def _refuse_apart(self, name: str, record: n.Node, low: float, high: float) -> None:
        """Refuse bounds outside of which every record lies: everybody would have the same number."""
        within = reach(record, About(self.outer.schema)).interval
        if within is not None and (high <= within.low or low >= within.high):
            range_ = f"{record.text} lies between {within.low:.10g} and {within.high:.10g}"
            told = f"input {name!r}: `clip` would keep everybody at one number: {range_}"
            raise self.fail(told, "inputs", name, "clip")

    def _default(self, name: str, source: n.Node, written: Any) -> n.Node:
        """What stands in for an input."""
        if source.type.kind == "category":
            if written not in source.type.labels:
                near = suggest(str(written), source.type.labels)
                raise self.fail(
                    f"input {name!r}: {written!r} is not one of its labels{near}", "inputs", name, "default"
                )
            return n.Const(n.Type("category", (written,)), written, written)
        other = self.outer.parse(self.ident, f"input {name}, default", written, at=("inputs", name, "default"))
        if other.type.kind != "number":
            raise self.fail(f"input {name!r}: its default is a number", "inputs", name, "default")
        return other


def _called(node: n.Node) -> str:
    """What a name stands for, in a message."""
    match node:
        case n.Const(name=name) if name:
            return f"the parameter {name}"
        case n.Named(id=ident):
            return f"the definition {ident}"
        case n.Column(name=name):
            return f"the column {name}"
        case _:
            return f"the input {node.text}"


class _One:
    """A scope with one more word."""

    def __init__(self, outer: ModelScope, name: str, node: n.Node) -> None:
        self.outer, self.name, self.node = outer, name, node

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self.outer, attribute)

    def lookup(self, name: str) -> n.Node | None:
        return self.node if name == self.name else self.outer.lookup(name)
