"""``popstrat fit``: a model's coefficients from a list and its outcomes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from popstrat.cli import options
from popstrat.cli.log import log
from popstrat.cli.terminal import open_console, print_json, progress_bar, warnings_as_notices

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def fit(
    specification: Annotated[Path, typer.Argument(metavar="SPEC", help="A pack with terms to fit, and a [fit] table.")],
    inputs: options.Inputs,
    outcome: options.OutcomeFile,
    output: options.PackOutput,
    column: options.OutcomeColumn = None,
    time_column: options.TimeColumn = None,
    event_column: options.EventColumn = None,
    outcome_id: options.OutcomeId = None,
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
    """Fit a model to outcomes; writes a new, sealed pack with its provenance."""
    date = options.day_of_list(as_of)
    # not above: scoring does not wait for what fits models
    from popstrat.fitting import fit as fit_model
    from popstrat.fitting.spec import read_spec

    given = {"column": column, "time_column": time_column, "event_column": event_column}
    mapping = options.load_column_map(map_file, read_spec(specification, given).pack.schema.columns)
    with warnings_as_notices(), progress_bar("Reading", quiet or as_json) as progress:
        found = fit_model(
            specification, inputs, outcome, output, as_of=date, **given, outcome_id=outcome_id, mapping=mapping,
            threads=threads, encoding=encoding, allow_unknown=allow_unknown, allow_missing=allow_missing,
            profile=profile.value, progress=progress, force=force,
        )  # fmt: skip
    log.record({"warnings": found.warnings, "notices": found.notices}, output)
    if as_json:
        print_json(found.as_dict())
    elif not (quiet or log.is_json):
        from popstrat.pages.fitted import show_fit

        show_fit(found, open_console())
