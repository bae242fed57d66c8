"""Which metrics count over a span longer than a month, so that one month's figure shares people with the next."""

from __future__ import annotations

from popstrat.lang import nodes as n
from popstrat.packs.definition import Definition
from popstrat.packs.resolved import Resolved

_USE = "use"
"""The group of columns of the patient table that are counts of the last 12 months."""


def overlapping(resolved: Resolved, metrics: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the metrics that read a window of more than a month, or a count of the last 12."""
    return tuple(name for name in metrics if _overlaps(resolved.definitions[name], resolved))


def _overlaps(definition: Definition, resolved: Resolved) -> bool:
    waiting, done = [definition.node, *definition.eligible], set()
    while waiting:
        for part in waiting.pop().walk():
            if isinstance(part, n.Within) and part.months > 1:
                return True
            if isinstance(part, n.Column) and resolved.pack.schema[part.name].group == _USE:
                return True
            if isinstance(part, n.Named) and part.id not in done:
                done.add(part.id)
                waiting.append(resolved.definitions[part.id].node)
    return False
