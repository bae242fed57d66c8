"""What runs on executors: a function of the batches of one partition, pickled on the driver.

A worker process takes many partitions, and makes its scorer once. Rows in messages are counted within the partition,
which is named, from 1. Nothing here knows of Spark's sessions.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from popstrat.errors import InputError
from popstrat.metrics.counting import Counted, Counter
from popstrat.metrics.request import Request
from popstrat.packs.patient_table import ID
from popstrat.platforms.on_spark.ids import BUCKET, HASHES, Collected, IdReader
from popstrat.platforms.on_spark.types import to_spark
from popstrat.scoring.opt_outs import OptOutsSaid
from popstrat.scoring.scorer import Scorer
from popstrat.scoring.tally import Tally

FOUND = "popstrat found"
"""The column in which a partition says what it found, in rows of its own."""

Batches = Iterable[pa.RecordBatch]

_scorers: dict[str, Scorer] = {}


def partition() -> int:
    """The number of the partition that this task is at."""
    from pyspark import TaskContext  # on executors alone

    context = TaskContext.get()
    return -1 if context is None else int(context.partitionId())


@dataclass(frozen=True)
class Carried:
    """A scorer on its way to the executors: unpickled once in each worker process, known by its ``token``."""

    token: str
    pickled: bytes

    @staticmethod
    def of(scorer: Scorer, token: str) -> Carried:
        return Carried(token, pickle.dumps(scorer))

    def scorer(self) -> Scorer:
        found = _scorers.get(self.token)
        if found is None:
            while len(_scorers) >= 4:
                _scorers.pop(next(iter(_scorers)))
            _scorers[self.token] = found = pickle.loads(self.pickled)
        return found


def located(error: InputError, number: int, first: int) -> InputError:
    """An error of a batch that begins at row ``first`` of a partition, with a way to its rows."""
    found = error.located(f"partition {number}", first)
    if not found.rows or found.hint:
        return found
    rows = ", ".join(str(row + 1) for row in found.rows)
    return found.hinted(f"popstrat.spark.rows(df, partition={number}, rows=[{rows}]) gives the rows")


@dataclass
class Found:
    """What was counted in partitions; of several it adds up."""

    rows: dict[int, tuple[int, int]]
    """Partition → rows in, rows out."""
    tally: Tally
    people: NDArray[np.float64] | int
    saying: frozenset[str]
    """Opt-out columns in which somebody says something."""
    counted: tuple[Counted, ...] = ()
    """Of each partition whose people were counted."""

    def __add__(self, other: Found) -> Found:
        return Found(
            self.rows | other.rows, self.tally + other.tally, self.people + other.people, self.saying | other.saying,
            self.counted + other.counted,
        )  # fmt: skip


NOTHING = Found({}, Tally(), 0, frozenset())


@dataclass(frozen=True)
class ScorePartition:
    """Scores a partition. With ``counted``, what was counted comes in a row of its own at the end, ids in others."""

    carried: Carried
    schema: pa.Schema
    """Of what it gives, in types that Spark has; with `FOUND`, `BUCKET` and `HASHES` at the end where it is counted."""
    counted: bool
    key: int

    def __call__(self, batches: Batches) -> Iterator[pa.RecordBatch]:
        scorer, number, first, rows_out = self.carried.scorer(), partition(), 0, 0
        scored_schema = pa.schema(list(self.schema)[:-3]) if self.counted else self.schema
        collected = Collected(self.key)
        tally, people, said = Tally(), None, OptOutsSaid()
        secondary = scorer.profile == "secondary-use"
        for batch in batches:
            if not batch.num_rows:
                continue
            try:
                scored, found, given = scorer.scored(batch, counted=self.counted)
                if self.counted:
                    collected.add(given.column(given.schema.get_field_index(ID)))
            except InputError as error:
                raise located(error, number, first) from None
            first += batch.num_rows
            rows_out += scored.num_rows
            made = to_spark(scored, scored_schema)
            if not self.counted:
                yield made
                continue
            tally += found
            people = people or scorer.bind(given.schema).people()
            people.look(given)
            if secondary:
                said.look(given)
            yield _wider(made, self.schema)
        if self.counted:
            counts = people.by_sex_and_age if people is not None else 0
            report = Found({number: (first, rows_out)}, tally, counts, said.saying if secondary else frozenset())
            yield _report(report, self.schema)
            for bucket, hashes in collected.buckets():
                yield _row(self.schema, {BUCKET: bucket, HASHES: hashes})


@dataclass(frozen=True)
class CountPartition:
    """Scores a partition and counts its people by practice and group; gives counts and hashes of ids alone."""

    carried: Carried
    request: Request
    schema: pa.Schema
    key: int

    def __call__(self, batches: Batches) -> Iterator[pa.RecordBatch]:
        scorer, number, first, rows_out = self.carried.scorer(), partition(), 0, 0
        counter, collected = Counter(self.request.counting(scorer)), Collected(self.key)
        tally, said = Tally(), OptOutsSaid()
        secondary = scorer.profile == "secondary-use"
        for batch in batches:
            if not batch.num_rows:
                continue
            try:
                scored, found, given = scorer.scored(batch)
                collected.add(given.column(given.schema.get_field_index(ID)))
                counter.add(scored)
            except InputError as error:
                raise located(error, number, first) from None
            first += batch.num_rows
            rows_out += scored.num_rows
            tally += found
            if secondary:
                said.look(given)
        saying = said.saying if secondary else frozenset()
        yield _report(Found({number: (first, rows_out)}, tally, 0, saying, (counter.finish(),)), self.schema)
        for bucket, hashes in collected.buckets():
            yield _row(self.schema, {BUCKET: bucket, HASHES: hashes})


@dataclass(frozen=True)
class LookPartition:
    """Looks at the ids of a partition, and at its opt-outs where they matter, and scores nothing."""

    reader: IdReader
    schema: pa.Schema
    key: int
    secondary: bool

    def __call__(self, batches: Batches) -> Iterator[pa.RecordBatch]:
        number, first = partition(), 0
        collected, said = Collected(self.key), OptOutsSaid()
        for batch in batches:
            if not batch.num_rows:
                continue
            try:
                collected.add(self.reader.ids(batch))
                if self.secondary:
                    said.look(self.reader.ours(batch))
            except InputError as error:
                raise located(error, number, first) from None
            first += batch.num_rows
        yield _report(
            Found({number: (first, 0)}, Tally(), 0, said.saying if self.secondary else frozenset()), self.schema
        )
        for bucket, hashes in collected.buckets():
            yield _row(self.schema, {BUCKET: bucket, HASHES: hashes})


@dataclass(frozen=True)
class PickRows:
    """Gives some rows of one partition, as they came."""

    number: int
    rows: tuple[int, ...]

    def __call__(self, batches: Batches) -> Iterator[pa.RecordBatch]:
        if partition() != self.number:
            return
        first = 0
        for batch in batches:
            here = [row - first for row in self.rows if first <= row < first + batch.num_rows]
            if here:
                yield batch.take(pa.array(here))
            first += batch.num_rows


def _wider(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    more = [pa.nulls(batch.num_rows, kind) for kind in schema.types[-3:]]
    return pa.RecordBatch.from_arrays([*batch.columns, *more], schema=schema)


def _report(found: Found, schema: pa.Schema) -> pa.RecordBatch:
    return _row(schema, {FOUND: pickle.dumps(found)})


def _row(schema: pa.Schema, values: dict[str, Any]) -> pa.RecordBatch:
    columns = [pa.array([values.get(field.name)], field.type) for field in schema]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


Mapped = Callable[[Batches], Iterator[pa.RecordBatch]]
