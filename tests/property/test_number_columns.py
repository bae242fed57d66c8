"""NHS numbers are found in a column whatever it is made of, and numbers that have nothing to do with them are not."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from popstrat.errors import InputError, holds_number, looks_like_number, recorded_name
from popstrat.privacy.identifiers import looks_like_nhs_numbers
from popstrat.privacy.nhs_numbers import passes
from popstrat.privacy.number_columns import TenDigits
from popstrat.privacy.pseudonymise import Column, run_pseudonymise
from popstrat.runs.withheld import HELD, without_numbers

pytestmark = pytest.mark.smoke

KEY = bytes(range(32))

nhs_numbers = (
    st.integers(9_990_000_000, 9_999_999_999).map(str).filter(passes).map(int)  # the range that is never issued
)
AS_NUMBERS: list[Callable[[list[int | None]], pa.Array]] = [
    *(lambda v, k=k: pa.array(v, k) for k in (pa.int64(), pa.uint64(), pa.float64(), pa.decimal256(20, 3))),
    lambda v: pa.array([None if n is None else decimal.Decimal(n) for n in v], pa.decimal128(12, 2)),
    lambda v: pa.array([None if n is None else [n] for n in v], pa.list_(pa.int64())),
    lambda v: pa.array([{"a": n} for n in v], pa.struct([("a", pa.int64())])),
    lambda v: pa.array(v, pa.int64()).dictionary_encode(),
    lambda v: pa.RunEndEncodedArray.from_arrays(range(1, len(v) + 1), pa.array(v, pa.int64())),
]
AS_TEXT: list[Callable[[list[str | None]], pa.Array]] = [
    *(lambda v, k=k: pa.array(v, k) for k in (pa.string(), pa.large_string(), pa.string_view())),
    *(lambda v, k=k: pa.array([t and t.encode() for t in v], k) for k in (pa.binary(), pa.large_binary())),
    lambda v: pa.array([t and b"\xff " + t.encode() for t in v], pa.binary()),  # not UTF-8
    lambda v: pa.array(v, pa.string()).dictionary_encode(),
    lambda v: pa.array([[t] for t in v], pa.large_list(pa.string())),
    lambda v: pa.array([[("x", t)] for t in v], pa.map_(pa.string(), pa.string())),
]


@st.composite
def written(draw: st.DrawFn, number: int) -> str:
    """A number as people and programs write it."""
    digits = str(number)
    gap = draw(st.sampled_from(["", " ", "-", ".", "\u00a0", "\u2010", " - ", "/", "_", "\u200b"]))
    text = gap.join((digits[:3], digits[3:6], digits[6:]))
    if gap == "":
        text = draw(
            st.sampled_from([digits, digits, f"{digits}.0", f"{digits}.000", repr(float(number)), f"{number:.9E}",
                             f"000{digits}", digits.translate({ord("0") + i: 0xFF10 + i for i in range(10)})])
        )  # fmt: skip
    before, after = draw(
        st.sampled_from([("", ""), ("'", ""), ('="', '"'), ('"', '"'), (" ", "\n"), ("NHS no. ", ""), ("by ", " too"),
                         ("2026-06-30 ", ""), ("", " (checked)"), ("n", "x"), ("(", ")")])
    )  # fmt: skip
    return before + text + after


OTHERS = ["", "none", "E85001", "2026-06-30", "4000014713053", "58.0", "1111111111", "999000001", "2026-06-30 12:45:10"]


@st.composite
def columns(draw: st.DrawFn) -> pa.Array:
    numbers = draw(st.lists(nhs_numbers, min_size=1, max_size=12, unique=True))
    nulls = [None] * draw(st.sampled_from([0, 1, 1001]))
    if draw(st.booleans()):
        others = [None, 0, 7, 1_111_111_111, 4000014713053 % 10**12]
        rows = [*numbers, *draw(st.lists(st.sampled_from(others), max_size=9))]
        random.Random(draw(st.integers(0, 9))).shuffle(rows)
        return draw(st.sampled_from(AS_NUMBERS))([*nulls, *rows])
    texts: list[str | None] = [draw(written(n)) for n in numbers]
    texts += draw(st.lists(st.sampled_from([None, *OTHERS]), max_size=30))
    random.Random(draw(st.integers(0, 9))).shuffle(texts)
    return draw(st.sampled_from(AS_TEXT))([*nulls, *texts])


@given(columns())
@example(pa.array([b"\xff " + "\uff19\uff19\uff19\uff18\uff18\uff15\uff17\uff13\uff18\uff14".encode()]))
def test_nhs_numbers_are_found_in_whatever_form(column: pa.Array) -> None:
    assert looks_like_nhs_numbers(column)
    assert looks_like_nhs_numbers(pa.chunked_array([column.slice(0, 1), column.slice(1)]))


@given(st.sampled_from(AS_TEXT), st.lists(st.sampled_from([None, *OTHERS]), max_size=50))
def test_what_has_no_ten_digits_is_none(make: Callable[[list[str | None]], pa.Array], texts: list[str | None]) -> None:
    assert not looks_like_nhs_numbers(make(texts))


@pytest.mark.parametrize("count", [30, 1000, 50_000])
def test_other_ten_digit_numbers_are_told_from_them(count: int) -> None:
    """Sampled with a seed: none of 40 columns is called NHS numbers; with a fifth of NHS numbers each large one is."""
    draw = random.Random(count)
    for _ in range(40 if count < 50_000 else 4):
        numbers = [draw.randrange(10**9, 10**10) for _ in range(count)]
        assert not looks_like_nhs_numbers(pa.array(numbers))
        some = (n for n in iter(lambda: draw.randrange(9_990_000_000, 10**10), None) if passes(str(n)))
        mixed = [next(some) if i % 5 == 0 else n for i, n in enumerate(numbers)]
        assert looks_like_nhs_numbers(pa.array(mixed)) or count == 30


def test_repeats_count_once() -> None:
    found = TenDigits()
    for _ in range(20):
        found.look(pa.array([9_990_000_018, 9_990_000_019, 9_990_000_019, 9_990_000_020, 9_990_000_021] * 9))
    assert (found.different, found.right, found.are_nhs_numbers) == (4, 1, False)


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".csv"])
@given(data=st.data())
def test_they_do_not_stay(data: st.DataObject, suffix: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Through the command's own function: nothing appears, and the message has the column and no number."""
    folder = tmp_path_factory.mktemp("in")
    numbers = data.draw(st.lists(nhs_numbers, min_size=1, max_size=5, unique=True))
    texts = ["x", *data.draw(st.lists(st.none(), max_size=3)), *(data.draw(written(n)) for n in numbers)]
    texts = [None if t is None else t.replace("\n", "") for t in texts]
    values: Any = data.draw(st.sampled_from([pa.array(texts), pa.array([None if t is None else 1.0 for t in texts])]))
    if pa.types.is_floating(values.type):
        values = pa.array([None, *map(float, numbers), *[None] * (len(texts) - len(numbers) - 1)])
    table = pa.table({"patient_id": range(len(texts)), "ref": values})
    pq.write_table(table, folder / "list.parquet")
    output = folder / f"out{suffix}"
    with pytest.raises(InputError, match=r"list\.parquet: column 'ref': looks like NHS numbers") as caught:
        run_pseudonymise([folder / "list.parquet"], output, [Column("patient_id", "p")], KEY)
    assert "99" not in str(caught.value).replace(str(folder), "")
    assert [p.name for p in folder.iterdir()] == ["list.parquet"]
    run_pseudonymise([folder / "list.parquet"], output, [Column("patient_id", "p")], KEY, keep=["ref"])


# -- names ----------------------------------------------------------------------------------------------------------


@given(nhs_numbers.flatmap(written), st.integers(1, 99))
def test_a_name_with_such_a_number_is_withheld(name: str, place: int) -> None:
    assert looks_like_number(name)
    assert recorded_name(name, place) == f"column {place} (name withheld: it looks like a number)"
    assert "99" not in str(InputError("is wrong", column=name))


SCRIPTS = "0\u0660\u06f0\u0966\uff10\U0001d7ce"


@given(
    nhs_numbers, st.sampled_from(["", " ", "-", ":", "/", "_", " - ", "\u00a0", "\u2011", "...", "\u00e9", "\u200b"]),
    st.sampled_from([(3, 6), (5,), tuple(range(1, 10)), (1, 9)]), st.sampled_from(SCRIPTS),
    st.sampled_from(["", "no. ", "2026-06-30 ", "20260630_120000 ", "x:", "'", "\u00e9 "]),
    st.sampled_from(["", " x", ".0", " 2026-06-30T12:00", "]"]),
)  # fmt: skip
def test_what_is_one_number_is_so_for_every_judge(
    number: int, between: str, cuts: tuple[int, ...], zero: str, before: str, after: str
) -> None:
    """Of names, of what records say, of the values of columns: the same signs, digits of any script, dates beside."""
    digits = [chr(ord(zero) + int(d)) for d in str(number)]
    text = before + "".join(between * (i in cuts) + d for i, d in enumerate(digits)) + after
    assert looks_like_number(text)
    assert holds_number(text)
    assert without_numbers(text) == HELD
    assert looks_like_nhs_numbers(pa.array(["x", text]))


harmless_dates = st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2099, 12, 31)).flatmap(
    lambda at: st.sampled_from(
        ["list_%Y%m%d_%H%M%S.csv", "at %Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S list", "%Y.%m.%d is it"]
    ).map(at.strftime)
)  # fmt: skip


@given(harmless_dates | st.sampled_from(["ab" * 32, "0123456789abcdef" * 4, "E85001", "bp_2024_25", "snomed_44054006"]))
def test_what_is_none_is_so_for_every_judge(text: str) -> None:
    assert not looks_like_number(text)
    assert not holds_number(text)
    assert without_numbers(text) == text
    assert not looks_like_nhs_numbers(pa.array([text, "x" + text]))


@pytest.mark.parametrize("name", ["1960-05-17", "58.0", "3", "12/07/1950", "0", "\u0664\u0665"])
def test_a_name_without_letters_is_withheld(name: str) -> None:
    assert looks_like_number(name)


def test_the_names_of_our_own_columns_are_not() -> None:
    from popstrat.packs.patient_table import patient_schema

    names = [*(c.name for c in patient_schema()), "expected_cost_2014", "bp_2024_25", "snomed_44054006", "Größe", "%"]
    assert not any(map(looks_like_number, names))
    assert [recorded_name(n, 1) for n in names] == names


@given(nhs_numbers.flatmap(written).map(lambda t: t.replace("\n", "")))
def test_the_run_record_has_no_such_name(name: str) -> None:
    import popstrat

    table = pa.table({"patient_id": [1, 2], "practice_code": ["E85001"] * 2, "age": [50, 60], "sex": ["F", "M"],
                      name: [1, 2]})  # fmt: skip
    _, record = popstrat.score(table, "2026-06-30", record=True)
    assert record["ignored_columns"] == ["column 5 (name withheld: it looks like a number)"]
    assert name not in json.dumps(record, ensure_ascii=False)


def test_nor_do_files_and_messages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from popstrat.cli.main import run

    path, out = tmp_path / "list.csv", tmp_path / "out.csv"
    path.write_text("patient_id,9990000018,practice_code,age,sex\n1,a,E85001,50,F\n")
    assert run(["score", str(path), "-o", str(out), "--as-of", "2026-06-30"]) == 0
    shown = capsys.readouterr()
    told = shown.out + shown.err + (tmp_path / "out.csv.run.json").read_text()
    assert "column 2 (name withheld" in told
    path.write_text("9990000018,E85001,50,F\n9990000026,E85001,50,F\n")  # no header
    assert run(["score", str(path), "-o", str(out), "--as-of", "2026-06-30"]) == 2
    path.write_text("patient_id,9990000018,9990000018,practice_code,age,sex\n1,a,b,E85001,50,F\n")  # twice
    assert run(["score", str(path), "-o", str(out), "--as-of", "2026-06-30"]) == 2
    keyed = tmp_path / "key"
    assert run(["pseudonymise", "--new-key", str(keyed)]) == 0
    path.write_text("patient_id,999 000 0018,practice_code,age,sex\n1,a,E85001,50,F\n")
    arguments = ["pseudonymise", str(path), "-o", str(tmp_path / "p.csv"), "--column", "patient_id"]
    assert run([*arguments, "--key-file", str(keyed)]) == 2
    shown = capsys.readouterr()
    told += shown.out + shown.err
    assert "is named like a number" in told
    assert "99" not in told.replace(str(tmp_path), "").replace(out.name, "") or "9990000" not in told
    assert "999 000" not in told


@pytest.mark.parametrize("given", ["7\n", " 7 \n\n", "7"])
def test_an_id_need_not_stand_on_the_command_line(
    given: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import io
    import sys

    from popstrat.cli.main import run

    path = tmp_path / "list.csv"
    path.write_text("patient_id,practice_code,age,sex\n7,E85001,50,F\n")
    arguments = ["explain", str(path), "--as-of", "2026-06-30", "--patient"]
    assert run([*arguments, "7"]) == 0
    expected = capsys.readouterr().out
    monkeypatch.setattr(sys, "stdin", io.StringIO(given))
    assert run([*arguments, "-"]) == 0
    assert capsys.readouterr().out == expected
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert run([*arguments, "-"]) == 2
