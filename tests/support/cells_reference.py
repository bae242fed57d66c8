"""What `popstrat.engine.arrays.cells` counts, a row after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass
class Part:
    """A group of a table: of each row its code, and whether it has one."""

    codes: Sequence[int]
    valid: Sequence[bool]
    size: int


@dataclass
class Rows:
    """A batch: of each row its whole, its groups by table, its bits by bitmap, its numbers (None: none)."""

    whole: Sequence[int]
    tables: Sequence[Sequence[Part]]
    planes: Sequence[Sequence[bool]]
    numbers: Sequence[Sequence[int | None]]


@dataclass
class Counts:
    """Of each whole and cell: everybody, those of each bitmap, and the sum of each number and of its square."""

    everybody: NDArray[np.int64]
    planes: NDArray[np.int64]
    sums: NDArray[np.int64]


def counted(batches: Sequence[Rows], most: int) -> Counts:
    """Everything in all batches, which have the same tables, bitmaps and numbers."""
    like = batches[0]
    sizes = []
    for table in like.tables:
        size = 1
        for part in table:
            size *= part.size
        sizes.append(size)
    width = sum(sizes)
    found = Counts(
        np.zeros((most, width), np.int64),
        np.zeros((most, width, len(like.planes)), np.int64),
        np.zeros((most, width, len(like.numbers), 2), np.int64),
    )
    for batch in batches:
        for row, whole in enumerate(batch.whole):
            first = 0
            for table, size in zip(batch.tables, sizes, strict=True):
                at = 0
                for part in table:
                    code = part.codes[row] if part.valid[row] else part.size
                    at = at * part.size + min(code, part.size - 1)
                cell = whole, first + at
                first += size
                found.everybody[cell] += 1
                for i, plane in enumerate(batch.planes):
                    found.planes[cell][i] += plane[row]
                for i, numbers in enumerate(batch.numbers):
                    value = numbers[row] or 0
                    found.sums[cell][i] += (value, value * value)
    return found


def within(whole: Sequence[int], things: Sequence[int], held: dict[int, int]) -> int:
    """Keep which thing each whole is in; things below 0 say nothing. The first row that says another, or -1."""
    for row, (one, thing) in enumerate(zip(whole, things, strict=True)):
        if one >= 0 and thing >= 0 and held.setdefault(one, thing) != thing:
            return row
    return -1
