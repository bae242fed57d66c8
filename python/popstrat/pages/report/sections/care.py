"""Red, amber and green; what drives red, and what is undiagnosed, not optimised or missing in all adults."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from markupsafe import Markup

from popstrat.core.numbers import NOTHING, WITHHELD, count, percent
from popstrat.pages.charts.bars import Bar, bars
from popstrat.pages.charts.stacked import PartOf, Stack, stacked
from popstrat.pages.design.parts import Cell, Table, Text, rag
from popstrat.pages.report.elsewhere import linked, not_shown
from popstrat.pages.report.layout import Colours, Drivers
from popstrat.pages.report.model import CALLED, SEVERAL, Figure
from popstrat.pages.report.teller import EVERYWHERE, Teller, changed, figure, inside, none
from popstrat.pages.report.views import Block, Section

ID = "care"
_OFF = 2
_MEASURED = "Undiagnosed: the record shows it and no diagnosis is coded; only people who were measured can be found."
_INDICATED = "Indicated by the record; contraindications and refusals are not in it."


Find = Callable[[Teller, Drivers], list["Counted"]]
"""What is counted of one sort, in an area."""


def section(t: Teller) -> Section | None:
    """The colours."""
    blocks = [block for one in t.layout.colours if (block := _colours(t, one)) is not None]
    return Section(ID, "Red, amber and green", blocks, board=True) if blocks else None


def red(t: Teller) -> Section | None:
    """What drives red."""
    return _section(t, t.layout.drivers[0])


def adults(t: Teller) -> Section | None:
    """The same in all adults, whatever their colour."""
    return _section(t, t.layout.drivers[1])


@dataclass(frozen=True)
class Counted:
    """One thing that is undiagnosed, not optimised or missing: what it is called in a sentence and in a chart, its
    metric and figure, and the colour of its bar."""

    said: str
    label: str
    metric: str
    figure: Figure | None
    colour: str = "mark-1"
    other: Figure | None = None
    """What nobody has who has this, of the same people: the condition undiagnosed, and not optimised."""
    among: Figure | None = None
    """The same of more people, these among them: of all adults."""

    @property
    def people(self) -> int | None:
        return None if self.figure is None else self.figure.numerator

    @property
    def withheld(self) -> bool:
        return self.people is None and none(self.figure) == WITHHELD

    @property
    def at_most(self) -> float:
        """More people than this it cannot be of, by what is shown beside it: those it is out of, without those who have
        the other; and the same among more people. A count may be rounded by two."""
        if self.people is not None:
            return self.people
        bounds = [math.inf]
        if self.figure is not None and self.figure.denominator is not None:
            others = 0 if self.other is None or self.other.numerator is None else max(self.other.numerator - _OFF, 0)
            bounds.append(self.figure.denominator + _OFF - others)
        if self.among is not None and self.among.numerator is not None:
            bounds.append(self.among.numerator + _OFF)
        return min(bounds)


def _colours(t: Teller, c: Colours) -> Block | None:
    metrics = {"red": c.red, "amber": c.amber, "green": c.green}
    rows: list[list[Text | Cell]] = []
    values: list[float | None] = []
    people: int | None = None
    for colour, metric in metrics.items():
        d, one = t.definition(metric), t.get(metric)
        if d is None or one is None:
            return None
        before = t.before(metric)
        moved = None if one.value is None or before is None else one.value - before
        people = one.denominator if one.denominator is not None else people
        values.append(None if one.numerator is None else float(one.numerator))
        row: list[Text | Cell] = [
            _named(t, colour, metric),
            t.number(one.numerator, one),
            t.value(d, one),
            t.last(d),
            NOTHING if moved is None else t.cell(changed(d, moved), moved),
        ]
        rows.append([*row, *([] if t.is_top else [t.of_all(metric)])])
    heads = ["Colour", "People", "Share", "Last month", "Change", *([] if t.is_top else [EVERYWHERE])]
    notes = [c.means] if c.means else []
    under = f"% of {c.of}"
    numbers = frozenset(range(1, len(heads)))
    table = Table(f"{c.id}-t", c.title, heads, rows, numbers, under, notes=notes, sortable=False)
    known = [value for value in values if value is not None]
    if len(known) < len(values) or people is None:
        return table  # of what is left of a whole a withheld part could be read
    rest = max(people - sum(known), 0)
    parts = [
        PartOf("Red", "red", "red", "R"),
        PartOf("Amber", "amber", "amber", "A"),
        PartOf("Green", "green", "green", "G"),
        PartOf("No colour", "sunken", "text"),
    ]
    chart = stacked(
        [Stack(t.report.title(t.area.place), [*values, rest], f"{count(people)} {c.of}")], parts, unit=f"% of {c.of}"
    )
    return figure(f"{c.id}-f", c.title, chart, table, f"% of {c.of}", opened=True)


def _named(t: Teller, colour: str, metric: str) -> Text:
    """A colour that leads to its definition."""
    return Markup('<a href="{}">{}</a>').format(t.metric(metric).href, rag(colour))


def counted(one: Figure | None) -> bool:
    """Whether its people are shown."""
    return one is not None and one.numerator is not None


def _section(t: Teller, d: Drivers) -> Section | None:
    if not all(t.definition(metric) for metric in ([d.of] if d.of else [])):
        return None
    conditions, medicines = _conditions(t, d), _medicines(t, d)
    blocks: list[Block] = []
    for found, title, table in (
        (conditions, d.title, _conditions_table),
        (medicines, d.treatments_title, _medicines_table),
    ):
        if found:
            blocks.append(_drawn(t, title, found, table(t, d)))
    if not blocks:
        return None
    areas = _areas(t, d)
    blocks += [] if areas is None else [areas]
    return Section(f"{ID}-{d.id}", d.heading, blocks, _said(t, d), board=d.board, brief=_brief(t, d))


def _conditions(t: Teller, d: Drivers) -> list[Counted]:
    """What is undiagnosed and not optimised, as far as the file has it."""
    found = []
    wider = _everybody(t, d).conditions if d.of is not None else ()
    for one in d.conditions:
        short = one.label.partition(" (")[0]
        for words, metric, beside, colour in (
            ("not optimised", one.unoptimised, one.undiagnosed, "mark-1"),
            ("undiagnosed", one.undiagnosed, one.unoptimised, "mark-3"),
        ):
            if metric is not None and t.definition(metric) is not None:
                label = f"{short}: {words}"
                other = t.get(beside) if d.of is not None and beside is not None else None
                more = next((w for w in wider if w.label == one.label), None)
                same = None if more is None else more.unoptimised if metric == one.unoptimised else more.undiagnosed
                among = t.get(same) if same is not None and t.definition(same) is not None else None
                found.append(Counted(f"{inside(short)} {words}", label, metric, t.get(metric), colour, other, among))
    return found


def _medicines(t: Teller, d: Drivers) -> list[Counted]:
    wider = {one.label: one.metric for one in _everybody(t, d).treatments} if d.of is not None else {}
    return [
        Counted(
            inside(one.label),
            one.label,
            one.metric,
            t.get(one.metric),
            among=t.get(wider[one.label]) if t.definition(wider.get(one.label, "")) is not None else None,
        )
        for one in d.treatments
        if t.definition(one.metric) is not None
    ]


def _everybody(t: Teller, d: Drivers) -> Drivers:
    """The drivers of all adults, whom those of a colour are among; the same where there are none of them."""
    return next((one for one in t.layout.drivers if one.of is None), d)


def most_shown(found: list[Counted]) -> Counted | None:
    """What concerns most people of what is shown."""
    shown = [one for one in found if one.people is not None]
    return max(shown, key=lambda one: one.people or 0, default=None)


def may_be_larger(found: list[Counted]) -> list[Counted]:
    """What is not shown and might concern more people than what does most of what is shown."""
    most = most_shown(found)
    least = 0 if most is None or most.people is None else most.people - _OFF
    return [one for one in found if one.people is None and one.at_most > least]


def most_of(found: list[Counted]) -> Counted | None:
    """What concerns most people; None where some count is not shown which might be larger."""
    return None if may_be_larger(found) else most_shown(found)


def _said(t: Teller, d: Drivers) -> list[Text]:
    """What concerns most of the people, in a sentence each."""
    whole = t.get(d.of) if d.of else None
    lines: list[Text] = [f"These figures are of {d.whom}."]
    if whole is not None:
        told = (
            "How many they are here is withheld"
            if whole.numerator is None
            else f"Here they are {count(whole.numerator)}"
        )
        lines = [f"These figures are of {d.whom}. {told}. One person may count in several."]
    for find, what, which in (
        (_conditions, "Most frequent", "Which is most frequent"),
        (_medicines, "Medicine missing most often", "Which medicine is missing most often"),
    ):
        found = find(t, d)
        most = most_of(found)
        if most is not None:
            lines.append(f"{what}: {_with_people(most)}.")
        elif found:
            lines.append(_above(t, d, find, what, which))
    return lines


def _with_people(one: Counted) -> str:
    share = "" if one.figure is None or one.figure.value is None else f", {percent(one.figure.value)}"
    return f"{one.said} ({count(one.people)} people{share})"


def _above(t: Teller, d: Drivers, find: Find, what: str, which: str) -> Text:
    """What can be said where some counts are not shown: the most of those shown, which may be larger, and what the
    nearest larger area says."""
    found = find(t, d)
    most, larger = most_shown(found), may_be_larger(found)
    if most is None:
        cannot = f"{which} cannot be said here: no count is shown."
    else:
        named = (
            larger[0].said if len(larger) == 1 else f"{', '.join(o.said for o in larger[:-1])} and {larger[-1].said}"
        )
        verb = "is" if len(larger) == 1 else "are"
        told = f"{named} {verb} {'withheld' if all(o.withheld for o in larger) else 'not shown'} and may be larger."
        cannot = f"{what} of those shown: {_with_people(most)}. {told[0].upper()}{told[1:]}"
    for place in reversed(t.area.above):
        above = most_of(find(Teller(t.report, t.report.areas[place], t.files, t.layout), d))
        if above is not None:
            where = linked(t, [t.report.areas[place]])
            return Markup("{} In {} it is {}.").format(cannot, where, _with_people(above))
    return cannot


def _brief(t: Teller, d: Drivers) -> str:
    most = most_of(_conditions(t, d))
    return "" if most is None else f"most: {most.said}"


def _areas(t: Teller, d: Drivers) -> Table | None:
    """What is most frequent in each area of the next level."""
    level, below = t.within()
    if not below or d.of is None:
        return None
    rows: list[list[Text | Cell]] = []
    for area in below:
        there = Teller(t.report, area, t.files, t.layout)
        whole = there.get(d.of)
        of = t.definition(d.of)
        if whole is None or of is None:
            continue
        row: list[Text | Cell] = [t.place(area), t.number(whole.numerator, whole), t.value(of, whole)]
        for find in (_conditions, _medicines):
            found = find(there, d)
            most, sure = most_shown(found), most_of(found) is not None
            unknown = WITHHELD if any(one.withheld for one in found) else NOTHING
            row.append(unknown if most is None else _with_people(most) + ("" if sure else ", of those shown"))
        rows.append(row)
    called = SEVERAL[level][:1].upper() + SEVERAL[level][1:]
    heads = (called, "Red", "Of adults", "Most frequent", "Medicine missing most often")
    caption = f"{d.heading}, by {CALLED[level]}"
    return Table(f"{d.id}-areas-t", caption, heads, rows, frozenset({1, 2}), "People") if rows else None


def _drawn(t: Teller, title: str, found: list[Counted], table: Table) -> Block:
    """A chart with its table; where no count is shown, the table alone."""
    missing = [(one.label.replace(": ", ", "), one.metric, none(one.figure)) for one in found if one.people is None]
    notes = not_shown(t, missing, counted)
    if len(missing) == len(found):
        return replace(table, notes=[*notes, *table.notes])
    chart = bars(_bars(found), unit="people")
    return figure(f"{table.id.removesuffix('-t')}-f", title, chart, table, "People, most first", notes=notes)


def _bars(found: list[Counted]) -> list[Bar]:
    """Most first; what is not shown last."""
    ordered = sorted(found, key=lambda one: -1 if one.people is None else one.people, reverse=True)
    return [
        Bar(one.label, one.people, none(one.figure) if one.people is None else count(one.people), colour=one.colour)
        for one in ordered
    ]


def _share(t: Teller, metric: str | None) -> list[Text | Cell]:
    """People, their share, and that of the whole list."""
    d = t.definition(metric) if metric else None
    if metric is None or d is None:
        return [NOTHING] * (2 if t.is_top else 3)
    one = t.get(metric)
    row: list[Text | Cell] = [t.number(None if one is None else one.numerator, one), t.value(d, one)]
    return row if t.is_top else [*row, t.of_all(metric)]


def _conditions_table(t: Teller, d: Drivers) -> Table:
    rows: list[list[Text | Cell]] = []
    for one in d.conditions:
        if t.definition(one.unoptimised) is None:
            continue
        row: list[Text | Cell] = [t.metric(one.unoptimised, one.label)]
        if d.of is None:
            well = t.get(one.unoptimised)
            row.append(NOTHING if well is None else t.number(well.denominator, well))
        rows.append([*row, *_share(t, one.unoptimised), *_share(t, one.undiagnosed)])
    every = [] if t.is_top else [EVERYWHERE]
    heads = ["Condition", *([] if d.of else ["Diagnosed"])]
    heads += ["Not optimised", d.unoptimised_of, *every, "Undiagnosed", d.undiagnosed_of, *every]
    numbers = frozenset(range(1, len(heads)))
    return Table(f"{d.id}-conditions-t", d.title, heads, rows, numbers, "People", notes=[_MEASURED])


def _medicines_table(t: Teller, d: Drivers) -> Table:
    rows: list[list[Text | Cell]] = []
    for one in d.treatments:
        if t.definition(one.metric) is None:
            continue
        row: list[Text | Cell] = [t.metric(one.metric, one.label)]
        of = t.get(one.metric)
        share = _share(t, one.metric)
        if d.of is None:
            share.insert(1, NOTHING if of is None else t.number(of.denominator, of))
        rows.append([*row, *share])
    heads = ["Medicine", "Missing", *([] if d.of else ["Indicated"]), d.treatments_of]
    heads += [] if t.is_top else [EVERYWHERE]
    numbers = frozenset(range(1, len(heads)))
    return Table(f"{d.id}-medicines-t", d.treatments_title, heads, rows, numbers, "People", notes=[_INDICATED])
