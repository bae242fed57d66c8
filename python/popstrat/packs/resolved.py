"""A pack as it stands at an as-of date: plain data, which the compiler, the evaluator and the pages read."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from popstrat.lang import nodes as n
from popstrat.packs.definition import Definition
from popstrat.packs.model.parts import Model
from popstrat.packs.tables import PackTables


@dataclass(frozen=True)
class Reading:
    """A condition as some values of the pack's parameters have it, to be counted."""

    column: str  # the definition of the condition
    label: str
    values: Mapping[str, Any]  # parameter → value
    used: bool  # whether these are the values at hand
    ident: str  # the definition in `Resolved.definitions` that is this reading


@dataclass(frozen=True)
class Resolved:
    """Every definition of a pack, typed, and what there is to say of them."""

    pack: PackTables
    as_of: dt.date
    definitions: dict[str, Definition]  # a definition after those that it uses
    parameters: dict[str, n.Const]
    models: dict[str, Model]
    tallies: dict[tuple[str, str, str], n.Node]
    """What a run counts besides its groups: (model, missing | clipped | not_scored | strata, input, reason or stratum)
    → condition; and (condition, reading, which) once `packs.readings` has added those."""
    notices: tuple[str, ...]
    not_in_force: tuple[str, ...] = ()
    """Those of the notices that say that no version of a definition is in force at the date."""
    readings: tuple[Reading, ...] = ()

    @property
    def outputs(self) -> list[Definition]:
        """The definitions that write a column: those that the pack puts in order (`columns`), then the others in the
        order in which they stand; what a model adds beside its result comes last."""
        order = list(dict.fromkeys(self.pack.raw["pack"].get("columns", ())))
        places = {ident: i for i, ident in enumerate(self.pack.raw.get("definition", {}))}

        def place(d: Definition) -> tuple[int, bool, int]:
            first = order.index(d.output) if d.output in order else len(order)
            return first, d.parent is not None, places[d.parent or d.id]

        return sorted((d for d in self.definitions.values() if d.output is not None), key=place)
