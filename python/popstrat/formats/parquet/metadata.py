"""The metadata of a Parquet file: page headers and the footer, in Thrift's compact encoding; the size of row groups."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import pyarrow as pa
import pyarrow.types as pt

from popstrat.core.version import VERSION


class Physical(IntEnum):
    """How values of a column are stored."""

    BOOLEAN = 0
    INT32 = 1
    INT64 = 2
    FLOAT = 4
    DOUBLE = 5
    BYTE_ARRAY = 6


class Encoding(IntEnum):
    """How the values of a page are encoded; levels are always RLE."""

    PLAIN = 0
    RLE = 3
    DELTA_BINARY_PACKED = 5
    RLE_DICTIONARY = 8


ROW_GROUP_ROWS = 1 << 19
NESTED_ROW_GROUP_ROWS = 1 << 18  # where a column is nested

DATA_PAGE, DICTIONARY_PAGE = 0, 2
_UNCOMPRESSED, _ZSTD = 0, 6
_FORMAT = 2  # with RLE_DICTIONARY and unsigned integers

# The types of Thrift's compact encoding.
_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _BINARY, _LIST, _STRUCT = 1, 2, 3, 4, 5, 6, 8, 9, 12


@dataclass
class Chunk:
    """A column of one row group as it is written: its pages' counts and sizes (bytes, page headers included)."""

    values: int = 0
    nulls: int = 0
    plain_bytes: int = 0
    stored_bytes: int = 0
    compressed: bool = True
    pages: dict[tuple[int, Encoding], int] = field(default_factory=dict)  # how many of a kind and an encoding
    bounds: tuple[bytes, bytes] | None = None  # the least and the greatest value
    dictionary_at: int | None = None  # where pages begin in the file
    data_at: int = 0


def page_header(kind: int, encoding: Encoding, values: int, plain_bytes: int, stored_bytes: int) -> bytes:
    """The header of a data or dictionary page of ``values`` values (nulls counted)."""
    if kind == DICTIONARY_PAGE:
        more = (7, _STRUCT, _struct((1, _I32, values), (2, _I32, encoding)))
    else:
        levels = ((3, _I32, Encoding.RLE), (4, _I32, Encoding.RLE))
        more = (5, _STRUCT, _struct((1, _I32, values), (2, _I32, encoding), *levels))
    return _struct((1, _I32, kind), (2, _I32, plain_bytes), (3, _I32, stored_bytes), more)


def row_group(schema: pa.Schema, rows: int, chunks: Sequence[Chunk], ordinal: int) -> bytes:
    """A row group's entry in the footer."""
    columns = [_column_chunk(f, chunk) for f, chunk in zip(schema, chunks, strict=True)]
    first = chunks[0]
    return _struct(
        (1, _LIST, (_STRUCT, columns)),
        (2, _I64, sum(c.plain_bytes for c in chunks)),
        (3, _I64, rows),
        (5, _I64, first.data_at if first.dictionary_at is None else first.dictionary_at),
        (6, _I64, sum(c.stored_bytes for c in chunks)),
        (7, _I16, ordinal if ordinal < 1 << 15 else None),
    )


def footer(schema: pa.Schema, rows: int, row_groups: Sequence[bytes]) -> bytes:
    """The file's metadata. It holds the Arrow schema, so that dictionaries and narrow integers come back as such,
    and the schema's metadata."""
    root = _struct((4, _BINARY, b"schema"), (5, _I32, len(schema)))
    said = {**(schema.metadata or {}), b"ARROW:schema": base64.b64encode(schema.serialize().to_pybytes())}
    pairs = [_struct((1, _BINARY, key), (2, _BINARY, value)) for key, value in said.items()]
    order = _struct((1, _STRUCT, _struct()))  # by type
    return _struct(
        (1, _I32, _FORMAT),
        (2, _LIST, (_STRUCT, [root, *(_element(f) for f in schema)])),
        (3, _I64, rows),
        (4, _LIST, (_STRUCT, row_groups)),
        (5, _LIST, (_STRUCT, pairs)),
        (6, _BINARY, f"popstrat version {VERSION}".encode()),
        (7, _LIST, (_STRUCT, [order] * len(schema))),
    )


def physical(kind: pa.DataType) -> Physical:
    """How an Arrow type is stored; raises TypeError for one that has no place here."""
    if pt.is_dictionary(kind):
        kind = kind.value_type
    if pt.is_boolean(kind):
        return Physical.BOOLEAN
    if pt.is_string(kind) or pt.is_large_string(kind):
        return Physical.BYTE_ARRAY
    if pt.is_float32(kind):
        return Physical.FLOAT
    if pt.is_float64(kind):
        return Physical.DOUBLE
    if pt.is_integer(kind):
        return Physical.INT64 if kind.bit_width == 64 else Physical.INT32
    if pt.is_date32(kind) or pt.is_null(kind):
        return Physical.INT32
    raise TypeError(f"a column of type {kind} cannot be written")


def is_written(kind: pa.DataType) -> bool:
    """Whether the engine writes this type: those of a patient table and a scored one, and no lists."""
    try:
        physical(kind)
    except TypeError:
        return False
    return True


def _element(column: pa.Field) -> bytes:
    """A column of the schema, with what its values mean in the old way and in the new."""
    kind = column.type.value_type if pt.is_dictionary(column.type) else column.type
    converted, logical = None, None
    if physical(kind) is Physical.BYTE_ARRAY:
        converted, logical = 0, (1, _STRUCT, _struct())
    elif pt.is_date32(kind):
        converted, logical = 6, (6, _STRUCT, _struct())
    elif pt.is_null(kind):
        logical = (11, _STRUCT, _struct())
    elif pt.is_integer(kind) and kind not in (pa.int32(), pa.int64()):
        signed = pt.is_signed_integer(kind)
        converted = {8: 11, 16: 12, 32: 13, 64: 14}[kind.bit_width] + 4 * signed
        logical = (10, _STRUCT, _struct((1, _BYTE, kind.bit_width), (2, _TRUE if signed else _FALSE, True)))
    return _struct(
        (1, _I32, physical(kind)),
        (3, _I32, int(column.nullable)),
        (4, _BINARY, column.name.encode()),
        (6, _I32, converted),
        (10, _STRUCT, None if logical is None else _struct(logical)),
    )


def _column_chunk(column: pa.Field, chunk: Chunk) -> bytes:
    encodings = sorted({encoding for _, encoding in chunk.pages} | {Encoding.RLE})
    kinds = [_struct((1, _I32, kind), (2, _I32, e), (3, _I32, count)) for (kind, e), count in chunk.pages.items()]
    least, most = chunk.bounds or (None, None)
    about = _struct(
        (1, _I32, physical(column.type)),
        (2, _LIST, (_I32, [_zigzag(e) for e in encodings])),
        (3, _LIST, (_BINARY, [_counted(column.name.encode())])),
        (4, _I32, _ZSTD if chunk.compressed else _UNCOMPRESSED),
        (5, _I64, chunk.values),
        (6, _I64, chunk.plain_bytes),
        (7, _I64, chunk.stored_bytes),
        (9, _I64, chunk.data_at),
        (11, _I64, chunk.dictionary_at),
        (12, _STRUCT, _struct((3, _I64, chunk.nulls), (5, _BINARY, most), (6, _BINARY, least))),
        (13, _LIST, (_STRUCT, kinds)),
    )
    return _struct((2, _I64, 0), (3, _STRUCT, about))


def _struct(*fields: tuple[int, int, Any]) -> bytes:
    """Fields as (id, type, value), ids ascending; a value of None leaves its field out. Structs come encoded, lists as
    (type, encoded items)."""
    out = bytearray()
    last = 0
    for number, kind, value in fields:
        if value is None:
            continue
        out.append((number - last) << 4 | kind)  # ids here never differ by more than 15
        last = number
        if kind in (_I16, _I32, _I64):
            out += _zigzag(value)
        elif kind == _BINARY:
            out += _counted(value)
        elif kind == _STRUCT:
            out += value
        elif kind == _LIST:
            out += _list(*value)
        elif kind == _BYTE:
            out.append(value)
    out.append(0)
    return bytes(out)


def _list(kind: int, items: Iterable[bytes]) -> bytes:
    items = list(items)
    head = bytes([len(items) << 4 | kind]) if len(items) < 15 else bytes([0xF0 | kind]) + _varint(len(items))
    return head + b"".join(items)


def _counted(value: bytes) -> bytes:
    return _varint(len(value)) + value


def _zigzag(value: int) -> bytes:
    return _varint(value << 1 if value >= 0 else -value * 2 - 1)


def _varint(value: int) -> bytes:
    if value < 128:
        return bytes((value,))
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)
