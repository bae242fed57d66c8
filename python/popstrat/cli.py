"""The commands. Each imports what it needs and no more, so that ``popstrat --help`` does not wait for Arrow.

Exit status: 0 done, 2 the input or the arguments are at fault, 1 anything else. An error is one message on standard
error, without a traceback (unless POPSTRAT_DEBUG=1) and without anything from a patient's row.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from types import FrameType, FunctionType
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from popstrat.core.cpus import cores
from popstrat.errors import InputError, PackError

if TYPE_CHECKING:
    import datetime as dt

    from rich.console import Console

    from popstrat.mapping import ColumnMap
    from popstrat.record import Record
    from popstrat.schema import Column
    from popstrat.scorer import Scorer

DEFAULT_PACK = "london-2026"
_WIDTH = 100

# Commands and groups with an ``app`` of their own, imported when they are called (or for the top help).
_LAZY = {
    "audit": "popstrat.cli_audit",
    "fit": "popstrat.cli_fit",
    "pseudonymise": "popstrat.cli_pseudonymise",
    "recalibrate": "popstrat.cli_recalibrate",
    "upload": "popstrat.cli_upload",
    "validate": "popstrat.cli_validate",
    "verify": "popstrat.cli_verify",
}


class _Commands(TyperGroup):
    """The commands of this file and those of `_LAZY`."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*super().list_commands(ctx), *_LAZY]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in _LAZY:
            return super().get_command(ctx, cmd_name)
        command = typer.main.get_command(importlib.import_module(_LAZY[cmd_name]).app)
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
packs_app = typer.Typer(
    help="Definitions packs: list, show, check, compare.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(packs_app, name="packs")


class Profile(StrEnum):
    """What the output is for; secondary use leaves out patients who opted out."""

    DIRECT_CARE = "direct-care"
    SECONDARY_USE = "secondary-use"


class ImdRelease(StrEnum):
    """Which release of the Index of Multiple Deprivation `imd_decile` is from."""

    IMD_2019 = "2019"
    IMD_2025 = "2025"


Inputs = Annotated[
    list[str],
    typer.Argument(metavar="INPUT...", help="Parquet, Arrow or CSV files; patterns such as 'lists/*.parquet'."),
]
Output = Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Ends in .parquet, .arrow or .csv.")]
AsOf = Annotated[str | None, typer.Option("--as-of", metavar="DATE", help="YYYY-MM-DD; today if not given.")]
PackName = Annotated[str, typer.Option("--pack", metavar="NAME|FILE", help="Definitions pack.")]
MapFile = Annotated[
    Path | None, typer.Option("--map", metavar="FILE", help="TOML: column names and values of the input.")
]
Threads = Annotated[int | None, typer.Option("--threads", min=1, metavar="T", help="All cores if not given.")]
Encoding = Annotated[str, typer.Option("--encoding", help="Of CSV files: utf-8, utf-8-sig or cp1252.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the summary as JSON on standard output.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]


def _version(asked: bool) -> None:
    if asked:
        from popstrat.core.version import version

        typer.echo(f"popstrat {version('popstrat') or 'of unknown version'}")
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Population segmentation and risk stratification for registered lists."""


@app.command()
def score(
    inputs: Inputs,
    output: Output,
    as_of: AsOf = None,
    pack: PackName = DEFAULT_PACK,
    map_file: MapFile = None,
    profile: Annotated[Profile, typer.Option(help="secondary-use leaves out opt-outs.")] = Profile.DIRECT_CARE,
    contributions: Annotated[
        int | None,
        typer.Option(
            "--contributions", min=1, max=64, metavar="K", help="List each patient's K largest contributions."
        ),
    ] = None,
    threads: Threads = None,
    encoding: Encoding = "utf-8",
    imd_release: Annotated[ImdRelease | None, typer.Option(help="Release of imd_decile, for the record.")] = None,
    audit_file: Annotated[
        Path | None, typer.Option("--audit", metavar="FILE", help="Add a line to this log; or POPSTRAT_AUDIT.")
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Score a patient table; writes OUTPUT and OUTPUT.run.json."""
    date = parse_date(as_of)
    from popstrat.run import run_score

    scorer = _scorer(pack, date, profile, contributions)
    column_map = _load_map(map_file, scorer)
    with _progress("Scoring", quiet or as_json) as progress:
        record = run_score(
            inputs,
            output,
            scorer,
            mapping=column_map,
            threads=threads,
            progress=progress,
            imd_release=imd_release.value if imd_release else None,
            encoding=encoding,
            audit_log=_audit_log(audit_file),
            options=_options(
                inputs=inputs, output=output, as_of=as_of, pack=pack, map=map_file, profile=profile.value,
                contributions=contributions, threads=threads, encoding=encoding,
                imd_release=imd_release.value if imd_release else None,
            ),
        )  # fmt: skip
    _close(record, scorer, output, as_json, quiet)


@app.command()
def check(
    inputs: Inputs,
    as_of: AsOf = None,
    pack: PackName = DEFAULT_PACK,
    map_file: MapFile = None,
    profile: Annotated[Profile, typer.Option(help="secondary-use needs the opt-out columns.")] = Profile.DIRECT_CARE,
    threads: Threads = None,
    encoding: Encoding = "utf-8",
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Check a patient table against the contract and count implausible values; nothing is scored or written."""
    date = parse_date(as_of)
    from popstrat.run import run_check

    scorer = _scorer(pack, date, profile)
    column_map = _load_map(map_file, scorer)
    with _progress("Checking", quiet or as_json) as progress:
        record = run_check(
            inputs,
            scorer,
            mapping=column_map,
            threads=threads,
            progress=progress,
            encoding=encoding,
            options=_options(
                inputs=inputs, as_of=as_of, pack=pack, map=map_file, profile=profile.value, threads=threads
            ),
        )
    _close(record, scorer, None, as_json, quiet)


@app.command()
def synth(
    output: Output,
    patients: Annotated[int, typer.Option("--patients", "-n", min=0, metavar="N", help="Number of patients.")],
    seed: Annotated[int, typer.Option("--seed", min=0, metavar="S", help="The same seed gives the same list.")] = 0,
    as_of: AsOf = None,
    practices: Annotated[
        int | None, typer.Option("--practices", min=1, metavar="K", help="Number of practices.")
    ] = None,
    dirty: Annotated[
        bool, typer.Option("--dirty", help="With implausible values; and a second file with repeated ids.")
    ] = False,
    outcomes: Annotated[
        Path | None,
        typer.Option("--outcomes", metavar="FILE", help="Also write next year's admissions, one row a patient."),
    ] = None,
    lookup: Annotated[
        Path | None,
        typer.Option("--lookup", metavar="FILE", help="Also write a lookup: ids to NHS numbers that are never issued."),
    ] = None,
    threads: Threads = None,
    encoding: Encoding = "utf-8",
    quiet: Quiet = False,
) -> None:
    """Write a synthetic patient table: every column, no real person."""
    date = parse_date(as_of)
    from popstrat.cli_synth import write_synthetic

    with _progress("Drawing", quiet) as progress:
        files = write_synthetic(
            output, patients, seed=seed, as_of=date, practices=practices, dirty=dirty, outcomes=outcomes,
            lookup=lookup, threads=threads, encoding=encoding, progress=progress,
        )  # fmt: skip
    if not quiet:
        names = " and ".join(str(file) for file in files)
        typer.echo(f"{patients:,} synthetic patients as of {date.isoformat()} in {names}")


@app.command()
def explain(
    inputs: Inputs,
    patient: Annotated[str, typer.Option("--patient", metavar="ID", help="The patient's id.")],
    as_of: AsOf = None,
    pack: PackName = DEFAULT_PACK,
    map_file: MapFile = None,
    encoding: Encoding = "utf-8",
) -> None:
    """Show why a patient got what they got, rule by rule and term by term."""
    date = parse_date(as_of)
    from popstrat.pages.explain import show
    from popstrat.reasons.trace import trace
    from popstrat.run import find_patient

    scorer = _scorer(pack, date, Profile.DIRECT_CARE)
    row = find_patient(inputs, patient, scorer, mapping=_load_map(map_file, scorer), encoding=encoding)
    show(trace(scorer, row), _console())


@app.command()
def bench(
    patients: Annotated[
        int, typer.Option("--patients", "-n", min=1, max=20_000_000, metavar="N", help="Patients on the list.")
    ] = 1_000_000,
    threads: Threads = None,
    as_json: AsJson = False,
) -> None:
    """Measure this machine: score a synthetic list in memory and from file to file (under a minute)."""
    from popstrat.runs.bench import measure

    found = measure(patients, threads or cores())
    if as_json:
        _print_json(found)
        return
    from popstrat.pages.bench import show

    show(found, _console())


@packs_app.command("list")
def packs_list(as_json: AsJson = False) -> None:
    """List the packs that come with popstrat."""
    from popstrat.packs.reading import list_packs

    packs = list_packs()
    if as_json:
        _print_json([{key: str(value) for key, value in pack.items()} for pack in packs])
        return
    from popstrat.pages.pack_list import show

    show(packs, _console())


@packs_app.command("show")
def packs_show(
    name: Annotated[str, typer.Argument(metavar="NAME|FILE")],
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="DATE", help="YYYY-MM-DD; the latest if not given.")
    ] = None,
) -> None:
    """Show every definition of a pack, with its source."""
    date = None if as_of is None else parse_date(as_of)
    from popstrat.pages.catalogue import show

    show(name, _console(), date)


@packs_app.command("check")
def packs_check(file: Annotated[str, typer.Argument(metavar="FILE")], as_of: AsOf = None, quiet: Quiet = False) -> None:
    """Check a pack: its text, its types, every date on which a definition changes; warn of what is odd."""
    date = parse_date(as_of)
    from popstrat.scoring.pack_check import examine

    with _notices_aside():
        found = examine(file, date)
    if not quiet:
        from popstrat.pages.pack_check import show

        show(found, _console())


@packs_app.command("diff")
def packs_diff(
    a: Annotated[str, typer.Argument(metavar="A")],
    b: Annotated[str, typer.Argument(metavar="B")],
    data: Annotated[
        list[str] | None, typer.Option("--data", metavar="FILE", help="Count the patients who change group.")
    ] = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Show what changed between two packs, and with --data for how many patients."""
    date = parse_date(as_of)
    from popstrat.packs.load import load_pack
    from popstrat.scoring.pack_diff import diff

    packs = load_pack(a), load_pack(b)
    tables = None
    if data:
        from popstrat.run import known_tables

        tables = known_tables(data, {**packs[0].schema.columns, **packs[1].schema.columns})
    with _notices_aside():
        found = diff(*packs, tables, date)
    if as_json:
        _print_json(found.as_dict())
    else:
        from popstrat.pages.pack_diff import show

        show(found, _console())


# -- shared by the commands -------------------------------------------------------------------------------------


def parse_date(text: str | None) -> dt.date:
    """An ISO date, or today; raises `InputError`."""
    import datetime as dt

    if text is None:
        return dt.datetime.now().astimezone().date()
    try:
        if len(text) != len("2026-06-30"):
            raise ValueError
        return dt.date.fromisoformat(text)
    except ValueError:
        raise InputError(f"--as-of needs a date such as 2026-06-30, not {text!r}") from None


def _scorer(pack: str, as_of: dt.date, profile: Profile, contributions: int | None = None) -> Scorer:
    from popstrat.scorer import Scorer

    with _notices_aside():
        return Scorer(pack, as_of, profile=profile.value, contributions=contributions)


@contextlib.contextmanager
def _notices_aside() -> Iterator[None]:
    """Without Python's warnings of definitions: the record and the summary give them as notices."""
    import warnings

    from popstrat.errors import DefinitionWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DefinitionWarning)
        yield


def _load_map(path: Path | None, scorer: Scorer) -> ColumnMap:
    from popstrat.run import known_columns

    return load_mapping(path, known_columns(scorer))


def load_mapping(path: Path | None, known: Mapping[str, Column]) -> ColumnMap:
    """The column map of ``--map``, for the columns of a pack's patient table."""
    from popstrat.mapping import NO_MAP, load_map

    return NO_MAP if path is None else load_map(path, known)


def _audit_log(given: Path | None) -> Path | None:
    named = given or os.environ.get("POPSTRAT_AUDIT")
    return Path(named) if named else None


def _options(**given: Any) -> dict[str, Any]:
    return {
        name: str(value) if isinstance(value, Path) else value for name, value in given.items() if value is not None
    }


def _close(record: Record, scorer: Scorer, output: Path | None, as_json: bool, quiet: bool) -> None:
    """The closing summary, in the form asked for."""
    if as_json:
        from popstrat.record import summary

        _print_json(summary(record, output))
    elif not quiet:
        from popstrat.pages.run_summary import show

        show(record, scorer.titles, output, _console())


def _print_json(what: object) -> None:
    import json

    sys.stdout.write(json.dumps(what, indent=2, ensure_ascii=False, default=str) + "\n")


def _console() -> Console:
    from rich.console import Console

    console = Console(highlight=False)
    console.width = min(console.width, _WIDTH) if console.is_terminal else _WIDTH
    return console


@contextlib.contextmanager
def _progress(what: str, hidden: bool) -> Iterator[Callable[[int, int | None], None] | None]:
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


class _Stopped(BaseException):
    """Ctrl-C or SIGTERM. Not KeyboardInterrupt, which typer would turn into an exit status of its own."""


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    # Cleaning up must not be interrupted by a second Ctrl-C.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise _Stopped


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return the exit status; errors are reported on standard error."""
    before = {}
    with contextlib.suppress(ValueError):  # not in the main thread
        before = {number: signal.signal(number, _stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        status = app(args=None if arguments is None else list(arguments), standalone_mode=False)
        sys.stdout.flush()
        return status if isinstance(status, int) else 0
    except BaseException as error:
        if os.environ.get("POPSTRAT_DEBUG") == "1":
            raise
        status, message = _verdict(error)
        if message:
            with contextlib.suppress(OSError):
                print(f"error: {message}", file=sys.stderr, flush=True)
        return status
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _verdict(error: BaseException) -> tuple[int, str]:
    """The exit status of an error and what to say."""
    if isinstance(error, InputError | PackError):
        return 2, str(error)
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 1, ""
    if isinstance(error, _Stopped | KeyboardInterrupt | typer.Abort):
        return 1, "stopped; nothing was written"
    if isinstance(error, BrokenPipeError):
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing more can be flushed
        return 1, ""
    if hasattr(error, "format_message"):  # a mistake in the arguments; typer has its own copy of click's classes
        context = getattr(error, "ctx", None)
        if type(error).__name__ == "NoArgsIsHelpError":
            typer.echo(error.format_message(), err=True)
            return 2, ""
        advice = f"\nTry '{context.command_path} --help'." if context is not None else ""
        return 2, error.format_message() + advice
    if isinstance(error, OSError):
        what = error.strerror or type(error).__name__
        return 1, f"{what}{f': {error.filename}' if error.filename else ''}; nothing was written"
    if isinstance(error, MemoryError):
        return 1, "out of memory; nothing was written"
    from popstrat.record import RunError

    if isinstance(error, RunError):
        return 1, str(error)
    # Other messages may quote data.
    return 1, f"internal error ({type(error).__name__}); POPSTRAT_DEBUG=1 shows where. Nothing was written"


class _WithoutPandas:
    """Hides pandas from Arrow, which else imports it, if it is installed, for as little as a look at a list: 0.2 s."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == "pandas":
            raise ModuleNotFoundError("the commands do without pandas", name=name)


def show_pandas() -> None:
    """Undo `_WithoutPandas`, for commands whose libraries need pandas."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _WithoutPandas)]


def main() -> None:
    """The console script."""
    sys.meta_path.insert(0, _WithoutPandas())
    # typer uses pydantic, which would look for plugins of its own.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # Frames live in chunks of 16 KB; a loop whose calls cross the end of one maps and unmaps memory every time, which
    # happens thousands of times while a pack is read. A large frame gets a large chunk, with room for all it calls.
    roomy = run.__code__.replace(co_stacksize=33_000)
    status: int = FunctionType(roomy, run.__globals__, "run", run.__defaults__)()
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)  # everything is written and closed; taking the interpreter apart would add a tenth of a second
