"""A whole validation from arrays: groups, censoring, capacity, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

pytest.importorskip("statsmodels")

from popstrat.validation import measures as m
from popstrat.validation.assessment import assess
from popstrat.validation.results import MIN_EVENTS, Grouping, Validation

N = 6000


def made(n: int = N, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    risk = np.round(1 / (1 + np.exp(-rng.normal(-2.6, 1.1, n))), 6)
    return risk, rng.random(n) < risk


def two_groups(n: int = N) -> Grouping:
    return Grouping((np.arange(n) % 3 == 0).astype(np.int32), ("most", "some"), "Which")


def figures(v: Validation) -> list[float]:
    """Every estimate and end of interval."""
    rows: list[Any] = [*v.whole.measures.values()] if v.whole.measures else []
    rows += [e for p in v.picks for e in (p.sensitivity, p.predictive_value)]
    rows += [c.net_benefit for c in v.choices] + list(v.concordance.values())
    for parts in v.groups.values():
        rows += [e for p in parts for e in [*(p.measures or {}).values(), *p.against.values()]]
    return [x for e in rows for x in (e.value, e.low, e.high)]


def test_the_same_seed_gives_the_same_figures_for_any_threads() -> None:
    risk, outcome = made()
    runs = [
        assess(risk, outcome, groups={"g": two_groups()}, capacity=100, bootstrap=20, seed=5, threads=t)
        for t in (1, 2, 5)
    ]
    assert figures(runs[0]) == figures(runs[1]) == figures(runs[2])
    other = assess(risk, outcome, groups={"g": two_groups()}, capacity=100, bootstrap=20, seed=6)
    assert figures(other) != figures(runs[0])
    assert other.whole.measures
    assert runs[0].whole.measures
    assert other.whole.measures["auroc"].value == runs[0].whole.measures["auroc"].value


def test_the_order_of_people_does_not_matter() -> None:
    risk, outcome = made()
    order = np.random.default_rng(3).permutation(N)
    grouping = two_groups()
    shuffled = Grouping(grouping.codes[order], grouping.labels)
    a = assess(risk, outcome, groups={"g": grouping}, bootstrap=10)
    b = assess(risk[order], outcome[order], groups={"g": shuffled}, bootstrap=10)
    assert figures(a) == pytest.approx(figures(b), rel=1e-9)


def test_estimates_are_the_measures() -> None:
    risk, outcome = made()
    found = assess(risk, outcome, groups={"g": two_groups()}, capacity=123, bootstrap=2)
    assert found.whole.measures is not None
    assert found.whole.measures["auroc"].value == pytest.approx(m.auroc(risk, outcome))
    assert found.whole.measures["slope"].value == pytest.approx(m.calibration_line(risk, outcome)[1], abs=1e-6)
    assert found.whole.measures["in_the_large"].value == pytest.approx(m.in_the_large(risk, outcome), abs=1e-6)
    capacity = next(p for p in found.picks if p.capacity)
    assert (capacity.sensitivity.value, capacity.predictive_value.value) == pytest.approx(
        m.found_at(risk, outcome, 123)
    )
    for choice in found.choices:
        assert choice.net_benefit.value == pytest.approx(m.net_benefit(risk, outcome, choice.threshold), abs=1e-9)
    some = found.groups["g"][1]
    here = np.arange(N) % 3 == 0
    assert some.measures is not None
    assert some.measures["auroc"].value == pytest.approx(m.auroc(risk[here], outcome[here]))
    assert some.measures["average_precision"].value == pytest.approx(m.average_precision(risk[here], outcome[here]))
    assert sum(p.people for p in found.groups["g"]) == N
    assert found.groups["g"][0].reference
    assert some.against["oe"].value == pytest.approx(
        some.measures["oe"].value / found.groups["g"][0].measures["oe"].value
    )  # type: ignore[index]


@pytest.mark.parametrize("lists", [40, pytest.param(120, marks=pytest.mark.nightly("three times as many lists"))])
def test_intervals_hold_the_truth_about_as_often_as_they_say(lists: int) -> None:
    """O/E and slope are 1 by construction: 95% intervals of many lists should nearly all say so."""
    held = {"oe": 0, "slope": 0}
    for seed in range(lists):
        found = assess(*made(2000, seed=seed), bootstrap=100, seed=seed, threads=1).whole.measures
        assert found is not None
        for name in held:
            held[name] += found[name].low <= 1 <= found[name].high
    for name, count in held.items():
        assert 0.88 <= count / lists <= 1.0, name


def test_bands_and_found_curve_hold_everybody() -> None:
    risk, outcome = made()
    found = assess(risk, outcome, bootstrap=0)
    assert len(found.bands) == 10
    assert sum(b.people for b in found.bands) == N
    assert sum(b.events for b in found.bands) == outcome.sum()
    assert sum(b.mean_risk * b.people for b in found.bands) == pytest.approx(risk.sum())
    assert sum(b.people for b in found.top) == found.bands[-1].people
    assert found.found[1][-1] == pytest.approx(1.0)
    assert np.all(np.diff(found.found[1]) >= 0)


def test_without_resamples_there_are_no_intervals() -> None:
    found = assess(*made(), bootstrap=0)
    assert found.whole.measures is not None
    assert all(np.isnan(e.low) and np.isfinite(e.value) for e in found.whole.measures.values())


def test_a_curve_follows_the_truth() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(-2.5, 1.0, 60_000)
    risk = 1 / (1 + np.exp(-x))
    truth = lambda p: 1 / (1 + np.exp(-(0.3 + 0.7 * np.log(p / (1 - p)))))  # noqa: E731
    curve = assess(risk, rng.random(len(x)) < truth(risk), bootstrap=0).curve
    assert curve is not None
    assert curve.observed == pytest.approx(truth(curve.risk), rel=0.12)
    assert np.mean((curve.low <= truth(curve.risk)) & (truth(curve.risk) <= curve.high)) > 0.6
    assert curve.index == pytest.approx(np.mean(np.abs(truth(risk) - risk)), rel=0.1)


# -- censoring --------------------------------------------------------------------------------------------------


def followed(n: int, seed: int = 0, lost: float = 0.3) -> dict[str, np.ndarray]:
    """People whose event time follows the risk, of whom those at high risk are lost more often."""
    rng = np.random.default_rng(seed)
    risk = np.round(1 / (1 + np.exp(-rng.normal(-1.8, 1.0, n))), 6)
    when = np.ceil(365 * rng.exponential(1 / -np.log1p(-risk)))
    leave = np.ceil(365 * rng.exponential(1 / (lost * (0.2 + 4 * risk))))
    end = np.minimum(leave, 365)
    return {"risk": risk, "time": np.minimum(when, end), "event": when <= end, "truth": when <= 365}


def test_people_lost_early_do_not_bias_what_is_observed() -> None:
    people = followed(60_000)
    risk, truth = people["risk"], people["truth"]
    found = assess(risk, time=people["time"], event=people["event"], bootstrap=0)
    naive = m.observed_expected(risk, people["event"])
    assert found.whole.measures is not None
    assert naive < 0.9  # what counting them as free of it would say
    assert found.whole.measures["oe"].value == pytest.approx(m.observed_expected(risk, truth), abs=0.02)
    assert found.whole.measures["auroc"].value == pytest.approx(m.auroc(risk, truth), abs=0.01)
    assert found.whole.measures["brier"].value == pytest.approx(m.brier(risk, truth), abs=0.003)
    assert found.whole.measures["slope"].value == pytest.approx(1.0, abs=0.05)
    for band in found.bands:
        assert band.observed == pytest.approx(band.mean_risk, rel=0.2)
    assert sum(b.observed * b.people for b in found.bands) == pytest.approx(found.whole.observed)


def test_bands_are_kaplan_meier() -> None:
    people = followed(5000)
    found = assess(people["risk"], time=people["time"], event=people["event"], bootstrap=0)
    place = np.argsort(np.argsort(people["risk"], kind="stable"), kind="stable") / len(people["risk"])
    here = place >= 0.9
    assert found.bands[-1].people == pytest.approx(here.sum(), abs=3)
    _, free = m.kaplan_meier(np.minimum(people["time"][here], 365), people["event"][here])
    assert found.bands[-1].observed == pytest.approx(1 - free[-1], abs=0.005)


def test_effective_numbers_give_the_variance_of_greenwood() -> None:
    people = followed(8000, lost=0.5)
    found = assess(people["risk"], time=people["time"], event=people["event"], bootstrap=0)
    band = found.bands[-1]
    place = np.argsort(np.argsort(people["risk"], kind="stable"), kind="stable") / len(people["risk"])
    time, event = people["time"][place >= 0.9], people["event"][place >= 0.9]
    times = np.unique(time[event])
    at_risk = np.array([np.sum(time >= t) for t in times])
    deaths = np.array([np.sum(event & (time == t)) for t in times])
    greenwood = (1 - band.observed) ** 2 * np.sum(deaths / (at_risk * np.maximum(at_risk - deaths, 1)))
    assert band.observed * (1 - band.observed) / band.effective == pytest.approx(greenwood, rel=0.25)
    assert band.effective < band.people


def test_without_censoring_times_and_outcomes_agree() -> None:
    risk, outcome = made()
    time = np.where(outcome, 100.0, 365.0)
    a, b = assess(risk, outcome, bootstrap=5), assess(risk, time=time, event=outcome, bootstrap=5)
    assert a.whole.measures == b.whole.measures
    assert a.bands == b.bands
    assert set(b.concordance) == {"harrell_c", "uno_c"}
    # One time for all events: the first to have it is whoever has it, so C is the AUROC.
    assert b.concordance["harrell_c"].value == pytest.approx(a.whole.measures["auroc"].value)  # type: ignore[index]


def test_a_group_that_nobody_follows_is_said_to_be_one() -> None:
    people = followed(3000)
    codes = np.zeros(3000, np.int32)
    codes[:60] = 1
    time, event = people["time"].copy(), people["event"].copy()
    time[:60], event[:60] = 30, False
    found = assess(people["risk"], time=time, event=event, groups={"g": Grouping(codes, ("stay", "left"))}, bootstrap=0)
    left = found.groups["g"][1]
    assert (left.reason, left.measures, left.lost) == ("nobody followed to the horizon", None, 60)


# -- groups and refusals -----------------------------------------------------------------------------------------


def test_small_groups_have_no_measures() -> None:
    risk, outcome = made()
    codes = np.zeros(N, np.int32)
    events = np.flatnonzero(outcome)
    codes[events[: MIN_EVENTS - 1]] = 1
    codes[np.flatnonzero(~outcome)[:500]] = 1
    codes[events[MIN_EVENTS : 2 * MIN_EVENTS + 5]] = 2  # one class only
    found = assess(risk, outcome, groups={"g": Grouping(codes, ("rest", "few", "all ill", "nobody"))}, bootstrap=0)
    assert [(p.label, p.reason) for p in found.groups["g"]] == [
        ("rest", ""), ("few", "too few events"), ("all ill", "too few events")
    ]  # fmt: skip


def test_practices_are_all_there() -> None:
    risk, outcome = made()
    codes = (np.arange(N) % 7).astype(np.int32)
    found = assess(risk, outcome, practices=Grouping(codes, tuple(f"E8500{i}" for i in range(7))), bootstrap=0)
    assert [p.label for p in found.practices] == [f"E8500{i}" for i in range(7)]
    assert sum(p.observed for p in found.practices) == outcome.sum()
    assert sum(p.expected for p in found.practices) == pytest.approx(risk.sum())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"risk": [], "outcome": []}, "nobody to assess"),
        ({"risk": [0.1, np.nan], "outcome": [0, 1]}, "between 0 and 1"),
        ({"risk": [0.1, 0.2], "outcome": [0, 0]}, "nobody has the outcome"),
        ({"risk": [0.1, 0.2], "outcome": [1, 1]}, "everybody has the outcome"),
        ({"risk": [0.1, 0.2], "outcome": [0, 2]}, "0 or 1"),
        ({"risk": [0.1, 0.2], "outcome": [0, 1, 1]}, "one length"),
        ({"risk": [0.1, 0.2]}, "either an outcome"),
        ({"risk": [0.1, 0.2], "outcome": [0, 1], "capacity": 3}, "capacity of 3"),
        ({"risk": [0.1, 0.2], "time": [-1, 5], "event": [1, 0]}, "0 or more"),
        ({"risk": [0.1, 0.2], "time": [1, 5], "event": [1, 0]}, "followed to the horizon"),
        ({"risk": [0.1, 0.2], "time": [1, 5], "event": [1, 0], "horizon": 0}, "more than 0"),
        (
            {"risk": [0.1, 0.2, 0.3], "time": [5, 10, 7], "event": [1, 0, 0], "competing": [0, 0, 1]},
            "nobody is followed to the horizon",
        ),
        ({"risk": [0.1, 0.2], "time": [1, 5], "event": [1, 0], "outcome": [1, 0]}, "either an outcome"),
    ],
)
def test_what_cannot_be_assessed_is_refused(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        assess(**arguments, bootstrap=0)


def test_two_people_and_one_risk_are_enough_to_run() -> None:
    found = assess([0.1, 0.1], [0, 1], bootstrap=3)
    assert found.curve is None
    assert found.whole.measures is not None
    assert found.whole.measures["auroc"].value == 0.5
    assert np.isnan(found.whole.measures["slope"].value)


@pytest.mark.parametrize("first", ["from popstrat.validation.files import run_validate", "import popstrat.fitting", ""])
def test_assess_is_the_function_whatever_was_imported_before(first: str) -> None:
    text = f"{first}\nfrom popstrat.validation import assess, validate, measures\nassert callable(assess), assess\n"
    text += "import popstrat.validation as v\nassess([.1, .9, .2], [0, 1, 1], bootstrap=0)\nassert callable(v.assess)"
    subprocess.run([sys.executable, "-c", text], check=True)
