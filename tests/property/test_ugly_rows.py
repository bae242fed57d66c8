"""Generated ugly files of every format: each cell is spelt in one of the ways that people and programs do, and what it
means and what is counted of it is known beforehand."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from extracts import made_up, write_csv
from hypothesis import given
from hypothesis import strategies as st

from popstrat.deriving.folds import beyond
from popstrat.deriving.rows import open_rows
from popstrat.formats import BACKENDS

LAYOUT = """
extends = "canonical"
[text]
encoding = "cp1252"
dates = "dd/mm/yyyy"
times = "local"
nulls = ["Ünbekannt"]
[events.clinical_events.columns.date]
from = "date"
precision = "precision"
periods = { Y = "year", YM = "month", U = "none" }
[events.clinical_events.set_aside]
deleted = { Deleted = ["true", "1"] }
confidential = { Secret = "y*" }
"""


class Spelt(NamedTuple):
    """A cell with what it means, and the reason that is counted."""

    text: str
    means: Any
    reason: str = ""


def padded(cells: st.SearchStrategy[Spelt]) -> st.SearchStrategy[Spelt]:
    return st.builds(lambda cell, left, right: cell._replace(text=left + cell.text + right), cells, _BLANKS, _BLANKS)


_BLANKS = st.sampled_from(["", "", " ", "  "])
_NONE = st.sampled_from(["", " ", "NULL", "n/a", "ÜNBEKANNT"]).map(lambda t: Spelt(t, None))
_DAYS = st.dates(dt.date(1900, 1, 1), dt.date(2040, 1, 1))
_TIMES = st.sampled_from(["", " 00:00:00", " 09:15", " 23:59:59.123"])
dates = st.one_of(
    st.builds(lambda d, t: Spelt(f"{d:%d/%m/%Y}{t}", d), _DAYS, _TIMES),
    st.builds(lambda d, t: Spelt(f"{d:%d/%m/%Y}{t}", d), _DAYS, _TIMES),
    st.builds(lambda d: Spelt(f"{d:%d/%m/}18{d:%y}", None, "impossible_date"), _DAYS),
    st.sampled_from(["30/02/2020", "31/04/2021", "00/00/0000", "29/02/2023", "unsure", "-", "2020-13-45"]).map(
        lambda t: Spelt(t, None, "impossible_date")
    ),
    st.integers(1900, 2026).map(lambda y: Spelt(str(y), dt.date(y, 1, 1), "year_only")),
    _NONE,
)
codes = st.one_of(
    st.integers(1, 10**5).map(lambda i: Spelt(str(made_up(i)), made_up(i))),
    st.integers(10**5, 10**18 - 1).map(lambda i: Spelt(str(i), i)),
    st.integers(10**5, 10**18 - 1).map(lambda i: Spelt(f'="{i}"', i)),
    st.one_of(
        st.integers(10**18, 10**30).map(str),
        st.integers(0, 10**5 - 1).map(str),
        st.integers(-(10**18), -1).map(str),
        st.sampled_from(["XaBVJ", "C10..", "^ESCT123456", "12345678A"]),
    ).map(lambda t: Spelt(t, None, "not_a_code")),
    st.sampled_from(["", " ", "NULL", "n/a"]).map(lambda t: Spelt(t, None, "no_code")),
)
_NUMBERS = st.decimals(-300, 3000, places=2).map(str)
values = st.one_of(
    _NUMBERS.map(lambda t: Spelt(t, (float(t), None))),
    _NUMBERS.map(lambda t: Spelt(f">{t}", (beyond(float(t), ">"), None), "comparator")),
    _NUMBERS.map(lambda t: Spelt(f"< {t}", (beyond(float(t), "<"), None), "comparator")),
    _NUMBERS.map(lambda t: Spelt(t.replace(".", ","), (float(t), None), "decimal_comma")),
    st.builds(lambda a, b: Spelt(f"{a}/{b}", (float(a), float(b)), "pair"), st.integers(50, 300), st.integers(20, 200)),
    st.sampled_from(["negative", "see letter", "1,200", "7.2 mmol/L", "+++", "1/2/3"]).map(
        lambda t: Spelt(t, (None, None), "text_value")
    ),
    _NONE.map(lambda cell: cell._replace(means=(None, None))),
)
units = st.one_of(st.sampled_from(["mmHg", "%", "mL/min/1.73m²", "µmol/L", "10*9/L"]).map(lambda t: Spelt(t, t)), _NONE)
keys = st.one_of(
    st.integers(0, 99).map(lambda i: Spelt(f"P{i}", f"P{i}")),
    st.sampled_from(["", " ", "NULL"]).map(lambda t: Spelt(t, None, "no_patient_id")),
)
flags = st.sampled_from(["", "FALSE", "0", "", "TRUE", "1", "0.0", "1.0"])
rows = st.lists(
    st.fixed_dictionaries(
        {
            "patient_id": padded(keys), "date": padded(dates), "code": padded(codes), "value": padded(values),
            "unit": padded(units), "Deleted": flags, "Secret": st.sampled_from(["", "", "N", "Y", "yes"]),
            "precision": st.sampled_from(["", "YMD", "YMDT", "Y", "ym", "U"]),
        }
    ),
    min_size=1,
    max_size=20,
)  # fmt: skip


def plainly(given: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], Counter[str]]:
    """What the rows mean, one after another."""
    found, counts = [], Counter[str]()
    for row in given:
        if row["Deleted"] in ("TRUE", "1", "1.0"):
            counts["deleted"] += 1
        elif row["Secret"].startswith(("Y", "y")):
            counts["confidential"] += 1
        elif row["patient_id"].means is None:
            counts["no_patient_id"] += 1
        else:
            for name in ("date", "code", "value"):
                counts[row[name].reason] += 1
            day = row["date"].means
            match row["precision"] if day else "":
                case "Y":
                    day = day.replace(month=1, day=1)
                    counts["year_only"] += 1
                case "ym":
                    day = day.replace(day=1)
                    counts["month_only"] += 1
                case "U":
                    day = None
                    counts["impossible_date"] += 1
            value, second = row["value"].means
            found.append({"patient_id": row["patient_id"].means, "date": day, "code": row["code"].means, "value": value,
                          "second_value": second, "unit": row["unit"].means})  # fmt: skip
    del counts[""]
    return found, counts


def written(folder: Path, given: list[dict[str, Any]], form: str) -> Path:
    texts = [{n: c.text if isinstance(c, Spelt) else c for n, c in row.items()} for row in given]
    names = list(texts[0])
    match form:
        case "csv":
            return write_csv(folder / "e.csv", names, texts, encoding="cp1252", quoted=True)
        case "semicolons":
            return write_csv(folder / "e.csv", names, texts, encoding="cp1252", between=";", end="\n")
        case "tabs":
            return write_csv(folder / "e.tsv", names, texts, encoding="cp1252", between="\t")
        case "packed":
            return write_csv(folder / "e.csv.gz", names, texts, encoding="cp1252")
    kind = pa.dictionary(pa.int16(), pa.large_string()) if form == "dictionaries" else pa.large_string()
    table = pa.table({n: pa.array([t[n] for t in texts], kind) for n in names})
    path = folder / ("e.arrow" if form == "arrow" else "e.parquet")
    if form == "arrow":
        with pa.ipc.new_file(str(path), table.schema) as file:
            file.write_table(table)
    else:
        pq.write_table(table, path)
    return path


@given(
    given=rows,
    form=st.sampled_from(["csv", "semicolons", "tabs", "packed", "parquet", "dictionaries", "arrow"]),
    batch_rows=st.integers(1, 30),
    backend=st.sampled_from(BACKENDS),
)
def test_ugly_rows_are_what_they_mean(
    tmp_path_factory: pytest.TempPathFactory, given: list[dict[str, Any]], form: str, batch_rows: int, backend: str
) -> None:
    folder = tmp_path_factory.mktemp("ugly")
    layout = folder / "local.toml"
    layout.write_text(LAYOUT, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POPSTRAT_FORMATS", backend)
        files = open_rows("events", written(folder, given, form), layout, batch_rows=batch_rows)
        found = [row for batch in files.batches() for row in batch.to_pylist()]
    expected, counts = plainly(given)
    assert found == expected
    assert files.counts == {"rows": len(given), **counts}
