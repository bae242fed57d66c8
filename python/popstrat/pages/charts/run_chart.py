"""A run chart: a figure month by month, its baseline and target, and the months that are more than chance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from popstrat.pages.charts.chart import ACROSS, LETTER, NARROW, Canvas, Chart, Scale, ticks, up_axis

_TALL = 170
_LEAST = 0.1
"""So much of its value an axis spans at the least, so that a change of next to nothing does not look like much."""
_MEANS = {"worse": "mark-red", "better": "mark-green"}


@dataclass(frozen=True)
class Month:
    """A month: its name in full and short, its value (None: withheld or missing, and the line is broken), and of which
    signal it is part, in words."""

    name: str
    short: str
    value: float | None
    signal: str = ""
    plan: float | None = None
    means: str = ""


def run_chart(
    months: Sequence[Month],
    *,
    unit: str,
    write: Callable[[float], str],
    write_tick: Callable[[float], str] | None = None,
    baseline: float | None = None,
    target: float | None = None,
    baseline_called: str = "baseline",
    target_called: str = "target",
    from_nothing: bool = False,
) -> Chart:
    """The months from left to right; a diamond marks a signal. ``write`` writes a value, ``write_tick`` one on the
    axis. The last month's value is written at its point."""
    known = [(i, m, m.value) for i, m in enumerate(months) if m.value is not None]
    values = [v for _, _, v in known] + [v for v in (baseline, target) if v is not None]
    values += [m.plan for m in months if m.plan is not None]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    more = max(_LEAST * max(abs(low), abs(high)) - (high - low), 0.0) / 2
    low, high = low - min(more, max(low, 0.0)) if low >= 0 else low - more, high + more
    pad = (high - low) * 0.15 or abs(high) * 0.1 or 1.0
    low = 0.0 if from_nothing or (low >= 0 and low - pad < 0) else low - pad
    canvas = Canvas()
    key = [("line", "mark-1", "each month")]
    signals = [(m, m.signal) for _, m, _ in known if m.signal]
    for means in dict.fromkeys(m.means for m, _ in signals):
        key.append(("diamond", _MEANS.get(means, "mark-1"), f"more than chance{f', {means}' if means else ''}"))
    if baseline is not None:
        key.append(("reference dotted", "", f"{baseline_called} {write(baseline)}"))
    planned = [(i, m.plan) for i, m in enumerate(months) if m.plan is not None]
    if planned:
        key.append(("thin dashed", "mark-3", "plan"))
    if target is not None:
        key.append(("reference dashed", "", f"{target_called} {write(target)}"))
    top = canvas.swatch(0, key) + 18
    bottom = top + _TALL
    canvas.height = bottom + 24
    down = Scale(low, high + pad, bottom, top)
    across = Scale(0, max(len(months) - 1, 1), ACROSS * 0.13, ACROSS * 0.97)
    up_axis(canvas, down, [t for t in ticks(low, high + pad, 5) if down.holds(t)], write_tick or write)
    canvas.line(0, bottom, ACROSS, bottom, "base-line")
    for value, kind in ((baseline, "reference dotted"), (target, "reference dashed")):
        if value is not None:
            canvas.line(0, down(value), ACROSS, down(value), kind)
    if len(planned) > 1:
        canvas.path([(across(i), down(v)) for i, v in planned], "thin dashed", "mark-3")
    for piece in _pieces(months):
        canvas.path([(across(i), down(v)) for i, v in piece], "line", "mark-1")
    for i, month, value in known:
        if month.signal:
            canvas.mark(across(i), down(value), "diamond", _MEANS.get(month.means, "mark-1"))
        else:
            canvas.mark(across(i), down(value), "dot", "mark-1")
    if known:
        i, _, value = known[-1]
        above = down(value) - 11
        canvas.text(across(i), above if above > top - 8 else down(value) + 19, write(value), "strong halo", "end", 6)
    for i in _labelled(months):
        canvas.text(across(i), bottom + 17, months[i].short, "tick", "end" if i == len(months) - 1 else "middle",
                    10 if i == len(months) - 1 else 0)  # fmt: skip
    return canvas.chart(_told(months, known, signals, unit, write, baseline, target, baseline_called, target_called))


def _pieces(months: Sequence[Month]) -> list[list[tuple[int, float]]]:
    found: list[list[tuple[int, float]]] = [[]]
    for i, month in enumerate(months):
        if month.value is None:
            found.append([])
        else:
            found[-1].append((i, month.value))
    return [piece for piece in found if len(piece) > 1]


def _labelled(months: Sequence[Month]) -> list[int]:
    """Which months have their name on the axis: the last, and as many before it as fit a phone."""
    if not months:
        return []
    most = max(int(NARROW * 0.84 / (LETTER * 8)), 1)
    every = -(-len(months) // most)
    return list(range(len(months) - 1, -1, -every))[::-1]


def _told(
    months: Sequence[Month],
    known: Sequence[tuple[int, Month, float]],
    signals: Sequence[tuple[Month, str]],
    unit: str,
    write: Callable[[float], str],
    baseline: float | None,
    target: float | None,
    baseline_called: str,
    target_called: str,
) -> str:
    if not known:
        return f"Run chart, {unit}: no month has a figure."
    (_, first, start), (_, last, end) = known[0], known[-1]
    told = f"Run chart, {unit}, of {len(months)} months: {write(start)} in {first.name}, {write(end)} in {last.name}"
    told += f"; {baseline_called} {write(baseline)}" if baseline is not None else ""
    told += f"; {target_called} {write(target)}" if target is not None else ""
    told += (
        ". More than chance: " + "; ".join(f"{m.name} ({s}{f': {m.means}' if m.means else ''})" for m, s in signals)
        if signals
        else ""
    )
    return told + "."
