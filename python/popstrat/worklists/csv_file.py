"""A work list as CSV."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from popstrat.upload import csv_text
from popstrat.worklists.cells import DIALECT, file_column
from popstrat.worklists.sheet import SheetColumn


class CsvLines:
    """Every row of a run as a line; a file is some of them in a row."""

    def __init__(self, columns: Sequence[SheetColumn], texts: Sequence[pa.Array]) -> None:
        file_columns = [file_column(column) for column in columns]
        self.header = csv_text.header(file_columns, DIALECT)
        self._lines = csv_text.lines(texts, file_columns, DIALECT)

    def file(self, start: int, stop: int) -> Iterator[bytes | memoryview]:
        """The content of a file that has the rows from ``start`` to before ``stop``."""
        yield self.header
        yield csv_text.encoded(csv_text.slices(self._lines, [start, stop])[0], DIALECT)
