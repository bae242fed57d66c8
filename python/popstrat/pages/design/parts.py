"""What stands on pages, as data; `parts.html.j2` writes it. Text is text: it is escaped where it is written, unless it
is `Markup` (a kind of text) that one of our own functions made."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from markupsafe import Markup, escape

from popstrat.core.numbers import WITHHELD
from popstrat.pages.charts.chart import Chart

Text = str
RAGS = {"red": "R", "amber": "A", "green": "G"}
_SHAPES = {
    "red": '<path class="shape" d="M7.5 1.5h9l6 6v9l-6 6h-9l-6-6v-9z"/><text x="12" y="16">R</text>',
    "amber": '<path class="shape" d="M12 1 23.5 22H.5z"/><text x="12" y="19.5">A</text>',
    "green": '<circle class="shape" cx="12" cy="12" r="10.5"/><text x="12" y="16">G</text>',
}  # an octagon, a triangle and a disc: told apart without colour, and without reading


@dataclass(frozen=True)
class Link:
    """A place to go to; ``here`` marks the page that the reader is on."""

    label: Text
    href: str
    here: bool = False


@dataclass(frozen=True)
class Shell:
    """What surrounds a page. ``title`` is what people call its subject; ``head_title`` what a browser's tab says, the
    same unless given. ``under`` are lines below the title, ``crumbs`` the pages above this one, ``pages`` those beside
    it. ``provenance``: which run, definitions and files the figures come from. ``private``: a line that marks the page
    as confidential; ``scripts``: whether tables can be sorted and filtered."""

    title: Text
    under: Sequence[Text] = ()
    crumbs: Sequence[Link] = ()
    pages: Sequence[Link] = ()
    provenance: Sequence[Text] = ()
    private: str = ""
    scripts: bool = True
    tab: str = ""

    @property
    def head_title(self) -> Text:
        return self.tab or self.title


@dataclass(frozen=True)
class Verdict:
    """What matters most, first: a sentence, and those that carry it. ``rag`` red, amber, green or nothing, with its
    meaning in words."""

    say: Text
    because: Sequence[Text] = ()
    rag: str = ""
    means: str = ""
    heading: str = "In short"


@dataclass(frozen=True)
class KeyFigure:
    """One number that stands large, what it is, and what to set beside it."""

    figure: Text
    what: Text
    more: Text = ""


@dataclass(frozen=True)
class Cell:
    """A cell whose order is not that of its text: ``sort`` is what it is sorted by."""

    text: Text
    sort: str = ""

    def __html__(self) -> str:
        return str(escape(self.text))


_NUMBER = re.compile(r"[+−-]?[0-9]")
_BOUND = re.compile(r"(under|over) ([0-9.]+)%")


def number_cell(text: Text, value: float | None) -> Text | Cell:
    """A number as it is written, in a column that is sorted by its numbers. The script reads those itself; only what
    does not begin with one says what it is sorted by, in the unit of the column."""
    if value is None or _NUMBER.match(text):
        return text
    bound = _BOUND.fullmatch(text)
    if bound is None:
        return Cell(text, f"{value:.6g}")
    end = float(bound[2])
    return Cell(text, f"{end / 2 if bound[1] == 'under' else (100 + end) / 2:.6g}")


@dataclass(frozen=True)
class Part:
    """Rows of a table that belong together, under a heading of their own."""

    heading: Text
    rows: Sequence[Sequence[Text | Cell]]


@dataclass(frozen=True)
class Table:
    """Rows of written cells; the first cell of a row is its heading. ``numbers`` are the columns set flush right.
    ``id`` is unique on the page. ``parts`` stand after ``rows``; a table without parts can be sorted, and filtered when
    it is long. ``totals`` stay at its end. ``notes`` stand below it; what withheld cells mean comes by itself."""

    id: str
    caption: Text
    heads: Sequence[Text]
    rows: Sequence[Sequence[Text | Cell]]
    numbers: frozenset[int] = frozenset()
    under: Text = ""
    parts: Sequence[Part] = ()
    totals: Sequence[Sequence[Text | Cell]] = ()
    notes: Sequence[Text] = ()
    sortable: bool = True

    @property
    def withheld(self) -> bool:
        """Whether some cell is kept back."""
        every = [*self.rows, *self.totals, *(row for part in self.parts for row in part.rows)]
        return any(is_withheld(cell) for row in every for cell in row)


@dataclass(frozen=True)
class Figure:
    """A chart with its title, units, text alternative and table. ``opened`` shows the table without asking."""

    id: str
    title: Text
    chart: Chart
    table: Table | None = None
    under: Text = ""
    opened: bool = False
    notes: Sequence[Text] = field(default=())


def is_withheld(cell: Text | Cell) -> bool:
    """Whether this is the mark of a figure that is kept back."""
    return (cell.text if isinstance(cell, Cell) else cell) == WITHHELD


def row(cells: Sequence[Text | Cell], table: Table, extra: str = "") -> Markup:
    """A row of a table as HTML: a function and no macro, since rows are most of a page. The first cell is its heading;
    a cell is a number unless it says otherwise, since most are."""
    out = [f'<tr class="{extra}">' if extra else "<tr>"]
    for i, cell in enumerate(cells):
        number, kept = i in table.numbers, is_withheld(cell)
        tag, start = ("td", "<td") if i else ("th", '<th scope="row"')
        mark = "" if number == bool(i) else "n" if number else "t"
        classes = f"{mark} kept" if kept and mark else "kept" if kept else mark
        given = f' class="{classes}"' if classes else ""
        sort = cell.sort if isinstance(cell, Cell) else ""
        order = f' data-v="{escape(sort)}"' if sort else ""
        out.append(f"{start}{given}{order}>{escape(cell)}</{tag}>")
    out.append("</tr>\n")
    return Markup("".join(out))  # all of it escaped above


def rag(colour: str | None, words: str = "") -> Markup:
    """Red, amber or green as a shape with its letter and in words; a dash where there is none."""
    if colour not in RAGS:
        return Markup("–")
    return Markup(
        '<span class="rag rag-{}"><svg viewBox="0 0 24 24" aria-hidden="true" focusable="false">{}</svg>{}</span>'
    ).format(colour, Markup(_SHAPES[colour]), words or colour)
