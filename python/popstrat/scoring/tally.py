"""What is counted while people are scored."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any


@dataclass
class Tally:
    """What was counted while scoring; tallies of parts add up with ``+``."""

    rows_in: int = 0
    rows_out: int = 0
    excluded: dict[str, int] = field(default_factory=dict)
    groups: dict[str, dict[str, int]] = field(default_factory=dict)
    sums: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    quality: dict[str, dict[str, int]] = field(default_factory=dict)
    newest_date: dt.date | None = None
    models: dict[str, dict[str, int]] = field(default_factory=dict)
    """`model.kind` (kind: missing, clipped, not_scored, strata) → input, reason or stratum → patients;
    `condition.reading` → which → patients."""
    disorder: dict[str, dict[str, int]] = field(default_factory=dict)
    """As `packs.plausibility.Disorder`; counted by every scorer."""
    respelt: dict[str, int] = field(default_factory=dict)
    """Column of keys or codes → rows that were written otherwise than they are read; counted by every scorer."""
    recorded: dict[str, int] = field(default_factory=dict)
    """Column that is checked, and no flag → values, plausible or not."""
    true: dict[str, int] = field(default_factory=dict)
    """Flag that is checked → people who have it."""
    false: dict[str, int] = field(default_factory=dict, compare=False)
    """Flag that nobody of some batch has → over 0 if it is recorded as false for anybody there."""
    asked: dict[str, list[int]] = field(default_factory=dict)
    """Question → rows for which each of its conditions holds (`packs.questions`)."""

    def __add__(self, other: Tally) -> Tally:
        a, b = self.asked, other.asked
        newest = [d for d in (self.newest_date, other.newest_date) if d is not None]
        return Tally(
            self.rows_in + other.rows_in,
            self.rows_out + other.rows_out,
            _added(self.excluded, other.excluded),
            _added_twice(self.groups, other.groups),
            _added(self.sums, other.sums),
            _added(self.counts, other.counts),
            _added_twice(self.quality, other.quality),
            max(newest, default=None),
            _added_twice(self.models, other.models),
            _added_twice(self.disorder, other.disorder),
            _added(self.respelt, other.respelt),
            _added(self.recorded, other.recorded),
            _added(self.true, other.true),
            _added(self.false, other.false),
            {k: [x + y for x, y in zip_longest(a.get(k, ()), b.get(k, ()), fillvalue=0)] for k in (*a, *b)},
        )


def _added(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Any]:
    return {k: a.get(k, 0) + b.get(k, 0) for k in [*a, *(k for k in b if k not in a)]}


def _added_twice(a: Mapping[str, dict[str, int]], b: Mapping[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    return {k: _added(a.get(k, {}), b.get(k, {})) for k in [*a, *(k for k in b if k not in a)]}
