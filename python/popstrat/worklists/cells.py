"""Cells as text, by the rules of the monthly upload: no formulas, no control characters, identifiers digit by digit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from popstrat.core.dates import from_days
from popstrat.upload import csv_text
from popstrat.upload.templates.columns import FileColumn
from popstrat.upload.templates.dialect import Dialect, format_date
from popstrat.worklists.sheet import Sheet, SheetColumn

DIALECT = Dialect(encoding="utf-8-sig", quoting="all")
"""Of the CSV files: what every spreadsheet reads, with quotes around everything."""
_NUMBERS = ("whole", "share", "number")


def file_column(column: SheetColumn) -> FileColumn:
    """A column as the writer of the upload's files knows it."""
    role = "number" if column.kind in _NUMBERS else column.kind
    return FileColumn(column.name, column.name, role=role, identifier=column.kind in ("key", "nhs_number"))


def texts_of(sheet: Sheet) -> list[pa.Array]:
    """The cells of every column, as they stand in a CSV file. Raises `InputError` for a text that no cell may hold,
    naming the column."""
    data = {column.name: column.values for column in sheet.columns}
    found = [csv_text.cell_texts(file_column(column), data, sheet.rows, DIALECT) for column in sheet.columns]
    return [csv_text.decoded(cells).cast(pa.string()) for cells in found]


def shown(columns: Sequence[SheetColumn], texts: Sequence[pa.Array]) -> list[pa.Array]:
    """The cells as people read them: probabilities in %, dates as 30/06/2026."""
    return [_shown(column, cells) for column, cells in zip(columns, texts, strict=True)]


def _shown(column: SheetColumn, cells: pa.Array) -> pa.Array:
    if column.kind == "share":
        tenths = np.rint(np.asarray(pc.fill_null(column.values, 0.0)) * 1000).astype(np.int64)
        whole, rest = (pa.array(part).cast(pa.string()) for part in np.divmod(tenths, 10))
        text = pc.binary_join_element_wise(whole, pa.scalar("."), rest, pa.scalar(" %"), "")
        return pc.if_else(column.values.is_valid(), text, "")
    if column.kind == "date":
        coded = column.values.cast(pa.int32()).dictionary_encode()
        entries = [format_date(from_days(day), "dd/mm/yyyy") for day in coded.dictionary.to_pylist()]
        return pc.fill_null(pa.array(entries, pa.string()).take(coded.indices), "")
    return cells
