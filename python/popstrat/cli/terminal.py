"""What commands show: the console, progress, JSON, the closing summary.

Rich is imported when something is drawn: a command in a script mostly draws nothing, and should not wait for it.
"""

from __future__ import annotations

import contextlib
import json
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from popstrat.errors import PopstratWarning

if TYPE_CHECKING:
    from rich.console import Console

    from popstrat.record import Record
    from popstrat.scorer import Scorer

_WIDTH = 100


def open_console() -> Console:
    """Standard output, at most 100 columns wide."""
    from rich.console import Console

    console = Console(highlight=False)
    console.width = min(console.width, _WIDTH) if console.is_terminal else _WIDTH
    return console


@contextlib.contextmanager
def progress_bar(what: str, hidden: bool) -> Iterator[Callable[[int, int | None], None] | None]:
    """A progress bar on standard error if that is a terminal, else None."""
    if hidden or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    text = TextColumn("{task.fields[rows]} rows")
    with Progress(
        TextColumn(what), BarColumn(), text, TimeRemainingColumn(), console=Console(stderr=True), transient=True
    ) as bar:
        task = bar.add_task(what, total=None, rows="0")
        yield lambda done, total: bar.update(task, completed=done, total=total, rows=f"{done:,}")


def print_json(what: object) -> None:
    """Indented JSON on standard output; dates and paths as text."""
    sys.stdout.write(json.dumps(what, indent=2, ensure_ascii=False, default=str) + "\n")


def print_summary(record: Record, scorer: Scorer, output: Path | None, as_json: bool, quiet: bool) -> None:
    """The closing summary of a run, in the form asked for."""
    if as_json:
        from popstrat.record import summary

        print_json(summary(record, output))
    elif not quiet:
        from popstrat.pages.run_summary import show

        show(record, scorer.titles, output, open_console())


@contextlib.contextmanager
def warnings_as_notices() -> Iterator[None]:
    """Without Python's warnings of definitions: the record and the summary give them as notices."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PopstratWarning)
        yield
