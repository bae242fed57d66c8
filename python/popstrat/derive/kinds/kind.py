"""What a kind of feature has to have: one file a kind, everything that is known of it there.

A feature is made of its table in the specification once, at the as-of date: it says which folds it needs and which
columns it gives. The folds are worked out elsewhere, for many patients (`finalise`) or for one (`plain`); the two are
written apart and held against each other. A kind that lacks a part cannot be made, which shows when `registry` is
imported.
"""

from __future__ import annotations

import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from popstrat.core.blocks import Block
from popstrat.derive.folds import NO_DAY, Fold, Folded
from popstrat.lang.nodes import Value

if TYPE_CHECKING:
    from popstrat.derive.kinds.reader import Reader

PartType = Literal["bool", "int", "number", "date", "category", "given"]
"""What a part holds; ``given``: whatever the column of the patients' files holds."""


@dataclass(frozen=True)
class Part:
    """One column that a feature gives: ``word`` in expressions, ``output`` in the table (None: it is not written)."""

    word: str
    output: str | None
    type: PartType
    title: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Told:
    """What a specification says of a feature, the version in force folded in."""

    id: str
    title: str
    means: str
    source: str
    version: str
    raw: Mapping[str, Any]


@dataclass(frozen=True)
class Person:
    """One person for the plain reference: the row of the people table, and the date it is asked for."""

    row: Mapping[str, Any]
    as_of: dt.date

    @property
    def birth(self) -> dt.date | None:
        born = self.row.get("date_of_birth")
        return born if isinstance(born, dt.date) else None


@dataclass(frozen=True)
class One:
    """The results of one fold for one patient, as `Folded` has them for many; None for none. ``label`` by its name."""

    day: dt.date | None = None
    value: float | None = None
    second: float | None = None
    earlier: float | None = None
    earlier_day: dt.date | None = None
    label: str | None = None
    count: int | None = None


@dataclass(frozen=True)
class Line:
    """One line of how a feature came to its result: in words, and whether it is what decided."""

    text: str
    fired: bool = False


@dataclass(frozen=True)
class Feature(ABC):
    """A feature as it stands at an as-of date; each kind is a class under this one.

    ``lists``: the code lists without which there is no result, ``optional`` those that may be missing.
    """

    told: Told
    folds: tuple[Fold, ...]
    parts: tuple[Part, ...]
    lists: tuple[str, ...]
    optional: tuple[str, ...]

    name: ClassVar[str]
    """As it is written in a specification."""
    called: ClassVar[str]
    """On a page."""
    rank: ClassVar[int]
    """Where it stands in lists of kinds."""
    keys: ClassVar[frozenset[str]]
    """The keys of its own, besides those that every feature has."""
    explained: ClassVar[tuple[str, str]]
    """In the documentation: the keys and what they hold, what it gives."""
    example: ClassVar[str]
    """A whole feature of it in TOML, without its head: documentation and tests use it. It stands by itself."""

    def __init_subclass__(cls) -> None:
        lost = [p for p in ("name", "called", "rank", "keys", "explained", "example") if p not in cls.__dict__]
        if lost:
            raise TypeError(f"the kind of feature {cls.__name__} lacks {', '.join(lost)}")

    @property
    def id(self) -> str:
        return self.told.id

    @classmethod
    @abstractmethod
    def read(cls, reader: Reader) -> Self:
        """The feature that a table says. Raises `PackError`."""

    @abstractmethod
    def finalise(self, folded: Mapping[str, Folded], people: pa.RecordBatch, ages: Ages) -> Made:
        """A column for each part, in order, and what was counted by reason."""

    @abstractmethod
    def plain(self, found: Mapping[str, One], person: Person) -> tuple[Value, ...]:
        """The same for one person, in plain Python."""

    @abstractmethod
    def trace(self, found: Mapping[str, One], person: Person) -> list[Line]:
        """How it came to its result for one person, in words."""

    @classmethod
    @abstractmethod
    def page(cls, raw: Mapping[str, Any]) -> list[Block]:
        """Its rule on the page of the specification."""


@dataclass(frozen=True)
class Made:
    """Columns of a feature, one for each part, and what was counted (reason → people)."""

    columns: tuple[pa.Array, ...]
    counts: Mapping[str, int]


def made(*columns: pa.Array, **counts: int) -> Made:
    return Made(columns, counts)


class Ages:
    """Ages of many people, from their dates of birth (days, NO_DAY for none)."""

    def __init__(self, births: NDArray[np.int32], as_of: int) -> None:
        self.births, self._as_of = births, as_of
        self._known = births != NO_DAY
        self._born = calendar(np.where(self._known, births, 0))

    def reached(self, age: int) -> NDArray[np.bool_]:
        """Whether so many years are completed at the as-of date; not for somebody of unknown age."""
        completed, known = self.on(np.full(len(self.births), self._as_of, np.int32))
        return known & (completed >= age)

    def on(self, days: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Completed years on each person's day, and whether birth and day are known."""
        known = self._known & (days != NO_DAY)
        (year, month, day), (born_year, born_month, born_day) = calendar(np.where(known, days, 0)), self._born
        before = (month < born_month) | ((month == born_month) & (day < born_day))
        return year - born_year - before, known


def calendar(days: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Year, month and day of the month of days since 1970-01-01."""
    dates = days.astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    number = months.astype(np.int64)
    return 1970 + number // 12, number % 12 + 1, (dates - months.astype("datetime64[D]")).astype(np.int64) + 1


# -- columns of folded results ----------------------------------------------------------------------------------------


def some(array: NDArray[Any] | None) -> NDArray[Any]:
    """A result that the fold's class has."""
    if array is None:
        raise AssertionError("the fold has no such result")
    return array


def flags(true: NDArray[np.bool_]) -> pa.Array:
    return pa.array(true)


def dates(days: NDArray[np.int32] | None) -> pa.Array:
    days = some(days)
    return pa.array(days, pa.int32(), mask=days == NO_DAY).view(pa.date32())


def numbers(values: NDArray[np.float64] | None) -> pa.Array:
    values = some(values)
    return pa.array(values, pa.float64(), mask=np.isnan(values))


def labelled(indices: NDArray[np.int16] | None, labels: tuple[str, ...]) -> pa.Array:
    indices = some(indices)
    codes = pa.array(indices.astype(np.int8), mask=indices < 0)
    return pa.DictionaryArray.from_arrays(codes, pa.array(labels, pa.string()))
