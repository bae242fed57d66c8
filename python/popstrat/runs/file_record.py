"""The run record of files that were scored or checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from popstrat.core.hashing import HASH, hash_file
from popstrat.core.rerun import read_record, record_path
from popstrat.packs.column_map import ColumnMap, keys_without_rows
from popstrat.packs.keys import notes
from popstrat.runs.clock import Clock
from popstrat.runs.doubts import doubts, filled, leavers, near_misses
from popstrat.runs.input_files import InputFile, Reading
from popstrat.runs.record import Record, assemble
from popstrat.runs.score_files import ListCounts
from popstrat.runs.withheld import without_numbers
from popstrat.scoring.completeness import Earlier
from popstrat.scoring.completeness import facts as facts_of
from popstrat.scoring.scorer import Scorer


def file_record(
    command: str,
    scorer: Scorer,
    files: Sequence[InputFile],
    counts: ListCounts,
    reading: Reading,
    clock: Clock,
    *,
    options: Mapping[str, Any] | None,
    earlier: Earlier | None = None,
    **more: Any,
) -> Record:
    """The run record, with whatever ``more`` belongs in it; the counts are held against those of an ``earlier`` run.
    Stops the clock."""
    clock.stop()
    schema, tally = scorer.pack.schema, counts.tally
    facts = [
        facts_of(f.name, found.tally, f.bound.absent, found.people.by_sex_and_age, schema)
        for f, found in zip(files, counts.files, strict=True)
    ]
    derived = [_derived(f, found.hash) for f, found in zip(files, counts.files, strict=True)]
    return assemble(
        scorer,
        tally,
        command=command,
        notices=[
            *(n for f in files for n in f.bound.notices),
            *(f"{f.name} {n}" for f in files for n in f.source.notes),
            *(n for f in files for n in f.plan.notices()),
            *notes(counts.tally.respelt),
            *(n for f in files for n in leavers(f.ignored)),
            *keys_without_rows([f.plan for f in files], dict.fromkeys(c for f in files for c in f.columns)),
        ],
        warnings=[
            *_of_another_day(scorer, files, derived),
            *(n for f in files for n in f.contradictions()),
            *doubts(scorer, tally, facts, counts.first_ids, earlier, reading.mapping.units),
            *near_misses(scorer, [f.plan.sources for f in files], [f.ignored for f in files]),
        ],
        ignored=[c for f in files for c in f.ignored],
        started=clock.started,
        seconds=clock.seconds,
        threads=reading.threads,
        options=without_numbers(options or {}),
        inputs=[
            {
                "name": without_numbers(f.name),
                "format": f.source.format,
                "rows": found.rows,
                "bytes": f.source.bytes,
                HASH: found.hash,
                **made,
            }
            for f, found, made in zip(files, counts.files, derived, strict=True)
        ],
        mapping=mapping_record(reading.mapping),
        ids={"checked": counts.rows, "ascending": counts.ascending, **_respelt(counts)},
        **filled(facts),
        **more,
    )


def _derived(file: InputFile, content: str) -> Record:
    """How a list was derived: what the source itself says, or the record beside a file that popstrat derived."""
    if said := file.source.described():
        return {"derived": said}
    path = record_path(file.source.path)
    record = read_record(path)
    output = record.get("output") if record is not None and record.get("command") == "derive" else None
    if record is None or not isinstance(output, dict) or output.get(HASH) != content:
        return {}
    pack = record.get("pack")
    told = {k: pack.get(k) for k in ("id", "version", HASH)} if isinstance(pack, dict) else None
    return {"derived": {"specification": told, "as_of": record.get("as_of"), f"record_{HASH}": hash_file(path)}}


def _of_another_day(scorer: Scorer, files: Sequence[InputFile], derived: Sequence[Record]) -> Iterator[str]:
    """A list that was derived as of one day is not the list of another: who is registered, what is current."""
    for file, made in zip(files, derived, strict=True):
        day = made.get("derived", {}).get("as_of")
        if day is not None and day != scorer.as_of.isoformat():
            yield f"{file.name} was derived as of {day}, and is read as of {scorer.as_of}: derive it as of that date"


def _respelt(counts: ListCounts) -> Record:
    """How many rows of which column of keys or codes were written otherwise; nothing where none were."""
    return {"respelt": dict(counts.tally.respelt)} if counts.tally.respelt else {}


def mapping_record(mapping: ColumnMap) -> Record | None:
    """What the record says of a map."""
    if not mapping.content:
        return None
    said = {part: without_numbers(of, names=part == "columns") for part, of in mapping.content.items()}
    return {"name": without_numbers(Path(mapping.name).name), "sha256": mapping.sha256, **said}
