"""A validation: all measures with their intervals, over all and by group, from arrays.

`assess` gives a `Validation` with exact figures, for use in memory. What leaves the machine goes through
`popstrat.validation.release`, which applies disclosure control.

Intervals are 95 % intervals from the standard error over bootstrap resamples, on the log-odds scale for shares and
AUROC, on the log scale for ratios, as they are for the rest: 200 resamples give a standard error within about 5 %,
where percentiles would need thousands (Efron and Tibshirani 1993).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from popstrat.validation import kernels as k
from popstrat.validation.cells import Bands, Cells, Streams, concordance, cores
from popstrat.validation.kernels import Ints
from popstrat.validation.measures import Bytes, Floats, horizon_weights, logit

Z = 1.959963984540054
SHARES = (0.005, 0.01, 0.015, 0.02, 0.05)
"""Shares of the people with a score at which sensitivity and predictive value are given."""
THRESHOLDS = tuple(round(t / 100, 2) for t in (*range(1, 21), 22, 24, 26, 28, 30, 35, 40, 45, 50))
BANDS = 10
TOP = (0.90, 0.95, 0.98, 0.99, 1.0)
"""The tenth decile once more, in parts, since it is there that teams work."""
MIN_EVENTS = 20
"""Fewer people with (or without) the outcome than this, and a group gets no measures: they would be noise."""
_CURVE_POINTS = 60
_CURVE_BINS = 2000
_FOUND_POINTS = 80
_KNOTS = (0.05, 0.275, 0.5, 0.725, 0.95, 0.995)
_PER_STRATUM = 50

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval and standard error on the scale the interval was made on; NaN where undefined."""

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
    """A smooth calibration curve with its 95 % band, and the integrated calibration index (Austin and Steyerberg
    2019): the mean distance of a person's risk from the curve."""

    risk: Floats
    observed: Floats
    low: Floats
    high: Floats
    index: float


@dataclass(frozen=True)
class Validation:
    """What `assess` found; exact, so not to be published as it is (see `popstrat.validation.release`)."""

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


def assess(
    risk: npt.ArrayLike,
    outcome: npt.ArrayLike | None = None,
    *,
    time: npt.ArrayLike | None = None,
    event: npt.ArrayLike | None = None,
    competing: npt.ArrayLike | None = None,
    horizon: float = 365,
    groups: Mapping[str, Grouping] | None = None,
    practices: Grouping | None = None,
    capacity: int | None = None,
    bootstrap: int = 200,
    seed: int = 0,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Validation:
    """Validate a risk against what happened.

    ``risk`` is a probability for each person. Either ``outcome`` says whether each had the outcome, of people who were
    all followed to the end, or ``time`` and ``event`` (and ``competing``) say when follow-up ended and how, for the
    chance of the event by the ``horizon`` (in the unit of ``time``): people lost before it are handled by inverse
    probability of censoring weights within deciles of risk, in each group on its own (see `horizon_weights`).
    ``capacity`` is the number of people a team can take on. ``bootstrap`` resamples give the intervals (0: none);
    the same ``seed`` gives the same figures for any number of ``threads``. Nulls are the caller's to leave out.
    Raises ``ValueError`` for arrays that do not fit, nobody to assess, a constant outcome, negative times, nobody
    followed to the horizon, or a capacity larger than the list.
    """
    people = _People.of(risk, outcome, time, event, competing, horizon)
    n = len(people.risk)
    if capacity is not None and not 0 < capacity <= n:
        raise ValueError(f"a capacity of {capacity:,} does not fit a list of {n:,} people with a risk")
    threads = threads or cores()
    groups = groups or {}
    parts = 2 + len(groups)
    done = iter(range(1, parts + 1))

    def tick() -> None:
        if progress is not None:
            progress(next(done), parts)

    shares = sorted([(s, _percent(s), False) for s in SHARES] + ([(capacity / n, "", True)] if capacity else []))
    everybody = np.arange(n)
    weight = people.weights(everybody)
    if weight is None:
        raise ValueError("nobody is followed to the horizon")
    streams = Streams(seed, "all", bootstrap, threads)
    falling = THRESHOLDS[::-1]
    out, drawn = people.measured(everybody, weight, [s for s, _, _ in shares], falling, streams)
    measures = _measures(out, drawn)
    seen = people.status(everybody, weight)
    whole = Part(
        "all", n, *seen, observed=float(out[k.OBSERVED]), expected=float(out[k.EXPECTED]), measures=measures
    )  # fmt: skip
    tick()
    picks = [_pick(i, label or f"capacity of {capacity:,}", is_capacity, out, drawn)
             for i, (_, label, is_capacity) in enumerate(shares)]  # fmt: skip
    choices = [_choice(i, t, len(shares), out, drawn) for i, t in enumerate(falling)][::-1]
    ranked = {}
    if people.time is not None:
        found, resampled = concordance(
            people.risk, people.time, people.event, horizon, competing=people.competing,
            streams=Streams(seed, "concordance", bootstrap, threads),
        )  # fmt: skip
        ranked = {
            name: _estimate(found[i], resampled[:, i], "logit")
            for i, name in enumerate(("harrell_c", "uno_c"))
        }  # fmt: skip
    tick()
    main = next((p for p in picks if p.capacity), next(p for p in picks if p.label == _percent(0.015)))
    cut = people.cut(main.people)
    assessed = {}
    for name, grouping in groups.items():
        assessed[name] = _groups(people, name, grouping, cut, Streams(seed, name, bootstrap, threads))
        tick()
    return Validation(
        whole=whole,
        bands=people.bands(weight, [i / BANDS for i in range(BANDS + 1)]),
        top=people.bands(weight, TOP),
        curve=_curve(people, weight),
        picks=picks,
        choices=choices,
        found=people.found_curve(weight),
        groups=assessed,
        titles={name: grouping.title or name for name, grouping in groups.items()},
        practices=[] if practices is None else _practices(people, practices),
        concordance=ranked,
        settings={
            "survival": people.time is not None,
            "competing": people.competing is not None,
            "horizon": horizon if people.time is not None else None,
            "capacity": capacity,
            "group_cut": main.label,
            "bootstrap": bootstrap,
            "seed": seed,
        },
    )


@dataclass(frozen=True)
class _People:
    """Everybody assessed: risks, and either outcomes or times."""

    risk: Floats
    risks: Floats
    rank: Ints
    place: Floats
    """Where the person's risk stands among all, 0 lowest to 1 highest; the middle of those who share it."""
    neighbours: Bands
    outcome: Bytes
    time: Floats | None
    event: npt.NDArray[np.bool_]
    competing: npt.NDArray[np.bool_] | None
    horizon: float

    @classmethod
    def of(
        cls,
        risk: npt.ArrayLike,
        outcome: npt.ArrayLike | None,
        time: npt.ArrayLike | None,
        event: npt.ArrayLike | None,
        competing: npt.ArrayLike | None,
        horizon: float,
    ) -> _People:
        p = np.asarray(risk, dtype=np.float64)
        if p.ndim != 1 or len(p) == 0:
            raise ValueError("nobody to assess")
        if not np.all((p >= 0) & (p <= 1)):
            raise ValueError("risks must lie between 0 and 1, without nulls")
        if (time is None) != (event is None) or (time is None) == (outcome is None):
            raise ValueError("either an outcome, or a time and an event, are needed")
        risks, rank, sizes = np.unique(p, return_inverse=True, return_counts=True)
        place = ((np.cumsum(sizes) - sizes / 2) / len(p))[rank]
        t = None
        other = None
        if time is not None:
            t = np.asarray(time, dtype=np.float64)
            if not (np.all(t >= 0) and np.isfinite(t).all()):
                raise ValueError("times must be 0 or more, without nulls")
            if not horizon > 0:
                raise ValueError("the horizon must be more than 0")
            flags = _flags(event, len(p))
            other = None if competing is None else _flags(competing, len(p)) & ~flags
            y = (flags & (t <= horizon)).astype(np.uint8)
            free = bool(np.any(y == 0) and (np.any((y == 0) & (t >= horizon)) or (other is not None and other.any())))
        else:
            flags = _flags(outcome, len(p))
            y = flags.astype(np.uint8)
            free = not bool(y.all())
        if len(y) != len(p) or (t is not None and len(t) != len(p)):
            raise ValueError("arrays of one length are needed")
        if not y.any():
            raise ValueError("nobody has the outcome")
        if not free:
            raise ValueError("everybody has the outcome, or nobody is followed to the horizon")
        return cls(p, risks, rank.astype(np.int64), place, Bands.over(risks, sizes), y, t, flags, other, float(horizon))

    def weights(self, where: Ints) -> Floats | None:
        """Weights of some of the people (see `horizon_weights`); None if nobody among them is followed long enough.

        Within as many bands of risk as have events enough to estimate censoring in, at most ten.
        """
        if self.time is None:
            return np.ones(len(where))
        other = None if self.competing is None else self.competing[where]
        strata = int(np.clip(self.outcome[where].sum() // _PER_STRATUM, 1, BANDS))
        for count in {strata: None, 1: None}:
            bands = np.minimum((self.place[where] * count).astype(np.int64), count - 1)
            try:
                return horizon_weights(
                    self.time[where], self.event[where], self.horizon, competing=other, strata=bands
                )[1]
            except ValueError:
                continue
        return None

    def measured(
        self, where: Ints, weight: Floats, picks: Sequence[float], thresholds: Sequence[float], streams: Streams
    ) -> tuple[Floats, Floats]:
        """`kernels.measure` of some of the people, and of each of their resamples."""
        outcome = self.outcome[where]
        out = Cells.of(self.risks, self.rank[where], outcome, weight).measure(picks, thresholds)
        if streams.resamples == 0:
            return out, np.zeros((0, len(out)))
        banded = Cells.of(self.neighbours.risks, self.neighbours.of_rank[self.rank[where]], outcome, weight, merge=True)
        return out, banded.resampled(picks, thresholds, out, streams)

    def status(self, where: Ints, weight: Floats) -> tuple[int, int]:
        """How many are seen to have the outcome, and how many are lost before the horizon."""
        return int(self.outcome[where].sum()), int(np.sum(weight == 0))

    def cut(self, people: float) -> float:
        """The risk at which so many people are chosen, highest first."""
        sizes = np.bincount(self.rank, minlength=len(self.risks))[::-1]
        at = int(np.searchsorted(np.cumsum(sizes), people - 1e-6))
        return float(self.risks[::-1][min(at, len(sizes) - 1)])

    def bands(self, weight: Floats, edges: Sequence[float]) -> list[Band]:
        """The people cut by the place of their risk; people of one risk stay together."""
        band = np.digitize(self.place, edges[1:-1])
        band = np.where(self.place < edges[0], -1, band)
        found = []
        for i, (low, high) in enumerate(pairwise(edges)):
            here = band == i
            if not here.any():
                continue
            w = weight[here]
            share = float(np.sum(w * self.outcome[here]) / w.sum()) if w.sum() > 0 else np.nan
            found.append(
                Band(
                    f"{100 * low:g}–{100 * high:g} %",
                    int(here.sum()),
                    int(self.outcome[here].sum()),
                    float(self.risk[here].mean()),
                    share,
                    float(w.sum() ** 2 / np.sum(w * w)) if w.sum() > 0 else 0.0,
                )
            )
        return found

    def found_curve(self, weight: Floats) -> tuple[Floats, Floats]:
        """Who is found: shares of the people, and of all events among those of highest risk."""
        sizes = np.bincount(self.rank, minlength=len(self.risks))
        events = np.bincount(self.rank, weight * self.outcome, len(self.risks))
        chosen = np.concatenate([[0.0], np.cumsum(sizes[::-1])]) / len(self.risk)
        found = np.concatenate([[0.0], np.cumsum(events[::-1])]) / events.sum()
        at = np.concatenate([np.linspace(0, 0.05, _FOUND_POINTS // 2), np.linspace(0.05, 1, _FOUND_POINTS // 2)[1:]])
        return at, np.interp(at, chosen, found)


def _flags(values: npt.ArrayLike | None, rows: int) -> npt.NDArray[np.bool_]:
    found = np.asarray(values)
    if found.shape != (rows,):
        raise ValueError("arrays of one length are needed")
    if found.dtype != np.bool_ and not np.all((found == 0) | (found == 1)):
        raise ValueError("outcomes and events are 0 or 1, without nulls")
    return found.astype(bool)


def _groups(people: _People, name: str, grouping: Grouping, cut: float, streams: Streams) -> list[Part]:
    """Each group with at least one person, and how it differs from the largest."""
    order = np.argsort(grouping.codes, kind="stable")
    edges = np.searchsorted(grouping.codes[order], np.arange(len(grouping.labels) + 1))
    sizes = np.diff(edges)
    found: list[tuple[Part, Mapping[str, Estimate]]] = []
    for code, label in enumerate(grouping.labels):
        where = order[edges[code] : edges[code + 1]]
        if len(where):
            part = _part(people, label, where, cut, Streams(streams.seed, f"{name}/{label}", streams.resamples,
                                                            streams.threads))  # fmt: skip
            found.append((part, part.measures or {}))
    with_measures = [(p.people, i) for i, (p, m) in enumerate(found) if m]
    if not with_measures or not sizes.any():
        return [p for p, _ in found]
    reference = max(with_measures, key=lambda pair: (pair[0], -pair[1]))[1]
    base = found[reference][1]
    parts = []
    for i, (part, measures) in enumerate(found):
        against = {}
        if measures and i != reference:
            against = {"auroc": _difference(measures["auroc"], base["auroc"]), "oe": _ratio(measures["oe"], base["oe"])}
        parts.append(
            Part(
                **{
                    **{f: getattr(part, f) for f in part.__dataclass_fields__},
                    "against": against,
                    "reference": i == reference,
                }
            )
        )
    return parts


def _part(people: _People, label: str, where: Ints, cut: float, streams: Streams) -> Part:
    """One group, on its own."""
    risk, outcome = people.risk[where], people.outcome[where]
    weight = people.weights(where)
    expected = float(risk.sum())
    if weight is None:
        return Part(
            label, len(where), int(outcome.sum()), len(where), np.nan, expected, None,
            reason="nobody followed to the horizon",
        )  # fmt: skip
    events, lost = people.status(where, weight)
    observed = float(np.sum(weight * outcome))
    above = risk >= cut
    chosen, found = float(above.sum()), float(np.sum(weight * outcome * above))
    if min(events, len(where) - lost - events) < MIN_EVENTS:
        return Part(
            label, len(where), events, lost, observed, expected, None,
            chosen=chosen, found=found, reason="too few events",
        )  # fmt: skip
    measures = _measures(*people.measured(where, weight, [], [], streams))
    return Part(label, len(where), events, lost, observed, expected, measures, chosen=chosen, found=found)


def _practices(people: _People, grouping: Grouping) -> list[Part]:
    """Observed and expected events of each practice; no measures."""
    order = np.argsort(grouping.codes, kind="stable")
    edges = np.searchsorted(grouping.codes[order], np.arange(len(grouping.labels) + 1))
    found = []
    for code, label in enumerate(grouping.labels):
        where = order[edges[code] : edges[code + 1]]
        if not len(where):
            continue
        weight = people.weights(where)
        events, lost = people.status(where, np.zeros(len(where)) if weight is None else weight)
        observed = np.nan if weight is None else float(np.sum(weight * people.outcome[where]))
        found.append(Part(label, len(where), events, lost, observed, float(people.risk[where].sum()), None))
    return found


_SCALES = {
    "auroc": (k.AUROC, "logit"),
    "average_precision": (k.PRECISION, "logit"),
    "oe": (k.OE, "log"),
    "in_the_large": (k.LARGE, "plain"),
    "intercept": (k.INTERCEPT, "plain"),
    "slope": (k.SLOPE, "plain"),
    "brier": (k.BRIER, "log"),
    "scaled_brier": (k.SCALED, "plain"),
}


def _measures(out: Floats, drawn: Floats) -> dict[str, Estimate]:
    return {name: _estimate(out[i], drawn[:, i], scale) for name, (i, scale) in _SCALES.items()}


def _pick(i: int, label: str, capacity: bool, out: Floats, drawn: Floats) -> Pick:
    at = k.FIRST + 3 * i
    chosen, found, events = out[at], out[at + 1], out[k.OBSERVED]
    return Pick(
        label,
        float(chosen),
        float(found),
        float(events),
        _estimate(found / events, drawn[:, at + 1] / drawn[:, k.OBSERVED], "logit"),
        _estimate(found / chosen, drawn[:, at + 1] / drawn[:, at], "logit"),
        capacity,
    )


def _choice(i: int, threshold: float, picks: int, out: Floats, drawn: Floats) -> Choice:
    at = k.FIRST + 3 * (picks + i)
    odds = threshold / (1 - threshold)
    benefit = (out[at + 1] - odds * out[at + 2]) / out[k.KNOWN]
    resampled = (drawn[:, at + 1] - odds * drawn[:, at + 2]) / drawn[:, k.KNOWN]
    return Choice(
        threshold, float(out[at]), float(out[at + 1]), float(out[at + 2]), _estimate(benefit, resampled, "plain")
    )


def _estimate(value: float, drawn: Floats, scale: str) -> Estimate:
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
    """The 95 % interval about a value, from a standard error on a scale ("plain", "log" or "logit")."""
    low = high = np.nan
    if np.isfinite(value) and np.isfinite(error):
        if scale == "plain":
            low, high = value - Z * error, value + Z * error
        elif scale == "log" and value > 0:
            low, high = value * np.exp(-Z * error), value * np.exp(Z * error)
        elif scale == "logit" and 0 < value < 1:
            middle = np.log(value) - np.log1p(-value)
            low, high = (1 / (1 + np.exp(-(middle + side * Z * error))) for side in (-1, 1))
    return Estimate(value, float(low), float(high), error, scale)


def _difference(a: Estimate, b: Estimate) -> Estimate:
    """a − b of two groups that share nobody."""
    one, other = (e.error * e.value * (1 - e.value) for e in (a, b))  # from the log-odds scale to the plain one
    return interval(a.value - b.value, float(np.hypot(one, other)), "plain")


def _ratio(a: Estimate, b: Estimate) -> Estimate:
    """a / b of two groups that share nobody; both on the log scale."""
    return interval(a.value / b.value, float(np.hypot(a.error, b.error)), "log")


def spline(x: Floats, knots: Floats) -> Floats:
    """A restricted cubic spline's columns: x, and a cubic for each knot but two, straight beyond the outer ones
    (Harrell 2015, 2.4.5)."""
    last, before = knots[-1], knots[-2]
    span = (last - knots[0]) ** 2

    def cube(at: float) -> Floats:
        return np.maximum(x - at, 0) ** 3

    columns = [x] + [
        (cube(t) - cube(before) * (last - t) / (last - before) + cube(last) * (before - t) / (last - before)) / span
        for t in knots[:-2]
    ]
    return np.column_stack(columns)


def _curve(people: _People, weight: Floats) -> Curve | None:
    """The observed risk as a smooth function of the predicted one; None where there is too little to fit."""
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM
    from statsmodels.tools.sm_exceptions import PerfectSeparationError

    sizes = np.bincount(people.rank, minlength=len(people.risks)).astype(np.float64)
    events = np.bincount(people.rank, weight * people.outcome, len(sizes))
    others = np.bincount(people.rank, weight, len(sizes)) - events
    place = (np.cumsum(sizes) - sizes / 2) / sizes.sum()
    bin_of = np.minimum((place * _CURVE_BINS).astype(np.int64), _CURVE_BINS - 1)
    # Finer at the top, where few people spread over a wide range of risk.
    bin_of = np.where(place > 0.99, _CURVE_BINS + ((place - 0.99) * 100 * _CURVE_BINS).astype(np.int64), bin_of)
    _, bin_of = np.unique(bin_of, return_inverse=True)
    held = np.bincount(bin_of, sizes)
    risk = np.bincount(bin_of, sizes * people.risks) / held
    with_, without = np.bincount(bin_of, events), np.bincount(bin_of, others)
    x = logit(risk)
    spots = np.interp(np.array(_KNOTS), place, logit(people.risks))
    knots = spots[np.concatenate([[True], np.diff(spots) > 0.05])]
    if people.outcome.sum() < MIN_EVENTS or len(x) < 5:
        return None

    def design(at: Floats) -> Floats:
        columns = spline(at, knots) if len(knots) >= 3 else at[:, None]
        return np.column_stack([np.ones(len(at)), columns])

    used = with_ + without > 0
    try:
        fit = GLM(np.column_stack([with_, without])[used], design(x[used]), family=Binomial()).fit()
    except (PerfectSeparationError, np.linalg.LinAlgError):
        return None
    if not np.isfinite(fit.params).all() or not np.isfinite(fit.bse).all():
        return None
    ends = np.interp([0.005, 0.995], place, logit(people.risks))
    at = np.linspace(ends[0], ends[1], _CURVE_POINTS) if ends[1] > ends[0] else ends[:1]
    rows = design(at)
    middle = rows @ fit.params
    error = np.sqrt(np.einsum("ij,jk,ik->i", rows, np.asarray(fit.cov_params()), rows))
    smooth = design(x) @ fit.params
    index = float(np.sum(held * np.abs(_expit(smooth) - risk)) / held.sum())
    return Curve(_expit(at), _expit(middle), _expit(middle - Z * error), _expit(middle + Z * error), index)


def _expit(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-x)))


def _percent(share: float) -> str:
    return f"{100 * share:g} %"
