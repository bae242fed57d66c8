"""A synthetic registered list, London-like in its shares, with every column of the patient table.

No row stands for a real person and no row was made from one: all comes from published shares and stated
assumptions (``london.toml``). Use it to try things out, to measure speed and to test; not to infer anything.

>>> import datetime as dt
>>> from popstrat import synthetic
>>> synthetic.table(1_000, seed=1, as_of=dt.date(2026, 6, 30)).num_rows
1000
"""

from __future__ import annotations

import datetime as dt
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from popstrat.errors import InputError
from popstrat.packs.patient_table import patient_schema
from popstrat.synthetic import _lookup
from popstrat.synthetic._care import Care
from popstrat.synthetic._faults import ODD_LABELS, add_faults, add_faults_of_added_columns
from popstrat.synthetic._parameters import london
from popstrat.synthetic._people import BLOCK, Cells, Draw, draw_people
from popstrat.synthetic._places import MAX_PRACTICES, Places, draw_places
from popstrat.synthetic._records import Records

if TYPE_CHECKING:
    from popstrat.synthetic._coded import CodedSlice as CodedSlice
    from popstrat.synthetic._coded_files import code_lists as code_lists
    from popstrat.synthetic._coded_files import coded_record as coded_record
    from popstrat.synthetic._coded_files import write_coded_record as write_coded_record
    from popstrat.synthetic._outcomes import OUTCOME_SCHEMA as OUTCOME_SCHEMA
    from popstrat.synthetic._outcomes import outcome_batches as outcome_batches
    from popstrat.synthetic._outcomes import outcomes as outcomes

__all__ = [
    "OUTCOME_SCHEMA", "CodedSlice", "code_lists", "coded_record", "duplicate_ids", "generate", "lookup",
    "lookup_schema", "outcome_batches", "outcomes", "schema", "table", "write_coded_record",
]  # fmt: skip

_LATER = {  # they need the scorer, or what reads a coded record, which drawing a list does without
    **dict.fromkeys(("OUTCOME_SCHEMA", "outcome_batches", "outcomes"), "_outcomes"),
    **dict.fromkeys(("code_lists", "coded_record", "write_coded_record"), "_coded_files"),
    "CodedSlice": "_coded",
}
_MAX_PATIENTS = 400_000_000
_NAMED = ("practice_code", "pcn_code", "neighbourhood", "place")


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'popstrat.synthetic' has no attribute {name!r}")
    return getattr(import_module(f"popstrat.synthetic.{_LATER[name]}"), name)


@cache
def schema() -> pa.Schema:
    """The Arrow schema of every batch: the patient table with ``date_of_birth`` and without ``age``.

    ``practice_code``, ``pcn_code``, ``neighbourhood`` and ``place`` are dictionary-encoded strings (int32 indices),
    everything else has the type that the patient table gives it.
    """
    named = pa.dictionary(pa.int32(), pa.string())
    fields = patient_schema().arrow(without=["age"])
    return pa.schema([pa.field(f.name, named) if f.name in _NAMED else f for f in fields])


def generate(
    patients: int,
    *,
    seed: int = 0,
    as_of: dt.date,
    practices: int | None = None,
    dirty: bool = False,
    threads: int | None = None,
) -> Iterator[pa.RecordBatch]:
    """Yield a synthetic list of ``patients`` people as they would stand on ``as_of``, in batches of `schema`.

    The same arguments give the same rows, whatever ``threads`` (default: one per processor). A batch has 65,536 rows
    but for the last; a list of nobody yields none. Rows come sorted by practice, with ascending ``patient_id``.
    Unless ``practices`` fixes their number, practices are added until the list is full, so the rows of a longer
    list begin with those of a shorter one, but for the practice in which the shorter one ends.

    Null means no record: measurements, categories and a few places and ethnicities are null as in a real list;
    identity, flags, medication and use never are. With ``dirty`` the same list carries the faults of real
    extracts (see ``docs/synthetic.md``); ids and practice codes stay valid.

    Raises `InputError` if an argument is out of range, ``RuntimeError`` in a process forked after the first batch.
    """
    model = london()
    if not 0 <= patients <= _MAX_PATIENTS:
        raise InputError(f"a synthetic list has between 0 and {_MAX_PATIENTS:,} patients, not {patients:,}")
    if practices is not None and not 1 <= practices <= MAX_PRACTICES:
        raise InputError(f"a synthetic list has between 1 and {MAX_PRACTICES:,} practices, not {practices:,}")
    if not 0 <= seed < 1 << 64:
        raise InputError(f"a seed is a whole number from 0 to 2^64 - 1, not {seed}")
    if threads is not None and threads < 1:
        raise InputError(f"at least one thread is needed, not {threads}")
    if as_of < model.earliest_as_of:
        raise InputError(f"a synthetic list needs an as-of date from {model.earliest_as_of} on, not {as_of}")
    places = draw_places(model.places, patients, practices, seed)
    writer = _Writer(places, seed, as_of, dirty)
    blocks = -(-patients // BLOCK)
    sizes = [min(BLOCK, patients - b * BLOCK) for b in range(blocks)]
    workers = min(threads or os.cpu_count() or 1, max(blocks, 1))
    if workers == 1:
        return (writer.block(b, n) for b, n in enumerate(sizes))
    return _ahead(writer, sizes, workers)


def _ahead(writer: _Writer, sizes: list[int], workers: int) -> Iterator[pa.RecordBatch]:
    """Blocks in order, drawn by a few threads that keep no more than one block each ahead of the reader."""
    process = os.getpid()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="popstrat-synth")
    try:
        pending: deque[Future[pa.RecordBatch]] = deque()
        for number, size in enumerate(sizes):
            pending.append(pool.submit(writer.block, number, size))
            if len(pending) > workers:
                yield pending.popleft().result()
                _still(process)
        while pending:
            yield pending.popleft().result()
            _still(process)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _still(process: int) -> None:
    """A forked process has none of its parent's threads, and would wait for them for ever."""
    if os.getpid() != process:
        raise RuntimeError("a list that one process has begun to make cannot be made by another; begin it there")


def table(
    patients: int,
    *,
    seed: int = 0,
    as_of: dt.date,
    practices: int | None = None,
    dirty: bool = False,
    threads: int | None = None,
) -> pa.Table:
    """All of `generate` as one table (about 190 bytes a patient in memory)."""
    batches = generate(patients, seed=seed, as_of=as_of, practices=practices, dirty=dirty, threads=threads)
    return pa.Table.from_batches(list(batches), schema())


def duplicate_ids(
    patients: int, *, seed: int = 0, as_of: dt.date, practices: int | None = None, every: int = 97
) -> Iterator[pa.RecordBatch]:
    """The clean list, but every ``every``-th row carries the ``patient_id`` of the row before it.

    A list like that must not be scored; this is for trying that it is refused. A list of fewer than two
    people has nothing to repeat; one of up to ``every`` repeats its last id.
    """
    seen = 0
    for batch in generate(patients, seed=seed, as_of=as_of, practices=practices):
        ids = np.array(batch.column(0))
        rows = np.arange(max(1, every - 1 - seen % every), len(ids), every)
        if patients <= every and len(ids) > 1:
            rows = np.array([len(ids) - 1])
        ids[rows] = ids[rows - 1]
        seen += len(ids)
        yield batch.set_column(0, batch.schema.field(0), pa.array(ids))


def lookup(
    patients: int, *, seed: int = 0, as_of: dt.date, practices: int | None = None, dirty: bool = False
) -> Iterator[pa.RecordBatch]:
    """The lookup of the list that the same arguments give: key, NHS number, practice, date of birth, registration.

    The numbers are of the range that is never issued, 999 000 0000 to 999 999 9999, so there are at most 909,090
    people. With ``dirty`` about one row in sixty has a fault: missing, repeated, without a number, with a wrong or a
    shared one, deceased, deducted, of another practice, with another date of birth.

    Raises `InputError` for a longer list.
    """
    rows = generate(patients, seed=seed, as_of=as_of, practices=practices)
    return _lookup.lookup(rows, patients, seed=seed, dirty=dirty)


def lookup_schema() -> pa.Schema:
    """The Arrow schema of every batch of `lookup`."""
    return _lookup.SCHEMA


class _Writer:
    """Turns blocks of people into record batches. Shared by all threads; holds nothing that changes."""

    def __init__(self, places: Places, seed: int, as_of: dt.date, dirty: bool) -> None:
        self._model, self._places = london(), places
        self._seed, self._as_of, self._dirty = seed, as_of, dirty
        names = (places.practice_codes, places.pcn_codes, places.neighbourhood_names, places.place_names)
        self._labels = {name: pa.array(values, pa.string()) for name, values in zip(_NAMED, names, strict=True)}
        self._odd_code: dict[str, int] = {}
        for column in patient_schema():
            if column.type == "category":
                odd = [ODD_LABELS[column.name]] if dirty and column.name in ODD_LABELS else []
                self._labels[column.name] = pa.array([*column.labels, *odd], pa.string())
                self._odd_code.update({column.name: len(column.labels)} if odd else {})

    def block(self, number: int, rows: int) -> pa.RecordBatch:
        cells = Cells()
        draw = Draw(self._seed, number)
        people = draw_people(self._model, self._places, draw, number, self._as_of, cells)
        records = Records(self._model, draw, people, self._as_of, cells)
        records.draw_all()
        Care(self._model, self._seed, number, people, records, self._as_of, cells).draw_all()
        if self._dirty:
            given = self._odd_code, self._seed, number, self._as_of, cells
            add_faults(self._model.raw["faults"], *given)
            add_faults_of_added_columns(self._model.raw["faults_added"], *given)
        return pa.record_batch([self._array(field, cells, rows) for field in schema()], schema=schema())

    def _array(self, field: pa.Field, cells: Cells, rows: int) -> pa.Array:
        values = cells.values[field.name][:rows]
        nulls = cells.nulls.get(field.name)
        mask = None if nulls is None else nulls[:rows]
        if pa.types.is_dictionary(field.type):
            indices = pa.array(values, field.type.index_type, mask=mask)
            return pa.DictionaryArray.from_arrays(indices, self._labels[field.name], safe=False)
        if pa.types.is_date32(field.type):
            return pa.array(values.astype(np.int32, copy=False), pa.int32(), mask=mask).view(pa.date32())
        return pa.array(values, field.type, mask=mask)
