"""``popstrat explain``: why a patient got what they got."""

from __future__ import annotations

from typing import Annotated

import typer

from popstrat.cli import coded_record as record_options
from popstrat.cli import options
from popstrat.cli.terminal import open_console

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def explain(
    patient: Annotated[str, typer.Option("--patient", metavar="ID", help="The id; - reads it from standard input.")],
    inputs: options.InputsOrRecord = None,
    as_of: options.AsOf = None,
    pack: options.PackName = options.DEFAULT_PACK,
    map_file: options.MapFile = None,
    patients: record_options.Patients = None,
    registrations: record_options.Registrations = None,
    events: record_options.Events = None,
    medications: record_options.Medications = None,
    activity: record_options.Activity = None,
    codelists: record_options.Codelists = None,
    layout: record_options.LayoutName = record_options.DEFAULT_LAYOUT,
    spec: record_options.SpecName = record_options.DEFAULT_SPEC,
    allow_missing_lists: record_options.AllowMissingLists = False,
    encoding: options.Encoding = "utf-8",
) -> None:
    """Show why a patient got what they got, rule by rule and term by term; with --events down to the coded events."""
    date = options.parse_date(as_of)
    coded = record_options.instead_of(
        inputs, events, map_file,
        {"--patients": patients, "--registrations": registrations, "--medications": medications,
         "--activity": activity, "--codelists": codelists, "--allow-missing-lists": allow_missing_lists},
    )  # fmt: skip
    patient = options.given_id(patient)
    # not above: --help does not wait for Arrow
    from popstrat.pages.explain import show
    from popstrat.reasons.trace import counted, trace

    scorer = options.make_scorer(pack, date, options.Profile.DIRECT_CARE, besides=counted)
    if not coded:
        from popstrat.runs.find import find_patient

        column_map = options.map_for_scorer(map_file, scorer)
        row = find_patient(inputs or [], patient, scorer, mapping=column_map, encoding=encoding)
        show(trace(scorer, row), open_console())
        return
    from popstrat.deriving.derivation import open_record
    from popstrat.pages.explain_record import show_record
    from popstrat.runs.find_derived import code_in_words, find_derived

    given = record_options.coded_record(
        patients, registrations, events, medications, activity, codelists, layout, spec, encoding, allow_missing_lists
    )
    derivation = open_record(given, date)
    row, derived = find_derived(derivation, patient)
    show(trace(scorer, row), open_console())
    show_record(
        derived, derivation.features, scorer.columns, lambda one: code_in_words(derivation, one), open_console()
    )
