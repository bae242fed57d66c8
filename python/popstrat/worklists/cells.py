"""Cells as text, by the rules of the monthly upload: no formulas, no control characters, identifiers digit by digit."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from popstrat.upload import csv_text
from popstrat.upload.templates.columns import FileColumn
from popstrat.upload.templates.dialect import Dialect
from popstrat.worklists.sheet import Sheet, SheetColumn

DIALECT = Dialect(encoding="utf-8-sig", quoting="all")
"""Of the CSV files: what every spreadsheet reads, with quotes around everything."""
_ROLES = {"whole": "number", "share": "number", "text": "text", "key": "key", "nhs_number": "nhs_number",
          "number": "number", "date": "date"}  # fmt: skip


def file_column(column: SheetColumn) -> FileColumn:
    """A column as the writer of the upload's files knows it."""
    return FileColumn(column.name, column.name, role=_ROLES[column.kind], identifier=column.kind in ("key", "nhs_number"))


def texts_of(sheet: Sheet) -> list[pa.Array]:
    """The cells of every column. Raises `InputError` for a text that no cell may hold, naming the column."""
    found = []
    for column in sheet.columns:
        data = {column.name: column.values}
        found.append(csv_text.cell_texts(file_column(column), data, sheet.rows, DIALECT))
    return found


def decoded(texts: Sequence[pa.Array]) -> list[pa.Array]:
    """Cells without dictionaries."""
    return [csv_text.decoded(column).cast(pa.string()) for column in texts]
