"""From counts of practices to the figures of every level, area and group."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from popstrat.metrics import groups as by
from popstrat.metrics.counting import Counted, Plan, grouped
from popstrat.metrics.figures import NOWHERE, Areas, Figures
from popstrat.metrics.rows import LEVELS, Grouping, Level

Wanted = Mapping[Level, Sequence[str]]
"""The groupings of each level that is wanted, `Grouping.NONE` among them."""


def wanted(levels: Iterable[Level] | None, groupings: Sequence[str] | None) -> dict[Level, tuple[str, ...]]:
    """What is counted where: all levels and `groups.DEFAULT`, unless something is said. Everybody together first."""
    chosen = LEVELS if levels is None else [level for level in LEVELS if level in set(levels)]
    found = {}
    for level in chosen:
        of_level = by.DEFAULT[level] if groupings is None else groupings
        found[level] = tuple(dict.fromkeys([Grouping.NONE.value, *map(str, of_level)]))
    return found


def figures(plan: Plan, counted: Counted, wanted: Wanted) -> Figures:
    """Every metric's figures, by metric, level, area, grouping and group.

    A metric that is not computable has one, of the largest area. A group in which nobody of the whole list is has none;
    every other has one in each area, so that which figures there are tells nothing of an area.
    """
    areas = counted.areas()
    names = list(dict.fromkeys(grouping for some in wanted.values() for grouping in some))
    blocks = [
        _Block(plan, counted, areas, level, names, grouping) for level, some in wanted.items() for grouping in some
    ]
    columns: list[list[NDArray[np.int64]]] = [[] for _ in range(9)]
    for number, metric in enumerate(plan.metrics):
        numerator, denominator = plan.numerators[number], plan.denominators[number]
        if numerator is None:
            for column, value in zip(
                columns, (number, LEVELS.index(next(iter(wanted))), 0, 0, 0, 0, 0, 0, 0), strict=True
            ):
                column.append(np.array([value], np.int64))
            continue
        for block in blocks:
            people, squares = block.of(numerator)
            of_whom = block.registered if denominator is None else block.of(denominator)[0]
            rows = len(people)
            found = (
                np.full(rows, number, np.int64), block.level, block.area, block.grouping, block.group,
                people, of_whom, squares if metric.events else people, block.registered,
            )  # fmt: skip
            for column, values in zip(columns, found, strict=True):
                column.append(values)
    joined = [np.concatenate(parts) if parts else np.zeros(0, np.int64) for parts in columns]
    made = Figures(areas, plan.metrics, tuple(by.groups(name, dict(plan.parts)) for name in names), *joined)
    return made.where(np.lexsort((made.group, made.grouping, made.area, made.level, made.metric)))


class _Block:
    """The figures of one level by one grouping."""

    def __init__(
        self, plan: Plan, counted: Counted, areas: Areas, level: Level, names: Sequence[str], grouping: str
    ) -> None:
        self._plan, self._counted, self._by = plan, counted, grouping
        self._within = areas.of_practice(level)
        self._areas = len(areas.names(level))
        self._known: dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]] = {}
        everybody = grouped(plan, counted.registered, grouping)
        self._groups = np.flatnonzero(everybody.sum(axis=0)) if grouping != Grouping.NONE else np.zeros(1, np.int64)
        many = len(self._groups)
        rows = self._areas * many
        self.level = np.full(rows, LEVELS.index(level), np.int64)
        self.area = np.repeat(np.arange(self._areas), many)
        self.grouping = np.full(rows, names.index(grouping), np.int64)
        self.group = np.tile(self._groups, self._areas)
        self.registered = self._summed(everybody)

    def of(self, column: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The people of a column, or its events and their squares."""
        if column not in self._known:
            if column in self._counted.people:
                people = self._summed(grouped(self._plan, self._counted.people[column], self._by))
                self._known[column] = people, people
            else:
                events, squares = self._counted.events[column]
                self._known[column] = (
                    self._summed(grouped(self._plan, events, self._by)),
                    self._summed(grouped(self._plan, squares, self._by)),
                )
        return self._known[column]

    def _summed(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        found = np.zeros((self._areas, len(self._groups)), np.int64)
        inside = self._within != NOWHERE
        np.add.at(found, self._within[inside], counts[inside][:, self._groups])
        return found.ravel()
