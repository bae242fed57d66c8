"""``popstrat verify``: read an upload again before it is sent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from popstrat.cli.options import AsJson, Quiet
from popstrat.cli.terminal import print_json

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def verify(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of an upload.")],
    audit: Annotated[
        Path | None, typer.Option("--audit", metavar="FILE", help="Was it this audit log that released it?")
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Read every file of an upload again and sign it off; exit status 2 names the file and what differs."""
    from popstrat.upload.verify import verify as verify_folder  # not above: --help does not wait for Arrow

    found = verify_folder(folder, audit=audit)
    totals = found.manifest["totals"]
    if as_json:
        print_json({"folder": str(folder), "verified": True, "manifest_sha256": found.sha256, "totals": totals})
    elif not quiet:
        what = f"{totals['files']:,} files of {totals['practices']:,} practices, {totals['written']:,} patients"
        typer.echo(f"{folder}: verified; {what}, as of {found.manifest['as_of']}")
        typer.echo(f"manifest {found.sha256}")
        if audit is not None:
            typer.echo(f"released in {audit}")
