"""Damaged Parquet files: a table or one error, and never a crash, which is why the files are read in a child process.

What pyarrow refuses is refused here too; where both read a damaged file, both have the same table.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

ROUNDS = 400


def sound_files(rng: random.Random) -> list[tuple[bytes, int]]:
    """Small files of every kind, and where the footer of each starts."""
    import io

    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = 300
    numbers = [None if rng.random() < 0.2 else rng.randrange(50) for _ in range(rows)]
    words = [None if n is None else "x" * (n % 5) + str(n) for n in numbers]
    columns = {
        "flag": pa.array([None if n is None else n % 3 == 0 for n in numbers]),
        "sure": pa.array([i % 7 == 0 for i in range(rows)]),
        "small": pa.array(numbers, pa.int16()),
        "large": pa.array(numbers, pa.int64()),
        "share": pa.array(numbers, pa.float32()),
        "day": pa.array(numbers, pa.int32()).cast(pa.date32()),
        "text": pa.array(words),
        "label": pa.array(words),
        "long": pa.array(words, pa.large_string()),
    }
    data = pa.table(columns)
    delta = {"small": "DELTA_BINARY_PACKED", "large": "DELTA_BINARY_PACKED", "share": "BYTE_STREAM_SPLIT"}
    delta |= {"text": "DELTA_LENGTH_BYTE_ARRAY", "long": "DELTA_LENGTH_BYTE_ARRAY"}
    kinds: list[dict[str, Any]] = [
        {"use_dictionary": False},
        {"use_dictionary": True},
        {"use_dictionary": True, "dictionary_pagesize_limit": 20, "write_batch_size": 40},
        {"use_dictionary": False, "column_encoding": delta},
    ]
    files = []
    for options in kinds:
        for version in ("1.0", "2.0"):
            for codec in ("none", "snappy", "gzip", "zstd", "lz4"):
                out = io.BytesIO()
                pq.write_table(
                    data, out, compression=codec, data_page_version=version, data_page_size=200, row_group_size=170,
                    **{"write_batch_size": 64, **options},
                )  # fmt: skip
                content = out.getvalue()
                files.append((content, len(content) - 8 - int.from_bytes(content[-8:-4], "little")))
    return files


def damaged(content: bytes, footer: int, rng: random.Random) -> bytes:
    """A few bytes changed, mostly of the pages; sometimes bytes are lost or put in."""
    spoilt = bytearray(content)
    end = footer if rng.random() < 0.9 else len(spoilt)
    for _ in range(rng.choice([1, 1, 2, 5])):
        at = rng.randrange(4, end)
        spoilt[at] = rng.choice([spoilt[at] ^ 1 << rng.randrange(8), 0, 255, 127, 128, rng.randrange(256)])
    how = rng.random()
    if how < 0.05:
        at = rng.randrange(4, len(spoilt))
        del spoilt[at : at + rng.randrange(1, 30)]
    elif how < 0.1:
        at = rng.randrange(4, footer)  # the same length, other contents
        size = min(rng.randrange(1, 40), footer - at)
        spoilt[at : at + size] = rng.randbytes(size)
    return bytes(spoilt)


def read_damaged(seed: int, rounds: int) -> None:
    """Damage and read files, in this process; prints how many were still read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from popstrat.errors import InputError
    from popstrat.formats import open_source

    rng = random.Random(seed)
    files = sound_files(rng)
    read = both = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.parquet")
        for _ in range(rounds):
            path.write_bytes(damaged(*rng.choice(files), rng))
            try:
                source = open_source([path], kinds={"label": "category", "large": "coded"}.get).files[0]
                batches = []
                for batch in source.batches(source.schema.names, batch_rows=100):
                    batch.validate(full=True)
                    columns = [c.cast(f.type) for c, f in zip(batch.columns, source.schema, strict=True)]
                    batches.append(pa.RecordBatch.from_arrays(columns, schema=source.schema))
                found = pa.Table.from_batches(batches, source.schema)
                found.validate()
            except (InputError, MemoryError):
                continue
            read += 1
            try:
                expected = pq.read_table(path, page_checksum_verification=True)
            except (pa.ArrowException, OSError) as error:
                raise AssertionError(f"pyarrow refuses what was read here: {error}") from error
            both += 1
            assert found.num_rows == expected.num_rows
            for name in found.column_names:
                column = found[name]
                plain = column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
                # By their bytes: a damaged number may not be equal to itself.
                assert _bytes(plain) == _bytes(expected[name]), name
    print(f"{rounds} damaged files, {read} read, {both} of them by pyarrow too")


def _bytes(column: Any) -> bytes:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    whole = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    batch = pa.RecordBatch.from_arrays([whole.fill_null(_zero(whole.type)), whole.is_null()], ["v", "n"])
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    return bytes(sink.getvalue())


def _zero(kind: Any) -> Any:
    import pyarrow as pa

    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return pa.scalar("", kind)
    return pa.scalar(0, pa.int32()).cast(kind)


@pytest.mark.parametrize("seed", [1, 2])
def test_damaged_files_are_read_or_refused(seed: int) -> None:
    done = subprocess.run(
        [sys.executable, __file__, str(seed), str(ROUNDS)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    _, read, both = (int(part.split()[0]) for part in done.stdout.split(", "))
    assert 0 < both <= read < ROUNDS


if __name__ == "__main__":
    read_damaged(int(sys.argv[1]), int(sys.argv[2]))
