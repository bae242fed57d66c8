"""Whatever writes a Parquet file, and however: what was written is read, and by the engine unless pyarrow is asked."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from popstrat.formats import open_source
from popstrat.formats.parquet import reader
from popstrat.formats.registry import backend_asked_for

TYPES = [
    pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64(),
    pa.float32(), pa.float64(), pa.date32(), pa.timestamp("ms"), pa.timestamp("us", "UTC"), pa.timestamp("ns"),
    pa.string(), pa.large_string(),
    pa.dictionary(pa.int8(), pa.string()), pa.dictionary(pa.int32(), pa.string()),
    pa.dictionary(pa.uint16(), pa.string()),
]  # fmt: skip
BY_ENGINE = backend_asked_for() == "native"
CODECS = ["none", "snappy", "gzip", "zstd", "lz4"]
NOT_BY_PYARROW = "pyarrow cannot read differences of 32-bit numbers in 33 bits, as DuckDB's version 2 writes them"
# Labels read as dictionaries, and texts that are not.
KINDS = {"label": "category", "text": "id", "coded": "coded"}


def kinds(name: str) -> str | None:
    return KINDS.get(name.partition("_")[0])


def column(kind: pa.DataType, rows: int, nulls: float, variety: int, draw: random.Random) -> pa.Array:
    """Values of a type: in runs and not, from a few or from many, with a share of nulls."""
    stay, last = draw.choice([0.0, 0.5, 0.99]), 0
    numbers = []
    for _ in range(rows):
        last = last if draw.random() < stay else draw.randrange(variety)
        numbers.append(None if draw.random() < nulls else last)
    if pa.types.is_boolean(kind):
        return pa.array([None if n is None else n % 2 == 1 for n in numbers], kind)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind):
        words = [None if n is None else "é" * (n % 3) + str(n) * (n % 7) for n in numbers]
        return pa.array(words, kind.value_type).cast(kind) if pa.types.is_dictionary(kind) else pa.array(words, kind)
    if pa.types.is_floating(kind):
        return pa.array([None if n is None else n / 7 for n in numbers], kind)
    if pa.types.is_integer(kind):
        bits = kind.bit_width
        low = -(1 << bits - 1) if pa.types.is_signed_integer(kind) else 0
        step = max(1, ((1 << bits) - 1) // variety)
        return pa.array([None if n is None else low + n * step % (1 << bits) for n in numbers], kind)
    whole = pa.int32() if kind == pa.date32() else pa.int64()
    return pa.array(numbers, whole).cast(kind)


def plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


class Left:
    """The columns that were left to pyarrow."""

    def __init__(self) -> None:
        self.names: list[str] = []


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> Left:
    left = Left()
    begin = reader.ByArrow.begin

    def noticed(self: Any, group: int, *, skip: int = 0) -> None:
        left.names.append(self.name)
        begin(self, group, skip=skip)

    monkeypatch.setattr(reader.ByArrow, "begin", noticed)
    return left


def compare(path: Path, expected: pa.Table, *, batch_rows: int = 1 << 17, threads: int = 1) -> pa.Table:
    """Read a file, every array checked in full, its batches cut only where they should be.

    Not compared with pyarrow, which does not read all that these write. The parts of the file are the same.
    """
    source = open_source([path], kinds=kinds, threads=threads).files[0]
    batches = list(source.batches(source.schema.names, batch_rows=batch_rows))
    parts = source.parts(source.schema.names, batch_rows=batch_rows)
    assert parts is not None
    apart = [(part.first_row, list(part.batches())) for part in reversed(parts)][::-1]
    assert [b for _, found in apart for b in found] == batches
    assert [first for first, _ in apart] == [
        sum(b.num_rows for _, f in apart[:i] for b in f) for i in range(len(apart))
    ]
    batches = [_as_said(batch, source.schema) for batch in batches]
    groups = pq.read_metadata(path)
    cuts = [
        min(batch_rows, rows - start)
        for rows in (groups.row_group(i).num_rows for i in range(groups.num_row_groups))
        for start in range(0, rows, batch_rows)
    ]
    assert [b.num_rows for b in batches] == cuts
    table = pa.Table.from_batches(batches, source.schema)
    table.validate(full=True)
    assert table.num_rows == expected.num_rows
    for name in table.column_names:
        found = plain(table[name])
        assert found.equals(plain(expected[name]).cast(found.type)), f"{name}: {table[name].type}"
    return table


def _as_said(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """A batch whose coded numbers are out of their dictionaries, and whose other columns are of the types said."""
    batch.validate(full=True)
    for i, (array, field) in enumerate(zip(batch.columns, schema, strict=True)):
        if array.type != field.type:
            assert field.name.startswith("coded")
            assert pa.types.is_dictionary(array.type)
            batch = batch.set_column(i, field, array.cast(field.type))
    return batch


@st.composite
def files(draw: st.DrawFn) -> tuple[pa.Table, dict[str, Any]]:
    rows = draw(st.sampled_from([0, 1, 7, 64, 65, 1000, 9000]))
    rng = random.Random(draw(st.integers(0, 1 << 30)))
    columns: dict[str, pa.Array] = {}
    fields = []
    for i, kind in enumerate(draw(st.lists(st.sampled_from(TYPES), min_size=1, max_size=6))):
        nulls = draw(st.sampled_from([0.0, 0.0, 0.01, 0.5, 0.99, 1.0]))
        name = f"{draw(st.sampled_from(['label', 'text', 'coded']))}_{i}"
        few = pa.types.is_dictionary(kind) and kind.index_type == pa.int8()
        variety = draw(st.sampled_from([1, 2, 5, 100] if few else [1, 2, 5, 100, 5000]))
        columns[name] = column(kind, rows, nulls, variety, rng)
        fields.append(pa.field(name, kind, nullable=bool(nulls) or draw(st.booleans())))
    options: dict[str, Any] = {
        "compression": draw(st.sampled_from(CODECS)),
        "data_page_version": draw(st.sampled_from(["1.0", "2.0"])),
        "data_page_size": draw(st.sampled_from([1, 100, 5000, 1 << 20])),
        "write_batch_size": draw(st.sampled_from([1, 10, 333, 1024])),
        "dictionary_pagesize_limit": draw(st.sampled_from([1, 50, 1000, 1 << 20])),
        "row_group_size": draw(st.sampled_from([50, 1001, 1 << 20])) if rows < 5000 else 1 << 20,
        "write_page_checksum": draw(st.booleans()),
        "write_statistics": draw(st.booleans()),
        "store_schema": draw(st.booleans()),
    }
    if draw(st.booleans()):
        options["use_dictionary"] = draw(st.booleans())
    else:  # rarer encodings, where they can be
        options["use_dictionary"] = False
        options["column_encoding"] = {f.name: _rare(f.type) for f in fields if _rare(f.type)} or None
    return pa.Table.from_arrays(list(columns.values()), schema=pa.schema(fields)), options


def _rare(kind: pa.DataType) -> str | None:
    if pa.types.is_boolean(kind) or (pa.types.is_dictionary(kind) and not BY_ENGINE):
        return None  # pyarrow makes no dictionary of texts by lengths
    if pa.types.is_floating(kind):
        return "BYTE_STREAM_SPLIT"
    whole = pa.types.is_integer(kind) or pa.types.is_temporal(kind)
    return "DELTA_BINARY_PACKED" if whole else "DELTA_LENGTH_BYTE_ARRAY"


@settings(deadline=None, max_examples=3 * settings.default.max_examples // 2, suppress_health_check=list(HealthCheck))
@given(file=files(), batch_rows=st.sampled_from([1, 13, 64, 1000, 4096, 1 << 17]), threads=st.sampled_from([1, 3]))
def test_files_of_pyarrow(
    tmp_path_factory: pytest.TempPathFactory, file: tuple[pa.Table, dict[str, Any]], batch_rows: int, threads: int
) -> None:
    data, options = file
    path = tmp_path_factory.mktemp("pyarrow") / "a.parquet"
    pq.write_table(data, path, **options)
    batch_rows = max(batch_rows, data.num_rows // 50)
    with pytest.MonkeyPatch.context() as patch:
        if BY_ENGINE:
            patch.setattr(reader.ByArrow, "begin", _never)
        compare(path, data, batch_rows=batch_rows, threads=threads)


def _never(self: Any, group: int, *, skip: int = 0) -> None:
    raise AssertionError(f"{self.name} was left to pyarrow")


@pytest.mark.parametrize("codec", ["uncompressed", "snappy", "gzip", "zstd", "lz4"])
@pytest.mark.parametrize("nulls", [0.0, 0.3, 1.0])
def test_files_of_polars(tmp_path: Path, left: Left, codec: Any, nulls: float) -> None:
    rng = random.Random(1)
    data = {f"label_{i}": column(kind, 5000, nulls, 200, rng) for i, kind in enumerate(TYPES[:17])}
    data["label_many"] = column(pa.string(), 5000, nulls, 100_000, rng)
    frame = pl.from_arrow(pa.table(data))
    assert isinstance(frame, pl.DataFrame)
    frame.write_parquet(tmp_path / "a.parquet", compression=codec, row_group_size=3000, data_page_size=2000)
    compare(tmp_path / "a.parquet", pa.table(data), batch_rows=999)
    assert not (BY_ENGINE and left.names)


@pytest.mark.parametrize("codec", ["uncompressed", "snappy", "gzip", "zstd", "lz4_raw"])
@pytest.mark.parametrize("version", ["V1", pytest.param("V2", marks=pytest.mark.native_formats(NOT_BY_PYARROW))])
@pytest.mark.parametrize("nulls", [0.0, 0.3, 1.0])
def test_files_of_duckdb(tmp_path: Path, left: Left, codec: str, version: str, nulls: float) -> None:
    rng = random.Random(2)
    usual = [k for k in TYPES[:16] if k != pa.timestamp("us", "UTC")]
    data = pa.table({f"label_{i}": column(kind, 5000, nulls, 200, rng) for i, kind in enumerate(usual)})
    path = tmp_path / "a.parquet"
    duckdb.sql(
        f"COPY data TO '{path}' (FORMAT parquet, CODEC '{codec}', PARQUET_VERSION {version}, ROW_GROUP_SIZE 3000)"
    )
    compare(path, data, batch_rows=999)
    assert not (BY_ENGINE and left.names)
