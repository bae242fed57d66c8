"""Categories: for each type of node where it is not null, and which rows hold a label."""

from __future__ import annotations

from functools import cache

from popstrat.compiler.cases import branches, known
from popstrat.compiler.emitter import FALSE, TRUE, Plane, invert
from popstrat.compiler.held import Category
from popstrat.compiler.lowering import Lowering, Table
from popstrat.lang import nodes as n


def _const(c: Lowering, node: n.Const) -> Category:
    return Category(FALSE if node.value is None else TRUE, lambda label: TRUE if label == node.value else FALSE)


def _column(c: Lowering, node: n.Column) -> Category:
    if not c.columns.present(node.name):
        return Category(FALSE, lambda label: FALSE)
    ok, labels = c.plausible.ok(node.name), c.schema[node.name].labels

    def held(label: str) -> Plane:
        if label not in labels:
            return FALSE
        code = labels.index(label)
        return c.e.both(ok, c.e.plane("RANGE_CODE", c.columns.codes(node.name), code, code))

    return Category(ok, cache(held))


def _named(c: Lowering, node: n.Named) -> Category:
    return c.category(c.definition(node))


def _coalesce(c: Lowering, node: n.Coalesce) -> Category:
    e, a, b = c.e, c.category(node.item), c.category(node.otherwise)
    return Category(
        e.either(a.ok, b.ok), cache(lambda label: e.either(a.label(label), e.both(b.label(label), invert(a.ok))))
    )


def _only(c: Lowering, node: n.Only) -> Category:
    rows, item = c.true(node.condition), c.category(node.item)
    return Category(c.e.both(rows, item.ok), cache(lambda label: c.e.both(rows, item.label(label))))


def _cases(c: Lowering, node: n.Cases) -> Category:
    parts = [(mask, c.category(value)) for mask, value in branches(c, node) if mask != FALSE]
    return Category(
        known(c.e, [(mask, value.ok) for mask, value in parts]),
        cache(lambda label: c.e.any([c.e.both(mask, value.label(label)) for mask, value in parts])),
    )


CATEGORY: Table[Category] = Table(
    "a category",
    {
        n.Const: _const,
        n.Column: _column,
        n.Named: _named,
        n.Coalesce: _coalesce,
        n.Only: _only,
        n.Cases: _cases,
    },
    never=(
        n.Not, n.And, n.Or, n.Compare, n.IsIn, n.IsNull, n.Within, n.Arithmetic, n.Call, n.CountTrue, n.WeightedSum,
        n.Whole,
    ),
)  # fmt: skip
