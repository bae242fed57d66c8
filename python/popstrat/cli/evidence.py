"""``popstrat evidence``: which lists were stratified and uploaded, month by month, for whoever pays for it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from popstrat.cli.log import log
from popstrat.cli.options import AsJson, Force, Output, Quiet, audit_log, practice_codes
from popstrat.cli.terminal import print_json

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def evidence(
    folders: Annotated[list[Path], typer.Argument(metavar="UPLOAD_FOLDER...", help="Folders of monthly uploads.")],
    output: Output,
    practices: Annotated[
        str | None,
        typer.Option(
            "--practices",
            metavar="A,B|FILE",
            help="Only these practices, such as a network's; a file has one code on each line.",
        ),
    ] = None,
    audit: Annotated[
        Path | None,
        typer.Option("--audit", metavar="FILE", help="The audit log that released them; or POPSTRAT_AUDIT."),
    ] = None,
    force: Force = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Verify uploads again and write down, by practice and month, how many people were on the list, uploaded and left
    out. Counts are exact: not for publication."""
    from popstrat.upload.evidence import write_evidence  # not above: --help does not wait for Arrow

    codes = None if practices is None else practice_codes(practices)
    rows = write_evidence(folders, output, audit=audit_log(audit), practices=codes, force=force)
    whole = rows[-1]
    log.record({}, output)
    if as_json:
        print_json({"output": str(output), "rows": len(rows), "total": whole})
    elif not (quiet or log.is_json):
        people = f"{whole['uploaded']:,} of {whole['list_size']:,} people uploaded, {whole['left_out']:,} left out"
        typer.echo(f"{output}: {whole['months_complete']} of {whole['months']} months complete; {people}")
        for row in rows:
            if row["note"] and row["kind"] != "all":
                of = " ".join(row[name] for name in ("practice", "month") if row[name] != "all")
                typer.echo(f"{of}: {row['note']}")
        if audit_log(audit) is None:
            typer.echo("without --audit it is not known when the uploads were released")
