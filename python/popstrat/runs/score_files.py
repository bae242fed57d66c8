"""One pass over the files of a list: read ahead, ids watched, each batch scored (or checked) and passed on, in order.

A reader thread, the scoring (on as many threads as asked for), a thread that hashes the files and whoever takes the
results work at the same time, with short queues between them, so that memory is bounded and rows keep their order.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

import pyarrow as pa

from popstrat.core.progress import Progress
from popstrat.errors import InputError
from popstrat.formats import FileSource
from popstrat.formats.pipeline import ReadAhead
from popstrat.packs.patient_table import ID, Schema
from popstrat.packs.plausibility import refuse_disorder
from popstrat.runs.clock import Clock
from popstrat.runs.doubts import LOOKED_AT
from popstrat.runs.input_files import InputFile, Reading, read_ids
from popstrat.scoring.opt_outs import OptOutsSaid
from popstrat.scoring.people import People
from popstrat.scoring.tally import Tally
from popstrat.scoring.unique_ids import IdBatch, UniqueIds

_AHEAD = 3


class Besides(Protocol):
    """Columns that are made of the rows of a list as they are read, and written behind the scored ones."""

    columns_needed: tuple[str, ...]

    @property
    def schema(self) -> pa.Schema: ...
    def of_batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Of so many rows so many. Raises `InputError`."""


@dataclass
class FileCounts:
    """What was found in one file."""

    people: People
    tally: Tally = field(default_factory=Tally)
    rows: int = 0
    hash: str = ""
    opt_outs: OptOutsSaid | None = None
    """What the opt-out columns say, where that matters."""

    def add(self, batch: pa.RecordBatch, tally: Tally) -> None:
        self.rows += batch.num_rows
        self.people.look(batch)
        if self.opt_outs is not None:
            self.opt_outs.look(batch)
        self.tally = self.tally + tally


@dataclass
class ListCounts:
    """What was found in all files, and in each."""

    files: list[FileCounts]
    rows: int = 0
    first_ids: pa.Array | None = None
    ascending: bool = False
    """Whether the ids went upwards, so that they were seen to be different in passing."""

    @property
    def tally(self) -> Tally:
        """Of all files."""
        return sum((file.tally for file in self.files), Tally())


class _Batch(NamedTuple):
    file: int
    first_row: int
    data: pa.RecordBatch


def score_files(
    files: Sequence[InputFile],
    put: Callable[[pa.RecordBatch], None],
    reading: Reading,
    clock: Clock,
    *,
    progress: Progress | None = None,
    spill_dir: Path | None = None,
    look: Callable[[int, pa.RecordBatch], None] | None = None,
    besides: Besides | None = None,
) -> ListCounts:
    """Read every file once, hand every scored batch to ``put``, and return what was counted. ``look`` is shown the
    number of the file and each batch as scoring reads it, once it has been found sound; ``besides`` adds columns.

    Raises `InputError` for values that cannot be read, a flag that is neither true nor false, columns that are swapped,
    ids that are null or repeated (which are read again only if something looks repeated), a file that changes.
    """
    pa.set_cpu_count(reading.threads)
    known = [f.source.rows for f in files if f.source.rows is not None]
    total = sum(known) if len(known) == len(files) else None
    secondary = files[0].bound.scorer.profile == "secondary-use"
    counts = ListCounts([FileCounts(f.bound.people(), opt_outs=OptOutsSaid() if secondary else None) for f in files])
    ids = UniqueIds(files=[f.source.name for f in files], spill_dir=spill_dir)
    with ids, _Hashing(files, clock) as hashing:
        with ReadAhead(_batches(files, reading.batch_rows), _AHEAD) as batches:
            for batch in batches:
                sound = _score(files[batch.file], batch, ids, put, counts, reading.threads, clock, besides)
                if look is not None:
                    look(batch.file, sound)
                if progress is not None:
                    progress(counts.rows, total)
        clock.seconds["read"] += batches.busy
        for file, found, content in zip(files, counts.files, hashing.finish(), strict=True):
            found.hash = content
            file.source.check_unchanged()
            if found.opt_outs is not None:
                _refuse_silent(file, found.opt_outs)
            _refuse_disorder(file, found, file.bound.scorer.pack.schema)
        with clock.timed("ids"):
            ids.finish(lambda: read_ids(files, reading.batch_rows))
        counts.ascending = ids.in_passing
    return counts


def _batches(files: Sequence[InputFile], batch_rows: int) -> Iterator[_Batch]:
    for i, file in enumerate(files):
        for row, data in file.batches(batch_rows):
            yield _Batch(i, row, data)


def _score(
    file: InputFile,
    batch: _Batch,
    ids: UniqueIds,
    put: Callable[[pa.RecordBatch], None],
    counts: ListCounts,
    threads: int,
    clock: Clock,
    besides: Besides | None,
) -> pa.RecordBatch:
    """Score one batch and pass it on; gives it as it was read."""
    try:
        with clock.timed("score"):
            started = file.bound.start(batch.data)
    except InputError as error:
        raise file.located(error, batch.first_row) from None
    with clock.timed("ids"):
        column = started.given.column(batch.data.schema.get_field_index(ID))
        ids.add(IdBatch(column, batch.file, batch.first_row))
        if counts.first_ids is None:
            counts.first_ids = column.slice(0, LOOKED_AT)
    try:
        with clock.timed("score"):
            scored, tally = started.run(threads)
            if besides is not None:
                scored = _with(scored, besides.of_batch(started.batch))
    except InputError as error:
        raise file.located(error, batch.first_row) from None
    counts.rows += batch.data.num_rows
    counts.files[batch.file].add(started.given, tally)
    try:
        put(scored)
    except InputError as error:
        if error.file is not None or not error.rows:  # of something else than these people
            raise
        raise file.located(started.in_given(error), batch.first_row) from None
    return started.given


def _with(scored: pa.RecordBatch, more: pa.RecordBatch) -> pa.RecordBatch:
    """The columns of two batches in one."""
    return pa.RecordBatch.from_arrays(
        [*scored.columns, *more.columns], schema=pa.schema([*scored.schema, *more.schema])
    )


def _refuse_silent(file: InputFile, opt_outs: OptOutsSaid) -> None:
    try:
        opt_outs.refuse_silent()
    except InputError as error:
        raise file.located(error) from None


def _refuse_disorder(file: InputFile, found: FileCounts, schema: Schema) -> None:
    try:
        refuse_disorder(found.tally.disorder, schema)
    except InputError as error:
        raise file.located(error) from None


class _Hashing:
    """The hash of each file, worked out beside the reading. Leaving the ``with`` block stops it."""

    def __init__(self, files: Sequence[InputFile], clock: Clock) -> None:
        self._clock, self._stop = clock, threading.Event()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="popstrat-hash")
        self._hashes: list[Future[str]] = [self._pool.submit(self._hash, f.source) for f in files]

    def _hash(self, source: FileSource) -> str:
        with self._clock.timed("hash"):
            return source.content_hash(self._stop.is_set)

    def finish(self) -> list[str]:
        return [found.result() for found in self._hashes]

    def __enter__(self) -> _Hashing:
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._pool.shutdown(cancel_futures=True)
