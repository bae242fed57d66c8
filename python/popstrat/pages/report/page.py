"""The page of an area: its sentences, its key figures and its sections."""

from __future__ import annotations

from collections.abc import Mapping

from popstrat.core.numbers import NOTHING, WITHHELD, count, day, percent
from popstrat.core.rerun import pack_named
from popstrat.pages.design.parts import KeyFigure, Text
from popstrat.pages.report.layout import Layout
from popstrat.pages.report.model import CALLED, SEVERAL, Area, Place, Report
from popstrat.pages.report.sections import SECTIONS, coverage, prize
from popstrat.pages.report.sentences import sentences
from popstrat.pages.report.teller import DEFINITIONS, RUN, Teller, inside, none
from popstrat.pages.report.views import Linked, Page


def page_of(report: Report, area: Area, files: Mapping[Place, str], layout: Layout) -> Page:
    """Everything that the page of an area says; ``files`` has the page of each area."""
    t = Teller(report, area, files, layout)
    crumbs = [Linked(report.title(place), href=files[place]) for place in area.above]
    found = [section for make in SECTIONS if (section := make(t)) is not None]
    return Page(report.title(area.place), _under(t), crumbs, sentences(t), _keys(t), found, _provenance(report))


def _under(t: Teller) -> list[Text]:
    report = t.report
    inside = [
        f"{len(places):,} {CALLED[level] if len(places) == 1 else SEVERAL[level]}"
        for level, places in t.area.below.items()
    ]
    lines: list[Text] = [f"Figures of {day(report.as_of)}{', of ' + ', '.join(inside) if inside else ''}"]
    if not report.now.controlled:
        lines.append("Exact counts: for direct care alone, not for publication.")
    return lines


def _keys(t: Teller) -> list[KeyFigure]:
    """The numbers that stand large."""
    found = []
    people = t.registered()
    if people is not None:
        found.append(KeyFigure(count(people), "registered people"))
    mine = coverage.reached(t, t.area)
    if mine.on is not None or mine.withheld:
        floor = "" if mine.floor is None else f"floor {coverage.floor_text(mine.floor)}"
        found.append(KeyFigure(WITHHELD if mine.withheld else count(mine.on), "on the caseload", floor))
    elif mine.floor is not None:
        found.append(KeyFigure(coverage.floor_text(mine.floor), "people to be supported", "the floor"))
    for colours in t.layout.colours[-1:]:
        red = t.get(colours.red)
        if red is not None:
            share = "" if red.value is None else f"{percent(red.value)}; "
            found.append(
                KeyFigure(
                    count(red.numerator, NOTHING if not red.suppressed else WITHHELD),
                    f"{colours.of} are red",
                    share + colours.title.partition(":")[0].lower(),
                )
            )
    for d in t.known(t.layout.headline[:1]):
        one = t.get(d.id)
        if one is not None:
            found.append(
                KeyFigure(
                    none(one) if one.value is None else percent(one.value),
                    inside(d.title),
                    "" if t.is_top else f"all practices: {_words(t, d.id)}",
                )
            )
    gains = prize.headline(t)
    if gains and prize.size(gains[0]) >= 1:
        first = gains[0]
        found.append(KeyFigure(count(prize.size(first)), prize.possible(first), prize.condition(t, first)))
    return found


def _words(t: Teller, metric: str) -> str:
    one = t.report.get(t.top, metric)
    return none(one) if one is None or one.value is None else percent(one.value)


def _provenance(report: Report) -> list[Text | Linked]:
    """Which run the figures come from, and where that and their definitions are told."""
    record = report.record
    program = record.get("program") or {}
    made = f"{program.get('name', 'popstrat')} {program.get('version', '')}".strip()
    control = "Disclosure controlled." if report.now.controlled else "Disclosure is not controlled."
    return [
        Linked(f"Definitions: {pack_named(record['pack'])}", href=DEFINITIONS),
        Linked(f"The run behind these figures: {report.now.path.name}, SHA-256 {report.now.sha256[:12]}…", href=RUN),
        f"Figures as of {day(report.as_of)}, by {made}. {control}",
    ]
