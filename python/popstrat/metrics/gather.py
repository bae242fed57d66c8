"""From counts of practices to the figures of every level, area and group."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from popstrat.metrics import groups as by
from popstrat.metrics.counting import Counted, Plan, all_groups, grouped
from popstrat.metrics.figures import NOWHERE, Figures
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

    A metric that is not computable has one, of the largest area. A group in which nobody of the whole list is, or by
    the metric's own rules nobody whom it counts, has none; every other has one in each area, so that which figures
    there are tells nothing of an area.
    """
    areas = counted.areas()
    names = list(dict.fromkeys(grouping for some in wanted.values() for grouping in some))
    columns, numerators, denominators, squares = _stacked(plan, counted)
    computed = np.array([i for i, column in enumerate(plan.numerators) if column is not None], dtype=np.int64)
    whole = np.arange(len(computed))
    divided = whole[[not plan.metrics[i].undivided for i in computed]]
    found = [_without(plan, wanted)]
    labelled = all_groups(plan, names)
    for number, grouping in enumerate(names):
        of_practices = grouped(plan, columns, grouping)
        everybody = of_practices[-1].sum(axis=0)
        groups = np.zeros(1, np.int64) if grouping == Grouping.NONE else np.flatnonzero(everybody)
        some = whole if grouping == Grouping.NONE else divided
        anybody = ~np.array([labelled[number].among(plan.metrics[i].never) for i in computed], dtype=np.bool_)
        for level in (level for level, by_what in wanted.items() if grouping in by_what):
            counts = _summed(of_practices[:, :, groups], areas.of_practice(level), len(areas.names(level)))
            metric, area, group = np.meshgrid(computed[some], np.arange(counts.shape[1]), groups, indexing="ij")
            same = np.ones_like(metric)
            there = np.broadcast_to(anybody[some][:, np.newaxis, groups], metric.shape)
            found.append([column[there] for column in (
                metric, LEVELS.index(level) * same, area, number * same, group, counts[numerators[some]],
                counts[denominators[some]], counts[squares[some]], counts[-1] * same,
            )])  # fmt: skip
    joined = [np.concatenate([np.ravel(part) for part in parts]) for parts in zip(*found, strict=True)]
    made = Figures(areas, plan.metrics, labelled, *joined)
    return made.where(_in_order(made))


def _in_order(made: Figures) -> NDArray[np.int64]:
    """By metric, level, area, grouping and group: one number of all of them is sorted sooner than five."""
    key = np.zeros(len(made), np.int64)
    for part in (made.metric, made.level, made.area, made.grouping, made.group):
        key = key * (part.max(initial=0) + 1) + part
    return np.argsort(key, kind="stable")


_Numbers = NDArray[np.int64]


def _stacked(plan: Plan, counted: Counted) -> tuple[_Numbers, _Numbers, _Numbers, _Numbers]:
    """All that was counted as one array (column, practice, cell), everybody last; and of each metric that is computed
    which column is its numerator, its denominator, and its squares."""
    names = dict.fromkeys(name for name in (*plan.numerators, *plan.denominators) if name is not None)
    place: dict[str, tuple[int, int]] = {}
    columns: list[_Numbers] = []
    for name in names:
        if name in counted.people:
            place[name] = len(columns), len(columns)
            columns.append(counted.people[name])
        else:
            place[name] = len(columns), len(columns) + 1
            columns += counted.events[name]
    everybody = len(columns)
    pairs = [(a, b) for a, b in zip(plan.numerators, plan.denominators, strict=True) if a is not None]
    return (
        np.stack([*columns, counted.registered]),
        np.array([place[a][0] for a, _ in pairs], dtype=np.int64),
        np.array([everybody if b is None else place[b][0] for _, b in pairs], dtype=np.int64),
        np.array([place[a][1] for a, _ in pairs], dtype=np.int64),
    )


def _without(plan: Plan, wanted: Wanted) -> list[_Numbers]:
    """The one figure of each metric that is not computable."""
    metric = np.array([i for i, column in enumerate(plan.numerators) if column is None], dtype=np.int64)
    nothing = np.zeros_like(metric)
    level = LEVELS.index(next(iter(wanted))) if wanted else 0
    return [metric, np.full_like(metric, level), *[nothing] * 7]


def _summed(counts: _Numbers, within: _Numbers, areas: int) -> _Numbers:
    """Counts of practices (second axis) as those of the areas that they are in."""
    order = np.argsort(within, kind="stable")
    order = order[within[order] != NOWHERE]
    found = np.zeros((counts.shape[0], areas, counts.shape[2]), np.int64)
    if len(order):
        starts = np.searchsorted(within[order], np.arange(areas))
        found[:] = np.add.reduceat(counts[:, order], starts, axis=1)  # every area has a practice
    return found
