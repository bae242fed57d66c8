"""A funnel plot: areas of different sizes, and how far chance alone puts them apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from popstrat.core.numbers import plural
from popstrat.pages.charts.chart import ACROSS, Canvas, Chart, Scale, across_axis, ticks, up_axis

_TALL = 240


@dataclass(frozen=True)
class Place:
    """An area: ``size`` people, its ``value``, and where it lies: ``outside`` is "above" or "below" the outer limits,
    or nothing. One that is ``named`` is written in the chart."""

    label: str
    size: float
    value: float
    outside: str = ""
    named: bool = False


@dataclass(frozen=True)
class Limits:
    """The limits at one size: the outer and the inner ones."""

    size: float
    outer_low: float
    inner_low: float
    inner_high: float
    outer_high: float


def funnel(
    places: Sequence[Place],
    limits: Sequence[Limits],
    *,
    target: float,
    unit: str,
    sizes: str,
    write: Callable[[float], str],
    write_size: Callable[[float], str],
    areas: tuple[str, str] = ("practice", "practices"),
    target_called: str = "all together",
    write_tick: Callable[[float], str] | None = None,
) -> Chart:
    """Places by size and value between their limits (95% inside, 99.8% outside). Outside the outer ones a place is a
    triangle that points the way it lies off."""
    canvas = Canvas()
    outside = [p for p in places if p.outside]
    key = [("disc", "mark-1", areas[0])]
    if outside:
        key.append(("up", "mark-red", "outside the 99.8% limits"))
    key += [
        ("line", "mark-1", f"{target_called} {write(target)}"),
        ("thin dashed", "text", "95% limits"),
        ("reference", "", "99.8% limits"),
    ]
    top = canvas.swatch(0, key) + 18
    bottom = top + _TALL
    canvas.height = bottom + 44
    ordered = sorted(limits, key=lambda one: one.size)
    sized = [p.size for p in places] + [one.size for one in ordered] or [0.0, 1.0]
    room = (max(sized) - min(sized)) * 0.04 or max(sized) * 0.1 or 1.0
    across = Scale(max(min(sized) - room, 0), max(sized) + room, ACROSS * 0.12, ACROSS)
    values = [p.value for p in places] + [target]
    reach = [v for one in ordered for v in (one.outer_low, one.outer_high)]
    widest = max(abs(v - target) for v in values) * 1.15 or abs(target) * 0.1
    low = max(min([*values, *reach]), target - 3 * widest, 0 if min(values) >= 0 else float("-inf"))
    high = min(max([*values, *reach]), target + 3 * widest)
    pad = (high - low) * 0.06 or 0.1
    down = Scale(low - pad if low > pad or low < 0 else 0.0, high + pad, bottom, top)
    up_axis(canvas, down, [t for t in ticks(down.low, down.high, 5) if down.holds(t)], write_tick or write)
    canvas.line(0, bottom, ACROSS, bottom, "base-line")
    across_axis(canvas, across, [t for t in ticks(across.low, across.high, 5) if across.holds(t)], write_size, bottom)
    canvas.text(ACROSS, bottom + 36, sizes, "tick", "end")
    for name, kind in (("outer_low", "reference"), ("outer_high", "reference"), ("inner_low", "thin dashed"),
                       ("inner_high", "thin dashed")):  # fmt: skip
        line = [(across(one.size), down(min(max(getattr(one, name), down.low), down.high))) for one in ordered]
        if len(line) > 1:
            canvas.path(line, kind, "text")
    canvas.line(across(across.low), down(target), ACROSS, down(target), "line", "mark-1")
    for p in sorted(places, key=lambda one: bool(one.outside)):
        shape = {"above": "up", "below": "down"}.get(p.outside, "disc")
        canvas.mark(across(p.size), down(p.value), shape, "mark-red" if p.outside else "mark-1", hollow=p.named)
    for p in places:
        if p.named:
            x = across(p.size)
            anchor = "end" if x > ACROSS / 2 else "start"
            canvas.text(x, down(p.value), p.label, "strong halo", anchor, -10 if anchor == "end" else 10)
    above, below = (sum(p.outside == way for p in places) for way in ("above", "below"))
    told = f"Funnel plot, {unit}, of {plural(len(places), *areas)} by {sizes}; {target_called} {write(target)}. "
    told += f"{above} above and {below} below the 99.8% limits."
    named = [f"{p.label}: {write(p.value)}" for p in places if p.named]
    return canvas.chart(told + (f" {'; '.join(named)}." if named else ""))
