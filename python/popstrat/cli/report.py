"""``popstrat report``: pages of figures by area, from metrics files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from popstrat.cli import options
from popstrat.cli.log import log
from popstrat.cli.terminal import open_console, print_json, progress_bar

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def report(
    metrics: Annotated[
        list[str],
        typer.Argument(
            metavar="METRICS...", help="Files of popstrat metrics, one for each month; the last month is shown."
        ),
    ],
    output: options.Folder,
    title: Annotated[
        str | None,
        typer.Option("--title", metavar="NAME", help="The name of the whole list, such as an ICB's name."),
    ] = None,
    quality: Annotated[
        Path | None,
        typer.Option("--quality", metavar="FILE", help="The quality file of the coded record (derive --quality)."),
    ] = None,
    names: Annotated[
        Path | None,
        typer.Option("--names", metavar="FILE", help="CSV of what areas are called: their code, then their name."),
    ] = None,
    as_json: options.AsJson = False,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """Write pages for every area from metrics files; patient-level files are never read. Open DIR/index.html."""
    from popstrat.pages.report.run import run_report  # not above: --help does not wait for Arrow

    with progress_bar("Pages", quiet or as_json) as progress:
        record = run_report(
            metrics,
            output,
            quality=quality,
            called=title,
            names=names,
            options=options.recorded(metrics=metrics, output=output, title=title, quality=quality, names=names),
            force=force,
            progress=progress,
        )
    log.record(record, output)
    if as_json:
        print_json({**{key: record[key] for key in ("command", "as_of", "pack", "areas", "bytes")}, "output": output})
    elif not (quiet or log.is_json):
        from popstrat.pages.report.summary import show

        show(record, output, open_console())
