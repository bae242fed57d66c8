"""Typed expressions in SQL.

A condition becomes a predicate with SQL's three values, which are the language's own; a number a double (or an integer,
as long as nothing is worked out with it); a date a date, a category its label as text. Where a dialect has no booleans,
a condition that has to be a value is 1 or 0.

What `lang.values` does to one value is written out here once more, and only where the ranges of the columns
(`packs.reach`) leave room for a result that is not a finite number does a CASE stand around it.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import reduce
from typing import Any, TypeAlias

import numpy as np
from sqlglot import expressions as exp

from popstrat.lang import nodes as n
from popstrat.lang.intervals import Interval
from popstrat.lang.nulls import may_be_null
from popstrat.lang.values import GRID, WHOLE, Singles, on_grid
from popstrat.packs.reach import About, reach
from popstrat.packs.resolved import Resolved
from popstrat.queries.dialects import ROUNDER, Dialect

SQL: TypeAlias = exp.Expression

_SIGNS: Mapping[str, type[exp.Binary]] = {
    "<": exp.LT, "<=": exp.LTE, ">": exp.GT, ">=": exp.GTE, "==": exp.EQ, "!=": exp.NEQ,
}  # fmt: skip
_LARGEST = 1.7976931348623157e308
_GRID_ROUNDER = ROUNDER * GRID
_EXP_LEAST, _EXP_MOST = -708.0, 709.782712893384
_POSTGRES_MOST = 700.0  # of the logarithm of a product, far enough from both ends of what a double holds


# -- small words -------------------------------------------------------------------------------------------------------


def case(branches: Iterable[tuple[SQL, SQL]], otherwise: SQL | None = None) -> SQL:
    """CASE WHEN condition THEN value … [ELSE otherwise] END."""
    found = exp.Case(ifs=[exp.If(this=condition, true=value) for condition, value in branches])
    if otherwise is not None:
        found.set("default", otherwise)
    return found


def all_of(items: Sequence[SQL]) -> SQL:
    """Each of them: joined by AND, those of OR in brackets."""
    return reduce(lambda a, b: exp.And(this=a, expression=b), [_bracketed(i, exp.Or) for i in items])


def any_of(items: Sequence[SQL]) -> SQL:
    """One of them at least."""
    return reduce(lambda a, b: exp.Or(this=a, expression=b), [_bracketed(i, exp.And) for i in items])


def binary(kind: type[exp.Binary], a: SQL, b: SQL) -> SQL:
    """``a`` and ``b`` joined by an operator, in brackets where they are joined by one themselves."""
    return kind(this=_bracketed(a, exp.Binary, exp.Not), expression=_bracketed(b, exp.Binary, exp.Not))


def negated(item: SQL) -> SQL:
    return exp.Not(this=_bracketed(item, exp.Binary, exp.In, exp.Between))


def _bracketed(item: SQL, *kinds: type[SQL]) -> SQL:
    return exp.Paren(this=item) if isinstance(item, kinds) else item


def column(name: str) -> SQL:
    return exp.column(name)


def text(value: str) -> SQL:
    return exp.Literal.string(value)


def integer(value: int) -> SQL:
    return exp.Literal.number(value) if value >= 0 else exp.Neg(this=exp.Literal.number(-value))


def double(dialect: Dialect, value: float) -> SQL:
    """A number that is a double to the dialect."""
    written = repr(float(abs(value)))
    if not dialect.exponents:
        if value == math.floor(value) and abs(value) < 1e15:
            written = str(int(abs(value)))
        found: SQL = exp.cast(exp.Literal.number(written), "double")
    else:
        found = exp.Literal.number(written if "e" in written else f"{written.removesuffix('.0')}e0")
    return exp.Neg(this=found) if value < 0 else found


def date(value: dt.date) -> SQL:
    return exp.cast(exp.Literal.string(value.isoformat()), "date")


def between(item: SQL, low: SQL, high: SQL) -> SQL:
    return exp.Between(this=_bracketed(item, exp.Binary), low=low, high=high)


def is_null(item: SQL) -> SQL:
    return exp.Is(this=_bracketed(item, exp.Binary, exp.In, exp.Between, exp.Not), expression=exp.Null())


def said(item: SQL, comment: str) -> SQL:
    """With a comment beside it."""
    if comment:
        item.add_comments([f" {comment.replace('*/', '* /').replace('/*', '/ *').strip()} "])
    return item


# -- expressions -------------------------------------------------------------------------------------------------------


class Writer:
    """Writes the expressions of one pack for one dialect, over a table with these ``columns`` of the patient table.

    ``singles`` are those of them that hold 32-bit floats.
    """

    def __init__(
        self, resolved: Resolved, dialect: Dialect, columns: Collection[str], singles: Collection[str]
    ) -> None:
        self.resolved, self.dialect, self.columns = resolved, dialect, columns
        self.schema = resolved.pack.schema
        nodes = {ident: d.node for ident, d in resolved.definitions.items()}
        self._about = About(self.schema, nodes, resolved.as_of)
        held = {c for c in singles if dialect.singles}
        self._singles = Singles(held, resolved.definitions)
        self._named: Callable[[str], n.Node] = nodes.__getitem__
        self._names = {ident: self._name(ident, node) for ident, node in nodes.items()}

    def _name(self, ident: str, node: n.Node) -> str:
        """A definition may be called as a column is; not every dialect takes a dot in a name."""
        plain = ident.replace(".", "__")
        while plain in self.schema and not self.renames(ident, node):
            plain += "_"
        return plain

    def renames(self, ident: str, node: n.Node) -> bool:
        """Whether a definition is no more than the column whose name it has."""
        return isinstance(node, n.Column) and node.name == ident and self._has(ident)

    def name(self, ident: str) -> str:
        """What a definition is called in the query."""
        return self._names[ident]

    # -- constants --

    def double(self, value: float) -> SQL:
        """A number that is a double to the dialect."""
        return double(self.dialect, value)

    def plain(self, value: float) -> SQL:
        """A number that is compared, or stands for itself: a whole one as it is written."""
        if isinstance(value, int) or (value == math.floor(value) and abs(value) < 2**31):
            return integer(int(value))
        return self.double(value)

    def null(self, kind: str) -> SQL:
        return exp.cast(exp.Null(), _SQL_TYPES[kind] if kind != "bool" or self.dialect.booleans else "smallint")

    # -- conditions --

    def truth(self, node: n.Node) -> SQL:
        """A condition as a predicate."""
        match node:
            case n.Const(value=value):
                return self._fixed(value)
            case n.Column(name=name):
                if name not in self.columns:
                    return self._fixed(False)
                return self._held(column(name))
            case n.Named(id=ident):
                return self._held(column(self.name(ident)))
            case n.Not(item=item):
                return negated(self.truth(item))
            case n.And(items=items):
                return all_of([self.truth(i) for i in items])
            case n.Or(items=items):
                return any_of([self.truth(i) for i in items])
            case n.Compare():
                return self._compared(node)
            case n.IsIn(item=item, values=values):
                return self._within(item, values)
            case n.IsNull(item=item):
                return is_null(self.three(item) if item.type.kind == "bool" else self.value(item))
            case n.Within():
                return self._window(node)
        three = self.three(node)
        return three if self.dialect.booleans else exp.EQ(this=three, expression=integer(1))

    def three(self, node: n.Node) -> SQL:
        """A condition as a value that may be null."""
        match node:
            case n.Cases(items=(), otherwise=otherwise):
                return self.three(otherwise)
            case n.Cases(items=items, otherwise=otherwise):
                return case([(self.truth(c), self.three(v)) for c, v in items], self.three(otherwise))
            case n.Coalesce(item=item, otherwise=otherwise):
                return exp.Coalesce(this=self.three(item), expressions=[self.three(otherwise)])
            case n.Only(condition=condition, item=item):
                return case([(self.truth(condition), self.three(item))])
            case n.Const(value=None):
                return self.null("bool")
        if self.dialect.booleans:
            return self.truth(node)
        return case([(self.truth(node), integer(1)), (negated(self.truth(node)), integer(0))])

    def two(self, node: n.Node) -> SQL:
        """A condition as a value that is true or false."""
        if not self.dialect.booleans:
            return exp.cast(case([(self.truth(node), integer(1))], integer(0)), "boolean")
        found = self.truth(node)
        if not self.may_be_unknown(node):
            return found
        return exp.Coalesce(this=found, expressions=[exp.false()])

    def may_be_unknown(self, node: n.Node) -> bool:
        """Whether a condition may be unknown, as far as its form tells."""
        match node:
            case n.And(items=items) | n.Or(items=items):
                return any(map(self.may_be_unknown, items))
            case n.Not(item=item):
                return self.may_be_unknown(item)
            case n.Compare(left=left, right=right):
                return any(may_be_null(side, self._named) for side in (left, right))
            case n.IsIn(item=item):
                return may_be_null(item, self._named)
            case n.Within(item=item):
                return item.name in self.columns
        return may_be_null(node, self._named)

    def _fixed(self, value: Any) -> SQL:
        if value is None:
            found = self.null("bool")
            return found if self.dialect.booleans else exp.EQ(this=found, expression=integer(1))
        if self.dialect.booleans:
            return exp.true() if value else exp.false()
        return exp.EQ(this=integer(1), expression=integer(1 if value else 0))

    def _held(self, item: SQL) -> SQL:
        return item if self.dialect.booleans else exp.EQ(this=item, expression=integer(1))

    def _compared(self, node: n.Compare) -> SQL:
        single = node.left in self._singles or node.right in self._singles
        sides = []
        for side in (node.left, node.right):
            if not single or side in self._singles:
                sides.append(self.value(side))
            elif isinstance(side, n.Const) and isinstance(side.value, int | float):
                with np.errstate(over="ignore"):
                    narrow = float(np.float32(side.value))
                sides.append(said(self.plain(narrow), side.name or (side.text if narrow != side.value else "")))
            else:
                sides.append(self.single(self.number(side, double=True)))
        return binary(_SIGNS[node.op], *sides)

    def _within(self, item: n.Node, values: Sequence[n.Value]) -> SQL:
        found = self.value(item)
        options = [text(v) if isinstance(v, str) else self.plain(v) for v in values if isinstance(v, str | int | float)]
        if not options:  # false wherever there is a value
            return exp.NEQ(this=found, expression=found.copy())
        return exp.In(this=_bracketed(found, exp.Binary), expressions=options)

    def _window(self, node: n.Within) -> SQL:
        if node.item.name not in self.columns:
            return self._fixed(node.absent_is)
        return between(column(node.item.name), date(node.start), date(node.end))

    # -- values --

    def value(self, node: n.Node) -> SQL:
        """A number, a date or a category."""
        match node.type.kind:
            case "category":
                return self.label(node)
            case "date":
                return self.day(node)
            case "null":
                return exp.Null()
            case "bool":
                return self.three(node)
        return self.number(node)

    def label(self, node: n.Node) -> SQL:
        """A category's label."""
        match node:
            case n.Const(value=value):
                return text(str(value)) if value is not None else self.null("category")
        return self._chosen(node, self.label, "category")

    def day(self, node: n.Node) -> SQL:
        """A date."""
        match node:
            case n.Const(value=value) if isinstance(value, dt.date):
                return said(date(value), node.name)
        return self._chosen(node, self.day, "date")

    def _chosen(self, node: n.Node, of: Callable[[n.Node], SQL], kind: str) -> SQL:
        """What any value may come by."""
        match node:
            case n.Const():
                return self.null(kind)
            case n.Column(name=name):
                return column(name) if self._has(name) else self.null(kind)
            case n.Named(id=ident):
                return column(self.name(ident))
            case n.Coalesce(item=item, otherwise=otherwise):
                return exp.Coalesce(this=of(item), expressions=[of(otherwise)])
            case n.Cases(items=(), otherwise=otherwise):
                return of(otherwise)
            case n.Cases(items=items, otherwise=otherwise):
                last = None if isinstance(otherwise, n.Const) and otherwise.value is None else of(otherwise)
                return case([(self.truth(c), of(v)) for c, v in items], last)
            case n.Only(condition=condition, item=item):
                return case([(self.truth(condition), of(item))])
        raise AssertionError(f"no such expression: {node}")

    def _has(self, name: str) -> bool:
        """Whether the table gives the column, or the date that it is counted from."""
        return name in self.columns or (self.schema[name].completed_years_since or "") in self.columns

    def number(self, node: n.Node, double: bool = False) -> SQL:
        """A number: an integer where it is one to SQL and no ``double`` is asked for."""
        if double and self.is_integer(node):
            if isinstance(node, n.Const) and isinstance(node.value, int | float):
                return said(self.double(node.value), node.name)
            return exp.cast(self.number(node), "double")
        match node:
            case n.Const(value=value, name=name) if isinstance(value, int | float):
                return said(self.double(value) if double else self.plain(value), name)
            case n.CountTrue(items=items):
                return self._count(items)
            case n.Arithmetic():
                return self._arithmetic(node)
            case n.Call():
                return self._call(node)
            case n.WeightedSum():
                return self._sum(node)
            case n.Whole(item=item, dtype=dtype):
                return self._whole(node, item, dtype)
        asks = double or not self.is_integer(node)
        return self._chosen(node, lambda part: self.number(part, double=asks), "number")

    def is_integer(self, node: n.Node) -> bool:
        """Whether SQL takes the number for an integer."""
        match node:
            case n.Const(value=value):
                return isinstance(value, int) or (
                    isinstance(value, float) and value == math.floor(value) and abs(value) < 2**31
                )
            case n.CountTrue():
                return True
            case n.Named(id=ident):
                return self.is_integer(self._named(ident))
            case n.Coalesce(item=item, otherwise=otherwise):
                return self.is_integer(item) and self.is_integer(otherwise)
            case n.Cases(items=items, otherwise=otherwise):
                values = [v for v in (*(v for _, v in items), otherwise) if not _is_no_value(v)]
                return bool(values) and all(map(self.is_integer, values))
            case n.Only(item=item):
                return self.is_integer(item)
            case n.Arithmetic(op="-", left=left):
                return left.type.kind == "date"
        return False

    def single(self, item: SQL) -> SQL:
        """A double as a 32-bit float holds it, as a double again."""
        return exp.cast(exp.cast(item, "float"), "double")

    def _count(self, items: Sequence[n.Node]) -> SQL:
        ones = [case([(self.truth(i), integer(1))], integer(0)) for i in items]
        return reduce(lambda a, b: exp.Add(this=a, expression=b), ones) if ones else integer(0)

    def interval(self, node: n.Node) -> Interval:
        """Between which bounds a number lies, as far as the columns' ranges tell."""
        return reach(node, self._about).interval or Interval(0, 0)

    def _arithmetic(self, node: n.Arithmetic) -> SQL:
        if node.left.type.kind == "date" and node.right.type.kind == "date":
            return self._days_between(self.day(node.left), self.day(node.right))
        a, b = self.number(node.left, double=True), self.number(node.right, double=True)
        match node.op:
            case "/":
                return self._divided(node, a, b)
            case "**":
                return self._power(node, a, b)
        kind = {"+": exp.Add, "-": exp.Sub, "*": exp.Mul}[node.op]
        return self._finite(node, binary(kind, a, b), self._far(node.op, a, b))

    def _days_between(self, a: SQL, b: SQL) -> SQL:
        if self.dialect.grammar == "postgres":
            return binary(exp.Sub, a, b)
        return exp.DateDiff(this=a, expression=b, unit=exp.var("DAY"))

    def _divided(self, node: n.Arithmetic, a: SQL, b: SQL) -> SQL:
        found: SQL = exp.Div(
            this=_bracketed(a, exp.Binary), expression=_bracketed(b, exp.Binary), typed=True, safe=False
        )
        divisor = self.interval(node.right)
        if divisor.low > 0 or divisor.high < 0:
            return self._finite(node, found, self._far("/", a, b))
        return case([(binary(exp.NEQ, b.copy(), integer(0)), self._finite(node, found, self._far("/", a, b)))])

    def _power(self, node: n.Arithmetic, a: SQL, b: SQL) -> SQL:
        found = exp.Pow(this=a, expression=b)
        base, power = self.interval(node.left), self.interval(node.right)
        whole = isinstance(node.right, n.Const) and float(node.right.value or 0.0).is_integer()  # type: ignore[arg-type]
        branches = []
        if base.low <= 0:
            if power.low < 0:
                branches.append(all_of([binary(exp.EQ, a.copy(), integer(0)), binary(exp.LT, b.copy(), integer(0))]))
            if base.low < 0 and not whole:
                fraction = binary(exp.NEQ, b.copy(), exp.Floor(this=b.copy()))
                branches.append(all_of([binary(exp.LT, a.copy(), integer(0)), fraction]))
        held = self._finite(node, found, self._far("**", a, b))
        return case([(negated(any_of(branches)), held)]) if branches else held

    def _far(self, op: str, a: SQL, b: SQL) -> SQL | None:
        """Where a result that no double holds is an error: whether it is held, as far as logarithms tell."""
        if not self.dialect.refuses_range:
            return None

        def size(item: SQL) -> SQL:
            magnitude = exp.Abs(this=item.copy())
            return case([(binary(exp.EQ, item.copy(), integer(0)), integer(0))], exp.Ln(this=magnitude))

        match op:
            case "*":
                total = binary(exp.Add, size(a), size(b))
            case "/":
                total = binary(exp.Sub, size(a), size(b))
            case "**":
                total = binary(exp.Mul, b.copy(), size(a))
            case _:
                half = self.double(_LARGEST / 2)
                return all_of([binary(exp.LTE, exp.Abs(this=x.copy()), half.copy()) for x in (a, b)])
        return binary(exp.LTE, exp.Abs(this=total), self.double(_POSTGRES_MOST))

    def _finite(self, node: n.Node, found: SQL, within: SQL | None = None) -> SQL:
        """Null for what is not a finite number, unless it is sure to be one."""
        if self.interval(node).safe:
            return found
        if self.dialect.refuses_range:
            return found if within is None else case([(within, found)])
        magnitude = exp.Abs(this=found.copy())
        return case([(binary(exp.LTE, magnitude, self.double(_LARGEST)), found)])

    def _call(self, node: n.Call) -> SQL:
        if node.function in ("min", "max"):
            return self._extreme(node)
        x = self.number(node.arguments[0], double=True)
        at = self.interval(node.arguments[0])
        match node.function:
            case "abs":
                return exp.Abs(this=x)
            case "floor":
                return exp.Floor(this=x)
            case "sqrt":
                root = exp.Sqrt(this=x)
                return root if at.low >= 0 else case([(binary(exp.GTE, x.copy(), integer(0)), root)])
            case "ln":
                logarithm = exp.Ln(this=x)
                return logarithm if at.low > 0 else case([(binary(exp.GT, x.copy(), integer(0)), logarithm)])
            case "exp":
                return self._exp(x, at)
            case "round":
                places = node.arguments[1] if len(node.arguments) > 1 else None
                return self._round(x, at, int(places.value) if isinstance(places, n.Const) else 0)  # type: ignore[arg-type]
        raise AssertionError(f"no such function: {node.function}")

    def _exp(self, x: SQL, at: Interval) -> SQL:
        found: SQL = exp.Exp(this=x)
        branches = []
        if at.low < _EXP_LEAST:
            branches.append((binary(exp.LT, x.copy(), self.double(_EXP_LEAST)), self.double(0.0)))
        if at.high > _EXP_MOST:
            return case([*branches, (binary(exp.LTE, x.copy(), self.double(_EXP_MOST)), found)])
        return case([*branches, (negated(is_null(x.copy())), found)]) if branches else found

    def _round(self, x: SQL, at: Interval, places: int) -> SQL:
        scale = 10.0**places
        scaled = binary(exp.Mul, x, self.double(scale)) if places else x
        nearest = self._nearest(scaled)
        if max(abs(at.low), abs(at.high)) * scale >= 2.0**51:
            small = binary(exp.LT, exp.Abs(this=scaled.copy()), self.double(2.0**51))
            sane = binary(exp.GTE, exp.Abs(this=scaled.copy()), self.double(2.0**51))
            nearest = case([(small, nearest), (sane, scaled.copy())])
        if not places:
            return nearest
        return exp.Div(this=_bracketed(nearest, exp.Binary), expression=self.double(scale), typed=True, safe=False)

    def _nearest(self, x: SQL) -> SQL:
        if self.dialect.half_even is not None:
            return self.dialect.half_even(x)
        return self._steadied(x, ROUNDER)

    def _steadied(self, x: SQL, rounder: float) -> SQL:
        """x + R - R, in this order: the nearest multiple of the unit in the last place of R."""
        added = exp.Paren(this=exp.Add(this=_bracketed(x, exp.Binary), expression=self.double(rounder)))
        return exp.Sub(this=added, expression=self.double(rounder))

    def _extreme(self, node: n.Call) -> SQL:
        """Of two at a time; null if either is."""
        sign = exp.LT if node.function == "min" else exp.GT
        contrary = exp.GTE if node.function == "min" else exp.LTE
        found = self.number(node.arguments[0], double=True)
        for part in node.arguments[1:]:
            other = self.number(part, double=True)
            branches = [(binary(sign, other, found), other.copy())]
            if isinstance(part, n.Const) and part.value is not None:
                found = case(branches, found.copy())
            else:
                found = case([*branches, (binary(contrary, other.copy(), found.copy()), found.copy())])
        return found

    def _sum(self, node: n.WeightedSum) -> SQL:
        parts = [self.double(on_grid(node.start))]
        for term, weight in node.terms:
            if term.type.kind == "bool":
                step = self.double(on_grid(weight))
                parts.append(case([(self.truth(term), step)], self.double(0.0)))
            else:
                product = binary(exp.Mul, self.number(term, double=True), self.double(weight))
                parts.append(exp.Paren(this=self._steadied(product, _GRID_ROUNDER)))
        total = reduce(lambda a, b: exp.Add(this=a, expression=b), parts)
        return self._finite_sum(node, total)

    def _finite_sum(self, node: n.WeightedSum, total: SQL) -> SQL:
        most = abs(node.start)
        for term, weight in node.terms:
            at = Interval(0, 1) if term.type.kind == "bool" else self.interval(term)
            most += max(abs(at.low), abs(at.high)) * abs(weight)
        if most < 1e300 or self.dialect.refuses_range:
            return total
        return case([(binary(exp.LTE, exp.Abs(this=total.copy()), self.double(_LARGEST)), total)])

    def _whole(self, node: n.Whole, item: n.Node, dtype: str) -> SQL:
        """Towards zero, and null where the type does not reach so far."""
        if self.is_integer(item):
            found, at = self.number(item), self.interval(item)
            cut = found
        else:
            found, at = self.number(item, double=True), self.interval(item)
            cut = self.towards_zero(found, at)
        least, most = WHOLE[dtype]
        if at.low > least - 1 and at.high < most + 1:
            return cut
        inside = all_of(
            [binary(exp.GT, found.copy(), integer(least - 1)), binary(exp.LT, found.copy(), integer(most + 1))]
        )
        return case([(inside, cut)])

    def towards_zero(self, found: SQL, at: Interval) -> SQL:
        """A double without its fraction."""
        if at.low >= 0:
            return exp.Floor(this=found)
        negative = binary(exp.LT, found.copy(), integer(0))
        return case([(negative, exp.Ceil(this=found.copy()))], exp.Floor(this=found))


def _is_no_value(node: n.Node) -> bool:
    return isinstance(node, n.Const) and node.value is None


_SQL_TYPES = {"bool": "boolean", "number": "double", "date": "date", "category": "text", "null": "text"}
