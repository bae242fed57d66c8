"""Metrics files, a month each, with the records that say what their figures are."""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from popstrat.core.hashing import HASH, hash_file
from popstrat.core.rerun import pack_named, record_path
from popstrat.core.small_files import MOST_RECORD_BYTES, parse_json, read_small
from popstrat.core.text import suggest
from popstrat.errors import InputError
from popstrat.formats import open_source
from popstrat.metrics.rows import COLUMNS, SCHEMA, Grouping
from popstrat.packs.patient_table import ID

_NUMBERS = {
    field.name: "float" for field in SCHEMA if pa.types.is_floating(field.type) or pa.types.is_integer(field.type)
}
_KINDS = {**_NUMBERS, "as_of": "date", "suppressed": "bool"}
_FOLLOWED = ("proportion", "rate_per_1000", "coverage", "floor", "standardised_rate")
_OF_BEFORE = (
    "version", "metric", "measure", "cohort", "level", "area", "group_by", "group", "numerator", "denominator", "value",
    "suppressed",
)  # fmt: skip
_TOLD = ("metrics", "disclosure_control", "pack", "output")
"""Without these a record does not say what the figures are."""


@dataclass(frozen=True)
class Month:
    """The metrics of one month: the table as it was published and the record of the run that made it."""

    as_of: dt.date
    rows: pa.Table
    record: Mapping[str, Any]
    path: Path
    sha256: str
    record_sha256: str

    @property
    def controlled(self) -> bool:
        """Whether disclosure was controlled."""
        return bool(self.record["disclosure_control"])


def read_months(paths: Sequence[str | Path]) -> list[Month]:
    """The metrics files, the earliest first.

    Raises `InputError` for what is no metrics file (one with people in it is not read at all), has no record or not its
    own, has no figures or several dates; and for files that do not belong together: of one month, of two packs or
    versions, or with and without disclosure control.
    """
    files = open_source(paths, kinds=_KINDS.get).files
    if not files:
        raise InputError("no metrics file was given")
    for file in files:  # all of them before a row of any is read
        _check_columns(file.schema, file.name)
    months: list[Month] = []
    for file in files:
        months = sorted([*months, _read(file)], key=lambda month: month.as_of)
        # of all but the latest only what is followed, so that a year of months takes no more memory than two
        months[:-1] = [replace(month, rows=followed(month.rows)) for month in months[:-1]]
    _check_together(months)
    return months


def followed(rows: pa.Table) -> pa.Table:
    """Of the figures of an earlier month those that are followed: of everybody, and no prizes, gaps or movements."""
    some = pc.is_in(rows["measure"], value_set=pa.array(_FOLLOWED))
    return rows.select(_OF_BEFORE).filter(pc.and_(pc.equal(rows["group_by"], Grouping.NONE.value), some))


def _check_columns(schema: pa.Schema, name: str) -> None:
    names = schema.names
    if ID in names:
        raise InputError(
            f"has a column {ID}: it is about people, and pages are made only from metrics files (popstrat metrics)",
            file=name,
        )
    missing = next((column for column in COLUMNS if column not in names), None)
    if missing is not None:
        raise InputError(f"is missing{suggest(missing, names)}: this is not a metrics file", column=missing, file=name)


def _read(file: Any) -> Month:
    path, name = Path(file.path), file.name
    batches = list(file.batches(COLUMNS))
    file.check_unchanged()
    table = pa.Table.from_batches(batches) if batches else SCHEMA.empty_table()
    try:
        table = table.cast(pa.schema([field.with_nullable(True) for field in SCHEMA]))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise InputError("has columns of other types than metrics have", file=name) from None
    if not table.num_rows:
        raise InputError("holds no figures", file=name)
    for field in SCHEMA:
        if not field.nullable and table[field.name].null_count:
            raise InputError("is null in some rows: this is not a metrics file", column=field.name, file=name)
    days = pc.unique(table["as_of"]).to_pylist()
    if len(days) != 1:
        raise InputError(f"has {len(days)} dates, and metrics have one", column="as_of", file=name)
    record, record_hash = _record(path, name)
    sha256 = hash_file(path)
    if record["output"].get(HASH) != sha256:
        raise InputError(
            f"is not the file that {record_path(path).name} tells of; run popstrat metrics again", file=name
        )
    return Month(days[0], table, record, path, sha256, record_hash)


def _record(path: Path, name: str) -> tuple[Mapping[str, Any], str]:
    """The record beside a metrics file, and its hash."""
    place = record_path(path)
    try:
        raw = read_small(place, MOST_RECORD_BYTES)
        found = parse_json(raw)
        good = isinstance(found, dict) and found.get("command") == "metrics" and all(key in found for key in _TOLD)
        good = (
            good and isinstance(found["metrics"], list) and all(isinstance(found[k], dict) for k in ("pack", "output"))
        )
        good = good and all(isinstance(one, dict) and isinstance(one.get("id"), str) for one in found["metrics"])
        if not good:
            raise ValueError
    except FileNotFoundError:
        raise InputError(
            f"has no {place.name} beside it, which says what its figures are and what may be shown", file=name
        ) from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=str(place)) from None
    except InputError:
        raise
    except ValueError:
        raise InputError("is not the record of popstrat metrics, or is damaged", file=str(place)) from None
    return found, hashlib.sha256(raw).hexdigest()


def _check_together(months: Sequence[Month]) -> None:
    last = months[-1]
    for before, after in itertools.pairwise(months):
        if (before.as_of.year, before.as_of.month) == (after.as_of.year, after.as_of.month):
            raise InputError(f"is of {after.as_of:%B %Y}, and so is {before.path.name}", file=str(after.path))
    for month in months[:-1]:
        theirs, ours = pack_named(month.record["pack"]), pack_named(last.record["pack"])
        if (theirs, month.record["pack"].get(HASH)) != (ours, last.record["pack"].get(HASH)):
            other = theirs if theirs != ours else f"another edition of {theirs}"
            raise InputError(f"was made with {other}, and {last.path.name} with {ours}", file=str(month.path))
        if month.controlled != last.controlled:
            named = (month, last) if not month.controlled else (last, month)
            raise InputError(
                f"was made without disclosure control, and {named[1].path.name} with it", file=str(named[0].path)
            )
