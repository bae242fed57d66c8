"""Rows of a coded record as they are made: pieces of a few people each, put in order of person and day at the end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from popstrat.deriving.folds import NO_DAY

I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
F64 = NDArray[np.float64]

NO_UNIT = np.int8(-1)
NO_GROUP = np.int64(0)
_DAY_BITS, _ROW_BITS = 18, 27
_DAY_ZERO = 1 << 17  # so that every day of the calendar that is used is positive


@dataclass
class Built:
    """Rows in order. ``person`` counts from 0; `NO_DAY`, NaN, `NO_UNIT` and `NO_GROUP` stand for nothing there."""

    person: I64
    day: I32
    code: I64
    value: F64
    unit: NDArray[np.int8]
    group: I64
    second: F64


@dataclass
class Rows:
    """The rows of one table of a slice of people, in the pieces in which they were added."""

    _pieces: list[tuple[I64, I32, I64, F64, NDArray[np.int8], I64, F64]] = field(default_factory=list)
    count: int = 0

    def add(
        self,
        person: I64,
        day: Any,
        code: Any,
        value: Any = np.nan,
        unit: Any = NO_UNIT,
        group: Any = NO_GROUP,
        second: Any = np.nan,
    ) -> None:
        """Add a row for each of ``person``; the others are arrays of that length or one thing for all."""
        rows = len(person)
        if not rows:
            return
        self.count += rows
        whole = (
            np.broadcast_to(np.asarray(given, dtype), rows)
            for given, dtype in (
                (day, np.int32), (code, np.int64), (value, np.float64), (unit, np.int8), (group, np.int64),
                (second, np.float64),
            )
        )  # fmt: skip
        self._pieces.append((person.astype(np.int64, copy=False), *whole))  # type: ignore[arg-type]

    def pieces(self) -> list[tuple[I64, I32, I64]]:
        """Person, day and code of what was added so far."""
        return [piece[:3] for piece in self._pieces]

    def build(self) -> Built:
        """All rows by person, then day (no day first), then in the order in which they were added."""
        if not self._pieces:
            none = np.zeros(0, np.int64)
            real = none.astype(np.float64)
            return Built(none, none.astype(np.int32), none, real, none.astype(np.int8), none, real)
        person, day, *others = zip(*self._pieces, strict=True)
        when = np.concatenate(day)
        when = np.where(when == NO_DAY, 0, when + _DAY_ZERO)
        # One number that sorts as the three do. No two are equal: whatever sorts them, the order is the same.
        key = ((np.concatenate(person) << _DAY_BITS | when) << _ROW_BITS) | np.arange(len(when))
        del when
        key.sort()
        key &= (1 << _ROW_BITS) - 1
        return Built(*(np.concatenate(parts)[key] for parts in (person, day, *others)))
