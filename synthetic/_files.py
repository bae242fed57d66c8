"""The body of ``popstrat synth``: a synthetic list, and what else was asked for beside it, all or nothing."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from popstrat import synthetic
from popstrat.core.files import Outputs, writing
from popstrat.core.progress import Progress
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
) -> list[Path]:
    """Write the list, with ``dirty`` a second one with repeated ids, with ``outcomes`` next year's outcomes, and with
    ``lookup`` whose ids they are: NHS numbers that are never issued.

    Returns the files. Outcomes are those of the clean list: what a dirty record says is not what happens to people.
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
        taken = [*targets, *(t for t in (outcomes,) if t is not None and what == "lookup")]
        if beside.resolve() in {t.resolve() for t in taken}:
            raise InputError(f"another file of this run has this name; choose another for the {what}", file=str(beside))
    batches = synthetic.generate(patients, **given, dirty=dirty, threads=threads)
    with Outputs() as outputs:
        with contextlib.ExitStack() as stack:
            put = stack.enter_context(_writing(outputs, output, synthetic.schema(), encoding))
            if outcomes is None or dirty:
                for batch in _counted(batches, patients, progress):
                    put(batch)
            if outcomes is not None:
                if dirty:
                    clean = synthetic.generate(patients, **given, threads=threads)
                else:
                    clean = _passing(_counted(batches, patients, progress), put)
                tell = stack.enter_context(_writing(outputs, outcomes, synthetic.OUTCOME_SCHEMA, encoding))
                for batch in synthetic.outcome_batches(clean, seed=seed, as_of=as_of):
                    tell(batch)
                targets.append(outcomes)
        if dirty:
            with _writing(outputs, targets[1], synthetic.schema(), encoding) as put:
                for batch in synthetic.duplicate_ids(patients, **given):
                    put(batch)
        if lookup is not None:
            with _writing(outputs, lookup, synthetic.lookup_schema(), encoding) as put:
                for batch in synthetic.lookup(patients, **given, dirty=dirty):
                    put(batch)
            targets.append(lookup)
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
    outputs: Outputs, target: Path, schema: pa.Schema, encoding: str
) -> Iterator[Callable[[pa.RecordBatch], None]]:
    """Takes batches for ``target``, written by a thread of its own; complete when the block is left in peace."""
    keys = [
        f.name
        for f in schema
        if f.name == "patient_id" or str(f.type).startswith("dictionary<values=string, indices=int32")
    ]
    sink = open_sink(outputs.add(target), schema, form=target.suffix, keys=keys, encoding=encoding)
    try:
        with writing(target), WriteBehind(sink.write, _AHEAD) as writer:
            yield writer.put
            writer.finish()
            sink.close()
    except BaseException:
        sink.abort()
        raise
