"""How well the columns of a list are filled, on a terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.text import Text

from popstrat.pages.console import count_table

_MOST_COLUMNS = 24
_PRACTICES = 5
_COLUMNS_OF_ONE = 4


def filling(quality: Mapping[str, Any]) -> RenderableType:
    """The columns for which something is expected, those first that are doubtful, then the furthest from it; then the
    practices that stand out. ``quality`` is as `scoring.data_quality` reports it."""
    table = count_table("column", "people", "per 1,000", "expected", "median age, days")
    ordered = judged(quality)
    for column in ordered[:_MOST_COLUMNS]:
        mark = "[bold]?[/] " if column["doubtful"] else ""
        age = column.get("days_old", {}).get("median")
        table.add_row(
            f"{mark}{escape(column['column'])}", f"{column['people']:,}", f"{column['per_1000']:,.1f}",
            f"{column['expected_per_1000']:,.1f}", "" if age is None else f"{age:,}",
        )  # fmt: skip
    parts: list[RenderableType] = [table]
    if len(ordered) > _MOST_COLUMNS:
        parts.append(Text(f"and {len(ordered) - _MOST_COLUMNS} more columns (--json tells of all)", "dim"))
    if any(c["doubtful"] for c in ordered):
        parts.append(Text("? far below what is expected for people of these ages and sexes", "dim"))
    practices = quality["practices"]
    for practice in practices[:_PRACTICES]:
        shown = practice["columns"][:_COLUMNS_OF_ONE]
        told = ", ".join(f"{c['column']} {c['people']:,} (about {c['expected']:,.0f} expected)" for c in shown)
        more = len(practice["columns"]) - len(shown)
        parts.append(Text(f"{practice['practice_code']} stands out: {told}{f' and {more} more' if more else ''}"))
    if len(practices) > _PRACTICES:
        parts.append(Text(f"and {len(practices) - _PRACTICES} more practices (--json tells of all)", "dim"))
    return Group(*parts)


def judged(quality: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The columns for which something is expected: those in doubt, then the furthest from it."""
    found = [c for c in quality["columns"] if "expected_per_1000" in c]
    return sorted(found, key=lambda c: (not c["doubtful"], -_off(c, quality["people"])))


def _off(column: Mapping[str, Any], people: int) -> float:
    """How far a count is from what is expected, in steps as large as chance makes them."""
    expected = float(column["expected_per_1000"]) * people / 1000
    return abs(float(column["people"]) - expected) / math.sqrt(expected + 1)
