"""``popstrat explain``: the reasons for patients' results, and what there is to do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from popstrat.cli import coded_record as record_options
from popstrat.cli import options
from popstrat.cli.terminal import open_console
from popstrat.errors import InputError

if TYPE_CHECKING:
    from popstrat.reasons.findings import Explanation
    from popstrat.scoring.scorer import Scorer

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def explain(
    patient: Annotated[
        list[str],
        typer.Option(
            "--patient", metavar="ID", help="The id; - reads ids from standard input. May be given more than once."
        ),
    ],
    inputs: options.InputsOrRecord = None,
    as_of: options.AsOf = None,
    pack: options.PackName = options.DEFAULT_PACK,
    map_file: options.MapFile = None,
    short: Annotated[bool, typer.Option("--short", help="Only the five lines.")] = False,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page to print, instead of to the terminal.")
    ] = None,
    costs: Annotated[bool, typer.Option("--costs", help="Show costs too.")] = False,
    lookup: Annotated[
        Path | None,
        typer.Option(
            "--lookup", metavar="FILE", help="Keys to NHS numbers; standard input then has NHS numbers. Logged."
        ),
    ] = None,
    settings: Annotated[
        Path | None, typer.Option("--settings", metavar="FILE", help="As for `upload`: names of the lookup's columns.")
    ] = None,
    audit_file: options.AuditFile = None,
    force: options.Force = False,
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
    """Show the reasons for patients' results, and what to do: in five lines, then rule by rule and term by term;
    with --events down to the coded events."""
    date = options.parse_date(as_of)
    coded = record_options.instead_of(
        inputs, events, map_file,
        {"--patients": patients, "--registrations": registrations, "--medications": medications,
         "--activity": activity, "--codelists": codelists, "--allow-missing-lists": allow_missing_lists},
    )  # fmt: skip
    if lookup is not None and patient != ["-"]:
        raise InputError("--lookup takes NHS numbers from standard input alone: give --patient -")
    options.refuse_replacing(html, force)
    asked = options.given_ids(patient)
    # not above: --help does not wait for Arrow
    from popstrat.reasons.sentences import Sentences
    from popstrat.reasons.trace import counted, trace

    scorer = options.make_scorer(pack, date, options.Profile.DIRECT_CARE, besides=counted)
    sentences = Sentences(scorer)
    log = options.audit_log(audit_file) if audit_file is not None or lookup is not None else None
    asked = _keys(asked, lookup, settings, log, scorer, html)
    if not coded:
        from popstrat.runs.find import find_patients

        column_map = options.map_for_scorer(map_file, scorer)
        rows = find_patients(
            inputs or [], asked, scorer, mapping=column_map, encoding=encoding, besides=sentences.columns_needed
        )
        _show([trace(scorer, row, sentences) for row in rows], html, short, costs)
        return
    from popstrat.deriving.derivation import open_record
    from popstrat.pages.explain_record import show_record
    from popstrat.runs.find_derived import code_in_words, find_derived

    given = record_options.coded_record(
        patients, registrations, events, medications, activity, codelists, layout, spec, encoding, allow_missing_lists
    )
    derivation = open_record(given, date)
    found = [find_derived(derivation, one) for one in asked]
    explanations = [trace(scorer, row, sentences) for row, _ in found]
    if html is not None or short:
        _show(explanations, html, short, costs)
        return
    for number, (explanation, (_, derived)) in enumerate(zip(explanations, found, strict=True), 1):
        _show([explanation], None, short, costs, number, len(found))
        show_record(
            derived, derivation.features, scorer.columns, lambda one: code_in_words(derivation, one), open_console()
        )


def _show(
    explanations: list[Explanation], html: Path | None, short: bool, costs: bool, first: int = 1, of: int | None = None
) -> None:
    """On the terminal, or as a page."""
    if html is not None:
        from popstrat.pages.explain_page import write

        write(explanations, html, brief=short, costs=costs)
        return
    from popstrat.pages.explain import show

    console = open_console()
    of = len(explanations) if of is None else of
    for number, explanation in enumerate(explanations, first):
        if of > 1:
            console.rule(f"Patient {number} of {of}, in the order asked for")
        show(explanation, console, brief=short, costs=costs)


def _keys(
    asked: list[str], lookup: Path | None, settings: Path | None, log: Path | None, scorer: Scorer, html: Path | None
) -> list[str]:
    """The keys of those asked for, by the lookup if they are NHS numbers; a line in the audit log before anybody is
    seen. Raises `InputError`."""
    if settings is not None and lookup is None:
        raise InputError("--settings says what the columns of --lookup are called, and none is given")
    fields: dict[str, Any] = {}
    if lookup is not None:
        from popstrat.upload.lookup import open_lookup
        from popstrat.upload.policy import check_logged
        from popstrat.upload.templates.settings import load_settings
        from popstrat.upload.who import keys_of

        who = open_lookup(lookup, load_settings(settings))
        check_logged(who, log is not None)
        fields["lookup_sha256"] = who.sha256
    if log is not None:
        from popstrat.privacy import audit_log

        pack = scorer.pack_record
        fields |= {
            "as_of": scorer.as_of.isoformat(),
            "pack": f"{pack['id']} {pack['version']}",
            "pack_sha256": pack["sha256"],
            "asked_for": len(asked),
            "re_identified": lookup is not None,
            "page": None if html is None else html.name,
        }
        audit_log.ready(log, [file for file in (lookup, settings, html) if file is not None])
        audit_log.append(log, "explain", **fields)
    return asked if lookup is None else keys_of(who, asked)
