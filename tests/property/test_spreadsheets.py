"""No text in a CSV that people open runs as a formula in a spreadsheet, and numbers stay what they are."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from popstrat.core.spreadsheets import FORMULA_SIGNS, neutral
from popstrat.errors import InputError
from popstrat.formats.registry import open_sink

SIGNS = "=+-@\t\r"
texts = st.text(st.sampled_from("=+-@\t\r'\" ab,|1\u00e9"), max_size=4)
layouts = st.sampled_from(
    ["string", "large_string", "string_view", "dictionary<string>", "dictionary<large_string>", "dictionary<view>"]
)


def laid_out(values: list[str | None], layout: str, before: int) -> pa.Array:
    """A column in that layout, a slice that begins after ``before`` other rows."""
    padded = [*["=hidden"] * before, *values]
    kind = {"s": pa.string(), "l": pa.large_string(), "v": pa.string_view()}
    if layout.startswith("dictionary"):
        entries = sorted({v for v in padded if v is not None})
        codes = pa.array([None if v is None else entries.index(v) for v in padded], pa.int8())
        inner = pa.array(entries, kind[layout[11]])
        return pa.DictionaryArray.from_arrays(codes, inner).slice(before)
    return pa.array(padded, kind["v" if "view" in layout else layout[0]]).slice(before)


def written(path: Path, columns: dict[str, Any], backend: str, **how: Any) -> list[list[str]]:
    batch = pa.RecordBatch.from_pydict(columns)
    sink = open_sink(path, batch.schema, form=".csv", backend=backend, **how)  # type: ignore[arg-type]
    try:
        sink.write(batch)
    except BaseException:
        sink.abort()
        raise
    sink.close()
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


@pytest.mark.parametrize("backend", ["native", "arrow"])
@given(st.lists(st.none() | texts, min_size=1, max_size=9), layouts, st.integers(0, 3))
def test_text_is_neutral_and_numbers_stay(
    tmp_path_factory: pytest.TempPathFactory, backend: str, values: list[str | None], layout: str, before: int
) -> None:
    path = tmp_path_factory.getbasetemp() / f"{backend}.csv"
    numbers = [-0.5 - i for i in range(len(values))]
    columns = {"=name": laid_out(values, layout, before), "n": pa.array(numbers), "i": pa.array([-1] * len(values))}
    head, *rows = written(path, columns, backend)
    assert head == ["'=name", "n", "i"]
    for value, number, (cell, *others) in zip(values, numbers, rows, strict=True):
        assert cell == ("" if value is None else f"'{value}" if value[:1] and value[0] in SIGNS else value)
        assert [float(o) for o in others] == [number, -1]


@pytest.mark.parametrize("backend", ["native", "arrow"])
@given(st.lists(st.none() | texts, min_size=1, max_size=9), layouts, st.integers(0, 3))
def test_ids_are_as_they_are_or_refused(
    tmp_path_factory: pytest.TempPathFactory, backend: str, values: list[str | None], layout: str, before: int
) -> None:
    path = tmp_path_factory.getbasetemp() / f"{backend}-ids.csv"
    bad = [i for i, value in enumerate(values) if value and value[0] in SIGNS]
    for name in ("patient_id", "key"):
        columns = {name: laid_out(values, layout, before)}
        if not bad:
            assert [r[0] if r else "" for r in written(path, columns, backend, ids=["key"])[1:]] == [
                v or "" for v in values
            ]
            continue
        with pytest.raises(InputError, match=r"must not be changed; write \.parquet or \.arrow") as raised:
            written(path, columns, backend, ids=["key"])
        assert (raised.value.column, list(raised.value.rows)) == (name, bad[:5])


def test_one_rule() -> None:
    assert set(FORMULA_SIGNS) == set(SIGNS)
    assert [neutral(t) for t in ("=1", "", "a=", "'=1")] == ["'=1", "", "a=", "'=1"]
