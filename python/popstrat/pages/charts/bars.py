"""Bars: one value for each of some things, with an interval, and something to set it beside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from popstrat.pages.charts.chart import ACROSS, LETTER, NARROW, Canvas, Chart, Scale, fit, round_up

_ROW, _TALL = 46, 16


@dataclass(frozen=True)
class Bar:
    """A bar: ``value`` None is drawn as words alone. ``text`` is the value as written, ``beside`` another value that a
    stroke marks (last month's, the published one), ``colour`` a token."""

    label: str
    value: float | None
    text: str
    low: float | None = None
    high: float | None = None
    beside: float | None = None
    colour: str = "mark-1"


def bars(rows: Sequence[Bar], *, unit: str, beside: str = "", top: float | None = None) -> Chart:
    """Bars from nothing, each under its label and value. ``unit`` says what the values are, ``beside`` what the strokes
    mark; the longest bar takes the whole width unless ``top`` is given."""
    most = max((v for r in rows for v in (r.value, r.high, r.beside) if v is not None), default=1.0)
    scale = Scale(0, top or round_up(most), 0, ACROSS)
    canvas = Canvas()
    y = canvas.swatch(0, [("reference", "", beside)]) if beside and any(r.beside is not None for r in rows) else 0.0
    canvas.height = y + _ROW * len(rows)
    for row in rows:
        canvas.text(0, y + 13, fit(row.label, NARROW - LETTER * (len(row.text) + 2)))
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
    told = "; ".join(f"{r.label} {r.text}" + (f" ({beside} marked)" if r.beside is not None else "") for r in rows)
    return canvas.chart(f"Bars, {unit}: {told}.")


def _interval(canvas: Canvas, low: float, high: float, y: float) -> None:
    canvas.line(low, y, high, y, "reference")
    for end in (low, high):
        canvas.line(end, y - 4, end, y + 4, "reference")
