"""``popstrat derive``: the patient table from a coded record."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from popstrat.cli import coded_record as record_options
from popstrat.cli import options
from popstrat.cli.log import log
from popstrat.cli.terminal import open_console, print_json, progress_bar

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def derive(
    output: options.Output,
    patients: record_options.Patients = None,
    registrations: record_options.Registrations = None,
    events: record_options.Events = None,
    medications: record_options.Medications = None,
    activity: record_options.Activity = None,
    codelists: record_options.Codelists = None,
    layout: record_options.LayoutName = record_options.DEFAULT_LAYOUT,
    spec: record_options.SpecName = record_options.DEFAULT_SPEC,
    as_of: options.AsOf = None,
    allow_missing_lists: record_options.AllowMissingLists = False,
    quality: Annotated[
        Path | None, typer.Option("--quality", metavar="FILE", help="Also write how complete each column is, as JSON.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Also write how complete each column is, as a page.")
    ] = None,
    threads: options.Threads = None,
    encoding: Annotated[
        str | None,
        typer.Option(
            "--encoding", metavar="NAME", help="The encoding of CSV files, in and out: utf-8, utf-8-sig, cp1252."
        ),
    ] = None,
    as_json: options.AsJson = False,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """Make the patient table from patients, registrations and coded events; writes OUTPUT and OUTPUT.run.json."""
    date = options.parse_date(as_of)
    given = record_options.coded_record(
        patients, registrations, events, medications, activity, codelists, layout, spec, encoding, allow_missing_lists
    )
    from popstrat.runs.derive import run_derive  # not above: --help does not wait for Arrow

    page = None
    if html is not None:
        from popstrat.pages.quality_page import render

        page = (html, render)
    checker = options.make_scorer(options.DEFAULT_PACK, date, options.Profile.DIRECT_CARE)
    with progress_bar("Deriving", quiet or as_json) as progress:
        record = run_derive(
            given,
            output,
            checker,
            threads=threads,
            progress=progress,
            encoding=encoding or "utf-8",
            quality=quality,
            page=page,
            options=options.recorded(
                output=output, patients=patients, registrations=registrations, events=events, medications=medications,
                activity=activity, codelists=codelists, layout=layout, spec=spec, as_of=as_of,
                allow_missing_lists=allow_missing_lists, quality=quality, html=html, threads=threads, encoding=encoding,
            ),
            force=force,
        )  # fmt: skip
    log.record(record, output)
    if as_json:
        from popstrat.runs.record import summary

        print_json(summary(record, output))
    elif not (quiet or log.is_json):
        from popstrat.pages.derived import show

        show(record, output, open_console())
