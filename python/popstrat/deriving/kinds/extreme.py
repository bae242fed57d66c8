"""``extreme``: the highest or the lowest usable value, ever or within a window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import pyarrow as pa

from popstrat.core.blocks import Block
from popstrat.deriving.folds import Extreme, Folded
from popstrat.deriving.kinds.kind import Ages, Feature, Line, Made, One, Person, dates, made, numbers
from popstrat.deriving.kinds.phrases import lists, months, units, unless
from popstrat.deriving.kinds.reader import Reader
from popstrat.lang.nodes import Value


@dataclass(frozen=True)
class ExtremeValue(Feature):
    name = "extreme"
    called = "highest or lowest"
    rank = 8
    keys = frozenset({
        "codes", "without", "within", "unit", "units", "without_unit", "minimum", "maximum", "decimals", "which",
        "output", "date_output",
    })  # fmt: skip
    explained = (
        "`codes`, `which` (`highest`, `lowest`); `within`, and units and bounds as for a latest value",
        "the highest or lowest usable value; as `NAME_date` the latest day that has it",
    )
    example = """
title = "Highest HbA1c of five years"
means = "The highest HbA1c of the last 60 months."
assumption = "Invented, to show the form"
version = "1.0"
codes = ["IFCCHBAM_COD"]
which = "highest"
within = 60
unit = "mmol/mol"
units = { "%" = { multiply = 10.929, add = -23.49735, round = 0 } }
minimum = 15
maximum = 200
output = "highest_hba1c"
"""

    which: str

    @classmethod
    def read(cls, reader: Reader) -> Self:
        codes, without = reader.codes("codes"), reader.codes("without", needed=False)
        which = reader.choice("which", ("highest", "lowest"), "highest")
        parts = (reader.part("", "number"), reader.part("date", "date"))
        fold = Extreme(
            reader.told.id, "events", codes, reader.until, reader.since("within"), without,
            values=reader.values(parts[0]), which="lowest" if which == "lowest" else "highest",
        )  # fmt: skip
        return cls(reader.told, (fold,), parts, reader.lists, reader.optional, which)

    def finalise(self, folded: Mapping[str, Folded], people: pa.RecordBatch, ages: Ages) -> Made:
        return made(lambda: numbers(folded[self.id].value), lambda: dates(folded[self.id].day))

    def plain(self, found: Mapping[str, One], person: Person) -> tuple[Value, ...]:
        return found[self.id].value, found[self.id].day

    def trace(self, found: Mapping[str, One], person: Person) -> list[Line]:
        one = found[self.id]
        if one.value is None:
            return [Line("no usable value")]
        return [Line(f"{one.value:g}, the {self.which}, last on {one.day}", True)]

    @classmethod
    def page(cls, raw: Mapping[str, Any]) -> list[Block]:
        which = "lowest" if raw.get("which") == "lowest" else "highest"
        return [f"The {which} usable value of {lists(raw['codes'])}{unless(raw)}{months(raw)}.", *units(raw)]
