"""pandas: a frame in, a frame out, with its index."""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal, Unpack, overload

import numpy as np
import pandas as pd
import pyarrow as pa

from popstrat.core.dates import parse_as_of
from popstrat.core.plain_types import plain
from popstrat.errors import InputError
from popstrat.frames.sources import Wanted, as_table
from popstrat.packs import DEFAULT_PACK
from popstrat.packs.keys import as_read
from popstrat.packs.patient_table import ID
from popstrat.runs import in_memory
from popstrat.runs.in_memory import Options
from popstrat.runs.record import Record
from popstrat.scoring.mapped import map_given, plan_of
from popstrat.scoring.scorer import kept_scorer

_NULLABLE = {
    pa.bool_(): pd.BooleanDtype(), pa.uint8(): pd.UInt8Dtype(), pa.int16(): pd.Int16Dtype(),
    pa.int32(): pd.Int32Dtype(), pa.uint64(): pd.UInt64Dtype(),
}  # fmt: skip


@overload
def score(
    frame: pd.DataFrame, as_of: str | dt.date | None = ..., *, record: Literal[False] = ..., **options: Unpack[Options],
) -> pd.DataFrame: ...  # fmt: skip
@overload
def score(
    frame: pd.DataFrame, as_of: str | dt.date | None = ..., *, record: Literal[True], **options: Unpack[Options],
) -> tuple[pd.DataFrame, Record]: ...  # fmt: skip
@overload
def score(
    frame: pd.DataFrame, as_of: str | dt.date | None = ..., *, record: bool, **options: Unpack[Options],
) -> pd.DataFrame | tuple[pd.DataFrame, Record]: ...  # fmt: skip


def score(
    frame: pd.DataFrame, as_of: str | dt.date | None = None, *, record: bool = False, **options: Unpack[Options]
) -> pd.DataFrame | tuple[pd.DataFrame, Record]:
    """Score a pandas frame. Arguments, errors and warnings are those of `popstrat.score`, including ``pack``,
    ``profile``, ``threads``, ``contributions``, ``mapping`` and ``previous``.

    Returns:
        A frame with the index of the scored rows, in the same order; with ``record=True`` a pair of it and the run
        record. Labels are categories. Flags and whole numbers that may be null have pandas' nullable types, so that
        none becomes a floating-point number. If every column of ``frame`` has an Arrow type, so have those of the
        result.
    """
    if not isinstance(frame, pd.DataFrame):
        raise InputError(f"popstrat.pandas.score takes a DataFrame of pandas, not {type(frame).__name__}")
    out, made = in_memory.score(frame, as_of, record=True, **options) if record else (
        in_memory.score(frame, as_of, **options), {}
    )  # fmt: skip
    mapping, pack = options.get("mapping"), options.get("pack", DEFAULT_PACK)
    index = frame.index if len(frame) == out.num_rows else frame.index[_kept(frame, out, mapping, pack, as_of)]
    arrow = len(frame.columns) > 0 and all(isinstance(kind, pd.ArrowDtype) for kind in frame.dtypes)
    scored = _with_index(out, index, arrow)
    return (scored, made) if record else scored


def _with_index(out: pa.Table, index: Any, arrow: bool) -> pd.DataFrame:
    if arrow:
        return out.to_pandas(types_mapper=pd.ArrowDtype).set_axis(index, axis=0)
    columns = {}
    for field, column in zip(out.schema, out.columns, strict=True):
        kind = _NULLABLE.get(field.type) if field.nullable else None
        made = column.to_pandas() if kind is None else kind.__from_arrow__(column)
        columns[field.name] = pd.Series(made, copy=False).set_axis(index)
    return pd.DataFrame(columns, index=index, copy=False)


def _kept(frame: pd.DataFrame, out: pa.Table, mapping: Any, pack: Any, as_of: Any) -> Any:
    """The places of the rows that were scored, by their ids, which are all different."""
    schema = kept_scorer(pack, parse_as_of(as_of), "direct-care").pack.schema
    plan = plan_of(list(map(str, frame.columns)), map_given(mapping, schema.columns), schema)
    table = as_table(frame[[n for n in frame.columns if str(n) in plan.wanted([ID])]], Wanted({}, mapped=True))
    ids = plan.apply(table.combine_chunks().to_batches()[0], [ID]).column(0)
    made = plain(ids.type, whole=True)
    ids = as_read(ids if made is None else made.convert(ids, ID), "key", ID).column
    place = {value: i for i, value in enumerate(ids.to_pylist())}
    return np.array([place[value] for value in out.column(ID).to_pylist()], np.intp)
