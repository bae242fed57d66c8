"""Withholding further counts until nobody can bound a withheld one closely: shown by witnesses.

What the attacker knows is a polytope: bounds on each count and sums that hold. A withheld count is protected if two
points of the polytope lie `WIDTH` apart in it. The exact test is two linear programmes over all counts for each
withheld one, which a release of many thousand has no time for. Instead a count is moved up and down, together with
those near it only (`block`): all else stays as it is, so that the two ends are points of the polytope, and their
distance is never more than the exact one. Only where that fails may all move that hangs together. What is found is
checked against sums and bounds before it is believed. The result errs towards withholding, and withholding more never
makes a witness false.

Where no witness is found, the counts whose bounds stop the move are known from the last step. Of these, that count is
withheld which stops the most for the least cost, and what it stopped is tried again, until all is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from popstrat.privacy.disclosure.block import around, climb, matrix, off
from popstrat.privacy.disclosure.problem import Problem
from popstrat.privacy.disclosure.rules import WIDTH

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_NOISE = 1e-7
"""By how much a sum or a bound may be missed in floating point."""
_SIZES = (16, 60, 150)
"""Sums that a block has: few first, as that is quick and mostly does."""
_LAST = (400, 0)
"""The same, where nothing near that may be withheld stands in the way; 0 is all that hangs together."""
_SEEN = 1000
_DENSE = 3 * 10**7
"""Counts times sums of what is solved in one piece."""


def protect(problem: Problem) -> list[int]:
    """Withhold counts until every guarded one has the width; returns those that cannot be protected, since nothing is
    left to withhold."""
    return _Protection(problem).run()


@dataclass(frozen=True)
class _Witness:
    """Two moves from the start, of these counts."""

    counts: Ints
    up: Floats
    down: Floats


class _Protection:
    def __init__(self, problem: Problem) -> None:
        self.problem = p = problem
        n = len(p.x)
        loose = {j for touched in p.loosens.values() for j in touched}
        fixed = p.low == p.high
        fixed[list(loose)] = False
        relations: list[tuple[tuple[int, float], ...]] = [
            ((total, 1.0), *((part, -1.0) for part in parts)) for total, parts in p.relations
        ]
        rests: list[float] = []
        floor, cap = np.full(n, -np.inf), np.full(n, np.inf)
        for whole, part, rest in p.rests:  # all that is known of large ones is that they are not under nought
            if np.isnan(rest):
                relations.append(((whole, 1.0), (part, -1.0), (n + len(rests), -1.0)))
                rests.append(rest)
                continue
            share = rest if fixed[whole] or fixed[part] else rest / 2  # each of the two goes no further than this
            floor[whole], cap[part] = max(floor[whole], p.x[whole] - share), min(cap[part], p.x[part] + share)
        more = len(rests)
        self.x = np.append(p.x, rests)
        self.floor, self.cap = np.append(floor, np.zeros(more)), np.append(cap, np.full(more, np.inf))
        self.low = np.maximum(np.append(p.low, np.zeros(more)), self.floor)
        self.high = np.minimum(np.append(p.high, np.full(more, np.inf)), self.cap)
        self.fixed = np.append(fixed, np.zeros(more, bool))
        self.rows_of: list[list[int]] = [[] for _ in self.x]
        self.counts_of: list[list[int]] = []
        starts, counts, signs = [0], [], []
        for row, terms in enumerate(relations):
            free = [(i, sign) for i, sign in terms if not self.fixed[i]]
            counts += [i for i, _ in free]
            signs += [sign for _, sign in free]
            starts.append(len(counts))
            self.counts_of.append([i for i, _ in free])
            for i, _ in free:
                self.rows_of[i].append(row)
        self.relations = relations
        self.sums = np.array(starts, np.int64), np.array(counts, np.int64), np.array(signs, np.float64)
        ends = np.cumsum([0, *map(len, self.rows_of)])
        self.sums_of = ends.astype(np.int64), np.array([r for rows in self.rows_of for r in rows], np.int64)
        self.chosen, self.waiting = np.zeros(len(relations), bool), np.zeros(len(self.x), bool)
        self.at, self.change = np.full(len(self.x), -1, np.int64), np.zeros(len(self.x))
        self.whole_of = np.full(len(self.x), -1, np.int64)
        self.wholes: list[tuple[Ints, Ints]] = []
        self.room = np.empty(0)
        self.seen: dict[int, list[Floats]] = {}
        self.blocks: dict[tuple[int, int], tuple[Ints, Ints]] = {}
        self.owners: dict[int, list[int]] = {}
        for i, touched in p.loosens.items():
            for j in touched:
                self.owners.setdefault(j, []).append(i)
        self.proven: dict[int, _Witness] = {}
        self.used: dict[int, set[int]] = {}

    def run(self) -> list[int]:
        p = self.problem
        exposed = self._begin()
        if not exposed:
            self._gather()
        failing: dict[int, dict[int, float]] = {}
        for i in np.flatnonzero(p.guarded).tolist():
            if i not in exposed:
                self._try(i, failing)
        while failing:
            stuck = self._stuck(failing)
            if stuck is not None:
                nearest = self._nearest(stuck)
                if nearest is None:
                    exposed.add(stuck)
                    del failing[stuck]
                    continue
                pick = nearest
            elif failing:
                pick = self._best(failing)
            else:
                break
            self._withhold(pick)
            for k in [k for k, stops in failing.items() if pick in stops or k == stuck]:
                self._try(k, failing)
            self._try(pick, failing)
        if not exposed:
            self._give_back()
        for i in np.flatnonzero(p.guarded).tolist():
            if i not in exposed and not self._shown(i):
                raise AssertionError("a withheld count was not shown to be protected")
        return sorted(exposed)

    def _shown(self, i: int) -> bool:
        """Whether what was found for a count still holds, with all that is known in the end."""
        witness = self.proven.get(i)
        if witness is None:
            return False
        rows = np.array(sorted({r for j in witness.counts.tolist() for r in self.rows_of[j]}), np.int64)
        at = np.flatnonzero(witness.counts == i)
        wide = len(at) and float((witness.up - witness.down)[at[0]]) >= WIDTH - 1e-6
        return bool(wide) and all(self._sound(rows, witness.counts, end) for end in (witness.up, witness.down))

    def _try(self, i: int, failing: dict[int, dict[int, float]]) -> None:
        """Show a count to be protected, or say what stops it."""
        witness, stops = self._witness(i)
        if witness is None:
            failing[i] = stops
        else:
            failing.pop(i, None)
            self._believe(i, witness)

    def _stuck(self, failing: dict[int, dict[int, float]]) -> int | None:
        """A count that nothing stops which may be withheld, not even far away."""
        movable = self.problem.movable
        for i in list(failing):
            failing[i] = {j: share for j, share in failing[i].items() if movable[j]}
            if not failing[i]:
                witness, failing[i] = self._witness(i, _LAST)
                if witness is not None:
                    del failing[i]
                    self._believe(i, witness)
                elif not failing[i]:
                    return i
        return None

    def _best(self, failing: dict[int, dict[int, float]]) -> int:
        gain: dict[int, float] = {}
        for stops in failing.values():
            for j, share in stops.items():
                gain[j] = gain.get(j, 0.0) + min(share, 1.0)
        costs = self.problem.costs
        return min(gain, key=lambda j: (max(float(costs[j]), 1.0) / gain[j], j))

    def _nearest(self, i: int) -> int | None:
        """The cheapest count that may be withheld among those fewest sums away."""
        p, rows, seen = self.problem, set(self.rows_of[i]), 0
        while len(rows) > seen:
            seen = len(rows)
            near = {j for r in rows for j in self.counts_of[r]}
            may = [j for j in near if j < len(p.x) and p.movable[j]]
            if may:
                return min(may, key=lambda j: (p.costs[j], j))
            rows = {r for j in near for r in self.rows_of[j]}
        return None

    def _withhold(self, i: int) -> None:
        self.problem.withhold(i)
        self._refresh(i)

    def _refresh(self, i: int) -> list[int]:
        p, touched = self.problem, [i, *self.problem.loosens.get(i, ())]
        self.low[touched] = np.maximum(p.low[touched], self.floor[touched])
        self.high[touched] = np.minimum(p.high[touched], self.cap[touched])
        return touched

    def _believe(self, i: int, witness: _Witness) -> None:
        self._forget(i)
        self.proven[i] = witness
        for j in witness.counts.tolist():
            self.used.setdefault(j, set()).add(i)

    def _forget(self, i: int) -> None:
        old = self.proven.pop(i, None)
        if old is not None:
            for j in old.counts.tolist():
                self.used[j].discard(i)

    def _give_back(self) -> None:
        """Show what need not be withheld after all, the dearest first: where all others are still protected."""
        p = self.problem
        for j in sorted(np.flatnonzero(p.withheld).tolist(), key=lambda j: (-p.costs[j], j)):
            p.give_back(j)
            touched = self._refresh(j)
            bad = {i for t in touched for i in self.used.get(t, ()) if i != j and not self._holds(i, touched)}
            found: dict[int, _Witness] = {}
            for i in sorted(bad):
                witness, _ = self._witness(i)
                if witness is None:
                    break
                found[i] = witness
            if len(found) == len(bad):
                self._forget(j)
                for i, witness in found.items():
                    self._believe(i, witness)
            else:
                self._withhold(j)

    def _holds(self, i: int, touched: Iterable[int]) -> bool:
        witness = self.proven[i]
        here = np.isin(witness.counts, list(touched))
        return self._within(witness.counts[here], witness.up[here]) and self._within(
            witness.counts[here], witness.down[here]
        )

    def _within(self, counts: Ints, move: Floats) -> bool:
        there = self.x[counts] + move
        return bool(np.all(there >= self.low[counts] - _NOISE) and np.all(there <= self.high[counts] + _NOISE))

    def _witness(self, i: int, sizes: Sequence[int] = _SIZES) -> tuple[_Witness | None, dict[int, float]]:
        """Two points far enough apart, in the smallest block that has them; else what stops it in the largest."""
        stops: dict[int, float] = {}
        tried = -1
        for size in sizes:
            rows, counts = self._block(i, size) if size else self._whole(i)
            if len(rows) == tried or len(rows) * len(counts) > _DENSE:
                break
            tried = len(rows)
            if not size and (seen := self._seen(i, counts)) is not None:
                return seen, {}
            table, basis, basic, move = self._fresh(rows, counts)
            low, high = self.low[counts] - self.x[counts], self.high[counts] - self.x[counts]
            target = int(np.searchsorted(counts, i))
            stops = {}
            ends: list[Floats] = []
            aim = float(WIDTH)
            for sign in (1.0, -1.0):
                done = climb(table, basis, basic, low, high, move, target, sign, aim, 50 * (sum(table.shape) + 1))
                ends.append(move.copy())
                if done:
                    break
                aim = WIDTH - float(move[target])
                self._blame(stops, counts, table[basis == target], basic)
            up, down = ends[0], ends[1] if len(ends) > 1 else np.zeros(len(counts))
            sound = all(self._sound(rows, counts, end) for end in (up, down))
            if not size and sound:
                self._see(i, up, down)
            if sound and up[target] - down[target] >= WIDTH - 1e-6:
                moved = (np.abs(up) > 0) | (np.abs(down) > 0)
                return _Witness(counts[moved], up[moved], down[moved]), {}
        return None, stops

    def _see(self, i: int, *ends: Floats) -> None:
        """Keep a way in which all may move: it moves many counts, and may be one end of theirs."""
        points = self.seen.setdefault(int(self.whole_of[i]), [])
        points += [end for end in ends if end.any()][: _SEEN - len(points)]

    def _seen(self, i: int, counts: Ints) -> _Witness | None:
        """Two ways found for other counts, if they are far enough apart in this one."""
        points = self.seen.get(int(self.whole_of[i]), [])
        if not points:
            return None
        target = int(np.searchsorted(counts, i))
        at = [float(point[target]) for point in points]
        up, down = points[int(np.argmax(at))], points[int(np.argmin(at))]
        if up[target] - down[target] < WIDTH - 1e-6:
            return None
        moved = (np.abs(up) > 0) | (np.abs(down) > 0)
        return _Witness(counts[moved], up[moved], down[moved])

    def _fresh(self, rows: Ints, counts: Ints) -> tuple[Floats, Ints, Bools, Floats]:
        """A block that has not moved yet, for `climb`."""
        if len(rows) * len(counts) > len(self.room):  # new memory each time would cost more than the rest
            self.room = np.empty(len(rows) * len(counts))
        table = self.room[: len(rows) * len(counts)].reshape(len(rows), len(counts))
        matrix(*self.sums, rows, counts, self.at, table)
        return table, np.full(len(rows), -1, np.int64), np.zeros(len(counts), bool), np.zeros(len(counts))

    def _sound(self, rows: Ints, counts: Ints, move: Floats) -> bool:
        """Whether these sums hold after a move of these counts, and all bounds."""
        return off(*self.sums, rows, counts, move, self.change) <= _NOISE and self._within(counts, move)

    def _blame(self, stops: dict[int, float], counts: Ints, row: Floats, basic: Bools) -> None:
        """Counts at a bound that would let this one go further, with how much further for each step of theirs."""
        n, movable = len(self.problem.x), self.problem.movable
        for line in row:
            for k in np.flatnonzero((np.abs(line) > _NOISE) & ~basic).tolist():
                j = int(counts[k])
                if j < n:
                    for owner in (j, *self.owners.get(j, ())):
                        if movable[owner]:
                            stops[owner] = max(stops.get(owner, 0.0), float(abs(line[k])))

    def _whole(self, i: int) -> tuple[Ints, Ints]:
        """All sums that hang together with a count, and their counts (sorted)."""
        if self.whole_of[i] < 0:
            rows, counts, edge = set(self.rows_of[i]), {i}, [i]
            while edge:
                edge = list({k for r in {r for j in edge for r in self.rows_of[j]} for k in self.counts_of[r]} - counts)
                counts.update(edge)
                rows.update(r for j in edge for r in self.rows_of[j])
            self.whole_of[list(counts)] = len(self.wholes)
            self.wholes.append((np.array(sorted(rows), np.int64), np.array(sorted(counts), np.int64)))
        return self.wholes[int(self.whole_of[i])]

    def _block(self, i: int, size: int) -> tuple[Ints, Ints]:
        """So many sums about a count, and the counts (sorted) that are in no others; kept, as they do not change."""
        if (i, size) not in self.blocks:
            starts, counts, _ = self.sums
            self.blocks[i, size] = around(starts, counts, *self.sums_of, self.chosen, self.waiting, i, size)
        return self.blocks[i, size]

    def _begin(self) -> set[int]:
        """Find values within all bounds for what is not known, from earlier releases. Where there are none, what was
        said before and is said now are not of the same people: all that hangs together is withheld, and exposed."""
        unknown = np.isnan(self.x)
        if not unknown.any():
            return set()
        low, high = self.low, self.high
        middle = np.where(np.isfinite(high), (low + np.minimum(high, 1e9)) / 2, low + 20)
        self.x = np.where(unknown, middle, self.x)
        exposed: set[int] = set()
        left = set(np.flatnonzero(unknown).tolist())
        while left:
            rows, counts = self._whole(min(left))
            left -= set(counts.tolist())
            if not self._settle(rows, counts[unknown[counts]]) and not self._settle(rows, counts):
                n = len(self.problem.x)
                for j in counts[counts < n].tolist():
                    if self.problem.movable[j]:
                        self._withhold(j)
                    if self.problem.guarded[j]:
                        exposed.add(j)
        return exposed

    def _gather(self) -> None:
        """Start where small counts are as low as can be, not at the truth: a few people spread over many areas, of whom
        no more than 7 can be, would have to come from everywhere to show that they could be in any one."""
        left = set(np.flatnonzero(~self.fixed).tolist())
        n = len(self.problem.x)
        while left:
            rows, counts = self._whole(min(left))
            left -= set(counts.tolist())
            small = counts[(counts < n) & np.isfinite(self.high[counts])]
            small = small[self.problem.guarded[small]]
            if not len(small) or not len(rows) or len(rows) * len(counts) > _DENSE:
                continue
            sums = np.zeros((len(rows) + 1, len(counts) + 1))
            sums[:-1, :-1] = self._fresh(rows, counts)[0]
            sums[-1, :-1], sums[-1, -1] = np.isin(counts, small), -1
            whole = self.x[small].sum()
            low = np.append(self.low[counts] - self.x[counts], -whole)
            high = np.append(self.high[counts] - self.x[counts], 0.0)
            basis, basic, move = np.full(len(sums), -1, np.int64), np.zeros(len(low), bool), np.zeros(len(low))
            climb(sums, basis, basic, low, high, move, len(counts), -1.0, whole, 50 * (sum(sums.shape) + 1))
            if self._sound(rows, counts, move[:-1]):
                self.x[counts] += move[:-1]

    def _settle(self, rows: Ints, counts: Ints) -> bool:
        """Move these counts so that all these sums hold: how far they are off is one more column, taken away bit by
        bit."""
        lack = np.array([sum(sign * self.x[i] for i, sign in self.relations[r]) for r in rows])
        sums = np.column_stack([self._fresh(rows, counts)[0], lack])
        low, high = (
            np.append(self.low[counts] - self.x[counts], 0.0),
            np.append(self.high[counts] - self.x[counts], 1.0),
        )
        move = np.zeros(len(counts) + 1)
        climb(
            sums, np.full(len(rows), -1, np.int64), np.zeros(len(move), bool),
            np.minimum(low, 0.0), np.maximum(high, 0.0), move, len(counts), 1.0, 1.0, 50 * (sum(sums.shape) + 1),
        )  # fmt: skip
        there = self.x.copy()
        there[counts] += move[:-1]
        lack = np.array([sum(sign * there[i] for i, sign in self.relations[r]) for r in rows])
        if np.abs(lack).max(initial=0.0) > _NOISE or not self._within(counts, move[:-1]):
            return False
        self.x = there
        return True
