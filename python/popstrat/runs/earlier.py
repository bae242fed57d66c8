"""What an earlier run of the same list found, last month's for instance, to be held against: its run record."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from popstrat.core.rerun import read_record
from popstrat.errors import InputError
from popstrat.scoring.completeness import Earlier


def earlier_run(given: Path | str | Mapping[str, Any]) -> Earlier:
    """The counts of a run record, given as a file or as what the library returned. Raises `InputError` for what is no
    record, or one without counts (release 0.1 had none)."""
    name = None if isinstance(given, Mapping) else str(given)
    if name is not None and not Path(name).exists():
        raise InputError("there is no such file", file=name)
    record = given if isinstance(given, Mapping) else read_record(Path(given))
    if record is None or "record_version" not in record:
        raise InputError("is not a run record; give the .run.json beside a scored table", file=name)
    found = counts_of(record)
    if found is None:
        raise InputError("has no counts of recorded values: an earlier release made it, or it is damaged", file=name)
    return found


def counts_of(record: Mapping[str, Any] | None) -> Earlier | None:
    """The counts of a record, None where it has none."""
    recorded, rows = (record or {}).get("recorded"), (record or {}).get("rows")
    if not isinstance(recorded, Mapping) or not isinstance(rows, Mapping):
        return None
    if not all(map(_is_count, (rows.get("out"), *recorded.values()))):
        return None
    return Earlier(dict(recorded), int(rows["out"]))


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
