"""Each formula against statsmodels, or against an example that somebody published with its result."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from statsmodels.regression.linear_model import WLS
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint
from statsmodels.stats.rates import _mover_confint, confint_poisson

from popstrat.metrics import statistics as s
from popstrat.metrics.rows import AGE_BANDS

# Worked examples of the UK Health Security Agency's PHEindicatormethods, whose tests hold the results of the APHO tool
# for common public health statistics: events, people, and people with one, two, three and four of those events, by
# five years of age.
BY_AGE = np.array([
    (127, 636, 75, 16, 4, 2), (25, 558, 16, 3, 1, 0), (18, 609, 11, 2, 1, 0), (21, 543, 12, 3, 1, 0),
    (12, 384, 8, 0, 0, 1), (27, 594, 18, 3, 1, 0), (48, 669, 26, 6, 2, 1), (27, 843, 18, 3, 1, 0),
    (29, 660, 18, 4, 1, 0), (32, 576, 21, 4, 1, 0), (32, 606, 21, 4, 1, 0), (34, 522, 23, 4, 1, 0),
    (45, 426, 23, 6, 2, 1), (65, 273, 39, 8, 2, 1), (38, 300, 25, 5, 1, 0), (68, 288, 40, 9, 2, 1),
    (74, 153, 46, 9, 2, 1), (82, 123, 49, 10, 3, 1), (91, 207, 56, 11, 3, 1),
])  # fmt: skip
EVENTS, PEOPLE = BY_AGE[:, 0], BY_AGE[:, 1]
SQUARES = BY_AGE[:, 2:] @ np.array([1, 4, 9, 16])
STANDARD = s.standard_population(range(0, 95, 5))
# Obese children by tenths of deprivation, the most deprived first, from the same source.
MEASURED = np.array([34353, 32112, 27715, 25372, 23889, 23260, 23180, 24193, 23609, 24488])
OBESE = np.array([7287, 6881, 5656, 4868, 4176, 3876, 3617, 3546, 3314, 2960])


def byar(count: float, z: float) -> tuple[float, float]:
    """Byar's approximation, with which those examples work, to the exact limits of a count."""
    more = count + 1
    return (
        count * (1 - 1 / (9 * count) - z / (3 * count**0.5)) ** 3,
        more * (1 - 1 / (9 * more) + z / (3 * more**0.5)) ** 3,
    )


# -- one share, one count ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("numerator", "denominator", "level", "low", "high"),
    [  # the APHO tool
        (65, 100, 0.95, 0.55254443296887967, 0.73635751756902468),
        (1045, 5000, 0.95, 0.19795549880013297, 0.22049130373189027),
        (65, 100, 0.998, 0.49549465740704313, 0.77835406140896968),
        (1045, 5000, 0.998, 0.19179381799015244, 0.22731562902525818),
    ],
)
def test_share_as_published(numerator: int, denominator: int, level: float, low: float, high: float) -> None:
    found = s.share(numerator, denominator, level)
    assert found.value == numerator / denominator
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-12)


def test_share_as_statsmodels_has_it() -> None:
    n = np.array([8, 10, 30, 30, 500, 12_345])
    k = np.array([8, 0, 29, 1, 250, 12_000])
    found = s.share(k, n)
    low, high = proportion_confint(k, n, method="wilson")
    np.testing.assert_allclose(found.low, low, atol=1e-12)
    np.testing.assert_allclose(found.high, high, atol=1e-12)
    assert found.high[0] == 1.0
    assert found.low[1] == 0.0


def test_what_is_not_known_or_of_nobody_has_no_value() -> None:
    for found in (s.share([np.nan, 5, 0], [10, np.nan, 0]), s.rate([np.nan, 5, 0], [10, np.nan, 0])):
        assert all(np.isnan(part).all() for part in found)


def test_a_numerator_rounded_over_its_denominator_is_all() -> None:
    assert s.share(45, 40).value == 1.0
    assert s.share(45, 40).high == 1.0


def test_counts_have_the_exact_limits() -> None:
    k = np.array([0, 1, 8, 10, 65, 1045, 250_000])
    low, high = s.poisson_limits(k)
    expected = confint_poisson(k, 1.0, method="exact-c")
    np.testing.assert_allclose(low, expected[0], rtol=1e-9)
    np.testing.assert_allclose(high, expected[1], rtol=1e-9)


def test_byars_limits_of_a_published_table_are_within_a_five_hundredth() -> None:
    # 65 and 1,045 events: 50.163 to 82.849 and 982.593 to 1,110.331 by Byar's method (APHO tool).
    low, high = s.poisson_limits([65, 1045])
    np.testing.assert_allclose(low, [50.163187710459454, 982.59320180733255], rtol=0.002)
    np.testing.assert_allclose(high, [82.849138545939837, 1110.3312129856499], rtol=0.002)


# -- rates -------------------------------------------------------------------------------------------------------------


def test_a_rate_without_repeats_has_the_limits_of_its_count() -> None:
    found = s.rate(65, 2000)
    low, high = s.poisson_limits(65)
    assert (found.value, found.low, found.high) == pytest.approx((32.5, low / 2, high / 2))


def test_repeats_widen_by_the_root_of_the_squares() -> None:
    # Twenty people with one event each, and ten with two: 40 events, whose squares come to 60.
    once, repeated = s.rate(40, 1000), s.rate(40, 1000, 60)
    assert repeated.value == once.value == 40
    assert repeated.value - repeated.low == pytest.approx((once.value - once.low) * 1.5**0.5)
    assert repeated.high - repeated.value == pytest.approx((once.high - once.value) * 1.5**0.5)


def test_no_events_is_a_rate_of_nought_with_a_limit() -> None:
    found = s.rate(0, 1000, 0)
    assert (found.value, found.low) == (0, 0)
    assert found.high == pytest.approx(3.688879)


def test_repeats_agree_with_resampling_people() -> None:
    rng = np.random.default_rng(5)
    events = rng.negative_binomial(0.3, 0.5, 4000)
    found = s.rate(events.sum(), len(events), (events**2).sum())
    again = [rng.choice(events, len(events)).mean() * 1000 for _ in range(2000)]
    assert found.low == pytest.approx(np.quantile(again, 0.025), rel=0.03)
    assert found.high == pytest.approx(np.quantile(again, 0.975), rel=0.03)


# -- directly standardised rates ---------------------------------------------------------------------------------------


def test_the_standard_population_has_a_hundred_thousand_people() -> None:
    bands = [first for _, first in AGE_BANDS]
    assert s.standard_population(bands).tolist() == [5000, 14300, 27700, 33500, 10500, 6500, 2500]
    assert STANDARD[-2:].tolist() == [1500, 1000]  # 85 to 89, 90 and over
    assert STANDARD.sum() == 100_000


@pytest.mark.parametrize(
    ("squares", "z", "low", "high"),
    [
        (EVENTS, 1.9599639845400536, 9717.709067985681, 11178.94091547925),
        (EVENTS, 3.0902323061678132, 9323.2878802199029, 11620.595999522058),
        (SQUARES, 1.9599639845400536, 9532.9497786200009, 11373.074832980001),
        (SQUARES, 3.0902323061678132, 9036.2563135700002, 11929.24980749),
    ],
)
def test_standardised_as_published(squares: np.ndarray, z: float, low: float, high: float) -> None:
    """895 events: 10,430.25 per 100,000; with Byar's limits in Dobson's formula to the last digits, with the exact ones
    that we use within a five-hundredth of their distance."""
    per = 100_000
    level = 0.95 if z < 2 else 0.998
    found = s.standardised(EVENTS, PEOPLE, squares, STANDARD, per=per, level=level)
    assert found.value == pytest.approx(10430.247991469423, rel=1e-12)
    weight = STANDARD / STANDARD.sum()
    variance = per**2 * (weight**2 * squares / PEOPLE**2).sum()
    theirs = s.weighted_limits(found.value, variance, EVENTS.sum(), byar(EVENTS.sum(), z))  # type: ignore[arg-type]
    assert (theirs.low, theirs.high) == pytest.approx((low, high), rel=1e-9)
    assert (found.low, found.high) == pytest.approx((low, high), rel=0.0005)


def test_standardised_needs_ten_events_and_every_band() -> None:
    people, weights = np.full((4, 2), 100.0), [1, 1]
    events = np.array([[4, 5], [5, 5], [np.nan, 50], [5, 50]], dtype=float)
    people[3, 0] = 0
    found = s.standardised(events, people, events, weights)
    assert np.isnan(found.value).tolist() == [True, False, True, True]
    assert found.value[1] == 50


def test_bands_that_a_metric_does_not_count_weigh_nothing() -> None:
    some = s.standardised([np.nan, 30, 40], [np.nan, 1000, 500], [np.nan, 30, 40], [0, 300, 100])
    assert some.value == pytest.approx(1000 * (0.75 * 0.03 + 0.25 * 0.08))


# -- gaps --------------------------------------------------------------------------------------------------------------


def test_difference_as_newcombe_published_it() -> None:
    # Newcombe 1998, table II: 56 of 70 less 48 of 80 is 0.2, from 0.0524 to 0.3339.
    found = s.difference(s.share(56, 70), s.share(48, 80))
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


@pytest.mark.parametrize("counts", [(56, 70, 48, 80), (9, 10, 3, 10), (10, 500, 60, 400), (8, 8, 20, 40)])
def test_difference_as_statsmodels_has_it(counts: tuple[int, int, int, int]) -> None:
    found = s.difference(s.share(counts[0], counts[1]), s.share(counts[2], counts[3]))
    expected = confint_proportions_2indep(*counts, method="newcomb", compare="diff")
    assert (found.low, found.high) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("counts", [(56, 700, 48, 800), (90, 1000, 30, 1000), (10, 500, 60, 400)])
@pytest.mark.parametrize("made", [s.share, s.rate])
def test_ratio_as_statsmodels_has_it(counts: tuple[int, ...], made: Callable[..., s.Interval]) -> None:
    one, other = made(counts[0], counts[1]), made(counts[2], counts[3])
    found = s.ratio(one, other)
    expected = _mover_confint(one.value, other.value, (one.low, one.high), (other.low, other.high), contrast="ratio")
    assert found.value == pytest.approx(one.value / other.value)
    assert (found.low, found.high) == pytest.approx(expected, rel=1e-9)


def test_a_ratio_to_nought_has_no_value_and_one_that_may_be_has_no_end() -> None:
    assert np.isnan(s.ratio(s.share(5, 10), s.share(0, 10)).value)
    one, other = s.rate(10, 100), s.rate(2, 100, 40)
    assert other.low == 0
    assert s.ratio(one, other).high == np.inf


def test_slope_index_as_published() -> None:
    # From the least deprived to the most: -0.10720 (-0.1122 to -0.1022, their interval by simulation); we give the most
    # deprived less the least.
    p = OBESE / MEASURED
    found = s.slope_index(p, p * (1 - p) / MEASURED, MEASURED)
    assert found.value == pytest.approx(0.10720032333730493, rel=1e-9)
    assert (found.low, found.high) == pytest.approx((0.1021798062145461, 0.11220857220984691), abs=1e-4)


def test_slope_index_is_the_least_squares_line() -> None:
    people = np.array([900, 1100, 1500, 800, 700.0])
    value = np.array([0.31, 0.30, 0.22, 0.25, 0.18])
    variance = value * (1 - value) / people
    rank = (np.cumsum(people) - people / 2) / people.sum()
    design = np.column_stack([np.ones(5), rank])
    fitted = WLS(value, design, weights=people).fit()
    pull = np.asarray(fitted.model.pinv_wexog) * np.sqrt(people)
    half = 1.9599639845400536 * np.sqrt((pull**2 @ variance)[1])
    found = s.slope_index(value, variance, people)
    assert found.value == pytest.approx(-fitted.params[1])
    assert (found.high - found.value, found.value - found.low) == pytest.approx((half, half))


def test_slope_index_needs_every_group() -> None:
    assert np.isnan(s.slope_index([0.1, np.nan, 0.3], [0.1, 0.1, 0.1], [10, 20, 30]).value)
    assert np.isnan(s.slope_index([0.1, 0.2, np.nan], [0.1, 0.1, np.nan], [10, 20, 0]).value)


# -- funnels -----------------------------------------------------------------------------------------------------------


def test_without_variation_beyond_chance_limits_are_those_of_the_scale() -> None:
    # A quarter everywhere: arcsin(sqrt(0.25)) = pi / 6, and its standard deviation 1 / (2 sqrt(100)) = 0.05.
    found = s.funnel(np.full(12, 25), np.full(12, 100))
    assert found is not None
    assert (found.centre, found.between) == (0.25, 0)
    assert found.low_95[0] == pytest.approx(np.sin(np.pi / 6 - 1.959964 * 0.05) ** 2, abs=1e-6)
    assert found.high_998[0] == pytest.approx(np.sin(np.pi / 6 + 3.090232 * 0.05) ** 2, abs=1e-6)


def test_limits_are_near_the_binomial_ones() -> None:
    from scipy.stats import binom

    sizes = np.repeat([200, 1000, 5000], 4)
    found = s.funnel(0.3 * sizes, sizes)
    assert found is not None
    np.testing.assert_allclose(found.low_95, binom.ppf(0.025, sizes, 0.3) / sizes, atol=0.004)
    np.testing.assert_allclose(found.high_998, binom.ppf(0.999, sizes, 0.3) / sizes, atol=0.006)


def test_over_dispersion_by_hand() -> None:
    """Ten areas of 400 people, five with 30% and five with 50%: centre 0.4."""
    shares = np.repeat([0.3, 0.5], 5)
    found = s.funnel(400 * shares, np.full(10, 400))
    assert found is not None
    middle, sd = np.arcsin(np.sqrt(0.4)), 1 / 40
    z = (np.arcsin(np.sqrt([0.3, 0.5])) - middle) / sd
    phi = (z**2).mean()
    between = (10 * phi - 9) / (10 * 1600 - 1600)
    assert found.between == pytest.approx(between)
    assert found.high_95[0] == pytest.approx(np.sin(middle + 1.959964 * np.sqrt(sd**2 + between)) ** 2, abs=1e-6)
    assert (shares > found.low_998).all()
    assert (shares < found.high_998).all()


def test_one_area_far_out_does_not_widen_the_funnel_much() -> None:
    rng = np.random.default_rng(1)
    n = rng.integers(200, 900, 40)
    k = rng.binomial(n, 0.3)
    plain = s.funnel(k, n)
    k[7] = n[7] * 0.9
    far = s.funnel(k, n)
    assert plain is not None
    assert far is not None
    assert far.high_998[7] < 0.45
    assert k[7] / n[7] > far.high_998[7]


def test_variation_that_was_put_in_is_found() -> None:
    rng = np.random.default_rng(2)
    n = rng.integers(500, 3000, 3000)
    k = rng.binomial(n, np.sin(np.arcsin(np.sqrt(0.3)) + rng.normal(0, 0.05, len(n))) ** 2)
    found = s.funnel(k, n)
    assert found is not None
    # Winsorising leaves 68% of the variance of z-scores that are normal, as the method is published.
    variance = 0.05**2 + np.mean(1 / (4 * n))
    assert found.between == pytest.approx(0.68 * variance - np.mean(1 / (4 * n)), rel=0.1)


def test_rates_have_a_funnel_that_repeats_widen() -> None:
    n = np.full(12, 1000)
    once, repeated = s.funnel(n * 0.09, n, dispersion=1), s.funnel(n * 0.09, n, dispersion=4)
    assert once is not None
    assert repeated is not None
    assert once.high_95[0] == pytest.approx((0.3 + 1.959964 / (2 * 1000**0.5)) ** 2, abs=1e-6)
    assert repeated.high_95[0] == pytest.approx((0.3 + 1.959964 / 1000**0.5) ** 2, abs=1e-6)


def test_too_few_areas_have_no_funnel_and_unknown_ones_no_limits() -> None:
    k, n = np.full(12, 30.0), np.full(12, 100.0)
    k[:2] = np.nan
    found = s.funnel(k, n)
    assert found is not None
    assert np.isnan(found.low_95).tolist() == [True, True] + [False] * 10
    k[2] = np.nan
    assert s.funnel(k, n) is None


def test_arrays_are_done_at_once() -> None:
    n = np.arange(10, 10_000, 7)
    assert s.share(n // 2, n).low.shape == n.shape
    assert s.standardised(
        np.ones((6, 7, 3)) * 9, np.ones((6, 7, 3)) * 90, np.ones((6, 7, 3)) * 9, [1, 1, 1]
    ).low.shape == (6, 7)
