"""From counts of practices to the figures of every level, area and group."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

from popstrat.metrics import groups as by
from popstrat.metrics.counting import Counted, Plan, all_groups, grouped
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

    A metric that is not computable has one, of the largest area. A group in which nobody of the whole list is, or by
    the metric's own rules nobody whom it counts, has none; every other has one in each area, so that which figures
    there are tells nothing of an area.
    """
    areas = counted.areas()
    names = list(dict.fromkeys(grouping for some in wanted.values() for grouping in some))
    labelled = all_groups(plan, names)
    of_practices, grouping, group = _by_group(plan, counted, names)
    rows = _rows(areas, wanted, names, of_practices, grouping)
    # Of each metric the rows that it has, which are in order already: those of the groups that it counts, or the row of
    # nobody. Many count the same groups.
    undivided = np.array([name == Grouping.NONE for name in names], np.bool_)[grouping]
    known: dict[tuple[frozenset[tuple[str, str]], bool], _Numbers] = {}
    has = []
    for metric, numerator in zip(plan.metrics, plan.numerators, strict=True):
        if numerator is None:
            has.append(np.zeros(1, np.int64))
            continue
        kind = metric.never, metric.undivided
        if kind not in known:
            never = np.concatenate([np.zeros(0, np.bool_), *(one.among(metric.never) for one in labelled)])
            some = undivided & ~never if metric.undivided else ~never
            known[kind] = 1 + np.flatnonzero(some[rows.group[1:]])
        has.append(known[kind])
    sizes = [len(some) for some in has]

    def of(parts: Iterable[_Numbers]) -> _Numbers:
        """Of each metric its rows of something: written where they are to be, as memory that is new costs more."""
        found, start = np.empty(sum(sizes), np.int64), 0
        for some, part in zip(has, parts, strict=True):
            np.take(part, some, out=found[start : start + len(some)], mode="clip")
            start += len(some)
        return found

    def same(part: _Numbers) -> _Numbers:
        return of([part] * len(has))

    columns, everybody = _columns(plan, counted)
    above, below, squared = (of(rows.counts[i] for i in some) for some in columns)
    return Figures(
        areas, plan.metrics, labelled, np.repeat(np.arange(len(sizes)), sizes), same(rows.level), same(rows.area),
        same(np.append(grouping, 0)[rows.group]), same(np.append(group, 0)[rows.group]),  # 0 in the row of nobody
        above, below, squared, same(rows.counts[everybody]),
    )  # fmt: skip


_Numbers = NDArray[np.int64]


def _by_group(plan: Plan, counted: Counted, names: Sequence[str]) -> tuple[_Numbers, _Numbers, _Numbers]:
    """All that was counted, of each practice and each group of all groupings: conditions, then sums and squares of
    events, then everybody; and of each group which grouping it is of, and its number in that."""
    registered, counts, sums = counted.registered, counted.counts, counted.sums
    if int(registered.sum(dtype=np.int64)) > np.iinfo(np.uint32).max:  # what adds up has no room in 32 bits
        registered, counts = registered.astype(np.int64), counts.astype(np.int64)
    sums = sums.reshape(*sums.shape[:2], 2 * sums.shape[2])
    groups = [len(one.groups) for one in all_groups(plan, names)]
    ends = accumulate(groups)
    conditions = counts.shape[2]
    found = np.empty((len(registered), sum(groups), conditions + sums.shape[2] + 1), np.int64)
    for name, size, end in zip(names, groups, ends, strict=True):
        into = found[:, end - size : end]
        into[:, :, :conditions] = grouped(plan, counts, name)
        into[:, :, conditions:-1] = grouped(plan, sums, name)
        into[:, :, -1] = grouped(plan, registered, name)
    none = np.zeros(0, np.int64)
    of_grouping = [np.full(size, number) for number, size in enumerate(groups)]
    return found, np.concatenate([none, *of_grouping]), np.concatenate([none, *map(np.arange, groups)])


@dataclass(frozen=True)
class _Rows:
    """The rows of a metric that counts all groups, in order: of each its level, its area, and its group among those of
    all groupings. Before them one of nobody in the largest level, of group -1."""

    level: _Numbers
    area: _Numbers
    group: _Numbers
    counts: _Numbers
    """By column, each of all rows."""


def _rows(areas: Areas, wanted: Wanted, names: Sequence[str], of_practices: _Numbers, grouping: _Numbers) -> _Rows:
    somebody = of_practices[:, :, -1].any(axis=0)
    somebody |= np.array([name == Grouping.NONE for name in names], np.bool_)[
        grouping
    ]  # who are shown, whoever they are
    nothing = np.zeros(1, np.int64)
    first = nothing + (LEVELS.index(next(iter(wanted))) if wanted else 0)
    found = [(first, nothing, nothing - 1, np.zeros((1, of_practices.shape[2]), np.int64))]
    for number, level in enumerate(LEVELS):
        if level not in wanted:
            continue
        chosen = np.array([name in wanted[level] for name in names], np.bool_)[grouping]
        last = int(np.flatnonzero(chosen)[-1]) + 1 if chosen.any() else 0
        groups = np.flatnonzero(chosen & somebody)
        # added up without the groups after the last that is chosen, and before those are left out that lie between: so
        # nothing of all practices has to be copied
        counts = _summed(of_practices[:, :last], areas.of_practice(level), len(areas.names(level)))[:, groups]
        area, group = np.meshgrid(np.arange(len(counts)), groups, indexing="ij")
        found.append(
            (np.full(area.size, number), area.ravel(), group.ravel(), counts.reshape(area.size, counts.shape[2]))
        )
    level_of, area_of, group_of, counts_of = zip(*found, strict=True)
    by_column = np.empty((of_practices.shape[2], sum(map(len, counts_of))), np.int64)
    np.concatenate([counts.T for counts in counts_of], axis=1, out=by_column)
    return _Rows(np.concatenate(level_of), np.concatenate(area_of), np.concatenate(group_of), by_column)


def _columns(plan: Plan, counted: Counted) -> tuple[list[list[int]], int]:
    """Which column of `_by_group` is the numerator, the denominator and the squares of each metric (of one that is not
    computable the first), and which is everybody."""
    place = {name: (i, i) for i, name in enumerate(counted.conditions)}
    start = len(place)
    place |= {name: (start + 2 * i, start + 2 * i + 1) for i, name in enumerate(counted.numbers)}
    everybody = start + 2 * len(counted.numbers)
    pairs = [*zip(plan.numerators, plan.denominators, strict=True)]
    numerators = [0 if a is None else place[a][0] for a, _ in pairs]
    denominators = [everybody if b is None else place[b][0] for _, b in pairs]
    return [numerators, denominators, [0 if a is None else place[a][1] for a, _ in pairs]], everybody


def _summed(counts: _Numbers, within: _Numbers, areas: int) -> _Numbers:
    """Counts of practices (first axis) as those of the areas that they are in."""
    order = np.argsort(within, kind="stable")
    order = order[within[order] != NOWHERE]
    some = counts if np.array_equal(order, np.arange(len(counts))) else counts[order]
    if len(order) == areas:
        return some
    found = np.zeros((areas, *counts.shape[1:]), np.int64)
    ends = np.searchsorted(within[order], np.arange(areas + 1)).tolist()
    for area, (start, end) in enumerate(pairwise(ends)):  # sooner than reduceat, which goes through them by columns
        some[start:end].sum(axis=0, out=found[area])
    return found
