"""Which counts may be shown: the one way from exact figures to published ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from popstrat.metrics.control import control, cost
from popstrat.metrics.estimates import Shown
from popstrat.metrics.figures import Figures


def shown(
    figures: Figures, controlled: bool, earlier: Iterable[pa.Table] = (), *, threads: int = 1
) -> tuple[Shown, list[dict[str, Any]]]:
    """The figures as they may be shown, and what it costs to protect others (`control.cost`); ``earlier`` are tables of
    the same day, what they withheld stays withheld.

    Raises `InputError` where they cannot be protected."""
    if not controlled:
        return Shown.uncontrolled(figures), []
    found = control(figures, earlier, threads=threads)
    return Shown.controlled(figures, found.numerator, found.denominator), cost(figures, found)
