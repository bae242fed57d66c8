"""Sections, and inline Markdown, on a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rich.console import Console
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from popstrat.core.blocks import Outline, Section, Table
from popstrat.pages.console import CODE, dim_table, unpadded

_ANCHOR = re.compile(r'<a id="[^"]*"></a>')
_LINK = re.compile(r"\[([^\]]*)\]\(#[^)]*\)")
_MARK = re.compile(r"(`[^`]*`|\*\*[^*]*\*\*)")


def styled(text: str) -> Text:
    """Inline Markdown for a terminal: links as their text, code coloured."""
    out = Text()
    for part in _MARK.split(_LINK.sub(r"\1", _ANCHOR.sub("", text))):
        if part.startswith("`"):
            out.append(part[1:-1], CODE)
        elif part.startswith("**"):
            out.append(part[2:-2], "bold")
        else:
            out.append(part)
    return out


def show(sections: Iterable[Section], console: Console) -> None:
    """Print sections; those of level 3 with their text one step in."""
    with unpadded(console):
        for i, section in enumerate(sections):
            if i:
                console.print()
            _show(section, console)


def _show(section: Section, console: Console) -> None:
    console.print(Text(section.title, "bold underline" if section.level < 3 else "bold"))
    indent = 0 if section.level < 3 else 2
    for block in section.blocks:
        match block:
            case Table():
                console.print(Padding(_table(block), (0, 0, 0, indent)))
            case Outline():
                for depth, text in block.lines:
                    console.print(Padding(styled(text), (0, 0, 0, indent + 2 * depth)))
            case _ if block:
                console.print(Padding(styled(block), (0, 0, 0, indent)))


def _table(block: Table) -> RichTable:
    made = dim_table(*block.headings, right=block.numbers)
    made.show_header = any(block.headings)
    for row in block.rows:
        made.add_row(*map(styled, row))
    return made
