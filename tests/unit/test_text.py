"""What someone may have meant."""

from __future__ import annotations

import pytest

from popstrat.core.text import suggest

KNOWN = ["bmi", "systolic_bp", "Practice Code", "list-2026.parquet", "hba1c"]


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("bmj", "bmi"),
        ("BMI", "bmi"),
        ("systolicbp", "systolic_bp"),
        ("SYSTOLIC-BP", "systolic_bp"),
        ("practice_code", "Practice Code"),
        ("list_2026.parquet", "list-2026.parquet"),
        ("hba1", "hba1c"),
    ],
)
def test_near(word: str, meant: str) -> None:
    assert suggest(word, KNOWN) == f" (did you mean {meant!r}?)"


@pytest.mark.parametrize("word", ["", "bxy", "diastolic", "postcode"])
def test_far(word: str) -> None:
    assert suggest(word, KNOWN) == ""


def test_nothing_is_known() -> None:
    assert suggest("bmi", []) == ""


def test_of_several_the_nearest() -> None:
    assert suggest("mild", ["wild", "Mild"]) == " (did you mean 'Mild'?)"
