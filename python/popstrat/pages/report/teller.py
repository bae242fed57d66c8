"""How figures are said on a page: with their units, as cells, with links to what they mean and to other pages."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from popstrat.core.numbers import NOTHING, WITHHELD, count, decimal, percent, percentage_points, span, stated
from popstrat.metrics.rows import Level
from popstrat.pages.charts.chart import Chart
from popstrat.pages.design.parts import Cell, Table, Text, number_cell
from popstrat.pages.design.parts import Figure as Drawn
from popstrat.pages.report.layout import Kind, Layout
from popstrat.pages.report.model import CALLED, RATE, SEVERAL, SHARE, Area, Definition, Figure, Key, Place, Report
from popstrat.pages.report.views import Linked

DEFINITIONS, RUN = "definitions.html", "run.html"
EVERYWHERE = "All practices"
"""What a column is headed that has the whole list's figures."""
_RATES = (RATE, "standardised_rate")
POSITIONS = {
    -2: "below the 99.8% limits",
    -1: "below the 95% limits",
    0: "within the limits",
    1: "above the 95% limits",
    2: "above the 99.8% limits",
}


_NAME = re.compile(r"\b[a-z][a-z0-9]*(?:_[a-z0-9]+)+\b")
"""A name that programs use."""


class Teller:
    """Says figures of one area; ``files`` has each area's page."""

    def __init__(self, report: Report, area: Area, files: Mapping[Place, str], layout: Layout) -> None:
        self.report, self.area, self.files, self.layout = report, area, files, layout
        self.top = report.top
        self.is_top = area is report.top

    # -- what there is -------------------------------------------------------------------------------------------------

    def get(self, metric: str, group_by: str = "none", group: str | None = None, **of: Any) -> Figure | None:
        """A figure of this area."""
        return self.report.get(self.area, metric, group_by, group, **of)

    def definition(self, metric: str) -> Definition | None:
        """What the record says of a metric that is computed; None for others."""
        found = self.report.definitions.get(metric)
        return None if found is None or found.reason is not None else found

    def known(self, metrics: Sequence[str]) -> list[Definition]:
        """Those of some metrics that the file has."""
        return [found for found in map(self.definition, metrics) if found is not None]

    def kind(self, d: Definition) -> Kind:
        """What kind of figure a metric is."""
        return self.layout.kind(d.id, is_rate(d))

    def key(self, metric: str, measure: str | None = None) -> Key:
        """Where a metric's figure of everybody is."""
        d = self.report.definitions[metric]
        return replace(d.key, measure=measure or d.measure)

    def within(self) -> tuple[Level, list[Area]]:
        """The areas of the next level that lie in this one, and which level that is."""
        for level in self.report.levels:
            if level is Level.PCN and self.area.level is Level.NEIGHBOURHOOD:
                continue
            found = self.report.within(self.area, level)
            if found and level is not self.area.level:
                return level, found
        return self.area.level, []

    def called(self, level: Level, *, several: bool = False) -> str:
        """A level as it heads a column (``Place``), or ``several`` of it in a sentence (``places``)."""
        return SEVERAL[level] if several else "PCN" if level is Level.PCN else CALLED[level].capitalize()

    def practices(self) -> list[Area]:
        """The practices in this area; of a practice itself alone."""
        if self.area.level is Level.PRACTICE:
            return [self.area]
        return self.report.within(self.area, Level.PRACTICE)

    def registered(self, area: Area | None = None) -> int | None:
        """The registered people, as shown."""
        area = area or self.area
        coverage = self.layout.coverage
        for metric, measure in ((coverage.floor, "floor"), (coverage.eligible, SHARE), (coverage.caseload, "coverage")):
            found = self.report.get(area, metric, measure=measure)
            if found is not None and found.denominator is not None:
                return found.denominator
        return None

    # -- cells ---------------------------------------------------------------------------------------------------------

    def metric(self, metric: str, label: str | None = None) -> Linked:
        """A metric's name, which leads to its definition."""
        at = metric if metric in self.report.definitions else self.layout.of(metric)
        return Linked(label or self.title(metric), href=f"{DEFINITIONS}#{at}" if at in self.report.definitions else "")

    def title(self, metric: str) -> str:
        """What a metric is called; never its name in the file."""
        return _title(self.report, self.layout, metric)

    def plain(self, text: str) -> str:
        """A text of the file without the names that programs use."""
        return plain(self.report, self.layout, text)

    def place(self, area: Area) -> Linked:
        """An area's name, which leads to its page."""
        return Linked(self.named(area), href=self.files[area.place])

    def named(self, area: Area) -> str:
        """An area as it is named in a table or a sentence."""
        return self.report.named(area.place)

    def cell(self, text: str, value: float | None) -> Text | Cell:
        """A number as it is written, sorted by what it is."""
        return number_cell(text, value)

    def number(self, value: float | None, figure: Figure | None = None) -> Text | Cell:
        """People: a number, or that it is withheld, or that there is none."""
        if value is None:
            return NOTHING if figure is None or not figure.suppressed else WITHHELD
        return self.cell(count(value), value)

    def value(self, d: Definition, figure: Figure | None) -> Text | Cell:
        """A figure's value in its unit."""
        if figure is None or figure.value is None:
            return none(figure)
        return self.cell(written(d, figure.value), figure.value)

    def raw(self, d: Definition, value: float | None) -> Text | Cell:
        """A number in a metric's unit; a dash for none."""
        return NOTHING if value is None else self.cell(written(d, value), value)

    def of_all(self, metric: str) -> Text | Cell:
        """What the whole list has."""
        d = self.report.definitions[metric]
        return self.value(d, self.report.get(self.top, metric))

    def last(self, d: Definition) -> Text | Cell:
        """What a metric was the month before: a value, or that it was withheld, or a dash."""
        value, then = self.before(d.id), self.report.before(self.area, d.key)
        return WITHHELD if value is None and then is not None and then[3] else self.raw(d, value)

    def before(self, metric: str) -> float | None:
        """A metric's value of the month before."""
        return self.report.previous(self.area, self.key(metric))


def _title(report: Report, layout: Layout, metric: str) -> str:
    found = report.definitions.get(metric)
    return found.title if found is not None else layout.title(metric)


def plain(report: Report, layout: Layout, text: str) -> str:
    """A text without the names that programs use: metrics by their titles, other names as words."""

    def said(found: re.Match[str]) -> str:
        name = found[0]
        if name in report.definitions or name in layout.derived:
            return f"“{_title(report, layout, name)}”"
        return name.replace("_", " ")

    return _NAME.sub(said, text)


def divided(by: str) -> str:
    """What people are divided by, in words: "sex, age" for ``sex+age_band``."""
    called = {
        "none": "nothing: everybody, or a whole cohort",
        "imd_quintile": "fifth of deprivation",
        "age_band": "age",
        "ethnicity_detailed": "detailed ethnicity",
        "movers": "movement",
    }
    return ", ".join(called.get(one, one.replace("_", " ")) for one in by.split("+"))


def grouped(by: str, group: str) -> str:
    """A group as it is headed; of two groupings at once "Female, 65–74"."""
    parts = group.split("+", by.count("+")) if "+" in by else [group]
    named = [part.replace("_", " ").replace("-", "–" if part[:1].isdigit() else "-") for part in parts]
    return ", ".join(part[:1].upper() + part[1:] for part in named)


def inside(title: str) -> str:
    """A title inside a sentence: without its capital, unless its first word has others (``HbA1c``, ``A&E``)."""
    return title[:1].lower() + title[1:] if title.partition(" ")[0][1:].islower() else title


def none(figure: Figure | None) -> str:
    """In the place of a value that there is not."""
    return WITHHELD if figure is not None and (figure.suppressed or "withheld" in (figure.reason or "")) else NOTHING


def is_rate(d: Definition) -> bool:
    """Whether its value is per 1,000 people."""
    return d.measure in _RATES


def written(d: Definition, value: float) -> str:
    """A value in the unit of its metric: 61.2%, 104.3."""
    return decimal(value, 1) if is_rate(d) else percent(value)


def changed(d: Definition, difference: float) -> str:
    """A difference of two values of a metric."""
    if is_rate(d):
        return ("+" if difference > 0 else "") + decimal(difference, 1)
    return percentage_points(difference)


def unit(d: Definition) -> str:
    """What its values are."""
    return "per 1,000 people" if is_rate(d) else "% of people"


def writer(d: Definition, target: float | None = None) -> Callable[[float], str]:
    """How a chart writes values of a metric; its target as somebody stated it."""
    return lambda value: aim(d, value) if value == target else written(d, value)


def aim(d: Definition, target: float) -> str:
    """A target, with the digits that it was given."""
    return f"{target:,.10g}" if is_rate(d) else stated(target)


def tick_writer(d: Definition) -> Callable[[float], str]:
    """How a chart writes the round values of its axis."""
    return (lambda value: f"{value:,.10g}") if is_rate(d) else stated


def interval(d: Definition, low: float | None, high: float | None) -> str:
    """From one limit to the other."""
    return NOTHING if low is None or high is None else span(written(d, low), written(d, high))


def worse(d: Definition, position: int) -> bool:
    """Whether lying there is the wrong side."""
    return (d.good == "high" and position < 0) or (d.good == "low" and position > 0)


def figure(
    ident: str,
    title: Text,
    chart: Chart,
    table: Table,
    under: Text = "",
    opened: bool = False,
    notes: Sequence[Text] = (),
) -> Drawn:
    """A chart with its table."""
    return Drawn(ident, title, chart, table, under, opened, notes)


def several(level: Level, number: int) -> str:
    """``3 practices``."""
    return f"{number:,} {CALLED[level] if number == 1 else SEVERAL[level]}"
