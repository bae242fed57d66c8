"""The gap between the most and the least deprived fifth, with its interval, and the values of each fifth."""

from __future__ import annotations

from markupsafe import Markup

from popstrat.core.numbers import NOTHING, count, decimal, span
from popstrat.metrics.rows import UNKNOWN
from popstrat.pages.charts.dots import Dot, dots
from popstrat.pages.design.parts import Cell, Table, Text
from popstrat.pages.report.by_group import by_group
from popstrat.pages.report.elsewhere import linked, nearest, there
from popstrat.pages.report.model import Area, Definition, Figure, Place
from popstrat.pages.report.teller import Teller, changed, figure, is_rate, none, written
from popstrat.pages.report.views import Block, Note, Section

ID = "inequality"
WIDER, NARROWER = "wider", "narrower"
_SINCE = f"Since then: {WIDER} or {NARROWER} where the gap of a year ago lies outside this 95% interval."
_NO_PAST = "Whether a gap is widening needs the months before, back to a year ago (popstrat metrics --history)."
_BY = "imd_quintile"
_NAMED = 6
_FIFTHS = {"1": "1, most deprived", "2": "2", "3": "3", "4": "4", "5": "5, least deprived"}
_ETHNICITY = {name: name.capitalize() for name in ("white", "mixed", "asian", "black", "other")}


def section(t: Teller) -> Section | None:
    """Gaps by deprivation, and values by ethnic group; only where the file has them."""
    metrics = [d for d in t.known(t.layout.inequality) if _gap(t, d) is not None]
    blocks: list[Block] = [*_gaps(t, metrics), *_elsewhere(t)]
    for by, heads, called in ((_BY, _FIFTHS, "fifth of deprivation"), ("ethnicity", _ETHNICITY, "ethnic group")):
        table = by_group(t, t.known(t.layout.inequality), by, called, {**heads, UNKNOWN: "Not recorded"})
        blocks += [] if table is None else [table]
    if not blocks:
        return None
    lead: list[Text] = []
    if metrics:
        lead.append(
            "The gap is the most deprived fifth less the least deprived one. Where its 95% interval includes 0, the "
            "difference may be chance."
        )
        lead.append(_told(t, metrics))
        lead.append(_since(t, metrics) or _NO_PAST)
    clear = clear_gaps(t)
    wider = sum(widened(_gap(t, d)) == WIDER for d in metrics)
    known = any(widened(_gap(t, d)) != NOTHING for d in metrics)
    since = [f"{count(wider) if wider else 'none'} wider than a year ago"] if known else []
    brief = "; ".join([*([f"widest: {clear[0][0].title}"] if clear else []), *since])
    return Section(ID, "Inequality", blocks, lead, brief=brief)


def _told(t: Teller, metrics: list[Definition]) -> str:
    """The gap of the first figure that has one, and in how many the most deprived fifth is clearly worse off."""
    text = ""
    for d in metrics:
        gap, first, last = _gap(t, d), t.get(d.id, _BY, "1"), t.get(d.id, _BY, "5")
        if gap is None or first is None or last is None or first.value is None or last.value is None:
            continue
        text = (
            f"“{d.title}” is {written(d, first.value)} in the most deprived fifth and {written(d, last.value)} in the "
            f"least deprived one: {'more than chance' if clear(gap) else 'the difference may be chance'}. "
        )
        break
    worse = [d.title for d, *_ in clear_gaps(t)]
    if not worse:
        few = f"In none of {count(len(metrics))} figures"
        return f"{text}{few} is the most deprived fifth worse off by more than chance."
    named = ", ".join(f"“{title}”" for title in worse[:_NAMED]) + (" first" if len(worse) > _NAMED else "")
    return text + (
        f"The most deprived fifth is worse off by more than chance in {count(len(worse))} of {count(len(metrics))} "
        f"figures: {named}."
    )


def clear(gap: Figure) -> bool:
    """Whether the interval of a gap leaves out nought."""
    return gap.low is not None and gap.high is not None and (gap.low > 0 or gap.high < 0)


def _gap(t: Teller, d: Definition, measure: str = "gap_absolute", area: Area | None = None) -> Figure | None:
    for by in (_BY, "none"):
        found = t.report.get(area or t.area, d.id, by, None, measure=measure)
        if found is not None:
            return found
    return None


def _elsewhere(t: Teller) -> list[Block]:
    """For gaps that are not shown here the pages that have them, those on the same pages together."""
    at: dict[tuple[Place, ...], list[Definition]] = {}
    areas: dict[tuple[Place, ...], list[Area]] = {}
    for d in t.known(t.layout.inequality):
        if not there(_gap(t, d)):
            found = nearest(t, lambda area, d=d: there(_gap(t, d, area=area)))  # type: ignore[misc]
            key = tuple(area.place for area in found)
            areas[key] = found
            at.setdefault(key, []).append(d)
    blocks: list[Block] = []
    for key, metrics in at.items():
        named = ", ".join(f"“{d.title}”" for d in metrics)
        if key:
            text = Markup("The gap by deprivation in {} is not shown here: see {}.").format(
                named, linked(t, areas[key])
            )
            blocks.append(Note(text))
    return blocks


def clear_gaps(t: Teller) -> list[tuple[Definition, float, float, float]]:
    """The gaps whose interval leaves out nought and that go the wrong way: metric, most and least deprived fifth, and
    how many intervals wide; the widest first."""
    found = []
    for d in t.known(t.layout.inequality):
        gap, first, last = _gap(t, d), t.get(d.id, _BY, "1"), t.get(d.id, _BY, "5")
        if gap is None or gap.value is None or gap.low is None or gap.high is None or first is None or last is None:
            continue
        wrong = gap.high < 0 if d.good == "high" else gap.low > 0
        if wrong and d.good != "none" and first.value is not None and last.value is not None:
            found.append((d, first.value, last.value, abs(gap.value) / ((gap.high - gap.low) or 1.0)))
    return sorted(found, key=lambda one: -one[3])


def _gaps(t: Teller, metrics: list[Definition]) -> list[Block]:
    rows: list[list[Text | Cell]] = []
    drawn: dict[bool, list[Dot]] = {False: [], True: []}
    past = any(one is not None and one.year_ago is not None for one in (_gap(t, d) for d in metrics))
    for d in metrics:
        gap, ratio, slope = (_gap(t, d, measure) for measure in ("gap_absolute", "gap_relative", "slope_index"))
        first, last = (t.get(d.id, _BY, group) for group in ("1", "5"))
        rows.append(
            [
                t.metric(d.id),
                t.value(d, first),
                t.value(d, last),
                _said(t, d, gap),
                _span(d, gap),
                *([_year_ago(t, d, gap), widened(gap)] if past else []),
                _ratio(t, ratio),
                NOTHING
                if ratio is None or ratio.low is None or ratio.high is None
                else span(decimal(ratio.low), decimal(ratio.high)),
                _said(t, d, slope),
                _span(d, slope),
            ]
        )
        if gap is not None:
            value = gap.value
            text = none(gap) if value is None else changed(d, value)
            drawn[is_rate(d)].append(Dot(d.title, value, text, gap.low, gap.high, off=clear(gap)))
    if not rows:
        return []
    heads = ["Figure", "Most deprived fifth", "Least deprived fifth", "Gap", "95% interval"]
    heads += ["Gap a year ago", "Since then"] if past else []
    heads += ["Ratio", "95% interval", "Slope index", "95% interval"]
    notes = ["Slope index: the difference from one end of deprivation to the other, along all five fifths."]
    if past:
        notes.insert(0, _SINCE)
    table = Table(
        "gaps-t",
        "Gap between the most and the least deprived fifth",
        heads,
        rows,
        frozenset(range(1, len(heads))) - ({6} if past else set()),
        "Shares: gap in percentage points; rates: per 1,000 people",
        notes=notes,
    )
    blocks: list[Block] = []
    for rates, words in ((False, "percentage points"), (True, "per 1,000 people")):
        some = [dot for dot in drawn[rates] if dot.value is not None]
        if some:
            write = (lambda v: decimal(v, 0)) if rates else (lambda v: decimal(100 * v, 0))
            chart = dots(some, unit=words, write=write, reference=0.0, called="no gap", off_called="more than chance")
            title = "Gap between the most and the least deprived fifth" + (", rates" if rates else "")
            blocks.append(
                figure(f"gaps-f{int(rates)}", title, chart, table, words)
                if not blocks
                else _alone(f"gaps-f{int(rates)}", title, chart, words)
            )
    return blocks or [table]


def widened(gap: Figure | None) -> str:
    """Whether a gap is wider than a year ago, by more than chance: that gap lies outside this one's interval."""
    if gap is None or gap.value is None or gap.year_ago is None or gap.low is None or gap.high is None:
        return NOTHING
    if gap.low <= gap.year_ago <= gap.high:
        return "no clear change"
    return WIDER if abs(gap.value) > abs(gap.year_ago) else NARROWER


def _year_ago(t: Teller, d: Definition, gap: Figure | None) -> Text | Cell:
    return NOTHING if gap is None or gap.year_ago is None else t.cell(changed(d, gap.year_ago), gap.year_ago)


def _since(t: Teller, metrics: list[Definition]) -> str:
    """Whether gaps are widening, in a sentence; nothing where no earlier gap is known."""
    told = {d.title: said for d in metrics if (said := widened(_gap(t, d))) != NOTHING}
    if not told:
        return ""
    found = []
    for word in (WIDER, NARROWER):
        named = [f"“{title}”" for title, said in told.items() if said == word]
        found += [f"{word} in {', '.join(named)}"] if named else []
    if not found:
        return f"None of {len(told)} gaps is clearly wider or narrower than a year ago."
    return f"Since a year ago the gap is {'; '.join(found)}; no clear change in the others."


def _alone(ident: str, title: str, chart: object, words: str) -> Block:
    from popstrat.pages.charts.chart import Chart
    from popstrat.pages.design.parts import Figure as Drawn

    assert isinstance(chart, Chart)
    return Drawn(ident, title, chart, None, words, notes=("Its figures are in the table of the chart before.",))


def _said(t: Teller, d: Definition, one: Figure | None) -> Text | Cell:
    return none(one) if one is None or one.value is None else t.cell(changed(d, one.value), one.value)


def _span(d: Definition, one: Figure | None) -> str:
    if one is None or one.low is None or one.high is None:
        return NOTHING
    return span(changed(d, one.low).removesuffix(" points"), changed(d, one.high))


def _ratio(t: Teller, one: Figure | None) -> Text | Cell:
    return none(one) if one is None or one.value is None else t.cell(decimal(one.value), one.value)
