"""The size of the prize: how many more people would be at target if practices did as well as others do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from popstrat.core.numbers import NOTHING, count
from popstrat.metrics.rows import Level
from popstrat.pages.charts.bars import Bar, bars
from popstrat.pages.design.parts import Cell, Table, Text
from popstrat.pages.report.model import Area, Definition, Figure
from popstrat.pages.report.teller import Teller, figure, written
from popstrat.pages.report.views import Block, Section, Side

ID = "prize"
MEDIAN, QUARTER, PLAN = "prize_median", "prize_upper_quartile", "prize_plan"
MEASURES = (MEDIAN, QUARTER, PLAN)
_MOST_PRACTICES = 10
_MEANS = (
    "Where support would reach most people. It counts people and says nothing of how well a practice does: that is for "
    "the limits above."
)
_COMPARED = (
    "Median and better quarter: of the practices with 30 people or more. Where low is good, people to gain are people "
    "fewer."
)


@dataclass(frozen=True)
class Prize:
    """People to gain in an area in one metric, by measure; None where there is none. ``most`` is the practice with
    most of them by what `size` is of."""

    definition: Definition
    people: dict[str, float | None]
    most: tuple[Area, Figure] | None


def prizes(t: Teller, metrics: list[Definition]) -> list[Prize]:
    """For each metric the people to gain in the practices of the area, most first."""
    found = []
    for d in metrics:
        people: dict[str, float | None] = {}
        for measure in MEASURES:
            values = [one.value or 0.0 for _, one in _of(t, d, measure)]
            people[measure] = sum(values) if values else None
        if all(value is None for value in people.values()):
            continue
        by = PLAN if (people[PLAN] or 0.0) > (people[QUARTER] or 0.0) else QUARTER
        most = max(_of(t, d, by), key=lambda pair: pair[1].value or 0.0, default=None)
        found.append(Prize(d, people, most))
    return sorted(found, key=lambda one: -size(one))


def size(one: Prize) -> float:
    """People to gain by the better quarter, or by the plan where that is more."""
    return max(one.people[QUARTER] or 0.0, one.people[PLAN] or 0.0)


def by_plan(one: Prize) -> bool:
    """Whether `size` is by the plan."""
    return (one.people[PLAN] or 0.0) > (one.people[QUARTER] or 0.0)


def _of(t: Teller, d: Definition, measure: str) -> Iterator[tuple[Area, Figure]]:
    for area in t.practices():
        one = t.report.get(area, d.id, measure=measure)
        if one is not None and one.value is not None:
            yield area, one


def section(t: Teller) -> Section | None:
    """People to gain by metric, and in a larger area the practices where most are."""
    metrics = [d for d in t.report.definitions.values() if d.reason is None and d.good != "none"]
    found = prizes(t, metrics)
    if not found:
        return None
    single = t.area.level is Level.PRACTICE
    headline = [one for one in found if one.definition.id in t.layout.headline] or found
    heads: list[Text] = ["Figure"]
    if single:
        heads += ["Now", "Median practice", "Better quarter"]
    heads += ["People to gain: median", "Better quarter", "Plan"]
    rows: list[list[Text | Cell]] = []
    for one in found:
        d = one.definition
        row: list[Text | Cell] = [t.metric(d.id)]
        if single:
            row.append(t.value(d, t.get(d.id)))
            row += [_aim(t, d, measure) for measure in (MEDIAN, QUARTER)]
        row += [_people(t, one.people[measure]) for measure in MEASURES]
        rows.append(row)
    if single:
        heads[5] = "People to gain: better quarter"
        heads[6] = "People to gain: plan"
    else:
        heads[2], heads[3] = "People to gain: better quarter", "People to gain: plan"
    table = Table(
        "prize-t",
        "People to gain, by figure",
        heads,
        rows,
        frozenset(range(1, len(heads))),
        "Most first; people may count in several figures",
        notes=[_COMPARED],
    )
    top = [one for one in headline if size(one) >= 1][:5]
    blocks: list[Block] = []
    if top:
        drawn = [Bar(one.definition.title, size(one), count(size(one))) for one in top]
        blocks.append(
            figure(
                "prize-f",
                "People to gain in the headline figures",
                bars(drawn, unit="people"),
                table,
                "People, if the practices did as well as the better quarter, or as planned where that is more",
            )
        )
    else:
        blocks.append(table)
    if not single:
        tables = [block for block in (_where(t, one) for one in top[:4]) if block is not None]
        blocks += [Side(tables)] if tables else []
    brief = f"{count(size(top[0]))} people in “{top[0].definition.title}”" if top else ""
    return Section(ID, "The size of the prize", blocks, [_MEANS], board=True, brief=brief)


def _aim(t: Teller, d: Definition, measure: str) -> Text | Cell:
    one = t.get(d.id, measure=measure)
    return NOTHING if one is None else t.raw(d, one.target)


def _people(t: Teller, value: float | None) -> Text | Cell:
    return NOTHING if value is None else t.cell(count(value), value)


def _where(t: Teller, one: Prize) -> Table | None:
    d = one.definition
    measure = PLAN if by_plan(one) else QUARTER
    practices = sorted(_of(t, d, measure), key=lambda pair: (-(pair[1].value or 0.0), pair[0].name))
    practices = [(area, found) for area, found in practices if (found.value or 0) >= 0.5][:_MOST_PRACTICES]
    if not practices:
        return None
    rows: list[list[Text | Cell]] = [
        [t.place(area), t.number(found.denominator), t.value(d, t.report.get(area, d.id)), _people(t, found.value)]
        for area, found in practices
    ]
    aim = practices[0][1].target
    compared = "the plan" if measure == PLAN else "the better quarter" + ("" if aim is None else f", {written(d, aim)}")
    return Table(
        f"prize-{d.id}-t",
        f"{d.title}: where most people are to gain",
        ("Practice", "People it is of", "Now", "People to gain"),
        rows,
        frozenset({1, 2, 3}),
        f"Against {compared}; at most {_MOST_PRACTICES} practices",
    )
