"""As-of arithmetic: completed years and calendar windows, in plain Python."""

from __future__ import annotations

import calendar
import datetime as dt
import warnings

from popstrat.errors import AsOfWarning, InputError

EPOCH = dt.date(1970, 1, 1)


def parse_as_of(value: str | dt.date | None) -> dt.date:
    """An as-of date from ISO text, a date or a datetime; None is today. Raises `InputError` for anything else."""
    if value is None:
        return dt.date.today()
    if isinstance(value, dt.datetime):
        return value.date()
    if isinstance(value, dt.date):
        return value
    try:
        return dt.date.fromisoformat(value)
    except (TypeError, ValueError):
        raise InputError(f"the as-of date {value!r} is not a date like 2026-06-30") from None


def as_of_date(value: str | dt.date | None, stacklevel: int = 3) -> dt.date:
    """As `parse_as_of`, for whoever calls the library: today is taken with an `AsOfWarning`."""
    if value is None:
        today = dt.date.today().isoformat()
        told = f"no as-of date was given, so today, {today}, was used: give one, or results change from day to day"
        warnings.warn(told, AsOfWarning, stacklevel=stacklevel)
    return parse_as_of(value)


def days(date: dt.date) -> int:
    """Days since 1970-01-01, as Arrow's date32 counts them."""
    return (date - EPOCH).days


def from_days(number: int) -> dt.date:
    """The date `number` days after 1970-01-01."""
    return EPOCH + dt.timedelta(days=number)


def months_before(date: dt.date, months: int) -> dt.date:
    """The same day `months` calendar months earlier, clipped to that month's last day."""
    index = date.year * 12 + date.month - 1 - months
    year, month = divmod(index, 12)
    if year < 1:
        return dt.date.min
    return dt.date(year, month + 1, min(date.day, calendar.monthrange(year, month + 1)[1]))


def completed_years(birth: dt.date, as_of: dt.date) -> int:
    """Birthdays reached by the as-of date; somebody born on 29 February has theirs on 1 March in other years."""
    return as_of.year - birth.year - ((as_of.month, as_of.day) < (birth.month, birth.day))


def latest_birth_for(age: int, as_of: dt.date) -> dt.date:
    """The latest date of birth of a person who has completed `age` years at the as-of date."""
    year = as_of.year - age
    if year < 1:
        return dt.date.min
    return dt.date(year, as_of.month, min(as_of.day, calendar.monthrange(year, as_of.month)[1]))
