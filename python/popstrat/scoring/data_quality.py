"""How well a patient table is filled, column by column, and which practices stand out.

For a page and for whoever maintains an extract: the share of people with a value, how old the latest values are, how
many a register holds for 1,000 people against what their ages and sexes lead to expect, what was implausible. A
practice stands out in a column where it has less than a third, or more than three times, of what people of the same
ages and sexes have in the whole list, and not by chance.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from popstrat.core.arrow import numbers, true, valid
from popstrat.core.dates import days
from popstrat.engine import count_at
from popstrat.packs.expected import BANDS, expected
from popstrat.packs.flags import true_rows
from popstrat.packs.patient_table import KEY_COLUMNS, PRACTICE, Column
from popstrat.scoring.bound import BoundScorer
from popstrat.scoring.columns import Binding, converted
from popstrat.scoring.completeness import LEAST_SHARE, far_below
from popstrat.scoring.tally import Tally

_CELLS = 3 * BANDS + 1  # female, male, other by age band; the last is of people without an age
_OLDEST = 366 * 130  # days
_STANDS_OUT = 1 / 3
_MOST_OUTLIERS = 500


class DataQuality:
    """What is counted of a list, batch by batch, by one thread. Values are counted as they stand, plausible or not."""

    def __init__(self, files: Sequence[BoundScorer]) -> None:
        """``files``: for each file a checker, to which its batches belong."""
        self._files = [
            (bound.people(), [b for name, b in bound.bindings.items() if name not in KEY_COLUMNS],
             bound.schema.get_field_index(PRACTICE))
            for bound in files
        ]  # fmt: skip
        self._columns = {b.column.name: b.column for _, bindings, _ in self._files for b in bindings}
        self._codes: dict[str, int] = {}
        self._of_practice = np.zeros((0, _CELLS), np.int64)
        self._by_cell = {name: np.zeros(_CELLS, np.int64) for name in self._columns}
        self._by_practice: dict[str, NDArray[np.int64]] = {name: np.zeros(0, np.int64) for name in self._columns}
        self._ages = {c.name: np.zeros(_OLDEST + 1, np.int64) for c in self._columns.values() if c.dates}
        self._as_of = days(files[0].scorer.as_of)

    def look(self, file: int, batch: pa.RecordBatch) -> None:
        """Take another batch of a file into account, which its checker has found sound."""
        if not batch.num_rows:
            return
        people, bindings, practice = self._files[file]
        cells = people.cells(batch).astype(np.int32)
        cells[cells < 0] = _CELLS - 1
        practices = self._practices(batch.column(practice))
        count = len(self._codes)
        if count > len(self._of_practice):
            self._of_practice = _longer(self._of_practice, count)
            self._by_practice = {name: _longer(of, count) for name, of in self._by_practice.items()}
        count_at(np.ones(len(cells), np.uint8), practices * _CELLS + cells, self._of_practice.reshape(-1))
        for binding in bindings:
            name = binding.column.name
            there, array = _there(batch, binding)
            flags = there.view(np.uint8)
            count_at(flags, cells, self._by_cell[name])
            count_at(flags, practices, self._by_practice[name])
            if name in self._ages and array is not None:
                count_at(flags, _dates(array), self._ages[name], self._as_of)

    def _practices(self, column: pa.Array) -> NDArray[np.int32]:
        if not pa.types.is_dictionary(column.type):
            column = column.dictionary_encode()
        names = ["" if n is None else str(n) for n in column.dictionary.to_pylist()]
        table = np.array([self._codes.setdefault(name, len(self._codes)) for name in names] or [0], np.int32)
        found: NDArray[np.int32] = table[numbers(column.indices.fill_null(0) if column.null_count else column.indices)]
        return found

    def report(self, tally: Tally, as_of: dt.date) -> dict[str, Any]:
        """The whole as plain data: ``people``, ``columns`` (each with what is known of it) and ``practices``, those
        that stand out, with the columns in which they do. ``tally`` is what checking the same batches counted."""
        people = int(self._of_practice.sum())
        table = expected()
        sexes = self._of_practice.sum(axis=0)[: 3 * BANDS].reshape(3, BANDS).astype(float)
        should = table.counts(sexes[:2] + sexes[2] / 2)
        columns = []
        for name, column in self._columns.items():
            count = int(self._by_cell[name].sum())
            found: dict[str, Any] = {
                "column": name,
                "title": column.title,
                "counts": "true" if column.type == "bool" else "recorded",
                "people": count,
                "per_1000": _rounded(1000 * count / people) if people else None,
            }
            if name in table.columns and people:
                found["expected_per_1000"] = _rounded(1000 * should[name] / people)
                found["of_expected"] = _rounded(count / should[name], 3) if should[name] else None
                found["basis"] = table.columns[name].basis
                found["doubtful"] = far_below(count, should[name], LEAST_SHARE[table.columns[name].basis])
            aside = tally.quality.get(name, {})
            found["set_aside"] = dict(aside)
            found["set_aside_share"] = _rounded(sum(aside.values()) / count, 5) if count else None
            if name in self._ages:
                found |= {"dates": list(column.dates), "days_old": _quantiles(self._ages[name])}
            columns.append(found)
        return {"as_of": as_of.isoformat(), "people": people, "columns": columns, "practices": self._standing_out()}

    def _standing_out(self) -> list[dict[str, Any]]:
        """The practices, in the order of their codes, that differ from the list in a column by a factor of three."""
        if not len(self._of_practice):
            return []
        of_cell = self._of_practice.sum(axis=0).astype(float)
        found: dict[str, list[dict[str, Any]]] = {}
        for name in self._columns:
            rate = np.divide(self._by_cell[name], of_cell, out=np.zeros(_CELLS), where=of_cell > 0)
            should = self._of_practice @ rate
            for code, at in self._codes.items():
                count, about = int(self._by_practice[name][at]), float(should[at])
                if far_below(count, about, _STANDS_OUT) or far_below(about, count, _STANDS_OUT):
                    told = {"column": name, "people": count, "expected": _rounded(about)}
                    found.setdefault(code, []).append(told)
        rows = dict(zip(self._codes, self._of_practice.sum(axis=1).tolist(), strict=True))
        return [
            {PRACTICE: code, "people": rows[code], "columns": found[code]} for code in sorted(found)[:_MOST_OUTLIERS]
        ]


def _there(batch: pa.RecordBatch, binding: Binding) -> tuple[NDArray[np.bool_], pa.Array | None]:
    """In which rows a column holds something (of a flag: true), and the column as it is read."""
    column: Column = binding.column
    if binding.kind == "null":
        return np.zeros(batch.num_rows, np.bool_), None
    array = batch.column(binding.position)
    if binding.kind not in ("id", "text"):
        array = converted(array, binding)
    if column.type == "bool":
        return true(true_rows(array, column.name)), array
    there = valid(array)
    if pa.types.is_floating(array.type):
        values = numbers(array)
        there = there & (values == values)
    return there, array


def _dates(array: pa.Array) -> NDArray[np.int32]:
    """Days, whatever under nulls."""
    found = numbers(array if pa.types.is_integer(array.type) else array.cast(pa.int32()))
    return found if found.dtype == np.int32 else np.clip(found, -_OLDEST * 8, _OLDEST * 8).astype(np.int32)


def _longer(array: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    grown = np.zeros((count, *array.shape[1:]), array.dtype)
    grown[: len(array)] = array
    return grown


def _rounded(value: float, places: int = 1) -> float:
    return round(float(value), places)


def _quantiles(counts: NDArray[np.int64]) -> Mapping[str, Any]:
    """How old the values are: the middle one, that of nine in ten, and the share of more than a year."""
    total = int(counts.sum())
    if not total:
        return {"values": 0}
    running = np.cumsum(counts)
    middle, ninth = (int(np.searchsorted(running, q * total)) for q in (0.5, 0.9))
    return {
        "values": total,
        "median": middle,
        "nine_in_ten": ninth,
        "over_a_year": _rounded(1 - running[366] / total, 4),
    }
