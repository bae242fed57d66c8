"""``person``: what the files of patients and registrations say of a person themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import pyarrow as pa

from popstrat.core.blocks import Block, code
from popstrat.core.text import suggest
from popstrat.deriving.canonical import KEY, PATIENTS, REGISTRATIONS, Cell
from popstrat.deriving.folds import Folded
from popstrat.deriving.kinds.kind import Ages, Feature, Line, Made, One, PartType, Person, made
from popstrat.deriving.kinds.reader import Reader
from popstrat.lang.nodes import Value

COLUMNS = tuple(name for name in dict.fromkeys([*PATIENTS, *REGISTRATIONS]) if name != KEY)


def _kind(cell: Cell) -> PartType:
    """What a column of theirs holds; text is whatever it is."""
    kind = cell.type
    if kind is None or pa.types.is_dictionary(kind):
        return "given"
    return "date" if pa.types.is_date(kind) else "bool" if pa.types.is_boolean(kind) else "int"


@dataclass(frozen=True)
class FromThePerson(Feature):
    name = "person"
    called = "from the person"
    rank = 1
    keys = frozenset({"column", "output"})
    explained = (
        "`column`: of the patients or the registrations; the feature's name if it is left out",
        "what it holds",
    )
    example = """
title = "Where the person lives"
means = "The Index of Multiple Deprivation decile that the patients' file gives."
source = "Ministry of Housing, Communities and Local Government: English indices of deprivation"
version = "1.0"
column = "imd_decile"
output = "imd_decile"
"""

    column: str

    @classmethod
    def read(cls, reader: Reader) -> Self:
        column = reader.raw.get("column", reader.told.id)
        if not isinstance(column, str) or column not in COLUMNS:
            near = suggest(column, COLUMNS) if isinstance(column, str) else ""
            told = f"patients and registrations have no column {column!r}{near}; they have {', '.join(COLUMNS)}"
            raise reader.fault(told, "column")
        part = reader.part("", _kind(({**PATIENTS, **REGISTRATIONS})[column]))
        if part.output != column:
            raise reader.fault(f"is written as it is: `output` is true, or {column!r}", "output")
        return cls(reader.told, (), (part,), (), (), column)

    def finalise(self, folded: Mapping[str, Folded], people: pa.RecordBatch, ages: Ages) -> Made:
        return made(lambda: people.column(people.schema.get_field_index(self.column)))

    def plain(self, found: Mapping[str, One], person: Person) -> tuple[Value, ...]:
        return (person.row.get(self.column),)

    def trace(self, found: Mapping[str, One], person: Person) -> list[Line]:
        return [Line(f"{self.column} as in the files of patients and registrations", True)]

    @classmethod
    def page(cls, raw: Mapping[str, Any]) -> list[Block]:
        which = f"The column {code(raw['column'])}" if "column" in raw else "The column of this name"
        return [f"{which}, in the files of patients or registrations."]
