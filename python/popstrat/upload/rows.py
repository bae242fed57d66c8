"""What a row carries on its way from the scored table to a file.

Read: ``row`` (its number in the scored table, from 0), ``practice`` (an index of `Practices`), ``key``, ``age`` if ages
are compared, ``group`` (the index of a label) if the template says who moves, and each column that files or the cohort
filter need, under `scored_field`.
Joined, with a lookup: ``number`` (0 for none), ``birth`` (days since 1970), ``reason`` (to be left out, from 1; 0 for
none), and no ``age``; with last month: ``before`` (the group then), ``change`` (an index of `CHANGES`), ``held``
(whether the cohort filter held then).
"""

from __future__ import annotations

import pyarrow as pa

from popstrat.packs.patient_table import ID, PRACTICE
from popstrat.upload.partition import column
from popstrat.upload.patient_keys import KeyRule
from popstrat.upload.plan import Plan
from popstrat.upload.practices import Practices
from popstrat.upload.templates.sources import BIRTH, CHANGE, NHS_NUMBER, PREVIOUS

_PREFIX = "c:"
_OF_SOURCE = {NHS_NUMBER: "number", BIRTH: "birth", CHANGE: "change", PREVIOUS: "before"}


def scored_field(name: str) -> str:
    """What a column of the scored table is called in a row."""
    return _PREFIX + name


def read_schema(plan: Plan, keys: KeyRule) -> pa.Schema:
    """A row as it is read."""
    kinds = {"label": pa.int16(), "flag": pa.bool_(), "text": pa.string()}
    fields = [("row", pa.int64()), ("practice", pa.int32()), ("key", keys.type)]
    if plan.compares_ages:
        fields.append(("age", pa.int16()))
    if plan.layout.group is not None:
        fields.append(("group", pa.int16()))
    for c in plan.columns:
        fields.append((scored_field(c.name), kinds.get(c.role, plan.table.source.schema.field(c.name).type)))
    return pa.schema(fields)


def joined_schema(plan: Plan, keys: KeyRule) -> pa.Schema:
    """A row as it is written from."""
    fields = [f for f in read_schema(plan, keys) if f.name != "age"]
    if plan.lookup is not None:
        fields += [pa.field("number", pa.int64()), pa.field("birth", pa.int32()), pa.field("reason", pa.uint8())]
    if plan.previous is not None:
        fields += [pa.field("before", pa.int16()), pa.field("change", pa.int8()), pa.field("held", pa.bool_())]
    return pa.schema(fields)


def scored_data(rows: pa.Table) -> dict[str, pa.Array]:
    """The columns of the scored table that the rows carry, by name."""
    names = [name for name in rows.column_names if name.startswith(_PREFIX)]
    return {name.removeprefix(_PREFIX): column(rows, name) for name in names}


def data_by_source(rows: pa.Table, practices: Practices) -> dict[str, pa.Array]:
    """All that the columns of a file may come from, by its name in a template."""
    data = scored_data(rows)
    data[ID] = column(rows, "key")
    data[PRACTICE] = practices.coded(column(rows, "practice"))
    data.update({source: column(rows, name) for source, name in _OF_SOURCE.items() if name in rows.column_names})
    return data
