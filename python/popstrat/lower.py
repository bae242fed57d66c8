"""Typed expressions → one engine program.

Every condition becomes bit planes: the plane of rows where it *is true*, and, only where something negates it, the
plane where it *is false*. Whatever can take few values (labels, statuses, tree leaves, targets that depend on age) is
kept as exclusive planes with a constant each, so comparing, counting and choosing are word operations; numbers become
registers only where arithmetic needs them. Equal subexpressions are computed once, registers are reused.
"""

from __future__ import annotations

import datetime as dt
import heapq
import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from types import MappingProxyType
from typing import Any

import numpy as np

from popstrat import quality
from popstrat.dates import days, latest_birth_for
from popstrat.engine import GRID_BOUND, IN_PARTS, INSTRUCTION_WIDTH, OPERATIONS, STEPS, Program
from popstrat.lang import nodes as n
from popstrat.lang.values import WHOLE, Singles, calculate, compare, on_grid
from popstrat.pack import Definition, Resolved
from popstrat.schema import Column, Schema

# -- planes ---------------------------------------------------------------------------------------------------------
# A plane is (register value, inverted): negation costs nothing until a register of its own is needed.

Plane = tuple[int, bool]
TallyKey = tuple[str, str, str]
_Operation = tuple[str, tuple[int, ...], tuple[Any, ...]]  # name, values it defines, operands
FALSE: Plane = (-1, False)
TRUE: Plane = (-1, True)
_EXP_NEAR = 700.0  # between minus this and this, `exp` needs to look for neither end of what a double holds
_MOST_CASES = 24  # beyond this many constants, a finite-valued number is put into a register

_EXCHANGED: dict[str, Any] = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_INTEGER_RANGE = {
    "i8": (-(2**7), 2**7 - 1), "u8": (0, 2**8 - 1), "i16": (-(2**15), 2**15 - 1),
    "i32": (-(2**31), 2**31 - 1), "i64": (-(2**63), 2**63 - 1), "short": (-(2**15), 2**15 - 1),
}  # fmt: skip


def invert(p: Plane) -> Plane:
    """`not`, for free."""
    return (p[0], not p[1])


class Emitter:
    """Builds a list of operations in single-assignment form: equal operations are emitted once."""

    def __init__(self) -> None:
        self.operations: list[_Operation] = []
        self.classes: list[str] = []  # register class of each value: b u h f
        self.known: dict[tuple[Any, ...], tuple[int, ...]] = {}

    def emit(self, name: str, *operands: Any) -> tuple[int, ...]:
        """The values that an operation defines; operands are values, constants or lists, as its signature says."""
        key = (name, *operands)
        if key in self.known:
            return self.known[key]
        results = []
        for letter in OPERATIONS[name][1]:
            if letter.isupper():
                results.append(len(self.classes))
                self.classes.append(letter.lower())
        self.operations.append((name, tuple(results), operands))
        self.known[key] = tuple(results)
        return tuple(results)

    def value(self, name: str, *operands: Any) -> int:
        return self.emit(name, *operands)[0]

    def plane(self, name: str, *operands: Any) -> Plane:
        return (self.value(name, *operands), False)

    def register(self, p: Plane) -> int:
        """A register that holds the plane as it is."""
        if p == FALSE:
            return self.value("ZERO")
        if p == TRUE:
            return self.value("ONES")
        return self.value("NOT", p[0]) if p[1] else p[0]

    def both(self, a: Plane, b: Plane) -> Plane:
        """and"""
        if a == FALSE or b == FALSE or a == invert(b):
            return FALSE
        if a in (TRUE, b):
            return b
        if b == TRUE:
            return a
        if a[1] and b[1]:
            return (self.value("OR", *sorted((a[0], b[0]))), True)
        if b[1]:
            return (self.value("ANDNOT", a[0], b[0]), False)
        if a[1]:
            return (self.value("ANDNOT", b[0], a[0]), False)
        return (self.value("AND", *sorted((a[0], b[0]))), False)

    def either(self, a: Plane, b: Plane) -> Plane:
        """or"""
        return invert(self.both(invert(a), invert(b)))

    def any(self, planes: Iterable[Plane]) -> Plane:
        """or of many"""
        kept = list(dict.fromkeys(p for p in planes if p != FALSE))
        if TRUE in kept:
            return TRUE
        if len(kept) > 3:
            return self.plane("ANY", tuple(self.register(p) for p in kept))
        out = FALSE
        for p in kept:
            out = self.either(out, p)
        return out

    def all(self, planes: Iterable[Plane]) -> Plane:
        """and of many"""
        out = TRUE
        for p in planes:
            out = self.both(out, p)
        return out

    def count(self, planes: Iterable[Plane]) -> list[Plane]:
        """How many are set, as a number in bit planes, lowest first: a bit-sliced adder."""
        columns: list[list[Plane]] = [[p for p in planes if p != FALSE]]
        out: list[Plane] = []
        weight = 0
        while weight < len(columns):
            column = columns[weight]
            if len(columns) == weight + 1:
                columns.append([])
            while len(column) > 1:
                if len(column) >= 3:
                    total, carry = self.emit("FULLADD", *(self.register(column.pop(0)) for _ in range(3)))
                else:
                    total, carry = self.emit("HALFADD", *(self.register(column.pop(0)) for _ in range(2)))
                column.append((total, False))
                columns[weight + 1].append((carry, False))
            if not column and not any(columns[weight + 1 :]):
                break
            out.append(column[0] if column else FALSE)
            weight += 1
        return out

    def at_least(self, planes: Sequence[Plane], least: int) -> Plane:
        """number in planes >= least"""
        if least <= 0:
            return TRUE
        if least >= 1 << len(planes):
            return FALSE
        out = TRUE
        for i, p in enumerate(planes):
            out = self.both(p, out) if least >> i & 1 else self.either(p, out)
        return out


# -- numbers and categories as the compiler holds them -------------------------------------------------------------


@dataclass(frozen=True)
class Interval:
    """Where a number must lie, for leaving out checks that cannot fail."""

    low: float = -math.inf
    high: float = math.inf

    @property
    def safe(self) -> bool:
        return self.low > -1e300 and self.high < 1e300


@dataclass
class Number:
    """A number: how it is held, where it is not null, and where it must lie.

    One of: `column` (read in place), `short` (16-bit register), `planes` (a small count), `cases` (exclusive planes
    with a constant each; rows in none are null), `pieces` (exclusive planes with a number each; rows in none are
    null), `apart` (what one column is over another, or how far apart they are), `register` (doubles).
    """

    ok: Plane
    interval: Interval
    column: tuple[int, str] | None = None
    short: int | None = None
    planes: list[Plane] | None = None
    cases: list[tuple[Plane, float | int]] | None = None
    pieces: list[tuple[Plane, Number]] | None = None
    apart: tuple[Number, Number, bool] | None = None  # 32-bit columns; whether without the sign
    register: int | None = None


@dataclass
class Category:
    """A category: where it is not null, and for each label the plane of rows that hold it."""

    ok: Plane
    label: Callable[[str], Plane]


@dataclass
class Output:
    """An output column of the program: how the engine writes it and what it counts."""

    name: str
    kind: str  # bits, codes, short, number, flags
    nullable: bool
    definition: Definition | None
    counters: dict[str, int] = field(default_factory=dict)  # label → counter; of a number "" → how many are not null
    total: int | None = None  # SUM counter of a number
    total_planes: tuple[int, ...] = ()  # or one COUNT for each of its bit planes, lowest first


@dataclass
class Compiled:
    """A program and what its columns, outputs and counters stand for. Plain data; pickles."""

    program: Program
    columns: list[str]
    outputs: list[Output]
    quality: dict[tuple[str, str], int]  # (column, reason) → counter
    newest: dict[str, int]  # date column → NEWEST counter
    tallies: dict[TallyKey, int | None]  # what else is counted → counter, None for what never holds
    out_of_order: dict[str, tuple[int, int]]  # column that lies below another → counters of rows: both, and not below


class Lowering:
    """Compiles the definitions of a pack for one arrangement of input columns.

    `kinds` maps the columns at hand to the engine's kind of each ("null": all null); any other column is absent.
    """

    def __init__(self, resolved: Resolved, kinds: Mapping[str, str]) -> None:
        self.resolved, self.schema, self.kinds = resolved, resolved.pack.schema, dict(kinds)
        self.as_of = resolved.as_of
        self.e = Emitter()
        self.columns: list[str] = []
        self.reasons = quality.reasons(self.schema)
        self.bad: dict[tuple[str, str], Plane] = {}
        self.counters = 0
        self.counted: dict[tuple[str, str], int] = {}  # (column, reason) → counter, where checking counts as it goes
        self.newest: dict[str, Plane] = {}
        self._ok: dict[str, Plane] = {}
        self.singles = Singles({name for name, kind in self.kinds.items() if kind == "f32"}, resolved.definitions)
        self._true: dict[int, Plane] = {}
        self._false: dict[int, Plane] = {}
        self._numbers: dict[int, Number] = {}
        self._categories: dict[int, Category] = {}
        self._keep: list[n.Node] = []  # keeps nodes alive while their ids are keys

    # -- columns ----------------------------------------------------------------------------------------------------

    def present(self, name: str) -> bool:
        """The column is there and holds values."""
        return self.kinds.get(name, "null") != "null"

    def index(self, name: str) -> int:
        """The engine's number of a column, given at first use."""
        if name not in self.columns:
            self.columns.append(name)
        return self.columns.index(name)

    def bounds(self, column: Column) -> tuple[float, float]:
        """The plausible range of a numeric column."""
        low = -math.inf if column.minimum is None else column.minimum
        high = math.inf if column.maximum is None else column.maximum
        return low, high

    def ok(self, name: str) -> Plane:
        """Where the column holds a plausible value; notes what is implausible, once."""
        if name not in self._ok:
            self._ok[name] = self._check(name) if self.present(name) else FALSE
        return self._ok[name]

    def counter(self) -> int:
        """The number of a new counter."""
        self.counters += 1
        return self.counters - 1

    def _check(self, name: str) -> Plane:
        e, column, index, kind = self.e, self.schema[name], self.index(name), self.kinds[name]
        if column.type == "bool":
            return e.plane("VALID", index) if kind == "bits" else self._check_flag(name)
        if column.type == "category":
            valid = e.plane("VALID", index)
            codes = self.codes(name)
            missing = e.plane("RANGE_CODE", codes, 254, 254)
            known = e.plane("RANGE_CODE", codes, 0, len(column.labels) - 1)
            return self.note(name, quality.LABEL_REASON, e.both(valid, invert(missing)), known)
        if column.type == "date":
            born = any(c.completed_years_since == name for c in self.schema)
            earliest = self.schema.earliest_date
            if born:
                oldest = max(c.maximum or 0 for c in self.schema if c.completed_years_since == name)
                earliest = max(earliest, latest_birth_for(int(oldest) + 1, self.as_of) + dt.timedelta(days=1))
            reasons = (quality.early_reason(column, self.schema), quality.FUTURE_REASON)
            if earliest > self.as_of:  # an as-of date so early that no date is plausible
                past = e.plane("RANGE_I32", index, -(2**31), days(self.as_of))
                ok = self.note(name, reasons[1], e.plane("VALID", index), past)
                return self.note(name, reasons[0], ok, FALSE)
            counters = tuple(self.counter() for _ in reasons)
            found, *outside = e.emit("CHECK_DATE", index, days(earliest), days(self.as_of), *counters)
            for reason, value, counter in zip(reasons, outside, counters, strict=True):
                self.bad[name, reason] = (value, False)
                self.counted[name, reason] = counter
            ok = (found, False)
            birth = next((c.completed_years_since for c in self.schema if c.completed_years_since), None)
            if not born and birth and self.present(birth):
                before = e.both(e.plane("LESS_I32", index, self.index(birth)), self.ok(birth))
                ok = self.note(name, quality.BIRTH_REASON, ok, invert(before))
            if not born:
                self.newest[name] = ok
            return ok
        low, high = self.bounds(column)
        if kind in ("f32", "f64") and not (math.isfinite(low) and math.isfinite(high)):
            largest = float(np.finfo(np.float32 if kind == "f32" else np.float64).max)
            low, high = max(low, -largest), min(high, largest)
        return self.check_range(name, quality.range_reason(column), low, high)

    def _check_flag(self, name: str) -> Plane:
        """Where a flag held as numbers is 0 or 1. Other numbers are counted whether or not anything else is, since the
        caller refuses them; NaN is no record."""
        e, kind, index = self.e, self.kinds[name], self.index(name)
        if kind in _INTEGER_RANGE:
            return self.check_range(name, quality.FLAG_REASON, 0, 1)
        known = e.both(e.plane("VALID", index), self.in_range(name, -math.inf, math.inf))
        ok = self.note(name, quality.FLAG_REASON, known, e.either(self.in_range(name, 0, 0), self.in_range(name, 1, 1)))
        self.counted[name, quality.FLAG_REASON] = self.counter()
        e.emit("COUNT", self.counted[name, quality.FLAG_REASON], e.register(self.bad[name, quality.FLAG_REASON]))
        return ok

    def _out_of_order(self, names: Iterable[str]) -> dict[str, tuple[int, int]]:
        """For each column that lies below another in the same row: counters of the rows that hold both, and of those
        where it does not. Counted whether or not anything else is, since the caller may refuse them."""
        e, found = self.e, {}
        for name in names:
            other = self.schema[name].below
            if other is None or not (self.present(name) and self.present(other)):
                continue
            lower, upper = self.column_number(name), self.column_number(other)
            both = e.both(lower.ok, upper.ok)
            found[name] = self.counter(), self.counter()
            e.emit("COUNT", found[name][0], e.register(both))
            e.emit("COUNT", found[name][1], e.register(e.both(both, invert(self.less(lower, upper, False)))))
        return found

    def check_range(self, name: str, reason: str, low: float, high: float) -> Plane:
        """Rows that are valid and within the range; those valid and not are counted under the reason."""
        e, kind, index = self.e, self.kinds[name], self.index(name)
        limits: tuple[float, float] = (float(low), float(high))
        if kind in _INTEGER_RANGE:
            least, most = _INTEGER_RANGE[kind]
            limits = max(least, math.ceil(max(low, -1e300))), min(most, math.floor(min(high, 1e300)))
            if limits == (least, most):
                return e.plane("VALID", index)
            if limits[0] > limits[1]:  # the type holds no plausible value
                return self.note(name, reason, e.plane("VALID", index), FALSE)
        counter = self.counter()
        ok, bad = e.emit(f"CHECK_{kind.upper()}", index, *limits, counter)
        self.bad[name, reason], self.counted[name, reason] = (bad, False), counter
        return (ok, False)

    def note(self, name: str, reason: str, valid: Plane, inside: Plane) -> Plane:
        """Rows that are valid and inside; those valid and not are counted under the reason."""
        bad = self.e.both(valid, invert(inside))
        if bad != FALSE:
            self.bad[name, reason] = bad
        return self.e.both(valid, inside)

    def in_range(self, name: str, low: float, high: float) -> Plane:
        """low <= column <= high, both included, whatever the column's type; says nothing of nulls."""
        kind, index = self.kinds[name], self.index(name)
        if kind in _INTEGER_RANGE:
            least, most = _INTEGER_RANGE[kind]
            lo = least if low == -math.inf else max(least, math.ceil(low))
            hi = most if high == math.inf else min(most, math.floor(high))
            if lo > hi:
                return FALSE
            if (lo, hi) == (least, most):
                return TRUE
            return self.e.plane(f"RANGE_{kind.upper()}", index, lo, hi)
        return self.e.plane(f"RANGE_{kind.upper()}", index, float(low), float(high))

    def codes(self, name: str) -> int:
        """The register of a category's codes."""
        operation = {"dict8": "CODES_I8", "dict16": "CODES_I16", "dict32": "CODES_I32", "str32": "CODES_STR32",
                     "str64": "CODES_STR64"}[self.kinds[name]]  # fmt: skip
        return self.e.value(operation, self.index(name))

    def flag(self, name: str) -> Plane:
        """Where a flag is set; null, absent and implausible are not."""
        if not self.present(name):
            return FALSE
        if self.kinds[name] == "bits":
            return self.e.plane("FLAG", self.index(name))
        return self.e.both(self.in_range(name, 1, 1), self.ok(name))

    # -- conditions -------------------------------------------------------------------------------------------------

    def true(self, node: n.Node) -> Plane:
        """The rows where a condition is true."""
        key = id(node)
        if key not in self._true:
            self._keep.append(node)
            self._true[key] = self._make_true(node)
        return self._true[key]

    def false(self, node: n.Node) -> Plane:
        """The rows where a condition is false (known, and not true)."""
        key = id(node)
        if key not in self._false:
            self._keep.append(node)
            self._false[key] = self._make_false(node)
        return self._false[key]

    def _make_true(self, node: n.Node) -> Plane:
        e = self.e
        match node:
            case n.Const():
                return TRUE if node.value is True else FALSE
            case n.Column():
                return self.flag(node.name)
            case n.Named():
                return self.true(self.resolved.definitions[node.id].node)
            case n.Not():
                return self.false(node.item)
            case n.And():
                return e.all(self.true(i) for i in node.items)
            case n.Or():
                return e.any([self.true(i) for i in node.items])
            case n.Compare():
                return self.compare(node)[0]
            case n.IsIn():
                return self.is_in(node)
            case n.IsNull():
                return invert(self.known(node.item))
            case n.Within():
                if node.item.name not in self.kinds:
                    return TRUE if node.absent_is else FALSE
                if not self.present(node.item.name):
                    return FALSE
                return e.both(self.in_range(node.item.name, days(node.start), days(node.end)), self.ok(node.item.name))
            case n.Cases():
                return e.any([e.both(mask, self.true(value)) for mask, value in self.branches(node)])
            case n.Only():
                return e.both(self.true(node.condition), self.true(node.item))
            case _:
                raise AssertionError(f"not a condition: {node}")

    def _make_false(self, node: n.Node) -> Plane:
        e = self.e
        match node:
            case n.Const():
                return TRUE if node.value is False else FALSE
            case n.Column() | n.Named() | n.IsNull():
                return invert(self.true(node))
            case n.Not():
                return self.true(node.item)
            case n.And():
                return e.any([self.false(i) for i in node.items])
            case n.Or():
                return e.all(self.false(i) for i in node.items)
            case n.Compare():
                truth, ok = self.compare(node)
                return e.both(ok, invert(truth))
            case n.IsIn():
                return e.both(self.known(node.item), invert(self.is_in(node)))
            case n.Within():
                if node.item.name not in self.kinds:
                    return invert(self.true(node))
                return e.both(self.ok(node.item.name), invert(self.true(node)))
            case n.Cases():
                return e.any([e.both(mask, self.false(value)) for mask, value in self.branches(node)])
            case n.Only():
                return e.both(self.true(node.condition), self.false(node.item))
            case _:
                raise AssertionError(f"not a condition: {node}")

    def known(self, node: n.Node) -> Plane:
        """The rows where a value of any kind is not null."""
        match node.type.kind:
            case "bool":
                return self.e.either(self.true(node), self.false(node))
            case "category":
                return self.category(node).ok
            case "null":
                return FALSE
            case _:
                return self.number(node).ok

    def branches(self, node: n.Cases) -> list[tuple[Plane, n.Node]]:
        """Each value of a first match with the rows that take it; exclusive, and together all rows."""
        out = []
        left = TRUE
        for condition, value in node.items:
            truth = self.true(condition)
            out.append((self.e.both(left, truth), value))
            left = self.e.both(left, invert(truth))
        return [*out, (left, node.otherwise)]

    def known_cases(self, parts: Sequence[tuple[Plane, Plane]]) -> Plane:
        """Where a first match is not null: everywhere, if no value is ever null, since its branches cover all rows."""
        if all(ok == TRUE for _, ok in parts):
            return TRUE
        return self.e.any([self.e.both(mask, ok) for mask, ok in parts])

    def is_in(self, node: n.IsIn) -> Plane:
        category = self.category(node.item)
        return self.e.any([category.label(str(v)) for v in node.values])

    # -- comparisons ------------------------------------------------------------------------------------------------

    def compare(self, node: n.Compare) -> tuple[Plane, Plane]:
        """(true, known) of a comparison of numbers or dates."""
        e, single = self.e, node.left in self.singles or node.right in self.singles
        a, b, sign = self.number(node.left), self.number(node.right), node.op
        ok = e.both(a.ok, b.ok)
        if b.cases is None and a.cases is not None:
            a, b, sign = b, a, _EXCHANGED[sign]
        if b.cases is not None:
            hits = [e.both(mask, self.against(a, sign, constant, single)) for mask, constant in b.cases]
            return e.both(ok, e.any(hits)), ok
        if sign in ("==", "!="):
            equal = e.plane("EQUAL_NUM", self.doubles(a, single), self.doubles(b, single))
            return e.both(ok, equal if sign == "==" else invert(equal)), ok
        if sign in (">", "<="):  # as < and >= with the sides exchanged
            a, b = b, a
        less = self.less(a, b, single)
        return e.both(ok, less if sign in ("<", ">") else invert(less)), ok

    def less(self, a: Number, b: Number, single: bool) -> Plane:
        if a.column and b.column and a.column[1] == b.column[1] == "i32":
            return self.e.plane("LESS_I32", a.column[0], b.column[0])
        return self.e.plane("LESS_NUM", self.doubles(a, single), self.doubles(b, single))

    def against(self, a: Number, sign: str, constant: float, single: bool) -> Plane:
        """`a sign constant`, saying nothing of rows where `a` is null."""
        e = self.e
        if a.pieces is not None:
            return e.any([e.both(m, self.against(part, sign, constant, single)) for m, part in a.pieces])
        if single:
            with np.errstate(over="ignore"):
                constant = float(np.float32(constant))
        if a.cases is not None:
            return e.any([m for m, v in a.cases if compare(sign, float(np.float32(v)) if single else v, constant)])
        if sign == "!=":
            return invert(self.against(a, "==", constant, single))
        if a.planes is not None:
            least, most = _integers(sign, constant, 0, (1 << len(a.planes)) - 1)
            return e.both(e.at_least(a.planes, least), invert(e.at_least(a.planes, most + 1)))
        if a.short is not None:
            least, most = _integers(sign, constant, *_INTEGER_RANGE["short"])
            return FALSE if least > most else e.plane("RANGE_SHORT", a.short, least, most)
        if a.column is not None and not (single and a.column[1] in ("i32", "i64", "f64")):
            kind = a.column[1]
            if kind in _INTEGER_RANGE:
                least, most = _integers(sign, constant, *_INTEGER_RANGE[kind])
                return FALSE if least > most else self._column_range(a.column, least, most)
            return self._column_range(a.column, *_reals(sign, constant, np.float32 if kind == "f32" else np.float64))
        if a.apart is not None and not single:
            return self.apart_range(a.apart, *_integers(sign, constant, *_INTEGER_RANGE["i32"]))
        low, high = _reals(sign, constant, np.float32 if single else np.float64)
        return e.plane("RANGE_NUM", self.doubles(a, single), low, high)

    def apart_range(self, apart: tuple[Number, Number, bool], low: int, high: int) -> Plane:
        """low <= difference of two columns <= high"""
        e, (a, b, unsigned) = self.e, apart
        assert a.column
        assert b.column
        if unsigned:
            low = max(low, 0)
        if low > high:
            return FALSE
        if not unsigned:
            return e.plane("APART_I32", a.column[0], b.column[0], low, high)
        within = TRUE
        if high < _INTEGER_RANGE["i32"][1]:
            within = e.plane("APART_I32", a.column[0], b.column[0], -high, high)
        if low == 0:
            return within
        return e.both(within, invert(e.plane("APART_I32", a.column[0], b.column[0], 1 - low, low - 1)))

    def _column_range(self, column: tuple[int, str], low: float, high: float) -> Plane:
        return self.in_range(self.columns[column[0]], low, high)

    # -- numbers ----------------------------------------------------------------------------------------------------

    def number(self, node: n.Node) -> Number:
        """A number or a date (as days), however it is best held."""
        key = id(node)
        if key not in self._numbers:
            self._keep.append(node)
            self._numbers[key] = self._make_number(node)
        return self._numbers[key]

    def _make_number(self, node: n.Node) -> Number:
        e = self.e
        match node:
            case n.Const():
                if node.value is None:
                    return Number(FALSE, Interval(0, 0), cases=[])
                value = days(node.value) if isinstance(node.value, dt.date) else node.value
                assert isinstance(value, int | float)
                return Number(TRUE, Interval(value, value), cases=[(TRUE, value)])
            case n.Column():
                return self.column_number(node.name)
            case n.Named():
                return self.number(self.resolved.definitions[node.id].node)
            case n.CountTrue():
                planes = e.count([self.true(i) for i in node.items])
                return Number(TRUE, Interval(0, len(node.items)), planes=planes)
            case n.Only():
                return self.restrict(self.number(node.item), self.true(node.condition))
            case n.Cases():
                return self.number_cases(node)
            case n.Coalesce():
                return self.number_coalesce(self.number(node.item), self.number(node.otherwise))
            case n.Arithmetic() | n.Call():
                return self.calculation(node)
            case n.WeightedSum():
                return self.weighted_sum(node)
            case _:
                raise AssertionError(f"not a number: {node}")

    def column_number(self, name: str) -> Number:
        column = self.schema[name]
        if column.completed_years_since:
            return self.years(column)
        if not self.present(name):
            return Number(FALSE, Interval(0, 0), cases=[])
        ok = self.ok(name)
        if column.type == "date":
            interval = Interval(days(self.schema.earliest_date), days(self.as_of))
        else:
            interval = Interval(*self.bounds(column))
            if self.kinds[name] in _INTEGER_RANGE:
                least, most = _INTEGER_RANGE[self.kinds[name]]
                interval = Interval(max(interval.low, least), min(interval.high, most))
        return Number(ok, interval, column=(self.index(name), self.kinds[name]))

    def years(self, column: Column) -> Number:
        """Completed years: from the date where there is one, else the column as given."""
        e, birth = self.e, column.completed_years_since
        assert birth is not None
        interval = Interval(*self.bounds(column))
        given: Number | None = None
        if self.present(column.name):
            plain = Number(self.ok(column.name), interval, column=(self.index(column.name), self.kinds[column.name]))
            given = Number(plain.ok, interval, short=e.value("SHORT_NUM", self.doubles(plain)))
        if not self.present(birth):
            return given or Number(FALSE, Interval(0, 0), cases=[])
        ok, index, highest = self.ok(birth), self.index(birth), int(column.maximum or 120)
        multiplier = years_multiplier(self.as_of, highest)
        if multiplier is not None:
            lived = e.value("YEARS", index, days(self.as_of), *multiplier)
        else:
            birthdays = tuple(days(latest_birth_for(k, self.as_of)) for k in range(highest + 2))
            lived = e.value("YEARS_TABLE", index, days(self.as_of), birthdays)
        if given is None:
            return Number(ok, interval, short=lived)
        assert given.short is not None
        both = e.value("SELECT_SHORT", e.register(ok), lived, given.short)
        return Number(e.either(ok, given.ok), interval, short=both)

    def restrict(self, number: Number, rows: Plane) -> Number:
        """The same number, null outside the rows."""
        e = self.e
        ok = e.both(number.ok, rows)
        if number.cases is not None:
            return replace(number, ok=ok, cases=[(c, v) for m, v in number.cases if (c := e.both(m, rows)) != FALSE])
        if number.pieces is not None:
            return replace(number, ok=ok, pieces=[(e.both(m, rows), part) for m, part in number.pieces])
        return replace(number, ok=ok)

    def number_cases(self, node: n.Cases) -> Number:
        return self.join([(m, part) for mask, v in self.branches(node) for m, part in self.split(self.number(v), mask)])

    def number_coalesce(self, a: Number, b: Number) -> Number:
        return self.join([*self.split(a, TRUE), *self.split(b, invert(a.ok))])

    def split(self, number: Number, rows: Plane) -> list[tuple[Plane, Number]]:
        """A number as exclusive pieces that are not null, within the rows."""
        if number.cases is not None:
            pieces = [(m, Number(TRUE, Interval(v, v), cases=[(TRUE, v)])) for m, v in number.cases]
        else:
            pieces = number.pieces if number.pieces is not None else [(number.ok, number)]
        return [(mask, part) for m, part in pieces if (mask := self.e.both(rows, m)) != FALSE]

    def join(self, pieces: list[tuple[Plane, Number]]) -> Number:
        """One number of exclusive pieces: constants stay constants, others are put together only where they must be."""
        ok = self.e.any([m for m, _ in pieces])
        interval = _hull(part.interval for _, part in pieces)
        constants: dict[tuple[type, float | int], list[Plane]] = {}
        others = []
        for mask, part in pieces:
            value = _constant(part)
            if value is None:
                others.append((mask, part))
            else:
                constants.setdefault((type(value), value), []).append(mask)
        cases = [(self.e.any(masks), value) for (_, value), masks in constants.items()]
        if not others:
            return Number(ok, interval, cases=cases)
        fixed = [(m, Number(TRUE, Interval(v, v), cases=[(TRUE, v)])) for m, v in cases]
        joined = Number(ok, interval, pieces=[*others, *fixed])
        return joined if len(others) <= _MOST_CASES else Number(ok, interval, register=self.doubles(joined))

    def doubles(self, number: Number, single: bool = False) -> int:
        """The number in a register of doubles; rows where it is null hold rubbish."""
        e = self.e
        if number.register is not None:
            out = number.register
        elif number.column is not None:
            out = e.value(f"F64_{number.column[1].upper()}", number.column[0])
        elif number.short is not None:
            out = e.value("NUM_SHORT", number.short)
        elif number.planes is not None:
            planes = [e.register(p) for p in number.planes]
            out = e.value("NUM_PLANES", tuple(planes[:8]))
            if len(planes) > 8:  # a count of more than 255
                out = e.value("ADD", out, e.value("MULK", e.value("NUM_PLANES", tuple(planes[8:])), 256.0))
        elif number.apart is not None:
            a, b, unsigned = number.apart
            out = e.value("SUB", self.doubles(a), self.doubles(b))
            out = e.value("ABS", out) if unsigned else out
        elif number.pieces is not None:
            parts = list(number.pieces)
            out = self.doubles(parts.pop()[1])
            for mask, part in reversed(parts):
                out = e.value("SELECT", e.register(mask), self.doubles(part), out)
        else:
            out = self.constants(number.cases or [])
        if single and not (number.column is not None and number.column[1] == "f32"):
            out = e.value("SINGLE", out)
        return out

    def shorts(self, number: Number) -> int | None:
        """The number in a register of 16-bit integers, where it is a whole number that is sure to fit; else None."""
        e = self.e
        if number.short is not None:
            return number.short
        if not _fits(number.interval):
            return None
        if number.column is not None and number.column[1] in ("i8", "u8", "i16"):
            return e.value(f"SHORT_{number.column[1].upper()}", number.column[0])
        constant = _constant(number)
        if constant is not None and float(constant).is_integer():
            return e.value("FILL_SHORT", int(constant))
        if number.pieces is None:
            return None
        parts = [(mask, self.shorts(part)) for mask, part in number.pieces]
        out = parts.pop()[1]
        for mask, short in reversed(parts):
            out = None if out is None or short is None else e.value("SELECT_SHORT", e.register(mask), short, out)
        return out

    def whole(self, name: str, a: Number, b: Number, ok: Plane, interval: Interval) -> Number | None:
        """An operation on a small whole number and a constant, in 16 bits (a quarter of the cost); None for others."""
        left, right = _constant(a), _constant(b)
        constant = right if right is not None else left
        if (
            constant is None
            or not float(constant).is_integer()
            or not (_fits(Interval(-abs(constant), abs(constant))) and _fits(interval))
        ):
            return None
        operation = {"+": "ADD_SHORTK", "-": "ADD_SHORTK", "min": "MIN_SHORTK", "max": "MAX_SHORTK"}.get(name)
        k = int(constant)
        if name == "-":
            operation, k = ("ADD_SHORTK", -k) if right is not None else ("RSUB_SHORTK", k)
        short = self.shorts(a if right is not None else b) if operation else None
        if operation is None or short is None:
            return None
        return Number(ok, interval, short=self.e.value(operation, short, k))

    def constants(self, cases: list[tuple[Plane, float | int]]) -> int:
        """A register that holds, on each exclusive plane, its constant."""
        e = self.e
        if len(cases) <= 1:
            return e.value("FILL", float(cases[0][1]) if cases else 0.0)
        if len(cases) <= 3 or len(cases) > 255:  # zero plus the one constant that applies is that constant
            return e.value("MASKED_ADD", e.value("FILL", 0.0), tuple((e.register(m), float(v)) for m, v in cases))
        bits = len(cases).bit_length()
        code = [e.any([m for k, (m, _) in enumerate(cases, 1) if k >> bit & 1]) for bit in range(bits)]
        return e.value("LOOKUP", tuple(e.register(p) for p in code), (0.0, *(float(v) for _, v in cases)))

    def towards_zero(self, number: Number) -> Number:
        """The whole part of a number."""
        if number.column is not None and number.column[1] in _INTEGER_RANGE:
            return number
        e, x = self.e, self.doubles(number)
        under = e.value("NEG", e.value("FLOOR", e.value("NEG", x)))
        negative = e.register(e.plane("RANGE_NUM", x, -math.inf, 0.0))
        return Number(number.ok, number.interval, register=e.value("SELECT", negative, under, e.value("FLOOR", x)))

    def calculation(self, node: n.Arithmetic | n.Call) -> Number:
        parts = list(node.children())
        numbers = [self.number(p) for p in parts]
        ok = self.e.all(x.ok for x in numbers)
        if ok == FALSE:
            return Number(FALSE, Interval(0, 0), cases=[])
        folded = self.fold_cases(node, numbers)
        if folded is not None:
            return folded
        if isinstance(node, n.Call) and len(numbers) > 2:  # min and max of many, two at a time
            out = numbers[0]
            for item in numbers[1:]:
                out = self._apply(node.function, [out, item], self.e.both(out.ok, item.ok))
            return out
        return self._apply(node.op if isinstance(node, n.Arithmetic) else node.function, numbers, ok)

    def fold_cases(self, node: n.Arithmetic | n.Call, numbers: list[Number]) -> Number | None:
        """Arithmetic on few constants gives few constants: work them out here, row by row nothing remains."""
        if not all(x.cases is not None for x in numbers):
            return None
        if math.prod(max(1, len(x.cases or ())) for x in numbers) > _MOST_CASES or any(
            p.type == n.DATE for p in node.children()
        ):
            return None
        combined: list[tuple[Plane, tuple[float | int, ...]]] = [(TRUE, ())]
        for x in numbers:
            combined = [
                (mask, (*values, value))
                for known, values in combined
                for case, value in x.cases or ()
                if (mask := self.e.both(known, case)) != FALSE
            ]
        found = [(mask, calculate(node, values)) for mask, values in combined]
        return self.join(
            [(mask, Number(TRUE, Interval(v, v), cases=[(TRUE, v)])) for mask, v in found if v is not None]
        )

    def _apply(self, name: str, numbers: list[Number], ok: Plane) -> Number:
        """One operation in registers; a result that may not be finite is checked, and null where it is not."""
        e = self.e
        a = numbers[0]
        b = numbers[1] if len(numbers) > 1 else None
        constant_a, constant_b = _constant(a), _constant(b) if b else None
        interval = _interval(name, a.interval, b.interval if b else None)
        if b is not None and (small := self.whole(name, a, b, ok, interval)) is not None:
            return small
        if name == "-" and b and a.column and b.column and a.column[1] == b.column[1] == "i32" and _days(interval):
            return Number(ok, interval, apart=(a, b, False))
        if name == "abs" and a.apart is not None:
            return Number(ok, interval, apart=(*a.apart[:2], True))
        if b is None:
            operation = {"abs": "ABS", "exp": "EXP", "floor": "FLOOR", "ln": "LN", "sqrt": "SQRT"}.get(name)
            if name == "exp" and a.interval.low >= -_EXP_NEAR and a.interval.high <= _EXP_NEAR:
                operation = "EXP_NEAR"
            out = (
                e.value("ROUND", self.doubles(a), 1.0) if name == "round" else e.value(str(operation), self.doubles(a))
            )
        elif name == "round":
            assert constant_b is not None
            out = e.value("ROUND", self.doubles(a), 10.0**constant_b)
        elif name == "**":
            out = self._power(a, b, constant_b)
        elif constant_b is not None:
            operation = {"+": "ADDK", "-": "ADDK", "*": "MULK", "/": "DIVK", "min": "MINK", "max": "MAXK"}[name]
            out = e.value(operation, self.doubles(a), float(-constant_b if name == "-" else constant_b))
        elif constant_a is not None:
            if name == "-" and constant_a == 0:
                out = e.value("NEG", self.doubles(b))
            else:
                operation = {"+": "ADDK", "-": "RSUBK", "*": "MULK", "/": "RDIVK", "min": "MINK", "max": "MAXK"}[name]
                out = e.value(operation, self.doubles(b), float(constant_a))
        else:
            operation = {"+": "ADD", "-": "SUB", "*": "MUL", "/": "DIV", "min": "MIN", "max": "MAX"}[name]
            out = e.value(operation, self.doubles(a), self.doubles(b))
        if not interval.safe:
            ok = e.both(ok, e.plane("FINITE", out))
        return Number(ok, interval, register=out)

    def _power(self, a: Number, b: Number, exponent: float | None) -> int:
        e = self.e
        x = self.doubles(a)
        if exponent is None:
            return e.value("POW", x, self.doubles(b))
        if exponent == 0.5:
            return e.value("SQRT", x)
        if float(exponent).is_integer() and 1 <= abs(exponent) <= 64:
            out = x
            for bit in f"{int(abs(exponent)):b}"[1:]:  # square, and multiply where the bit is set
                out = e.value("MUL", out, out)
                out = e.value("MUL", out, x) if bit == "1" else out
            return out if exponent > 0 else e.value("RDIVK", out, 1.0)
        return e.value("POWK", x, float(exponent))

    def weighted_sum(self, node: n.WeightedSum) -> Number:
        """Numbers first and then all conditions in one pass, where the sum is exact; else in the order written."""
        e = self.e
        ok = TRUE
        start = low = high = on_grid(node.start)
        most = abs(start)
        parts: list[tuple[Plane | Number, float]] = []
        for term, weight in node.terms:
            if term.type.kind == "bool":
                plane, step = self.true(term), on_grid(weight)
                reach = Interval(min(0.0, step), max(0.0, step))
                if plane != FALSE:
                    parts.append((plane, step))
            else:
                number = self.number(term)
                ok = e.both(ok, number.ok)
                reach = _interval("*", number.interval, Interval(weight, weight))
                parts.append((number, weight))
            low, high, most = low + reach.low, high + reach.high, most + max(abs(reach.low), abs(reach.high))
        exact = most < GRID_BOUND
        if exact:
            parts.sort(key=lambda part: not isinstance(part[0], Number))
        total: int | None = None
        for conditions, group in itertools.groupby(parts, key=lambda part: not isinstance(part[0], Number)):
            if conditions:
                weights = tuple((e.register(part), weight) for part, weight in group if not isinstance(part, Number))
                total = e.value("FILL", start) if total is None else total
                total = e.value("WEIGH" if exact else "MASKED_ADD", total, weights)
                continue
            numbers = [(part, weight) for part, weight in group if isinstance(part, Number)]
            for whole, several in itertools.groupby(numbers, key=lambda part: self.shorts(part[0]) is not None):
                if whole:
                    scaled = tuple((self.shorts(part), weight) for part, weight in several)
                    if total is None:
                        total = e.value("SCALED_SHORTS", start, scaled)
                    else:
                        total = e.value("ADD_SCALED_SHORTS", total, scaled)
                    continue
                for part, weight in several:
                    value = self.doubles(part)
                    if total is None:
                        total = e.value("SCALED", value, start, weight)
                    else:
                        total = e.value("ADD_SCALED", total, value, weight)
        total = e.value("FILL", start) if total is None else total
        interval = Interval(low, high)
        if not interval.safe:
            ok = e.both(ok, e.plane("FINITE", total))
        return Number(ok, interval, register=total)

    # -- categories -------------------------------------------------------------------------------------------------

    def category(self, node: n.Node) -> Category:
        key = id(node)
        if key not in self._categories:
            self._keep.append(node)
            self._categories[key] = self._make_category(node)
        return self._categories[key]

    def _make_category(self, node: n.Node) -> Category:
        e = self.e
        match node:
            case n.Const():
                return Category(
                    FALSE if node.value is None else TRUE, lambda label: TRUE if label == node.value else FALSE
                )
            case n.Column():
                if not self.present(node.name):
                    return Category(FALSE, lambda label: FALSE)
                ok, labels = self.ok(node.name), self.schema[node.name].labels

                def held(label: str) -> Plane:
                    if label not in labels:
                        return FALSE
                    code = labels.index(label)
                    return e.both(ok, e.plane("RANGE_CODE", self.codes(node.name), code, code))

                return Category(ok, cache(held))
            case n.Named():
                return self.category(self.resolved.definitions[node.id].node)
            case n.Coalesce():
                a, b = self.category(node.item), self.category(node.otherwise)
                return Category(
                    e.either(a.ok, b.ok),
                    cache(lambda label: e.either(a.label(label), e.both(b.label(label), invert(a.ok)))),
                )
            case n.Only():
                rows, item = self.true(node.condition), self.category(node.item)
                return Category(e.both(rows, item.ok), cache(lambda label: e.both(rows, item.label(label))))
            case n.Cases():
                parts = [(mask, self.category(value)) for mask, value in self.branches(node) if mask != FALSE]
                return Category(
                    self.known_cases([(mask, value.ok) for mask, value in parts]),
                    cache(lambda label: e.any([e.both(mask, value.label(label)) for mask, value in parts])),
                )
            case _:
                raise AssertionError(f"not a category: {node}")

    # -- the program ------------------------------------------------------------------------------------------------

    def compile(
        self,
        outputs: Sequence[Definition],
        check: Iterable[str] = (),
        flags: bool = True,
        tallies: Mapping[TallyKey, n.Node] = MappingProxyType({}),
        aside: Sequence[Definition] = (),
        counted: bool = True,
    ) -> Compiled:
        """The program that writes the outputs, checks the columns named in `check` besides those it uses, and counts
        the conditions of `tallies`. It writes what is `aside` as well, last, and counts nothing of it. Without
        ``counted`` it counts nothing at all, save what may stop a run and what the checks count in passing."""
        written: list[Output] = []
        for definition in outputs:
            written.append(self.write(definition, len(written), counted))
        check = list(check)
        for name in check:
            self.ok(name)
        out_of_order = self._out_of_order(check)
        if flags:
            pairs = tuple((self.e.register(p), self.reasons[key].bit) for key, p in self.bad.items())
            self.e.emit("OUT_FLAGS", len(written), pairs)
            written.append(Output("quality_flags", "flags", False, None))
        for definition in aside:
            written.append(self.write(definition, len(written), counted=False))
        newest: dict[str, int] = {}
        counts: dict[TallyKey, int | None] = {}
        if counted:
            self._count(newest, counts, tallies)
        program = assemble(self.e, [self.kinds[c] for c in self.columns], [o.kind for o in written], self.counters)
        return Compiled(program, list(self.columns), written, self.counted, newest, counts, out_of_order)

    def _count(
        self, newest: dict[str, int], counts: dict[TallyKey, int | None], tallies: Mapping[TallyKey, n.Node]
    ) -> None:
        """Emit the counting of implausible values, of the conditions of `tallies`, and the newest dates."""
        for key, plane in self.bad.items():
            if key not in self.counted:
                self.counted[key] = self.counter()
                self.e.emit("COUNT", self.counted[key], self.e.register(plane))
        for name, plane in self.newest.items():
            newest[name] = self.counter()
            self.e.emit("NEWEST", newest[name], self.index(name), self.e.register(plane))
        for tally, condition in tallies.items():
            rows = self.true(condition)
            counts[tally] = None if rows == FALSE else self.counter()
            if rows != FALSE:
                self.e.emit("COUNT", counts[tally], self.e.register(rows))

    def write(self, definition: Definition, place: int, counted: bool = True) -> Output:
        """Emit the writing and counting of one output column."""
        e, node = self.e, definition.node
        assert definition.output is not None
        out = Output(definition.output, "", False, definition)

        def tally(label: str, plane: Plane) -> None:
            if plane != FALSE and counted:
                out.counters[label] = self.counter()
                e.emit("COUNT", out.counters[label], e.register(plane))

        if node.type.kind == "bool":
            out.kind = "bits"
            plane = self.true(node)
            e.emit("OUT_BITS", place, e.register(plane))
            tally("true", plane)
            return out
        if node.type.kind == "category":
            out.kind = "codes"
            category = self.category(node)
            ok = category.ok
            planes = [category.label(label) for label in node.type.labels]
            for label, plane in zip(node.type.labels, planes, strict=True):
                tally(label, plane)
            bits = max(1, (len(planes) - 1).bit_length())
            code = [e.any([p for k, p in enumerate(planes) if k >> bit & 1]) for bit in range(bits)]
            e.emit("OUT_CODES", place, tuple(e.register(p) for p in code))
        else:
            number = self.number(node)
            ok = number.ok
            least, most = WHOLE.get(definition.dtype, (-math.inf, math.inf))
            if not (least - 1 < number.interval.low and number.interval.high < most + 1):
                inside = math.nextafter(least - 1, math.inf), math.nextafter(most + 1, -math.inf)
                ok = e.both(ok, e.plane("RANGE_NUM", self.doubles(number), *inside))
            if definition.dtype in WHOLE and number.short is None and number.planes is None:
                number = self.towards_zero(number)
            if definition.dtype == "uint8" and number.planes is not None and len(number.planes) <= 8:
                out.kind = "codes"
                e.emit("OUT_CODES", place, tuple(e.register(e.both(p, ok)) for p in number.planes))
            elif definition.dtype == "int16":
                out.kind = "short"
                short = number.short if number.short is not None else e.value("SHORT_NUM", self.doubles(number))
                e.emit("OUT_SHORT", place, short, e.register(ok))
            else:
                out.kind = "number"
                e.emit("OUT_NUM", place, self.doubles(number), e.register(ok))
            tally("", ok)
            if not counted:
                pass
            elif ok != FALSE and number.planes is not None:
                out.total_planes = tuple(self.counter() for _ in number.planes)
                for place_value, plane in zip(out.total_planes, number.planes, strict=True):
                    e.emit("COUNT", place_value, e.register(e.both(plane, ok)))
            elif ok != FALSE:
                out.total = self.counter()
                e.emit("SUM", out.total, self.doubles(number), e.register(ok))
        out.nullable = ok != TRUE
        if out.nullable:
            e.emit("OUT_VALID", place, e.register(ok))
        return out


@cache
def years_multiplier(as_of: dt.date, highest: int) -> tuple[int, int, int] | None:
    """(multiplier, addend, shift) with (days lived × multiplier + addend) >> shift the completed years, for every date
    of birth up to `highest` + 1 years before, in 32 bits; None where no such numbers exist (as-of dates whose century
    includes 1900-02-28 or 2100-02-28)."""
    shift = 25
    years = np.arange(1, highest + 2, dtype=np.int64) << shift
    lived = np.array([(as_of - latest_birth_for(k, as_of)).days for k in range(1, highest + 2)], dtype=np.int64)
    for multiplier in range(int(2**shift / 365.2425) - 16, int(2**shift / 365.2425) + 17):
        least = max(0, int((years - lived * multiplier).max()))
        most = int((years - (lived - 1) * multiplier).min()) - 1
        if least <= most and int(lived[-1]) * multiplier + least < 2**32:
            return multiplier, least, shift
    return None


def _integers(sign: str, constant: float, least: int, most: int) -> tuple[int, int]:
    """The whole numbers x with `x sign constant`, as a range within [least, most] (empty: low above high)."""
    if constant == math.inf or constant == -math.inf:
        constant = math.copysign(1e300, constant)
    low, high = least, most
    match sign:
        case "<":
            high = min(most, math.ceil(constant) - 1)
        case "<=":
            high = min(most, math.floor(constant))
        case ">":
            low = max(least, math.floor(constant) + 1)
        case ">=":
            low = max(least, math.ceil(constant))
        case _:
            if constant != math.floor(constant):
                return 1, 0
            low, high = max(least, int(constant)), min(most, int(constant))
    return low, high


def _reals(sign: str, constant: float, kind: type[np.floating[Any]]) -> tuple[float, float]:
    """The range of x with `x sign constant`, both ends included, in 32 or 64 bits."""
    with np.errstate(over="ignore"):
        k = kind(constant)
    match sign:
        case "<":
            return -math.inf, float(np.nextafter(k, kind(-math.inf)))
        case "<=":
            return -math.inf, float(k)
        case ">":
            return float(np.nextafter(k, kind(math.inf))), math.inf
        case ">=":
            return float(k), math.inf
        case _:
            return float(k), float(k)


def _fits(interval: Interval) -> bool:
    """Whole numbers that 16 bits hold."""
    least, most = _INTEGER_RANGE["short"]
    return interval.low >= least and interval.high <= most


def _days(interval: Interval) -> bool:
    """Differences that are far from the ends of 32 bits."""
    return interval.low > -(2.0**30) and interval.high < 2.0**30


def _constant(number: Number) -> float | int | None:
    if number.cases is not None and len(number.cases) == 1 and number.cases[0][0] == TRUE:
        return number.cases[0][1]
    return None


def _hull(intervals: Iterable[Interval]) -> Interval:
    found = list(intervals)
    if not found:
        return Interval(0, 0)
    return Interval(min(i.low for i in found), max(i.high for i in found))


def _interval(name: str, a: Interval, b: Interval | None) -> Interval:
    """Where the result of an operation must lie; unbounded where this does not tell."""
    match name:
        case "+" | "-" if b:
            return Interval(a.low + b.low, a.high + b.high) if name == "+" else Interval(a.low - b.high, a.high - b.low)
        case "*" if b and a.safe and b.safe:
            corners = [x * y for x in (a.low, a.high) for y in (b.low, b.high)]
            return Interval(min(corners), max(corners))
        case "/" if b and a.safe and b.safe and (b.low >= 1e-6 or b.high <= -1e-6):
            corners = [x / y for x in (a.low, a.high) for y in (b.low, b.high)]
            return Interval(min(corners), max(corners))
        case "min" if b:
            return Interval(min(a.low, b.low), min(a.high, b.high))
        case "max" if b:
            return Interval(max(a.low, b.low), max(a.high, b.high))
        case "abs":
            return Interval(0, max(abs(a.low), abs(a.high)))
        case "exp" if a.high <= 600:
            return Interval(0, math.exp(a.high))
        case "ln" if a.low >= 1e-300 and a.safe:
            return Interval(math.log(a.low), math.log(a.high))
        case "sqrt" if a.low >= 0 and a.safe:
            return Interval(math.sqrt(a.low), math.sqrt(a.high))
        case "floor":
            return Interval(a.low - 1, a.high)
        case "round" if a.safe and max(abs(a.low), abs(a.high)) < 1e200:
            return Interval(a.low - 1, a.high + 1)
        case "**" if b and b.low == b.high and a.low >= 1e-6 and a.high < 1e12 and abs(b.low) <= 16:
            corners = [a.low**b.low, a.high**b.low]
            return Interval(min(corners), max(corners))
        case _:
            return Interval()


# -- assembling ----------------------------------------------------------------------------------------------------


def assemble(e: Emitter, column_kinds: list[str], output_kinds: list[str], counters: int) -> Program:
    """Drop what nothing uses, give registers, pack the constants."""
    live = _scheduled(_folded(_written(_chained(_needed(e)))))
    last: dict[int, int] = {}
    for at, (_, _, operands) in enumerate(live):
        for value in _values(live[at][0], operands):
            last[value] = at
    free: dict[str, list[int]] = {c: [] for c in "buhf"}
    used = dict.fromkeys("buhf", 0)
    where: dict[int, int] = {}
    code: list[list[int]] = []
    arguments: list[int] = []
    integers: dict[int, int] = {}
    doubles: dict[tuple[float, float], int] = {}

    def constant(x: float) -> int:
        return doubles.setdefault((x, math.copysign(1.0, x)), len(doubles))

    def listed(items: Sequence[int]) -> list[int]:
        arguments.extend(items)
        return [len(arguments) - len(items)]

    for at, (name, results, operands) in enumerate(live):
        for value in results:
            kind = e.classes[value]
            if free[kind]:
                where[value] = free[kind].pop()
            else:
                where[value] = used[kind]
                used[kind] += 1
        row = [OPERATIONS[name][0], *(where[v] for v in results)]
        for letter, operand in zip(_operand_letters(name), operands, strict=True):
            match letter:
                case "i":
                    row.append(integers.setdefault(operand, len(integers)))
                case "k":
                    row.append(constant(operand))
                case "l":
                    row += [*listed([where[v] for v in operand]), len(operand)]
                case "m" | "d":
                    row += [*listed([x for v, k in operand for x in (where[v], constant(k))]), len(operand)]
                case "p":
                    row += [*listed([x for v, bit in operand for x in (where[v], bit)]), len(operand)]
                case "v":
                    row += [*listed([x for step, v in operand for x in (OPERATIONS[step][0], where[v])]), len(operand)]
                case "s":
                    steps = [x for step, k in operand for x in (OPERATIONS[step][0], constant(k))]
                    row += [*listed(steps), len(operand)]
                case "t":
                    row += [*listed(operand), len(operand)]
                case "q":
                    row += [*listed([constant(x) for x in operand]), len(operand)]
                case "c" | "o" | "n":
                    row.append(operand)
                case _:
                    row.append(where[operand])
        code.append(row + [0] * (INSTRUCTION_WIDTH - len(row)))
        # a register is given back only after the operation that last reads it: none is both read and written
        for value in {*_values(name, operands), *results}:
            if last.get(value, -1) <= at:
                free[e.classes[value]].append(where[value])
    return Program(
        np.array(code, dtype=np.int32).reshape(-1, INSTRUCTION_WIDTH), arguments, list(integers),
        [x for x, _ in doubles], column_kinds, output_kinds, used["b"], used["u"], used["h"], used["f"], counters,
    )  # fmt: skip


@cache
def _operand_letters(name: str) -> str:
    return "".join(letter for letter in OPERATIONS[name][1] if not letter.isupper())


def _values(name: str, operands: Sequence[Any]) -> Iterable[int]:
    for letter, operand in zip(_operand_letters(name), operands, strict=True):
        if letter in "buhf":
            yield operand
        elif letter == "l":
            yield from operand
        elif letter in "mpd":
            for value, _ in operand:
                yield value
        elif letter == "v":
            for _, value in operand:
                yield value


def _needed(e: Emitter) -> list[_Operation]:
    wanted: set[int] = set()
    kept = []
    for name, results, operands in reversed(e.operations):
        if not results or "n" in OPERATIONS[name][1] or wanted.intersection(results):  # counting is a use of its own
            wanted.update(_values(name, operands))
            kept.append((name, results, operands))
    return kept[::-1]


def _chained(operations: list[_Operation]) -> list[_Operation]:
    """The same with operations on one register joined where nothing else reads what lies between them."""
    users = _users(operations)
    steps: dict[int, tuple[int, tuple[tuple[str, float], ...]]] = {}  # value → where its chain begins, and the chain
    joined: dict[int, _Operation] = {}
    for at, (name, results, operands) in enumerate(operations):
        if name in STEPS:
            value, constant = operands[0], operands[1] if len(operands) > 1 else 0.0
            begin, before = steps.pop(value) if value in steps and users[value] == 1 else (value, ())
            if before:
                del joined[value]
            steps[results[0]] = begin, (*before, (name, constant))
        joined[results[0] if results else -1 - at] = (name, results, operands)
    return [
        (
            ("CHAIN", results, steps[results[0]])
            if results and len(steps.get(results[0], ((), ()))[1]) > 1
            else (name, results, operands)
        )
        for name, results, operands in joined.values()
    ]


def _written(operations: list[_Operation]) -> list[_Operation]:
    """The same with numbers written by the operation that makes them, unless the mask rests on the number: work goes on
    while memory takes them in. No longer in order."""
    users = _users(operations)
    place = {value: i for i, (_, results, _) in enumerate(operations) for value in results}
    out: dict[int, _Operation] = dict(enumerate(operations))

    def rests(value: int, on: int) -> bool:
        seen, left = {value}, [value]
        while left:
            name, _, operands = out[place[left.pop()]]  # as they are by now: what writes a number waits for its mask
            fresh = set(_values(name, operands)) - seen
            left.extend(fresh)
            seen |= fresh
        return on in seen

    for i, (name, _, operands) in enumerate(operations):
        if name != "OUT_NUM":
            continue
        output, number, mask = operands
        maker, results, own = out[place[number]]
        if maker == "CHAIN" and not rests(mask, number):
            out[place[number]] = ("CHAIN_OUT", results, (*own, output, mask))
            del out[i]
        elif maker == "LOOKUP" and users[number] == 1 and not rests(mask, number):
            out[place[number]] = ("LOOKUP_OUT", (), (*own, output, mask))
            del out[i]
    return [out[i] for i in sorted(out)]


_Fold = tuple[tuple[str, int], ...]


def _folded(operations: list[_Operation]) -> list[_Operation]:
    """The same with operations on planes joined where nothing else reads what lies between them."""
    users = _users(operations)
    folds: dict[int, _Fold] = {}  # value → how it comes about, starting with a plane
    joined: dict[int, _Operation] = {}
    for at, (name, results, operands) in enumerate(operations):
        items: tuple[int, ...] = ()
        if name == "ANY":
            items = operands[0]
        elif name in ("AND", "OR", "XOR", "ANDNOT"):
            items = operands
        if len(items) > 1:
            step = "OR" if name == "ANY" else name
            before = max(items, key=lambda v: len(folds.get(v, ())) if users[v] == 1 else 0)
            first: _Fold = (("OR", before),)
            if users[before] == 1 and before in folds:
                first = folds.pop(before)
                del joined[before]
            if step == "ANDNOT" and before == items[1] != items[0]:
                rest: _Fold = (("NOT", items[0]),)
            else:
                others = list(items)
                others.remove(before)
                rest = tuple((step, v) for v in others)
            folds[results[0]] = first + rest
        joined[results[0] if results else -1 - at] = (name, results, operands)
    return [
        _as_one(folds[results[0]], results)
        if results and len(folds.get(results[0], ())) > 2
        else (name, results, operands)
        for name, results, operands in joined.values()
    ]


def _as_one(fold: _Fold, results: tuple[int, ...]) -> _Operation:
    if all(step == "OR" for step, _ in fold):
        return "ANY", results, (tuple(value for _, value in fold),)
    return "FOLD", results, (fold,)


def _users(operations: Iterable[_Operation]) -> dict[int, int]:
    """How often each value is read."""
    users: dict[int, int] = defaultdict(int)
    for name, _, operands in operations:
        for value in _values(name, operands):
            users[value] += 1
    return users


def _scheduled(operations: list[_Operation]) -> list[_Operation]:
    """The same operations with the work on doubles drawn together, as late as it can wait: the engine then takes it in
    parts that stay in the first-level cache. Otherwise the order is kept."""
    defined = {value: i for i, (_, results, _) in enumerate(operations) for value in results}
    needs = [{defined[v] for v in _values(name, operands)} for name, _, operands in operations]
    users: list[list[int]] = [[] for _ in operations]
    waiting = [len(n) for n in needs]
    for i, found in enumerate(needs):
        for j in found:
            users[j].append(i)
    ready: dict[bool, list[int]] = {False: [], True: []}
    for i, count in enumerate(waiting):
        if count == 0:
            heapq.heappush(ready[operations[i][0] in IN_PARTS], i)
    out = []
    parts = False
    while ready[False] or ready[True]:
        if not ready[parts]:
            parts = not parts
        i = heapq.heappop(ready[parts])
        out.append(operations[i])
        for j in users[i]:
            waiting[j] -= 1
            if waiting[j] == 0:
                heapq.heappush(ready[operations[j][0] in IN_PARTS], j)
    if len(out) != len(operations):
        raise RuntimeError("operations that wait for each other")
    return out


def read_columns(resolved: Resolved, schema: Schema, outputs: Iterable[Definition] | None = None) -> list[str]:
    """The columns of the patient table that the outputs of a pack, or some of them, depend on, in schema order."""
    found: set[str] = set()
    done: set[str] = set()

    def visit(node: n.Node) -> None:
        for part in node.walk():
            if isinstance(part, n.Column):
                found.add(part.name)
            elif isinstance(part, n.Named) and part.id not in done:
                done.add(part.id)
                visit(resolved.definitions[part.id].node)

    for definition in resolved.outputs if outputs is None else outputs:
        visit(definition.node)
    for column in schema:
        if column.name in found and column.completed_years_since:
            found.add(column.completed_years_since)
    birth = next((c.completed_years_since for c in schema if c.completed_years_since), None)
    if birth and any(schema[name].type == "date" for name in found):
        found.add(birth)
    return [c.name for c in schema if c.name in found]
