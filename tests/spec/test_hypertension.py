"""Hypertension: none, optimised, unoptimised, undiagnosed; adults only."""

# ruff: noqa: E501 (tables are as wide as they need to be)

from __future__ import annotations

import pytest
from spec_tables import check, local_pack

pytestmark = pytest.mark.smoke

STRICT = "[parameters.target_met_at_threshold]\nvalue = false\n"


def test_target_under_80() -> None:
    """Under 80 years: 140/90 in the clinic, 135/85 at home. A value at the threshold meets the target, and both values must meet it."""
    check("""
        age | hypertension | bp_setting | systolic_bp | diastolic_bp | bp_date || hypertension_status
        18  | yes          | clinic     | 140         | 90           | as_of   || optimised
        79  | yes          | clinic     | 140         | 90           | as_of   || optimised
        79  | yes          | clinic     | 141         | 90           | as_of   || unoptimised
        79  | yes          | clinic     | 140         | 91           | as_of   || unoptimised
        79  | yes          | clinic     | 141         | 91           | as_of   || unoptimised
        79  | yes          | clinic     | 50          | 20           | as_of   || optimised
        79  | yes          | -          | 140         | 90           | as_of   || optimised
        79  | yes          | -          | 141         | 90           | as_of   || unoptimised
        79  | yes          | home       | 135         | 85           | as_of   || optimised
        79  | yes          | home       | 136         | 85           | as_of   || unoptimised
        79  | yes          | home       | 135         | 86           | as_of   || unoptimised
    """)


def test_target_from_80() -> None:
    """80 and over: 150/90 in the clinic, 145/85 at home."""
    check("""
        age | hypertension | bp_setting | systolic_bp | diastolic_bp | bp_date || hypertension_status
        80  | yes          | clinic     | 150         | 90           | as_of   || optimised
        80  | yes          | clinic     | 151         | 90           | as_of   || unoptimised
        80  | yes          | clinic     | 150         | 91           | as_of   || unoptimised
        80  | yes          | -          | 150         | 90           | as_of   || optimised
        80  | yes          | home       | 145         | 85           | as_of   || optimised
        80  | yes          | home       | 146         | 85           | as_of   || unoptimised
        80  | yes          | home       | 145         | 86           | as_of   || unoptimised
        120 | yes          | clinic     | 150         | 90           | as_of   || optimised
    """)


def test_target_on_the_80th_birthday() -> None:
    """On the day before the 80th birthday 150 is too high. On the birthday it is not."""
    check("""
        date_of_birth | hypertension | systolic_bp | diastolic_bp | bp_date || hypertension_status
        as_of-80y+1d  | yes          | 150         | 90           | as_of   || unoptimised
        as_of-80y     | yes          | 150         | 90           | as_of   || optimised
    """)


def test_under_the_threshold_by_choice() -> None:
    """With `target_met_at_threshold` false, as in NICE's guideline, the reading must be under the target."""
    check(
        """
        age | hypertension | bp_setting | systolic_bp | diastolic_bp | bp_date || hypertension_status
        79  | yes          | clinic     | 139         | 89           | as_of   || optimised
        79  | yes          | clinic     | 140         | 89           | as_of   || unoptimised
        79  | yes          | clinic     | 139         | 90           | as_of   || unoptimised
        79  | yes          | home       | 134         | 84           | as_of   || optimised
        79  | yes          | home       | 135         | 84           | as_of   || unoptimised
        79  | yes          | home       | 134         | 85           | as_of   || unoptimised
        80  | yes          | clinic     | 149         | 89           | as_of   || optimised
        80  | yes          | clinic     | 150         | 89           | as_of   || unoptimised
        80  | yes          | home       | 144         | 84           | as_of   || optimised
        80  | yes          | home       | 145         | 84           | as_of   || unoptimised
        50  | no           | clinic     | 140         | 60           | as_of   || undiagnosed
        50  | no           | clinic     | 139         | 89           | as_of   || none
        """,
        pack=local_pack(STRICT),
    )


def test_diagnosed_without_a_usable_reading() -> None:
    """Somebody without both values of a recent reading is not optimised."""
    check("""
        age | hypertension | systolic_bp | diastolic_bp | bp_date || hypertension_status | set_aside
        50  | yes          | -           | -            | -       || unoptimised         | -
        50  | yes          | 120         | -            | as_of   || unoptimised         | -
        50  | yes          | -           | 70           | as_of   || unoptimised         | -
        50  | yes          | 120         | 70           | -       || unoptimised         | -
        50  | yes          | 120         | 70           | as_of+1d|| unoptimised         | bp_date
        50  | yes          | 49          | 70           | as_of   || unoptimised         | systolic_bp
        50  | yes          | 301         | 70           | as_of   || unoptimised         | systolic_bp
        50  | yes          | 120         | 19           | as_of   || unoptimised         | diastolic_bp
        50  | yes          | 120         | 201          | as_of   || unoptimised         | diastolic_bp
        50  | yes          | 120         | 70           | as_of   || optimised           | -
    """)


def test_recent_is_12_months_both_ends_included() -> None:
    """From the same day 12 months earlier to the as-of date."""
    check("""
        age | hypertension | systolic_bp | diastolic_bp | bp_date      || hypertension_status
        50  | yes          | 120         | 70           | as_of        || optimised
        50  | yes          | 120         | 70           | as_of-12m+1d || optimised
        50  | yes          | 120         | 70           | as_of-12m    || optimised
        50  | yes          | 120         | 70           | as_of-12m-1d || unoptimised
        50  | yes          | 120         | 70           | as_of-24m    || unoptimised
    """)


def test_undiagnosed() -> None:
    """Not diagnosed: a reading in the last 24 months of 140 systolic or 90 diastolic or more; at home 135 or 85."""
    check("""
        age | hypertension | bp_setting | systolic_bp | diastolic_bp | bp_date || hypertension_status
        50  | no           | clinic     | 140         | 89           | as_of   || undiagnosed
        50  | no           | clinic     | 139         | 90           | as_of   || undiagnosed
        50  | no           | clinic     | 139         | 89           | as_of   || none
        50  | no           | home       | 135         | 84           | as_of   || undiagnosed
        50  | no           | home       | 134         | 85           | as_of   || undiagnosed
        50  | no           | home       | 134         | 84           | as_of   || none
        50  | no           | -          | 139         | 89           | as_of   || none
        50  | -            | -          | 140         | -            | as_of   || undiagnosed
        50  | -            | -          | -           | 90           | as_of   || undiagnosed
        50  | -            | -          | 139         | -            | as_of   || none
        50  | -            | -          | -           | 89           | as_of   || none
        50  | -            | -          | -           | -            | as_of   || none
        50  | -            | -          | 180         | 120          | -       || none
        90  | -            | -          | 140         | 60           | as_of   || undiagnosed
        90  | -            | -          | 139         | 60           | as_of   || none
        18  | -            | -          | 140         | 60           | as_of   || undiagnosed
        17  | -            | -          | 140         | 60           | as_of   || -
        17  | yes          | -          | 120         | 60           | as_of   || -
    """)


def test_looked_back_is_24_months_both_ends_included() -> None:
    """An undiagnosed high reading counts for 24 months."""
    check("""
        age | systolic_bp | bp_date      || hypertension_status
        50  | 150         | as_of        || undiagnosed
        50  | 150         | as_of-12m-1d || undiagnosed
        50  | 150         | as_of-24m    || undiagnosed
        50  | 150         | as_of-24m-1d || none
        50  | 150         | as_of+1d     || none
    """)


@pytest.mark.parametrize(
    ("as_of", "first", "before", "back", "before_back"),
    [
        ("2025-03-31", "2024-03-31", "2024-03-30", "2023-03-31", "2023-03-30"),
        ("2024-02-29", "2023-02-28", "2023-02-27", "2022-02-28", "2022-02-27"),
        ("2025-02-28", "2024-02-28", "2024-02-27", "2023-02-28", "2023-02-27"),
        ("2025-03-01", "2024-03-01", "2024-02-29", "2023-03-01", "2023-02-28"),
        ("2026-02-28", "2025-02-28", "2025-02-27", "2024-02-28", "2024-02-27"),
        ("2026-01-01", "2025-01-01", "2024-12-31", "2024-01-01", "2023-12-31"),
        ("2100-02-28", "2099-02-28", "2099-02-27", "2098-02-28", "2098-02-27"),
    ],
)
def test_first_days_of_the_windows(as_of: str, first: str, before: str, back: str, before_back: str) -> None:
    """The window starts on the same day of the month, or on the last day of a shorter month. From 29 February it starts on the 28th."""
    check(
        f"""
        age | hypertension | systolic_bp | diastolic_bp | bp_date       || hypertension_status
        50  | yes          | 120         | 70           | {first}       || optimised
        50  | yes          | 120         | 70           | {before}      || unoptimised
        50  | yes          | 120         | 70           | {as_of}       || optimised
        50  | no           | 150         | 70           | {back}        || undiagnosed
        50  | no           | 150         | 70           | {before_back} || none
        """,
        as_of=as_of,
    )


def test_windows_of_other_lengths_clip_to_the_month() -> None:
    """With windows of 1 and 6 months from 31 March 2025, they start on 28 February 2025 and 30 September 2024."""
    pack = local_pack("[windows.recent]\nmonths = 1\n[windows.looked_back]\nmonths = 6\n")
    check(
        """
        age | hypertension | systolic_bp | diastolic_bp | bp_date    || hypertension_status
        50  | yes          | 120         | 70           | 2025-02-28 || optimised
        50  | yes          | 120         | 70           | 2025-02-27 || unoptimised
        50  | no           | 150         | 70           | 2024-09-30 || undiagnosed
        50  | no           | 150         | 70           | 2024-09-29 || none
        """,
        as_of="2025-03-31",
        pack=pack,
    )


def test_no_column_of_dates_at_all() -> None:
    """If the table has no `bp_date`, readings count as current. If it has one and it is null, they do not."""
    table = """
        age | hypertension | systolic_bp | diastolic_bp || hypertension_status
        50  | yes          | 120         | 70           || {}
        50  | yes          | 150         | 70           || unoptimised
        50  | yes          | 120         | -            || unoptimised
        50  | no           | 150         | 70           || {}
        50  | no           | 120         | 70           || none
    """
    check(table.format("optimised", "undiagnosed"), absent=["bp_date"])
    check(table.format("unoptimised", "none"))


def test_reading_before_birth() -> None:
    """A reading dated before the date of birth is not used. On the day of birth it is plausible."""
    check("""
        date_of_birth | hypertension | systolic_bp | diastolic_bp | bp_date      || hypertension_status | set_aside
        as_of-18y     | yes          | 120         | 70           | as_of-18y-1d || unoptimised         | bp_date
        as_of-18y     | yes          | 120         | 70           | as_of-18y    || unoptimised         | -
        as_of-18y     | yes          | 120         | 70           | 1899-12-31   || unoptimised         | bp_date
        -             | yes          | 120         | 70           | 1899-12-31   || -                   | bp_date
        -             | yes          | 120         | 70           | 1900-01-01   || -                   | -
    """)
