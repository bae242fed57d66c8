"""Scoring a whole table in memory: the library calls."""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, overload

import pyarrow as pa

from popstrat.core.arrow import as_table
from popstrat.core.cpus import cores
from popstrat.core.dates import parse_as_of
from popstrat.engine import STREAM_ROWS
from popstrat.errors import DataWarning, InputError, recorded_name
from popstrat.packs import DEFAULT_PACK
from popstrat.packs.pack import Pack
from popstrat.packs.patient_table import ID
from popstrat.packs.plausibility import disorder_remarks, refuse_disorder
from popstrat.scoring.bound import Together
from popstrat.scoring.opt_outs import OptOutsSaid
from popstrat.scoring.scorer import Scorer, kept_scorer
from popstrat.scoring.tally import Tally

_LISTED_ROWS = 1 << 18  # rows of a batch whose contributions are held, all terms, until the largest are chosen


@overload
def score(
    table: Any, as_of: str | dt.date | None = ..., *, pack: str | Path | Pack = ..., profile: str = ...,
    threads: int | None = ..., contributions: int | None = ..., record: Literal[False] = ...,
    mapping: str | Path | Mapping[str, Any] | None = ...,
) -> pa.Table: ...  # fmt: skip
@overload
def score(
    table: Any, as_of: str | dt.date | None = ..., *, pack: str | Path | Pack = ..., profile: str = ...,
    threads: int | None = ..., contributions: int | None = ..., record: Literal[True],
    mapping: str | Path | Mapping[str, Any] | None = ...,
) -> tuple[pa.Table, dict[str, Any]]: ...  # fmt: skip


def score(
    table: Any,
    as_of: str | dt.date | None = None,
    *,
    pack: str | Path | Pack = DEFAULT_PACK,
    profile: str = "direct-care",
    threads: int | None = None,
    contributions: int | None = None,
    record: bool = False,
    mapping: str | Path | Mapping[str, Any] | None = None,
) -> pa.Table | tuple[pa.Table, dict[str, Any]]:
    """Score a whole registered list in memory.

    Args:
        table: one row a patient, in the shape of the patient table; anything with ``__arrow_c_stream__`` (pyarrow,
            Polars, pandas, DuckDB relations).
        as_of: ISO text or a date; today if None.
        pack, profile: as for `Scorer`.
        threads: how many to use; None for all cores.
        contributions: as for `Scorer`: list so many of each patient's largest contributions.
        record: also return the run record, as a dict.
        mapping: a column map, as ``--map`` takes it: the path of a TOML file, or its content as a mapping.

    Returns:
        The scored table, rows in the same order, less those the profile excludes; with ``record=True`` a pair.

    Raises:
        InputError: the table or the map is at fault (names the column and the first rows). PackError: the pack is.

    Warns (`popstrat.DataWarning`) of keys of the map that stand for nothing, columns that hold nothing, flags that
    nobody has though many would be expected to, columns that look swapped, and numbers that the type of a
    definition does not hold.
    """
    started = dt.datetime.now(dt.UTC) if record else None
    table = as_table(table)
    scorer = kept_scorer(pack, parse_as_of(as_of), profile, contributions)
    doubted: list[str] = []
    known = scorer.pack.schema.columns
    if mapping is not None or any(n not in known and n.strip().lower() in known for n in table.schema.names):
        table, doubted = _mapped(table, mapping, scorer)
    passed_over = [n for n in table.schema.names if n not in known]
    bound = scorer.bind(table.schema, counted=record)
    threads = threads or cores()
    first = 0
    most = _LISTED_ROWS if scorer.listings else None
    completeness = bound.completeness()
    # many small chunks are as far larger than the caches as one
    with Together(threads, stream=table.num_rows >= STREAM_ROWS) as together:
        batches = table.to_batches(most) or [pa.RecordBatch.from_pylist([], schema=table.schema)]
        for batch in batches:
            try:
                together.add(bound.start(batch))
            except InputError as error:
                raise error.located(None, first) from None
            first += batch.num_rows
        from popstrat.scoring import unique_ids  # now, while the other threads are at work: hashing is slow to import

        unique_ids.check_unique(table.column(ID))
        for batch in batches:
            completeness.look(batch)
    finished = together.finished()
    total = sum((tally for _, tally in finished), Tally())
    refuse_disorder(total.disorder, scorer.pack.schema)
    if profile == "secondary-use":
        said = OptOutsSaid()
        said.look(table)
        said.refuse_silent()
    facts = completeness.facts("")
    doubted += [
        *scorer.remarks([replace(facts, absent=())]),
        *disorder_remarks(total.disorder, scorer.pack.schema),
    ]
    if total.models:
        from popstrat.runs.doubts import not_held, strata_of_nobody  # here, as most packs leave nothing to warn of

        doubted += [*not_held(scorer, total), *strata_of_nobody(scorer, total)]
    if passed_over:
        from popstrat.runs.doubts import near_misses  # here, because most tables have no other columns

        doubted += near_misses(
            scorer, [table.schema.names], [[recorded_name(n, i) for i, n in enumerate(passed_over, 1)]]
        )
    for doubt in doubted:
        warnings.warn(doubt, DataWarning, stacklevel=2)
    out = pa.Table.from_batches([scored for scored, _ in finished], schema=bound.output_schema)
    if started is None:
        return out
    from popstrat.runs.table_record import memory_record  # here, because most calls want no record

    first_ids = table.column(ID).slice(0, 1000)
    return out, memory_record(scorer, bound, total, facts, first_ids, started=started, threads=threads)


def _mapped(
    table: pa.Table, mapping: str | Path | Mapping[str, Any] | None, scorer: Scorer
) -> tuple[pa.Table, list[str]]:
    """The table under our names and with our values, and what is to be said of that. As in files, values of columns
    that the pack does not read are not looked at."""
    from popstrat.runs.column_map import NO_MAP, keys_without_rows  # here, because most calls have no map
    from popstrat.runs.map_file import load_map, parse_map

    schema, names = scorer.pack.schema, table.schema.names
    if twice := next((n for n in names if names.count(n) > 1), None):
        raise InputError("two columns have this name", column=twice)
    if mapping is None:
        column_map = NO_MAP
    elif isinstance(mapping, Mapping):
        column_map = parse_map(mapping, schema.columns)
    else:
        column_map = load_map(mapping, schema.columns)
    plan = column_map.plan(names, schema.columns)
    whole = plan.schema(table.schema)
    read = schema.kept(whole.names, scorer.columns_counted)
    kept = [n for n in whole.names if n in read or n not in schema]
    batches, first = [], 0
    for batch in table.to_batches():
        try:
            batches.append(plan.apply(batch, kept))
        except InputError as error:
            raise error.located(None, first) from None
        first += batch.num_rows
    found = pa.Table.from_batches(batches, pa.schema([whole.field(n) for n in kept]))
    return found, [*plan.notices(), *keys_without_rows([plan], kept)]
