"""Columns of views over buffers that need not fit one another, which no honest library makes."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import pyarrow as pa

_DATA = [
    *((name, ctypes.c_int64) for name in ("length", "null_count", "offset", "n_buffers", "n_children")),
    ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    *((name, ctypes.c_void_p) for name in ("children", "dictionary", "release", "private_data")),
]


class _Data(ctypes.Structure):
    """An array as Arrow's C data interface lays it out."""

    _fields_ = _DATA


@ctypes.CFUNCTYPE(None, ctypes.POINTER(_Data))
def _released(data: ctypes._Pointer[_Data]) -> None:
    data.contents.release = None


_KEPT: list[object] = []  # what arrays made by way of the C data interface lie in; they are few and small


def of_buffers(
    kind: pa.DataType, rows: int, buffers: Sequence[pa.Buffer | None], nulls: int = -1, offset: int = 0
) -> pa.Array:
    """As ``pa.Array.from_buffers``, which takes no views that have texts before pyarrow 19."""
    try:
        return pa.Array.from_buffers(kind, rows, buffers, nulls, offset)
    except ValueError:
        if int(pa.__version__.partition(".")[0]) >= 19:
            raise
    sizes = (ctypes.c_int64 * (len(buffers) - 2))(*(0 if b is None else b.size for b in buffers[2:]))
    places = [None if b is None else b.address for b in buffers]
    held = (ctypes.c_void_p * (len(places) + 1))(*places, ctypes.addressof(sizes))
    data = _Data(rows, nulls, offset, len(held), 0, held, None, None, ctypes.cast(_released, ctypes.c_void_p), None)
    _KEPT.append((list(buffers), sizes, held))
    return pa.Array._import_from_c(ctypes.addressof(data), kind)
