"""A table in a folder of files, the rows of one value of a column in a folder of that name: ``practice_code=Y90001/``.

As Spark, Hive and DuckDB write a table, and `folders` reads it: the column is in no file, but in the names of folders.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa

from popstrat.core.hashing import HASH, hash_file
from popstrat.core.lazy import compute as pc
from popstrat.errors import InputError, holds_number
from popstrat.formats.folders import NO_VALUE
from popstrat.formats.sink import BatchSink, Sink

MOST_OPEN = 256
"""Files that are open at a time. Of a table in no order by more values than these, a value has several files."""
_LONGEST = 200  # bytes of a folder's name
_ROWS = 1 << 18  # that are put in order at a time, whatever the size of the batches


class PartitionedSink(BatchSink):
    """Writes into a folder that is there; ``open_file`` opens one of the files, of the schema without the ``column``.

    ``files`` is what was written, by name within the folder, once it is closed.
    """

    def __init__(
        self, folder: Path, schema: pa.Schema, column: str, suffix: str, open_file: Callable[[Path, pa.Schema], Sink]
    ) -> None:
        super().__init__(schema, _ROWS)
        self.files: dict[str, dict[str, Any]] = {}
        self._folder, self._column, self._suffix, self._open_file = folder, column, suffix, open_file
        self._at = schema.get_field_index(column)
        self._of_files = schema.remove(self._at)
        self._open: OrderedDict[str, tuple[str, Sink]] = OrderedDict()
        self._parts: dict[str, int] = {}

    def _write(self, batch: pa.RecordBatch) -> None:
        values = batch.column(self._at)
        if pa.types.is_dictionary(values.type):
            values = values.cast(values.type.value_type)
        coded = values.cast(pa.string()).dictionary_encode(null_encoding="encode")
        names = [self._named(coded.dictionary[i].as_py()) for i in range(len(coded.dictionary))]
        rest = batch.remove_column(self._at)
        if len(names) == 1:
            self._sink(names[0]).write(rest)
            return
        codes = coded.indices
        rest = rest.take(pc.sort_indices(codes))  # which keeps the order of those that are equal
        counts: Mapping[int, int] = {one["values"].as_py(): one["counts"].as_py() for one in pc.value_counts(codes)}
        first = 0
        for code in sorted(counts):
            self._sink(names[code]).write(rest.slice(first, counts[code]))
            first += counts[code]

    def _named(self, value: str | None) -> str:
        """The folder of a value. Raises `InputError` for one that is no name of a folder."""
        if value is not None and holds_number(value):
            raise InputError(
                "holds a value that looks like somebody's number: no folder is named after it", column=self._column
            )
        name = f"{self._column}={quote(value, safe='') if value else NO_VALUE}"
        if len(name) > _LONGEST:
            raise InputError("holds a value that is too long for the name of a folder", column=self._column)
        return name

    def _sink(self, folder: str) -> Sink:
        if folder in self._open:
            self._open.move_to_end(folder)
            return self._open[folder][1]
        if len(self._open) >= MOST_OPEN:
            self._close_one(next(iter(self._open)))
        part = self._parts.get(folder, 0)
        self._parts[folder] = part + 1
        (self._folder / folder).mkdir(0o700, exist_ok=True)
        name = f"{folder}/part-{part}{self._suffix}"
        self._open[folder] = name, self._open_file(self._folder / name, self._of_files)
        return self._open[folder][1]

    def _close_one(self, folder: str) -> None:
        name, sink = self._open[folder]
        sink.close()
        del self._open[folder]
        path = self._folder / name
        path.chmod(0o600)
        self.files[name] = {"rows": sink.rows, "bytes": path.stat().st_size, HASH: hash_file(path)}

    def _close(self) -> None:
        while self._open:
            self._close_one(next(iter(self._open)))

    def abort(self) -> None:
        while self._open:
            self._open.popitem()[1][1].abort()
