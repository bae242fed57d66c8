"""Parquet files: what is read is what pyarrow reads, and what pyarrow refuses is refused."""

from __future__ import annotations

import io
import random
from functools import cache
from pathlib import Path
from typing import Any

import mutate
import pyarrow as pa
import pyarrow.parquet as pq
from target import WrongError
from test_damaged_parquet import sound_files

from popstrat.formats import open_source

BATCH_ROWS = 100


@cache
def sound() -> list[tuple[bytes, int, list[int]]]:
    """Files, where the footer of each starts, and where page headers do."""
    found = []
    files = [content for content, _ in sound_files(random.Random(1))]
    files += [_checked(content) for content in files[::5]]
    for content in files:
        footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
        metadata = pq.read_metadata(io.BytesIO(content))
        pages = []
        for group in range(metadata.num_row_groups):
            for i in range(metadata.num_columns):
                chunk = metadata.row_group(group).column(i)
                start = chunk.dictionary_page_offset or chunk.data_page_offset
                pages += _headers(content, start, start + chunk.total_compressed_size)
        found.append((content, footer, pages))
    return found


def _checked(content: bytes) -> bytes:
    """The same table with checksums, and some nullable columns that have no nulls."""
    out = io.BytesIO()
    pq.write_table(
        pq.read_table(io.BytesIO(content)), out, write_page_checksum=True, data_page_size=200, compression="none"
    )
    return out.getvalue()


def _headers(content: bytes, at: int, end: int) -> list[int]:
    found = []
    while at < end:
        found.append(at)
        header = mutate.Numbers(content, at)
        sizes = [content[a:b] for a, b in header.places]
        at = header.at + _page_bytes(sizes)
    return found


def _page_bytes(numbers: list[bytes]) -> int:
    """The packed size: the third number of the header; each has its head before it."""
    raw = numbers[5]
    return sum((byte & 127) << 7 * i for i, byte in enumerate(raw)) >> 1


def make(number: int) -> bytes:
    rng = random.Random(number)
    content, footer, pages = rng.choice(sound())
    way = rng.random()
    if way < 0.25:
        return mutate.of_thrift(content, rng.choice(pages), rng)[0]
    if way < 0.5:
        found, grown = mutate.of_thrift(content, footer, rng)
        size = int.from_bytes(found[-8:-4], "little") + grown
        return found[:-8] + size.to_bytes(4, "little") + found[-4:]
    if way < 0.7:  # the first bytes of a page: lengths, runs, widths
        at = mutate.Numbers(content, rng.choice(pages)).at + rng.randrange(12)
        spoilt = bytearray(content)
        spoilt[at] = rng.choice([*mutate.ODD_BYTES, spoilt[at] ^ 1 << rng.randrange(8)])
        return bytes(spoilt)
    others = [c for c, _, _ in sound()]
    return mutate.of_bytes(content, rng, others, footer if rng.random() < 0.8 else None)


def judge(content: bytes, folder: Path) -> str:
    path = folder / "a.parquet"
    path.write_bytes(content)
    source = open_source([path], kinds=lambda n: "category" if n == "label" else None).files[0]
    found = pa.Table.from_batches(source.batches(source.schema.names, batch_rows=BATCH_ROWS), source.schema)
    found.validate(full=True)
    try:
        expected = pq.read_table(path, page_checksum_verification=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise WrongError(f"pyarrow refuses what was read: {error}") from None
    if found.num_rows != expected.num_rows:
        raise WrongError("another number of rows than pyarrow's")
    for name in found.column_names:
        if bits(found[name]) != bits(expected[name]):
            raise WrongError(f"{name} has other values than pyarrow's")
    return "read"


def bits(column: pa.ChunkedArray) -> list[Any]:
    """Values that are equal where their bits are: a damaged number may not be equal to itself."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = kind.value_type
    if pa.types.is_floating(kind) or pa.types.is_temporal(kind):
        wide = pa.int32() if kind.bit_width == 32 else pa.int16() if kind.bit_width == 16 else pa.int64()
        column = pa.chunked_array([c.view(wide) for c in column.chunks], wide)
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        column = column.cast(pa.large_binary())
    return list(column.to_pylist())
