"""What reaches a terminal, and what a file."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from popstrat.pages.console import WIDTH, count_table, dim_table, open_console, text_grid, unpadded


def drawn(console: Console) -> str:
    table = count_table("what", "patients")
    table.add_row("a longer name", "1,234")
    with unpadded(console):
        console.print(table)
        console.print()
        console.print("done   ")
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_file_gets_no_padding() -> None:
    shown = drawn(Console(width=60, file=io.StringIO()))
    assert shown == "what           patients\na longer name     1,234\n\ndone\n"


def test_a_terminal_gets_it_as_it_is() -> None:
    assert "done   \n" in drawn(Console(width=60, file=io.StringIO(), force_terminal=True, color_system=None))


def test_a_page_that_fails() -> None:
    """Nothing is written of a page that fails, and the console prints again."""
    console = Console(width=60, file=io.StringIO())

    def half() -> None:
        with unpadded(console):
            console.print("half a page")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    console.print("error")
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == "error\n"


def test_off_a_terminal_the_width_is_fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    assert open_console().width == WIDTH
    monkeypatch.setenv("COLUMNS", "40")
    assert open_console().width == WIDTH


def test_columns_flush_right() -> None:
    assert [c.justify for c in count_table("a", "b", "c").columns] == ["left", "right", "right"]
    assert [c.justify for c in dim_table("a", "b", "c", right={1}).columns] == ["left", "right", "left"]
    assert len(text_grid(3).columns) == 3
