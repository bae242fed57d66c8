"""One pass over LIST: from each batch those who may be on a list, and what is counted of everybody else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from popstrat.core.arrow import without_views
from popstrat.errors import InputError
from popstrat.packs.patient_table import ID, PRACTICE, Column
from popstrat.upload.patient_keys import KeyRule
from popstrat.worklists.areas import Areas
from popstrat.worklists.best import Best, Chosen, ties
from popstrat.worklists.given import rows_of
from popstrat.worklists.identities import Identities
from popstrat.worklists.known import Known
from popstrat.worklists.order import Order

GIVEN, MADE = "given:", "made:"
"""Before the names of columns of LIST and of the scored table, in the rows that are kept."""
KEY, NUMBER, FILE = "key", "number", "file"
NOT_THERE, ELSEWHERE, NOT_IN_COHORT, EXCLUDED, LEFT_OUT, IN_COHORT = range(6)
"""What became of somebody who was on the last list."""


@dataclass
class ListCounts:
    """What was met of one list: people registered, in the cohort, excluded because a file names them, and left out by
    the lookup (by reason, from 1)."""

    registered: int = 0
    cohort: int = 0
    excluded: int = 0
    left_out: Counter[int] = field(default_factory=Counter)

    @property
    def eligible(self) -> int:
        return self.cohort - self.excluded - sum(self.left_out.values())


@dataclass(frozen=True)
class Files:
    """The other files of a run, each read, or None: who is excluded, who is who, who was on the last list."""

    excluded: Known | None = None
    identities: Identities | None = None
    previous: Known | None = None

    @property
    def by_key(self) -> bool:
        return any(file is not None for file in (self.excluded, self.identities, self.previous))


class Collector:
    """Takes batch after batch, scored and as given; `put` comes before `look`, as `runs.score_files` has it."""

    def __init__(
        self,
        order: Order,
        areas: Areas,
        best: Best,
        keys: KeyRule,
        columns: Mapping[str, Column],
        day: int,
        files: Files,
    ) -> None:
        self.order, self.areas, self.best, self.keys, self.columns, self._day = order, areas, best, keys, columns, day
        self.files = files
        self.counts: dict[int, ListCounts] = {}
        before = 0 if files.previous is None else len(files.previous)
        self.before = np.full(before, NOT_THERE, np.uint8)
        """Of each row of the last list, what became of its person."""
        self.before_at = np.full(before, -1, np.int32)
        """The list that this person could be on now."""
        self.nobody: pa.Table | None = None
        """The columns of what is kept, without rows."""
        self._scored: pa.RecordBatch | None = None

    def put(self, scored: pa.RecordBatch) -> None:
        self._scored = scored

    def look(self, file: int, given: pa.RecordBatch) -> None:
        """A batch as it was read. Raises `InputError` with rows of the batch."""
        scored, self._scored = self._scored, None
        assert scored is not None
        assert scored.num_rows == given.num_rows  # direct care leaves nobody out
        at = self.areas.lists(scored)
        members = (at >= 0) & self.order.cohort.members(scored)
        if self.files.previous is not None:
            outcome = np.where(at < 0, ELSEWHERE, NOT_IN_COHORT).astype(np.uint8)
            self._note(self._keys(without_views(scored.column(ID))), at, outcome)
        self._count(at, "registered")
        rows = np.flatnonzero(members)
        at = at[rows]
        self._count(at, "cohort")
        numbers = None
        eligible = np.ones(len(rows), bool)
        if self.files.by_key:
            outcome, numbers = self._outcomes(scored, rows, at)
            eligible = outcome == IN_COHORT
        column = self.order.measure.column
        values = scored.column(self.order.measure.name) if column is None else given.column(column.name)
        rank, measure = self.order.ranks(scored)[rows], self.order.measure.values(_taken(values, rows))
        kept = np.flatnonzero(eligible & self.best.may_be(at, rank, measure))
        if self.nobody is None:
            self.nobody = pa.Table.from_batches([self._rows(file, scored, given, rows[:0], numbers)])
        if not len(kept):
            return
        held = self._rows(file, scored, given, rows[kept], None if numbers is None else numbers[kept])
        key = held.column(KEY)
        self.best.add(at[kept], rank[kept], measure[kept], ties(key, self._day), held)

    def _rows(
        self,
        file: int,
        scored: pa.RecordBatch,
        given: pa.RecordBatch,
        rows: NDArray[np.int64],
        numbers: NDArray[np.int64] | None,
    ) -> pa.RecordBatch:
        """Some rows of a batch as they are kept."""
        columns = {
            KEY: self.keys.cast(_taken(scored.column(ID), rows)),
            FILE: pa.array(np.full(len(rows), file, np.int32)),
        }
        if numbers is not None:
            columns[NUMBER] = pa.array(numbers[: len(rows)])
        for name, column in zip(scored.schema.names, scored.columns, strict=True):
            columns[MADE + name] = _plain(_taken(column, rows))
        for name, column in rows_of(given, pa.array(rows), self.columns).items():
            columns[GIVEN + name] = column
        return pa.RecordBatch.from_pydict(columns)

    def chosen(self, file: str) -> Chosen:
        """The rows of every list. Raises `InputError` if LIST held nobody."""
        if self.nobody is None:
            raise InputError("holds nobody", file=file)
        return self.best.finish(self.nobody)

    def _keys(self, ids: pa.Array) -> pa.Array:
        return self.keys.cast(ids) if self.keys.mixed is None else self.keys.read(ids)

    def _outcomes(
        self, scored: pa.RecordBatch, rows: NDArray[np.int64], at: NDArray[np.int32]
    ) -> tuple[NDArray[np.uint8], NDArray[np.int64] | None]:
        """What becomes of members of the cohort by the other files, and their NHS numbers."""
        key, numbers = self._keys(_taken(scored.column(ID), rows)), None
        outcome = np.full(len(rows), IN_COHORT, np.uint8)
        if self.files.excluded is not None:
            outcome[self.files.excluded.have(key)] = EXCLUDED
            self._count(at[outcome == EXCLUDED], "excluded")
        if self.files.identities is not None:
            age = _taken(scored.column("age"), rows) if "age" in scored.schema.names else None
            who = self.files.identities.of(key, _taken(scored.column(PRACTICE), rows), age)
            numbers = who.numbers
            wrong = (who.reasons > 0) & (outcome == IN_COHORT)
            for number, reason in zip(at[wrong].tolist(), who.reasons[wrong].tolist(), strict=True):
                self.counts[number].left_out[reason] += 1
            outcome[wrong] = LEFT_OUT
        if self.files.previous is not None:
            self._note(key, at, outcome)
        return outcome, numbers

    def _count(self, at: NDArray[np.int32], what: str) -> None:
        found = np.bincount(at[at >= 0])
        for number in np.flatnonzero(found).tolist():
            counts = self.counts.setdefault(number, ListCounts())
            setattr(counts, what, getattr(counts, what) + int(found[number]))

    def _note(self, keys: pa.Array, at: NDArray[np.int32], outcome: NDArray[np.uint8]) -> None:
        assert self.files.previous is not None
        rows = self.files.previous.rows(keys)
        there = rows >= 0
        self.before[rows[there]], self.before_at[rows[there]] = outcome[there], at[there]


def _taken(column: pa.Array, rows: NDArray[np.int64]) -> pa.Array:
    return without_views(column).take(pa.array(rows))


def _plain(column: pa.Array) -> pa.Array:
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
