"""Cells as text, by the rules of the monthly upload: no formulas, no control characters, identifiers digit by digit."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from popstrat.core.dates import from_days
from popstrat.core.numbers import percent, short_day
from popstrat.upload import csv_text
from popstrat.upload.templates.columns import FileColumn
from popstrat.upload.templates.dialect import Dialect
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
    """The cells as people read them: probabilities in %, dates as 30 Jun 2026."""
    return [_shown(column, cells) for column, cells in zip(columns, texts, strict=True)]


def _shown(column: SheetColumn, cells: pa.Array) -> pa.Array:
    if column.kind == "share":
        coded = column.values.dictionary_encode()
        entries = ["" if share is None else percent(share, 1) for share in coded.dictionary.to_pylist()]
        return pc.fill_null(pa.array(entries, pa.string()).take(coded.indices), "")
    if column.kind == "date":
        coded = column.values.cast(pa.int32()).dictionary_encode()
        entries = [short_day(from_days(day)) for day in coded.dictionary.to_pylist()]
        return pc.fill_null(pa.array(entries, pa.string()).take(coded.indices), "")
    return cells
