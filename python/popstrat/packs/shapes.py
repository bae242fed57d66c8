"""Whether a piece of a TOML file has the shape that is asked for; and what there is of one that may not have it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeGuard

from popstrat.core.text import suggest
from popstrat.errors import PackError

_LARGEST = 1e15  # as in the rule language; beyond it whole numbers are not exact
MEANT = "a number, at most 1e15 either way"
"""What `is_number` takes, in a message."""

Fail = Callable[..., PackError]
"""An error at a place of the pack: section (a dotted path), message, and what of the file to point at, from and to."""


def only(table: Mapping[str, Any], known: Iterable[str], section: str, fail: Fail) -> None:
    """Refuse a key that is not known, with the near miss."""
    known = set(known)
    for key in table:
        if key not in known:
            raise fail(section or key, f"unknown key {key!r}{suggest(key, known)}", key, 0, len(key))


def is_number(value: Any) -> TypeGuard[int | float]:
    """A number that rules can count with; not one that is none (nan) or has no end (inf)."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LARGEST


def is_finite(value: Any) -> TypeGuard[int | float]:
    """A number that a double can hold: TOML's whole numbers have no end."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def beyond(value: Any) -> str:
    """Why a number is none that rules can count with, for the end of a message; nothing for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or is_number(value):
        return ""
    return f"; {value!r} is too large" if abs(value) > _LARGEST else "; nan is no number"


def is_names(value: Any) -> bool:
    """A name, or a list of at least one."""
    return isinstance(value, str) or (
        isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)
    )


# -- of what may be written wrongly, what is there --------------------------------------------------------------------


def items(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def tables(value: Any) -> Iterator[Mapping[str, Any]]:
    yield from (table for table in value if isinstance(table, Mapping)) if isinstance(value, list) else ()


def texts(value: Any, key: str = "") -> Iterator[str]:
    """Texts: one, or those of a list; of tables in the list, what stands under `key`."""
    for item in value if isinstance(value, list) else [value]:
        text = item.get(key) if isinstance(item, Mapping) else item
        if isinstance(text, str):
            yield text


def strings(value: Any) -> Iterator[str]:
    """Every text in a value, keys included."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield key
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)
    elif isinstance(value, str):
        yield value
