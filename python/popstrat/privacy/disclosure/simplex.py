"""How far counts of a region can move while all its sums hold: the simplex method with bounds, for many counts in turn.

A region is some of the cells of a layout; all others stay as they truly are, so that whatever move is found here is
possible in the whole. The sums of a region are the same for all tables, and are solved once, for as many cells as there
are sums (`solved`); what differs is how far each cell may go. From where one count got to, the next goes on: on its way
many others reach their ends too, so that most counts need no move of their own.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from popstrat.core.compiled import compiled
from popstrat.privacy.disclosure.block import pivot, towards

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_PIVOT = 1e-7
_TIGHT = 1e-9
_STEPS = 150
_MANY = 60
_SAME = 1e-7


@compiled
def solved(matrix: Floats, order: Ints) -> tuple[Floats, Ints]:
    """Sums (rows) over cells, solved for a cell each: the rows that follow from no others, and the cell of each. Cells
    that come first in ``order`` are solved for first."""
    m, n = matrix.shape
    table, used, there = matrix.copy(), np.zeros(m, np.bool_), np.empty(n, np.int64)
    row_of = np.full(n, -1, np.int64)
    for j in order:
        best = -1
        for r in range(m):
            if not used[r] and abs(table[r, j]) > _PIVOT and (best < 0 or abs(table[r, j]) > abs(table[best, j])):
                best = r
        if best >= 0:
            used[best], row_of[j] = True, best
            pivot(table, best, j, there)
    basis = np.flatnonzero(row_of >= 0)
    return table[row_of[basis]], basis


@compiled
def push(
    table: Floats, basis: Ints, row_of: Ints, low: Floats, high: Floats, at: Floats, i: int, sign: float, goal: float,
    there: Ints,
) -> int:  # fmt: skip
    """Raise (``sign`` 1) or lower (-1) ``at`` of ``i`` to ``goal``, or as far as it goes; how many steps that took,
    negative where it did not get there."""
    m, n = table.shape
    idle = 0
    for step_number in range(1, _STEPS):
        if sign * (goal - at[i]) <= _TIGHT:
            return step_number
        row = row_of[i]
        enter, way, best, pace = -1, 1.0, 0.0, 1.0
        if row < 0:
            room = high[i] - at[i] if sign > 0 else at[i] - low[i]
            if room > _TIGHT:
                enter, way = i, sign
        else:
            for j in range(n):
                by = table[row, j]
                if by == 0.0 or row_of[j] >= 0:
                    continue
                rate = -sign * by
                worth = towards(rate, at[j], low[j], high[j])
                if worth > best:
                    best, enter, way, pace = worth, j, (1.0 if rate > 0 else -1.0), abs(rate)
                    if idle > _MANY:  # the first, so that it cannot go round in circles
                        break
        if enter < 0:
            return -step_number
        step = high[enter] - at[enter] if way > 0 else at[enter] - low[enter]
        leave, size = -1, 0.0
        for r in range(m):
            alpha = table[r, enter] * way
            if -_PIVOT <= alpha <= _PIVOT:
                continue
            b = basis[r]
            limit = max(at[b] - low[b], 0.0) / alpha if alpha > 0 else max(high[b] - at[b], 0.0) / -alpha
            if limit < step - _TIGHT or (limit <= step + _TIGHT and abs(alpha) > size):
                step, leave, size = min(limit, step), r, abs(alpha)
        wanted = sign * (goal - at[i]) / pace
        if wanted <= step:
            step, leave = wanted, -2
        if step > 0.0:
            at[enter] += way * step
            for r in range(m):
                alpha = table[r, enter]
                if alpha != 0.0:
                    at[basis[r]] -= alpha * way * step
        if leave == -2:
            return step_number
        idle = 0 if step > _TIGHT else idle + 1
        if leave < 0:
            at[enter] = high[enter] if way > 0 else low[enter]
            continue
        gone = basis[leave]
        at[gone] = low[gone] if table[leave, enter] * way > 0 else high[gone]
        pivot(table, leave, enter, there)
        basis[leave], row_of[enter], row_of[gone] = enter, leave, -1
    return -_STEPS


@compiled
def sound(starts: Ints, counts: Ints, signs: Floats, low: Floats, high: Floats, at: Floats) -> bool:
    """Whether a move is within its bounds and leaves every sum as it is."""
    for j in range(len(at)):
        if not (low[j] - _SAME <= at[j] <= high[j] + _SAME):
            return False
    for r in range(len(starts) - 1):
        total = 0.0
        for k in range(starts[r], starts[r + 1]):
            total += signs[k] * at[counts[k]]
        if not abs(total) <= _SAME:
            return False
    return True


@compiled
def blocker(
    table: Floats, row_of: Ints, box: Floats, may: Bools, costs: Floats, at: Floats, i: int, sign: float
) -> tuple[int, float]:  # fmt: skip
    """Which count to withhold so that ``i`` goes further, for the least cost; -1 where there is none."""
    row, cell, least = row_of[i], -1, np.inf
    if row < 0:
        return cell, least
    for j in range(len(at)):
        by = table[row, j]
        if row_of[j] >= 0 or abs(by) < 0.05 or not may[j]:
            continue
        up = -sign * by > 0
        if (up and box[1, j] <= at[j] + _SAME) or (not up and box[0, j] >= at[j] - _SAME):
            price = costs[j] / min(abs(by), 1.0)
            if price < least:
                cell, least = j, price
    return cell, least
