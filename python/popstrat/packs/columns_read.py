"""Which columns of the patient table the outputs of a pack depend on."""

from __future__ import annotations

from collections.abc import Iterable

from popstrat.lang import nodes as n
from popstrat.packs.definition import Definition
from popstrat.packs.patient_table import Schema
from popstrat.packs.resolved import Resolved


def read_columns(resolved: Resolved, schema: Schema, outputs: Iterable[Definition] | None = None) -> list[str]:
    """The columns of the patient table that the outputs of a pack, or some of them, depend on, in schema order."""
    found: set[str] = set()
    done: set[str] = set()

    def visit(node: n.Node) -> None:
        for part in node.walk():
            if isinstance(part, n.Column):
                found.add(part.name)
            elif isinstance(part, n.Named) and part.id not in done:
                done.add(part.id)
                visit(resolved.definitions[part.id].node)

    for definition in resolved.outputs if outputs is None else outputs:
        visit(definition.node)
    for column in schema:
        if column.name in found and column.completed_years_since:
            found.add(column.completed_years_since)
    birth = next((c.completed_years_since for c in schema if c.completed_years_since), None)
    if birth and any(schema[name].type == "date" for name in found):
        found.add(birth)
    return [c.name for c in schema if c.name in found]
