"""A progress bar on standard error."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from popstrat.core.progress import Progress


@contextlib.contextmanager
def progress_bar(what: str, hidden: bool) -> Iterator[Progress | None]:
    """A progress bar if standard error is a terminal and it is not to be hidden, else None."""
    if hidden or not sys.stderr.isatty():
        yield None
        return
    # Imported here because a command that shows no bar should not wait for it.
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    text = TextColumn("{task.fields[rows]} rows")
    with Bars(
        TextColumn(what), BarColumn(), text, TimeRemainingColumn(), console=Console(stderr=True), transient=True
    ) as shown:
        task = shown.add_task(what, total=None, rows="0")
        yield lambda done, total: shown.update(task, completed=done, total=total, rows=f"{done:,}")
