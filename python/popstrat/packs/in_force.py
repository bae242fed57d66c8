"""Which version of a definition, or of a feature, is in force at a date."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any

from popstrat.errors import PackError

Fault = Callable[[str, str], PackError]
"""An error of the definition: what is wrong, and a text to point at."""


def in_force(
    body: Mapping[str, Any], as_of: dt.date, fault: Fault, check: Callable[[Mapping[str, Any]], None]
) -> tuple[dict[str, Any], bool]:
    """A definition's table with the version in force at a date, or the nearest, folded in; and whether it is in force.

    ``check`` is given the table of each version. Raises what ``fault`` makes if two hold on one day.
    """
    candidates = sorted(_dated(body, fault, check), key=lambda c: c[0])
    called = Counter(str(table.get("version")) for _, _, table in candidates)
    if (number := next((number for number, times in called.items() if times > 1), None)) is not None:
        raise fault(f"two of its versions are called {number!r}: give each a number", number)
    for (_, end, _), (start, _, _) in pairwise(candidates):
        if end >= start == dt.date.min and end == dt.date.max:
            told = "two versions are in force on every day: neither has `effective_from` or `effective_to`"
            raise fault(told, "versions")
        if end >= start:
            raise fault(f"two versions are in force on {start}", f"effective_from = {start}")
    for start, end, table in candidates:
        if start <= as_of <= end:
            return table, True
    nearest = min(candidates, key=lambda c: min(abs((c[0] - as_of).days), abs((c[1] - as_of).days)))
    return nearest[2], False


def _dated(
    body: Mapping[str, Any], fault: Fault, check: Callable[[Mapping[str, Any]], None]
) -> Iterator[tuple[dt.date, dt.date, dict[str, Any]]]:
    """Each version's table with the dates between which it holds."""
    versions = body.get("versions") or [{}]
    if not isinstance(versions, list) or not all(isinstance(v, dict) for v in versions):
        raise fault("`versions` is a list of tables", "versions")
    for version in versions:
        table = {k: v for k, v in body.items() if k != "versions"} | dict(version)
        start, end = table.get("effective_from", dt.date.min), table.get("effective_to", dt.date.max)
        if type(start) is not dt.date or type(end) is not dt.date or start > end:
            key = "effective_from" if "effective_from" in table else "effective_to"
            raise fault("effective_from and effective_to are dates, in that order", key)
        check(table)
        yield start, end, table
