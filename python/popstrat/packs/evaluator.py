"""The readable evaluator: plain Python, one patient at a time.

It is written to be read: what the engine does to millions of rows at once must give, row by row, what stands here.
With the compiler it shares the typed expressions, what an operation does to single values (`lang.values`), the patient
table, dates, which columns are read, and the reasons for which values are set aside; nothing else. `popstrat explain`
shows its values; the property tests compare it with the engine on generated tables and packs.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from popstrat.core.dates import completed_years, latest_birth_for
from popstrat.lang import nodes as n
from popstrat.lang.values import WHOLE, Singles, calculate, compare, finite, on_grid, whole
from popstrat.packs import plausibility
from popstrat.packs.columns_read import read_columns
from popstrat.packs.definition import Definition
from popstrat.packs.patient_table import Column, fold_label
from popstrat.packs.resolved import Resolved


@dataclass
class Patient:
    """One row after the plausibility checks: the values that may be used, and why others may not."""

    values: dict[str, n.Value]
    set_aside: list[tuple[str, str]]  # (column, reason)
    known: dict[str, n.Value] = field(default_factory=dict)  # definition → value, as far as worked out


class Reference:
    """Evaluates a pack's definitions for one patient.

    `columns` are the columns that the table has; `singles` those of them held as 32-bit floats. Numbers declared as
    such, and those not declared whole that come as such, are compared in 32 bits.
    """

    def __init__(self, resolved: Resolved, columns: Set[str], singles: Set[str] = frozenset()) -> None:
        self.resolved, self.schema = resolved, resolved.pack.schema
        self.columns = columns
        self.singles = {c.name for c in self.schema if c.single or (c.type == "float" and c.name in singles)}
        self.compared_in_32 = Singles(self.singles, resolved.definitions)

    @cached_property
    def reasons(self) -> Mapping[tuple[str, str], plausibility.Reason]:
        """Why a value is set aside, and the bit that says so."""
        return plausibility.reasons(self.schema)

    # -- plausibility -----------------------------------------------------------------------------------------------

    def patient(self, row: Mapping[str, Any]) -> Patient:
        """The plausible values of a row; a null, and a value that is not plausible, is None."""
        patient = Patient({}, [])
        for column in self.schema:
            if column.name not in self.columns or column.type in ("id", "string"):
                continue
            value, reason = self.plausible(column, row.get(column.name), patient)
            patient.values[column.name] = value
            if reason is not None:
                patient.set_aside.append((column.name, reason))
        return patient

    def plausible(self, column: Column, value: Any, patient: Patient) -> tuple[n.Value, str | None]:
        """(value, None), or (None, reason). Dates of birth come before other dates in the schema, and what may
        not lie after a date comes after it."""
        if value is None:
            return None, None
        match column.type:
            case "bool":
                if value in (0, 1):
                    return bool(value), None
                return None, None if value != value else plausibility.FLAG_REASON
            case "category":
                text = str(value).strip(" ")
                if not text:
                    return None, None
                code = column.label_codes().get(fold_label(text))
                return (None, plausibility.LABEL_REASON) if code is None else (column.labels[code], None)
            case "date":
                return self.plausible_date(column, value, patient)
            case _:
                (low, high), value = column.bounds, column.held(value)
                if column.name in self.singles:
                    low, high = float(np.float32(low)), float(np.float32(high))
                if not (math.isfinite(value) and low <= value <= high):
                    return None, plausibility.range_reason(column)
                if column.strict and value != math.floor(value):
                    return None, plausibility.WHOLE_REASON
                born = patient.values.get(column.completed_years_since or "")
                if isinstance(born, dt.date) and abs(int(value) - completed_years(born, self.resolved.as_of)) > 1:
                    return None, plausibility.AGE_REASON
                return value, None

    def plausible_date(self, column: Column, value: dt.date, patient: Patient) -> tuple[n.Value, str | None]:
        ages = [c for c in self.schema if c.completed_years_since == column.name]
        earliest = self.schema.earliest_date
        if ages:
            too_old = latest_birth_for(int(ages[0].maximum or 0) + 1, self.resolved.as_of)
            earliest = max(earliest, too_old + dt.timedelta(days=1))
        if value > self.resolved.as_of:
            return None, plausibility.FUTURE_REASON
        if value < earliest:
            return None, plausibility.early_reason(column, self.schema)
        birth = next((c.completed_years_since for c in self.schema if c.completed_years_since), None)
        born = patient.values.get(birth) if birth and not ages else None
        if isinstance(born, dt.date) and value < born:
            return None, plausibility.BIRTH_REASON
        other = patient.values.get(column.not_after or "")
        if isinstance(other, dt.date) and value > other:
            return None, plausibility.order_reason(column)
        return value, None

    # -- expressions ------------------------------------------------------------------------------------------------

    def value(self, node: n.Node, patient: Patient) -> n.Value:
        """The value of an expression; None is null, or for a condition unknown."""
        match node:
            case n.Const():
                return node.value
            case n.Column():
                return self.column(node.name, patient)
            case n.Named():
                return self.named(node.id, patient)
            case n.Not():
                item = self.value(node.item, patient)
                return None if item is None else not item
            case n.And():
                found = [self.value(i, patient) for i in node.items]
                return False if False in found else None if None in found else True
            case n.Or():
                found = [self.value(i, patient) for i in node.items]
                return True if True in found else None if None in found else False
            case n.Compare():
                return self.compare(node, patient)
            case n.IsIn():
                item = self.value(node.item, patient)
                return None if item is None else item in node.values
            case n.IsNull():
                return self.value(node.item, patient) is None
            case n.Within():
                if node.item.name not in self.columns:
                    return node.absent_is
                date = self.value(node.item, patient)
                return node.start <= date <= node.end if isinstance(date, dt.date) else None
            case n.Arithmetic() | n.Call():
                return calculate(node, [self.value(part, patient) for part in node.children()])
            case n.Coalesce():
                item = self.value(node.item, patient)
                return self.value(node.otherwise, patient) if item is None else item
            case n.CountTrue():
                return sum(self.value(i, patient) is True for i in node.items)
            case n.Cases():
                for condition, value in node.items:
                    if self.value(condition, patient) is True:
                        return self.value(value, patient)
                return self.value(node.otherwise, patient)
            case n.Only():
                return self.value(node.item, patient) if self.value(node.condition, patient) is True else None
            case n.WeightedSum():
                return self.weighted_sum(node, patient)
            case n.Whole():
                return whole(self.value(node.item, patient), node.dtype)
            case _:
                raise AssertionError(f"no such expression: {node}")

    def column(self, name: str, patient: Patient) -> n.Value:
        """A plausible value; a null flag is false; age counts from the date of birth, else as given."""
        column = self.schema[name]
        if column.completed_years_since:
            born = patient.values.get(column.completed_years_since)
            if isinstance(born, dt.date):
                return completed_years(born, self.resolved.as_of)
            given = patient.values.get(name)
            return int(given) if isinstance(given, int | float) else None
        value = patient.values.get(name)
        return bool(value) if column.type == "bool" else value

    def named(self, ident: str, patient: Patient) -> n.Value:
        """A definition's value; a condition that is not true is false."""
        if ident not in patient.known:
            node = self.resolved.definitions[ident].node
            value = self.value(node, patient)
            patient.known[ident] = value is True if node.type.kind == "bool" else value
        return patient.known[ident]

    def compare(self, node: n.Compare, patient: Patient) -> bool | None:
        left, right = self.value(node.left, patient), self.value(node.right, patient)
        single = node.left in self.compared_in_32 or node.right in self.compared_in_32
        if single and isinstance(left, int | float) and isinstance(right, int | float):
            with np.errstate(over="ignore"):
                return compare(node.op, float(np.float32(left)), float(np.float32(right)))
        return compare(node.op, left, right)

    def weighted_sum(self, node: n.WeightedSum, patient: Patient) -> float | None:
        total = on_grid(node.start)
        for term, weight in node.terms:
            value = self.value(term, patient)
            if term.type.kind == "bool":
                total += on_grid(weight) if value is True else 0.0
            elif isinstance(value, int | float):
                total += on_grid(value * weight)
            else:
                return None
        return finite(total)

    # -- output -----------------------------------------------------------------------------------------------------

    def output(self, definition: Definition, patient: Patient) -> n.Value:
        """What the output column holds for this patient: what every other definition sees, and of two zeros one."""
        value = self.named(definition.id, patient)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return value
        return int(value) if definition.dtype in WHOLE else float(value) + 0.0

    def score(self, row: Mapping[str, Any]) -> dict[str, n.Value]:
        """Every output column of a row, with its `quality_flags`."""
        patient = self.patient(row)
        scored = {str(d.output): self.output(d, patient) for d in self.resolved.outputs}
        read = self.used
        flags = 0
        for key in patient.set_aside:
            if key[0] in read and (bit := self.reasons[key].bit) is not None:
                flags |= 1 << bit
        scored["quality_flags"] = flags
        return scored

    @property
    def used(self) -> Set[str]:
        """The columns whose plausibility the scored table reports: those that the definitions read."""
        if not hasattr(self, "_used"):
            self._used = frozenset(read_columns(self.resolved, self.schema))
        return self._used
