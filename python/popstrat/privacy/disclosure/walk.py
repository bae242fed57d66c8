"""Walking all tables of a region from where they truly are to where few counts can be told apart any more.

Each table is somewhere (``at``, how far each count is from the truth); all of them together are somewhere that is
possible. One table moves at a time, by the simplex method (`simplex.push`), within what the others leave it: so each
place that any of them comes to is a witness for all. Where a count goes no further because another table holds it or a
count that it depends on (a part cannot be more than its whole), that one is asked to move first, and those that hold it
before.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from popstrat.core.compiled import compiled
from popstrat.privacy.disclosure.rules import ROUND_TO, SMALLEST, WIDTH
from popstrat.privacy.disclosure.simplex import blocker, push, sound

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_ANY = 1e12
_ASKED_FIRST, _ASKED, _ASKED_LAST = 10, 60, 1000
"""So many moves at most for one count: at first, where counts may be withheld for it, and where that was not enough."""
_BLUR = ROUND_TO // 2
_DEPTH = 3
"""A table asks another, that one the next: so many after each other."""
_FRESH = 400
_IDLE = 6
_LARGE = 50.0
_LITTLE = 0.05
_MANY = 60
_RINGS = 1
_ROUNDS = 6
_SAME = 1e-7
_SLIGHT = 0.05
_WIDE = WIDTH - 1e-7


class Cells(NamedTuple):
    """The cells of a region: their sums, solved (`simplex.solved`) and as they are; which are asked for, and ranks."""

    solution: Floats
    solved_for: Ints
    starts: Ints
    counts: Ints
    signs: Floats
    asked: Bools
    ranks: Ints


class Tables(NamedTuple):
    """Tables of a region (tables by cells), what is known of them, and how far each got in all."""

    x: Floats
    small: Bools
    nobody: Bools
    off: Bools
    never: Bools
    costs: Floats
    shown: Bools
    top: Floats
    bottom: Floats


class Kin(NamedTuple):
    """Which tables are parts of which, and their small rests; lists stand after each other, each from its start."""

    part: Ints
    whole: Ints
    pair_starts: Ints
    pairs: Ints
    above_starts: Ints
    above: Ints
    """All that hold a table, wholes before their parts."""
    order: Ints
    few_starts: Ints
    few_pair: Ints
    few_cell: Ints
    shown: Bools
    """Rests (pairs by cells) that need no more."""
    top: Floats
    bottom: Floats


class Where(NamedTuple):
    """Where the tables are, and room to work in: some solutions, each of the table that it was last used for."""

    at: Floats
    box: Floats
    solutions: Floats
    basis: Ints
    row_of: Ints
    steps: Ints
    of: Ints
    last: Ints
    there: Ints
    room: Ints
    """How many moves are left for what is tried, and how many there are for the next where counts may be withheld."""
    still: Ints
    """A table and a cell that stay where they are meanwhile; -1 where there is none."""


@compiled
def _bound(tables: Tables, kin: Kin, at: Floats, still: Ints, t: int, box: Floats) -> None:
    """How far a table may go in each cell: lowest and highest as it is, and the same once it withholds the cell."""
    n = tables.x.shape[1]
    for c in range(n):
        x = tables.x[t, c]
        if tables.nobody[t, c]:
            box[:, c] = 0.0
            continue
        near = np.floor((x + _BLUR) / ROUND_TO) * ROUND_TO
        box[0, c], box[1, c] = near - _BLUR - x, near + _BLUR - x
        if tables.off[t, c]:
            box[0, c], box[1, c] = -x, (SMALLEST - 1.0 - x if tables.small[t, c] else _ANY)
        box[2, c], box[3, c] = -x, _ANY
    for k in range(kin.pair_starts[t], kin.pair_starts[t + 1]):
        i, o = kin.part[kin.pairs[k]], kin.whole[kin.pairs[k]]
        if i == o:
            continue
        for c in range(n):
            rest = tables.x[o, c] - tables.x[i, c]
            shown = not tables.off[i, c] and not tables.off[o, c]
            if shown and rest >= _LARGE:
                continue
            few, none = 0.0 < rest < SMALLEST, rest == 0.0
            high_off = SMALLEST - 1.0 if few and not tables.small[i, c] else _ANY
            low = float(SMALLEST) if shown and not none and not few else 0.0
            high = 0.0 if shown and none else high_off
            if t == o:
                by = at[i, c] - rest
                box[0, c], box[1, c] = max(box[0, c], low + by), min(box[1, c], high + by)
                box[2, c], box[3, c] = max(box[2, c], by), min(box[3, c], high_off + by)
            else:
                by = at[o, c] + rest
                box[0, c], box[1, c] = max(box[0, c], by - high), min(box[1, c], by - low)
                box[2, c], box[3, c] = max(box[2, c], by - high_off), min(box[3, c], by)
    if still[0] == t:
        box[:, still[1]] = at[t, still[1]]


@compiled
def _solution_of(cells: Cells, where: Where, t: int) -> int:
    """The solution that a table last went on from, or that which was used longest ago, anew."""
    slot = 0
    for s in range(len(where.of)):
        if where.of[s] == t:
            slot = s
            break
        if where.last[s] < where.last[slot]:
            slot = s
    if where.of[slot] != t or where.steps[slot] > _FRESH:
        where.solutions[slot] = cells.solution
        where.basis[slot] = cells.solved_for
        where.row_of[slot] = -1
        where.row_of[slot][cells.solved_for] = np.arange(len(cells.solved_for))
        where.of[slot], where.steps[slot] = t, 0
    where.last[slot] = where.last.max() + 1
    return slot


@compiled
def _note(tables: Tables, kin: Kin, at: Floats, t: int) -> None:
    """A table has come to somewhere possible."""
    for c in range(tables.x.shape[1]):
        if at[t, c] > tables.top[t, c]:
            tables.top[t, c] = at[t, c]
        elif at[t, c] < tables.bottom[t, c]:
            tables.bottom[t, c] = at[t, c]
        else:
            continue
        if tables.top[t, c] - tables.bottom[t, c] >= _WIDE:
            tables.shown[t, c] = True
    for k in range(kin.few_starts[t], kin.few_starts[t + 1]):
        p, c = kin.few_pair[k], kin.few_cell[k]
        if kin.shown[p, c]:
            continue
        by = at[kin.whole[p], c] - at[kin.part[p], c]
        kin.top[p, c], kin.bottom[p, c] = max(kin.top[p, c], by), min(kin.bottom[p, c], by)
        if kin.top[p, c] - kin.bottom[p, c] >= _WIDE:
            kin.shown[p, c] = True


@compiled
def _back(where: Where) -> None:
    """All tables are where they truly are."""
    for t in range(len(where.at)):
        where.at[t] = 0.0


@compiled
def _move(
    cells: Cells, tables: Tables, kin: Kin, where: Where, t: int, c: int, goal: float
) -> tuple[bool, int]:  # fmt: skip
    """Move a count of a table to ``goal`` or as far as it goes; whether it got there, and in which solution (-1 where
    rounding was in the way: then all are back)."""
    sign = 1.0 if goal > where.at[t, c] else -1.0
    _bound(tables, kin, where.at, where.still, t, where.box)
    low, high, at = where.box[0], where.box[1], where.at[t]
    slot = _solution_of(cells, where, t)
    took = push(
        where.solutions[slot], where.basis[slot], where.row_of[slot], low, high, at, c, sign, goal, where.there
    )  # fmt: skip
    where.steps[slot] += abs(took)
    if not sound(cells.starts, cells.counts, cells.signs, low, high, at):
        where.steps[slot] = _FRESH + 1
        _back(where)
        return False, -1
    _note(tables, kin, where.at, t)
    return took > 0, slot


@compiled
def _in_the_way(
    tables: Tables, where: Where, t: int, c: int, slot: int, up: bool, least: float
) -> tuple[int, float]:  # fmt: skip
    """Which count of a table to withhold so that it goes further from here, for less; -1 where there is none."""
    may = ~(tables.off[t] | tables.never[t])
    cell, price = blocker(
        where.solutions[slot], where.row_of[slot], where.box, may, tables.costs[t], where.at[t], c, 1.0 if up else -1.0
    )  # fmt: skip
    return (cell, price) if cell >= 0 and price < least else (-1, least)


@compiled
def _held(tables: Tables, kin: Kin, at: Floats, p: int, t: int, c: int, up: bool) -> bool:
    """Whether a count cannot go up (or down) because of what one of a pair of tables leaves of the other."""
    i, o = kin.part[p], kin.whole[p]
    rest = tables.x[o, c] - tables.x[i, c]
    shown = not tables.off[i, c] and not tables.off[o, c]
    if i == o or (shown and rest >= _LARGE):
        return False
    few, none = 0.0 < rest < SMALLEST, rest == 0.0
    now = rest + at[o, c] - at[i, c]
    if up == (t == i):  # the rest would go down
        return bool(now <= (float(SMALLEST) if shown and not none and not few else 0.0) + _SAME)
    high = SMALLEST - 1.0 if few and not tables.small[i, c] else _ANY
    return bool(now >= (0.0 if shown and none else high) - _SAME)


@compiled
def _itself(tables: Tables, at: Floats, t: int, c: int, up: bool) -> bool:
    """Whether a count cannot go up (or down) whatever other tables do."""
    x = tables.x[t, c]
    if tables.nobody[t, c]:
        return True
    if tables.off[t, c]:
        return bool(tables.small[t, c] and x + at[t, c] >= SMALLEST - 1.0 - _SAME if up else x + at[t, c] <= _SAME)
    near = np.floor((x + _BLUR) / ROUND_TO) * ROUND_TO
    return bool(x + at[t, c] >= near + _BLUR - _SAME if up else x + at[t, c] <= near - _BLUR + _SAME)


@compiled
def _next(
    cells: Cells, tables: Tables, kin: Kin, where: Where, t: int, c: int, up: bool, slot: int, tried: Bools
) -> tuple[int, int, float, bool]:  # fmt: skip
    """Where a count that goes no further is held by another table: the cell (-1 for none), the pair of tables (-1 where
    nothing holds it any more), by how much the count follows it, and whether it is to go up."""
    row = where.row_of[slot][c]
    for j in range(tables.x.shape[1]):
        by = -1.0 if j == c else where.solutions[slot][row, j] if row >= 0 else 0.0
        if abs(by) < _SLIGHT or tried[j] or (j != c and where.row_of[slot][j] >= 0):
            continue
        j_up = up if by < 0 else not up
        if _itself(tables, where.at, t, j, j_up) or (where.still[0] == t and where.still[1] == j):
            continue
        for k in range(kin.pair_starts[t], kin.pair_starts[t + 1]):
            if _held(tables, kin, where.at, kin.pairs[k], t, j, j_up):
                return j, kin.pairs[k], abs(by), j_up
        if j != c or row < 0:
            return j, -1, abs(by), j_up
    return -1, -1, 0.0, up


@compiled
def _reach(
    cells: Cells, tables: Tables, kin: Kin, where: Where, t: int, c: int, goal: float, depth: int
) -> tuple[bool, int]:  # fmt: skip
    """Move a count of a table to ``goal``, or as far as it goes while those that hold it are asked to go out of its
    way, and those that hold these (``depth`` of them after each other). As `_move`.

    Loops with a stack of their own: what numba keeps of a function that calls itself fails when it is read again."""
    of, cell, aim = np.full(depth + 1, t), np.full(depth + 1, c), np.full(depth + 1, goal)
    ups, idle = np.zeros(depth + 1, np.bool_), np.zeros(depth + 1, np.int64)
    asked, before = np.full(depth + 1, -1), np.zeros(depth + 1)
    slots = np.zeros(depth + 1, np.int64)
    tried = np.zeros((depth + 1, tables.x.shape[1]), np.bool_)
    level, begin = 0, True
    while True:
        t, c, goal = of[level], cell[level], aim[level]
        there, again = False, begin
        if begin:
            ups[level], idle[level] = goal > where.at[t, c], 0
            tried[level] = False
        elif where.of[slots[level]] != t:
            again = True
        else:
            j, p, by, j_up = _next(cells, tables, kin, where, t, c, ups[level], slots[level], tried[level])
            if p >= 0 and level < depth and where.room[0] > 0:
                o = kin.whole[p] if kin.part[p] == t else kin.part[p]
                left = max(abs(goal - where.at[t, c]) / by, 1.0)
                asked[level], before[level] = j, where.at[o, j]
                further = before[level] + left if j_up else max(before[level] - left, -tables.x[o, j])
                if abs(further - before[level]) <= _SAME:
                    tried[level, j] = True
                    continue
                level += 1
                of[level], cell[level], aim[level], begin = o, j, further, True
                continue
            if p < 0 <= j:
                tried[level, j] = again = True
        if again:
            had = where.at[t, c]
            there, slots[level] = _move(cells, tables, kin, where, t, c, goal)
            where.room[0] -= 1
            if slots[level] < 0:
                return False, -1
            if not begin:
                idle[level] += 1
                if abs(where.at[t, c] - had) > _LITTLE:
                    idle[level] = 0
                    tried[level] = False
            begin = False
            if not there and where.room[0] > 0 and level < depth and idle[level] <= _IDLE:
                continue
        if level == 0:
            return there, slots[0]
        o, j = of[level], cell[level]
        level -= 1
        if abs(where.at[o, j] - before[level]) <= _LITTLE:
            tried[level, asked[level]] = True


@compiled
def _go(
    cells: Cells, tables: Tables, kin: Kin, where: Where, t: int, c: int, goal: float, lift: bool, hide: bool,
    least: float,
) -> tuple[int, int, float]:  # fmt: skip
    """Move a count towards ``goal``; what to withhold (table, cell, price under ``least``) where it falls short."""
    if lift:
        _back(where)
    where.room[0] = where.room[1] if hide else _ASKED_FIRST
    there, slot = _reach(cells, tables, kin, where, t, c, goal, _DEPTH if lift else 0)
    if there or slot < 0 or not hide:
        return -1, -1, least
    aim, up = tables.x[t, c] + goal, goal > where.at[t, c]
    for _ in range(_DEPTH + 1):
        _bound(tables, kin, where.at, where.still, t, where.box)
        cell, price = _in_the_way(tables, where, t, c, slot, up, least)
        if cell >= 0:
            return t, cell, price
        other = -1
        for k in range(kin.pair_starts[t], kin.pair_starts[t + 1]):
            p = kin.pairs[k]
            if _held(tables, kin, where.at, p, t, c, up):
                other = kin.whole[p] if kin.part[p] == t else kin.part[p]
                break
        if other < 0:
            break
        t = other  # what holds it, and what is in the way of that
        goal = aim - tables.x[t, c]
        if up != (goal > where.at[t, c]):
            break
        where.room[0] = where.room[1]
        there, slot = _reach(cells, tables, kin, where, t, c, goal, _DEPTH)
        if there or slot < 0:
            break
    return -1, -1, least


@compiled
def _widen(
    cells: Cells, tables: Tables, kin: Kin, where: Where, t: int, c: int, lift: bool, hide: bool
) -> bool:  # fmt: skip
    """Show that a withheld count is wide enough; whether that was done. Where ``hide`` is set, withhold for it."""
    for _ in range(_MANY):
        blocked, cell, price = -1, -1, np.inf
        for sign in (1, -1):
            if tables.shown[t, c]:
                return True
            x = tables.x[t, c]
            if sign > 0:
                goal = tables.bottom[t, c] + WIDTH
                if tables.small[t, c]:
                    goal = min(goal, SMALLEST - 1.0 - x)
                if goal <= tables.top[t, c] + _SAME:
                    continue
            else:
                goal = max(tables.top[t, c] - WIDTH, -x)
                if goal >= tables.bottom[t, c] - _SAME:
                    continue
            of, one, least = _go(cells, tables, kin, where, t, c, goal, lift, hide, price)
            if one >= 0:
                blocked, cell, price = of, one, least
        if tables.shown[t, c]:
            return True
        if not hide or cell < 0:
            return False
        tables.off[blocked, cell] = True
    return False


@compiled
def _widen_rest(
    cells: Cells, tables: Tables, kin: Kin, where: Where, p: int, c: int, hide: bool
) -> bool:  # fmt: skip
    """The same of what a part leaves of its whole: the one moves, and if that is not enough the other as well."""
    for _ in range(_MANY):
        blocked, cell, price = -1, -1, np.inf
        for way in range(4):
            if kin.shown[p, c]:
                return True
            up, first, second = way % 2 == 0, kin.part[p], kin.whole[p]
            goal = kin.bottom[p, c] + WIDTH if up else kin.top[p, c] - WIDTH
            if (up and goal <= kin.top[p, c] + _SAME) or (not up and goal >= kin.bottom[p, c] - _SAME):
                continue
            if way < 2:
                goal = -goal
            else:
                first, second = second, first
            aim = max(goal, -tables.x[first, c])
            where.still[0], where.still[1] = second, c
            of, one, least = _go(cells, tables, kin, where, first, c, aim, True, hide, price)
            if one >= 0:
                blocked, cell, price = of, one, least
            where.still[0], where.still[1] = first, c
            left = goal - where.at[first, c]
            if not kin.shown[p, c] and abs(left) > _SAME:
                where.room[0] = where.room[1]
                _reach(cells, tables, kin, where, second, c, max(-left, -tables.x[second, c]), _DEPTH)
            where.still[0] = -1
        if kin.shown[p, c]:
            return True
        if not hide or cell < 0:
            return False
        tables.off[blocked, cell] = True
    return False


@compiled
def _loosen(cells: Cells, tables: Tables, kin: Kin, t: int, c: int, near: Bools) -> bool:
    """Withhold all that some cells (``near``, at first a count alone) add up with, of its table and of those that hold
    it closely; these cells are near too from then on. Whether anything was withheld."""
    n, more = tables.x.shape[1], near.copy()
    for r in range(len(cells.starts) - 1):
        row = cells.counts[cells.starts[r] : cells.starts[r + 1]]
        if near[row].any():
            more[row] = True
    near[:] = more
    any_more = False
    for k in range(-1, kin.above_starts[t + 1] - kin.above_starts[t]):
        of = t if k < 0 else kin.above[kin.above_starts[t] + k]
        if of != t and tables.x[of, c] - tables.x[t, c] >= WIDTH:
            continue
        for j in range(n):
            if near[j] and not (tables.off[of, j] or tables.never[of, j]):
                tables.off[of, j] = any_more = True
    return any_more


@compiled
def _table(cells: Cells, tables: Tables, kin: Kin, where: Where, t: int, todo: Bools, hide: bool, failed: Ints) -> None:
    """Widen the counts and rests of one table: alone, then others making room, and by withholding more. ``failed`` has
    how many counts were withheld when that was tried in vain."""
    n = tables.x.shape[1]
    near = np.zeros(n, np.bool_)
    _back(where)
    if not hide:
        for c in range(n):
            if todo[c] and tables.off[t, c] and not tables.shown[t, c]:
                _widen(cells, tables, kin, where, t, c, False, False)
    for c in range(n):
        if todo[c] and tables.off[t, c] and not tables.shown[t, c] and failed[t, c] != tables.off.sum():
            done = _widen(cells, tables, kin, where, t, c, True, hide)
            if hide and not done:
                where.room[1] = _ASKED_LAST
                done = _widen(cells, tables, kin, where, t, c, True, True)
                near[:] = False
                near[c] = True
                for _ in range(_RINGS):
                    if not done and _loosen(cells, tables, kin, t, c, near):
                        done = _widen(cells, tables, kin, where, t, c, True, True)
                where.room[1] = _ASKED
            if not done:
                failed[t, c] = tables.off.sum()
    for k in range(kin.few_starts[t], kin.few_starts[t + 1]):
        p, c = kin.few_pair[k], kin.few_cell[k]
        if todo[c] and kin.part[p] == t and not kin.shown[p, c]:
            done = _widen_rest(cells, tables, kin, where, p, c, hide)
            if hide and not done:
                where.room[1] = _ASKED_LAST
                done = _widen_rest(cells, tables, kin, where, p, c, True)
                near[:] = False
                near[c] = True
                for _ in range(_RINGS):
                    if not done and _loosen(cells, tables, kin, t, c, near):
                        done = _widen_rest(cells, tables, kin, where, p, c, True)
                where.room[1] = _ASKED


@compiled
def walk(cells: Cells, tables: Tables, kin: Kin, where: Where, hide: bool) -> None:
    """Show what can be shown of a region while one table moves after the other. Where ``hide`` is set, withhold what it
    takes, from the larger areas to the smaller: what must be withheld of a larger one helps all within it.

    ``off``, ``shown``, ``top`` and ``bottom`` are changed."""
    ranks = np.unique(cells.ranks[cells.asked])[::-1] if hide else cells.ranks[:1] * 0
    failed = np.full(tables.x.shape, -1, np.int64)
    where.room[1] = _ASKED
    for rank in ranks:
        todo = cells.asked & (cells.ranks >= rank)
        for _ in range(_ROUNDS):
            before = tables.off.sum()
            for t in kin.order:
                _table(cells, tables, kin, where, t, todo, hide, failed)
            if tables.off.sum() == before:
                break
    _back(where)
