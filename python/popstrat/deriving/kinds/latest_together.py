"""``latest_together``: several values of the latest day that has any of them, with the one date that dates them all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pyarrow as pa

from popstrat.core.blocks import Block, code, table
from popstrat.deriving.folds import Folded, LastValue
from popstrat.deriving.kinds.kind import Ages, Feature, Later, Line, Made, One, Part, Person, dates, made, numbers, some
from popstrat.deriving.kinds.phrases import lists, months, units
from popstrat.deriving.kinds.reader import Reader
from popstrat.lang.names import name_fault
from popstrat.lang.nodes import Value
from popstrat.packs.shapes import items

_OF_ONE = frozenset(
    {"codes", "without", "unit", "units", "without_unit", "minimum", "maximum", "decimals", "tie", "output"}
)
_MOST = 20


@dataclass(frozen=True)
class LatestTogether(Feature):
    name = "latest_together"
    called = "latest values together"
    rank = 7
    keys = frozenset({"values", "within", "date_output"})
    explained = (
        "`values`, a table of tables, each with the keys of a latest value; `within`",
        "each value if it is of the latest day that has any of them; as `NAME_date` that day",
    )
    example = """
title = "Lipids"
means = "LDL and non-HDL cholesterol of the latest day that has either."
assumption = "One date is used for both, so an older LDL is not shown with a newer non-HDL"
version = "1.0"
date_output = "lipids_date"
[feature.latest_together_example.values.ldl]
codes = ["LDLCCHOL_COD"]
unit = "mmol/L"
without_unit = "mmol/L"
output = "ldl"
[feature.latest_together_example.values.non_hdl]
codes = ["NONHDLCCHOL_COD"]
unit = "mmol/L"
without_unit = "mmol/L"
output = "non_hdl"
"""

    @classmethod
    def read(cls, reader: Reader) -> Self:
        given = reader.raw.get("values")
        if (
            not isinstance(given, dict)
            or not 1 < len(given) <= _MOST
            or not all(isinstance(v, dict) for v in given.values())
        ):
            raise reader.fault(f"needs `values`, from 2 to {_MOST} tables, each of a value", "values")
        parts: list[Part] = []
        folds = []
        since = reader.since("within")
        for key, raw in given.items():
            at = ("values", key)
            for word in raw:
                if word not in _OF_ONE:
                    raise reader.fault(f"unknown key {word!r}", *at, word)
            if fault := name_fault(key):
                raise reader.fault(f"the name {key!r} {fault}", *at)
            part = reader.part_of(f"{reader.told.id}_{key}", raw.get("output", False), "number", key, at)
            tie = raw.get("tie", "highest")
            if tie not in ("highest", "lowest"):
                raise reader.fault("`tie` is one of highest, lowest", *at, "tie")
            fold = LastValue(
                f"{reader.told.id}.{key}", "events", reader.codes(*at, "codes", raw=raw), reader.until, since,
                reader.codes(*at, "without", needed=False, raw=raw), values=reader.values(part, raw=raw, at=at),
                tie=tie,
            )  # fmt: skip
            parts.append(part)
            folds.append(fold)
        parts.append(reader.part("date", "date"))
        return cls(reader.told, tuple(folds), tuple(parts), reader.lists, reader.optional)

    def finalise(self, folded: Mapping[str, Folded], people: pa.RecordBatch, ages: Ages) -> Made:
        found = [folded[fold.name] for fold in self.folds]
        latest = np.maximum.reduce([some(one.day) for one in found])  # NO_DAY is before every day

        def later(one: Folded) -> Later:
            return lambda: numbers(np.where(some(one.day) == latest, some(one.value), np.nan))

        return made(*map(later, found), lambda: dates(latest))

    def plain(self, found: Mapping[str, One], person: Person) -> tuple[Value, ...]:
        latest = max((one.day for fold in self.folds if (one := found[fold.name]).day is not None), default=None)
        values = [one.value if (one := found[fold.name]).day == latest else None for fold in self.folds]
        return *values, latest

    def trace(self, found: Mapping[str, One], person: Person) -> list[Line]:
        *values, latest = self.plain(found, person)
        if latest is None:
            return [Line("no usable value")]
        told = []
        for part, value, fold in zip(self.parts, values, self.folds, strict=False):
            day = found[fold.name].day
            if value is not None:
                told.append(Line(f"{part.word} {value:g} on {latest}, the latest day with any", True))
            elif day is not None:
                told.append(Line(f"{part.word} was last recorded on {day}, before {latest}: left out"))
        return told

    @classmethod
    def page(cls, raw: Mapping[str, Any]) -> list[Block]:
        rows = []
        besides: list[Block] = []
        for key, one in items(raw.get("values")).items():
            tie = "lowest" if one.get("tie") == "lowest" else "highest"
            rows.append((code(one.get("output") or key), lists(one["codes"]), tie))
            besides += [f"Units of {code(one.get('output') or key)}:", *units(one)] if one.get("unit") else []
        head = table(("value", "of", "if there are several"), rows)
        return [
            f"From the latest day{months(raw)} with a usable value of any of these; a value that it lacks is null:",
            head,
            *besides,
        ]
