"""Batches of a table as the engine takes them: the buffers of their columns, and what their dictionaries stand for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from popstrat.deriving.canonical import KEY
from popstrat.deriving.fold_rules import TableRules
from popstrat.deriving.folds import unit_key
from popstrat.engine.events import UNITS_MOST, Keys, Rows

Lookup = NDArray[np.int32]
_NUMBERS = {"value": pa.float64(), "second_value": pa.float64(), "group_id": pa.int64()}
_TEXTS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)


def make_keys(keys: pa.Array, births: NDArray[np.int32]) -> Keys:
    """The ids of all people for the engine. Raises ValueError if they do not ascend, or one is null."""
    if keys.null_count:
        raise ValueError("an id is null")
    if _is_text(keys.type):
        texts = keys.cast(pa.large_string())
        _, starts, text = texts.buffers()
        return Keys(
            (np.frombuffer(starts, np.int64)[texts.offset :][: len(texts) + 1] if starts else [0], text), births
        )
    return Keys(_integers(keys).to_numpy(), births)


class Units:
    """The spellings of units met so far, with their numbers from 1 on, those of the rules first; for all threads."""

    def __init__(self, known: Mapping[str, int]) -> None:
        self.numbers = dict(known)
        self._as_written: dict[str, int] = {}
        self._lock = threading.Lock()

    def number(self, text: str) -> int:
        """That of a unit as a file writes it; 0 for none."""
        if (found := self._as_written.get(text)) is None:
            key = unit_key(text)
            with self._lock:
                found = self.numbers.setdefault(key, len(self.numbers) + 1) if key else 0
                if len(self._as_written) < UNITS_MOST:
                    self._as_written[text] = found
        return found


class RowColumns:
    """The columns of one table's batches, one after another.

    What a dictionary stands for is worked out once, and kept for the batches after it that have the same. It is for one
    thread, ``units`` for all.
    """

    def __init__(self, table: str, compiled: TableRules, keys: Keys, units: Units) -> None:
        self._table, self._rules, self._keys = table, compiled.rules, keys
        self._units = units
        self._known: dict[str, tuple[Any, pa.Array, Any]] = {}

    def of(self, batch: pa.RecordBatch) -> Rows:
        """Raises ValueError for a column that is not as `deriving.canonical` has it."""
        names = batch.schema.names
        columns = dict(zip(names, batch.columns, strict=True))
        for name in (KEY, "date", "code"):
            if names.count(name) != 1:
                raise ValueError(f"{self._table}: there is no column {name}, or several")
        found = {name: _plain(self._as(columns[name], name, t)) for name, t in _NUMBERS.items() if name in columns}
        code, values = self._code(columns["code"])
        unit = self._unit(columns["unit"]) if "unit" in columns else None
        return Rows(
            batch.num_rows,
            self._key(columns[KEY]),
            _plain(self._as(columns["date"], "date", pa.date32())),
            code,
            found.get("value"),
            found.get("second_value"),
            unit,
            found.get("group_id"),
            values,
        )

    def _as(self, column: pa.Array, name: str, type_: pa.DataType) -> pa.Array:
        if column.type == type_:
            return column
        fits = pa.types.is_integer(column.type) or (type_ == pa.float64() and pa.types.is_floating(column.type))
        if not (pa.types.is_null(column.type) or (fits and type_ != pa.date32())):
            raise ValueError(f"{self._table}: {name} is of type {column.type}, not {type_}")
        return column.cast(type_)

    def _key(self, column: pa.Array) -> tuple[Any, ...]:
        if pa.types.is_dictionary(column.type):
            return self._looked_up(KEY, column, self._rows_of)
        return self._ids(column)

    def _ids(self, column: pa.Array) -> tuple[Any, ...]:
        if pa.types.is_null(column.type):
            column = column.cast(pa.large_string() if self._keys.texts else pa.int64())
        if not _is_text(column.type):
            return _plain(_integers(column))
        if pa.types.is_string_view(column.type):
            column = column.cast(pa.large_string())
        valid, starts, text = column.buffers()
        wide = 8 if pa.types.is_large_string(column.type) else 4
        return (valid if column.null_count else None, starts or bytes(8), column.offset, text, wide)

    def _rows_of(self, values: pa.Array) -> Lookup:
        return self._keys.rows(self._ids(values), len(values))

    def _code(self, column: pa.Array) -> tuple[tuple[Any, ...], NDArray[np.int64] | None]:
        if not pa.types.is_dictionary(column.type):
            return _plain(_integers(column)), None
        given = self._looked_up("code", column, self._slots_of)
        return (*given[:3], given[3][0]), given[3][1]

    def _slots_of(self, values: pa.Array) -> tuple[Lookup, NDArray[np.int64]]:
        numbers = _integers(values)
        if not numbers.null_count:
            return self._rules.slots(numbers.to_numpy()), numbers.to_numpy()
        codes = numbers.fill_null(0).to_numpy()
        return self._rules.slots(codes, numbers.is_valid().to_numpy(zero_copy_only=False)), codes

    def _unit(self, column: pa.Array) -> tuple[Any, ...]:
        if not pa.types.is_dictionary(column.type):
            column = (column.cast(pa.string()) if pa.types.is_null(column.type) else column).dictionary_encode()
        if not _is_text(column.type.value_type):
            raise ValueError(f"{self._table}: unit is of type {column.type}, not text")
        return self._looked_up("unit", column, self._units_of)

    def _units_of(self, values: pa.Array) -> Lookup:
        found = np.zeros(len(values), np.int32)
        for i, spelling in enumerate(values.to_pylist()):
            found[i] = self._units.number(spelling) if spelling is not None else 0
            if len(self._units.numbers) >= UNITS_MOST:
                raise ValueError(
                    f"{self._table}: unit has {UNITS_MOST:,} different spellings or more: it holds no units"
                )
        return found

    def _looked_up(self, name: str, column: pa.Array, worked_out: Callable[[pa.Array], Any]) -> tuple[Any, ...]:
        """A column in a dictionary: valid, indices, offset, and what each value of the dictionary stands for."""
        dictionary, indices = column.dictionary, column.indices
        same = (
            dictionary.type,
            dictionary.offset,
            len(dictionary),
            [b and (b.address, b.size) for b in dictionary.buffers()],
        )
        if name not in self._known or self._known[name][0] != same:
            self._known[name] = (same, dictionary, worked_out(dictionary))  # which is held: its address stays its own
        if indices.type != pa.int32():
            indices = indices.cast(pa.int32())
        return (*_plain(indices), self._known[name][2])


def _plain(column: pa.Array) -> tuple[Any, ...]:
    valid, data = column.buffers()
    return (valid if column.null_count else None, data, column.offset)


def _integers(column: pa.Array) -> pa.Array:
    if not (pa.types.is_integer(column.type) or pa.types.is_null(column.type)):
        raise ValueError(f"whole numbers are needed, not {column.type}")
    return column if column.type == pa.int64() else column.cast(pa.int64())


def _is_text(type_: pa.DataType) -> bool:
    return any(kind(type_) for kind in _TEXTS)
