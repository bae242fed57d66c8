"""People as they pass, scored: counted, and where it is asked for held against a caseload and an earlier table."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from popstrat.core.arrow import is_text, without_views
from popstrat.core.dates import days
from popstrat.core.rerun import pack_named
from popstrat.errors import InputError
from popstrat.metrics import movers
from popstrat.metrics.caseload import cohorts_of, read_caseload
from popstrat.metrics.counting import Counted, Counter, Plan, together
from popstrat.metrics.coverage import DATES, CaseloadCounts
from popstrat.metrics.figures import Figures
from popstrat.metrics.gather import figures
from popstrat.metrics.request import Request, days_since
from popstrat.metrics.rows import Level
from popstrat.metrics.side_files import NO_DAY
from popstrat.packs.patient_table import ID
from popstrat.scoring.scorer import Scorer

_VERSION = "1.0"
"""Of the metrics of a caseload and of movers, whose definitions are here and in no pack."""


class PeopleCount:
    """Takes scored batches in any order, one after the other, and gives the figures of all."""

    def __init__(self, request: Request, scorer: Scorer, threads: int, encoding: str = "utf-8") -> None:
        self.request, self._scorer, self._encoding = request, scorer, encoding
        self.notices: list[str] = []
        flags = [str(d.output) for d in scorer.resolved.outputs if d.dtype == "bool"]
        cohorts = cohorts_of(flags)
        self._cohort_columns = list(dict.fromkeys(column for cohort in cohorts for column in cohort.columns))
        self.caseload: CaseloadCounts | None = None
        plan = request.counting(scorer)
        if request.caseload is not None:
            self.caseload = CaseloadCounts(read_caseload(request.caseload, cohorts, scorer.as_of, encoding), _VERSION)
            plan = plan.with_given(self.caseload.metrics)
        self._labels: dict[str, tuple[str, ...]] = {}
        if request.previous is not None:
            of_pack = pack_named(scorer.pack_record)
            self.notices += movers.refuse_other(request.previous, scorer.as_of, of_pack)
            labelled = (d for d in scorer.resolved.outputs if d.dtype == "dictionary")
            self._labels = {str(d.output): d.node.type.labels for d in labelled}
            self._labels |= dict.fromkeys(self._cohort_columns, ("false", "true"))
        self.plan: Plan = plan
        self._counter = Counter(plan, threads)
        self._elsewhere: list[Counted] = []
        self._ids: list[pa.Array] = []
        self._practices: list[NDArray[np.int32]] = []
        self._groups: dict[str, list[NDArray[np.int32]]] = {name: [] for name in self._labels}

    def add(self, scored: pa.RecordBatch) -> None:
        """Count a batch. Raises `InputError` for a practice that is in two areas of one level."""
        given: list[NDArray[np.bool_]] = []
        if self.caseload is not None:
            flags = {column: _flags(scored.column(column)) for column in self._cohort_columns}
            dated = {name: _days(scored.column(days_since(name)), self._scorer.as_of) for name in DATES}
            pairs = self.caseload.counted(scored.column(ID), flags, dated)
            given = [*(pair.part for pair in pairs), *(pair.whole for pair in pairs)]
        self._counter.add(scored, given)
        if self._labels:
            self._ids.append(_text(scored.column(ID)))
            self._practices.append(self._counter.whole)
            for name, labels in self._labels.items():
                self._groups[name].append(movers.coded(scored.column(name), labels, name))

    def take(self, counted: Counted) -> None:
        """People who were counted elsewhere by the same plan: not where a caseload or an earlier table is given, since
        what those are held against are people."""
        assert self.caseload is None
        assert not self._labels
        self._elsewhere.append(counted)

    def figures(self) -> tuple[Figures, Figures | None]:
        """The figures of the metrics, and those of who moved since the earlier table.

        Raises `InputError` for a list of nobody, for a level that is asked for and of which it has no area, and for an
        earlier table that is none.
        """
        counted = self._counter.finish()
        if self._elsewhere:
            counted = together([counted, *self._elsewhere])
        if not counted.practices:
            raise InputError("there is nobody to count: the list is empty, or the profile leaves everybody out")
        wanted = {level: some for level, some in self.request.wanted.items() if self._has(level, counted)}
        if self.caseload is not None:
            self.notices += self.caseload.caseload.said()
        made = figures(self.plan, counted, wanted)
        if self.request.previous is None:
            return made, None
        before = movers.read_previous(self.request.previous, self._labels, counted.practices, self._encoding)
        none: NDArray[np.int32] = np.empty(0, np.int32)
        practice = np.concatenate([none, *self._practices])
        now = movers.People(
            pa.chunked_array(self._ids, pa.large_string()).combine_chunks(),
            counted.order[practice].astype(np.int32),
            {name: np.concatenate([none, *parts]) for name, parts in self._groups.items()},
        )
        # Of a practice nearly every move is of too few people to show, unless it is asked for.
        levels = [level for level in wanted if level != Level.PRACTICE or self.request.levels is not None]
        return made, movers.figures_of(before, now, self._labels, made.areas, _VERSION, levels)

    def _has(self, level: Level, counted: Counted) -> bool:
        if counted.areas().names(level):
            return True
        column = {Level.PCN: "pcn_code"}.get(level, str(level))
        told = f"there is no figure by {level}: the list has no {column}, or nobody has one"
        if self.request.levels is not None:
            raise InputError(f"--level {level}: {told}", column=column)
        self.notices.append(told)
        return False


def _flags(column: pa.Array) -> NDArray[np.bool_]:
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.bool_)


def _days(column: pa.Array, as_of: dt.date) -> NDArray[np.int32]:
    """Days since 1970 from the days that have gone by since, `NO_DAY` for none."""
    since = column.to_numpy(zero_copy_only=False)
    known = np.isfinite(since)
    found = np.full(len(since), NO_DAY, np.int32)
    found[known] = days(as_of) - since[known].astype(np.int32)
    return found


def _text(column: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return (without_views(column) if is_text(column.type) else column).cast(pa.large_string())
