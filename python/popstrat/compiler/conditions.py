"""Conditions: for each type of node the rows where it is true, and those where it is false."""

from __future__ import annotations

from popstrat.compiler.cases import branches
from popstrat.compiler.comparisons import compare, is_in
from popstrat.compiler.dates import not_within, within
from popstrat.compiler.emitter import FALSE, TRUE, Plane, invert
from popstrat.compiler.lowering import Lowering, Table
from popstrat.lang import nodes as n


def _const_true(c: Lowering, node: n.Const) -> Plane:
    return TRUE if node.value is True else FALSE


def _const_false(c: Lowering, node: n.Const) -> Plane:
    return TRUE if node.value is False else FALSE


def _flag(c: Lowering, node: n.Column) -> Plane:
    """Where a flag is set; null, absent and implausible are not."""
    if not c.columns.present(node.name):
        return FALSE
    if c.columns.kinds[node.name] == "bits":
        return c.e.plane("FLAG", c.columns.index(node.name))
    return c.e.both(c.columns.in_range(node.name, 1, 1), c.plausible.ok(node.name))


def _named(c: Lowering, node: n.Named) -> Plane:
    return c.true(c.definition(node))


def _null(c: Lowering, node: n.IsNull) -> Plane:
    return invert(c.known(node.item))


def _not_true(c: Lowering, node: n.Node) -> Plane:
    """False, of what is never unknown."""
    return invert(c.true(node))


def _not(c: Lowering, node: n.Not) -> Plane:
    return c.false(node.item)


def _not_false(c: Lowering, node: n.Not) -> Plane:
    return c.true(node.item)


def _and(c: Lowering, node: n.And) -> Plane:
    return c.e.all(c.true(i) for i in node.items)


def _and_false(c: Lowering, node: n.And) -> Plane:
    return c.e.any([c.false(i) for i in node.items])


def _or(c: Lowering, node: n.Or) -> Plane:
    return c.e.any([c.true(i) for i in node.items])


def _or_false(c: Lowering, node: n.Or) -> Plane:
    return c.e.all(c.false(i) for i in node.items)


def _compare(c: Lowering, node: n.Compare) -> Plane:
    return compare(c, node)[0]


def _compare_false(c: Lowering, node: n.Compare) -> Plane:
    truth, ok = compare(c, node)
    return c.e.both(ok, invert(truth))


def _is_in_false(c: Lowering, node: n.IsIn) -> Plane:
    return c.e.both(c.known(node.item), invert(is_in(c, node)))


def _cases(c: Lowering, node: n.Cases) -> Plane:
    return c.e.any([c.e.both(mask, c.true(value)) for mask, value in branches(c, node)])


def _cases_false(c: Lowering, node: n.Cases) -> Plane:
    return c.e.any([c.e.both(mask, c.false(value)) for mask, value in branches(c, node)])


def _only(c: Lowering, node: n.Only) -> Plane:
    return c.e.both(c.true(node.condition), c.true(node.item))


def _only_false(c: Lowering, node: n.Only) -> Plane:
    return c.e.both(c.true(node.condition), c.false(node.item))


_NUMBERS = (n.Arithmetic, n.Call, n.Coalesce, n.CountTrue, n.WeightedSum, n.Whole)

IS_TRUE: Table[Plane] = Table(
    "a condition",
    {
        n.Const: _const_true,
        n.Column: _flag,
        n.Named: _named,
        n.Not: _not,
        n.And: _and,
        n.Or: _or,
        n.Compare: _compare,
        n.IsIn: is_in,
        n.IsNull: _null,
        n.Within: within,
        n.Cases: _cases,
        n.Only: _only,
    },
    never=_NUMBERS,
)
IS_FALSE: Table[Plane] = Table(
    "a condition",
    {
        n.Const: _const_false,
        n.Column: _not_true,
        n.Named: _not_true,
        n.Not: _not_false,
        n.And: _and_false,
        n.Or: _or_false,
        n.Compare: _compare_false,
        n.IsIn: _is_in_false,
        n.IsNull: _not_true,
        n.Within: not_within,
        n.Cases: _cases_false,
        n.Only: _only_false,
    },
    never=_NUMBERS,
)
