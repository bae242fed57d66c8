"""Columns of an Arrow table as arrays of numbers and flags, faults told by file, column and rows; ids matched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from popstrat.core.arrow import is_text, without_views
from popstrat.core.text import suggest
from popstrat.errors import InputError
from popstrat.packs.flags import refuse_other_numbers
from popstrat.packs.keys import as_read_table
from popstrat.packs.patient_table import ID, patient_schema
from popstrat.packs.spellings import from_text
from popstrat.scoring.unique_ids import IdBatch, UniqueIds
from popstrat.validation.measures import Floats


@dataclass(frozen=True)
class Names:
    """What the three tables are called in messages."""

    scored: str | None = None
    outcomes: str | None = None
    patients: str | None = None


@dataclass
class Table:
    """A table with the name of its file, whose faults name it."""

    data: pa.Table
    name: str | None
    ids: pa.Array = field(init=False)
    respelt: Mapping[str, int] = field(init=False)
    """Its columns of keys and codes of which rows were written otherwise than they are read, and how many."""

    def __post_init__(self) -> None:
        names = self.data.column_names
        twice = next((n for n in names if names.count(n) > 1), None)
        if twice is not None:
            raise InputError(f"appears {names.count(twice)} times", column=twice, file=self.name)
        try:
            self.data, self.respelt = as_read_table(self.data)
        except InputError as error:
            raise error.located(self.name) from None
        self.ids = self._unique_ids()

    def column(self, name: str) -> pa.Array:
        """A column in one piece, without a dictionary. Raises `InputError` if it is missing."""
        if name not in self.data.column_names:
            raise InputError(f"is missing{suggest(name, self.data.column_names)}", column=name, file=self.name)
        column = self.data.column(name)
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        if is_text(kind):
            kind = pa.large_string()
        chunks = [without_views(c) if is_text(c.type) else c for c in column.chunks]
        return pa.chunked_array([c if c.type == kind else c.cast(kind) for c in chunks], kind).combine_chunks()

    def fault(self, problem: str, column: str, bad: npt.NDArray[np.bool_] | None = None) -> InputError:
        rows = np.flatnonzero(bad) if bad is not None else np.zeros(0, np.int64)
        return InputError(problem, column=column, rows=rows[:5].tolist(), more=max(0, len(rows) - 5), file=self.name)

    def _unique_ids(self) -> pa.Array:
        ids = self.column(ID)
        if not (pa.types.is_integer(ids.type) or is_text(ids.type) or pa.types.is_null(ids.type)):
            raise self.fault(f"a whole number or text is needed, and the column is of type {ids.type}", ID)
        if pa.types.is_null(ids.type):
            ids = ids.cast(pa.int64())
        batch = IdBatch(ids)
        with UniqueIds(column=ID, files=[self.name] if self.name else []) as unique:
            try:
                unique.add(batch)
                unique.finish(lambda: [batch])
            except InputError as error:
                raise error.located(self.name) from None
        return ids

    def numbers(self, name: str, what: str) -> Floats:
        """A column as doubles, nulls and NaN as NaN. Raises `InputError` if it is not one of numbers."""
        column = self.column(name)
        kind = column.type
        if is_text(kind):
            column = self._read(column, "float", name, f"{what} is needed")
        elif pa.types.is_decimal(kind):
            column = column.cast(pa.float64())
        elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
                  or pa.types.is_null(kind)):  # fmt: skip
            raise self.fault(f"{what} is needed, and the column is of type {kind}", name)
        found = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        return np.asarray(found, dtype=np.float64)

    def flags(self, name: str, *, counts: bool) -> Floats:
        """A column of true and false, 1 and 0 (or counts, where over 0 is true) as 1 and 0; nulls as NaN."""
        column = self.column(name)
        what = "true, false, 1 or 0" + (", or a count" if counts else "")
        if is_text(column.type):
            try:
                found = self._read(column, "bool", name, what)
            except InputError:  # counts, or what is said below to be neither
                pass
            else:
                return np.asarray(found.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)
        values = self.numbers(name, what)
        known = ~np.isnan(values)
        bad = known & ~((values >= 0) & (values == np.floor(values)) & (values < (np.inf if counts else 2)))
        if bad.any():
            raise self.fault(f"{what} is needed", name, bad)
        return np.where(known, (values > 0).astype(np.float64), np.nan)

    def _read(self, column: pa.Array, kind: str, name: str, problem: str) -> pa.Array:
        try:
            return from_text(column, kind, name, problem=problem)
        except InputError as error:
            raise error.located(self.name) from None

    def refuse_odd_flags(self, names: Sequence[str]) -> None:
        """Raise `InputError` where one of these columns is a flag of the patient table and holds other numbers than 0
        and 1."""
        known = patient_schema().columns
        for name in names:
            if name in self.data.column_names and name in known and known[name].type == "bool":
                values = self.column(name)
                kind = values.type
                if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
                    try:
                        refuse_other_numbers(values.cast(pa.float64(), safe=False), name)
                    except InputError as error:
                        raise error.located(self.name) from None


def rows_among(wanted: pa.Array, among: pa.Array) -> npt.NDArray[np.int64]:
    """For each wanted id its row among others, −1 if it is not there. Ids of numbers and of text compare as text."""
    if pa.types.is_integer(wanted.type) and pa.types.is_integer(among.type):
        kind = pa.int64() if pa.uint64() not in (wanted.type, among.type) else pa.uint64()
        try:
            wanted, among = wanted.cast(kind), among.cast(kind)
        except pa.ArrowInvalid:  # beyond 63 bits on one side, negative on the other
            wanted, among = wanted.cast(pa.large_string()), among.cast(pa.large_string())
    else:
        wanted, among = wanted.cast(pa.large_string()), among.cast(pa.large_string())
    if wanted.equals(among):
        return np.arange(len(wanted))
    found = pc.index_in(wanted, value_set=among).fill_null(-1)
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.int64)
