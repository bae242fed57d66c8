"""``popstrat recalibrate``: an existing model's intercept, slope or baseline from local outcomes."""

from __future__ import annotations

from typing import Annotated

import typer

from popstrat.cli import options
from popstrat.cli.log import log
from popstrat.cli.terminal import open_console, print_json, progress_bar, warnings_as_notices
from popstrat.errors import InputError

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def recalibrate(
    inputs: options.Inputs,
    outcome: options.OutcomeFile,
    output: options.PackOutput,
    model: Annotated[str, typer.Option("--model", metavar="ID", help="The model's definition.")],
    method: Annotated[
        str,
        typer.Option("--method", metavar="METHOD", help="What to estimate: intercept, intercept-slope or baseline."),
    ],
    pack: options.PackName = options.DEFAULT_PACK,
    column: options.OutcomeColumn = None,
    time_column: options.TimeColumn = None,
    event_column: options.EventColumn = None,
    outcome_id: options.OutcomeId = None,
    days: Annotated[
        list[str] | None,
        typer.Option(
            "--days",
            metavar="[ID=]N",
            help="The length of the horizon in days, 365 by default; ID=N if there are several.",
        ),
    ] = None,
    new_id: Annotated[str | None, typer.Option("--id", help="Of the new pack.")] = None,
    new_version: Annotated[str, typer.Option("--new-version", help="Of the new pack.")] = "1",
    as_of: options.DayOfList = None,
    map_file: options.MapFile = None,
    allow_missing: options.AllowMissing = False,
    allow_unknown: options.AllowUnknown = False,
    profile: options.FitProfile = options.Profile.DIRECT_CARE,
    threads: options.Threads = None,
    encoding: options.Encoding = "utf-8",
    as_json: options.AsJson = False,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """Recalibrate a model to local outcomes; writes a new, sealed pack that extends the old one."""
    date = options.day_of_list(as_of)
    # not above: scoring does not wait for what fits models
    from popstrat.fitting import Columns
    from popstrat.fitting import recalibrate as recalibrate_model
    from popstrat.packs.load import load_pack

    lengths = _lengths(days) if days else None
    mapping = options.load_column_map(map_file, load_pack(pack).schema.columns)
    with warnings_as_notices(), progress_bar("Reading", quiet or as_json) as progress:
        found = recalibrate_model(
            pack, model, inputs, outcome, output, method=method, as_of=date,
            columns=Columns(column, time_column, event_column, outcome_id), days=lengths, ident=new_id,
            new_version=new_version, mapping=mapping, threads=threads, encoding=encoding,
            allow_unknown=allow_unknown, allow_missing=allow_missing, profile=profile.value,
            progress=progress, force=force,
        )  # fmt: skip
    log.record({"warnings": found.warnings, "notices": found.notices}, output)
    if as_json:
        print_json(found.as_dict())
    elif not (quiet or log.is_json):
        from popstrat.pages.fitted import show_recalibration

        show_recalibration(found, open_console())


def _lengths(given: list[str]) -> dict[str, int]:
    """Horizon id → days; the id is empty where there is only one."""
    found = {}
    for text in given:
        ident, _, number = text.rpartition("=")
        if not number.isascii() or not number.isdigit():
            raise InputError(f"--days needs a number such as 365, or m12=365, not {text!r}")
        found[ident] = int(number)
    return found
