"""The Parquet source: what is left to pyarrow, what damage says, how much memory it takes."""

from __future__ import annotations

import datetime as dt
import decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from popstrat.engine.formats.parquet_read import (
    WINDOW,
    ChunkError,
    Column,
    Memory,
    chunks,
    footer_parts,
    largest_page,
    reads,
)
from popstrat.errors import InputError
from popstrat.formats import open_source
from popstrat.formats.parquet import native_reader, reader
from popstrat.formats.registry import backend_asked_for

pytestmark = pytest.mark.smoke

ARROW = int(pa.__version__.split(".")[0])
BY_ENGINE = backend_asked_for() == "native"


def read(path: Path, *, batch_rows: int = 1 << 17, threads: int = 1) -> pa.Table:
    source = open_source([path], kinds=lambda n: "category" if n == "label" else None, threads=threads).files[0]
    return pa.Table.from_batches(source.batches(source.schema.names, batch_rows=batch_rows), source.schema)


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The columns that were left to pyarrow, and from which row of a row group on."""
    found: list[tuple[str, int]] = []
    begin = reader.ByArrow.begin

    def noticed(self: Any, group: int, *, skip: int = 0) -> None:
        found.append((self.name, skip))
        begin(self, group, skip=skip)

    monkeypatch.setattr(reader.ByArrow, "begin", noticed)
    return found


def test_columns_of_other_types_are_left_to_pyarrow(tmp_path: Path, left: list[tuple[str, int]]) -> None:
    rows = 1000
    data = pa.table(
        {
            "number": pa.array(range(rows)),
            "list": pa.array([[i] * (i % 3) for i in range(rows)]),
            "struct": pa.array([{"number": i, "x": i} for i in range(rows)]),
            "struct.x": pa.array(range(rows)),
            "decimal": pa.array([decimal.Decimal(i) for i in range(rows)]),
            "bytes": pa.array([b"x" * (i % 4) for i in range(rows)]),
            "fixed": pa.array([b"abc"] * rows, pa.binary(3)),
            "time": pa.array([dt.time(i % 24) for i in range(rows)]),
        }
    )
    if ARROW >= 21:  # before, pyarrow does not write views
        data = data.append_column("view", pa.array([str(i) for i in range(rows)], pa.string_view()))
    pq.write_table(data, tmp_path / "a.parquet", row_group_size=300)
    found = read(tmp_path / "a.parquet", batch_rows=70)
    kept = [n for n in data.column_names if n not in ("struct.x", "struct")]
    assert found.select(kept).equals(data.select(kept))
    by_engine = {"number"} if BY_ENGINE else set()
    assert {name for name, _ in left} == set(data.column_names) - by_engine


def test_times_in_another_unit_are_left_to_pyarrow(tmp_path: Path, left: list[tuple[str, int]]) -> None:
    data = pa.table({"s": pa.array([1, 2], pa.timestamp("s")), "old": pa.array([1, 2], pa.timestamp("ns"))})
    pq.write_table(data, tmp_path / "a.parquet", use_deprecated_int96_timestamps=True)
    expected = pq.read_table(tmp_path / "a.parquet", coerce_int96_timestamp_unit="us")
    assert read(tmp_path / "a.parquet").equals(expected)
    assert {name for name, _ in left} == {"s", "old"}


def test_old_times_of_every_year_are_the_right_day(tmp_path: Path) -> None:
    """Nanoseconds reach from 1677 to 2262 only; a date of birth that stands for "not known" lies beyond."""
    days = [dt.datetime(1, 1, 1), dt.datetime(1600, 2, 29), dt.datetime(1950, 7, 1), dt.datetime(9999, 12, 31)]
    data = pa.table({"day": pa.array(days, pa.timestamp("us"))})
    pq.write_table(data, tmp_path / "a.parquet", use_deprecated_int96_timestamps=True)
    assert read(tmp_path / "a.parquet")["day"].to_pylist() == days


@pytest.mark.native_formats("the engine's decoder is made to stop in the middle")
def test_pyarrow_takes_over_where_the_engine_stops(
    tmp_path: Path, left: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = pa.table({"label": [f"{i % 50}" for i in range(1000)], "n": pa.array(range(1000), pa.int32())})
    pq.write_table(data, tmp_path / "a.parquet", row_group_size=600)
    real = native_reader.Column

    class Stops:
        """A column that gives up now and then."""

        def __init__(self, *args: Any) -> None:
            self.column, self.reads = real(*args), 0

        def open(self, rows: int, chunk: Any) -> None:
            self.column.open(rows, chunk)

        def read(self, rows: int) -> pa.Array:
            self.reads += 1
            if self.reads == 4:
                raise ChunkError("enough")
            return self.column.read(rows)

    monkeypatch.setattr(native_reader, "Column", Stops)
    found = read(tmp_path / "a.parquet", batch_rows=100)
    assert left == [("label", 300), ("n", 300)]
    assert found["label"].cast(pa.string()).equals(data["label"])
    assert found["n"].equals(data["n"])


def test_brotli_is_left_to_pyarrow(tmp_path: Path, left: list[tuple[str, int]]) -> None:
    data = pa.table({"n": range(10)})
    pq.write_table(data, tmp_path / "a.parquet", compression="brotli")
    assert read(tmp_path / "a.parquet").equals(data)
    assert left == [("n", 0)]


@pytest.mark.native_formats("pyarrow leaves what it finds under nulls")
def test_values_under_nulls_are_zero(tmp_path: Path) -> None:
    some = [None if i % 3 else i for i in range(500)]
    data = pa.table({"n": pa.array(some, pa.int16()), "b": pa.array([None if i % 3 else True for i in range(500)])})
    pq.write_table(data, tmp_path / "a.parquet")
    found = read(tmp_path / "a.parquet").combine_chunks()
    values = pa.Array.from_buffers(pa.int16(), 500, [None, found["n"].chunk(0).buffers()[1]])
    assert values.to_pylist() == [0 if n is None else n for n in some]
    bits = pa.Array.from_buffers(pa.bool_(), 500, [None, found["b"].chunk(0).buffers()[1]])
    assert bits.to_pylist() == [n is not None for n in some]


@pytest.mark.native_formats("pyarrow makes a bitmap for every column that may have nulls")
def test_arrays_without_nulls_have_no_bitmap(tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": range(10), "b": [True] * 10, "label": ["x"] * 10}), tmp_path / "a.parquet")
    for column in read(tmp_path / "a.parquet").columns:
        assert column.chunk(0).buffers()[0] is None


def test_a_file_cut_short_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"n": pa.array(range(200_000))}), path, row_group_size=100_000, use_dictionary=False)
    batches = open_source([path]).files[0].batches(["n"])
    assert next(batches).num_rows == 100_000
    with path.open("r+b") as file:
        file.truncate(1000)
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        list(batches)


@pytest.mark.native_formats("how many bytes of a file the engine holds at a time")
def test_a_large_chunk_is_read_through_a_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.parquet"
    data = pa.table({"n": pa.array([i * 7919 % 1_000_003 for i in range(1_000_000)])})
    pq.write_table(data, path, use_dictionary=False, compression="none")
    sizes = []
    real = native_reader._File.read_into

    def noticed(self: Any, buffer: memoryview, offset: int) -> None:
        sizes.append(len(buffer))
        real(self, buffer, offset)

    monkeypatch.setattr(native_reader._File, "read_into", noticed)
    assert read(path, batch_rows=10_000).combine_chunks().equals(data)
    assert sum(sizes) > 8_000_000
    assert max(sizes) <= 2 * WINDOW


def test_rows_that_do_not_add_up(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"n": range(100)}), path, compression="none")
    footer = pq.read_metadata(path).serialized_size
    content = path.read_bytes()
    (chunk,) = chunks(content[-8 - footer : -8], 1, 1)[0].tolist()

    def file_bytes(buffer: memoryview, offset: int) -> None:
        buffer[:] = content[offset : offset + len(buffer)]

    column = Column(file_bytes, pa.int64(), "INT64", True)
    column.open(100, chunk)
    assert column.read(60).to_pylist() == list(range(60))
    assert len(column.read(0)) == 0
    assert column.read(40).to_pylist() == list(range(60, 100))
    with pytest.raises(ChunkError, match="fewer rows"):
        column.read(1)
    for rows, problem in ((101, "rows of its row group"), (99, "rows of its row group")):
        with pytest.raises(ChunkError, match=problem):
            column.open(rows, chunk)
    for rows, problem in ((101, "cut short"), (99, "more rows")):
        column.open(rows, [*chunk[:2], rows, *chunk[3:]])
        with pytest.raises(ChunkError, match=problem):
            column.read(rows)
    with pytest.raises(ChunkError):
        chunks(content[-8 - footer : -8], 1, 2)
    with pytest.raises(ChunkError):
        chunks(b"", 1, 1)


def test_what_is_read() -> None:
    assert reads(pa.int8(), "INT32")
    assert reads(pa.dictionary(pa.int8(), pa.string()), "BYTE_ARRAY")
    assert not reads(pa.int8(), "INT64")
    assert not reads(pa.decimal128(5), "INT32")
    assert not reads(pa.binary(), "BYTE_ARRAY")
    assert reads(pa.dictionary(pa.int32(), pa.int64()), "INT64")
    assert not reads(pa.dictionary(pa.int32(), pa.int64()), "INT32")
    assert not reads(pa.dictionary(pa.int32(), pa.float64()), "INT64")


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("codec", ["none", "zstd"])
def test_a_changed_byte_is_seen_where_pages_have_checksums(tmp_path: Path, version: str, codec: str) -> None:
    path = tmp_path / "a.parquet"
    data = pa.table({"sound": range(500), "spoilt": [i * 7919 % 1009 for i in range(500)]})
    pq.write_table(
        data, path, compression=codec, data_page_version=version, write_page_checksum=True, use_dictionary=False
    )
    assert read(path).equals(data)
    chunk = pq.read_metadata(path).row_group(0).column(1)
    content = bytearray(path.read_bytes())
    content[chunk.data_page_offset + chunk.total_compressed_size - 5] ^= 1  # in a value, which nothing else would tell
    path.write_bytes(content)
    with pytest.raises(InputError, match="column 'spoilt'"):
        read(path)


def test_text_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    for dictionary in (True, False):
        words = pa.array([b"sound", b"caf\xe9"] * 40).view(pa.string())
        pq.write_table(pa.table({"n": range(80), "word": words}), path, use_dictionary=dictionary)
        with pytest.raises(InputError, match="UTF-8") as caught:
            read(path)
        assert caught.value.column == "word"
        assert caught.value.file == str(path)


@pytest.mark.native_formats("pyarrow compares fewer counts")
def test_a_file_whose_rows_do_not_add_up_is_refused(tmp_path: Path) -> None:
    """Counts that the footer holds twice, each changed where it stands: none may shift rows."""
    path = tmp_path / "a.parquet"
    data = pa.table({"n": pa.array([None, *range(76)], pa.int64())})
    pq.write_table(data, path, use_dictionary=False, compression="none")
    content = path.read_bytes()
    footer = len(content) - 8 - pq.read_metadata(path).serialized_size
    places = [i for i in range(4, len(content) - 8) if content[i : i + 2] == bytes([77 * 2 & 127 | 128, 77 * 2 >> 7])]
    assert sum(i < footer for i in places) == 1
    assert sum(i >= footer for i in places) >= 3
    for place in places:
        for change in (2, -2, 4):
            spoilt = bytearray(content)
            spoilt[place] += change
            path.write_bytes(spoilt)
            with pytest.raises(InputError):
                read(path)


@pytest.mark.native_formats("the engine's own memory")
def test_memory_is_capped_whatever_the_size_of_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.parquet"
    page = 1 << 18
    columns = {f"c{i}": pa.array([0] * (page // 8), pa.int64()) for i in range(8)}
    columns["text"] = pa.array(["x" * 8] * (page // 8))
    for dictionary in (False, ["text"]):
        pq.write_table(
            pa.table(columns), path, use_dictionary=dictionary, data_page_size=1 << 30, write_batch_size=1 << 20,
            **({"max_rows_per_page": 1 << 30} if ARROW >= 23 else {}),  # before, pages are as large as asked for
        )  # fmt: skip
        for memory, refused in ((12 * page, False), (6 * page, True)):
            monkeypatch.setattr(native_reader, "Memory", lambda most=memory: Memory(most))
            if not refused:
                assert read(path).num_rows == page // 8
                continue
            with pytest.raises(InputError, match="write the file with smaller pages") as caught:
                read(path)
            assert caught.value.column in columns
            assert caught.value.file == str(path)


@pytest.mark.native_formats("pyarrow asks for as much memory as a page says")
@pytest.mark.parametrize(("kind", "codec"), [("list", "zstd"), ("struct", "none"), ("number", "brotli")])
def test_columns_left_to_arrow_are_held_to_the_same_memory(tmp_path: Path, kind: str, codec: str) -> None:
    """What their pages' headers say is looked at before anything is unpacked, whatever the footer says."""
    values = list(range(5000))
    made = {
        "list": pa.array([[v, v] for v in values]), "struct": pa.array([{"a": v} for v in values]),
        "number": pa.array(values),
    }[kind]  # fmt: skip
    path, lying = tmp_path / "sound.parquet", tmp_path / "lying.parquet"
    pq.write_table(pa.table({"n": made}), path, compression=codec, use_dictionary=False, write_statistics=False)
    assert [r["n"] for b in opened(path).batches(["n"]) for r in b.to_pylist()] == made.to_pylist()
    raw, at = path.read_bytes(), 4
    assert raw[at : at + 3] == b"\x15\x00\x15"  # a data page, and how many bytes it unpacks to
    end = next(i for i in range(at + 3, len(raw)) if raw[i] < 128) + 1
    lying.write_bytes(raw[: at + 3] + varint(2 * (600 << 20)) + raw[end:])
    with pytest.raises(InputError, match=r"column 'n': asks for 6\d\d MB of pages at a time, .* may hold 512 MB"):
        list(opened(lying).batches(["n"]))


def bytes_of(kind: int, size: int) -> bytes:
    """The start of a Thrift list of so many elements."""
    return bytes([0xF0 | kind]) + varint(size)


def a_footer(columns: int, groups: int, chunks_each: int) -> bytes:
    """A footer that describes so much in as few bytes as can be."""
    root = b"\x48\x01r\x15" + varint(2 * columns) + b"\0"
    schema = bytes_of(12, columns + 1) + root + b"\x15\x02\x25\0\x18\x01a\0" * columns
    group = b"\x19" + bytes_of(12, chunks_each) + b"\x26\0\0" * chunks_each + b"\x16\0\x16\0\0"
    return b"\x15\x02\x19" + schema + b"\x16\0\x19" + bytes_of(12, groups) + group * groups + b"\0"


@pytest.mark.parametrize(
    "parts", [(1 << 19, 0, 0), (1, 1 << 19, 0), (1, 1, 1 << 19), (1, 800, 700), (1, 1 << 10, 1 << 9)]
)
@pytest.mark.native_formats("pyarrow reads every footer")
def test_a_footer_that_describes_too_much_is_refused(parts: tuple[int, int, int], tmp_path: Path) -> None:
    """Before pyarrow makes a kilobyte of every three bytes of it."""
    made, path = a_footer(*parts), tmp_path / "a.parquet"
    columns, groups, each = parts
    assert footer_parts(made) == columns + 1 + groups + groups * each
    path.write_bytes(b"PAR1" + made + len(made).to_bytes(4, "little") + b"PAR1")
    with pytest.raises(InputError, match=r"describes too many .* with larger row groups") as caught:
        open_source([path])
    assert caught.value.file == str(path)


@pytest.mark.native_formats("pyarrow reads every footer")
def test_a_footer_that_cannot_be_followed_is_small(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    for size, told in ((1000, "cannot be read as Parquet"), (1 << 22, "describes too many")):
        made = b"\x15\x02\x1d" + b"\xff" * size
        assert footer_parts(made) is None
        path.write_bytes(b"PAR1" + made + len(made).to_bytes(4, "little") + b"PAR1")
        with pytest.raises(InputError, match=told):
            open_source([path])


def test_a_footer_is_no_longer_than_may_be(tmp_path: Path) -> None:
    """Whoever reads it; of bytes that are not there nothing is read."""
    path = tmp_path / "a.parquet"
    table = pa.table({"n": range(10)}).replace_schema_metadata({"long": "x" * (1 << 24)})  # twice, once in base64
    pq.write_table(table, path)
    with pytest.raises(InputError, match="describes too many"):
        open_source([path])
    pq.write_table(table.replace_schema_metadata({"long": "x" * (1 << 23)}), path)
    assert read(path).num_rows == 10
    path.write_bytes(path.read_bytes()[:-8] + b"\xff\xff\xff\x7fPAR1")
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        open_source([path])


def opened(path: Path) -> Any:
    return open_source([path], kinds=lambda name: None).files[0]


def varint(value: int) -> bytes:
    found = b""
    while value > 127:
        found += bytes([value & 127 | 128])
        value >>= 7
    return found + bytes([value])


def test_the_largest_page_of_a_chunk(tmp_path: Path) -> None:
    """Chunks of many pages and of pages larger than what is looked at together; and damaged ones."""
    rng = np.random.default_rng(1)
    for size in (100, 10_000, 100_000):
        path = tmp_path / "a.parquet"
        table = pa.table({"n": rng.integers(0, 1 << 60, 200_000)})
        pq.write_table(table, path, compression="none", use_dictionary=False, data_page_size=size, write_batch_size=10)
        raw = path.read_bytes()
        chunk = pq.read_metadata(path).row_group(0).column(0)

        def read_into(buffer: memoryview, offset: int, raw: bytes = raw) -> None:
            buffer[:] = raw[offset : offset + len(buffer)]

        start, length = chunk.data_page_offset, chunk.total_compressed_size
        found = largest_page(read_into, start, length)
        assert 2 * size <= found < 2 * size + 1000
        with pytest.raises(ChunkError):
            largest_page(read_into, start + 1, length - 1)
