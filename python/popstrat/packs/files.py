"""Pack files as they are read: the text of each, its tables, and which files it extends."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any


@dataclass(frozen=True)
class Source:
    """The text of one pack file, for hashes and for pointing at lines."""

    name: str
    text: str
    location: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class PackFile:
    """One file of a pack. It is read once, however often it is extended, and so is equal to nothing but itself."""

    source: Source
    raw: Mapping[str, Any]
    extends: tuple[PackFile, ...]  # in the order in which the file names them

    @property
    def name(self) -> str:
        return self.source.name

    @cached_property
    def bases_first(self) -> tuple[PackFile, ...]:
        """This file and all that it extends, directly or through others, each once. A file stands after what it
        extends, and otherwise where the order of `extends` first leads to it; this one is the last."""
        found: dict[PackFile, None] = {}
        for other in self.extends:
            found |= dict.fromkeys(other.bases_first)
        return (*found, self)

    @cached_property
    def bases_last(self) -> tuple[PackFile, ...]:
        """The same files, this one first: a file stands before what it extends, and otherwise in the order of
        `extends`."""
        found: dict[PackFile, None] = {}
        for other in reversed(self.extends):
            found |= dict.fromkeys(reversed(other.bases_last))
        return (self, *reversed(found))

    @cached_property
    def bases(self) -> frozenset[PackFile]:
        """All that this file extends, directly or through others."""
        return frozenset(self.bases_first[:-1])
