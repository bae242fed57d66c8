"""Progress on standard error: which phase a job is in, how far that has come, and about how long it still takes.

A phase that has done its rows is never shown as finished while the job goes on: its bar then says how long the rest has
been going. Nothing of it is in colour.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from popstrat.core.numbers import duration
from popstrat.core.progress import Progress

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import Task, TaskID

_MOST = 99
"""The most per cent that are shown of what goes on."""


class Shown:
    """What a job calls with its rows, and tells its phases."""

    def __init__(self, bars: Bars, first: str) -> None:
        self._bars = bars
        self._name = first
        self._counted = True
        self._task: TaskID = bars.add_task(first, total=None, rows="")

    def __call__(self, done: int, total: int | None) -> None:
        if total is None or done < total:
            self._bars.update(self._task, completed=done, total=total, rows=f"{done:,} rows")
        elif self._counted:  # what comes after the last row, nobody has counted
            self._next(f"{done:,} rows done")
            self._counted = False

    def phase(self, name: str) -> None:
        """The next phase, of which nothing is known yet."""
        self._name, self._counted = name, True
        self._next("")

    def _next(self, rows: str) -> None:
        self._bars.remove_task(self._task)
        self._task = self._bars.add_task(self._name, total=None, rows=rows)


def told(task: Task) -> str:
    """How far a phase has come, and how long it still takes: "45% · about 12 s left"; or how long it has been going."""
    if task.total is None:
        return f"{_seconds(task.elapsed or 0.0)} so far"
    share = f"{min(int(task.percentage), _MOST)}%"
    left = task.time_remaining
    return share if left is None else f"{share} · about {_seconds(max(left, 1.0))} left"


def _seconds(time: float) -> str:
    return f"{time:.0f} s" if time < 60 else duration(time)


@contextlib.contextmanager
def progress_bar(what: str, hidden: bool) -> Iterator[Progress | None]:
    """A progress bar if standard error is a terminal and it is not to be hidden, else None. ``what`` is the first
    phase; `core.progress.enter` begins others."""
    if hidden or not sys.stderr.isatty():
        yield None
        return
    # Imported here because a command that shows no bar should not wait for it.
    from rich.console import Console
    from rich.progress import BarColumn, ProgressColumn, TextColumn
    from rich.progress import Progress as Bars
    from rich.text import Text

    class Left(ProgressColumn):
        max_refresh = 0.5

        def render(self, task: Task) -> Text:
            return Text(told(task))

    bar = BarColumn(bar_width=24, style="dim", complete_style="bold", finished_style="bold", pulse_style="dim")
    columns = (TextColumn("{task.description}"), bar, TextColumn("{task.fields[rows]}"), Left())
    with Bars(*columns, console=Console(stderr=True, highlight=False), transient=True) as shown:
        yield Shown(shown, what)
