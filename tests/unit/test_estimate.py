"""The regressions: held against other libraries, and against plain loops."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from threadpoolctl import threadpool_limits

from popstrat.errors import InputError
from popstrat.fitting import estimate as e
from popstrat.fitting.estimate import Sample
from popstrat.fitting.spec import Penalty


@pytest.fixture(autouse=True, scope="module")
def alone() -> Iterator[None]:
    """As in a fit: threads that wait for each other are slow where others are at work."""
    e.glum_regressors()
    with threadpool_limits(1):
        yield


TERMS = ("age", "copd", "ckd", "smoker")
TRUTH = np.array([0.4, 0.8, -0.3, 0.5])


def people(n: int = 4_000, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Terms, event, days (1 to 60, many tied), linear predictor."""
    rng = np.random.default_rng(seed)
    x = np.column_stack([rng.normal(0, 1, n), rng.random(n) < 0.1, rng.random(n) < 0.2, rng.random(n) < 0.3])
    x = x.astype(float)
    lp = x @ TRUTH
    time = rng.exponential(1, n) / (0.01 * np.exp(lp))
    stop = np.minimum(rng.exponential(80, n), 60)
    days = np.ceil(np.minimum(time, stop)).clip(1, 60).astype(np.int64)
    return x, (time <= stop).astype(float), days, lp


def sample(
    x: np.ndarray, event: np.ndarray, days: np.ndarray | None = None, weight: np.ndarray | None = None
) -> Sample:
    return Sample(TERMS[: x.shape[1]], sparse.csc_matrix(x), event, days, weight)


def test_cox_agrees_with_statsmodels() -> None:
    from statsmodels.duration.hazard_regression import PHReg

    x, event, days, _ = people()
    found = e.estimate(sample(x, event, days), "cox", Penalty(), 0)
    theirs = PHReg(days.astype(float), x, status=event, ties="breslow").fit()
    assert found.coefficients == pytest.approx(theirs.params, abs=1e-6)
    assert found.errors == pytest.approx(theirs.bse, rel=1e-5)


def test_a_single_term_cox() -> None:
    from statsmodels.duration.hazard_regression import PHReg

    x, event, days, _ = people()
    found = e.estimate(sample(x[:, :1], event, days), "cox", Penalty(), 0)
    theirs = PHReg(days.astype(float), x[:, :1], status=event, ties="breslow").fit()
    assert found.coefficients == pytest.approx(theirs.params, abs=1e-6)


@pytest.mark.parametrize("link", ["logistic", "cloglog"])
def test_regressions_agree_with_statsmodels(link: str) -> None:
    import statsmodels.api as sm

    x, event, _, _ = people()
    found = e.estimate(sample(x, event), link, Penalty(), 0)
    family = sm.families.Binomial(sm.families.links.CLogLog() if link == "cloglog" else None)
    theirs = sm.GLM(event, sm.add_constant(x), family=family).fit(tol=1e-12)
    assert [found.intercept, *found.coefficients] == pytest.approx(theirs.params, abs=1e-6)
    # they use the expected information too
    assert found.errors == pytest.approx(theirs.bse[1:], rel=1e-4)


def test_weighted_people_have_sandwich_errors() -> None:
    import statsmodels.api as sm

    x, event, _, _ = people()
    weight = np.random.default_rng(1).uniform(0.5, 2, len(event))
    found = e.estimate(sample(x, event, None, weight), "logistic", Penalty(), 0)
    theirs = sm.GLM(event, sm.add_constant(x), family=sm.families.Binomial(), freq_weights=weight)
    fitted = theirs.fit(tol=1e-12)
    assert [found.intercept, *found.coefficients] == pytest.approx(fitted.params, abs=1e-6)
    design, risk = sm.add_constant(x), fitted.fittedvalues
    bread = np.linalg.inv((design * (weight * risk * (1 - risk))[:, None]).T @ design)
    meat = (design * (weight * (event - risk))[:, None] ** 1).T @ (design * (weight * (event - risk))[:, None])
    assert found.errors == pytest.approx(np.sqrt(np.diag(bread @ meat @ bread))[1:], rel=1e-5)


def test_ridge_agrees_with_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression

    x, event, _, _ = people()
    spread = x.std(axis=0)
    found = e.estimate(sample(x, event), "logistic", Penalty("ridge", 0.0, 0.01), 0)
    theirs = LogisticRegression(C=1 / (0.01 * len(event)), tol=1e-10, max_iter=1_000).fit(x / spread, event)
    assert found.coefficients * spread == pytest.approx(theirs.coef_[0], abs=1e-5)
    assert found.errors is None


@pytest.mark.parametrize(("kind", "mix"), [("ridge", 0.0), ("lasso", 1.0), ("elastic", 0.5)])
def test_a_penalised_cox_model_is_at_its_optimum(kind: str, mix: float) -> None:
    x, event, days, _ = people()
    strength = 0.06
    found = e.estimate(sample(x, event, days), "cox", Penalty(kind, mix, strength), 0)
    spread = x.std(axis=0)
    scaled = found.coefficients * spread
    growth = np.exp(x @ found.coefficients)
    hazard = e.breslow(days, event, growth)
    slope = x.T @ (event - growth * hazard[days]) / len(event) / spread  # of the partial likelihood, per person
    for b, g in zip(scaled, slope, strict=True):
        pull = g - strength * (1 - mix) * b
        if b == 0:
            assert abs(pull) <= strength * mix + 1e-6
        else:
            assert pull == pytest.approx(strength * mix * np.sign(b), abs=1e-6)
    if kind != "elastic":
        assert (scaled == 0).any() == (kind == "lasso")


def test_cross_validation_finds_a_strength_and_keeps_what_matters() -> None:
    x, event, _, _ = people(8_000)
    noise = np.random.default_rng(5).normal(size=(8_000, 6))
    both = np.column_stack([x, noise])
    names = (*TERMS, *(f"noise_{i}" for i in range(6)))
    given = Sample(names, sparse.csc_matrix(both), event)
    found = e.estimate(given, "logistic", Penalty("lasso", 1.0), 3)
    again = e.estimate(given, "logistic", Penalty("lasso", 1.0), 3)
    assert found.strength is not None
    assert 1e-6 <= found.strength <= 0.1
    assert found.strength == again.strength
    assert (np.abs(found.coefficients[:4]) > 0.1).all()
    assert (np.abs(found.coefficients[4:]) < 0.1).all()


def test_folds_need_events_in_each() -> None:
    x, event, _, _ = people(400)
    event = np.zeros(400)
    event[:6] = 1
    with pytest.raises(InputError, match="5 folds need at least 10 people"):
        e.estimate(sample(x, event), "logistic", Penalty("ridge", 0.0), 0)


def test_the_bootstrap_has_the_spread_of_the_estimate() -> None:
    x, event, _, _ = people()
    whole = sample(x, event)
    drawn = e.bootstrap(whole, "logistic", Penalty(), 0.0, 60, 1)
    errors = e.estimate(whole, "logistic", Penalty(), 0).errors
    assert drawn.std(axis=0) == pytest.approx(errors, rel=0.3)
    assert drawn[:3] == pytest.approx(e.bootstrap(whole, "logistic", Penalty(), 0.0, 3, 1), rel=1e-9)


# -- what cannot be estimated -----------------------------------------------------------------------------------------


def test_terms_that_cannot_be_fitted_are_named_with_the_reason() -> None:
    rng = np.random.default_rng(0)
    n = 2_000
    event = (rng.random(n) < 0.2).astype(float)
    always = np.ones(n)
    rare = (np.arange(n) < 5).astype(float)
    only_without = ((event == 0) & (rng.random(n) < 0.2)).astype(float)
    all_with = (event == 1) & (rng.random(n) < 0.5)
    divides = event + rng.random(n) * 0.5
    fine = rng.normal(size=n)
    names = ("nobody", "everybody", "rare", "never", "always", "divides", "fine")
    x = np.column_stack([np.zeros(n), always, rare, only_without, all_with.astype(float), divides, fine])
    found = e.unusable(Sample(names, sparse.csc_matrix(x), event), 10)
    assert set(found) == set(names) - {"fine"}
    assert found["nobody"] == found["everybody"] == "is the same for everybody"
    assert "fewer than 10" in found["rare"]
    assert "none of those who have it" in found["never"]
    assert "all of those who have it" in found["always"]
    assert "one value divides" in found["divides"]


def test_terms_that_determine_each_other_are_named() -> None:
    x, event, _, _ = people()
    tied = np.column_stack([x, x[:, 1] + x[:, 2]])
    given = Sample((*TERMS, "either"), sparse.csc_matrix(tied), event)
    assert e.dependent(given) == ("copd", "ckd", "either")
    assert e.dependent(sample(x, event)) == ()


def test_terms_that_separate_only_together_are_refused() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=600), rng.normal(size=600)
    event = (a + b > 0.8).astype(float)
    given = Sample(("a", "b"), sparse.csc_matrix(np.column_stack([a, b])), event)
    assert e.unusable(given, 10) == {}
    with pytest.raises(InputError, match="separate the outcome"):
        e.estimate(given, "logistic", Penalty(), 0)


# -- plain references -------------------------------------------------------------------------------------------------

followed = st.lists(
    st.tuples(st.integers(1, 12), st.booleans(), st.floats(0.1, 5, allow_nan=False)), min_size=1, max_size=40
)


@given(followed)
@settings(max_examples=2 * settings.default.max_examples)
def test_breslow_is_events_over_those_at_risk_added_up(rows: list[tuple[int, bool, float]]) -> None:
    days, event, growth = (np.array(c) for c in zip(*rows, strict=True))
    found = e.breslow(days, event.astype(float), growth.astype(float))
    total = 0.0
    for day in range(1, int(days.max()) + 1):
        at_risk = sum(g for d, _, g in rows if d >= day)
        total += sum(1 for d, hit, _ in rows if d == day and hit) / at_risk
        assert found[day] == pytest.approx(total, rel=1e-12)
