"""Packs as SQL in a Spark that runs: its cells are the engine's. Of the nightly set, which installs Spark."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import popstrat.synthetic as synthetic
from popstrat.packs.reading import list_packs
from popstrat.queries.call import sql
from popstrat.queries.check import compared
from popstrat.scoring.scorer import Scorer

if not os.environ.get("POPSTRAT_SPARK"):
    pytest.skip("in the nightly set, where POPSTRAT_SPARK is set", allow_module_level=True)

AS_OF = dt.date(2026, 6, 30)
PACKS = [str(pack["id"]) for pack in list_packs()]


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    session = builder.config("spark.log.level", "ERROR").getOrCreate()
    yield session
    session.stop()


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize("dirty", [False, True])
@pytest.mark.parametrize("pack", PACKS)
def test_spark_gives_the_cells_of_the_engine(spark: Any, pack: str, dirty: bool, tmp_path: Path) -> None:
    scorer = Scorer(pack, AS_OF)
    table = synthetic.table(1_000, seed=5, as_of=AS_OF, dirty=dirty)
    plain = [c.cast(pa.string()) if pa.types.is_dictionary(c.type) else c for c in table.columns]
    pq.write_table(pa.table(plain, names=table.column_names), tmp_path / "list.parquet")
    spark.read.parquet(str(tmp_path / "list.parquet")).createOrReplaceTempView("patients")
    theirs = spark.sql(sql(scorer.pack, AS_OF, dialect="spark", columns=table.schema)).toArrow()
    ours = pa.Table.from_batches(list(scorer.score_batches(table.to_batches())))
    places = pc.index_in(ours["patient_id"].combine_chunks(), theirs["patient_id"].combine_chunks())
    found = compared(scorer, ours, theirs.take(places))
    assert found.rows == 1_000
    assert not found.differing
