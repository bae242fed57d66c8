"""Every row of an upload followed back, from the file as it is on the disk to the tables that it came from.

Part of every upload before its folder gets its name: each row, as it was read back, is followed through the lookup to
the scored table, both of which are read anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from popstrat.errors import InputError
from popstrat.packs.patient_table import ID, PRACTICE
from popstrat.privacy import nhs_numbers
from popstrat.upload import csv_text
from popstrat.upload.batches import values
from popstrat.upload.lookup import NUMBER, LookupFile, lookup_columns
from popstrat.upload.partition import Partitions, column, partition_of_keys, partition_of_numbers
from popstrat.upload.patient_keys import KeyRule
from popstrat.upload.plan import Plan
from popstrat.upload.practices import Practices
from popstrat.upload.read_back import ReadBack, fingerprinted, fingerprints, refuse_twice
from popstrat.upload.scored import ScoredFile, scored_rows
from popstrat.upload.templates.columns import FileColumn
from popstrat.upload.templates.sources import PREVIOUS


def trace(plan: Plan, keys: KeyRule, seen: ReadBack) -> None:
    """Follow every row of every file, as it was read back, to the tables it came from.

    Raises `InputError` unless every id in a file belongs, by the lookup, to one key, and that key, by this month's and
    for ended entries also last month's table, to the practice of the file, with the values of the file; and the lookup
    names that practice too.
    """
    layout, lookup = plan.layout, plan.lookup if plan.layout.has_numbers else None
    now = _origin("the scored table", plan, plan.table, layout.columns, "patients", keys, seen.practices)
    _trace(seen, "patients", [now], lookup, keys)
    if layout.ended and plan.previous is not None:
        now = _origin("the scored table", plan, plan.table, (), "ended", keys, seen.practices)
        then = _origin("last month's table", plan, plan.previous, layout.ended, "ended", keys, seen.practices)
        _trace(seen, "ended", [now, then], lookup, keys)


@dataclass(frozen=True)
class _Origin:
    """Where rows of a file should come from, read anew: keys, practices and fingerprints of a scored table's rows."""

    name: str
    rows: Iterable[tuple[pa.Array, NDArray[np.int32], NDArray[np.int64]]]
    says: bool  # whether the rows of the file must say what these say


def _origin(
    name: str,
    plan: Plan,
    table: ScoredFile,
    columns: Sequence[FileColumn],
    kind: str,
    keys: KeyRule,
    practices: Practices,
) -> _Origin:
    said = [c for c in columns if fingerprinted(kind, c.role, c.source)]
    return _Origin(name, _fingerprinted_rows(plan, table, said, keys, practices), bool(columns))


def _fingerprinted_rows(
    plan: Plan, table: ScoredFile, said: Sequence[FileColumn], keys: KeyRule, practices: Practices
) -> Iterator[tuple[pa.Array, NDArray[np.int32], NDArray[np.int64]]]:
    """A scored table read anew: keys, practices and fingerprints of what the cells would say."""
    group = plan.layout.group
    names = [group.name if c.source == PREVIOUS and group is not None else c.source for c in said]
    columns = list({name: table.columns[name] for name in names}.values())
    for _, batch, data in scored_rows(table, columns):
        data.update({c.source: data[name] for c, name in zip(said, names, strict=True)})
        texts = [csv_text.cell_texts(c, data, batch.num_rows, plan.layout.dialect) for c in said]
        yield (
            keys.cast(values(batch, ID)),
            practices.indices(values(batch, PRACTICE)),
            fingerprints([csv_text.decoded(text) for text in texts], batch.num_rows),
        )


def _trace(seen: ReadBack, kind: str, origins: Sequence[_Origin], lookup: LookupFile | None, keys: KeyRule) -> None:
    """Follow each row of the files of a kind to every one of ``origins``, by ``lookup`` if the ids are NHS numbers."""
    rows = seen.rows[kind] if lookup is None else _through(seen, kind, lookup, keys)
    schema = _schema(keys)
    sources = []
    for i, origin in enumerate(origins):
        source = Partitions(seen.folder, f"traced-{kind}-{i}", schema, seen.partitions)
        for key, practice, found in origin.rows:
            batch = pa.RecordBatch.from_arrays([key, pa.array(practice), pa.array(found)], schema=schema)
            source.add(batch, partition_of_keys(key, seen.partitions))
        source.finish()
        sources.append(source)
    for i in range(seen.partitions):
        ours = rows.pop(i)
        key = column(ours, ours.column_names[0])
        refuse_twice(key, f"{kind} files")
        for origin, source in zip(origins, sources, strict=True):
            theirs = source.pop(i)
            at = _at(key, column(theirs, "key"), f"{kind} files: somebody is not in {origin.name}")
            _same(ours, theirs, at, "practice", f"{kind} files: somebody is of another practice in {origin.name}")
            if origin.says:
                _same(ours, theirs, at, "fingerprint", f"{kind} files: somebody has other values in {origin.name}")


def _schema(keys: KeyRule) -> pa.Schema:
    return pa.schema([("key", keys.type), ("practice", pa.int32()), ("fingerprint", pa.int64())])


def _at(ids: pa.Array, among: pa.Array, problem: str) -> NDArray[np.int32]:
    """Which row of ``among`` has each id. Raises `InputError` if none has it."""
    found = pc.index_in(ids, value_set=among)
    if found.null_count:
        raise InputError(problem)
    at: NDArray[np.int32] = np.asarray(found)
    return at


def _same(ours: pa.Table, theirs: pa.Table, at: NDArray[np.int32], name: str, problem: str) -> None:
    """Raise `InputError` unless our rows have in a column what the rows of theirs at ``at`` have."""
    if len(at) and not np.array_equal(column(theirs, name).to_numpy()[at], column(ours, name).to_numpy()):
        raise InputError(problem)


def _through(seen: ReadBack, kind: str, lookup: LookupFile, keys: KeyRule) -> Partitions:
    """The rows of the files under the keys that the lookup has for their NHS numbers."""
    schema = pa.schema([("number", pa.int64()), ("key", keys.type), ("practice", pa.int32())])
    dealt = Partitions(seen.folder, f"traced-{kind}-lookup", schema, seen.partitions)
    for _, data in lookup_columns(lookup, (NUMBER, ID, PRACTICE)):
        number, key, practice = data[NUMBER], data[ID], data[PRACTICE]
        numbers, states = nhs_numbers.check(number)
        good = pa.array(states == nhs_numbers.PASSED)
        rows = pa.RecordBatch.from_arrays(
            [pa.array(numbers), keys.cast(key), pa.array(seen.practices.indices(practice))], schema=schema
        ).filter(good)
        dealt.add(rows, partition_of_numbers(rows.column("number").to_numpy(), seen.partitions))
    dealt.finish()
    schema = _schema(keys)
    found = Partitions(seen.folder, f"traced-{kind}", schema, seen.partitions)
    for i in range(seen.partitions):
        ours, theirs = seen.rows[kind].pop(i), dealt.pop(i)
        numbers = column(theirs, "number")
        ids = column(ours, "id")
        refuse_twice(ids, f"{kind} files")
        at = _at(ids, numbers, f"{kind} files: an NHS number is not in the lookup")
        if len(ids) and int(np.asarray(pc.is_in(numbers, value_set=ids)).sum()) != len(ids):
            raise InputError(f"{kind} files: an NHS number is in the lookup more than once")
        _same(ours, theirs, at, "practice", f"{kind} files: somebody is of another practice in the lookup")
        key = column(theirs, "key").take(pa.array(at))
        batch = pa.RecordBatch.from_arrays([key, column(ours, "practice"), column(ours, "fingerprint")], schema=schema)
        found.add(batch, partition_of_keys(key, seen.partitions))
    found.finish()
    return found
