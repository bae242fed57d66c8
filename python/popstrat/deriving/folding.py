"""Events, medications and activity folded into one small result for each person, chunk by chunk of people.

A table whose rows come sorted by person streams: a thread takes a part of the table, reads, packs and folds it piece by
piece, and hands back the hits of its first and of its last person, who may have rows in the parts beside it; these are
joined in order. What is held is the results of the chunks that the parts under way reach into. A table that does not
come so is put by first, in a file of the folded rows without a name, parted by range of people
(`engine/events/spill.h`); so memory stays bounded either way. Every result is the same to the byte, however the rows
are ordered, cut into batches, parts and chunks, and shared among threads.
"""

from __future__ import annotations

import contextlib
import functools
import os
import queue
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from popstrat.deriving.fold_rules import CodeLists, TableRules, compile_rules
from popstrat.deriving.folds import SET_ASIDE, Fold, Folded, Table
from popstrat.deriving.row_columns import RowColumns, Units, make_keys
from popstrat.engine.events import Columns, Hits, Keys, Spill, Worker
from popstrat.errors import OutOfOrderError

TABLES: tuple[Table, ...] = ("events", "medications", "activity")
PIECE = 1 << 16
"""Rows that are packed, and then folded, together."""
_PART = 1 << 18  # rows of a batch that a thread takes at once
_AHEAD = 3  # parts for each thread that are on their way
_MOST_CHUNKS = 1 << 10
_PART_ROWS = 1 << 13  # people of a part that is folded at once where rows were put by
_BUFFERS = 1 << 26  # bytes for all buffers of a file of rows put by

Part = Callable[[], Iterable[pa.RecordBatch]]
"""Rows of a table that follow one another, read by whichever thread calls it."""


@runtime_checkable
class Parted(Protocol):
    """A table that gives its rows part by part, in order, the parts to be read at the same time."""

    def parts(self) -> Generator[Part]: ...


Rows = Iterable[pa.RecordBatch] | Parted
"""A table: batches as in `deriving.canonical`."""


@dataclass
class TableCounts:
    """Rows of one table, each under one of these or used: of people that are not listed, with a code that no fold
    lists, without a day, after the as-of date, before birth."""

    rows: int = 0
    unknown_patient: int = 0
    not_in_any_list: int = 0
    undated: int = 0
    after_as_of: int = 0
    before_birth: int = 0


@dataclass
class FoldCounts:
    """Rows of one fold: ``used``; ``set_aside`` by each of `SET_ASIDE`; ``repeats`` of others (where `Count` has rows);
    where values are read, rows within the window that have one by ``units`` (spelt as `unit_key`; "" without)."""

    used: int = 0
    set_aside: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SET_ASIDE, 0))
    repeats: int = 0
    units: dict[str, int] = field(default_factory=dict)


@dataclass
class Counts:
    """What became of all rows, by table and by the name of the fold. Complete when the last chunk was given out."""

    tables: dict[Table, TableCounts] = field(default_factory=dict)
    folds: dict[str, FoldCounts] = field(default_factory=dict)


@dataclass(frozen=True)
class Chunk:
    """The results of every fold for ``rows`` people from row ``first`` on, by the name of the fold."""

    first: int
    rows: int
    folded: Mapping[str, Folded]


class Folding(Iterator[Chunk]):
    """The chunks, in the order of the people; ``counts`` beside them."""

    def __init__(self, chunks: Iterator[Chunk], counts: Counts) -> None:
        self._chunks, self.counts = chunks, counts

    def __next__(self) -> Chunk:
        return next(self._chunks)

    def close(self) -> None:
        """Stop early: threads end, files are removed."""
        self._chunks.close()  # type: ignore[attr-defined]


def fold_chunks(
    keys: pa.Array,
    births: NDArray[np.int32],
    tables: Mapping[Table, Rows],
    folds: Sequence[Fold],
    codes: CodeLists,
    *,
    as_of: int,
    threads: int,
    spill_dir: Path,
    chunk_rows: int = 1 << 15,
    unsorted: Collection[Table] = (),
) -> Folding:
    """Fold the rows of the tables, for the people whose ids are ``keys`` (int64 or text, ascending, each once).

    ``births`` are days, NO_DAY where not known. ``tables`` are batches as in `deriving.canonical`, or parts of such;
    where they turn out not to be sorted by person before any chunk was given out, they are read anew, and put by in a
    file under ``spill_dir``; so are those that are known to be ``unsorted``. A table that no fold is of is not read.
    ``codes`` are the code lists by name (for activity, the kinds). ``as_of`` is the last day that counts.

    Raises ValueError for folds that cannot be (`compile_rules`) and for columns that are not as they should be, and
    while iterating `OutOfOrderError`, OSError for the file, and what reading the tables raises.
    """
    if len({fold.name for fold in folds}) != len(folds):
        raise ValueError("two folds have the same name")
    if threads < 1 or chunk_rows < 1:
        raise ValueError("at least one thread, and one row a chunk")
    if len(keys) != len(births):
        raise ValueError("as many births as ids are needed")
    if isinstance(keys, pa.ChunkedArray):
        keys = keys.combine_chunks()
    known = make_keys(keys, np.asarray(births, np.int32))
    compiled = {t: compile_rules([f for f in folds if f.table == t], codes, as_of) for t in TABLES}
    counts = Counts({t: TableCounts() for t in TABLES}, {fold.name: FoldCounts() for fold in folds})
    step = chunk_rows * max(1, -(-len(keys) // (chunk_rows * _MOST_CHUNKS)))

    def chunks() -> Iterator[Chunk]:
        with contextlib.ExitStack() as stack:
            pool = stack.enter_context(_pool(threads))
            streams = [
                _Stream(t, tables.get(t, ()), rules, known, counts, pool, threads, as_of, step, spill_dir)
                for t, rules in compiled.items()
                if rules.folds
            ]
            for stream in streams:
                stack.callback(stream.close)
                if stream.table in unsorted:
                    stream.put_by()
            for first in range(0, len(keys), step):
                rows = min(step, len(keys) - first)
                found: dict[str, Folded] = {}
                for stream in streams:
                    found |= stream.chunk(first, rows)
                if first + rows == len(keys):
                    for stream in streams:
                        stream.count()
                for at in range(0, rows, chunk_rows):
                    many = min(chunk_rows, rows - at)
                    whole = many == rows
                    yield Chunk(first + at, many, found if whole else {n: _part(f, at, many) for n, f in found.items()})

    return Folding(chunks(), counts)


@contextlib.contextmanager
def _pool(threads: int) -> Iterator[ThreadPoolExecutor]:
    pool = ThreadPoolExecutor(threads, thread_name_prefix="fold")
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _part(folded: Folded, at: int, many: int) -> Folded:
    return Folded(**{n: a if a is None else a[at : at + many] for n, a in vars(folded).items()})


def _parts(rows: Rows) -> Generator[Part]:
    if isinstance(rows, Parted):
        yield from rows.parts()
        return
    for batch in rows:
        for start in range(0, batch.num_rows, _PART):
            yield functools.partial(_one, batch.slice(start, _PART))


def _one(batch: pa.RecordBatch) -> Iterable[pa.RecordBatch]:
    return (batch,)


class _Thread:
    """What one thread packs and folds with."""

    def __init__(self, table: Table, compiled: TableRules, keys: Keys, units: Units) -> None:
        self.worker = Worker(compiled.rules, keys)
        self.columns = RowColumns(table, compiled, keys, units)
        self.hits, self.other = Hits(), Hits()


class _Ends:
    """What is left of a part whose other people have been folded: the hits of its ``first`` person, and of its ``last``
    one if that is another; -1 where it has no hits at all."""

    def __init__(self) -> None:
        self.head, self.tail = Hits(), Hits()
        self.first = self.last = -1
        self.ascending = True


class _Stream:
    """One table: its parts read, packed and folded by the threads, and joined in order."""

    def __init__(
        self,
        table: Table,
        batches: Rows,
        compiled: TableRules,
        keys: Keys,
        counts: Counts,
        pool: ThreadPoolExecutor,
        threads: int,
        as_of: int,
        chunk_rows: int,
        spill_dir: Path,
    ) -> None:
        self.table = table
        self._batches, self._compiled, self._keys, self._counts = batches, compiled, keys, counts
        self._pool, self._threads, self._as_of = pool, threads, as_of
        self._chunk_rows, self._spill_dir = chunk_rows, spill_dir
        self._spill: Spill | None = None
        self._file: Any = None
        self._lock = threading.Lock()
        self._given_out = 0  # chunks
        self._begin()

    def _begin(self) -> None:
        self._open: dict[int, Columns] = {}  # chunks that are being made
        self._units = Units(self._compiled.units)
        self._own = Worker(self._compiled.rules, self._keys)
        self._each = [_Thread(self.table, self._compiled, self._keys, self._units) for _ in range(self._threads)]
        self._free: queue.SimpleQueue[_Thread] = queue.SimpleQueue()
        for one in self._each:
            self._free.put(one)
        self._pending = Hits()  # of the last person so far, whose rows may go on
        self._last = -1  # that person
        self._under_way: deque[Future[Any]] = deque()
        self._parts = _parts(self._batches)

    def close(self) -> None:
        for future in self._under_way:
            future.cancel()
        for future in self._under_way:
            if not future.cancelled():
                future.exception()
        self._under_way.clear()
        self._parts.close()
        if self._file is not None:
            self._file.close()

    # -- a chunk -------------------------------------------------------------------------------------------------------

    def chunk(self, first: int, rows: int) -> dict[str, Folded]:
        """The results for so many people from row ``first`` on, after those of the chunk before."""
        if self._spill is None:
            try:
                self._join(first + rows)
            except OutOfOrderError:
                if self._given_out or isinstance(self._batches, Iterator):
                    raise
                self.close()
                self._begin()
                self.put_by()
        number = first // self._chunk_rows
        columns = self._columns(number)
        assert columns is not None
        if self._spill is not None:
            parts = self._spill.parts_of_chunk
            used = -(-rows // self._part_rows)
            tasks = [self._pool.submit(self._fold_part, number * parts + i, columns) for i in range(used)]
            for task in tasks:
                task.result()
        with self._lock:
            self._given_out = number + 1
            del self._open[number]
        found = zip(self._compiled.folds, columns.arrays, strict=True)
        return {fold.name: Folded(**arrays) for fold, arrays in found}

    def _columns(self, number: int) -> Columns | None:
        """The results of a chunk that is being made, or has not been begun; None if it has been given out."""
        with self._lock:
            if number < self._given_out:
                return None
            columns = self._open.get(number)
            if columns is None:
                first = number * self._chunk_rows
                rows = min(self._chunk_rows, len(self._keys) - first)
                columns = self._open[number] = Columns(self._compiled.rules, first, rows)
                columns.clear(0, rows)
            return columns

    def _join(self, stop: int) -> None:
        """Take parts until everybody before row ``stop`` is through."""
        while self._last < stop:
            ends = self._next()
            if ends is None:
                break
            if not ends.ascending or 0 <= ends.first < self._last:
                raise OutOfOrderError(self.table)
            for hits in (ends.head, ends.tail):
                if not hits.count:
                    continue
                if hits.first != self._last:
                    self._flush()
                self._pending.append(hits, 0, hits.count)
                self._last = hits.last
        else:
            return
        self._flush()

    def _flush(self) -> None:
        if self._pending.count:
            if not self._fold(self._own, self._pending, 0, self._pending.count):
                raise OutOfOrderError(self.table)
            self._pending.clear()

    def _fold(self, worker: Worker, hits: Hits, start: int, stop: int) -> bool:
        """Fold the hits [start, stop), whole people that ascend, into their chunks; False if one was given out."""
        while start < stop:
            columns = self._columns(hits.row(start) // self._chunk_rows)
            if columns is None:
                return False
            end = columns.first + columns.rows
            to = stop if hits.row(stop - 1) < end else hits.before(end)
            worker.fold(hits, start, to, columns)
            start = to
        return True

    # -- the threads ---------------------------------------------------------------------------------------------------

    def _next(self) -> Any:
        """What the next task makes; None after the last."""
        task: Callable[[Part], object] = self._fold_inner if self._spill is None else self._put_away
        while len(self._under_way) < _AHEAD * self._threads:
            part = next(self._parts, None)
            if part is None:
                break
            self._under_way.append(self._pool.submit(task, part))
        return self._under_way.popleft().result() if self._under_way else None

    @contextlib.contextmanager
    def _thread(self) -> Iterator[_Thread]:
        one = self._free.get()
        try:
            yield one
        finally:
            self._free.put(one)

    def _pack(self, one: _Thread, part: Part) -> Iterator[Hits]:
        """The hits of a part, piece by piece; each lasts until the next."""
        for batch in part():
            rows = one.columns.of(batch)
            for start in range(0, batch.num_rows, PIECE):
                one.worker.pack(rows, start, min(start + PIECE, batch.num_rows), self._as_of, one.hits)
                if one.hits.count:
                    yield one.hits

    def _fold_inner(self, part: Part) -> _Ends:
        """Pack a part and fold all of its people but the first and the last, who may have rows in others; in pieces, so
        that what is packed is folded while it is in the nearest cache."""
        ends = _Ends()
        with self._thread() as one:
            one.other.clear()
            for hits in self._pack(one, part):
                if not hits.ascending or hits.first < ends.last or not self._fold_piece(one, hits, ends):
                    ends.ascending = False
                    return ends
                ends.last = hits.last
            ends.tail.append(one.other, 0, one.other.count)
        return ends

    def _fold_piece(self, one: _Thread, hits: Hits, ends: _Ends) -> bool:
        """Fold a piece of a part, and keep what is not through: of the first person in ``ends``, else in ``other``."""
        start = 0
        if ends.first < 0:
            ends.first = hits.first
        if hits.first == ends.first:
            ends.head.append(hits, 0, hits.head)
            start = hits.head
        elif hits.first == ends.last:
            one.other.append(hits, 0, hits.head)
            start = hits.head
        if start == hits.count:
            return True
        if one.other.count:
            if not self._fold(one.worker, one.other, 0, one.other.count):
                return False
            one.other.clear()
        if not self._fold(one.worker, hits, start, hits.tail if hits.first != hits.last else start):
            return False
        one.other.append(hits, hits.tail if hits.first != hits.last else start, hits.count)
        return True

    # -- rows in no order ----------------------------------------------------------------------------------------------

    def put_by(self) -> None:
        """Read the whole table, and put by what is to be folded."""
        people = len(self._keys)
        self._part_rows = min(self._chunk_rows, max(_PART_ROWS, people >> 11))
        parts = -(-people // self._part_rows)
        buffer = max(4096, min(1 << 16, _BUFFERS // max(1, parts * self._threads))) // 64
        self._keys.hash()
        self._file = _nameless(self._spill_dir)
        self._spill = Spill(
            self._compiled.rules, self._file.fileno(), people, self._chunk_rows, self._part_rows, self._threads, buffer
        )
        while self._next() is not None:
            pass

    def _put_away(self, part: Part) -> bool:
        assert self._spill is not None
        with self._thread() as one:
            for hits in self._pack(one, part):
                self._spill.add(self._each.index(one), hits)
        return True

    def _fold_part(self, part: int, columns: Columns) -> None:
        assert self._spill is not None
        with self._thread() as one:
            self._spill.read(part, one.hits, one.other)
            one.worker.fold(one.hits, 0, one.hits.count, columns)

    # -- counting ------------------------------------------------------------------------------------------------------

    def count(self) -> None:
        """Say what became of all rows, once the last chunk was given out."""
        workers = [self._own, *(one.worker for one in self._each)]
        told = [worker.counts() for worker in workers]
        rows, unknown, unlisted = (sum(t[0][i] for t in told) for i in range(3))
        aside = np.sum([t[1] for t in told], axis=0)
        by_fold = np.sum([t[2] for t in told], axis=0)
        self._counts.tables[self.table] = TableCounts(rows, unknown, unlisted, *(int(a.sum()) for a in aside))
        before = np.zeros((len(aside), len(self._compiled.folds)), np.int64)
        for reason, slots in zip(before, aside, strict=True):
            np.add.at(reason, self._compiled.entry_fold, slots[self._compiled.entry_slot])
        spellings = ["", *self._units.numbers]
        for number, fold in enumerate(self._compiled.folds):
            used, *reasons, repeats = by_fold[number].tolist()
            mix = np.sum([worker.mix(number, len(spellings)) for worker in workers], axis=0)
            self._counts.folds[fold.name] = FoldCounts(
                used,
                dict(zip(SET_ASIDE, (*before[:, number].tolist(), *reasons), strict=True)),
                repeats,
                {spelling: int(many) for spelling, many in sorted(zip(spellings, mix, strict=True)) if many},
            )


def _nameless(folder: Path) -> Any:
    """A file for this process alone (mode 0600) that is gone when it is closed, whatever happens."""
    descriptor, name = tempfile.mkstemp(prefix=".popstrat-", dir=folder)
    Path(name).unlink()
    return os.fdopen(descriptor, "w+b", buffering=0)
