"""What a validation holds, and how an interval is made from the spread of resamples.

Intervals are 95% intervals from the standard error over bootstrap resamples, on the log-odds scale for shares and
AUROC, on the log scale for ratios, as they are for the rest: 200 resamples give a standard error within about 5%,
where percentiles would need thousands (Efron and Tibshirani 1993).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from popstrat.validation.measures import Floats, expit

Z = 1.959963984540054
MIN_EVENTS = 20
"""Fewer people with (or without) the outcome than this, and a group gets no measures: they would be noise."""


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95% interval and standard error on the scale the interval was made on; NaN where undefined."""

    value: float
    low: float = np.nan
    high: float = np.nan
    error: float = np.nan
    scale: str = "plain"


@dataclass(frozen=True)
class Grouping:
    """One way of dividing the people: a code for each (−1 is nobody's group) and what the codes mean."""

    codes: npt.NDArray[np.int32]
    labels: tuple[str, ...]
    title: str = ""


@dataclass(frozen=True)
class Band:
    """People of neighbouring risk: counts, mean risk, observed share (Kaplan-Meier where follow-up is censored)."""

    label: str
    people: int
    events: int
    mean_risk: float
    observed: float
    effective: float
    """How many uncensored people would tell as much; ``people`` where nobody was censored."""


@dataclass(frozen=True)
class Pick:
    """Choosing the people with the highest risk: how many, what share of events they hold, what share has one."""

    label: str
    people: float
    found: float
    all_events: float
    sensitivity: Estimate
    predictive_value: Estimate
    capacity: bool = False


@dataclass(frozen=True)
class Choice:
    """Acting on everybody at or above a threshold: counts (weighted) and net benefit per person."""

    threshold: float
    chosen: float
    right: float
    wrong: float
    net_benefit: Estimate


@dataclass(frozen=True)
class Part:
    """All the people assessed, or one group of them.

    ``events`` are people seen to have the outcome, ``lost`` those not followed to the horizon, ``observed`` the
    estimated number with the outcome had everybody been followed, ``expected`` the sum of risks. ``measures`` is None
    where there were too few events (``reason`` says so); ``against`` has differences from the reference group:
    AUROC less the reference's, O/E over the reference's. ``chosen``, ``found``: of this group, who is among the people
    chosen at the capacity of the whole list, and their events.
    """

    label: str
    people: int
    events: int
    lost: int
    observed: float
    expected: float
    measures: Mapping[str, Estimate] | None
    against: Mapping[str, Estimate] = field(default_factory=dict)
    reference: bool = False
    chosen: float = np.nan
    found: float = np.nan
    reason: str = ""


@dataclass(frozen=True)
class Curve:
    """A smooth calibration curve with its 95% band, and the integrated calibration index (Austin and Steyerberg
    2019): the mean distance of a person's risk from the curve."""

    risk: Floats
    observed: Floats
    low: Floats
    high: Floats
    index: float


@dataclass(frozen=True)
class Validation:
    """What `assess` found; exact, so not to be published as it is (see `popstrat.validation.publish`)."""

    whole: Part
    bands: Sequence[Band]
    top: Sequence[Band]
    curve: Curve | None
    picks: Sequence[Pick]
    choices: Sequence[Choice]
    found: tuple[Floats, Floats]
    """Share of people chosen, highest risks first, and share of all events among them."""
    groups: Mapping[str, Sequence[Part]]
    titles: Mapping[str, str]
    practices: Sequence[Part]
    concordance: Mapping[str, Estimate]
    settings: Mapping[str, Any]


def estimated(value: float, drawn: Floats, scale: str) -> Estimate:
    """A value with the interval that the spread of its resamples gives on a scale."""
    return interval(float(value), spread(drawn, scale), scale)


def spread(drawn: Floats, scale: str) -> float:
    """The standard error over resamples, on a scale; NaN from fewer than two that are defined."""
    good = drawn[np.isfinite(drawn)]
    if scale == "logit":
        good = good[(good > 0) & (good < 1)]
        good = np.log(good) - np.log1p(-good)
    elif scale == "log":
        good = np.log(good[good > 0])
    return float(good.std(ddof=1)) if len(good) > 1 else np.nan


def interval(value: float, error: float, scale: str) -> Estimate:
    """The 95% interval about a value, from a standard error on a scale ("plain", "log" or "logit")."""
    low = high = np.nan
    if np.isfinite(value) and np.isfinite(error):
        if scale == "plain":
            low, high = value - Z * error, value + Z * error
        elif scale == "log" and value > 0:
            low, high = value * np.exp(-Z * error), value * np.exp(Z * error)
        elif scale == "logit" and 0 < value < 1:
            middle = np.log(value) - np.log1p(-value)
            low, high = (expit(middle + side * Z * error) for side in (-1, 1))
    return Estimate(value, float(low), float(high), error, scale)


def difference(a: Estimate, b: Estimate) -> Estimate:
    """a − b of two groups that share nobody."""
    one, other = (e.error * e.value * (1 - e.value) for e in (a, b))  # from the log-odds scale to the plain one
    return interval(a.value - b.value, float(np.hypot(one, other)), "plain")


def ratio(a: Estimate, b: Estimate) -> Estimate:
    """a / b of two groups that share nobody; both on the log scale."""
    return interval(a.value / b.value, float(np.hypot(a.error, b.error)), "log")
