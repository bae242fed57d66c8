"""Whether what a term is rests on the record alone, or on a default that stands in where there is none.

A default is no finding: it belongs in nobody's reasons. A number rests on the record where every input that it reads
has one. A condition may hold whatever a default is: of several joined by `or` one that the record tells is enough.
"""

from __future__ import annotations

from popstrat.lang import nodes as n
from popstrat.lang.parser import conjunction, disjunction, is_null, negation
from popstrat.packs.model.parts import Model


def on_record(model: Model, node: n.Node) -> n.Node | None:
    """The condition that the record alone makes a term what it is (for a condition: where that holds); None where it
    does for everybody."""
    match node:
        case n.And():
            return _all([on_record(model, item) for item in node.items])
        case n.Or():
            parts = [(item, on_record(model, item)) for item in node.items]
            if all(told is None for _, told in parts):
                return None
            return disjunction([_and(item, told) for item, told in parts], node.text)
        case n.Not(item=n.And(items=items)):
            return on_record(model, n.Or(n.BOOL, node.text, tuple(negation(item, "") for item in items)))
        case n.Not(item=n.Or(items=items)):
            return on_record(model, n.And(n.BOOL, node.text, tuple(negation(item, "") for item in items)))
        case n.Not(item=n.Not(item=item)):
            return on_record(model, item)
    seen = [part for part in node.walk() if isinstance(part, n.Coalesce)]
    lacking = [
        negation(is_null(made.given, f"{made.name} is null"), f"{made.name} is not null")
        for made in model.inputs
        if made.default is not None and any(part.item == made.given and part.otherwise == made.default for part in seen)
    ]
    return conjunction(lacking, "recorded") if lacking else None


def _all(conditions: list[n.Node | None]) -> n.Node | None:
    found = [condition for condition in conditions if condition is not None]
    return conjunction(found, "recorded") if found else None


def _and(item: n.Node, told: n.Node | None) -> n.Node:
    return item if told is None else conjunction([item, told], item.text)
