"""A list checked against the contract: every column that popstrat knows, nothing scored, nothing written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from popstrat.core.progress import Progress
from popstrat.errors import InputError
from popstrat.packs.column_map import NO_MAP, ColumnMap
from popstrat.runs.clock import Clock
from popstrat.runs.earlier import earlier_run
from popstrat.runs.faults import every_fault
from popstrat.runs.file_record import file_record
from popstrat.runs.input_files import Reading, open_inputs
from popstrat.runs.record import Record
from popstrat.runs.score_files import score_files
from popstrat.scoring.data_quality import DataQuality
from popstrat.scoring.scorer import Scorer


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
    previous: Path | None = None,
    quality: bool = False,
) -> Record:
    """Check the input files against the contract, every known column of them, and return a record without groups.

    Nothing is written. With ``quality`` the record also tells how well the columns are filled, and which practices
    stand out (key ``data_quality``). ``previous`` is the run record of an earlier run, to hold the counts against.
    Raises `InputError` as `score.run_score` does, but with every fault there is (`FaultsError`), each with all the rows
    it holds of counted.
    """
    clock, reading = Clock(), Reading.given(mapping, encoding, threads, batch_rows)
    earlier = None if previous is None else earlier_run(previous)
    try:
        with clock.timed("open"):
            files = open_inputs(inputs, scorer, reading, check_only=True)
        filling = DataQuality([f.bound for f in files]) if quality else None
        counts = score_files(
            files, lambda batch: None, reading, clock, progress=progress, look=filling.look if filling else None
        )
    except InputError as error:
        raise every_fault(inputs, scorer, reading, error) from None
    record = file_record("check", scorer, files, counts, reading, clock, options=options, earlier=earlier)
    for name in ("groups", "means", "readings"):  # nothing was scored
        del record[name]
    known = list(scorer.pack.schema.columns)
    there = [{*f.plan.sources, *f.plan.map.const} for f in files]
    record["present_columns"] = [c for c in known if all(c in names for names in there)]
    if len(files) > 1:
        for of_file, names in zip(record["inputs"], there, strict=True):
            of_file["present_columns"] = [c for c in known if c in names]
    return record | ({"data_quality": filling.report(counts.tally, scorer.as_of)} if filling else {})
