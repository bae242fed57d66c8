"""What an expression can be for anybody: whether a condition can hold, between which bounds a number lies, what may be
null. It never says that something cannot be which can; that something can be it may say in vain.

So a term that adds nothing to anybody's sum is told from one that does, though it is no constant: what stands in for a
value that is not recorded, and the bounds of an input, can make a rule as empty as a misspelt word.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from popstrat.core.dates import days
from popstrat.lang import nodes as n
from popstrat.lang.intervals import Interval, after, hull
from popstrat.lang.values import WHOLE, compare
from popstrat.packs.patient_table import Schema

_EXACT = 2.0**24  # up to which 32 bits hold whole numbers
_SLACK = 1e-9  # of a result that engine and evaluator may round apart
_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_CONTRARY = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}


@dataclass(frozen=True)
class Reach:
    """What an expression can be. Of a condition ``truths``, of a number or a date its ``interval`` (in days), of a
    category its ``labels``: what it is where it is not null, which is nothing if it always is."""

    null: bool = True
    truths: frozenset[bool] = frozenset()
    interval: Interval | None = None
    labels: frozenset[str] = frozenset()

    @property
    def fixed(self) -> bool:
        """Whether it is one number."""
        return self.interval is not None and self.interval.low == self.interval.high

    @property
    def some(self) -> bool:
        """Whether it can be anything but null."""
        return bool(self.truths or self.labels) or self.interval is not None


_EITHER = frozenset((True, False))
_NOTHING = Reach()
Known = Mapping[n.Node, Reach]
"""What conditions that hold together say of expressions."""


@dataclass(frozen=True)
class About:
    """What expressions are made of: the columns' ranges and labels, and, where they are given, the definitions that
    they use by name (any value is possible for the others) and the as-of date, after which no date lies."""

    schema: Schema
    definitions: Mapping[str, n.Node] = field(default_factory=dict)
    as_of: dt.date | None = None
    _named: dict[str, Reach] = field(default_factory=dict, init=False, compare=False, repr=False)

    def named(self, node: n.Named) -> Reach:
        """What a definition can be; a condition is never null under its name."""
        if node.id not in self.definitions:
            return _anything(node.type, null=node.type.kind != "bool")
        if node.id not in self._named:
            found = reach(self.definitions[node.id], self)
            if node.type.kind == "bool" and found.null:
                found = replace(found, null=False, truths=found.truths | {False})
            self._named[node.id] = found
        return self._named[node.id]


def reach(node: n.Node, about: About, known: Known | None = None) -> Reach:
    """What the expression can be, where what is ``known`` holds."""
    found = _reach(node, about, known or {})
    return _narrowed(found, known[node]) if known and node in known else found


def _reach(node: n.Node, about: About, known: Known) -> Reach:
    def of(item: n.Node) -> Reach:
        return reach(item, about, known)

    match node:
        case n.Const():
            return _constant(node)
        case n.Column():
            return _column(node, about)
        case n.Named():
            return about.named(node)
        case n.Not():
            item = of(node.item)
            return replace(item, truths=frozenset(not t for t in item.truths))
        case n.And():
            return _all(node.items, about, known)
        case n.Or():
            found = [of(item) for item in node.items]
            truths = {t for t in (True,) if any(True in f.truths for f in found)}
            truths |= {t for t in (False,) if all(False in f.truths for f in found)}
            return Reach(any(f.null for f in found), frozenset(truths))
        case n.Compare():
            return _compared(node, of(node.left), of(node.right))
        case n.IsIn():
            item = of(node.item)
            inside = {label in node.values for label in item.labels} if node.item.type.kind == "category" else _EITHER
            return Reach(item.null, frozenset(inside))
        case n.IsNull():
            item = of(node.item)
            return Reach(False, frozenset(t for t, can in ((True, item.null), (False, item.some)) if can))
        case n.Within():
            return Reach(True, _EITHER)
        case n.Arithmetic() | n.Call():
            return _calculated(node, [of(part) for part in node.children()])
        case n.Coalesce():
            item, other = of(node.item), of(node.otherwise)
            return replace(_either([item, other]), null=other.null) if item.null else item
        case n.Whole():
            item, (least, most) = of(node.item), WHOLE[node.dtype]
            if item.interval is None:
                return _NOTHING
            return Reach(interval=Interval(max(least, item.interval.low - 1), min(most, item.interval.high + 1)))
        case n.CountTrue():
            return Reach(False, interval=Interval(0, len(node.items)))
        case n.Cases():
            return _cases(node, about, known)
        case n.Only():
            within = _told([node.condition], about, known)
            return _NOTHING if within is None else replace(reach(node.item, about, within), null=True)
        case _:
            return _anything(node.type)


def _anything(kind: n.Type, null: bool = True) -> Reach:
    match kind.kind:
        case "bool":
            return Reach(null, _EITHER)
        case "category":
            return Reach(null, labels=frozenset(kind.labels))
        case "null":
            return _NOTHING
        case _:
            return Reach(null, interval=Interval())


def _constant(node: n.Const) -> Reach:
    if node.value is None:
        return _NOTHING
    if isinstance(node.value, bool):
        return Reach(False, frozenset((node.value,)))
    if isinstance(node.value, str):
        return Reach(False, labels=frozenset((node.value,)))
    value = node.value if isinstance(node.value, int | float) else days(node.value)
    return Reach(False, interval=Interval(value, value))


def _column(node: n.Column, about: About) -> Reach:
    column = about.schema[node.name]
    if column.type == "bool":
        return Reach(False, _EITHER)
    found = _anything(node.type)
    if column.type == "date" and about.as_of is not None:
        return replace(found, interval=Interval(days(about.schema.earliest_date), days(about.as_of)))
    if column.type in ("int", "float"):
        low, high = column.bounds
        if column.type == "float":  # which may be held in 32 bits, and its bounds with it
            low, high = min(low, _single(low)), max(high, _single(high))
        return replace(found, interval=Interval(low, high))
    return found


def _single(x: float) -> float:
    with np.errstate(over="ignore"):
        return float(np.float32(x))


def _compared(node: n.Compare, left: Reach, right: Reach) -> Reach:
    """Of two that are not null. A comparison may be made in 32 bits, where more numbers are equal."""
    null = left.null or right.null
    a, b = left.interval, right.interval
    if a is None or b is None:
        return Reach(null, _EITHER if left.some and right.some else frozenset())
    narrow = Interval(_single(a.low), _single(a.high)), Interval(_single(b.low), _single(b.high))
    truths = [t for t, sign in ((True, node.op), (False, _CONTRARY[node.op]))
              if _can(sign, a, b) or _can(sign, *narrow)]  # fmt: skip
    return Reach(null, frozenset(truths))


def _can(sign: str, a: Interval, b: Interval) -> bool:
    """Whether `x sign y` for some x in one interval and y in the other."""
    match sign:
        case "<" | "<=":
            return bool(compare(sign, a.low, b.high))
        case ">" | ">=":
            return bool(compare(sign, a.high, b.low))
        case "==":
            return a.low <= b.high and b.low <= a.high
        case _:
            return not a.low == a.high == b.low == b.high


def _calculated(node: n.Arithmetic | n.Call, parts: Sequence[Reach]) -> Reach:
    intervals = [part.interval for part in parts if part.interval is not None]
    if len(intervals) < len(parts):
        return _NOTHING
    name = node.op if isinstance(node, n.Arithmetic) else node.function
    out = after(name, intervals[0], intervals[1] if len(intervals) > 1 else None)
    for other in intervals[2:]:
        out = after(name, out, other)
    if name not in ("min", "max", "abs"):
        out = Interval(out.low - _SLACK * abs(out.low), out.high + _SLACK * abs(out.high)) if out.safe else Interval()
    exact = name in ("min", "max", "abs") or (name in ("+", "-") and out.safe)
    return Reach(not exact or any(part.null for part in parts), interval=out)


def _either(found: Sequence[Reach]) -> Reach:
    """One of them."""
    intervals = [f.interval for f in found if f.interval is not None]
    return Reach(
        any(f.null for f in found),
        frozenset().union(*(f.truths for f in found)),
        hull(intervals) if intervals else None,
        frozenset().union(*(f.labels for f in found)),
    )


def _cases(node: n.Cases, about: About, known: Known) -> Reach:
    found = []
    for condition, value in node.items:
        within = _told([condition], about, known)
        if within is not None:
            found.append(reach(value, about, within))
        truth = reach(condition, about, known)
        if not truth.null and False not in truth.truths:
            return _either(found)
    return _either([*found, reach(node.otherwise, about, known)])


def _all(items: Sequence[n.Node], about: About, known: Known) -> Reach:
    found = [reach(item, about, known) for item in items]
    truths = {t for t in (False,) if any(False in f.truths for f in found)}
    if all(True in f.truths for f in found) and _told(items, about, known) is not None:
        truths.add(True)
    return Reach(any(f.null for f in found), frozenset(truths))


# -- whole numbers -----------------------------------------------------------------------------------------------------


def fits(node: n.Node, dtype: str, about: About) -> bool:
    """Whether a column of whole numbers is sure to hold all that the expression can be, as it is."""
    interval = reach(node, about).interval
    least, most = WHOLE[dtype]
    return interval is not None and least <= interval.low and interval.high <= most and _is_whole(node, about)


def _is_whole(node: n.Node, about: About) -> bool:
    match node:
        case n.Const(value=value):
            return value is None or (isinstance(value, int | float) and float(value).is_integer())
        case n.Column():
            return about.schema[node.name].type == "int"
        case n.CountTrue() | n.Whole():
            return True
        case n.Arithmetic(op="+" | "-" | "*") | n.Call(function="abs" | "min" | "max"):
            return all(_is_whole(part, about) for part in node.children())
        case n.Call(function="floor"):
            return True
        case n.Coalesce():
            return _is_whole(node.item, about) and _is_whole(node.otherwise, about)
        case n.Cases():
            return all(_is_whole(value, about) for value in (*(v for _, v in node.items), node.otherwise))
        case n.Only():
            return _is_whole(node.item, about)
        case _:
            return False


def _in_whole_numbers(node: n.Node, found: Reach, about: About) -> Reach:
    """Of a column of whole numbers, the whole ones within the interval."""
    interval = found.interval
    whole = isinstance(node, n.Column) and node.type.kind == "number" and about.schema[node.name].type == "int"
    if not whole or interval is None or max(map(abs, (interval.low, interval.high))) > _EXACT:
        return found
    low, high = math.ceil(interval.low), math.floor(interval.high)
    return replace(found, interval=Interval(low, high) if low <= high else None)


# -- conditions that hold together -------------------------------------------------------------------------------------


def holding(conditions: Sequence[n.Node], about: About) -> Known | None:
    """What is known of expressions where all the conditions hold; None if they never do together."""
    return _told(conditions, about, {})


def _told(conditions: Sequence[n.Node], about: About, known: Known) -> Known | None:
    """What holds where all the conditions do, besides what is known; None where they cannot."""
    held = dict(known)
    flat = [*_flat(conditions)]
    for condition in flat:
        for node, limit in _limits(condition):
            before = reach(node, about, held)
            held[node] = _in_whole_numbers(node, _narrowed(before, limit), about)
            if before.some and not held[node].some:
                return None
    return held if all(True in reach(condition, about, held).truths for condition in flat) else None


def _flat(conditions: Iterable[n.Node]) -> Iterable[n.Node]:
    for condition in conditions:
        if isinstance(condition, n.And):
            yield from _flat(condition.items)
        else:
            yield condition


def _limits(condition: n.Node) -> Iterable[tuple[n.Node, Reach]]:
    """What a condition that is true says of one expression, itself a condition among them."""
    match condition:
        case n.Compare(op=sign, left=left, right=n.Const(value=value)) if value is not None and sign != "!=":
            yield left, _side(sign, value)
        case n.Compare(op=sign, left=n.Const(value=value), right=right) if value is not None and sign != "!=":
            yield right, _side(_FLIPPED[sign], value)
        case n.IsIn(item=item, values=values) if item.type.kind == "category":
            yield item, Reach(False, labels=frozenset(map(str, values)))
        case n.Not(item=n.IsIn(item=item, values=values)) if item.type.kind == "category":
            yield item, Reach(False, labels=frozenset(item.type.labels) - {*map(str, values)})
        case n.Not(item=n.IsNull(item=item)):
            yield item, _anything(item.type, null=False)
        case n.Not(item=n.Column() | n.Named() as item):
            yield item, Reach(False, frozenset((False,)))
        case n.Column() | n.Named():
            yield condition, Reach(False, frozenset((True,)))


def _side(sign: str, value: n.Value) -> Reach:
    """The numbers or dates on one side of a constant, which is among them: a comparison in 32 bits has no gaps."""
    assert value is not None
    limit = value if isinstance(value, int | float) else days(value)  # type: ignore[arg-type]
    low, high = min(limit, _single(limit)), max(limit, _single(limit))
    slack = max(abs(limit) * 2.0**-23, 2.0**-149)  # what may round to the constant
    match sign:
        case "<" | "<=":
            return Reach(False, interval=Interval(high=high + slack))
        case ">" | ">=":
            return Reach(False, interval=Interval(low=low - slack))
        case _:
            return Reach(False, interval=Interval(low - slack, high + slack))


def _narrowed(found: Reach, limit: Reach) -> Reach:
    """What is within both."""
    interval = None
    if found.interval is not None and limit.interval is not None:
        both = Interval(max(found.interval.low, limit.interval.low), min(found.interval.high, limit.interval.high))
        interval = both if both.low <= both.high else None
    return Reach(found.null and limit.null, found.truths & limit.truths, interval, found.labels & limit.labels)
