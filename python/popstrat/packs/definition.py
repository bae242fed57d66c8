"""A definition as it stands at an as-of date."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from popstrat.core.text import suggest
from popstrat.errors import PackError
from popstrat.lang import nodes as n
from popstrat.lang.names import name_fault
from popstrat.lang.parser import conjunction, is_null, negation
from popstrat.lang.values import WHOLE
from popstrat.packs.patient_table import KEY_COLUMNS, PLACE_COLUMNS, Schema
from popstrat.packs.reach import About, fits

NUMBER_TYPES = ("float64", "int16", "uint8", "int32")
NOT_HELD = "not_held"
"""The kind of what is counted of numbers that the type of a definition does not hold: (definition, this, type)."""
_MOST_LABELS = 120
_TAKEN = (*KEY_COLUMNS, *PLACE_COLUMNS, "quality_flags")  # by the scored table


@dataclass(frozen=True)
class Definition:
    """One definition: its expression and what a reader should know of it."""

    id: str
    kind: str
    node: n.Node
    title: str
    means: str
    source: str
    version: str
    output: str | None
    dtype: str  # bool, dictionary, uint8, int16, int32, float64 — of the output column
    raw: Mapping[str, Any]  # the TOML table, effective version folded in
    parent: str | None = None  # the model that this one belongs to
    eligible: tuple[n.Node, ...] = ()  # the conditions for whom it is, all of which must hold
    rules: Mapping[str, n.Node] = field(default_factory=dict)  # its rules one by one, under the names its kind gives


def definition_of(
    ident: str,
    kind: str,
    node: n.Node,
    raw: Mapping[str, Any],
    schema: Schema,
    fail: Callable[[str, str], PackError],
    parent: str | None = None,
    eligible: tuple[n.Node, ...] = (),
    rules: Mapping[str, n.Node] | None = None,
) -> Definition:
    """A definition of an expression, the type and name of its column seen to. Of a number it is what the type holds,
    so that other definitions see what the column shows. ``fail``: an error that says what is wrong and points at a
    text."""
    output = raw.get("output", False)
    if output is True:
        output = ident
    if output is not False and (fault := name_fault(output)):
        raise fail(f"`output` is true, false or the name of a column, and {output!r} {fault}", str(output))
    if output in _TAKEN:
        raise fail(f"the scored table has a column {output!r} already", output)
    declared = raw.get("type")
    if declared is not None and (node.type.kind != "number" or declared not in NUMBER_TYPES):
        shown = str(declared)
        near = "" if declared in NUMBER_TYPES else suggest(shown, NUMBER_TYPES)
        raise fail(f"`type` is for numbers: one of {', '.join(NUMBER_TYPES)}{near}", shown)
    match node.type.kind:
        case "bool":
            dtype = "bool"
        case "category":
            dtype = "dictionary"
            if len(node.type.labels) > _MOST_LABELS:
                raise fail(f"more than {_MOST_LABELS} labels", "")
        case "date":
            if output is not False:
                raise fail("a date cannot be an output column", "")
            dtype = "date32"
        case _:
            dtype = declared or _own_type(n.bare(node))
            if dtype in WHOLE and not fits(node, dtype, About(schema)):
                node = n.Whole(n.NUMBER, node.text, node, dtype)
    return Definition(
        ident, kind, node, raw["title"], raw.get("means", ""), raw.get("source", raw.get("assumption", "")),
        raw["version"], output or None, dtype, raw, parent, eligible, rules or {},
    )  # fmt: skip


def beyond(node: n.Whole) -> n.Node:
    """The condition that there is a number which the type does not hold."""
    return conjunction([negation(is_null(node.item, ""), ""), is_null(node, "")], "")


def _own_type(node: n.Node) -> str:
    """How a number is held where the definition does not say."""
    if not isinstance(node, n.CountTrue):
        return "float64"
    return next(dtype for dtype, (_, most) in WHOLE.items() if len(node.items) <= most)
