"""The caseload: who is on which team's list since when, with care plan, assessment and coordinator.

One row a spell: a person, a cohort, a start and perhaps an end. A person is on a caseload from the day a spell starts
to the day before it ends. What is wrong with a file as a whole is refused; what can be said of single rows (people who
are not registered, spells that overlap or lie ahead) is counted and told, and never silently used.
"""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from popstrat.core import dates
from popstrat.core.text import suggest
from popstrat.metrics.side_files import NO_DAY, Days, SideFile

Bools = npt.NDArray[np.bool_]

MONTHS = 12
"""How many months are looked back at."""
_KINDS = {"patient_id": "id", "cohort": "text", "start": "date", "end": "date", "care_plan_date": "date",
          "cga_date": "date", "coordinator": "text"}  # fmt: skip
_NEEDED = ("patient_id", "cohort", "start")
_SEGMENT, _PRIORITY = "_segment", "_priority"


@dataclass(frozen=True)
class Cohort:
    """People whom one team works with: who may be (``segment``), and who of them comes first (``priority``; where no
    column says it, everybody who may be)."""

    name: str
    segment: str
    priority: str

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.segment, self.priority)))


def cohorts_of(flags: Sequence[str]) -> tuple[Cohort, ...]:
    """The cohorts that the yes-or-no outputs of a pack say: each ``X_segment``, with ``X_priority`` if there is one."""
    bases = [name.removesuffix(_SEGMENT) for name in flags if name.endswith(_SEGMENT)]
    return tuple(
        Cohort(base, base + _SEGMENT, base + (_PRIORITY if base + _PRIORITY in flags else _SEGMENT)) for base in bases
    )


@dataclass
class Caseload:
    """People and cohorts: arrays by person (in the order of ``people``) and cohort, as of one day.

    ``on``: on the caseload. ``care_plan``, ``cga``: the latest date in a spell that is open, `NO_DAY` if none.
    ``active``: by month, person and cohort, on the caseload at the end of the month. ``met``: which people were found
    on the list so far.
    """

    cohorts: tuple[Cohort, ...]
    people: pa.Array
    on: Bools
    care_plan: Days
    cga: Days
    coordinator: Bools
    months: tuple[str, ...]
    active: Bools
    notices: list[str] = field(default_factory=list)
    met: Bools = field(init=False)

    def __post_init__(self) -> None:
        self.met = np.zeros(len(self.people), dtype=np.bool_)

    def find(self, ids: pa.Array) -> npt.NDArray[np.int64]:
        """For each id of a batch the person, -1 if not on any caseload ever. Ids are compared as text."""
        texts = ids.dictionary_decode() if pa.types.is_dictionary(ids.type) else ids
        found = pc.index_in(texts.cast(pa.large_string()), value_set=self.people).fill_null(-1)
        at = np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.int64)
        self.met[at[at >= 0]] = True
        return at

    def said(self) -> list[str]:
        """What is to be said once the whole list was seen."""
        gone = int((self.on.any(axis=1) & ~self.met).sum())
        who = _many(gone, "person on the caseload is", "people on the caseload are")
        told = f"{who} not among those counted: not registered, or left out by the profile"
        return [*self.notices, *([told] if gone else [])]


def month_ends(as_of: dt.date, months: int = MONTHS) -> list[dt.date]:
    """The last days of the months up to the one of the as-of date, whose last day is the as-of date."""
    found = []
    for back in range(months - 1, 0, -1):
        year, month = divmod(as_of.year * 12 + as_of.month - 1 - back, 12)
        found.append(dt.date(year, month + 1, calendar.monthrange(year, month + 1)[1]))
    return [*found, as_of]


def read_caseload(path: Path, cohorts: Sequence[Cohort], as_of: dt.date, encoding: str = "utf-8") -> Caseload:
    """Read a caseload file. Raises `InputError`, naming file, column and rows, for a column that is missing or of
    another type, an empty id, cohort or start, a cohort that there is not, and an end before its start."""
    file = SideFile(path, _KINDS, _NEEDED, encoding)
    ids = file.ids("patient_id")
    cohort = _cohorts(file, cohorts)
    start, end = file.days("start"), file.days("end", needed=False)
    ended = end != NO_DAY
    if (ended & (end < start)).any():
        raise file.fault("is before the start", "end", ended & (end < start))
    end = np.where(ended, end, np.iinfo(np.int32).max).astype(np.int32)
    today = dates.days(as_of)
    people = pc.unique(ids)
    person = np.asarray(pc.index_in(ids, value_set=people).to_numpy(zero_copy_only=False), dtype=np.int64)
    shape = (len(people), len(cohorts))
    notices = []

    ahead = int((start > today).sum())
    if ahead:
        notices.append(_many(ahead, "spell starts", "spells start") + " after the as-of date: not counted yet")
    overlaps = _overlaps(person, cohort, start, end)
    if overlaps:
        told = _many(overlaps, "spell overlaps", "spells overlap")
        notices.append(f"{told} another of the same person and cohort: counted once")

    def on_at(day: int) -> Bools:
        found = np.zeros(shape, dtype=np.bool_)
        now = (start <= day) & (day < end)
        found[person[now], cohort[now]] = True
        return found

    now = (start <= today) & (today < end)
    latest = {}
    for column, called in (("care_plan_date", "care plan"), ("cga_date", "CGA")):
        given = file.days(column, needed=False)
        future = given > today
        if future.any():
            many = _many(int(future.sum()), f"{called} is dated", f"{called}s are dated")
            notices.append(f"{many} after the as-of date: taken for none")
        found = np.full(shape, NO_DAY, dtype=np.int32)
        use = now & ~future
        np.maximum.at(found, (person[use], cohort[use]), given[use])
        latest[column] = found
    named = np.array([name is not None for name in file.text("coordinator", needed=False)], dtype=np.bool_)
    coordinator = np.zeros(shape, dtype=np.bool_)
    coordinator[person[now & named], cohort[now & named]] = True
    ends = month_ends(as_of)
    return Caseload(
        tuple(cohorts), people, on_at(today), latest["care_plan_date"], latest["cga_date"], coordinator,
        tuple(f"{day:%Y-%m}" for day in ends), np.array([on_at(dates.days(day)) for day in ends]), notices,
    )  # fmt: skip


def _cohorts(file: SideFile, cohorts: Sequence[Cohort]) -> npt.NDArray[np.int64]:
    """Which cohort each row is of. Its name is read with or without what its columns end in, and in any capitals."""
    called: dict[str, int] = {}
    for i, one in enumerate(cohorts):
        for name in (one.name, *one.columns):
            called[_folded(name)] = i
    given = file.text("cohort")
    found = np.array([called.get(_folded(name or ""), -1) for name in given], dtype=np.int64)
    if (found < 0).any():
        names = [one.name for one in cohorts]
        first = str(given[int(np.argmax(found < 0))])
        near = suggest(first, names)
        told = f"is no cohort of the pack{near}; it has {', '.join(names) or 'none'}"
        raise file.fault(told, "cohort", found < 0)
    return found


def _folded(name: str) -> str:
    return name.strip().casefold().replace(" ", "_").replace("-", "_")


def _overlaps(person: npt.NDArray[np.int64], cohort: npt.NDArray[np.int64], start: Days, end: Days) -> int:
    """How many spells start before an earlier one of the same person and cohort has ended."""
    order = np.lexsort((end, start, cohort, person))
    same = (np.diff(person[order]) == 0) & (np.diff(cohort[order]) == 0)
    found, reached = 0, None
    ends, starts = end[order].tolist(), start[order].tolist()
    for i, (first, last) in enumerate(zip(starts, ends, strict=True)):
        if i == 0 or not same[i - 1]:
            reached = last
            continue
        assert reached is not None
        found += first < reached
        reached = max(reached, last)
    return found


def _many(count: int, one: str, more: str) -> str:
    return f"1 {one}" if count == 1 else f"{count:,} {more}"
