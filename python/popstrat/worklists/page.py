"""A work list as one HTML page: on a screen, on a phone, and on A4 landscape paper, with nothing to load.

The template is `list.html.j2`, on the shell of all pages. Every text that comes from data is escaped; all rows of a
run are made at once.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
from markupsafe import Markup

from popstrat.core.numbers import day as written_day
from popstrat.pages.design.parts import Shell, Table
from popstrat.pages.design.render import render
from popstrat.upload import csv_text
from popstrat.worklists.read_me import CONFIDENTIAL, Section
from popstrat.worklists.sheet import SheetColumn

_ESCAPES = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#x27;"))
_CLASSES = {"key": "id", "nhs_number": "id", "whole": "num", "share": "num", "number": "num", "date": "num"}


_TEMPLATE = "worklists/list.html.j2"


class Rows:
    """Every row of a run as HTML; a page has some of them in a row. Columns in which nobody has anything are left
    out."""

    def __init__(self, columns: Sequence[SheetColumn], shown: Sequence[pa.Array]) -> None:
        """``shown``: the cells as people read them."""
        both = [(c, cells) for c, cells in zip(columns, shown, strict=True) if c.of.print and c.of.share]
        self.columns = [c for c, _ in both if _has_a_place(c)]
        self.left_out = [c.label for c, _ in both if not _has_a_place(c)]
        cells = [_cell(column, texts) for column, texts in both if _has_a_place(column)]
        start, end, nothing = (pa.scalar(text, pa.large_string()) for text in ("<tr>", "</tr>\n", ""))
        self._rows = pc.binary_join_element_wise(start, *[c.cast(pa.large_string()) for c in cells], end, nothing)

    def between(self, start: int, stop: int) -> str:
        return str(csv_text.slices(self._rows, [start, stop])[0], "utf-8")


def page(
    title: str,
    under: str,
    as_of: dt.date,
    rows: Rows,
    start: int,
    stop: int,
    gone: Sequence[Sequence[str]],
    read_me: Sequence[Section],
) -> bytes:
    """The page of the rows from ``start`` to before ``stop``; ``gone`` as of `workbook.workbook`."""
    columns = rows.columns
    total = sum(c.of.share for c in columns)
    labels = [f'  .list td:nth-child({i})::before {{ content: "{_css(c.label)}"; }}' for i, c in enumerate(columns, 1)]
    (_, care), (_, many), *rest = read_me
    if rows.left_out:
        rest = [*rest, ("Columns left out", (f"Nobody has anything in: {', '.join(rows.left_out)}.",))]
    shell = Shell(
        title, under=(under,), private=CONFIDENTIAL, scripts=False, tab=f"{title}, {written_day(as_of)}",
        provenance=(f"{title}: {under}",),
    )  # fmt: skip
    return render(
        _TEMPLATE,
        shell,
        care=(*care[1:], *many),
        day=written_day(as_of),
        heads=[c.label for c in columns],
        rows=Markup(rows.between(start, stop)),  # escaped when they were made
        widths=[f"{100 * c.of.share / total:.2f}" for c in columns],
        labels=Markup("\n".join(labels)),  # without what could end it (`_css`)
        gone=Table("gone", "On the last list and not on this one", gone[0], gone[1:]) if gone else None,
        sections=[(heading, lines) for heading, lines in rest if lines],
    ).encode()


def _has_a_place(column: SheetColumn) -> bool:
    """Whether somebody has anything in it; who somebody is always has."""
    return column.of.role == "key" or not column.empty


def _cell(column: SheetColumn, texts: pa.Array) -> pa.Array:
    escaped = texts
    for sign, stands in _ESCAPES:
        escaped = pc.replace_substring(escaped, sign, stands)
    named = _CLASSES.get(column.kind, "")
    if column.of.role == "rank":  # a colour, if it is one that the page knows
        simple = pc.if_else(pc.match_substring_regex(texts, "^[a-z_]+$"), texts, "")
        before = pc.binary_join_element_wise(pa.scalar('<td><b class="'), simple, pa.scalar('">'), "")
        told = pc.binary_join_element_wise(before, escaped, pa.scalar("</b></td>"), "")
        return pc.if_else(pc.equal(texts, ""), "<td></td>", told)
    start = f'<td class="{named}">' if named else "<td>"
    return pc.binary_join_element_wise(pa.scalar(start), escaped, pa.scalar("</td>"), "")


def _css(text: str) -> str:
    return text.replace("\\", "").replace('"', "").replace("<", "").replace("\n", " ")
