"""Who needs help, with what: every practice outside the limits of its size on the wrong side, in any figure.

It is no league table. Practices within the limits are not in it, and those outside stand in the order of the people
between them and the average. What would help people (their care, the use of hospitals) stands before the records to
complete: a gap in these may hide a need, and is none. How many points would lie outside by chance alone is said with
it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from popstrat.core.numbers import NOTHING, count, decimal
from popstrat.metrics.rows import Level
from popstrat.pages.design.parts import Cell, Table, Text
from popstrat.pages.report.model import Area, Definition, Figure
from popstrat.pages.report.teller import (
    EVERYWHERE,
    Teller,
    changed,
    interval,
    is_rate,
    worse,
)
from popstrat.pages.report.views import Block, Fold, Note, Section

ID = "help"
OUTER, INNER = 0.001, 0.025
"""The share of points that chance puts beyond the 99.8% and the 95% limits on one side."""
_OFTEN = 0.05
_SHORT, _MOST = 10, 300
_CARE, _RECORDS = "Help for people: outside the limits", "Records to complete: outside the limits"
_CHANCE = "What is beyond the 95% limits alone may well be chance: see how many are expected, below."
_EVERY = "Everything outside the limits"
_GAPS = "A gap in the record is not worse care, but it can hide it: what was not measured cannot be treated."
_MEANS = (
    "These practices lie outside the limits that chance allows for their size, on the worse side, in any figure. Ask "
    "why before anything else. Some beyond the 95% limits alone will be there by chance. It is no league table: "
    "practices that are in none of these lists do not differ from the average by more than chance."
)
_MEANS_HERE = (
    "In these figures the practice lies outside the limits that chance allows for its size, on the worse side. Ask why "
    "before anything else. Some beyond the 95% limits alone will be there by chance. In figures that are in none of "
    "these lists it does not differ from the average by more than chance."
)


@dataclass(frozen=True)
class Point:
    """A practice outside the limits of a figure on the wrong side. ``people`` are those between it and the average of
    all practices (of rates, events); None where that is not known."""

    area: Area
    definition: Definition
    figure: Figure
    average: float | None

    @property
    def outer(self) -> bool:
        """Whether it is outside the 99.8% limits."""
        return abs(self.figure.position) == 2

    @property
    def people(self) -> float | None:
        one = self.figure
        if self.average is None or one.value is None or one.denominator is None:
            return None
        return abs(one.value - self.average) * one.denominator / (1000 if is_rate(self.definition) else 1)


@dataclass(frozen=True)
class Tested:
    """The points of an area: how many were looked at, of how many figures and practices, and those that lie outside on
    the wrong side, the most urgent first; ``better`` is how many lie outside the outer limits on the right one."""

    points: int
    figures: int
    practices: int
    outside: tuple[Point, ...]
    better: int

    @property
    def outer(self) -> list[Point]:
        return [one for one in self.outside if one.outer]

    @property
    def by_chance(self) -> bool:
        """Whether chance alone would often put as many points beyond the outer limits: one time in twenty or more."""
        from scipy.special import pdtr  # here: a page without points does not wait for it

        return not self.outer or bool(pdtr(len(self.outer) - 1, self.points * OUTER) <= 1 - _OFTEN)


def of_records(t: Teller, one: Point) -> bool:
    """Whether a point is a record to be completed, and not what would help somebody."""
    return t.kind(one.definition) is t.layout.kinds[-1]


@lru_cache(maxsize=1)
def tested(t: Teller) -> Tested:
    """Every figure that has limits and a direction, in every practice of the area; of figures that are the same count,
    or its other side, one."""
    found: list[Point] = []
    points = better = 0
    figures, practices = set(), set()
    for d in t.report.tested(t.layout.headline):
        whole = t.report.get(t.top, d.id)
        for area in t.practices():
            one = area.figures.get(d.key)
            if one is None or one.value is None or one.limits is None:
                continue
            points += 1
            figures.add(d.id)
            practices.add(area.name)
            if worse(d, one.position):
                found.append(Point(area, d, one, None if whole is None else whole.value))
            elif abs(one.position) == 2:
                better += 1
    order = {one.id: i for i, one in enumerate(t.layout.kinds)}
    found.sort(key=lambda p: (not p.outer, order[t.kind(p.definition).id], -(p.people or 0.0), p.area.name))
    return Tested(points, len(figures), len(practices), tuple(found), better)


def section(t: Teller) -> Section | None:
    """Those outside the limits, and how many were looked at."""
    found = tested(t)
    single = t.area.level is Level.PRACTICE
    heading = "What this practice needs help with" if single else "Who needs help, with what"
    if not found.points:
        return Section(ID, heading, [Note(_untested(t))], board=True, brief="cannot be said")
    blocks: list[Block] = []
    if not found.outer:
        blocks.append(Note(_nobody(found, single)))
    shown: list[Point] = []
    for records in (False, True):
        some = [one for one in found.outside if of_records(t, one) is records]
        outer = [one for one in some if one.outer]
        first = some[: 2 * _SHORT] if single else (outer or ([] if records else some))[:_SHORT]
        shown += first
        if first and not outer and not records and found.outer:
            who = "This practice is not" if single else "No practice is"
            blocks.append(Note(f"{who} beyond the 99.8% limits in the care of people. {_CHANCE}"))
        if first:
            ident, caption = ("help-records-t", _RECORDS) if records else ("help-t", _CARE)
            blocks.append(_table(t, ident, caption, first))
            blocks += [Note(_GAPS)] if records else []
        elif not records and found.outer:
            who = "This practice is not" if single else "No practice is"
            blocks.append(Note(f"{who} outside the limits in the care of people; only in records to complete."))
    if len(found.outside) > len(shown):
        listed = found.outside[:_MOST]
        table = _table(t, "help-all-t", _EVERY, listed)
        rest = len(found.outside) - len(listed)
        more = (
            [Note(f"{count(rest)} more, beyond the 95% limits alone, are on the pages of the practices.")]
            if rest
            else []
        )
        blocks.append(Fold(_all(found), [table, *more]))
    blocks.append(_chance(t, found))
    return Section(ID, heading, blocks, [_MEANS_HERE if single else _MEANS], True, _brief(t, found, single))


def _all(found: Tested) -> str:
    """What the fold with every point is called."""
    every, outer = len(found.outside), len(found.outer)
    more = f"{count(every - outer)}{' more' * bool(outer)} beyond the 95% limits"
    parts = [f"{count(outer)} beyond the 99.8% limits"] * bool(outer) + [more] * (every > outer)
    return f"All {count(every)}: {', '.join(parts)}"


def _brief(t: Teller, found: Tested, single: bool) -> str:
    if not found.outer:
        return "nothing beyond the 99.8% limits" if single else "nobody beyond the 99.8% limits"
    records = sum(of_records(t, one) for one in found.outer)
    return f"{count(len(found.outer))} beyond the 99.8% limits" + (f", {count(records)} of records" if records else "")


def _nobody(found: Tested, single: bool) -> str:
    """That nothing stands out."""
    who, in_what = ("This practice is", "none") if single else ("No practice is", "any")
    text = f"{who} beyond the 99.8% limits on the worse side in {in_what} of {count(found.figures)} figures"
    if found.outside:
        return f"{text}. {_CHANCE}"
    return f"{text}, nor beyond the 95% limits: nothing here differs from the average by more than chance."


def _untested(t: Teller) -> str:
    """Why nothing can be said."""
    if not t.practices():
        return "The metrics file has no practices here, so who needs help cannot be said (popstrat metrics --level)."
    return (
        "No figure here has limits to hold it against: that needs a value that is shown and practices to compare with. "
        "So who needs help cannot be said from these figures."
    )


def _table(t: Teller, ident: str, caption: str, points: tuple[Point, ...] | list[Point]) -> Table:
    single = t.area.level is Level.PRACTICE
    rows: list[list[Text | Cell]] = []
    for p in points:
        d, one = p.definition, p.figure
        limits = one.limits
        assert limits is not None
        assert one.value is not None
        off = None if p.average is None else one.value - p.average
        events = "" if not is_rate(d) else " events"
        people = p.people
        rows.append(
            [
                *([] if single else [t.place(p.area)]),
                t.metric(d.id),
                t.cell(_direction(p), -abs(one.position)),
                t.value(d, one),
                t.of_all(d.id),
                NOTHING if off is None else t.cell(changed(d, off), off),
                NOTHING if people is None else t.cell(count(people) + events, people),
                interval(d, limits[0], limits[3]),
            ]
        )
    heads = ["Figure", "Direction", "Now", EVERYWHERE, "By how much", "People to the average", "99.8% limits"]
    first = 2 if single else 3
    return Table(
        ident,
        caption,
        heads if single else ["Practice", *heads],
        rows,
        frozenset(range(first, len(heads) + (not single))),
        "Beyond the 99.8% limits first; then care, use of hospitals (in events), colours, records; most people first"
        if ident == "help-all-t"
        else "Beyond the 99.8% limits first, then most people first; rates of use count events",
    )


def _direction(p: Point) -> str:
    return f"too {'low' if p.figure.position < 0 else 'high'} ({'99.8%' if p.outer else '95%'} limits)"


def _chance(t: Teller, found: Tested) -> Table:
    """How many points were looked at, and how many of them chance alone would put outside."""
    inner = len(found.outside)
    rows: list[list[Text | Cell]] = [
        ["Beyond the 99.8% limits", t.number(len(found.outer)), _expected(found.points * OUTER)],
        ["Beyond the 95% limits, including those", t.number(inner), _expected(found.points * INNER)],
        ["Beyond the 99.8% limits on the better side", t.number(found.better), _expected(found.points * OUTER)],
    ]
    figures = f"{count(found.figures)} figures" if found.figures != 1 else "1 figure"
    of = "" if t.area.level is Level.PRACTICE else f" in {count(found.practices)} practices"
    return Table(
        "chance-t",
        f"{count(found.points)} points were looked at: {figures}{of}",
        ("Where they lie", "Found", "Expected by chance"),
        rows,
        frozenset({1, 2}),
        "Of two figures that say the same, one the other way round, one is looked at. Figures share people, so they "
        "are not independent.",
        sortable=False,
    )


def _expected(number: float) -> str:
    return f"about {decimal(number, 0 if number >= 10 else 1 if number >= 1 else 2)}"
