"""The plots, as SVG text to stand inside the page; drawn from the published figures, never from people.

No colour carries a meaning alone: lines differ in dashes, points in shape.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, DARK, GREEN, RED, BLACK, GREY, PALE = (
    "#005eb8", "#003087", "#007f3b", "#d5281b", "#212b32", "#768692", "#d8dde0",
)  # fmt: skip
_WIDTH = 7.2
_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",  # text stays text: to be searched, read aloud, enlarged
    "font.family": ["DejaVu Sans"],  # for the room that text needs; the page names its own fonts
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": BLACK,
    "text.color": BLACK,
    "xtick.color": BLACK,
    "ytick.color": BLACK,
    "axes.grid": True,
    "grid.color": PALE,
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
}
_TICKS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


def all_plots(result: Mapping[str, Any]) -> dict[str, str]:
    """SVG by name, for those plots that there is something to draw in."""
    import matplotlib as mpl

    found = {}
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        for name, draw in _PLOTS.items():
            mpl.rcParams["svg.hashsalt"] = name
            figure = draw(result)
            if figure is not None:
                found[name] = svg(figure, name)
    return found


def svg(figure: Figure, name: str) -> str:
    """A figure as an SVG element without ids that another one could have."""
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    found = text.getvalue()
    found = found[found.index("<svg") :]
    found = re.sub(r"<metadata>.*?</metadata>", "", found, flags=re.DOTALL)
    found = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', found)
    found = re.sub(r'(xlink:href="#|url\(#)', rf"\1{name}-", found)
    found = found.replace("'DejaVu Sans'", "Arial, Helvetica, sans-serif")
    # The caption and the description beside the plot say what it shows.
    return re.sub(r"<svg ", '<svg aria-hidden="true" focusable="false" ', found, count=1)


def _figure(height: float, columns: int = 1) -> tuple[Figure, Sequence[Axes]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    return figure, list(np.atleast_1d(figure.subplots(1, columns, sharey=columns > 1)))


def calibration(result: Mapping[str, Any]) -> Figure | None:
    """Observed against predicted risk, both on log scales."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    bands = [b for b in result["calibration"] if b["observed_rate"] and b["mean_risk"]]
    top = [b for b in result["calibration_top"] if b["observed_rate"] and b["mean_risk"]]
    if not bands:
        return None
    figure, (axes,) = _figure(4.6)
    points = result["curve"]["points"] if result["curve"] else []
    curve = [p for p in points if all(p.values())]  # what is nought in its steps has no place on a log scale
    values = [v for b in [*bands, *top] for v in (b["mean_risk"], b["low"] or b["observed_rate"], b["high"])]
    low, high = min(values) / 1.35, min(max(values) * 1.35, 1.0)
    axes.plot([low, high], [low, high], color=BLACK, linewidth=1, dashes=(5, 3), label="expected as many as observed")
    if curve:
        x = [p["risk"] for p in curve]
        axes.fill_between(x, [p["low"] for p in curve], [p["high"] for p in curve], color=BLUE, alpha=0.18, linewidth=0)
        axes.plot(x, [p["observed"] for p in curve], color=BLUE, linewidth=1.8, label="smooth curve, 95 % band")
    _points(axes, bands, "o", DARK, "tenths of the list, 95 % interval")
    _points(axes, top, "D", RED, "the highest tenth in parts: 5, 3, 1 and 1 %")
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(FixedLocator([t for t in _TICKS if low <= t <= high]))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda v, _: f"{100 * v:g} %"))
    axes.set_xlabel("risk that the score gave")
    axes.set_ylabel("observed risk")
    axes.legend(loc="upper left")
    return figure


def _points(axes: Axes, bands: Sequence[Mapping[str, Any]], marker: str, colour: str, label: str) -> None:
    x = np.array([b["mean_risk"] for b in bands], dtype=float)
    y = np.array([b["observed_rate"] for b in bands], dtype=float)
    ends = np.array([(b["low"] or r, b["high"] or r) for b, r in zip(bands, y, strict=True)], dtype=float).reshape(
        -1, 2
    )
    error = np.maximum(np.vstack([y - ends[:, 0], ends[:, 1] - y]), 0)
    axes.errorbar(
        x, y, np.nan_to_num(error), fmt=marker, color=colour, markersize=5, elinewidth=1.2, capsize=2,
        markerfacecolor="white" if marker == "D" else colour, label=label,
    )  # fmt: skip


def found(result: Mapping[str, Any]) -> Figure | None:
    """Share of all events among the people of highest risk, up to a quarter of the list."""
    from matplotlib.ticker import PercentFormatter

    points = [(0.0, 0.0), *((p["share"], p["found"]) for p in result["found"])]
    if len(points) < 3:
        return None
    figure, (axes,) = _figure(3.9)
    x, y = np.array(points).T
    axes.plot(x, y, color=BLUE, linewidth=2, label="by the score, highest risk first")
    axes.plot([0, 1], [0, 1], color=BLACK, linewidth=1, dashes=(5, 3), label="by lot")
    people = result["overall"]["people"]
    cut = result["settings"]["group_cut"]
    for row in result["capacity"]:
        if not row["sensitivity"]:
            continue
        share, caught = row["people"] / people, row["sensitivity"]["value"]
        main = row["label"] == cut
        axes.plot(share, caught, "D" if main else "o", color=RED if main else DARK, markersize=7 if main else 4.5,
                  zorder=4 if main else 3)  # fmt: skip
        if main:
            axes.annotate(
                f"{row['people']:,} people ({100 * share:.2g} %):\n{100 * caught:.0f} % of all events found",
                (share, caught), (max(share + 0.035, 0.05), max(caught - 0.02, 0.02)), fontsize=8.5, va="top",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
                arrowprops={"arrowstyle": "-", "color": GREY},
            )  # fmt: skip
    top = float(np.interp(0.25, x, y))
    axes.set(xlim=(0, 0.25), ylim=(0, min(1.0, top * 1.12)))
    axes.xaxis.set_major_formatter(PercentFormatter(1, 0, " %"))
    axes.yaxis.set_major_formatter(PercentFormatter(1, 0, " %"))
    axes.set_xlabel("share of the list that is seen, highest risk first")
    axes.set_ylabel("share of all events found")
    axes.legend(loc="upper left")
    return figure


def decision(result: Mapping[str, Any]) -> Figure | None:
    """Net benefit per 1,000 people by threshold."""
    rows = [r for r in result["decision"] if r["model"]]
    if len(rows) < 3:
        return None
    figure, (axes,) = _figure(3.6)
    x = [100 * r["threshold"] for r in rows]
    model = [r["model"]["value"] for r in rows]
    if rows[0]["model"]["low"] is not None:
        low, high = ([r["model"][end] or 0 for r in rows] for end in ("low", "high"))
        axes.fill_between(x, low, high, color=BLUE, alpha=0.18, linewidth=0)
    axes.plot(x, model, color=BLUE, linewidth=2, label="acting on the score, 95 % band")
    axes.plot(x, [r["everybody"] for r in rows], color=DARK, linewidth=1.3, dashes=(6, 3), label="seeing everybody")
    axes.plot(x, [0] * len(x), color=BLACK, linewidth=1.3, dashes=(1, 2), label="seeing nobody")
    top = max([*model, 1e-6])
    axes.set(xlim=(min(x), max(x)), ylim=(-0.2 * top, 1.1 * top))
    axes.set_xlabel("threshold: the risk from which somebody would be seen, %")
    axes.set_ylabel("net benefit per 1,000 people")
    axes.legend(loc="upper right")
    return figure


def groups(result: Mapping[str, Any]) -> Figure | None:
    """O/E and AUROC of every group, with intervals, beside the whole list's."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    lines: list[tuple[str, Mapping[str, Any] | None]] = []
    for group in result["groups"]:
        lines.append((group["title"], None))
        lines += [(f"{row['label']} *" if row["reference"] else row["label"], row) for row in group["rows"]]
    shown = [row for _, row in lines if row and row["measures"]]
    overall = result["overall"]["measures"]
    if not shown or not overall:
        return None
    figure, (left, right) = _figure(0.9 + 0.185 * len(lines), 2)
    for axes, name, title in ((left, "oe", "observed over expected"), (right, "auroc", "AUROC")):
        ends = []
        for i, (_, row) in enumerate(lines):
            if not row or not row["measures"]:
                continue
            e = row["measures"][name]
            low, high = e["low"] or e["value"], e["high"] or e["value"]
            ends += [low, high]
            axes.plot([low, high], [i, i], color=DARK, linewidth=1.3)
            axes.plot(e["value"], i, "s", color=BLUE, markersize=4.5)
        axes.axvline(overall[name]["value"], color=BLUE, linewidth=1, dashes=(4, 2))
        axes.set_title(title, fontsize=9.5, loc="left")
        axes.grid(axis="y", visible=False)
        if name == "oe":
            axes.axvline(1, color=BLACK, linewidth=1)
            low, high = max(min(*ends, 0.9) / 1.05, 0.2), min(max(*ends, 1.1) * 1.05, 5)
            axes.set(xscale="log", xlim=(low, high))
            steps = [0.2, 0.33, 0.5, 0.67, 0.8, 0.9, 1, 1.1, 1.25, 1.5, 2, 3, 5]
            wide = high / low > 3
            axes.xaxis.set_major_locator(
                FixedLocator([t for t in steps if low <= t <= high and not (wide and t in (0.9, 1.1, 0.8, 1.25))])
            )
            axes.xaxis.set_minor_locator(NullLocator())
            axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
        else:
            axes.set_xlim(max(min(ends) - 0.02, 0.3), min(max(ends) + 0.02, 1))
    for i, (_, row) in enumerate(lines):
        if row and not row["measures"]:
            left.text(1.0, i, row["reason"], fontsize=7.5, color=BLACK, ha="center", va="center",
                      bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8})  # fmt: skip
    left.set_yticks(range(len(lines)), [label for label, _ in lines])
    left.set_ylim(len(lines) - 0.4, -0.6)
    for axes in (left, right):
        axes.tick_params(axis="y", length=0)
    for (_, row), text in zip(lines, left.get_yticklabels(), strict=True):
        text.set_fontsize(8)
        if row is None:
            text.set_fontweight("bold")
    return figure


def funnel(result: Mapping[str, Any]) -> Figure | None:
    """Observed over expected by practice against the number expected, with binomial limits."""
    from popstrat.validation.funnel import LIMITS, limits

    rows = [r for r in result["practices"]["rows"] if r["oe"] is not None] if result["practices"] else []
    if len(rows) < 2:
        return None
    figure, (axes,) = _figure(4.0)
    target = result["practices"]["target"]
    expected = np.array([r["people"] * r["mean_risk"] for r in rows])
    ratio = np.array([r["oe"] for r in rows])
    outside = np.array(["99.8" in r["position"] for r in rows])
    mean = result["overall"]["mean_risk"]
    x = np.geomspace(max(expected.min() * 0.85, 1), expected.max() * 1.08, 160)
    people = np.maximum(np.round(x / mean), 1)
    rate = np.minimum(x * target / people, 1)
    for (name, level), dashes in zip(LIMITS.items(), ((5, 3), (None, None)), strict=True):
        low, high = limits(people, rate, level)
        for j, y in enumerate((low / x, high / x)):
            colour, label = GREY if level > 0.01 else BLACK, f"{name} limits" if j == 0 else None
            axes.plot(x, y, color=colour, linewidth=1.1, dashes=dashes, label=label)
    axes.axhline(target, color=BLUE, linewidth=1, label="whole list")
    axes.plot(expected[~outside], ratio[~outside], "o", color=BLUE, markersize=3.5, alpha=0.75, label="practice")
    if outside.any():
        axes.plot(expected[outside], ratio[outside], "^", color=RED, markersize=5.5, label="practice outside 99.8 %")
    low, high = limits(people, rate, LIMITS["99.8 %"])
    bottom = min(float(np.min(low / x)), float(ratio.min())) * 0.95
    top = min(max(float(np.max(high / x)), float(ratio.max())) * 1.05, 4 * target)
    axes.set(xlim=(x[0], x[-1]), ylim=(bottom, top))
    axes.set_xlabel("events that the score expected in the practice")
    axes.set_ylabel("observed over expected")
    axes.legend(loc="upper right", ncols=2)
    return figure


_PLOTS = {"calibration": calibration, "found": found, "decision": decision, "groups": groups, "funnel": funnel}
NAMES = tuple(_PLOTS)
