"""What metrics rest on: spans of time that overlap from month to month, and risks that were not fitted to outcomes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from popstrat.lang import nodes as n
from popstrat.packs.definition import Definition
from popstrat.packs.resolved import Resolved

_USE = "use"
"""The group of columns of the patient table that are counts of the last 12 months."""


def overlapping(resolved: Resolved, metrics: Sequence[str]) -> tuple[str, ...]:
    """Those of the metrics that read a window of more than a month, or a count of the last 12, so that one month's
    figure shares people with the next. Metrics that are no definitions of the pack are none."""
    return tuple(name for name in metrics if any(_spans(part, resolved) for part in _read(name, resolved)))


def unfitted(resolved: Resolved, metrics: Sequence[str]) -> tuple[str, ...]:
    """Those of the metrics that rest on a model, or a tree, which no local outcomes were used to fit: they order people
    within a list and say nothing of a practice."""
    return tuple(
        name
        for name in metrics
        if any(
            isinstance(part, n.Named) and _not_fitted(resolved.definitions[part.id.partition(".")[0]])
            for part in _read(name, resolved)
        )
    )


def _spans(part: n.Node, resolved: Resolved) -> bool:
    if isinstance(part, n.Within):
        return part.months > 1
    return isinstance(part, n.Column) and resolved.pack.schema[part.name].group == _USE


def _not_fitted(definition: Definition) -> bool:
    """Of a model, which has definitions of its own behind a dot, it is the model that says."""
    return definition.kind == "tree" or (definition.kind == "model" and not definition.raw.get("provenance"))


def _read(metric: str, resolved: Resolved) -> Iterator[n.Node]:
    """Every part of a metric's rules, and of the definitions that they name, each definition once."""
    definition = resolved.definitions.get(metric)
    if definition is None:
        return
    waiting, done = [definition.node, *definition.eligible], set()
    while waiting:
        for part in waiting.pop().walk():
            yield part
            if isinstance(part, n.Named) and part.id not in done:
                done.add(part.id)
                waiting.append(resolved.definitions[part.id].node)
