"""Signals on pages: good or bad by the figure's direction, none on a flat line, and all months in the run chart."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from popstrat.metrics.rows import Level, Measure, Row, table_of
from popstrat.pages.charts.bars import Bar, bars
from popstrat.pages.report.layout import layout
from popstrat.pages.report.model import Figure, Report
from popstrat.pages.report.names import page_names
from popstrat.pages.report.page import page_of
from popstrat.pages.report.read import Month
from popstrat.pages.report.sections import needs
from popstrat.pages.report.sections.care import Counted, may_be_larger, most_of
from popstrat.pages.report.sections.inequality import widened
from popstrat.pages.report.sections.prize import Prize, possible
from popstrat.pages.report.signals import signal_of

pytestmark = pytest.mark.smoke
METRIC = "blood_pressure_at_target"


def report(values: Sequence[float | None], rule: str | None, good: str) -> Report:
    """A list of one area with a figure month by month, the last with a signal; None is a month without it."""
    told = {"id": METRIC, "title": "Blood pressure at target", "version": "1", "measure": "proportion", "good": good}
    record: dict[str, Any] = {"metrics": [told], "disclosure_control": False, "pack": {"id": "p", "version": "1"}}
    months = []
    for i, value in enumerate(values):
        day = dt.date(2025 + (i + 5) // 12, (i + 5) % 12 + 1, 28)
        row = Row(
            as_of=day,
            metric=METRIC if value is not None else "other",
            version="1",
            measure=Measure.PROPORTION,
            cohort="all",
            level=Level.ICB,
            area="all",
            numerator=None if value is None else round(1000 * value),
            denominator=1000,
            value=value,
            signal=rule if i == len(values) - 1 else None,
        )
        months.append(Month(day, table_of([row]), record, Path(f"{day}.parquet"), "0", "1"))
    return Report(months)


def found(values: Sequence[float | None], rule: str, good: str) -> tuple[str, str] | None:
    made = report(values, rule, good)
    signal = signal_of(made, made.top, made.definitions[METRIC])
    return None if signal is None else (signal.words, signal.means)


RISING = [0.5 + i / 100 for i in range(13)]
LOW = [0.7] * 10 + [0.6, 0.6, 0.5]


@pytest.mark.parametrize(
    ("values", "rule", "good", "expected"),
    [
        (RISING, "seven_rising_or_falling", "high", ("rising for seven months", "better")),
        (RISING, "seven_rising_or_falling", "low", ("rising for seven months", "worse")),
        (RISING, "seven_rising_or_falling", "none", ("rising for seven months", "")),
        (LOW, "beyond_3_sigma", "high", ("far below its average", "worse")),
        (LOW, "beyond_3_sigma", "low", ("far below its average", "better")),
        (LOW, "two_of_three_beyond_2_sigma+seven_on_one_side", "low",
         ("well below its average in two of three months, below its average for seven months", "better")),
        ([0.7] * 13, "seven_on_one_side", "high", None),
        ([0.7 + i * 1e-6 for i in range(13)], "seven_rising_or_falling", "high", None),
        (RISING, "none", "high", None),
    ],
)  # fmt: skip
def test_which_way_a_signal_points(
    values: Sequence[float], rule: str, good: str, expected: tuple[str, str] | None
) -> None:
    assert found(values, rule, good) == expected


def test_a_run_chart_has_all_months(tmp_path: Path) -> None:
    """Those without the figure too, at the beginning and in between."""
    made = report([None, None, 0.5, 0.6, None, 0.7], None, "high")
    page = page_of(made, made.top, page_names(made.areas), layout())
    table = next(one for one in page.tables() if one.id == f"run-{METRIC}-t")
    assert [str(row[0]) for row in table.rows] == [
        "June 2025", "July 2025", "August 2025", "September 2025", "October 2025", "November 2025",
    ]  # fmt: skip
    cells = [getattr(row[1], "text", row[1]) for row in table.rows]
    assert cells == ["–", "–", "50.0%", "60.0%", "–", "70.0%"]


def test_what_has_no_value_has_no_bar() -> None:
    """It is named below the others, whatever its place among them."""
    chart = bars([Bar("Statin", None, "withheld"), Bar("Ezetimibe", 10, "10"), Bar("SGLT2", 5, "5")], unit="people")
    assert chart.alternative == "Bars, people: Ezetimibe 10; SGLT2 5. Not shown: Statin (withheld)."
    svg = str(chart.svg)
    assert svg.index("SGLT2") < svg.index("Withheld (may be large or small):") < svg.index(">Statin<")
    assert svg.count("fill:var(--mark-1)") == 2


@pytest.mark.parametrize(
    ("gap", "low", "high", "year_ago", "said"),
    [
        (0.10, 0.08, 0.12, 0.05, "wider"),
        (-0.10, -0.12, -0.08, -0.05, "wider"),
        (0.05, 0.03, 0.07, 0.10, "narrower"),
        (0.10, 0.08, 0.12, 0.09, "no clear change"),
        (0.10, 0.08, 0.12, 0.08, "no clear change"),
        (0.10, 0.08, 0.12, None, "–"),
        (0.10, None, None, 0.05, "–"),
        (None, None, None, 0.05, "–"),
    ],
)
def test_whether_a_gap_is_wider_than_a_year_ago(
    gap: float | None, low: float | None, high: float | None, year_ago: float | None, said: str
) -> None:
    """By more than chance: the gap of a year ago is outside the interval of this one, whichever way it goes."""
    none = dict.fromkeys(Figure.__slots__)
    one = Figure(**{**none, "value": gap, "low": low, "high": high, "year_ago": year_ago, "suppressed": False})  # type: ignore[arg-type]
    assert widened(one) == said
    assert widened(None) == "–"


def counted(people: int | None, of: int | None, other: int | None = None, among: int | None = None) -> Counted:
    none = dict.fromkeys(Figure.__slots__)
    one, beside, more = (
        Figure(**{**none, "numerator": n, "denominator": of, "suppressed": n is None})  # type: ignore[arg-type]
        for n in (people, other, among)
    )
    return Counted("said", "label", "metric", one, other=beside, among=more)


@pytest.mark.parametrize(
    ("found", "most"),
    [
        ([counted(110, 140), counted(25, 140)], 0),
        ([counted(25, 140), counted(110, 140)], 1),
        ([counted(110, 140), counted(None, 140, other=100)], 0),  # at most 140 + 2 - 98 of them: 44
        ([counted(40, 140), counted(None, 140, other=100)], None),
        ([counted(110, 140), counted(None, 140)], None),
        ([counted(1365, 4755), counted(None, 560)], 0),  # a medicine that so few need
        ([counted(110, 140), counted(None, None)], None),
        ([counted(150, 195), counted(None, 195, among=105)], 0),  # of all adults there are no more than 107
        ([counted(110, 195), counted(None, 195, among=105)], 0),  # 107 against 108, the least that is shown as 110
        ([counted(105, 195), counted(None, 195, among=105)], None),
        ([counted(None, 140), counted(None, 140)], None),
        ([], None),
    ],
)
def test_what_is_most_frequent_is_said_only_where_no_withheld_count_can_be_larger(
    found: list[Counted], most: int | None
) -> None:
    assert most_of(found) is (None if most is None else found[most])
    sure = [one for one in found if one.people is None]
    assert bool(may_be_larger(found)) == (most is None and bool(sure))


@pytest.mark.parametrize(
    ("points", "outer", "chance"),
    [(666, 0, True), (666, 1, True), (666, 2, True), (666, 3, False), (48, 1, False), (20_000, 20, True),
     (20_000, 40, False), (400_000, 380, True), (400_000, 600, False), (2_000_000, 2_000, True)],
)  # fmt: skip
def test_whether_chance_alone_would_put_as_many_outside(points: int, outer: int, chance: bool) -> None:
    """1 in 1,000 points lies beyond an outer limit by chance: 0.67 of 666, and two are not rare."""
    none = dict.fromkeys(Figure.__slots__)
    limits = {
        f"limit_{name}": at for name, at in (("998_low", 0.2), ("95_low", 0.3), ("95_high", 0.7), ("998_high", 0.8))
    }
    one = Figure(**{**none, **limits, "value": 0.9})  # type: ignore[arg-type]
    made = report(RISING, None, "low")
    point = needs.Point(made.top, made.definitions[METRIC], one, None)
    assert needs.Tested(points, 1, 1, (point,) * outer, 0).by_chance == chance


@pytest.mark.parametrize(
    ("title", "good", "said"),
    [
        ("People who smoke", "low", "fewer people who smoke, possible"),
        ("Hypertension undiagnosed", "low", "fewer people possible: hypertension undiagnosed"),
        ("HbA1c at target", "high", "more people possible: HbA1c at target"),
    ],
)
def test_people_to_gain_are_not_said_to_be_gained(title: str, good: str, said: str) -> None:
    made = report(RISING, None, good).definitions[METRIC]
    assert possible(Prize(replace(made, title=title), {}, None)) == said


def test_a_signal_of_one_of_two_twins_is_listed() -> None:
    """Of two figures that say the same, rounding can explain the signal of one and not of the other."""
    told = [
        {"id": name, "title": name, "version": "1", "measure": "proportion", "good": good}
        for name, good in (("optimised", "high"), ("not_optimised", "low"))
    ]
    record: dict[str, Any] = {"metrics": told, "disclosure_control": False, "pack": {"id": "p", "version": "1"}}
    for first, second in (("beyond_3_sigma", "none"), ("none", "beyond_3_sigma"), ("beyond_3_sigma",) * 2):
        months = []
        for i, people in enumerate([50] * 12 + [80]):
            day = dt.date(2025 + (i + 5) // 12, (i + 5) % 12 + 1, 28)
            rows = [
                Row(as_of=day, metric=name, version="1", measure=Measure.PROPORTION, cohort="all", level=level,
                    area=area, numerator=count, denominator=200, value=count / 200, signal=signal if i == 12 else None)
                for level, area in ((Level.ICB, "all"), (Level.PRACTICE, "Y90001"))
                for name, count, signal in (("optimised", people, first), ("not_optimised", 200 - people, second))
            ]  # fmt: skip
            months.append(Month(day, table_of(rows), record, Path(f"{day}.parquet"), "0", "1"))
        made = Report(months)
        page = page_of(made, made.top, page_names(made.areas), layout())
        listed = next(one for one in page.tables() if one.id == "signals-t")
        assert [str(row[0].__html__()) for row in listed.rows] == [  # type: ignore[union-attr]
            '<a href="definitions.html#not_optimised">not_optimised</a>' if first == "none"
            else '<a href="definitions.html#optimised">optimised</a>'
        ]  # fmt: skip
