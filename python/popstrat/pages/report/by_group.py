"""Figures of an area by what people are divided by: a row for each figure, a column for each group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from popstrat.pages.design.parts import Cell, Table, Text
from popstrat.pages.report.model import Definition
from popstrat.pages.report.teller import Teller


def by_group(t: Teller, metrics: Sequence[Definition], by: str, called: str, groups: Mapping[str, str]) -> Table | None:
    """The metrics that the area has by ``by``, with everybody at the end; None where it has none. ``groups`` are those
    of the file with their heads."""
    rows: list[list[Text | Cell]] = []
    for d in metrics:
        found = [t.get(d.id, by, group) for group in groups]
        if any(one is not None for one in found):
            rows.append([t.metric(d.id), *(t.value(d, one) for one in found), t.value(d, t.get(d.id))])
    if not rows:
        return None
    heads = ["Figure", *groups.values(), "Everybody"]
    return Table(
        f"by-{by.replace('+', '-')}-t",
        f"By {called}",
        heads,
        rows,
        frozenset(range(1, len(heads))),
        "Shares in %, rates per 1,000 people",
        sortable=False,
    )
