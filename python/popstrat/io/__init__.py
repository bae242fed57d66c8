"""Reading patient tables and writing scored ones.

`open_source` takes file names and globs (Parquet, Arrow IPC, CSV) and streams record batches; `open_sink` writes
Parquet, Arrow IPC or CSV whose bytes do not depend on how the rows arrive, into an `Outputs` that appear
together or not at all.
"""

from __future__ import annotations

from popstrat.io.sinks import Outputs, Sink, check_target, open_sink, writing
from popstrat.io.sources import FileSource, Source, expand, open_source

__all__ = ["FileSource", "Outputs", "Sink", "Source", "check_target", "expand", "open_sink", "open_source", "writing"]
