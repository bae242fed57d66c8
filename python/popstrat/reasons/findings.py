"""What a trace found: for each definition what its rules saw, how they came out, and which one decided."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from popstrat.lang import nodes as n
from popstrat.packs.trace_parts import Line, ModelTrace
from popstrat.reasons.one import Told


@dataclass(frozen=True)
class Finding:
    """One definition for this patient. `parts` are definitions without a column of their own that it used and that
    were not shown before; `seen` are those that were. `cost`: it is an amount of money."""

    id: str
    title: str
    output: str | None
    value: n.Value
    result: str
    lines: tuple[Line, ...]
    parts: tuple[Finding, ...] = ()
    seen: tuple[str, ...] = ()
    note: str = ""
    model: ModelTrace | None = None
    caveat: str = ""
    cost: bool = False


@dataclass(frozen=True)
class SetAside:
    """A value that was not plausible, and read as no record."""

    column: str
    title: str
    value: str
    reason: str


@dataclass(frozen=True)
class Explanation:
    """Why one patient got what they got, by one pack. No patient identifier is in it, nor the date of birth."""

    pack: str
    version: str
    title: str
    as_of: dt.date
    age: int | None
    sex: str
    set_aside: tuple[SetAside, ...]
    notices: tuple[str, ...]
    findings: tuple[Finding, ...]
    scored: Mapping[str, Any] = field(default_factory=dict)  # the engine's row, without keys
    told: tuple[Told, ...] = ()  # what there is to say of the patient, group by group

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON-able values."""
        found = _plain(dataclasses.asdict(self))
        assert isinstance(found, dict)
        return found


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value.isoformat() if isinstance(value, dt.date) else value
