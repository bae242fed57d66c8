"""Age: completed years at the as-of date, from the date of birth; without one, the age given."""

# ruff: noqa: E501 (tables are as wide as they need to be)

from __future__ import annotations

import pytest
from spec_tables import check

pytestmark = pytest.mark.smoke


def test_birthdays() -> None:
    """A year is completed on the birthday itself, not the day before. Ages of 0 to 120 are plausible."""
    check("""
        date_of_birth  || age | set_aside
        as_of          || 0   | -
        as_of-1d       || 0   | -
        as_of-1y+1d    || 0   | -
        as_of-1y       || 1   | -
        as_of-16y+1d   || 15  | -
        as_of-16y      || 16  | -
        as_of-18y+1d   || 17  | -
        as_of-18y      || 18  | -
        as_of-18y-1d   || 18  | -
        as_of-65y+1d   || 64  | -
        as_of-65y      || 65  | -
        as_of-75y+1d   || 74  | -
        as_of-75y      || 75  | -
        as_of-80y+1d   || 79  | -
        as_of-80y      || 80  | -
        as_of-120y     || 120 | -
        as_of-121y+1d  || 120 | -
        as_of-121y     || -   | date_of_birth
        1900-01-01     || -   | date_of_birth
        as_of+1d       || -   | date_of_birth
        as_of+1y       || -   | date_of_birth
        -              || -   | -
    """)


def test_born_on_29_february() -> None:
    """Somebody born on 29 February completes the year on 1 March if there is no 29 February."""
    born = """
        date_of_birth || age
        2008-02-29    || {0}
        1960-02-29    || {1}
        1944-02-29    || {2}
        2008-02-28    || {3}
        2008-03-01    || {4}
    """
    for as_of, ages in {
        "2026-02-27": (17, 65, 81, 17, 17),
        "2026-02-28": (17, 65, 81, 18, 17),
        "2026-03-01": (18, 66, 82, 18, 18),
        "2028-02-28": (19, 67, 83, 20, 19),
        "2028-02-29": (20, 68, 84, 20, 19),
        "2028-03-01": (20, 68, 84, 20, 20),
    }.items():
        check(born.format(*ages), as_of=as_of)


@pytest.mark.parametrize("as_of", ["2028-02-29", "2025-02-28", "2026-01-01", "2025-12-31", "2025-03-31", "2029-04-30"])
def test_as_of_dates_at_the_ends_of_months(as_of: str) -> None:
    """The birthday counts whatever the as-of date is."""
    year, month, day = map(int, as_of.split("-"))
    rows = []
    for age in (0, 1, 17, 18, 64, 65, 79, 80, 96, 119, 120):
        leap = (year - age) % 4 == 0 and ((year - age) % 100 != 0 or (year - age) % 400 == 0)
        if (month, day) == (2, 29) and not leap:  # on 28 February they have completed it, on 1 March not
            rows += [f"{year - age}-02-28 || {age}", f"{year - age}-03-01 || {age - 1 if age else '-'}"]
        else:
            rows += [f"{year - age}-{month:02}-{day:02} || {age}"]
    check("date_of_birth || age\n" + "\n".join(rows), as_of=as_of)


def test_dates_of_birth_before_1900_are_implausible() -> None:
    """The earliest plausible date is 1 January 1900, whatever the as-of date."""
    check(
        """
        date_of_birth || age | set_aside
        1899-12-31    || -   | date_of_birth
        1900-01-01    || 60  | -
        1900-02-28    || 60  | -
        1900-03-01    || 60  | -
        1960-06-30    || 0   | -
        1960-07-01    || -   | date_of_birth
        """,
        as_of="1960-06-30",
    )


def test_120_years_across_1900() -> None:
    """1900 had no 29 February. Ages are right on both sides of it."""
    check(
        """
        date_of_birth || age | set_aside
        1900-02-28    || 120 | -
        1900-03-01    || 119 | -
        1901-02-28    || 119 | -
        1901-03-01    || 118 | -
        1900-01-01    || 120 | -
        1904-02-29    || 116 | -
        """,
        as_of="2020-02-29",
    )


def test_age_given_where_there_is_no_date_of_birth() -> None:
    """The date of birth is used. If it is null or implausible, the age given is used."""
    check("""
        date_of_birth | age  || age | set_aside
        as_of-40y     | 70   || 40  | -
        -             | 70   || 70  | -
        as_of+1d      | 70   || 70  | date_of_birth
        as_of-40y     | 121  || 40  | age
        -             | 121  || -   | age
        -             | -1   || -   | age
        -             | 0    || 0   | -
        -             | 120  || 120 | -
        -             | 17.9 || 17  | -
        -             | 300  || -   | age
        -             | 70000|| -   | age
        -             | nan  || -   | age
        -             | -    || -   | -
    """)
    check(
        """
        age || age | nwl_risk_group
        17  || 17  | -
        18  || 18  | well
        """,
        absent=["date_of_birth"],
    )


def test_unknown_age() -> None:
    """A person of unknown age is in no group that needs an age. Bridges to Health and the cost tree work without an age."""
    check("""
        age | hypertension | cancer | homeless || nwl_risk_group | whole_systems_segment | bridges_to_health_segment
        -   | -            | -      | -        || -              | -                     | healthy
        -   | yes          | yes    | yes      || -              | -                     | ltc
    """)
    check("""
        age | hypertension | ckd | systolic_bp | diastolic_bp | bp_date || hypertension_status | ckd_status | cvrm_unoptimised_count | cvrm_rag
        -   | yes          | yes | 180         | 120          | as_of   || -                   | -          | -                      | -
        17  | yes          | yes | 180         | 120          | as_of   || -                   | -          | -                      | -
        18  | yes          | yes | 180         | 120          | as_of   || unoptimised         | unoptimised| 2                      | amber
    """)
    check("""
        age || admission_risk | admission_risk_band | inputs_missing | frailty_int_segment | mltc_int_segment | cyp_int_segment
        -   || -              | -                   | -              | no                  | no               | no
    """)
    check("""
        age | complex_needs | end_of_life || cyp_int_segment | frailty_int_priority | mltc_int_priority
        -   | yes           | yes         || no              | no                   | no
    """)
