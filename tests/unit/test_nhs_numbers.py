"""NHS numbers: the compiled check against the plain statement of the rule, over every kind of column."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from popstrat.engine.arrays.check_digits import weighted_mod11
from popstrat.errors import InputError
from popstrat.privacy import audit_log, identifiers, nhs_numbers
from popstrat.privacy.nhs_numbers import FAILED, MISSING, NOT_DIGITS, PASSED, PLACEHOLDER, check, passes

pytestmark = pytest.mark.smoke

KNOWN = [
    ("9990000018", PASSED),
    ("9990000026", PASSED),
    ("9990000019", FAILED),  # a wrong check digit
    ("9990000108", FAILED),  # two digits changed places
    ("9990000000", FAILED),  # the check would be 10
    ("999 000 0018", PASSED),  # as people write it
    (" 9990000018 ", PASSED),
    ("999-000-0018", NOT_DIGITS),
    ("999000001", NOT_DIGITS),
    ("99900000180", NOT_DIGITS),
    ("", NOT_DIGITS),
    ("9990000O18", NOT_DIGITS),
    ("+990000018", NOT_DIGITS),
    ("٩٩٩٠٠٠٠٠١٨", NOT_DIGITS),  # digits of another script
    ("9.99E+09", NOT_DIGITS),  # as a spreadsheet leaves it
    ("9999999999", PLACEHOLDER),
    ("0000000000", PLACEHOLDER),
    (None, MISSING),
]


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())]
)
def test_known_numbers(kind: pa.DataType) -> None:
    column = pa.array([text for text, _ in KNOWN], pa.string()).cast(kind)
    numbers, states = check(column)
    assert states.tolist() == [state for _, state in KNOWN]
    assert numbers[0] == 9_990_000_018
    for (text, state), number in zip(KNOWN, numbers.tolist(), strict=True):
        if text is not None and state not in (MISSING, NOT_DIGITS):
            assert f"{number:010}" == text.replace(" ", "")


DIGITS = st.text("0123456789", min_size=9, max_size=11)


@given(st.lists(st.one_of(st.none(), DIGITS, st.text(max_size=12)), max_size=40), st.integers(0, 5))
@example(["9990000018"], 0)
def test_text_is_judged_as_the_plain_rule_says(texts: list[str | None], cut: int) -> None:
    for kind in (pa.string(), pa.large_string()):
        column = pa.array(texts, kind).slice(cut)
        numbers, states = check(column)
        for text, number, state in zip(texts[cut:], numbers.tolist(), states.tolist(), strict=True):
            assert (state == PASSED) == (text is not None and passes(text.replace(" ", "")))
            assert (state == MISSING) == (text is None)
            if state == PASSED:
                assert text is not None
                assert f"{number:010}" == text.replace(" ", "")


@given(st.lists(st.one_of(st.none(), st.integers(-(10**11), 10**11), st.integers(10**9, 10**10)), max_size=40))
def test_whole_numbers_are_judged_as_the_plain_rule_says(values: list[int | None]) -> None:
    numbers, states = check(pa.array(values, pa.int64()))
    for value, number, state in zip(values, numbers.tolist(), states.tolist(), strict=True):
        assert (state == PASSED) == (value is not None and passes(str(value)))
        if state == PASSED:
            assert number == value


@pytest.mark.parametrize("digit", range(10))
def test_ten_equal_digits_are_nobodys(digit: int) -> None:
    """One rule wherever NHS numbers are recognised: what people type for "not known" is none, and hides none."""
    stand_in = str(digit) * 10
    assert not passes(stand_in)
    assert check(pa.array([stand_in]))[1].tolist() != [PASSED]
    audit_log.check_fields("score", {"batch": stand_in})
    numbers = [f"{n}{d}" for n in range(999_000_000, 999_000_012) for d in range(10) if passes(f"{n}{d}")]
    assert identifiers.looks_like_nhs_numbers(pa.array(numbers))
    assert identifiers.looks_like_nhs_numbers(pa.array([stand_in, *numbers, stand_in]))
    assert not identifiers.looks_like_nhs_numbers(pa.array([str(d) * 10 for d in range(10)]))


@pytest.mark.parametrize(
    ("digits", "valid"),
    [("9990000018", True), ("9990000019", False), ("999000001", False), ("99900000 8", False), ("٩٩٩٠٠٠٠٠١٨", False)],
)
def test_the_plain_rule(digits: str, valid: bool) -> None:
    assert passes(digits) is valid


def test_one_digit_in_eleven_numbers_is_right() -> None:
    """Each nine digits have one check digit or none (where it would be 10)."""
    nine = np.arange(999_000_000, 999_003_000)
    passed = [int((check(pa.array(nine * 10 + d))[1] == PASSED).sum()) for d in range(10)]
    assert sum(passed) == sum(any(passes(f"{n}{d}") for d in range(10)) for n in nine.tolist())


def test_a_wrong_digit_and_two_changed_places_are_always_found() -> None:
    good = "9990000018"
    for i in range(10):
        for d in "0123456789":
            if d != good[i]:
                assert not passes(good[:i] + d + good[i + 1 :])
    for i in range(9):
        swapped = good[:i] + good[i + 1] + good[i] + good[i + 2 :]
        assert swapped == good or not passes(swapped)


@pytest.mark.parametrize("kind", [pa.float64(), pa.float32(), pa.bool_(), pa.date32()])
def test_floats_and_others_are_refused(kind: pa.DataType) -> None:
    with pytest.raises(InputError, match="text or whole numbers"):
        check(pa.nulls(3, kind))


def test_odd_shapes() -> None:
    assert check(pa.array([], pa.string()))[0].tolist() == []
    assert check(pa.array([], pa.int64()))[1].tolist() == []
    assert check(pa.nulls(2))[1].tolist() == [MISSING, MISSING]
    assert check(pa.array([9_990_000_018, None], pa.uint64()))[1].tolist() == [PASSED, MISSING]
    assert check(pa.array([123, None], pa.int16()))[1].tolist() == [NOT_DIGITS, MISSING]
    assert check(pa.array([1, 2, 9_990_000_018, None, 5])[2:4])[1].tolist() == [PASSED, MISSING]


def test_ten_digits_of_text() -> None:
    numbers = np.array([9_990_000_018, 18, 0], np.int64)
    assert nhs_numbers.to_text(numbers).to_pylist() == ["9990000018", "0000000018", "0000000000"]
    assert nhs_numbers.to_text(numbers[:0]).to_pylist() == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"rows": 3},  # more than there are
        {"offset": -1},
        {"digits": 19},
        {"width": 3},
        {"numbers": bytearray(8)},
        {"states": bytearray(1)},
        {"text": b"", "values": np.array([0, 4, 9], np.int32), "width": 4},  # offsets beyond the text
        {"valid": b""},
    ],
)
def test_buffers_are_checked(wrong: dict[str, Any]) -> None:
    given: dict[str, Any] = {
        "values": np.array([1, 2], np.int64), "text": None, "valid": None, "offset": 0, "rows": 2, "width": 8,
        "digits": 10, "numbers": bytearray(16), "states": bytearray(2),
    }  # fmt: skip
    weighted_mod11(*given.values())
    with pytest.raises(ValueError):
        weighted_mod11(*{**given, **wrong}.values())


@given(st.integers(2, 18), st.lists(st.integers(0, 10**18 - 1), min_size=1, max_size=20))
def test_any_number_of_digits(digits: int, values: list[int]) -> None:
    """The kernel by itself, of 2 to 18 digits: the plain rule with as many weights."""
    values = [v % 10**digits for v in values]
    numbers, states = np.zeros(len(values), np.int64), np.zeros(len(values), np.uint8)
    weighted_mod11(np.array(values, np.int64), None, None, 0, len(values), 8, digits, numbers, states)
    for value, state in zip(values, states.tolist(), strict=True):
        text = str(value)
        total = sum(int(d) * w for d, w in zip(text, range(digits, 1, -1), strict=False))
        right = (11 - total % 11) % 11 == int(text[-1])
        assert state == (NOT_DIGITS if len(text) != digits else PASSED if right else FAILED)
