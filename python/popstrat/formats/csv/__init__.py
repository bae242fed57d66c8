"""CSV, its cells parsed and formatted by the engine or by pyarrow. `CSV` is for the registry."""

from __future__ import annotations

import codecs
from pathlib import Path

import pyarrow as pa

from popstrat.formats.format import Format, ReadOptions, WriteOptions
from popstrat.formats.sink import Sink
from popstrat.formats.source import FileSource


def _recognises(start: bytes) -> bool:
    """Whether it can be text; what other formats recognise is theirs."""
    if start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return True
    return not (b"\0" in start or start[:2] == b"\x1f\x8b" or start[:4] == b"PK\3\4")


def _source(path: Path, options: ReadOptions) -> FileSource:
    if options.backend == "arrow":
        from popstrat.formats.csv.arrow_reader import ArrowCsvSource  # start-up: only what is used is loaded

        return ArrowCsvSource(path, options.kinds, options.encoding, threads=options.threads)
    from popstrat.formats.csv.native_reader import NativeCsvSource  # start-up, as above

    return NativeCsvSource(path, options.kinds, options.encoding, threads=options.threads)


def _sink(path: Path, schema: pa.Schema, options: WriteOptions) -> Sink:
    from popstrat.formats.csv.writer import TextInsteadOfLists  # start-up, as above

    return TextInsteadOfLists.around(schema, options.lists_as_text, lambda flat: _flat_sink(path, flat, options))


def _flat_sink(path: Path, schema: pa.Schema, options: WriteOptions) -> Sink:
    if options.backend == "arrow":
        from popstrat.formats.csv.arrow_writer import ArrowCsvSink  # start-up, as above

        return ArrowCsvSink(path, schema, options.encoding, options.ids, packed=options.packed)
    from popstrat.formats.csv.native_writer import NativeCsvSink  # start-up, as above

    return NativeCsvSink(path, schema, options.encoding, options.threads, options.ids, packed=options.packed)


CSV = Format(
    name="csv",
    title="CSV",
    described="a CSV",
    suffixes=(".csv",),
    other_suffixes=(".tsv", ".txt"),
    gzipped=True,
    output_suffix=".csv",
    recognises=_recognises,
    source=_source,
    sink=_sink,
)
