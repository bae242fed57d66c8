"""Pages of the site that are made of the code: no command, option or spec table is left out, each option is told of."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

SITE = Path(__file__).parents[2] / "docs" / "site"
COMMANDS = runpy.run_path(str(SITE / "commands.py"))


def test_every_command_and_option_has_its_help() -> None:
    silent = [
        f"{name} {parameter.name}"
        for name, command in COMMANDS["commands"]()
        for parameter in command.params
        if not parameter.hidden and not (parameter.help or "").strip()
    ]
    assert not silent
    page = COMMANDS["page"]()
    for name, command in COMMANDS["commands"]():
        assert f"## `{name}`\n\n{command.help.strip().splitlines()[0]}" in page
        for parameter in command.params:
            if parameter.param_type_name == "option" and not parameter.hidden and parameter.name != "help":
                assert f"`{parameter.opts[0]}`" in page


def test_every_public_name_is_on_the_page_of_the_library() -> None:
    import popstrat

    page = runpy.run_path(str(SITE / "library.py"))["page"]()
    assert {line.rpartition(".")[2] for line in page.splitlines() if line.startswith(":::")} == {
        name for name in popstrat.__all__ if name != "__version__"
    }


def test_spec_tables_are_shown_whole() -> None:
    pytest.importorskip("mkdocs")
    page = runpy.run_path(str(SITE / "pages.py"))["spec_tables"]()
    rows = sum(
        table.count("||")
        for file in (SITE.parents[1] / "tests" / "spec").glob("test_*.py")
        for table in re.findall(r'\bcheck\(\s*"""(.*?)"""', file.read_text(), re.DOTALL)
    )
    assert rows > 800
    assert page.count("| ‖ |") >= rows


def test_blocks_with_a_word_behind_their_language_are_blocks_on_the_site() -> None:
    pytest.importorskip("mkdocs")
    fences = runpy.run_path(str(SITE / "pages.py"))["fences"]
    assert fences("```toml map.toml\na = 1\n```\n") == '```toml title="map.toml"\na = 1\n```\n'
    assert fences("```text program\n```\n") == "```text\n```\n"
    assert fences("```console\n$ a b\n```\n") == "```console\n$ a b\n```\n"
    for page in SITE.parent.rglob("*.md"):
        opened = re.findall(r"^[ ]*```[a-z]+ .*$", fences(page.read_text(encoding="utf-8")), re.MULTILINE)
        assert all("title=" in line for line in opened), (page, opened)


def test_columns_of_a_table_are_as_wide_as_their_texts() -> None:
    """Up to a limit; the alignment of a column stays, and so does everything else."""
    widths = runpy.run_path(str(SITE / "columns.py"))["widths"]
    table = (
        '<table><thead><tr><th>what</th><th style="text-align: right;">n</th></tr></thead>'
        f'<tbody><tr><td>{"long " * 20}</td><td style="text-align: right;"><code>1,234</code></td></tr></tbody></table>'
    )
    shown = widths(table)
    assert '<thead><tr><th style="min-width: min(23ch, 34vw)">what</th>' in shown
    assert '<th style="text-align: right; min-width: min(10ch, 34vw)">n</th></tr></thead>' in shown
    assert shown.partition("</thead>")[2] == table.partition("</thead>")[2]
