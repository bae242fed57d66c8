"""A pack's page as HTML: it says what the Markdown page says, its links lead somewhere, and its text is escaped."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from read_page import Page

from popstrat.cli import run
from popstrat.core.blocks import Outline, Section, code, table
from popstrat.packs.reading import list_packs
from popstrat.pages import catalogue, markdown, specification
from popstrat.pages.catalogue_page import inline, render

pytestmark = pytest.mark.smoke
WORD = re.compile(r"[A-Za-z0-9]+")
PAGES = [*(one["id"] for one in list_packs()), "gp-record-2026"]


@pytest.mark.parametrize("name", PAGES)
def test_it_says_what_the_markdown_says(name: str) -> None:
    page = specification if name.startswith("gp-") else catalogue
    sections = page.shown(name)
    shown = Page(render(sections))
    assert len(shown.ids) == len(set(shown.ids))
    assert {link.removeprefix("#") for link in shown.links} <= set(shown.ids), "a link leads nowhere"
    anchors = re.compile(r'<a id="[^"]*"></a>|\(#[^)]*\)|\\\|')
    said = WORD.findall(anchors.sub(" ", markdown.written(sections)))
    there = set(WORD.findall(shown.text))
    assert [word for word in said if word not in there] == []


def test_text_is_escaped_and_marks_are_read() -> None:
    assert inline('`a < b` and **so**, [see `x`](#x) <a id="y"></a>&') == (
        '<code>a &lt; b</code> and <strong>so</strong>, <a href="#x">see <code>x</code></a> <span id="y"></span>&amp;'
    )
    head = Section(1, "A <title>", ["What it is."])
    body = Section(2, "Part", [table(("", "b"), [("<i>", code("x"))]), Outline(((0, "one"), (1, "<two>")))])
    text = render([head, body])
    assert "A &lt;title&gt;" in text
    assert "&lt;i&gt;" in text
    assert "&lt;two&gt;" in text


def test_a_page_that_is_there_is_not_replaced_unasked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "pack.html"
    asked = ["packs", "show", "cha2ds2-vasc", "--html", str(page)]
    assert run(asked) == 0
    first = page.read_bytes()
    page.write_text("mine")
    assert run(asked) == 2
    assert "--force replaces it" in capsys.readouterr().err
    assert page.read_text() == "mine"
    assert run([*asked, "--force"]) == 0
    assert page.read_bytes() == first
