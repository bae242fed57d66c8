"""The measures, one at a time, written to be read: what the compiled kernels are tested against, and of use alone.

Every function takes NumPy arrays of one length, a row for each person: ``risk`` (predicted probability, 0 to 1),
``outcome`` (0 or 1) and, where it is offered, ``weight`` (0 or more; 1 for everybody if not given). Nulls are the
caller's to leave out: a NaN raises ``ValueError``. A measure that is not defined (one class only, nobody selected) is
NaN. Weights come from `horizon_weights` where some people were not followed to the horizon.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

_FAR = 700.0  # from where on a log-odds is a risk of 0 or 1, and its exponential near the end of what a double holds
LOGIT_BOUND = 5e-7
"""Risks are kept this far from 0 and 1 before their log-odds are taken: half a unit of the sixth decimal."""


def logit(risk: npt.ArrayLike) -> Floats:
    """Log-odds of a risk, after keeping it `LOGIT_BOUND` away from 0 and 1."""
    p = np.clip(np.asarray(risk, dtype=np.float64), LOGIT_BOUND, 1 - LOGIT_BOUND)
    return np.asarray(np.log(p) - np.log1p(-p))


def auroc(risk: npt.ArrayLike, outcome: npt.ArrayLike, weight: npt.ArrayLike | None = None) -> float:
    """The chance that a person with the outcome has the higher risk of a pair with and without; ties count half.

    With the weights of `horizon_weights` this is the cumulative/dynamic AUROC at the horizon (Uno 2007, Hung 2010).
    """
    _, events, others = by_risk(risk, outcome, weight)
    if events.sum() == 0 or others.sum() == 0:
        return np.nan
    below = np.cumsum(others) - others
    return float(np.sum(events * (below + others / 2)) / (events.sum() * others.sum()))


def average_precision(risk: npt.ArrayLike, outcome: npt.ArrayLike, weight: npt.ArrayLike | None = None) -> float:
    """Precision at each distinct risk, weighted by the share of all events that stand at it (no interpolation)."""
    _, events, others = by_risk(risk, outcome, weight)
    if events.sum() == 0:
        return np.nan
    found, wrong = np.cumsum(events[::-1]), np.cumsum(others[::-1])
    some = found + wrong > 0
    precision = np.divide(found, found + wrong, out=np.zeros_like(found), where=some)
    return float(np.sum(precision * events[::-1]) / events.sum())


def brier(risk: npt.ArrayLike, outcome: npt.ArrayLike, weight: npt.ArrayLike | None = None) -> float:
    """Mean squared distance of risk and outcome; with `horizon_weights` the IPCW Brier score (Graf 1999)."""
    p, y, w = _arrays(risk, outcome, weight)
    return float(np.sum(w * (y - p) ** 2) / w.sum()) if w.sum() > 0 else np.nan


def scaled_brier(risk: npt.ArrayLike, outcome: npt.ArrayLike, weight: npt.ArrayLike | None = None) -> float:
    """1 − Brier / Brier of giving everybody the overall rate: 1 is perfect, 0 no better, below 0 worse."""
    _, y, w = _arrays(risk, outcome, weight)
    rate = np.sum(w * y) / w.sum() if w.sum() > 0 else np.nan
    return float(1 - brier(risk, outcome, weight) / (rate * (1 - rate))) if 0 < rate < 1 else np.nan


def observed_expected(risk: npt.ArrayLike, outcome: npt.ArrayLike, weight: npt.ArrayLike | None = None) -> float:
    """Events observed over events expected. The expected ones are the sum of everybody's risk, whatever the weight."""
    p, y, w = _arrays(risk, outcome, weight)
    return float(np.sum(w * y) / p.sum()) if p.sum() > 0 else np.nan


def in_the_large(risk: npt.ArrayLike, outcome: npt.ArrayLike, weight: npt.ArrayLike | None = None) -> float:
    """Calibration-in-the-large: what must be added to everybody's log-odds for expected to equal observed events."""
    p, y, w = _arrays(risk, outcome, weight)
    target = float(np.sum(w * y))
    if not 0 < target < len(p):
        return np.nan
    x, a = logit(p), 0.0
    for _ in range(50):
        fitted = expit(a + x)
        step = (target - fitted.sum()) / np.sum(fitted * (1 - fitted))
        a += float(np.clip(step, -2, 2))
        if abs(step) < 1e-10:
            break
    return a


def calibration_line(
    risk: npt.ArrayLike, outcome: npt.ArrayLike, weight: npt.ArrayLike | None = None
) -> tuple[float, float]:
    """Intercept and slope of the logistic regression of the outcome on the log-odds of the risk (Cox 1958).

    A slope under 1 means that high risks are too high and low ones too low. NaN where no finite fit exists: one class,
    one risk, or risks that separate the classes.
    """
    p, y, w = _arrays(risk, outcome, weight)
    x = logit(p)
    line = np.array([0.0, 1.0])
    for _ in range(50):
        fitted = expit(line[0] + line[1] * x)
        v = w * fitted * (1 - fitted)
        hessian = np.array([[v.sum(), (v * x).sum()], [(v * x).sum(), (v * x * x).sum()]])
        gradient = np.array([(w * (y - fitted)).sum(), (w * (y - fitted) * x).sum()])
        if np.linalg.det(hessian) <= 1e-12 * hessian[0, 0] * hessian[1, 1] or not np.isfinite(hessian).all():
            return np.nan, np.nan
        step = np.linalg.solve(hessian, gradient)
        line = line + np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-9:
            return float(line[0]), float(line[1])
    return np.nan, np.nan


def net_benefit(
    risk: npt.ArrayLike, outcome: npt.ArrayLike, threshold: float, weight: npt.ArrayLike | None = None
) -> float:
    """Net benefit per person of acting on everybody with ``risk >= threshold`` (Vickers and Elkin 2006).

    True positives less false positives, these weighted by the odds of the threshold, over all people.
    """
    p, y, w = _arrays(risk, outcome, weight)
    chosen = p >= threshold
    right, wrong = np.sum(w * y * chosen), np.sum(w * (1 - y) * chosen)
    return float((right - wrong * threshold / (1 - threshold)) / w.sum()) if w.sum() > 0 else np.nan


def found_at(
    risk: npt.ArrayLike, outcome: npt.ArrayLike, people: float, weight: npt.ArrayLike | None = None
) -> tuple[float, float]:
    """(sensitivity, positive predictive value) of choosing the ``people`` with the highest risk.

    Where several people share the risk at the cut, the value is what choosing among them at random gives on average.
    """
    p, y, w = _arrays(risk, outcome, weight)
    order = np.argsort(-p, kind="stable")
    values, first, count = np.unique(-p[order], return_index=True, return_counts=True)
    share = np.clip((people - first) / count, 0, 1)
    events = np.bincount(np.searchsorted(values, -p), w * y, len(values))
    found = float(np.sum(share * events))
    total = float(events.sum())
    return found / total if total > 0 else np.nan, found / people if people > 0 else np.nan


def kaplan_meier(time: npt.ArrayLike, event: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Distinct times, ascending, and the Kaplan-Meier estimate of being free of the event just after each."""
    t, e = np.asarray(time, dtype=np.float64), np.asarray(event, dtype=bool)
    times, at = np.unique(t, return_inverse=True)
    gone = np.bincount(at, minlength=len(times))
    at_risk = len(t) - (np.cumsum(gone) - gone)
    return times, np.asarray(np.cumprod(1 - np.bincount(at, e, len(times)) / at_risk))


def horizon_weights(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    horizon: float,
    *,
    competing: npt.ArrayLike | None = None,
    strata: npt.ArrayLike | None = None,
) -> tuple[Bytes, Floats]:
    """The outcome by the horizon, and inverse-probability-of-censoring weights for people lost before it.

    ``time`` is the time to the event or to the end of follow-up, ``event`` whether it is the event, ``competing``
    whether it is an event that rules the other out, such as death. Returns ``outcome`` (uint8) and ``weight``: 0 for
    people censored before the horizon, whose outcome is not known; for all others one over the estimated chance of
    being followed so long, ``G(t−)`` at their event or ``G(horizon−)``. ``G`` is the Kaplan-Meier estimate of
    remaining uncensored, separately in each of the ``strata`` (integers), events coming before censoring on the same
    day. Within a stratum the weights sum to its people, and the weighted share of events is one minus the
    Kaplan-Meier estimate at the horizon (Aalen-Johansen, where there are competing events). Without ``competing``,
    deaths that are coded as censoring are censoring. Raises ``ValueError`` if a stratum has nobody left to stand for
    people censored before the horizon.
    """
    t = np.asarray(time, dtype=np.float64)
    e = np.asarray(event, dtype=bool)
    c = np.zeros(len(t), dtype=bool) if competing is None else np.asarray(competing, dtype=bool) & ~e
    within = t <= horizon
    outcome = (e & within).astype(np.uint8)
    ended = (e | c) & within
    known = ended | (t >= horizon)
    weight = np.zeros(len(t))
    groups = np.zeros(len(t), dtype=np.int64) if strata is None else np.asarray(strata)
    if known.all():
        weight[:] = 1.0
        return outcome, weight
    for group in np.unique(groups):
        here = np.flatnonzero(groups == group)
        until = np.minimum(t[here], horizon)
        times, at = np.unique(until, return_inverse=True)
        leaving = np.bincount(at, minlength=len(times))
        finished = np.bincount(at, ended[here], len(times))
        lost = np.bincount(at, ~known[here], len(times))
        at_risk = len(here) - (np.cumsum(leaving) - leaving) - finished
        stays = np.cumprod(1 - np.divide(lost, at_risk, out=np.zeros(len(times)), where=at_risk > 0))
        before = np.concatenate([[1.0], stays[:-1]])[at]
        if stays[-1] <= 0:
            raise ValueError("nobody is followed to the horizon, or has the event after the last censoring")
        weight[here] = np.where(known[here], 1 / np.where(before > 0, before, 1.0), 0.0)
    return outcome, weight


def harrell_c(risk: npt.ArrayLike, time: npt.ArrayLike, event: npt.ArrayLike) -> float:
    """Harrell's C: of pairs where it is known who had the event first, the share where that one had the higher risk.

    Equal risks count half; two events at the same time are no pair. Quadratic in the number of people: for
    large tables see `popstrat.validation.concordance`.
    """
    return _concordance(risk, time, event, np.ones(len(np.asarray(time))))


def uno_c(risk: npt.ArrayLike, time: npt.ArrayLike, event: npt.ArrayLike, horizon: float) -> float:
    """Uno's C up to the horizon (Uno 2011): as Harrell's, each pair weighted by ``1 / G(t−)²``, so that it does not
    depend on who was censored when (if censoring is independent of risk). Quadratic, as `harrell_c`."""
    t, e = cut_at(time, event, horizon)
    return _concordance(risk, t, e, uno_weights(t, e))


def cut_at(time: npt.ArrayLike, event: npt.ArrayLike, horizon: float) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Times and events with follow-up ended at the horizon; an event on that day counts."""
    t = np.asarray(time, dtype=np.float64)
    return np.minimum(t, horizon), np.asarray(event, dtype=bool) & (t <= horizon)


def uno_weights(time: npt.ArrayLike, event: npt.ArrayLike) -> Floats:
    """``1 / G(t−)²`` for events, 0 for others; ``G`` is the Kaplan-Meier estimate of remaining uncensored."""
    t, e = np.asarray(time, dtype=np.float64), np.asarray(event, dtype=bool)
    times, at = np.unique(t, return_inverse=True)
    gone, events = np.bincount(at, minlength=len(times)), np.bincount(at, e, len(times))
    at_risk = len(t) - (np.cumsum(gone) - gone) - events
    stays = np.cumprod(1 - np.divide(gone - events, at_risk, out=np.zeros(len(times)), where=at_risk > 0))
    before = np.concatenate([[1.0], stays[:-1]])[at]
    return np.where(e, 1 / np.where(e, before, 1.0) ** 2, 0.0)


def _concordance(risk: npt.ArrayLike, time: npt.ArrayLike, event: npt.ArrayLike, weight: Floats) -> float:
    p, t, e = np.asarray(risk, dtype=np.float64), np.asarray(time, dtype=np.float64), np.asarray(event, dtype=bool)
    right = pairs = 0.0
    for i in np.flatnonzero(e):
        later = (t > t[i]) | ((t == t[i]) & ~e)
        pairs += weight[i] * later.sum()
        right += weight[i] * (np.sum(p[later] < p[i]) + np.sum(p[later] == p[i]) / 2)
    return right / pairs if pairs > 0 else np.nan


def by_risk(
    risk: npt.ArrayLike, outcome: npt.ArrayLike, weight: npt.ArrayLike | None = None
) -> tuple[Floats, Floats, Floats]:
    """The distinct risks, ascending, with the weight of people with and without the outcome at each."""
    p, y, w = _arrays(risk, outcome, weight)
    values, at = np.unique(p, return_inverse=True)
    with_, without = (np.bincount(at, part, len(values)).astype(np.float64) for part in (w * y, w * (1 - y)))
    return values, with_, without


def expit(x: Any) -> Any:
    """The risk of a log-odds; 0 or 1 to a double beyond 700, and no overflow on the way."""
    return 1 / (1 + np.exp(-np.clip(x, -_FAR, _FAR)))


def _arrays(risk: npt.ArrayLike, outcome: npt.ArrayLike, weight: npt.ArrayLike | None) -> tuple[Floats, Floats, Floats]:
    p, y = np.asarray(risk, dtype=np.float64), np.asarray(outcome, dtype=np.float64)
    w = np.ones(len(p)) if weight is None else np.asarray(weight, dtype=np.float64)
    if not len(p) == len(y) == len(w):
        raise ValueError(f"arrays of one length are needed, not {len(p)}, {len(y)} and {len(w)}")
    if not (np.all((p >= 0) & (p <= 1)) and np.all((y == 0) | (y == 1)) and np.all((w >= 0) & np.isfinite(w))):
        raise ValueError("risks lie between 0 and 1, outcomes are 0 or 1, weights are not negative; none may be NaN")
    return p, y, w
