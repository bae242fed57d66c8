"""What scoring costs on Spark: over the identity through `mapInArrow`, and against the same rules as Spark SQL.

    python benchmarks/spark.py [ROWS]          # after: pip install --group spark

In a cluster of two executor processes; results go to Spark's sink that throws them away; medians of rounds in which
each has a turn. A count and a sum of the results are compared first. It takes half an hour for 2.5 million people.
"""

from __future__ import annotations

import datetime as dt
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import popstrat
from popstrat import synthetic

AS_OF = dt.date(2026, 6, 30)
ROUNDS = 3


def same(batches: Iterable[Any]) -> Iterator[Any]:
    yield from batches


def main() -> None:
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable  # executors have working folders of their own
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 2_500_000
    spark = (
        SparkSession.builder.master("local-cluster[2,1,2048]").config("spark.ui.enabled", "false")
        .config("spark.log.level", "ERROR").config("spark.sql.shuffle.partitions", "4").getOrCreate()
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "list.parquet")
        table = synthetic.table(rows, seed=3, as_of=AS_OF)
        text = [c.cast(pa.string()) if pa.types.is_dictionary(c.type) else c for c in table.columns]
        pq.write_table(pa.table(text, names=table.column_names), path, row_group_size=100_000)
        df = spark.read.parquet(path)
        df.createOrReplaceTempView("patients")
        ours = popstrat.spark.score(df, AS_OF, check_ids=False)
        sql = spark.sql(popstrat.sql(as_of=AS_OF, dialect="spark", columns=table.schema))
        told = "count(*), sum(expected_cost_2014), sum(ltc_count), count(need_rag)"
        one, other = (some.selectExpr(*told.split(", ")).collect()[0] for some in (ours, sql))
        assert [round(float(v), 3) for v in one] == [round(float(v), 3) for v in other], (one, other)

        def run(some: Any) -> Callable[[], None]:
            return lambda: some.write.format("noop").mode("overwrite").save()

        kinds = {
            "identity, all columns": run(df.mapInArrow(same, df.schema)),
            "popstrat.spark.score, ids not compared": run(ours),
            "popstrat.spark.score": lambda: run(popstrat.spark.score(df, AS_OF))(),
            "the same rules as Spark SQL": run(sql),
        }
        times: dict[str, list[float]] = {name: [] for name in kinds}
        for _ in range(ROUNDS):
            for name, go in kinds.items():
                start = time.perf_counter()
                go()
                times[name].append(time.perf_counter() - start)
        base = statistics.median(times["identity, all columns"])
        print(f"{rows:,} rows, {len(df.columns)} columns, {ROUNDS} rounds, two executors of one core")
        for name, some in times.items():
            print(f"{name:40} {statistics.median(some):7.1f} s {statistics.median(some) / base:6.2f} x")
    spark.stop()


if __name__ == "__main__":
    main()
