"""Floor and coverage: how many people teams should support, may support and do support.

Counted like any metric, as pairs of a part and its whole (`CaseloadCounts`), shown under the same disclosure control,
and then set against the floor: so many per cent of the registered people of each place, for all cohorts together, each
person once. A floor is what a borough answers for; below it a share by list size says what would be fair.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from popstrat.metrics.caseload import Bools, Caseload
from popstrat.metrics.figures import NOWHERE, Areas, Metric
from popstrat.metrics.rows import LEVELS, Level, Measure, table_of_columns, words
from popstrat.metrics.side_files import Days
from popstrat.metrics.statistics import Floats

ALL = "all"
"""All cohorts together."""
GAP = "_gap"
"""What the metric of the gap to a floor ends in."""
DATES = ("last_admission_date", "care_plan_date", "cga_date")
"""Columns of the list that say more of people on the caseload."""
APPORTIONED = "apportioned: the floor of the place shared by list size"
CARE_PLAN_TARGET = 0.95
CARE_PLAN_SOURCE = "95% of people with complex needs to have a care plan by 2027"
ROUNDING = 2
"""By how much a count that was rounded to the nearest 5 may differ from what it was."""

# -- counting ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Counted:
    """A metric of coverage and, for a batch of people, who is in its part and in its whole."""

    metric: Metric
    part: Bools
    whole: Bools


@dataclass
class CaseloadCounts:
    """What is counted of a caseload, batch by batch."""

    caseload: Caseload
    version: str

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """In the order of `counted`."""
        nobody = np.zeros(0, dtype=np.bool_)
        flags = {column: nobody for cohort in self.caseload.cohorts for column in cohort.columns}
        days = {name: np.zeros(0, dtype=np.int32) for name in DATES}
        return tuple(one.metric for one in self.counted(pa.array([], pa.large_string()), flags, days))

    def counted(self, ids: pa.Array, flags: Mapping[str, Bools], days: Mapping[str, Days]) -> list[Counted]:
        """The parts and wholes of a batch. ``flags`` has the cohorts' columns; ``days`` the list's own `DATES`, as days
        since 1970 and `NO_DAY` for none."""
        everybody = np.ones(len(ids), dtype=np.bool_)
        return list(self._counted(self.caseload, ids, flags, days, everybody))

    def _counted(
        self, caseload: Caseload, ids: pa.Array, flags: Mapping[str, Bools], days: Mapping[str, Days], everybody: Bools
    ) -> Iterator[Counted]:
        at = caseload.find(ids)
        there, row = at >= 0, np.maximum(at, 0)
        none = np.zeros((len(ids), len(caseload.cohorts)), dtype=np.bool_)
        if not len(caseload.people):
            on, named, care_plan, cga = none, none, np.zeros(none.shape, np.int32), np.zeros(none.shape, np.int32)
            active = np.zeros((len(caseload.months), len(ids)), dtype=np.bool_)
        else:
            on = caseload.on[row] & there[:, np.newaxis]
            named = caseload.coordinator[row] & on
            care_plan, cga = caseload.care_plan[row], caseload.cga[row]
            active = caseload.active[:, row].any(axis=2) & there
        least = np.iinfo(np.int32).min
        for i, cohort in enumerate([None, *caseload.cohorts]):
            which = slice(None) if cohort is None else slice(i - 1, i)
            name = ALL if cohort is None else cohort.name
            mine: Bools = np.asarray(on[:, which].any(axis=1))
            # Where a date also stands in the list the later wins; of several spells too.
            plan, assessed = (
                np.maximum(np.where(on, given, least)[:, which].max(axis=1, initial=least), days[column])
                for given, column in ((care_plan, "care_plan_date"), (cga, "cga_date"))
            )
            admitted = days["last_admission_date"]
            yield self._metric("caseload", name, mine, everybody)
            yield replace_target(
                self._metric("caseload_care_plan", name, mine & (plan > least), mine), CARE_PLAN_TARGET
            )
            yield self._metric("caseload_cga", name, mine & (assessed > least), mine)
            yield self._metric("caseload_coordinator", name, np.asarray(named[:, which].any(axis=1)), mine)
            yield self._metric("caseload_review_due", name, mine & (admitted > plan), mine)
            columns = (None,) if cohort is None else cohort.columns
            for column in columns:
                said = (
                    _any([flags[one.segment] for one in caseload.cohorts], everybody)
                    if column is None
                    else flags[column]
                )
                yield self._metric("on_caseload", column or ALL, mine & said, said)
                yield self._metric("caseload_outside_cohort", column or ALL, mine & ~said, mine)
        for month, now in zip(caseload.months, active, strict=True):
            yield self._metric(f"caseload_active{_AT}{month}", ALL, now, everybody)

    def _metric(self, ident: str, cohort: str, part: Bools, whole: Bools) -> Counted:
        title, good = _TITLES[ident.partition(_AT)[0]]
        monthly = _AT in ident  # the months are its groups
        metric = Metric(ident, title, self.version, Measure.COVERAGE, cohort, good, undivided=monthly)
        return Counted(metric, part, whole)


_AT = "@"
_TITLES: Mapping[str, tuple[str, str]] = {
    "caseload": ("Registered people on the caseload", "high"),
    "caseload_active": ("Registered people on the caseload at the end of the month", "high"),
    "caseload_care_plan": ("People on the caseload with a care plan", "high"),
    "caseload_cga": ("People on the caseload with a comprehensive geriatric assessment", "high"),
    "caseload_coordinator": ("People on the caseload with a named coordinator", "high"),
    "caseload_review_due": ("People on the caseload admitted since their last care plan, or without one", "low"),
    "on_caseload": ("People of the cohort who are on the caseload", "high"),
    "not_on_caseload": ("People of the cohort who are not on the caseload", "low"),
    "caseload_outside_cohort": ("People on the caseload who are not in the cohort", "none"),
}


def replace_target(counted: Counted, target: float) -> Counted:
    """The same with a target."""
    return replace(counted, metric=replace(counted.metric, target=target, source=CARE_PLAN_SOURCE))


def _any(flags: Sequence[Bools], everybody: Bools) -> Bools:
    return np.logical_or.reduce(flags) if flags else ~everybody


# -- rows --------------------------------------------------------------------------------------------------------------


def finish(rows: pa.Table) -> pa.Table:
    """The rows of coverage as they are published: months in `group`, and who is in a cohort and not on the caseload,
    which is what is left of those who are in it."""
    monthly = pc.match_substring(rows["metric"], _AT)
    if not pc.any(pc.or_(monthly, pc.equal(rows["metric"], "on_caseload"))).as_py():
        return rows
    parts = [name.partition(_AT) for name in rows["metric"].to_pylist()]
    months = [month for _, _, month in parts]
    by = ["month" if month else given for given, month in zip(rows["group_by"].to_pylist(), months, strict=True)]
    group = [month or given for given, month in zip(rows["group"].to_pylist(), months, strict=True)]
    found = rows
    for column, values in (("metric", [name for name, _, _ in parts]), ("group_by", by), ("group", group)):
        at = found.schema.get_field_index(column)
        found = found.set_column(at, found.schema.field(at), pa.array(values, pa.string()))
    whole = pc.equal(found["measure"], Measure.COVERAGE.value)  # what is left over of a gap is no gap
    rest = found.filter(pc.and_(pc.equal(found["metric"], "on_caseload"), whole))
    left = pc.subtract(rest["denominator"], rest["numerator"])
    swapped = {
        "metric": pa.array(["not_on_caseload"] * len(rest), pa.string()),
        "numerator": left,
        "value": pc.subtract(1.0, rest["value"]),
        "low": pc.subtract(1.0, rest["high"]),
        "high": pc.subtract(1.0, rest["low"]),
        **{f"limit_{limit}_{side}": pc.subtract(1.0, rest[f"limit_{limit}_{other}"])
           for limit in ("95", "998") for side, other in (("low", "high"), ("high", "low"))},
    }  # fmt: skip
    for column, values in swapped.items():
        at = rest.schema.get_field_index(column)
        rest = rest.set_column(at, rest.schema.field(at), values)
    return pa.concat_tables([found, rest])


@dataclass(frozen=True)
class Floors:
    """The floor of each area of a level, NaN where it cannot be said; ``low`` and ``high`` are what it may be, where
    the registered people are rounded. ``reason`` says why there is none, or that it is apportioned."""

    value: Floats
    low: Floats
    high: Floats
    reason: Sequence[str | None]


Registered = Mapping[Level, Floats]
"""The registered people of each area of a level as they may be shown; NaN where they are withheld."""


def floor_of(people: float, share: Fraction) -> int:
    """So many of some people that it is at least this share of them: whole people, rounded up."""
    return math.ceil(Fraction(people) * share)


def floors(areas: Areas, registered: Registered, share: float, *, rounded: bool) -> dict[Level, Floors]:
    """The floors of all areas: of a place from its registered people, of the ICB the sum of its places', below place
    apportioned by list size and not rounded.

    With ``rounded`` counts are to the nearest 5, so that what they were is within 2 of them: a floor is exact where all
    of these give the same one, and else between two."""
    exact = Fraction(str(share))
    found = {Level.PLACE: _of_places(registered[Level.PLACE], exact, rounded)}
    places = found[Level.PLACE]
    outside = int((areas.of_practice(Level.PLACE) == NOWHERE).sum())
    reason = "the floor of a place is withheld" if np.isnan(places.value).any() else None
    if not len(places.value):
        reason = "no practice is in a place"
    whole = [np.nan if reason else float(part.sum()) for part in (places.value, places.low, places.high)]
    if outside and reason is None:
        reason = f"of the places: {outside:,} of {len(areas.practices):,} practices are in none"
    total, low, high = (np.array([part]) for part in whole)
    found[Level.ICB] = Floors(total, low, high, [reason])
    for level in (Level.NEIGHBOURHOOD, Level.PCN, Level.PRACTICE):
        found[level] = _apportioned(areas, registered, level, places)
    return found


def _of_places(people: Floats, share: Fraction, rounded: bool) -> Floors:
    ends = []
    for off in (0, -ROUNDING if rounded else 0, ROUNDING if rounded else 0):
        values = [np.nan if np.isnan(n) else float(floor_of(max(n + off, 0), share)) for n in people.tolist()]
        ends.append(np.array(values, dtype=np.float64))
    reason = ["the registered people are withheld" if np.isnan(n) else None for n in people.tolist()]
    return Floors(ends[0], ends[1], ends[2], reason)


def _apportioned(areas: Areas, registered: Registered, level: Level, places: Floors) -> Floors:
    """The place's floor times an area's part of the place's people; of an area in several places the sum."""
    of_place = areas.of_practice(Level.PLACE)
    of_area = areas.of_practice(level)
    with np.errstate(divide="ignore", invalid="ignore"):
        each = np.where(registered[Level.PLACE] > 0, places.value / registered[Level.PLACE], np.nan)
    values, reasons = [], []
    for area, people in enumerate(registered[level].tolist()):
        practices = np.flatnonzero(of_area == area)
        within = np.unique(of_place[practices])
        if NOWHERE in within:
            value, reason = math.nan, "a practice of it is in no place" if len(practices) > 1 else "it is in no place"
        elif len(within) == 1:
            value, reason = people * float(each[within[0]]), APPORTIONED
        else:
            value, reason = (
                float((registered[Level.PRACTICE][practices] * each[of_place[practices]]).sum()),
                APPORTIONED,
            )
        values.append(value)
        reasons.append("the registered people, or those of its place, are withheld" if reason is APPORTIONED
                       and math.isnan(value) else reason)  # fmt: skip
    nothing = np.full(len(values), np.nan)
    return Floors(np.array(values, dtype=np.float64), nothing, nothing, reasons)


def floor_rows(
    metric: Metric,
    areas: Areas,
    registered: Registered,
    as_of: dt.date,
    *,
    rounded: bool,
    caseload: Registered | None = None,
) -> pa.Table:
    """Rows of a floor (measure ``floor``), and with the people on the ``caseload`` of the gap: how many more the floor
    asks for (measure ``coverage``, metric ``<floor>_gap``); negative where it is passed. In order of level and area."""
    if metric.target is None:
        raise ValueError(f"the floor {metric.id} has no target")
    found = floors(areas, registered, metric.target, rounded=rounded)
    tables = []
    for level in areas.levels:
        floor, people = found[level], registered[level]
        names = areas.names(level)
        keys = {
            "as_of": as_of, "version": metric.version, "cohort": ALL, "level": level, "area": list(names),
            "parent": [areas.parent(level, i) for i in range(len(names))], "group_by": "none", "denominator": people,
        }  # fmt: skip
        low, high = (np.where(floor.low == floor.high, np.nan, end) for end in (floor.low, floor.high))
        ranges = words(np.isfinite(low), "rounding of the registered people")
        tables.append(
            table_of_columns(
                len(names),
                **keys,
                metric=metric.id,
                measure=Measure.FLOOR,
                value=floor.value,
                low=low,
                high=high,
                interval=ranges,
                suppressed=np.isnan(people),
                reason=floor.reason,
            )
        )
        if caseload is None:
            continue
        on = caseload[level]
        gap, least, most = floor.value - on, low - on, high - on
        missing = [
            "the people on the caseload are withheld" if math.isnan(n) and math.isfinite(value) else reason
            for n, value, reason in zip(on.tolist(), floor.value.tolist(), floor.reason, strict=True)
        ]
        tables.append(
            table_of_columns(
                len(names),
                **keys,
                metric=metric.id + GAP,
                measure=Measure.COVERAGE,
                numerator=on,
                value=gap,
                low=least,
                high=most,
                interval=ranges,
                suppressed=np.isnan(on) | np.isnan(people),
                reason=missing,
            )
        )
    return pa.concat_tables(tables)


def by_area(areas: Areas, level: npt.NDArray[np.int64], area: npt.NDArray[np.int64], values: Floats) -> Registered:
    """Values of figures, one an area, by level; NaN for areas of which there is no figure."""
    found = {one: np.full(len(areas.names(one)), np.nan) for one in LEVELS}
    for number, one in enumerate(LEVELS):
        rows = np.flatnonzero(level == number)
        found[one][area[rows]] = values[rows]
    return found
