"""The pages of docs/how-to: each command does what the page says, and prints what stands there."""

from __future__ import annotations

import csv
import doctest
import re
import runpy
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "how-to"
BLOCK = re.compile(r"^```pycon\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = sorted(FOLDER.glob("*.md"))


def run_python(page: Path, names: dict[str, object]) -> None:
    """Run the Python of a page from its top to its end, with these names. Fails where it does not give what it says."""
    text = "".join(BLOCK.findall(page.read_text(encoding="utf-8")))
    test = doctest.DocTestParser().get_doctest(text, names, page.name, str(page), 0)
    told: list[str] = []
    doctest.DocTestRunner(verbose=False).run(test, out=told.append)  # else pytest's -v is taken to be its own
    assert not told, "".join(told)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_page_is_what_its_commands_print(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    transcript = runpy.run_path(str(FOLDER / "transcript.py"))
    before = page.read_text(encoding="utf-8")
    today = transcript["run"](before, FOLDER)
    assert today == before, f"python docs/how-to/transcript.py docs/how-to/{page.name} --write"


@pytest.mark.parametrize(
    "page", [p for p in PAGES if "pycon" in p.read_text() and p.stem != "spark"], ids=lambda p: p.stem
)
def test_the_python_of_a_page_gives_what_it_says(page: Path) -> None:
    run_python(page, {})


def test_a_page_that_is_not_true_is_found(tmp_path: Path) -> None:
    transcript = runpy.run_path(str(FOLDER / "transcript.py"))
    page = tmp_path / "page.md"
    page.write_text("```console\n$ popstrat --version\npopstrat 0.0.0-never\n```\n")
    assert transcript["main"]([str(page)]) == 1
    assert transcript["main"]([str(page), "--write"]) == 0
    assert transcript["main"]([str(page)]) == 0


def test_only_untrue_python_of_a_page_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["pytest", "-v"])
    page = tmp_path / "page.md"
    page.write_text("```pycon\n>>> 1 + 1\n2\n```\n")
    run_python(page, {})
    page.write_text("```pycon\n>>> 1 + 1\n3\n```\n")
    with pytest.raises(AssertionError, match="Expected"):
        run_python(page, {})


def test_the_extract_is_made_up(tmp_path: Path) -> None:
    script = runpy.run_path(str(FOLDER / "ugly_extract.py"))
    script["main"].__globals__["FILE"] = tmp_path / "extract.csv"
    script["main"]()
    made = (tmp_path / "extract.csv").read_bytes()
    assert made == (FOLDER / "extract.csv").read_bytes()
    numbers = [row["NHS Number"] for row in csv.DictReader(made.decode().splitlines(), delimiter=";")]
    assert len(set(numbers)) == len(numbers) == 400
    assert all(number.startswith("999 ") for number in numbers)
