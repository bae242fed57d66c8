"""Whatever somebody has a list in gives the same results, and comes back as the same kind of thing."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

import popstrat
from popstrat import synthetic
from popstrat.errors import InputError

AS_OF = dt.date(2026, 6, 30)
ROWS = 900
FROM_A_QUERY = pl.exceptions.ComputeError if pl.__version__ < "2" else InputError  # Polars 1 tells of ours in its own


@pytest.fixture(scope="module")
def people() -> pa.Table:
    return synthetic.table(ROWS, seed=4, as_of=AS_OF).append_column("shoe_size", pa.array([1] * ROWS))


@pytest.fixture(scope="module")
def expected(people: pa.Table) -> pa.Table:
    return popstrat.score(people, AS_OF)


class Stream:
    """Something of nobody's that has a stream, and nothing else."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __arrow_c_stream__(self, schema: Any = None) -> Any:
        return self._table.__arrow_c_stream__(schema)


def in_chunks(table: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return pl.concat([frame[:200], frame[200:201], frame[201:]], rechunk=False)


def narwhals(table: pa.Table) -> Any:
    return pytest.importorskip("narwhals").from_native(pl.from_arrow(table))


def ibis(table: pa.Table) -> Any:
    pytest.importorskip("pyarrow_hotfix")  # of the extra with a backend
    return pytest.importorskip("ibis").memtable(table)


KINDS: dict[str, Callable[[pa.Table], Any]] = {
    "table": lambda t: t,
    "reader": lambda t: t.to_reader(100),
    "batch": lambda t: t.combine_chunks().to_batches()[0],
    "dataset": ds.dataset,
    "scanner": lambda t: ds.dataset(t).scanner(batch_size=100),
    "list of batches": lambda t: t.to_batches(100),
    "generator of batches": lambda t: (b for b in t.to_batches(100)),
    "parts of other kinds": lambda t: (pl.from_arrow(t[:10]), t[10:20].to_pandas(), t[20:]),
    "parts as text and as categories": lambda t: (
        pl.from_arrow(t[:10]).with_columns(pl.col(pl.Categorical).cast(pl.String)),
        t[10:20],
        t[:0].to_pandas(),
        t[20:],
    ),
    "mapping": lambda t: {n: t[n].to_pylist() for n in t.column_names},
    "mapping of arrays": lambda t: {n: np.asarray(t[n]) if n == "patient_id" else t[n] for n in t.column_names},
    "stream": Stream,
    "polars": pl.from_arrow,
    "polars in chunks": in_chunks,
    "polars text": lambda t: pl.from_arrow(t).with_columns(pl.col(pl.Categorical).cast(pl.String)),
    "polars lazy": lambda t: pl.from_arrow(t).lazy(),
    "pandas": lambda t: t.to_pandas(),
    "pandas arrow": lambda t: t.to_pandas(types_mapper=pd.ArrowDtype),
    "pandas object": lambda t: t.to_pandas().astype({"practice_code": object, "sex": object, "hypertension": object}),
    "pandas nullable": lambda t: t.to_pandas().convert_dtypes(),
    "duckdb": lambda t: duckdb.from_arrow(t),
    "duckdb connection": lambda t: duckdb.connect().register("t", t).execute("select * from t"),
    "narwhals": narwhals,
    "ibis": ibis,
    "capitals": lambda t: t.rename_columns([n.upper() for n in t.column_names]),
}


@pytest.mark.filterwarnings("ignore:Arrow output on a DB-API result:UserWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind(people: pa.Table, expected: pa.Table, kind: str) -> None:
    scored = popstrat.score(KINDS[kind](people), AS_OF)
    assert scored.to_pydict() == expected.to_pydict()
    pq.write_table(scored, pa.BufferOutputStream())


@pytest.mark.filterwarnings("ignore:Arrow output on a DB-API result:UserWarning")
@pytest.mark.parametrize("kind", [k for k in KINDS if "generator" not in k and "parts" not in k])
def test_batches_of_every_kind(people: pa.Table, expected: pa.Table, kind: str) -> None:
    scorer = popstrat.Scorer(as_of=AS_OF)
    assert pa.Table.from_batches(scorer.score_batches(KINDS[kind](people))).to_pydict() == expected.to_pydict()
    if "connection" not in kind:
        assert scorer.score_batch(KINDS[kind](people)).to_pydict() == expected.to_pydict()


def test_paths(people: pa.Table, expected: pa.Table, tmp_path: Path) -> None:
    pq.write_table(people[:300], tmp_path / "a.parquet")
    pq.write_table(people[300:], tmp_path / "b.parquet")
    for given in (tmp_path, [tmp_path / "a.parquet", str(tmp_path / "b.parquet")], ds.dataset(tmp_path)):
        assert popstrat.score(given, AS_OF).to_pydict() == expected.to_pydict()
    with pytest.raises(InputError, match="no such file"):
        popstrat.score("none.parquet", AS_OF)


def test_what_was_passed_over_is_still_known(people: pa.Table, tmp_path: Path) -> None:
    """Though it is not read where it is not in memory."""
    pq.write_table(people, tmp_path / "a.parquet")
    wanted = popstrat.score(people, AS_OF, record=True)[1]
    for given in (ds.dataset(tmp_path), pl.scan_parquet(tmp_path / "a.parquet"), duckdb.from_arrow(people), tmp_path):
        record = popstrat.score(given, AS_OF, record=True)[1]
        for name in ("ignored_columns", "recorded", "groups", "notices", "warnings"):
            assert record[name] == wanted[name]


@pytest.mark.parametrize("given", [3, None, object(), [], [3], "", [{"patient_id": 1}], pd.Series([1, 2])])
def test_what_is_no_table(given: Any) -> None:
    with pytest.raises(InputError):
        popstrat.score(given, AS_OF)


def test_columns_that_are_not_of_one_type_are_named() -> None:
    """With their rows, and without a value."""
    rows = {"patient_id": [9990000001, "x9990000002", 9990000003], "practice_code": ["A", "B", "C"], "age": [1, 2, 3],
            "sex": ["male"] * 3}  # fmt: skip
    for given in (rows, pd.DataFrame(rows), {**rows, "patient_id": np.array(rows["patient_id"], object)}):
        with pytest.raises(
            InputError, match=r"column 'patient_id': values of different types \(int, str\) \(row 2\)"
        ) as e:
            popstrat.score(given, AS_OF)
        assert "999" not in str(e.value)
    with pytest.raises(InputError, match="is in part 2 or in part 1 of the table, and not in both"):
        popstrat.score([pa.table(rows | {"patient_id": [1, 2, 3]}), pa.table({"patient_id": [4]})], AS_OF)


def test_score_batches_compares_ids(people: pa.Table) -> None:
    """Of all batches, in whatever order they come, once the last has been given out."""
    scorer = popstrat.Scorer(as_of=AS_OF)
    for order in (people, people.sort_by([("patient_id", "descending")]), people.set_column(
        0, "patient_id", people["patient_id"].cast(pa.string()))):  # fmt: skip
        batches = order.to_batches(50)
        assert sum(b.num_rows for b in scorer.score_batches(batches)) == ROWS
        given = scorer.score_batches([*batches, order[3:5].to_batches()[0]])
        for _ in range(len(batches) + 1):
            next(given)
        with pytest.raises(InputError, match=f"2 ids occur more than once: row {ROWS + 1} repeats row 4"):
            next(given)
    bad = people[:10].set_column(0, "patient_id", pa.array([1, 2, 3, None, 5, 6, 7, 8, 9, 10]))
    with pytest.raises(InputError, match=r"column 'patient_id'.*\(row 54\)"):
        list(scorer.score_batches([people[:50], bad]))


def test_polars(people: pa.Table, expected: pa.Table) -> None:
    frame = pl.from_arrow(people)
    assert isinstance(frame, pl.DataFrame)
    given = frame.with_columns(pl.col("place").cast(pl.String))
    scored, record = popstrat.polars.score(given, AS_OF, record=True)
    assert isinstance(scored, pl.DataFrame)
    assert scored.schema["place"] == pl.String
    assert scored.schema["practice_code"] == given.schema["practice_code"]
    assert scored.to_dict(as_series=False) == expected.to_pydict()
    assert record["rows"]["in"] == ROWS
    with pytest.raises(InputError, match="takes a DataFrame or a LazyFrame"):
        popstrat.polars.score(people, AS_OF)  # type: ignore[call-overload]


def test_polars_lazily(people: pa.Table, expected: pa.Table, tmp_path: Path) -> None:
    """Part by part, in order; the query takes what it needs of it; errors as of a table."""
    pq.write_table(people, tmp_path / "list.parquet", row_group_size=100)
    scored = popstrat.polars.score(pl.scan_parquet(tmp_path / "list.parquet"), AS_OF)
    assert isinstance(scored, pl.LazyFrame)
    for engine in ("streaming", "in-memory"):
        found = scored.collect(engine=engine)  # type: ignore[call-overload]
        assert found.to_dict(as_series=False) == expected.to_pydict()
        assert found.schema == scored.collect_schema()
    some = scored.filter(pl.col("age") > 80).select("age", "patient_id").collect()
    assert some["age"].to_list() == [a for a in expected["age"].to_pylist() if a is not None and a > 80]
    assert scored.head(7).collect().height == 7
    scored.sink_parquet(tmp_path / "scored.parquet")
    assert pq.read_table(tmp_path / "scored.parquet")["need_rag"].to_pylist() == expected["need_rag"].to_pylist()
    frame = pl.from_arrow(people)
    assert isinstance(frame, pl.DataFrame)
    with pytest.raises(FROM_A_QUERY, match=f"2 ids occur more than once: row {ROWS + 1} repeats row 1"):
        popstrat.polars.score(pl.concat([frame, frame[:2]]).lazy(), AS_OF).collect()
    with pytest.raises(InputError, match="column 'sex': this required column is missing"):
        popstrat.polars.score(frame.drop("sex").lazy(), AS_OF)
    with pytest.raises(InputError, match="a lazy frame has no record"):
        popstrat.polars.score(frame.lazy(), AS_OF, record=True)  # type: ignore[call-overload]
    some = popstrat.polars.score(frame.lazy(), AS_OF, profile="secondary-use").collect()
    assert some.height == popstrat.score(people, AS_OF, profile="secondary-use").num_rows
    silent = frame.with_columns(type1_opt_out=pl.lit(None, pl.Boolean)).lazy()
    with pytest.raises(FROM_A_QUERY, match="type1_opt_out"):
        popstrat.polars.score(silent, AS_OF, profile="secondary-use").collect()


def test_categories_of_polars_hold_what_is_used(people: pa.Table) -> None:
    """Its columns share their labels; places of a result have their own only."""
    scored = popstrat.score(pl.from_arrow(people), AS_OF)
    for name in ("practice_code", "place"):
        column = scored[name].combine_chunks()
        entries = column.dictionary.to_pylist()
        assert sorted(entries) == sorted(set(column.to_pylist()) - {None})


def test_pandas(people: pa.Table, expected: pa.Table) -> None:
    frame = people.to_pandas().set_index(pd.Index([f"row {i}" for i in range(ROWS)], name="mine"))
    scored, record = popstrat.pandas.score(frame, AS_OF, record=True)
    assert scored.index.equals(frame.index)
    assert record["rows"]["out"] == ROWS
    for name in expected.column_names:
        found = [None if pd.isna(v) else v for v in scored[name]]
        assert found == expected[name].to_pylist(), name
    assert not any(scored[c].dtype == float for c in ("age", "inputs_missing", "cvrm_unoptimised_count"))
    some = popstrat.pandas.score(frame, AS_OF, profile="secondary-use")
    assert len(some) < ROWS
    assert (frame.loc[some.index, "patient_id"] == some["patient_id"]).all()
    of_arrow = popstrat.pandas.score(people.to_pandas(types_mapper=pd.ArrowDtype), AS_OF)
    assert all(isinstance(kind, pd.ArrowDtype) for kind in of_arrow.dtypes)
    twice = pd.concat([frame[["bmi"]], frame], axis=1)
    with pytest.raises(InputError, match="column 'bmi': two columns have this name"):
        popstrat.score(twice, AS_OF)


def test_duckdb(people: pa.Table, expected: pa.Table) -> None:
    with duckdb.connect() as connection:
        connection.register("people", people)
        scored = popstrat.duckdb.score(connection.table("people"), AS_OF, connection=connection)
        assert scored.columns == expected.column_names
        assert scored.select("patient_id", "need_rag", "admission_risk").fetchall() == [
            (r["patient_id"], r["need_rag"], r["admission_risk"]) for r in expected.to_pylist()
        ]
        joined = scored.set_alias("s").join(connection.table("people").set_alias("p"), "s.patient_id = p.patient_id")
        assert joined.count("*").fetchall() == [(ROWS,)]


def test_no_library_is_loaded_unasked(people: pa.Table, tmp_path: Path) -> None:
    with pa.ipc.new_file(tmp_path / "list.arrow", people.schema) as file:
        file.write_table(people)
    code = """
import sys
import pyarrow as pa
import popstrat
table = pa.ipc.open_file(sys.argv[1]).read_all()
popstrat.score(table, "2026-06-30")
scorer = popstrat.Scorer(as_of="2026-06-30")
scorer.score_batch(table.combine_chunks().to_batches()[0])
print([m for m in ("polars", "pandas", "duckdb", "ibis", "narwhals", "pyspark") if m in sys.modules])
"""
    command = [sys.executable, "-c", code, str(tmp_path / "list.arrow")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "[]"
