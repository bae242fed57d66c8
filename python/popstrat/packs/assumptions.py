"""What a pack assumes where no public source says: chosen values, rules, weights and defaults, each with its reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from popstrat.packs.kinds.registry import KINDS
from popstrat.packs.tables import PackTables
from popstrat.packs.uses import versions


@dataclass(frozen=True)
class Assumption:
    """`about` says in inline Markdown what of a definition is assumed; it is empty for all of it."""

    section: str  # windows, parameters, sets, lookups, feature, definition
    name: str
    about: str
    text: str


def assumptions(pack: PackTables) -> list[Assumption]:
    """All that a pack, with what it extends, assumes; each once."""
    return list(dict.fromkeys(_assumptions(pack.raw)))


def _assumptions(raw: Mapping[str, Any]) -> Iterator[Assumption]:
    for section in ("windows", "parameters", "sets", "lookups"):
        for name, body in raw.get(section, {}).items():
            text = body.get("assumption", "")
            if not text and str(body.get("source", "")).lower().startswith("assumption"):
                text = str(body["source"]).partition(":")[2].strip()
            if text:
                yield Assumption(section, name, "", text)
    for ident, body in raw.get("feature", {}).items():
        for version in versions(body):
            if version.get("assumption"):
                yield Assumption("feature", ident, "", version["assumption"])
    for ident, body in raw.get("definition", {}).items():
        if body.get("assumption"):
            yield Assumption("definition", ident, "", body["assumption"])
        for version in versions(body):
            for about, text in KINDS[version["kind"]].assumptions(version):
                yield Assumption("definition", ident, about, text)
