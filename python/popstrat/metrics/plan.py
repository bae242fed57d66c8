"""The plan: what a metric is to be in an area on a day, from a file that people write.

One row a promise: ``metric``, ``level``, ``area``, ``date``, ``value`` in the unit of the metric (a share of 1, a rate
per 1,000, a number of people), and ``cohort`` where a metric has several. Between two dates what is planned goes in a
straight line; before the first nothing is, after the last the last holds.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from popstrat.core import dates
from popstrat.core.text import suggest
from popstrat.metrics.figures import Areas
from popstrat.metrics.rows import LEVELS, Level, Measure, table_of_columns
from popstrat.metrics.side_files import SideFile

_KINDS = {"metric": "text", "cohort": "text", "level": "text", "area": "text", "date": "date", "value": "number"}
_NEEDED = ("metric", "level", "area", "date", "value")


class Planned(NamedTuple):
    """What a plan is about; ``cohort`` is None where the plan does not name one."""

    metric: str
    cohort: str | None
    level: Level
    area: str


Points = tuple[tuple[dt.date, float], ...]


@dataclass(frozen=True)
class Plan:
    """Plans by what they are about, each with its dates in order."""

    points: Mapping[Planned, Points]

    def of(self, metric: str, cohort: str, level: Level, area: str) -> Points:
        """The plan of one area, nothing if there is none. One that names the cohort goes before one that does not."""
        return self.points.get(Planned(metric, cohort, level, area)) or self.points.get(
            Planned(metric, None, level, area), ()
        )


NO_PLAN = Plan({})


def expected(points: Points, as_of: dt.date) -> float | None:
    """What should have been reached by a day; None where nothing should have been yet."""
    if not points or as_of < points[0][0]:
        return None
    days = [dates.days(day) for day, _ in points]
    return float(np.interp(dates.days(as_of), days, [value for _, value in points]))


def next_target(points: Points, as_of: dt.date) -> float | None:
    """What is to be reached next: on or after a day, or the last of all."""
    if not points:
        return None
    return next((value for day, value in points if day >= as_of), points[-1][1])


def read_plan(path: Path, areas: Areas, metrics: Mapping[str, Measure], encoding: str = "utf-8") -> Plan:
    """Read a plan for these areas and metrics. Raises `InputError`, naming file, column and rows, for a metric, level
    or area that there is not, a share over 1, and two values for one day."""
    file = SideFile(path, _KINDS, _NEEDED, encoding)
    metric, level, area = (file.text(column) for column in ("metric", "level", "area"))
    cohort = file.text("cohort", needed=False)
    days, values = file.days("date"), file.numbers("value")
    known = {one.value: set(areas.names(one)) for one in LEVELS}
    for column, given, names in (("metric", metric, list(metrics)), ("level", level, list(known))):
        bad = np.array([one not in names for one in given], dtype=np.bool_)
        if bad.any():
            first = str(given[int(np.argmax(bad))])
            raise file.fault(f"is no {column} of these figures{suggest(first, names)}", column, bad)
    bad = np.array([one not in known[str(on)] for one, on in zip(area, level, strict=True)], dtype=np.bool_)
    if bad.any():
        raise file.fault("is not an area of this level in the list", "area", bad)
    shares = np.array([metrics[str(one)] is Measure.PROPORTION for one in metric], dtype=np.bool_)
    if (shares & (values > 1)).any():
        raise file.fault("a share is from 0 to 1", "value", shares & (values > 1))
    found: dict[Planned, dict[int, float]] = {}
    twice = np.zeros(len(file), dtype=np.bool_)
    for i, (day, value) in enumerate(zip(days.tolist(), values.tolist(), strict=True)):
        of = found.setdefault(Planned(str(metric[i]), cohort[i], Level(str(level[i])), str(area[i])), {})
        twice[i] = day in of
        of[day] = value
    if twice.any():
        raise file.fault("the same metric, area and day are in a row above", "date", twice)
    return Plan({key: tuple((dates.from_days(day), of[day]) for day in sorted(of)) for key, of in found.items()})


def plan_rows(plan: Plan, metric: str, version: str, areas: Areas, as_of: dt.date) -> pa.Table:
    """What is planned of one metric quarter by quarter: a row for each of its dates, which ``group`` has, of measure
    ``coverage`` and metric ``<metric>_plan``, with the value as planned."""
    rows = [
        (key, day, value) for key, points in plan.points.items() if key.metric == metric for day, value in points
    ]  # fmt: skip
    rows.sort(key=lambda row: (LEVELS.index(row[0].level), row[0].area, row[0].cohort or "", row[1]))
    parents = [areas.parent(key.level, areas.names(key.level).index(key.area)) for key, _, _ in rows]
    return table_of_columns(
        len(rows),
        as_of=as_of,
        metric=f"{metric}_plan",
        version=version,
        measure=Measure.COVERAGE,
        cohort=[key.cohort or "all" for key, _, _ in rows],
        level=[key.level.value for key, _, _ in rows],
        area=[key.area for key, _, _ in rows],
        parent=parents,
        group_by="quarter",
        group=[day.isoformat() for _, day, _ in rows],
        value=np.array([value for _, _, value in rows], dtype=np.float64),
    )
