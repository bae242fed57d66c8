"""Rows from counts: tables that a reader can check by hand."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from popstrat.metrics.estimates import Shown, rows_of
from popstrat.metrics.figures import Areas, Figures, Groups, Metric
from popstrat.metrics.rows import LEVELS, SCHEMA, Level, Measure
from popstrat.metrics.statistics import share

AS_OF = dt.date(2026, 6, 30)
SHARE = Metric("at_target", "At target", "1", Measure.PROPORTION, "adults", "high", target=0.8)
RATE = Metric("admissions", "Admissions", "1", Measure.RATE, "all", "low", per=1000)
BANDS = ("0-4", "5-17", "18-39", "40-64", "65-74", "75-84", "85+")
GROUPINGS = (
    Groups("none", (None,)),
    Groups("age_band", BANDS),
    Groups("imd_quintile", ("1", "2", "3", "4", "5", "unknown")),
)


def figures_of(
    rows: Sequence[tuple[Any, ...]], metrics: Sequence[Metric] = (SHARE, RATE), practices: int = 12
) -> Figures:
    """Figures from rows of metric, level, area, grouping, group, numerator, denominator and squares (or nothing)."""
    codes = tuple(f"P{i:05}" for i in range(practices))
    areas = Areas(codes, ("N1",) * practices, (None,) * practices, ("Borough",) * practices)
    columns: list[list[int]] = [[] for _ in range(8)]
    for metric, level, area, grouping, group, numerator, denominator, *squares in rows:
        at = [one.name for one in GROUPINGS].index(grouping)
        for column, value in zip(
            columns,
            (
                [one.id for one in metrics].index(metric), LEVELS.index(level), areas.names(level).index(area),
                at, GROUPINGS[at].groups.index(group), numerator, denominator, squares[0] if squares else numerator,
            ),
            strict=True,
        ):  # fmt: skip
            column.append(value)
    arrays = [np.array(column, dtype=np.int64) for column in columns]
    return Figures(areas, tuple(metrics), GROUPINGS, *arrays, registered=arrays[6])


def found(figures: Figures, measure: Measure, *names: str, withheld: Sequence[int] = ()) -> list[tuple[Any, ...]]:
    """Some columns of the rows of a measure, with some numerators withheld."""
    shown = Shown.uncontrolled(figures)
    shown.numerator[list(withheld)] = np.nan
    table = rows_of(figures, shown, AS_OF)
    assert table.schema == SCHEMA
    table = table.filter(pa.compute.equal(table["measure"], measure.value))
    return list(zip(*(table[name].to_pylist() for name in names), strict=True))


def test_a_row_for_each_figure() -> None:
    figures = figures_of([
        ("at_target", Level.ICB, "all", "none", None, 650, 1000),
        ("at_target", Level.PRACTICE, "P00003", "none", None, 65, 100),
        ("admissions", Level.PLACE, "Borough", "none", None, 40, 1000, 60),
    ])  # fmt: skip
    rows = found(
        figures,
        Measure.PROPORTION,
        "metric",
        "level",
        "area",
        "parent",
        "numerator",
        "denominator",
        "value",
        "interval",
        "target",
    )
    assert rows == [
        ("at_target", "icb", "all", None, 650, 1000, 0.65, "Wilson", 0.8),
        ("at_target", "practice", "P00003", "N1", 65, 100, 0.65, "Wilson", 0.8),
    ]
    [(value, low, high, method)] = found(figures, Measure.RATE, "value", "low", "high", "interval")
    assert (value, method) == (40, "exact Poisson")
    assert (low, high) == pytest.approx((40 - 1.5**0.5 * (40 - 28.5766), 40 + 1.5**0.5 * (54.4686 - 40)), abs=1e-3)


def test_what_is_withheld_or_of_nobody_says_why() -> None:
    figures = figures_of([
        ("at_target", Level.PRACTICE, "P00001", "none", None, 5, 100),
        ("at_target", Level.PRACTICE, "P00002", "none", None, 0, 0),
    ])  # fmt: skip
    rows = found(
        figures, Measure.PROPORTION, "numerator", "value", "low", "interval", "suppressed", "reason", withheld=[0]
    )
    assert rows == [
        (None, None, None, None, True, "withheld: a small count, or one from which a small count would follow"),
        (0, None, None, None, False, "nobody is in the denominator"),
    ]


def test_practices_have_a_funnel_and_the_icb_none() -> None:
    practices = [("at_target", Level.PRACTICE, f"P{i:05}", "none", None, 25, 100) for i in range(12)]
    figures = figures_of([*practices, ("at_target", Level.ICB, "all", "none", None, 300, 1200)])
    rows = found(figures, Measure.PROPORTION, "limit_95_low", "limit_95_high", "limit_998_low", "limit_998_high")
    assert rows[0] == pytest.approx((0.170460, 0.339113, 0.130151, 0.393534), abs=1e-4)
    assert rows[-1] == (None,) * 4


def test_rates_have_a_funnel_in_their_unit() -> None:
    figures = figures_of([("admissions", Level.PRACTICE, f"P{i:05}", "none", None, 90, 1000) for i in range(12)])
    [low, high] = found(figures, Measure.RATE, "limit_95_low", "limit_95_high")[0]
    assert (low, high) == pytest.approx(((0.3 - 0.0309903) ** 2 * 1000, (0.3 + 0.0309903) ** 2 * 1000), abs=1e-3)


def test_standardised_rates_by_hand() -> None:
    """10 in a thousand in every band but the oldest, of whom 100 in a thousand: 10 × 97.5% + 100 × 2.5%."""
    rows = [("admissions", Level.PCN, "N1", "age_band", band, 100 if band == "85+" else 10, 1000) for band in BANDS]
    columns = ("metric", "area", "group_by", "group", "numerator", "denominator", "value", "interval", "reason")
    [row] = found(figures_of(rows), Measure.STANDARDISED, *columns)
    assert row[:6] == ("admissions", "N1", "none", None, 160, 7000)
    assert row[6:] == (pytest.approx(12.25), "Dobson", None)


@pytest.mark.parametrize(
    ("counts", "people", "withheld", "reason"),
    [
        ([1] * 7, [100] * 7, [], "fewer than 10 events"),
        ([20] * 7, [100] * 7, [3], "an age band is withheld"),
        ([20] * 6 + [0], [100] * 6 + [0], [], None),  # nobody is that old anywhere: the band does not count
    ],
)
def test_when_a_rate_is_not_standardised(
    counts: list[int], people: list[int], withheld: list[int], reason: str | None
) -> None:
    rows = [("admissions", Level.PLACE, "Borough", "age_band", *row) for row in zip(BANDS, counts, people, strict=True)]
    [(value, why)] = found(figures_of(rows), Measure.STANDARDISED, "value", "reason", withheld=withheld)
    assert why == reason
    assert (value is None) == (reason is not None)


def test_an_area_without_anybody_in_a_band_that_counts_has_no_standardised_rate() -> None:
    rows = [("admissions", Level.PLACE, "Borough", "age_band", band, 20, 100) for band in BANDS]
    rows += [("admissions", Level.PCN, "N1", "age_band", band, 20, 0 if band == "85+" else 100) for band in BANDS]
    reasons = found(figures_of(rows), Measure.STANDARDISED, "area", "reason")
    assert reasons == [("Borough", None), ("N1", "nobody is in an age band")]


def test_bands_that_are_withheld_everywhere_do_not_count() -> None:
    """Of a metric of adults nought children are withheld everywhere: the rate is over the bands of adults."""
    people = [0, 0, 100, 100, 100, 100, 100]
    rows = [("admissions", Level.PLACE, "Borough", "age_band", *row) for row in zip(BANDS, people, people, strict=True)]
    figures = figures_of(rows)
    shown = Shown.uncontrolled(figures)
    shown.numerator[:2] = shown.denominator[:2] = np.nan
    [row] = [one for one in rows_of(figures, shown, AS_OF).to_pylist() if one["measure"] == "standardised_rate"]
    assert (row["value"], row["numerator"], row["denominator"], row["reason"]) == (1000, 500, 500, None)


def test_gaps_by_hand() -> None:
    """60% among the most deprived, 80% among the least: 20 points less, three quarters; a line through the five."""
    shares = (60, 65, 70, 75, 80)
    rows = [("at_target", Level.ICB, "all", "imd_quintile", str(i + 1), k * 10, 1000) for i, k in enumerate(shares)]
    figures = figures_of(rows)
    absolute, relative, slope = (
        found(figures, measure, "value", "low", "high", "group_by", "group", "interval")[0]
        for measure in (Measure.GAP_ABSOLUTE, Measure.GAP_RELATIVE, Measure.SLOPE_INDEX)
    )
    assert absolute == (pytest.approx(-0.2), pytest.approx(-0.2390, abs=1e-3), pytest.approx(-0.1602, abs=1e-3),
                        "imd_quintile", None, "MOVER")  # fmt: skip
    assert relative[0] == pytest.approx(0.75)
    assert relative[1] < 0.75 < relative[2] < 1
    assert slope[0] == pytest.approx(-0.25)  # the ends of the line lie half a fifth beyond the fifths
    assert slope[1] < -0.25 < slope[2] < 0


def test_a_withheld_quintile_leaves_what_can_be_said() -> None:
    rows = [("at_target", Level.ICB, "all", "imd_quintile", str(i), 50 * i, 1000) for i in range(1, 6)]
    figures = figures_of(rows)
    for withheld, measure, reason in (
        (2, Measure.GAP_ABSOLUTE, None),
        (2, Measure.SLOPE_INDEX, "a quintile is withheld"),
        (4, Measure.GAP_ABSOLUTE, "quintile 1 or 5 is withheld"),
        (4, Measure.GAP_RELATIVE, "quintile 1 or 5 is withheld"),
    ):
        [(value, why)] = found(figures, measure, "value", "reason", withheld=[withheld])
        assert (value is None, why) == (reason is not None, reason)


def test_a_quintile_of_nobody_is_not_withheld() -> None:
    rows = [
        ("at_target", Level.ICB, "all", "imd_quintile", str(i), 0 if i == 5 else 50, 0 if i == 5 else 100)
        for i in range(1, 6)
    ]
    figures = figures_of(rows)
    for measure, which in ((Measure.GAP_ABSOLUTE, "quintile 1 or 5"), (Measure.SLOPE_INDEX, "a quintile")):
        assert found(figures, measure, "value", "suppressed", "reason") == [(None, False, f"nobody is in {which}")]


def test_under_control_the_dispersion_is_that_of_everybody() -> None:
    """One person of P00001 has nine events: 81 of the squares there; the list's are 1,234 for 1,000 events."""
    figures = figures_of([
        ("admissions", Level.ICB, "all", "none", None, 1000, 9000, 1234),
        ("admissions", Level.PRACTICE, "P00001", "none", None, 10, 90, 82),
        ("at_target", Level.PRACTICE, "P00001", "none", None, 10, 90),
    ])  # fmt: skip
    k, n = np.array([1000.0, 10, 10]), np.array([9000.0, 90, 90])
    assert Shown.controlled(figures, k, n).dispersion.tolist() == [1.2, 1.2, 1]
    assert Shown.uncontrolled(figures).dispersion.tolist() == [1.234, 8.2, 1]


def test_no_figures_no_rows() -> None:
    assert rows_of(figures_of([]), Shown.uncontrolled(figures_of([])), AS_OF).num_rows == 0


def test_all_values_agree_with_the_formula() -> None:
    rng = np.random.default_rng(3)
    rows = []
    for i in range(12):
        n = int(rng.integers(30, 900))
        rows.append(("at_target", Level.PRACTICE, f"P{i:05}", "none", None, int(rng.integers(0, n + 1)), n))
    figures = figures_of(rows)
    got = np.array(found(figures, Measure.PROPORTION, "value", "low", "high"), dtype=float)
    np.testing.assert_allclose(got, np.column_stack(share(figures.numerator, figures.denominator)), rtol=1e-12)
