"""``date``: the first or the last day on which something is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import pyarrow as pa

from popstrat.core.blocks import Block
from popstrat.deriving.folds import FirstDay, Folded, LastDay
from popstrat.deriving.kinds.kind import Ages, Feature, Line, Made, One, Person, dates, made
from popstrat.deriving.kinds.phrases import lists, months, rows_of, unless
from popstrat.deriving.kinds.reader import Reader
from popstrat.lang.nodes import Value


@dataclass(frozen=True)
class DateOf(Feature):
    name = "date"
    called = "date"
    rank = 4
    keys = frozenset({"table", "codes", "without", "within", "which", "output"})
    explained = (
        "`codes`; `which` (`last`, `first`), `within`, `table`",
        "the last or the first day on which it is recorded",
    )
    example = """
title = "PHQ-9"
means = "The latest day on which a PHQ-9 is recorded, whatever its score."
source = "NICE NG222, depression in adults"
version = "1.0"
codes = ["PHQ9_COD"]
which = "last"
output = "phq9_date"
"""

    which: str

    @classmethod
    def read(cls, reader: Reader) -> Self:
        table = reader.table()
        codes = reader.codes("codes", of=table, anything=True)
        without = reader.codes("without", of=table, needed=False)
        which = reader.choice("which", ("last", "first"), "last")
        fold = LastDay if which == "last" else FirstDay
        folds = (fold(reader.told.id, table, codes, reader.until, reader.since("within"), without),)
        return cls(reader.told, folds, (reader.part("", "date"),), reader.lists, reader.optional, which)

    def finalise(self, folded: Mapping[str, Folded], people: pa.RecordBatch, ages: Ages) -> Made:
        return made(lambda: dates(folded[self.id].day))

    def plain(self, found: Mapping[str, One], person: Person) -> tuple[Value, ...]:
        return (found[self.id].day,)

    def trace(self, found: Mapping[str, One], person: Person) -> list[Line]:
        day = found[self.id].day
        return [Line("never recorded" if day is None else f"{self.which} recorded on {day}", day is not None)]

    @classmethod
    def page(cls, raw: Mapping[str, Any]) -> list[Block]:
        which = "first" if raw.get("which") == "first" else "last"
        return [
            f"The {which} day with a row of {lists(raw['codes'])}{unless(raw)} among the {rows_of(raw)}{months(raw)}."
        ]
