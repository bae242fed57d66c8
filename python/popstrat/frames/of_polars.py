"""Polars frames as Arrow, categories as the numbers that Polars holds.

Polars exports a categorical column by working out which of its categories are used, and renumbering every row: several
times what scoring takes. The numbers themselves can be had as they lie; the labels stand in the type.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from popstrat.core.arrow import from_numpy, numbers, valid

if TYPE_CHECKING:
    from popstrat.frames.sources import Wanted


_FEW = 8  # at most one row in so many differs from the one before


def lazy_names(data: Any) -> list[str] | None:
    """The columns of a lazy frame; None for whatever is none."""
    return list(data.collect_schema().names()) if hasattr(data, "collect_schema") and hasattr(data, "collect") else None


def table(frame: Any, wanted: Wanted) -> pa.Table:
    """A frame as a table: what lies in memory is not copied. Of categorical columns that are not ``wanted`` for their
    labels, entries that no row has are left out."""
    kinds = dict(zip(frame.columns, frame.dtypes, strict=True)) if hasattr(frame, "dtypes") else {}
    coded = {name: kind.categories for name, kind in kinds.items() if _numbered(kind)}
    if not coded:
        return pa.table(frame)
    # Labels may be added by others meanwhile, and are never taken away: numbers first.
    import polars as pl  # here: whoever has a frame of its has loaded it

    found = pa.table(frame.with_columns(pl.col(list(coded)).to_physical()))
    labels: dict[str, pa.Array] = {}
    made = []
    for name, held in zip(found.column_names, found.columns, strict=True):
        if name in coded:
            entries = _labels(coded[name], labels)
            keep = not wanted.reads(name) or wanted.labels(name)
            held = pa.chunked_array(_columns(held, entries, keep), None if held.num_chunks else _kind(held, entries))
        made.append(held)
    return pa.table(made, names=found.column_names)


def _numbered(kind: Any) -> bool:
    """Whether it is a type whose numbers are those of the categories in the type, in their order."""
    return type(kind).__name__ == "Categorical" and type(getattr(kind, "categories", None)).__name__ == "Categories"


def _labels(categories: Any, known: dict[str, pa.Array]) -> pa.Array:
    name = f"{categories.namespace()} {categories.name()}"
    if name not in known:
        known[name] = categories.to_series().to_arrow().cast(pa.string())
    return known[name]


def _kind(held: pa.ChunkedArray, entries: pa.Array) -> pa.DataType:
    return pa.dictionary(held.type, entries.type)


def _columns(held: pa.ChunkedArray, entries: pa.Array, keep: bool) -> list[pa.Array]:
    make: Callable[[pa.Array, pa.Array], pa.Array] = _whole if keep else _used
    made = [make(chunk, entries) for chunk in held.chunks]
    return made if len({str(m.type) for m in made}) < 2 else [_whole(chunk, entries) for chunk in held.chunks]


def _whole(codes: pa.Array, entries: pa.Array) -> pa.Array:
    return pa.DictionaryArray.from_arrays(codes, entries, safe=False)


def _used(codes: pa.Array, entries: pa.Array) -> pa.Array:
    """With only the entries that some row has, in narrower numbers. In a list that is sorted by place few rows differ
    from the one before: those are looked at, and the rest repeats them."""
    rows = numbers(codes)
    there = valid(codes) if codes.null_count else None
    if there is not None:
        rows = np.where(there, rows, len(entries))
    starts = np.flatnonzero(rows[1:] != rows[:-1]) + 1
    few = len(starts) < len(rows) // _FEW
    some = rows[np.concatenate([[0], starts])] if few and len(rows) else rows
    counted = np.bincount(some, minlength=len(entries) + 1)
    used = np.flatnonzero(counted[: len(entries)])
    if len(used) >= 1 << 15 or len(counted) > len(entries) + 1:
        return _whole(codes, entries)
    renumbered = np.zeros(len(entries) + 1, np.int16)
    renumbered[used] = np.arange(len(used), dtype=np.int16)
    made = renumbered[some]
    if few and len(rows):
        made = np.repeat(made, np.diff(starts, prepend=0, append=len(rows)))
    indices = from_numpy(made, None if there is None else ~there)
    return pa.DictionaryArray.from_arrays(indices, entries.take(from_numpy(used)), safe=False)
