"""Events, medications and activity folded into one small result for each person, chunk by chunk of people.

A table whose rows come sorted by person streams: threads pack and fold pieces of its batches, and what is held is those
pieces and the results of one chunk. A table that does not is put by first, in a file of the folded rows without a name,
parted by range of people (`engine/events/spill.h`); so memory stays bounded either way. Every result is the same to the
byte, however the rows are ordered, cut into batches and chunks, and shared among threads.
"""

from __future__ import annotations

import contextlib
import os
import queue
import tempfile
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from popstrat.deriving.fold_rules import CodeLists, TableRules, compile_rules
from popstrat.deriving.folds import SET_ASIDE, Fold, Folded, Table
from popstrat.deriving.row_columns import RowColumns, make_keys
from popstrat.engine.events import Columns, Hits, Keys, Rows, Spill, Worker
from popstrat.errors import OutOfOrderError

TABLES: tuple[Table, ...] = ("events", "medications", "activity")
PIECE = 1 << 16
"""Rows that a thread takes at once."""
_AHEAD = 2  # pieces for each thread that are on their way
_MOST_CHUNKS = 1 << 10
_PART_ROWS = 1 << 13  # people of a part that is folded at once where rows were put by
_BUFFERS = 1 << 26  # bytes for all buffers of a file of rows put by


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
    tables: Mapping[Table, Iterable[pa.RecordBatch]],
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

    ``births`` are days, NO_DAY where not known. ``tables`` are batches as in `deriving.canonical`; where they turn
    out not to be sorted by person before any chunk was given out, they are iterated anew, and put by in a file under
    ``spill_dir``; so are those that are known to be ``unsorted``. A table that no fold is of is not read. ``codes`` are
    the code lists by name (for activity, the kinds). ``as_of`` is the last day that counts.

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


@dataclass
class _Piece:
    """The hits of one piece of a batch; ``inner`` ones, which are whole people, may have been folded already."""

    hits: Hits
    folded: bool


class _Stream:
    """One table: its batches packed by the threads, and folded in order into the columns of one chunk of people."""

    def __init__(
        self,
        table: Table,
        batches: Iterable[pa.RecordBatch],
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
        self._started = False  # whether a chunk has been given out
        self._begin()

    def _begin(self) -> None:
        self._columns: Columns | None = None
        self._own = Worker(self._compiled.rules, self._keys)
        self._workers = [Worker(self._compiled.rules, self._keys) for _ in range(self._threads)]
        self._free: queue.SimpleQueue[int] = queue.SimpleQueue()
        for number in range(self._threads):
            self._free.put(number)
        self._spare: list[Hits] = []
        self._pending = Hits()  # of the last person so far, whose rows may go on
        self._piece: _Piece | None = None
        self._done = 0  # hits of the piece
        self._last_row = -1
        self._reader = RowColumns(self.table, self._compiled, self._keys)
        self._under_way: deque[Future[Any]] = deque()
        self._cuts = self._cut()

    def close(self) -> None:
        for future in self._under_way:
            future.cancel()
        for future in self._under_way:
            if not future.cancelled():
                future.exception()
        self._under_way.clear()
        self._cuts.close()
        if self._file is not None:
            self._file.close()

    # -- a chunk -------------------------------------------------------------------------------------------------------

    def chunk(self, first: int, rows: int) -> dict[str, Folded]:
        """The results for so many people from row ``first`` on, after those of the chunk before."""
        columns = self._new_columns(first, rows)
        if self._spill is None:
            try:
                self._stream_into(columns)
            except OutOfOrderError:
                if self._started or isinstance(self._batches, Iterator):
                    raise
                self.close()
                self._begin()
                self.put_by()
                columns = self._new_columns(first, rows)
        if self._spill is not None:
            parts = self._spill.parts_of_chunk
            start = first // self._chunk_rows * parts
            used = -(-rows // self._part_rows)
            tasks = [self._pool.submit(self._fold_part, start + i, columns) for i in range(used)]
            for task in tasks:
                task.result()
        self._started = True
        self._count()
        found = zip(self._compiled.folds, columns.arrays, strict=True)
        return {fold.name: Folded(**arrays) for fold, arrays in found}

    def _new_columns(self, first: int, rows: int) -> Columns:
        columns = Columns(self._compiled.rules, first, rows)
        step = -(-rows // self._threads)
        for task in [self._pool.submit(columns.clear, at, min(at + step, rows)) for at in range(0, rows, step)]:
            task.result()
        return columns

    def _stream_into(self, columns: Columns) -> None:
        stop = columns.first + columns.rows
        self._columns = columns
        while True:
            if self._piece is None:
                self._piece, self._done = self._next(), 0
                if self._piece is None:
                    break
                hits = self._piece.hits
                if hits.count and (not hits.ascending or hits.first < self._last_row):
                    raise OutOfOrderError(self.table)
                self._last_row = max(hits.last, self._last_row)
            hits = self._piece.hits
            end = hits.count if hits.last < stop else hits.before(stop)
            self._fold_piece(self._piece, self._done, end, columns)
            self._done = end
            if end < hits.count:
                break
            self._spare.append(hits)
            self._piece = None
        self._flush(columns)

    def _fold_piece(self, piece: _Piece, start: int, end: int, columns: Columns) -> None:
        """Fold its hits [start, end). Its first and its last person may have rows in the pieces beside it."""
        hits = piece.hits
        if start == end:
            return
        if start == 0:
            if self._pending.count and self._pending.first != hits.first:
                self._flush(columns)
            self._pending.append(hits, 0, hits.head)
            start = hits.head
            if start == hits.count:
                return
        if start < end:
            self._flush(columns)
            inner = min(end, hits.tail)
            if not piece.folded:
                self._own.fold(hits, start, inner, columns)
            if end == hits.count:
                self._pending.append(hits, hits.tail, end)

    def _flush(self, columns: Columns) -> None:
        if self._pending.count:
            self._own.fold(self._pending, 0, self._pending.count, columns)
            self._pending.clear()

    # -- the threads ---------------------------------------------------------------------------------------------------

    def _cut(self) -> Generator[tuple[Rows, int, int]]:
        for batch in self._batches:
            rows = self._reader.of(batch)
            for start in range(0, batch.num_rows, PIECE):
                yield rows, start, min(start + PIECE, batch.num_rows)

    def _next(self) -> Any:
        """What the next task makes; None after the last."""
        task: Callable[[Rows, int, int], object] = self._pack if self._spill is None else self._pack_away
        while len(self._under_way) < _AHEAD * self._threads:
            cut = next(self._cuts, None)
            if cut is None:
                break
            self._under_way.append(self._pool.submit(task, *cut))
        return self._under_way.popleft().result() if self._under_way else None

    @contextlib.contextmanager
    def _worker(self) -> Iterator[int]:
        number = self._free.get()
        try:
            yield number
        finally:
            self._free.put(number)

    def _pack(self, rows: Rows, start: int, stop: int) -> _Piece:
        try:
            hits = self._spare.pop()
        except IndexError:
            hits = Hits()
        with self._worker() as number:
            worker = self._workers[number]
            worker.pack(rows, start, stop, self._as_of, hits)
            columns = self._columns
            if columns is None or not hits.ascending or hits.head >= hits.tail:
                return _Piece(hits, False)
            # while they are in the nearest cache, if all of them are of the chunk that is being made
            least, most = hits.row(hits.head), hits.row(hits.tail - 1)
            within = columns.first <= least and most < columns.first + columns.rows
            if within:
                worker.fold(hits, hits.head, hits.tail, columns)
            return _Piece(hits, within)

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
        self._room = [(Hits(), Hits()) for _ in range(self._threads)]
        while self._next() is not None:
            pass

    def _pack_away(self, rows: Rows, start: int, stop: int) -> bool:
        assert self._spill is not None
        with self._worker() as number:
            hits = self._room[number][0]
            self._workers[number].pack(rows, start, stop, self._as_of, hits)
            self._spill.add(number, hits)
        return True

    def _fold_part(self, part: int, columns: Columns) -> None:
        assert self._spill is not None
        with self._worker() as number:
            hits, other = self._room[number]
            self._spill.read(part, hits, other)
            self._workers[number].fold(hits, 0, hits.count, columns)

    # -- counting ------------------------------------------------------------------------------------------------------

    def _count(self) -> None:
        told = [worker.counts() for worker in (self._own, *self._workers)]
        rows, unknown, unlisted = (sum(t[0][i] for t in told) for i in range(3))
        aside = np.sum([t[1] for t in told], axis=0)
        by_fold = np.sum([t[2] for t in told], axis=0)
        self._counts.tables[self.table] = TableCounts(rows, unknown, unlisted, *(int(a.sum()) for a in aside))
        before = np.zeros((len(aside), len(self._compiled.folds)), np.int64)
        for reason, slots in zip(before, aside, strict=True):
            np.add.at(reason, self._compiled.entry_fold, slots[self._compiled.entry_slot])
        spellings = ["", *self._reader.units]
        for number, fold in enumerate(self._compiled.folds):
            used, *reasons, repeats = by_fold[number].tolist()
            mix = np.sum([worker.mix(number, len(spellings)) for worker in (self._own, *self._workers)], axis=0)
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
