"""Words that the pages of several kinds share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from popstrat.core.blocks import Table, code, table
from popstrat.deriving.folds import ANY_CODE


def lists(names: str | Sequence[str]) -> str:
    """Code lists in words."""
    given = [names] if isinstance(names, str) else list(names)
    return "any list at all" if given == [ANY_CODE] else " or ".join(map(code, given))


def unless(raw: Mapping[str, Any]) -> str:
    return f" (but none of {lists(raw['without'])})" if raw.get("without") else ""


def months(raw: Mapping[str, Any]) -> str:
    """A window in words, with a blank before it; nothing where there is none."""
    within = raw.get("within")
    if within is None:
        return ""
    if isinstance(within, str):
        return f" within {code(within)}"
    return f" in the last {within} month{'s' if within != 1 else ''}"


def rows_of(raw: Mapping[str, Any], otherwise: str = "events") -> str:
    return {"events": "events", "medications": "issues of medication", "activity": "activity"}.get(
        str(raw.get("table", otherwise)), "rows"
    )


def units(raw: Mapping[str, Any]) -> list[Table]:
    """The units of values, and what each is multiplied by."""
    if not raw.get("unit"):
        return []
    rows = [(code(raw["unit"]), "as it is")]
    for unit, value in raw.get("units", {}).items():
        if not isinstance(value, Mapping):
            rows.append((code(unit), "as it is" if value == 1 else f"× {value}"))
            continue
        told = f"× {value.get('multiply', 1)}"
        if "add" in value:
            told += f" {'+' if value['add'] >= 0 else '−'} {abs(value['add'])}"
        if "round" in value:
            told += f", to {value['round']} decimal places"
        rows.append((code(unit), told))
    plain = raw.get("without_unit")
    rows.append(("no unit", f"as {code(plain)}" if plain else "not used, and counted"))
    return [table(("unit", "value"), rows)]
