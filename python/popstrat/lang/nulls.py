"""Whether an expression can be null, as far as its form tells."""

from __future__ import annotations

from collections.abc import Callable

from popstrat.lang import nodes as n

_FINITE = ("abs", "floor", "max", "min", "round")  # of numbers, these are a number


def may_be_null(node: n.Node, named: Callable[[str], n.Node]) -> bool:
    """Whether it may be null (a condition: unknown) for somebody; ``named`` gives a definition's expression."""
    match node:
        case n.Const():
            return node.value is None
        case n.CountTrue() | n.IsNull():
            return False
        case n.Named():
            return node.type.kind != "bool" and may_be_null(named(node.id), named)
        case n.Coalesce():
            return may_be_null(node.item, named) and may_be_null(node.otherwise, named)
        case n.Cases():
            return any(may_be_null(value, named) for value in (*(v for _, v in node.items), node.otherwise))
        case n.Call(function=function) if function in _FINITE:
            return any(may_be_null(part, named) for part in node.arguments)
        case n.Arithmetic(op="+" | "-"):
            return may_be_null(node.left, named) or may_be_null(node.right, named)
    return node.type.kind != "bool" or not isinstance(node, n.Column)


def always_null(node: n.Node, where: n.Node) -> bool:
    """Whether it is null wherever another expression is, because it is made of that."""
    match node:
        case _ if node == where:
            return True
        case n.Arithmetic() | n.Call():
            return any(always_null(part, where) for part in node.children())
        case n.Coalesce():
            return always_null(node.item, where) and always_null(node.otherwise, where)
        case n.Cases():
            return all(always_null(value, where) for value in (*(v for _, v in node.items), node.otherwise))
    return isinstance(node, n.Const) and node.value is None
