"""The numbers that a metric's rules rest on, with their units and sources.

A metrics file names its pack and the hash of it; where that comes with popstrat, its parameters are read from there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from popstrat.core.hashing import HASH
from popstrat.core.numbers import NOTHING
from popstrat.errors import PackError
from popstrat.packs.load import load_pack
from popstrat.packs.pack import Pack
from popstrat.packs.read import builtin_name
from popstrat.packs.reading import reach


@dataclass(frozen=True)
class Threshold:
    """A parameter: what it is, its value with its unit, and where it comes from."""

    what: str
    value: str
    source: str


def pack_of(record: Mapping[str, Any]) -> Pack | None:
    """The pack of a metrics file, if it comes with popstrat and is to the letter the one that was counted with."""
    told = record.get("pack") or {}
    try:
        name = builtin_name(f"{told.get('id')}@{told.get('version')}")
    except PackError:  # there is no such version
        return None
    found = None if name is None else load_pack(name)
    return found if found is not None and found.sha256 == told.get(HASH) else None


def thresholds(pack: Pack, metric: str) -> list[Threshold]:
    """The parameters that a metric's rules use, or the definitions that these use, in the order of the pack."""
    definitions, parameters, windows = (pack.raw.get(part, {}) for part in ("definition", "parameters", "windows"))
    if metric not in definitions:
        return []
    used: set[str] = set()
    open_ = [metric]
    while open_:
        words = reach(pack, open_.pop()) - used
        used |= words
        open_ += [word for word in words if word in definitions]
    found = [
        Threshold(body.get("title", name).partition(". ")[0], _value(body), body.get("source") or _assumed(body))
        for name, body in parameters.items()
        if name in used and not isinstance(body["value"], str)
    ]
    return found + [
        Threshold(
            f"{body.get('title', name.replace('_', ' '))}, of a record",
            f"{body['months']} months",
            body.get("source", NOTHING),
        )
        for name, body in windows.items()
        if name in used
    ]


def _value(body: Mapping[str, Any]) -> str:
    value = body["value"]
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,.10g} {body.get('unit', '')}".strip()


def _assumed(body: Mapping[str, Any]) -> str:
    return f"assumption: {body['assumption']}" if body.get("assumption") else "assumption"
