"""What commands show: the console, progress, JSON, the closing summary.

Rich is imported when something is drawn: a command in a script mostly draws nothing, and should not wait for it.
"""

from __future__ import annotations

import contextlib
import json
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typer.core import TyperGroup

from popstrat.cli.conversion import plain_help
from popstrat.cli.log import log
from popstrat.core.progress import Progress
from popstrat.errors import PopstratWarning
from popstrat.pages.progress_bar import progress_bar as bar

if TYPE_CHECKING:
    from rich.console import Console

    from popstrat.runs.record import Record
    from popstrat.scoring.scorer import Scorer


def progress_bar(what: str, hidden: bool) -> contextlib.AbstractContextManager[Progress | None]:
    """How far the work is: a bar on a terminal, lines in a log, or nothing."""
    return log.progress(what) if log.is_json else bar(what, hidden)


def open_console() -> Console:
    """Standard output, at most 100 columns wide."""
    from popstrat.pages.console import open_console as opened

    return opened()


def print_json(what: object) -> None:
    """Indented JSON on standard output; dates and paths as text."""
    sys.stdout.write(json.dumps(what, indent=2, ensure_ascii=False, default=str) + "\n")


def print_summary(record: Record, scorer: Scorer, output: Path | None, as_json: bool, quiet: bool) -> None:
    """The closing summary of a run, in the form asked for."""
    log.record(record, output)
    if as_json:
        from popstrat.runs.record import summary

        print_json(summary(record, output))
    elif not quiet and not log.is_json:
        from popstrat.pages.run_summary import show

        show(record, scorer.titles, output, open_console())


@contextlib.contextmanager
def warnings_as_notices() -> Iterator[None]:
    """Without Python's warnings of definitions: the record and the summary give them as notices."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PopstratWarning)
        yield


_WHOLE = 1000


class Described(TyperGroup):
    """A group of commands whose help has the whole description of each, where typer's own has what one line holds."""

    def get_help_option(self, ctx: Any) -> Any:
        return plain_help(super().get_help_option(ctx))

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        named = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, command.get_short_help_str(_WHOLE)) for name, command in named if command and not command.hidden]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)
