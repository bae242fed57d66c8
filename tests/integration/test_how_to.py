"""The pages of docs/how-to: each command does what the page says, and prints what stands there."""

from __future__ import annotations

import csv
import runpy
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "how-to"
PAGES = sorted(FOLDER.glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_page_is_what_its_commands_print(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    transcript = runpy.run_path(str(FOLDER / "transcript.py"))
    before = page.read_text(encoding="utf-8")
    today = transcript["run"](before, FOLDER)
    assert today == before, f"python docs/how-to/transcript.py docs/how-to/{page.name} --write"


def test_a_page_that_is_not_true_is_found(tmp_path: Path) -> None:
    transcript = runpy.run_path(str(FOLDER / "transcript.py"))
    page = tmp_path / "page.md"
    page.write_text("```console\n$ popstrat --version\npopstrat 0.0.0-never\n```\n")
    assert transcript["main"]([str(page)]) == 1
    assert transcript["main"]([str(page), "--write"]) == 0
    assert transcript["main"]([str(page)]) == 0


def test_the_extract_is_made_up(tmp_path: Path) -> None:
    script = runpy.run_path(str(FOLDER / "ugly_extract.py"))
    script["main"].__globals__["FILE"] = tmp_path / "extract.csv"
    script["main"]()
    made = (tmp_path / "extract.csv").read_bytes()
    assert made == (FOLDER / "extract.csv").read_bytes()
    numbers = [row["NHS Number"] for row in csv.DictReader(made.decode().splitlines(), delimiter=";")]
    assert len(set(numbers)) == len(numbers) == 400
    assert all(number.startswith("999 ") for number in numbers)
