"""``count``: how often something is recorded, on how many days, or how many different codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import pyarrow as pa

from popstrat.core.blocks import Block
from popstrat.deriving.folds import Count, Folded
from popstrat.deriving.kinds.kind import Ages, Feature, Line, Made, One, Person, made, some
from popstrat.deriving.kinds.phrases import lists, months, rows_of, unless
from popstrat.deriving.kinds.reader import Reader
from popstrat.lang.nodes import Value

_OF = ("rows", "days", "codes")


@dataclass(frozen=True)
class CountOf(Feature):
    name = "count"
    called = "count"
    rank = 10
    keys = frozenset({"table", "codes", "without", "within", "of", "repeats", "output"})
    explained = (
        ('`codes` (or `"*"`, every row of the table); `of` (`rows`, `days`, `codes`), `repeats`, `within`, `table`'),
        ("how many rows (the same row twice counts once, unless `repeats`), days, or different codes; 0 for none"),
    )
    example = """
title = "Number of medicines"
means = "How many different medicines were issued in the last 6 months."
assumption = "Each dm+d code is one medicine, so two strengths of one substance are two medicines"
version = "1.0"
table = "medications"
codes = "*"
of = "codes"
within = 6
output = "medicines_count"
"""

    @classmethod
    def read(cls, reader: Reader) -> Self:
        table = reader.table()
        codes = reader.codes("codes", of=table, anything=True)
        without = reader.codes("without", of=table, needed=False)
        of = reader.choice("of", _OF, "rows")
        repeats = reader.truth("repeats")
        if repeats and of != "rows":
            raise reader.fault(f"`repeats` is of rows, not of {of}", "repeats")
        fold = Count(
            reader.told.id, table, codes, reader.until, reader.since("within"), without,
            of="days" if of == "days" else "codes" if of == "codes" else "rows", repeats=repeats,
        )  # fmt: skip
        return cls(reader.told, (fold,), (reader.part("", "int"),), reader.lists, reader.optional)

    def finalise(self, folded: Mapping[str, Folded], people: pa.RecordBatch, ages: Ages) -> Made:
        return made(lambda: pa.array(some(folded[self.id].count)))

    def plain(self, found: Mapping[str, One], person: Person) -> tuple[Value, ...]:
        return (found[self.id].count,)

    def trace(self, found: Mapping[str, One], person: Person) -> list[Line]:
        count = found[self.id].count or 0
        return [Line(f"{count} in the record that count", count > 0)]

    @classmethod
    def page(cls, raw: Mapping[str, Any]) -> list[Block]:
        of = {"days": "days with rows", "codes": "different codes among the rows"}.get(raw.get("of", "rows"), "rows")
        once = " The same row twice counts once." if of == "rows" and not raw.get("repeats") else ""
        what = f"{lists(raw['codes'])}{unless(raw)}"
        return [f"How many {of} of {what} there are among the {rows_of(raw)}{months(raw)}.{once}"]
