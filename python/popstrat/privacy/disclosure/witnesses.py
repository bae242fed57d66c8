"""Witnesses that little is known of withheld counts: of tables that are parts of each other, region by region.

A region is some cells of a layout, as many as move at once; all other counts of the release stay as they truly are.
Tables that are not parts of each other, by way of others either, know nothing of each other: each family is worked
through by itself (`popstrat.engine.tables`). Each withheld count, and each small rest, needs two places `WIDTH` apart.
Where they cannot be found, the count that stands in the way and costs least is withheld as well, and needs places of
its own. Where that is not enough, so is all that a count adds up with, then the finest groups of its table, then
coarser ones, in the end all of it and of its parts: nothing can be worked out of a table if nothing of it and of what
lies within it is published.

Whatever is found is possible in the whole release, and stays so when more is withheld.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from popstrat.engine.tables import Cells, Kin, Limits, Tables
from popstrat.engine.tables.walk import Walk, solved
from popstrat.errors import ExposedError
from popstrat.privacy.disclosure.jointly import Block, Bond, Ends, ends
from popstrat.privacy.disclosure.rules import ROUND_TO, SMALLEST, WIDTH

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_FOLLOWS = "withheld counts would follow from an earlier release; nothing of this can be published"
_LIMITS = Limits(SMALLEST, ROUND_TO, WIDTH)
_ROUNDS = 6
_RINGS = 3
"""What a count adds up with is a ring, what that adds up with the next."""
_RINGS_MOVING = (2, 3, 4)
"""Of the blocks in which several tables move: the fewest seldom lead anywhere, and are for where more are too many."""
_SIDE_BY_SIDE = 8
"""So many blocks are tried before what they show is noted, however many threads there are."""
_AT_ONCE = 13_000
"""As many counts as one linear programme may have."""
_IDLE = 4
"""So many counts more that lead no further, and a block is given up."""
_SAME = 1e-6


class Around(NamedTuple):
    """Some ``cells`` of a layout, those of them whose counts are to be shown to be protected (``asked``), and those
    that may be withheld for it (``own``); others only move. ``late``: only for what no other region is enough for."""

    cells: Ints
    asked: Ints
    own: Ints
    late: bool = False


class _Asked(NamedTuple):
    """What is asked of a cell: a ``sum`` of tables with their signs, of which ``pair`` is the rest (-1: a count)."""

    cell: int
    sum: tuple[tuple[int, float], ...]
    pair: int


@dataclass(frozen=True)
class Region:
    """Some ``cells`` of a layout that can move; of ``own`` what is found is written down."""

    cells: Ints
    own: Bools
    within: Cells
    late: bool


def regions_of(
    starts: Ints, counts: Ints, signs: Floats, arounds: Sequence[Around], ranks: Ints
) -> list[Region]:  # fmt: skip
    """The regions in their order; those in which nothing can move are left out."""
    found = (_region(starts, counts, signs, around, ranks) for around in arounds)
    return [one for one in found if one is not None]


def _each_once(regions: Sequence[Region], cells: int) -> list[Region]:
    """Regions in which each cell is asked of once, in the smallest that asks of it: most of what can be shown is shown
    there, and takes least time."""
    found, before = list[Region](), np.zeros(cells, np.bool_)
    for one in sorted(regions, key=lambda region: len(region.cells)):
        asked = one.within.asked & ~before[one.cells]
        if asked.any() and not one.late:
            found.append(replace(one, own=asked, within=one.within._replace(asked=asked)))
            before[one.cells[asked]] = True
    return found


def _runs(regions: Sequence[Region], cells: int) -> list[list[Region]]:
    """Regions in their order, those together that follow each other and of which none writes down what another reads:
    these can be walked through side by side."""
    found = list[list[Region]]()
    read, written = np.zeros(cells, np.bool_), np.zeros(cells, np.bool_)
    for one in regions:
        own = one.cells[one.own]
        if not found or written[one.cells].any() or read[own].any():
            found.append([])
            read[:], written[:] = False, False
        found[-1].append(one)
        read[one.cells], written[own] = True, True
    return found


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
    within = Cells(solution, basis, own_starts, at[counts[some]], signs[some], asked, ranks[cells])
    return Region(cells, own, within, around.late)


@dataclass
class Found:
    """Which counts are withheld; of which counts (tables by cells) and small rests (pairs by cells) it was shown that
    the values that fit are `WIDTH` apart, and how far each got from where it truly is."""

    off: Bools
    shown: Bools
    top: Floats
    bottom: Floats
    rest_shown: Bools
    rest_top: Floats
    rest_bottom: Floats


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
    regions: Sequence[Region], ranks: Ints, same: Ints, counts: Ints, parts: Sequence[tuple[int, int]], small: Bools,
    off: Bools, nobody: Bools, kept: Bools, *, apart: Sequence[tuple[int, tuple[int, ...]]] = (), asked: Bools,
    dearer: float, threads: int,
) -> Bools:  # fmt: skip
    """Which counts are withheld, so that it can be shown that no withheld count and no small rest is known closely.

    ``parts`` are pairs of tables, a part and its whole; ``apart`` are wholes with several parts each, of which nobody
    is in two: each of them is a part of it among ``parts`` too. ``same`` numbers the cells, the same for those whose
    counts are always the same. ``asked`` are the tables that need it; ``kept`` are counts that cannot be withheld, and
    those of the highest rank are not, if there are several ranks, before all else is. Raises `ExposedError` where a
    count that must be kept would have to go.
    """
    pairs = np.array(parts, np.int64).reshape(-1, 2)
    left = counts[pairs[:, 1]] - counts[pairs[:, 0]]
    few = (left > 0) & (left < SMALLEST) & asked[pairs[:, 0]][:, np.newaxis]
    shown = np.zeros(off.shape, np.bool_) | ~asked[:, np.newaxis]
    nowhere, no_rest = np.zeros(off.shape), np.zeros(few.shape)
    found = Found(off.copy(), shown, nowhere, nowhere.copy(), ~few, no_rest, no_rest.copy())
    highest = np.zeros(len(ranks), np.int64)
    np.maximum.at(highest, same, ranks)
    top = (highest[same] == ranks.max(initial=0)) & (ranks.max(initial=0) > 0)
    never = _alike(kept, same)
    of = _Counted(counts, small, nobody, kept, never, top, dearer ** highest[same].astype(np.float64))
    # Families wait for what the helpers do: if these were one pool, all of it might wait.
    with ThreadPoolExecutor(max(1, threads)) as pool, ThreadPoolExecutor(max(1, threads)) as helpers:
        families = [
            _Family(some, pairs, apart, regions, ranks, of, found, helpers) for some in _families(len(counts), pairs)
        ]
        each(pool, _Family.protect, sorted(families, key=lambda one: len(one.tables), reverse=True))
    return found.off


def _alike(some: Bools, same: Ints) -> Bools:
    """Some of the counts, and those that are always the same as one of them."""
    alike = np.zeros(some.T.shape, np.int64)
    np.add.at(alike, same, some.T)
    found: Bools = alike[same].T > 0
    return found


@dataclass(frozen=True)
class _Counted:
    """Tables by cells: the counts, and what is known of them."""

    counts: Ints
    small: Bools
    nobody: Bools
    kept: Bools
    never: Bools
    """Those that are kept, and what is always the same as one of these."""
    top: Bools
    """Cells of the highest rank, if there are several, and what is always the same as one of these."""
    dear: Floats
    """How much dearer a cell is than others of as many people."""


def _families(tables: int, pairs: Ints) -> list[Ints]:
    """Tables that are parts of each other, by way of others too."""
    of = np.arange(tables)
    for part, whole in pairs.tolist():
        of[of == of[part]] = of[whole]
    return [np.flatnonzero(of == one) for one in np.unique(of)]


class _Family:
    """Some tables that are parts of each other, by their numbers, and what is to be shown of them."""

    def __init__(
        self, tables: Ints, pairs: Ints, apart: Sequence[tuple[int, tuple[int, ...]]], regions: Sequence[Region],
        ranks: Ints, of: _Counted, found: Found, helpers: Executor,
    ) -> None:  # fmt: skip
        self.tables, self.regions, self.ranks, self.of, self.found = tables, regions, ranks, of, found
        self.helpers = helpers
        self.pairs = np.flatnonzero(np.isin(pairs[:, 0], tables))
        self.part, self.whole = np.searchsorted(tables, pairs[self.pairs]).T.copy()
        own = {int(table): number for number, table in enumerate(tables)}
        self.apart = [(own[whole], [own[one] for one in some]) for whole, some in apart if whole in own]
        count = len(tables)
        holds = [set(self.whole[self.part == table].tolist()) - {table} for table in range(count)]
        for _ in range(count):
            for table in range(count):
                holds[table] |= {far for one in holds[table] for far in holds[one]} - {table}
        depth = [len(one) for one in holds]
        self.order = np.array(sorted(range(count), key=lambda table: depth[table]), np.int64)
        self.above = [sorted(one, key=lambda table: depth[table]) for one in holds]
        self.late = False
        self.spared = of.top.copy()
        """Cells of which nothing is withheld for others, as long as that may not be needed."""

    def protect(self) -> None:
        """Withhold more and more until all is shown."""
        self._through(Walk.show, _each_once(self.regions, len(self.ranks)))
        self._withhold(0)
        self.late = True
        self._through(Walk.show)
        self._jointly()
        self.spared[:] = False
        self._withhold(0)
        self._jointly()
        for rings in range(_RINGS + 1):
            self._withhold(rings)
        for rank in range(int(self.ranks.max(initial=0)) + 1):
            exposed = self.tables[self._exposed()]
            if not len(exposed):
                return
            self.found.off[exposed] |= (self.ranks <= rank) & ~self.of.kept[exposed]
            self._withhold(0)
        exposed_whole = set(np.flatnonzero(self._exposed()).tolist())
        for _, some in self.apart:  # what the others leave of the whole
            if not exposed_whole.isdisjoint(some):
                exposed_whole.update(some)
        for one, above in enumerate(self.above):
            if exposed_whole.isdisjoint((one, *above)):
                continue
            table = self.tables[one]
            if (self.of.kept[table] & ~self.of.nobody[table]).any():
                raise ExposedError(_FOLLOWS)
            self.found.off[table] = ~self.of.nobody[table]

    def _exposed(self) -> Bools:
        """Of which tables something is still to be shown."""
        tables: Bools = np.asarray((self.found.off[self.tables] & ~self.found.shown[self.tables]).any(axis=1))
        tables[self.part[~self.found.rest_shown[self.pairs].all(axis=1)]] = True
        return tables

    def _withhold(self, rings: int) -> None:
        """Withhold as long as it leads to more, and something is still to be shown."""
        for _ in range(_ROUNDS):
            before = self._so_far()
            if not self._exposed().any():
                return
            self._through(lambda walk: walk.withhold(rings))
            if before == self._so_far():
                return

    # -- several tables at once ----------------------------------------------------------------------------------------

    def _jointly(self) -> None:
        """Show by several tables together what none shows by itself, and withhold for it what stands in the way."""
        failed = set[_Asked]()
        while True:
            left = [what for what in self._left() if what not in failed]
            before, tried = self.found.off[self.tables].sum(), len(failed)
            for first in range(0, len(left), _SIDE_BY_SIDE):
                some = [what for what in left[first : first + _SIDE_BY_SIDE] if not self._is_shown(what)]
                for told in each(self.helpers, self._in_blocks, some):
                    if told is not None:
                        self._note(*told)
            for what in left:
                if not self._is_shown(what) and not any(
                    self._withhold_in(*block, what) for block in self._blocks(what)
                ):
                    failed.add(what)
            if self.found.off[self.tables].sum() > before:
                self._withhold(0)
            elif len(failed) == tried:
                return

    def _left(self) -> list[_Asked]:
        """What is still to be shown: counts first, then rests."""
        pairs, few = np.nonzero(~self.found.rest_shown[self.pairs])
        counts = [_Asked(cell, ((one, 1.0),), -1) for one, cell in np.argwhere(self._waiting()).tolist()]
        return counts + [
            _Asked(cell, ((int(self.whole[pair]), 1.0), (int(self.part[pair]), -1.0)), pair)
            for pair, cell in zip(pairs.tolist(), few.tolist(), strict=True)
        ]

    def _waiting(self) -> Bools:
        waiting: Bools = self.found.off[self.tables] & ~self.found.shown[self.tables]
        return waiting

    def _is_shown(self, what: _Asked) -> bool:
        found = self.found
        if what.pair >= 0:
            return bool(found.rest_shown[self.pairs[what.pair], what.cell])
        return bool(found.shown[self.tables[what.sum[0][0]], what.cell])

    def _blocks(self, what: _Asked) -> Iterator[tuple[Region, Ints, Ints]]:
        """Cells of a region around what is asked, and the tables that move there: in a small block, then in larger
        ones, as long as these are no programme too large. The smallest only if no other is left."""
        region = next((some for some in reversed(self.regions) if what.cell in some.cells[some.within.asked]), None)
        if region is None:
            return
        smallest: tuple[Region, Ints, Ints] | None = None
        for rings in _RINGS_MOVING:
            cells = _near(region, int(np.searchsorted(region.cells, what.cell)), rings)
            moving = self._moving(region.cells[cells], what.sum)
            if len(cells) * len(moving) > _AT_ONCE:
                break
            if rings == _RINGS_MOVING[0]:
                smallest = region, cells, moving
                continue
            smallest = None
            yield region, cells, moving
        if smallest is not None:
            yield smallest

    def _in_blocks(self, what: _Asked) -> tuple[Ends, Ints] | None:
        """Where the tables come to that show what is asked while nothing more is withheld, and in which cells."""
        for region, cells, moving in self._blocks(what):
            off = self.found.off[np.ix_(self.tables, region.cells[cells])]
            best, _ = self._told(region, cells, moving, what, off)
            if best.width >= WIDTH - _SAME:
                return best, region.cells[cells]
        return None

    def _moving(self, names: Ints, asked: Sequence[tuple[int, float]]) -> Ints:
        """Tables that are asked, all that hold them, parts that are all of a whole with one, and of other parts those
        that leave one of these less room in these cells than it has by itself."""
        found = {table for table, _ in asked}
        for _ in range(2):
            for whole, parts in self.apart:
                if not found.isdisjoint((whole, *parts)) and self._nothing_left(whole, parts):
                    found |= {whole, *parts}
            found |= {far for one in found for far in self.above[one]}
        numbers = self.tables
        here = np.ix_(numbers, names)
        counts, off = self.of.counts[here], self.found.off[here]
        low, high = _limits(counts, off, self.of.small[here], self.of.nobody[here])
        bonds, _ = self._bonds(names, off)
        for bond in bonds:
            for part in bond.parts if bond.whole in found and len(bond.parts) == 1 else ():
                room_down, room_up = np.maximum(low[bond.whole], -WIDTH), np.minimum(high[bond.whole], WIDTH)
                if part not in found and (((bond.least > room_down) | (bond.most < room_up)) & off[bond.whole]).any():
                    found.add(part)
        return np.array(sorted(found), np.int64)

    def _told(self, region: Region, cells: Ints, moving: Ints, what: _Asked, off: Bools) -> tuple[Ends, Floats]:
        """The most and the least of what is asked within a block where some tables move, if so much is withheld there;
        and what would be gained if more were, by count."""
        names, at = region.cells[cells], int(np.searchsorted(region.cells[cells], what.cell))
        here = np.ix_(self.tables, names)
        stays = np.ones(len(self.tables), np.bool_)
        stays[moving] = False
        bonds, relieved = self._bonds(names, off)
        low, high = _limits(self.of.counts[here], off, self.of.small[here], self.of.nobody[here])
        low[stays], high[stays] = 0.0, 0.0
        block = Block(low, high, *_sums_of(region.within, cells), bonds)
        best = ends(block, [(table, at, sign) for table, sign in what.sum], WIDTH - _SAME)
        gain = best.counts
        for bond, rest, more in zip(bonds, best.rests, relieved, strict=True):
            for table in (bond.whole, *bond.parts):
                gain[table] = np.maximum(gain[table], np.where(more, rest, 0.0))
        gain[stays] = 0.0
        return best, gain

    def _withhold_in(self, region: Region, cells: Ints, moving: Ints, what: _Asked) -> bool:
        """Show what is asked within a block where some tables move, and note where that leads. What stands in the way
        is withheld, the cheapest first, if that is enough in the end, and nothing without which it is enough too;
        whether it is."""
        found, names = self.found, region.cells[cells]
        here = np.ix_(self.tables, names)
        never = self.of.never[here] | ~region.own[cells] | self.spared[names]
        price = np.maximum(self.of.counts[here], 1) * self.of.dear[names]
        off, hidden = found.off[here], list[tuple[int, int]]()

        def told() -> tuple[Ends, Floats]:
            return self._told(region, cells, moving, what, off)

        best, gain = told()
        widest, since = best.width, 0
        while best.width < WIDTH - _SAME:
            costs = np.where(off | never | (gain <= 0), np.inf, price / np.clip(gain, 1e-3, 1.0))
            table, there = (int(i) for i in np.unravel_index(int(costs.argmin()), costs.shape))
            if since == _IDLE or not np.isfinite(costs[table, there]):
                return False
            off[table, there] = True
            hidden.append((table, there))
            best, gain = told()
            since = 0 if best.width > widest + _SAME else since + 1
            widest = max(widest, best.width)
        for table, there in hidden[-2::-1]:  # the last was needed
            off[table, there] = False
            fewer = told()[0]
            if fewer.width >= WIDTH - _SAME:
                best = fewer
            else:
                off[table, there] = True
        found.off[here] = off
        self._note(best, names)
        return True

    def _note(self, told: Ends, names: Ints) -> None:
        """The tables have come to two places that are possible."""
        found, here, these = self.found, np.ix_(self.tables, names), np.ix_(self.pairs, names)
        for at in told.at:
            rest = at[self.whole] - at[self.part]
            found.top[here], found.bottom[here] = np.maximum(found.top[here], at), np.minimum(found.bottom[here], at)
            found.rest_top[these] = np.maximum(found.rest_top[these], rest)
            found.rest_bottom[these] = np.minimum(found.rest_bottom[these], rest)
        found.shown[here] |= found.top[here] - found.bottom[here] >= WIDTH - _SAME
        found.rest_shown[these] |= found.rest_top[these] - found.rest_bottom[these] >= WIDTH - _SAME

    def _bonds(self, names: Ints, off: Bools) -> tuple[list[Bond], list[Bools]]:
        """The bonds in some cells, and in which of them less would be known of the rest once a count is withheld."""
        counts, small = (values[self.tables][:, names] for values in (self.of.counts, self.of.small))
        bonds, relieved = list[Bond](), list[Bools]()
        for whole, parts in [*((int(w), [int(p)]) for w, p in zip(self.whole, self.part, strict=True)), *self.apart]:
            rest = (counts[whole] - counts[parts].sum(axis=0)).astype(np.float64)
            least, most, less = np.zeros(len(names)), np.full(len(names), np.inf), np.zeros(len(names), np.bool_)
            if len(parts) == 1:
                out = ~off[parts[0]] & ~off[whole]
                most[(rest == 0) & out] = 0.0
                most[(rest > 0) & (rest < SMALLEST) & ~small[parts[0]]] = SMALLEST - 1.0
                least[(rest >= SMALLEST) & out] = SMALLEST
                less = out & ((rest == 0) | (rest >= SMALLEST))
            elif self._nothing_left(whole, parts):
                most[:] = 0.0
            bonds.append(Bond(whole, tuple(parts), least - rest, most - rest))
            relieved.append(less)
        return bonds, relieved

    def _nothing_left(self, whole: int, parts: Sequence[int]) -> bool:
        counts = self.of.counts[self.tables]
        return bool((counts[whole] == counts[list(parts)].sum(axis=0)).all())

    def _so_far(self) -> tuple[int, int, int]:
        found = self.found
        off, shown, rests = found.off[self.tables], found.shown[self.tables], found.rest_shown[self.pairs]
        return int(off.sum()), int(shown.sum()), int(rests.sum())

    def _through(self, act: Callable[[Walk], None], regions: Sequence[Region] | None = None) -> None:
        some = self.regions if regions is None else regions
        for run in _runs([one for one in some if self.late or not one.late], len(self.ranks)):
            each(self.helpers, lambda region: self._walk(region, act), run)

    def _walk(self, region: Region, act: Callable[[Walk], None]) -> None:
        """Have the tables walk about a region, and write down what came of it, unless nothing is to be shown there."""
        of, found = self.of, self.found
        cells = region.cells
        here, these = np.ix_(self.tables, cells), np.ix_(self.pairs, cells)
        x = of.counts[here].astype(np.float64)
        tables = Tables(
            x, of.small[here], of.nobody[here], found.off[here], of.never[here] | ~region.own | self.spared[cells],
            np.maximum(x, 1.0) * of.dear[cells], found.shown[here], found.top[here], found.bottom[here],
        )  # fmt: skip
        rests = found.rest_shown[these], found.rest_top[these], found.rest_bottom[these]
        if not (tables.off & ~tables.shown & region.within.asked).any() and rests[0][:, region.within.asked].all():
            return
        kin = self._kin(x, *rests)
        act(Walk(region.within, tables, kin, _LIMITS))
        own, these = (np.ix_(some, cells[region.own]) for some in (self.tables, self.pairs))
        found.off[own], found.shown[own] = tables.off[:, region.own], tables.shown[:, region.own]
        found.top[own], found.bottom[own] = tables.top[:, region.own], tables.bottom[:, region.own]
        pairs = len(self.pairs)  # of which rests are asked, unlike what several parts leave
        found.rest_shown[these] = kin.shown[:pairs, region.own]
        found.rest_top[these], found.rest_bottom[these] = kin.top[:pairs, region.own], kin.bottom[:pairs, region.own]

    def _kin(self, x: Floats, shown: Bools, top: Floats, bottom: Floats) -> Kin:
        count = len(self.tables)
        left = x[self.whole] - x[self.part]
        few = (left > 0) & (left < SMALLEST)
        pair, cell = np.nonzero(few)
        of_bond = [*([one] for one in self.part.tolist()), *(some for _, some in self.apart)]
        whole = np.concatenate([self.whole, np.array([one for one, _ in self.apart], np.int64)])
        part_starts, parts = _flat(of_bond)
        numbers = np.arange(len(whole))
        bond_starts, bonds = lists(
            count, np.concatenate([parts, whole]), np.concatenate([np.repeat(numbers, np.diff(part_starts)), numbers])
        )
        either = np.arange(len(pair))
        few_starts, entry = lists(
            count, np.concatenate([self.part[pair], self.whole[pair]]), np.concatenate([either, either])
        )
        above_starts, above = _flat(self.above)
        more = len(self.apart), x.shape[1]
        return Kin(
            whole, part_starts, parts, bond_starts, bonds, above_starts, above, self.order, few_starts,
            pair[entry], cell[entry], np.concatenate([shown, np.ones(more, np.bool_)]),
            np.concatenate([top, np.zeros(more)]), np.concatenate([bottom, np.zeros(more)]),
        )  # fmt: skip


def _near(region: Region, cell: int, rings: int) -> Ints:
    """The cells of a region that one adds up with, and those that these add up with, and so on."""
    within = region.within
    row = np.repeat(np.arange(len(within.starts) - 1), np.diff(within.starts))
    near = np.zeros(len(region.cells), np.bool_)
    near[cell] = True
    for _ in range(rings):
        near[within.counts[np.isin(row, row[near[within.counts]])]] = True
    return np.flatnonzero(near)


def _sums_of(within: Cells, cells: Ints) -> tuple[Ints, Ints, Floats]:
    """How some cells add up while all others stay where they are."""
    at = np.full(len(within.asked), -1, np.int64)
    at[cells] = np.arange(len(cells))
    some = at[within.counts] >= 0
    row = np.repeat(np.arange(len(within.starts) - 1), np.diff(within.starts))[some]
    number = np.unique(row, return_inverse=True)[1].reshape(-1)
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.bincount(number))])
    return starts, at[within.counts[some]], within.signs[some]


def _limits(counts: Ints, off: Bools, small: Bools, nobody: Bools) -> tuple[Floats, Floats]:
    """How far down and up each count may go by itself, from what it truly is."""
    near = (counts + ROUND_TO // 2) // ROUND_TO * ROUND_TO
    low = np.where(off, 0, near - ROUND_TO // 2) - counts
    high = np.where(off, np.where(small, SMALLEST - 1.0, np.inf), near + ROUND_TO // 2) - counts
    return np.where(nobody, 0.0, low), np.where(nobody, 0.0, high)


def _flat(lists: Sequence[Sequence[int]]) -> tuple[Ints, Ints]:
    """Lists after each other, from the starts of each."""
    starts = np.cumsum([0, *map(len, lists)]).astype(np.int64)
    return starts, np.array([one for some in lists for one in some], np.int64)


def lists(n: int, keys: Ints, values: Ints) -> tuple[Ints, Ints]:
    """The values of each of ``n`` keys, as starts and one list."""
    starts = np.zeros(n + 1, np.int64)
    np.cumsum(np.bincount(keys, minlength=n), out=starts[1:])
    return starts, values[np.argsort(keys, kind="stable")]
