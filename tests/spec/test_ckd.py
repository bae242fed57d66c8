"""Chronic kidney disease: statin, blood pressure and RAS inhibitor; undiagnosed by two low eGFRs."""

# ruff: noqa: E501 (tables are as wide as they need to be)

from __future__ import annotations

import pytest
from spec_tables import check, local_pack

pytestmark = pytest.mark.smoke


def test_all_three_are_needed() -> None:
    """A statin, a recent blood pressure at or under 140/90, and a RAS inhibitor if one is indicated."""
    check("""
        age | ckd | statin | systolic_bp | diastolic_bp | bp_date      | acr | ras_inhibitor || ckd_status
        50  | yes | yes    | 140         | 90           | as_of        | -   | -             || optimised
        50  | yes | no     | 140         | 90           | as_of        | -   | -             || unoptimised
        50  | yes | -      | 140         | 90           | as_of        | -   | -             || unoptimised
        50  | yes | yes    | 141         | 90           | as_of        | -   | -             || unoptimised
        50  | yes | yes    | 140         | 91           | as_of        | -   | -             || unoptimised
        50  | yes | yes    | 140         | -            | as_of        | -   | -             || unoptimised
        50  | yes | yes    | -           | 90           | as_of        | -   | -             || unoptimised
        50  | yes | yes    | 140         | 90           | -            | -   | -             || unoptimised
        50  | yes | yes    | 140         | 90           | as_of-12m    | -   | -             || optimised
        50  | yes | yes    | 140         | 90           | as_of-12m-1d | -   | -             || unoptimised
        85  | yes | yes    | 141         | 90           | as_of        | -   | -             || unoptimised
        18  | yes | yes    | 140         | 90           | as_of        | -   | -             || optimised
        17  | yes | yes    | 140         | 90           | as_of        | -   | -             || -
    """)


def test_ras_inhibitor_where_indicated() -> None:
    """Indicated with an ACR of 70 or more; of 30 or more with hypertension; of 3 or more with diabetes."""
    check("""
        age | ckd | statin | systolic_bp | diastolic_bp | bp_date | acr   | hypertension | diabetes | ras_inhibitor || ckd_status
        50  | yes | yes    | 120         | 70           | as_of   | 69.99 | -            | -        | -             || optimised
        50  | yes | yes    | 120         | 70           | as_of   | 70    | -            | -        | -             || unoptimised
        50  | yes | yes    | 120         | 70           | as_of   | 70    | -            | -        | no            || unoptimised
        50  | yes | yes    | 120         | 70           | as_of   | 70    | -            | -        | yes           || optimised
        50  | yes | yes    | 120         | 70           | as_of   | 29.99 | yes          | -        | -             || optimised
        50  | yes | yes    | 120         | 70           | as_of   | 30    | yes          | -        | -             || unoptimised
        50  | yes | yes    | 120         | 70           | as_of   | 30    | no           | -        | -             || optimised
        50  | yes | yes    | 120         | 70           | as_of   | 30    | yes          | -        | yes           || optimised
        50  | yes | yes    | 120         | 70           | as_of   | 2.99  | -            | yes      | -             || optimised
        50  | yes | yes    | 120         | 70           | as_of   | 3     | -            | yes      | -             || unoptimised
        50  | yes | yes    | 120         | 70           | as_of   | 3     | yes          | no       | -             || optimised
        50  | yes | yes    | 120         | 70           | as_of   | 3     | -            | yes      | yes           || optimised
        # without an ACR none is indicated
        50  | yes | yes    | 120         | 70           | as_of   | -     | yes          | yes      | -             || optimised
        # nor with an implausible one
        50  | yes | yes    | 120         | 70           | as_of   | 3001  | yes          | yes      | -             || optimised
        50  | yes | yes    | 120         | 70           | as_of   | 3000  | -            | -        | -             || unoptimised
    """)


def test_blood_pressure_target() -> None:
    """140/90, or 130/80 with an ACR of 70 or more. For a home reading, both limits are 5 lower."""
    check("""
        age | ckd | statin | ras_inhibitor | bp_date | acr   | bp_setting | systolic_bp | diastolic_bp || ckd_status
        50  | yes | yes    | yes           | as_of   | -     | clinic     | 140         | 90           || optimised
        50  | yes | yes    | yes           | as_of   | 69.99 | clinic     | 140         | 90           || optimised
        50  | yes | yes    | yes           | as_of   | 70    | clinic     | 131         | 80           || unoptimised
        50  | yes | yes    | yes           | as_of   | 70    | clinic     | 130         | 81           || unoptimised
        50  | yes | yes    | yes           | as_of   | 70    | clinic     | 130         | 80           || optimised
        50  | yes | yes    | yes           | as_of   | 70    | -          | 130         | 80           || optimised
        50  | yes | yes    | yes           | as_of   | -     | home       | 135         | 85           || optimised
        50  | yes | yes    | yes           | as_of   | -     | home       | 136         | 85           || unoptimised
        50  | yes | yes    | yes           | as_of   | -     | home       | 135         | 86           || unoptimised
        50  | yes | yes    | yes           | as_of   | 70    | home       | 125         | 75           || optimised
        50  | yes | yes    | yes           | as_of   | 70    | home       | 126         | 75           || unoptimised
        50  | yes | yes    | yes           | as_of   | 70    | home       | 125         | 76           || unoptimised
    """)


def test_under_the_threshold_by_choice() -> None:
    """With `target_met_at_threshold` false, the reading must be under the target here too."""
    check(
        """
        age | ckd | statin | ras_inhibitor | bp_date | acr | systolic_bp | diastolic_bp || ckd_status
        50  | yes | yes    | yes           | as_of   | -   | 139         | 89           || optimised
        50  | yes | yes    | yes           | as_of   | -   | 140         | 89           || unoptimised
        50  | yes | yes    | yes           | as_of   | -   | 139         | 90           || unoptimised
        50  | yes | yes    | yes           | as_of   | 70  | 129         | 79           || optimised
        50  | yes | yes    | yes           | as_of   | 70  | 130         | 79           || unoptimised
        """,
        pack=local_pack("[parameters.target_met_at_threshold]\nvalue = false\n"),
    )


def test_undiagnosed() -> None:
    """Two eGFRs under 60, at least 90 days apart, the latest in the last 24 months; not in pregnancy."""
    check("""
        age | ckd | egfr  | egfr_date    | egfr_previous | egfr_previous_date | pregnant || ckd_status
        50  | no  | 59.99 | as_of        | 59.99         | as_of-90d          | -        || undiagnosed
        50  | -   | 59    | as_of        | 59            | as_of-90d          | -        || undiagnosed
        50  | no  | 60    | as_of        | 59            | as_of-90d          | -        || none
        50  | no  | 59    | as_of        | 60            | as_of-90d          | -        || none
        50  | no  | 59    | as_of        | 59            | as_of-89d          | -        || none
        50  | no  | 59    | as_of        | 59            | as_of-91d          | -        || undiagnosed
        50  | no  | 59    | as_of        | 59            | as_of              | -        || none
        50  | no  | 59    | as_of        | 59            | as_of-10y          | -        || undiagnosed
        50  | no  | 59    | as_of-24m    | 59            | as_of-24m-90d      | -        || undiagnosed
        50  | no  | 59    | as_of-24m-1d | 59            | as_of-24m-91d      | -        || none
        50  | no  | 59    | as_of        | 59            | as_of-90d          | yes      || none
        50  | no  | 59    | as_of        | 59            | as_of-90d          | no       || undiagnosed
        50  | no  | -     | as_of        | 59            | as_of-90d          | -        || none
        50  | no  | 59    | -            | 59            | as_of-90d          | -        || none
        50  | no  | 59    | as_of        | -             | as_of-90d          | -        || none
        50  | no  | 59    | as_of        | 59            | -                  | -        || none
        50  | no  | 0.5   | as_of        | 59            | as_of-90d          | -        || none
        50  | no  | 59    | as_of+1d     | 59            | as_of-90d          | -        || none
        50  | yes | 59    | as_of        | 59            | as_of-90d          | -        || unoptimised
        18  | no  | 59    | as_of        | 59            | as_of-90d          | -        || undiagnosed
        17  | no  | 59    | as_of        | 59            | as_of-90d          | -        || -
    """)


@pytest.mark.parametrize("absent", [["egfr_date"], ["egfr_previous_date"], ["egfr_date", "egfr_previous_date"]])
def test_without_a_column_of_dates_the_90_days_cannot_be_told(absent: list[str]) -> None:
    """Values without dates count as current, but the rule of 90 days is then false."""
    check(
        """
        age | ckd | egfr | egfr_previous || ckd_status
        50  | no  | 40   | 40            || none
        50  | yes | 40   | 40            || unoptimised
        """,
        absent=absent,
    )


def test_no_column_of_blood_pressure_dates() -> None:
    """Without that column, readings count as current."""
    check(
        """
        age | ckd | statin | systolic_bp | diastolic_bp || ckd_status
        50  | yes | yes    | 140         | 90           || optimised
        50  | yes | yes    | 141         | 90           || unoptimised
        """,
        absent=["bp_date"],
    )
