"""Lipids in secondary and primary prevention, and heart failure; both sides of every threshold."""

# ruff: noqa: E501 (tables are as wide as they need to be)

from __future__ import annotations

import pytest
from spec_tables import check, local_pack

pytestmark = pytest.mark.smoke


def test_ascvd() -> None:
    """Coronary heart disease, stroke or TIA, or peripheral arterial disease."""
    check("""
        age | chd | stroke_tia | pad | ckd || ascvd
        50  | yes | -          | -   | -   || yes
        50  | -   | yes        | -   | -   || yes
        50  | -   | -          | yes | -   || yes
        50  | -   | -          | -   | yes || no
        5   | yes | -          | -   | -   || yes
        -   | -   | no         | -   | -   || no
    """)


def test_secondary_prevention() -> None:
    """LDL 2.0 or less or, without LDL, non-HDL 2.6 or less, in the last 12 months; or the two medicines."""
    check("""
        age | chd | ldl  | non_hdl | lipids_date  | high_intensity_statin | ezetimibe | statin | cvd_risk_10y || lipid_status
        60  | yes | 2.0  | -       | as_of        | -                     | -         | -      | -            || optimised
        60  | yes | 2.1  | -       | as_of        | -                     | -         | yes    | -            || unoptimised
        60  | yes | 2.0  | 4.0     | as_of        | -                     | -         | -      | -            || optimised
        60  | yes | 2.1  | 2.6     | as_of        | -                     | -         | -      | -            || unoptimised
        60  | yes | -    | 2.6     | as_of        | -                     | -         | -      | -            || optimised
        60  | yes | -    | 2.7     | as_of        | -                     | -         | -      | -            || unoptimised
        60  | yes | 1.5  | -       | as_of-12m    | -                     | -         | -      | -            || optimised
        60  | yes | 1.5  | -       | as_of-12m-1d | -                     | -         | -      | -            || unoptimised
        60  | yes | 1.5  | -       | -            | -                     | -         | -      | -            || unoptimised
        60  | yes | 4.0  | -       | as_of        | yes                   | yes       | -      | -            || optimised
        60  | yes | 4.0  | -       | as_of        | yes                   | -         | yes    | -            || unoptimised
        60  | yes | 4.0  | -       | as_of        | -                     | yes       | yes    | -            || unoptimised
        60  | yes | -    | -       | -            | yes                   | yes       | -      | -            || optimised
        60  | yes | -    | -       | -            | -                     | -         | yes    | 30           || unoptimised
        17  | yes | 2.0  | -       | as_of        | -                     | -         | -      | -            || -
        18  | yes | 2.0  | -       | as_of        | -                     | -         | -      | -            || optimised
    """)


def test_primary_prevention() -> None:
    """With a risk over 10%: on a statin, and non-HDL lower by more than 40% if both values are recorded."""
    check("""
        age | chd | cvd_risk_10y | statin | non_hdl | non_hdl_baseline || lipid_status
        60  | -   | 10.0         | yes    | -       | -                || none
        60  | -   | 10.1         | yes    | -       | -                || optimised
        60  | -   | 10.1         | -      | -       | -                || unoptimised
        60  | -   | -            | yes    | -       | -                || none
        60  | -   | 20.0         | yes    | 3.0     | 5.0              || unoptimised
        60  | -   | 20.0         | yes    | 2.9     | 5.0              || optimised
        60  | -   | 20.0         | yes    | 2.1     | 3.5              || unoptimised
        60  | -   | 20.0         | yes    | 2.0     | 3.5              || optimised
        60  | -   | 20.0         | yes    | 2.7     | 4.5              || unoptimised
        60  | -   | 20.0         | yes    | 4.2     | 7.0              || unoptimised
        60  | -   | 20.0         | -      | 2.0     | 5.0              || unoptimised
        60  | -   | 20.0         | yes    | -       | 5.0              || unoptimised
        60  | -   | 20.0         | yes    | 5.0     | -                || optimised
        17  | -   | 20.0         | yes    | -       | -                || -
    """)


def test_exactly_ten_per_cent_is_a_parameter() -> None:
    """NICE starts at 10%; the metric starts above 10%."""
    table = "age | cvd_risk_10y | statin || lipid_status\n60 | 10.0 | yes || optimised\n60 | 9.9 | yes || none"
    check(table, pack=local_pack("[parameters.cvd_risk_at_threshold]\nvalue = true\n"))


def test_lipids_never_count_among_the_four() -> None:
    """Lipids and heart failure do not change the colour."""
    check("""
        age | chd | heart_failure || lipid_status | heart_failure_status | cvrm_unoptimised_count | cvrm_rag
        60  | yes | yes           || unoptimised  | unoptimised          | 0                      | -
    """)


def test_heart_failure() -> None:
    """Optimised on a RAS inhibitor and an SGLT2 inhibitor."""
    check("""
        age | heart_failure | ras_inhibitor | sglt2_inhibitor || heart_failure_status
        60  | yes           | yes           | yes             || optimised
        60  | yes           | yes           | -               || unoptimised
        60  | yes           | -             | yes             || unoptimised
        60  | yes           | -             | -               || unoptimised
        60  | -             | yes           | yes             || none
        18  | yes           | yes           | yes             || optimised
        17  | yes           | yes           | yes             || -
        -   | yes           | yes           | yes             || -
    """)
