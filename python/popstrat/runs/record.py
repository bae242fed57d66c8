"""The run record: what was run, on what, with what result. A dict that goes to JSON; it holds no patient identifier."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from popstrat.errors import RunError
from popstrat.packs.readings import TALLIED
from popstrat.runs.doubts import staleness
from popstrat.runs.host import host, peak_memory, program
from popstrat.scoring.scorer import Scorer
from popstrat.scoring.tally import Tally

RECORD_VERSION = 1

Record = dict[str, Any]


def _utc(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def reconcile(tally: Tally, read: int, written: int) -> None:
    """Raise `RunError` unless each row read was scored, and written or excluded for a reason."""
    excluded = sum(tally.excluded.values())
    if not (tally.rows_in == read and tally.rows_out == written and read == written + excluded):
        raise RunError(
            f"internal error: {read:,} rows read ({tally.rows_in:,} scored), {written:,} written, {excluded:,} excluded"
        )


def counts(tally: Tally) -> Record:
    """A tally as the record has it: rows, groups, means, quality."""
    return {
        "rows": {
            "in": tally.rows_in,
            "out": tally.rows_out,
            "excluded": sum(tally.excluded.values()),
            "excluded_by_reason": dict(tally.excluded),
        },
        "groups": {column: dict(labels) for column, labels in tally.groups.items()},
        "means": {
            name: {"mean": total / n if (n := tally.counts.get(name, 0)) else None, "rows": n}
            for name, total in tally.sums.items()
        },
        "quality": {column: dict(reasons) for column, reasons in tally.quality.items()},
        "disorder": {column: dict(counts) for column, counts in tally.disorder.items()},
        "newest_record_date": tally.newest_date.isoformat() if tally.newest_date else None,
    }


def models(scorer: Scorer, tally: Tally) -> Record:
    """What a reader of a risk should know of each model: what it is for, what stood in for missing inputs, why some
    people have no result, and how many of the others are in each stratum."""
    kinds = ("missing", "clipped", "not_scored", "strata")
    return {
        ident: {**about, **{kind: tally.models.get(f"{ident}.{kind}", {}) for kind in kinds}}
        for ident, about in scorer.models.items()
    }


def readings(scorer: Scorer, tally: Tally) -> Record:
    """How many people each condition holds for, as the values that its parameters may have would read it."""
    found: Record = {}
    for reading in scorer.counting.readings:
        people = tally.models.get(f"{reading.column}.{TALLIED}", {}).get(reading.label, 0)
        found.setdefault(reading.column, []).append(
            {"parameters": dict(reading.values), "used": reading.used, "patients": people}
        )
    return found


def assemble(
    scorer: Scorer,
    tally: Tally,
    *,
    command: str,
    notices: Iterable[str],
    ignored: Iterable[str],
    started: dt.datetime,
    seconds: Mapping[str, float],
    threads: int,
    warnings: Iterable[str] = (),
    **more: Any,
) -> Record:
    """The run record of a file run or a library call: all that comes from the scorer and the counts, and ``more``.

    ``warnings`` come after that of a stale extract. ``seconds`` holds the time by stage and ``total``. Keys come in the
    order of the documentation.
    """
    total = seconds["total"]
    found = {
        "record_version": RECORD_VERSION,
        "command": command,
        "program": program(),
        "pack": dict(scorer.pack_record),
        "as_of": scorer.as_of.isoformat(),
        "profile": scorer.profile,
        **counts(tally),
        "readings": readings(scorer, tally),
        "models": models(scorer, tally),
        "quality_bits": dict(scorer.quality_bits),
        "notices": list(dict.fromkeys([*scorer.notices, *notices])),
        "warnings": [*staleness(scorer.as_of, tally.newest_date), *dict.fromkeys(warnings)],
        "ignored_columns": list(dict.fromkeys(ignored)),
        "started": _utc(started),
        "finished": _utc(dt.datetime.now(dt.UTC)),
        "seconds": {stage: round(spent, 4) for stage, spent in seconds.items()},
        "rows_per_second": round(tally.rows_in / total) if total > 0 else None,
        "threads": threads,
        "peak_memory_bytes": peak_memory(),
        "host": host(),
        **more,
    }
    place = {name: i for i, name in enumerate(_ORDER)}
    return dict(sorted(found.items(), key=lambda item: place.get(item[0], len(place))))


_SUMMARY = (
    "command", "program", "pack", "as_of", "profile", "rows", "groups", "means", "readings", "models", "quality",
    "disorder", "newest_record_date", "notices", "warnings", "ignored_columns", "absent_columns", "empty_columns",
    "recorded", "derived", "data_quality", "seconds", "rows_per_second", "threads", "peak_memory_bytes",
    "failed",
)  # fmt: skip
_ORDER = (
    "record_version", "command", "program", "pack", "as_of", "profile", "imd_release", "options", "inputs", "mapping",
    "output", "rows", "groups", "means", "readings", "models", "quality", "quality_bits", "disorder",
    "newest_record_date", "ids", "notices", "warnings", "ignored_columns", "absent_columns", "empty_columns",
    "recorded", "recorded_by_file", "derived", "data_quality", "started", "finished", "seconds", "rows_per_second",
    "threads", "peak_memory_bytes", "host",
)  # fmt: skip


def summary(record: Mapping[str, Any], output: Path | None) -> Record:
    """What ``--json`` prints: the parts of a record that a reader wants at once, and where the files are."""
    found = {name: record[name] for name in _SUMMARY if name in record}
    if output is not None:
        found["output"], found["record"] = str(output), f"{output}.run.json"
    return found


def to_json(record: Mapping[str, Any]) -> str:
    """The record as JSON text, keys in the order in which they are documented."""
    return json.dumps(record, indent=2, ensure_ascii=False, default=str) + "\n"
