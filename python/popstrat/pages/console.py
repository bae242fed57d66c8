"""The terminal: how wide it is written to, what of a table's padding reaches a file, and how tables look."""

from __future__ import annotations

import os
from collections.abc import Iterator, Set
from contextlib import contextmanager

from rich.console import Console
from rich.table import Table

WIDTH = 100
"""The most columns that are written to; off a terminal exactly as many, unless COLUMNS asks for fewer."""
_NARROWEST = 40
WARNING = "bold"
"""How warnings look. Bold rather than yellow, which cannot be read on a light ground."""
CODE = "color(31)"
"""Names of columns and the like: a blue that is read on light and on dark grounds."""
RAGS = {"red": "red", "amber": "color(136)", "green": "green"}
"""Colours that repeat what a label says, on light and on dark grounds."""


def open_console() -> Console:
    """A console on standard output."""
    console = Console(highlight=False)
    if console.is_terminal:
        console.width = min(console.width, WIDTH)
    else:
        asked = os.environ.get("COLUMNS", "")
        console.width = min(max(int(asked), _NARROWEST), WIDTH) if asked.isascii() and asked.isdigit() else WIDTH
    return console


@contextmanager
def unpadded(console: Console) -> Iterator[None]:
    """What is printed inside goes to a terminal as it is; to a file without the spaces that pad tables and grids to
    their width."""
    if console.is_terminal:
        yield
        return
    with console.capture() as captured:
        yield
    console.file.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def count_table(*headings: str) -> Table:
    """A table of counts: what is counted at the left, numbers that are never broken flush right."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for i, heading in enumerate(headings):
        table.add_column(heading, justify="right" if i else "left", no_wrap=bool(i))
    return table


def dim_table(*headings: str, right: Set[int] = frozenset()) -> Table:
    """A table of texts that fold, under dim headings; the columns of `right` are flush right."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for i, heading in enumerate(headings):
        table.add_column(heading, justify="right" if i in right else "left", overflow="fold")
    return table


def text_grid(columns: int) -> Table:
    """Texts that fold, in columns without headings."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(columns):
        table.add_column(overflow="fold")
    return table
