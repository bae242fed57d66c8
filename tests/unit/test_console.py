"""What reaches a terminal, and what a file."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

import popstrat.pages.console as console_module
from popstrat.core.progress import enter
from popstrat.pages.console import count_table, dim_table, open_console, text_grid, unpadded
from popstrat.pages.progress_bar import Shown, told


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


def test_columns_flush_right() -> None:
    assert [c.justify for c in count_table("a", "b", "c").columns] == ["left", "right", "right"]
    assert [c.justify for c in dim_table("a", "b", "c", right={1}).columns] == ["left", "right", "left"]
    assert len(text_grid(3).columns) == 3


@pytest.mark.parametrize(
    ("columns", "width"),
    [("", 100), ("80", 80), ("120", 100), ("300", 100), ("100", 100), ("7", 40), ("-80", 100), ("wide", 100)],
)
def test_off_a_terminal_columns_may_ask_for_fewer(columns: str, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert open_console().width == width


# -- progress ---------------------------------------------------------------------------------------------------------


def test_what_goes_on_is_never_shown_as_finished() -> None:
    """Phases by name, rows and time left; after the last row how long the rest has been going."""
    from rich.progress import Progress

    clock = [0.0]
    bars = Progress(console=Console(file=io.StringIO()), get_time=lambda: clock[0])
    shown = Shown(bars, "Reading")
    (task,) = bars.tasks
    assert (task.description, told(task)) == ("Reading", "0 s so far")
    for done in range(100, 1000, 100):
        clock[0] += 1
        shown(done, 1000)
    assert told(task) == "90% · about 1 s left"
    shown(999, 1000)
    assert told(task).startswith("99%")
    shown(1000, 1000)
    clock[0] += 5
    (task,) = bars.tasks
    assert told(task) == "5 s so far"
    shown(1000, 1000)
    assert not task.finished
    assert bars.tasks == [task]
    assert task.fields["rows"] == "1,000 rows done"
    enter(shown, "Fitting")
    (task,) = bars.tasks
    assert (task.description, task.total, task.fields["rows"]) == ("Fitting", None, "")
    shown(5, None)
    assert "%" not in told(task)


def test_a_phase_is_no_news_to_who_only_counts() -> None:
    enter(None, "Fitting")
    enter(lambda done, total: None, "Fitting")


def test_nothing_is_in_a_colour_that_a_light_or_a_dark_ground_swallows() -> None:
    pages = Path(console_module.__file__).parent
    for file in [*pages.glob("*.py"), *pages.parent.joinpath("cli").glob("*.py")]:
        used = re.findall(
            r"""["'\[](?:bold |dim )?(yellow|cyan|white|black|bright_\w+|magenta)["'\]]""", file.read_text()
        )
        assert not used, file.name
