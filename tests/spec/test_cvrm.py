"""The four cardiovascular-renal-metabolic statuses together: the count and the colour."""

# ruff: noqa: E501 (tables are as wide as they need to be)

from __future__ import annotations

import pytest
from spec_tables import check

pytestmark = pytest.mark.smoke


def test_count_and_colour() -> None:
    """Of the four conditions, three or four unoptimised or undiagnosed are red, two amber, one green, and none no colour. Adults only."""
    check("""
        age | hypertension | diabetes | af_suspected | ckd || hypertension_status | diabetes_status | af_status   | ckd_status  | cvrm_unoptimised_count | cvrm_rag
        50  | -            | -        | -            | -   || none                | none            | none        | none        | 0                      | -
        50  | yes          | -        | -            | -   || unoptimised         | none            | none        | none        | 1                      | green
        50  | -            | -        | yes          | -   || none                | none            | undiagnosed | none        | 1                      | green
        50  | yes          | -        | yes          | -   || unoptimised         | none            | undiagnosed | none        | 2                      | amber
        50  | -            | yes      | -            | yes || none                | unoptimised     | none        | unoptimised | 2                      | amber
        50  | yes          | yes      | yes          | -   || unoptimised         | unoptimised     | undiagnosed | none        | 3                      | red
        50  | yes          | yes      | yes          | yes || unoptimised         | unoptimised     | undiagnosed | unoptimised | 4                      | red
        17  | yes          | yes      | yes          | yes || -                   | -               | -           | -           | -                      | -
        -   | yes          | yes      | yes          | yes || -                   | -               | -           | -           | -                      | -
    """)


def test_optimised_does_not_count() -> None:
    """A condition that is diagnosed and optimised does not count."""
    check("""
        age | hypertension | diabetes | atrial_fibrillation | ckd | statin | anticoagulant | systolic_bp | diastolic_bp | bp_date | hba1c | hba1c_date || cvrm_unoptimised_count | cvrm_rag
        50  | yes          | yes      | yes                 | yes | yes    | yes           | 130         | 80           | as_of   | 50    | as_of      || 0                      | -
        50  | yes          | yes      | yes                 | yes | no     | yes           | 130         | 80           | as_of   | 50    | as_of      || 1                      | green
        50  | yes          | yes      | yes                 | yes | no     | yes           | 130         | 80           | as_of   | 60    | as_of      || 2                      | amber
        50  | yes          | yes      | yes                 | yes | no     | yes           | 150         | 80           | as_of   | 60    | as_of      || 3                      | red
        50  | yes          | yes      | yes                 | yes | no     | no            | 150         | 80           | as_of   | 60    | as_of      || 4                      | red
        50  | yes          | yes      | yes                 | yes | yes    | no            | 150         | 80           | as_of   | 50    | as_of      || 3                      | red
    """)


def test_undiagnosed_counts() -> None:
    """An undiagnosed condition counts; all four may be undiagnosed."""
    check("""
        age | systolic_bp | bp_date | hba1c | hba1c_date | af_suspected | egfr | egfr_date | egfr_previous | egfr_previous_date || cvrm_unoptimised_count | cvrm_rag
        50  | 140         | as_of   | 48    | as_of      | yes          | 59   | as_of     | 59            | as_of-90d          || 4                      | red
        50  | 139         | as_of   | 48    | as_of      | yes          | 59   | as_of     | 59            | as_of-90d          || 3                      | red
        50  | 139         | as_of   | 47    | as_of      | yes          | 59   | as_of     | 59            | as_of-90d          || 2                      | amber
        50  | 139         | as_of   | 47    | as_of      | -            | 59   | as_of     | 59            | as_of-90d          || 1                      | green
        50  | 139         | as_of   | 47    | as_of      | -            | 59   | as_of     | 59            | as_of-89d          || 0                      | -
    """)
