"""The monthly upload, from the outside: what is refused, what a fault leaves behind, what verify finds.

After every fault the folder is looked at: nothing may have its final name.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
import upload_reference as ref

from popstrat.cli import run
from popstrat.core.hidden_folder import HiddenFolder
from popstrat.errors import InputError, NoLinksError, RunError
from popstrat.privacy import audit_log as audits
from popstrat.upload import left_out, verify, write
from popstrat.upload import run as upload_run

MONTH = "2026-06-30"
ROWS = [ref.patient(k, f"E8500{k % 3}", risk_group=ref.GROUPS[k % 3], risk=k / 100) for k in range(1, 31)]
LOOKUP = [ref.identity(k, ref.number_of(k), f"E8500{k % 3}") for k in range(1, 31)]
KEYS_TEMPLATE = """
[template]
id = "keys"
version = "1"
title = "Under the key"
[file]
name = "{practice}.csv"
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


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A month, the month before, a lookup, two templates."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("POPSTRAT_AUDIT", raising=False)
    ref.write_scored(tmp_path / "june.parquet", ROWS)
    ref.write_scored(tmp_path / "may.parquet", [dict(r, risk_group="well") for r in ROWS], as_of=ref.BEFORE)
    ref.write_lookup(tmp_path / "lookup.parquet", LOOKUP)
    (tmp_path / "mini.toml").write_text(ref.TEMPLATE)
    (tmp_path / "keys.toml").write_text(KEYS_TEMPLATE)
    return tmp_path


WITH_LOOKUP = ("--template", "mini.toml", "--lookup", "lookup.parquet", "--audit", "audit.log")
WITH_KEYS = ("--template", "keys.toml")


def upload(*arguments: str, to: str = "out", scored: str = "june.parquet") -> int:
    return run(["upload", scored, "-o", to, "--quiet", *arguments])


def nothing_left(work: Path, to: str = "out") -> bool:
    return not (work / to).exists() and not [p.name for p in work.iterdir() if "partial" in p.name]


def refused(work: Path, capsys: pytest.CaptureFixture[str], *arguments: str, scored: str = "june.parquet") -> str:
    """The message of an upload that is refused with status 2 and leaves nothing."""
    assert upload(*arguments, scored=scored) == 2
    assert nothing_left(work)
    found = capsys.readouterr().err
    assert found.startswith("error: ")
    for row in LOOKUP:
        assert row["nhs_number"] not in found
    return found


def nothing_hidden(work: Path) -> bool:
    return not [p.name for p in work.iterdir() if p.name.startswith(".")]


def audited(work: Path) -> list[str]:
    return [json.loads(line)["event"] for line in (work / "audit.log").read_text().splitlines()]


def changed_record(work: Path, name: str, change: Callable[[dict[str, Any]], Any]) -> None:
    path = work / f"{name}.run.json"
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))


# -- a month that is well --------------------------------------------------------------------------------------------


def test_a_month(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        run(["upload", "june.parquet", "-o", "out", *WITH_LOOKUP, "--previous", "may.parquet", "--as-of", MONTH]) == 0
    )
    shown = capsys.readouterr().out
    assert "30 scored, 30 written, 0 left out" in shown
    assert "0 new, 20 up, 0 down, 10 unchanged, 0 left" in shown
    assert not any(r["nhs_number"] in shown for r in LOOKUP)
    names = sorted(p.name for p in (work / "out").iterdir())
    files = [f"E8500{i}_{MONTH}{kind}.csv" for i in range(3) for kind in ("", "_ended")]
    assert names == sorted([*(f for f in files if f != f"E85002_{MONTH}_ended.csv"), "manifest.json"])
    header, cells = ref.read_csv(work / "out" / f"E85001_{MONTH}.csv")
    assert header == ["NHS number", "Born", "Practice", "Group", "Before", "Change", "Priority", "Risk", "Where"]
    assert cells[0] == [ref.number_of(1), "01/01/1986", "E85001", "middle", "well", "up", "N", "0.01", "Ashmarsh"]
    assert audited(work) == ["upload-started", "upload-made", "upload-released"]
    assert audits.verify(work / "audit.log").lines == 3


def test_files_are_for_the_owner_alone(work: Path) -> None:
    before = os.umask(0)
    try:
        assert upload(*WITH_LOOKUP) == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE((work / "out").stat().st_mode) == 0o700
    assert {stat.S_IMODE(p.stat().st_mode) for p in (work / "out").iterdir()} == {0o600}


def test_a_scored_list_of_ours_goes_through(work: Path) -> None:
    """From synth to verify, with the shipped templates, in each format."""
    assert run(["synth", "-n", "3000", "-o", "list.parquet", "--lookup", "ids.parquet", "--as-of", MONTH, "-q"]) == 0
    for suffix in ("parquet", "arrow", "csv"):
        assert run(["score", "list.parquet", "-o", f"s.{suffix}", "--as-of", MONTH, "-q"]) == 0
        to = f"out-{suffix}"
        assert upload("--lookup", "ids.parquet", "--audit", "audit.log", to=to, scored=f"s.{suffix}") == 0
        assert run(["verify", to, "--audit", "audit.log", "-q"]) == 0
        assert upload("--template", "pseudonymous-csv", to=f"{to}-keys", scored=f"s.{suffix}") == 0
    csvs = [sorted((work / f"out-{s}").glob("*.csv")) for s in ("parquet", "arrow", "csv")]
    texts = [[p.read_bytes() for p in files] for files in csvs]
    assert texts[0] == texts[1] == texts[2]
    assert sum(len(ref.read_csv(p)[1]) for p in csvs[0]) == 3000


def test_a_dirty_lookup_leaves_out_and_counts(work: Path) -> None:
    assert (
        run(["synth", "-n", "6000", "-o", "l.parquet", "--lookup", "i.parquet", "--as-of", MONTH, "-q", "--dirty"]) == 0
    )
    assert run(["score", "l.parquet", "-o", "s.parquet", "--as-of", MONTH, "-q"]) == 0
    assert upload("--lookup", "i.parquet", "--audit", "a.log", scored="s.parquet") == 0
    totals = json.loads((work / "out/manifest.json").read_text())["totals"]
    assert len(totals["excluded"]) >= 8
    assert totals["written"] + sum(totals["excluded"].values()) == totals["scored"] == 6000


def test_practices_asked_for(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (work / "pilot.txt").write_text("# the pilot\nE85001\n\nE85002  # joined in June\n")
    assert upload(*WITH_KEYS, "--practices", "pilot.txt") == 0
    assert sorted(p.name for p in (work / "out").glob("*.csv")) == ["E85001.csv", "E85002.csv"]
    totals = json.loads((work / "out/manifest.json").read_text())["totals"]
    assert (totals["written"], totals["not_selected"]) == (20, {"practice not asked for": 10})
    assert run(["verify", "out", "-q"]) == 0
    shutil.rmtree(work / "out")
    assert "nobody is registered with 'E85009' (did you mean" in refused(
        work, capsys, *WITH_KEYS, "--practices", "E85009"
    )


def test_a_practice_where_nobody_is_chosen_gets_an_empty_file(work: Path) -> None:
    text = KEYS_TEMPLATE + "[patients]\nwhere = 'risk_group == \"severe\" and risk > 0.25'\n"
    (work / "keys.toml").write_text(text)
    assert upload(*WITH_KEYS) == 0
    found = {p.stem: [int(key) for key, _, _ in ref.read_csv(p)[1]] for p in (work / "out").glob("*.csv")}
    assert found == {"E85000": [27, 30], "E85001": [], "E85002": []}
    totals = json.loads((work / "out/manifest.json").read_text())["totals"]
    assert totals["not_selected"] == {"outside the cohort of the template": 28}
    assert run(["verify", "out", "-q"]) == 0


def test_changed_only(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (work / "keys.toml").write_text(KEYS_TEMPLATE + '[patients]\nwhich = "changed"\n[movers]\ncolumn = "risk_group"\n')
    assert "needs --previous" in refused(work, capsys, *WITH_KEYS)
    assert upload(*WITH_KEYS, "--previous", "may.parquet") == 0
    totals = json.loads((work / "out/manifest.json").read_text())["totals"]
    assert (totals["written"], totals["not_selected"]) == (20, {"unchanged since last month": 10})


def test_somebody_who_changed_practice_is_new_there_and_has_left_here(work: Path) -> None:
    moved = [dict(r, practice_code="E85001") if r["patient_id"] == 3 else r for r in ROWS]
    ref.write_scored(work / "june.parquet", moved)
    lookup = [dict(r, practice_code="E85001") if r["patient_id"] == 3 else r for r in LOOKUP]
    ref.write_lookup(work / "lookup.parquet", lookup)
    assert upload(*WITH_LOOKUP, "--previous", "may.parquet") == 0
    manifest = json.loads((work / "out/manifest.json").read_text())
    found = {p["practice"]: (p["movers"]["new"], p["movers"]["left"]) for p in manifest["practices"]}
    assert found == {"E85000": (0, 1), "E85001": (1, 0), "E85002": (0, 0)}
    text = "".join(p.read_text() for p in (work / "out").glob("E85000*"))
    assert ref.number_of(3) not in text  # not even to end an entry: they are no longer that practice's patient


def test_most_severe_last(work: Path) -> None:
    (work / "mini.toml").write_text(
        ref.TEMPLATE.replace('column = "risk_group"', 'column = "risk_group"\nmost_severe = "last"')
    )
    assert upload(*WITH_LOOKUP, "--previous", "may.parquet") == 0
    movers = json.loads((work / "out/manifest.json").read_text())["totals"]["movers"]
    assert (movers["up"], movers["down"]) == (0, 20)


# -- what is refused ---------------------------------------------------------------------------------------------------


def test_a_table_without_its_record(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (work / "june.parquet.run.json").unlink()
    assert "has no run record: june.parquet.run.json is missing" in refused(work, capsys, *WITH_KEYS)


def test_a_table_that_was_changed(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = bytearray((work / "june.parquet").read_bytes())
    raw[20] ^= 1
    (work / "june.parquet").write_bytes(raw)
    assert "its content differs from its run record" in refused(work, capsys, *WITH_KEYS)
    (work / "june.parquet").write_bytes(raw + b"x")
    assert "does not have the size" in refused(work, capsys, *WITH_KEYS)


def test_a_table_changed_that_has_no_hash_is_warned_of(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed_record(work, "june.parquet", lambda r: r["output"].pop("sha256"))
    assert run(["upload", "june.parquet", "-o", "out", *WITH_KEYS]) == 0
    assert "holds no hash" in capsys.readouterr().out.replace("\n", " ")


def test_the_record_of_another_table(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy("may.parquet.run.json", "june.parquet.run.json")
    assert "is the record of 'may.parquet', not of june.parquet" in refused(work, capsys, *WITH_KEYS)
    for text in ("{}", "[]", "nonsense", '{"command": "check"}'):
        (work / "june.parquet.run.json").write_text(text)
        assert "june.parquet.run.json: is not" in refused(work, capsys, *WITH_KEYS)


def test_a_table_renamed_with_its_record_is_the_same(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """If the hash fits; without one, or with another content, only the name tells."""
    for suffix in ("", ".run.json"):
        (work / f"june.parquet{suffix}").rename(work / f"for practices.parquet{suffix}")
    assert run(["upload", "for practices.parquet", "-o", "out", *WITH_KEYS]) == 0
    assert run(["verify", "out"]) == 0
    capsys.readouterr()
    record = work / "for practices.parquet.run.json"
    whole = record.read_text()
    changed_record(work, "for practices.parquet", lambda r: r["output"].pop("sha256"))
    assert run(["upload", "for practices.parquet", "-o", "other", *WITH_KEYS]) == 2
    assert "is the record of 'june.parquet', not of for practices.parquet" in capsys.readouterr().err
    record.write_text(whole)
    raw = bytearray((work / "for practices.parquet").read_bytes())
    raw[20] ^= 1
    (work / "for practices.parquet").write_bytes(raw)
    assert run(["upload", "for practices.parquet", "-o", "other", *WITH_KEYS]) == 2
    assert "is the record of 'june.parquet', not of for practices.parquet" in capsys.readouterr().err


def test_another_month_than_expected(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "was scored as of 2026-06-30, and 2026-07-31 is asked for" in refused(
        work, capsys, *WITH_KEYS, "--as-of", "2026-07-31"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"as_of": "2026-06-30"}, "is not of an earlier month"),
        ({"as_of": "2026-07-31"}, "is not of an earlier month"),
        ({"pack": {**ref.PACK, "version": "0.9"}}, "was scored with version 0.9 of mini, not 1"),
        ({"pack": {**ref.PACK, "sha256": "cd" * 32}}, "was scored with another text of mini"),
        ({"pack": {**ref.PACK, "id": "other"}}, "was scored with other, not with mini"),
        ({"profile": "secondary-use"}, "was scored for secondary-use, not for direct-care"),
        ({"groups": {"risk_group": {"well": 0, "severe": 0, "middle": 0}}}, "has other labels, or in another order"),
        ({"groups": {}}, "has other labels, or in another order"),
    ],
)
def test_a_last_month_that_is_none(
    work: Path, capsys: pytest.CaptureFixture[str], change: dict[str, Any], message: str
) -> None:
    changed_record(work, "may.parquet", lambda r: r.update(change))
    assert message in refused(work, capsys, *WITH_LOOKUP, "--previous", "may.parquet")


def test_across_versions(work: Path) -> None:
    changed_record(work, "may.parquet", lambda r: r.update(pack={**ref.PACK, "version": "0.9"}))
    assert upload(*WITH_LOOKUP, "--previous", "may.parquet", "--across-versions") == 0


def test_last_month_of_other_people(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    others = [dict(r, patient_id=r["patient_id"] + 20) for r in ROWS]
    ref.write_scored(work / "may.parquet", others, as_of=ref.BEFORE)
    assert "has other people: 33% of them are in june.parquet" in refused(
        work, capsys, *WITH_LOOKUP, "--previous", "may.parquet"
    )


def test_profiles(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    secondary = ("--profile", "secondary-use")
    assert "--lookup is not for it" in refused(work, capsys, *WITH_LOOKUP, *secondary)
    assert "which secondary-use must not have" in refused(work, capsys, "--template", "mini.toml", *secondary)
    assert "was scored for direct-care" in refused(work, capsys, *WITH_KEYS, *secondary)
    changed_record(work, "june.parquet", lambda r: r.update(profile="secondary-use"))
    assert "was scored for secondary-use" in refused(work, capsys, *WITH_KEYS)
    assert upload(*WITH_KEYS, *secondary) == 0


def test_re_identification_is_logged_or_does_not_happen(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "has to be logged" in refused(work, capsys, *WITH_LOOKUP[:-2])
    assert "there is no such folder" in refused(work, capsys, *WITH_LOOKUP[:-1], "nowhere/audit.log")
    (work / "audit.log").write_text("not a log\n")
    assert "audit" in refused(work, capsys, *WITH_LOOKUP)


def test_most_people_left_out_is_the_wrong_lookup(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ref.write_lookup(work / "lookup.parquet", [dict(r, practice_code="E85009") for r in LOOKUP])
    message = refused(work, capsys, *WITH_LOOKUP)
    assert "leaves out 100.0% of the people (registered at another practice: 30); is it the right lookup?" in message


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("nhs_number", pa.array([9_990_000_018.0] * 30), "column 'nhs_number': is double; text or whole numbers"),
        ("registration_status", pa.array(["registered"] * 29 + ["gone"]), "has a status that is not one of"),
        ("patient_id", pa.array([None, *range(2, 31)], pa.int64()), "column 'patient_id': is null (row 1)"),
        ("practice_code", pa.array(["E85001"] * 29 + [None]), "column 'practice_code': is null (row 30)"),
        ("date_of_birth", pa.array(["1986-01-01"] * 30), "column 'date_of_birth': is string, not a date"),
        ("practice_code", None, "column 'practice_code': is missing from the lookup"),
        ("registration_status", None, "column 'registration_status': is missing from the lookup"),
        ("date_of_birth", None, "column 'date_of_birth': is missing from the lookup, and the template writes it"),
    ],
)
def test_a_lookup_that_is_none(
    work: Path, capsys: pytest.CaptureFixture[str], column: str, values: pa.Array | None, message: str
) -> None:
    table = pq.read_table(work / "lookup.parquet").drop_columns(column)
    pq.write_table(table if values is None else table.append_column(column, values), work / "lookup.parquet")
    assert message in refused(work, capsys, *WITH_LOOKUP)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([*ROWS, ref.patient(1, "E85002")], "a key occurs more than once"),
        ([*ROWS, ref.patient(99, "../etc")], "'../etc' cannot be part of a file name"),
        ([*ROWS, ref.patient(99, "")], "column 'practice_code': is null (row 31)"),
        ([*ROWS, ref.patient(98, "Ab"), ref.patient(99, "AB")], "'Ab' and 'AB' differ in capitals only"),
        ([*ROWS, ref.patient(99, None)], "column 'practice_code': is null (row 31)"),  # type: ignore[arg-type]
        ([*ROWS, ref.patient(99, risk_group="odd")], "has a label that its run record does not know (row 31)"),
        ([*ROWS, ref.patient(99, risk=float("inf"))], "column 'risk': is not a number that can be written (row 31)"),
        ([*ROWS, ref.patient(99, neighbourhood="a\nb")], "has a line end or a control character (row 31)"),
    ],
)
def test_a_table_that_cannot_be_written(
    work: Path, capsys: pytest.CaptureFixture[str], rows: list[ref.Row], message: str
) -> None:
    ref.write_scored(work / "june.parquet", rows)
    lookup = [*LOOKUP, ref.identity(99, ref.number_of(99))]
    ref.write_lookup(work / "lookup.parquet", lookup)
    assert message in refused(work, capsys, *WITH_LOOKUP)


def test_keys_in_two_practices_without_a_lookup(work: Path) -> None:
    """Nothing joins the keys then: it is the reading back that finds it, over all files."""
    ref.write_scored(work / "june.parquet", [*ROWS, ref.patient(1, "E85002")])
    assert upload(*WITH_KEYS) == 1 or upload(*WITH_KEYS) == 2
    assert nothing_left(work)


# -- the folder --------------------------------------------------------------------------------------------------------


def test_again_is_the_same_and_another_of_the_month_replaces_it(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert upload(*WITH_LOOKUP) == 0
    before = {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in (work / "out").iterdir()}
    assert upload(*WITH_LOOKUP) == 0
    assert {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in (work / "out").iterdir()} == before
    assert audited(work)[-1] == "upload-repeated"
    assert upload(*WITH_LOOKUP, to="elsewhere") == 0
    assert {p.name: p.read_bytes() for p in (work / "elsewhere").iterdir()} == {
        n: raw for n, (raw, _) in before.items()
    }
    capsys.readouterr()
    ref.write_scored(work / "july.parquet", ROWS, as_of=ref.dt.date(2026, 7, 31))
    assert upload(*WITH_KEYS, scored="july.parquet") == 2
    assert "was made by upload as of 2026-06-30 with pack " in (told := capsys.readouterr().err)
    assert "give --force to replace it" in told
    assert {p.name: p.read_bytes() for p in (work / "out").iterdir()} == {n: raw for n, (raw, _) in before.items()}
    for arguments in (("--previous", "may.parquet"), ("--practices", "E85001"), ()):
        assert upload(*WITH_LOOKUP, *arguments) == 0
        assert audited(work)[-2:] == ["upload-made", "upload-released"]
        assert '"replaced":true' in (work / "audit.log").read_text().splitlines()[-1].replace(" ", "")
        anew = work / "anew"
        assert upload(*WITH_LOOKUP, *arguments, to="anew") == 0
        assert {p.name: p.read_bytes() for p in (work / "out").iterdir()} == {
            p.name: p.read_bytes() for p in anew.iterdir()
        }
        shutil.rmtree(anew)
    assert nothing_hidden(work)
    assert upload(*WITH_KEYS, "--force", scored="july.parquet") == 0
    assert json.loads((work / "out/manifest.json").read_text())["as_of"] == "2026-07-31"


@pytest.mark.parametrize("forced", [False, True])
@pytest.mark.parametrize(
    ("change", "message", "may"),
    [
        (lambda out: (out / "notes.txt").write_text("mine"), "has other files than its upload", False),
        (lambda out: (out / "manifest.json").unlink(), "is not empty and has no upload", False),
        (lambda out: next(out.glob("*.csv")).write_text("edited"), "give --force to replace it", True),
        (lambda out: next(out.glob("*.csv")).unlink(), "give --force to replace it", True),
    ],
)
def test_a_folder_that_is_not_as_its_upload_was(
    work: Path, capsys: pytest.CaptureFixture[str], change: Any, message: str, may: bool, forced: bool
) -> None:
    assert upload(*WITH_KEYS) == 0
    change(work / "out")
    before = {p.name: p.read_bytes() for p in (work / "out").iterdir()}
    ends = upload(*WITH_KEYS, *(["--force"] if forced else []), "--practices", "E85001")
    assert ends == (0 if may and forced else 2)
    assert (message in capsys.readouterr().err) == (ends == 2)
    if ends == 2:
        assert {p.name: p.read_bytes() for p in (work / "out").iterdir()} == before
    assert nothing_hidden(work)


def test_a_replaced_upload_stays_if_the_new_one_cannot_be_logged(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert upload(*WITH_LOOKUP) == 0
    before = {p.name: p.read_bytes() for p in (work / "out").iterdir()}
    append = audits.append

    def failing(log: Path, event: str, **fields: Any) -> None:
        if event == "upload-released":
            raise OSError(28, "No space left on device")
        append(log, event, **fields)

    monkeypatch.setattr(audits, "append", failing)

    def unable(*names: Path) -> None:
        raise NoLinksError

    for without in (False, True):  # also where the system cannot exchange names
        if without:
            monkeypatch.setattr("popstrat.core.hidden_folder.exchange", unable)
        assert upload(*WITH_LOOKUP, "--practices", "E85001") != 0
        assert {p.name: p.read_bytes() for p in (work / "out").iterdir()} == before
        assert nothing_hidden(work)


def test_a_folder_with_something_in_it(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (work / "out").mkdir()
    assert upload(*WITH_KEYS) == 0  # an empty one gives way
    shutil.rmtree(work / "out")
    (work / "out").mkdir()
    (work / "out/E85001.csv").write_text("last month's")
    assert upload(*WITH_KEYS) == 2
    assert "is not empty and has no upload" in capsys.readouterr().err
    assert [p.read_text() for p in (work / "out").iterdir()] == ["last month's"]
    shutil.rmtree(work / "out")
    (work / "out").write_text("a file")
    assert upload(*WITH_KEYS) == 2
    assert "something that is not a folder has that name" in capsys.readouterr().err
    assert upload(*WITH_KEYS, to="no/where") == 2
    assert "there is no such folder to put it in" in capsys.readouterr().err


def test_two_at_once(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with HiddenFolder(work / "out", "upload"):
        assert upload(*WITH_KEYS) == 2
        assert "another upload into this folder is at work" in capsys.readouterr().err
        assert not (work / "out").exists()
    assert upload(*WITH_KEYS) == 0


def test_a_folder_that_fills_up_while_it_is_made_is_left_alone(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def meanwhile(*_: Any) -> None:
        (work / "out").mkdir()
        (work / "out/other.csv").write_text("somebody else's")

    monkeypatch.setattr(upload_run, "trace", meanwhile)
    assert upload(*WITH_KEYS) == 2
    assert [p.read_text() for p in (work / "out").iterdir()] == ["somebody else's"]
    assert not [p for p in work.iterdir() if "partial" in p.name]


# -- faults while it is made -------------------------------------------------------------------------------------------


def test_wherever_it_fails_nothing_is_left(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every call to the system that writes, renames, syncs, makes or opens fails once, with a disk that is full."""
    calls = ("write", "open", "fsync", "rename", "mkdir")
    failed = 0
    for name in calls:
        real = getattr(os, name)
        for at in range(400):
            made = 0

            def faulty(*args: Any, real: Any = real, at: int = at, name: str = name, **more: Any) -> Any:
                nonlocal made
                ours = "upload-partial" in str(args[0]) or name in ("write", "fsync")
                made += ours
                if ours and made == at + 1:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                return real(*args, **more)

            with monkeypatch.context() as patch:
                patch.setattr(os, name, faulty)
                status = upload(*WITH_KEYS)
            if status == 0:  # no such call was left to fail, or none that matters
                shutil.rmtree(work / "out")
                if made <= at:
                    break
                continue
            failed += 1
            assert status == 1
            assert nothing_left(work)
    assert failed > 15
    assert upload(*WITH_KEYS) == 0
    assert run(["verify", "out", "-q"]) == 0


def test_a_full_disk_leaves_nothing(
    work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real, left = os.write, [600]

    def full(descriptor: int, data: Any) -> int:
        left[0] -= len(data)
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", full)
    assert upload(*WITH_KEYS) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert nothing_left(work)


def test_a_short_write_is_carried_on(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, memoryview(data)[:7]))
    assert upload(*WITH_KEYS) == 0
    assert run(["verify", "out", "-q"]) == 0


def test_killed_at_any_time_it_is_whole_or_not_there(work: Path) -> None:
    """SIGKILL at random moments; each time the next run comes out right."""
    rows = [ref.patient(k, f"E{k % 40:05}") for k in range(1, 2000)]
    ref.write_scored(work / "june.parquet", rows)
    command = [sys.executable, "-m", "popstrat", "upload", "june.parquet", "-o", "out", *WITH_KEYS, "-q"]
    start = time.perf_counter()
    subprocess.run(command, check=True, timeout=120)
    took = time.perf_counter() - start
    whole = {p.name: p.read_bytes() for p in (work / "out").iterdir()}
    shutil.rmtree(work / "out")
    chance = random.Random(7)
    killed = 0
    for _ in range(6):
        child = subprocess.Popen(command)
        time.sleep(took * chance.uniform(0.3, 1.0))
        child.send_signal(signal.SIGKILL)
        killed += child.wait(timeout=60) == -signal.SIGKILL
        if (work / "out").exists():
            assert {p.name: p.read_bytes() for p in (work / "out").iterdir()} == whole
            shutil.rmtree(work / "out")
    assert killed
    subprocess.run(command, check=True, timeout=120)
    assert {p.name: p.read_bytes() for p in (work / "out").iterdir()} == whole
    assert not [p for p in work.iterdir() if "partial" in p.name]


@pytest.mark.parametrize("place", [f"{what}-{i}" for what in ("create", "sync") for i in (0, 1, 2, 3)] + ["rename-0"])
def test_killed_at_each_step(work: Path, place: str) -> None:
    """The process dies, without cleaning up, just before a step; nothing has its name, and the next run is whole."""
    what, at = place.split("-")
    code = (
        "import os, sys\nfrom popstrat.core import hidden_folder as f\nfrom popstrat.cli import run\n"
        f"n = [0]\ndef die(real, at={at}):\n"
        "    def call(*a, **k):\n        n[0] += 1\n        if n[0] > at: os.kill(os.getpid(), 9)\n"
        "        return real(*a, **k)\n"
        "    return call\n"
        + {
            "create": "f.HiddenFolder.create = die(f.HiddenFolder.create)\n",
            "sync": "f._sync = die(f._sync)\n",
            "rename": "os.rename = die(os.rename)\n",
        }[what]
        + f"sys.exit(run(['upload', 'june.parquet', '-o', 'out', '-q', *{WITH_LOOKUP!r}]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL
    assert not (work / "out").exists()
    assert "upload-released" not in audited(work)
    assert upload(*WITH_LOOKUP) == 0
    assert run(["verify", "out", "--audit", "audit.log", "-q"]) == 0
    assert not [p for p in work.iterdir() if "partial" in p.name]


def test_a_wrong_patient_does_not_get_through(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong between the scored table and the files, reading them back finds it."""
    real = write.write_files

    def wrong(change: Callable[[pa.Table], pa.Table]) -> Callable[..., None]:
        return lambda rows, *rest: real(change(rows), *rest)

    def swapped(name: str, a: int, b: int) -> Callable[[pa.Table], pa.Table]:
        def change(rows: pa.Table) -> pa.Table:
            values = rows.column(name).to_pylist()
            values[a], values[b] = values[b], values[a]
            return rows.set_column(
                rows.schema.get_field_index(name),
                rows.schema.field(name),
                pa.array(values, rows.schema.field(name).type),
            )

        return change

    def doubled(rows: pa.Table) -> pa.Table:
        return pa.concat_tables([rows.slice(0, 1), rows])

    faults = {
        "numbers of two practices": swapped("number", 0, 29),
        "numbers within a practice": swapped("number", 0, 1),
        "values within a practice": swapped("c:risk", 0, 1),
        "somebody twice": doubled,
        "somebody lost": lambda rows: rows.slice(1),
    }
    for fault in faults.values():
        with monkeypatch.context() as patch:
            patch.setattr(write, "write_files", wrong(fault))
            assert upload(*WITH_LOOKUP) == 1
        assert nothing_left(work)
    assert "upload-released" not in audited(work)
    assert upload(*WITH_LOOKUP) == 0


def test_a_patient_of_another_practice_does_not_get_through_under_the_key(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two people who are alike in every value change files: the practice alone tells."""
    ref.write_scored(work / "june.parquet", [dict(r, risk_group="well") for r in ROWS])
    real = write.write_files

    def wrong(rows: pa.Table, *rest: Any) -> Any:
        keys = rows.column("key").to_pylist()
        keys[0], keys[-1] = keys[-1], keys[0]
        return real(rows.set_column(rows.schema.get_field_index("key"), "key", pa.array(keys)), *rest)

    with monkeypatch.context() as patch:
        patch.setattr(write, "write_files", wrong)
        with pytest.raises(RunError, match="somebody is of another practice in the scored table"):
            upload_run.run_upload(work / "june.parquet", work / "out", template=work / "keys.toml")
    assert nothing_left(work)
    assert upload(*WITH_KEYS) == 0


def test_a_wrong_ended_entry_does_not_get_through(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = [dict(r, risk_group=ref.GROUPS[(r["patient_id"] // 3) % 3]) for r in ROWS]
    ref.write_scored(work / "may.parquet", before, as_of=ref.BEFORE)
    real = write.write_files

    def wrong(name: str, apart: int) -> Callable[..., None]:
        def swapped(rows: pa.Table, kind: str, *rest: Any) -> Any:
            if kind == "ended":
                values = rows.column(name).to_pylist()
                other = next(i for i in range(apart, len(values)) if values[i] != values[0])
                values[0], values[other] = values[other], values[0]
                at = rows.schema.get_field_index(name)
                rows = rows.set_column(at, rows.schema.field(at), pa.array(values, rows.schema.field(at).type))
            return real(rows, kind, *rest)

        return swapped

    for name, apart in (("number", 1), ("number", 15), ("before", 1)):
        with monkeypatch.context() as patch:
            patch.setattr(write, "write_files", wrong(name, apart))
            assert upload(*WITH_LOOKUP, "--previous", "may.parquet") == 1
        assert nothing_left(work)
    assert upload(*WITH_LOOKUP, "--previous", "may.parquet") == 0


def test_a_lookup_for_exclusions_alone(work: Path) -> None:
    """Under the key, with a lookup: the deceased are left out, and nobody is named."""
    gone = [dict(r, registration_status="deceased") if r["patient_id"] == 1 else r for r in LOOKUP]
    ref.write_lookup(work / "lookup.parquet", gone)
    assert upload(*WITH_KEYS, "--lookup", "lookup.parquet", "--audit", "audit.log") == 0
    totals = json.loads((work / "out/manifest.json").read_text())["totals"]
    assert (totals["written"], totals["excluded"]) == (29, {"deceased": 1})
    text = "".join(p.read_text() for p in (work / "out").iterdir())
    assert not any(r["nhs_number"] in text for r in LOOKUP)
    assert run(["verify", "out", "-q"]) == 0


def test_old_tables_are_doubted(work: Path) -> None:
    ref.write_scored(work / "may.parquet", ROWS, as_of=ref.dt.date(2026, 3, 31))
    found = upload_run.run_upload(
        work / "june.parquet",
        work / "out",
        template=work / "mini.toml",
        lookup=work / "lookup.parquet",
        previous=work / "may.parquet",
        audit=work / "audit.log",
    )
    text = " ".join(found.warnings)
    assert "the table to compare with is 91 days older" in text
    assert "scored as of 2026-06-30" in text
    assert "30 NHS numbers of the lookup begin with 999" in text


def test_a_file_that_comes_back_different_from_the_disk(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = HiddenFolder.create

    def bad_disk(self: HiddenFolder, name: str, *parts: Any) -> None:
        real(self, name, *(bytes(p).replace(b"severe", b"middle") for p in parts))

    monkeypatch.setattr(HiddenFolder, "create", bad_disk)
    with pytest.raises(RunError, match=r"differs|bytes"):
        upload_run.run_upload(work / "june.parquet", work / "out", template=work / "keys.toml")
    assert nothing_left(work)


def test_an_upload_that_cannot_be_logged_does_not_happen(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = audits.append
    for event in ("upload-started", "upload-made", "upload-released"):

        def full(path: Path, what: str, event: str = event, **fields: Any) -> None:
            if what == event:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            real(path, what, **fields)

        with monkeypatch.context() as patch:
            patch.setattr(audits, "append", full)
            assert upload(*WITH_LOOKUP) == 1
        assert nothing_left(work)
        if event != "upload-started":
            assert audited(work)[-1] == "upload-failed"
    assert upload(*WITH_LOOKUP) == 0


# -- verify ------------------------------------------------------------------------------------------------------------


def rewritten(work: Path, name: str, change: Callable[[bytes], bytes]) -> None:
    """A file changed by somebody who knows how to mend the manifest's hash and size for it."""
    path, manifest = work / "out" / name, work / "out/manifest.json"
    raw = change(path.read_bytes())
    path.write_bytes(raw)
    found = json.loads(manifest.read_text())
    for practice in found["practices"]:
        for file in practice["files"]:
            if file["name"] == name:
                file["bytes"], file["sha256"] = len(raw), hashlib.sha256(raw).hexdigest()
    manifest.write_text(json.dumps(found))


def found_by_verify(work: Path, *arguments: str) -> str:
    with pytest.raises(InputError) as error:
        verify.verify(work / "out", audit=work / "audit.log" if arguments else None)
    assert run(["verify", "out", "-q", *(("--audit", "audit.log") if arguments else ())]) == 2
    return str(error.value)


def test_verify_finds_what_was_changed(work: Path) -> None:
    assert upload(*WITH_LOOKUP) == 0
    kept = work / "kept"
    shutil.copytree(work / "out", kept)
    one, two = f"E85001_{MONTH}.csv", f"E85002_{MONTH}.csv"
    lines = (work / "out" / one).read_bytes().split(b"\r\n")
    other = (work / "out" / two).read_bytes().split(b"\r\n")
    number = ref.number_of(1).encode()
    wrong = number[:-1] + str((int(number[-1:]) + 1) % 10).encode()

    def swap_names() -> None:
        (work / "out" / one).rename(work / "out/x")
        (work / "out" / two).rename(work / "out" / one)
        (work / "out/x").rename(work / "out" / two)

    cases: list[tuple[Callable[[], object], str]] = [
        (lambda: (work / "out" / one).unlink(), f"{one}: is missing"),
        (lambda: (work / "out/E85009.csv").write_text("x"), "E85009.csv: is not in the manifest"),
        (lambda: (work / "out" / one).write_bytes(b"\r\n".join(lines) + b"x"), " bytes, and the manifest says "),
        (
            lambda: (work / "out" / one).write_bytes(b"\r\n".join(lines).replace(b"middle", b"severe")),
            "is not what was",
        ),
        (swap_names, "bytes, and the manifest says|is not what was written"),
        (lambda: rewritten(work, one, lambda raw: raw + other[1] + b"\r\n"), "has 11 rows, and the manifest says 10"),
        (
            lambda: rewritten(work, one, lambda raw: raw.replace(lines[1], other[1])),
            "rows of another practice than E85001",
        ),
        (lambda: rewritten(work, one, lambda raw: raw.replace(lines[2], lines[1])), "has an id more than once"),
        (lambda: rewritten(work, one, lambda raw: raw.replace(number, wrong)), "that is not an NHS number"),
        (lambda: rewritten(work, one, lambda raw: raw.replace(number, b"9.99E+09")), "that is not an NHS number"),
        (
            lambda: rewritten(work, one, lambda raw: raw.replace(number, ref.number_of(2).encode())),
            "patients files: an id occurs more than once",
        ),
        (lambda: rewritten(work, one, lambda raw: raw.replace(b"Group", b"Gruop")), "has another header"),
        (lambda: rewritten(work, one, lambda raw: raw.replace(b"\r\n", b"\n")), "rows, and the manifest says"),
        (lambda: rewritten(work, one, lambda raw: raw[: raw.rfind(b",")]), "cannot be read as the manifest says"),
        (lambda: rewritten(work, one, lambda raw: raw[:-2]), "rows, and the manifest says"),
        (lambda: (work / "out/manifest.json").unlink(), "has no manifest.json"),
        (lambda: (work / "out/manifest.json").write_text("{}"), "is not the manifest of an upload"),
    ]
    for fault, message in cases:
        fault()
        told = found_by_verify(work)
        assert any(part in told for part in message.split("|")), told
        assert not any(r["nhs_number"] in told for r in LOOKUP)
        shutil.rmtree(work / "out")
        shutil.copytree(kept, work / "out")
    verify.verify(work / "out", audit=work / "audit.log")


def test_verify_finds_counts_that_do_not_add_up(work: Path) -> None:
    assert upload(*WITH_LOOKUP) == 0
    text = (work / "out/manifest.json").read_text()
    changes: list[Callable[[dict[str, Any]], Any]] = [
        lambda m: m["practices"][0].update(written=9),
        lambda m: m["practices"][0].update(scored=11),
        lambda m: m["practices"][0]["excluded"].update({"deceased": 1}),
        lambda m: m["totals"].update(written=31),
        lambda m: m["totals"].update(scored=31),
        lambda m: m["totals"].update(files=4),
        lambda m: m["practices"].pop(),
    ]
    for change in changes:
        manifest = json.loads(text)
        change(manifest)
        (work / "out/manifest.json").write_text(json.dumps(manifest))
        found_by_verify(work)
    (work / "out/manifest.json").write_text(text)
    verify.verify(work / "out")


def test_a_manifest_made_anew_is_not_in_the_log(work: Path) -> None:
    assert upload(*WITH_LOOKUP) == 0
    rewritten(work, f"E85001_{MONTH}.csv", lambda raw: raw.replace(b"middle", b"severe"))
    verify.verify(work / "out")  # it does add up
    assert "was not released by any line of audit.log" in found_by_verify(work, "--audit")


def test_verify_prints(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert upload(*WITH_LOOKUP) == 0
    assert run(["verify", "out", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["verified"] is True
    assert found["manifest_sha256"] == hashlib.sha256((work / "out/manifest.json").read_bytes()).hexdigest()
    assert run(["verify", "nowhere"]) == 2
    assert "there is no such folder" in capsys.readouterr().err


# -- spreadsheets and settings -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("excel", "cell"), [("none", "{}"), ("apostrophe", "'{}"), ("formula", '="{}"')])
def test_digits_for_spreadsheets(work: Path, excel: str, cell: str) -> None:
    text = ref.TEMPLATE.replace('quoting = "text"', f'quoting = "text"\nexcel_text = "{excel}"')
    (work / "mini.toml").write_text(text)
    assert upload(*WITH_LOOKUP) == 0
    _, cells = ref.read_csv(work / "out" / f"E85001_{MONTH}.csv")
    assert cells[0][0] == cell.format(ref.number_of(1))
    assert run(["verify", "out", "-q"]) == 0


CODES = {"severe": "925861000000102", "middle": "925831000000107", "well": "925791000000100"}


def codes(**changes: str) -> str:
    entries = {label: f'{{ code = "{code}", term = "Group {label} (finding)" }}' for label, code in CODES.items()}
    entries.update(changes)
    return "[snomed.risk_group]\n" + "".join(f"{k} = {v}\n" for k, v in entries.items() if v)


CODED = KEYS_TEMPLATE + (
    '[[column]]\nname = "code"\nfrom = "risk_group"\nsnomed = "code"\n'
    '[[column]]\nname = "term"\nfrom = "risk_group"\nsnomed = "term"\n'
)


def test_codes_are_written_digit_by_digit(work: Path) -> None:
    (work / "keys.toml").write_text(CODED)
    (work / "settings.toml").write_text(codes(well='"omit"'))
    rows = [*ROWS, ref.patient(77, "E85001", risk_group=None)]
    ref.write_scored(work / "june.parquet", rows)
    assert upload(*WITH_KEYS, "--settings", "settings.toml") == 0
    _, cells = ref.read_csv(work / "out/E85001.csv")
    assert {(group, code, term) for _, _, group, code, term in cells} == {
        ("middle", CODES["middle"], "Group middle (finding)")
    }
    totals = json.loads((work / "out/manifest.json").read_text())["totals"]
    assert totals["not_selected"] == {"group not uploaded": 10, "in no group": 1}


COHORT = """
[template]
id = "cohort"
version = "1"
title = "Who is in the cohort, as a code"
[file]
name = "{practice}.csv"
ended_name = "{practice}_ended.csv"
[movers]
column = "priority"
[[column]]
name = "key"
from = "patient_id"
[[column]]
name = "code"
from = "priority"
snomed = "code"
[[ended]]
name = "key"
from = "patient_id"
[[ended]]
name = "code"
from = "movers.previous"
snomed = "code"
"""
IN_COHORT = f'{{ code = "{CODES["severe"]}", term = "In the cohort (finding)" }}'
OUT_OF_IT = f'{{ code = "{CODES["well"]}", term = "Not in the cohort (finding)" }}'


@pytest.mark.parametrize("false", ["", 'false = "omit"\n', f"false = {OUT_OF_IT}\n"])
def test_a_cohort_is_written_as_a_code(work: Path, false: str) -> None:
    """Who is in it now, and in the second file who no longer is; only a code for false writes the others too."""
    (work / "keys.toml").write_text(COHORT)
    (work / "settings.toml").write_text(f"[snomed.priority]\ntrue = {IN_COHORT}\n{false}")
    then = [ref.patient(i, "E85001", priority=i <= 4) for i in range(1, 9)]
    now = [ref.patient(i, "E85001", priority=i in (1, 2, 7)) for i in range(1, 9)]
    now.append(ref.patient(9, "E85001", priority=None))
    ref.write_scored(work / "may.parquet", then, as_of=ref.BEFORE)
    ref.write_scored(work / "june.parquet", now)
    assert upload(*WITH_KEYS, "--settings", "settings.toml", "--previous", "may.parquet") == 0
    yes, no = CODES["severe"], CODES["well"] if OUT_OF_IT in false else None
    keys = dict(ref.read_csv(work / "out/E85001.csv")[1])
    assert keys == {str(i): yes for i in (1, 2, 7)} | ({str(i): no for i in (3, 4, 5, 6, 8)} if no else {})
    ended = dict(ref.read_csv(work / "out/E85001_ended.csv")[1])
    assert ended == {"3": yes, "4": yes} | ({"7": no} if no else {})
    totals = json.loads((work / "out/manifest.json").read_text())["totals"]
    assert totals["not_selected"].get("in no group") == 1
    assert totals["not_selected"].get("group not uploaded", 0) == (0 if no else 5)
    assert run(["verify", "out", "-q"]) == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (None, "needs SNOMED CT codes for the labels of priority: give --settings"),
        ('[snomed.priority]\nfalse = "omit"\n', "lacks a code for true"),
        ('[snomed.priority]\ntrue = "omit"\n', "omits every group: nobody would be uploaded"),
        (f"[snomed.priority]\nyes = {IN_COHORT}\n", "is not a label of priority"),
    ],
)
def test_a_cohort_without_its_code(
    work: Path, capsys: pytest.CaptureFixture[str], settings: str | None, message: str
) -> None:
    (work / "keys.toml").write_text(COHORT)
    (work / "settings.toml").write_text(settings or "")
    assert message in refused(work, capsys, *WITH_KEYS, *(("--settings", "settings.toml") if settings else ()))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (None, "needs SNOMED CT codes for the labels of risk_group: give --settings"),
        ("[snomed.risk_groups]\nwell = 'omit'\n", "did you mean 'risk_groups'?"),
        (codes(well=""), "[snomed.risk_group]: lacks a code for well"),
        (codes(well="925791000000100"), 'needs { code = "…", term = "…" } or "omit"'),
        (codes(well='{ code = 925791000000100, term = "x" }'), "are text, in quotes: a number may lose digits"),
        (codes(well='{ code = "925791000000101", term = "x" }'), "it has a wrong check digit"),
        (codes(well='{ code = "9.25791E+14", term = "x" }'), "it is not digits only"),
        (codes(well='{ code = "12345", term = "x" }'), "it has 5 digits, not 6 to 18"),
        (codes(well='{ code = "925861000000102", term = "x" }'), "has the same code as another group"),
        (codes(well='{ code = "925791000000100", term = " " }'), "has no term"),
        (codes(wel='"omit"'), "is not a label of risk_group (did you mean 'well'?)"),
    ],
)
def test_codes_that_are_missing_or_wrong(
    work: Path, capsys: pytest.CaptureFixture[str], settings: str | None, message: str
) -> None:
    (work / "keys.toml").write_text(CODED)
    arguments: tuple[str, ...] = ()
    if settings is not None:
        (work / "settings.toml").write_text(settings)
        arguments = ("--settings", "settings.toml")
    assert message in refused(work, capsys, *WITH_KEYS, *arguments)


def test_from_pseudonyms_and_back(work: Path) -> None:
    """NHS numbers → pseudonyms and months of birth → scores → NHS numbers, each step a command."""
    assert run(["synth", "-n", "3000", "-o", "l.parquet", "--lookup", "i.parquet", "--as-of", "2026-06-15", "-q"]) == 0
    people, who = pq.read_table("l.parquet"), pq.read_table("i.parquet")
    people = people.set_column(0, "patient_id", who.column("nhs_number"))
    pq.write_table(people.append_column("registration_status", who.column("registration_status")), "extract.parquet")
    pq.write_table(who.drop_columns("patient_id"), "demographics.parquet")
    assert run(["pseudonymise", "--new-key", "key"]) == 0
    arguments = "extract.parquet -o list.parquet --column patient_id --birth year-month --key-file key --audit a.log -q"
    keep = "--lookup back.parquet --lookup-with practice_code,registration_status --drop registration_status"
    assert run(["pseudonymise", *arguments.split(), *keep.split()]) == 0
    assert run(["score", "list.parquet", "-o", "s.parquet", "--as-of", "2026-06-15", "-q"]) == 0
    back = pq.read_table("back.parquet").to_pylist()
    births = dict(zip(who.column("nhs_number").to_pylist(), who.column("date_of_birth").to_pylist(), strict=True))
    born = pa.array([births[r["patient_id_original"]] for r in back], pa.date32())
    pq.write_table(pq.read_table("back.parquet").append_column("date_of_birth", born), "back.parquet")
    (work / "settings.toml").write_text(
        '[lookup]\nscored_births = "month"\n[lookup.columns]\nnhs_number = "patient_id_original"\n'
    )
    given = ("--lookup", "back.parquet", "--audit", "a.log", "--settings", "settings.toml")
    assert upload(*given, scored="s.parquet") == 0
    cells = [row for p in sorted((work / "out").glob("*.csv")) for row in ref.read_csv(p)[1]]
    scored = {r["nhs_number"]: r for r in who.to_pylist()}
    assert len(cells) == 3000
    assert all((c[1], c[2]) == (str(scored[c[0]]["date_of_birth"]), scored[c[0]]["practice_code"]) for c in cells)
    (work / "settings.toml").write_text(
        '[limits]\nexcluded = 1\n[lookup.columns]\nnhs_number = "patient_id_original"\n'
    )
    assert upload(*given, scored="s.parquet", to="by-day") == 0  # ages of the first of the month are then too high
    totals = json.loads((work / "by-day/manifest.json").read_text())["totals"]
    assert list(totals["excluded"]) == ["date of birth does not fit the age scored"]


def test_a_lookup_with_names_of_its_own(work: Path) -> None:
    table = pq.read_table(work / "lookup.parquet").rename_columns(["Key", "NHS No", "Practice", "DOB", "State"])
    state = pa.array(["R"] * 29 + ["D"])
    pq.write_table(table.set_column(4, "State", state), work / "lookup.parquet")
    (work / "settings.toml").write_text(
        '[lookup.columns]\npatient_id = "Key"\nnhs_number = "NHS No"\npractice_code = "Practice"\n'
        'date_of_birth = "DOB"\n'
        'registration_status = "State"\n[lookup.status]\nR = "registered"\nD = "deceased"\n'
    )
    assert upload(*WITH_LOOKUP, "--settings", "settings.toml") == 0
    assert json.loads((work / "out/manifest.json").read_text())["totals"]["excluded"] == {"deceased": 1}


# -- keys of two kinds, re-runs, names, and what else was once let through ---------------------------------------------


def text_keys(path: Path, rows: list[ref.Row], schema: pa.Schema, make: Callable[[int], str]) -> pa.Schema:
    """The schema and, in place, the rows with text for keys."""
    for row in rows:
        row["patient_id"] = make(row["patient_id"])
    return schema.set(0, pa.field("patient_id", pa.string()))


@pytest.mark.parametrize("form", ["{:03}", " {}", "{}.0", "+{}", "k{}"])
@pytest.mark.parametrize("side", ["table", "lookup"])
def test_text_keys_and_whole_numbers_are_not_mixed(
    work: Path, capsys: pytest.CaptureFixture[str], form: str, side: str
) -> None:
    rows, who = [dict(r) for r in ROWS], [dict(r) for r in LOOKUP]
    if side == "table":
        schema = text_keys(work, rows, ref.SCHEMA, form.format)
        ref.write_scored(work / "june.parquet", rows, schema=schema)
    else:
        schema = text_keys(work, who, ref.LOOKUP_SCHEMA, form.format)
        pq.write_table(pa.Table.from_pylist(who, schema=schema), work / "lookup.parquet")
    text, whole = ("june", "lookup") if side == "table" else ("lookup", "june")
    message = refused(work, capsys, *WITH_LOOKUP)
    assert f"keys are text in {text}.parquet and whole numbers in {whole}.parquet" in message
    assert "column 'patient_id'" in message
    assert "give the lookup, and every table, the keys as they are in the scored table" in message


def test_text_that_is_a_whole_numbers_own_is_the_same_key_where_a_file_has_no_types(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ids of a CSV are always text; between tables with types a mixture means that zeros may have been lost."""
    pacsv.write_csv(pq.read_table(work / "lookup.parquet"), work / "lookup.csv")
    words = ["--template", "mini.toml", "--lookup", "lookup.csv", "--audit", "audit.log"]
    assert run(["upload", "june.parquet", "-o", "out", *words, "-q"]) == 0, capsys.readouterr().err
    assert json.loads((work / "out/manifest.json").read_text())["totals"]["written"] == 30
    rows = [dict(r) for r in ROWS]
    ref.write_scored(work / "june.parquet", rows, schema=text_keys(work, rows, ref.SCHEMA, str))
    assert upload(*WITH_LOOKUP, to="other") == 2
    assert "where 007 and 7 would be one" in capsys.readouterr().err
    assert not (work / "other").exists()


def test_without_a_lookup_nobody_says_that_registration_was_checked(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["upload", "june.parquet", "-o", "out", *WITH_KEYS]) == 0
    assert "no lookup: registration was not checked" in " ".join(capsys.readouterr().out.split())
    assert "registration was not checked" in json.loads((work / "out/manifest.json").read_text())["warnings"][0]
    assert upload(*WITH_LOOKUP, to="named") == 0
    assert "registration was not checked" not in (work / "named/manifest.json").read_text()


def swapped_patients(work: Path) -> None:
    """Two patients of one practice change numbers; the manifest is made to fit."""
    one, two = ref.number_of(1).encode(), ref.number_of(4).encode()
    rewritten(
        work,
        f"E85001_{MONTH}.csv",
        lambda raw: raw.replace(one, b"x" * 10).replace(two, one).replace(b"x" * 10, two),
    )


def lost_patient(work: Path) -> None:
    """Somebody is taken out of a file, and out of every count."""
    name = f"E85001_{MONTH}.csv"
    rewritten(work, name, lambda raw: raw[: raw.rstrip().rfind(b"\r\n") + 2])
    path = work / "out/manifest.json"
    manifest = json.loads(path.read_text())
    practice = next(p for p in manifest["practices"] if p["practice"] == "E85001")
    next(f for f in practice["files"] if f["name"] == name)["rows"] -= 1
    practice["written"] -= 1
    manifest["totals"]["written"] -= 1
    practice["not_selected"] = manifest["totals"]["not_selected"] = {"outside the cohort of the template": 1}
    path.write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")


@pytest.mark.parametrize("fault", [swapped_patients, lost_patient])
def test_a_folder_that_was_tampered_with_is_not_passed_by_a_second_run(
    work: Path, capsys: pytest.CaptureFixture[str], fault: Callable[[Path], None]
) -> None:
    assert upload(*WITH_LOOKUP) == 0
    fault(work)
    verify.verify(work / "out")  # by itself it does add up
    kept = {p.name: p.read_bytes() for p in (work / "out").iterdir()}
    capsys.readouterr()
    assert upload(*WITH_LOOKUP) == 2
    assert "manifest.json: is not the manifest that these tables give" in capsys.readouterr().err
    assert audited(work)[-1] == "upload-failed"
    assert {p.name: p.read_bytes() for p in (work / "out").iterdir()} == kept
    assert not [p for p in work.iterdir() if "partial" in p.name]


def test_a_file_changed_after_its_upload_is_not_passed_by_a_second_run(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert upload(*WITH_LOOKUP) == 0
    path = work / "out" / f"E85001_{MONTH}.csv"
    path.write_bytes(path.read_bytes().replace(b"middle", b"severe"))
    assert upload(*WITH_LOOKUP) == 2
    assert "is not what was written" in capsys.readouterr().err


def test_a_second_run_asks_the_log_that_is_given(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert upload(*WITH_LOOKUP) == 0
    assert upload(*WITH_LOOKUP[:-1], "other.log") == 2
    assert "was not made or released by any line of other.log" in capsys.readouterr().err
    assert upload(*WITH_LOOKUP) == 0


def test_killed_before_the_line_that_releases_it(work: Path) -> None:
    code = (
        "import os\nfrom popstrat.core.hidden_folder import HiddenFolder as F\nfrom popstrat.cli import run\n"
        "real = F.release\ndef die(self, names):\n    real(self, names)\n    os.kill(os.getpid(), 9)\nF.release = die\n"
        f"run(['upload', 'june.parquet', '-o', 'out', '-q', *{WITH_LOOKUP!r}])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL
    assert audited(work) == ["upload-started", "upload-made"]
    assert run(["verify", "out", "--audit", "audit.log", "-q"]) == 2
    assert upload(*WITH_LOOKUP) == 0
    assert audited(work)[2:] == ["upload-started", "upload-released", "upload-repeated"]
    assert run(["verify", "out", "--audit", "audit.log", "-q"]) == 0
    assert upload(*WITH_LOOKUP) == 0
    assert audited(work).count("upload-released") == 1


def test_keys_in_the_exceptions_are_quoted_and_no_formulas(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [dict(r) for r in ROWS]
    odd = {1: '=HYPERLINK("x")', 2: 'a","b', 3: "@SUM(1)"}
    schema = text_keys(work, rows, ref.SCHEMA, lambda k: odd.get(k, f"k{k}"))
    ref.write_scored(work / "june.parquet", rows, schema=schema)
    who = [dict(r) for r in LOOKUP]
    schema = text_keys(work, who, ref.LOOKUP_SCHEMA, lambda k: f"k{k}")
    pq.write_table(pa.Table.from_pylist(who, schema=schema), work / "lookup.parquet")
    assert upload(*WITH_LOOKUP) == 0
    found = {p.name[:6]: ref.read_csv(p)[1] for p in (work / "out").glob("*_exceptions.csv")}
    why = ["not in the lookup", left_out.REMEDIES["not in the lookup"]]
    assert found == {
        "E85001": [['\'=HYPERLINK("x")', *why]],
        "E85002": [['a","b', *why]],
        "E85000": [["'@SUM(1)", *why]],
    }
    assert run(["verify", "out", "-q"]) == 0
    shutil.rmtree(work / "out")
    rows[4]["patient_id"] = "k\n5"
    ref.write_scored(work / "june.parquet", rows, schema=ref.SCHEMA.set(0, pa.field("patient_id", pa.string())))
    assert "column 'patient_id': has a line end or a control character (row 5)" in refused(work, capsys, *WITH_LOOKUP)


def test_a_merger_of_practices_is_told(work: Path) -> None:
    then = [ref.patient(k, "Y90002" if k > 300 else "Y90001") for k in range(1, 626)]
    now = [dict(r, practice_code="Y90001") for r in then] + [ref.patient(k, "Y90003") for k in range(700, 720)]
    ref.write_scored(work / "june.parquet", now)
    ref.write_scored(work / "may.parquet", [*then, ref.patient(700, "Y90001")], as_of=ref.BEFORE)
    (work / "keys.toml").write_text(KEYS_TEMPLATE + '[movers]\ncolumn = "risk_group"\n')
    for partitions, folder in ((1, "out"), (3, "parts")):
        made = upload_run.run_upload(
            work / "june.parquet", work / folder, template=work / "keys.toml", previous=work / "may.parquet",
            partition_rows=-(-700 // partitions),
        )  # fmt: skip
        assert [w for w in made.manifest["warnings"] if "merged" in w] == [
            "325 of Y90002's 325 are with Y90001 now, where they count as new: have the two merged?"
        ]


def test_a_practice_most_of_which_is_left_out_is_named(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [ref.patient(k, "E85001" if k > 30 else "Y90099") for k in range(1, 400)]
    who = [ref.identity(k, ref.number_of(k), "E85001" if k > 30 else "Y90098") for k in range(1, 400)]
    ref.write_scored(work / "june.parquet", rows)
    ref.write_lookup(work / "lookup.parquet", who)
    assert run(["upload", "june.parquet", "-o", "out", *WITH_LOOKUP]) == 0
    told = "Y90099: 30 of 30 left out, registered at another practice"
    assert told in " ".join(capsys.readouterr().out.split())
    warnings = json.loads((work / "out/manifest.json").read_text())["warnings"]
    assert [w for w in warnings if "left out" in w] == [told]


def test_nobody_gets_an_ended_entry_who_was_not_in_the_cohort(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = [dict(r, risk_group="well", risk=(r["patient_id"] % 2) / 1.0) for r in ROWS]
    ref.write_scored(work / "may.parquet", before, as_of=ref.BEFORE)
    (work / "mini.toml").write_text(ref.TEMPLATE + "[patients]\nwhere = 'risk <= 0.5'\n")
    assert upload(*WITH_LOOKUP, "--previous", "may.parquet") == 0
    ended = {row[0] for p in (work / "out").glob("*_ended.csv") for row in ref.read_csv(p)[1]}
    assert ended == {ref.number_of(k) for k in range(2, 31, 2) if k % 3 != 2}
    assert "ended entries compare the scored tables" in (work / "out/manifest.json").read_text()
    shutil.rmtree(work / "out")
    ref.write_scored(work / "may.parquet", before, as_of=ref.BEFORE, schema=ref.SCHEMA.remove(7))
    message = refused(work, capsys, *WITH_LOOKUP, "--previous", "may.parquet")
    assert "column 'risk': is absent or of another type" in message


def test_changed_is_told_to_be_by_the_scored_tables(work: Path) -> None:
    (work / "keys.toml").write_text(KEYS_TEMPLATE + '[patients]\nwhich = "changed"\n[movers]\ncolumn = "risk_group"\n')
    assert upload(*WITH_KEYS, "--previous", "may.parquet") == 0
    assert "`changed` compares the scored tables" in (work / "out/manifest.json").read_text()


def test_verify_of_a_damaged_manifest(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever part of a manifest is missing or of another kind: status 2 and a message, never a traceback."""
    assert upload(*WITH_LOOKUP, "--previous", "may.parquet") == 0
    path = work / "out/manifest.json"
    text = path.read_text()
    needed = {
        "command", "as_of", "layout", "totals", "practices", "layout/columns", "layout/encoding", "layout/line_end",
        "layout/delimiter", "layout/excel_text", "totals/written", "totals/scored", "totals/files",
        "practices/0/practice", "practices/0/files", "practices/0/excluded", "practices/0/files/0/name",
        "practices/0/files/0/kind", "practices/0/files/0/rows", "practices/0/files/0/bytes", "scored/rows",
    }  # fmt: skip
    for place in needed:
        *way, last = [int(part) if part.isdigit() else part for part in place.split("/")]
        for value in ("gone", None, 7, "x", [], {}, [[]]):
            manifest = json.loads(text)
            at = manifest
            for step in way:
                at = at[step]
            if value == "gone":
                del at[last]
            elif at[last] == value:
                continue
            else:
                at[last] = value
            path.write_text(json.dumps(manifest))
            status = run(["verify", "out", "-q"])
            told = capsys.readouterr().err
            assert (status, "Traceback" in told) == (2, False), (place, value, told)
            assert told.startswith("error: ")
    path.write_text(text)
    assert run(["verify", "out", "-q"]) == 0


def test_contributions_are_text_whatever_the_format(work: Path) -> None:
    """What a list of contributions says to a person: the same from Parquet, Arrow and CSV."""
    assert run(["synth", "--patients", "300", "--as-of", "2026-06-30", "-o", "list.parquet", "-q"]) == 0
    template = KEYS_TEMPLATE.replace('"risk_group"', '"nwl_risk_group"')
    (work / "keys.toml").write_text(template + '[[column]]\nname = "why"\nfrom = "admission_risk_contributions"\n')
    found = []
    for form in ("parquet", "arrow", "csv"):
        scored = ["score", "list.parquet", "-o", f"why.{form}", "--as-of", "2026-06-30", "--contributions", "3", "-q"]
        assert run(scored) == 0
        assert upload(*WITH_KEYS, to=form, scored=f"why.{form}") == 0
        found.append({path.name: path.read_text("utf-8-sig") for path in sorted((work / form).glob("*.csv"))})
    assert found[0] == found[1] == found[2]
    assert any("age_from_40 +" in text and "; " in text for text in found[0].values())


def test_a_column_of_lists_is_refused(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    schema = ref.SCHEMA.append(pa.field("contributions", pa.list_(pa.float64())))
    ref.write_scored(work / "june.parquet", [dict(r, contributions=[0.1]) for r in ROWS], schema=schema)
    assert upload(*WITH_LOOKUP) == 0
    shutil.rmtree(work / "out")
    (work / "keys.toml").write_text(KEYS_TEMPLATE + '[[column]]\nname = "why"\nfrom = "contributions"\n')
    assert "[[column]] why: contributions holds lists" in refused(work, capsys, *WITH_KEYS)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("{practice}_{as_of}_exceptions.csv", f"A1_{MONTH}_exceptions.csv"),
        ("{practice}_{as_of}_ENDED.csv", f"A1_{MONTH}_ended.csv"),
        ("{practice}{part}.csv", "A11.csv"),  # the eleventh of A, the first of A1
    ],
)
def test_names_that_collide(work: Path, capsys: pytest.CaptureFixture[str], name: str, file: str) -> None:
    text = ref.TEMPLATE.replace('"{practice}_{as_of}.csv"', f'"{name}"')
    if "part" in name:
        text = text.replace("_ended.csv", "_ended{part}.csv").replace("[file]", "[file]\nmax_rows = 2")
    (work / "mini.toml").write_text(text)
    rows = [dict(r, practice_code="A" if r["patient_id"] > 3 else "A1") for r in ROWS]
    ref.write_scored(work / "june.parquet", rows)
    assert f"would be named {file}" in refused(work, capsys, *WITH_LOOKUP, "--previous", "may.parquet")


def test_a_record_without_a_hash_is_not_joined_with_identities(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed_record(work, "june.parquet", lambda r: r["output"].pop("sha256"))
    assert "has a run record without a hash" in refused(work, capsys, *WITH_LOOKUP)


def test_a_log_that_is_none_is_found_before_the_work(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (work / "audit.log").write_text("a text without a line end")
    assert "is not an audit log" in refused(work, capsys, *WITH_LOOKUP)
    assert (work / "audit.log").read_text() == "a text without a line end"
    for other in ("june.parquet", "lookup.parquet", "june.parquet.run.json"):
        kept = (work / other).read_bytes()
        assert "is the audit log, and can be neither" in refused(work, capsys, *WITH_LOOKUP[:-1], other)
        assert (work / other).read_bytes() == kept
    assert "cannot be in the folder of the upload" in refused(work, capsys, *WITH_LOOKUP[:-1], "out/audit.log")


# -- last month's lookup ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("partition_rows", [4, 1_000_000])
@pytest.mark.parametrize("seed", range(6))
def test_a_key_whose_number_is_not_that_of_last_month_is_left_out(work: Path, seed: int, partition_rows: int) -> None:
    """Numbers swapped between keys (of one practice or two) or changed: exactly those keys are exceptions."""
    draw = random.Random(seed)
    now = [dict(row) for row in LOOKUP]
    one, other, third = draw.sample(range(len(now)), 3)
    now[one]["nhs_number"], now[other]["nhs_number"] = now[other]["nhs_number"], now[one]["nhs_number"]
    now[third]["nhs_number"] = ref.number_of(500 + seed)
    ref.write_lookup(work / "lookup.parquet", now)
    earlier = [row for i, row in enumerate(LOOKUP) if i in (one, other, third) or draw.random() < 0.8]
    draw.shuffle(earlier)
    ref.write_lookup(work / "last.parquet", earlier)
    (work / "settings.toml").write_text("[limits]\nexcluded = 1\n")
    upload_run.run_upload(
        work / "june.parquet", work / "out", template="mini.toml", lookup=work / "lookup.parquet",
        previous_lookup=work / "last.parquet", audit=work / "audit.log", settings=work / "settings.toml",
        partition_rows=partition_rows,
    )  # fmt: skip
    reason = "NHS number is not that of last month's lookup"
    listed = {
        line.split(",")[0].strip('"')
        for path in (work / "out").glob("*_exceptions.csv")
        for line in path.read_text().splitlines()
        if reason in line
    }
    assert listed == {str(now[i]["patient_id"]) for i in (one, other, third)}
    manifest = json.loads((work / "out" / "manifest.json").read_text())
    assert manifest["totals"]["excluded"] == {reason: 3}
    assert manifest["previous_lookup"]["name"] == "last.parquet"
    told = (work / "audit.log").read_text() + json.dumps(manifest)
    assert not any(row["nhs_number"] in told for row in [*now, *LOOKUP])
    verify.verify(work / "out", audit=work / "audit.log")


def test_the_same_lookup_again_changes_no_file(work: Path) -> None:
    assert upload(*WITH_LOOKUP) == 0
    assert upload(*WITH_LOOKUP, "--previous-lookup", "lookup.parquet", to="again") == 0
    files = {p.name: p.read_bytes() for p in (work / "out").iterdir() if p.name != "manifest.json"}
    assert files == {p.name: p.read_bytes() for p in (work / "again").iterdir() if p.name != "manifest.json"}


NEXT = [*LOOKUP[1:], LOOKUP[0]]


def test_too_many_changed_numbers_stop_the_upload(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    moved = [dict(row, nhs_number=other["nhs_number"]) for row, other in zip(LOOKUP, NEXT, strict=True)]
    ref.write_lookup(work / "last.parquet", moved)
    assert "last month's lookup" in refused(work, capsys, *WITH_LOOKUP, "--previous-lookup", "last.parquet")
    assert "--lookup, and none" in refused(work, capsys, *WITH_KEYS, "--previous-lookup", "last.parquet")


def test_exceptions_of_an_earlier_release_are_verified(work: Path) -> None:
    """They had two columns and no read-me."""
    ref.write_lookup(work / "lookup.parquet", [dict(r) for r in LOOKUP[1:]])
    assert upload(*WITH_LOOKUP) == 0
    path = work / "out" / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    files = [file for practice in manifest["practices"] for file in practice["files"]]
    assert {"exceptions", "read_me"} <= {file["kind"] for file in files}
    for practice in manifest["practices"]:
        practice["files"] = [file for file in practice["files"] if file["kind"] != "read_me"]
        for file in (file for file in practice["files"] if file["kind"] == "exceptions"):
            there = work / "out" / file["name"]
            lines = [line.rsplit('","', 1)[0] + '"' for line in there.read_bytes().decode().split("\r\n") if line]
            raw = "".join(f"{line}\r\n" for line in lines).encode()
            there.write_bytes(raw)
            file |= {"bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
    for left in (work / "out").glob("*_read_me.txt"):
        left.unlink()
    manifest["totals"]["files"] = sum(len(practice["files"]) for practice in manifest["practices"])
    path.write_text(json.dumps(manifest), encoding="utf-8")
    assert verify.verify(work / "out")
