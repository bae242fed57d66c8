"""The NWL adult risk groups: 18 and over, the most severe group that fits."""

# ruff: noqa: E501 (tables are as wide as they need to be)

from __future__ import annotations

import pytest
from spec_tables import check, local_pack

from popstrat.packs.load import load_pack

pytestmark = pytest.mark.smoke

# The pack's own rules with the admission risk as given, so that the tables can put people on either side of the cut-offs.
GIVEN_RISK = """
[parameters.high_risk_from]
value = 0.20
[parameters.rising_risk_from]
value = 0.08
[[input]]
name = "risk_given"
type = "float"
min = 0
max = 1
[definition.given]
kind = "first_match"
title = "NWL group at a given admission risk"
source = "as london-2026"
version = "1"
eligible = "age >= 18"
rules = [ RULES ]
otherwise = "well"
output = true
"""


def given_risk() -> str:
    rules = load_pack("london-2026").raw["definition"]["nwl_risk_group"]["rules"]
    return GIVEN_RISK.replace(
        "RULES",
        ", ".join(
            f"{{ label = \"{r['label']}\", when = '{r['when'].replace('admission_risk', 'risk_given')}' }}"
            for r in rules
        ),
    )


def test_adults_only() -> None:
    """Null under 18, and if the age is unknown."""
    check("""
        age | end_of_life | diabetes || nwl_risk_group
        17  | yes         | yes      || -
        -   | yes         | yes      || -
        18  | yes         | yes      || specialist_end_of_life
        18  | -           | -        || well
    """)


def test_first_group() -> None:
    """End of life or palliative care is enough, whatever else is recorded."""
    check("""
        age | end_of_life | palliative_care | cfs | diabetes | emergency_admissions_12m || nwl_risk_group
        30  | yes         | -               | -   | -        | -                        || specialist_end_of_life
        30  | -           | yes             | -   | -        | -                        || specialist_end_of_life
        30  | -           | -               | 9   | -        | -                        || specialist_end_of_life
        30  | no          | no              | 8   | -        | -                        || well
        95  | yes         | yes             | 9   | yes      | 9                        || specialist_end_of_life
    """)


def test_well_and_stable() -> None:
    """An adult without a condition that needs regular review is well. So is an adult with only hypertension, pain or obesity."""
    check("""
        age | hypertension | chronic_pain | obesity | diabetes | cancer | smi || nwl_risk_group
        30  | -            | -            | -       | -        | -      | -   || well
        30  | yes          | yes          | yes     | -        | -      | -   || well
        30  | -            | -            | -       | yes      | -      | -   || stable
        30  | -            | -            | -       | -        | yes    | -   || stable
        30  | -            | -            | -       | -        | -      | yes || stable
    """)


def test_high_needs_the_risk() -> None:
    """Somebody old with many conditions and admissions is high."""
    check("""
        age | heart_failure | copd | ckd | emergency_admissions_12m | frailty  || nwl_risk_group | admission_risk_band
        85  | yes           | yes  | yes | 3                        | moderate || high           | very_high
        30  | -             | -    | -   | 3                        | -        || well           | low
    """)


def test_the_rules_at_a_given_risk() -> None:
    """High from 0.20; rising from 0.08 with worsening disease (two of the four conditions not optimised). These limits are
    set for this test; those of the pack are tuned to the published shares."""
    check(
        """
        age | risk_given | hypertension | diabetes | ckd | emergency_admissions_12m || cvrm_unoptimised_count | given
        50  | 0.2        | -            | -        | -   | -                        || 0                      | high
        50  | 0.199999   | -            | -        | -   | -                        || 0                      | well
        50  | 0.199999   | yes          | yes      | yes | -                        || 3                      | rising
        50  | 0.08       | yes          | yes      | yes | -                        || 3                      | rising
        50  | 0.079999   | yes          | yes      | yes | -                        || 3                      | stable
        50  | 0.08       | yes          | yes      | -   | 1                        || 2                      | rising
        50  | 0.079999   | yes          | yes      | -   | 1                        || 2                      | stable
        50  | 0.08       | -            | yes      | -   | -                        || 1                      | stable
        50  | 0.08       | yes          | -        | -   | 5                        || 1                      | well
        50  | -          | yes          | yes      | yes | 5                        || 3                      | stable
        17  | 0.9        | yes          | yes      | yes | 5                        || -                      | -
        """,
        pack=local_pack(given_risk()),
    )


def test_advanced_illness() -> None:
    """Severely frail, and housebound with dementia, or with heart failure or COPD and two emergency admissions."""
    check("""
        age | frailty  | dementia | housebound | heart_failure | copd | emergency_admissions_12m || nwl_risk_group
        70  | severe   | yes      | yes        | -             | -    | -                        || specialist_end_of_life
        70  | moderate | yes      | yes        | -             | -    | -                        || stable
        40  | severe   | -        | -          | yes           | -    | 2                        || specialist_end_of_life
        40  | severe   | -        | -          | -             | yes  | 2                        || specialist_end_of_life
        40  | severe   | -        | -          | yes           | -    | 1                        || stable
        40  | severe   | -        | -          | -             | -    | 2                        || well
    """)
