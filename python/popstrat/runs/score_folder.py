"""A scored table as a folder of files, one value of a column to each: the folder appears whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from popstrat.core import stopping
from popstrat.core.files import writing
from popstrat.core.hashing import HASH, hash_file
from popstrat.core.hidden_folder import HiddenFolder
from popstrat.core.rerun import Making, read_record, refuse_other
from popstrat.core.text import suggest
from popstrat.errors import InputError
from popstrat.packs.patient_table import CODE_COLUMNS, PLACE_COLUMNS
from popstrat.runs.record import Record, to_json
from popstrat.runs.score_files import ListCounts

RECORD = "_run.json"
"""The record of the run, in the folder: a name that readers of such folders pass over."""


def score_into_folder(
    output: Path,
    column: str,
    schema: pa.Schema,
    sources: Sequence[Path],
    making: Making,
    force: bool,
    write: Callable[[Path, str], tuple[ListCounts, dict[str, Any]]],
    record_of: Callable[..., Record],
    named: Callable[[Callable[[], None], Record, Mapping[str, Any]], None],
) -> Record:
    """Have ``write`` make the files of a scored table of a ``schema``, and give them their names together with the
    record; return that. Raises `InputError` for a column by which no table is parted, and for a folder that may not be
    replaced."""
    _refuse_column(column, schema)
    replaced = _refuse_folder(output, making, force)
    if any(output.resolve() in source.resolve().parents for source in sources):
        raise InputError("holds an input; choose another folder for the output", file=str(output))
    with writing(output), HiddenFolder(output, "score", replaces=replaced is not None) as folder:
        counts, files = write(folder.path, column)
        written = [{"name": name, **told} for name, told in sorted(files.items())]
        record = record_of(counts, replaced, partition_by=column, outputs=written)
        folder.create(RECORD, to_json(record).encode())
        folder.drop_scratch()
        about = {
            "name": output.name,
            "rows": sum(one["rows"] for one in written),
            HASH: hash_file(folder.path / RECORD),
        }
        names = [*files, *dict.fromkeys(str(Path(name).parent) for name in files), RECORD]
        with stopping.naming():
            named(lambda: folder.release(names), record, about)
    return record


def _refuse_column(column: str, schema: pa.Schema) -> None:
    known = [
        f.name for f in schema if f.name in (*CODE_COLUMNS, *PLACE_COLUMNS)
        or (pa.types.is_dictionary(f.type) and pa.types.is_string(f.type.value_type))
        or pa.types.is_boolean(f.type)
    ]  # fmt: skip
    if column not in known:
        told = f"no scored table is parted by {column!r}{suggest(column, known)}; it may be by {', '.join(known)}"
        raise InputError(f"--partition-by: {told}")


def _refuse_folder(output: Path, making: Making, force: bool) -> Mapping[str, Any] | None:
    """The record of the folder that is replaced, if one is. Raises `InputError` for one that may not be, and, whatever
    is forced, for one that holds anything else."""
    if not output.is_dir() or not any(output.iterdir()):
        return None
    record = read_record(output / RECORD)
    listed = record.get("outputs") if record is not None else None
    if record is None or not isinstance(listed, list):
        raise InputError("is not empty and has no scored table; choose a new folder", file=str(output))
    known = {RECORD, *(str(one.get("name")) for one in listed if isinstance(one, dict))}
    if not {str(path.relative_to(output)) for path in output.rglob("*") if not path.is_dir()} <= known:
        raise InputError("has other files than its scored table; choose a new folder", file=str(output))
    refuse_other([output], making, record, force, own=[output])
    return record
