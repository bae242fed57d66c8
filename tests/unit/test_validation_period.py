"""The period of an outcome beside that of a model."""

from __future__ import annotations

import pytest

from popstrat.validation.period import compared, days_of, differs


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("12 months", 365.25),
        ("5-year", 5 * 365.25),
        ("1 year", 365.25),
        ("365 days", 365),
        ("within 26 weeks of discharge", 182),
        ("1.5 Years", 547.875),
        ("soon", None),
        ("12 m", None),
        ("1 to 2 years, or 24 months", None),
        ("12 monthly", None),
        ("", None),
    ],
)
def test_periods_in_words(text: str, days: float | None) -> None:
    assert days_of(text) == days


@pytest.mark.parametrize(
    ("text", "days", "noted"),
    [
        ("12 months", 365, False),
        ("12 months", 348, False),
        ("12 months", 346, True),
        ("12 months", 384, True),
        ("5 years", 365, True),
        ("5 years", 1826, False),
        ("12 months", None, False),
        ("a while", 30, False),
    ],
)
def test_a_note_beyond_five_per_cent(text: str, days: float | None, noted: bool) -> None:
    assert bool(differs(text, days)) == noted


def test_the_sentence() -> None:
    assert compared("12 months", 365) == "the outcome is by day 365, as the model's risk is over '12 months'"
    assert compared("2 years", 730, "m24") == (
        "the outcome is by day 730, as the model's risk is over '2 years' (horizon m24)"
    )
    assert compared("12 months", 200) == "the outcome is by day 200; the model says '12 months'"
    assert compared("a year or two", 365) == "the outcome is by day 365; the model says 'a year or two'"
    assert compared("12 months", None) == "the outcomes do not say their period; the model says '12 months'"
    assert compared("", 365) == ""
