"""``latest_value``: the latest usable value with its date, and the one that was the latest some days before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import pyarrow as pa

from popstrat.core.blocks import Block
from popstrat.deriving.folds import Folded, LastValue
from popstrat.deriving.kinds.kind import Ages, Feature, Line, Made, One, Person, dates, made, numbers
from popstrat.deriving.kinds.phrases import lists, months, units, unless
from popstrat.deriving.kinds.reader import Reader
from popstrat.lang.nodes import Value


@dataclass(frozen=True)
class LatestValue(Feature):
    name = "latest_value"
    called = "latest value"
    rank = 6
    keys = frozenset({
        "codes", "without", "within", "unit", "units", "without_unit", "minimum", "maximum", "decimals", "tie",
        "earlier_at_least", "output", "date_output", "earlier_output", "earlier_date_output",
    })  # fmt: skip
    explained = (
        (
            "`codes`; `unit`, `units`, `without_unit`, `minimum`, `maximum`, `decimals`, `tie` (`highest`, "
            "`lowest`), `within`, `earlier_at_least` (days)"
        ),
        (
            "the latest usable value; as `NAME_date` its day, as `NAME_earlier` and `NAME_earlier_date` the "
            "latest value at least that number of days before"
        ),
    )
    example = """
title = "Kidney function"
means = "The latest eGFR, and the latest at least 90 days before it."
source = "NICE NG203, chronic kidney disease: two results at least 90 days apart"
assumption = "If there are several on one day, the lowest counts: the cautious reading"
version = "1.0"
codes = ["EGFR_COD"]
unit = "mL/min/1.73 m²"
units = { "mL/min" = 1, "mL/min/1.73m2" = 1 }
without_unit = "mL/min/1.73 m²"
tie = "lowest"
earlier_at_least = 90
output = "egfr"
date_output = "egfr_date"
earlier_output = "egfr_previous"
earlier_date_output = "egfr_previous_date"
"""

    @classmethod
    def read(cls, reader: Reader) -> Self:
        codes, without = reader.codes("codes"), reader.codes("without", needed=False)
        gap = reader.whole("earlier_at_least", otherwise=None, least=1, most=36500)
        tie = reader.choice("tie", ("highest", "lowest"), "highest")
        parts = [reader.part("", "number"), reader.part("date", "date")]
        if gap is not None:
            parts += [reader.part("earlier", "number"), reader.part("earlier_date", "date")]
        else:
            for key in ("earlier_output", "earlier_date_output"):
                if key in reader.raw:
                    raise reader.fault("needs `earlier_at_least`: how many days before the latest", key)
        fold = LastValue(
            reader.told.id, "events", codes, reader.until, reader.since("within"), without,
            values=reader.values(parts[0]), tie="lowest" if tie == "lowest" else "highest", gap=gap,
        )  # fmt: skip
        return cls(reader.told, (fold,), tuple(parts), reader.lists, reader.optional)

    def finalise(self, folded: Mapping[str, Folded], people: pa.RecordBatch, ages: Ages) -> Made:
        found = folded[self.id]
        latest = (lambda: numbers(found.value), lambda: dates(found.day))
        earlier = (lambda: numbers(found.earlier), lambda: dates(found.earlier_day))
        return made(*latest, *(earlier if len(self.parts) > 2 else ()))

    def plain(self, found: Mapping[str, One], person: Person) -> tuple[Value, ...]:
        one = found[self.id]
        return (one.value, one.day, one.earlier, one.earlier_day)[: len(self.parts)]

    def trace(self, found: Mapping[str, One], person: Person) -> list[Line]:
        one = found[self.id]
        if one.value is None:
            return [Line("no usable value")]
        told = [Line(f"{one.value:g} on {one.day}, the latest day with a usable value", True)]
        if len(self.parts) > 2:
            told.append(
                Line("none early enough before it")
                if one.earlier is None
                else Line(f"before it, {one.earlier:g} on {one.earlier_day}", True)
            )
        return told

    @classmethod
    def page(cls, raw: Mapping[str, Any]) -> list[Block]:
        tie = "lowest" if raw.get("tie") == "lowest" else "highest"
        text = f"The latest usable value of {lists(raw['codes'])}{unless(raw)}{months(raw)}; "
        text += f"if there are several on that day, the {tie}."
        if "earlier_at_least" in raw:
            text += f" The earlier value is the latest one at least {raw['earlier_at_least']} days before that day."
        return [text, *units(raw)]
