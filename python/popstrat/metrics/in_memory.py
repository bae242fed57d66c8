"""Figures of a table in memory: the library call."""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from popstrat.core.cpus import cores
from popstrat.errors import DataWarning
from popstrat.frames.sources import as_table
from popstrat.metrics.people import PeopleCount
from popstrat.metrics.released import released
from popstrat.metrics.request import DEFAULT_PACK, Request, groupings_of, levels_of
from popstrat.packs.pack import Pack
from popstrat.runs.in_memory import score_table


def table(
    people: Any,
    as_of: str | dt.date | None = None,
    *,
    pack: str | Path | Pack = DEFAULT_PACK,
    profile: str = "direct-care",
    levels: Sequence[str] = (),
    group_by: Sequence[str] = (),
    metrics: Sequence[str] = (),
    caseload: str | Path | None = None,
    previous: str | Path | None = None,
    history: str | Path | None = None,
    plan: str | Path | None = None,
    disclosure_control: bool = True,
    threads: int | None = None,
    mapping: Any = None,
) -> pa.Table:
    """Figures by area of a registered list in memory. The arguments are the options of ``popstrat metrics``.

    Args:
        people: one row for each patient, as for `popstrat.score`.
        as_of: ISO text or a date; if None, today.
        pack: the pack whose metrics are counted.
        levels, group_by, metrics: only these, instead of the usual ones.
        caseload, previous, plan: files with which the list is compared; history: a folder of earlier metrics.
        disclosure_control: if false, counts are exact and only for direct care.
        threads: how many to use; None means all cores. The result does not depend on them.
        mapping: as for `popstrat.score`.

    Returns:
        The table of figures (`popstrat.metrics.rows.SCHEMA`), without a row of any person.

    Raises:
        InputError: the table, an option or a file is wrong. PackError: the pack is wrong.

    Warns (`popstrat.DataWarning`) of what makes the figures doubtful.
    """
    request = Request(
        levels_of(levels), groupings_of(group_by), tuple(metrics) or None, _path(previous), _path(caseload),
        _path(history), _path(plan), disclosure_control,
    )  # fmt: skip
    scorer = request.scorer(pack, as_of, profile)
    count = PeopleCount(request, scorer, threads or cores())
    given = as_table(people, scorer.wanted(mapping))
    scored = score_table(given, scorer, threads=threads or cores(), counted=False, mapping=mapping)
    while scored.batches:  # let go of, one after the other
        count.add(scored.batches.pop(0))
    made, _ = released(count, scorer, request)
    for doubt in [*scored.doubted, *count.notices, *made.notices]:
        warnings.warn(doubt, DataWarning, stacklevel=2)
    return made.rows


def _path(given: str | Path | None) -> Path | None:
    return None if given is None else Path(given)
