"""File to file: read, check, score, write, record.

A reader thread, the scoring (on as many threads as asked for) and a writer thread work at the same time, with short
queues between them, so that memory is bounded and rows keep their order. Each row in is a row out or is excluded for a
named reason; anything else is an internal error.
"""

from __future__ import annotations

import datetime as dt
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from popstrat import record as records
from popstrat.core.cpus import cores
from popstrat.core.files import Outputs, writing
from popstrat.core.lazy import compute as pc
from popstrat.core.progress import Progress
from popstrat.errors import InputError
from popstrat.formats import BATCH_ROWS, FileSource, Source, check_target, open_sink, open_source
from popstrat.formats.pipeline import HashBehind, ReadAhead, WriteBehind
from popstrat.mapping import NO_MAP, ColumnMap, MapPlan
from popstrat.quality import disorder_remarks, refuse_disorder
from popstrat.record import Record
from popstrat.schema import Column
from popstrat.scoring.attribution import as_text
from popstrat.scoring.bound import BoundScorer
from popstrat.scoring.columns import plan as bind_columns
from popstrat.scoring.completeness import Completeness, Facts
from popstrat.scoring.kept_columns import KEY_COLUMNS, PLACE_COLUMNS
from popstrat.scoring.scorer import Scorer
from popstrat.scoring.tally import Tally
from popstrat.scoring.unique_ids import IdBatch, UniqueIds

"""Called with the rows done so far and the rows in all (None where that is not known)."""

ID = "patient_id"
KEYS = (*KEY_COLUMNS, *PLACE_COLUMNS)
_AHEAD, _BEHIND = 3, 3


@dataclass(frozen=True)
class _File:
    """An input file, how to read it, the scorer bound to it, and what is found out of it while it is read."""

    source: FileSource
    plan: MapPlan
    columns: tuple[str, ...]  # ours, those that are read
    bound: BoundScorer
    ignored: tuple[str, ...]
    completeness: Completeness
    disorder: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def facts(self) -> Facts:
        return self.completeness.facts(self.source.path.name)


@dataclass(frozen=True)
class _Batch:
    file: int
    first_row: int
    data: pa.RecordBatch


def run_score(
    inputs: Sequence[str | Path],
    output: str | Path,
    scorer: Scorer,
    *,
    mapping: ColumnMap = NO_MAP,
    threads: int | None = None,
    progress: Progress | None = None,
    imd_release: str | None = None,
    encoding: str = "utf-8",
    batch_rows: int | None = None,
    options: Mapping[str, Any] | None = None,
    audit_log: Path | None = None,
) -> Record:
    """Score the input files into ``output`` and ``<output>.run.json``, and return the run record.

    Both files appear, complete, or neither does. ``threads`` defaults to all cores; ``batch_rows`` is the size of
    a batch, which changes nothing in the output. ``options`` are the command's options, for the record. ``audit_log``
    gets a line before the outputs get their names; if it cannot be written, they do not appear.
    Raises `InputError` for whatever is wrong with the input, the mapping or the output's place, `record.RunError` if
    rows do not reconcile, ``OSError`` if the output cannot be written to the end.
    """
    output = Path(output)
    run = _Run(scorer, mapping, threads, encoding, batch_rows)
    source, files = run.open(inputs)
    check_target(output, [f.path for f in source.files])
    schema = _agreed_schema(files)
    if audit_log is not None:
        _ready_to_audit(audit_log, [*(f.path for f in source.files), output])
    record_path = output.with_name(output.name + ".run.json")
    with writing(output), Outputs() as outputs:
        partial = outputs.add(output)
        record_partial = outputs.add(record_path)
        sink = open_sink(
            partial,
            schema,
            form=output.suffix,
            keys=KEYS,
            encoding=encoding,
            threads=run.threads,
            lists_as_text=as_text,
        )
        try:
            with HashBehind(partial) as hashed, WriteBehind(sink.write, _BEHIND) as writer:
                run.over(files, writer.put, progress, output.parent)
                run.finish_ids(files)
                with run.timed("write"):
                    writer.finish()
                    sink.close()
                    content = hashed.finish()
            run.seconds["write"] += writer.busy
        except BaseException:
            sink.abort()
            raise
        records.reconcile(run.tally, run.rows, sink.rows)
        size = partial.stat().st_size
        if size != hashed.bytes:
            raise records.RunError("internal error: the output was not written from its beginning to its end")
        written = {"name": output.name, "rows": sink.rows, "bytes": size, records.HASH: content}
        record = run.record("score", files, options=options, imd_release=imd_release, output=written)
        record_partial.write_text(records.to_json(record), encoding="utf-8")
        if audit_log is None:
            outputs.commit()
        else:
            _commit_audited(outputs, audit_log, record, partial)
    return record


def _ready_to_audit(log: Path, files: Sequence[Path]) -> None:
    """Raise `InputError` now if the log would refuse the line after the work is done."""
    from popstrat.privacy import audit_log as audit

    audit.check_fields("score", {"files": [f.name for f in files]})
    audit.ready(log, files)


def _commit_audited(outputs: Outputs, log: Path, record: Record, scored: Path) -> None:
    """Give the outputs their names after a line in the audit log that says what they are."""
    from popstrat.privacy import audit_log as audit

    pack, rows = record["pack"], record["rows"]
    audit.append(
        log,
        "score",
        profile=record["profile"],
        as_of=record["as_of"],
        pack={"id": pack["id"], "version": str(pack["version"]), records.HASH: pack[records.HASH]},
        inputs=[{k: i[k] for k in ("name", "rows", records.HASH)} for i in record["inputs"]],
        rows={k: rows[k] for k in ("in", "out", "excluded")},
        excluded=rows["excluded_by_reason"],
        output={k: record["output"][k] for k in ("name", "rows")} | {records.HASH: records.hash_file(scored)},
    )
    try:
        outputs.commit(fsync=True)
    except BaseException:
        audit.append(log, "score-failed", output={"name": record["output"]["name"]})
        raise


def run_check(
    inputs: Sequence[str | Path],
    scorer: Scorer,
    *,
    mapping: ColumnMap = NO_MAP,
    threads: int | None = None,
    progress: Progress | None = None,
    encoding: str = "utf-8",
    batch_rows: int | None = None,
    options: Mapping[str, Any] | None = None,
) -> Record:
    """Check the input files against the contract, every known column of them, and return a record without groups.

    Nothing is written. Raises `InputError` as `run_score` does.
    """
    run = _Run(scorer, mapping, threads, encoding, batch_rows, check_only=True)
    _, files = run.open(inputs)
    run.over(files, lambda batch: None, progress, None)
    run.finish_ids(files)
    record = run.record("check", files, options=options)
    for name in ("groups", "means"):
        del record[name]
    return record


def run_through(
    inputs: Sequence[str | Path],
    scorer: Scorer,
    put: Callable[[pa.RecordBatch], None],
    *,
    mapping: ColumnMap = NO_MAP,
    threads: int | None = None,
    progress: Progress | None = None,
    encoding: str = "utf-8",
) -> Record:
    """Score the input files and hand every scored batch to ``put``, in order; nothing is written. Gives the record.

    Raises `InputError` as `run_score` does.
    """
    run = _Run(scorer, mapping, threads, encoding, None)
    _, files = run.open(inputs)
    _agreed_schema(files)
    run.over(files, put, progress, None)
    run.finish_ids(files)
    return run.record("fit", files, options=None)


class _Run:
    """What scoring and checking share: the files, the counts, the clock."""

    def __init__(
        self,
        scorer: Scorer,
        mapping: ColumnMap,
        threads: int | None,
        encoding: str,
        batch_rows: int | None,
        *,
        check_only: bool = False,
    ) -> None:
        self.scorer, self.mapping, self.encoding = scorer, mapping, encoding
        self.threads = threads or cores()
        self.batch_rows = batch_rows or int(os.environ.get("POPSTRAT_BATCH_ROWS", BATCH_ROWS))
        self.check_only = check_only
        self.known = known_columns(scorer)
        self.started, self._start = dt.datetime.now(dt.UTC), time.perf_counter()
        self.tally = Tally()
        self.rows = 0
        self.rows_by_file: list[int] = []
        self.hashes: list[Future[str]] = []
        self.seconds: dict[str, float] = dict.fromkeys(("total", "open", "read", "ids", "score", "write", "hash"), 0.0)
        self.ids: UniqueIds | None = None
        self.first_ids: pa.Array | None = None

    def timed(self, stage: str) -> _Timer:
        return _Timer(self.seconds, stage)

    def open(self, inputs: Sequence[str | Path]) -> tuple[Source, list[_File]]:
        """Open and bind every file."""
        with self.timed("open"):
            pa.set_cpu_count(self.threads)
            source = open_source(
                inputs,
                kinds=lambda theirs: self.mapping.kind(theirs, self.known),
                encoding=self.encoding,
                threads=self.threads,
            )
            files = [self._bind(file) for file in source.files]
        self.rows_by_file = [0] * len(files)
        return source, files

    def _bind(self, file: FileSource) -> _File:
        plan = self.mapping.plan(file.schema.names, self.known)
        whole = plan.schema(file.schema)
        # What the table must have is read even where no rule asks for it.
        births = {c for k in self.known.values() if k.completed_years_since for c in (k.completed_years_since, k.name)}
        needed = {*self.scorer.columns, *(c.name for c in self.known.values() if c.required)}
        needed |= set() if births & needed else births
        columns = tuple(c for c in self.known if c in whole.names and (self.check_only or c in needed))
        try:
            # Look at every column for what is missing or repeated, then bind those that are read.
            bind_columns(whole, self.scorer.pack.schema, ())
            bind = self.scorer.checker if self.check_only else self.scorer.bind
            bound = bind(pa.schema([whole.field(c) for c in columns]))
        except InputError as error:
            raise _placed(error, plan, file.name) from None
        ignored = tuple(n for n in whole.names if n not in self.known)
        return _File(file, plan, columns, bound, ignored, bound.completeness())

    def over(
        self,
        files: Sequence[_File],
        put: Callable[[pa.RecordBatch], None],
        progress: Progress | None,
        spill_dir: Path | None,
    ) -> None:
        """Read every file, check its ids, score (or check) it and pass the results on, in order."""
        known = [f.source.rows for f in files if f.source.rows is not None]
        total = sum(known) if len(known) == len(files) else None
        self.ids = UniqueIds(files=[f.source.name for f in files], spill_dir=spill_dir)
        side = ThreadPoolExecutor(1, thread_name_prefix="popstrat-hash")
        stop = threading.Event()
        try:
            self.hashes = [side.submit(self._hash, f.source.path, stop) for f in files]
            with ReadAhead(self._batches(files), _AHEAD) as batches:
                for batch in batches:
                    file = files[batch.file]
                    with self.timed("ids"):
                        column = batch.data.column(batch.data.schema.get_field_index(ID))
                        self.ids.add(IdBatch(column, batch.file, batch.first_row))
                        if self.first_ids is None:
                            self.first_ids = column.slice(0, 1000)
                    try:
                        with self.timed("score"):
                            scored, tally = file.bound.score(batch.data, threads=self.threads)
                    except InputError as error:
                        raise _placed(error, file.plan, file.source.name, batch.first_row) from None
                    self.tally = self.tally + tally
                    file.completeness.look(batch.data)
                    for name, counts in tally.disorder.items():
                        found = file.disorder.setdefault(name, dict.fromkeys(counts, 0))
                        for what, count in counts.items():
                            found[what] += count
                    self.rows += batch.data.num_rows
                    self.rows_by_file[batch.file] += batch.data.num_rows
                    put(scored)
                    if progress is not None:
                        progress(self.rows, total)
            self.seconds["read"] += batches.busy
            for file, future in zip(files, self.hashes, strict=True):
                future.result()
                file.source.check_unchanged()
                try:
                    refuse_disorder(file.disorder, self.scorer.pack.schema)
                except InputError as error:
                    raise _placed(error, file.plan, file.source.name) from None
        except BaseException:
            self.ids.close()
            raise
        finally:
            stop.set()
            side.shutdown(cancel_futures=True)

    def finish_ids(self, files: Sequence[_File]) -> None:
        """The verdict on the ids; reads them again only if they were not ascending and something looks repeated."""
        assert self.ids is not None
        with self.ids, self.timed("ids"):
            self.ids.finish(lambda: self.reread_ids(files))

    def _hash(self, path: Path, stop: threading.Event) -> str:
        with self.timed("hash"):
            return records.hash_file(path, stop.is_set)

    def _batches(self, files: Sequence[_File]) -> Iterator[_Batch]:
        for i, file in enumerate(files):
            row = 0
            for batch in file.source.batches(file.plan.wanted(file.columns), batch_rows=self.batch_rows):
                try:
                    data = file.plan.apply(batch, file.columns)
                except InputError as error:
                    raise _placed(error, file.plan, file.source.name, row) from None
                yield _Batch(i, row, data)
                row += batch.num_rows
            if file.source.rows not in (None, row):
                raise InputError("does not hold as many rows as it says", file=file.source.name)

    def reread_ids(self, files: Sequence[_File]) -> Iterable[IdBatch]:
        for i, file in enumerate(files):
            row = 0
            for batch in file.source.batches([file.plan.sources[ID]], batch_rows=self.batch_rows):
                yield IdBatch(batch.column(0), i, row)
                row += batch.num_rows

    def record(self, command: str, files: Sequence[_File], *, options: Mapping[str, Any] | None, **more: Any) -> Record:
        """The run record, with whatever ``more`` belongs in it."""
        hidden = dict.fromkeys(h for f in files for h in f.plan.hidden)
        self.seconds["total"] = time.perf_counter() - self._start
        inputs = [
            {
                "name": f.source.path.name,
                "format": f.source.format,
                "rows": rows,
                "bytes": f.source.bytes,
                records.HASH: hashed.result(),
            }
            for f, rows, hashed in zip(files, self.rows_by_file, self.hashes, strict=True)
        ]
        mapping = self.mapping
        facts = [f.facts for f in files]
        schema = self.scorer.pack.schema
        disorder = [
            remark
            for f in files
            for remark in disorder_remarks(f.disorder, schema, f" in {f.source.path.name}" if len(files) > 1 else "")
        ]
        return records.assemble(
            self.scorer,
            self.tally,
            command=command,
            notices=[
                *(n for f in files for n in f.bound.notices),
                *(f"column {name!r} of the input gives way to the one mapped onto that name" for name in hidden),
            ],
            warnings=records.doubts(self.scorer, self.tally, facts, disorder, self.first_ids),
            ignored=[c for f in files for c in f.ignored],
            started=self.started,
            seconds=self.seconds,
            threads=self.threads,
            options=dict(options or {}),
            inputs=inputs,
            **records.lacking(facts),
            mapping={"name": Path(mapping.name).name, "sha256": mapping.sha256, **mapping.content}
            if mapping.content
            else None,
            ids={"checked": self.rows, "ascending": self.ids is not None and self.ids.in_passing},
            **more,
        )


def find_patient(
    inputs: Sequence[str | Path],
    patient: str,
    scorer: Scorer,
    *,
    mapping: ColumnMap = NO_MAP,
    encoding: str = "utf-8",
) -> pa.Table:
    """The row of one patient as a table of one row: the columns that the scorer reads, under our names.

    Raises `InputError` if nobody has that id; the message does not repeat it.
    """
    run = _Run(scorer, mapping, 1, encoding, None)
    _, files = run.open(inputs)
    for batch in run.reread_ids(files):
        row = _position(batch.ids, patient)
        if row is None:
            continue
        file, row, first = files[batch.file], batch.first_row + row, 0
        for data in file.source.batches(file.plan.wanted(file.columns), batch_rows=run.batch_rows):
            if row < data.num_rows:
                try:
                    found = file.plan.apply(data.slice(row, 1), file.columns)
                    file.bound.refuse_flags(found)
                except InputError as error:
                    raise _placed(error, file.plan, file.source.name, first + row) from None
                return pa.Table.from_batches([found])
            row, first = row - data.num_rows, first + data.num_rows
    raise InputError("no row has the id asked for", column=ID, file=files[0].source.name if len(files) == 1 else None)


def _position(ids: pa.Array, patient: str) -> int | None:
    """Where an id is in a column of ids of any type."""
    if pa.types.is_integer(ids.type):
        try:
            wanted = pa.scalar(int(patient), pa.int64())
        except (ValueError, OverflowError, pa.ArrowInvalid):
            return None
        at = pc.index(ids.cast(pa.int64(), safe=False), wanted).as_py()
    else:
        at = pc.index(ids.cast(pa.large_string()), pa.scalar(patient, pa.large_string())).as_py()
    return None if at < 0 else int(at)


def known_tables(
    inputs: Sequence[str | Path], known: Mapping[str, Column], *, encoding: str = "utf-8"
) -> Iterator[pa.Table]:
    """The files' batches as tables of those of their columns that are ``known``."""
    source = open_source(inputs, kinds=lambda n: known[n].type if n in known else None, encoding=encoding)
    for file in source.files:
        for batch in file.batches([n for n in file.schema.names if n in known]):
            yield pa.Table.from_batches([batch])


def known_columns(scorer: Scorer) -> Mapping[str, Column]:
    """The columns of the patient table, those of the scorer's pack among them."""
    return scorer.pack.schema.columns


def _agreed_schema(files: Sequence[_File]) -> pa.Schema:
    """The output schema, which every file must lead to. Raises `InputError` naming the file and the column."""
    first = files[0].bound.output_schema
    for file in files[1:]:
        other = file.bound.output_schema
        for here, there, lacks in ((first, other, file), (other, first, files[0])):
            missing = next((n for n in here.names if n not in there.names), None)
            if missing:
                has = files[0] if lacks is file else file
                raise InputError(f"is absent, but {has.source.name} has it", column=missing, file=lacks.source.name)
        for one in other:
            expected = first.field(one.name).type
            if _family(one.type) != _family(expected):
                raise InputError(
                    f"is {one.type}, but {expected} in {files[0].source.name}",
                    column=one.name,
                    file=file.source.name,
                )
    return first


def _family(kind: pa.DataType) -> str:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "text"
    return "integer" if pa.types.is_integer(kind) else str(kind)


def _placed(error: InputError, plan: MapPlan, file: str, first_row: int = 0) -> InputError:
    """The error with its place in the file, and the file's own name for a column that is mapped."""
    theirs = plan.sources.get(error.column or "")
    if theirs is not None and theirs != error.column:
        problem = f"{error.problem} (mapped from {theirs!r})"
        error = InputError(problem, column=error.column, rows=error.rows, more=error.more, file=error.file)
    return error.located(file, first_row)


class _Timer:
    """Adds the time spent in a ``with`` block to a stage."""

    def __init__(self, seconds: dict[str, float], stage: str) -> None:
        self._seconds, self._stage, self._start = seconds, stage, 0.0

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, *exc: object) -> None:
        self._seconds[self._stage] += time.perf_counter() - self._start
