"""``age_at_first``: how old somebody was when something was first recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pyarrow as pa

from popstrat.core.blocks import Block
from popstrat.core.dates import completed_years
from popstrat.deriving.folds import FirstDay, Folded
from popstrat.deriving.kinds.kind import Ages, Feature, Line, Made, One, Person, made, some, with_nulls
from popstrat.deriving.kinds.phrases import lists, rows_of, unless
from popstrat.deriving.kinds.reader import Reader
from popstrat.lang.nodes import Value


@dataclass(frozen=True)
class AgeAtFirst(Feature):
    name = "age_at_first"
    called = "age at first"
    rank = 5
    keys = frozenset({"table", "codes", "without", "output"})
    explained = ("`codes`; `table`", "completed years of age on the first day on which it is recorded")
    example = """
title = "Age at the diagnosis of diabetes"
means = "Completed years of age at the first code of diabetes."
source = "NHS England, National Diabetes Audit: young people with type 2 diabetes"
version = "1.0"
codes = ["DM_COD"]
output = "diabetes_onset_age"
"""

    @classmethod
    def read(cls, reader: Reader) -> Self:
        table = reader.table()
        codes = reader.codes("codes", of=table)
        without = reader.codes("without", of=table, needed=False)
        fold = FirstDay(reader.told.id, table, codes, reader.until, None, without)
        return cls(reader.told, (fold,), (reader.part("", "int"),), reader.lists, reader.optional)

    def finalise(self, folded: Mapping[str, Folded], people: pa.RecordBatch, ages: Ages) -> Made:
        def column() -> pa.Array:
            completed, known = ages.on(some(folded[self.id].day))
            return with_nulls(completed.astype(np.int32), known, pa.int32())

        return made(column)

    def plain(self, found: Mapping[str, One], person: Person) -> tuple[Value, ...]:
        day = found[self.id].day
        return (None if day is None or person.birth is None else completed_years(person.birth, day),)

    def trace(self, found: Mapping[str, One], person: Person) -> list[Line]:
        day = found[self.id].day
        return [Line("never recorded" if day is None else f"first recorded on {day}", day is not None)]

    @classmethod
    def page(cls, raw: Mapping[str, Any]) -> list[Block]:
        among = f"{lists(raw['codes'])}{unless(raw)} among the {rows_of(raw)}"
        return [f"Completed years on the first day with a row of {among}."]
