"""Are two scored tables the same? What the benchmarks assert before they time anything, and the tests of the peers."""

from __future__ import annotations

import datetime as dt

import numpy as np
import peer_polars
import polars as pl
import pyarrow as pa

RISK = "admission_risk"


def differences(ours: pa.Table, theirs: pa.Table | pl.DataFrame, *, flags: bool = True) -> dict[str, int]:
    """Column → in how many rows the tables differ, for the columns that do. Types must agree as well.

    Rows are matched by `patient_id`. Labels are compared as text, everything else exactly, nulls included. Without
    ``flags`` the other table has no `quality_flags`, as it comes from a peer that checks nothing.
    """
    a, b = _frame(ours), theirs if isinstance(theirs, pl.DataFrame) else _frame(theirs)
    assert len(a) == len(b), f"{len(a):,} rows are not {len(b):,} rows"
    a, b = (f if f["patient_id"].is_sorted() else f.sort("patient_id") for f in (a, b))
    names = [c for c in a.columns if flags or c != "quality_flags"]
    assert names == b.columns, f"{names} are not the columns {b.columns}"
    found = {}
    for name in names:
        x, y = _text(a[name]), _text(b[name])
        assert x.dtype == y.dtype, f"{name}: {x.dtype} is not {y.dtype}"
        found[name] = int(x.ne_missing(y).sum())
    return {name: count for name, count in found.items() if count}


def risks_beyond_rounding(table: pa.Table, ours: pa.Table, theirs: pa.Table | pl.DataFrame, as_of: dt.date) -> int:
    """How many risks differ by more than rounding explains.

    A risk may differ by one in the sixth place, but only where the risk before rounding lies half way between two:
    there the last bit of a double, on which no two programs need agree, decides.
    """
    b = theirs if isinstance(theirs, pl.DataFrame) else _frame(theirs)
    exact = peer_polars.unrounded_risk(peer_polars.prepare(table), as_of)
    x, y, e = (f.sort("patient_id")[RISK].to_numpy() for f in (_frame(ours), b, exact))
    tie = np.abs(e * 1e6 % 1 - 0.5) < 1e-6
    same = (x == y) | (np.isnan(x) & np.isnan(y)) | (tie & (np.abs(x - y) < 1.5e-6))
    return int((~same).sum())


def _frame(table: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame


def _text(column: pl.Series) -> pl.Series:
    return column.cast(pl.String) if column.dtype in (pl.Enum, pl.Categorical) else column
