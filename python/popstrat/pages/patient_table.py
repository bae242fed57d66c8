"""The patient table on a pack's page: the columns that rules can use, group by group."""

from __future__ import annotations

import pyarrow as pa

from popstrat.core.blocks import Section, code, table
from popstrat.packs.patient_table import Column, Schema

ANCHOR = "patient-table"


def sections(schema: Schema) -> list[Section]:
    """What null and implausible values mean, then a table for each group of columns."""
    about = (
        "The columns that rules can use. Null means not recorded. A value outside its plausible range, an unknown "
        "label, and a date after the as-of date or before birth count as not recorded and are reported. Dates are "
        f"plausible from {schema.earliest_date.isoformat()}."
    )
    made = [Section(2, "Patient table", [about], ANCHOR)]
    headings = ("column", "what it is", "type", "written as", "unit", "plausible", "notes")
    for group in dict.fromkeys(c.group for c in schema):
        rows = [
            (code(c.name), c.title, c.type, _written_as(c.dtype), c.unit, _range(c), "; ".join(_notes(c)))
            for c in schema
            if c.group == group
        ]
        made.append(Section(3, group.capitalize(), [table(headings, rows)]))
    return made


def _notes(column: Column) -> list[str]:
    notes = []
    if column.required:
        notes.append("required")
    if column.labels:
        notes.append("one of " + ", ".join(code(x) for x in column.labels))
    if column.aliases:
        notes.append("also " + ", ".join(f"{code(a)} for {code(b)}" for a, b in column.aliases.items()))
    if column.null_is:
        notes.append(f"null reads as {code(column.null_is)}")
    if column.dates:
        notes.append("dates " + ", ".join(code(x) for x in column.dates))
    return notes


def _range(column: Column) -> str:
    def shown(x: float) -> str:
        return f"{x:,.0f}" if float(x).is_integer() else f"{x:g}"

    if column.minimum is None and column.maximum is None:
        return ""
    if column.maximum is None:
        return f"{shown(column.minimum or 0)} and over"
    return f"{'up' if column.minimum is None else shown(column.minimum)} to {shown(column.maximum)}"


def _written_as(kind: pa.DataType) -> str:
    return "dictionary" if pa.types.is_dictionary(kind) else str(kind)
