"""Files beside the list, such as a caseload or a plan: read whole, their columns as arrays, faults told by row."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from popstrat.core.arrow import is_text, without_views
from popstrat.core.text import suggest
from popstrat.errors import InputError
from popstrat.formats import open_source
from popstrat.packs import keys, spellings

NO_DAY = np.iinfo(np.int32).min
"""Stands for no date, so that the later of two dates is the larger."""
Days = npt.NDArray[np.int32]
_ROWS_NAMED = 5


class SideFile:
    """A file with named columns. ``kinds`` says what they hold: ``id``, ``date``, ``number`` or ``text``; those of
    ``needed`` must be there, others of the file are passed over."""

    def __init__(self, path: Path, kinds: Mapping[str, str], needed: tuple[str, ...], encoding: str = "utf-8") -> None:
        self.name = str(path)
        self._kinds = kinds
        cells = {"id": "id", "date": "date", "number": "float"}
        [source] = open_source([path], kinds=lambda column: cells.get(kinds.get(column, "")), encoding=encoding).files
        names = source.schema.names
        missing = next((column for column in needed if column not in names), None)
        if missing is not None:
            raise InputError(f"is missing{suggest(missing, names)}", column=missing, file=self.name)
        there = [column for column in kinds if column in names]
        batches = list(source.batches(there))
        schema = pa.schema([source.schema.field(column) for column in there])
        self._table = pa.Table.from_batches(batches, batches[0].schema if batches else schema)

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __contains__(self, column: str) -> bool:
        return column in self._table.column_names

    def ids(self, column: str) -> pa.Array:
        """Keys as text, as they are compared. Raises `InputError` where one is null."""
        found = self._column(column)
        if not (is_text(found.type) or pa.types.is_integer(found.type) or pa.types.is_null(found.type)):
            raise self.fault(f"is {found.type}; text or whole numbers keep every digit", column)
        try:
            read = keys.as_read(found, "key", column).column
        except InputError as error:
            raise error.located(self.name) from None
        return self._there(read.cast(pa.large_string()), column)

    def text(self, column: str, *, needed: bool = True) -> list[str | None]:
        """Text without blanks around it; nothing for an empty cell. Raises `InputError` where a needed one is."""
        if column not in self:
            return [None] * len(self)
        found = self._column(column)
        if pa.types.is_boolean(found.type):  # a coordinator who is there or not
            found = pc.if_else(found, "yes", None)
        found = pc.utf8_trim_whitespace(found.cast(pa.large_string()))
        found = pc.if_else(pc.equal(found, ""), None, found)
        return list((self._there(found, column) if needed else found).to_pylist())

    def days(self, column: str, *, needed: bool = True) -> Days:
        """Dates as days since 1970, `NO_DAY` where there is none. Raises `InputError` for what is no date."""
        if column not in self:
            return np.full(len(self), NO_DAY, dtype=np.int32)
        found = self._column(column)
        try:
            if is_text(found.type):
                found = spellings.from_text(found, "date", column)
            elif pa.types.is_timestamp(found.type):
                found = spellings.days(found, column)
        except InputError as error:
            raise error.located(self.name) from None
        if not (pa.types.is_date(found.type) or pa.types.is_null(found.type)):
            raise self.fault(f"is {found.type}, not a date", column)
        found = found.cast(pa.date32())
        if needed:
            self._there(found, column)
        numbers = found.cast(pa.int32()).fill_null(NO_DAY)
        return np.asarray(numbers.to_numpy(zero_copy_only=False), dtype=np.int32)

    def numbers(self, column: str) -> npt.NDArray[np.float64]:
        """Numbers that are finite and 0 or more. Raises `InputError` for others and where there is none."""
        found = self._column(column)
        if is_text(found.type):
            try:
                found = spellings.from_text(found, "float", column)
            except InputError as error:
                raise error.located(self.name) from None
        kind = found.type
        numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
        if not (numeric or pa.types.is_null(kind)):
            raise self.fault(f"is {kind}, not a number", column)
        there = self._there(found.cast(pa.float64(), safe=False), column)
        values = np.asarray(there.to_numpy(zero_copy_only=False), dtype=np.float64)
        bad = ~np.isfinite(values) | (values < 0)
        if bad.any():
            raise self.fault("a number of 0 or more is needed", column, bad)
        return values

    def fault(self, problem: str, column: str | None, bad: npt.NDArray[np.bool_] | None = None) -> InputError:
        """An error that names this file, a column and the first rows of it."""
        rows = [] if bad is None else np.flatnonzero(bad).tolist()
        return InputError(problem, column=column, rows=rows, file=self.name)

    def _column(self, name: str) -> pa.Array:
        column = self._table.column(name)
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        if is_text(kind):
            kind = pa.large_string()
        parts = [(without_views(part) if is_text(part.type) else part).cast(kind) for part in column.chunks]
        return pa.chunked_array(parts, kind).combine_chunks()

    def _there(self, column: pa.Array, name: str) -> pa.Array:
        if column.null_count:
            raise self.fault("is empty", name, np.asarray(column.is_null()))
        return column
