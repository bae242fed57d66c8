"""``latest_category``: the label of the latest code, such as smoking status or a frailty category."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pyarrow as pa

from popstrat.core.blocks import Block, code, table
from popstrat.deriving.folds import Folded, LastLabel
from popstrat.deriving.kinds.kind import Ages, Feature, Line, Made, One, Person, dates, labelled, made, some, with_nulls
from popstrat.deriving.kinds.phrases import lists, months, unless
from popstrat.deriving.kinds.reader import Reader
from popstrat.lang.nodes import Value


@dataclass(frozen=True)
class LatestCategory(Feature):
    name = "latest_category"
    called = "latest category"
    rank = 11
    keys = frozenset({"labels", "without", "within", "output", "date_output"})
    explained = (
        "`labels`, a table: each label with its code lists; `within`",
        (
            "the label of the latest day's code (of several, the last in `labels`), as a number if all labels "
            "are whole numbers; as `NAME_date` the day"
        ),
    )
    example = """
title = "Smoking status"
means = "The latest recorded smoking status."
source = "NHS England, Quality and Outcomes Framework: smoking indicators"
version = "1.0"
labels = { never = ["NSMOK_COD"], ex = ["EXSMOK_COD"], current = ["LSMOK_COD"] }
output = "smoking"
date_output = "smoking_date"
"""

    labels: tuple[str, ...]

    @classmethod
    def read(cls, reader: Reader) -> Self:
        labels = reader.labels()
        names = tuple(label for label, _ in labels)
        whole = all(name.isascii() and name.isdecimal() and len(name) < 9 for name in names)
        part = reader.part("", "int") if whole else reader.part("", "category", labels=names)
        codes = tuple(name for _, lists in labels for name in lists)
        fold = LastLabel(
            reader.told.id, "events", codes, reader.until, reader.since("within"),
            reader.codes("without", needed=False), labels=labels,
        )  # fmt: skip
        return cls(reader.told, (fold,), (part, reader.part("date", "date")), reader.lists, reader.optional, names)

    @property
    def _whole(self) -> bool:
        return self.parts[0].type == "int"

    def finalise(self, folded: Mapping[str, Folded], people: pa.RecordBatch, ages: Ages) -> Made:
        found = folded[self.id]

        def whole() -> pa.Array:
            label = some(found.label)
            values = np.array([int(name) for name in self.labels], np.int32)
            return with_nulls(values[np.maximum(label, 0)], label >= 0, pa.int32())

        return made(whole if self._whole else lambda: labelled(found.label, self.labels), lambda: dates(found.day))

    def plain(self, found: Mapping[str, One], person: Person) -> tuple[Value, ...]:
        one = found[self.id]
        return (int(one.label) if self._whole and one.label is not None else one.label), one.day

    def trace(self, found: Mapping[str, One], person: Person) -> list[Line]:
        one = found[self.id]
        return [
            Line(
                "never recorded" if one.label is None else f"{one.label} on {one.day}, the latest",
                one.label is not None,
            )
        ]

    @classmethod
    def page(cls, raw: Mapping[str, Any]) -> list[Block]:
        rows = [(code(label), lists(names)) for label, names in raw["labels"].items()]
        text = f"The label of the latest code{months(raw)}{unless(raw)}; of several, the last in the table."
        return [text, table(("label", "codes of"), rows)]
