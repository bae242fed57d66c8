"""Whether practices differ by more than chance: funnels of the practices in an area, and where one lies in them. Never
a league table: practices stand in the order of their codes."""

from __future__ import annotations

from markupsafe import Markup

from popstrat.core.numbers import NOTHING, count
from popstrat.metrics.rows import Level
from popstrat.pages.charts.funnel import Limits, Place, funnel
from popstrat.pages.charts.within import Lying, within
from popstrat.pages.design.parts import Cell, Table, Text
from popstrat.pages.report.model import CALLED, SEVERAL, Definition
from popstrat.pages.report.sections import needs
from popstrat.pages.report.teller import (
    EVERYWHERE,
    POSITIONS,
    Teller,
    figure,
    interval,
    none,
    tick_writer,
    unit,
    worse,
    writer,
    written,
)
from popstrat.pages.report.views import Block, Note, Section

ID = "variation"
_MOST_LIMITS = 120
_MEANS = (
    "Each practice is expected to lie between limits that follow from its size, chance and the usual differences "
    "between practices: 95% of them between the inner limits, 99.8% between the outer ones. Within them practices do "
    "not differ in any way that a rank could tell."
)
_ELSEWHERE = Markup('Those outside, in these figures and all others, are named under <a href="#{}">{}</a>.').format(
    needs.ID, "who needs help, with what"
)


def section(t: Teller) -> Section | None:
    """A practice among all, or the practices of a larger area."""
    blocks: list[Block] = []
    own = _own(t)
    if own is not None:
        blocks.append(own)
    if t.area.level is not Level.PRACTICE:
        drawn = [block for block in (_funnel(t, d) for d in t.known(t.layout.funnels)) if block is not None]
        if drawn:
            blocks += [Note(_ELSEWHERE), *drawn]
    if not blocks:
        return None
    return Section(ID, "Differences beyond chance", blocks, [_MEANS])


def _own(t: Teller) -> Block | None:
    """Where the area lies among those of its level."""
    rows: list[list[Text | Cell]] = []
    drawn: list[Lying] = []
    headline = set(t.layout.headline)
    for d in t.report.definitions.values():
        one = t.get(d.id)
        if d.reason is not None or d.good == "none" or one is None or one.value is None or one.limits is None:
            continue
        lowest, low, high, highest = one.limits
        bad = worse(d, one.position)
        where = POSITIONS[one.position]
        told = f"{where}: worse" if bad else f"{where}: better" if one.position else where
        rows.append(
            [
                t.metric(d.id),
                t.value(d, one),
                t.of_all(d.id),
                interval(d, low, high),
                interval(d, lowest, highest),
                t.cell(told, one.position * (-1 if d.good == "high" else 1)),
            ]
        )
        if d.id in headline or abs(one.position) == 2:
            drawn.append(
                Lying(
                    d.title,
                    one.value,
                    written(d, one.value),
                    one.limits,
                    told,
                    abs(one.position) == 2,
                    bad and abs(one.position) == 2,
                    None if (whole := t.report.get(t.top, d.id)) is None else whole.value,
                )
            )
    if not rows:
        return None
    called = CALLED[t.area.level]
    table = Table(
        "limits-t",
        f"Every figure with limits: where this {called} lies",
        ("Figure", f"This {called}", EVERYWHERE, "95% limits", "99.8% limits", "Where it lies"),
        rows,
        frozenset({1, 2, 3, 4}),
        "Shares in %, rates per 1,000 people",
    )
    if not drawn:
        return table
    title = f"Where this {called} lies among all {SEVERAL[t.area.level]}"
    return figure(
        "limits-f",
        title,
        within(
            drawn,
            unit="each on a scale of its own",
            called=f"this {called}",
            average=f"the stroke: {EVERYWHERE.lower()}",
        ),
        table,
        "Each figure on a scale of its own; the stroke is the value of all practices",
    )


def _funnel(t: Teller, d: Definition) -> Block | None:
    practices = t.practices()
    figures = [(area, one) for area in practices if (one := t.report.get(area, d.id)) is not None]
    shown = [(area, one) for area, one in figures if one.value is not None and one.limits is not None]
    whole = t.report.get(t.top, d.id)
    if len(shown) < 2 or whole is None or whole.value is None:
        return None
    rows: list[list[Text | Cell]] = []
    places: list[Place] = []
    for area, one in figures:
        limits = one.limits
        rows.append(
            [
                t.place(area),
                t.number(one.denominator, one),
                t.value(d, one),
                NOTHING if limits is None else interval(d, limits[1], limits[2]),
                NOTHING if limits is None else interval(d, limits[0], limits[3]),
                none(one) if one.value is None else t.cell(POSITIONS[one.position], one.position),
            ]
        )
        if one.value is not None and one.denominator is not None and limits is not None:
            way = {2: "above", -2: "below"}.get(one.position, "")
            places.append(Place(area.name, one.denominator, one.value, way, bool(way) and len(practices) <= 60))
    table = Table(
        f"funnel-{d.id}-t",
        f"{d.title}: each practice and its limits",
        ("Practice", "People", "Value", "95% limits", "99.8% limits", "Where it lies"),
        rows,
        frozenset({1, 2, 3, 4}),
        unit(d),
    )
    chart = funnel(
        places,
        _limits(t, d),
        target=whole.value,
        unit=unit(d),
        sizes="people it is of",
        write=writer(d),
        write_tick=tick_writer(d),
        write_size=count,
        target_called="all together",
    )
    good = {"high": "high is good", "low": "low is good"}.get(d.good, "")
    return figure(f"funnel-{d.id}-f", f"{d.title}, by practice", chart, table, f"{unit(d)}; {good}")


def _limits(t: Teller, d: Definition) -> list[Limits]:
    """The limits by size, from those of this area's practices, thinned where there are many."""
    found: dict[float, Limits] = {}
    for area in t.practices():
        one = t.report.get(area, d.id)
        if one is not None and one.limits is not None and one.denominator is not None:
            lowest, low, high, highest = one.limits
            found[one.denominator] = Limits(one.denominator, lowest, low, high, highest)
    sizes = sorted(found)
    step = max(1, -(-len(sizes) // _MOST_LIMITS))
    kept = {*sizes[::step], *sizes[-1:]}
    return [found[size] for size in sizes if size in kept]
