"""Numbers and categories as the compiler holds them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from popstrat.compiler.emitter import FALSE, TRUE, Plane
from popstrat.lang.intervals import NOTHING, Interval

Constant = float | int
InColumn = tuple[int, str]
"""The engine's number of a column, and its kind."""


@dataclass
class Number:
    """A number, or a date as days: how it is held, where it is not null, and where it must lie.

    One of: `column` (read in place, its numbers being what their declared type makes of them), `short` (16-bit
    register), `planes` (a small count), `cases` (exclusive planes with a constant each; rows in none are null),
    `pieces` (exclusive planes with a number each; rows in none are null), `difference` (of two columns), `register`
    (doubles). With a register, `rounded` is the column whose numbers it holds as they are declared.
    """

    ok: Plane
    interval: Interval
    column: InColumn | None = None
    short: int | None = None
    planes: list[Plane] | None = None
    cases: list[tuple[Plane, Constant]] | None = None
    pieces: list[tuple[Plane, Number]] | None = None
    difference: Difference | None = None
    register: int | None = None
    rounded: InColumn | None = None


class Difference(NamedTuple):
    """What one column of 32-bit integers is over another; `unsigned`: how far apart they are."""

    left: Number
    right: Number
    unsigned: bool = False


class Category(NamedTuple):
    """A category: where it is not null, and for each label the plane of rows that hold it."""

    ok: Plane
    label: Callable[[str], Plane]


def constant(value: Constant) -> Number:
    """The same number for every row."""
    return Number(TRUE, Interval(value, value), cases=[(TRUE, value)])


def null() -> Number:
    """A number that no row has."""
    return Number(FALSE, NOTHING, cases=[])


def constant_of(number: Number | None) -> Constant | None:
    """The constant that a number is for every row, if it is one."""
    if number is not None and number.cases is not None and len(number.cases) == 1 and number.cases[0][0] == TRUE:
        return number.cases[0][1]
    return None
