"""A progress bar on standard error."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def bar(what: str, hidden: bool) -> Iterator[Callable[[int, int | None], None] | None]:
    """A progress bar if standard error is a terminal and it is not to be hidden, else None."""
    if hidden or not sys.stderr.isatty():
        yield None
        return
    # Imported here because a command that shows no bar should not wait for it.
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    text = TextColumn("{task.fields[rows]} rows")
    with Progress(
        TextColumn(what), BarColumn(), text, TimeRemainingColumn(), console=Console(stderr=True), transient=True
    ) as shown:
        task = shown.add_task(what, total=None, rows="0")
        yield lambda done, total: shown.update(task, completed=done, total=total, rows=f"{done:,}")
