"""How much is recorded: shares by column, what the quality file of the coded record says, what cannot be computed."""

from __future__ import annotations

from popstrat.core.numbers import NOTHING, percent
from popstrat.pages.charts.bars import Bar, bars
from popstrat.pages.design.parts import Cell, Table, Text
from popstrat.pages.report.elsewhere import not_shown
from popstrat.pages.report.quality import Quality
from popstrat.pages.report.recorded_tables import columns_table, practices_table
from popstrat.pages.report.teller import EVERYWHERE, POSITIONS, Teller, figure, none
from popstrat.pages.report.views import Block, Note, Section

ID = "recorded"


def section(t: Teller) -> Section | None:
    """Shares recorded; at the top also what the quality file says."""
    blocks: list[Block] = []
    rows: list[list[Text | Cell]] = []
    drawn: list[Bar] = []
    missing: list[tuple[str, str, str]] = []
    for d in t.known(t.layout.recorded):
        one = t.get(d.id)
        if one is None:
            continue
        row: list[Text | Cell] = [
            t.metric(d.id),
            t.number(one.numerator, one),
            t.number(one.denominator, one),
            t.value(d, one),
            t.last(d),
        ]
        if not t.is_top:
            row += [t.of_all(d.id), POSITIONS[one.position] if one.limits is not None else NOTHING]
        rows.append(row)
        if one.value is None:
            missing.append((d.title, d.id, none(one)))
        drawn.append(Bar(d.title, one.value, none(one) if one.value is None else percent(one.value)))
    if rows:
        heads = ["What is recorded", "People", "Of", "Share", "Last month"]
        heads += [] if t.is_top else [EVERYWHERE, "Where it lies"]
        table = Table(
            "recorded-t", "Share recorded", heads, rows, frozenset(range(1, 5 if t.is_top else 6)), "% of people"
        )
        chart = bars(drawn, unit="% of people", top=1.0)
        title = "Share recorded, of those it matters for"
        blocks.append(figure("recorded-f", title, chart, table, "% of people", notes=not_shown(t, missing)))
    quality = t.report.quality
    if quality is not None:
        blocks += _quality(t, quality)
    if not blocks:
        return None
    return Section(ID, "Coding and data quality", blocks)


def _quality(t: Teller, quality: Quality) -> list[Block]:
    found: list[Block] = [columns_table(quality)] if t.is_top else []
    links = {area.name: t.place(area) for area in t.practices()}
    odd = [one for one in quality.practices if one.practice in links]
    if odd:
        found.append(practices_table(odd, links))
    elif not t.is_top and quality.practices:
        found.append(Note("No practice here differs from the whole list by a factor of three in any column."))
    return found
