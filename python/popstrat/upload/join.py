"""This month's rows joined by key with the lookup and with last month's, and dealt out again by practice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from popstrat.upload.identify import identify
from popstrat.upload.lookup import LookupRows
from popstrat.upload.movers import compare
from popstrat.upload.partition import Partitions, column, partition_of_practices
from popstrat.upload.patient_keys import KeyRule, refuse_repeated
from popstrat.upload.plan import Plan
from popstrat.upload.previous import PreviousRows
from popstrat.upload.read import ScoredRows
from popstrat.upload.rows import joined_schema
from popstrat.upload.templates.sources import BIRTH


@dataclass(frozen=True)
class JoinedRows:
    """Rows by practice (``partitions``; `rows.joined_schema`).

    ``left`` counts who left a practice, by practice (the last: those of which nobody was scored) and group then.
    ``matched`` is how many of last month's people, of practices asked for, are scored this month; ``elsewhere`` how
    many went from which practice to which, as in `movers.Comparison`.
    """

    partitions: Partitions
    left: NDArray[np.int64]
    matched: int
    elsewhere: Mapping[tuple[int, int], int]


def join(
    plan: Plan,
    keys: KeyRule,
    scored: ScoredRows,
    lookup: LookupRows | None,
    previous: PreviousRows | None,
    folder: Path,
    earlier: LookupRows | None = None,
) -> JoinedRows:
    """Join, partition by partition; the partitions of ``scored``, ``lookup`` and ``previous`` are gone then.
    ``earlier`` is last month's lookup.

    With neither lookup nor last month the rows go on as they are. Raises `InputError` for a key that is twice in a
    scored table.
    """
    left, matched = np.zeros((len(scored.asked), len(plan.layout.labels) + 1), np.int64), 0
    elsewhere: Counter[tuple[int, int]] = Counter()
    if not plan.joined:
        return JoinedRows(scored.partitions, left, matched, elsewhere)
    schema = joined_schema(plan, keys)
    dealt = Partitions(folder, "joined", schema, plan.partitions)
    for i in range(plan.partitions):
        rows = scored.partitions.pop(i)
        key, practice = column(rows, "key"), column(rows, "practice").to_numpy()
        refuse_repeated(key, plan.table.name)
        if lookup is not None:
            who = identify(
                key,
                practice,
                _ages(rows) if plan.compares_ages else None,
                lookup.partitions.pop(i),
                lookup.shared,
                plan.table.as_of,
                needs_birth=plan.layout.template.wants(BIRTH),
                births_known_to=plan.settings.births,
                earlier=None if earlier is None else earlier.partitions.pop(i),
            )
            rows = rows.append_column("number", pa.array(who.numbers))
            rows = rows.append_column("birth", who.births)
            rows = rows.append_column("reason", pa.array(who.reasons))
        if previous is not None and plan.previous is not None:
            theirs = previous.partitions.pop(i)
            refuse_repeated(column(theirs, "key"), plan.previous.name)
            found = compare(key, practice, column(rows, "group"), theirs, scored.asked, plan.layout)
            rows = rows.append_column("before", found.before)
            rows = rows.append_column("change", found.change)
            rows = rows.append_column("held", found.held)
            left, matched = left + found.left, matched + found.matched
            elsewhere.update(found.elsewhere)
        for batch in rows.select(schema.names).to_batches():
            practice = batch.column("practice").to_numpy()
            dealt.add(batch, partition_of_practices(practice, plan.partitions))
    dealt.finish()
    return JoinedRows(dealt, left, matched, elsewhere)


def _ages(rows: pa.Table) -> NDArray[np.int64]:
    """Ages as scored, −1 for none."""
    ages: NDArray[np.int64] = np.asarray(pc.fill_null(column(rows, "age"), -1)).astype(np.int64)
    return ages
