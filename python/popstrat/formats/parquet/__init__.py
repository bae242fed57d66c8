"""Parquet, its pages decoded and encoded by the engine or by pyarrow. `PARQUET` is for the registry."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from popstrat.formats.format import Format, ReadOptions, WriteOptions
from popstrat.formats.parquet.metadata import is_written
from popstrat.formats.sink import Sink
from popstrat.formats.source import FileSource


def _recognises(start: bytes) -> bool:
    return start[:4] in (b"PAR1", b"PARE")


def _source(path: Path, options: ReadOptions) -> FileSource:
    threads = max(1, options.threads // 2)  # the writer needs the others
    if options.backend == "arrow":
        from popstrat.formats.parquet.reader import ParquetSource  # start-up: only what is used is loaded

        return ParquetSource(path, options.kinds, threads=threads)
    from popstrat.formats.parquet.native_reader import NativeParquetSource  # start-up, as above

    return NativeParquetSource(path, options.kinds, threads=threads)


def _sink(path: Path, schema: pa.Schema, options: WriteOptions) -> Sink:
    if options.backend == "arrow" or not all(is_written(f.type) for f in schema):
        from popstrat.formats.parquet.arrow_writer import ArrowParquetSink  # start-up, as above

        return ArrowParquetSink(path, schema, options.keys, options.rows)
    from popstrat.formats.parquet.native_writer import NativeParquetSink  # start-up, as above

    threads = max(1, options.threads // 2)
    return NativeParquetSink(path, schema, options.keys, options.rows, threads=threads)


PARQUET = Format(
    name="parquet",
    title="Parquet",
    described="a Parquet",
    suffixes=(".parquet",),
    other_suffixes=(".parq", ".pq"),
    gzipped=False,
    output_suffix=".parquet",
    recognises=_recognises,
    source=_source,
    sink=_sink,
)
