"""Diabetes: none, optimised, unoptimised, undiagnosed; adults only."""

from __future__ import annotations

import pyarrow as pa
import pytest
from spec_tables import check

pytestmark = pytest.mark.smoke

KINDS = pytest.mark.parametrize("kind", [pa.float32(), pa.float64()])


@KINDS
def test_target(kind: pa.DataType) -> None:
    """A recent HbA1c of 58 or less; 75 or less with moderate or severe frailty, not with mild."""
    check(
        """
        age | diabetes | hba1c | hba1c_date | frailty  || diabetes_status
        50  | yes      | 58    | as_of      | -        || optimised
        50  | yes      | 58.01 | as_of      | -        || unoptimised
        50  | yes      | 59    | as_of      | fit      || unoptimised
        50  | yes      | 59    | as_of      | mild     || unoptimised
        50  | yes      | 59    | as_of      | moderate || optimised
        50  | yes      | 75    | as_of      | moderate || optimised
        50  | yes      | 75    | as_of      | severe   || optimised
        50  | yes      | 75.01 | as_of      | moderate || unoptimised
        50  | yes      | 76    | as_of      | severe   || unoptimised
        50  | yes      | 15    | as_of      | -        || optimised
        50  | yes      | -     | as_of      | -        || unoptimised
        50  | yes      | 50    | -          | -        || unoptimised
        18  | yes      | 58    | as_of      | -        || optimised
        17  | yes      | 58    | as_of      | -        || -
        """,
        types={"hba1c": kind},
    )


@KINDS
def test_undiagnosed(kind: pa.DataType) -> None:
    """Not diagnosed: an HbA1c of 48 or more in the last 24 months, unless pregnant."""
    check(
        """
        age | diabetes | hba1c | hba1c_date | pregnant || diabetes_status
        50  | no       | 48    | as_of      | -        || undiagnosed
        50  | no       | 47.99 | as_of      | -        || none
        50  | no       | 48    | as_of      | no       || undiagnosed
        50  | no       | 48    | as_of      | yes      || none
        50  | no       | 120   | as_of      | yes      || none
        50  | -        | 48    | as_of      | -        || undiagnosed
        50  | no       | -     | as_of      | -        || none
        50  | no       | 60    | -          | -        || none
        50  | no       | 201   | as_of      | -        || none
        50  | yes      | 58    | as_of      | yes      || optimised
        18  | no       | 48    | as_of      | -        || undiagnosed
        17  | no       | 48    | as_of      | -        || -
        """,
        types={"hba1c": kind},
    )


def test_windows() -> None:
    """The last 12 months for the target, the last 24 for undiagnosed people; both ends included."""
    check("""
        age | diabetes | hba1c | hba1c_date   || diabetes_status
        50  | yes      | 50    | as_of-12m    || optimised
        50  | yes      | 50    | as_of-12m-1d || unoptimised
        50  | no       | 50    | as_of-12m-1d || undiagnosed
        50  | no       | 50    | as_of-24m    || undiagnosed
        50  | no       | 50    | as_of-24m-1d || none
        50  | no       | 50    | as_of+1d     || none
        50  | yes      | 50    | as_of+1d     || unoptimised
    """)


def test_no_column_of_dates_at_all() -> None:
    """If the table has no `hba1c_date`, values count as current."""
    check(
        """
        age | diabetes | hba1c || diabetes_status
        50  | yes      | 50    || optimised
        50  | yes      | 59    || unoptimised
        50  | no       | 50    || undiagnosed
        50  | no       | 47    || none
        """,
        absent=["hba1c_date"],
    )


def test_frailty_from_the_scale_and_the_index() -> None:
    """The higher target depends on the frailty category, whatever its source."""
    check("""
        age | diabetes | hba1c | hba1c_date | cfs | frailty | efi  || diabetes_status
        70  | yes      | 70    | as_of      | 5   | severe  | 0.5  || unoptimised
        70  | yes      | 70    | as_of      | 6   | fit     | 0.1  || optimised
        70  | yes      | 70    | as_of      | 9   | -       | -    || optimised
        70  | yes      | 70    | as_of      | -   | -       | 0.24 || unoptimised
        70  | yes      | 70    | as_of      | -   | -       | 0.25 || optimised
        70  | yes      | 70    | as_of      | -   | -       | 0.37 || optimised
    """)
