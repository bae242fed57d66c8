"""The rules for one figure: counts, shares of counts, and figures that are no counts.

A figure that is no count is given in steps. One that is a mean over ``size`` people moves by at most ``span / size``
when one person does; counts are blurred by five people, so such a figure is as well: its step is at least
``5 * span / size``. A rank measure such as the AUROC moves by at most one over the smaller of those with and without
the outcome, and cannot be taken apart into sums over people; its step is at least that. Steps are 1, 2 or 5 times a
power of ten and follow from rounded sizes, so that knowing the size exactly, or which step was taken, tells nothing.
"""

from __future__ import annotations

import math

SMALLEST = 8
"""Counts under this are withheld, nought too; and counts whose rest is under it, unless the rest is nought."""
ROUND_TO = 5
WIDTH = 5
"""The attacker's bounds of every withheld count are at least so far apart."""


def rounded(count: float) -> int | None:
    """A count to the nearest 5, halves upwards; None for 7 and under and where it is not known (NaN, infinite)."""
    if not math.isfinite(count) or count < SMALLEST:
        return None
    return int(ROUND_TO * math.floor(count / ROUND_TO + 0.5))


def few(rest: float) -> bool:
    """Whether the rest of a whole, which would follow from a part, is so small that the part is withheld."""
    return 0 < rest < SMALLEST


def share_of(part: int | None, whole: int | None) -> float | None:
    """A share of two published counts, to five digits and at most 1; None where either is withheld or nought."""
    return None if part is None or not whole else round(min(part / whole, 1.0), 5)


def step(size: float, *, people: float = ROUND_TO, span: float = 1.0) -> float:
    """The step of a figure that ``people`` of a group of ``size`` can move by ``people * span / size``: the next 1, 2
    or 5 times a power of ten. Raises ``ValueError`` for a size that is not over 0."""
    if not size > 0:
        raise ValueError("a group has somebody in it")
    least = people * span / size
    power = 10.0 ** math.floor(math.log10(least))
    found = next((m * power for m in (1, 2, 5) if m * power >= least * (1 - 1e-9)), 10 * power)
    return float(f"{found:.1e}")


def coarse(value: float, by: float) -> float | None:
    """A figure in steps of ``by`` (see `step`); None where it is not finite."""
    if not math.isfinite(value):
        return None
    digits = max(0, -math.floor(math.log10(by)))
    return round(round(value / by) * by, digits) + 0.0
