"""How complete the coded record behind a list is, as one HTML file: what is in doubt first, then every column, the
practices that stand out, and the rows that were set aside.

It holds exact counts, for whoever maintains the record; no patient's id. Small counts are not withheld.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from popstrat.core.hashing import HASH
from popstrat.core.numbers import NOTHING, count, day, decimal, percent, plural
from popstrat.core.rerun import pack_named
from popstrat.pages.charts.bars import Bar, bars
from popstrat.pages.design.parts import Cell, Figure, KeyFigure, Shell, Table, Text, Verdict
from popstrat.pages.design.render import render as render_page
from popstrat.pages.filling import judged
from popstrat.pages.report.quality import quality_of
from popstrat.pages.report.recorded_tables import columns_table, practices_table
from popstrat.runs.record import Record

_TEMPLATE = "pages/quality.html.j2"
_DRAWN, _NAMED = 12, 4
_MEANS = (
    "Expected: what people of these ages and sexes usually have. A column in doubt holds far less. Then the extract "
    "may lack a code list, a table or a practice, and every figure that rests on the column is too low."
)
_PRACTICES = (
    "These have less than a third, or more than three times, of what people of the same ages and sexes have in the "
    "whole list, and not by chance. Ask first whether the practice codes otherwise, or its extract is cut short."
)


def render(record: Record) -> str:
    """The page of the run record of a derivation, as text."""
    quality = record["data_quality"]
    return render_page(
        _TEMPLATE,
        _shell(record),
        verdict=_verdict(quality, record["warnings"]),
        keys=_keys(record),
        drawn=_drawn(quality),
        practices=_practices(quality),
        columns=columns_table(quality_of(quality, "the derivation", controlled=False)),
        aside=[table for table in (_set_aside(record), _people(record)) if table.rows],
        said=[*record["warnings"], *record["notices"]],
        means=_MEANS,
        about_practices=_PRACTICES,
    )


def _shell(record: Record) -> Shell:
    program = record["program"]
    made = f"{pack_named(record['pack'])}, by {program['name']} {program['version']}"
    files = [f"{one['table']}: {one['name']}, SHA-256 {str(one[HASH])[:12]}…" for one in record["inputs"]]
    return Shell(
        "How complete the coded record is",
        (f"The record as of {day(record['as_of'])}, derived by {pack_named(record['pack'])}",),
        provenance=(f"As of {day(record['as_of'])}, {made}.", *files),
        private="Exact counts: for whoever maintains the record. Do not publish or pass on.",
        tab=f"The coded record, {day(record['as_of'])}",
    )


def _doubtful(quality: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [one for one in judged(quality) if one["doubtful"]]


def _verdict(quality: Mapping[str, Any], warnings: list[str]) -> Verdict:
    doubtful, practices = _doubtful(quality), quality["practices"]
    tested = len(judged(quality))
    because: list[Text] = []
    if not quality["people"]:
        return Verdict("Nobody is on the list.", rag="red", means="nothing to judge")
    if doubtful:
        named = ", ".join(f"“{one['title']}”" for one in doubtful[:_NAMED])
        more = f" and {count(len(doubtful) - _NAMED)} more" if len(doubtful) > _NAMED else ""
        say = f"{plural(len(doubtful), 'column')} of {count(tested)} hold far less than expected: {named}{more}."
    else:
        say = f"No column is in doubt: all {count(tested)} hold about what people of these ages and sexes have."
    if practices:
        first = practices[0]
        because.append(
            f"{plural(len(practices), 'practice')} differ from the whole list by a factor of three: "
            f"{first['practice_code']} in {plural(len(first['columns']), 'column')}"
            + (", and others." if len(practices) > 1 else ".")
        )
    else:
        because.append("No practice differs from the whole list by a factor of three in any column.")
    if warnings:
        because.append(f"The run gave {plural(len(warnings), 'warning')}, at the end of this page.")
    return Verdict(
        say, because, "amber" if doubtful else "green", "some columns are in doubt" if doubtful else "as expected"
    )


def _keys(record: Record) -> list[KeyFigure]:
    quality = record["data_quality"]
    filled = sum(one["people"] > 0 for one in quality["columns"])
    rows = sum(of["rows"] for of in record["derived"]["rows"].values())
    return [
        KeyFigure(count(quality["people"]), "registered people"),
        KeyFigure(count(filled), "columns hold something", f"of {count(len(quality['columns']))}"),
        KeyFigure(count(len(_doubtful(quality))), "columns in doubt"),
        KeyFigure(count(len(quality["practices"])), "practices stand out"),
        KeyFigure(count(rows), "rows were read"),
    ]


def _drawn(quality: Mapping[str, Any]) -> Figure | None:
    """The columns in doubt, and those furthest from what is expected."""
    shown = judged(quality)[:_DRAWN]
    if not shown or not quality["people"]:
        return None
    rows: list[list[Text | Cell]] = []
    drawn = []
    for one in shown:
        per, expected = float(one["per_1000"]), float(one["expected_per_1000"])
        drawn.append(
            Bar(
                one["title"],
                per,
                decimal(per, 1),
                beside=expected,
                colour="mark-amber" if one["doubtful"] else "mark-1",
            )
        )
        rows.append([one["title"], decimal(per, 1), decimal(expected, 1), _of(one), "in doubt" * one["doubtful"]])
    table = Table(
        "furthest-t",
        "Columns in doubt, then those furthest from what is expected",
        ("Column", "Per 1,000 people", "Expected", "Of expected", "In doubt"),
        rows,
        frozenset({1, 2, 3}),
        "People with a value, or of whom it is true, per 1,000",
    )
    chart = bars(drawn, unit="per 1,000 people", beside="expected")
    title = "In doubt, then furthest from what is expected"
    return Figure("furthest-f", title, chart, table, "People with a value, or of whom it is true, per 1,000")


def _of(one: Mapping[str, Any]) -> Text:
    return NOTHING if one.get("of_expected") is None else percent(float(one["of_expected"]))


def _practices(quality: Mapping[str, Any]) -> Table | None:
    found = quality_of(quality, "the derivation", controlled=False).practices
    return practices_table(found) if found else None


def _set_aside(record: Record) -> Table:
    """The rows that were no use, or were read otherwise than they stand."""
    rows: list[list[Text | Cell]] = []
    for name, of in record["derived"]["rows"].items():
        for reason, number in of.items():
            if number and reason != "rows":
                share = percent(number / of["rows"]) if of["rows"] else NOTHING
                rows.append([f"{name}: {reason.replace('_', ' ')}", count(number), share])
    heads = ("Table and reason", "Rows", "Of its rows")
    return Table("rows-t", "Rows that were not used, or read otherwise", heads, rows, frozenset({1, 2}))


def _people(record: Record) -> Table:
    """Who is not on the list, and what was odd."""
    rows: list[list[Text | Cell]] = [
        [f"{name}: {reason.replace('_', ' ')}", count(number)]
        for name, of in record["derived"]["people"].items()
        for reason, number in of.items()
        if number and reason != "rows"
    ]
    caption = "Patients and registrations that were left out, or odd"
    return Table("people-t", caption, ("Table and reason", "Rows"), rows, frozenset({1}))
