"""How many long-term conditions people have, by age."""

from __future__ import annotations

from popstrat.core.numbers import count
from popstrat.metrics.rows import AGE_BANDS
from popstrat.pages.charts.stacked import PartOf, Stack, stacked
from popstrat.pages.design.parts import Cell, Table, Text
from popstrat.pages.report.model import Figure
from popstrat.pages.report.teller import Teller, figure
from popstrat.pages.report.views import Section

_COLOURS = ("sunken", "mark-5", "mark-1", "mark-2", "mark-4", "mark-6", "mark-7", "mark-8", "mark-9")


def section(t: Teller) -> Section | None:
    """A row for each age band that the file has, and one for everybody."""
    groups = [group for group in t.layout.ltc if t.definition(group.metric)]
    if not groups:
        return None
    bands: list[tuple[str, str, str | None]] = [("All ages", "none", None)]
    bands += [(band.replace("-", "–"), "age_band", band) for band, _ in AGE_BANDS]
    heads: list[Text] = ["Age", "People", *(group.label for group in groups)]
    rows: list[list[Text | Cell]] = []
    drawn: list[Stack] = []
    for label, by, band in bands:
        found: list[Figure | None] = [t.get(group.metric, by, band) for group in groups]
        if all(one is None for one in found):
            continue
        people = next((one.denominator for one in found if one is not None and one.denominator is not None), None)
        shares = [
            t.value(d, one) for group, one in zip(groups, found, strict=True) if (d := t.definition(group.metric))
        ]
        rows.append([label, t.number(people, found[0]), *shares])
        values = [None if one is None else one.value for one in found]
        if all(value is not None for value in values):  # as the table: a bar says nothing that is withheld there
            drawn.append(Stack(label, values, "" if people is None else f"{count(people)} people"))
    if not rows:
        return None
    table = Table(
        "ltc-t",
        t.layout.ltc_title,
        heads,
        rows,
        frozenset(range(1, len(heads))),
        "% of people of that age",
        sortable=False,
    )
    if not drawn:
        return Section("conditions", t.layout.ltc_title, [table])
    parts = [
        PartOf(group.label, colour, "text" if colour == "sunken" else "surface")
        for group, colour in zip(groups, _COLOURS, strict=False)
    ]
    chart = stacked(drawn, parts, unit="% of people of that age")
    return Section(
        "conditions",
        t.layout.ltc_title,
        [figure("ltc-f", "How many long-term conditions people have", chart, table, "% of people of that age")],
    )
