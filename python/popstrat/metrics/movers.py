"""Movers: how many people of an area were in which group in an earlier scored table, and are in which now.

People are matched by key within a practice: who came to a practice since is ``new`` there, and who left it is ``left``,
wherever they are now. Counts are `Figures`, and go through disclosure control like all others.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from popstrat.core.arrow import is_text, without_views
from popstrat.core.rerun import pack_named, read_record, record_path
from popstrat.core.text import suggest
from popstrat.errors import InputError
from popstrat.formats import open_source
from popstrat.metrics.figures import NOWHERE, Areas, Figures, Groups, Metric
from popstrat.metrics.rows import LEVELS, Level, Measure
from popstrat.packs import keys
from popstrat.packs.patient_table import ID, PRACTICE

NEW, LEFT, NO_GROUP = "new", "left", "no group"
"""Where somebody comes from who was not there, goes to who is not there any more, and is who is in no group."""
ARROW = ">"

Codes = npt.NDArray[np.int32]


@dataclass(frozen=True)
class People:
    """Scored people, by row: ``ids`` as text, ``practice`` as a number of a list of codes, and of each column the
    number of its label, the last for none."""

    ids: pa.Array
    practice: Codes
    groups: Mapping[str, Codes]


def read_previous(
    path: Path, labels: Mapping[str, Sequence[str]], practices: Sequence[str], encoding: str = "utf-8"
) -> People:
    """An earlier scored table: the columns of ``labels``, which has theirs, and the practices of the list; others are
    -1. Raises `InputError` for a column that is missing, and for a label that it does not have now."""
    [source] = open_source([path], kinds=lambda name: "id" if name == ID else None, encoding=encoding).files
    names = source.schema.names
    for name in (ID, PRACTICE, *labels):
        if name not in names:
            near = suggest(name, names)
            raise InputError(f"is missing{near}: --previous takes a scored table", column=name, file=str(path))
    ids, practice = [], []
    groups: dict[str, list[Codes]] = {name: [] for name in labels}
    row = 0
    for batch in source.batches([ID, PRACTICE, *labels]):
        try:
            ids.append(_text(keys.as_read(batch.column(0), "key", ID).column))
            practice.append(_numbered(_text(keys.as_read(batch.column(1), "code", PRACTICE).column), practices, -1))
            for at, (name, known) in enumerate(labels.items(), start=2):
                groups[name].append(coded(batch.column(at), known, name))
        except InputError as error:
            raise error.located(str(path), row) from None
        row += batch.num_rows
    none: Codes = np.empty(0, dtype=np.int32)
    return People(
        pa.chunked_array(ids, pa.large_string()).combine_chunks(),
        np.concatenate([none, *practice]),
        {name: np.concatenate([none, *parts]) for name, parts in groups.items()},
    )


def refuse_other(path: Path, as_of: dt.date, pack: str | None) -> list[str]:
    """What is to be said of an earlier scored table, by its run record. Raises `InputError` if it is no earlier one."""
    record = read_record(record_path(path))
    if record is None:
        return [f"{path.name} has no run record, so its date and pack are not known"]
    try:
        day = dt.date.fromisoformat(str(record.get("as_of")))
    except ValueError:
        return [f"the run record of {path.name} has no date"]
    if day >= as_of:
        raise InputError(f"is as of {day}, which is not before {as_of}", file=str(path))
    theirs = pack_named(record.get("pack"))
    if pack is not None and theirs != pack:
        return [f"{path.name} was scored with {theirs}, not {pack}: some moves may come from the definitions"]
    return []


def coded(column: pa.Array, labels: Sequence[str], name: str) -> Codes:
    """The number of each row's label, and of none for null. Flags are ``false`` and ``true``. Raises `InputError`
    naming the column and its first rows for a label that is not among them."""
    texts = _text(column)
    found = _numbered(texts, labels, -1)
    nulls = np.asarray(texts.is_null())
    bad = (found < 0) & ~nulls
    if bad.any():
        rows = np.flatnonzero(bad).tolist()
        raise InputError("holds a label that the pack does not have", column=name, rows=rows)
    found[nulls] = len(labels)
    return found


def _text(column: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return (without_views(column) if is_text(column.type) else column).cast(pa.large_string())


def _numbered(texts: pa.Array, known: Sequence[str], missing: int) -> Codes:
    found = pc.index_in(texts, value_set=pa.array(known, pa.large_string())).fill_null(missing)
    return np.array(found.to_numpy(zero_copy_only=False), dtype=np.int32)


def figures_of(
    before: People, now: People, labels: Mapping[str, Sequence[str]], areas: Areas, version: str,
    levels: Sequence[Level] = LEVELS,
) -> Figures:  # fmt: skip
    """Who moved from which label to which, by area: a metric and a grouping for each column, a group for each pair such
    as ``green>red``. The denominator is everybody of the area who was or is in the table.

    ``practice`` counts in `areas.practices`; people of before whose practice is -1 are of none of them, and left out.
    """
    at, stayed = _matched(before, now)
    gone = before.practice >= 0
    gone[at[stayed]] = False
    metrics, groupings, columns = [], [], []
    for number, (name, known) in enumerate(labels.items()):
        outside = len(known) + 1  # no label is the last of them, and then: not there
        was = np.full(len(now.practice), outside, dtype=np.int64)
        was[stayed] = before.groups[name][at[stayed]]
        left = before.groups[name][gone].astype(np.int64)
        practice = np.concatenate([now.practice, before.practice[gone]]).astype(np.int64)
        pair = np.concatenate([was, left]) * (outside + 1) + np.concatenate(
            [now.groups[name], np.full(len(left), outside)]
        )
        size = (outside + 1) ** 2
        of_practice = np.bincount(practice * size + pair, minlength=len(areas.practices) * size).reshape(-1, size)
        metrics.append(Metric(name, "", version, Measure.MOVERS, "all", "none"))
        words = [*known, NO_GROUP]
        pairs = [
            f"{one}{ARROW}{other}" for one in (*words, NEW) for other in (*words, LEFT) if (one, other) != (NEW, LEFT)
        ]  # fmt: skip
        groupings.append(Groups(name, tuple(pairs)))
        columns.append(_of_levels(of_practice[:, :-1], areas, levels, number))
    joined = [np.concatenate(parts) if parts else np.empty(0, dtype=np.int64) for parts in zip(*columns, strict=True)]
    if not joined:
        joined = [np.empty(0, dtype=np.int64)] * 6
    metric, level, area, group, numerator, denominator = joined
    return Figures(
        areas, tuple(metrics), tuple(groupings), metric, level, area, metric.copy(), group, numerator, denominator,
        numerator.copy(), registered=denominator.copy(),
    )  # fmt: skip


def _matched(before: People, now: People) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """For each person of now the row of before with the same key, and whether they are still with the practice."""
    found = pc.index_in(now.ids, value_set=before.ids).fill_null(-1)
    at = np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.int64)
    stayed = at >= 0
    stayed[stayed] = before.practice[at[stayed]] == now.practice[stayed]
    return at, stayed


def _of_levels(
    counts: npt.NDArray[np.int64], areas: Areas, levels: Sequence[Level], number: int
) -> tuple[npt.NDArray[np.int64], ...]:
    """Metric, level, area, group, numerator and denominator of the figures of one column, from its counts by practice
    and pair."""
    found = []
    for level in levels:
        of = areas.of_practice(level)
        some = of != NOWHERE
        total = np.zeros((len(areas.names(level)), counts.shape[1]), dtype=np.int64)
        np.add.at(total, of[some], counts[some])
        area, group = (axis.ravel() for axis in np.indices(total.shape))
        whole = np.repeat(total.sum(axis=1), total.shape[1])
        one = np.full(total.size, number), np.full(total.size, LEVELS.index(level)), area, group, total.ravel(), whole
        found.append(one)
    return tuple(np.concatenate(parts).astype(np.int64) for parts in zip(*found, strict=True))
