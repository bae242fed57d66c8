"""``popstrat score``: a patient table scored, file to file."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from popstrat.cli import coded_record as record_options
from popstrat.cli import options
from popstrat.cli.terminal import open_console, print_summary, progress_bar

if TYPE_CHECKING:
    from popstrat.formats import Source
    from popstrat.runs.record import Record
    from popstrat.scoring.scorer import Scorer

app = typer.Typer(rich_markup_mode=None, add_completion=False)


class ImdRelease(StrEnum):
    """Which release of the Index of Multiple Deprivation `imd_decile` is from."""

    IMD_2019 = "2019"
    IMD_2025 = "2025"


@app.command()
def score(
    output: options.Output,
    inputs: options.InputsOrRecord = None,
    as_of: options.AsOf = None,
    pack: options.PackName = options.DEFAULT_PACK,
    map_file: options.MapFile = None,
    previous: options.Previous = None,
    profile: Annotated[
        options.Profile, typer.Option(help="secondary-use leaves out people who opted out.")
    ] = options.Profile.DIRECT_CARE,
    contributions: Annotated[
        int | None,
        typer.Option(
            "--contributions", min=1, max=64, metavar="K", help="List each patient's K largest contributions."
        ),
    ] = None,
    partition_by: Annotated[
        str | None,
        typer.Option(
            "--partition-by", metavar="COLUMN", help="Write a folder (-o DIR) with a file for each value of COLUMN."
        ),
    ] = None,
    reasons: Annotated[
        bool, typer.Option("--reasons", help="Add columns with the reasons in words, and what there is to do.")
    ] = False,
    threads: options.Threads = None,
    encoding: options.Encoding = "utf-8",
    patients: record_options.Patients = None,
    registrations: record_options.Registrations = None,
    events: record_options.Events = None,
    medications: record_options.Medications = None,
    activity: record_options.Activity = None,
    codelists: record_options.Codelists = None,
    layout: record_options.LayoutName = record_options.DEFAULT_LAYOUT,
    spec: record_options.SpecName = record_options.DEFAULT_SPEC,
    allow_missing_lists: record_options.AllowMissingLists = False,
    imd_release: Annotated[
        ImdRelease | None, typer.Option(help="The release of imd_decile, for the run record.")
    ] = None,
    audit_file: options.AuditFile = None,
    as_json: options.AsJson = False,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """Score a patient table, or a coded record (--events); writes OUTPUT and OUTPUT.run.json."""
    date = options.parse_date(as_of)
    coded = record_options.instead_of(
        inputs, events, map_file,
        {"--patients": patients, "--registrations": registrations, "--medications": medications,
         "--activity": activity, "--codelists": codelists, "--allow-missing-lists": allow_missing_lists},
    )  # fmt: skip
    from popstrat.runs.score import run_score

    scorer = options.make_scorer(pack, date, profile, contributions)
    column_map = options.map_for_scorer(map_file, scorer)
    sentences = None
    if reasons:
        from popstrat.reasons.sentences import Sentences

        sentences = Sentences(scorer)
    release = imd_release.value if imd_release else None
    recorded = options.recorded(
        inputs=inputs, output=output, as_of=as_of, pack=pack, map=map_file, previous=previous, profile=profile.value,
        contributions=contributions, partition_by=partition_by, reasons=reasons or None,
        threads=threads, encoding=encoding, imd_release=release,
        patients=patients, registrations=registrations, events=events, medications=medications, activity=activity,
        codelists=codelists, layout=layout if coded else None, spec=spec if coded else None,
    )  # fmt: skip

    def run(given: list[str] | Source) -> Record:
        with progress_bar("Scoring", quiet or as_json) as progress:
            return run_score(
                given,
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
                options=recorded,
                besides=sentences,
                partition_by=partition_by,
            )

    if coded:
        from popstrat.runs.derived_list import with_derived

        record = record_options.coded_record(
            patients, registrations, events, medications, activity, codelists, layout, spec, encoding,
            allow_missing_lists,
        )  # fmt: skip
        found = with_derived(record, date, run, threads=threads, spill_dir=output.parent)
    else:
        found = run(inputs or [])
    print_summary(found, scorer, output, as_json, quiet)
    if not (as_json or quiet):
        _tell_of_oddities(pack, scorer)


def _tell_of_oddities(name: str, scorer: Scorer) -> None:
    """One line where the check of a pack that is a file would warn of something; those that come with popstrat have
    been checked."""
    from popstrat.packs.read import builtin_name

    if builtin_name(name) is not None:
        return
    from popstrat.scoring.pack_check import oddities

    if count := len(oddities(scorer.pack, scorer.resolved)):
        told = f"{count} warning{'s' if count > 1 else ''} of the pack: popstrat packs check {name}"
        open_console().print(told, markup=False, highlight=False, soft_wrap=True)
