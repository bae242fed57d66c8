"""Folders of files, and the columns that are in no file but in the names of folders: ``practice_code=Y90001/``.

Spark, Hive and DuckDB write a table so: rows of one value in a folder of that name, and the column nowhere else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa

from popstrat.errors import InputError
from popstrat.formats.source import BATCH_ROWS, FileSource

NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


def files_within(folder: Path, endings: Mapping[str, Collection[str]]) -> list[Path]:
    """The files of a folder and of those in it, sorted, by what they end in: ``endings`` are those of each format.

    Hidden ones are passed over, as are those that begin with an underscore, which say that a job has ended. Raises
    `InputError` if there are none, or files of several formats.
    """
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        inner = path.relative_to(folder).parts
        if not any(part.startswith((".", "_")) for part in inner) and path.is_file():
            for name, own in endings.items():
                if path.name.lower().endswith(tuple(own)):
                    found.setdefault(name, []).append(path)
    if not found:
        known = ", ".join(e for own in endings.values() for e in own)
        raise InputError(f"is a folder without a file to read ({known})", file=str(folder))
    if len(found) > 1:
        told = " and ".join(f"{len(paths):,} of {name}" for name, paths in found.items())
        first = next(iter(endings[next(iter(found))]))
        advice = f"quote a pattern such as '{folder}/**/*{first}'"
        raise InputError(f"is a folder with files of several formats, {told}; {advice}", file=str(folder))
    return next(iter(found.values()))


def named_columns(path: Path) -> dict[str, str | None]:
    """The columns that a file's folders name, as the path was given, with the value that all its rows have."""
    found: dict[str, str | None] = {}
    for part in path.parts[:-1]:
        name, equals, text = part.partition("=")
        if equals and name:
            found[unquote(name)] = None if text == NO_VALUE else unquote(text)
    return found


class InNamedFolders(FileSource):
    """A file with the columns that its folders name after its own. What the file holds itself is not replaced."""

    def __init__(self, inner: FileSource, columns: Mapping[str, str | None]) -> None:
        super().__init__(inner.path)
        self._inner, self._named = inner, columns
        self.schema = pa.schema([*inner.schema, *(pa.field(name, pa.string()) for name in columns)])
        self.rows, self.notes = inner.rows, inner.notes

    @property
    def format(self) -> str:  # type: ignore[override]
        return self._inner.format

    def batches(self, columns: Sequence[str], *, batch_rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        own = [name for name in columns if name not in self._named] or self._inner.schema.names[:1]
        schema = pa.schema([self.schema.field(name) for name in columns])
        for batch in self._inner.batches(own, batch_rows=batch_rows):
            made = [
                pa.repeat(pa.scalar(self._named[name], pa.string()), batch.num_rows)
                if name in self._named
                else batch.column(own.index(name))
                for name in columns
            ]
            fields = [field.with_type(array.type) for field, array in zip(schema, made, strict=True)]
            yield pa.RecordBatch.from_arrays(made, schema=pa.schema(fields))

    def check_unchanged(self) -> None:
        self._inner.check_unchanged()


def in_named_folders(file: FileSource) -> FileSource:
    """The file, with the columns that its folders name and it lacks."""
    columns = {k: v for k, v in named_columns(file.path).items() if k not in file.schema.names}
    return InNamedFolders(file, columns) if columns else file
