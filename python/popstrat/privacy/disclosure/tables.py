"""Many tables of counts over the same areas and groups, published together: which counts of each are withheld.

A table has a count for each cell of one `Layout`, which says how cells add up. Tables may be parts of others, cell by
cell, as a numerator is of its denominator. The rules and what the attacker is taken to know are those of `release`;
each part is protected together with its whole, and what one part makes withheld of a whole is so for all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from popstrat.errors import ExposedError
from popstrat.privacy.disclosure.interior import Bools, Known, shield_all
from popstrat.privacy.disclosure.protect import Problem
from popstrat.privacy.disclosure.rules import ROUND_TO, SMALLEST
from popstrat.privacy.disclosure.sums import Floats, Ints, Sums, sums_of
from popstrat.privacy.disclosure.witnesses import Around, each, find, lists, regions_of

_LARGE = 24
"""A rest this large cannot be a small one, whatever whole and part, both shown, are rounded from."""
_BLUR = ROUND_TO // 2
_FEW_SUMS = 2500
_ROOMY = 7.0
_DEARER = 3.0
"""How much dearer a count is than one of as many people that is of the rank below."""


class Why(IntEnum):
    """Why a count is withheld."""

    SHOWN = 0
    SMALL = 1
    REST = 2
    PROTECTS = 3


@dataclass(frozen=True)
class Layout:
    """Cells and how they add up: sums as the terms of each (from ``starts``) with their signs, which are nought.

    ``blocks`` numbers the part of the layout that each cell is in (such as a place), -1 for cells that are of all.
    ``ranks`` say which cells are rather shown: those of rank 0, such as groups of practices, are withheld first, those
    of the highest, such as the whole list, last. ``regions`` are cells among which witnesses are looked for first, one
    after the other; without any, all cells are looked at together at once."""

    starts: Ints
    counts: Ints
    signs: Floats
    blocks: Ints
    ranks: Ints
    regions: tuple[Around, ...] = ()

    def __len__(self) -> int:
        return len(self.blocks)


def nearest_five(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Counts to the nearest 5."""
    return (counts + _BLUR) // ROUND_TO * ROUND_TO


def withheld(
    layout: Layout,
    counts: npt.NDArray[np.int64],
    parts: Sequence[tuple[int, int]],
    *,
    few_seen: Bools | None = None,
    earlier: Bools | None = None,
    told: Bools | None = None,
    nobody: Bools | None = None,
    threads: int = 1,
) -> npt.NDArray[np.uint8]:
    """Why each count (table, cell) is withheld (`Why`).

    ``parts`` are pairs of tables, a part and its whole. ``few_seen`` marks counts that rest on few people, withheld
    like small ones, ``earlier`` those that an earlier release of the same people withheld, ``told`` those that it
    showed, which it would help nobody to withhold now, ``nobody`` those that
    everybody knows to be nought, of which nothing is published. Raises ``ValueError`` where
    cells do not add up or a part exceeds its whole; `ExposedError` where a count cannot be protected.
    """
    _check(layout, counts, parts)
    nobody = np.zeros(counts.shape, np.bool_) if nobody is None else nobody
    small = (counts < SMALLEST) & ~nobody
    rest = np.zeros_like(small) if few_seen is None else few_seen & ~small
    for part, whole in parts:
        left = counts[whole] - counts[part]
        rest[part] |= (left > 0) & (left < SMALLEST) & ~small[part]
    off = small | rest if earlier is None else small | rest | earlier
    something: Bools = np.asarray((~small & ~nobody).any(axis=1))
    kept = nobody if told is None else nobody | told
    found = find(
        regions_of(layout.starts, layout.counts, layout.signs, layout.regions, layout.ranks),
        layout.ranks, counts, parts, small, off, nobody, kept, asked=something, dearer=_DEARER, threads=threads,
    )  # fmt: skip
    state = _State(layout, counts, parts, small, rest, found.off, nobody, kept, found.shown, found.rests)
    alone = sorted({whole for _, whole in parts} | (set(range(len(counts))) - {part for part, _ in parts}))
    # Of a table of which nothing is published nothing can be worked out but that it is small, and of its whole nothing.
    lone: list[_Job] = [(None, table) for table in alone if something[table]]
    pairs: list[_Job] = [(part, whole) for part, whole in parts if something[part]]
    with ThreadPoolExecutor(max(1, threads)) as pool:
        for jobs in (*_turns(lone, parts), *_turns(pairs, parts)):
            done = each(pool, state.protect, jobs)  # each sees what was known before any of them
            for (a_part, its_whole), (of_part, of_whole) in zip(jobs, done, strict=True):
                if a_part is not None:
                    state.off[a_part] |= of_part
                state.off[its_whole] |= of_whole
    if len(counts) > 2 and len(counts) * len(layout.starts) < _FEW_SUMS:
        state.all_together()
    why = np.where(state.off, np.uint8(Why.PROTECTS), np.uint8(Why.SHOWN))
    why[rest] = Why.REST
    why[small] = Why.SMALL
    return why


def published(
    layout: Layout,
    counts: npt.NDArray[np.int64],
    parts: Sequence[tuple[int, int]],
    why: npt.NDArray[np.uint8],
    nobody: Bools | None = None,
) -> Problem:
    """What is known of all tables together once they are published, for `popstrat.privacy.disclosure.audit`: the
    counts of one table after those of the other, and then small rests."""
    tables, n = counts.shape
    small, off = why == Why.SMALL, why != Why.SHOWN
    near = nearest_five(counts)
    low = np.where(off, 0.0, near - float(_BLUR)).ravel()
    high = np.where(off, np.where(small, SMALLEST - 1.0, np.inf), near + float(_BLUR)).ravel()
    if nobody is not None:
        low[nobody.ravel()] = high[nobody.ravel()] = 0.0
    totals = [
        (int(layout.counts[a]), layout.counts[a + 1 : b].tolist())
        for a, b in zip(layout.starts[:-1], layout.starts[1:], strict=True)
    ]
    relations = [(t * n + total, tuple(t * n + p for p in of)) for t in range(tables) for total, of in totals]
    rests, x, lows, highs, guarded = [], [counts.ravel().astype(np.float64)], [low], [high], [off.ravel()]
    first = counts.size
    for part, whole in parts:
        left = counts[whole] - counts[part]
        few = (left > 0) & (left < SMALLEST)
        both = ~off[part] & ~off[whole]
        for cell in range(n):
            if left[cell] >= _LARGE:
                rests.append((whole * n + cell, part * n + cell, float(left[cell])))
                continue
            relations.append((whole * n + cell, (part * n + cell, first)))
            first += 1
        some = np.flatnonzero(left < _LARGE)
        x.append(left[some].astype(np.float64))
        lows.append(np.where(~few & both & (left > 0), float(SMALLEST), 0.0)[some])
        nought = np.where(both & (left == 0), 0.0, np.inf)
        highs.append(np.where(few, np.where(small[part], np.inf, SMALLEST - 1.0), nought)[some])
        guarded.append(few[some])
    size = first
    return Problem(
        np.concatenate(x), np.concatenate(lows), np.concatenate(highs), np.concatenate(guarded), np.zeros(size, bool),
        np.zeros(size), relations, rests, float(SMALLEST),
    )  # fmt: skip


_Job = tuple[int | None, int]


def _turns(jobs: Sequence[_Job], parts: Sequence[tuple[int, int]]) -> list[list[_Job]]:
    """Jobs in the order of how far down their whole is, those of one turn after each other or at once."""
    above: dict[int, list[int]] = {}
    for part, whole in parts:
        above.setdefault(part, []).append(whole)
    depth: dict[int, int] = {}

    def far(table: int) -> int:
        if table not in depth:
            depth[table] = 0  # of a circle, tables that are the same, anyone may be first
            depth[table] = 1 + max((far(whole) for whole in above.get(table, ())), default=-1)
        return depth[table]

    found: dict[int, list[_Job]] = {}
    for job in jobs:
        found.setdefault(far(job[1]), []).append(job)
    return [found[key] for key in sorted(found)]


def _check(layout: Layout, counts: npt.NDArray[np.int64], parts: Sequence[tuple[int, int]]) -> None:
    if (counts < 0).any():
        raise ValueError("a count is under 0")
    if len(layout.counts):
        sums = np.add.reduceat(layout.signs * counts[:, layout.counts], layout.starts[:-1], axis=1)
        if np.abs(sums).max(initial=0) > 0:
            raise ValueError("cells do not add up")
    if any((counts[part] > counts[whole]).any() for part, whole in parts):
        raise ValueError("a part is more than its whole")


@dataclass
class _State:
    layout: Layout
    counts: npt.NDArray[np.int64]
    parts: Sequence[tuple[int, int]]
    small: Bools
    rest: Bools
    off: Bools
    nobody: Bools
    kept: Bools
    """Those that cannot be withheld to protect others."""
    shown: Bools
    """Counts that need no more protection."""
    rests: Bools
    """The same of the rests of each pair of ``parts``."""
    last: Bools = field(init=False)
    """Cells of the highest rank, which go only where nothing of the table is published."""
    closest: dict[int, npt.NDArray[np.int64]] = field(init=False)
    """Of each count of a whole the part that comes closest to it, which is the one to hold it against."""

    def __post_init__(self) -> None:
        self.last = (self.layout.ranks == self.layout.ranks.max(initial=0)) & (self.layout.ranks > 0)
        self.closest = {}
        for whole in dict.fromkeys(whole for _, whole in self.parts):
            own = np.array([part for part, of in self.parts if of == whole])
            self.closest[whole] = own[self.counts[own].argmax(axis=0)]

    def protect(self, job: _Job) -> tuple[Bools, Bools]:
        """Which counts of a part and its whole, or of one table alone, are withheld to protect others."""
        part, whole = job
        n = len(self.layout)
        if part is None:
            if not (self.off[whole] & ~self.shown[whole]).any():
                return np.zeros(n, np.bool_), np.zeros(n, np.bool_)
            sums, known, blocks = self.known(None, whole)
            hidden, shown = shield_all(sums, known, blocks, done=self.shown[whole])
            if (known.guarded & ~shown).any():
                hidden, _ = self._coarser(None, whole, hidden, hidden, shown)
            return hidden, hidden
        pair = self.parts.index((part, whole))
        left = self.counts[whole] - self.counts[part]
        few = (left > 0) & (left < SMALLEST) & ~self.rests[pair]
        if not (self.off[part] & ~self.shown[part]).any() and not few.any():
            return np.zeros(n, np.bool_), np.zeros(n, np.bool_)
        with_whole_fixed, done = self._alone(part, whole)
        done = done | (self.shown[part] & self.off[part])
        sums, known, blocks = self.known(part, whole, with_whole_fixed)
        k = len(blocks) - 2 * n
        cells = np.flatnonzero(self._near(part, whole)) if k else np.empty(0, np.int64)
        of_whole = (self.closest[whole] != part) | self.shown[whole]
        rests = done[cells] & ~few[cells] | self.rests[pair][cells]
        hidden, shown = shield_all(sums, known, blocks, done=np.concatenate([done, of_whole, rests]))
        of_part = hidden[:n] | with_whole_fixed
        if (known.guarded & ~shown).any():
            return self._coarser(part, whole, of_part, hidden[n : 2 * n], shown)
        return of_part, hidden[n : 2 * n]

    def _coarser(
        self, part: int | None, whole: int, of_part: Bools, of_whole: Bools, shown: Bools
    ) -> tuple[Bools, Bools]:
        """Where not all of a part can be shown to be protected, nothing of the lowest rank is published, and if that is
        not enough nothing of the next; nothing at all if it must be: then nothing follows from it, and its whole is as
        it was. Raises `ExposedError` where that would take back what an earlier release showed."""
        table = whole if part is None else part
        n, kept = len(self.layout), self.kept[table]
        for rank in range(int(self.layout.ranks.max(initial=0))):
            of_part = of_part | ((self.layout.ranks <= rank) & ~kept & ~self.off[table])
            if part is None:
                of_whole = of_part
            sums, known, blocks = self.known(part, whole, of_part, of_whole)
            hidden, shown = shield_all(sums, known, blocks, done=shown, to_the_end=False)
            of_part = of_part | hidden[:n]
            of_whole = of_part if part is None else of_whole | hidden[n : 2 * n]
            if not (known.guarded & ~shown).any():
                return of_part, of_whole
        if (kept & ~self.nobody[table]).any():
            raise ExposedError("withheld counts would follow from an earlier release; nothing of this can be published")
        everybody: Bools = ~self.nobody[table]
        return everybody, np.zeros(n, np.bool_)

    def _alone(self, part: int, whole: int) -> tuple[Bools, Bools]:
        """Of a part, its whole staying as it truly is: which more are withheld, and for which it is shown. That is much
        the quicker, and enough for all counts but those of which the whole is small as well."""
        layout, x, x_whole = self.layout, self.counts[part].astype(np.float64), self.counts[whole].astype(np.float64)
        low, high = self._bounds(part)
        low_rest, high_rest = self._rest_bounds(part, whole)
        low, high = np.maximum(low, x_whole - high_rest), np.minimum(high, x_whole - low_rest)
        off, n = self.off[part], len(layout)
        none = np.zeros(n + 1, np.int64), np.empty(0, np.int64)
        may = ~(off | self.kept[part] | self.last)
        known = Known(x, low, high, off.copy(), may, self._costs(x), np.zeros(n), x_whole, *none, *none)
        tight = off & (high - low < _ROOMY)
        sums = sums_of(n, layout.starts, layout.counts, layout.signs)
        done = tight | (self.shown[part] & off)
        hidden, shown = shield_all(sums, known, layout.blocks, done=done, to_the_end=False)
        return hidden, shown & ~tight

    def _near(self, part: int, whole: int) -> Bools:
        near: Bools = (self.counts[whole] - self.counts[part] < _LARGE) | self.off[whole]
        return near

    def _costs(self, x: Floats) -> Floats:
        costs: Floats = x * _DEARER**self.layout.ranks
        return costs

    def _withheld(self, table: int, more: Bools | None) -> Bools:
        found: Bools = self.off[table] if more is None else self.off[table] | more
        return found

    def _rest_bounds(
        self, part: int, whole: int, of_part: Bools | None = None, of_whole: Bools | None = None
    ) -> tuple[Floats, Floats]:
        """What is known of the rests."""
        left = self.counts[whole] - self.counts[part]
        few = (left > 0) & (left < SMALLEST)
        both = ~self._withheld(part, of_part) & ~self._withheld(whole, of_whole)
        # That a small part is withheld says nothing of its rest: it would have been withheld anyhow.
        low = np.where(~few & both & (left > 0), float(SMALLEST), 0.0)
        high = np.where(few, SMALLEST - 1.0, np.where(both & (left == 0), 0.0, np.inf))
        return low, np.where(few & self.small[part], np.inf, high)

    def all_together(self) -> None:
        """The same for all tables at once, where they are few: in a list of few people much hangs together."""
        why = np.where(self.off, np.uint8(Why.PROTECTS), np.uint8(Why.SHOWN))
        why[self.small] = Why.SMALL
        problem = published(self.layout, self.counts, self.parts, why, self.nobody)
        n = len(problem.x)
        terms = [(total, *of) for total, of in problem.relations]
        starts = np.cumsum([0, *map(len, terms)])
        signs = np.concatenate([np.array([1.0, *[-1.0] * (len(one) - 1)]) for one in terms])
        sums = sums_of(n, starts, np.array([i for one in terms for i in one], np.int64), signs)
        rests = {of[1]: (total, of[0]) for total, of in problem.relations if of[-1] >= self.counts.size}
        loose = [(i, j) for j, both in rests.items() for i in both if not problem.guarded[j]]
        a, b = (np.array([pair[k] for pair in loose], np.int64) for k in (0, 1))
        low, high = problem.low, problem.high
        for whole, part, left in problem.rests:
            low[whole] = max(low[whole], problem.x[whole] - left / 2)
            high[part] = min(high[part], problem.x[part] + left / 2)
        movable = np.concatenate([~(self.off | self.kept).ravel(), np.zeros(n - self.off.size, bool)])
        own = self._costs(self.counts.astype(np.float64)).ravel()
        costs = np.concatenate([own, np.full(n - self.off.size, np.inf)])
        known = Known(
            problem.x, low, high, problem.guarded, movable, costs, *self._ends(problem),
            *lists(n, a, b), *lists(n, b, a),
        )  # fmt: skip
        hidden, shown = shield_all(sums, known, np.zeros(n, np.int64))
        _refuse(known, shown)
        self.off |= hidden[: self.off.size].reshape(self.off.shape)

    @staticmethod
    def _ends(problem: Problem) -> tuple[Floats, Floats]:
        """What is known of counts that are withheld: of large rests whole and part go no further than half each."""
        floor, ceiling = np.zeros(len(problem.x)), np.full(len(problem.x), np.inf)
        for whole, part, left in problem.rests:
            floor[whole] = max(floor[whole], problem.x[whole] - left / 2)
            ceiling[part] = min(ceiling[part], problem.x[part] + left / 2)
        return floor, ceiling

    def known(
        self, part: int | None, whole: int, of_part: Bools | None = None, of_whole: Bools | None = None
    ) -> tuple[Sums, Known, Ints]:
        """What is known of a part and its whole, of which more is withheld; and the blocks of their counts."""
        layout, n = self.layout, len(self.layout)
        x_whole = self.counts[whole].astype(np.float64)
        low, high = self._bounds(whole, of_whole)
        none = np.zeros(n + 1, np.int64), np.empty(0, np.int64)
        off_whole, costs_whole = self._withheld(whole, of_whole), self._costs(x_whole)
        may_whole = ~(off_whole | self.kept[whole] | self.last)
        if part is None:
            sums = sums_of(n, layout.starts, layout.counts, layout.signs)
            free = np.zeros(n), np.full(n, np.inf)
            known = Known(x_whole, low, high, off_whole.copy(), may_whole, costs_whole, *free, *none, *none)
            return sums, known, layout.blocks
        x_part = self.counts[part].astype(np.float64)
        left = x_whole - x_part
        off_part = self._withheld(part, of_part)
        may_part = ~(off_part | self.kept[part] | self.last)
        near = self._near(part, whole)
        cells = np.flatnonzero(near)
        k = len(cells)
        starts = np.concatenate(
            [layout.starts, layout.starts[-1] + layout.starts[1:], 2 * layout.starts[-1] + 3 * np.arange(1, k + 1)]
        )
        counts = np.concatenate(
            [layout.counts, layout.counts + n, np.stack([cells, cells + n, 2 * n + np.arange(k)], axis=1).ravel()]
        )
        signs = np.concatenate([layout.signs, layout.signs, np.tile([1.0, -1.0, 1.0], k)])
        few = (left[cells] > 0) & (left[cells] < SMALLEST)
        low_rest, high_rest = (values[cells] for values in self._rest_bounds(part, whole, of_part, of_whole))
        low_part, high_part = self._bounds(part, of_part)
        # Of large rests it is enough that each of the two goes no further than half of it.
        high_part = np.where(near, high_part, np.minimum(high_part, x_part + left / 2))
        low = np.where(near, low, np.maximum(low, x_whole - left / 2))
        loose = np.flatnonzero(~few)
        owners = np.concatenate([cells[loose], cells[loose] + n])
        size = 2 * n + k
        return (
            sums_of(size, starts, counts, signs),
            Known(
                np.concatenate([x_part, x_whole, left[cells]]),
                np.concatenate([low_part, low, low_rest]),
                np.concatenate([high_part, high, high_rest]),
                np.concatenate([off_part, off_whole, few]),
                np.concatenate([may_part, may_whole, np.zeros(k, bool)]),
                np.concatenate([self._costs(x_part), costs_whole, np.full(k, np.inf)]),
                np.concatenate([np.zeros(n), np.where(near, 0.0, x_whole - left / 2), np.zeros(k)]),
                np.concatenate([np.where(near, np.inf, x_part + left / 2), np.full(n + k, np.inf)]),
                *lists(size, owners, np.tile(2 * n + loose, 2)),
                *lists(size, np.tile(2 * n + loose, 2), owners),
            ),
            np.concatenate([layout.blocks, layout.blocks, layout.blocks[cells]]),
        )

    def _bounds(self, table: int, more: Bools | None = None) -> tuple[Floats, Floats]:
        x, off = self.counts[table], self._withheld(table, more)
        near = nearest_five(x)
        low = np.where(off, 0.0, near - float(_BLUR))
        high = np.where(off, np.where(self.small[table], SMALLEST - 1.0, np.inf), near + float(_BLUR))
        low[self.nobody[table]] = high[self.nobody[table]] = 0.0
        return low, high


def _refuse(known: Known, shown: Bools) -> None:
    exposed = int(np.count_nonzero(known.guarded & ~shown))
    if exposed:
        raise ExposedError(f"{exposed:,} withheld counts cannot be protected; nothing of this can be published")
