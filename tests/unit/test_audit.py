"""The audit log: what it holds, what it refuses, and that every kind of tampering shows."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from popstrat.cli import run
from popstrat.errors import InputError
from popstrat.privacy import audit_log as audit
from popstrat.privacy.audit_log import append, check_fields, verify

KEY = "9f1c5e0b7a3d48e6a2b90c4f6d813e57d0c2a68b14f97e35b86a1d4c03f2e798"
OTHER_KEY = "1d4c03f2e7989f1c5e0b7a3d48e6a2b90c4f6d813e57d0c2a68b14f97e35b86a"
LINES = 5


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (audit.KEY_VARIABLE, audit.KEY_FILE_VARIABLE, audit.LOG_VARIABLE):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def keyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(audit.KEY_VARIABLE, KEY)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return filled(tmp_path / "audit.jsonl")


def filled(path: Path, lines: int = LINES) -> Path:
    for i in range(lines):
        append(path, "score", rows=i, profile="direct-care")
    return path


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def head(path: Path) -> Path:
    return Path(f"{path}.head")


def test_a_line_says_who_when_and_what_and_follows_the_one_before(log: Path) -> None:
    found = [json.loads(line) for line in lines(log)]
    assert [f["line"] for f in found] == [1, 2, 3, 4, 5]
    assert [f["rows"] for f in found] == [0, 1, 2, 3, 4]
    assert found[0]["previous"] == audit.NOTHING
    for before, after in zip(lines(log), found[1:], strict=False):
        assert after["previous"] == hashlib.sha256(before.rstrip(b"\n")).hexdigest()
    assert all(f["who"].endswith(f"({os.getuid()})") and f["time"].endswith("Z") for f in found)
    assert all(f["event"] == "score" and f["host"] and f["program"].startswith("popstrat ") for f in found)


def test_who_is_not_what_the_environment_says(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "somebody-else")
    monkeypatch.setenv("USER", "somebody-else")
    assert "somebody-else" not in audit.user()


def test_verify_sums_up(log: Path) -> None:
    append(log, "re-identify", practices=3)
    found = verify(log)
    assert (found.lines, found.events) == (6, {"score": 5, "re-identify": 1})
    assert found.last_hash == hashlib.sha256(lines(log)[-1].rstrip(b"\n")).hexdigest()
    assert (found.keyed, found.macs_checked, found.head_behind) == (0, False, False)
    assert found.first is not None
    assert found.last is not None
    assert found.first <= found.last


def test_an_empty_log_is_whole(tmp_path: Path) -> None:
    (tmp_path / "log").touch()
    assert verify(tmp_path / "log").lines == 0


def test_the_files_are_private(log: Path) -> None:
    assert [stat.S_IMODE(p.stat().st_mode) for p in (log, head(log))] == [0o600, 0o600]


# -- tampering ----------------------------------------------------------------------------------------------------


def changed(found: list[bytes]) -> list[bytes]:
    return [*found[:2], found[2].replace(b'"rows":2', b'"rows":9'), *found[3:]]


def last_changed(found: list[bytes]) -> list[bytes]:
    return [*found[:-1], found[-1].replace(b'"rows":4', b'"rows":9')]


def spaced(found: list[bytes]) -> list[bytes]:
    return [found[0].replace(b'"rows":0', b'"rows": 0'), *found[1:]]


def rechained(found: list[bytes]) -> list[bytes]:
    """Line 3 changed and everything after it computed anew, as somebody who knows the format would."""
    made, previous = [], audit.NOTHING
    for line in changed(found):
        content = {k: v for k, v in json.loads(line).items() if k != "mac"} | {"previous": previous}
        text = json.dumps(content, separators=(",", ":")).encode()
        previous = hashlib.sha256(text).hexdigest()
        made.append(text + b"\n")
    return made


TAMPERING: dict[str, tuple[Callable[[list[bytes]], list[bytes]], str]] = {
    "a line changed": (changed, "line 4: does not follow line 3"),
    "the last line changed": (last_changed, "line 5: is not the one that was written"),
    "a space added": (spaced, "line 2: does not follow line 1"),
    "the first line removed": (lambda f: f[1:], "line 1: does not follow the beginning"),
    "a line removed": (lambda f: [*f[:2], *f[3:]], "line 3: does not follow line 2"),
    "the last line removed": (lambda f: f[:-1], "lines are missing at its end: it has 4, and had 5"),
    "the last two lines removed": (lambda f: f[:-2], "lines are missing at its end: it has 3, and had 5"),
    "all lines removed": (lambda f: [], "lines are missing at its end: it has 0, and had 5"),
    "two lines exchanged": (lambda f: [f[0], f[2], f[1], *f[3:]], "line 2: does not follow line 1"),
    "a line twice": (lambda f: [*f[:2], *f[1:]], "line 3: does not follow line 2"),
    "a line in between": (lambda f: [*f[:2], b"{}\n", *f[2:]], "line 3: is not a line of an audit log"),
    "a line broken": (lambda f: [*f[:2], f[2][:30] + b"\n", *f[3:]], "line 3: is not JSON"),
    "the end torn off": (lambda f: [*f[:-1], f[-1][:40]], "line 5: is cut short"),
    "the last line feed gone": (lambda f: [*f[:-1], f[-1][:-1]], "line 5: is cut short"),
    "computed anew after a change": (rechained, "line 5: is not the one that was written"),
    "an empty line": (lambda f: [*f, b"\n"], "line 6: is not JSON"),
}


@pytest.mark.parametrize("how", TAMPERING)
def test_tampering_shows_with_the_line(log: Path, how: str, capsys: pytest.CaptureFixture[str]) -> None:
    tamper, message = TAMPERING[how]
    log.write_bytes(b"".join(tamper(lines(log))))
    with pytest.raises(InputError, match=message):
        verify(log)
    assert run(["audit", "verify", str(log)]) == 2
    assert message in capsys.readouterr().err


def test_every_changed_byte_shows(log: Path) -> None:
    whole = log.read_bytes()
    for at in range(len(whole)):
        log.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(InputError):
            verify(log)


def test_lines_added_by_hand_show(log: Path) -> None:
    found = lines(log)
    previous = hashlib.sha256(found[-1][:-1]).hexdigest()
    for number in (6, 7):
        content = json.loads(found[-1]) | {"line": number, "previous": previous}
        text = json.dumps(content, separators=(",", ":")).encode()
        previous = hashlib.sha256(text).hexdigest()
        found.append(text + b"\n")
    log.write_bytes(b"".join(found))
    with pytest.raises(InputError, match="line 7: was added by something else"):
        verify(log)


def test_a_missing_head_file_shows_and_expect_last_stands_in_for_it(log: Path) -> None:
    noted = verify(log).last_hash
    head(log).unlink()
    with pytest.raises(InputError, match="head file is missing"):
        verify(log)
    assert verify(log, expect_last=noted).lines == LINES
    with pytest.raises(InputError, match="no line has the hash expected"):
        verify(log, expect_last="0" * 64)


def test_an_older_copy_of_both_files_shows_only_by_a_noted_hash(tmp_path: Path) -> None:
    log = filled(tmp_path / "log", 3)
    old = log.read_bytes(), head(log).read_bytes()
    append(log, "re-identify", rows=1)
    noted = verify(log).last_hash
    log.write_bytes(old[0])
    head(log).write_bytes(old[1])
    assert verify(log).lines == 3  # what the documentation says is not detected
    with pytest.raises(InputError, match="no line has the hash expected"):
        verify(log, expect_last=noted)


def test_a_noted_hash_holds_after_more_lines(log: Path) -> None:
    noted = verify(log).last_hash
    append(log, "score", rows=1)
    assert verify(log, expect_last=noted).lines == LINES + 1


def test_nothing_is_added_to_a_log_that_does_not_end_where_its_head_says(log: Path) -> None:
    log.write_bytes(b"".join(lines(log)[:-1]))
    before = log.read_bytes()
    with pytest.raises(InputError, match="nothing was added"):
        append(log, "score", rows=1)
    assert log.read_bytes() == before


# -- keys ---------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("keyed")
def test_with_a_key_a_log_computed_anew_shows(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert verify(log).macs_checked
    assert verify(log).keyed == LINES
    made = rechained(lines(log))
    log.write_bytes(b"".join(made))
    head(log).write_text(json.dumps({"lines": LINES, "last": hashlib.sha256(made[-1][:-1]).hexdigest()}))
    with pytest.raises(InputError, match="MACs may have been stripped"):
        verify(log)
    monkeypatch.delenv(audit.KEY_VARIABLE)
    assert verify(log).keyed == 0  # without a key nobody can tell


@pytest.mark.usefixtures("keyed")
def test_macs_stripped_from_some_lines_show(log: Path) -> None:
    found = lines(log)
    log.write_bytes(b"".join([*found[:3], *rechained(found)[3:]]))
    with pytest.raises(InputError, match="line 4"):
        verify(log)


@pytest.mark.usefixtures("keyed")
def test_a_head_file_written_by_somebody_without_the_key_shows(log: Path) -> None:
    found = lines(log)[:3]
    log.write_bytes(b"".join(found))
    forged = {"lines": 3, "last": hashlib.sha256(found[-1][:-1]).hexdigest()}
    head(log).write_text(json.dumps(forged))
    with pytest.raises(InputError, match="has no MAC"):
        verify(log)
    with pytest.raises(InputError, match="nothing was added"):
        append(log, "score")
    head(log).write_text(json.dumps({**forged, "mac": "0" * 64}, separators=(",", ":")))
    with pytest.raises(InputError, match="its MAC is wrong"):
        verify(log)


@pytest.mark.usefixtures("keyed")
def test_another_key_does_not_fit(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(audit.KEY_VARIABLE, OTHER_KEY)
    with pytest.raises(InputError, match="line 1: was changed, or written with another key"):
        verify(log)


def test_a_log_with_a_key_takes_no_line_without(log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "key"
    file.write_text(KEY)
    file.chmod(0o600)
    monkeypatch.setenv(audit.KEY_FILE_VARIABLE, str(file))
    append(log, "score", rows=6)  # from here on
    assert (verify(log).lines, verify(log).keyed) == (LINES + 1, 1)
    monkeypatch.delenv(audit.KEY_FILE_VARIABLE)
    with pytest.raises(InputError, match="this log has a key"):
        append(log, "score", rows=7)
    assert verify(log).lines == LINES + 1
    assert not verify(log).macs_checked


# -- interruptions and other processes ----------------------------------------------------------------------------


@pytest.mark.parametrize("left", [1, 40, -1])
def test_an_append_interrupted_within_its_line_is_mended_by_the_next(log: Path, left: int) -> None:
    before = log.read_bytes()
    with log.open("ab") as file:
        file.write(lines(log)[-1][:left])
    with pytest.raises(InputError, match="line 6: is cut short"):
        verify(log)
    append(log, "score", rows=6)
    assert log.read_bytes().startswith(before)
    assert json.loads(lines(log)[-1])["repaired_bytes"] > 0
    assert verify(log).lines == LINES + 1


def test_an_append_interrupted_before_its_head_is_accepted_and_told(log: Path) -> None:
    old = head(log).read_bytes()
    append(log, "score", rows=6)
    head(log).write_bytes(old)
    assert verify(log).head_behind
    append(log, "score", rows=7)
    assert not verify(log).head_behind
    assert verify(log).lines == LINES + 2


def test_the_first_append_killed_before_its_head(tmp_path: Path) -> None:
    log = tmp_path / "log"
    script = (
        "import os, sys\nfrom pathlib import Path\nfrom popstrat.privacy import audit_log\nreal = Path.replace\n"
        "def replace(self, target):\n"
        "    if Path(sys.argv[1]).stat().st_size: os.kill(os.getpid(), 9)\n"
        "    return real(self, target)\n"
        "Path.replace = replace\naudit_log.append(sys.argv[1], 'score', rows=1)"
    )
    assert subprocess.run([sys.executable, "-c", script, str(log)], check=False).returncode == -9
    found = verify(log)
    assert (found.lines, found.head_behind) == (1, True)
    append(log, "score", rows=2)
    assert verify(log).lines == 2


def test_a_log_of_one_line_without_its_head(tmp_path: Path) -> None:
    log = filled(tmp_path / "log", 1)
    head(log).unlink()
    with pytest.raises(InputError, match="head file is missing"):
        verify(log)
    append(log, "score", rows=1)
    assert verify(log).lines == 2


@pytest.mark.parametrize("fails_at", [1, 2])  # the log, the head file
@pytest.mark.parametrize("before", [0, LINES])
def test_a_full_disk_leaves_the_log_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_at: int, before: int
) -> None:
    log = filled(tmp_path / "log", before)
    content = log.read_bytes() if before else b""
    calls = []

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == fails_at + (
            0 if before else 2
        ):  # an empty head file and its folder come before the first line
            raise OSError(28, "No space left on device")

    for _ in range(3):
        calls.clear()
        with monkeypatch.context() as patched:
            patched.setattr(audit.os, "fsync", full)
            with pytest.raises(OSError, match="No space"):
                append(log, "score", rows=6)
        assert log.read_bytes() == content
        assert verify(log).lines == before
    append(log, "score", rows=7)
    assert verify(log).lines == before + 1


def test_processes_that_append_at_once_wait_for_each_other(tmp_path: Path) -> None:
    log, each, processes = tmp_path / "log", 25, 4
    script = (
        "import sys\nfrom popstrat.privacy.audit_log import append\n"
        f"for i in range({each}): append(sys.argv[1], 'score', worker=int(sys.argv[2]), i=i)"
    )
    running = [subprocess.Popen([sys.executable, "-c", script, str(log), str(n)]) for n in range(processes)]
    assert [p.wait() for p in running] == [0] * processes
    assert verify(log).lines == each * processes
    found = [json.loads(line) for line in lines(log)]
    for worker in range(processes):
        assert [f["i"] for f in found if f["worker"] == worker] == list(range(each))


def test_appends_killed_at_any_moment_leave_a_log_that_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "log"
    script = (
        "import sys\nfrom popstrat.audit import append\nwhile True:\n append(sys.argv[1], 'score'); print(flush=True)"
    )
    acknowledged = 0
    for _ in range(8):
        with subprocess.Popen([sys.executable, "-c", script, str(log)], stdout=subprocess.PIPE) as worker:
            assert worker.stdout is not None
            worker.stdout.readline()
            worker.kill()
            acknowledged += 1 + worker.stdout.read().count(b"\n")
    append(log, "score")
    found = verify(log)
    assert found.lines > acknowledged  # what was acknowledged is there


# -- what may go in -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["nhs_number", "NHS Number", "nhsno", "nhs-number", "patient_id", "patient", "date_of_birth", "dob", "postcode",
     "surname", "email", "patient_ids", "address", "telephone"],
)  # fmt: skip
def test_fields_named_like_identifiers_are_refused(log: Path, name: str) -> None:
    for fields in ({name: "x"}, {"more": {name: 1}}, {"more": [{"deep": {name: 1}}]}):
        with pytest.raises(InputError, match="no identifiers"):
            append(log, "score", **fields)
    assert verify(log).lines == LINES


@pytest.mark.parametrize(
    "value",
    ["9990000018", "999 000 0018", "999-000-0018", "list of 9990000018.csv", "a_9990000018_b", 9990000018, 9990000018.0,
     ["x", {"y": "(9990000018)"}], {"9990000018": 1}],
)  # fmt: skip
def test_values_like_nhs_numbers_are_refused_and_not_repeated(log: Path, value: Any) -> None:
    with pytest.raises(InputError, match="looks like an NHS number") as caught:
        append(log, "score", note=value)
    assert "0018" not in str(caught.value)
    assert verify(log).lines == LINES


@pytest.mark.parametrize(
    "value",
    [0, True, None, 2_500_000, 0.25, "list-2026-06-30.parquet", "9990000019", "2026-06-30T10:00:00.000Z", "99900000181",
     hashlib.sha256(b"x").hexdigest(), "a9990000018b", ["patient_id"],
     {"practices": 3, "patients": 7, "rows": {"in": 5}}],
)  # fmt: skip
def test_what_is_no_identifier_goes_in(log: Path, value: Any) -> None:
    append(log, "score", note=value)
    assert json.loads(lines(log)[-1])["note"] == value


def hashes() -> Iterator[str]:
    for i in range(20_000):
        yield hashlib.sha256(str(i).encode()).hexdigest()


def test_no_hash_is_mistaken_for_an_nhs_number() -> None:
    check_fields("score", {"hashes": list(hashes())})


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"previous": "x"}, "sets 'previous' itself"),
        ({"who": "me"}, "sets 'who' itself"),
        ({"x": float("nan")}, "finite numbers"),
        ({"x": Path("x")}, "takes text"),
        ({"x": "a" * (1 << 20)}, "too long"),
    ],
)
def test_other_fields_that_are_refused(log: Path, fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        append(log, "score", **fields)
    assert verify(log).lines == LINES


@pytest.mark.parametrize("event", ["", "Score", "re identify", "x" * 80, "a\n"])
def test_an_event_is_a_word(log: Path, event: str) -> None:
    with pytest.raises(InputError, match="an audit event is a word"):
        append(log, event)


# -- the command --------------------------------------------------------------------------------------------------


def test_the_command_prints_and_returns(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["audit", "verify", str(log)]) == 0
    text = capsys.readouterr().out
    assert "5 lines, whole and in order" in text
    assert "the log has no key" in text
    assert run(["audit", "verify", str(log), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["lines"], found["events"], found["last_hash"]) == (5, {"score": 5}, verify(log).last_hash)
    assert run(["audit", "verify", str(log), "--expect-last", found["last_hash"], "--quiet"]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("name", "problem"), [("absent", "no such audit log"), (".", "this is a folder")])
def test_what_is_not_a_log(tmp_path: Path, name: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        verify(tmp_path / name)
    with pytest.raises(InputError, match="no such folder"):
        append(tmp_path / "absent" / "log", "score")


def test_something_that_is_not_a_log_is_not_added_to(tmp_path: Path) -> None:
    other = tmp_path / "notes.txt"
    other.write_text("my notes\n")
    with pytest.raises(InputError, match="not one of an audit log"):
        append(other, "score")
    with pytest.raises(InputError, match="line 1: is not JSON"):
        verify(other)
    assert other.read_text() == "my notes\n"


@pytest.mark.parametrize(
    "text",
    [
        "an essay without a line end",
        '{"line":1,"time":"2026-07-01T08:30:12.345Z","event":"score"',  # as likely somebody else's
        '{"line":1}\nhalf a line of something el',
        '{"line":2,"time":"x","event":"score","previous":"' + "0" * 64 + '"}\nhalf',
        '{"line":1,"time":"x","event":"score","previous":"none"}\nhalf',
    ],
)
def test_a_file_without_a_line_of_a_log_is_never_cut(tmp_path: Path, text: str) -> None:
    other = tmp_path / "thesis.txt"
    other.write_text(text)
    for add in (lambda: append(other, "score"), lambda: audit.ready(other)):
        with pytest.raises(InputError, match=r"not an audit log|not one of an audit log"):
            add()
        assert other.read_text() == text
    assert sorted(p.name for p in tmp_path.iterdir()) == ["thesis.txt"]


def test_a_torn_end_after_the_first_line_is_mended(tmp_path: Path) -> None:
    log = filled(tmp_path / "log", 1)
    with log.open("ab") as file:
        file.write(b'{"line":2,"ti')
    append(log, "score", rows=2)
    assert (verify(log).lines, json.loads(lines(log)[-1])["repaired_bytes"]) == (2, 13)
