"""A folder of monthly metrics as a series: what each figure was, what it is to be, and whether this month is a signal.

A figure is followed by its metric, measure, cohort, area and group, and only through months in which its metric had the
same version; a month has one file. What is not compared, and why, is told.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from popstrat.core.rerun import pack_named, read_record, record_path
from popstrat.core.text import suggest
from popstrat.errors import InputError
from popstrat.formats import open_source
from popstrat.metrics.coverage import GAP
from popstrat.metrics.plan import NO_PLAN, Plan, expected, next_target
from popstrat.metrics.rows import SCHEMA, Level
from popstrat.metrics.signals import FEWEST, signals
from popstrat.metrics.statistics import Floats

KEYS = ("metric", "measure", "cohort", "level", "area", "group_by", "group")
"""What a figure is followed by."""
ENDINGS = (".parquet", ".arrow", ".csv")
OVERLAPPING = "no signal: what it counts looks back over several months, which overlap from month to month"
FEW = f"history: no signals, because fewer than {FEWEST} consecutive months end with this one"
TESTED = ("proportion", "rate_per_1000", "standardised_rate", "coverage")
"""Measures of which signals are looked for."""
ON, OFF = "on", "off"

_USED = ("as_of", "version", *KEYS, "value")
_WITHHELD = ("numerator", "denominator", "suppressed")
_KINDS = {
    "as_of": "date", "value": "float", "numerator": "float", "denominator": "float", "suppressed": "bool",
}  # fmt: skip


@dataclass(frozen=True)
class Month:
    """The metrics of one month as they were published."""

    as_of: dt.date
    rows: pa.Table
    name: str
    pack: str | None = None
    controlled: bool | None = None
    """Whether disclosure was controlled; None if no record says."""

    @property
    def number(self) -> int:
        """Months since the year 0."""
        return self.as_of.year * 12 + self.as_of.month - 1


@dataclass(frozen=True)
class History:
    """The months before the current one, the earliest first, and what is to be said of them."""

    months: tuple[Month, ...]
    notices: tuple[str, ...] = ()
    same_day: tuple[Month, ...] = ()
    """Of the same day as the current one: what they withheld stays withheld."""


NO_HISTORY = History(())


def read_history(folder: Path, as_of: dt.date, *, pack: str | None = None, controlled: bool = True) -> History:
    """The metrics of earlier months in a folder; files of this month or later are passed over and told of.

    Raises `InputError` for a folder without any metrics, a file of others, two files of one month, and one whose
    disclosure was not controlled where this month's is: its counts would be published beside rounded ones.
    """
    if not folder.is_dir():
        raise InputError("there is no such folder", file=str(folder))
    months: list[Month] = []
    same_day: list[Month] = []
    later = 0
    for path in sorted(path for path in folder.iterdir() if path.suffix in ENDINGS and not path.name.startswith(".")):
        month = _read(path)
        if month.as_of == as_of and set(_WITHHELD) <= set(month.rows.column_names):
            same_day.append(month)
        if month.number >= as_of.year * 12 + as_of.month - 1:
            later += month.as_of != as_of
            continue
        same = next((one for one in months if one.number == month.number), None)
        if same is not None:
            raise InputError(f"is of {month.as_of:%Y-%m}, and so is {Path(same.name).name}", file=month.name)
        if controlled and month.controlled is False:
            raise InputError(
                "was made without disclosure control, but this month's metrics are made with it", file=month.name
            )
        months.append(month)
    months.sort(key=lambda month: month.number)
    if not months and not later and not same_day:
        raise InputError(
            f"holds no metrics of a month before {as_of:%Y-%m}: leave --history out for the first month",
            file=str(folder),
        )
    return History(tuple(months), tuple(_said(months, as_of, pack, later)), tuple(same_day))


def _read(path: Path) -> Month:
    [source] = open_source([path], kinds=_KINDS.get).files
    missing = next((name for name in _USED if name not in source.schema.names), None)
    if missing is not None:
        near = suggest(missing, source.schema.names)
        raise InputError(f"is missing{near}: this is not a metrics file", column=missing, file=str(path))
    used = [*_USED, *(name for name in _WITHHELD if name in source.schema.names)]
    batches = list(source.batches(used))
    table = pa.Table.from_batches(batches) if batches else pa.schema([SCHEMA.field(n) for n in used]).empty_table()
    try:
        table = table.cast(pa.schema([pa.field(name, SCHEMA.field(name).type) for name in used]))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise InputError("has columns of other types than metrics have", file=str(path)) from None
    days = pc.unique(table["as_of"]).to_pylist()
    if len(days) != 1 or days[0] is None:
        raise InputError(f"has {len(days)} dates, and metrics have one", column="as_of", file=str(path))
    record = read_record(record_path(path)) or {}
    told = record.get("disclosure_control")
    return Month(days[0], table, str(path), pack_named(record.get("pack")), told if isinstance(told, bool) else None)


def _said(months: list[Month], as_of: dt.date, pack: str | None, later: int) -> list[str]:
    told = []
    if later:
        told.append(f"history: {_files(later)} of this month or later, not used")
    if months:
        there = {month.number for month in months}
        now = as_of.year * 12 + as_of.month - 1
        gaps = [number for number in range(months[0].number, now) if number not in there]
        if gaps:
            named = ", ".join(f"{number // 12:04}-{number % 12 + 1:02}" for number in gaps[:6])
            more = f" and {len(gaps) - 6} more" if len(gaps) > 6 else ""
            told.append(f"history: no metrics of {named}{more}; a series starts again after a missing month")
    others = [month for month in months if pack is not None and month.pack not in (None, pack)]
    if others:
        told.append(
            f"history: {_files(len(others))} of another pack or version ({others[-1].pack}); figures are compared "
            "where their metric has the same version"
        )
    if months and _in_a_row(months, as_of) < FEWEST - 1:
        told.append(FEW)
    unknown = sum(month.controlled is None for month in months)
    if unknown:
        told.append(f"history: {_files(unknown)} without a run record: whether disclosure was controlled is not known")
    return told


def _in_a_row(months: list[Month], as_of: dt.date) -> int:
    """How many months follow each other up to the one before."""
    there, now = {month.number for month in months}, as_of.year * 12 + as_of.month - 1
    return next(back for back in range(len(there) + 1) if now - back - 1 not in there)


def _files(count: int) -> str:
    return "1 file is" if count == 1 else f"{count:,} files are"


# -- figures and their past --------------------------------------------------------------------------------------------


def with_series(
    rows: pa.Table,
    as_of: dt.date,
    history: History = NO_HISTORY,
    plan: Plan = NO_PLAN,
    *,
    good: Mapping[str, str],
    overlapping: Collection[str] = (),
    step: float = 0.0,
) -> tuple[pa.Table, list[str]]:
    """The rows with previous, year_ago, baseline, target, trajectory and signal, and what is to be said of it.

    ``previous`` is of the month before, ``year_ago`` of the same month a year before, ``baseline`` of the earliest
    month of the history; each only where the metric had the same version. ``good`` says for each metric which direction
    is, ``overlapping`` names those whose windows overlap from month to month. Counts are rounded to the nearest
    ``step``: two that are a step apart may be of one person more (12 is shown as 10, and 13 as 15), so that a figure no
    further from its mean than a step would move it is no signal.
    """
    past, notices = _past(rows, history)
    now = as_of.year * 12 + as_of.month - 1
    value = _numbers(rows["value"])
    at = {month.number: past[i] for i, month in enumerate(history.months)}
    nothing = np.full(len(rows), np.nan)
    changed = {
        "previous": at.get(now - 1, nothing),
        "year_ago": at.get(now - 12, nothing),
        "baseline": past[0] if history.months else nothing,
    }
    target, trajectory = _planned(rows, as_of, plan, good, value)
    found, reason = _signals(rows, history, past, value, now, overlapping, step)
    for name, values in changed.items():
        rows = _set(rows, name, pa.array(values, mask=~np.isfinite(values)))
    rows = _set(rows, "target", pa.array(target, mask=~np.isfinite(target)))
    rows = _set(rows, "trajectory", pa.array(trajectory, pa.string()))
    rows = _set(rows, "signal", found)
    return _set(rows, "reason", reason), [*history.notices, *notices]


def _past(rows: pa.Table, history: History) -> tuple[Floats, list[str]]:
    """The values of the rows in each month of the history, NaN where there is none of the same version."""
    past = np.full((len(history.months), len(rows)), np.nan)
    if not history.months or not len(rows):
        return past, []
    keys = _key(rows)
    version = _text(rows["version"])
    other: dict[str, set[str]] = {}
    for i, month in enumerate(history.months):
        theirs = _key(month.rows)
        if theirs.equals(keys):
            row = np.arange(len(rows))
        else:
            row = np.asarray(pc.index_in(keys, value_set=theirs).fill_null(-1).to_numpy(zero_copy_only=False))
        there = row >= 0
        took = pa.array(np.maximum(row, 0), mask=~there)
        same = np.asarray(pc.equal(_text(month.rows["version"]).take(took), version).fill_null(False))
        values = _numbers(month.rows["value"])
        if len(values):
            past[i] = np.where(there & same, values[np.maximum(row, 0)], np.nan)
        differ = pc.unique(rows["metric"].filter(pa.array(there & ~same))).to_pylist()
        for metric in differ:
            other.setdefault(metric, set()).add(f"{month.as_of:%Y-%m}")
    told = [
        f"history: {metric} had another version in {len(months)} of {len(history.months)} months (latest "
        f"{max(months)}), which are not compared"
        for metric, months in sorted(other.items())
    ]
    return past, told


def _key(rows: pa.Table) -> pa.Array:
    parts = [_text(rows[name]) for name in KEYS]
    between = pa.scalar("\x1f", pa.large_string())
    return pc.binary_join_element_wise(*parts, between, null_handling="replace", null_replacement="\x1e")


def _text(column: pa.ChunkedArray) -> pa.Array:
    return column.cast(pa.large_string()).combine_chunks()


def _numbers(column: pa.ChunkedArray) -> Floats:
    return np.asarray(column.cast(pa.float64()).to_numpy(), dtype=np.float64)


def _planned(
    rows: pa.Table, as_of: dt.date, plan: Plan, good: Mapping[str, str], value: Floats
) -> tuple[Floats, list[str | None]]:
    """The target of each row, the plan's before the pack's, and whether it is on its way there. What is planned of a
    floor is people, which the row of the gap to it has as its numerator."""
    target = _numbers(rows["target"])
    trajectory: list[str | None] = [None] * len(rows)
    if not plan.points:
        return target, trajectory
    names = {key.metric for key in plan.points}
    names |= {name + GAP for name in names}
    people = _numbers(rows["numerator"])
    whole = pc.and_(pc.equal(rows["group_by"], "none"), pc.is_in(rows["metric"], value_set=pa.array(sorted(names))))
    kinds = pa.array(["proportion", "rate_per_1000", "coverage"])
    some = np.flatnonzero(np.asarray(pc.and_(whole, pc.is_in(rows["measure"], value_set=kinds)).fill_null(False)))
    columns = (rows[name].take(pa.array(some)).to_pylist() for name in ("metric", "cohort", "level", "area"))
    for row, metric, cohort, level, area in zip(some.tolist(), *columns, strict=True):
        gap = metric.endswith(GAP)
        points = plan.of(metric.removesuffix(GAP), cohort, Level(level), area)
        reached = people[row] if gap else value[row]
        to_reach, by_now = next_target(points, as_of), expected(points, as_of)
        if to_reach is not None:
            target[row] = to_reach
        better = good.get(metric.removesuffix(GAP))
        if by_now is not None and np.isfinite(reached) and better in ("high", "low"):
            trajectory[row] = ON if (reached >= by_now if better == "high" else reached <= by_now) else OFF
    return target, trajectory


def _signals(
    rows: pa.Table,
    history: History,
    past: Floats,
    value: Floats,
    now: int,
    overlapping: Collection[str],
    step: float,
) -> tuple[pa.Array, pa.Array]:
    """The signal of each row, and why its windows allow none, where nothing else is said of it."""
    reason = rows["reason"].combine_chunks()
    if not history.months:
        return pa.nulls(len(rows), pa.string()), reason
    first = min(history.months[0].number, now)
    values = np.full((now - first + 1, len(rows)), np.nan)
    for i, month in enumerate(history.months):
        values[month.number - first] = past[i]
    values[-1] = value
    tested = pc.is_in(rows["measure"], value_set=pa.array(TESTED)).combine_chunks()
    overlap = pc.is_in(rows["metric"], value_set=pa.array(sorted(overlapping), pa.string())).combine_chunks()
    nothing = pa.scalar(None, pa.string())
    with np.errstate(divide="ignore", invalid="ignore"):  # a share moves by as much of itself as its counts do
        moved = [step / _numbers(rows[name]) for name in ("numerator", "denominator")]
    rounding = np.abs(value) * np.where(np.isfinite(moved), moved, 0.0).sum(axis=0)
    several = pa.array(signals(values, np.where(np.isfinite(rounding), rounding, 0.0)), pa.string())
    found = pc.if_else(pc.and_not(tested, overlap), several, nothing)
    why = pc.and_(pc.and_(tested, overlap), pa.array(np.isfinite(value)))
    return found, pc.coalesce(reason, pc.if_else(why, OVERLAPPING, nothing))


def _set(rows: pa.Table, name: str, values: pa.Array) -> pa.Table:
    at = rows.schema.get_field_index(name)
    return rows.set_column(at, rows.schema.field(at), values.cast(rows.schema.field(at).type))
