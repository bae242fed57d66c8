"""A condition of the rule language over columns of a scored table, all rows at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from popstrat.lang import nodes as n

_COMPARE = {
    "<": pc.less, "<=": pc.less_equal, ">": pc.greater, ">=": pc.greater_equal, "==": pc.equal, "!=": pc.not_equal,
}  # fmt: skip
_SUPPORTED = (n.Const, n.Column, n.Not, n.And, n.Or, n.Compare, n.IsIn, n.IsNull)


def unsupported(node: n.Node) -> str:
    """What a condition has that `holds` does not evaluate, as it was written; "" if nothing."""
    return next((repr(part.text) for part in node.walk() if not isinstance(part, _SUPPORTED)), "")


def holds(node: n.Node, columns: Mapping[str, pa.Array], rows: int) -> pa.Array:
    """In which rows the condition is true, never null.

    Labels are whole numbers, their places among the column's labels. As in packs, a comparison with null is unknown and
    a flag without a record is false.
    """
    found = _value(node, columns, rows)
    if isinstance(found, pa.Scalar):
        return pa.repeat(pa.scalar(bool(found.as_py())), rows)
    return pc.fill_null(found, False)


def _value(node: n.Node, columns: Mapping[str, pa.Array], rows: int) -> Any:
    match node:
        case n.Const():
            return pa.scalar(node.value, pa.bool_() if node.type.kind in ("bool", "null") else None)
        case n.Column():
            column = columns[node.name]
            return pc.fill_null(column, False) if node.type.kind == "bool" else column
        case n.Not():
            return pc.invert(_value(node.item, columns, rows))
        case n.And() | n.Or():
            combine = pc.and_kleene if isinstance(node, n.And) else pc.or_kleene
            found = _value(node.items[0], columns, rows)
            for item in node.items[1:]:
                found = combine(found, _value(item, columns, rows))
            return found
        case n.Compare():
            left, right = node.left, node.right
            return _COMPARE[node.op](_side(left, right, columns, rows), _side(right, left, columns, rows))
        case n.IsIn():
            item = _value(node.item, columns, rows)
            kind = pa.int16() if node.item.type.labels else pa.float64()
            among = pc.is_in(item.cast(kind), value_set=pa.array([_code(v, node.item) for v in node.values], kind))
            return pc.if_else(pc.is_null(item), pa.scalar(None, pa.bool_()), among)
        case n.IsNull():
            return pc.is_null(_value(node.item, columns, rows))
    raise TypeError(f"{type(node).__name__} cannot be evaluated")  # `unsupported` has seen to it


def _side(node: n.Node, other: n.Node, columns: Mapping[str, pa.Array], rows: int) -> Any:
    if isinstance(node, n.Const) and isinstance(node.value, str):
        return pa.scalar(_code(node.value, other), pa.int16())
    return _value(node, columns, rows)


def _code(value: n.Value, item: n.Node) -> Any:
    return item.type.labels.index(value) if isinstance(value, str) else value
