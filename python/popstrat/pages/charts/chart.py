"""What a chart is, and what all are drawn with."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup, escape

ACROSS = 1000
"""The width of a chart in its own units; across, everything is a share of this."""
NARROW = 330
"""The narrowest that a chart is shown, in pixels: what must fit beside each other is laid out for this."""
_SIZE, _BOLD, _BETWEEN = 13, 1.08, 14
_WIDE = 0.79
_WIDTHS = {
    one: width
    for width, some in (
        (0.25, "ijlI'|"), (0.3, " ft.,:;!/-()[]r"), (0.5, "cksvxyzJ"), (0.56, "abdeghnopqu0123456789L–"),
        (0.67, "ABEKPSVXYFTZ&"), (0.73, "CDHNRUw"), (0.6, "+−<>="), (0.84, "mM"), (0.9, "W%"),
    )
    for one in some
}  # fmt: skip
"""The widths of letters as shares of the size of the text; others are as `_WIDE`."""
LETTER = 7.4
"""The width of a letter of a chart's text, in pixels, on the wide side."""
ROOMY = 430
"""The narrowest that it is shown on more than a phone (`.on-wide` of the style sheet)."""
SHAPES = {
    "disc": "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0z",
    "square": "M-4.5-4.5h9v9h-9z",
    "diamond": "M0-6.5 6.5 0 0 6.5-6.5 0z",
    "up": "M0-6.5 6.5 5h-13z",
    "down": "M0 6.5 6.5-5h-13z",
    "dot": "M-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0z",
}
Point = tuple[float, float]


@dataclass(frozen=True)
class Chart:
    """A chart as an SVG element, and what it shows in words: the element has these as its name."""

    svg: Markup
    alternative: str


@dataclass(frozen=True)
class Scale:
    """From values to positions, in equal steps or, ``log``, in equal ratios."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high, v = self.low, self.high, value
        if self.log:
            low, high, v = math.log(low), math.log(high), math.log(max(value, self.low / 10))
        share = (v - low) / (high - low) if high > low else 0.5
        return self.start + share * (self.end - self.start)

    def holds(self, value: float) -> bool:
        """Whether a value lies on it."""
        return self.low * (1 - 1e-9) - 1e-12 <= value <= self.high * (1 + 1e-9) + 1e-12


def ticks(low: float, high: float, most: int = 5, log: bool = False) -> list[float]:
    """Round numbers from ``low`` to ``high``, not many more than ``most``."""
    if not high > low:
        return [low]
    if log:
        return _thinned([m * 10.0**e for e in range(-6, 7) for m in (1, 2, 5) if low <= m * 10.0**e <= high], most)
    rough = (high - low) / max(most - 1, 1)
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(s * size for s in (1, 2, 2.5, 5, 10) if s * size >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 12) + 0.0 for i in range(first, math.floor(high / step + 1e-9) + 1)]


def round_up(value: float, most: int = 5) -> float:
    """The least round number that an axis from nothing can end with to show this one."""
    found = ticks(0, max(value, 1e-9) * 1.0000001, most)
    step = found[1] - found[0] if len(found) > 1 else value or 1.0
    return step * math.ceil(value / step - 1e-9) or step


def _thinned(found: Sequence[float], most: int) -> list[float]:
    every = max(1, math.ceil(len(found) / most))
    return list(found[::every])


@dataclass
class Canvas:
    """An SVG element in the making. ``x`` are units of `ACROSS`, ``y`` pixels."""

    height: float = 0
    _out: list[str] = field(default_factory=list)

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str, colour: str = "") -> None:
        """A straight line; ``kind`` are classes of the style sheet."""
        self._out.append(
            f'<line x1="{_pc(x1)}" y1="{_n(y1)}" x2="{_pc(x2)}" y2="{_n(y2)}" class="{kind}"{_stroke(colour)}/>'
        )

    def bar(self, x1: float, x2: float, y: float, height: float, colour: str, kind: str = "") -> None:
        """A filled bar from one position across to another."""
        named = f' class="{kind}"' if kind else ""
        self._out.append(
            f'<rect x="{_pc(min(x1, x2))}" y="{_n(y)}" width="{_pc(abs(x2 - x1))}" height="{_n(height)}"{named} '
            f'style="fill:var(--{colour})"/>'
        )

    def text(self, x: float, y: float, words: str, kind: str = "", anchor: str = "start", dx: float = 0) -> None:
        """Words that begin, end or are centred at a position, ``dx`` pixels beside it."""
        named = f' class="{kind}"' if kind else ""
        placed = f' text-anchor="{anchor}"' if anchor != "start" else ""
        moved = f' dx="{_n(dx)}"' if dx else ""
        self._out.append(f'<text x="{_pc(x)}" y="{_n(y)}"{moved}{placed}{named}>{escape(words)}</text>')

    def label(self, y: float, words: str, beside: str = "", kind: str = "") -> None:
        """The name of a row at the left edge, with words ``beside`` it at the right one. Where it is too long for the
        narrowest chart, it is cut there, and less or not at all where there is room: the style sheet shows one of the
        two."""
        bold = _BOLD if "strong" in kind else 1.0
        room = NARROW - (_long(beside) * _BOLD + _BETWEEN if beside else 0.0)
        short, long = (fit(words, wide / bold) for wide in (room, room + ROOMY - NARROW))
        if short == long:
            self.text(0, y, short, kind)
        else:
            self.text(0, y, short, f"{kind} on-narrow".strip())
            self.text(0, y, long, f"{kind} on-wide".strip())

    def mark(self, x: float, y: float, shape: str, colour: str, hollow: bool = False) -> None:
        """A sign of `SHAPES`, filled or hollow."""
        look = f'class="open" style="stroke:var(--{colour})"' if hollow else f'style="fill:var(--{colour})"'
        self._out.append(f'<svg x="{_pc(x)}" y="{_n(y)}" overflow="visible"><path d="{SHAPES[shape]}" {look}/></svg>')

    def path(self, points: Iterable[Point], kind: str, colour: str = "") -> None:
        """A line through points."""
        told = " ".join(f"{_n(x)},{_n(y)}" for x, y in points)
        self._stretched(f'<polyline points="{told}" class="{kind}"{_stroke(colour)}/>')

    def area(self, lower: Sequence[Point], upper: Sequence[Point]) -> None:
        """The room between two lines."""
        told = " ".join(f"{_n(x)},{_n(y)}" for x, y in [*upper, *reversed(lower)])
        self._stretched(f'<polygon points="{told}" class="shade"/>')

    def swatch(self, y: float, entries: Sequence[tuple[str, str, str]]) -> float:
        """A key: entries of (sign, colour, words) in lines that fit a phone; a sign is one of `SHAPES`, or classes of a
        line. Returns the position below it."""
        across, y = 0.0, y + 12
        for sign, colour, words in entries:
            room = 22 + LETTER * len(words) + 14
            if across and across + room > NARROW:
                across, y = 0.0, y + 19
            if sign in SHAPES:
                drawn = f'<path d="{SHAPES[sign]}" style="fill:var(--{colour})"/>'
                self._out.append(f'<svg x="{_n(across + 8)}" y="{_n(y - 4)}" overflow="visible">{drawn}</svg>')
            else:
                self._out.append(
                    f'<line x1="{_n(across)}" x2="{_n(across + 17)}" y1="{_n(y - 4)}" y2="{_n(y - 4)}" class="{sign}"'
                    f"{_stroke(colour)}/>"
                )
            self._out.append(f'<text x="{_n(across + 22)}" y="{_n(y)}">{escape(words)}</text>')
            across += room
        return y + 9

    def chart(self, alternative: str) -> Chart:
        """The finished element."""
        svg = Markup('<svg class="chart" height="{}" role="img" aria-label="{}">{}</svg>').format(
            _n(self.height), alternative, Markup("".join(self._out))
        )
        return Chart(svg, alternative)

    def _stretched(self, drawn: str) -> None:
        # As wide as the page, whatever that is; lines keep their width (vector-effect, in the style sheet).
        height = _n(self.height)
        self._out.append(
            f'<svg width="100%" height="{height}" viewBox="0 0 {ACROSS} {height}" preserveAspectRatio="none" '
            f'overflow="visible">{drawn}</svg>'
        )


def up_axis(canvas: Canvas, scale: Scale, at: Sequence[float], write: Callable[[float], str]) -> None:
    """Lines across at round values, each with its value on it at the left."""
    for value in at:
        y = scale(value)
        canvas.line(0, y, ACROSS, y, "grid-line")
        canvas.text(0, y - 4, write(value), "tick halo")


def across_axis(canvas: Canvas, scale: Scale, at: Sequence[float], write: Callable[[float], str], y: float) -> None:
    """Values written below position ``y``, those at the ends kept inside."""
    for value in at:
        x = scale(value)
        canvas.line(x, y, x, y + 4, "base-line")
        anchor = "start" if x < ACROSS * 0.05 else "end" if x > ACROSS * 0.93 else "middle"
        canvas.text(x, y + 17, write(value), "tick", anchor)


def fit(words: str, room: float) -> str:
    """Words cut to so many pixels, with an ellipsis where something is missing."""
    if _long(words) <= room:
        return words
    most = next((n for n in range(len(words), 3, -1) if _long(words[:n]) + _SIZE <= room), 3)
    return words[:most].rstrip(" ,(") + "…"


def _long(words: str) -> float:
    """How long words are in the text of a chart, in pixels: by the widths of Arial's letters, and a little more."""
    return sum(_WIDTHS.get(one, _WIDE) for one in words) * _SIZE * 1.04


def wide_enough(words: str, share: float) -> bool:
    """Whether words have room in this share of a chart's width, on a phone too."""
    return LETTER * len(words) + 8 <= share * NARROW


def _pc(x: float) -> str:
    return f"{x * 100 / ACROSS:.2f}".rstrip("0").rstrip(".") + "%"


def _n(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".") or "0"


def _stroke(colour: str) -> str:
    return f' style="stroke:var(--{colour})"' if colour else ""
