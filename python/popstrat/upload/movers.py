"""Who moved since last month: compared by key, within a practice, over all that were scored.

Arrays by group have an entry for each label and a last one for *no group*, the least severe.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from popstrat.upload.partition import column
from popstrat.upload.templates.layout import Layout
from popstrat.upload.templates.sources import CHANGES

NEW, UP, DOWN, UNCHANGED = range(len(CHANGES))


@dataclass(frozen=True)
class Comparison:
    """The rows of a partition beside last month's.

    ``before`` is the group then (null where there was none, or at another practice), ``change`` an index of `CHANGES`,
    ``held`` whether the cohort filter held then. ``left`` counts who was on a practice's list and is not on it now, by
    practice (the last: those of which nobody was scored) and group then. ``matched`` is how many of the rows, of
    practices that were asked for last month, are there in both. ``elsewhere`` is how many people went from which
    practice (an index of last month's) to which (of this month's).
    """

    before: pa.Array
    change: pa.Array
    held: pa.Array
    left: NDArray[np.int64]
    matched: int
    elsewhere: Counter[tuple[int, int]]


def compare(
    keys: pa.Array,
    practice: NDArray[np.int32],
    group: pa.Array,
    previous: pa.Table,
    asked: NDArray[np.bool_],
    layout: Layout,
) -> Comparison:
    """Compare rows with those of last month that have the same keys; ``asked`` is by practice, as in `ScoredRows`."""
    no_group = len(layout.labels)
    theirs = column(previous, "key")
    found = pc.index_in(keys, value_set=theirs)
    at = np.asarray(pc.fill_null(found, 0))
    there = np.asarray(found.is_valid())
    their_practice = column(previous, "practice").to_numpy()
    then = np.asarray(pc.fill_null(column(previous, "before"), no_group)).astype(np.int64)
    stayed = there & (their_practice[at] == practice) if len(theirs) else there
    matched = int(asked[their_practice[at[there]]].sum()) if len(theirs) else 0
    # Who was on a practice's list and is not on it now has left that practice, wherever they are.
    gone = np.ones(len(theirs), bool)
    gone[at[stayed]] = False
    left = np.zeros((len(asked), no_group + 1), np.int64)
    np.add.at(left, (their_practice[gone], then[gone]), 1)
    before = np.where(stayed, then[at] if len(theirs) else 0, no_group)
    now = np.asarray(pc.fill_null(group, no_group)).astype(np.int64)
    change = np.full(len(keys), NEW, np.int8)
    was, is_ = _ranks(before, layout), _ranks(now, layout)
    change[stayed & (is_ < was)] = UP
    change[stayed & (is_ > was)] = DOWN
    change[stayed & (is_ == was)] = UNCHANGED
    held = stayed & np.asarray(column(previous, "held"))[at] if len(theirs) else stayed
    groups = pa.array(before.astype(np.int16), mask=~stayed | (before == no_group))
    moved = there & ~stayed
    was_at = column(previous, "at").to_numpy()[at[moved]] if len(theirs) else np.zeros(0, np.int32)
    pairs, people = np.unique(np.column_stack([was_at, practice[moved]]), axis=0, return_counts=True)
    elsewhere = Counter({(int(a), int(b)): n for (a, b), n in zip(pairs.tolist(), people.tolist(), strict=True)})
    return Comparison(groups, pa.array(change), pa.array(held), left, matched, elsewhere)


def merged(elsewhere: Mapping[tuple[int, int], int], on_list: NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """The practices of last month most of whose people are with one other practice now: its index among last month's,
    the other's among this month's, and how many people. ``on_list`` is how many people each had."""
    found = [(was, now, people) for (was, now), people in elsewhere.items() if 2 * people > on_list[was]]
    return sorted(found, key=lambda one: (-one[2], one[:2]))


def _ranks(groups: NDArray[Any], layout: Layout) -> NDArray[Any]:
    """How severe groups are, 0 the most; no group comes last."""
    if layout.most_severe_first:
        return groups
    no_group = len(layout.labels)
    ranks: NDArray[Any] = np.where(groups == no_group, groups, no_group - 1 - groups)
    return ranks


def moves_of(rows: pa.Table, layout: Layout) -> NDArray[np.int64]:
    """How many rows moved from where to where: by group then (a last row more: new) and group now."""
    no_group = len(layout.labels)
    now = np.asarray(pc.fill_null(column(rows, "group"), no_group)).astype(np.int64)
    then = np.asarray(pc.fill_null(column(rows, "before"), no_group)).astype(np.int64)
    then[column(rows, "change").to_numpy() == NEW] = no_group + 1
    shape = (no_group + 2, no_group + 1)
    found: NDArray[np.int64] = np.bincount(then * shape[1] + now, minlength=shape[0] * shape[1]).reshape(shape)
    return found


def tally(moves: NDArray[np.int64], left: NDArray[np.int64], layout: Layout) -> dict[str, Any]:
    """Counts of each change, and the matrix: for each group of last month (or "new") how many are where now.

    ``moves`` is as `moves_of` has them, ``left`` by group then.
    """
    names = [*layout.labels, "no group"]
    ranks = _ranks(np.arange(len(names)), layout)
    inner = moves[: len(names)]
    up = int(inner[ranks[:, None] > ranks[None, :]].sum())
    down = int(inner[ranks[:, None] < ranks[None, :]].sum())
    matrix = {
        name: {
            **dict(zip(names, moves[i].tolist(), strict=True)),
            "left": int(left[i]) if i < len(left) else 0,
        }
        for i, name in enumerate([*names, "new"])
    }
    return {
        "new": int(moves[len(names)].sum()),
        "up": up,
        "down": down,
        "unchanged": int(np.trace(inner)),
        "left": int(left.sum()),
        "from_to": matrix,
    }
