"""As-of arithmetic against the calendar itself."""

from __future__ import annotations

import calendar
import datetime as dt

import pytest

from popstrat.core.dates import EPOCH, completed_years, days, from_days, latest_birth_for, months_before, parse_as_of
from popstrat.errors import InputError

FOUR_YEARS = [dt.date(2023, 1, 1) + dt.timedelta(days=k) for k in range(1461)]


def test_completed_years_by_counting_birthdays() -> None:
    """Step by step through the days of a life: a year more on each birthday, on 1 March for one of 29 February."""
    for birth in (
        dt.date(2000, 2, 29),
        dt.date(1999, 2, 28),
        dt.date(2001, 3, 1),
        dt.date(1999, 12, 31),
        dt.date(1896, 2, 29),
    ):
        years = 0
        day = birth
        for _ in range(40_000):
            day += dt.timedelta(days=1)
            leap = calendar.isleap(day.year)
            birthday = (3, 1) if (birth.month, birth.day) == (2, 29) and not leap else (birth.month, birth.day)
            years += (day.month, day.day) == birthday
            assert completed_years(birth, day) == years, (birth, day)


def test_latest_birth_for_is_the_inverse() -> None:
    """Somebody born that day has completed the years; somebody born the day after has not."""
    for as_of in [
        *FOUR_YEARS[::7],
        *(dt.date(y, m, d) for y in (1999, 2000, 2024, 2025, 2100) for m, d in ((2, 28), (3, 1))),
    ]:
        for age in (0, 1, 2, 3, 4, 16, 18, 65, 99, 100, 120, 121):
            birth = latest_birth_for(age, as_of)
            assert completed_years(birth, as_of) == age, (age, as_of)
            assert completed_years(birth + dt.timedelta(days=1), as_of) < age or age == 0, (age, as_of)


def test_months_before_is_the_same_day_clipped() -> None:
    """Every day of four years and up to 30 months back: that month, that day, or the month's last."""
    for date in FOUR_YEARS:
        for months in (0, 1, 2, 3, 6, 11, 12, 13, 24, 30):
            found = months_before(date, months)
            assert (date.year * 12 + date.month) - (found.year * 12 + found.month) == months
            last = calendar.monthrange(found.year, found.month)[1]
            assert found.day == min(date.day, last)


def test_months_before_the_calendar() -> None:
    """Never an error: before the year 1 it is the first of dates."""
    assert months_before(dt.date(50, 6, 30), 1800) == dt.date.min
    assert months_before(dt.date(1, 1, 31), 1) == dt.date.min
    assert months_before(dt.date(1, 2, 28), 1) == dt.date(1, 1, 28)
    assert latest_birth_for(121, dt.date(100, 1, 1)) == dt.date.min


def test_days_count_from_1970() -> None:
    """As Arrow's date32 does, before 1970 as well."""
    assert days(EPOCH) == 0
    assert days(dt.date(1970, 1, 2)) == 1
    assert days(dt.date(1900, 1, 1)) == -25567
    for number in (-25567, -1, 0, 20634, 10**5):
        assert days(from_days(number)) == number


@pytest.mark.parametrize(
    ("value", "date"),
    [
        ("2026-06-30", dt.date(2026, 6, 30)),
        (dt.date(2024, 2, 29), dt.date(2024, 2, 29)),
        (dt.datetime(2024, 2, 29, 23, 59), dt.date(2024, 2, 29)),
    ],
)
def test_as_of(value: object, date: dt.date) -> None:
    """ISO text, a date, a moment."""
    assert parse_as_of(value) == date  # type: ignore[arg-type]


def test_as_of_is_today_if_not_given() -> None:
    """None stands for today."""
    assert abs((parse_as_of(None) - dt.date.today()).days) <= 1


@pytest.mark.parametrize("value", ["30/06/2026", "2026-6-30", "2026-02-29", "", "today", 20260630, "2026-06", 3.5])
def test_as_of_that_is_no_date(value: object) -> None:
    """One clear message."""
    with pytest.raises(InputError, match="not a date like 2026-06-30"):
        parse_as_of(value)  # type: ignore[arg-type]
