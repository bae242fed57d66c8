"""What several commands take, and what is made of it.

Whatever needs Arrow is imported in the functions, so that ``--help`` does not wait for it.
"""

from __future__ import annotations

import datetime as dt
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from popstrat.errors import InputError
from popstrat.packs import DEFAULT_PACK as DEFAULT_PACK

if TYPE_CHECKING:
    from popstrat.packs.column_map import ColumnMap
    from popstrat.packs.definition import Definition
    from popstrat.packs.patient_table import Column
    from popstrat.packs.resolved import Resolved
    from popstrat.scoring.scorer import Scorer


class Profile(StrEnum):
    """What the output is for; secondary use leaves out patients who opted out."""

    DIRECT_CARE = "direct-care"
    SECONDARY_USE = "secondary-use"


def _packs(incomplete: str) -> list[str]:
    """The packs that come with popstrat, for the completion of a command line."""
    from popstrat.packs.read import builtin_packs

    return [name for name in builtin_packs() if name.startswith(incomplete)]


Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT...",
        help="Parquet, Arrow or CSV files, folders, patterns such as 'a/*.csv', - for standard input.",
    ),
]
InputsOrRecord = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="INPUT...", help="As for `check`; or none, with --events: a coded record in place of a list."
    ),
]
Output = Annotated[
    Path, typer.Option("--output", "-o", metavar="FILE", help="Ends in .parquet, .arrow, .csv or .csv.gz.")
]
Folder = Annotated[
    Path, typer.Option("--output", "-o", metavar="DIR", help="A new folder, or that of an earlier run like this one.")
]
AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        metavar="DATE",
        envvar="POPSTRAT_AS_OF",
        show_envvar=False,
        help="YYYY-MM-DD; today by default; or POPSTRAT_AS_OF.",
    ),
]
PackName = Annotated[
    str,
    typer.Option(
        "--pack",
        metavar="NAME|FILE",
        envvar="POPSTRAT_PACK",
        show_envvar=False,
        autocompletion=_packs,
        help="Definitions pack; or POPSTRAT_PACK.",
    ),
]
MetricsPack = Annotated[  # that of the environment is to score with, and need not have metrics
    str, typer.Option("--pack", metavar="NAME|FILE", autocompletion=_packs, help="Definitions pack.")
]
MapFile = Annotated[
    Path | None,
    typer.Option(
        "--map",
        metavar="FILE",
        envvar="POPSTRAT_MAP",
        show_envvar=False,
        help="TOML: column names and values of the input; or POPSTRAT_MAP.",
    ),
]
Previous = Annotated[
    Path | None,
    typer.Option("--previous", metavar="RECORD", help="An earlier .run.json, to compare the counts of values with."),
]
AuditFile = Annotated[
    Path | None, typer.Option("--audit", metavar="FILE", help="Add a line to this log; or POPSTRAT_AUDIT.")
]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        min=1,
        metavar="T",
        envvar="POPSTRAT_THREADS",
        show_envvar=False,
        help="All cores by default; or POPSTRAT_THREADS.",
    ),
]
Encoding = Annotated[
    str,
    typer.Option(
        "--encoding",
        metavar="NAME",
        help="The encoding of CSV files: utf-8, utf-8-sig, cp1252; for reading also utf-16-le or utf-16-be.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the summary as JSON on standard output.")]
Force = Annotated[bool, typer.Option("--force", help="Replace an output that something else has made.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print only errors.")]

# of `fit` and `recalibrate`
OutcomeFile = Annotated[
    Path, typer.Option("--outcome", metavar="FILE", help="patient_id and what happened; Parquet, Arrow or CSV.")
]
OutcomeColumn = Annotated[
    str | None, typer.Option("--column", metavar="NAME", help="The outcome: true or false, 0 or 1.")
]
OutcomeId = Annotated[
    str | None,
    typer.Option("--outcome-id", metavar="NAME", help="The column of ids in the outcome file, if not patient_id."),
]
TimeColumn = Annotated[
    str | None, typer.Option("--time-column", metavar="NAME", help="Days to the event or to the end of follow-up.")
]
EventColumn = Annotated[
    str | None, typer.Option("--event-column", metavar="NAME", help="Whether those days ended with the event.")
]
DayOfList = Annotated[
    str | None, typer.Option("--as-of", metavar="DATE", help="YYYY-MM-DD; the day of the list. Required.")
]
PackOutput = Annotated[Path, typer.Option("--output", "-o", metavar="PACK", help="The new pack; ends in .toml.")]
AllowMissing = Annotated[bool, typer.Option("--allow-missing", help="Leave out patients without an outcome.")]
AllowUnknown = Annotated[
    bool, typer.Option("--allow-unknown", help="Ignore outcomes of people who are not on the list.")
]
FitProfile = Annotated[Profile, typer.Option("--profile", help="secondary-use leaves out people who opted out.")]


_LONGEST_ID = 1024
_MOST_IDS = 100


def given_ids(texts: Sequence[str]) -> list[str]:
    """Patients' ids as they were given, and for ``-`` those of standard input, one a line: a command line can be seen
    in the list of processes, and stays in the shell's history. Raises `InputError` for an empty one, or none."""
    found: list[str] = []
    for text in texts:
        if text == "-":
            found += _lines_of_input()
        else:
            found.append(text)
    if not found or not all(found):
        raise InputError("--patient: no id was given")
    if len(found) > _MOST_IDS:
        raise InputError(f"--patient: {len(found):,} ids, and at most {_MOST_IDS} can be shown at a time")
    return found


def _lines_of_input() -> list[str]:
    """What stands on standard input, a line each; from a keyboard one line."""
    if sys.stdin is None:
        return []
    text = sys.stdin.readline(_LONGEST_ID) if sys.stdin.isatty() else sys.stdin.read(_LONGEST_ID * _MOST_IDS)
    return [line.strip() for line in text.splitlines() if line.strip()]


def parse_date(text: str | None) -> dt.date:
    """An ISO date, or today; raises `InputError`."""
    if text is None:
        return dt.datetime.now().astimezone().date()
    try:
        if len(text) != len("2026-06-30"):
            raise ValueError
        return dt.date.fromisoformat(text)
    except ValueError:
        raise InputError(f"--as-of needs a date such as 2026-06-30, not {text!r}") from None


def day_of_list(text: str | None) -> dt.date:
    """The as-of date, which must be given: a list that is fitted to is one of the past, so today is never right."""
    if text is None:
        raise InputError(
            "--as-of is needed: the date of the list, on which follow-up began, such as --as-of 2025-06-30"
        )
    return parse_date(text)


def make_scorer(
    pack: str,
    as_of: dt.date,
    profile: Profile,
    contributions: int | None = None,
    besides: Callable[[Resolved], Iterable[Definition]] | None = None,
) -> Scorer:
    """The scorer of a command; what it would warn of is among the notices of the run."""
    from popstrat.scoring.scorer import Scorer

    return Scorer(pack, as_of, profile=profile.value, contributions=contributions, besides=besides)


def map_for_scorer(path: Path | None, scorer: Scorer) -> ColumnMap:
    """The column map of ``--map`` for a scorer's columns."""
    from popstrat.runs.input_files import known_columns

    return load_column_map(path, known_columns(scorer))


def load_column_map(path: Path | None, known: Mapping[str, Column]) -> ColumnMap:
    """The column map of ``--map`` for the columns of a patient table."""
    from popstrat.packs.column_map import NO_MAP
    from popstrat.packs.map_file import load_map

    return NO_MAP if path is None else load_map(path, known)


def refuse_replacing(path: Path | None, force: bool) -> None:
    """Raise `InputError` for a file that exists, which has no record of the run that wrote it, without ``--force``."""
    if path is not None and path.exists() and not force:
        raise InputError("already exists; --force replaces it", file=str(path))


def audit_log(given: Path | None) -> Path | None:
    """The audit log of ``--audit``, or else of POPSTRAT_AUDIT, or none."""
    named = given or os.environ.get("POPSTRAT_AUDIT")
    return Path(named) if named else None


def recorded(**given: Any) -> dict[str, Any]:
    """Options as the run record has them: those that were given or have a default."""
    return {
        name: str(value) if isinstance(value, Path) else value for name, value in given.items() if value is not None
    }


def practice_codes(given: str) -> frozenset[str]:
    """Practice codes from a list with commas or a file with one a line (# begins a remark). Raises `InputError`."""
    path = Path(given)
    if path.is_file():
        from popstrat.core.small_files import read_small  # here, as for all that only some runs need

        try:
            lines = read_small(path).decode("utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError):
            raise InputError("cannot be read as a list of practice codes", file=given) from None
        codes = [line.split("#", 1)[0].strip() for line in lines]
    elif "/" in given or "." in given:
        raise InputError("--practices: there is no such file", file=given)
    else:
        codes = [code.strip() for code in given.split(",")]
    found = frozenset(code for code in codes if code)
    if not found:
        raise InputError("--practices names no practice")
    return found
