"""Red, amber and green, and what drives them: which condition, undiagnosed or not optimised, which medicine is
missing."""

from __future__ import annotations

from markupsafe import Markup

from popstrat.core.numbers import NOTHING, count
from popstrat.pages.charts.bars import Bar, bars
from popstrat.pages.charts.stacked import PartOf, Stack, stacked
from popstrat.pages.design.parts import Cell, Table, Text, rag
from popstrat.pages.report.elsewhere import not_shown
from popstrat.pages.report.layout import Colours
from popstrat.pages.report.model import Figure
from popstrat.pages.report.teller import EVERYWHERE, Teller, changed, figure, none
from popstrat.pages.report.views import Block, Section

ID = "care"


def section(t: Teller) -> Section | None:
    """The colours, the conditions and the medicines."""
    found = [_colours(t, one) for one in t.layout.colours]
    found += [_drivers(t), _treatments(t)]
    blocks = [block for block in found if block is not None]
    if not blocks:
        return None
    return Section(ID, "Red, amber and green, and what drives them", blocks, board=True)


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


def _drivers(t: Teller) -> Block | None:
    rows: list[list[Text | Cell]] = []
    drawn: list[tuple[float, Bar]] = []
    missing: list[tuple[str, str, str]] = []
    for one in t.layout.conditions:
        d, well = t.definition(one.optimised), t.get(one.optimised)
        if d is None:
            continue
        poorly = t.get(one.unoptimised)
        unknown = t.get(one.undiagnosed) if one.undiagnosed else None
        row: list[Text | Cell] = [t.metric(one.optimised, one.label)]
        row.append(NOTHING if well is None else t.number(well.denominator, well))
        poorly_d = t.definition(one.unoptimised)
        row += [
            t.number(None if poorly is None else poorly.numerator, poorly),
            NOTHING if poorly_d is None else t.value(poorly_d, poorly),
            NOTHING if t.is_top or poorly_d is None else t.of_all(one.unoptimised),
            NOTHING if one.undiagnosed is None else t.number(None if unknown is None else unknown.numerator, unknown),
        ]
        rows.append(row)
        short = one.label.partition(" (")[0]
        for words, figure_, metric in (
            ("not optimised", poorly, one.unoptimised),
            ("undiagnosed", unknown, one.undiagnosed or ""),
        ):
            if figure_ is not None:
                if figure_.numerator is None:
                    missing.append((f"{short}, {words}", metric, none(figure_)))
                people = figure_.numerator
                bar = Bar(
                    f"{short}: {words}",
                    people,
                    none(figure_) if people is None else count(people),
                    colour="mark-1" if words == "not optimised" else "mark-3",
                )
                drawn.append((-1.0 if people is None else float(people), bar))
    if not rows:
        return None
    heads = ["Condition", "Diagnosed", "Not optimised", "Of diagnosed", EVERYWHERE, "Undiagnosed"]
    if t.is_top:
        heads.remove(EVERYWHERE)
        rows = [[*row[:4], row[5]] for row in rows]
    table = Table(
        "drivers-t",
        t.layout.drivers_title,
        heads,
        rows,
        frozenset(range(1, len(heads))),
        "People",
        notes=[
            "Undiagnosed: the record shows it and no diagnosis is coded; only people who were measured can be found."
        ],
    )
    ordered = [bar for _, bar in sorted(drawn, key=lambda pair: -pair[0])]
    chart = bars(ordered, unit="people")
    return figure(
        "drivers-f", t.layout.drivers_title, chart, table, "People, most first", notes=not_shown(t, missing, counted)
    )


def _treatments(t: Teller) -> Block | None:
    rows: list[list[Text | Cell]] = []
    drawn: list[tuple[float, Bar]] = []
    missing: list[tuple[str, str, str]] = []
    for one in t.layout.treatments:
        d, found = t.definition(one.metric), t.get(one.metric)
        if d is None:
            continue
        people = None if found is None else found.numerator
        if people is None:
            missing.append((one.label, one.metric, none(found)))
        drawn.append(
            (
                -1.0 if people is None else float(people),
                Bar(one.label, people, none(found) if people is None else count(people)),
            )
        )
        row: list[Text | Cell] = [
            t.metric(one.metric, one.label),
            t.number(people, found),
            t.number(None if found is None else found.denominator, found),
            t.value(d, found),
        ]
        rows.append([*row, *([] if t.is_top else [t.of_all(one.metric)])])
    if not rows:
        return None
    heads = ["Medicine", "Missing", "Indicated", "Share", *([] if t.is_top else [EVERYWHERE])]
    table = Table(
        "treatments-t",
        "Medicines indicated and missing",
        heads,
        rows,
        frozenset(range(1, len(heads))),
        "People",
        notes=["Indicated by the record; contraindications and refusals are not in it."],
    )
    notes = not_shown(t, missing, counted)
    if missing and drawn:
        notes.insert(
            0, Markup("Which medicine is missing most often cannot be said here without those that are not shown.")
        )
    return figure(
        "treatments-f",
        "People for whom the record indicates a medicine that is missing",
        bars([bar for _, bar in sorted(drawn, key=lambda pair: -pair[0])], unit="people"),
        table,
        "People, most first",
        notes=notes,
    )
