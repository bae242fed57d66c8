"""The best so many of each of several lists, out of rows that come batch by batch; and who ties at the cut.

A row's place is (rank, measure, tie), each the smaller the better; `measures` and `ties` make the last two. At most
twice as many rows are held as all lists together may have: what is over is dropped, and from then on whatever is worse
than the last of a full list is not even looked at. So of those who have the very rank and measure of the last most may
have been dropped; they are counted as they go, which makes the count of ties exact.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from popstrat.core.arrow import numbers, valid
from popstrat.scoring.unique_ids import hash_ids
from popstrat.upload.patient_keys import as_text

U64 = NDArray[np.uint64]
NO_LIMIT = np.iinfo(np.int64).max
"""The capacity of a list that takes everybody."""
_LEAST_HELD = 1 << 14
_SIGN = np.uint64(1 << 63)
_MISSING = np.uint64(2**64 - 1)


def measures(column: pa.Array) -> U64:
    """A column of numbers as what sorts it from the largest to the smallest, what is null or no number last."""
    values = np.where(valid(column), numbers(column), np.nan).astype(np.float64) + 0.0  # of minus zero, zero
    bits = values.view(np.uint64)
    ascending = np.where(bits >= _SIGN, ~bits, bits | _SIGN)
    return np.where(np.isnan(values), _MISSING, ~ascending)


def ties(keys: pa.Array, day: int) -> U64:
    """For each key a number that nobody chose: a hash of the as-of date (days since 1970) and the key as text. The same
    whatever type the key comes in; another order every month, so that nobody is last for ever."""
    found: U64 = hash_ids(as_text(keys), np.uint64(day % 2**64))
    return found


@dataclass(frozen=True)
class Cut:
    """What is at the end of a list: whether somebody had to be left out who has the rank and measure of the last, and
    how many have these, ``on_list`` of ``people``."""

    on_list: int
    people: int

    @property
    def tied(self) -> bool:
        return self.people > self.on_list


@dataclass(frozen=True)
class Chosen:
    """The rows of all lists, list by list in their order: ``rows``, ``at`` (which list) and ``position`` from 1;
    ``tied``: has the rank and measure of the last of a list that not all who have them are on. ``cuts`` by list."""

    rows: pa.Table
    at: NDArray[np.int32]
    position: NDArray[np.int64]
    tied: NDArray[np.bool_]
    cuts: dict[int, Cut]

    def by(self, names: Sequence[str]) -> Chosen:
        """The same with the lists in the order of their names; `at` keeps their numbers."""
        place = np.empty(len(names), np.int64)
        place[sorted(range(len(names)), key=lambda number: names[number])] = np.arange(len(names))
        order = np.lexsort((self.position, place[self.at]))
        rows = self.rows.take(pa.array(order)).combine_chunks() if len(order) else self.rows
        return Chosen(rows, self.at[order], self.position[order], self.tied[order], self.cuts)


class Best:
    """The best rows of each list. ``capacity`` says how many list number so-and-so takes, and is asked once."""

    def __init__(self, capacity: Callable[[int], int]) -> None:
        self._ask = capacity
        self._capacity = np.zeros(0, np.int64)
        self._full = np.zeros(0, bool)
        self._last: tuple[NDArray[np.uint8], U64] = (np.zeros(0, np.uint8), np.zeros(0, np.uint64))
        self._gone = np.zeros(0, np.int64)  # dropped, with the rank and measure of the last
        self._held: list[tuple[NDArray[np.int32], NDArray[np.uint8], U64, U64]] = []
        self._rows: list[pa.Table] = []
        self._count = 0

    def may_be(self, at: NDArray[np.int32], rank: NDArray[np.uint8], measure: U64) -> NDArray[np.bool_]:
        """Which rows have a rank and measure that may yet be among the best of their list."""
        self._grow(int(at.max(initial=-1)) + 1)
        last_rank, last_measure = self._last[0][at], self._last[1][at]
        worse = (rank > last_rank) | ((rank == last_rank) & (measure > last_measure))
        found: NDArray[np.bool_] = ~(worse & self._full[at])
        return found

    def add(self, at: NDArray[np.int32], rank: NDArray[np.uint8], measure: U64, tie: U64, rows: pa.RecordBatch) -> None:
        """Take rows, of which `may_be` holds."""
        self._grow(int(at.max(initial=-1)) + 1)
        self._held.append((at, rank, measure, tie))
        self._rows.append(pa.Table.from_batches([rows]))
        self._count += len(at)
        limited = self._capacity[self._capacity < NO_LIMIT]
        most = 2 * int(limited.sum()) + _LEAST_HELD
        if len(limited) == len(self._capacity) and self._count > most:
            self._compact()

    def finish(self, nobody: pa.Table) -> Chosen:
        """The rows of every list, list by list as they are numbered; ``nobody`` where there are none."""
        if self._held:
            self._compact()
        if not self._held or not self._count:
            empty = np.zeros(0, np.int64)
            return Chosen(nobody, empty.astype(np.int32), empty, empty.astype(bool), {})
        at, rank, measure, _ = self._held[0]
        position = _positions(at) + 1
        tied = np.zeros(len(at), bool)
        cuts = {}
        ends = np.r_[np.flatnonzero(at[1:] != at[:-1]), len(at) - 1]
        starts = np.r_[0, ends[:-1] + 1]
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
            here = slice(start, end + 1)
            same = (rank[here] == rank[end]) & (measure[here] == measure[end])
            number = int(at[end])
            on_list = int(same.sum())
            cuts[number] = Cut(on_list, on_list + int(self._gone[number]))
            tied[here] = same & cuts[number].tied
        return Chosen(self._rows[0], at, position, tied, cuts)

    def _grow(self, lists: int) -> None:
        more = lists - len(self._capacity)
        if more > 0:
            asked = [min(self._ask(number), NO_LIMIT) for number in range(len(self._capacity), lists)]
            self._capacity = np.r_[self._capacity, np.array(asked, np.int64)]
            self._full = np.r_[self._full, np.zeros(more, bool)]
            self._gone = np.r_[self._gone, np.zeros(more, np.int64)]
            rank, measure = self._last
            self._last = np.r_[rank, np.zeros(more, np.uint8)], np.r_[measure, np.zeros(more, np.uint64)]

    def _compact(self) -> None:
        """Bring what is held into order, and drop what is over."""
        at = np.concatenate([held[0] for held in self._held])
        rank = np.concatenate([held[1] for held in self._held])
        measure = np.concatenate([held[2] for held in self._held])
        tie = np.concatenate([held[3] for held in self._held])
        order = np.lexsort((tie, measure, rank, at))
        at, rank, measure, tie = at[order], rank[order], measure[order], tie[order]
        limit = self._capacity[at]
        position = _positions(at)
        kept = position < limit
        for i in np.flatnonzero(position == limit - 1).tolist():  # the last of each list that is full
            number = int(at[i])
            same = (self._last[0][number], self._last[1][number]) == (rank[i], measure[i])
            if not (self._full[number] and same):
                self._gone[number] = 0  # of those who were dropped, none is as good as this
            self._full[number] = True
            self._last[0][number], self._last[1][number] = rank[i], measure[i]
        over = ~kept
        alike = over & self._full[at] & (rank == self._last[0][at]) & (measure == self._last[1][at])
        np.add.at(self._gone, at[alike], 1)
        self._rows = [_together(self._rows).take(pa.array(order[kept])).combine_chunks()]
        self._held = [(at[kept], rank[kept], measure[kept], tie[kept])]
        self._count = int(kept.sum())


def _positions(at: NDArray[np.int32]) -> NDArray[np.int64]:
    """For rows sorted by list, the place of each within its list, from 0."""
    if not len(at):
        return np.zeros(0, np.int64)
    first = np.r_[True, at[1:] != at[:-1]]
    starts = np.flatnonzero(first)
    return np.arange(len(at)) - np.repeat(starts, np.diff(np.r_[starts, len(at)]))


def _together(tables: Sequence[pa.Table]) -> pa.Table:
    """Tables one after the other; what a file of LIST lacks is null, numbers get the wider type."""
    return pa.concat_tables(tables, promote_options="permissive")
