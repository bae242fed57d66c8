"""Pairs of one day, such as the two values of a blood pressure, in the ways in which they may be written down."""

from __future__ import annotations

from typing import Any

import numpy as np

from popstrat.deriving.folds import Pair, unit_key
from popstrat.synthetic._record import Recorder
from popstrat.synthetic._rows import F64, I32, I64, NO_GROUP


class Pairs:
    """Writes pairs of one day: two rows of a group or of none, or one row of both."""

    def __init__(self, record: Recorder, fold: Pair, spelt: tuple[str, ...]) -> None:
        self.r, self.fold, self.spelt = record, fold, spelt
        labelled = np.concatenate([record.codes(names) for _, names in fold.labels])
        codes = record.codes(fold.first)
        self.upper: I64 = codes[~np.isin(codes, labelled)]  # those that name no setting
        self.lower = record.codes(fold.second)

    def _unit(self, rows: int) -> Any:
        """One of the spellings of the unit."""
        same = [s for s in self.spelt if self.fold.first_values.units[unit_key(s)].factor == 1]
        units = np.array([self.r.units[s] for s in same], np.int8)
        return self.r.pick(units, rows) if not self.r.plain else units[0]  # type: ignore[arg-type]

    def add(
        self, who: I64, day: I32, first: F64, second: F64, code: I64 | None = None, *, grouped: bool = True
    ) -> None:
        group = self.r.new_groups(len(who)) if grouped else NO_GROUP
        unit = self._unit(len(who))
        upper = self.r.pick(self.upper, len(who)) if code is None else code
        self.r.events.add(who, day, upper, first, unit, group)
        self.r.events.add(who, day, self.r.pick(self.lower, len(who)), second, unit, group)

    def lone(self, who: I64, day: I32, first: F64) -> None:
        self.r.events.add(who, day, self.r.pick(self.upper, len(who)), first, self._unit(len(who)))

    def single(self, who: I64, day: I32, first: F64, second: F64) -> None:
        codes = self.r.codes(self.fold.both) if self.fold.both else self.upper
        self.r.events.add(who, day, self.r.pick(codes, len(who)), first, self._unit(len(who)), NO_GROUP, second)
