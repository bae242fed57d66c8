"""Moves that leave all sums as they are: a sparse factor of the sums turns any move into the nearest such.

Near is by weights, one a count: a count of weight nought does not move. The sums of a table of areas hang together
sparsely (practices with their areas, areas with theirs), so that a factor of a thousand sums is found in less than a
millisecond and used in a tenth of one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from popstrat.core.compiled import compiled

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_REDUNDANT = 1e-12


class Sums(NamedTuple):
    """Sums over counts, each as the counts of its terms (from ``starts``) with their signs; and the same the other way
    round, the sums of each count."""

    starts: Ints
    counts: Ints
    signs: Floats
    row_starts: Ints
    rows: Ints
    row_signs: Floats


class Pattern(NamedTuple):
    """In which order sums are eliminated, and where the factor has entries, column by column."""

    order: Ints
    place: Ints
    starts: Ints
    rows: Ints


def sums_of(n: int, starts: Ints, counts: Ints, signs: Floats) -> Sums:
    """Sums over ``n`` counts."""
    of = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    by_count = np.argsort(counts, kind="stable")
    row_starts = np.zeros(n + 1, np.int64)
    np.cumsum(np.bincount(counts, minlength=n), out=row_starts[1:])
    return Sums(starts, counts, signs, row_starts, of[by_count], signs[by_count])


@compiled
def pattern(sums: Sums) -> Pattern:
    """The order: always the sum that hangs together with the fewest others (of those left)."""
    m = len(sums.starts) - 1
    together = np.zeros((m, m), np.bool_)
    for r in range(m):
        for k in range(sums.starts[r], sums.starts[r + 1]):
            c = sums.counts[k]
            for q in range(sums.row_starts[c], sums.row_starts[c + 1]):
                together[r, sums.rows[q]] = True
        together[r, r] = False
    degree, gone = np.empty(m, np.int64), np.zeros(m, np.bool_)
    for r in range(m):
        degree[r] = together[r].sum()
    order, place, near = np.empty(m, np.int64), np.empty(m, np.int64), np.empty(m, np.int64)
    starts, rows = np.zeros(m + 1, np.int64), [0][:0]
    columns = [np.empty(0, np.int64) for _ in range(m)]
    for step in range(m):
        best = -1
        for r in range(m):
            if not gone[r] and (best < 0 or degree[r] < degree[best]):
                best = r
        order[step], place[best], gone[best] = best, step, True
        size = 0
        for r in range(m):
            if together[best, r] and not gone[r]:
                near[size] = r
                size += 1
        columns[step] = near[:size].copy()
        for a in range(size):
            i, more = near[a], 0
            for b in range(size):
                if near[b] != i and not together[i, near[b]]:
                    together[i, near[b]] = True
                    more += 1
            degree[i] += more - 1
    for step in range(m):
        starts[step] = len(rows)
        rows.append(step)
        below = columns[step]
        for a in range(len(below)):
            below[a] = place[below[a]]
        for i in np.sort(below):
            rows.append(i)
    starts[m] = len(rows)
    return Pattern(order, place, starts, np.array(rows, np.int64))


@compiled
def factor(sums: Sums, shape: Pattern, weights: Floats, found: Floats) -> None:
    """Write the Cholesky factor of the weighted sums into ``found``. Sums that follow from others have nought there."""
    m = len(sums.starts) - 1
    work = np.zeros(m)
    first, following, at = np.full(m, -1, np.int64), np.full(m, -1, np.int64), np.zeros(m, np.int64)
    for j in range(m):
        row, start, end = shape.order[j], shape.starts[j], shape.starts[j + 1]
        for k in range(sums.starts[row], sums.starts[row + 1]):
            c = sums.counts[k]
            if weights[c] != 0.0:
                by = sums.signs[k] * weights[c]
                for q in range(sums.row_starts[c], sums.row_starts[c + 1]):
                    i = shape.place[sums.rows[q]]
                    if i >= j:
                        work[i] += by * sums.row_signs[q]
        whole = work[j]
        column = first[j]
        while column >= 0:
            after, k0, last = following[column], at[column], shape.starts[column + 1]
            by = found[k0]
            if by != 0.0:
                for k in range(k0, last):
                    work[shape.rows[k]] -= by * found[k]
            if k0 + 1 < last:
                at[column] = k0 + 1
                i = shape.rows[k0 + 1]
                following[column], first[i] = first[i], column
            column = after
        if work[j] <= _REDUNDANT * whole or whole == 0.0:
            for k in range(start, end):
                work[shape.rows[k]] = found[k] = 0.0
        else:
            root = np.sqrt(work[j])
            for k in range(start, end):
                found[k] = work[shape.rows[k]] / root
                work[shape.rows[k]] = 0.0
        if start + 1 < end:
            at[j] = start + 1
            i = shape.rows[start + 1]
            following[j], first[i] = first[i], j


@compiled
def keep_sums(sums: Sums, shape: Pattern, found: Floats, weights: Floats, move: Floats, y: Floats) -> None:
    """Turn a move into the nearest that leaves all sums as they are; ``y`` is room for a number a sum."""
    m = len(sums.starts) - 1
    for j in range(m):
        row, total = shape.order[j], 0.0
        for k in range(sums.starts[row], sums.starts[row + 1]):
            total += sums.signs[k] * move[sums.counts[k]]
        y[j] = total
    for j in range(m):
        start = shape.starts[j]
        if found[start] == 0.0:
            y[j] = 0.0
        elif y[j] != 0.0:
            y[j] /= found[start]
            for k in range(start + 1, shape.starts[j + 1]):
                y[shape.rows[k]] -= found[k] * y[j]
    for j in range(m - 1, -1, -1):
        start = shape.starts[j]
        if found[start] == 0.0:
            y[j] = 0.0
            continue
        total = y[j]
        for k in range(start + 1, shape.starts[j + 1]):
            total -= found[k] * y[shape.rows[k]]
        y[j] = total / found[start]
    for j in range(m):
        if y[j] != 0.0:
            row = shape.order[j]
            for k in range(sums.starts[row], sums.starts[row + 1]):
                c = sums.counts[k]
                move[c] -= weights[c] * sums.signs[k] * y[j]


@compiled
def worst_off(sums: Sums, x: Floats) -> float:
    """By how much the sum that is worst off does not hold."""
    worst = 0.0
    for r in range(len(sums.starts) - 1):
        total = 0.0
        for k in range(sums.starts[r], sums.starts[r + 1]):
            total += sums.signs[k] * x[sums.counts[k]]
        worst = max(worst, abs(total))
    return worst
