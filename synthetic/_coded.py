"""A synthetic list as the coded record that means it: patients, registrations, events, medications and activity.

A slice of people at a time, each from a random stream of its own, so that nothing depends on threads.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from popstrat.core.dates import days
from popstrat.deriving.canonical import KINDS
from popstrat.deriving.folds import NO_DAY
from popstrat.synthetic._columns import draw_rows
from popstrat.synthetic._meaning import features, lists, units
from popstrat.synthetic._places import stream
from popstrat.synthetic._record import Recorder
from popstrat.synthetic._rows import NO_GROUP, NO_UNIT, Built, Rows

SLICE = 4_096  # people; a block of the list is a whole number of them
_CODED = 1_024  # stream number

Bools = NDArray[np.bool_]
_TEXT = pa.dictionary(pa.int32(), pa.string())
_LABEL = pa.dictionary(pa.int8(), pa.string())

SCHEMAS: dict[str, pa.Schema] = {
    "patients": pa.schema(
        [
            pa.field("patient_id", pa.int64(), nullable=False), pa.field("date_of_birth", pa.date32()),
            pa.field("sex", _LABEL), pa.field("date_of_death", pa.date32()), pa.field("ethnicity", _LABEL),
            pa.field("imd_decile", pa.int8()), pa.field("type1_opt_out", pa.bool_()),
            pa.field("national_data_opt_out", pa.bool_()),
        ]
    ),
    "registrations": pa.schema(
        [
            pa.field("patient_id", pa.int64(), nullable=False), pa.field("practice_code", _TEXT),
            pa.field("start_date", pa.date32()), pa.field("end_date", pa.date32()), pa.field("pcn_code", _TEXT),
            pa.field("neighbourhood", _TEXT), pa.field("place", _TEXT),
        ]
    ),
    "events": pa.schema(
        [
            pa.field("patient_id", pa.int64(), nullable=False), pa.field("date", pa.date32()),
            pa.field("code", pa.int64()), pa.field("value", pa.float64()), pa.field("unit", _LABEL),
            pa.field("group_id", pa.int64()), pa.field("second_value", pa.float64()),
        ]
    ),
    "medications": pa.schema(
        [
            pa.field("patient_id", pa.int64(), nullable=False), pa.field("date", pa.date32()),
            pa.field("code", pa.int64()),
        ]
    ),
    "activity": pa.schema(
        [
            pa.field("patient_id", pa.int64(), nullable=False), pa.field("date", pa.date32()),
            pa.field("kind", _LABEL),
        ]
    ),
}  # fmt: skip


@dataclass(frozen=True)
class CodedSlice:
    """The record of a slice of people. ``table``: their rows of the patient table, as the record means them;
    ``adjusted``: how many cells of it differ from the generated list, by column and reason."""

    table: pa.RecordBatch
    tables: dict[str, pa.RecordBatch]
    adjusted: Counter[tuple[str, str]]


def coded(
    batch: pa.RecordBatch, number: int, *, seed: int, as_of: dt.date, plain: bool = False, events_per_patient: float = 0
) -> CodedSlice:
    """The record of the people of ``batch``, the slice of the list with this number."""
    rng = stream(seed, _CODED << 40 | number)
    listed = batch.num_rows
    hosts = np.zeros(0, np.int64) if plain else np.flatnonzero(rng.random(listed) < 0.03)
    ids = np.asarray(batch.column(0))
    hosts = hosts[np.append(ids[1:] - ids[:-1] > 1, True)[hosts]] if len(hosts) else hosts
    rows = np.sort(np.concatenate([np.arange(listed), hosts]), kind="stable")
    is_listed = np.ones(len(rows), np.bool_)
    is_listed[1:] = rows[1:] != rows[:-1]
    values: dict[str, Any] = {}
    there: dict[str, Bools] = {}
    for field, column in zip(batch.schema, batch.columns, strict=True):
        values[field.name], there[field.name] = _cells(column, rows)
    values["patient_id"] = values["patient_id"] + ~is_listed
    labels = {
        field.name: column.dictionary.to_pylist()
        for field, column in zip(batch.schema, batch.columns, strict=True)
        if field.type == _LABEL
    }
    recorder = Recorder(
        values, there, labels, is_listed, as_of=as_of, lists=lists(), units=units(), rng=rng, plain=plain,
        events_per_patient=events_per_patient,
    )  # fmt: skip
    draw_rows(recorder, features(as_of))
    # People who are not on the list: dead, gone, not yet come, or unknown to the two tables.
    why = np.where(is_listed, -1, rng.integers(0, 4, len(rows)))
    tables = {
        "patients": _patients(batch, values, rows, why, days(as_of), rng, plain),
        "registrations": _registrations(batch, values, rows, why, days(as_of), rng, plain),
        **{name: _batch(name, built, values["patient_id"]) for name, built in (
            ("events", recorder.events.build()), ("medications", recorder.medications.build()),
            ("activity", recorder.activity.build()),
        )},
    }  # fmt: skip
    return CodedSlice(_expected(batch, recorder, is_listed), tables, recorder.adjusted)


def _cells(column: pa.Array, rows: NDArray[np.int64]) -> tuple[Any, Bools]:
    """The values of a column (labels by number, days as numbers), 0 where there is none; and where there is one."""
    there = ~np.asarray(column.is_null())
    if pa.types.is_dictionary(column.type):
        column = column.indices
    elif pa.types.is_date32(column.type):
        column = column.view(pa.int32())
    filled = column.fill_null(False if pa.types.is_boolean(column.type) else 0)
    return filled.to_numpy(zero_copy_only=False)[rows], there[rows]


def _expected(batch: pa.RecordBatch, recorder: Recorder, listed: Bools) -> pa.RecordBatch:
    changed = {column for column, _ in recorder.adjusted}
    columns = []
    for field, column in zip(batch.schema, batch.columns, strict=True):
        if field.name in changed:
            values, mask = recorder.values[field.name][listed], ~recorder.there[field.name][listed]
            if pa.types.is_dictionary(field.type):
                indices = pa.array(values, field.type.index_type, mask=mask)
                column = pa.DictionaryArray.from_arrays(indices, column.dictionary)
            elif pa.types.is_date32(field.type):
                column = pa.array(values, pa.int32(), mask=mask).view(pa.date32())
            else:
                column = pa.array(values, field.type, mask=mask)
        columns.append(column)
    return pa.record_batch(columns, schema=batch.schema)


def _dates(day: NDArray[Any]) -> pa.Array:
    return pa.array(day.astype(np.int32), pa.int32(), mask=day == NO_DAY).view(pa.date32())


def _batch(name: str, rows: Built, ids: NDArray[np.int64]) -> pa.RecordBatch:
    schema = SCHEMAS[name]
    columns = [pa.array(ids[rows.person]), _dates(rows.day)]
    if name == "activity":
        kinds = pa.array(KINDS, pa.string())
        columns.append(pa.DictionaryArray.from_arrays(pa.array(rows.code.astype(np.int8)), kinds))
        return pa.record_batch(columns, schema=schema)
    columns.append(pa.array(rows.code))
    if name == "events":
        columns.append(pa.array(rows.value, mask=np.isnan(rows.value)))
        which = pa.array(rows.unit, mask=rows.unit == NO_UNIT)
        columns.append(pa.DictionaryArray.from_arrays(which, pa.array(units(), pa.string())))
        columns.append(pa.array(rows.group, mask=rows.group == NO_GROUP))
        columns.append(pa.array(rows.second, mask=np.isnan(rows.second)))
    return pa.record_batch(columns, schema=schema)


_DEAD, _LEFT, _TO_COME, _UNKNOWN = range(4)


def _patients(
    batch: pa.RecordBatch, values: dict[str, Any], rows: NDArray[np.int64], why: Any, today: int,
    rng: np.random.Generator, plain: bool,
) -> pa.RecordBatch:  # fmt: skip
    births = values["date_of_birth"].astype(np.int64)
    dead = births + np.floor(rng.random(len(rows)) * (today - births + 1)).astype(np.int64)
    death = np.where(why == _DEAD, dead, NO_DAY)
    if not plain:  # those who are alive on the day, and died since
        death = np.where((why < 0) & (rng.random(len(rows)) < 0.002), today + rng.integers(1, 60, len(rows)), death)
    kept = np.flatnonzero(why != _UNKNOWN)
    if not plain:  # some twice
        kept = np.repeat(kept, 1 + (rng.random(len(kept)) < 0.002))
    takes = pa.array(rows[kept])
    found = {"patient_id": pa.array(values["patient_id"][kept]), "date_of_death": _dates(death[kept])}
    columns = [found[f.name] if f.name in found else batch.column(f.name).take(takes) for f in SCHEMAS["patients"]]
    return pa.record_batch(columns, schema=SCHEMAS["patients"])


def _registrations(
    batch: pa.RecordBatch, values: dict[str, Any], rows: NDArray[np.int64], why: Any, today: int,
    rng: np.random.Generator, plain: bool,
) -> pa.RecordBatch:  # fmt: skip
    """The registration that the table holds, and others that lose against it: ended, not begun, begun earlier; begun on
    the same day and ended earlier; on the same day and of a higher practice code."""
    n = len(rows)
    births = values["date_of_birth"].astype(np.int64)
    known = (why != _UNKNOWN) | (rng.random(n) < 0.5)  # half of the unknown are so to the patients alone
    start = births + np.floor(rng.random(n) * (today - births + 1)).astype(np.int64)
    end = np.full(n, int(NO_DAY), np.int64)
    leaves = rng.random(n) < (0 if plain else 0.01)  # after the day
    end[leaves] = today + 1 + rng.integers(0, 200, int(leaves.sum()))
    gone = why == _LEFT
    end[gone] = start[gone] + np.floor(rng.random(int(gone.sum())) * (today - start[gone] + 1)).astype(np.int64)
    start[why == _TO_COME] = today + 1 + rng.integers(0, 60, int((why == _TO_COME).sum()))
    table = Rows()
    own = np.flatnonzero(known)
    pieces = [(own, start[own], end[own], rows[own])]
    other = rng.integers(0, batch.num_rows, n) if batch.num_rows else np.zeros(0, np.int64)
    if not plain:
        # before, and ended by then or not at all
        before = np.flatnonzero((why < 0) & (start > births) & (rng.random(n) < 0.4))
        first = births[before] + np.floor(rng.random(len(before)) * (start[before] - births[before])).astype(np.int64)
        open_ended = rng.random(len(before)) < 0.03
        pieces.append((before, first, np.where(open_ended, int(NO_DAY), start[before]), other[before]))
        # not yet begun
        later = np.flatnonzero((why < 0) & (rng.random(n) < 0.005))
        pieces.append((later, np.full(len(later), today + 1), np.full(len(later), int(NO_DAY)), other[later]))
        # begun on the same day and to end, where the own one has no end
        tied = np.flatnonzero((why < 0) & (end == NO_DAY) & (rng.random(n) < 0.003))
        pieces.append((tied, start[tied], today + 1 + rng.integers(0, 90, len(tied)), other[tied]))
        # without a start, and the own one twice
        undated = np.flatnonzero((why < 0) & (rng.random(n) < 0.002))
        pieces.append((undated, np.full(len(undated), int(NO_DAY)), end[undated], other[undated]))
        again = np.flatnonzero((why < 0) & (rng.random(n) < 0.002))
        pieces.append((again, start[again], end[again], rows[again]))
        # the same days, and a practice of a higher code: of the last code there is none
        codes = batch.column("practice_code")
        rank = np.argsort(np.argsort(np.array(codes.dictionary.to_pylist())))[np.asarray(codes.indices)]
        if len(rank):
            top = int(np.argmax(rank))
            same = np.flatnonzero((why < 0) & (rank[rows] < rank[top]) & (rng.random(n) < 0.003))
            pieces.append((same, start[same], end[same], np.full(len(same), top)))
    for which, (person, begin, _, _) in enumerate(pieces):
        table.add(person, begin, which)
    built = table.build()
    ends, places = np.zeros(len(built.person), np.int64), np.zeros(len(built.person), np.int64)
    for which, (person, _, finish, place) in enumerate(pieces):
        at = np.full(n, -1)
        at[person] = np.arange(len(person))
        mine = built.code == which
        ends[mine], places[mine] = finish[at[built.person[mine]]], place[at[built.person[mine]]]
    takes = pa.array(places)
    found = {
        "patient_id": pa.array(values["patient_id"][built.person]), "start_date": _dates(built.day),
        "end_date": _dates(ends),
    }  # fmt: skip
    columns = [found[f.name] if f.name in found else batch.column(f.name).take(takes) for f in SCHEMAS["registrations"]]
    return pa.record_batch(columns, schema=SCHEMAS["registrations"])
