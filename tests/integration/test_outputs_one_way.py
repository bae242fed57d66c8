"""What commands print, and the pages they write, have their numbers and dates written one way."""

from __future__ import annotations

import datetime as dt
import html
import io
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from popstrat import synthetic
from popstrat.cli import run

AS_OF = "2026-06-30"
LIST = ["list.parquet", "--as-of", AS_OF]
COMMANDS = {
    "check": ["check", *LIST],
    "score": ["score", *LIST, "-o", "scored.parquet"],
    "metrics": ["metrics", *LIST, "-o", "metrics.parquet"],
    "worklist": ["worklist", *LIST, "--cohort", "frailty_int_segment", "--capacity", "20", "-o", "june.html"],
    "explain": ["explain", *LIST, "--patient", "-", "--short"],
    "page": ["explain", *LIST, "--patient", "-", "--short", "--html", "why.html"],
    "validate": ["validate", "scored.parquet", "--outcome", "outcomes.parquet", "--column", "y", "--list",
                 "list.parquet", "--bootstrap", "5", "-o", "v"],
}  # fmt: skip


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each command printed, and the text of each page."""
    folder = tmp_path_factory.mktemp("outputs")
    people = synthetic.table(12_000, seed=5, as_of=dt.date(2026, 6, 30))
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        pq.write_table(people, "list.parquet")
        rng = np.random.default_rng(1)
        pq.write_table(
            pa.table({"patient_id": people["patient_id"], "y": rng.random(12_000) < 0.1}), "outcomes.parquet"
        )
        for name, arguments in COMMANDS.items():
            patch.setattr("sys.stdin", io.StringIO("\n".join(map(str, people["patient_id"].to_pylist()[:2]))))
            out = io.StringIO()
            patch.setattr("sys.stdout", out)
            assert run(arguments) == 0, name
            found[name] = out.getvalue()
        for page in (Path("june.html"), Path("why.html"), Path("v/validation.html")):
            text = re.sub(r"<(style|script)>.*?</\1>", " ", page.read_text(encoding="utf-8"), flags=re.DOTALL)
            told = " ".join(re.findall(r'aria-label="([^"]*)"', text))
            found[page.name] = html.unescape(re.sub(r"<[^>]*>", " ", text) + told)
    return found


@pytest.mark.parametrize("name", [*sorted(set(COMMANDS) - {"page"}), "june.html", "why.html", "validation.html"])
def test_numbers_and_dates(name: str, printed: dict[str, str]) -> None:
    text = printed[name]
    assert len(text) > 100
    assert not re.search(r"\d %(?![\d ]*of)", text.replace("% of", "")), "a percentage with a blank"
    plain = re.sub(r"\b[0-9a-f]{64}\b|\bsha256\b|\b\d{10,}\b|\bY9\d{4}\b|\bE8\d{4}\b", " ", text)  # hashes, ids, codes
    assert not re.search(r"(?<![\d.,])\d{5,}(?![\d.])", plain), "a number without its commas"
    assert not re.search(r"\b20\d\d-\d\d-\d\d\b", text), "a date as programs write it"
    assert "[c]" not in text


def test_the_first_lines_say_what_matters(printed: dict[str, str]) -> None:
    """Which definitions and day; how many, and whether something is to be looked into; what was found."""
    first, second, third, blank = printed["score"].splitlines()[:4]
    assert re.fullmatch(r"london-2026 \S+ · as of 30 June 2026 · direct-care", first)
    assert re.match(r"12,000 patients in, 12,000 out, 0 excluded · (no warnings|\d+ warnings? below)", second)
    assert re.match(r"CVRM RAG red: [\d,]+ · Need RAG red: [\d,]+ · Frailty cohort: [\d,]+ \(\d+\.\d%\)$", third)
    assert blank == ""
    assert printed["validate"].splitlines()[2].startswith("The score tells people with and without the outcome apart ")


@pytest.mark.parametrize("columns", ["80", "100", "120"])
def test_no_line_is_wider_than_asked_for(columns: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", columns)
    pq.write_table(synthetic.table(800, seed=5, as_of=dt.date(2026, 6, 30)), "list.parquet")
    for name in ("check", "score", "metrics"):
        out = io.StringIO()
        monkeypatch.setattr("sys.stdout", out)
        assert run(COMMANDS[name]) == 0
        lines = out.getvalue().splitlines()
        soft = [line for line in lines if line.startswith("  ") or ".parquet" in line]  # paths, and lists to be copied
        assert max(len(line) for line in lines if line not in soft) <= min(int(columns), 100), name
