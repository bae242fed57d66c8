"""What groups people are in, against last month and the shares that were published elsewhere."""

from __future__ import annotations

from popstrat.core.numbers import NOTHING, percent, stated
from popstrat.pages.charts.bars import Bar, bars
from popstrat.pages.design.parts import Cell, Table, Text
from popstrat.pages.report.elsewhere import not_shown
from popstrat.pages.report.layout import Segmentation
from popstrat.pages.report.teller import EVERYWHERE, Teller, changed, figure, interval, none
from popstrat.pages.report.views import Block, Section


def section(t: Teller) -> Section | None:
    """Every segmentation that the file has."""
    found = [block for block in (_of(t, one) for one in t.layout.segmentations) if block is not None]
    if not found:
        return None
    return Section("segments", "Segments", found, board=False)


def _of(t: Teller, s: Segmentation) -> Block | None:
    drawn: list[Bar] = []
    missing: list[tuple[str, str, str]] = []
    rows: list[list[Text | Cell]] = []
    published = any(group.published is not None for group in s.groups)
    befores = [t.before(group.metric) for group in s.groups if t.definition(group.metric)]
    before_known = any(one is not None for one in befores)
    for group in s.groups:
        d, one = t.definition(group.metric), t.get(group.metric)
        if d is None:
            continue
        before = t.before(group.metric)
        value = None if one is None else one.value
        beside = group.published if published else before
        if value is None:
            missing.append((group.label, group.metric, none(one)))
        drawn.append(Bar(group.label, value, none(one) if value is None else percent(value), beside=beside))
        row: list[Text | Cell] = [
            t.metric(group.metric, group.label),
            t.number(one.numerator if one else None, one),
            t.value(d, one),
            NOTHING if one is None else interval(d, one.low, one.high),
        ]
        if before_known:
            moved = None if value is None or before is None else value - before
            row += [t.last(d), NOTHING if moved is None else t.cell(changed(d, moved), moved)]
        if published:
            row.append(NOTHING if group.published is None else t.cell(stated(group.published), group.published))
        if not t.is_top:
            row.append(t.of_all(group.metric))
        rows.append(row)
    if not rows:
        return None
    heads = ["Group", "People", f"Share of {s.of}", "95% interval"]
    heads += ["Last month", "Change"] if before_known else []
    heads += ["Published share"] if published else []
    heads += [EVERYWHERE] if not t.is_top else []
    notes = [f"Published: {s.source}."] if s.source else []
    table = Table(f"{s.id}-t", s.title, heads, rows, frozenset(range(1, len(heads))), notes=notes, sortable=False)
    marked = "the published share" if published else "last month" if before_known else ""
    chart = bars(drawn, unit=f"% of {s.of}", beside=marked)
    return figure(f"{s.id}-f", s.title, chart, table, f"% of {s.of}", notes=not_shown(t, missing))
