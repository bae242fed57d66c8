"""The findings in sentences, for people who read no plots. Made from the published figures alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from popstrat.core.numbers import decimal, plural, span, stated
from popstrat.core.numbers import percent as shown_percent

_OFF = 0.10
"""A group's O/E is worth a sentence when its interval leaves out that of all people and it is off it by this much."""
_NAMED = 4
_ABOUT = 0.05
"""Without an interval, risks are about right where observed over expected is 1 but for this."""


def headlines(result: Mapping[str, Any]) -> list[str]:
    """What a board member should take away, most important first; only what the figures can carry."""
    whole, called = result["overall"], result["outcome"]["called"]
    if whole["people"] is None or whole["events"] is None or whole["expected"] is None:
        return ["There are too few people, or too few with and without the outcome, to show anything."]
    about = "an estimated " if result["settings"]["survival"] else ""
    happened = f"{about}{whole['events']:,} ({percent(whole['observed_rate'])}) had {called}"
    expected = f"{whole['expected']:,} ({percent(whole['mean_risk'])})"
    found = [f"Of {whole['people']:,} people with a score, {happened}; the score expected {expected}."]
    if not whole["measures"]:
        return [*found, "There are too few events to say how good the score is."]
    m = whole["measures"]
    found.append(_overall(m["oe"]))
    found.append(_order(m["auroc"], called))
    found.append(_spread(m["slope"]))
    found += [_capacity(row, called) for row in shown_capacity(result)]
    found += _decision(result["decision"])
    found += _groups(result["groups"], m["oe"]["value"])
    found += _practices(result["practices"])
    return found


def titled(result: Mapping[str, Any]) -> str:
    """What people call the risk: its model's title, or the column's name as words."""
    words = str(result.get("risk_title") or result["risk"].replace("_", " "))
    return words[:1].upper() + words[1:]


def verdict(result: Mapping[str, Any]) -> str:
    """The findings in one sentence: whether it puts people in the right order, and whether its risks are right."""
    measures = result["overall"]["measures"]
    if not measures or measures["auroc"]["value"] is None:
        return "There are too few people, or too few with and without the outcome, to say how good the score is."
    auroc, oe = measures["auroc"]["value"], measures["oe"]
    order = next((words for least, words in _ORDER if auroc >= least), _ORDER[-1][1])
    told = f"The score tells people with and without the outcome apart {order}"
    if _right(oe):
        size = "its risks are about right overall"
    else:
        size = f"its risks are too {'low' if oe['value'] > 1 else 'high'} overall"
    off = _off_groups(result["groups"], oe["value"])[0]
    clearly = sum(len(rows) for rows in off.values())
    but = "" if not clearly else f", but not for everybody: for {plural(clearly, 'group')} they are clearly off"
    return f"{told}, and {size}{but}."


_ORDER = ((0.8, "very well"), (0.7, "well"), (0.6, "fairly"), (0.0, "hardly better than a coin toss"))


def _right(oe: Mapping[str, Any]) -> bool:
    if oe["low"] is None:
        return bool(abs(oe["value"] - 1) <= _ABOUT)
    return bool(oe["low"] <= 1 <= oe["high"])


def percent(share: float | None) -> str:
    """A share as a percentage with as many digits as matter."""
    return shown_percent(share, none="not shown")


def of_100(share: float) -> str:
    """A share as a number out of a hundred, in whole people where it is not tiny."""
    value = 100 * share
    return f"{value:.0f}" if value >= 9.5 else f"{value:.1f}"


def _overall(oe: Mapping[str, Any]) -> str:
    told = _span(oe, 2)
    if oe["low"] is not None and _right(oe):
        return f"Overall, it expected about as many as there were (observed over expected {oe['value']:.2f}{told})."
    way = "more" if oe["value"] > 1 else "fewer"
    off = "too low" if oe["value"] > 1 else "too high"
    return (
        f"There were {shown_percent(abs(oe['value'] - 1), 0)} {way} than it expected (observed over expected "
        f"{oe['value']:.2f}{told}): overall, its risks are {off}."
    )


def _order(auroc: Mapping[str, Any], called: str) -> str:
    value, low, high = (None if auroc[n] is None else 100 * auroc[n] for n in ("value", "low", "high"))
    digits = 1 if low is not None and high is not None and high - low < 2 else 0
    ends = "" if low is None or high is None else span(f"{low:.{digits}f}", f"{high:.{digits}f}")
    return (
        f"Shown one person who had {called} and one who did not, it gives the first the higher risk "
        f"{value:.{digits}f} times in 100{f' (95% interval {ends})' if ends else ''}; tossing a coin would 50 times."
    )


def _spread(slope: Mapping[str, Any]) -> str:
    if slope["value"] is None:
        return "How well its risks are spread cannot be said (no calibration slope could be fitted)."
    text = f"(calibration slope {slope['value']:.2f}{_span(slope, 2)})"
    if slope["low"] is not None and slope["low"] <= 1 <= slope["high"]:
        return f"High and low risks are spread about as far apart as they should be {text}."
    if slope["value"] < 1:
        return f"Its risks are spread too far apart: the highest are too high, or the lowest too low {text}."
    return f"Its risks are too close together: the highest are too low, or the lowest too high {text}."


def shown_capacity(result: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The row of what is found at the capacity that groups are compared at, if it may be shown."""
    rows = [r for r in result["capacity"] if r["sensitivity"] and r["predictive_value"]]
    return [r for r in rows if r["label"] == result["settings"]["group_cut"]][:1]


def _capacity(row: Mapping[str, Any], called: str) -> str:
    who = f"the {row['people']:,} people of highest risk" + (
        "" if row["capacity"] else f" ({row['label']} of the list)"
    )
    right, caught = of_100(row["predictive_value"]["value"]), of_100(row["sensitivity"]["value"])
    return (
        f"If teams see {who}, about {right} in 100 of those seen are people who would have had {called}. They are "
        f"about {caught} in 100 of all who did."
    )


def _decision(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Where the whole interval of the net benefit lies above both alternatives, in unbroken runs of thresholds."""
    shown = [r for r in rows if r["model"] and r["model"]["low"] is not None]
    if not shown:
        return []
    runs: list[list[float]] = []
    going = False
    for row in rows:
        better = row in shown and row["model"]["low"] > max(row["everybody"], 0)
        if better and going:
            runs[-1].append(row["threshold"])
        elif better:
            runs.append([row["threshold"]])
        going = better
    if not runs:
        return ["At no threshold does acting on the score clearly do better than seeing everybody or nobody."]
    spans = [stated(r[0]) if len(r) == 1 else span(stated(r[0]), stated(r[-1])) for r in runs]
    where = " and ".join(spans)
    return [f"Acting on the score clearly does better than seeing everybody or nobody at thresholds of {where}."]


def _off_groups(groups: Sequence[Mapping[str, Any]], whole: float) -> tuple[dict[str, list[tuple[float, str]]], int]:
    """Groups whose observed over expected is clearly off that of all people: those whose risks are low, and high, each
    with how far; and how many groups could be looked at."""
    off: dict[str, list[tuple[float, str]]] = {"low": [], "high": []}
    shown = 0
    for group in groups:
        for row in group["rows"]:
            oe = (row["measures"] or {}).get("oe")
            if not oe or oe["low"] is None:
                continue
            shown += 1
            ratio = oe["value"] / whole
            text = f"{group['title']}: {row['label']} ({oe['value']:.2f})"
            if oe["low"] > whole and ratio >= 1 + _OFF:
                off["low"].append((ratio, text))
            if oe["high"] < whole and ratio <= 1 / (1 + _OFF):
                off["high"].append((1 / ratio, text))
    return off, shown


def _groups(groups: Sequence[Mapping[str, Any]], whole: float) -> list[str]:
    """What there is to say of groups beside all people, which have a sentence of their own."""
    off, shown = _off_groups(groups, whole)
    if not shown:
        return []
    if not off["low"] and not off["high"]:
        return [f"In observed over expected, none of the {shown} groups is clearly more than 10% off the whole list."]
    found = []
    for side, rows in off.items():
        if rows:
            named = "; ".join(text for _, text in sorted(rows, reverse=True)[:_NAMED])
            more = f"; and {len(rows) - _NAMED} more" if len(rows) > _NAMED else ""
            found.append(
                f"Compared with the whole list (observed over expected {whole:.2f}), its risks are {side} for "
                f"{named}{more}."
            )
    return found


def _practices(practices: Mapping[str, Any] | None) -> list[str]:
    rows = [r for r in practices["rows"] if r["oe"] is not None] if practices else []
    if len(rows) < 2:
        return []
    outside = sum("99.8" in r["position"] for r in rows)
    verb = "lies" if outside <= 1 else "lie"
    expected = 0.002 * len(rows)
    chance = f"about {expected:.0f}" if expected >= 1 else "fewer than one"
    who = f"{outside or 'None'} of the {len(rows):,} practices"
    return [f"{who} {verb} outside the 99.8% limits of the funnel; chance alone would put {chance} there."]


def _span(estimate: Mapping[str, Any], digits: int) -> str:
    if estimate["low"] is None:
        return ""
    return f", 95% interval {span(decimal(estimate['low'], digits), decimal(estimate['high'], digits))}"
