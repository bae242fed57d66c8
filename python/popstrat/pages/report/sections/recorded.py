"""How much is recorded: shares by column, what the quality file of the coded record says, what cannot be computed."""

from __future__ import annotations

from collections import Counter

from markupsafe import Markup

from popstrat.core.numbers import NOTHING, count, percent, plural
from popstrat.metrics.rows import Level
from popstrat.pages.charts.bars import Bar, bars
from popstrat.pages.design.parts import Cell, Table, Text
from popstrat.pages.report.elsewhere import linked, not_shown
from popstrat.pages.report.quality import Quality
from popstrat.pages.report.recorded_tables import columns_table, practices_table
from popstrat.pages.report.sections import needs
from popstrat.pages.report.teller import EVERYWHERE, POSITIONS, Teller, figure, none, worse
from popstrat.pages.report.views import Block, Note, Section

ID = "recorded"
_NAMED = 6
_MOST_PRACTICES = 100
_LOW = "▼"


def section(t: Teller) -> Section | None:
    """Shares recorded; at the top also what the quality file says."""
    blocks: list[Block] = []
    rows: list[list[Text | Cell]] = []
    drawn: list[Bar] = []
    missing: list[tuple[str, str, str]] = []
    for d in t.known(t.layout.recorded):
        one = t.get(d.id)
        if one is None:
            continue
        row: list[Text | Cell] = [
            t.metric(d.id),
            t.number(one.numerator, one),
            t.number(one.denominator, one),
            t.value(d, one),
            t.last(d),
        ]
        if not t.is_top:
            row += [t.of_all(d.id), POSITIONS[one.position] if one.limits is not None else NOTHING]
        rows.append(row)
        if one.value is None:
            missing.append((d.title, d.id, none(one)))
        drawn.append(Bar(d.title, one.value, none(one) if one.value is None else percent(one.value)))
    if rows:
        heads = ["What is recorded", "People", "Of", "Share", "Last month"]
        heads += [] if t.is_top else [EVERYWHERE, "Where it lies"]
        table = Table(
            "recorded-t", "Share recorded", heads, rows, frozenset(range(1, 5 if t.is_top else 6)), "% of people"
        )
        chart = bars(drawn, unit="% of people", top=1.0)
        title = "Share recorded, of those it matters for"
        blocks.append(figure("recorded-f", title, chart, table, "% of people", notes=not_shown(t, missing)))
    each = _by_area(t)
    blocks += [] if each is None else [each]
    quality = t.report.quality
    if quality is not None:
        blocks += _quality(t, quality)
    if not blocks:
        return None
    poor = _poor(t)
    return Section(ID, "Coding and data quality", blocks, [_where(t, poor)], brief=_brief(t, poor))


def _poor(t: Teller) -> list[needs.Point]:
    """The records that practices here are to complete: beyond the 99.8% limits on the wrong side."""
    return [one for one in needs.tested(t).outer if needs.of_records(t, one)]


def _by_area(t: Teller) -> Table | None:
    """What is recorded in each practice here, beside each other; where there are too many, in each larger area."""
    areas = t.practices()
    level, next_areas = t.within()
    if t.area.level is Level.PRACTICE or not areas:
        return None
    called = "Practice"
    if len(areas) > _MOST_PRACTICES:
        areas, called = next_areas, t.called(level)
    metrics = [d for d in t.known(t.layout.recorded) if any(t.report.get(area, d.id) is not None for area in areas)]
    if not metrics:
        return None
    marked = False
    rows: list[list[Text | Cell]] = []
    for area in areas:
        row: list[Text | Cell] = [t.place(area)]
        for d in metrics:
            one = t.report.get(area, d.id)
            said = t.value(d, one)
            if one is not None and one.value is not None and worse(d, one.position) and abs(one.position) == 2:
                said = Cell(f"{said} {_LOW}", f"{100 * one.value:.6g}")
                marked = True
            row.append(said)
        rows.append(row)
    notes = [f"{_LOW}: below the 99.8% limits for the size of the practice."] if marked else []
    if called != "Practice":
        notes.append(f"The pages of the {t.called(level, several=True)} have each practice.")
    return Table(
        "recorded-areas-t",
        f"Share recorded, by {called.lower() if called != 'PCN' else called}",
        (called, *(d.title.replace(" recorded", "") for d in metrics)),
        rows,
        frozenset(range(1, len(metrics) + 1)),
        "% of those it matters for",
        notes=notes,
    )


def _where(t: Teller, poor: list[needs.Point]) -> Text:
    """Where the record is poor, in a sentence."""
    single = t.area.level is Level.PRACTICE
    if not _looked_at(t):
        return (
            "No share here has limits to hold it against, so whether a practice records less than chance allows cannot "
            "be said."
        )
    if not poor:
        who = "This practice records" if single else "No practice here records"
        return f"{who} {'nothing' if single else 'anything'} less often than the 99.8% limits for its size allow."
    named = [
        Markup("{}“{}”").format("" if single else Markup("{} in ").format(linked(t, [one.area])), one.definition.title)
        for one in poor[:_NAMED]
    ]
    more = f" and {count(len(poor) - _NAMED)} more" if len(poor) > _NAMED else ""
    start = "This practice is below the 99.8% limits in" if single else "Below the 99.8% limits:"
    end = Markup('<a href="#{}">Records to complete</a> says by how much.').format(needs.ID)
    return Markup("{}{} {}{}. {}").format(_least(t, poor), start, Markup("; ").join(named), more, end)


def _looked_at(t: Teller) -> bool:
    """Whether a share recorded of a practice here lies in limits."""
    records = [d for d in t.report.tested(t.layout.headline) if t.kind(d) is t.layout.kinds[-1]]
    figures = (area.figures.get(d.key) for d in records for area in t.practices())
    return any(one is not None and one.value is not None and one.limits is not None for one in figures)


def _least(t: Teller, poor: list[needs.Point]) -> Markup:
    """Which practice is below the limits in most columns; nothing where none is in two."""
    if t.area.level is Level.PRACTICE:
        return Markup("")
    columns = Counter(one.area.place for one in poor)
    most = max(columns.values())
    first = [t.report.areas[place] for place, number in columns.items() if number == most]
    if most < 2:
        return Markup("")
    text = "{} {} least: below the 99.8% limits in {} of {} kinds of record{}. "
    records, each = ("record", " each") if len(first) > 1 else ("records", "")
    kinds = sum(t.kind(d) is t.layout.kinds[-1] for d in t.report.tested(t.layout.headline))
    return Markup(text).format(linked(t, first), records, most, kinds, each)


def _brief(t: Teller, poor: list[needs.Point]) -> str:
    if not poor:
        return ""
    if t.area.level is Level.PRACTICE:
        return f"{plural(len(poor), 'figure')} outside the limits"
    return f"{plural(len({one.area.name for one in poor}), 'practice')} outside the limits"


def _quality(t: Teller, quality: Quality) -> list[Block]:
    found: list[Block] = [columns_table(quality)] if t.is_top else []
    links = {area.name: t.place(area) for area in t.practices()}
    odd = [one for one in quality.practices if one.practice in links]
    if odd:
        found.append(practices_table(odd, links))
    elif not t.is_top and quality.practices:
        found.append(Note("No practice here differs from the whole list by a factor of three in any column."))
    return found
