"""What a definition is built with: the words that its rules may use, and errors that point at its place in the file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from popstrat.errors import PackError
from popstrat.lang import nodes as n
from popstrat.lang.parser import Scope
from popstrat.lang.source_map import Entry
from popstrat.lang.toml_places import Path
from popstrat.packs.definition import Definition
from popstrat.packs.patient_table import Schema

Raw = Mapping[str, Any]
"""A definition's table in TOML, one version of it folded in."""


class Builder(Scope, Protocol):
    """The scope of a pack's words, as `resolve` has it while it builds one definition after the other."""

    @property
    def schema(self) -> Schema: ...

    def definition(self, ident: str) -> Definition:
        """A definition that has been looked up."""

    def parse(
        self, ident: str, key: str, text: Any, condition: bool = False, scope: Scope | None = None, entry: Entry = "",
        at: Path = (),
    ) -> n.Node:  # fmt: skip
        """An expression under `key` of a definition. A fault points at its place in the file, in an `entry` of a list
        below the definition or ``at`` the keys below it if they are given. Raises `PackError`."""

    def make(self, ident: str, node: n.Node, raw: Raw, parent: str) -> Definition:
        """A definition that comes with another one, its parent. Raises `PackError`."""

    def only(self, ident: str, table: Raw, known: Iterable[str]) -> None:
        """Refuse a key that is not known. Raises `PackError`."""

    def fault(
        self, ident: str, message: str, text: str = "", entry: Entry = "", at: Path = (), value: bool = False
    ) -> PackError:
        """An error that points at `text` in the definition, or in an entry of a list; or ``at`` the keys below the
        definition (see `PackTables.error`)."""
