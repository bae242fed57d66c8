"""What an Arrow column of an unusual type is read as: the one place that knows them all.

Platforms hand over the same values in many layouts: views and run-ends, dictionaries of anything, extension types,
bytes for text, decimals for whole numbers. `plain` says which usual type a type is read as, and how a column becomes
one; what is not unusual stays where it lies. pyarrow cannot write, sort or gather some of the layouts itself, so that
results have the plain ones.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.types as pt

from popstrat.core.arrow import has_class, is_text, text_of_views, without_views
from popstrat.core.lazy import compute as pc
from popstrat.core.soundness import cleared, labels_of_sound_views, refuse_unsound, text_of_sound_views
from popstrat.errors import InputError

_UUID, _BOOL = "arrow.uuid", "arrow.bool8"
_TOO_LARGE = "is a number beyond 64 bits"
_NAMED = 5  # rows in a message
_LABELS = pa.dictionary(pa.int32(), pa.string())
_HYPHENS = (8, 12, 16, 20)  # digits of a UUID before each


class Plain(NamedTuple):
    """The usual type that a column is read as, and what makes a column that; it raises `InputError` naming the column
    (its second argument) and its first rows."""

    type: pa.DataType
    convert: Callable[[pa.Array, str], pa.Array]


@lru_cache(maxsize=512)
def plain(kind: pa.DataType, *, whole: bool = False, labels: bool = False) -> Plain | None:
    """What columns of this type are read as; None where they are read as they are. ``whole``: the column holds keys,
    codes or labels, so that decimals without a scale are whole numbers. ``labels``: it holds few texts, many times."""
    if pt.is_string_view(kind):  # what is done looks at them itself
        return Plain(_LABELS, _labels) if labels else Plain(pa.large_string(), _views)
    step = _step(kind, whole)
    if step is None:
        return None
    then = plain(step.type, whole=whole)
    if then is None:
        return Plain(step.type, lambda a, name: step.convert(_sound(a, name), name))
    return Plain(then.type, lambda a, name: then.convert(step.convert(_sound(a, name), name), name))


def _step(kind: pa.DataType, whole: bool) -> Plain | None:
    """The first step on the way."""
    if not has_class(kind):
        return None
    if isinstance(kind, pa.BaseExtensionType):
        return _of_extension(kind)
    if pt.is_run_end_encoded(kind):
        return Plain(kind.value_type, lambda a, _: _run_ends(a))
    if pt.is_dictionary(kind):
        return _of_dictionary(kind)
    if pt.is_string_view(kind):
        return Plain(pa.large_string(), lambda a, _: without_views(a))
    if pt.is_fixed_size_binary(kind):
        return Plain(pa.binary(), lambda a, _: a.cast(pa.binary()))
    if pt.is_binary_view(kind):
        return Plain(pa.large_binary(), lambda a, _: a.cast(pa.large_binary()))
    if pt.is_binary(kind) or pt.is_large_binary(kind):
        text = pa.string() if pt.is_binary(kind) else pa.large_string()
        return Plain(text, lambda a, name: _sound(a.view(text), name))
    if whole and pt.is_decimal(kind) and kind.scale == 0:
        return Plain(pa.int64(), _whole_numbers)
    return None


def _of_extension(kind: pa.BaseExtensionType) -> Plain | None:
    stored = kind.storage_type
    if not has_class(stored):
        return None
    if kind.extension_name == _UUID:
        return Plain(pa.string(), lambda a, _: _uuids(a.storage))
    if kind.extension_name == _BOOL:
        return Plain(pa.bool_(), lambda a, _: a.storage.cast(pa.bool_()))
    if is_text(stored):
        return Plain(stored, lambda a, _: a.storage)
    return None  # what its values mean is the extension's own affair


def _of_dictionary(kind: pa.DictionaryType) -> Plain | None:
    values = kind.value_type
    if pt.is_string_view(values):
        text = pa.dictionary(kind.index_type, pa.string(), kind.ordered)
        return Plain(text, lambda a, _: _with_entries(a, text_of_views(a.dictionary, pa.string())))
    if is_text(values) or not has_class(values):
        return None
    step = _step(values, False)
    if step is not None and not pt.is_nested(values):
        inner = step
        coded = pa.dictionary(kind.index_type, inner.type, kind.ordered)
        return Plain(coded, lambda a, name: _with_entries(a, inner.convert(cleared(a.dictionary), name)))
    if pt.is_nested(values):
        return None
    return Plain(values, lambda a, _: a.dictionary.take(a.indices))


def _views(column: pa.Array, name: str) -> pa.Array:
    made = text_of_sound_views(column)
    return without_views(_sound(column, name)) if made is None else made


def _labels(column: pa.Array, name: str) -> pa.Array:
    made = labels_of_sound_views(column)
    return _views(column, name).dictionary_encode().cast(_LABELS) if made is None else made


def _sound(column: pa.Array, name: str) -> pa.Array:
    refuse_unsound(column, name)
    return cleared(column)


def _with_entries(column: pa.Array, entries: pa.Array) -> pa.Array:
    return pa.DictionaryArray.from_arrays(column.indices, entries, ordered=column.type.ordered)


def _run_ends(column: pa.Array) -> pa.Array:
    """Not Arrow's own decoding, which knows no dictionaries or views."""
    ends = np.asarray(column.run_ends)
    rows = np.arange(column.offset, column.offset + len(column))
    values = column.values
    if pt.is_string_view(values.type):
        values = text_of_views(values, pa.large_string())
    found = values.take(pa.array(np.searchsorted(ends, rows, side="right")))
    return found if found.type == column.type.value_type else found.cast(column.type.value_type)


def _uuids(stored: pa.Array) -> pa.Array:
    """Sixteen bytes each as people write them: digits in five groups."""
    filled = stored.fill_null(bytes(16)) if stored.null_count else stored
    raw = np.frombuffer(filled.buffers()[1] or b"", np.uint8)[16 * filled.offset : 16 * (filled.offset + len(filled))]
    digits = np.frombuffer(b"0123456789abcdef", np.uint8)[np.stack([raw >> 4, raw & 15], axis=-1)].reshape(-1, 32)
    text = np.insert(digits, _HYPHENS, ord("-"), axis=1)
    ends = np.arange(0, 36 * (len(filled) + 1), 36, dtype=np.int32)
    made = pa.StringArray.from_buffers(len(filled), pa.py_buffer(ends), pa.py_buffer(np.ascontiguousarray(text)))
    return pc.if_else(stored.is_valid(), made, pa.scalar(None, pa.string())) if stored.null_count else made


def _whole_numbers(column: pa.Array, name: str) -> pa.Array:
    try:
        return column.cast(pa.int64())
    except pa.ArrowInvalid:
        wide = column.cast(pa.decimal256(76, 0))
        most = pa.scalar(2**63, pa.decimal256(76, 0))
        beyond = pc.or_(pc.greater_equal(wide, most), pc.less(wide, pc.negate(most)))
        rows = np.flatnonzero(np.asarray(beyond.fill_null(False)))
        raise InputError(
            _TOO_LARGE, column=name, rows=rows[:_NAMED].tolist(), more=max(0, len(rows) - _NAMED)
        ) from None
