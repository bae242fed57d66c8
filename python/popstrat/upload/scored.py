"""A scored table and its run record: opened together, and refused unless each is the other's."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from popstrat.core.arrow import is_text, without_views
from popstrat.core.hashing import hash_file
from popstrat.core.small_files import MOST_RECORD_BYTES, parse_json, read_small
from popstrat.errors import InputError
from popstrat.formats import FileSource, open_source
from popstrat.packs.keys import Kind, as_read
from popstrat.packs.patient_table import ID, PRACTICE
from popstrat.scoring.attribution import as_text as listed_as_text
from popstrat.scoring.attribution import is_listed
from popstrat.upload.batches import batches, refuse_null, values
from popstrat.upload.patient_keys import as_text
from popstrat.upload.templates.sources import FLAG_LABELS, ScoredColumn


@dataclass(frozen=True)
class ScoredFile:
    """A scored file that is the one its run record is of. ``sha256`` is of the file, ``run`` is the record."""

    source: FileSource
    run: Mapping[str, Any]
    run_sha256: str
    sha256: str
    as_of: dt.date
    columns: Mapping[str, ScoredColumn]

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def format(self) -> str:
        return self.source.format

    @property
    def rows(self) -> int:
        return int(self.run["output"]["rows"])

    @property
    def pack(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.run["pack"]
        return found

    @property
    def text_keys(self) -> bool:
        return not pa.types.is_integer(self.source.schema.field(ID).type)

    @property
    def hashed(self) -> bool:
        """Whether the record says what the file's content is."""
        return "sha256" in self.run["output"]

    def described(self) -> dict[str, Any]:
        """For the manifest."""
        return {
            "name": self.source.path.name,
            "rows": self.rows,
            "sha256": self.sha256,
            "run": {
                "sha256": self.run_sha256,
                "finished": self.run.get("finished"),
                "program": self.run.get("program"),
                "pack": {key: self.pack[key] for key in ("id", "version", "sha256")},
                "as_of": self.as_of.isoformat(),
                "profile": self.run["profile"],
            },
        }


def open_scored(path: Path) -> ScoredFile:
    """Open a scored file and its run record.

    Both may have been renamed together. Raises `InputError` if there is no record, the record is of another file, the
    content is not the one that was written, or a column that is always there is missing.
    """
    record_path = path.with_name(path.name + ".run.json")
    run, run_sha256 = _run_record(record_path, path)
    groups: Mapping[str, Mapping[str, int]] = run["groups"]
    numbers = run.get("means", {})

    def kind(name: str) -> str | None:  # of CSV cells
        if name == ID:
            return "id"
        if name in groups:
            return "bool" if set(groups[name]) == {"true"} else "category"
        return "int" if name in numbers else "string"  # "int" reads numbers as doubles

    output = run["output"]
    before = path.stat()
    renamed = output.get("name") != path.name  # together with its record: then its content tells
    other = InputError(f"is the record of {output.get('name')!r}, not of {path.name}", file=str(record_path))
    if renamed and ("sha256" not in output or before.st_size != output.get("bytes", before.st_size)):
        raise other
    if before.st_size != output.get("bytes", before.st_size):
        raise InputError(f"does not have the size that its run record {record_path.name} says", file=str(path))
    sha256 = hash_file(path)
    if output.get("sha256", sha256) != sha256:
        if renamed:
            raise other
        raise InputError(
            f"is not what was written: its content differs from its run record {record_path.name}", file=str(path)
        )
    source = open_source([path], kinds=kind, threads=2).files[0]
    if (source.bytes, path.stat().st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise InputError("was changed while it was read", file=str(path))
    if source.rows is not None and source.rows != output["rows"]:
        raise InputError(f"does not have the rows that its run record {record_path.name} says", file=str(path))
    for name in (ID, PRACTICE):
        if name not in source.schema.names:
            raise InputError("is not a scored table: the column is missing", column=name, file=str(path))
    columns = {f.name: _column(f, groups) for f in source.schema}
    return ScoredFile(source, run, run_sha256, sha256, dt.date.fromisoformat(run["as_of"]), columns)


def _column(field: pa.Field, groups: Mapping[str, Mapping[str, int]]) -> ScoredColumn:
    name = field.name
    if name == ID:
        return ScoredColumn(name, "key")
    if name == PRACTICE:
        return ScoredColumn(name, "practice")
    if pa.types.is_boolean(field.type):
        return ScoredColumn(name, "flag", FLAG_LABELS)
    if name in groups:
        return ScoredColumn(name, "label", tuple(groups[name]))
    if is_text(field.type) or is_listed(field.type):
        return ScoredColumn(name, "text")
    kind = field.type
    number = (
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind)
    )
    return ScoredColumn(name, "number" if number else "other")


def _run_record(path: Path, scored: Path) -> tuple[dict[str, Any], str]:
    if not scored.exists():
        open_source([scored])  # says what is wrong
    try:
        raw = read_small(path, MOST_RECORD_BYTES)
        run = parse_json(raw)
        if run["command"] != "score":
            raise InputError("is not the record of a score run", file=str(path))
        dt.date.fromisoformat(run["as_of"])
        good = (
            isinstance(run["pack"]["id"], str)
            and isinstance(run["pack"]["version"], str)
            and isinstance(run["pack"]["sha256"], str)
            and isinstance(run["profile"], str)
            and isinstance(run["output"]["rows"], int)
            and isinstance(run["groups"], dict)
            and all(isinstance(labels, dict) for labels in run["groups"].values())
        )
        if not good:
            raise ValueError
    except FileNotFoundError:
        raise InputError(
            f"has no run record: {path.name} is missing, so nothing says when and with what it was scored",
            file=str(scored),
        ) from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=str(path)) from None
    except InputError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError("is not a run record that can be read", file=str(path)) from None
    return run, hashlib.sha256(raw).hexdigest()


def scored_rows(
    table: ScoredFile, columns: Sequence[ScoredColumn], respelt: Counter[str] | None = None
) -> Iterator[tuple[int, pa.RecordBatch, dict[str, pa.Array]]]:
    """Batches of a scored table (keys, practices and ``columns``) with their first row, and the columns by name.

    Keys and practices are as they are compared; ``respelt`` counts the rows that write them otherwise. Labels are their
    indices (int16), text is plain. Raises `InputError`, naming file and rows, for a key or practice that is null or was
    made a number of, and for a label that the run record does not have.
    """
    keys: tuple[tuple[str, Kind], ...] = ((ID, "key"), (PRACTICE, "code"))
    for first, batch in batches(table.source, [ID, PRACTICE, *(c.name for c in columns)]):
        data = {}
        try:
            for name, kind in keys:
                read = as_read(values(batch, name), kind, name)
                refuse_null(read.column, name)
                if read.respelt:
                    at = batch.schema.get_field_index(name)
                    batch = batch.set_column(at, batch.schema.field(at), read.column)
                    if respelt is not None:
                        respelt[name] += read.respelt
            for c in columns:
                found = values(batch, c.name)
                if c.role == "label":
                    found = _label_indices(found, c.labels, c.name)
                elif c.role == "text":
                    found = listed_as_text(found) if is_listed(found.type) else as_text(found)
                data[c.name] = found
        except InputError as error:
            raise error.located(table.name, first) from None
        yield first, batch, data


def _label_indices(column: pa.Array, labels: Sequence[str], name: str) -> pa.Array:
    """Labels as their indices (int16, null for none). Raises `InputError` for one the run record does not have."""
    column = without_views(column)
    coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    index = {label: i for i, label in enumerate(labels)}
    table = [None if v is None or v == "" else index.get(v, -1) for v in coded.dictionary.to_pylist()]
    found = pa.array(table, pa.int16()).take(coded.indices)
    if -1 in table:
        odd = np.flatnonzero(np.asarray(pc.fill_null(pc.equal(found, -1), False)))
        if len(odd):
            raise InputError("has a label that its run record does not know", column=name, rows=odd.tolist())
    return found
