"""``popstrat recalibrate``: an existing model's intercept, slope or baseline from local outcomes."""

from __future__ import annotations

from typing import Annotated

import typer

from popstrat import cli, cli_fit
from popstrat.errors import InputError

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def recalibrate(
    inputs: cli.Inputs,
    outcome: cli_fit.OutcomeFile,
    output: cli_fit.PackOut,
    model: Annotated[str, typer.Option("--model", metavar="ID", help="The model's definition.")],
    method: Annotated[
        str, typer.Option("--method", metavar="METHOD", help="What to fit anew: intercept, intercept-slope, baseline.")
    ],
    pack: cli.PackName = cli.DEFAULT_PACK,
    column: cli_fit.Column = None,
    time_column: cli_fit.TimeColumn = None,
    event_column: cli_fit.EventColumn = None,
    days: Annotated[
        list[str] | None,
        typer.Option(
            "--days", metavar="[ID=]N", help="Length of the horizon, 365 if it is the only one; ID=N of several."
        ),
    ] = None,
    new_id: Annotated[str | None, typer.Option("--id", help="Of the new pack.")] = None,
    new_version: Annotated[str, typer.Option("--new-version", help="Of the new pack.")] = "1",
    as_of: cli_fit.AsOf = None,
    map_file: cli.MapFile = None,
    allow_missing: cli_fit.AllowMissing = False,
    allow_unknown: cli_fit.AllowUnknown = False,
    profile: cli_fit.Profile = cli.Profile.DIRECT_CARE,
    threads: cli.Threads = None,
    encoding: cli.Encoding = "utf-8",
    as_json: cli.AsJson = False,
    quiet: cli.Quiet = False,
) -> None:
    """Recalibrate a model to local outcomes; writes a new, sealed pack that extends the old one."""
    date = cli_fit.day_of_list(as_of)
    cli.show_pandas()
    from popstrat.fitting import Columns
    from popstrat.fitting import recalibrate as recalibrate_model
    from popstrat.packs.load import load_pack

    lengths = _lengths(days) if days else None
    mapping = cli.load_mapping(map_file, load_pack(pack).schema.columns)
    with cli._notices_aside(), cli._progress("Reading", quiet or as_json) as progress:
        found = recalibrate_model(
            pack, model, inputs, outcome, output, method=method, as_of=date,
            columns=Columns(column, time_column, event_column), days=lengths, ident=new_id, new_version=new_version,
            mapping=mapping, threads=threads, encoding=encoding, allow_unknown=allow_unknown,
            allow_missing=allow_missing, profile=profile.value, progress=progress,
        )  # fmt: skip
    if as_json:
        cli._print_json(found.as_dict())
    elif not quiet:
        from popstrat.fitting.report import print_recalibration

        print_recalibration(found, cli._console())


def _lengths(given: list[str]) -> dict[str, int]:
    """Horizon id → days; the id is empty where there is only one."""
    found = {}
    for text in given:
        ident, _, number = text.rpartition("=")
        if not number.isascii() or not number.isdigit():
            raise InputError(f"--days needs a number such as 365, or m12=365, not {text!r}")
        found[ident] = int(number)
    return found
