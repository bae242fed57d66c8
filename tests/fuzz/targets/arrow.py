"""Arrow IPC files and streams: what is read is what pyarrow reads and finds wholly valid; the rest is refused."""

from __future__ import annotations

import io
import random
from functools import cache
from pathlib import Path

import mutate
import pyarrow as pa
from target import WrongError

from popstrat.formats import open_source
from targets.parquet import bits

_MARK = b"\xff\xff\xff\xff"


@cache
def sound() -> list[bytes]:
    rng = random.Random(1)
    rows = 60
    numbers = [None if rng.random() < 0.2 else rng.randrange(50) for _ in range(rows)]
    words = [None if n is None else "x" * (n % 20) + str(n) for n in numbers]
    table = pa.table(
        {
            "flag": pa.array([None if n is None else n % 3 == 0 for n in numbers]),
            "small": pa.array(numbers, pa.int16()),
            "share": pa.array(numbers, pa.float32()),
            "day": pa.array(numbers, pa.int32()).cast(pa.date32()),
            "text": pa.array(words),
            "long": pa.array(words, pa.large_string()),
            "view": pa.array(words, pa.string_view()),
            "label": pa.array(words).dictionary_encode(),
            "few": pa.array(["a", "b", None] * 20).dictionary_encode().cast(pa.dictionary(pa.int8(), pa.string())),
            "none": pa.nulls(rows),
        }
    )
    found = []
    for codec in (None, "lz4", "zstd"):
        for opened in (pa.ipc.new_file, pa.ipc.new_stream):
            for columns in (table.column_names, ["text", "label", "view"], ["small", "flag"]):
                out = io.BytesIO()
                with opened(
                    out, table.select(columns).schema, options=pa.ipc.IpcWriteOptions(compression=codec)
                ) as file:
                    file.write_table(table.select(columns), max_chunksize=40)
                found.append(out.getvalue())
    return found


def make(number: int) -> bytes:
    rng = random.Random(number)
    content = rng.choice(sound())
    if rng.random() < 0.4:
        return mutate.of_bytes(content, rng, sound())
    # The flatbuffers: whole words of them, a little more or less, or another's; the bodies: offsets and indices.
    spoilt = bytearray(content)
    places = [i for i in range(0, len(content) - 8, 4) if content[i : i + 4] == _MARK]
    start = rng.choice(places or [0])
    size = int.from_bytes(content[start + 4 : start + 8], "little")
    for _ in range(rng.choice([1, 1, 2])):
        if rng.random() < 0.7 and 0 < size < len(content):
            at = start + 8 + rng.randrange(max(1, size // 2)) * 2
        else:
            at = rng.randrange(len(content) // 4) * 4
        width = rng.choice([2, 4, 4, 8])
        old = int.from_bytes(spoilt[at : at + width], "little")
        new = rng.choice(
            [old + rng.choice([-8, -4, -1, 1, 4, 8]), old ^ 1 << rng.randrange(8 * width), *mutate.ODD_WORDS]
        )
        spoilt[at : at + width] = (new % (1 << 8 * width)).to_bytes(width, "little")
    return bytes(spoilt)


def judge(content: bytes, folder: Path) -> str:
    path = folder / "a.arrow"
    path.write_bytes(content)
    source = open_source([path]).files[0]
    batches = list(source.batches(source.schema.names))
    found = pa.Table.from_batches(batches, source.schema) if batches else source.schema.empty_table()
    found.validate(full=True)
    try:
        opened = pa.ipc.open_file if content[:6] == b"ARROW1" else pa.ipc.open_stream
        expected = opened(pa.py_buffer(content)).read_all()
        expected.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise WrongError(f"pyarrow refuses what was read: {error}") from None
    for name in found.column_names:
        if _values(found[name]) != _values(expected[name]):
            raise WrongError(f"{name} has other values than pyarrow's")
    return "read"


def _values(column: pa.ChunkedArray) -> list[object]:
    try:
        return bits(column)
    except (pa.ArrowException, TypeError):  # of a type that no column of a patient table has
        return [str(column.type), len(column)]
