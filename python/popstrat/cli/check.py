"""``popstrat check``: a patient table against the contract."""

from __future__ import annotations

from typing import Annotated

import typer

from popstrat.cli import options
from popstrat.cli.terminal import print_json, print_summary, progress_bar
from popstrat.errors import InputError

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def check(
    inputs: options.Inputs,
    as_of: options.AsOf = None,
    pack: options.PackName = options.DEFAULT_PACK,
    map_file: options.MapFile = None,
    previous: options.Previous = None,
    profile: Annotated[
        options.Profile, typer.Option(help="secondary-use needs the opt-out columns.")
    ] = options.Profile.DIRECT_CARE,
    fail_on: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-on",
            metavar="LIMIT",
            help="End with status 2 if this limit is exceeded: warnings, implausible=PERCENT, "
            "implausible.COLUMN=PERCENT, "
            "missing.COLUMN=PERCENT, absent.COLUMN. May be given more than once.",
        ),
    ] = None,
    quality: Annotated[
        bool, typer.Option("--quality", help="Also show how complete each column is, and which practices stand out.")
    ] = False,
    threads: options.Threads = None,
    encoding: options.Encoding = "utf-8",
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Check a patient table and count implausible values; nothing is scored or written."""
    date = options.parse_date(as_of)
    from popstrat.runs.check import run_check
    from popstrat.runs.limits import broken, parse_limit

    scorer = options.make_scorer(pack, date, profile)
    limits = [parse_limit(text, scorer.pack.schema) for text in fail_on or ()]
    column_map = options.map_for_scorer(map_file, scorer)
    with progress_bar("Checking", quiet or as_json) as progress:
        try:
            record = run_check(
                inputs,
                scorer,
                mapping=column_map,
                threads=threads,
                progress=progress,
                encoding=encoding,
                options=options.recorded(
                    inputs=inputs, as_of=as_of, pack=pack, map=map_file, previous=previous, profile=profile.value,
                    fail_on=fail_on, quality=quality or None, threads=threads,
                ),
                previous=previous,
                quality=quality,
            )  # fmt: skip
        except InputError as error:
            if as_json:
                print_json({"faults": [fault.record() for fault in getattr(error, "faults", [error])]})
            raise
    failed = broken(record, limits, scorer.pack.schema, which=quiet and not as_json)
    print_summary(record | ({"failed": failed} if limits else {}), scorer, None, as_json, quiet)
    if failed:
        raise InputError("\n  ".join(["not within the limits of --fail-on:", *failed]))
