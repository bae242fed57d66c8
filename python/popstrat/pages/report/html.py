"""Pages as HTML: those of areas, of the definitions and of the runs."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from markupsafe import Markup

from popstrat.core.hashing import HASH
from popstrat.core.numbers import NOTHING, count, day, percent, stated
from popstrat.core.rerun import pack_named
from popstrat.metrics.coverage import GAP
from popstrat.metrics.rows import Level
from popstrat.pages.design.parts import Cell, Figure, Link, Shell, Table, Text, Verdict
from popstrat.pages.design.render import render
from popstrat.pages.report.layout import layout
from popstrat.pages.report.model import CALLED, EVERYBODY, SEVERAL, Area, Definition, Place, Report
from popstrat.pages.report.names import INDEX
from popstrat.pages.report.read import Month
from popstrat.pages.report.teller import DEFINITIONS, RUN, divided, plain
from popstrat.pages.report.thresholds import Threshold, pack_of, thresholds
from popstrat.pages.report.views import Block, Linked, Page, Sentence, Side

_MOST_OPEN = 40
_GOOD = {"high": "high is good", "low": "low is good", "none": "neither high nor low is good"}
_MEASURES = {
    "proportion": "share of people",
    "rate_per_1000": "per 1,000 people",
    "coverage": "share of people",
    "floor": "people, the least",
}
PRIVATE = "Exact counts: for direct care alone. Do not publish or pass on."


def area_html(report: Report, area: Area, page: Page, files: Mapping[Place, str]) -> str:
    """The page of an area."""
    shell = Shell(
        page.title,
        page.under,
        [Link(one.text, one.href) for one in page.crumbs],
        _beside(files[area.place]),
        [_linked(line) for line in page.provenance],
        private="" if report.now.controlled else PRIVATE,
        tab=f"{page.title}, {day(report.as_of)}",
    )
    shown = [(section, _beside_each_other(section.blocks)) for section in page.sections]
    return render(
        "pages/report.html.j2",
        shell,
        sections=shown,
        verdict=_verdict(page),
        keys=page.keys,
        below=_below(report, area, files),
    )


def _beside_each_other(blocks: Sequence[Block]) -> list[Block]:
    """The blocks with figures that follow each other side by side."""
    found: list[Block] = []
    for figures, some in itertools.groupby(blocks, lambda block: isinstance(block, Figure)):
        listed = list(some)
        found += [Side([one for one in listed if isinstance(one, Figure)])] if figures and len(listed) > 1 else listed
    return found


def _beside(here: str) -> list[Link]:
    pages = ((INDEX, "Overview"), (DEFINITIONS, "Definitions"), (RUN, "The runs behind the figures"))
    return [Link(label, href, href == here) for href, label in pages]


def _linked(line: Text | Cell) -> Text:
    return Markup(line.__html__()) if isinstance(line, Linked) else line.text if isinstance(line, Cell) else line


def _verdict(page: Page) -> Verdict:
    said = [_sentence(one) for one in page.sentences]
    first = page.sentences[0] if page.sentences else None
    return Verdict(
        said[0] if said else "There are no figures to speak of first.",
        said[1:],
        first.rag if first else "",
        first.means if first else "",
    )


def _sentence(one: Sentence) -> Markup:
    return Markup('{} <a href="#{}">the figures</a>').format(one.text, one.section)


def _below(report: Report, area: Area, files: Mapping[Place, str]) -> list[tuple[str, list[Link], bool]]:
    """The areas in one, by level: heading, links and whether they are folded away."""
    found = []
    for level, places in area.below.items():
        links = [Link(report.named(place), files[place]) for place in places]
        called = CALLED[level] if len(places) == 1 else SEVERAL[level]
        found.append((f"{len(places):,} {called}", links, len(places) > _MOST_OPEN))
    return found


# -- definitions -------------------------------------------------------------------------------------------------------


def definitions_html(report: Report) -> str:
    """The page of all definitions."""
    shell = Shell(
        "Definitions",
        [f"{pack_named(report.record['pack'])}: {report.record['pack'].get('title', '')}"],
        [Link(report.called, INDEX)],
        _beside(DEFINITIONS),
        _of_run(report),
    )
    pack, planned = pack_of(report.record), _planned(report)
    shown = [
        {
            "id": d.id,
            "title": d.title,
            "means": plain(report, layout(), d.means),
            "facts": [(name, plain(report, layout(), said)) for name, said in _facts(d, planned, report)],
            "limits": [] if pack is None else [_plain(report, one) for one in thresholds(pack, d.id)],
            "rules": _rules(d),
        }
        for d in report.definitions.values()
    ]
    return render("pages/report_definitions.html.j2", shell, definitions=shown, known=pack is not None)


def _plain(report: Report, one: Threshold) -> Threshold:
    return Threshold(*(plain(report, layout(), text) for text in (one.what, one.value, one.source)))


def _facts(d: Definition, planned: frozenset[str], report: Report) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    if d.reason is not None:
        found.append(("Not computed", d.reason))
    found.append(("Measure", f"{_MEASURES.get(d.measure, d.measure.replace('_', ' '))}; {_GOOD.get(d.good, d.good)}"))
    if d.target is not None:
        value = stated(d.target) if d.measure != "rate_per_1000" else f"{d.target:g} per 1,000"
        found.append(("Target", f"{value}, from: {d.source or 'no source given'}"))
    if d.id in planned:
        file = (report.record.get("options") or {}).get("plan")
        name = (
            f"the file {PurePath(str(file)).name}, which was given as the plan" if file else "the plan that was given"
        )
        found.append(("Planned values", f"by area and date, from {name}"))
    found.append(("Source", d.source or NOTHING))
    if d.assumption and d.assumption != d.source:
        found.append(("Assumption", d.assumption))
    if d.caveat:
        found.append(("To be borne in mind", d.caveat))
    found.append(("Version", d.version))
    return found


def _rules(d: Definition) -> list[tuple[str, Markup]]:
    """What programs go by, in the pack's own language: for who checks it."""
    found = [("Name in files", Markup("<code>{}</code>").format(d.id))]
    if d.numerator:
        found.append(("Counted", Markup("<code>{}</code>").format(d.numerator)))
    of = " and ".join(part for part in (d.cohort if d.cohort != EVERYBODY else "", d.denominator) if part)
    if of:
        found.append(("Of whom", Markup("<code>{}</code>").format(of)))
    return found


def _planned(report: Report) -> frozenset[str]:
    """The metrics that the plan has values for."""
    found = set()
    for area in report.areas.values():
        for key, one in area.figures.items():
            d = report.definitions.get(key.metric)
            if one.trajectory is not None or (d is not None and one.target not in (None, d.target) and key == d.key):
                found.add(key.metric.removesuffix(GAP))
            elif key.group_by == "quarter":
                found.add(key.metric.removesuffix("_plan"))
    return frozenset(found)


# -- runs --------------------------------------------------------------------------------------------------------------


def run_html(report: Report) -> str:
    """The page of the runs: which files, programs and definitions the figures come from, and what may be shown."""
    shell = Shell(
        "The runs behind the figures",
        [f"Figures as of {day(report.as_of)}"],
        [Link(report.called, INDEX)],
        _beside(RUN),
        _of_run(report),
    )
    parts: list[tuple[str, Sequence[Any]]] = [
        ("The metrics file of this month", [_run_facts(report.now)]),
        ("All months on these pages", [_months(report.months)]),
        ("Disclosure control", _disclosure(report)),
    ]
    notices = [text for word in ("warnings", "notices") for text in report.record.get(word, ())]
    if notices:
        parts.append(("What the run said", [plain(report, layout(), str(text)) for text in notices]))
    return render("pages/report_run.html.j2", shell, parts=parts)


def _of_run(report: Report) -> list[Text]:
    return [f"{report.now.path.name}, SHA-256 {report.now.sha256}"]


def _run_facts(month: Month) -> list[tuple[str, str]]:
    record = month.record
    program, pack = record.get("program") or {}, record["pack"]
    found = [
        ("File", f"{month.path.name}, SHA-256 {month.sha256}"),
        ("Its record", f"SHA-256 {month.record_sha256}"),
        ("As of", day(month.as_of)),
        ("Definitions", f"{pack_named(pack)}, SHA-256 {pack.get(HASH, NOTHING)}"),
        ("Program", f"{program.get('name', '')} {program.get('version', '')}, SHA-256 {program.get(HASH, NOTHING)}"),
        ("Profile", str(record.get("profile", NOTHING))),
        ("Made", day(str(record.get("finished", ""))[:10])),
    ]
    for one in record.get("inputs", ()):
        found.append(("List read", f"{one.get('name')}, SHA-256 {one.get(HASH, NOTHING)}"))
    return found


def _months(months: Sequence[Month]) -> Table:
    rows: list[list[Text | Cell]] = [
        [
            day(one.as_of),
            one.path.name,
            pack_named(one.record["pack"]) or NOTHING,
            "controlled" if one.controlled else "exact counts",
            one.sha256[:16],
        ]
        for one in months
    ]
    return Table(
        "months-t",
        "Metrics files, the earliest first",
        ("As of", "File", "Definitions", "Disclosure", "SHA-256 begins"),
        rows,
        sortable=False,
    )


def _disclosure(report: Report) -> list[Any]:
    if not report.now.controlled:
        return ["Disclosure was not controlled: the counts are exact, for direct care alone."]
    told = report.record.get("disclosure") or {}
    found: list[Any] = []
    rules = [
        ("Counts withheld", f"under {told.get('smallest', NOTHING)}"),
        ("Other counts rounded to the nearest", str(told.get("round_to", NOTHING))),
    ]
    earlier = told.get("earlier_releases")
    if isinstance(earlier, Mapping):
        rules.append(("Earlier releases looked at", str(earlier.get("months", 0))))
    found.append(rules)
    rows: list[list[Text | Cell]] = [
        [
            CALLED.get(_level(one["level"]), one["level"]),
            divided(one["group_by"]),
            count(one["over_7"]),
            count(one["withheld"]),
            percent(one["share"], none=NOTHING),
        ]
        for one in told.get("withheld_to_protect_others", ())
    ]
    if rows:
        found.append(
            Table(
                "cost-t",
                "Counts over 7 that are withheld so that others cannot be worked out",
                ("Level", "Divided by", "Counts over 7", "Withheld", "Share"),
                rows,
                frozenset({2, 3, 4}),
            )
        )
    return found


def _level(name: str) -> Level:
    try:
        return Level(name)
    except ValueError:
        return Level.ICB
