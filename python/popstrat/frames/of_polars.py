"""Polars frames as Arrow, categories as the numbers that Polars holds.

Polars exports a categorical column by working out which of its categories are used, and renumbering every row: several
times what scoring takes. The numbers themselves can be had as they lie; the labels stand in the type.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from popstrat.core.arrow import from_numpy, text_of_views, valid
from popstrat.engine import used

if TYPE_CHECKING:
    from popstrat.frames.sources import Wanted


def lazy_names(data: Any) -> list[str] | None:
    """The columns of a lazy frame; None for whatever is none."""
    return list(data.collect_schema().names()) if hasattr(data, "collect_schema") and hasattr(data, "collect") else None


def table(frame: Any, wanted: Wanted) -> pa.Table:
    """A frame as a table: what lies in memory is not copied. Of categorical columns that are not ``wanted`` for their
    labels, entries that no row has are left out."""
    kinds = zip(frame.columns, frame.dtypes, strict=True) if hasattr(frame, "dtypes") else ()
    coded = {name: kind.categories for name, kind in kinds if _numbered(kind)}
    if not coded:
        return pa.table(frame)
    # Labels may be added by others meanwhile, and are never taken away: numbers first.
    import polars as pl  # here: whoever has a frame of its has loaded it

    found = pa.table(frame.with_columns(pl.col(list(coded)).to_physical()))
    labels: dict[str, pa.Array] = {}
    made = []
    for name, held in zip(found.column_names, found.columns, strict=True):
        if name in coded:
            entries = _labels(frame, name, coded[name], labels)
            keep = not wanted.reads(name) or wanted.labels(name)
            held = pa.chunked_array(_columns(held, entries, keep), None if held.num_chunks else _kind(held, entries))
        made.append(held)
    return pa.table(made, names=found.column_names)


def _numbered(kind: Any) -> bool:
    """Whether it is a type whose numbers are those of the categories in the type, in their order: since Polars 1.32."""
    return type(kind).__name__ == "Categorical" and type(getattr(kind, "categories", None)).__name__ == "Categories"


def _labels(frame: Any, name: str, categories: Any, known: dict[str, pa.Array]) -> pa.Array:
    full = f"{categories.namespace()} {categories.name()}"
    if full not in known:
        # Polars 2 has them of the type, Polars 1 of the column; of neither all versions have both
        held = categories.to_series() if hasattr(categories, "to_series") else frame[name].cat.get_categories()
        known[full] = text_of_views(held.to_arrow(), pa.string())
    return known[full]


def _kind(held: pa.ChunkedArray, entries: pa.Array) -> pa.DataType:
    return pa.dictionary(held.type, entries.type)


def _columns(held: pa.ChunkedArray, entries: pa.Array, keep: bool) -> list[pa.Array]:
    make: Callable[[pa.Array, pa.Array], pa.Array] = _whole if keep else _used
    made = [make(chunk, entries) for chunk in held.chunks]
    return made if len({str(m.type) for m in made}) < 2 else [_whole(chunk, entries) for chunk in held.chunks]


def _whole(codes: pa.Array, entries: pa.Array) -> pa.Array:
    return pa.DictionaryArray.from_arrays(codes, entries, safe=False)


def _used(codes: pa.Array, entries: pa.Array) -> pa.Array:
    """With only the entries that some row has."""
    if codes.type != pa.uint32() or not len(codes):
        return _whole(codes, entries)
    held = pa.allocate_buffer(4 * len(codes))  # Arrow keeps memory at hand; fresh pages take longer than the rows
    made = np.frombuffer(held, np.int32)
    bits = codes.buffers()[0] if codes.null_count else None
    found = used(codes.buffers()[1], bits, codes.offset, len(codes), len(entries), made)
    if found is None:
        return _whole(codes, entries)
    indices = from_numpy(made, ~valid(codes) if codes.null_count else None)
    return pa.DictionaryArray.from_arrays(indices, entries.take(from_numpy(found)), safe=False)
