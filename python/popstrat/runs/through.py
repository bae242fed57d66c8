"""A list scored for somebody who takes the scored batches as they come, such as fitting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa

from popstrat.core.progress import Progress
from popstrat.packs.column_map import NO_MAP, ColumnMap
from popstrat.runs.clock import Clock
from popstrat.runs.file_record import file_record
from popstrat.runs.input_files import Reading, agreed_schema, open_inputs
from popstrat.runs.record import Record
from popstrat.runs.score_files import score_files
from popstrat.scoring.scorer import Scorer


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

    Raises `InputError` as `score.run_score` does.
    """
    clock, reading = Clock(), Reading.given(mapping, encoding, threads)
    with clock.timed("open"):
        files = open_inputs(inputs, scorer, reading)
    agreed_schema(files)
    counts = score_files(files, put, reading, clock, progress=progress)
    return file_record("fit", scorer, files, counts, reading, clock, options=None)
