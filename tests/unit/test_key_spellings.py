"""How keys and codes are spelt: the plain rule, and columns of every type held to it."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import popstrat
from popstrat import synthetic
from popstrat.engine.arrays import letters
from popstrat.errors import InputError
from popstrat.packs import keys
from popstrat.packs.keys import MadeNumber, as_read, code, key, notes
from popstrat.packs.keys import name as read_name

pytestmark = pytest.mark.smoke

NUMBER = "9990000018"
SAME_KEY = [
    NUMBER, f" {NUMBER}", f"{NUMBER}   ", f"\u00a0{NUMBER}\u00a0", f"\u200b{NUMBER}", f"{NUMBER}\ufeff",
    f"\t{NUMBER}\r", f"{NUMBER}\0\0", "999 000 0018", "999-000-0018", "999\u00a0000\u00a00018",
    "999\u2011000\u20110018", "999 - 000 - 0018", "9990000 018", "99900-00018", f'="{NUMBER}"', f"'{NUMBER}",
    f"'{NUMBER}'", f'"{NUMBER}"', f'= "{NUMBER}"', f"=\"'{NUMBER}\"", '="999 000 0018"', " '999-000-0018 ",
]  # fmt: skip
SAME_CODE = [
    "Y90001", "y90001", " Y90001", "Y90001  ", "y90001\u00a0", "Y9\u200b0001", '="Y90001"', "'y90001", '"Y90001"',
]  # fmt: skip
NONE = [
    "", " ", "\u00a0", "\u200b", "NULL", "null", " Null ", "(null)", "\\N", "N/A", "#N/A", "#REF!", "nan", "None",
    "<NA>", '=""', "'", '""', '=" "',
]  # fmt: skip
NUMBERS = [
    "4E+09", "4e+09", "9.43E+09", "9,43E+09", "9.43476591E9", "9.43E+009", " 4E+09 ", '="4E+09"', "9990000018.0",
    "12.00", "9990000018,0", "1,234", "9,990,000,018", "9,990,000,018.00", "########", "'120.0",
]  # fmt: skip
AS_THEY_ARE = [
    "a", "A", "0", "007", "7", "E10", "1.5", "12E", "e+5", "1.0.0", "12-34", "123-456", "o'brien", "a=b", "A 1", "x,y",
    "3f2504e0-4f89-11d3-9a0c-0305e82c3301", "1e2345678901", "5" * 32, "12345678-90", "99900-00019", "Practice 1", "-5",
    "12 34", "1E-05", "NA", "nulls",
]  # fmt: skip
FORMS = ["string", "large_string", "string_view", "dictionary", "large dictionary", "viewed dictionary"]


def as_form(values: Sequence[str | None], form: str) -> pa.Array:
    array = pa.array(values, pa.string())
    match form:
        case "string" | "large_string" | "string_view":
            return array.cast(getattr(pa, form)())
        case "dictionary":
            return array.dictionary_encode().cast(pa.dictionary(pa.int8(), pa.string()))
    codes = pa.array([None if v is None else i for i, v in enumerate(values)], pa.int16())
    kind = (
        pa.string_view() if form == "viewed dictionary" else pa.large_string()
    )  # entries that no row uses: refused if used
    return pa.DictionaryArray.from_arrays(codes, pa.array([v or "" for v in values] + ["4E+09", " x "], kind))


@pytest.mark.parametrize("text", SAME_KEY)
def test_one_key_however_it_is_written(text: str) -> None:
    assert key(text) == NUMBER


@pytest.mark.parametrize("text", SAME_CODE)
def test_one_code_however_it_is_written(text: str) -> None:
    assert code(text) == "Y90001"


@pytest.mark.parametrize("text", NONE)
def test_what_says_no_record(text: str) -> None:
    assert key(text) is None
    assert code(text) is None


@pytest.mark.parametrize("text", NUMBERS)
def test_what_was_made_a_number(text: str) -> None:
    assert isinstance(key(text), MadeNumber)
    assert isinstance(code(text), MadeNumber)


@pytest.mark.parametrize("text", AS_THEY_ARE)
def test_what_stays_as_it_is(text: str) -> None:
    assert key(text) == text
    assert code(text) == text


def test_where_keys_and_codes_differ() -> None:
    assert (code("5E1"), code("e85001"), code("site12")) == ("5E1", "E85001", "site12")
    assert isinstance(key("5E1"), MadeNumber)
    assert (key("e85001"), key("aB81001")) == ("e85001", "aB81001")
    assert code("999 000 0018") == "999 000 0018"


def test_what_is_read_is_read_as_itself() -> None:
    for text in [*SAME_KEY, *SAME_CODE, *AS_THEY_ARE]:
        for read in (key, code):
            found = read(text)
            assert isinstance(found, str)
            assert read(found) == found


@pytest.mark.parametrize("digits", [16, 32, 40, 64])
def test_digests_stay(digits: int) -> None:
    many = [secrets.token_hex(digits // 2) for _ in range(2000)]
    assert as_read(pa.array(many), "key", "x").respelt == 0


texts = st.none() | st.sampled_from([*SAME_KEY, *SAME_CODE, *NONE, *AS_THEY_ARE]) | st.text(max_size=14)
written = st.text(st.sampled_from(" \u00a0-0123456789Ee+.,='\"ay\u200b#"), max_size=14)


columns = st.lists(texts | written, max_size=40)


@given(columns, st.sampled_from(FORMS), st.sampled_from(["key", "code"]), st.integers(0, 4))
def test_columns_are_read_as_their_texts(values: list[str | None], form: str, kind: Any, skip: int) -> None:
    rule = key if kind == "key" else code
    meant = [None if v is None else rule(v) for v in values]
    bad = [i - skip for i, m in enumerate(meant) if isinstance(m, MadeNumber) and i >= skip]
    column = as_form(values, form).slice(skip)
    if bad:
        with pytest.raises(InputError, match=f"turned a {kind} into a number") as told:
            as_read(column, kind, "x")
        assert list(told.value.rows) == bad[:5]
        assert told.value.more == len(bad[5:])
        return
    found = as_read(column, kind, "x")
    found.column.validate(full=True)
    assert found.column.type == column.type
    assert found.column.to_pylist() == meant[skip:]
    again = as_read(found.column, kind, "x")
    assert (again.respelt, again.column.to_pylist()) == (0, meant[skip:])
    assert found.respelt == sum(a != b for a, b in zip(values[skip:], meant[skip:], strict=True))


CODES = ["Y00001", "A81001", "a81002", " B82003", "C83004", "NA", "", None, "1.5E+4", "Ä1"]


@given(
    st.lists(st.tuples(st.sampled_from(CODES), st.sampled_from([1, 2, 300])), max_size=8),
    st.integers(0, 300),
    st.booleans(),
    st.sampled_from([0, 3, 1024]),
)
def test_codes_of_a_sorted_list_are_read_as_their_texts(
    runs: list[tuple[str | None, int]], skip: int, wide: bool, few: int
) -> None:
    values = [text for text, times in runs for _ in range(times)]
    meant = [None if v is None else code(v) for v in values][skip:]
    kind = pa.large_string() if wide else pa.string()
    # under a null lies the text of the row before it, as where somebody set nulls by a mask
    under = [(values[i - 1] if i else None) or "C83004" if v is None else v for i, v in enumerate(values)]
    mask = np.array([v is None for v in values], np.bool_)
    held = pa.array(under, kind)
    bitmap = pa.py_buffer(np.packbits(~mask, bitorder="little").tobytes())
    column = pa.Array.from_buffers(kind, len(held), [bitmap, *held.buffers()[1:]]).slice(skip)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keys, "_FEW_CHANGES", few)
        if any(isinstance(m, MadeNumber) for m in meant):
            with pytest.raises(InputError, match="turned a code into a number"):
                as_read(column, "code", "x")
            return
        found = as_read(column, "code", "x")
    assert found.column.to_pylist() == meant
    assert found.respelt == sum(a != b for a, b in zip(values[skip:], meant, strict=True))


def test_numbers_and_clean_columns_are_passed_on() -> None:
    for column in (pa.array([1, 2]), pa.nulls(2), pa.array(["A1", "a-2"]), pa.array([NUMBER, None])):
        assert as_read(column, "key", "x").column is column


def test_text_that_is_not_utf8_stays() -> None:
    raw = pa.array([b"\xff\xfe ", b" a ", b"b"]).view(pa.string())
    found = as_read(raw, "key", "x")
    assert found.column.view(pa.binary()).to_pylist() == [b"\xff\xfe", b"a", b"b"]


def test_a_note_counts_and_names_no_value() -> None:
    told = notes({"patient_id": 1, "practice_code": 1200, "pcn_code": 0})
    assert [t.split(" written")[0] for t in told] == ["patient_id: 1 row is", "practice_code: 1,200 rows are"]


# -- the engine's look --------------------------------------------------------------------------------------------


def kinds_of(text: bytes) -> int:
    found = 0
    for byte in text:
        letter = chr(byte)
        known = letters.DIGIT if letter in "0123456789" else letters.JOINING if letter in "-_" else letters.OTHER
        if byte < 128 and letter.isalpha():
            known = letters.CAPITAL if letter.isupper() else letters.SMALL
        found |= known
    return found


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=40), st.booleans(), st.integers(0, 5))
def test_what_texts_are_made_of(values: list[bytes], wide: bool, skip: int) -> None:
    column = pa.array(values, pa.large_binary() if wide else pa.binary())[skip:]
    _, ends, text = column.buffers()
    each = np.full(len(column) + 1, 77, np.uint8)
    width = 8 if wide else 4
    kinds, shortest = letters.made_of(ends, text, column.offset, len(column), width, each)
    assert each.tolist() == [*map(kinds_of, values[skip:]), 77]
    assert kinds == int(np.bitwise_or.reduce(each[:-1], initial=0))
    assert shortest == min(map(len, values[skip:]), default=0)
    assert (kinds, shortest) == letters.made_of(ends, text, column.offset, len(column), width)


@pytest.mark.parametrize("ends", [[0, 5, 3, 8], [-1, 2, 3, 4], [0, 2, 3, 99], [2, 1, 3, 4]])
@pytest.mark.parametrize("kind", [np.int32, np.int64])
def test_offsets_that_lead_astray_are_refused(ends: list[int], kind: Any) -> None:
    with pytest.raises(ValueError, match="lead out of the text"):
        letters.made_of(np.array(ends, kind), b"12345678", 0, 3, np.dtype(kind).itemsize)


def test_buffers_that_are_too_short_are_refused() -> None:
    ends = np.array([0, 1, 2], np.int32)
    for rows, width, each in ((3, 4, None), (2, 8, None), (2, 4, np.empty(1, np.uint8)), (-1, 4, None), (2, 3, None)):
        with pytest.raises(ValueError):
            letters.made_of(ends, b"ab", 0, rows, width, each)
    assert letters.made_of(ends, None, 0, 0, 4) == (0, 0)


@given(
    st.lists(st.sampled_from(["", "a", "ab", "Ash End", "Ash Ena", None]), max_size=60),
    st.integers(0, 3),
    st.booleans(),
)
def test_where_texts_change(texts: list[str | None], skipped: int, wide: bool) -> None:
    look_for_changes(texts, skipped, wide)


@given(
    st.lists(
        st.tuples(st.sampled_from(["", "a", "b", "Ash End", "Ash Ena", None]), st.sampled_from([1, 2, 255, 256, 700])),
        max_size=8,
    ),
    st.integers(0, 300),
    st.booleans(),
)
def test_where_texts_that_come_many_times_change(runs: list[tuple[str | None, int]], skipped: int, wide: bool) -> None:
    look_for_changes([text for text, times in runs for _ in range(times)], skipped, wide)


def look_for_changes(texts: list[str | None], skipped: int, wide: bool) -> None:
    column = pa.array(texts, pa.large_string() if wide else pa.string()).slice(skipped)
    _, ends, data = column.buffers()
    at = np.empty(len(column), np.int64)
    found = letters.changes(ends, data, column.offset, len(column), 8 if wide else 4, at)
    given_texts = [text or "" for text in column.to_pylist()]
    expected = [i for i, text in enumerate(given_texts) if i == 0 or text != given_texts[i - 1]]
    assert at[:found].tolist() == expected
    for most in (0, 1, 3, len(column)):
        at = np.full(min(most + 1, len(column)) + 1, -7)
        found = letters.changes(ends, data, column.offset, len(column), 8 if wide else 4, at[:-1], most)
        assert at[:found].tolist() == expected[: most + 1]
        assert at[-1] == -7


def test_changes_refuse_what_lies() -> None:
    out = np.empty(3, np.int64)
    for ends in ([0, 4, 2, 8], [0, 4, 8, 9], [-1, 4, 8, 8]):
        with pytest.raises(ValueError, match="lead out of the text"):
            letters.changes(np.array(ends, np.int32), b"12345678", 0, 3, 4, out)
    for rows, width, short in ((4, 4, out), (3, 5, out), (3, 4, out[:2])):
        with pytest.raises(ValueError, match=r"too short|out of range"):
            letters.changes(np.array([0, 4, 8, 8], np.int32), b"12345678", 0, rows, width, short)


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
@pytest.mark.parametrize("name", ["Ash End ", " Ash End", "NULL", "Ash\u200bEnd", '="Ash End"'])
@pytest.mark.parametrize("together", [True, False])
def test_one_odd_name_among_many(kind: pa.DataType, name: str, together: bool) -> None:
    """However many sound ones stand before it, and in whatever order."""
    texts = ["Ash End", "Barrow Hill"] * 200
    if together:
        texts.sort()
    texts[317] = name
    read = as_read(pa.array(texts, kind), "name", "place").column.cast(pa.string()).to_pylist()
    assert read == as_read(pa.array(texts).dictionary_encode(), "name", "place").column.cast(pa.string()).to_pylist()
    assert read[317] == read_name(name)
    assert read[:317] == texts[:317]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()], ids=str)
@pytest.mark.parametrize("hidden", [b" Ash End", b"NULL", b"\xff"], ids=repr)
def test_names_of_a_chunk_as_they_should_be(kind: pa.DataType, hidden: bytes) -> None:
    """Of a chunk in the middle of a column, nulls over anything: all stays where it is."""
    raw = pa.large_binary() if kind == pa.large_string() else pa.binary()
    texts = [b" odd "] * 7 + [b"Ash End"] * 300 + [hidden] + [b"Market"] * 300
    whole = pa.array(texts, raw)
    there = np.packbits(np.array([text != hidden for text in texts]), bitorder="little")
    column = pa.Array.from_buffers(kind, len(texts), [pa.py_buffer(there), *whole.buffers()[1:]])
    found = as_read(column.slice(7), "name", "place")
    assert found.respelt == 0
    assert found.column.equals(column.slice(7))
    assert as_read(column, "name", "place").respelt == 7


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("profile", ["direct-care", "secondary-use"])
def test_keys_read_while_others_score_are_those_of_a_tidy_list(profile: str, threads: int) -> None:
    """Chunk by chunk, with contributions too; what was respelt is counted, and an id that is repeated so is found."""
    as_of = dt.date(2026, 6, 30)
    tidy = synthetic.table(3_000, seed=2, as_of=as_of)
    texts = {n: tidy[n].cast(pa.string()) for n in ("patient_id", "practice_code", "pcn_code", "place")}
    for name, text in texts.items():
        tidy = tidy.set_column(tidy.column_names.index(name), name, text)
    untidy = tidy
    for name, text in texts.items():
        padded = pa.chunked_array([pa.array([f" {t} " if i % 7 == 0 else t for i, t in enumerate(text.to_pylist())])])
        untidy = untidy.set_column(untidy.column_names.index(name), name, padded)
    chunks = pa.concat_tables([untidy.slice(0, 1_001), untidy.slice(1_001)])
    right = popstrat.score(tidy, as_of, profile=profile)
    found, record = popstrat.score(chunks, as_of, profile=profile, threads=threads, record=True)
    assert found.combine_chunks().equals(right.combine_chunks())
    said = [note.split(" are written")[0] for note in record["notices"] if "in another form" in note]
    assert sorted(said) == sorted(f"{name}: {len(range(0, 3_000, 7)):,} rows" for name in texts)
    assert popstrat.contributions(chunks, as_of, threads=threads).equals(popstrat.contributions(tidy, as_of))
    twice = pa.concat_tables([untidy, tidy.slice(0, 1)])
    for call in (popstrat.score, popstrat.contributions):
        with pytest.raises(InputError, match="more than once"):
            call(twice, as_of, threads=threads)
