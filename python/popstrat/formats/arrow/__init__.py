"""Arrow IPC, read and written by pyarrow whatever the backend. `ARROW` is for the registry."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from popstrat.formats.format import Format, ReadOptions, WriteOptions
from popstrat.formats.sink import Sink
from popstrat.formats.source import FileSource


def _recognises(start: bytes) -> bool:
    return start[:6] == b"ARROW1" or start[:4] in (b"\xff\xff\xff\xff", b"FEA1")


def _source(path: Path, options: ReadOptions) -> FileSource:
    from popstrat.formats.arrow.reader import ArrowSource  # start-up: no format is loaded before a file of it is opened

    return ArrowSource(path)


def _sink(path: Path, schema: pa.Schema, options: WriteOptions) -> Sink:
    from popstrat.formats.arrow.writer import ArrowSink  # start-up, as above

    return ArrowSink(path, schema, options.keys, options.rows)


ARROW = Format(
    name="arrow",
    title="Arrow",
    described="an Arrow IPC",
    suffixes=(".arrow", ".feather", ".ipc"),
    other_suffixes=(".arrows",),
    gzipped=False,
    output_suffix=".arrow",
    recognises=_recognises,
    source=_source,
    sink=_sink,
)
