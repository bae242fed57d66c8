"""Moves that show how little is known of withheld counts: region by region, table by table, and of tables that go
together.

A table moves within a region of its cells (`simplex`), all other counts of the release staying as they truly are; or
some tables move that hold each other, where a part is nearly all of its whole or both are few. Each withheld count, and
each small rest, needs two such moves `WIDTH` apart. Where they cannot be found, the count that stands in the way and
costs least is withheld as well, and needs moves of its own.

Whatever is found is possible in the whole release, and stays so when more is withheld.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from popstrat.core.compiled import compiled
from popstrat.privacy.disclosure.rules import ROUND_TO, SMALLEST, WIDTH
from popstrat.privacy.disclosure.simplex import lowered, reach, solved

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_ANY = 1e12
_BLUR = ROUND_TO // 2
_WIDE = WIDTH - 1e-7
_ROUNDS = 6
_LARGE = 50.0
_NEAR = 24.0
_SAME = 1e-7
_STACKED = 3, 8
"""As many tables move at once; the second only in large releases, where what is left to do is dear."""
_MANY = 10**5
_NO_TABLES = np.empty(0, np.int64)


class Around(NamedTuple):
    """Some ``cells`` of a layout, those of them whose counts are to be shown to be protected (``asked``), and those
    that may be withheld for it (``own``); others only move."""

    cells: Ints
    asked: Ints
    own: Ints


@dataclass(frozen=True)
class Region:
    """Some ``cells`` of a layout, and the sums over them, those outside staying as they are; ``asked`` and ``own`` as
    of `Around`."""

    cells: Ints
    asked: Bools
    own: Bools
    starts: Ints
    counts: Ints
    signs: Floats
    solution: Floats
    solved_for: Ints


def region(starts: Ints, counts: Ints, signs: Floats, around: Around, ranks: Ints) -> Region | None:
    """The part of some cells that can move at all: those that are in no sum alone. None where there are none."""
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
    if not len(cells):
        return None
    at = np.full(len(ranks), -1, np.int64)
    at[cells] = np.arange(len(cells))
    some = inside[counts]
    rows, of_row = np.unique(row[some], return_inverse=True)
    matrix = np.zeros((len(rows), len(cells)))
    np.add.at(matrix, (of_row.reshape(-1), at[counts[some]]), signs[some])
    own_starts = np.concatenate(
        [np.zeros(1, np.int64), np.cumsum(np.bincount(of_row.reshape(-1), minlength=len(rows)))]
    )
    solution, basis = solved(matrix, np.argsort(-ranks[cells], kind="stable"))
    asked, own = np.isin(cells, around.asked), np.isin(cells, around.own)
    if not asked.any():
        return None
    return Region(cells, asked, own, own_starts, at[counts[some]], signs[some], solution, basis)


def stages(
    starts: Ints, counts: Ints, signs: Floats, arounds: Sequence[Around], ranks: Ints
) -> list[list[Region]]:  # fmt: skip
    """Regions in turn; those that may withhold nothing in common are worked through at once."""
    found: list[list[Region]] = []
    taken = np.zeros(len(ranks), np.bool_)
    for around in arounds:
        one = region(starts, counts, signs, around, ranks)
        if one is None:
            continue
        own = one.cells[one.own]
        if not found or taken[own].any():
            found.append([])
            taken[:] = False
        found[-1].append(one)
        taken[own] = True
    return found


@compiled
def _box(
    s: int, without: Ints, x: Floats, now: Floats, off: Bools, small: Bools, nobody: Bools, pairs: Ints, part: Ints,
    whole: Ints, box: Floats,
) -> None:  # fmt: skip
    """How far a table may go in each cell from where it is now: lowest and highest as things are, and the same once it
    withholds that cell. Pairs of two tables of ``without`` are looked at elsewhere."""
    n = x.shape[1]
    elsewhere = np.zeros(len(x), np.bool_)
    for t in without:
        elsewhere[t] = True
    for c in range(n):
        if nobody[s, c]:
            box[:, c] = 0.0
            continue
        near, here = np.floor((x[s, c] + _BLUR) / ROUND_TO) * ROUND_TO, now[s, c]
        box[0, c], box[1, c] = near - _BLUR - here, near + _BLUR - here
        if off[s, c]:
            box[0, c], box[1, c] = -here, (SMALLEST - 1.0 - here if small[s, c] else _ANY)
        box[2, c], box[3, c] = -here, _ANY
    for p in pairs:
        i, o = part[p], whole[p]
        if i == o or (elsewhere[i] and elsewhere[o]):
            continue
        for c in range(n):
            rest = x[o, c] - x[i, c]
            shown = not off[i, c] and not off[o, c]
            if shown and rest >= _LARGE:
                continue
            few, none = 0.0 < rest < SMALLEST, rest == 0.0
            high_off = SMALLEST - 1.0 if few and not small[i, c] else _ANY
            low = float(SMALLEST) if shown and not none and not few else 0.0
            high = 0.0 if shown and none else high_off
            rest = now[o, c] - now[i, c]
            if s == o:
                box[0, c], box[1, c] = max(box[0, c], low - rest), min(box[1, c], high - rest)
                box[2, c], box[3, c] = max(box[2, c], -rest), min(box[3, c], high_off - rest)
            else:
                box[0, c], box[1, c] = max(box[0, c], rest - high), min(box[1, c], rest - low)
                box[2, c], box[3, c] = max(box[2, c], rest - high_off), min(box[3, c], rest)


@dataclass(frozen=True)
class Links:
    """Which tables are parts of which: pairs, as lists of each table too."""

    part: Ints
    whole: Ints
    pair_starts: Ints
    pairs: Ints
    order: tuple[int, ...]
    """Wholes before their parts."""

    def of(self, table: int) -> Iterator[tuple[int, int, bool]]:
        """Pairs of a table, with the other table and whether that is the whole."""
        for p in self.pairs[self.pair_starts[table] : self.pair_starts[table + 1]].tolist():
            inside = self.part[p] == table
            yield p, int(self.whole[p] if inside else self.part[p]), bool(inside)


def links(tables: int, parts: Sequence[tuple[int, int]]) -> Links:
    own = np.array(parts, np.int64).reshape(-1, 2)
    numbers = np.arange(len(own))
    keys, values = own.ravel(order="F"), np.concatenate([numbers, numbers])
    starts = np.zeros(tables + 1, np.int64)
    np.cumsum(np.bincount(keys, minlength=tables), out=starts[1:])
    pairs = values[np.argsort(keys, kind="stable")]
    return Links(own[:, 0].copy(), own[:, 1].copy(), starts, pairs, _order(tables, parts))


def _order(tables: int, parts: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    depth = [0] * tables
    for _ in range(tables):  # of a circle, tables that are the same, anyone may be first
        before = list(depth)
        for part, whole in parts:
            depth[part] = max(depth[part], min(depth[whole] + 1, tables))
        if depth == before:
            break
    return tuple(sorted(range(tables), key=lambda table: depth[table]))


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
    regions: Sequence[Sequence[Region]], ranks: Ints, counts: Ints, link: Links, small: Bools, off: Bools,
    nobody: Bools, kept: Bools, *, asked: Bools, dearer: float, threads: int,
) -> Found:  # fmt: skip
    """Withhold counts until what can be shown in regions is shown. Regions of one list have no cell in common, and are
    worked through at once; those of the next see what those before withheld. ``asked`` are the tables that need it."""
    off = off.copy()
    shown = np.zeros(off.shape, np.bool_) | ~asked[:, np.newaxis]
    rests = np.zeros((len(link.part), off.shape[1]), np.bool_) | ~asked[link.part][:, np.newaxis]
    found = Found(off, shown, rests, np.zeros(off.shape), np.zeros(off.shape))

    def work(one: Region) -> _Work:
        job = _Work(one, ranks, counts, link, small, found, nobody, kept, dearer)
        job.run()
        return job

    done: list[_Work] = []
    with ThreadPoolExecutor(max(1, threads)) as pool:
        for some in regions:
            jobs = each(pool, work, some)
            done += jobs
            if some is regions[-1] or len(some) > 1:
                for together in _alike(done):
                    _elsewhere_lower(together, len(ranks))
                done = []
    return found


def _alike(jobs: Sequence[_Work]) -> list[list[_Work]]:
    """Those that have what is larger in common."""
    found: list[tuple[set[int], list[_Work]]] = []
    for job in jobs:
        above = set(job.region.cells[~job.region.asked].tolist())
        for cells, some in found:
            if cells & above:
                cells |= above
                some.append(job)
                break
        else:
            found.append((above, [job]))
    return [some for _, some in found if len(some) > 1]


def _elsewhere_lower(jobs: Sequence[_Work], cells: int) -> None:
    """Show counts of regions that have all that is above them in common, while the few people above who are elsewhere
    are fewer: of seven people in all an area can only have five where the others have hardly any."""
    for job in jobs:
        job.read()
    for job in jobs:
        job.todo, job.given_up = job.region.asked, np.zeros_like(job.given_up)
        for table in job.link.order:
            for most in job.stacked:
                targets, *_ = job._targets(table)
                for tables, of in job._stacks(table, targets, most).items():
                    own, top, bottom = job._targets(table)
                    own = own[np.isin(own, of)]
                    if len(own):
                        _while_lower(job, jobs, table, tables, own, top, bottom, cells)
        job.write()


def _while_lower(
    job: _Work, jobs: Sequence[_Work], table: int, tables: tuple[int, ...], targets: Ints, top: Floats,
    bottom: Floats, cells: int,
) -> None:  # fmt: skip
    """The same, others above being as few as can be meanwhile."""
    moved = []
    for one in tables:
        by = np.zeros(cells)
        for other in jobs:
            if other is not job:
                by[other.region.cells] += other.lower(one, by)
        moved.append((one, by))
        for other in jobs:
            other.move_by(one, by)
    job._stack(table, tables, targets, top, bottom, not (job.region.own & ~job.region.asked).any())
    for one, by in moved:
        for other in jobs:
            other.got(one, by)
            other.move_by(one, -by)


class _Work:
    """One region, all tables after each other."""

    def __init__(
        self, region: Region, ranks: Ints, counts: Ints, link: Links, small: Bools, found: Found, nobody: Bools,
        kept: Bools, dearer: float,
    ) -> None:  # fmt: skip
        cells = region.cells
        self.region, self.link, self.found = region, link, found
        self.x = counts[:, cells].astype(np.float64)
        self.small, self.off = small[:, cells], found.off[:, cells]
        self.nobody, self.shown, self.rests = nobody[:, cells], found.shown[:, cells], found.rests[:, cells]
        self.never = ~region.own | kept[:, cells] | (ranks[cells] == ranks.max(initial=0)) & (ranks[cells] > 0)
        self.costs = np.maximum(self.x, 1.0) * dearer ** ranks[cells]
        self.left = left = self.x[link.whole] - self.x[link.part]
        self.few = (left > 0) & (left < SMALLEST)
        small = self.small[link.part] & self.small[link.whole] & ~self.nobody[link.whole]
        self.holds = ((left < WIDTH) & small).sum(axis=1) / max(1, len(cells))
        self.near = [list(link.of(table)) for table in range(len(self.x))]
        self.part, self.whole = link.part.tolist(), link.whole.tolist()
        self.few_of = [[one for one in near if self.few[one[0]].any()] for near in self.near]
        self.kin = [np.array([table, *(other for _, other, _ in near)]) for table, near in enumerate(self.near)]
        self.tried: dict[int, tuple[bytes, int]] = {}
        self.now = self.x.copy()
        self.top, self.bottom = found.top[:, cells], found.bottom[:, cells]
        self.rest_top, self.rest_bottom = np.zeros(left.shape), np.zeros(left.shape)
        self.given_up = np.zeros(self.x.shape, np.bool_)
        self.stacked = _STACKED if counts.size > _MANY else _STACKED[:1]
        self.ranks, self.todo = ranks[cells], np.ones(len(cells), np.bool_)

    def run(self) -> None:
        """From the larger areas to the smaller: what must be withheld of a larger one helps all within it."""
        for rank in np.unique(self.ranks[self.region.asked])[::-1].tolist():
            self.todo = (self.ranks >= rank) & self.region.asked
            for _ in range(_ROUNDS):
                before = self.off.sum()
                for table in self.link.order:
                    self._table(table)
                if self.off.sum() == before:
                    break
        self.write()

    def lower(self, table: int, by: Floats) -> Floats:
        """How this region moves so that small counts above are as few as can be, others having gone so far already."""
        one = self.region
        self.move_by(table, by)
        box = self._boxed(table, _NO_TABLES)
        self.move_by(table, -by)
        at = np.zeros(len(one.cells))
        targets = np.flatnonzero(~one.asked & self.small[table])
        if not len(targets) or (box[0] > _SAME).any() or (box[1] < -_SAME).any():
            return at
        sound = lowered(
            one.solution, one.solved_for, one.starts, one.counts, one.signs, box[0], box[1], targets, WIDTH, at
        )  # fmt: skip
        return at if sound else np.zeros(len(at))

    def move_by(self, table: int, by: Floats) -> None:
        """From now on a table is elsewhere by so much."""
        self.now[table] += by[self.region.cells]

    def got(self, table: int, by: Floats) -> None:
        """What is larger has gone so far."""
        here = np.where(~self.region.asked & self.region.own, by[self.region.cells], 0.0)
        if here.any():
            self._note(table, np.maximum(here, 0.0), np.minimum(here, 0.0))

    def read(self) -> None:
        """What others have found meanwhile."""
        cells, found = self.region.cells, self.found
        self.off, self.shown, self.rests = found.off[:, cells], found.shown[:, cells], found.rests[:, cells]
        self.top, self.bottom = found.top[:, cells], found.bottom[:, cells]

    def write(self) -> None:
        own = self.region.own
        cells = self.region.cells[own]
        self.found.top[:, cells] = np.maximum(self.found.top[:, cells], self.top[:, own])
        self.found.bottom[:, cells] = np.minimum(self.found.bottom[:, cells], self.bottom[:, own])
        self.found.off[:, cells] = self.off[:, own]
        self.found.shown[:, cells] |= self.shown[:, own]
        self.found.rests[:, cells] |= self.rests[:, own]

    def _targets(self, table: int) -> tuple[Ints, Floats, Floats]:
        """Cells of a table that are not shown yet, themselves or a rest; and how far they (or that) got."""
        asked = self.todo & ~self.given_up[table]
        todo = self.off[table] & ~self.shown[table] & asked
        top, bottom = self.top[table].copy(), self.bottom[table].copy()
        for p, _, inside in self.few_of[table]:
            open_rest = self.few[p] & ~self.rests[p] & asked
            if open_rest.any():
                a, b = self.rest_top[p], self.rest_bottom[p]
                if inside:
                    a, b = -b, -a
                use = open_rest & (~todo | (a - b < top - bottom))
                top, bottom = np.where(use, a, top), np.where(use, b, bottom)
                todo = todo | open_rest
        return np.flatnonzero(todo), top, bottom

    def _table(self, table: int) -> None:
        targets, top, bottom = self._targets(table)
        if not len(targets):
            return
        tried = targets.tobytes(), int(self.off[self.kin[table]].sum())
        if self.tried.get(table) == tried:
            return
        self.tried[table] = tried
        self._stack(table, (table,), targets, top, bottom, False)
        targets, top, bottom = self._targets(table)
        if not len(targets):
            return
        for most in self.stacked:
            for tables, cells in self._stacks(table, targets, most).items():
                own, top, bottom = self._targets(table)
                own = own[np.isin(own, cells)]
                if len(own):
                    self._stack(table, tables, own, top, bottom, True)
            targets, *_ = self._targets(table)
            if not len(targets):
                return
        self.given_up[table, targets] = True

    def _stacks(self, table: int, targets: Ints, most: int) -> dict[tuple[int, ...], list[int]]:
        """For cells that cannot go far while others stay (wholes that are hardly more, parts that are hardly less):
        with whom they go; at most so many."""
        found: dict[tuple[int, ...], list[int]] = {}
        for c in targets.tolist():
            others = list(dict.fromkeys(self._tight(table, c, most > _STACKED[0])))[:most]
            found.setdefault(tuple(sorted(others)), []).append(c)
        return found

    def _tight(self, table: int, c: int, further: bool) -> Iterator[int]:
        """A table, those that hold it in a cell, those that hold it in many; and further those that hold these."""
        yield table
        near = [(self.holds[p], p, other) for p, other, _ in self.near[table]]
        close = sorted((self.left[p, c], -holds, other) for holds, p, other in near if self.left[p, c] < WIDTH)
        first = [other for *_, other in close if self.off[other, c]]
        if not further:
            yield from first
        yield from (other for holds, _, other in sorted(near, reverse=True)[:1] if holds > 0.2)
        if further:
            wholes = [other for _, other, inside in self.near[table] if inside]
            for one in (table, *wholes):
                yield one
                own = sorted(((self.holds[p], other) for p, other, _ in self.near[one]), reverse=True)
                yield from (other for holds, other in own if holds > 0.1)
            yield from first

    def _note(self, table: int, high: Floats, low: Floats) -> None:
        """How far a table got."""
        self.top[table] = np.maximum(self.top[table], high)
        self.bottom[table] = np.minimum(self.bottom[table], low)
        self.shown[table] |= self.top[table] - self.bottom[table] >= _WIDE

    def _note_rest(self, pair: int, cells: Any, high: Floats, low: Floats) -> None:
        self.rest_top[pair, cells] = np.maximum(self.rest_top[pair, cells], high)
        self.rest_bottom[pair, cells] = np.minimum(self.rest_bottom[pair, cells], low)
        self.rests[pair] |= self.rest_top[pair] - self.rest_bottom[pair] >= _WIDE

    def _boxed(self, table: int, without: Ints) -> Floats:
        link, box = self.link, np.empty((4, self.x.shape[1]))
        pairs = link.pairs[link.pair_starts[table] : link.pair_starts[table + 1]]
        _box(
            table, without, self.x, self.now, self.off, self.small, self.nobody, pairs, link.part, link.whole, box
        )  # fmt: skip
        return box

    def _stack(
        self, table: int, tables: tuple[int, ...], targets: Ints, top: Floats, bottom: Floats, hide: bool
    ) -> None:
        """Move some tables at once, each by itself, held together by what a part leaves of its whole."""
        one, link, n = self.region, self.link, self.x.shape[1]
        of = {member: number for number, member in enumerate(tables)}
        between = [
            (p, np.flatnonzero(self._hold(p)))
            for member in tables
            for p, other, inside in self.near[member]
            if inside and other in of and other != member
        ]
        many = [len(cells) for _, cells in between]
        coupled = np.repeat(np.array([pair for pair, _ in between], np.int64), many)
        cell = np.concatenate([np.empty(0, np.int64), *(cells for _, cells in between)])
        solution, solved_for, starts, counts, signs = one.solution, one.solved_for, one.starts, one.counts, one.signs
        if len(tables) > 1:
            of_part = np.repeat(np.array([of[self.part[p]] for p, _ in between], np.int64), many)
            of_whole = np.repeat(np.array([of[self.whole[p]] for p, _ in between], np.int64), many)
            solution, solved_for, starts, counts, signs = _stacked(
                solution, solved_for, starts, counts, signs, len(tables), cell, of_part, of_whole
            )  # fmt: skip
        wide, rests = len(tables) * n + len(cell), slice(len(tables) * n, None)
        box, may, costs = np.empty((4, wide)), np.zeros(wide, np.bool_), np.full(wide, _ANY)
        inside_of = np.array(tables, np.int64) if len(tables) > 1 else _NO_TABLES
        for number, member in enumerate(tables):
            here = slice(number * n, number * n + n)
            box[:, here] = self._boxed(member, inside_of)
            may[here], costs[here] = ~(self.off[member] | self.never[member]), self.costs[member]
        parts, wholes = link.part[coupled], link.whole[coupled]
        left, few = self.left[coupled, cell], self.few[coupled, cell]
        both = ~self.off[parts, cell] & ~self.off[wholes, cell]
        high = np.where(few & ~self.small[parts, cell], SMALLEST - 1.0, _ANY)
        still = self.now[wholes, cell] - self.now[parts, cell]
        box[0, rests] = np.where(~few & both & (left > 0), float(SMALLEST), 0.0) - still
        box[1, rests] = np.where(both & (left == 0), 0.0, high) - still
        box[2, rests], box[3, rests] = -still, high - still
        may[rests], costs[rests] = both & ~self.never[parts, cell], self.costs[parts, cell]
        first = of[table] * n
        had_top, had_bottom, got_top, got_bottom = (np.zeros(wide) for _ in range(4))
        had_top[first : first + n], had_bottom[first : first + n] = top, bottom
        hidden = np.zeros(wide, np.bool_)
        reach(
            solution, solved_for, starts, counts, signs, box, may, costs,
            targets + first, had_top, had_bottom, got_top, got_bottom, hide, hidden,
        )  # fmt: skip
        for number, member in enumerate(tables):
            here = slice(number * n, number * n + n)
            self.off[member] |= hidden[here]
            self._note(member, got_top[here], got_bottom[here])
        gone = hidden[rests]
        self.off[parts[gone], cell[gone]] = True
        for p, cells in between:
            own = np.flatnonzero(coupled == p) + len(tables) * n
            self._note_rest(p, cells, got_top[own], got_bottom[own])
        if len(tables) == 1:  # all that is left of its wholes, and of it by its parts, moves with it
            for p, _, inside in self.few_of[table]:
                up, down = (-got_bottom, -got_top) if inside else (got_top, got_bottom)
                self._note_rest(p, slice(None), up, down)

    def _hold(self, pair: int) -> Bools:
        """Where a part and its whole hold each other."""
        near: Bools = (self.left[pair] < _NEAR) | self.off[self.link.part[pair]] | self.off[self.link.whole[pair]]
        return near


@compiled
def _stacked(
    solution: Floats, solved_for: Ints, starts: Ints, counts: Ints, signs: Floats, tables: int, cell: Ints,
    of_part: Ints, of_whole: Ints,
) -> tuple[Floats, Ints, Ints, Ints, Floats]:  # fmt: skip
    """The sums of a region once for each of several tables, and for each of some cells what is left of the whole, as a
    count more."""
    m, n = solution.shape
    k, first = len(cell), tables * n
    table, basis = np.zeros((tables * m + k, first + k)), np.empty(tables * m + k, np.int64)
    row_of = np.full(n, -1, np.int64)
    for r in range(m):
        row_of[solved_for[r]] = r
    for w in range(tables):
        for r in range(m):
            basis[w * m + r] = w * n + solved_for[r]
            for j in range(n):
                table[w * m + r, w * n + j] = solution[r, j]
    for q in range(k):
        row = tables * m + q
        basis[row], table[row, first + q] = first + q, 1.0
        for w, by in ((of_part[q], 1.0), (of_whole[q], -1.0)):
            r = row_of[cell[q]]
            if r < 0:
                table[row, w * n + cell[q]] += by
            else:
                for j in range(n):
                    if j != cell[q]:
                        table[row, w * n + j] -= by * solution[r, j]
    size, rows = len(counts), len(starts) - 1
    all_starts = np.empty(tables * rows + k + 1, np.int64)
    all_counts, all_signs = np.empty(tables * size + 3 * k, np.int64), np.empty(tables * size + 3 * k)
    for w in range(tables):
        for r in range(rows):
            all_starts[w * rows + r] = w * size + starts[r]
        for e in range(size):
            all_counts[w * size + e], all_signs[w * size + e] = w * n + counts[e], signs[e]
    for q in range(k):
        e = tables * size + 3 * q
        all_starts[tables * rows + q] = e
        all_counts[e], all_signs[e] = first + q, 1.0
        all_counts[e + 1], all_signs[e + 1] = of_part[q] * n + cell[q], 1.0
        all_counts[e + 2], all_signs[e + 2] = of_whole[q] * n + cell[q], -1.0
    all_starts[tables * rows + k] = len(all_counts)
    return table, basis, all_starts, all_counts, all_signs
