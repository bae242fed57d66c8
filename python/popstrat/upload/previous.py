"""Last month's rows, read and dealt out by key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from popstrat.errors import InputError
from popstrat.packs.patient_table import ID, PRACTICE
from popstrat.upload.batches import values
from popstrat.upload.partition import Partitions, partition_of_keys
from popstrat.upload.patient_keys import KeyRule
from popstrat.upload.plan import Plan
from popstrat.upload.practices import Numbering, Practices, added
from popstrat.upload.read import ScoredRows
from popstrat.upload.scored import ScoredFile, scored_rows
from popstrat.upload.templates.sources import ScoredColumn


@dataclass(frozen=True)
class PreviousRows:
    """Last month's table dealt out by key: ``key``, ``practice``, ``at`` (the same, but an index of ``practices``,
    those of last month), ``before`` (the group then), ``held`` (whether the cohort filter held then).

    ``people`` is how many of them are of practices asked for, ``on_list`` how many each of ``practices`` had;
    ``respelt`` is how many rows write a key or a practice otherwise than it is read, by column.
    """

    partitions: Partitions
    people: int
    practices: Practices
    on_list: NDArray[np.int64]
    respelt: Mapping[str, int]


def read_previous(plan: Plan, previous: ScoredFile, scored: ScoredRows, keys: KeyRule, folder: Path) -> PreviousRows:
    """Read last month's table and deal it out into files in ``folder``.

    Raises `InputError`, naming file and rows, for keys, practices or labels that are none, and if it lacks a column by
    which the cohort of ended entries is told.
    """
    layout = plan.layout
    assert layout.group is not None  # `resolve_layout` has refused it
    schema = pa.schema(
        [
            ("key", keys.type),
            ("practice", pa.int32()),
            ("at", pa.int32()),
            ("before", pa.int16()),
            ("held", pa.bool_()),
        ]
    )
    cohort = layout.cohort if layout.ended else None
    needed = _cohort_columns(plan, previous, cohort.columns) if cohort is not None else []
    dealt = Partitions(folder, "previous", schema, plan.partitions)
    people, numbering, on_list = 0, Numbering(), np.zeros(0, np.int64)
    respelt: Counter[str] = Counter()
    group = previous.columns[layout.group.name]
    for first, batch, data in scored_rows(previous, list({c.name: c for c in (group, *needed)}.values()), respelt):
        practice, at = scored.practices.indices(values(batch, PRACTICE)), numbering.indices(values(batch, PRACTICE))
        on_list = added(on_list, np.bincount(at, minlength=len(numbering)))
        try:
            key = keys.read(values(batch, ID))
        except InputError as error:
            raise error.located(previous.name, first) from None
        held = pa.array(np.ones(len(key), bool)) if cohort is None else cohort.holds(data, len(key))
        rows = pa.RecordBatch.from_arrays(
            [key, pa.array(practice), pa.array(at), data[group.name].cast(pa.int16()), held], schema=schema
        )
        dealt.add(rows, partition_of_keys(key, plan.partitions))
        people += int(scored.asked[practice].sum())
    dealt.finish()
    return PreviousRows(dealt, people, numbering.practices(), on_list, respelt)


def _cohort_columns(plan: Plan, previous: ScoredFile, names: tuple[str, ...]) -> list[ScoredColumn]:
    """The columns of last month's table that tell who was in the cohort then."""
    found = []
    for name in names:
        now, then = plan.table.columns[name], previous.columns.get(name)
        if then is None or (then.role, then.labels) != (now.role, now.labels):
            raise InputError(
                "is absent or of another type, so popstrat cannot tell for whom [patients] where was true",
                column=name,
                file=previous.name,
            )
        found.append(then)
    return found
