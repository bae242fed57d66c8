"""Checking alone counts what scoring counts, column by column and reason by reason."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq

from popstrat import synthetic
from popstrat.scoring.scorer import Scorer
from popstrat.scoring.tally import Tally

AS_OF = dt.date(2026, 6, 30)


def test_check_counts_what_score_counts() -> None:
    table = synthetic.table(20_000, seed=3, as_of=AS_OF, dirty=True)
    scorer = Scorer(as_of=AS_OF)
    scored, checked = Tally(), Tally()
    for batch in table.to_batches():
        scored += scorer.bind(table.schema).score(batch)[1]
        checked += scorer.checker(table.schema).score(batch)[1]
    assert scored.quality
    assert {name: checked.quality[name] for name in scored.quality} == scored.quality
    assert checked.newest_date is not None


def test_check_reads_columns_that_no_rule_uses() -> None:
    table = synthetic.table(20_000, seed=3, as_of=AS_OF, dirty=True)
    scorer = Scorer(as_of=AS_OF)
    unused = [c.name for c in scorer.pack.schema if c.name not in scorer.columns and c.type in ("int", "float")]
    checked = sum((scorer.checker(table.schema).score(b)[1] for b in table.to_batches()), Tally())
    assert set(unused) & set(checked.quality)


def test_check_command(tmp_path: Path) -> None:
    file = tmp_path / "list.parquet"
    pq.write_table(synthetic.table(20_000, seed=3, as_of=AS_OF, dirty=True), file)
    run = [sys.executable, "-m", "popstrat", "check", str(file), "--as-of", "2026-06-30"]
    counted = json.loads(subprocess.run([*run, "--json"], check=True, capture_output=True, text=True).stdout)["quality"]
    assert counted["systolic_bp"]["outside 50 to 300 mmHg"] > 0
    shown = subprocess.run(run, check=True, capture_output=True, text=True).stdout
    assert "systolic_bp" in shown
    assert "no implausible value" not in shown
