"""Numbers, dates and what is withheld are written one way: read off the program's texts, templates, packs and pages."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import popstrat
from popstrat.core.numbers import WITHHELD

PACKAGE = Path(popstrat.__file__).parent
DOCS = Path(__file__).parents[2] / "docs"
PERCENT = re.compile(r"[0-9}] %(?![0-9(])(?! [0-9(])")
"""A percentage with a blank before its sign; not the remainder of a division."""
PUBLISHED = {"admission-12m.toml"}
"""Packs that published versions extend keep their text to the letter."""
SPELLINGS = {"spellings.py"}
"""What is told there is how others write numbers."""


def texts(file: Path) -> Iterator[tuple[int, str]]:
    """The texts of a module, with what is put into them as {}; not its docstrings."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield node.lineno, "".join(p.value if isinstance(p, ast.Constant) else "{}" for p in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def test_percentages_in_what_the_program_says() -> None:
    found = [
        f"{file.relative_to(PACKAGE)}:{line}: {text[:60]}"
        for file in PACKAGE.rglob("*.py")
        if file.name not in SPELLINGS
        for line, text in texts(file)
        if PERCENT.search(text)
    ]
    assert found == []


@pytest.mark.parametrize("pattern", ["*.j2", "*.js"])
def test_percentages_in_templates(pattern: str) -> None:
    files = list(PACKAGE.rglob(pattern))
    assert files
    for file in files:
        text = re.sub(r"\{%.*?%\}", "", file.read_text(encoding="utf-8"), flags=re.DOTALL)
        assert not re.search(r"[0-9}] %", text), file.name


def test_percentages_in_packs_and_in_the_documents() -> None:
    packs = [f for f in (PACKAGE / "packs" / "builtin").glob("*.toml") if f.name not in PUBLISHED]
    documents = [*DOCS.rglob("*.md"), *DOCS.parent.glob("*.md")]
    assert len(packs) >= 3
    for file in [*packs, *documents]:
        text = file.read_text(encoding="utf-8")
        for published in PUBLISHED:  # a page of definitions quotes them
            quoted = (PACKAGE / "packs" / "builtin" / published).read_text(encoding="utf-8")
            for line in re.findall(r'"([^"]*[0-9] %[^"]*)"', quoted):
                text = text.replace(line, "")
        text = re.sub(r"`[^`\n]*`", "", text)  # code, and what files hold
        assert not re.search(r"[0-9] %(?![0-9(])", text), file.name


def test_dates_on_pages_are_those_of_people() -> None:
    """No template writes a date as it comes: each goes through `day`, `month` or the like."""
    for file in PACKAGE.rglob("*.j2"):
        for shown in re.findall(r"\{\{(.*?)\}\}", file.read_text(encoding="utf-8"), re.DOTALL):
            if re.search(r"\.(as_of|made|date)\b", shown):
                assert re.search(r"\|\s*(day|month)", shown), (file.name, shown)


def test_there_is_one_mark_of_what_is_withheld() -> None:
    """No page has another sign for it."""
    assert WITHHELD == "withheld"
    for file in [*PACKAGE.rglob("*.j2"), *(PACKAGE / "pages").rglob("*.py"), *(PACKAGE / "validation").glob("*.py")]:
        assert "[c]" not in file.read_text(encoding="utf-8"), file.name


def test_a_notice_has_one_name() -> None:
    """It begins with `notice:` on a terminal, as it is in `notices` of a record, and with no other word."""
    said = [text for file in PACKAGE.rglob("*.py") for _, text in texts(file)]
    assert any(text.startswith("notice: ") for text in said)
    assert [text for text in said if re.match(r"(note|remark|info|n\.b\.): ", text, re.IGNORECASE)] == []
