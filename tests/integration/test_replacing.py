"""One rule for every command that writes: a re-run replaces what is there, anything else is refused without --force."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import kill_points
import pytest

from popstrat.cli import run
from popstrat.cli.main import COMMANDS

DAY, OTHER = "2026-06-30", "2026-07-15"
READ_ONLY = {"audit", "bench", "check", "completion", "explain", "packs", "verify"}
WRITE = ["score", "derive", "synth", "metrics", "pseudonymise", "validate", "recalibrate", "fit", "upload", "evidence",
         "worklist", "report"]  # fmt: skip


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two lists with outcomes and lookups, scored; and one of them scored as of another date."""
    folder = tmp_path_factory.mktemp("given")
    kill_points.prepare(folder)
    other = ["--as-of", OTHER, "-o", f"{folder}/scored3.parquet", "-q"]
    assert run(["score", f"{folder}/list1.parquet", *other]) == 0
    figures = ["metrics", f"{folder}/list1.parquet", "-o", f"{folder}/figures3.parquet", "--metric", "smoking_current"]
    assert run([*figures, "--level", "icb", "--level", "practice", "--as-of", OTHER, "-q"]) == 0
    upload = ["upload", f"{folder}/scored3.parquet", "-o", f"{folder}/uploads3", "-q"]
    assert run([*upload, "--lookup", f"{folder}/lookup1.parquet", "--audit", f"{folder}/released"]) == 0
    return folder


def arguments(command: str, given: Path, to: Path, other: bool) -> list[str]:
    found = kill_points.commands(given, to)[command](1)
    while "--force" in found:
        found.remove("--force")
    if not other:
        return found
    if command == "pseudonymise":  # as of no date: of the same files, key, columns and form
        return [*found, "--as", "int64"]
    third = {"scored1": "scored3", "uploads1": "uploads3", "figures1": "figures3"}
    for name, other_name in third.items():
        found = [a.replace(name, other_name) for a in found]
    return [OTHER if a == DAY else a for a in found]


def all_files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_every_command_is_here() -> None:
    """But for `map`, whose draft a person goes on with: it is never replaced without --force (see its own tests)."""
    assert set(WRITE) | READ_ONLY | {"map"} == set(COMMANDS)


@pytest.mark.skipif(sys.platform == "win32", reason="kill_points forks")
@pytest.mark.parametrize("command", WRITE)
def test_a_re_run_replaces_and_anything_else_needs_force(
    command: str, given: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = tmp_path / "to"
    to.mkdir()
    assert run(arguments(command, given, to, False)) == 0
    first = all_files(to)
    assert run(arguments(command, given, to, False)) == 0
    assert set(all_files(to)) == set(first)
    again = all_files(to)
    capsys.readouterr()
    assert run(arguments(command, given, to, True)) == 2
    told = capsys.readouterr().err
    assert "give --force to replace it" in told
    assert f"was made by {command}" in told
    assert all_files(to) == again
    assert run([*arguments(command, given, to, True), "--force"]) == 0
    assert all_files(to) != again


@pytest.mark.parametrize("command", WRITE)
def test_what_no_record_tells_of(command: str, given: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each output in turn is somebody else's file; a folder of an upload or a report is never ours to empty."""
    never = command in ("upload", "report")
    made = tmp_path / "made"
    made.mkdir()
    assert run(arguments(command, given, made, False)) == 0
    for name in all_files(made):
        to = tmp_path / "to"
        shutil.rmtree(to, ignore_errors=True)
        (to / name).parent.mkdir(parents=True)
        (to / name).write_text("precious")
        capsys.readouterr()
        assert run(arguments(command, given, to, False)) == 2, name
        assert never or "give --force to replace it" in capsys.readouterr().err
        assert all_files(to) == {name: b"precious"}
        forced = run([*arguments(command, given, to, False), "--force"])
        assert forced == (2 if never else 0)
        assert (all_files(to)[name] == b"precious") == never
        assert not list(to.rglob(".*"))
