"""Which rows go into which file: every row is written, or left out for one reason."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from popstrat.upload.movers import UNCHANGED
from popstrat.upload.partition import column
from popstrat.upload.rows import scored_data, scored_field
from popstrat.upload.templates.layout import Layout
from popstrat.upload.templates.sources import PREVIOUS

_OUTSIDE, _UNCHANGED, _NO_GROUP, _OMITTED = (
    "outside the cohort of the template", "unchanged since last month", "in no group", "group not uploaded",
)  # fmt: skip
UNSELECTED = (_NO_GROUP, _OMITTED, _OUTSIDE, _UNCHANGED)
"""Why somebody is not among the patients that a template is for."""


@dataclass(frozen=True)
class Selection:
    """What becomes of each row of a partition.

    ``excluded`` is why it may not be written (from 1, an index of `REASONS`), ``unselected`` why the template is not
    for it (from 1, an index of `UNSELECTED`), 0 for no reason. ``written`` rows have neither; ``ended`` rows get an
    entry that says that last month's no longer holds.
    """

    excluded: NDArray[np.uint8]
    unselected: NDArray[np.uint8]
    written: NDArray[np.bool_]
    ended: NDArray[np.bool_]


def select(rows: pa.Table, layout: Layout) -> Selection:
    """What becomes of each row."""
    looked_up = "reason" in rows.column_names
    excluded = column(rows, "reason").to_numpy() if looked_up else np.zeros(rows.num_rows, np.uint8)
    known = excluded == 0
    unselected = _unselected(rows, known, layout)
    return Selection(excluded, unselected, known & (unselected == 0), _ended(rows, known, layout))


def _unselected(rows: pa.Table, known: NDArray[np.bool_], layout: Layout) -> NDArray[np.uint8]:
    found = np.zeros(rows.num_rows, np.uint8)

    def mark(reason: str, wrong: NDArray[np.bool_]) -> None:
        found[known & (found == 0) & wrong] = UNSELECTED.index(reason) + 1

    for name, label in sorted(layout.omitted, key=str):
        labels = column(rows, scored_field(name))
        if label is None:
            mark(_NO_GROUP, np.asarray(labels.is_null()))
        else:
            mark(_OMITTED, np.asarray(pc.fill_null(pc.equal(labels.cast(pa.int16()), label), False)))
    if layout.cohort is not None:
        mark(_OUTSIDE, ~np.asarray(layout.cohort.holds(scored_data(rows), rows.num_rows)))
    if layout.changed_only:
        mark(_UNCHANGED, column(rows, "change").to_numpy() == UNCHANGED)
    return found


def _ended(rows: pa.Table, known: NDArray[np.bool_], layout: Layout) -> NDArray[np.bool_]:
    """Rows of people still with the practice, in the cohort last month, whose group of then no longer holds."""
    if not layout.ended:
        return np.zeros(rows.num_rows, bool)
    before, group = column(rows, "before"), column(rows, "group")
    other = np.asarray(pc.fill_null(pc.not_equal(before, group), True))
    found: NDArray[np.bool_] = known & np.asarray(before.is_valid()) & other & np.asarray(column(rows, "held"))
    for c in layout.ended:
        if c.source == PREVIOUS and c.coded:
            uploaded = np.array([text is not None for text in c.texts] + [False])
            found &= uploaded[np.asarray(pc.fill_null(before, len(c.texts)))]
    return found
