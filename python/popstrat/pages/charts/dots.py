"""Dots with intervals: values of groups beside each other, and beside that of all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from popstrat.pages.charts.chart import ACROSS, Canvas, Chart, Scale, across_axis, ticks

_ROW, _HEAD = 38, 30


@dataclass(frozen=True)
class Dot:
    """A value with its interval, as numbers and as written; ``value`` None: ``text`` says why there is none.
    ``heading`` begins a group of rows. ``off`` marks a row that is clearly different."""

    label: str
    value: float | None
    text: str
    low: float | None = None
    high: float | None = None
    heading: str = ""
    off: bool = False


def dots(
    rows: Sequence[Dot],
    *,
    unit: str,
    write: Callable[[float], str],
    reference: float | None = None,
    called: str = "all",
    log: bool = False,
    ends: tuple[float, float] | None = None,
    off_called: str = "clearly different",
) -> Chart:
    """Each row under its label and value, a dot on a line from end to end of its interval; ``reference`` is a line down
    through the values of all; ``ends`` of the scale, where several charts are to have the same."""
    known = [v for r in rows for v in (r.value, r.low, r.high) if v is not None]
    known += [reference] if reference is not None else []
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    if ends is not None:
        low, high = ends
    elif log:
        low, high = low / 1.08, high * 1.08
    else:
        pad = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
        low, high = low - pad if low < 0 or low - pad > 0 else 0.0, high + pad
    across = Scale(low, high, ACROSS * 0.02, ACROSS * 0.98, log)
    canvas = Canvas()
    key = [("disc", "mark-1", "value and 95% interval")]
    if any(r.off for r in rows):
        key.append(("diamond", "mark-red", off_called))
    if reference is not None:
        key.append(("reference dashed", "", f"{called} {write(reference)}"))
    top = canvas.swatch(0, key) + 2
    bottom = top + sum(_ROW + (_HEAD if r.heading else 0) for r in rows)
    canvas.height = bottom + 22
    y = top
    for row in rows:
        if row.heading:
            canvas.text(0, y + 20, row.heading, "strong halo")
            y += _HEAD
        canvas.label(y + 13, row.label, row.text, "halo")
        canvas.text(ACROSS, y + 13, row.text, "tick halo", "end")
        canvas.line(0, y + _ROW - 1, ACROSS, y + _ROW - 1, "grid-line")
        if reference is not None:  # beside the values alone: a name is not crossed out
            canvas.line(across(reference), y + 17, across(reference), y + _ROW - 1, "reference dashed")
        if row.value is not None:
            colour = "mark-red" if row.off else "mark-1"
            if row.low is not None and row.high is not None:
                left, right = (across(min(max(end, low), high)) for end in (row.low, row.high))
                canvas.line(left, y + 25, right, y + 25, "line", colour)
            canvas.mark(across(min(max(row.value, low), high)), y + 25, "diamond" if row.off else "disc", colour)
        y += _ROW
    across_axis(canvas, across, _steps(low, high, log), write, bottom)
    told = "; ".join(f"{f'{r.heading}: ' if r.heading else ''}{r.label} {r.text}" for r in rows)
    told += f". {called} {write(reference)}" if reference is not None else ""
    return canvas.chart(f"Values with 95% intervals, {unit}: {told}.")


def _steps(low: float, high: float, log: bool) -> list[float]:
    if log and high / low < 6:
        found = [t for t in (0.2, 0.33, 0.5, 0.67, 0.8, 1, 1.25, 1.5, 2, 3, 5) if low <= t <= high]
        return found if len(found) < 7 else [t for t in found if t in (0.2, 0.5, 1, 2, 5)]
    return [t for t in ticks(low, high, 5, log) if low <= t <= high]
