"""The sentences that matter, worked out from the figures of an area: whether it is on plan, where most people are to
gain, what is more than chance. Every number in them stands in a table of the section that they lead to."""

from __future__ import annotations

from collections.abc import Iterator

from popstrat.core.numbers import count, day
from popstrat.metrics.rows import Level
from popstrat.pages.report.model import CALLED
from popstrat.pages.report.sections import changes, coverage, inequality, needs, prize, variation
from popstrat.pages.report.teller import Teller, is_rate, several, written
from popstrat.pages.report.views import Sentence

MOST = 3


def sentences(t: Teller) -> list[Sentence]:
    """The first of what can be said, at most three, in the order of what matters."""
    found = [*_coverage(t), *_outside(t), *_prize(t)]
    headline, others, better = _signals(t)
    for one in (*headline, *others, *_gap(t), *better, *_calm(t)):
        if len(found) >= MOST:
            break
        found.append(one)
    return found[:MOST]


def _coverage(t: Teller) -> Iterator[Sentence]:
    mine = coverage.reached(t, t.area)
    if mine.floor is None:
        return
    plan, colour = _plan(t, mine)
    if mine.floor.value is None:
        why = f": {t.plain(mine.floor.reason)}" if mine.floor.reason else ""
        floor, to_floor = "", f"The floor of people to be supported is not known{why}."
    else:
        floor = coverage.floor_text(mine.floor)
        share = coverage.floor_share(t)
        called = f"floor of {share}" if share else "floor"
        to_floor = f"The {called}, the least that teams are to support, is {floor} people."
        if mine.gap is not None:
            side = "short of" if mine.gap > 0 else "above"
            to_floor = f"The caseload is {coverage.gap_text(mine.gap)} {side} the {called}, which is {floor} people."
    if mine.withheld:
        text = "How many people are on the caseload is withheld here."
    elif mine.on is None:
        text = "No caseload was given, so it is not known how many people are supported."
    else:
        own = bool(plan) and (mine.by_now is not None or mine.planned is not None)
        stray = coverage.outside(t)
        if stray:
            text = f"{count(mine.on)} people are on the caseload, but {stray} are in no cohort."
        else:
            text = f"{count(mine.on)} people are on the caseload{', ' + plan if own else ''}."
            plan = "" if own else plan
    parts = [text, f"{plan[0].upper()}{plan[1:]}." if plan else "", to_floor]
    means = {"green": coverage.ON_PLAN, "red": coverage.OFF_PLAN}.get(colour, "")
    if means and coverage.outside(t):
        means += ", but most are in no cohort"
    yield Sentence(" ".join(part for part in parts if part), coverage.ID, colour, means)


def _plan(t: Teller, mine: coverage.Reached) -> tuple[str, str]:
    """What is said of the plan, and its colour: of the area's own, or else of the areas in it that have one, or of the
    nearest above."""
    colour = {"on": "green", "off": "red"}.get(mine.trajectory or "", "")
    if mine.by_now is not None or mine.planned is not None:
        parts = []
        if mine.by_now is not None:
            parts.append(f"{count(mine.by_now)} were planned by {day(t.report.as_of)}")
        if mine.planned is not None:
            parts.append(f"{count(mine.planned)} {'are planned' if not parts else 'are'} by {day(mine.by or 'later')}")
        told = " and ".join(parts)
        if mine.ahead is None:
            return told, colour
        if mine.ahead < 0:
            return f"{coverage.OFF_PLAN} by {count(-mine.ahead)}: {told}", colour
        return f"{coverage.ON_PLAN}{f' and {count(mine.ahead)} ahead of it' if mine.ahead else ''}: {told}", colour
    level, below = t.within()
    found = [one for one in (coverage.reached(t, area) for area in below) if one.planned is not None]
    if found:
        on = sum(one.trajectory == "on" for one in found)
        off = sum(one.trajectory == "off" for one in found)
        rest = len(found) - on - off
        counted = [(on, "on it"), (off, "behind it"), (rest, "where that cannot be said")]
        said = " and ".join(f"{number} {words}" for number, words in counted if number)
        return f"of {several(level, len(found))} with a plan, {said}", "red" if off else "green" if on == len(
            found
        ) else ""
    for place in reversed(t.area.above):
        theirs = coverage.reached(t, t.report.areas[place])
        if theirs.plan_words:
            return f"{t.report.title(place)}, which has the plan, is {theirs.plan_words}", ""
        if theirs.by_now is not None or theirs.planned is not None:
            return f"whether {t.report.title(place)}, which has the plan, is on it cannot be said", ""
    return "", ""


def _prize(t: Teller) -> Iterator[Sentence]:
    text = prize.sentence(t)
    if text:
        yield Sentence(text, prize.ID)


def _signals(t: Teller) -> tuple[list[Sentence], list[Sentence], list[Sentence]]:
    """Changes that are more than chance: headline figures for the worse, others for the worse, those for the better."""
    found: tuple[list[Sentence], list[Sentence], list[Sentence]] = ([], [], [])
    for d, signal in changes.signals(t, changes.section_metrics(t)):
        one, before = t.get(d.id), t.before(d.id)
        if one is None or one.value is None or not signal.means:
            continue
        now = written(d, one.value)
        then = "" if before is None or written(d, before) == now else f" ({written(d, before)} last month)"
        text = f"“{d.title}” is {now}{then}: {signal.words}, which is {signal.means}, and more than chance."
        found[2 if signal.means == "better" else d.id not in t.layout.headline].append(Sentence(text, changes.ID))
    return found


def _outside(t: Teller) -> Iterator[Sentence]:
    """The practice that needs help most, and with what; of a practice itself the figure. Where only records are to be
    completed, that."""
    tested = needs.tested(t)
    points = tested.outer
    if not points:
        return
    people = [one for one in points if not needs.of_records(t, one)]
    most = (people or points)[0]
    d = most.definition
    if most.figure.value is None:
        return
    single = t.area.level is Level.PRACTICE
    say = written(d, most.figure.value)
    if most.average is not None:
        say += f" against {written(d, most.average)} in all practices"
    say += f", {'below' if most.figure.position < 0 else 'above'} the 99.8% limits for its size"
    if most.people is not None and round(most.people):
        what = "events" if is_rate(d) else "people"
        say += f" and {count(most.people)} {what} from the average"
    if tested.by_chance:
        does = "may need help with" if people else "may have records to complete in"
    else:
        does = "needs help most with" if people else f"has {'' if single else 'most '}records to complete in"
    who = f"{'This practice' if single else t.named(most.area)} {does} “{d.title}”"
    others = sum(one.area is most.area for one in points) > 1
    rest = "" if not others else " It lies outside them in other figures too."
    if not single and len({one.area.name for one in points}) > 1:
        rest += " “Who needs help” names the other practices."
    if tested.by_chance:
        few = "One such point" if len(points) == 1 else f"{count(len(points))} such points"
        rest += f" {few} in {count(tested.points)} {'is' if len(points) == 1 else 'are'} about what chance alone gives."
    yield Sentence(f"{who}: {say}.{rest}", needs.ID)


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
