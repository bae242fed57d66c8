"""From exact figures to what may leave the machine: disclosure control, and one plain dict for every output.

All counts, and the sums of risks, go through `popstrat.privacy.disclosure` together, with how they add up: groups,
practices and tenths of the list to the whole, numerators to those they are part of. Everything else is worked out from
the published counts (rates, mean risks, O/E, net benefit) or given in steps that the size of its group allows (AUROC,
slope, standard errors). JSON, tables, plots and page are all made from this dict, so nothing else can get out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from popstrat.privacy.disclosure import ROUND_TO, SMALLEST, coarse, rounded, step
from popstrat.privacy.disclosure import share_of as _rate
from popstrat.privacy.disclosure.release import Published, Release
from popstrat.validation.results import (
    MIN_EVENTS,
    Band,
    Choice,
    Estimate,
    Part,
    Pick,
    Validation,
    interval,
)

FORMAT = 1

Row = dict[str, Any]
Name = tuple[str, ...]
"""What is counted: whose (the whole, a group, a practice, a band of risk …), and then which count of theirs."""
_WHOLE: Name = ("whole",)


def publish(found: Validation, counts: Mapping[str, int], provenance: Mapping[str, Any]) -> Row:
    """Everything that is published, ready for JSON. ``counts`` are those of `join.Joined`."""
    out = _Counts(counted(found, counts).publish())
    whole = _part(out, _WHOLE, found.whole)
    size = _smaller(whole)
    groups = []
    for name, parts in found.groups.items():
        if len(parts) < 2:
            continue  # everybody is in one group
        rows = [_part(out, ("group", name, p.label), p) for p in parts]
        _compare(parts, rows)
        groups.append({"name": name, "title": found.titles[name], "rows": rows})
    people = whole["people"]
    return {
        "format": FORMAT,
        **provenance,
        "settings": dict(found.settings),
        "people": {name: out(("list",), name) for name in counts},
        "left_out": counts.get("without_outcome", 0) > 0,
        "overall": whole,
        "concordance": {name: _stepped(e, size, 1) for name, e in found.concordance.items()} if size else {},
        "calibration": [_band(out, ("band", b.label), b) for b in found.bands],
        "calibration_top": [_band(out, ("top", b.label), b) for b in found.top],
        "curve": _curve(found, whole),
        "capacity": [_pick(out, p, whole) for p in found.picks],
        "decision": _decision(out, found.choices, whole),
        "found": _found(out, found, whole),
        "groups": groups,
        "practices": _practices(out, found, whole) if found.practices else None,
        "disclosure": {
            "redacted": f"counts of {SMALLEST - 1} and under, those that leave 1 to {SMALLEST - 1} of a whole, and "
            "those from which others would follow",
            "rounded": f"other counts, and sums of risks, to the nearest {ROUND_TO}; rates and mean risks from these",
            "measures": f"only with at least {MIN_EVENTS} people with and {MIN_EVENTS} without the outcome, in steps "
            "by the size of the group",
        },
        "rounded_people": people,
    }


@dataclass(frozen=True)
class _Counts:
    """The published counts by name."""

    published: Published

    def __call__(self, whose: Name, what: str) -> int | None:
        return self.published.shown.get((*whose, what))


def counted(found: Validation, counts: Mapping[str, int]) -> Release:
    """All counts of the report, and how they add up. Where follow-up is censored, events are estimated for each group
    on its own, and do not add up."""
    release = Release()
    survival = bool(found.settings["survival"])
    for kind, count in counts.items():
        release.add(("list", kind), count)
    kinds = ("without_risk", "without_outcome", "assessed")
    if {"scored", *kinds} <= set(counts) and counts["scored"] == sum(counts[n] for n in kinds):
        release.adds_up(("list", "scored"), [("list", n) for n in kinds])
    _add_part(release, _WHOLE, found.whole, survival)
    if counts.get("assessed") == found.whole.people:
        release.adds_up(("list", "assessed"), [(*_WHOLE, "people")])
    added = ("people", "expected") if survival else ("people", "expected", "events")
    name: Name
    for p in found.picks:
        name = ("pick", p.label)
        (release.known if p.capacity else release.add)((*name, "people"), p.people)
        _add_within(release, (*name, "found"), p.found, (*name, "people"), p.people)
        _tie(release, (*name, "found"), p.found, (*_WHOLE, "events"), p.all_events)
    cut = ("pick", str(found.settings["group_cut"]))
    at_cut = next((p for p in found.picks if p.label == cut[1]), None)
    divided: list[list[tuple[Name, Part]]] = [[(("practice", p.label), p) for p in found.practices]]
    for title, members in found.groups.items():
        if len(members) > 1:
            divided.append([(("group", title, p.label), p) for p in members])
    for parts in divided:
        for whose, member in parts:
            _add_part(release, whose, member, survival)
        if sum(p.people for _, p in parts) == found.whole.people:  # else not everybody is in one of them
            for what in added:
                _sum(release, (*_WHOLE, what), [(*name, what) for name, _ in parts])
        if at_cut is not None and sum(p.chosen for _, p in parts) == at_cut.people:
            _sum(release, (*cut, "people"), [(*name, "chosen") for name, _ in parts])
    for kind, bands in (("band", found.bands), ("top", found.top)):
        for b in bands:
            events = b.observed * b.people if survival else float(b.events)
            release.add((kind, b.label, "people"), b.people)
            release.add((kind, b.label, "expected"), b.mean_risk * b.people)
            _add_events(release, (kind, b.label), events, b.events, b.people, b.people - b.events, survival)
    if found.bands:
        last = ("band", found.bands[-1].label)
        for what in added:
            _sum(release, (*_WHOLE, what), [("band", b.label, what) for b in found.bands])
            _sum(release, (*last, what), [("top", b.label, what) for b in found.top])
    for choice in found.choices:
        name = ("choice", f"{choice.threshold:g}")
        release.add((*name, "chosen"), choice.chosen)
        release.add((*name, "wrong"), choice.wrong)
        _add_within(release, (*name, "right"), choice.right, (*name, "chosen"), choice.chosen)
        if not survival:
            release.adds_up((*name, "chosen"), [(*name, "right"), (*name, "wrong")])
    for at, (_, caught) in enumerate(zip(*found.found, strict=True)):
        _add_within(release, ("curve", str(at), "found"), caught * found.whole.observed, (*_WHOLE, "events"),
                    found.whole.observed)  # fmt: skip
    _tie_tops(release, found, survival)
    return release


def _tie_tops(release: Release, found: Validation, survival: bool) -> None:
    """So many people of highest risk are the same people, whether chosen by number, by a threshold, by tenths of the
    list or on the curve of who is found: their counts are the same, and one must not give another away."""
    tops: list[tuple[float, float, list[Name], list[Name]]] = []
    for p in found.picks:  # that a capacity is somebody else's number as well, nobody knows
        people: list[Name] = [] if p.capacity else [("pick", p.label, "people")]
        tops.append((p.people, p.found, people, [("pick", p.label, "found")]))
    for choice in found.choices:
        name = ("choice", f"{choice.threshold:g}")
        tops.append((choice.chosen, choice.right, [(*name, "chosen")], [(*name, "right")]))
    for at, (share, caught) in enumerate(zip(*found.found, strict=True)):
        tops.append((share * found.whole.people, caught * found.whole.observed, [], [("curve", str(at), "found")]))
    for kind, bands in (("band", found.bands), ("top", found.top)):
        for first in range(len(bands)):
            above = bands[first:]
            names: list[list[Name]] = [[(kind, b.label, what) for b in above] for what in ("people", "events")]
            having = sum(b.observed * b.people if survival else b.events for b in above)
            tops.append((sum(b.people for b in above), having, names[0], names[1]))
    tops.sort(key=lambda top: (round(top[0], 6), round(top[1], 6), len(top[3]), not top[2]))
    for (size, events), same in groupby(tops, key=lambda top: (round(top[0], 6), round(top[1], 6))):
        (_, _, whole, caught), *others = same
        for _, _, other, also in others if size and events else ():
            if len(whole) == 1 and other and other != whole:
                _sum(release, whole[0], other)
            if len(caught) == 1 and also != caught:
                _sum(release, caught[0], also)


def _add_part(release: Release, name: Name, part: Part, survival: bool) -> None:
    release.add((*name, "people"), part.people)
    release.add((*name, "expected"), part.expected)
    release.add((*name, "lost"), part.lost)
    free = part.people - part.lost - part.events
    _add_events(release, name, part.observed if survival else part.events, part.events, part.people, free, survival)
    if np.isfinite(part.chosen):
        _add_within(release, (*name, "chosen"), part.chosen, (*name, "people"), part.people)
    if np.isfinite(part.found):
        _add_within(release, (*name, "found"), part.found, (*name, "chosen"), part.chosen)
        _tie(release, (*name, "found"), part.found, (*name, "events"), part.observed)


def _add_events(
    release: Release, name: Name, events: float, seen: int, people: int, free: int, survival: bool
) -> None:  # fmt: skip
    """Events of some people; where they are estimated the rule is for those seen to have, or to be free of, one."""
    if np.isfinite(events):
        release.add((*name, "events"), events, few_seen=survival and (seen < SMALLEST or 0 < free < SMALLEST))
        _tie(release, (*name, "events"), events, (*name, "people"), people)


def _add_within(release: Release, key: Name, count: float, whole: Name, size: float) -> None:
    release.add(key, max(count, 0.0))
    _tie(release, key, count, whole, size)


def _tie(release: Release, part: Name, count: float, whole: Name, size: float) -> None:
    """One is part of the other; not where estimates on two sides make the part the larger."""
    if whole in release and np.isfinite(count) and np.isfinite(size) and 0 <= count <= size:
        release.part_of(part, whole)


def _sum(release: Release, total: Name, parts: Sequence[Name]) -> None:
    if parts and all(key in release for key in (total, *parts)):
        release.adds_up(total, parts)


def _part(out: _Counts, name: Name, found: Part) -> Row:
    """All the people or a group, with what follows from published counts."""
    people, events, expected = (out(name, what) for what in ("people", "events", "expected"))
    row: Row = {
        "label": found.label,
        "people": people,
        "events": events,
        "lost": out(name, "lost"),
        "expected": expected,
        "observed_rate": _rate(events, people),
        "mean_risk": _rate(expected, people),
        "reference": found.reference,
        "reason": found.reason,
        "measures": None,
        "against": None,
    }
    chosen, at_cut = out(name, "chosen"), out(name, "found")
    row["chosen"], row["found"] = chosen, at_cut
    row["chosen_rate"] = _rate(chosen, people)
    row["sensitivity"] = _rate(at_cut, events)
    row["predictive_value"] = _rate(at_cut, chosen)
    if found.measures is not None and _smaller(row) and expected is not None:
        row["measures"] = _measures(found, row)
    elif people is None or events is None or found.measures is not None:
        row["reason"] = "too few people" if people is None else "too few events"
    return row


def _smaller(row: Row) -> int | None:
    """The published number with the outcome or without it, whichever is smaller; None where it is not published."""
    if row["people"] is None or row["events"] is None:
        return None
    return min(row["events"], row["people"] - row["events"]) or None


def _stepped(found: Estimate, size: int, people: int = ROUND_TO) -> Row:
    """A figure, its standard error and its interval in the steps of `popstrat.privacy.disclosure.rules.step`."""
    by = step(size, people=people)
    value = coarse(found.value, by)
    if value is None:
        return {"value": None, "low": None, "high": None}
    e = interval(value, _error(found.error, size), found.scale)
    return {"value": value, "low": coarse(e.low, by), "high": coarse(e.high, by)}


def _error(error: float, size: int) -> float:
    """A standard error in steps, upwards, so that no interval is made too narrow."""
    by = step(size, people=1)
    return by * math.ceil(error / by - 1e-9) if math.isfinite(error) else error


def _measures(found: Part, row: Row) -> Row:
    """Measures of a group whose counts are published: what follows from counts does, the rest is in steps."""
    assert found.measures is not None
    m, size, people = dict(found.measures), _smaller(row), row["people"]
    assert size is not None
    ratio = row["events"] / row["expected"]
    moved = float(np.log(ratio) - np.log(m["oe"].value))
    for name in ("in_the_large", "intercept"):
        m[name] = interval(m[name].value + moved, m[name].error, "plain")
    brier = coarse(m["brier"].value, step(people))
    rate = row["events"] / people
    scaled = np.nan if brier is None else 1 - brier / (rate * (1 - rate))
    shown_as: Row = {}
    for name, e in m.items():
        if name == "oe":
            shown_as[name] = shown(interval(ratio, _error(e.error, size), "log"), 2)
        elif name in ("auroc", "average_precision"):
            shown_as[name] = _stepped(e, size, 1)
        elif name == "brier":
            shown_as[name] = _stepped(e, people)
        elif name == "scaled_brier":
            shown_as[name] = shown(interval(scaled, _error(e.error, size), "plain"), 3)
        else:
            shown_as[name] = _stepped(e, size)
    return shown_as


def _compare(parts: Sequence[Part], rows: Sequence[Row]) -> None:
    """Differences from the reference group, of published measures."""
    reference = next((r for p, r in zip(parts, rows, strict=True) if p.reference and r["measures"]), None)
    if reference is None:
        return
    base = reference["measures"]
    for p, row in zip(parts, rows, strict=True):
        size = _smaller(row)
        if not p.against or not row["measures"] or size is None:
            continue
        ratio = interval(
            row["measures"]["oe"]["value"] / base["oe"]["value"], _error(p.against["oe"].error, size), "log"
        )
        apart = row["measures"]["auroc"]["value"] - base["auroc"]["value"]
        auroc = _stepped(interval(apart, p.against["auroc"].error, "plain"), size, 1)
        row["against"] = {"auroc": auroc, "oe": shown(ratio, 2)}


def _band(out: _Counts, name: Name, found: Band) -> Row:
    """People of neighbouring risk, with Wilson's interval for the observed share."""
    from statsmodels.stats.proportion import proportion_confint

    people, events, expected = (out(name, what) for what in ("people", "events", "expected"))
    rate = _rate(events, people)
    low = high = None
    if rate is not None and people is not None and rate < 1 and found.effective > 0:
        # What censoring costs is a share of the people; in steps, as every figure that is no count.
        share = coarse(found.effective / found.people, step(people)) or step(people)
        ends = proportion_confint(rate * people * share, people * share, method="wilson")
        low, high = (_figure(float(e), 5) for e in ends)
    return {
        "label": found.label,
        "people": people,
        "events": events,
        "mean_risk": _rate(expected, people),
        "observed_rate": rate,
        "low": low,
        "high": high,
    }


def _pick(out: _Counts, found: Pick, whole: Row) -> Row:
    """Sensitivity and predictive value of choosing those of highest risk, from published counts."""
    name = ("pick", found.label)
    people = rounded(found.people) if found.capacity else out(name, "people")
    hits = out(name, "found")
    row: Row = {"label": found.label, "capacity": found.capacity, "people": people, "found": hits}
    for what, share, exact, size in (
        ("sensitivity", _rate(hits, whole["events"]), found.sensitivity, whole["events"]),
        ("predictive_value", _rate(hits, people), found.predictive_value, people),
    ):
        row[what] = None
        if share is not None and size is not None:
            row[what] = shown(interval(share, _error(exact.error, size), "logit"), 4)
    return row


def _decision(out: _Counts, choices: Sequence[Choice], whole: Row) -> list[Row]:
    """Net benefit at each threshold, per 1,000 people; stops where too few are chosen to be shown."""
    people, events = whole["people"], whole["events"]
    rows: list[Row] = []
    if people is None or events is None:
        return rows
    for choice in choices:
        odds = choice.threshold / (1 - choice.threshold)
        name = ("choice", f"{choice.threshold:g}")
        chosen, right, wrong = (out(name, what) for what in ("chosen", "right", "wrong"))
        everybody = _figure(1000 * (events - odds * (people - events)) / people, 2)
        row: Row = {"threshold": choice.threshold, "chosen": chosen, "right": right, "model": None,
                    "everybody": everybody, "nobody": 0.0}  # fmt: skip
        if chosen is not None and right is not None and wrong is not None:
            value = (right - odds * wrong) / people
            error = _error(choice.net_benefit.error, people)
            row["model"] = {n: _figure(1000 * getattr(interval(value, error, "plain"), n), 2)
                            for n in ("value", "low", "high")}  # fmt: skip
        rows.append(row)
    return rows


def _practices(out: _Counts, found: Validation, whole: Row) -> Row | None:
    """Observed over expected by practice, and where each lies in the funnel about the whole list's ratio."""
    from popstrat.validation.funnel import position

    if not whole["measures"]:
        return None
    target = whole["measures"]["oe"]["value"]
    shown_columns = ("label", "people", "events", "lost", "expected", "mean_risk")
    rows = []
    for p in sorted(found.practices, key=lambda p: p.label):
        row = {n: v for n, v in _part(out, ("practice", p.label), p).items() if n in shown_columns}
        row["oe"], row["position"] = None, "too few people" if row["people"] is None else "too few events"
        if row["people"] is not None and row["events"] is not None and row["expected"]:
            row["oe"] = _figure(row["events"] / row["expected"], 2)
            row["position"] = position(row["events"], row["people"], row["mean_risk"] * target)
        rows.append(row)
    return {"target": target, "rows": rows}


def _curve(found: Validation, whole: Row) -> Row | None:
    """The smooth curve, a mean over people at each point, in steps."""
    if found.curve is None or not _smaller(whole):
        return None
    c, by = found.curve, step(whole["people"])
    points = [
        {name: coarse(float(getattr(c, name)[i]), by) for name in ("risk", "observed", "low", "high")}
        for i in range(len(c.risk))
    ]
    return {"points": points, "calibration_index": coarse(c.index, by)}


def _found(out: _Counts, found: Validation, whole: Row) -> list[Row]:
    shares, _ = found.found
    people, events = whole["people"], whole["events"]
    rows = []
    for at, share in enumerate(shares):
        a, b = rounded(share * found.whole.people), out(("curve", str(at)), "found")
        if a is not None and b is not None and people and events:
            rows.append({"share": _rate(a, people), "found": _rate(b, events)})
    return rows


def shown(estimate: Estimate, digits: int) -> Row:
    """An estimate that follows from published figures, as value, low and high; None for what is not defined."""
    return {name: _figure(getattr(estimate, name), digits) for name in ("value", "low", "high")}


def _figure(value: float, digits: int) -> float | None:
    return round(float(value), digits) + 0.0 if np.isfinite(value) else None
