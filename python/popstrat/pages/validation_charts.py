"""The charts of a validation, drawn from the published figures, never from people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from popstrat.core.numbers import NOTHING, decimal, percent, span, stated
from popstrat.pages.charts.chart import Chart
from popstrat.pages.charts.curve import Line, Marks, curve
from popstrat.pages.charts.dots import Dot, dots
from popstrat.pages.charts.funnel import Limits, Place, funnel
from popstrat.validation.funnel import LIMITS, limits

Found = Mapping[str, Any]
_SEEN = 0.25
"""Up to which share of the list the chart of who is found goes."""


def calibration(result: Found) -> Chart | None:
    """Observed against predicted risk, both on log scales."""
    bands = [b for b in result["calibration"] if b["observed_rate"] and b["mean_risk"]]
    top = [b for b in result["calibration_top"] if b["observed_rate"] and b["mean_risk"]]
    if not bands:
        return None
    points = result["curve"]["points"] if result["curve"] else []
    smooth = [p for p in points if all(p.values())]  # what is nought in its steps has no place on a log scale
    values = [v for b in [*bands, *top] for v in (b["mean_risk"], b["low"] or b["observed_rate"], b["high"])]
    ends = min(values) / 1.35, min(max(values) * 1.35, 1.0)
    lines = [Line("as many as expected", [(ends[0], ends[0]), (ends[1], ends[1])], "reference dashed")]
    if smooth:
        seen = [(p["risk"], p["observed"]) for p in smooth]
        band = [p["low"] for p in smooth], [p["high"] for p in smooth]
        lines.append(Line("smooth curve, 95% band", seen, "line", "mark-1", band))
    first, last = bands[0], bands[-1]
    told = (
        f"Observed against predicted risk, by tenth of the list, on logarithmic scales. In the lowest tenth "
        f"{percent(first['mean_risk'])} was predicted and {percent(first['observed_rate'])} observed, in the highest "
        f"{percent(last['mean_risk'])} and {percent(last['observed_rate'])}."
    )
    return curve(
        lines,
        [
            _marks("tenths of the list, 95% interval", bands, "disc", "mark-2"),
            _marks("the highest tenth in parts", top, "diamond", "mark-red"),
        ],
        alternative=told, x=ends, y=ends, write_x=stated, write_y=stated, log=True,
        x_called="risk that the score gave", y_called="risk observed",
    )  # fmt: skip


def _marks(called: str, bands: Sequence[Found], shape: str, colour: str) -> Marks:
    return Marks(
        called,
        [(b["mean_risk"], b["observed_rate"]) for b in bands],
        shape,
        colour,
        [(b["low"] or b["observed_rate"], b["high"] or b["observed_rate"]) for b in bands],
    )


def found(result: Found) -> Chart | None:
    """Share of all events among the people of highest risk, up to a quarter of the list."""
    points = [(0.0, 0.0), *((p["share"], p["found"]) for p in result["found"])]
    if len(points) < 3:
        return None
    people, cut = result["overall"]["people"], result["settings"]["group_cut"]
    shown = [r for r in result["capacity"] if r["sensitivity"] and r["people"] / people <= _SEEN]
    places = [((r["people"] / people, r["sensitivity"]["value"]), r) for r in shown]
    at_cut = [(place, r) for place, r in places if r["label"] == cut]
    words = [f"{percent(place[1], 0)} of all events" for place, _ in at_cut]
    top = float(np.interp(_SEEN, *np.array(points).T))
    told = "Share of all events found by the share of the list that is seen: " + "; ".join(
        f"{percent(place[1])} by seeing {r['label']}" for place, r in places
    )
    return curve(
        [Line("by the score", points, "line", "mark-1"), Line("at random", [(0, 0), (1, 1)], "reference dashed")],
        [
            Marks("rows of the table", [place for place, r in places if r["label"] != cut], "dot", "mark-2"),
            Marks(cut, [place for place, _ in at_cut], "diamond", "mark-red", words=words),
        ],
        alternative=f"{told}.", x=(0, _SEEN), y=(0, min(1.0, top * 1.12)), write_x=stated, write_y=stated,
        x_called="share of the list seen, highest risk first", y_called="share of all events found",
    )  # fmt: skip


def decision(result: Found) -> Chart | None:
    """Net benefit per 1,000 people by threshold."""
    rows = [r for r in result["decision"] if r["model"]]
    if len(rows) < 3:
        return None
    model = [(r["threshold"], r["model"]["value"]) for r in rows]
    band = None
    if rows[0]["model"]["low"] is not None:
        band = [r["model"]["low"] or 0 for r in rows], [r["model"]["high"] or 0 for r in rows]
    top = max([v for _, v in model] + [1e-6])
    told = "Net benefit per 1,000 people by threshold, of acting on the score: " + "; ".join(
        f"{decimal(value, 1)} at {stated(at)}" for at, value in model[:: max(1, len(model) // 4)]
    )
    return curve(
        [
            Line("acting on the score, 95% band", model, "line", "mark-1", band),
            Line("seeing everybody", [(r["threshold"], r["everybody"]) for r in rows if r["everybody"] >= -0.25 * top],
                 "thin dashed", "mark-7"),
            Line("seeing nobody", [(r["threshold"], 0) for r in rows], "reference dotted"),
        ],
        [],
        alternative=f"{told}.", x=(model[0][0], model[-1][0]), y=(-0.2 * top, 1.1 * top), write_x=stated,
        write_y=lambda v: f"{decimal(v, 0)}", x_called="threshold: the risk from which somebody is seen",
        y_called="net benefit per 1,000 people",
    )  # fmt: skip


def groups(result: Found, measure: str, unit: str) -> list[tuple[str, Chart]]:
    """A measure of the groups of each division, with intervals, beside that of all people; all on one scale. With the
    title of each."""
    overall = result["overall"]["measures"]
    every = [row["measures"][measure] for g in result["groups"] for row in g["rows"] if row["measures"]]
    if not overall or not every:
        return []
    whole, log = overall[measure]["value"], measure == "oe"
    known = [v for e in every for v in (e["value"], e["low"], e["high"]) if v is not None] + [whole]
    low, high = min(known), max(known)
    ends = (max(low / 1.1, 0.2), min(high * 1.1, 5.0)) if log else (max(low - 0.02, 0.0), min(high + 0.02, 1.0))
    found = []
    for group in result["groups"]:
        rows = []
        for row in group["rows"]:
            e = row["measures"][measure] if row["measures"] else None
            if e is None or e["value"] is None:
                rows.append(Dot(row["label"], None, row["reason"] or NOTHING))
                continue
            off = e["low"] is not None and (e["low"] > whole or e["high"] < whole)
            rows.append(Dot(row["label"], e["value"], interval(e), e["low"], e["high"], off=off))
        chart = dots(
            rows, unit=unit, write=lambda v: f"{v:.2f}".rstrip("0").rstrip("."), reference=whole, called="all people",
            log=log, ends=ends, off_called="clearly not as all people",
        )  # fmt: skip
        found.append((group["title"], chart))
    return found


def interval(estimate: Found, digits: int = 2) -> str:
    """A value with its interval: 0.97 (0.94–1.00)."""
    value, low, high = (decimal(estimate[name], digits) for name in ("value", "low", "high"))
    return value if estimate["low"] is None or estimate["value"] is None else f"{value} ({span(low, high)})"


def practices(result: Found) -> Chart | None:
    """Observed over expected by practice against the number expected, with binomial limits."""
    rows = [r for r in result["practices"]["rows"] if r["oe"] is not None] if result["practices"] else []
    if len(rows) < 2:
        return None
    target, mean = result["practices"]["target"], result["overall"]["mean_risk"]
    expected = np.array([r["people"] * r["mean_risk"] for r in rows])
    x = np.geomspace(max(expected.min() * 0.85, 1), expected.max() * 1.08, 80)
    people = np.maximum(np.round(x / mean), 1)
    rate = np.minimum(x * target / people, 1)
    inner, outer = ([end / x for end in limits(people, rate, level)] for level in LIMITS.values())
    return funnel(
        [
            Place(r["label"], float(size), r["oe"], r["position"].split()[0] if "99.8" in r["position"] else "")
            for r, size in zip(rows, expected, strict=True)
        ],
        [Limits(*map(float, row)) for row in zip(x, outer[0], inner[0], inner[1], outer[1], strict=True)],
        target=target, unit="observed over expected", sizes="events that the score expected in the practice",
        write=lambda v: decimal(v, 2), write_size=lambda v: f"{v:,.0f}", target_called="whole list",
    )  # fmt: skip
