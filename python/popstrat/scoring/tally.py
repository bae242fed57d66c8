"""What is counted while people are scored."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
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
        return Tally.of((self, other))

    @classmethod
    def of(cls, parts: Iterable[Tally]) -> Tally:
        """All of the parts together; of many, this is quicker than to add them one by one."""
        made = cls()
        for part in parts:
            made._take(part)
        return made

    def _take(self, other: Tally) -> None:
        self.rows_in += other.rows_in
        self.rows_out += other.rows_out
        if other.newest_date is not None:
            self.newest_date = max(other.newest_date, self.newest_date or other.newest_date)
        for name in _COUNTS:
            _add(getattr(self, name), getattr(other, name))
        for name in _COUNTS_BY:
            mine = getattr(self, name)
            for key, counts in getattr(other, name).items():
                _add(mine.setdefault(key, {}), counts)
        for question, rows in other.asked.items():
            before = self.asked.get(question, ())
            self.asked[question] = [x + y for x, y in zip_longest(before, rows, fillvalue=0)]


_COUNTS = ("excluded", "sums", "counts", "respelt", "recorded", "true", "false")
_COUNTS_BY = ("groups", "quality", "models", "disorder")


def _add(mine: dict[str, Any], other: Mapping[str, Any]) -> None:
    for key, count in other.items():
        mine[key] = mine.get(key, 0) + count
