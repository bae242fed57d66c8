"""The names of a report's pages: safe on every system, and each area's its own whatever it is called."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

from popstrat.metrics.rows import Level
from popstrat.pages.report.model import Place

INDEX = "index.html"
_OTHER = re.compile(r"[^a-z0-9]+")
_LONGEST = 48


def page_names(places: Iterable[Place]) -> dict[Place, str]:
    """The file of each area: ``index.html`` for the whole list, ``practice-y90001.html`` for a practice. Where two
    would have one name, or an area's has no letters, a hash tells them apart. Without a whole list the first area has
    the index."""
    listed = list(places)
    plain = {place: _plain(place.name) for place in listed}
    alike = Counter((place.level, name) for place, name in plain.items())
    found: dict[Place, str] = {}
    for place, name in plain.items():
        if not name or alike[place.level, name] > 1:
            name = f"{name or 'area'}-{hashlib.sha256(place.name.encode()).hexdigest()[:8]}"
        found[place] = f"{place.level.value}-{name}.html"
    top = next((place for place in listed if place.level is Level.ICB), listed[0] if listed else None)
    if top is not None:
        found[top] = INDEX
    return found


def _plain(name: str) -> str:
    ascii_only = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return _OTHER.sub("-", ascii_only).strip("-")[:_LONGEST].strip("-")
