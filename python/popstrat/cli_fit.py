"""``popstrat fit``: a model's coefficients from a list and its outcomes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from popstrat import cli
from popstrat.errors import InputError

if TYPE_CHECKING:
    import datetime as dt

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

OutcomeFile = Annotated[
    Path, typer.Option("--outcome", metavar="FILE", help="patient_id and what happened; Parquet, Arrow or CSV.")
]
Column = Annotated[str | None, typer.Option("--column", metavar="NAME", help="The outcome: true or false, 0 or 1.")]
TimeColumn = Annotated[
    str | None, typer.Option("--time-column", metavar="NAME", help="Days to the event or to the end of follow-up.")
]
EventColumn = Annotated[
    str | None, typer.Option("--event-column", metavar="NAME", help="Whether those days ended with the event.")
]
AsOf = Annotated[str | None, typer.Option("--as-of", metavar="DATE", help="YYYY-MM-DD; the day of the list. Required.")]
PackOut = Annotated[Path, typer.Option("--output", "-o", metavar="PACK", help="The new pack; ends in .toml.")]
AllowMissing = Annotated[bool, typer.Option("--allow-missing", help="Leave out patients without an outcome.")]
AllowUnknown = Annotated[bool, typer.Option("--allow-unknown", help="Pass over outcomes of people not on the list.")]

Profile = Annotated[cli.Profile, typer.Option("--profile", help="secondary-use leaves out opt-outs.")]


@app.command()
def fit(
    specification: Annotated[Path, typer.Argument(metavar="SPEC", help="A pack with terms to fit, and a [fit] table.")],
    inputs: cli.Inputs,
    outcome: OutcomeFile,
    output: PackOut,
    column: Column = None,
    time_column: TimeColumn = None,
    event_column: EventColumn = None,
    as_of: AsOf = None,
    map_file: cli.MapFile = None,
    allow_missing: AllowMissing = False,
    allow_unknown: AllowUnknown = False,
    profile: Profile = cli.Profile.DIRECT_CARE,
    threads: cli.Threads = None,
    encoding: cli.Encoding = "utf-8",
    as_json: cli.AsJson = False,
    quiet: cli.Quiet = False,
) -> None:
    """Fit a model to outcomes; writes a new, sealed pack with its provenance."""
    date = day_of_list(as_of)
    cli.show_pandas()
    from popstrat.fitting import fit as fit_model
    from popstrat.fitting.spec import read_spec

    given = {"column": column, "time_column": time_column, "event_column": event_column}
    mapping = cli.load_mapping(map_file, read_spec(specification, given).pack.schema.columns)
    with cli._notices_aside(), cli._progress("Reading", quiet or as_json) as progress:
        found = fit_model(
            specification, inputs, outcome, output, as_of=date, **given, mapping=mapping, threads=threads,
            encoding=encoding, allow_unknown=allow_unknown, allow_missing=allow_missing,
            profile=profile.value, progress=progress,
        )  # fmt: skip
    if as_json:
        cli._print_json(found.as_dict())
    elif not quiet:
        from popstrat.pages.fitted import show_fit

        show_fit(found, cli._console())


def day_of_list(text: str | None) -> dt.date:
    """The as-of date, which must be given: a list that is fitted to is one of the past, so today is never right."""
    if text is None:
        raise InputError(
            "--as-of is needed: the day as which the list stood, when follow-up began, such as --as-of 2025-06-30"
        )
    return cli.parse_date(text)
