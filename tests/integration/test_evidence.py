"""Evidence of uploads: three practices over some months, counted by hand; what is refused and what is told."""

from __future__ import annotations

import csv
import datetime as dt
import json
import shutil
import stat
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import upload_reference as ref

from popstrat.cli import run

TEMPLATE = """
[template]
id = "keys"
version = "1"
title = "Under the key"
[file]
name = "{practice}.csv"
[movers]
column = "risk_group"
[patients]
which = "all"
where = "risk >= 0.05"
[[column]]
name = "key"
from = "patient_id"
[[column]]
name = "practice"
from = "practice_code"
[[column]]
name = "group"
from = "risk_group"
"""
# Ten people in each of three practices, of whom one, two and one have a risk under 0.05: keys 1 to 4.
ROWS = [ref.patient(k, f"E8500{k % 3}", risk_group=ref.GROUPS[k % 3], risk=k / 100) for k in range(1, 31)]
APRIL, MAY, JUNE = dt.date(2026, 4, 30), dt.date(2026, 5, 31), dt.date(2026, 6, 30)


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("POPSTRAT_AUDIT", raising=False)
    (tmp_path / "keys.toml").write_text(TEMPLATE)
    return tmp_path


def uploaded(work: Path, day: dt.date, *more: str, rows: Any = ROWS, to: str = "") -> str:
    """The upload of a month; gives its folder."""
    name = to or f"{day:%Y-%m}"
    ref.write_scored(work / f"{name}.parquet", rows, as_of=day)
    command = ["upload", f"{name}.parquet", "-o", name, "--template", "keys.toml", "--audit", "audit.log", "--quiet"]
    assert run([*command, *more]) == 0
    return name


def evidence(*arguments: str) -> int:
    return run(["evidence", *arguments, "-o", "evidence.csv", "--audit", "audit.log", "--quiet"])


def rows(work: Path) -> list[dict[str, str]]:
    with (work / "evidence.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def one(found: list[dict[str, str]], practice: str, month: str) -> dict[str, str]:
    [row] = [row for row in found if (row["practice"], row["month"]) == (practice, month)]
    return row


def test_three_months_add_up(work: Path) -> None:
    folders = [uploaded(work, day) for day in (MAY, APRIL, JUNE)]
    assert evidence(*folders) == 0
    found = rows(work)
    assert [row["kind"] for row in found] == ["practice and month"] * 9 + ["month"] * 3 + ["practice"] * 3 + ["all"]
    row = one(found, "E85001", "2026-05")
    assert (row["list_size"], row["uploaded"], row["left_out"]) == ("10", "8", "2")
    assert {name: count for name, count in row.items() if name.startswith("left out: ") and count != "0"} == {
        "left out: outside the cohort of the template": "2"
    }
    assert (row["risk_group: severe"], row["risk_group: middle"], row["risk_group: well"]) == ("0", "8", "0")
    assert (row["verified"], row["complete"], row["note"]) == ("true", "true", "")
    log = [json.loads(line) for line in (work / "audit.log").read_text().splitlines()]
    released = {line["manifest_sha256"]: line["time"] for line in log if line["event"] == "upload-released"}
    assert row["released"] == released[row["manifest_sha256"]]
    assert one(found, "all", "2026-06")["list_size"] == "30"
    assert one(found, "E85001", "all")["list_size"] == "30"
    whole = one(found, "all", "all")
    assert (whole["list_size"], whole["uploaded"], whole["left_out"]) == ("90", "78", "12")
    assert (whole["months"], whole["months_complete"], whole["complete"]) == ("3", "3", "true")


def test_every_total_is_the_sum_of_its_rows(work: Path) -> None:
    folders = [uploaded(work, APRIL), uploaded(work, JUNE, "--practices", "E85000,E85002")]
    assert evidence(*folders) == 0
    found = rows(work)
    parts = [row for row in found if row["kind"] == "practice and month"]
    counts = ["list_size", "uploaded", "left_out", *(name for name in found[0] if ": " in name)]
    for row in found:
        if row["kind"] == "practice and month":
            assert int(row["list_size"]) == int(row["uploaded"]) + int(row["left_out"])
            assert int(row["left_out"]) == sum(int(row[name]) for name in counts if name.startswith("left out: "))
            assert int(row["uploaded"]) == sum(int(row[name]) for name in counts if name.startswith("risk_group: "))
            continue
        own = [
            part
            for part in parts
            if row["practice"] in ("all", part["practice"]) and row["month"] in ("all", part["month"])
        ]
        assert {name: int(row[name]) for name in counts} == {
            name: sum(int(one[name]) for one in own) for name in counts
        }


def test_a_month_that_is_missing_and_a_practice_that_is(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [uploaded(work, APRIL), uploaded(work, JUNE, "--practices", "E85000,E85002")]
    assert run(["evidence", *folders, "-o", "evidence.csv", "--audit", "audit.log"]) == 0
    shown = capsys.readouterr().out
    assert "evidence.csv: 1 of 3 months complete; 44 of 50 people uploaded, 6 left out" in shown
    assert "2026-05: 3 of 3 not uploaded" in shown
    assert "2026-06: 1 of 3 not uploaded" in shown
    assert "E85001: 2 of 3 not uploaded" in shown
    found = rows(work)
    assert one(found, "all", "2026-05")["list_size"] == "0"
    assert [one(found, code, "all")["months_complete"] for code in ("E85000", "E85001", "E85002")] == ["2", "1", "2"]


def test_only_the_practices_of_a_network(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [uploaded(work, MAY), uploaded(work, JUNE)]
    assert evidence(*folders, "--practices", "E85002") == 0
    found = rows(work)
    assert {row["practice"] for row in found} == {"E85002", "all"}
    assert one(found, "all", "all")["list_size"] == "20"
    assert evidence(*folders, "--practices", "E85009") == 2
    assert "no upload has practice E85009" in capsys.readouterr().err


def test_a_changed_folder_is_not_verified_and_not_complete(work: Path) -> None:
    folders = [uploaded(work, MAY), uploaded(work, JUNE)]
    with (work / "2026-06" / "E85001.csv").open("a") as file:
        file.write("x\r\n")
    assert evidence(*folders) == 0
    found = rows(work)
    row = one(found, "E85001", "2026-06")
    assert (row["verified"], row["complete"]) == ("false", "false")
    assert "E85001.csv" in row["note"]
    assert one(found, "all", "all")["months_complete"] == "1"


def test_what_no_log_released_is_not_complete(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    may = uploaded(work, MAY)
    shutil.move(work / "audit.log", work / "old.log")
    shutil.move(work / "audit.log.head", work / "old.log.head")
    june = uploaded(work, JUNE)
    assert evidence(may, june) == 0
    row = one(rows(work), "E85001", "2026-05")
    assert (row["released"], row["complete"], row["note"]) == ("", "false", "no line of audit.log released it")
    assert run(["evidence", may, june, "-o", "evidence.csv"]) == 0
    assert "without --audit it is not known when the uploads were released" in capsys.readouterr().out
    assert one(rows(work), "all", "all")["complete"] == "true"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda work: ["2026-06", "2026-06"], "holds the same upload as 2026-06"),
        (lambda work: ["2026-06", "nowhere"], "nowhere: there is no such folder"),
        (lambda work: ["2026-06", str(shutil.copytree(work / "2026-06", work / "twice"))], "holds the same upload as"),
        (lambda work: ["2026-06", uploaded(work, dt.date(2026, 6, 15), to="other")], "has practice E8500"),
        (lambda work: [changed(work)], "the counts of E85001 do not add up"),
    ],
)
def test_bad_input_is_one_clear_error(work: Path, capsys: pytest.CaptureFixture[str], make: Any, message: str) -> None:
    uploaded(work, JUNE)
    assert evidence(*make(work)) == 2
    assert message in capsys.readouterr().err
    assert not (work / "evidence.csv").exists()


def changed(work: Path) -> str:
    path = work / "2026-06" / "manifest.json"
    manifest = json.loads(path.read_text())
    next(entry for entry in manifest["practices"] if entry["practice"] == "E85001")["written"] += 1
    path.write_text(json.dumps(manifest))
    return "2026-06"


def test_the_file_its_record_and_a_second_run(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = uploaded(work, JUNE)
    for name in ("evidence.csv", "evidence.parquet"):
        assert run(["evidence", folder, "-o", name, "--audit", "audit.log", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["total"]["months_complete"] == 1
        assert stat.S_IMODE((work / name).stat().st_mode) == 0o600
        record = json.loads((work / f"{name}.run.json").read_text())
        assert (record["command"], record["output"]["rows"]) == ("evidence", 3 + 1 + 3 + 1)
        assert [one["name"] for one in record["inputs"]] == ["2026-06"]
    assert pq.read_table(work / "evidence.parquet")["uploaded"].to_pylist()[-1] == 26
    assert evidence(folder) == 0  # the same command replaces it
    (work / "evidence.csv").write_text("something else")
    assert evidence(folder) == 2
    assert evidence(folder, "--force") == 0
