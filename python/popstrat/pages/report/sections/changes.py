"""What changed: figures month by month with their signals, this month beside the last, and who moved."""

from __future__ import annotations

from collections import defaultdict

from popstrat.core.numbers import NOTHING, WITHHELD, count, day, month, short_month
from popstrat.pages.charts.run_chart import Month, run_chart
from popstrat.pages.design.parts import Cell, Table, Text, rag
from popstrat.pages.report.model import Definition, Key
from popstrat.pages.report.teller import (
    Teller,
    aim,
    changed,
    figure,
    signal_short,
    signal_words,
    tick_writer,
    unit,
    writer,
)
from popstrat.pages.report.views import Block, Note, Section

ID, MOVERS = "changes", "movers"
_FEWEST, _MOST_CHARTS = 3, 8
_MOST_MOVES = 40
_WHY = (
    "Why a figure changed: other people count, or it is of other people, or both. The columns “then to now” say which. "
    "Its definition is the same in all months compared here."
)


def section_metrics(t: Teller) -> list[Definition]:
    """The headline metrics, and others with a signal."""
    headline = t.known(t.layout.headline)
    others = [
        d
        for d in t.report.definitions.values()
        if d.id not in t.layout.headline
        and d.reason is None
        and (one := t.get(d.id)) is not None
        and one.signal not in (None, "none")
        and d.good != "none"
    ]
    return [*headline, *others]


def series(t: Teller) -> Section | None:
    """This month beside the last, and run charts where there are three months or more."""
    metrics = section_metrics(t)
    table = _table(t, metrics)
    if table is None:
        return None
    blocks: list[Block] = [table]
    if len(t.report.months) > 1:
        ranked = sorted(
            metrics, key=lambda d: (_signal(t, d) is None, d.id not in t.layout.headline, t.report.order[d.id])
        )
        drawn = [block for block in (_chart(t, d) for d in ranked) if block is not None]
        blocks += drawn[:_MOST_CHARTS]
    else:
        blocks.append(Note("Give the metrics files of earlier months too, and each figure is drawn month by month."))
    lead: list[Text] = [
        "A signal is a change that chance would rarely make. Without one, a figure that moved tells nothing yet.",
        _WHY,
    ]
    if all(_figure_signal(t, d) is None for d in metrics):
        lead.append(
            "No signals were looked for: that needs 12 months that follow each other (popstrat metrics --history) "
            "and figures whose months do not overlap."
        )
    return Section(ID, "What changed", blocks, lead)


def _figure_signal(t: Teller, d: Definition) -> str | None:
    one = t.get(d.id)
    return None if one is None else one.signal


def _signal(t: Teller, d: Definition) -> str | None:
    found = _figure_signal(t, d)
    return None if found == "none" else found


def _table(t: Teller, metrics: list[Definition]) -> Table | None:
    rows: list[list[Text | Cell]] = []
    people = any(t.report.before(t.area, t.key(d.id)) for d in metrics)
    for d in metrics:
        one, before = t.get(d.id), t.before(d.id)
        if one is None or (before is None and one.year_ago is None and one.target is None):
            continue
        moved = None if one.value is None or before is None else one.value - before
        row: list[Text | Cell] = [
            t.metric(d.id),
            t.raw(d, before),
            t.value(d, one),
            NOTHING if moved is None else t.cell(changed(d, moved), moved),
        ]
        if people:
            then = t.report.before(t.area, t.key(d.id))
            row += [
                _people(then[0] if then else None, one.numerator, one.suppressed),
                _people(then[1] if then else None, one.denominator, one.suppressed),
            ]
        row += [
            t.raw(d, one.year_ago),
            signal_short(one.signal),
            NOTHING if one.target is None else aim(d, one.target),
            rag("green" if one.trajectory == "on" else "red", "on plan" if one.trajectory == "on" else "behind plan")
            if one.trajectory
            else NOTHING,
        ]
        rows.append(row)
    if not rows:
        return None
    heads = ["Figure", "Last month", f"{day(t.report.as_of)}", "Change"]
    heads += ["Who counts, then to now", "Of whom, then to now"] if people else []
    heads += ["Year ago", "Signal", "Target", "Plan"]
    return Table(
        "changes-t",
        "This month beside the last",
        heads,
        rows,
        frozenset(range(1, 7 if people else 5)),
        "Shares in %, rates per 1,000 people",
    )


def _people(before: int | None, now: int | None, suppressed: bool) -> str:
    end = WITHHELD if now is None and suppressed else count(now, NOTHING)
    return f"{count(before, NOTHING)} to {end}"


def _chart(t: Teller, d: Definition) -> Block | None:
    key = Key(d.id, d.measure, d.cohort, "none", None)
    points = t.report.series(t.area, key)
    one = t.area.figures.get(key)
    if len(points) < _FEWEST or one is None:
        return None
    signal = signal_words(one.signal)
    last = points[-1][0]
    by_month = {(date.year, date.month): value for date, value in points}
    first = points[0][0]
    months = []
    at = (first.year, first.month)
    while at <= (last.year, last.month):
        date = first.replace(year=at[0], month=at[1], day=1)
        months.append(
            Month(month(date), short_month(date), by_month.get(at), signal if at == (last.year, last.month) else "")
        )
        at = (at[0] + at[1] // 12, at[1] % 12 + 1)
    chart = run_chart(months, unit=unit(d), write=writer(d, one.target), write_tick=tick_writer(d), target=one.target)
    rows: list[list[Text | Cell]] = [[m.name, NOTHING if m.value is None else t.raw(d, m.value)] for m in months]
    table = Table(
        f"run-{d.id}-t",
        f"{d.title}, month by month",
        ("Month", unit(d).capitalize()),
        rows,
        frozenset({1}),
        sortable=False,
    )
    under = unit(d) + (f"; signal: {signal}" if signal else "")
    return figure(f"run-{d.id}-f", f"{d.title}, month by month", chart, table, under)


def movers(t: Teller) -> Section | None:
    """Who moved from which group to which since the earlier list."""
    flows: dict[str, list[tuple[str, str, int | None]]] = defaultdict(list)
    for key, one in t.area.figures.items():
        if key.measure == "movers" and key.group:
            start, _, end = key.group.partition(">")
            flows[key.group_by].append((start, end, one.numerator))
    blocks: list[Block] = []
    for s in t.layout.segmentations:
        moved = [flow for flow in flows.get(s.column, ()) if flow[0] != flow[1]]
        if not moved:
            continue
        stayed = sum(people or 0 for start, end, people in flows[s.column] if start == end)
        shown = sorted((flow for flow in moved if flow[2]), key=lambda flow: -(flow[2] or 0))[:_MOST_MOVES]
        kept = sum(people is None for _, _, people in moved)
        rows: list[list[Text | Cell]] = [[_group(start), _group(end), t.number(people)] for start, end, people in shown]
        total = sum(people or 0 for _, _, people in shown)
        if not rows:
            blocks.append(Note(f"{s.title}: how many people moved is withheld in all {kept} directions."))
            continue
        note = f"About {count(stayed)} people stayed in their group; {count(total)} moved as shown. "
        note += f"{kept} other directions are withheld." if kept else ""
        blocks.append(
            Table(
                f"moved-{s.id}-t",
                f"{s.title}: who moved",
                ("From", "To", "People"),
                rows,
                frozenset({2}),
                "Since the earlier list; most people first",
                notes=[note],
            )
        )
    return Section(MOVERS, "Who moved", blocks) if blocks else None


def _group(name: str) -> str:
    special = {"new": "New on the list", "left": "Left the list", "no group": "No group"}
    return special.get(name, name.replace("_", " ").capitalize())
