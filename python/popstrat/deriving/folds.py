"""What is worked out from one patient's coded events: folds, plain data, asked for by the kinds of feature.

A *fold* goes once over the rows of one table of a patient, in any order, and leaves one small result. The engine folds
millions of patients (`deriving.folding`); `deriving.reference` folds one, plainly, and remembers why.

A row *belongs* to a fold if its code is among the fold's. It *counts* if its day is known, lies in the fold's window
(both ends included) and, where the patient's date of birth is known, not before birth. A *value* is usable if there is
one, in a unit that the fold knows, and within the fold's bounds once converted; what is not is set aside and counted
under the first of these reasons. The order of rows makes no difference to any result.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Table = Literal["events", "medications", "activity"]
Tie = Literal["highest", "lowest"]

ANY_CODE = "*"
"""Instead of the name of a code list: every row of the table."""

NO_DAY = np.int32(-(2**31))
"""A day (since 1970-01-01) that there is not."""
NO_LABEL = np.int16(-1)

SET_ASIDE = ("undated", "after_as_of", "before_birth", "no_value", "unknown_unit", "implausible")
"""Why a row that belongs to a fold does not count, in the order in which the reasons are looked at. (A row before the
fold's window is merely old, and not counted under any.)"""


@dataclass(frozen=True)
class Conversion:
    """What a value in one unit is in the fold's own: ``value * factor + offset``, two operations, each rounded; then
    rounded half to even to ``decimals`` places, if these are given (`round` of Python's on the double times 10**n).

    Where it is rounded, a number that a comparator moved (`beyond`) is worked out from the number that was written, and
    then goes one step of the last place to its side: "<48" of whole numbers is 47.
    """

    factor: float = 1.0
    offset: float = 0.0
    decimals: int | None = None


@dataclass(frozen=True)
class Values:
    """How the values of a fold's rows are read. ``units``: spellings, folded (`unit_key`), each with its conversion;
    a row without a unit reads as ``without_unit``, or is set aside if that is None. Bounds are inclusive."""

    units: Mapping[str, Conversion]
    without_unit: Conversion | None
    minimum: float
    maximum: float


@dataclass(frozen=True)
class Fold:
    """One fold. ``codes`` are names of code lists, the fold's rows being those with a code in any of them and in none
    of ``without``; in the activity table they are kinds. ``since`` is None for no beginning of the window.

    Results by class, each null for a patient without a row that counts.
    """

    name: str
    table: Table
    codes: tuple[str, ...]
    until: int
    since: int | None = None
    without: tuple[str, ...] = ()


@dataclass(frozen=True)
class LastDay(Fold):
    """``day``: the latest day."""


@dataclass(frozen=True)
class FirstDay(Fold):
    """``day``: the earliest day."""


@dataclass(frozen=True)
class Count(Fold):
    """``count`` (0 for nobody's rows, never null) of rows, of distinct ``days`` or of distinct ``codes``.

    Of rows, those that agree in day, code, value, unit (as `unit_key` has it) and group count once, unless ``repeats``;
    either way the engine counts how many repeated others. A second value is not compared.
    """

    of: Literal["rows", "days", "codes"] = "rows"
    repeats: bool = False


@dataclass(frozen=True)
class LastValue(Fold):
    """``value`` and ``day``: of the latest day that has a usable value, the highest or lowest (``tie``) of that day.

    With ``gap``, also ``earlier`` and ``earlier_day``: the same of the days at least so many days before ``day``.
    """

    values: Values = field(kw_only=True)
    tie: Tie = "highest"
    gap: int | None = None


@dataclass(frozen=True)
class Extreme(Fold):
    """``value`` and ``day``: the highest or lowest (``which``) usable value, on the latest day that has it."""

    values: Values = field(kw_only=True)
    which: Tie = "highest"


@dataclass(frozen=True)
class LastLabel(Fold):
    """``label`` (an index) and ``day``: of the latest day, the label of a row's code; of several the one listed last.

    ``labels`` names each label with its code lists; ``codes`` are all of these. A code under two labels is refused.
    """

    labels: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True)
class Pair(Fold):
    """``value`` (the first), ``second`` and ``day``: the latest day on which both have a usable value. Among the pairs
    of that day whose two rows share a group, the one with the lowest first (then the lowest second); where no two rows
    of that day share a group, the day's lowest first with its lowest second. ``label``: that of the first row's code,
    as in `LastLabel` (-1 where no label has it; of pairs with the same values, the label listed last).

    ``first`` and ``second`` are lists of codes; a row of ``both`` holds two values itself (``second_value``) and is a
    pair of its own, as if its two values shared a group: rows without one make a pair only where there is none such.
    It is used if both its values are usable, else set aside under the earlier reason of the two. ``codes`` are all of
    these. A code in two of the three is refused.
    """

    first: tuple[str, ...] = ()
    second: tuple[str, ...] = ()
    both: tuple[str, ...] = ()
    first_values: Values = field(kw_only=True)
    second_values: Values = field(kw_only=True)
    labels: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True)
class Folded:
    """The results of one fold for consecutive patients, as arrays of one length; those that its class has."""

    day: NDArray[np.int32] | None = None  # NO_DAY for none
    value: NDArray[np.float64] | None = None  # NaN for none
    second: NDArray[np.float64] | None = None
    earlier: NDArray[np.float64] | None = None
    earlier_day: NDArray[np.int32] | None = None
    label: NDArray[np.int16] | None = None  # NO_LABEL for none
    count: NDArray[np.int32] | None = None


def unit_key(text: str) -> str:
    """The spelling of a unit as it is compared: without blanks, in small letters, with the signs that mean the same
    made one (µ and μ, ² and 2, × and *)."""
    return "".join(text.split()).lower().translate(_SAME)


_SAME = str.maketrans("µμ²³⁹¹⁰×·", "uu23910*.", "^")


def beyond(number: float, sign: str) -> float:
    """What a number with a comparator before it is taken for: the next 32-bit float above or below it, so that it lies
    on the right side of every threshold, in columns of 32-bit floats too."""
    if sign not in ("<", ">"):
        return number
    return float(np.nextafter(np.float32(number), np.float32(np.inf if sign == ">" else -np.inf)))


def written(value: float) -> tuple[float, int]:
    """The number that was written, and on which side of it ``value`` lies (0: it is that number), of up to four
    decimals; what no comparator moved is itself."""
    with np.errstate(over="ignore"):
        if not math.isfinite(value) or float(np.float32(value)) != value:
            return value, 0
    plain = float(np.rint(value * 1e4) / 1e4)
    for sign, side in (("<", -1), (">", 1)):
        if plain != value and beyond(plain, sign) == value:
            return plain, side
    return value, 0
