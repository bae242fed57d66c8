"""What the driver does: the calls of `popstrat.spark`. DataFrames come in, and go out unevaluated."""

from __future__ import annotations

import datetime as dt
import pickle
import re
import secrets
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any, Literal, Unpack, overload

import pyarrow as pa

from popstrat.errors import DataWarning, InputError, RunError
from popstrat.metrics.people import PeopleCount
from popstrat.metrics.released import released
from popstrat.metrics.request import DEFAULT_PACK as METRICS_PACK
from popstrat.metrics.request import Request, groupings_of, levels_of
from popstrat.packs.column_map import MapPlan
from popstrat.packs.pack import Pack
from popstrat.packs.patient_table import ID, OPT_OUTS
from popstrat.packs.plausibility import refuse_disorder
from popstrat.platforms.on_spark.ids import BUCKET, HASHES, PLACES, REPEATED, IdReader, WhereIds, repeated
from popstrat.platforms.on_spark.partitions import (
    FOUND,
    NOTHING,
    Carried,
    CountPartition,
    Found,
    LookPartition,
    PickRows,
    ScorePartition,
)
from popstrat.platforms.on_spark.types import ddl, for_spark, of_spark, quoted
from popstrat.runs.in_memory import Setting
from popstrat.runs.record import Record, reconcile
from popstrat.runs.table_record import memory_record
from popstrat.scoring.completeness import facts
from popstrat.scoring.mapped import needs_plan, plan_of
from popstrat.scoring.opt_outs import OptOutsSaid
from popstrat.scoring.scorer import Scorer

DataFrame = Any
"""Spark's; that library has no types of its own for both of its clients."""

_BESIDES = pa.schema([(FOUND, pa.binary()), (BUCKET, pa.int32()), (HASHES, pa.binary())])
_KEPT = "_popstrat_kept"
_LOOKED_AT = 1000


@overload
def score(
    df: DataFrame, as_of: str | dt.date | None = ..., *, record: Literal[False] = ..., check_ids: bool = ...,
    **setting: Unpack[Setting],
) -> DataFrame: ...  # fmt: skip
@overload
def score(
    df: DataFrame, as_of: str | dt.date | None = ..., *, record: Literal[True], check_ids: bool = ...,
    **setting: Unpack[Setting],
) -> tuple[DataFrame, Record]: ...  # fmt: skip
@overload
def score(
    df: DataFrame, as_of: str | dt.date | None = ..., *, record: bool, check_ids: bool = ...,
    **setting: Unpack[Setting],
) -> DataFrame | tuple[DataFrame, Record]: ...  # fmt: skip


def score(
    df: DataFrame,
    as_of: str | dt.date | None = None,
    *,
    record: bool = False,
    check_ids: bool = True,
    **setting: Unpack[Setting],
) -> DataFrame | tuple[DataFrame, Record]:
    """Score a list that is a Spark DataFrame, on its executors.

    Args:
        df: one row for each patient, with the columns of the patient table. Only the columns that scoring needs leave
            the JVM.
        as_of, pack, profile, contributions, mapping: as for `popstrat.score`.
        record: also count, and return the run record as a dict. Everything is then scored at once, and Spark keeps the
            scored rows (as with ``persist``) until `release`.
        check_ids: compare the ids of all partitions first, in one pass over the column of ids. Give False if you have
            checked them already. The ids of a stream are not compared.

    Returns:
        The scored DataFrame, unevaluated, with rows in the order of each partition. Labels are text, and numbers have
        Spark's types (``smallint`` for ``uint8``, ``bigint`` for ``quality_flags``). With ``record=True`` a pair of it
        and the run record.

    Raises:
        InputError: a column is missing or has a type that cannot be read, an id is null or occurs twice, or an option
            is wrong. PackError: the pack is wrong. RunError: the rows out are not the rows in, for example because the
            DataFrame gives different rows each time. A fault in other values ends the job that finds it. The message
            has the partition, the column and the first rows, and never an id.
    """
    started = dt.datetime.now(dt.UTC)
    scorer = Scorer(as_of=as_of, **setting)
    job = _Job.of(df, scorer)
    streams = bool(getattr(df, "isStreaming", False))
    if record and streams:
        raise InputError("record=True counts a list that ends, and the DataFrame is a stream")
    if not record:
        if not streams and (check_ids or scorer.profile == "secondary-use"):
            job.look(check_ids)
        return job.scored(counted=False)
    return job.recorded(started, check_ids)


def metrics(
    df: DataFrame,
    as_of: str | dt.date | None = None,
    *,
    pack: str | Path | Pack = METRICS_PACK,
    profile: str = "direct-care",
    levels: Sequence[str] = (),
    group_by: Sequence[str] = (),
    metrics: Sequence[str] = (),
    history: str | Path | None = None,
    plan: str | Path | None = None,
    disclosure_control: bool = True,
    mapping: str | Path | Mapping[str, Any] | None = None,
    check_ids: bool = True,
) -> pa.Table:
    """Figures by area of a list that is a Spark DataFrame. People are scored and counted on its executors, and only
    counts by practice and group leave them.

    Args:
        df: one row for each patient, as for `score`.
        as_of: ISO text or a date; if None, today.
        pack: the pack whose metrics are counted.
        levels, group_by, metrics, history, plan, disclosure_control, mapping: as for
            `popstrat.metrics.in_memory.table`; its ``caseload`` and ``previous`` are of people, and for one machine.
        check_ids: as for `score`; they are compared in the same pass.

    Returns:
        The table of figures (`popstrat.metrics.rows.SCHEMA`), the same as on one machine.

    Raises the same as `score`, and `InputError` for a practice in two areas of one level.
    Warns (`popstrat.DataWarning`) of what makes the figures doubtful.
    """
    request = Request(
        levels_of(levels), groupings_of(group_by), tuple(metrics) or None,
        history=None if history is None else Path(history), plan=None if plan is None else Path(plan),
        controlled=disclosure_control,
    )  # fmt: skip
    scorer = request.scorer(pack, as_of, profile, mapping)
    found = _Job.of(df, scorer).counted(request, check_ids)
    people = PeopleCount(request, scorer, 1)
    for counted in found.counted:
        people.take(counted)
    made, _ = released(people, scorer, request)
    for doubt in [*people.notices, *made.notices]:
        warnings.warn(doubt, DataWarning, stacklevel=2)
    return made.rows


def rows(df: DataFrame, partition: int, rows: Sequence[int]) -> DataFrame:
    """The rows of a DataFrame that a message names: rows of one partition, counted from 1.

    Its partitions are what they were as long as it is read as before; after a shuffle, `persist` it first.
    """
    wanted = tuple(sorted(row - 1 for row in rows))
    return df.mapInArrow(PickRows(partition, wanted), df.schema)


def release(scored: DataFrame) -> None:
    """Let Spark drop the rows that it keeps for a DataFrame from `score` with a record. You can still use the
    DataFrame; it is then scored again."""
    kept = scored.__dict__.pop(_KEPT, None)
    if kept is not None:
        kept.unpersist()


@dataclass(frozen=True)
class _Job:
    """A list and what scores it."""

    df: DataFrame
    """With the columns that are read."""
    scorer: Scorer
    given: pa.Schema
    """Of all columns; those that are not read have no type."""
    plan: MapPlan | None
    token: str

    @staticmethod
    def of(df: DataFrame, scorer: Scorer) -> _Job:
        """Raises `InputError` for what the columns' names and types tell."""
        fields = [(str(field.name), field.dataType.simpleString()) for field in df.schema.fields]
        names = [name for name, _ in fields]
        wanted, known = scorer.wanted(), scorer.pack.schema
        plan = None
        if scorer.mapping is not None or needs_plan(names, None, known.columns):
            plan = plan_of(names, scorer.mapping, known)
            ours = known.columns if scorer.mapping is not None else wanted.columns
            read = {*plan.wanted([name for name in plan.sources if name in ours])}
        else:
            read = {name for name in names if wanted.reads(name)}
        if twice := next((name for name in names if name in read and names.count(name) > 1), None):
            raise InputError("two columns have this name", column=twice)
        kinds = []
        for name, told in fields:
            kind = of_spark(told) if name in read else pa.null()
            if kind is None:
                raise InputError(f"is of Spark's type {told}, which cannot be read", column=name)
            kinds.append((name, kind))
        some = df.select([quoted(name) for name in names if name in read])
        return _Job(some, scorer, pa.schema(kinds), plan, secrets.token_hex(16))

    def scored(self, *, counted: bool) -> DataFrame:
        """The scored list, unevaluated; ``counted``, with what was counted in rows of their own."""
        schema = self._schema()
        if counted:
            schema = pa.schema([*schema, *_BESIDES])
        return self._mapped(ScorePartition(Carried.of(self.scorer, self.token), schema, counted, self._key()), schema)

    def look(self, check_ids: bool) -> None:
        """Compare the ids of all partitions, and see whether anybody has opted out where that matters."""
        some, made = self._of_ids()
        found = some.mapInArrow(made, ddl(_BESIDES.names, _BESIDES.types))
        parts = found.persist()
        with _as_input_errors():
            try:
                reports = _collected(parts)
                self._refuse(reports)
                if check_ids:
                    self._refuse_repeated(parts)
            finally:
                parts.unpersist()

    def counted(self, request: Request, check_ids: bool) -> Found:
        """Everybody counted in one pass."""
        self._schema()  # raises for what is missing
        made = CountPartition(Carried.of(self.scorer, self.token), request, _BESIDES, self._key())
        parts = self._mapped(made, _BESIDES).persist()
        with _as_input_errors():
            try:
                found = _collected(parts)
                self._refuse(found)
                if check_ids:
                    self._refuse_repeated(parts)
            finally:
                parts.unpersist()
        reconcile(found.tally, sum(n for n, _ in found.rows.values()), sum(n for _, n in found.rows.values()))
        refuse_disorder(found.tally.disorder, self.scorer.pack.schema)
        return found

    def recorded(self, started: dt.datetime, check_ids: bool) -> tuple[DataFrame, Record]:
        """The scored list, worked out and kept, and its record."""
        bound = self.scorer.bind(self.scorer.planned(self.given))
        whole = self.scored(counted=True).persist()
        with _as_input_errors():
            try:
                found = _collected(whole)
                self._refuse(found)
                if check_ids:
                    self._refuse_repeated(whole)
                refuse_disorder(found.tally.disorder, self.scorer.pack.schema)
                names = self._schema().names
                out = whole.where(f"{quoted(FOUND)} is null and {quoted(BUCKET)} is null").select(
                    list(map(quoted, names))
                )
                self._reconcile(found, out)
                first_ids = out.select(ID).limit(_LOOKED_AT)
                ids = pa.array([row[0] for row in first_ids.collect()], self._schema().field(ID).type)
            except BaseException:
                whole.unpersist()
                raise
        some = facts("", found.tally, bound.absent, found.people, self.scorer.pack.schema)  # type: ignore[arg-type]
        made = memory_record(
            self.scorer, bound, found.tally, some, ids, None,
            converted=() if self.scorer.mapping is None else self.scorer.mapping.units, started=started,
            threads=len(found.rows), command="popstrat.spark.score",
        )  # fmt: skip
        made["partitions"] = {
            "count": len(found.rows), "empty": sum(not rows for rows, _ in found.rows.values()),
            "most_rows": max((rows for rows, _ in found.rows.values()), default=0),
        }  # fmt: skip
        out.__dict__[_KEPT] = whole
        return out, made

    # -- what the calls have in common --

    def _schema(self) -> pa.Schema:
        scored = self.scorer.bind(self.scorer.planned(self.given)).output_schema
        return pa.schema([(field.name, for_spark(field.type)) for field in scored])

    def _key(self) -> int:
        return int(self.token[:16], 16)

    def _mapped(self, made: Any, schema: pa.Schema) -> DataFrame:
        return self.df.mapInArrow(made, ddl(schema.names, schema.types))

    def _of_ids(self) -> tuple[DataFrame, LookPartition]:
        """The columns that tell ids and opt-outs, and what looks at them."""
        secondary = self.scorer.profile == "secondary-use"
        ours = (ID, *OPT_OUTS) if secondary else (ID,)
        self._schema()  # raises for what is missing
        theirs = list(ours) if self.plan is None else self.plan.wanted(list(ours))
        some = self.df.select([quoted(name) for name in theirs])
        return some, LookPartition(IdReader(ours, self.plan), _BESIDES, self._key(), secondary)

    def _refuse(self, found: Found) -> None:
        if self.scorer.profile == "secondary-use":
            said = OptOutsSaid()
            said.hear(sum(rows for rows, _ in found.rows.values()), found.saying)
            said.refuse_silent()

    def _refuse_repeated(self, parts: DataFrame) -> None:
        """Raises `InputError` for an id that occurs twice, naming partitions and rows."""
        buckets = parts.where(f"{quoted(BUCKET)} is not null").select(quoted(BUCKET), quoted(HASHES))
        again = buckets.repartition(buckets[quoted(BUCKET)]).mapInArrow(repeated, ddl(REPEATED.names, REPEATED.types))
        found = again.collect()
        many, hashes = sum(row[0] for row in found), [one for row in found for one in row[1]]
        if not many:
            return
        some, look = self._of_ids()
        where = some.mapInArrow(WhereIds(look.reader, look.key, tuple(hashes)), ddl(PLACES.names, PLACES.types))
        places = where.selectExpr("hash", "id", "struct(partition, row) as place").groupBy("hash", "id")
        rows_of = places.agg({"place": "collect_list"}).drop("id").collect()  # ids stay where they are
        same = [sorted(map(tuple, row[1])) for row in rows_of if len(row[1]) > 1]
        seen = Counter[int]()
        for row in rows_of:
            seen[row[0]] += len(row[1])
        problem = f"{many:,} ids occur more than once" if many > 1 else "an id occurs more than once"
        if same:
            one, other = min((places[:2] for places in same), key=lambda pair: (pair[1], pair[0]))
            told = f"{problem}: row {other[1] + 1:,} of partition {other[0]} repeats row {one[1] + 1:,} of "
            hint = f"popstrat.spark.rows(df, partition={other[0]}, rows=[{other[1] + 1}]) gives the row"
            raise InputError(f"{told}partition {one[0]}", column=ID, hint=hint)
        if any(seen[one] < 2 for one in hashes):  # else different ids have one hash
            hint = "the DataFrame gives other rows each time, so that they cannot be named: persist it first"
            raise InputError(problem, column=ID, hint=hint)

    def _reconcile(self, found: Found, out: DataFrame) -> None:
        """Raises `RunError` unless Spark's own counts of what went in and came out are those of the partitions."""
        reconcile(
            found.tally, sum(rows for rows, _ in found.rows.values()), sum(rows for _, rows in found.rows.values())
        )
        given, written = self.df.count(), out.count()
        if given != found.tally.rows_in:
            raise RunError(
                f"the DataFrame has {given:,} rows now and had {found.tally.rows_in:,} when it was scored: it gives "
                "other rows each time; persist it first"
            )
        if written != found.tally.rows_out:
            raise RunError(f"{found.tally.rows_out:,} rows were scored, and Spark has {written:,} of them")


def _collected(parts: DataFrame) -> Found:
    """What the partitions found, together."""
    reports = parts.where(f"{quoted(FOUND)} is not null").select(quoted(FOUND)).collect()
    return reduce(add, (pickle.loads(bytes(row[0])) for row in reports), NOTHING)


class _as_input_errors:  # noqa: N801 - a context manager
    """What an executor raised of popstrat's own, as that; Spark wraps it in traces of two languages."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> Literal[False]:
        if error is not None and not isinstance(error, InputError | RunError):
            told = re.search(r"^popstrat\.errors\.(?:Input|Faults)Error: (.+)$", str(error), re.MULTILINE)
            if told:
                raise InputError(told[1]) from None
        return False
