"""A pack as a dbt model, built and tested by dbt in DuckDB (`make dbt`, which has it in an environment of its own)."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
from pathlib import Path

import pyarrow as pa
import pytest

import popstrat.synthetic as synthetic
from popstrat.packs.load import load_pack
from popstrat.queries.call import sql
from popstrat.queries.check import compared
from popstrat.queries.dbt import model_name, write_model
from popstrat.scoring.scorer import Scorer

DBT = os.environ.get("POPSTRAT_DBT")
if not DBT:
    pytest.skip("where POPSTRAT_DBT names the program", allow_module_level=True)

AS_OF = dt.date(2026, 6, 30)
PROJECT = """name: ours
version: "1.0"
profile: ours
model-paths: [models]
models:
  ours:
    +materialized: table
"""
PROFILE = """ours:
  target: dev
  outputs:
    dev: {type: duckdb, path: ours.duckdb, threads: 1}
"""


@pytest.mark.parametrize("pack", ["london-2026", "cha2ds2-vasc"])
def test_dbt_builds_and_tests_the_model(pack: str, tmp_path: Path) -> None:
    import duckdb

    loaded, table = load_pack(pack), synthetic.table(2_000, seed=5, as_of=AS_OF)
    (tmp_path / "models").mkdir()
    (tmp_path / "dbt_project.yml").write_text(PROJECT)
    (tmp_path / "profiles.yml").write_text(PROFILE)
    write_model(tmp_path / "models", loaded, AS_OF, sql(loaded, AS_OF, columns=table.schema))
    with duckdb.connect(str(tmp_path / "ours.duckdb")) as connection:
        connection.register("made", table)
        connection.execute("CREATE TABLE patients AS SELECT * FROM made")
    done = subprocess.run(
        [str(DBT), "build", "--profiles-dir", ".", "--project-dir", "."],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "ERROR=0" in done.stdout
    scorer = Scorer(loaded, AS_OF)
    with duckdb.connect(str(tmp_path / "ours.duckdb")) as connection:
        theirs = connection.sql(f"SELECT * FROM {model_name(loaded)} ORDER BY patient_id").to_arrow_table()
    ours = pa.Table.from_batches(list(scorer.score_batches(table.to_batches()))).sort_by("patient_id")
    assert not compared(scorer, ours, theirs).differing
