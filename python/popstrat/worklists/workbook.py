"""A work list as an Excel workbook: the list, who has left it, and a read-me.

Written by XlsxWriter. Identifiers are text cells, so that no program makes numbers of them; no text is ever a formula.
"""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from popstrat.core.dates import from_days
from popstrat.worklists.read_me import CONFIDENTIAL, Section
from popstrat.worklists.sheet import SheetColumn

LIST, GONE, READ_ME = "Work list", "Gone", "Read me"
_LITERAL = {"strings_to_numbers": False, "strings_to_formulas": False, "strings_to_urls": False, "in_memory": True}
_LINE, _HEAD, _HIGHEST = 12.5, 46.0, 400.0
"""Points of a line, of the header, and of the highest row that there may be."""
_FILLED = 1.2  # characters of this size to one of a column's width, less what a word leaves free
_WIDE = 100  # characters of a line of the read-me
_BODY = {"valign": "top", "font_size": 9, "border": 1, "border_color": "#D8DDE0"}
_FORMATS: dict[str, dict[str, Any]] = {
    "text": {"text_wrap": True},
    "key": {"num_format": "@", "indent": 1},
    "nhs_number": {"num_format": "@", "indent": 1},
    "whole": {"num_format": "0"},
    "number": {"num_format": "0.##"},
    "share": {"num_format": "0.0%"},
    "date": {"num_format": "dd/mm/yyyy"},
}


def workbook(
    title: str,
    as_of: dt.date,
    columns: Sequence[SheetColumn],
    texts: Sequence[pa.Array],
    start: int,
    stop: int,
    gone: Sequence[Sequence[str]],
    read_me: Sequence[Section],
) -> bytes:
    """The workbook of the rows from ``start`` to before ``stop``. ``texts`` are the cells as text, for what is text;
    ``gone`` has a header and a row for each person of the last list who is not on this one, or nothing."""
    import xlsxwriter  # here: no other command needs it

    target = io.BytesIO()
    book = xlsxwriter.Workbook(target, _LITERAL)
    book.set_properties(
        {"title": title, "comments": CONFIDENTIAL, "created": dt.datetime(as_of.year, as_of.month, as_of.day)}
    )
    _list_sheet(book, title, as_of, columns, texts, start, stop)
    if gone:
        _gone_sheet(book, title, gone)
    _read_me_sheet(book, title, read_me)
    book.close()
    return target.getvalue()


def _list_sheet(
    book: Any,
    title: str,
    as_of: dt.date,
    columns: Sequence[SheetColumn],
    texts: Sequence[pa.Array],
    start: int,
    stop: int,
) -> None:
    sheet = book.add_worksheet(LIST)
    head = book.add_format(
        {"bold": True, "text_wrap": True, "valign": "top", "bg_color": "#005EB8", "font_color": "#FFFFFF", "border": 1}
    )
    both = sorted(zip(columns, texts, strict=True), key=lambda pair: not pair[0].of.print)  # what is not printed: last
    for row, height in enumerate(_heights([(c, cells.slice(start, stop - start)) for c, cells in both]), 1):
        sheet.set_row(row, height)
    columns = [column for column, _ in both]
    for i, (column, cells) in enumerate(both):
        form = book.add_format(
            {"valign": "top", "font_size": 9, "border": 1, "border_color": "#D8DDE0", **_FORMATS[column.kind]}
        )
        sheet.set_column(i, i, column.of.width)
        sheet.write_string(0, i, column.label, head)
        if column.kind in ("text", "key", "nhs_number"):
            for row, text in enumerate(cells.slice(start, stop - start).to_pylist(), 1):
                sheet.write_string(row, i, text, form)
            continue
        for row, value in enumerate(column.values.slice(start, stop - start).to_pylist(), 1):
            if value is None:
                sheet.write_blank(row, i, None, form)
            elif column.kind == "date":
                sheet.write_datetime(row, i, value if isinstance(value, dt.date) else from_days(value), form)
            else:
                sheet.write_number(row, i, value, form)
    ids = next(i for i, c in enumerate(columns) if c.of.role == "key")
    sheet.set_row(0, _HEAD)
    sheet.freeze_panes(1, ids + 1)
    sheet.autofilter(0, 0, max(stop - start, 1), len(columns) - 1)
    sheet.print_area(0, 0, stop - start, sum(column.of.print for column in columns) - 1)
    _printed(sheet, title)
    sheet.repeat_rows(0)


def _heights(cells: Sequence[tuple[SheetColumn, pa.Array]]) -> list[float]:
    """The height of each row in points, so that wrapped text is seen in programs that do not work it out."""
    lines = np.ones(len(cells[0][1]), np.float64)
    for column, texts in cells:
        if column.kind == "text":
            lengths = np.asarray(pc.utf8_length(texts)).astype(np.float64)
            lines = np.maximum(lines, np.ceil(lengths / (column.of.width * _FILLED)))
    found: list[float] = np.minimum(lines * _LINE + 3, _HIGHEST).tolist()
    return found


def _gone_sheet(book: Any, title: str, gone: Sequence[Sequence[str]]) -> None:
    sheet = book.add_worksheet(GONE)
    bold, text = book.add_format({"bold": True}), book.add_format({"num_format": "@"})
    for row, cells in enumerate(gone):
        for i, cell in enumerate(cells):
            sheet.write_string(row, i, cell, text if row else bold)
    sheet.set_column(0, 0, 16)
    sheet.set_column(1, 1, 40)
    sheet.freeze_panes(1, 0)
    _printed(sheet, title)


def _read_me_sheet(book: Any, title: str, read_me: Sequence[Section]) -> None:
    sheet = book.add_worksheet(READ_ME)
    bold = book.add_format({"bold": True, "font_size": 12, "font_color": "#003087"})
    text = book.add_format({"text_wrap": True, "valign": "top"})
    sheet.set_column(0, 0, _WIDE)
    row = 0
    for heading, lines in read_me:
        if not lines:
            continue
        sheet.write_string(row, 0, heading, bold)
        for line in lines:
            row += 1
            sheet.set_row(row, min((len(line) // _WIDE + 1) * 15.0, _HIGHEST))
            sheet.write_string(row, 0, line, text)
        row += 2
    _printed(sheet, title)


def _printed(sheet: Any, title: str) -> None:
    sheet.set_landscape()
    sheet.set_paper(9)  # A4
    sheet.fit_to_pages(1, 0)
    sheet.set_margins(left=0.4, right=0.4, top=0.6, bottom=0.5)
    plain = title.replace("&", "&&")[:120]
    sheet.set_header(f'&L{plain}&R&"Arial,Bold"CONFIDENTIAL')
    sheet.set_footer("&LFor direct care only&RPage &P of &N")
