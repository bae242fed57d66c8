"""Bit planes, and the list of operations as it grows.

A plane is (value, inverted): negation costs nothing until a register of its own is needed. Equal operations are emitted
once, so planes that come about in the same way are equal, and the identities of logic apply to them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from popstrat.compiler.operations import Operation, defined_classes
from popstrat.compiler.options import OPTIMISED, Options

Plane = tuple[int, bool]
FALSE: Plane = (-1, False)
TRUE: Plane = (-1, True)


def invert(p: Plane) -> Plane:
    """`not`, for free."""
    return (p[0], not p[1])


class Emitter:
    """Builds a list of operations in single-assignment form, and works with planes."""

    def __init__(self, options: Options = OPTIMISED) -> None:
        self.options = options
        self.operations: list[Operation] = []
        self.classes: list[str] = []  # register class of each value: b u h f
        self.counters = 0
        self._known: dict[tuple[Any, ...], tuple[int, ...]] = {}
        self._counts: dict[Plane, int] = {}

    def emit(self, name: str, *operands: Any) -> tuple[int, ...]:
        """The values that an operation defines; operands are values, constants or lists, as its signature says."""
        key = (name, *operands)
        if self.options.sharing and key in self._known:
            return self._known[key]
        classes = defined_classes(name)
        results = tuple(range(len(self.classes), len(self.classes) + len(classes)))
        self.classes += classes
        self.operations.append(Operation(name, results, operands))
        self._known[key] = results
        return results

    def counter(self) -> int:
        """The number of a new counter."""
        self.counters += 1
        return self.counters - 1

    def rows(self, p: Plane) -> int:
        """The counter of a plane's rows. Many outputs are null for the same people, and those are counted once."""
        counter = self._counts.get(p) if self.options.sharing else None
        if counter is None:
            self._counts[p] = counter = self.counter()
            self.emit("COUNT", counter, self.register(p))
        return counter

    def value(self, name: str, *operands: Any) -> int:
        """The first value that an operation defines."""
        return self.emit(name, *operands)[0]

    def plane(self, name: str, *operands: Any) -> Plane:
        """The first value that an operation defines, as a plane."""
        return (self.value(name, *operands), False)

    def register(self, p: Plane) -> int:
        """A value that holds the plane as it is."""
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

    def binary(self, planes: Sequence[Plane], first: int = 0) -> list[Plane]:
        """Which of exclusive planes is set, counted from `first`, as a number in bit planes, lowest first."""
        bits = max(1, (len(planes) + first - 1).bit_length())
        return [self.any([p for k, p in enumerate(planes, first) if k >> bit & 1]) for bit in range(bits)]
