"""One command from its arguments to its exit status.

Exit status: 0 done, 2 the input or the arguments are at fault, 1 anything else. An error is one message on standard
error, without a traceback (unless POPSTRAT_DEBUG=1) and without anything from a patient's row.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import re
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from popstrat.cli.conversion import convert_plainly
from popstrat.cli.environment import LOG_FORMAT, refuse_near_misses
from popstrat.cli.log import Format, log
from popstrat.cli.terminal import Described, warnings_as_notices
from popstrat.core import stopping
from popstrat.errors import InputError, PackError, RunError

COMPLETE = "_POPSTRAT_COMPLETE"  # as `completion` has it
# In the order of the help. The module of a command is imported when that is called (or for the help of all), so that
# none waits for what another needs.
COMMANDS = (
    "score", "check", "derive", "map", "synth", "explain", "metrics", "bench", "packs", "audit", "fit", "pseudonymise",
    "recalibrate", "report", "upload", "evidence", "validate", "verify", "worklist", "completion",
)  # fmt: skip


class _Commands(Described):
    """The commands, each the ``app`` of the module of its name."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        convert_plainly(self)

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        command = convert_plainly(typer.main.get_command(importlib.import_module(f"popstrat.cli.{cmd_name}").app))
        command.name = cmd_name
        return command


app = typer.Typer(
    name="popstrat",
    cls=_Commands,
    help="Population segmentation and risk stratification for registered lists.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        from popstrat.core.version import version

        typer.echo(f"popstrat {version('popstrat') or 'of unknown version'}")
        raise typer.Exit


@app.callback()
def _top(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
    log_format: Annotated[
        Format,
        typer.Option(
            "--log-format",
            envvar=LOG_FORMAT,
            show_envvar=False,
            help=f"json: a line of JSON on standard error for each warning, error and end; or {LOG_FORMAT}.",
        ),
    ] = Format.TEXT,
) -> None:
    """Population segmentation and risk stratification for registered lists."""
    log.format, log.command = log_format, context.invoked_subcommand or ""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return the exit status; errors are reported on standard error."""
    log.begin(os.environ.get(LOG_FORMAT))
    try:
        refuse_near_misses(os.environ)
        with stopping.stoppable(), warnings_as_notices():
            if COMPLETE in os.environ:  # a shell asks what could follow
                importlib.import_module("popstrat.cli.completion").begin_completion()
            status = app(
                args=None if arguments is None else list(arguments), standalone_mode=False, complete_var=COMPLETE
            )
            sys.stdout.flush()
        status = status if isinstance(status, int) else 0
        log.ended(status)
        return status
    except BaseException as error:
        if os.environ.get("POPSTRAT_DEBUG") == "1":
            raise
        status, message = _verdict(error)
        log.ended(status, error, message)
        if message and not log.is_json:
            with contextlib.suppress(OSError):
                print(f"error: {message}", file=sys.stderr, flush=True)
        return status
    finally:
        _give_up_what_cannot_be_written()


def _give_up_what_cannot_be_written() -> None:
    """Where standard output or error takes no more, what is left for it goes nowhere, or Python would complain at the
    end and exit with a status of its own."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


_NO_INTEGER = re.compile(
    r"Input should be a valid integer, unable to parse string as an integer"
    r"|'[^']*' is not a valid int(eger)?( range)?\.?"
)
"""As typer from 0.29 on says it, and as it did before."""


def _plainly(told: str) -> str:
    """A mistake in the arguments without the library's own words, and with the near miss among the choices."""
    told = told.replace("Value error, ", "")
    told = _NO_INTEGER.sub("not a whole number", told)
    found = re.fullmatch(r"(.*'(.*)' is not one of (.*))\.", told, re.DOTALL)
    if found is None:
        return told
    from popstrat.core.text import suggest  # here, because difflib takes a while to import

    choices = re.findall(r"'([^']*)'", found[3])
    return f"{found[1]}{suggest(found[2], choices)}."


def _verdict(error: BaseException) -> tuple[int, str]:
    """The exit status of an error and what to say."""
    if stopping.was_asked() or isinstance(error, KeyboardInterrupt | typer.Abort):
        return 1, f"stopped; {'everything' if stopping.was_written() else 'nothing'} was written"
    if isinstance(error, InputError | PackError):
        return 2, str(error)
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 1, ""
    if isinstance(error, BrokenPipeError):
        return 1, ""
    if hasattr(error, "format_message"):  # a mistake in the arguments; typer has its own copy of click's classes
        context = getattr(error, "ctx", None)
        if type(error).__name__ == "NoArgsIsHelpError":
            typer.echo(error.format_message(), err=True)
            return 2, ""
        advice = f"\nTry '{context.command_path} --help'." if context is not None else ""
        return 2, _plainly(error.format_message()) + advice
    if isinstance(error, OSError):
        what = error.strerror or type(error).__name__
        return 1, f"{what}{f': {error.filename}' if error.filename else ''}; nothing was written"
    if isinstance(error, MemoryError):
        return 1, "out of memory; nothing was written"
    if isinstance(error, RunError):
        return 1, str(error)
    # Other messages may quote data.
    return 1, f"internal error ({type(error).__name__}); POPSTRAT_DEBUG=1 shows where. Nothing was written"


def main() -> None:
    """The console script."""
    # Starting makes a hundred thousand objects and throws few of them away: looking for those after every 700th, and
    # through all that is left at the end, would be a fifth of a short run.
    gc.set_threshold(1_000_000)
    # A stream that is closed is None; what is written to it goes nowhere.
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: PTH123, SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: PTH123, SIM115
    status = run()
    gc.freeze()
    sys.exit(status)
