"""This month's rows, read and dealt out: by key if there is something to join, by practice if not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from popstrat.core.progress import Progress
from popstrat.errors import InputError
from popstrat.packs.patient_table import ID, PRACTICE
from popstrat.upload.batches import values
from popstrat.upload.partition import Partitions, partition_of_keys, partition_of_practices
from popstrat.upload.patient_keys import KeyRule
from popstrat.upload.plan import Plan
from popstrat.upload.practices import Numbering, Practices, added
from popstrat.upload.rows import read_schema
from popstrat.upload.scored import scored_rows


@dataclass(frozen=True)
class ScoredRows:
    """The scored rows of the practices asked for (``partitions``; `rows.read_schema`).

    By practice: ``people`` is how many were scored, ``asked`` whether it was asked for; ``asked`` has one entry more,
    for the practices of which nobody was scored. ``respelt`` is how many rows write a key or a practice otherwise than
    it is read, by column.
    """

    partitions: Partitions
    practices: Practices
    people: NDArray[np.int64]
    asked: NDArray[np.bool_]
    respelt: Mapping[str, int]

    @property
    def outside(self) -> NDArray[np.bool_]:
        """By practice: whether it has people who are not uploaded, because it was not asked for."""
        return ~self.asked[:-1] & (self.people > 0)


def read_scored(plan: Plan, keys: KeyRule, folder: Path, progress: Progress | None) -> ScoredRows:
    """Read the scored table and deal it out into files in ``folder``.

    Raises `InputError`, naming file and rows, for keys, practices or labels that are none, and for a table that has not
    the rows that its record says.
    """
    table, group = plan.table, plan.layout.group
    extra = [*([group] if group is not None else []), *([table.columns["age"]] if plan.compares_ages else [])]
    columns = list({c.name: c for c in [*plan.columns, *extra]}.values())
    schema = read_schema(plan, keys)
    dealt = Partitions(folder, "scored", schema, plan.partitions)
    numbering = Numbering()
    wanted = None if plan.asked is None else frozenset(plan.asked)
    people = np.zeros(0, np.int64)
    respelt: Counter[str] = Counter()
    for first, batch, data in scored_rows(table, columns, respelt):
        practice = numbering.indices(values(batch, PRACTICE))
        try:
            key = keys.read(values(batch, ID))
        except InputError as error:
            raise error.located(table.name, first) from None
        people = added(people, np.bincount(practice, minlength=len(numbering)))
        arrays = [pa.array(np.arange(first, first + len(key))), pa.array(practice), key]
        if plan.compares_ages:
            arrays.append(data["age"].cast(pa.int16()))
        if group is not None:
            arrays.append(data[group.name].cast(pa.int16()))
        arrays += [data[c.name] for c in plan.columns]
        rows = pa.RecordBatch.from_arrays(arrays, schema=schema)
        if wanted is not None:
            kept = _asked(numbering.practices(), wanted)[practice]
            rows, practice = rows.filter(pa.array(kept)), practice[kept]
        if plan.joined:
            dealt.add(rows, partition_of_keys(rows.column("key"), plan.partitions))
        else:
            dealt.add(rows, partition_of_practices(practice, plan.partitions))
        if progress is not None:
            progress(first + batch.num_rows, table.rows)
    dealt.finish()
    practices = numbering.practices()
    found = ScoredRows(dealt, practices, people, np.append(_asked(practices, wanted), wanted is None), respelt)
    total = dealt.rows + int(people[found.outside].sum())
    if total != table.rows:
        raise InputError(f"has {total:,} rows, and {table.rows:,} by its run record", file=table.name)
    return found


def _asked(practices: Practices, wanted: frozenset[str] | None) -> NDArray[np.bool_]:
    return np.array([wanted is None or code in wanted for code in practices.codes], bool)
