"""The plausibility checks in SQL: columns as they come, the values that may be used, and the bits for the others."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from sqlglot import expressions as exp

from popstrat.core.dates import latest_birth_for
from popstrat.packs import plausibility
from popstrat.packs.patient_table import Column
from popstrat.packs.resolved import Resolved
from popstrat.queries import expressions as q
from popstrat.queries.dialects import Dialect

GIVEN = "_given"
"""What a column is called before its values are checked."""
_CAPITALS, _SMALL = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"
_TEN_THOUSAND = 10_000


@dataclass(frozen=True)
class Step:
    """The checked columns of one common table expression."""

    title: str
    columns: Sequence[tuple[str, exp.Expression]]


class Checks:
    """Reads and checks the columns of a table that a pack's outputs depend on.

    ``columns`` are those of the patient table that the table has and the pack reads, ``singles`` the ones of them that
    hold 32-bit floats, ``numbers`` the flags and categories that come as numbers.
    """

    def __init__(
        self, resolved: Resolved, dialect: Dialect, columns: Collection[str], singles: Collection[str],
        numbers: Collection[str],
    ) -> None:  # fmt: skip
        self._resolved, self._dialect = resolved, dialect
        self._schema, self._as_of = resolved.pack.schema, resolved.as_of
        self._columns = [c for c in self._schema if c.name in columns and c.type not in ("id", "string")]
        self._singles, self._numbers = frozenset(singles), frozenset(numbers)
        self._names = {c.name for c in self._columns}
        self._birth = next((c.completed_years_since for c in self._schema if c.completed_years_since), None)

    # -- as they come --

    def given(self) -> Iterator[tuple[str, exp.Expression]]:
        """Each column under the name that it has before it is checked; of flags, which need no check, their own."""
        for column in self._columns:
            item = q.column(column.name)
            match column.type:
                case "bool":
                    yield column.name, self._flag(column, item)
                case "category":
                    yield column.name + GIVEN, self._folded(column, item)
                case "date":
                    yield column.name + GIVEN, exp.cast(item, "date")
                case _:
                    yield column.name + GIVEN, self._number(column, item)

    def _flag(self, column: Column, item: exp.Expression) -> exp.Expression:
        if column.name in self._numbers or not self._dialect.booleans:
            one = q.binary(exp.EQ, item, q.integer(1))
            if not self._dialect.booleans:
                return exp.cast(q.case([(one, q.integer(1))], q.integer(0)), "boolean")
            return exp.Coalesce(this=one, expressions=[exp.false()])
        return exp.Coalesce(this=item, expressions=[exp.false()])

    def _folded(self, column: Column, item: exp.Expression) -> exp.Expression:
        """A label as it is listed; any other spelling as it is compared: without spaces around it, A to Z made small,
        null for none."""
        if column.name in self._numbers:
            item = exp.cast(exp.cast(item, "bigint"), "text")
        as_text = exp.cast(item, "text")
        trimmed = exp.Trim(this=as_text, expression=q.text(" "), position="BOTH")
        small = exp.Anonymous(this="TRANSLATE", expressions=[trimmed, q.text(_CAPITALS), q.text(_SMALL)])
        usual = exp.In(this=as_text.copy(), expressions=[q.text(label) for label in column.labels])
        # most are, and nothing has to be worked out of them
        return q.case([(usual, as_text.copy())], exp.Nullif(this=small, expression=q.text("")))

    def _number(self, column: Column, item: exp.Expression) -> exp.Expression:
        if column.name in self._singles and self._dialect.singles:
            item = exp.cast(item, "float")
        return exp.cast(item, "double")

    # -- as they may be used --

    def steps(self) -> list[Step]:
        """The values that may be used: first those that others are compared with."""
        left, known, found = [c for c in self._columns if c.type != "bool"], set[str](), []
        while left:
            ready = [c for c in left if not (self._needs(c) & self._names) - known]
            found.append(Step("values that may be used", [(c.name, self._usable(c)) for c in ready]))
            known |= {c.name for c in ready}
            left = [c for c in left if c not in ready]
        return found

    def _needs(self, column: Column) -> set[str]:
        """The columns that its values are compared with."""
        if column.type == "date":
            others = {column.not_after} if column.not_after else set()
            return others | ({self._birth} if self._birth and not self._ages(column) else set())
        return {column.completed_years_since} if column.completed_years_since else set()

    def _ages(self, column: Column) -> list[Column]:
        return [c for c in self._schema if c.completed_years_since == column.name]

    def _usable(self, column: Column) -> exp.Expression:
        given = q.column(column.name + GIVEN)
        if column.type == "category":
            return self._label(column, given)
        faults = [fault for _, fault in self._faults(column)]
        value = given.copy()
        held = q.case([(self._sound(column), value)])
        if column.completed_years_since:
            held = self._age(column, held)
        return held if faults else value

    def _label(self, column: Column, given: exp.Expression) -> exp.Expression:
        spellings: dict[str, list[str]] = {label: [] for label in column.labels}
        for spelling, code in column.label_codes().items():
            if spelling not in column.labels:
                spellings[column.labels[code]].append(spelling)
        branches = [(exp.In(this=given, expressions=[q.text(label) for label in column.labels]), given.copy())]
        for label, all_ in spellings.items():
            if all_:
                branches.append((exp.In(this=given.copy(), expressions=[q.text(s) for s in all_]), q.text(label)))
        return q.case(branches)

    def _age(self, column: Column, given: exp.Expression) -> exp.Expression:
        """Completed years since the date where there is one, else the years as given, without the year begun."""
        years = exp.Floor(this=given)
        if column.completed_years_since in self._names:
            return exp.Coalesce(this=self._years(q.column(str(column.completed_years_since))), expressions=[years])
        return years

    def missing_age(self) -> Iterator[tuple[str, exp.Expression]]:
        """Years that are counted from a date alone, since the table does not give them."""
        for column in self._schema:
            born = column.completed_years_since
            if born in self._names and column.name not in self._names:
                yield column.name, self._years(q.column(str(born)))

    def _years(self, born: exp.Expression) -> exp.Expression:
        """Birthdays reached: both days as year, month, day in one number, and the ten thousands between them."""

        def part(name: str) -> exp.Expression:
            return exp.Extract(this=exp.var(name), expression=born.copy())

        at = self._as_of.year * _TEN_THOUSAND + self._as_of.month * 100 + self._as_of.day
        day = exp.Add(
            this=exp.Add(
                this=exp.Mul(this=part("YEAR"), expression=q.integer(_TEN_THOUSAND)),
                expression=exp.Mul(this=part("MONTH"), expression=q.integer(100)),
            ),
            expression=part("DAY"),
        )
        between = exp.cast(exp.Sub(this=q.integer(at), expression=exp.Paren(this=day)), "double")
        return exp.Floor(this=exp.Div(this=between, expression=q.integer(_TEN_THOUSAND), typed=True, safe=False))

    def _sound(self, column: Column) -> exp.Expression:
        """Where a value may be used."""
        faults = [fault for _, fault in self._faults(column)]
        if column.type != "date":
            return q.all_of([_contrary(fault) for fault in faults])
        late, early, *others = faults
        days = q.between(late.this.copy(), early.expression.copy(), late.expression.copy())
        return q.all_of([days, *(_contrary(fault) for fault in others)])

    def _faults(self, column: Column) -> list[tuple[str, exp.Expression]]:
        """Reason and condition of every fault that a value may have, in the order in which they are looked for."""
        given = q.column(column.name + GIVEN)
        if column.type == "date":
            return self._faults_of_date(column, given)
        if column.type == "category":
            spellings = dict.fromkeys((*column.labels, *column.label_codes()))
            known = exp.In(this=given, expressions=[q.text(s) for s in spellings])
            return [(plausibility.LABEL_REASON, exp.Not(this=known))]
        low, high = column.bounds
        if column.name in self._singles and self._dialect.singles:
            with np.errstate(over="ignore"):
                low, high = float(np.float32(low)), float(np.float32(high))
        largest = float(np.finfo(np.float32 if column.name in self._singles else np.float64).max)
        low, high = max(low, -largest), min(high, largest)
        found = [
            (plausibility.range_reason(column), exp.Not(this=q.between(given, self._bound(low), self._bound(high))))
        ]
        if column.strict:
            found.append((plausibility.WHOLE_REASON, q.binary(exp.NEQ, given.copy(), exp.Floor(this=given.copy()))))
        if column.completed_years_since in self._names:
            lived = self._years(q.column(str(column.completed_years_since)))
            apart = exp.Abs(this=exp.Sub(this=exp.Floor(this=given.copy()), expression=lived))
            found.append((plausibility.AGE_REASON, q.binary(exp.GT, apart, q.integer(1))))
        return found

    def _bound(self, value: float) -> exp.Expression:
        if value == int(value) and abs(value) < 2**31:
            return q.integer(int(value))
        return q.double(self._dialect, value)

    def _faults_of_date(self, column: Column, given: exp.Expression) -> list[tuple[str, exp.Expression]]:
        earliest = self._schema.earliest_date
        ages = self._ages(column)
        if ages:
            too_old = latest_birth_for(int(ages[0].maximum or 0) + 1, self._as_of)
            earliest = max(earliest, too_old + dt.timedelta(days=1))
        found = [
            (plausibility.FUTURE_REASON, q.binary(exp.GT, given.copy(), q.date(self._as_of))),
            (plausibility.early_reason(column, self._schema), q.binary(exp.LT, given.copy(), q.date(earliest))),
        ]
        if self._birth in self._names and not ages:
            found.append((plausibility.BIRTH_REASON, q.binary(exp.LT, given.copy(), q.column(str(self._birth)))))
        if column.not_after in self._names:
            later = q.binary(exp.GT, given.copy(), q.column(str(column.not_after)))
            found.append((plausibility.order_reason(column), later))
        return found

    # -- quality flags --

    def quality_flags(self) -> exp.Expression:
        """The sum of the bits of the reasons for which values were set aside."""
        reasons = plausibility.reasons(self._schema)
        faults = {c.name: self._faults(c) for c in self._columns if c.type != "bool"}
        many = Counter(reasons[name, reason].bit for name, all_ in faults.items() for reason, _ in all_)
        parts, shared = [], dict[int, list[exp.Expression]]()
        for name, all_ in faults.items():
            branches = []
            for i, (reason, fault) in enumerate(all_):
                bit = reasons[name, reason].bit
                if bit is not None and many[bit] > 1:  # of several reasons: it is added once
                    alone = q.all_of([*(_contrary(before) for _, before in all_[:i]), fault.copy()])
                    shared.setdefault(bit, []).append(alone)
                value = exp.Literal.number(0 if bit is None or many[bit] > 1 else 1 << bit)
                branches.append((fault, q.said(value, "" if value.this == "0" else f"{name}: {reason}")))
            while branches and branches[-1][1].this == "0":
                branches.pop()
            if branches:
                parts.append(self._bits(name, branches, len(all_)))
        for bit, found in shared.items():
            parts.append(q.case([(q.any_of(found), exp.Literal.number(1 << bit))], q.integer(0)))
        if not parts:
            return q.integer(0)
        held: Any = exp.DataType.Type.UBIGINT if self._dialect.unsigned else "decimal(20, 0)"  # of bits there are 64
        return reduce(lambda a, b: exp.Add(this=a, expression=b), (exp.cast(p, held) for p in parts))

    def _bits(
        self, name: str, branches: Sequence[tuple[exp.Expression, exp.Expression]], faults: int
    ) -> exp.Expression:  # fmt: skip
        """The bit of a column's fault, 0 for none. Only of values that were set aside is the reason looked for again,
        except of years, which may come from a date."""
        if self._schema[name].completed_years_since:
            return q.case(branches, q.integer(0))
        given, held = q.column(name + GIVEN), q.column(name)
        aside = q.all_of([exp.Not(this=q.is_null(given)), q.is_null(held)])
        if faults == 1:
            return q.case([(aside, branches[0][1])], q.integer(0))
        return q.case([(aside, q.case(branches, q.integer(0)))], q.integer(0))


def _contrary(fault: exp.Expression) -> exp.Expression:
    """What holds of a value without the fault; it may be unknown only where the value that it is compared with is."""
    match fault:
        case exp.Not(this=inner):
            return inner.copy()
        case exp.GT(this=a, expression=b):
            sound: exp.Expression = exp.LTE(this=a.copy(), expression=b.copy())
        case exp.LT(this=a, expression=b):
            sound = exp.GTE(this=a.copy(), expression=b.copy())
        case exp.NEQ(this=a, expression=b):
            sound = exp.EQ(this=a.copy(), expression=b.copy())
        case _:
            raise AssertionError(fault)
    others = dict.fromkeys(c.name for c in fault.find_all(exp.Column) if not c.name.endswith(GIVEN))
    missing = [q.is_null(q.column(name)) for name in others]  # nothing to compare with is no fault
    return exp.Paren(this=q.any_of([sound, *missing])) if missing else sound
