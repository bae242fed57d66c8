"""Parquet as the engine writes it: dictionary codes and bits go into pages as they are, zstd, one pass.

A column's pages of a row group are kept, compressed, until the row group is complete; nothing else is. Columns are
independent of each other, so that they can be encoded on several threads.
"""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as pt

from popstrat.core.lazy import compute as pc
from popstrat.engine.formats import parquet_write as write
from popstrat.errors import InputError
from popstrat.formats.parquet import metadata as meta
from popstrat.formats.parquet.metadata import DATA_PAGE, DICTIONARY_PAGE, ROW_GROUP_ROWS, Encoding
from popstrat.formats.sink import BatchSink, quietly, stored, written_schema
from popstrat.formats.workers import Workers

PAGE_ROWS = 1 << 17
_MAGIC = b"PAR1"
_MOST_BYTES = (1 << 31) - 1  # of a page
_MOST_TEXT = 1 << 20  # bytes of a dictionary of text, about
_LONGEST_BOUND = 4096  # bytes of a least and a greatest text together
_PROBE_ROWS = 8192
# A column whose first page is large enough to tell and hardly shrinks is stored uncompressed: that is faster to write
# and to read.
_TELLING, _WORTH = 1 << 12, 0.95


class NativeParquetSink(BatchSink):
    """zstd where it helps; fixed row groups of fixed pages; dictionaries wherever few values repeat; statistics.

    ``rows`` is the size of a row group (`ROW_GROUP_ROWS` if it is None), rounded up to whole pages of at most
    `PAGE_ROWS`. The ``keys`` that are whole numbers become int64 and are stored as differences. The bytes do not depend
    on ``threads``.
    """

    def __init__(
        self, path: Path, schema: pa.Schema, keys: Collection[str], rows: int | None = None, *, threads: int = 1
    ) -> None:
        rows = rows or ROW_GROUP_ROWS
        pages = -(-rows // PAGE_ROWS)
        super().__init__(written_schema((stored(f, f.name in keys, True) for f in schema), schema), -(-rows // pages))
        self._columns = [_column(f, f.name in keys) for f in self.schema]
        self._pages, self._held, self._group_rows = pages, 0, 0
        self._groups: list[bytes] = []
        self._workers = Workers(threads, "popstrat-parquet")
        self._file = path.open("wb")
        self._at = self._file.write(_MAGIC)

    def _write(self, batch: pa.RecordBatch) -> None:
        self._workers.each(lambda pair: pair[0].add(pair[1]), list(zip(self._columns, batch.columns, strict=True)))
        self._group_rows += batch.num_rows
        self._held += 1
        if self._held == self._pages:
            self._end_group()

    def _end_group(self) -> None:
        chunks = []
        for column in self._columns:
            chunk, dictionary, pages = column.finish()
            if dictionary is not None:
                chunk.dictionary_at = self._at
                self._at += self._file.write(dictionary)
            chunk.data_at = self._at
            self._file.writelines(pages)
            self._at += sum(map(len, pages))
            chunks.append(chunk)
        self._groups.append(meta.row_group(self.schema, self._group_rows, chunks, len(self._groups)))
        self._held = self._group_rows = 0

    def _close(self) -> None:
        if self._held:
            self._end_group()
        footer = meta.footer(self.schema, self.rows, self._groups)
        self._file.write(footer + struct.pack("<I", len(footer)) + _MAGIC)
        self._file.close()
        self._workers.close()

    def abort(self) -> None:
        self._workers.close()
        quietly(self._file)


class _Column(ABC):
    """A column on its way into a row group."""

    def __init__(self, field: pa.Field) -> None:
        self.name, self.optional = field.name, field.nullable
        self._codec = pa.Codec("zstd", compression_level=1)
        self._chunk, self._pages = meta.Chunk(), list[bytes]()

    def add(self, data: pa.Array) -> None:
        """Encode and compress a page's rows. Raises `InputError` naming the column if they cannot be stored."""
        try:
            body, encoding, nulls = self._encode(data)
        except pa.ArrowException:  # its message might quote a value
            raise InputError("cannot be written: Arrow finds it damaged", column=self.name) from None
        except ValueError as error:
            raise InputError(f"cannot be written: {error}", column=self.name) from None
        self._chunk.values += len(data)
        self._chunk.nulls += nulls
        self._pages.extend(self._page(DATA_PAGE, encoding, len(data), body))

    def finish(self) -> tuple[meta.Chunk, bytes | None, list[bytes]]:
        """End the row group: what the footer says of it, its dictionary page if it has one, its other pages."""
        plain, entries, bounds = self._dictionary()
        chunk, pages = self._chunk, self._pages
        chunk.bounds = bounds
        page = None
        if (DATA_PAGE, Encoding.RLE_DICTIONARY) in chunk.pages:
            page = b"".join(self._page(DICTIONARY_PAGE, Encoding.PLAIN, entries, plain))
        self._chunk, self._pages = meta.Chunk(), []
        return chunk, page, pages

    def _page(self, kind: int, encoding: Encoding, values: int, body: bytes) -> tuple[bytes, Any]:
        packed = self._codec.compress(body) if self._chunk.compressed else body
        if not self._chunk.pages and len(body) >= _TELLING and len(packed) > _WORTH * len(body):
            packed, self._chunk.compressed = body, False  # the first page speaks for the row group
        if max(len(body), len(packed)) > _MOST_BYTES:
            raise InputError(f"cannot be written: {values:,} rows of it take more than 2 GB", column=self.name)
        header = meta.page_header(kind, encoding, values, len(body), len(packed))
        self._chunk.plain_bytes += len(header) + len(body)
        self._chunk.stored_bytes += len(header) + len(packed)
        self._chunk.pages[kind, encoding] = self._chunk.pages.get((kind, encoding), 0) + 1
        return header, packed

    @abstractmethod
    def _encode(self, data: pa.Array) -> tuple[bytes, Encoding, int]:
        """(A page's levels and values, the encoding of the values, nulls.)"""

    @abstractmethod
    def _dictionary(self) -> tuple[bytes, int, tuple[bytes, bytes] | None]:
        """(The dictionary as plain values, how many, the least and greatest value), before a new row group."""


class _Bits(_Column):
    """A bool column, stored as the bits that Arrow holds."""

    _true = _false = False

    def _encode(self, data: pa.Array) -> tuple[bytes, Encoding, int]:
        valid, values = data.buffers()
        body, nulls, ones = write.bits_page(values, valid, data.offset, len(data), self.optional)
        self._true |= ones > 0
        self._false |= ones + nulls < len(data)
        return body, Encoding.PLAIN, nulls

    def _dictionary(self) -> tuple[bytes, int, tuple[bytes, bytes] | None]:
        bounds = (bytes([not self._false]), bytes([self._true])) if self._true or self._false else None
        self._true = self._false = False
        return b"", 0, bounds


class _Numbers(_Column):
    """Numbers, dates, and columns of no type, all of whose rows are null."""

    def __init__(self, field: pa.Field, deltas: bool) -> None:
        super().__init__(field)
        kind = pa.int32() if pt.is_date32(field.type) or pt.is_null(field.type) else field.type
        letter = "f" if pt.is_floating(kind) else "i" if pt.is_signed_integer(kind) else "u"
        self._numbers = write.Numbers(f"{letter}{kind.bit_width}", self.optional, deltas)

    def _encode(self, data: pa.Array) -> tuple[bytes, Encoding, int]:
        if pt.is_null(data.type):
            data = pa.nulls(len(data), pa.int32())
        valid, values = data.buffers()
        body, encoding, nulls = self._numbers.page(values, valid, data.offset, len(data))
        return body, Encoding(encoding), nulls

    def _dictionary(self) -> tuple[bytes, int, tuple[bytes, bytes] | None]:
        return self._numbers.finish()


class _Text(_Column):
    """Text. Codes of a dictionary while that is small, else the text itself.

    A dictionary column of ``key`` values is coded again in the order in which rows use them, so that the file does not
    depend on how they came; of labels, each row group holds all, in the order in which they came.
    """

    def __init__(self, field: pa.Field, key: bool) -> None:
        super().__init__(field)
        self._key = key
        self._begin()

    def _begin(self) -> None:
        self._coding = True
        self._codes: dict[bytes, int] = {}
        self._labels: pa.Array | None = None  # the dictionary whose entries are codes 0, 1, 2 … as they stand
        self._bytes = 0
        self._least: bytes | None = None
        self._most = b""

    def _encode(self, data: pa.Array) -> tuple[bytes, Encoding, int]:
        if not pt.is_dictionary(data.type):
            self._coding = self._coding and (bool(self._codes) or _repeats(data))
            data = data.dictionary_encode() if self._coding else data
        elif data.dictionary.null_count:  # rows that are null in another way
            data = data.dictionary_decode().dictionary_encode()
        if self._coding and (page := self._coded(data)) is not None:
            return page[0], Encoding.RLE_DICTIONARY, page[1]
        self._coding = False
        return self._plain(data.dictionary.take(data.indices) if pt.is_dictionary(data.type) else data)

    def _plain(self, data: pa.Array) -> tuple[bytes, Encoding, int]:
        valid, ends, characters = data.buffers()
        large = pt.is_large_string(data.type)
        body, nulls = write.text_page(ends, characters, valid, data.offset, len(data), self.optional, large)
        if self._key and nulls < len(data):
            bounds = pc.min_max(_as_bytes(data))
            self._bound([bounds["min"].as_py(), bounds["max"].as_py()])
        return body, Encoding.PLAIN, nulls

    def _coded(self, data: pa.Array) -> tuple[bytes, int] | None:
        """A page of codes and its nulls; None if the dictionary would be too large."""
        indices, dictionary = data.indices, data.dictionary
        valid, values = indices.buffers()
        rows = (valid, indices.offset, len(indices), self.optional)
        if not (self._key or self._codes) and self._admit(_texts(dictionary, range(len(dictionary)))):
            same = indices.type.bit_width == 8 and 0 < len(self._codes) == len(dictionary) <= 256
            self._labels = dictionary if same else None
        if self._labels is not None and self._labels.equals(dictionary):
            return write.code_page(values, *rows, len(self._labels))
        page = write.Codes(values, indices.type.bit_width // 8, *rows, len(dictionary))
        if page.used is None:
            return None
        texts = _texts(dictionary, page.used)
        if not self._admit(texts):
            return None
        return page.body([self._codes[text] for text in texts], len(self._codes)), page.nulls

    def _admit(self, texts: list[bytes]) -> bool:
        """Give new values a code, all or none of them."""
        new = [text for text in dict.fromkeys(texts) if text not in self._codes]
        size = self._bytes + sum(map(len, new))
        if len(self._codes) + len(new) > write.MOST_CODES or size > _MOST_TEXT:
            return False
        self._codes.update((text, code) for code, text in enumerate(new, len(self._codes)))
        self._bytes = size
        return True

    def _bound(self, texts: list[bytes]) -> None:
        self._least = min(texts if self._least is None else [self._least, *texts])
        self._most = max([self._most, *texts])

    def _dictionary(self) -> tuple[bytes, int, tuple[bytes, bytes] | None]:
        texts = list(self._codes)
        if self._key and texts:  # of labels nobody knows which are used
            self._bound(texts)
        least, most = self._least, self._most
        bounds = (least, most) if least is not None and len(least) + len(most) <= _LONGEST_BOUND else None
        self._begin()
        return b"".join(struct.pack("<I", len(text)) + text for text in texts), len(texts), bounds


def _repeats(data: pa.Array) -> bool:
    """Whether the first rows of a text column suggest that a dictionary is worth it."""
    first = data.slice(0, _PROBE_ROWS)
    return bool(pc.count_distinct(first).as_py() <= len(first) // 4)


def _texts(dictionary: pa.Array, which: Iterable[int]) -> list[bytes]:
    """Some entries of a dictionary without nulls, as bytes."""
    _, ends, characters = dictionary.buffers()
    if not len(dictionary):
        return []
    wide = pt.is_large_string(dictionary.type)
    at = np.frombuffer(ends, np.int64 if wide else np.int32)[dictionary.offset :]
    text = memoryview(characters or b"").cast("B")
    return [bytes(text[at[i] : at[i + 1]]) for i in which]


def _as_bytes(text: pa.Array) -> pa.Array:
    """Text as bytes: nothing is decoded, so that no message can quote it."""
    return text.cast(pa.large_binary() if pt.is_large_string(text.type) else pa.binary())


def _column(field: pa.Field, key: bool) -> _Column:
    try:
        stored_as = meta.physical(field.type)
    except TypeError as error:
        raise InputError(str(error), column=field.name) from None
    if stored_as is meta.Physical.BOOLEAN:
        return _Bits(field)
    if stored_as is meta.Physical.BYTE_ARRAY:
        return _Text(field, key)
    return _Numbers(field, deltas=key and field.type == pa.int64())
