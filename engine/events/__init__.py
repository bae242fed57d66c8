"""Coded events folded into one result for each person: which row each id has, which folds each code belongs to, and the
folds themselves.

It knows codes, days and numbers, and nothing of what they stand for. `popstrat.deriving.folding` drives it.
"""

from __future__ import annotations

from popstrat.engine.events._events import (
    FOLD,
    HAS_CODES,
    HAS_GROUPS,
    HAS_SECONDS,
    HAS_VALUES,
    KINDS,
    UNITS_MOST,
    VALUES,
    Columns,
    Hits,
    Keys,
    Rows,
    Rules,
    Spill,
    Worker,
)

__all__ = [
    "FOLD",
    "HAS_CODES",
    "HAS_GROUPS",
    "HAS_SECONDS",
    "HAS_VALUES",
    "KINDS",
    "UNITS_MOST",
    "VALUES",
    "Columns",
    "Hits",
    "Keys",
    "Rows",
    "Rules",
    "Spill",
    "Worker",
]
