"""Tables of counts that add up: how far each count can be from what it truly is while all sums hold (`walk`).

Names nobody and nothing that is counted; limits are handed in. Imported as `popstrat.engine.tables`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class Cells(NamedTuple):
    """Cells and how they add up: the sums, solved (`walk.solved`) and as they are (the terms of each from ``starts``,
    with their signs, which are nought together); of which cells something is asked, and their ranks, higher ones first.
    """

    solution: Floats
    solved_for: Ints
    starts: Ints
    counts: Ints
    signs: Floats
    asked: Bools
    ranks: Ints


class Tables(NamedTuple):
    """Tables by cells: the counts; which are small, which everybody knows to be nought, which are withheld, never may
    be, and for what price; which are known to be wide, and how far each got from where it truly is."""

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
    """Which tables are parts of which, as bonds: a whole and its parts, of which nobody is in two. A bond with one part
    is a pair, of which rests are known, as of counts; of one with several it is known that nothing is left, where that
    is so in every cell. Then the bonds of each table, all tables that hold one (the largest first), tables in their
    order (wholes before parts). And rests: small ones of pairs, those of each table, and of bonds by cells which are
    known to be wide, and how far each got. Lists stand after each other, each from its start."""

    whole: Ints
    part_starts: Ints
    parts: Ints
    bond_starts: Ints
    bonds: Ints
    above_starts: Ints
    above: Ints
    order: Ints
    few_starts: Ints
    few_bond: Ints
    few_cell: Ints
    shown: Bools
    top: Floats
    bottom: Floats


class Limits(NamedTuple):
    """Counts and rests under ``smallest`` are withheld, others rounded to ``step``; what is withheld is to be ``width``
    wide."""

    smallest: int
    step: int
    width: int
