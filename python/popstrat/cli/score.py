"""``popstrat score``: a patient table scored, file to file."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from popstrat.cli import options
from popstrat.cli.terminal import print_summary, progress_bar

app = typer.Typer(rich_markup_mode=None, add_completion=False)


class ImdRelease(StrEnum):
    """Which release of the Index of Multiple Deprivation `imd_decile` is from."""

    IMD_2019 = "2019"
    IMD_2025 = "2025"


@app.command()
def score(
    inputs: options.Inputs,
    output: options.Output,
    as_of: options.AsOf = None,
    pack: options.PackName = options.DEFAULT_PACK,
    map_file: options.MapFile = None,
    previous: options.Previous = None,
    profile: Annotated[
        options.Profile, typer.Option(help="secondary-use leaves out opt-outs.")
    ] = options.Profile.DIRECT_CARE,
    contributions: Annotated[
        int | None,
        typer.Option(
            "--contributions", min=1, max=64, metavar="K", help="List each patient's K largest contributions."
        ),
    ] = None,
    threads: options.Threads = None,
    encoding: options.Encoding = "utf-8",
    imd_release: Annotated[ImdRelease | None, typer.Option(help="Release of imd_decile, for the record.")] = None,
    audit_file: options.AuditFile = None,
    as_json: options.AsJson = False,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """Score a patient table; writes OUTPUT and OUTPUT.run.json."""
    date = options.parse_date(as_of)
    from popstrat.runs.score import run_score

    scorer = options.make_scorer(pack, date, profile, contributions)
    column_map = options.map_for_scorer(map_file, scorer)
    release = imd_release.value if imd_release else None
    with progress_bar("Scoring", quiet or as_json) as progress:
        record = run_score(
            inputs,
            output,
            scorer,
            mapping=column_map,
            threads=threads,
            progress=progress,
            imd_release=release,
            encoding=encoding,
            audit_log=options.audit_log(audit_file),
            force=force,
            previous=previous,
            options=options.recorded(
                inputs=inputs, output=output, as_of=as_of, pack=pack, map=map_file, previous=previous,
                profile=profile.value, contributions=contributions, threads=threads, encoding=encoding,
                imd_release=release,
            ),
        )  # fmt: skip
    print_summary(record, scorer, output, as_json, quiet)
