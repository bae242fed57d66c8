"""Spark DataFrames, on executors that are processes of their own. Of the nightly set, which installs Spark."""

from __future__ import annotations

import datetime as dt
import os
import runpy
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import popstrat
from popstrat import synthetic
from popstrat.core.plain_types import plain
from popstrat.errors import InputError, RunError

if not os.environ.get("POPSTRAT_SPARK"):
    pytest.skip("in the nightly set, where POPSTRAT_SPARK is set", allow_module_level=True)

pytestmark = pytest.mark.filterwarnings(
    "ignore::FutureWarning", "ignore::ResourceWarning", "ignore::DeprecationWarning"
)
AS_OF = dt.date(2026, 6, 30)
ROWS = 6_000
TIMES = ("started", "finished", "seconds", "rows_per_second", "peak_memory_bytes", "threads", "command", "means")


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    session = (
        SparkSession.builder.master("local-cluster[2,1,1024]")
        .config("spark.ui.enabled", "false").config("spark.log.level", "OFF")
        .config("spark.sql.shuffle.partitions", "3")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", "500").config("spark.task.maxFailures", "4")
        .getOrCreate()
    )  # fmt: skip
    yield session
    session.stop()


@pytest.fixture(scope="module")
def people() -> pa.Table:
    return synthetic.table(ROWS, seed=7, as_of=AS_OF, dirty=True)


@pytest.fixture(scope="module")
def path(people: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> str:
    text = [c.cast(pa.string()) if pa.types.is_dictionary(c.type) else c for c in people.columns]
    found = str(tmp_path_factory.mktemp("spark") / "list.parquet")
    pq.write_table(pa.table(text, names=people.column_names), found, row_group_size=1_000)
    return found


def same(scored: Any, wanted: pa.Table) -> None:
    """Cell by cell, whatever the order of the partitions."""
    found = scored.toArrow().sort_by("patient_id")
    wanted = wanted.sort_by("patient_id")
    flags = wanted["quality_flags"].cast(pa.int64(), safe=False)  # the highest bit is the sign
    wanted = wanted.set_column(wanted.column_names.index("quality_flags"), "quality_flags", flags)
    assert found.column_names == wanted.column_names
    assert found.num_rows == wanted.num_rows
    for name in wanted.column_names:
        assert found[name].to_pylist() == wanted[name].to_pylist(), name


def told(job: Any) -> str:
    with pytest.raises(Exception, match=r"popstrat\.errors") as raised:
        job()
    return str(raised.value)


def test_it_is_the_table_of_one_machine(spark: Any, people: pa.Table, path: str) -> None:
    """From skewed and empty partitions too; and the record is that of one machine."""
    from pyspark.sql import functions as f

    wanted, record = popstrat.score(people, AS_OF, record=True)
    df = spark.read.parquet(path)
    same(popstrat.spark.score(df, AS_OF), wanted)
    skewed = df.repartition(5, (f.col("patient_id") % 100 == 0).cast("int"))
    same(popstrat.spark.score(skewed, AS_OF), wanted)
    out, found = popstrat.spark.score(skewed, AS_OF, record=True)
    same(out, wanted)
    assert found["partitions"]["empty"] >= 3
    assert found["rows"] == {"in": ROWS, "out": ROWS, "excluded": 0, "excluded_by_reason": {}}
    assert {k: v for k, v in found.items() if k not in (*TIMES, "partitions")} == {
        k: v for k, v in record.items() if k not in TIMES
    }
    assert out.count() == ROWS
    popstrat.spark.release(out)
    assert out.count() == ROWS
    none = popstrat.spark.score(df.where("patient_id < 0"), AS_OF, record=True)
    assert none[1]["rows"]["in"] == none[0].count() == 0


def test_other_names_profiles_and_columns(spark: Any, people: pa.Table, path: str) -> None:
    df = spark.read.parquet(path)
    wanted = popstrat.score(people, AS_OF, profile="secondary-use", contributions=2)
    upper = df.toDF(*[name.upper() for name in df.columns])
    upper = upper.withColumn("an `odd` name", upper["PATIENT_ID"].cast("string"))
    same(popstrat.spark.score(upper, AS_OF, profile="secondary-use", contributions=2), wanted)
    mapped = df.withColumnRenamed("bmi", "body mass").withColumnRenamed("patient_id", "person")
    mapping = {"columns": {"bmi": "body mass", "patient_id": "person"}}
    out, record = popstrat.spark.score(mapped, AS_OF, profile="secondary-use", mapping=mapping, record=True)
    same(out, popstrat.score(people, AS_OF, profile="secondary-use"))
    assert record["rows"]["in"] == ROWS == record["rows"]["out"] + record["rows"]["excluded"]
    popstrat.spark.release(out)
    as_text = df.withColumn("patient_id", df["patient_id"].cast("decimal(38,0)"))
    same(popstrat.spark.score(as_text, AS_OF), popstrat.score(people, AS_OF))
    silent = df.withColumn("type1_opt_out", df["type1_opt_out"] & (df["patient_id"] < 0)).drop("national_data_opt_out")
    with pytest.raises(InputError, match="national_data_opt_out"):
        popstrat.spark.score(silent, AS_OF, profile="secondary-use")
    nothing = df.selectExpr(*(f"cast(null as boolean) as {n}" if n == "type1_opt_out" else n for n in df.columns))
    with pytest.raises(InputError, match="is null in every row"):
        popstrat.spark.score(nothing, AS_OF, profile="secondary-use")


def test_ids_of_different_partitions_are_compared(spark: Any, people: pa.Table, path: str) -> None:
    df = spark.read.parquet(path)
    ids = people["patient_id"].to_pylist()
    twice = df.union(df.where(f"patient_id in ({ids[41]}, {ids[99]})"))
    assert df.rdd.getNumPartitions() == 1
    for options in ({}, {"record": True}):
        with pytest.raises(InputError) as raised:
            popstrat.spark.score(twice, AS_OF, **options)
        message = str(raised.value)
        assert "2 ids occur more than once: row 1 of partition 1 repeats row 42 of partition 0" in message
        assert str(ids[41]) not in message
        assert "popstrat.spark.rows(df, partition=1, rows=[1])" in message
    found = popstrat.spark.rows(twice, partition=1, rows=[1]).collect()
    assert [row["patient_id"] for row in found] == [ids[41]]
    assert popstrat.spark.score(twice, AS_OF, check_ids=False).count() == ROWS + 2
    text = df.selectExpr(*("concat(' ', patient_id) as patient_id" if n == "patient_id" else n for n in df.columns))
    with pytest.raises(InputError, match=f"{ROWS:,} ids occur more than once"):
        popstrat.spark.score(text.union(df.withColumn("patient_id", df["patient_id"].cast("string"))), AS_OF)


def test_what_is_wrong_is_said_with_partition_and_rows(spark: Any, people: pa.Table, path: str) -> None:
    df = spark.read.parquet(path).coalesce(1)
    one = people["patient_id"][777].as_py()

    def changed(column: str, value: str) -> Any:
        other = f"case when patient_id = {one} then {value} else {column} end as {column}"
        return df.selectExpr(*(other if name == column else name for name in df.columns))

    three = f"case when patient_id = {one} then 3 else cast(ckd as int) end as ckd"
    odd = df.selectExpr(*(three if name == "ckd" else name for name in df.columns))
    message = told(popstrat.spark.score(odd, AS_OF).collect)
    assert "partition 0: column 'ckd': a number other than 0 and 1" in message
    assert "(row 778)" in message
    assert str(one) not in message.split("popstrat.errors")[1]
    with pytest.raises(InputError, match=r"partition 0: column 'ckd': .*\(row 778\)"):
        popstrat.spark.score(odd, AS_OF, record=True)
    assert popstrat.spark.rows(odd, partition=0, rows=[778]).collect()[0]["patient_id"] == one
    with pytest.raises(InputError, match=r"partition 0: column 'patient_id': null, .*\(row 778\)"):
        popstrat.spark.score(changed("patient_id", "null"), AS_OF)
    with pytest.raises(InputError, match="column 'sex': this required column is missing"):
        popstrat.spark.score(df.drop("sex"), AS_OF)
    with pytest.raises(InputError, match="column 'bmi': is of Spark's type array<int>"):
        popstrat.spark.score(df.drop("bmi").selectExpr("*", "array(1) as bmi"), AS_OF)
    with pytest.raises(InputError, match=r"popstrat\.spark\.score"):
        popstrat.score(df, AS_OF)


def test_rows_that_are_others_each_time_are_refused(spark: Any, path: str) -> None:
    def some(batches: Any) -> Any:
        for batch in batches:
            yield batch.slice(0, int.from_bytes(os.urandom(4), "little") % batch.num_rows)

    df = spark.read.parquet(path)
    df = df.mapInArrow(some, df.schema)
    with pytest.raises(RunError, match="other rows each time"):
        popstrat.spark.score(df, AS_OF, record=True)


@pytest.mark.parametrize("controlled", [True, False])
def test_metrics_are_those_of_one_machine(spark: Any, people: pa.Table, path: str, controlled: bool) -> None:
    from popstrat.metrics.in_memory import table

    wanted = table(people, AS_OF, disclosure_control=controlled)
    df = spark.read.parquet(path).repartition(4)
    found = popstrat.spark.metrics(df, AS_OF, disclosure_control=controlled)
    assert found.equals(wanted)


def test_the_page_says_what_happens(spark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pyspark.sql import Row

    folder = Path(__file__).parents[2]
    monkeypatch.chdir(tmp_path)
    table = synthetic.table(1_000, seed=2, as_of=AS_OF)
    text = [c.cast(pa.string()) if pa.types.is_dictionary(c.type) else c for c in table.columns]
    pq.write_table(pa.table(text, names=table.column_names), "list.parquet")
    how_to = runpy.run_path(str(folder / "tests" / "integration" / "test_how_to.py"))
    there = SimpleNamespace(read=SimpleNamespace(parquet=lambda name: spark.read.parquet(str(tmp_path / name))))
    how_to["run_python"](folder / "docs" / "how-to" / "spark.md", {"spark": there, "Row": Row})


def test_an_executor_may_be_killed(spark: Any, people: pa.Table, path: str) -> None:
    """While the job runs; its partitions are scored again."""
    from pyspark.sql import functions as f

    folder = Path(path).parent / "seen"
    folder.mkdir()

    def slowly(batches: Any) -> Any:
        (folder / str(os.getppid())).touch()
        time.sleep(1)
        yield from batches

    df = spark.read.parquet(path).repartition(8, f.col("patient_id"))
    slow = df.mapInArrow(slowly, df.schema)
    import threading

    def kill() -> None:
        while not (seen := list(folder.iterdir())):
            time.sleep(0.05)
        daemon = int(seen[0].name)  # the worker's parent; its parent is the executor
        executor = int(Path(f"/proc/{daemon}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(executor, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    out, record = popstrat.spark.score(slow, AS_OF, record=True)
    killer.join()
    same(out, popstrat.score(people, AS_OF))
    assert record["rows"]["in"] == ROWS
    popstrat.spark.release(out)


def test_types_that_spark_lacks() -> None:
    from popstrat.platforms.on_spark.types import ddl, for_spark, of_spark

    listed = pa.list_(pa.struct([("term", pa.dictionary(pa.int8(), pa.string())), ("amount", pa.float64())]))
    kinds = [
        for_spark(k) for k in (pa.uint8(), pa.uint64(), pa.dictionary(pa.int8(), pa.string()), pa.date32(), listed)
    ]
    assert ddl(["a", "b", "c", "d `e", "f"], kinds) == (
        "`a` smallint, `b` bigint, `c` string, `d ``e` date, `f` array<struct<`term`: string, `amount`: double>>"
    )
    assert plain(of_spark("decimal(38,0)"), whole=True).type == pa.int64()  # type: ignore[union-attr]
    assert of_spark("varchar(20)") == pa.string()
    assert of_spark("map<string,int>") is None
