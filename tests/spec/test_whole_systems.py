"""The Whole Systems segments of 2014: 16 and over, the segment with the highest number that fits."""

# ruff: noqa: E501 (tables are as wide as they need to be)

from __future__ import annotations

import pytest
from spec_tables import check

pytestmark = pytest.mark.smoke


def test_each_segment() -> None:
    """One row for each way into each of the nine."""
    check("""
        age | homeless | alcohol_dependence | drug_dependence | dementia | learning_disability | smi | cancer | asthma || whole_systems_segment
        16  | yes      | -                  | -               | -        | -                   | -   | -      | -      || socially_excluded
        16  | -        | yes                | -               | -        | -                   | -   | -      | -      || socially_excluded
        16  | -        | -                  | yes             | -        | -                   | -   | -      | -      || socially_excluded
        50  | -        | -                  | -               | yes      | -                   | -   | -      | -      || advanced_organic_disorder
        50  | -        | -                  | -               | -        | yes                 | -   | -      | -      || learning_disability
        50  | -        | -                  | -               | -        | -                   | yes | -      | -      || smi
        50  | -        | -                  | -               | -        | -                   | -   | yes    | -      || cancer
        75  | -        | -                  | -               | -        | -                   | -   | -      | yes    || elderly_with_ltc
        74  | -        | -                  | -               | -        | -                   | -   | -      | yes    || adults_with_ltc
        16  | -        | -                  | -               | -        | -                   | -   | -      | yes    || adults_with_ltc
        75  | -        | -                  | -               | -        | -                   | -   | -      | -      || mostly_healthy_elderly
        74  | -        | -                  | -               | -        | -                   | -   | -      | -      || mostly_healthy_adults
        16  | -        | -                  | -               | -        | -                   | -   | -      | -      || mostly_healthy_adults
        15  | yes      | yes                | yes             | yes      | yes                 | yes | yes    | yes    || -
        -   | yes      | yes                | yes             | yes      | yes                 | yes | yes    | yes    || -
    """)


def test_the_highest_number_wins() -> None:
    """9 before 8 before 7 and so on."""
    check("""
        age | drug_dependence | dementia | learning_disability | smi | cancer | asthma || whole_systems_segment
        80  | yes             | yes      | yes                 | yes | yes    | yes    || socially_excluded
        80  | no              | yes      | yes                 | yes | yes    | yes    || advanced_organic_disorder
        80  | no              | no       | yes                 | yes | yes    | yes    || learning_disability
        80  | no              | no       | no                  | yes | yes    | yes    || smi
        80  | no              | no       | no                  | no  | yes    | yes    || cancer
        80  | no              | no       | no                  | no  | no     | yes    || elderly_with_ltc
        80  | no              | no       | no                  | no  | no     | no     || mostly_healthy_elderly
    """)
