"""The numbers that a metric's rules rest on, with their units and sources.

A metrics file names its pack and the hash of it; where that comes with popstrat, its parameters are read from there.
"""

from __future__ import annotations

import re
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
from popstrat.packs.uses import expressions, used_words

_LABEL = re.compile(r'(\w+) == "(\w+)"')
"""A status, and the label of it that a rule asks for."""


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
    labels = dict(_LABEL.findall(" ".join(expressions(definitions[metric]))))
    open_ = [metric]
    while open_:
        name = open_.pop()
        words = _words(pack, name, labels.get(name)) - used
        used |= words
        open_ += [word for word in words if word in definitions]
    found = [
        Threshold(body.get("title", name).partition(". ")[0], _value(body), body.get("source") or _assumed(body))
        for name, body in parameters.items()
        if name in used and not isinstance(body["value"], str)
    ]
    return found + [
        Threshold(
            f"A date counts as “{body.get('title', name.replace('_', ' ')).lower()}” for",
            f"{body['months']} months",
            body.get("source", NOTHING),
        )
        for name, body in windows.items()
        if name in used
    ]


def _words(pack: Pack, name: str, label: str | None) -> set[str]:
    """The words that a definition uses; of a status of which one ``label`` is asked for, those that decide on that."""
    body = pack.raw["definition"][name]
    other = {"undiagnosed": "optimised"}.get(label or "", "undiagnosed")
    if label is None or body.get("kind") != "status" or other not in body:
        return reach(pack, name)
    sets, found = pack.raw.get("sets", {}), set(used_words({key: rule for key, rule in body.items() if key != other}))
    return found.union(*(sets[word]["members"] for word in found & sets.keys()))


def _value(body: Mapping[str, Any]) -> str:
    value = body["value"]
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,.10g} {body.get('unit', '')}".strip()


def _assumed(body: Mapping[str, Any]) -> str:
    return f"assumption: {body['assumption']}" if body.get("assumption") else "assumption"
