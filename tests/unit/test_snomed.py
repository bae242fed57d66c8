"""SNOMED CT identifiers: published codes pass; every single wrong digit and every swap of neighbours is found."""

from __future__ import annotations

import pytest

from popstrat.packs.snomed import problem

# Clinical Frailty Scale and frailty findings of the UK edition, and two of the international edition.
PUBLISHED = (
    "1129331000000101", "1129341000000105", "1129351000000108", "1129361000000106", "1129371000000104",
    "1129381000000102", "1129391000000100", "1129401000000102", "1129411000000100", "925791000000100",
    "925831000000107", "925861000000102", "73211009", "22298006",
)  # fmt: skip


@pytest.mark.parametrize("code", PUBLISHED)
def test_published_codes_and_slips_of_them(code: str) -> None:
    assert problem(code) == ""
    for i in range(len(code)):
        for digit in "0123456789":
            if digit != code[i]:
                assert problem(code[:i] + digit + code[i + 1 :])
    for i in range(len(code) - 1):
        if code[i] != code[i + 1]:
            assert problem(code[:i] + code[i + 1] + code[i] + code[i + 2 :])


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("", "is not digits only"),
        ("12345", "has 5 digits, not 6 to 18"),
        ("1" * 19, "has 19 digits, not 6 to 18"),
        ("73211009.0", "is not digits only"),
        ("9.25791E+14", "is not digits only"),
        ("٧٣٢١١٠٠٩", "is not digits only"),
        ("073211009", "begins with 0"),
        ("925791000000000", "has a wrong check digit"),  # as a spreadsheet leaves the 15th digit
    ],
)
def test_what_is_no_code(code: str, message: str) -> None:
    assert problem(code) == message
