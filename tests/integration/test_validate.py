"""`popstrat validate` from the outside: from a scored list and its outcomes to a folder."""

from __future__ import annotations

import csv
import datetime as dt
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from popstrat import synthetic
from popstrat.cli import run

AS_OF = "2026-06-30"
ROWS = 6000
FILES = {
    "calibration-curve.csv", "calibration.csv", "capacity.csv", "decision-curve.csv", "found-curve.csv", "groups.csv",
    "measures.csv", "practices.csv", "validation.html", "validation.json",
}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a list, its scores and what happened, some of it censored."""
    folder = tmp_path_factory.mktemp("validate")
    people = synthetic.table(ROWS, seed=11, as_of=dt.date(2026, 6, 30))
    pq.write_table(people, folder / "list.parquet")
    here = Path.cwd()
    os.chdir(folder)
    try:
        assert run(["score", "list.parquet", "-o", "scored.parquet", "--as-of", AS_OF, "--quiet"]) == 0
    finally:
        os.chdir(here)
    scored = pq.read_table(folder / "scored.parquet")
    rng = np.random.default_rng(2)
    risk = np.clip(np.nan_to_num(scored["admission_risk"].to_numpy(zero_copy_only=False)), 0.001, 0.999)
    when = np.ceil(365 * rng.exponential(1 / -np.log1p(-risk)))
    died, left = np.ceil(365 * rng.exponential(1 / (risk / 3))), np.ceil(365 * rng.exponential(15, ROWS))
    end = np.minimum(np.minimum(died, left), 365)
    event, days = when <= end, np.minimum(when, end)
    why = np.where(event | (end >= 365), "", np.where(died <= left, "died", "left"))
    outcomes = pa.table(
        {
            "patient_id": scored["patient_id"],
            "admitted_12m": event,
            "days": pa.array(days.astype(np.int16)),
            "event": event,
            "censoring": pa.array([w or None for w in why]).dictionary_encode(),
        }
    )
    pq.write_table(outcomes, folder / "outcomes.parquet")
    return folder


@pytest.fixture
def work(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own with links to the files."""
    for file in made.iterdir():
        (tmp_path / file.name).symlink_to(file)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def validate(*arguments: str, status: int = 0) -> None:
    base = ["validate", "scored.parquet", "--outcome", "outcomes.parquet", "-o", "report"]
    assert run([*base, "--bootstrap", "10", "--quiet", *arguments]) == status


def result_of(folder: str = "report") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(folder, "validation.json").read_text(encoding="utf-8"))
    return found


def test_a_report_of_an_outcome(work: Path) -> None:
    validate("--column", "admitted_12m", "--list", "list.parquet", "--capacity", "90", "--called", "an admission")
    assert {p.name for p in Path("report").iterdir()} == FILES
    found, run_record = result_of(), json.loads(Path("scored.parquet.run.json").read_text())
    assert found["pack"] == run_record["pack"]
    assert (found["as_of"], found["profile"]) == (AS_OF, "direct-care")
    assert [s["name"] for s in found["sources"]] == ["scored.parquet", "outcomes.parquet", "list.parquet"]
    assert all(re.fullmatch("[0-9a-f]{64}", s["sha256"]) for s in found["sources"])
    assert found["people"]["scored"] == ROWS
    assert [g["name"] for g in found["groups"]][:5] == ["sex", "age", "ethnicity", "deprivation", "ltc_count"]
    page = Path("report/validation.html").read_text(encoding="utf-8")
    assert "an admission" in page
    assert "capacity of 90" in page
    for line in found["headlines"]:
        assert line.split("(")[0].replace("'", "&#39;") in page
    for name in FILES - {"validation.html", "validation.json"}:
        with Path("report", name).open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
        assert len({len(row) for row in rows}) == 1
    assert sorted(p.name for p in work.iterdir() if p.name.startswith(".")) == []


def test_no_patient_is_in_the_report(work: Path) -> None:
    ids = [str(i) for i in pq.read_table("scored.parquet", columns=["patient_id"])["patient_id"].to_pylist()]
    validate("--column", "admitted_12m", "--list", "list.parquet")
    for file in Path("report").iterdir():
        words = set(re.findall(r"\d{6,}", file.read_text(encoding="utf-8")))
        assert not words & set(ids), file.name


def test_follow_up_raises_what_is_observed(work: Path) -> None:
    validate("--column", "admitted_12m")
    naive = result_of()["overall"]
    validate("--time-column", "days", "--event-column", "event")
    censored = result_of()
    validate("--time-column", "days", "--event-column", "event", "--competing", "censoring=died")
    competing = result_of()
    assert censored["overall"]["events"] > competing["overall"]["events"] > naive["events"]
    assert set(censored["concordance"]) == {"harrell_c", "uno_c"}
    assert "Aalen–Johansen" in Path("report/validation.html").read_text(encoding="utf-8")
    assert censored["settings"]["horizon"] == 365


def test_every_format_gives_the_same_figures(work: Path) -> None:
    validate("--column", "admitted_12m", "--list", "list.parquet")
    expected = result_of()
    for name in ("scored", "outcomes", "list"):
        table = pq.read_table(f"{name}.parquet")
        plain = pa.table(
            [c.cast(pa.string()) if pa.types.is_dictionary(c.type) else c for c in table.columns],
            names=table.column_names,
        )
        pa_csv.write_csv(plain, f"{name}.csv")
        with pa.ipc.new_file(f"{name}.arrow", table.schema) as out:
            out.write_table(table, 900)
    for end in (".csv", ".arrow"):
        arguments = ["--outcome", f"outcomes{end}", "--column", "admitted_12m", "--list", f"list{end}", "-o", "report2"]
        assert run(["validate", f"scored{end}", *arguments, "--bootstrap", "10", "--quiet"]) == 0
        found = result_of("report2")
        for part in ("overall", "calibration", "capacity", "groups", "practices", "people", "curve", "decision"):
            assert found[part] == expected[part], part
        assert any("no run record" in n for n in found["notices"])


def test_the_files_are_the_same_for_any_threads(work: Path) -> None:
    seen = []
    for threads in ("1", "3"):
        validate("--column", "admitted_12m", "--threads", threads)
        seen.append({p.name: p.read_bytes() for p in Path("report").iterdir()})
    assert seen[0] == seen[1]


def test_a_map_for_the_list(work: Path) -> None:
    table = pq.read_table("list.parquet", columns=["patient_id", "sex"])
    words = pa.array([{"female": "Woman", "male": "Man"}.get(s, "?") for s in table["sex"].to_pylist()])
    pq.write_table(pa.table({"Key": table["patient_id"], "Gender": words}), "theirs.parquet")
    Path("map.toml").write_text(
        '[columns]\npatient_id = "Key"\nsex = "Gender"\n[values.sex]\nWoman = "female"\nMan = "male"\n"?" = ""\n'
    )
    validate("--column", "admitted_12m", "--list", "theirs.parquet", "--map", "map.toml")
    mapped = result_of()["groups"][0]
    validate("--column", "admitted_12m", "--list", "list.parquet")
    assert mapped == result_of()["groups"][0]


def test_json_and_words(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = ["validate", "scored.parquet", "--outcome", "outcomes.parquet", "--column", "admitted_12m", "-o", "report"]
    assert run([*base, "--bootstrap", "0", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["overall"] == result_of()["overall"]
    assert run([*base, "--bootstrap", "5"]) == 0
    printed_words = " ".join(capsys.readouterr().out.split())
    for line in result_of()["headlines"]:
        assert " ".join(line.split()) in printed_words


def test_the_period_of_the_outcome_and_of_the_model(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = ["validate", "scored.parquet", "--outcome", "outcomes.parquet", "-o", "report", "--bootstrap", "0"]
    timed = ["--time-column", "days", "--event-column", "event"]
    for more, says, noted in (
        (timed, "the outcome is by day 365, as the model's risk is over '12 months'", False),
        ([*timed, "--horizon", "180"], "the outcome is by day 180; the model says '12 months'", True),
        (["--column", "admitted_12m"], "the outcomes do not say their period; the model says '12 months'", False),
    ):
        assert run([*base, *more]) == 0
        found = result_of()
        assert found["period"] == says
        assert any("these periods differ" in notice for notice in found["notices"]) == noted
        assert says[1:] in capsys.readouterr().out
        page = Path("report/validation.html").read_text(encoding="utf-8")
        assert says.replace("'", "&#39;") in page
        assert "who were left out" not in page


REFUSED = [
    (["--column", "admitted"], "did you mean 'admitted_12m'"),
    ([], "needs --column"),
    (["--column", "censoring"], "column 'censoring'"),
    (["--column", "admitted_12m", "--risk", "practice_code"], "a probability is needed"),
    (["--column", "admitted_12m", "--capacity", "100000"], "--capacity 100,000"),
    (["--column", "admitted_12m", "--list", "absent.parquet"], "no such file"),
    (["--column", "admitted_12m", "--map", "map.toml"], "--map is for the file of --list"),
    (["--time-column", "days"], "go together"),
    (["--time-column", "days", "--event-column", "event", "--competing", "died"], "--competing needs a column"),
    (["--time-column", "days", "--event-column", "event", "--horizon", "400"], "nobody is followed to day 400"),
]


@pytest.mark.parametrize(("arguments", "says"), REFUSED)
def test_what_is_wrong_is_said_and_nothing_written(
    work: Path, arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(p.name for p in work.iterdir())
    validate(*arguments, status=2)
    message = capsys.readouterr().err
    assert says in message
    assert message.count("\n") == 1
    assert sorted(p.name for p in work.iterdir()) == before


def test_a_run_record_of_another_table_is_refused(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = json.loads(Path("scored.parquet.run.json").read_text())
    record["output"]["rows"] += 1
    Path("scored.parquet.run.json").unlink()
    Path("scored.parquet.run.json").write_text(json.dumps(record))
    validate("--column", "admitted_12m", status=2)
    assert "do not belong together" in capsys.readouterr().err


def test_a_folder_in_the_way_and_a_failed_write_leave_nothing(
    work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("report").write_text("a file")
    validate("--column", "admitted_12m", status=2)
    assert Path("report").read_text() == "a file"
    Path("report").unlink()
    original = Path.write_text

    def full(self: Path, text: str, **kwargs: Any) -> int:
        if "validation.html" in self.name:
            raise OSError(28, "No space left on device", str(self))
        return original(self, text, **kwargs)

    monkeypatch.setattr(Path, "write_text", full)
    validate("--column", "admitted_12m", status=1)
    assert not Path("report").exists()
    assert "No space left" in capsys.readouterr().err


def test_an_earlier_report_is_replaced_as_a_whole(work: Path) -> None:
    validate("--column", "admitted_12m")
    first = {p.name: p.read_bytes() for p in Path("report").iterdir()}
    validate("--column", "admitted_12m", "--seed", "4")
    second = {p.name: p.read_bytes() for p in Path("report").iterdir()}
    assert first.keys() == second.keys()
    assert first["measures.csv"] != second["measures.csv"]


def loaded(*arguments: str) -> tuple[int, set[str]]:
    """The exit status of a command in a process of its own, and the modules it loaded."""
    code = (
        "import atexit, sys; from popstrat.cli import main; "
        "atexit.register(lambda: print('\\nMODULES', *sys.modules, file=sys.stderr)); main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False, timeout=300
    )
    return done.returncode, set(done.stderr.rpartition("MODULES ")[2].split())


def test_the_command_as_it_is_installed(work: Path) -> None:
    status, modules = loaded(
        "validate", "scored.parquet", "--outcome", "outcomes.parquet", "--column", "admitted_12m", "-o", "report",
        "--bootstrap", "5", "-q",
    )  # fmt: skip
    assert status == 0
    assert "popstrat.validation.files" in modules
    assert {p.name for p in Path("report").iterdir()} == FILES


def test_help_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    run(["--help"])
    assert "validate" in capsys.readouterr().out
    run(["validate", "--help"])
    assert "--time-column" in capsys.readouterr().out


def test_a_missing_library_is_named(
    work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n, *a: None if n == "statsmodels" else real(n, *a))
    validate("--column", "admitted_12m", status=2)
    assert 'needs statsmodels: pip install "popstrat[validate]"' in capsys.readouterr().err


# -- what the outcome file says besides -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["days", "follow_up", "time_to_event", "DAYS FOLLOWED"])
def test_early_losses_that_would_count_as_free_of_it(work: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An event column taken for a yes or no, beside the days that say who was lost."""
    outcomes = pq.read_table("outcomes.parquet").select(["patient_id", "event", "days"])
    pq.write_table(outcomes.rename_columns(["patient_id", "event", name]), "timed.parquet")
    base = ["validate", "scored.parquet", "--outcome", "timed.parquet", "-o", "report", "--bootstrap", "0"]
    assert run([*base, "--column", "event"]) == 0
    (told,) = [n for n in result_of()["notices"] if "lost before day 365" in n]
    assert told == (
        f"timed.parquet: if {name!r} says for how long people were followed, some without the outcome were lost before "
        f"day 365, and count as free of it: give --time-column {name} --event-column event instead"
    )
    assert "lost before day 365" in " ".join(capsys.readouterr().out.split())
    assert run([*base, "--time-column", name, "--event-column", "event", "--force"]) == 0
    assert not [n for n in result_of()["notices"] if "lost before" in n]


def test_nobody_lost_is_no_notice(work: Path) -> None:
    """All followed to the horizon; a column that is no number; a name that only holds the letters."""
    outcomes = pq.read_table("outcomes.parquet").select(["patient_id", "event"])
    rows = outcomes.num_rows
    more = {"days": [365] * rows, "time_of_day": ["morning"] * rows, "holidays": [0] * rows}
    for name, values in more.items():
        outcomes = outcomes.append_column(name, pa.array(values))
    pq.write_table(outcomes, "all.parquet")
    base = ["validate", "scored.parquet", "--outcome", "all.parquet", "-o", "report", "--bootstrap", "0"]
    assert run([*base, "--column", "event"]) == 0
    assert not [n for n in result_of()["notices"] if "lost before" in n]


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_the_outcomes_ids_under_another_name(work: Path, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    validate("--column", "admitted_12m", "--force")
    first = result_of()
    outcomes = pq.read_table("outcomes.parquet").select(["patient_id", "admitted_12m"])
    renamed = outcomes.rename_columns(["Patient Key", "admitted_12m"])
    if form == "csv":
        pa_csv.write_csv(renamed, "renamed.csv")
    else:
        pq.write_table(renamed, "renamed.parquet")
    base = ["validate", "scored.parquet", "--outcome", f"renamed.{form}", "-o", "report", "--bootstrap", "0"]
    base += ["--column", "admitted_12m", "--force"]
    assert run(base) == 2
    assert (
        "is missing (did you mean 'Patient Key'?); --outcome-id says which column holds the ids"
        in capsys.readouterr().err
    )
    assert run([*base, "--outcome-id", "Patient Key"]) == 0
    assert result_of()["overall"]["people"] == first["overall"]["people"]
    assert result_of()["overall"]["events"] == first["overall"]["events"]
