"""Witnesses that little is known of withheld counts: of tables that are parts of each other, region by region.

A region is some cells of a layout, as many as move at once; all other counts of the release stay as they truly are.
Tables that are not parts of each other, by way of others either, know nothing of each other: each family is worked
through by itself (`walk`). Each withheld count, and each small rest, needs two places `WIDTH` apart. Where they cannot
be found, the count that stands in the way and costs least is withheld as well, and needs places of its own.

Whatever is found is possible in the whole release, and stays so when more is withheld.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from popstrat.privacy.disclosure.rules import SMALLEST
from popstrat.privacy.disclosure.simplex import solved
from popstrat.privacy.disclosure.walk import Cells, Kin, Tables, Where, walk

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_ROUNDS = 6
_SOLUTIONS = 8
"""As many tables' solutions are kept at once: a table and those that it moves out of its way."""


class Around(NamedTuple):
    """Some ``cells`` of a layout, those of them whose counts are to be shown to be protected (``asked``), and those
    that may be withheld for it (``own``); others only move."""

    cells: Ints
    asked: Ints
    own: Ints


@dataclass(frozen=True)
class Region:
    """Some ``cells`` of a layout that can move; of ``own`` what is found is written down."""

    cells: Ints
    own: Bools
    within: Cells


def regions_of(
    starts: Ints, counts: Ints, signs: Floats, arounds: Sequence[Around], ranks: Ints
) -> list[Region]:  # fmt: skip
    """The regions in their order; those in which nothing can move are left out."""
    found = (_region(starts, counts, signs, around, ranks) for around in arounds)
    return [one for one in found if one is not None]


def _region(starts: Ints, counts: Ints, signs: Floats, around: Around, ranks: Ints) -> Region | None:
    """The part of some cells that can move at all: those that are in no sum alone."""
    row = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    inside = np.zeros(len(ranks), np.bool_)
    inside[around.cells] = True
    while True:
        in_row = np.bincount(row[inside[counts]], minlength=len(starts) - 1)
        alone = inside[counts] & (in_row[row] == 1)
        if not alone.any():
            break
        inside[counts[alone]] = False
    cells = np.flatnonzero(inside)
    asked, own = np.isin(cells, around.asked), np.isin(cells, around.own)
    if not asked.any():
        return None
    at = np.full(len(ranks), -1, np.int64)
    at[cells] = np.arange(len(cells))
    some = inside[counts]
    rows, of_row = np.unique(row[some], return_inverse=True)
    of_row = of_row.reshape(-1)
    matrix = np.zeros((len(rows), len(cells)))
    np.add.at(matrix, (of_row, at[counts[some]]), signs[some])
    own_starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.bincount(of_row, minlength=len(rows)))])
    solution, basis = solved(matrix, np.argsort(-ranks[cells], kind="stable"))
    return Region(cells, own, Cells(solution, basis, own_starts, at[counts[some]], signs[some], asked, ranks[cells]))


@dataclass
class Found:
    """Which counts are withheld, and of which counts (tables by cells) and rests (pairs by cells) it was shown that the
    values that fit are `WIDTH` apart."""

    off: Bools
    shown: Bools
    rests: Bools
    top: Floats
    bottom: Floats
    """How far each count got from where it truly is."""


_Given = TypeVar("_Given")
_Made = TypeVar("_Made")


def each(pool: Executor, work: Callable[[_Given], _Made], given: Iterable[_Given]) -> list[_Made]:
    """The work done for each, in their order. Whoever interrupts it waits for what has begun, and for nothing more."""
    waiting = [pool.submit(work, one) for one in given]
    try:
        return [one.result() for one in waiting]
    except BaseException:
        for one in waiting:
            one.cancel()
        raise


def find(
    regions: Sequence[Region], ranks: Ints, counts: Ints, parts: Sequence[tuple[int, int]], small: Bools, off: Bools,
    nobody: Bools, kept: Bools, *, asked: Bools, dearer: float, threads: int,
) -> Found:  # fmt: skip
    """Withhold counts until what can be shown in regions is shown. ``asked`` are the tables that need it; ``kept`` are
    counts that cannot be withheld, and those of the highest rank are not, if there are several ranks."""
    pairs = np.array(parts, np.int64).reshape(-1, 2)
    shown = np.zeros(off.shape, np.bool_) | ~asked[:, np.newaxis]
    rests = np.zeros((len(pairs), off.shape[1]), np.bool_) | ~asked[pairs[:, 0]][:, np.newaxis]
    found = Found(off.copy(), shown, rests, np.zeros(off.shape), np.zeros(off.shape))
    last = (ranks == ranks.max(initial=0)) & (ranks > 0)

    def work(some: Ints) -> None:
        own = np.flatnonzero(np.isin(pairs[:, 0], some))
        here = _Family(some, own, np.searchsorted(some, pairs[own]))
        for hide in (False, *[True] * _ROUNDS):
            before = found.off[some].sum(), found.shown[some].sum()
            for region in regions:
                here.walk(region, counts, small, nobody, kept | last, dearer, found, hide)
            if hide and before == (found.off[some].sum(), found.shown[some].sum()):
                break

    families = sorted(_families(len(counts), pairs), key=len, reverse=True)
    if regions:
        with ThreadPoolExecutor(max(1, threads)) as pool:
            each(pool, work, families)
    return found


def _families(tables: int, pairs: Ints) -> list[Ints]:
    """Tables that are parts of each other, by way of others too."""
    of = np.arange(tables)
    for part, whole in pairs.tolist():
        of[of == of[part]] = of[whole]
    return [np.flatnonzero(of == one) for one in np.unique(of)]


class _Family:
    """Some tables that are parts of each other."""

    def __init__(self, tables: Ints, pairs: Ints, parts: Ints) -> None:
        self.tables, self.pairs = tables, pairs
        self.part, self.whole = parts[:, 0].copy(), parts[:, 1].copy()
        count = len(tables)
        holds = [set(self.whole[self.part == table].tolist()) - {table} for table in range(count)]
        for _ in range(count):
            for table in range(count):
                holds[table] |= {far for one in holds[table] for far in holds[one]} - {table}
        depth = [len(one) for one in holds]
        self.order = np.array(sorted(range(count), key=lambda table: depth[table]), np.int64)
        self.above = [sorted(one, key=lambda table: depth[table]) for one in holds]

    def walk(
        self, region: Region, counts: Ints, small: Bools, nobody: Bools, never: Bools, dearer: float, found: Found,
        hide: bool,
    ) -> None:  # fmt: skip
        cells = region.cells
        here, these = np.ix_(self.tables, cells), np.ix_(self.pairs, cells)
        x = counts[here].astype(np.float64)
        tables = Tables(
            x, small[here], nobody[here], found.off[here], never[here] | ~region.own,
            np.maximum(x, 1.0) * dearer ** region.within.ranks, found.shown[here], found.top[here], found.bottom[here],
        )  # fmt: skip
        if not (tables.off & ~tables.shown & region.within.asked).any() and found.rests[these].all():
            return
        kin = self._kin(x, found.rests[these])
        where = self._where(region.within, x)
        walk(region.within, tables, kin, where, hide)
        own = np.ix_(self.tables, cells[region.own])
        found.off[own] = tables.off[:, region.own]
        found.shown[own] |= tables.shown[:, region.own]
        found.top[own] = np.maximum(found.top[own], tables.top[:, region.own])
        found.bottom[own] = np.minimum(found.bottom[own], tables.bottom[:, region.own])
        found.rests[np.ix_(self.pairs, cells[region.own])] |= kin.shown[:, region.own]

    def _kin(self, x: Floats, shown: Bools) -> Kin:
        count = len(self.tables)
        left = x[self.whole] - x[self.part]
        few = (left > 0) & (left < SMALLEST)
        pair, cell = np.nonzero(few)
        numbers = np.arange(len(self.part))
        pair_starts, pairs = lists(count, np.concatenate([self.part, self.whole]), np.concatenate([numbers, numbers]))
        either = np.arange(len(pair))
        few_starts, entry = lists(
            count, np.concatenate([self.part[pair], self.whole[pair]]), np.concatenate([either, either])
        )
        above_starts, above = _flat(self.above)
        return Kin(
            self.part, self.whole, pair_starts, pairs, above_starts, above, self.order, few_starts,
            pair[entry], cell[entry], shown, np.zeros(left.shape), np.zeros(left.shape),
        )  # fmt: skip

    @staticmethod
    def _where(cells: Cells, x: Floats) -> Where:
        m, n = cells.solution.shape
        slots = _SOLUTIONS
        return Where(
            np.zeros(x.shape), np.empty((4, n)), np.empty((slots, m, n)), np.zeros((slots, m), np.int64),
            np.zeros((slots, n), np.int64), np.zeros(slots, np.int64), np.full(slots, -1, np.int64),
            np.zeros(slots, np.int64), np.empty(n, np.int64), np.zeros(2, np.int64),
            np.full(2, -1, np.int64),
        )  # fmt: skip


def _flat(lists: Sequence[Sequence[int]]) -> tuple[Ints, Ints]:
    """Lists after each other, from the starts of each."""
    starts = np.cumsum([0, *map(len, lists)]).astype(np.int64)
    return starts, np.array([one for some in lists for one in some], np.int64)


def lists(n: int, keys: Ints, values: Ints) -> tuple[Ints, Ints]:
    """The values of each of ``n`` keys, as starts and one list."""
    starts = np.zeros(n + 1, np.int64)
    np.cumsum(np.bincount(keys, minlength=n), out=starts[1:])
    return starts, values[np.argsort(keys, kind="stable")]
