"""Scoring a whole table in memory: the library calls."""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack, overload

import pyarrow as pa

from popstrat.core.arrow import no_rows
from popstrat.core.cpus import cores
from popstrat.core.dates import as_of_date
from popstrat.engine import STREAM_ROWS
from popstrat.errors import DataWarning, InputError, recorded_name
from popstrat.frames.sources import as_table
from popstrat.packs import DEFAULT_PACK
from popstrat.packs.keys import notes
from popstrat.packs.pack import Pack
from popstrat.packs.patient_table import ID
from popstrat.packs.plausibility import refuse_disorder
from popstrat.packs.spellings import with_remedy
from popstrat.runs.doubts import LOOKED_AT, doubts, near_misses
from popstrat.runs.earlier import earlier_run
from popstrat.scoring.bound import BoundScorer, Together
from popstrat.scoring.completeness import LEAST_EMPTY, Earlier, Facts
from popstrat.scoring.completeness import facts as facts_of
from popstrat.scoring.mapped import map_given, mapped, needs_plan, plan_of
from popstrat.scoring.opt_outs import OptOutsSaid
from popstrat.scoring.scorer import Scorer, kept_scorer
from popstrat.scoring.tally import Tally

if TYPE_CHECKING:
    from popstrat.packs.column_map import ColumnMap
    from popstrat.runs.record import Record

_LISTED_ROWS = 1 << 18  # rows of a batch whose contributions are held, all terms, until the largest are chosen


class Setting(TypedDict, total=False):
    """What `score` takes by name of whatever platform the list is, and `Scorer` too: each means the same."""

    pack: str | Path | Pack
    profile: str
    contributions: int | None
    mapping: str | Path | Mapping[str, Any] | None


class Options(Setting, total=False):
    """And of a list that is on one machine; ``record`` is apart, since what comes back depends on it."""

    threads: int | None
    previous: str | Path | Mapping[str, Any] | None


@overload
def score(
    table: Any, as_of: str | dt.date | None = ..., *, record: Literal[False] = ..., **options: Unpack[Options],
) -> pa.Table: ...  # fmt: skip
@overload
def score(
    table: Any, as_of: str | dt.date | None = ..., *, record: Literal[True], **options: Unpack[Options],
) -> tuple[pa.Table, Record]: ...  # fmt: skip
@overload
def score(
    table: Any, as_of: str | dt.date | None = ..., *, record: bool, **options: Unpack[Options],
) -> pa.Table | tuple[pa.Table, Record]: ...  # fmt: skip


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
    previous: str | Path | Mapping[str, Any] | None = None,
) -> pa.Table | tuple[pa.Table, Record]:
    """Score a whole registered list in memory.

    Args:
        table: one row for each patient, with the columns of the patient table: Arrow tables, batches, readers and
            datasets; Polars, pandas, DuckDB and Ibis frames, also lazy ones; iterables of these; paths of files;
            anything else that has ``__arrow_c_stream__``.
        as_of: ISO text or a date; if None, today, with an `AsOfWarning`.
        pack, profile: as for `Scorer`.
        threads: how many threads to use; None means all cores.
        contributions: as for `Scorer`: list this number of each patient's largest contributions.
        record: also return the run record, as a dict.
        mapping: a column map, as for ``--map``: the path of a TOML file, or its content as a mapping.
        previous: the run record of an earlier run, or its path; counts of values are compared with it.

    Returns:
        The scored table, with rows in the same order, without people whom the profile leaves out. With
        ``record=True``, a pair of it and the run record. The schema's metadata has, as JSON under ``popstrat``, the
        pack with its version and hash, the as-of date and the profile.

    Raises:
        InputError: the table or the map is wrong (the message names the column and the first rows).
        PackError: the pack is wrong.

    Warns (`popstrat.DataWarning`) of what makes the results doubtful, like ``popstrat score``: keys and codes that are
    written differently from how they are read, keys of the map that no row contains, columns that are empty or hold
    far less than expected, many values set aside, columns that look swapped or in another unit, and numbers that the
    type of a definition cannot hold. Only the record has absent columns and an old extract.

    >>> import datetime as dt
    >>> import popstrat
    >>> from popstrat import synthetic
    >>> people = synthetic.table(1_000, seed=1, as_of=dt.date(2026, 6, 30))
    >>> scored, record = popstrat.score(people, "2026-06-30", record=True)
    >>> scored.num_rows, record["rows"]["out"]
    (1000, 1000)
    >>> popstrat.score(
    ...     {"id": [1], "practice_code": ["Y00001"], "age": [82], "sex": ["female"], "frailty": ["moderate"]},
    ...     "2026-06-30",
    ...     mapping={"columns": {"patient_id": "id"}},
    ... )["frailty_category"].to_pylist()
    ['moderate']
    """
    started = dt.datetime.now(dt.UTC) if record else None
    scorer = kept_scorer(pack, as_of_date(as_of), profile, contributions)
    scorer.warn()
    threads = threads or cores()
    earlier = None if previous is None else earlier_run(previous)
    given = as_table(table, scorer.wanted(mapping))
    scored = score_table(given, scorer, threads=threads, counted=record, mapping=mapping, earlier=earlier)
    for doubt in scored.doubted:
        warnings.warn(doubt, DataWarning, stacklevel=2)
    out = pa.Table.from_batches(scored.batches, schema=scored.bound.output_schema)
    if started is None:
        return out
    from popstrat.runs.table_record import memory_record  # here, because most calls want no record

    made = memory_record(
        scorer, scored.bound, scored.tally, scored.facts, scored.first_ids, earlier,
        converted=scored.column_map.units if scored.column_map else (), started=started, threads=threads,
    )  # fmt: skip
    if scored.column_map is not None:
        from popstrat.runs.file_record import mapping_record  # as above

        made["mapping"] = mapping_record(scored.column_map)
    return out, made


@dataclass(frozen=True)
class Scored:
    """A table that was scored, and what was found in it; ``doubted`` is what makes the results doubtful."""

    batches: list[pa.RecordBatch]
    tally: Tally
    bound: BoundScorer
    facts: Facts
    first_ids: pa.Array
    doubted: list[str]
    column_map: ColumnMap | None


def score_table(
    table: pa.Table,
    scorer: Scorer,
    *,
    threads: int,
    counted: bool,
    mapping: str | Path | Mapping[str, Any] | None = None,
    earlier: Earlier | None = None,
) -> Scored:
    """Score a whole table with a scorer at hand, as `score` does. Raises `InputError`."""
    doubted: list[str] = []
    known = scorer.pack.schema.columns
    column_map = map_given(mapping, known)
    if needs_plan(table.schema.names, column_map, known):
        from popstrat.packs.column_map import keys_without_rows  # here, because most calls have no map

        plan = plan_of(table.schema.names, column_map, scorer.pack.schema)
        table, kept = mapped(table, plan, scorer.pack.schema, scorer.columns_counted)
        doubted = [*plan.notices(), *keys_without_rows([plan], kept)]
    passed_over = [n for n in table.schema.names if n not in known]
    bound = scorer.bind(table.schema, counted=counted)
    first, at = 0, table.schema.get_field_index(ID)
    ids: list[pa.Array] = []  # as they are compared
    most = _LISTED_ROWS if scorer.listings else None
    sound: list[pa.RecordBatch] = []  # the batches as they are read
    people = bound.people()
    # many small chunks are as far larger than the caches as one
    with Together(threads, stream=table.num_rows >= STREAM_ROWS) as together:
        batches = table.to_batches(most) or [no_rows(table.schema)]
        for batch in batches:
            try:
                one = bound.start(batch)
                together.add(one)
            except InputError as error:
                raise with_remedy(error).located(None, first) from None
            first += batch.num_rows
            ids.append(one.given.column(at))
            sound.append(one.given)
        from popstrat.scoring import unique_ids  # now, while the other threads are at work: hashing is slow to import

        unique_ids.check_unique(pa.chunked_array(ids, ids[0].type))
        if table.num_rows >= LEAST_EMPTY:  # of fewer there is nothing to expect
            for batch in sound:
                people.look(batch, table.num_rows)
    finished, total = together.finished()
    refuse_disorder(total.disorder, scorer.pack.schema)
    if scorer.profile == "secondary-use":
        said = OptOutsSaid()
        for batch in sound:
            said.look(batch)
        said.refuse_silent()
    facts = facts_of("", total, bound.absent, people.by_sex_and_age, scorer.pack.schema)
    first_ids = ids[0].slice(0, LOOKED_AT)
    converted = column_map.units if column_map else ()
    doubted += doubts(scorer, total, [replace(facts, absent=())], first_ids, earlier, converted)
    doubted += notes(total.respelt)
    if passed_over:
        doubted += near_misses(
            scorer, [table.schema.names], [[recorded_name(n, i) for i, n in enumerate(passed_over, 1)]]
        )
    return Scored(finished, total, bound, facts, first_ids, doubted, column_map)
