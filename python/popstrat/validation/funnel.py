"""Funnel limits for observed over expected by practice (Spiegelhalter 2005): exact binomial, interpolated."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from popstrat.validation.measures import Floats

LIMITS = {"95%": 0.05, "99.8%": 0.002}


def limits(people: npt.ArrayLike, rate: npt.ArrayLike, level: float) -> tuple[Floats, Floats]:
    """Low and high counts of events between which practices of so many ``people`` and such a ``rate`` would lie but for
    chance, outside in a share ``level`` of cases; interpolated between whole counts, so that the limits are smooth."""
    from scipy.stats import binom

    n, p = np.asarray(people, dtype=np.float64), np.asarray(rate, dtype=np.float64)
    ends = []
    for tail in (level / 2, 1 - level / 2):
        count = binom.ppf(tail, n, p)
        above, below = binom.cdf(count, n, p), binom.cdf(count - 1, n, p)
        ends.append(np.maximum(count - (above - tail) / np.maximum(above - below, 1e-300), 0))
    return ends[0], ends[1]


def position(events: float, people: float, rate: float) -> str:
    """Where a practice lies in the funnel, in words."""
    for name, level in reversed(LIMITS.items()):
        low, high = limits(people, min(rate, 1.0), level)
        if events < low:
            return f"below {name}"
        if events > high:
            return f"above {name}"
    return "within"
