"""What the parts of a pack are called, and where on the pack's page each stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from popstrat.core.blocks import code, link
from popstrat.packs.resolved import Resolved

_SECTIONS = ("parameters", "sets", "windows", "lookups")


class Names:
    """Titles of definitions, parameters, sets and windows, and links to them."""

    def __init__(self, resolved: Resolved, raw: Mapping[str, Any] | None = None) -> None:
        """``raw``: the tables of the file that the page is of, if they are more than the pack's."""
        self.raw: Mapping[str, Any] = resolved.pack.raw if raw is None else raw
        self.titles = {ident: resolved.definitions[ident].title for ident in self.raw.get("definition", {})}
        for section in (*_SECTIONS, "feature"):
            for name, body in self.raw.get(section, {}).items():
                self.titles.setdefault(name, body.get("title", name))

    def is_set(self, name: str) -> bool:
        """Whether this is the name of a set."""
        return name in self.raw.get("sets", {})

    def anchor(self, name: str) -> str:
        """Where a name stands on the page."""
        for section in _SECTIONS:
            if name in self.raw.get(section, {}):
                return f"{section[:-1]}-{name}"
        return name

    def link(self, name: str) -> str:
        """A name as code, leading to where it stands; a column of the patient table leads nowhere."""
        return link(code(name), self.anchor(name)) if name in self.titles else code(name)
