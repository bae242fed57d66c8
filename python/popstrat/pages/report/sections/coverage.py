"""Who is supported: the floor, the caseload, the plan; the cohorts; how the caseload grew."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass

from popstrat.core.numbers import (
    NOTHING,
    WITHHELD,
    WITHHELD_MEANS,
    count,
    day,
    month,
    percent,
    short_month,
    span,
    stated,
)
from popstrat.metrics.plan import Points, expected, next_target
from popstrat.metrics.rows import Level
from popstrat.pages.charts.bars import Bar, bars
from popstrat.pages.charts.run_chart import Month, run_chart
from popstrat.pages.design.parts import Cell, Table, Text, rag
from popstrat.pages.report.elsewhere import not_shown
from popstrat.pages.report.model import CALLED, EVERYBODY, SEVERAL, Area, Figure
from popstrat.pages.report.teller import Teller, figure, none
from popstrat.pages.report.views import Block, Note, Section

ID = "coverage"
ON_PLAN, OFF_PLAN = "on plan", "behind plan"
_WORDS = (
    "Floor: the least that teams are to support, a share of the registered people of the place. Plan: what was agreed "
    "for certain dates; between two of them it goes in a straight line. On plan: at least as many people are on the "
    "caseload as were planned by now. That can be so while the floor, or the plan's next date, is still far off."
)


@dataclass(frozen=True)
class Reached:
    """How an area stands against its floor and plan. ``by_now`` are the people that were to be on the caseload by this
    day, ``planned`` those that are to be by ``by``, the next date of its plan. ``summed``: the plan is that of the
    places together. ``reason`` says why there is no number of people on the caseload."""

    floor: Figure | None
    on: int | None
    withheld: bool
    gap: float | None
    planned: float | None
    by: str | None
    trajectory: str | None
    by_now: int | None = None
    summed: bool = False
    reason: str = ""

    @property
    def plan_words(self) -> str:
        return {"on": ON_PLAN, "off": OFF_PLAN}.get(self.trajectory or "", "")

    @property
    def ahead(self) -> int | None:
        """People on the caseload beyond those planned by now; fewer than nought where it is behind."""
        return None if self.by_now is None or self.on is None else self.on - self.by_now


def reached(t: Teller, area: Area) -> Reached:
    """The floor, the caseload and the plan of an area; without a plan of its own the whole list has that of its places
    together, if each has one."""
    c, get = t.layout.coverage, t.report.get
    floor = get(area, c.floor, measure="floor", cohort="all")
    gap = get(area, c.gap, measure="coverage", cohort="all")
    on = get(area, c.caseload, measure="coverage", cohort="all")
    points = _points(t, area)
    trajectory = None if gap is None else gap.trajectory
    planned = gap.target if gap is not None and gap.target is not None else next_target(points, t.report.as_of)
    by = next((day for day, value in points if day >= t.report.as_of and value == planned), None)
    by_now = expected(points, t.report.as_of)
    summed = False
    if not points and area is t.top and area.level is Level.ICB:
        each = [_points(t, place) for place in t.report.within(area, Level.PLACE)]
        now = [expected(one, t.report.as_of) for one in each]
        if each and all(one is not None for one in now):
            summed, by_now = True, sum(one or 0.0 for one in now)
            dates = {next((day for day, _ in one if day >= t.report.as_of), None) for one in each}
            if len(dates) == 1 and None not in dates:
                [by] = dates
                planned = sum(next_target(one, t.report.as_of) or 0.0 for one in each)
            if on is not None and on.numerator is not None:
                trajectory = "on" if on.numerator >= by_now else "off"
    return Reached(
        floor,
        None if on is None else on.numerator,
        on is not None and on.numerator is None,
        None if gap is None else gap.value,
        planned,
        None if by is None else by.isoformat(),
        trajectory,
        None if by_now is None else math.ceil(by_now - 1e-9),
        summed,
        (on.reason or "") if on is not None else "",
    )


def _points(t: Teller, area: Area) -> Points:
    """The dates of an area's own plan and what is to be reached by each."""
    found = [
        (dt.date.fromisoformat(key.group or ""), figure.value)
        for key, figure in area.figures.items()
        if key.metric == t.layout.coverage.planned and key.group_by == "quarter" and key.cohort == EVERYBODY
    ]
    return tuple(sorted((day, value) for day, value in found if value is not None))


def floor_text(figure: Figure | None) -> str:
    """A floor as it is written; between two numbers where rounding leaves it open."""
    if figure is None or figure.value is None:
        return none(figure)
    if figure.low is not None and figure.high is not None:
        return span(count(figure.low), count(figure.high))
    return count(figure.value)


def section(t: Teller) -> Section | None:
    """Coverage against the floor and the plan."""
    c = t.layout.coverage
    mine = reached(t, t.area)
    if mine.floor is None and t.get(c.eligible) is None:
        return None
    blocks: list[Block] = [_against(t, mine)]
    grown = _months(t)
    if grown is not None:
        blocks.append(grown)
    level, below = t.within()
    if below and any(reached(t, area).floor is not None for area in below):
        blocks.append(_areas(t, f"{SEVERAL[level].capitalize() if level.value != 'pcn' else 'PCNs'}", below))
    cohorts = _cohorts(t)
    blocks += [] if cohorts is None else [cohorts]
    if not _has_caseload(t):
        blocks.append(
            Note("No caseload was given (popstrat metrics --caseload), so how many people are supported is not known.")
        )
    lead: list[Text] = [_WORDS] if mine.by_now is not None or mine.planned is not None else []
    if mine.withheld:
        why = t.plain(mine.reason).removeprefix("withheld: ")
        lead.append(f"How many people are on the caseload is withheld here: {why}." if why else WITHHELD_MEANS)
    if mine.floor is not None and (mine.floor.reason or "").startswith("apportioned"):
        lead.append(
            f"The floor is set for the place; this {CALLED[t.area.level]}'s part of it goes by list size (apportioned)."
        )
    return Section(ID, "Coverage against the floor and the plan", blocks, lead, board=True)


def caseload(t: Teller) -> Section | None:
    """What people on the caseload have."""
    table = _care(t)
    return None if table is None else Section("caseload", "People on the caseload", [table])


def _has_caseload(t: Teller) -> bool:
    return t.get(t.layout.coverage.caseload, measure="coverage", cohort="all") is not None


def _against(t: Teller, mine: Reached) -> Block:
    c = t.layout.coverage
    registered = t.registered()
    rows: list[list[Text | Cell]] = [["Registered people", t.number(registered), NOTHING]]
    for label, metric in (("In any cohort", c.eligible), ("In any cohort, priority", c.priority)):
        d, found = t.definition(metric), t.get(metric)
        if d is not None and found is not None:
            rows.append([t.metric(metric, label), t.number(found.numerator, found), t.value(d, found)])
    if mine.floor is not None:
        said = floor_share(t) or NOTHING
        rows.append([t.metric(c.floor, "Floor: people to be supported"), floor_text(mine.floor), said])
    if _has_caseload(t):
        on = t.get(c.caseload, measure="coverage", cohort="all")
        rows.append(
            [
                t.metric(c.caseload, "On the caseload"),
                WITHHELD if mine.withheld else t.number(mine.on),
                none(on) if on is None or on.value is None else t.cell(percent(on.value), on.value),
            ]
        )
        rows.append(
            [gap_label(mine.gap), WITHHELD if mine.gap is None and mine.withheld else gap_text(mine.gap), NOTHING]
        )
    of = " (all places together)" if mine.summed else ""
    if mine.by_now is not None:
        rows.append([f"Planned by {day(t.report.as_of)}{of}", t.number(mine.by_now), mine.plan_words or NOTHING])
    if mine.ahead is not None:
        label = "Behind the plan by" if mine.ahead < 0 else "Ahead of the plan by"
        rows.append([label, t.number(abs(mine.ahead)), NOTHING])
    if mine.planned is not None:
        by = f"Planned by {day(mine.by)}{of}" if mine.by else f"Planned next{of}"
        rows.append([by, t.number(mine.planned), NOTHING])
    table = Table(
        "coverage-t",
        "Coverage: people and share of the registered people",
        ("What", "People", "Share or state"),
        rows,
        frozenset({1, 2}),
        sortable=False,
    )
    if mine.floor is None or mine.floor.value is None:
        return table
    drawn = [Bar("On the caseload", mine.on, count(mine.on), beside=mine.floor.value)] if _has_caseload(t) else []
    if mine.planned is not None:
        drawn.append(
            Bar(
                f"Planned by {day(mine.by)}" if mine.by else "Planned",
                mine.planned,
                count(mine.planned),
                beside=mine.floor.value,
                colour="mark-5",
            )
        )
    if not drawn:
        return table
    chart = bars(drawn, unit="people", beside=f"the floor, {floor_text(mine.floor)}")
    notes = not_shown(t, [("On the caseload", c.caseload, WITHHELD)]) if _has_caseload(t) and mine.withheld else []
    title = "People supported by neighbourhood teams, and the floor"
    return figure("coverage-f", title, chart, table, "People", True, notes)


def outside(t: Teller) -> str:
    """How many of the people on the caseload are in no cohort, where that is half of them or more; nothing where it is
    fewer, or not shown."""
    found = t.get(t.layout.coverage.outside, measure="coverage", cohort=EVERYBODY)
    if found is None or found.numerator is None or found.value is None or found.value < 0.5:
        return ""
    return f"{count(found.numerator)} of them ({percent(found.value)})"


def floor_share(t: Teller) -> str:
    """The share of registered people that the floor is, as its definition has it; nothing where that has none."""
    share = t.report.definitions.get(t.layout.coverage.floor)
    return "" if share is None or share.target is None else stated(share.target)


def gap_label(gap: float | None) -> str:
    """What the gap to the floor is called: it has no sign."""
    return "Above the floor by" if gap is not None and gap < 0 else "Short of the floor by"


def gap_text(gap: float | None) -> str:
    """The people that an area is short of its floor, or above it."""
    return NOTHING if gap is None else count(abs(gap))


def _areas(t: Teller, called: str, below: list[Area]) -> Table:
    caseload = _has_caseload(t)
    plans = any(reached(t, area).planned is not None for area in below)
    rows: list[list[Text | Cell]] = []
    for area in below:
        one = reached(t, area)
        row: list[Text | Cell] = [t.place(area), t.number(t.registered(area)), floor_text(one.floor)]
        if caseload:
            gap = WITHHELD if one.gap is None and one.withheld else _signed(one.gap)
            row += [WITHHELD if one.withheld else t.number(one.on), gap]
        if plans:
            row += [t.number(one.by_now), t.number(one.planned)]
            row.append(rag("green" if one.trajectory == "on" else "red", one.plan_words) if one.trajectory else NOTHING)
        rows.append(row)
    heads = [called, "Registered", "Floor"]
    heads += ["On the caseload", "Above or short of the floor"] if caseload else []
    heads += ["Planned by now", "Planned next", "Plan"] if plans else []
    numbers = frozenset(range(1, len(heads) - (1 if plans else 0)))
    return Table("coverage-areas", f"{called}: floor, caseload and plan", heads, rows, numbers, "People")


def _signed(gap: float | None) -> str:
    if gap is None:
        return NOTHING
    said = count(abs(gap))
    return said if said == count(0) else f"{said} {'above' if gap < 0 else 'short'}"


def _cohorts(t: Teller) -> Table | None:
    c = t.layout.coverage
    rows: list[list[Text | Cell]] = []
    caseload = _has_caseload(t)
    for cohort in c.cohorts:
        d, found = t.definition(cohort.metric), t.get(cohort.metric)
        if d is None or found is None:
            continue
        row: list[Text | Cell] = [
            t.metric(cohort.metric, cohort.label),
            t.number(found.numerator, found),
            t.value(d, found),
            t.last(d),
        ]
        first = t.get(cohort.priority) if cohort.priority else None
        row.append(t.number(first.numerator, first) if first is not None else NOTHING)
        if caseload:
            on = t.get(c.on_caseload, measure="coverage", cohort=f"{cohort.cohort}_segment")
            row.append(NOTHING if on is None else t.number(on.numerator, on))
        rows.append(row)
    if not rows:
        return None
    heads = [
        "Cohort",
        "People",
        "Share of registered",
        "Last month",
        "Priority",
        *(["On the caseload"] if caseload else []),
    ]
    return Table(
        "cohorts-t",
        "Cohorts of the neighbourhood teams",
        heads,
        rows,
        frozenset(range(1, len(heads))),
        "One person may be in several",
        sortable=False,
    )


def _care(t: Teller) -> Table | None:
    rows: list[list[Text | Cell]] = []
    for one in t.layout.coverage.care:
        found = t.get(one.metric, measure="coverage", cohort="all")
        if found is None:
            continue
        aim = NOTHING if found.target is None else stated(found.target)
        share = none(found) if found.value is None else t.cell(percent(found.value), found.value)
        rows.append(
            [
                t.metric(one.metric, one.label),
                t.number(found.numerator, found),
                t.number(found.denominator, found),
                share,
                aim,
            ]
        )
    if not rows:
        return None
    return Table(
        "care-t",
        "What people on the caseload have",
        ("What", "People", "Of", "Share", "Target"),
        rows,
        frozenset({1, 2, 3, 4}),
        sortable=False,
    )


def _months(t: Teller) -> Block | None:
    found = sorted(
        (key.group or "", one)
        for key, one in t.area.figures.items()
        if key.metric == t.layout.coverage.months and key.group_by == "month"
    )
    if len(found) < 3 or all(one.numerator is None for _, one in found):
        return None
    floor = reached(t, t.area).floor
    months = [Month(month(_first(name)), short_month(_first(name)), one.numerator) for name, one in found]
    chart = run_chart(
        months,
        unit="people on the caseload at the end of each month",
        write=count,
        from_nothing=True,
        target=None if floor is None or floor.low is not None else floor.value,
        target_called="floor",
    )
    rows: list[list[Text | Cell]] = [[month(_first(name)), t.number(one.numerator, one)] for name, one in found]
    table = Table(
        "caseload-months-t",
        "On the caseload at the end of each month",
        ("Month", "People"),
        rows,
        frozenset({1}),
        sortable=False,
    )
    return figure("caseload-months-f", "On the caseload, month by month", chart, table, "People")


def _first(name: str) -> dt.date | str:
    try:
        return dt.date.fromisoformat(f"{name}-01")
    except ValueError:
        return name
