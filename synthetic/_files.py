"""The body of ``popstrat synth``: a synthetic list, and what else was asked for beside it, all or nothing."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from popstrat import synthetic
from popstrat.core.files import Outputs
from popstrat.core.hashing import HASH, hash_file
from popstrat.core.progress import Progress
from popstrat.core.rerun import Making, read_record, record_path, refuse_other
from popstrat.core.version import version
from popstrat.errors import InputError
from popstrat.formats import check_target
from popstrat.synthetic._coded_files import (
    CODE_LISTS,
    EVENTS_PER_PATIENT,
    RecordFiles,
    check,
    code_lists,
    coded_slices,
    file_of,
    folder_for,
    slices_of,
    table_files,
)

_RECORD = "synth.run.json"  # in the folder of a coded record


def write_synthetic(
    output: Path | None,
    patients: int,
    *,
    seed: int,
    as_of: dt.date,
    practices: int | None = None,
    dirty: bool = False,
    outcomes: Path | None = None,
    lookup: Path | None = None,
    events: Path | None = None,
    events_per_patient: float | None = None,
    plain: bool = False,
    threads: int | None = None,
    encoding: str = "utf-8",
    progress: Progress | None = None,
    force: bool = False,
) -> list[Path]:
    """Write the list, with ``dirty`` a second one with repeated ids, with ``outcomes`` next year's outcomes, with
    ``lookup`` whose ids they are (NHS numbers that are never issued), and into the folder ``events`` the coded record
    that means the list. ``output`` may be None if there is such a folder.

    Returns the files; the record of them is beside the list, and in the folder that of its own. A file that is there
    is replaced if the record shows a list as of the same date, or with ``force``. Outcomes, lookup and coded record are
    those of the clean list: what a dirty record says is not what happens to people.

    Raises `InputError` if an argument is out of range or a file cannot be written.
    """
    given: dict[str, Any] = {"seed": seed, "as_of": as_of, "practices": practices}
    targets = _targets(output, dirty, outcomes, lookup, events)
    for option, told in (("--plain", plain), ("--events-per-patient", events_per_patient is not None)):
        if told and events is None:
            raise InputError(f"{option} is for the coded record: give --events DIR too")
    events_per_patient = EVENTS_PER_PATIENT if events_per_patient is None else events_per_patient
    check(events_per_patient)
    batches = synthetic.generate(patients, **given, dirty=dirty, threads=threads)
    with contextlib.ExitStack() as folders, Outputs() as outputs:
        in_folder = {} if events is None else _in_folder(events, folders)
        held = {} if output is None else {record_path(output): targets}
        if events is not None:
            held[events / _RECORD] = [*in_folder.values(), *(targets if output is None else ())]
        partials = {target: outputs.add(target) for target in _different([*targets, *in_folder.values(), *held])}
        making = Making("synth", as_of.isoformat())
        for record_file, files in held.items():
            refuse_other([*files, record_file], making, read_record(record_file), force, own=[record_file])
        coded: dict[str, Any] = {}
        with contextlib.ExitStack() as stack:

            def into(target: Path, schema: pa.Schema) -> Callable[[pa.RecordBatch], None]:
                return stack.enter_context(file_of(partials[target], target, schema, encoding))

            rows = _counted(batches, patients, progress)
            if output is not None:
                rows = _passing(rows, into(output, synthetic.schema()))
            if dirty and (outcomes is not None or events is not None):
                deque(rows, 0)
                rows = synthetic.generate(patients, **given, threads=threads)
            if events is not None:
                paths = {
                    name: [(partials[in_folder[file]], in_folder[file]) for file in files]
                    for name, files in table_files().items()
                }
                options = {"plain": plain, "events_per_patient": events_per_patient}
                made = stack.enter_context(
                    RecordFiles(paths, slices=slices_of(patients), encoding=encoding, threads=threads or 1)
                )
                rows = _recording(rows, made, {**options, "seed": seed, "as_of": as_of, "threads": threads})
                coded = {**options, "rows": made.rows, "adjusted": made.adjusted}
            if outcomes is not None:
                tell = into(outcomes, synthetic.OUTCOME_SCHEMA)
                for batch in synthetic.outcome_batches(rows, seed=seed, as_of=as_of):
                    tell(batch)
            else:
                deque(rows, 0)
            if dirty:
                put = into(targets[1], synthetic.schema())
                for batch in synthetic.duplicate_ids(patients, **given):
                    put(batch)
            if lookup is not None:
                put = into(lookup, synthetic.lookup_schema())
                for batch in synthetic.lookup(patients, **given, dirty=dirty):
                    put(batch)
        if events is not None:
            for file, text in code_lists().items():
                partials[in_folder[file]].write_bytes(text.encode())
            coded["adjusted"] = [
                {"column": column, "cells": cells, "reason": why}
                for (column, why), cells in sorted(coded["adjusted"].items())
            ]
        for record_file, files in held.items():
            record = {
                "record_version": 1,
                "command": making.command,
                "program": f"popstrat {version('popstrat') or 'of unknown version'}",
                "as_of": making.as_of,
                "patients": patients,
                "seed": seed,
                "practices": practices,
                "dirty": dirty,
                **({"coded_record": coded} if events is not None and record_file == events / _RECORD else {}),
                "outputs": [
                    {"name": file.name, "bytes": partials[file].stat().st_size, HASH: hash_file(partials[file])}
                    for file in files
                ],
            }
            partials[record_file].write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        outputs.commit()
        folders.pop_all()
    return [*targets, *in_folder.values()]


def _targets(
    output: Path | None, dirty: bool, outcomes: Path | None, lookup: Path | None, events: Path | None
) -> list[Path]:
    """The files outside of the folder of the coded record."""
    if output is None and events is None:
        raise InputError(
            "nothing to write: give a list (-o FILE), a folder for its coded record (--events DIR), or both"
        )
    targets: list[Path] = []
    if output is not None:
        check_target(output)
        targets.append(output)
        if dirty:
            targets.append(output.with_name(f"{output.stem}.duplicates{output.suffix}"))
    elif dirty:
        raise InputError("--dirty puts faults into the list: give -o FILE too")
    for what, beside in (("outcomes", outcomes), ("lookup", lookup)):
        if beside is None:
            continue
        check_target(beside)
        if beside.resolve() in {t.resolve() for t in targets}:
            raise InputError(f"another file of this run has this name; choose another for the {what}", file=str(beside))
        targets.append(beside)
    return targets


def _in_folder(folder: Path, made: contextlib.ExitStack) -> dict[str, Path]:
    """The files of the coded record by name. Makes the folder; ``made`` takes it away again if it stays empty."""
    for place in (folder, folder / CODE_LISTS):
        folder_for(place, made)
    tables = {file: folder / file for files in table_files().values() for file in files}
    return tables | {file: folder / CODE_LISTS / file for file in code_lists()}


def _different(files: list[Path]) -> list[Path]:
    seen: set[Path] = set()
    for file in files:
        if file.resolve() in seen:
            raise InputError("two files of this run would have this name", file=str(file))
        seen.add(file.resolve())
    return files


def _counted(batches: Iterator[pa.RecordBatch], patients: int, progress: Progress | None) -> Iterator[pa.RecordBatch]:
    done = 0
    for batch in batches:
        yield batch
        done += batch.num_rows
        if progress is not None:
            progress(done, patients)


def _passing(batches: Iterable[pa.RecordBatch], put: Callable[[pa.RecordBatch], None]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        put(batch)
        yield batch


def _recording(
    batches: Iterable[pa.RecordBatch], files: RecordFiles, options: Mapping[str, Any]
) -> Iterator[pa.RecordBatch]:
    """The batches again, once the record of the people in them is on its way into the files."""
    seen: deque[pa.RecordBatch] = deque()
    for made in coded_slices(_passing(batches, seen.append), **options):
        files.put(made)
        while seen:
            yield seen.popleft()
    yield from seen
