"""``popstrat validate``: a risk against what happened."""

from __future__ import annotations

from typing import Annotated

import typer

from popstrat.cli import options
from popstrat.cli.log import log
from popstrat.cli.terminal import open_console, print_json, progress_bar
from popstrat.errors import InputError

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def validate(
    scored: Annotated[str, typer.Argument(metavar="SCORED", help="The scored table: Parquet, Arrow or CSV.")],
    outcome: Annotated[
        str, typer.Option("--outcome", metavar="FILE", help="patient_id and what happened: Parquet, Arrow or CSV.")
    ],
    output: options.Folder,
    column: Annotated[
        str | None,
        typer.Option(
            "--column", metavar="NAME", help="The outcome: true or false, 1 or 0, or a count (over 0 is true)."
        ),
    ] = None,
    risk: Annotated[str, typer.Option("--risk", metavar="NAME", help="The risk to validate.")] = "admission_risk",
    time_column: Annotated[
        str | None, typer.Option("--time-column", metavar="NAME", help="Days to the event or to the end of follow-up.")
    ] = None,
    event_column: Annotated[
        str | None, typer.Option("--event-column", metavar="NAME", help="Whether those days ended with the event.")
    ] = None,
    competing: Annotated[
        str | None,
        typer.Option(
            "--competing",
            metavar="NAME=VALUE",
            help="What rules the event out, such as censoring=died; otherwise it counts as censoring.",
        ),
    ] = None,
    horizon: Annotated[
        float, typer.Option("--horizon", metavar="DAYS", help="Within how many days the event counts.")
    ] = 365,
    capacity: Annotated[
        int | None, typer.Option("--capacity", min=1, metavar="N", help="How many people the teams can see.")
    ] = None,
    patients: Annotated[
        str | None,
        typer.Option("--list", metavar="FILE", help="The patient table, for sex, ethnicity and deprivation."),
    ] = None,
    map_file: options.MapFile = None,
    by: Annotated[
        list[str] | None, typer.Option("--by", metavar="NAME", help="Another column to group people by; repeatable.")
    ] = None,
    called: Annotated[
        str | None, typer.Option("--called", metavar="TEXT", help="The outcome in words: 'an unplanned admission'.")
    ] = None,
    outcome_id: Annotated[
        str, typer.Option("--outcome-id", metavar="NAME", help="The column of ids in the outcome file.")
    ] = "patient_id",
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Leave out patients with a risk and no outcome, and count them.")
    ] = False,
    allow_unknown: Annotated[
        bool,
        typer.Option("--allow-unknown", help="Ignore outcomes of patients who were not scored, and count them."),
    ] = False,
    bootstrap: Annotated[
        int,
        typer.Option(
            "--bootstrap", min=0, max=10_000, metavar="N", help="The number of resamples for the intervals; 0 for none."
        ),
    ] = 200,
    seed: Annotated[
        int, typer.Option("--seed", min=0, metavar="S", help="The same seed gives the same intervals.")
    ] = 0,
    threads: options.Threads = None,
    encoding: options.Encoding = "utf-8",
    as_json: options.AsJson = False,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """Validate a score against what happened: a report, tables and JSON in DIR."""
    # not above: scoring does not wait for what validates
    from popstrat.validation import require

    require()
    from popstrat.packs.column_map import NO_MAP
    from popstrat.packs.map_file import load_map
    from popstrat.packs.patient_table import patient_schema
    from popstrat.pages.validation_page import render
    from popstrat.validation.files import run_validate
    from popstrat.validation.spec import Spec

    spec = Spec(
        risk=risk, column=column, time_column=time_column, event_column=event_column, horizon=horizon,
        competing=_competing(competing), by=tuple(by or ()), allow_missing=allow_missing, allow_unknown=allow_unknown,
        outcome_id=outcome_id,
    )  # fmt: skip
    if map_file is not None and patients is None:
        raise InputError("--map is for the file of --list, and none is given")
    mapping = NO_MAP if map_file is None else load_map(map_file, patient_schema().columns)
    with progress_bar("Reading", quiet or as_json) as progress:
        result = run_validate(
            scored, outcome, output, spec, patients=patients, mapping=mapping, called=called, capacity=capacity,
            bootstrap=bootstrap, seed=seed, threads=threads, encoding=encoding, progress=progress, force=force,
            page=render,
        )  # fmt: skip
    log.record(result, output)
    if as_json:
        print_json({**{k: result[k] for k in _SUMMARY}, "output": str(output)})
    elif not (quiet or log.is_json):
        from popstrat.pages.validated import show

        show(result, output, open_console())


_SUMMARY = (
    "pack", "as_of", "risk", "outcome", "people", "headlines", "overall", "concordance", "capacity", "settings",
    "period", "notices",
)  # fmt: skip


def _competing(text: str | None) -> tuple[str, tuple[str, ...]] | None:
    if text is None:
        return None
    column, equals, values = text.partition("=")
    found = tuple(v.strip() for v in values.split(",") if v.strip())
    if not (column.strip() and equals and found):
        raise InputError(f"--competing needs a column and a value, such as censoring=died, not {text!r}")
    return column.strip(), found
