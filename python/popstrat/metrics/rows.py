"""The table of figures: one row a figure, its columns in their order, and the words that stand in them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa


class Measure(StrEnum):
    """What a row's value is."""

    PROPORTION = "proportion"
    RATE = "rate_per_1000"
    STANDARDISED = "standardised_rate"
    GAP_ABSOLUTE = "gap_absolute"
    GAP_RELATIVE = "gap_relative"
    SLOPE_INDEX = "slope_index"
    PRIZE_MEDIAN = "prize_median"
    PRIZE_UPPER_QUARTILE = "prize_upper_quartile"
    PRIZE_PLAN = "prize_plan"
    COVERAGE = "coverage"
    FLOOR = "floor"
    MOVERS = "movers"


class Level(StrEnum):
    """How large an area is, the largest first."""

    ICB = "icb"
    PLACE = "place"
    NEIGHBOURHOOD = "neighbourhood"
    PCN = "pcn"
    PRACTICE = "practice"


class Grouping(StrEnum):
    """What people of an area are divided by. Two at once are joined by a plus sign, such as ``sex+age_band``."""

    NONE = "none"
    SEX = "sex"
    AGE_BAND = "age_band"
    ETHNICITY = "ethnicity"
    IMD_QUINTILE = "imd_quintile"
    ETHNICITY_DETAILED = "ethnicity_detailed"


LEVELS: tuple[Level, ...] = tuple(Level)
AGE_BANDS: tuple[tuple[str, int], ...] = (
    ("0-4", 0),
    ("5-17", 5),
    ("18-39", 18),
    ("40-64", 40),
    ("65-74", 65),
    ("75-84", 75),
    ("85+", 85),
)
"""Each age band's label and its first age in completed years."""
UNKNOWN = "unknown"
"""The group of people of whom what divides them is not recorded."""
SEPARATOR = "+"
"""Between groupings that are taken together, and between their groups."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure. A field that does not apply, or that may not be shown, is None; `reason` says why there is no value.

    `numerator` and `denominator` are people (or events) as shown: rounded where disclosure is controlled. `value`,
    `low` and `high` are in the unit of the measure: a share of 1, a rate per 1,000, a number of people.
    """

    as_of: dt.date
    metric: str
    version: str
    measure: Measure
    cohort: str
    level: Level
    area: str
    parent: str | None = None
    group_by: str = Grouping.NONE.value
    group: str | None = None
    numerator: int | None = None
    denominator: int | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    interval: str | None = None
    limit_95_low: float | None = None
    limit_95_high: float | None = None
    limit_998_low: float | None = None
    limit_998_high: float | None = None
    previous: float | None = None
    year_ago: float | None = None
    baseline: float | None = None
    target: float | None = None
    trajectory: str | None = None
    signal: str | None = None
    suppressed: bool = False
    reason: str | None = None


COLUMNS: tuple[str, ...] = tuple(field.name for field in fields(Row))

_TEXT, _NUMBER = pa.string(), pa.float64()
SCHEMA: pa.Schema = pa.schema(
    [
        pa.field("as_of", pa.date32(), nullable=False),
        *(pa.field(name, _TEXT, nullable=False) for name in ("metric", "version", "measure", "cohort", "level")),
        pa.field("area", _TEXT, nullable=False),
        pa.field("parent", _TEXT),
        pa.field("group_by", _TEXT, nullable=False),
        pa.field("group", _TEXT),
        pa.field("numerator", pa.int64()),
        pa.field("denominator", pa.int64()),
        *(pa.field(name, _NUMBER) for name in ("value", "low", "high")),
        pa.field("interval", _TEXT),
        *(pa.field(f"limit_{limit}_{side}", _NUMBER) for limit in ("95", "998") for side in ("low", "high")),
        *(pa.field(name, _NUMBER) for name in ("previous", "year_ago", "baseline", "target")),
        *(pa.field(name, _TEXT) for name in ("trajectory", "signal")),
        pa.field("suppressed", pa.bool_(), nullable=False),
        pa.field("reason", _TEXT),
    ]
)
"""The columns' types. `trajectory` is ``on`` or ``off``; `signal` names the rule that gave it."""


def table_of(rows: Iterable[Row]) -> pa.Table:
    """Rows as a table of `SCHEMA`, in their order."""
    listed = list(rows)
    columns = [pa.array([getattr(row, name) for row in listed], SCHEMA.field(name).type) for name in COLUMNS]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def words(mask: npt.NDArray[np.bool_], said: str, otherwise: Sequence[str | None] | None = None) -> list[str | None]:
    """What is said of each row: a text where the mask is, nothing (or what is said otherwise) elsewhere."""
    rest = otherwise if otherwise is not None else [None] * len(mask)
    return [said if here else other for here, other in zip(mask.tolist(), rest, strict=True)]


def table_of_columns(length: int, **given: Any) -> pa.Table:
    """A table of `SCHEMA` from some of its columns, each an array or one value for all rows; the others are null, and
    nothing is suppressed. NaN and infinite numbers are null."""
    columns = []
    for column in SCHEMA:
        values = given.pop(column.name, False if column.name == "suppressed" else None)
        if isinstance(values, np.ndarray) and values.dtype == np.float64:
            whole = pa.types.is_integer(column.type)
            values = pa.array(np.where(np.isfinite(values), values, 0), mask=~np.isfinite(values))
            columns.append(values.cast(column.type) if whole else values)
        elif isinstance(values, pa.Array | pa.ChunkedArray):
            columns.append(values.cast(column.type))
        elif isinstance(values, list | np.ndarray):
            columns.append(pa.array(values, column.type))
        else:
            one = pa.scalar(str(values) if isinstance(values, StrEnum) else values, column.type)
            columns.append(pa.repeat(one, length))
    if given:
        raise TypeError(f"no such column: {', '.join(given)}")
    return pa.Table.from_arrays(columns, schema=SCHEMA)
