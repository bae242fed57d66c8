"""What figures somebody asks for, and the scorer that works out what they are counted from."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from popstrat.core.text import suggest
from popstrat.errors import InputError
from popstrat.metrics.counting import Plan, besides, plan
from popstrat.metrics.coverage import DATES
from popstrat.metrics.gather import wanted
from popstrat.metrics.rows import LEVELS, SEPARATOR, Grouping, Level
from popstrat.packs.definition import Definition
from popstrat.packs.pack import Pack
from popstrat.packs.resolve import expression
from popstrat.packs.resolved import Resolved
from popstrat.scoring.scorer import Scorer

DEFAULT_PACK = "neighbourhood-2026"


@dataclass(frozen=True)
class Request:
    """What to count and what to hold it against. ``levels`` and ``groupings`` are the usual ones where None, ``only``
    is all metrics of the pack then."""

    levels: tuple[Level, ...] | None = None
    groupings: tuple[str, ...] | None = None
    only: tuple[str, ...] | None = None
    previous: Path | None = None
    caseload: Path | None = None
    history: Path | None = None
    plan: Path | None = None
    controlled: bool = True

    @property
    def wanted(self) -> dict[Level, tuple[str, ...]]:
        """The groupings of each level."""
        return wanted(self.levels, self.groupings)

    @property
    def named(self) -> tuple[str, ...]:
        """Every grouping that is wanted anywhere."""
        return tuple(dict.fromkeys(name for some in self.wanted.values() for name in some))

    def scorer(self, pack: str | Path | Pack, as_of: str | dt.date | None, profile: str, mapping: Any = None) -> Scorer:
        """A scorer that works out what is counted.

        Raises `InputError` for a metric or grouping that there is not, a pack without metrics, and disclosure that is
        not controlled though it is not for direct care; `PackError` for the pack.
        """
        if not self.controlled and profile != "direct-care":
            raise InputError(f"--no-disclosure-control is for the profile direct-care alone, and this is {profile}")
        made = partial(_besides, groupings=self.named, only=self.only, dates=self.caseload is not None)
        return Scorer(pack, as_of, profile=profile, mapping=mapping, besides=made)

    def counting(self, scorer: Scorer) -> Plan:
        """What is counted of the scorer's batches."""
        return plan(scorer.resolved, self.named, self.only)


def levels_of(names: Iterable[str]) -> tuple[Level, ...] | None:
    """Levels by their names, None for none. Raises `InputError` for one that there is not."""
    found = []
    for name in names:
        if name not in LEVELS:
            raise InputError(
                f"--level is one of {', '.join(LEVELS)}, not {name!r}{suggest(name, list(map(str, LEVELS)))}"
            )
        found.append(Level(name))
    return tuple(found) or None


def groupings_of(names: Sequence[str]) -> tuple[str, ...] | None:
    """Groupings such as ``sex+age_band``, None for none. Raises `InputError` for one that says something twice."""
    found = []
    for name in names:
        parts = [part.strip() for part in name.split(SEPARATOR)]
        if not all(parts) or len(set(parts)) < len(parts) or (Grouping.NONE in parts and len(parts) > 1):
            raise InputError(f"--group-by takes names joined by {SEPARATOR}, each once, not {name!r}")
        found.append(SEPARATOR.join(parts))
    return tuple(found) or None


def days_since(column: str) -> str:
    """What the days since a date of the list are called among the scored columns."""
    return f"days since {column}"


def _besides(
    resolved: Resolved, groupings: tuple[str, ...], only: tuple[str, ...] | None, dates: bool
) -> tuple[Definition, ...]:
    found = besides(resolved, groupings, only)
    return (*found, *(_days(resolved, column) for column in DATES)) if dates else found


def _days(resolved: Resolved, column: str) -> Definition:
    name = days_since(column)
    node = expression(resolved, f"as_of - {column}")
    return Definition(name, "expression", node, name, "", "", "", name, "float64", {})
