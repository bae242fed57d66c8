"""Of what age and sex the people of a table are, by a sample of its rows, which is enough to know what to expect.

The rows are evenly spaced, since lists are sorted by practice, and read where they lie, which takes less than a
millisecond a batch; of a table in many batches no more rows are looked at than of one batch.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from popstrat.core.dates import days, latest_birth_for
from popstrat.packs.expected import BAND_YEARS, BANDS
from popstrat.packs.patient_table import Schema
from popstrat.scoring.columns import Binding, converted, label_numbers

SAMPLED = 4096
"""Rows of a batch, or of a table whose size is known, that are looked at, about."""
_RUNS = 16  # runs of rows that are looked at together where a column has to be converted first
_SEXES = ("female", "male")
_OTHER = len(_SEXES)
_NUMPY = {"i8": "i1", "u8": "u1", "i16": "i2", "i32": "i4", "i64": "i8", "f32": "f4", "f64": "f8",
          "dict8": "i1", "dict16": "i2", "dict32": "i4", "str32": "i4", "str64": "i8"}  # fmt: skip


class People:
    """Counts people by sex and age band, batch by batch."""

    def __init__(
        self, bindings: Mapping[str, Binding], schema: Schema, as_of: dt.date,
        plainly: Callable[[pa.RecordBatch], pa.RecordBatch] | None = None,
    ) -> None:  # fmt: skip
        """``bindings`` are of the columns that are read, as they are once a batch was made plain by ``plainly``."""
        self._plainly = plainly
        age = next((c for c in schema if c.completed_years_since), None)
        names = ["sex"] if age is None else ["sex", str(age.completed_years_since), age.name]
        there = {n: b for n in names if (b := bindings.get(n)) is not None and b.kind in _NUMPY}
        self._sex, self._birth, self._age = ([there.get(name) for name in names] + [None, None])[:3]
        self._known = self._sex is not None and (self._birth is not None or self._age is not None)
        self._together = any(b.convert is not None for b in there.values())  # what is converted is not picked out
        self._birthdays = np.array([days(latest_birth_for(BAND_YEARS * b, as_of)) for b in range(BANDS - 1, 0, -1)])
        self._cells = np.zeros((_OTHER + 1, BANDS))

    def look(self, batch: pa.RecordBatch, of: int | None = None) -> None:
        """Take another batch into account, which a scorer has found sound; ``of`` so many rows in all, if known."""
        rows = batch.num_rows
        whole = rows if of is None else max(rows, of)
        if not rows or not self._known:
            return
        if not self._together or rows <= SAMPLED:
            self._count(batch, max(1, whole // SAMPLED), rows)
            return
        run, runs = SAMPLED // _RUNS, -(-_RUNS * rows // whole)
        for i in range(runs):
            self._count(batch.slice(i * rows // runs, run), 1, rows / runs)

    def _count(self, batch: pa.RecordBatch, every: int, weight: float) -> None:
        """Count each so many-th row; together they stand for so many people."""
        cells = self._cells_of(batch, every)
        known = cells[cells >= 0]
        counts = np.bincount(known, minlength=self._cells.size)
        self._cells += counts.reshape(self._cells.shape) * (weight / len(cells))

    def cells(self, batch: pa.RecordBatch) -> NDArray[np.int64]:
        """Of each row, 0 to 2 for female, male and other times `BANDS`, plus the age band; -1 where the age is not
        known."""
        if not self._known:
            return np.full(batch.num_rows, -1)
        return self._cells_of(batch, 1)

    def _cells_of(self, batch: pa.RecordBatch, every: int) -> NDArray[np.int64]:
        if self._plainly is not None:
            batch = self._plainly(batch)
        band = np.full(-(-batch.num_rows // every), -1)
        if self._age is not None:
            years, there = _picked(batch, self._age, every)
            there &= (years >= 0) & (years <= BAND_YEARS * 100)
            band[there] = np.minimum(years[there].astype(np.int64) // BAND_YEARS, BANDS - 1)
        if self._birth is not None:
            born, there = _picked(batch, self._birth, every)
            band[there] = BANDS - 1 - np.searchsorted(self._birthdays, born[there])
        return np.where(band >= 0, self._sexes(batch, every) * BANDS + band, -1)

    @property
    def by_sex_and_age(self) -> NDArray[np.float64]:
        """About how many there are by sex (female, male) and age band (2 × `BANDS`); those of another or no sex are
        shared out evenly."""
        return np.asarray(self._cells[:_OTHER] + self._cells[_OTHER] / 2)

    def _sexes(self, batch: pa.RecordBatch, every: int) -> NDArray[np.int64]:
        """0 for female, 1 for male, 2 for whatever else stands there."""
        binding = self._sex
        assert binding is not None
        found, there = _picked(batch, binding, every)
        labels = [binding.column.labels.index(sex) for sex in _SEXES]
        if binding.kind.startswith("dict"):
            codes = label_numbers(binding.spellings, batch.column(binding.position).dictionary)
            there &= (found >= 0) & (found < len(codes))
            found = np.where(there, codes[np.where(there, found, 0)] if len(codes) else 0, _OTHER)
        return np.where(there & (found == labels[0]), 0, np.where(there & (found == labels[1]), 1, _OTHER))


def _picked(batch: pa.RecordBatch, binding: Binding, every: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Each so many-th value of a column, and where there is one; of text the code of the label that it begins like."""
    column = converted(batch.column(binding.position), binding)
    start, end = column.offset, column.offset + len(column)
    held = column.indices if isinstance(column, pa.DictionaryArray) else column
    buffers = held.buffers()
    text = binding.kind.startswith("str")
    values = np.frombuffer(buffers[1] or b"", _NUMPY[binding.kind], end + text)
    picked = values[start:end:every]
    if buffers[0] is None:
        there = np.ones(len(picked), np.bool_)
    else:
        rows = np.arange(start, end, every)
        bitmap = np.frombuffer(buffers[0], np.uint8)
        there = (bitmap[rows >> 3] >> (rows & 7) & 1).astype(np.bool_)
    if not text:
        return picked, there
    return _labels(binding, picked, values[start + 1 : end + 1 : every], buffers[2], there), there


def _labels(binding: Binding, first: Any, last: Any, data: Any, there: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The code of the label that each text is, by its length and first letter; none of two that are alike in both."""
    codes = _by_length_and_letter(tuple(binding.spellings.items()))
    letters = np.frombuffer(data or b"", np.uint8)
    size = np.asarray(last, np.int64) - first
    inside = there & (first >= 0) & (size > 0) & (size < len(codes)) & (last <= len(letters))
    out = np.full(len(size), -1, np.int64)
    out[inside] = codes[size[inside], letters[np.asarray(first)[inside]]]
    return out


@lru_cache(maxsize=64)
def _by_length_and_letter(spellings: tuple[tuple[str, int], ...]) -> NDArray[np.int64]:
    """Of each length and each byte that a text may begin with the code of the label, by the codes of all spellings."""
    codes: dict[tuple[int, int], int] = {}
    for spelling, code in spellings:
        for first_of in {ord(spelling[0].lower()), ord(spelling[0].upper())}:
            key = len(spelling), first_of
            codes[key] = code if codes.setdefault(key, code) == code else -1
    table = np.full((max((length for length, _ in codes), default=0) + 1, 256), -1, np.int64)
    for (length, letter), code in codes.items():
        if letter < 256:  # others begin with more than one byte
            table[length, letter] = code
    return table
