"""The size of the prize: how many more people would be at target in a practice if it did as well as others do.

For practices of 30 people or more, against the median of them, the better quartile, and the practice's plan. It is a
number of people, which says where support would reach most; a rate says that of no practice, and stands in a funnel.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from popstrat.metrics.estimates import Shown
from popstrat.metrics.figures import NOWHERE, Areas, Figures, Metric
from popstrat.metrics.plan import NO_PLAN, Plan, next_target
from popstrat.metrics.rows import LEVELS, Grouping, Level, Measure, table_of_columns
from popstrat.metrics.statistics import Floats

FEWEST_PEOPLE = 30
"""A share of fewer people moves too much from one of them to the next."""
FEWEST_PRACTICES = 4
"""A quartile of fewer practices is one of them."""


def rows_of(
    figures: Figures, shown: Shown, as_of: dt.date, plan: Plan = NO_PLAN, *, left_out: Collection[str] = ()
) -> pa.Table:
    """Rows of the measures ``prize_median``, ``prize_upper_quartile`` and ``prize_plan``: for each practice and share
    of people that is to be high or low, the people to gain, those with most of them first. ``target`` is what is
    compared with. ``left_out`` names the metrics that rest on a risk which was not fitted to outcomes here."""
    everybody = figures.group_bys()
    whole = np.array([group_by == Grouping.NONE for group_by in everybody], dtype=np.bool_)
    practices = np.flatnonzero(whole & (figures.level == LEVELS.index(Level.PRACTICE)))
    tables = [
        _table(figures.areas, metric, as_of, *found)
        for number, metric in enumerate(figures.metrics)
        if metric.measure is Measure.PROPORTION and metric.good in ("high", "low") and metric.id not in left_out
        for found in _of_metric(figures, shown, practices[figures.metric[practices] == number], metric, as_of, plan)
    ]
    return pa.concat_tables([table_of_columns(0), *tables])


Numbers = npt.NDArray[np.int64]


def _of_metric(
    figures: Figures, shown: Shown, rows: Numbers, metric: Metric, as_of: dt.date, plan: Plan
) -> Iterator[tuple[Measure, Numbers, Floats, Floats, Floats]]:
    """For each measure: areas, numerators, denominators and what each is compared with."""
    k, n = shown.numerator[rows], shown.denominator[rows]
    enough = np.isfinite(k) & (n >= FEWEST_PEOPLE)
    rows, k, n = rows[enough], k[enough], n[enough]
    area = figures.area[rows]
    if len(rows) >= FEWEST_PRACTICES:
        better = 0.75 if metric.good == "high" else 0.25
        for measure, at in ((Measure.PRIZE_MEDIAN, 0.5), (Measure.PRIZE_UPPER_QUARTILE, better)):
            level = float(np.quantile(np.minimum(k / n, 1.0), at))
            yield measure, area, k, n, np.full(len(rows), level)
    planned = np.array([_planned(figures.areas, metric, int(one), as_of, plan) for one in area], dtype=np.float64)
    there = np.isfinite(planned)
    if there.any():
        yield Measure.PRIZE_PLAN, area[there], k[there], n[there], planned[there]


def _planned(areas: Areas, metric: Metric, practice: int, as_of: dt.date, plan: Plan) -> float:
    """What a practice is to reach next: by its own plan, else by that of the nearest area above it; NaN without one."""
    if not plan.points:
        return float("nan")
    for level in reversed(LEVELS):
        area = int(areas.of_practice(level)[areas.practices.index(areas.names(Level.PRACTICE)[practice])])
        if area != NOWHERE:
            found = next_target(plan.of(metric.id, metric.cohort, level, areas.names(level)[area]), as_of)
            if found is not None:
                return found
    return float("nan")


def people_to_gain(numerator: Floats, denominator: Floats, level: Floats, good: str) -> Floats:
    """How many more people (of what should be low: fewer) a practice would have at such a level; 0 where it is there
    already. To a millionth, so that who is at the level lacks nobody."""
    short = np.round(level * denominator - numerator, 6)
    gain: Floats = np.maximum(short if good == "high" else -short, 0.0)
    return gain


def _table(
    areas: Areas, metric: Metric, as_of: dt.date, measure: Measure, area: Numbers, k: Floats, n: Floats, level: Floats
) -> pa.Table:
    gain = people_to_gain(k, n, level, metric.good)
    order = np.lexsort((area, -gain))
    names = areas.names(Level.PRACTICE)
    columns: dict[str, Any] = {
        "numerator": k[order], "denominator": n[order], "value": gain[order], "target": level[order],
        "area": [names[i] for i in area[order]], "parent": [areas.parent(Level.PRACTICE, int(i)) for i in area[order]],
    }  # fmt: skip
    return table_of_columns(
        len(order), as_of=as_of, metric=metric.id, version=metric.version, measure=measure, cohort=metric.cohort,
        level=Level.PRACTICE, group_by=Grouping.NONE, **columns,
    )  # fmt: skip
