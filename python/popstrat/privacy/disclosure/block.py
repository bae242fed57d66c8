"""How far one count of a block of others can go, by the simplex method with bounds, from a point where all sums hold.

What moves is the difference from that point. A block is some sums and the counts that are in no others, so that what
is outside stays as it is: whatever move is found is possible in the whole as well.
"""

from __future__ import annotations

from heapq import heappop, heappush

import numpy as np
import numpy.typing as npt

from popstrat.core.compiled import compiled

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_PIVOT = 1e-7
_TIGHT = 1e-9
_NOUGHT = 1e-12
_ROOMY = 60.0


@compiled
def matrix(
    starts: Ints, counts: Ints, signs: Floats, rows: Ints, columns: Ints, at: Ints, found: Floats
) -> None:  # fmt: skip
    """Write the sums of a block into ``found``, a dense matrix; ``at`` is -1 for every count, and is left so."""
    found[:] = 0.0
    for j in range(len(columns)):
        at[columns[j]] = j
    for r in range(len(rows)):
        for k in range(starts[rows[r]], starts[rows[r] + 1]):
            if at[counts[k]] >= 0:
                found[r, at[counts[k]]] += signs[k]
    for j in range(len(columns)):
        at[columns[j]] = -1


@compiled
def around(
    starts: Ints, counts: Ints, row_starts: Ints, rows: Ints, chosen: Bools, waiting: Bools, i: int, size: int
) -> tuple[Ints, Ints]:  # fmt: skip
    """So many sums about a count, and the counts that are in no others, both sorted.

    It grows by whichever count brings the fewest new sums: what is bound by the sums that are there already; of equal
    ones by that which was met first. (That others have brought some of a count's sums is seen when its turn comes.)
    ``rows`` has the sums of each count as ``counts`` has the counts of each sum; ``chosen`` (of sums) and ``waiting``
    (of counts) are False throughout, and are left so.
    """
    queue = [(0, 0, i)]
    waiting[i] = True
    met, there = [i], [0][:0]
    while len(queue):
        brings, at, j = heappop(queue)
        new = 0
        for k in range(row_starts[j], row_starts[j + 1]):
            new += not chosen[rows[k]]
        if new < brings:  # others have brought some of its sums meanwhile
            heappush(queue, (new, at, j))
            continue
        if len(there) and len(there) + new > size:
            break
        first = len(there)
        for k in range(row_starts[j], row_starts[j + 1]):
            if not chosen[rows[k]]:
                chosen[rows[k]] = True
                there.append(rows[k])
        for r in there[first:]:
            for k in range(starts[r], starts[r + 1]):
                other = counts[k]
                if not waiting[other]:
                    waiting[other] = True
                    bring = 0
                    for q in range(row_starts[other], row_starts[other + 1]):
                        bring += not chosen[rows[q]]
                    heappush(queue, (bring, len(met), other))
                    met.append(other)
    free = [0][:0]
    for j in met:
        waiting[j] = False
        within = True
        for k in range(row_starts[j], row_starts[j + 1]):
            within = within and chosen[rows[k]]
        if within or j == i:
            free.append(j)
    for r in there:
        chosen[r] = False
    return np.sort(np.array(there, np.int64)), np.sort(np.array(free, np.int64))


@compiled
def off(starts: Ints, counts: Ints, signs: Floats, rows: Ints, columns: Ints, move: Floats, change: Floats) -> float:
    """By how much a move leaves the worst of some sums; ``change`` is 0 for every count, and is left so."""
    for j in range(len(columns)):
        change[columns[j]] = move[j]
    worst = 0.0
    for row in rows:
        total = 0.0
        for k in range(starts[row], starts[row + 1]):
            total += signs[k] * change[counts[k]]
        worst = max(worst, abs(total))
    for j in range(len(columns)):
        change[columns[j]] = 0.0
    return worst


@compiled
def pivot(table: Floats, row: int, cell: int, there: Ints) -> None:
    """Solve a row for a cell, and put that into all others; ``there`` is room for a number a cell."""
    size, filled = table[row, cell], 0
    for j in range(table.shape[1]):
        by = table[row, j]
        if by != 0.0:
            by /= size
            if abs(by) < _NOUGHT:
                table[row, j] = 0.0
            else:
                table[row, j] = by
                there[filled] = j
                filled += 1
    for r in range(len(table)):
        by = table[r, cell]
        if r != row and by != 0.0:
            for k in range(filled):
                table[r, there[k]] -= by * table[row, there[k]]
            table[r, cell] = 0.0
    table[row, cell] = 1.0


@compiled
def towards(rate: float, at: float, low: float, high: float) -> float:
    """What it is worth to move a count that a target follows at this rate, by the room that it has; 0 for nothing."""
    room = high - at if rate > 0 else at - low
    if abs(rate) <= _PIVOT or room <= _TIGHT:
        return 0.0
    return abs(rate) * (1.0 + min(room, _ROOMY) / _ROOMY)


@compiled
def climb(
    table: Floats, basis: Ints, basic: Bools, low: Floats, high: Floats, move: Floats, target: int, sign: float,
    aim: float, most: int,
) -> bool:  # fmt: skip
    """Raise (``sign`` 1) or lower (-1) the move of ``target`` until it has gone ``aim``, or goes no further.

    ``table`` (sums by counts), ``basis`` (a count for each sum, -1 at first), ``basic`` and ``move`` are changed, and
    may be handed in again for the other direction. ``low`` and ``high`` bound the moves. Whether it got there; if not,
    what stands in the way is in the row of ``table`` whose ``basis`` is ``target``. Gives up after ``most`` steps.
    """
    m, n = table.shape
    idle, there = 0, np.empty(n, np.int64)
    for _ in range(most):
        row = -1
        for r in range(m):
            if basis[r] == target:
                row = r
                break
        enter, way, best, pace = -1, 1.0, 0.0, 1.0
        if row < 0:
            room = high[target] - move[target] if sign > 0 else move[target] - low[target]
            if room > _TIGHT:
                enter, way = target, sign
        else:
            for j in range(n):
                if basic[j]:
                    continue
                rate = -sign * table[row, j]
                worth = towards(rate, move[j], low[j], high[j])
                if worth > best:
                    best, enter, way, pace = worth, j, (1.0 if rate > 0 else -1.0), abs(rate)
                    if idle > n:  # the first, so that it cannot go round in circles
                        break
        if enter < 0:
            return False
        step = high[enter] - move[enter] if way > 0 else move[enter] - low[enter]
        leave, size = -1, 0.0
        for r in range(m):
            alpha = table[r, enter] * way
            if abs(alpha) <= _PIVOT:
                continue
            b = basis[r]
            if b < 0:
                limit = 0.0
            elif alpha > 0:
                limit = max(move[b] - low[b], 0.0) / alpha
            else:
                limit = max(high[b] - move[b], 0.0) / -alpha
            if limit < step - _TIGHT or (limit <= step + _TIGHT and abs(alpha) > size):
                step, leave, size = min(limit, step), r, abs(alpha)
        wanted = (aim - sign * move[target]) / pace
        done = wanted <= step
        if done:
            step, leave = wanted, -1
        move[enter] += way * step
        for r in range(m):
            if basis[r] >= 0:
                move[basis[r]] -= table[r, enter] * way * step
        if done:
            return True
        idle = 0 if step > _TIGHT else idle + 1
        if leave < 0:
            move[enter] = high[enter] if way > 0 else low[enter]
            continue
        gone = basis[leave]
        if gone >= 0:
            move[gone] = low[gone] if table[leave, enter] * way > 0 else high[gone]
            basic[gone] = False
        pivot(table, leave, enter, there)
        basis[leave] = enter
        basic[enter] = True
    return False
