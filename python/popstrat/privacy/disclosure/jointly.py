"""Several tables at once, by linear programming: for the few counts that no table shows by itself (`witnesses`).

A block is some tables and cells; all else stays as it truly is, so that what is found is possible in the whole release.
Where even that shows too little, the counts that stand in the way are told, by what the programme would gain without
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_FURTHER = 1e4
"""As far as any count goes: without a limit there would be no furthest."""
_GAIN = 1e-7


@dataclass(frozen=True)
class Bond:
    """A whole and its parts, of which nobody is in two, by their numbers, and how much less and more may be left of the
    whole in each cell than truly is."""

    whole: int
    parts: tuple[int, ...]
    least: Floats
    most: Floats


@dataclass(frozen=True)
class Block:
    """Tables by cells, as far as each count may go down and up from what it truly is; how cells add up (the terms of
    each sum from ``starts``, with their signs), in each table; and bonds."""

    low: Floats
    high: Floats
    starts: Ints
    counts: Ints
    signs: Floats
    bonds: Sequence[Bond]


@dataclass(frozen=True)
class Ends:
    """Where the tables are when what was asked is most, and when it is least; how far apart these are; and what would
    be gained for one of them if a count might go further (``counts``), or more or less might be left in a bond
    (``rests``, by bonds and cells)."""

    at: tuple[Floats, Floats]
    width: float
    counts: Floats
    rests: Floats


def ends(block: Block, asked: Sequence[tuple[int, int, float]], enough: float) -> Ends:
    """The most and the least of a sum of counts, given as table, cell and sign; no further apart than is ``enough``."""
    # Here, since a run that needs it is rare.
    from scipy.optimize import linprog
    from scipy.sparse import csr_array, vstack

    tables, cells = block.low.shape
    sums = len(block.starts) - 1
    row_of_term = np.repeat(np.arange(sums), np.diff(block.starts))
    each = np.arange(tables)[:, np.newaxis]
    rows, columns, values = (
        [(each * sums + row_of_term).ravel()], [(each * cells + block.counts).ravel()], [np.tile(block.signs, tables)]
    )  # fmt: skip
    low, high = [np.zeros(tables * sums)], [np.zeros(tables * sums)]
    first = tables * sums
    here = np.arange(cells)
    for bond in block.bonds:
        for table, sign in ((bond.whole, 1.0), *((part, -1.0) for part in bond.parts)):
            rows.append(first + here)
            columns.append(table * cells + here)
            values.append(np.full(cells, sign))
        low.append(bond.least)
        high.append(bond.most)
        first += cells
    row, column, value = (np.concatenate(some) for some in (rows, columns, values))
    least, most = np.concatenate(low), np.concatenate(high)
    limits = np.column_stack([np.maximum(block.low, -_FURTHER).ravel(), np.minimum(block.high, _FURTHER).ravel()])
    free = np.flatnonzero(limits[:, 0] < limits[:, 1])
    matrix = csr_array((value, (row, column)), shape=(first, tables * cells))[:, free]
    some = np.diff(matrix.indptr) > 0
    equal = some & (least == most)
    up, down = (some & (least < most) & one for one in (most < _FURTHER, least > -_FURTHER))
    wanted = np.zeros(tables * cells)
    for table, cell, sign in asked:
        wanted[table * cells + cell] += sign
    inside, bound = vstack([matrix[up], -matrix[down]]), np.concatenate([most[up], -least[down]])
    nowhere = np.zeros_like(block.low)
    at, counts, rests, width = [nowhere, nowhere], np.zeros(tables * cells), np.zeros(first), 0.0
    for turn, sign in enumerate((-1.0, 1.0)):
        solved = linprog(
            sign * wanted[free], A_ub=inside, b_ub=bound, A_eq=matrix[equal], b_eq=least[equal], bounds=limits[free],
            method="highs",
        )  # fmt: skip
        if solved.status != 0:  # rounding: where all truly are is possible
            return Ends((nowhere, nowhere), 0.0, nowhere.copy(), np.zeros((len(block.bonds), cells)))
        there = np.zeros(tables * cells)
        there[free] = solved.x
        at[turn] = there.reshape(tables, cells)
        width += abs(sum(sign_of * there[table * cells + cell] for table, cell, sign_of in asked))
        counts[free] = np.maximum(counts[free], np.abs(solved.lower.marginals) + np.abs(solved.upper.marginals))
        gains = np.abs(solved.ineqlin.marginals)
        rests[up] = np.maximum(rests[up], gains[: up.sum()])
        rests[down] = np.maximum(rests[down], gains[up.sum() :])
        rests[equal] = np.maximum(rests[equal], np.abs(solved.eqlin.marginals))
        if width >= enough:
            break
    counts[counts < _GAIN] = 0.0
    return Ends((at[0], at[1]), width, counts.reshape(tables, cells), rests[tables * sums :].reshape(-1, cells))
