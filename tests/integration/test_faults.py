"""`popstrat check` tells every fault of every file at once, each with all the rows it holds of."""

from __future__ import annotations

import csv
import datetime as dt
import json
import random
from collections import defaultdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from nightly import seeds

from popstrat.cli import run
from popstrat.errors import FaultsError, InputError
from popstrat.packs.patient_table import ID
from popstrat.packs.spellings import Unreadable, value
from popstrat.runs.check import run_check
from popstrat.scoring.scorer import Scorer

AS_OF = "2026-06-30"
SCORER = Scorer(as_of=dt.date(2026, 6, 30))
SCHEMA = SCORER.pack.schema
CELLS = {
    "date": ["2020-02-29", "", "1999-12-31", "2020-02-30", "29/02/2020", "yesterday"],
    "int": ["3", "", "17", "many", "1,5", "0x1"],
    "float": ["25.5", "", "1e1", "25,5", "n/k", "--"],
    "bool": ["true", "", "N", "0", "maybe", "2", "oui"],
    "category": ["x", ""],
}
SOUND = {ID: "9990000000", "practice_code": "Y90001", "date_of_birth": "1960-01-01", "sex": "F", "diastolic_bp": ""}
PROBLEMS = {"date": "not a date", "int": "not a number", "float": "not a number", "bool": "not true, false, 1 or 0"}


def people(rng: random.Random, rows: int, first: int) -> list[dict[str, str]]:
    """Texts of every column of a patient table, some of them no value of their column; ids and the like are sound."""
    spoilt = {c.name for c in SCHEMA if c.name not in SOUND and rng.random() < 0.3}
    return [
        {
            c.name: SOUND[c.name] if c.name in SOUND
            else rng.choice(CELLS[c.type] if c.name in spoilt else CELLS[c.type][:2])
            for c in SCHEMA if c.type in CELLS or c.name in SOUND
        } | {ID: str(9_990_000_000 + first + i)}
        for i in range(rows)
    ]  # fmt: skip


def write(rows: list[dict[str, str]], path: Path) -> None:
    if path.suffix == ".csv":
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, [*rows[0]])
            writer.writeheader()
            writer.writerows(rows)
        return
    table = pa.table({name: pa.array([r[name] or None for r in rows], pa.string()) for name in rows[0]})
    if path.suffix == ".parquet":
        pq.write_table(table, path)
        return
    with pa.ipc.new_file(path, table.schema) as file:
        file.write_table(table)


def expected(rows: list[dict[str, str]], file: str) -> dict[tuple[str, str], list[int]]:
    """By the table of spellings, cell by cell: file and column → the rows that hold no value of it."""
    found = defaultdict(list)
    for i, row in enumerate(rows):
        for name, text in row.items():
            if SCHEMA[name].type in PROBLEMS and isinstance(value(text, SCHEMA[name].cells), Unreadable):
                found[file, name].append(i)
    return found


def faults(*files: str) -> list[InputError]:
    with pytest.raises(InputError) as raised:
        run_check(files, SCORER, batch_rows=64)
    error = raised.value
    return list(error.faults) if isinstance(error, FaultsError) else [error]


@pytest.mark.parametrize("seed", seeds(5, 12))
def test_every_fault_of_every_file(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rng = random.Random(seed)
    wanted: dict[tuple[str, str], list[int]] = {}
    names = [f"{i}{suffix}" for i, suffix in enumerate(rng.sample([".csv", ".parquet", ".arrow"], 2))]
    for i, name in enumerate(names):
        rows = people(rng, rng.choice([1, 40, 300]), 1000 * i)
        write(rows, Path(name))
        wanted |= expected(rows, name)
    found = faults(*names) if wanted else []
    assert {(str(e.file), str(e.column)): e.count for e in found} == {key: len(rows) for key, rows in wanted.items()}
    for error in found:
        rows = wanted[str(error.file), str(error.column)]
        assert list(error.rows) == rows[:5]
        assert PROBLEMS[SCHEMA[str(error.column)].type] in error.problem


def table(**columns: Any) -> pa.Table:
    """Fifty people, with other columns."""
    usual = {ID: pa.array(range(50)), "practice_code": ["Y90001"] * 50, "age": [50] * 50, "sex": ["F"] * 50}
    return pa.table({k: v for k, v in {**usual, **columns}.items() if v is not None})


def test_what_is_no_fault_of_a_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pq.write_table(
        table(sex=None, bmi=pa.array([0] * 50, pa.date32()),
              ckd=pa.array([0, 1, -1, 2, 1] * 10), systolic_bp=[80] * 50, diastolic_bp=[120] * 50, patient_id=[7] * 50),
        "a.parquet",
    )  # fmt: skip
    pq.write_table(table(patient_id=pa.array([100, None] * 25)), "b.parquet")
    Path("c.csv").write_text("patient_id,practice_code,age,sex\n1,Y90001,50,F,\n")
    Path("d.csv").write_text("")
    told = [str(e) for e in faults("a.parquet", "b.parquet", "c.csv", "d.csv")]
    for part in (
        "a.parquet: column 'sex': this required column is missing",
        "a.parquet: column 'bmi': a number is needed, and the column is of type date32[day]",
        "a.parquet: column 'ckd': a number other than 0 and 1 in a flag, which is true or false; a map can say what it",
        "a.parquet: column 'diastolic_bp': is at or above systolic_bp in 50 of 50 rows that hold both",
        "b.parquet: column 'patient_id': is null; every patient needs an id (rows 2, 4, 6, 8, 10 and 20 more)",
        "c.csv: ",
        "d.csv: is empty",
    ):
        assert sum(message.startswith(part) for message in told) == 1, (part, told)
    assert len(told) == 7
    assert "(rows 3, 4, 8, 9, 13 and 15 more)" in next(message for message in told if "'ckd'" in message)


def test_ids_that_are_repeated_are_a_fault_among_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pq.write_table(table(bmi=["fat"] * 50), "a.parquet")
    pq.write_table(table(), "b.parquet")
    bmi, ids = faults("a.parquet", "b.parquet")
    assert (bmi.column, bmi.count) == ("bmi", 50)
    assert ids.column == ID
    assert "a.parquet" in str(ids)


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    pq.write_table(table(bmi=["fat"] * 50, ckd=["t", "?"] * 25), "a.parquet")
    assert run(["check", "a.parquet", "--as-of", AS_OF]) == 2
    assert capsys.readouterr().err == (
        "error: 2 faults:\n"
        "  a.parquet: column 'ckd': a cell is not true, false, 1 or 0 (empty means no record) "
        "(rows 2, 4, 6, 8, 10 and 20 more); a map can say what is meant ([values.ckd])\n"
        "  a.parquet: column 'bmi': a cell is not a number (empty means no record) (rows 1, 2, 3, 4, 5 and 45 more); "
        "a map can say what is meant ([values.bmi])\n"
    )
    assert run(["check", "a.parquet", "--as-of", AS_OF, "--json"]) == 2
    shown = json.loads(capsys.readouterr().out)
    assert [(f["file"], f["column"], f["rows"], f["count"]) for f in shown["faults"]] == [
        ("a.parquet", "ckd", [2, 4, 6, 8, 10], 25), ("a.parquet", "bmi", [1, 2, 3, 4, 5], 50),
    ]  # fmt: skip


def test_one_fault_reads_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pq.write_table(table(bmi=["fat"] * 50), "a.parquet")
    (only,) = faults("a.parquet")
    assert str(only) == (
        "a.parquet: column 'bmi': a cell is not a number (empty means no record) (rows 1, 2, 3, 4, 5 and 45 more); "
        "a map can say what is meant ([values.bmi])"
    )
