"""Values with their intervals, from counts alone: arrays in, arrays of the same length out.

NaN is a count that is not known, and gives NaN; so does a share or rate of nobody. Every interval is two-sided, and
95% unless ``level`` says otherwise. Shares are of 1. Where each comes from:

- share: Wilson 1927, the score interval;
- number of people, and of events: exact Poisson limits. Where a person may have several events, the variance is the sum
  of the squares of each person's events, and the limits move away from the number in proportion to its root;
- directly standardised rate: Dobson, Kuulasmaa, Eberle, Scherer 1991, over the European Standard Population 2013;
- difference and ratio: Zou and Donner 2008 (MOVER), from the limits of the two; of two shares that is Newcombe's;
- slope index of inequality: weighted least squares on the middle of each group's rank (Low and Low 2004);
- funnel: Spiegelhalter 2005, additive random effects on a scale that steadies the variance, z-scores winsorised.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

Floats = npt.NDArray[np.float64]

LEVEL = 0.95
FEWEST_EVENTS = 10
"""A rate of fewer events is not standardised: its interval would not hold what it says (Morris et al. 2018)."""
FEWEST_AREAS = 10
"""How far areas vary beyond chance cannot be told from fewer, so there is no funnel."""
WINSORISED = 0.1
"""The share of z-scores at each end that count as the last before them."""

_ESP_2013 = (5000, 5500, 5500, 5500, 6000, 6000, 6500, 7000, 7000, 7000, 7000, 6500, 6000, 5500, 5000, 4000, 2500, 1500)
"""European Standard Population 2013 by five years of age from 0 to 89; what is left of 100,000 are 90 and over."""
_ESP_WHOLE = 100_000


class Interval(NamedTuple):
    """A value and the limits between which it lies."""

    value: Floats
    low: Floats
    high: Floats


class Funnel(NamedTuple):
    """Limits about ``centre``, what all areas together have; ``between`` is the variance between areas beyond chance,
    on the scale of the funnel: 0 where they vary no more than chance has it."""

    low_95: Floats
    high_95: Floats
    low_998: Floats
    high_998: Floats
    centre: float
    between: float


def _floats(values: npt.ArrayLike) -> Floats:
    return np.asarray(values, dtype=np.float64)


def _quantile(level: float) -> float:
    """Standard deviations within which a share ``level`` of a normal distribution lies."""
    return float(special.ndtri(0.5 + level / 2))


def _over(part: Floats, whole: Floats) -> Floats:
    """Part over whole; NaN where there is no whole."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(whole > 0, part / np.where(whole > 0, whole, np.nan), np.nan)


# -- shares, counts and rates ------------------------------------------------------------------------------------------


def share(numerator: npt.ArrayLike, denominator: npt.ArrayLike, level: float = LEVEL) -> Interval:
    """A share of people, with Wilson's interval. A numerator that rounding made larger than its denominator is all."""
    n = _floats(denominator)
    p = np.minimum(_over(_floats(numerator), n), 1.0)
    z2 = _quantile(level) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        middle = (p + z2 / (2 * n)) / (1 + z2 / n)
        half = np.sqrt(z2 * (p * (1 - p) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    # At 0 and 1 the limit is the value itself, which rounding would miss by a hair.
    return Interval(p, np.where(p == 0, 0.0, middle - half), np.where(p == 1, 1.0, middle + half))


def poisson_limits(count: npt.ArrayLike, level: float = LEVEL) -> tuple[Floats, Floats]:
    """The exact Poisson limits of a count, by the gamma distribution."""
    # Few counts are different, rounded ones above all, and the distribution takes its time.
    k, back = np.unique(_floats(count), return_inverse=True)
    tail = (1 - level) / 2
    low = np.where(k > 0, special.gammaincinv(np.where(k > 0, k, 1.0), tail), np.where(k == 0, 0.0, np.nan))
    return low[back], special.gammainccinv(k + 1, tail)[back]


def weighted_limits(value: Floats, variance: Floats, count: npt.ArrayLike, limits: tuple[Floats, Floats]) -> Interval:
    """Dobson's interval of a weighted sum of counts: ``limits`` are those of the ``count`` that all of them come to,
    and ``variance`` is that of the ``value``. NaN where there are no events."""
    k = _floats(count)
    stretch = np.sqrt(_over(_floats(variance), k))
    return Interval(value, value + stretch * (limits[0] - k), value + stretch * (limits[1] - k))


def rate(
    events: npt.ArrayLike,
    people: npt.ArrayLike,
    squares: npt.ArrayLike | None = None,
    *,
    per: float = 1000,
    level: float = LEVEL,
) -> Interval:
    """Events per so many people. ``squares`` is the sum over people of the square of their events, which is the number
    of events where nobody has two; without it, that is taken to be so."""
    k, n = _floats(events), _floats(people)
    variance = k if squares is None else _floats(squares)
    found = weighted_limits(per * _over(k, n), _over(per * per * variance, n * n), k, poisson_limits(k, level))
    # Of no events the exact limits are those of one count: nothing is known of how they would repeat.
    none = (k == 0) & (n > 0)
    high = np.where(none, per * _over(poisson_limits(k, level)[1], n), found.high)
    return Interval(found.value, np.where(none, 0.0, np.maximum(found.low, 0.0)), high)


def standard_population(first_ages: Sequence[int]) -> Floats:
    """The European Standard Population 2013 in age bands that begin at ``first_ages``, the last one open: people of
    100,000. Within five years of age each year has a fifth."""
    years = np.repeat(np.array(_ESP_2013, dtype=np.float64) / 5, 5)
    ends = [*first_ages[1:], None]
    weights = np.array([years[first:end].sum() for first, end in zip(first_ages, ends, strict=True)])
    weights[-1] += _ESP_WHOLE - years.sum()
    return weights


def standardised(
    events: npt.ArrayLike,
    people: npt.ArrayLike,
    squares: npt.ArrayLike,
    weights: npt.ArrayLike,
    *,
    per: float = 1000,
    level: float = LEVEL,
) -> Interval:
    """Directly standardised rates; events, people and squares by area and band, weights by band. Bands of weight 0 are
    left out. NaN with fewer than `FEWEST_EVENTS`, and where a band that counts is not known or has nobody."""
    w = _floats(weights)
    counts = w > 0
    k, n, v = (_floats(x)[..., counts] for x in (events, people, squares))
    w = w[counts] / w[counts].sum()
    total = k.sum(axis=-1)
    value = per * (w * _over(k, n)).sum(axis=-1)
    variance = per * per * (w * w * _over(v, n * n)).sum(axis=-1)
    found = weighted_limits(value, variance, total, poisson_limits(total, level))
    enough = total >= FEWEST_EVENTS
    return Interval(*(np.where(enough, part, np.nan) for part in (found.value, np.maximum(found.low, 0.0), found.high)))


# -- gaps --------------------------------------------------------------------------------------------------------------


def difference(one: Interval, other: Interval) -> Interval:
    """One less the other."""
    value = one.value - other.value
    return Interval(
        value,
        value - np.hypot(one.value - one.low, other.high - other.value),
        value + np.hypot(one.high - one.value, other.value - other.low),
    )


def ratio(one: Interval, other: Interval) -> Interval:
    """One over the other; NaN where the other is 0. The upper limit is infinite where the other may be 0."""
    product = one.value * other.value
    # Written so that no divisor vanishes where the other's limit is twice its value.
    least = one.low * (2 * one.value - one.low)
    most = one.high * (2 * one.value - one.high)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.sqrt(np.maximum(product**2 - least * other.high * (2 * other.value - other.high), 0))
        low = np.where(least == 0, 0.0, least / (product + spread))
        below = other.low * (2 * other.value - other.low)
        high = (product + np.sqrt(np.maximum(product**2 - most * below, 0))) / below
    there = other.value > 0
    return Interval(*(np.where(there, part, np.nan) for part in (_over(one.value, other.value), low, high)))


def slope_index(value: npt.ArrayLike, variance: npt.ArrayLike, people: npt.ArrayLike, level: float = LEVEL) -> Interval:
    """How much higher the most deprived end of the population lies than the least, by a straight line through the
    groups: values, their variances and people by area and group, the most deprived group first. Positive where the
    most deprived have more, as a gap is. NaN unless everything of every group is known and each has people."""
    y, v, n = _floats(value), _floats(variance), _floats(people)
    weight = _over(n, n.sum(axis=-1, keepdims=True))
    rank = np.cumsum(weight, axis=-1) - weight / 2
    centred = rank - (weight * rank).sum(axis=-1, keepdims=True)
    pull = _over(-weight * centred, (weight * centred**2).sum(axis=-1, keepdims=True))
    slope = (pull * y).sum(axis=-1)
    half = _quantile(level) * np.sqrt((pull**2 * v).sum(axis=-1))
    return Interval(slope, slope - half, slope + half)


# -- funnels -----------------------------------------------------------------------------------------------------------


def funnel(numerator: npt.ArrayLike, denominator: npt.ArrayLike, *, dispersion: float | None = None) -> Funnel | None:
    """The limits between which areas of one level would lie but for more than chance and what they usually differ by.

    Shares of people, or with ``dispersion`` (the sum of squares over the sum of events, 1 where none repeat) events
    per person. Areas whose numbers are not known take no part and have NaN limits. None with fewer than `FEWEST_AREAS`.
    """
    k, n = _floats(numerator), _floats(denominator)
    known = np.isfinite(k) & np.isfinite(n) & (n > 0)
    if known.sum() < FEWEST_AREAS:
        return None
    people = np.where(known, n, np.nan)
    centre = float(k[known].sum() / n[known].sum())
    if dispersion is None:
        centre = min(centre, 1.0)
        middle, scaled = float(np.arcsin(np.sqrt(centre))), np.arcsin(np.sqrt(np.clip(k / people, 0, 1)))
        variance = 1 / (4 * people)
    else:
        middle, scaled = float(np.sqrt(centre)), np.sqrt(k / people)
        variance = dispersion / (4 * people)
    between = _between(((scaled - middle) / np.sqrt(variance))[known], variance[known])
    spread = np.sqrt(variance + between)
    limits = [_back(middle + side * _quantile(level) * spread, dispersion is None) for level in (LEVEL, 0.998)
              for side in (-1, 1)]  # fmt: skip
    return Funnel(limits[0], limits[1], limits[2], limits[3], centre, between)


def _between(z: Floats, variance: Floats) -> float:
    """The variance between areas beyond chance, by the method of moments from winsorised z-scores."""
    areas, weight, inner = len(z), 1 / variance, np.sort(z)
    # The quantiles between ranks, as NumPy's own has them in ten times the time.
    ends = np.interp([WINSORISED * (areas - 1), (1 - WINSORISED) * (areas - 1)], np.arange(areas), inner)
    phi = float(np.mean(np.clip(z, ends[0], ends[1]) ** 2))
    if areas * phi <= areas - 1:
        return 0.0
    return float((areas * phi - (areas - 1)) / (weight.sum() - (weight**2).sum() / weight.sum()))


def _back(scaled: Floats, shares: bool) -> Floats:
    """From the scale of the funnel to shares or rates; what lies beyond the scale's ends is at the end."""
    if shares:
        return np.sin(np.clip(scaled, 0, np.pi / 2)) ** 2
    return np.maximum(scaled, 0) ** 2
