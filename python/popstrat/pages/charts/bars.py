"""Bars: one value for each of some things, with an interval, and something to set it beside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from popstrat.core.numbers import NOTHING
from popstrat.pages.charts.chart import ACROSS, Canvas, Chart, Scale, round_up

_ROW, _TALL, _MISSING = 46, 16, 20


@dataclass(frozen=True)
class Bar:
    """A bar: one with ``value`` None is named below the others, with no bar. ``text`` is the value as written,
    ``beside`` another value that a stroke marks (last month's, the published one), ``colour`` a token."""

    label: str
    value: float | None
    text: str
    low: float | None = None
    high: float | None = None
    beside: float | None = None
    colour: str = "mark-1"


def bars(rows: Sequence[Bar], *, unit: str, beside: str = "", top: float | None = None) -> Chart:
    """Bars from nothing, each under its label and value. ``unit`` says what the values are, ``beside`` what the strokes
    mark; the longest bar takes the whole width unless ``top`` is given. What has no value has no bar, which would read
    as nought: it is named below the others."""
    shown = [r for r in rows if r.value is not None]
    missing = [r for r in rows if r.value is None]
    most = max((v for r in shown for v in (r.value, r.high, r.beside) if v is not None), default=1.0)
    scale = Scale(0, top or round_up(most), 0, ACROSS)
    canvas = Canvas()
    y = canvas.swatch(0, [("reference", "", beside)]) if beside and any(r.beside is not None for r in shown) else 0.0
    reasons = {text: [r for r in missing if r.text == text] for text in dict.fromkeys(r.text for r in missing)}
    canvas.height = y + _ROW * len(shown) + sum(_MISSING * (len(some) + 1) + 6 for some in reasons.values())
    for row in shown:
        canvas.label(y + 13, row.label, row.text)
        canvas.text(ACROSS, y + 13, row.text, "strong", "end")
        canvas.bar(0, ACROSS, y + 20, _TALL, "sunken")
        if row.value is not None:
            canvas.bar(0, scale(row.value), y + 20, _TALL, row.colour)
        if row.low is not None and row.high is not None:
            _interval(canvas, scale(row.low), scale(row.high), y + 20 + _TALL / 2)
        if row.beside is not None:
            x = scale(row.beside)
            canvas.line(x, y + 17, x, y + 23 + _TALL, "reference")
        y += _ROW
    for text, some in reasons.items():
        canvas.text(
            0, y + 14, "No figure:" if text == NOTHING else f"{text.capitalize()} (may be large or small):", "tick"
        )
        for row in some:
            y += _MISSING
            canvas.label(y + 14, row.label)
        y += _MISSING + 6
    told = "; ".join(f"{r.label} {r.text}" + (f" ({beside} marked)" if r.beside is not None else "") for r in shown)
    kept = "; ".join(f"{r.label} ({r.text})" for r in missing)
    return canvas.chart(f"Bars, {unit}: {told or 'none'}." + (f" Not shown: {kept}." if kept else ""))


def _interval(canvas: Canvas, low: float, high: float, y: float) -> None:
    canvas.line(low, y, high, y, "reference")
    for end in (low, high):
        canvas.line(end, y - 4, end, y + 4, "reference")
