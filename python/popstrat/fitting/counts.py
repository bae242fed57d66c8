"""Counts of people as they may leave the machine with a fitted pack."""

from __future__ import annotations

SMALL = 7


def rounded(count: float) -> int | str:
    """A count as it may be published: to the nearest 5, and nothing of 7 and fewer."""
    return "7 or fewer" if count <= SMALL else int(5 * round(count / 5))


def told(count: float) -> int | str:
    """The same, and nothing where nobody is counted."""
    return rounded(count) if count else 0


def in_words(count: float) -> str:
    """The same with thousands set apart."""
    shown = rounded(count)
    return f"{shown:,}" if isinstance(shown, int) else shown
