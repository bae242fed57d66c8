"""Values, columns and labels of a pack as typed expressions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from popstrat.lang import nodes as n
from popstrat.lang.parser import cases, coalesce
from popstrat.packs.patient_table import Column
from popstrat.packs.shapes import is_number, tables


def type_of(value: Any) -> n.Type | None:
    """The type of a parameter's value; None for what cannot be one."""
    if isinstance(value, bool):
        return n.BOOL
    if isinstance(value, int | float):
        return n.NUMBER if is_number(value) else None
    if type(value) is dt.date:
        return n.DATE
    return n.Type("category", (value,)) if isinstance(value, str) else None


def choices(table: Mapping[str, Any]) -> dict[Any, str]:
    """The values that a parameter may have, each with what it means; empty where it is not said. Of a table that is
    written wrongly, what is there."""
    return {item.get("value"): str(item.get("means", "")) for item in tables(table.get("one_of"))}


def column_node(column: Column) -> n.Node | None:
    """A column as a word of the language; a category with a declared reading of null has it put in here."""
    match column.type:
        case "bool":
            return n.Column(n.BOOL, column.name, column.name)
        case "int" | "float":
            return n.Column(n.NUMBER, column.name, column.name)
        case "date":
            return n.Column(n.DATE, column.name, column.name)
        case "category":
            kind = n.Type("category", column.labels)
            node = n.Column(kind, column.name, column.name)
            if column.null_is is None:
                return node
            return coalesce(node, n.Const(n.Type("category", (column.null_is,)), "", column.null_is), column.name)
        case _:
            return None


def label_cases(items: Sequence[tuple[n.Node, str]], otherwise: str | None, labels: tuple[str, ...]) -> n.Node:
    """First match over labels, as a category whose codes follow `labels`."""
    kind = n.Type("category", labels)
    last = n.Const(n.NULL, "null", None) if otherwise is None else n.Const(kind, otherwise, otherwise)
    node = cases([(when, n.Const(kind, label, label)) for when, label in items], last, kind, "")
    return n.Cases(kind, "", (), node) if isinstance(node, n.Const) else node
