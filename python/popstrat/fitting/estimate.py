"""Estimating coefficients: logistic, complementary log-log and Cox regression, penalised or not, through glum.

A Cox model with Breslow's handling of ties has the same estimating equations as a Poisson regression of the event on
the terms with the logarithm of the cumulative baseline hazard up to each person's own time as offset (Whitehead 1980).
So the two are solved in turn, the baseline from the coefficients (Breslow 1974) and the coefficients given the
baseline, until nothing changes; at that point a penalised Cox model is solved too. Its information matrix, which the
Poisson regression does not know, is worked out once at the end. On a list of a million with 60 terms that is seconds,
where programs that visit each risk set need hours.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from popstrat.errors import InputError
from popstrat.errors import NotInstalledError as NotInstalledError
from popstrat.fitting.spec import Penalty

F64 = NDArray[np.float64]
Ints = NDArray[np.int64]
P = ParamSpec("P")
T = TypeVar("T")

_ROUNDS = 100
_CLOSE = 1e-8  # of a coefficient, in standard deviations of its term
_DEPENDENT = 1e-9  # eigenvalue of the correlations below which terms determine each other
_SEPARATED = 12.0  # log odds or log hazard per standard deviation, or its standard error: no finite estimate
_ALPHAS = np.logspace(-1, -6, 16)


def glum_regressors() -> Any:
    """The glum module. Raises `NotInstalledError` with what to do about it."""
    try:
        import glum
    except ImportError:
        raise NotInstalledError('fitting needs more libraries: pip install "popstrat[fit]"') from None
    return glum


def one_thread(function: Callable[P, T]) -> Callable[P, T]:
    """Let numerical libraries use one thread each while ``function`` runs (`NotInstalledError` without them).

    Sums then come out the same to the last bit on any machine; and where others are at work, threads that wait for each
    other after every short loop make a fit of seconds one of minutes.
    """

    @wraps(function)
    def alone(*args: P.args, **kwargs: P.kwargs) -> T:
        glum_regressors()  # limits hold for what is loaded
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1):
            return function(*args, **kwargs)

    return alone


@dataclass(frozen=True)
class Sample:
    """People to fit to: term values (SciPy CSC), the outcome, and days for a Cox model; weights for lost follow-up."""

    terms: tuple[str, ...]
    matrix: Any
    event: F64
    days: Ints | None = None
    weight: F64 | None = None

    def only(self, rows: Any) -> Sample:
        return Sample(
            self.terms,
            self.matrix[rows].tocsc(),
            self.event[rows],
            None if self.days is None else self.days[rows],
            None if self.weight is None else self.weight[rows],
        )


@dataclass(frozen=True)
class Estimates:
    """Coefficients and intercept (0 for Cox); standard errors where they could be had; the penalty's strength."""

    terms: tuple[str, ...]
    coefficients: F64
    intercept: float
    errors: F64 | None
    strength: float | None = None


# -- what can be estimated --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Support:
    """How many people and events each term rests on (for a number: people with a value other than its commonest)."""

    people: Ints
    events: Ints


def support(sample: Sample) -> Support:
    """People and events where each term is not at its most usual value."""
    people, events = [], []
    for j in range(sample.matrix.shape[1]):
        column = sample.matrix.getcol(j)
        there = column.indices[column.data != 0]
        n_, e = len(there), int(sample.event[there].sum())
        total, all_events = len(sample.event), int(sample.event.sum())
        if 2 * n_ > total:  # mostly not zero: the commonest value stands for zero
            values, counts = np.unique(column.data, return_counts=True)
            usual = values[np.argmax(counts)]
            if counts.max() > total - n_:
                same = column.indices[column.data == usual]
                n_, e = total - len(same), all_events - int(sample.event[same].sum())
        people.append(n_)
        events.append(e)
    return Support(np.array(people, np.int64), np.array(events, np.int64))


def unusable(sample: Sample, fewest: int) -> dict[str, str]:
    """Terms that cannot be estimated, with the reason: never varying, too rare, or separating the outcome."""
    found: dict[str, str] = {}
    backed = support(sample)
    events = int(sample.event.sum())
    for j, term in enumerate(sample.terms):
        people, hit = int(backed.people[j]), int(backed.events[j])
        column = sample.matrix.getcol(j)
        values = column.data
        constant = len(values) == len(sample.event) and np.ptp(values) == 0
        if people == 0 or constant:
            found[term] = "is the same for everybody"
        elif len(np.unique(values)) == 1 and hit in (0, people) and people >= fewest:
            found[term] = f"separates the outcome: {'all' if hit else 'none'} of those who have it have the event"
        elif len(np.unique(values)) == 1 and events - hit == 0:
            found[term] = "separates the outcome: nobody without it has the event"
        elif hit < fewest or people - hit < fewest:
            found[term] = f"rests on fewer than {fewest} people with, or without, the event"
        elif _splits(column, sample.event):
            found[term] = "separates the outcome: one value divides those with the event from those without"
    return found


def _splits(column: Any, event: F64) -> bool:
    values = np.asarray(column.todense()).ravel()
    with_, without = values[event == 1], values[event == 0]
    return bool(with_.min() >= without.max() or with_.max() <= without.min())


def dependent(sample: Sample) -> tuple[str, ...]:
    """Terms that determine each other exactly, all of one such set; empty if there is none."""
    n = len(sample.event)
    matrix = sample.matrix
    mean = np.asarray(matrix.mean(axis=0)).ravel()
    covariance = (matrix.T @ matrix).toarray() / n - np.outer(mean, mean)
    spread = np.sqrt(np.maximum(np.diag(covariance), 1e-300))
    values, vectors = np.linalg.eigh(covariance / np.outer(spread, spread))
    if values[0] > _DEPENDENT:
        return ()
    return tuple(sample.terms[j] for j in np.flatnonzero(np.abs(vectors[:, 0]) > 1e-4))


# -- regressions ------------------------------------------------------------------------------------------------------


def estimate(sample: Sample, link: str, penalty: Penalty, seed: int) -> Estimates:
    """Fit one stratum. ``link``: logistic, cloglog, or cox (which needs days). Raises `InputError` naming the terms
    where no finite coefficient exists."""
    design = _split(sample.matrix)
    spread = spreads(sample.matrix)
    strength = penalty.strength
    if penalty.kind != "none" and strength is None:
        strength = _strength(sample, design, link, penalty, seed)
    coefficients, intercept = _solve(sample, design, spread, link, penalty.mix, strength or 0.0)
    errors = None
    if penalty.kind == "none":
        errors = _errors(sample, design, link, coefficients, intercept)
        far = np.abs(coefficients * spread) > _SEPARATED
        far |= ~np.isfinite(errors) | (errors * spread > _SEPARATED)
        if far.any():
            named = ", ".join(repr(sample.terms[j]) for j in np.flatnonzero(far)[:5])
            raise InputError(f"the terms {named} separate the outcome: no finite coefficient fits; drop or join them")
    return Estimates(sample.terms, coefficients, intercept, errors, strength)


def _split(matrix: Any) -> Any:
    import tabmat

    return tabmat.from_csc(matrix)


def spreads(matrix: Any) -> F64:
    """Standard deviation of each column."""
    mean = np.asarray(matrix.mean(axis=0)).ravel()
    square = np.asarray(matrix.multiply(matrix).mean(axis=0)).ravel()
    return np.asarray(np.sqrt(np.maximum(square - mean * mean, 0)))


def _regressor(link: str, mix: float, strength: float, start: F64 | None) -> Any:
    glum = glum_regressors()
    family, own = ("poisson", "log") if link == "cox" else ("binomial", {"logistic": "logit"}.get(link, link))
    return glum.GeneralizedLinearRegressor(
        family=family, link=own, alpha=strength, l1_ratio=mix, scale_predictors=strength > 0, gradient_tol=1e-9,
        step_size_tol=1e-9, max_iter=100, start_params=start,
    )  # fmt: skip


def _solve(sample: Sample, design: Any, spread: F64, link: str, mix: float, strength: float) -> tuple[F64, float]:
    if link != "cox":
        fitted = _fit(_regressor(link, mix, strength, None), design, sample.event, sample.weight, None)
        return np.asarray(fitted.coef_, dtype=np.float64), float(fitted.intercept_)
    coefficients, start = np.zeros(design.shape[1]), None
    assert sample.days is not None
    for _ in range(_ROUNDS):
        hazard = breslow(sample.days, sample.event, np.exp(design.matvec(coefficients)), sample.weight)
        offset = np.log(np.maximum(hazard[sample.days], 1e-300))
        used = offset > -600  # before the first event nobody says anything
        if used.all():
            fitted = _fit(_regressor(link, mix, strength, start), design, sample.event, sample.weight, offset)
        else:
            rows = np.flatnonzero(used)
            weight = None if sample.weight is None else sample.weight[rows]
            fitted = _fit(
                _regressor(link, mix, strength, start), design[rows], sample.event[rows], weight, offset[rows]
            )
        step = float(np.max(np.abs(fitted.coef_ - coefficients) * spread, initial=0.0))
        coefficients = np.asarray(fitted.coef_, dtype=np.float64)
        # glum cannot take a start for a single column (as of 3.4)
        start = np.concatenate([[fitted.intercept_], coefficients]) if len(coefficients) > 1 else None
        if step < _CLOSE:
            return coefficients, 0.0
    raise InputError("the Cox model does not converge: its terms may separate the outcome")


def _fit(regressor: Any, design: Any, event: F64, weight: F64 | None, offset: F64 | None) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what does not converge shows in the coefficients, which are looked at
        return regressor.fit(design, event, sample_weight=weight, offset=offset)


def _strength(sample: Sample, design: Any, link: str, penalty: Penalty, seed: int) -> float:
    """By cross-validation, folds with equal shares of events; a Cox model given the unpenalised baseline hazard."""
    from sklearn.model_selection import StratifiedKFold

    glum = glum_regressors()
    events = int(sample.event.sum())
    if min(events, len(sample.event) - events) < 2 * penalty.folds:
        raise InputError(f"{penalty.folds} folds need at least {2 * penalty.folds} people with and without the event")
    offset = None
    if link == "cox":
        assert sample.days is not None
        lightly, _ = _solve(sample, design, spreads(sample.matrix), link, 0.0, 1e-6)
        hazard = breslow(sample.days, sample.event, np.exp(design.matvec(lightly)), sample.weight)
        offset = np.log(np.maximum(hazard[sample.days], 1e-12))
    family, own = ("poisson", "log") if link == "cox" else ("binomial", {"logistic": "logit"}.get(link, link))
    folds = StratifiedKFold(penalty.folds, shuffle=True, random_state=seed)
    found = glum.GeneralizedLinearRegressorCV(
        family=family, link=own, l1_ratio=penalty.mix, alphas=_ALPHAS, scale_predictors=True, gradient_tol=1e-6,
        cv=list(folds.split(np.zeros((len(sample.event), 1)), sample.event)), max_iter=200,
    )  # fmt: skip
    _fit(found, design, sample.event, sample.weight, offset)
    return float(found.alpha_)


# -- baseline hazards and errors --------------------------------------------------------------------------------------


def breslow(days: Ints, event: F64, growth: F64, weight: F64 | None = None) -> F64:
    """Cumulative baseline hazard at the end of each day, from 0 to the last (Breslow 1974).

    ``growth`` is exp(linear predictor). Somebody is at risk up to and on the day their follow-up ends.
    """
    last = int(days.max(initial=0)) + 1
    weight = np.ones(len(days)) if weight is None else weight
    at_risk = np.bincount(days, weight * growth, last)[::-1].cumsum()[::-1]
    events = np.bincount(days, weight * event, last)
    return np.asarray(np.cumsum(np.divide(events, at_risk, out=np.zeros(last), where=events > 0)))


def _errors(sample: Sample, design: Any, link: str, coefficients: F64, intercept: float) -> F64:
    """Standard errors from the information matrix; of weighted people from the sandwich."""
    from scipy.special import expit

    p = len(coefficients)
    if link == "cox":
        information = cox_information(sample, coefficients)
        return _root(np.linalg.pinv(information))
    eta = design.matvec(coefficients) + intercept
    if link == "logistic":
        mean = expit(eta)
        slope = curvature = mean * (1 - mean)
        score = sample.event - mean
    else:
        growth = np.exp(eta)
        mean = -np.expm1(-growth)
        slope = growth * np.exp(-growth)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(mean > 0, slope / np.maximum(mean * (1 - mean), 1e-300), 0.0)
        curvature, score = slope * share, (sample.event - mean) * share
    weight = np.ones(len(eta)) if sample.weight is None else sample.weight
    information = _gram(design, sample.matrix, weight * curvature)
    inverse = np.linalg.pinv(information)
    if sample.weight is not None:
        inverse = inverse @ _gram(design, sample.matrix, (weight * score) ** 2) @ inverse
    return _root(inverse)[1 : p + 1]


def _root(covariance: NDArray[np.floating[Any]]) -> F64:
    return np.asarray(np.sqrt(np.maximum(np.diag(covariance), 0)))


def _gram(design: Any, matrix: Any, weight: F64) -> F64:
    """Weighted sums of products of the terms, a constant 1 before them."""
    inner = np.asarray(design.sandwich(weight))
    edge = np.asarray(matrix.T @ weight).ravel()
    return np.block([[np.array([[weight.sum()]]), edge[None, :]], [edge[:, None], inner]])


def cox_information(sample: Sample, coefficients: F64) -> F64:
    """The information matrix of the partial likelihood with Breslow's ties, from sums over days."""
    from scipy import sparse

    assert sample.days is not None
    matrix, days = sample.matrix, sample.days
    centre = np.asarray(matrix.mean(axis=0)).ravel()  # keeps the numbers small; the result is the same
    growth = np.exp(matrix @ coefficients - float(centre @ coefficients))
    weight = np.ones(len(days)) if sample.weight is None else sample.weight
    growth = growth * weight
    last = int(days.max(initial=0)) + 1
    events = np.bincount(days, sample.event * weight, last)
    risk = np.bincount(days, growth, last)[::-1].cumsum()[::-1]
    by_day = sparse.csr_matrix((growth, days, np.arange(len(days) + 1)), shape=(len(days), last))
    first = np.asarray((by_day.T @ matrix).todense())[::-1].cumsum(axis=0)[::-1]
    there = events > 0
    hazard = np.cumsum(np.divide(events, risk, out=np.zeros(last), where=there))
    means = first[there] / risk[there, None] - centre
    outer = growth * hazard[days]
    second = np.asarray(_split(matrix).sandwich(outer))
    edge = np.asarray(matrix.T @ outer).ravel()
    second = second - np.outer(edge, centre) - np.outer(centre, edge) + np.outer(centre, centre) * outer.sum()
    return np.asarray(second - (means * events[there, None]).T @ means)


def bootstrap(sample: Sample, link: str, penalty: Penalty, strength: float, resamples: int, seed: int) -> F64:
    """Coefficients of so many resamples, each person counting a Poisson(1) number of times; one row a resample."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, 7]))
    spread, found = spreads(sample.matrix), []
    for _ in range(resamples):
        times = rng.poisson(1.0, len(sample.event)).astype(np.float64)
        drawn = sample.only(np.flatnonzero(times))
        weight = times[times > 0] * (1.0 if drawn.weight is None else drawn.weight)
        again = Sample(drawn.terms, drawn.matrix, drawn.event, drawn.days, weight)
        found.append(_solve(again, _split(again.matrix), spread, link, penalty.mix, strength)[0])
    return np.array(found)
