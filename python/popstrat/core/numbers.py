"""How numbers, dates and what is withheld are written for people: one way, on every page and on the terminal.

Thousands have commas, a percentage has no space before its sign, a span has an en dash, a minus is a minus, and a date
is 2 March 2026. Files that programs read (CSV, JSON) have plain numbers and ISO dates instead.
"""

from __future__ import annotations

import datetime as dt

WITHHELD = "withheld"
"""In the place of a figure that disclosure control keeps back; `WITHHELD_MEANS` stands beside the table."""
WITHHELD_MEANS = (
    "“withheld”: too few people to publish, or another figure could be worked out from it. It may be small or large."
)
NOTHING = "–"
"""In the place of a figure that there is not: not asked for, or not defined."""
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip


def count(value: float | None, none: str = WITHHELD) -> str:
    """A whole number of people, practices, …: 12,345."""
    return none if value is None else _minus(f"{round(value):,}")


def plural(value: int, one: str, many: str = "") -> str:
    """A count with its noun: 1 practice, 12 practices."""
    return f"{value:,} {one if value == 1 else many or one + 's'}"


def decimal(value: float | None, digits: int = 2, none: str = NOTHING) -> str:
    """A number with so many decimals: −0.25."""
    return none if value is None else _minus(f"{round(value, digits) + 0.0:,.{digits}f}")


def percent(share: float | None, digits: int | None = None, none: str = WITHHELD) -> str:
    """A share of 1 that was measured: 11.5%. With one decimal, under 1% with two, unless ``digits`` are given; what is
    neither nothing nor all is never written as either."""
    if share is None:
        return none
    value = 100 * share
    if digits is None:
        digits = 1 if abs(value) >= 0.995 or value == 0 else 2
    least, rounded = 10.0**-digits, round(value, digits)
    if share > 0 and rounded == 0:
        return f"under {least:.{digits}f}%"
    if share < 1 and rounded == 100:
        return f"over {100 - least:.{digits}f}%"
    return _minus(f"{rounded + 0.0:,.{digits}f}%")


def stated(share: float) -> str:
    """A share that somebody chose, with the digits that it was given: 10%, 1.5%, 99.8%."""
    return _minus(f"{100 * share:.10g}%")


def percentage_points(difference: float | None, digits: int = 1, none: str = WITHHELD) -> str:
    """A difference of two shares: +2.3 points."""
    if difference is None:
        return none
    value = round(100 * difference, digits) + 0.0
    return _minus(f"{value:+.{digits}f} points") if value else f"{value:.{digits}f} points"


def pounds(value: float | None, none: str = WITHHELD) -> str:
    """Money in whole pounds: £1,206."""
    return none if value is None else _minus(f"-£{-round(value):,}" if round(value) < 0 else f"£{round(value):,}")


def span(low: str, high: str) -> str:
    """From one written number to another: 10–20, 10.2–11.5%; with "to" where a dash could be read as a minus or an end
    is in words."""
    if not (low[:1].isdigit() and high[:1].isdigit()):
        return f"{low} to {high}"
    return f"{low.removesuffix('%') if high.endswith('%') else low}–{high}"


def day(date: dt.date | str) -> str:
    """2 March 2026, whatever the machine's language; ISO text too, and text that is no date as it is."""
    found = _date(date)
    return str(date) if found is None else f"{found.day} {_MONTHS[found.month - 1]} {found.year}"


def short_day(date: dt.date | str) -> str:
    """2 Mar 2026, for narrow columns."""
    found = _date(date)
    return str(date) if found is None else f"{found.day} {_MONTHS[found.month - 1][:3]} {found.year}"


def month(date: dt.date | str) -> str:
    """March 2026."""
    found = _date(date)
    return str(date) if found is None else f"{_MONTHS[found.month - 1]} {found.year}"


def short_month(date: dt.date | str) -> str:
    """Mar 26, for the axis of a chart."""
    found = _date(date)
    return str(date) if found is None else f"{_MONTHS[found.month - 1][:3]} {found.year % 100:02}"


def duration(seconds: float) -> str:
    """How long something takes: 0.41 s, 12 s, 3 min 20 s, 1 h 5 min."""
    if seconds < 9.95:
        return f"{seconds:.2f} s" if seconds < 0.995 else f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"


def _date(date: dt.date | str) -> dt.date | None:
    if isinstance(date, dt.datetime):
        return date.date()
    if isinstance(date, dt.date):
        return date
    try:
        return dt.date.fromisoformat(date)
    except ValueError:
        return None


def _minus(text: str) -> str:
    return text.replace("-", "−", 1) if text.startswith("-") else text
