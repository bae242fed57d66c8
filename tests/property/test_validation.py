"""The compiled kernels against the plain measures, and both against the libraries, on generated people."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

pytest.importorskip("sklearn")
pytest.importorskip("sksurv")

from popstrat.validation import kernels as k
from popstrat.validation import measures as m
from popstrat.validation.strata import Strata, Streams, concordance

RISKS = st.one_of(
    st.sampled_from([0.0, 0.02, 0.1, 0.25, 0.5, 0.9, 1.0]),  # ties, and the ends
    st.floats(0, 1).map(lambda v: round(v, 6)),
)


@st.composite
def people(draw: Any, most: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n = draw(st.integers(1, most))
    risk = np.array(draw(st.lists(RISKS, min_size=n, max_size=n)))
    outcome = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)), dtype=np.uint8)
    weight = np.array(draw(st.lists(st.sampled_from([0.0, 1.0, 1.0, 1.25, 2.0]), min_size=n, max_size=n)))
    return risk, outcome, weight


@st.composite
def followed(draw: Any, most: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    n = draw(st.integers(2, most))
    risk = np.array(draw(st.lists(RISKS, min_size=n, max_size=n)))
    time = np.array(draw(st.lists(st.integers(1, 12), min_size=n, max_size=n)), dtype=float)
    state = np.array(draw(st.lists(st.sampled_from([0, 0, 1, 1, 2]), min_size=n, max_size=n)))
    return risk, time, state == 1, state == 2


def strata(risk: np.ndarray, outcome: np.ndarray, weight: np.ndarray) -> Strata:
    risks, rank = np.unique(risk, return_inverse=True)
    return Strata.of(risks, rank, outcome, weight)


def same(found: float, expected: float) -> None:
    if np.isnan(expected):
        assert np.isnan(found)
    else:
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)


@given(people(), st.floats(0.01, 0.99), st.floats(0.02, 0.98))
def test_kernel_says_what_the_measures_say(who: Any, share: float, threshold: float) -> None:
    risk, outcome, weight = who
    out = strata(*who).measure([share], [threshold])
    known = weight > 0
    r, y, w = risk[known], outcome[known], weight[known]
    same(out[k.PEOPLE], len(risk))
    same(out[k.OBSERVED], float(np.sum(w * y)))
    same(out[k.EXPECTED], float(risk.sum()))
    same(out[k.AUROC], m.auroc(*who))
    same(out[k.PRECISION], m.average_precision(*who))
    same(out[k.BRIER], m.brier(*who))
    same(out[k.SCALED], m.scaled_brier(*who))
    same(out[k.OE], m.observed_expected(*who))
    if len(r):
        benefit = (out[k.FIRST + 4] - out[k.FIRST + 5] * threshold / (1 - threshold)) / out[k.KNOWN]
        same(benefit, m.net_benefit(risk, outcome, threshold, weight))
        assert out[k.FIRST + 3] == np.sum(risk >= threshold)
    sensitivity, predictive = m.found_at(risk, outcome, share * len(risk), weight)
    same(out[k.FIRST + 1] / out[k.FIRST], predictive)
    if out[k.OBSERVED] > 0:
        same(out[k.FIRST + 1] / out[k.OBSERVED], sensitivity)


@given(people())
@example((np.array([0.5, 0.75, 0.0, 0.0]), np.array([0, 1, 0, 0], np.uint8), np.array([1.0, 1.0, 0.0, 0.0])))  # apart
def test_fits_say_what_the_measures_say(who: Any) -> None:
    out = strata(*who).measure([], [])
    large, line = m.in_the_large(*who), m.calibration_line(*who)
    if np.isfinite(large) and abs(large) < 10:
        assert out[k.LARGE] == pytest.approx(large, abs=1e-5)
    # Risks that nearly separate the classes have no finite fit; where one stops trying is a matter of rounding.
    if np.isfinite(line).all() and np.abs(line).max() < 10 and np.isfinite(out[k.SLOPE]):
        assert out[[k.INTERCEPT, k.SLOPE]] == pytest.approx(line, abs=1e-4)
    elif np.isfinite(line).all() and np.abs(line).max() < 5:
        assert np.isfinite(out[k.SLOPE])


@given(people())
def test_measures_say_what_scikit_learn_says(who: Any) -> None:
    from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

    risk, outcome, weight = who
    if weight.sum() > 0:
        loss = brier_score_loss(outcome, risk, sample_weight=weight, labels=[0, 1], pos_label=1)
        assert m.brier(*who) == pytest.approx(loss)
    if 0 < np.sum(weight * outcome) < weight.sum():
        assert m.auroc(*who) == pytest.approx(roc_auc_score(outcome, risk, sample_weight=weight))
        assert m.average_precision(*who) == pytest.approx(average_precision_score(outcome, risk, sample_weight=weight))


@given(followed(), st.integers(1, 13))
def test_concordance_says_what_the_quadratic_one_says(who: Any, horizon: int) -> None:
    risk, time, event, _ = who
    found, _ = concordance(risk, time, event, horizon)
    cut, early = m.cut_at(time, event, horizon)
    same(found[0], m.harrell_c(risk, cut, early))
    same(found[1], m.uno_c(risk, time, event, horizon))


@given(followed())
def test_harrell_says_what_scikit_survival_says(who: Any) -> None:
    from sksurv.metrics import concordance_index_censored

    risk, time, event, _ = who
    expected = m.harrell_c(risk, time, event)
    if np.isnan(expected):
        return
    assert expected == pytest.approx(concordance_index_censored(event, time, risk, tied_tol=0)[0])


@given(followed(), st.integers(1, 13), st.integers(1, 3))
def test_weights_give_kaplan_meier_and_aalen_johansen(who: Any, horizon: int, strata: int) -> None:
    """Weighted shares are the estimates of the survival library, in each stratum; weights sum to its people."""
    from sksurv.nonparametric import cumulative_incidence_competing_risks, kaplan_meier_estimator

    risk, time, event, competing = who
    group = np.arange(len(risk)) % strata
    for other in (np.zeros(len(risk), bool), competing):
        try:
            outcome, weight = m.horizon_weights(time, event, horizon, competing=other, strata=group)
        except ValueError:
            continue
        assert np.all((weight == 0) == ((time < horizon) & ~event & ~other))
        for g in np.unique(group):
            here = group == g
            assert weight[here].sum() == pytest.approx(here.sum())
            share = np.sum((weight * outcome)[here]) / here.sum()
            if not event[here].any():
                assert share == 0
                continue
            if other[here].any():
                state = np.where(event, 1, np.where(other, 2, 0))[here]
                known, rates = cumulative_incidence_competing_risks(state, time[here])
                expected = rates[1]
            else:
                known, alive = kaplan_meier_estimator(event[here], time[here])
                expected = 1 - alive
            at = np.searchsorted(known, horizon, side="right") - 1
            assert share == pytest.approx(expected[at] if at >= 0 else 0.0, abs=1e-9)


@given(people(most=200), st.integers(0, 2**31), st.integers(1, 12))
def test_resamples_do_not_depend_on_threads(who: Any, seed: int, resamples: int) -> None:
    one, three = (
        np.array(Streams(seed, "a", resamples, threads).each(lambda rng: strata(*who).measure([0.1], [0.2], rng)))
        for threads in (1, 3)
    )
    assert np.array_equal(one, three, equal_nan=True)


@given(people(most=200))
def test_strata_hold_everybody(who: Any) -> None:
    risk, outcome, weight = who
    for merge in (False, True):
        risks, rank = np.unique(risk, return_inverse=True)
        made = Strata.of(risks, rank, outcome, weight, merge=merge)
        heads, events, others = made.totals()
        assert heads.sum() == len(risk)
        assert events.sum() == pytest.approx(np.sum(weight * outcome))
        assert others.sum() == pytest.approx(np.sum(weight * (1 - outcome)))
        assert made.risk.tolist() == sorted(set(risk.tolist()))
