"""Many tables of counts over the same areas and groups, published together: which counts of each are withheld.

A table has a count for each cell of one `Layout`, which says how cells add up. Tables may be parts of others, cell by
cell, as a numerator is of its denominator. The rules and what the attacker is taken to know are those of `release`;
each part is protected together with its whole, and what one part makes withheld of a whole is so for all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from popstrat.errors import ExposedError
from popstrat.privacy.disclosure.interior import Bools, Known, by_rows, inside, shield_all
from popstrat.privacy.disclosure.protect import Problem
from popstrat.privacy.disclosure.rules import ROUND_TO, SMALLEST, WIDTH
from popstrat.privacy.disclosure.sums import Floats, Ints, Pattern, Sums, pattern, sums_of

_LARGE = 24
"""A rest this large cannot be a small one, whatever whole and part, both shown, are rounded from."""
_BLUR = ROUND_TO // 2
_FEW_SUMS, _SHORT = 2500, 2000
_LOW = 60
"""Counts under this are drawn down, so that those few are at hand wherever they are needed."""
_THIN = 3.5
"""People for each of several withheld counts, under which their total is withheld as well."""
_OF_WHOLES = WIDTH + 0.5
"""Counts of wholes have some width more, for those of their parts."""
_ALL = 10.0
"""How much more strongly counts of the whole list are drawn down than others."""
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
    of the highest, such as the whole list, last."""

    starts: Ints
    counts: Ints
    signs: Floats
    blocks: Ints
    ranks: Ints

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
    state = _State(layout, counts, parts, small, rest, off.copy(), nobody, nobody if told is None else nobody | told)
    # Of a table of which nothing is published nothing can be worked out but that it is small, and of its whole nothing.
    something: Bools = np.asarray((~small & ~nobody).any(axis=1))
    with ThreadPoolExecutor(max(1, threads)) as pool:
        for tables in _turns(len(counts), parts):
            jobs = [table for table in tables if something[table]]
            for table, found in zip(jobs, pool.map(state.protect, jobs), strict=True):
                state.off[table] |= found
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


def _turns(tables: int, parts: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Tables in the order of how far down they are: those of one turn are parts of earlier ones only."""
    above: dict[int, list[int]] = {}
    for part, whole in parts:
        above.setdefault(part, []).append(whole)
    depth: dict[int, int] = {}

    def far(table: int) -> int:
        if table not in depth:
            depth[table] = 0  # of a circle, tables that are the same, anyone may be first
            depth[table] = 1 + max((far(whole) for whole in above.get(table, ())), default=-1)
        return depth[table]

    found: dict[int, list[int]] = {}
    for table in range(tables):
        found.setdefault(far(table), []).append(table)
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
    last: Bools = field(init=False)
    """Cells of the highest rank, which go only where nothing of the table is published."""
    closest: dict[int, npt.NDArray[np.int64]] = field(init=False)
    """Of each count of a whole the part that comes closest to it, which is the one to hold it against."""
    sums: Sums = field(init=False)
    shape: Pattern = field(init=False)
    """Of one table."""
    wholes: dict[int, list[int]] = field(init=False)
    of_all: list[tuple[int, Ints]] = field(init=False)
    """Sums whose total is of the whole list: the total, and the parts."""

    def __post_init__(self) -> None:
        if self.layout.blocks.max(initial=-1) < 1:  # what is of all is of the one block
            self.layout = replace(self.layout, blocks=np.zeros_like(self.layout.blocks))
        layout = self.layout
        self.last = (layout.ranks == layout.ranks.max(initial=0)) & (layout.ranks > 0)
        self.closest, self.wholes = {}, {}
        for whole in dict.fromkeys(whole for _, whole in self.parts):
            own = np.array([part for part, of in self.parts if of == whole])
            self.closest[whole] = own[self.counts[own].argmax(axis=0)]
        for part, whole in self.parts:
            self.wholes.setdefault(part, []).append(whole)
        self.sums = sums_of(len(layout), layout.starts, layout.counts, layout.signs)
        self.shape = pattern(self.sums)
        ends = [(int(a), int(b)) for a, b in zip(layout.starts[:-1], layout.starts[1:], strict=True) if b - a > 2]
        self.of_all = [
            (int(layout.counts[a]), layout.counts[a + 1 : b]) for a, b in ends if layout.blocks[layout.counts[a]] < 0
        ]

    def protect(self, table: int) -> Bools:
        """Which more counts of a table are withheld, so that with each of its wholes nothing can be worked out.

        Its wholes stay as they are. Where not all of it can be shown to be protected, nothing of the lowest rank is
        published, and if that is not enough nothing of the lower half of ranks, then nothing but the highest; nothing
        at all if it must be: then nothing follows from it. Raises `ExposedError` where that would take back what an
        earlier release showed."""
        kept, ranks, thin = self.kept[table], self.layout.ranks, self._thin(table)
        highest = int(ranks.max(initial=0))
        for rank in sorted({-1, 0, (highest - 1) // 2, highest - 1}):
            more = thin | ((ranks <= rank) & ~kept & ~self.off[table])
            found = self._with_all(table, more)
            if found is not None:
                return found
        if (kept & ~self.nobody[table]).any():
            raise ExposedError("withheld counts would follow from an earlier release; nothing of this can be published")
        everybody: Bools = ~self.nobody[table]
        return everybody

    def _with_all(self, table: int, more: Bools) -> Bools | None:
        """The same for each whole in turn, until with none anything more must go; None where it cannot be shown."""
        wholes: list[int | None] = [*self.wholes.get(table, ())] or [None]
        shown = dict.fromkeys(wholes, -1)
        while any(count < np.count_nonzero(more) for count in shown.values()):
            for whole in wholes:
                if shown[whole] < np.count_nonzero(more):
                    hidden = self._with(table, whole, more)
                    if hidden is None:
                        return None
                    more = more | hidden
                    shown[whole] = int(np.count_nonzero(more))
        return more

    def _with(self, table: int, whole: int | None, more: Bools) -> Bools | None:
        """What must go besides of a table, so that with a whole (or none) nothing can be worked out; None where that
        cannot be shown."""
        n, width = len(self.layout), _OF_WHOLES if table in self.closest else WIDTH
        if whole is None:
            sums, known, blocks = self.known(None, table, None, more)
            hidden, shown = shield_all(sums, known, blocks, shape=self.shape, width=width)
        else:
            sums, known, blocks = self.known(table, whole, more)
            known.movable[n:] = False
            done = np.zeros(len(blocks), np.bool_)
            done[n : 2 * n] = self.closest[whole] != table
            new = np.zeros(len(blocks), np.bool_)
            by_rows(sums, known, ~done, new, width)
            settled = self._settled(sums, known, blocks)
            short = len(blocks) < _SHORT
            hidden, shown = shield_all(sums, known, blocks, done=done, settled=settled, width=width, to_the_end=short)
            hidden |= new
        return None if (known.guarded & ~shown).any() else hidden[:n]

    def _settled(self, sums: Sums, known: Known, blocks: Ints) -> bool:
        """Move a part well inside what is known of it, and then its whole, given the part: whether there is such."""
        n, k = len(self.layout), len(blocks) - 2 * len(self.layout)
        cells = sums.counts[len(sums.counts) - 3 * k :].reshape(k, 3)[:, 0]
        x = known.x.copy()
        for first in (0, n):
            low, high = known.low[first : first + n].copy(), known.high[first : first + n].copy()
            if first:
                low[cells] = np.maximum(low[cells], x[cells] + known.low[2 * n :])
                high[cells] = np.minimum(high[cells], x[cells] + known.high[2 * n :])
            own = slice(first, first + n)
            one = Known(
                known.x[own].copy(), low, high, known.guarded[own], known.movable[own], known.costs[own],
                known.floor[own], known.ceiling[own], known.pull[own], *_none(n), *_none(n),
            )  # fmt: skip
            if not inside(self.sums, self.shape, one):
                return False
            x[own] = one.x
        x[2 * n :] = x[n + cells] - x[cells]
        known.x[:] = x
        return True

    def _thin(self, table: int) -> Bools:
        """What of the whole list is withheld besides, by rule: a total of withheld counts that has few people for each
        of them, who would have to come from everywhere to show that they could be in any one; and of a sum of groups,
        one of which is withheld, another too. A part that is all of its whole goes where that does."""
        x, kept = self.counts[table], self.kept[table] | self.last
        off = self.off[table].copy()
        found = np.zeros(len(off), np.bool_)
        for whole in self.wholes.get(table, ()):
            found |= self.off[whole] & (x == self.counts[whole]) & ~off & ~self.kept[table]
        off |= found
        loose = off & (x >= _LOW)
        again = True
        while again:
            again = False
            for total, parts in self.of_all:
                here = parts[off[parts]]
                few = 2 * x[here].sum() >= x[total] and x[here].sum() < _THIN * len(here)
                few = len(here) > 1 and (few or len(here) == len(parts))
                pick = total if few and not off[total] and not kept[total] else -1
                if pick < 0 and len(here) and (self.layout.blocks[parts] < 0).all():
                    terms = np.append(parts, total)
                    may = terms[~off[terms] & ~kept[terms]]
                    if len(may) and not loose[terms].any():
                        pick = int(may[np.argmin(self._costs(x)[may])])
                if pick >= 0:
                    off[pick] = found[pick] = again = True
                    loose[pick] = x[pick] >= _LOW
        return found

    def _near(self, part: int, whole: int) -> Bools:
        near: Bools = (self.counts[whole] - self.counts[part] < _LARGE) | self.off[whole]
        near &= ~self.nobody[part]
        return near

    def _costs(self, x: Floats) -> Floats:
        costs: Floats = x * _DEARER**self.layout.ranks
        return costs

    def _pull(self, table: int) -> Floats:
        x, of_all = self.counts[table], self.layout.blocks < 0
        few = self.small[table] | (of_all & (x < _LOW) & ~self.rest[table])
        pull: Floats = np.where(few, np.where(of_all, _ALL, 1.0), 0.0)
        return pull

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
            np.where(problem.high < SMALLEST, 1.0, 0.0), *_lists(n, a, b), *_lists(n, b, a),
        )  # fmt: skip
        hidden, shown = shield_all(sums, known, np.zeros(n, np.int64), to_the_end=True)
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
        none = _none(n)
        off_whole, costs_whole = self._withheld(whole, of_whole), self._costs(x_whole)
        may_whole = ~(off_whole | self.kept[whole] | self.last)
        if part is None:
            sums = sums_of(n, layout.starts, layout.counts, layout.signs)
            free = np.zeros(n), np.full(n, np.inf), self._pull(whole)
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
                np.concatenate([self._pull(part), self._pull(whole), np.zeros(k)]),
                *_lists(size, owners, np.tile(2 * n + loose, 2)),
                *_lists(size, np.tile(2 * n + loose, 2), owners),
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


def _none(n: int) -> tuple[Ints, Ints]:
    """No values for any of ``n`` keys."""
    return np.zeros(n + 1, np.int64), np.empty(0, np.int64)


def _lists(n: int, keys: Ints, values: Ints) -> tuple[Ints, Ints]:
    """The values of each of ``n`` keys, as starts and one list."""
    starts = np.zeros(n + 1, np.int64)
    np.cumsum(np.bincount(keys, minlength=n), out=starts[1:])
    return starts, values[np.argsort(keys, kind="stable")]
