"""`popstrat explain` for several patients, by NHS number, on a page; and what of it reaches a log or a message."""

from __future__ import annotations

import html.parser
import io
import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from popstrat.cli import run

AS_OF = "2026-06-30"
NUMBERS = ["9997069021", "9993897353"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explain")
    synth = ["synth", "--patients", "2000", "--seed", "4", "--as-of", AS_OF, "-q"]
    files = ["-o", str(folder / "list.parquet"), "--lookup", str(folder / "lookup.parquet")]
    assert run([*synth, *files]) == 0
    return folder


@pytest.fixture
def work(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for file in made.iterdir():
        (tmp_path / file.name).symlink_to(file)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("POPSTRAT_AUDIT", raising=False)
    return tmp_path


def explain(monkeypatch: pytest.MonkeyPatch, given: list[str], *options: str) -> int:
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(given) + "\n"))
    return run(["explain", "list.parquet", "--as-of", AS_OF, "--patient", "-", *options])


def keys(work: Path) -> list[str]:
    lookup = {row["nhs_number"]: row["patient_id"] for row in pq.read_table(work / "lookup.parquet").to_pylist()}
    return [str(lookup[number]) for number in NUMBERS]


def test_by_nhs_number_is_as_by_key_and_in_the_log(
    work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert explain(monkeypatch, NUMBERS, "--short", "--lookup", "lookup.parquet", "--audit", "log.jsonl") == 0
    by_number = capsys.readouterr().out
    assert explain(monkeypatch, keys(work), "--short") == 0
    assert capsys.readouterr().out == by_number
    assert by_number.count("Person  ") == 2
    assert "Patient 1 of 2" in by_number
    (line,) = (work / "log.jsonl").read_text().splitlines()
    assert {"event": "explain", "asked_for": 2, "re_identified": True}.items() <= json.loads(line).items()
    for secret in (*NUMBERS, *keys(work)):
        assert secret not in line
        assert secret not in by_number


@pytest.mark.parametrize(
    ("given", "options", "told"),
    [
        (NUMBERS, ["--lookup", "lookup.parquet"], "to be logged"),
        (["9997069022"], ["--lookup", "lookup.parquet", "--audit", "log.jsonl"], "the number asked for is not an NHS"),
        ([NUMBERS[0], "9990000018"], ["--lookup", "lookup.parquet", "--audit", "log.jsonl"], "number 2 of those asked"),
        ([], [], "no id was given"),
        (["17", "18"], [], "no row has the id asked for (number 1 of 2)"),
        (NUMBERS, ["--settings", "x.toml"], "--lookup are called"),
        (["1"] * 101, [], "at most 100"),
    ],
)
def test_what_is_refused_names_nobody(
    work: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    given: list[str],
    options: list[str],
    told: str,
) -> None:
    assert explain(monkeypatch, given, *options) == 2
    shown = capsys.readouterr()
    assert told in shown.err
    assert not shown.out
    assert not any(number in shown.err for number in given if len(number) > 3)


def test_nhs_numbers_stay_off_the_command_line(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--as-of", AS_OF, "--patient", NUMBERS[0], "--lookup", "lookup.parquet", "--audit", "log.jsonl"]
    assert run(["explain", "list.parquet", *options]) == 2
    assert "from standard input alone" in capsys.readouterr().err
    assert not (work / "log.jsonl").exists()


def test_a_number_that_two_keys_have_is_nobodys(
    work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lookup = pq.read_table(work / "lookup.parquet")
    at = lookup.column("nhs_number").to_pylist().index(NUMBERS[0])
    other = lookup.slice(at, 1).set_column(0, "patient_id", pa.array([77], lookup.schema.field(0).type))
    again = lookup.slice(at, 1).set_column(1, "nhs_number", pa.array(["9990000018"], lookup.schema.field(1).type))
    for more, told in ((other, "in the lookup more than once"), (again, "of a key that is in the lookup more")):
        pq.write_table(pa.concat_tables([lookup, more]), work / "twice.parquet")
        assert explain(monkeypatch, NUMBERS[:1], "--lookup", "twice.parquet", "--audit", "log.jsonl") == 2
        assert told in capsys.readouterr().err


class _Page(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []
        self.elsewhere: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "link", "img", "br"):
            self.open.append(tag)
        self.elsewhere += [value for name, value in attrs if name in ("src", "href") and value]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data.split()


def test_a_page_says_what_the_terminal_says(
    work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert explain(monkeypatch, keys(work), "--short") == 0
    shown = capsys.readouterr().out
    assert explain(monkeypatch, keys(work), "--html", "page.html") == 0
    page = _Page()
    page.feed((work / "page.html").read_text(encoding="utf-8"))
    assert not page.open
    assert page.elsewhere == ["#main"]  # the skip link
    text = " ".join(page.text)
    for line in re.split(r"\n(?=[A-Z][a-z])", shown):
        if line.startswith(("Person", "Why", "Risk", "Found", "To do")):
            label = next(label for label in ("Person", "Why", "Risk", "Found", "To do") if line.startswith(label))
            assert " ".join(line.split("\n─")[0].removeprefix(label).split()) in text
    assert "Confidential" in text
    assert "£" not in text
    assert not any(secret in text for secret in (*NUMBERS, *keys(work)))
    before = (work / "page.html").read_bytes()
    assert explain(monkeypatch, keys(work)[:1], "--html", "page.html") == 2
    assert (work / "page.html").read_bytes() == before
    assert explain(monkeypatch, keys(work)[:1], "--html", "page.html", "--force", "--costs") == 0
    assert "£" in (work / "page.html").read_text(encoding="utf-8")


def test_costs_and_long_numbers_are_shown_to_who_asks(
    work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert explain(monkeypatch, keys(work)[:1]) == 0
    shown = capsys.readouterr().out
    assert "£" not in shown
    assert not re.search(r"\d\.\d{7}", shown)
    headings = [line for line in shown.splitlines() if line in ("Not diagnosed", "Not at target", "Due", "Why", "Risk")]
    assert headings == ["Not diagnosed", "Not at target", "Due", "Why", "Risk"]
    assert explain(monkeypatch, keys(work)[:1], "--costs") == 0
    assert "£" in capsys.readouterr().out
