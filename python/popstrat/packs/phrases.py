"""Names, values and answers as people say them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from popstrat.core.blocks import code
from popstrat.lang import nodes as n
from popstrat.lang.compose import one_line


def words(name: str) -> str:
    """A name as plain words."""
    return name.replace("_", " ")


def shown(value: Any) -> str:
    if value is None:
        return "no record"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        value += 0.0  # of two zeros one
        return f"{value:.6g}" if abs(value) < 1e5 else f"{value:,.2f}"
    return value.isoformat() if isinstance(value, dt.date) else str(value)


def rule_code(text: Any) -> str:
    """A rule as a page shows it."""
    return code(one_line(str(text)))


def answer(value: n.Value) -> str:
    return "unknown" if value is None else shown(value)


def no_record(columns: Sequence[str]) -> str:
    names = [words(c) for c in columns]
    if len(names) > 3:
        return f"no record of {', '.join(names[:3])} and {len(names) - 3} more"
    return f"no record of {' or '.join(names)}"
