"""Packs, maps and logs of strangers: errors of the file, in bounded time and memory, and nothing that is quoted."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import random
import socket
from pathlib import Path

import pytest

import popstrat
from popstrat.core.small_files import DEEPEST, MOST_BYTES, parse_json, parse_toml, read_small
from popstrat.packs.load import load_pack
from popstrat.packs.map_file import load_map
from popstrat.packs.patient_table import patient_schema
from popstrat.privacy import audit_log
from popstrat.upload.templates.toml_file import read_toml

pytestmark = pytest.mark.smoke

AS_OF = dt.date(2026, 6, 30)
HEAD = '[pack]\nid = "x"\nversion = "1"\n'
SECRET = "s3cr3t"


def refused(folder: Path, text: str | bytes) -> str:
    path = folder / "p.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(popstrat.PackError) as caught:
        load_pack(path).at(AS_OF)
    return str(caught.value)


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


def test_what_is_no_file_is_not_read(tmp_path: Path, pipe: Path) -> None:
    """Not even opened, so that nothing waits: as a pack, as what one extends, as a map, settings, a log, a record."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        (tmp_path / "link").symlink_to("/dev/zero")
        for odd in ("/dev/zero", "/dev/null", str(pipe), str(tmp_path / "socket"), str(tmp_path / "link")):
            assert "a device, a pipe or a socket" in refused(tmp_path, f'{HEAD}extends = "{odd}"\n')
            with pytest.raises(popstrat.PackError, match="a device, a pipe or a socket"):
                load_pack(odd)
            with pytest.raises(popstrat.InputError, match="a device, a pipe or a socket"):
                load_map(odd, patient_schema().columns)
            with pytest.raises(popstrat.InputError, match="a device, a pipe or a socket"):
                read_toml(Path(odd), "settings file")
            with pytest.raises(popstrat.InputError, match="a device, a pipe or a socket"):
                audit_log.verify(odd)
            with pytest.raises(popstrat.InputError, match="a device, a pipe or a socket"):
                audit_log.append(odd, "score")
    with pytest.raises(IsADirectoryError):
        read_small(tmp_path)
    assert "cannot read" in refused(tmp_path, f'{HEAD}extends = "{tmp_path}"\n')


def test_what_is_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "large.toml").open("wb") as file:
        file.truncate(1 << 40)  # sparse
    assert "larger than the 4 MB" in refused(tmp_path, f'{HEAD}extends = "large.toml"\n')
    assert "larger than the 4 MB" in refused(tmp_path, b"#" * (MOST_BYTES + 1))
    for i in range(3):
        (tmp_path / f"{i}.toml").write_text(f'[pack]\nid = "e{i}"\nversion = "1"\n#' + "x" * (MOST_BYTES // 2))
    assert "larger than 4 MB" in refused(tmp_path, f'{HEAD}extends = ["0.toml", "1.toml", "2.toml"]\n')


def test_a_pack_of_too_many_files_or_entries(tmp_path: Path) -> None:
    for i in range(2000):
        (tmp_path / f"e{i}.toml").write_text(f'[pack]\nid = "e{i}"\nversion = "1"\n')
    names = ", ".join(f'"e{i}.toml"' for i in range(2000))
    assert "more than 64 files" in refused(tmp_path, f"{HEAD}extends = [{names}]\n")
    for i in range(40):  # each brings two more
        extended = f'"e{2 * i + 1}.toml", "e{2 * i + 2}.toml"'
        (tmp_path / f"e{i}.toml").write_text(f'[pack]\nid = "e{i}"\nversion = "1"\nextends = [{extended}]\n')
    assert "more than 64 files" in refused(tmp_path, f'{HEAD}extends = "e0.toml"\n')
    many = "".join(f"[parameters.p{i}]\nvalue = 1\n" for i in range(2001))
    assert "has 2,001 entries" in refused(tmp_path, HEAD + many)


@pytest.mark.parametrize(
    "content", [f"root:{SECRET}:0\n", f'key = "{SECRET}\n', f"[pack]\n{SECRET} = 1\n", f'{SECRET} = "x"\n',
                f"= {SECRET}", f"{SECRET}.{SECRET} = 1\n{SECRET} = 2\n", f"[{SECRET}]\n[{SECRET}]\n"]
)  # fmt: skip
@pytest.mark.parametrize("name", ["passwd", "other.toml"])
def test_what_a_pack_extends_is_not_quoted(tmp_path: Path, content: str, name: str) -> None:
    (tmp_path / name).write_text(content)
    (tmp_path / "link").symlink_to(tmp_path / name)
    for extended in (name, f"./{name}", str(tmp_path / name), "link"):
        assert SECRET not in refused(tmp_path, f'{HEAD}extends = "{extended}"\n')
    if name == "passwd":
        with pytest.raises(popstrat.PackError) as caught:
            load_pack(tmp_path / name)
        assert SECRET not in str(caught.value)


DEEP = ["a = " + "[" * 100_000, "a = " + "{a = " * 50_000, "a = " + "[" * 200 + "]" * 200,
        ".".join("a" * 100_000) + " = 1", "[" + ".".join(["a"] * 100_000) + "]", ".".join(['"a"'] * 50_000) + " = 1",
        " . ".join(["a"] * 50_000) + " = 1", "a = 0x" + "f" * 1_000_000, "a = " + "9" * 1_000_000, "a = 1e999999999",
        "[[input]]\n" * 5000]  # fmt: skip


@pytest.mark.parametrize("text", DEEP, ids=range(len(DEEP)))
def test_what_nests_or_counts_without_end(tmp_path: Path, text: str) -> None:
    assert refused(tmp_path, HEAD + text)
    path = tmp_path / "m.toml"
    path.write_text(text)
    with pytest.raises(popstrat.InputError):
        load_map(path, patient_schema().columns)


RULES = [
    "(" * 5000 + "age" + ")" * 5000, "not " * 5000 + "ckd", "-" * 5000 + "age > 1", "1 if ckd else " * 3000 + "2",
    "abs(" * 3000 + "age" + ")" * 3000, "max(age, " * 150 + "age" + ")" * 150, "**".join(["9"] * 50) + " > 1",
    "9**9**9**9 > 1", "9" * 100_000 + " > age", "0x" + "f" * 100_000 + " > age", "round(age, 10**9) > 1",
    "months_before(10**300) > bp_date", "date('99999-01-01') > bp_date", '"' * 9999, "= " * 9999, "'a' * 10**9 == sex",
    "age > \u0664" * 99, "a.b[0]",
    "[" * 9999,
]  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=range(len(RULES)))
def test_rules_without_end(tmp_path: Path, rule: str) -> None:
    """An error of the pack, or a rule like any other; nothing else."""
    text = f"{HEAD}[definition.a]\ntitle = 'A'\nkind = 'expression'\noutput = true\nvalue = '''\n{rule}'''\n"
    (tmp_path / "p.toml").write_text(text)
    with contextlib.suppress(popstrat.PackError):
        popstrat.Scorer(pack=tmp_path / "p.toml", as_of="2026-06-30")


@pytest.mark.parametrize("many", [500, pytest.param(2000, marks=pytest.mark.nightly("four times as many packs"))])
def test_thousands_of_changed_packs(tmp_path: Path, many: int) -> None:
    """A pack with bytes changed, cut out, doubled or nested, by a seed: it loads or is an error of the pack."""
    draw = random.Random(1)
    whole = (Path(__file__).parents[2] / "docs" / "examples" / "threshold.toml").read_bytes()
    pieces = [b"[", b"]", b"{", b"}", b"'''", b'"', b"=", b"\n", b"\0", b"\xff", b"9" * 400, b"(" * 300, b"a." * 99]
    pieces += [b"-", b"**", b"inf", b"extends = '/'\n"]
    path = tmp_path / "p.toml"
    for _ in range(many):
        text = bytearray(whole)
        for _ in range(draw.randint(1, 4)):
            at, length = draw.randrange(len(text)), draw.choice([0, 0, 1, 9, 99])
            text[at : at + length] = draw.choice([*pieces, bytes(text[at : at + length]) * 2])
        path.write_bytes(text)
        with contextlib.suppress(popstrat.PackError):
            load_pack(path).at(AS_OF)


@pytest.mark.parametrize(
    "line", [b"[" * 100_000, b'{"a":' * 50_000, b"x" * (3 << 20), b"9" * 100_000, b"\xff\0", b'"' * 999]
)
def test_lines_of_a_log(tmp_path: Path, line: bytes) -> None:
    log = tmp_path / "log"
    audit_log.append(log, "score")
    log.write_bytes(log.read_bytes() + line + b"\n")
    with pytest.raises(popstrat.InputError, match=r"line 2: is"):
        audit_log.verify(log)
    with pytest.raises(popstrat.InputError):
        audit_log.append(log, "score")
    (tmp_path / "log.head").write_bytes(line)
    with pytest.raises(popstrat.InputError):
        audit_log.verify(log)


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_first_append_that_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """At each file that it forces to the disk: the log can be verified, and added to."""
    calls = []

    def killed(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == at:
            os._exit(9)

    if not (child := os.fork()):
        monkeypatch.setattr(audit_log.os, "fsync", killed)
        audit_log.append(tmp_path / "log", "score")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    found = audit_log.verify(tmp_path / "log")
    assert found.lines in ((0,) if at == 1 else (0, 1))
    audit_log.append(tmp_path / "log", "score")
    assert audit_log.verify(tmp_path / "log").lines == found.lines + 1


def test_json_and_toml_within_bounds_are_read() -> None:
    deep = "[" * DEEPEST + "]" * DEEPEST
    assert parse_json(deep)
    assert parse_toml(f"a = {deep}")
    with pytest.raises(ValueError, match="nested"):
        parse_json("[[" + deep + "]]")
