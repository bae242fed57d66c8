"""Admission risk: its arithmetic by hand, its bands, its missing inputs; adults only."""

# ruff: noqa: E501 (tables are as wide as they need to be)

from __future__ import annotations

import math
from functools import cache
from typing import Any

import pytest
from spec_tables import check, local_pack

from popstrat.packs.load import load_pack

pytestmark = pytest.mark.smoke


@cache
def model() -> dict[str, Any]:
    return dict(load_pack("london-2026").raw["definition"]["admission_risk"])


def weight(term: str) -> float:
    return float(next(t["coefficient"] for t in model()["terms"] if t["id"] == term))


def risk(linear: float) -> float:
    """1 − S0 ^ exp(linear predictor), to six places."""
    return round(1 - model()["baseline_survival"] ** math.exp(linear), 6)


# Of somebody with no record of anything: decile 5, a light drinker.
NOTHING = 5 * weight("deprivation") + weight("alcohol_some")


@pytest.mark.parametrize(
    ("given", "linear", "missing"),
    [
        ("40 | -  | - | -  | -   | -   | -   | - | -  | -  | -        | - | -", NOTHING, 9),
        ("18 | -  | - | -  | -   | -   | -   | - | -  | -  | -        | - | -", NOTHING, 9),
        ("40 | 10 | A | 0  | never | 0 | 25 | 140 | 200 | fit | -     | - | -", 0.0, 0),
        ("40 | 1  | A | 0  | never | 0 | 25 | 140 | 200 | fit | -     | - | -", 9 * weight("deprivation"), 0),
        ("60 | 10 | A | 0  | never | 0 | 25 | 140 | 200 | fit | -     | - | -", 20 * weight("age_from_40"), 0),
        ("70 | 10 | A | 0  | never | 0 | 25 | 140 | 200 | fit | -     | - | -", 30 * weight("age_from_40"), 0),
        (
            "85 | 10 | A | 0 | never | 0 | 25 | 140 | 200 | fit | - | - | -",
            45 * weight("age_from_40") + 15 * weight("age_from_70"),
            0,
        ),
        (
            "100 | 10 | A | 0 | never | 0 | 25 | 140 | 200 | fit | - | - | -",
            60 * weight("age_from_40") + 30 * weight("age_from_70"),
            0,
        ),
        (  # over 100 scores as 100
            "117 | 10 | A | 0 | never | 0 | 25 | 140 | 200 | fit | - | - | -",
            60 * weight("age_from_40") + 30 * weight("age_from_70"),
            0,
        ),
        ("40 | 10 | R | 0 | never | 0 | 25 | 140 | 200 | fit | - | - | -", weight("ethnicity_chinese"), 0),
        ("40 | 10 | D | 0 | never | 0 | 25 | 140 | 200 | fit | - | - | -", weight("ethnicity_other"), 0),
        ("40 | 10 | 99 | 0 | never | 0 | 25 | 140 | 200 | fit | - | - | -", 0.0, 0),
        ("40 | 10 | A | 1 | never | 0 | 25 | 140 | 200 | fit | - | - | -", weight("admissions_1"), 0),
        ("40 | 10 | A | 2 | never | 0 | 25 | 140 | 200 | fit | - | - | -", weight("admissions_2"), 0),
        ("40 | 10 | A | 3 | never | 0 | 25 | 140 | 200 | fit | - | - | -", weight("admissions_3"), 0),
        ("40 | 10 | A | 30 | never | 0 | 25 | 140 | 200 | fit | - | - | -", weight("admissions_3"), 0),
        ("40 | 10 | A | 0 | ex | 0 | 25 | 140 | 200 | fit | - | - | -", weight("smoking_ex"), 0),
        ("40 | 10 | A | 0 | current | 0 | 25 | 140 | 200 | fit | - | - | -", weight("smoking_current"), 0),
        ("40 | 10 | A | 0 | never | 1 | 25 | 140 | 200 | fit | - | - | -", weight("alcohol_some"), 0),
        ("40 | 10 | A | 0 | never | 48 | 25 | 140 | 200 | fit | - | - | -", weight("alcohol_some"), 0),
        ("40 | 10 | A | 0 | never | 49 | 25 | 140 | 200 | fit | - | - | -", weight("alcohol_heavy"), 0),
        ("40 | 10 | A | 0 | never | 0 | 18.5 | 140 | 200 | fit | - | - | -", 0.0, 0),
        ("40 | 10 | A | 0 | never | 0 | 18.49 | 140 | 200 | fit | - | - | -", weight("underweight"), 0),
        ("40 | 10 | A | 0 | never | 0 | 40 | 140 | 200 | fit | - | - | -", weight("bmi_40"), 0),
        ("40 | 10 | A | 0 | never | 0 | 39.99 | 140 | 200 | fit | - | - | -", 0.0, 0),
        ("40 | 10 | A | 0 | never | 0 | 25 | 110 | 480 | fit | - | - | -", 0.0, 0),
        ("40 | 10 | A | 0 | never | 0 | 25 | 109 | 200 | fit | - | - | -", weight("anaemia"), 0),
        ("40 | 10 | A | 0 | never | 0 | 25 | 140 | 481 | fit | - | - | -", weight("platelets_high"), 0),
        ("64 | 10 | A | 0 | never | 0 | 25 | 140 | 200 | severe | - | - | -", 24 * weight("age_from_40"), 0),
        (
            "65 | 10 | A | 0 | never | 0 | 25 | 140 | 200 | severe | - | - | -",
            25 * weight("age_from_40") + weight("frailty_severe"),
            0,
        ),
        (
            "65 | 10 | A | 0 | never | 0 | 25 | 140 | 200 | mild | - | - | -",
            25 * weight("age_from_40") + weight("frailty_mild"),
            0,
        ),
        ("40 | 10 | A | 0 | never | 0 | 25 | 140 | 200 | fit | yes | - | -", weight("dementia"), 0),
        ("40 | 10 | A | 0 | never | 0 | 25 | 140 | 200 | fit | - | yes | -", weight("anxiety_or_depression"), 0),
        ("40 | 10 | A | 0 | never | 0 | 25 | 140 | 200 | fit | - | yes | yes", weight("anxiety_or_depression"), 0),
        (
            "40 | 10 | A | 0 | never | 0 | 25 | 140 | 200 | fit | yes | - | yes",
            weight("dementia") + weight("anxiety_or_depression"),
            0,
        ),
        ("40 | 10 | - | - | never | 0 | 25 | 140 | - | fit | - | - | -", 0.0, 3),
        # implausible values take the default and count as missing
        ("40 | 11 | A | 0 | never | 0 | 9 | 140 | 200 | fit | - | - | -", 5 * weight("deprivation"), 2),
    ],
)
def test_by_hand(given: str, linear: float, missing: int) -> None:
    """The sum of the coefficients that apply gives the risk. An input that is not recorded takes its default and is counted."""
    check(f"""
        age | imd_decile | ethnicity | emergency_admissions_12m | smoking | alcohol_units_week | bmi | haemoglobin | platelets | frailty | dementia | anxiety | depression || admission_risk | inputs_missing
        {given} || {risk(linear)} | {missing}
    """)


def test_adults_only() -> None:
    """The risk, the band and the missing inputs are null under 18, and if the age is unknown."""
    check("""
        age || admission_risk_band | inputs_missing
        17  || -                   | -
        -   || -                   | -
        18  || very_low            | 9
    """)
    check("age || admission_risk\n17 || -\n- || -")


def test_every_term_raises_or_lowers_the_risk_by_its_coefficient() -> None:
    """Each flag of the model changes the risk of a 40-year-old by its own coefficient."""
    schema = load_pack("london-2026").schema
    flags = [
        t["id"] for t in model()["terms"] if t["when" if "when" in t else "value"] == t["id"] and t["id"] in schema
    ]
    assert len(flags) > 25
    for name in flags:
        check(f"""
            age | {name} || admission_risk
            40  | yes    || {risk(NOTHING + weight(name))}
            40  | no     || {risk(NOTHING)}
        """)


BANDS = """
[[input]]
name = "risk_given"
type = "float"
[definition.band_given]
kind = "first_match"
title = "Band of a given risk"
source = "as london-2026"
version = "1"
output = true
rules = [ RULES ]
"""


def test_bands() -> None:
    """Over 0.28 very high, over 0.18 high, over 0.12 medium, over 0.07 low, otherwise very low. A risk at the limit is not over it."""
    rules = load_pack("london-2026").raw["definition"]["admission_risk_band"]["rules"]
    text = ", ".join(
        f"{{ label = \"{r['label']}\", when = '{r['when'].replace('admission_risk', 'risk_given')}' }}" for r in rules
    )
    check(
        """
        risk_given          || band_given
        0.0                 || very_low
        0.07                || very_low
        0.070001            || low
        0.12                || low
        0.120001            || medium
        0.18                || medium
        0.180001            || high
        0.28                || high
        0.280001            || very_high
        1.0                 || very_high
        -                   || -
        """,
        pack=local_pack(BANDS.replace("RULES", text)),
    )
