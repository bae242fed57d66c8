"""Reading patient tables and writing scored ones: a folder a format, and a registry of them.

Import from here; the pipeline's threads are in `popstrat.formats.pipeline`. The formats' own modules are for the
registry and for tests. Output files appear together or not at all by way of `popstrat.core.files`.
"""

from __future__ import annotations

from popstrat.formats.format import Backend
from popstrat.formats.registry import BACKENDS, FORMATS, check_target, ending, expand, open_sink, open_source
from popstrat.formats.sink import Rechunker, Sink
from popstrat.formats.source import BATCH_ROWS, FilePart, FileSource, Kind, Kinds, Source

__all__ = [
    "BACKENDS", "BATCH_ROWS", "FORMATS", "Backend", "FilePart", "FileSource", "Kind", "Kinds", "Rechunker", "Sink",
    "Source", "check_target", "ending", "expand", "open_sink", "open_source",
]  # fmt: skip
