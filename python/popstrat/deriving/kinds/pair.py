"""``pair``: two values of one day, such as the two of a blood pressure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import pyarrow as pa

from popstrat.core.blocks import Block, code, table
from popstrat.deriving.folds import Folded, Pair
from popstrat.deriving.kinds.kind import Ages, Feature, Line, Made, One, Person, dates, labelled, made, numbers
from popstrat.deriving.kinds.phrases import lists, months, units
from popstrat.deriving.kinds.reader import Reader
from popstrat.lang.nodes import Value
from popstrat.packs.shapes import items


@dataclass(frozen=True)
class PairOfADay(Feature):
    name = "pair"
    called = "pair of one day"
    rank = 9
    keys = frozenset({
        "first", "second", "both", "without", "within", "labels", "unit", "units", "without_unit", "decimals",
        "first_minimum", "first_maximum", "second_minimum", "second_maximum", "first_output", "second_output",
        "date_output", "label_output",
    })  # fmt: skip
    explained = (
        (
            "`first` and `second`, code lists; `both`, for rows that hold two values; `labels`; `within`, units "
            "as for a latest value, bounds as `first_minimum` and so on"
        ),
        (
            "as `NAME_first`, `NAME_second` and `NAME_date` the two values of the latest day that has both (of "
            "several pairs the one with the lowest first); as `NAME_label` the label of the first's code"
        ),
    )
    example = """
title = "Blood pressure"
means = "The latest day with a systolic and a diastolic value."
assumption = "If there are several readings on one day, the one with the lowest systolic counts, as in QOF"
version = "1.0"
first = ["SYSBP_COD", "HOMESYSBP_COD"]
second = ["DIASBP_COD"]
optional = ["HOMESYSBP_COD"]
labels = { home = ["HOMESYSBP_COD"] }
unit = "mmHg"
units = { "mm Hg" = 1, "mm[Hg]" = 1 }
without_unit = "mmHg"
first_output = "systolic_bp"
second_output = "diastolic_bp"
date_output = "bp_date"
label_output = "bp_setting"
"""

    labels: tuple[str, ...]

    @classmethod
    def read(cls, reader: Reader) -> Self:
        first, second = reader.codes("first"), reader.codes("second")
        both = reader.codes("both", needed=False)
        labels = reader.labels(needed=False)
        known = {*first, *both}
        for label, names in labels:
            for name in names:
                if name not in known:
                    told = f"{name!r} is no code list of `first` or `both`, whose codes the labels are of"
                    raise reader.fault(told, "labels", label, text=name)
        names = tuple(label for label, _ in labels)
        parts = [reader.part("first", "number"), reader.part("second", "number"), reader.part("date", "date")]
        if labels:
            parts.append(reader.part("label", "category", labels=names))
        elif "label_output" in reader.raw:
            raise reader.fault("needs `labels`, a table: each label with its code lists", "label_output")
        fold = Pair(
            reader.told.id, "events", tuple(dict.fromkeys((*first, *second, *both))), reader.until,
            reader.since("within"), reader.codes("without", needed=False), first=first, second=second, both=both,
            first_values=reader.values(parts[0], "first_"), second_values=reader.values(parts[1], "second_"),
            labels=labels,
        )  # fmt: skip
        return cls(reader.told, (fold,), tuple(parts), reader.lists, reader.optional, names)

    def finalise(self, folded: Mapping[str, Folded], people: pa.RecordBatch, ages: Ages) -> Made:
        found = folded[self.id]
        values = (lambda: numbers(found.value), lambda: numbers(found.second), lambda: dates(found.day))
        return made(*values, *((lambda: labelled(found.label, self.labels),) if self.labels else ()))

    def plain(self, found: Mapping[str, One], person: Person) -> tuple[Value, ...]:
        one = found[self.id]
        return (one.value, one.second, one.day, one.label)[: len(self.parts)]

    def trace(self, found: Mapping[str, One], person: Person) -> list[Line]:
        one = found[self.id]
        if one.value is None or one.second is None:
            return [Line("no day with a usable value of both")]
        label = f", {one.label}" if one.label else ""
        return [Line(f"{one.value:g}/{one.second:g}{label} on {one.day}, the latest day that has both", True)]

    @classmethod
    def page(cls, raw: Mapping[str, Any]) -> list[Block]:
        both = f", or a row of {lists(raw['both'])}, which holds both" if raw.get("both") else ""
        rule = f"The latest day{months(raw)} with a usable value of {lists(raw['first'])} and one of "
        rule += f"{lists(raw['second'])}{both}. "
        among = (
            "Of pairs whose rows share a group, the one with the lowest first value; without groups, the day's lowest "
            "first with its lowest second."
        )
        rows = [(code(label), lists(names)) for label, names in items(raw.get("labels")).items()]
        return [rule + among, *([table(("label", "a first value of"), rows)] if rows else []), *units(raw)]
