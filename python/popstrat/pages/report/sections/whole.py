"""Every figure of an area, and what was withheld and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from popstrat.core.numbers import NOTHING, WITHHELD_MEANS, count, percent
from popstrat.pages.design.parts import Cell, Table, Text
from popstrat.pages.report.model import EVERYBODY, NONE, Key
from popstrat.pages.report.signals import signal_cell
from popstrat.pages.report.teller import EVERYWHERE, Teller, divided, interval
from popstrat.pages.report.views import Block, Section

FIGURES, WITHHELD_ID = "figures", "withheld"
_MEASURES = ("proportion", "rate_per_1000", "coverage")
_NAMED = 3
_MEASURED_AS = {
    "proportion": "share of people",
    "coverage": "share of people",
    "rate_per_1000": "rate",
    "standardised_rate": "rate standardised by age",
    "floor": "number of people",
    "gap_absolute": "gap by deprivation",
    "gap_relative": "ratio by deprivation",
    "slope_index": "slope index by deprivation",
    "prize_median": "to gain: as the median practice",
    "prize_upper_quartile": "to gain: as the better quarter",
    "prize_plan": "to gain: by the plan",
}


def figures(t: Teller) -> Section | None:
    """Each metric of everybody in the area."""
    rows: list[list[Text | Cell]] = []
    for d in t.report.definitions.values():
        one = t.get(d.id)
        if d.reason is not None or d.measure not in _MEASURES or one is None:
            continue
        row: list[Text | Cell] = [
            t.metric(d.id),
            t.value(d, one),
            interval(d, one.low, one.high),
            t.number(one.numerator, one),
            t.number(one.denominator, one),
            t.last(d),
        ]
        rows.append([*row, *([] if t.is_top else [t.of_all(d.id)]), signal_cell(t, d)])
    if not rows:
        return None
    heads = [
        "Figure",
        "Value",
        "95% interval",
        "Who counts",
        "Of whom",
        "Last month",
        *([] if t.is_top else [EVERYWHERE]),
        "Signal",
    ]
    table = Table(
        "figures-t",
        "Every figure, everybody together",
        heads,
        rows,
        frozenset(range(1, len(heads) - 1)),
        "Shares in %, rates per 1,000 people; people, or events for rates of use",
    )
    return Section(
        FIGURES, "Every figure", [table], ["Each name leads to its definition: who counts, of whom, from which source."]
    )


def withheld(t: Teller) -> Section | None:
    """How many of the area's figures have no value, by how people are divided, and why."""
    total: Counter[str] = Counter()
    kept: Counter[str] = Counter()
    other: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    whole: list[Key] = []
    for key, one in t.area.figures.items():
        by = key.group_by if key.measure != "movers" else "movers"
        total[by] += 1
        if one.suppressed:
            kept[by] += 1
            if by == NONE:
                whole.append(key)
        elif one.value is None:
            other[by] += 1
        if one.value is None and one.reason:
            reasons[one.reason] += 1
    if not total:
        return None
    rows: list[list[Text | Cell]] = [
        [divided(by), t.number(total[by]), t.number(kept[by]), t.number(other[by])] for by in total
    ]
    blocks: list[Block] = []
    blocks.append(
        Table(
            "withheld-t",
            "Figures of this page's area by how people are divided",
            ("People divided by", "Figures", "Withheld", "No value for another reason"),
            rows,
            frozenset({1, 2, 3}),
            sortable=False,
        )
    )
    if reasons:
        why: list[list[Text | Cell]] = [[t.plain(reason), t.number(number)] for reason, number in reasons.most_common()]
        blocks.append(
            Table("reasons-t", "Why there is no value", ("Reason", "Figures"), why, frozenset({1}), sortable=False)
        )
    if whole:
        blocks.append(_kept(t, whole))
    brief = f"{count(sum(kept.values()))} of {count(sum(total.values()))} figures" if kept else "nothing"
    lead = [_told(t, total, kept, whole), _rules(t)] if t.report.now.controlled else [_rules(t)]
    return Section(WITHHELD_ID, "What was withheld, and why", blocks, lead, brief=brief)


def _kept(t: Teller, whole: Sequence[Key]) -> Table:
    """Each of the withheld figures of people who are not divided, by its name, its measure and of whom it is."""
    rows: list[list[Text | Cell]] = [
        [t.metric(key.metric), _MEASURED_AS.get(key.measure, key.measure.replace("_", " ")), _of_whom(t, key.cohort)]
        for key in whole
    ]
    return Table(
        "kept-t",
        "Withheld figures of everybody, or of a whole cohort",
        ("Figure", "As", "Of whom"),
        rows,
        sortable=False,
    )


def _of_whom(t: Teller, cohort: str) -> str:
    """A cohort as the section of coverage calls it, each by a name of its own."""
    if cohort == EVERYBODY:
        return "everybody"
    for one in t.layout.coverage.cohorts:
        if cohort in (one.cohort, f"{one.cohort}_segment"):
            return f"{one.label} cohort"
        if cohort == f"{one.cohort}_priority":
            return f"{one.label} cohort, priority"
    return f"{cohort.replace('_', ' ')} cohort"


def _told(t: Teller, total: Counter[str], kept: Counter[str], whole: Sequence[Key]) -> str:
    """How much is withheld and where most of it is, in a sentence or two."""
    if not kept.total():
        return f"None of {count(total.total())} figures here is withheld."
    share = percent(kept.total() / total.total())
    text = f"{count(kept.total())} of {count(total.total())} figures here are withheld ({share})"
    named = list(dict.fromkeys(f"“{t.title(key.metric)}”" for key in whole))
    if not kept[NONE]:
        text += ", none of them of everybody or of a whole cohort"
    elif len(whole) <= _NAMED:
        text += f", of everybody or a whole cohort {', '.join(named)}"
    else:
        text += f", {count(kept[NONE])} of them of everybody or of a whole cohort (listed below)"
    groups = Counter({by: number for by, number in kept.items() if by != NONE})
    if groups.total():
        by, number = groups.most_common(1)[0]
        which = "Most" if 2 * number > kept.total() else "The largest part"
        verb = "are" if which == "Most" else "is"
        text += f". {which} {verb} of people divided by {divided(by)}: {count(number)} of {count(total[by])}"
    return text + "."


def _rules(t: Teller) -> str:
    if not t.report.now.controlled:
        return (
            "Nothing is withheld: these are exact counts, for direct care alone. Do not publish or pass on this page."
        )
    rules = t.report.record.get("disclosure") or {}
    smallest, step = rules.get("smallest"), rules.get("round_to")
    if not isinstance(smallest, int) or not isinstance(step, int):
        return WITHHELD_MEANS
    return (
        f"Counts of 0 to {count(smallest - 1, NOTHING)} are withheld, and so is what would let one be worked out: from "
        f"other groups, other areas, earlier months. Other counts are rounded to the nearest {step}, and every figure "
        "is worked out from rounded ones, so that parts may not add up to their whole."
    )
