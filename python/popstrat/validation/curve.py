"""The smooth calibration curve: the observed risk as a function of the predicted one."""

from __future__ import annotations

import numpy as np

from popstrat.validation.measures import Floats, expit, logit
from popstrat.validation.people import People
from popstrat.validation.results import MIN_EVENTS, Curve, Z

_POINTS = 60
_BINS = 2000
_KNOTS = (0.05, 0.275, 0.5, 0.725, 0.95, 0.995)


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


def smooth(people: People, weight: Floats) -> Curve | None:
    """The observed risk as a smooth function of the predicted one; None where there is too little to fit."""
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM
    from statsmodels.tools.sm_exceptions import PerfectSeparationError

    sizes = np.bincount(people.rank, minlength=len(people.risks)).astype(np.float64)
    events = np.bincount(people.rank, weight * people.outcome, len(sizes))
    others = np.bincount(people.rank, weight, len(sizes)) - events
    quantile = (np.cumsum(sizes) - sizes / 2) / sizes.sum()
    bin_of = np.minimum((quantile * _BINS).astype(np.int64), _BINS - 1)
    # Finer at the top, where few people spread over a wide range of risk.
    bin_of = np.where(quantile > 0.99, _BINS + ((quantile - 0.99) * 100 * _BINS).astype(np.int64), bin_of)
    _, bin_of = np.unique(bin_of, return_inverse=True)
    held = np.bincount(bin_of, sizes)
    risk = np.bincount(bin_of, sizes * people.risks) / held
    with_, without = np.bincount(bin_of, events), np.bincount(bin_of, others)
    x = logit(risk)
    spots = np.interp(np.array(_KNOTS), quantile, logit(people.risks))
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
    ends = np.interp([0.005, 0.995], quantile, logit(people.risks))
    at = np.linspace(ends[0], ends[1], _POINTS) if ends[1] > ends[0] else ends[:1]
    rows = design(at)
    middle = rows @ fit.params
    error = np.sqrt(np.einsum("ij,jk,ik->i", rows, np.asarray(fit.cov_params()), rows))
    smooth = design(x) @ fit.params
    index = float(np.sum(held * np.abs(expit(smooth) - risk)) / held.sum())
    return Curve(expit(at), expit(middle), expit(middle - Z * error), expit(middle + Z * error), index)
