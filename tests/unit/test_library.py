"""`popstrat.score`: any Arrow table in, a pyarrow table out."""

# ruff: noqa: E501 (tables are as wide as they need to be)

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import popstrat

AS_OF = "2026-06-30"


def small_table() -> pa.Table:
    return pa.table({
        "patient_id": pa.array([11, 12, 13, 14, 15], pa.int64()),
        "practice_code": ["Y00001", "Y00001", "Y00002", "Y00002", "Y00003"],
        "date_of_birth": pa.array([dt.date(1950, 6, 30), dt.date(1950, 7, 1), dt.date(2009, 1, 1), None, dt.date(1980, 2, 29)]),
        "sex": ["female", "M", "I", None, "U"],
        "place": ["Bexley", "Lewisham", None, "Lewisham", "Southwark"],
        "hypertension": [True, False, None, True, True],
        "smi": [False, True, False, False, None],
        "systolic_bp": pa.array([140, 150, None, 120, 139], pa.int16()),
        "diastolic_bp": pa.array([90, 80, 70, 70, 85], pa.int16()),
        "bp_date": pa.array([dt.date(2026, 1, 1), dt.date(2025, 1, 1), None, None, dt.date(2025, 6, 29)]),
        "hba1c": pa.array([47.5, 48.0, None, 60.0, float("nan")], pa.float64()),
        "frailty": ["mild", None, None, "severe", "fit"],
    })  # fmt: skip


# What must come out, worked out by hand.
AGES = [76, 75, 17, None, 46]
HYPERTENSION = ["optimised", "undiagnosed", None, None, "unoptimised"]


def read_back(scored: pa.Table) -> dict[str, list[Any]]:
    return {str(k): list(v) for k, v in scored.to_pydict().items()}


EXPORTERS: dict[str, Callable[[pa.Table], Any]] = {
    "table": lambda t: t,
    "batch": lambda t: t.combine_chunks().to_batches()[0],
    "reader": lambda t: t.to_reader(),
    "chunks": lambda t: pa.Table.from_batches([b for i in range(5) for b in t.slice(i, 1).to_batches()]),
    "empty chunks": lambda t: pa.concat_tables([t.slice(0, 0), t.slice(0, 2), t.slice(2, 0), t.slice(2)]),
    "slice": lambda t: pa.concat_tables([t.slice(0, 3), t, t]).combine_chunks().slice(3, 5),
    "polars": pl.from_arrow,
    "polars categories": lambda t: pl.from_arrow(t).with_columns(  # type: ignore[union-attr]
        pl.col("frailty").cast(pl.Categorical), pl.col("place").cast(pl.Enum(["Bexley", "Lewisham", "Southwark"]))
    ),
    "pandas": lambda t: t.to_pandas(),
    "pandas arrow": lambda t: t.to_pandas(types_mapper=pd.ArrowDtype),
    "duckdb": lambda t: duckdb.sql("select * from t"),
    "mapping": lambda t: t.to_pydict(),
    "read only dates as moments": lambda t: t.set_column(9, "bp_date", t.column("bp_date").cast(pa.timestamp("ns"))),
}  # fmt: skip


@pytest.mark.parametrize("how", EXPORTERS)
def test_any_arrow_table(how: str) -> None:
    """The same answers from pyarrow, Polars, pandas and DuckDB, whole, sliced or in chunks."""
    table = small_table()
    scored = popstrat.score(EXPORTERS[how](table), as_of=AS_OF)
    assert isinstance(scored, pa.Table)
    scored.validate(full=True)
    found = read_back(scored)
    assert found["age"] == AGES
    assert found["hypertension_status"] == HYPERTENSION
    wanted = read_back(popstrat.score(table, as_of=AS_OF))
    if how.startswith("pandas"):  # NaN and None are one there
        wanted.pop("quality_flags"), found.pop("quality_flags")
    assert found == wanted


def test_keys_and_places_come_first_and_keep_their_type() -> None:
    """In the order of the rows, whatever the order of the columns."""
    table = small_table()
    table = table.select(sorted(table.column_names, reverse=True))
    scored = popstrat.score(table, AS_OF)
    assert scored.column_names[:3] == ["patient_id", "practice_code", "place"]
    assert scored.column("patient_id").to_pylist() == [11, 12, 13, 14, 15]
    assert scored.column("place").to_pylist() == table.column("place").to_pylist()
    text = table.set_column(
        table.column_names.index("patient_id"), "patient_id", pa.array(list("edcba"), pa.large_string())
    )
    text = text.set_column(text.column_names.index("place"), "place", text.column("place").dictionary_encode())
    scored = popstrat.score(text, AS_OF)
    assert scored.schema.field("patient_id").type == pa.large_string()
    assert pa.types.is_dictionary(scored.schema.field("place").type)
    assert scored.column("patient_id").to_pylist() == list("edcba")


def test_chunks_with_dictionaries_of_their_own() -> None:
    """Each chunk may number its labels differently, and place names as well."""
    table = small_table()
    for name in ("frailty", "sex", "place"):
        at = table.column_names.index(name)
        chunks = [
            table.column(name).slice(i, n).combine_chunks().dictionary_encode() for i, n in ((0, 1), (1, 3), (4, 1))
        ]
        table = table.set_column(at, name, pa.chunked_array(chunks))
    scored = popstrat.score(table, AS_OF)
    wanted = popstrat.score(small_table(), AS_OF)
    assert read_back(scored) == read_back(wanted)


def test_no_rows() -> None:
    """An empty table gives an empty table of the right schema, with no chunk or with an empty one."""
    scorer = popstrat.Scorer(as_of=AS_OF)
    for empty in (
        scorer.input_schema.empty_table(),
        pa.Table.from_batches([], schema=scorer.input_schema),
        pa.RecordBatch.from_pylist([], schema=scorer.input_schema),
        small_table().slice(0, 0),
        pl.from_arrow(small_table()).clear(),  # type: ignore[union-attr]
        duckdb.sql("select 1 as patient_id, 'x' as practice_code, 40 as age, 'F' as sex where false"),
    ):
        scored, record = popstrat.score(empty, AS_OF, record=True)
        assert scored.num_rows == 0
        assert record["rows"] == {"in": 0, "out": 0, "excluded": 0, "excluded_by_reason": {}}
    assert popstrat.score(scorer.input_schema.empty_table(), AS_OF).schema.equals(scorer.output_schema)


@pytest.mark.parametrize("threads", [None, 1, 2, 7])
def test_threads_change_nothing(threads: int | None) -> None:
    """The same table, to the last bit, for any number of threads."""
    table = small_table().drop_columns(["patient_id"])
    rows = 200_000
    many = pa.concat_tables([table] * (rows // 5)).combine_chunks().append_column("patient_id", pa.array(range(rows)))
    assert popstrat.score(many, AS_OF, threads=threads).equals(popstrat.score(many, AS_OF, threads=1))


def test_more_rows_than_caches_hold() -> None:
    """Over a million rows in one chunk, where outputs are written past the caches."""
    rows = (1 << 20) + 77
    table = pa.table({
        "patient_id": pa.array(range(rows)), "practice_code": pa.array(["Y00001"] * rows).dictionary_encode(),
        "sex": pa.nulls(rows, pa.string()), "age": pa.array([k % 121 for k in range(rows)], pa.int16()),
        "emergency_admissions_12m": pa.array([k % 4 for k in range(rows)], pa.int16()),
    })  # fmt: skip
    scored = popstrat.score(table, AS_OF)
    period = 121 * 4
    few = popstrat.score(table.slice(0, period), AS_OF)
    for name in ("age", "admission_risk", "expected_cost_2014", "nwl_risk_group"):
        assert scored.column(name).slice(0, period).to_pylist() == few.column(name).to_pylist()
        last = rows // period * period
        assert scored.column(name).slice(last).to_pylist() == few.column(name).slice(0, rows - last).to_pylist()


def test_batches_are_scored_as_they_come() -> None:
    """An iterator in, an iterator out; nothing is read ahead."""
    scorer = popstrat.Scorer(as_of=AS_OF)
    table = small_table()
    taken: list[int] = []

    def source() -> Iterator[pa.RecordBatch]:
        for i in range(5):
            taken.append(i)
            yield table.slice(i, 1).combine_chunks().to_batches()[0]

    out = scorer.score_batches(source())
    assert iter(out) is out
    assert taken == []
    first = next(out)
    assert taken == [0]
    assert first.column("age").to_pylist() == AGES[:1]
    assert [b.column("age").to_pylist()[0] for b in out] == AGES[1:]
    assert list(scorer.score_batches([])) == []


def test_score_batch_does_not_look_for_repeated_ids() -> None:
    """`score` does, `score_batch` does not."""
    table = small_table().set_column(0, "patient_id", pa.array([11, 12, 11, 14, 15]))
    with pytest.raises(popstrat.InputError, match="more than once"):
        popstrat.score(table, AS_OF)
    assert popstrat.Scorer(as_of=AS_OF).score_batch(table.combine_chunks().to_batches()[0]).num_rows == 5


# -- errors --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["patient_id", "practice_code"])
@pytest.mark.parametrize("kind", ["plain", "dictionary"])
def test_null_keys(name: str, kind: str) -> None:
    """Named by column and row, counted through the chunks, never by id."""
    table = small_table()
    values = ["SECRET1", "SECRET2", "SECRET3", None, "SECRET5"]
    array = pa.chunked_array([pa.array(values[:2]), pa.array(values[2:])])
    if kind == "dictionary":
        array = array.dictionary_encode()
    table = table.set_column(table.column_names.index(name), name, array)
    with pytest.raises(popstrat.InputError) as caught:
        popstrat.score(table, AS_OF)
    assert f"column {name!r}: null, where every row needs a value (row 4)" in str(caught.value)
    assert "SECRET" not in str(caught.value)
    assert (caught.value.column, caught.value.rows) == (name, (3,))


def test_null_entry_of_a_dictionary_is_a_null_key() -> None:
    """A dictionary may hold the null among its entries."""
    table = small_table()
    codes = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0, 0, 0], pa.int8()), pa.array(["Y00001", None]))
    table = table.set_column(1, "practice_code", codes)
    with pytest.raises(popstrat.InputError, match=r"null, where every row needs a value \(row 2\)"):
        popstrat.score(table, AS_OF)


@pytest.mark.parametrize("ids", [[11, 12, 13, 12, 15], [5, 4, 3, 2, 5], ["SECRET", "b", "c", "SECRET", "e"]])
def test_repeated_ids(ids: list[Any]) -> None:
    """By row, and not by id, whichever chunk they are in."""
    table = small_table().set_column(0, "patient_id", pa.chunked_array([pa.array(ids[:3]), pa.array(ids[3:])]))
    with pytest.raises(popstrat.InputError) as caught:
        popstrat.score(table, AS_OF)
    assert "column 'patient_id'" in str(caught.value)
    assert "SECRET" not in str(caught.value)
    second = max(i for i, x in enumerate(ids) if ids.count(x) > 1)
    assert f"row {second + 1}" in str(caught.value)


def test_rows_are_counted_through_the_chunks() -> None:
    """The first offending rows, as numbered in the whole table."""
    table = small_table()
    bad = pa.chunked_array([["2026-01-01", None], ["2026-01-01", "soon"], ["31/12/2025"]])
    table = pa.concat_tables([table.slice(0, 2), table.slice(2, 2), table.slice(4)])
    table = table.set_column(table.column_names.index("bp_date"), "bp_date", bad)
    with pytest.raises(popstrat.InputError, match=r"column 'bp_date': a cell is not a date as YYYY-MM-DD .*\(row 4\)"):
        popstrat.score(table, AS_OF)


def test_arguments_at_fault() -> None:
    """One clear message each, and all of them value errors."""
    table = small_table()
    for error, call in (
        (popstrat.InputError, lambda: popstrat.score([1, 2], AS_OF)),
        (popstrat.InputError, lambda: popstrat.score(None, AS_OF)),
        (popstrat.InputError, lambda: popstrat.score(table, "30 June 2026")),
        (popstrat.InputError, lambda: popstrat.score(table, AS_OF, profile="all")),
        (popstrat.InputError, lambda: popstrat.score(table.drop_columns(["sex"]), AS_OF)),
        (popstrat.InputError, lambda: popstrat.score(table.append_column("sex", table.column("sex")), AS_OF)),
        (popstrat.PackError, lambda: popstrat.score(table, AS_OF, pack="nowhere")),
        (popstrat.PackError, lambda: popstrat.score(table, AS_OF, pack="/no/such/file.toml")),
    ):
        with pytest.raises(error) as caught:
            call()
        assert isinstance(caught.value, ValueError)
        assert "\n" not in str(caught.value)


# -- the run record ------------------------------------------------------------------------------------------------------


def test_record() -> None:
    """Beside the table, on demand: rows, groups, quality, hashes; no identifier; it goes to JSON."""
    table = small_table().append_column("shoe_size", pa.array([1, 2, 3, 4, 5]))
    scored, record = popstrat.score(table, AS_OF, record=True)
    assert scored.equals(popstrat.score(table, AS_OF))
    assert record["rows"] == {"in": 5, "out": 5, "excluded": 0, "excluded_by_reason": {}}
    assert record["as_of"] == AS_OF
    assert record["profile"] == "direct-care"
    assert record["pack"]["id"] == "london-2026"
    assert len(record["pack"]["sha256"]) == 64
    assert record["groups"]["hypertension_status"] == {"none": 0, "optimised": 1, "unoptimised": 1, "undiagnosed": 1}
    assert record["quality"] == {"hba1c": {"outside 15 to 200 mmol/mol": 1}}
    assert record["newest_record_date"] == "2026-01-01"
    assert record["ignored_columns"] == ["shoe_size"]
    assert any("stale" in warning for warning in record["warnings"])
    text = json.dumps(record)
    for secret in ("Y00001", "Bexley"):
        assert secret not in text


def test_record_of_secondary_use() -> None:
    """Rows in are rows out and rows left out, by reason."""
    table = small_table()
    table = table.append_column("type1_opt_out", pa.array([True, None, False, False, False]))
    table = table.append_column("national_data_opt_out", pa.array([True, True, None, False, False]))
    for data in (table, pl.from_arrow(table), table.to_pandas()):
        scored, record = popstrat.score(data, AS_OF, profile="secondary-use", record=True)
        assert scored.column("patient_id").to_pylist() == [13, 14, 15]
        assert record["rows"] == {
            "in": 5, "out": 3, "excluded": 2, "excluded_by_reason": {"type 1 opt-out": 1, "national data opt-out": 1}
        }  # fmt: skip
        assert record["profile"] == "secondary-use"


# -- importing -----------------------------------------------------------------------------------------------------------


def modules_after(code: str) -> set[str]:
    program = f"import sys\n{code}\nprint(' '.join(m for m in sys.modules))"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(found.stdout.split())


def test_importing_is_light() -> None:
    """`import popstrat` needs next to nothing; scoring needs pyarrow and NumPy, and none of the heavy ones."""
    heavy = {"polars", "numba", "rich", "matplotlib", "typer", "duckdb", "scipy"}
    bare = modules_after("import popstrat; popstrat.__version__; dir(popstrat)")
    assert not bare & (heavy | {"pandas", "pyarrow", "numpy"})
    named = modules_after("import popstrat; popstrat.score, popstrat.Scorer, popstrat.load_pack, popstrat.InputError")
    assert not named & (heavy | {"pandas"})
    used = modules_after(  # pyarrow itself takes pandas in, where it is installed
        "import popstrat\nscorer = popstrat.Scorer(as_of='2026-06-30')\n"
        "popstrat.score(scorer.input_schema.empty_table(), '2026-06-30', record=True)"
    )
    assert not used & heavy


def test_names_of_the_library() -> None:
    """What the package offers, and nothing made up."""
    assert {"score", "Scorer", "InputError", "PackError", "load_pack", "__version__"} <= set(dir(popstrat))
    with pytest.raises(AttributeError, match="no attribute 'scores'"):
        popstrat.scores  # noqa: B018


@pytest.mark.parametrize("name", popstrat.__all__)
def test_each_name_of_the_library_is_there(name: str) -> None:
    assert getattr(popstrat, name) is not None
