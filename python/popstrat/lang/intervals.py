"""Interval analysis: where a number must lie, for leaving out checks that cannot fail and refusing rules that cannot
hold."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """Both ends included; unbounded by default."""

    low: float = -math.inf
    high: float = math.inf

    @property
    def safe(self) -> bool:
        """Sure to be finite."""
        return self.low > -1e300 and self.high < 1e300

    @property
    def short(self) -> bool:
        """Within what 16 bits hold."""
        return self.low >= -(2.0**15) and self.high <= 2.0**15 - 1

    @property
    def of_days(self) -> bool:
        """Differences that are far from the ends of 32 bits."""
        return self.low > -(2.0**30) and self.high < 2.0**30


NOTHING = Interval(0, 0)  # of what is always null


def hull(intervals: Iterable[Interval]) -> Interval:
    """What holds them all."""
    found = list(intervals)
    if not found:
        return NOTHING
    return Interval(min(i.low for i in found), max(i.high for i in found))


def after(name: str, a: Interval, b: Interval | None) -> Interval:
    """Where the result of an operation of the language must lie; unbounded where this does not tell."""
    match name:
        case "+" | "-" if b:
            return Interval(a.low + b.low, a.high + b.high) if name == "+" else Interval(a.low - b.high, a.high - b.low)
        case "*" if b and a.safe and b.safe:
            corners = [x * y for x in (a.low, a.high) for y in (b.low, b.high)]
            return Interval(min(corners), max(corners))
        case "/" if b and a.safe and b.safe and (b.low >= 1e-6 or b.high <= -1e-6):
            corners = [x / y for x in (a.low, a.high) for y in (b.low, b.high)]
            return Interval(min(corners), max(corners))
        case "min" if b:
            return Interval(min(a.low, b.low), min(a.high, b.high))
        case "max" if b:
            return Interval(max(a.low, b.low), max(a.high, b.high))
        case "abs":
            return Interval(0, max(abs(a.low), abs(a.high)))
        case "exp" if a.high <= 600:
            return Interval(0, math.exp(a.high))
        case "ln" if a.low >= 1e-300 and a.safe:
            return Interval(math.log(a.low), math.log(a.high))
        case "sqrt" if a.low >= 0 and a.safe:
            return Interval(math.sqrt(a.low), math.sqrt(a.high))
        case "floor":
            return Interval(a.low - 1, a.high)
        case "round" if a.safe and max(abs(a.low), abs(a.high)) < 1e200:
            return Interval(a.low - 1, a.high + 1)
        case "**" if b and b.low == b.high and a.low >= 1e-6 and a.high < 1e12 and abs(b.low) <= 16:
            corners = [a.low**b.low, a.high**b.low]
            return Interval(min(corners), max(corners))
        case _:
            return Interval()
