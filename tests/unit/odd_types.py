"""Record batches with columns of types that pyarrow has no Python class for: intervals of months, of days and times."""

from __future__ import annotations

import ctypes

import pyarrow as pa

INTERVALS = {"tiM": (pa.int32(), "month_interval"), "tiD": (pa.int64(), "day_time_interval")}
"""Arrow's format string → what its values are stored as, and how its type is shown."""


class _Schema(ctypes.Structure):
    """ArrowSchema of the C data interface."""


_Schema._fields_ = [
    ("format", ctypes.c_char_p), ("name", ctypes.c_char_p), ("metadata", ctypes.c_void_p), ("flags", ctypes.c_int64),
    ("n_children", ctypes.c_int64), ("children", ctypes.POINTER(ctypes.POINTER(_Schema))),
    ("dictionary", ctypes.c_void_p), ("release", ctypes.c_void_p), ("private_data", ctypes.c_void_p),
]  # fmt: skip


def with_intervals(batch: pa.RecordBatch, name: str, form: str) -> pa.RecordBatch:
    """The batch with another column, of this type."""
    stored, _ = INTERVALS[form]
    wider = batch.append_column(name, pa.array([1] * batch.num_rows, stored))
    schema = _Schema()
    array = (ctypes.c_byte * 1024)()
    wider._export_to_c(ctypes.addressof(array), ctypes.addressof(schema))
    child = schema.children[schema.n_children - 1].contents
    before, child.format = child.format, form.encode()
    assert before in (b"i", b"l")
    return pa.RecordBatch._import_from_c(ctypes.addressof(array), ctypes.addressof(schema))
