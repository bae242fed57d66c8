"""The size of the prize: how many more people would be at target if practices did as well as others do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from popstrat.core.numbers import NOTHING, count
from popstrat.metrics.rows import Level
from popstrat.pages.charts.bars import Bar, bars
from popstrat.pages.design.parts import Cell, Table, Text
from popstrat.pages.report.layout import Kind
from popstrat.pages.report.model import Area, Definition, Figure
from popstrat.pages.report.teller import Teller, figure, inside, written
from popstrat.pages.report.views import Block, Fold, Section, Side

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


@lru_cache(maxsize=1)
def headline(t: Teller) -> list[Prize]:
    """The people to gain in the headline figures, most first: what is done for people, not what is written down."""
    found = prizes(t, t.known(t.layout.headline))
    return [one for one in found if t.kind(one.definition) is t.layout.kinds[0]]


def section(t: Teller) -> Section | None:
    """People to gain by metric, each kind of figure by itself, and in a larger area the practices where most are. Of
    metrics that are one count, or its other side, one stands."""
    twins = t.report.twins(t.layout.headline)
    metrics = [d for d in t.report.definitions.values() if d.reason is None and d.good != "none" and d.id not in twins]
    found = prizes(t, metrics)
    if not found:
        return None
    single = t.area.level is Level.PRACTICE
    of_kind = [(kind, [one for one in found if t.kind(one.definition) is kind]) for kind in t.layout.kinds]
    tables = [_table(t, kind, some) for kind, some in of_kind if some]
    top = [one for one in headline(t) if size(one) >= 1][:5]
    blocks: list[Block] = []
    if top and of_kind[0][1]:
        drawn = [Bar(one.definition.title, size(one), _signed(one), beside=one.people[MEDIAN]) for one in top]
        blocks.append(
            figure(
                "prize-f",
                "People to gain in the headline figures",
                bars(drawn, unit="people", beside="if as the median practice"),
                tables.pop(0),
                "People more (+) or fewer (−), if the practices did as well as the better quarter, or as planned where "
                "that is more; the stroke: if they did as well as the median practice",
            )
        )
    if not single:
        where = [block for block in (_where(t, one) for one in top[:4]) if block is not None]
        blocks += [Side(where)] if where else []
    blocks += [Fold(one.caption, [one]) for one in tables]
    brief = f"possible: {_gain(top[0])} in “{top[0].definition.title}”" if top else ""
    return Section(ID, "The size of the prize", blocks, [_MEANS], board=True, brief=brief)


def _gain(one: Prize) -> str:
    """``685 more people``: what would be gained."""
    return f"{count(size(one))} {'fewer' if one.definition.good == 'low' else 'more'} people"


def possible(one: Prize) -> str:
    """``fewer people who smoke, possible``: what stands beside the number of people to gain. It has not happened."""
    more, title = "fewer" if one.definition.good == "low" else "more", inside(one.definition.title)
    return f"{more} {title}, possible" if title.startswith("people ") else f"{more} people possible: {title}"


def _signed(one: Prize) -> str:
    return f"{'−' if one.definition.good == 'low' else '+'}{count(size(one))}"


def sentence(t: Teller) -> str:
    """Where most people are to gain, in a sentence; nothing where nobody is."""
    found = headline(t)
    if not found or size(found[0]) < 1:
        return ""
    one = found[0]
    text = f"The largest possible gain in the headline figures: {_gain(one)} in “{one.definition.title}”, "
    text += condition(t, one)
    if t.area.level is not Level.PRACTICE and one.most is not None and one.most[1].value:
        text += f"; {count(one.most[1].value)} of them in {t.named(one.most[0])}"
    return text + "."


def condition(t: Teller, one: Prize) -> str:
    """When that would be gained."""
    single = t.area.level is Level.PRACTICE
    who = "this practice" if single else "every practice"
    aim = "reached its plan" if by_plan(one) else "did as well as the better quarter" + (" of practices" * single)
    median = one.people[MEDIAN]
    less = "" if median is None else f" ({count(median) if round(median) else 'nobody'} if as the median practice)"
    return f"if {who} {aim}{less}"


def _table(t: Teller, kind: Kind, found: list[Prize]) -> Table:
    single = t.area.level is Level.PRACTICE
    heads: list[Text] = ["Figure", *(["Now", "Median practice", "Better quarter"] if single else [])]
    heads += ["To gain: as the median practice", "To gain: as the better quarter", "To gain: by the plan"]
    rows: list[list[Text | Cell]] = []
    for one in found:
        d = one.definition
        row: list[Text | Cell] = [t.metric(d.id)]
        if single:
            row.append(t.value(d, t.get(d.id)))
            row += [_aim(t, d, measure) for measure in (MEDIAN, QUARTER)]
        rows.append([*row, *(_people(t, one.people[measure]) for measure in MEASURES)])
    return Table(
        f"gain-{kind.id}-t",
        kind.gain,
        heads,
        rows,
        frozenset(range(1, len(heads))),
        "Most first; people may count in several figures",
        notes=[_COMPARED],
    )


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
        f"{d.title}: where most would gain",
        ("Practice", "Out of", "Now", "People to gain"),
        rows,
        frozenset({1, 2, 3}),
        f"Against {compared}; at most {_MOST_PRACTICES} practices",
    )
