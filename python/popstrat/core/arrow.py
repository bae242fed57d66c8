"""Arrow columns: of text, whatever their layout; of numbers and flags, to and from NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as pt
from numpy.typing import NDArray

_CLASSLESS = (  # older versions of pyarrow do not name Arrow's numbers for them
    getattr(pa.lib, "Type_INTERVAL_MONTHS", 21),
    getattr(pa.lib, "Type_INTERVAL_DAY_TIME", 22),
)


_WHOLE = [f"{of}{bits}" for of in ("int", "uint") for bits in (8, 16, 32, 64)]
_NUMPY = {pa.from_numpy_dtype(kind): np.dtype(kind) for kind in (*_WHOLE, "float16", "float32", "float64")}


def numpy_type(kind: pa.DataType) -> np.dtype[Any]:
    """NumPy's type of these numbers. Not ``to_pandas_dtype``, which imports pandas in older versions of pyarrow."""
    return _NUMPY[kind]


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of this type holds text, of any layout, in a dictionary or not."""
    if pt.is_dictionary(kind):
        kind = kind.value_type
    return bool(pt.is_string(kind) or pt.is_large_string(kind) or pt.is_string_view(kind))


def has_class(kind: pa.DataType) -> bool:
    """Whether pyarrow has a class for arrays of this type: for intervals of months, and of days and times, it has none,
    alone or within another, and can do nothing with such a column but pass it on."""
    if pt.is_dictionary(kind):
        kind = kind.value_type
    return kind.id not in _CLASSLESS and all(has_class(kind.field(i).type) for i in range(kind.num_fields))


def text_of_views(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """Text views as text of this type."""
    try:
        return column.cast(kind)
    except pa.ArrowNotImplementedError:  # by older versions of pyarrow
        return pa.array(column.to_pylist(), kind)


def without_views(column: pa.Array) -> pa.Array:
    """The column with text views, in a dictionary or not, as plain text: Arrow cannot gather or encode views."""
    if pt.is_dictionary(column.type):
        if not pt.is_string_view(column.dictionary.type):
            return column
        return pa.DictionaryArray.from_arrays(column.indices, text_of_views(column.dictionary, pa.string()))
    return text_of_views(column, pa.large_string()) if pt.is_string_view(column.type) else column


def plain(column: pa.Array) -> pa.Array:
    """The column without dictionary or views; text out of either has 64-bit offsets, as it may be more than 2 GB."""
    if pt.is_dictionary(column.type):
        entries = column.dictionary
        column = (entries.cast(pa.large_string()) if is_text(entries.type) else entries).take(column.indices)
    return text_of_views(column, pa.large_string()) if pt.is_string_view(column.type) else column


def no_rows(schema: pa.Schema) -> pa.RecordBatch:
    """A batch without rows; Arrow's ``from_pylist`` does not make every kind of dictionary (with pyarrow 18)."""
    return pa.RecordBatch.from_arrays([pa.nulls(0, field.type) for field in schema], schema=schema)


def numbers(column: pa.Array) -> NDArray[Any]:
    """The values of a column of whole or floating numbers where they lie; undefined where it is null.

    Not Arrow's own way to NumPy, which imports pandas (0.2 s) where that is installed."""
    values = np.frombuffer(column.buffers()[1] or b"", numpy_type(column.type))
    return values[column.offset : column.offset + len(column)]


def valid(column: pa.Array) -> NDArray[np.bool_]:
    """Where a column is not null; without pandas, as `numbers`."""
    if column.null_count == 0:
        return np.ones(len(column), np.bool_)
    return _bits(column.buffers()[0], column)


def true(column: pa.Array) -> NDArray[np.bool_]:
    """Where a column of booleans is true, and not null; without pandas, as `numbers`."""
    if not len(column):
        return np.zeros(0, np.bool_)
    found = _bits(column.buffers()[1], column)
    return found & valid(column) if column.null_count else found


def from_numpy(
    values: NDArray[Any], missing: NDArray[np.bool_] | None = None, kind: pa.DataType | None = None
) -> pa.Array:
    """A column of numbers or booleans, null where ``missing``, over the memory of the values (of booleans: a copy).

    Not ``pa.array``, which imports pandas (0.2 s) where that is installed to ask whether the values are a series.
    """
    bits = None
    if missing is not None and missing.any():
        bits = pa.py_buffer(np.packbits(~missing, bitorder="little"))
    if values.dtype == np.bool_:
        return pa.Array.from_buffers(
            pa.bool_(), len(values), [bits, pa.py_buffer(np.packbits(values, bitorder="little"))]
        )
    held = pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(kind or pa.from_numpy_dtype(values.dtype), len(values), [bits, held])


def text_array(texts: Sequence[str]) -> pa.Array:
    """An Arrow string array; `pa.array` would do the same, but imports pandas (0.2 s) where that is installed.

    So does whatever turns values of Python or NumPy into Arrow's or back. `score` and `check` do without on their usual
    way; elsewhere it does not matter.
    """
    encoded = [text.encode() for text in texts]
    offsets = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    return pa.StringArray.from_buffers(len(encoded), pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded)))


def _bits(buffer: pa.Buffer, column: pa.Array) -> NDArray[np.bool_]:
    start = column.offset // 8
    bits = np.frombuffer(buffer, np.uint8)[start : (column.offset + len(column) + 7) // 8]
    first = column.offset - 8 * start
    return np.unpackbits(bits, bitorder="little")[first : first + len(column)].view(np.bool_)
