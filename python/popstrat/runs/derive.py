"""A coded record derived, from files to a file: the patient table and its run record appear together or not at all."""

from __future__ import annotations

import datetime as dt
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, overload

import pyarrow as pa

from popstrat.core.dates import as_of_date
from popstrat.core.files import Outputs, writing
from popstrat.core.hashing import HASH
from popstrat.core.progress import Progress
from popstrat.core.rerun import Making, pack_named, read_record, record_path, refuse_other
from popstrat.deriving.derivation import CodedRecord, Derivation, Paths, described, open_record
from popstrat.deriving.spec import DEFAULT_SPEC
from popstrat.errors import DataWarning, RunError
from popstrat.formats import Source, check_target, ending, open_sink
from popstrat.formats.pipeline import HashBehind, WriteBehind
from popstrat.packs import DEFAULT_PACK
from popstrat.packs.patient_table import KEY_COLUMNS, PLACE_COLUMNS
from popstrat.runs.clock import Clock
from popstrat.runs.derived_list import DerivedList, in_any_order
from popstrat.runs.file_record import file_record
from popstrat.runs.input_files import InputFile, Reading, open_inputs
from popstrat.runs.record import Record, to_json
from popstrat.runs.score_files import ListCounts, score_files
from popstrat.scoring.data_quality import DataQuality
from popstrat.scoring.scorer import Scorer, kept_scorer

Files = str | Path | Paths

_BEHIND = 3
_OF_A_SCORER = ("profile", "groups", "means", "readings", "models", "quality_bits", "mapping", "ignored_columns")


def run_derive(
    given: CodedRecord,
    output: str | Path,
    checker: Scorer,
    *,
    threads: int | None = None,
    progress: Progress | None = None,
    encoding: str = "utf-8",
    options: Mapping[str, Any] | None = None,
    quality: Path | None = None,
    page: tuple[Path, Callable[[Record], str]] | None = None,
    force: bool = False,
) -> Record:
    """Derive the patient table of a coded record into ``output`` and ``<output>.run.json``; return the run record.

    The table is checked in passing as ``popstrat check`` checks a list, by ``checker``, whose as-of date it is that of.
    ``encoding`` is that of a CSV output; ``quality`` also gets the data quality, as JSON, and ``page`` (a file, and
    what makes its text of the record) a page. All files appear, complete, or none does. Raises `InputError` for
    whatever is wrong with the input or the output's place, `PackError` for the specification, ``OSError`` if the output
    cannot be written to the end.
    """
    output, clock = Path(output), Clock()
    reading = Reading(encoding=encoding) if threads is None else Reading(encoding=encoding, threads=threads)
    with clock.timed("open"):
        derivation = open_record(given, checker.as_of, threads=reading.threads, spill_dir=output.parent)
    check_target(output, [path for rows in derivation.rows.values() for path in rows.paths])
    record_file = record_path(output)
    with writing(output), Outputs() as outputs:
        partial = outputs.add(output)
        record_partial = outputs.add(record_file)
        written: dict[Path, Callable[[Record], str]] = {}
        if quality is not None:
            written[quality] = lambda record: to_json(record["data_quality"])
        if page is not None:
            written[page[0]] = page[1]
        more = list(written)
        more_partial = [outputs.add(path) for path in more]
        making = Making("derive", checker.as_of.isoformat(), pack_named(derivation.features.record))
        refuse_other([output, record_file], making, read_record(record_file), force, own=[record_file])
        refuse_other(more, making, read_record(record_file), force)
        record = in_any_order(
            derivation,
            lambda: _write(derivation, partial, output, checker, reading, clock, progress, options),
        )
        texts = [make(record).encode() for make in written.values()]
        for path, text in zip(more_partial, texts, strict=True):
            path.write_bytes(text)
        if more:  # so that a run again knows them from files of somebody else
            named = zip(more, texts, strict=True)
            record["outputs"] = [{"name": path.name, "bytes": len(text)} for path, text in named]
        record_partial.write_text(to_json(record), encoding="utf-8")
        outputs.commit()
    return record


def _write(
    derivation: Derivation,
    partial: Path,
    output: Path,
    checker: Scorer,
    reading: Reading,
    clock: Clock,
    progress: Progress | None,
    options: Mapping[str, Any] | None,
) -> Record:
    """Derive into ``partial``, which is to be called ``output``, and return the record."""
    schema = derivation.schema
    keys = (*KEY_COLUMNS, *PLACE_COLUMNS)
    sink = open_sink(
        partial, schema, form=ending(output), keys=keys, encoding=reading.encoding, threads=reading.threads
    )  # fmt: skip
    try:
        with HashBehind(partial) as hashed, WriteBehind(sink.write, _BEHIND) as writer:
            files, counts, quality = _read(derivation, writer.put, checker, reading, clock, progress, output.parent)
            with clock.timed("write"):
                writer.finish()
                sink.close()
                content = hashed.finish()
        clock.seconds["write"] += writer.busy
    except BaseException:
        sink.abort()
        raise
    if sink.rows != derivation.people.table.num_rows or counts.rows != sink.rows:
        raise RunError(f"internal error: {counts.rows:,} people derived, {sink.rows:,} written")
    written = {"name": output.name, "rows": sink.rows, "bytes": partial.stat().st_size, HASH: content}
    return _record(derivation, checker, files, counts, quality, reading, clock, options, written)


def _read(
    derivation: Derivation,
    put: Callable[[pa.RecordBatch], None],
    checker: Scorer,
    reading: Reading,
    clock: Clock,
    progress: Progress | None,
    spill_dir: Path,
) -> tuple[list[InputFile], ListCounts, DataQuality]:
    """Derive, hand each batch to ``put``, and check it in passing."""
    files = open_inputs(Source([DerivedList(derivation, put)]), checker, reading, check_only=True)
    quality = DataQuality([f.bound for f in files])
    counts = score_files(
        files, lambda batch: None, reading, clock, progress=progress, spill_dir=spill_dir, look=quality.look
    )
    return files, counts, quality


def _record(
    derivation: Derivation,
    checker: Scorer,
    files: list[InputFile],
    counts: ListCounts,
    quality: DataQuality,
    reading: Reading,
    clock: Clock,
    options: Mapping[str, Any] | None,
    written: Record | None,
) -> Record:
    more: dict[str, Any] = {} if written is None else {"output": written}
    found = file_record("derive", checker, files, counts, reading, clock, options=options, **more)
    for name in _OF_A_SCORER:  # nothing was scored
        found.pop(name, None)
    said = described(derivation)
    found["pack"] = said.pop("specification")
    found["inputs"] = [{"table": name, **file} for name, of in said.pop("files").items() for file in of]
    found["warnings"] = [*derivation.warnings(), *found["warnings"]]
    found["notices"] = [*derivation.notices(), *(n for n in found["notices"] if n not in checker.notices)]
    found["derived"] = said
    found["data_quality"] = quality.report(counts.tally, checker.as_of)
    return found


@overload
def derive(
    *, patients: Files, registrations: Files, events: Files, codelists: str | Path, medications: Files = ...,
    activity: Files = ..., layout: str | Path = ..., spec: str | Path = ..., as_of: str | dt.date | None = ...,
    threads: int | None = ..., encoding: str | None = ..., allow_missing_lists: bool = ...,
    record: Literal[False] = ...,
) -> pa.Table: ...  # fmt: skip
@overload
def derive(
    *, patients: Files, registrations: Files, events: Files, codelists: str | Path, medications: Files = ...,
    activity: Files = ..., layout: str | Path = ..., spec: str | Path = ..., as_of: str | dt.date | None = ...,
    threads: int | None = ..., encoding: str | None = ..., allow_missing_lists: bool = ...,
    record: Literal[True],
) -> tuple[pa.Table, Record]: ...  # fmt: skip
@overload
def derive(
    *, patients: Files, registrations: Files, events: Files, codelists: str | Path, medications: Files = ...,
    activity: Files = ..., layout: str | Path = ..., spec: str | Path = ..., as_of: str | dt.date | None = ...,
    threads: int | None = ..., encoding: str | None = ..., allow_missing_lists: bool = ...,
    record: bool,
) -> pa.Table | tuple[pa.Table, Record]: ...  # fmt: skip


def derive(
    *,
    patients: Files,
    registrations: Files,
    events: Files,
    codelists: str | Path,
    medications: Files = (),
    activity: Files = (),
    layout: str | Path = "canonical",
    spec: str | Path = DEFAULT_SPEC,
    as_of: str | dt.date | None = None,
    threads: int | None = None,
    encoding: str | None = None,
    allow_missing_lists: bool = False,
    record: bool = False,
) -> pa.Table | tuple[pa.Table, Record]:
    """The patient table, derived from a coded record.

    Args:
        patients, registrations, events, medications, activity: the files of each table: a path, or several. Folders
            and patterns work too.
        codelists: the folder of the code lists.
        layout: how the files are laid out: the name of a built-in layout, or the path of a TOML file.
        spec: the feature specification: the name of a built-in one, or the path of a TOML file.
        as_of: ISO text or a date; if None, today, with an `AsOfWarning`.
        threads: how many threads to use; None means all cores.
        encoding: the encoding of CSV files; if None, what the layout says.
        allow_missing_lists: if a code list is missing, leave the features that need it null (flags: false).
        record: also return the run record, as a dict.

    Returns:
        One row for each person who is registered and alive, ascending by ``patient_id``, with the columns that the
        specification derives; with ``record=True`` a pair of this table and the run record. `popstrat.score` takes the
        table.

    Raises:
        InputError: a file or a code list is wrong. PackError: the specification is wrong.

    Warns (`popstrat.DataWarning`) like ``popstrat derive``.

    >>> import datetime as dt, pathlib, tempfile
    >>> import popstrat
    >>> from popstrat import synthetic
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     files = pathlib.Path(folder)
    ...     _ = synthetic.write_coded_record(files, 300, seed=1, as_of=dt.date(2026, 6, 30), plain=True)
    ...     people = popstrat.derive(
    ...         patients=files / "patients.parquet",
    ...         registrations=files / "registrations.parquet",
    ...         events=files / "events.parquet",
    ...         medications=files / "medications.parquet",
    ...         activity=files / "activity.parquet",
    ...         codelists=files / "codelists",
    ...         as_of="2026-06-30",
    ...     )
    >>> people.num_rows
    300
    """
    clock = Clock()
    reading = Reading() if threads is None else Reading(threads=threads)
    checker = kept_scorer(DEFAULT_PACK, as_of_date(as_of), "direct-care", None)
    given = CodedRecord(
        _several(patients), _several(registrations), _several(events), codelists, _several(medications),
        _several(activity), layout, spec, encoding, allow_missing_lists,
    )  # fmt: skip
    with clock.timed("open"), tempfile.TemporaryDirectory(prefix="popstrat-") as folder:
        derivation = open_record(given, checker.as_of, threads=reading.threads, spill_dir=Path(folder))
        batches: list[pa.RecordBatch] = []

        def read() -> tuple[list[InputFile], ListCounts, DataQuality]:
            batches.clear()
            return _read(derivation, batches.append, checker, reading, clock, None, Path(folder))

        files, counts, quality = in_any_order(derivation, read)
    made = _record(derivation, checker, files, counts, quality, reading, clock, None, None)
    for warning in made["warnings"]:
        warnings.warn(warning, DataWarning, stacklevel=2)
    table = pa.Table.from_batches(batches, schema=derivation.schema)
    return (table, made) if record else table


def _several(files: Files) -> Paths:
    return [files] if isinstance(files, str | Path) else files
