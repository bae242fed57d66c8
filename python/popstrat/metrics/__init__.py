"""Figures by area: people counted by metric, area and group, and the table that is published of them.

Scored people come in, disclosure-controlled figures go out: nothing above this room sees a patient. Imported from
here: `table`, the library call, on first use. The command uses `run` and `request`; pages read `rows`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from popstrat.metrics.in_memory import table as table

__all__ = ["table"]


def __getattr__(name: str) -> Any:
    if name != "table":
        raise AttributeError(f"module 'popstrat.metrics' has no attribute {name!r}")
    from popstrat.metrics.in_memory import table  # here, because commands read other modules of this room

    return table
