"""From exact figures to what may leave the machine: disclosure control, and one plain dict for every output.

OpenSAFELY's rule: counts of 7 and under are redacted, the others rounded to the nearest 5, and rates recomputed from
the rounded counts; no minima, no maxima, nothing about one person. JSON, tables, plots and page are all made from this
dict, so nothing else can get out.

Where a figure is a function of an exact count (O/E, net benefit, calibration in the large) it is worked out anew from
the rounded ones, with the interval moved along.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

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

SMALLEST = 8
ROUND_TO = 5
FORMAT = 1

Row = dict[str, Any]


def rounded(count: float) -> int | None:
    """A count to the nearest 5, halves upwards; None for 7 and under and where it is not known."""
    if not np.isfinite(count) or count < SMALLEST:
        return None
    return int(ROUND_TO * np.floor(count / ROUND_TO + 0.5))


def publish(found: Validation, counts: Mapping[str, int], provenance: Mapping[str, Any]) -> Row:
    """Everything that is published, ready for JSON. ``counts`` are those of `join.Joined`."""
    whole = part(found.whole)
    people = whole["people"]
    groups = []
    for name, parts in found.groups.items():
        if len(parts) < 2:
            continue  # everybody is in one group
        rows = [part(p) for p in parts]
        _compare(parts, rows)
        groups.append({"name": name, "title": found.titles[name], "rows": rows})
    return {
        "format": FORMAT,
        **provenance,
        "settings": dict(found.settings),
        "people": {name: rounded(n) for name, n in counts.items()},
        "left_out": counts.get("without_outcome", 0) > 0,
        "overall": whole,
        "concordance": {name: shown(e, 3) for name, e in found.concordance.items()},
        "calibration": [band(b) for b in found.bands],
        "calibration_top": [band(b) for b in found.top],
        "curve": _curve(found),
        "capacity": [pick(p) for p in found.picks],
        "decision": decision(found.choices, found.whole),
        "found": _found(found),
        "groups": groups,
        "practices": practices(found, whole) if found.practices else None,
        "disclosure": {
            "redacted": f"counts of {SMALLEST - 1} and under",
            "rounded": f"other counts to the nearest {ROUND_TO}; rates from rounded counts",
            "measures": f"only with at least {MIN_EVENTS} people with and {MIN_EVENTS} without the outcome",
        },
        "rounded_people": people,
    }


def shown(estimate: Estimate, digits: int) -> Row:
    """An estimate as value, low and high, rounded; None for what is not defined."""
    return {name: _figure(getattr(estimate, name), digits) for name in ("value", "low", "high")}


def part(found: Part) -> Row:
    """All the people or a group, with what follows from rounded counts."""
    people, events = rounded(found.people), _events(found)
    mean = found.expected / found.people if found.people else np.nan
    row: Row = {
        "label": found.label,
        "people": people,
        "events": events,
        "lost": rounded(found.lost),
        "expected": None if people is None else round(people * mean),
        "observed_rate": _rate(events, people),
        "mean_risk": None if people is None else _figure(mean, 5),
        "reference": found.reference,
        "reason": found.reason,
        "measures": None,
        "against": None,
    }
    chosen, at_cut = rounded(found.chosen), _within(found.found, found.chosen)
    row["chosen"], row["found"] = chosen, at_cut
    row["chosen_rate"] = _rate(chosen, people)
    row["sensitivity"] = _rate(at_cut, events)
    row["predictive_value"] = _rate(at_cut, chosen)
    if found.measures is not None and people is not None and events is not None:
        row["measures"] = _measures(found, people, events)
    elif people is None or events is None:
        row["reason"] = "too few people" if people is None else "too few events"
    return row


def _within(part_of: float, whole: float) -> int | None:
    """A part of a count that is shown; redacted as well where the rest, which would follow from it, is few."""
    return None if whole - part_of < SMALLEST else rounded(part_of)


def _events(found: Part) -> int | None:
    """Estimated events, rounded; redacted where few were seen, or few people were seen to be free of them."""
    few = min(found.events, found.people - found.lost - found.events) < SMALLEST
    return None if few else rounded(found.observed)


def _measures(found: Part, people: int, events: int) -> Row:
    assert found.measures is not None
    m = dict(found.measures)
    ratio = events / (people * found.expected / found.people)
    moved = float(np.log(ratio) - np.log(m["oe"].value))
    m["oe"] = interval(ratio, m["oe"].error, "log")
    for name in ("in_the_large", "intercept"):
        m[name] = interval(m[name].value + moved, m[name].error, "plain")
    digits = {"oe": 2, "brier": 4}
    return {name: shown(e, digits.get(name, 3)) for name, e in m.items()}


def _compare(parts: Sequence[Part], rows: Sequence[Row]) -> None:
    """Differences from the reference group, for groups whose measures are shown."""
    reference = next(((p, r) for p, r in zip(parts, rows, strict=True) if p.reference and r["measures"]), None)
    if reference is None:
        return
    base = reference[1]["measures"]["oe"]["value"]
    for p, row in zip(parts, rows, strict=True):
        if not p.against or not row["measures"]:
            continue
        ratio = interval(row["measures"]["oe"]["value"] / base, p.against["oe"].error, "log")
        row["against"] = {"auroc": shown(p.against["auroc"], 3), "oe": shown(ratio, 2)}


def band(found: Band) -> Row:
    """People of neighbouring risk, with Wilson's interval for the observed share."""
    from statsmodels.stats.proportion import proportion_confint

    people = rounded(found.people)
    few = min(found.events, found.people - found.events) < SMALLEST
    events = None if few or not np.isfinite(found.observed) else rounded(found.observed * found.people)
    rate = _rate(events, people)
    low = high = None
    if rate is not None and people is not None and rate < 1 and found.effective > 0:
        effective = people * found.effective / found.people
        ends = proportion_confint(rate * effective, effective, method="wilson")
        low, high = (_figure(float(e), 5) for e in ends)
    return {
        "label": found.label,
        "people": people,
        "events": events,
        "mean_risk": None if people is None else _figure(found.mean_risk, 5),
        "observed_rate": rate,
        "low": low,
        "high": high,
    }


def pick(found: Pick) -> Row:
    """Sensitivity and predictive value of choosing those of highest risk, from rounded counts."""
    people, events, hits = rounded(found.people), rounded(found.all_events), _within(found.found, found.people)
    row: Row = {"label": found.label, "capacity": found.capacity, "people": people, "found": hits}
    for name, share, exact in (
        ("sensitivity", _rate(hits, events), found.sensitivity),
        ("predictive_value", _rate(hits, people), found.predictive_value),
    ):
        row[name] = None if share is None else shown(interval(share, exact.error, "logit"), 4)
    return row


def decision(choices: Sequence[Choice], whole: Part) -> list[Row]:
    """Net benefit at each threshold, per 1,000 people; stops where too few are chosen to be shown."""
    people, events = rounded(whole.people), _events(whole)
    rows: list[Row] = []
    if people is None or events is None:
        return rows
    for choice in choices:
        odds = choice.threshold / (1 - choice.threshold)
        chosen, right, wrong = rounded(choice.chosen), _within(choice.right, choice.chosen), rounded(choice.wrong)
        everybody = _figure(1000 * (events - odds * (people - events)) / people, 2)
        row: Row = {"threshold": choice.threshold, "chosen": chosen, "right": right, "model": None,
                    "everybody": everybody, "nobody": 0.0}  # fmt: skip
        if chosen is not None and right is not None and wrong is not None:
            value = (right - odds * wrong) / people
            row["model"] = {n: _figure(1000 * getattr(interval(value, choice.net_benefit.error, "plain"), n), 2)
                            for n in ("value", "low", "high")}  # fmt: skip
        rows.append(row)
    return rows


def practices(found: Validation, whole: Row) -> Row | None:
    """Observed over expected by practice, and where each lies in the funnel about the whole list's ratio."""
    from popstrat.validation.funnel import position

    if not whole["measures"]:
        return None
    target = whole["measures"]["oe"]["value"]
    rows = []
    for p in sorted(found.practices, key=lambda p: p.label):
        row = {n: v for n, v in part(p).items() if n in ("label", "people", "events", "lost", "expected", "mean_risk")}
        row["oe"], row["position"] = None, "too few people" if row["people"] is None else "too few events"
        if row["people"] is not None and row["events"] is not None and row["mean_risk"]:
            row["oe"] = _figure(row["events"] / (row["people"] * row["mean_risk"]), 2)
            row["position"] = position(row["events"], row["people"], row["mean_risk"] * target)
        rows.append(row)
    return {"target": target, "rows": rows}


def _curve(found: Validation) -> Row | None:
    if found.curve is None:
        return None
    c = found.curve
    points = [
        {name: _figure(float(getattr(c, name)[i]), 5) for name in ("risk", "observed", "low", "high")}
        for i in range(len(c.risk))
    ]
    return {"points": points, "calibration_index": _figure(c.index, 5)}


def _found(found: Validation) -> list[Row]:
    shares, caught = found.found
    n, total = found.whole.people, found.whole.observed
    people, events = rounded(n), rounded(total)
    rows = []
    for share, part_of in zip(shares, caught, strict=True):
        a, b = rounded(share * n), rounded(part_of * total)
        if a is not None and b is not None and people and events:
            rows.append({"share": _rate(a, people), "found": _rate(b, events)})
    return rows


def _rate(part_of: int | None, whole: int | None) -> float | None:
    return None if part_of is None or not whole else _figure(min(part_of / whole, 1.0), 5)


def _figure(value: float, digits: int) -> float | None:
    return round(float(value), digits) + 0.0 if np.isfinite(value) else None
