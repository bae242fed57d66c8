"""Whatever a sink may be given comes back, from every reader, as it does from a file of pyarrow's own writer."""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest import mock

import duckdb
import hypothesis.strategies as st
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings

from popstrat.formats import BACKENDS, open_sink, open_source
from popstrat.formats.parquet import native_writer
from popstrat.formats.parquet.native_writer import NativeParquetSink

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5)
FLOATS = st.floats() | st.sampled_from([0.0, -0.0, 1.5, math.nan])
SIGNED, UNSIGNED = (pa.int8(), pa.int16(), pa.int32(), pa.int64()), (pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())
VALUES: dict[pa.DataType, st.SearchStrategy[Any]] = {
    pa.bool_(): st.booleans(),
    **{t: st.integers(-(1 << t.bit_width - 1), (1 << t.bit_width - 1) - 1) for t in SIGNED},
    **{t: st.integers(0, (1 << t.bit_width) - 1) for t in UNSIGNED},
    pa.float32(): FLOATS.map(lambda x: struct.unpack("f", struct.pack("f", x))[0] if abs(x) < 1e38 else x),
    pa.float64(): FLOATS,
    pa.date32(): st.integers(-(1 << 19), 1 << 20),
    pa.string(): TEXT,
    pa.large_string(): TEXT,
    pa.dictionary(pa.int8(), pa.string()): TEXT,
    pa.dictionary(pa.int32(), pa.string()): TEXT,
    pa.dictionary(pa.uint16(), pa.large_string()): TEXT,
    pa.null(): st.none(),
}


@st.composite
def columns(draw: st.DrawFn, rows: int) -> tuple[pa.Field, list[Any]]:
    kind = draw(st.sampled_from(list(VALUES)))
    values = VALUES[kind]
    if draw(st.booleans()):  # few of them
        values = st.sampled_from(draw(st.lists(values, min_size=1, max_size=4)))
    nullable = pa.types.is_null(kind) or draw(st.booleans())
    if nullable:
        values = draw(st.sampled_from([values, values | st.none(), st.none()]))
    some = draw(st.lists(values, min_size=min(rows, 40), max_size=min(rows, 40)))
    order = random.Random(draw(st.integers(0, 99)))
    run = draw(st.integers(1, 99))  # of one value, at most
    drawn: list[Any] = []
    while len(drawn) < rows:
        drawn += [order.choice(some)] * order.randint(1, run)
    return pa.field("", kind, nullable), drawn[:rows]


def array(kind: pa.DataType, values: list[Any], spare: int) -> pa.Array:
    """An array that does not begin at the start of its buffers."""
    padded = [*values[:spare], *values]
    if pa.types.is_dictionary(kind):
        plain = pa.array(padded, kind.value_type).dictionary_encode()
        made = pa.DictionaryArray.from_arrays(plain.indices.cast(kind.index_type), plain.dictionary)
    else:
        made = pa.array(padded, pa.int32()).cast(kind) if kind == pa.date32() else pa.array(padded, kind)
    return made.slice(min(spare, len(values)))


@st.composite
def tables(draw: st.DrawFn) -> tuple[pa.Table, list[pa.RecordBatch], list[str]]:
    """(A table, its rows in batches, its keys); each batch has dictionaries of its own."""
    rows = draw(st.integers(0, 20) | st.integers(0, 500))
    made = draw(st.lists(columns(rows), min_size=1, max_size=4))
    schema = pa.schema([f.with_name(f"c{i}") for i, (f, _) in enumerate(made)])
    table = pa.Table.from_arrays([array(f.type, v, 0) for f, v in made], schema=schema)
    cuts = sorted(draw(st.sets(st.integers(0, rows), max_size=4)) | {0, rows})
    batches = [
        pa.RecordBatch.from_arrays([array(f.type, v[a:b], draw(st.integers(0, 9))) for f, v in made], schema=schema)
        for a, b in pairwise(cuts)
    ]
    return table, batches, draw(st.lists(st.sampled_from(schema.names), unique=True))


def put(
    path: Path,
    schema: pa.Schema,
    batches: list[pa.RecordBatch],
    keys: list[str],
    rows: int,
    page: int,
    threads: int = 1,
) -> bytes:
    with mock.patch.object(native_writer, "PAGE_ROWS", page):
        sink = NativeParquetSink(path, schema, keys, rows, threads=threads)
        for batch in batches:
            sink.write(batch)
        sink.close()
    return path.read_bytes()


def decoded(schema: pa.Schema) -> pa.Schema:
    """The schema with text where it has dictionaries."""
    return pa.schema([f.with_type(f.type.value_type) if pa.types.is_dictionary(f.type) else f for f in schema])


def reference(path: Path, table: pa.Table, schema: pa.Schema, rows: int) -> None:
    """The same rows in a file of pyarrow's writer."""
    made = [
        array(f.type, c.to_pylist(), 0) if pa.types.is_dictionary(f.type) else c.cast(f.type)
        for c, f in zip(table.cast(decoded(table.schema)).columns, schema, strict=True)
    ]
    pq.write_table(pa.Table.from_arrays(made, schema=schema), path, row_group_size=rows, compression="zstd")


def bounds(path: Path, schema: pa.Schema, keys: list[str]) -> Iterator[Any]:
    """What a file says of each column of each row group, where we say something."""
    about = pq.read_metadata(path)
    for group in range(about.num_row_groups if about.num_rows else 0):
        for i, f in enumerate(schema):
            if pa.types.is_null(f.type):  # pyarrow keeps none of a column without a type
                continue
            s = about.row_group(group).column(i).statistics
            text = pa.types.is_dictionary(f.type) or pa.types.is_string(f.type)
            kept = s.has_min_max and (not text or f.name in keys)
            yield group, f.name, s.null_count, s.num_values, repr((s.min, s.max)) if kept else None


@given(tables(), st.integers(1, 500), st.integers(3, 300), st.sampled_from([1, 3]), st.sampled_from([0, 9, 1 << 20]))
@settings(max_examples=3 * settings.default.max_examples // 2)
def test_every_reader_finds_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    made: tuple[pa.Table, list[pa.RecordBatch], list[str]],
    rows: int,
    page: int,
    threads: int,
    most_text: int,
) -> None:
    table, batches, keys = made
    keys = [k for k in keys if table.num_rows or not pa.types.is_null(table.schema.field(k).type)]
    folder = tmp_path_factory.mktemp("parquet")
    ours, theirs = folder / "ours.parquet", folder / "theirs.parquet"
    with mock.patch.object(native_writer, "_MOST_TEXT", most_text):
        whole = put(ours, table.schema, batches, keys, rows, page, threads=threads)
        about = pq.read_metadata(ours)
        size = about.row_group(0).num_rows if about.num_row_groups else rows
        assert rows <= size < rows + page or about.num_row_groups <= 1
        if not any(pa.types.is_dictionary(f.type) and f.name not in keys for f in table.schema):
            assert put(ours, table.schema, table.to_batches(), keys, rows, page) == whole
        put(ours, table.schema, batches, keys, rows, page)
    assert ours.read_bytes() == whole

    schema = pq.read_schema(ours)
    reference(theirs, table, schema, size)
    assert about.schema.equals(pq.read_metadata(theirs).schema)
    back, plain = pq.read_table(ours), pq.read_table(theirs)
    assert back.schema.equals(plain.schema, check_metadata=True)
    back.validate(full=True)
    assert repr(back.to_pydict()) == repr(plain.to_pydict()) == repr(table.cast(schema).to_pydict())
    reference(folder / "text.parquet", table, decoded(schema), size)  # of dictionaries pyarrow counts what no row uses
    assert list(bounds(ours, schema, keys)) == list(bounds(folder / "text.parquet", schema, keys))
    polars = pl.read_parquet(ours)
    assert polars.schema == pl.read_parquet(theirs).schema
    assert repr(polars.to_dict(as_series=False)) == repr(pl.read_parquet(theirs).to_dict(as_series=False))
    found = [duckdb.sql(f"select * from '{path}'") for path in (ours, theirs)]
    assert found[0].types == found[1].types
    assert repr(found[0].fetchall()) == repr(found[1].fetchall())


@given(tables(), st.integers(1, 500))
@settings(max_examples=settings.default.max_examples)
def test_both_backends_write_and_read_the_same(
    tmp_path_factory: pytest.TempPathFactory, made: tuple[pa.Table, list[pa.RecordBatch], list[str]], rows: int
) -> None:
    """Whichever writes and whichever reads: the same schemas, the same values, row groups of the same sizes."""
    table, batches, keys = made
    folder = tmp_path_factory.mktemp("parquet")
    found = []
    for writes in BACKENDS:
        path = folder / f"{writes}.parquet"
        sink = open_sink(path, table.schema, form=".parquet", keys=keys, rows=rows, backend=writes)
        for batch in batches:
            sink.write(batch)
        sink.close()
        about = pq.read_metadata(path)
        groups = [about.row_group(i).num_rows for i in range(about.num_row_groups) if about.num_rows]
        for reads in BACKENDS:
            kinds = dict.fromkeys(table.schema.names[::2], "category").get
            source = open_source([path], kinds=kinds, backend=reads).files[0]
            back = pa.Table.from_batches(source.batches(source.schema.names), source.schema)
            back.validate(full=True)
            found.append((sink.schema, pq.read_schema(path), source.schema, groups, repr(back.to_pydict())))
    for other in found[1:]:
        assert other == found[0]
