"""How numbers, dates and what is withheld are written for people."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from popstrat.core import numbers as n

WRITTEN = [
    (n.count(1234567), "1,234,567"),
    (n.count(None), "withheld"),
    (n.count(-1200), "−1,200"),
    (n.plural(1, "practice"), "1 practice"),
    (n.plural(1200, "practice"), "1,200 practices"),
    (n.plural(2, "person", "people"), "2 people"),
    (n.decimal(-0.25), "−0.25"),
    (n.decimal(-0.001), "0.00"),
    (n.decimal(None), "–"),
    (n.percent(0.1148), "11.5%"),
    (n.percent(0.1), "10.0%"),
    (n.percent(0), "0.0%"),
    (n.percent(1), "100.0%"),
    (n.percent(0.0042), "0.42%"),
    (n.percent(0.00001), "under 0.01%"),
    (n.percent(0.99999), "over 99.9%"),
    (n.percent(0.998, 0), "over 99%"),
    (n.percent(None), "withheld"),
    (n.percent(-0.05), "−5.0%"),
    (n.stated(0.1), "10%"),
    (n.stated(0.015), "1.5%"),
    (n.stated(0.998), "99.8%"),
    (n.percentage_points(0.023), "+2.3 points"),
    (n.percentage_points(-0.023), "−2.3 points"),
    (n.percentage_points(0.0001), "0.0 points"),
    (n.pounds(1206.4), "£1,206"),
    (n.pounds(-1206.4), "−£1,206"),
    (n.span("10", "20"), "10–20"),
    (n.span("10.2%", "11.5%"), "10.2–11.5%"),
    (n.span("−0.5", "0.3"), "−0.5 to 0.3"),
    (n.span("under 0.01%", "0.2%"), "under 0.01% to 0.2%"),
    (n.day(dt.date(2026, 3, 2)), "2 March 2026"),
    (n.day("2026-03-02"), "2 March 2026"),
    (n.day("not known"), "not known"),
    (n.month("2026-03-02"), "March 2026"),
    (n.short_month("2026-03-02"), "Mar 26"),
    (n.duration(0.412), "0.41 s"),
    (n.duration(3.21), "3.2 s"),
    (n.duration(59.9), "1 min"),
    (n.duration(200), "3 min 20 s"),
    (n.duration(3900), "1 h 5 min"),
]


@pytest.mark.parametrize(("written", "expected"), WRITTEN)
def test_written(written: str, expected: str) -> None:
    assert written == expected


@given(st.floats(0, 1))
@example(0.9995)
@example(0.995)
@example(0.0005)
def test_only_nothing_is_written_as_nothing_and_all_as_all(share: float) -> None:
    for digits in (None, 0, 1, 2):
        told = n.percent(share, digits)
        assert (re.fullmatch(r"0(\.0+)?%", told) is not None) == (share == 0)
        assert (re.fullmatch(r"100(\.0+)?%", told) is not None) == (share == 1)


@given(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9))
def test_a_span_is_never_read_as_a_minus(low: float, high: float) -> None:
    told = n.span(n.decimal(low), n.decimal(high))
    assert ("–" in told) != (" to " in told)
    if low < -1 or high < -1:
        assert " to " in told
