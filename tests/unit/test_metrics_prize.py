"""People to gain: practices that a reader can work out by hand."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pytest

from popstrat.metrics import prize
from popstrat.metrics.estimates import Shown
from popstrat.metrics.figures import Areas, Figures, Groups, Metric
from popstrat.metrics.plan import NO_PLAN, Plan, Planned
from popstrat.metrics.rows import LEVELS, SCHEMA, Level, Measure

AS_OF = dt.date(2026, 6, 30)
# Shares of 0.5, 0.6, 0.7, 0.8 and 0.9: the median is 0.7, the better quarter reaches 0.8.
PRACTICES = ((50, 100), (120, 200), (70, 100), (800, 1000), (90, 100))


def rows(
    counts: Any = PRACTICES, *, good: str = "high", measure: Measure = Measure.PROPORTION, plan: Plan = NO_PLAN,
    withheld: tuple[int, ...] = (), left_out: tuple[str, ...] = (),
) -> list[dict[str, Any]]:  # fmt: skip
    codes = tuple(f"P{i + 1}" for i in range(len(counts)))
    areas = Areas(
        codes, (None,) * len(codes), (None,) * len(codes), tuple("East" if i < 2 else "West" for i in range(len(codes)))
    )
    metric = Metric("at_target", "", "1", measure, "adults", good, per=1000 if measure is Measure.RATE else 1)
    k, n = (np.array(column, dtype=np.int64) for column in zip(*counts, strict=True))
    zero = np.zeros(len(codes), dtype=np.int64)
    level = np.full(len(codes), LEVELS.index(Level.PRACTICE))
    figures = Figures(
        areas,
        (metric,),
        (Groups("none", (None,)),),
        zero,
        level,
        np.arange(len(codes)),
        zero,
        zero,
        k,
        n,
        k,
        registered=n,
    )
    shown = Shown.uncontrolled(figures)
    shown.numerator[list(withheld)] = np.nan
    table = prize.rows_of(figures, shown, AS_OF, plan, left_out=left_out)
    assert table.schema == SCHEMA
    return table.to_pylist()


def gains(found: list[dict[str, Any]], measure: Measure) -> list[tuple[str, float]]:
    return [(row["area"], pytest.approx(row["value"])) for row in found if row["measure"] == measure.value]


def test_people_to_gain_the_most_first() -> None:
    found = rows()
    # to 0.7: P1 lacks 20 of 100, P2 20 of 200; the others are there
    assert gains(found, Measure.PRIZE_MEDIAN) == [("P1", 20), ("P2", 20), ("P3", 0), ("P4", 0), ("P5", 0)]
    # to 0.8: P2 lacks 40 of 200, P1 30, P3 10
    assert gains(found, Measure.PRIZE_UPPER_QUARTILE) == [("P2", 40), ("P1", 30), ("P3", 10), ("P4", 0), ("P5", 0)]
    assert gains(found, Measure.PRIZE_PLAN) == []
    row = next(row for row in found if row["measure"] == "prize_upper_quartile")
    assert (row["numerator"], row["denominator"], row["target"], row["cohort"], row["parent"]) == (
        120,
        200,
        0.8,
        "adults",
        "East",
    )


def test_of_what_should_be_low_the_better_quarter_is_below() -> None:
    found = rows(good="low")
    # to 0.6: P4 has 200 of 1,000 too many, P5 30 of 100, P3 10
    assert gains(found, Measure.PRIZE_UPPER_QUARTILE) == [("P4", 200), ("P5", 30), ("P3", 10), ("P1", 0), ("P2", 0)]


def test_practices_of_under_thirty_people_and_withheld_ones_take_no_part() -> None:
    found = rows([*PRACTICES, (1, 29)], withheld=(4,))
    assert {row["area"] for row in found} == {"P1", "P2", "P3", "P4"}
    assert {round(row["target"], 3) for row in found} == {0.65, 0.725}  # of 0.5, 0.6, 0.7 and 0.8


def test_exactly_thirty_people_are_enough() -> None:
    assert {row["area"] for row in rows([*PRACTICES, (15, 30)])} == {"P1", "P2", "P3", "P4", "P5", "P6"}


def test_too_few_practices_have_no_quartile() -> None:
    assert rows(PRACTICES[:3]) == []


@pytest.mark.parametrize(
    "without",
    [{"good": "none"}, {"measure": Measure.RATE}, {"measure": Measure.FLOOR}, {"left_out": ("at_target",)}],
)
def test_what_has_no_prize(without: dict[str, Any]) -> None:
    assert rows(**without) == []


def test_the_plan_of_the_practice_else_of_the_area_above_it() -> None:
    plan = Plan({
        Planned("at_target", None, Level.PRACTICE, "P1"): ((AS_OF, 0.6),),
        Planned("at_target", None, Level.PLACE, "East"): ((dt.date(2026, 9, 30), 0.75),),
        Planned("other", None, Level.ICB, "all"): ((AS_OF, 0.99),),
    })  # fmt: skip
    assert gains(rows(plan=plan), Measure.PRIZE_PLAN) == [("P2", 30), ("P1", 10)]
    whole = Plan({Planned("at_target", None, Level.ICB, "all"): ((AS_OF, 0.85),)})
    assert gains(rows(plan=whole), Measure.PRIZE_PLAN)[0] == ("P2", 50)
