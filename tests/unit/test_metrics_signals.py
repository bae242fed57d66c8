"""XmR signals: series that a reader can look at. The mean of `STEADY` is 50 and its moving range 2: sigma is 1.77."""

from __future__ import annotations

import numpy as np
import pytest

from popstrat.metrics.signals import FEWEST, RULES, signals

STEADY = [49, 51] * 6


def signal(*values: float) -> str | None:
    return signals(np.array(values, dtype=float)[:, np.newaxis])[0]


def test_by_hand() -> None:
    """Eleven months and a twelfth: the sum is 11 × 50 + 1 - 1 + x."""
    assert signal(*STEADY) == "none"
    # 49, 51, …, 49, then 60: mean 50.75, ranges 10 × 2 and 11 over 11 months, sigma 2.4984, 9.25 off: 3.7 sigma
    assert signal(*STEADY[:-1], 60) == "beyond_3_sigma"
    # then 55: mean 50.33, ranges 20 + 6, sigma 2.095, 4.67 off: 2.2 sigma
    assert signal(*STEADY[:-1], 55) == "none"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([50] * 12, "none"),
        ([0.1] * 14, "none"),
        ([10, 12, 9, 11, 10, 8, 20, 22, 19, 21, 20, 19, 21], "seven_on_one_side"),
        ([10, 12, 9, 11, 10, 8, 20, 22, 19, 21, 20, 19], "none"),  # six on one side
        ([5, 9, 4, 8, 5, 9, 3, 4, 5, 6, 7, 8, 9], "seven_rising_or_falling"),  # 3 to 9: seven months
        ([5, 9, 4, 8, 5, 9, 4, 3, 4, 5, 6, 7, 8], "none"),  # six
        ([5, 9, 4, 8, 5, 9, 9, 8, 7, 6, 5, 4, 3], "seven_rising_or_falling"),
        ([5, 9, 4, 8, 5, 9, 9, 8, 7, 6, 6, 4, 3], "none"),  # two alike
        (STEADY * 3 + [54, 50, 54], "two_of_three_beyond_2_sigma"),
        (STEADY * 3 + [54, 50, 46], "none"),  # on two sides
        (STEADY * 3 + [54, 54, 50], "none"),  # two of three, and this month is not one of them
        (STEADY * 3 + [50, 58], "beyond_3_sigma"),
    ],
)
def test_rules(values: list[float], expected: str) -> None:
    assert signal(*values) == expected


@pytest.mark.parametrize(
    ("values", "rounding", "expected"),
    [
        ([25.0] * 11 + [23.1], 0.0, "beyond_3_sigma"),
        ([25.0] * 11 + [23.1], 2.0, "none"),  # shown as 15 of 60 and 15 of 65, and truly 15 of 62 and 15 of 63
        ([24.8, 24.4] * 3 + [25.2, 24.9] * 3 + [25.1], 0.0, "seven_on_one_side"),
        ([24.8, 24.4] * 3 + [25.2, 24.9] * 3 + [25.1], 0.4, "none"),
        ([5, 9, 4, 8, 5, 9, 3, 4, 5, 6, 7, 8, 9], 0.5, "seven_rising_or_falling"),
        ([50.0] * 11 + [60.0], 2.0, "beyond_3_sigma"),
    ],
)
def test_what_rounding_can_explain_is_no_signal(values: list[float], rounding: float, expected: str) -> None:
    assert signals(np.array(values)[:, np.newaxis], [rounding]) == [expected]


def test_several_rules_at_once() -> None:
    assert signal(*STEADY * 4, 56, 60) == "beyond_3_sigma+two_of_three_beyond_2_sigma"


def test_fewer_than_twelve_months_are_not_tested() -> None:
    assert signal(*STEADY[:11]) is None
    assert signal(*STEADY) is not None


def test_a_missing_month_begins_the_series_anew() -> None:
    nan = float("nan")
    assert signal(*STEADY, nan, *STEADY[:11]) is None
    assert signal(100, nan, *STEADY) == "none"  # what was before the gap does not count
    assert signal(*STEADY, nan) is None


def test_chance_seldom_signals() -> None:
    rng = np.random.default_rng(4)
    found = signals(rng.normal(100, 5, (24, 20_000)))
    share = {rule: np.mean([rule in (one or "") for one in found]) for rule in RULES}
    assert 0.002 < share["beyond_3_sigma"] < 0.012
    assert 0.004 < share["seven_on_one_side"] < 0.022
    assert share["seven_rising_or_falling"] == pytest.approx(2 / 5040, abs=4e-4)
    assert share["two_of_three_beyond_2_sigma"] < 0.008


def test_many_series_are_the_same_as_each() -> None:
    rng = np.random.default_rng(6)
    values = rng.normal(10, 1, (18, 300))
    values[rng.random(values.shape) < 0.02] = np.nan
    values[-8:, :60] += np.arange(8)[:, np.newaxis]
    assert signals(values) == [signal(*values[:, i]) for i in range(300)]
    assert FEWEST == 12
