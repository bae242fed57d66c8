"""The body of ``popstrat synth``: a synthetic list, and what else was asked for beside it, all or nothing."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from popstrat import synthetic
from popstrat.core.files import Outputs, writing
from popstrat.core.hashing import HASH, hash_file
from popstrat.core.progress import Progress
from popstrat.core.rerun import Making, read_record, record_path, refuse_other
from popstrat.core.version import version
from popstrat.errors import InputError
from popstrat.formats import check_target, open_sink
from popstrat.formats.pipeline import WriteBehind

_AHEAD = 3


def write_synthetic(
    output: Path,
    patients: int,
    *,
    seed: int,
    as_of: dt.date,
    practices: int | None = None,
    dirty: bool = False,
    outcomes: Path | None = None,
    lookup: Path | None = None,
    threads: int | None = None,
    encoding: str = "utf-8",
    progress: Progress | None = None,
    force: bool = False,
) -> list[Path]:
    """Write the list, with ``dirty`` a second one with repeated ids, with ``outcomes`` next year's outcomes, and with
    ``lookup`` whose ids they are: NHS numbers that are never issued.

    Returns the files; the record of them is beside the list. A file that is there is replaced if the record shows a
    list as of the same date, or with ``force``. Outcomes are those of the clean list: what a dirty record says is not
    what happens to people.
    """
    given: dict[str, Any] = {"seed": seed, "as_of": as_of, "practices": practices}
    targets = [output]
    check_target(output)
    if dirty:
        targets.append(output.with_name(f"{output.stem}.duplicates{output.suffix}"))
    for what, beside in (("outcomes", outcomes), ("lookup", lookup)):
        if beside is None:
            continue
        check_target(beside)
        if beside.resolve() in {t.resolve() for t in targets}:
            raise InputError(f"another file of this run has this name; choose another for the {what}", file=str(beside))
        targets.append(beside)
    record_file = record_path(output)
    batches = synthetic.generate(patients, **given, dirty=dirty, threads=threads)
    with Outputs() as outputs:
        partials = {target: outputs.add(target) for target in targets}
        record_partial = outputs.add(record_file)
        making = Making("synth", as_of.isoformat())
        refuse_other([*targets, record_file], making, read_record(record_file), force, own=[record_file])
        with contextlib.ExitStack() as stack:
            put = stack.enter_context(_writing(partials[output], output, synthetic.schema(), encoding))
            if outcomes is None or dirty:
                for batch in _counted(batches, patients, progress):
                    put(batch)
            if outcomes is not None:
                if dirty:
                    clean = synthetic.generate(patients, **given, threads=threads)
                else:
                    clean = _passing(_counted(batches, patients, progress), put)
                tell = stack.enter_context(_writing(partials[outcomes], outcomes, synthetic.OUTCOME_SCHEMA, encoding))
                for batch in synthetic.outcome_batches(clean, seed=seed, as_of=as_of):
                    tell(batch)
        if dirty:
            with _writing(partials[targets[1]], targets[1], synthetic.schema(), encoding) as put:
                for batch in synthetic.duplicate_ids(patients, **given):
                    put(batch)
        if lookup is not None:
            with _writing(partials[lookup], lookup, synthetic.lookup_schema(), encoding) as put:
                for batch in synthetic.lookup(patients, **given, dirty=dirty):
                    put(batch)
        record = {
            "record_version": 1,
            "command": making.command,
            "program": f"popstrat {version('popstrat') or 'of unknown version'}",
            "as_of": making.as_of,
            "patients": patients,
            "seed": seed,
            "practices": practices,
            "dirty": dirty,
            "outputs": [
                {"name": target.name, "bytes": partial.stat().st_size, HASH: hash_file(partial)}
                for target, partial in partials.items()
            ],
        }
        record_partial.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        outputs.commit()
    return targets


def _counted(batches: Iterator[pa.RecordBatch], patients: int, progress: Progress | None) -> Iterator[pa.RecordBatch]:
    done = 0
    for batch in batches:
        yield batch
        done += batch.num_rows
        if progress is not None:
            progress(done, patients)


def _passing(batches: Iterator[pa.RecordBatch], put: Callable[[pa.RecordBatch], None]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        put(batch)
        yield batch


@contextlib.contextmanager
def _writing(
    partial: Path, target: Path, schema: pa.Schema, encoding: str
) -> Iterator[Callable[[pa.RecordBatch], None]]:
    """Takes batches for ``target``, written by a thread of its own; complete when the block is left in peace."""
    keys = [
        f.name
        for f in schema
        if f.name == "patient_id" or str(f.type).startswith("dictionary<values=string, indices=int32")
    ]
    sink = open_sink(partial, schema, form=target.suffix, keys=keys, encoding=encoding)
    try:
        with writing(target), WriteBehind(sink.write, _AHEAD) as writer:
            yield writer.put
            writer.finish()
            sink.close()
    except BaseException:
        sink.abort()
        raise
