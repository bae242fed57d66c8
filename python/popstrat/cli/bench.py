"""``popstrat bench``: how fast this machine is."""

from __future__ import annotations

from typing import Annotated

import typer

from popstrat.cli import options
from popstrat.cli.terminal import open_console, print_json
from popstrat.core.cpus import cores

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def bench(
    patients: Annotated[
        int, typer.Option("--patients", "-n", min=1, max=20_000_000, metavar="N", help="Patients on the list.")
    ] = 1_000_000,
    threads: options.Threads = None,
    as_json: options.AsJson = False,
) -> None:
    """Measure this machine: score a synthetic list in memory and from file to file (under a minute)."""
    from popstrat.bench.measure import measure  # not above: --help does not wait for Arrow

    found = measure(patients, threads or cores())
    if as_json:
        print_json(found)
        return
    from popstrat.pages.bench import show  # not above: JSON does not wait for rich

    show(found, open_console())
