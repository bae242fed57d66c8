"""A scored table and its run record: opened together, and refused unless each is the other's."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from popstrat.core.arrow import is_text, plain, without_views
from popstrat.core.hashing import hash_file
from popstrat.errors import InputError
from popstrat.formats import FileSource, open_source
from popstrat.upload.template import KEY, PRACTICE, ScoredColumn

_ROWS_NAMED = 5
_CANONICAL = "^(0|-?[1-9][0-9]{0,19})$"


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
    def rows(self) -> int:
        return int(self.run["output"]["rows"])

    @property
    def pack(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.run["pack"]
        return found

    @property
    def text_keys(self) -> bool:
        return not pa.types.is_integer(self.source.schema.field(KEY).type)

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

    Raises `InputError` if there is no record, the record is of another file, the content is not the one that was
    written, or a column that is always there is missing.
    """
    record_path = path.with_name(path.name + ".run.json")
    run, run_sha256 = _run_record(record_path, path)
    groups: Mapping[str, Mapping[str, int]] = run["groups"]
    numbers = run.get("means", {})

    def kind(name: str) -> str | None:  # of CSV cells
        if name == KEY:
            return "id"
        if name in groups:
            return "bool" if set(groups[name]) == {"true"} else "category"
        return "int" if name in numbers else "string"  # "int" reads numbers as doubles

    output = run["output"]
    before = path.stat()
    if before.st_size != output.get("bytes", before.st_size):
        raise InputError(f"has not the size that its run record {record_path.name} says", file=str(path))
    sha256 = hash_file(path)
    if output.get("sha256", sha256) != sha256:
        raise InputError(
            f"is not what was written: its content differs from its run record {record_path.name}", file=str(path)
        )
    source = open_source([path], kinds=kind, threads=2).files[0]
    if (source.bytes, path.stat().st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise InputError("was changed while it was read", file=str(path))
    if source.rows is not None and source.rows != output["rows"]:
        raise InputError(f"has not the rows that its run record {record_path.name} says", file=str(path))
    for name in (KEY, PRACTICE):
        if name not in source.schema.names:
            raise InputError("is not a scored table: the column is missing", column=name, file=str(path))
    columns = {f.name: _column(f, groups) for f in source.schema}
    return ScoredFile(source, run, run_sha256, sha256, dt.date.fromisoformat(run["as_of"]), columns)


def _column(field: pa.Field, groups: Mapping[str, Mapping[str, int]]) -> ScoredColumn:
    name = field.name
    if name == KEY:
        return ScoredColumn(name, "key")
    if name == PRACTICE:
        return ScoredColumn(name, "practice")
    if pa.types.is_boolean(field.type):
        return ScoredColumn(name, "flag")
    if name in groups:
        return ScoredColumn(name, "label", tuple(groups[name]))
    if is_text(field.type):
        return ScoredColumn(name, "text")
    kind = field.type
    number = (
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind)
    )
    return ScoredColumn(name, "number" if number else "other")


def _run_record(path: Path, scored: Path) -> tuple[dict[str, Any], str]:
    import hashlib

    if not scored.exists():
        open_source([scored])  # says what is wrong
    try:
        raw = path.read_bytes()
        run = json.loads(raw)
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
    if run["output"].get("name") != scored.name:
        raise InputError(f"is the record of {run['output'].get('name')!r}, not of {scored.name}", file=str(path))
    return run, hashlib.sha256(raw).hexdigest()


class Practices:
    """Practice codes as whole numbers, in the order in which they are met."""

    def __init__(self) -> None:
        self.codes: list[str] = []
        self._place: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self.codes)

    def place(self, code: str) -> int:
        found = self._place.get(code)
        if found is None:
            found = self._place[code] = len(self.codes)
            self.codes.append(code)
        return found

    def places(self, column: pa.Array) -> NDArray[np.int32]:
        """The place of each row's code; −1 where it is null."""
        column = without_views(column)
        coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        table = np.array(
            [-1 if c is None else self.place(str(c)) for c in coded.dictionary.to_pylist()] + [-1], np.int32
        )
        indices = pc.fill_null(coded.indices.cast(pa.int64()), len(table) - 1)
        found: NDArray[np.int32] = table[np.asarray(indices)]
        return found


def keys_of(column: pa.Array, text: bool) -> pa.Array:
    """Keys as 64-bit whole numbers, or as text where ``text``."""
    column = plain(column)
    if text:
        return column.cast(pa.large_string()).cast(pa.string()) if is_text(column.type) else column.cast(pa.string())
    return column.cast(pa.int64())


def refuse_not_canonical(column: pa.Array, told: str, name: str) -> None:
    """Raise `InputError` with rows where a text key is not its whole number's own text, as "007" and " 7" are not."""
    if pa.types.is_integer(column.type):
        return
    odd = np.flatnonzero(~np.asarray(pc.match_substring_regex(keys_of(column, True), _CANONICAL)))
    if len(odd):
        raise InputError(told, column=name, rows=odd[:_ROWS_NAMED].tolist(), more=len(odd[_ROWS_NAMED:]))


def label_codes(column: pa.Array, labels: Sequence[str], name: str) -> pa.Array:
    """Labels as their places (int16, null for none). Raises `InputError` for one the run record does not have."""
    column = without_views(column)
    coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    place = {label: i for i, label in enumerate(labels)}
    table = [None if v is None or v == "" else place.get(v, -1) for v in coded.dictionary.to_pylist()]
    found = pa.array(table, pa.int16()).take(coded.indices)
    if -1 in table:
        odd = np.flatnonzero(np.asarray(pc.fill_null(pc.equal(found, -1), False)))
        if len(odd):
            raise InputError("has a label that its run record does not know", column=name, rows=odd.tolist())
    return found


def refuse_null(column: pa.Array, name: str) -> None:
    """Raise `InputError` with the rows of the batch where a column that must be there is null."""
    if column.null_count:
        rows = np.flatnonzero(np.asarray(column.is_null()))
        raise InputError("is null", column=name, rows=rows[:_ROWS_NAMED].tolist(), more=len(rows[_ROWS_NAMED:]))


def batches(source: FileSource, columns: Sequence[str]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """The rows of a file with the first row of each batch; ends in an error if there are not as many as it says."""
    row = 0
    for batch in source.batches(list(dict.fromkeys(columns))):
        yield row, batch
        row += batch.num_rows
    if source.rows not in (None, row):
        raise InputError("does not hold as many rows as it says", file=source.name)
    source.check_unchanged()
