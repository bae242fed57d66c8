"""What changed: figures month by month with their signals, this month beside the last, and who moved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from markupsafe import Markup

from popstrat.core.numbers import NOTHING, WITHHELD, count, day, month, plural, short_month
from popstrat.pages.charts.run_chart import Month, run_chart
from popstrat.pages.design.parts import Cell, Table, Text, rag
from popstrat.pages.report.model import Definition
from popstrat.pages.report.signals import Signal, signal_cell, signal_of
from popstrat.pages.report.teller import (
    Teller,
    aim,
    changed,
    figure,
    is_rate,
    tick_writer,
    unit,
    writer,
    written,
)
from popstrat.pages.report.views import Block, Note, Section

ID, MOVERS = "changes", "movers"
_FEWEST, _MOST_CHARTS, _MOST_TOLD = 2, 8, 3
_MOST_MOVES = 40
_SIGNAL = "A signal is a change that chance would rarely make. Without one, a figure that moved tells nothing yet."
_TARGET = (
    "Target: what is to be reached by the next date of the plan, or what the figure's source asks for. On plan: this "
    "month is where the plan should be by now, on the way to its target."
)
_NO_GROUPS = {"new": "New on the list", "left": "Left the list", "no group": "No group"}
_DASH = (
    "A dash under “Signal”: none was looked for, since a month of the figure overlaps with the next, or too few months "
    "are known."
)
_WHY = (
    "A figure changes because other people count in it, because it is worked out of other people, or both. The columns "
    "“then to now” say which. "
    "Its definition is the same in all months compared here."
)


def section_metrics(t: Teller) -> list[Definition]:
    """The headline metrics, and others with a signal."""
    headline = t.known(t.layout.headline)
    others = [
        d
        for d in t.report.definitions.values()
        if d.id not in t.layout.headline and d.reason is None and signal_of(t.report, t.area, d) is not None
    ]
    return [*headline, *others]


def signals(t: Teller, metrics: list[Definition]) -> list[tuple[Definition, Signal]]:
    """The metrics with a signal: for the worse, for the better, neither; in each the headline first. Of metrics that
    are one count, or its other side, one: the first that has a signal, which need not be the one that stands for both
    elsewhere, since of the smaller side rounding can explain more."""
    twins = t.report.twins(t.layout.headline)
    order = {"worse": 0, "better": 1, "": 2}
    found: dict[str, tuple[Definition, Signal]] = {}
    for d in sorted(metrics, key=lambda d: d.id in twins):
        signal = signal_of(t.report, t.area, d)
        if signal is not None:
            found.setdefault(twins.get(d.id, d.id), (d, signal))
    return sorted(
        found.values(),
        key=lambda pair: (order[pair[1].means], pair[0].id not in t.layout.headline, t.report.order[pair[0].id]),
    )


def series(t: Teller) -> Section | None:
    """The signals, this month beside the last, and run charts where there are two months or more."""
    metrics = section_metrics(t)
    table = _table(t, t.known(t.layout.headline))
    drawn: list[Block] = []
    found = signals(t, metrics)
    looked = any((one := t.get(d.id)) is not None and one.signal is not None for d in t.report.definitions.values())
    blocks: list[Block] = []
    if found:
        blocks.append(_signals(t, found))
    elif looked:
        blocks.append(Note("No figure here has a signal: none moved more than chance would move it."))
    blocks += [] if table is None else [table]
    if len(t.report.months) > 1:
        marked = [d for d, _ in found]
        ranked = [*marked, *(d for d in metrics if d not in marked)]
        drawn = [block for block in (_chart(t, d) for d in ranked) if block is not None]
        blocks += drawn[:_MOST_CHARTS]
    elif table is not None:
        blocks.append(Note("Give the metrics files of earlier months too, and each figure is drawn month by month."))
    if table is None and not found and not drawn:
        return None
    lead: list[Text] = [*_moved(t, t.known(t.layout.headline)), _SIGNAL, _TARGET, _WHY]
    if not looked:
        lead.append(
            Markup(
                "No signals were looked for: that needs 12 months that follow each other "
                "(<code>popstrat metrics --history</code>) and figures whose months do not overlap."
            )
        )
    worse = sum(one.means == "worse" for _, one in found)
    brief = f"{plural(len(found), 'signal')}, {worse or 'none'} for the worse" if found else ""
    return Section(ID, "What changed", blocks, lead, brief=brief)


def _moved(t: Teller, metrics: list[Definition]) -> list[Text]:
    """Which shares changed most since the last month, in people, and because of whom: at most `_MOST_TOLD` of them."""
    found: list[tuple[float, str]] = []
    alone = {d.id for d in t.report.tested(t.layout.headline)}
    for d in metrics:
        one, then = t.get(d.id), t.report.before(t.area, t.key(d.id))
        if one is None or then is None or is_rate(d) or d.id not in alone:
            continue
        counted, of, before, _ = then
        if one.value is None or one.numerator is None or one.denominator is None:
            continue
        if before is None or counted is None or of is None:
            continue
        people = abs(one.value - before) * one.denominator
        if people < 1 or written(d, one.value) == written(d, before):
            continue
        why = f"{_more(one.numerator - counted)} count, out of {_more(one.denominator - of)}"
        way = "rose" if one.value > before else "fell"
        found.append((people, f"“{d.title}” {way} from {written(d, before)} to {written(d, one.value)} ({why})"))
    found.sort(key=lambda pair: -pair[0])
    if not found:
        return []
    text = "; ".join(said for _, said in found[:_MOST_TOLD])
    return [f"Largest changes since last month, in people: {text}."]


def _more(people: float) -> str:
    """``15 fewer people``."""
    if not round(people):
        return "as many people"
    return f"{count(abs(people))} {'more' if people > 0 else 'fewer'} people"


def _signals(t: Teller, found: list[tuple[Definition, Signal]]) -> Table:
    rows: list[list[Text | Cell]] = [
        [t.metric(d.id), one.words, one.means or NOTHING, t.last(d), t.value(d, t.get(d.id))] for d, one in found
    ]
    return Table(
        "signals-t",
        "Changes that are more than chance",
        ("Figure", "Signal", "Better or worse", "Last month", f"{day(t.report.as_of)}"),
        rows,
        frozenset({3, 4}),
        "Worse first, then better; last, where neither high nor low is good",
    )


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
            t.last(d),
            t.value(d, one),
            NOTHING if moved is None else t.cell(changed(d, moved), moved),
        ]
        if people:
            then = t.report.before(t.area, t.key(d.id))
            row += [
                _people(None if then is None else (then[n], then[3]), now, one.suppressed)
                for n, now in enumerate((one.numerator, one.denominator))
            ]
        row += [
            t.raw(d, one.year_ago),
            signal_cell(t, d),
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
        notes=["Changes are worked out before the figures are rounded to the digits shown.", _DASH],
    )


def _people(before: tuple[float | None, bool] | None, now: int | None, suppressed: bool) -> str:
    start, kept = (None, False) if before is None else before
    first, end = (count(n, WITHHELD if withheld else NOTHING) for n, withheld in ((start, kept), (now, suppressed)))
    return f"{first} to {end}"


def _chart(t: Teller, d: Definition) -> Block | None:
    """All months that were given: one without this figure is a gap."""
    one = t.area.figures.get(d.key)
    by_month = {(date.year, date.month): value for date, value in t.report.series(t.area, d.key)}
    if len(by_month) < _FEWEST or one is None:
        return None
    found = signal_of(t.report, t.area, d)
    first, last = t.report.months[0].as_of, t.report.as_of
    months = []
    at = (first.year, first.month)
    while at <= (last.year, last.month):
        date = first.replace(year=at[0], month=at[1], day=1)
        ends = at == (last.year, last.month)
        signal = found if ends else None
        months.append(
            Month(
                month(date),
                short_month(date),
                by_month.get(at),
                "" if signal is None else signal.words,
                means="" if signal is None else signal.means,
            )
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
    under = unit(d) + (f"; signal: {found.told}" if found else "")
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
        called = {one.metric.removeprefix(f"{s.id}_"): one.label for one in s.groups}
        rows: list[list[Text | Cell]] = [
            [_group(start, called), _group(end, called), t.number(people)] for start, end, people in shown
        ]
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


def _group(name: str, called: Mapping[str, str]) -> str:
    """A group as the section of segments calls it."""
    return {**_NO_GROUPS, **called}.get(name, name.replace("_", " ").capitalize())
