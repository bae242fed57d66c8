"""The default admission model orders people at least as well as the count of their conditions, whatever the conditions
weigh, wherever age matters; and its card says what the pack says."""

from __future__ import annotations

import re
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from popstrat.packs.load import load_pack

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import model_card
import ranking

CARD = model_card.PAGE.read_text(encoding="utf-8")
WITHIN = 0.002  # one draw of about 6,000 outcomes; the gains are 0.006 and more


@cache
def outcomes() -> tuple[ranking.Outcome, ...]:
    return tuple(ranking.compare(100_000, seed=5))


@pytest.mark.parametrize("shape", ["linear", "U-shaped"])
def test_at_least_as_good_as_the_count_and_as_age_wherever_age_matters(shape: str) -> None:
    found = [o for o in outcomes() if o.age == shape]
    assert [o.weights for o in found] == ["equal", "Cambridge", "random 1", "random 2", "random 3"]
    for outcome in found:
        ours = outcome.areas["default model"]
        assert ours >= outcome.areas["count"] - WITHIN, outcome
        assert ours >= outcome.areas["age"] - WITHIN, outcome
    gain = np.mean([o.areas["default model"] - o.areas["count"] for o in found])
    assert gain > 0.005


def test_what_it_costs_where_age_does_not_matter() -> None:
    """The model believes in age: where it does not count the plain count may be better, by at most this."""
    for outcome in outcomes():
        if outcome.age == "flat":
            assert outcome.areas["default model"] >= outcome.areas["count"] - 0.03, outcome
            assert outcome.areas["default model"] > outcome.areas["age"], outcome


@pytest.mark.parametrize(
    ("score", "outcome", "area"),
    [
        ([1, 2, 3, 4], [0, 0, 1, 1], 1.0),
        ([1, 2, 3, 4], [1, 1, 0, 0], 0.0),
        ([1, 1, 1, 1], [1, 0, 1, 0], 0.5),
        ([1, 2, 2, 3], [0, 1, 0, 1], 0.875),
        ([5, 1, 3], [1, 0, 1], 1.0),
        ([2, 1, 3], [1, 0, 0], 0.5),
    ],
)
def test_area_under_the_curve(score: list[float], outcome: list[int], area: float) -> None:
    found = np.array(outcome, bool)
    assert ranking.area(np.array(score, float), found) == area
    pairs = [(a > b) + (a == b) / 2 for a, x in zip(score, outcome, strict=True) if x
             for b, y in zip(score, outcome, strict=True) if not y]  # fmt: skip
    assert np.mean(pairs) == area


def test_the_drawn_outcomes_have_the_share_that_is_asked_for_and_follow_the_hazard() -> None:
    random = np.random.default_rng(1)
    hazard = np.repeat([0.0, 1.0, 2.0], 100_000)
    outcome = ranking.drawn(hazard, random)
    assert outcome.mean() == pytest.approx(ranking.SHARE, abs=0.002)
    rates = -np.log1p(-outcome.reshape(3, -1).mean(axis=1))
    assert rates[1:] / rates[:-1] == pytest.approx([np.e, np.e], rel=0.06)


def between(name: str) -> str:
    found = re.search(rf"<!-- {name}:start -->\n(.*?)\n<!-- {name}:end -->", CARD, re.DOTALL)
    assert found is not None
    return found.group(1)


def test_the_card_says_what_the_pack_says() -> None:
    """`python benchmarks/model_card.py --write` after a change of the pack."""
    assert between("facts") == model_card.facts()
    assert between("coefficients") == model_card.coefficients()
    raw = load_pack("admission-12m").raw["definition"]["admission_risk"]
    assert "Not a diagnosis, not a medical device, not validated" in raw["intended_use"]
    for term in raw["terms"]:
        assert f"| {term['title']} | {term['coefficient']:.4f} |" in CARD
    for name in ("ranking", "predicted"):
        assert re.search(r"\d\.\d", between(name)), f"{name} has not been written"


def test_the_card_has_what_a_model_card_needs() -> None:
    headings = re.findall(r"^## (.*)$", CARD, re.MULTILINE)
    assert headings == [
        "The model", "What it is for, and for whom", "The data behind it", "Factors", "How it has been tested",
        "Limits", "Ethical considerations", "Validate and recalibrate it before you rely on it",
    ]  # fmt: skip
    for said in (
        "Not a\nmedical device",
        "5.6%",
        "overconfident",
        "DCB0129",
        "`popstrat validate`",
        "`popstrat recalibrate`",
    ):
        assert said in CARD
