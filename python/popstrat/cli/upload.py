"""``popstrat upload``: the monthly files, one for each practice."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from popstrat.cli.log import log
from popstrat.cli.options import AsJson, Folder, Force, Profile, Quiet, audit_log, parse_date, practice_codes
from popstrat.cli.terminal import open_console, print_json, progress_bar

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def upload(
    scored: Annotated[Path, typer.Argument(metavar="SCORED", help="A scored table, with its run record beside it.")],
    output: Folder,
    template: Annotated[
        str, typer.Option("--template", metavar="NAME|FILE", help="What the files look like.")
    ] = "neutral-csv",
    previous: Annotated[
        Path | None, typer.Option("--previous", metavar="SCORED", help="Last month's scored table: who moved?")
    ] = None,
    lookup: Annotated[
        Path | None, typer.Option("--lookup", metavar="FILE", help="Keys to NHS numbers; needs an audit log.")
    ] = None,
    previous_lookup: Annotated[
        Path | None,
        typer.Option("--previous-lookup", metavar="FILE", help="Last month's lookup: whose number changed?"),
    ] = None,
    practices: Annotated[
        str | None,
        typer.Option("--practices", metavar="A,B|FILE", help="Only these practices; a file has one code on each line."),
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", metavar="DATE", help="The expected month; SCORED is refused if it is for another."),
    ] = None,
    profile: Annotated[Profile, typer.Option(help="secondary-use has no identities.")] = Profile.DIRECT_CARE,
    audit: Annotated[
        Path | None, typer.Option("--audit", metavar="FILE", help="The audit log; or POPSTRAT_AUDIT.")
    ] = None,
    settings: Annotated[
        Path | None,
        typer.Option("--settings", metavar="FILE", help="TOML: SNOMED CT codes, names of the lookup, limits."),
    ] = None,
    across_versions: Annotated[
        bool, typer.Option("--across-versions", help="Compare with a month scored by another version of the pack.")
    ] = False,
    force: Force = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write one file for each practice into DIR, verified row by row, and a manifest; all of it or nothing."""
    from popstrat.upload.run import run_upload  # not above: --help does not wait for Arrow

    with progress_bar("Reading", quiet or as_json) as progress:
        result = run_upload(
            scored,
            output,
            template=template,
            previous=previous,
            lookup=lookup,
            previous_lookup=previous_lookup,
            practices=None if practices is None else practice_codes(practices),
            as_of=None if as_of is None else parse_date(as_of),
            profile=profile.value,
            audit=audit_log(audit),
            settings=settings,
            across_versions=across_versions,
            force=force,
            progress=progress,
        )
    log.record({**result.manifest, "warnings": result.warnings}, output)
    if as_json:
        manifest = result.manifest
        short = {key: manifest[key] for key in ("as_of", "profile", "template", "totals")}
        print_json(
            {
                "folder": str(output),
                "manifest_sha256": result.sha256,
                "repeated": result.repeated,
                **short,
                "warnings": list(result.warnings),
            }
        )
    elif not (quiet or log.is_json):
        from popstrat.upload.summary import render  # not above: a quiet run does not wait for rich

        render(result, output, open_console())
