"""Over which period an outcome was seen, beside what a model says its risk is over."""

from __future__ import annotations

import re

_DAYS = {"day": 1.0, "week": 7.0, "month": 365.25 / 12, "year": 365.25}
_LENGTH = re.compile(rf"(\d+(?:\.\d+)?)[\s-]*({'|'.join(_DAYS)})s?\b", re.IGNORECASE)
_OFF = 0.05
"""Periods that differ by more are worth a note: 12 months, 365 and 366 days are one, 12 and 13 months are not."""


def days_of(text: str) -> float | None:
    """The days of a period such as "12 months", "5-year" or "365 days"; None where not exactly one is found."""
    found = _LENGTH.findall(text)
    return float(found[0][0]) * _DAYS[found[0][1].lower()] if len(found) == 1 else None


def compared(text: str, days: float | None, horizon: str = "") -> str:
    """What a reader should know of both: "the outcome is by day 365, as the model's risk is over '12 months'", or "the
    outcome is by day 200; the model says '12 months'" where they differ; nothing where the model says nothing.

    ``days`` is None where the outcomes do not say their period; ``horizon`` is the id of one of several.
    """
    if not text:
        return ""
    stated = f"{text!r}{f' (horizon {horizon})' if horizon else ''}"
    if days is not None and days_of(text) is not None and not differs(text, days):
        return f"the outcome is by day {days:g}, as the model's risk is over {stated}"
    outcome = "the outcomes do not say their period" if days is None else f"the outcome is by day {days:g}"
    return f"{outcome}; the model says {stated}"


def differs(text: str, days: float | None) -> str:
    """A note if the period that a model states and that of the outcome differ by more than 5%; else empty."""
    stated = days_of(text)
    if stated is None or days is None or abs(days - stated) <= _OFF * stated:
        return ""
    return f"the outcome is by day {days:g}, and the model's risk is over {text!r}: these periods differ"
