"""Withholding further counts until nobody can bound a withheld one closely: shown by witnesses, not by a programme.

What the attacker knows is a polytope: bounds on each count and sums that hold. A withheld count is protected if two
points of the polytope lie `WIDTH` apart in it. The exact test is two linear programmes for each withheld count, which a
release of many thousand has no time for. Instead a point well inside is found (the analytic centre), and from it, for
each withheld count, the direction that keeps all sums and, against the room that each has, moves the others least:
a weighted least-squares projection, one matrix for all. How far one can go that way and back without leaving the bounds
is a width that the attacker cannot beat. It is never more than the exact one, so the result errs towards withholding.
Where it is short, the cheapest of the counts that stop the move is withheld as well, and all is tried again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np
import numpy.typing as npt

from popstrat.privacy.disclosure.rules import WIDTH

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_MARGIN = 1e-3
"""More width than is asked for, so that sums in floating point cannot make it less."""
_FREE = 60.0
"""As far as a count without an upper bound is thought to move: further would only worsen the numbers."""
_STEPS = 15
"""Steps of Newton's method towards the middle."""
_ENOUGH = WIDTH - 0.005
"""Steps come near a bound and never reach it. Counts and their bounds are whole numbers, so that the ends of what is
possible are whole, or fractions with a small denominator: who has come so near to `WIDTH` would have reached it."""
_NOISE = 1e-6
"""By how much a sum or a bound may be missed in floating point."""
_REPROVED = 40
"""A withheld count is not given back if more others than this would have to be proven anew."""
_STRETCHES = 8
_HOPS, _SIZES = 4, (40, 150)
"""What a count moves with when one step is not enough: sums so many steps away, but not many more than so many; first
few, as that is quick and mostly does, then more."""
_KEPT = 10
"""In large tables the middle is found anew after so many rounds, as that takes longest."""
_LAST = (400,)
"""The same, before counts far away are withheld."""
_BEARS = 0.5
"""Of the counts that stop a move, those that stop it at least this share as early as the first may be withheld."""


@dataclass
class Problem:
    """Counts as the attacker knows them: bounds, sums, and rests ``(whole, part, rest)`` that are nought, or at least
    ``smallest``, where both are published. ``guarded`` are to be protected, ``movable`` may be withheld, at a cost."""

    x: Floats
    low: Floats
    high: Floats
    guarded: Bools
    movable: Bools
    costs: Floats
    relations: Sequence[tuple[int, tuple[int, ...]]]
    rests: Sequence[tuple[int, int, float]]
    smallest: float
    loosens: dict[int, list[int]] = field(default_factory=dict)
    """Small rests of which less is known once this count is withheld."""
    before: dict[int, list[tuple[int, float, float]]] = field(default_factory=dict)
    withheld: Bools = field(init=False)
    """Those withheld to protect others, once `protect` has run."""

    def __post_init__(self) -> None:
        self.withheld = np.zeros(len(self.x), bool)

    def rest_bounds(self) -> tuple[Floats, Floats]:
        """What is known of each of the ``rests``."""
        hidden = self.guarded
        both = np.array([not (hidden[w] or hidden[p]) for w, p, _ in self.rests], dtype=bool)
        rest = np.array([r for _, _, r in self.rests], dtype=np.float64)
        low = np.where(both & (rest >= self.smallest), self.smallest, 0.0)
        return np.minimum(low, np.where(np.isnan(rest), 0.0, rest)), np.where(both & (rest == 0), 0.0, np.inf)

    def withhold(self, i: int) -> None:
        """Withhold a count to protect others: nothing is known of it but that it is not under nought."""
        self.withheld[i] = self.guarded[i] = True
        self.movable[i] = False
        touched = (i, *self.loosens.get(i, ()))
        self.before[i] = [(j, float(self.low[j]), float(self.high[j])) for j in touched]
        for j in touched:
            self.low[j], self.high[j] = 0.0, np.inf

    def give_back(self, i: int) -> None:
        """Undo `withhold`. A small rest stays unknown while its other count is withheld."""
        self.withheld[i] = self.guarded[i] = False
        self.movable[i] = True
        kept = {j for k in np.flatnonzero(self.withheld).tolist() for j in self.loosens.get(k, ())}
        for j, low, high in self.before.pop(i):
            if j in kept:  # whoever is given back last restores it
                other = next(k for k in self.before if j in self.loosens.get(k, ()))
                self.before[other] = [b for b in self.before[other] if b[0] != j] + [(j, low, high)]
            else:
                self.low[j], self.high[j] = low, high


def protect(problem: Problem) -> list[int]:
    """Withhold counts until every guarded one has the width; returns those that cannot be protected."""
    exposed: list[int] = []
    for part in _components(problem):
        exposed += part.protect()
    return sorted(exposed)


def _components(problem: Problem) -> list[_Component]:
    """Counts that hang together by sums and rests; counts that are known exactly join nothing."""
    n = len(problem.x)
    parent = np.arange(n)

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = int(parent[i])
        return i

    fixed = problem.low == problem.high
    links = [(t, *ps) for t, ps in problem.relations] + [(w, p) for w, p, _ in problem.rests]
    for link in links:
        free = [i for i in link if not fixed[i]]
        for i in free[1:]:
            parent[root(i)] = root(free[0])
    roots = np.array([root(i) for i in range(n)], dtype=np.int64)
    wanted = set(roots[problem.guarded].tolist())
    relations: dict[int, list[int]] = {r: [] for r in wanted}
    rests: dict[int, list[int]] = {r: [] for r in wanted}
    for k, (t, ps) in enumerate(problem.relations):
        for r in {int(roots[i]) for i in (t, *ps) if not fixed[i]} & wanted:
            relations[r].append(k)
    for k, (w, p, _) in enumerate(problem.rests):
        for r in {int(roots[i]) for i in (w, p) if not fixed[i]} & wanted:
            rests[r].append(k)
    order = np.argsort(roots, kind="stable")
    edges = np.searchsorted(roots[order], np.arange(n + 1))
    return [_Component(problem, order[edges[r] : edges[r + 1]], relations[r], rests[r]) for r in sorted(wanted)]


class _Component:
    """A part of a problem that can be looked at on its own."""

    def __init__(self, problem: Problem, cells: npt.NDArray[np.int64], relations: list[int], rests: list[int]) -> None:
        self.problem, self.cells = problem, cells
        at = {int(c): i for i, c in enumerate(cells)}
        self.sums = np.zeros((len(relations), len(cells)))
        self.level = np.zeros(len(relations))
        for row, k in enumerate(relations):
            total, parts = problem.relations[k]
            for i, sign in ((total, 1.0), *((p, -1.0) for p in parts)):
                if i in at:
                    self.sums[row, at[i]] += sign
                else:  # known exactly
                    self.level[row] -= sign * problem.x[i]
        self.counts_of = [np.flatnonzero(row).tolist() for row in self.sums]
        self.rows_of: list[list[int]] = [[] for _ in cells]
        for k, counts in enumerate(self.counts_of):
            for j in counts:
                self.rows_of[j].append(k)
        self.nearby: dict[tuple[int, int], tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]] = {}
        self.rests = np.array(rests, dtype=np.int64)
        self.ties = np.zeros((len(rests), 2), dtype=np.int64)
        self.tied = np.zeros((len(rests), 2))
        for j, k in enumerate(rests):
            for side, (i, sign) in enumerate(zip(problem.rests[k][:2], (1.0, -1.0), strict=True)):
                if i in at:
                    self.ties[j, side], self.tied[j, side] = at[i], sign

    def protect(self) -> list[int]:
        p, cells = self.problem, self.cells
        x = self._start()
        if x is None:  # what an earlier release said does not fit: nothing can be shown of its counts
            return [int(c) for c in cells[p.guarded[cells] & np.isnan(p.x[cells])]]
        hopeless: set[int] = set()
        proven: dict[int, tuple[Floats, Floats]] = {}
        rounds, middle = 0, x
        failed: dict[int, float] = {}
        fresh: set[int] = set()
        while True:
            low, high = p.low[cells], p.high[cells]
            rest_low, rest_high = (b[self.rests] if len(self.rests) else b[:0] for b in p.rest_bounds())
            if rounds % (1 if len(self.sums) <= _LAST[0] else _KEPT) == 0:
                middle = self._inside(x, low, high)  # what was inside stays inside when more is withheld
            rounds += 1
            up, down = _room(high - middle), _room(middle - low)
            rest = self._rest(middle, x)
            rest_up, rest_down = _room(rest_high - rest), _room(rest - rest_low)
            wanted = np.array(
                [i for i in np.flatnonzero(p.guarded[cells]) if i not in hopeless and i not in proven], dtype=np.int64
            )
            if not len(wanted):
                break
            moves = self._moves(np.minimum(up, down), wanted)
            rises, falls, stops = self._reaches(moves, up, down, rest_up, rest_down)
            widths = rises + falls
            for k, i in enumerate(wanted.tolist()):
                if widths[k] >= WIDTH + _MARGIN:  # no further than need be, so that less stands in the way later
                    share = (WIDTH + _MARGIN) / widths[k]
                    ends = (middle - falls[k] * share * moves[:, k], middle + rises[k] * share * moves[:, k])
                elif i in failed and fresh.isdisjoint(self._near(i, _SIZES[-1])[0].tolist()):
                    widths[k] = failed[i]  # nothing near it has changed
                    continue
                else:
                    ends = self._stretched(i, x, middle, low, high, rest, rest_low)
                widths[k] = ends[1][i] - ends[0][i]
                if widths[k] >= _ENOUGH:
                    proven[i] = ends  # to withhold more only leaves more room
                else:
                    failed[i] = float(widths[k])
            short = np.flatnonzero(widths < _ENOUGH)
            if not len(short):
                break
            fresh = set()
            touched = np.zeros(len(self.sums), bool)
            for k in short[np.argsort(widths[short], kind="stable")]:
                pick = self._cheapest(stops[:, k], int(wanted[k]))
                if pick is None:
                    i = int(wanted[k])
                    ends = self._stretched(i, x, middle, low, high, rest, rest_low, hard=True)
                    if ends[1][i] - ends[0][i] >= _ENOUGH:
                        proven[i] = ends
                        continue
                    pick = self._cheapest(stops[:, k])
                    if pick is None:
                        pick = self._nearest(i)
                if pick is None:
                    hopeless.add(int(wanted[k]))
                    continue
                here = self.sums[:, pick] != 0
                near = here | (self.sums[:, wanted[k]] != 0)
                if touched[near].any():
                    continue  # what another withheld count brings is seen first
                touched |= near
                fresh.update(self.rows_of[pick])
                p.withhold(int(cells[pick]))
        if not hopeless:
            self._give_back(x, proven)
        return self._exposed(hopeless)

    def _give_back(self, x: Floats, proven: dict[int, tuple[Floats, Floats]]) -> None:
        """Show what need not be withheld after all, the dearest first: where all others are still proven."""
        p, cells = self.problem, self.cells
        middle: Floats | None = None
        for j in sorted(np.flatnonzero(p.withheld[cells]).tolist(), key=lambda j: (-p.costs[cells[j]], j)):
            p.give_back(int(cells[j]))
            low, high = p.low[cells], p.high[cells]
            rest_low, rest_high = (b[self.rests] if len(self.rests) else b[:0] for b in p.rest_bounds())
            bad = [
                i
                for i, ends in proven.items()
                if i != j and not all(self._holds(end, x, low, high, rest_low, rest_high) for end in ends)
            ]
            found: dict[int, tuple[Floats, Floats]] = {}
            start: Floats | None = middle
            if bad and len(bad) <= _REPROVED:
                if middle is None:
                    middle = self._inside(x, low, high)
                start = self._towards(middle, x, low, high, rest_low, rest_high)
                rest = self._rest(start, x)
                for i in bad:
                    found[i] = self._stretched(i, x, start, low, high, rest, rest_low)
                    if found[i][1][i] - found[i][0][i] < _ENOUGH:
                        break
            if len(found) == len(bad) and all(b[i] - a[i] >= _ENOUGH for i, (a, b) in found.items()):
                proven.update(found)
                proven.pop(j, None)
                middle = start if start is not None and len(self.sums) > _LAST[0] else None  # the centre costs much
            else:
                p.withhold(int(cells[j]))

    def _holds(self, point: Floats, x: Floats, low: Floats, high: Floats, rest_low: Floats, rest_high: Floats) -> bool:
        rest = self._rest(point, x)
        return bool(
            np.all(point >= low - _NOISE) and np.all(point <= high + _NOISE)
            and np.all(rest >= rest_low - _NOISE) and np.all(rest <= rest_high + _NOISE)
        )  # fmt: skip

    def _towards(
        self, middle: Floats, x: Floats, low: Floats, high: Floats, rest_low: Floats, rest_high: Floats
    ) -> Floats:  # fmt: skip
        """From the truth towards the middle, not as far as the first bound."""
        step = middle - x
        rest = self._rest(x, x)
        reach = min(_reach(step, high - x, x - low), _reach(self._rest_moves(step), rest_high - rest, rest - rest_low))
        return x + min(1.0, 0.9 * reach) * step

    def _exposed(self, hopeless: set[int]) -> list[int]:
        """Counts for which nothing is left to withhold. Where all is withheld, that five people more are alike in
        everything, or none is, is always possible; so only what others know already can expose a count."""
        p, cells = self.problem, self.cells
        shown = ~p.guarded[cells] & np.isfinite(p.high[cells]) & (p.high[cells] > 0)
        told = shown.any() or self.level.any()
        return sorted(int(cells[i]) for i in hopeless) if told else []

    def _start(self) -> Floats | None:
        """A point within all bounds: the truth, where it is known."""
        x = self.problem.x[self.cells].copy()
        unknown = np.isnan(x)
        if not unknown.any():
            return x
        low, high = self.problem.low[self.cells], self.problem.high[self.cells]
        here = np.where(unknown, np.where(np.isfinite(high), (low + high) / 2, low + 20), x)
        room = np.where(unknown, np.where(np.isfinite(high), 4.0, 400.0), 0.0)
        for _ in range(200):
            here = self._onto(here, room)
            if np.all(here >= low - 1e-9) and np.all(here <= high + 1e-9):
                break
            here = np.where(unknown, np.clip(here, low, high), x)
        holds = np.abs(self.sums @ here - self.level).max(initial=0) < 1e-6
        inside = np.all(here >= low - 1e-6) and np.all(here <= high + 1e-6)
        return np.clip(here, low, high) if holds and inside else None

    def _onto(self, point: Floats, room: Floats) -> Floats:
        """The nearest point where the sums hold, by the room that each count has."""
        if not len(self.sums):
            return point
        weighted = self.sums * room
        inverse = _inverse(weighted @ self.sums.T)
        for _ in range(3):
            point = point - weighted.T @ (inverse @ (self.sums @ point - self.level))
        return point

    def _rest(self, point: Floats, x: Floats) -> Floats:
        if not len(self.rests):
            return np.zeros(0)
        p = self.problem
        truth = np.array([p.rests[k][2] for k in self.rests])
        moved = point - x
        return np.asarray(truth + (self.tied * moved[self.ties]).sum(1))

    def _inside(self, x: Floats, low: Floats, high: Floats) -> Floats:
        """A point well inside the bounds where all sums are as they are: the analytic centre, by Newton's method, from
        any start; the truth, where that finds no way (what is known may leave no inside)."""
        if not len(self.sums):
            return x
        top = np.where(np.isfinite(high), high, np.maximum(low, x) + _FREE)
        low = np.where(np.isfinite(high), low, np.maximum(low, x - _FREE))
        span = top - low
        free = span > 1e-9
        here = np.where(free, np.clip(x, low + span / 8, top - span / 8), x)
        for _ in range(_STEPS):
            under, over = np.maximum(here - low, 1e-12), np.maximum(top - here, 1e-12)
            give = np.where(free, 1 / (1 / under**2 + 1 / over**2), 0)
            pull = give * (1 / under - 1 / over)
            weighted = self.sums * give
            lack = self.level - self.sums @ here
            move = pull - weighted.T @ _solved(weighted @ self.sums.T, self.sums @ pull - lack)
            reach = _reach(move, top - here, here - low)
            here = here + min(1.0, 0.9 * reach) * move
            if reach > 1.2 and np.abs(move).max() < 0.1:
                break
        point = self._onto(here, np.where(free, np.minimum(here - low, top - here) ** 2, 0))
        off = np.abs(self.sums @ point - self.level).max() > 1e-7
        outside = np.any(point < low - 1e-9) or np.any(point > high + 1e-9)
        return x if off or outside else point

    def _rest_moves(self, moves: Floats) -> Floats:
        if moves.ndim == 1:
            return np.asarray((self.tied * moves[self.ties]).sum(1))
        return np.asarray((self.tied[:, :, None] * moves[self.ties]).sum(1))

    def _moves(self, slack: Floats, wanted: npt.NDArray[np.int64]) -> Floats:
        """For each wanted count (a column) the move that raises it by 1."""
        room = np.minimum(slack, _FREE) ** 2
        moves = np.zeros((len(room), len(wanted)))
        moves[wanted, np.arange(len(wanted))] = room[wanted]
        if len(self.sums):
            weighted = self.sums * room
            inverse = _inverse(weighted @ self.sums.T)
            for _ in range(3):
                moves -= weighted.T @ (inverse @ (self.sums @ moves))
        own = moves[wanted, np.arange(len(wanted))].copy()
        flat = own <= 1e-9 * np.maximum(room[wanted], 1e-30)
        moves /= np.where(flat, 1.0, own)
        moves[:, flat] = 0
        off = np.abs(self.sums @ moves).max(axis=0, initial=0) > 1e-7
        moves[:, off] = 0
        return moves

    def _stretched(
        self, i: int, x: Floats, middle: Floats, low: Floats, high: Floats, rest: Floats, rest_low: Floats,
        *, hard: bool = False,
    ) -> tuple[Floats, Floats]:  # fmt: skip
        """Two points apart in a count, by several steps each way instead of one, each by the room that is left (Dikin's
        method), where only counts near this one move. The truth is a point as well."""
        least, most = (x, middle) if x[i] < middle[i] else (middle, x)
        tried = -1
        sizes, steps = (_LAST, 4 * _STRETCHES) if hard else (_SIZES, _STRETCHES)
        for size, sign in product(sizes, (1.0, -1.0)):
            rows, near = self._near(i, size)
            if sign > 0 and len(near) == tried:
                break
            tried = len(near)
            sums = self.sums[np.ix_(rows, near)]
            here = middle
            for _ in range(steps):
                if most[i] - least[i] >= WIDTH + _MARGIN:
                    return least, most
                slack = np.maximum(np.minimum(np.minimum(high - here, here - low), _FREE), 0)[near]
                room = slack**2
                part = np.where(near == i, sign * room, 0)
                if len(sums):
                    weighted = sums * room
                    matrix = weighted @ sums.T
                    for _ in range(3):
                        part = part - weighted.T @ _solved(matrix, sums @ part)
                        if np.abs(sums @ part).max() < 1e-9 * max(np.abs(part).max(), 1e-3):
                            break
                move = np.zeros(len(here))
                move[near] = part
                left = self._rest_at(rest, here - middle) - rest_low
                reach = min(
                    _reach(move, high - here, here - low),
                    _reach(self._rest_moves(move), np.full(len(rest), np.inf), left),
                    2 * WIDTH / max(abs(move[i]), 1e-12),
                )
                if not (np.isfinite(reach) and reach * abs(move[i]) > 1e-3):
                    break
                if len(sums) and np.abs(sums @ part).max() * reach > _NOISE / 100:
                    break
                here = here + 0.95 * reach * move
                least, most = (here if here[i] < least[i] else least), (here if here[i] > most[i] else most)
        return least, most

    def _near(self, i: int, size: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The sums within some steps of a count, and the counts that are in no others; kept, as they do not change."""
        if (i, size) not in self.nearby:
            rows = set(self.rows_of[i])
            for _ in range(_HOPS):
                wider = {r for k in rows for j in self.counts_of[k] for r in self.rows_of[j]}
                if len(wider) > max(size, len(rows)) and len(rows) > 3:
                    break
                rows = wider
            free = {j for k in rows for j in self.counts_of[k] if rows.issuperset(self.rows_of[j])} | {i}
            self.nearby[i, size] = np.array(sorted(rows), np.int64), np.array(sorted(free), np.int64)
        return self.nearby[i, size]

    def _rest_at(self, rest: Floats, moved: Floats) -> Floats:
        return rest + self._rest_moves(moved) if len(rest) else rest

    def _reaches(
        self, moves: Floats, up: Floats, down: Floats, rest_up: Floats, rest_down: Floats
    ) -> tuple[Floats, Floats, Floats]:
        """How far each wanted count goes up, and down, and how soon each count stops the move."""
        there, back = _pace(moves, up, down), _pace(moves, down, up)
        total = np.maximum(there, back)
        rest = self._rest_moves(moves)
        rest_there, rest_back = _pace(rest, rest_up, rest_down), _pace(rest, rest_down, rest_up)
        rise = np.maximum(there.max(axis=0), rest_there.max(axis=0, initial=0))
        fall = np.maximum(back.max(axis=0), rest_back.max(axis=0, initial=0))
        rises, falls = (np.divide(1, pace, out=np.zeros(len(pace)), where=pace > 0) for pace in (rise, fall))
        if len(self.rests):  # what a rest stops is let go by withholding its whole or its part
            share = np.maximum(rest_there, rest_back)
            for side in (0, 1):
                np.maximum.at(total, self.ties[:, side], share * (self.tied[:, side] != 0)[:, None])
        return rises, falls, total

    def _cheapest(self, stops: Floats, i: int | None = None) -> int | None:
        """Of the counts (near one) that stop a move soonest the cheapest that may be withheld."""
        p = self.problem
        may = p.movable[self.cells]
        if i is not None:
            near = np.zeros(len(may), bool)
            near[[j for k in self._near(i, _SIZES[0])[0] for j in self.counts_of[k]]] = True
            may = may & near
        if not (may & (stops > 0)).any():
            return None
        best = stops[may].max()
        choice = np.flatnonzero(may & (stops >= _BEARS * best))
        return int(choice[np.argmin(p.costs[self.cells[choice]] / stops[choice])])

    def _nearest(self, i: int) -> int | None:
        """The cheapest count that shares a sum or a rest with this one, else any that may be withheld."""
        p = self.problem
        may = p.movable[self.cells]
        near = may & (self.sums[self.sums[:, i] != 0] != 0).any(axis=0)
        if not near.any():
            near = may
        choice = np.flatnonzero(near)
        return int(choice[np.argmin(p.costs[self.cells[choice]])]) if len(choice) else None


def _room(span: Floats) -> Floats:
    return np.minimum(np.maximum(span, 0.0), 1e6)


def _pace(moves: Floats, up: Floats, down: Floats) -> Floats:
    """The share of its room that each count uses up for a move of 1."""
    room = np.where(moves > 0, up[:, None], down[:, None])
    size = np.abs(moves)
    size[size < 1e-9] = 0
    return np.asarray(np.where(size > 0, size / np.maximum(room, 1e-9), 0.0))


def _reach(step: Floats, up: Floats, down: Floats) -> float:
    """How many times a step can be taken before a bound is reached."""
    room = np.where(step > 0, up, down)
    size = np.abs(step)
    return float(np.min(np.maximum(room, 0)[size > 1e-12] / size[size > 1e-12], initial=np.inf))


def _inverse(matrix: Floats) -> Floats:
    """The inverse of a positive semidefinite matrix whose rows may depend on each other, nearly: for use with steps of
    refinement, which bring a consistent system to its solution."""
    scale = _scale(matrix)
    return np.asarray(np.linalg.inv(_regular(matrix, scale)) * scale[:, None] * scale)


def _solved(matrix: Floats, right: Floats) -> Floats:
    """The same for one right-hand side."""
    scale = _scale(matrix)
    return np.asarray(scale * np.linalg.solve(_regular(matrix, scale), scale * right))


def _scale(matrix: Floats) -> Floats:
    size = np.diagonal(matrix)
    return np.asarray(1 / np.sqrt(np.where(size > 1e-30, size, 1.0)))


def _regular(matrix: Floats, scale: Floats) -> Floats:
    even = matrix * scale[:, None] * scale
    even[np.diag_indices_from(even)] += 1e-9
    return np.asarray(even)
