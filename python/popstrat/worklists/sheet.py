"""What the files of a run say, before any of them is written: the people of every list, column by column."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from popstrat.packs.patient_table import Schema
from popstrat.worklists.best import Chosen
from popstrat.worklists.collect import GIVEN, KEY, MADE, NUMBER
from popstrat.worklists.given import plausible_dates
from popstrat.worklists.layout import ListColumn, layout
from popstrat.worklists.order import Order

CellKind = Literal["text", "key", "nhs_number", "whole", "number", "share", "date"]
NHS_NUMBER = "nhs_number"
NEW, STILL = "new", "still"
_YES = "yes"

Words = Callable[[pa.Table, pa.Table], Mapping[str, pa.Array]]
"""Sentences of people, by name, from their rows as given and as scored, columns under their own names."""


@dataclass(frozen=True)
class SheetColumn:
    """A column of the files: where it stands in them, and its values (text, whole numbers, doubles or days)."""

    of: ListColumn
    name: str
    label: str
    kind: CellKind
    values: pa.Array

    @property
    def empty(self) -> bool:
        """Whether nobody has anything in it."""
        if pa.types.is_string(self.values.type):
            return not bool(pc.any(pc.not_equal(self.values, "")).as_py())
        return bool(self.values.null_count == len(self.values))


@dataclass(frozen=True)
class Sheet:
    """The people of all lists, in order; ``at`` says on which list each is. ``absent`` are columns of the patient table
    that are to be shown, and LIST has not."""

    columns: tuple[SheetColumn, ...]
    at: NDArray[np.int32]
    absent: tuple[str, ...]

    @property
    def rows(self) -> int:
        return len(self.at)

    @property
    def ids(self) -> SheetColumn:
        """The column that says who somebody is."""
        return next(c for c in self.columns if c.of.role == "key")

    def column(self, name: str) -> SheetColumn | None:
        return next((c for c in self.columns if c.name == name), None)


@dataclass(frozen=True)
class Beside:
    """What is known of the chosen people from other files: whether each was on the last list (None: none was given),
    and on whose caseload each is (None: no such file)."""

    still: NDArray[np.bool_] | None = None
    caseload: pa.Array | None = None


def make_sheet(chosen: Chosen, order: Order, schema: Schema, as_of: dt.date, words: Words, beside: Beside) -> Sheet:
    """The columns of every list at once; those of options that were not given are left out."""
    given, made = under(chosen.rows, GIVEN), under(chosen.rows, MADE)
    rows = chosen.rows.num_rows
    said = words(given, made)
    absent: list[str] = []
    found: list[SheetColumn] = []
    for column in layout():
        name, label = column.name, column.label
        kind: CellKind = "text"
        match column.role:
            case "position":
                kind, values = "whole", pa.array(chosen.position)
            case "change":
                if beside.still is None:
                    continue
                values = _either(beside.still, STILL, NEW)
            case "tied":
                values = _either(chosen.tied, _YES, "")
            case "key":
                if NUMBER in chosen.rows.column_names:
                    name, label, kind, values = NHS_NUMBER, "NHS number", "nhs_number", one(chosen.rows, NUMBER)
                else:
                    kind, values = "key", one(chosen.rows, KEY)
            case "cohort":
                values = _repeated(order.cohort.title, rows)
            case "rank":
                if order.rank is None:
                    continue
                label, values = order.rank.title, _text(one(made, str(order.rank.output)))
            case "measure":
                name, label, kind, values = _measured(order, given, made, schema, absent)
            case "caseload":
                if beside.caseload is None:
                    continue
                values = beside.caseload
            case "words":
                if column.source not in said:
                    continue
                label = label if order.measure.ours else column.label_beside or label
                values = _text(said[column.source])
            case "output":
                if column.source not in made.column_names:
                    continue
                values = one(made, column.source)
                kind = "whole" if pa.types.is_integer(values.type) and column.source == "age" else "text"
                values = values.cast(pa.int64()) if kind == "whole" else _text(values)
            case "recorded":
                if column.source not in made.column_names:
                    continue
                values = _recorded(column, given, made)
            case _:
                kind, values = _of_list(column, given, schema, as_of, absent)
        found.append(SheetColumn(column, name, label, kind, values))
    return Sheet(tuple(found), chosen.at, tuple(absent))


def under(rows: pa.Table, prefix: str) -> pa.Table:
    """The columns whose names begin with a prefix, without it."""
    names = [name for name in rows.column_names if name.startswith(prefix)]
    return rows.select(names).rename_columns([name.removeprefix(prefix) for name in names])


def one(table: pa.Table, name: str) -> pa.Array:
    """A column in one piece."""
    column = table.column(name)
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _text(values: pa.Array) -> pa.Array:
    return pc.fill_null(values.cast(pa.string()), "")


def _repeated(text: str, rows: int) -> pa.Array:
    return pa.array([text], pa.string()).take(pa.array(np.zeros(rows, np.int32)))


def _either(which: NDArray[np.bool_], yes: str, no: str) -> pa.Array:
    return pc.if_else(pa.array(which), pa.scalar(yes), pa.scalar(no))


def _measured(
    order: Order, given: pa.Table, made: pa.Table, schema: Schema, absent: list[str]
) -> tuple[str, str, CellKind, pa.Array]:
    measure = order.measure
    label = measure.title if measure.ours else f"{measure.title} ({measure.name})"
    table = made if measure.ours else given
    values = one(table, measure.name).cast(pa.float64())
    probability = measure.definition is not None and measure.definition.kind == "model"
    return measure.name, label, "share" if probability else "number", values


def _recorded(column: ListColumn, given: pa.Table, made: pa.Table) -> pa.Array:
    """A category, and whether the record itself holds it."""
    values = one(made, column.source)
    there = np.zeros(len(values), bool)
    for name in column.recorded_in:
        if name in given.column_names:
            there |= np.asarray(one(given, name).is_valid())
    texts = _text(values)
    noted = pc.binary_join_element_wise(texts, pa.scalar(f" ({column.not_recorded})"), "")
    return pc.if_else(pc.and_(values.is_valid(), pa.array(~there)), noted, texts)


def _of_list(
    column: ListColumn, given: pa.Table, schema: Schema, as_of: dt.date, absent: list[str]
) -> tuple[CellKind, pa.Array]:
    known = schema[column.source]
    if column.source not in given.column_names:
        absent.append(column.source)
        kind: CellKind = "date" if known.type == "date" else "text"
        return kind, pa.nulls(given.num_rows, pa.date32()) if kind == "date" else _repeated("", given.num_rows)
    values = one(given, column.source)
    if known.type == "date":
        return "date", plausible_dates(values.cast(pa.date32()), schema.earliest_date, as_of)
    if known.type == "bool":
        return "text", _either(np.asarray(pc.fill_null(values.cast(pa.bool_()), False)), _YES, "")
    return "text", _text(values)


def parts(at: NDArray[np.int32], lists: Sequence[int]) -> NDArray[np.bool_]:
    """Which rows are of these lists."""
    return np.isin(at, np.array(lists, np.int32))
