"""What a kind of feature has to have: one file a kind, everything that is known of it there.

A feature is made of its table in the specification once, at the as-of date: it says which folds it needs and which
columns it gives. The folds are worked out elsewhere, for many patients (`finalise`) or for one (`plain`); the two are
written apart and held against each other. A kind that lacks a part cannot be made, which shows when `registry` is
imported.
"""

from __future__ import annotations

import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from popstrat.core.blocks import Block
from popstrat.core.dates import days as day_number
from popstrat.core.dates import latest_birth_for
from popstrat.deriving.folds import NO_DAY, Fold, Folded
from popstrat.lang.nodes import Value

if TYPE_CHECKING:
    from popstrat.deriving.kinds.reader import Reader

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
        """A column for each part, in order, to be made if it is wanted, and what was counted by reason."""

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


Later = Callable[[], pa.Array]
"""A column that is made when it is wanted."""


@dataclass(frozen=True)
class Made:
    """Columns of a feature, one for each part, and what was counted (reason → people)."""

    columns: tuple[Later, ...]
    counts: Mapping[str, int]


def made(*columns: Later, **counts: int) -> Made:
    return Made(columns, counts)


class Ages:
    """Ages of many people, from their dates of birth (days, NO_DAY for none)."""

    def __init__(self, births: NDArray[np.int32], as_of: dt.date) -> None:
        self.births, self._as_of = births, as_of

    def reached(self, age: int) -> NDArray[np.bool_]:
        """Whether so many years are completed at the as-of date; not for somebody of unknown age."""
        found: NDArray[np.bool_] = (self.births != NO_DAY) & (
            self.births <= day_number(latest_birth_for(age, self._as_of))
        )
        return found

    def on(self, days: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        """Completed years on each person's day, and whether birth and day are known."""
        known = (self.births != NO_DAY) & (days != NO_DAY)
        rows = np.flatnonzero(known)
        year, within = calendar(days[rows])
        born, birthday = calendar(self.births[rows])
        found = np.zeros(len(days), np.int32)
        found[rows] = year - born - (within < birthday)
        return found, known


def calendar(days: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The year of days since 1970-01-01, and the day within it: the month times 32, and the day of the month.

    Counted in years that begin in March, whose last day is the one that some years lack.
    """
    since = days + np.int32(719_468)  # days since the 1st of March of the year 0
    era = since // 146_097  # of 400 years
    day = since - era * 146_097
    year = (day - day // 1_460 + day // 36_524 - day // 146_096) // 365
    day -= 365 * year + year // 4 - year // 100
    march = (5 * day + 2) // 153  # months since March
    after = march >= 10  # January and February are of the next year
    month = march + np.where(after, np.int32(-9), np.int32(3))
    return year + era * 400 + after, month * 32 + day - (153 * march + 2) // 5 + 1


# -- columns of folded results ----------------------------------------------------------------------------------------


def some(array: NDArray[Any] | None) -> NDArray[Any]:
    """A result that the fold's class has."""
    if array is None:
        raise AssertionError("the fold has no such result")
    return array


def flags(true: NDArray[np.bool_]) -> pa.Array:
    return pa.Array.from_buffers(pa.bool_(), len(true), [None, _bits(true)])


def dates(days: NDArray[np.int32] | None) -> pa.Array:
    days = some(days)
    return with_nulls(days, days != NO_DAY, pa.date32())


def numbers(values: NDArray[np.float64] | None) -> pa.Array:
    values = some(values)
    return with_nulls(values, ~np.isnan(values), pa.float64())


def labelled(indices: NDArray[np.int16] | None, labels: tuple[str, ...]) -> pa.Array:
    indices = some(indices)
    codes = with_nulls(np.maximum(indices, 0).astype(np.int8), indices >= 0, pa.int8())
    return pa.DictionaryArray.from_arrays(codes, pa.array(labels, pa.string()))


def with_nulls(values: NDArray[Any], valid: NDArray[np.bool_], kind: pa.DataType) -> pa.Array:
    """A column of these values without a copy, null where they are not valid; 0 stands under a null, so that the same
    table is the same bytes."""
    values = np.ascontiguousarray(values)
    if valid.all():
        return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(values)])
    bits = values.view(f"i{values.itemsize}")
    held = bits * valid  # ten times as fast as `np.where`, where nulls come as they like
    return pa.Array.from_buffers(kind, len(values), [_bits(valid), pa.py_buffer(held)])


def _bits(true: NDArray[np.bool_]) -> pa.Buffer:
    return pa.py_buffer(np.packbits(true, bitorder="little"))
