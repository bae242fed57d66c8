"""The rows of a file, batch by batch, and what is refused in a column of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from popstrat.errors import InputError
from popstrat.formats.source import FileSource

ROWS_NAMED = 5


def batches(source: FileSource, columns: Sequence[str]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """The rows of a file with the first row of each batch; ends in an error if there are not as many as it says."""
    row = 0
    for batch in source.batches(list(dict.fromkeys(columns))):
        yield row, batch
        row += batch.num_rows
    if source.rows not in (None, row):
        raise InputError("does not have as many rows as it says", file=source.name)
    source.check_unchanged()


def values(batch: pa.RecordBatch, name: str) -> pa.Array:
    """A column of a batch."""
    return batch.column(batch.schema.get_field_index(name))


def refuse_null(column: pa.Array, name: str) -> None:
    """Raise `InputError` with the rows of the batch where a column that must be there is null."""
    if column.null_count:
        rows = np.flatnonzero(np.asarray(column.is_null()))
        raise InputError("is null", column=name, rows=rows[:ROWS_NAMED].tolist(), more=len(rows[ROWS_NAMED:]))
