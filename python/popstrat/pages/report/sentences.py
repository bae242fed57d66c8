"""The sentences that matter, worked out from the figures of an area: whether it is on plan, where most people are to
gain, what is more than chance. Every number in them stands in a table of the section that they lead to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from popstrat.core.numbers import count, day, span
from popstrat.metrics.rows import Level
from popstrat.pages.report.model import CALLED, Definition
from popstrat.pages.report.sections import changes, coverage, inequality, prize, variation
from popstrat.pages.report.teller import Teller, several, signal_words, written
from popstrat.pages.report.views import Sentence

MOST = 3
_NAMED = 3


def sentences(t: Teller) -> list[Sentence]:
    """The first of what can be said, at most three, in the order of what matters."""
    found = [*_coverage(t), *_prize(t)]
    headline, others, better = _signals(t)
    for one in (*headline, *_outside(t), *others, *_gap(t), *better, *_calm(t)):
        if len(found) >= MOST:
            break
        found.append(one)
    return found[:MOST]


def _coverage(t: Teller) -> Iterator[Sentence]:
    mine = coverage.reached(t, t.area)
    if mine.floor is None:
        return
    floor = coverage.floor_text(mine.floor)
    if mine.floor.value is None:
        why = f": {mine.floor.reason}" if mine.floor.reason else ""
        yield Sentence(f"The floor of people to be supported is not known{why}.", coverage.ID)
        return
    plan, colour = _plan(t, mine)
    if mine.withheld:
        text = f"How many people are on the caseload is withheld; {floor} are the least that teams are to support"
    elif mine.on is None:
        text = f"Teams are to support at least {floor} people; without a caseload it is not known how many they do"
    elif mine.gap is not None and mine.gap > 0:
        short = coverage.gap_text(mine.gap)
        text = f"{count(mine.on)} people are on the caseload, {short} short of the floor of {floor}"
    elif mine.gap is not None:
        text = f"{count(mine.on)} people are on the caseload, {coverage.gap_text(mine.gap)} above the floor of {floor}"
    else:
        text = f"{count(mine.on)} people are on the caseload; the floor is {floor}"
    means = {"green": "on plan", "red": "behind plan"}.get(colour, "")
    yield Sentence(text + plan + ".", coverage.ID, colour, means)


def _plan(t: Teller, mine: coverage.Reached) -> tuple[str, str]:
    """What is said of the plan, and its colour: of the area's own, or else of the areas in it that have one."""
    if mine.planned is not None:
        by = f" ({count(mine.planned)} by {day(mine.by)})" if mine.by else f" ({count(mine.planned)} next)"
        colour = {"on": "green", "off": "red"}.get(mine.trajectory or "", "")
        return (
            f": {mine.plan_words}{by}" if colour else f"; the plan is{by.replace('(', '').replace(')', '')}"
        ), colour
    level, below = t.within()
    found = [one for one in (coverage.reached(t, area) for area in below) if one.planned is not None]
    if not found:
        return "", ""
    on = sum(one.trajectory == "on" for one in found)
    off = sum(one.trajectory == "off" for one in found)
    rest = len(found) - on - off
    parts = [(on, "on it"), (off, "behind it"), (rest, "where that cannot be said")]
    said = [f"{number} {words}" for number, words in parts if number]
    told = f"; of {several(level, len(found))} with a plan, {' and '.join(said)}"
    return told, "red" if off else "green" if on == len(found) else ""


def _prize(t: Teller) -> Iterator[Sentence]:
    found = prize.prizes(t, t.known(t.layout.headline))
    if not found or prize.size(found[0]) < 1:
        return
    one = found[0]
    people = count(prize.size(one))
    by_plan = prize.by_plan(one)
    if t.area.level is Level.PRACTICE:
        aim = "reached its plan" if by_plan else "did as well as the better quarter of practices"
        fewer = "fewer" if one.definition.good == "low" else "more"
        yield Sentence(
            f"Most people are to gain in “{one.definition.title}”: {people} {fewer}, if the practice {aim}.", prize.ID
        )
        return
    aim = "reached its plan" if by_plan else "did as well as the better quarter"
    text = f"Most people are to gain in “{one.definition.title}”: {people}, if every practice {aim}"
    if one.most is not None and one.most[1].value:
        text += f"; most of them in {one.most[0].name} ({count(one.most[1].value)})"
    yield Sentence(text + ".", prize.ID)


def _signals(t: Teller) -> tuple[list[Sentence], list[Sentence], list[Sentence]]:
    """Changes that are more than chance: headline figures for the worse, others for the worse, those for the better."""
    found: tuple[list[Sentence], list[Sentence], list[Sentence]] = ([], [], [])
    for d in changes.section_metrics(t):
        one, before = t.get(d.id), t.before(d.id)
        signal = signal_words(one.signal) if one is not None else ""
        if one is None or not signal or one.value is None or before is None or d.good == "none":
            continue
        if written(d, one.value) == written(d, before):
            continue  # it lies far from the average, as it did last month: nothing that a sentence could say
        up = one.value > before
        bad = up == (d.good == "low")
        text = (
            f"“{d.title}” {'rose' if up else 'fell'} from {written(d, before)} last month to {written(d, one.value)}, "
            f"which is {'worse' if bad else 'better'}, and more than chance: {signal}."
        )
        found[2 if not bad else d.id not in t.layout.headline].append(Sentence(text, changes.ID))
    return found


def _outside(t: Teller) -> Iterator[Sentence]:
    """The figure in which most practices, or this one, lie outside the outer limits on the wrong side."""
    if t.area.level is Level.PRACTICE:
        own = sorted(variation.outside(t, t.known(t.layout.headline)), key=lambda one: -one.far)
        for one in own[:1]:
            limits, value = one.figure.limits, one.figure.value
            if limits is None or value is None:
                continue
            text = (
                f"“{one.definition.title}” is {written(one.definition, value)}, "
                f"{'below' if one.figure.position < 0 else 'above'} the 99.8% limits for its size "
                f"({span(written(one.definition, limits[0]), written(one.definition, limits[3]))}): more than chance "
                "would explain."
            )
            yield Sentence(text, variation.ID)
        return
    by: dict[Definition, list[variation.Outside]] = defaultdict(list)
    for one in variation.outside(t, t.known(t.layout.headline)):
        by[one.definition].append(one)
    if not by:
        return
    order = t.report.order
    d, most = max(by.items(), key=lambda pair: (len(pair[1]), -order[pair[0].id]))
    side = "below" if most[0].figure.position < 0 else "above"
    names = ", ".join(one.area.name for one in most[:_NAMED]) + ("" if len(most) <= _NAMED else " and others")
    lie = "lies" if len(most) == 1 else "lie"
    yield Sentence(
        f"{several(Level.PRACTICE, len(most))} of {len(t.practices()):,} {lie} {side} the "
        f"99.8% limits for “{d.title}”, which is worse than chance would explain: {names}.",
        variation.ID,
    )


def _gap(t: Teller) -> Iterator[Sentence]:
    """The clear inequality that is widest for its interval."""
    found = inequality.clear_gaps(t)
    if found:
        d, first, last, _ = found[0]
        yield Sentence(
            f"“{d.title}” is {written(d, first)} in the most deprived fifth and {written(d, last)} in the least "
            "deprived one: more than chance.",
            inequality.ID,
        )


def _calm(t: Teller) -> Iterator[Sentence]:
    """That nothing stands out, where that is so."""
    found = [one for d in t.known(t.layout.headline) if (one := t.get(d.id)) is not None and one.limits is not None]
    if found and all(abs(one.position) < 2 for one in found):
        yield Sentence(
            f"In none of {len(found)} headline figures does this {CALLED[t.area.level]} lie outside the 99.8% limits.",
            variation.ID,
        )
    people = t.registered()
    if people is not None:
        yield Sentence(f"{count(people)} people are registered.", coverage.ID)
