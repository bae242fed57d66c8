"""The measures on people few enough to count by hand, and against statsmodels, scikit-learn and scikit-survival."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("statsmodels")
pytest.importorskip("sksurv")

from popstrat.validation import measures as m
from popstrat.validation.curve import spline
from popstrat.validation.funnel import limits, position
from popstrat.validation.strata import Bands, Strata, Streams, concordance

# risk, outcome: (1 is the outcome)                  AUROC   average precision
BY_HAND = [
    ([0.1, 0.2, 0.3, 0.4], [0, 0, 1, 1], 1.0, 1.0),
    ([0.1, 0.2, 0.3, 0.4], [1, 1, 0, 0], 0.0, (1 / 3 + 2 / 4) / 2),
    ([0.1, 0.2, 0.3, 0.4], [0, 1, 0, 1], 3 / 4, (1 + 2 / 3) / 2),
    ([0.2, 0.2, 0.2, 0.2], [0, 1, 0, 1], 1 / 2, 1 / 2),  # all the same: ties count half
    ([0.2, 0.2, 0.4], [0, 1, 0], 1 / 4, 1 / 3),
]


@pytest.mark.parametrize(("risk", "outcome", "auroc", "precision"), BY_HAND)
def test_discrimination_by_hand(risk: list[float], outcome: list[int], auroc: float, precision: float) -> None:
    assert m.auroc(risk, outcome) == pytest.approx(auroc)
    assert m.average_precision(risk, outcome) == pytest.approx(precision)


def test_overall_measures_by_hand() -> None:
    risk, outcome = [0.5, 0.25, 0.25, 0.0], [1, 1, 0, 0]
    assert m.brier(risk, outcome) == pytest.approx((0.25 + 0.5625 + 0.0625 + 0) / 4)
    assert m.scaled_brier(risk, outcome) == pytest.approx(1 - (0.875 / 4) / 0.25)
    assert m.observed_expected(risk, outcome) == pytest.approx(2.0)
    # At 25%: three are chosen, two rightly; the wrong one costs a third.
    assert m.net_benefit(risk, outcome, 0.25) == pytest.approx((2 - 1 / 3) / 4)
    assert m.found_at(risk, outcome, 1) == pytest.approx((1 / 2, 1.0))
    assert m.found_at(risk, outcome, 2) == pytest.approx((1.5 / 2, 1.5 / 2))  # one of two alike, at random


@pytest.mark.parametrize("outcome", [[0, 0, 0], [1, 1, 1]])
def test_one_class_has_no_discrimination(outcome: list[int]) -> None:
    risk = [0.1, 0.2, 0.3]
    assert np.isnan(m.auroc(risk, outcome))
    assert np.isnan(m.scaled_brier(risk, outcome))
    assert np.isnan(m.calibration_line(risk, outcome)).all()


@pytest.mark.parametrize("bad", [[0.1, np.nan], [0.1, 1.1], [-0.1, 0.2]])
def test_risks_that_are_none_are_refused(bad: list[float]) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        m.auroc(bad, [0, 1])


def test_arrays_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="one length"):
        m.brier([0.1, 0.2], [1])


def made(n: int, seed: int = 0, slope: float = 0.8, shift: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(-2.5, 1.2, n)
    risk = np.round(1 / (1 + np.exp(-x)), 6)
    return risk, (rng.random(n) < 1 / (1 + np.exp(-(shift + slope * x)))).astype(np.uint8)


def test_calibration_fits_are_those_of_statsmodels() -> None:
    import statsmodels.api as sm

    risk, outcome = made(4000)
    weight = np.random.default_rng(1).choice([0.0, 1.0, 1.5], len(risk))
    x = m.logit(risk)
    line = sm.GLM(outcome, sm.add_constant(x), family=sm.families.Binomial(), freq_weights=weight).fit()
    assert m.calibration_line(risk, outcome, weight) == pytest.approx(tuple(line.params), abs=1e-6)
    large = sm.GLM(outcome, np.ones(len(x)), family=sm.families.Binomial(), offset=x).fit()
    assert m.in_the_large(risk, outcome) == pytest.approx(large.params[0], abs=1e-6)


def test_ipcw_brier_and_uno_are_those_of_scikit_survival() -> None:
    """Continuous times: the library has its own convention for an event and a censoring at one time."""
    from sksurv.metrics import brier_score, concordance_index_ipcw

    rng = np.random.default_rng(5)
    risk, _ = made(600, seed=5)
    event_time, lost = rng.exponential(1 / risk), rng.exponential(3.0, len(risk))
    time, event = np.minimum(event_time, lost), event_time <= lost
    horizon = 1.0
    truth = np.array(list(zip(event, time, strict=True)), dtype=[("event", bool), ("time", float)])
    outcome, weight = m.horizon_weights(time, event, horizon)
    _, scores = brier_score(truth, truth, (1 - risk)[:, None], [horizon])
    assert m.brier(risk, outcome, weight) == pytest.approx(scores[0], rel=1e-9)
    assert m.uno_c(risk, time, event, horizon) == pytest.approx(
        concordance_index_ipcw(truth, truth, risk, tau=horizon)[0], rel=1e-9
    )
    assert concordance(risk, time, event, horizon)[0][1] == pytest.approx(m.uno_c(risk, time, event, horizon))


def test_kaplan_meier_is_that_of_scikit_survival() -> None:
    from sksurv.nonparametric import kaplan_meier_estimator

    rng = np.random.default_rng(2)
    time, event = rng.integers(1, 30, 300), rng.random(300) < 0.4
    times, free = m.kaplan_meier(time, event)
    known, expected = kaplan_meier_estimator(event, time)
    assert times.tolist() == known.tolist()
    assert free == pytest.approx(expected)


def test_people_followed_to_the_horizon_count_as_free_of_it() -> None:
    outcome, weight = m.horizon_weights([365, 365, 100, 400], [False, True, True, True], 365)
    assert outcome.tolist() == [0, 1, 1, 0]
    assert weight.tolist() == [1, 1, 1, 1]


def test_people_lost_early_are_stood_for_by_those_who_stayed() -> None:
    """Four at risk; one is lost on day 10: the three who stay count for four thirds. The event before counts once."""
    outcome, weight = m.horizon_weights([5, 10, 365, 365, 300], [True, False, False, False, True], 365)
    assert outcome.tolist() == [1, 0, 0, 0, 1]
    assert weight == pytest.approx([1, 0, 4 / 3, 4 / 3, 4 / 3])


def test_a_competing_event_is_not_the_outcome_and_not_lost() -> None:
    outcome, weight = m.horizon_weights([5, 10, 20], [True, False, False], 20, competing=[False, True, False])
    assert outcome.tolist() == [1, 0, 0]
    assert weight.tolist() == [1, 1, 1]


def test_nobody_followed_is_refused() -> None:
    with pytest.raises(ValueError, match="nobody is followed"):
        m.horizon_weights([5, 10], [True, False], 365)


def test_competing_events_stay_comparable_for_good() -> None:
    """Who died on day 3 never had the event, so the event on day 5 came first."""
    time, event, died = np.array([5.0, 3.0]), np.array([True, False]), np.array([False, True])
    assert np.isnan(concordance([0.9, 0.1], time, event, 10)[0][0])
    assert concordance([0.9, 0.1], time, event, 10, competing=died)[0][0] == 1.0
    assert concordance([0.1, 0.9], time, event, 10, competing=died)[0][0] == 0.0


# -- the bootstrap ----------------------------------------------------------------------------------------------


def test_standard_errors_are_the_true_ones() -> None:
    """Over 300 lists drawn anew, AUROC, O/E and slope spread as one list's resamples say."""
    n, lists = 3000, 300
    found = []
    for seed in range(lists):
        risk, outcome = made(n, seed=seed + 100)
        found.append([m.auroc(risk, outcome), m.observed_expected(risk, outcome), m.calibration_line(risk, outcome)[1]])
    truth = np.std(found, axis=0)
    risk, outcome = made(n, seed=1)
    risks, rank = np.unique(risk, return_inverse=True)
    strata = Strata.of(risks, rank, outcome, np.ones(n))
    out = strata.measure([], [])
    drawn = strata.resampled([], [], out, Streams(1, "all", 400, 2))
    from popstrat.validation import kernels as k

    assert drawn[:, [k.AUROC, k.OE, k.SLOPE]].std(axis=0) == pytest.approx(truth, rel=0.15)
    assert drawn[:, k.PEOPLE].mean() == pytest.approx(n, rel=0.01)


def test_bands_give_the_standard_errors_of_the_risks_themselves() -> None:
    n = 150_000
    risk, outcome = made(n)
    risks, rank, sizes = np.unique(risk, return_inverse=True, return_counts=True)
    bands = Bands.over(risks, sizes)
    assert len(bands.risks) < len(risks)
    weight = np.ones(n)
    exact = Strata.of(risks, rank, outcome, weight)
    rough = Strata.of(bands.risks, bands.of_rank[rank], outcome, weight, merge=True)
    out = exact.measure([0.015], [0.1])
    spreads = [c.resampled([0.015], [0.1], out, Streams(3, "x", 400, 2)).std(axis=0) for c in (exact, rough)]
    used = ~np.isnan(spreads[0]) & (spreads[0] > 1e-12)
    assert spreads[1][used] == pytest.approx(spreads[0][used], rel=0.2)  # two estimates from 400 each differ by 5%
    assert rough.measure([0.015], [0.1])[:12] == pytest.approx(out[:12], rel=2e-3)


def test_concordance_resamples_spread_as_lists_drawn_anew() -> None:
    def one(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rng = np.random.default_rng(seed)
        risk, _ = made(1500, seed=seed)
        when, lost = np.ceil(rng.exponential(365 / -np.log1p(-risk))), rng.integers(1, 1500, 1500)
        end = np.minimum(lost, 365)
        return risk, np.minimum(when, end), when <= end

    truth = np.std([concordance(*one(seed), 365)[0] for seed in range(200)], axis=0)
    _, drawn = concordance(*one(7), 365, streams=Streams(0, "c", 300, 2))
    assert drawn.std(axis=0) == pytest.approx(truth, rel=0.2)


# -- curve and funnel --------------------------------------------------------------------------------------------


def test_spline_is_straight_beyond_its_knots() -> None:
    knots = np.array([-3.0, -2.0, -1.0, 0.5])
    x = np.concatenate([np.linspace(-8, -3, 20), np.linspace(0.5, 6, 20)])
    columns = spline(x, knots)
    assert columns.shape == (40, 3)
    for side in (slice(0, 20), slice(20, 40)):
        assert np.abs(np.diff(columns[side], n=2, axis=0)).max() < 1e-9


def test_funnel_limits_hold_the_share_they_promise() -> None:
    rng = np.random.default_rng(0)
    counts = rng.binomial(9000, 0.06, 200_000)
    for level in (0.05, 0.002):
        low, high = limits(9000, 0.06, level)
        assert np.mean((counts < low) | (counts > high)) == pytest.approx(level, rel=0.15)


@pytest.mark.parametrize(
    ("events", "where"),
    [(540, "within"), (590, "above 95%"), (620, "above 99.8%"), (490, "below 95%"), (400, "below 99.8%")],
)
def test_where_a_practice_lies(events: int, where: str) -> None:
    assert position(events, 9000, 0.06) == where
