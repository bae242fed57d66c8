"""All teams' work lists of a board in one command, against scoring the same list: whole processes, file to files.

`popstrat score` reads the list, scores it and writes the scored table. `popstrat worklist --split` reads more columns,
scores, keeps the best of every area, puts their reasons into words, writes a file for each, and reads all of them back.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from measuring import CORES, Spent, Versus, popstrat, process

from popstrat.core.dates import days
from popstrat.worklists.best import ties

MakeList = Callable[[int, str], Path]
COHORT, CAPACITY = "frailty_int_segment", 60
COLUMNS = {"practice": "practice_code", "neighbourhood": "neighbourhood"}
FIGURES = {"practice": "worklist-practice", "neighbourhood": "worklist-neighbourhood"}


def _lists(scored: Path, level: str, as_of: dt.date) -> dict[str, list[int]]:
    """The same lists by Polars: colour, risk, and the hash that decides between equals."""
    columns = ["patient_id", COLUMNS[level], COHORT, "need_rag", "admission_risk"]
    frame = pl.read_parquet(scored, columns=columns).filter(COHORT)
    colour = pl.col("need_rag").cast(pl.String).replace_strict({"red": 0, "amber": 1, "green": 2}, default=3)
    tie = pl.Series(ties(frame["patient_id"].to_arrow(), days(as_of)))
    frame = frame.with_columns(tie=tie).sort(colour, -pl.col("admission_risk"), "tie", nulls_last=True)
    return {
        str(area): rows["patient_id"].head(CAPACITY).to_list()
        for (area,), rows in frame.partition_by(COLUMNS[level], as_dict=True, maintain_order=True).items()
    }


def _written(folder: Path, level: str) -> dict[str, list[int]]:
    found = {}
    for path in folder.glob("*.csv"):
        rows = list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"))))
        if rows:
            found[rows[0][COLUMNS[level]]] = [int(row["patient_id"]) for row in rows]
    return found


@pytest.mark.parametrize("level", COLUMNS)
def test_all_teams_lists(
    level: str, make_list: MakeList, patients: int, as_of: dt.date, versus: Versus, tmp_path: Path
) -> None:
    source, scored, lists = make_list(patients, ".parquet"), tmp_path / "scored.parquet", tmp_path / "lists"
    day = ["--as-of", str(as_of), "--quiet"]

    def score() -> Spent:
        return process([*popstrat(), "score", str(source), "-o", str(scored), *day])

    def worklist() -> Spent:
        shutil.rmtree(lists, ignore_errors=True)
        asked = ["--cohort", COHORT, "--capacity", str(CAPACITY), "--split", level]
        return process([*popstrat(), "worklist", str(source), *asked, "-o", str(lists), *day])

    score()
    worklist()
    assert _written(lists, level) == _lists(scored, level, as_of)
    versus(
        f"popstrat worklist, a list for each {level}",
        worklist,
        patients=patients,
        threads=CORES,
        peer=("popstrat score", score),
        peer_threads=CORES,
        cost=FIGURES[level],
    )
