"""Checking alone counts what scoring counts, column by column and reason by reason."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import popstrat
from popstrat import synthetic
from popstrat.cli import run
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


# -- limits ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A hundred people, of whom 80 have a body mass index, 8 of them one that nobody has."""
    monkeypatch.chdir(tmp_path)
    bmi = [25.0] * 72 + [999.0] * 8 + [None] * 20
    people = {"patient_id": range(100), "practice_code": ["Y90001"] * 100, "age": [50] * 100, "sex": ["F"] * 100}
    pq.write_table(pa.table({**people, "bmi": bmi, "systolic_bp": [120] * 100}), "list.parquet")
    return "list.parquet"


@pytest.mark.parametrize(
    ("limit", "told"),
    [
        ("implausible=9.9", "bmi: 10% of the values recorded are implausible (at most 9.9%)"),
        ("implausible.bmi=9%", "bmi: 10% of the values recorded are implausible (at most 9%)"),
        ("implausible=10", ""), ("implausible.systolic_bp=0", ""),
        ("missing.bmi=19.9%", "bmi: no record of 20% of people (at most 19.9%)"), ("missing.bmi=20", ""),
        ("missing.hba1c=99", "hba1c: no record of 100% of people (at most 99%)"), ("missing.hba1c=100", ""),
        ("missing.date_of_birth=0", ""), ("missing.age=0", ""),
        ("warnings", "    absent columns count as null for everybody: "),
        ("absent.bmi", ""), ("absent.patient_id", ""), ("absent.age", ""),
        ("absent.hba1c", "hba1c: there is no such column in the list"),
        ("absent.place", "place: there is no such column in the list"),
        ("absent.dementia", "dementia: there is no such column in the list"),
    ],
)  # fmt: skip
def test_limits(filled: str, limit: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", filled, "--as-of", "2026-06-30", "-q", "--fail-on", limit]) == (2 if told else 0)
    assert told in capsys.readouterr().err
    assert run(["check", filled, "--as-of", "2026-06-30", "--json", "--fail-on", limit]) == (2 if told else 0)
    assert bool(json.loads(capsys.readouterr().out)["failed"]) == bool(told)


@pytest.mark.parametrize(
    "limit",
    ["bmi", "missing=3", "missing.bmj=3", "missing.ckd=3", "implausible=300", "implausible", "absent", "absent.bmj",
     "absent.bmi=3", "missing.place=20", "missing.patient_id=0"],
)  # fmt: skip
def test_what_is_no_limit(filled: str, limit: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", filled, "--as-of", "2026-06-30", "--fail-on", limit]) == 2
    assert f"error: --fail-on {limit!r}: " in capsys.readouterr().err


def test_a_check_counts_nothing_that_it_did_not_score(filled: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", filled, "--as-of", "2026-06-30", "--json"]) == 0
    assert not {"readings", "groups", "means", "failed"} & json.loads(capsys.readouterr().out).keys()


def test_a_column_that_one_of_several_files_lacks(filled: str, capsys: pytest.CaptureFixture[str]) -> None:
    table = pq.read_table(filled)
    more = table.set_column(0, "patient_id", pa.array(range(100, 200)))
    pq.write_table(more.drop_columns(["bmi"]), "without.parquet")
    Path("place.toml").write_text('[const]\nplace = "Bexley"\n')
    arguments = ["check", filled, "without.parquet", "--as-of", "2026-06-30", "-q", "--fail-on"]
    assert run([*arguments, "absent.bmi"]) == 2
    assert "bmi: there is no such column in without.parquet" in capsys.readouterr().err
    assert run([*arguments, "absent.systolic_bp"]) == 0
    assert run([*arguments, "absent.place", "--map", "place.toml"]) == 0  # what a map says is there


# -- nobody ------------------------------------------------------------------------------------------------------------


NOBODY = "the list is empty: there is nobody in it"


@pytest.mark.parametrize("command", ["check", "score"])
def test_a_list_of_nobody_is_told(filled: str, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A header alone, in each format; and one such file among others."""
    table = pq.read_table(filled)
    pq.write_table(table.slice(0, 0), "nobody.parquet")
    Path("nobody.csv").write_text("patient_id,practice_code,age,sex\n")
    with pa.OSFile("nobody.arrow", "wb") as sink, pa.ipc.new_file(sink, table.schema):
        pass
    for number, name in enumerate(("nobody.parquet", "nobody.csv", "nobody.arrow")):
        out = [] if command == "check" else ["-o", f"{number}.parquet"]
        assert run([command, name, "--as-of", "2026-06-30", "--json", *out]) == 0
        assert NOBODY in json.loads(capsys.readouterr().out)["warnings"]
    out = [] if command == "check" else ["-o", "some.parquet"]
    assert run([command, filled, "nobody.parquet", "--as-of", "2026-06-30", "--json", *out]) == 0
    told = json.loads(capsys.readouterr().out)["warnings"]
    assert "nobody.parquet is empty: there is nobody in it" in told
    assert NOBODY not in told


def test_the_library_tells_of_nobody(filled: str) -> None:
    table = pq.read_table(filled)
    with pytest.warns(popstrat.DataWarning, match=NOBODY):
        assert popstrat.score(table.slice(0, 0), AS_OF).num_rows == 0
    out = [pa.array([True] * 100), pa.array([True] + [False] * 99)]
    opted = table.append_column("type1_opt_out", out[0]).append_column("national_data_opt_out", out[1])
    with pytest.warns(popstrat.DataWarning, match="nobody is left: all 100 people are left out"):
        assert popstrat.score(opted, AS_OF, profile="secondary-use").num_rows == 0
