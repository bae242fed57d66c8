"""Whether Arrow arrays are what they say: nothing points outside its buffers, and text is text.

Arrow trusts whoever made an array: offsets, indices and views that lead elsewhere are followed wherever they lead. So
nothing reads a column before one of these has looked at it. They differ in what they cost: `refuse_misfits` a few
microseconds a batch, `refuse_astray` one pass over offsets and indices, `refuse_unsound` a pass over the text too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as pt

from popstrat.core.arrow import text_array
from popstrat.engine import astray, text_of_views, views_coded
from popstrat.errors import InputError

_MISFIT = "is damaged: its buffers do not fit its rows"
_OUTSIDE = "is damaged: text that lies outside the column's own"
_ENTRY = "is damaged: an index that its dictionary does not have"
_BYTES = "text that is not UTF-8"
_NAMED = 5  # rows in a message


def refuse_misfits(batch: pa.RecordBatch, positions: Iterable[int]) -> None:
    """Raise `InputError` naming the first of these columns whose buffers are too short for its rows, or whose type
    and parts do not fit each other. Looks at sizes, and not at what the buffers hold."""
    try:
        batch.validate()
    except pa.ArrowException:
        for i in positions:  # a column that nobody reads may be anything
            array = batch.column(i)
            try:
                array.validate()
            except pa.ArrowException:
                raise InputError(_MISFIT, column=batch.schema.names[i]) from None
            if len(array) != batch.num_rows:
                raise InputError(_MISFIT, column=batch.schema.names[i]) from None


def refuse_astray(array: pa.Array, name: str) -> None:
    """Raise `InputError` naming the first rows whose text lies outside the column's, or whose index has no entry; or if
    the dictionary itself is unsound. Text need not be UTF-8, save a dictionary's. The sizes must have been seen to."""
    look = looks_astray(array.type)
    if look is not None:
        look(array, name)


def looks_astray(kind: pa.DataType) -> Callable[[pa.Array, str], None] | None:
    """What `refuse_astray` does for arrays of a type; None for types whose rows lead nowhere."""
    if pt.is_dictionary(kind):
        return _indices
    if pt.is_string(kind) or pt.is_large_string(kind) or pt.is_binary(kind) or pt.is_large_binary(kind):
        return _offsets
    return _views if pt.is_string_view(kind) or pt.is_binary_view(kind) else None


def _indices(array: pa.Array, name: str) -> None:
    dictionary, indices = array.dictionary, array.indices
    refuse_unsound_dictionary(dictionary, name)
    valid, values = indices.buffers()
    bits = indices.type.bit_width
    most = min(len(dictionary), 1 << (bits - pt.is_signed_integer(indices.type)))
    _refuse(_astray("indices", bits // 8, values, valid, indices, name, most), name, _ENTRY)


def _offsets(array: pa.Array, name: str) -> None:
    _, values, text = array.buffers()
    width = 8 if pt.is_large_string(array.type) or pt.is_large_binary(array.type) else 4
    size = 0 if text is None else text.size
    _refuse(_astray("offsets", width, values, None, array, name, size), name, _OUTSIDE)


def _views(array: pa.Array, name: str) -> None:
    valid, values, texts = buffers_of_views(array)
    _refuse(_astray("views", 16, values, valid, array, name, [t.size for t in texts]), name, _OUTSIDE)


def buffers_of_views(array: pa.Array) -> tuple[pa.Buffer | None, pa.Buffer, list[pa.Buffer]]:
    """The buffers of views: validity, views, then texts, of which none is None.

    Arrow's cast to views leaves one that is where all texts are short (with pyarrow 18 to 23)."""
    valid, values, *texts = array.buffers()
    return valid, values, [pa.py_buffer(b"") if text is None else text for text in texts]


def has_views(kind: pa.DataType) -> bool:
    """Whether a column of this type, or the dictionary of one, holds views."""
    kind = kind.value_type if pt.is_dictionary(kind) else kind
    return bool(pt.is_string_view(kind) or pt.is_binary_view(kind))


def has_views_within(kind: pa.DataType) -> bool:
    """As `has_views`, and of whatever a column of this type is made of: lists, structures, run ends, extensions."""
    if isinstance(kind, pa.BaseExtensionType):
        return has_views_within(kind.storage_type)
    if pt.is_dictionary(kind):
        return has_views_within(kind.value_type)
    return has_views(kind) or any(has_views_within(kind.field(i).type) for i in range(kind.num_fields))


def exportable(array: pa.Array) -> pa.Array:
    """The column, its views with `buffers_of_views`: to hand on others as Arrow's C data kills the process."""
    if pt.is_dictionary(array.type):
        dictionary = array.dictionary
        entries = exportable(dictionary)
        if entries is dictionary:
            return array
        return pa.DictionaryArray.from_arrays(array.indices, entries, ordered=array.type.ordered, safe=False)
    if not has_views(array.type):
        return array
    there = [text is not None for text in array.buffers()[2:]]
    if all(there):
        return array
    if any(there):  # a cast makes one of them all
        kind = pa.large_binary() if pt.is_binary_view(array.type) else pa.large_string()
        return cleared(array).cast(kind).cast(array.type)
    return pa.Array.from_buffers(array.type, len(array), array.buffers()[:2], offset=array.offset)


def refuse_unsound_dictionary(dictionary: pa.Array, name: str) -> None:
    """As `refuse_unsound` for the entries of a column's dictionary; names no rows, since entries are none."""
    try:
        refuse_unsound(dictionary, name)
    except InputError as error:
        raise InputError(f"its dictionary {error.problem}", column=name) from None


def refuse_unsound(array: pa.Array, name: str) -> None:
    """Raise `InputError` unless the whole array is sound: as `refuse_astray`, and text is UTF-8, decimals are within
    their precision, the number of nulls is right. Names the first rows where it can."""
    try:
        array.validate(full=True)
        return
    except pa.ArrowException:  # its message may quote a value
        pass
    try:
        array.validate()
    except pa.ArrowException:
        raise InputError(_MISFIT, column=name) from None
    bad: list[int] = []
    if pt.is_dictionary(array.type):
        bad = _of_entries(array, _not_utf8(array.dictionary, name))
    else:
        bad = _not_utf8(array, name)
    if bad:
        raise InputError(_BYTES, column=name, rows=bad[:_NAMED], more=max(0, len(bad) - _NAMED))
    refuse_astray(array, name)
    raise InputError("is damaged: its parts do not fit together", column=name)


def sound_table(table: pa.Table) -> pa.Table:
    """The table with every column wholly validated and `cleared`; raises `InputError` naming column and rows."""
    columns = []
    for name, column in zip(table.schema.names, table.columns, strict=True):
        row, chunks = 0, []
        for chunk in column.chunks:
            try:
                refuse_unsound(chunk, name)
            except InputError as error:
                raise error.located(None, row) from None
            chunks.append(cleared(chunk))
            row += len(chunk)
        columns.append(pa.chunked_array(chunks, column.type))
    return pa.Table.from_arrays(columns, schema=table.schema)


def cleared(array: pa.Array) -> pa.Array:
    """A sound array whose views lead nowhere where they are null: Arrow's own casts follow those too."""
    if pt.is_dictionary(array.type):
        dictionary = array.dictionary
        entries = cleared(dictionary)
        return (
            array
            if entries is dictionary
            else pa.DictionaryArray.from_arrays(array.indices, entries, ordered=array.type.ordered)
        )
    if not (pt.is_string_view(array.type) or pt.is_binary_view(array.type)):
        return array
    valid, values, texts = buffers_of_views(array)
    many, _ = _astray("views", 16, values, None, array, "", [t.size for t in texts])
    if not many:
        return array
    views = np.frombuffer(values, np.uint8).copy()
    rows = views[16 * array.offset : 16 * (array.offset + len(array))].reshape(-1, 16)
    rows[~np.asarray(array.is_valid())] = 0
    held = [valid, pa.py_buffer(views), *texts]
    try:
        return pa.Array.from_buffers(array.type, len(array), held, offset=array.offset)
    except ValueError:  # by pyarrow 18, where there are texts
        return pa.array(array.to_pylist(), array.type)


def text_of_sound_views(array: pa.Array) -> pa.Array | None:
    """A column of text views as text that lies in a row, if nothing is wrong with it; None if something is, for others
    to say what. Validating it wholly, and Arrow's cast, take many times as long."""
    valid, values, texts = buffers_of_views(array)
    skip = array.offset % 8 if valid is not None else 0
    try:
        made = text_of_views(values, valid, array.offset, len(array), texts, skip, pa.allocate_buffer)
    except ValueError:
        return None
    if made is None:
        return None
    ends, text, size = made
    bits = None if valid is None else valid.slice(array.offset // 8)
    return pa.Array.from_buffers(pa.large_string(), len(array), [bits, ends, text.slice(0, size)], offset=skip)


def labels_of_sound_views(array: pa.Array) -> pa.Array | None:
    """A column of text views as a dictionary, where they hold few texts, none longer than a label, and nothing is wrong
    with it; else None, as `text_of_sound_views`."""
    valid, values, *_ = array.buffers()
    skip = array.offset % 8 if valid is not None else 0
    out = pa.allocate_buffer(4 * (skip + len(array)))
    into = memoryview(out).cast("B")
    into[: 4 * skip] = bytes(4 * skip)
    try:
        texts = views_coded(values, valid, array.offset, len(array), into[4 * skip :])
    except ValueError:
        return None
    if texts is None:
        return None
    bits = None if valid is None else valid.slice(array.offset // 8)
    indices = pa.Array.from_buffers(pa.int32(), len(array), [bits, out], offset=skip)
    return pa.DictionaryArray.from_arrays(indices, text_array(texts), safe=False)


def refuse_nulls(array: pa.Array, name: str) -> None:
    """Raise `InputError` naming the first rows of a key column that are null. The array must be sound."""
    problem = "null, where every row needs a value"
    if array.null_count:
        if pt.is_null(array.type):
            _refuse((len(array), range(min(_NAMED, len(array)))), name, problem)
        held = array.indices if pt.is_dictionary(array.type) else array
        _refuse(_astray("valid", 0, None, held.buffers()[0], held, name, 0), name, problem)
        raise InputError("is damaged: its number of nulls is wrong", column=name)
    if pt.is_dictionary(array.type) and array.dictionary.null_count:
        entries = np.flatnonzero(~np.asarray(array.dictionary.is_valid()))
        rows = np.flatnonzero(np.isin(array.indices.to_numpy(zero_copy_only=False), entries))
        _refuse((len(rows), rows[:_NAMED].tolist()), name, problem)


def _astray(what: str, width: int, values: Any, valid: Any, array: pa.Array, name: str, entries: Any) -> Any:
    if values is None and what != "valid":
        if len(array):
            raise InputError(_MISFIT, column=name)
        return 0, []
    try:
        return astray(what, width, values, valid, array.offset, len(array), entries, _NAMED)
    except ValueError:
        raise InputError(_MISFIT, column=name) from None


def _refuse(found: tuple[int, Sequence[int]], name: str, problem: str) -> None:
    many, rows = found
    if many:
        raise InputError(problem, column=name, rows=rows, more=many - len(rows))


def _not_utf8(array: pa.Array, name: str) -> list[int]:
    """The rows whose text is not UTF-8; none where the array is unsound otherwise."""
    kind = array.type
    raw = {pa.string(): pa.binary(), pa.large_string(): pa.large_binary(), pa.string_view(): pa.binary_view()}.get(kind)
    if raw is None:
        return []
    try:
        refuse_astray(array, name)
    except InputError:
        return []
    return [i for i, text in enumerate(array.view(raw).to_pylist()) if text is not None and not _is_utf8(text)]


def _of_entries(array: pa.Array, entries: Sequence[int]) -> list[int]:
    """The rows of a dictionary array that hold one of these entries."""
    wanted = set(entries)
    return [i for i, index in enumerate(array.indices.to_pylist()) if index in wanted] if wanted else []


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
