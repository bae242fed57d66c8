"""File to file: read, check, score, write, record.

A reader thread, the scoring (on as many threads as asked for) and a writer thread work at the same time, with short
queues between them, so that memory is bounded and rows keep their order. Each row in is a row out or is excluded for a
named reason; anything else is an internal error.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from popstrat import record as records
from popstrat.errors import InputError
from popstrat.ids import IdBatch, UniqueIds
from popstrat.io import FileSource, Outputs, Source, check_target, open_sink, open_source
from popstrat.io.pipeline import ReadAhead, WriteBehind
from popstrat.io.sources import BATCH_ROWS
from popstrat.mapping import NO_MAP, ColumnMap, MapPlan
from popstrat.record import Record
from popstrat.schema import Column, patient_schema

if TYPE_CHECKING:
    from popstrat.scorer import BoundScorer, Scorer, Tally

Progress = Callable[[int, int | None], None]
"""Called with the rows done so far and the rows in all (None where that is not known)."""

STALE_DAYS = 45
ID = "patient_id"
_AHEAD, _BEHIND = 3, 3


class RunError(RuntimeError):
    """The run went wrong in a way that neither the input nor the arguments explain (exit status 1)."""


@dataclass(frozen=True)
class _File:
    """An input file, how to read it and the scorer bound to it."""

    source: FileSource
    plan: MapPlan
    columns: tuple[str, ...]  # ours, those that are read
    bound: BoundScorer


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
) -> Record:
    """Score the input files into ``output`` and ``<output>.run.json``, and return the run record.

    Both files appear, complete, or neither does. ``threads`` defaults to all cores; ``batch_rows`` is the size of
    a batch, which changes nothing in the output. ``options`` are the command's options, for the record.
    Raises `InputError` for whatever is wrong with the input, the mapping or the output's place, `RunError` if rows do
    not reconcile, ``OSError`` if the output cannot be written to the end.
    """
    output = Path(output)
    run = _Run(scorer, mapping, threads, encoding, batch_rows)
    source, files = run.open(inputs)
    check_target(output, [f.path for f in source.files])
    schema = _agreed_schema(files)
    keys = [n for n in schema.names if all(n in f.plan.schema(f.source.schema).names for f in files)]
    record_path = output.with_name(output.name + ".run.json")
    with Outputs() as outputs:
        partial = outputs.add(output)
        record_partial = outputs.add(record_path)
        sink = open_sink(partial, schema, form=output.suffix, keys=keys, encoding=encoding)
        try:
            with WriteBehind(sink.write, _BEHIND) as writer:
                run.over(
                    files, lambda bound, data, n: bound.score(data, threads=n), writer.put, progress, output.parent
                )
                run.finish_ids(files)
                with run.timed("write"):
                    writer.finish()
                    sink.close()
            run.seconds["write"] += writer.busy
        except BaseException:
            sink.abort()
            raise
        _reconcile(run.tally, run.rows, sink.rows)
        record = run.record("score", files, imd_release=imd_release, options=options)
        record["output"] = {"name": output.name, "rows": sink.rows, "bytes": partial.stat().st_size}
        record_partial.write_text(records.to_json(record), encoding="utf-8")
        outputs.commit()
    return record


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
    run = _Run(scorer, mapping, threads, encoding, batch_rows, every_column=True)
    _, files = run.open(inputs)
    run.over(files, _check_batch, lambda batch: None, progress, None)
    run.finish_ids(files)
    record = run.record("check", files, imd_release=None, options=options)
    for name in ("groups", "means"):
        del record[name]
    return record


def _check_batch(bound: BoundScorer, data: pa.RecordBatch, threads: int) -> tuple[pa.RecordBatch, Tally]:
    """Contract and plausibility of a batch (the seam for a check that does not score)."""
    check: Callable[..., Tally] | None = getattr(bound, "check", None)
    return (data, check(data, threads=threads)) if check else bound.score(data, threads=threads)


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
        every_column: bool = False,
    ) -> None:
        from popstrat.scorer import Tally

        self.scorer, self.mapping, self.encoding = scorer, mapping, encoding
        self.threads = threads or _cores()
        self.batch_rows = batch_rows or int(os.environ.get("POPSTRAT_BATCH_ROWS", BATCH_ROWS))
        self.every_column = every_column
        self.known = known_columns(scorer)
        self.started, self._start = records.utc_now(), time.perf_counter()
        self.tally = Tally()
        self.rows = 0
        self.rows_by_file: list[int] = []
        self.hashes: list[Future[str]] = []
        self.seconds: dict[str, float] = dict.fromkeys(("open", "read", "ids", "score", "write", "hash"), 0.0)
        self.ids: UniqueIds | None = None

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
        try:
            bound = self.scorer.bind(whole)
        except InputError as error:
            raise error.located(file.name) from None
        wanted = self.known if self.every_column else self.scorer.columns
        columns = tuple(c for c in wanted if c in whole.names)
        return _File(file, plan, columns, bound)

    def over(
        self,
        files: Sequence[_File],
        work: Callable[[BoundScorer, pa.RecordBatch, int], tuple[pa.RecordBatch, Tally]],
        put: Callable[[pa.RecordBatch], None],
        progress: Progress | None,
        spill_dir: Path | None,
    ) -> None:
        """Read every file, check its ids, do the work and pass the results on, in order."""
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
                    try:
                        with self.timed("score"):
                            scored, tally = work(file.bound, batch.data, self.threads)
                    except InputError as error:
                        raise error.located(file.source.name, batch.first_row) from None
                    self.tally = self.tally + tally
                    self.rows += batch.data.num_rows
                    self.rows_by_file[batch.file] += batch.data.num_rows
                    put(scored)
                    if progress is not None:
                        progress(self.rows, total)
            self.seconds["read"] += batches.busy
            for future in self.hashes:
                future.result()
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
            self.ids.finish(lambda: self._reread_ids(files))

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
                    raise error.located(file.source.name, row) from None
                yield _Batch(i, row, data)
                row += batch.num_rows
            if file.source.rows not in (None, row):
                raise InputError("does not hold as many rows as it says", file=file.source.name)

    def _reread_ids(self, files: Sequence[_File]) -> Iterable[IdBatch]:
        for i, file in enumerate(files):
            row = 0
            for batch in file.source.batches([file.plan.sources[ID]], batch_rows=self.batch_rows):
                yield IdBatch(batch.column(0), i, row)
                row += batch.num_rows

    def record(
        self, command: str, files: Sequence[_File], *, imd_release: str | None, options: Mapping[str, Any] | None
    ) -> Record:
        """The run record, without the output."""
        scorer, tally = self.scorer, self.tally
        counted = records.counts(tally)
        warnings = []
        if tally.newest_date is not None and (days := (scorer.as_of - tally.newest_date).days) > STALE_DAYS:
            warnings.append(
                f"the newest record date is {tally.newest_date.isoformat()}, {days} days before the as-of date: "
                "is this extract stale?"
            )
        notices = [*scorer.notices, *_distinct(n for f in files for n in f.bound.notices)]
        notices += [
            f"column {name!r} of the input gives way to the one mapped onto that name"
            for name in _distinct(h for f in files for h in f.plan.hidden)
        ]
        total = time.perf_counter() - self._start
        return {
            "record_version": records.RECORD_VERSION,
            "command": command,
            "program": records.program(),
            "pack": dict(scorer.pack_record),
            "as_of": scorer.as_of.isoformat(),
            "profile": scorer.profile,
            "imd_release": imd_release,
            "options": dict(options or {}),
            "inputs": [
                {
                    "name": f.source.path.name,
                    "format": f.source.format,
                    "rows": rows,
                    "bytes": f.source.bytes,
                    records.HASH: hashed.result(),
                }
                for f, rows, hashed in zip(files, self.rows_by_file, self.hashes, strict=True)
            ],
            "mapping": {"name": Path(self.mapping.name).name, "sha256": self.mapping.sha256, **self.mapping.content}
            if self.mapping.content
            else None,
            **counted,
            "quality_bits": dict(scorer.quality_bits),
            "ids": {"checked": self.rows, "ascending": self.ids is not None and self.ids.in_passing},
            "notices": notices,
            "warnings": warnings,
            "ignored_columns": _distinct(c for f in files for c in f.bound.ignored),
            "started": self.started,
            "finished": records.utc_now(),
            "seconds": {"total": round(total, 4), **{k: round(v, 4) for k, v in self.seconds.items()}},
            "rows_per_second": round(self.rows / total) if total > 0 else None,
            "threads": self.threads,
            "peak_memory_bytes": records.peak_memory(),
            "host": records.host(),
        }


def known_columns(scorer: Scorer) -> Mapping[str, Column]:
    """The columns of the patient table, those of the scorer's pack among them."""
    schema = getattr(scorer, "schema", None) or patient_schema()
    columns: Mapping[str, Column] = schema.columns
    return columns


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
        for field in other:
            expected = first.field(field.name).type
            if _family(field.type) != _family(expected):
                raise InputError(
                    f"is {field.type}, but {expected} in {files[0].source.name}",
                    column=field.name,
                    file=file.source.name,
                )
    return first


def _family(kind: pa.DataType) -> str:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "text"
    return "integer" if pa.types.is_integer(kind) else str(kind)


def _reconcile(tally: Tally, read: int, written: int) -> None:
    excluded = sum(tally.excluded.values())
    if not (tally.rows_in == read and tally.rows_out == written and read == written + excluded):
        raise RunError(
            f"internal error: {read:,} rows read ({tally.rows_in:,} scored), {written:,} written, {excluded:,} excluded"
        )


class _Timer:
    """Adds the time spent in a ``with`` block to a stage."""

    def __init__(self, seconds: dict[str, float], stage: str) -> None:
        self._seconds, self._stage, self._start = seconds, stage, 0.0

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, *exc: object) -> None:
        self._seconds[self._stage] += time.perf_counter() - self._start


def _distinct(items: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(items))


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1
