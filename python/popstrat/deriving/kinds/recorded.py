"""``recorded``: whether something stands in the record, ever or within a window: a code, a medicine, an admission."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import pyarrow as pa

from popstrat.core.blocks import Block
from popstrat.deriving.folds import Count, Folded
from popstrat.deriving.kinds.kind import Ages, Feature, Line, Made, One, Person, flags, made, some
from popstrat.deriving.kinds.phrases import lists, months, rows_of, unless
from popstrat.deriving.kinds.reader import Reader
from popstrat.lang.nodes import Value


@dataclass(frozen=True)
class Recorded(Feature):
    name = "recorded"
    called = "recorded"
    rank = 3
    keys = frozenset({"table", "codes", "without", "within", "at_least", "output"})
    explained = (
        (
            "`codes`; `within` (ever, if it is left out), `at_least` (a number of days, 1), `table` (events, "
            "medications, activity)"
        ),
        (
            "true if it is recorded on that number of days: a code ever or within a window; with `table = "
            '"medications"`, a current medication'
        ),
    )
    example = """
title = "On a statin"
means = "A statin issued in the last 6 months."
assumption = "A medicine of the last six months is current: repeat prescriptions last up to three"
version = "1.0"
table = "medications"
codes = ["STAT_COD"]
within = 6
output = "statin"
"""

    at_least: int

    @classmethod
    def read(cls, reader: Reader) -> Self:
        table = reader.table()
        codes = reader.codes("codes", of=table)
        without = reader.codes("without", of=table, needed=False)
        at_least = reader.whole("at_least", otherwise=1, least=1, most=1000) or 1
        fold = Count(reader.told.id, table, codes, reader.until, reader.since("within"), without, of="days")
        return cls(reader.told, (fold,), (reader.part("", "bool"),), reader.lists, reader.optional, at_least)

    def finalise(self, folded: Mapping[str, Folded], people: pa.RecordBatch, ages: Ages) -> Made:
        return made(lambda: flags(some(folded[self.id].count) >= self.at_least))

    def plain(self, found: Mapping[str, One], person: Person) -> tuple[Value, ...]:
        return ((found[self.id].count or 0) >= self.at_least,)

    def trace(self, found: Mapping[str, One], person: Person) -> list[Line]:
        days = found[self.id].count or 0
        where = "" if self.folds[0].since is None else " in the window"
        wanted = f", of {self.at_least}" if self.at_least > 1 else ""
        return [Line(f"recorded on {days} day{'s' if days != 1 else ''}{where}{wanted}", days >= self.at_least)]

    @classmethod
    def page(cls, raw: Mapping[str, Any]) -> list[Block]:
        least = raw.get("at_least", 1)
        often = "" if least == 1 else f" on at least {least} days"
        when = months(raw) or ", ever"
        return [f"True if there is a row of {lists(raw['codes'])}{unless(raw)} among the {rows_of(raw)}{often}{when}."]
