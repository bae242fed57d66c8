"""``popstrat worklist``: whom a team should look at next."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from popstrat.cli import options
from popstrat.cli.log import log
from popstrat.cli.terminal import open_console, print_json, progress_bar

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def worklist(
    inputs: options.Inputs,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE|DIR", help="Ends in .csv, .xlsx or .html; with --split a folder."),
    ],
    cohort: Annotated[
        str, typer.Option("--cohort", metavar="COLUMN[=LABEL]", help="Who: a flag of the scored table, or a label.")
    ],
    capacity: Annotated[
        str | None,
        typer.Option(
            "--capacity", metavar="N|P%", help="How many people; or P% of each place's registered people, rounded up."
        ),
    ] = None,
    rank_by: Annotated[
        str | None,
        typer.Option(
            "--rank-by", metavar="COLUMN", help="A column to order by instead of the pack's risk, such as sq_score."
        ),
    ] = None,
    places: Annotated[
        list[str] | None, typer.Option("--place", metavar="NAME", help="Only this one; repeatable.")
    ] = None,
    neighbourhoods: Annotated[
        list[str] | None, typer.Option("--neighbourhood", metavar="NAME", help="Only this one; repeatable.")
    ] = None,
    practices: Annotated[
        list[str] | None, typer.Option("--practice", metavar="CODE", help="Only this one; repeatable.")
    ] = None,
    split: Annotated[
        str | None,
        typer.Option("--split", metavar="LEVEL", help="A file for each practice, neighbourhood or place."),
    ] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option("--format", metavar="csv|xlsx|html", help="The format of the files of --split; csv by default."),
    ] = None,
    exclude: Annotated[
        Path | None,
        typer.Option(
            "--exclude", metavar="FILE", help="patient_id of people to leave out; of spells, only open ones count."
        ),
    ] = None,
    previous: Annotated[
        Path | None,
        typer.Option("--previous", metavar="FILE|DIR", help="The last list: who is new, still there or gone?"),
    ] = None,
    caseload: Annotated[
        Path | None,
        typer.Option("--caseload", metavar="FILE", help="patient_id, coordinator, start, end: on whose caseload?"),
    ] = None,
    lookup: Annotated[
        Path | None, typer.Option("--lookup", metavar="FILE", help="Keys to NHS numbers; needs an audit log.")
    ] = None,
    shared_care_basis: Annotated[
        str | None,
        typer.Option(
            "--shared-care-basis",
            metavar="TEXT",
            help="The agreement by which several practices share NHS numbers.",
        ),
    ] = None,
    as_of: options.AsOf = None,
    pack: options.PackName = options.DEFAULT_PACK,
    map_file: options.MapFile = None,
    audit_file: options.AuditFile = None,
    settings: Annotated[
        Path | None,
        typer.Option("--settings", metavar="FILE", help="TOML: names of the lookup, limits; as for upload."),
    ] = None,
    threads: options.Threads = None,
    encoding: options.Encoding = "utf-8",
    as_json: options.AsJson = False,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """Write the work list of a cohort: the people to see next, in order and with reasons; for direct care."""
    date = options.parse_date(as_of)
    from popstrat.worklists.run import run_worklist  # not above: --help does not wait for Arrow

    scorer = options.make_scorer(pack, date, options.Profile.DIRECT_CARE)
    with progress_bar("Reading", quiet or as_json) as progress:
        result = run_worklist(
            inputs,
            output,
            scorer,
            cohort=cohort,
            capacity=capacity,
            rank_by=rank_by,
            places=places or (),
            neighbourhoods=neighbourhoods or (),
            practices=practices or (),
            split=split,
            formats=formats or (),
            exclude=exclude,
            previous=previous,
            caseload=caseload,
            lookup=lookup,
            audit=options.audit_log(audit_file),
            settings=settings,
            shared_care_basis=shared_care_basis,
            mapping=options.map_for_scorer(map_file, scorer),
            threads=threads,
            encoding=encoding,
            options=options.recorded(
                inputs=inputs, output=output, as_of=as_of, pack=pack, map=map_file, cohort=cohort, capacity=capacity,
                rank_by=rank_by, split=split, encoding=encoding,
            ),
            force=force,
            progress=progress,
        )  # fmt: skip
    log.record(result.record, output)
    if as_json:
        from popstrat.worklists.summary import as_data  # here, as the other: one of the two is needed

        print_json(as_data(result, output))
    elif not (quiet or log.is_json):
        from popstrat.worklists.summary import render

        render(result, output, open_console())
