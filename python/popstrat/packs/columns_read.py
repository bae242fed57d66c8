"""Which columns of the patient table the outputs of a pack depend on."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from popstrat.lang import nodes as n
from popstrat.packs.definition import Definition
from popstrat.packs.patient_table import Schema
from popstrat.packs.resolved import Resolved


def rests_on(node: n.Node, lacking: Collection[str], resolved: Resolved) -> bool:
    """Whether an expression is null for everybody where these columns are. Of two that stand in for each other, both
    have to be lacking."""

    def lacks(item: n.Node) -> bool:
        match item:
            case n.Const():
                return item.value is None
            case n.Column():
                column = resolved.pack.schema[item.name]
                born = column.completed_years_since
                return column.type != "bool" and item.name in lacking and (born is None or born in lacking)
            case n.Named():
                return item.type.kind != "bool" and lacks(resolved.definitions[item.id].node)
            case n.Coalesce():
                return lacks(item.item) and lacks(item.otherwise)
            case n.Cases():
                return all(lacks(value) for value in (*(v for _, v in item.items), item.otherwise))
            case n.Only() | n.Whole():
                return lacks(item.item)
            case n.Arithmetic() | n.Call() | n.WeightedSum():
                return any(lacks(part) for part in item.children())
            case n.Compare():
                return lacks(item.left) or lacks(item.right)
            case n.IsIn() | n.Not():
                return lacks(item.item)
            case _:
                return False

    return lacks(node)


def columns_of(nodes: Iterable[n.Node], resolved: Resolved) -> set[str]:
    """The columns that expressions read, by themselves or through definitions that they use by name."""
    found: set[str] = set()
    done: set[str] = set()

    def visit(node: n.Node) -> None:
        for part in node.walk():
            if isinstance(part, n.Column):
                found.add(part.name)
            elif isinstance(part, n.Named) and part.id not in done:
                done.add(part.id)
                visit(resolved.definitions[part.id].node)

    for node in nodes:
        visit(node)
    return found


def read_columns(resolved: Resolved, schema: Schema, outputs: Iterable[Definition] | None = None) -> list[str]:
    """The columns of the patient table that the outputs of a pack, or some of them, depend on, in schema order."""
    found = columns_of((d.node for d in (resolved.outputs if outputs is None else outputs)), resolved)
    for column in schema:
        if column.name in found and column.completed_years_since:
            found.add(column.completed_years_since)
    found |= {str(schema[name].not_after) for name in found if schema[name].not_after}
    birth = next((c.completed_years_since for c in schema if c.completed_years_since), None)
    if birth and any(schema[name].type == "date" for name in found):
        found.add(birth)
    return [c.name for c in schema if c.name in found]
