"""Parquet files of our own making: their layout, their statistics, and what they do at their limits."""

from __future__ import annotations

import datetime as dt
import errno
import itertools
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from popstrat.core.files import writing
from popstrat.engine.formats import parquet_write as write
from popstrat.errors import InputError
from popstrat.formats import Sink, open_sink
from popstrat.formats.parquet import native_writer

pytestmark = pytest.mark.smoke

ARROW = int(pa.__version__.split(".")[0])
RNG = np.random.default_rng(11)


def new_sink(path: Path, schema: pa.Schema, keys: list[str], rows: int | None = None, threads: int = 1) -> Sink:
    """A sink with so many threads of its own."""
    return open_sink(path, schema, form=".parquet", keys=keys, rows=rows, threads=2 * threads)


def put(path: Path, table: pa.Table, keys: list[str] | None = None, rows: int = 1 << 19, threads: int = 1) -> bytes:
    sink = new_sink(path, table.schema, keys or [], rows, threads)
    for batch in table.to_batches():
        sink.write(batch)
    sink.close()
    assert sink.rows == table.num_rows
    return path.read_bytes()


def column(path: Path, name: str, group: int = 0) -> Any:
    about = pq.read_metadata(path)
    return about.row_group(group).column(about.schema.names.index(name))


def same_everywhere(path: Path, table: pa.Table) -> None:
    """pyarrow, Polars, DuckDB and pandas read the rows that were written."""
    plain = table.cast(
        pa.schema([f.with_type(pa.string()) if pa.types.is_dictionary(f.type) else f for f in table.schema])
    )
    assert repr(pq.read_table(path).to_pydict()) == repr(plain.to_pydict())
    assert repr(pl.read_parquet(path).to_dict(as_series=False)) == repr(plain.to_pydict())
    rows = list(zip(*plain.to_pydict().values(), strict=True))
    assert repr(duckdb.sql(f"select * from '{path}'").fetchall()) == repr(rows)
    frame = pd.read_parquet(path)
    assert list(frame.columns) == table.schema.names
    assert len(frame) == table.num_rows


def every_kind(rows: int, nulls: float) -> pa.Table:
    """A table with a column of every type that a sink may be given."""
    made: dict[str, pa.Array] = {}
    mask = RNG.random(rows) < nulls
    for kind in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64"):
        made[kind] = pa.array(RNG.integers(0, 100, rows).astype(kind), mask=mask)
    made["bool"] = pa.array(RNG.random(rows) < 0.5, mask=mask)
    made["date32"] = made["int32"].cast(pa.date32())
    words = pa.array([f"w{i}" for i in RNG.integers(0, 5, rows)], mask=mask)
    made["string"] = words
    made["label"] = words.dictionary_encode().cast(pa.dictionary(pa.int8(), pa.string()))
    made["place"] = words.dictionary_encode()
    made["nothing"] = pa.nulls(rows)
    return pa.table(made)


@pytest.mark.parametrize("nulls", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("rows", [0, 1, 7, 8, 9, 64, 1000])
def test_every_kind_of_column_comes_back(tmp_path: Path, rows: int, nulls: float) -> None:
    table = every_kind(rows, nulls)
    path = tmp_path / "a.parquet"
    put(path, table, ["int64", "place"], rows=300)
    same_everywhere(path, table)
    found = pq.read_table(path)
    width = pa.int8() if ARROW >= 20 else pa.int32()  # before, pyarrow widens the indices that it reads
    assert found.schema.field("label").type == pa.dictionary(width, pa.string())
    assert found.schema.remove(found.schema.get_field_index("int64")).names == [
        n for n in table.column_names if n != "int64"
    ]


@pytest.mark.native_formats("pages, and row groups of whole pages")
def test_pages_and_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native_writer, "PAGE_ROWS", 100)
    table = every_kind(1050, 0.2)
    path = tmp_path / "a.parquet"
    cuts = {400: [400, 400, 250], 100: [100] * 10 + [50], 60: [60] * 17 + [30], 250: [252] * 4 + [42]}
    for rows, groups in cuts.items():
        put(path, table, ["string", "place"], rows)
        about = pq.read_metadata(path)
        assert [about.row_group(i).num_rows for i in range(about.num_row_groups)] == groups
        same_everywhere(path, table)
    allowed = {"PLAIN", "RLE", "RLE_DICTIONARY", "DELTA_BINARY_PACKED"}
    for group, i in itertools.product(range(about.num_row_groups), range(about.num_columns)):
        part = about.row_group(group).column(i)
        assert set(part.encodings) <= allowed
        assert part.compression == "ZSTD"
        assert part.num_values == groups[group]
    assert about.created_by.startswith("popstrat version ")
    assert about.format_version == "2.6"


@pytest.mark.native_formats("nulls among labels are counted in the statistics")
def test_statistics_are_those_of_pyarrow(tmp_path: Path) -> None:
    table = every_kind(3000, 0.2)
    floats = np.where(RNG.random(3000) < 0.1, np.nan, RNG.normal(size=3000))
    table = table.append_column("nan", pa.array(np.full(3000, np.nan))).append_column("some_nan", pa.array(floats))
    table = table.append_column("zero", pa.array(np.where(RNG.random(3000) < 0.5, -0.0, 0.0)))
    table = table.append_column("large", pa.array([1 << 63, *range(2999)], pa.uint64()))
    table = table.append_column("id", pa.array(RNG.integers(-(1 << 62), 1 << 62, 3000)))
    keys = ["int64", "string", "place", "id"]
    ours, theirs = tmp_path / "a.parquet", tmp_path / "b.parquet"
    put(ours, table, keys, 700)
    pq.write_table(pq.read_table(ours), theirs, row_group_size=700)
    for group, name in itertools.product(range(5), table.column_names):
        a, b = column(ours, name, group).statistics, column(theirs, name, group).statistics
        if name == "nothing":
            continue
        assert (a.null_count, a.num_values) == (b.null_count, b.num_values)
        if name == "label":
            assert not a.has_min_max  # which of them are used is not looked at
        else:
            assert repr((a.has_min_max, a.min, a.max)) == repr((b.has_min_max, b.min, b.max)), name


def test_a_filter_on_statistics_finds_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table({"id": np.arange(10_000), "place": [f"E{i // 1000}" for i in range(10_000)]})
    put(path, table, ["id", "place"], 1000)
    assert pq.read_table(path, filters=[("id", ">=", 8999)]).num_rows == 1001
    assert pl.scan_parquet(path).filter(pl.col("place") == "E7").collect().height == 1000
    assert duckdb.sql(f"select count(*) from '{path}' where place = 'E3' and id < 3500").fetchall() == [(500,)]


@pytest.mark.native_formats("which encoding a column gets")
def test_dictionaries_are_used_where_values_repeat(tmp_path: Path) -> None:
    rows = 40_000
    table = pa.table(
        {
            "id": np.arange(rows) * 7,
            "few_ids": np.arange(rows) % 5,
            "risk": np.round(RNG.random(rows), 3),
            "unique": RNG.integers(0, 1 << 64, rows, dtype=np.uint64),
            "small": RNG.integers(0, 200, rows).astype(np.int16),
            "date": pa.array(RNG.integers(0, 9000, rows), pa.int32()).cast(pa.date32()),
            "words": [f"w{i % 11}" for i in range(rows)],
            "names": [f"n{i}" for i in range(rows)],
        }
    )
    path = tmp_path / "a.parquet"
    put(path, table, ["id", "few_ids", "words", "names"])
    coded = {name for name in table.column_names if "RLE_DICTIONARY" in column(path, name).encodings}
    assert coded == {"few_ids", "risk", "small", "date", "words"}
    assert "DELTA_BINARY_PACKED" in column(path, "id").encodings
    assert column(path, "unique").compression == "UNCOMPRESSED"
    assert pq.read_table(path).to_pydict() == table.to_pydict()
    assert pl.read_parquet(path).equals(pl.from_arrow(table))  # type: ignore[arg-type]


@pytest.mark.native_formats("where a column turns from codes to values")
def test_a_dictionary_that_fills_up_gives_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Later pages of a row group are plain, earlier ones keep their codes, the next row group begins afresh."""
    monkeypatch.setattr(native_writer, "PAGE_ROWS", 50_000)
    monkeypatch.setattr(native_writer, "_MOST_TEXT", 100)
    few, many = np.arange(50_000) % 9, np.arange(100_000) + 3_000_000
    numbers = np.concatenate([few, many, few, few, few])
    words = pa.array([f"{i:07}" for i in numbers])
    table = pa.table(
        {
            "int": numbers.astype(np.int32),
            "float": numbers / 1024,
            "id": numbers,
            "small": pa.array(numbers % 65536, pa.uint16()),
            "key": words.dictionary_encode(),
            "text": words,
            "label": words.dictionary_encode(),
        }
    )
    path = tmp_path / "a.parquet"
    put(path, table, ["id", "key", "text"], rows=200_000)
    for name in ("int", "float", "id", "key", "text"):
        assert {"RLE_DICTIONARY", "PLAIN"} <= set(column(path, name).encodings), name
        size = column(path, name).total_uncompressed_size  # of a page of codes, two or three of values
        assert 200_000 < size < 1_900_000, (name, size)
    assert "DELTA_BINARY_PACKED" in column(path, "id").encodings
    assert column(path, "key").statistics.max == "3099999"
    assert column(path, "int").statistics.max == 3_099_999
    assert column(path, "int", 1).statistics.max == 8
    found = pq.read_table(path)
    assert found.schema.field("key").type == pa.dictionary(pa.int32(), pa.string())
    for name in table.column_names:
        want = table[name].cast(pa.string()) if name in ("key", "label") else table[name]
        assert found[name].cast(want.type).equals(want), name
    for name, values in pl.read_parquet(path).to_dict().items():
        assert values.cast(pl.String).to_list() == table[name].cast(pa.string()).to_pylist() or name == "float", name
    totals = duckdb.sql(f"select sum(int), sum(float), sum(id), min(text), max(key), max(label) from '{path}'")
    assert totals.fetchall() == [(numbers.sum(), (numbers / 1024).sum(), numbers.sum(), "0000000", *["3099999"] * 2)]


@pytest.mark.native_formats("which encoding a column gets")
def test_more_small_integers_than_codes(tmp_path: Path) -> None:
    table = pa.table({"all": pa.array(RNG.permutation(np.arange(-32768, 32768, dtype=np.int16)))})
    put(tmp_path / "a.parquet", table)
    assert "RLE_DICTIONARY" not in column(tmp_path / "a.parquet", "all").encodings
    assert pq.read_table(tmp_path / "a.parquet").equals(table)
    put(tmp_path / "a.parquet", table.slice(1))
    assert "RLE_DICTIONARY" in column(tmp_path / "a.parquet", "all").encodings
    assert pq.read_table(tmp_path / "a.parquet").equals(table.slice(1))


def test_dictionaries_of_any_make(tmp_path: Path) -> None:
    """Repeated entries, null entries, unused entries, entries in another order in every batch, none at all."""
    kind = pa.dictionary(pa.int32(), pa.string())

    def made(codes: list[int | None], entries: list[str | None]) -> pa.Array:
        return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array(entries, pa.string()))

    arrays = [
        made([0, 1, 2, None], ["a", "b", "a"]),
        made([1, 0, None, 1], ["b", None]),
        made([None, None], []),
        made([2, 2], ["x", "y", "c", "z"]),
        made([0, 1], ["a", "b"]),
    ]
    want = ["a", "b", "a", None, None, "b", None, None, None, None, "c", "c", "a", "b"]
    for key in (True, False):
        path = tmp_path / f"{key}.parquet"
        sink = new_sink(path, pa.schema([("x", kind)]), ["x"] if key else [], 4)
        for array in arrays:
            sink.write(pa.record_batch([array], ["x"]))
        sink.close()
        assert pq.read_table(path)["x"].to_pylist() == want
        assert pl.read_parquet(path)["x"].to_list() == want
    assert column(tmp_path / "True.parquet", "x").statistics.max == "b"


def test_bytes_do_not_depend_on_threads(tmp_path: Path) -> None:
    table = every_kind(20_000, 0.1)
    whole = put(tmp_path / "a.parquet", table, ["string", "place"], rows=7000)
    for threads in (2, 5):
        assert put(tmp_path / "b.parquet", table, ["string", "place"], rows=7000, threads=threads) == whole


def test_the_schema_is_kept(tmp_path: Path) -> None:
    schema = pa.schema([pa.field("Größe", pa.int8(), nullable=False), pa.field("b" * 300, pa.bool_())])
    table = pa.Table.from_arrays([pa.array([1, 2], pa.int8()), pa.array([True, None])], schema=schema)
    put(tmp_path / "a.parquet", table)
    assert pq.read_table(tmp_path / "a.parquet").schema.equals(schema, check_metadata=True)


def test_long_text_has_no_bounds(tmp_path: Path) -> None:
    table = pa.table({"x": ["a" * 5000, "b"]})
    put(tmp_path / "a.parquet", table, ["x"])
    assert not column(tmp_path / "a.parquet", "x").statistics.has_min_max
    assert pq.read_table(tmp_path / "a.parquet").equals(table)


def test_dates_beyond_python(tmp_path: Path) -> None:
    days = pa.array([-(1 << 31), (1 << 31) - 1, 0], pa.int32()).cast(pa.date32())
    put(tmp_path / "a.parquet", pa.table({"x": days}))
    assert pq.read_table(tmp_path / "a.parquet")["x"].combine_chunks().equals(days)


# -- what goes wrong ----------------------------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("threads", [1, 2])
def test_a_full_disk_names_the_file(threads: int) -> None:
    table = pa.table({"x": RNG.random(200_000)})
    with pytest.raises(OSError, match=r"No space left on device: 'out\.parquet'") as caught, writing("out.parquet"):  # noqa: PT012
        sink = open_sink(Path("/dev/full"), table.schema, form=".parquet", threads=threads)
        try:
            sink.write(table.to_batches()[0])
            sink.close()
        finally:
            sink.abort()
    assert caught.value.errno == errno.ENOSPC


def test_what_cannot_be_stored_names_the_column(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    with pytest.raises(InputError, match=r"column 'x': a column of type month_day_nano_interval cannot be written"):
        new_sink(path, pa.schema([("x", pa.month_day_nano_interval())]), [])
    schema = pa.schema([pa.field("x", pa.int8(), nullable=False)])
    sink = new_sink(path, schema, [])
    sink.write(pa.RecordBatch.from_arrays([pa.array([4, None], pa.int8())], schema=schema))
    with pytest.raises(InputError, match="column 'x': cannot be written: a null where every row needs a value"):
        sink.close()
    sink.abort()


PASSED_THROUGH = [
    pa.array([Decimal("1.50"), None]), pa.array([1, None], pa.timestamp("ns")),
    pa.array([1, None], pa.timestamp("us", tz="Europe/London")), pa.array([1, None], pa.time64("us")),
    pa.array([b"x", None]), pa.array([1.5, None], pa.float32()).cast(pa.float16()), pa.array([[1, 2], None]),
    pa.array([{"a": 1}, None]), pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int8())),
    pa.array([1, None], pa.duration("s")), pa.array([b"xx", None], pa.binary(2)), pa.array([0, None], pa.date64()),
]  # fmt: skip


@pytest.mark.parametrize("column", PASSED_THROUGH, ids=lambda a: str(a.type))
def test_types_that_only_pass_through(column: pa.Array, tmp_path: Path) -> None:
    """What the engine does not write, pyarrow writes: a list that is pseudonymised keeps such columns."""
    batch = pa.record_batch({"patient_id": ["a", "b"], "x": column})
    sink = open_sink(tmp_path / "a.parquet", batch.schema, form=".parquet", keys=["patient_id"])
    sink.write(batch)
    sink.close()
    found = pq.read_table(tmp_path / "a.parquet")
    assert found["x"].to_pylist() == column.to_pylist()
    assert found.schema.field("x").type == column.type or pa.types.is_date64(column.type)


@pytest.mark.parametrize("width", ["int8", "int32"])
def test_an_index_outside_its_dictionary(tmp_path: Path, width: str) -> None:
    for codes in ([0, 77], [0, -1]):
        wrong = pa.DictionaryArray.from_arrays(pa.array(codes, width), ["SECRET", "HIDDEN"], safe=False)
        for keys in ([], ["x"]):
            sink = new_sink(tmp_path / "a.parquet", pa.schema([("x", wrong.type)]), [])
            sink.write(pa.record_batch([wrong], ["x"]))
            with pytest.raises(InputError, match="column 'x': cannot be written: an index outside its dictionary") as e:
                sink.close()
            assert "SECRET" not in str(e.value), keys
            sink.abort()


# -- the encodings themselves, against plain ones -------------------------------------------------------------------


def unpacked(packed: bytes, width: int, count: int) -> list[int]:
    bits = np.unpackbits(np.frombuffer(packed, np.uint8), bitorder="little")[: width * count].reshape(count, width)
    return [int(sum(int(b) << i for i, b in enumerate(row))) for row in bits]


def varint(body: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (body[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if body[at - 1] < 128:
            return value, at


def codes_of(body: bytes, count: int) -> list[int]:
    """The codes of a page without levels, read slowly."""
    width = body[0]
    if not count:
        assert len(body) == 1
        return []
    head, at = varint(body, 1)
    if head & 1:
        assert head >> 1 == -(-count // 8)
        assert len(body) == at + (head >> 1) * width
        return unpacked(body[at:], width, count)
    assert head >> 1 == count
    return [int.from_bytes(body[at:], "little")] * count


@pytest.mark.parametrize("count", [1, 7, 8, 9, 63, 64, 65, 1000])
@pytest.mark.parametrize("entries", [1, 2, 3, 5, 9, 17, 33, 100, 129, 256, 257, 600, 1025, 5000, 40_000, 65_535])
def test_codes_are_packed(count: int, entries: int) -> None:
    codes = RNG.integers(0, entries, count)
    codes[-1] = entries - 1
    if entries <= 256:
        body, nulls = write.code_page(codes.astype(np.uint8), None, 0, count, False, entries)
        assert (codes_of(body, count), nulls) == (codes.tolist(), 0)
    for width in (2, 4, 8):
        page = write.Codes(codes.astype(f"u{width}"), width, None, 0, count, False, entries)
        assert page.used == list(dict.fromkeys(codes.tolist()))
        assert codes_of(page.body(page.used, entries), count) == codes.tolist()


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.97, 1.0])
@pytest.mark.parametrize("offset", [0, 1, 7, 8, 13])
def test_nulls_are_left_out(share: float, offset: int) -> None:
    rows = 700
    values = RNG.integers(0, 200, offset + rows)
    valid = RNG.random(offset + rows) >= share
    bitmap = np.packbits(valid, bitorder="little")
    want = values[offset:][valid[offset:]].tolist()
    for width in (1, 2, 4, 8):
        page = write.Codes(values.astype(f"u{width}"), width, bitmap, offset, rows, True, 200)
        assert page.nulls == rows - len(want)
        body = page.body(page.used or [], 200)
        length = int.from_bytes(body[:4], "little")
        head, at = varint(body, 4)
        if head & 1:
            assert unpacked(body[at : 4 + length], 1, rows) == valid[offset:].tolist()
        else:
            assert (head >> 1, bool(body[at])) == (rows, bool(want))
        assert codes_of(body[4 + length :], len(want)) == want
    bits = np.packbits(values % 2 == 0, bitorder="little")
    body, nulls, ones = write.bits_page(bits, bitmap, offset, rows, True)
    length = int.from_bytes(body[:4], "little")
    even = [v % 2 == 0 for v in want]
    assert unpacked(body[4 + length :], 1, len(want)) == even
    assert (nulls, ones) == (rows - len(want), sum(even))


def undelta(body: bytes) -> list[int]:
    """DELTA_BINARY_PACKED, read slowly."""

    def signed(at: int) -> tuple[int, int]:
        value, at = varint(body, at)
        return value >> 1 ^ -(value & 1), at

    block, at = varint(body, 0)
    parts, at = varint(body, at)
    count, at = varint(body, at)
    last, at = signed(at)
    values = [last][:count]
    while len(values) < count:
        least, at = signed(at)
        widths = body[at : at + parts]
        at += parts
        for width in widths:
            if len(values) == count:
                assert width == 0
                continue
            size = block // parts * width // 8
            deltas = unpacked(body[at : at + size], width, block // parts) if width else [0] * (block // parts)
            at += size
            for delta in deltas[: count - len(values)]:
                last = (last + least + delta + (1 << 63)) % (1 << 64) - (1 << 63)
                values.append(last)
    assert at == len(body)
    return values


LEAST, MOST = -(1 << 63), (1 << 63) - 1


@pytest.mark.parametrize("bits", [0, 1, 5, 24, 31, 32, 33, 40, 56, 63, 64])
@pytest.mark.parametrize("count", [1, 2, 32, 33, 128, 129, 130, 500])
def test_deltas(bits: int, count: int) -> None:
    if bits == 64:
        values: npt.NDArray[np.int64] = RNG.choice(np.array([LEAST, MOST, 0, -1]), count)
    else:
        values = np.cumsum(RNG.integers(0, 1 << bits, count, dtype=np.int64))
    column = write.Numbers("i64", False, True)
    while True:  # until no dictionary is thought worth it
        body, encoding, _ = column.page(values, None, 0, count)
        if encoding == write.DELTA:
            break
        column.page(np.arange(70_000) * 3, None, 0, 70_000)
    assert undelta(body) == values.tolist()


def test_buffers_that_are_too_short_are_refused() -> None:
    short = np.zeros(7, np.uint8)
    with pytest.raises(ValueError, match="shorter than its rows"):
        write.code_page(short, None, 0, 8, False, 1)
    with pytest.raises(ValueError, match="shorter than its rows"):
        write.code_page(np.zeros(64, np.uint8), short, 0, 57, True, 1)
    with pytest.raises(ValueError, match="shorter than its rows"):
        write.Numbers("f64", False, False).page(short, None, 0, 1)
    with pytest.raises(ValueError, match="text outside its buffer"):
        write.text_page(np.array([0, 9], np.int32), short, None, 0, 1, False, False)
    with pytest.raises(ValueError, match="text outside its buffer"):
        write.text_page(np.array([5, 2], np.int64), short, None, 0, 1, False, True)
    with pytest.raises(ValueError, match="out of range"):
        write.bits_page(short, None, -1, 8, False)


def test_today_is_a_date(tmp_path: Path) -> None:
    put(tmp_path / "a.parquet", pa.table({"x": [dt.date(2026, 6, 30), None]}))
    assert duckdb.sql(f"select * from '{tmp_path / 'a.parquet'}'").fetchall() == [(dt.date(2026, 6, 30),), (None,)]
    assert pl.read_parquet(tmp_path / "a.parquet").schema == {"x": pl.Date}
