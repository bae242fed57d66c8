"""CSV out: what the engine's and pyarrow's way of formatting cells have in common."""

from __future__ import annotations

import codecs
import gzip
from abc import abstractmethod
from collections.abc import Callable, Collection
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.types as pt

from popstrat.core.arrow import is_text, plain, without_views
from popstrat.core.lazy import compute as pc
from popstrat.core.spreadsheets import FORMULA_SIGNS, formulas, neutral, neutral_column
from popstrat.errors import InputError
from popstrat.formats.format import ListsAsText
from popstrat.formats.sink import Sink, quietly

_LEVEL = 3  # of gzip: half the time of its usual one, for a tenth more bytes
_ID = "patient_id"  # text whatever its type, so that the columns of two files are one column


class CsvSink(Sink):
    """Ids and labels as quoted text, dates ISO, ``true``/``false``, nothing for null; lines end with a line feed.

    Text that a spreadsheet would run as a formula gets an apostrophe (`core.spreadsheets`), names of columns too. In
    ``patient_id`` and in ``ids``, which have to stay what they are, it is refused.

    Numbers are written with the fewest digits that mean the same number. Who formats cells is a subclass's matter; the
    text is the same for all.
    """

    def __init__(
        self, path: Path, schema: pa.Schema, encoding: str, ids: Collection[str] = (), *, packed: bool = False
    ) -> None:
        self._ids = frozenset((_ID, *ids))
        fields = [f.with_type(pa.string()) if is_text(f.type) or f.name == _ID else f for f in schema]
        super().__init__(pa.schema(fields))
        try:
            name = codecs.lookup(encoding).name
        except LookupError:
            raise InputError(f"encoding {encoding!r} is not known; use utf-8, utf-8-sig or cp1252") from None
        self._encoding = None if name in ("utf-8", "utf-8-sig") else name
        self._file: IO[bytes] = _packed(path) if packed else path.open("wb")
        if name == "utf-8-sig":
            self._file.write(codecs.BOM_UTF8)
        header = ",".join('"' + neutral(f.name).replace('"', '""') + '"' for f in fields) + "\n"
        self._put(header.encode())

    def write(self, batch: pa.RecordBatch) -> None:
        if batch.num_rows:
            columns = [
                self._neutral(name, column) for name, column in zip(self.schema.names, batch.columns, strict=True)
            ]
            if any(made is not given for made, given in zip(columns, batch.columns, strict=True)):
                batch = pa.RecordBatch.from_arrays(columns, names=self.schema.names)
            self._write(batch)
        self.rows += batch.num_rows

    def _neutral(self, name: str, column: pa.Array) -> pa.Array:
        """The column as spreadsheets may have it. Raises `InputError` with rows of the output."""
        try:
            made = neutral_column(column)
        except pa.ArrowException:  # its message might quote a value
            raise InputError("cannot be written: Arrow finds it damaged", column=name) from None
        if made is not column and name in self._ids:
            begins = np.asarray(pc.fill_null(formulas(plain(without_views(column))), False))
            if begins.any():
                rows = np.flatnonzero(begins) + self.rows
                raise InputError(
                    f"has ids that begin with one of {' '.join(FORMULA_SIGNS[:4])} or a tab, which are formulas in a "
                    "spreadsheet and must not be changed; write .parquet or .arrow",
                    column=name, rows=rows[:5].tolist(), more=max(0, len(rows) - 5),
                )  # fmt: skip
            return column
        return made

    @abstractmethod
    def _write(self, batch: pa.RecordBatch) -> None:
        """`_put` the lines of a batch that has rows."""

    def close(self) -> None:
        self._file.close()

    def abort(self) -> None:
        quietly(self._file)

    def _put(self, lines: Any) -> None:
        """Write text, given as a buffer of UTF-8, in the file's encoding."""
        if self._encoding is None:
            self._file.write(lines)
            return
        try:
            self._file.write(str(lines, "utf-8").encode(self._encoding))
        except UnicodeEncodeError:
            raise InputError(f"the output holds a character that {self._encoding} lacks; use utf-8") from None


def _packed(path: Path) -> Any:
    """A file whose content is packed, without its name and the time in it: the same rows give the same bytes."""
    raw = path.open("wb")
    file: Any = gzip.GzipFile("", "wb", _LEVEL, raw, 0)
    file.myfileobj = raw  # which it then closes with itself
    return file


class TextInsteadOfLists(Sink):
    """Hands batches on to another sink with every nested column made into text."""

    def __init__(self, schema: pa.Schema, as_text: ListsAsText, open_it: Callable[[pa.Schema], Sink]) -> None:
        fields = [f.with_type(pa.string()) if pt.is_nested(f.type) else f for f in schema]
        self._flat, self._as_text = pa.schema(fields), as_text
        self._sink = open_it(self._flat)
        super().__init__(self._sink.schema)

    @staticmethod
    def around(schema: pa.Schema, as_text: ListsAsText | None, open_it: Callable[[pa.Schema], Sink]) -> Sink:
        """The sink that ``open_it`` gives, wrapped only if a column is nested.

        Raises `InputError` for a nested column if nobody says how it becomes text.
        """
        nested = next((f for f in schema if pt.is_nested(f.type)), None)
        if nested is None:
            return open_it(schema)
        if as_text is None:
            raise InputError("has lists, which a CSV cannot hold", column=nested.name)
        return TextInsteadOfLists(schema, as_text, open_it)

    def write(self, batch: pa.RecordBatch) -> None:
        columns = [self._as_text(c) if pt.is_nested(c.type) else c for c in batch.columns]
        self._sink.write(pa.RecordBatch.from_arrays(columns, schema=self._flat))
        self.rows = self._sink.rows

    def close(self) -> None:
        self._sink.close()

    def abort(self) -> None:
        self._sink.abort()
