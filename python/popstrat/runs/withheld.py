"""What a run record has of text that others wrote: options, maps, names of files; not what may be somebody's number.

Names of columns are judged by `popstrat.errors.looks_like_number`; other values by whether nine digits or more stand in
them with nothing but signs or spaces between, dates and times of day not counted.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from popstrat.errors import WITHHELD, looks_like_number

HELD = "(withheld: it looks like a number)"
_HASH = re.compile(r"[0-9a-f]{64}")
_DATE = r"(?:19|20)[0-9]{2}[-_.]?(?:0[1-9]|1[0-2])[-_.]?(?:0[1-9]|[12][0-9]|3[01])"
_TIME = r"(?:[01][0-9]|2[0-3])[:_-]?[0-5][0-9](?:[:_-]?[0-5][0-9])?"
_DATES = re.compile(rf"(?<![0-9]){_DATE}(?:[T_ -]{_TIME})?(?![0-9])")
_LONG_NUMBER = re.compile(r"[0-9](?:[\W_]{0,3}[0-9]){8}")


def without_numbers(value: Any, *, names: bool = False) -> Any:
    """The value, of JSON or TOML, with `HELD` for every text, number and key that may be somebody's number.

    With ``names`` texts are names of columns.
    """
    match value:
        case Mapping():
            found: dict[str, Any] = {}
            for key, inner in value.items():
                shown = HELD if _is_number(str(key)) else str(key)
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
            return HELD if _is_number(str(value)) else value


def _is_number(text: str) -> bool:
    if _HASH.fullmatch(text):
        return False
    plain = "".join(str(unicodedata.decimal(c, c)) for c in unicodedata.normalize("NFKC", text))
    return _LONG_NUMBER.search(_DATES.sub("x", plain)) is not None
