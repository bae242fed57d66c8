"""What a pack says, read without evaluating it: which words its definitions use, at which dates it changes."""

from __future__ import annotations

import datetime as dt

from popstrat.packs.load import load_pack
from popstrat.packs.merge import DATED
from popstrat.packs.read import builtin_packs, builtin_versions
from popstrat.packs.tables import PackTables
from popstrat.packs.uses import used_words, versions


def list_packs() -> list[dict[str, str]]:
    """The packs that come with popstrat: id, version, title, path, and the earlier versions that are kept."""
    found = []
    for name in builtin_packs():
        pack = load_pack(name)
        earlier = ", ".join(f"{name}@{version}" for version in builtin_versions(name)[:-1])
        path = pack.sources[0].location
        found.append({"id": pack.id, "version": pack.version, "title": pack.title, "path": path, "earlier": earlier})
    return found


def reach(pack: PackTables, ident: str) -> set[str]:
    """The words that a definition uses, sets opened."""
    found = set(used_words(pack.raw["definition"][ident]))
    for name in found & set(pack.raw.get("sets", {})):
        found = found | set(pack.raw["sets"][name]["members"])
    return found


def boundaries(pack: PackTables) -> list[dt.date]:
    """The dates on which something in the pack begins or ends to hold, with the days around them."""
    found: set[dt.date] = set()
    for body in (body for section in DATED for body in pack.raw.get(section, {}).values()):
        for version in versions(body):
            start, end = version.get("effective_from"), version.get("effective_to")
            if isinstance(start, dt.date):
                found |= {start, *([start - dt.timedelta(days=1)] if start > dt.date.min else [])}
            if isinstance(end, dt.date):
                found |= {end, *([end + dt.timedelta(days=1)] if end < dt.date.max else [])}
    return sorted(found)


def latest(pack: PackTables) -> dt.date:
    """A date at which the newest versions hold; the same whenever it is asked for."""
    return max(boundaries(pack), default=dt.date(2026, 1, 1))
