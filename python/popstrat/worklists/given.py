"""Columns of the list as they are, beside what the pack makes of them: converted, and without what is not plausible.

The pack's rules read their own columns through the engine, which does the same; these are the others.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from popstrat.core.arrow import from_numpy, is_text, numbers, plain, valid, without_views
from popstrat.core.dates import days
from popstrat.packs.flags import true_rows
from popstrat.packs.patient_table import Column
from popstrat.scoring.columns import bind_column


def converted(values: pa.Array, column: Column) -> pa.Array:
    """A column of numbers, null where it is not plausible."""
    found = typed(values, column)
    amounts, (low, high) = numbers(found), column.bounds
    if column.single:
        low, high = float(np.float32(low)), float(np.float32(high))
    with np.errstate(invalid="ignore"):
        good = valid(found) & (amounts >= low) & (amounts <= high)
        if column.strict:
            good &= amounts == np.floor(amounts)
    return from_numpy(amounts, ~good, found.type)


def typed(values: pa.Array, column: Column) -> pa.Array:
    """Values of a column of the patient table in one of few types: text, true or false, days, numbers."""
    if pa.types.is_null(values.type):
        kinds = {"bool": pa.bool_(), "date": pa.date32(), "int": pa.int64(), "float": pa.float64()}
        return pa.nulls(len(values), kinds.get(column.type, pa.string()))
    binding = bind_column(column, 0, values.type)
    found = values if binding.convert is None else binding.convert(values)
    match column.type:
        case "bool":
            if pa.types.is_boolean(found.type):
                return found
            there = found.is_valid()
            if pa.types.is_floating(found.type):
                there = pc.and_(there, pc.invert(pc.fill_null(pc.is_nan(found), True)))
            return pc.if_else(there, true_rows(found, column.name), pa.scalar(None, pa.bool_()))
        case "id" | "string" | "category":
            return plain(without_views(found)).cast(pa.string()) if is_text(found.type) else found
        case "date":
            return found.cast(pa.date32())
    return found


def plausible_dates(values: pa.Array, earliest: dt.date, as_of: dt.date) -> pa.Array:
    """Days, null where they are after the as-of date or before the earliest that there may be."""
    at = values.cast(pa.int32())
    good = pc.and_(pc.greater_equal(at, days(earliest)), pc.less_equal(at, days(as_of)))
    return pc.if_else(good, values, pa.scalar(None, values.type))


def rows_of(batch: pa.RecordBatch, rows: pa.Array, known: Mapping[str, Column]) -> dict[str, pa.Array]:
    """Some rows of a batch of the list, by column, each `typed`."""
    found = {}
    for name, values in zip(batch.schema.names, batch.columns, strict=True):
        found[name] = typed(without_views(values).take(rows), known[name])
    return found
