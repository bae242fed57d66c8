"""A list scored, from files to a file: the scored table and its run record appear together, whole, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial as part_of
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from popstrat.core.files import Outputs, writing
from popstrat.core.hashing import HASH, hash_file
from popstrat.core.progress import Progress
from popstrat.core.rerun import Making, pack_named, read_record, record_path, refuse_other
from popstrat.errors import InputError, RunError
from popstrat.formats import Sink, Source, check_target, ending, open_sink
from popstrat.formats.pipeline import HashBehind, WriteBehind
from popstrat.packs.column_map import NO_MAP, ColumnMap
from popstrat.packs.patient_table import KEY_COLUMNS, PLACE_COLUMNS
from popstrat.runs.clock import Clock
from popstrat.runs.earlier import counts_of, earlier_run
from popstrat.runs.file_record import file_record
from popstrat.runs.host import hash_ahead
from popstrat.runs.input_files import InputFile, Reading, agreed_schema, open_inputs
from popstrat.runs.record import Record, reconcile, to_json
from popstrat.runs.score_files import Besides, ListCounts, score_files
from popstrat.scoring.attribution import as_text
from popstrat.scoring.scorer import Scorer

KEYS = (*KEY_COLUMNS, *PLACE_COLUMNS)
"""The columns of the scored table that come as they were given, and lead it."""

_BEHIND = 3
T = TypeVar("T")


def run_score(
    inputs: Sequence[str | Path] | Source,
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
    force: bool = False,
    previous: Path | None = None,
    besides: Besides | None = None,
    partition_by: str | None = None,
) -> Record:
    """Score the input files (or what is open already) into ``output`` and ``<output>.run.json``; return the run record.

    Both files appear, complete, or neither does. ``threads`` defaults to all cores; ``batch_rows`` is the size of
    a batch, which changes nothing in the output. ``options`` are the command's options, for the record. ``audit_log``
    gets a line before the outputs get their names; if it cannot be written, they do not appear. An output that is there
    is replaced if its record shows the same command, as-of date and pack, or with ``force``. ``previous`` is the run
    record of an earlier run, to hold the counts against; without it that of the output that is replaced is.
    ``besides`` adds columns behind the scored ones. With ``partition_by`` the output is a folder of Parquet files, the
    rows of one value of that column in a folder of its own, and the record is ``_run.json`` in it.
    Raises `InputError` for whatever is wrong with the input, the mapping or the output's place, `RunError` if
    rows do not reconcile, ``OSError`` if the output cannot be written to the end.
    """
    output, clock = Path(output), Clock()
    hash_ahead()
    reading = Reading.given(mapping, encoding, threads, batch_rows)
    earlier = None if previous is None else earlier_run(previous)
    with clock.timed("open"):
        files = open_inputs(inputs, scorer, reading, besides=() if besides is None else besides.columns_needed)
    sources = [f.source.path for f in files]
    schema = agreed_schema(files) if besides is None else _with_fields(agreed_schema(files), besides.schema)
    if audit_log is not None:
        _ready_to_audit(audit_log, [*sources, output])
    making = Making("score", scorer.as_of.isoformat(), pack_named(scorer.pack_record))

    def record_of(counts: ListCounts, replaced: Mapping[str, Any] | None, **written: Any) -> Record:
        return file_record(
            "score",
            scorer,
            files,
            counts,
            reading,
            clock,
            options=options,
            earlier=earlier or counts_of(replaced),
            imd_release=imd_release,
            **written,
        )

    if partition_by is not None:
        from popstrat.runs.score_folder import score_into_folder  # start-up: mostly the output is a file

        def write_into(folder: Path, column: str) -> tuple[ListCounts, dict[str, Any]]:
            return _write_partitions(files, folder, column, schema, output, reading, clock, progress, besides)

        return score_into_folder(
            output, partition_by, schema, sources, making, force, write_into, record_of, _audited(audit_log)
        )
    check_target(output, sources)
    record_file = record_path(output)
    with writing(output), Outputs() as outputs:
        partial = outputs.add(output)
        record_partial = outputs.add(record_file)
        replaced = read_record(record_file)
        refuse_other([output, record_file], making, replaced, force, own=[record_file])
        counts, written = _write_scored(files, partial, schema, output, reading, clock, progress, besides)
        record = record_of(counts, replaced, output=written)
        record_partial.write_text(to_json(record), encoding="utf-8")
        _audited(audit_log)(
            outputs.commit, record, {**written, HASH: None if audit_log is None else hash_file(partial)}
        )
    return record


def _write_scored(
    files: Sequence[InputFile],
    partial: Path,
    schema: pa.Schema,
    output: Path,
    reading: Reading,
    clock: Clock,
    progress: Progress | None,
    besides: Besides | None,
) -> tuple[ListCounts, Record]:
    """Score the files into ``partial``, which is to be called ``output``: what was counted, and what was written."""
    sink = open_sink(
        partial,
        schema,
        form=ending(output),
        keys=KEYS,
        encoding=reading.encoding,
        threads=reading.threads,
        lists_as_text=as_text,
    )
    with HashBehind(partial) as hashed:
        counts, content = _through(sink, files, output, reading, clock, progress, besides, hashed.finish)
    size = partial.stat().st_size
    if size != hashed.bytes:
        raise RunError("internal error: the output was not written from its beginning to its end")
    return counts, {"name": output.name, "rows": sink.rows, "bytes": size, HASH: content}


def _write_partitions(
    files: Sequence[InputFile],
    folder: Path,
    column: str,
    schema: pa.Schema,
    output: Path,
    reading: Reading,
    clock: Clock,
    progress: Progress | None,
    besides: Besides | None,
) -> tuple[ListCounts, dict[str, Any]]:
    """As `_write_scored`, into a folder: what was counted, and each file that was written."""
    from popstrat.formats.partitions import PartitionedSink  # start-up

    def opened(path: Path, of_file: pa.Schema) -> Sink:
        return open_sink(path, of_file, form=path.suffix, keys=KEYS, threads=1, lists_as_text=as_text)

    sink = PartitionedSink(folder, schema, column, ".parquet", opened)
    counts, files_made = _through(sink, files, output, reading, clock, progress, besides, lambda: sink.files)
    return counts, files_made


def _through(
    sink: Sink,
    files: Sequence[InputFile],
    output: Path,
    reading: Reading,
    clock: Clock,
    progress: Progress | None,
    besides: Besides | None,
    finish: Callable[[], T],
) -> tuple[ListCounts, T]:
    """Score the files into a sink and close it: what was counted, and what ``finish`` then gives."""
    try:
        with WriteBehind(sink.write, _BEHIND) as writer:
            counts = score_files(
                files, writer.put, reading, clock, progress=progress, spill_dir=output.parent, besides=besides
            )
            with clock.timed("write"):
                writer.finish()
                sink.close()
                found = finish()
        clock.seconds["write"] += writer.busy
    except BaseException:
        sink.abort()
        raise
    reconcile(counts.tally, counts.rows, sink.rows)
    return counts, found


def _with_fields(schema: pa.Schema, more: pa.Schema) -> pa.Schema:
    """A schema with other fields behind it. Raises `InputError` if a pack writes a column of such a name."""
    twice = next((name for name in more.names if name in schema.names), None)
    if twice is not None:
        raise InputError("is a column of the pack, and of the reasons that are asked for", column=twice)
    return pa.schema([*schema, *more], metadata=schema.metadata)


def _ready_to_audit(log: Path, files: Sequence[Path]) -> None:
    """Raise `InputError` now if the log would refuse the line after the work is done."""
    from popstrat.privacy import audit_log  # here and below, because a run without a log need not wait for it

    audit_log.check_fields("score", {"files": [f.name for f in files]})
    audit_log.ready(log, files)


def _audited(log: Path | None) -> Callable[[Callable[[], None], Record, Mapping[str, Any]], None]:
    """How outputs get their names (``commit``): after a line in the audit log, if there is one, that says what they
    are: of the output as a record tells of it the name, the rows and the hash."""
    return part_of(_commit_audited, log)


def _commit_audited(log: Path | None, commit: Callable[[], None], record: Record, output: Mapping[str, Any]) -> None:
    if log is None:
        commit()
        return
    from popstrat.privacy import audit_log

    pack, rows = record["pack"], record["rows"]
    audit_log.append(
        log,
        "score",
        profile=record["profile"],
        as_of=record["as_of"],
        pack={"id": pack["id"], "version": str(pack["version"]), HASH: pack[HASH]},
        inputs=[{k: i[k] for k in ("name", "rows", HASH)} for i in record["inputs"]],
        rows={k: rows[k] for k in ("in", "out", "excluded")},
        excluded=rows["excluded_by_reason"],
        output={k: output[k] for k in ("name", "rows", HASH)},
    )
    try:
        commit()
    except BaseException:
        audit_log.append(log, "score-failed", output={"name": output["name"]})
        raise
