"""A pack as it is written: its tables with those of what it extends, and the texts that they come from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from popstrat.errors import PackError
from popstrat.lang.source_map import Entry, locate, locate_at, locate_in
from popstrat.lang.toml_places import Path
from popstrat.packs.files import Source
from popstrat.packs.patient_table import Schema
from popstrat.packs.shapes import items
from popstrat.packs.unused import Unused


@dataclass(frozen=True)
class PackTables:
    """What a pack says at any date. Immutable; pickles with its texts, so it travels to workers."""

    id: str
    version: str
    title: str
    raw: Mapping[str, Any]
    sources: tuple[Source, ...]  # each file once: the pack's own first, and each before what it extends
    schema: Schema
    unused: tuple[Unused, ...] = ()  # what its files add and nothing uses, faults and mere notices
    taken: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # see `packs.alike`

    @cached_property
    def sha256(self) -> str:
        """Hash over the texts of the pack and of all that it extends."""
        return hashlib.sha256("\0".join(s.sha256 for s in self.sources).encode()).hexdigest()

    @property
    def record(self) -> dict[str, Any]:
        """What the run record says of the pack."""
        return {
            "id": self.id,
            "version": self.version,
            "title": self.title,
            "sha256": self.sha256,
            "files": [{"name": s.name, "sha256": s.sha256} for s in self.sources],
        }

    def error(
        self, section: str, message: str, text: str = "", start: int = 0, end: int = 0, entry: Entry = "",
        at: Path = (), value: bool = False,
    ) -> PackError:  # fmt: skip
        """A `PackError` that points into the file that wrote `section` (a dotted path), at `text` if it is there; in an
        `entry` of a list below it, if one is given. What a definition takes from another one is pointed at there.

        ``at``: the keys below the section that the fault is about, at which it points if `text` is not written below
        them; at what stands there, if it is the ``value`` that is at fault.
        """
        if isinstance(entry, tuple) and not at:
            at = (entry[0], entry[1] - 1) if entry[0] != section else (entry[1] - 1,)
        if at and (error := self._pointed(section, message, text, start, end, at, value)) is not None:
            return error
        places = [(s, where) for where in self._written(section) for s in self.sources]
        for s, where in places if entry else ():
            if (inside := locate_in(s.text, where, entry, text, start)) is not None:
                place, width = inside
                told = _as_in(section, where)
                return PackError.at(s.name, place.line, f"{told}: {message}{place.pointer(width or end - start)}")
        found = [(s.name, where, p) for s, where in places if (p := locate(s.text, where, text, start)) is not None]
        found.sort(key=lambda item: not item[2].exact)  # a file that holds the text, before one with the section only
        for name, where, place in found[:1]:
            told = _as_in(section, where) if place.exact else section
            pointer = place.pointer(end - start) if place.exact else ""
            return PackError.at(name, place.line, f"{told}: {message}{pointer}")
        return PackError.at(self.sources[0].name, None, f"{section}: {message}")

    def _pointed(
        self, section: str, message: str, text: str, start: int, end: int, at: Path, value: bool
    ) -> PackError | None:
        """An error at the keys of a path, in the file that writes most of them; None if none does."""
        best = 0
        error = None
        for where in self._written(section):
            top = tuple(where.split("."))
            for path in ((*top, *at), *((*top, "versions", i, *at) for i in self._dated(section))):
                for s in self.sources:
                    found = locate_at(s.text, path, text, start, value)
                    if found is not None and found[0] - (len(path) - len(at)) > best:
                        depth, place, width = found
                        best = depth - (len(path) - len(at))
                        told = f"{_as_in(section, where)}: {message}{place.pointer(width or end - start)}"
                        error = PackError.at(s.name, place.line, told)
        return error

    def _dated(self, section: str) -> range:
        """The numbers of a definition's (or feature's) dated versions, each of which may say what it does."""
        top, _, name = section.partition(".")
        body = items(self.raw.get(top)).get(name) if top in ("definition", "feature") else None
        versions = items(body).get("versions")
        return range(len(versions) if isinstance(versions, list) else 0)

    def _written(self, section: str) -> list[str]:
        """The sections in which a part may stand: its own, and of a definition those that it takes from."""
        top, _, name = section.partition(".")
        origins = dict.fromkeys(self.taken.get(name, {}).values()) if top == "definition" else ()
        return [section, *(f"{top}.{origin}" for origin in origins)]


def _as_in(section: str, where: str) -> str:
    """A section, and where the part of it stands that is meant."""
    return section if where == section else f"{section}, taken from {where.partition('.')[2]}"
