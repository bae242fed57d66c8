"""From counts as they may be shown to the rows of the table: values, intervals, funnels, standardised rates and gaps.

Nothing here sees an exact count unless disclosure is not controlled: `Shown` is what may be published, and all else is
worked out from it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from popstrat.metrics import statistics
from popstrat.metrics.figures import Figures
from popstrat.metrics.rows import AGE_BANDS, LEVELS, Grouping, Level, Measure, table_of_columns, words
from popstrat.metrics.statistics import FEWEST_EVENTS, Floats, Interval

MOST_DEPRIVED, LEAST_DEPRIVED = "1", "5"
"""The groups of `Grouping.IMD_QUINTILE` between which a gap is."""
QUINTILES = ("1", "2", "3", "4", "5")
WITHHELD = "withheld: a small count, or one from which a small count would follow"
TOO_FEW = f"fewer than {FEWEST_EVENTS} events"
NOBODY = "nobody is in the denominator"

EXACT, WILSON = "exact Poisson", "Wilson"


@dataclass(frozen=True)
class Shown:
    """Figures as they may be published, an element for each of `Figures`: NaN where a count is withheld.

    ``dispersion`` is the sum over people of their events squared over the sum of their events: 1 where nobody has two.
    """

    numerator: Floats
    denominator: Floats
    dispersion: Floats

    @classmethod
    def uncontrolled(cls, figures: Figures) -> Shown:
        """Everything as it is."""
        numerator = figures.numerator.astype(np.float64)
        spread = np.divide(figures.squares, numerator, out=np.ones_like(numerator), where=numerator > 0)
        return cls(numerator, figures.denominator.astype(np.float64), spread)

    @classmethod
    def controlled(cls, figures: Figures, numerator: Floats, denominator: Floats) -> Shown:
        """Counts as disclosure control gives them. The dispersion is that of the largest area that there is, everybody
        together, to a tenth: an area's own would tell of the one person in it who has many events."""
        exact = cls.uncontrolled(figures).dispersion
        everybody = figures.grouping == _number(figures, Grouping.NONE)
        found = np.ones(len(figures.metrics))
        for row in np.flatnonzero(everybody & (figures.level == figures.level.min(initial=len(LEVELS)))).tolist():
            metric = figures.metric[row]
            found[metric] = max(found[metric], round(float(exact[row]), 1))
        return cls(numerator, denominator, found[figures.metric])


def rows_of(figures: Figures, shown: Shown, as_of: dt.date) -> pa.Table:
    """A row for each figure, in their order, but for floors (`coverage.floor_rows`); then the standardised rates, the
    gaps and the slopes of the areas of which there are figures by age and by deprivation."""
    plain_value = np.array([metric.measure is not Measure.FLOOR for metric in figures.metrics], dtype=np.bool_)
    rows = np.flatnonzero(plain_value[figures.metric])
    if len(rows) < len(figures):
        figures = figures.where(rows)
        shown = Shown(shown.numerator[rows], shown.denominator[rows], shown.dispersion[rows])
    worked_out = estimates(figures, shown)
    suppressed = np.isnan(shown.numerator) | np.isnan(shown.denominator)
    reasons = words(suppressed, WITHHELD, words(shown.denominator == 0, NOBODY))
    limits = funnels(figures, shown)
    events = _of_events(figures)[figures.metric]
    plain = _table(
        figures,
        np.arange(len(figures)),
        as_of,
        measure=_named([metric.measure for metric in figures.metrics], figures),
        group=_groups(figures),
        numerator=shown.numerator,
        denominator=shown.denominator,
        **_interval(worked_out, words(events, EXACT, [WILSON] * len(figures))),
        **limits,
        suppressed=suppressed,
        reason=reasons,
    )
    return pa.concat_tables(
        [plain, standardised_rates(figures, shown, as_of), *gaps(figures, shown, worked_out, as_of)]
    )


def estimates(figures: Figures, shown: Shown) -> Interval:
    """The value of each figure, in the unit of its metric, with its interval."""
    events = np.flatnonzero(_of_events(figures)[figures.metric])
    found = statistics.share(shown.numerator, shown.denominator)
    k, n, spread = (values[events] for values in (shown.numerator, shown.denominator, shown.dispersion))
    for column, values in zip(found, statistics.rate(k, n, k * np.maximum(spread, 1.0)), strict=True):
        column[events] = values
    once = _per_person(figures)[figures.metric]
    return Interval(*(column * once for column in found))


def funnels(figures: Figures, shown: Shown) -> dict[str, Floats]:
    """The limits of each figure among those of its metric, level and group, under the names of their columns; the ICB,
    levels of few areas, and movers have none."""
    found = {name: np.full(len(figures), np.nan) for name in
             ("limit_95_low", "limit_95_high", "limit_998_low", "limit_998_high")}  # fmt: skip
    events = _of_events(figures)
    for rows in _together(figures.metric, figures.level, figures.grouping, figures.group):
        metric = int(figures.metric[rows[0]])
        if len(rows) < statistics.FEWEST_AREAS or figures.metrics[metric].measure is Measure.MOVERS:
            continue
        dispersion = _pooled(shown, rows) if events[metric] else None
        limits = statistics.funnel(shown.numerator[rows], shown.denominator[rows], dispersion=dispersion)
        if limits is not None:
            per = figures.metrics[metric].per
            for name, values in zip(found, limits[:4], strict=True):
                found[name][rows] = values * per
    return found


def standardised_rates(figures: Figures, shown: Shown, as_of: dt.date) -> pa.Table:
    """A row for each metric of events and area that has figures by age band, practices left out: their events are too
    few. Bands in which nobody of the whole list is in the denominator weigh nothing."""
    bands = [label for label, _ in AGE_BANDS]
    counted = _of_events(figures)[figures.metric] & (figures.level != LEVELS.index(Level.PRACTICE))
    rows = _by_group(figures, Grouping.AGE_BAND, bands, counted)
    if not len(rows):
        return table_of_columns(0)
    events, people, spread = (_taken(values, rows) for values in (shown.numerator, shown.denominator, shown.dispersion))
    weights = statistics.standard_population([first for _, first in AGE_BANDS])
    found = [np.full(len(rows), np.nan) for _ in range(3)]
    total, of_whom = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
    metric = figures.metric[rows.max(axis=1)]
    for one in np.unique(metric):
        of_it = np.flatnonzero(metric == one)
        # A band in which no area has anybody to show is one that the metric does not count.
        some = (people[of_it] > 0).any(axis=0)
        k, n = events[of_it], people[of_it]
        k = np.where(n == 0, 0.0, k)
        done = statistics.standardised(k, n, k * np.maximum(spread[of_it], 1.0), np.where(some, weights, 0.0))
        total[of_it], of_whom[of_it] = k[:, some].sum(axis=1), n[:, some].sum(axis=1)
        for column, values in zip(found, done, strict=True):
            column[of_it] = values
    withheld = np.isnan(total + of_whom)
    few = np.asarray(total < FEWEST_EVENTS)
    empty = ["nobody is in an age band"] * len(rows)
    reason = words(np.isfinite(found[0]), "", words(withheld, "an age band is withheld", words(few, TOO_FEW, empty)))
    return _table(
        figures, rows.max(axis=1), as_of,
        measure=Measure.STANDARDISED, group_by=Grouping.NONE,
        numerator=np.where(withheld, np.nan, total), denominator=np.where(withheld, np.nan, of_whom),
        **_interval(Interval(*found), "Dobson"),
        suppressed=withheld, reason=[one or None for one in reason],
    )  # fmt: skip


def gaps(figures: Figures, shown: Shown, worked_out: Interval, as_of: dt.date) -> Iterator[pa.Table]:
    """Quintile 1 less quintile 5, 1 over 5, and the slope index, for each metric and area with figures by quintile."""
    rows = _by_group(figures, Grouping.IMD_QUINTILE, QUINTILES, np.ones(len(figures), dtype=np.bool_))
    if not len(rows):
        return
    first = rows.max(axis=1)
    one, other = (Interval(*(_taken(part, rows[:, at], np.nan) for part in worked_out)) for at in (0, -1))
    value, people = _taken(worked_out.value, rows, np.nan), _taken(shown.denominator, rows)
    events = _of_events(figures)[figures.metric[first]][:, np.newaxis]
    count, spread = _taken(shown.numerator, rows), np.maximum(_taken(shown.dispersion, rows), 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        per = _per_person(figures)[figures.metric[first]][:, np.newaxis]
        share = value / per
        variance = np.where(events, 1e6 * count * spread / people**2, per**2 * share * (1 - share) / people)
    found = {
        Measure.GAP_ABSOLUTE: (statistics.difference(one, other), "MOVER"),
        Measure.GAP_RELATIVE: (statistics.ratio(one, other), "MOVER"),
        Measure.SLOPE_INDEX: (statistics.slope_index(value, variance, people), "normal"),
    }
    ends = np.asarray(np.isnan(one.value) | np.isnan(other.value))
    every = np.asarray(np.isnan(value).any(axis=1))
    hidden = np.isnan(count) | np.isnan(people)  # of the others nobody is there
    for measure, (interval, method) in found.items():
        all_five = measure is Measure.SLOPE_INDEX
        unknown, which = (every, "a quintile") if all_five else (ends, "quintile 1 or 5")
        withheld = np.asarray((hidden if all_five else hidden[:, [0, -1]]).any(axis=1))
        nought = np.asarray(~unknown & ~np.isfinite(interval.value))
        yield _table(
            figures, first, as_of,
            measure=measure, group_by=Grouping.IMD_QUINTILE,
            **_interval(interval, method),
            suppressed=withheld,
            reason=words(
                withheld, f"{which} is withheld",
                words(unknown, f"nobody is in {which}", words(nought, "quintile 5 has none")),
            ),
        )  # fmt: skip


# -- figures, columns and rows -----------------------------------------------------------------------------------------


def _number(figures: Figures, grouping: Grouping) -> int:
    return next((i for i, one in enumerate(figures.groupings) if one.name == grouping), -1)


def _of_events(figures: Figures) -> npt.NDArray[np.bool_]:
    return np.array([metric.events for metric in figures.metrics], dtype=np.bool_)


def _per_person(figures: Figures) -> Floats:
    """Of each metric by what a share of people is multiplied; 1 where its unit is that of `statistics`."""
    return np.array([1 if metric.events else metric.per for metric in figures.metrics], dtype=np.float64)


def _pooled(shown: Shown, rows: npt.NDArray[np.intp]) -> float:
    """The dispersion of all areas together: their squares over their events."""
    k, spread = shown.numerator[rows], np.maximum(shown.dispersion[rows], 1.0)
    known = np.isfinite(k) & np.isfinite(spread)
    events = float(k[known].sum())
    return float((k[known] * spread[known]).sum()) / events if events else 1.0


def _together(*keys: npt.NDArray[np.int64]) -> list[npt.NDArray[np.intp]]:
    """The positions of those that agree in every key."""
    if not len(keys[0]):
        return []
    order = np.lexsort(keys[::-1])
    new = np.zeros(len(order), dtype=np.bool_)
    for key in keys:
        new[1:] |= np.diff(key[order]) != 0
    return np.split(order, np.flatnonzero(new))


def _by_group(
    figures: Figures, grouping: Grouping, groups: Sequence[str], wanted: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64]:
    """The rows of figures by a grouping: one for each metric and area, a column for each of ``groups``; -1 where there
    is no such figure. In the order of metric, level and area."""
    at = _number(figures, grouping)
    if at < 0:
        return np.empty((0, len(groups)), dtype=np.int64)
    place = {label: i for i, label in enumerate(groups)}
    column = np.array([place.get(label or "", -1) for label in figures.groupings[at].groups], dtype=np.int64)
    rows = np.flatnonzero((figures.grouping == at) & wanted)
    rows = rows[column[figures.group[rows]] >= 0]
    parts = _together(*(key[rows] for key in (figures.metric, figures.level, figures.area)))
    found = np.full((len(parts), len(groups)), -1, dtype=np.int64)
    for i, part in enumerate(parts):
        found[i, column[figures.group[rows[part]]]] = rows[part]
    return found


def _taken(values: Floats, rows: npt.NDArray[np.int64], missing: float = 0.0) -> Floats:
    """Values at rows, and ``missing`` where there is no such figure: of counts 0, as nobody was there to count."""
    return np.where(rows >= 0, values[rows], missing)


def _interval(found: Interval, method: str | Sequence[str | None]) -> dict[str, Any]:
    """The columns of a value and its limits; a limit without a value is none."""
    there = np.isfinite(found.value)
    names = [method] * len(there) if isinstance(method, str) else method
    named = [
        name if here else None for name, here in zip(names, (there & np.isfinite(found.low)).tolist(), strict=True)
    ]
    low, high = (np.where(there, limit, np.nan) for limit in (found.low, found.high))
    return {"value": found.value, "low": low, "high": high, "interval": named}


def _named(names: Sequence[str], figures: Figures) -> pa.Array:
    return pa.array([str(name) for name in names], pa.string()).take(pa.array(figures.metric))


def _groups(figures: Figures) -> pa.Array:
    """The group of each figure."""
    starts = np.cumsum([0, *(len(one.groups) for one in figures.groupings)])
    labels = pa.array([label for one in figures.groupings for label in one.groups], pa.string())
    return labels.take(pa.array(starts[figures.grouping] + figures.group))


def _table(figures: Figures, rows: npt.NDArray[Any], as_of: dt.date, **columns: Any) -> pa.Table:
    """A table with the keys of some figures and further columns."""
    some = figures.where(rows)
    areas: list[str] = []
    above: list[str | None] = []
    for level in LEVELS:
        names = figures.areas.names(level)
        areas += names
        above += [figures.areas.parent(level, i) for i in range(len(names))]
    starts = np.cumsum([0, *(len(figures.areas.names(level)) for level in LEVELS)])
    place = pa.array(starts[some.level] + some.area)
    keys: dict[str, Any] = {
        "as_of": as_of,
        "metric": _named([metric.id for metric in some.metrics], some),
        "version": _named([metric.version for metric in some.metrics], some),
        "cohort": _named([metric.cohort for metric in some.metrics], some),
        "level": pa.array([str(level) for level in LEVELS]).take(pa.array(some.level)),
        "area": pa.array(areas, pa.string()).take(place),
        "parent": pa.array(above, pa.string()).take(place),
        "group_by": pa.array([one.name for one in some.groupings], pa.string()).take(pa.array(some.grouping)),
    }
    targets = np.array([np.nan if m.target is None else m.target for m in some.metrics], dtype=np.float64)
    if columns["measure"] is not None and not isinstance(columns["measure"], Measure):
        keys["target"] = targets[some.metric]
    return table_of_columns(len(some), **(keys | columns))
