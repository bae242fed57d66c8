"""pandas frames as Arrow, column by column, so that one that is not of one type can be named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from popstrat.errors import InputError

if TYPE_CHECKING:
    from popstrat.frames.sources import Wanted


def table(frame: Any, wanted: Wanted) -> pa.Table | None:
    """A frame as a table, without its index; None for what is no frame. Raises `InputError` for columns whose values
    are not of one type."""
    from popstrat.frames.sources import column  # here: the registry imports this

    if not hasattr(frame, "columns") or not hasattr(frame, "iloc"):
        return None
    names = [name if isinstance(name, str) else str(name) for name in frame.columns]
    if getattr(frame.columns, "nlevels", 1) > 1:
        raise InputError("a table is needed whose columns have one name each, and the frame's have several levels")
    read = [wanted.reads(name) for name in names]
    some = frame.iloc[:, [i for i, one in enumerate(read) if one]]
    some.columns = [str(i) for i in range(some.shape[1])]  # two of one name are told of later
    try:
        made = iter(pa.Table.from_pandas(some, preserve_index=False).columns)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        made = iter(
            [column(some.iloc[:, i], name) for i, name in enumerate(n for n, r in zip(names, read, strict=True) if r)]
        )
    columns = [next(made) if one else pa.nulls(len(frame)) for one in read]
    return pa.table(columns, names=names)
