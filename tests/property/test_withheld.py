"""No number of a patient in what a run record has of options and maps, whatever it looks like."""

from __future__ import annotations

import datetime as dt
import json
import re
import unicodedata
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from popstrat.cli import run
from popstrat.errors import WITHHELD
from popstrat.runs.withheld import HELD, without_numbers

SEPARATORS = ["", " ", "-", ".", " - ", "_", "/", "\u00a0", "\u2011"]
ZEROS = "0\u0660\uff10\u0966"


@st.composite
def numbers(draw: st.DrawFn) -> Any:
    """A ten-digit number of the range that is never issued, as people and programs write them."""
    digits = str(draw(st.integers(9990000000, 9999999999)))
    form = draw(st.sampled_from(["whole", "float", "text", "text", "text"]))
    if form != "text":
        return int(digits) if form == "whole" else float(digits)
    zero = ord(draw(st.sampled_from(ZEROS)))
    between = draw(st.sampled_from(SEPARATORS))
    cuts = draw(st.sampled_from([(3, 6), (5,), (1, 2, 3, 4, 5, 6, 7, 8, 9), ()]))
    told = "".join((between if i in cuts else "") + chr(zero + int(d)) for i, d in enumerate(digits))
    return (
        draw(st.sampled_from(["", "NHS", "NHS no. ", "patient:", "/data/", "'", "["]))
        + told
        + draw(st.sampled_from(["", ".0", ".parquet", "x", "]"]))
    )


plain = st.sampled_from(
    ["", "E85001", "2026-06-30", "list_20260630_120000.parquet", "2026-06-30T12:00:00", "ltc_count", "1", "0.36",
     12, 0.25, 100000, True, None, dt.date(2026, 6, 30), "ab" * 32, "0123456789abcdef" * 4]
)  # fmt: skip
keys = st.sampled_from(["a", "b", "2026-06-30"]) | numbers().map(str)


def shapes(leaf: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(leaf, lambda s: st.lists(s, max_size=3) | st.dictionaries(keys, s, max_size=3), max_leaves=8)


def long_numbers(text: str) -> list[str]:
    """Ten digits in a row once signs are gone, of the range that is never issued."""
    told = "".join(str(unicodedata.decimal(c, c)) for c in unicodedata.normalize("NFKC", text))
    return re.findall("999[0-9]{7}", re.sub(r"[\W_]", "", told))


@given(shapes(numbers() | plain))
def test_no_number_is_left(value: Any) -> None:
    assert not long_numbers(json.dumps(without_numbers(value), ensure_ascii=False, default=str))


@given(st.recursive(plain, lambda s: st.lists(s, max_size=3) | st.dictionaries(st.text("abc"), s, max_size=3)))
def test_everything_else_is_as_it_was(value: Any) -> None:
    assert without_numbers(value) == value


@given(numbers())
def test_keys_stay_apart(value: Any) -> None:
    assert list(without_numbers({"a": 1, str(value): 2, f"x{value}": 3}).values()) == [1, 2, 3]


def test_a_record_of_a_map_and_of_options(tmp_path: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(str(tmp_path))
    people = {
        "999 000 0018": ["p1", "p2"], "practice_code": ["E85001"] * 2, "age": [50, 60],
        "1234": ["9990000026", "Man"],
    }  # fmt: skip
    pq.write_table(pa.table(people), "999-000-0034.parquet")
    with open("999 000 0042.toml", "w") as file:  # noqa: PTH123
        file.write(
            '[columns]\npatient_id = "999 000 0018"\nsex = "1234"\n'
            '[values.sex]\n"9990000026" = "female"\nMan = "male"\n'
            '[const]\npcn_code = "NHS 999.000.0050"\n'
        )
    arguments = ["999-000-0034.parquet", "-o", "out.parquet", "--as-of", "2026-06-30", "-q"]
    assert run(["score", *arguments, "--map", "999 000 0042.toml"]) == 0
    with open("out.parquet.run.json") as file:  # noqa: PTH123
        record = json.load(file)
    assert not long_numbers(json.dumps({k: v for k, v in record.items() if k in ("options", "mapping", "inputs")}))
    assert record["mapping"]["columns"] == {"patient_id": WITHHELD, "sex": WITHHELD}
    assert record["mapping"]["values"]["sex"] == {HELD: "female", "Man": "male"}
    assert record["options"]["as_of"] == "2026-06-30"
