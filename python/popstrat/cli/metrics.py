"""``popstrat metrics``: figures by area, from a list to a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from popstrat.cli import options
from popstrat.cli.log import log
from popstrat.cli.terminal import open_console, print_json, progress_bar, warnings_as_notices

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def metrics(
    inputs: options.Inputs,
    output: options.Output,
    as_of: options.AsOf = None,
    pack: options.MetricsPack = "neighbourhood-2026",
    map_file: options.MapFile = None,
    profile: Annotated[
        options.Profile, typer.Option(help="secondary-use leaves out people who opted out.")
    ] = options.Profile.DIRECT_CARE,
    level: Annotated[
        list[str] | None,
        typer.Option("--level", metavar="NAME", help="icb, place, neighbourhood, pcn or practice; repeatable."),
    ] = None,
    group_by: Annotated[
        list[str] | None,
        typer.Option(
            "--group-by", metavar="NAME[+NAME]", help="Instead of the usual groups, such as sex+age_band; repeatable."
        ),
    ] = None,
    metric: Annotated[
        list[str] | None, typer.Option("--metric", metavar="NAME", help="Only this metric of the pack; repeatable.")
    ] = None,
    previous: Annotated[
        Path | None, typer.Option("--previous", metavar="SCORED", help="An earlier scored table: who moved?")
    ] = None,
    caseload: Annotated[
        Path | None,
        typer.Option(
            "--caseload", metavar="FILE", help="Who is on a caseload, for coverage: patient_id, cohort, start and more."
        ),
    ] = None,
    history: Annotated[
        Path | None,
        typer.Option("--history", metavar="FOLDER", help="The metrics files of earlier months, for run charts."),
    ] = None,
    plan: Annotated[
        Path | None, typer.Option("--plan", metavar="FILE", help="The plan: metric, level, area, date, value.")
    ] = None,
    no_disclosure_control: Annotated[
        bool, typer.Option("--no-disclosure-control", help="Exact counts, for direct care only.")
    ] = False,
    threads: options.Threads = None,
    encoding: options.Encoding = "utf-8",
    as_json: options.AsJson = False,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """Count people by area and group; writes OUTPUT, without a row of any person, and OUTPUT.run.json."""
    date = options.parse_date(as_of)
    from popstrat.metrics.request import Request, groupings_of, levels_of
    from popstrat.metrics.run import run_metrics

    request = Request(
        levels_of(level or ()), groupings_of(group_by or ()), tuple(metric) if metric else None, previous=previous,
        caseload=caseload, history=history, plan=plan, controlled=not no_disclosure_control,
    )  # fmt: skip
    with warnings_as_notices():
        scorer = request.scorer(pack, date, profile.value)
    column_map = options.map_for_scorer(map_file, scorer)
    with progress_bar("Counting", quiet or as_json) as progress:
        record = run_metrics(
            inputs, output, scorer, request, mapping=column_map, threads=threads, progress=progress, encoding=encoding,
            force=force,
            options=options.recorded(
                inputs=inputs, output=output, as_of=as_of, pack=pack, map=map_file, profile=profile.value, level=level,
                group_by=group_by, metric=metric, previous=previous, caseload=caseload, history=history, plan=plan,
                disclosure_control=request.controlled, threads=threads, encoding=encoding,
            ),
        )  # fmt: skip
    log.record(record, output)
    if as_json:
        from popstrat.runs.record import summary

        print_json({**summary(record, output), **{k: record[k] for k in ("disclosure_control", "areas", "figures")}})
    elif not (quiet or log.is_json):
        from popstrat.pages.metrics import show

        show(record, output, open_console())
