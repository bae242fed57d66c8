"""Figures: how many people, or events, each metric has in each area and group, before any of it is published."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from popstrat.metrics.rows import LEVELS, SEPARATOR, Level, Measure

NOWHERE = -1
"""The number of the area of practices that are in none."""


@dataclass(frozen=True)
class Areas:
    """Practices and the areas they are in. Each practice is in one PCN, one neighbourhood and one place or in none;
    PCNs and neighbourhoods may overlap, so neither is a part of the other."""

    practices: tuple[str, ...]
    pcn: tuple[str | None, ...]
    neighbourhood: tuple[str | None, ...]
    place: tuple[str | None, ...]
    icb: str = "all"
    """What the whole list is called."""

    @cached_property
    def levels(self) -> tuple[Level, ...]:
        """The levels at which there is any area, the largest first."""
        return tuple(level for level in LEVELS if self.names(level))

    def names(self, level: Level) -> tuple[str, ...]:
        """The areas of a level, in order of their names."""
        return self._numbered[level][0]

    def of_practice(self, level: Level) -> NDArray[np.int64]:
        """For each practice, which of `names` of this level it is in; `NOWHERE` for those in none."""
        return self._numbered[level][1]

    def parent(self, level: Level, area: int) -> str | None:
        """The area above one: of a practice its PCN, else its neighbourhood, else its place; of a PCN or a
        neighbourhood its place, if all its practices are in one; of a place the ICB."""
        return self._parents[level][area]

    @cached_property
    def _numbered(self) -> dict[Level, tuple[tuple[str, ...], NDArray[np.int64]]]:
        everyone = (self.icb,) * len(self.practices)
        within = (everyone, self.place, self.neighbourhood, self.pcn, self.practices)
        found = {}
        for level, areas in zip(LEVELS, within, strict=True):
            names = tuple(sorted({area for area in areas if area is not None}))
            place = {name: i for i, name in enumerate(names)}
            numbers = [NOWHERE if area is None else place[area] for area in areas]
            found[level] = names, np.array(numbers, dtype=np.int64)
        return found

    @cached_property
    def _parents(self) -> dict[Level, list[str | None]]:
        found: dict[Level, list[str | None]] = {Level.ICB: [None] * len(self.names(Level.ICB))}
        found[Level.PLACE] = [self.icb] * len(self.names(Level.PLACE))
        for level in (Level.NEIGHBOURHOOD, Level.PCN):
            found[level] = [self._place_of(level, area) for area in range(len(self.names(level)))]
        above = zip(self.practices, self.pcn, self.neighbourhood, self.place, strict=True)
        of_practice = {code: pcn or neighbourhood or place or self.icb for code, pcn, neighbourhood, place in above}
        found[Level.PRACTICE] = [of_practice[code] for code in self.names(Level.PRACTICE)]
        return found

    def _place_of(self, level: Level, area: int) -> str | None:
        places = {self.place[i] for i in np.flatnonzero(self.of_practice(level) == area)}
        return next(iter(places)) or self.icb if len(places) == 1 else self.icb


@dataclass(frozen=True)
class Metric:
    """What a pack says of one metric."""

    id: str
    title: str
    version: str
    measure: Measure
    cohort: str
    good: str
    """Which direction is good: ``high``, ``low`` or ``none``."""
    target: float | None = None
    """In the unit of the measure."""
    source: str = ""
    caveat: str = ""
    reason: str | None = None
    """Why it cannot be computed from a patient table; None where it is computed."""
    per: int = 1
    """1,000 where the value is a rate per 1,000 people."""
    once: bool = False
    """Whether the numerator of a rate counts people, each once, and not events."""
    undivided: bool = False
    """Whether it is counted of everybody together alone, and by no group."""
    never: frozenset[tuple[str, str]] = frozenset()
    """Groups, each as what divides and its label, that by its rules nobody of whom it counts is in: children in a
    metric of adults."""
    means: str = ""
    assumption: str = ""
    counted: str = ""
    """The rule of the numerator, as the pack has it."""
    of: str = ""
    """The rule of the denominator; nothing for everybody in the cohort."""

    @property
    def events(self) -> bool:
        """Whether the numerator counts events, of which one person may have several."""
        return self.per != 1 and not self.once


@dataclass(frozen=True)
class Groups:
    """A grouping and the groups that it divides people into, `unknown` last where anybody may be in it."""

    name: str
    groups: tuple[str | None, ...]

    def among(self, labels: Collection[tuple[str, str]]) -> NDArray[np.bool_]:
        """Which groups are among some labels, each with what it divides; of groups of several parts, in any of them."""
        parts = self.name.split(SEPARATOR)
        found = [
            label is not None
            and any(one in labels for one in zip(parts, label.split(SEPARATOR, len(parts) - 1), strict=True))
            for label in self.groups
        ]
        return np.array(found, dtype=np.bool_)


Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Figures:
    """Rows-to-be: arrays of one length, an element a figure. Metrics, levels, areas, groupings and groups are numbers:
    `metrics[metric]`, `LEVELS[level]`, `areas.names(LEVELS[level])[area]`, `groupings[grouping].groups[group]`.

    `numerator`: people, or events. `denominator`: people. `squares`: the sum over people of their events squared (of
    people the same as the numerator), from which the variance of a number of events comes. Exact, so nothing of it is
    for publication before `control` has seen it.
    """

    areas: Areas
    metrics: tuple[Metric, ...]
    groupings: tuple[Groups, ...]
    metric: Numbers
    level: Numbers
    area: Numbers
    grouping: Numbers
    group: Numbers
    numerator: Numbers
    denominator: Numbers
    squares: Numbers
    registered: Numbers = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    """Everybody registered in the area and group, whatever the metric counts."""

    def __len__(self) -> int:
        return len(self.metric)

    def where(self, rows: NDArray[Any]) -> Figures:
        """Some of the figures, by a mask or by their positions."""
        return Figures(
            self.areas,
            self.metrics,
            self.groupings,
            *(values[rows] for values in self._columns()),
        )

    def of_nobody(self, metric: int) -> list[NDArray[np.bool_]]:
        """For each grouping which of its groups a metric says by its rules that nobody is in."""
        never = self.metrics[metric].never
        return [one.among(never) for one in self.groupings]

    def metric_ids(self) -> list[str]:
        """The metric of each figure."""
        return _named([metric.id for metric in self.metrics], self.metric)

    def levels(self) -> list[Level]:
        """The level of each figure."""
        return [LEVELS[i] for i in self.level]

    def area_names(self) -> list[str]:
        """The area of each figure."""
        names = [self.areas.names(level) for level in LEVELS]
        return [names[level][area] for level, area in zip(self.level.tolist(), self.area.tolist(), strict=True)]

    def parents(self) -> list[str | None]:
        """The area above that of each figure."""
        pairs = zip(self.level.tolist(), self.area.tolist(), strict=True)
        return [self.areas.parent(LEVELS[level], area) for level, area in pairs]

    def group_bys(self) -> list[str]:
        """What the people of each figure are divided by."""
        return _named([groups.name for groups in self.groupings], self.grouping)

    def groups(self) -> list[str | None]:
        """The group of each figure; None for everybody."""
        labels = [groups.groups for groups in self.groupings]
        pairs = zip(self.grouping.tolist(), self.group.tolist(), strict=True)
        return [labels[grouping][group] for grouping, group in pairs]

    def _columns(self) -> tuple[Numbers, ...]:
        return (
            self.metric, self.level, self.area, self.grouping, self.group,
            self.numerator, self.denominator, self.squares, self.registered,
        )  # fmt: skip


def _named(names: Sequence[str], numbers: Numbers) -> list[str]:
    return [names[i] for i in numbers.tolist()]
