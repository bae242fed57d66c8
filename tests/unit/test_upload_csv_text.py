"""Cells and lines of upload files: against Python's own formatting and csv reader, value by value."""

from __future__ import annotations

import csv
import datetime as dt
import io
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from popstrat.errors import InputError
from popstrat.upload import csv_text
from popstrat.upload.templates.columns import FileColumn
from popstrat.upload.templates.dialect import DATE_FORMATS, Dialect, format_date

ROLE_OF: dict[str, Any] = {"text": pa.string(), "number": pa.float64()}
LETTERS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=8)
TEXTS = st.lists(
    st.one_of(st.none(), LETTERS, st.sampled_from(["a,b", 'say "x"', "=1", "-2", "@x", "+", "a;b|c"])), max_size=20
)
DIALECTS = st.builds(
    Dialect,
    encoding=st.just("utf-8"),
    line_end=st.sampled_from(["\r\n", "\n"]),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    quoting=st.sampled_from(["minimal", "text", "all"]),
)


def content(column: FileColumn, values: pa.Array, dialect: Dialect | None = None) -> list[str]:
    found = csv_text.cell_texts(column, {column.source: values}, len(values), dialect or Dialect())
    texts: list[str] = csv_text.decoded(found).to_pylist()
    return texts


@given(TEXTS, TEXTS, DIALECTS)
def test_what_is_written_is_read_back(first: list[str | None], second: list[str | None], dialect: Dialect) -> None:
    rows = min(len(first), len(second))
    columns = (FileColumn("one, name", "a"), FileColumn('the "other"', "b", null="?"))
    data = {"a": pa.array(first[:rows], pa.string()), "b": pa.array(second[:rows], pa.string())}
    texts = [csv_text.cell_texts(c, data, rows, dialect) for c in columns]
    body = csv_text.lines(texts, columns, dialect)
    raw = csv_text.header(columns, dialect) + b"".join(bytes(s) for s in csv_text.slices(body, [0, rows // 2, rows]))
    reader = csv.reader(io.StringIO(raw.decode(), newline=""), delimiter=dialect.delimiter, strict=True)
    header, *found = reader

    def safe(text: str | None, null: str) -> str:
        return null if text is None else "'" + text if text[:1] in tuple("=+-@") and text else text

    assert header == ["one, name", 'the "other"']
    assert found == [[safe(a, ""), safe(b, "?")] for a, b in zip(first[:rows], second[:rows], strict=True)]
    assert raw.decode().count(dialect.line_end) == rows + 1


@given(st.lists(st.one_of(st.none(), st.integers(-(10**9), 10**9)), max_size=30), st.integers(0, 6))
def test_numbers_have_the_decimals_asked_for(values: list[int | None], decimals: int) -> None:
    """Of numbers of six places, as scores are; ties go to the even neighbour, as in packs."""
    numbers = [None if v is None else v / 1e6 for v in values]
    found = content(FileColumn("n", "n", role="number", decimals=decimals, null="-"), pa.array(numbers, pa.float64()))

    def text(value: int | None) -> str:
        if value is None:
            return "-"
        exact = (Decimal(value) / 10**6).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_EVEN)
        return f"{exact:f}" if exact else f"{abs(exact):f}"

    assert found == [text(v) for v in values]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (19.0, "19"),
        (0.25, "0.25"),
        (1.2e-05, "0.000012"),
        (-0.5, "-0.5"),
        (100.0, "100"),
        (None, ""),
    ],
)
def test_numbers_without_decimals(value: float | None, text: str) -> None:
    assert content(FileColumn("n", "n", role="number"), pa.array([value], pa.float64())) == [text]


def test_whole_numbers_keep_every_digit() -> None:
    big = [2**64 - 1, 2**53 + 1, 0]
    assert content(FileColumn("n", "n", role="number"), pa.array(big, pa.uint64())) == [str(b) for b in big]
    keys = [2**63 - 1, -5, 4_000_000_012_656]
    assert content(FileColumn("k", "k", role="key"), pa.array(keys, pa.int64())) == [str(k) for k in keys]


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 1e300])
def test_numbers_that_are_none(value: float) -> None:
    with pytest.raises(InputError, match=r"that can be written \(row 2\)"):
        content(FileColumn("n", "n", role="number"), pa.array([1.0, value], pa.float64()))


@given(st.lists(st.one_of(st.none(), st.dates(dt.date(1900, 1, 1), dt.date(2100, 1, 1))), max_size=20))
def test_dates(values: list[dt.date | None]) -> None:
    days = pa.array(values, pa.date32()).cast(pa.int32())
    for form in DATE_FORMATS:
        found = content(FileColumn("d", "d", role="date", date_format=form), days)
        assert found == ["" if v is None else format_date(v, form) for v in values]


def test_date_formats() -> None:
    day = dt.date(2026, 3, 9)
    assert {form: format_date(day, form) for form in DATE_FORMATS} == {
        "yyyy-mm-dd": "2026-03-09",
        "dd/mm/yyyy": "09/03/2026",
        "dd-mmm-yyyy": "09-Mar-2026",
        "yyyymmdd": "20260309",
        "dd.mm.yyyy": "09.03.2026",
    }


def test_labels_flags_and_numbers_of_people() -> None:
    label = FileColumn("g", "g", role="label", texts=("High", None, "Low"), null="none")
    assert content(label, pa.array([0, 1, None, 2], pa.int16())) == ["High", "", "none", "Low"]
    flag = FileColumn("f", "f", role="flag", texts=("N", "Y"), null="?")
    assert content(flag, pa.array([True, None, False])) == ["Y", "?", "N"]
    number = FileColumn("n", "lookup.nhs_number", role="nhs_number", identifier=True)
    assert content(number, pa.array([9_990_000_018, 18])) == ["9990000018", "0000000018"]
    formula = Dialect(excel_text="formula")
    assert content(number, pa.array([9_990_000_018]), formula) == ['="9990000018"']
    code = FileColumn("c", "g", role="label", texts=("925791000000100",), identifier=True)
    assert content(code, pa.array([0, None], pa.int16()), formula) == ['="925791000000100"', ""]
    assert content(code, pa.array([0], pa.int16()), Dialect(excel_text="apostrophe")) == ["'925791000000100"]


def test_text_that_a_file_cannot_hold() -> None:
    cell = FileColumn("t", "t")
    for value in ("a\nb", "a\r", "a\x00b", "a\x85b", "a\u2028b", "\x7f"):
        with pytest.raises(InputError, match=r"control character \(row 2\)"):
            content(cell, pa.array(["ok", value]))
    assert content(cell, pa.array(["Ynys Môn", "€", "Ā", "àéü\u00a0"])) == ["Ynys Môn", "€", "Ā", "àéü\u00a0"]
    with pytest.raises(InputError, match=r"not in cp1252 \(row 3\)"):
        content(cell, pa.array(["Ynys Môn", "€", "Ā"]), Dialect(encoding="cp1252"))
    with pytest.raises(InputError, match=r"a formula in a spreadsheet \(row 1\)"):
        content(cell, pa.array(["=1"]), Dialect(formulas="refuse"))


@pytest.mark.parametrize("key", ["=1", "+1", "-1", "@x", "a,b", 'a"b', "a b", "", "a\nb", "é"])
def test_keys_that_are_not_plain_are_refused_not_changed(key: str) -> None:
    with pytest.raises(InputError, match="has an id of other characters"):
        content(FileColumn("k", "k", role="key"), pa.array(["ok", key]))


def test_keys_as_pseudonyms_come() -> None:
    keys = ["a1B2", "f00d-beef", "QUJD/+==", "x.y:z_1"]
    assert content(FileColumn("k", "k", role="key"), pa.array(keys)) == keys


def test_no_rows() -> None:
    columns = (FileColumn("a", "a"), FileColumn("n", "n", role="number", decimals=2), FileColumn("d", "d", role="date"))
    data = {"a": pa.array([], pa.string()), "n": pa.array([], pa.float64()), "d": pa.array([], pa.int32())}
    texts = [csv_text.cell_texts(c, data, 0, Dialect()) for c in columns]
    assert len(csv_text.lines(texts, columns, Dialect())) == 0


def test_slices_of_a_sliced_array() -> None:
    text = pa.array(["one\n", "two\n", "three\n", "four\n"], pa.large_string()).slice(1)
    assert [bytes(s) for s in csv_text.slices(text, [0, 1, 3])] == [b"two\n", b"three\nfour\n"]
    assert np.all(csv_text.encoded(memoryview("é".encode()), Dialect(encoding="cp1252")) == b"\xe9")
