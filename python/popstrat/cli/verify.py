"""``popstrat verify``: read an upload, or work lists, again before they are sent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from popstrat.cli.log import log
from popstrat.cli.options import AsJson, Quiet
from popstrat.cli.terminal import print_json
from popstrat.core.numbers import day

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def verify(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR|FILE", help="The folder of an upload or of work lists, or a work list.")
    ],
    audit: Annotated[
        Path | None, typer.Option("--audit", metavar="FILE", help="Was it this audit log that released it?")
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Read every file of an upload or of work lists again and check it; exit status 2 names the file and what
    differs."""
    from popstrat.worklists.record import is_worklist  # not above: --help does not wait for Arrow

    if is_worklist(folder):
        _verify_worklist(folder, audit, as_json, quiet)
        return
    from popstrat.upload.verify import verify as verify_folder  # here, as only one of the two is needed

    found = verify_folder(folder, audit=audit)
    totals = found.manifest["totals"]
    if as_json:
        print_json({"folder": str(folder), "verified": True, "manifest_sha256": found.sha256, "totals": totals})
    elif not (quiet or log.is_json):
        what = f"{totals['files']:,} files of {totals['practices']:,} practices, {totals['written']:,} patients"
        typer.echo(f"{folder}: verified; {what}, as of {day(found.manifest['as_of'])}")
        typer.echo(f"manifest {found.sha256}")
        if audit is not None:
            typer.echo(f"released in {audit}")


def _verify_worklist(path: Path, audit: Path | None, as_json: bool, quiet: bool) -> None:
    from popstrat.worklists.verify import verify as verify_lists

    found = verify_lists(path, audit=audit)
    if as_json:
        told = {"people": found.people, "files": found.files, "lists": found.record["worklist"]["lists"]}
        print_json({"output": str(path), "verified": True, "record_sha256": found.sha256, **told})
    elif not (quiet or log.is_json):
        files = f"{found.files:,} file{'s' if found.files > 1 else ''}"
        typer.echo(f"{path}: verified; {files}, {found.people:,} people, as of {day(found.record['as_of'])}")
        typer.echo(f"record {found.sha256}")
        if audit is not None:
            typer.echo(f"released in {audit}")
