"""Where one place lies among all, figure by figure: its value in the funnel limits of its own size, each row on a scale
of its own, so that what is far off is far off in every row alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from popstrat.pages.charts.chart import ACROSS, Canvas, Chart

_ROW, _HALF = 46, 9
_INNER, _OUTER, _MOST = 1.96, 3.09, 5.0
_MIDDLE = ACROSS / 2


@dataclass(frozen=True)
class Lying:
    """A figure: ``limits`` are the outer low, inner low, inner high and outer high ones at the place's size, ``worse``
    says that it lies outside them on the wrong side; ``where`` in words. ``average`` is what all places have
    together: it need not lie in the middle of the limits."""

    label: str
    value: float
    text: str
    limits: tuple[float, float, float, float]
    where: str
    outside: bool = False
    worse: bool = False
    average: float | None = None


def within(rows: Sequence[Lying], *, unit: str, called: str = "this place", average: str = "all together") -> Chart:
    """Each row under its label and value: a band for the 95% limits, a line from one 99.8% limit to the other, the
    value, and a stroke for that of all. What lies beyond the outer limits is a triangle that points away."""
    canvas = Canvas()
    key = [("disc", "mark-1", called), ("up", "mark-red", "worse than the 99.8% limits"),
           ("line", "mark-5", "99.8% limits; the band: 95%")]  # fmt: skip
    if any(row.average is not None for row in rows):
        key.append(("reference", "", average))
    y = canvas.swatch(0, key) + 4
    canvas.height = y + _ROW * len(rows)
    for row in rows:
        canvas.label(y + 13, row.label, row.text, "halo")
        canvas.text(ACROSS, y + 13, row.text, "strong halo", "end")
        middle = y + 30
        canvas.bar(_at(-_INNER), _at(_INNER), middle - _HALF, 2 * _HALF, "band-fill")
        canvas.line(_at(-_OUTER), middle, _at(_OUTER), middle, "line", "mark-5")
        if row.average is not None:
            of_all = _at(_score(row.average, row.limits))
            canvas.line(of_all, middle - _HALF, of_all, middle + _HALF, "reference")
        x = _at(_score(row.value, row.limits))
        colour = "mark-red" if row.worse else "mark-1"
        canvas.mark(x, middle, ("up" if row.value > row.limits[3] else "down") if row.outside else "disc", colour)
        y += _ROW
    told = "; ".join(f"{row.label} {row.text}, {row.where}" for row in rows)
    return canvas.chart(f"Values within their limits, {unit}: {told}.")


def _at(score: float) -> float:
    return _MIDDLE + max(-_MOST, min(_MOST, score)) / _MOST * ACROSS * 0.48


def _score(value: float, limits: tuple[float, float, float, float]) -> float:
    """Standard deviations from the middle, read off the limits; straight lines between them and beyond."""
    lowest, low, high, highest = limits
    marks = [(lowest, -_OUTER), (low, -_INNER), (high, _INNER), (highest, _OUTER)]
    if value <= low and low > lowest:
        marks = marks[:2]
    elif value >= high and highest > high:
        marks = marks[2:]
    else:
        marks = marks[1:3]
    (a, s), (b, e) = marks
    return s + (value - a) / (b - a) * (e - s) if b > a else 0.0
