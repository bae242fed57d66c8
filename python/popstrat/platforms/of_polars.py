"""Polars: a frame in, a frame out; a lazy frame is scored within a streaming query."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any, Literal, Unpack, overload

import polars as pl
import pyarrow as pa

from popstrat.core.cpus import cores
from popstrat.errors import InputError
from popstrat.frames.of_polars import lazy_names
from popstrat.frames.sources import as_batch
from popstrat.packs.patient_table import ID
from popstrat.runs import in_memory
from popstrat.runs.in_memory import Options
from popstrat.runs.record import Record
from popstrat.scoring.opt_outs import OptOutsSaid
from popstrat.scoring.passing_ids import PassingIds
from popstrat.scoring.scorer import Scorer

_ROWS = 131_072  # of a batch of a lazy frame


@overload
def score(
    frame: pl.LazyFrame, as_of: str | dt.date | None = ..., *, record: Literal[False] = ..., **options: Unpack[Options],
) -> pl.LazyFrame: ...  # fmt: skip
@overload
def score(
    frame: pl.DataFrame, as_of: str | dt.date | None = ..., *, record: Literal[False] = ..., **options: Unpack[Options],
) -> pl.DataFrame: ...  # fmt: skip
@overload
def score(
    frame: pl.DataFrame, as_of: str | dt.date | None = ..., *, record: Literal[True], **options: Unpack[Options],
) -> tuple[pl.DataFrame, Record]: ...  # fmt: skip
@overload
def score(
    frame: pl.DataFrame, as_of: str | dt.date | None = ..., *, record: bool, **options: Unpack[Options],
) -> pl.DataFrame | tuple[pl.DataFrame, Record]: ...  # fmt: skip


def score(
    frame: pl.DataFrame | pl.LazyFrame,
    as_of: str | dt.date | None = None,
    *,
    record: bool = False,
    **options: Unpack[Options],
) -> pl.DataFrame | pl.LazyFrame | tuple[pl.DataFrame, Record]:
    """Score a Polars frame. Arguments, errors and warnings are those of `popstrat.score`, including ``pack``,
    ``profile``, ``threads``, ``contributions``, ``mapping`` and ``previous``.

    A ``DataFrame`` gives a ``DataFrame``, with rows in the same order, and keys and geography in their types; with
    ``record=True`` a pair of it and the run record. A ``LazyFrame`` gives a ``LazyFrame`` that is scored while the
    query runs, batch by batch, so that you can read, score and write a list larger than memory (``sink_parquet``).
    Errors then come when the query runs (in Polars 1 within a ``ComputeError``), and a repeated id is found at its
    end. There is no record (``InputError`` if you ask for one).
    """
    if lazy_names(frame) is not None and not isinstance(frame, pl.DataFrame):
        if record or options.pop("previous", None) is not None:
            raise InputError("a lazy frame has no record and is held against none: collect it first")
        threads = options.pop("threads", None) or cores()
        setting: dict[str, Any] = {**options}
        return _lazily(frame, Scorer(as_of=as_of, **setting), threads)
    if not isinstance(frame, pl.DataFrame):
        raise InputError(
            f"popstrat.polars.score takes a DataFrame or a LazyFrame of Polars, not {type(frame).__name__}"
        )
    out, made = in_memory.score(frame, as_of, record=True, **options) if record else (
        in_memory.score(frame, as_of, **options), {}
    )  # fmt: skip
    scored = _back(out, frame.schema)
    return (scored, made) if record else scored


def _back(scored: pa.Table | pa.RecordBatch, given: Mapping[str, Any]) -> pl.DataFrame:
    """A scored table as a frame; columns that are passed on have the types that they had."""
    found = pl.from_arrow(scored)
    assert isinstance(found, pl.DataFrame)
    casts = [pl.col(n).cast(kind) for n, kind in _passed_on(scored.schema, given).items() if found.schema[n] != kind]
    return found.with_columns(casts) if casts else found


def _passed_on(scored: pa.Schema, given: Mapping[str, Any]) -> dict[str, Any]:
    """The types that the text among passed on columns had."""
    return {
        name: given[name]
        for name in scored.names
        if name in given and isinstance(given[name], pl.Categorical | pl.Enum | pl.String)
    }


def _lazily(frame: pl.LazyFrame, scorer: Scorer, threads: int) -> pl.LazyFrame:
    """A source of the query's own rather than a function of its batches: that comes in order and knows its end, so that
    ids can be compared."""
    from polars.io.plugins import register_io_source

    given = frame.collect_schema()
    wanted = scorer.wanted()
    some = frame.select([name for name in given.names() if wanted.reads(name)])
    empty = scorer.score_batch(as_batch(pl.DataFrame(schema=some.collect_schema()), wanted))

    def source(
        columns: list[str] | None, predicate: pl.Expr | None, rows: int | None, size: int | None
    ) -> Iterator[Any]:
        left, first, said = rows, 0, OptOutsSaid()
        with PassingIds() as ids:
            for part in _batches(some, size or _ROWS):
                try:
                    scored, _, sound = scorer.scored(as_batch(part, wanted), threads=threads)
                    ids.add(sound.column(sound.schema.get_field_index(ID)))
                except InputError as error:
                    raise error.located(None, first) from None
                if scorer.profile == "secondary-use":
                    said.look(sound)
                first += part.height
                out = _back(scored, given)
                if left is not None:
                    out = out.head(left)
                    left -= out.height
                out = out if predicate is None else out.filter(predicate)
                yield out if columns is None else out.select(columns)
                if left == 0:
                    return
            ids.finish()
        if scorer.profile == "secondary-use":
            said.refuse_silent()

    return register_io_source(source, schema=_back(empty, given).schema)


def _batches(frame: pl.LazyFrame, rows: int) -> Iterator[pl.DataFrame]:
    if hasattr(frame, "collect_batches"):
        yield from frame.collect_batches(chunk_size=rows, maintain_order=True)
    else:  # of Polars before it had them
        yield from frame.collect().iter_slices(rows)
