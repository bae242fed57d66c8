"""Values as people write them: one function for a value, whichever way it came."""

from __future__ import annotations

import datetime as dt

_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip


def day(date: dt.date) -> str:
    """2 March 2026, whatever the machine's language."""
    return f"{date.day} {_MONTHS[date.month - 1]} {date.year}"


def number(value: float, precise: bool = False) -> str:
    """A number with one decimal, under 10 with two, without zeros at its end. ``precise``: with six digits, where fewer
    would make two numbers look alike."""
    value = float(value) + 0.0  # of two zeros one
    if value.is_integer() and abs(value) < 1e15:
        return f"{int(value):,}" if abs(value) >= 10_000 else f"{int(value)}"
    if not precise:
        text = f"{value:,.1f}" if abs(value) >= 10 else f"{value:.2f}"
        text = text.rstrip("0").rstrip(".")
        if text.strip("-0."):
            return text
    return f"{value:.6g}"


def percent(value: float, precise: bool = False) -> str:
    """A share in per cent with one decimal, of which only what is certain or impossible is all or nothing; ``precise``:
    as of `number`."""
    if precise:
        return f"{100 * value:.6g}%"
    if 0 < value < 0.0005:
        return "under 0.1%"
    return "over 99.9%" if 0.9995 <= value < 1 else f"{100 * value:.1f}%"
