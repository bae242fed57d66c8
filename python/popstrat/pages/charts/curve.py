"""Lines and points over two scales: calibration, what is found by how many are seen, net benefit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from popstrat.pages.charts.chart import ACROSS, Canvas, Chart, Point, Scale, across_axis, ticks, up_axis


@dataclass(frozen=True)
class Line:
    """A line in the key by its name; ``kind`` are classes of the style sheet (``line``, ``reference dashed``, …);
    ``band`` its lower and upper ends at the same places."""

    called: str
    points: Sequence[Point]
    kind: str = "line"
    colour: str = ""
    band: tuple[Sequence[float], Sequence[float]] | None = None


@dataclass(frozen=True)
class Marks:
    """Points of one kind, with the ends of their intervals where there are any; ``words`` stand at a point."""

    called: str
    points: Sequence[Point]
    shape: str = "disc"
    colour: str = "mark-1"
    ends: Sequence[tuple[float, float] | None] = ()
    words: Sequence[str] = ()


def curve(
    lines: Sequence[Line],
    marks: Sequence[Marks],
    *,
    alternative: str,
    x: tuple[float, float],
    y: tuple[float, float],
    write_x: Callable[[float], str],
    write_y: Callable[[float], str],
    x_called: str,
    y_called: str,
    log: bool = False,
    tall: float = 240,
) -> Chart:
    """Lines, then points over them, within ``x`` and ``y``."""
    canvas = Canvas()
    key = [(line.kind, line.colour, line.called) for line in lines if line.called]
    key += [(m.shape, m.colour, m.called) for m in marks if m.called and m.points]
    head = canvas.swatch(0, key) + 8
    canvas.text(0, head + 10, y_called, "tick")
    top = head + 32
    bottom = top + tall
    canvas.height = bottom + 42
    across, down = Scale(*x, ACROSS * 0.11, ACROSS * 0.98, log), Scale(*y, bottom, top, log)
    up_axis(canvas, down, [t for t in ticks(*y, 6, log) if down.holds(t)], write_y)
    canvas.line(0, bottom, ACROSS, bottom, "base-line")
    across_axis(canvas, across, [t for t in ticks(*x, 5, log) if across.holds(t)], write_x, bottom)
    canvas.text(ACROSS, bottom + 36, x_called, "tick", "end")

    def place(point: Point) -> Point:
        return across(min(max(point[0], x[0]), x[1])), down(min(max(point[1], y[0]), y[1]))

    for line in lines:
        inside = [i for i, (at, _) in enumerate(line.points) if across.holds(at)]
        if line.band is not None:
            lower, upper = ([place((line.points[i][0], end[i])) for i in inside] for end in line.band)
            canvas.area(lower, upper)
        canvas.path([place(line.points[i]) for i in inside], line.kind, line.colour)
    for m in marks:
        for i, point in enumerate(m.points):
            at, up = place(point)
            if i < len(m.ends) and (ends := m.ends[i]) is not None:
                low, high = (place((point[0], end))[1] for end in ends)
                canvas.line(at, low, at, high, "thin", m.colour)
            canvas.mark(at, up, m.shape, m.colour)
            if i < len(m.words) and m.words[i]:
                left = at > ACROSS * 0.6
                canvas.text(at, up + 4, m.words[i], "strong halo", "end" if left else "start", -11 if left else 11)
    return canvas.chart(alternative)
