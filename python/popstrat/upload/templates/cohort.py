"""The cohort filter: which patients of a scored table the files of a template are for.

A condition of the rule language over the table's own columns, all rows at once.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from popstrat.lang import nodes as n
from popstrat.lang.lookup import Lookup
from popstrat.lang.parser import ExpressionError, parse_condition
from popstrat.upload.templates.sources import ScoredColumn
from popstrat.upload.templates.toml_file import Fault

_COMPARE = {
    "<": pc.less, "<=": pc.less_equal, ">": pc.greater, ">=": pc.greater_equal, "==": pc.equal, "!=": pc.not_equal,
}  # fmt: skip
_SUPPORTED = (n.Const, n.Column, n.Not, n.And, n.Or, n.Compare, n.IsIn, n.IsNull)


@dataclass(frozen=True)
class Cohort:
    """A condition and the names of the columns that it reads."""

    node: n.Node
    columns: tuple[str, ...]

    def holds(self, data: Mapping[str, pa.Array], rows: int) -> pa.Array:
        """In which rows the condition is true, never null.

        Labels are whole numbers, their indices among the column's labels. As in packs, a comparison with null is
        unknown and a flag without a record is false.
        """
        found = _value(self.node, data, rows)
        if isinstance(found, pa.Scalar):
            return pa.repeat(pa.scalar(bool(found.as_py())), rows)
        return pc.fill_null(found, False)


def read_cohort(text: Any, scored: Mapping[str, ScoredColumn], as_of: dt.date, fault: Fault) -> Cohort | None:
    """The filter that ``[patients] where`` asks for, None for none. Raises `InputError` for what is not a condition."""
    if text is None:
        return None
    entry = "[patients] where"
    if not isinstance(text, str):
        raise fault(entry, "is a rule, in quotes")
    try:
        node = parse_condition(text, _Vocabulary(scored, as_of))
    except ExpressionError as error:
        raise fault(entry, error.message) from None
    odd = next((repr(part.text) for part in node.walk() if not isinstance(part, _SUPPORTED)), "")
    if odd:
        raise fault(entry, f"{odd} cannot be used here")
    return Cohort(node, tuple(dict.fromkeys(c.name for c in node.walk() if isinstance(c, n.Column))))


class _Vocabulary:
    """The columns of a scored table as words of the rule language."""

    def __init__(self, scored: Mapping[str, ScoredColumn], as_of: dt.date) -> None:
        self._scored, self.as_of = scored, as_of
        self.windows: Mapping[str, int] = {}
        self.lookups: Mapping[str, Lookup] = {}
        self.dated: frozenset[str] = frozenset()

    def lookup(self, name: str) -> n.Node | None:
        column = self._scored.get(name)
        if column is None or column.role in ("key", "practice", "text", "other"):
            return None
        kinds = {"flag": n.BOOL, "number": n.NUMBER, "label": n.Type("category", column.labels)}
        return n.Column(kinds[column.role], name, name)

    def members(self, set_name: str) -> Sequence[str] | None:
        return None

    def words(self) -> Iterable[str]:
        return [c.name for c in self._scored.values() if c.role in ("flag", "number", "label")]


def _value(node: n.Node, data: Mapping[str, pa.Array], rows: int) -> Any:
    match node:
        case n.Const():
            return pa.scalar(node.value, pa.bool_() if node.type.kind in ("bool", "null") else None)
        case n.Column():
            column = data[node.name]
            return pc.fill_null(column, False) if node.type.kind == "bool" else column
        case n.Not():
            return pc.invert(_value(node.item, data, rows))
        case n.And() | n.Or():
            combine = pc.and_kleene if isinstance(node, n.And) else pc.or_kleene
            found = _value(node.items[0], data, rows)
            for item in node.items[1:]:
                found = combine(found, _value(item, data, rows))
            return found
        case n.Compare():
            left, right = node.left, node.right
            return _COMPARE[node.op](_side(left, right, data, rows), _side(right, left, data, rows))
        case n.IsIn():
            item = _value(node.item, data, rows)
            kind = pa.int16() if node.item.type.labels else pa.float64()
            among = pc.is_in(item.cast(kind), value_set=pa.array([_code(v, node.item) for v in node.values], kind))
            return pc.if_else(pc.is_null(item), pa.scalar(None, pa.bool_()), among)
        case n.IsNull():
            return pc.is_null(_value(node.item, data, rows))
    raise TypeError(f"{type(node).__name__} cannot be evaluated")  # `read_cohort` has refused it


def _side(node: n.Node, other: n.Node, data: Mapping[str, pa.Array], rows: int) -> Any:
    if isinstance(node, n.Const) and isinstance(node.value, str):
        return pa.scalar(_code(node.value, other), pa.int16())
    return _value(node, data, rows)


def _code(value: n.Value, item: n.Node) -> Any:
    return item.type.labels.index(value) if isinstance(value, str) else value
