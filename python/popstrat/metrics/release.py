"""The table of figures: all rows of a release, from counts as they may be shown."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from popstrat.metrics import coverage, estimates, prize, series
from popstrat.metrics.estimates import Shown
from popstrat.metrics.figures import Figures
from popstrat.metrics.plan import NO_PLAN, Plan, plan_rows
from popstrat.metrics.rows import Grouping, Level, Measure, Row, table_of
from popstrat.metrics.series import NO_HISTORY, History
from popstrat.privacy.disclosure import ROUND_TO


@dataclass
class Release:
    """A table of figures, and what is to be said of it."""

    rows: pa.Table
    notices: list[str] = field(default_factory=list)
    disclosure: dict[str, Any] | None = None
    """What the record says of disclosure control; None without it."""


def release(
    figures: Figures,
    shown: Shown,
    as_of: dt.date,
    *,
    moved: tuple[Figures, Shown] | None = None,
    history: History = NO_HISTORY,
    plan: Plan = NO_PLAN,
    rounded: bool = True,
    overlapping: Collection[str] = (),
    unfitted: Collection[str] = (),
) -> Release:
    """Every row: the metrics by area and group with what follows from them, floors and coverage, the size of the prize,
    who moved, and last what is not computable. ``rounded``: counts are to the nearest 5. ``overlapping``: metrics whose
    windows overlap from month to month. ``unfitted``: those that rest on a risk not fitted here."""
    computed = np.array([metric.reason is None for metric in figures.metrics], dtype=np.bool_)[figures.metric]
    rows = np.flatnonzero(computed)
    some = figures.where(rows)
    seen = Shown(shown.numerator[rows], shown.denominator[rows], shown.dispersion[rows])
    tables = [coverage.finish(estimates.rows_of(some, seen, as_of)), *_floors(some, seen, as_of, plan, rounded)]
    tables.append(prize.rows_of(some, seen, as_of, plan, left_out=unfitted))
    if moved is not None:
        tables.append(estimates.rows_of(*moved, as_of))
    tables.append(_not_computable(figures, as_of))
    good = {metric.id: metric.good for metric in figures.metrics}
    table = pa.concat_tables(tables)
    if not history.months and not plan.points:
        return Release(table, list(history.notices))
    step = float(ROUND_TO) if rounded else 0.0
    table, notices = series.with_series(table, as_of, history, plan, good=good, overlapping=overlapping, step=step)
    return Release(table, notices)


def _floors(figures: Figures, shown: Shown, as_of: dt.date, plan: Plan, rounded: bool) -> list[pa.Table]:
    """The rows of each floor, and of the gap to it where there is a caseload, and what is planned."""
    found: list[pa.Table] = []
    if Level.PLACE not in figures.levels() and figures.areas.names(Level.PLACE):
        return found  # places were not asked for, and a floor is theirs
    whole = figures.grouping == _number_of(figures, Grouping.NONE)
    on = next((i for i, m in enumerate(figures.metrics) if (m.id, m.cohort) == ("caseload", coverage.ALL)), None)
    for number, metric in enumerate(figures.metrics):
        if metric.measure is not Measure.FLOOR:
            continue
        rows = np.flatnonzero(whole & (figures.metric == number))
        registered = coverage.by_area(figures.areas, figures.level[rows], figures.area[rows], shown.denominator[rows])
        caseload = None
        if on is not None:
            theirs = np.flatnonzero(whole & (figures.metric == on))
            level, area = figures.level[theirs], figures.area[theirs]
            caseload = coverage.by_area(figures.areas, level, area, shown.numerator[theirs])
        made = coverage.floor_rows(metric, figures.areas, registered, as_of, rounded=rounded, caseload=caseload)
        wanted = pa.array([str(level) for level in dict.fromkeys(figures.levels())], pa.string())
        found.append(made.filter(pc.is_in(made["level"], value_set=wanted)))
        found.append(plan_rows(plan, metric.id, metric.version, figures.areas, as_of))
    return found


def _number_of(figures: Figures, grouping: Grouping) -> int:
    return next(i for i, groups in enumerate(figures.groupings) if groups.name == grouping)


def _not_computable(figures: Figures, as_of: dt.date) -> pa.Table:
    """A row for each metric that no patient table can say, with its reason."""
    return table_of(
        Row(
            as_of=as_of, metric=metric.id, version=metric.version, measure=metric.measure, cohort=metric.cohort,
            level=Level.ICB, area=figures.areas.icb, target=metric.target, reason=f"not computable: {metric.reason}",
        )
        for metric in figures.metrics if metric.reason is not None
    )  # fmt: skip
