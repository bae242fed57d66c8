"""Bars divided in parts: what a whole is made of, for one or several wholes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from popstrat.core.numbers import percent
from popstrat.pages.charts.chart import ACROSS, Canvas, Chart, wide_enough

_ROW, _TALL = 52, 24


@dataclass(frozen=True)
class PartOf:
    """A part that every bar has: its name, its token (``mark-1`` …), the token of text upon it, and a letter that
    stands for it where there is no room for its name."""

    label: str
    colour: str
    on: str = "surface"
    letter: str = ""


@dataclass(frozen=True)
class Stack:
    """A whole: a number for each part, None where it is withheld; ``text`` is what stands at the right (how many)."""

    label: str
    values: Sequence[float | None]
    text: str = ""


def stacked(rows: Sequence[Stack], parts: Sequence[PartOf], *, unit: str) -> Chart:
    """Each whole as a bar of full width, its parts as shares of those that are known. A part with room has its share
    written on it; all are in the key."""
    canvas = Canvas()
    key = [("square", p.colour, f"{p.letter} {p.label}".strip()) for p in parts]
    y = canvas.swatch(0, key) + 4
    canvas.height = y + _ROW * len(rows)
    told = []
    for row in rows:
        whole = sum(v for v in row.values if v is not None)
        canvas.label(y + 13, row.label, row.text, "strong")
        if row.text:
            canvas.text(ACROSS, y + 13, row.text, "tick", "end")
        x = 0.0
        said = []
        for part, value in zip(parts, row.values, strict=True):
            if value is None:
                said.append(f"{part.label} withheld")
                continue
            share = value / whole if whole else 0.0
            said.append(f"{part.label} {percent(share)}")
            if share:
                canvas.bar(x, x + share * ACROSS, y + 19, _TALL, part.colour, "gap")
                words = percent(share, 0)
                words = f"{part.letter} {words}".strip()
                if wide_enough(words, share):
                    canvas.text(x + share * ACROSS / 2, y + 36, words, f"on-{part.on}", "middle")
            x += share * ACROSS
        told.append(f"{row.label}: {', '.join(said)}")
        y += _ROW
    return canvas.chart(f"Divided bars, {unit}. {'; '.join(told)}.")
