"""Reading Arrow columns: every accepted type gives the same answers, what cannot be read is refused by name."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from spec_tables import local_pack

from popstrat.errors import InputError, PackError
from popstrat.scoring.scorer import Scorer

pytestmark = pytest.mark.smoke

AS_OF = "2026-06-30"
ECHO = """
[[input]]
name = "x"
type = "float"
[[input]]
name = "bounded"
type = "float"
min = -1000
max = 1000
[[input]]
name = "flag"
type = "bool"
[[input]]
name = "word"
type = "category"
labels = ["Low", "MIDDLE", "high up", "École"]
aliases = { "1" = "Low" }
[[input]]
name = "day"
type = "date"
[definition.x_out]
kind = "expression"
title = "x"
version = "1"
source = "test"
output = true
value = "x"
[definition.bounded_out]
kind = "expression"
title = "x"
version = "1"
source = "test"
output = true
value = "bounded"
[definition.flag_out]
kind = "expression"
title = "flag"
version = "1"
source = "test"
output = true
value = "flag"
[definition.word_out]
kind = "expression"
title = "word"
version = "1"
source = "test"
output = true
value = "word"
[definition.days_ago]
kind = "expression"
title = "day"
version = "1"
source = "test"
output = true
value = "as_of - day"
"""


@pytest.fixture(scope="module")
def echo() -> Scorer:
    """A scorer that gives its own inputs back."""
    return Scorer(local_pack(ECHO, extends=""), AS_OF)


def read(scorer: Scorer, name: str, array: pa.Array) -> list[Any]:
    """What the engine reads from a column."""
    rows = len(array)
    columns = {"patient_id": pa.array(range(rows)), "practice_code": pa.array(["Y00001"] * rows), "sex": pa.nulls(rows),
               "age": pa.array([50] * rows), name: array}  # fmt: skip
    batch = pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
    out = "days_ago" if name == "day" else f"{name}_out"
    return scorer.score_batch(batch).column(out).to_pylist()


@pytest.mark.parametrize("scale", range(1, 16))
def test_decimals_are_read_exactly(echo: Scorer, scale: int) -> None:
    """A decimal is the double nearest to it: 58.00000 is 58 and 0.1200 is not over 0.12."""
    values = [Decimal(i).scaleb(-k) for k in range(min(scale, 3) + 1) for i in range(301)]
    assert read(echo, "x", pa.array(values, pa.decimal128(38, scale))) == [float(v) for v in values]


@pytest.mark.parametrize(
    "kind",
    [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64(), pa.float16(),
     pa.float32(), pa.float64(), pa.decimal128(9, 2), pa.decimal256(60, 2), pa.string(), pa.large_string(),
     pa.string_view()],
)  # fmt: skip
def test_number_types(echo: Scorer, kind: pa.DataType) -> None:
    """Narrower and wider numbers, decimals and text of numbers."""
    values = [0, 1, 100, None, 127, 7]
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        array = pa.array([None if v is None else str(v) for v in values], kind)
    elif pa.types.is_floating(kind):
        array = pa.array([None if v is None else float(v) for v in values], pa.float64()).cast(kind)
    else:
        array = pa.array(values, kind)
    assert read(echo, "x", array) == values
    assert read(echo, "bounded", array.slice(1, 4)) == values[1:5]


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32(), pa.float64()])
@pytest.mark.parametrize("column", ["x", "bounded"])
def test_not_a_number_is_no_record(echo: Scorer, kind: pa.DataType, column: str) -> None:
    """NaN and the infinities are implausible for every column, whether or not it has a range."""
    array = pa.array([float("nan"), float("inf"), float("-inf"), 2.5, None], pa.float64()).cast(kind)
    assert read(echo, column, array) == [None, None, None, 2.5, None]


@pytest.mark.parametrize(
    "array",
    [
        pa.array([True, False, None, True]),
        pa.array([1, 0, None, 1], pa.int8()),
        pa.array([1, 0, None, 1], pa.uint64()),
        pa.array([1.0, 0.0, None, 1.0], pa.float32()),
        pa.array([Decimal(1), Decimal(0), None, Decimal(1)], pa.decimal128(3, 1)),
        pa.array(["true", "FALSE", None, "True"]),
        pa.array(["1", "0", "", " 1 "], pa.large_string()),
        pa.array(["t", "no", None, "yes"], pa.string_view()),
        pa.array(["true", "false", None, "true"]).dictionary_encode(),
        pa.array([True, False, None, True, True]).slice(0, 4),
        pa.array([False, True, False, None, True]).slice(1, 4),
    ],
)
def test_flag_types(echo: Scorer, array: pa.Array) -> None:
    """Arrow booleans, 0 and 1 in any type, words in any case; null is false."""
    assert read(echo, "flag", array) == [True, False, False, True]


def test_flags_that_are_neither(echo: Scorer) -> None:
    """A number other than 0 and 1 stops the run, as does a word that is neither true nor false; NaN is no record."""
    with pytest.raises(InputError, match=r"column 'flag': a number other than 0 and 1 .*\(rows 1, 2\)"):
        read(echo, "flag", pa.array([2, -1, 1, 0]))
    with pytest.raises(InputError, match=r"column 'flag': a number other than 0 and 1 .*\(row 1\)"):
        read(echo, "flag", pa.array([0.5, float("nan"), 1.0]))
    assert read(echo, "flag", pa.array([0.0, float("nan"), 1.0])) == [False, False, True]
    with pytest.raises(InputError, match=r"column 'flag': a cell is not true, false, 1 or 0 .*\(row 3\)"):
        read(echo, "flag", pa.array(["true", "false", "maybe"]))


WORDS = ["low", "MIDDLE", " High Up ", None, "1", "", "weird", "École", "x" * 40]
MEANT = ["Low", "MIDDLE", "high up", None, "Low", None, None, "École", None]


def test_labels(echo: Scorer) -> None:
    """Text in any type and case, spaces around it; aliases; unknown words are no record."""
    for kind in (pa.string(), pa.large_string(), pa.string_view()):
        assert read(echo, "word", pa.array(WORDS, kind)) == MEANT
        assert read(echo, "word", pa.array(["x", *WORDS], kind).slice(1)) == MEANT


@pytest.mark.parametrize("index", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"])
@pytest.mark.parametrize("text", [pa.string(), pa.large_string(), pa.string_view()])
def test_dictionaries(echo: Scorer, index: str, text: pa.DataType) -> None:
    """Any index, any text; entries repeated, null or unused; null rows."""
    entries = pa.array([*WORDS, "LOW", "unused"], text)
    codes = pa.array([*range(len(WORDS)), None, len(WORDS)], getattr(pa, index)())
    array = pa.DictionaryArray.from_arrays(codes, entries)
    assert read(echo, "word", array) == [*MEANT, None, "Low"]
    assert read(echo, "word", array.slice(2, 6)) == MEANT[2:8]


@pytest.mark.parametrize("size", [16, 17, 255, 256, 257, 300, 1000])
def test_large_dictionaries(echo: Scorer, size: int) -> None:
    """Dictionaries of more entries than a category has labels, most of them unused."""
    entries = pa.array([f"unused {i}" for i in range(size - 2)] + ["Low", "MIDDLE"])
    for index in (pa.int16(), pa.int32(), pa.uint16(), pa.int64()):
        codes = pa.array([size - 1, size - 2, None, 0, size - 2], index)
        array = pa.DictionaryArray.from_arrays(codes, entries)
        assert read(echo, "word", array) == ["MIDDLE", "Low", None, None, "Low"]
        assert read(echo, "word", array.slice(1, 3)) == ["Low", None, None]


@pytest.mark.parametrize("index", [pa.int16(), pa.int32()])
def test_hundreds_of_unknown_labels(echo: Scorer, index: pa.DataType) -> None:
    """However many different odd labels the rows hold, they are nulled and counted, and never stop a run."""
    entries = pa.array([f"odd {i}" for i in range(600)] + ["Low"])
    array = pa.DictionaryArray.from_arrays(pa.array([*range(600), None, 600], index), entries)
    assert read(echo, "word", array) == [None] * 601 + ["Low"]
    assert read(echo, "word", array.slice(599, 3)) == [None, None, "Low"]
    assert read(echo, "word", array.cast(pa.string())) == [None] * 601 + ["Low"]


def test_labels_as_numbers(echo: Scorer) -> None:
    """Coded labels, as whole numbers or, where a null made them so, floating."""
    assert read(echo, "word", pa.array([1, None, 2])) == ["Low", None, None]
    assert read(echo, "word", pa.array([1.0, None, 2.0])) == ["Low", None, None]


DAYS = [
    dt.date(2026, 6, 30),
    dt.date(2026, 6, 29),
    None,
    dt.date(1900, 1, 1),
    dt.date(1969, 12, 31),
    dt.date(2026, 7, 1),
]
AGO = [0, 1, None, 46201, 20635, None]


@pytest.mark.parametrize("hour", [0, 1, 23])
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_timestamps(echo: Scorer, hour: int, unit: str) -> None:
    """A moment counts as its day, whatever the hour, before 1970 as well."""
    moments = [None if d is None else dt.datetime(d.year, d.month, d.day, hour, 59) for d in DAYS]
    assert read(echo, "day", pa.array(moments, pa.timestamp(unit))) == AGO


def test_moments_in_a_time_zone_count_as_the_day_there(echo: Scorer) -> None:
    """Half past midnight in a London summer is that day, though the evening before in UTC."""
    moments = pa.array([dt.datetime(2026, 6, 29, 23, 30)], pa.timestamp("us", tz="Europe/London"))
    assert read(echo, "day", moments) == [0]


def test_dates(echo: Scorer) -> None:
    """Dates of 32 and 64 bits, and ISO text."""
    assert read(echo, "day", pa.array(DAYS, pa.date32())) == AGO
    assert read(echo, "day", pa.array(DAYS, pa.date64())) == AGO
    words = [None if d is None else d.isoformat() for d in DAYS]
    for kind in (pa.string(), pa.large_string(), pa.string_view()):
        assert read(echo, "day", pa.array(words, kind)) == AGO
    assert read(echo, "day", pa.array(["", " 2026-06-29 ", None])) == [None, 1, None]


@pytest.mark.parametrize(
    ("column", "array", "message"),
    [
        (
            "day",
            pa.array(["2026-06-30", "30/06/2026", "x"]),
            r"column 'day': a cell is not a date as YYYY-MM-DD .*\(rows 2, 3\)",
        ),
        ("x", pa.array(["1", "two"]), r"column 'x': a cell is not a number .*\(row 2\)"),
        ("x", pa.array([[1]]), "column 'x': a number is needed"),
        ("x", pa.array([dt.date(2026, 1, 1)]), "column 'x': a number is needed"),
        ("flag", pa.array([dt.date(2026, 1, 1)]), "column 'flag': true or false is needed"),
        ("day", pa.array([20260630]), "column 'day': a date is needed"),
        ("word", pa.array([dt.date(2026, 1, 1)]), "column 'word': a label is needed"),
        ("word", pa.array([1.5]), "column 'word': a label is needed"),
    ],
)
def test_what_cannot_be_read(echo: Scorer, column: str, array: pa.Array, message: str) -> None:
    """The message names the column and the first rows."""
    with pytest.raises(InputError, match=message):
        read(echo, column, array)


def test_rows_of_a_refused_value_are_counted_in_the_table(echo: Scorer) -> None:
    """In a slice, rows count from the slice's start."""
    with pytest.raises(InputError, match=r"\(row 2\)"):
        read(echo, "day", pa.array(["x", "2026-06-30", "x"]).slice(1))


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())])
def test_only_a_to_z_are_taken_in_any_case(echo: Scorer, kind: pa.DataType) -> None:
    """Whatever the type, the same spellings are known: ligatures, the long s and accented capitals are themselves."""
    words = pa.array(["LOW", "low", "École", "ÉCOLE", "éCOLE", "ﬁt", "Ｌow", "mıddle", "ÉcOLE"], pa.string())
    array = words.dictionary_encode() if pa.types.is_dictionary(kind) else words.cast(kind)
    assert read(echo, "word", array) == ["Low", "Low", "École", "École", None, None, None, None, "École"]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ('labels = ["a", "A"]', "stands for two labels"),
        ('labels = ["a", "a"]', "stands for two labels"),
        ('labels = ["a", "b"]\naliases = { "B" = "a" }', "stands for two labels"),
        ('labels = ["a", ""]', "cannot be a label"),
        ('labels = ["a", " b"]', "cannot be a label"),
        ('labels = ["' + "x" * 33 + '"]', "cannot be a label"),
        ('labels = ["a"]\naliases = { "' + "y" * 33 + '" = "a" }', "cannot be a label"),
    ],
)
def test_labels_that_cannot_be_told_apart_or_compared(labels: str, message: str) -> None:
    """A local column's labels are checked when the pack is loaded, not when a table first holds them as text."""
    with pytest.raises(PackError, match=message):
        local_pack(f'[[input]]\nname = "word"\ntype = "category"\n{labels}\n')


def test_labels_of_32_bytes() -> None:
    """The longest that can be compared, as text and in a dictionary."""
    label = "é" * 16
    pack = local_pack(
        ECHO.replace('"École"]', f'"École", "{label}"]'),
        extends="",
    )
    scorer = Scorer(pack, AS_OF)
    words = pa.array([label, label + "x", "é" * 15, None])
    assert read(scorer, "word", words) == [label, None, None, None]
    assert read(scorer, "word", words.dictionary_encode()) == [label, None, None, None]
