"""Figures from the files of a list to a file: the table and its run record appear together, whole, or not at all."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from popstrat.core.files import Outputs, writing
from popstrat.core.hashing import HASH, hash_file
from popstrat.core.progress import Progress, enter
from popstrat.core.rerun import Making, pack_named, read_record, record_path, refuse_other
from popstrat.errors import InputError
from popstrat.formats import check_target, ending, open_sink
from popstrat.metrics.figures import Areas, Metric
from popstrat.metrics.people import PeopleCount
from popstrat.metrics.released import released
from popstrat.metrics.request import Request
from popstrat.metrics.rows import LEVELS
from popstrat.packs.column_map import NO_MAP, ColumnMap
from popstrat.runs.clock import Clock
from popstrat.runs.earlier import counts_of
from popstrat.runs.file_record import file_record
from popstrat.runs.input_files import InputFile, Reading, agreed_schema, open_inputs
from popstrat.runs.record import Record, reconcile, to_json
from popstrat.runs.score_files import ListCounts, score_files
from popstrat.scoring.scorer import Scorer

COMMAND = "metrics"
NO_EARLIER = "no earlier releases were given (--history), so whether a withheld count follows from them was not checked"
_OF_PEOPLE = (
    "rows", "groups", "means", "readings", "models", "quality", "disorder", "ids", "recorded", "recorded_by_file",
    "newest_record_date", "rows_per_second", "warnings", "absent_columns", "empty_columns",
)  # fmt: skip
"""What a run record tells of the people of a list, exactly: not beside figures whose disclosure is controlled."""
_OF_FILES = ("rows", "bytes")


def run_metrics(
    inputs: Sequence[str | Path],
    output: str | Path,
    scorer: Scorer,
    request: Request,
    *,
    mapping: ColumnMap = NO_MAP,
    threads: int | None = None,
    progress: Progress | None = None,
    encoding: str = "utf-8",
    batch_rows: int | None = None,
    options: Mapping[str, Any] | None = None,
    force: bool = False,
) -> Record:
    """Count the people of the input files and write the figures to ``output`` and ``<output>.run.json``; no row is of a
    person. Gives the record of the run with all that it counted; the one written leaves out what would tell of few
    people, unless disclosure is not controlled.

    ``scorer`` is `Request.scorer`'s. Neither ``threads`` nor ``batch_rows`` change anything in the output. Raises
    `InputError` for whatever is wrong with the input or the output's place, ``OSError`` if it cannot be written.
    """
    output, clock = Path(output), Clock()
    reading = Reading.given(mapping, encoding, threads, batch_rows)
    with clock.timed("open"):
        files = open_inputs(inputs, scorer, reading)
    beside = (request.previous, request.caseload, request.plan)
    check_target(output, [*(f.source.path for f in files), *(path for path in beside if path is not None)])
    agreed_schema(files)
    record_file = record_path(output)
    with writing(output), Outputs() as outputs:
        partial, record_partial = outputs.add(output), outputs.add(record_file)
        making = Making(COMMAND, scorer.as_of.isoformat(), pack_named(scorer.pack_record))
        replaced = read_record(record_file)
        refuse_other([output, record_file], making, replaced, force, own=[record_file])
        people = PeopleCount(request, scorer, reading.threads, encoding)
        counts = _counted(files, people, reading, clock, progress, output.parent)
        clock.seconds["control"] = 0.0
        enter(progress, "Disclosure control")
        with clock.timed("control"):
            made, figures = released(people, scorer, request, encoding, reading.threads)
        enter(progress, "Writing")
        with clock.timed("write"):
            _write(made.rows, partial, ending(output), encoding)
        record = file_record(
            COMMAND,
            scorer,
            files,
            counts,
            reading,
            clock,
            options=options,
            earlier=counts_of(replaced),
            output={
                "name": output.name,
                "rows": made.rows.num_rows,
                "bytes": partial.stat().st_size,
                HASH: hash_file(partial),
            },
            disclosure_control=request.controlled,
            disclosure=made.disclosure,
            areas={level.value: len(figures.areas.names(level)) for level in LEVELS},
            figures={
                "rows": made.rows.num_rows,
                "withheld": made.rows["suppressed"].to_pylist().count(True),
                "without_value": made.rows["value"].null_count,
            },
            metrics=[_told(metric) for metric in figures.metrics],
            practices=_within(figures.areas),
        )
        unheld = [NO_EARLIER] if request.controlled and request.history is None else []
        record["notices"] = list(dict.fromkeys([*record["notices"], *people.notices, *made.notices, *unheld]))
        known = [*scorer.notices, *made.notices, *unheld]
        shown = public(record, known) if request.controlled else record
        record_partial.write_text(to_json(shown), encoding="utf-8")
        outputs.commit()
    return record


def public(record: Record, known: Collection[str] = ()) -> Record:
    """A record without what it tells of the people of the list: of its notices those that are ``known`` beforehand, and
    others that hold no number."""
    found = {key: value for key, value in record.items() if key not in _OF_PEOPLE}
    found["inputs"] = [{k: v for k, v in one.items() if k not in _OF_FILES} for one in record.get("inputs", ())]
    found["notices"] = [n for n in record["notices"] if n in known or not any(map(str.isdigit, n))]
    return found


def _counted(
    files: Sequence[InputFile],
    people: PeopleCount,
    reading: Reading,
    clock: Clock,
    progress: Progress | None,
    folder: Path,
) -> ListCounts:
    """Everybody counted in one pass."""

    def add(scored: pa.RecordBatch) -> None:
        with clock.timed("count"):
            people.add(scored)

    clock.seconds["count"] = 0.0
    try:
        counts = score_files(files, add, reading, clock, progress=progress, spill_dir=folder)
    except InputError as error:
        raise (error.located(files[0].source.name) if len(files) == 1 else error) from None
    out = sum(found.tally.rows_out for found in counts.files)
    reconcile(counts.tally, counts.rows, out)
    return counts


def _write(rows: pa.Table, partial: Path, suffix: str, encoding: str) -> None:
    sink = open_sink(partial, rows.schema, form=suffix, encoding=encoding)
    try:
        for batch in rows.combine_chunks().to_batches():
            sink.write(batch)
        sink.close()
    except BaseException:
        sink.abort()
        raise


def _within(areas: Areas) -> Record:
    """In which PCN, neighbourhood and place each practice is, None for none: `parent` tells of one of them alone."""
    above = zip(areas.practices, areas.pcn, areas.neighbourhood, areas.place, strict=True)
    return {code: {"pcn": pcn, "neighbourhood": near, "place": place} for code, pcn, near, place in above}


def _told(metric: Metric) -> Record:
    """What the record says of a metric, so that whoever shows the figures needs no pack."""
    return {
        "id": metric.id, "title": metric.title, "version": metric.version, "measure": str(metric.measure),
        "cohort": metric.cohort, "good": metric.good, "target": metric.target, "source": metric.source,
        "caveat": metric.caveat, "reason": metric.reason, "means": metric.means, "assumption": metric.assumption,
        "numerator": metric.counted, "denominator": metric.of,
    }  # fmt: skip
