"""``popstrat synth``: a synthetic patient table, and what else was asked for beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from popstrat.cli import options
from popstrat.cli.log import log
from popstrat.cli.terminal import progress_bar
from popstrat.core.numbers import day

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def synth(
    patients: Annotated[int, typer.Option("--patients", "-n", min=0, metavar="N", help="Number of patients.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Ends in .parquet, .arrow, .csv or .csv.gz.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, metavar="S", help="The same seed gives the same list.")] = 0,
    as_of: options.AsOf = None,
    practices: Annotated[
        int | None, typer.Option("--practices", min=1, metavar="K", help="Number of practices.")
    ] = None,
    dirty: Annotated[
        bool, typer.Option("--dirty", help="Add implausible values; and write a second file with repeated ids.")
    ] = False,
    outcomes: Annotated[
        Path | None,
        typer.Option("--outcomes", metavar="FILE", help="Also write next year's admissions, one row for each patient."),
    ] = None,
    lookup: Annotated[
        Path | None,
        typer.Option("--lookup", metavar="FILE", help="Also write a lookup: ids to NHS numbers that are never issued."),
    ] = None,
    events: Annotated[
        Path | None,
        typer.Option("--events", metavar="DIR", help="Write the coded record behind the list, with code lists."),
    ] = None,
    events_per_patient: Annotated[
        float | None,
        typer.Option("--events-per-patient", metavar="N", help="With --events: about this many; 60 by default."),
    ] = None,
    plain: Annotated[bool, typer.Option("--plain", help="With --events: leave out rows that have no effect.")] = False,
    threads: options.Threads = None,
    encoding: options.Encoding = "utf-8",
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """Write a synthetic patient table: every column, no real person."""
    date = options.parse_date(as_of)
    from popstrat.synthetic._files import write_synthetic  # not above: --help does not wait for Arrow

    with progress_bar("Drawing", quiet) as progress:
        files = write_synthetic(
            output, patients, seed=seed, as_of=date, practices=practices, dirty=dirty, outcomes=outcomes,
            lookup=lookup, events=events, events_per_patient=events_per_patient, plain=plain, threads=threads,
            encoding=encoding, progress=progress, force=force,
        )  # fmt: skip
    log.record({}, output)
    if not (quiet or log.is_json):
        folders = [] if events is None else [events]
        names = " and ".join(str(file) for file in [*(f for f in files if events not in f.parents), *folders])
        typer.echo(f"{patients:,} synthetic patients as of {day(date)} in {names}")
