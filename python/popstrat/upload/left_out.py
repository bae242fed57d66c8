"""The file that says who of a practice was left out, and why: under the key alone, for whoever mends the lookup."""

from __future__ import annotations

from popstrat.packs.patient_table import ID
from popstrat.upload.csv_text import header
from popstrat.upload.templates.columns import FileColumn
from popstrat.upload.templates.dialect import Dialect
from popstrat.upload.templates.layout import Layout

REASON = "reason"
COLUMNS = (FileColumn("patient_id", ID), FileColumn("reason", REASON))
"""Both are text: quoted, and no formula for a spreadsheet."""
DIALECT = Dialect(quoting="all")
HEADER = header(COLUMNS, DIALECT)


def exceptions_name(layout: Layout, code: str) -> str:
    """The name of the file of a practice."""
    return f"{code}_{layout.as_of.isoformat()}_exceptions.csv"
