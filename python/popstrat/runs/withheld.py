"""What a run record has of text that others wrote: options, maps, names of files; not what may be somebody's number.

Names of columns are judged by `popstrat.errors.looks_like_number`, other values by `popstrat.errors.holds_number`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from popstrat.errors import WITHHELD, holds_number, looks_like_number

HELD = "(withheld: it looks like a number)"


def without_numbers(value: Any, *, names: bool = False) -> Any:
    """The value, of JSON or TOML, with `HELD` for every text, number and key that may be somebody's number.

    With ``names`` texts are names of columns.
    """
    match value:
        case Mapping():
            found: dict[str, Any] = {}
            for key, inner in value.items():
                shown = HELD if holds_number(str(key)) else str(key)
                if shown == HELD and HELD in found:
                    shown = f"{HELD} {len(found) + 1}"
                found[shown] = without_numbers(inner, names=names)
            return found
        case list() | tuple():
            return [without_numbers(one, names=names) for one in value]
        case None | bool():
            return value
        case str() if names and looks_like_number(value):
            return WITHHELD
        case _:
            return HELD if holds_number(str(value)) else value
