"""What a signal says: which way the figure lies off, and whether that is good. The metrics file names the rules; which
way it is, the months tell."""

from __future__ import annotations

from dataclasses import dataclass

from popstrat.core.numbers import NOTHING
from popstrat.pages.report.model import Area, Definition, Report
from popstrat.pages.report.teller import Teller, written

NONE, CHANCE = "none", "no more than chance"
_TREND = "seven_rising_or_falling"
_WORDS = {
    "beyond_3_sigma": ("far above its average", "far below its average", "far from its average"),
    "seven_on_one_side": (
        "above its average for seven months",
        "below its average for seven months",
        "on one side of its average for seven months",
    ),
    _TREND: ("rising for seven months", "falling for seven months", "moving one way for seven months"),
    "two_of_three_beyond_2_sigma": (
        "well above its average in two of three months",
        "well below its average in two of three months",
        "well off its average in two of three months",
    ),
}


@dataclass(frozen=True)
class Signal:
    """A change that is more than chance: in words, and whether it is ``worse``, ``better`` or, where neither high nor
    low is good, nothing."""

    words: str
    means: str

    @property
    def short(self) -> str:
        """For a cell: that it is more than chance, and what it means."""
        return f"more than chance: {self.means}" if self.means else "more than chance"

    @property
    def told(self) -> str:
        """The words with what they mean."""
        return f"{self.words}: {self.means}" if self.means else self.words


def signal_of(report: Report, area: Area, d: Definition) -> Signal | None:
    """The signal of a figure. None where the file names none, and where the figure was the same in all months as it is
    written: a line without any variation has no signal, whatever a rounding makes of it."""
    one = report.get(area, d.id)
    if one is None or one.value is None or not one.signal or one.signal == NONE:
        return None
    values = [value for _, value in report.series(area, d.key)]
    if len(values) < 2:
        values = [v for v in (one.baseline, one.year_ago, one.previous, one.value) if v is not None]
    if len(values) > 1 and len({written(d, value) for value in values}) == 1:
        return None
    before = report.previous(area, d.key)
    off = one.value - sum(values) / len(values)
    moved = 0.0 if before is None else one.value - before
    rules = one.signal.split("+")
    ways = [moved if rule == _TREND else off for rule in rules]
    way = off if set(rules) != {_TREND} else moved
    means = "" if not way or d.good == NONE else "better" if (way > 0) == (d.good == "high") else "worse"
    return Signal(", ".join(_said(rule, at) for rule, at in zip(rules, ways, strict=True)), means)


def signal_cell(t: Teller, d: Definition) -> str:
    """A signal in a cell: a dash where none was looked for."""
    one = t.get(d.id)
    if one is None or not one.signal:
        return NOTHING
    found = signal_of(t.report, t.area, d)
    return CHANCE if found is None else found.short


def _said(rule: str, way: float) -> str:
    up, down, either = _WORDS.get(rule, (rule.replace("_", " "),) * 3)
    return up if way > 0 else down if way < 0 else either
