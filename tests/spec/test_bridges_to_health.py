"""Bridges to Health: everybody has one of eight segments, by the highest need that fits."""

# ruff: noqa: E501 (tables are as wide as they need to be)

from __future__ import annotations

import pytest
from spec_tables import check

pytestmark = pytest.mark.smoke


def test_each_segment() -> None:
    """One row for each rule of each segment. A person who fits none is healthy, with or without a known age."""
    check("""
        age | dementia | cfs | heart_failure | liver_cirrhosis | cystic_fibrosis | egfr | copd | emergency_admissions_12m | end_of_life | palliative_care | learning_disability | smi | multiple_sclerosis | parkinsons | housebound | asthma | cancer | pregnant || bridges_to_health_segment
        50  | yes | - | -   | -   | -   | -    | -   | - | -   | -   | -   | -   | -   | -   | -   | -   | -   | -   || frailty_dementia
        50  | -   | 7 | -   | -   | -   | -    | -   | - | -   | -   | -   | -   | -   | -   | -   | -   | -   | -   || frailty_dementia
        50  | -   | 6 | -   | -   | -   | -    | -   | - | -   | -   | -   | -   | -   | -   | -   | -   | -   | -   || healthy
        50  | -   | - | yes | -   | -   | -    | -   | - | -   | -   | -   | -   | -   | -   | -   | -   | -   | -   || organ_failure
        50  | -   | - | -   | yes | -   | -    | -   | - | -   | -   | -   | -   | -   | -   | -   | -   | -   | -   || organ_failure
        50  | -   | - | -   | -   | yes | -    | -   | - | -   | -   | -   | -   | -   | -   | -   | -   | -   | -   || organ_failure
        50  | -   | - | -   | -   | -   | 29.9 | -   | - | -   | -   | -   | -   | -   | -   | -   | -   | -   | -   || organ_failure
        50  | -   | - | -   | -   | -   | 30   | -   | - | -   | -   | -   | -   | -   | -   | -   | -   | -   | -   || healthy
        50  | -   | - | -   | -   | -   | -    | yes | 1 | -   | -   | -   | -   | -   | -   | -   | -   | -   | -   || organ_failure
        50  | -   | - | -   | -   | -   | -    | yes | 0 | -   | -   | -   | -   | -   | -   | -   | -   | -   | -   || ltc
        50  | -   | - | -   | -   | -   | -    | yes | - | -   | -   | -   | -   | -   | -   | -   | -   | -   | -   || ltc
        50  | -   | - | -   | -   | -   | -    | -   | - | yes | -   | -   | -   | -   | -   | -   | -   | -   | -   || end_of_life
        50  | -   | - | -   | -   | -   | -    | -   | - | -   | yes | -   | -   | -   | -   | -   | -   | -   | -   || end_of_life
        50  | -   | - | -   | -   | -   | -    | -   | - | -   | -   | yes | -   | -   | -   | -   | -   | -   | -   || serious_disability
        50  | -   | - | -   | -   | -   | -    | -   | - | -   | -   | -   | yes | -   | -   | -   | -   | -   | -   || serious_disability
        50  | -   | - | -   | -   | -   | -    | -   | - | -   | -   | -   | -   | yes | -   | -   | -   | -   | -   || serious_disability
        50  | -   | - | -   | -   | -   | -    | -   | - | -   | -   | -   | -   | -   | yes | -   | -   | -   | -   || serious_disability
        50  | -   | - | -   | -   | -   | -    | -   | - | -   | -   | -   | -   | -   | -   | yes | -   | -   | -   || serious_disability
        50  | -   | - | -   | -   | -   | -    | -   | - | -   | -   | -   | -   | -   | -   | -   | yes | -   | -   || ltc
        50  | -   | - | -   | -   | -   | -    | -   | - | -   | -   | -   | -   | -   | -   | -   | -   | yes | -   || ltc
        50  | -   | - | -   | -   | -   | -    | -   | 1 | -   | -   | -   | -   | -   | -   | -   | -   | -   | -   || acutely_ill
        50  | -   | - | -   | -   | -   | -    | -   | 0 | -   | -   | -   | -   | -   | -   | -   | -   | -   | -   || healthy
        17  | -   | - | -   | -   | -   | -    | -   | - | -   | -   | -   | -   | -   | -   | -   | -   | -   | -   || children_and_maternal
        18  | -   | - | -   | -   | -   | -    | -   | - | -   | -   | -   | -   | -   | -   | -   | -   | -   | -   || healthy
        18  | -   | - | -   | -   | -   | -    | -   | - | -   | -   | -   | -   | -   | -   | -   | -   | -   | yes || children_and_maternal
        -   | -   | - | -   | -   | -   | -    | -   | - | -   | -   | -   | -   | -   | -   | -   | -   | -   | -   || healthy
        -   | -   | - | -   | -   | -   | -    | -   | - | -   | -   | -   | -   | -   | -   | -   | -   | -   | yes || children_and_maternal
        0   | -   | - | -   | -   | -   | -    | -   | 1 | -   | -   | -   | -   | -   | -   | -   | -   | -   | -   || acutely_ill
    """)


def test_the_highest_need_wins() -> None:
    """From low to high: healthy, children and maternal, acutely ill, LTC, disability, end of life, organ failure, frailty."""
    check("""
        age | dementia | heart_failure | palliative_care | smi | asthma | emergency_admissions_12m | pregnant || bridges_to_health_segment
        10  | yes      | yes           | yes             | yes | yes    | 1                        | yes      || frailty_dementia
        10  | -        | yes           | yes             | yes | yes    | 1                        | yes      || organ_failure
        10  | -        | -             | yes             | yes | yes    | 1                        | yes      || end_of_life
        10  | -        | -             | -               | yes | yes    | 1                        | yes      || serious_disability
        10  | -        | -             | -               | -   | yes    | 1                        | yes      || ltc
        10  | -        | -             | -               | -   | -      | 1                        | yes      || acutely_ill
        10  | -        | -             | -               | -   | -      | -                        | -        || children_and_maternal
        30  | -        | -             | -               | -   | -      | -                        | -        || healthy
    """)
